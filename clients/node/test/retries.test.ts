import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, describe, it } from "node:test";
import { Code, DeadlineExceededError, PolicybookClient, PolicybookError, ResourceExhaustedError, UnavailableError } from "../src/index.js";
import type { ClientOptions } from "../src/index.js";
import { Service, Spoken, decided, folder, freePort, order, refusal, runPython } from "./service.js";
import type { Refusal } from "./service.js";

const QUICK = { initialBackoffMs: 1, maxBackoffMs: 5 };

/** Ask a server that answers so. */
async function ask(answer: (number: number) => Refusal | undefined, options: ClientOptions = {}): Promise<{ server: Spoken; error: PolicybookError | undefined; tookMs: number }> {
  const server = await new Spoken((request, number) => answer(number) ?? decided(request)).start();
  const client = new PolicybookClient(server.address, { retry: QUICK, ...options });
  const begun = performance.now();
  let error: PolicybookError | undefined;
  try {
    await client.decide("a.b", {});
  } catch (e) {
    assert.ok(e instanceof PolicybookError, String(e));
    error = e;
  }
  client.close();
  server.stop();
  return { server, error, tookMs: performance.now() - begun };
}

describe("a real service", () => {
  it("that starts late is waited for", async () => {
    const port = await freePort();
    const client = new PolicybookClient(`127.0.0.1:${String(port)}`, { timeoutMs: 60_000, retry: { maxAttempts: 1_000, maxBackoffMs: 300 } });
    const early = client.decide("shop.order", order("60"));
    const ready = client.waitUntilReady({ timeoutMs: 60_000 });
    await sleep(300);
    const service = await Service.started("--port", String(port), "--insecure");
    assert.equal((await early).outputs.outcome, "ship");
    await ready;
    assert.equal(await client.health(), "serving");
    assert.equal(await service.end(), 0);
    await assert.rejects(client.decide("shop.order", order("60"), { timeoutMs: 1_000 }), (e: unknown) => e instanceof UnavailableError && e.attempts > 1);
    client.close();
  });

  describe("with a rate", () => {
    let service: Service;
    let token = "";
    before(async () => {
      const path = join(folder(), "callers.yaml");
      token = runPython("import sys; from pathlib import Path; from access import Callers; print(Callers(Path(sys.argv[1])).add('erp', 'decide'))", path).trim();
      service = await Service.started("--port", "0", "--callers", path, "--rate", "4");
    });
    after(async () => { assert.equal(await service.end(), 0); });

    it("says when to come again, and is obeyed", async () => {
      const once = new PolicybookClient(service.address, { retry: null, token });
      const refused = (await Promise.allSettled(Array.from({ length: 12 }, () => once.decide("shop.order", order("60"))))).filter((r) => r.status === "rejected");
      assert.ok(refused.length > 0);
      for (const { reason } of refused as { reason: unknown }[]) {
        assert.ok(reason instanceof ResourceExhaustedError && reason.isRetriable, String(reason));
        assert.equal(reason.reason, "RATE_LIMITED");
        assert.ok(reason.retryAfterMs !== undefined && reason.retryAfterMs > 0 && reason.retryAfterMs <= 2_000, String(reason.retryAfterMs));
        assert.equal(reason.quotas.length, 1);
      }
      once.close();
      const patient = new PolicybookClient(service.address, { timeoutMs: 20_000, retry: { maxAttempts: 50 }, token });
      const answers = await Promise.all(Array.from({ length: 12 }, () => patient.decide("shop.order", order("60"))));
      assert.ok(answers.every((a) => a.decided));
      patient.close();
    });
  });
});

describe("attempts", () => {
  it("are made again while the service is unavailable, and told in the end", async () => {
    const came = await ask((n) => (n <= 4 ? refusal(Code.UNAVAILABLE, "going down") : undefined));
    assert.deepEqual([came.error, came.server.asked.length], [undefined, 5]);
    const never = await ask(() => refusal(Code.UNAVAILABLE, "going down"));
    assert.ok(never.error instanceof UnavailableError && never.error.message === "going down");
    assert.deepEqual([never.error.attempts, never.server.asked.length], [5, 5]);
    assert.deepEqual((await ask(() => refusal(Code.UNAVAILABLE, "no"), { retry: null })).server.asked.length, 1);
  });

  it("are made again for nothing else", async () => {
    const codes = [Code.RESOURCE_EXHAUSTED, Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.INTERNAL, Code.UNKNOWN, Code.ABORTED, Code.UNAUTHENTICATED, Code.PERMISSION_DENIED];
    for (const code of codes) {
      const { error, server } = await ask(() => refusal(code, "no"));
      assert.deepEqual([error?.code, server.asked.length], [code, 1], Code[code]);
    }
  });

  it("come in growing waits that are never quite the same", async () => {
    const { server } = await ask(() => refusal(Code.UNAVAILABLE, "no"), { retry: { initialBackoffMs: 80, multiplier: 3, maxBackoffMs: 400 } });
    const waits = server.asked.slice(1).map(({ at }, i) => at - (server.asked[i]?.at ?? 0));
    for (const [i, most] of [80, 240, 400, 400].entries()) {
      const wait = waits[i] ?? 0;
      assert.ok(wait >= most / 2 - 5 && wait < most + 5_000, waits.join());
    }
    assert.equal(new Set(waits).size, 4);
  });

  it("keep the time that the service asks for", async () => {
    const { error, server, tookMs } = await ask((n) => (n === 1 ? refusal(Code.RESOURCE_EXHAUSTED, "busy", "OVERLOADED", 400) : undefined));
    assert.deepEqual([error, server.asked.length], [undefined, 2]);
    assert.ok(tookMs >= 400, String(tookMs));
  });

  it("do not wait for what the deadline does not hold", async () => {
    const { error, tookMs } = await ask(() => refusal(Code.UNAVAILABLE, "starting", "STARTING", 60_000));
    assert.ok(error instanceof UnavailableError && tookMs < 30_000);
    assert.deepEqual([error.retryAfterMs, error.reason], [60_000, "STARTING"]);
  });

  it("have one deadline together", async () => {
    const { error, server, tookMs } = await ask(() => refusal(Code.UNAVAILABLE, "no"), { timeoutMs: 2_000, retry: { maxAttempts: 99, initialBackoffMs: 400, multiplier: 1 } });
    assert.ok(error instanceof UnavailableError && tookMs < 7_000, String(tookMs));
    assert.ok(server.asked.length >= 2 && server.asked.length <= 11);
    const lefts = server.asked.map(({ leftMs }) => leftMs);
    for (const [i, left] of lefts.entries()) assert.ok(left <= (lefts[i - 1] ?? 2_050) - (i && 100), lefts.join());
  });

  it("end at the deadline, in our words", async () => {
    const server = await new Spoken(() => undefined).start();
    const client = new PolicybookClient(server.address, { timeoutMs: 1_000 });
    await assert.rejects(client.decide("a.b", {}), (e: unknown) => e instanceof DeadlineExceededError && e.message === `no answer from ${server.address} within 1 s` && e.attempts === 1);
    client.close();
    server.stop();
  });

  it("ask for the token each time, within the deadline", async () => {
    let given = 0;
    const { server } = await ask((n) => (n < 3 ? refusal(Code.UNAVAILABLE, "no") : undefined), { token: () => Promise.resolve(`token-${String(++given)}`) });
    assert.deepEqual(server.asked.map(({ metadata }) => metadata.get("authorization")), [["Bearer token-1"], ["Bearer token-2"], ["Bearer token-3"]]);
    const late = await ask(() => undefined, { token: () => new Promise<string>(() => undefined), timeoutMs: 200 });
    assert.ok(late.error instanceof DeadlineExceededError && late.server.asked.length === 0);
    const client = new PolicybookClient("localhost:1", { token: () => { throw new RangeError("no token"); } });
    await assert.rejects(client.decide("a.b", {}), /RangeError: no token/);
    client.close();
    const bad = new PolicybookClient("localhost:1", { token: () => "se\ncret" });
    await assert.rejects(bad.decide("a.b", {}), (e: Error) => e instanceof TypeError && !e.message.includes("cret"));
    bad.close();
  });

  it("end at the caller's word, wherever they are", async () => {
    const silent = await new Spoken(() => undefined).start();
    const refusing = await new Spoken(() => refusal(Code.UNAVAILABLE, "no", "STARTING", 20_000)).start();
    const reason = new Error("not needed any more");
    const noToken = (): Promise<string> => new Promise(() => undefined);
    for (const [address, options] of [[silent.address, {}], [refusing.address, {}], [silent.address, { token: noToken }]] as const) {
      const client = new PolicybookClient(address, { timeoutMs: 60_000, ...options });
      const stopped = new AbortController();
      setTimeout(() => { stopped.abort(reason); }, 200);
      const begun = performance.now();
      await assert.rejects(client.decide("a.b", {}, { signal: stopped.signal }), (e: unknown) => e === reason);
      assert.ok(performance.now() - begun < 2_000);
      const asked = silent.asked.length;
      await assert.rejects(client.decide("a.b", {}, { signal: stopped.signal }), (e: unknown) => e === reason);
      assert.equal(silent.asked.length, asked);
      client.close();
    }
    silent.stop();
    refusing.stop();
  });

  it("end when the client is closed", async () => {
    const silent = await new Spoken(() => undefined).start();
    const client = new PolicybookClient(silent.address, { timeoutMs: 60_000 });
    const asked = [client.decide("a.b", {}), client.decideStream([{ decision: "a.b" }]).next()];
    setTimeout(() => { client.close(); }, 200);
    const ends = await Promise.allSettled([...asked, sleep(250).then(() => client.decide("a.b", {}))]);
    for (const end of ends) {
      assert.ok(end.status === "rejected" && end.reason instanceof PolicybookError && end.reason.message === "the client is closed", JSON.stringify(end));
    }
    silent.stop();
  });

  it("say what was not ready in time", async () => {
    const client = new PolicybookClient(`127.0.0.1:${String(await freePort())}`);
    await assert.rejects(client.waitUntilReady({ timeoutMs: 400 }), (e: unknown) => e instanceof UnavailableError && /was not ready within 0\.4 s: .*onnect/.test(e.message));
    client.close();
  });
});

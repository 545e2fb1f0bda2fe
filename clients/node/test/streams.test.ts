import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, describe, it } from "node:test";
import { Code, DeadlineExceededError, Decision, InternalError, InvalidFactsError, PolicybookClient, PolicybookError, UnavailableError } from "../src/index.js";
import type { StreamDecideRequest } from "../src/generated/policybook/v1/decision_service.js";
import type { DecisionRequest } from "../src/index.js";
import { Service, Spoken, answered, decided, order, refusal, until } from "./service.js";
import type { Stream } from "./service.js";

function request(number: number): DecisionRequest {
  return { decision: "shop.order", facts: order(String(number % 300)), requestId: `stream-${String(number)}` };
}

/** A source that tells what becomes of it. */
class Source {
  taken = 0;
  returned = 0;

  constructor(
    private readonly most = Infinity,
    private readonly pauseMs = 0,
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<DecisionRequest> {
    try {
      while (this.taken < this.most) {
        if (this.pauseMs) await sleep(this.pauseMs);
        else await Promise.resolve();
        yield request(this.taken++);
      }
    } finally {
      this.returned++;
    }
  }
}

async function all(answers: AsyncIterable<Decision | PolicybookError>): Promise<string[]> {
  const found = [];
  for await (const answer of answers) found.push(answer instanceof Decision ? answer.requestId : answer.name);
  return found;
}

async function spoken(stream: (call: Stream) => void, work: (client: PolicybookClient, server: Spoken) => Promise<void>): Promise<void> {
  const server = await new Spoken(decided, stream).start();
  const client = new PolicybookClient(server.address);
  await work(client, server);
  client.close();
  server.stop();
}

describe("streams of the real service", () => {
  let service: Service;
  let client: PolicybookClient;
  before(async () => {
    service = await Service.started("--port", "0", "--insecure");
    client = new PolicybookClient(service.address);
  });
  after(async () => {
    client.close();
    assert.equal(await service.end(), 0);
  });

  it("are answered in order, errors in their places", async () => {
    const source = new Source(500);
    assert.deepEqual(await all(client.decideStream(source)), Array.from({ length: 500 }, (_, n) => `stream-${String(n)}`));
    assert.deepEqual([source.taken, source.returned], [500, 1]);
    assert.deepEqual(await all(client.decideStream([request(0), { decision: "shop.order" }, request(2)])), ["stream-0", InvalidFactsError.name, "stream-2"]);
    assert.deepEqual(await all(client.decideStream([])), []);
  });

  it("are answered while requests are still being made", async () => {
    const seen: string[] = [];
    let go = (): void => undefined;
    async function* source(): AsyncGenerator<DecisionRequest> {
      for (let n = 0; n < 3; n++) {
        yield request(n);
        if (seen.length <= n) await new Promise<void>((resolve) => { go = resolve; });
      }
    }
    for await (const answer of client.decideStream(source())) {
      assert.ok(answer instanceof Decision);
      seen.push(answer.requestId);
      go();
    }
    assert.deepEqual(seen, ["stream-0", "stream-1", "stream-2"]);
  });

  it("take no more requests than answers are taken", async () => {
    const source = new Source();
    const answers = client.decideStream(source, { timeoutMs: 60_000 });
    for (let n = 0; n < 3; n++) await answers.next();
    let before = -1;
    while (source.taken !== before) {
      before = source.taken;
      await sleep(500);
    }
    // What fits into the windows of HTTP/2 and the buffers at both ends.
    assert.ok(source.taken < 20_000, String(source.taken));
    for (let n = 0; n < before; n++) await answers.next();
    assert.ok(source.taken > before);
    await answers.return(undefined);
    assert.equal(source.returned, 1);
  });

  it("that are left give back the call and the source", async () => {
    const source = new Source();
    let count = 0;
    for await (const answer of client.decideStream(source)) {
      assert.ok(answer instanceof Decision);
      if (++count === 3) break;
    }
    assert.equal(source.returned, 1);
    const { taken } = source;
    await sleep(100);
    assert.equal(source.taken, taken);

    const list: Iterable<DecisionRequest> = { [Symbol.iterator]: () => ({ next: () => ({ done: false, value: request(0) }), return: () => { count = -1; return { done: true, value: undefined }; } }) };
    await assert.rejects(async () => {
      for await (const answer of client.decideStream(list)) throw new RangeError(String(answer instanceof Decision));
    }, /RangeError: true/);
    assert.equal(count, -1);

    const failing = { [Symbol.iterator]: () => ({ next: () => ({ done: false, value: request(0) }), return: () => { throw new RangeError("no end"); } }) };
    await assert.rejects(async () => { for await (const answer of client.decideStream(failing)) if (answer instanceof Decision) break; }, /no end/);
    await assert.rejects(all(client.decideStream(failing, { signal: AbortSignal.timeout(50) })), /TimeoutError|timeout/);

    // A source that waits for its next request, for ever if need be, is not waited for.
    let returned = 0;
    const waiting: AsyncIterable<DecisionRequest> = {
      [Symbol.asyncIterator]: () => {
        const given = [request(0)];
        const next = async (): Promise<IteratorResult<DecisionRequest>> => {
          const value = given.pop();
          return value ? { done: false, value } : await new Promise(() => undefined);
        };
        return { next, return: () => Promise.resolve({ done: true as const, value: ++returned }) };
      },
    };
    for await (const answer of client.decideStream(waiting)) {
      assert.ok(answer instanceof Decision);
      break;
    }
    assert.equal(returned, 1);
    assert.ok((await client.decide("shop.order", order("1"))).decided);
  });

  it("do not begin with a signal that is aborted", async () => {
    const source = new Source();
    const reason = new Error("never mind");
    await assert.rejects(all(client.decideStream(source, { signal: AbortSignal.abort(reason) })), (e: unknown) => e === reason);
    assert.deepEqual([source.taken, source.returned], [0, 0]);
  });

  it("end when a signal says so, wherever they are", async () => {
    for (const [source, takes] of [[new Source(), true], [new Source(), false], [new Source(5, 400), true]] as const) {
      const stopped = new AbortController();
      const reason = new Error("enough");
      const answers = client.decideStream(source, { signal: stopped.signal });
      await answers.next();
      setTimeout(() => { stopped.abort(reason); }, 150);
      if (!takes) await sleep(300);
      await assert.rejects(all(answers), (e: unknown) => e === reason);
      const { taken } = source;
      await until(() => source.returned === 1);
      assert.ok(source.taken - taken <= 1);
    }
    assert.ok((await client.decide("shop.order", order("1"))).decided);
  });

  it("throw what their source throws after the answers to what came before", async () => {
    function* broken(): Generator<DecisionRequest> {
      yield request(0);
      yield request(1);
      throw new RangeError("the file ends here");
    }
    const answers = client.decideStream(broken());
    assert.deepEqual([(await answers.next()).done, (await answers.next()).done], [false, false]);
    await assert.rejects(answers.next(), /RangeError: the file ends here/);
    const source = new Source();
    async function* wrong(): AsyncGenerator<DecisionRequest> {
      for await (const one of source) yield source.taken > 1 ? { ...one, facts: { amount: 0.5 } } : one;
    }
    await assert.rejects(all(client.decideStream(wrong())), /^TypeError: `requests\[1\].facts.amount` of 0.5 is not exact/);
    assert.equal(source.returned, 1);
  });
});

describe("streams of a service that is not as it should be", () => {
  it("have a time for each answer", async () => {
    await spoken(
      (call) => {
        call.once("data", (one: StreamDecideRequest) => { call.write(answered(one)); });
      },
      async (client, server) => {
        const begun = performance.now();
        const source = new Source();
        await assert.rejects(all(client.decideStream(source, { timeoutMs: 300 })), (e: unknown) => e instanceof DeadlineExceededError && e.message === `no answer from ${server.address} within 0.3 s`);
        assert.ok(performance.now() - begun >= 290 && performance.now() - begun < 2_000);
        assert.equal(source.returned, 1);
      },
    );
  });

  it("do not count the time of a slow source or of a slow reader", async () => {
    await spoken(
      (call) => { call.on("data", (one: StreamDecideRequest) => { call.write(answered(one)); }).on("end", () => { call.end(); }); },
      async (client) => {
        let count = 0;
        for await (const answer of client.decideStream(new Source(3, 400), { timeoutMs: 200 })) {
          assert.ok(answer instanceof Decision);
          await sleep(400);
          count++;
        }
        assert.equal(count, 3);
      },
    );
  });

  it("tell that an answer is missing, or that the end came early", async () => {
    let lacking = 0;
    const take = (call: Stream): void => {
      const requests: StreamDecideRequest[] = [];
      call.on("data", (one: StreamDecideRequest) => {
        if (requests.push(one) !== 3) return;
        for (const each of requests.slice(lacking)) call.write(answered(each));
        call.end();
      });
    };
    await spoken(take, async (client) => {
      for (lacking of [2, 1]) {
        await assert.rejects(all(client.decideStream(new Source(3))), (e: unknown) => e instanceof InternalError && e.reason === "UNREADABLE_ANSWER" && e.message.endsWith(`${String(3 - lacking)} answers to 3 requests`));
      }
      lacking = 0;
      async function* endless(): AsyncGenerator<DecisionRequest> {
        for (let n = 0; n < 3; n++) yield request(n);
        await sleep(3_600_000, undefined, { ref: false });
      }
      await assert.rejects(all(client.decideStream(endless())), /the service's answer cannot be read: it ended before the requests did/);
      for (let n = 0; n < 50; n++) {
        await assert.rejects(all(client.decideStream(new Source(40))), (e: unknown) => e instanceof InternalError && /cannot be read: /.test(e.message));
      }
    });
  });

  it("tell its status, after the answers before it", async () => {
    await spoken(
      (call) => {
        call.once("data", (one: StreamDecideRequest) => {
          call.write(answered(one));
          call.emit("error", refusal(Code.UNAVAILABLE, "going down", "SHUTTING_DOWN"));
        });
      },
      async (client) => {
        // Many times: whether the status or the failed write comes first is a race.
        for (let n = 0; n < 100; n++) {
          const source = new Source(40);
          const answers = client.decideStream(source);
          const first = await answers.next().catch((e: unknown) => e);
          const error: unknown = first instanceof Error ? first : await all(answers).catch((e: unknown) => e);
          assert.ok(error instanceof UnavailableError && error.message === "going down" && error.reason === "SHUTTING_DOWN", String(error));
          assert.equal(source.returned, 1);
        }
      },
    );
  });

  it("free the call of whoever leaves", async () => {
    let cancelled: Promise<unknown> | undefined;
    await spoken(
      (call) => {
        cancelled = once(call, "cancelled");
        call.on("data", (one: StreamDecideRequest) => { call.write(answered(one)); });
      },
      async (client) => {
        for await (const answer of client.decideStream(new Source())) {
          assert.ok(answer instanceof Decision);
          break;
        }
        await cancelled;
      },
    );
  });

  it("are not made again", async () => {
    let calls = 0;
    await spoken(
      (call) => {
        calls++;
        call.emit("error", refusal(Code.UNAVAILABLE, "no"));
      },
      async (client) => {
        await assert.rejects(all(client.decideStream(new Source(3))), UnavailableError);
        assert.equal(calls, 1);
      },
    );
  });
});

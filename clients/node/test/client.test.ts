import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import {
  ConflictError, DeadlineExceededError, Decision, Exact, InvalidFactsError, InvalidRequestError, Instant, Money, NotFoundError, NotInForceError, PlainDate,
  PolicybookClient, PolicybookError, RequestIdTakenError, TraceLevel, UnavailableError,
} from "../src/index.js";
import type { DecisionRequest, Fact } from "../src/index.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../../..");
const python = process.env.POLICYBOOK_PYTHON ?? join(root, ".venv/bin/python");
const books = join(root, "tests/contract/books");

let service: ChildProcess;
let address = "";
let client: PolicybookClient;

before(async () => {
  const log = join(mkdtempSync(join(tmpdir(), "policybook-node-")), "decisions.db");
  const more = (process.env.POLICYBOOK_SERVE ?? "").split(" ").filter(Boolean);
  service = spawn(python, ["-m", "policybook", "serve", books, "--port", "0", "--workers", "1", "--reload-s", "0", "--insecure", "--log", log, ...more], { stdio: ["ignore", "pipe", "inherit"] });
  if (!service.stdout) throw new Error("no output");
  for await (const line of createInterface(service.stdout)) {
    const found = /listening on (\S+),/.exec(line);
    if (found?.[1]) {
      address = found[1];
      break;
    }
  }
  assert.notEqual(address, "");
  client = new PolicybookClient(address);
});

after(async () => {
  client.close();
  service.kill("SIGTERM");
  assert.equal(await new Promise((resolve) => service.once("exit", resolve)), 0);
});

function order(amount: string, more: Record<string, Fact> = {}): Record<string, Fact> {
  return { amount: new Money(amount), customer: "new", ...more };
}

describe("decide", () => {
  it("answers with exact, typed values", async () => {
    const answer = await client.decide("shop.order", order("60"), { asOf: new PlainDate("2026-03-25"), requestId: "so-1" });
    assert.ok(answer.decided);
    assert.deepEqual(answer.outputs, { outcome: "ship", fee: new Money("20.00", "CNY") });
    assert.equal(answer.asOf.text, "2026-03-25");
    assert.deepEqual(answer.matchedRules.map((r) => [r.rowId, r.clauses]), [["within-cap", ["2.1"]]]);
    assert.equal(answer.trace?.tables[0]?.decision, "shop.order");
    assert.match(answer.decidedAt.toString(), /^20\d\d-.*\.\d{6}Z$/);
    assert.ok(Math.abs(answer.decidedAt.toDate().getTime() - Date.now()) < 60_000);
  });

  it("has no trace where none is asked for, and speaks Chinese", async () => {
    const bare = await client.decide("shop.order", order("60"), { trace: TraceLevel.TRACE_LEVEL_NONE, language: "zh" });
    assert.equal(bare.trace, undefined);
    assert.match(bare.matchedRules[0]?.says ?? "", /以内/);
  });

  it("takes whole numbers, bigints and exact text, and no number that is not exact", async () => {
    for (const hours of [2, 2n, new Exact("2"), new Exact("4/2")]) {
      assert.ok((await client.decide("shop.order", order("60", { hours }))).decided);
    }
    for (const wrong of [0.1, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
      await assert.rejects(client.decide("shop.order", order("60", { hours: wrong })), (e: Error) => e instanceof TypeError && /`facts.hours`.* is not exact: give text/.test(e.message));
    }
    assert.throws(() => new Money(0.5), /not exact/);
    assert.throws(() => new Exact("twelve"), /no exact number/);
    assert.throws(() => new PlainDate("25.3.2026"), /no day/);
  });

  it("sends lists, nulls and instants", async () => {
    const facts = order("60", { late_days: [1, 2n, new Exact("3")], signed: true });
    assert.ok((await client.decide("shop.order", facts, { asOf: new Date("2026-03-25T04:00:00.123Z") })).decided);
    assert.equal(Instant.of(new Date("1969-12-31T23:59:59.250Z")).toString(), "1969-12-31T23:59:59.250000Z");
  });

  it("comes to one decision for one request id", async () => {
    const first = await client.decide("shop.order", order("61"), { requestId: "once" });
    assert.equal((await client.decide("shop.order", order("61"), { requestId: "once" })).id, first.id);
    await assert.rejects(client.decide("shop.order", order("62"), { requestId: "once" }), RequestIdTakenError);
  });
});

describe("errors", () => {
  it("names every fact that is wrong", async () => {
    await assert.rejects(client.decide("shop.order", { amount: "much", colour: 1 }), (e: unknown) => {
      assert.ok(e instanceof InvalidFactsError);
      assert.equal(e.reason, "INVALID_FACTS");
      assert.deepEqual(e.violations.map((v) => v.field).sort(), ["facts.amount", "facts.colour", "facts.customer"]);
      assert.match(e.message, /facts.customer: .*is missing/);
      assert.equal(e.isRetriable, false);
      return true;
    });
  });

  it("has a class for each kind", async () => {
    await assert.rejects(client.decide("shop.nothing", {}), NotFoundError);
    await assert.rejects(client.decide("nothing", {}), InvalidRequestError);
    await assert.rejects(client.decide("shop.order", order("1"), { asOf: new PlainDate("1999-01-01") }), NotInForceError);
    await assert.rejects(client.decide("shop.label", { amount: new Money(25), customer: "new" }), ConflictError);
    await assert.rejects(client.record("no-such"), NotFoundError);
  });

  it("gives up at the deadline, and at the caller's word", async () => {
    const nobody = new PolicybookClient("127.0.0.1:1", { timeoutMs: 700 });
    const started = Date.now();
    await assert.rejects(nobody.decide("shop.order", {}), (e: unknown) => e instanceof UnavailableError || e instanceof DeadlineExceededError);
    assert.ok(Date.now() - started < 5_000);
    await assert.rejects(nobody.decide("shop.order", {}, { signal: AbortSignal.timeout(50), timeoutMs: 30_000 }), /abort|timeout/i);
    nobody.close();
    await assert.rejects(client.decideMany(Array.from({ length: 5_000 }, () => ({ decision: "shop.order", facts: order("1"), trace: TraceLevel.TRACE_LEVEL_FULL })), { timeoutMs: 1 }), DeadlineExceededError);
  });

  it("does not send a token in the open", () => {
    assert.throws(() => new PolicybookClient("policy.example:50151", { insecure: true, token: "secret" }), /not sent without TLS/);
  });
});

describe("many", () => {
  it("answers a batch in order, errors in their places", async () => {
    const requests: DecisionRequest[] = Array.from({ length: 200 }, (_, n) => ({ decision: "shop.order", facts: n % 7 ? order(String(n)) : {} }));
    const answers = await client.decideMany(requests);
    assert.equal(answers.length, 200);
    for (const [n, answer] of answers.entries()) {
      if (n % 7) assert.ok(answer instanceof Decision && answer.decided);
      else assert.ok(answer instanceof InvalidFactsError && answer.violations[0]?.field === "facts.amount");
    }
  });

  it("streams, as slowly as the answers are taken", async () => {
    let asked = 0;
    async function* requests(): AsyncGenerator<DecisionRequest> {
      for (let n = 0; n < 500; n++) {
        asked++;
        await Promise.resolve();
        yield { decision: "shop.order", facts: order(String(n % 300)), requestId: `stream-${String(n)}` };
      }
    }
    const ids: string[] = [];
    for await (const answer of client.decideStream(requests())) {
      assert.ok(answer instanceof Decision);
      ids.push(answer.requestId);
    }
    assert.equal(asked, 500);
    assert.deepEqual(ids, Array.from({ length: 500 }, (_, n) => `stream-${String(n)}`));
  });

  it("ends a stream early, and passes on what its source throws", async () => {
    let count = 0;
    for await (const answer of client.decideStream(Array.from({ length: 50 }, () => ({ decision: "shop.order", facts: order("1") })))) {
      assert.ok(answer instanceof Decision);
      if (++count === 3) break;
    }
    function* broken(): Generator<DecisionRequest> {
      yield { decision: "shop.order", facts: order("1") };
      throw new RangeError("the source broke");
    }
    await assert.rejects(async () => {
      for await (const answer of client.decideStream(broken())) assert.ok(!(answer instanceof PolicybookError));
    }, /the source broke/);
    assert.ok((await client.decide("shop.order", order("1"))).decided);
  });
});

describe("the rest of the interface", () => {
  it("lists policies and describes decisions", async () => {
    const names: string[] = [];
    for await (const policy of client.policies()) names.push(policy.name);
    assert.deepEqual(names, ["kinds", "shop"]);
    const definition = await client.definition("shop.order");
    assert.deepEqual(definition.inputs.map((i) => i.name).sort(), ["amount", "customer", "signed"]);
    assert.ok((await client.check("policy: x\n")).findings.length > 0);
  });

  it("explains", async () => {
    const explanation = await client.explain("shop.order", order("250"), { wanted: { outcome: "ship" } });
    assert.ok(explanation.answer);
  });

  it("reads the decision log", async () => {
    const answer = await client.decide("shop.order", order("77"), { requestId: "logged" });
    const record = await client.record(answer.id);
    assert.equal(record.requestId, "logged");
    assert.ok((await client.reevaluate(answer.id)).same);
    const found: string[] = [];
    for await (const one of client.records({ requestId: "logged" })) found.push(one.decisionId);
    assert.deepEqual(found, [answer.id]);
    assert.ok((await client.logStatus()).recordedCount > 0n);
  });
});

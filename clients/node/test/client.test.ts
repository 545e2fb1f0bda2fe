import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  ConflictError, Decision, Exact, InternalError, InvalidFactsError, InvalidRequestError, Instant, Money, NotFoundError, NotInForceError, PlainDate,
  PolicybookClient, PolicybookError, RequestIdTakenError, TimeOfDay, Duration, textOf,
} from "../src/index.js";
import type { DecisionRequest, Value } from "../src/index.js";
import { Service, decided, folder, order, runPython, Spoken } from "./service.js";

const DAY = new PlainDate("2026-03-25");

let service: Service;
let client: PolicybookClient;

before(async () => {
  service = await Service.started("--port", "0", "--insecure", "--log", join(folder(), "decisions.db"), "--mask", "kinds.text");
  client = new PolicybookClient(service.address);
});

after(async () => {
  client.close();
  assert.equal(await service.end(), 0);
});

/** Fail where a value of the wire, rather than one of ours, is found. */
function noWire(found: unknown, place = ""): void {
  if (typeof found !== "object" || found === null) return;
  assert.ok(!("$case" in found) && !("$unknown" in found), `${place} is of the wire`);
  for (const [name, inner] of Object.entries(found)) noWire(inner, `${place}.${name}`);
}

describe("decide", () => {
  it("answers with exact, typed values", async () => {
    const answer = await client.decide("shop.order", order("60"), { asOf: DAY, requestId: "so-1" });
    assert.ok(answer.decided);
    assert.deepEqual(answer.outputs, { fee: new Money("20.00", "CNY"), outcome: "ship" });
    assert.equal(answer.asOf.text, "2026-03-25");
    assert.deepEqual(answer.matchedRules.map((r) => [r.rowId, r.clauses]), [["within-cap", ["2.1"]]]);
    assert.deepEqual([answer.policy, answer.ruleIds, answer.requestId], ["shop", ["within-cap"], "so-1"]);
    assert.match(answer.decidedAt.toString(), /^20\d\d-.*\.\d{6}Z$/);
    assert.ok(Math.abs(answer.decidedAt.toDate().getTime() - Date.now()) < 60_000);
    assert.equal(String(answer), "shop.order: fee=20.00 CNY, outcome=ship (within-cap)");
    noWire(answer);
  });

  it("gives an output as the type that it must have", async () => {
    const answer = await client.decide("shop.order", order("60"));
    const outcome: string = answer.value("outcome", String);
    const fee: Money = answer.value("fee", Money);
    assert.deepEqual([outcome, fee.amount], ["ship", "20.00"]);
    assert.throws(() => answer.value("fee", Exact), { name: "TypeError", message: "output `fee` is 20.00 CNY, and no Exact" });
    assert.throws(() => answer.value("colour", String), { message: "no output `colour`; there are: fee, outcome" });
    const none = await client.decide("shop.greeting", order("60"));
    assert.equal(none.decided, false);
    assert.throws(() => none.value("greeting", String), { message: "no output `greeting`; no row of `shop.greeting` matched" });
  });

  it("traces with values", async () => {
    const answer = await client.decide("shop.order", order("60"), { asOf: DAY, trace: "full" });
    const [table] = answer.trace?.tables ?? [];
    assert.equal(table?.hitPolicy, "first");
    assert.deepEqual(table.inputs.map((v) => [v.name, v.value]), [["amount", new Money("60.00", "CNY")], ["customer", "new"], ["signed", false]]);
    assert.deepEqual(table.rows.map((r) => [r.rowId, r.verdict]), [["barred", "not_matched"], ["within-cap", "selected"], ["signed", "not_reached"], ["ask", "not_reached"]]);
    assert.deepEqual(table.rows[1]?.cells, [{ name: "amount", test: "<= cap", actual: new Money("60.00", "CNY"), passed: true }]);
    const cap = table.parameters.find((p) => p.name === "cap");
    assert.deepEqual([cap?.value, cap?.effectiveFrom, cap?.setByCompany], [new Money("200.00", "CNY"), new PlainDate("2026-01-01"), false]);
    assert.deepEqual(table.parameters.find((p) => p.name === "share")?.value, new Exact("1/3"));
    const room = table.headroom.find((h) => h.quantity.name === "amount");
    assert.deepEqual([room?.side, room?.threshold, room?.distance, room?.thresholdIncluded], ["below", new Money("200.00", "CNY"), new Money("140.00", "CNY"), true]);
    assert.deepEqual([room?.beyondOutcome, room?.beyondOutputs], ["decided", { fee: new Money("0.00", "CNY"), outcome: "ask" }]);
    assert.ok(answer.trace && answer.trace.elapsedMs > 0);
    noWire(answer);
  });

  it("has no trace where none is asked for, and speaks Chinese", async () => {
    const bare = await client.decide("shop.order", order("60"), { trace: "none", language: "zh" });
    assert.equal(bare.trace, undefined);
    assert.match(bare.matchedRules[0]?.says ?? "", /以内/);
  });

  it("tells items of a table over a list apart", async () => {
    const answer = await client.decide("shop.fine", order("1", { late_days: [5, 0, 1] }));
    assert.deepEqual(answer.items.map((i) => [i.rowId, i.itemNumber, i.value("amount", Money).amount]), [["late", 1, "50.00"], ["very-late", 1, "500.00"], ["late", 3, "10.00"]]);
    assert.equal(String(answer.items[2]), "late (item 3): amount=10.00 CNY, who=clerk");
    assert.deepEqual(answer.trace?.tables.map((t) => t.itemNumber), [1, 2, 3]);
    assert.deepEqual(answer.outputs, { amount: new Money("560.00", "CNY") });
  });

  it("explains itself in the words of the Python client", async () => {
    const script = `
import sys
from policybook_client import Money, PolicybookClient, TraceLevel
decision, language, address = sys.argv[1:]
facts = {"amount": Money("60"), "customer": "new", "late_days": [5, 0, 1]}
with PolicybookClient(address, trace=TraceLevel.FULL) as client:
    print(client.decide(decision, facts, request_id=f"{decision}-{language}", language=language).explain(language))
`;
    for (const decision of ["shop.order", "shop.fine", "shop.total", "shop.greeting", "kinds.echo"]) {
      for (const language of ["en", "zh"] as const) {
        const facts = decision.startsWith("kinds") ? {} : order("60", { late_days: [5, 0, 1] });
        const answer = await client.decide(decision, facts, { requestId: `${decision}-${language}`, language, trace: "full" });
        const said = runPython(decision.startsWith("kinds") ? script.replace(/facts = .*/, "facts = {}") : script, decision, language, service.address);
        const times = (text: string): string => text.replace(/\d+\.\d\d ms/, "ms").trimEnd();
        assert.equal(times(answer.explain(language)), times(said));
      }
    }
  });

  it("takes back every kind of value as it went", async () => {
    const facts = {
      number: new Exact("-0.125"), integer: new Exact("7"), percent: new Exact("0.3"), fraction: new Exact("2/3"), money: new Money("1200.50", "CNY"), boolean: true,
      enum: "green", text: "区域经理", date: new PlainDate("2024-02-29"), datetime: new Instant(1_772_354_400n, 250_000), time: new TimeOfDay("16:00:30"),
      duration: new Duration("P3DT1H"), period: new Duration("P1Y6M"), colours: ["red", "blue"],
      payments: [{ amount: new Money("1.00", "CNY"), paid_on: new PlainDate("2026-01-01"), note: null }],
    };
    const answer = await client.decide("kinds.echo", facts);
    assert.deepEqual(answer.outputs, facts);
    assert.deepEqual(Object.keys(answer.outputs), Object.keys(facts).sort());
  });

  it("takes whole numbers, bigints and exact text, and no number that is not exact", async () => {
    for (const hours of [2, 2n, new Exact("2"), new Exact("4/2")]) {
      assert.ok((await client.decide("shop.order", order("60", { hours }))).decided);
    }
    for (const wrong of [0.1, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
      await assert.rejects(client.decide("shop.order", order("60", { hours: wrong })), (e: Error) => e instanceof TypeError && /`facts.hours`.* is not exact: give text/.test(e.message));
    }
  });

  it("sends lists, nulls and instants", async () => {
    const facts = order("60", { late_days: [1, 2n, new Exact("3")], signed: true });
    assert.ok((await client.decide("shop.order", facts, { asOf: new Date("2026-03-25T04:00:00.123Z") })).decided);
  });

  it("comes to one decision for one request id", async () => {
    const first = await client.decide("shop.order", order("61"), { requestId: "once" });
    assert.equal((await client.decide("shop.order", order("61"), { requestId: "once" })).id, first.id);
    await assert.rejects(client.decide("shop.order", order("62"), { requestId: "once" }), (e: unknown) => e instanceof RequestIdTakenError && e.decisionId === first.id);
  });

  it("can be made in tests of one's own", () => {
    const made = new Decision({ decision: "credit.shipment", outputs: { outcome: "refuse" }, asOf: DAY });
    assert.equal(made.value("outcome", String), "refuse");
    assert.equal(made.explain(), "credit.shipment  as of 2026-03-25\n  →  outcome  refuse\n\ncredit");
  });
});

describe("errors", () => {
  it("names every fact that is wrong", async () => {
    await assert.rejects(client.decide("shop.order", { amount: "much", colour: 1 }), (e: unknown) => {
      assert.ok(e instanceof InvalidFactsError && e instanceof InvalidRequestError);
      assert.equal(e.reason, "INVALID_FACTS");
      assert.deepEqual(e.violations.map((v) => v.field).sort(), ["facts.amount", "facts.colour", "facts.customer"]);
      assert.match(e.message, /facts.customer: .*is missing/);
      assert.equal(e.message.split("\n").length, 3);
      assert.deepEqual([e.isRetriable, e.attempts, e.name], [false, 1, "InvalidFactsError"]);
      return true;
    });
  });

  it("has a class for each kind", async () => {
    await assert.rejects(client.decide("shop.ordre", {}), (e: unknown) => e instanceof NotFoundError && e.nearest[0] === "shop.order" && e.resourceType === "decision" && e.resourceName === "shop.ordre");
    await assert.rejects(client.decide("nothing", {}), InvalidRequestError);
    await assert.rejects(client.decide("shop.order", order("1"), { asOf: new PlainDate("1999-01-01") }), NotInForceError);
    await assert.rejects(client.decide("shop.label", { amount: new Money(25), customer: "new" }), (e: unknown) => e instanceof ConflictError && e.preconditions[0]?.type === "CONFLICTING_ROWS");
    await assert.rejects(client.record("no-such"), NotFoundError);
  });

  it("tells an answer that breaks the interface from one", async () => {
    const server = await new Spoken((request) => ({ ...decided(request), outcome: 0 })).start();
    const asker = new PolicybookClient(server.address);
    await assert.rejects(asker.decide("a.b", {}), (e: unknown) => e instanceof InternalError && e.reason === "UNREADABLE_ANSWER" && /outcome 0 is neither/.test(e.message));
    asker.close();
    server.stop();
  });
});

describe("many", () => {
  it("answers a batch in order, errors in their places", async () => {
    const requests: DecisionRequest[] = Array.from({ length: 200 }, (_, n) => ({ decision: "shop.order", facts: n % 7 ? order(String(n)) : {} }));
    const answers = await client.decideMany(requests);
    assert.equal(answers.length, 200);
    for (const [n, answer] of answers.entries()) {
      if (n % 7) assert.ok(answer instanceof Decision && answer.decided);
      else assert.ok(answer instanceof InvalidFactsError && answer.violations[0]?.field === "facts.amount" && !(answer.cause instanceof Error));
    }
    await assert.rejects(client.decideMany([{ decision: "shop.order", facts: order("1") }, { decision: "shop.order", facts: { amount: 0.5 } }]), /`requests\[1\].facts.amount` of 0.5 is not exact/);
  });

  it("has one signal for many calls at once", async () => {
    const stopped = new AbortController();
    const answers = await Promise.all(Array.from({ length: 50 }, () => client.decide("shop.order", order("1"), { signal: stopped.signal })));
    assert.ok(answers.every((a) => a.decided));
  });
});

describe("explain", () => {
  it("says why, why not, and what comes along an input", async () => {
    const why = await client.explain("shop.order", order("250"), { want: { outcome: "ship" }, vary: ["amount", "customer"], asOf: DAY, requestId: "r-7" });
    assert.deepEqual([why.decision, why.asOf.text, why.requestId, why.answer?.outputs.outcome], ["shop.order", "2026-03-25", "r-7", "ask"]);
    assert.deepEqual(why.reasons.map((r) => [r.rowId, r.clauses, r.outputs]), [["ask", ["2.5"], { fee: new Money("0.00", "CNY"), outcome: "ask" }]]);
    const less = why.whyNot?.alternatives.find((a) => a.changes.length === 1 && a.changes[0]?.input === "amount");
    assert.deepEqual(
      less?.changes.map((c) => [c.before, c.after, c.difference]),
      [[new Money("250.00", "CNY"), new Money("200.00", "CNY"), new Money("-50.00", "CNY")]],
    );
    assert.deepEqual([less.outcome.kind, less.outcome.outputs.outcome, less.fewestProved, less.leastProved], ["decided", "ship", true, true]);
    const [amount, customer] = why.variations;
    assert.deepEqual(amount?.actual, new Money("250.00", "CNY"));
    assert.deepEqual(amount.pieces.map((p) => [p.first, p.last, p.outcome.outputs.outcome, p.isActual]), [
      [new Money("0.00", "CNY"), new Money("200.00", "CNY"), "ship", false],
      [new Money("200.01", "CNY"), new Money("1000000.00", "CNY"), "ask", true],
    ]);
    assert.ok(customer?.pieces.some((p) => p.values.includes("barred") && p.outcome.outputs.outcome === "refuse"));
    assert.match(String(why), /^.+\n/);
    assert.equal(why.completion, undefined);
    noWire(why);
  });

  it("says what is missing", async () => {
    const why = await client.explain("shop.order", { customer: "new" });
    assert.equal(why.answer, undefined);
    assert.deepEqual(why.completion?.needed[0], "amount");
    const amount = why.completion.unstated.find((u) => u.input === "amount");
    assert.deepEqual([amount?.relevance, amount?.required, amount?.default], ["needed", true, undefined]);
    assert.ok(amount?.example?.value instanceof Money && amount.example.outcome.kind === "decided");
    assert.equal(why.completion.unstated.find((u) => u.input === "signed")?.default, false);
    assert.equal((await client.explain("shop.order", { customer: "barred" })).completion?.settledOutcome?.outputs.outcome, "refuse");
    noWire(why);
  });

  it("looks for no way where none is asked for, and says what would be refused", async () => {
    assert.equal((await client.explain("shop.order", order("250"), { maxAlternatives: 0 })).whyNot, undefined);
    const refused = await client.explain("shop.label", order("25"), { maxAlternatives: 0 });
    assert.deepEqual([refused.answer, refused.refusal !== ""], [undefined, true]);
  });
});

describe("the rest of the interface", () => {
  it("lists policies and describes decisions", async () => {
    const found = [];
    for await (const policy of client.policies({ language: "zh" })) found.push(policy);
    assert.deepEqual(found.map((p) => [p.name, p.title]), [["kinds", "值的类型"], ["shop", "小店"]]);
    assert.ok(Math.abs((found[0]?.loadedAt.toDate().getTime() ?? 0) - Date.now()) < 120_000);
    const names = [];
    for await (const one of client.definitions("shop")) names.push([one.name, one.rows.length]);
    assert.deepEqual(names.map(([name]) => name), [...(found[1]?.decisions ?? [])].sort());
    assert.ok(names.every(([, rows]) => rows === 0));

    const definition = await client.definition("shop.order", { asOf: new PlainDate("2025-06-30") });
    assert.deepEqual(definition.inputs.map((i) => [i.name, i.kind, i.required]).sort(), [["amount", "money", true], ["customer", "enum", true], ["signed", "boolean", false]]);
    const [amount] = definition.inputs.filter((i) => i.name === "amount");
    assert.deepEqual([amount?.min, amount?.max, amount?.default], [new Money("0.00", "CNY"), new Money("1000000.00", "CNY"), undefined]);
    assert.equal(definition.inputs.find((i) => i.name === "signed")?.default, false);
    assert.deepEqual(definition.parameters.find((p) => p.name === "cap")?.value, new Money("100.00", "CNY"));
    assert.deepEqual([definition.hitPolicy, definition.aggregation], ["first", "none"]);
    assert.deepEqual(definition.rows[1]?.tests, [{ name: "amount", test: "<= cap" }]);
    assert.equal((await client.definition("shop.fine")).aggregation, "sum");
    const payments = (await client.definition("kinds.echo")).inputs.find((i) => i.name === "payments");
    assert.deepEqual([payments?.kind, payments?.element?.kind, payments?.element?.fields.map((f) => f.kind)], ["list", "record", ["money", "date", "text"]]);
    noWire([found, definition, payments]);

    const report = await client.check("policy: x\n", { fileName: "mine.yaml" });
    assert.ok(!report.ok && report.findings[0]?.severity === "error" && report.findings[0].file === "mine.yaml");
  });

  it("reads the decision log", async () => {
    const answer = await client.decide("shop.order", order("77"), { requestId: "logged", asOf: DAY });
    const record = await client.record(answer.id);
    assert.deepEqual([record.id, record.requestId, record.purpose, record.trace, record.statedAsOf], [answer.id, "logged", "decision", "matched", "2026-03-25"]);
    assert.deepEqual([record.facts, record.outputs, record.rowIds], [{ amount: new Money("77"), customer: "new" }, answer.outputs, ["within-cap"]]);
    assert.deepEqual([record.decidedAt, record.recordHash.length], [answer.decidedAt, 32]);
    const again = await client.reevaluate(answer.id);
    assert.ok(again.same && again.differences.length === 0);
    assert.deepEqual([again.answer.id, again.answer.outputs], [answer.id, answer.outputs]);
    const found = [];
    for await (const one of client.records({ requestId: "logged", since: answer.decidedAt, decided: true, purpose: "decision" }, { newestFirst: true })) found.push(one.id);
    assert.deepEqual(found, [answer.id]);
    for await (const one of client.records({ requestId: "logged", until: answer.decidedAt })) assert.fail(one.id);
    const status = await client.logStatus();
    assert.ok(status.recorded > 0 && status.headSequenceNumber >= record.sequenceNumber && status.failure === "");
    noWire([record, again, status]);
    assert.ok(JSON.stringify([answer, record, again, status]).includes(JSON.stringify(answer.decidedAt)));
  });

  it("lists records over pages, and gives masked facts back to no log", async () => {
    await client.decideMany(Array.from({ length: 150 }, (_, n) => ({ decision: "shop.order", facts: order(String(n)), policyVersion: "" })));
    let count = 0;
    for await (const record of client.records({ decision: "shop" })) count += record.decision.startsWith("shop.") ? 1 : 0;
    assert.ok(count > 150);
    const masked = await client.decide("kinds.echo", { text: "secret" });
    assert.deepEqual(Object.keys((await client.record(masked.id)).maskedFacts), ["text"]);
    await assert.rejects(client.reevaluate(masked.id), PolicybookError);
    const again = await client.reevaluate(masked.id, { maskedFacts: { text: "secret" }, trace: "full", language: "zh" });
    assert.equal(again.answer.outputs.text, "secret");
  });

  it("tells how the service is", async () => {
    assert.equal(await client.health(), "serving");
    await client.waitUntilReady();
  });

  it("writes values for people", () => {
    const values: Value[] = [null, true, new Exact("1E+3"), new Exact("12.5e-1"), new Exact("1e99"), new TimeOfDay("16:00:00"), new Instant(0n, 0), [new Money("5", "CNY"), "a"], { a: DAY }];
    assert.deepEqual(values.map(textOf), ["null", "true", "1000", "1.25", "1e99", "16:00", "1970-01-01T00:00+00:00", "[5 CNY, a]", "{a: 2026-03-25}"]);
  });
});

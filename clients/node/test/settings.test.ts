import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ChannelCredentials } from "@grpc/grpc-js";
import { Duration, Exact, Instant, Money, PlainDate, PolicybookClient, TimeOfDay } from "../src/index.js";
import type { ClientOptions, Fact } from "../src/index.js";
import * as audit from "../src/generated/policybook/v1/audit_service.js";
import * as explanation from "../src/generated/policybook/v1/explanation.js";
import * as policy from "../src/generated/policybook/v1/policy_service.js";
import * as trace from "../src/generated/policybook/v1/trace.js";
import * as read from "../src/read.js";
import { root } from "./service.js";
import { VERSION, isLoopback } from "../src/settings.js";
import { toWire } from "../src/values.js";

const HERE = "localhost:1";
const AWAY = "policy.example.com:443";
const most = "at most 2147483647 (a timer of Node.js takes no more)";

/** What a caller without TypeScript may give. */
function loose(given: unknown): ClientOptions {
  return given as ClientOptions;
}

function refuses(made: () => unknown, message: string | RegExp): void {
  assert.throws(made, { name: "TypeError", message });
}

describe("settings", () => {
  it("are checked when a client is made", () => {
    const wrong: [unknown, string | RegExp][] = [
      [{ timeout: 5 }, /^`timeout` is no option of a client; there are: tls, /],
      [{ timeoutMs: 0 }, `\`timeoutMs\`: milliseconds, more than 0 and ${most}, not 0`],
      [{ timeoutMs: -1 }, /not -1$/],
      [{ timeoutMs: Number.NaN }, /not NaN$/],
      [{ timeoutMs: Number.POSITIVE_INFINITY }, /not Infinity$/],
      [{ timeoutMs: 2 ** 31 }, /not 2147483648$/],
      [{ timeoutMs: "5s" }, /not `5s`$/],
      [{ keepaliveMs: 0 }, /^`keepaliveMs`: /],
      [{ maxMessageBytes: 0.5 }, "`maxMessageBytes` is a whole number of bytes, at least 1, not 0.5"],
      [{ language: "de" }, "`language` is `en` or `zh`, not `de`"],
      [{ trace: "FULL" }, "`trace` is `none`, `matched` or `full`, not `FULL`"],
      [{ insecure: "no" }, "`insecure` is true or false, not `no`"],
      [{ retry: { attempts: 3 } }, "`attempts` is no option of `retry`; there are: maxAttempts, initialBackoffMs, maxBackoffMs, multiplier"],
      [{ retry: { maxAttempts: 0 } }, "`retry.maxAttempts` is a whole number, at least 1, not 0"],
      [{ retry: { maxAttempts: 1.5 } }, /not 1.5$/],
      [{ retry: { multiplier: 0.5 } }, "`retry.multiplier` is at least 1, not 0.5"],
      [{ retry: { initialBackoffMs: -1 } }, `\`retry.initialBackoffMs\`: milliseconds, more than 0 and ${most}, not -1`],
      [{ retry: { maxBackoffMs: Number.NaN } }, /^`retry.maxBackoffMs`: .* not NaN$/],
      [{ metadata: { "x tenant": "north" } }, "the metadata `x tenant` has a name or a value that gRPC does not take"],
      [{ metadata: { "x-key": "line\nend" } }, /^the metadata `x-key`/],
      [{ token: "" }, /^this token is empty/],
      [{ token: "se\ncret" }, /^this token is empty, or has characters that no header takes, such as the end of a line$/],
      [{ token: 5 }, "a token is text, or a function that gives it, not a number"],
      [{ token: "a", metadata: { Authorization: "b" } }, "`token` and the metadata `authorization` contradict each other"],
      [{ tls: { ca: "ca.crt" } }, /^`tls.ca` is the Buffer of a PEM file/],
      [{ tls: { cert: Buffer.from("") } }, "`tls.cert` and `tls.key` go together"],
      [{ tls: { crt: Buffer.from("") } }, "`crt` is no option of `tls`; there are: ca, cert, key"],
      [{ tls: {}, insecure: true }, "`insecure` contradicts `tls` and `credentials`"],
      [{ tls: {}, credentials: ChannelCredentials.createInsecure() }, "`tls` and `credentials` contradict each other"],
      [null, "the options of a client are an object"],
    ];
    for (const [options, message] of wrong) refuses(() => new PolicybookClient(HERE, loose(options)), message);
    refuses(() => new PolicybookClient(""), /^the target is empty/);
    refuses(() => new PolicybookClient(50151 as unknown as string), "the target is text, not 50151");
    for (const right of [{ retry: null }, { keepaliveMs: null }, { retry: { initialBackoffMs: 0 } }, { timeoutMs: 2 ** 31 - 1 }, { metadata: { "x-b-bin": Buffer.of(1) } }]) {
      new PolicybookClient(HERE, right).close();
    }
  });

  it("send no token in the open", () => {
    for (const options of [{ insecure: true }, { credentials: ChannelCredentials.createInsecure() }]) {
      refuses(() => new PolicybookClient(AWAY, { ...options, token: "secret" }), "a token is not sent without TLS to another machine");
    }
    for (const token of ["secret", (): string => "secret"]) {
      new PolicybookClient(HERE, { token }).close();
      new PolicybookClient(AWAY, { token }).close();
    }
  });

  it("know this machine", () => {
    for (const here of ["localhost", "localhost:1", "a.localhost:1", "127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "::1", "unix:/run/p.sock", "dns:///localhost:1", "ipv4:127.0.0.1:1", "ipv6:[::1]:1"]) {
      assert.ok(isLoopback(here), here);
    }
    for (const away of [AWAY, "localhost.example.com:1", "127.0.0.1.example.com:1", "10.0.0.1:1", "[::2]:1", "0.0.0.0:1", "dns:///policy:1", "ipv4:127.0.0.1:1,10.0.0.1:1", "dns://127.0.0.1/policy:1"]) {
      assert.ok(!isLoopback(away), away);
    }
  });

  it("of a call are checked before anything is sent", async () => {
    const client = new PolicybookClient(HERE);
    const asked = (options: unknown): Promise<unknown> => client.decide("a.b", {}, loose(options));
    for (const [options, message] of [
      [{ requestID: "x" }, /^`requestID` is no option of `decide`; there are: timeoutMs, signal, asOf, /],
      [{ timeoutMs: 2 ** 40 }, /^`timeoutMs`: milliseconds/],
      [{ signal: {} }, "`signal` is an AbortSignal"],
      [{ asOf: "2026-03-25" }, "`asOf` is a PlainDate, or is an Instant or a Date, not `2026-03-25`"],
      [{ requestId: 5 }, "`requestId` is text, not 5"],
      [{ trace: 3 }, /^`trace` is/],
      [{ language: "fr" }, /^`language` is/],
    ] as const) {
      await assert.rejects(asked(options), { name: "TypeError", message });
    }
    await assert.rejects(client.decideMany([{ decision: "a.b" }, { decision: "a.b", wen: 1 } as never]), /^TypeError: `wen` is no option of `requests\[1\]`/);
    await assert.rejects(client.explain("a.b", {}, { vary: "amount" as never }), { name: "TypeError", message: '`vary` is a list of names: write `["amount"]`' });
    await assert.rejects(client.explain("a.b", {}, { maxAlternatives: -1 }), /0 for none/);
    await assert.rejects(client.definition("a.b", { asOf: new Date() as never }), /^TypeError: `asOf` is a PlainDate, not an object/);
    refuses(() => client.records({ since: "now" as never }), "`since` is an Instant or a Date, not `now`");
    refuses(() => client.records({ purpose: "fun" as never }), "`purpose` is one of decision, explanation, challenge");
    refuses(() => client.decideStream(5 as never), "the requests of a stream are an iterable or an async iterable");
    refuses(() => client.decideStream([], { timeoutMs: 0 }), /^`timeoutMs`/);
    client.close();
  });

  it("have the version of the package", () => {
    const stated = JSON.parse(readFileSync(join(root, "clients/node/package.json"), "utf8")) as { version: string };
    assert.equal(VERSION, stated.version);
  });
});

describe("values", () => {
  it("are what they say", () => {
    const wrong: [() => unknown, RegExp][] = [
      [() => new Money(0.5), /not exact/],
      [() => new Money("5 CNY"), /no exact number/],
      [() => new Exact("twelve"), /no exact number/],
      [() => new Exact("1/0"), /no exact number/],
      [() => new Exact(5 as never), /a number is no exact number/],
      [() => new PlainDate("25.3.2026"), /no day/],
      [() => new PlainDate("2026-02-30"), /no day/],
      [() => new PlainDate("2026-13-01"), /no day/],
      [() => new TimeOfDay("24:00"), /no time of day/],
      [() => new Duration("3 days"), /no length of time/],
      [() => new Duration("P"), /no length of time/],
      [() => new Instant(1 as never, 0), /an instant is/],
      [() => new Instant(0n, 1e9), /an instant is/],
      [() => Instant.of(new Date("never")), /invalid Date/],
    ];
    for (const [make, message] of wrong) refuses(make, message);
    for (const length of ["P3D", "PT24H", "-P1Y2M", "P3DT1H", "PT0.5S", "P0D"]) assert.equal(new Duration(length).text, length);
    assert.equal(Instant.of(new Date("1969-12-31T23:59:59.250Z")).toString(), "1969-12-31T23:59:59.250000Z");
    // Classes of one shape are not one type.
    type IsDay<T> = T extends PlainDate ? true : false;
    const isDay: [IsDay<PlainDate>, IsDay<Exact>] = [true, false];
    assert.equal(isDay.length, 2);
  });

  it("that cannot be sent are named", () => {
    let deep: Fact = [];
    for (let n = 0; n < 30; n++) deep = [deep];
    const endless: Fact[] = [];
    endless.push(endless);
    const wrong: [unknown, RegExp][] = [
      [undefined, /^`facts.x` is undefined: leave it out, or give null/],
      [Symbol("x"), /^`facts.x`: a symbol cannot be sent/],
      [() => 5, /^`facts.x`: a function cannot be sent/],
      ["\ud800", /^`facts.x` has half a character/],
      [{ "\ud800": 1 }, /half a character/],
      [[{ a: 0.5 }], /^`facts.x\[0\].a` of 0.5 is not exact/],
      [new Map([["a", 1]]), /^`facts.x`: named values are a plain object/],
      [new Set([1]), /plain object/],
      [Buffer.from("x"), /plain object/],
      [deep, /nested 20 deep/],
      [endless, /nested 20 deep/],
    ];
    for (const [fact, message] of wrong) refuses(() => toWire(fact as Fact, "facts.x"), message);
  });
});

describe("words", () => {
  it("are those of the interface, in the order of its numbers", () => {
    const pairs: [readonly string[], object, string][] = [
      [read.TRACE_LEVELS, trace.TraceLevel, "TRACE_LEVEL_"],
      [read.ROW_VERDICTS, trace.RowVerdict, "ROW_VERDICT_"],
      [read.HEADROOM_SIDES, trace.HeadroomSide, "HEADROOM_SIDE_"],
      [read.HEADROOM_OUTCOMES, trace.HeadroomOutcome, "HEADROOM_OUTCOME_"],
      [read.OUTCOME_KINDS, explanation.ExplainedOutcomeKind, "EXPLAINED_OUTCOME_KIND_"],
      [read.RELEVANCES, explanation.Relevance, "RELEVANCE_"],
      [read.HIT_POLICIES, policy.HitPolicy, "HIT_POLICY_"],
      [read.AGGREGATIONS, policy.Aggregation, "AGGREGATION_"],
      [read.VALUE_KINDS, policy.ValueKind, "VALUE_KIND_"],
      [read.SEVERITIES, policy.Severity, "SEVERITY_"],
      [read.PURPOSES, audit.Purpose, "PURPOSE_"],
    ];
    for (const [words, members, prefix] of pairs) {
      const wanted = Object.entries(members as { [name: string]: unknown }).filter(([, n]) => typeof n === "number" && n > 0);
      assert.deepEqual(words.slice(1), wanted.map(([name]) => name.replace(prefix, "").toLowerCase()), prefix);
      assert.equal(read.word(words, 99), words[0]);
    }
  });
});

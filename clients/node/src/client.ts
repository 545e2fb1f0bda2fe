/** The client: typed calls over one connection. */
import type { MethodDefinition } from "@grpc/grpc-js";
import { status as Code } from "@grpc/grpc-js";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { CheckReport, DecisionDefinition, Health, Policy } from "./catalog.js";
import { Connection } from "./connection.js";
import type { Decision, TraceLevel } from "./decision.js";
import { DeadlineExceededError, UnavailableError, unreadable } from "./errors.js";
import type { PolicybookError } from "./errors.js";
import type { Explanation } from "./explanation.js";
import { AuditServiceService } from "./generated/policybook/v1/audit_service.js";
import type { ListDecisionRecordsRequest } from "./generated/policybook/v1/audit_service.js";
import { DecisionServiceService, Outcome } from "./generated/policybook/v1/decision_service.js";
import type { DecideRequest } from "./generated/policybook/v1/decision_service.js";
import type { TraceLevel as WireTraceLevel } from "./generated/policybook/v1/trace.js";
import { PolicyServiceService } from "./generated/policybook/v1/policy_service.js";
import {
  HEALTHS, PURPOSES, TRACE_LEVELS, decisionOf, definitionOf, explanationOf, policyOf, recordOf, reevaluationOf, reportOf, resultsOf, statusOf, word,
} from "./read.js";
import type { DecisionRecord, LogStatus, RecordFilter, Reevaluation } from "./records.js";
import { checkCall, dayOf, flag, instantOf, known, languageOf, settingsOf, text, traceOf } from "./settings.js";
import type { CallSettings, ClientOptions } from "./settings.js";
import { checkIterable, streamed } from "./stream.js";
import { PlainDate, factsToWire } from "./values.js";
import type { Facts, Instant } from "./values.js";

export interface DecideOptions {
  /** The policy as it stands on a day (in its time zone) or at an instant; left out: now. */
  readonly asOf?: PlainDate | Instant | Date;
  /** Decide only by this version: its content hash, or its first 8 characters at least. */
  readonly policyVersion?: string;
  readonly trace?: TraceLevel;
  readonly language?: "en" | "zh";
  /** Your own id: where the service keeps a log, the same request under the same id is one decision, however often it is asked. */
  readonly requestId?: string;
  /** A version that decides beside; compared and recorded, never answered. */
  readonly challengerVersion?: string;
}

/** One request of a batch or of a stream. */
export interface DecisionRequest extends DecideOptions {
  readonly decision: string;
  readonly facts?: Facts;
}

export interface ExplainOptions extends Omit<DecideOptions, "challengerVersion"> {
  /** The outcome that is wanted, by output; left out: any other. */
  readonly want?: Facts;
  /** Inputs that nobody can change. */
  readonly keep?: readonly string[];
  /** Inputs along which the outcomes are wanted, at most 5. */
  readonly vary?: readonly string[];
  /** The outputs that matter; left out: the first choice or flag, and for what is missing all outputs. */
  readonly compare?: readonly string[];
  /** Ways to another outcome; 0: none is looked for; 5. */
  readonly maxAlternatives?: number;
}

/** Whose titles, in which language. */
export interface ListSettings extends CallSettings {
  readonly language?: "en" | "zh";
}

const PAGE = 100;
// The service looks for five seconds at most, and may have others to answer first.
const LONG_MS = 30_000;
const READY_MS = 10_000;
const READY_POLL_MS = 100;
const DECIDE_OPTIONS = ["asOf", "policyVersion", "trace", "language", "requestId", "challengerVersion"];
const EXPLAIN_OPTIONS = [...DECIDE_OPTIONS.slice(0, -1), "want", "keep", "vary", "compare", "maxAlternatives"];
const FILTERS = ["decision", "since", "until", "decided", "requestId", "caller", "policyVersion", "purpose"];

/** grpc.health.v1, of which two numbers are all that is needed. */
const HEALTH: MethodDefinition<null, number> = {
  path: "/grpc.health.v1.Health/Check",
  requestStream: false,
  responseStream: false,
  requestSerialize: () => Buffer.alloc(0),
  requestDeserialize: () => null,
  responseSerialize: (status) => Buffer.from(status ? [8, status] : []),
  responseDeserialize: (bytes) => {
    const reader = new BinaryReader(bytes);
    let status = 0;
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === 8) status = reader.int32();
      else reader.skip(tag & 7);
    }
    return status;
  },
};

/**
 * A client of one service. Make one and keep it: it holds the connection, and connects at the first call. `close` it at the end.
 *
 * Every call has a deadline and is made again where that is harmless. Calls throw `PolicybookError` when they were not answered, TypeError, before anything is
 * sent, for arguments that cannot be sent, and the reason of their signal when that ends them.
 */
export class PolicybookClient {
  readonly #connection: Connection;

  /** Nothing is sent yet. `target`: `localhost:50151`, `unix:/run/policybook.sock`, or another target of gRPC. Throws TypeError for options that cannot be. */
  constructor(target: string, options: ClientOptions = {}) {
    this.#connection = new Connection(settingsOf(target, options));
  }

  /** Ask one decision. */
  async decide(decision: string, facts: Facts, options: DecideOptions & CallSettings = {}): Promise<Decision> {
    const { timeoutMs, signal, ...rest } = options;
    checkCall(options, "decide", DECIDE_OPTIONS);
    const request = this.#request({ ...rest, decision, facts }, "");
    return await this.#connection.unary(DecisionServiceService.decide, request, decisionOf, how(timeoutMs, signal));
  }

  /** Ask many in one call; each comes to a decision or to the error that it would have thrown, in their order. At most 10,000; `decideStream` has no such limit. */
  async decideMany(requests: readonly DecisionRequest[], settings: CallSettings = {}): Promise<(Decision | PolicybookError)[]> {
    checkCall(settings, "decideMany");
    const asked = { requests: requests.map((r, i) => this.#request(r, `requests[${String(i)}].`)) };
    return await this.#connection.unary(DecisionServiceService.batchDecide, asked, (a) => resultsOf(a.results, requests.length), settings);
  }

  /**
   * Ask as requests come, answered in their order; no faster than the answers are taken. The stream begins with the first `next`; leaving the loop ends it, and
   * calls `return` of the source. What the source throws is thrown here after the answers to what came before. A stream is not made again. `timeoutMs` holds for
   * each answer, from when it is waited for; the stream as a whole may take as long as it likes.
   */
  decideStream(requests: AsyncIterable<DecisionRequest> | Iterable<DecisionRequest>, settings: CallSettings = {}): AsyncGenerator<Decision | PolicybookError, undefined> {
    checkCall(settings, "decideStream");
    checkIterable(requests);
    return streamed(this.#connection, DecisionServiceService.streamDecide, requests, (one, place) => this.#request(one, place), settings);
  }

  /** Explain one decision: why it came so, what would change it, what comes along an input, or what is missing: required facts may be, then `completion` says which can still matter. 30 s unless `timeoutMs` says otherwise. */
  async explain(decision: string, facts: Facts, options: ExplainOptions & CallSettings = {}): Promise<Explanation> {
    const { timeoutMs, signal, want, keep, vary, compare, maxAlternatives = 5, ...rest } = options;
    checkCall(options, "explain", EXPLAIN_OPTIONS);
    if (!Number.isSafeInteger(maxAlternatives) || maxAlternatives < 0) throw new TypeError("`maxAlternatives` is 0 for none, or more");
    const request = {
      ...this.#request({ ...rest, decision, facts }, ""),
      wantedOutputs: factsToWire(want ?? {}, "want"),
      keptInputs: names(keep, "`keep`"),
      variedInputs: names(vary, "`vary`"),
      comparedOutputs: names(compare, "`compare`"),
      // On the wire 0 is what nobody set.
      maxAlternatives: maxAlternatives || -1,
    };
    return await this.#connection.unary(DecisionServiceService.explain, request, explanationOf, how(timeoutMs, signal), LONG_MS);
  }

  /** The policies in service, page by page as they are taken. */
  policies(settings: ListSettings = {}): AsyncGenerator<Policy, undefined> {
    checkCall(settings, "policies", ["language"]);
    const language = this.#language(settings.language);
    return this.#pages(settings, (pageToken, page) =>
      this.#connection.unary(PolicyServiceService.listPolicies, { pageSize: PAGE, pageToken, language }, (a) => ({ items: a.policies.map(policyOf), next: a.nextPageToken }), page),
    );
  }

  /** The decisions of one policy, or of all, without the rows of their tables. */
  definitions(policy = "", settings: ListSettings = {}): AsyncGenerator<DecisionDefinition, undefined> {
    checkCall(settings, "definitions", ["language"]);
    const language = this.#language(settings.language);
    const read = (a: { decisionDefinitions: Parameters<typeof definitionOf>[0][]; nextPageToken: string }): Page<DecisionDefinition> => ({
      items: a.decisionDefinitions.map(definitionOf),
      next: a.nextPageToken,
    });
    const asked = { policy: text(policy, "`policy`"), pageSize: PAGE, language };
    return this.#pages(settings, (pageToken, page) => this.#connection.unary(PolicyServiceService.listDecisionDefinitions, { ...asked, pageToken }, read, page));
  }

  /** One decision as a caller must know it: typed inputs and outputs, figures, and the table itself, as of a day (today). */
  async definition(name: string, options: ListSettings & { readonly asOf?: PlainDate; readonly policyVersion?: string } = {}): Promise<DecisionDefinition> {
    checkCall(options, "definition", ["language", "asOf", "policyVersion"]);
    const request = {
      name: text(name, "the name of a decision"),
      asOfDate: options.asOf === undefined ? "" : dayOf(options.asOf, "`asOf`"),
      policyVersion: text(options.policyVersion ?? "", "`policyVersion`"),
      language: this.#language(options.language),
    };
    return await this.#connection.unary(PolicyServiceService.getDecisionDefinition, request, (a) => definitionOf(a.decisionDefinition), options);
  }

  /** Check the YAML text of a policy; nothing is stored. 30 s unless `timeoutMs` says otherwise. */
  async check(source: string, options: CallSettings & { readonly fileName?: string } = {}): Promise<CheckReport> {
    checkCall(options, "check", ["fileName"]);
    const request = { source: text(source, "a policy"), fileName: text(options.fileName ?? "", "`fileName`"), includeNotes: false };
    return await this.#connection.unary(PolicyServiceService.check, request, reportOf, options, LONG_MS);
  }

  /** What the decision log says of one decision. */
  async record(decisionId: string, settings: CallSettings = {}): Promise<DecisionRecord> {
    checkCall(settings, "record");
    const request = { decisionId: text(decisionId, "the id of a decision") };
    return await this.#connection.unary(AuditServiceService.getDecisionRecord, request, (a) => recordOf(a.decisionRecord), settings);
  }

  /** Records of the decision log in the order of their times, page by page as they are taken. */
  records(wanted: RecordFilter = {}, settings: CallSettings & { readonly newestFirst?: boolean } = {}): AsyncGenerator<DecisionRecord, undefined> {
    checkCall(settings, "records", ["newestFirst"]);
    const request = listRequest(wanted, settings.newestFirst ?? false);
    return this.#pages(settings, (pageToken, page) =>
      this.#connection.unary(AuditServiceService.listDecisionRecords, { ...request, pageToken }, (a) => ({ items: a.decisionRecords.map(recordOf), next: a.nextPageToken }), page),
    );
  }

  /** Make a recorded decision again, by the very version, facts and moment that it was made by. `maskedFacts`: the values of the facts that are kept out of the log, all of them. 30 s unless `timeoutMs` says otherwise. */
  async reevaluate(
    decisionId: string,
    options: CallSettings & { readonly maskedFacts?: Facts; readonly trace?: TraceLevel; readonly language?: "en" | "zh" } = {},
  ): Promise<Reevaluation> {
    checkCall(options, "reevaluate", ["maskedFacts", "trace", "language"]);
    const request = {
      decisionId: text(decisionId, "the id of a decision"),
      traceLevel: this.#trace(options.trace),
      language: this.#language(options.language),
      maskedFacts: factsToWire(options.maskedFacts ?? {}, "maskedFacts"),
    };
    return await this.#connection.unary(AuditServiceService.reevaluateDecision, request, reevaluationOf, options, LONG_MS);
  }

  /** How the decision log does. */
  async logStatus(settings: CallSettings = {}): Promise<LogStatus> {
    checkCall(settings, "logStatus");
    return await this.#connection.unary(AuditServiceService.getLogStatus, {}, statusOf, settings);
  }

  /** How the service is. */
  async health(settings: CallSettings = {}): Promise<Health> {
    checkCall(settings, "health");
    return await this.#connection.unary(HEALTH, null, (status) => word(HEALTHS, status), settings);
  }

  /** Wait until the service is reached and says that it is serving; 10 s unless `timeoutMs` says otherwise, then UnavailableError. */
  async waitUntilReady(settings: CallSettings = {}): Promise<void> {
    checkCall(settings, "waitUntilReady");
    const allowed = settings.timeoutMs ?? READY_MS;
    const end = performance.now() + allowed;
    let state = "not reached";
    for (;;) {
      const left = end - performance.now();
      if (left <= 0) break;
      try {
        state = await this.health({ ...settings, timeoutMs: left });
        if (state === "serving") return;
      } catch (error) {
        if (error instanceof UnavailableError) state = error.message;
        else if (!(error instanceof DeadlineExceededError)) throw error;
      }
      await this.#connection.pause(Math.max(0, Math.min(READY_POLL_MS, end - performance.now())), settings.signal);
    }
    const message = `${this.#connection.settings.target} was not ready within ${String(allowed / 1000)} s: ${state}`;
    throw new UnavailableError({ code: Code.UNAVAILABLE, message });
  }

  /** Close the connection; calls and streams in progress end with an error. */
  close(): void {
    this.#connection.close();
  }

  async *#pages<T>(settings: CallSettings, ask: (pageToken: string, settings: CallSettings) => Promise<Page<T>>): AsyncGenerator<T, undefined> {
    const { timeoutMs, signal } = settings;
    const seen = new Set([""]);
    let pageToken = "";
    do {
      const page = await ask(pageToken, how(timeoutMs, signal));
      yield* page.items;
      pageToken = page.next;
      if (pageToken && seen.has(pageToken)) throw unreadable("a page token came twice");
      seen.add(pageToken);
    } while (pageToken);
  }

  #request(asked: DecisionRequest, place: string): DecideRequest {
    if (place) known(asked, ["decision", "facts", ...DECIDE_OPTIONS], `\`${place.slice(0, -1)}\``);
    return {
      decision: text(asked.decision, `\`${place}decision\``),
      facts: factsToWire(asked.facts ?? {}, `${place}facts`),
      requestId: text(asked.requestId ?? "", `\`${place}requestId\``),
      asOf: asOfToWire(asked.asOf, `\`${place}asOf\``),
      policyVersion: text(asked.policyVersion ?? "", `\`${place}policyVersion\``),
      traceLevel: this.#trace(asked.trace),
      language: this.#language(asked.language),
      challengerVersion: text(asked.challengerVersion ?? "", `\`${place}challengerVersion\``),
    };
  }

  #trace(level: TraceLevel | undefined): WireTraceLevel {
    return TRACE_LEVELS.indexOf(level === undefined ? this.#connection.settings.trace : traceOf(level));
  }

  #language(language: "en" | "zh" | undefined): string {
    return language === undefined ? this.#connection.settings.language : languageOf(language);
  }
}

interface Page<T> {
  readonly items: readonly T[];
  readonly next: string;
}

function how(timeoutMs: number | undefined, signal: AbortSignal | undefined): CallSettings {
  return { ...(timeoutMs === undefined ? {} : { timeoutMs }), ...(signal && { signal }) };
}

function asOfToWire(asOf: DecideOptions["asOf"], place: string): DecideRequest["asOf"] {
  if (asOf === undefined) return undefined;
  if (asOf instanceof PlainDate) return { $case: "asOfDate", value: asOf.text };
  const { seconds, nanos } = instantOf(asOf, `${place} is a PlainDate, or`);
  return { $case: "asOfTime", value: { seconds, nanos } };
}

function listRequest(wanted: RecordFilter, newestFirst: boolean): Omit<ListDecisionRecordsRequest, "pageToken"> {
  known(wanted, FILTERS, "a filter of records");
  const purpose = wanted.purpose === undefined ? 0 : PURPOSES.indexOf(wanted.purpose);
  if (purpose < 0) throw new TypeError(`\`purpose\` is one of ${PURPOSES.slice(1).join(", ")}`);
  return {
    decision: text(wanted.decision ?? "", "`decision`"),
    startTime: wanted.since && instantOf(wanted.since, "`since`"),
    endTime: wanted.until && instantOf(wanted.until, "`until`"),
    outcome: wanted.decided === undefined ? Outcome.OUTCOME_UNSPECIFIED : flag(wanted.decided, "`decided`") ? Outcome.OUTCOME_DECIDED : Outcome.OUTCOME_NO_MATCH,
    requestId: text(wanted.requestId ?? "", "`requestId`"),
    caller: text(wanted.caller ?? "", "`caller`"),
    policyVersion: text(wanted.policyVersion ?? "", "`policyVersion`"),
    purpose,
    newestFirst: flag(newestFirst, "`newestFirst`"),
    pageSize: PAGE,
  };
}

function names(given: readonly string[] | undefined, what: string): string[] {
  if (given !== undefined && !Array.isArray(given)) throw new TypeError(`${what} is a list of names: write \`["${String(given).slice(0, 60)}"]\``);
  return (given ?? []).map((name) => text(name, `each name in ${what}`));
}

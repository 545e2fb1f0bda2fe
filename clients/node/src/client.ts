/** The client: one connection, typed calls, deadlines for all attempts together, and attempts again where that is harmless. */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { credentials as Credentials, Metadata } from "@grpc/grpc-js";
import type { CallOptions, ChannelCredentials, ChannelOptions, ClientUnaryCall, ServiceError } from "@grpc/grpc-js";
import { AuditServiceClient, ListDecisionRecordsRequest } from "./generated/policybook/v1/audit_service.js";
import type { DecisionRecord, GetLogStatusResponse, ReevaluateDecisionResponse } from "./generated/policybook/v1/audit_service.js";
import { DecisionServiceClient, ExplainRequest, Outcome } from "./generated/policybook/v1/decision_service.js";
import type { DecideRequest, DecideResponse, DecideResult, ExplainResponse, MatchedRule } from "./generated/policybook/v1/decision_service.js";
import { PolicyServiceClient } from "./generated/policybook/v1/policy_service.js";
import type { CheckResponse, DecisionDefinition, Policy } from "./generated/policybook/v1/policy_service.js";
import { TraceLevel } from "./generated/policybook/v1/trace.js";
import type { Trace } from "./generated/policybook/v1/trace.js";
import { errorOfCall, errorOfStatus } from "./errors.js";
import type { PolicybookError } from "./errors.js";
import { Instant, PlainDate, factsToWire, valuesFromWire } from "./values.js";
import type { Fact, Value } from "./values.js";

export interface RetryPolicy {
  /** The first one included. */
  readonly maxAttempts: number;
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly multiplier: number;
}

export interface ClientOptions {
  /** TLS by the given certificate authority, or the system's where it is left out; with `cert` and `key` mutual. */
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  /** Credentials of grpc-js, instead of `tls`. */
  readonly credentials?: ChannelCredentials;
  /** No TLS. Without it and without TLS only addresses of this machine are asked. */
  readonly insecure?: boolean;
  /** A bearer token, or what gives the present one; it is sent over TLS, or to this machine. */
  readonly token?: string | (() => string | Promise<string>);
  /** For all attempts of a call together. */
  readonly timeoutMs?: number;
  /** `null`: no call is made again. */
  readonly retry?: RetryPolicy | null;
  readonly language?: "en" | "zh";
  readonly trace?: TraceLevel;
  /** Sent with every call. */
  readonly metadata?: { readonly [name: string]: string };
  readonly channelOptions?: ChannelOptions;
}

export interface DecideOptions {
  /** The policy as it stands on a day or at an instant; left out: now. */
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

export interface CallSettings {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface DecisionRequest extends DecideOptions {
  readonly decision: string;
  readonly facts?: { readonly [name: string]: Fact };
}

/** An answer. */
export class Decision {
  readonly id: string;
  readonly requestId: string;
  readonly decision: string;
  readonly policyVersion: string;
  readonly asOf: PlainDate;
  readonly decidedAt: Instant;
  /** Whether the policy had an answer. */
  readonly decided: boolean;
  readonly outputs: { readonly [name: string]: Value };
  readonly items: readonly { readonly rowId: string; readonly itemNumber: number; readonly outputs: { readonly [name: string]: Value } }[];
  readonly matchedRules: readonly MatchedRule[];
  readonly trace: Trace | undefined;

  constructor(response: DecideResponse) {
    this.id = response.decisionId;
    this.requestId = response.requestId;
    this.decision = response.decision;
    this.policyVersion = response.policyVersion;
    this.asOf = new PlainDate(response.asOfDate);
    this.decidedAt = new Instant(response.decideTime?.seconds ?? 0n, response.decideTime?.nanos ?? 0);
    this.decided = response.outcome === Outcome.OUTCOME_DECIDED;
    this.outputs = valuesFromWire(response.outputs);
    this.items = response.items.map((i) => ({ rowId: i.rowId, itemNumber: i.itemNumber, outputs: valuesFromWire(i.outputs) }));
    this.matchedRules = response.matchedRules;
    this.trace = response.trace;
  }
}

const DEFAULT_RETRY: RetryPolicy = { maxAttempts: 5, initialBackoffMs: 100, maxBackoffMs: 2_000, multiplier: 3 };
const LOCAL = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$|^unix:/;
const PAGE = 100;
// The service looks for five seconds at most, and may have others to answer first.
const EXPLAIN_MS = 30_000;

type Unary<Q, A> = (request: Q, metadata: Metadata, options: Partial<CallOptions>, done: (error: ServiceError | null, answer: A) => void) => ClientUnaryCall;

/** A client of one service. Make one and keep it: it holds the connection. `close` it at the end. */
export class PolicybookClient {
  readonly #decisions: DecisionServiceClient;
  readonly #policies: PolicyServiceClient;
  readonly #audits: AuditServiceClient;
  readonly #options: ClientOptions;

  constructor(target: string, options: ClientOptions = {}) {
    const isLocal = LOCAL.test(target);
    const isOpen = options.insecure ?? (isLocal && !options.tls && !options.credentials);
    if (isOpen && options.token !== undefined && !isLocal) {
      throw new TypeError("a token is not sent without TLS to another machine");
    }
    const tls = options.tls;
    const made =
      options.credentials ?? (isOpen ? Credentials.createInsecure() : Credentials.createSsl(tls?.ca ?? null, tls?.key ?? null, tls?.cert ?? null));
    const channel: ChannelOptions = {
      "grpc.max_receive_message_length": 64 * 1024 * 1024,
      "grpc.keepalive_time_ms": 300_000,
      ...options.channelOptions,
    };
    this.#options = options;
    this.#decisions = new DecisionServiceClient(target, made, channel);
    // One connection for all.
    const shared = { ...channel, channelOverride: this.#decisions.getChannel() };
    this.#policies = new PolicyServiceClient(target, made, shared);
    this.#audits = new AuditServiceClient(target, made, shared);
  }

  /** Ask one decision. */
  async decide(decision: string, facts: { readonly [name: string]: Fact }, options: DecideOptions & CallSettings = {}): Promise<Decision> {
    const request = this.#request({ ...options, decision, facts }, "");
    return new Decision(await this.#call(this.#decisions.decide.bind(this.#decisions), request, options));
  }

  /** Ask many at once; each comes to a decision or to the error that it would have thrown, in their order. */
  async decideMany(requests: readonly DecisionRequest[], settings: CallSettings = {}): Promise<(Decision | PolicybookError)[]> {
    const asked = { requests: requests.map((r, i) => this.#request(r, `requests[${String(i)}].`)) };
    const answer = await this.#call(this.#decisions.batchDecide.bind(this.#decisions), asked, settings);
    return answer.results.map(resultOf);
  }

  /** Ask as requests come, answered in their order; no faster than the answers are taken. A stream is not made again. */
  async *decideStream(requests: AsyncIterable<DecisionRequest> | Iterable<DecisionRequest>, settings: CallSettings = {}): AsyncGenerator<Decision | PolicybookError> {
    const call = this.#decisions.streamDecide(await this.#metadata(), settings.timeoutMs ? { deadline: Date.now() + settings.timeoutMs } : {});
    settings.signal?.addEventListener("abort", () => { call.cancel(); }, { once: true });
    let fault: Error | undefined;
    // grpc-js says no more when a call ends while one waits for room.
    const closed = new Promise<void>((resolve) => { call.once("close", resolve); });
    const send = async (): Promise<void> => {
      let number = 0;
      try {
        for await (const one of requests) {
          const request = { request: this.#request(one, `requests[${String(number++)}].`) };
          if (!call.write(request)) await Promise.race([once(call, "drain"), closed]);
        }
        call.end();
      } catch (error) {
        fault = error instanceof Error ? error : new TypeError(String(error));
        call.cancel();
      }
    };
    const sending = send();
    try {
      for await (const answer of call as AsyncIterable<{ result: DecideResult | undefined }>) {
        if (answer.result) yield resultOf(answer.result);
      }
      await sending;
    } catch (error) {
      throw fault ?? errorOfCall(error as ServiceError);
    } finally {
      call.cancel();
    }
  }

  /** Ask why, why not, and what would change it: `wanted` are outputs that one would like. The answer is the interface's own message; see its comments. */
  async explain(
    decision: string,
    facts: { readonly [name: string]: Fact },
    options: DecideOptions & CallSettings & { readonly wanted?: { readonly [name: string]: Fact }; readonly maxAlternatives?: number } = {},
  ): Promise<ExplainResponse> {
    const asked = {
      ...ExplainRequest.fromPartial({}),
      decision,
      facts: factsToWire(facts, "facts"),
      wantedOutputs: factsToWire(options.wanted ?? {}, "wanted"),
      maxAlternatives: options.maxAlternatives ?? 0,
      requestId: options.requestId ?? "",
      asOf: asOfToWire(options.asOf),
      policyVersion: options.policyVersion ?? "",
      traceLevel: options.trace ?? TraceLevel.TRACE_LEVEL_UNSPECIFIED,
      language: options.language ?? this.#options.language ?? "",
    };
    return await this.#call(this.#decisions.explain.bind(this.#decisions), asked, { timeoutMs: EXPLAIN_MS, ...options });
  }

  /** The policies in service. */
  async *policies(): AsyncGenerator<Policy> {
    let pageToken = "";
    do {
      const page = await this.#call(this.#policies.listPolicies.bind(this.#policies), { pageSize: PAGE, pageToken, language: this.#options.language ?? "" }, {});
      yield* page.policies;
      pageToken = page.nextPageToken;
    } while (pageToken);
  }

  /** One decision as a caller must know it. */
  async definition(name: string, options: { asOf?: PlainDate; policyVersion?: string } = {}): Promise<DecisionDefinition> {
    const request = { name, asOfDate: options.asOf?.text ?? "", policyVersion: options.policyVersion ?? "", language: this.#options.language ?? "" };
    const answer = await this.#call(this.#policies.getDecisionDefinition.bind(this.#policies), request, {});
    if (!answer.decisionDefinition) throw new TypeError("the service answered nothing");
    return answer.decisionDefinition;
  }

  /** Check the text of a book, as the service would before it takes it up. */
  async check(source: string, fileName = "policy.yaml"): Promise<CheckResponse> {
    return await this.#call(this.#policies.check.bind(this.#policies), { source, fileName, includeNotes: false }, { timeoutMs: EXPLAIN_MS });
  }

  /** One record of the decision log. */
  async record(decisionId: string): Promise<DecisionRecord> {
    const answer = await this.#call(this.#audits.getDecisionRecord.bind(this.#audits), { decisionId }, {});
    if (!answer.decisionRecord) throw new TypeError("the service answered nothing");
    return answer.decisionRecord;
  }

  /** Records of the decision log, page by page. */
  async *records(wanted: Partial<Omit<ListDecisionRecordsRequest, "pageToken">> = {}): AsyncGenerator<DecisionRecord> {
    let pageToken = "";
    do {
      const request = { ...ListDecisionRecordsRequest.fromPartial({}), pageSize: PAGE, ...wanted, pageToken };
      const page = await this.#call(this.#audits.listDecisionRecords.bind(this.#audits), request, {});
      yield* page.decisionRecords;
      pageToken = page.nextPageToken;
    } while (pageToken);
  }

  /** Decide a recorded decision again, by the version that decided it. */
  async reevaluate(decisionId: string, maskedFacts: { readonly [name: string]: Fact } = {}): Promise<ReevaluateDecisionResponse> {
    const request = { decisionId, traceLevel: TraceLevel.TRACE_LEVEL_UNSPECIFIED, language: this.#options.language ?? "", maskedFacts: factsToWire(maskedFacts, "maskedFacts") };
    return await this.#call(this.#audits.reevaluateDecision.bind(this.#audits), request, {});
  }

  /** How the decision log does. */
  async logStatus(): Promise<GetLogStatusResponse> {
    return await this.#call(this.#audits.getLogStatus.bind(this.#audits), {}, {});
  }

  /** Close the connection; calls in progress end. */
  close(): void {
    this.#decisions.close();
  }

  #request(asked: DecisionRequest, place: string): DecideRequest {
    return {
      decision: asked.decision,
      facts: factsToWire(asked.facts ?? {}, `${place}facts`),
      requestId: asked.requestId ?? "",
      asOf: asOfToWire(asked.asOf),
      policyVersion: asked.policyVersion ?? "",
      traceLevel: asked.trace ?? this.#options.trace ?? TraceLevel.TRACE_LEVEL_UNSPECIFIED,
      language: asked.language ?? this.#options.language ?? "",
      challengerVersion: asked.challengerVersion ?? "",
    };
  }

  async #metadata(): Promise<Metadata> {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(this.#options.metadata ?? {})) metadata.set(name, value);
    const token = typeof this.#options.token === "function" ? await this.#options.token() : this.#options.token;
    if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
    return metadata;
  }

  /** Call, and again where the service was not there or says when to come again; never past the deadline. */
  async #call<Q, A>(method: Unary<Q, A>, request: Q, settings: CallSettings): Promise<A> {
    const retry = this.#options.retry === undefined ? DEFAULT_RETRY : this.#options.retry;
    const deadline = Date.now() + (settings.timeoutMs ?? this.#options.timeoutMs ?? 5_000);
    let backoff = retry?.initialBackoffMs ?? 0;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(method, request, deadline, settings.signal);
      } catch (error) {
        const fault = error as PolicybookError;
        const wait = Math.max(backoff * (0.5 + Math.random() / 2), fault.retryAfterMs ?? 0);
        if (!retry || !fault.isRetriable || attempt >= retry.maxAttempts || Date.now() + wait >= deadline) throw error;
        await sleep(wait, undefined, settings.signal ? { signal: settings.signal } : {});
        backoff = Math.min(backoff * retry.multiplier, retry.maxBackoffMs);
      }
    }
  }

  async #once<Q, A>(method: Unary<Q, A>, request: Q, deadline: number, signal?: AbortSignal): Promise<A> {
    signal?.throwIfAborted();
    const metadata = await this.#metadata();
    return await new Promise<A>((resolve, reject) => {
      const call = method(request, metadata, { deadline }, (error, answer) => {
        signal?.removeEventListener("abort", cancel);
        if (error) reject(signal?.aborted ? (signal.reason as Error) : errorOfCall(error));
        else resolve(answer);
      });
      const cancel = (): void => { call.cancel(); };
      signal?.addEventListener("abort", cancel, { once: true });
    });
  }
}

function asOfToWire(asOf: DecideOptions["asOf"]): DecideRequest["asOf"] {
  if (asOf === undefined) return undefined;
  if (asOf instanceof PlainDate) return { $case: "asOfDate", value: asOf.text };
  const instant = asOf instanceof Date ? Instant.of(asOf) : asOf;
  return { $case: "asOfTime", value: { seconds: instant.seconds, nanos: instant.nanos } };
}

function resultOf(result: DecideResult): Decision | PolicybookError {
  if (result.result?.$case === "response") return new Decision(result.result.value);
  const error = result.result?.value;
  return errorOfStatus({ code: error?.code ?? 13, message: error?.message ?? "the service answered nothing", details: error?.details ?? [] });
}

/** The errors, all of them: one tree with `PolicybookError` at the root. A refusal by the policy is an answer, never one of these. */
import { status as Code } from "@grpc/grpc-js";
import type { Metadata, ServiceError } from "@grpc/grpc-js";
import type { Any } from "./generated/google/protobuf/any.js";
import { BadRequest, ErrorInfo, PreconditionFailure, QuotaFailure, ResourceInfo, RetryInfo } from "./generated/google/rpc/error_details.js";
import { Status } from "./generated/google/rpc/status.js";
import type { ItemError } from "./generated/policybook/v1/decision_service.js";

/** One thing that is wrong with a request: where (`facts.amount`), what, and its stable name (`MISSING_FACT`). */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
  readonly reason: string;
}

/** One reason why a sound request cannot be decided: its kind (`CONFLICTING_ROWS`), what it is about (`policies/credit`), in words. */
export interface PreconditionViolation {
  readonly type: string;
  readonly subject: string;
  readonly description: string;
}

/** One limit that was passed. */
export interface QuotaViolation {
  readonly subject: string;
  readonly description: string;
}

export interface ErrorContent {
  readonly code: Code;
  readonly message: string;
  readonly reason?: string;
  readonly metadata?: { readonly [name: string]: string };
  readonly violations?: readonly FieldViolation[];
  readonly preconditions?: readonly PreconditionViolation[];
  readonly quotas?: readonly QuotaViolation[];
  readonly retryAfterMs?: number | undefined;
  readonly resource?: { readonly type: string; readonly name: string } | undefined;
}

/** A request was not decided. `cause` is the error of grpc-js, except for one item of a batch or of a stream. */
export class PolicybookError extends Error {
  /** gRPC status. */
  readonly code: Code;
  /** Stable name of what happened, such as `INVALID_FACTS`; empty when it was not the service that answered. */
  readonly reason: string;
  /** Further facts about it, by name, from the service. */
  readonly metadata: { readonly [name: string]: string };
  /** Every field that is wrong, all at once. */
  readonly violations: readonly FieldViolation[];
  /** Why a sound request cannot be decided. */
  readonly preconditions: readonly PreconditionViolation[];
  /** Which limits were passed. */
  readonly quotas: readonly QuotaViolation[];
  /** When the service says that one may ask again. */
  readonly retryAfterMs: number | undefined;
  /** How often the call was made. */
  attempts = 1;

  constructor(content: ErrorContent, options?: ErrorOptions) {
    super(textOf(content), options);
    this.name = new.target.name;
    this.code = content.code;
    this.reason = content.reason ?? "";
    this.metadata = content.metadata ?? {};
    this.violations = content.violations ?? [];
    this.preconditions = content.preconditions ?? [];
    this.quotas = content.quotas ?? [];
    this.retryAfterMs = content.retryAfterMs;
  }

  /** Whether the same request may succeed later. Too many at once says when; without that the request itself is too large, and stays so. */
  get isRetriable(): boolean {
    return this.code === Code.UNAVAILABLE || (this.code === Code.RESOURCE_EXHAUSTED && this.retryAfterMs !== undefined);
  }
}

/** A field of the request is wrong; `violations` says which, all at once. */
export class InvalidRequestError extends PolicybookError {}
/** Facts are missing, unknown, of the wrong type or out of bounds. */
export class InvalidFactsError extends InvalidRequestError {}
/** There is no such policy, decision, version or record. */
export class NotFoundError extends PolicybookError {
  /** `decision`, `policy` or `version`, as the service calls it. */
  readonly resourceType: string;
  readonly resourceName: string;
  /** Names that exist and are most like it, best first. */
  readonly nearest: readonly string[];

  constructor(content: ErrorContent, options?: ErrorOptions) {
    super(content, options);
    this.resourceType = content.resource?.type ?? "";
    this.resourceName = content.resource?.name ?? "";
    this.nearest = listed(this.metadata.nearest);
  }
}
/** The request is sound, but cannot be decided as things stand; `preconditions` says why. */
export class FailedPreconditionError extends PolicybookError {}
/** The policy, or a figure that the decision needs, is not in force on that day. */
export class NotInForceError extends FailedPreconditionError {}
/** Several rows of a table matched that allows one only, or rows that must agree do not. */
export class ConflictError extends FailedPreconditionError {}
/** The pinned version is not of the policy that was asked. */
export class VersionMismatchError extends FailedPreconditionError {}
/** The request id was used before, for another request. */
export class RequestIdTakenError extends PolicybookError {
  /** Of the decision that it stands for. */
  get decisionId(): string {
    return this.metadata.decision_id ?? "";
  }
}
/** The service does not know who calls: no token, or one that it does not take. */
export class UnauthenticatedError extends PolicybookError {}
/** The caller has not the role that this needs. */
export class PermissionDeniedError extends PolicybookError {
  /** Any one of them would do. */
  get roles(): readonly string[] {
    return listed(this.metadata.roles);
  }

  /** The policy that it is needed for; empty: the call as such. */
  get policy(): string {
    return this.metadata.policy ?? "";
  }
}
/** Too large, too many, or the service has more to do than it can; `quotas` says which limits, `retryAfterMs` when to ask again. */
export class ResourceExhaustedError extends PolicybookError {}
/** The service cannot be reached, is starting or going down, or cannot record what it must. */
export class UnavailableError extends PolicybookError {}
/** No answer within the time allowed. */
export class DeadlineExceededError extends PolicybookError {}
/** A fault of the service, or an answer that cannot be read (`UNREADABLE_ANSWER`). */
export class InternalError extends PolicybookError {
  /** Quote it to whoever runs the service; their log has the rest. Empty if none was given. */
  get incidentId(): string {
    return this.metadata.incident_id ?? "";
  }
}

type Kind = new (content: ErrorContent, options?: ErrorOptions) => PolicybookError;

const DOMAIN = "policybook.dev";
const BY_REASON: { readonly [reason: string]: Kind } = {
  INVALID_FACTS: InvalidFactsError,
  NOT_IN_FORCE: NotInForceError,
  BOOK_NOT_IN_FORCE: NotInForceError,
  CONFLICTING_ROWS: ConflictError,
  VERSION_MISMATCH: VersionMismatchError,
};
const BY_CODE = new Map<Code, Kind>([
  [Code.INVALID_ARGUMENT, InvalidRequestError],
  [Code.NOT_FOUND, NotFoundError],
  [Code.FAILED_PRECONDITION, FailedPreconditionError],
  [Code.ALREADY_EXISTS, RequestIdTakenError],
  [Code.UNAUTHENTICATED, UnauthenticatedError],
  [Code.PERMISSION_DENIED, PermissionDeniedError],
  [Code.RESOURCE_EXHAUSTED, ResourceExhaustedError],
  [Code.UNAVAILABLE, UnavailableError],
  [Code.DEADLINE_EXCEEDED, DeadlineExceededError],
  [Code.INTERNAL, InternalError],
]);

/** Make the error of a call that failed. */
export function errorOfCall(error: ServiceError): PolicybookError {
  const metadata = error.metadata as Metadata | undefined;
  const packed = metadata?.get("grpc-status-details-bin")[0];
  // A proxy's trailer that is no Status must not hide the code and the message.
  const status = Buffer.isBuffer(packed) ? attempt(() => Status.decode(packed)) : undefined;
  return errorOf(error.code, error.details || error.message, status?.details ?? [], error);
}

/** Make the error of one item of a batch or of a stream. */
export function errorOfItem(item: ItemError): PolicybookError {
  return errorOf(item.code in Code ? item.code : Code.UNKNOWN, item.message, item.details);
}

/** Make the error for an answer that breaks the interface. */
export function unreadable(why: string): InternalError {
  return new InternalError({ code: Code.INTERNAL, message: `the service's answer cannot be read: ${why}`, reason: "UNREADABLE_ANSWER" });
}

/** Make the error for a time that ran out on our side. */
export function noAnswer(target: string, timeoutMs: number, cause?: unknown): DeadlineExceededError {
  return new DeadlineExceededError({ code: Code.DEADLINE_EXCEEDED, message: `no answer from ${target} within ${String(timeoutMs / 1000)} s` }, { cause });
}

/** Make the error for calls of a client that is closed. */
export function closedError(): PolicybookError {
  return new PolicybookError({ code: Code.CANCELLED, message: "the client is closed" });
}

function errorOf(code: Code, message: string, details: readonly Any[], cause?: unknown): PolicybookError {
  const info = found(details, "google.rpc.ErrorInfo", ErrorInfo);
  const resource = found(details, "google.rpc.ResourceInfo", ResourceInfo);
  const delay = found(details, "google.rpc.RetryInfo", RetryInfo)?.retryDelay;
  // Only the service's own reasons have a meaning here; a proxy may send others under the same names.
  const kind = (info?.domain === DOMAIN ? BY_REASON[info.reason] : undefined) ?? BY_CODE.get(code) ?? PolicybookError;
  const content: ErrorContent = {
    code,
    message: message || info?.reason || Code[code] || "unknown",
    reason: info?.reason ?? "",
    metadata: info?.metadata ?? {},
    violations: found(details, "google.rpc.BadRequest", BadRequest)?.fieldViolations ?? [],
    preconditions: found(details, "google.rpc.PreconditionFailure", PreconditionFailure)?.violations ?? [],
    quotas: found(details, "google.rpc.QuotaFailure", QuotaFailure)?.violations ?? [],
    retryAfterMs: delay && Math.max(0, Number(delay.seconds) * 1000 + delay.nanos / 1_000_000),
    resource: resource && { type: resource.resourceType, name: resource.resourceName },
  };
  return new kind(content, cause === undefined ? undefined : { cause });
}

function found<T>(details: readonly Any[], type: string, kind: { decode(bytes: Uint8Array): T }): T | undefined {
  const detail = details.find((d) => d.typeUrl.slice(d.typeUrl.lastIndexOf("/") + 1) === type);
  return detail && attempt(() => kind.decode(detail.value));
}

function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}

function listed(names: string | undefined): readonly string[] {
  return (names ?? "").split(",").map((name) => name.trim()).filter(Boolean);
}

/** The message, and line by line what it does not say. */
function textOf(content: ErrorContent): string {
  const violations = (content.violations ?? []).map((v) => (v.field ? `${v.field}: ${v.description}` : v.description));
  const others = [...(content.preconditions ?? []), ...(content.quotas ?? [])].filter((v) => v.description !== content.message);
  const lines = [...violations, ...others.map((v) => (v.subject ? `${v.subject}: ${v.description}` : v.description))];
  const omitted = content.metadata?.omitted;
  if (omitted) lines.push(`... and ${omitted} more`);
  const incident = content.metadata?.incident_id;
  if (incident && !content.message.includes(incident)) lines.push(`incident ${incident}`);
  // The service's message is the beginning of the list of violations; the list says it all, and where.
  const isRepeated = violations[0]?.includes(content.message.split("; ")[0] ?? "");
  return (isRepeated ? lines : [content.message, ...lines]).join("\n  ");
}

/** The errors, all of them: one tree with `PolicybookError` at the root. A refusal by the policy is an answer, never one of these. */
import { status as Code } from "@grpc/grpc-js";
import type { Metadata, ServiceError } from "@grpc/grpc-js";
import { BadRequest, ErrorInfo, PreconditionFailure, QuotaFailure, RetryInfo } from "./generated/google/rpc/error_details.js";
import { Status } from "./generated/google/rpc/status.js";

/** One thing that is wrong with a request: where (`facts.amount`), what, and its stable name (`MISSING_FACT`). */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
  readonly reason: string;
}

export interface ErrorContent {
  readonly code: Code;
  readonly message: string;
  readonly reason: string;
  readonly metadata: { readonly [name: string]: string };
  readonly violations: readonly FieldViolation[];
  readonly preconditions: readonly { readonly type: string; readonly subject: string; readonly description: string }[];
  readonly quotas: readonly { readonly subject: string; readonly description: string }[];
  readonly retryAfterMs: number | undefined;
}

/** A request was not decided. `reason` is a stable name, such as `INVALID_FACTS`; empty when it was not the service that answered. */
export class PolicybookError extends Error {
  readonly code: Code;
  readonly reason: string;
  readonly metadata: { readonly [name: string]: string };
  readonly violations: readonly FieldViolation[];
  readonly preconditions: ErrorContent["preconditions"];
  readonly quotas: ErrorContent["quotas"];
  /** When the service says that one may ask again. */
  readonly retryAfterMs: number | undefined;

  constructor(content: ErrorContent, options?: ErrorOptions) {
    super([content.message, ...content.violations.map((v) => `  ${v.field ? `${v.field}: ` : ""}${v.description}`)].join("\n"), options);
    this.name = new.target.name;
    this.code = content.code;
    this.reason = content.reason;
    this.metadata = content.metadata;
    this.violations = content.violations;
    this.preconditions = content.preconditions;
    this.quotas = content.quotas;
    this.retryAfterMs = content.retryAfterMs;
  }

  /** Whether the same request may succeed later. */
  get isRetriable(): boolean {
    return this.code === Code.UNAVAILABLE || (this.code === Code.RESOURCE_EXHAUSTED && this.retryAfterMs !== undefined);
  }
}

/** Facts are missing, unknown, of the wrong type or out of bounds; `violations` says which, all at once. */
export class InvalidFactsError extends PolicybookError {}
/** Another part of the request is wrong. */
export class InvalidRequestError extends PolicybookError {}
/** There is no such decision, version or record. */
export class NotFoundError extends PolicybookError {}
/** A sound request that the policy cannot decide: not in force, rows that conflict, a version of another policy. */
export class FailedPreconditionError extends PolicybookError {}
export class NotInForceError extends FailedPreconditionError {}
export class ConflictError extends FailedPreconditionError {}
export class VersionMismatchError extends FailedPreconditionError {}
/** The request id stands for another request. */
export class RequestIdTakenError extends PolicybookError {}
/** Nobody knows who calls, or the token is no longer good. */
export class UnauthenticatedError extends PolicybookError {}
/** The caller has no role for that. */
export class PermissionDeniedError extends PolicybookError {}
/** More than the service takes. */
export class ResourceExhaustedError extends PolicybookError {}
/** The service was not reached, is starting or ending, or cannot record what it must. */
export class UnavailableError extends PolicybookError {}
/** No answer in time. */
export class DeadlineExceededError extends PolicybookError {}
/** A fault of the service. */
export class InternalError extends PolicybookError {}

type Kind = new (content: ErrorContent, options?: ErrorOptions) => PolicybookError;

const BY_REASON: { readonly [reason: string]: Kind } = {
  INVALID_FACTS: InvalidFactsError,
  NOT_IN_FORCE: NotInForceError,
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

/** Make the error of a status. */
export function errorOfStatus(status: Status, cause?: unknown): PolicybookError {
  let reason = "";
  let metadata: { readonly [name: string]: string } = {};
  let violations: readonly FieldViolation[] = [];
  let preconditions: ErrorContent["preconditions"] = [];
  let quotas: ErrorContent["quotas"] = [];
  let retryAfterMs: number | undefined;
  for (const detail of status.details) {
    switch (detail.typeUrl.slice(detail.typeUrl.lastIndexOf("/") + 1)) {
      case "google.rpc.ErrorInfo": {
        const info = ErrorInfo.decode(detail.value);
        reason = info.reason;
        metadata = info.metadata;
        break;
      }
      case "google.rpc.BadRequest":
        violations = BadRequest.decode(detail.value).fieldViolations;
        break;
      case "google.rpc.PreconditionFailure":
        preconditions = PreconditionFailure.decode(detail.value).violations;
        break;
      case "google.rpc.QuotaFailure":
        quotas = QuotaFailure.decode(detail.value).violations;
        break;
      case "google.rpc.RetryInfo": {
        const delay = RetryInfo.decode(detail.value).retryDelay;
        if (delay) retryAfterMs = Number(delay.seconds) * 1000 + delay.nanos / 1_000_000;
        break;
      }
    }
  }
  // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- google.rpc.Code is the same enumeration
  const code: Code = status.code;
  const kind = BY_REASON[reason] ?? BY_CODE.get(code) ?? PolicybookError;
  const content = { code, message: status.message, reason, metadata, violations, preconditions, quotas, retryAfterMs };
  return new kind(content, cause === undefined ? undefined : { cause });
}

/** Make the error of a call that failed. */
export function errorOfCall(error: ServiceError): PolicybookError {
  const metadata = error.metadata as Metadata | undefined;
  const packed = metadata?.get("grpc-status-details-bin")[0];
  const status =
    packed instanceof Buffer ? Status.decode(packed) : { code: error.code, message: error.details || error.message, details: [] };
  return errorOfStatus(status, error);
}

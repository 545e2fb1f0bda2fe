export type * from "./catalog.js";
export { PolicybookClient } from "./client.js";
export type { DecideOptions, DecisionRequest, ExplainOptions, ListSettings } from "./client.js";
export { Decision, OutputItem } from "./decision.js";
export type {
  CellTrace, DecisionContent, Figure, Headroom, HeadroomOutcome, HeadroomSide, MatchedRule, NamedValue, RowTrace, RowVerdict, TableTrace, Trace, TraceLevel,
} from "./decision.js";
export {
  ConflictError, DeadlineExceededError, FailedPreconditionError, InternalError, InvalidFactsError, InvalidRequestError, NotFoundError, NotInForceError,
  PermissionDeniedError, PolicybookError, RequestIdTakenError, ResourceExhaustedError, UnauthenticatedError, UnavailableError, VersionMismatchError,
} from "./errors.js";
export type { ErrorContent, FieldViolation, PreconditionViolation, QuotaViolation } from "./errors.js";
export { Explanation } from "./explanation.js";
export type {
  Alternative, Completion, ExplainedOutcome, ExplanationContent, InputChange, OutcomeKind, Reason, Relevance, TurningTest, UnstatedExample, UnstatedInput,
  Variation, VariationPiece, WhyNot,
} from "./explanation.js";
export type * from "./records.js";
export type { CallSettings, ClientOptions, RetryPolicy, Token } from "./settings.js";
export { Duration, Exact, Instant, Money, PlainDate, TimeOfDay, textOf } from "./values.js";
export type { Fact, Facts, Value, Values } from "./values.js";
export { status as Code } from "@grpc/grpc-js";

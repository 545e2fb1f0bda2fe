export * from "./client.js";
export * from "./errors.js";
export { Duration, Exact, Instant, Money, PlainDate, TimeOfDay } from "./values.js";
export type { Fact, Value } from "./values.js";
export { TraceLevel } from "./generated/policybook/v1/trace.js";

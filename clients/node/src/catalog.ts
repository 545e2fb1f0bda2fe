/** What is served: policies, decisions and their tables; and what a check of a policy's text found. */
import type { Figure } from "./decision.js";
import type { Instant, Value } from "./values.js";

/** What the service says of itself (grpc.health.v1). */
export type Health = "unknown" | "serving" | "not_serving";
/** How rows that match become the answer (DMN). */
export type HitPolicy = "unknown" | "unique" | "any" | "first" | "priority" | "collect" | "rule_order" | "output_order";
/** How a collect table adds up its rows. */
export type Aggregation = "none" | "sum" | "min" | "max" | "count";
/** The type of a value in the book language. */
export type ValueKind =
  | "unknown" | "number" | "integer" | "percent" | "fraction" | "money" | "boolean" | "enum" | "text"
  | "date" | "datetime" | "time" | "duration" | "period" | "list" | "record";
/** How bad a finding is; only errors keep a policy from being served. */
export type Severity = "unknown" | "error" | "warning" | "note";

/** One book of rules. */
export interface Policy {
  readonly name: string;
  readonly title: string;
  /** Content hash of the version in service. */
  readonly version: string;
  /** Older ones that can still be pinned, newest first. */
  readonly previousVersions: readonly string[];
  /** ISO 4217; empty when the policy has no money. */
  readonly currency: string;
  /** IANA name; decides what day it is. */
  readonly timeZone: string;
  /** `credit.shipment`, ... */
  readonly decisions: readonly string[];
  /** When this version went into service. */
  readonly loadedAt: Instant;
}

/** One allowed value of an enum. */
export interface EnumValue {
  readonly value: string;
  readonly title: string;
}

/** An input, an output, or a field of a record. */
export interface FieldDefinition {
  readonly name: string;
  readonly title: string;
  readonly kind: ValueKind;
  readonly unit: string;
  /** Must be given: neither optional nor with a default. */
  readonly required: boolean;
  /** Bounds, both included; undefined: none. */
  readonly min: Value | undefined;
  readonly max: Value | undefined;
  /** What it is taken for when it is left out; undefined: it has no default. */
  readonly default: Value | undefined;
  readonly enumValues: readonly EnumValue[];
  /** For a list: what it holds. */
  readonly element: FieldDefinition | undefined;
  /** For a record. */
  readonly fields: readonly FieldDefinition[];
  /** For money. */
  readonly currency: string;
}

/** A row of the table. */
export interface RowDefinition {
  readonly rowId: string;
  /** Name of an input or value, and the test as written, in order. */
  readonly tests: readonly { readonly name: string; readonly test: string }[];
  /** Output name to the expression, as written. */
  readonly outputs: { readonly [name: string]: string };
  readonly clauses: readonly string[];
  readonly says: string;
  readonly reading: string;
  readonly isDefault: boolean;
  /** Where it stands: `credit.yaml:42:9`. */
  readonly position: string;
}

/** What always holds of a decision's answers, proved of every request. */
export interface InvariantDefinition {
  readonly id: string;
  readonly says: string;
  readonly clauses: readonly string[];
}

/** A decision as a caller must know it; enough to build a form from. */
export interface DecisionDefinition {
  /** `credit.shipment`. */
  readonly name: string;
  readonly policyVersion: string;
  readonly title: string;
  readonly question: string;
  readonly hitPolicy: HitPolicy;
  readonly aggregation: Aggregation;
  /** The facts to send: those of the table and of every decision that it requires. */
  readonly inputs: readonly FieldDefinition[];
  readonly outputs: readonly FieldDefinition[];
  readonly parameters: readonly Figure[];
  /** Decided first, from the same facts. */
  readonly requiredDecisions: readonly string[];
  /** The list whose elements the table is asked for, if any. */
  readonly forEach: string;
  /** Empty in `definitions`. */
  readonly rows: readonly RowDefinition[];
  /** An answer is given out only when its record is durable. */
  readonly mustLog: boolean;
  readonly invariants: readonly InvariantDefinition[];
}

/** Something that was found in the text of a policy. */
export interface Finding {
  /** Stable number: `PB104`. */
  readonly code: string;
  /** Stable name: `unknown-key`. */
  readonly name: string;
  readonly severity: Severity;
  readonly message: string;
  /** One line that can be followed, or empty. */
  readonly help: string;
  readonly file: string;
  /** From 1; 0 when it concerns the whole text. */
  readonly line: number;
  /** From 1, in characters. */
  readonly column: number;
  readonly endLine: number;
  /** Exclusive. */
  readonly endColumn: number;
}

/** What a check of a policy's text found. */
export interface CheckReport {
  /** The policy could be served. */
  readonly ok: boolean;
  /** In the order of the text. */
  readonly findings: readonly Finding[];
  /** The content hash that it would have, when ok. */
  readonly version: string;
}

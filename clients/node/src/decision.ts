/** The answer to one request, with the reasoning behind it. */
import { explainText } from "./explain.js";
import { Instant, textOf } from "./values.js";
import type { PlainDate, Value, Values } from "./values.js";

/** How much of the reasoning an answer carries: none (the matched rules are still named); the tables with the rows that matched; all rows, and each cell with its test and the value it met. */
export type TraceLevel = "none" | "matched" | "full";
/** What became of a row. `unknown`, here as elsewhere: what this version of the client does not know. */
export type RowVerdict = "unknown" | "selected" | "outranked" | "not_matched" | "not_reached";
/** On which side of its threshold a quantity is: the answer changes when it rises (`below`), or when it falls (`above`). */
export type HeadroomSide = "unknown" | "below" | "above";
/** Whether the policy has an answer beyond a threshold. `refused`: rows conflict there, or a formula has no result. */
export type HeadroomOutcome = "unknown" | "decided" | "no_match" | "refused";

/** A row that gave the answer. */
export interface MatchedRule {
  /** Unique in its book. */
  readonly rowId: string;
  /** The written clauses that it implements: `12.2.1`. */
  readonly clauses: readonly string[];
  /** The row in words, in the language asked for. */
  readonly says: string;
  /** How an unclear clause was read, if it was. */
  readonly reading: string;
}

/** A value that a table looked at, and what it is. */
export interface NamedValue {
  readonly name: string;
  readonly title: string;
  readonly value: Value;
  readonly unit: string;
}

/** One named figure of a policy. */
export interface Figure extends NamedValue {
  /** Since when this value holds; undefined: always. */
  readonly effectiveFrom: PlainDate | undefined;
  readonly clauses: readonly string[];
  /** The written policy leaves the figure to the company. */
  readonly setByCompany: boolean;
}

/** One test of one row. */
export interface CellTrace {
  /** The input or value tested. */
  readonly name: string;
  /** As written: `< over_limit_cap * credit_limit`. */
  readonly test: string;
  readonly actual: Value;
  readonly passed: boolean;
}

/** One row of a table in one evaluation. */
export interface RowTrace {
  readonly rowId: string;
  readonly verdict: RowVerdict;
  readonly clauses: readonly string[];
  readonly says: string;
  /** Only at the trace level `full`. */
  readonly cells: readonly CellTrace[];
  /** Where it stands: `credit.yaml:42:9`. */
  readonly position: string;
  /** It answers when no other row matches. */
  readonly isDefault: boolean;
}

/** How far one quantity may move, alone, before its table answers otherwise. */
export interface Headroom {
  /** What the test looks at, as it is now. */
  readonly quantity: NamedValue;
  /** What moves it: an input, the output of another decision, a field of the item, or a part that is computed. */
  readonly moved: string;
  readonly side: HeadroomSide;
  /** Where the quantity is when the answer changes. */
  readonly threshold: Value;
  /** The answer at the threshold itself is still the present one. */
  readonly thresholdIncluded: boolean;
  /** From the quantity to the threshold, never negative; between two dates a Duration. */
  readonly distance: Value;
  /** The row whose test turns there, what that test looks at, and the test as written. */
  readonly rowId: string;
  readonly testName: string;
  readonly test: string;
  readonly beyondOutcome: HeadroomOutcome;
  readonly beyondRowIds: readonly string[];
  readonly beyondOutputs: Values;
}

/** One table as it was asked once. */
export interface TableTrace {
  readonly decision: string;
  readonly title: string;
  /** `first`, `unique`, `collect sum`, ... */
  readonly hitPolicy: string;
  /** For a table over a list: which element, from 1. */
  readonly itemNumber: number | undefined;
  /** The inputs and derived values that it looked at, as understood. */
  readonly inputs: readonly NamedValue[];
  readonly parameters: readonly Figure[];
  readonly rows: readonly RowTrace[];
  readonly outputs: Values;
  /** Every quantity that could change its answer by moving alone. */
  readonly headroom: readonly Headroom[];
}

/** The reasoning behind an answer. */
export interface Trace {
  /** Required decisions first, the one asked last. */
  readonly tables: readonly TableTrace[];
  /** Time spent deciding, without the network. */
  readonly elapsedMs: number;
}

/** Outputs by name: `x.outputs.outcome`, or `x.value("outcome", String)` for typed code. */
abstract class Answer {
  abstract readonly outputs: Values;

  /** Give an output as the type it must have: String, Boolean, Array, Exact, Money, PlainDate, ... Throws TypeError when there is none, or of another type; null is of none. */
  value(name: string, kind: StringConstructor): string;
  value(name: string, kind: BooleanConstructor): boolean;
  value(name: string, kind: ArrayConstructor): readonly Value[];
  value<T extends Value & object>(name: string, kind: abstract new (...given: never[]) => T): T;
  value(name: string, kind: abstract new (...given: never[]) => unknown): unknown {
    const found = Object.hasOwn(this.outputs, name) ? this.outputs[name] : undefined;
    if (found === undefined) throw new TypeError(`no output \`${name}\`; ${this.whatThereIs()}`);
    if (found !== null && (found instanceof kind || (Object(found) as object).constructor === kind)) return found;
    throw new TypeError(`output \`${name}\` is ${textOf(found)}, and no ${kind.name}`);
  }

  protected whatThereIs(): string {
    const names = Object.keys(this.outputs);
    return names.length ? `there are: ${names.join(", ")}` : "there are none";
  }
}

/** What one selected row gave. */
export class OutputItem extends Answer {
  constructor(
    readonly rowId: string,
    readonly outputs: Values,
    /** For a table over a list: which element, from 1. */
    readonly itemNumber?: number,
  ) {
    super();
  }

  override toString(): string {
    return `${this.rowId}${this.itemNumber ? ` (item ${String(this.itemNumber)})` : ""}: ${namedValues(this.outputs)}`;
  }
}

/** What a `Decision` is made of; in tests of your own most can be left out. */
export type DecisionContent = Pick<Decision, "decision" | "outputs" | "asOf"> &
  Partial<Pick<Decision, "id" | "requestId" | "policyVersion" | "decidedAt" | "decided" | "items" | "matchedRules" | "trace">>;

/** The answer to one request. */
export class Decision extends Answer {
  /** What was asked: `credit.shipment`. */
  readonly decision: string;
  /** False when no row matched and the table has no default; then there are no outputs. */
  readonly decided: boolean;
  /** By name; for multi-hit policies the aggregate, if any. */
  readonly outputs: Values;
  /** For multi-hit policies: what each selected row gave, in order. */
  readonly items: readonly OutputItem[];
  /** The selected rows, in the order of the hit policy. */
  readonly matchedRules: readonly MatchedRule[];
  /** Undefined at the trace level `none`. */
  readonly trace: Trace | undefined;
  /** Unique; to be stored with whatever is done because of it. */
  readonly id: string;
  readonly requestId: string;
  /** Content hash of the policy that decided. */
  readonly policyVersion: string;
  /** The day as of which it was decided, in the policy's time zone. */
  readonly asOf: PlainDate;
  readonly decidedAt: Instant;

  constructor(content: DecisionContent) {
    super();
    this.decision = content.decision;
    this.decided = content.decided ?? true;
    this.outputs = content.outputs;
    this.items = content.items ?? [];
    this.matchedRules = content.matchedRules ?? [];
    this.trace = content.trace;
    this.id = content.id ?? "";
    this.requestId = content.requestId ?? "";
    this.policyVersion = content.policyVersion ?? "";
    this.asOf = content.asOf;
    this.decidedAt = content.decidedAt ?? new Instant(0n, 0);
  }

  /** The book that decided: `credit` for `credit.shipment`. */
  get policy(): string {
    return this.decision.replace(/\..*/s, "");
  }

  /** The rows that gave the answer, in the order of the hit policy. */
  get ruleIds(): readonly string[] {
    return this.matchedRules.map((rule) => rule.rowId);
  }

  /** Write the answer, the rules it rests on, their clauses and the trace as plain text of several lines. `language` is that of the captions; titles and sentences are in that of the request. */
  explain(language: "en" | "zh" = "en"): string {
    return explainText(this, language);
  }

  override toString(): string {
    if (!this.decided) return `${this.decision}: no row matched`;
    const answer = namedValues(this.outputs) || `${String(this.items.length)} item${this.items.length === 1 ? "" : "s"}`;
    return `${this.decision}: ${answer} (${this.ruleIds.join(", ") || "no rule"})`;
  }

  protected override whatThereIs(): string {
    if (!this.decided) return `no row of \`${this.decision}\` matched`;
    return this.items.length && !Object.keys(this.outputs).length ? "the answer is in `items`" : super.whatThereIs();
  }
}

function namedValues(outputs: Values): string {
  return Object.entries(outputs).map(([name, value]) => `${name}=${textOf(value)}`).join(", ");
}

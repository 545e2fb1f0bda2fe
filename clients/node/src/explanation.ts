/** Why a decision came as it did, what would change it, and what a request that is not complete still needs. */
import type { Decision } from "./decision.js";
import type { PlainDate, Value, Values } from "./values.js";

/** How a request ends. `refused`: rows conflict, or a formula has no result. */
export type OutcomeKind = "unknown" | "decided" | "no_match" | "refused";
/** Whether an input can still change the answer: it can; it cannot, whatever the others are (proved); neither was found out. */
export type Relevance = "unknown" | "needed" | "irrelevant" | "undecided";

/** One row that gave the answer of one table. */
export interface Reason {
  readonly decision: string;
  readonly title: string;
  /** For a table over a list: which element, from 1. */
  readonly itemNumber: number | undefined;
  /** Empty where no row matched. */
  readonly rowId: string;
  readonly clauses: readonly string[];
  readonly says: string;
  readonly reading: string;
  /** What the row gave. */
  readonly outputs: Values;
  /** All of it in one sentence. */
  readonly sentence: string;
}

/** What came of a request. */
export interface ExplainedOutcome {
  readonly kind: OutcomeKind;
  readonly rowIds: readonly string[];
  /** For a table of several items each is the list of what the items gave. */
  readonly outputs: Values;
  /** Why the request would be refused, if it would. */
  readonly refusal: string;
}

/** One input, changed. */
export interface InputChange {
  readonly input: string;
  readonly title: string;
  /** Undefined: the input is not stated. */
  readonly before: Value | undefined;
  readonly after: Value | undefined;
  /** For what has an order: how much more; negative for less; between two dates a Duration. */
  readonly difference: Value | undefined;
  /** Elements of a list. */
  readonly added: readonly Value[];
  readonly removed: readonly Value[];
  readonly sentence: string;
}

/** One way to another outcome, confirmed by deciding it. */
export interface Alternative {
  /** All of them are needed. */
  readonly changes: readonly InputChange[];
  readonly outcome: ExplainedOutcome;
  /** No smaller set of inputs gives a wanted outcome. */
  readonly fewestProved: boolean;
  /** No smaller change of these inputs does. */
  readonly leastProved: boolean;
  readonly sentence: string;
}

/** The fewest changes of inputs that give another outcome. */
export interface WhyNot {
  /** Those with the fewest changed inputs first. */
  readonly alternatives: readonly Alternative[];
  /** Every set of up to this many inputs that does it was found, or ruled out by proof. */
  readonly provedInputs: number;
  /** Sets of more were not looked at. */
  readonly searchedInputs: number;
  /** `time` or `alternatives` when the search ended early; else empty. */
  readonly limitedBy: string;
  readonly changeableInputs: readonly string[];
  readonly sentence: string;
}

/** A test that passes on one side of a threshold and fails on the other. */
export interface TurningTest {
  readonly decision: string;
  readonly rowId: string;
  readonly name: string;
  readonly test: string;
}

/** Values of an input with one outcome. */
export interface VariationPiece {
  /** Of an ordered input, both included; undefined: no end on that side. */
  readonly first: Value | undefined;
  readonly last: Value | undefined;
  /** Of a choice or flag; of a list the whole list. */
  readonly values: readonly Value[];
  /** Of a list: the element that comes in or goes out. */
  readonly added: Value | undefined;
  readonly removed: Value | undefined;
  /** The request as it is falls here. */
  readonly isActual: boolean;
  readonly outcome: ExplainedOutcome;
  /** Outputs that change inside the piece; the outcome has them as at `first`, or as at `last` where that is undefined. */
  readonly varyingOutputs: readonly string[];
  /** The tests that turn where the piece begins. */
  readonly turningTests: readonly TurningTest[];
  readonly sentence: string;
}

/** The outcomes along one input, all others as they are. */
export interface Variation {
  readonly input: string;
  readonly title: string;
  readonly actual: Value | undefined;
  /** Of an ordered input: its values go in steps of this. */
  readonly step: Value | undefined;
  readonly pieces: readonly VariationPiece[];
  /** Each piece has one outcome throughout. */
  readonly proved: boolean;
  /** Why that is not proved, or what is left out. */
  readonly limitedBy: string;
  readonly sentence: string;
}

/** Two requests that differ in one input. */
export interface UnstatedExample {
  readonly value: Value | undefined;
  readonly outcome: ExplainedOutcome;
  readonly otherValue: Value | undefined;
  readonly otherOutcome: ExplainedOutcome;
  /** The other inputs that are not stated, as they are in both. */
  readonly otherFacts: Values;
}

/** An input that is not stated. */
export interface UnstatedInput {
  readonly input: string;
  readonly title: string;
  readonly relevance: Relevance;
  /** It must be stated for the decision to be made. */
  readonly required: boolean;
  /** What it is taken for when it is left out; undefined: it has no default. */
  readonly default: Value | undefined;
  /** The first decision that looks at it. */
  readonly firstDecision: string;
  /** For a needed one. */
  readonly example: UnstatedExample | undefined;
}

/** What a request that is not complete still needs. */
export interface Completion {
  /** The answer, when no input that is not stated can change it. */
  readonly settledOutcome: ExplainedOutcome | undefined;
  /** Each input that is not stated; those to ask for first, in a good order. */
  readonly unstated: readonly UnstatedInput[];
  /** Of those, the inputs to ask for: they can change the answer, or may for all that is known. */
  readonly needed: readonly string[];
  readonly limitedBy: string;
  readonly sentence: string;
}

/** What an `Explanation` is made of. */
export type ExplanationContent = Omit<Explanation, "toString">;

/** Why a decision came as it did, and what would change it; as a string, all its sentences. */
export class Explanation {
  readonly decision: string;
  readonly policyVersion: string;
  readonly asOf: PlainDate;
  readonly requestId: string;
  /** Undefined when required facts are missing, and when the request is refused. */
  readonly answer: Decision | undefined;
  /** Why `decide` would refuse it, if it would. */
  readonly refusal: string;
  /** Required decisions first. */
  readonly reasons: readonly Reason[];
  /** Undefined when it was not asked for, and when required facts are missing. */
  readonly whyNot: WhyNot | undefined;
  /** One for each input that was to vary. */
  readonly variations: readonly Variation[];
  /** Set when required facts are missing, instead of all the others. */
  readonly completion: Completion | undefined;

  constructor(content: ExplanationContent) {
    this.decision = content.decision;
    this.policyVersion = content.policyVersion;
    this.asOf = content.asOf;
    this.requestId = content.requestId;
    this.answer = content.answer;
    this.refusal = content.refusal;
    this.reasons = content.reasons;
    this.whyNot = content.whyNot;
    this.variations = content.variations;
    this.completion = content.completion;
  }

  toString(): string {
    const whyNot = this.whyNot ? [...this.whyNot.alternatives.map((a) => a.sentence), this.whyNot.sentence] : [];
    const along = this.variations.flatMap((v) => v.pieces.map((p) => `${v.title || v.input}: ${p.sentence}`));
    const parts = [...this.reasons.map((r) => r.sentence), ...(this.refusal ? [this.refusal] : []), ...whyNot, ...along];
    return [...parts, ...(this.completion ? [this.completion.sentence] : [])].join("\n");
  }
}

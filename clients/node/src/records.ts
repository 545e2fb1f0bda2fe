/** What the service's decision log says: records, decisions made again, and how the log does. */
import type { Decision, OutputItem, TraceLevel } from "./decision.js";
import type { Instant, PlainDate, Values } from "./values.js";

/** What a recorded answer was asked for. */
export type Purpose = "unknown" | "decision" | "explanation" | "challenge";

/** What the service decided, as it was recorded then. */
export interface DecisionRecord {
  /** The record's place in the chain of the log, from 1. */
  readonly sequenceNumber: number;
  readonly id: string;
  readonly decidedAt: Instant;
  /** Who asked, as far as the service knows. */
  readonly caller: string;
  readonly requestId: string;
  readonly purpose: Purpose;
  readonly decision: string;
  /** As they were stated. */
  readonly facts: Values;
  /** Facts that are kept out of the log: name to a token, the same for the same value, or to nothing. */
  readonly maskedFacts: { readonly [name: string]: string };
  /** The content hash of the policy that decided. */
  readonly policyVersion: string;
  /** The version that the request pinned; empty: none. */
  readonly statedPolicyVersion: string;
  readonly asOf: PlainDate;
  readonly asOfTime: Instant;
  /** The day or instant that the request stated; empty: none. */
  readonly statedAsOf: string;
  readonly trace: TraceLevel;
  readonly decided: boolean;
  readonly outputs: Values;
  readonly items: readonly OutputItem[];
  readonly rowIds: readonly string[];
  readonly elapsedMs: number;
  /** SHA-256 of the record, and of the one before. */
  readonly recordHash: Uint8Array;
  readonly previousHash: Uint8Array;
  /** Of a challenge: the decision that it was compared with. */
  readonly challengedId: string;
  /** Of a challenge: why the challenger refused the request; empty: it decided. */
  readonly challengeRefusal: string;
}

/** Which records; what is left out does not narrow. */
export interface RecordFilter {
  /** `credit.shipment`, or `credit` for all of a policy. */
  readonly decision?: string;
  /** From this instant on. */
  readonly since?: Instant | Date;
  /** Before this instant. */
  readonly until?: Instant | Date;
  /** Whether the policy had an answer. */
  readonly decided?: boolean;
  readonly requestId?: string;
  readonly caller?: string;
  /** The content hash, or its beginning. */
  readonly policyVersion?: string;
  readonly purpose?: Exclude<Purpose, "unknown">;
}

/** A part of an answer that came otherwise than it was recorded; both as canonical JSON of the log. */
export interface AnswerDifference {
  readonly name: string;
  readonly recorded: string;
  readonly reevaluated: string;
}

/** A recorded decision, made again by the version, facts and moment that it was made by. */
export interface Reevaluation {
  readonly record: DecisionRecord;
  /** With id and times of the recorded decision. */
  readonly answer: Decision;
  /** Whether the answer is the one that was recorded. */
  readonly same: boolean;
  readonly differences: readonly AnswerDifference[];
}

/** How the decisions of one policy compare with those of a version that decides beside, since the service started. */
export interface ChallengerStatus {
  readonly policy: string;
  /** Of the challenger. */
  readonly version: string;
  /** Decided by both. */
  readonly compared: number;
  /** Of those: another outcome, other outputs or items, or refused. */
  readonly different: number;
  /** Of those: refused by the challenger. */
  readonly refused: number;
  /** Not compared or not recorded, because too much was waiting. */
  readonly skipped: number;
}

/** How the log does; counts are since the service started. */
export interface LogStatus {
  /** The last record's place in the chain. */
  readonly headSequenceNumber: number;
  /** Its hash; kept elsewhere, the two anchor everything up to it. */
  readonly headHash: Uint8Array;
  /** Decisions that are still to be written. */
  readonly waiting: number;
  readonly recorded: number;
  /** Answers that were given out without a record. */
  readonly notRecorded: number;
  /** Answers that were not given out since they could not be recorded. */
  readonly refused: number;
  /** Why nothing can be written just now; empty: all is well. */
  readonly failure: string;
  /** Answers are refused while nothing can be written. */
  readonly refusesWhenFull: boolean;
  readonly challengers: readonly ChallengerStatus[];
}

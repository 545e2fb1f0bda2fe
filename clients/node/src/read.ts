/** Wire answers to the types of `decision`, `explanation`, `catalog` and `records`. What is not as the interface allows throws. */
import type { DecisionRecord as WireRecord, GetLogStatusResponse, ReevaluateDecisionResponse } from "./generated/policybook/v1/audit_service.js";
import type { DecideResponse, DecideResult, ExplainResponse, OutputItem as WireItem } from "./generated/policybook/v1/decision_service.js";
import type {
  Completion as WireCompletion, ExplainedOutcome as WireOutcome, Variation as WireVariation, WhyNot as WireWhyNot,
} from "./generated/policybook/v1/explanation.js";
import type { Timestamp } from "./generated/google/protobuf/timestamp.js";
import type { Duration as WireDuration } from "./generated/google/protobuf/duration.js";
import type {
  CheckResponse, DecisionDefinition as WireDefinition, FieldDefinition as WireField, Policy as WirePolicy,
} from "./generated/policybook/v1/policy_service.js";
import type { NamedValue as WireNamed, ParameterTrace, TableTrace as WireTable } from "./generated/policybook/v1/trace.js";
import type { Value as WireValue } from "./generated/policybook/v1/values.js";
import type { Aggregation, CheckReport, DecisionDefinition, FieldDefinition, Health, HitPolicy, Policy, Severity, ValueKind } from "./catalog.js";
import { Decision, OutputItem } from "./decision.js";
import type { Figure, HeadroomOutcome, HeadroomSide, NamedValue, RowVerdict, TableTrace, TraceLevel } from "./decision.js";
import { PolicybookError, errorOfItem, unreadable } from "./errors.js";
import { Explanation } from "./explanation.js";
import type { Completion, ExplainedOutcome, OutcomeKind, Relevance, Variation, WhyNot } from "./explanation.js";
import type { DecisionRecord, LogStatus, Purpose, Reevaluation } from "./records.js";
import { Instant, PlainDate, fromWire, valuesFromWire } from "./values.js";
import type { Value } from "./values.js";

// The words of each enumeration, in the order of its numbers; the tests compare them with the interface.
export const TRACE_LEVELS: readonly (TraceLevel | "unknown")[] = ["unknown", "none", "matched", "full"];
export const ROW_VERDICTS: readonly RowVerdict[] = ["unknown", "selected", "outranked", "not_matched", "not_reached"];
export const HEADROOM_SIDES: readonly HeadroomSide[] = ["unknown", "below", "above"];
export const HEADROOM_OUTCOMES: readonly HeadroomOutcome[] = ["unknown", "decided", "no_match", "refused"];
export const OUTCOME_KINDS: readonly OutcomeKind[] = ["unknown", "decided", "no_match", "refused"];
export const RELEVANCES: readonly Relevance[] = ["unknown", "needed", "irrelevant", "undecided"];
export const HIT_POLICIES: readonly HitPolicy[] = ["unknown", "unique", "any", "first", "priority", "collect", "rule_order", "output_order"];
export const AGGREGATIONS: readonly Aggregation[] = ["none", "sum", "min", "max", "count"];
export const VALUE_KINDS: readonly ValueKind[] = [
  "unknown", "number", "integer", "percent", "fraction", "money", "boolean", "enum", "text", "date", "datetime", "time", "duration", "period", "list", "record",
];
export const SEVERITIES: readonly Severity[] = ["unknown", "error", "warning", "note"];
export const PURPOSES: readonly Purpose[] = ["unknown", "decision", "explanation", "challenge"];
export const HEALTHS: readonly Health[] = ["unknown", "serving", "not_serving"];

const DECIDED = 1;
const NO_MATCH = 2;

/** Read an answer; what cannot be read becomes an error that says so. */
export function readable<A, R>(read: (answer: A) => R, answer: A): R {
  try {
    return read(answer);
  } catch (error) {
    throw error instanceof PolicybookError ? error : unreadable(error instanceof Error ? error.message : String(error));
  }
}

/** Give the word of a number; the first for one that a newer service may send. */
export function word<T extends string>(words: readonly T[], number: number): T {
  return (words[number] ?? words[0]) as T;
}

export function decisionOf(wire: DecideResponse): Decision {
  // Neither of the two must never pass for "no row matched".
  const outcome: number = wire.outcome;
  if (outcome !== DECIDED && outcome !== NO_MATCH) throw new TypeError(`outcome ${String(outcome)} is neither decided nor no match`);
  return new Decision({
    id: wire.decisionId,
    requestId: wire.requestId,
    decision: wire.decision,
    policyVersion: wire.policyVersion,
    asOf: new PlainDate(wire.asOfDate),
    decidedAt: instantOf(wire.decideTime),
    decided: outcome === DECIDED,
    outputs: valuesFromWire(wire.outputs),
    items: wire.items.map(itemOf),
    matchedRules: wire.matchedRules,
    trace: wire.trace && { tables: wire.trace.tables.map(tableOf), elapsedMs: millisecondsOf(wire.trace.elapsed) },
  });
}

/** Read one result of a batch or a stream; what cannot be read is an error of this item alone. */
export function resultOf(wire: DecideResult | undefined): Decision | PolicybookError {
  const result = wire?.result;
  try {
    if (result?.$case === "response") return readable(decisionOf, result.value);
    return result ? errorOfItem(result.value) : unreadable("a result holds neither an answer nor an error");
  } catch (error) {
    return error as PolicybookError;
  }
}

/** Read the results of a batch of so many. */
export function resultsOf(results: readonly DecideResult[], asked: number): (Decision | PolicybookError)[] {
  if (results.length !== asked) throw new TypeError(`${String(results.length)} results to ${String(asked)} requests`);
  return results.map(resultOf);
}

function itemOf(wire: WireItem): OutputItem {
  return new OutputItem(wire.rowId, valuesFromWire(wire.outputs), wire.itemNumber || undefined);
}

function tableOf(wire: WireTable): TableTrace {
  return {
    decision: wire.decision,
    title: wire.title,
    hitPolicy: wire.hitPolicy,
    itemNumber: wire.itemNumber || undefined,
    inputs: wire.inputs.map(namedOf),
    parameters: wire.parameters.map(figureOf),
    rows: wire.rows.map((r) => ({
      rowId: r.rowId,
      verdict: word(ROW_VERDICTS, r.verdict),
      clauses: r.clauses,
      says: r.says,
      cells: r.cells.map((c) => ({ name: c.name, test: c.test, actual: valueOf(c.actual), passed: c.passed })),
      position: r.position,
      isDefault: r.isDefault,
    })),
    outputs: valuesFromWire(wire.outputs),
    headroom: wire.headroom.map((h) => ({
      quantity: namedOf(h.quantity),
      moved: h.movedName,
      side: word(HEADROOM_SIDES, h.side),
      threshold: valueOf(h.threshold),
      thresholdIncluded: h.thresholdIncluded,
      distance: valueOf(h.distance),
      rowId: h.rowId,
      testName: h.testName,
      test: h.test,
      beyondOutcome: word(HEADROOM_OUTCOMES, h.beyondOutcome),
      beyondRowIds: h.beyondRowIds,
      beyondOutputs: valuesFromWire(h.beyondOutputs),
    })),
  };
}

function namedOf(wire: WireNamed | undefined): NamedValue {
  return { name: wire?.name ?? "", title: wire?.title ?? "", value: valueOf(wire?.value), unit: wire?.unit ?? "" };
}

function figureOf(wire: ParameterTrace): Figure {
  const effectiveFrom = wire.effectiveFrom ? new PlainDate(wire.effectiveFrom) : undefined;
  return { ...namedOf(wire), effectiveFrom, clauses: wire.clauses, setByCompany: wire.setByCompany };
}

export function explanationOf(wire: ExplainResponse): Explanation {
  return new Explanation({
    decision: wire.decision,
    policyVersion: wire.policyVersion,
    asOf: new PlainDate(wire.asOfDate),
    requestId: wire.requestId,
    answer: wire.answer && decisionOf(wire.answer),
    refusal: wire.refusal,
    reasons: wire.reasons.map((r) => ({
      decision: r.decision,
      title: r.title,
      itemNumber: r.itemNumber || undefined,
      rowId: r.rowId,
      clauses: r.clauses,
      says: r.says,
      reading: r.reading,
      outputs: valuesFromWire(r.outputs),
      sentence: r.sentence,
    })),
    whyNot: wire.whyNot && whyNotOf(wire.whyNot),
    variations: wire.variations.map(variationOf),
    completion: wire.completion && completionOf(wire.completion),
  });
}

function outcomeOf(wire: WireOutcome | undefined): ExplainedOutcome {
  return {
    kind: word(OUTCOME_KINDS, wire?.kind ?? 0),
    rowIds: wire?.rowIds ?? [],
    outputs: valuesFromWire(wire?.outputs ?? {}),
    refusal: wire?.refusal ?? "",
  };
}

function whyNotOf(wire: WireWhyNot): WhyNot {
  return {
    alternatives: wire.alternatives.map((a) => ({
      changes: a.changes.map((c) => ({
        input: c.input,
        title: c.title,
        before: maybe(c.fromValue),
        after: maybe(c.toValue),
        difference: maybe(c.difference),
        added: c.addedValues.map(fromWire),
        removed: c.removedValues.map(fromWire),
        sentence: c.sentence,
      })),
      outcome: outcomeOf(a.outcome),
      fewestProved: a.fewestProved,
      leastProved: a.leastProved,
      sentence: a.sentence,
    })),
    provedInputs: wire.provedInputs,
    searchedInputs: wire.searchedInputs,
    limitedBy: wire.limitedBy,
    changeableInputs: wire.changeableInputs,
    sentence: wire.sentence,
  };
}

function variationOf(wire: WireVariation): Variation {
  return {
    input: wire.input,
    title: wire.title,
    actual: maybe(wire.actual),
    step: maybe(wire.step),
    pieces: wire.pieces.map((p) => ({
      first: maybe(p.firstValue),
      last: maybe(p.lastValue),
      values: p.values.map(fromWire),
      added: maybe(p.addedValue),
      removed: maybe(p.removedValue),
      isActual: p.isActual,
      outcome: outcomeOf(p.outcome),
      varyingOutputs: p.varyingOutputs,
      turningTests: p.turningTests,
      sentence: p.sentence,
    })),
    proved: wire.proved,
    limitedBy: wire.limitedBy,
    sentence: wire.sentence,
  };
}

function completionOf(wire: WireCompletion): Completion {
  const unstated = wire.unstatedInputs.map((u) => ({
    input: u.input,
    title: u.title,
    relevance: word(RELEVANCES, u.relevance),
    required: u.required,
    default: maybe(u.defaultValue),
    firstDecision: u.firstDecision,
    example: u.example && {
      value: maybe(u.example.value),
      outcome: outcomeOf(u.example.outcome),
      otherValue: maybe(u.example.otherValue),
      otherOutcome: outcomeOf(u.example.otherOutcome),
      otherFacts: valuesFromWire(u.example.otherFacts),
    },
  }));
  return {
    settledOutcome: wire.settled ? outcomeOf(wire.settledOutcome) : undefined,
    unstated,
    needed: unstated.filter((u) => u.relevance === "needed" || u.relevance === "undecided").map((u) => u.input),
    limitedBy: wire.limitedBy,
    sentence: wire.sentence,
  };
}

export function policyOf(wire: WirePolicy): Policy {
  const { loadTime, ...rest } = wire;
  return { ...rest, loadedAt: instantOf(loadTime) };
}

export function definitionOf(wire: WireDefinition | undefined): DecisionDefinition {
  if (!wire) throw new TypeError("there is no definition in it");
  return {
    name: wire.name,
    policyVersion: wire.policyVersion,
    title: wire.title,
    question: wire.question,
    hitPolicy: word(HIT_POLICIES, wire.hitPolicy),
    aggregation: word(AGGREGATIONS, wire.aggregation),
    inputs: wire.inputs.map(fieldOf),
    outputs: wire.outputs.map(fieldOf),
    parameters: wire.parameters.map(figureOf),
    requiredDecisions: wire.requiredDecisions,
    forEach: wire.forEach,
    rows: wire.rows,
    mustLog: wire.mustLog,
    invariants: wire.invariants.map((i) => ({ id: i.invariantId, says: i.says, clauses: i.clauses })),
  };
}

function fieldOf(wire: WireField): FieldDefinition {
  return {
    name: wire.name,
    title: wire.title,
    kind: word(VALUE_KINDS, wire.kind),
    unit: wire.unit,
    required: wire.required,
    min: maybe(wire.min),
    max: maybe(wire.max),
    default: maybe(wire.defaultValue),
    enumValues: wire.enumValues,
    element: wire.element && fieldOf(wire.element),
    fields: wire.fields.map(fieldOf),
    currency: wire.currency,
  };
}

export function reportOf(wire: CheckResponse): CheckReport {
  const findings = wire.findings.map((f) => ({
    code: f.code,
    name: f.name,
    severity: word(SEVERITIES, f.severity),
    message: f.message,
    help: f.help,
    file: f.file,
    line: f.line,
    column: f.column,
    endLine: f.endLine,
    endColumn: f.endColumn,
  }));
  return { ok: wire.ok, findings, version: wire.version };
}

export function recordOf(wire: WireRecord | undefined): DecisionRecord {
  if (!wire) throw new TypeError("there is no record in it");
  const [outcome, level]: number[] = [wire.outcome, wire.traceLevel];
  if (outcome !== DECIDED && outcome !== NO_MATCH && !wire.challengeRefusal) throw new TypeError(`outcome ${String(outcome)} is neither decided nor no match`);
  const trace = word(TRACE_LEVELS, level ?? 0);
  if (trace === "unknown") throw new TypeError(`there is no trace level ${String(level)}`);
  return {
    sequenceNumber: countOf(wire.sequenceNumber),
    id: wire.decisionId,
    decidedAt: instantOf(wire.decideTime),
    caller: wire.caller,
    requestId: wire.requestId,
    purpose: word(PURPOSES, wire.purpose),
    decision: wire.decision,
    facts: valuesFromWire(wire.facts),
    maskedFacts: wire.maskedFacts,
    policyVersion: wire.policyVersion,
    statedPolicyVersion: wire.statedPolicyVersion,
    asOf: new PlainDate(wire.asOfDate),
    asOfTime: instantOf(wire.asOfTime),
    statedAsOf: wire.statedAsOf,
    trace,
    decided: outcome === DECIDED,
    outputs: valuesFromWire(wire.outputs),
    items: wire.items.map(itemOf),
    rowIds: wire.rowIds,
    elapsedMs: millisecondsOf(wire.elapsed),
    recordHash: wire.recordHash,
    previousHash: wire.previousHash,
    challengedId: wire.challengedDecisionId,
    challengeRefusal: wire.challengeRefusal,
  };
}

export function reevaluationOf(wire: ReevaluateDecisionResponse): Reevaluation {
  if (wire.same === wire.differences.length > 0) throw new TypeError("the answer is said to be the same and to differ");
  if (!wire.answer) throw new TypeError("there is no answer in it");
  return { record: recordOf(wire.decisionRecord), answer: decisionOf(wire.answer), same: wire.same, differences: wire.differences };
}

export function statusOf(wire: GetLogStatusResponse): LogStatus {
  return {
    headSequenceNumber: countOf(wire.headSequenceNumber),
    headHash: wire.headHash,
    waiting: countOf(wire.waitingCount),
    recorded: countOf(wire.recordedCount),
    notRecorded: countOf(wire.notRecordedCount),
    refused: countOf(wire.refusedCount),
    failure: wire.failure,
    refusesWhenFull: wire.refusesWhenFull,
    challengers: wire.challengers.map((c) => ({
      policy: c.policy,
      version: c.version,
      compared: countOf(c.comparedCount),
      different: countOf(c.differentCount),
      refused: countOf(c.refusedCount),
      skipped: countOf(c.skippedCount),
    })),
  };
}

/** What is always set; a null that an older service may leave out is null. */
function valueOf(wire: WireValue | undefined): Value {
  return wire ? fromWire(wire) : null;
}

function maybe(wire: WireValue | undefined): Value | undefined {
  return wire && fromWire(wire);
}

function countOf(wire: bigint): number {
  if (wire > BigInt(Number.MAX_SAFE_INTEGER)) throw new TypeError(`${String(wire)} is more than a number holds exactly`);
  return Number(wire);
}

function instantOf(wire: Timestamp | undefined): Instant {
  return new Instant(wire?.seconds ?? 0n, wire?.nanos ?? 0);
}

function millisecondsOf(wire: WireDuration | undefined): number {
  return Number(wire?.seconds ?? 0n) * 1000 + (wire?.nanos ?? 0) / 1_000_000;
}

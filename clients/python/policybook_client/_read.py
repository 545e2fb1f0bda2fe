"""Wire answers to the types of `decision` and `catalog`.

Every function here raises ValueError when the answer is not one that the interface allows.
"""

from __future__ import annotations

import enum
from datetime import date, timedelta
from typing import Any, TypeVar

from policybook_client import _wire
from policybook_client._convert import from_wire, moment_of, record_of
from policybook_client._status import error_of_item, unreadable
from policybook_client.catalog import (
    Aggregation,
    CheckReport,
    DecisionDefinition,
    EnumValue,
    FieldDefinition,
    Finding,
    Health,
    HitPolicy,
    InvariantDefinition,
    ParameterDefinition,
    Policy,
    RowDefinition,
    Severity,
    ValueKind,
)
from policybook_client.decision import (
    CellTrace,
    Decision,
    Headroom,
    HeadroomOutcome,
    HeadroomSide,
    MatchedRule,
    NamedValue,
    OutputItem,
    ParameterTrace,
    RowTrace,
    RowVerdict,
    TableTrace,
    Trace,
)
from policybook_client.errors import PolicybookError
from policybook_client.explanation import (
    Alternative,
    Completion,
    ExplainedOutcome,
    Explanation,
    InputChange,
    OutcomeKind,
    Reason,
    Relevance,
    TurningTest,
    UnstatedExample,
    UnstatedInput,
    Variation,
    VariationPiece,
    WhyNot,
)
from policybook_client.values import Value

E = TypeVar("E", bound=enum.Enum)

_DECIDED = 1
_NO_MATCH = 2


def decision_of(wire: Any) -> Decision:
    """Read a DecideResponse."""
    # Neither of the two must never pass for "no row matched".
    if wire.outcome not in (_DECIDED, _NO_MATCH):
        raise ValueError(f"outcome {wire.outcome} is neither decided nor no match")
    return Decision(
        decision=wire.decision,
        decided=wire.outcome == _DECIDED,
        outputs=record_of(wire.outputs),
        as_of=date.fromisoformat(wire.as_of_date),
        items=tuple(
            OutputItem(row_id=i.row_id, item_number=i.item_number or None, outputs=record_of(i.outputs))
            for i in wire.items
        ),
        matched_rules=tuple(
            MatchedRule(row_id=r.row_id, clauses=tuple(r.clauses), says=r.says, reading=r.reading)
            for r in wire.matched_rules
        ),
        trace=_trace(wire.trace) if wire.HasField("trace") else None,
        id=wire.decision_id,
        request_id=wire.request_id,
        policy_version=wire.policy_version,
        decided_at=moment_of(wire.decide_time),
    )


def result_of(wire: Any) -> Decision | PolicybookError:
    """Read a DecideResult; what cannot be read is an error of this item alone."""
    match wire.WhichOneof("result"):
        case "response":
            try:
                return decision_of(wire.response)
            except ValueError as error:
                return unreadable(str(error))
        case "error":
            return error_of_item(wire.error)
        case _:
            return unreadable("a result holds neither an answer nor an error")


def results_of(wire: Any, asked: int) -> list[Decision | PolicybookError]:
    """Read a BatchDecideResponse.

    Args:
        wire: the response
        asked: how many results there must be
    """
    if len(wire.results) != asked:
        raise ValueError(f"{len(wire.results)} results to {asked} requests")
    return list(map(result_of, wire.results))


def _trace(wire: Any) -> Trace:
    elapsed = wire.elapsed
    return Trace(
        tables=tuple(map(_table_trace, wire.tables)),
        elapsed=timedelta(seconds=elapsed.seconds, microseconds=elapsed.nanos // 1000),
    )


def _table_trace(wire: Any) -> TableTrace:
    return TableTrace(
        decision=wire.decision,
        title=wire.title,
        hit_policy=wire.hit_policy,
        item_number=wire.item_number or None,
        inputs=tuple(map(_named, wire.inputs)),
        parameters=tuple(
            ParameterTrace(
                name=p.name,
                title=p.title,
                value=_optional(p, "value"),
                unit=p.unit,
                effective_from=_day(p.effective_from),
                clauses=tuple(p.clauses),
                set_by_company=p.set_by_company,
            )
            for p in wire.parameters
        ),
        rows=tuple(
            RowTrace(
                row_id=r.row_id,
                verdict=_member(RowVerdict, r.verdict),
                clauses=tuple(r.clauses),
                says=r.says,
                cells=tuple(
                    CellTrace(name=c.name, test=c.test, actual=_optional(c, "actual"), passed=c.passed) for c in r.cells
                ),
                position=r.position,
                is_default=r.is_default,
            )
            for r in wire.rows
        ),
        outputs=record_of(wire.outputs),
        headroom=tuple(
            Headroom(
                quantity=_named(h.quantity),
                moved=h.moved_name,
                side=_member(HeadroomSide, h.side),
                threshold=_optional(h, "threshold"),
                threshold_included=h.threshold_included,
                distance=_optional(h, "distance"),
                row_id=h.row_id,
                test_name=h.test_name,
                test=h.test,
                beyond_outcome=_member(HeadroomOutcome, h.beyond_outcome),
                beyond_row_ids=tuple(h.beyond_row_ids),
                beyond_outputs=record_of(h.beyond_outputs),
            )
            for h in wire.headroom
        ),
    )


def _named(wire: Any) -> NamedValue:
    return NamedValue(name=wire.name, title=wire.title, value=_optional(wire, "value"), unit=wire.unit)


def explanation_of(wire: Any) -> Explanation:
    """Read an ExplainResponse."""
    return Explanation(
        decision=wire.decision,
        policy_version=wire.policy_version,
        as_of=date.fromisoformat(wire.as_of_date),
        request_id=wire.request_id,
        answer=decision_of(wire.answer) if wire.HasField("answer") else None,
        refusal=wire.refusal,
        reasons=tuple(
            Reason(
                decision=r.decision,
                title=r.title,
                item_number=r.item_number or None,
                row_id=r.row_id,
                clauses=tuple(r.clauses),
                says=r.says,
                reading=r.reading,
                outputs=record_of(r.outputs),
                sentence=r.sentence,
            )
            for r in wire.reasons
        ),
        why_not=_why_not(wire.why_not) if wire.HasField("why_not") else None,
        variations={v.input: _variation(v) for v in wire.variations},
        completion=_completion(wire.completion) if wire.HasField("completion") else None,
    )


def _outcome(wire: Any) -> ExplainedOutcome:
    return ExplainedOutcome(
        kind=_member(OutcomeKind, wire.kind),
        row_ids=tuple(wire.row_ids),
        outputs=record_of(wire.outputs),
        refusal=wire.refusal,
    )


def _why_not(wire: Any) -> WhyNot:
    return WhyNot(
        alternatives=tuple(
            Alternative(
                changes=tuple(
                    InputChange(
                        input=c.input,
                        title=c.title,
                        before=_optional(c, "from_value"),
                        after=_optional(c, "to_value"),
                        difference=_optional(c, "difference"),
                        added=tuple(map(from_wire, c.added_values)),
                        removed=tuple(map(from_wire, c.removed_values)),
                        sentence=c.sentence,
                    )
                    for c in a.changes
                ),
                outcome=_outcome(a.outcome),
                fewest_proved=a.fewest_proved,
                least_proved=a.least_proved,
                sentence=a.sentence,
            )
            for a in wire.alternatives
        ),
        proved_inputs=wire.proved_inputs,
        searched_inputs=wire.searched_inputs,
        limited_by=wire.limited_by,
        changeable_inputs=tuple(wire.changeable_inputs),
        sentence=wire.sentence,
    )


def _variation(wire: Any) -> Variation:
    return Variation(
        input=wire.input,
        title=wire.title,
        actual=_optional(wire, "actual"),
        step=_optional(wire, "step"),
        pieces=tuple(
            VariationPiece(
                first=_optional(p, "first_value"),
                last=_optional(p, "last_value"),
                values=tuple(map(from_wire, p.values)),
                added=_optional(p, "added_value"),
                removed=_optional(p, "removed_value"),
                is_actual=p.is_actual,
                outcome=_outcome(p.outcome),
                varying_outputs=tuple(p.varying_outputs),
                turning_tests=tuple(
                    TurningTest(decision=t.decision, row_id=t.row_id, name=t.name, test=t.test) for t in p.turning_tests
                ),
                sentence=p.sentence,
            )
            for p in wire.pieces
        ),
        proved=wire.proved,
        limited_by=wire.limited_by,
        sentence=wire.sentence,
    )


def _completion(wire: Any) -> Completion:
    return Completion(
        settled_outcome=_outcome(wire.settled_outcome) if wire.settled else None,
        unstated=tuple(
            UnstatedInput(
                input=u.input,
                title=u.title,
                relevance=_member(Relevance, u.relevance),
                required=u.required,
                has_default=u.HasField("default_value"),
                default=_optional(u, "default_value"),
                first_decision=u.first_decision,
                example=_example(u.example) if u.HasField("example") else None,
            )
            for u in wire.unstated_inputs
        ),
        limited_by=wire.limited_by,
        sentence=wire.sentence,
    )


def _example(wire: Any) -> UnstatedExample:
    return UnstatedExample(
        value=_optional(wire, "value"),
        outcome=_outcome(wire.outcome),
        other_value=_optional(wire, "other_value"),
        other_outcome=_outcome(wire.other_outcome),
        other_facts=record_of(wire.other_facts),
    )


def policies_of(wire: Any) -> tuple[list[Policy], str]:
    """Read a ListPoliciesResponse: a page and the token of the next."""
    return list(map(_policy, wire.policies)), wire.next_page_token


def definitions_of(wire: Any) -> tuple[list[DecisionDefinition], str]:
    """Read a ListDecisionDefinitionsResponse: a page and the token of the next."""
    return list(map(definition_of, wire.decision_definitions)), wire.next_page_token


def health_of(wire: Any) -> Health:
    """Read a HealthCheckResponse."""
    return _member(Health, wire.status)


def _policy(wire: Any) -> Policy:
    return Policy(
        name=wire.name,
        title=wire.title,
        version=wire.version,
        previous_versions=tuple(wire.previous_versions),
        currency=wire.currency,
        time_zone=wire.time_zone,
        decisions=tuple(wire.decisions),
        loaded_at=moment_of(wire.load_time),
    )


def definition_of(wire: Any) -> DecisionDefinition:
    """Read a DecisionDefinition."""
    return DecisionDefinition(
        name=wire.name,
        policy_version=wire.policy_version,
        title=wire.title,
        question=wire.question,
        hit_policy=_member(HitPolicy, wire.hit_policy),
        aggregation=_member(Aggregation, wire.aggregation),
        inputs=tuple(map(_field, wire.inputs)),
        outputs=tuple(map(_field, wire.outputs)),
        parameters=tuple(
            ParameterDefinition(
                name=p.name,
                title=p.title,
                value=_optional(p, "value"),
                unit=p.unit,
                effective_from=_day(p.effective_from),
                clauses=tuple(p.clauses),
                set_by_company=p.set_by_company,
            )
            for p in wire.parameters
        ),
        required_decisions=tuple(wire.required_decisions),
        for_each=wire.for_each,
        rows=tuple(
            RowDefinition(
                row_id=r.row_id,
                tests=tuple((t.name, t.test) for t in r.tests),
                outputs={name: r.outputs[name] for name in sorted(r.outputs)},
                clauses=tuple(r.clauses),
                says=r.says,
                reading=r.reading,
                is_default=r.is_default,
                position=r.position,
            )
            for r in wire.rows
        ),
        must_log=wire.must_log,
        invariants=tuple(
            InvariantDefinition(id=i.invariant_id, says=i.says, clauses=tuple(i.clauses)) for i in wire.invariants
        ),
    )


def _field(wire: Any) -> FieldDefinition:
    return FieldDefinition(
        name=wire.name,
        title=wire.title,
        kind=_member(ValueKind, wire.kind),
        unit=wire.unit,
        required=wire.required,
        min=_optional(wire, "min"),
        max=_optional(wire, "max"),
        has_default=wire.HasField("default_value"),
        default=_optional(wire, "default_value"),
        enum_values=tuple(EnumValue(value=v.value, title=v.title) for v in wire.enum_values),
        element=_field(wire.element) if wire.HasField("element") else None,
        fields=tuple(map(_field, wire.fields)),
        currency=wire.currency,
    )


def report_of(wire: Any) -> CheckReport:
    """Read a CheckResponse."""
    return CheckReport(
        ok=wire.ok,
        findings=tuple(
            Finding(
                code=f.code,
                name=f.name,
                severity=_member(Severity, f.severity),
                message=f.message,
                help=f.help,
                file=f.file,
                line=f.line,
                column=f.column,
                end_line=f.end_line,
                end_column=f.end_column,
            )
            for f in wire.findings
        ),
        version=wire.version,
    )


def _optional(wire: Any, name: str) -> Value:
    value: _wire.Value = getattr(wire, name)
    return from_wire(value) if wire.HasField(name) else None


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _member(kind: type[E], number: int) -> E:
    """Give the member, or the one of number 0 for a number that a newer service may send."""
    try:
        return kind(number)
    except ValueError:
        return kind(0)

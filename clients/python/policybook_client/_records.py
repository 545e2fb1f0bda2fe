"""Requests and answers of AuditService; raises ValueError as `_read` does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from policybook_client import _wire
from policybook_client._convert import facts_to_wire, moment_of, record_of, timestamp_of
from policybook_client._read import decision_of
from policybook_client.decision import OutputItem, TraceLevel
from policybook_client.records import (
    AnswerDifference,
    ChallengerStatus,
    DecisionRecord,
    LogStatus,
    Purpose,
    RecordFilter,
    Reevaluation,
)
from policybook_client.values import Fact

_DECIDED = 1
_NO_MATCH = 2


def list_request(wanted: RecordFilter, *, newest_first: bool, page_size: int) -> Any:
    """Build a ListDecisionRecordsRequest.

    Raises:
        TypeError: an instant is no datetime
        ValueError: an instant has no time zone
    """
    outcome = 0 if wanted.decided is None else (_DECIDED if wanted.decided else _NO_MATCH)
    request = _wire.ListDecisionRecordsRequest(
        decision=wanted.decision,
        outcome=outcome,
        request_id=wanted.request_id,
        caller=wanted.caller,
        policy_version=wanted.policy_version,
        purpose=wanted.purpose.value if wanted.purpose else 0,
        newest_first=newest_first,
        page_size=page_size,
    )
    if wanted.since is not None:
        request.start_time.CopyFrom(timestamp_of(wanted.since, "since"))
    if wanted.until is not None:
        request.end_time.CopyFrom(timestamp_of(wanted.until, "until"))
    return request


def reevaluate_request(decision_id: str, *, trace: TraceLevel, language: str, masked_facts: Mapping[str, Fact]) -> Any:
    """Build a ReevaluateDecisionRequest; raises as `facts_to_wire`."""
    return _wire.ReevaluateDecisionRequest(
        decision_id=decision_id,
        trace_level=trace.value,
        language=language,
        masked_facts=facts_to_wire(masked_facts, "masked_facts"),
    )


def record_of_wire(wire: Any) -> DecisionRecord:
    """Read a DecisionRecord."""
    if wire.outcome not in (_DECIDED, _NO_MATCH) and not wire.challenge_refusal:
        raise ValueError(f"outcome {wire.outcome} is neither decided nor no match")
    elapsed = wire.elapsed
    return DecisionRecord(
        sequence_number=wire.sequence_number,
        id=wire.decision_id,
        decided_at=moment_of(wire.decide_time),
        caller=wire.caller,
        request_id=wire.request_id,
        purpose=Purpose(wire.purpose) if wire.purpose in (1, 2, 3) else Purpose.UNKNOWN,
        decision=wire.decision,
        facts=record_of(wire.facts),
        masked_facts={name: wire.masked_facts[name] for name in sorted(wire.masked_facts)},
        policy_version=wire.policy_version,
        stated_policy_version=wire.stated_policy_version,
        as_of=date.fromisoformat(wire.as_of_date),
        as_of_time=moment_of(wire.as_of_time),
        stated_as_of=wire.stated_as_of,
        trace=TraceLevel(wire.trace_level),
        decided=wire.outcome == _DECIDED,
        outputs=record_of(wire.outputs),
        items=tuple(
            OutputItem(row_id=i.row_id, item_number=i.item_number or None, outputs=record_of(i.outputs))
            for i in wire.items
        ),
        row_ids=tuple(wire.row_ids),
        elapsed=timedelta(seconds=elapsed.seconds, microseconds=elapsed.nanos // 1000),
        record_hash=wire.record_hash,
        previous_hash=wire.previous_hash,
        challenged_id=wire.challenged_decision_id,
        challenge_refusal=wire.challenge_refusal,
    )


def record_of_response(wire: Any) -> DecisionRecord:
    """Read a GetDecisionRecordResponse."""
    return record_of_wire(wire.decision_record)


def records_of(wire: Any) -> tuple[list[DecisionRecord], str]:
    """Read a ListDecisionRecordsResponse: a page and the token of the next."""
    return list(map(record_of_wire, wire.decision_records)), wire.next_page_token


def reevaluation_of(wire: Any) -> Reevaluation:
    """Read a ReevaluateDecisionResponse."""
    differences = tuple(AnswerDifference(d.name, d.recorded, d.reevaluated) for d in wire.differences)
    if wire.same == bool(differences):
        raise ValueError("the answer is said to be the same and to differ")
    return Reevaluation(
        record=record_of_wire(wire.decision_record), answer=decision_of(wire.answer), differences=differences
    )


def status_of(wire: Any) -> LogStatus:
    """Read a GetLogStatusResponse."""
    return LogStatus(
        head_sequence_number=wire.head_sequence_number,
        head_hash=wire.head_hash,
        waiting=wire.waiting_count,
        recorded=wire.recorded_count,
        not_recorded=wire.not_recorded_count,
        refused=wire.refused_count,
        failure=wire.failure,
        refuses_when_full=wire.refuses_when_full,
        challengers=tuple(
            ChallengerStatus(
                policy=c.policy,
                version=c.version,
                compared=c.compared_count,
                different=c.different_count,
                refused=c.refused_count,
                skipped=c.skipped_count,
            )
            for c in wire.challengers
        ),
    )

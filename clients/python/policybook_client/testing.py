"""Answers to put into the tests of your own code, made without a service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime

from policybook_client._convert import facts_to_wire, record_of
from policybook_client.decision import Decision, MatchedRule, OutputItem
from policybook_client.values import Fact, Record

__all__ = ["make_decision"]


def make_decision(
    decision: str,
    outputs: Mapping[str, Fact] | None = None,
    *,
    rules: Iterable[str] = ("test-rule",),
    items: Iterable[tuple[str, Mapping[str, Fact]]] = (),
    decided: bool = True,
    as_of: date = date(2026, 1, 1),
    request_id: str = "",
) -> Decision:
    """Make an answer such as the service would give.

    Args:
        decision: `credit.shipment`
        outputs: values as they are sent; they come out as they come back: an int as a Decimal, a list as a tuple
        rules: ids of the rows that gave the answer
        items: for a multi-hit decision, row id and outputs of each
        decided: False: no row matched; then leave `outputs` and `items` out
        as_of: the day as of which it was decided
        request_id: the caller's own id
    Raises:
        TypeError: an output is of a type that the service never gives
        ValueError: an output has a value that it never gives, or there are outputs though nothing was decided
    """
    made = tuple(OutputItem(row_id=row_id, outputs=_came_back(values, row_id)) for row_id, values in items)
    if not decided and (outputs or made):
        raise ValueError("where no row matched there are no outputs")
    return Decision(
        decision=decision,
        decided=decided,
        outputs=_came_back(outputs or {}, "outputs"),
        items=made,
        matched_rules=tuple(MatchedRule(row_id=row_id) for row_id in rules) if decided else (),
        as_of=as_of,
        id="test-decision",
        request_id=request_id,
        policy_version="0" * 64,
        decided_at=datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC),
    )


def _came_back(values: Mapping[str, Fact], path: str) -> Record:
    return record_of(facts_to_wire(values, path))

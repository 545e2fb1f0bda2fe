"""Answers as Python objects, and as text."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import duration_pb2, timestamp_pb2

import policybook_client as client
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import trace_pb2, values_pb2
from policybook_client import Decision, Money, MoneyRatio, PolicybookClient, RowVerdict
from policybook_client.testing import make_decision

WANTED = Path(__file__).parent / "wanted"


def text(value: str) -> values_pb2.Value:
    return values_pb2.Value(text=value)


def money(amount: str) -> values_pb2.Value:
    return values_pb2.Value(money=values_pb2.Money(amount=amount, currency="CNY"))


RESPONSE = pb.DecideResponse(
    decision_id="d-42",
    request_id="order-7",
    decision="credit.shipment",
    policy_version="3f2a9c0155" + "0" * 54,
    as_of_date="2026-03-01",
    decide_time=timestamp_pb2.Timestamp(seconds=1_772_323_200, nanos=123_456_789),
    outcome=pb.OUTCOME_DECIDED,
    outputs={"outcome": text("ship_over_limit"), "approver": text("regional_manager")},
    matched_rules=[
        pb.MatchedRule(
            row_id="first-over-limit",
            clauses=["12.2.2.1.1"],
            says="Over the limit for the first time, signed by the regional manager.",
            reading="Exactly one third is not below it.",
        )
    ],
    trace=trace_pb2.Trace(
        elapsed=duration_pb2.Duration(nanos=420_000),
        tables=[
            trace_pb2.TableTrace(
                decision="credit.shipment",
                title="May this shipment go out?",
                hit_policy="first",
                inputs=[
                    trace_pb2.NamedValue(name="credit_limit", title="Credit limit", value=money("10000.00")),
                    trace_pb2.NamedValue(name="cap", title="Cap", value=money("10000/3")),
                    trace_pb2.NamedValue(name="stage", title="阶段", value=text("first"), unit=""),
                    trace_pb2.NamedValue(
                        name="approved_limit", title="Approved", value=values_pb2.Value(null=values_pb2.NULL_VALUE_UNSPECIFIED)
                    ),
                    trace_pb2.NamedValue(name="age", title="Age", value=values_pb2.Value(decimal="31"), unit="days"),
                ],
                parameters=[
                    trace_pb2.ParameterTrace(
                        name="over_limit_cap",
                        title="Cap of one over-limit shipment",
                        value=values_pb2.Value(decimal="1/3"),
                        unit="of the credit limit",
                        clauses=["12.2.2.1"],
                        effective_from="2025-01-01",
                    ),
                    trace_pb2.ParameterTrace(name="loss_share", value=values_pb2.Value(decimal="0.3"), set_by_company=True),
                ],
                rows=[
                    trace_pb2.RowTrace(
                        row_id="within-limit",
                        verdict=trace_pb2.ROW_VERDICT_NOT_MATCHED,
                        clauses=["12.2.1"],
                        says="Within the credit limit.",
                        position="credit.yaml:42:9",
                        cells=[
                            trace_pb2.CellTrace(name="exposure", test="<= credit_limit", actual=money("14000.00"), passed=False),
                        ],
                    ),
                    trace_pb2.RowTrace(
                        row_id="first-over-limit",
                        verdict=trace_pb2.ROW_VERDICT_SELECTED,
                        clauses=["12.2.2.1.1"],
                        says="Over the limit for the first time.",
                        position="credit.yaml:48:9",
                        cells=[
                            trace_pb2.CellTrace(name="stage", test="first", actual=text("first"), passed=True),
                            trace_pb2.CellTrace(name="shipment_amount", test="< cap", actual=money("3000.00"), passed=True),
                        ],
                    ),
                    trace_pb2.RowTrace(row_id="refused", verdict=trace_pb2.ROW_VERDICT_NOT_REACHED, is_default=True, says="Money first."),
                ],
                outputs={"outcome": text("ship_over_limit"), "approver": text("regional_manager")},
                headroom=[
                    trace_pb2.Headroom(
                        quantity=trace_pb2.NamedValue(name="shipment_amount", title="Amount", value=money("3000.00")),
                        moved_name="shipment_amount",
                        side=trace_pb2.HEADROOM_SIDE_BELOW,
                        threshold=money("10000/3"),
                        distance=money("1000/3"),
                        row_id="first-over-limit",
                        test_name="shipment_amount",
                        test="< cap",
                        beyond_outcome=trace_pb2.HEADROOM_OUTCOME_DECIDED,
                        beyond_row_ids=["refused"],
                        beyond_outputs={"outcome": text("refuse")},
                    ),
                    trace_pb2.Headroom(
                        quantity=trace_pb2.NamedValue(name="age", value=values_pb2.Value(decimal="31")),
                        side=trace_pb2.HEADROOM_SIDE_ABOVE,
                        threshold=values_pb2.Value(decimal="31"),
                        threshold_included=True,
                        distance=values_pb2.Value(decimal="0"),
                        beyond_outcome=trace_pb2.HEADROOM_OUTCOME_REFUSED,
                    ),
                    trace_pb2.Headroom(
                        quantity=trace_pb2.NamedValue(name="due", value=values_pb2.Value(date="2026-03-05")),
                        side=trace_pb2.HEADROOM_SIDE_ABOVE,
                        threshold=values_pb2.Value(date="2026-03-01"),
                        distance=values_pb2.Value(duration="P4D"),
                        beyond_outcome=trace_pb2.HEADROOM_OUTCOME_NO_MATCH,
                    ),
                ],
            )
        ],
    ),
)


@pytest.fixture
def answer(fake: Any) -> Any:
    """Give what the client makes of a response."""

    def ask(response: pb.DecideResponse) -> Decision:
        fake.answers["Decide"] = lambda _, __: response
        with PolicybookClient(fake.target) as asker:
            return asker.decide("credit.shipment", {})

    return ask


def test_an_answer_holds_everything(answer: Any) -> None:
    decision = answer(RESPONSE)
    assert decision.decided
    assert decision.outputs == {"approver": "regional_manager", "outcome": "ship_over_limit"}
    assert decision["outcome"] == decision.value("outcome", str) == decision.outcome == "ship_over_limit"
    assert "outcome" in decision
    assert list(decision) == ["approver", "outcome"]
    assert (decision.id, decision.request_id, decision.policy, decision.policy_version[:10]) == ("d-42", "order-7", "credit", "3f2a9c0155")
    assert decision.as_of == date(2026, 3, 1)
    assert decision.decided_at == datetime(2026, 3, 1, 0, 0, 0, 123_456, tzinfo=UTC)
    assert decision.rule_ids == ("first-over-limit",)
    assert decision.matched_rules[0].reading == "Exactly one third is not below it."
    assert str(decision) == "credit.shipment: approver=regional_manager, outcome=ship_over_limit (first-over-limit)"


def test_a_trace_is_typed(answer: Any) -> None:
    trace = answer(RESPONSE).trace
    assert trace.elapsed == timedelta(microseconds=420)
    [table] = trace.tables
    assert table.item_number is None
    assert [v.value for v in table.inputs] == [
        Money("10000", "CNY"),
        MoneyRatio(Fraction(10_000, 3), "CNY"),
        "first",
        None,
        Decimal(31),
    ]
    assert table.parameters[0].effective_from == date(2025, 1, 1)
    assert table.parameters[0].value == Fraction(1, 3)
    assert table.parameters[1].effective_from is None
    assert table.parameters[1].set_by_company
    assert [row.verdict for row in table.rows] == [RowVerdict.NOT_MATCHED, RowVerdict.SELECTED, RowVerdict.NOT_REACHED]
    assert table.rows[0].cells[0] == client.CellTrace(name="exposure", test="<= credit_limit", actual=Money("14000", "CNY"), passed=False)
    assert table.rows[0].position == "credit.yaml:42:9"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_explanation_reads_well(answer: Any, golden: Any, language: str) -> None:
    golden(WANTED / f"explain.{language}.txt", answer(RESPONSE).explain(language) + "\n")


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (values_pb2.Value(decimal="5"), "天", "5 天"),
        (values_pb2.Value(decimal="1/3"), "（占授信额）", "1/3（占授信额）"),
        (money("5"), "CNY", "5 CNY"),
        (money("5"), "CNY a year", "5 CNY a year"),
        (money("5"), "元/年", "5 CNY/年"),
        (money("5"), "元及以下", "5 CNY 及以下"),
        (money("5"), "USD a year", "5 CNY USD a year"),
    ],
)
def test_a_unit_stands_behind_its_value(answer: Any, value: Any, unit: str, shown: str) -> None:
    response = pb.DecideResponse()
    response.CopyFrom(RESPONSE)
    del response.trace.tables[0].inputs[:]
    response.trace.tables[0].inputs.add(name="x", value=value, unit=unit)
    assert f"x  {shown}\n" in answer(response).explain()


def test_items_index_like_an_answer(answer: Any) -> None:
    response = pb.DecideResponse(
        decision="penalties.fine",
        as_of_date="2026-03-01",
        outcome=pb.OUTCOME_DECIDED,
        outputs={"amount": money("300")},
        items=[
            pb.OutputItem(row_id="quarrel", outputs={"person": text("employee"), "amount": money("100")}),
            pb.OutputItem(row_id="late", item_number=2, outputs={"amount": money("200")}),
        ],
    )
    decision = answer(response)
    first, second = decision.items
    assert (first["person"], first.value("amount", Money), first.item_number) == ("employee", Money(100, "CNY"), None)
    assert (second.row_id, second.item_number, second.amount) == ("late", 2, Money(200, "CNY"))
    assert str(second) == "late (item 2): amount=200 CNY"
    assert "    quarrel: amount=100 CNY, person=employee\n" in decision.explain()
    assert decision.trace is None
    with pytest.raises(KeyError, match="no output `person`; there are: amount"):
        second["person"]


def test_no_match_is_an_answer_without_outputs(answer: Any) -> None:
    decision = answer(pb.DecideResponse(decision="credit.x", as_of_date="2026-03-01", outcome=pb.OUTCOME_NO_MATCH))
    assert not decision.decided
    assert decision.outputs == {}
    assert str(decision) == "credit.x: no row matched"
    assert "no row matched, and the table has no default" in decision.explain()
    with pytest.raises(KeyError, match=r"no output `outcome`; no row of `credit\.x` matched"):
        decision["outcome"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"outcome": 0}, "outcome 0 is neither decided nor no match"),
        ({"outcome": 7}, "outcome 7 is neither decided nor no match"),
        ({"as_of_date": "yesterday"}, "Invalid isoformat string: 'yesterday'"),
        ({"outputs": {"x": values_pb2.Value()}}, "a value of a kind that this client does not know; a newer policybook-client may"),
        ({"outputs": {"x": values_pb2.Value(decimal="NaN")}}, "`NaN` is not a number"),
    ],
)
def test_an_answer_that_breaks_the_interface_is_an_error(answer: Any, change: dict[str, Any], why: str) -> None:
    response = copy.deepcopy(RESPONSE)
    for name in change:
        response.ClearField(name)
    response.MergeFrom(pb.DecideResponse(**change))
    with pytest.raises(client.InternalError) as raised:
        answer(response)
    assert str(raised.value) == f"the service's answer cannot be read: {why}"
    assert raised.value.reason == "UNREADABLE_ANSWER"


def test_a_verdict_from_the_future_is_unknown(answer: Any) -> None:
    response = copy.deepcopy(RESPONSE)
    response.trace.tables[0].rows[0].verdict = 9  # type: ignore[assignment]
    decision = answer(response)
    assert decision.trace.tables[0].rows[0].verdict is RowVerdict.UNKNOWN
    assert "? within-limit" in decision.explain()


def test_value_holds_to_the_type_asked() -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    decision = make_decision("a.b", {"flag": True, "count": 3, "at": moment, "on": date(2026, 3, 1), "none": None})
    assert decision.value("flag", bool) is True
    assert decision.value("count", Decimal) == 3
    assert decision.value("at", datetime) == moment
    assert decision.value("on", date) == date(2026, 3, 1)
    for name, kind in (("flag", int), ("count", int), ("at", date), ("on", datetime), ("none", str)):
        with pytest.raises(TypeError, match=f"output `{name}` is"):
            decision.value(name, kind)
    with pytest.raises(AttributeError, match="Decision has neither an attribute nor an output `outcome`"):
        decision.outcome  # type: ignore[attr-defined]  # noqa: B018 - its raising is what is tested


def test_an_answer_cannot_be_changed_and_can_be_kept() -> None:
    decision = make_decision("credit.shipment", {"outcome": "ship", "conditions": ["a", "b"]}, items=[("r", {"amount": Money(5)})])
    with pytest.raises(dataclasses.FrozenInstanceError):
        decision.decided = False  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(decision)) == decision  # noqa: S301 - our own
    assert copy.deepcopy(decision) == decision
    assert hash(copy.copy(decision)) == hash(decision)
    assert decision.conditions == ("a", "b")  # type: ignore[attr-defined]


def test_made_answers_are_such_as_the_service_gives() -> None:
    refused = make_decision("credit.shipment", decided=False)
    assert not refused.decided
    assert refused.rule_ids == ()
    with pytest.raises(ValueError, match="where no row matched there are no outputs"):
        make_decision("credit.shipment", {"outcome": "ship"}, decided=False)
    with pytest.raises(TypeError, match=r"outputs\.share: float 0\.5 is not exact"):
        make_decision("credit.shipment", {"share": 0.5})  # type: ignore[dict-item]

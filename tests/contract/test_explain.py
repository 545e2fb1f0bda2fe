"""Explain over a real socket: why, why not, what if, what is missing; refusals; and that others are not held up by it."""

from __future__ import annotations

import threading
import time
from typing import Any

import grpc
import pytest

from contract.calls import BOOKS, Calls, flag, in_thread, money, number, refused, values, word
from policybook.explain import explainer
from policybook.server.limits import Limits
from policybook.server.settings import Settings
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import explanation_pb2 as explanation_pb
from policybook.v1 import trace_pb2


def asked(amount: str = "60", customer: str = "new", **rest: Any) -> pb.ExplainRequest:
    facts = {"amount": money(amount), "customer": word(customer), **rest.pop("facts", {})}
    return pb.ExplainRequest(decision="shop.order", facts=facts, as_of_date="2026-03-01", **rest)


def explain(calls: Calls, request: pb.ExplainRequest) -> pb.ExplainResponse:
    answer: pb.ExplainResponse = calls.decisions.Explain(request, timeout=30)
    return answer


def changes(found: pb.ExplainResponse) -> list[dict[str, Any]]:
    return [{c.input: c.to_value for c in a.changes} for a in found.why_not.alternatives]


def test_an_explanation_has_all_its_parts(calls: Calls) -> None:
    found = explain(calls, asked(request_id="r-1", varied_inputs=["amount", "customer"]))
    assert (found.decision, found.as_of_date, found.request_id) == ("shop.order", "2026-03-01", "r-1")
    assert found.answer.outputs["outcome"] == word("ship")
    assert found.answer.policy_version == found.policy_version
    (reason,) = found.reasons
    assert (reason.row_id, list(reason.clauses), reason.says) == ("within-cap", ["2.1"], "Within the cap of 200 CNY.")
    assert reason.sentence == "May the order go out: Within the cap of 200 CNY. [clause 2.1, within-cap] → outcome: ship"
    assert changes(found) == [{"amount": money("200.01", "CNY")}, {"customer": word("barred")}]
    first = found.why_not.alternatives[0]
    assert (first.fewest_proved, first.least_proved, first.outcome.row_ids) == (True, True, ["ask"])
    assert first.changes[0].difference == money("140.01", "CNY")
    assert first.sentence == "With Amount 140.01 CNY more (200.01 CNY): ask (ask)"
    assert (found.why_not.proved_inputs, found.why_not.searched_inputs, found.why_not.limited_by) == (3, 3, "")
    amount, customer = found.variations
    assert amount.proved
    assert amount.step == money("0.01", "CNY")
    assert [(p.first_value, p.last_value, p.outcome.row_ids, p.is_actual) for p in amount.pieces] == [
        (money("0.00", "CNY"), money("200.00", "CNY"), ["within-cap"], True),
        (money("200.01", "CNY"), money("1000000.00", "CNY"), ["ask"], False),
    ]
    assert amount.pieces[0].varying_outputs == ["fee"]
    assert [(t.row_id, t.name, t.test) for t in amount.pieces[1].turning_tests] == [("within-cap", "amount", "<= cap")]
    assert [([v.text for v in p.values], p.outcome.row_ids) for p in customer.pieces] == [
        (["new", "known"], ["within-cap"]),
        (["barred"], ["barred"]),
    ]
    assert not found.HasField("completion")


def test_headroom_is_in_the_trace(calls: Calls) -> None:
    for level, tables in ((trace_pb2.TRACE_LEVEL_NONE, 0), (trace_pb2.TRACE_LEVEL_MATCHED, 1)):
        found = explain(calls, asked(trace_level=level))
        assert len(found.answer.trace.tables) == tables
    (up,) = found.answer.trace.tables[0].headroom
    assert (up.quantity.name, up.threshold, up.threshold_included) == ("amount", money("200.00", "CNY"), True)
    assert (up.distance, up.side, up.beyond_row_ids) == (money("140.00", "CNY"), trace_pb2.HEADROOM_SIDE_BELOW, ["ask"])


def test_a_wanted_outcome_and_inputs_that_nobody_can_change(calls: Calls) -> None:
    found = explain(calls, asked("300", wanted_outputs={"outcome": word("ship")}))
    assert changes(found) == [{"amount": money("200.00", "CNY")}, {"customer": word("known"), "signed": flag(True)}]
    found = explain(calls, asked("300", wanted_outputs={"outcome": word("ship")}, kept_inputs=["amount", "signed"]))
    assert changes(found) == []
    assert found.why_not.proved_inputs == 1
    assert found.why_not.sentence == "No change of up to 1 input gives it: proved."
    found = explain(calls, asked("300", wanted_outputs={"outcome": word("ship")}, max_alternatives=1))
    assert len(found.why_not.alternatives) == 1
    assert found.why_not.limited_by == "alternatives"
    assert not explain(calls, asked("300", max_alternatives=-1)).HasField("why_not")


def test_missing_facts_are_asked_for_as_far_as_they_matter(calls: Calls) -> None:
    found = explain(calls, pb.ExplainRequest(decision="shop.order", facts={"customer": word("new")}, as_of_date="2026-03-01"))
    assert not found.HasField("answer")
    assert not found.HasField("why_not")
    by_name = {u.input: u for u in found.completion.unstated_inputs}
    assert {n: (u.relevance, u.required) for n, u in by_name.items()} == {
        "amount": (explanation_pb.RELEVANCE_NEEDED, True),
        "signed": (explanation_pb.RELEVANCE_IRRELEVANT, False),
    }
    assert by_name["signed"].default_value == flag(False)
    assert by_name["amount"].example.outcome != by_name["amount"].example.other_outcome
    settled = explain(calls, pb.ExplainRequest(decision="shop.order", facts={"customer": word("barred")}, as_of_date="2026-03-01"))
    assert settled.completion.settled
    assert settled.completion.settled_outcome.outputs["outcome"] == word("refuse")
    # The fee depends on the amount, the outcome does not.
    facts = {"customer": word("known"), "signed": flag(True)}
    request = pb.ExplainRequest(decision="shop.order", facts=facts, as_of_date="2026-03-01")
    assert not explain(calls, request).completion.settled
    request.compared_outputs.append("outcome")
    assert explain(calls, request).completion.settled


def test_sentences_are_in_the_language_of_the_request(calls: Calls) -> None:
    found = explain(calls, asked(language="zh", varied_inputs=["amount"]))
    assert found.why_not.alternatives[0].sentence == "若金额增加 140.01 CNY（为 200.01 CNY）：ask（ask）"
    assert found.variations[0].pieces[0].sentence == "0.00 CNY 至 200.00 CNY：ship（within-cap）"
    assert found.reasons[0].sentence == "订单可否发货：200元上限以内。〔条款 2.1，within-cap〕 → outcome：ship"


def test_a_table_over_a_list(calls: Calls) -> None:
    days = values(number("5"), number("1"))
    found = explain(calls, pb.ExplainRequest(decision="shop.fine", facts={"late_days": days}, varied_inputs=["late_days"]))
    assert found.why_not.alternatives
    assert [len(p.values[0].list.values) for p in found.variations[0].pieces] == [2, 1, 1]
    assert found.variations[0].limited_by == "lists"


def test_a_request_that_is_refused_is_explained_too(calls: Calls) -> None:
    found = explain(calls, pb.ExplainRequest(decision="shop.label", facts={"amount": money("25")}))
    assert not found.HasField("answer")
    assert "red, blue" in found.refusal
    assert changes(found) == [{"amount": money("19.99", "CNY")}]


@pytest.mark.parametrize(("change", "code", "reason", "field"), [
    ({"decision": "shop.nothing"}, grpc.StatusCode.NOT_FOUND, "DECISION_NOT_FOUND", ""),
    ({"decision": "shop"}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "decision"),
    ({"facts": {"amount": word("x")}}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FACTS", "facts.amount"),
    ({"facts": {"colour": word("x")}}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FACTS", "facts.colour"),
    ({"facts": {"amount": money("-1")}}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FACTS", "facts.amount"),
    ({"kept_inputs": ["amounts"]}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "kept_inputs"),
    ({"varied_inputs": ["late_days"]}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "varied_inputs"),
    ({"varied_inputs": ["amount"] * 6}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "varied_inputs"),
    ({"compared_outputs": ["outcomes"]}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "compared_outputs"),
    ({"wanted_outputs": {"outcomes": word("x")}}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "wanted_outputs"),
    ({"wanted_outputs": {"outcome": word("shp")}}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FACTS", "wanted_outputs.outcome"),
    ({"max_alternatives": -2}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "max_alternatives"),
    ({"language": "fr"}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "language"),
    ({"trace_level": 9}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "trace_level"),
    ({"policy_version": "0" * 64}, grpc.StatusCode.NOT_FOUND, "VERSION_NOT_FOUND", ""),
])  # fmt: skip
def test_refusals(calls: Calls, change: dict[str, Any], code: grpc.StatusCode, reason: str, field: str) -> None:
    request = asked()
    for name, value in change.items():
        request.ClearField(name)  # type: ignore[arg-type]
        request.MergeFrom(pb.ExplainRequest(**{name: value}))
    found = refused(calls.decisions.Explain, request)
    assert (found.code, found.reason) == (code, reason)
    assert not field or field in found.fields


def test_a_policy_that_is_not_in_force_explains_nothing(calls: Calls) -> None:
    request = asked()
    request.as_of_date = "2019-01-01"
    assert refused(calls.decisions.Explain, request).reason == "NOT_IN_FORCE"


def test_bytes_that_are_no_message_are_refused(calls: Calls) -> None:
    found = refused(calls.raw("/policybook.v1.DecisionService/Explain"), b"\xff\xff\xff")
    assert found.reason == "INVALID_REQUEST"


def test_decisions_are_not_held_up_and_explanations_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    started, go_on = threading.Event(), threading.Event()
    real = explainer.Explainer.explain

    def slow(self: explainer.Explainer, question: explainer.Question) -> explainer.Explanation:
        started.set()
        assert go_on.wait(20)
        return real(self, question)

    monkeypatch.setattr(explainer.Explainer, "explain", slow)
    settings = Settings(insecure=True, books=(BOOKS,), port=0, reload_s=0, limits=Limits(concurrent_explanations=1))
    with in_thread(settings) as inside, Calls(inside.port) as calls:
        first = calls.decisions.Explain.future(asked(), timeout=30)
        assert started.wait(10)
        began = time.monotonic()
        facts = {"amount": money("60"), "customer": word("new")}
        assert calls.decide(pb.DecideRequest(decision="shop.order", facts=facts)).outcome == pb.OUTCOME_DECIDED
        assert time.monotonic() - began < 10
        found = refused(calls.decisions.Explain, asked())
        assert (found.code, found.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        go_on.set()
        assert first.result().answer.outcome == pb.OUTCOME_DECIDED


def test_no_time_is_said() -> None:
    settings = Settings(insecure=True, books=(BOOKS,), port=0, reload_s=0, limits=Limits(explain_s=0.0))
    with in_thread(settings) as inside, Calls(inside.port) as calls:
        found = explain(calls, asked(varied_inputs=["amount"]))
        assert found.answer.outputs["outcome"] == word("ship")
        assert found.why_not.limited_by == "time"
        assert (found.variations[0].proved, found.variations[0].limited_by) == (False, "time")
        missing = explain(calls, pb.ExplainRequest(decision="shop.order", facts={"customer": word("new")}))
        assert missing.completion.limited_by == "time"
        assert {u.relevance for u in missing.completion.unstated_inputs} == {explanation_pb.RELEVANCE_UNDECIDED}


def test_a_search_ends_when_the_server_goes_down() -> None:
    with in_thread(Settings(insecure=True, books=(BOOKS,), port=0, reload_s=0)) as inside, Calls(inside.port):
        services = inside.services
        assert services._clock_until_the_end() <= time.monotonic()
        services.stopping = True
        assert services._clock_until_the_end() > time.monotonic() + 10**9
        services.stopping = False

"""Decide, BatchDecide and StreamDecide: what comes back when all is well, and when one of many is not."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from contract.calls import NULL, Calls, day, flag, instant, money, number, order, record, refusal_of, refused, taken_apart, values, word
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import trace_pb2
from policybook.v1.values_pb2 import Value


def test_an_answer_has_all_its_parts(calls: Calls) -> None:
    got = calls.decide(order("60", request_id="r-1", as_of_date="2026-03-01"))
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", got.decision_id)
    assert got.request_id == "r-1"
    assert got.decision == "shop.order"
    assert re.fullmatch(r"[0-9a-f]{64}", got.policy_version)
    assert got.as_of_date == "2026-03-01"
    assert abs(got.decide_time.ToSeconds() - time.time()) < 60
    assert got.outcome == pb.OUTCOME_DECIDED
    assert dict(got.outputs) == {"outcome": word("ship"), "fee": money("20.00", "CNY")}
    assert not got.items
    assert [(r.row_id, list(r.clauses), r.says) for r in got.matched_rules] == [("within-cap", ["2.1"], "Within the cap of 200 CNY.")]
    (table,) = got.trace.tables
    assert (table.decision, table.title, table.hit_policy, table.item_number) == ("shop.order", "May the order go out?", "first", 0)
    assert {i.name: i.value for i in table.inputs}["amount"] == money("60.00", "CNY")
    assert {p.name: (p.value, p.effective_from, p.set_by_company) for p in table.parameters} == {
        "cap": (money("200.00", "CNY"), "2026-01-01", False),
        "share": (number("1/3"), "", True),
    }
    assert [(r.row_id, r.verdict) for r in table.rows] == [("within-cap", trace_pb2.ROW_VERDICT_SELECTED)]
    assert table.outputs == got.outputs
    assert re.fullmatch(r"shop\.yaml:\d+:\d+", table.rows[0].position)
    assert 0 < got.trace.elapsed.ToNanoseconds() < 10**10


@pytest.mark.parametrize(
    ("language", "cap", "hours"), [("en", "CNY an order", "hours"), ("zh", "元/单", "小时"), ("", "CNY an order", "hours")]
)
def test_units_are_in_the_language_of_the_request(calls: Calls, language: str, cap: str, hours: str) -> None:
    got = calls.decide(order("60", language=language))
    assert [p.unit for p in got.trace.tables[0].parameters] == [cap, ""]
    got = calls.decide(pb.DecideRequest(decision="shop.rate", facts={"amount": money("60")}, language=language))
    assert {i.name: i.unit for i in got.trace.tables[0].inputs}["hours"] == hours


def test_a_refusal_by_the_policy_is_an_answer(calls: Calls) -> None:
    got = calls.decide(order(customer="barred"))
    assert got.outcome == pb.OUTCOME_DECIDED
    assert got.outputs["outcome"] == word("refuse")


def test_no_row_is_an_answer_too(calls: Calls) -> None:
    facts = {"amount": money("1"), "customer": word("new")}
    got = calls.decide(pb.DecideRequest(decision="shop.greeting", facts=facts))
    assert got.outcome == pb.OUTCOME_NO_MATCH
    assert not got.outputs
    assert not got.matched_rules


def test_the_default_row_is_named_as_such(calls: Calls) -> None:
    got = calls.decide(order("900"))
    assert [r.row_id for r in got.matched_rules] == ["ask"]
    assert [(r.row_id, r.is_default) for r in got.trace.tables[0].rows] == [("ask", True)]


def test_languages(calls: Calls) -> None:
    for tag in ("zh", "zh-CN", "ZH-hans"):
        got = calls.decide(order(language=tag))
        assert got.matched_rules[0].says == "200元上限以内。"
        assert got.trace.tables[0].title == "订单可否发货"
    for tag in ("", "en", "en-GB"):
        assert calls.decide(order(language=tag)).matched_rules[0].says == "Within the cap of 200 CNY."


def test_trace_levels(calls: Calls) -> None:
    none = calls.decide(order(trace_level=trace_pb2.TRACE_LEVEL_NONE))
    assert not none.HasField("trace")
    assert [r.row_id for r in none.matched_rules] == ["within-cap"]
    unset, matched = (calls.decide(order(trace_level=level)) for level in (0, trace_pb2.TRACE_LEVEL_MATCHED))
    assert (
        [r.row_id for t in unset.trace.tables for r in t.rows] == [r.row_id for t in matched.trace.tables for r in t.rows] == ["within-cap"]
    )
    full = calls.decide(order(trace_level=trace_pb2.TRACE_LEVEL_FULL))
    rows = {r.row_id: r for r in full.trace.tables[0].rows}
    assert {i: trace_pb2.RowVerdict.Name(r.verdict) for i, r in rows.items()} == {
        "barred": "ROW_VERDICT_NOT_MATCHED",
        "within-cap": "ROW_VERDICT_SELECTED",
        "signed": "ROW_VERDICT_NOT_REACHED",
        "ask": "ROW_VERDICT_NOT_REACHED",
    }
    (cell,) = rows["within-cap"].cells
    assert (cell.name, cell.test, cell.actual, cell.passed) == ("amount", "<= cap", money("50.00", "CNY"), True)
    assert [c.passed for c in rows["signed"].cells] == [False, False]


def test_as_of_picks_the_figures_in_force(calls: Calls) -> None:
    # The cap is 100 in 2025 and 200 from 2026-01-01, which begins at 16:00 UTC of the day before in Shanghai.
    assert calls.decide(order("150", as_of_date="2025-12-31")).outputs["outcome"] == word("ask")
    assert calls.decide(order("150", as_of_date="2026-01-01")).outputs["outcome"] == word("ship")
    just_before, just_then = Timestamp(seconds=1767196799), Timestamp(seconds=1767196800)
    before, then = (calls.decide(order("150", as_of_time=t)) for t in (just_before, just_then))
    assert (before.as_of_date, before.outputs["outcome"]) == ("2025-12-31", word("ask"))
    assert (then.as_of_date, then.outputs["outcome"]) == ("2026-01-01", word("ship"))


def test_sentences_say_the_figures_of_the_day(calls: Calls) -> None:
    for day_, cap in (("2026-01-01", "200"), ("2025-12-31", "100"), ("2026-01-01", "200")):
        got = calls.decide(order("50", as_of_date=day_))
        assert got.matched_rules[0].says == got.trace.tables[0].rows[0].says == f"Within the cap of {cap} CNY."


def test_items_of_a_table_over_a_list(calls: Calls) -> None:
    facts = {"late_days": values(number("2"), number("0"), number("5"))}
    got = calls.decide(pb.DecideRequest(decision="shop.fine", facts=facts))
    assert [(i.row_id, i.item_number, i.outputs["amount"], i.outputs["who"]) for i in got.items] == [
        ("late", 1, money("20.00", "CNY"), word("clerk")),
        ("late", 3, money("50.00", "CNY"), word("clerk")),
        ("very-late", 3, money("500.00", "CNY"), word("head")),
    ]
    assert dict(got.outputs) == {"amount": money("570.00", "CNY")}
    assert [t.item_number for t in got.trace.tables] == [1, 2, 3]
    assert {t.hit_policy for t in got.trace.tables} == {"collect sum"}


def test_required_decisions_come_first_in_the_trace(calls: Calls) -> None:
    facts = {"amount": money("60"), "customer": word("new"), "late_days": values(number("1"))}
    got = calls.decide(pb.DecideRequest(decision="shop.total", facts=facts))
    assert got.outputs["total"] == money("30.00", "CNY")
    names = [t.decision for t in got.trace.tables]
    assert names[-1] == "shop.total"
    assert set(names) == {"shop.order", "shop.fine", "shop.total"}


ECHOED = {
    "number": [("12", "12"), ("-0.25", "-0.25"), ("1E+3", "1000"), ("1/3", None), ("0.1", "0.1"), ("9" * 38, "9" * 38)],
    "integer": [("7", "7"), ("-10", "-10"), ("7.0", "7")],
    "percent": [("0.3", "0.3")],
    "fraction": [("2/6", "1/3"), ("0.5", "0.5")],
}


@pytest.mark.parametrize(("name", "sent", "back"), [(n, s, b) for n, pairs in ECHOED.items() for s, b in pairs])
def test_numbers_come_back_exact(calls: Calls, name: str, sent: str, back: str | None) -> None:
    got = calls.decide(pb.DecideRequest(decision="kinds.echo", facts={name: number(sent)}))
    # A plain number that no decimal states exactly is rounded to 34 digits, as DMN has it.
    assert got.outputs[name] == number(back or "0." + "3" * 34)


def test_every_kind_of_value_comes_back(calls: Calls) -> None:
    sent = {
        "money": money("1200.5", "CNY"),
        "boolean": flag(True),
        "enum": word("blue"),
        "text": word("收据 №1"),
        "date": day("2024-02-29"),
        "datetime": instant(-1, 500_000_000),
        "time": Value(time_of_day="16:00:30"),
        "duration": Value(duration="P1DT2H3M4.5S"),
        "period": Value(duration="P1Y2M"),
        "colours": values(word("red"), word("red"), word("green")),
        "payments": values(record(amount=money("0.01"), paid_on=day("2026-01-01"), note=word("x"))),
    }
    got = calls.decide(pb.DecideRequest(decision="kinds.echo", facts=sent)).outputs
    assert got["money"] == money("1200.50", "CNY")
    assert got["payments"] == values(record(amount=money("0.01", "CNY"), paid_on=day("2026-01-01"), note=word("x")))
    for name in ("boolean", "enum", "text", "date", "datetime", "time", "duration", "period", "colours"):
        assert got[name] == sent[name], name


def test_zeros_and_empties_are_set_and_null_is_null(calls: Calls) -> None:
    got = calls.decide(pb.DecideRequest(decision="kinds.echo", facts={"text": word(""), "datetime": NULL, "colours": values()})).outputs
    assert got["text"].WhichOneof("kind") == "text"
    assert got["boolean"].WhichOneof("kind") == "flag"
    assert got["colours"].WhichOneof("kind") == "list"
    assert got["datetime"] == NULL
    assert got["datetime"].WhichOneof("kind") == "null"
    assert got["number"] == number("0")
    assert got["money"] == money("0.00", "CNY")


def test_instants_keep_microseconds(calls: Calls) -> None:
    got = calls.decide(pb.DecideRequest(decision="kinds.echo", facts={"datetime": instant(1, 123_456_789)}))
    assert got.outputs["datetime"] == instant(1, 123_456_000)


# ---------------------------------------------------------------- batch


def test_a_batch_answers_each_in_order_and_a_bad_one_spoils_none(calls: Calls) -> None:
    requests = [order(str(i), request_id=f"r{i}") for i in range(5)]
    requests[2].facts["amount"].CopyFrom(word("much"))
    requests[3].decision = "shop.ordre"
    got = calls.decisions.BatchDecide(pb.BatchDecideRequest(requests=requests), timeout=30).results
    assert [r.WhichOneof("result") for r in got] == ["response", "response", "error", "error", "response"]
    assert [r.response.request_id for r in got] == ["r0", "r1", "", "", "r4"]
    facts, name = (taken_apart(r.error) for r in got[2:4])
    assert (facts.code, facts.reason, list(facts.fields)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FACTS", ["facts.amount"])
    assert (name.code, name.metadata["nearest"].split(",")[0]) == (grpc.StatusCode.NOT_FOUND, "shop.order")


def test_an_item_error_is_the_status_of_the_same_single_call(calls: Calls) -> None:
    bad = order("-1", facts={"stranger": NULL})
    (result,) = calls.decisions.BatchDecide(pb.BatchDecideRequest(requests=[bad]), timeout=30).results
    single = refused(calls.decisions.Decide, bad)
    assert taken_apart(result.error).details == single.details
    assert result.error.message == single.message


def test_an_empty_batch(calls: Calls) -> None:
    assert not calls.decisions.BatchDecide(pb.BatchDecideRequest(), timeout=30).results


def test_ten_thousand_at_once_and_others_get_their_turn(calls: Calls) -> None:
    request = order()
    batch = pb.BatchDecideRequest(requests=[request] * 10_000)
    pending = calls.decisions.BatchDecide.future(batch, timeout=100)
    waits = []
    while not pending.done():
        started = time.perf_counter()
        calls.decide(request)
        waits.append(time.perf_counter() - started)
    assert len(pending.result().results) == 10_000
    # Alone the batch would keep them waiting to its end.
    assert len(waits) > 3
    assert sorted(waits)[len(waits) // 2] < 0.5


def test_ten_thousand_and_one_are_too_many(calls: Calls) -> None:
    got = refused(calls.decisions.BatchDecide, pb.BatchDecideRequest(requests=[pb.DecideRequest()] * 10_001))
    assert (got.code, got.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_ITEMS")
    assert (got.metadata["limit"], got.metadata["got"]) == ("10000", "10001")
    assert got.kinds == ("ErrorInfo", "QuotaFailure")


# ---------------------------------------------------------------- stream


def test_a_stream_answers_in_order_as_requests_come(calls: Calls) -> None:
    sent: queue.Queue[pb.StreamDecideRequest | None] = queue.Queue()
    answers = calls.decisions.StreamDecide(iter(sent.get, None), timeout=30)
    for i in range(50):
        request = order(str(i), request_id=f"r{i}") if i % 7 else pb.DecideRequest(decision="?")
        sent.put(pb.StreamDecideRequest(request=request))
        # Each answer comes before the next request is sent.
        result = next(answers).result
        assert result.response.request_id == f"r{i}" if i % 7 else taken_apart(result.error).reason == "INVALID_REQUEST"
    sent.put(None)
    assert list(answers) == []


def test_many_in_flight_on_a_stream_keep_their_order(calls: Calls) -> None:
    requests = (pb.StreamDecideRequest(request=order(request_id=str(i))) for i in range(2_000))
    answers = calls.decisions.StreamDecide(requests, timeout=60)
    assert [a.result.response.request_id for a in answers] == [str(i) for i in range(2_000)]


def test_a_message_that_cannot_be_parsed_is_one_item_of_a_stream(calls: Calls) -> None:
    stream = calls.channel.stream_stream("/policybook.v1.DecisionService/StreamDecide")
    good = pb.StreamDecideRequest(request=order()).SerializeToString()
    got = [pb.StreamDecideResponse.FromString(b).result for b in stream(iter([good, b"\xff\xff\xff", b"", good]), timeout=30)]
    assert [r.WhichOneof("result") for r in got] == ["response", "error", "error", "response"]
    assert [taken_apart(r.error).reason for r in got[1:3]] == ["INVALID_REQUEST", "INVALID_REQUEST"]


def test_a_cancelled_stream_leaves_the_service_whole(calls: Calls) -> None:
    hold = threading.Event()

    def requests() -> Iterator[pb.StreamDecideRequest]:
        yield pb.StreamDecideRequest(request=order())
        hold.wait(30)

    for _ in range(20):
        answers = calls.decisions.StreamDecide(requests(), timeout=30)
        assert next(answers).result.response.outputs["outcome"] == word("ship")
        answers.cancel()
        with pytest.raises(grpc.RpcError) as failed:
            next(answers)
        assert failed.value.code() is grpc.StatusCode.CANCELLED
    hold.set()
    assert calls.decide(order()).outcome == pb.OUTCOME_DECIDED


def test_an_expired_deadline_ends_a_batch(calls: Calls) -> None:
    batch = pb.BatchDecideRequest(requests=[order(trace_level=trace_pb2.TRACE_LEVEL_FULL)] * 10_000)
    with pytest.raises(grpc.RpcError) as failed:
        calls.decisions.BatchDecide(batch, timeout=0.1)
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    # The work was dropped, not finished behind our back.
    started = time.perf_counter()
    calls.decide(order())
    assert time.perf_counter() - started < 1


def test_an_expired_deadline_of_a_single_call(calls: Calls) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        calls.decisions.Decide(order(), timeout=-1)
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert calls.decide(order()).outcome == pb.OUTCOME_DECIDED


def test_eight_threads_at_once_get_their_own_answers(calls: Calls) -> None:
    wrong: list[object] = []

    def work(worker: int) -> None:
        with Calls(calls.port) as own:
            for i in range(150):
                amount = worker * 1000 + i
                try:
                    got = own.decide(
                        pb.DecideRequest(decision="kinds.echo", facts={"money": money(f"{amount}.05")}, request_id=f"{worker}-{i}")
                    )
                except grpc.RpcError as e:
                    wrong.append(refusal_of(e))
                    continue
                if got.request_id != f"{worker}-{i}" or got.outputs["money"] != money(f"{amount}.05", "CNY"):
                    wrong.append((worker, i, got))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not wrong

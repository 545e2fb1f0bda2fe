"""Versions that decide beside: compared, recorded where they differ, never given out, never in anybody's way."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.keeping import NOON, Clock, Keeping, book, keeping
from books_in_text import raw
from policybook import Answer, Desk, Request, Store, TraceLevel
from policybook.audit.entry import Purpose
from policybook.audit.masking import Masks
from policybook.challenge import Challengers
from policybook.check.book import check_source
from policybook.desk import Counts
from policybook.errors import RequestError, UnknownNameError
from policybook.model.book import Book
from policybook.source import Source
from policybook.store.reload import make_edition


@contextmanager
def challenged(made: Keeping, *challengers: Book, queue: int = 10_000) -> Iterator[Challengers]:
    """Have books decide beside those of a desk."""
    store = Store()
    for one in challengers:
        store.publish(make_edition(one, NOON))
    ids = itertools.count()
    beside = Challengers(made.desk.store, store, now=made.clock, new_id=lambda: f"challenge-{next(ids)}", queue=queue)
    beside.watch(made.desk)
    try:
        yield beside
    finally:
        beside.close()


def edited(old: str, new: str) -> Book:
    source = book(100).source
    text = source.text.replace(old, new)
    assert text != source.text
    made, report = check_source(Source("book.yaml", text))
    assert made is not None, report.render({})
    return made


def test_what_differs_is_recorded_and_counted_and_the_answer_is_the_same(tmp_path: Path) -> None:
    with keeping(tmp_path) as made:
        alone = [made.ask(amount) for amount in (50, 80, 200)]
        with challenged(made, book(60)) as beside:
            answers = [made.ask(amount) for amount in (50, 80, 200)]
        assert [(a.outcome, a.outputs, a.version) for a in answers] == [(a.outcome, a.outputs, a.version) for a in alone]
        assert beside.counts() == (Counts("book", book(60).version, compared=3, different=2),)
        # 50: ship in both, but another rest; 80: refused beside; 200: the same row and the same outputs.
        challenges = [r for r in made.decisions() if r.purpose == Purpose.CHALLENGE.value]
        assert [r.told["challenges"] for r in challenges] == [answers[0].decision_id, answers[1].decision_id]
        assert {r.version for r in challenges} == {book(60).version}
        assert challenges[1].told["served_version"] == book(100).version
        assert challenges[1].told["differs"] == {
            "outputs": [
                {"outcome": {"text": "ship"}, "rest": {"money": {"amount": "20.00", "currency": "CNY"}}},
                {"outcome": {"text": "refuse"}, "rest": {"money": {"amount": "0.00", "currency": "CNY"}}},
            ],
            "rows": [["within"], ["open"]],
        }
        assert (challenges[1].caller, challenges[1].request_id) == ("erp", "")
        proof = made.proof()
        assert proof.ok
        # Years later, by the challenger's own text, which is kept with the log.
        again = made.desk.reevaluate(challenges[1].decision_id)
        assert not again.differences
        assert again.answer.version == book(60).version


def test_it_decides_as_of_the_same_moment(tmp_path: Path) -> None:
    clock = Clock()
    dated = edited(
        "{cap: {type: money, value: 100, set_by: company}}",
        "{cap: {type: money, set_by: company, values: [{from: 2020-01-01, value: 100}, {from: 2026-04-01, value: 10}]}}",
    )
    with keeping(tmp_path, clock=clock) as made, challenged(made, dated) as beside:
        made.ask(50, as_of=date(2026, 3, 1))
        made.ask(50)
        made.ask(50, as_of=date(2026, 4, 2))
        beside.close()
        assert beside.counts() == (Counts("book", dated.version, compared=3, different=1),)


def test_what_the_challenger_refuses_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    asks = edited("customer: {type: text, default: '\"nobody\"'}", "customer: {type: enum, values: [a, b], default: a}")
    with keeping(tmp_path, masks=Masks(frozenset({"customer"}))) as made, challenged(made, asks) as beside:
        given_out = made.ask(50, facts={"customer": "hush"})
        beside.close()
        assert beside.counts() == (Counts("book", asks.version, compared=1, different=1, refused=1),)
        (record,) = [r for r in made.decisions() if r.purpose == Purpose.CHALLENGE.value]
        assert (record.outcome, record.outputs, record.told["challenges"]) == ("refused", "{}", given_out.decision_id)
        assert record.told["differs"] == {"refused": "Facts"}
        assert "hush" not in record.facts + record.more + caplog.text
        assert made.proof().ok


def test_a_request_names_a_version(tmp_path: Path) -> None:
    with keeping(tmp_path, book(60), book(100)) as made:
        with pytest.raises(RequestError) as failed:
            made.ask(80, challenger=book(60).version)
        assert failed.value.field == "challenger_version"
        with challenged(made) as beside:
            # Without a challenger of its own the service still has the version of before.
            made.ask(80)
            made.ask(80, challenger=book(60).version[:8])
            with pytest.raises(UnknownNameError, match="no challenger version `ffffffff`"):
                made.ask(80, challenger="ffffffff")
        assert beside.counts() == (Counts("book", book(60).version, compared=1, different=1),)


def test_too_many_are_skipped_and_nobody_waits(tmp_path: Path) -> None:
    with keeping(tmp_path) as made, challenged(made, book(60), queue=5) as beside:
        hold = threading.Event()
        compare = beside._challenge
        beside._challenge = lambda part: (hold.wait(20), compare(part))[1]  # type: ignore[method-assign]  # a slow challenger
        for _ in range(50):
            made.ask(80)
        hold.set()
        beside.close()
        (counts,) = beside.counts()
        assert counts.compared + counts.skipped == 50
        assert 5 <= counts.compared <= 11
        assert len([r for r in made.decisions() if r.purpose == Purpose.DECISION.value]) == 50


def test_explanations_and_earlier_decisions_are_not_challenged(tmp_path: Path) -> None:
    with keeping(tmp_path) as made, challenged(made, book(60)) as beside:
        made.ask(80, purpose=Purpose.EXPLANATION)
        made.ask(80, version=book(100).version)
        beside.close()
        assert beside.counts() == (Counts("book", book(60).version, compared=1, different=1),)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 200), st.sampled_from(TraceLevel), st.booleans()), min_size=1, max_size=40))
def test_it_comes_to_what_the_challenger_alone_answers(asked: list[tuple[int, TraceLevel, bool]]) -> None:
    """Together or one by one, the counts are those of two services side by side."""
    stores = []
    for cap in (100, 60):
        store = Store()
        store.publish(make_edition(book(cap), NOON))
        stores.append(store)
    clock = Clock()
    desk, other = (Desk(store, now=clock, new_id=lambda: "x") for store in stores)
    beside = Challengers(stores[0], stores[1], now=clock, new_id=lambda: "y")
    beside.watch(desk)
    requests = [
        Request(decision="book.order", facts={"amount": raw(amount)}, trace=trace, as_of=date(2026, 1, 1) if dated else None)
        for amount, trace, dated in asked
    ]
    served = desk.decide_many(requests)
    beside.close()
    apart = [other.decide(request) for request in requests]
    different = sum(
        isinstance(a, Answer) and (a.outcome, a.outputs, a.items) != (b.outcome, b.outputs, b.items)
        for a, b in zip(served, apart, strict=True)
    )
    assert beside.counts() == (Counts("book", book(60).version, compared=len(asked), different=different),)

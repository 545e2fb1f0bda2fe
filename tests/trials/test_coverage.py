"""Boundaries seen closely, and pairs of conditions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from books_in_text import ask, book_of, desk_of
from policybook.model.book import Book
from policybook.trials.coverage import Coverage, DecisionCoverage
from policybook.trials.points import Point
from policybook.trials.session import spaces

TABLE = """
inputs:
  x: {type}
  yes: {{type: boolean, optional: true}}
decisions:
  d:
    hit_policy: first
    outputs: {{out: {{type: integer}}}}
    rules:
      - {{id: r, clause: 1.1, when: {{x: '{test}'}}, then: {{out: 1}}, says: {{en: So., zh: 是。}}}}
    default: {{id: otherwise, clause: 1.1, then: {{out: 0}}}}
"""


def seen(book: Book, requests: list[dict[str, Any]], *, known: bool = False, decision: str = "d", **ask_as: Any) -> DecisionCoverage:
    desk = desk_of(book)
    coverage = Coverage([book])
    for facts in requests:
        coverage.visit(ask(desk, decision, facts, **ask_as))
    return coverage.decision(book, book.decision_by_name[decision], spaces() if known else None)


def points(declared: str, test: str, values: list[Any], *, head: str = "") -> tuple[list[str], list[str]]:
    """Return the points that were seen at the first threshold, and those that are missing."""
    text = TABLE.format(type=declared, test=test)
    book = book_of(text) if not head else book_of(text, head)
    boundary = seen(book, [{"x": v} for v in values]).boundaries[0]
    return [p.value for p in Point if p in boundary.seen], [p.value for p in boundary.missed]


YEN = "policy: book\ntitle: {en: A book, zh: 一本}\ncurrency: JPY\n"


@pytest.mark.parametrize(
    ("declared", "test", "values", "wanted"),
    [
        ("{type: money}", "<= 100", ["99.99", "100", "100.01"], ["just below", "on", "just above"]),
        ("{type: money}", "<= 100", ["99.98", "100.02"], []),
        ("{type: money}", "<= 100", ["99.995"], ["just below"]),
        ("{type: integer}", "< 5", ["4", "6"], ["just below", "just above"]),
        ("{type: number}", "> 5", ["4.999", "5.002"], ["just below"]),
        ("{type: percent}", ">= 30%", ["29.9%", "30.2%"], ["just below"]),
        ("{type: date}", "<= 2026-03-31", ["2026-03-30", "2026-04-01"], ["just below", "just above"]),
        ("{type: date}", "<= 2026-03-31", ["2026-03-29"], []),
        ("{type: time}", "<= 16:00", ["16:01", "15:58"], ["just above"]),
        ("{type: duration}", "<= PT24H", ["PT24H1S"], ["just above"]),
        ("{type: period}", "<= P1Y", ["P11M", "P14M"], ["just below"]),
    ],
)
def test_just_beside_is_within_one_least_step(declared: str, test: str, values: list[str], wanted: list[str]) -> None:
    assert points(declared, test, values)[0] == wanted


def test_a_step_of_money_is_the_least_coin_of_the_currency() -> None:
    assert points("{type: money}", "<= 100", ["101"])[0] == []
    assert points("{type: money}", "<= 100", ["101"], head=YEN)[0] == ["just above"]


def test_a_length_between_two_days_moves_by_days() -> None:
    book = book_of(
        """
inputs:
  sent: {type: date}
values:
  open_for: as_of - sent
decisions:
  d:
    hit_policy: first
    outputs: {out: {type: integer}}
    rules:
      - {id: r, clause: 1.1, when: {open_for: '<= P3D'}, then: {out: 1}, says: {en: So., zh: 是。}}
    default: {id: otherwise, clause: 1.1, then: {out: 0}}
"""
    )
    as_of = datetime(2026, 3, 10, 4, tzinfo=UTC)
    (boundary,) = seen(book, [{"sent": "2026-03-08"}, {"sent": "2026-03-06"}], as_of=as_of).boundaries
    assert boundary.seen == {Point.JUST_BELOW, Point.JUST_ABOVE}


@pytest.mark.parametrize(
    ("declared", "test", "wanted"),
    [
        ("{type: integer, min: 0}", "<= 0", ["on", "just above"]),
        ("{type: money, max: 100}", ">= 100", ["just below", "on"]),
        ("{type: integer}", "<= 2.5", ["just below", "just above"]),
        ("{type: number}", "<= 2.5", ["just below", "on", "just above"]),
    ],
)
def test_a_point_that_no_facts_can_reach_is_not_asked_for(declared: str, test: str, wanted: list[str]) -> None:
    assert points(declared, test, [])[1] == wanted


def test_the_ends_of_an_interval_are_told_apart() -> None:
    book = book_of(TABLE.format(type="{type: integer, min: 0}", test="[3..10)"))
    boundaries = seen(book, [{"x": 3}, {"x": 10}]).boundaries
    assert [(str(b.threshold), [p.value for p in b.missed]) for b in boundaries] == [
        ("r: x [3..10), lower end", ["just below", "just above"]),
        ("r: x [3..10), upper end", ["just below", "just above"]),
    ]


CHAIN = """
inputs:
  paid: {type: list, of: {type: record, fields: {amount: {type: money, min: 0}}}}
decisions:
  first:
    hit_policy: first
    outputs: {total: {type: money}}
    rules:
      - {id: some, clause: 1.1, when: {paid: not([])}, then: {total: sum(paid.amount)}, says: {en: So., zh: 是。}}
    default: {id: none, clause: 1.1, then: {total: 0}}
  d:
    hit_policy: first
    outputs: {out: {type: integer}}
    rules:
      - {id: r, clause: 1.1, when: {first.total: '> 0'}, then: {out: 1}, says: {en: So., zh: 是。}}
    default: {id: otherwise, clause: 1.1, then: {out: 0}}
"""


def test_what_another_decision_never_answers_is_no_point_to_reach() -> None:
    book = book_of(CHAIN.replace("when: {paid: not([])}, ", "when: {paid: not(null)}, "))
    by_bounds = seen(book, [{"paid": []}]).boundaries[0]
    assert by_bounds.missed == (Point.JUST_BELOW, Point.JUST_ABOVE)
    by_cells = seen(book, [{"paid": []}], known=True).boundaries[0]
    assert by_cells.missed == (Point.JUST_ABOVE,)


PAIRS = """
inputs:
  a: {type: integer, min: 0, max: 9}
  b: {type: boolean}
  c: {type: enum, values: [x, y, z], optional: true}
values:
  sum: a + 1
decisions:
  d:
    hit_policy: first
    outputs: {out: {type: integer}}
    rules:
      - {id: r1, clause: 1.1, when: {a: '< 5', b: 'true'}, then: {out: 1}, says: {en: So., zh: 是。}}
      - {id: r2, clause: 1.1, when: {sum: '< 3', c: '"x", "y"'}, then: {out: 2}, says: {en: So., zh: 是。}}
      - {id: r3, clause: 1.1, when: {a: '> 7', c: '"x"'}, then: {out: 3}, says: {en: So., zh: 是。}}
    default: {id: otherwise, clause: 1.1, then: {out: 0}}
"""


def test_a_pair_is_a_way_of_two_columns_to_come_out_together() -> None:
    book = book_of(PAIRS)
    coverage = seen(book, [{"a": 1, "b": True, "c": "x"}, {"a": 1, "b": True, "c": "x"}], known=True)
    assert coverage.pairs
    # a: < 5, none, > 7; b: true, none; sum: < 3, none; c: both, y alone, none. `sum < 3` goes with `a < 5` alone.
    assert (coverage.pairs.seen, coverage.pairs.possible, coverage.pairs.undecided) == (6, 6 + 4 + 9 + 4 + 6 + 6, 0)
    texts = [str(p) for p in coverage.pairs.missed]
    assert 'a (none of its tests) with c `"x", "y"`' in texts
    assert "a `> 7` with sum `< 3`" not in texts
    assert len(texts) == coverage.pairs.possible - coverage.pairs.seen


def test_every_possible_request_has_every_possible_pair_and_no_other() -> None:
    book = book_of(PAIRS)
    everything = [{"a": a, "b": b} | ({"c": c} if c else {}) for a in range(10) for b in (True, False) for c in ("x", "y", "z", "")]
    coverage = seen(book, everything, known=True)
    assert coverage.pairs
    assert (coverage.pairs.seen, coverage.pairs.missed) == (coverage.pairs.possible, ())


def test_without_what_can_occur_pairs_are_not_counted() -> None:
    assert seen(book_of(PAIRS), []).pairs is None


def test_of_a_table_that_changes_the_days_count_that_cases_ask_about() -> None:
    body = PAIRS.replace(
        "says: {en: So., zh: 是。}}\n    default", "says: {en: So., zh: 是。}, effective: {from: 2027-01-01}}\n    default"
    )
    now, both = seen(book_of(body), [{"a": 1, "b": True}], known=True), None
    desk, coverage = desk_of(book_of(body)), Coverage([book := book_of(body)])
    for day in ("2026-05-01", "2027-05-01"):
        coverage.visit(ask(desk, "d", {"a": 1, "b": True}, as_of=datetime.fromisoformat(f"{day}T04:00:00+00:00")))
    both = coverage.decision(book, book.decision_by_name["d"], spaces())
    assert now.pairs
    assert both.pairs
    # Before 2027 nothing tells `a > 7` from the rest, nor x from y.
    assert now.pairs.possible < both.pairs.possible == 35

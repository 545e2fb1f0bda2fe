"""Explanations of chosen books: refusals, dates, ratios, lists of records, and what is not proved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest

from books_in_text import book_of, desk_of, raw
from policybook import Request
from policybook.errors import RequestError
from policybook.explain.completion import Relevance
from policybook.explain.explainer import Explainer, Explanation, Question
from policybook.explain.told import End
from policybook.explain.what_if import Variation
from policybook.explain.words import Words

TODAY = date(2026, 3, 15)


def explained(body: str, facts: Mapping[str, Any], decision: str = "d", **options: Any) -> Explanation:
    desk = desk_of(book_of(body))
    wanted = {n: raw(v) for n, v in options.pop("wanted", {}).items()}
    request = Request(decision=f"book.{decision}", facts={n: raw(v) for n, v in facts.items()}, as_of=TODAY)
    return Explainer(desk).explain(Question(request=request, wanted=wanted, **options))


def pieces(found: Variation) -> list[tuple[object, object, tuple[str, ...]]]:
    return [(p.first, p.last, p.told.rows or (p.told.end.value,)) for p in found.pieces]


def ways(found: Explanation) -> list[dict[str, object]]:
    assert found.why_not
    return [{c.declared.name: c.after for c in a.changes} for a in found.why_not.alternatives]


RATIO = """
inputs: {lost: {type: integer, min: 0, max: 1000}, known: {type: integer, min: 0, max: 1000}}
values: {share: lost / known}
decisions:
  d:
    hit_policy: first
    outputs: {x: {type: enum, values: [much, little]}}
    rules: [{id: much, set_by: company, when: {share: "> 1/3"}, then: {x: much}}]
    default: {id: little, set_by: company, then: {x: little}}
"""


def test_a_ratio_is_followed_and_what_is_refused_is_a_piece_of_its_own() -> None:
    found = explained(RATIO, {"lost": 10, "known": 100}, varied=("known", "lost"))
    by_all, by_lost = found.variations
    assert pieces(by_all) == [(0, 0, ("refused",)), (1, 29, ("much",)), (30, 1000, ("little",))]
    assert by_all.proved
    assert pieces(by_lost) == [(0, 33, ("little",)), (34, 1000, ("much",))]
    assert by_lost.proved
    assert ways(found) == [{"known": 29}, {"lost": 34}]


def test_rows_that_conflict_are_a_piece_of_their_own_and_the_way_out_is_found() -> None:
    body = """
inputs: {n: {type: integer, min: 0, max: 20}}
decisions:
  d:
    hit_policy: unique
    outputs: {x: {type: enum, values: [a, b]}}
    rules:
      - {id: low, set_by: company, when: {n: "< 10"}, then: {x: a}}
      - {id: high, set_by: company, when: {n: ">= 8"}, then: {x: b}}
"""
    found = explained(body, {"n": 9}, varied=("n",))
    assert found.answer is None
    assert "low, high" in found.refusal
    assert pieces(found.variations[0]) == [(0, 7, ("low",)), (8, 9, ("refused",)), (10, 20, ("high",))]
    assert found.variations[0].proved
    assert ways(found) == [{"n": 10}]


DATES = """
inputs:
  paid_on: {type: date, optional: true}
  due: {type: date}
  rank: {type: enum, values: [a, b]}
values: {grace: due + P1M}
decisions:
  d:
    hit_policy: first
    outputs: {late: {type: boolean}}
    rules: [{id: late, set_by: company, when: {paid_on: "> grace", rank: a}, then: {late: true}}]
    default: {id: fine, set_by: company, then: {late: false}}
"""


def test_days_and_months() -> None:
    found = explained(DATES, {"paid_on": "2026-03-10", "due": "2026-01-31", "rank": "a"}, varied=("paid_on", "due"))
    # A month after the last of January is the last of February.
    assert pieces(found.variations[0]) == [
        (None, date(2026, 2, 28), ("fine",)),
        (date(2026, 3, 1), None, ("late",)),
        (None, None, ("fine",)),
    ]
    assert pieces(found.variations[1]) == [(None, date(2026, 2, 9), ("late",)), (date(2026, 2, 10), None, ("fine",))]
    assert all(v.proved and v.step == timedelta(days=1) for v in found.variations)
    assert ways(found) == [{"due": date(2026, 2, 10)}, {"paid_on": date(2026, 2, 28)}, {"rank": "b"}]
    assert found.why_not
    assert [c.difference for a in found.why_not.alternatives for c in a.changes] == [10, -10, None]


def test_what_is_not_stated_may_come_to_be_stated() -> None:
    found = explained(DATES, {"due": "2026-01-31", "rank": "a"}, wanted={"late": True})
    # The nearest day to today that is late enough.
    assert ways(found) == [{"paid_on": TODAY}]
    assert found.why_not
    assert found.why_not.alternatives[0].least


def test_an_element_comes_in_as_small_as_can_be() -> None:
    body = """
inputs:
  payments: {type: list, of: {type: record, fields: {amount: {type: money, min: 0}, on: {type: date}}}, default: []}
values: {total: sum(counted.counts)}
decisions:
  counted:
    for_each: {payment: payments}
    hit_policy: first
    outputs: {counts: {type: money}}
    rules: [{id: now, set_by: company, when: {payment.on: ">= as_of - days(30)"}, then: {counts: payment.amount}}]
    default: {id: old, set_by: company, then: {counts: 0}}
  d:
    hit_policy: first
    outputs: {x: {type: enum, values: [enough, short]}}
    rules: [{id: enough, set_by: company, when: {total: ">= 1000"}, then: {x: enough}}]
    default: {id: short, set_by: company, then: {x: short}}
"""
    paid = [{"amount": 300, "on": "2026-03-01"}, {"amount": 900, "on": "2025-01-01"}]
    found = explained(body, {"payments": paid})
    assert found.why_not
    (only,) = found.why_not.alternatives
    assert only.changes[0].added == ({"amount": Fraction(700), "on": TODAY},)
    assert only.changes[0].removed == ()
    assert (only.fewest, only.least) == (True, True)
    sentence = "With (amount 700.00 CNY, on 2026-03-15) added to payments: enough (enough)"
    assert Words(found.book, found.decision, "en").alternative(only) == sentence


def test_two_inputs_together_share_the_change() -> None:
    body = """
inputs: {a: {type: integer, min: 0, max: 10}, b: {type: integer, min: 0, max: 10}, f: {type: boolean}}
decisions:
  d:
    hit_policy: first
    outputs: {x: {type: boolean}}
    rules: [{id: r, set_by: company, when: {a: ">= 5", b: ">= 7", f: true}, then: {x: true}}]
    default: {id: e, set_by: company, then: {x: false}}
"""
    found = explained(body, {"a": 3, "b": 9, "f": False})
    assert ways(found) == [{"a": 5, "f": True}]
    found = explained(body, {"a": 3, "b": 9, "f": False}, kept=("f",))
    assert ways(found) == []
    assert found.why_not
    assert (found.why_not.proved, found.why_not.searched) == (2, 2)
    found = explained(body, {"a": 3, "b": 1, "f": False}, most=1)
    assert ways(found) == [{"a": 5, "b": 7, "f": True}]


def test_nothing_to_look_for() -> None:
    body = """
inputs: {a: {type: integer, min: 0, max: 10}}
decisions:
  d:
    hit_policy: first
    outputs: {x: {type: boolean}}
    rules: [{id: r, set_by: company, when: {a: ">= 0"}, then: {x: true}}]
"""
    found = explained(body, {"a": 3}, varied=("a",))
    assert ways(found) == []
    assert found.why_not
    assert Words(found.book, found.decision, "en").why_not(found.why_not) == "No change of up to 1 input gives it: proved."
    assert pieces(found.variations[0]) == [(0, 10, ("r",))]
    missing = explained(body, {})
    assert missing.completion
    assert missing.completion.settled
    assert missing.completion.settled.outputs == {"x": True}


def test_no_answer_is_an_end_and_no_alternative() -> None:
    body = """
inputs: {a: {type: integer, min: 0, max: 10}}
decisions:
  d:
    hit_policy: first
    outputs: {x: {type: enum, values: [one, two]}}
    rules:
      - {id: one, set_by: company, when: {a: "< 3"}, then: {x: one}}
      - {id: two, set_by: company, when: {a: "> 6"}, then: {x: two}}
"""
    found = explained(body, {"a": 2}, varied=("a",))
    assert [p.told.end for p in found.variations[0].pieces] == [End.DECIDED, End.NO_MATCH, End.DECIDED]
    assert ways(found) == [{"a": 7}]
    none = explained(body, {"a": 5})
    assert none.told
    assert none.told.end is End.NO_MATCH
    assert ways(none) == [{"a": 7}]


def test_many_pieces_are_bounded_and_said() -> None:
    body = """
inputs: {a: {type: integer, min: 0, max: 100000}}
values: {odd: "modulo(a, 2)"}
decisions:
  d:
    hit_policy: first
    outputs: {x: {type: boolean}}
    rules: [{id: r, set_by: company, when: {odd: 1}, then: {x: true}}]
    default: {id: e, set_by: company, then: {x: false}}
"""
    (found,) = explained(body, {"a": 7}, varied=("a",)).variations
    assert not found.proved
    assert found.limited_by in ("pieces", "solver")
    assert len(found.pieces) <= 202
    assert any(p.is_actual for p in found.pieces)
    for piece in found.pieces:
        # What is shown is true, though it is not all.
        assert piece.told.rows == (("r",) if piece.first % 2 else ("e",))  # type: ignore[operator]


def test_needed_first_what_the_first_table_looks_at() -> None:
    found = explained(DATES, {})
    assert found.completion
    assert [(u.declared.name, u.relevance) for u in found.completion.unstated] == [
        ("paid_on", Relevance.NEEDED),
        ("due", Relevance.NEEDED),
        ("rank", Relevance.NEEDED),
    ]
    found = explained(DATES, {"rank": "b"})
    assert found.completion
    assert found.completion.settled


@pytest.mark.parametrize(("options", "field"), [
    ({"varied": ("x",)}, "varied_inputs"),
    ({"varied": ("lost",) * 6}, "varied_inputs"),
    ({"kept": ("x",)}, "kept_inputs"),
    ({"compared": ("lost",)}, "compared_outputs"),
    ({"wanted": {"share": 1}}, "wanted_outputs"),
])  # fmt: skip
def test_names_that_are_none_are_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        explained(RATIO, {"lost": 10, "known": 100}, **options)
    assert caught.value.field == field

"""A result has an end: numbers of hundreds of digits are a fault of the facts, not minutes of work or a fault of the service."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

import pytest

from books_in_text import ask, book_of, desk_of
from policybook.diagnostics import Code
from policybook.errors import FactsError
from policybook.model.faults import FormulaError
from policybook.model.sizes import MAX_BITS, added, sized


def test_the_limit() -> None:
    assert sized(Fraction(2**MAX_BITS - 1)) == 2**MAX_BITS - 1
    assert sized(timedelta(days=1)) == timedelta(days=1)
    for number in (Fraction(2**MAX_BITS), Fraction(-(2**MAX_BITS)), Fraction(1, 2**MAX_BITS)):
        with pytest.raises(FormulaError, match="too many digits"):
            sized(number)


def test_sums() -> None:
    assert added([Fraction(1, 3), Fraction(2, 3)]) == 1
    with pytest.raises(FormulaError, match="too many digits"):
        added([Fraction(1, 10**38 + i) for i in range(1, 400)])
    with pytest.raises(FormulaError, match="out of range"):
        added([timedelta.max, timedelta.max])


BOOK = """
inputs:
  n: {type: number}
  many: {type: list, of: {type: number}, default: []}
values:
  large: n * n * n * n * n * n * n * n * n
  larger: large * 1e38 * 1e38 * 1e38 * 1e38 * 1e38 * 1e38 * 1e38
  total: sum(many)
decisions:
  tested:
    hit_policy: first
    outputs: {o: {type: number}}
    rules: [{id: t, set_by: company, when: {larger: "> 5"}, then: {o: 1}}]
    default: {id: e, set_by: company, then: {o: 0}}
  told:
    hit_policy: first
    outputs: {o: {type: number}}
    rules: [{id: o, set_by: company, then: {o: larger}}]
  summed:
    hit_policy: first
    outputs: {o: {type: number}}
    rules: [{id: s, set_by: company, then: {o: total}}]
"""


@pytest.mark.parametrize(
    ("decision", "facts"),
    [
        ("tested", {"n": "9" * 38 + "e38"}),
        ("told", {"n": "9" * 38 + "e38"}),
        ("summed", {"n": "1", "many": [f"1/{10**37 + i}" for i in range(1, 400)]}),
    ],
)
def test_a_result_of_too_many_digits_is_a_fault_of_the_facts(decision: str, facts: dict[str, object]) -> None:
    desk = desk_of(book_of(BOOK))
    with pytest.raises(FactsError, match="too many digits") as caught:
        ask(desk, decision, facts)
    assert [f.code for f in caught.value.report] == [Code.FACT_ARITHMETIC]
    assert ask(desk, decision, {"n": "2", "many": ["1", "2"]}).outputs["o"] is not None

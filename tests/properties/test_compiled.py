"""A compiled formula gives what the walk over its tree gives, faults included."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policybook.cells.words import formula_text
from policybook.model import formula as m
from policybook.model import kinds as k
from policybook.model.calendar import Place
from policybook.model.compiled import compiled
from policybook.model.evaluate import evaluate
from policybook.model.faults import FormulaError
from policybook.model.formula import Const, Formula, Get, Ref, Role
from policybook.values import Value
from properties.test_engine_equals_reference import FIGURES, POOLS, RECORD, RECORDS, SCALARS, TURN, Maker, beside, facts

PLACE = Place.of("Asia/Shanghai", None)


def outcome(compute: object) -> object:
    try:
        value = compute()  # type: ignore[operator]
    except FormulaError as e:
        return f"fault: {e}"
    return (type(value), value)


@settings(max_examples=600)
@given(st.lists(st.integers(0, 719), min_size=60, max_size=300), st.integers(0, 2**32))
def test_compiled_formulas_say_what_the_tree_says(choices: list[int], seed: int) -> None:
    drawn = iter(choices)
    maker = Maker(lambda n: next(drawn, 0) % n, SCALARS)
    formula = maker.formula(maker.one(SCALARS), 4)
    run = compiled(formula, PLACE)
    random = Random(seed)  # noqa: S311 - points to compare, not secrets
    for _ in range(6):
        env: dict[str, Value] = {
            **facts(random, TURN),
            **{n: beside(random, random.choice(POOLS[kind]), kind) for n, kind in FIGURES.items()},
        }
        said = outcome(lambda env=env: run(env))
        assert said == outcome(lambda env=env: evaluate(formula, env, PLACE)), formula_text(formula)


A, B, GONE = Ref("a", Role.INPUT, k.INTEGER), Ref("b", Role.INPUT, k.INTEGER), Ref("gone", Role.INPUT, k.INTEGER)
DAY, RS = Ref("day", Role.INPUT, k.DATE), Ref("rs", Role.INPUT, RECORDS)
ENV: dict[str, Value] = {
    "a": Fraction(6),
    "b": Fraction(0),
    "day": date(9999, 12, 31),
    "rs": ({"amount": Fraction(2), "on": None}, None),
    "r": {"amount": Fraction(3)},
}
NULL = Const(None, k.NULL)


@pytest.mark.parametrize(
    ("formula", "wanted"),
    [
        (m.Arith("/", A, B, k.NUMBER), "fault: division by zero"),
        (m.Arith("/", A, Const(Fraction(4), k.INTEGER), k.NUMBER), (Fraction, Fraction(3, 2))),
        (m.Arith("+", A, GONE, k.NUMBER), (type(None), None)),
        (m.Arith("+", DAY, Const(timedelta(days=1), k.DURATION), k.DATE), "fault: the result is out of range"),
        (m.Compare("=", GONE, NULL), (bool, True)),
        (m.Compare("!=", GONE, NULL), (bool, False)),
        (m.Compare("=", A, NULL), (bool, False)),
        (m.Compare("!=", A, NULL), (bool, True)),
        (m.Compare("<", A, NULL), (bool, False)),
        (m.Logic("or", m.Compare("<", A, GONE), m.Not(m.Compare("<", A, GONE))), (bool, True)),
        (m.Choose(m.Compare(">", A, B), m.Arith("-", A, B, k.INTEGER), m.Arith("/", A, B, k.NUMBER), k.NUMBER), (Fraction, Fraction(6))),
        (Get(RS, "amount", k.list_of(k.MONEY)), (tuple, (Fraction(2), None))),
        (Get(Ref("r", Role.ITEM, RECORD), "amount", k.MONEY), (Fraction, Fraction(3))),
        (Get(Ref("gone", Role.ITEM, RECORD), "amount", k.MONEY), (type(None), None)),
        (m.Call("max", (A, B), k.INTEGER), (Fraction, Fraction(6))),
        (m.Call("abs", (GONE,), k.INTEGER), (type(None), None)),
        (m.Call("coalesce", (GONE, A), k.INTEGER), (Fraction, Fraction(6))),
        (m.Call("abs", (m.Arith("/", A, B, k.NUMBER),), k.NUMBER), "fault: division by zero"),
        (m.ListOf((A, B), k.INTEGER), (tuple, (Fraction(6), Fraction(0)))),
        (m.Member(A, m.ListOf((A, B), k.INTEGER)), (bool, True)),
        (m.Member(A, Ref("gone", Role.INPUT, k.list_of(k.INTEGER))), (bool, False)),
    ],
)
def test_each_kind_of_formula(formula: Formula, wanted: object) -> None:
    assert outcome(lambda: compiled(formula, PLACE)(ENV)) == wanted
    assert outcome(lambda: evaluate(formula, ENV, PLACE)) == wanted

"""A formula over columns gives in every row what it gives for that row alone, faults included."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policybook.cells.frame import Frame
from policybook.cells.vectors import ROOM, Coded, Numbers, Vector, combined, listed
from policybook.cells.words import formula_text
from policybook.model import formula as m
from policybook.model import kinds as k
from policybook.model.calendar import Place
from policybook.model.compiled import compiled
from policybook.model.faults import FormulaError
from policybook.model.formula import Const, Formula, Ref, Role
from policybook.model.kinds import Base, Kind
from policybook.values import Value
from properties.test_engine_equals_reference import FIGURES, INPUTS, OUTPUTS, POOLS, SCALARS, TURN, Maker, beside, facts

PLACE = Place.of("Asia/Shanghai", None)
KINDS: dict[str, Kind] = {**INPUTS, **OUTPUTS, **FIGURES}
FAULT = "fault"
HUGE = (Fraction(2**70), Fraction(1, 2**70), Fraction(ROOM), Fraction(-ROOM + 1), Fraction(10**9, 7), Fraction(2**40, 3**20))


def vector_of(values: list[Value], base: Base, random: Random) -> Vector:
    """Choose one of the ways in which a column can stand."""
    plain = listed(values)
    if base not in k.ORDERED or random.random() < 0.3:
        return plain
    return plain.numbers(base) or plain


def check(formula: Formula, rows: list[dict[str, Value]], seed: int) -> None:
    random = Random(seed)  # noqa: S311 - ways to state a column, not secrets
    names = dict.fromkeys(n for row in rows for n in row)
    vectors = {n: vector_of([r.get(n) for r in rows], KINDS[n].base if n in KINDS else Base.RECORD, random) for n in names}
    frame = Frame(len(rows), PLACE, vectors)
    made, bad = frame.compute(formula)
    assert len(made) == len(rows)
    run = compiled(formula, PLACE)
    for i, row in enumerate(rows):
        try:
            wanted: object = run(row)
        except FormulaError:
            wanted = FAULT
        got: object = FAULT if bad is not None and bad[i] else made.at(i)
        assert (type(got), got) == (type(wanted), wanted), (formula_text(formula), row)
        if got is not FAULT:
            assert made.coded().at(i) == wanted
    assert not frame.left.any()


@settings(max_examples=700)
@given(st.lists(st.integers(0, 719), min_size=60, max_size=300), st.integers(0, 2**32))
def test_columns_give_what_each_row_gives(choices: list[int], seed: int) -> None:
    drawn = iter(choices)
    maker = Maker(lambda n: next(drawn, 0) % n, SCALARS)
    formula = maker.formula(maker.one(SCALARS), 4)
    random = Random(seed)  # noqa: S311 - points to compare, not secrets
    rows: list[dict[str, Value]] = []
    for _ in range(random.randrange(1, 7)):
        row = {**facts(random, TURN), **{n: beside(random, random.choice(POOLS[kind]), kind) for n, kind in FIGURES.items()}}
        if random.random() < 0.2:
            row["n1"], row["m2"] = random.choice(HUGE), random.choice(HUGE)
        rows.append(row)
    check(formula, rows, seed)


N1, N2 = Ref("n1", Role.INPUT, k.NUMBER), Ref("n2", Role.INPUT, k.NUMBER)


@pytest.mark.parametrize("op", ["+", "-", "*", "/"])
def test_numbers_without_room_stay_exact(op: str) -> None:
    rows: list[dict[str, Value]] = [{"n1": a, "n2": b} for a in HUGE for b in (*HUGE, Fraction(0), None)]
    for seed in range(4):
        check(m.Arith(op, N1, N2, k.NUMBER), rows, seed)
        check(m.Compare("<", m.Arith(op, N1, N2, k.NUMBER), Const(Fraction(7), k.NUMBER)), rows, seed)


def test_what_is_not_looked_at_has_no_fault() -> None:
    broken = m.Compare(">", m.Arith("/", N1, N2, k.NUMBER), Const(Fraction(1), k.NUMBER))
    safe = m.Compare("!=", N2, Const(Fraction(0), k.NUMBER))
    rows: list[dict[str, Value]] = [{"n1": Fraction(3), "n2": b} for b in (Fraction(0), Fraction(2), None)]
    for formula in (m.Logic("and", safe, broken), m.Logic("or", m.Not(safe), broken), m.Choose(safe, broken, safe, k.BOOLEAN), broken):
        check(formula, rows, 0)


def test_a_number_stands_where_it_is() -> None:
    made = Coded(listed([]).codes, ()).numbers(Base.MONEY)
    assert made is not None
    assert len(made) == 0
    assert listed([Fraction(1, 2**62)]).numbers(Base.NUMBER) is None
    assert listed([Fraction(ROOM)]).numbers(Base.NUMBER) is None
    half = listed([Fraction(1, 2), None]).numbers(Base.NUMBER)
    assert isinstance(half, Numbers)
    assert [half.at(0), half.at(1)] == [Fraction(1, 2), None]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 1)), max_size=12), st.sampled_from([1, 2**40]))
def test_combinations_are_numbered(rows: list[tuple[int, int, int]], wide: int) -> None:
    columns = [Coded(listed([None] * len(rows)).codes * 0 + [r[i] for r in rows], ()) for i in range(3)] if rows else []
    parts = [(c.codes, size * wide) for c, size in zip(columns, (3, 5, 2), strict=False)]
    numbers, combinations = combined(parts, len(rows))
    assert [combinations[n] for n in numbers] == rows
    assert len(set(combinations)) == len(combinations)

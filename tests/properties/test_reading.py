"""A book read with values that are not known yet means what it means when they are known.

Random tables of every type and every unary test (those of the engine's own test): once all inputs are put in, each row's condition must
come out as the plain reading says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
import z3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policybook.analyse.reading import Reading, Scope, Table
from policybook.analyse.symbols import Solver, Term
from policybook.engine.reference import matching_rows
from policybook.model.book import Book
from policybook.model.faults import FormulaError
from policybook.values import Value
from properties.test_engine_equals_reference import (
    INPUTS,
    MAX_CHOICES,
    MIN_CHOICES,
    OUTPUTS,
    RECORD,
    THEMES,
    TURN,
    facts,
    table_from,
)

EXAMPLES = int(os.environ.get("POLICYBOOK_EXAMPLES", "500"))
FAR = (date(1000, 1, 1), date(9000, 1, 1), datetime(9000, 1, 1, tzinfo=UTC), timedelta(days=900_000))


def is_near(value: Value) -> bool:
    """Tell whether analysis speaks of a value: days of the years 1000 to 9000, lengths of this age."""
    if isinstance(value, datetime):
        return value < FAR[2]
    if isinstance(value, date):
        return FAR[0] < value < FAR[1]
    return abs(value) < FAR[3] if isinstance(value, timedelta) else True


def known(made: Book, era: int, stated: Mapping[str, Value]) -> tuple[Reading, Scope]:
    """Return a reading with everything put in."""
    solver = Solver()
    reading = Reading(made, era, solver, unrolled=True)
    kinds = {**INPUTS, "as_of": None, "now": None}
    for name, value in stated.items():
        kind = kinds.get(name)
        if kind is not None:
            reading.inputs[name] = solver.constant(value, kind)
    reading.inputs["as_of"] = solver.constant(stated["as_of"], INPUTS["d1"])
    reading.inputs["now"] = solver.constant(stated["now"], INPUTS["dt1"])
    decision = made.decisions[0]
    published: dict[str, Term] = {n.partition(".")[2]: solver.constant(stated[n], kind) for n, kind in OUTPUTS.items()}
    reading._tables["other"] = Table(decision, (), (), published, False)
    return reading, Scope(decision, {"item": solver.constant(stated["item"], RECORD)}, 1)


def settled(reading: Reading, condition: object) -> bool:
    """Return whether a condition holds, everything being known."""
    if isinstance(condition, bool):
        return condition
    plain = z3.simplify(condition)
    if z3.is_true(plain) or z3.is_false(plain):
        return bool(z3.is_true(plain))
    solver = z3.SimpleSolver(ctx=reading.solver.ctx)
    solver.add(*(reading.solver.expr(a) for a in reading.axioms), condition)
    while solver.check() == z3.sat:
        lemmas = reading.corrections(solver.model())
        if not lemmas:
            return True
        solver.add(*(reading.solver.expr(c) for c in lemmas))
    return False


@pytest.mark.slow
@pytest.mark.parametrize("theme", THEMES)
@settings(max_examples=max(1, EXAMPLES // len(THEMES)), deadline=None, suppress_health_check=list(HealthCheck))
@given(choices=st.binary(min_size=MIN_CHOICES, max_size=MAX_CHOICES), seed=st.integers(0, 2**32))
def test_a_reading_says_what_the_table_says(theme: str, choices: bytes, seed: int) -> None:
    made = table_from(choices, THEMES[theme][0]).book
    # The values of these tables may use the item: they are the decision's own.
    made = replace(made, values=(), decisions=(replace(made.decisions[0], values=made.values),))
    random = Random(seed)  # noqa: S311 - points to compare, not secrets
    decision = made.decisions[0]
    for _ in range(3):
        day = random.choice((TURN, TURN - timedelta(days=1)))
        stated = {n: v if is_near(v) else None for n, v in facts(random, day).items()}
        stated["as_of"], stated["now"] = day, datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
        try:
            wanted = matching_rows(made, decision, day, stated)
        except FormulaError:
            continue
        reading, scope = known(made, made.era(day), stated)
        rows = [r for r in decision.rows if r.effective.covers(day)]
        got = tuple(i for i, r in enumerate(rows) if settled(reading, reading.row_matches(r, scope)))
        assert got == wanted, (stated, table_from(choices, THEMES[theme][0]))

"""Whole columns fall into the cells into which each request falls alone: random tables of every type and test."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policybook.cells.frame import Frame
from policybook.cells.many import ManyCells
from policybook.cells.plain import may_fault
from policybook.cells.vectors import Vector, constant
from policybook.engine.program import Program
from policybook.model.faults import FormulaError
from policybook.model.kinds import Base
from policybook.values import Value
from properties.test_engine_equals_reference import (
    INPUTS,
    MAX_CHOICES,
    MIN_CHOICES,
    OUTPUTS,
    THEMES,
    TURN,
    Table,
    facts,
    table_from,
)
from properties.test_frame import vector_of

KINDS = {**INPUTS, **OUTPUTS}


def compare(table: Table, seed: int) -> tuple[int, int]:
    """Compare; return how many requests there were without a fault, and how many of these were left."""
    made = table.book
    random = Random(seed)  # noqa: S311 - points to compare, not secrets
    program = Program.of(made)
    if not program.check().ok:
        return 0, 0
    day = random.choice((TURN, TURN - timedelta(days=1)))
    era = made.era(day)
    grid = program.grid("table", era)
    rows = [facts(random, day) for _ in range(random.randrange(1, 24))]
    vectors: dict[str, Vector] = {
        name: vector_of([r[name] for r in rows], KINDS[name].base if name in KINDS else Base.RECORD, random)
        for name in rows[0]
        if name not in ("as_of", "now")
    }
    vectors |= {name: constant(rows[0][name], len(rows)) for name in ("as_of", "now")}
    figures: dict[str, Value] = {p.name: v.value for p in made.parameters if (v := p.on(day)) is not None}
    vectors |= {name: constant(value, len(rows)) for name, value in figures.items()}
    frame = Frame(len(rows), made.zone, vectors)
    # As in a service, where what uses a derived value finds it computed; or as the self-check does, without.
    if random.random() < 0.5:
        for value in made.values:
            frame.derive(value.name, value.formula)
            if may_fault(grid.plain.of(value.formula)):
                frame.get(value.name)
    numbers, cells = ManyCells(grid).cells(frame)
    plain = left = 0
    for i, row in enumerate(rows):
        try:
            wanted = grid.cell(row)
        except FormulaError:
            assert frame.left[i], f"no fault by columns: {row}"
            continue
        plain += 1
        if frame.left[i]:
            left += 1
        else:
            assert cells[numbers[i]] == wanted, row
    assert len(cells) == len(set(cells))
    assert bool(cells) == bool(np.any(~frame.left))
    return plain, left


@pytest.mark.slow
@pytest.mark.parametrize("theme", THEMES)
def test_columns_fall_into_the_cells_of_their_rows(theme: str) -> None:
    seen = [0, 0]

    @settings(max_examples=400, suppress_health_check=list(HealthCheck), deadline=None, database=None)
    @given(st.binary(min_size=MIN_CHOICES, max_size=MAX_CHOICES), st.integers(0, 2**32))
    def check(choices: bytes, seed: int) -> None:
        plain, left = compare(table_from(choices, THEMES[theme][0]), seed)
        seen[0] += plain
        seen[1] += left

    check()
    # Left is what is not plain, and nothing else: dates near the ends of the calendar for the most part.
    assert seen[1] <= 0.35 * seen[0], seen

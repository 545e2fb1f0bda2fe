"""The self-check at load: engine, codes and reference compared on the boundaries of every table.

Two comparisons. By codes: for each row and axis the cells on its boundaries and beside them, the engine against the sets of
codes. By values: facts on each boundary, just below and just above, the whole way (cell, engine) against the reference,
which reads the tests as written. What is too much for a large table is sampled evenly, and said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from policybook.cells.axes import Axis
from policybook.cells.codes import Ranges
from policybook.cells.grid import Cell, Grid
from policybook.cells.samples import Facts, ordinary_facts, reaching
from policybook.cells.words import value_text
from policybook.diagnostics import Code, Finding, Report, Severity
from policybook.engine.program import Program
from policybook.engine.reference import Reading, row_matches, rows_in_force
from policybook.errors import EngineError
from policybook.model.book import Book
from policybook.model.faults import FormulaError
from policybook.values import Value

# Bounds of one table, so that many rows cost seconds, not minutes; a table of 30 rows and 5 columns is below all of them.
MAX_CELLS = 4_000
MAX_CELLS_LARGE = 300
MAX_ROWS_READ = 20_000
MAX_FACTS_LARGE = 100
# More rows than this make a table large; of a large table's rows only some are read for each facts.
LARGE = 200
_ROWS_READ = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfCheck:
    """What was compared.

    Args:
        report: differences; empty when all is well
        cells: points compared by code
        facts: points compared by value
        skipped: boundaries for which no facts could be made
        sampled: the tables that have more boundaries than were compared
    """

    report: Report
    cells: int
    facts: int
    skipped: int
    sampled: tuple[str, ...]

    @property
    def compared(self) -> int:
        return self.cells + self.facts

    def __str__(self) -> str:
        text = f"{self.cells:,} cells and {self.facts:,} requests compared, {len(self.report)} differences, {self.skipped:,} boundaries without facts"
        return f"{text}; sampled: {', '.join(self.sampled)}" if self.sampled else text


@dataclass(slots=True)
class _Tally:
    findings: list[Finding] = field(default_factory=list)
    cells: int = 0
    facts: int = 0
    skipped: int = 0
    sampled: list[str] = field(default_factory=list)


def self_check(book: Book, program: Program) -> SelfCheck:
    """Compare engine and reference on the boundaries of every table, in every era in which it differs."""
    tally = _Tally()
    seen: set[int] = set()
    for decision in book.decisions:
        for era in range(len(book.change_dates) + 1):
            grid = program.grid(decision.name, era)
            if id(grid) in seen:
                continue
            seen.add(id(grid))
            check_table(program, grid, tally)
    return SelfCheck(
        report=Report.of(tally.findings),
        cells=tally.cells,
        facts=tally.facts,
        skipped=tally.skipped,
        sampled=tuple(dict.fromkeys(tally.sampled)),
    )


def check_table(program: Program, grid: Grid, tally: _Tally) -> None:
    """Compare one table in one era."""
    large = len(grid.rows) > LARGE
    try:
        _by_codes(program, grid, tally, MAX_CELLS_LARGE if large else MAX_CELLS)
        _by_values(program, grid, tally, MAX_FACTS_LARGE if large else MAX_ROWS_READ // max(1, len(grid.rows)))
    except EngineError as e:
        tally.findings.append(_finding(grid, None, f"the engine failed on `{grid.decision.name}`: {e}"))
    except Exception as e:  # noqa: BLE001 - a book that breaks the check must not be served, nor break what serves the others
        tally.findings.append(_finding(grid, None, f"`{grid.decision.name}` cannot be checked: {type(e).__name__}: {e}"))


def _finding(grid: Grid, row: int | None, message: str) -> Finding:
    span = grid.decision.span if row is None else grid.rows[row].span
    return Finding(code=Code.ENGINE_DISAGREES, severity=Severity.ERROR, message=message, span=span)


def _spread(count: int, most: int) -> range:
    """Choose at most so many of a count of things, evenly."""
    return range(0, count, max(1, -(-count // most)))


def _boundaries(grid: Grid) -> int:
    return 1 + sum(7 * len(ranges) for made in grid.terms for term in made for _, ranges in term)


def _codes_beside(axis: Axis, ranges: Ranges) -> list[int]:
    """Return the codes at the ends of a set and beside them: a cut and both its sides; and null."""
    # Of two neighbouring codes one is the cut itself: two steps out reach its other side.
    codes = {c for low, high in ranges for c in (low - 2, low - 1, low, high, high + 1, high + 2) if 0 <= c < axis.size}
    return sorted(codes if axis.null_code is None else codes | {axis.null_code})


def _by_codes(program: Program, grid: Grid, tally: _Tally, most: int) -> None:
    rows_passed = _rows_passed(grid)
    if not grid.axes:
        _compare_cell(program, grid, tally, (), rows_passed(()))
        return
    total = _boundaries(grid)
    rows = _spread(len(grid.rows), max(1, most * len(grid.rows) // total))
    if len(rows) < len(grid.rows):
        tally.sampled.append(grid.decision.name)
    seen: set[Cell] = set()
    for row in rows:
        for term in grid.terms[row]:
            allowed = dict(term)
            base = [allowed[a][0][0] if a in allowed else (row + a) % axis.size for a, axis in enumerate(grid.axes)]
            for a, ranges in term or ((0, ((0, 0),)),):
                for code in _codes_beside(grid.axes[a], ranges):
                    cell = (*base[:a], code, *base[a + 1 :])
                    if cell not in seen:
                        seen.add(cell)
                        _compare_cell(program, grid, tally, cell, rows_passed(cell))


def _rows_passed(grid: Grid) -> Callable[[Cell], tuple[int, ...]]:
    """Return what tells the rows that match a cell by their codes: row by row, of a large table all rows at once."""
    if len(grid.rows) <= LARGE:
        return grid.rows_passed
    flat = [(row, dict(term)) for row, made in enumerate(grid.terms) for term in made]
    rows = np.array([row for row, _ in flat], dtype=np.int32)
    firsts = np.array([[t[a][0][0] if a in t else 0 for a in range(len(grid.axes))] for _, t in flat], dtype=np.int32)
    lasts = np.array([[t[a][-1][1] if a in t else axis.size for a, axis in enumerate(grid.axes)] for _, t in flat], dtype=np.int32)

    def passed(cell: Cell) -> tuple[int, ...]:
        codes = np.array(cell, dtype=np.int32)
        near = rows[((firsts <= codes) & (codes <= lasts)).all(axis=1)] if len(rows) else rows
        # Between its first and its last code a set may have holes.
        return tuple([row for row in dict.fromkeys(near.tolist()) if grid.row_passed(row, cell)])

    return passed


def _compare_cell(program: Program, grid: Grid, tally: _Tally, cell: Cell, wanted: tuple[int, ...]) -> None:
    matched = program.match(grid.decision.name, grid.era, cell)
    tally.cells += 1
    if matched != wanted:
        row = next(iter(sorted(set(matched) ^ set(wanted))), None)
        tally.findings.append(
            _finding(grid, row, f"cell {cell} of `{grid.decision.name}`: the engine matches rows {matched}, their codes {wanted}")
        )


def _by_values(program: Program, grid: Grid, tally: _Tally, most: int) -> None:
    base = ordinary_facts(grid)
    seen = {_frozen(base)}
    if rows_in_force(grid.decision, grid.book.era_day(grid.era)) != grid.rows:
        tally.findings.append(_finding(grid, None, f"`{grid.decision.name}` has other rows in force than its grid"))
        return
    _compare_facts(program, grid, tally, base, 0)
    if not grid.axes:
        return
    total = _boundaries(grid)
    rows = _spread(len(grid.rows), max(1, most * len(grid.rows) // total))
    if len(rows) < len(grid.rows):
        tally.sampled.append(grid.decision.name)
    for row in rows:
        for term in grid.terms[row][:2]:
            at = base
            for a, ranges in term:
                moved = _reached(grid, a, ranges[0][0], at)
                at = moved if moved is not None else at
            for a, ranges in term:
                for code in _codes_beside(grid.axes[a], ranges):
                    moved = _reached(grid, a, code, at)
                    if moved is None:
                        tally.skipped += 1
                        continue
                    # Of a large table each row has others read beside it.
                    key = (row, _frozen(moved)) if len(grid.rows) > LARGE else _frozen(moved)
                    if key not in seen:
                        seen.add(key)
                        _compare_facts(program, grid, tally, moved, row)


def _frozen(value: object) -> object:
    """Make of facts what a set can hold; of one name all values are of one kind, so that equal ones are the same."""
    if isinstance(value, Mapping):
        return tuple([(k, _frozen(v)) for k, v in value.items()])
    return tuple([_frozen(v) for v in value]) if isinstance(value, tuple) else value


def _reached(grid: Grid, axis: int, code: int, at: Mapping[str, Value]) -> Facts | None:
    try:
        return reaching(grid, grid.axes[axis], code, at)
    except FormulaError:
        return None


def _compare_facts(program: Program, grid: Grid, tally: _Tally, facts: Facts, focus: int) -> None:
    name = grid.decision.name
    day = grid.book.era_day(grid.era)
    rows = grid.rows
    try:
        matched = frozenset(program.match(name, grid.era, grid.cell(facts)))
        fault = ""
    except FormulaError as e:
        matched, fault = frozenset(), str(e)
    env = Reading(grid.book, grid.decision, day, facts)
    everything = len(rows) <= LARGE
    read = range(len(rows)) if everything else sorted({focus, *matched, *_spread(len(rows), _ROWS_READ)})
    tally.facts += 1
    try:
        wanted = frozenset(i for i in read if row_matches(rows[i], env, grid.book))
    except FormulaError as e:
        if not fault:
            tally.findings.append(
                _finding(grid, None, f"`{name}`: a test has no result ({e}), yet the engine answers; {_shown(grid, facts)}")
            )
        return
    if fault:
        # Of a large table only some rows were read: the fault may well be another's.
        if everything:
            tally.findings.append(_finding(grid, None, f"`{name}`: a fault ({fault}) that no test has; {_shown(grid, facts)}"))
        return
    for row in sorted(matched ^ wanted):
        says, reads = ("matches", "does not") if row in matched else ("does not match", "does")
        tally.findings.append(
            _finding(grid, row, f"row `{rows[row].id}` {says} by the engine and {reads} by its tests; {_shown(grid, facts)}")
        )


def _shown(grid: Grid, facts: Mapping[str, Value]) -> str:
    kinds = {a.name: a.kind for a in grid.atoms}
    parts = [f"{n} = {value_text(v, kinds[n]) if n in kinds else v}" for n, v in facts.items()]
    return ", ".join(parts)[:600]

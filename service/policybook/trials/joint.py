"""A table and all its mutants on one grid: the cell of a request tells which rows match in each of them.

The rows of the table come first, then the changed rows of its mutants; each mutant is a line-up of some of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

from policybook.analyse.boxes import Box, Piece, merged, piece
from policybook.analyse.difference_joint import test_in
from policybook.cells.axes import Env
from policybook.cells.grid import Cell, Grid
from policybook.cells.plain import Plain, may_fault
from policybook.model.book import ALWAYS, Book, Decision, Row
from policybook.model.faults import FormulaError
from policybook.model.formula import Arith, Formula, children, test_formulas
from policybook.trials.mutants import Mutant


class Fallen(tuple[int, ...]):
    """A cell on the table's own grid: on the joint one a formula of some mutant has no result for the request."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JointGrid(Grid):
    """The joint grid seen as that of one line-up.

    Args:
        own: returns the grid of that line-up alone
    """

    own: Callable[[], Grid]

    def cell(self, env: Env) -> Cell:
        """Return the joint cell of a request, or a Fallen one."""
        try:
            return Grid.cell(self, env)
        except FormulaError:
            return Fallen(self.own().cell(env))

    def rows_passed(self, codes: Cell) -> tuple[int, ...]:
        """Return every row of the line-up that matches."""
        if isinstance(codes, Fallen):
            return self.own().rows_passed(codes)
        return tuple(i for i, made in enumerate(self.conditions) if all(self.cell_passed(i, j, codes) for j in range(len(made))))


@dataclass(frozen=True, slots=True)
class Lineup:
    """The rows of one version of a table, those in force on one day.

    Args:
        order: for each its number among the joint rows; two rows with the same tests have the same
        changed: places of the rows whose outputs differ from the table's own of that id
        default_changed: its default says something else
    """

    rows: tuple[Row, ...]
    order: tuple[int, ...]
    default: Row | None
    changed: frozenset[int] = frozenset()
    default_changed: bool = False

    def row(self, at: int | None) -> Row | None:
        """Return a row by its place; None is the default."""
        return self.default if at is None else self.rows[at]


class Joint:
    """One table with some of its mutants in one era.

    Args:
        own: mutants of this table; `figures` changed figures that it may read
    """

    def __init__(self, book: Book, decision: Decision, era: int, own: Sequence[Mutant], figures: Sequence[Mutant]) -> None:
        self.book = book
        self.decision = decision
        self.era = era
        self._day = book.era_day(era)
        shared = Plain(book, self._day)
        self._plain = shared.within(decision)
        self._rows: list[Row] = [r for r in decision.rows if r.effective.covers(self._day)]
        self._own = {r.id: i for i, r in enumerate(self._rows)}
        self._by_cells: dict[int, int] = {}
        self.base = Lineup(tuple(self._rows), tuple(range(len(self._rows))), decision.default)
        self._regions: dict[int, int] = {}
        self._numbers: dict[frozenset[Box], int] = {}
        # By identity: the outputs are kept beside, so that the id stays theirs.
        self._said: dict[int, tuple[object, tuple[Formula, ...]]] = {}
        # Not on the joint grid: the mutant's tests may have no result where the table's have one, or hide behind a name.
        self.apart: set[tuple[str, int]] = set()
        self._lineups: dict[tuple[str, int], Lineup] = {}
        for mutant in own:
            if mutant.table is not None:
                self._lineups[mutant.decision, mutant.number] = self._of_table(mutant.table)
        for mutant in figures:
            made = self._of_figure(mutant)
            if made is not None:
                self._lineups[mutant.decision, mutant.number] = made
        self.own_grid = Grid.of(book, decision, era, shared)
        joint = replace(decision, rows=tuple(replace(r, effective=ALWAYS) for r in self._rows))
        self.grid = Grid.of(book, joint, era, shared)

    def lineup(self, mutant: Mutant) -> Lineup | None:
        """Return the rows of a mutant; None where it leaves this table as it is."""
        return self._lineups.get((mutant.decision, mutant.number))

    def is_apart(self, mutant: Mutant) -> bool:
        """Tell that a mutant cannot be compared on the joint grid."""
        return (mutant.decision, mutant.number) in self.apart

    def _of_table(self, table: Decision) -> Lineup:
        rows = tuple(r for r in table.rows if r.effective.covers(self._day))
        own = {r.id: r for r in self.base.rows}
        changed = frozenset(i for i, r in enumerate(rows) if r.outputs is not own[r.id].outputs)
        default = table.default
        default_changed = default is not None and default is not self.decision.default
        return Lineup(rows, tuple(self._number(r) for r in rows), default, changed, default_changed)

    def _number(self, row: Row) -> int:
        """Return the number of a row's tests among the joint rows."""
        at = self._own[row.id]
        if row.cells is self._rows[at].cells:
            return at
        # By identity: the row is kept, so that the id stays its own.
        at = self._by_cells.get(id(row.cells), -1)
        if at < 0:
            at = self._by_cells[id(row.cells)] = len(self._rows)
            self._rows.append(row)
        return at

    def _of_figure(self, mutant: Mutant) -> Lineup | None:
        book = mutant.book(self.book)
        plain = Plain(book, self._day).within(self.decision)
        order: list[int] = []
        rows: list[Row] = []
        changed: set[int] = set()
        apart = self._is_hidden(plain)
        for i, row in enumerate(self.base.rows):
            made = row
            if any(plain.of(f) != self._plain.of(f) for f in _tested(row)):
                apart |= any(_may_divide_by_zero(plain.of(f)) for f in _tested(row))
                cells = tuple(replace(c, subject=plain.of(c.subject), test=test_in(c.test, plain.of)) for c in row.cells)
                made = replace(row, cells=cells)
            if _says_otherwise(row, plain, self._plain):
                changed.add(i)
                made = replace(made, outputs=tuple(replace(o, formula=plain.of(o.formula)) for o in row.outputs))
            rows.append(made)
            order.append(i if made.cells is row.cells else self._number(made))
        default = self.decision.default
        default_changed = default is not None and _says_otherwise(default, plain, self._plain)
        if default is not None and default_changed:
            default = replace(default, outputs=tuple(replace(o, formula=plain.of(o.formula)) for o in default.outputs))
        if apart:
            self.apart.add((mutant.decision, mutant.number))
        elif tuple(order) == self.base.order and not changed and not default_changed:
            return None
        return Lineup(tuple(rows), tuple(order), default, frozenset(changed), default_changed)

    def _is_hidden(self, plain: Plain) -> bool:
        """Tell whether a figure changes what a table looks at otherwise than by the formulas of its rows."""
        each = self.decision.for_each
        return plain.large != self._plain.large or (each is not None and plain.of(each.source) != self._plain.of(each.source))

    def view(self, decision: Decision, lineup: Lineup, own: Callable[[], Grid]) -> JointGrid:
        """Return the joint grid as that of a line-up of a decision, for the decider."""
        grid = self.grid
        parts = {f.name: getattr(grid, f.name) for f in fields(Grid)}
        parts |= {
            "decision": decision,
            "rows": lineup.rows,
            "terms": tuple(grid.terms[i] for i in lineup.order),
            "conditions": tuple(grid.conditions[i] for i in lineup.order),
        }
        return JointGrid(**parts, own=own)

    @cached_property
    def base_view(self) -> JointGrid:
        """The joint grid as that of the table itself."""
        return self.view(self.decision, self.base, lambda: self.own_grid)

    def passed(self, numbers: Iterable[int], cell: Cell) -> tuple[int, ...]:
        """Return the places in a line-up of the rows that match a joint cell."""
        made = self.grid.conditions
        return tuple(at for at, i in enumerate(numbers) if all(self.grid.cell_passed(i, j, cell) for j in range(len(made[i]))))

    # Regions

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The terms of the joint rows as pieces, in order."""
        axes = len(self.grid.axes)
        return tuple(piece(row, term, axes) for row, made in enumerate(self.grid.terms) for term in made)

    def pieces_of(self, *lineups: Lineup) -> tuple[Piece, ...]:
        """Return the pieces of the rows of some line-ups."""
        wanted = {i for lineup in lineups for i in lineup.order}
        return tuple(p for p in self.pieces if p.row in wanted)

    def region(self, number: int, domain: Box) -> frozenset[Box]:
        """Return the cells that a joint row matches, within what can occur at all; equal regions mostly look equal."""
        axes = len(self.grid.axes)
        boxes = [b for term in self.grid.terms[number] if (b := piece(number, term, axes).within(domain)) is not None]
        return frozenset(merged(boxes))

    def sign(self, lineup: Lineup, domain: Box) -> object:
        """Return what two line-ups that decide alike have in common: regions, and outputs as plain formulas, row by row."""
        rows = tuple((r.id, self._region_number(i, domain), self._outputs(r)) for r, i in zip(lineup.rows, lineup.order, strict=True))
        return rows, lineup.default and self._outputs(lineup.default)

    def _region_number(self, number: int, domain: Box) -> int:
        found = self._regions.get(number)
        if found is None:
            region = self.region(number, domain)
            found = self._regions[number] = self._numbers.setdefault(region, len(self._numbers))
        return found

    def _outputs(self, row: Row) -> tuple[Formula, ...]:
        found = self._said.get(id(row.outputs))
        if found is None:
            found = self._said[id(row.outputs)] = (row.outputs, tuple(self._plain.of(o.formula) for o in row.outputs))
        return found[1]

    def is_bounded(self, lineup: Lineup) -> bool:
        """Tell that all rows of a line-up could be multiplied out, so that their regions are known."""
        refused = {f.span for f in self.grid.findings}
        return not any(self._rows[i].span in refused and not self.grid.terms[i] for i in lineup.order)

    def faults(self, lineup: Lineup) -> bool:
        """Tell whether a line-up no longer computes a formula that can refuse a request, or computes another one."""
        return _watched(self.base.rows, self._plain) != _watched(lineup.rows, self._plain)


def _tested(row: Row) -> list[Formula]:
    return [f for c in row.cells for f in (c.subject, *test_formulas(c.test))]


def _says_otherwise(row: Row, plain: Plain, own: Plain) -> bool:
    return any(plain.of(o.formula) != own.of(o.formula) for o in row.outputs)


def _may_divide_by_zero(f: Formula) -> bool:
    if isinstance(f, Arith) and f.op == "/" and may_fault(f):
        return True
    return any(_may_divide_by_zero(c) for c in children(f))


def _watched(rows: Sequence[Row], plain: Plain) -> frozenset[Formula]:
    """Return the divisions in tests that may have no result; days out of range are nobody's policy."""
    return frozenset(f for row in rows for f in map(plain.of, _tested(row)) if _may_divide_by_zero(f))

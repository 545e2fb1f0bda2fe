"""Pairs of conditions: which ways two columns of a table can come out together, and which of them the cases had.

How a column comes out for a request is the set of its distinct tests that pass: its test class. A pair is a class of one column
with a class of another. What the tests say of a cell is read off the grid's codes, so a pair that no request can have is not
counted; where that is not known, it is counted and said to be undecided.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice, product
from math import prod
from typing import Protocol

from policybook.cells import codes as c
from policybook.cells.codes import Ranges
from policybook.cells.conditions import holds
from policybook.cells.grid import Grid
from policybook.model.answer import TableTrace
from policybook.model.book import Decision
from policybook.model.formula import Anything, Test

# Pairs listed of a decision; all of them are counted.
MAX_LISTED = 200
# Cells looked at to learn how a column, or two that share an axis, can come out.
MAX_CELLS = 20_000
# Questions to the solver about one decision, and how many it may leave open (each costs seconds); beyond, pairs are undecided.
MAX_ASKED = 1_500
MAX_OPEN = 1

Box = tuple[Ranges, ...]
Class = int
"""How a column comes out: bit i is set when its test i passes."""


class Space(Protocol):
    """What can occur: `domain` is the codes of each axis that some request has, `occurs` is None where it is not known."""

    @property
    def domain(self) -> Box: ...

    def is_plain(self, box: Box) -> bool:
        """Tell that a box surely occurs, whatever its codes on the axes that it limits."""

    def occurs(self, box: Box) -> bool | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two columns with the tests of each that pass together; no test: none of the column's passes."""

    first: str
    first_passes: tuple[str, ...]
    second: str
    second_passes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{_class_text(self.first, self.first_passes)} with {_class_text(self.second, self.second_passes)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCoverage:
    """Of one decision.

    Args:
        possible: pairs that can occur, as far as is known; `undecided` of them may be impossible
        left_out: pairs of columns with too many ways to come out; of these only what was seen is counted
        missed: those that no case had, the first MAX_LISTED
    """

    seen: int
    possible: int
    undecided: int = 0
    left_out: int = 0
    missed: tuple[Pair, ...] = ()


@dataclass(frozen=True, slots=True)
class _Column:
    key: str
    tests: tuple[Test, ...]
    texts: tuple[str, ...]

    def passes(self, cls: Class) -> tuple[str, ...]:
        return tuple(t for i, t in enumerate(self.texts) if cls >> i & 1)


class PairCounter:
    """Collects how the columns of one decision came out."""

    def __init__(self, decision: Decision) -> None:
        self.columns = _columns(decision)
        self._bits = {(column.key, test): (i, 1 << j) for i, column in enumerate(self.columns) for j, test in enumerate(column.tests)}
        self._seen: dict[int, set[tuple[Class, ...]]] = {}

    def afresh(self) -> PairCounter:
        """Return one of the same columns that has seen nothing yet."""
        made = copy.copy(self)
        made._seen = {}  # noqa: SLF001 - of this class
        return made

    @property
    def eras(self) -> tuple[int, ...]:
        """The stretches of time that cases asked about."""
        return tuple(sorted(self._seen))

    def visit(self, table: TableTrace, era: int) -> None:
        """Take how one request came out; the trace must be full."""
        classes = [0] * len(self.columns)
        for verdict in table.rows:
            for cell, judged in zip(verdict.row.cells, verdict.cells, strict=False):
                if judged.passed and (bit := self._bits.get((cell.key, cell.test))) is not None:
                    classes[bit[0]] |= bit[1]
        self._seen.setdefault(era, set()).add(tuple(classes))

    def coverage(self, spaces: Iterable[tuple[Grid, Space]]) -> PairCoverage:
        """Compare with what can occur.

        Args:
            spaces: the grids of the eras that count, each with what can occur in it
        """
        eras = [_Era(grid, space, self.columns) for grid, space in spaces]
        had = [{(a, b) for rows in self._seen.values() for a, b in {(r[i], r[j]) for r in rows}} for i, j in self._pairs()]
        total = _Total()
        for (i, j), seen in zip(self._pairs(), had, strict=True):
            total.add(self.columns[i], self.columns[j], seen, [e.pairs(i, j, seen) for e in eras])
        return PairCoverage(
            seen=sum(map(len, had)),
            possible=total.possible,
            undecided=total.undecided,
            left_out=total.left_out,
            missed=tuple(total.missed),
        )

    def _pairs(self) -> Iterator[tuple[int, int]]:
        return combinations(range(len(self.columns)), 2)


@dataclass(slots=True)
class _Possible:
    """The pairs of two columns: all of `first` with all of `second`, or those of `known`; `asked` says of each whether it occurs."""

    first: Sequence[Class]
    second: Sequence[Class]
    known: Sequence[tuple[Class, Class]] | None = None
    undecided: frozenset[tuple[Class, Class]] | None = frozenset()
    too_many: bool = False

    def __iter__(self) -> Iterator[tuple[Class, Class]]:
        return iter(self.known) if self.known is not None else product(self.first, self.second)

    def __len__(self) -> int:
        return len(self.known) if self.known is not None else len(self.first) * len(self.second)


@dataclass(slots=True)
class _Total:
    possible: int = 0
    undecided: int = 0
    left_out: int = 0
    missed: list[Pair] = field(default_factory=list)

    def add(self, first: _Column, second: _Column, seen: set[tuple[Class, Class]], eras: list[_Possible]) -> None:
        self.left_out += any(e.too_many for e in eras)
        if len(eras) == 1:
            one = eras[0]
            inside = sum(1 for pair in seen if _is_in(pair, one))
            self.possible += len(one) + len(seen) - inside
            self.undecided += (len(one) - inside) if one.undecided is None else len(one.undecided)
            unseen: Iterable[tuple[Class, Class]] = (p for p in one if p not in seen)
        else:
            every = dict.fromkeys(p for e in eras for p in islice(e, MAX_CELLS))
            sure = {p for e in eras if e.undecided is not None for p in islice(e, MAX_CELLS) if p not in e.undecided}
            self.possible += len(every.keys() | seen)
            self.undecided += len(every.keys() - seen - sure)
            unseen = (p for p in every if p not in seen)
        for a, b in islice(unseen, MAX_LISTED - len(self.missed)):
            self.missed.append(Pair(first=first.key, first_passes=first.passes(a), second=second.key, second_passes=second.passes(b)))


def _is_in(pair: tuple[Class, Class], possible: _Possible) -> bool:
    if possible.known is not None:
        return pair in possible.known
    return pair[0] in possible.first and pair[1] in possible.second


class _Era:
    """How the columns can come out in one era."""

    def __init__(self, grid: Grid, space: Space, columns: Sequence[_Column]) -> None:
        self.grid = grid
        self.space = space
        self.columns = columns
        conditions = {(cell.key, cell.test): grid.conditions[i][j] for i, row in enumerate(grid.rows) for j, cell in enumerate(row.cells)}
        self.conditions = [[conditions.get((col.key, t), False) for t in col.tests] for col in columns]
        self.axes = [tuple(sorted(set().union(*(_axes_of(k) for k in made)))) for made in self.conditions]
        self.classes = [self.by_codes((i,)) for i in range(len(columns))]
        self.asked = 0
        self.open = 0

    def by_codes(self, columns: tuple[int, ...]) -> dict[tuple[Class, ...], list[tuple[int, ...]]] | None:
        """Return how columns come out together, with the codes on their axes that make it so; None where there are too many."""
        axes = sorted(set().union(*(self.axes[i] for i in columns)))
        if prod(c.count(self.space.domain[a]) for a in axes) > MAX_CELLS:
            return None
        cell = [0] * len(self.grid.axes)
        found: dict[tuple[Class, ...], list[tuple[int, ...]]] = {}
        for codes in product(*(c.each(self.space.domain[a]) for a in axes)):
            for axis, code in zip(axes, codes, strict=True):
                cell[axis] = code
            classes = tuple(sum(1 << j for j, k in enumerate(self.conditions[i]) if holds(k, tuple(cell))) for i in columns)
            found.setdefault(classes, []).append(codes)
        return found

    def pairs(self, i: int, j: int, seen: set[tuple[Class, Class]]) -> _Possible:
        """Return how two columns can come out together; what was seen needs no proof."""
        one, other = self.classes[i], self.classes[j]
        if one is None or other is None:
            return _Possible((), (), known=(), too_many=True)
        first, second = [a for (a,) in one], [b for (b,) in other]
        shared = set(self.axes[i]) & set(self.axes[j])
        if not shared and self.space.is_plain(self.box(dict.fromkeys((*self.axes[i], *self.axes[j]), ()))):
            return _Possible(first, second)
        together = self.by_codes((i, j)) if shared else None
        if shared and together is None:
            return _Possible(first, second, undecided=None)
        candidates = list(together or ()) if shared else [(a, b) for a in first for b in second]
        axes = sorted({*self.axes[i], *self.axes[j]})
        known: list[tuple[Class, Class]] = []
        undecided: set[tuple[Class, Class]] = set()
        for a, b in candidates:
            if (a, b) not in seen:
                made = together[a, b] if together else self.joined(i, j, one[a,], other[b,])
                verdict = self.occurs(axes, made)
                if verdict is False:
                    continue
                if verdict is None:
                    undecided.add((a, b))
            known.append((a, b))
        return _Possible(first, second, known=known, undecided=frozenset(undecided))

    def joined(self, i: int, j: int, one: list[tuple[int, ...]], other: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Put the codes of two columns without a common axis side by side, in the order of the axes."""
        order = sorted(range(len(self.axes[i]) + len(self.axes[j])), key=lambda n: (*self.axes[i], *self.axes[j])[n])
        return [tuple((*a, *b)[n] for n in order) for a, b in product(one, other)]

    def occurs(self, axes: list[int], cells: list[tuple[int, ...]]) -> bool | None:
        """Tell whether one of some cells can occur."""
        unknown = False
        for box in _boxes(axes, cells):
            self.asked += 1
            verdict = None
            if self.asked <= MAX_ASKED and self.open < MAX_OPEN:
                verdict = self.space.occurs(self.box(box))
                self.open += verdict is None
            if verdict:
                return True
            unknown |= verdict is None
        return None if unknown else False

    def box(self, ranges: dict[int, Ranges]) -> Box:
        return tuple(ranges.get(i, allowed) for i, allowed in enumerate(self.space.domain))


def _boxes(axes: list[int], cells: list[tuple[int, ...]]) -> Iterator[dict[int, Ranges]]:
    """Join cells that differ on one axis only."""
    boxes: list[tuple[Ranges, ...]] = [tuple(((code, code),) for code in codes) for codes in cells]
    for n in range(len(axes)):
        groups: dict[tuple[Ranges, ...], list[tuple[int, int]]] = {}
        for box in boxes:
            groups.setdefault((*box[:n], (), *box[n + 1 :]), []).extend(box[n])
        boxes = [(*rest[:n], c.normal(own), *rest[n + 1 :]) for rest, own in groups.items()]
    for box in boxes:
        yield dict(zip(axes, box, strict=True))


def _axes_of(coded: object) -> set[int]:
    axis = getattr(coded, "axis", None)
    if isinstance(axis, int):
        return {axis}
    parts: tuple[object, ...] = getattr(coded, "parts", ())
    return set().union(*(_axes_of(p) for p in parts)) if parts else set()


def _columns(decision: Decision) -> tuple[_Column, ...]:
    found: dict[str, dict[Test, str]] = {}
    for row in decision.rows:
        for cell in row.cells:
            if not isinstance(cell.test, Anything):
                found.setdefault(cell.key, {}).setdefault(cell.test, cell.text)
    return tuple(_Column(key, tuple(tests), tuple(tests.values())) for key, tests in found.items())


def _class_text(key: str, passes: tuple[str, ...]) -> str:
    return f"{key} {' and '.join(f'`{p}`' for p in passes)}" if passes else f"{key} (none of its tests)"


Spaces = Callable[[Grid], Space]

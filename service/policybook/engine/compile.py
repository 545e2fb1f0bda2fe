"""From a grid to rulesets: which alternatives can match a cell at all, and the rules that decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from policybook.cells import codes as c
from policybook.cells.codes import Ranges
from policybook.cells.conditions import Term
from policybook.cells.grid import Cell, Grid
from policybook.engine.rete import MAX_PROPERTIES, MAX_RULES, Bound, Rule, Ruleset


@dataclass(frozen=True, slots=True)
class Alternative:
    """One term of one row."""

    row: int
    term: Term

    def allows(self, cell: Cell) -> bool:
        """Tell whether a cell meets the term."""
        return all(c.contains(ranges, cell[axis]) for axis, ranges in self.term)


def alternatives(grid: Grid) -> tuple[Alternative, ...]:
    """Return all terms of a grid, in the order of its rows."""
    return tuple(Alternative(row, term) for row, made in enumerate(grid.terms) for term in made)


class Group:
    """Alternatives that share one ruleset.

    A fact has the code of each axis that is compared by range, and 1 or 0 for each set of codes that has holes.
    """

    __slots__ = ("_axes", "_members", "_rows", "ruleset")

    def __init__(self, name: str, grid: Grid, group: Sequence[Alternative]) -> None:
        axes: dict[int, int] = {}
        members: dict[tuple[int, Ranges], int] = {}
        for alternative in group:
            for axis, ranges in alternative.term:
                if len(ranges) == 1:
                    axes.setdefault(axis, len(axes))
                else:
                    members.setdefault((axis, ranges), len(members))
        rules: list[Rule] = []
        for alternative in group:
            rule: list[Bound] = []
            for axis, ranges in alternative.term:
                if len(ranges) == 1:
                    low, high = ranges[0]
                    last = grid.axes[axis].size - 1
                    rule.append((axes[axis], low if low > 0 or low == high else None, high if high < last or low == high else None))
                else:
                    rule.append((len(axes) + members[axis, ranges], 1, 1))
            rules.append(tuple(rule))
        self._axes = tuple(axes)
        self._members = tuple(members)
        self._rows = tuple(a.row for a in group)
        first = dict(group[0].term)
        sample = [first[axis][0][0] if axis in first else 0 for axis in range(len(grid.axes))]
        self.ruleset = Ruleset(name, len(axes) + len(members), rules, self._fact(sample))

    def _fact(self, cell: Sequence[int]) -> list[int]:
        fact = [cell[axis] for axis in self._axes]
        fact.extend([1 if c.contains(ranges, cell[axis]) else 0 for axis, ranges in self._members])
        return fact

    def match(self, cell: Cell) -> tuple[int, ...]:
        """Return the row of each alternative that matches, in order; a row may come more than once."""
        return tuple([self._rows[i] for i in self.ruleset.match(self._fact(cell))])


def chunks(all_alternatives: Sequence[Alternative], ids: Sequence[int]) -> list[tuple[int, ...]]:
    """Split alternatives into groups within the limits of a ruleset."""
    out: list[tuple[int, ...]] = []
    at: list[int] = []
    width: set[tuple[int, Ranges | None]] = set()
    for i in ids:
        needs: set[tuple[int, Ranges | None]] = {(axis, None if len(ranges) == 1 else ranges) for axis, ranges in all_alternatives[i].term}
        if at and (len(at) == MAX_RULES or len(width | needs) > MAX_PROPERTIES):
            out.append(tuple(at))
            at, width = [], set()
        at.append(i)
        width |= needs
    if at:
        out.append(tuple(at))
    return out


# Up to this many alternatives all rulesets are asked; beyond, the index picks those that can match.
MAX_UNINDEXED = 4 * MAX_RULES
_SAMPLE = 256
Ids: TypeAlias = npt.NDArray[np.int32]


class _Node:
    """Some alternatives, parted by their codes on one axis."""

    __slots__ = ("axis", "children", "ids")

    def __init__(self, ids: Ids, axis: int | None) -> None:
        self.ids = ids
        self.axis = axis
        self.children: dict[int, _Node] = {}


class Index:
    """Finds the alternatives that a cell can match, by the codes of its axes; grown as cells come.

    An inner node has one child for each code that was met on its axis: those of its alternatives that allow the code.
    An axis is used at most once on a way down, so the depth is at most the number of axes. Nothing is decided here: what
    is left out cannot match, and what is left goes to the engine with all its conditions.
    """

    MAX_ENTRIES = 2_000_000

    def __init__(self, grid: Grid, all_alternatives: Sequence[Alternative]) -> None:
        self._sizes = [a.size for a in grid.axes]
        self._alternatives = all_alternatives
        count = len(all_alternatives)
        # From the first to the last code that an alternative allows on an axis, and where not all between are allowed.
        self._firsts = [np.zeros(count, dtype=np.int32) for _ in grid.axes]
        self._lasts = [np.full(count, size, dtype=np.int32) for size in self._sizes]
        self._holes: list[dict[int, Ranges]] = [{} for _ in grid.axes]
        for i, alternative in enumerate(all_alternatives):
            for axis, ranges in alternative.term:
                self._firsts[axis][i] = ranges[0][0]
                self._lasts[axis][i] = ranges[-1][1]
                if len(ranges) > 1:
                    self._holes[axis][i] = ranges
        self._entries = 0
        self._root = self._node(np.arange(count, dtype=np.int32), frozenset())

    def candidates(self, cell: Cell) -> Sequence[int]:
        """Return the alternatives that can match a cell, ascending."""
        node = self._root
        used: frozenset[int] = frozenset()
        while node.axis is not None:
            axis = node.axis
            used |= {axis}
            code = cell[axis]
            child = node.children.get(code)
            if child is None:
                if self._entries > self.MAX_ENTRIES:
                    self._root.children.clear()
                    self._entries = 0
                child = self._node(self._allowing(node.ids, axis, code), used)
                node.children[code] = child
            node = child
        found: list[int] = node.ids.tolist()
        return found

    def _allowing(self, ids: Ids, axis: int, code: int) -> Ids:
        near = ids[(self._firsts[axis][ids] <= code) & (code <= self._lasts[axis][ids])]
        holes = self._holes[axis]
        if not holes:
            return near
        return np.array([i for i in near.tolist() if i not in holes or c.contains(holes[i], code)], dtype=np.int32)

    def _node(self, ids: Ids, used: frozenset[int]) -> _Node:
        self._entries += len(ids) + 8
        return _Node(ids, self._best_axis(ids, used) if len(ids) > MAX_RULES else None)

    def _best_axis(self, ids: Ids, used: frozenset[int]) -> int | None:
        """Choose the axis on which one code leaves the fewest alternatives, all codes being as likely."""
        sample = ids.tolist() if len(ids) <= _SAMPLE else [int(ids[k * len(ids) // _SAMPLE]) for k in range(_SAMPLE)]
        terms = [dict(self._alternatives[i].term) for i in sample]
        best, share = None, 1.0
        for axis, size in enumerate(self._sizes):
            if axis in used:
                continue
            # A share only ranks axes: no decision rests on it.
            left = sum(1.0 if (r := term.get(axis)) is None else c.count(r) / size for term in terms) / len(sample)
            if left < share:
                best, share = axis, left
        return best

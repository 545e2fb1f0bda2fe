"""Boxes of cells: a set of codes on each axis. Splitting a table's space into boxes in which its rows do not differ.

Nothing here knows what a code stands for; whether a box can occur is `analyse.space`'s affair.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Generic, TypeAlias, TypeVar

from policybook.cells import codes as c
from policybook.cells.codes import Ranges
from policybook.cells.conditions import Term

Box: TypeAlias = tuple[Ranges, ...]
V = TypeVar("V")


@dataclass(slots=True)
class Budget:
    """How much work an analysis may do; what it did not get to is said to be missing, never passed over.

    Args:
        steps: boxes looked at
        seconds: processor time of this thread; None: no limit
    """

    steps: int = 200_000
    seconds: float | None = None
    spent: int = 0
    _end: float | None = field(default=None, repr=False)

    def spend(self, count: int = 1) -> bool:
        """Count work; tell whether there is more to spend."""
        self.spent += count
        if self.spent > self.steps:
            return False
        if self.seconds is None:
            return True
        now = time.thread_time()
        if self._end is None:
            self._end = now + self.seconds
        return now < self._end


@dataclass(frozen=True, slots=True)
class Piece:
    """One alternative of a row: matches the cells of a box.

    Args:
        row: what it stands for; several pieces may share it
        sets: for each axis its codes, None where it allows all
    """

    row: int
    sets: tuple[Ranges | None, ...]

    def covers(self, box: Box) -> bool:
        return all(s is None or s == b or c.is_subset(b, s) for s, b in zip(self.sets, box, strict=True))

    def meets(self, box: Box) -> bool:
        return all(s is None or _touch(s, b) for s, b in zip(self.sets, box, strict=True))

    def within(self, box: Box) -> Box | None:
        """Return what it has in common with a box."""
        out = []
        for s, b in zip(self.sets, box, strict=True):
            both = b if s is None else c.intersection(s, b)
            if not both:
                return None
            out.append(both)
        return tuple(out)


def piece(row: int, term: Term, axes: int) -> Piece:
    """Return a term of a row as a piece."""
    sets: list[Ranges | None] = [None] * axes
    for axis, ranges in term:
        sets[axis] = ranges
    return Piece(row, tuple(sets))


def pieces(terms: Sequence[Sequence[Term]], axes: int) -> tuple[Piece, ...]:
    """Return the terms of a table's rows, in order."""
    return tuple(piece(row, term, axes) for row, made in enumerate(terms) for term in made)


def whole(sizes: Iterable[int]) -> Box:
    """Return the box of all cells."""
    return tuple(((0, size - 1),) for size in sizes)


def volume(box: Box) -> int:
    """Count the cells of a box."""
    return prod(c.count(r) for r in box)


def intersection(a: Box, b: Box) -> Box | None:
    """Return the cells in both; None when there are none."""
    out = []
    for x, y in zip(a, b, strict=True):
        both = c.intersection(x, y)
        if not both:
            return None
        out.append(both)
    return tuple(out)


def without(box: Box, cut: Box) -> Iterator[Box]:
    """Yield disjoint boxes that make up a box less another."""
    common = intersection(box, cut)
    if common is None:
        yield box
        return
    rest = list(box)
    for axis, (mine, taken) in enumerate(zip(box, common, strict=True)):
        left = _less(mine, taken)
        if left:
            yield (*rest[:axis], left, *rest[axis + 1 :])
        rest[axis] = taken


def _less(a: Ranges, b: Ranges) -> Ranges:
    return c.intersection(a, c.complement(b, a[-1][1] + 1)) if a else a


def _touch(a: Ranges, b: Ranges) -> bool:
    if len(a) == 1 and len(b) == 1:
        return a[0][0] <= b[0][1] and b[0][0] <= a[0][1]
    return bool(c.intersection(a, b))


@dataclass(frozen=True, slots=True)
class Leaf(Generic[V]):
    """A box in which the question has one answer."""

    box: Box
    verdict: V


@dataclass(slots=True)
class Partition(Generic[V]):
    """Boxes that together are the space asked for, each with one answer; `left` are those that the budget did not reach."""

    leaves: list[Leaf[V]]
    left: list[Box]

    @property
    def is_whole(self) -> bool:
        return not self.left


# So many pieces are looked through at the cost of one step.
_MANY = 64

# Given the pieces that meet a box, in order, with whether each covers it: the answer, or None to split further.
Settle: TypeAlias = Callable[[Sequence[tuple[Piece, bool]]], V | None]


def partition(start: Iterable[Box], made: Sequence[Piece], settle: Settle[V], budget: Budget) -> Partition[V]:
    """Split boxes until a question has one answer in each.

    Args:
        start: disjoint
        made: of one or more tables, in an order that `settle` understands
        settle: must answer when every piece that is left covers the box
    """
    out: Partition[V] = Partition([], [])
    start = tuple(start)
    # To look through many pieces is work too: a table of 100,000 rows must not be gone through once for each of them.
    if len(made) > _MANY and not budget.spend(len(start) * len(made) // _MANY):
        out.left.extend(start)
        return out
    pending = [(box, [(p, p.covers(box)) for p in made if p.meets(box)]) for box in start]
    pending.reverse()
    while pending:
        box, live = pending.pop()
        verdict = settle(live)
        if verdict is not None:
            out.leaves.append(Leaf(box, verdict))
            continue
        if not budget.spend(1 + len(live) // 16):
            out.left.append(box)
            out.left.extend(b for b, _ in pending)
            break
        axis, inside = _cut(box, live)
        outside = _less(box[axis], inside)
        for part in (outside, inside):
            smaller = (*box[:axis], part, *box[axis + 1 :])
            pending.append((smaller, [(p, covered or p.covers(smaller)) for p, covered in live if _touches(p, axis, part)]))
    return out


def _touches(p: Piece, axis: int, part: Ranges) -> bool:
    own = p.sets[axis]
    return own is None or _touch(own, part)


# Up to this many pieces the first one that is open decides the cut; beyond, a cut that parts them evenly is worth its search.
_FEW = 6
_SAMPLE = 128


def _cut(box: Box, live: Sequence[tuple[Piece, bool]]) -> tuple[int, Ranges]:
    """Choose an axis and a part of the box's codes on it."""
    if len(live) > _FEW:
        even = _even_cut(box, live)
        if even is not None:
            return even
    for p, covered in live:
        if covered:
            continue
        for axis, own in enumerate(p.sets):
            if own is not None and not c.is_subset(box[axis], own):
                return axis, c.intersection(own, box[axis])
    raise AssertionError("a question is open though every piece covers the box")


def _even_cut(box: Box, live: Sequence[tuple[Piece, bool]]) -> tuple[int, Ranges] | None:
    """Find the axis and the cut that leave the fewest pieces on the fuller side, counting those on both sides twice."""
    step = max(1, len(live) // _SAMPLE)
    sample = [p for p, covered in live[::step] if not covered]
    best: tuple[int, int, Ranges] | None = None
    for axis, mine in enumerate(box):
        low, high = mine[0][0], mine[-1][1]
        if low == high:
            continue
        spans = [(low, high) if (s := p.sets[axis]) is None else (max(low, s[0][0]), min(high, s[-1][1])) for p in sample]
        edges = sorted(e for a, b in spans for e in (a, b + 1) if low < e <= high)
        if not edges:
            continue
        for edge in {edges[len(edges) // 2], edges[len(edges) // 4], edges[3 * len(edges) // 4]}:
            below = sum(a < edge for a, _ in spans)
            above = sum(b >= edge for _, b in spans)
            cost = max(below, above) + (below + above - len(spans))
            if max(below, above) < len(spans) and (best is None or cost < best[0]):
                inside = c.intersection(mine, ((low, edge - 1),))
                if inside and inside != mine:
                    best = (cost, axis, inside)
    return None if best is None else (best[1], best[2])


def merged(boxes: Sequence[Box]) -> list[Box]:
    """Join boxes that differ on one axis only, until none do; the result covers the same cells and is disjoint if they were."""
    out = list(dict.fromkeys(boxes))
    changed = True
    while changed and len(out) > 1:
        changed = False
        for axis in range(len(out[0])):
            groups: dict[Box, Ranges] = {}
            for box in out:
                key = (*box[:axis], (), *box[axis + 1 :])
                groups[key] = c.union(groups[key], box[axis]) if key in groups else box[axis]
            if len(groups) < len(out):
                changed = True
                out = [(*key[:axis], ranges, *key[axis + 1 :]) for key, ranges in groups.items()]
    return out


def overlaps(made: Sequence[Piece], sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of pieces, first before second, that have cells in common.

    For each axis the pieces that meet each code are a bit mask; a piece's partners are those that it meets on every axis.
    """
    everyone = (1 << len(made)) - 1
    by_axis: list[dict[Ranges, int]] = []
    for axis in range(len(sizes)):
        free = 0
        distinct: dict[Ranges, int] = {}
        for i, p in enumerate(made):
            own = p.sets[axis]
            if own is None:
                free |= 1 << i
            else:
                distinct[own] = distinct.get(own, 0) | 1 << i
        by_axis.append(_partners(distinct, free, sizes[axis]))
    for i, p in enumerate(made):
        mask = everyone >> (i + 1) << (i + 1)
        for axis, own in enumerate(p.sets):
            if own is not None:
                mask &= by_axis[axis][own]
                if not mask:
                    break
        while mask:
            low = mask & -mask
            yield i, low.bit_length() - 1
            mask ^= low


def _partners(distinct: dict[Ranges, int], free: int, size: int) -> dict[Ranges, int]:
    """Return for each set of codes the pieces whose codes meet it.

    A piece meets a range unless it ends before it or begins after it: two running unions over the edges answer that.
    """
    if not distinct:
        return {}
    simple = all(len(r) == 1 for r in distinct)
    if not simple:
        by_code = [free] * size
        for ranges, mask in distinct.items():
            for code in c.each(ranges):
                by_code[code] |= mask
        out = {}
        for ranges in distinct:
            mask = free
            for code in c.each(ranges):
                mask |= by_code[code]
            out[ranges] = mask
        return out
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    for ((low, high),), mask in distinct.items():
        starts[low] = starts.get(low, 0) | mask
        ends[high] = ends.get(high, 0) | mask
    begun: dict[int, int] = {}
    ended: dict[int, int] = {}
    running = 0
    for low in sorted(starts):
        running |= starts[low]
        begun[low] = running
    running = 0
    for high in sorted(ends):
        running |= ends[high]
        ended[high] = running
    at_start, at_end = _lookup(begun), _lookup(ended)
    out = {}
    for ranges in distinct:
        low, high = ranges[0]
        out[ranges] = free | (at_start(high) & ~at_end(low - 1))
    return out


def _lookup(value: dict[int, int]) -> Callable[[int], int]:
    marks = sorted(value)

    def at(code: int) -> int:
        i = bisect_right(marks, code)
        return value[marks[i - 1]] if i else 0

    return at

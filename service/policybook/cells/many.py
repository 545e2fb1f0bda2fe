"""The cells of many requests: whole columns brought to codes.

INVARIANT: for every row that is not left, the cell is what `Grid.cell` gives for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np

from policybook.cells.axes import Atom, Axis, OrderedAxis, PresenceAxis
from policybook.cells.frame import Frame
from policybook.cells.grid import Cell, Grid, Guard
from policybook.cells.linear import number
from policybook.cells.vectors import ROOM, Coded, Codes, Ints, Numbers, Vector, by_combination, combined
from policybook.errors import EngineError
from policybook.model.formula import Get, Ref


class ManyCells:
    """Finds the cells of many requests in one grid. Holds nothing of them: any number of threads may share it."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._axes = tuple(encoder_of(axis) for axis in grid.axes)

    def cells(self, frame: Frame) -> tuple[Codes, list[Cell]]:
        """Return for each row the number of its cell, and the cells; rows of which a test has no result are left.

        A row that is left has the cell of one that is not; there is no cell when all are left.
        """
        atoms = [self._atom(atom, frame) for atom in self.grid.atoms]
        for guard in self.grid.guards:
            self._watch(guard, atoms, frame)
        codes = [axis.codes(atoms, frame) for axis in self._axes]
        left = frame.left
        if left.any():
            stays = np.flatnonzero(~left)
            if not len(stays):
                return np.zeros(frame.size, dtype=np.intp), []
            codes = [np.where(left, c[stays[0]], c) for c in codes]
        return combined([(c, axis.size) for c, axis in zip(codes, self.grid.axes, strict=True)], frame.size)

    def _atom(self, atom: Atom, frame: Frame) -> Vector:
        if not isinstance(atom.formula, Ref | Get) and frame.knows(atom.name):
            return frame.get(atom.name)
        return frame.settled(atom.formula)

    def _watch(self, guard: Guard, atoms: Sequence[Vector], frame: Frame) -> None:
        """Leave the rows in which a formula that no axis computes may have no result."""
        if guard.name and frame.knows(guard.name):
            return
        if guard.always:
            frame.settled(guard.formula)
            return
        for index, low, high in guard.windows:
            vector = atoms[index]
            numbers = vector if isinstance(vector, Numbers) else vector.numbers(self.grid.atoms[index].kind.base)
            if numbers is None:
                frame.left[:] = True
                return
            # Whoever leaves its window is looked at alone.
            outside = (numbers.n < low * numbers.scale) | (numbers.n > high * numbers.scale)
            frame.left |= outside if numbers.missing is None else outside & ~numbers.missing


class _ByValue:
    """Any axis of one atom: each different value once."""

    def __init__(self, axis: Axis) -> None:
        atoms = axis.atoms
        places = {a.index: i for i, a in enumerate(atoms)}
        self.atoms = tuple(a.index for a in atoms)
        self.encode = axis.compiled(lambda a: places[a.index])

    def codes(self, atoms: Sequence[Vector], frame: Frame) -> Codes:
        vectors = [atoms[i].coded() for i in self.atoms]
        numbers, found = by_combination(vectors, self._one, frame.size)
        table = np.array(found, dtype=np.intp)
        unknown = table < 0
        if unknown.any():
            frame.left |= unknown[numbers]
            table[unknown] = 0
        return table[numbers]

    def _one(self, values: Sequence[Any]) -> int:
        try:
            return self.encode(values)
        except EngineError:
            return -1


class _ByPresence:
    def __init__(self, axis: PresenceAxis) -> None:
        self.by_value = _ByValue(axis)
        self.atom = axis.atom.index

    def codes(self, atoms: Sequence[Vector], frame: Frame) -> Codes:
        vector = atoms[self.atom]
        if isinstance(vector, Coded):
            return self.by_value.codes(atoms, frame)
        return np.zeros(frame.size, dtype=np.intp) if vector.missing is None else vector.missing.astype(np.intp)


class _ByNumber:
    """An ordered axis: the form as whole numbers, found among the cuts by bisection."""

    def __init__(self, axis: OrderedAxis) -> None:
        self.axis = axis
        self.by_value = _ByNumberValue(axis)
        self.form = tuple((a.index, a.kind.base, k) for a, k in axis.form)
        self._scale = lcm(*(k.denominator for _, _, k in self.form), *(k.denominator for k in axis.cuts))
        self._edges: dict[int, Ints] = {}

    def codes(self, atoms: Sequence[Vector], frame: Frame) -> Codes:
        parts: list[tuple[Numbers, Fraction]] = []
        for index, base, factor in self.form:
            vector = atoms[index]
            if len(self.form) == 1 and isinstance(vector, Coded):
                # Each different value is found at once; whole numbers would have to be made first.
                break
            numbers = vector if isinstance(vector, Numbers) else vector.numbers(base)
            if numbers is None:
                break
            parts.append((numbers, factor))
        found = self._by_bisection(parts) if len(parts) == len(self.form) else None
        return self.by_value.codes(atoms, frame) if found is None else found

    def _by_bisection(self, parts: Sequence[tuple[Numbers, Fraction]]) -> Codes | None:
        scale = lcm(self._scale, *(v.scale * k.denominator for v, k in parts))
        if scale >= ROOM:
            return None
        factors = [int(k * scale / v.scale) for v, k in parts]
        # Every sum on the way, and each product in it, has room.
        if sum(abs(f) * max(abs(v.low), abs(v.high)) for (v, _), f in zip(parts, factors, strict=True)) >= ROOM:
            return None
        total = parts[0][0].n if factors[0] == 1 else parts[0][0].n * factors[0]
        missing = parts[0][0].missing
        for (v, _), factor in zip(parts[1:], factors[1:], strict=True):
            total = total + v.n * factor
            if v.missing is not None:
                missing = v.missing if missing is None else missing | v.missing
        codes = np.searchsorted(self._edges_at(scale), total, side="right")
        return codes if missing is None else np.where(missing, self.axis.null_code, codes)

    def _edges_at(self, scale: int) -> Ints:
        """Return the ends of the codes' intervals: of two numbers next to each other the first is the cut itself."""
        found = self._edges.get(scale)
        if found is None:
            marks = [max(-ROOM, min(ROOM, int(k * scale))) for k in self.axis.cuts]
            if len(self._edges) >= 64:
                self._edges.clear()
            found = self._edges[scale] = np.array([edge for mark in marks for edge in (mark, mark + 1)], dtype=np.int64)
        return found


class _ByNumberValue(_ByValue):
    """As `_ByValue`, of atoms that are read as numbers."""

    def _one(self, values: Sequence[Any]) -> int:
        return self.encode([None if v is None else number(v) for v in values])


def encoder_of(axis: Axis) -> _ByValue | _ByPresence | _ByNumber:
    """Return what finds the codes of whole columns on an axis; `codes` takes the atoms' vectors by index."""
    match axis:
        case OrderedAxis():
            return _ByNumber(axis)
        case PresenceAxis():
            return _ByPresence(axis)
        case _:
            return _ByValue(axis)

"""One name's values over many requests, exactly: whole numbers over one scale, or codes of the different values.

Nothing here is ever a float: a column that does not fit 64 bits stands as codes of Python's own exact values.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from policybook.cells.linear import number, value_of
from policybook.model.kinds import NUMERIC, ORDERED, Base
from policybook.values import Value

Ints: TypeAlias = npt.NDArray[np.int64]
Codes: TypeAlias = npt.NDArray[np.intp]
Mask: TypeAlias = npt.NDArray[np.bool_]

# Whole numbers of a vector stay strictly within, so that a sum of two still fits 64 bits.
ROOM = 2**62


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Values of one ordered kind.

    Args:
        n: the value times `scale`; days, microseconds or months for kinds that are counted in them (see cells.linear)
        scale: positive
        missing: where there is no value (`n` means nothing there); None: nowhere
        low, high: every `n` lies between, both included
    """

    n: Ints
    scale: int
    base: Base
    missing: Mask | None
    low: int
    high: int

    @classmethod
    def of(cls, n: Ints, scale: int, base: Base, missing: Mask | None = None) -> Numbers | None:
        """Make a vector of whole numbers; None where they have no room."""
        if not len(n):
            return cls(n, scale, base, missing, 0, 0)
        low, high = int(n.min()), int(n.max())
        return cls(n, scale, base, missing, low, high) if low > -ROOM and high < ROOM and scale < ROOM else None

    def __len__(self) -> int:
        return len(self.n)

    def take(self, rows: Codes) -> Numbers:
        return Numbers(self.n[rows], self.scale, self.base, None if self.missing is None else self.missing[rows], self.low, self.high)

    def value(self, n: int) -> Value:
        """Return what a whole number stands for."""
        if self.base in NUMERIC:
            return Fraction(n, self.scale)
        found: Value = value_of(n, self.base)
        return found

    def at(self, row: int) -> Value:
        if self.missing is not None and self.missing[row]:
            return None
        return self.value(int(self.n[row]))

    def coded(self) -> Coded:
        """Return the same values by their codes."""
        if self.high - self.low < max(1024, 4 * len(self.n)):
            codes, kept = ranked(self.n - self.low, self.high - self.low + 1)
            values = [self.value(n) for n in (kept + self.low).tolist()]
        else:
            different, inverse = np.unique(self.n, return_inverse=True)
            codes, values = inverse.astype(np.intp, copy=False), [self.value(n) for n in different.tolist()]
        if self.missing is not None:
            codes = np.where(self.missing, len(values), codes)
            values.append(None)
        return Coded(codes, values)

    def rescaled(self, scale: int) -> Numbers | None:
        """Return the same values over a multiple of the scale; None where they have no room."""
        factor = scale // self.scale
        if factor == 1:
            return self
        low, high = self.low * factor, self.high * factor
        if not (low > -ROOM and high < ROOM and scale < ROOM):
            return None
        return Numbers(self.n * factor, scale, self.base, self.missing, low, high)


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Any values: `values[codes[row]]`. The values need not differ, nor all occur."""

    codes: Codes
    values: Sequence[Value]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: Codes) -> Coded:
        return Coded(self.codes[rows], self.values)

    def at(self, row: int) -> Value:
        return self.values[int(self.codes[row])]

    def coded(self) -> Coded:
        return self

    def numbers(self, base: Base) -> Numbers | None:
        """Return the same values as whole numbers; None where they have no order or no room."""
        if base not in ORDERED:
            return None
        pairs = [(0, 1) if v is None else number(v).as_integer_ratio() for v in self.values]
        scale = 1
        for d in {d for _, d in pairs}:
            scale = lcm(scale, d)
            if scale >= ROOM:
                return None
        scaled = [n * (scale // d) for n, d in pairs]
        if any(not -ROOM < n < ROOM for n in scaled):
            return None
        none = np.array([v is None for v in self.values], dtype=np.bool_)
        table = np.array(scaled, dtype=np.int64)
        missing = none[self.codes] if none.any() else None
        return Numbers(table[self.codes], scale, base, missing, min(scaled, default=0), max(scaled, default=0))


Vector: TypeAlias = Numbers | Coded


def common(a: Numbers, b: Numbers) -> tuple[Numbers, Numbers] | None:
    """Bring two vectors to one scale; None where they have no room there."""
    scale = lcm(a.scale, b.scale)
    x, y = a.rescaled(scale), b.rescaled(scale)
    return None if x is None or y is None else (x, y)


def constant(value: Value, size: int) -> Coded:
    """Return one value in every row."""
    return Coded(np.zeros(size, dtype=np.intp), (value,))


def listed(values: Sequence[Value]) -> Coded:
    """Return one value a row; equal ones are not looked for."""
    return Coded(np.arange(len(values), dtype=np.intp), values)


def coded_of(values: Iterable[Hashable]) -> tuple[Codes, list[Any]]:
    """Return the codes of values, and the different values in the order of their first coming.

    Raises:
        TypeError: a value cannot be hashed
    """
    found: dict[Hashable, int] = {}
    place = found.setdefault
    codes = np.array([place(v, len(found)) for v in values], dtype=np.intp)
    return codes, list(found)


def ranked(keys: Ints | Codes, size: int) -> tuple[Codes, Ints]:
    """Number the different keys, ascending.

    Args:
        keys: from 0 up to but not including `size`
    Returns:
        for each key its number, and the different keys
    """
    if size <= max(1024, 4 * len(keys)):
        present = np.zeros(size, dtype=np.bool_)
        present[keys] = True
        different = np.flatnonzero(present)
        number_of = np.empty(size, dtype=np.intp)
        number_of[different] = np.arange(len(different), dtype=np.intp)
        return number_of[keys], different.astype(np.int64, copy=False)
    different, inverse = np.unique(keys, return_inverse=True)
    return inverse.astype(np.intp, copy=False), different.astype(np.int64, copy=False)


def combined(parts: Sequence[tuple[Codes, int]], size: int) -> tuple[Codes, list[tuple[int, ...]]]:
    """Number the different combinations of codes.

    Args:
        parts: codes, and how many there can be
        size: how many rows
    Returns:
        for each row the number of its combination, and the combinations
    """
    if not parts:
        return np.zeros(size, dtype=np.intp), [()] if size else []
    keys: Ints | Codes = np.zeros(size, dtype=np.int64)
    count = 1
    # Where the product of the sizes has no room, what is there so far is numbered anew.
    stages: list[tuple[int, Ints | None]] = []
    for codes, wide in parts:
        if count * wide >= ROOM:
            keys, different = ranked(keys, count)
            stages.append((0, different))
            count = len(different)
        keys = keys * wide + codes if count > 1 else codes.astype(np.int64, copy=False)
        count *= wide
        stages.append((wide, None))
    numbers, different = ranked(keys, count)
    columns: list[list[int]] = []
    rest = different
    for wide, earlier in reversed(stages):
        if earlier is not None:
            rest = earlier[rest]
        else:
            rest, code = np.divmod(rest, wide)
            columns.append(code.tolist())
    return numbers, list(zip(*reversed(columns), strict=True))


def by_combination(vectors: Sequence[Coded], compute: Callable[[Sequence[Value]], Any], size: int) -> tuple[Codes, list[Any]]:
    """Compute once for each different combination of values.

    Returns:
        for each row a code, and what was computed, by code
    """
    numbers, combinations = combined([(v.codes, len(v.values)) for v in vectors], size)
    return numbers, [compute([v.values[c] for v, c in zip(vectors, codes, strict=True)]) for codes in combinations]

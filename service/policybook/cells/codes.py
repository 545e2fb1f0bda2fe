"""Sets of codes as sorted, disjoint, inclusive ranges: `((0, 3), (7, 7))`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

Ranges: TypeAlias = tuple[tuple[int, int], ...]

EMPTY: Ranges = ()


def normal(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Sort ranges and join those that touch or overlap; an inverted range holds nothing."""
    out: list[tuple[int, int]] = []
    for low, high in sorted(r for r in ranges if r[0] <= r[1]):
        if out and low <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(high, out[-1][1]))
        else:
            out.append((low, high))
    return tuple(out)


def of(codes: Iterable[int]) -> Ranges:
    """Return the set of some codes."""
    return normal((c, c) for c in codes)


def complement(ranges: Ranges, size: int) -> Ranges:
    """Return the codes from 0 to size - 1 that are not in a set."""
    out: list[tuple[int, int]] = []
    at = 0
    for low, high in ranges:
        if low > at:
            out.append((at, low - 1))
        at = high + 1
    if at < size:
        out.append((at, size - 1))
    return tuple(out)


def union(a: Ranges, b: Ranges) -> Ranges:
    """Return the codes in either set."""
    return normal((*a, *b))


def intersection(a: Ranges, b: Ranges) -> Ranges:
    """Return the codes in both sets."""
    if a == b:
        return a
    out: list[tuple[int, int]] = []
    i = j = 0
    while i < len(a) and j < len(b):
        low, high = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if low <= high:
            out.append((low, high))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return tuple(out)


def is_subset(a: Ranges, b: Ranges) -> bool:
    """Tell whether every code of a is in b."""
    return intersection(a, b) == a


def contains(ranges: Ranges, code: int) -> bool:
    """Tell whether a code is in a set."""
    return any(low <= code <= high for low, high in ranges)


def closed_up(ranges: Ranges, room: Ranges) -> Ranges:
    """Join ranges whose gaps hold nothing of `room`: codes that cannot occur need not be told apart."""
    out: list[tuple[int, int]] = []
    for low, high in ranges:
        if out and not intersection(((out[-1][1] + 1, low - 1),), room):
            out[-1] = (out[-1][0], high)
        else:
            out.append((low, high))
    return tuple(out)


def count(ranges: Ranges) -> int:
    """Count the codes of a set."""
    return sum(high - low + 1 for low, high in ranges)


def each(ranges: Ranges) -> Iterator[int]:
    """Yield the codes of a set, ascending."""
    for low, high in ranges:
        yield from range(low, high + 1)

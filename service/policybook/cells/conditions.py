"""Conditions: what a test asks of the axes, first in terms of constants, then in terms of codes.

A test becomes `and`, `or` and `not` over questions to one axis each; once all constants of a table are known, each
question is a set of codes and a row a disjunction of terms, each term one set of codes for some axes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from policybook.cells import codes as c
from policybook.cells.codes import Ranges


@dataclass(frozen=True, slots=True)
class Asks:
    """One question to an axis: `<` `<=` `=` `>=` `>` a constant, `is` a value, or `null`."""

    axis: int
    op: str
    operand: Fraction | str | bool | None = None


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Some:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Never:
    """Not."""

    part: Condition


Condition: TypeAlias = "Asks | All | Some | Never | bool"


def both(*parts: Condition) -> Condition:
    """Join with `and`."""
    kept = [p for p in parts if p is not True]
    if any(p is False for p in kept):
        return False
    if not kept:
        return True
    return kept[0] if len(kept) == 1 else All(tuple(kept))


def either(*parts: Condition) -> Condition:
    """Join with `or`."""
    kept = [p for p in parts if p is not False]
    if any(p is True for p in kept):
        return True
    if not kept:
        return False
    return kept[0] if len(kept) == 1 else Some(tuple(kept))


def negated(part: Condition) -> Condition:
    """Turn a condition round."""
    if isinstance(part, bool):
        return not part
    return part.part if isinstance(part, Never) else Never(part)


@dataclass(frozen=True, slots=True)
class InCodes:
    """The cell's code on an axis is in a set."""

    axis: int
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple[Coded, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Coded, ...]


Coded: TypeAlias = "InCodes | AllOf | AnyOf | bool"
Term: TypeAlias = tuple[tuple[int, Ranges], ...]


def coded(condition: Condition, codes: Callable[[Asks], Ranges], sizes: Callable[[int], int], *, negate: bool = False) -> Coded:
    """Turn questions into sets of codes; `not` goes inwards (De Morgan) and vanishes.

    Args:
        codes: the codes of an axis that answer a question with yes
        sizes: the count of codes of an axis
    """
    match condition:
        case bool():
            return condition is not negate
        case Asks(axis, _, _):
            ranges = codes(condition)
            return _leaf(axis, c.complement(ranges, sizes(axis)) if negate else ranges, sizes)
        case Never(part):
            return coded(part, codes, sizes, negate=not negate)
        case All(parts) | Some(parts):
            inner = [coded(p, codes, sizes, negate=negate) for p in parts]
            return _all_of(inner, sizes) if isinstance(condition, All) is not negate else _any_of(inner, sizes)


def _leaf(axis: int, ranges: Ranges, sizes: Callable[[int], int]) -> Coded:
    if not ranges:
        return False
    return True if ranges == ((0, sizes(axis) - 1),) else InCodes(axis, ranges)


def _all_of(parts: Iterable[Coded], sizes: Callable[[int], int]) -> Coded:
    by_axis: dict[int, Ranges] = {}
    others: list[Coded] = []
    for part in parts:
        if part is False:
            return False
        for inner in part.parts if isinstance(part, AllOf) else (part,):
            if isinstance(inner, InCodes):
                by_axis[inner.axis] = c.intersection(by_axis[inner.axis], inner.ranges) if inner.axis in by_axis else inner.ranges
            elif inner is not True:
                others.append(inner)
    leaves = [_leaf(axis, ranges, sizes) for axis, ranges in by_axis.items()]
    if any(leaf is False for leaf in leaves):
        return False
    kept = [*(x for x in leaves if x is not True), *others]
    if not kept:
        return True
    return kept[0] if len(kept) == 1 else AllOf(tuple(kept))


def _any_of(parts: Iterable[Coded], sizes: Callable[[int], int]) -> Coded:
    by_axis: dict[int, list[tuple[int, int]]] = {}
    others: list[Coded] = []
    for part in parts:
        if part is True:
            return True
        for inner in part.parts if isinstance(part, AnyOf) else (part,):
            if isinstance(inner, InCodes):
                by_axis.setdefault(inner.axis, []).extend(inner.ranges)
            elif inner is not False:
                others.append(inner)
    leaves = [_leaf(axis, c.normal(ranges), sizes) for axis, ranges in by_axis.items()]
    if any(leaf is True for leaf in leaves):
        return True
    kept = [*leaves, *others]
    if not kept:
        return False
    return kept[0] if len(kept) == 1 else AnyOf(tuple(kept))


def holds(condition: Coded, cell: tuple[int, ...]) -> bool:
    """Tell whether a cell meets a condition."""
    match condition:
        case bool():
            return condition
        case InCodes(axis, ranges):
            code = cell[axis]
            return any(low <= code <= high for low, high in ranges)
        case AllOf(parts):
            return all(holds(p, cell) for p in parts)
        case AnyOf(parts):
            return any(holds(p, cell) for p in parts)


class TooManyTermsError(Exception):
    """A row has more alternatives than it may."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


def terms(conditions: Iterable[Coded], limit: int) -> tuple[Term, ...]:
    """Write out conditions that must all hold as alternatives, in the order in which they are written.

    Returns:
        the terms, none of which is part of another; no term: the conditions contradict each other
    Raises:
        TooManyTermsError: more than `limit`
    """
    made: list[dict[int, Ranges]] = [{}]
    for condition in conditions:
        if condition is True:
            continue
        made = _product(made, _alternatives(condition, limit), limit)
        if not made:
            return ()
    return tuple(tuple(sorted(t.items())) for t in made)


def _alternatives(condition: Coded, limit: int) -> list[dict[int, Ranges]]:
    match condition:
        case True:
            return [{}]
        case False:
            return []
        case InCodes(axis, ranges):
            return [{axis: ranges}]
        case AllOf(parts):
            made: list[dict[int, Ranges]] = [{}]
            for part in parts:
                made = _product(made, _alternatives(part, limit), limit)
            return made
        case AnyOf(parts):
            return _absorbed([t for part in parts for t in _alternatives(part, limit)], limit)


def _product(left: list[dict[int, Ranges]], right: list[dict[int, Ranges]], limit: int) -> list[dict[int, Ranges]]:
    if len(left) == len(right) == 1 and not left[0].keys() & right[0].keys():
        return [{**left[0], **right[0]}]
    if len(left) * len(right) > 64 * limit:
        raise TooManyTermsError(len(left) * len(right))
    out: list[dict[int, Ranges]] = []
    for a in left:
        for b in right:
            merged = dict(a)
            for axis, ranges in b.items():
                merged[axis] = c.intersection(merged[axis], ranges) if axis in merged else ranges
                if not merged[axis]:
                    break
            else:
                out.append(merged)
    return _absorbed(out, limit)


def _absorbed(made: list[dict[int, Ranges]], limit: int) -> list[dict[int, Ranges]]:
    if len(made) < 2:
        return made
    kept: list[dict[int, Ranges]] = []
    for term in made:
        if any(_within(term, k) for k in kept):
            continue
        kept = [k for k in kept if not _within(k, term)]
        kept.append(term)
        if len(kept) > 4 * limit:
            break
    if len(kept) > limit:
        raise TooManyTermsError(len(kept))
    return kept


def _within(inner: dict[int, Ranges], outer: dict[int, Ranges]) -> bool:
    return all(axis in inner and c.is_subset(inner[axis], ranges) for axis, ranges in outer.items())

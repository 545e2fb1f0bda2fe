"""Facts made to order: an ordinary request, and changes of it that reach a wanted code on an axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import TypeAlias

from policybook.cells.axes import Atom, Axis, DiscreteAxis, OrderedAxis, PresenceAxis, TruthAxis
from policybook.cells.grid import Grid
from policybook.cells.linear import number, value_of
from policybook.model.formula import Const, Formula, Get, Member, Ref, refs
from policybook.model.kinds import Base, Kind
from policybook.values import Period, Value

Facts: TypeAlias = dict[str, Value]

ORDINARY_DAY = date(2026, 1, 15)
_STEPS = {Base.MONEY: Fraction(1, 100), Base.NUMBER: Fraction(1, 1000), Base.PERCENT: Fraction(1, 1000), Base.FRACTION: Fraction(1, 1000)}


def ordinary(kind: Kind) -> Value:
    """Return an unremarkable value of a kind."""
    match kind.base:
        case Base.BOOLEAN:
            return False
        case Base.ENUM:
            return kind.value_names[0] if kind.values else None
        case Base.TEXT:
            return "text"
        case Base.DATE:
            return ORDINARY_DAY
        case Base.DATETIME:
            return datetime(2026, 1, 15, 4, tzinfo=UTC)
        case Base.TIME:
            return time(12)
        case Base.DURATION:
            return timedelta(days=1)
        case Base.PERIOD:
            return Period(1)
        case Base.LIST:
            return (ordinary(kind.element),) if kind.element else ()
        case Base.RECORD:
            return {f.name: ordinary(f.kind) for f in kind.fields}
        case Base.NULL:
            return None
        case _:
            return Fraction(1)


def names(grid: Grid) -> dict[str, Kind]:
    """Return what the tests of a grid read from a request, with its kind."""
    found: dict[str, Kind] = {}
    for f in (*(a.formula for a in grid.atoms), *(g.formula for g in grid.guards)):
        for ref in refs(f):
            found.setdefault(ref.name, ref.kind)
    return found


def ordinary_facts(grid: Grid) -> Facts:
    """Return an ordinary request for a table, on a day of its era."""
    day = ORDINARY_DAY if grid.book.era(ORDINARY_DAY) == grid.era else grid.book.era_day(grid.era)
    facts: Facts = {name: ordinary(kind) for name, kind in names(grid).items()}
    if "as_of" in facts:
        facts["as_of"] = day
    if "now" in facts:
        facts["now"] = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
    return facts


def placed(facts: Mapping[str, Value], variable: Formula, value: Value) -> Facts | None:
    """Return facts with one variable changed; None where it cannot be set."""
    match variable:
        case Ref(name, _, _):
            return {**facts, name: value}
        case Get(Ref(name, _, _), part, _):
            record = facts.get(name)
            return {**facts, name: {**record, part: value}} if isinstance(record, Mapping) else None
        case _:
            return None


def reaching(grid: Grid, axis: Axis, code: int, facts: Mapping[str, Value]) -> Facts | None:
    """Change one variable so that an axis has a code; None where that is not possible or not known how."""
    for changed in _tries(axis, code, facts):
        if changed is not None and axis.encode(grid.plain.complete(changed)) == code:
            return changed
    return None


def _tries(axis: Axis, code: int, facts: Mapping[str, Value]) -> Iterator[Facts | None]:
    match axis:
        case OrderedAxis():
            if code == axis.null_code:
                yield from (placed(facts, a.formula, None) for a in axis.atoms)
            else:
                for n in numbers(axis, code):
                    yield from _solved(axis, n, facts)
        case DiscreteAxis(atom=atom):
            if code == axis.null_code:
                yield placed(facts, atom.formula, None)
            elif code < len(axis.values):
                yield placed(facts, atom.formula, axis.values[code])
            else:
                yield placed(facts, atom.formula, "".join(axis.values) + "?")
        case TruthAxis(atom=atom):
            yield _truth(atom.formula, code, facts)
        case PresenceAxis(atom=atom):
            yield placed(facts, atom.formula, None if code == axis.null_code else ordinary(atom.kind))


def _truth(f: Formula, code: int, facts: Mapping[str, Value]) -> Facts | None:
    match f:
        case Member(Const(value, _), among):
            return placed(facts, among, (value,) if code == 1 else ())
        case _:
            return placed(facts, f, (False, True, None)[code])


def step(axis: OrderedAxis) -> Fraction:
    """Return the least difference worth showing on an axis: a cent, a day."""
    variable = axis.variable
    return _STEPS.get(axis.kind.base, Fraction(1)) if variable else min(_STEPS.get(a.kind.base, Fraction(1)) for a in axis.atoms)


def numbers(axis: OrderedAxis, code: int) -> Iterator[Fraction]:
    """Yield numbers with a code, those next to its ends first."""
    low, high = axis.bounds(code)
    if low is not None and low == high:
        yield low
        return
    least = step(axis)
    if high is not None and (low is None or high - least > low):
        yield high - least
    if low is not None and (high is None or low + least < high):
        yield low + least
    if high is not None and low is not None:
        yield (low + high) / 2
    if high is not None and (low is None or math.ceil(high) - 1 > low):
        yield Fraction(math.ceil(high) - 1)
    if low is not None and (high is None or math.floor(low) + 1 < high):
        yield Fraction(math.floor(low) + 1)
    if low is None and high is None:
        yield Fraction(0)
        yield Fraction(number(ORDINARY_DAY))


def _solved(axis: OrderedAxis, n: Fraction, facts: Mapping[str, Value]) -> Iterator[Facts | None]:
    """Solve the form for one variable after the other."""
    values: dict[int, Fraction | None] = {}
    for atom in axis.atoms:
        read = atom.read(facts)
        values[atom.index] = None if read is None else Fraction(read)
    for atom, factor in axis.form:
        others = [(k, values[a.index]) for a, k in axis.form if a.index != atom.index]
        if factor == 0 or any(v is None for _, v in others):
            continue
        rest = sum((k * v for k, v in others if v is not None), Fraction(0))
        value = value_of((n - rest) / factor, atom.kind.base)
        if value is not None:
            yield placed(facts, atom.formula, value)


def variables(grid: Grid) -> tuple[Atom, ...]:
    """Return the atoms that a request or another decision states directly."""
    return tuple(a for a in grid.atoms if a.is_variable)

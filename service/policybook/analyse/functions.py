"""The language's functions for values that are not known yet: most exactly, the others as functions of which a little is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

import z3

from policybook.analyse.symbols import NULL, Cond, Expr, Items, Scalar, Term, nothing
from policybook.cells.linear import DAY, EPOCH, number, value_of
from policybook.model.evaluate import evaluate
from policybook.model.faults import FormulaError
from policybook.model.formula import Call, Const
from policybook.model.kinds import Base, Kind

if TYPE_CHECKING:
    from policybook.analyse.reading import Reading


@dataclass(frozen=True, slots=True)
class Applied:
    """A function with no exact form, applied once."""

    name: str
    arguments: tuple[Expr, ...]
    kinds: tuple[Kind, ...]
    result: Expr
    kind: Kind


# Given the reading, the call and its arguments: the result; None where there is no exact form.
_Exact: TypeAlias = "Callable[[Reading, Call, list[Term]], Term | None]"


def _scalars(arguments: list[Term]) -> list[Scalar] | None:
    made = [a for a in arguments if isinstance(a, Scalar)]
    return made if len(made) == len(arguments) else None


def _with_null(compute: Callable[..., Expr]) -> _Exact:
    def made(r: Reading, _: Call, arguments: list[Term]) -> Term | None:
        scalars = _scalars(arguments)
        if scalars is None:
            return None
        null = r.solver.any(*(a.null for a in scalars))
        if null is True or any(a.value is None for a in scalars):
            return NULL
        return Scalar(compute(r, *(a.value for a in scalars)), null)

    return made


def _extreme(least: bool) -> _Exact:
    def made(r: Reading, f: Call, arguments: list[Term]) -> Term | None:
        if len(arguments) == 1 and isinstance(arguments[0], Items):
            found = r.extreme(arguments[0], least, f.kind)
            return Scalar(found.value, r.solver.any(arguments[0].null, found.null)) if isinstance(found, Scalar) else found
        # Of single values: null in, null out.
        null = r.solver.any(*(a.null for a in arguments))
        found = r.extreme(Items(tuple((True, a) for a in arguments), None, False), least, f.kind)
        return Scalar(found.value, null) if isinstance(found, Scalar) and null is not True else NULL

    return made


def _sum(r: Reading, f: Call, arguments: list[Term]) -> Term | None:
    items = arguments[0]
    return Scalar(r.total(items, f.kind), items.null) if isinstance(items, Items) else NULL


def _count(r: Reading, _: Call, arguments: list[Term]) -> Term | None:
    items = arguments[0]
    return Scalar(r.count(items), items.null) if isinstance(items, Items) else NULL


def _contains(r: Reading, _: Call, arguments: list[Term]) -> Term | None:
    items, sought = arguments
    if not isinstance(items, Items):
        return NULL
    return Scalar(r.holds(items, sought), r.solver.any(items.null, sought.null))


def _concat(r: Reading, _: Call, arguments: list[Term]) -> Term | None:
    a, b = arguments
    if not isinstance(a, Items) or not isinstance(b, Items):
        return NULL
    if a.rest and b.rest:
        return None
    return Items((*a.items, *b.items), a.rest or b.rest, r.solver.any(a.null, b.null))


def _difference(r: Reading, _: Call, arguments: list[Term]) -> Term | None:
    a, b = arguments
    if not isinstance(a, Items) or not isinstance(b, Items):
        return NULL
    if a.rest:
        return None
    s = r.solver
    items = tuple((s.all(here, s.no(r.holds(b, t))), t) for here, t in a.items)
    return Items(items, None, s.any(a.null, b.null))


def _distinct(r: Reading, _: Call, arguments: list[Term]) -> Term | None:
    a = arguments[0]
    if not isinstance(a, Items) or a.rest:
        return None if isinstance(a, Items) else NULL
    s = r.solver
    out: list[tuple[Cond, Term]] = []
    for here, t in a.items:
        out.append((s.all(here, *(s.no(s.all(p, s.equal(q, t))) for p, q in out)), t))
    return Items(tuple(out), None, a.null)


def _first(last: bool) -> _Exact:
    def made(r: Reading, f: Call, arguments: list[Term]) -> Term | None:
        a = arguments[0]
        if not isinstance(a, Items) or a.rest:
            return None if isinstance(a, Items) else NULL
        out = nothing(f.kind)
        for here, t in a.items if last else reversed(a.items):
            out = r.solver.pick(here, t, out)
        return out

    return made


def _index_of(r: Reading, _: Call, arguments: list[Term]) -> Term | None:
    a, sought = arguments
    if not isinstance(a, Items) or a.rest:
        return None if isinstance(a, Items) else NULL
    s = r.solver
    out: Term = NULL
    for place, (here, t) in reversed(list(zip(s.placed(a), a.items, strict=True))):
        out = s.pick(s.all(here, s.equal(t, sought)), Scalar(place + s.real(1), False), out)
    return s.pick(s.any(a.null, sought.null), NULL, out)


def _round(r: Reading, f: Call, arguments: list[Term]) -> Term | None:
    x = arguments[0]
    decimals = f.arguments[1]
    if not isinstance(x, Scalar) or not isinstance(decimals, Const) or not isinstance(decimals.value, Fraction):
        return None
    return NULL if x.value is None else Scalar(r.rounded(f, x.value, int(decimals.value), "half_up"), x.null)


def _modulo(r: Reading, f: Call, arguments: list[Term]) -> Term | None:
    a, b = arguments
    divisor = f.arguments[1]
    if not isinstance(a, Scalar) or not isinstance(divisor, Const) or not isinstance(divisor.value, Fraction) or divisor.value == 0:
        return None
    d = r.solver.real(divisor.value)
    return NULL if a.value is None else Scalar(a.value - d * z3.ToReal(z3.ToInt(a.value / d)), r.solver.any(a.null, b.null))


def _date(r: Reading, f: Call, arguments: list[Term]) -> Term | None:
    if len(arguments) == 1:
        return _day_of(r, f.arguments[0].kind, arguments[0])
    scalars = _scalars(arguments)
    if scalars is None:
        return None
    null = r.solver.any(*(a.null for a in scalars))
    if null is True or any(a.value is None for a in scalars):
        return NULL
    year, month, day = (a.value for a in scalars)
    s = r.solver
    first = r.calendar.start(z3.ToInt(s.real(12) * year + month - s.real(1)))
    return Scalar(first + day - s.real(1), null)


def _of_day(compute: Callable[[Reading, Expr], Expr]) -> _Exact:
    def made(r: Reading, f: Call, arguments: list[Term]) -> Term | None:
        day = _day_of(r, f.arguments[0].kind, arguments[0])
        return day if day is None or day.value is None else Scalar(compute(r, day.value), day.null)

    return made


def _starts(months: int) -> _Exact:
    def start(r: Reading, day: Expr) -> Expr:
        return r.calendar.start(r.calendar.month(day) / months * months)

    return _of_day(start)


def _ends(months: int) -> _Exact:
    def end(r: Reading, day: Expr) -> Expr:
        return r.calendar.start((r.calendar.month(day) / months + 1) * months) - r.solver.real(1)

    return _of_day(end)


def _months_between(r: Reading, f: Call, arguments: list[Term]) -> Term | None:
    a = _day_of(r, f.arguments[0].kind, arguments[0])
    b = _day_of(r, f.arguments[1].kind, arguments[1])
    if a is None or b is None:
        return None
    if a.value is None or b.value is None:
        return NULL
    return Scalar(r.calendar.between(a.value, b.value), r.solver.any(a.null, b.null))


def _day_of(r: Reading, kind: Kind, a: Term) -> Scalar | None:
    """Return the day of a date or instant as a number."""
    if not isinstance(a, Scalar):
        return None
    if a.value is None:
        return NULL
    if kind.base is Base.DATE:
        return a
    offset = r.offset
    if offset is None:
        return None
    s = r.solver
    return Scalar(z3.ToReal(z3.ToInt((a.value + s.real(offset * 1_000_000)) / s.real(DAY))) + s.real(EPOCH.toordinal()), a.null)


def _time(r: Reading, _: Call, arguments: list[Term]) -> Term | None:
    a = arguments[0]
    offset = r.offset
    if not isinstance(a, Scalar) or offset is None:
        return None
    if a.value is None:
        return NULL
    s = r.solver
    local = a.value + s.real(offset * 1_000_000)
    return Scalar(local - s.real(DAY) * z3.ToReal(z3.ToInt(local / s.real(DAY))), a.null)


def _datetime(r: Reading, _: Call, arguments: list[Term]) -> Term | None:
    a, b = arguments
    offset = r.offset
    if not isinstance(a, Scalar) or not isinstance(b, Scalar) or offset is None:
        return None
    if a.value is None or b.value is None:
        return NULL
    s = r.solver
    start = (a.value - s.real(EPOCH.toordinal())) * s.real(DAY)
    return Scalar(start + b.value - s.real(offset * 1_000_000), s.any(a.null, b.null))


def _end_of_day(r: Reading, f: Call, arguments: list[Term]) -> Term | None:
    day = _day_of(r, f.arguments[0].kind, arguments[0])
    offset = r.offset
    if day is None or offset is None:
        return None
    if day.value is None:
        return NULL
    s = r.solver
    last = s.real(DAY - 1_000_000 - offset * 1_000_000)
    return Scalar((day.value - s.real(EPOCH.toordinal())) * s.real(DAY) + last, day.null)


def _weekday(r: Reading, f: Call, arguments: list[Term]) -> Term | None:
    day = _day_of(r, f.arguments[0].kind, arguments[0])
    if day is None:
        return None
    if day.value is None:
        return NULL
    s = r.solver
    # Day 1 of `date.toordinal` was a Monday.
    whole = z3.ToInt(day.value)
    return Scalar(z3.ToReal((whole - 1) % 7 + 1), s.any(day.null))


def _days_between(r: Reading, f: Call, arguments: list[Term]) -> Term | None:
    a = _day_of(r, f.arguments[0].kind, arguments[0])
    b = _day_of(r, f.arguments[1].kind, arguments[1])
    if a is None or b is None:
        return None
    if a.value is None or b.value is None:
        return NULL
    return Scalar(b.value - a.value, r.solver.any(a.null, b.null))


def _length(unit: int) -> _Exact:
    def made(r: Reading, f: Call, arguments: list[Term]) -> Term | None:
        n = arguments[0]
        if not isinstance(n, Scalar):
            return None
        if n.value is None:
            return NULL
        micros = n.value * r.solver.real(unit)
        exact = f.arguments[0].kind.base is Base.INTEGER or isinstance(f.arguments[0], Const)
        return Scalar(micros if exact else r.truncated(micros), n.null)

    return made


EXACT: dict[str, _Exact] = {
    "min": _extreme(True),
    "max": _extreme(False),
    "sum": _sum,
    "count": _count,
    "abs": _with_null(lambda r, x: r.solver.choose(x >= r.solver.real(0), x, -x)),
    "floor": _with_null(lambda _, x: z3.ToReal(z3.ToInt(x))),
    "ceiling": _with_null(lambda _, x: -z3.ToReal(z3.ToInt(-x))),
    "round": _round,
    "modulo": _modulo,
    "contains": _contains,
    "concat": _concat,
    "difference": _difference,
    "distinct": _distinct,
    "first": _first(last=False),
    "last": _first(last=True),
    "index_of": _index_of,
    "date": _date,
    "time": _time,
    "datetime": _datetime,
    "end_of_day": _end_of_day,
    "weekday": _weekday,
    "days_between": _days_between,
    "months_between": _months_between,
    "year": _of_day(lambda r, day: z3.ToReal(r.calendar.month(day) / 12)),
    "month": _of_day(lambda r, day: z3.ToReal(r.calendar.month(day) % 12 + 1)),
    "day": _of_day(lambda r, day: day - r.calendar.start(r.calendar.month(day)) + r.solver.real(1)),
    "month_start": _starts(1),
    "quarter_start": _starts(3),
    "half_year_start": _starts(6),
    "year_start": _starts(12),
    "month_end": _ends(1),
    "quarter_end": _ends(3),
    "half_year_end": _ends(6),
    "year_end": _ends(12),
    "days": _length(DAY),
    "hours": _length(DAY // 24),
}


# ---------------------------------------------------------------- functions that are asked of the real one


def known_of(r: Reading, name: str, arguments: list[Expr], result: Expr) -> Iterator[Cond]:
    """Yield what holds for a function everywhere."""
    s = r.solver
    if name == "add_working_days" and not _is_instant(r, name):
        yield s.implies(arguments[1] >= s.real(0), result >= arguments[0] + arguments[1])
    elif name == "next_working_day" and not _is_instant(r, name):
        yield s.all(result >= arguments[0], result <= arguments[0] + s.real(30))


def _is_instant(r: Reading, name: str) -> bool:
    """Tell whether a function was last applied to an instant, whose number counts microseconds."""
    applied = [a for a in r.applied.values() if a.name == name]
    return bool(applied) and any(k.base is Base.DATETIME for k in applied[-1].kinds)


def real_result(applied: Applied, found: list[Any], r: Reading) -> tuple[Any, Cond]:
    """Return what the real function gives, as a number, and where it gives that."""
    s = r.solver
    values: list[Any] = []
    for v, kind in zip(found, applied.kinds, strict=True):
        if kind.base in (Base.ENUM, Base.TEXT):
            values.append(s.word_of(int(v)))
        elif isinstance(v, bool):
            values.append(v)
        else:
            values.append(value_of(Fraction(v), kind.base))
    if any(v is None for v in values):
        return None, True
    formula = Call(applied.name, tuple(Const(v, k) for v, k in zip(values, applied.kinds, strict=True)), applied.kind)
    here = [
        (a == s.expr(v)) if isinstance(v, bool) else (a == (v if kind.base in (Base.ENUM, Base.TEXT) else s.real(v)))
        for a, v, kind in zip(applied.arguments, found, applied.kinds, strict=True)
    ]
    try:
        result = evaluate(formula, {}, r.book.zone)
    except FormulaError:
        # Whether the request is then refused depends on what is computed for it: trying the solution tells.
        return None, True
    where = s.all(*here)
    if isinstance(result, bool):
        return result, where
    if isinstance(result, str):
        return s.word(result).as_long(), where
    return Fraction(number(result)), where

"""The functions of the language: one entry each, with its signature and what it computes.

Null in a list argument is skipped by the aggregates; any other null argument makes the result null.
"""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any

from policybook.model import kinds as k
from policybook.model.calendar import Place
from policybook.model.faults import FormulaError
from policybook.model.kinds import Base, Kind
from policybook.model.sizes import added
from policybook.values import add_months, months_between, rounded


@dataclass(frozen=True, slots=True)
class Function:
    """One function.

    Args:
        signature: shown in messages
        result: kinds of the arguments -> kind of the result; raises TypeError with a sentence when they do not fit
        compute: (values, zone) -> value; values have no nulls unless `takes_null`
    """

    signature: str
    result: Callable[[Sequence[Kind]], Kind]
    compute: Callable[[Sequence[Any], Place], Any]
    takes_null: bool = False


def _want(signature: str, *bases: frozenset[Base] | Base, result: Kind) -> Callable[[Sequence[Kind]], Kind]:
    def check(args: Sequence[Kind]) -> Kind:
        if len(args) != len(bases):
            raise TypeError(f"takes {len(bases)} argument{'s' if len(bases) != 1 else ''}, got {len(args)}: {signature}")
        for i, (arg, base) in enumerate(zip(args, bases, strict=True), 1):
            allowed = base if isinstance(base, frozenset) else frozenset({base})
            if arg.base not in allowed and arg.base is not Base.NULL:
                raise TypeError(f"argument {i} is {_article(arg)}, not {' or '.join(sorted(b.value for b in allowed))}: {signature}")
        return result

    return check


def _article(kind: Kind) -> str:
    word = str(kind)
    return f"{'an' if word[:1] in 'aeiou' else 'a'} {word}"


def _same(args: Sequence[Kind], signature: str) -> Kind:
    if not args:
        raise TypeError(f"takes at least one argument: {signature}")
    kind = args[0]
    for other in args[1:]:
        merged = k.merge(kind, other)
        if merged is None:
            raise TypeError(f"arguments are {_article(kind)} and {_article(other)}: {signature}")
        kind = merged
    return kind


def _extreme(signature: str) -> Callable[[Sequence[Kind]], Kind]:
    def check(args: Sequence[Kind]) -> Kind:
        kind = args[0].element if len(args) == 1 and args[0].base is Base.LIST else _same(args, signature)
        if kind is None or not kind.ordered:
            raise TypeError(f"needs values with an order: {signature}")
        return kind

    return check


def _sum(args: Sequence[Kind]) -> Kind:
    if len(args) != 1 or args[0].base is not Base.LIST or (args[0].element and args[0].element.base not in k.NUMERIC | {Base.DURATION}):
        raise TypeError("needs one list of numbers, money or durations: sum(list)")
    return args[0].element or k.NUMBER


def _element(signature: str) -> Callable[[Sequence[Kind]], Kind]:
    def check(args: Sequence[Kind]) -> Kind:
        if len(args) != 1 or args[0].base is not Base.LIST or args[0].element is None:
            raise TypeError(f"needs one list: {signature}")
        return args[0].element

    return check


def _lists(signature: str, count: int) -> Callable[[Sequence[Kind]], Kind]:
    def check(args: Sequence[Kind]) -> Kind:
        if len(args) != count or any(a.base is not Base.LIST for a in args):
            raise TypeError(f"needs {count} list{'s' if count > 1 else ''}: {signature}")
        return _same(args, signature)

    return check


def _search(signature: str, result: Kind) -> Callable[[Sequence[Kind]], Kind]:
    def check(args: Sequence[Kind]) -> Kind:
        if len(args) != 2 or args[0].base is not Base.LIST:
            raise TypeError(f"needs a list and a value: {signature}")
        if args[0].element and not k.comparable(args[0].element, args[1]):
            raise TypeError(f"the list holds {args[0].element}, the value is {_article(args[1])}: {signature}")
        return result

    return check


def _next_kind(args: Sequence[Kind]) -> Kind:
    signature = "next_in_turn(order, last, among)"
    if len(args) != 3 or args[0].base is not Base.LIST or args[2].base is not Base.LIST or args[0].element is None:
        raise TypeError(f"needs a list, a value and a list: {signature}")
    return args[0].element


def next_in_turn(order: Sequence[Any], last: Any, among: Sequence[Any]) -> Any:
    """Return the first of `among` that follows `last` in the cyclic `order`; an unknown `last` starts at the front."""
    start = order.index(last) + 1 if last in order else 0
    for i in range(len(order)):
        candidate = order[(start + i) % len(order)]
        if candidate in among:
            return candidate
    return None


def _local_date(moment: datetime, zone: Place) -> date:
    return moment.astimezone(zone).date()


def _make_date(v: Sequence[Any], zone: Place) -> date:
    if len(v) == 1:
        return v[0] if not isinstance(v[0], datetime) else _local_date(v[0], zone)
    if any(n.denominator != 1 for n in v):
        raise FormulaError("date(y, m, d) needs whole numbers")
    try:
        return date(int(v[0]), int(v[1]), int(v[2]))
    except (ValueError, OverflowError):
        raise FormulaError(f"there is no day {int(v[0])}-{int(v[1])}-{int(v[2])}") from None


def _date_kind(args: Sequence[Kind]) -> Kind:
    if len(args) == 1 and args[0].base in (Base.DATETIME, Base.DATE):
        return k.DATE
    return _want("date(year, month, day) or date(datetime)", k.PLAIN_NUMBERS, k.PLAIN_NUMBERS, k.PLAIN_NUMBERS, result=k.DATE)(args)


def _whole(n: Fraction, what: str) -> int:
    if n.denominator != 1 or abs(n) > 10**6:
        raise FormulaError(f"{what} must be a whole number, and not too large")
    return int(n)


def _count(n: Fraction) -> int:
    count = _whole(n, "the number of working days")
    if not 0 <= count <= 10_000:
        raise FormulaError("the number of working days must be from 0 to 10,000")
    return count


def _length(n: Fraction, unit: str) -> timedelta:
    try:
        return timedelta(microseconds=int(n * {"days": 86400, "hours": 3600}[unit] * 1_000_000))
    except OverflowError:
        raise FormulaError("the duration is too long") from None


def _day(value: date | datetime, zone: Place) -> date:
    return _local_date(value, zone) if isinstance(value, datetime) else value


def _month_end(value: date | datetime, zone: Place) -> date:
    first = _day(value, zone).replace(day=1)
    try:
        return add_months(first, 1) - timedelta(days=1)
    except OverflowError:
        return date(9999, 12, 31)


def _stretch(day: date, months: int) -> tuple[date, date]:
    """Return the first and last day of the quarter, half-year or year that a day falls into."""
    first = date(day.year, (day.month - 1) // months * months + 1, 1)
    last_month = first.month + months - 1
    return first, date(day.year, last_month, calendar.monthrange(day.year, last_month)[1])


def _modulo(a: Fraction, b: Fraction) -> Fraction:
    if b == 0:
        raise FormulaError("division by zero")
    return a % b


def _distinct(items: Sequence[Any]) -> tuple[Any, ...]:
    out: list[Any] = []
    for item in items:
        if item not in out:
            out.append(item)
    return tuple(out)


def _index(items: Sequence[Any], wanted: Any) -> Fraction | None:
    return Fraction(items.index(wanted) + 1) if wanted in items else None


def _present(v: Sequence[Any]) -> list[Any]:
    source = v[0] if len(v) == 1 and isinstance(v[0], tuple) else v
    return [x for x in source if x is not None]


def _total(v: Sequence[Any]) -> Any:
    items = [x for x in v[0] if x is not None]
    return added(items) if items else Fraction(0)


def _numeric(args: Sequence[Kind], signature: str) -> Kind:
    if len(args) != 1 or not (args[0].numeric or args[0].base is Base.DURATION):
        raise TypeError(f"needs one number or amount: {signature}")
    return args[0]


def _round_kind(args: Sequence[Kind]) -> Kind:
    if len(args) != 2 or not args[0].numeric or args[1].base not in k.PLAIN_NUMBERS:
        raise TypeError("needs a number or amount, and a count of decimals: round(x, decimals)")
    return k.NUMBER if args[0].base is Base.INTEGER else args[0]


def _decimals(n: Fraction) -> int:
    count = _whole(n, "decimals")
    if not 0 <= count <= 30:
        raise FormulaError("decimals must be from 0 to 30")
    return count


def _one(args: Sequence[Kind], signature: str) -> Kind:
    if len(args) != 1:
        raise TypeError(f"takes one argument: {signature}")
    return k.BOOLEAN


# These count by the company's calendar.
NEEDS_CALENDAR = frozenset({"is_working_day", "add_working_days", "next_working_day", "working_days_between"})

_DATES = frozenset({Base.DATE, Base.DATETIME})

FUNCTIONS: dict[str, Function] = {
    "min": Function("min(a, b, ..)", _extreme("min(a, b, ..) or min(list)"), lambda v, _: min(_present(v), default=None)),
    "max": Function("max(a, b, ..)", _extreme("max(a, b, ..) or max(list)"), lambda v, _: max(_present(v), default=None)),
    "sum": Function("sum(list)", _sum, lambda v, _: _total(v)),
    "count": Function("count(list)", _want("count(list)", Base.LIST, result=k.INTEGER), lambda v, _: Fraction(len(v[0]))),
    "abs": Function("abs(x)", lambda a: _numeric(a, "abs(x)"), lambda v, _: abs(v[0])),
    "floor": Function("floor(x)", _want("floor(x)", k.PLAIN_NUMBERS, result=k.INTEGER), lambda v, _: Fraction(math.floor(v[0]))),
    "ceiling": Function("ceiling(x)", _want("ceiling(x)", k.PLAIN_NUMBERS, result=k.INTEGER), lambda v, _: Fraction(math.ceil(v[0]))),
    "round": Function("round(x, decimals)", _round_kind, lambda v, _: rounded(v[0], _decimals(v[1]))),
    "date": Function("date(year, month, day) or date(datetime)", _date_kind, _make_date),
    "datetime": Function(
        "datetime(date, time)",
        _want("datetime(date, time)", Base.DATE, Base.TIME, result=k.DATETIME),
        lambda v, zone: datetime.combine(v[0], v[1], tzinfo=zone).astimezone(UTC),
    ),
    "time": Function(
        "time(datetime)",
        _want("time(datetime)", Base.DATETIME, result=k.TIME),
        lambda v, zone: v[0].astimezone(zone).time(),
    ),
    "year": Function("year(date)", _want("year(date)", _DATES, result=k.INTEGER), lambda v, z: Fraction(_day(v[0], z).year)),
    "month": Function("month(date)", _want("month(date)", _DATES, result=k.INTEGER), lambda v, z: Fraction(_day(v[0], z).month)),
    "day": Function("day(date)", _want("day(date)", _DATES, result=k.INTEGER), lambda v, z: Fraction(_day(v[0], z).day)),
    "weekday": Function(
        "weekday(date)", _want("weekday(date)", _DATES, result=k.INTEGER), lambda v, z: Fraction(_day(v[0], z).isoweekday())
    ),
    "month_start": Function(
        "month_start(date)", _want("month_start(date)", _DATES, result=k.DATE), lambda v, z: _day(v[0], z).replace(day=1)
    ),
    "month_end": Function("month_end(date)", _want("month_end(date)", _DATES, result=k.DATE), lambda v, z: _month_end(v[0], z)),
    "quarter_start": Function(
        "quarter_start(date)", _want("quarter_start(date)", _DATES, result=k.DATE), lambda v, z: _stretch(_day(v[0], z), 3)[0]
    ),
    "quarter_end": Function(
        "quarter_end(date)", _want("quarter_end(date)", _DATES, result=k.DATE), lambda v, z: _stretch(_day(v[0], z), 3)[1]
    ),
    "half_year_start": Function(
        "half_year_start(date)", _want("half_year_start(date)", _DATES, result=k.DATE), lambda v, z: _stretch(_day(v[0], z), 6)[0]
    ),
    "half_year_end": Function(
        "half_year_end(date)", _want("half_year_end(date)", _DATES, result=k.DATE), lambda v, z: _stretch(_day(v[0], z), 6)[1]
    ),
    "year_start": Function(
        "year_start(date)", _want("year_start(date)", _DATES, result=k.DATE), lambda v, z: _stretch(_day(v[0], z), 12)[0]
    ),
    "year_end": Function("year_end(date)", _want("year_end(date)", _DATES, result=k.DATE), lambda v, z: _stretch(_day(v[0], z), 12)[1]),
    "end_of_day": Function(
        "end_of_day(date)",
        _want("end_of_day(date)", _DATES, result=k.DATETIME),
        lambda v, z: datetime.combine(_day(v[0], z), time(23, 59, 59), tzinfo=z).astimezone(UTC),
    ),
    "is_working_day": Function(
        "is_working_day(date)",
        _want("is_working_day(date)", _DATES, result=k.BOOLEAN),
        lambda v, z: z.working_days.is_working_day(_day(v[0], z)),
    ),
    "add_working_days": Function(
        "add_working_days(date, n)",
        _want("add_working_days(date, n)", _DATES, k.PLAIN_NUMBERS, result=k.DATE),
        lambda v, z: z.working_days.add_working_days(_day(v[0], z), _count(v[1])),
    ),
    "next_working_day": Function(
        "next_working_day(date)",
        _want("next_working_day(date)", _DATES, result=k.DATE),
        lambda v, z: z.working_days.next_working_day(_day(v[0], z)),
    ),
    "working_days_between": Function(
        "working_days_between(a, b)",
        _want("working_days_between(a, b)", _DATES, _DATES, result=k.INTEGER),
        lambda v, z: Fraction(z.working_days.working_days_between(_day(v[0], z), _day(v[1], z))),
    ),
    "modulo": Function(
        "modulo(a, b)",
        _want("modulo(a, b)", k.PLAIN_NUMBERS, k.PLAIN_NUMBERS, result=k.NUMBER),
        lambda v, _: _modulo(v[0], v[1]),
    ),
    "months_between": Function(
        "months_between(a, b)",
        _want("months_between(a, b)", _DATES, _DATES, result=k.INTEGER),
        lambda v, z: Fraction(months_between(_day(v[0], z), _day(v[1], z))),
    ),
    "days_between": Function(
        "days_between(a, b)",
        _want("days_between(a, b)", _DATES, _DATES, result=k.INTEGER),
        lambda v, z: Fraction((_day(v[1], z) - _day(v[0], z)).days),
    ),
    "days": Function("days(n)", _want("days(n)", k.PLAIN_NUMBERS, result=k.DURATION), lambda v, _: _length(v[0], "days")),
    "hours": Function("hours(n)", _want("hours(n)", k.PLAIN_NUMBERS, result=k.DURATION), lambda v, _: _length(v[0], "hours")),
    "coalesce": Function(
        "coalesce(a, b, ..)",
        lambda a: _same(a, "coalesce(a, b, ..)"),
        lambda v, _: next((x for x in v if x is not None), None),
        takes_null=True,
    ),
    "is_null": Function("is_null(x)", lambda a: _one(a, "is_null(x)"), lambda v, _: v[0] is None, takes_null=True),
    "contains": Function("contains(list, x)", _search("contains(list, x)", k.BOOLEAN), lambda v, _: v[1] in v[0]),
    "concat": Function("concat(list, list)", _lists("concat(list, list)", 2), lambda v, _: v[0] + v[1]),
    "difference": Function(
        "difference(list, list)",
        _lists("difference(list, list)", 2),
        lambda v, _: tuple(x for x in v[0] if x not in v[1]),
    ),
    "first": Function("first(list)", _element("first(list)"), lambda v, _: v[0][0] if v[0] else None),
    "last": Function("last(list)", _element("last(list)"), lambda v, _: v[0][-1] if v[0] else None),
    "index_of": Function("index_of(list, x)", _search("index_of(list, x)", k.INTEGER), lambda v, _: _index(v[0], v[1])),
    "distinct": Function("distinct(list)", _lists("distinct(list)", 1), lambda v, _: _distinct(v[0])),
    "next_in_turn": Function(
        "next_in_turn(order, last, among)",
        _next_kind,
        lambda v, _: None if v[0] is None or v[2] is None else next_in_turn(v[0], v[1], v[2]),
        takes_null=True,
    ),
}

"""Linear forms: what an ordered comparison compares, as exact coefficients on atoms.

Units: numbers and money as they are, dates in days (ordinal), instants and times of day in microseconds, durations in
microseconds, periods in months. A form is null exactly when one of its atoms is; an atom that cancels out is kept with
coefficient 0 for that reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any

from policybook.model.formula import Arith, Call, Const, Formula
from policybook.model.kinds import Base
from policybook.model.sizes import MAX_BITS
from policybook.values import Period

DAY = 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# Within these windows of the atoms no date or duration on the way can leave its range (see Form.reach).
SAFE_DATES = (date(1000, 1, 1), date(9000, 1, 1))
SAFE_DAYS = 10_000
MAX_REACH = 360_000
_UNBOUNDED = Fraction(MAX_REACH + 1)
# The longest difference of two dates, and a little less than the longest duration, in days.
_ANY_SPAN = 3_660_000
_LONGEST = 900_000_000


@dataclass(frozen=True, slots=True)
class Form:
    """A sum of coefficient times atom, and a constant.

    Args:
        shaky: computing it as written can leave the range of dates or durations
        reach: the days by which dates on the way are moved at most, while lengths are within SAFE_DAYS
    """

    terms: Mapping[Formula, Fraction]
    constant: Fraction
    shaky: bool = False
    reach: Fraction = Fraction(0)

    @property
    def is_constant(self) -> bool:
        return not self.terms

    def plus(self, other: Form, sign: int = 1) -> Form:
        terms = dict(self.terms)
        for atom, c in other.terms.items():
            terms[atom] = terms.get(atom, Fraction(0)) + sign * c
        return Form(terms, self.constant + sign * other.constant, self.shaky or other.shaky, self.reach + other.reach)

    def times(self, factor: Fraction | int) -> Form:
        return Form({a: c * factor for a, c in self.terms.items()}, self.constant * factor, self.shaky, self.reach)

    def trembling(self, more: Fraction | int = 0) -> Form:
        return Form(self.terms, self.constant, True, self.reach + more)


def number(value: Any) -> Fraction | int:
    """Turn an ordered value into its number."""
    if isinstance(value, datetime):
        return (value - EPOCH) // MICROSECOND
    if isinstance(value, date):
        return value.toordinal()
    if isinstance(value, timedelta):
        return value // MICROSECOND
    if isinstance(value, time):
        return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
    if isinstance(value, Period):
        return value.months
    return value  # type: ignore[no-any-return]


def value_of(n: Fraction | int, base: Base) -> Any:
    """Turn a number back into a value of a kind; None where there is no such value."""
    try:
        match base:
            case Base.DATE:
                return date.fromordinal(int(n)) if n == int(n) else None
            case Base.DATETIME:
                return EPOCH + int(n) * MICROSECOND if n == int(n) else None
            case Base.DURATION:
                return int(n) * MICROSECOND if n == int(n) else None
            case Base.TIME:
                if n != int(n) or not 0 <= n < DAY:
                    return None
                return (datetime(2000, 1, 1, tzinfo=UTC) + int(n) * MICROSECOND).time()
            case Base.PERIOD:
                return Period(int(n)) if n == int(n) else None
            case Base.INTEGER:
                return Fraction(n) if n == int(n) else None
            case _:
                return Fraction(n)
    except (OverflowError, ValueError):
        return None


_DIMENSIONS = {Base.DATE: "date", Base.DATETIME: "datetime", Base.TIME: "time", Base.DURATION: "duration", Base.PERIOD: "period"}


def dimension(f: Formula) -> str:
    """Name what two formulas must share to be compared by number; "" for what has no order."""
    base = f.kind.base
    return "number" if f.kind.numeric else _DIMENSIONS.get(base, "")


def linear(f: Formula) -> Form:
    """Return the linear form of a plain formula of an ordered kind; what is not linear becomes an atom."""
    made = _sum(f)
    return made if made is not None and not _is_large(made) else Form({f: Fraction(1)}, Fraction(0))


# Half of what a result may have: with the facts of a request multiplied in, no step of `evaluate` has too many digits either.
_LARGE = MAX_BITS // 2


def _is_large(form: Form) -> bool:
    return any(n.numerator.bit_length() > _LARGE or n.denominator.bit_length() > _LARGE for n in (form.constant, *form.terms.values()))


def _sum(f: Formula) -> Form | None:
    match f:
        case Const(None, _):
            return None
        case Const(value, _):
            return Form({}, Fraction(number(value)), reach=_UNBOUNDED if _is_far(value) else Fraction(0))
        case Arith(op, left, right, _):
            if _is_null(left) or _is_null(right):
                return None
            return _arithmetic(op, left, right)
        case Call("days", (n,), _) if not _is_null(n):
            return _length(n, DAY)
        case Call("hours", (n,), _) if not _is_null(n):
            return _length(n, DAY // 24)
        case Call("days_between", (a, b), _) if (
            a.kind.base is Base.DATE and b.kind.base is Base.DATE and not _is_null(a) and not _is_null(b)
        ):
            return linear(b).plus(linear(a), -1)
        case _:
            return None


def _is_far(value: Any) -> bool:
    if isinstance(value, datetime):
        value = value.date()
    return isinstance(value, date) and not SAFE_DATES[0] <= value <= SAFE_DATES[1]


def _is_null(f: Formula) -> bool:
    return isinstance(f, Const) and f.value is None


def _arithmetic(op: str, left: Formula, right: Formula) -> Form | None:
    a, b = dimension(left), dimension(right)
    if op in ("+", "-"):
        return _moved(left, right, op) if op == "+" or a == b or a in ("date", "datetime") else None
    if op == "*":
        if a != "number":
            left, right, a, b = right, left, b, a
        return _scaled(left, right) if a == "number" else None
    factor = linear(right)
    if not factor.is_constant or factor.constant == 0:
        return None
    if a == "duration" and b == "number":
        inverse = 1 / factor.constant
        return _checked(linear(left).times(inverse)) if inverse.denominator == 1 else None
    return linear(left).times(1 / factor.constant) if a == b and a in ("number", "duration") else None


def _moved(left: Formula, right: Formula, op: str) -> Form | None:
    sign = 1 if op == "+" else -1
    a, b = dimension(left), dimension(right)
    if op == "+" and b in ("date", "datetime"):
        left, right, a, b = right, left, b, a
    x, y = linear(left), linear(right)
    if a == b and a in ("number", "period"):
        return x.plus(y, sign)
    if a == b == "duration":
        return _checked(x.plus(y, sign))
    if a == b == "datetime" and op == "-":
        return x.plus(y, -1)
    if a == b == "date" and op == "-":
        return x.plus(y, -1).times(DAY)
    if a == "datetime" and b == "duration":
        return x.plus(y, sign).trembling(_days(y))
    if a == "date" and b == "duration":
        days = _whole_days(y)
        return None if days is None else x.plus(days, sign).trembling(_days(y))
    return None


def _whole_days(y: Form) -> Form | None:
    # A date moves by the whole days of a duration, rounded down; only where that loses nothing is it linear.
    if y.is_constant:
        return Form({}, Fraction(y.constant // DAY), y.shaky, y.reach)
    days = y.times(Fraction(1, DAY))
    return Form(days.terms, days.constant, y.shaky, y.reach) if _is_whole(days) else None


def _is_whole(form: Form) -> bool:
    return form.constant.denominator == 1 and all(
        c.denominator == 1 and a.kind.base in (Base.INTEGER, Base.DATE, Base.DATETIME, Base.DURATION) for a, c in form.terms.items()
    )


def _days(y: Form, difference: Fraction = _UNBOUNDED) -> Fraction:
    """Bound the days of a duration while its lengths are within SAFE_DAYS; a date in it counts as `difference`."""
    total = abs(y.constant) / DAY
    for atom, c in y.terms.items():
        if atom.kind.base is Base.DATE:
            total += abs(c) / DAY * difference
        elif atom.kind.base is Base.DATETIME:
            total += abs(c) * difference
        elif atom.kind.base is Base.DURATION:
            total += abs(c) * SAFE_DAYS
        else:
            # A number of days or hours: SAFE_DAYS bounds it as written.
            total += abs(c) * SAFE_DAYS / DAY
    return total


def _checked(y: Form) -> Form:
    """Mark a duration that was computed."""
    return y.trembling(0 if _days(y, Fraction(_ANY_SPAN)) <= _LONGEST else _UNBOUNDED)


def _length(n: Formula, unit: int) -> Form | None:
    form = linear(n)
    # int() cuts off parts of a microsecond: linear only where there are none.
    if form.is_constant:
        made = Form({}, Fraction(int(form.constant * unit)), form.shaky, form.reach)
    else:
        made = form.times(unit)
        if not _is_whole(form):
            return None
    return _checked(made)


def _scaled(left: Formula, right: Formula) -> Form | None:
    """Multiply a number by a number or a length, one of the two constant."""
    x, y = linear(left), linear(right)
    what = dimension(right)
    if what == "number":
        if x.is_constant:
            return y.times(x.constant)
        return x.times(y.constant) if y.is_constant else None
    if what == "period":
        return y.times(x.constant) if x.is_constant and x.constant.denominator == 1 else None
    if what != "duration":
        return None
    if x.is_constant and x.constant.denominator == 1:
        return _checked(y.times(x.constant))
    return _checked(x.times(y.constant)) if y.is_constant and _is_whole(x) else None

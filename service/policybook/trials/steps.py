"""The least step of a compared value: how near to a threshold counts as just beside it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from policybook.cells.linear import linear, number
from policybook.cells.plain import Plain
from policybook.model.formula import Formula
from policybook.model.kinds import Base, Kind
from policybook.values import Value, minor_units

_MINUTE = 60_000_000
_STEPS = {
    Base.NUMBER: Fraction(1, 1000),
    Base.PERCENT: Fraction(1, 1000),
    Base.FRACTION: Fraction(1, 1000),
    Base.INTEGER: Fraction(1),
    Base.DATE: Fraction(1),
    Base.PERIOD: Fraction(1),
    # In microseconds, as cells.linear counts them.
    Base.DATETIME: Fraction(_MINUTE),
    Base.TIME: Fraction(_MINUTE),
    Base.DURATION: Fraction(_MINUTE),
}
_WHOLE = (Base.INTEGER, Base.DATE, Base.PERIOD)


def least_step(subject: Formula, plain: Plain, currency: str) -> Fraction | None:
    """Return the least step of what a column compares, in the units of cells.linear; None where it has no order.

    It is the least change that one step of one of the facts in it makes: a cent of an amount (by the currency), 1 of a whole
    number, a thousandth of another, a day of a date, a minute of an instant, a time of day or a duration, a month of a period.
    A length between two dates therefore moves by days.
    """
    made = plain.of(subject)
    own = _of_kind(subject.kind, currency)
    if own is None:
        return None
    parts = [abs(k) * s for atom, k in linear(made).terms.items() if k and (s := _of_kind(atom.kind, currency)) is not None]
    least = min(parts, default=own)
    return max(least, own) if subject.kind.base in _WHOLE else least


def _of_kind(kind: Kind, currency: str) -> Fraction | None:
    if kind.base is Base.MONEY:
        return Fraction(1, 10 ** minor_units(currency))
    return _STEPS.get(kind.base)


def distance(actual: Value, point: Value) -> Fraction | None:
    """Return how far a value lies above a point, in the units of cells.linear; None where one of them has no number."""
    try:
        a: Any = number(actual)
        b: Any = number(point)
        return Fraction(a) - Fraction(b)
    except (TypeError, ValueError):
        return None


def is_whole(kind: Kind) -> bool:
    """Tell whether values of a kind are whole numbers: a point between two of them cannot be hit."""
    return kind.base in _WHOLE

"""The least step of a kind: how near two values of it may be and still be worth telling apart."""

from __future__ import annotations

from fractions import Fraction

from policybook.model.kinds import Base, Kind
from policybook.values import minor_units

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
# Kinds whose values are whole numbers in the units of cells.linear, and one after the other worth telling apart.
WHOLE = frozenset({Base.INTEGER, Base.DATE, Base.PERIOD})


def least_step(kind: Kind, currency: str) -> Fraction | None:
    """Return the least step of a kind in the units of cells.linear; None where it has no order.

    A cent of an amount (by the currency), 1 of a whole number, a thousandth of another, a day of a date, a month of a period, a
    minute of an instant, a time of day or a duration.
    """
    if kind.base is Base.MONEY:
        return Fraction(1, 10 ** minor_units(currency))
    return _STEPS.get(kind.base)

"""Inputs that have an order, as whole numbers of least steps: between two neighbours nothing is told apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil, floor, lcm
from typing import Any

from policybook.cells.least import least_step
from policybook.cells.linear import DAY, EPOCH, SAFE_DATES, number, value_of
from policybook.model.kinds import Base, Field
from policybook.values import Value

# Beyond these nobody asks: a thousand billion, three thousand years, ten thousand years of months.
_FAR = Fraction(10**12)
_FAR_LENGTH = 3_000 * 366 * DAY
_FAR_PERIOD = 120_000


@dataclass(frozen=True, slots=True)
class Steps:
    """The values that one input can take, in steps.

    Args:
        size: of a step, in the units of cells.linear; values are whole multiples of it
        low, high: the first and last value, in steps
        low_is_end, high_is_end: the input ends there; else there is only no point in going on
    """

    declared: Field
    size: Fraction
    low: int
    high: int
    low_is_end: bool
    high_is_end: bool

    @classmethod
    def of(cls, declared: Field, actual: Value, currency: str) -> Steps | None:
        """Return the steps of an input; None where it has no order.

        Args:
            actual: steps are so small that it is a multiple of one
        """
        size = least_step(declared.kind, currency)
        if size is None:
            return None
        if actual is not None:
            size = common_step(size, Fraction(number(actual)))
        low, high = _ends(declared)
        minimum = None if declared.minimum is None else Fraction(number(declared.minimum))
        maximum = None if declared.maximum is None else Fraction(number(declared.maximum))
        has_ends = declared.kind.base is Base.TIME
        first = low if minimum is None else max(low, minimum)
        last = high if maximum is None else min(high, maximum)
        return cls(
            declared,
            size,
            ceil(first / size),
            floor(last / size),
            has_ends or (minimum is not None and minimum >= low),
            has_ends or (maximum is not None and maximum <= high),
        )

    def value(self, n: int) -> Any:
        """Return the value of a number of steps."""
        return value_of(n * self.size, self.declared.kind.base)

    def at(self, value: Value) -> int:
        """Return how many steps a value is; it is a multiple of one."""
        return int(Fraction(number(value)) / self.size)

    def below(self, n: Fraction | int) -> int:
        """Return the last step at or below a number."""
        return floor(Fraction(n) / self.size)

    @property
    def shown(self) -> Value:
        """The size of a step as a value: of dates, instants and times a length."""
        match self.declared.kind.base:
            case Base.DATE:
                return timedelta(days=1)
            case Base.DATETIME | Base.TIME | Base.DURATION:
                return timedelta(microseconds=int(self.size))
            case base:
                made: Value = value_of(self.size, base)
                return made


def common_step(size: Fraction, n: Fraction) -> Fraction:
    """Return the largest step that divides both."""
    if n % size == 0:
        return size
    d = lcm(size.denominator, n.denominator)
    a, b = int(size * d), abs(int(n * d))
    while b:
        a, b = b, a % b
    return Fraction(a, d)


def _ends(declared: Field) -> tuple[Fraction, Fraction]:
    match declared.kind.base:
        case Base.DATE:
            return Fraction(SAFE_DATES[0].toordinal()), Fraction(SAFE_DATES[1].toordinal())
        case Base.DATETIME:
            low, high = (datetime(d.year, d.month, d.day, tzinfo=UTC) - EPOCH for d in SAFE_DATES)
            return Fraction(low // timedelta(microseconds=1)), Fraction(high // timedelta(microseconds=1))
        case Base.TIME:
            return Fraction(0), Fraction(DAY - 1)
        case Base.DURATION:
            return Fraction(-_FAR_LENGTH), Fraction(_FAR_LENGTH)
        case Base.PERIOD:
            return Fraction(-_FAR_PERIOD), Fraction(_FAR_PERIOD)
        case _:
            return -_FAR, _FAR

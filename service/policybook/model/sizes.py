"""How large a result may be."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from policybook.model.faults import FormulaError

# LIMIT: a number of more bits than this (616 digits), above or below the line, is no result. Without a limit a few products
# take minutes, and Python writes no number of more than 4,300 digits.
MAX_BITS = 2048


def sized(number: Any) -> Any:
    """Return a number that is not too large, or whatever is no number.

    Raises:
        FormulaError: it is
    """
    if isinstance(number, Fraction) and (number.numerator.bit_length() > MAX_BITS or number.denominator.bit_length() > MAX_BITS):
        raise FormulaError("the result has too many digits")
    return number


def added(values: Sequence[Any]) -> Any:
    """Add numbers, amounts or durations, of which there is at least one.

    Raises:
        FormulaError: the sum is too large
    """
    total = values[0]
    try:
        for value in values[1:]:
            total = sized(total + value)
    except OverflowError:
        raise FormulaError("the sum is out of range") from None
    return total

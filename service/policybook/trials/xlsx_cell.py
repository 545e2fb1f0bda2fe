"""What a cell of a workbook says, exactly: the text one would write for it in a book.

What a person sees is what is tested. A number is the shortest decimal that stands for the stored double: the digits that were
typed, as Excel keeps 15 of them. Where a cell shows less than it holds, or holds what no short decimal states, it is refused
with a reason rather than rounded in silence.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from policybook.values import duration_text

# Digits that Excel keeps of a number (IEEE double), and how many a computed one may have for what follows to be noise of the arithmetic.
DIGITS = 15
SHORT = 12

_UNSHOWN = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
_PLACES = re.compile(r"[#0?](?:[#0?,]*[#0?])?(?:\.([#0?]*))?(,*)")
_FRACTION = re.compile(r"[#?0]+\s*/\s*([#?0]+|\d+)")


class UnreadableError(ValueError):
    """A cell that says nothing exact; `help` is one line that can be followed."""

    def __init__(self, message: str, help_text: str) -> None:
        super().__init__(message)
        self.help = help_text


def cell_text(value: object, number_format: str) -> str:
    """Write the value of a cell as one writes it in a book; empty for an empty cell.

    Raises:
        UnreadableError: it cannot be said exactly, or is not what the cell shows
    """
    shown = _UNSHOWN.sub("", number_format).partition(";")[0].lower()
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return _number(value, shown)
        case datetime():
            return _moment(value, shown)
        case date():
            return value.isoformat()
        case time():
            return _time(value, shown)
        case timedelta():
            return _length(value, shown)
        case _:
            return str(value)


def _number(value: float, shown: str) -> str:
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - not a number is what differs from itself
        raise UnreadableError("the cell holds no finite number", "write the number as text")
    if fraction := _FRACTION.search(shown):
        return _fraction(value, fraction.group(1))
    number = _exact(value)
    if "e+" in shown or "e-" in shown:
        return _plain(number)
    places = _PLACES.search(shown)
    percent = "%" in shown
    if places is None:
        return _plain(number)
    if places.group(2):
        raise UnreadableError("the cell shows its number in thousands", "choose a number format without a comma at its end")
    if percent:
        number *= 100
    decimals = len(places.group(1) or "")
    if -_exponent(number) > decimals:
        sign = "%" if percent else ""
        message = f"the cell shows {number:.{decimals}f}{sign} but holds {_plain(number)}{sign}"
        raise UnreadableError(message, "round the value, or choose a number format that shows all its digits")
    return f"{_plain(number)}{'%' if percent else ''}"


def _exact(value: float) -> Decimal:
    """Return the decimal that a stored number stands for."""
    number = Decimal(repr(value))
    if _length_of(number) <= DIGITS:
        return number
    rounded = Context(prec=DIGITS, rounding=ROUND_HALF_EVEN).plus(number)
    # The noise of arithmetic lies behind the point: a whole number is what it says.
    if number % 1 and _length_of(rounded) <= SHORT:
        return rounded
    raise UnreadableError(
        f"the number {number} has more than the {DIGITS} digits that Excel keeps exactly",
        "write it as text: format the cell as Text, then write `1/3`, or all digits",
    )


def _length_of(number: Decimal) -> int:
    return len("".join(map(str, number.as_tuple().digits)).strip("0"))


def _exponent(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _plain(number: Decimal) -> str:
    # Far from 1 the digits would be zeros by the hundred; a book reads an exponent too.
    if abs(number.adjusted()) > 2 * DIGITS:
        return str(number.normalize())
    return f"{number.normalize():f}" if number else "0"


def _fraction(value: float, below: str) -> str:
    """Return the fraction that a cell with a fraction format shows, when the stored double is the nearest to it."""
    most = int(below) if below.isdigit() and int(below) else 10 ** len(below) - 1
    fraction = Fraction(value).limit_denominator(most)
    if float(fraction) != float(value):
        raise UnreadableError(f"the cell shows about {fraction} but holds {value!r}", "format the cell as Text and write the exact value")
    return str(fraction)


def _moment(value: datetime, shown: str) -> str:
    day, clock = value.date().isoformat(), value.time()
    has_day, has_clock = _shows_day(shown), _shows_clock(shown)
    if not has_day and has_clock:
        raise UnreadableError(f"the cell shows a time of day but holds the day {day} too", "choose a format that shows day and time")
    if not has_clock:
        if clock != time():
            message = f"the cell shows a day but holds the time {clock.isoformat()} too"
            raise UnreadableError(message, "choose a format that shows day and time, or write the day alone")
        return day
    return f"{day}T{_clock(clock, shown)}"


def _time(value: time, shown: str) -> str:
    if _shows_day(shown):
        raise UnreadableError("the cell shows a day but holds none", "write a day such as 2026-03-31")
    return _clock(value, shown)


def _clock(value: time, shown: str) -> str:
    if (value.second or value.microsecond) and "s" not in shown:
        raise UnreadableError(f"the cell shows no seconds but holds {value.isoformat()}", "choose a format that shows seconds")
    return value.isoformat(timespec="auto" if value.second or value.microsecond else "minutes")


def _length(value: timedelta, shown: str) -> str:
    if (value.seconds % 60 or value.microseconds) and "s" not in shown:
        raise UnreadableError(f"the cell shows no seconds but holds {duration_text(value)}", "choose a format that shows seconds")
    return duration_text(value)


def _shows_day(shown: str) -> bool:
    return "d" in shown or "y" in shown


def _shows_clock(shown: str) -> bool:
    return "h" in shown or "s" in shown

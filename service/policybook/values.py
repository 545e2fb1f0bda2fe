"""Exact values and their text forms. Bad text is a plain ValueError in words for a person.

At run time a value is: Fraction (number, integer, percent, fraction, and money in the book's currency), bool, str
(enum, text), date, datetime (aware, UTC), time, timedelta (duration), Period, tuple (list), dict (record), None (null).
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal, localcontext
from fractions import Fraction
from functools import total_ordering
from typing import TypeAlias
from zoneinfo import ZoneInfo

MAX_DIGITS = 38
MAX_EXPONENT = 38


@total_ordering
@dataclass(frozen=True, slots=True)
class Period:
    """A length of time in calendar months; `P1Y` is 12."""

    months: int

    def __lt__(self, other: object) -> bool:
        return self.months < other.months if isinstance(other, Period) else NotImplemented

    def __str__(self) -> str:
        years, months = divmod(abs(self.months), 12)
        sign = "-" if self.months < 0 else ""
        body = (f"{years}Y" if years else "") + (f"{months}M" if months else "")
        return f"{sign}P{body or '0M'}"


Value: TypeAlias = "Fraction | bool | str | date | datetime | time | timedelta | Period | tuple[Value, ...] | Mapping[str, Value] | None"

_NUMBER = re.compile(r"[+-]?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,5}))?\Z", re.ASCII)
_TEN_TO = tuple(10**i for i in range(16))
_RATIO = re.compile(r"([+-]?\d+)\s*/\s*(\d+)\Z", re.ASCII)


def parse_number(text: str) -> Fraction:
    """Read decimal text, exactly.

    Raises:
        ValueError: not decimal text, or longer than the limits on digits and exponent
    """
    if len(text) <= 15 and text.isascii():
        whole, point, decimals = text.partition(".")
        if whole.isdigit():
            if not point:
                return Fraction(int(whole))
            if decimals.isdigit():
                return Fraction(int(whole + decimals), _TEN_TO[len(decimals)])
    if len(text) > 2 * MAX_DIGITS + 10:
        raise ValueError(f"a number may have at most {MAX_DIGITS} digits, this has {len(text):,} characters")
    found = _NUMBER.match(text)
    if not found:
        raise ValueError(f"`{text}` is not a decimal number such as `1200.50`")
    whole, decimals, exponent = found.group(1), found.group(2) or "", int(found.group(3) or 0)
    if len(whole.lstrip("0")) + len(decimals) > MAX_DIGITS:
        raise ValueError(f"a number may have at most {MAX_DIGITS} digits")
    if abs(exponent) > MAX_EXPONENT:
        raise ValueError(f"an exponent may be at most {MAX_EXPONENT}")
    digits = int(whole + decimals)
    power = exponent - len(decimals)
    number = Fraction(digits * 10**power) if power >= 0 else Fraction(digits, 10**-power)
    return -number if text[0] == "-" else number


def parse_ratio(text: str) -> Fraction:
    """Read decimal text, `n/d` or `p%`, exactly."""
    if text.endswith("%"):
        return parse_number(text[:-1].strip()) / 100
    found = _RATIO.match(text) if len(text) <= 2 * MAX_DIGITS + 10 else None
    if not found:
        return parse_number(text)
    if int(found.group(2)) == 0:
        raise ValueError(f"`{text}` divides by zero")
    if max(len(found.group(1)), len(found.group(2))) > MAX_DIGITS:
        raise ValueError(f"a number may have at most {MAX_DIGITS} digits")
    return Fraction(int(found.group(1)), int(found.group(2)))


def is_terminating(number: Fraction) -> bool:
    """Tell whether a decimal states the number exactly."""
    d = number.denominator
    for p in (2, 5):
        while d % p == 0:
            d //= p
    return d == 1


def decimal_text(number: Fraction) -> str:
    """Write a number as decimal text, or as `n/d` when no decimal states it exactly."""
    n, d = number.numerator, number.denominator
    if d == 1:
        return str(n)
    twos = fives = 0
    while d % 2 == 0:
        d //= 2
        twos += 1
    while d % 5 == 0:
        d //= 5
        fives += 1
    if d != 1:
        return f"{n}/{number.denominator}"
    places = max(twos, fives)
    digits = str(abs(n) * 10**places // number.denominator).rjust(places + 1, "0")
    return f"{'-' if n < 0 else ''}{digits[:-places]}.{digits[-places:]}"


ROUNDINGS = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "up": ROUND_UP, "down": ROUND_DOWN}


def rounded(number: Fraction, decimals: int, rounding: str = "half_up") -> Fraction:
    """Round to a count of decimals.

    Args:
        rounding: `half_up` and `up` go away from zero, `down` towards it
    """
    if 10**decimals % number.denominator == 0:
        return number
    scaled = abs(number) * 10**decimals
    whole, rest = divmod(scaled.numerator, scaled.denominator)
    twice = 2 * rest - scaled.denominator
    grow = {
        "half_up": twice >= 0,
        "half_even": twice > 0 or (twice == 0 and whole % 2 == 1),
        "up": rest > 0,
        "down": False,
    }[rounding]
    result = Fraction(whole + grow, 10**decimals)
    return -result if number < 0 else result


SIGNIFICANT_DIGITS = 34


def to_significant(number: Fraction) -> Fraction:
    """Round a number that no decimal states exactly to 34 significant digits, half to even (DMN's precision)."""
    if is_terminating(number):
        return number
    with localcontext() as ctx:
        ctx.prec = SIGNIFICANT_DIGITS
        ctx.rounding = ROUND_HALF_EVEN
        return Fraction(Decimal(number.numerator) / Decimal(number.denominator))


def minor_units(currency: str) -> int:
    """Decimals of a currency (ISO 4217)."""
    return _MINOR_UNITS.get(currency, 2)


_MINOR_UNITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


def money_text(amount: Fraction, currency: str) -> str:
    """Write an amount with at least the currency's decimals: `1200.50`."""
    places = minor_units(currency)
    if places == 2 and 100 % amount.denominator == 0:
        # Nearly every amount there is.
        cents = amount.numerator * (100 // amount.denominator)
        whole, rest = divmod(abs(cents), 100)
        return f"{'-' if cents < 0 else ''}{whole}.{rest:02d}"
    text = decimal_text(amount)
    if "/" in text:
        return text
    units, _, decimals = text.partition(".")
    return f"{units}.{decimals.ljust(places, '0')}" if places or decimals else units


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_TIME = re.compile(r"\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?\Z", re.ASCII)
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?\Z", re.ASCII)
_DURATION = re.compile(
    r"(-)?P(?:(\d{1,7})W)?(?:(\d{1,7})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.(\d{1,6}))?S)?)?\Z", re.ASCII
)
_PERIOD = re.compile(r"(-)?P(?:(\d{1,4})Y)?(?:(\d{1,5})M)?\Z", re.ASCII)


def parse_date(text: str) -> date:
    """Read `2026-03-25`."""
    if _DATE.match(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise ValueError(f"there is no day `{text}`") from None
    raise ValueError(f"`{text[:60]}` is not a date such as `2026-03-25`")


def parse_time(text: str) -> time:
    """Read `16:00` or `16:00:30`."""
    if _TIME.match(text):
        try:
            return time.fromisoformat(text)
        except ValueError:
            raise ValueError(f"there is no time of day `{text}`") from None
    raise ValueError(f"`{text[:60]}` is not a time of day such as `16:00`")


def parse_datetime(text: str, zone: ZoneInfo) -> datetime:
    """Read `2026-03-25T16:00:00+08:00`; without an offset it is local time in `zone`. The result is in UTC."""
    if _DATETIME.match(text):
        try:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError(f"there is no moment `{text}`") from None
    raise ValueError(f"`{text[:60]}` is not a date and time such as `2026-03-25T16:00:00+08:00`")


def parse_duration(text: str) -> timedelta:
    """Read `PT24H`, `P3D`, `P1W`."""
    found = _DURATION.match(text)
    if not found or text.rstrip("T").endswith("P") or text.endswith("T"):
        raise ValueError(f"`{text[:60]}` is not a duration such as `PT24H` or `P3D`")
    sign, weeks, days, hours, minutes, seconds, micros = found.groups()
    length = timedelta(
        weeks=int(weeks or 0),
        days=int(days or 0),
        hours=int(hours or 0),
        minutes=int(minutes or 0),
        seconds=int(seconds or 0),
        microseconds=int((micros or "").ljust(6, "0")) if micros else 0,
    )
    return -length if sign else length


def parse_period(text: str) -> Period:
    """Read `P1M`, `P1Y6M`."""
    found = _PERIOD.match(text)
    if not found or text.endswith("P"):
        raise ValueError(f"`{text[:60]}` is not a period such as `P1M` or `P1Y`")
    sign, years, months = found.groups()
    count = 12 * int(years or 0) + int(months or 0)
    return Period(-count if sign else count)


def duration_text(length: timedelta) -> str:
    """Write a duration in ISO 8601: whole days as days, the rest as time."""
    if length < timedelta(0):
        return "-" + duration_text(-length)
    hours, rest = divmod(length.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{length.microseconds:06d}".rstrip("0") if length.microseconds else ""
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "") + (f"{seconds}{fraction}S" if seconds or fraction else "")
    days = f"{length.days}D" if length.days else ""
    return f"P{days}T{clock}" if clock else f"P{days or '0D'}"


def add_months(day: date, months: int) -> date:
    """Add calendar months; a day that the month lacks becomes its last day.

    Raises:
        OverflowError: beyond the years 1 to 9999
    """
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    if not 1 <= year <= 9999:
        raise OverflowError("date out of range")
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def months_between(start: date, end: date) -> int:
    """Count the full months from start to end; negative when end is earlier."""
    if end < start:
        return -months_between(end, start)
    months = (end.year - start.year) * 12 + end.month - start.month
    return months if add_months(start, months) <= end else months - 1

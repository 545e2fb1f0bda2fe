"""Exact Python values: what may be sent as a fact, and what comes back. Never a float.

| type in the book | send | comes back |
| --- | --- | --- |
| `number`, `integer`, `percent`, `fraction` | `Decimal`, `int`, `Fraction` | `Decimal`, else `Fraction` |
| `money` | `Money` | `Money`; in a trace else `MoneyRatio` |
| `boolean` | `bool` | `bool` |
| `enum`, `text` | `str` | `str` |
| `date` | `date` | `date` |
| `datetime` | aware `datetime` | aware `datetime` in UTC |
| `time` | `time` | `time` |
| `duration` | `timedelta` | `timedelta` |
| `period` | `Period` | `Period` |
| `list` | `list`, `tuple` | `tuple` |
| `record` | `dict` or another mapping | `Record` |
| known to be nothing | `None` | `None` |

A ratio comes back as `Fraction` or `MoneyRatio` where no decimal states it exactly: a third.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TypeAlias

__all__ = ["Fact", "Money", "MoneyRatio", "Period", "Record", "Value", "text_of"]


@dataclass(frozen=True, slots=True, init=False)
class Money:
    """An exact amount of money.

    Attributes:
        amount: in major units (yuan, not fen)
        currency: ISO 4217 code; empty means the currency of the book asked
    """

    amount: Decimal
    currency: str

    def __init__(self, amount: Decimal | int | str, currency: str = "") -> None:
        """Take the amount as `Decimal`, `int` or decimal text.

        Raises:
            TypeError: the amount is a float or of another type
            ValueError: the text is no decimal number, or the amount is NaN or infinite
        """
        if isinstance(amount, bool) or not isinstance(amount, (Decimal, int, str)):
            raise TypeError(not_exact(amount, "Money") if isinstance(amount, float) else _bad_amount(amount))
        try:
            exact = Decimal(amount)
        except InvalidOperation:
            raise ValueError(f"`{amount!s:.60}` is not a decimal number such as `1200.50`") from None
        if not exact.is_finite():
            raise ValueError(f"an amount must be finite, not {exact}")
        object.__setattr__(self, "amount", exact)
        object.__setattr__(self, "currency", currency)

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}".rstrip()


@dataclass(frozen=True, slots=True)
class MoneyRatio:
    """An amount that no decimal states exactly, such as a third of a limit; only in traces, never in outputs."""

    amount: Fraction
    currency: str = ""

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}".rstrip()


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A length of time in calendar months; a year is 12."""

    months: int

    def __str__(self) -> str:
        years, months = divmod(abs(self.months), 12)
        body = (f"{years}Y" if years else "") + (f"{months}M" if months else "")
        return f"{'-' if self.months < 0 else ''}P{body or '0M'}"


class Record(Mapping[str, "Value"]):
    """Named values that cannot be changed; equal to any mapping of the same content."""

    __slots__ = ("_values",)
    _values: dict[str, Value]

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __eq__(self, other: object) -> bool:
        return self._values == dict(other) if isinstance(other, Mapping) else NotImplemented

    def __repr__(self) -> str:
        return f"Record({self._values!r})"

    def __str__(self) -> str:
        return text_of(self)

    def __reduce__(self) -> tuple[type[Record], tuple[dict[str, Value]]]:
        return Record, (self._values,)


Value: TypeAlias = (
    "Decimal | Fraction | str | bool | Money | MoneyRatio | date | datetime | time | timedelta | Period"
    " | tuple[Value, ...] | Record | None"
)
"""What comes back."""

Fact: TypeAlias = (
    "Decimal | Fraction | int | str | bool | Money | MoneyRatio | date | datetime | time | timedelta | Period"
    " | Sequence[Fact] | Mapping[str, Fact] | None"
)
"""What may be sent; every Value is a Fact."""


def text_of(value: Value) -> str:
    """Write a value for a person: `1200.50 CNY`, `2026-03-25`, `PT24H`, `[a, b]`, `null`."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Decimal():
            return number_text(value)
        case datetime():
            return value.isoformat(timespec="minutes" if not (value.second or value.microsecond) else "auto")
        case date():
            return value.isoformat()
        case time():
            return value.isoformat(timespec="minutes" if not (value.second or value.microsecond) else "auto")
        case timedelta():
            return duration_text(value)
        case tuple():
            return f"[{', '.join(map(text_of, value))}]"
        case Record():
            return "{" + ", ".join(f"{name}: {text_of(inner)}" for name, inner in value.items()) + "}"
        case _:
            return str(value)


# LIMIT: the service takes exponents up to 38; beyond that, plain digits help nobody.
_MAX_PLAIN_EXPONENT = 38


def number_text(number: Decimal) -> str:
    """Write a decimal in plain digits unless that would be very long."""
    exponent = number.as_tuple().exponent
    plain = isinstance(exponent, int) and abs(exponent) <= _MAX_PLAIN_EXPONENT
    return f"{number:f}" if plain else str(number)


def duration_text(length: timedelta) -> str:
    """Write a duration in ISO 8601: whole days as days, the rest as time."""
    if length < timedelta(0):
        return "-" + duration_text(-length)
    hours, rest = divmod(length.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    decimals = f".{length.microseconds:06d}".rstrip("0") if length.microseconds else ""
    clock = (
        (f"{hours}H" if hours else "")
        + (f"{minutes}M" if minutes else "")
        + (f"{seconds}{decimals}S" if seconds or decimals else "")
    )
    days = f"{length.days}D" if length.days else ""
    return f"P{days}T{clock}" if clock else f"P{days or '0D'}"


def not_exact(number: float, example: str = "Decimal") -> str:
    """Say why a float is refused and what to write instead."""
    written = repr(number) if math.isfinite(number) else "1200.50"
    return f"float {number!r} is not exact: write {example}('{written}')"


def _bad_amount(amount: object) -> str:
    return f"an amount is a Decimal, an int or decimal text, not {type(amount).__name__}"

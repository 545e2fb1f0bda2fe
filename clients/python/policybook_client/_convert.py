"""Python values to wire values and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

from policybook_client import _wire
from policybook_client.values import Money, MoneyRatio, Period, Record, Value, duration_text, not_exact

# LIMIT: protobuf refuses messages nested deeper than 100, and a level here costs up to four there.
MAX_DEPTH = 20
# LIMIT: Python refuses to write an int of more than 4,300 digits; the service takes 38.
MAX_INT_BITS = 14_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_wire(value: object, path: str, depth: int = 0) -> Any:
    """Turn a Python value into a `policybook.v1.Value`.

    Args:
        value: what the caller gave; any object may arrive here
        path: where it stands, for messages: `facts.payments[0].amount`
        depth: of nesting around it
    Raises:
        TypeError: a float or another type that has no exact meaning here
        ValueError: the type is right but not the value: NaN, a naive datetime, nesting without end
    """
    # The order matters: bool is an int, datetime is a date, str is a Sequence.
    match value:
        case None:
            return _wire.Value(null=0)
        case bool():
            return _wire.Value(flag=value)
        case str():
            return _wire.Value(text=_encodable(value, path))
        case int():
            return _wire.Value(decimal=_int_text(value, path))
        case Decimal():
            return _wire.Value(decimal=_decimal_text(value, path))
        case Fraction():
            return _wire.Value(decimal=ratio_text(value))
        case Money():
            return _wire.Value(money=_wire.Money(amount=str(value.amount), currency=value.currency))
        case MoneyRatio():
            return _wire.Value(money=_wire.Money(amount=ratio_text(value.amount), currency=value.currency))
        case datetime():
            return _wire.Value(timestamp=timestamp_of(value, path))
        case date():
            return _wire.Value(date=value.isoformat())
        case time():
            if value.tzinfo is not None:
                raise ValueError(f"{path}: a time of day has no time zone: write `value.replace(tzinfo=None)`")
            return _wire.Value(time_of_day=value.isoformat())
        case timedelta():
            return _wire.Value(duration=duration_text(value))
        case Period():
            return _wire.Value(duration=str(value))
        case Mapping():
            _check_depth(depth, path)
            return _wire.Value(record=_wire.Record(fields=_fields(value, path, depth + 1)))
        case list() | tuple():
            _check_depth(depth, path)
            values = [to_wire(inner, f"{path}[{i}]", depth + 1) for i, inner in enumerate(value)]
            return _wire.Value(list=_wire.ValueList(values=values))
        case _:
            raise _refusal(value, path)


def facts_to_wire(facts: object, path: str = "facts") -> dict[str, Any]:
    """Turn a mapping of facts into wire values by name."""
    if not isinstance(facts, Mapping):
        raise TypeError(f"{path}: facts are a mapping of names to values, not {_name(facts)}")
    return _fields(facts, path, 0)


def _fields(values: Mapping[Any, object], path: str, depth: int) -> dict[str, Any]:
    wire = {}
    for name, value in values.items():
        if not isinstance(name, str):
            raise TypeError(f"{path}: a name is a str, not {_name(name)} {name!r:.60}")
        wire[_encodable(name, path)] = to_wire(value, f"{path}.{name}", depth)
    return wire


def timestamp_of(moment: datetime, path: str) -> Any:
    """Turn an aware datetime into a Timestamp, exactly.

    Raises:
        ValueError: the datetime is naive
    """
    if moment.utcoffset() is None:
        raise ValueError(
            f"{path}: datetime {moment.isoformat()} has no time zone: write "
            "`datetime(..., tzinfo=ZoneInfo('Asia/Shanghai'))`, or a date if the day is meant"
        )
    micros = (moment - _EPOCH) // _MICROSECOND
    seconds, rest = divmod(micros, 1_000_000)
    return _wire.Timestamp(seconds=seconds, nanos=rest * 1000)


def ratio_text(number: Fraction) -> str:
    """Write a fraction as decimal text if that is exact, else as `n/d`."""
    rest, twos, fives = number.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{number.numerator}/{number.denominator}"
    places = max(twos, fives)
    digits = str(abs(number.numerator) * 10**places // number.denominator).rjust(places + 1, "0")
    whole, decimals = digits[: len(digits) - places], digits[len(digits) - places :]
    return f"{'-' if number < 0 else ''}{whole}{'.' if decimals else ''}{decimals}"


def _int_text(number: int, path: str) -> str:
    if number.bit_length() > MAX_INT_BITS:
        raise ValueError(f"{path}: a number may have at most 38 digits, this int has {number.bit_length():,} bits")
    return str(int(number))


def _decimal_text(number: Decimal, path: str) -> str:
    if not number.is_finite():
        raise ValueError(f"{path}: a number must be finite, not {number}; write None if it is known to be nothing")
    return str(number)


def _encodable(text: str, path: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{path}: text cannot be written as UTF-8: {error.reason} at {error.start}") from None
    return text


def _check_depth(depth: int, path: str) -> None:
    if depth >= MAX_DEPTH:
        raise ValueError(f"{path[:60]}: lists and records may be nested {MAX_DEPTH} deep at most")


def _refusal(value: object, path: str) -> TypeError:
    match value:
        case float():
            why = not_exact(value)
        case Enum():
            why = f"{_name(value)} is not text: write `{_name(value)}.{value.name}.value`"
        case bytes() | bytearray() | memoryview():
            why = f"{_name(value)} is not text: decode it first"
        case set() | frozenset():
            why = "a set has no order: write `sorted(value)`"
        case Sequence():
            why = f"write a list or a tuple instead of {_name(value)}"
        case _:
            why = (
                f"{_name(value)} cannot be sent; write a Decimal, int, Fraction, Money, str, bool, date, datetime, "
                "time, timedelta, Period, list, dict or None"
            )
    return TypeError(f"{path}: {why}")


def _name(value: object) -> str:
    return type(value).__name__


_DECIMAL = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_RATIO = re.compile(r"([+-]?\d+)/(\d+)", re.ASCII)
_PERIOD = re.compile(r"(-)?P(?=\d)(?:(\d+)Y)?(?:(\d+)M)?", re.ASCII)
_DURATION = re.compile(
    r"(-)?P(?=[\dT])(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,9}))?S)?)?", re.ASCII
)


def from_wire(value: Any) -> Value:
    """Turn a `policybook.v1.Value` into a Python value.

    Raises:
        ValueError: the value is not one that this version of the interface defines
    """
    kind = value.WhichOneof("kind")
    match kind:
        case "null":
            return None
        case "flag":
            return bool(value.flag)
        case "text":
            return str(value.text)
        case "decimal":
            return number_of(value.decimal)
        case "money":
            amount, currency = number_of(value.money.amount), value.money.currency
            return Money(amount, currency) if isinstance(amount, Decimal) else MoneyRatio(amount, currency)
        case "date":
            return date.fromisoformat(value.date)
        case "timestamp":
            return moment_of(value.timestamp)
        case "duration":
            return length_of(value.duration)
        case "time_of_day":
            return time.fromisoformat(value.time_of_day)
        case "list":
            return tuple(map(from_wire, value.list.values))
        case "record":
            return record_of(value.record.fields)
        case _:
            raise ValueError("a value of a kind that this client does not know; a newer policybook-client may")


def record_of(fields: Mapping[str, Any]) -> Record:
    """Turn a map of wire values into a Record, sorted by name since a wire map has no order."""
    return Record({name: from_wire(fields[name]) for name in sorted(fields)})


def number_of(text: str) -> Decimal | Fraction:
    """Read decimal text or `n/d`, exactly."""
    if _DECIMAL.fullmatch(text):
        return Decimal(text)
    if (found := _RATIO.fullmatch(text)) and int(found[2]):
        return Fraction(int(found[1]), int(found[2]))
    raise ValueError(f"`{text[:60]}` is not a number")


def moment_of(timestamp: Any) -> datetime:
    """Read a Timestamp; parts below a microsecond are cut off."""
    try:
        return _EPOCH + timedelta(seconds=timestamp.seconds, microseconds=timestamp.nanos // 1000)
    except OverflowError:
        raise ValueError(f"{timestamp.seconds} s is outside the years 1 to 9999") from None


def length_of(text: str) -> timedelta | Period:
    """Read an ISO 8601 duration: `P1M` is a Period, `PT24H` and `P3D` are timedeltas."""
    if found := _PERIOD.fullmatch(text):
        months = 12 * int(found[2] or 0) + int(found[3] or 0)
        return Period(-months if found[1] else months)
    if found := _DURATION.fullmatch(text):
        weeks, days, hours, minutes, seconds = (int(found[i] or 0) for i in range(2, 7))
        micros = int((found[7] or "").ljust(6, "0")[:6])
        try:
            length = timedelta(
                weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=micros
            )
        except OverflowError:
            raise ValueError(f"duration `{text[:60]}` is too long") from None
        return -length if found[1] else length
    raise ValueError(f"`{text[:60]}` is not a duration")

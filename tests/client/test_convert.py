"""Python values to the wire and back."""

from __future__ import annotations

import copy
import enum
import math
import pickle
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policybook.v1 import values_pb2
from policybook_client import Money, MoneyRatio, Period, Record
from policybook_client import _wire as wire
from policybook_client._convert import facts_to_wire, from_wire, to_wire
from policybook_client.values import text_of

SHANGHAI = ZoneInfo("Asia/Shanghai")


def sent(value: object) -> Any:
    """Give the value as the service's own stubs read it."""
    return values_pb2.Value.FromString(to_wire(value, "facts.x").SerializeToString())


def back(value: object) -> Any:
    return from_wire(wire.Value.FromString(to_wire(value, "facts.x").SerializeToString()))


@pytest.mark.parametrize(
    ("value", "field", "text"),
    [
        (12, "decimal", "12"),
        (-(10**37), "decimal", "-1" + 37 * "0"),
        (Decimal("1200.50"), "decimal", "1200.50"),
        (Decimal("1E+3"), "decimal", "1E+3"),
        (Decimal("-0.25"), "decimal", "-0.25"),
        (Fraction(1, 3), "decimal", "1/3"),
        (Fraction(-1, 3), "decimal", "-1/3"),
        (Fraction(1, 4), "decimal", "0.25"),
        (Fraction(-5, 4), "decimal", "-1.25"),
        (Fraction(1, 1000), "decimal", "0.001"),
        (Fraction(6, 2), "decimal", "3"),
        ("first", "text", "first"),
        ("区域经理", "text", "区域经理"),
        ("", "text", ""),
        (date(2026, 3, 25), "date", "2026-03-25"),
        (date(1, 1, 1), "date", "0001-01-01"),
        (time(16, 0), "time_of_day", "16:00:00"),
        (time(16, 0, 30, 5), "time_of_day", "16:00:30.000005"),
        (timedelta(hours=24), "duration", "P1D"),
        (timedelta(hours=25, seconds=1, microseconds=500), "duration", "P1DT1H1.0005S"),
        (timedelta(days=-3), "duration", "-P3D"),
        (timedelta(0), "duration", "P0D"),
        (Period(18), "duration", "P1Y6M"),
        (Period(-1), "duration", "-P1M"),
        (Period(0), "duration", "P0M"),
    ],
)
def test_a_value_has_one_text_on_the_wire(value: object, field: str, text: str) -> None:
    message = sent(value)
    assert message.WhichOneof("kind") == field
    assert getattr(message, field) == text


def test_a_bool_is_a_flag_and_no_number() -> None:
    assert [sent(v).WhichOneof("kind") for v in (True, False, 1, 0)] == ["flag", "flag", "decimal", "decimal"]
    assert sent(False).flag is False


def test_none_is_an_explicit_null() -> None:
    assert sent(None).WhichOneof("kind") == "null"
    assert back(None) is None


def test_money_keeps_its_digits_and_its_currency() -> None:
    message = sent(Money("1200.50", "CNY"))
    assert (message.money.amount, message.money.currency) == ("1200.50", "CNY")
    assert sent(Money(5)).money.currency == ""
    assert str(back(Money("1200.50", "CNY"))) == "1200.50 CNY"


def test_an_instant_is_the_same_in_every_zone() -> None:
    there = datetime(2026, 3, 25, 16, 0, 0, 250, tzinfo=SHANGHAI)
    assert sent(there) == sent(there.astimezone(UTC))
    assert (sent(there).timestamp.seconds, sent(there).timestamp.nanos) == (int(there.timestamp()), 250_000)
    assert back(there) == there
    assert back(there).tzinfo is UTC
    old = datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    assert back(old) == old


def test_lists_and_records_nest() -> None:
    payments = [{"amount": Money("5"), "paid_on": date(2026, 1, 1), "note": None}, {}]
    message = sent(payments)
    assert message.list.values[0].record.fields["amount"].money.amount == "5"
    assert message.list.values[1].WhichOneof("kind") == "record"
    assert back(payments) == (Record({"amount": Money(5), "paid_on": date(2026, 1, 1), "note": None}), Record())
    assert back([]) == ()


class Stage(enum.Enum):
    FIRST = "first"


class Bare:
    pass


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.1, "facts.x: float 0.1 is not exact: write Decimal('0.1')"),
        (math.nan, "facts.x: float nan is not exact: write Decimal('1200.50')"),
        ([1, 2.5], "facts.x[1]: float 2.5 is not exact: write Decimal('2.5')"),
        ([{"amount": 2.5}], "facts.x[0].amount: float 2.5 is not exact: write Decimal('2.5')"),
        (Stage.FIRST, "facts.x: Stage is not text: write `Stage.FIRST.value`"),
        (b"first", "facts.x: bytes is not text: decode it first"),
        ({"a", "b"}, "facts.x: a set has no order: write `sorted(value)`"),
        (range(3), "facts.x: write a list or a tuple instead of range"),
        ({1: 2}, "facts.x: a name is a str, not int 1"),
        (
            Bare(),
            (
                "facts.x: Bare cannot be sent; write a Decimal, int, Fraction, Money, str, bool, date, datetime, time, timedelta, Period, "
                "list, dict or None"
            ),
        ),
    ],
)
def test_a_type_without_exact_meaning_is_refused(value: object, message: str) -> None:
    with pytest.raises(TypeError) as raised:
        to_wire(value, "facts.x")
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Decimal("NaN"), "facts.x: a number must be finite, not NaN; write None if it is known to be nothing"),
        (Decimal("sNaN"), "facts.x: a number must be finite, not sNaN; write None if it is known to be nothing"),
        (Decimal("-Infinity"), "facts.x: a number must be finite, not -Infinity; write None if it is known to be nothing"),
        (
            datetime(2026, 3, 25, 16, 0),  # noqa: DTZ001 - what is tested
            (
                "facts.x: datetime 2026-03-25T16:00:00 has no time zone: write `datetime(..., tzinfo=ZoneInfo('Asia/Shanghai'))`, or a date "
                "if the day is meant"
            ),
        ),
        (time(16, tzinfo=UTC), "facts.x: a time of day has no time zone: write `value.replace(tzinfo=None)`"),
        ("\ud800", "facts.x: text cannot be written as UTF-8: surrogates not allowed at 0"),
        ({"\ud800": 1}, "facts.x: text cannot be written as UTF-8: surrogates not allowed at 0"),
        ([10**5000], "facts.x[0]: a number may have at most 38 digits, this int has 16,610 bits"),
    ],
)
def test_a_value_that_cannot_be_sent_is_refused(value: object, message: str) -> None:
    with pytest.raises(ValueError, match="facts") as raised:
        to_wire(value, "facts.x")
    assert str(raised.value) == message


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="may be nested 20 deep at most"):
        to_wire(ENDLESS, "facts.x")


def test_the_deepest_nesting_passes_the_wire() -> None:
    value: Any = Decimal(1)
    for level in range(20):
        value = (value,) if level % 2 else Record({"inner": value})
    assert back(value) == value


def test_facts_are_a_mapping() -> None:
    with pytest.raises(TypeError, match="facts: facts are a mapping of names to values, not list"):
        facts_to_wire(["a"])


@pytest.mark.parametrize(
    ("amount", "error", "message"),
    [
        (0.5, TypeError, "float 0.5 is not exact: write Money('0.5')"),
        (True, TypeError, "an amount is a Decimal, an int or decimal text, not bool"),
        (None, TypeError, "an amount is a Decimal, an int or decimal text, not NoneType"),
        ("12,000", ValueError, "`12,000` is not a decimal number such as `1200.50`"),
        ("NaN", ValueError, "an amount must be finite, not NaN"),
        (Decimal("Infinity"), ValueError, "an amount must be finite, not Infinity"),
    ],
)
def test_money_takes_exact_amounts_only(amount: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        Money(amount)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("decimal", "1,5"),
        ("decimal", "NaN"),
        ("decimal", "Infinity"),
        ("decimal", "1/0"),
        ("decimal", ""),
        ("decimal", "１"),
        ("date", "2026-02-30"),
        ("duration", "P"),
        ("duration", "PT"),
        ("duration", "P1M3D"),
        ("duration", "P99999999999999D"),
        ("time_of_day", "25:00"),
    ],
)
def test_an_answer_that_breaks_the_interface_is_never_a_value(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_wire(wire.Value(**{field: value}))


def test_a_value_of_an_unknown_kind_is_never_null() -> None:
    with pytest.raises(ValueError, match="a kind that this client does not know"):
        from_wire(wire.Value())


def test_a_ratio_comes_back_as_a_ratio() -> None:
    assert back(Fraction(1, 3)) == Fraction(1, 3)
    third = MoneyRatio(Fraction(10_000, 3), "CNY")
    assert back(third) == third
    assert str(third) == "10000/3 CNY"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("PT24H", timedelta(days=1)),
        ("P3D", timedelta(days=3)),
        ("P1W", timedelta(days=7)),
        ("P1DT2H3M4.5S", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("-PT5M", timedelta(minutes=-5)),
        ("P1M", Period(1)),
        ("P1Y", Period(12)),
        ("-P1Y6M", Period(-18)),
    ],
)
def test_durations_and_periods_are_told_apart(text: str, value: object) -> None:
    assert from_wire(wire.Value(duration=text)) == value


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False, places=6)
    | st.fractions().filter(lambda f: f.denominator % 3 == 0)
    | st.builds(Money, st.decimals(allow_nan=False, allow_infinity=False, places=2), st.sampled_from(["", "CNY"]))
    | st.dates()
    | st.datetimes(timezones=st.sampled_from([UTC, SHANGHAI]), min_value=datetime(2, 1, 1))  # noqa: DTZ001
    | st.times()
    | st.timedeltas()
    | st.builds(Period, st.integers(-10_000, 10_000)),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(st.text(max_size=5), inner, max_size=4).map(Record),
    max_leaves=12,
)


@given(VALUES)
def test_every_value_comes_back_as_it_went(value: Any) -> None:
    assert back(value) == value
    assert isinstance(text_of(value), str)


@given(st.integers(min_value=-(10**38), max_value=10**38))
def test_an_int_comes_back_as_the_same_decimal(number: int) -> None:
    assert back(number) == number
    assert type(back(number)) is Decimal


def test_a_record_is_a_mapping_that_cannot_be_changed() -> None:
    record = Record({"amount": Money("5.00"), "paid_on": date(2026, 1, 1)})
    assert record == {"amount": Money("5.00"), "paid_on": date(2026, 1, 1)}
    assert dict(record) == record
    assert record != 5
    assert hash(record) == hash(Record({"paid_on": date(2026, 1, 1), "amount": Money(5)}))
    assert not hasattr(record, "__setitem__")
    assert pickle.loads(pickle.dumps(record)) == record  # noqa: S301 - our own
    assert copy.deepcopy(record) == record
    assert str(record) == "{amount: 5.00, paid_on: 2026-01-01}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E+400"), "1E+400"),
        (Fraction(1, 3), "1/3"),
        (Money("1200.50", "CNY"), "1200.50 CNY"),
        (datetime(2026, 3, 25, 8, 0, tzinfo=UTC), "2026-03-25T08:00+00:00"),
        (time(16, 0), "16:00"),
        (timedelta(hours=24), "P1D"),
        (("a", Period(1)), "[a, P1M]"),
    ],
)
def test_values_read_well(value: Any, text: str) -> None:
    assert text_of(value) == text

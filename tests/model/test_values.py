"""Exact values and their text forms, against Python's own where it has one."""

from datetime import date, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policybook.values import (
    Period,
    add_months,
    decimal_text,
    duration_text,
    is_terminating,
    months_between,
    parse_date,
    parse_duration,
    parse_number,
    parse_period,
    parse_ratio,
    parse_time,
    rounded,
    to_significant,
)

decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**18), max_value=10**18, places=6)


@given(decimals)
def test_decimal_text_is_read_as_the_same_number(d):
    assert parse_number(str(d)) == Fraction(d)


@given(st.fractions())
def test_a_number_is_written_so_that_it_reads_back(f):
    assert parse_ratio_unbounded(decimal_text(f)) == f


def parse_ratio_unbounded(text: str) -> Fraction:
    whole, _, over = text.partition("/")
    return Fraction(Decimal(whole)) / (int(over) if over else 1)


@given(
    decimals,
    st.integers(0, 6),
    st.sampled_from([("half_up", ROUND_HALF_UP), ("half_even", ROUND_HALF_EVEN), ("up", ROUND_UP), ("down", ROUND_DOWN)]),
)
def test_rounding_is_that_of_decimal(d, places, how):
    ours, theirs = how
    with localcontext() as ctx:
        ctx.prec = 60
        expected = d.quantize(Decimal(1).scaleb(-places), rounding=theirs)
    assert rounded(Fraction(d), places, ours) == Fraction(expected)


@given(st.fractions())
def test_34_digits_are_enough_for_dmn(f):
    s = to_significant(f)
    assert is_terminating(s)
    assert abs(s - f) <= abs(f) / 10**33
    assert s == f or not is_terminating(f)


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "1_000", "1,000", "0x10", "NaN", "inf", "-", ".5", "5.", "1e", "--1", "٣", "1.2.3", "9" * 39, "1e39", "1e-39"]
)
def test_what_is_not_a_number(text):
    with pytest.raises(ValueError, match=r"."):
        parse_number(text)


@pytest.mark.parametrize(
    ("text", "value"), [("30%", "3/10"), ("1/3", "1/3"), (" 1 / 3".strip(), "1/3"), ("-2/4", "-1/2"), ("12.5%", "1/8"), ("0.30", "3/10")]
)
def test_ratios(text, value):
    assert parse_ratio(text) == Fraction(value)


@pytest.mark.parametrize("text", ["1/0", "1/-3", "1/3/4", "%", "/", "1/2%"])
def test_what_is_not_a_ratio(text):
    with pytest.raises(ValueError, match=r"."):
        parse_ratio(text)


@pytest.mark.parametrize("text", ["2026-02-30", "2026-2-3", "20260203", "2026-13-01", "0000-01-01", "２０２６-01-01", "2026-01-01T00:00"])
def test_what_is_not_a_day(text):
    with pytest.raises(ValueError, match=r"."):
        parse_date(text)


@pytest.mark.parametrize("text", ["24:00", "7:00", "07:60", "0700", "07:00:61", "07:00Z"])
def test_what_is_not_a_time_of_day(text):
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)


@given(st.timedeltas(min_value=timedelta(days=-9_000_000), max_value=timedelta(days=9_000_000)))
def test_a_duration_reads_back(length):
    assert parse_duration(duration_text(length)) == length


@pytest.mark.parametrize("text", ["P", "PT", "P1", "1D", "P1M", "P1Y", "PT1", "P1DT", "P1.5D", "-", "p1d", "P-1D"])
def test_what_is_not_a_duration(text):
    with pytest.raises(ValueError, match=r"."):
        parse_duration(text)


@given(st.integers(-9999 * 12, 9999 * 12))
def test_a_period_reads_back(months):
    assert parse_period(str(Period(months))) == Period(months)


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.integers(-1200, 1200))
def test_adding_months_keeps_the_day_or_takes_the_last(day, months):
    later = add_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later + timedelta(days=1)).day == 1


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.dates(date(1900, 1, 1), date(2200, 1, 1)))
def test_full_months_are_the_most_that_fit(start, end):
    if end < start:
        start, end = end, start
    months = months_between(start, end)
    assert add_months(start, months) <= end < add_months(start, months + 1)


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [("2024-01-31", 1, "2024-02-29"), ("2023-01-31", 1, "2023-02-28"), ("2024-02-29", 12, "2025-02-28"), ("2026-03-31", -1, "2026-02-28")],
)
def test_month_ends_and_leap_years(day, months, expected):
    assert add_months(date.fromisoformat(day), months).isoformat() == expected

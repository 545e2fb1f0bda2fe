"""What people write instead of the language is told in the help."""

import pytest

from policybook.feel.parse import FeelError, parse_test


@pytest.mark.parametrize(
    ("text", "at", "help_text"),
    [
        ("=< 5", 0, "write `<=`"),
        ("=> 5", 0, "write `>=`"),
        ("≤ 5", 0, "write `<=`"),
        ("<> 5", 1, "write `not(..)`"),
        ("== 5", 0, "for equality write the value alone"),
        ("1..5", 1, "write an interval in brackets: `[1..5]`"),
        ("[1–5]", 2, "write an interval in brackets: `[1..5]`"),
        ("1 ~ 5", 2, "write an interval in brackets: `[1..5]`"),
        ("< 1,000", 3, "write `1000` for one number, a blank after the comma for two"),
        ("not(1,000)", 5, "write `1000` for one number, a blank after the comma for two"),
        ("[0..1,000]", 5, "write a number without separators: `1000`, not `1,000`"),
        ("< 500元", 2, "write the number alone, without `元`"),
        ("< 500 CNY", 6, "write the number alone, without `CNY`"),
        ("< ￥500", 2, "write an amount without its currency sign; the book states the currency"),
        ("< 2026年3月1日", 2, "write a date as `2026-03-25`"),
        ("< 1/4 of limit", 6, "write `*`: `1/4 * credit_limit`"),
        ("1/3#new", 3, "write a blank before the `#` of a remark"),
        ("not（5）", 3, "write the half-width `(`, not `（`"),
        ("< １０", 0, "write the half-width `1`, not `１`"),
    ],
)
def test_help(text, at, help_text):
    with pytest.raises(FeelError) as e:
        parse_test(text)
    assert (e.value.start, e.value.help) == (at, help_text)


@pytest.mark.parametrize("text", ["1, 000", "5,1000", "5,10", '"a",100', "[1..5],100"])
def test_a_comma_between_two_is_no_separator_of_thousands(text):
    assert len(parse_test(text).tests) == 2

"""Figures in sentences: a changed figure changes the sentence with it."""

from datetime import date

import pytest

from books_in_text import HEAD, ask, book_of, desk_of
from policybook.check.book import check_source
from policybook.model.wording import unit_after
from policybook.source import Source

BODY = """
types:
  role: {type: enum, values: {manager: {en: the manager, zh: 经理}, clerk: {}}}
parameters:
  cap: {value: 1/3, clause: 1.1}
  share: {value: 12.5%, clause: 1.1}
  fine: {type: money, value: 500, clause: 1.1}
  odd: {type: money, value: 0.50, clause: 1.1}
  wait: {value: PT24H, clause: 1.1}
  two_days: {value: PT48H, clause: 1.1}
  long_wait: {value: P3DT1H, clause: 1.1}
  term: {value: P1Y1M, clause: 1.1}
  who: {type: role, value: manager, clause: 1.1}
  days: {clause: 1.1, values: [{from: 2025-01-01, value: 30}, {from: 2026-06-01, value: 45}]}
inputs: {n: {type: integer}}
decisions:
  d:
    hit_policy: first
    outputs: {x: {type: integer}}
    rules:
      - id: r
        clause: 1
        when: {n: "< cap + share + days"}
        then: {x: 1}
        says: {en: "SENTENCE", zh: "SENTENCE"}
    default: {id: rest, clause: 1, then: {x: 0}}
"""


@pytest.mark.parametrize(
    ("sentence", "en", "zh"),
    [
        ("{cap}", "1/3", "1/3"),
        ("{share}", "12.5%", "12.5%"),
        ("{fine}", "500 CNY", "500元"),
        ("{odd}", "0.5 CNY", "0.5元"),
        ("{wait}", "24 hours", "24小时"),
        ("{two_days}", "2 days", "2天"),
        ("{long_wait}", "3 days 1 hour", "3天1小时"),
        ("{term}", "1 year 1 month", "1年1个月"),
        ("{who}", "the manager", "经理"),
        ("{days} days, {days}", "30 days, 30", "30 days, 30"),
        ("{ not one } {}", "{ not one } {}", "{ not one } {}"),
    ],
)
def test_figures_are_worded(sentence, en, zh):
    answer = ask(desk_of(book_of(BODY.replace("SENTENCE", sentence))), "d", {"n": 1}, as_of=date(2026, 1, 1))
    assert (answer.selected[0].says.en, answer.selected[0].says.zh) == (en, zh)
    assert answer.tables[0].rows[0].row.says.en == en


def test_the_sentence_follows_the_day():
    desk = desk_of(book_of(BODY.replace("SENTENCE", "{days}")))
    days = [ask(desk, "d", {"n": 1}, as_of=date(2026, m, 1)).selected[0].says.en for m in (5, 6)]
    assert days == ["30", "45"]


def test_a_name_that_is_no_parameter_is_a_finding():
    _, report = check_source(Source("book.yaml", HEAD + BODY.replace("SENTENCE", "Below {kap}.")))
    assert [(f.code.slug, f.message, f.help) for f in report.errors] == [
        ("unknown-name", "the sentence of row `r` holds `{kap}`, which is not a parameter", "did you mean `cap`?")
    ]


@pytest.mark.parametrize(
    ("value", "unit", "both"),
    [
        ("5", "days", "5 days"),
        ("5", "天", "5 天"),
        ("5", "", "5"),
        ("5.00 CNY", "CNY", "5.00 CNY"),
        ("5.00 CNY", "CNY a year", "5.00 CNY a year"),
        ("5.00 CNY", "元/年", "5.00 CNY/年"),
        ("5.00 CNY", "元及以下", "5.00 CNY 及以下"),
        ("5.00 CNY", "USD a year", "5.00 CNY USD a year"),
        ("5.00 CNY", "CNYX", "5.00 CNY CNYX"),
        ("5.00 USD", "元/年", "5.00 USD 元/年"),
        ("5元", "CNY", "5元"),
        ("5元", "元/年", "5元/年"),
        ("5元", "元及以下", "5元及以下"),
        ("1/3", "（占授信额）", "1/3（占授信额）"),
        ("24小时", "（当日）", "24小时（当日）"),
        ("PT24H", "元", "PT24H 元"),
        ("", "days", " days"),
    ],
)
def test_a_unit_stands_behind_its_value(value, unit, both):
    assert value + unit_after(value, unit) == both

"""Units in both languages, from the book to the answer."""

from datetime import date

import jsonschema
import pytest

from books_in_text import HEAD, ask, book_of, desk_of
from policybook.check.book import check_source
from policybook.errors import FactsError
from policybook.load.schema import book_schema
from policybook.model.kinds import NO_TEXT, Text
from policybook.source import Source

BODY = """
parameters:
  cap: {type: money, value: 500, unit: {en: CNY an order, zh: 元/单}, clause: 1.1}
  power: {value: 3, unit: kVA, clause: 1.1}
  plain: {value: 3, clause: 1.1}
inputs:
  amount: {type: money, min: 1, max: 900, unit: {en: CNY an order, zh: 元/单}}
  days: {type: integer, max: 9, unit: {en: days, zh: 天}}
  parts: {type: list, of: {type: record, fields: {n: {type: integer, unit: {en: pieces, zh: 件}}}}, default: []}
values:
  pieces: count(parts)
  weeks: {is: days / 7, unit: {en: weeks, zh: 周}}
decisions:
  d:
    hit_policy: first
    values: {hours: {is: days * 24, unit: {en: hours, zh: 小时}}}
    outputs: {x: {type: integer, unit: {en: points, zh: 分}}}
    rules:
      - {id: r, clause: 1, when: {amount: <= cap, days: "> power + plain", weeks: "< 2", hours: "> 3", pieces: 0}, then: {x: 1}}
    default: {id: rest, clause: 1, then: {x: 0}}
"""


def test_units_are_read_everywhere():
    book = book_of(BODY)
    units = {p.name: p.unit for p in book.parameters} | {i.name: i.unit for i in book.inputs} | {v.name: v.unit for v in book.values}
    assert units == {
        "cap": Text("CNY an order", "元/单"),
        "power": Text("kVA", "kVA"),
        "plain": NO_TEXT,
        "amount": Text("CNY an order", "元/单"),
        "days": Text("days", "天"),
        "parts": NO_TEXT,
        "pieces": NO_TEXT,
        "weeks": Text("weeks", "周"),
    }
    element = book.input_by_name["parts"].kind.element
    assert element.field_named("n").unit == Text("pieces", "件")
    decision = book.decision_by_name["d"]
    assert decision.values[0].unit == Text("hours", "小时")
    assert decision.output("x").unit == Text("points", "分")


def test_an_answer_has_the_units_of_what_it_looked_at():
    answer = ask(desk_of(book_of(BODY)), "d", {"amount": 5, "days": 8}, as_of=date(2026, 1, 1))
    assert {v.name: v.unit.zh for v in answer.tables[0].inputs} == {
        "amount": "元/单",
        "days": "天",
        "parts": "",
        "pieces": "",
        "weeks": "周",
        "hours": "小时",
    }
    assert {p.parameter.name: p.parameter.unit.get("zh") for p in answer.tables[0].parameters} == {
        "cap": "元/单",
        "power": "kVA",
        "plain": "",
    }


@pytest.mark.parametrize(
    ("facts", "message", "help_text"),
    [
        ({"amount": 5, "days": 10}, "`days` is 10 days", "allowed: at most 9 days"),
        ({"amount": 1000, "days": 8}, "`amount` is 1000.00 CNY an order", "allowed: at least 1.00 CNY and at most 900.00 CNY an order"),
    ],
)
def test_a_fault_says_the_unit_once(facts, message, help_text):
    with pytest.raises(FactsError) as caught:
        ask(desk_of(book_of(BODY)), "d", facts, as_of=date(2026, 1, 1))
    (finding,) = caught.value.report.findings
    assert (finding.message, finding.help) == (message, help_text)


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("", "input `days`.unit must be a single value"),
        ("[a, b]", "input `days`.unit must be keys with values, this is a list"),
        ("{en: days, de: Tage}", "input `days`.unit has no key `de`"),
        ("{en: [days], zh: 天}", "input `days`.unit.en must be a sentence"),
    ],
)
def test_a_bad_unit_is_told(unit, message):
    text = HEAD + BODY.replace("max: 9, unit: {en: days, zh: 天}", f"max: 9, unit: {unit}")
    _, report = check_source(Source("book.yaml", text))
    assert [f.message for f in report.errors] == [message]


@pytest.mark.parametrize(
    ("unit", "allowed"),
    [("kVA", True), ({"en": "days", "zh": "天"}, True), ({"en": "days", "de": "Tage"}, False), (["days"], False), (3, False)],
)
@pytest.mark.parametrize(("part", "rest"), [("field", {"type": "integer"}), ("parameter", {"value": 3})])
def test_the_schema_knows_both_forms(part, rest, unit, allowed):
    validator = jsonschema.Draft202012Validator({"$ref": f"#/$defs/{part}", "$defs": book_schema()["$defs"]})
    assert validator.is_valid(rest | {"unit": unit}) is allowed

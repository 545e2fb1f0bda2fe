"""The quick reading of facts says what `coerce` says, faults included."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from books_in_text import book_of
from policybook.cells.coerce import MAX_FACTS, coerce
from policybook.cells.coercer import Coercer
from policybook.errors import FactsError, LimitError
from policybook.model.facts import RAW_NULL, Raw, RawMoney, Tag

BOOK = book_of("""
inputs:
  number: {type: number, min: -2, max: 1/3}
  integer: {type: integer, min: 0, optional: true}
  percent: {type: percent, default: 30%}
  fraction: {type: fraction, optional: true}
  money: {type: money, min: 0, max: 1000.50}
  flag: {type: boolean, optional: true}
  choice: {type: enum, values: [a, b, third]}
  text: {type: text, max_length: 4, optional: true}
  day: {type: date, min: 2020-01-01, optional: true}
  moment: {type: datetime, optional: true}
  clock: {type: time, max: "16:00", optional: true}
  length: {type: duration, min: PT0S, optional: true}
  months: {type: period, optional: true}
  choices: {type: list, of: {type: enum, values: [a, b]}, max_items: 3, optional: true}
  records: {type: list, of: {type: record, fields: {amount: {type: money, min: 1}, why: {type: text, optional: true}}}, optional: true}
  unused: {type: number, optional: true}
decisions:
  whole:
    hit_policy: first
    outputs: {n: {type: integer}}
    rules:
      - id: every-input
        set_by: company
        when:
          {number: 0, integer: 0, percent: 0, fraction: 0, money: 0, flag: "true", choice: a, text: '"a"', day: 2026-01-01, moment: null,
           clock: null, length: null, months: null, choices: null, records: null}
        then: {n: 1}
  few:
    hit_policy: first
    outputs: {n: {type: integer}}
    rules:
      - {id: choice-and-unused, set_by: company, when: {choice: a, unused: 0}, then: {n: 1}}
""")
COERCER = Coercer(BOOK)

NUMBERS = (
    "0",
    "1",
    "-2",
    "-2.5",
    "0.3333333333333333333",
    "1000.50",
    "1000.51",
    "1e2",
    "007.10",
    "",
    ".5",
    "5.",
    "1/3",
    "30%",
    "٣",
    "x",
    "²",
)
VALUES: dict[Tag, tuple[Any, ...]] = {
    Tag.NULL: (None,),
    Tag.DECIMAL: (*NUMBERS, "9" * 40, "123456789012.25"),
    Tag.TEXT: ("a", "b", "third", "null", '"a"', "", "tooooo long", "true"),
    Tag.FLAG: (True, False),
    Tag.MONEY: tuple(RawMoney(n, c) for n in NUMBERS for c in ("", "CNY", "EUR")),
    Tag.DATE: ("2026-02-28", "2026-02-30", "2019-12-31", "no"),
    Tag.TIMESTAMP: (datetime(2026, 1, 1, tzinfo=UTC), datetime(1, 6, 1, tzinfo=UTC)),
    Tag.DURATION: ("PT1H", "-PT1H", "P1M", "P1D", "P"),
    Tag.TIME_OF_DAY: ("16:00", "16:01", "25:00"),
    Tag.LITERAL: (*NUMBERS, "null", "a", '"a"', "true", "2026-02-28", "12 CNY", "12 EUR", "16:00", "2026-01-01T00:00:00Z", "PT1H", "P1M"),
}
FITTING = {
    "number": Tag.DECIMAL,
    "integer": Tag.DECIMAL,
    "percent": Tag.DECIMAL,
    "fraction": Tag.DECIMAL,
    "money": Tag.MONEY,
    "flag": Tag.FLAG,
    "choice": Tag.TEXT,
    "text": Tag.TEXT,
    "day": Tag.DATE,
    "moment": Tag.TIMESTAMP,
    "clock": Tag.TIME_OF_DAY,
    "length": Tag.DURATION,
    "months": Tag.DURATION,
    "unused": Tag.DECIMAL,
}


def a_raw(random: Random, name: str, depth: int = 0) -> Raw:
    if random.random() < 0.06:
        return RAW_NULL
    if name == "choices" or (depth < 2 and random.random() < 0.02):
        return Raw(Tag.LIST, tuple(a_raw(random, "choice", depth + 1) for _ in range(random.randrange(5))))
    if name == "records":
        return Raw(Tag.LIST, tuple(a_raw(random, "record", depth + 1) for _ in range(random.randrange(3))))
    if name == "record" or (depth < 2 and random.random() < 0.02):
        fields = [n for n in ("amount", "why", "other") if random.random() < (0.9 if n == "amount" else 0.3)]
        return Raw(Tag.RECORD, {n: a_raw(random, "money" if n == "amount" else "text", depth + 1) for n in fields})
    tag = FITTING.get(name, Tag.TEXT) if random.random() < 0.85 else random.choice(list(VALUES))
    return Raw(tag, random.choice(VALUES[tag]))


def outcome(do: Any) -> Any:
    try:
        return list(do().items())
    except FactsError as e:
        return e.report.findings


@settings(max_examples=1500)
@given(st.integers(0, 2**32), st.sampled_from(["whole", "few"]))
def test_facts_are_read_as_coerce_reads_them(seed: int, decision: str) -> None:
    random = Random(seed)  # noqa: S311 - facts to compare, not secrets
    names = [f.name for f in BOOK.inputs if random.random() < 0.9] + (["nobody"] if random.random() < 0.05 else [])
    random.shuffle(names)
    raw = {name: a_raw(random, name) for name in names}
    asked = BOOK.decision_by_name[decision]
    assert outcome(lambda: COERCER.facts(raw, asked)) == outcome(lambda: coerce(raw, BOOK, asked))


@pytest.mark.parametrize("name", FITTING)
def test_each_value_alone(name: str) -> None:
    field = BOOK.input_by_name[name]
    asked = BOOK.decision_by_name["whole"]
    for tag, values in VALUES.items():
        for value in values:
            raw = {
                field.name: Raw(tag, value),
                "number": Raw(Tag.DECIMAL, "0"),
                "money": Raw(Tag.MONEY, RawMoney("1", "")),
                "choice": Raw(Tag.TEXT, "a"),
            }
            raw[field.name] = Raw(tag, value)
            assert outcome(lambda raw=raw: COERCER.facts(raw, asked)) == outcome(lambda raw=raw: coerce(raw, BOOK, asked)), raw


def test_plain_facts_do_not_need_coerce(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("not plain")

    monkeypatch.setattr("policybook.cells.coercer.coerce", refuse)
    raw = {
        "number": Raw(Tag.DECIMAL, "0.25"),
        "money": Raw(Tag.MONEY, RawMoney("12.50", "CNY")),
        "choice": Raw(Tag.TEXT, "third"),
        "choices": Raw(Tag.LIST, (Raw(Tag.TEXT, "a"),)),
        "records": Raw(Tag.LIST, (Raw(Tag.RECORD, {"amount": Raw(Tag.MONEY, RawMoney("1", ""))}),)),
        "length": Raw(Tag.DURATION, "PT1H"),
        "text": RAW_NULL,
    }
    facts = COERCER.facts(raw, BOOK.decision_by_name["whole"])
    assert facts["choices"] == ("a",)
    assert facts["records"] == ({"amount": 1, "why": None},)


def test_too_many_facts_are_refused() -> None:
    with pytest.raises(LimitError):
        COERCER.facts({f"n{i}": RAW_NULL for i in range(MAX_FACTS + 1)}, BOOK.decision_by_name["few"])

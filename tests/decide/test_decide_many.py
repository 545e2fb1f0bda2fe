"""Many requests at once: each comes to what it comes to alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest

from books_in_text import NOON, book_of, desk_of, raw
from decide.test_columns import BOOK, requests_of
from policybook import Desk, Request, TraceLevel
from policybook.cells.stated import Column, Dictionary, Scaled, raw_of
from policybook.cells.texts import FEW, decimals_of
from policybook.desk import MAX_REQUEST_ID
from policybook.errors import FactsError, NotInForceError, PolicybookError, RequestError, UnknownNameError
from policybook.model.facts import RAW_NULL, Raw, RawMoney, Tag
from policybook.values import Period, parse_ratio


def alone(desk: Desk, request: Request) -> object:
    try:
        return comparable(desk.decide(request))
    except PolicybookError as e:
        return comparable(e)


def comparable(made: Any) -> object:
    if isinstance(made, PolicybookError):
        return (type(made), str(made), getattr(made, "report", None))
    return dataclasses.replace(made, decision_id="", elapsed_ns=0)


def test_mixed_requests_come_to_what_each_comes_to() -> None:
    desk = desk_of(BOOK)
    random = Random(5)  # noqa: S311 - requests to compare, not secrets
    names = [f"book.{d.name}" for d in BOOK.decisions]
    requests = []
    for facts in requests_of(random, 900, faulty=True):
        requests.append(
            Request(
                decision=random.choice([*names[:3], random.choice(names), "book.nothing", "no name"][: 3 + 3 * (random.random() < 0.3)]),
                facts=facts,
                request_id="r" * (MAX_REQUEST_ID + 1) if random.random() < 0.01 else str(len(requests)),
                as_of=random.choice([None, date(2026, 3, 15), date(2025, 1, 1), datetime(2026, 3, 15, tzinfo=UTC)]),
                version=BOOK.version if random.random() < 0.2 else "",
                trace=TraceLevel.NONE if random.random() < 0.5 else TraceLevel.FULL if random.random() < 0.05 else TraceLevel.MATCHED,
            )
        )
    requests.append(Request(decision=names[0], as_of=datetime(2026, 1, 1)))  # noqa: DTZ001 - without a zone, which is the fault
    made = desk.decide_many(requests)
    assert [comparable(m) for m in made] == [alone(desk, r) for r in requests]
    ids = [m.decision_id for m in made if not isinstance(m, PolicybookError)]
    assert len(set(ids)) == len(ids)


def test_nothing_asked_is_nothing_answered() -> None:
    desk = desk_of(BOOK)
    assert desk.decide_many([]) == []
    assert len(desk.decide_columns("book.constant", {})) == 0
    assert len(desk.decide_columns("book.constant", {"kind": [], "amount": np.array([], dtype=np.int64)})) == 0


def columns_answer_alike(columns: Mapping[str, Column], rows: Sequence[Mapping[str, Raw]], decision: str = "book.computed") -> None:
    """Compare what columns come to with what requests of the same facts come to."""
    desk = desk_of(BOOK)
    made = desk.decide_columns(decision, columns, as_of=date(2026, 3, 15))
    assert len(made) == len(rows)
    for i, facts in enumerate(rows):
        (wanted,) = desk.decide_many([Request(decision=decision, facts=facts, as_of=date(2026, 3, 15), trace=TraceLevel.NONE)])
        if isinstance(wanted, PolicybookError):
            assert comparable(made.errors[i]) == comparable(wanted), facts
            with pytest.raises(type(wanted)):
                made.answer(i)
            continue
        got = made.answer(i)
        assert (got.outcome, got.outputs, got.items, got.selected) == (wanted.outcome, wanted.outputs, wanted.items, wanted.selected)
        assert made.row_ids.at(i) == tuple(r.id for r in wanted.selected)
        assert {n: v.at(i) for n, v in made.outputs.items()} == {o.name: wanted.outputs.get(o.name) for o in wanted.output_fields}


TEXTS = ("0", "33.33", "1000", "1000.01", "-0.01", "+5.5", "1e2", "1/3", "", "5.", ".5", "x", "٣", "12345678901234567890", "007", "1 2")


@pytest.mark.parametrize("count", [1, 40, 400])
def test_each_way_to_state_a_column(count: int) -> None:
    random = Random(count)  # noqa: S311 - values to compare, not secrets
    kinds = [random.choice("abc") for _ in range(count)]
    cents = [random.randrange(-50, 120_000) for _ in range(count)]
    ratios = [random.choice([None, -3, 7, 2**61, 5]) for _ in range(count)]
    days = [random.choice([None, date(2026, 1, 31), date(2026, 2, 1), date(9999, 12, 31)]) for _ in range(count)]
    sure = [random.random() < 0.5 for _ in range(count)]
    counts = [random.choice([0, 1, 2, 10**20]) for _ in range(count)]
    columns: dict[str, Column] = {
        "kind": Dictionary(np.array(["abc".index(k) for k in kinds]), ["a", "b", "c"]),
        "amount": Scaled(np.array(cents, dtype=np.int32), 2),
        "ratio": ratios,
        "day": np.array(days, dtype="datetime64[D]"),
        "sure": np.array(sure),
        "count": counts,
        "other": [None] * count,
    }
    rows = []
    for i in range(count):
        facts = {
            "kind": Raw(Tag.TEXT, kinds[i]),
            "amount": Raw(Tag.MONEY, RawMoney(str(Decimal(cents[i]) / 100), "")),
            "sure": Raw(Tag.FLAG, sure[i]),
            "count": Raw(Tag.DECIMAL, str(counts[i])),
        }
        if ratios[i] is not None:
            facts["ratio"] = Raw(Tag.DECIMAL, str(ratios[i]))
        if (day := days[i]) is not None:
            facts["day"] = Raw(Tag.DATE, day.isoformat())
        rows.append(facts)
    columns_answer_alike(columns, rows)
    columns_answer_alike(columns, rows, "book.constant")
    columns_answer_alike(
        {**columns, "kind": kinds, "day": days, "sure": sure, "ratio": [None if r is None else Fraction(r) for r in ratios]}, rows
    )


@pytest.mark.parametrize("odd", [0.02, 0.9])
def test_decimal_texts(odd: float) -> None:
    random = Random(3)  # noqa: S311 - values to compare, not secrets
    texts = [random.choice(TEXTS) if random.random() < odd else f"{random.randrange(1200)}.{random.randrange(1000)}" for _ in range(300)]
    for name in ("amount", "ratio", "count"):
        kind = Tag.MONEY if name == "amount" else Tag.DECIMAL
        rows = [
            {"kind": Raw(Tag.TEXT, "a"), "amount": Raw(Tag.MONEY, RawMoney("5", ""))}
            | {name: Raw(kind, RawMoney(t, "") if name == "amount" else t)}
            for t in texts
        ]
        columns: dict[str, Column] = {"kind": ["a"] * 300, "amount": [5] * 300, name: texts}
        columns_answer_alike(columns, rows)


@pytest.mark.parametrize(
    "texts", [["1", "2.50", "-3", "+4.125"], ["", "1"], ["1\n2", "3"], ["1", "٣"], ["1" * 30], ["12345678901234567", "0.5"], []]
)
def test_texts_are_read_exactly(texts: list[str]) -> None:
    for times in (1, FEW + 1):
        found = decimals_of(texts * times)
        if found is None:
            continue
        n, scale, strange = found
        for text, whole, odd in zip(texts * times, n.tolist(), strange.tolist(), strict=True):
            assert odd or Fraction(whole, scale) == parse_ratio(text)


def test_few_texts_are_read_as_many_are() -> None:
    random = Random(7)  # noqa: S311 - texts to compare, not secrets
    for _ in range(300):
        letters = random.choice(["0123456789.", "0123456789.+-e/ x"])
        texts = ["".join(random.choices(letters, k=random.randrange(random.choice([4, 8, 18])))) for _ in range(random.randrange(1, 5))]
        few, many = decimals_of(texts), decimals_of(texts * (FEW + 1))
        assert (few is None) == (many is None), texts
        if few is not None and many is not None:
            assert few[0].tolist() == many[0].tolist()[: len(texts)]
            assert (few[1], few[2].tolist()) == (many[1], many[2].tolist()[: len(texts)])


def test_every_plain_number_is_read_without_a_second_look() -> None:
    for times in (1, FEW + 1):
        found = decimals_of(["0", "1.5", "-2", "+3.25", "0000.1"] * times)
        assert found is not None
        assert found[0].tolist() == [0, 150, -200, 325, 10] * times
        assert found[1] == 100
        assert not found[2].any()


KINDS = book_of("""
inputs:
  moment: {type: datetime, optional: true}
  clock: {type: time, optional: true}
  length: {type: duration, optional: true}
  months: {type: period, optional: true}
  text: {type: text, optional: true}
  texts: {type: list, of: text, optional: true}
  record: {type: list, of: {type: record, fields: {amount: {type: money}, why: {type: text, optional: true}}}, optional: true}
decisions:
  told:
    hit_policy: rule_order
    outputs: {n: {type: integer}}
    rules:
      - {id: early, set_by: company, when: {moment: "< datetime(2026-01-01, 12:00)"}, then: {n: 1}}
      - {id: morning, set_by: company, when: {clock: "< 12:00"}, then: {n: 2}}
      - {id: long, set_by: company, when: {length: "> PT1H"}, then: {n: 3}}
      - {id: year, set_by: company, when: {months: ">= P1Y"}, then: {n: 4}}
      - {id: word, set_by: company, when: {text: '"yes"'}, then: {n: 5}}
      - {id: words, set_by: company, when: {texts: contains("yes")}, then: {n: 6}}
      - {id: some, set_by: company, when: {record: not(null)}, then: {n: 7}}
""")


def test_python_values_of_every_kind() -> None:
    desk = desk_of(KINDS)
    columns: dict[str, Column] = {
        "moment": [datetime(2025, 1, 1, tzinfo=timezone(timedelta(hours=8))), "2026-01-02T00:00:00Z", None, datetime(1, 1, 5, tzinfo=UTC)],
        "clock": [time(11, 59), "12:00", None, "25:00"],
        "length": [timedelta(hours=2), "PT1H", None, 5],
        "months": [Period(12), "P1M", None, None],
        "text": ["yes", "no", RAW_NULL, True],
        "texts": [["yes"], ("no",), None, ["yes", None]],
        "record": [[{"amount": Decimal("1.5")}], [], None, [{"amount": "x", "more": 1}]],
    }
    made = desk.decide_columns("book.told", columns)
    assert [made.row_ids.at(i) for i in range(3)] == [("early", "morning", "long", "year", "word", "words", "some"), ("some",), ()]
    assert made.output("n").at(0) == tuple(map(Fraction, range(1, 8)))
    assert set(made.errors) == {3}
    error = made.errors[3]
    assert isinstance(error, FactsError)
    assert {f.path.partition("[")[0] for f in error.report} == {
        "facts.moment",
        "facts.clock",
        "facts.length",
        "facts.text",
        "facts.texts",
        "facts.record",
    }
    stamps = np.array(["2025-01-01T00", "NaT", "0001-01-01T00"], dtype="datetime64[s]")
    by_stamps = desk.decide_columns("book.told", {"moment": stamps})
    assert [by_stamps.row_ids.at(i) for i in range(2)] == [("early",), ()]
    assert set(by_stamps.errors) == {2}


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ([1.5, 2], "holds float; numbers are exact"),
        (np.array([1.5, 2.0]), "holds float64 (floats); numbers are exact"),
        ([object(), 1], "holds object; see `Column`"),
        ([1], "has 1 rows, others have 2"),
        (np.zeros((2, 2), dtype=np.int64), "holds 2-dimensional int64"),
        (np.array(["2026-01-01", "2026-01-01"], dtype="datetime64[ns]"), "holds datetime64[ns]"),
        (np.array(["2026-01-01", "2026-01-01"], dtype="datetime64[D]"), "holds days, and is a money"),
        (Dictionary(np.array([0, 2]), [1, 2]), "a code of the column `amount` is not from -1 to 1"),
    ],
)
def test_what_is_no_column_is_refused(column: Any, words: str) -> None:
    desk = desk_of(BOOK)
    with pytest.raises(RequestError) as caught:
        desk.decide_columns("book.constant", {"kind": ["a", "b"], "amount": column})
    assert words in str(caught.value)


def test_names_and_days_are_judged_as_in_a_request() -> None:
    desk = desk_of(BOOK)
    with pytest.raises(UnknownNameError):
        desk.decide_columns("book.nothing", {})
    with pytest.raises(FactsError, match="`knd` is not an input"):
        desk.decide_columns("book.constant", {"knd": ["a"]})
    with pytest.raises(KeyError):
        desk.decide_columns("book.constant", {"kind": ["a"], "amount": [1]}).output("nothing")
    made = desk.decide_columns("book.constant", {"kind": ["a"] * 20, "amount": [1] * 20}, as_of=date(2025, 1, 1))
    assert {type(e) for e in made.errors.values()} == {NotInForceError}
    assert len(made.errors) == 20


def test_a_value_in_a_column_states_what_a_fact_states() -> None:
    field = BOOK.input_by_name["ratio"]
    assert raw_of(Fraction(1, 3), field) == Raw(Tag.DECIMAL, "1/3")
    assert raw_of(np.int64(4), field) == Raw(Tag.DECIMAL, "4")
    assert raw_of(raw("x"), field) == raw("x")
    assert raw_of(NOON, field) == Raw(Tag.TIMESTAMP, NOON)

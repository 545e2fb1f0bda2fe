"""What is written as a test table is read back as the same cases, in every form."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from books_in_text import book_of
from policybook.source import Source
from policybook.trials.case import ErrorKind, Status
from policybook.trials.read import decoded, read_cases, read_workbook
from policybook.trials.write import Form, write_cases
from policybook.trials.written import WrittenCase
from policybook.values import Period, Value

KINDS = """
  number: {type: number, optional: true}
  integer: {type: integer, optional: true}
  percent: {type: percent, optional: true}
  fraction: {type: fraction, optional: true}
  money: {type: money, optional: true}
  boolean: {type: boolean, optional: true}
  choice: {type: enum, values: [none, some, third_party], optional: true}
  text: {type: text, optional: true}
  date: {type: date, optional: true}
  instant: {type: datetime, optional: true}
  clock: {type: time, optional: true}
  length: {type: duration, optional: true}
  months: {type: period, optional: true}
  choices: {type: list, of: {type: enum, values: [none, some]}, optional: true}
  words: {type: list, of: text, optional: true}
  records: {type: list, of: {type: record, fields: {amount: money, paid_on: {type: date, optional: true}, why: {type: text, optional: true}}}, optional: true}
"""
INPUTS = "".join(f"{line}\n" for line in KINDS.strip("\n").splitlines()) + "  status: {type: integer, optional: true}\n"
OUTPUTS = "".join(f"    {line}\n" for line in KINDS.strip("\n").splitlines() if "records" not in line)
ROW = "{{id: {id}, clause: 1.1, when: {{boolean: 'true'}}, then: {{number: 1}}, says: {{en: So., zh: 是。}}}}"
BODY = f"""
inputs:
{INPUTS}
decisions:
  one:
    hit_policy: first
    outputs:
{OUTPUTS}
    rules:
      - {ROW.format(id="first-row")}
      - {ROW.format(id="second-row")}
  many:
    hit_policy: rule_order
    outputs:
      number: {{type: number}}
      words: {{type: list, of: text, optional: true}}
    rules:
      - {ROW.format(id="many-row")}
"""


BOOK = book_of(BODY)


numbers = st.one_of(
    st.integers(-(10**15), 10**15).map(Fraction),
    st.decimals(-1000000, 1000000, places=4, allow_nan=False).map(Fraction),
    st.sampled_from([Fraction(1, 8), Fraction(1, 10**20), Fraction(10**30)]),
)
ratios = st.one_of(numbers, st.fractions(-10, 10, max_denominator=10**6))
printable = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("\n"), max_size=12)
tricky = st.sampled_from(
    [
        "",
        "null",
        "~",
        "true",
        '"',
        '""',
        '"a"',
        " a ",
        "a;b",
        "[a",
        "{a",
        "]",
        "- a",
        "a: b",
        "#a",
        "=a",
        "'a",
        "1/3",
        "30%",
        "a,b",
        "a\nb",
        "-",
        "_x000D_",
    ]
)
texts = printable | tricky
instants = st.datetimes(datetime(2, 1, 3), datetime(9998, 12, 30)).map(lambda d: d.replace(tzinfo=UTC))  # noqa: DTZ001 - made aware
clocks = st.times()
lengths = st.timedeltas(timedelta(days=-999_999), timedelta(days=999_999))
days = st.dates()
records = st.fixed_dictionaries({"amount": numbers, "paid_on": st.none() | days, "why": st.none() | texts})
by_kind: dict[str, st.SearchStrategy[Any]] = {
    "number": ratios,
    "integer": st.integers(-(10**20), 10**20).map(Fraction),
    "percent": ratios,
    "fraction": ratios,
    "money": numbers,
    "boolean": st.booleans(),
    "choice": st.sampled_from(["none", "some", "third_party"]),
    "text": texts,
    "date": days,
    "instant": instants,
    "clock": clocks,
    "length": lengths,
    "months": st.integers(-100_000, 100_000).map(Period),
    "choices": st.lists(st.sampled_from(["none", "some"]), max_size=3).map(tuple),
    "words": st.lists(texts, max_size=3).map(tuple),
    "records": st.lists(records, max_size=3).map(tuple),
    "status": st.integers(0, 5).map(Fraction),
}


def some_of(names: list[str]) -> st.SearchStrategy[dict[str, Value]]:
    return st.fixed_dictionaries({}, optional={n: st.none() | by_kind[n] for n in names})


OUTPUT_NAMES = [n for n in by_kind if n not in ("records", "status")]
notes = printable.map(str.strip)


@st.composite
def cases(draw: st.DrawFn) -> WrittenCase:
    decision = draw(st.sampled_from(["one", "many"]))
    what = draw(st.sampled_from(["expect", "items", "status", "error"] if decision == "many" else ["expect", "status", "error"]))
    names = OUTPUT_NAMES if decision == "one" else ["number", "words"]
    rows = ["first-row", "second-row"] if decision == "one" else ["many-row"]
    return WrittenCase(
        id=draw(st.sampled_from(["a case", "null", "案例", "-", "true", "1", "a, b", "=x", "x:y", "[a]", '"a"', "'a'", "a;b", "a #b"])),
        decision=decision,
        as_of=draw(st.none() | st.dates(date(2, 1, 1), date(9998, 12, 31)) | instants),
        given=draw(some_of(list(by_kind))),
        expect=draw(some_of(names)) if what == "expect" else {},
        expect_items=tuple(draw(st.lists(some_of(names), max_size=3))) if what == "items" else None,
        rows=tuple(draw(st.lists(st.sampled_from(rows), max_size=2))) if what in ("expect", "items") else None,
        not_rows=tuple(draw(st.lists(st.sampled_from(rows), max_size=2))),
        status=Status.DECIDED if what == "status" else None,
        error=draw(st.sampled_from(ErrorKind)) if what == "error" else None,
        review=draw(st.none() | notes.filter(lambda t: t.lower() not in ("true", "false", "null"))),
        note=draw(notes),
    )


def read(data: bytes, decision: str, form: Form) -> list[WrittenCase]:
    name = f"book.{decision}.{form.value}" if decision else f"book.{form.value}"
    if form is Form.XLSX:
        file, report = read_workbook(data, name, {"book": BOOK})
    else:
        file, report = read_cases(Source(name, decoded(data)), {"book": BOOK})
    assert report.ok, report.render({})
    assert file
    return [WrittenCase.of(c, BOOK) for c in file.cases]


@pytest.mark.parametrize("form", Form)
@given(wanted=st.lists(cases(), min_size=1, max_size=3, unique_by=lambda c: c.id), decision=st.sampled_from(["", "one", "many"]))
def test_reading_what_was_written_gives_the_same_cases(form: Form, wanted: list[WrittenCase], decision: str) -> None:
    content = write_cases(wanted, BOOK, decision, form)
    assert read(content, decision, form) == wanted
    # The same cases are the same bytes: a file under version control changes only where a case does.
    assert write_cases(wanted, BOOK, decision, form) == content


@given(text=st.text(st.characters(exclude_categories=("Cs",)), max_size=8))
def test_yaml_holds_every_text(text: str) -> None:
    wanted = [WrittenCase(id="a", decision="one", given={"text": text, "words": (text, text)}, rows=())]
    assert read(write_cases(wanted, BOOK, "one", Form.YAML), "one", Form.YAML) == wanted


@pytest.mark.parametrize("form", [Form.CSV, Form.XLSX])
@given(text=st.text(st.characters(exclude_categories=("Cs",)), max_size=8))
def test_what_cannot_be_written_is_refused_and_not_changed(form: Form, text: str) -> None:
    wanted = [WrittenCase(id="a", decision="one", given={"text": text}, rows=())]
    try:
        content = write_cases(wanted, BOOK, "one", form)
    except ValueError:
        assert not text.isprintable()
    else:
        assert read(content, "one", form) == wanted

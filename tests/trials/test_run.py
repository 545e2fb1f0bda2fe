from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from policybook.check.book import read_book
from policybook.desk import Desk
from policybook.errors import EngineError
from policybook.model.book import Book
from policybook.source import Source
from policybook.store.reload import make_edition
from policybook.store.versions import Store
from policybook.trials.case import Case
from policybook.trials.coverage import Coverage, RowId
from policybook.trials.junit import junit_xml
from policybook.trials.read import decoded, read_cases, read_workbook
from policybook.trials.run import Result, asker, run_case, run_cases, same
from policybook.trials.write import Form, write_cases
from policybook.trials.written import WrittenCase

NOW = datetime(2026, 5, 4, 4, 0, tzinfo=UTC)
BOOK = Path(__file__).parent.parent / "cli" / "books" / "library.yaml"
HEAD = "policy: library\nas_of: 2026-05-04\ndecision: late_fee\ngiven: {reader: adult, days_out: 16}\ncases:\n"


@pytest.fixture(scope="module")
def book() -> Book:
    book, report, _ = read_book(BOOK)
    assert book, report.findings
    return book


@pytest.fixture(scope="module")
def desk(book: Book) -> Desk:
    store = Store()
    store.publish(make_edition(book, NOW))
    return Desk(store, now=lambda: NOW, new_id=lambda: "id")


def read(body: str, book: Book) -> tuple[Case, ...]:
    source = Source("library.yaml", HEAD + body)
    file, report = read_cases(source, {book.name: book})
    assert file is not None
    assert report.ok, report.render({source.name: source})
    return file.cases


def run(body: str, book: Book, desk: Desk) -> Result:
    (case,) = read(f"  - {body}\n", book)
    return run_case(case, asker(desk), book)


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        (Fraction(1), Fraction(1), True),
        (Fraction(1), True, False),
        (True, True, True),
        ((Fraction(1), True), (Fraction(1), Fraction(1)), False),
        (({"a": "x"},), ({"a": "x"},), True),
        ({"a": "x"}, {"a": "x", "b": None}, False),
        (None, False, False),
        ((), (), True),
    ],
)
def test_values_are_the_same_only_with_the_same_type(a: object, b: object, wanted: bool) -> None:
    assert same(a, b) is wanted  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body",
    [
        "{id: a, expect: {fee: 1}}",
        "{id: a, expect: {fee: 1.00, tone: letter}, rows: [late], not_rows: [in-time, no-fee-for-staff]}",
        "{id: a, expect_status: decided}",
        "{id: a, decision: may_borrow, given: {days_out: 34}, expect_status: no_match, rows: []}",
        "{id: a, decision: bill, expect: {amount: 1}, expect_items: [{}]}",
        "{id: a, given: {days_out: 1.5}, expect_error: FACTS}",
        "{id: a, given: {days_out: null}, expect_status: error}",
    ],
)
def test_a_case_passes(body: str, book: Book, desk: Desk) -> None:
    result = run(body, book, desk)
    assert result.passed, result.lines()


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (
            "{id: a, expect: {fee: 2}, rows: [in-time]}",
            [
                "fee: expected 2.00 CNY, got 1.00 CNY",
                "rows: expected in-time, got late",
                "selected row: late (clause 7.2): Each late day costs the fee.",
                "`in-time` was not selected: days_out is 16, not <= free_days (14)",
            ],
        ),
        (
            "{id: a, given: {reader: child}, rows: [late]}",
            [
                "rows: expected late, got child-late",
                "selected row: child-late (clause 7.2, 7.3): Children pay half.",
                "`late` was not selected: another row matched",
            ],
        ),
        (
            "{id: a, given: {reader: staff, days_out: 1}, not_rows: [no-fee-for-staff]}",
            ["not_rows: expected `no-fee-for-staff` not to match, got it matched", "selected row: in-time (clause 7.1): Back in time."],
        ),
        (
            "{id: a, given: {reader: staff, days_out: 1}, rows: [no-fee-for-staff]}",
            [
                "rows: expected no-fee-for-staff, got in-time",
                "selected row: in-time (clause 7.1): Back in time.",
                "`no-fee-for-staff` was not selected: another row comes first",
            ],
        ),
        (
            "{id: a, expect_error: CONFLICT}",
            ["status: expected error CONFLICT, got decided", "selected row: late (clause 7.2): Each late day costs the fee."],
        ),
        (
            "{id: a, decision: bill, expect_items: []}",
            ["number of items: expected 0, got 1: amount=1.00 CNY, item=lateness", "selected row: bill-fee (clause 7.2): The late fee."],
        ),
        (
            "{id: a, given: {days_out: -1, reader: baby}, expect: {fee: 0}}",
            [
                "status: expected decided, got error FACTS",
                "library.yaml:6:43: `reader` is `baby`; allowed: `adult`, `child`, `staff`",
                "library.yaml:6:31: `days_out` is -1 days; allowed: at least 0 days",
            ],
        ),
        (
            "{id: a, decision: may_borrow, given: {days_out: 34}, expect: {allowed: true}}",
            ["status: expected decided, got no_match", "allowed: expected true, got nothing", "no row matched"],
        ),
    ],
)
def test_a_difference_can_be_read(body: str, wanted: list[str], book: Book, desk: Desk) -> None:
    result = run(body, book, desk)
    assert not result.passed
    assert list(result.lines()) == wanted


@pytest.mark.parametrize("form", Form)
def test_rows_that_must_not_match_reach_into_required_decisions(form: Form, book: Book, desk: Desk) -> None:
    facts = {"reader": "adult", "days_out": Fraction(16), "damages": ({"kind": "stain", "pages": Fraction(1)},)}
    written = [
        WrittenCase(id=f"not-{row}", decision="bill", as_of=date(2026, 5, 4), given=facts, not_rows=(row,))
        # Of the decision itself, of one that it requires, and of a table over a list; of each one that matched and one that did not.
        for row in ("bill-fee", "late", "in-time", "stained", "torn")
    ]
    name, data = f"library.bill.{form.value}", write_cases(written, book, "bill", form)
    if form is Form.XLSX:
        file, report = read_workbook(data, name, {book.name: book})
    else:
        file, report = read_cases(Source(name, decoded(data)), {book.name: book})
    assert file, report.render({})
    results = [run_case(c, asker(desk), book) for c in file.cases]
    assert [r.case.id for r in results if not r.passed] == ["not-bill-fee", "not-late", "not-stained"]
    assert str(results[1].differences[0]) == "not_rows: expected `late` not to match, got it matched"


def test_sentences_come_in_chinese_too(book: Book, desk: Desk) -> None:
    assert run("{id: a, rows: [in-time]}", book, desk).reasons("zh") == (
        "命中规则：late（条款 7.2）：每逾期一日收取日费。",
        "`in-time` 未被选用：days_out 为 16，不满足 <= free_days (14)",
    )


def test_a_fault_of_the_engine_is_told_from_a_failed_case(book: Book) -> None:
    def broken(_: Case) -> None:
        raise EngineError("the engine disagrees")

    (case,) = read("  - {id: a, rows: []}\n", book)
    result = run_case(case, broken, book)  # type: ignore[arg-type]
    assert result.is_our_fault
    assert result.lines() == ("status: expected decided, got error EngineError", "the engine disagrees")


def test_rows_of_required_decisions_are_covered_too(book: Book, desk: Desk) -> None:
    coverage = Coverage([book])
    for result in run_cases(
        read("  - {id: a, decision: may_borrow, given: {damages: [{kind: lost}]}, rows: []}\n", book), asker(desk), {"library": book}
    ):
        assert result.answer
        coverage.visit(result.answer)
    hit = {(c.decision, r.id) for c in coverage.decisions() for r in c.hit}
    assert hit == {
        ("late_fee", "late"),
        ("damage", "lost-or-torn-apart"),
        ("bill", "bill-fee"),
        ("bill", "bill-damage"),
        ("may_borrow", "owes-more-than-the-deposit"),
    }
    assert coverage.hits(RowId("library", "late_fee", "late")) == 1


def test_thresholds_need_a_value_on_either_side(book: Book, desk: Desk) -> None:
    coverage = Coverage([book])
    seen = []
    for days in (16, 14, 13):
        (case,) = read(f"  - {{id: a, given: {{days_out: {days}}}, rows: []}}\n", book)
        answer = run_case(case, asker(desk), book).answer
        assert answer
        coverage.visit(answer)
        late_fee = next(coverage.decisions())
        ((_, sides),) = late_fee.thresholds
        seen.append((sorted(s.value for s in sides), late_fee.both_sides, late_fee.on_the_point))
    # `<= 14` decides 14 as it decides 13: the point itself is one of the two sides.
    assert seen == [(["above"], 0, 0), (["above", "on"], 1, 1), (["above", "below", "on"], 1, 1)]


def test_junit_tells_failures_from_errors(book: Book, desk: Desk) -> None:
    body = (
        "  - {id: passes, rows: [late]}\n"
        "  - {id: fails, rows: [in-time]}\n"
        '  - {id: "refused \\u0007", given: {days_out: 1.5}, expect: {fee: 0}}\n'
    )
    results = [run_case(c, asker(desk), book) for c in read(body.replace("\\u0007", ""), book)]
    text = junit_xml({"library.yaml": results}, now=NOW)
    root = ET.fromstring(text)  # noqa: S314 - our own
    assert {k: root.attrib[k] for k in ("tests", "failures", "errors")} == {"tests": "3", "failures": "1", "errors": "1"}
    suite = root[0]
    assert (suite.attrib["name"], suite.attrib["timestamp"]) == ("library.yaml", "2026-05-04T04:00:00+00:00")
    passed, failed, refused = suite
    assert (passed.attrib["classname"], passed.attrib["name"], len(passed)) == ("library.late_fee", "passes", 0)
    assert failed[0].tag == "failure"
    assert failed[0].attrib["message"] == "rows: expected in-time, got late"
    assert failed[0].text is not None
    assert "selected row: late" in failed[0].text
    assert refused[0].tag == "error"

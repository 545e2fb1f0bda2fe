"""The pages and files that a run leaves."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from policybook.check.book import read_book
from policybook.desk import Desk
from policybook.diagnostics import Report
from policybook.model.book import Book
from policybook.source import Source
from policybook.store.reload import make_edition
from policybook.store.versions import Store
from policybook.trials.coverage import Coverage
from policybook.trials.html_report import html_report, percent
from policybook.trials.json_report import json_report
from policybook.trials.labels import LABELS
from policybook.trials.read import read_cases
from policybook.trials.run import asker, run_case
from policybook.trials.session import Session, spaces, totals

NOW = datetime(2026, 5, 4, 4, 0, tzinfo=UTC)
BOOK = Path(__file__).parent.parent / "cli" / "books" / "library.yaml"
CASES = """\
policy: library
as_of: 2026-05-04
decision: late_fee
given: {reader: adult, days_out: 16}
cases:
  - {id: passes, rows: [late], not_rows: [in-time], note: why it passes}
  - {id: "<script>alert(1)</script>", rows: [in-time], expect: {fee: 2}, review: "a & b <c>"}
  - {id: refused, given: {days_out: 1.5}, expect: {fee: 0}}
  - {id: items, decision: bill, expect_items: [{amount: 1}], review: true}
  - {id: faulty, rows: [nowhere]}
"""


@pytest.fixture(scope="module")
def session() -> Session:
    book, report, _ = read_book(BOOK)
    assert book, report.findings
    return run(book)


def run(book: Book) -> Session:
    store = Store()
    store.publish(make_edition(book, NOW))
    desk = Desk(store, now=lambda: NOW, new_id=lambda: "id")
    file, findings = read_cases(Source("library.yaml", CASES), {"library": book})
    assert file
    results = [run_case(c, asker(desk), book) for c in file.cases]
    coverage = Coverage([book])
    for result in results:
        if result.answer:
            coverage.visit(result.answer)
    known = spaces()
    shares = tuple(coverage.decision(b, d, known) for b, d in coverage.in_order())
    return Session(books={"library": book}, results={"library.yaml": results}, coverage=shares, findings=findings, at=NOW)


VOID = {"meta", "input", "br"}


class Balanced(HTMLParser):
    """Collects elements and text; fails on one that is not closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_stands_alone(session: Session, language: str) -> None:
    text = html_report(session, language)
    page = Balanced()
    page.feed(text)
    assert page.open == []
    assert not [tag for tag, attrs in page.tags if "src" in attrs or tag == "link"]
    assert {a["href"] for tag, a in page.tags if tag == "a"} == {"#failed", "#findings", "#coverage", "#tables"}
    targets = {a["id"] for _, a in page.tags if "id" in a}
    assert {"failed", "findings", "coverage", "tables", "q", "count"} <= targets
    assert not re.search(r"https?://|url\(|@import", text)


def test_the_page_escapes_what_people_wrote(session: Session) -> None:
    text = html_report(session)
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "a &amp; b &lt;c&gt;" in text


def test_the_page_says_what_failed_and_why(session: Session) -> None:
    page = Balanced()
    page.feed(html_report(session))
    said = " ".join(" ".join(page.texts).split())
    assert "Some cases failed" in said
    assert "Fee (fee) 2.00 CNY 1.00 CNY" in said
    assert "selected row: late (clause 7.2): Each late day costs the fee." in said
    assert "`in-time` was not selected: days_out is 16, not <= free_days (14)" in said
    assert "there is no row `nowhere`" in said
    assert "2 to be reviewed" in said


def test_the_chinese_page_is_chinese(session: Session) -> None:
    text = html_report(session, "zh")
    assert '<html lang="zh-Hans">' in text
    assert "有用例未通过" in text
    assert "命中规则：late（条款 7.2）：每逾期一日收取日费。" in text
    english = [t.en for t in LABELS.values() if t.en != t.zh and len(t.en) > 8 and f">{t.en}<" in text]
    assert english == []


def test_every_word_of_the_page_is_in_both_languages() -> None:
    assert [name for name, text in LABELS.items() if not (text.en and text.zh)] == []


def test_json_says_everything(session: Session) -> None:
    report = json.loads(json_report(session))
    assert report["summary"] == {
        "tables": 1,
        "cases": 4,
        "passed": 2,
        "failed": 2,
        "to_review": 2,
        "coverage": {name: {"seen": seen, "of": of} for name, seen, of in totals(session.coverage)},
    }
    assert set(report["summary"]["coverage"]) == {"rows", "both_sides", "on_the_point", "just_beside", "pairs"}
    (table,) = report["tables"]
    passed, failed, refused, items = table["cases"]
    assert (passed["id"], passed["passed"], passed["selected"], passed["review"], passed["note"]) == (
        "passes",
        True,
        ["late"],
        None,
        "why it passes",
    )
    assert failed["differences"][0] == {"what": "fee", "expected": "2.00 CNY", "got": "1.00 CNY", "place": "library.yaml:7:70"}
    assert refused["reasons"][0].startswith("library.yaml:8:37: `days_out`")
    assert items["review"] == ""
    late_fee = report["coverage"][0]
    assert late_fee["rows"] == {"visited": ["late"], "missed": ["in-time", "no-fee-for-staff", "child-late"]}
    assert late_fee["thresholds"] == [
        {
            "row": "in-time",
            "key": "days_out",
            "test": "<= free_days",
            "end": None,
            "sides": ["above"],
            "both_sides": False,
            "seen": [],
            "missed": ["just below", "on", "just above"],
        }
    ]
    assert late_fee["pairs"]["possible"] == 6
    assert {"columns": ["days_out", "reader"], "passing": [["<= free_days"], ["staff"]]} in late_fee["pairs"]["missed"]
    assert [f["place"] for f in report["findings"]] == ["library.yaml:10:25"]


@pytest.mark.parametrize(
    ("seen", "of", "wanted"), [(0, 0, "–"), (0, 9, "0%"), (1, 5000, "0.1%"), (4999, 5000, "99.9%"), (5, 5, "100%"), (1, 2, "50%")]
)
def test_a_share_is_whole_only_when_all_was_seen(seen: int, of: int, wanted: str) -> None:
    assert percent(seen, of) == wanted


def test_a_run_of_nothing_is_no_success(session: Session) -> None:
    empty = Session(books={}, results={}, coverage=(), findings=Report(()), at=NOW)
    assert "No case was run" in html_report(empty)
    assert json.loads(json_report(empty))["summary"]["cases"] == 0

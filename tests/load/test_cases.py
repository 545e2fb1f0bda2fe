"""Each folder of tests/cases holds a book and the findings as a person sees them."""

from pathlib import Path

import pytest

from policybook.check.book import check_source
from policybook.source import Source

CASES = Path(__file__).resolve().parent.parent / "cases"


@pytest.mark.parametrize("case", sorted(p.name for p in CASES.iterdir() if (p / "book.yaml").exists()))
def test_findings_are_shown_as_wanted(case, golden):
    source = Source("book.yaml", (CASES / case / "book.yaml").read_text(encoding="utf-8"))
    book, report = check_source(source)
    assert (book is None) == bool(report.errors)
    golden(CASES / case / "want.txt", report.render({source.name: source}) + "\n")

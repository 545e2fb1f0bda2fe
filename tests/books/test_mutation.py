"""The project's cases notice small faults in its books, and none of them still waits for a person."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from policybook.store.reload import read_books
from policybook.trials.mutation import Fate, Jury, share
from policybook.trials.read import case_files
from policybook.trials.session import read_tables

RULES = Path(__file__).resolve().parents[2] / "rules"
BOOKS = {b.name: b for b in read_books([RULES]).books}
TABLES = read_tables(case_files([RULES]), BOOKS)


def test_no_case_waits_for_review() -> None:
    assert [c.id for of_file in TABLES.cases.values() for c in of_file if c.review is not None] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", BOOKS)
def test_the_cases_notice_small_faults(name: str) -> None:
    cases = [c for of_file in TABLES.cases.values() for c in of_file if c.policy == name]
    jury = Jury(BOOKS[name], cases, datetime.now(UTC))
    scores = [jury.score(d.name) for d in BOOKS[name].decisions]
    assert jury.failing == []
    part = share(scores)
    assert part is not None
    # Where cases are missing: `policybook cases <book> --kill` writes them.
    assert part >= 95, [m.what.en for s in scores for m in s.of(Fate.SURVIVED)]

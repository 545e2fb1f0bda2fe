"""The books of rules/: free of findings, every row is visited, every threshold from both sides.

That every case of rules/tests/ passes is tested by the cases themselves: policybook's own pytest plugin makes a test of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from policybook.cli.books import now, open_desk, read_books
from policybook.trials.case import Case
from policybook.trials.coverage import Coverage, DecisionCoverage
from policybook.trials.read import case_files
from policybook.trials.run import Ask, Result, asker, run_case
from policybook.trials.session import read_tables

RULES = Path(__file__).resolve().parent.parent.parent / "rules"
READ = read_books([RULES])
TABLES = case_files([RULES / "tests"])


@cache
def ask(policy: str) -> Ask:
    """Ask a desk of one book; compiled once."""
    return asker(open_desk([READ.books[policy]]))


@cache
def result(case_id: tuple[str, str]) -> Result:
    case = CASES[case_id]
    return run_case(case, ask(case.policy), READ.books[case.policy])


def cases() -> Iterator[tuple[tuple[str, str], Case]]:
    for path, of_file in read_tables(TABLES, READ.books).cases.items():
        for case in of_file:
            yield (path, f"{case.decision}/{case.id}"), case


CASES = dict(cases())


def test_there_are_books_and_tables() -> None:
    assert READ.files
    assert TABLES
    assert {c.policy for c in CASES.values()} == set(READ.books)


@pytest.mark.parametrize("file", READ.files, ids=lambda f: f.path.name)
def test_a_book_is_free_of_findings(file: object) -> None:
    assert not file.report.findings, file.report.render(READ.sources)  # type: ignore[attr-defined]


@cache
def coverage(policy: str) -> tuple[DecisionCoverage, ...]:
    visited = Coverage([READ.books[policy]])
    for case_id, case in CASES.items():
        if case.policy == policy and (answer := result(case_id).answer) is not None:
            visited.visit(answer)
    return tuple(visited.decisions())


@pytest.mark.parametrize("policy", READ.books)
def test_every_row_is_visited(policy: str) -> None:
    missed = [f"{c.decision}: {r.id} ({r.span})" for c in coverage(policy) for r in c.missed]
    assert not missed, "\n".join(("no case of rules/tests/ selects", *missed))


@pytest.mark.parametrize("policy", READ.books)
def test_every_threshold_is_seen_from_both_sides(policy: str) -> None:
    missed = [f"{c.decision}: {t.row.row}: {t.key} {t.text}" for c in coverage(policy) for t, _ in c.one_sided]
    assert not missed, "\n".join(("the cases of rules/tests/ stay on one side of", *missed))


def test_the_clock_is_aware() -> None:
    assert now().tzinfo is not None

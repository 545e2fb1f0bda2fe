"""A run of test tables from first to last: what was read, what each case came to, what the cases visit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from policybook.diagnostics import Report
from policybook.model.book import Book
from policybook.source import Source
from policybook.trials.case import Case
from policybook.trials.coverage import DecisionCoverage
from policybook.trials.pairs import Spaces
from policybook.trials.points import Point
from policybook.trials.read import read_table
from policybook.trials.run import Result

if TYPE_CHECKING:
    from policybook.cells.grid import Grid
    from policybook.trials.mutation import Mutation
    from policybook.trials.pairs import Space


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Test tables as read: cases by file, what is wrong, and the texts for excerpts."""

    cases: Mapping[str, tuple[Case, ...]]
    report: Report
    sources: Mapping[str, Source]


def read_tables(paths: Iterable[Path], books: Mapping[str, Book], known_bad: Collection[str] = ()) -> Tables:
    """Read test tables; arguments as in read.read_table."""
    report = Report(())
    sources: dict[str, Source] = {}
    cases: dict[str, tuple[Case, ...]] = {}
    for path in paths:
        read = read_table(path, books, known_bad=known_bad)
        report += read.report
        if read.source is not None:
            sources[read.source.name] = read.source
        if read.cases is not None:
            cases[read.cases.file] = read.cases.cases
    return Tables(cases=cases, report=report, sources=sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a run came to.

    Args:
        books: those whose coverage counts
        results: file -> its results
        findings: of books and tables
        at: when they were run
        mutation: None when it was not asked for
    """

    books: Mapping[str, Book]
    results: Mapping[str, Sequence[Result]]
    coverage: tuple[DecisionCoverage, ...]
    findings: Report
    at: datetime
    mutation: Mutation | None = None

    @property
    def everything(self) -> tuple[Result, ...]:
        return tuple(r for of_file in self.results.values() for r in of_file)

    @property
    def failed(self) -> tuple[Result, ...]:
        return tuple(r for r in self.everything if not r.passed)

    @property
    def to_review(self) -> tuple[Result, ...]:
        return tuple(r for r in self.everything if r.case.review is not None)

    def totals(self) -> Iterator[tuple[str, int, int]]:
        """Yield each measure of coverage over all decisions: its name, how many were seen, and of how many."""
        yield from totals(self.coverage)


def totals(coverage: Iterable[DecisionCoverage]) -> Iterator[tuple[str, int, int]]:
    """Yield each measure of coverage: its name, how many were seen, and of how many; pairs only where they were counted."""
    shares = tuple(coverage)
    yield "rows", sum(len(c.hit) for c in shares), sum(len(c.hit) + len(c.missed) for c in shares)
    yield "both_sides", sum(c.both_sides for c in shares), sum(len(c.thresholds) for c in shares)
    for name, points in (("on_the_point", (Point.ON,)), ("just_beside", (Point.JUST_BELOW, Point.JUST_ABOVE))):
        counts = [c.points(*points) for c in shares]
        yield name, sum(seen for seen, _ in counts), sum(possible for _, possible in counts)
    pairs = [c.pairs for c in shares if c.pairs is not None]
    if pairs:
        yield "pairs", sum(p.seen for p in pairs), sum(p.possible for p in pairs)


def spaces() -> Spaces:
    """Return what tells of a grid what can occur in it."""
    # The solver is slow to import, and wanted for pairs alone.
    from policybook.analyse import space  # noqa: PLC0415

    judges: dict[str, space.Judge] = {}

    def of(grid: Grid) -> Space:
        if grid.book.name not in judges:
            judges[grid.book.name] = space.Judge(grid.book)
        return space.Space(grid, judges[grid.book.name])

    return of

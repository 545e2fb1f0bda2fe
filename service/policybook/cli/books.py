"""Books for a command: read from files, and asked in process."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from policybook.analyse.limits import Limits
from policybook.check.book import read_book
from policybook.check.twins import twin_findings
from policybook.cli.console import err
from policybook.cli.exits import RefusedError
from policybook.cli.findings import print_findings
from policybook.desk import Desk
from policybook.diagnostics import Finding, Report, did_you_mean
from policybook.engine.program import Program
from policybook.engine.selfcheck import self_check
from policybook.model.book import Book
from policybook.source import Source
from policybook.store.reload import Loaded, ReadFile, book_files, is_book, make_edition
from policybook.store.reload import read_books as read_files
from policybook.store.versions import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBooks:
    """What was found in the files asked for; `loaded` is what it was made of."""

    files: tuple[ReadFile, ...]
    report: Report
    loaded: Loaded

    @property
    def sources(self) -> dict[str, Source]:
        return self.loaded.sources

    @property
    def books(self) -> dict[str, Book]:
        return {f.book.name: f.book for f in self.files if f.book}


def now() -> datetime:
    """Return the instant; the one clock of the command line."""
    return datetime.now(UTC)


def read_books(paths: Sequence[Path], *, compiled: bool = False, analysed: Limits | None = None) -> ReadBooks:
    """Read and check every book; all findings of all books.

    Args:
        paths: books and folders of books
        compiled: also build the tables for the engine and compare it with a plain reading, as the service does at its start, and hold figures
            that must be the same in two books against each other
        analysed: also look for gaps, conflicts, rows that never answer, within these limits
    """
    loaded = read_files(paths)
    files = tuple(_compiled(f, analysed) for f in loaded.files) if compiled else loaded.files
    # To decide by a book takes no look at the figures of others.
    twins = _twins_differ(loaded) if compiled else ()
    report = Report.of([*loaded.report, *(finding for f in files for finding in f.report), *twins])
    return ReadBooks(files=files, report=report, loaded=loaded)


def _twins_differ(loaded: Loaded) -> Iterator[Finding]:
    """Hold figures that must be the same against each other; books that were not asked for are read where one names them."""
    found = {f.path.with_suffix(""): f.book for f in loaded.files}

    def other(folder: Path, policy: str) -> Book | None:
        place = folder / policy
        if place not in found:
            there = next((p for p in (place.with_suffix(".yaml"), place.with_suffix(".yml")) if is_book(p)), None)
            found[place] = read_book(there, loaded.beside[folder])[0] if there else None
        return found[place]

    for file in loaded.files:
        if file.book is not None:
            yield from twin_findings(file.book, partial(other, file.path.parent))


def _compiled(file: ReadFile, analysed: Limits | None) -> ReadFile:
    """Build the tables of a book, compare engine and reference, and analyse it; return it with what that found."""
    if file.book is None:
        return file
    program = Program.of(file.book)
    report = file.report + program.check()
    if report.ok:
        report += self_check(file.book, program).report
    if report.ok and analysed is not None:
        from policybook.analyse.findings import table_findings  # noqa: PLC0415 - the solver is loaded for analysis only
        from policybook.analyse.invariants import invariant_findings  # noqa: PLC0415
        from policybook.analyse.space import Judge  # noqa: PLC0415

        judge = Judge(file.book, program)
        report += Report.of([*table_findings(file.book, judge, analysed), *invariant_findings(file.book, judge)])
    return ReadFile(file.path, file.book if report.ok else None, report)


def book_named(policy: str, paths: Sequence[Path]) -> Book:
    """Read the one book that is asked; errors in others are their own affair.

    Raises:
        RefusedError: there is none of that name, or it has errors
    """
    files = book_files(paths)
    mine = [f for f in files if f.stem == policy]
    if not mine:
        hint = f"; {did_you_mean(policy, [f.stem for f in files])}" if files else ": there is no book there"
        raise RefusedError(f"no policy `{policy[:80]}` in {', '.join(map(str, paths))}{hint}")
    read = read_books(mine)
    book = read.books.get(policy)
    if book is None:
        print_findings(err(), Report(read.report.errors), read.sources)
        raise RefusedError(f"the book `{mine[0]}` has errors and decides nothing")
    return book


def open_desk(books: Iterable[Book]) -> Desk:
    """Compile books and return the desk that answers by them."""
    store = Store()
    for book in books:
        # To answer one question takes no proof; `policybook check` and the service prove.
        store.publish(make_edition(book, now(), proved=False))
    return Desk(store, now=now, new_id=lambda: uuid.uuid4().hex)

"""Books for a command: read from files, and asked in process."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from policybook.check.book import read_book
from policybook.cli.console import err
from policybook.cli.exits import RefusedError
from policybook.cli.findings import print_findings
from policybook.desk import Desk
from policybook.diagnostics import Code, Finding, Report, Severity, did_you_mean
from policybook.engine.program import Program
from policybook.engine.selfcheck import self_check
from policybook.model.book import Book
from policybook.source import NOWHERE, Source
from policybook.store.reload import book_files, make_edition
from policybook.store.versions import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """One file as read; `book` is None when it has errors."""

    path: Path
    book: Book | None
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBooks:
    """What was found in the files asked for."""

    files: tuple[ReadFile, ...]
    report: Report
    sources: dict[str, Source]

    @property
    def books(self) -> dict[str, Book]:
        return {f.book.name: f.book for f in self.files if f.book}


def now() -> datetime:
    """Return the instant; the one clock of the command line."""
    return datetime.now(UTC)


def read_books(paths: Sequence[Path], *, compiled: bool = False) -> ReadBooks:
    """Read and check every book; all findings of all books.

    Args:
        paths: books and folders of books
        compiled: also build the tables for the engine and compare it with a plain reading, as the service does at its start
    """
    files: list[ReadFile] = []
    sources: dict[str, Source] = {}
    extra: list[Finding] = []
    first: dict[str, Path] = {}
    for path in book_files(paths):
        book, report, source = read_book(path)
        sources[source.name] = source
        if book is not None and compiled:
            program = Program.of(book)
            report += program.check()
            if report.ok:
                report += self_check(book, program).report
            book = book if report.ok else None
        files.append(ReadFile(path=path, book=book, report=report))
        if book is not None and (other := first.setdefault(book.name, path)) != path:
            message = f"{path}: the policy `{book.name}` is also in {other}"
            extra.append(
                Finding(code=Code.DUPLICATE_NAME, severity=Severity.ERROR, message=message, span=NOWHERE, help="keep one of the two")
            )
    report = Report.of([*(f for r in files for f in r.report), *extra])
    return ReadBooks(files=tuple(files), report=report, sources=sources)


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
        store.publish(make_edition(book, now()))
    return Desk(store, now=now, new_id=lambda: uuid.uuid4().hex)

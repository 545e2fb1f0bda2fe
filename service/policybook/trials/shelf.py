"""Books for test tables that are run one case at a time, each book read and compiled once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from policybook.desk import Desk
from policybook.diagnostics import Report
from policybook.store.reload import Loaded, book_files, make_edition, read_books
from policybook.store.versions import Store
from policybook.trials.case import Case
from policybook.trials.read import read_table
from policybook.trials.run import Ask, Result, asker, run_case

Where = tuple[Path, ...]
"""Books or folders of books."""


class Shelf:
    """Reads and compiles what is asked for, when it is first asked for.

    Args:
        now, new_id: as of a Desk
    """

    def __init__(self, *, now: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._now = now
        self._new_id = new_id
        self._loaded: dict[Where, Loaded] = {}
        self._asks: dict[tuple[Where, str], Ask] = {}

    def table(self, path: Path, where: Where) -> tuple[tuple[Case, ...], str]:
        """Return the cases of a table, and all that is wrong with it or with its book, as one text."""
        loaded = self._books(where)
        books = {b.name: b for b in loaded.books}
        read = read_table(path, books, known_bad={p.stem for p in book_files(where)} - books.keys())
        faults = Report(read.report.errors)
        if read.cases is None and read.report.ok:
            # The table was passed over: its book has errors.
            faults = Report(loaded.report.errors)
        sources = {**loaded.sources, **({read.source.name: read.source} if read.source else {})}
        return (read.cases.cases if read.cases else ()), faults.render(sources)

    def run(self, case: Case, where: Where) -> Result:
        """Run one case.

        Raises:
            PolicybookError: its book cannot be compiled
        """
        book = next(b for b in self._books(where).books if b.name == case.policy)
        key = (where, book.name)
        if key not in self._asks:
            store = Store()
            store.publish(make_edition(book, self._now()))
            self._asks[key] = asker(Desk(store, now=self._now, new_id=self._new_id))
        return run_case(case, self._asks[key], book)

    def _books(self, where: Where) -> Loaded:
        if where not in self._loaded:
            self._loaded[where] = read_books(where)
        return self._loaded[where]

"""A version made again from texts that were kept, years later perhaps."""

from __future__ import annotations

from datetime import datetime

from policybook.check.book import check_source
from policybook.errors import BookError
from policybook.load.calendar import CALENDAR_FILE, load_calendar
from policybook.load.clauses import CLAUSE_FILE, load_clauses
from policybook.model.clauses import Beside
from policybook.source import Source
from policybook.store.reload import make_edition
from policybook.store.versions import Edition


def edition_of(file: str, source: str, *, calendar: str, clauses: str, clauses_lock: str, now: datetime) -> Edition:
    """Check and compile a book that was in service once; its invariants were proved then.

    Args:
        file: its name; the others are texts, empty for what was not there
    Raises:
        BookError: this policybook does not take the text
        EngineError: engine and reference differ
    """
    days, report = load_calendar(Source(CALENDAR_FILE, calendar)) if calendar else (None, None)
    if report is not None and not report.ok:
        raise BookError(report, CALENDAR_FILE)
    index, report = load_clauses(Source(CLAUSE_FILE, clauses), clauses_lock) if clauses else (None, None)
    if report is not None and not report.ok:
        raise BookError(report, CLAUSE_FILE)
    book, found = check_source(Source(file, source), Beside(days, index))
    if book is None:
        raise BookError(found, file)
    return make_edition(book, now, proved=False)

"""Opening a log by what names it: a file, or the URL of a database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from policybook.audit.backend import Backend
from policybook.audit.proof import WholeReader
from policybook.audit.settings import LogSettings
from policybook.audit.sqlite import SqliteBackend, SqliteReader
from policybook.audit.target import is_url
from policybook.audit.writer import WrittenLog


def open_log(settings: LogSettings, *, now: Callable[[], datetime]) -> WrittenLog:
    """Open a log to write to; make it where there is none.

    Raises:
        LogError: it cannot be opened, is no log, is of another format, or its last record was changed
    """
    backend = open_backend(settings.target)
    try:
        return WrittenLog(backend, settings, now=now)
    except BaseException:
        backend.close()
        raise


def open_backend(target: str) -> Backend:
    """Open what keeps the records; raises as `open_log` does."""
    if is_url(target):
        from policybook.audit.postgres import PostgresBackend  # noqa: PLC0415 - an extra

        return PostgresBackend(target)
    return SqliteBackend(Path(target))


def open_reader(target: str) -> WholeReader:
    """Open a log to read.

    Raises:
        LogError: there is none, it cannot be opened, is no log, or is of another format
    """
    if is_url(target):
        from policybook.audit.postgres import PostgresReader  # noqa: PLC0415 - an extra

        return PostgresReader(target)
    return SqliteReader(Path(target))

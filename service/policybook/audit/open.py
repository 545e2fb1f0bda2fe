"""Opening a log by what names it: a file, or the URL of a database."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from policybook.audit.backend import Backend
from policybook.audit.proof import WholeReader
from policybook.audit.settings import LogSettings
from policybook.audit.sqlite import SqliteBackend, SqliteReader
from policybook.audit.writer import WrittenLog
from policybook.errors import LogError

_URL = re.compile(r"postgres(ql)?://")
_OTHER_URL = re.compile(r"[a-z][a-z0-9+.-]+://")


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


def is_url(target: str) -> bool:
    """Whether a log is in a database.

    Raises:
        LogError: it is the URL of something else
    """
    if _URL.match(target):
        return True
    if _OTHER_URL.match(target):
        raise LogError(f"the decision log {target.partition(':')[0]}://...: a log is a file, or a database `postgresql://user@host/name`")
    return False


def without_password(text: str) -> str:
    """Return a text in which no URL has its password."""
    return re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", text)

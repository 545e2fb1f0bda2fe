"""The log as one SQLite file: its tables, how it is opened, and what else a file of that name may be."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from policybook.audit.chain import hash_of_record
from policybook.audit.entry import COLUMNS, Record
from policybook.errors import LogError

FORMAT = 1
# "PLog", by which a log is told from any other SQLite file.
APPLICATION = 0x504C6F67
_BUSY_MS = 10_000
_NEEDED = (3, 37, 0)

_TABLES = (
    f"""CREATE TABLE record (seq INTEGER PRIMARY KEY, {", ".join(f"{c} TEXT NOT NULL" for c in COLUMNS[1:-3])},
    elapsed_ns INTEGER NOT NULL, more TEXT NOT NULL, previous BLOB NOT NULL, hash BLOB NOT NULL) STRICT""",
    "CREATE INDEX record_decision_id ON record (decision_id) WHERE decision_id <> ''",
    "CREATE INDEX record_time ON record (time)",
    "CREATE INDEX record_decision ON record (decision, time) WHERE decision <> ''",
    # One decision for one request id of a caller, whoever writes: the promise to callers rests on it.
    "CREATE UNIQUE INDEX record_request ON record (request_id, caller) WHERE request_id <> '' AND purpose = 'decision'",
    # What is no decision is few and asked for by its kind.
    "CREATE INDEX record_other ON record (kind, seq) WHERE kind <> 'decision'",
    "CREATE TABLE text (digest TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE book (version TEXT NOT NULL, policy TEXT NOT NULL, file TEXT NOT NULL, source TEXT NOT NULL, calendar TEXT NOT NULL,
    clauses TEXT NOT NULL, clauses_lock TEXT NOT NULL, PRIMARY KEY (version, clauses, calendar, clauses_lock)) STRICT""",
)
assert COLUMNS[-3:] == ("elapsed_ns", "more", "previous")

SELECT = f"SELECT {', '.join(COLUMNS)}, hash FROM record"  # noqa: S608 - names of our own


def record_of(row: tuple[object, ...]) -> Record:
    """Make a record of a row of SELECT."""
    return Record(**dict(zip((*COLUMNS, "hash"), row, strict=True)))  # type: ignore[arg-type]  # the table is STRICT


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite says into a LogError in words for an operator."""
    try:
        yield
    except sqlite3.Error as e:
        raise LogError(f"the decision log {path}: {_words(e)}") from e
    except OSError as e:
        raise LogError(f"the decision log {path}: {(e.strerror or str(e)).lower()}") from e


def _words(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    match name:
        case "SQLITE_FULL":
            return "the disk is full"
        case "SQLITE_NOTADB":
            return "it is no decision log, and no SQLite file at all"
        case "SQLITE_READONLY" | "SQLITE_READONLY_DIRECTORY":
            return "it cannot be written to; the service needs to write to the file and to its folder"
        case "SQLITE_CANTOPEN":
            return "it cannot be opened"
        case str() if name.startswith("SQLITE_CORRUPT"):
            return f"the file is damaged ({error})"
        case str() if name.startswith("SQLITE_IOERR"):
            return f"the disk refuses to read or write ({name})"
    return str(error)


def open_writer(path: Path) -> sqlite3.Connection:
    """Open a log to write to; make it where there is none.

    Raises:
        LogError: it cannot be opened, is no log, is of another format, or its last record was changed
    """
    _check_sqlite()
    if not path.parent.is_dir():
        raise LogError(f"the decision log {path}: there is no folder {path.parent}")
    with told(path):
        # Facts of customers: for the service's own user alone, whatever the umask. SQLite gives its side files the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        with told(path):
            connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            if _write_ahead(connection) != "wal":
                raise LogError(f"the decision log {path}: this file system cannot hold it (no shared memory); put it on a local disk")
            # Each commit is on the disk before it returns: what is recorded outlives a loss of power.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 67108864")
            connection.execute("BEGIN IMMEDIATE")
            if _is_new(connection):
                _make(connection)
            connection.execute("COMMIT")
            _check_format(connection, path)
            _check_head(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection) -> str:
    """Change a file to write-ahead logging; return how it is kept now.

    SQLite does not wait for another process that is doing the same, whatever the timeout.
    """
    end = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            mode: str = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as e:
            if e.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return mode


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a log to read.

    Raises:
        LogError: there is none, it cannot be opened, is no log, or is of another format
    """
    _check_sqlite()
    if not path.is_file():
        raise LogError(f"there is no decision log {path}")
    with told(path):
        connection = _open_to_read(path)
    try:
        with told(path):
            _check_format(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _open_to_read(path: Path) -> sqlite3.Connection:
    where = path.resolve().as_uri()
    connection = sqlite3.connect(f"{where}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    try:
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as e:
        connection.close()
        # A copy in a folder that cannot be written to: SQLite cannot make its side files there, and needs none for a file that rests.
        if getattr(e, "sqlite_errorname", "") != "SQLITE_CANTOPEN" or Path(f"{path}-wal").exists():
            raise
        connection = sqlite3.connect(f"{where}?mode=ro&immutable=1", uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _check_sqlite() -> None:
    if sqlite3.sqlite_version_info < _NEEDED:
        raise LogError(f"a decision log needs SQLite {'.'.join(map(str, _NEEDED))} or newer; this Python has {sqlite3.sqlite_version}")


def _is_new(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0 and not _pragma(connection, "application_id")


def _make(connection: sqlite3.Connection) -> None:
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _check_format(connection: sqlite3.Connection, path: Path) -> None:
    if _pragma(connection, "application_id") != APPLICATION:
        raise LogError(f"the decision log {path}: it is an SQLite file, but no decision log")
    found = _pragma(connection, "user_version")
    if found != FORMAT:
        made_by = "a newer" if found > FORMAT else "an older"
        raise LogError(f"the decision log {path}: it has format {found}, of {made_by} policybook; this one knows format {FORMAT}")


def _check_head(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse to go on after a last record that does not fit: what was wrong before must not look as if it came later."""
    row = connection.execute(f"{SELECT} ORDER BY seq DESC LIMIT 1").fetchone()
    if row is not None and hash_of_record(record_of(row)) != row[-1]:
        raise LogError(
            f"the decision log {path}: its last record, {row[0]}, was changed; look at it with `policybook audit verify --log {path}`, "
            "and move the file away to begin a new one"
        )

"""The log as one SQLite file: its tables, how it is opened, what else a file of that name may be, how it is written to and read.

A commit is on the disk when it returns (`synchronous = FULL`). Several processes may write to one file: SQLite lets one transaction in at a time.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from policybook.audit.books import KeptBook
from policybook.audit.chain import hash_of_record
from policybook.audit.entry import COLUMNS, Record, Values
from policybook.audit.reading import SELECT, SqlReader, record_of
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


# ---------------------------------------------------------------- writing

_WIDTH = len(COLUMNS) + 1
_NOTHING = [None] * _WIDTH
# LIMIT: SQLite takes 32,766 values a statement.
MAX_ROWS = 1_024


def _insert(size: int) -> str:
    places = ", ".join([f"({', '.join('?' * _WIDTH)})"] * size)
    return f"INSERT INTO record ({', '.join(COLUMNS)}, hash) SELECT * FROM (VALUES {places}) WHERE column1 IS NOT NULL"  # noqa: S608


# By the power of two that there are at most rows of: few statements, which SQLite then knows; what is over is filled with nothing.
_INSERTS = {size: _insert(size) for size in (2**n for n in range(11))}


class SqliteBackend:
    """One file.

    Raises:
        LogError: it cannot be opened, is no log, is of another format, or its last record was changed
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = str(path)
        self._connection = open_writer(path)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        """Do what the block does as one."""
        connection = self._connection
        with told(self.path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield SqliteTransaction(connection)
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def reader(self) -> SqliteReader:
        """Return a reader of its own."""
        return SqliteReader(self.path)

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()


class SqliteTransaction:
    """What is done as one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask."""
        return self._connection.execute(query, values).fetchall()

    def change(self, query: str, *values: object) -> int:
        """Change, and return how many rows."""
        return self._connection.execute(query, values).rowcount

    def insert(self, rows: Sequence[Values]) -> None:
        """Insert records."""
        # LIMIT: every statement lets go of the interpreter's lock and gets it back a thread switch later, a millisecond beside a busy
        # loop; so one statement carries all.
        for start in range(0, len(rows), MAX_ROWS):
            piece = rows[start : start + MAX_ROWS]
            size = 1 << (len(piece) - 1).bit_length()
            values = [value for row in piece for value in row]
            self._connection.execute(_INSERTS[size], values + _NOTHING * (size - len(piece)))

    def keep(self, book: KeptBook) -> None:
        """Keep the texts of a book."""
        digests = book.digests
        for role, text in book.texts.items():
            if text:
                self._connection.execute("INSERT OR IGNORE INTO text VALUES (?, ?)", (digests[role], text))
        columns = (book.version, book.policy, book.file, *digests.values())
        self._connection.execute("INSERT OR IGNORE INTO book VALUES (?, ?, ?, ?, ?, ?, ?)", columns)

    def written(self, ids: Sequence[str]) -> frozenset[str]:
        """Return which of the decisions are in the log."""
        marks = ", ".join("?" * len(ids))
        query = f"SELECT decision_id FROM record WHERE decision_id <> '' AND decision_id IN ({marks})"  # noqa: S608 - marks for values
        return frozenset(str(row[0]) for row in self.rows(query, *ids))

    def known(self, asked: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Record]:
        """Return the decisions that pairs of request id and caller stand for."""
        # One statement for all: see `insert`.
        query = (
            f"WITH asked (r, c) AS (VALUES {', '.join(['(?, ?)'] * len(asked))}) {SELECT.replace('FROM record', 'FROM asked CROSS JOIN record')}"
            " ON request_id = r AND caller = c AND request_id <> '' AND purpose = 'decision'"
        )
        found = map(record_of, self.rows(query, *(text for pair in asked for text in pair)))
        return {(r.request_id, r.caller): r for r in found}


# ---------------------------------------------------------------- reading


class SqliteReader(SqlReader):
    """Reads a log file, beside whoever writes to it. Use it from any thread; `close` it.

    Raises:
        LogError: there is none, or it cannot be read; so does every method
    """

    book_order = "rowid"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = str(path)
        self._connection = open_reader(path)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask."""
        with self._lock, told(self.path):
            return self._connection.execute(query, values).fetchall()

    def integrity(self) -> str:
        """Let SQLite look at the file itself; return what it finds first, nothing when all is well."""
        try:
            found = str(self.rows("PRAGMA integrity_check(1)")[0][0])
        except LogError as e:
            return str(e)
        return "" if found == "ok" else found

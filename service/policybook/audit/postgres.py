"""The log in a PostgreSQL database, which several servers may write to.

All append to one chain: a transaction takes an advisory lock, reads the head, appends, and lets go of the lock with its commit. What is asked
and how is otherwise as in a file; times and facts are the same texts, so that a record has the same hash wherever it is.

A commit is as durable as the server is set up to make it (`synchronous_commit`; on is PostgreSQL's default). No statement waits for
ever: a database that does not answer within some seconds counts as one that is not there.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, LiteralString, TypeVar
from urllib.parse import urlsplit, urlunsplit

from policybook.audit.books import KeptBook
from policybook.audit.chain import hash_of_record
from policybook.audit.entry import COLUMNS, Record, Values
from policybook.audit.reading import SELECT, SqlReader, record_of
from policybook.errors import LogError

try:
    import psycopg
except ImportError:
    raise LogError(
        "a decision log in PostgreSQL needs psycopg, which is not installed: `pip install 'policybook[postgres]'`; a file does without"
    ) from None

log = logging.getLogger("policybook.audit")
T = TypeVar("T")

FORMAT = 1
SCHEMA = "policybook"
# "PLog": the key of the lock that who appends to the chain holds.
_LOCK = 0x504C6F67
_CONNECT_S = 5
_STATEMENT_MS = 10_000
_OPTIONS = (
    f"-c search_path={SCHEMA} -c statement_timeout={_STATEMENT_MS} -c lock_timeout={_STATEMENT_MS}"
    # A service that hangs must not keep the others from the chain.
    f" -c idle_in_transaction_session_timeout={2 * _STATEMENT_MS} -c timezone=UTC"
)

# Texts are compared sign by sign, as in a file: times and names of decisions are looked for by range.
_TEXT = 'text COLLATE "C" NOT NULL'
_TABLES = (
    f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
    f"""CREATE TABLE {SCHEMA}.record (seq bigint PRIMARY KEY, {", ".join(f"{c} {_TEXT}" for c in COLUMNS[1:-3])},
    elapsed_ns bigint NOT NULL, more {_TEXT}, previous bytea NOT NULL, hash bytea NOT NULL)""",
    f"CREATE INDEX record_decision_id ON {SCHEMA}.record (decision_id) WHERE decision_id <> ''",
    f"CREATE INDEX record_time ON {SCHEMA}.record (time)",
    f"CREATE INDEX record_decision ON {SCHEMA}.record (decision, time) WHERE decision <> ''",
    f"CREATE UNIQUE INDEX record_request ON {SCHEMA}.record (request_id, caller) WHERE request_id <> '' AND purpose = 'decision'",
    f"CREATE INDEX record_other ON {SCHEMA}.record (kind, seq) WHERE kind <> 'decision'",
    f"CREATE TABLE {SCHEMA}.text (digest {_TEXT} PRIMARY KEY, text {_TEXT})",
    f"""CREATE TABLE {SCHEMA}.book (version {_TEXT}, policy {_TEXT}, file {_TEXT}, source {_TEXT}, calendar {_TEXT}, clauses {_TEXT},
    clauses_lock {_TEXT}, place bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (version, clauses, calendar, clauses_lock))""",
    f"CREATE TABLE {SCHEMA}.format (number integer NOT NULL)",
    f"INSERT INTO {SCHEMA}.format VALUES ({FORMAT})",  # noqa: S608 - names of our own
)
_COPY = f"COPY record ({', '.join(COLUMNS)}, hash) FROM STDIN"


def place_of(url: str) -> str:
    """Return a URL without its password and what else only the connection needs."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit((parts.scheme, f"{user.partition(':')[0]}{at}{host}", parts.path, "", ""))


@contextlib.contextmanager
def told(where: str) -> Iterator[None]:
    """Turn what PostgreSQL says into a LogError in words for an operator."""
    try:
        yield
    except psycopg.Error as e:
        raise LogError(f"the decision log {where}: {_words(e)}") from e


def _words(error: psycopg.Error) -> str:
    match error:
        case psycopg.errors.QueryCanceled() | psycopg.errors.LockNotAvailable():
            return f"the database did not answer within {_STATEMENT_MS // 1000} s"
        case psycopg.errors.InsufficientPrivilege():
            return f"its role may not do that ({error.diag.message_primary}); docs/operations.md says what it needs"
        case psycopg.errors.DiskFull():
            return "the disk of the database is full"
        case psycopg.OperationalError() if not error.sqlstate:
            # Its first line says what; a password is in none.
            first = next((line for line in str(error).splitlines() if line.strip()), "no answer")
            return f"the database cannot be reached ({first.strip()})"
    return str(error.diag.message_primary or error).strip()


def _connect(url: str, where: str) -> psycopg.Connection[tuple[Any, ...]]:
    with told(where):
        try:
            return psycopg.connect(
                url,
                connect_timeout=_CONNECT_S,
                options=_OPTIONS,
                autocommit=True,
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=3,
                tcp_user_timeout=2 * _STATEMENT_MS,
                application_name="policybook",
            )
        except (psycopg.ProgrammingError, ValueError) as e:
            raise LogError(f"the decision log {where}: this is no URL of a database: postgresql://user@host:5432/name") from e


class _Session:
    """A connection that is made anew when it is gone."""

    def __init__(self, url: str) -> None:
        self.where = place_of(url)
        self._url = url
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def connection(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Return it, open.

        Raises:
            LogError: there is no database to be reached
        """
        if self._connection is None or self._connection.closed:
            self._connection = _connect(self._url, self.where)
        return self._connection

    def drop(self) -> None:
        """Let go of a connection after a fault: what state it is in nobody knows."""
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None


class PostgresBackend:
    """One database, and in it the schema `policybook`, which is made where there is none.

    Args:
        url: `postgresql://user@host:5432/name`; what it leaves out is taken from PGPASSWORD, ~/.pgpass and the like
    Raises:
        LogError: it cannot be reached, has another format, or its last record was changed
    """

    def __init__(self, url: str) -> None:
        self._session = _Session(url)
        self.where = self._session.where
        self._url = url
        try:
            with self.transaction() as at_once:
                if not _exists(at_once):
                    for statement in _TABLES:
                        at_once.change(statement)
            with told(self.where):
                _check(self._session.connection(), self.where)
        except BaseException:
            self.close()
            raise

    def kept(self) -> set[tuple[str, ...]]:
        """Return version, calendar, clauses and clauses_lock of all books that are kept."""
        with told(self.where):
            return set(self._session.connection().execute("SELECT version, calendar, clauses, clauses_lock FROM book").fetchall())

    @contextlib.contextmanager
    def transaction(self) -> Iterator[PostgresTransaction]:
        """Do what the block does as one, while no other server appends."""
        connection = self._session.connection()
        try:
            with told(self.where), connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                yield PostgresTransaction(connection)
        except BaseException:
            self._session.drop()
            raise

    def reader(self) -> PostgresReader:
        """Return a reader of its own."""
        return PostgresReader(self._url)

    def close(self) -> None:
        """Close the connection."""
        self._session.drop()


def _exists(at_once: PostgresTransaction) -> bool:
    return bool(at_once.rows("SELECT to_regclass(?) IS NOT NULL", f"{SCHEMA}.format")[0][0])


def _check(connection: psycopg.Connection[tuple[Any, ...]], where: str) -> None:
    """Refuse a log of another format, and to go on after a last record that does not fit."""
    if not connection.execute("SELECT to_regclass(%s) IS NOT NULL", (f"{SCHEMA}.format",)).fetchall()[0][0]:
        raise LogError(f"the decision log {where}: there is none in this database (no schema `{SCHEMA}`)")
    found = connection.execute("SELECT number FROM format").fetchall()[0][0]
    if found != FORMAT:
        made_by = "a newer" if found > FORMAT else "an older"
        raise LogError(f"the decision log {where}: it has format {found}, of {made_by} policybook; this one knows format {FORMAT}")
    row = connection.execute(_own(f"{SELECT} ORDER BY seq DESC LIMIT 1")).fetchone()
    if row is not None and hash_of_record(record_of(row)) != row[-1]:
        raise LogError(
            f"the decision log {where}: its last record, {row[0]}, was changed; look at it with `policybook audit verify`, and use another "
            "database to begin a new one"
        )


def _own(query: str) -> LiteralString:
    """Write a query of ours for psycopg: there is no text of anybody else in it."""
    return query.replace("%", "%%").replace("?", "%s")


class PostgresTransaction:
    """What is done as one."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask."""
        return self._connection.execute(_own(query), values).fetchall()

    def change(self, query: str, *values: object) -> int:
        """Change, and return how many rows."""
        return self._connection.execute(_own(query), values).rowcount

    def insert(self, rows: Sequence[Values]) -> None:
        """Insert records."""
        with self._connection.cursor() as cursor, cursor.copy(_own(_COPY)) as copy:
            for row in rows:
                copy.write_row(row)

    def keep(self, book: KeptBook) -> None:
        """Keep the texts of a book."""
        digests = book.digests
        for role, text in book.texts.items():
            if text:
                self.change("INSERT INTO text VALUES (?, ?) ON CONFLICT DO NOTHING", digests[role], text)
        columns = (book.version, book.policy, book.file, *digests.values())
        self.change("INSERT INTO book VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", *columns)

    def written(self, ids: Sequence[str]) -> frozenset[str]:
        """Return which of the decisions are in the log."""
        found = self.rows("SELECT decision_id FROM record WHERE decision_id <> '' AND decision_id = ANY(?)", list(ids))
        return frozenset(row[0] for row in found)

    def known(self, asked: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Record]:
        """Return the decisions that pairs of request id and caller stand for."""
        query = f"{SELECT} JOIN unnest(?::text[], ?::text[]) AS asked (r, c) ON request_id = r AND caller = c"
        query += " WHERE request_id <> '' AND purpose = 'decision'"
        found = map(record_of, self.rows(query, [r for r, _ in asked], [c for _, c in asked]))
        return {(r.request_id, r.caller): r for r in found}


class PostgresReader(SqlReader):
    """Reads a log in a database, beside whoever writes to it. Use it from any thread; `close` it.

    Raises:
        LogError: there is none, or it cannot be read; so does every method
    """

    book_order = "place"

    def __init__(self, url: str) -> None:
        self._session = _Session(url)
        self.where = self._session.where
        self._lock = threading.Lock()
        try:
            self._asked(lambda connection: _check(connection, self.where))
        except BaseException:
            self.close()
            raise

    def _asked(self, ask: Callable[[psycopg.Connection[tuple[Any, ...]]], T]) -> T:
        """Ask, and once more over a new connection when the database was restarted since."""
        with self._lock, told(self.where):
            try:
                return ask(self._session.connection())
            except psycopg.OperationalError:
                self._session.drop()
                return ask(self._session.connection())

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask."""
        return self._asked(lambda connection: connection.execute(_own(query), values).fetchall())

    def integrity(self) -> str:
        """Have nothing to look at: the database looks after its own files."""
        return ""

    def close(self) -> None:
        """Close the connection."""
        self._session.drop()

"""The log in a PostgreSQL database, which several servers may write to.

All append to one chain: a transaction takes an advisory lock, reads the head, appends, and lets go of the lock with its commit. What is asked
and how is otherwise as in a file; times and facts are the same texts, so that a record has the same hash wherever it is.

A commit is as durable as the server is set up to make it (`synchronous_commit`; on is PostgreSQL's default). No statement waits for
ever: a database that does not answer within some seconds counts as one that is not there.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, LiteralString, TypeVar, cast

from policybook.audit.backend import UnfitError
from policybook.audit.books import KeptBook
from policybook.audit.chain import hash_of_record
from policybook.audit.entry import COLUMNS, Record, Values
from policybook.audit.reading import SELECT, SqlReader, record_of
from policybook.audit.target import FORM, without_password
from policybook.errors import LogError

try:
    import psycopg
except ImportError:
    raise LogError(
        "a decision log in PostgreSQL needs psycopg, which is not installed: `pip install 'policybook[postgres]'`; a file does without"
    ) from None

R = TypeVar("R")

FORMAT = 1
SCHEMA = "policybook"
# "PLog": the key of the lock that who appends to the chain holds.
_LOCK = 0x504C6F67
_CONNECT_S = 5
# For a statement, and for all that is done as one; shorter than the desk waits for a record.
_PATIENCE_S = 8.0
# The server keeps its limit by itself, as a rule.
_GRACE_S = 1.0
# READ COMMITTED whatever the database's default: what comes after the lock must see what was there when it was got.
_BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock({_LOCK})".encode()

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


@contextlib.contextmanager
def told(where: str) -> Iterator[None]:
    """Turn what PostgreSQL says into a LogError in words for an operator."""
    try:
        yield
    except psycopg.Error as e:
        raise LogError(f"the decision log {where}: {_words(e)}") from e


def _words(error: psycopg.Error) -> str:
    match error:
        case psycopg.errors.QueryCanceled() | psycopg.errors.LockNotAvailable() | _SilentError():
            return f"the database did not answer within {_PATIENCE_S:g} s"
        case psycopg.errors.InsufficientPrivilege():
            return f"its role may not do that ({error.diag.message_primary}); docs/operations.md says what it needs"
        case psycopg.errors.DiskFull():
            return "the disk of the database is full"
        case psycopg.OperationalError() if not error.sqlstate:
            # Its first line says what; a password is in none.
            first = next((line for line in str(error).splitlines() if line.strip()), "no answer")
            return f"the database cannot be reached ({first.strip()})"
    return str(error.diag.message_primary or error).strip()


class _SilentError(psycopg.OperationalError):
    """There was no answer in time."""


class _Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection on which nobody waits for ever: a server that hangs does not keep its own limits.

    Attributes:
        until: until when answers are waited for, on the monotonic clock; None: as long as it takes
    """

    until: float | None = None

    def wait(self, gen: Generator[Any, Any, R], *args: Any, **options: Any) -> R:
        return super().wait(self._in_time(gen), *args, **options)

    def _in_time(self, gen: Generator[Any, Any, R]) -> Generator[Any, Any, R]:
        """Pass on what a generator waits for; it is resumed ten times a second at least."""
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if self.until is not None and not ready and time.monotonic() > self.until:
                    # Closed at once: what is still on its way would be taken for the answer to the next question.
                    self.pgconn.finish()
                    raise _SilentError
                wanted = gen.send(ready)
        except StopIteration as e:
            return cast("R", e.value)


class _Session:
    """A connection that is made anew when it is gone.

    Args:
        patience_s: for the server, how long a statement may take; 0: as long as it likes
    """

    def __init__(self, url: str, patience_s: float) -> None:
        self.where = without_password(url)
        self._url = url
        self._patience_s = patience_s
        self._connection: _Connection | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None and not self._connection.closed

    def connection(self) -> _Connection:
        """Return it, open, with the limits for what is asked now.

        Raises:
            LogError: there is no database to be reached
        """
        if self._connection is None or self._connection.closed:
            with told(self.where):
                self._connection = self._connect()
        self._connection.until = time.monotonic() + self._patience_s + _GRACE_S if self._patience_s else None
        return self._connection

    def _connect(self) -> _Connection:
        try:
            made = _Connection.connect(
                self._url,
                connect_timeout=_CONNECT_S,
                autocommit=True,
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=3,
                tcp_user_timeout=int(2000 * _PATIENCE_S),
                application_name="policybook",
            )
        except psycopg.ProgrammingError:
            raise LogError(f"the decision log {self.where}: this is no URL of a database: `{FORM}`") from None
        made.until = time.monotonic() + _PATIENCE_S
        limit = int(1000 * self._patience_s)
        # A service that hangs must not keep the others from the chain.
        idle = int(2000 * _PATIENCE_S)
        made.execute(
            f"SET search_path = {SCHEMA}; SET timezone = 'UTC'; SET statement_timeout = {limit}; SET lock_timeout = {limit}; "
            f"SET idle_in_transaction_session_timeout = {idle}".encode()
        )
        return made

    def is_lost(self, error: psycopg.Error) -> bool:
        """Whether a connection ended, so that another one may do better: the server was restarted."""
        ended = (error.sqlstate or "").startswith("57P") or (self._connection is not None and self._connection.broken)
        return ended and not isinstance(error, _SilentError)

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
        self._session = _Session(url, _PATIENCE_S)
        self.where = self._session.where
        self._url = url
        try:
            with self.transaction() as at_once:
                if not _exists(at_once):
                    for statement in _TABLES:
                        at_once.change(statement)
                _check(at_once, self.where)
                _check_head(at_once, self.where)
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def transaction(self) -> Iterator[PostgresTransaction]:
        """Do what the block does as one, while no other server appends."""
        connection = self._locked()
        try:
            with told(self.where):
                yield PostgresTransaction(connection)
                connection.execute("COMMIT")
        except BaseException:
            self._session.drop()
            raise

    def _locked(self) -> _Connection:
        """Begin, when nobody else appends any more.

        A connection that ended since it was last used is made anew: nothing was done over it yet.
        """
        session = self._session
        was_open = session.is_open
        try:
            with told(self.where):
                try:
                    session.connection().execute(_BEGIN)
                except psycopg.Error as e:
                    if not was_open or not session.is_lost(e):
                        raise
                    session.drop()
                    session.connection().execute(_BEGIN)
        except BaseException:
            session.drop()
            raise
        return session.connection()

    def reader(self) -> PostgresReader:
        """Return a reader of its own, which gives up as early as the writer."""
        return PostgresReader(self._url, _PATIENCE_S)

    def close(self) -> None:
        """Close the connection."""
        self._session.drop()


def _exists(at_once: PostgresTransaction) -> bool:
    return bool(at_once.rows("SELECT to_regclass(?) IS NOT NULL", f"{SCHEMA}.format")[0][0])


def _check(at_once: PostgresTransaction, where: str) -> None:
    """Refuse what is no log, or one of another format."""
    if not _exists(at_once):
        raise LogError(f"the decision log {where}: there is none in this database (no schema `{SCHEMA}`)")
    found = at_once.rows("SELECT number FROM format")[0][0]
    if found != FORMAT:
        made_by = "a newer" if found > FORMAT else "an older"
        raise LogError(f"the decision log {where}: it has format {found}, of {made_by} policybook; this one knows format {FORMAT}")


def _check_head(at_once: PostgresTransaction, where: str) -> None:
    """Refuse to go on after a last record that does not fit: what was wrong before must not look as if it came later."""
    rows = at_once.rows(f"{SELECT} ORDER BY seq DESC LIMIT 1")
    if rows and hash_of_record(record_of(rows[0])) != rows[0][-1]:
        raise LogError(
            f"the decision log {where}: its last record, {rows[0][0]}, was changed; look at it with `policybook audit verify --log {where}`, "
            "and use another database to begin a new one"
        )


def _own(query: str) -> LiteralString:
    """Write a query of ours for psycopg: there is no text of anybody else in it."""
    return query.replace("%", "%%").replace("?", "%s")


class PostgresTransaction:
    """What is done as one."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask."""
        return self._connection.execute(_own(query), values).fetchall()

    def change(self, query: str, *values: object) -> int:
        """Change, and return how many rows."""
        return self._connection.execute(_own(query), values).rowcount

    def insert(self, rows: Sequence[Values]) -> None:
        """Insert records."""
        try:
            with self._connection.cursor() as cursor, cursor.copy(_own(_COPY)) as copy:
                for row in rows:
                    copy.write_row(row)
        except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded) as e:
            raise UnfitError(f"the database does not take it: {_words(e)}") from e

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

    Args:
        patience_s: how long an answer may take; 0: as long as it takes, as for whoever looks through millions
    Raises:
        LogError: there is none, or it cannot be read; so does every method
    """

    book_order = "place"

    def __init__(self, url: str, patience_s: float = 0) -> None:
        self._session = _Session(url, patience_s)
        self.where = self._session.where
        self._lock = threading.Lock()
        self._patience_s = patience_s or -1
        try:
            self._asked(lambda connection: _check(PostgresTransaction(connection), self.where))
        except BaseException:
            self.close()
            raise

    def _asked(self, ask: Callable[[_Connection], R]) -> R:
        """Ask, and once more over a new connection when the database was restarted since."""
        if not self._lock.acquire(timeout=self._patience_s):
            raise LogError(f"the decision log {self.where}: the database did not answer within {self._patience_s:g} s")
        try:
            with told(self.where):
                try:
                    return ask(self._session.connection())
                except psycopg.Error as e:
                    is_lost = self._session.is_lost(e)
                    self._session.drop()
                    if not is_lost:
                        raise
                    return ask(self._session.connection())
        finally:
            self._lock.release()

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask."""
        return self._asked(lambda connection: connection.execute(_own(query), values).fetchall())

    def integrity(self) -> str:
        """Have nothing to look at: the database looks after its own files."""
        return ""

    def close(self) -> None:
        """Close the connection."""
        self._session.drop()

"""Reading a log: one decision, decisions by filter, the whole chain, the texts of books."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from policybook.audit.books import KeptBook
from policybook.audit.chain import Anchor
from policybook.audit.entry import Record
from policybook.audit.file import SELECT, open_reader, record_of, told
from policybook.audit.log import Filter, Place
from policybook.errors import LogError

_CHAIN_PAGE = 1_000


class SqliteReader:
    """Reads a log file, beside whoever writes to it. Use it from any thread; `close` it.

    Raises:
        LogError: there is none, or it cannot be read; so does every method
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = open_reader(path)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with self._lock, told(self.path):
            return self._connection.execute(query, values).fetchall()

    def _one(self, query: str, *values: object) -> Record | None:
        rows = self._rows(f"{query} LIMIT 1", *values)
        return record_of(rows[0]) if rows else None

    def get(self, decision_id: str) -> Record | None:
        """Return the record of a decision."""
        return self._one(f"{SELECT} WHERE decision_id = ? AND decision_id <> '' ORDER BY seq DESC", decision_id)

    def asked(self, caller: str, request_id: str) -> Record | None:
        """Return the decision that a caller's request id stands for."""
        where = "WHERE request_id = ? AND caller = ? AND request_id <> '' AND purpose = 'decision'"
        return self._one(f"{SELECT} {where}", request_id, caller)

    def find(self, wanted: Filter, limit: int, after: Place | None = None, *, newest_first: bool = False) -> list[Record]:
        """Return a page of decisions in the order of their times."""
        tests, values = _tests(wanted)
        if after is not None:
            tests.append("(time, seq) < (?, ?)" if newest_first else "(time, seq) > (?, ?)")
            values += (after.time, after.seq)
        direction = "DESC" if newest_first else "ASC"
        query = f"{SELECT} WHERE {' AND '.join(tests)} ORDER BY time {direction}, seq {direction} LIMIT ?"
        return [record_of(row) for row in self._rows(query, *values, limit)]

    def count(self, wanted: Filter) -> int:
        """Return how many decisions there are."""
        tests, values = _tests(wanted)
        return int(str(self._rows(f"SELECT count(*) FROM record WHERE {' AND '.join(tests)}", *values)[0][0]))  # noqa: S608 - names of our own

    def columns(self, names: Sequence[str], wanted: Filter, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """Return some columns of decisions by number, a page of at most `size` at a time: of millions, records would be dear."""
        tests, values = _tests(wanted)
        query = f"SELECT seq, {', '.join(names)} FROM record WHERE {' AND '.join([*tests, 'seq > ?'])} ORDER BY seq LIMIT ?"  # noqa: S608 - see above
        last = 0
        while rows := self._rows(query, *values, last, size):
            last = int(str(rows[-1][0]))
            yield [row[1:] for row in rows]

    def chain(self, first: int = 1) -> Iterator[Record]:
        """Return all records by number, page by page, also those that are no decisions."""
        while True:
            rows = self._rows(f"{SELECT} WHERE seq >= ? ORDER BY seq LIMIT {_CHAIN_PAGE}", first)
            for row in rows:
                yield record_of(row)
            if len(rows) < _CHAIN_PAGE:
                return
            first = int(str(rows[-1][0])) + 1

    def last_of(self, kind: str) -> Record | None:
        """Return the last record of a kind that is no decision."""
        return self._one(f"{SELECT} WHERE kind = ? AND kind <> 'decision' ORDER BY seq DESC", kind)

    def head(self) -> Anchor | None:
        """Return the last record's place and hash."""
        last = self._one(f"{SELECT} ORDER BY seq DESC")
        return Anchor(last.seq, last.hash.hex()) if last else None

    def book(self, version: str) -> KeptBook | None:
        """Return the texts of a version; of several that differ in what lay beside it, the first."""
        rows = self._rows(f"{_BOOKS} WHERE version = ? ORDER BY rowid LIMIT 1", version)
        return self._kept(rows[0]) if rows else None

    def books(self) -> Iterator[KeptBook]:
        """Return the texts of all versions, in the order in which they came."""
        for row in self._rows(f"{_BOOKS} ORDER BY rowid"):
            yield self._kept(row)

    def _kept(self, row: tuple[object, ...]) -> KeptBook:
        policy, version, file, *digests = map(str, row)
        named = f"SELECT digest, text FROM text WHERE digest IN ({', '.join('?' * len(digests))})"  # noqa: S608 - marks for values
        texts = {str(digest): str(text) for digest, text in self._rows(named, *digests)}
        missing = [d for d in digests if d and d not in texts]
        if missing:
            raise LogError(f"the decision log {self.path}: a text of `{policy}` version {version[:12]} is missing ({missing[0][:12]})")
        source, calendar, clauses, lock = (texts.get(d, "") for d in digests)
        return KeptBook(policy=policy, version=version, file=file, source=source, calendar=calendar, clauses=clauses, clauses_lock=lock)

    def integrity(self) -> str:
        """Let SQLite look at the file itself; return what it finds first, nothing when all is well."""
        try:
            found = str(self._rows("PRAGMA integrity_check(1)")[0][0])
        except LogError as e:
            return str(e)
        return "" if found == "ok" else found


def _tests(wanted: Filter) -> tuple[list[str], list[object]]:
    """Return what narrows a query to the decisions that are wanted."""
    tests, values = ["kind = 'decision'"], list[object]()

    def test(words: str, *stated: object) -> None:
        tests.append(words)
        values.extend(stated)

    if "." in wanted.decision:
        test("decision = ? AND decision <> ''", wanted.decision)
    elif wanted.decision:
        # `/` comes right after the full stop.
        test("decision >= ? AND decision < ? AND decision <> ''", f"{wanted.decision}.", f"{wanted.decision}/")
    if wanted.request_id:
        test("request_id = ? AND request_id <> ''", wanted.request_id)
    for name in ("outcome", "caller", "purpose"):
        if getattr(wanted, name):
            test(f"{name} = ?", getattr(wanted, name))
    if wanted.version:
        test("substr(version, 1, ?) = ?", len(wanted.version), wanted.version)
    if wanted.since:
        test("time >= ?", wanted.since)
    if wanted.until:
        test("time < ?", wanted.until)
    return tests, values


_BOOKS = "SELECT policy, version, file, source, calendar, clauses, clauses_lock FROM book"

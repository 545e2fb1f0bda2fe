"""Reading a log: one decision, decisions by filter, the whole chain, the texts of books."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from policybook.audit.books import KeptBook
from policybook.audit.chain import Anchor
from policybook.audit.entry import COLUMNS, Record
from policybook.audit.log import Filter, Place
from policybook.errors import LogError

_CHAIN_PAGE = 1_000


SELECT = f"SELECT {', '.join(COLUMNS)}, hash FROM record"  # noqa: S608 - names of our own


def record_of(row: tuple[object, ...]) -> Record:
    """Make a record of a row of SELECT."""
    return Record(**dict(zip((*COLUMNS, "hash"), row, strict=True)))  # type: ignore[arg-type]  # the table is of these types


class SqlReader(ABC):
    """Reads a log wherever it is, in the SQL that all databases share. Every method raises LogError when it cannot be read.

    Attributes:
        where: as a person reads it, without a password
        book_order: the column by which the books come in the order in which they were kept
    """

    where: str
    book_order: ClassVar[str]

    @abstractmethod
    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask; `?` stands for a value."""

    @abstractmethod
    def integrity(self) -> str:
        """Return what is wrong with the file or database itself; nothing when all is well."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""

    def _one(self, query: str, *values: object) -> Record | None:
        rows = self.rows(f"{query} LIMIT 1", *values)
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
        return [record_of(row) for row in self.rows(query, *values, limit)]

    def count(self, wanted: Filter) -> int:
        """Return how many decisions there are."""
        tests, values = _tests(wanted)
        return int(str(self.rows(f"SELECT count(*) FROM record WHERE {' AND '.join(tests)}", *values)[0][0]))  # noqa: S608 - names of our own

    def columns(self, names: Sequence[str], wanted: Filter, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """Return some columns of decisions by number, a page of at most `size` at a time: of millions, records would be dear."""
        tests, values = _tests(wanted)
        query = f"SELECT seq, {', '.join(names)} FROM record WHERE {' AND '.join([*tests, 'seq > ?'])} ORDER BY seq LIMIT ?"  # noqa: S608 - see above
        last = 0
        while rows := self.rows(query, *values, last, size):
            last = int(str(rows[-1][0]))
            yield [row[1:] for row in rows]

    def chain(self, first: int = 1) -> Iterator[Record]:
        """Return all records by number, page by page, also those that are no decisions."""
        while True:
            rows = self.rows(f"{SELECT} WHERE seq >= ? ORDER BY seq LIMIT {_CHAIN_PAGE}", first)
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
        rows = self.rows(f"{_BOOKS} WHERE version = ? ORDER BY {self.book_order} LIMIT 1", version)
        return self._kept(rows[0]) if rows else None

    def books(self) -> Iterator[KeptBook]:
        """Return the texts of all versions, in the order in which they came."""
        for row in self.rows(f"{_BOOKS} ORDER BY {self.book_order}"):
            yield self._kept(row)

    def _kept(self, row: tuple[object, ...]) -> KeptBook:
        policy, version, file, *digests = map(str, row)
        named = f"SELECT digest, text FROM text WHERE digest IN ({', '.join('?' * len(digests))})"  # noqa: S608 - marks for values
        texts = {str(digest): str(text) for digest, text in self.rows(named, *digests)}
        missing = [d for d in digests if d and d not in texts]
        if missing:
            raise LogError(f"the decision log {self.where}: a text of `{policy}` version {version[:12]} is missing ({missing[0][:12]})")
        source, calendar, clauses, lock = (texts.get(d, "") for d in digests)
        return KeptBook(policy=policy, version=version, file=file, source=source, calendar=calendar, clauses=clauses, clauses_lock=lock)


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
    if wanted.policies is not None:
        ranges = [(f"{name}.", f"{name}/") for name in wanted.policies]
        each = " OR ".join(["(decision >= ? AND decision < ?)"] * len(ranges)) or "1 = 0"
        test(f"({each})", *(end for pair in ranges for end in pair))
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

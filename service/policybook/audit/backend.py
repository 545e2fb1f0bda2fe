"""What keeps the records of a log: one file, or a database that several servers write to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from policybook.audit.books import KeptBook
from policybook.audit.chain import GENESIS, Anchor, hash_of
from policybook.audit.entry import Record, Values
from policybook.audit.proof import WholeReader


class UnfitError(Exception):
    """One of the records cannot be kept there, whatever one does; its message says why."""


class Transaction(Protocol):
    """What is done as one, while nobody else appends."""

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask; `?` stands for a value."""
        ...

    def change(self, query: str, *values: object) -> int:
        """Change, and return how many rows."""
        ...

    def insert(self, rows: Sequence[Values]) -> None:
        """Insert records that are numbered, linked and hashed.

        Raises:
            UnfitError: one of them can never be inserted
        """
        ...

    def keep(self, book: KeptBook) -> None:
        """Keep the texts of a book, unless they are kept already."""
        ...

    def written(self, ids: Sequence[str]) -> frozenset[str]:
        """Return which of the decisions are in the log."""
        ...

    def known(self, asked: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Record]:
        """Return the decisions that pairs of request id and caller stand for."""
        ...


class Backend(Protocol):
    """Where the records are. Used by one thread.

    Attributes:
        where: as a person reads it, without a password
    """

    where: str

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Do what the block does as one, or nothing of it.

        Raises:
            LogError: it cannot be done, or nobody knows whether it was
        """
        ...

    def reader(self) -> WholeReader:
        """Return a reader of its own that never waits long; whoever takes it closes it."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def append(to: Transaction, rows: list[Values]) -> Anchor | None:
    """Number, link, hash and insert rows after the last one; return the new head."""
    last = to.rows("SELECT seq, hash FROM record ORDER BY seq DESC LIMIT 1")
    seq, previous = last[0] if last else (0, GENESIS)
    for row in rows:
        seq += 1
        row[0], row[-2] = seq, previous
        previous = row[-1] = hash_of(row[:-1])
    if rows:
        to.insert(rows)
    return Anchor(seq, previous.hex()) if seq else None

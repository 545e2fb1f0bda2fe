"""Appending to the chain of a log file, within a transaction of the caller."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from policybook.audit.books import KeptBook
from policybook.audit.canonical import clean, instant_text
from policybook.audit.chain import GENESIS, Anchor, hash_of
from policybook.audit.entry import COLUMNS, Kind

# The values of COLUMNS, then the hash.
Row: TypeAlias = list[Any]

_EMPTY = dict.fromkeys(COLUMNS, "") | {"elapsed_ns": 0}
# How many rows go into one statement: few sizes, so that SQLite knows each already.
_CHUNKS = (100, 20, 5, 1)
_PLACES = f"({', '.join('?' * (len(COLUMNS) + 1))})"
_INSERTS = {n: f"INSERT INTO record ({', '.join(COLUMNS)}, hash) VALUES {', '.join([_PLACES] * n)}" for n in _CHUNKS}  # noqa: S608 - our own names


def other_row(kind: Kind, told_of: Mapping[str, object], now: datetime) -> Row:
    """Make the row of a record that is no decision."""
    more = json.dumps(told_of, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    found = {**_EMPTY, "seq": 0, "kind": kind.value, "time": instant_text(now), "more": clean(more), "previous": b""}
    return [*found.values(), b""]


def append(connection: sqlite3.Connection, rows: list[Row]) -> Anchor | None:
    """Number, link, hash and insert rows after the last one, within a transaction; return the new head."""
    last = connection.execute("SELECT seq, hash FROM record ORDER BY seq DESC LIMIT 1").fetchone()
    seq, previous = last or (0, GENESIS)
    for row in rows:
        seq += 1
        row[0], row[-2] = seq, previous
        previous = row[-1] = hash_of(row[:-1])
    start = 0
    while start < len(rows):
        size = next(n for n in _CHUNKS if n <= len(rows) - start)
        # LIMIT: every statement lets go of the interpreter's lock and waits for it again, a millisecond beside a busy loop; so few
        # statements carry many rows.
        connection.execute(_INSERTS[size], [value for row in rows[start : start + size] for value in row])
        start += size
    return Anchor(seq, previous.hex()) if seq else None


def keep_book(connection: sqlite3.Connection, book: KeptBook) -> None:
    """Keep the texts of a book."""
    digests = book.digests
    for role, text in book.texts.items():
        if text:
            connection.execute("INSERT OR IGNORE INTO text VALUES (?, ?)", (digests[role], text))
    columns = (book.version, book.policy, book.file, *digests.values())
    connection.execute("INSERT OR IGNORE INTO book VALUES (?, ?, ?, ?, ?, ?, ?)", columns)

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
_WIDTH = len(COLUMNS) + 1
_NOTHING = [None] * _WIDTH
# LIMIT: SQLite takes 32,766 values a statement.
MAX_ROWS = 1_024


def _insert(size: int) -> str:
    places = ", ".join([f"({', '.join('?' * _WIDTH)})"] * size)
    return f"INSERT INTO record ({', '.join(COLUMNS)}, hash) SELECT * FROM (VALUES {places}) WHERE column1 IS NOT NULL"  # noqa: S608


# By the power of two that there are at most rows of: few statements, which SQLite then knows; what is over is filled with nothing.
_INSERTS = {size: _insert(size) for size in (2**n for n in range(11))}


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
    # LIMIT: every statement lets go of the interpreter's lock and gets it back a thread switch later, a millisecond beside a busy
    # loop; so one statement carries all.
    for start in range(0, len(rows), MAX_ROWS):
        piece = rows[start : start + MAX_ROWS]
        size = 1 << (len(piece) - 1).bit_length()
        values = [value for row in piece for value in row]
        connection.execute(_INSERTS[size], values + _NOTHING * (size - len(piece)))
    return Anchor(seq, previous.hex()) if seq else None


def keep_book(connection: sqlite3.Connection, book: KeptBook) -> None:
    """Keep the texts of a book."""
    digests = book.digests
    for role, text in book.texts.items():
        if text:
            connection.execute("INSERT OR IGNORE INTO text VALUES (?, ?)", (digests[role], text))
    columns = (book.version, book.policy, book.file, *digests.values())
    connection.execute("INSERT OR IGNORE INTO book VALUES (?, ?, ?, ?, ?, ?, ?)", columns)

"""Deleting what is too old: whole segments from the beginning, with a record in the chain that vouches for the rest.

A segment is a run of records, none of them young enough, at most `SEGMENT` long. First a `retention` record is appended that names the last
record of the segment with its hash, and the books that later decisions still need; then the segment is deleted, a piece at a time.
What a process that ends in between leaves of it is skipped by `verify` and deleted the next time. Texts of books stay: they hold no
facts of anybody, and a version may come back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime

from policybook.audit.entry import Kind
from policybook.audit.file import SELECT, record_of
from policybook.audit.writing import append, other_row

SEGMENT = 50_000
_PIECE = 1_000


def pruning(connection: sqlite3.Connection, before: str, now: datetime) -> Iterator[int]:
    """Delete the records that are older than an instant, and yield after each piece how many it had.

    A record that is older, but stands after one that is not (the clock was set back), stays until that one goes. The last
    record stays in any case.

    Args:
        connection: that of a writer, outside a transaction
        before: in UTC, as text
    """
    while True:
        done = _last_marked(connection)
        last = _end_of_segment(connection, done, before)
        if last > done:
            _mark(connection, last, before, now)
        yield 0
        while True:
            gone = connection.execute(
                "DELETE FROM record WHERE seq IN (SELECT seq FROM record WHERE seq <= ? ORDER BY seq LIMIT ?)", (last, _PIECE)
            ).rowcount
            yield gone
            if gone < _PIECE:
                break
        if last - done < SEGMENT:
            return


def _last_marked(connection: sqlite3.Connection) -> int:
    query = f"{SELECT} WHERE kind = ? AND kind <> 'decision' ORDER BY seq DESC LIMIT 1"
    row = connection.execute(query, (Kind.RETENTION.value,)).fetchone()
    return int(record_of(row).told["last"]) if row else 0


def _end_of_segment(connection: sqlite3.Connection, done: int, before: str) -> int:
    """Return the last of the records that may go."""
    head = connection.execute("SELECT max(seq) FROM record").fetchone()[0] or 0
    end = min(done + SEGMENT, head - 1)
    # By number and no further than the first young one: by time it would walk through all that is young.
    # The record of a book is a little later than the decisions that come after it, and is vouched for anyway.
    query = "SELECT seq FROM record NOT INDEXED WHERE seq > ? AND seq <= ? AND time >= ? AND kind <> 'book' ORDER BY seq LIMIT 1"
    young = connection.execute(query, (done, end, before)).fetchone()
    return max(done, young[0] - 1 if young else end)


def _mark(connection: sqlite3.Connection, last: int, before: str, now: datetime) -> None:
    """Append the record that vouches for the rest."""
    segment = record_of(connection.execute(f"{SELECT} WHERE seq = ?", (last,)).fetchone())
    since, until, count = connection.execute(
        "SELECT min(time), max(time), count(*) FROM record NOT INDEXED WHERE seq <= ?", (last,)
    ).fetchone()
    told = {
        "last": last,
        "hash": segment.hash.hex(),
        "count": count,
        "since": since,
        "until": until,
        "before": before,
        "books": [
            [version, {"source": source, "calendar": calendar, "clauses": clauses, "clauses_lock": lock}]
            for version, source, calendar, clauses, lock in connection.execute(
                "SELECT version, source, calendar, clauses, clauses_lock FROM book ORDER BY rowid"
            )
        ],
    }
    connection.execute("BEGIN IMMEDIATE")
    try:
        append(connection, [other_row(Kind.RETENTION, told, now)])
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise

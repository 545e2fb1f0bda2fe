"""Deleting what is too old: whole segments from the beginning, with a record in the chain that vouches for the rest.

A segment is a run of records, none of them young enough, at most `SEGMENT` long. First a `retention` record is appended that names the last
record of the segment with its hash, and the books that later decisions still need; then the segment is deleted, a piece at a time.
What a process that ends in between leaves of it is skipped by `verify` and deleted the next time. Texts of books stay: they hold no
facts of anybody, and a version may come back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from policybook.audit.backend import Backend, Transaction, append
from policybook.audit.entry import Kind
from policybook.audit.reading import SELECT, record_of
from policybook.audit.writing import other_row

SEGMENT = 50_000
_PIECE = 1_000


def pruning(backend: Backend, before: str, now: datetime) -> Iterator[int]:
    """Delete the records that are older than an instant, and yield after each piece how many it had.

    A record that is older, but stands after one that is not (the clock was set back), stays until that one goes. The last
    record stays in any case.

    Args:
        before: in UTC, as text
    """
    while True:
        with backend.transaction() as at_once:
            done = _last_marked(at_once)
            last = _end_of_segment(at_once, done, before)
            if last > done:
                _mark(at_once, last, before, now)
        yield 0
        while True:
            with backend.transaction() as at_once:
                gone = at_once.change(
                    "DELETE FROM record WHERE seq IN (SELECT seq FROM record WHERE seq <= ? ORDER BY seq LIMIT ?)", last, _PIECE
                )
            yield gone
            if gone < _PIECE:
                break
        if last - done < SEGMENT:
            return


def _last_marked(at_once: Transaction) -> int:
    query = f"{SELECT} WHERE kind = ? AND kind <> 'decision' ORDER BY seq DESC LIMIT 1"
    rows = at_once.rows(query, Kind.RETENTION.value)
    return int(record_of(rows[0]).told["last"]) if rows else 0


def _end_of_segment(at_once: Transaction, done: int, before: str) -> int:
    """Return the last of the records that may go."""
    head = at_once.rows("SELECT max(seq) FROM record")[0][0] or 0
    end = min(done + SEGMENT, head - 1)
    # By number and no further than the first young one: by time it would walk through all that is young; the empty text keeps
    # databases from the index. The record of a book is a little later than the decisions that come after it, and is vouched for anyway.
    query = "SELECT seq FROM record WHERE seq > ? AND seq <= ? AND time || '' >= ? AND kind <> 'book' ORDER BY seq LIMIT 1"
    young = at_once.rows(query, done, end, before)
    return int(max(done, young[0][0] - 1 if young else end))


def _mark(at_once: Transaction, last: int, before: str, now: datetime) -> None:
    """Append the record that vouches for the rest."""
    segment = record_of(at_once.rows(f"{SELECT} WHERE seq = ?", last)[0])
    since, until, count = at_once.rows("SELECT min(time || ''), max(time || ''), count(*) FROM record WHERE seq <= ?", last)[0]
    told = {
        "last": last,
        "hash": segment.hash.hex(),
        "count": count,
        "since": since,
        "until": until,
        "before": before,
        "books": [
            [version, {"source": source, "calendar": calendar, "clauses": clauses, "clauses_lock": lock}]
            for version, source, calendar, clauses, lock in at_once.rows(
                "SELECT version, source, calendar, clauses, clauses_lock FROM book ORDER BY version, clauses, calendar, clauses_lock"
            )
        ],
    }
    append(at_once, [other_row(Kind.RETENTION, told, now)])

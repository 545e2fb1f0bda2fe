"""One decision on its way into the log, and a record as it is kept there."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

from policybook.audit.canonical import facts_of, instant_of
from policybook.model.answer import Item, TraceLevel
from policybook.model.book import Book, Decision, Row
from policybook.model.facts import Raw, RawFacts
from policybook.source import Source
from policybook.values import Value


class Purpose(enum.Enum):
    """What the caller asked for."""

    DECISION = "decision"
    EXPLANATION = "explanation"
    # What a version that is not in service came to beside the answer; never given out, and recorded where it differs.
    CHALLENGE = "challenge"


# The outcome of a challenge that the challenger refused.
REFUSED = "refused"


class Entry(NamedTuple):
    """One decision just taken. It only refers to what is there anyway: the thread that writes turns it into text.

    `beside` are the texts beside the book: calendar, clauses and their lock. `as_of_stated` and `version_stated` are what the caller
    wrote, `as_of` and `now` the day and the instant as of which it was decided. `more` is canonical JSON.
    """

    decision_id: str
    decided_at: datetime
    caller: str
    purpose: Purpose
    request_id: str
    facts: RawFacts
    as_of_stated: date | datetime | None
    version_stated: str
    book: Book
    beside: tuple[Source, ...]
    decision: Decision
    as_of: date
    now: datetime
    trace: TraceLevel
    outcome: str
    outputs: Mapping[str, Value]
    items: tuple[Item, ...]
    selected: tuple[Row, ...]
    elapsed_ns: int
    more: str = ""

    @property
    def is_once(self) -> bool:
        """Whether the request id must stand for this decision and no other."""
        return bool(self.request_id) and self.purpose is Purpose.DECISION


class Kind(enum.Enum):
    """What a record tells of."""

    DECISION = "decision"
    # A process begins to write, or ends in order.
    OPEN = "open"
    CLOSE = "close"
    # The text of a book that decides from here on.
    BOOK = "book"
    # Decisions that were given out and could not be recorded; how many, and why.
    GAP = "gap"
    # Records up to one of them were deleted, by age; it stands here with its hash.
    RETENTION = "retention"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record as kept: text and whole numbers only, in the order in which they are hashed.

    Args:
        seq: from 1, without a hole
        time: when it was decided, or written for a record that is no decision; UTC with microseconds
        fingerprint: hash of what was asked, by which the same request is known again; empty where that is never asked
        facts, outputs, items, rows: canonical JSON
        as_of_stated, version_stated: as the caller wrote them; empty: none
        as_of, now: the day and the instant as of which it was decided
        more: canonical JSON, what a record that is no decision tells, and a challenge: which decision, and what differs
        previous: hash of the record before
    """

    seq: int
    kind: str
    time: str
    decision_id: str = ""
    caller: str = ""
    purpose: str = ""
    decision: str = ""
    request_id: str = ""
    fingerprint: str = ""
    facts: str = ""
    as_of_stated: str = ""
    version_stated: str = ""
    version: str = ""
    as_of: str = ""
    now: str = ""
    trace: str = ""
    outcome: str = ""
    outputs: str = ""
    items: str = ""
    rows: str = ""
    elapsed_ns: int = 0
    more: str = ""
    previous: bytes
    hash: bytes

    @property
    def policy(self) -> str:
        return self.decision.partition(".")[0]

    @property
    def decided_at(self) -> datetime:
        return instant_of(self.time)

    @property
    def as_of_day(self) -> date:
        return date.fromisoformat(self.as_of)

    @property
    def as_of_instant(self) -> datetime:
        return instant_of(self.now)

    @property
    def row_ids(self) -> tuple[str, ...]:
        return tuple(json.loads(self.rows))

    @cached_property
    def told(self) -> dict[str, Any]:
        """What a record that is no decision tells."""
        found: dict[str, Any] = json.loads(self.more or "{}")
        return found

    @cached_property
    def stated(self) -> tuple[dict[str, Raw], dict[str, str]]:
        """The facts that were stated, and name -> token of those that are masked."""
        return facts_of(self.facts)


# The columns in the order in which they are hashed; `hash` itself is the last and not among them.
COLUMNS = tuple(name for name in Record.__dataclass_fields__ if name != "hash")

# The values of COLUMNS, then the hash.
Values: TypeAlias = list[Any]

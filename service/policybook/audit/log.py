"""What keeps decisions: the protocol that the desk writes to, and the log that is none."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from policybook.audit.books import KeptBook
from policybook.audit.chain import Anchor
from policybook.audit.entry import Entry, Record
from policybook.audit.masking import Masks
from policybook.errors import LogError, NoLogError


class WhenFull(enum.Enum):
    """What becomes of a decision that cannot be recorded: the disk or the queue is full."""

    # No answer is given out.
    REFUSE = "refuse"
    # The answer is given out, and how many were not recorded is counted, told by the status and put down in the log.
    COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which records; what is empty does not narrow.

    Args:
        decision: `credit.shipment`, or `credit` for all of a policy
        since, until: instants as text in UTC; the first included, the last not
        outcome: `decided` or `no match`
        version: of the book, in full or its beginning
        purpose: `decision` or `explanation`
        policies: only decisions of these; None: of all
    """

    decision: str = ""
    since: str = ""
    until: str = ""
    outcome: str = ""
    request_id: str = ""
    caller: str = ""
    version: str = ""
    purpose: str = ""
    policies: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page of records ended: records are listed by time, those of one time by number."""

    time: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStatus:
    """How the log does.

    Args:
        waiting: decisions that were given out, or wait, and are not written yet
        not_recorded: given out since the start without a record
        refused: not given out since the start, because they could not be recorded
        failing: why nothing can be written just now; empty: all is well
    """

    head: Anchor | None
    waiting: int
    recorded: int
    not_recorded: int
    refused: int
    failing: str
    when_full: WhenFull


class Reader(Protocol):
    """Reads a log. Every method raises LogError when it cannot be read."""

    def get(self, decision_id: str) -> Record | None:
        """Return the record of a decision."""
        ...

    def asked(self, caller: str, request_id: str) -> Record | None:
        """Return the decision that a caller's request id stands for."""
        ...

    def find(self, wanted: Filter, limit: int, after: Place | None = None, *, newest_first: bool = False) -> list[Record]:
        """Return a page of decisions in the order of their times."""
        ...

    def count(self, wanted: Filter) -> int:
        """Return how many decisions there are."""
        ...

    def columns(self, names: Sequence[str], wanted: Filter, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """Return some columns of decisions by number, a page of at most `size` at a time."""
        ...

    def chain(self, first: int = 1) -> Iterator[Record]:
        """Return all records by number, also those that are no decisions."""
        ...

    def book(self, version: str) -> KeptBook | None:
        """Return the texts of a version."""
        ...

    def last_of(self, kind: str) -> Record | None:
        """Return the last record of a kind."""
        ...

    def head(self) -> Anchor | None:
        """Return the last record's place and hash."""
        ...


class Log(Protocol):
    """Keeps decisions.

    Attributes:
        is_on: whether there is a log at all
        masks: what does not reach it
    """

    is_on: bool
    masks: Masks

    @property
    def is_behind(self) -> bool:
        """Whether so many wait to be written that who hands over many had better wait."""
        ...

    def refuse(self, decision: str) -> None:
        """Raise LogError if a decision that must be recorded cannot be, since there is no log.

        Only asked of a log that is not on.
        """
        ...

    def put(self, entry: Entry) -> Future[Record | None] | None:
        """Take a decision.

        Returns:
            None: it is written in the background. Else what to wait for before the answer is given out: None once the record is durable,
            or the earlier record that has the same caller and request id
        Raises:
            LogError: it cannot be recorded, here or by the future
        """
        ...

    def flush(self) -> Future[None]:
        """Return what is done when all that was taken so far is written."""
        ...

    def reader(self) -> Reader:
        """Return a reader.

        Raises:
            NoLogError: there is no log
        """
        ...

    def status(self) -> LogStatus:
        """Say how it does.

        Raises:
            NoLogError: there is no log
        """
        ...

    def close(self) -> None:
        """Write what is left, and end."""
        ...


class NoLog:
    """Keeps nothing.

    Args:
        strict: whoever answers callers does not answer what must be recorded; a trial in process does
    """

    is_on = False
    is_behind = False
    masks = Masks()

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict

    def refuse(self, decision: str) -> None:
        """Raise LogError where callers are answered."""
        if self._strict:
            raise LogError(
                f"a decision of `{decision}` must be recorded, and this service keeps no decision log; start it with `--log PATH`"
            )

    def put(self, entry: Entry) -> None:
        """Keep nothing."""

    def flush(self) -> Future[None]:
        """Have nothing to write."""
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def reader(self) -> Reader:
        """Have nothing to read."""
        raise NoLogError

    def status(self) -> LogStatus:
        """Have nothing to tell."""
        raise NoLogError

    def close(self) -> None:
        """Have nothing to close."""


class ReadLog(NoLog):
    """A log that is only read: records are shown and decided again, nothing is recorded."""

    def __init__(self, reader: Reader, masks: Masks) -> None:
        super().__init__()
        self.masks = masks
        self._reader = reader

    def reader(self) -> Reader:
        """Return the reader."""
        return self._reader

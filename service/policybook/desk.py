"""The one way to an answer: every face of the service comes through here."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from datetime import time as clock_time

from policybook.diagnostics import nearest
from policybook.errors import RequestError, UnknownNameError
from policybook.model.answer import Answer, TraceLevel
from policybook.model.book import Book, Decision
from policybook.model.facts import RawFacts
from policybook.store.versions import Edition, Store

_DECISION = re.compile(r"([a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)\Z")
MAX_REQUEST_ID = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a caller asks.

    Args:
        decision: `policy.decision`
        as_of: a day, an instant (aware), or None for now
        version: a pinned version of the policy; empty: the newest
    """

    decision: str
    facts: RawFacts = field(default_factory=dict)
    request_id: str = ""
    as_of: date | datetime | None = None
    version: str = ""
    trace: TraceLevel = TraceLevel.MATCHED


class Desk:
    """Answers requests from the editions of a store.

    Args:
        now: the clock, aware; new_id: ids of answers. Both are arguments so that an answer can be repeated exactly.
    """

    def __init__(self, store: Store, *, now: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self.store = store
        self.now = now
        self._new_id = new_id

    def decide(self, request: Request) -> Answer:
        """Decide one request.

        Raises:
            RequestError: a field of the request is wrong
            UnknownNameError: no such policy, decision or version
            VersionMismatchError: the pinned version is another policy's
            FactsError: all that is wrong with the facts
            NotInForceError: the policy or a figure is not in force on that day
            ConflictError: rows conflict under the hit policy
            EngineError: our own fault
        """
        started = time.perf_counter_ns()
        edition, decision = decision_named(self.store, request)
        book = edition.book
        decided_at = self.now()
        as_of, now = moments(request.as_of, decided_at, book)
        facts = edition.decider.coercer.facts(request.facts, decision)
        verdict = edition.decider.decide(decision, facts, as_of, now, request.trace)
        return Answer(
            decision_id=self._new_id(),
            request_id=request.request_id,
            policy=book.name,
            decision=decision,
            version=book.version,
            currency=book.currency,
            as_of=as_of,
            decided_at=decided_at,
            outcome=verdict.outcome,
            outputs=verdict.outputs,
            output_fields=decision.outputs,
            items=tuple(verdict.items),
            selected=tuple(verdict.selected),
            tables=tuple(verdict.tables),
            elapsed_ns=time.perf_counter_ns() - started,
        )


def decision_named(store: Store, request: Request) -> tuple[Edition, Decision]:
    """Return the decision that a request names, and the version of its policy.

    Raises:
        RequestError: the name or the request id is malformed
        UnknownNameError: no such policy, decision or version
        VersionMismatchError: the pinned version is another policy's
    """
    parts = _DECISION.match(request.decision)
    if not parts:
        raise RequestError("decision", f"`{request.decision[:100]}` is not the name of a decision; a name is `policy.decision`")
    if len(request.request_id) > MAX_REQUEST_ID:
        raise RequestError("request_id", f"a request id may have at most {MAX_REQUEST_ID} characters")
    policy, name = parts.groups()
    edition = store.edition(policy, request.version)
    book = edition.book
    decision = book.decision_by_name.get(name)
    if decision is None:
        raise UnknownNameError("decision", request.decision, tuple(f"{policy}.{n}" for n in nearest(name, book.decision_by_name)))
    return edition, decision


def moments(as_of: date | datetime | None, clock: datetime, book: Book) -> tuple[date, datetime]:
    """Return the day and the instant as of which to decide.

    A day alone means its close: something due at 16:00 that day is past due.

    Raises:
        RequestError: a naive instant, or one too far away
    """
    if as_of is None:
        return clock.astimezone(book.zone).date(), clock
    if isinstance(as_of, datetime):
        if as_of.tzinfo is None:
            raise RequestError("as_of", "an instant needs a time zone")
        if not 2 <= as_of.year <= 9998:
            raise RequestError("as_of", "the year must be from 2 to 9998")
        return as_of.astimezone(book.zone).date(), as_of.astimezone(UTC)
    if not 2 <= as_of.year <= 9998:
        raise RequestError("as_of", "the year must be from 2 to 9998")
    close = datetime.combine(as_of, clock_time(23, 59, 59), tzinfo=book.zone)
    return as_of, close.astimezone(UTC)

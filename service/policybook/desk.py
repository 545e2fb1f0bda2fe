"""The one way to an answer: every face of the service comes through here."""

from __future__ import annotations

import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from datetime import time as clock_time
from typing import ParamSpec, Protocol, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from policybook.audit.canonical import facts_json, items_json, outputs_json
from policybook.audit.entry import Entry, Purpose, Record
from policybook.audit.log import Log, NoLog
from policybook.cells.stated import Column
from policybook.decide.bulk import ColumnAnswers
from policybook.decide.chain import Settled, Verdict
from policybook.decide.columns import Many
from policybook.decide.near import Seen
from policybook.diagnostics import nearest
from policybook.errors import (
    EngineError,
    LogError,
    MaskedError,
    PolicybookError,
    RequestError,
    RequestIdTakenError,
    UnknownNameError,
    VersionMismatchError,
)
from policybook.model.answer import Answer, TableTrace, TraceLevel
from policybook.model.book import Book, Decision
from policybook.model.facts import RawFacts
from policybook.store.kept import edition_of
from policybook.store.versions import Edition, Store
from policybook.values import Value

_DECISION = re.compile(r"([a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)\Z")
MAX_REQUEST_ID = 200
# Editions made of kept texts, to decide again by: each takes some megabytes and up to a second.
MAX_KEPT = 8
WAIT_S = 10.0
# Requests of many that are handed to the log before any is waited for.
PART = 1_000
# Fewer requests of one decision than this, and so many more for each decision that it requires, are sooner decided one by one.
MIN_TOGETHER = 6
MORE_TOGETHER = 2

P = ParamSpec("P")
T = TypeVar("T")
_Decided: TypeAlias = "tuple[Answer, Edition, datetime]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a caller asks.

    Args:
        decision: `policy.decision`
        as_of: a day, an instant (aware), or None for now
        version: a pinned version of the policy; empty: the newest
        caller: who asks; a request id is the caller's own
        challenger: a version that is to decide beside; its answer is compared, not given out
    """

    decision: str
    facts: RawFacts = field(default_factory=dict)
    request_id: str = ""
    as_of: date | datetime | None = None
    version: str = ""
    trace: TraceLevel = TraceLevel.MATCHED
    caller: str = ""
    purpose: Purpose = Purpose.DECISION
    challenger: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that was decided, on its way through the log.

    Args:
        kept: what to wait for before the answer is given out; None: nothing. It comes to None, or to the earlier record that the same
            request id stands for: `Desk.settle` makes the answer of it
    """

    request: Request
    answer: Answer
    kept: Future[Record | None] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sheet:
    """What requests of one decision, version and moment come to, row by row; nothing of it is recorded.

    Args:
        many: the answers
        errors: by row, why it has none
        ids: of the answers, also of those that there are not
        elapsed_ns: spent on one
        tables: the traces; nothing at TraceLevel.NONE
        seen: on what they were decided, where somebody counts that
    """

    edition: Edition
    decision: Decision
    as_of: date
    decided_at: datetime
    now: datetime
    many: Many
    errors: Mapping[int, PolicybookError]
    ids: Sequence[str]
    elapsed_ns: int
    tables: Sequence[tuple[TableTrace, ...]] = ()
    seen: Seen | None = None

    def answer(self, row: int, settled: Settled, request_id: str) -> Answer:
        """Return the answer of a row.

        Args:
            settled: what `many` says of it
        """
        return _answer(
            settled,
            self.edition.book,
            self.decision,
            self.as_of,
            decision_id=self.ids[row],
            request_id=request_id,
            decided_at=self.decided_at,
            elapsed_ns=self.elapsed_ns,
            tables=self.tables[row] if self.tables else (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reevaluation:
    """A recorded decision, decided again by the version that it was decided by.

    Args:
        zone: where the book counts time
        differences: what came otherwise: name -> (as recorded, as it is now), canonical JSON; empty: all is the same
    """

    record: Record
    answer: Answer
    zone: ZoneInfo
    differences: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Counts:
    """How the decisions of one policy compare with those of a challenger, since the start.

    Args:
        version: of the challenger
        compared: how many were decided by both
        different: how many of them came to another outcome, other outputs or other items, or were refused by the challenger
        refused: how many of them the challenger refused
        skipped: how many were not compared or not recorded, because too much was waiting
    """

    policy: str
    version: str
    compared: int = 0
    different: int = 0
    refused: int = 0
    skipped: int = 0


class Beside(Protocol):
    """What sees each decision that is given out: other versions, which decide it too."""

    def watches(self, policy: str) -> bool:
        """Tell whether decisions of a policy are looked at without being asked to."""
        ...

    def check(self, policy: str, version: str) -> None:
        """Raise UnknownNameError unless a version can decide beside."""
        ...

    def offer(self, request: Request, answer: Answer, now: datetime) -> None:
        """Take a decision, and the instant as of which it was decided; without a wait, and without a fault."""
        ...

    def counts(self) -> Sequence[Counts]:
        """Return how decisions compare, by policy and version of the challenger."""
        ...


class Counter(Protocol):
    """What counts the answers that are made, and those that are not."""

    def answered(self, answer: Answer) -> None:
        """Count one."""
        ...

    def answered_sheet(self, sheet: Sheet) -> None:
        """Count those of a sheet."""
        ...

    def refused(self, reason: str) -> None:
        """Count a request that got no answer among others that did."""
        ...

    def looked(self, edition: Edition, decision: Decision, as_of: date, env: Mapping[str, Value]) -> None:
        """Look at what one request was decided on."""
        ...

    def looked_at_all(self, edition: Edition, decision: Decision, as_of: date, seen: Seen) -> None:
        """Look at what requests were decided on together."""
        ...


class Desk:
    """Answers requests from the editions of a store.

    Args:
        now: the clock, aware; new_id: ids of answers. Both are arguments so that an answer can be repeated exactly.
        log: what records decisions; none unless it is given
        new_ids: many ids at once, where that is cheaper than one by one
    """

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
        log: Log | None = None,
        new_ids: Callable[[int], Sequence[str]] | None = None,
    ) -> None:
        self.store = store
        self.now = now
        self.log: Log = log or NoLog()
        self.beside: Beside | None = None
        self.counter: Counter | None = None
        self._new_id = new_id
        self._new_ids = new_ids or (lambda count: [new_id() for _ in range(count)])
        self._kept: OrderedDict[str, Edition] = OrderedDict()

    def decide(self, request: Request) -> Answer:
        """Decide one request, and wait until it is recorded where that must be.

        Raises:
            PolicybookError: as `take` and `settle` do
            LogError: it was not recorded in time
        """
        return self._given_out(self.take(request))

    def decide_many(self, requests: Sequence[Request]) -> list[Answer | PolicybookError]:
        """Decide requests, those of one decision, version and day together; each comes to what `decide` returns or raises for it.

        Requests with a full trace are decided one by one. Requests that go together and state no moment share one reading of the clock.
        """
        answers: list[Answer | PolicybookError] = []
        # Those of a part are written together: none waits before the last is handed to the log. More at once would fill its queue.
        size = PART if self.log.is_on else max(1, len(requests))
        for start in range(0, len(requests), size):
            taken = self.take_many(requests[start : start + size])
            answers += [one if isinstance(one, PolicybookError) else _or_error(self._given_out, one) for one in taken]
        return answers

    def decide_columns(
        self, decision: str, columns: Mapping[str, Column], *, as_of: date | datetime | None = None, version: str = ""
    ) -> ColumnAnswers:
        """Decide the rows of columns without making a request and an answer of each; see `Column`.

        Nothing is recorded: this is for replays, simulations and reports, not for answers that are given out.

        Args:
            columns: input name -> its values, all of one length; an input that has no column is stated by no row
        Raises:
            RequestError: a column is no column, or of another length; another field is wrong
            UnknownNameError: no such policy, decision or version
            VersionMismatchError: the pinned version is another policy's
            FactsError: a column has no name of an input
        """
        edition, found = decision_named(self.store, Request(decision=decision, version=version))
        book = edition.book
        decided_at = self.now()
        day, now = moments(as_of, decided_at, book)
        size = max(map(len, columns.values()), default=0)
        many, errors = edition.bulk.by_columns(found, columns, day, now, size)
        return ColumnAnswers(
            policy=book.name,
            decision=found,
            version=book.version,
            currency=book.currency,
            as_of=day,
            decided_at=decided_at,
            many=many,
            errors=errors,
        )

    def try_out(self, request: Request) -> Answer:
        """Decide without a record, to see what is wrong with a request; the answer must not be given out. Raises as `take` does."""
        return self._decided(request, is_counted=False)[0]

    def take(self, request: Request) -> Taken:
        """Decide one request and hand it to the log.

        Raises:
            LogError: it must be recorded and cannot be
            RequestError: a field of the request is wrong
            UnknownNameError: no such policy, decision or version
            VersionMismatchError: the pinned version is another policy's
            FactsError: all that is wrong with the facts
            NotInForceError: the policy or a figure is not in force on that day
            ConflictError: rows conflict under the hit policy
            EngineError: our own fault
        """
        return self._taken(request, _or_error(self._decided, request))

    def sheet(self, asked: Request, facts: Sequence[RawFacts]) -> Sheet | None:
        """Decide requests that ask the same but for their facts, by columns; each row comes to what `take` returns or raises for it.

        Args:
            asked: what they have in common
        Returns:
            None where each is to be taken by itself: something keeps or compares every answer, they are few, or there is no such decision
        """
        beside = self.beside
        if self.log.is_on or asked.challenger or asked.trace is TraceLevel.FULL:
            return None
        if beside is not None and beside.watches(asked.decision.partition(".")[0]):
            return None
        made = self._sheet(asked, facts)
        if made is None or made.decision.must_log:
            return None
        if self.counter is not None:
            self.counter.answered_sheet(made)
            self._look(made)
        return made

    def take_many(self, requests: Sequence[Request]) -> list[Taken | PolicybookError]:
        """Decide requests and hand them to the log; each comes to what `take` returns or raises for it."""
        made = self._decided_many(requests)
        return [_or_error(self._taken, request, one) for request, one in zip(requests, made, strict=True)]

    def _taken(self, request: Request, made: _Decided | PolicybookError) -> Taken:
        log = self.log
        if isinstance(made, PolicybookError):
            # A retry of what was decided, by a book that would no longer decide it.
            if not (log.is_on and request.request_id and request.purpose is Purpose.DECISION):
                raise made
            earlier = log.reader().asked(request.caller, request.request_id)
            if earlier is None:
                raise made
            return Taken(request, self.recorded(request, earlier), None)
        answer, edition, now = made
        beside = self.beside
        if request.challenger:
            if beside is None:
                raise RequestError("challenger_version", "no version decides beside another here")
            beside.check(answer.policy, request.challenger)
        kept = None
        if log.is_on:
            kept = log.put(_entry(request, answer, edition, now))
        elif answer.decision.must_log:
            log.refuse(f"{answer.policy}.{answer.decision.name}")
        if beside is not None and request.purpose is Purpose.DECISION and (request.challenger or beside.watches(answer.policy)):
            beside.offer(request, answer, now)
        if self.counter is not None:
            self.counter.answered(answer)
        return Taken(request, answer, kept)

    def _given_out(self, taken: Taken) -> Answer:
        if taken.kept is None:
            return taken.answer
        try:
            earlier = taken.kept.result(WAIT_S)
        except TimeoutError:
            raise not_in_time(WAIT_S) from None
        return self.settle(taken, earlier)

    def settle(self, taken: Taken, earlier: Record | None) -> Answer:
        """Return what is given out; it may have to be decided again, which takes as long as to load a book.

        Args:
            earlier: what `taken.kept` came to
        Raises:
            RequestIdTakenError: the request id stands for another request
            EngineError: the same request is decided otherwise now, which cannot be
        """
        return taken.answer if earlier is None else self.recorded(taken.request, earlier)

    def recorded(self, request: Request, earlier: Record) -> Answer:
        """Return the answer that a request had before, with the trace that is asked for now.

        Raises:
            RequestIdTakenError: it was another request
            EngineError: it is decided otherwise now
        """
        masks = self.log.masks
        why = ""
        if masks.cannot_compare(earlier.fingerprint):
            why = "whether it asked the same cannot be told, since masked facts were recorded under another key (--mask-key)"
        elif not masks.is_same(earlier.fingerprint, request.decision, request.facts, request.as_of, request.version):
            why = "it asked something else; a new request takes a new id"
        if why:
            raise RequestIdTakenError(request.request_id, earlier.decision_id, earlier.time, why)
        answer = self._again(earlier, request.facts, request.trace)
        changed = differences(earlier, answer)
        if changed:
            raise EngineError(f"decision {earlier.decision_id} is recorded with other {', '.join(changed)} than it has now")
        return answer

    def reevaluate(self, decision_id: str, *, trace: TraceLevel = TraceLevel.MATCHED, facts: RawFacts | None = None) -> Reevaluation:
        """Decide a recorded decision again, by the very texts that it was decided by.

        Args:
            facts: values of facts that were kept out of the log
        Raises:
            NoLogError: there is no log
            UnknownNameError: it is not in the log
            MaskedError: facts were kept out of the log and are not given
            RequestError: facts that are given were not kept out of it, or are not the ones that were stated
            LogError: the log, or the text of the book in it, cannot be read
        """
        record = self.log.reader().get(decision_id)
        if record is None:
            raise UnknownNameError("record", decision_id, ())
        stated, masked = record.stated
        given = dict(facts or {})
        missing = tuple(name for name in masked if name not in given)
        if missing:
            raise MaskedError(record.decision_id, missing)
        for name in given:
            if name not in masked:
                raise RequestError(f"masked_facts.{name[:100]}", f"`{name[:100]}` is no fact that was kept out of the log")
        whole = {**stated, **given}
        if masked and not self.log.masks.may_be(record, facts_json(whole)):
            raise RequestError("masked_facts", "these are not the values that the decision was made on")
        answer = self._again(record, whole, trace)
        return Reevaluation(record=record, answer=answer, zone=self._edition(record).book.zone, differences=differences(record, answer))

    def _again(self, record: Record, facts: RawFacts, trace: TraceLevel) -> Answer:
        """Decide as of the recorded moments, by the recorded version."""
        edition = self._edition(record)
        decision = edition.book.decision_by_name[record.decision.partition(".")[2]]
        typed = edition.decider.coercer.facts(facts, decision)
        verdict = edition.decider.decide(decision, typed, record.as_of_day, record.as_of_instant, trace)
        return _answer(
            verdict,
            edition.book,
            decision,
            record.as_of_day,
            decision_id=record.decision_id,
            request_id=record.request_id,
            decided_at=record.decided_at,
            elapsed_ns=record.elapsed_ns,
        )

    def _edition(self, record: Record) -> Edition:
        """Return the version that decided; from the texts kept with the log when it is no longer in service."""
        try:
            return self.store.edition(record.policy, record.version)
        except (UnknownNameError, VersionMismatchError):
            found = self._kept.get(record.version)
        return found or self._remade(record)

    def _remade(self, record: Record) -> Edition:
        kept = self.log.reader().book(record.version)
        if kept is None:
            raise LogError(f"the log holds no text of `{record.policy}` version {record.version}")
        made = edition_of(
            kept.file, kept.source, calendar=kept.calendar, clauses=kept.clauses, clauses_lock=kept.clauses_lock, now=self.now()
        )
        if made.version != record.version:
            raise LogError(f"the text that the log holds of `{record.policy}` version {record.version} was changed: it is {made.version}")
        self._kept[record.version] = made
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return made

    def _decided_many(self, requests: Sequence[Request]) -> list[_Decided | PolicybookError]:
        made: dict[int, _Decided | PolicybookError] = {}
        groups: dict[tuple[object, ...], list[int]] = {}
        for place, request in enumerate(requests):
            if request.trace is not TraceLevel.FULL and len(request.request_id) <= MAX_REQUEST_ID:
                groups.setdefault((request.decision, request.version, request.as_of, request.trace), []).append(place)
        for places in groups.values():
            if len(places) >= MIN_TOGETHER:
                made.update(zip(places, self._together([requests[place] for place in places]), strict=False))
        return [made[place] if place in made else _or_error(self._decided, request) for place, request in enumerate(requests)]

    def _together(self, requests: Sequence[Request]) -> list[_Decided | PolicybookError]:
        """Decide requests of one decision, version, moment and trace level by columns; nothing when there is no such decision, or they are too few."""
        sheet = self._sheet(requests[0], [r.facts for r in requests])
        if sheet is None:
            return []
        self._look(sheet)
        errors = sheet.errors
        return [
            errors[row] if row in errors else (sheet.answer(row, settled, request.request_id), sheet.edition, sheet.now)
            for row, (request, settled) in enumerate(zip(requests, sheet.many.all(), strict=True))
        ]

    def _look(self, sheet: Sheet) -> None:
        if self.counter is not None and sheet.seen is not None:
            self.counter.looked_at_all(sheet.edition, sheet.decision, sheet.as_of, sheet.seen)

    def _sheet(self, asked: Request, facts: Sequence[RawFacts]) -> Sheet | None:
        started = time.perf_counter_ns()
        try:
            edition, decision = decision_named(self.store, asked)
            decided_at = self.now()
            as_of, now = moments(asked.as_of, decided_at, edition.book)
        except PolicybookError:
            return None
        if len(facts) < MIN_TOGETHER + MORE_TOGETHER * len(decision.uses.decisions):
            return None
        tables: list[tuple[TableTrace, ...]] | None = None if asked.trace is TraceLevel.NONE else []
        seen = Seen() if self.counter is not None and asked.purpose is Purpose.DECISION else None
        many, errors = edition.bulk.by_facts(decision, facts, as_of, now, tables, seen)
        return Sheet(
            edition=edition,
            decision=decision,
            as_of=as_of,
            decided_at=decided_at,
            now=now,
            many=many,
            errors=errors,
            ids=self._new_ids(len(facts)),
            elapsed_ns=(time.perf_counter_ns() - started) // max(1, len(facts)),
            tables=tables or (),
            seen=seen,
        )

    def _decided(self, request: Request, *, is_counted: bool = True) -> _Decided:
        started = time.perf_counter_ns()
        edition, decision = decision_named(self.store, request)
        book = edition.book
        decided_at = self.now()
        as_of, now = moments(request.as_of, decided_at, book)
        facts = edition.decider.coercer.facts(request.facts, decision)
        verdict = edition.decider.decide(decision, facts, as_of, now, request.trace)
        answer = _answer(
            verdict,
            book,
            decision,
            as_of,
            decision_id=self._new_id(),
            request_id=request.request_id,
            decided_at=decided_at,
            elapsed_ns=time.perf_counter_ns() - started,
        )
        if is_counted and self.counter is not None and request.purpose is Purpose.DECISION and verdict.env is not None:
            self.counter.looked(edition, decision, as_of, verdict.env)
        return answer, edition, now


def _or_error(do: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | PolicybookError:
    try:
        return do(*arguments, **named)
    except PolicybookError as e:
        return e


def _answer(
    verdict: Verdict | Settled,
    book: Book,
    decision: Decision,
    as_of: date,
    *,
    decision_id: str,
    request_id: str,
    decided_at: datetime,
    elapsed_ns: int,
    tables: tuple[TableTrace, ...] = (),
) -> Answer:
    settled = verdict.settled if isinstance(verdict, Verdict) else verdict if verdict.is_kept else None
    return Answer(
        decision_id=decision_id,
        request_id=request_id,
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
        tables=tuple(verdict.tables) if isinstance(verdict, Verdict) else tables,
        elapsed_ns=elapsed_ns,
        kept=settled,
    )


def _entry(request: Request, answer: Answer, edition: Edition, now: datetime) -> Entry:
    """Say what the log is to keep."""
    return Entry(
        answer.decision_id,
        answer.decided_at,
        request.caller,
        request.purpose,
        request.request_id,
        request.facts,
        request.as_of,
        request.version,
        edition.book,
        edition.texts,
        answer.decision,
        answer.as_of,
        now,
        request.trace,
        answer.outcome.value,
        answer.outputs,
        answer.items,
        answer.selected,
        answer.elapsed_ns,
    )


def differences(record: Record, answer: Answer) -> dict[str, tuple[str, str]]:
    """Return what an answer has otherwise than the record: name -> (as recorded, as it is now), canonical JSON."""
    now = {
        "outcome": (json.dumps(record.outcome), json.dumps(answer.outcome.value)),
        "outputs": (record.outputs, outputs_json(answer.outputs, answer.output_fields, answer.currency)),
        "items": (record.items, items_json(answer.items, answer.output_fields, answer.currency)),
        "rows": (record.rows, json.dumps([r.id for r in answer.selected], separators=(",", ":"))),
    }
    return {name: pair for name, pair in now.items() if pair[0] != pair[1]}


def not_in_time(seconds: float) -> LogError:
    """Say that a decision was not recorded in time; it may still be, so the same request id finds it."""
    return LogError(
        f"the decision was not recorded within {seconds:g} s, and no answer is given out without; ask again with the same request id"
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
    return close_of(as_of, book)


def close_of(day: date, book: Book) -> tuple[date, datetime]:
    """Return a day and the instant of its close, where the book is in force.

    Raises:
        RequestError: a year too far away
    """
    if not 2 <= day.year <= 9998:
        raise RequestError("as_of", "the year must be from 2 to 9998")
    return day, datetime.combine(day, clock_time(23, 59, 59), tzinfo=book.zone).astimezone(UTC)

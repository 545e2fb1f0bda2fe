"""The log that writes in the background, by one thread, in batches, wherever the records are kept.

What a caller waits for (`must_log`, or a request id) is written at once, together with all that waits; everything else within
`window_s`, or at once when a batch is full; when more than `_BRAKE` wait, callers wait too. A commit is durable when it returns. So the end of the process loses at most what was given out in the last `window_s` and while a batch was being written,
never more than some `_BRAKE` decisions, and nothing that a caller waited for.

Several processes may write to one log: a batch reads the head of the chain and appends to it in one transaction, one at a time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any, TypeAlias

from policybook.audit.backend import Backend, Transaction, UnfitError, append
from policybook.audit.books import KeptBook
from policybook.audit.canonical import clean, facts_json, instant_text, items_json, outputs_json
from policybook.audit.chain import Anchor
from policybook.audit.entry import COLUMNS, Entry, Kind, Record, Values
from policybook.audit.log import LogStatus, WhenFull
from policybook.audit.masking import Masks, as_of_text
from policybook.audit.proof import WholeReader
from policybook.audit.retention import pruning
from policybook.audit.settings import LogSettings
from policybook.audit.writing import other_row
from policybook.errors import LogError

log = logging.getLogger("policybook.audit")

Waiting: TypeAlias = "Future[Record | None]"
BATCH = 1_000
# So many may be given out and wait to be written; beyond it each waits until it is.
_BRAKE = 1_000
_CANNOT = "decisions cannot be recorded"
# After the first failure, and then twice as long each time.
_RETRY_S, _MAX_RETRY_S = 0.5, 4.0
_CLOSE_S = 5.0
# What a backend may take for what it is doing when the end comes.
_LAST_S = 7.0
_ANCHOR_S = 3600.0
_PRUNE_S = 3600.0
_PRUNE_PAUSE_S = 0.02
_IDLE_S = 60.0


@dataclass(slots=True)
class _Item:
    """One entry in the queue; `waiting` is what its caller waits for, `must` whether it gives up without a record."""

    entry: Entry
    waiting: Waiting | None
    must: bool


@dataclass(frozen=True, slots=True)
class _Gap:
    """What was not recorded since the last record that says so: `count` given out without, `refused` not given out."""

    count: int = 0
    refused: int = 0
    first: str = ""
    last: str = ""
    why: str = ""

    def __bool__(self) -> bool:
        return bool(self.why)


class WrittenLog:
    """Keeps decisions. Make it, use it from any thread, `close` it.

    Args:
        now: the clock, aware; for records that are no decisions
    Raises:
        LogError: the first record cannot be written
    """

    is_on = True

    def __init__(self, backend: Backend, settings: LogSettings, *, now: Callable[[], datetime]) -> None:
        self.settings = settings
        masks = settings.masks
        self.masks = Masks(masks.names, masks.key, masks.own or secrets.token_bytes(32))
        self._now = now
        self._backend = backend
        self._queue: deque[_Item] = deque()
        # How many of those in the queue before are being written.
        self._writing = 0
        self._flushes: deque[Future[None]] = deque()
        self._gap = _Gap()
        self._gap_lock = threading.Lock()
        self._not_recorded = 0
        self._refused = 0
        self._recorded = 0
        self._failing = ""
        self._retry_s = _RETRY_S
        self._idle = True
        self._closing = False
        self._end = 0.0
        self._wake = threading.Event()
        self._urgent = threading.Event()
        self._run = secrets.token_hex(8)
        self._kept: set[tuple[str, ...]] = set()
        self._rendered: dict[int, tuple[object, tuple[str, ...]]] = {}
        self._anchored_at = now()
        self._pruned_at: datetime | None = None
        self._pruning: Iterator[int] | None = None
        self.head: Anchor | None = None
        self._reader: WholeReader | None = None
        self._append([self._opening()])
        log.info("decision log %s open; anchor %s", backend.where, self.head)
        self._thread = threading.Thread(target=self._work, name="policybook-log", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------ taking

    def refuse(self, decision: str) -> None:
        """Refuse nothing: there is a log."""

    def put(self, entry: Entry) -> Waiting | None:
        """Take a decision; see `Log.put`."""
        must = entry.decision.must_log
        backlog = len(self._queue) + self._writing
        full = backlog >= self.settings.queue
        if full or self._failing or self._closing:
            why = self._failing or ("the service is ending" if self._closing else f"{self.settings.queue:,} are waiting to be written")
            if must or self._closing or self.settings.when_full is WhenFull.REFUSE:
                self._note_gap(0, 1, why)
                raise LogError(f"{_CANNOT}: {why}; no answer is given out without")
            if full:
                self._note_gap(1, 0, why)
                return None
        waits = must or entry.is_once or backlog >= _BRAKE
        # While nothing can be written, nobody can wait for it: those that are let go without are counted when the queue is full.
        waiting: Waiting | None = Future() if waits and not self._failing else None
        self._queue.append(_Item(entry, waiting, must))
        if waiting is not None:
            self._urgent.set()
        if self._idle:
            self._idle = False
            self._wake.set()
        return waiting

    @property
    def is_behind(self) -> bool:
        """Whether so many wait to be written that who hands over many had better wait."""
        return len(self._queue) + self._writing >= self.settings.queue // 4

    def flush(self) -> Future[None]:
        """Return what is done when all that was taken so far is written."""
        done: Future[None] = Future()
        self._flushes.append(done)
        self._urgent.set()
        self._wake.set()
        return done

    def reader(self) -> WholeReader:
        """Return the reader; it is closed with the log."""
        if self._reader is None:
            self._reader = self._backend.reader()
        return self._reader

    def status(self) -> LogStatus:
        """Say how it does."""
        return LogStatus(
            head=self.head,
            waiting=len(self._queue) + self._writing,
            recorded=self._recorded,
            not_recorded=self._not_recorded,
            refused=self._refused,
            failing=self._failing,
            when_full=self.settings.when_full,
        )

    def close(self) -> None:
        """Write what is left, and end; what cannot be written within some seconds is told and counted."""
        self._end = time.monotonic() + _CLOSE_S
        self._closing = True
        self._urgent.set()
        self._wake.set()
        self._thread.join(_CLOSE_S + _LAST_S)
        if self._reader is not None:
            self._reader.close()
        self._backend.close()

    def _note_gap(self, count: int, refused: int, why: str) -> None:
        at = instant_text(self._now())
        with self._gap_lock:
            gap = self._gap
            if not gap:
                log.error("%s: %s (%s)", _CANNOT, why, self.settings.when_full.value)
            self._gap = _Gap(gap.count + count, gap.refused + refused, gap.first or at, at, why)
            self._not_recorded += count
            self._refused += refused

    # ------------------------------------------------------------ the thread

    def _work(self) -> None:
        while True:
            self._wait()
            self._once()
            if self._closing:
                if not self._queue and not self._gap:
                    break
                if time.monotonic() >= self._end:
                    self._give_up()
                    break
        try:
            if not self._failing:
                self._append([*self._gap_rows(self._gap), self._other(Kind.CLOSE, {"run": self._run})])
        except LogError as e:
            self._failing = str(e)
        if self._failing:
            log.error("the decision log was not closed in order: %s", self._failing)
        log.info("decision log closed; anchor %s", self.head)
        while self._flushes:
            _settle(self._flushes.popleft(), None)

    def _wait(self) -> None:
        """Sleep while there is nothing to do, then let a batch gather."""
        if self._failing:
            self._urgent.clear()
            self._urgent.wait(self._retry_s if not self._closing else _RETRY_S / 5)
            return
        if not self._is_busy():
            self._wake.clear()
            self._idle = True
            if not self._is_busy():
                self._wake.wait(_IDLE_S if self._pruning is None else _PRUNE_PAUSE_S)
            self._idle = False
        if not self._closing and len(self._queue) < BATCH:
            self._urgent.wait(self.settings.window_s)
        self._urgent.clear()

    def _is_busy(self) -> bool:
        return bool(self._queue or self._flushes or self._closing)

    def _once(self) -> None:
        """Write all that is there now, batch by batch; when nothing could be written before, try at least that this happened."""
        flushes = [self._flushes.popleft() for _ in range(len(self._flushes))]
        left = len(self._queue)
        while left > 0 or self._gap:
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            self._writing = len(batch)
            written = self._write(batch)
            self._writing = 0
            left -= len(batch)
            if not written:
                break
        for done in flushes:
            _settle(done, LogError(f"{_CANNOT}: {self._failing}") if self._failing else None)
        if not self._failing:
            self._look_after()

    def _write(self, batch: list[_Item]) -> bool:
        """Write one batch; tell whether that could be done."""
        try:
            found = self._record(batch)
        except LogError as e:
            self._fail(batch, str(e))
            return False
        except Exception:
            # A fault of ours in one entry must not keep the others out for ever.
            log.exception("an entry could not be written to the decision log")
            return self._one_by_one(batch)
        if self._failing:
            log.warning("decisions are recorded again")
            self._failing, self._retry_s = "", _RETRY_S
        for item in batch:
            if item.waiting is not None:
                _settle(item.waiting, None, found.get(id(item)))
        self._recorded += len(batch) - len(found)
        return True

    def _fail(self, batch: list[_Item], why: str) -> None:
        """Keep what was given out for the next try; refuse what was not."""
        if self._failing:
            self._retry_s = min(2 * self._retry_s, _MAX_RETRY_S)
        self._failing = why
        refuses = self.settings.when_full is WhenFull.REFUSE
        kept: list[_Item] = []
        refused: list[Waiting] = []
        # Those that came in before the fault was known wait no longer than the others.
        for item in [*batch, *[self._queue.popleft() for _ in range(len(self._queue))]]:
            if item.waiting is not None and (item.must or refuses):
                refused.append(item.waiting)
            else:
                kept.append(_Item(item.entry, None, must=False))
                if item.waiting is not None:
                    _settle(item.waiting, None, None)
        self._queue.extendleft(reversed(kept))
        # Noted before anybody hears of it, so that whoever asks after his refusal finds it counted.
        self._note_gap(0, len(refused), why)
        for waiting in refused:
            _settle(waiting, LogError(f"{_CANNOT}: {why}; no answer is given out without"))

    def _one_by_one(self, batch: list[_Item]) -> bool:
        for number, item in enumerate(batch):
            try:
                found = self._record([item])
            except LogError as e:
                self._fail(batch[number:], str(e))
                return False
            except Exception as e:
                log.exception("decision %s could not be recorded", item.entry.decision_id)
                why = str(e) if isinstance(e, UnfitError) else f"a fault of policybook: {type(e).__name__}"
                if item.waiting is not None and (item.must or self.settings.when_full is WhenFull.REFUSE):
                    self._note_gap(0, 1, why)
                    _settle(item.waiting, LogError(f"{_CANNOT}: {why}"))
                    continue
                self._note_gap(1, 0, why)
                if item.waiting is not None:
                    _settle(item.waiting, None, None)
            else:
                self._recorded += not found
                if item.waiting is not None:
                    _settle(item.waiting, None, found.get(id(item)))
        return True

    def _give_up(self) -> None:
        """Tell what is lost at the end."""
        lost = [i.entry.decision_id for i in self._queue]
        self._queue.clear()
        if lost:
            self._note_gap(len(lost), 0, self._failing or "the service ended")
            log.error("%d decisions were given out and are lost to the log: %s", len(lost), ", ".join(lost[:1000]))

    def _look_after(self) -> None:
        """Tell where the chain stands, and delete what is too old; each once an hour."""
        now = self._now()
        if abs((now - self._anchored_at).total_seconds()) >= _ANCHOR_S:
            self._anchored_at = now
            log.info("decision log: anchor %s", self.head)
        days = self.settings.keep_days
        if days and (self._pruned_at is None or abs((now - self._pruned_at).total_seconds()) >= _PRUNE_S):
            self._pruned_at = now
            self._pruning = pruning(self._backend, instant_text(now - timedelta(days=days)), now)
        if self._pruning is not None:
            # A piece at a time: decisions wait to be written meanwhile.
            try:
                if next(self._pruning, None) is None:
                    self._pruning = None
            except LogError as e:
                log.warning("old records could not be deleted: %s", e)
                self._pruning = None

    # ------------------------------------------------------------ writing

    def _record(self, batch: Sequence[_Item]) -> dict[int, Record]:
        """Append a batch in one transaction; return the earlier records of requests that were decided before, by id of the item."""
        rows: list[Values] = []
        texts: list[KeptBook] = []
        taken: dict[tuple[str, str], int] = {}
        again: dict[int, int | Record] = {}
        places: set[tuple[str, ...]] = set()
        prepared = [self._row(item.entry) for item in batch]
        gap = self._gap
        with self._backend.transaction() as at_once:
            if self._failing:
                self._kept = self._books(at_once)
            written = self._written_before(at_once, batch)
            known = self._known(at_once, batch)
            for item, (row, place) in zip(batch, prepared, strict=True):
                entry = item.entry
                if entry.decision_id in written:
                    continue
                asked = entry.is_once
                key = (clean(entry.request_id), clean(entry.caller))
                earlier = known.get(key, taken.get(key)) if asked else None
                if earlier is not None:
                    again[id(item)] = earlier
                    continue
                if place not in self._kept and place not in places:
                    places.add(place)
                    texts.append(KeptBook.of(entry.book, entry.beside))
                    rows.append(self._book_row(texts[-1]))
                if asked:
                    taken[key] = len(rows)
                rows.append(row)
            rows += self._gap_rows(gap)
            for text in texts:
                at_once.keep(text)
            head = append(at_once, rows)
        self.head = head
        self._kept |= places
        if gap:
            with self._gap_lock:
                since = self._gap
                new = _Gap(since.count - gap.count, since.refused - gap.refused, gap.last, since.last, since.why)
                self._gap = new if new.count or new.refused else _Gap()
        return {
            item: found if isinstance(found, Record) else Record(**dict(zip((*COLUMNS, "hash"), rows[found], strict=True)))
            for item, found in again.items()
        }

    def _append(self, rows: list[Values]) -> None:
        """Append records that are no decisions."""
        with self._backend.transaction() as at_once:
            kept = self._books(at_once)
            head = append(at_once, rows)
        self.head, self._kept = head, kept

    @staticmethod
    def _books(at_once: Transaction) -> set[tuple[str, ...]]:
        """Ask which books are kept: a database that was away may have been brought back from a copy."""
        return {tuple(row) for row in at_once.rows("SELECT version, calendar, clauses, clauses_lock FROM book")}

    @staticmethod
    def _known(at_once: Transaction, batch: Sequence[_Item]) -> Mapping[tuple[str, str], Record]:
        """Return the records that the request ids of a batch stand for already."""
        asked = [(clean(i.entry.request_id), clean(i.entry.caller)) for i in batch if i.entry.is_once]
        return at_once.known(asked) if asked else {}

    def _written_before(self, at_once: Transaction, batch: Sequence[_Item]) -> frozenset[str]:
        """Return the ids of a batch that are in the log although the attempt to write them failed: the answer to a commit got lost."""
        if not self._failing:
            return frozenset()
        return at_once.written([clean(i.entry.decision_id) for i in batch])

    def _row(self, entry: Entry) -> tuple[Values, tuple[str, ...]]:
        """Write a decision as a row; and say by what its book and the texts beside it are known as kept."""
        book, decision = entry.book, entry.decision
        masked = self.masks.of(book.name, entry.facts)
        facts = clean(facts_json(entry.facts, masked))
        name = f"{book.name}.{decision.name}"
        as_of_stated = as_of_text(entry.as_of_stated)
        fingerprint = ""
        if entry.request_id or masked:
            whole = facts_json(entry.facts) if masked else facts
            fingerprint = self.masks.fingerprint(name, whole, as_of_stated, entry.version_stated, secret=bool(masked))
        currency, fields = book.currency, decision.outputs
        decided_at = instant_text(entry.decided_at)
        row: Values = [
            0,
            "decision",
            decided_at,
            clean(entry.decision_id),
            clean(entry.caller),
            entry.purpose.value,
            name,
            clean(entry.request_id),
            fingerprint,
            facts,
            as_of_stated,
            entry.version_stated,
            book.version,
            entry.as_of.isoformat(),
            decided_at if entry.now is entry.decided_at else instant_text(entry.now),
            entry.trace.value,
            entry.outcome,
            outputs_json(entry.outputs, fields, currency),
            items_json(entry.items, fields, currency) if entry.items else "[]",
            _row_ids([r.id for r in entry.selected]),
            entry.elapsed_ns,
            clean(entry.more),
            b"",
            b"",
        ]
        return row, self._place(entry)

    def _place(self, entry: Entry) -> tuple[str, ...]:
        key = id(entry.book)
        found = self._rendered.get(key)
        if found is None or found[0] is not entry.book:
            if len(self._rendered) > 256:
                self._rendered.clear()
            found = self._rendered[key] = (entry.book, self._place_of(KeptBook.of(entry.book, entry.beside)))
        return found[1]

    @staticmethod
    def _place_of(book: KeptBook) -> tuple[str, ...]:
        digests = book.digests
        return (book.version, digests["calendar"], digests["clauses"], digests["clauses_lock"])

    def _book_row(self, book: KeptBook) -> Values:
        told_of = {"policy": book.policy, "file": book.file, **book.digests}
        row = self._other(Kind.BOOK, told_of)
        row[COLUMNS.index("version")] = book.version
        return row

    def _opening(self) -> Values:
        masks = sorted(self.masks.names)
        told_of = {
            "run": self._run,
            "policybook": version("policybook"),
            "host": socket.gethostname(),
            "process": os.getpid(),
            "when_full": self.settings.when_full.value,
            "masked": masks,
            "mask_key": self.masks.key_id if self.masks.key else "",
        }
        return self._other(Kind.OPEN, told_of)

    def _gap_rows(self, gap: _Gap) -> list[Values]:
        return [self._other(Kind.GAP, asdict(gap))] if gap else []

    def _other(self, kind: Kind, told_of: Mapping[str, object]) -> Values:
        return other_row(kind, told_of, self._now())


def _row_ids(ids: list[str]) -> str:
    # Ids of rows are plain words: nothing in them needs an escape.
    return '["' + '","'.join(ids) + '"]' if ids else "[]"


def _settle(future: Future[Any], error: Exception | None, result: object = None) -> None:
    # Whoever waited may have gone.
    with contextlib.suppress(InvalidStateError):
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

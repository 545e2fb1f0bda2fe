"""Challengers: versions that decide beside those in service. What they come to is compared and recorded, and never given out.

A challenger decides in a thread of its own, from a bounded queue, after the answer: no caller waits for it, and none is refused because of
it. What there is no room for is counted as skipped.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from policybook.audit.canonical import items_json, outputs_json
from policybook.audit.entry import REFUSED, Entry, Purpose
from policybook.desk import Counts, Desk, Request
from policybook.errors import LogError, PolicybookError, UnknownNameError
from policybook.model.answer import Answer, TraceLevel
from policybook.store.versions import Edition, Store

log = logging.getLogger("policybook.challenge")

QUEUE = 10_000
# So many are decided together.
PART = 1_000
MAX_DESKS = 32
_CLOSE_S = 5.0


@dataclass(frozen=True, slots=True)
class _Offer:
    """A decision to be challenged, by what was in service then."""

    request: Request
    answer: Answer
    now: datetime
    challenger: Edition


class Challengers:
    """Decides beside a desk. Make it, give it to the desk as its `beside`, `close` it before the log.

    Args:
        served: the versions in service and before: a request may name any of them
        challengers: those that decide beside the newest of their policy without being asked for
    """

    def __init__(
        self, served: Store, challengers: Store, *, now: Callable[[], datetime], new_id: Callable[[], str], queue: int = QUEUE
    ) -> None:
        self._served = served
        self._challengers = challengers
        self._now = now
        self._new_id = new_id
        self._room = queue
        self._queue: deque[_Offer] = deque()
        self._counts: dict[tuple[str, str], Counts] = {}
        self._counting = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._told: set[tuple[str, str]] = set()
        self._desks: dict[str, Desk] = {}
        self._desk: Desk | None = None
        self._thread: threading.Thread | None = None

    def watch(self, desk: Desk) -> None:
        """Decide beside a desk from now on."""
        self._desk = desk
        desk.beside = self

    def watches(self, policy: str) -> bool:
        """Tell whether decisions of a policy have a challenger without asking for one."""
        return self._challengers.newest(policy) is not None

    def check(self, policy: str, version: str) -> None:
        """Find out whether a version can challenge.

        Raises:
            UnknownNameError: there is no such version, or it is another policy's
        """
        self._edition(policy, version)

    def offer(self, request: Request, answer: Answer, now: datetime) -> None:
        """Take a decision that was given out; it never fails and never waits.

        Args:
            now: the instant as of which it was decided
        """
        try:
            challenger = self._edition(answer.policy, request.challenger) if request.challenger else self._challengers.newest(answer.policy)
        except PolicybookError:
            return
        if challenger is None or challenger.version == answer.version:
            return
        if len(self._queue) >= self._room or self._closing:
            self._count(challenger, skipped=1)
            return
        self._queue.append(_Offer(request, answer, now, challenger))
        self._wake.set()
        if self._thread is None:
            self._begin()

    def counts(self) -> tuple[Counts, ...]:
        """Return how decisions compare, by policy and version of the challenger."""
        with self._counting:
            return tuple(self._counts[key] for key in sorted(self._counts))

    def close(self) -> None:
        """Compare what is left, for some seconds at most, and end."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_S)
        for c in self.counts():
            log.info(
                "challenger of `%s` %s: %d compared, %d different, %d of them refused, %d skipped",
                c.policy, c.version[:12], c.compared, c.different, c.refused, c.skipped,
            )  # fmt: skip

    # ------------------------------------------------------------ which

    def _edition(self, policy: str, version: str) -> Edition:
        for store in (self._challengers, self._served):
            try:
                return store.edition(policy, version)
            except PolicybookError:
                continue
        known = [v[:8] for store in (self._challengers, self._served) for v in _versions(store, policy)]
        raise UnknownNameError("challenger version", version, tuple(known[:1]))

    # ------------------------------------------------------------ the thread

    def _begin(self) -> None:
        with self._counting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="policybook-challenge", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._queue:
                part = [self._queue.popleft() for _ in range(min(PART, len(self._queue)))]
                try:
                    self._challenge(part)
                except Exception:
                    # A fault of ours; the decisions themselves were given out long ago.
                    log.exception("challengers could not decide")
            if self._closing:
                return

    def _challenge(self, part: Sequence[_Offer]) -> None:
        by_version: dict[str, list[_Offer]] = {}
        for offer in part:
            by_version.setdefault(offer.challenger.version, []).append(offer)
        for version, offers in by_version.items():
            requests = [_again(offer) for offer in offers]
            made = self._desk_of(version, offers[0].challenger).take_many(requests)
            for offer, request, taken in zip(offers, requests, made, strict=True):
                self._compare(offer, request, taken if isinstance(taken, PolicybookError) else taken.answer)

    def _desk_of(self, version: str, challenger: Edition) -> Desk:
        """Return a desk of one version alone, which records nothing."""
        found = self._desks.get(version)
        if found is None:
            # Old versions of edited challengers would otherwise stay for ever.
            if len(self._desks) >= MAX_DESKS:
                self._desks.clear()
            store = Store()
            store.publish(challenger)
            found = self._desks[version] = Desk(store, now=self._now, new_id=self._new_id)
        return found

    def _compare(self, offer: _Offer, request: Request, made: Answer | PolicybookError) -> None:
        challenger = offer.challenger
        if isinstance(made, PolicybookError):
            name = type(made).__name__.removesuffix("Error")
            self._count(challenger, compared=1, different=1, refused=1)
            if (key := (request.decision, name)) not in self._told:
                self._told.add(key)
                log.warning("challenger %s refuses requests of `%s`: %s", challenger.version[:12], request.decision, name)
            self._record(offer, request, None, {"refused": name})
            return
        differs = _differences(offer.answer, made)
        # Other rows that come to the same are told, and are no difference.
        self._count(challenger, compared=1, different=int(bool(differs.keys() - {"rows"})))
        if differs:
            self._record(offer, request, made, differs)

    def _record(self, offer: _Offer, request: Request, made: Answer | None, differs: Mapping[str, object]) -> None:
        desk, challenger, served = self._desk, offer.challenger, offer.answer
        if desk is None or not desk.log.is_on:
            return
        if desk.log.is_behind:
            # Room in the log is for what was given out.
            self._count(challenger, skipped=1)
            return
        told = {"challenges": served.decision_id, "served_version": served.version, "differs": differs}
        entry = Entry(
            decision_id=made.decision_id if made else self._new_id(),
            decided_at=served.decided_at,
            caller=request.caller,
            purpose=Purpose.CHALLENGE,
            request_id="",
            facts=request.facts,
            as_of_stated=offer.request.as_of,
            version_stated=offer.request.challenger,
            book=challenger.book,
            beside=challenger.texts,
            decision=made.decision if made else served.decision,
            as_of=made.as_of if made else served.as_of,
            now=offer.now,
            trace=TraceLevel.NONE,
            outcome=made.outcome.value if made else REFUSED,
            outputs=made.outputs if made else {},
            items=made.items if made else (),
            selected=made.selected if made else (),
            elapsed_ns=made.elapsed_ns if made else 0,
            more=json.dumps(told, ensure_ascii=False, separators=(",", ":"), sort_keys=True),
        )
        try:
            desk.log.put(entry)
        except LogError:
            self._count(challenger, skipped=1)

    def _count(self, challenger: Edition, **more: int) -> None:
        key = (challenger.name, challenger.version)
        with self._counting:
            found = self._counts.get(key) or Counts(*key)
            self._counts[key] = replace(found, **{name: getattr(found, name) + count for name, count in more.items()})


def _again(offer: _Offer) -> Request:
    """Ask the same of the challenger, as of the same moment, whatever the clock says meanwhile."""
    as_of = offer.request.as_of or offer.now
    return replace(offer.request, as_of=as_of, version="", request_id="", challenger="", trace=TraceLevel.NONE, purpose=Purpose.CHALLENGE)


def _differences(served: Answer, made: Answer) -> dict[str, list[object]]:
    """Return what two answers have not in common: name -> [as served, as the challenger has it], as JSON."""
    was, comes = _plain(served), _plain(made)
    return {name: [was[name], comes[name]] for name in was if was[name] != comes[name]}


def _plain(answer: Answer) -> dict[str, object]:
    return {
        "outcome": answer.outcome.value,
        "outputs": json.loads(outputs_json(answer.outputs, answer.output_fields, answer.currency)),
        "items": json.loads(items_json(answer.items, answer.output_fields, answer.currency)),
        "rows": [row.id for row in answer.selected],
    }


def _versions(store: Store, policy: str) -> tuple[str, ...]:
    return tuple(edition.version for edition in store.editions() if edition.name == policy)

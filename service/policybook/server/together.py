"""Requests that came together: sorted by what they ask, decided by columns where the log wants no answer of each, encoded in one go.

INVARIANT: each is answered what `Decide` answers it alone; what is not plain is read, decided and refused as it is there.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeAlias

from policybook.audit.entry import Record
from policybook.desk import MAX_REQUEST_ID, MIN_TOGETHER, Counter, Desk, Request, Taken
from policybook.errors import PolicybookError
from policybook.model.facts import RawFacts
from policybook.server import convert, wire
from policybook.server.answers import Alike, Printer
from policybook.server.limits import Limits
from policybook.server.status import reason_of, status_of
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import trace_pb2 as trace_pb

RESPONSE = wire.tag(pb.DecideResult, "response")
ERROR = wire.tag(pb.DecideResult, "error")

Message: TypeAlias = pb.DecideRequest

# Requests that are decided together: at first, and at the least and the most once it is known how long they take.
FIRST_TOGETHER = 64
LEAST_TOGETHER = 16
MOST_TOGETHER = 2_048


@dataclass(frozen=True, slots=True)
class Late:
    """An answer that waits to be recorded."""

    taken: Taken
    kept: Future[Record | None]
    language: str


# A DecideResult with its tag, or what it will be made of.
Made: TypeAlias = "bytes | Late"


@dataclass(slots=True)
class _Group:
    """Requests that ask the same but for their facts and ids.

    Args:
        asked: what they have in common
    """

    asked: Request
    language: str
    places: list[int] = field(default_factory=list)
    facts: list[RawFacts] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)


def refused(before: bytes, error: Exception, decision: str = "", counter: Counter | None = None) -> bytes:
    """Encode why there is no answer, as a DecideResult whose tag is `before`; count it."""
    status = status_of(error, decision)
    if counter is not None:
        counter.refused(reason_of(status))
    # INVARIANT: an ItemError is field for field a google.rpc.Status, so its bytes are the same.
    return wire.part(before, wire.part(ERROR, status.SerializeToString()))


def fitting(size: int, count: int, seconds: float, turn_s: float) -> int:
    """Return how many requests fit a turn, as far as the last `count` of them tell; `size` is what was thought so far."""
    if count < LEAST_TOGETHER:
        return size
    return max(LEAST_TOGETHER, min(MOST_TOGETHER, int(count * turn_s / max(seconds, 1e-6)), 4 * size))


class Parts:
    """Parts a batch into what is decided in one go: requests that follow each other; one with a full trace alone.

    As many go together as one turn allows, by what the last ones took.
    """

    def __init__(self, messages: Sequence[Message], turn_s: float) -> None:
        self._messages = messages
        self._turn_s = turn_s
        self._size = FIRST_TOGETHER

    def took(self, count: int, seconds: float) -> None:
        """Learn how long a part took."""
        self._size = fitting(self._size, count, seconds, self._turn_s)

    def __iter__(self) -> Iterator[Sequence[Message]]:
        part: list[Message] = []
        for message in self._messages:
            if message.trace_level != trace_pb.TRACE_LEVEL_FULL:
                part.append(message)
                if len(part) < self._size:
                    continue
            if part:
                yield part
            if message.trace_level == trace_pb.TRACE_LEVEL_FULL:
                yield (message,)
            part = []
        if part:
            yield part


@dataclass(slots=True)
class _Share:
    """What one stream asks in a turn: the messages, and where their results are awaited."""

    desk: Desk
    caller: str
    messages: Sequence[Message]
    made: asyncio.Future[list[Made]]


class Turns:
    """Decides together what comes on several streams at about the same time: all that is there when the loop comes round.

    Nobody waits for others to come: what has come is decided at the next turn of the loop, and a lone request too.

    Args:
        decide: answers messages of one caller
        turn_s: how long may be decided before others get their turn
    """

    def __init__(self, decide: Callable[[Desk, Sequence[Message], str], list[Made]], turn_s: float) -> None:
        self._decide = decide
        self._turn_s = turn_s
        self._size = FIRST_TOGETHER
        self._shares: deque[_Share] = deque()

    async def results(self, desk: Desk, messages: Sequence[Message], caller: str) -> list[Made]:
        """Answer messages of one stream, in their order."""
        loop = asyncio.get_running_loop()
        share = _Share(desk, caller, messages, loop.create_future())
        self._shares.append(share)
        if len(self._shares) == 1:
            loop.call_soon(self._turn)
        return await share.made

    def _turn(self) -> None:
        taken: dict[tuple[int, str], list[_Share]] = {}
        count = 0
        while self._shares and (not count or count + len(self._shares[0].messages) <= self._size):
            share = self._shares.popleft()
            if not share.made.done():
                taken.setdefault((id(share.desk), share.caller), []).append(share)
                count += len(share.messages)
        if self._shares:
            asyncio.get_running_loop().call_soon(self._turn)
        began = time.perf_counter()
        for shares in taken.values():
            self._answer(shares)
        self._size = fitting(self._size, count, time.perf_counter() - began, self._turn_s)

    def _answer(self, shares: Sequence[_Share]) -> None:
        first = shares[0]
        try:
            made = self._decide(first.desk, [m for s in shares for m in s.messages], first.caller)
        except Exception as e:  # noqa: BLE001 - whoever waits is told
            for share in shares:
                share.made.set_exception(e)
            return
        start = 0
        for share in shares:
            end = start + len(share.messages)
            share.made.set_result(made[start:end])
            start = end


class Together:
    """Answers requests of one caller that came together. Made for each turn; holds nothing from one to the next.

    Args:
        before: the tag of a DecideResult where the results are to stand
    """

    def __init__(self, desk: Desk, printer: Printer, limits: Limits, caller: str, before: bytes) -> None:
        self._desk = desk
        self._printer = printer
        self._limits = limits
        self._caller = caller
        self._before = before
        self._made: dict[int, Made] = {}

    def results(self, messages: Sequence[Message]) -> list[Made]:
        """Answer requests, in their order."""
        groups, others = self._groups(messages)
        alone: list[tuple[int, Request, str]] = []
        for group in groups:
            if not self._by_columns(group):
                asked = group.asked
                alone += [
                    (place, _with(asked, facts, request_id), group.language)
                    for place, facts, request_id in zip(group.places, group.facts, group.ids, strict=True)
                ]
        alone += self._read(messages, others)
        # The log keeps them in the order in which they came.
        alone.sort(key=_place)
        self._take(messages, alone)
        made = self._made
        return [made[place] for place in range(len(messages))]

    # ------------------------------------------------------------ reading

    def _groups(self, messages: Sequence[Message]) -> tuple[list[_Group], list[int]]:
        """Sort requests by what they ask; also returns the places of those that are to be read by themselves."""
        known: dict[tuple[object, ...], _Group | None] = {}
        others: list[int] = []
        reader = convert.FactReader(self._limits)
        for place, message in enumerate(messages):
            stated = message.WhichOneof("as_of")
            if stated == "as_of_time":
                others.append(place)
                continue
            key = (
                message.decision,
                message.trace_level,
                message.policy_version,
                message.language,
                message.challenger_version,
                message.as_of_date if stated else None,
            )
            try:
                group = known[key]
            except KeyError:
                group = known[key] = self._group(message)
            request_id = message.request_id
            if group is None or len(request_id) > MAX_REQUEST_ID:
                others.append(place)
                continue
            facts = reader.plain(message.facts)
            if facts is None:
                others.append(place)
                continue
            group.places.append(place)
            group.facts.append(facts)
            group.ids.append(request_id)
        return [g for g in known.values() if g is not None], others

    def _group(self, message: Message) -> _Group | None:
        """Begin a group; None where what its requests have in common is wrong, and each is told so by itself."""
        try:
            return _Group(convert.read_head(message, self._limits, self._caller), convert.language_of(message.language))
        except PolicybookError:
            return None

    def _read(self, messages: Sequence[Message], places: Sequence[int]) -> list[tuple[int, Request, str]]:
        read = []
        for place in places:
            message = messages[place]
            try:
                language = convert.language_of(message.language)
                request, faults = convert.read_request(message, self._limits, self._caller)
                if faults:
                    raise convert.faulty(self._desk, request, faults)
            except Exception as e:  # noqa: BLE001 - every fault becomes the item's error
                self._made[place] = refused(self._before, e, message.decision, self._desk.counter)
            else:
                read.append((place, request, language))
        return read

    # ------------------------------------------------------------ deciding

    def _by_columns(self, group: _Group) -> bool:
        """Answer a group without making a request and an answer of each; tells whether that was done."""
        if len(group.places) < MIN_TOGETHER:
            return False
        try:
            sheet = self._desk.sheet(group.asked, group.facts)
            if sheet is None:
                return False
            encoded = self._printer.sheet(sheet, group.ids, group.language, (self._before, RESPONSE))
        except Exception as e:  # noqa: BLE001 - a fault of ours is the fault of each, and does not end the call
            for place in group.places:
                self._made[place] = refused(self._before, e, group.asked.decision, self._desk.counter)
            return True
        self._made.update(zip(group.places, encoded, strict=True))
        for row, error in sheet.errors.items():
            self._made[group.places[row]] = refused(self._before, error, group.asked.decision, self._desk.counter)
        return True

    def _take(self, messages: Sequence[Message], asked: Sequence[tuple[int, Request, str]]) -> None:
        alike, before = Alike(self._printer), self._before
        for (place, _, language), taken in zip(asked, _taken(self._desk, [request for _, request, _ in asked]), strict=True):
            try:
                if isinstance(taken, Exception):
                    raise taken
                if taken.kept is None:
                    self._made[place] = wire.part(before, wire.part(RESPONSE, alike.response(taken.answer, language)))
                else:
                    self._made[place] = Late(taken, taken.kept, language)
            except Exception as e:  # noqa: BLE001 - every fault becomes the item's error
                self._made[place] = refused(before, e, messages[place].decision, self._desk.counter)


def _place(one: tuple[int, Request, str]) -> int:
    return one[0]


def _with(asked: Request, facts: RawFacts, request_id: str) -> Request:
    # `dataclasses.replace` takes twice as long.
    return Request(
        decision=asked.decision,
        facts=facts,
        request_id=request_id,
        as_of=asked.as_of,
        version=asked.version,
        trace=asked.trace,
        caller=asked.caller,
        challenger=asked.challenger,
    )


def _taken(desk: Desk, requests: Sequence[Request]) -> Sequence[Taken | Exception]:
    try:
        return desk.take_many(requests)
    except Exception as e:  # noqa: BLE001 - a fault of ours is the fault of each, and does not end the call
        return [e] * len(requests)

"""Streams: what has come meanwhile goes together, across streams too, and each message is answered as Decide answers it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from contract.calls import Calls, order
from contract.test_batches import ASKED, plain
from policybook.server.inbox import Inbox
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import trace_pb2


def outcome_alone(calls: Calls, request: pb.DecideRequest) -> tuple[int, str, pb.DecideResponse | None]:
    try:
        return 0, "", plain(calls.decisions.Decide(request, timeout=10))
    except grpc.RpcError as e:
        return e.code().value[0], e.details() or "", None


def outcome_of(result: pb.DecideResult) -> tuple[int, str, pb.DecideResponse | None]:
    if result.HasField("response"):
        return 0, "", plain(result.response)
    return result.error.code, result.error.message, None


def test_several_streams_at_once_are_answered_as_each_request_is_alone(calls: Calls) -> None:
    wanted = [outcome_alone(calls, request) for request in ASKED]
    results: dict[int, list[pb.DecideResult]] = {}

    def ask(turn: int) -> None:
        asked = [*ASKED[turn:], *ASKED[:turn]] * 3
        streamed = calls.decisions.StreamDecide((pb.StreamDecideRequest(request=r) for r in asked), timeout=60)
        results[turn] = [s.result for s in streamed]

    threads = [threading.Thread(target=ask, args=(turn,)) for turn in range(0, 20, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = set()
    for turn, got in results.items():
        assert [outcome_of(r) for r in got] == [*wanted[turn:], *wanted[:turn]] * 3
        ids |= {r.response.decision_id for r in got if r.HasField("response")}
    assert len(results) == 5
    assert len(ids) == sum(r.HasField("response") for got in results.values() for r in got)


def test_one_that_ends_in_the_middle_spoils_none(calls: Calls) -> None:
    """A stream whose caller goes away while its messages are decided together with those of others."""
    none = trace_pb2.TRACE_LEVEL_NONE
    go = threading.Event()

    def requests(count: int) -> Iterator[pb.StreamDecideRequest]:
        for i in range(count):
            yield pb.StreamDecideRequest(request=order(str(i % 200), request_id=str(i), trace_level=none))
        go.wait(20)

    leaving = calls.decisions.StreamDecide(requests(500), timeout=30)
    staying = calls.decisions.StreamDecide(requests(500), timeout=30)
    next(leaving)
    leaving.cancel()
    ids = [next(staying).result.response.request_id for _ in range(500)]
    go.set()
    assert ids == [str(i) for i in range(500)]
    assert list(staying) == []


# ---------------------------------------------------------------- what is read ahead


class Sent:
    """Messages that a caller has sent, as the transport hands them over; then `end`."""

    def __init__(self, messages: list[bytes], end: Any = grpc.aio.EOF) -> None:
        self.messages = messages
        self.end = end
        self.read_so_far = 0

    async def read(self) -> Any:
        await asyncio.sleep(0)
        if self.read_so_far == len(self.messages):
            if isinstance(self.end, BaseException):
                raise self.end
            return self.end
        self.read_so_far += 1
        return self.messages[self.read_so_far - 1]


async def settled(turns: int = 50) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("most", "most_bytes", "ahead"), [(4, 10**6, 4), (100, 25, 3), (100, 1, 1)])
def test_no_more_is_read_than_may_wait(most: int, most_bytes: int, ahead: int) -> None:
    async def run() -> None:
        sent = Sent([b"x" * 10] * 10)
        inbox = Inbox(sent.read, most_bytes, most)
        await settled()
        assert sent.read_so_far == ahead
        assert len(await inbox.take()) == ahead
        await settled()
        assert sent.read_so_far == 2 * ahead
        inbox.close()

    asyncio.run(run())


def test_all_is_taken_once_and_in_order() -> None:
    async def run() -> None:
        sent = Sent([str(i).encode() for i in range(100)])
        inbox = Inbox(sent.read, 10**6, 7)
        taken: list[bytes] = []
        while came := await inbox.take():
            taken += came
            await settled(len(taken) % 5)
        assert taken == sent.messages
        assert await inbox.take() == []

    asyncio.run(run())


def test_what_came_before_a_fault_is_taken_first() -> None:
    async def run() -> None:
        inbox = Inbox(Sent([b"a", b"b"], OSError("gone")).read, 10**6)
        await settled()
        assert await inbox.take() == [b"a", b"b"]
        for _ in range(2):
            with pytest.raises(OSError, match="gone"):
                await inbox.take()

    asyncio.run(run())


def test_a_message_that_comes_late_is_waited_for_and_taken_alone() -> None:
    async def run() -> None:
        came: asyncio.Queue[Any] = asyncio.Queue()
        inbox = Inbox(came.get, 10**6)
        for message in (b"a", b"b"):
            waiting = asyncio.create_task(inbox.take())
            await settled()
            assert not waiting.done()
            came.put_nowait(message)
            assert await waiting == [message]
        came.put_nowait(grpc.aio.EOF)
        assert await inbox.take() == []

    asyncio.run(run())

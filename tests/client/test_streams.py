"""Streams: order, errors of the source, overdue answers, leaving early."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import grpc
import pytest

import policybook_client as client
from policybook_client import AsyncPolicybookClient, Decision, DecisionRequest, PolicybookClient

SOON = timedelta(milliseconds=300)


def ask(number: int) -> DecisionRequest:
    return DecisionRequest(decision="a.b", request_id=str(number))


def test_answers_come_in_order(fake: Any, either: Any) -> None:
    with either(fake.target) as asker:
        results = list(asker.decide_stream(ask(n) for n in range(500)))
    assert [result.request_id for result in results] == [str(n) for n in range(500)]


def test_an_empty_stream_has_no_answers(fake: Any, either: Any) -> None:
    with either(fake.target) as asker:
        assert list(asker.decide_stream([])) == []


def test_one_bad_item_spoils_no_other(fake: Any, kit: Any, either: Any) -> None:
    def each(requests: Iterator[Any], _: Any) -> Iterator[Any]:
        for number, request in enumerate(requests):
            good = kit.pb.DecideResult(response=kit.decided(request.request))
            bad = kit.item_error(grpc.StatusCode.NOT_FOUND, "no decision `x`")
            yield kit.pb.StreamDecideResponse(result=bad if number == 1 else good)

    fake.answers["StreamDecide"] = each
    with either(fake.target) as asker:
        results = list(asker.decide_stream(map(ask, range(3))))
    assert [type(result) for result in results] == [Decision, client.NotFoundError, Decision]


def test_answers_come_while_requests_are_being_made(fake: Any) -> None:
    seen: list[str] = []
    answered = threading.Semaphore(0)

    def source() -> Iterator[DecisionRequest]:
        yield ask(0)
        for number in (1, 2):
            assert answered.acquire(timeout=5)
            yield ask(number)

    with PolicybookClient(fake.target) as asker:
        for result in asker.decide_stream(source()):
            assert isinstance(result, Decision)
            seen.append(result.request_id)
            answered.release()
    assert seen == ["0", "1", "2"]


def test_answers_of_asyncio_come_while_requests_are_being_made(fake: Any) -> None:
    async def main() -> list[str]:
        seen: list[str] = []
        answered = asyncio.Semaphore(0)

        async def source() -> AsyncIterator[DecisionRequest]:
            yield ask(0)
            for number in (1, 2):
                await asyncio.wait_for(answered.acquire(), 5)
                yield ask(number)

        async with AsyncPolicybookClient(fake.target) as asker:
            async for result in asker.decide_stream(source()):
                assert isinstance(result, Decision)
                seen.append(result.request_id)
                answered.release()
        return seen

    assert asyncio.run(main()) == ["0", "1", "2"]


class SourceError(Exception):
    pass


def test_an_error_of_the_source_is_raised_after_the_answers_before_it(fake: Any, either: Any) -> None:
    def source() -> Iterator[DecisionRequest]:
        yield ask(0)
        yield ask(1)
        raise SourceError("the file ends here")

    with PolicybookClient(fake.target) as asker:
        stream = asker.decide_stream(source())
        assert [str(getattr(next(stream), "request_id", "")) for _ in range(2)] == ["0", "1"]
        with pytest.raises(SourceError, match="the file ends here"):
            next(stream)
    with either(fake.target) as asker, pytest.raises(SourceError, match="the file ends here"):
        list(asker.decide_stream(source()))


def test_a_request_that_cannot_be_sent_is_named(fake: Any, either: Any) -> None:
    requests = [ask(0), DecisionRequest(decision="a.b", facts={"x": 0.5})]  # type: ignore[dict-item]
    with either(fake.target) as asker, pytest.raises(TypeError, match=r"requests\[1\].facts.x: float 0.5 is not exact"):
        list(asker.decide_stream(requests))


def test_what_is_no_iterable_is_refused_at_once(fake: Any, either: Any) -> None:
    with either(fake.target) as asker, pytest.raises(TypeError, match="not iterable"):
        list(asker.decide_stream(5))


def test_a_broken_stream_raises_its_status(fake: Any, kit: Any, either: Any) -> None:
    def each(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        yield kit.pb.StreamDecideResponse(result=kit.pb.DecideResult(response=kit.decided(next(requests).request)))
        kit.refuse(context, grpc.StatusCode.UNAVAILABLE, "going down")

    fake.answers["StreamDecide"] = each
    # Many times: whether the status or the failed write comes first is a race.
    for number in range(1, 100):
        with either(fake.target) as asker, pytest.raises(client.UnavailableError, match="going down"):
            list(asker.decide_stream(map(ask, range(40))))
        assert len(fake.requests) == number


def test_a_stream_that_ends_early_is_an_error(fake: Any, kit: Any, either: Any) -> None:
    def each(requests: Iterator[Any], _context: Any) -> Iterator[Any]:
        first, _second, _third = (next(requests) for _ in range(3))
        yield kit.pb.StreamDecideResponse(result=kit.pb.DecideResult(response=kit.decided(first.request)))

    fake.answers["StreamDecide"] = each
    with either(fake.target) as asker, pytest.raises(client.InternalError, match="1 answers to 3 requests"):
        list(asker.decide_stream(map(ask, range(3))))
    for _ in range(100):
        with either(fake.target) as asker, pytest.raises(client.InternalError, match=r"1 answers to \d+ requests"):
            list(asker.decide_stream(map(ask, range(40))))


def test_a_stream_that_ends_between_two_requests_is_an_error(fake: Any, kit: Any, either: Any) -> None:
    answered = threading.Event()

    def each(requests: Iterator[Any], _context: Any) -> Iterator[Any]:
        yield kit.pb.StreamDecideResponse(result=kit.pb.DecideResult(response=kit.decided(next(requests).request)))
        answered.set()

    def source() -> Iterator[DecisionRequest]:
        yield ask(0)
        assert answered.wait(5)
        time.sleep(0.2)
        yield ask(1)

    fake.answers["StreamDecide"] = each
    for _ in range(5):
        answered.clear()
        with either(fake.target) as asker, pytest.raises(client.InternalError, match="before the requests did|1 answers to 2 requests"):
            list(asker.decide_stream(source()))


def test_an_overdue_answer_ends_the_stream(fake: Any, kit: Any, either: Any) -> None:
    released = threading.Event()

    def each(requests: Iterator[Any], _: Any) -> Iterator[Any]:
        yield kit.pb.StreamDecideResponse(result=kit.pb.DecideResult(response=kit.decided(next(requests).request)))
        released.wait(10)

    fake.answers["StreamDecide"] = each
    with either(fake.target, timeout=SOON) as asker:
        begun = time.monotonic()
        with pytest.raises(client.DeadlineExceededError, match=f"no answer from {fake.target} within 0.3 s"):
            list(asker.decide_stream(map(ask, range(2))))
        assert 0.25 < time.monotonic() - begun < 3
    released.set()


def test_neither_a_slow_source_nor_a_slow_reader_is_overdue(fake: Any) -> None:
    def source() -> Iterator[DecisionRequest]:
        yield ask(0)
        time.sleep(0.5)
        yield ask(1)

    with PolicybookClient(fake.target) as asker:
        results = []
        for result in asker.decide_stream(source(), timeout=timedelta(milliseconds=200)):
            time.sleep(0.5)
            results.append(result)
    assert len(results) == 2


def test_neither_a_slow_source_nor_a_slow_reader_is_overdue_in_asyncio(fake: Any) -> None:
    async def source() -> AsyncIterator[DecisionRequest]:
        yield ask(0)
        await asyncio.sleep(0.5)
        yield ask(1)

    async def main() -> int:
        count = 0
        async with AsyncPolicybookClient(fake.target) as asker:
            async for _ in asker.decide_stream(source(), timeout=timedelta(milliseconds=200)):
                await asyncio.sleep(0.5)
                count += 1
        return count

    assert asyncio.run(main()) == 2


def test_leaving_the_loop_ends_the_stream(fake: Any, kit: Any) -> None:
    ended = threading.Event()

    def each(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        context.add_callback(ended.set)
        for request in requests:
            yield kit.pb.StreamDecideResponse(result=kit.pb.DecideResult(response=kit.decided(request.request)))

    fake.answers["StreamDecide"] = each
    with PolicybookClient(fake.target) as asker:
        for result in asker.decide_stream(map(ask, itertools.count())):
            assert isinstance(result, Decision)
            break
        assert ended.wait(5)


def test_leaving_the_loop_of_asyncio_ends_the_stream(fake: Any, kit: Any) -> None:
    ended = threading.Event()

    def each(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        context.add_callback(ended.set)
        for request in requests:
            yield kit.pb.StreamDecideResponse(result=kit.pb.DecideResult(response=kit.decided(request.request)))

    fake.answers["StreamDecide"] = each

    async def main() -> None:
        async with AsyncPolicybookClient(fake.target) as asker:
            async with contextlib.aclosing(asker.decide_stream(map(ask, itertools.count()))) as results:
                async for _ in results:
                    break
            assert await asyncio.to_thread(ended.wait, 5)

    asyncio.run(main())


def test_a_cancelled_task_cancels_its_stream_and_its_call(fake: Any, kit: Any) -> None:
    ended = threading.Semaphore(0)
    released = threading.Event()

    def never(_: Any, context: grpc.ServicerContext) -> Any:
        context.add_callback(ended.release)
        released.wait(10)
        return kit.decided(kit.pb.DecideRequest())

    def never_each(requests: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        never(requests, context)
        return iter(())

    fake.answers |= {"Decide": never, "StreamDecide": never_each}

    async def stream(asker: AsyncPolicybookClient) -> None:
        async for _ in asker.decide_stream([ask(0)]):
            pass

    async def main() -> None:
        async with AsyncPolicybookClient(fake.target) as asker:
            for waiting in (asker.decide("a.b", {}), stream(asker)):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(waiting, 0.3)
                assert await asyncio.to_thread(ended.acquire, timeout=5)

    asyncio.run(main())
    released.set()

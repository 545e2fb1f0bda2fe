"""The asyncio client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import grpc
import grpc.aio

from policybook_client import _read, _records, _rpc
from policybook_client._rpc import ClientOptions, Metadata, RetryPolicy, Token
from policybook_client._status import error_of_call, unreadable
from policybook_client.catalog import CheckReport, DecisionDefinition, Health, Policy
from policybook_client.decision import Decision, DecisionRequest, TraceLevel
from policybook_client.errors import DeadlineExceededError, PolicybookError, UnavailableError
from policybook_client.explanation import Explanation
from policybook_client.records import DecisionRecord, LogStatus, RecordFilter, Reevaluation
from policybook_client.values import Fact

__all__ = ["AsyncPolicybookClient"]

T = TypeVar("T")

_READY_TIMEOUT = timedelta(seconds=10)
_READY_POLL_S = 0.1


class AsyncPolicybookClient:
    """Asks a policybook service from asyncio; the methods are those of `PolicybookClient`.

    One client holds one connection, belongs to the event loop of its first call, and may be used by many tasks. Close
    it, or use it in an `async with` statement.
    """

    def __init__(
        self,
        target: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        token: Token | None = None,
        insecure: bool = False,
        timeout: timedelta = _rpc.DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = _rpc.DEFAULT_RETRY,
        keepalive: timedelta | None = _rpc.DEFAULT_KEEPALIVE,
        max_message_bytes: int = _rpc.DEFAULT_MAX_MESSAGE_BYTES,
        metadata: Metadata = (),
        language: str = "en",
        trace: TraceLevel = TraceLevel.MATCHED,
        channel_options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        """Set up the client, with the arguments of `PolicybookClient`; needs no running event loop yet.

        Raises:
            ValueError: the target is on another machine and neither `credentials` nor `insecure` is given
        """
        self._settings = _rpc.Settings.of(
            target,
            credentials=credentials,
            token=token,
            insecure=insecure,
            timeout=timeout,
            retry=retry,
            keepalive=keepalive,
            max_message_bytes=max_message_bytes,
            metadata=metadata,
            language=language,
            trace=trace,
            channel_options=channel_options,
        )
        self._open_channel: grpc.aio.Channel | None = None
        self._unary: dict[_rpc.Method, Any] = {}
        self._is_closed = False

    @classmethod
    async def connect(
        cls, target: str, *, ready_timeout: timedelta = _READY_TIMEOUT, **options: Unpack[ClientOptions]
    ) -> Self:
        """Set up a client and wait until the service is ready: `async with await AsyncPolicybookClient.connect(...)`.

        Args:
            target: as for the constructor
            ready_timeout: how long to wait
            options: as for the constructor
        Raises:
            UnavailableError: the service was not ready in time
        """
        client = cls(target, **options)
        try:
            await client.wait_until_ready(ready_timeout)
        except BaseException:
            await client.close()
            raise
        return client

    async def close(self) -> None:
        """Close the connection; calls under way fail."""
        self._is_closed = True
        if self._open_channel is not None:
            await self._open_channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings.target!r})"

    async def decide(
        self,
        decision: str,
        facts: Mapping[str, Fact],
        *,
        as_of: date | datetime | None = None,
        policy_version: str = "",
        trace: TraceLevel | None = None,
        language: str | None = None,
        request_id: str = "",
        challenger_version: str = "",
        timeout: timedelta | None = None,
    ) -> Decision:
        """Ask one decision; see `PolicybookClient.decide`."""
        asked = DecisionRequest(
            decision=decision,
            facts=facts,
            as_of=as_of,
            policy_version=policy_version,
            trace=trace,
            language=language,
            request_id=request_id,
            challenger_version=challenger_version,
        )
        request = _rpc.decide_request(asked, self._settings)
        return await self._call(_rpc.DECIDE, request, timeout, _read.decision_of)

    async def explain(
        self,
        decision: str,
        facts: Mapping[str, Fact],
        *,
        want: Mapping[str, Fact] | None = None,
        keep: Iterable[str] = (),
        vary: Iterable[str] = (),
        compare: Iterable[str] = (),
        max_alternatives: int = 5,
        as_of: date | datetime | None = None,
        policy_version: str = "",
        trace: TraceLevel | None = None,
        language: str | None = None,
        request_id: str = "",
        timeout: timedelta | None = None,
    ) -> Explanation:
        """Explain one decision; see `PolicybookClient.explain`."""
        asked = DecisionRequest(
            decision=decision,
            facts=facts,
            as_of=as_of,
            policy_version=policy_version,
            trace=trace,
            language=language,
            request_id=request_id,
        )
        request = _rpc.explain_request(
            asked,
            self._settings,
            want=want or {},
            keep=keep,
            vary=vary,
            compare=compare,
            max_alternatives=max_alternatives,
        )
        return await self._call(_rpc.EXPLAIN, request, timeout or _rpc.EXPLAIN_TIMEOUT, _read.explanation_of)

    async def decide_batch(
        self, requests: Iterable[DecisionRequest], *, timeout: timedelta | None = None
    ) -> list[Decision | PolicybookError]:
        """Ask many decisions in one call; see `PolicybookClient.decide_batch`."""
        request = _rpc.batch_request(requests, self._settings)
        count = len(request.requests)
        return await self._call(_rpc.BATCH_DECIDE, request, timeout, lambda answer: _read.results_of(answer, count))

    async def decide_stream(
        self,
        requests: Iterable[DecisionRequest] | AsyncIterable[DecisionRequest],
        *,
        timeout: timedelta | None = None,
    ) -> AsyncGenerator[Decision | PolicybookError, None]:
        """Ask decisions as they come; see `PolicybookClient.decide_stream`.

        Leave the loop early only inside `async with contextlib.aclosing(client.decide_stream(...)) as answers`, else
        the stream stays open until the generator is collected.
        """
        clock = _rpc.StreamClock(self._timeout(timeout))
        source = _Source(requests, lambda one, number: _rpc.stream_request(one, self._settings, number), clock)
        method = self._channel().stream_stream(
            _rpc.STREAM_DECIDE.path,
            request_serializer=_rpc.STREAM_DECIDE.request.SerializeToString,
            response_deserializer=_rpc.STREAM_DECIDE.response.FromString,
        )
        call: Any = method(source.requests(), metadata=self._settings.call_metadata())
        ending = _Ending(call)
        responses = aiter(call)
        watch = asyncio.create_task(_watch(clock, call), name="policybook-stream-watch")
        answered = 0
        try:
            while True:
                clock.waiting()
                try:
                    response = await anext(responses)
                except StopAsyncIteration:
                    break
                except asyncio.CancelledError as cancelled:
                    if clock.has_expired:
                        raise _rpc.no_answer(self._settings.target, clock.timeout_s) from cancelled
                    raise
                except grpc.aio.AioRpcError as failure:
                    true = await ending.of(failure)
                    if true.code() is grpc.StatusCode.OK:
                        break
                    raise error_of_call(true) from true
                clock.answered()
                answered += 1
                yield _read.result_of(response.result)
            if source.failure is not None:
                raise source.failure
            if answered != source.taken:
                raise unreadable(f"{answered} answers to {source.taken} requests")
            if not source.is_exhausted:
                raise unreadable("it ended before the requests did")
        finally:
            watch.cancel()
            call.cancel()

    async def list_policies(
        self, *, language: str | None = None, timeout: timedelta | None = None
    ) -> tuple[Policy, ...]:
        """List the policies in service; see `PolicybookClient.list_policies`."""
        request = _rpc.LIST_POLICIES.request(page_size=_rpc.PAGE_SIZE, language=self._language(language))
        return await self._pages(_rpc.LIST_POLICIES, request, timeout, _read.policies_of)

    async def list_decisions(
        self, policy: str = "", *, language: str | None = None, timeout: timedelta | None = None
    ) -> tuple[DecisionDefinition, ...]:
        """List the decisions of one policy or of all; see `PolicybookClient.list_decisions`."""
        request = _rpc.LIST_DECISIONS.request(
            policy=policy, page_size=_rpc.PAGE_SIZE, language=self._language(language)
        )
        return await self._pages(_rpc.LIST_DECISIONS, request, timeout, _read.definitions_of)

    async def get_decision(
        self,
        name: str,
        *,
        as_of: date | None = None,
        policy_version: str = "",
        language: str | None = None,
        timeout: timedelta | None = None,
    ) -> DecisionDefinition:
        """Describe one decision; see `PolicybookClient.get_decision`."""
        request = _rpc.get_decision_request(name, as_of, policy_version, self._language(language))
        return await self._call(
            _rpc.GET_DECISION, request, timeout, lambda answer: _read.definition_of(answer.decision_definition)
        )

    async def check(self, yaml_text: str, *, file_name: str = "", timeout: timedelta | None = None) -> CheckReport:
        """Check the YAML text of a policy; see `PolicybookClient.check`."""
        return await self._call(_rpc.CHECK, _rpc.check_request(yaml_text, file_name), timeout, _read.report_of)

    async def get_record(self, decision_id: str, *, timeout: timedelta | None = None) -> DecisionRecord:
        """Return what the decision log says of one decision; see `PolicybookClient.get_record`."""
        request = _rpc.GET_RECORD.request(decision_id=decision_id)
        return await self._call(_rpc.GET_RECORD, request, timeout, _records.record_of_response)

    async def list_records(
        self, wanted: RecordFilter | None = None, *, newest_first: bool = False, timeout: timedelta | None = None
    ) -> AsyncGenerator[DecisionRecord, None]:
        """List records of the decision log; see `PolicybookClient.list_records`."""
        request = _records.list_request(wanted or RecordFilter(), newest_first=newest_first, page_size=_rpc.PAGE_SIZE)
        while True:
            page, request.page_token = await self._call(_rpc.LIST_RECORDS, request, timeout, _records.records_of)
            for record in page:
                yield record
            if not request.page_token:
                return

    async def reevaluate(
        self,
        decision_id: str,
        *,
        masked_facts: Mapping[str, Fact] | None = None,
        trace: TraceLevel | None = None,
        language: str | None = None,
        timeout: timedelta | None = None,
    ) -> Reevaluation:
        """Make a recorded decision again; see `PolicybookClient.reevaluate`."""
        request = _records.reevaluate_request(
            decision_id,
            trace=trace or self._settings.trace,
            language=self._language(language),
            masked_facts=masked_facts or {},
        )
        return await self._call(_rpc.REEVALUATE, request, timeout or _rpc.EXPLAIN_TIMEOUT, _records.reevaluation_of)

    async def log_status(self, *, timeout: timedelta | None = None) -> LogStatus:
        """Ask how the decision log does; see `PolicybookClient.log_status`."""
        return await self._call(_rpc.LOG_STATUS, _rpc.LOG_STATUS.request(), timeout, _records.status_of)

    async def health(self, *, timeout: timedelta | None = None) -> Health:
        """Ask the service how it is, once; see `PolicybookClient.health`."""
        allowed = _rpc.Attempts(None, self._timeout(timeout), self._settings.target)
        return await self._attempt(_rpc.HEALTH, _rpc.HEALTH.request(), allowed, _read.health_of)

    async def wait_until_ready(self, timeout: timedelta = _READY_TIMEOUT) -> None:
        """Wait until the service is reached and says that it is serving.

        Raises:
            UnavailableError: it did not in that time
        """
        allowed = _rpc.Attempts(None, timeout, self._settings.target)
        state = "not reached"
        while not allowed.is_over():
            try:
                health = await self._attempt(
                    _rpc.HEALTH, _rpc.HEALTH.request(), allowed, _read.health_of, wait_for_ready=True
                )
            except (UnavailableError, DeadlineExceededError) as error:
                state = error.message if isinstance(error, UnavailableError) else state
            else:
                if health is Health.SERVING:
                    return
                state = health.name
            await asyncio.sleep(min(_READY_POLL_S, allowed.left_s()))
        raise UnavailableError(f"{self._settings.target} was not ready within {allowed.timeout_s:g} s: {state}")

    def _channel(self) -> grpc.aio.Channel:
        # A channel takes the event loop that is running when it is made, hence not in the constructor.
        if self._is_closed:
            raise ValueError("the client is closed")
        if self._open_channel is None:
            target, options = self._settings.target, self._settings.channel_options
            self._open_channel = (
                grpc.aio.insecure_channel(target, options)
                if self._settings.credentials is None
                else grpc.aio.secure_channel(target, self._settings.credentials, options)
            )
        return self._open_channel

    def _method(self, method: _rpc.Method) -> Any:
        if method not in self._unary or self._is_closed:
            self._unary[method] = self._channel().unary_unary(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
        return self._unary[method]

    def _language(self, language: str | None) -> str:
        return self._settings.language if language is None else language

    def _timeout(self, timeout: timedelta | None) -> timedelta:
        return self._settings.timeout if timeout is None else timeout

    async def _pages(
        self,
        method: _rpc.Method,
        request: Any,
        timeout: timedelta | None,
        read: Callable[[Any], tuple[list[T], str]],
    ) -> tuple[T, ...]:
        found: list[T] = []
        seen = {""}
        while True:
            page, token = await self._call(method, request, timeout, read)
            found += page
            if not token:
                return tuple(found)
            if token in seen:
                raise unreadable("a page token came twice")
            seen.add(token)
            request.page_token = token

    async def _call(self, method: _rpc.Method, request: Any, timeout: timedelta | None, read: Callable[[Any], T]) -> T:
        attempts = _rpc.Attempts(self._settings.retry, self._timeout(timeout), self._settings.target)
        while True:
            try:
                return await self._attempt(method, request, attempts, read)
            except PolicybookError as error:
                wait_s = attempts.wait_s(error)
                if wait_s is None:
                    raise attempts.last_words(error) from error.__cause__
            await asyncio.sleep(wait_s)

    async def _attempt(
        self,
        method: _rpc.Method,
        request: Any,
        attempts: _rpc.Attempts,
        read: Callable[[Any], T],
        *,
        wait_for_ready: bool | None = None,
    ) -> T:
        try:
            answer = await self._method(method)(
                request,
                timeout=attempts.left_s(),
                metadata=self._settings.call_metadata(),
                wait_for_ready=wait_for_ready,
            )
        except grpc.RpcError as failure:
            raise error_of_call(failure) from failure
        try:
            return read(answer)
        except ValueError as error:
            raise unreadable(str(error)) from error


class _Source:
    """Takes the requests of a stream and keeps what goes wrong, which gRPC would only log."""

    def __init__(
        self,
        requests: Iterable[DecisionRequest] | AsyncIterable[DecisionRequest],
        build: Callable[[DecisionRequest, int], Any],
        clock: _rpc.StreamClock,
    ) -> None:
        self._requests = aiter(requests) if isinstance(requests, AsyncIterable) else _in_turn(iter(requests))
        self._build = build
        self._clock = clock
        self.taken = 0
        self.is_exhausted = False
        self.failure: Exception | None = None

    async def requests(self) -> AsyncIterator[Any]:
        """Give the requests as they go over the wire."""
        try:
            async for one in self._requests:
                request = self._build(one, self.taken)
                self.taken += 1
                self._clock.sent()
                yield request
            self.is_exhausted = True
        except Exception as error:  # noqa: BLE001 - it is raised to the caller of the stream
            self.failure = error


async def _in_turn(requests: Iterable[DecisionRequest]) -> AsyncIterator[DecisionRequest]:
    for one in requests:
        yield one


class _Ending:
    """Finds out how the service ended a stream.

    LIMIT: when the service ends a stream to which we are still writing, grpc.aio (seen in 1.85) reports INTERNAL,
    "Internal error from Core", in place of the service's own status, which may come shortly before or after.
    """

    _WAIT_S = 0.5
    _POLL_S = 0.002

    def __init__(self, call: Any) -> None:
        self._call = call
        self._seen: list[grpc.aio.AioRpcError] = []
        call.add_done_callback(self._note)

    def _note(self, call: Any) -> None:
        # Called at every change of the status, when none of these has to wait; later it may be overwritten.
        code, trailer, details = map(_at_once, (call.code(), call.trailing_metadata(), call.details()))
        self._seen.append(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailer, details))

    async def of(self, reported: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:
        """Give the service's own status in place of the one reported, if there is one."""
        if reported.code() is not grpc.StatusCode.INTERNAL or reported.trailing_metadata():
            return reported
        end = time.monotonic() + self._WAIT_S
        while True:
            for seen in self._seen:
                if seen.code() is not grpc.StatusCode.INTERNAL:
                    return seen
            if time.monotonic() > end:
                return reported
            await asyncio.sleep(self._POLL_S)


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as result:
        value: T = result.value
        return value
    coroutine.close()
    raise RuntimeError("grpc.aio has no status though the call is done")


async def _watch(clock: _rpc.StreamClock, call: Any) -> None:
    while (left_s := clock.left_s()) > 0:  # noqa: ASYNC110 - it waits for time to pass
        await asyncio.sleep(left_s)
    clock.has_expired = True
    call.cancel()

"""The door for gRPC: finds the method of a call, asks the gate before anything of the request is read, bounds the time that it takes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, NoReturn, Protocol, TypeAlias
from urllib.parse import unquote

import grpc

from policybook.errors import RequestError
from policybook.server.access.gate import Gate, Visit
from policybook.server.access.roles import Caller
from policybook.server.limits import Limits, OverloadedError, ShuttingDownError, TimeLimitError
from policybook.server.meter import Meter
from policybook.server.status import abortion, reason_in, status_of

access = logging.getLogger("policybook.access")

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
Unary: TypeAlias = "Callable[[bytes, Context, Caller], Awaitable[bytes]]"
Stream: TypeAlias = "Callable[[Any, Context, Caller], Awaitable[None]]"

DECISIONS = "policybook.v1.DecisionService"
POLICIES = "policybook.v1.PolicyService"
AUDITS = "policybook.v1.AuditService"

# At the end: no call for so long, or this long at most, before the connections are closed.
SILENCE_S = 0.05
MOST_SILENCE_S = 1.0


class Tracing(Protocol):
    """Tells the traces of others of our calls, where gRPC's own instrumentation does not."""

    def call(self, method: str, metadata: Mapping[str, str], system: str) -> AbstractContextManager[Callable[[str, str], None]]:
        """Tell of a call while it lasts; what is returned takes its status and reason."""
        ...


class Routes(grpc.GenericRpcHandler):
    """Finds the handler of a call, and counts the calls in progress.

    The count is kept here, where a call first meets our code: by the time that a handler runs, the calls that wait for their
    turn on the loop would be invisible. grpcio's own limit would refuse without details.

    Calls of one request are told to grpcio as streams of requests: it would wait for the whole request, for ever, before it asked us,
    and would take in up to 48 MiB of somebody whom nobody knows.

    Attributes:
        tracing: what traces streams; None: nothing does
    """

    def __init__(
        self, unary: Mapping[str, Unary], streams: Mapping[str, Stream], limits: Limits, gate: Gate, meter: Meter | None = None
    ) -> None:
        self._limits = limits
        self._gate = gate
        self._meter = meter
        self.tracing: Tracing | None = None
        self.active = 0
        self._quiet = asyncio.Event()
        make_unary, make_stream = grpc.stream_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
        self._routes: dict[str, tuple[Any, Any, Any]] = {
            **{
                n: (make_unary(self._one(n, call)), make_unary(self._told(n, self._overloaded)), make_unary(self._told(n, self._ending)))
                for n, call in unary.items()
            },
            **{
                n: (
                    make_stream(self._many(n, call)),
                    make_stream(self._told(n, self._overloaded)),
                    make_stream(self._told(n, self._ending)),
                )
                for n, call in streams.items()
            },
        }
        self._is_ending = False
        self._came_at = 0.0

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the full names of the methods."""
        return tuple(self._routes)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Return the handler of a call; None leaves it to other services."""
        found = self._routes.get(handler_call_details.method)
        if found is None:
            return None
        if self._is_ending:
            self._came_at = time.monotonic()
            return found[2]
        if self.active >= self._limits.concurrent_requests:
            return found[1]
        task = asyncio.current_task()
        assert task is not None
        self.active += 1
        # The task ends in every case: answered, refused, cancelled before its handler ran.
        task.add_done_callback(self._ended)
        return found[0]

    async def end(self, most_s: float) -> None:
        """Refuse calls from now on, and wait until none is in progress, and none has come for a moment.

        A call that comes when grpcio has begun to close is cancelled by it, which no caller takes for a reason to ask again. So callers
        are first told to go elsewhere.

        Args:
            most_s: how long calls in progress may take
        """
        self._is_ending = True
        self._quiet.clear()
        if self.active:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), most_s)
        self._came_at = max(self._came_at, time.monotonic())
        end = self._came_at + MOST_SILENCE_S
        while (now := time.monotonic()) < min(end, self._came_at + SILENCE_S):  # noqa: ASYNC110 - what is waited for is that nothing happens
            await asyncio.sleep(min(end, self._came_at + SILENCE_S) - now)

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count a call that came by another door.

        Raises:
            ShuttingDownError: the end has come
            OverloadedError: too many are in progress
        """
        limits = self._limits
        if self._is_ending:
            self._came_at = time.monotonic()
            raise ShuttingDownError(limits.retry_s)
        if self.active >= limits.concurrent_requests:
            raise OverloadedError("requests in progress", limits.concurrent_requests, self.active + 1, limits.retry_s)
        self.active += 1
        try:
            yield
        finally:
            self._left()

    def _ended(self, _task: asyncio.Task[Any]) -> None:
        self._left()

    def _left(self) -> None:
        self.active -= 1
        if not self.active:
            self._quiet.set()

    # ------------------------------------------------------------ one call

    def _one(self, name: str, method: Unary) -> Any:
        most_s = self._limits.deadline_s

        async def work(_requests: Any, context: Context, caller: Caller) -> bytes:
            try:
                async with asyncio.timeout(most_s):
                    return await method(await read_one(context), context, caller)
            except TimeoutError:
                if context.done():
                    raise
                return await refuse(context, TimeLimitError(most_s))

        return self._admitted(name, _logged(name, work))

    def _many(self, name: str, method: Stream) -> Any:
        admitted = self._admitted(name, _logged(name, method))

        async def call(requests: Any, context: Context) -> Any:
            if self.tracing is None:
                return await admitted(requests, context)
            with self.tracing.call(name, metadata_of(context), "grpc") as ended:
                try:
                    return await admitted(requests, context)
                finally:
                    ended(code_name(context.code()), reason_in(context.trailing_metadata()))

        return call

    def _admitted(self, name: str, work: Callable[[Any, Context, Caller], Awaitable[Any]]) -> Any:
        gate = self._gate

        async def call(requests: Any, context: Context) -> Any:
            try:
                caller = await gate.enter(visit_of(name, context, with_certificate=gate.wants_certificates))
            except Exception as e:  # noqa: BLE001 - every fault becomes a status with details
                return await refuse(context, e)
            try:
                return await work(requests, context, caller)
            finally:
                gate.leave(caller)

        return self._told(name, call)

    def _told(self, name: str, work: Callable[[Any, Context], Awaitable[Any]]) -> Callable[[Any, Context], Awaitable[Any]]:
        return work if self._meter is None else _measured(name, work, self._meter)

    async def _ending(self, _request: Any, context: Context) -> NoReturn:
        await refuse(context, ShuttingDownError(self._limits.retry_s))

    async def _overloaded(self, _request: Any, context: Context) -> NoReturn:
        limits = self._limits
        await refuse(context, OverloadedError("requests in progress", limits.concurrent_requests, self.active + 1, limits.retry_s))


async def read_one(context: Context) -> bytes:
    """Return the request of a call that has one."""
    data: Any = await context.read()
    if data is grpc.aio.EOF:
        await refuse(context, RequestError("", "the call ended before its request had come"))
    return bytes(data)


async def refuse(context: Context, error: Exception, decision: str = "") -> NoReturn:
    """End a call with the status of an error, and its details."""
    await context.abort(*abortion(status_of(error, decision)))


def metadata_of(context: Context) -> dict[str, str]:
    """Return what a caller sent beside its request."""
    metadata: dict[str, str] = {}
    for key, value in context.invocation_metadata() or ():
        metadata.setdefault(key, value.decode("utf-8", "replace") if isinstance(value, bytes) else value)
    return metadata


def visit_of(method: str, context: Context, *, with_certificate: bool) -> Visit:
    """Describe a call to the gate."""
    return Visit(method, metadata_of(context), host_of(context.peer()), _names(context) if with_certificate else ())


def _names(context: Context) -> tuple[str, ...]:
    """Return the names in the certificate that the caller has proved to own."""
    found = context.auth_context()
    names = [*found.get("x509_subject_alternative_name", ()), *found.get("x509_common_name", ())]
    return tuple(n.decode("utf-8", "replace") for n in names if n)


def host_of(peer: str) -> str:
    """Return the address of a peer without its port, which is another for each connection: `127.0.0.1`, `::1`, `unix`."""
    kind, _, rest = peer.partition(":")
    return unquote(rest.rpartition(":")[0]).strip("[]") if kind in ("ipv4", "ipv6") else kind


def _logged(name: str, method: Callable[[Any, Context, Caller], Awaitable[Any]]) -> Callable[[Any, Context, Caller], Awaitable[Any]]:
    if not access.isEnabledFor(logging.DEBUG):
        return method

    async def call(requests: Any, context: Context, caller: Caller) -> Any:
        started = time.perf_counter()
        try:
            return await method(requests, context, caller)
        finally:
            tell(name, code_name(context.code()), caller.name, context.peer(), time.perf_counter() - started)

    return call


def tell(method: str, code: str, caller: str, peer: str, seconds: float) -> None:
    """Write a line of the access log: for people in one, for programs in fields."""
    if access.isEnabledFor(logging.DEBUG):
        told = {"method": method, "code": code, "caller": caller, "peer": peer, "us": round(seconds * 1e6)}
        access.debug("method=%(method)s code=%(code)s caller=%(caller)s peer=%(peer)s us=%(us)s", told, extra=told)


def code_name(code: Any) -> str:
    """Return the name of the status of a call that has ended; of one that is answered grpcio says nothing."""
    return _CODES.get(code, "OK")


def _measured(name: str, method: Callable[[Any, Context], Awaitable[Any]], meter: Meter) -> Callable[[Any, Context], Awaitable[Any]]:
    short = name.rpartition(".")[2]

    async def call(requests: Any, context: Context) -> Any:
        started = time.perf_counter()
        cancelled = True
        try:
            made = await method(requests, context)
            cancelled = False
            return made
        except grpc.aio.AbortError:
            cancelled = False
            raise
        finally:
            code = "CANCELLED" if cancelled else code_name(context.code())
            reason = "" if code in ("OK", "CANCELLED") else reason_in(context.trailing_metadata())
            meter.called(short, code, time.perf_counter() - started, reason)

    return call


_CODES: dict[Any, str] = {code.value[0]: code.name for code in grpc.StatusCode} | {code: code.name for code in grpc.StatusCode}

"""Services of others on the same port (health, reflection), as careful with what they are sent as our own.

grpcio answers bytes that are no message of theirs with a bare UNKNOWN, and writes a traceback for each to the log. Nor does it ask
who calls, or how long a call waits for its request.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError

from policybook.errors import RequestError
from policybook.server.access.gate import Gate
from policybook.server.limits import Limits, OverloadedError, TimeLimitError
from policybook.server.routes import read_one, refuse, visit_of

CHECK = "/grpc.health.v1.Health/Check"
# Their requests are a few bytes long.
READ_S = 10.0


class Careful:
    """Takes services in for a server, as `add_..Servicer_to_server` gives them."""

    def __init__(self, server: grpc.aio.Server, gate: Gate, limits: Limits) -> None:
        self._server = server
        self._gate = gate
        self._limits = limits

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Add handlers of services."""
        self._server.add_generic_rpc_handlers(tuple(_Handlers(h, self._gate, self._limits) for h in handlers))

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Do nothing: the same handlers come in the other way."""


class _Handlers(grpc.GenericRpcHandler):
    """Calls of one request are told to grpcio as streams of requests, for the reason given at `Routes`."""

    def __init__(self, inner: grpc.GenericRpcHandler, gate: Gate, limits: Limits) -> None:
        self._inner = inner
        self._gate = gate
        self._limits = limits
        self._active: Counter[str] = Counter()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        found: Any = self._inner.service(handler_call_details)
        if found is None:
            return None
        name, read, write = handler_call_details.method, found.request_deserializer, found.response_serializer
        if found.unary_unary:
            return grpc.stream_unary_rpc_method_handler(self._admitted(name, self._one(found.unary_unary, read)), None, write)
        work = self._one(found.unary_stream, read) if found.unary_stream else self._many(found.stream_stream, read)
        return grpc.stream_stream_rpc_method_handler(self._admitted(name, work), None, write)

    def _admitted(self, name: str, work: Callable[[Any], Awaitable[Any]]) -> Any:
        limits, active = self._limits, self._active
        # Watches may last for ever, and of some nobody knows who asks: they must not use up what decisions need, and none of them
        # what a probe needs that asks once.
        what, most = ("checks of health", limits.concurrent_requests) if name == CHECK else ("watches", limits.concurrent_watches)

        async def call(_requests: Any, context: Any) -> Any:
            try:
                if active[what] >= most:
                    raise OverloadedError(f"{what} in progress", most, active[what] + 1, limits.retry_s)
                caller = await self._gate.enter(visit_of(name, context, with_certificate=self._gate.wants_certificates))
            except Exception as e:  # noqa: BLE001 - every fault becomes a status with details
                return await refuse(context, e)
            active[what] += 1
            try:
                return await work(context)
            finally:
                active[what] -= 1
                self._gate.leave(caller)

        return call

    def _one(self, behaviour: Any, read: Callable[[bytes], Any]) -> Callable[[Any], Awaitable[Any]]:
        async def call(context: Any) -> Any:
            most_s = min(self._limits.deadline_s, READ_S)
            try:
                async with asyncio.timeout(most_s):
                    data = await read_one(context)
            except TimeoutError:
                return await refuse(context, TimeLimitError(most_s))
            request = await _sound(read, data, context)
            try:
                return await behaviour(request, context)
            except NotImplementedError:
                # Of health there is a list in the interface, which its library does not make.
                return await context.abort(grpc.StatusCode.UNIMPLEMENTED, "this service does not answer this call")

        return call

    def _many(self, behaviour: Any, read: Callable[[bytes], Any]) -> Callable[[Any], Awaitable[None]]:
        async def requests(context: Any) -> AsyncIterator[Any]:
            while (data := await context.read()) is not grpc.aio.EOF:
                yield await _sound(read, data, context)

        async def call(context: Any) -> None:
            async for answer in behaviour(requests(context), context):
                await context.write(answer)

        return call


async def _sound(read: Callable[[bytes], Any], data: bytes, context: Any) -> Any:
    try:
        return read(data)
    except DecodeError:
        return await _refuse(context)


async def _refuse(context: Any) -> NoReturn:
    await refuse(context, RequestError("", "its bytes are no message of this call: malformed, or a text in it is not UTF-8"))

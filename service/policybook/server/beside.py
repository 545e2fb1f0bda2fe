"""Services of others on the same port (health, reflection), as careful with what they are sent as our own.

grpcio answers bytes that are no message of theirs with a bare UNKNOWN, and writes a traceback for each to the log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError

from policybook.errors import RequestError
from policybook.server.status import abortion, status_of


class Careful:
    """Takes services in for a server, as `add_..Servicer_to_server` gives them."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Add handlers of services."""
        self._server.add_generic_rpc_handlers(tuple(map(_Handlers, handlers)))

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Do nothing: the same handlers come in the other way."""


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, inner: grpc.GenericRpcHandler) -> None:
        self._inner = inner

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        found: Any = self._inner.service(handler_call_details)
        if found is None:
            return None
        read, write = _reader(found.request_deserializer), found.response_serializer
        if found.unary_unary:
            return grpc.unary_unary_rpc_method_handler(_one(found.unary_unary), read, write)
        if found.unary_stream:
            return grpc.unary_stream_rpc_method_handler(_one(found.unary_stream), read, write)
        return grpc.stream_stream_rpc_method_handler(_many(found.stream_stream), read, write)


def _reader(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def tried(data: bytes) -> Any:
        try:
            return read(data)
        except DecodeError:
            return None

    return tried


def _one(behaviour: Any) -> Any:
    async def call(request: Any, context: Any) -> Any:
        return await behaviour(request, context) if request is not None else await _refuse(context)

    return call


def _many(behaviour: Any) -> Any:
    async def call(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for answer in behaviour(_sound(requests, context), context):
            yield answer

    return call


async def _sound(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
    async for request in requests:
        if request is None:
            await _refuse(context)
        yield request


async def _refuse(context: Any) -> NoReturn:
    why = "its bytes are no message of this call: malformed, or a text in it is not UTF-8"
    await context.abort(*abortion(status_of(RequestError("", why))))
    raise AssertionError("abort raises")

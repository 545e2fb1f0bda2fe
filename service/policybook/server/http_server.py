"""Listens for HTTP, and waits for nobody without end: uvicorn with bounds on connections, heads and readers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from policybook.server.access.certificates import Certificates
from policybook.server.access.keeper import LOOK_S
from policybook.server.http import GONE, Door
from policybook.server.limits import Limits

# A request's line and headers; gRPC takes as much.
HEAD_BYTES = 64 * 1024
IDLE_S = 75
CLOSE_S = 1.0


class _Connection(HttpToolsProtocol):
    """One connection. uvicorn bounds the silence between requests, and nothing else.

    Args:
        limits: `connections` at once; `handshake_s` from the first byte of a request, or from the beginning, to the end of its head; `deadline_s`
            for a reader that stops
    """

    def __init__(self, *args: Any, limits: Limits, **more: Any) -> None:
        super().__init__(*args, **more)
        self._limits = limits
        self._head: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            transport.close()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head, self._reader):
            if timer is not None:
                timer.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    # The head of a request

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is None:
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self._close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head, self._head_bytes = None, 0
        super().on_headers_complete()
        scope: Any = self.scope
        scope[GONE] = self.flow.drain

    def _await_head(self) -> None:
        self._head = self.loop.call_later(self._limits.handshake_s, self._give_up_on_head)

    def _give_up_on_head(self) -> None:
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            # One that sends the next request before it has the answer to this one.
            self._await_head()
        else:
            self._close()

    # The answer

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader = self.loop.call_later(self._limits.deadline_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    # The end

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._close()

    def _close(self) -> None:
        """Close; without the rest of an answer that nobody takes."""
        self.transport.close()
        self.loop.call_later(CLOSE_S, self.transport.abort)


class HttpServer:
    """Listens for HTTP on the loop that serves gRPC.

    Args:
        listening: a bound socket; closed with the server
        certificates: what it proves itself with; None: it answers in the clear
    """

    def __init__(self, door: Door, listening: socket.socket, limits: Limits, certificates: Certificates | None = None) -> None:
        connection: Any = functools.partial(_Connection, limits=limits)
        config = uvicorn.Config(
            door,
            http=connection,
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # Who calls is who is at the other end; a proxy says for whom it speaks by `x-policybook-caller`.
            proxy_headers=False,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=int(CLOSE_S),
        )
        config.load()
        if certificates is not None:
            config.ssl = certificates.context()
        # It tells of every request that is none; how much stands in the log is not for a caller to choose.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._certificates = certificates
        self._context = config.ssl
        self._renewing: asyncio.Task[None] | None = None
        self._server = uvicorn.Server(config)
        # Signals are the process's affair.
        self._server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
        self._listening = listening
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen."""
        self._task = asyncio.create_task(self._server.serve([self._listening]))
        while not self._server.started and not self._task.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        self._renewing = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        while self._certificates is not None and self._context is not None:
            await asyncio.sleep(LOOK_S)
            self._certificates.renew(self._context)

    async def stop(self) -> None:
        """Close, after the calls in progress have ended."""
        self._server.should_exit = True
        if self._renewing is not None:
            self._renewing.cancel()
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

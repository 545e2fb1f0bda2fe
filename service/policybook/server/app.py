"""The server: books, services, health and reflection put together; its start and its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from policybook.audit.log import Log, NoLog
from policybook.audit.masking import unknown_names
from policybook.audit.sqlite import LogSettings, SqliteLog
from policybook.desk import Desk
from policybook.diagnostics import did_you_mean
from policybook.errors import BookError, EngineError, LogError
from policybook.server.limits import Limits
from policybook.server.servicer import AUDITS, CALLER_KEY, DECISIONS, POLICIES, Services
from policybook.store.reload import Loaded, Reloader, read_books, store_of
from policybook.store.versions import Store

log = logging.getLogger("policybook.server")

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 50151

SUCCESS, FINDINGS, FAULT = 0, 1, 3


class PortInUseError(Exception):
    """The address cannot be listened on."""


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _try_address(host: str, port: int) -> None:
    """Find out why an address cannot be listened on; grpcio writes that to stderr in its own words and tells us nothing."""
    # Name resolution takes a port modulo 65536.
    if not 0 <= port <= 65_535:
        raise PortInUseError(f"cannot listen on {_address(host, port)}: a port is a number from 0 to 65535")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
    except OSError as e:
        why = (e.strerror or str(e)).lower()
        raise PortInUseError(f"cannot listen on {_address(host, port)}: {why}") from None


def utc_now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


def new_id() -> str:
    """Return the id of an answer: a UUID of version 7, which sorts by time and fits a database's column for UUIDs."""
    r = os.urandom(10).hex()
    t = f"{time.time_ns() // 1_000_000:012x}"
    return f"{t[:8]}-{t[8:]}-7{r[:3]}-{'89ab'[int(r[3], 16) & 3]}{r[4:7]}-{r[7:19]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to serve.

    Args:
        books: folders of books, or single files
        loaded: what was read from them just now; None: read them
        port: 0 for any free one
        reload_s: how often the folders are looked at; 0 for never
        log: how decisions are recorded; None: they are not, and a decision that must be is not given out
        caller_key: the metadata of a call that names the caller
    """

    books: Sequence[Path]
    loaded: Loaded | None = None
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    reload_s: float = 1.0
    log: LogSettings | None = None
    caller_key: str = CALLER_KEY
    limits: Limits = field(default_factory=Limits)
    now: Callable[[], datetime] = utc_now
    new_id: Callable[[], str] = new_id


class Server:
    """One server. `start`, `load`, then `stop`; on one event loop.

    Attributes:
        port: the real one, once started
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.port = 0
        self.services = Services(settings.limits, settings.now, settings.caller_key)
        self._log: Log = NoLog(strict=True)
        self._routes = self.services.routes()
        self._health = health.aio.HealthServicer()
        self._reloaders: list[Reloader] = []
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Listen. Until `load` is done, calls get UNAVAILABLE (STARTING) and health says NOT_SERVING.

        Raises:
            PortInUseError: somebody else listens there
        """
        limits, settings = self.settings.limits, self.settings
        server = grpc.aio.server(
            maximum_concurrent_rpcs=limits.transport_requests,
            options=[
                ("grpc.max_receive_message_length", limits.transport_bytes),
                ("grpc.max_send_message_length", -1),
                # With it a second server would silently share the port and get half of the calls.
                ("grpc.so_reuseport", 0),
                # A peer that is gone without a word is noticed, and its stream ended, within 80 seconds.
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
                ("grpc.keepalive_permit_without_calls", 1),
                # Clients may ping as often as every 10 seconds, calls or not.
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ],
        )
        server.add_generic_rpc_handlers((self._routes,))
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((DECISIONS, POLICIES, AUDITS, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        address = _address(settings.host, settings.port)
        _try_address(settings.host, settings.port)
        try:
            self.port = server.add_insecure_port(address)
        except RuntimeError:
            raise PortInUseError(f"cannot listen on {address}") from None
        await server.start()
        self._server = server

    async def load(self) -> tuple[str, ...]:
        """Load the books, then take calls; return the names of the policies.

        Raises:
            BookError: any book is bad
            EngineError: engine and reference differ
            LogError: the decision log cannot be opened, or masks an input that no book has
        """
        settings = self.settings
        loaded = settings.loaded
        if loaded is None:
            loaded = await asyncio.to_thread(read_books, settings.books)
        store = await asyncio.to_thread(store_of, loaded, settings.books, now=settings.now)
        if settings.log is not None:
            _check_masks(settings.log, store)
            self._log = await asyncio.to_thread(SqliteLog, settings.log, now=settings.now)
        self.services.desk = Desk(store, now=settings.now, new_id=settings.new_id, log=self._log)
        if settings.reload_s > 0:
            for folder in settings.books:
                if folder.is_dir():
                    reloader = await asyncio.to_thread(Reloader, store, folder, now=settings.now, interval_s=settings.reload_s)
                    reloader.start()
                    self._reloaders.append(reloader)
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)
        return store.policies()

    async def stop(self) -> None:
        """Take no more calls, let those in progress end (`drain_s` at most), then close."""
        server = self._server
        if server is None:
            return
        await self._health.enter_graceful_shutdown()
        drain = asyncio.create_task(server.stop(self.settings.limits.drain_s))
        self.services.stop()
        for reloader in self._reloaders:
            await asyncio.to_thread(reloader.stop)
        quiet = asyncio.create_task(self._routes.quiet())
        await asyncio.wait((drain, quiet), return_when=asyncio.FIRST_COMPLETED)
        quiet.cancel()
        # Watches of health and reflection have no end of their own.
        await server.stop(0.1)
        await drain
        self.services.close()
        await asyncio.to_thread(self._log.close)

    async def _set_health(self, status: Any) -> None:
        for service in ("", DECISIONS, POLICIES, AUDITS):
            await self._health.set(service, status)


def _check_masks(log_settings: LogSettings, store: Store) -> None:
    """Refuse a mask that masks nothing: its name may be written wrongly, and the value would stand in the log."""
    inputs = {name: tuple(store.edition(name).book.input_by_name) for name in store.policies()}
    unknown = unknown_names(sorted(log_settings.masks.names), inputs)
    if unknown:
        known = {n for own in inputs.values() for n in own} | {f"{p}.{n}" for p, own in inputs.items() for n in own}
        raise LogError(f"no book has an input `{unknown[0]}` to be masked; {did_you_mean(unknown[0], sorted(known))}")


def say(line: str, stream: TextIO) -> None:
    """Write a line for a person, or for the program that started the server."""
    stream.write(f"{line}\n")
    stream.flush()


async def _run(settings: Settings) -> int:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    # How long a thread that checks or compiles a book keeps the loop waiting, several times in each call; 5 ms by default.
    sys.setswitchinterval(0.001)
    server = Server(settings)
    try:
        await server.start()
    except PortInUseError as e:
        say(f"policybook: {e}", sys.stderr)
        return FAULT
    loading = asyncio.create_task(server.load())
    waiting = asyncio.create_task(ended.wait())
    try:
        await asyncio.wait((loading, waiting), return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            policies = loading.result()
            # What the books are made of stays for good; the collector need not walk it again and again.
            gc.collect()
            gc.freeze()
            say(f"policybook: listening on {_address(settings.host, server.port)}, policies: {', '.join(policies)}", sys.stdout)
            await ended.wait()
            log.info("shutting down")
    except BookError as e:
        say(f"policybook: {e}\n{e.report.render({})}", sys.stderr)
        return FINDINGS
    except (EngineError, LogError) as e:
        say(f"policybook: {e}", sys.stderr)
        return FAULT
    finally:
        waiting.cancel()
        # A second signal ends the process at once.
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError):
                loop.remove_signal_handler(number)
        await server.stop()
    return SUCCESS


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    One line on stdout says that calls are taken: `policybook: listening on 127.0.0.1:50151, policies: credit`.

    Returns:
        0 ended as told, 1 a book is bad, 3 the port is taken, the decision log cannot be opened, or engine and reference differ
    """
    return asyncio.run(_run(settings))

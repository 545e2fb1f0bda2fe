"""The server: books, services, health and reflection put together; its start and its end."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from policybook.audit.log import Log, NoLog
from policybook.audit.masking import unknown_names
from policybook.audit.open import open_log
from policybook.audit.settings import LogSettings
from policybook.challenge import Challengers
from policybook.desk import Desk
from policybook.diagnostics import did_you_mean
from policybook.errors import LogError
from policybook.server.access.certificates import Certificates, Pair
from policybook.server.access.keeper import Keeper
from policybook.server.address import PortInUseError, address_of, listening, reserve
from policybook.server.beside import Careful
from policybook.server.meter import Meter, Sample
from policybook.server.metrics import MetricsServer, build_sample
from policybook.server.routes import AUDITS, DECISIONS, POLICIES, Routes
from policybook.server.servicer import Services
from policybook.server.settings import Settings
from policybook.store.reload import Loaded, Reloader, open_books, read_books, store_of
from policybook.store.versions import Store

log = logging.getLogger("policybook.server")

T = TypeVar("T")
METRICS_S = 5.0
STALE_LOOK_S = 0.5
LOOKAHEAD = 256 * 1024
if TYPE_CHECKING:
    from policybook.server.http_server import HttpServer
    from policybook.server.telemetry import Telemetry

Clock: TypeAlias = Callable[[], datetime]


def utc_now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


def new_id() -> str:
    """Return the id of an answer: a UUID of version 7, which sorts by time and fits a database's column for UUIDs."""
    r = os.urandom(10).hex()
    t = f"{time.time_ns() // 1_000_000:012x}"
    return f"{t[:8]}-{t[8:]}-7{r[:3]}-{'89ab'[int(r[3], 16) & 3]}{r[4:7]}-{r[7:19]}"


def new_ids(count: int) -> list[str]:
    """Return many ids of answers, made at one moment."""
    r = os.urandom(10 * count).hex()
    t = f"{time.time_ns() // 1_000_000:012x}"
    head = f"{t[:8]}-{t[8:]}-7"
    return [f"{head}{r[i : i + 3]}-{'89ab'[int(r[i + 3], 16) & 3]}{r[i + 4 : i + 7]}-{r[i + 7 : i + 19]}" for i in range(0, 20 * count, 20)]


class Server:
    """One server. `start`, then `load` or `open`, then `stop`; on one event loop.

    Args:
        loaded: what was read from the books just now; None: `load` reads them
        shares_port: others of our own processes listen on the same port
    Attributes:
        port: the real one, once started
    """

    def __init__(
        self,
        settings: Settings,
        *,
        loaded: Loaded | None = None,
        shares_port: bool = False,
        now: Clock = utc_now,
        new_id: Callable[[], str] = new_id,
    ) -> None:
        self.settings = settings
        self.port = 0
        self.http_port = 0
        self._http: HttpServer | None = None
        self.meter = Meter(settings.near_percent) if settings.metrics_port is not None else None
        self._keeper = Keeper(settings.means())
        self.gate = self._keeper.gate
        self._certificates = certificates_of(settings, now)
        self.services = Services(settings.limits, now, self.gate)
        self._loaded = loaded
        self._shares_port = shares_port
        self._now = now
        self._new_id = new_id
        self._log: Log = NoLog(strict=True)
        self._routes = Routes(self.services.unary(), self.services.streams(), settings.limits, self.gate, self.meter)
        self._health = health.aio.HealthServicer()
        self._challengers: Challengers | None = None
        self._reloaders: list[Reloader] = []
        self._server: grpc.aio.Server | None = None
        self._outlasting: asyncio.Task[None] | None = None
        self._is_ending = False
        self._metrics: MetricsServer | None = None
        self._telemetry: Telemetry | None = None
        self._staleness: asyncio.Task[None] | None = None
        self._is_fresh = True

    async def start(self) -> None:
        """Listen. Until `load` is done, calls get UNAVAILABLE (STARTING) and health says NOT_SERVING.

        Raises:
            PortInUseError: somebody else listens there
        """
        settings = self.settings
        if settings.otlp_endpoint:
            self._telemetry = self._routes.tracing = _telemetry(settings.otlp_endpoint)
        await self._tell_health()
        if not self._shares_port:
            reserve(settings.host, settings.port).close()
        self._server = await self._listen(settings.port)
        self._outlasting = asyncio.create_task(self._outlast())
        self._keeper.watch()
        if settings.http_port is not None:
            await self._start_http(settings.host, settings.http_port)

    async def _listen(self, port: int) -> grpc.aio.Server:
        limits = self.settings.limits
        server = grpc.aio.server(
            interceptors=self._telemetry.interceptors if self._telemetry is not None else (),
            maximum_concurrent_rpcs=limits.transport_requests,
            options=self._options(),
        )
        server.add_generic_rpc_handlers((self._routes,))
        named = (DECISIONS, POLICIES, AUDITS, health.SERVICE_NAME, reflection.SERVICE_NAME)
        beside: Any = Careful(server, self.gate, limits)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, beside)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflection.aio.ReflectionServicer(named), beside)  # type: ignore[no-untyped-call] # types-grpcio-reflection
        address = address_of(self.settings.host, port)
        try:
            if self._certificates is None:
                self.port = server.add_insecure_port(address)
            else:
                self.port = server.add_secure_port(address, _credentials(self._certificates))
        except RuntimeError:
            raise PortInUseError(f"cannot listen on {address}") from None
        await server.start()
        return server

    async def _outlast(self) -> None:
        """Listen anew whenever grpcio's server ends by itself.

        LIMIT: grpcio 1.84 and later end theirs at any call whose path is not UTF-8, before a line of this project runs; the calls in
        progress are lost with it.
        """
        while self._server is not None and not self._is_ending:
            try:
                # Not to be cancelled: what it waits for is what `stop` of grpcio waits for too.
                await self._server.wait_for_termination()
                return
            except Exception as e:  # noqa: BLE001 - whatever ended it
                log.error("the server ended by itself (%s: %s); it listens anew", type(e).__name__, e)  # noqa: TRY400 - grpcio has logged where
            await self._listen_again()

    async def _listen_again(self) -> None:
        while not self._is_ending:
            try:
                self._server = await self._listen(self.port)
                return
            except PortInUseError as e:
                log.error("%s; trying again", e)  # noqa: TRY400 - where it came from tells nothing
                await asyncio.sleep(0.2)

    async def _start_http(self, host: str, port: int) -> None:
        try:
            from policybook.server.http import Door  # noqa: PLC0415 - for those who ask for it; an extra
            from policybook.server.http_server import HttpServer  # noqa: PLC0415
        except ImportError as e:
            raise PortInUseError(f"JSON over HTTP needs `{e.name}`, which is not installed: `pip install 'policybook[http]'`") from None
        taken = listening(host, port, shared=self._shares_port)
        self.http_port = taken.getsockname()[1]
        self._http = HttpServer(
            Door(
                self.services.unary(), self._routes, self.gate, self.settings.limits, origins=self.settings.http_origins, meter=self.meter
            ),
            taken,
            self.settings.limits,
            certificates_of(self.settings, self._now),
        )
        await self._http.start()
        if not self._shares_port:
            say_http(self.settings, self.http_port)

    def _options(self) -> list[tuple[str, int]]:
        limits = self.settings.limits
        options = [
            ("grpc.max_receive_message_length", limits.transport_bytes),
            ("grpc.max_send_message_length", -1),
            # With it a second server would silently share the port and get half of the calls.
            ("grpc.so_reuseport", int(self._shares_port)),
            # What has come and waits for our loop. By default the core cuts off at random from 1,000 on, and the caller is told CANCELLED,
            # which is no reason to ask again for any; we tell why, and when.
            ("grpc.server.max_pending_requests", limits.waiting_requests),
            ("grpc.server.max_pending_requests_hard_limit", limits.waiting_requests),
            ("grpc.max_allowed_incoming_connections", limits.connections),
            # Also the handshake of TLS, and the settings of HTTP/2, which every client sends first.
            ("grpc.server_handshake_timeout_ms", round(limits.handshake_s * 1000)),
            # A peer that is gone without a word, or stops in the middle of a frame, is noticed, and its streams ended.
            ("grpc.keepalive_time_ms", round(limits.keepalive_s * 1000)),
            ("grpc.keepalive_timeout_ms", round(limits.keepalive_wait_s * 1000)),
            # Without it the answer to the ping may take longer than that: a minute, counted from another one.
            ("grpc.http2.ping_timeout_ms", round(limits.keepalive_wait_s * 1000)),
            # What the core takes in of a stream beyond what we have asked for; by default 4 MiB, times the streams of a caller.
            # A message that we wait for is let in whole.
            ("grpc.http2.lookahead_bytes", LOOKAHEAD),
            ("grpc.http2.bdp_probe", 0),
            ("grpc.keepalive_permit_without_calls", 1),
            # Clients may ping as often as every 10 seconds, calls or not.
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ]
        if limits.connection_s:
            options.append(("grpc.max_connection_age_ms", round(limits.connection_s * 1000)))
            options.append(("grpc.max_connection_age_grace_ms", round(limits.deadline_s * 1000)))
        return options

    async def load(self) -> tuple[str, ...]:
        """Load the books, then take calls and look for edited books; return the names of the policies.

        Raises:
            BookError: any book is bad
            EngineError: engine and reference differ
            LogError: the decision log cannot be opened, or masks an input that no book has
        """
        settings = self.settings
        loaded = self._loaded
        if loaded is None:
            loaded = await asyncio.to_thread(read_books, settings.books)
        store = await asyncio.to_thread(store_of, loaded, settings.books, now=self._now)
        challengers = Store()
        if settings.challengers:
            await asyncio.to_thread(open_books, settings.challengers, now=self._now, store=challengers)
        await self.open(store, challengers)
        for own, paths in ((store, settings.books), (challengers, settings.challengers)):
            self._reloaders += await asyncio.to_thread(watch, own, paths, settings.reload_s, self._now)
        if settings.metrics_port is not None:
            self._metrics = metrics_server(settings, self._all_samples, lambda: self.is_ready)
        if settings.stale_after_s and self._reloaders:
            self._staleness = asyncio.create_task(self._watch_staleness())
        return store.policies()

    async def _all_samples(self) -> list[tuple[str, Sample]]:
        return [("", sample) for sample in (*self.samples(), *reload_samples(self._reloaders), build_sample())]

    async def _watch_staleness(self) -> None:
        while True:
            await asyncio.sleep(STALE_LOOK_S)
            await self.set_fresh(is_fresh=stale_s(self._reloaders) <= self.settings.stale_after_s)

    async def set_fresh(self, *, is_fresh: bool) -> None:
        """Have health say that decisions are served, or, because the books are stale, that they are not; calls are answered in any case."""
        if is_fresh is self._is_fresh:
            return
        self._is_fresh = is_fresh
        if not is_fresh:
            log.error("not healthy: an edited book has been refused for more than %g s", self.settings.stale_after_s)
        await self._tell_health()

    @property
    def is_ready(self) -> bool:
        """Whether callers had better come here than elsewhere."""
        return self.services.desk is not None and self._is_fresh and not self.services.stopping

    async def _tell_health(self) -> None:
        status = health_pb2.HealthCheckResponse
        for service in ("", DECISIONS, POLICIES, AUDITS):
            serves = self.services.desk is not None and (self._is_fresh or service in (POLICIES, AUDITS))
            await self._health.set(service, status.SERVING if serves else status.NOT_SERVING)

    def samples(self) -> list[Sample]:
        """Return what this process counts and holds."""
        found = list(self.meter.samples()) if self.meter is not None else []
        found.append(Sample("policybook_requests_active", (), self._routes.active))
        if self._certificates is not None:
            found.append(Sample("policybook_certificate_expiry_time_seconds", (), self._certificates.pair.until.timestamp()))
        desk = self.services.desk
        if desk is None:
            return found
        found += store_samples(desk.store)
        if desk.log.is_on:
            status = desk.log.status()
            found += [
                Sample("policybook_log_waiting", (), status.waiting),
                Sample("policybook_log_recorded_total", (), status.recorded),
                Sample("policybook_log_not_recorded_total", (), status.not_recorded),
                Sample("policybook_log_refused_total", (), status.refused),
                Sample("policybook_log_failing", (), int(bool(status.failing))),
            ]
        for counts in desk.beside.counts() if desk.beside is not None else ():
            labels = (counts.policy, counts.version)
            found.append(Sample("policybook_challenged_total", labels, counts.compared))
            found.append(Sample("policybook_challenged_different_total", labels, counts.different))
        return found

    async def open(self, store: Store, challengers: Store) -> None:
        """Take calls, and decide them by the books of a store; those of another decide beside.

        Raises:
            LogError: the decision log cannot be opened, or masks an input that no book has
        """
        kept = self.settings.decision_log()
        if kept is not None:
            _check_masks(kept, store)
            self._log = await asyncio.to_thread(open_log, kept, now=self._now)
        desk = Desk(store, now=self._now, new_id=self._new_id, log=self._log, new_ids=new_ids if self._new_id is new_id else None)
        self._challengers = Challengers(store, challengers, now=self._now, new_id=self._new_id)
        self._challengers.watch(desk)
        desk.counter = self.meter
        if self._telemetry is not None:
            from policybook.server.telemetry import Spans  # noqa: PLC0415 - an extra

            desk.counter = Spans([self.meter] if self.meter is not None else [])
        self.services.desk = desk
        await self._tell_health()

    async def stop(self) -> None:
        """Take no more calls, let those in progress end (`drain_s` at most), then close."""
        if self._server is None:
            return
        self._is_ending = True
        if self._staleness is not None:
            self._staleness.cancel()
        self._keeper.stop()
        await self._health.enter_graceful_shutdown()
        self.services.stop()
        for reloader in self._reloaders:
            await asyncio.to_thread(reloader.stop)
        await self._routes.end(self.settings.limits.drain_s)
        if self._http is not None:
            await self._http.stop()
        # Watches of health and reflection have no end of their own.
        await self._server.stop(0.1)
        if self._outlasting is not None:
            await self._outlasting
        self.services.close()
        if self._challengers is not None:
            await asyncio.to_thread(self._challengers.close)
        await asyncio.to_thread(self._log.close)
        if self._metrics is not None:
            await asyncio.to_thread(self._metrics.close)
        if self._telemetry is not None:
            await asyncio.to_thread(self._telemetry.close)


def _telemetry(endpoint: str) -> Telemetry:
    """Begin to send traces.

    Raises:
        PortInUseError: what it takes is not installed
    """
    try:
        from policybook.server.telemetry import Telemetry  # noqa: PLC0415 - an extra
    except ImportError as e:
        raise PortInUseError(f"traces need `{e.name}`, which is not installed: `pip install 'policybook[otel]'`") from None
    return Telemetry(endpoint)


def certificates_of(settings: Settings, now: Clock) -> Certificates | None:
    """Read the certificate that the service has, if it has one.

    Raises:
        CertificateError: it cannot be used
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Certificates(settings.tls_certificate, settings.tls_key, settings.tls_client_ca, now=now)


def _credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """Return what gRPC asks for the certificate at every new connection."""

    def configuration(pair: Pair) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(pair.key, pair.chain)], root_certificates=pair.client_ca)

    def changed() -> grpc.ServerCertificateConfiguration | None:
        pair = certificates.changed()
        return configuration(pair) if pair is not None else None

    pair = certificates.pair
    # None stands for no change, which the stubs do not know.
    look: Any = changed
    return grpc.dynamic_ssl_server_credentials(configuration(pair), look, require_client_authentication=pair.client_ca is not None)


def stale_s(reloaders: Sequence[Reloader]) -> float:
    """Return for how many seconds an edited book has been refused; 0: none is."""
    return max((r.stale_s for r in reloaders), default=0.0)


def reload_samples(reloaders: Sequence[Reloader]) -> list[Sample]:
    """Return what became of changed books."""
    counts = {result: sum(r.counts[result] for r in reloaders) for result in ("published", "refused", "withdrawn")}
    found = [Sample("policybook_reloads_total", (result,), count) for result, count in counts.items()]
    return [*found, Sample("policybook_books_stale_seconds", (), stale_s(reloaders))]


def say_http(settings: Settings, port: int) -> None:
    """Say where JSON over HTTP is answered."""
    log.info("JSON over HTTP on http%s://%s", "s" if settings.tls_certificate else "", address_of(settings.host, port))


def metrics_server(
    settings: Settings, samples: Callable[[], Coroutine[Any, Any, list[tuple[str, Sample]]]], is_ready: Callable[[], bool]
) -> MetricsServer:
    """Serve what this event loop knows to Prometheus, and to probes whether it is ready; say where.

    Raises:
        PortInUseError: somebody else listens there
    """
    loop = asyncio.get_running_loop()

    async def ready() -> bool:
        return is_ready()

    def asked(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(METRICS_S)

    assert settings.metrics_port is not None
    made = MetricsServer(settings.metrics_host, settings.metrics_port, lambda: asked(samples()), lambda: asked(ready()))
    log.info("metrics on http://%s/metrics", address_of(settings.metrics_host, made.port))
    return made


def store_samples(store: Store) -> list[Sample]:
    """Return which books are in service."""
    found = [Sample("policybook_books_info", (store.digest,), 1)]
    for name in store.policies():
        edition = store.newest(name)
        if edition is not None:
            found.append(Sample("policybook_book_info", (name, edition.version), 1))
            found.append(Sample("policybook_book_load_time_seconds", (name,), edition.loaded_at.timestamp()))
            found.append(Sample("policybook_cells_remembered", (name,), edition.program.stats().remembered))
    return found


def watch(store: Store, paths: Sequence[Path], interval_s: float, now: Clock) -> list[Reloader]:
    """Look for edited books from now on, unless the interval is 0, and publish them into a store."""
    if interval_s <= 0:
        return []
    reloaders = [Reloader(store, folder, now=now, interval_s=interval_s) for folder in paths if folder.is_dir()]
    for reloader in reloaders:
        reloader.start()
    return reloaders


def _check_masks(log_settings: LogSettings, store: Store) -> None:
    """Refuse a mask that masks nothing: its name may be written wrongly, and the value would stand in the log."""
    inputs = {name: tuple(store.edition(name).book.input_by_name) for name in store.policies()}
    unknown = unknown_names(sorted(log_settings.masks.names), inputs)
    if unknown:
        known = {n for own in inputs.values() for n in own} | {f"{p}.{n}" for p, own in inputs.items() for n in own}
        raise LogError(f"no book has an input `{unknown[0]}` to be masked; {did_you_mean(unknown[0], sorted(known))}")

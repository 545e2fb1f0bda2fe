"""`/metrics` for Prometheus, `/ready` and `/live` for probes, on an address of its own, answered by threads of its own."""

from __future__ import annotations

import logging
import platform
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from policybook.server.address import PortInUseError, address_of
from policybook.server.meter import BUCKETS, FAMILIES, Sample, by_family

log = logging.getLogger("policybook.server")

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class _Families(Collector):
    """Asks for the samples of all workers when somebody looks."""

    def __init__(self, collect: Callable[[], Iterable[tuple[str, Sample]]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        for name, samples in by_family(self._collect()).items():
            family = FAMILIES[name]
            labels = ["worker", *family.labels] if samples[0][0] else list(family.labels)
            match family.kind:
                case "counter":
                    made: Metric = CounterMetricFamily(name, family.help, labels=labels)
                case "gauge":
                    made = GaugeMetricFamily(name, family.help, labels=labels)
                case _:
                    made = HistogramMetricFamily(name, family.help, labels=labels)
            for worker, sample in samples:
                values = [worker, *sample.labels] if worker else list(sample.labels)
                if isinstance(made, HistogramMetricFamily):
                    made.add_metric(values, _cumulative(sample.buckets), sample.value)
                else:
                    assert isinstance(made, CounterMetricFamily | GaugeMetricFamily)
                    made.add_metric(values, sample.value)
            yield made


def _cumulative(buckets: Sequence[int]) -> list[tuple[str, float]]:
    found, total = [], 0
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), buckets, strict=True):
        total += count
        found.append((bound, float(total)))
    return found


def build_sample() -> Sample:
    """Say which program this is."""
    return Sample("policybook_build_info", (version("policybook"), platform.python_version()), 1)


def _pages(metrics: WSGIApplication, is_ready: Callable[[], bool]) -> WSGIApplication:
    """Return the pages by their paths."""

    def page(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        status, text = "404 Not Found", "here are /metrics, /ready and /live\n"
        try:
            if path == "/metrics":
                return metrics(environ, start)
            if path == "/live" and is_ready() is not None:
                # Whoever can answer at all is alive.
                status, text = "200 OK", "alive\n"
            elif path == "/ready" and is_ready():
                status, text = "200 OK", "ready\n"
            elif path == "/ready":
                status, text = "503 Service Unavailable", "not ready: ending, or an edited book has been refused for too long\n"
        except TimeoutError:
            status, text = "503 Service Unavailable", "no answer in time\n"
        start(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))])
        return (text.encode(),)

    return page


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of callers that are gone before their answer."""
        log.debug("whoever asked for metrics is gone")


class _Quiet(WSGIRequestHandler):
    # A caller that sends nothing must not keep a thread for ever.
    timeout = 10

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that is overridden
        """Say nothing: Prometheus comes every few seconds."""


class MetricsServer:
    """Serves `/metrics`, `/ready` and `/live`. Make it, `close` it.

    Args:
        collect: returns the samples of all workers; called from another thread
        is_ready: tells whether callers had better come here than elsewhere; likewise, and raises TimeoutError when nobody says so
    Attributes:
        port: the real one
    Raises:
        PortInUseError: it cannot listen there
    """

    def __init__(self, host: str, port: int, collect: Callable[[], Iterable[tuple[str, Sample]]], is_ready: Callable[[], bool]) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(collect))
        try:
            self._server = make_server(host, port, _pages(make_wsgi_app(registry), is_ready), server_class=_Server, handler_class=_Quiet)
        except OSError as e:
            raise PortInUseError(f"cannot listen on {address_of(host, port)} for metrics: {(e.strerror or str(e)).lower()}") from None
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="policybook-metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

"""`/metrics` for Prometheus, on an address of its own, answered by a thread of its own."""

from __future__ import annotations

import platform
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from policybook.server.address import PortInUseError, address_of
from policybook.server.meter import BUCKETS, FAMILIES, Sample, by_family


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


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    # A caller that sends nothing must not keep a thread for ever.
    timeout = 10

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that is overridden
        """Say nothing: Prometheus comes every few seconds."""


class MetricsServer:
    """Serves `/metrics`. Make it, `close` it.

    Args:
        collect: returns the samples of all workers; called from another thread
    Attributes:
        port: the real one
    Raises:
        PortInUseError: it cannot listen there
    """

    def __init__(self, host: str, port: int, collect: Callable[[], Iterable[tuple[str, Sample]]]) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(collect))
        try:
            self._server = make_server(host, port, make_wsgi_app(registry), server_class=_Server, handler_class=_Quiet)
        except OSError as e:
            raise PortInUseError(f"cannot listen on {address_of(host, port)} for metrics: {(e.strerror or str(e)).lower()}") from None
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="policybook-metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

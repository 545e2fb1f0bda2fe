"""Traces for OpenTelemetry: a span for each call, by gRPC's own instrumentation where that serves, with what was decided. Only where it is asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from importlib.metadata import version
from typing import Any

import grpc
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.grpc import aio_server_interceptor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from policybook.decide.near import Seen
from policybook.desk import Counter, Sheet
from policybook.model.answer import Answer
from policybook.model.book import Decision
from policybook.store.versions import Edition
from policybook.values import Value


class Telemetry:
    """Sends spans to a collector. Make it, `close` it.

    Args:
        endpoint: `http://collector:4317`; https for TLS
    Attributes:
        interceptors: for the server
    """

    def __init__(self, endpoint: str) -> None:
        resource = Resource.create({"service.name": "policybook", "service.version": version("policybook")})
        self._provider = TracerProvider(resource=resource)
        exporter = OTLPSpanExporter(endpoint=endpoint, insecure=not endpoint.startswith("https://"))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        # A stream that writes its answers itself is none to this instrumentation (`call`); health and reflection are noise.
        made: Any = aio_server_interceptor(tracer_provider=self._provider, filter_=_is_told)  # type: ignore[no-untyped-call]  # has no types
        self._tracer = self._provider.get_tracer("policybook", version("policybook"))
        self.interceptors: Sequence[grpc.aio.ServerInterceptor] = (made,)

    def close(self) -> None:
        """Send what is left, and end."""
        self._provider.shutdown()

    @contextlib.contextmanager
    def call(self, method: str, metadata: Mapping[str, str], system: str) -> Iterator[Callable[[str, str], None]]:
        """Tell of a call that is none to the instrumentation: a stream, or one that came over HTTP.

        Args:
            method: its full name
            system: `grpc` or `connect_rpc`
        """
        service, _, name = method[1:].rpartition("/")
        attributes = {"rpc.system": system, "rpc.service": service, "rpc.method": name}
        with self._tracer.start_as_current_span(
            method,
            propagate.extract(metadata),
            trace.SpanKind.SERVER,
            attributes,
            # A call that is refused is no exception, and one that is cut off has no fault.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:

            def ended(code: str, reason: str) -> None:
                if system == "grpc":
                    span.set_attribute("rpc.grpc.status_code", grpc.StatusCode[code].value[0])
                elif code != "OK":
                    span.set_attribute("rpc.connect_rpc.error_code", code.lower())
                if reason:
                    span.set_attribute("policybook.reason", reason)
                if code in _FAULTS:
                    span.set_status(trace.StatusCode.ERROR)

            yield ended


# What is the service's fault, or its operators', and not the caller's.
_FAULTS = ("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS")


def _is_told(details: Any) -> bool:
    method: str = details.method
    return method.startswith("/policybook.") and not method.endswith("/StreamDecide")


class Spans:
    """Says in the span of a call what was decided; no fact stands in it.

    Args:
        others: what counts answers besides
    """

    def __init__(self, others: Sequence[Counter]) -> None:
        self._others = others

    def answered(self, answer: Answer) -> None:
        """Tell of one answer."""
        for other in self._others:
            other.answered(answer)
        span: Any = trace.get_current_span()
        if not span.is_recording():
            return
        if span.name.endswith("/BatchDecide"):
            self._count(span, 1)
        elif not span.name.endswith("/StreamDecide"):
            span.set_attribute("policybook.decision", f"{answer.policy}.{answer.decision.name}")
            span.set_attribute("policybook.policy_version", answer.version)
            span.set_attribute("policybook.outcome", answer.outcome.value)
            span.set_attribute("policybook.decision_id", answer.decision_id)
            span.set_attribute("policybook.rows", [row.id for row in answer.selected])

    def answered_sheet(self, sheet: Sheet) -> None:
        """Tell of many answers."""
        for other in self._others:
            other.answered_sheet(sheet)
        # Several streams are decided together, in the time of one of them.
        span: Any = trace.get_current_span()
        if span.is_recording() and span.name.endswith("/BatchDecide"):
            self._count(span, sheet.many.size - len(sheet.errors))

    @staticmethod
    def _count(span: Any, count: int) -> None:
        span.set_attribute("policybook.decisions", span.attributes.get("policybook.decisions", 0) + count)

    def refused(self, reason: str) -> None:
        """Tell nothing: the call has a span, its items have none."""
        for other in self._others:
            other.refused(reason)

    def looked(self, edition: Edition, decision: Decision, as_of: date, env: Mapping[str, Value]) -> None:
        """Tell nothing: a fact is no attribute."""
        for other in self._others:
            other.looked(edition, decision, as_of, env)

    def looked_at_all(self, edition: Edition, decision: Decision, as_of: date, seen: Seen) -> None:
        """Tell nothing, likewise."""
        for other in self._others:
            other.looked_at_all(edition, decision, as_of, seen)

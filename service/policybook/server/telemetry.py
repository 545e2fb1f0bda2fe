"""Traces for OpenTelemetry: a span for each call, told by gRPC's own instrumentation, with what was decided. Only where it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from importlib.metadata import version
from typing import Any

import grpc
from opentelemetry import trace
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
        # LIMIT: a stream that writes its answers itself is none to this instrumentation; health and reflection are noise.
        made: Any = aio_server_interceptor(tracer_provider=self._provider, filter_=_is_told)  # type: ignore[no-untyped-call]  # has no types
        self.interceptors: Sequence[grpc.aio.ServerInterceptor] = (made,)

    def close(self) -> None:
        """Send what is left, and end."""
        self._provider.shutdown()


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
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attribute("policybook.decision", f"{answer.policy}.{answer.decision.name}")
            span.set_attribute("policybook.policy_version", answer.version)
            span.set_attribute("policybook.outcome", answer.outcome.value)
            span.set_attribute("policybook.decision_id", answer.decision_id)
            span.set_attribute("policybook.rows", [row.id for row in answer.selected])

    def answered_sheet(self, sheet: Sheet) -> None:
        """Tell of many answers."""
        for other in self._others:
            other.answered_sheet(sheet)

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

"""Spans as a collector gets them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from contract.calls import BOOKS, Calls, Process, number, order, refused
from policybook.v1 import decision_service_pb2 as pb

collector = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
services = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc")


class Collector(services.TraceServiceServicer):  # type: ignore[misc, name-defined]
    """A real one, as small as can be."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def Export(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the interface's name
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return collector.ExportTraceServiceResponse()


@pytest.fixture
def collecting() -> Iterator[tuple[Collector, int]]:
    made = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    services.add_TraceServiceServicer_to_server(made, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield made, port
    server.stop(0).wait()


def attributes(span: Any) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_span_for_each_call(tmp_path: Path, collecting: tuple[Collector, int], workers: str) -> None:
    got, port = collecting
    arguments = ("--workers", workers, "--port", "0", "--reload-s", "0", "--otlp-endpoint", f"http://127.0.0.1:{port}")
    process = Process(BOOKS, *arguments, log=tmp_path / "log").started()
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with Calls(process.port) as calls:
        answer = calls.decisions.Decide(order("60"), timeout=30, metadata=(("traceparent", f"00-{trace}-{parent}-01"),))
        refused(calls.decisions.Decide, order("60", facts={"amount": number("x")}))
        calls.decisions.BatchDecide(pb.BatchDecideRequest(requests=[order("60")] * 3), timeout=30)
        assert len(list(calls.decisions.StreamDecide(iter([pb.StreamDecideRequest(request=order())]), timeout=30))) == 1
    assert process.end() == 0
    # Whatever was not sent yet is sent at the end.
    decide = [s for s in got.spans if s.name.endswith("/Decide")]
    assert [len(decide), len(got.spans)] == [2, 3]
    (own,) = [s for s in decide if s.trace_id.hex() == trace]
    assert own.parent_span_id.hex() == parent
    told = attributes(own)
    assert (told["policybook.decision"], told["policybook.decision_id"]) == ("shop.order", answer.decision_id)
    assert (told["policybook.policy_version"], told["policybook.outcome"]) == (answer.policy_version, "decided")
    (other,) = [s for s in decide if s is not own]
    assert attributes(other)["rpc.grpc.status_code"] == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    # Nothing but what is named here: no fact.
    assert {n.removeprefix("policybook.") for n in told if n.startswith("policybook.")} == {
        "decision",
        "policy_version",
        "outcome",
        "decision_id",
        "rows",
    }
    assert "Traceback" not in process.errors()


def test_a_collector_that_is_not_there_holds_nobody_up(tmp_path: Path) -> None:
    process = Process(BOOKS, "--port", "0", "--otlp-endpoint", "http://127.0.0.1:1", log=tmp_path / "log").started()
    with Calls(process.port) as calls:
        for _ in range(50):
            assert calls.decide(order()).outcome == pb.OUTCOME_DECIDED
    assert process.end(timeout=60) == 0

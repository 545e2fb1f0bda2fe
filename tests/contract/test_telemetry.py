"""Spans as a collector gets them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from contract.calls import BOOKS, Calls, Process, number, order, refused
from contract.test_http import Web, http_port
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
    endpoint = f"http://127.0.0.1:{port}"
    arguments = ("--workers", workers, "--port", "0", "--http-port", "0", "--reload-s", "0", "--otlp-endpoint", endpoint)
    process = Process(BOOKS, *arguments, log=tmp_path / "log").started()
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    above = {"traceparent": f"00-{trace}-{parent}-01"}
    with Calls(process.port) as calls, Web(http_port(process)) as web:
        answer = calls.decisions.Decide(order("60"), timeout=30, metadata=tuple(above.items()))
        refused(calls.decisions.Decide, order("60", facts={"amount": number("x")}))
        in_full = calls.decide(order("60", trace_level=3))
        for count in (3, 30):
            calls.decisions.BatchDecide(pb.BatchDecideRequest(requests=[order("60")] * count + [order("60", "nobody")]), timeout=30)
        asked = iter([pb.StreamDecideRequest(request=order())] * 2)
        assert len(list(calls.decisions.StreamDecide(asked, timeout=30, metadata=tuple(above.items())))) == 2
        over_http = web.ask("/policybook.v1.DecisionService/Decide", json_format.MessageToDict(order("60")), above).json
        assert web.ask("/policybook.v1.DecisionService/Decide", {"decision": "shop.nothing"}, above).status == 404
    assert process.end() == 0
    # Whatever was not sent yet is sent at the end.
    assert len(got.spans) == 8
    decided = {attributes(s)["policybook.decision_id"]: s for s in got.spans if "policybook.decision_id" in attributes(s)}
    assert decided.keys() == {answer.decision_id, in_full.decision_id, over_http["decisionId"]}
    own = decided[answer.decision_id]
    for span in (own, decided[over_http["decisionId"]]):
        assert (span.trace_id.hex(), span.parent_span_id.hex()) == (trace, parent)
    told = attributes(own)
    assert (told["policybook.decision"], told["rpc.system"], told["rpc.grpc.status_code"]) == ("shop.order", "grpc", 0)
    assert (told["policybook.policy_version"], told["policybook.outcome"]) == (answer.policy_version, "decided")
    assert attributes(decided[over_http["decisionId"]])["rpc.system"] == "connect_rpc"
    refusals = [attributes(s) for s in got.spans if s.name.endswith("/Decide") and s not in decided.values()]
    assert {r.get("rpc.grpc.status_code"): r.get("rpc.connect_rpc.error_code") for r in refusals} == {3: None, None: "not_found"}
    assert {r.get("policybook.reason") for r in refusals} == {None, "DECISION_NOT_FOUND"}
    # Those of a batch are counted; those of streams are decided together.
    assert sorted(attributes(s)["policybook.decisions"] for s in got.spans if s.name.endswith("/BatchDecide")) == [3, 30]
    (stream,) = [s for s in got.spans if s.name.endswith("/StreamDecide")]
    assert (stream.trace_id.hex(), stream.parent_span_id.hex(), attributes(stream)["rpc.grpc.status_code"]) == (trace, parent, 0)
    # Nothing but what is named here: no fact.
    names = {n.removeprefix("policybook.") for s in got.spans for n in attributes(s) if n.startswith("policybook.")}
    assert names == {"decision", "policy_version", "outcome", "decision_id", "rows", "decisions", "reason"}
    assert "Traceback" not in process.errors()


def test_a_collector_that_is_not_there_holds_nobody_up(tmp_path: Path) -> None:
    process = Process(BOOKS, "--port", "0", "--otlp-endpoint", "http://127.0.0.1:1", log=tmp_path / "log").started()
    with Calls(process.port) as calls:
        for _ in range(50):
            assert calls.decide(order()).outcome == pb.OUTCOME_DECIDED
    assert process.end(timeout=60) == 0

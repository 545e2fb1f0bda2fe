"""A real gRPC server on loopback that says what a test tells it to; for what the service itself cannot be made to say."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from policybook.v1 import (
    decision_service_pb2,
    decision_service_pb2_grpc,
    policy_service_pb2,
    policy_service_pb2_grpc,
    values_pb2,
)
from policybook_client import AsyncPolicybookClient, PolicybookClient

Answer = Callable[[Any, grpc.ServicerContext], Any]


def decided(request: Any, **outputs: str) -> decision_service_pb2.DecideResponse:
    """Answer a DecideRequest with text outputs."""
    return decision_service_pb2.DecideResponse(
        decision_id="d-1",
        request_id=request.request_id,
        decision=request.decision,
        policy_version="ab" * 32,
        as_of_date=request.as_of_date or "2026-03-01",
        outcome=decision_service_pb2.OUTCOME_DECIDED,
        outputs={name: values_pb2.Value(text=text) for name, text in outputs.items()},
    )


def refuse(context: grpc.ServicerContext, code: grpc.StatusCode, message: str, *details: Any) -> Any:
    """End the call with a status and its google.rpc details."""
    if details:
        status = status_pb2.Status(code=code.value[0], message=message)
        for detail in details:
            status.details.add().Pack(detail)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, message)


def item_error(code: grpc.StatusCode, message: str, *details: Any) -> decision_service_pb2.DecideResult:
    """Make one failed item of a batch or a stream."""
    packed = []
    for detail in details:
        box = any_pb2.Any()
        box.Pack(detail)
        packed.append(box)
    error = decision_service_pb2.ItemError(code=code.value[0], message=message, details=packed)
    return decision_service_pb2.DecideResult(error=error)


class FakeService(
    decision_service_pb2_grpc.DecisionServiceServicer,
    policy_service_pb2_grpc.PolicyServiceServicer,
):
    """Answers each method with the function of its name in `answers`; keeps the requests and their metadata."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {
            "Decide": lambda request, _: decided(request, outcome="ship"),
            "StreamDecide": self._each,
        }
        self.requests: list[Any] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.health = health.HealthServicer()
        self.target = ""
        self.server: grpc.Server | None = None

    def start(self, port: int = 0, credentials: grpc.ServerCredentials | None = None) -> None:
        server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        decision_service_pb2_grpc.add_DecisionServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]
        policy_service_pb2_grpc.add_PolicyServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(self.health, server)
        address = f"127.0.0.1:{port}"
        bound = server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
        self.target = f"127.0.0.1:{bound}"
        server.start()
        self.server = server

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop(0).wait()

    def set_health(self, status: Any) -> None:
        self.health.set("", status)

    def _answer(self, method: str, request: Any, context: grpc.ServicerContext) -> Any:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        return self.answers[method](request, context)

    @staticmethod
    def _each(requests: Iterator[Any], _: grpc.ServicerContext) -> Iterator[Any]:
        for request in requests:
            result = decision_service_pb2.DecideResult(response=decided(request.request, outcome="ship"))
            yield decision_service_pb2.StreamDecideResponse(result=result)

    def Decide(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - gRPC's names
        return self._answer("Decide", request, context)

    def BatchDecide(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._answer("BatchDecide", request, context)

    def StreamDecide(self, request_iterator: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        yield from self._answer("StreamDecide", request_iterator, context)

    def ListPolicies(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._answer("ListPolicies", request, context)

    def ListDecisionDefinitions(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._answer("ListDecisionDefinitions", request, context)

    def GetDecisionDefinition(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._answer("GetDecisionDefinition", request, context)

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._answer("Check", request, context)


class Kit:
    """The helpers above, for tests that cannot import from here."""

    decided = staticmethod(decided)
    refuse = staticmethod(refuse)
    item_error = staticmethod(item_error)
    pb = decision_service_pb2
    policy_pb = policy_service_pb2
    values_pb = values_pb2
    SERVING = health_pb2.HealthCheckResponse.SERVING
    NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def kit() -> type[Kit]:
    return Kit


@pytest.fixture
def fake() -> Iterator[FakeService]:
    service = FakeService()
    service.start()
    yield service
    service.stop()


@pytest.fixture(autouse=True)
def no_thread_left_behind() -> Iterator[None]:
    """Streams must take their threads with them."""
    yield
    left = [thread for thread in threading.enumerate() if thread.name == "policybook-stream-watch"]
    for thread in left:
        thread.join(timeout=2)
    assert not any(thread.is_alive() for thread in left)


class Asyncio:
    """Runs an AsyncPolicybookClient so that one test can ask both clients the same."""

    def __init__(self, target: str, **options: Any) -> None:
        self.runner = asyncio.Runner()
        self.client = AsyncPolicybookClient(target, **options)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if name == "decide_stream":
            return lambda *args, **options: iter(self.runner.run(self._all(method(*args, **options))))
        return lambda *args, **options: self.runner.run(method(*args, **options))

    @staticmethod
    async def _all(results: AsyncIterator[Any]) -> list[Any]:
        return [result async for result in results]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.run(self.client.close())
        self.runner.close()


@pytest.fixture(params=[PolicybookClient, Asyncio], ids=["sync", "asyncio"])
def either(request: pytest.FixtureRequest) -> Any:
    """Both clients, with the methods of the synchronous one; streams of the other come as a whole."""
    return request.param

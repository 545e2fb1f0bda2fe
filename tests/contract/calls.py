"""Raw calls and raw values: what the contract tests speak instead of a client library."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2 as details_pb
from google.rpc import status_pb2

from policybook.server.app import Server
from policybook.server.settings import Settings
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import decision_service_pb2_grpc, policy_service_pb2_grpc
from policybook.v1.values_pb2 import Money, Record, Value, ValueList

ROOT = Path(__file__).resolve().parents[2]
BOOKS = Path(__file__).resolve().parent / "books"
DECIDE = "/policybook.v1.DecisionService/Decide"

NULL = Value(null=0)  # type: ignore[arg-type]


def money(amount: str, currency: str = "") -> Value:
    return Value(money=Money(amount=amount, currency=currency))


def number(text: str) -> Value:
    return Value(decimal=text)


def word(text: str) -> Value:
    return Value(text=text)


def flag(value: bool) -> Value:
    return Value(flag=value)


def day(text: str) -> Value:
    return Value(date=text)


def instant(seconds: int, nanos: int = 0) -> Value:
    return Value(timestamp=Timestamp(seconds=seconds, nanos=nanos))


def values(*elements: Value) -> Value:
    return Value(list=ValueList(values=elements))


def record(**fields: Value) -> Value:
    return Value(record=Record(fields=fields))


def nested(depth: int) -> Value:
    """Lists inside one another."""
    value = number("1")
    for _ in range(depth):
        value = values(value)
    return value


def order(amount: str = "50", customer: str = "new", **rest: Any) -> pb.DecideRequest:
    """A request that is decided."""
    facts = {"amount": money(amount), "customer": word(customer), **rest.pop("facts", {})}
    return pb.DecideRequest(decision="shop.order", facts=facts, **rest)


@dataclass
class Refusal:
    """A status taken apart."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: Mapping[str, str]
    details: Sequence[Message]
    size: int = 0
    kinds: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        self.kinds = tuple(d.DESCRIPTOR.name for d in self.details)

    @property
    def fields(self) -> dict[str, str]:
        """Field -> description of a BadRequest."""
        return {v.field: v.description for d in self.details if isinstance(d, details_pb.BadRequest) for v in d.field_violations}

    @property
    def reasons(self) -> dict[str, str]:
        """Field -> reason of a BadRequest."""
        return {v.field: v.reason for d in self.details if isinstance(d, details_pb.BadRequest) for v in d.field_violations}

    def the(self, name: str) -> Any:
        """The detail of a type."""
        return next(d for d in self.details if d.DESCRIPTOR.name == name)


_KNOWN = (
    details_pb.ErrorInfo,
    details_pb.BadRequest,
    details_pb.ResourceInfo,
    details_pb.PreconditionFailure,
    details_pb.QuotaFailure,
    details_pb.RetryInfo,
)


def taken_apart(status: status_pb2.Status | pb.ItemError, size: int = 0) -> Refusal:
    """Unpack a status; a detail of a type that is not in the contract fails."""
    details = []
    for box in status.details:
        kind = next(k for k in _KNOWN if box.Is(k.DESCRIPTOR))
        message = kind()
        box.Unpack(message)
        details.append(message)
    infos = [d for d in details if isinstance(d, details_pb.ErrorInfo)]
    assert len(infos) == 1, "exactly one ErrorInfo"
    assert infos[0].domain == "policybook.dev"
    code = next(c for c in grpc.StatusCode if c.value[0] == status.code)
    return Refusal(code, status.message, infos[0].reason, dict(infos[0].metadata), details, size)


def refusal_of(error: Any) -> Refusal:
    """Unpack the status of a failed call, as any client would."""
    trailers = dict(error.trailing_metadata() or ())
    packed = trailers["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(packed)
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    return taken_apart(status, len(packed))


def refused(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Refusal:
    """Make a call that must fail."""
    kwargs.setdefault("timeout", 30)
    try:
        answer = call(*args, **kwargs)
        if not isinstance(answer, Message | bytes):
            answer = list(answer)
    except grpc.RpcError as e:
        return refusal_of(e)
    raise AssertionError(f"not refused: {str(answer)[:300]}")


class Calls:
    """A channel with its stubs."""

    def __init__(self, port: int) -> None:
        self.port = port
        # Channels of equal arguments share one connection; tests that break connections must not.
        options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=options)
        self.decisions = decision_service_pb2_grpc.DecisionServiceStub(self.channel)
        self.policies = policy_service_pb2_grpc.PolicyServiceStub(self.channel)

    def decide(self, request: pb.DecideRequest, timeout: float = 30) -> pb.DecideResponse:
        return self.decisions.Decide(request, timeout=timeout)

    def raw(self, method: str = DECIDE) -> Any:
        """A call that sends and receives bytes."""
        return self.channel.unary_unary(method, request_serializer=None, response_deserializer=None)

    def close(self) -> None:
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Process:
    """The server as its users run it: a process of its own."""

    def __init__(self, *arguments: str | Path, log: Path, insecure: bool = True) -> None:
        self.log = log
        self._log = log.open("wb")
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "service"), "PYTHONUNBUFFERED": "1"}
        self.popen = subprocess.Popen(
            # One process unless a test asks for more: `--workers` again.
            [sys.executable, "-m", "policybook", "serve", "--workers", "1", *(["--insecure"] if insecure else []), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
        )
        self.line = ""

    def started(self) -> Self:
        """Wait for the line that says where it listens."""
        assert self.popen.stdout
        self.line = self.popen.stdout.readline()
        if not self.line:
            self.kill()
            raise AssertionError(self.errors())
        return self

    @property
    def port(self) -> int:
        found = re.search(r":(\d+),", self.line)
        assert found, self.line
        return int(found.group(1))

    def errors(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def end(self, number: int = signal.SIGTERM, timeout: float = 20) -> int:
        """Send a signal, wait for the end, return the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        try:
            return self.popen.wait(timeout)
        finally:
            self.kill()

    def kill(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait(10)
        assert self.popen.stdout
        self.popen.stdout.close()
        self._log.close()


@contextlib.contextmanager
def in_thread(settings: Settings, *, load: bool = True, **rest: Any) -> Iterator[Server]:
    """The server on a loop in a thread: for tests that look inside it or set other limits."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    async def make() -> Server:
        made = Server(settings, **rest)
        await made.start()
        if load:
            await made.load()
        return made

    server = run(make())
    server.run = run
    try:
        yield server
    finally:
        run(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()

"""Servers in processes of their own, and callers that keep them busy: what a call costs them in processor time."""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from policybook.v1 import decision_service_pb2 as pb

ROOT = Path(__file__).resolve().parent.parent
BATCH = 100
TICKS = os.sysconf("SC_CLK_TCK")
SERVICE = "/policybook.v1.DecisionService"

# ---------------------------------------------------------------- servers


@dataclass
class Server:
    """A server in a process of its own."""

    name: str
    process: subprocess.Popen[bytes]
    address: str
    start_s: float

    def cpu_s(self) -> float:
        """CPU time of the process so far, user and system, all threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_mb(self) -> float:
        """Memory that the process has in RAM."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0


@contextmanager
def server(name: str, command: list[str]) -> Iterator[Server]:
    """Start a server on a free port, wait until it says that it takes calls, end it at the end."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        line = process.stdout.readline().decode() if process.stdout else ""
        found = re.search(r"listening on [^ ]+:(\d+)", line)
        if not found:
            raise SystemExit(f"{name} did not start: {' '.join(command)}")
        yield Server(name, process, f"127.0.0.1:{found.group(1)}", time.perf_counter() - began)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# ---------------------------------------------------------------- load

Caller = Callable[[grpc.aio.Channel, float], Awaitable[int]]


def unary(method: str, requests: list[bytes]) -> Caller:
    """Return a caller that asks again as soon as it has its answer."""

    async def call(channel: grpc.aio.Channel, end: float) -> int:
        stub = channel.unary_unary(method)
        done = 0
        while time.perf_counter() < end:
            await stub(requests[done % len(requests)])
            done += 1
        return done

    return call


def over_http(port: int, method: str, message: type[Message], requests: list[bytes]) -> Caller:
    """Return a caller that asks in JSON over HTTP, over a connection of its own, in a thread of its own."""
    bodies = [json_format.MessageToJson(message.FromString(r)) for r in requests]

    def ask(end: float) -> int:
        done = 0
        with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            while time.perf_counter() < end:
                connection.request("POST", method, bodies[done % len(bodies)], {"content-type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                if answer.status != HTTPStatus.OK:
                    raise SystemExit(f"{method} was answered {answer.status}")
                done += 1
        return done

    async def call(_channel: grpc.aio.Channel, end: float) -> int:
        return await asyncio.to_thread(ask, end)

    return call


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def batch(requests: list[bytes]) -> Caller:
    """Return a caller of BatchDecide with BATCH requests a call; counts decisions."""
    items = [pb.DecideRequest.FromString(requests[i % len(requests)]) for i in range(BATCH)]
    body = pb.BatchDecideRequest(requests=items).SerializeToString()
    one = unary(f"{SERVICE}/BatchDecide", [body])

    async def call(channel: grpc.aio.Channel, end: float) -> int:
        return BATCH * await one(channel, end)

    return call


def stream(method: str, requests: list[bytes], window: int = 16) -> Caller:
    """Return a caller that keeps `window` requests of one stream under way."""

    async def call(channel: grpc.aio.Channel, end: float) -> int:
        free = asyncio.Semaphore(window)

        async def outgoing() -> AsyncIterator[bytes]:
            sent = 0
            while time.perf_counter() < end:
                await free.acquire()
                yield requests[sent % len(requests)]
                sent += 1

        done = 0
        async for _ in channel.stream_stream(method)(outgoing()):
            free.release()
            done += 1
        return done

    return call


@dataclass
class Load:
    """What one kind of call cost so far."""

    answers: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0


async def load(target: Server, caller: Caller, callers: int, seconds: float, total: Load) -> None:
    """Ask for a while and add what it cost to `total`."""
    async with grpc.aio.insecure_channel(target.address, options=[("grpc.max_receive_message_length", 64 << 20)]) as channel:
        await channel.channel_ready()
        await caller(channel, time.perf_counter() + seconds / 10)
        cpu, began = target.cpu_s(), time.perf_counter()
        counts = await asyncio.gather(*(caller(channel, began + seconds) for _ in range(callers)))
        total.seconds += time.perf_counter() - began
        total.cpu_s += target.cpu_s() - cpu
        total.answers += sum(counts)

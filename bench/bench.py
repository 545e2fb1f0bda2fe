"""Measure the service beside a bare echo server, and the books, in one run. Bounded to about two minutes.

    make bench                      everything
    make bench ARGS='--quick'       a tenth of the time, for a look
    make bench ARGS='--json out'    the figures as JSON besides
    make bench ARGS='--cerbos PATH' with a binary of Cerbos that is here already

Absolute figures are this machine's; the ratios are what to compare. On two cores the callers have one and the server has one.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import grpc
import headroom
from cerbos import measure_cerbos
from loads import BATCH, SERVICE, Caller, Load, Server, batch, free_port, load, over_http, server, stream, unary
from peers import measure_peers
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from tables import book_text, facts_of_row

import books
from policybook.check.book import check_source
from policybook.desk import Desk, Request
from policybook.model.answer import TraceLevel
from policybook.model.facts import Raw, RawMoney
from policybook.source import Source
from policybook.store.reload import make_edition
from policybook.store.versions import Store
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import trace_pb2, values_pb2

ROOT = Path(__file__).resolve().parent.parent
SIZES = (10, 100, 1_000, 10_000)
CALLERS = (1, 8, 64)
ROUNDS = 3

console = Console(highlight=False, width=max(120, Console().width))


@dataclass
class Figures:
    """What was measured, by name; written as JSON at the end."""

    values: dict[str, float] = field(default_factory=dict)

    def note(self, name: str, value: float) -> float:
        """Keep a figure and return it."""
        self.values[name] = round(value, 3)
        return value


# ---------------------------------------------------------------- in process


def measure_in_process(seconds: float, figures: Figures) -> None:
    """Print microseconds a decision for tables of several sizes."""
    table = Table(title="One decision in process, one table of N rows (microseconds)", title_justify="left", box=SIMPLE)
    for column in ("rows", "load, s", "first ever", "each cell once", "known cells", "one cell", "full trace"):
        table.add_column(column, justify="right")
    for rows in SIZES:
        found = _one_table(rows, seconds)
        for what, value in found.items():
            figures.note(f"in_process.{rows}.{what}", value)
        table.add_row(f"{rows:,}", f"{found['load_s']:.2f}", *(f"{v:,.1f}" for k, v in found.items() if k != "load_s"))
        gc.collect()
    console.print(table)
    for what, words in (("new_cell", "each cell once"), ("known_cells", "known cells"), ("one_cell", "one cell")):
        ratio = figures.values[f"in_process.{SIZES[-1]}.{what}_us"] / figures.values[f"in_process.{SIZES[0]}.{what}_us"]
        console.print(f"{SIZES[-1]:,} rows beside {SIZES[0]}, {words}: {figures.note(f'in_process.ratio.{what}', ratio):.2f} times")
    console.print()


def _one_table(rows: int, seconds: float) -> dict[str, float]:
    began = time.perf_counter()
    book, report = check_source(Source(f"t{rows}.yaml", book_text(f"t{rows}", rows)))
    if book is None:
        raise SystemExit(report.render({}))
    store = Store()
    store.publish(make_edition(book, datetime.now(UTC)))
    loaded = time.perf_counter() - began
    desk = Desk(store, now=lambda: datetime.now(UTC), new_id=lambda: uuid.uuid4().hex)
    name = f"t{rows}.price"
    requests = [facts_of_row(row) for row in range(rows)]

    def ask(row: int, level: TraceLevel = TraceLevel.NONE) -> None:
        answer = desk.decide(Request(decision=name, facts=requests[row], trace=level))
        if answer.outputs["code"] != row:
            raise SystemExit(f"{name}: row {row} answered {answer.outputs['code']}")

    # Every cell once, as after a start; then the same ones again and again, as on every other day.
    asked = random.Random(1).sample(range(rows), min(rows, 1_000))
    times = []
    for row in asked:
        began = time.perf_counter()
        ask(row)
        times.append(time.perf_counter() - began)
    numbers = itertools.cycle(asked)
    return {
        "load_s": loaded,
        "first_us": times[0] * 1e6,
        "new_cell_us": statistics.fmean(times[1:]) * 1e6,
        "known_cells_us": _microseconds(lambda: ask(next(numbers)), seconds),
        "one_cell_us": _microseconds(lambda: ask(asked[0]), seconds),
        "full_us": _microseconds(lambda: ask(asked[0], TraceLevel.FULL), seconds / 2, at_once=1),
    }


def _microseconds(call: Callable[[], None], seconds: float, at_once: int = 10) -> float:
    count, began, end = 0, time.perf_counter(), time.perf_counter() + seconds
    while time.perf_counter() < end:
        for _ in range(at_once):
            call()
        count += at_once
    return (time.perf_counter() - began) / count * 1e6


# ---------------------------------------------------------------- books


def measure_books(seconds: float, figures: Figures) -> None:
    """Print what a decision costs in each book of rules/, and what it costs to load all."""
    costs = books.decision_costs(seconds)
    beside = books.ratios(costs)
    table = Table(
        title="The books of rules/, by the requests of their own test tables (microseconds of CPU a request)",
        title_justify="left",
        box=SIMPLE,
    )
    for column in ("book", "requests", "first time", "again", "with trace", "x first four", "dearest decision"):
        table.add_column(column, justify="left" if column in ("book", "dearest decision") else "right", no_wrap=True)
    for book, cost in costs.items():
        for what, value in (("new_us", cost.new), ("known_us", cost.known), ("traced_us", cost.traced), ("ratio", beside[book])):
            figures.note(f"book.{book}.{what}", value)
        decision, dearest = cost.dearest
        figures.note(f"book.{book}.dearest_us", dearest)
        shown = (f"{v:,.0f}" for v in (cost.new, cost.known, cost.traced))
        table.add_row(book, str(cost.requests), *shown, f"{beside[book]:.2f}", f"{decision} {dearest:,.0f}")
    console.print(table)
    first = {b: c for b, c in costs.items() if b in books.FIRST}
    dear, dear_first = (max(cs.values(), key=lambda c: c.dearest[1]).dearest[1] for cs in (costs, first))
    highest, highest_first = max(beside, key=beside.__getitem__), max(first, key=beside.__getitem__)
    console.print(
        f"dearest book: {highest} {beside[highest]:.2f} times the mean of the first four; of these {highest_first} {beside[highest_first]:.2f}"
    )
    console.print(
        f"dearest decision of all beside that of the first four: {figures.note('book.dearest_ratio', dear / dear_first):.2f} times"
    )
    load = books.load_cost()
    figures.note("books.read_s", load.read_s)
    figures.note("books.compile_s", load.compile_s)
    figures.note("books.memory_mb", load.memory_mb)
    console.print(
        f"load and check of all {len(costs)} books {load.read_s:.2f} s, compile and self-check {load.compile_s:.2f} s: "
        f"{load.total_s:.2f} s of CPU; {load.memory_mb:.0f} MB added"
    )
    console.print()


# ---------------------------------------------------------------- requests


def wire_value(raw: Raw) -> values_pb2.Value:
    """Write a raw fact of bench/tables.py on the wire."""
    if isinstance(raw.value, RawMoney):
        return values_pb2.Value(money=values_pb2.Money(amount=raw.value.amount, currency=raw.value.currency))
    return values_pb2.Value(text=raw.value)


def simple_requests() -> list[bytes]:
    """One table of ten rows, no trace, every row in turn."""
    return [
        pb.DecideRequest(
            decision="t10.price",
            facts={k: wire_value(v) for k, v in facts_of_row(row).items()},
            trace_level=trace_pb2.TRACE_LEVEL_NONE,
        ).SerializeToString()
        for row in range(10)
    ]


def shipment_request(level: trace_pb2.TraceLevel) -> bytes:
    """The real thing: credit.shipment, which asks five other tables first."""
    v = values_pb2.Value
    facts = {
        "customer_file_complete": v(flag=True),
        "identity_copy_on_file": v(flag=True),
        "contract_kind": v(text="distribution"),
        "settlement_agreement_included": v(flag=True),
        "last_year_balance": v(money=values_pb2.Money(amount="0")),
        "payments": v(
            list=values_pb2.ValueList(
                values=[
                    v(
                        record=values_pb2.Record(
                            fields={"amount": v(money=values_pb2.Money(amount="9000")), "paid_on": v(date="2026-03-20")}
                        )
                    )
                ]
            )
        ),
        "outstanding": v(money=values_pb2.Money(amount="8000")),
        "shipment_amount": v(money=values_pb2.Money(amount="2500")),
        "signed_by": v(list=values_pb2.ValueList(values=[v(text="regional_manager")])),
    }
    return pb.DecideRequest(decision="credit.shipment", facts=facts, as_of_date="2026-03-31", trace_level=level).SerializeToString()


# ---------------------------------------------------------------- through gRPC


def measure_server(seconds: float, figures: Figures) -> None:
    """Print rates and CPU time through gRPC and HTTP, beside the echo server."""
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules"
        rules.mkdir()
        (rules / "t10.yaml").write_text(book_text("t10", 10))
        shutil.copy(ROOT / "rules" / "credit.yaml", rules)
        http_port = free_port()
        program = str(Path(sys.executable).with_name("policybook"))
        command = [program, "serve", str(rules), "--port", "0", "--http-port", str(http_port), "--workers", "1", "--insecure"]
        with server("policybook", command) as ours:
            at_start = ours.resident_mb()
            answer = Path(folder) / "answer"
            with grpc.insecure_channel(ours.address) as channel:
                ask = channel.unary_unary(f"{SERVICE}/Decide")
                sizes = {level: len(ask(shipment_request(level))) for level in (trace_pb2.TRACE_LEVEL_NONE, trace_pb2.TRACE_LEVEL_FULL)}
                answer.write_bytes(ask(simple_requests()[0]))
            with server("echo", [sys.executable, str(ROOT / "bench" / "echo_server.py"), str(answer)]) as echo:
                _measure_both(ours, echo, answer, http_port, seconds, figures)
            _report_server(ours, echo.start_s, at_start, sizes, figures)


def _measure_both(ours: Server, echo: Server, answer: Path, http_port: int, seconds: float, figures: Figures) -> None:
    simple, none = simple_requests(), [shipment_request(trace_pb2.TRACE_LEVEL_NONE)]
    streamed = [pb.StreamDecideRequest(request=pb.DecideRequest.FromString(r)).SerializeToString() for r in simple]
    plans: Mapping[str, tuple[Server, Caller]] = {
        "echo of bytes": (echo, unary("/bench.Echo/Bytes", simple)),
        "echo of messages": (echo, unary("/bench.Echo/Messages", simple)),
        "Decide, one table": (ours, unary(f"{SERVICE}/Decide", simple)),
        "Decide, credit.shipment": (ours, unary(f"{SERVICE}/Decide", none)),
        "  the same with full trace": (ours, unary(f"{SERVICE}/Decide", [shipment_request(trace_pb2.TRACE_LEVEL_FULL)])),
        "Decide, one table, JSON over HTTP": (ours, over_http(http_port, f"{SERVICE}/Decide", pb.DecideRequest, simple)),
        f"BatchDecide, {BATCH} of one table": (ours, batch(simple)),
        "echo of a stream": (echo, stream("/bench.Echo/Stream", streamed)),
        "StreamDecide, one table": (ours, stream(f"{SERVICE}/StreamDecide", streamed)),
    }
    found = {(name, callers): Load() for name in plans for callers in CALLERS}
    # In turns, so that whatever else this machine does falls on all of them.
    for _ in range(ROUNDS):
        for (name, callers), total in found.items():
            target, caller = plans[name]
            asyncio.run(load(target, caller, callers, seconds / ROUNDS, total))
    title = f"Through gRPC and HTTP, by number of callers (answers of {answer.stat().st_size} bytes; CPU of the server)"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("", no_wrap=True)
    for what in ("answers/s", "CPU us", "x echo"):
        for callers in CALLERS:
            table.add_column(f"{what}\n{callers}", justify="right", no_wrap=True)
    for name in plans:
        per_s, cpu_us, ratio = [], [], []
        for callers in CALLERS:
            total, bare = found[name, callers], found["echo of bytes", callers]
            key = f"grpc.{name.strip()}.{callers}"
            per_s.append(figures.note(f"{key}.per_s", total.answers / total.seconds))
            cpu_us.append(figures.note(f"{key}.cpu_us", total.cpu_s / total.answers * 1e6))
            ratio.append(figures.note(f"{key}.ratio", cpu_us[-1] / (bare.cpu_s / bare.answers * 1e6)))
        table.add_row(name, *(f"{v:,.0f}" for v in per_s), *(f"{v:,.0f}" for v in cpu_us), *(f"{v:.2f}" for v in ratio))
    console.print(table)


def _report_server(ours: Server, echo_start_s: float, at_start: float, sizes: Mapping[int, int], figures: Figures) -> None:
    figures.note("start_s", ours.start_s)
    figures.note("echo_start_s", echo_start_s)
    figures.note("resident_mb.start", at_start)
    figures.note("resident_mb.end", ours.resident_mb())
    console.print(f"start-up until the first call is taken: {ours.start_s:.2f} s (echo {echo_start_s:.2f} s), two books")
    console.print(f"resident memory: {at_start:.0f} MB at the start, {ours.resident_mb():.0f} MB after all of the above")
    console.print(
        "credit.shipment answers: " + ", ".join(f"{size:,} bytes {trace_pb2.TraceLevel.Name(level)}" for level, size in sizes.items())
    )


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description="Measure policybook beside a bare echo server.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the time a figure")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--cerbos", type=Path, help="the binary of Cerbos to measure beside; else it is fetched by npm for the while")
    options = parser.parse_args()
    scale = 0.1 if options.quick else 1.0
    figures = Figures()
    began = time.perf_counter()
    measure_in_process(2.0 * scale, figures)
    measure_peers(console, 2.0 * scale, figures.note)
    measure_books(20.0 * scale, figures)
    headroom.measure(console, figures.note)
    measure_server(2.0 * scale, figures)
    measure_cerbos(console, 4.0 * scale, figures.note, options.cerbos)
    console.print(f"\nmeasured in {time.perf_counter() - began:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(figures.values, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()

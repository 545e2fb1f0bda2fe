"""Measure what the decision log adds to a decision: processor time with and without it, in process and through the service.

    python bench/log.py                 about a minute
    python bench/log.py --seconds 1     for a look

The ratios are what to compare. Each figure is of all threads of the process: the one that decides and the one that writes. At the end of each
run the log must hold exactly as many decisions as were answered, and its chain must hold.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import grpc
from bench import SERVICE, Load, Server, batch, load, server, shipment_request, simple_requests, unary
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from tables import book_text, facts_of_row

from policybook.audit.chain import Proof
from policybook.audit.open import open_log, open_reader
from policybook.audit.proof import prove_log
from policybook.audit.settings import LogSettings
from policybook.audit.writer import WrittenLog
from policybook.check.book import check_source
from policybook.desk import Desk, Request
from policybook.model.answer import TraceLevel
from policybook.server.app import new_id
from policybook.source import Source
from policybook.store.reload import make_edition
from policybook.store.versions import Store
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import trace_pb2

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from postgres_server import Postgres, programs  # noqa: E402 - the tests' own server

ROUNDS = 3


def _now() -> datetime:
    return datetime.now(UTC)


def proved(target: str) -> Proof:
    """Prove a log; a bench on a broken one measures nothing."""
    reader = open_reader(target)
    proof = prove_log(reader)
    reader.close()
    if not proof.ok:
        raise SystemExit(f"{reader.where}: {proof.misfit}")
    return proof


def in_process(seconds: float, folder: Path, target: str = "") -> dict[str, tuple[float, float]]:
    """Return microseconds of processor time a decision, without and with the log.

    Args:
        target: the URL of an empty database; empty: a file
    """
    book, report = check_source(Source("t10.yaml", book_text("t10", 10)))
    if book is None:
        raise SystemExit(report.render({}))
    store = Store()
    store.publish(make_edition(book, _now()))
    requests = [Request(decision="t10.price", facts=facts_of_row(row), trace=TraceLevel.NONE) for row in range(10)]
    path = target or str(folder / "process.db")
    log = open_log(LogSettings(target=path), now=_now)
    bare, logged = Desk(store, now=_now, new_id=new_id), Desk(store, now=_now, new_id=new_id, log=log)
    answered = 0
    best = {"decide": (1e9, 1e9), "decide_many": (1e9, 1e9)}
    for _ in range(ROUNDS):
        for what, times in best.items():
            found = []
            for desk in (bare, logged):
                cost, count = _cost(desk, requests, what, seconds / 4, log)
                answered += count if desk is logged else 0
                found.append(cost)
            best[what] = (min(times[0], found[0]), min(times[1], found[1]))
    log.close()
    kept = proved(path).decisions
    if kept != answered:
        raise SystemExit(f"{answered} answers, {kept} records")
    return best


def _cost(desk: Desk, requests: Sequence[Request], what: str, seconds: float, log: WrittenLog) -> tuple[float, int]:
    many = list(requests) * 25
    count, began, end = 0, time.process_time(), time.perf_counter() + seconds
    while time.perf_counter() < end:
        if what == "decide":
            for request in requests:
                desk.decide(request)
            count += len(requests)
        else:
            desk.decide_many(many)
            count += len(many)
    # What the writer still owes belongs to these decisions.
    log.flush().result(60)
    return (time.process_time() - began) / count * 1e6, count


@contextlib.contextmanager
def database(url: str) -> Iterator[str]:
    """Return the URL that was given, or that of a new database of a new server on this machine, or nothing."""
    if url or programs() is None:
        yield url
        return
    own = Postgres(durable=True)
    try:
        yield own.database("bench")
    finally:
        own.remove()


def waited(seconds: float, target: str) -> tuple[float, float]:
    """Return the median and the 99th percentile of the milliseconds of a decision whose caller waits for the record."""
    book, _ = check_source(Source("t10.yaml", book_text("t10", 10)))
    assert book is not None
    store = Store()
    store.publish(make_edition(book, _now()))
    log = open_log(LogSettings(target=target), now=_now)
    desk = Desk(store, now=_now, new_id=new_id, log=log)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        desk.decide(Request(decision="t10.price", facts=facts_of_row(1), request_id=new_id(), trace=TraceLevel.NONE))
        times.append((time.perf_counter() - began) * 1e3)
    log.close()
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98]


def _with_ids(requests: Sequence[bytes]) -> list[bytes]:
    """Give requests ids that never come twice; so many as a run can ask."""
    made = []
    for n in range(200_000):
        message = pb.DecideRequest.FromString(requests[n % len(requests)])
        message.request_id = f"{time.time_ns()}-{n}"
        made.append(message.SerializeToString())
    return made


def through_the_service(seconds: float, folder: Path) -> dict[str, tuple[Load, Load]]:
    """Return what calls cost without and with the log, servers side by side."""
    rules = folder / "rules"
    rules.mkdir()
    (rules / "t10.yaml").write_text(book_text("t10", 10))
    (rules / "credit.yaml").write_bytes((ROOT / "rules" / "credit.yaml").read_bytes())
    command = [str(Path(sys.executable).with_name("policybook")), "serve", str(rules), "--port", "0", "--workers", "1", "--insecure"]
    simple = simple_requests()
    plans: dict[str, tuple[Callable[[], object], int]] = {
        "unary, ten rows": (lambda: unary(f"{SERVICE}/Decide", simple), 8),
        "unary, credit.shipment": (lambda: unary(f"{SERVICE}/Decide", [shipment_request(trace_pb2.TRACE_LEVEL_NONE)]), 8),
        "unary, ten rows, request ids": (lambda: unary(f"{SERVICE}/Decide", _with_ids(simple)), 64),
        "batches of 100": (lambda: batch(simple), 8),
    }
    found = {name: (Load(), Load()) for name in plans}
    path = folder / "service.db"
    with server("without", command) as bare, server("with", [*command, "--log", str(path)]) as logged:
        for _ in range(ROUNDS):
            for name, (caller, callers) in plans.items():
                for target, total in zip((bare, logged), found[name], strict=True):
                    asyncio.run(load(target, caller(), callers, seconds / 4, total))  # type: ignore[arg-type]
        _settled(logged)
    proved(str(path))
    return found


def _settled(target: Server) -> None:
    """Let the service write all; the next thing is a signal that it takes its time for."""
    with grpc.insecure_channel(target.address) as channel:
        channel.unary_unary("/policybook.v1.AuditService/ListDecisionRecords")(b"", timeout=30)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each kind of call")
    parser.add_argument(
        "--postgres", metavar="URL", default="", help="an empty database to measure; else one of the machine's own server, if any"
    )
    args = parser.parse_args()
    seconds = args.seconds
    table = Table(title="Microseconds of CPU a decision", title_justify="left", box=SIMPLE)
    for column in ("", "without a log", "with", "added", "times"):
        table.add_column(column, justify="left" if not column else "right")
    with tempfile.TemporaryDirectory() as name:
        rows = [(f"in process, ten rows, {what}", *cost) for what, cost in in_process(seconds, Path(name)).items()]
        with database(args.postgres) as url:
            if url:
                rows += [(f"the same in PostgreSQL, {what}", *cost) for what, cost in in_process(seconds, Path(name), url).items()]
            waits = {"a file": waited(seconds, str(Path(name) / "waits.db")), **({"PostgreSQL": waited(seconds, url)} if url else {})}
        for what, (bare, logged) in through_the_service(seconds, Path(name)).items():
            rows.append((what, *(one.cpu_s / one.answers * 1e6 for one in (bare, logged))))
    for what, without, with_log in rows:
        table.add_row(what, f"{without:.1f}", f"{with_log:.1f}", f"{with_log - without:.1f}", f"{with_log / without:.2f}")
    console = Console(highlight=False, width=max(110, Console().width))
    console.print(table)
    for where, (middle, late) in waits.items():
        console.print(
            f"One caller who waits for the record, in {where}: {middle:.2f} ms in the middle, {late:.2f} ms at the 99th percentile"
        )
    if "PostgreSQL" not in waits:
        console.print("PostgreSQL: not measured, there is no server here; see --postgres")


if __name__ == "__main__":
    main()

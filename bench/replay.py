"""What it costs to decide the past again: `policybook replay` of a log and of a CSV file, beside reading the same rows alone."""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from policybook import Desk, Request, TraceLevel
from policybook.audit.log import Filter
from policybook.audit.open import open_log
from policybook.audit.settings import LogSettings
from policybook.audit.sqlite import SqliteReader
from policybook.model.facts import Raw, RawMoney, Tag
from policybook.replay.past import CHUNK
from policybook.server.app import new_id
from policybook.store.reload import open_books

ROOT = Path(__file__).resolve().parents[1]
DECISION = "credit.shipment"
START = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="with a tenth of the rows")
    args = parser.parse_args()
    rows = args.rows // 10 if args.quick else args.rows
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        log, orders = place / "decisions.db", place / "orders.csv"
        write_past(log, orders, rows)
        edited = place / "credit.yaml"
        text = (ROOT / "rules" / "credit.yaml").read_text(encoding="utf-8")
        edited.write_text(text.replace("value: 1/3", "value: 1/4", 1), encoding="utf-8")
        for name in ("calendar.yaml", "clauses.yaml", "clauses.lock"):
            if (ROOT / "rules" / name).exists():
                (place / name).write_bytes((ROOT / "rules" / name).read_bytes())
        print(f"{rows:,} requests of {DECISION}, seconds on the clock and of processor time")
        bare = timed("the columns of the log, read and not looked at", lambda: read(log))
        text = timed("the same, its JSON parsed", lambda: read(log, parse=True))
        one = command("--log", log, "--against", edited)
        told("policybook replay of the log", one, bare)
        file = command(
            orders, "--decision", DECISION, "--day-column", "as_of", "--before", ROOT / "rules" / "credit.yaml", "--against", edited
        )
        told("policybook replay of a CSV file (both sides decided)", file, bare)
        if one[2] != file[2]:
            raise SystemExit(f"the two disagree: {one[2]} and {file[2]}")
        print(
            f"  both tell of {one[2]:,} changes; {rows / one[0]:,.0f} requests a second; {text / bare:.1f} times the bare reading is JSON alone"
        )


def write_past(log: Path, orders: Path, rows: int) -> None:
    """Decide random orders with a log, and write them as a file of an ERP too."""
    rng = random.Random(7)
    clock = itertools.count()
    now = lambda: START + timedelta(seconds=20 * next(clock))  # noqa: E731 - half a year goes by
    store = open_books([ROOT / "rules" / "credit.yaml"], now=lambda: START)
    kept = open_log(LogSettings(target=str(log), queue=1_000_000), now=now)
    desk = Desk(store, now=now, new_id=new_id, log=kept)
    names = [*facts_of(0, 0, 0, 0), "as_of"]
    with orders.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for start in range(0, rows, 1_000):
            requests = []
            for _ in range(min(1_000, rows - start)):
                facts = facts_of(rng.randrange(1, 60_000), rng.randrange(0, 90_000), 1_000 * rng.randrange(10, 200), rng.randrange(4))
                requests.append(Request(decision=DECISION, facts=facts, trace=TraceLevel.NONE))
            answers = desk.decide_many(requests)
            for request, answer in zip(requests, answers, strict=True):
                if isinstance(answer, Exception):
                    raise answer
                values = [cell(raw) for raw in request.facts.values()]
                writer.writerow([*values, answer.decided_at.isoformat()])
    kept.close()


def facts_of(amount: int, outstanding: int, paid: int, count: int) -> dict[str, Raw]:
    """Return the facts of one order."""
    money = lambda n: Raw(Tag.MONEY, RawMoney(str(n), "CNY"))  # noqa: E731
    return {
        "customer_file_complete": Raw(Tag.FLAG, value=True),
        "identity_copy_on_file": Raw(Tag.FLAG, value=True),
        "contract_kind": Raw(Tag.TEXT, "distribution"),
        "settlement_agreement_included": Raw(Tag.FLAG, value=True),
        "last_year_balance": money(0),
        "payments": Raw(Tag.LIST, (Raw(Tag.RECORD, {"amount": money(paid), "paid_on": Raw(Tag.DATE, "2025-12-20")}),)),
        "outstanding": money(outstanding),
        "shipment_amount": money(amount),
        "over_limit_shipments": Raw(Tag.DECIMAL, str(count)),
        "signed_by": Raw(Tag.LIST, (Raw(Tag.TEXT, "regional_manager"),)),
    }


def cell(raw: Raw) -> str:
    """Write a fact as a file has it."""
    if raw.tag is Tag.FLAG:
        return "true" if raw.value else "false"
    if raw.tag is Tag.LIST:
        return f"[{', '.join(map(cell, raw.value))}]"
    if raw.tag is Tag.RECORD:
        return f"{{{', '.join(f'{n}: {cell(v)}' for n, v in raw.value.items())}}}"
    return raw.value.amount if raw.tag is Tag.MONEY else str(raw.value)


def read(log: Path, *, parse: bool = False) -> None:
    """Read what a replay reads."""
    reader = SqliteReader(log)
    for page in reader.columns(("decision_id", "facts", "as_of", "now", "outcome", "outputs", "items", "rows"), Filter(), CHUNK):
        if parse:
            for row in page:
                json.loads(row[1])
    reader.close()


def timed(name: str, work: object) -> float:
    """Run, print and return the seconds on the clock."""
    started, cpu = time.perf_counter(), time.process_time()
    work()  # type: ignore[operator]
    seconds = time.perf_counter() - started
    print(f"  {name:52} {seconds:7.2f} {time.process_time() - cpu:7.2f}")
    return seconds


def command(*arguments: object) -> tuple[float, float, int, int]:
    """Run the command; return seconds on the clock, of processor time, the changes it tells of, and its memory in MB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(
        [str(Path(sys.executable).with_name("policybook")), "replay", *map(str, arguments), "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, spent, json.loads(done.stdout)[0]["changed"], after.ru_maxrss // 1024


def told(name: str, found: tuple[float, float, int, int], bare: float) -> None:
    """Print one line."""
    print(f"  {name:52} {found[0]:7.2f} {found[1]:7.2f}   {found[0] / bare:.1f} times the bare reading, {found[3]} MB")


if __name__ == "__main__":
    main()

"""What it costs to decide the past again: `policybook replay` of a log and of a CSV file, beside reading the same rows alone."""

from __future__ import annotations

import argparse
import csv
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
START, END = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 7))
# So many are decided at one instant.
BATCH = 100
# From when on each cap holds.
ERAS = ("2025-01-01", "2026-02-15", "2026-04-01", "2026-05-20")


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
        book, edited = (write_book(place / name, last) for name, last in (("before", "1/3"), ("edited", "1/4")))
        days = write_past(log, orders, rows, book)
        print(f"{rows:,} requests of {DECISION} on {days} days and in {len(ERAS)} eras, seconds on the clock and of processor time")
        bare = timed("the columns of the log, read and not looked at", lambda: read(log))
        text = timed("the same, its JSON parsed", lambda: read(log, parse=True))
        one = command("--log", log, "--against", edited)
        told("policybook replay of the log", one, bare)
        file = command(orders, "--decision", DECISION, "--day-column", "as_of", "--before", book, "--against", edited)
        told("policybook replay of a CSV file (both sides decided)", file, bare)
        if one[2] != file[2] or not one[2]:
            raise SystemExit(f"the two disagree, or nothing changed: {one[2]} and {file[2]}")
        print(
            f"  both tell of {one[2]:,} changes; {rows / one[0]:,.0f} requests a second; {text / bare:.1f} times the bare reading is JSON alone"
        )


def write_book(folder: Path, last: str) -> Path:
    """Write the book of credit with a cap that changes several times; return its file.

    Args:
        last: the cap in the last era
    """
    folder.mkdir()
    for name in ("calendar.yaml", "clauses.yaml", "clauses.lock"):
        (folder / name).write_bytes((ROOT / "rules" / name).read_bytes())
    values = [f"{{from: {day}, value: {value}}}" for day, value in zip(ERAS, ("1/3", "3/10", "2/5", last), strict=True)]
    text = (ROOT / "rules" / "credit.yaml").read_text(encoding="utf-8")
    before, cap, after = text.partition("  over_limit_cap:\n")
    if not cap or "value: 1/3" not in after:
        raise SystemExit("rules/credit.yaml has no cap of 1/3 any more; mend bench/replay.py")
    (folder / "credit.yaml").write_text(before + cap + after.replace("value: 1/3", f"values: [{', '.join(values)}]", 1), encoding="utf-8")
    return folder / "credit.yaml"


def write_past(log: Path, orders: Path, rows: int, book: Path) -> int:
    """Decide random orders with a log, as of half a year, and write them as a file of an ERP too; return on how many days."""
    rng = random.Random(7)
    step = (END - START) / -(-rows // BATCH)
    clock = START
    now = lambda: clock  # noqa: E731
    store = open_books([book], now=now)
    days = set()
    kept = open_log(LogSettings(target=str(log), queue=1_000_000), now=now)
    desk = Desk(store, now=now, new_id=new_id, log=kept)
    names = [*facts_of(0, 0, 0, 0, START), "as_of"]
    with orders.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for start in range(0, rows, BATCH):
            requests = []
            clock = START + start // BATCH * step
            for _ in range(min(BATCH, rows - start)):
                facts = facts_of(
                    rng.randrange(1, 60_000), rng.randrange(0, 90_000), 1_000 * rng.randrange(10, 200), rng.randrange(4), clock
                )
                requests.append(Request(decision=DECISION, facts=facts, trace=TraceLevel.NONE))
            answers = desk.decide_many(requests)
            for request, answer in zip(requests, answers, strict=True):
                if isinstance(answer, Exception):
                    raise answer
                values = [cell(raw) for raw in request.facts.values()]
                writer.writerow([*values, answer.decided_at.isoformat()])
                days.add(answer.as_of)
    kept.close()
    return len(days)


def facts_of(amount: int, outstanding: int, paid: int, count: int, now: datetime) -> dict[str, Raw]:
    """Return the facts of one order, paid for some days before."""
    paid_on = (now - timedelta(days=12)).date().isoformat()
    money = lambda n: Raw(Tag.MONEY, RawMoney(str(n), "CNY"))  # noqa: E731
    return {
        "customer_file_complete": Raw(Tag.FLAG, value=True),
        "identity_copy_on_file": Raw(Tag.FLAG, value=True),
        "contract_kind": Raw(Tag.TEXT, "distribution"),
        "settlement_agreement_included": Raw(Tag.FLAG, value=True),
        "last_year_balance": money(0),
        "payments": Raw(Tag.LIST, (Raw(Tag.RECORD, {"amount": money(paid), "paid_on": Raw(Tag.DATE, paid_on)}),)),
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

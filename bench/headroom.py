"""What headroom adds to a decision: every case of every book, and tables of many rows.

.venv/bin/python bench/headroom.py        by itself; `make bench` has it too
"""

from __future__ import annotations

import gc
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from tables import book_text, facts_of_row

from policybook.check.book import check_source
from policybook.decide.headroom import Headrooms
from policybook.desk import Desk, Request
from policybook.errors import PolicybookError
from policybook.model.answer import TraceLevel
from policybook.source import Source
from policybook.store.reload import make_edition, open_books, read_books
from policybook.store.versions import Store
from policybook.trials.read import case_files, raw_facts, read_cases, read_text

ROOT = Path(__file__).resolve().parent.parent
NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)


@contextmanager
def without_headroom() -> Iterator[None]:
    """Leave headroom out of every trace meanwhile."""
    kept = Headrooms.of
    Headrooms.of = lambda *_, **__: ()  # type: ignore[method-assign]
    try:
        yield
    finally:
        Headrooms.of = kept  # type: ignore[method-assign]


def best_us(call: Callable[[], Any], rounds: int = 7, at_once: int = 4) -> float:
    """Return the least processor time of a call in microseconds."""
    times = []
    for _ in range(rounds):
        began = time.process_time_ns()
        for _ in range(at_once):
            call()
        times.append((time.process_time_ns() - began) / at_once / 1000)
    return min(times)


@dataclass(frozen=True)
class Added:
    """One decision: its tables, its thresholds, and what they cost."""

    tables: int
    thresholds: int
    bare_us: float
    full_us: float


def of_books() -> list[Added]:
    """Measure every case of rules/tests that is decided."""
    books = {b.name: b for b in read_books([ROOT / "rules"]).books}
    desk = Desk(open_books([ROOT / "rules"], now=lambda: NOW), now=lambda: NOW, new_id=map("id-{}".format, itertools.count()).__next__)
    out = []
    for path in case_files([ROOT / "rules" / "tests"]):
        source, _ = read_text(path)
        if source is None:
            continue
        file, _ = read_cases(source, books)
        for case in file.cases if file else ():
            request = Request(
                decision=f"{case.policy}.{case.decision}", facts=raw_facts(case.given), as_of=case.as_of, trace=TraceLevel.MATCHED
            )
            try:
                answer = desk.decide(request)
            except PolicybookError:
                continue
            with without_headroom():
                bare = best_us(lambda: desk.decide(request))  # noqa: B023 - called at once
            full = best_us(lambda: desk.decide(request))  # noqa: B023 - called at once
            out.append(Added(len(answer.tables), sum(len(t.headroom) for t in answer.tables), bare, full))
    return out


def of_rows(rows: int) -> tuple[float, float, float]:
    """Return microseconds of a decision by a table of many rows: without headroom, with it in a new cell, and in a known one."""
    book, report = check_source(Source(f"t{rows}.yaml", book_text(f"t{rows}", rows)))
    if book is None:
        raise SystemExit(report.render({}))
    store = Store()
    store.publish(make_edition(book, NOW))
    desk = Desk(store, now=lambda: NOW, new_id=lambda: "x")
    asked = [
        Request(decision=f"t{rows}.price", facts=facts_of_row(r), trace=TraceLevel.MATCHED) for r in range(0, rows, max(1, rows // 200))
    ]
    with without_headroom():
        for request in asked:
            desk.decide(request)
        bare = best_us(lambda: [desk.decide(r) for r in asked], 3, 1) / len(asked)
    new = best_us(lambda: [desk.decide(r) for r in asked], 1, 1) / len(asked)
    known = best_us(lambda: [desk.decide(r) for r in asked], 3, 1) / len(asked)
    return bare, new, known


def measure(console: Console, note: Callable[[str, float], object]) -> None:
    """Print what headroom adds, and note the figures."""
    gc.collect()
    found = of_books()
    added = sorted(a.full_us - a.bare_us for a in found)
    by_table = [(a.full_us - a.bare_us) / a.tables for a in found if a.tables]
    by_threshold = sum(added) / max(1, sum(a.thresholds for a in found))
    table = Table(title="Headroom, in process (microseconds of processor time)", title_justify="left", box=SIMPLE)
    for column in ("what", "median", "nine of ten", "mean"):
        table.add_column(column, justify="right" if column != "what" else "left")
    for what, name, values in (
        ("a decision without it", "bare", sorted(a.bare_us for a in found)),
        ("added to a decision", "added", added),
        ("added to a table", "added_table", sorted(by_table)),
    ):
        figures = statistics.median(values), values[int(len(values) * 0.9)], statistics.fmean(values)
        for kind, value in zip(("median", "p90", "mean"), figures, strict=True):
            note(f"headroom.{name}.{kind}_us", value)
        table.add_row(what, *(f"{v:,.1f}" for v in figures))
    console.print(table)
    note("headroom.threshold_us", by_threshold)
    console.print(f"{len(found):,} decisions, {sum(a.thresholds for a in found):,} thresholds: {by_threshold:.1f} a threshold")
    for rows in (100, 10_000):
        bare, new, known = of_rows(rows)
        note(f"headroom.{rows}.new_us", new - bare)
        note(f"headroom.{rows}.known_us", known - bare)
        console.print(f"{rows:,} rows: {bare:,.0f} without, {new - bare:,.0f} more in a new cell, {known - bare:,.0f} more in a known one")
    console.print()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    measure(Console(highlight=False), lambda *_: None)

"""How long the analysis of tables takes: overlaps and gaps of large generated tables, differences of two, and the project's own books.

    python bench/analysis.py [--quick]

The tables are made as in the published work on decision tables (a space cut into as many boxes as there are rows, some rows then
widened so that they overlap and some taken out so that gaps are left); figures are seconds of processor time of one core,
but for the mutants of the project's books: seconds of the clock.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.table import Table

from policybook.analyse.boxes import Budget
from policybook.analyse.difference import difference
from policybook.analyse.findings import table_findings
from policybook.analyse.limits import Limits
from policybook.analyse.space import Judge
from policybook.check.book import check_source
from policybook.diagnostics import Code
from policybook.model.book import Book
from policybook.source import Source
from policybook.store.reload import read_books
from policybook.trials.case import Case
from policybook.trials.crew import Job, run
from policybook.trials.mutation import Fate
from policybook.trials.read import case_files
from policybook.trials.session import read_tables

ROWS = (500, 1_000, 1_500)
COLUMNS = (3, 5, 7)
TOP = 10_000
RULES = Path(__file__).resolve().parent.parent / "rules"


def cut_space(random: Random, rows: int, columns: int) -> list[list[tuple[int, int]]]:
    """Return boxes `[low..high)` that together are the whole space, each cut in two at a random place until there are enough."""
    boxes = [[(0, TOP)] * columns]
    while len(boxes) < rows:
        index = random.randrange(len(boxes))
        axis = random.randrange(columns)
        low, high = boxes[index][axis]
        if high - low < 4:
            continue
        middle = random.randrange(low + 1, high)
        other = list(boxes[index])
        boxes[index][axis], other[axis] = (low, middle), (middle, high)
        boxes.append(other)
    return boxes


def table_text(rows: int, columns: int, seed: int = 1, policy: str = "unique", *, faults: int = 5) -> str:
    """Return a book with one table; `faults` per cent of its rows overlap others, as many are missing."""
    random = Random(seed)
    boxes = cut_space(random, rows + rows * faults // 100, columns)
    random.shuffle(boxes)
    boxes = boxes[:rows]
    for box in random.sample(boxes, rows * faults // 100):
        axis = random.randrange(columns)
        low, high = box[axis]
        box[axis] = (max(0, low - random.randrange(1, 200)), high)
    inputs = "".join(f"  c{i}: {{type: integer, min: 0, max: {TOP - 1}}}\n" for i in range(columns))
    lines = []
    for n, box in enumerate(boxes):
        when = ", ".join(f'c{i}: "[{low}..{high})"' for i, (low, high) in enumerate(box) if (low, high) != (0, TOP))
        lines.append(f"      - {{id: r{n}, set_by: company, when: {{{when}}}, then: {{o: {random.choice('xyz')}}}}}\n")
    return (
        f"policy: t\ntitle: {{en: T, zh: T}}\ninputs:\n{inputs}decisions:\n  d:\n    hit_policy: {policy}\n"
        f"    outputs: {{o: {{type: enum, values: [x, y, z]}}}}\n    rules:\n{''.join(lines)}"
    )


def book_of(text: str) -> Book:
    book, report = check_source(Source("t.yaml", text))
    if book is None:
        raise SystemExit(report.render({}))
    return book


def timed(do: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = do()
    return time.process_time() - start, result


def large_tables(console: Console, *, quick: bool) -> None:
    """Overlaps and gaps of generated tables."""
    table = Table("rows", "columns", "pieces of gaps", "pairs that overlap", "CPU s", title="overlaps and gaps, all of them")
    for rows in ROWS[-1:] if quick else ROWS:
        for columns in COLUMNS:
            book = book_of(table_text(rows, columns))
            judge = Judge(book)
            judge.program.grid("d", 0)
            seconds, found = timed(lambda book=book, judge=judge: table_findings(book, judge, Limits(seconds=None, steps=5_000_000)))
            gaps = _counted(found, Code.GAP, Code.BOUNDARY_LEFT_OUT)
            pairs = _counted(found, Code.CONFLICT)
            partial = any(f.code is Code.PARTIAL for f in found)
            table.add_row(str(rows), str(columns), f"{gaps:,}", f"{pairs:,}", f"{seconds:.2f}" + (" (in part)" if partial else ""))
    console.print(table)


def _counted(found: tuple[Any, ...], *codes: Code) -> int:
    """Count the findings told and those only counted."""
    total = 0
    for f in found:
        if f.code in codes:
            more = [int(w.replace(",", "")) for w in f.message.split() if w.replace(",", "").isdigit() and "further" in f.message]
            total += more[0] if more else 1
    return total


def own_books(console: Console) -> None:
    """The analysis of the project's own books."""
    books = read_books([RULES]).books
    table = Table("book", "CPU s", title="analysis of the books")
    total = 0.0
    for book in books:
        judge = Judge(book)
        judge.program.check()
        seconds, _ = timed(lambda book=book, judge=judge: table_findings(book, judge))
        total += seconds
        table.add_row(book.name, f"{seconds:.2f}")
    table.add_row("all", f"{total:.2f}")
    console.print(table)


def edited(text: str, count: int, seed: int = 1) -> str:
    """Return a book with one bound or output of some rows changed, and every row renamed."""
    random = Random(seed)
    lines = text.split("\n")
    rows = [i for i, line in enumerate(lines) if line.startswith("      - {id: r")]
    for i in random.sample(rows, count):
        bound = re.search(r"\[(\d+)\.\.(\d+)\)", lines[i])
        if bound is not None and random.random() < 0.5:
            low, high = int(bound[1]), int(bound[2])
            lines[i] = lines[i].replace(bound[0], f"[{low}..{max(low + 1, high - 3)})", 1)
        else:
            lines[i] = re.sub(r"o: [xyz]", "o: x" if "o: x" not in lines[i] else "o: y", lines[i])
    return "\n".join(lines).replace("id: r", "id: q")


def two_versions(console: Console, *, quick: bool) -> None:
    """The exact difference of two versions of a large table."""
    table = Table("rows", "columns", "rows edited", "hit policy", "boxes that differ", "CPU s", title="difference of two versions")
    rows, columns = 1_000, 5
    for policy in ("unique", "first"):
        text = table_text(rows, columns, policy=policy, faults=0)
        old = book_of(text)
        for count in (10,) if quick else (0, 1, 10, 100, rows):
            new = book_of(edited(text, count))
            seconds, found = timed(lambda old=old, new=new: difference(old, new, budget=lambda: Budget(steps=10_000_000)))
            boxes = sum(len(r.boxes) for t in found.tables for r in t.regions)
            told = "equivalent, proved" if found.is_equivalent else f"{boxes:,}"
            table.add_row(
                f"{rows:,}", str(columns), f"{count:,}", policy, told, f"{seconds:.2f}" + (" (in part)" if found.is_partial else "")
            )
    console.print(table)


def mutants_of_all_books(console: Console) -> None:
    """Show the mutation run over the project's books: seconds of the clock, on two processes as `policybook test --mutation` uses."""
    loaded = read_books([RULES])
    books = {b.name: b for b in loaded.books}
    cases: dict[str, list[Case]] = {}
    for case in (c for of_file in read_tables(case_files([RULES]), books).cases.values() for c in of_file):
        cases.setdefault(case.policy, []).append(case)
    names = [(b.name, d.name) for b in loaded.books for d in b.decisions]
    start = time.perf_counter()
    made = run(Job(books=books, cases=cases, decisions=names, clock=datetime.now(UTC)), 2)
    took = time.perf_counter() - start
    table = Table("books", "cases", "mutants", "killed", "alive", "undecided", "equivalent", "seconds", title="Mutation, two processes")
    counts = [len(made.of(f)) for f in (Fate.KILLED, Fate.SURVIVED, Fate.UNDECIDED, Fate.EQUIVALENT)]
    table.add_row(str(len(books)), str(sum(map(len, cases.values()))), str(sum(counts)), *map(str, counts), f"{took:.1f}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the largest tables only")
    options = parser.parse_args()
    console = Console()
    large_tables(console, quick=options.quick)
    own_books(console)
    two_versions(console, quick=options.quick)
    mutants_of_all_books(console)


if __name__ == "__main__":
    main()

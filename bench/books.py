"""What the books of rules/ cost: to decide by each, and to load, check and compile all. Asked for by bench.py.

Requests are those of the books' own test tables; each is a real case, and its answer is compared with the table's by the tests.
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from policybook.desk import Desk, Request
from policybook.errors import PolicybookError
from policybook.model.answer import TraceLevel
from policybook.store.reload import Loaded, read_books, store_of
from policybook.store.versions import Store
from policybook.trials.read import case_files, raw_facts, read_table

RULES = Path(__file__).resolve().parent.parent / "rules"
FIRST = ("credit", "grading", "reception", "penalties")
ROUNDS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class BookCost:
    """Microseconds of CPU time that a request of one book takes on average.

    Args:
        new: each request for the first time, as after a start
        known: asked again, without trace; the least of ROUNDS
        traced: asked again, with the trace that an answer has when the caller does not say
        dearest: the decision whose known requests cost most, and what they cost on average
    """

    requests: int
    new: float
    known: float
    traced: float
    dearest: tuple[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCost:
    """CPU seconds and memory of all books, in a process that did nothing else."""

    read_s: float
    compile_s: float
    memory_mb: float

    @property
    def total_s(self) -> float:
        return self.read_s + self.compile_s


def decision_costs(seconds: float) -> dict[str, BookCost]:
    """Decide every request of every book, in turns, so that whatever else this machine does falls on all of them alike.

    Args:
        seconds: about how long to measure in all
    """
    loaded = _loaded()
    requests = _requests(_desk(store_of(loaded, [RULES], now=_now)), loaded)
    # A new desk: the cells that the choice of requests has met are forgotten.
    desk = _desk(store_of(loaded, [RULES], now=_now))
    new = {book: _microseconds(desk, [r for rs in of.values() for r in rs], TraceLevel.NONE) for book, of in requests.items()}
    gc.collect()
    gc.freeze()
    least: dict[tuple[str, str, TraceLevel], float] = {}
    groups = [(b, d, level) for b, of in requests.items() for d in of for level in (TraceLevel.NONE, TraceLevel.MATCHED)]
    for _ in range(ROUNDS):
        for book, decision, level in groups:
            cost = _microseconds(desk, requests[book][decision], level, seconds / ROUNDS / len(groups))
            least[book, decision, level] = min(cost, least.get((book, decision, level), cost))
    gc.unfreeze()

    def mean(book: str, level: TraceLevel) -> float:
        return statistics.fmean(least[book, d, level] for d, asked in requests[book].items() for _ in asked)

    found = {}
    for book, of in requests.items():
        dearest = max(of, key=lambda d: least[book, d, TraceLevel.NONE])
        found[book] = BookCost(
            requests=sum(map(len, of.values())),
            new=new[book],
            known=mean(book, TraceLevel.NONE),
            traced=mean(book, TraceLevel.MATCHED),
            dearest=(dearest, least[book, dearest, TraceLevel.NONE]),
        )
    return found


def ratios(costs: Mapping[str, BookCost]) -> dict[str, float]:
    """Return what a known request of each book costs beside the mean of the first four books."""
    mean = statistics.fmean(costs[book].known for book in FIRST)
    return {book: cost.known / mean for book, cost in costs.items()}


def load_cost() -> LoadCost:
    """Load, check and compile all books in a process of its own."""
    done = subprocess.run([sys.executable, __file__], check=True, capture_output=True, text=True)
    return LoadCost(**json.loads(done.stdout))


def _loaded() -> Loaded:
    loaded = read_books([RULES])
    if not loaded.report.ok:
        raise SystemExit(loaded.report.render(loaded.sources))
    return loaded


def _now() -> datetime:
    return datetime.now(UTC)


def _desk(store: Store) -> Desk:
    return Desk(store, now=_now, new_id=lambda: uuid.uuid4().hex)


def _requests(desk: Desk, loaded: Loaded) -> dict[str, dict[str, list[Request]]]:
    """Return the requests of the test tables by book and decision, without those that are refused."""
    books = {b.name: b for b in loaded.books}
    found: dict[str, dict[str, list[Request]]] = {name: {} for name in (*FIRST, *(b for b in sorted(books) if b not in FIRST))}
    for path in case_files([RULES / "tests"]):
        table = read_table(path, books)
        if table.cases is None:
            raise SystemExit(f"{path} cannot be read")
        for case in table.cases.cases:
            request = Request(decision=case.name, facts=raw_facts(case.given), as_of=case.as_of, trace=TraceLevel.NONE)
            try:
                desk.decide(request)
            except PolicybookError:
                continue
            found[case.policy].setdefault(case.decision, []).append(request)
    empty = [book for book, requests in found.items() if not requests]
    if empty:
        raise SystemExit(f"rules/tests has no request for {', '.join(empty)}")
    return found


def _microseconds(desk: Desk, requests: Sequence[Request], level: TraceLevel, seconds: float = 0.0) -> float:
    """Ask all requests in turn, for so long but at least once; return CPU time a request."""
    asked = [Request(decision=r.decision, facts=r.facts, as_of=r.as_of, trace=level) for r in requests]
    decide, count, began, end = desk.decide, 0, time.process_time(), time.perf_counter() + seconds
    while True:
        for request in asked:
            decide(request)
        count += len(asked)
        if time.perf_counter() >= end:
            return (time.process_time() - began) / count * 1e6


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def _load_here() -> dict[str, float]:
    gc.collect()
    before, began = _resident_mb(), time.process_time()
    loaded = _loaded()
    read = time.process_time()
    store = store_of(loaded, [RULES], now=_now)
    compiled = time.process_time()
    gc.collect()
    added = _resident_mb() - before
    if len(store.policies()) != len(loaded.files):
        raise SystemExit("not every book came into service")
    return {"read_s": read - began, "compile_s": compiled - read, "memory_mb": added}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_load_here()))

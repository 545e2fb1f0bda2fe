"""Our tables beside those of zen-engine and rule-engine, in one process, each answer compared. Asked for by bench.py.

Peers are given the same table in their own form, prepared once as their documentation says, and the same requests as plain Python
values; amounts are floats to them, which is what they know.
"""

from __future__ import annotations

import importlib.util
import json
import random
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from tables import KINDS, STEP, book_text, facts_of_row

from policybook import Desk, Dictionary, PolicybookError, Request, Scaled, Store, TraceLevel
from policybook.check.book import check_source
from policybook.source import Source
from policybook.store.reload import make_edition

ROWS = (10, 10_000)
COLUMN_ROWS = 1_000_000
TOGETHER = 1_000
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """One request in every form, and the answer that it must have."""

    row: int
    request: Request
    plain: dict[str, Any]


Ask = Callable[[Sequence[Asked]], list[int]]


def desk_of(rows: int) -> Desk:
    """Load a generated table."""
    book, report = check_source(Source(f"t{rows}.yaml", book_text(f"t{rows}", rows)))
    if book is None:
        raise SystemExit(report.render({}))
    store = Store()
    store.publish(make_edition(book, datetime.now(UTC)))
    return Desk(store, now=lambda: datetime.now(UTC), new_id=lambda: uuid.uuid4().hex)


def asked_of(rows: int) -> list[Asked]:
    """Return requests that fall into known cells, in no order."""
    draw = random.Random(1)
    chosen = [draw.randrange(rows) for _ in range(TOGETHER)]
    return [
        Asked(
            row,
            Request(decision=f"t{rows}.price", facts=facts_of_row(row), trace=TraceLevel.NONE),
            {"kind": KINDS[row % len(KINDS)], "amount": row // len(KINDS) * STEP + STEP // 2 + 0.5},
        )
        for row in chosen
    ]


def _code(made: Any) -> int:
    if isinstance(made, PolicybookError):
        raise SystemExit(f"refused: {made}")
    return int(made.outputs["code"])


def ours(desk: Desk) -> dict[str, Ask]:
    """Return our own ways to decide."""
    return {
        "policybook, one by one": lambda asked: [_code(desk.decide(a.request)) for a in asked],
        f"policybook, {TOGETHER:,} together": lambda asked: [_code(m) for m in desk.decide_many([a.request for a in asked])],
    }


def zen(rows: int) -> Ask:
    """Return zen-engine with the same table."""
    import zen as engine  # noqa: PLC0415 - may not be installed

    rules = [
        {
            "_id": f"r{i}",
            "kind": f'"{KINDS[i % len(KINDS)]}"',
            "amount": f"[{i // len(KINDS) * STEP}..{(i // len(KINDS) + 1) * STEP})",
            "code": str(i),
            "share": f"{i % 100}/100",
        }
        for i in range(rows)
    ]
    rules.append({"_id": "none-of-them", "kind": "", "amount": "", "code": "-1", "share": "0"})
    content = {
        "hitPolicy": "first",
        "inputs": [{"id": n, "name": n, "field": n} for n in ("kind", "amount")],
        "outputs": [{"id": n, "name": n, "field": n} for n in ("code", "share")],
        "rules": rules,
    }
    place = {"position": {"x": 0, "y": 0}}
    graph = {
        "nodes": [
            {"id": "in", "type": "inputNode", "name": "in", **place},
            {"id": "table", "type": "decisionTableNode", "name": "table", "content": content, **place},
            {"id": "out", "type": "outputNode", "name": "out", **place},
        ],
        "edges": [
            {"id": "a", "sourceId": "in", "targetId": "table", "type": "edge"},
            {"id": "b", "sourceId": "table", "targetId": "out", "type": "edge"},
        ],
    }
    decision = engine.ZenEngine().create_decision(json.dumps(graph))
    return lambda asked: [int(decision.evaluate(a.plain)["result"]["code"]) for a in asked]


def rule_engine(rows: int) -> Ask:
    """Return rule-engine: it has no tables, so that one rule a row is tried in turn."""
    import rule_engine as engine  # noqa: PLC0415 - may not be installed

    def text(i: int) -> str:
        step = i // len(KINDS)
        return f'kind == "{KINDS[i % len(KINDS)]}" and amount >= {step * STEP} and amount < {(step + 1) * STEP}'

    rules = [engine.Rule(text(i)) for i in range(rows)]

    def first(plain: dict[str, Any]) -> int:
        return next((i for i, rule in enumerate(rules) if rule.matches(plain)), -1)

    return lambda asked: [first(a.plain) for a in asked]


PEERS = {"zen-engine": ("zen", zen), "rule-engine": ("rule_engine", rule_engine)}


def _cost(ask: Ask, asked: Sequence[Asked], seconds: float) -> float:
    """Return microseconds of CPU a request; the least of several rounds over as many requests as there is time for."""
    few = asked[:2]
    began = time.process_time()
    _compare(ask(few), few)
    each = max(1e-7, (time.process_time() - began) / len(few))
    count = max(2, min(len(asked), int(seconds / ROUNDS / each)))
    part = asked[:count]
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        answers = ask(part)
        best = min(best, (time.process_time() - began) / count * 1e6)
        _compare(answers, part)
    return best


def _compare(answers: Sequence[int], asked: Sequence[Asked]) -> None:
    for answer, a in zip(answers, asked, strict=True):
        if answer != a.row:
            raise SystemExit(f"row {a.row} answered {answer}")


def _columns(desk: Desk, rows: int) -> float:
    """Return microseconds of CPU a row of a call of a million."""
    draw = np.random.default_rng(1)
    cents = draw.integers(0, rows // len(KINDS) * STEP * 100, COLUMN_ROWS)
    kinds = draw.integers(0, len(KINDS), COLUMN_ROWS)
    wanted = cents // (STEP * 100) * len(KINDS) + kinds
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        made = desk.decide_columns(f"t{rows}.price", {"kind": Dictionary(kinds, KINDS), "amount": Scaled(cents, 2)}, as_of=date(2026, 1, 1))
        code = made.output("code").coded()
        best = min(best, (time.process_time() - began) / COLUMN_ROWS * 1e6)
        if made.errors or not (np.array([int(v) for v in code.values])[code.codes] == wanted).all():  # type: ignore[arg-type]
            raise SystemExit("a row of the columns is answered wrongly")
    return best


def measure_peers(console: Console, seconds: float, note: Callable[[str, float], float]) -> None:
    """Print what a request costs, ours beside the peers'.

    Args:
        note: keeps a figure by its name and returns it
    """
    missing = [name for name, (module, _) in PEERS.items() if importlib.util.find_spec(module) is None]
    table = Table(
        title="One table of N rows in process (microseconds of CPU a request; answers compared)", title_justify="left", box=SIMPLE
    )
    for column in ("", *(f"{rows:,} rows" for rows in ROWS), *(f"x ours, {rows:,}" for rows in ROWS)):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    costs: dict[str, dict[int, float]] = {}
    for rows in ROWS:
        desk, asked = desk_of(rows), asked_of(rows)
        ways = ours(desk) | {name: make(rows) for name, (_, make) in PEERS.items() if name not in missing}
        for name, ask in ways.items():
            costs.setdefault(name, {})[rows] = note(f"peers.{name}.{rows}_us", _cost(ask, asked, seconds))
        costs.setdefault(f"policybook, {COLUMN_ROWS:,} in columns", {})[rows] = note(f"peers.columns.{rows}_us", _columns(desk, rows))
    base = costs["policybook, one by one"]
    for name, by_rows in costs.items():
        beside = [f"{note(f'peers.{name}.{rows}_ratio', by_rows[rows] / base[rows]):,.2f}" for rows in ROWS]
        table.add_row(name, *(f"{by_rows[rows]:,.2f}" for rows in ROWS), *beside)
    console.print(table)
    for name in missing:
        console.print(f"{name} is not installed here (`make bench` installs it where its packages can be had)")
    console.print()

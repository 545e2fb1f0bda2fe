"""A log on disk with a desk before it, and a chain read back: what the tests of the log share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from books_in_text import HEAD, raw
from policybook import Answer, Desk, Request, Store, TraceLevel
from policybook.audit.chain import Anchor, Proof, prove
from policybook.audit.entry import Kind, Record
from policybook.audit.masking import Masks
from policybook.audit.open import open_log
from policybook.audit.proof import prove_log
from policybook.audit.settings import LogSettings
from policybook.audit.sqlite import SqliteReader
from policybook.audit.writer import WrittenLog
from policybook.check.book import check_source
from policybook.model.book import Book
from policybook.source import Source
from policybook.store.reload import make_edition

NOON = datetime(2026, 3, 31, 4, 0, tzinfo=UTC)
BODY = """
parameters: {{cap: {{type: money, value: {cap}, set_by: company}}}}
inputs:
  amount: {{type: money}}
  customer: {{type: text, default: '"nobody"'}}
  day: {{type: date, optional: true}}
  at: {{type: datetime, optional: true}}
  parts: {{type: list, of: integer, default: []}}
decisions:
  order:
    hit_policy: first
    outputs: {{outcome: {{type: enum, values: [ship, refuse]}}, rest: {{type: money}}}}
    rules:
      - {{id: within, set_by: company, when: {{amount: <= cap}}, then: {{outcome: ship, rest: cap - amount}}}}
      - {{id: open, set_by: company, when: {{amount: "< 5000"}}, then: {{outcome: refuse, rest: 0}}}}
  strict:
    must_log: true
    hit_policy: first
    outputs: {{outcome: {{type: enum, values: [ship]}}}}
    rules: [{{id: all, set_by: company, then: {{outcome: ship}}}}]
  pieces:
    hit_policy: collect
    for_each: {{part: parts}}
    outputs: {{twice: {{type: integer}}}}
    rules: [{{id: piece, set_by: company, then: {{twice: 2 * part}}}}]
"""


def book(cap: int = 100) -> Book:
    source = Source("book.yaml", HEAD + BODY.format(cap=cap))
    made, report = check_source(source)
    assert made is not None, report.render({source.name: source})
    return made


@dataclass
class Clock:
    """A clock that is set by the test, and goes on a second with each look."""

    at: datetime = NOON
    step: timedelta = timedelta(seconds=1)

    def __call__(self) -> datetime:
        self.at += self.step
        return self.at


@dataclass
class Keeping:
    """A desk and its log."""

    path: Path
    log: WrittenLog
    desk: Desk
    clock: Clock
    asked: Iterator[int] = field(default_factory=itertools.count)

    def ask(self, amount: Any = 50, decision: str = "order", *, request_id: str = "", caller: str = "erp", **more: Any) -> Answer:
        facts = {"amount": raw(amount), **{n: raw(v) for n, v in more.pop("facts", {}).items()}}
        return self.desk.decide(Request(decision=f"book.{decision}", facts=facts, request_id=request_id, caller=caller, **more))

    def records(self) -> list[Record]:
        self.log.flush().result(10)
        return list(self.log.reader().chain())

    def decisions(self) -> list[Record]:
        return [r for r in self.records() if r.kind == Kind.DECISION.value]

    def proof(self, *anchors: Anchor) -> Proof:
        self.log.flush().result(10)
        return proof_of(self.path, *anchors)


def proof_of(path: Path, *anchors: Anchor) -> Proof:
    """What `policybook audit verify` finds."""
    reader = SqliteReader(path)
    try:
        return prove_log(reader, anchors)
    finally:
        reader.close()


def walked(path: Path) -> Proof:
    """The chain alone."""
    reader = SqliteReader(path)
    try:
        return prove(reader.chain())
    finally:
        reader.close()


@contextmanager
def keeping(path: Path, *books: Book, clock: Clock | None = None, **settings: Any) -> Iterator[Keeping]:
    """Open a log in a folder, with a desk before it."""
    file = path / "decisions.db" if path.is_dir() else path
    now = clock or Clock()
    masks = settings.pop("masks", Masks())
    log = open_log(LogSettings(target=str(file), masks=masks, **settings), now=now)
    store = Store()
    for one in books or (book(),):
        store.publish(make_edition(one, NOON))
    ids = itertools.count(1)
    prefix = file.stat().st_mtime_ns
    made = Keeping(file, log, Desk(store, now=now, new_id=lambda: f"{prefix}-{next(ids)}", log=log), now)
    try:
        yield made
    finally:
        log.close()


Edit = Callable[[Any], None]
NONE = TraceLevel.NONE

"""A log on disk with a desk before it, and a chain read back: what the tests of the log share."""

from __future__ import annotations

import itertools
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from books_in_text import HEAD, raw
from policybook import Answer, Desk, Request, Store, TraceLevel
from policybook.audit.chain import Anchor, Proof, prove
from policybook.audit.entry import Kind, Record
from policybook.audit.masking import Masks
from policybook.audit.open import open_log, open_reader
from policybook.audit.proof import prove_log
from policybook.audit.settings import LogSettings
from policybook.audit.sqlite import SqliteReader
from policybook.audit.target import is_url
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

    target: str
    log: WrittenLog
    desk: Desk
    clock: Clock
    asked: Iterator[int] = field(default_factory=itertools.count)

    @property
    def path(self) -> Path:
        return Path(self.target)

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
        return proof_of(self.target, *anchors)


def proof_of(target: Path | str, *anchors: Anchor) -> Proof:
    """What `policybook audit verify` finds."""
    reader = open_reader(str(target))
    try:
        return prove_log(reader, anchors)
    finally:
        reader.close()


def meddle(target: Path | str, *statements: str) -> list[tuple[Any, ...]]:
    """Ask or change what is kept, past the log; return what the last statement gave."""
    rows: list[tuple[Any, ...]] = []
    if is_url(str(target)):
        import psycopg

        with psycopg.connect(str(target), autocommit=True) as connection:
            connection.execute("SET search_path = policybook")
            for statement in statements:
                done = connection.execute(statement.encode())
                rows = done.fetchall() if done.description else []
    else:
        with closing(sqlite3.connect(target, isolation_level=None)) as file:
            for statement in statements:
                rows = file.execute(statement).fetchall()
    return rows


def walked(path: Path) -> Proof:
    """The chain alone."""
    reader = SqliteReader(path)
    try:
        return prove(reader.chain())
    finally:
        reader.close()


@contextmanager
def keeping(target: Path | str, *books: Book, clock: Clock | None = None, **settings: Any) -> Iterator[Keeping]:
    """Open a log, in a folder, a file or a database, with a desk before it."""
    if isinstance(target, Path) and target.is_dir():
        target /= "decisions.db"
    now = clock or Clock()
    masks = settings.pop("masks", Masks())
    log = open_log(LogSettings(target=str(target), masks=masks, **settings), now=now)
    store = Store()
    for one in books or (book(),):
        store.publish(make_edition(one, NOON))
    ids = itertools.count(1)
    prefix = secrets.token_hex(4)
    made = Keeping(str(target), log, Desk(store, now=now, new_id=lambda: f"{prefix}-{next(ids)}", log=log), now)
    try:
        yield made
    finally:
        log.close()


Edit = Callable[[Any], None]
NONE = TraceLevel.NONE

"""Small books from text, and a desk over them: what the tests of the core share."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from policybook import Answer, Desk, Request, Store, TraceLevel
from policybook.check.book import check_source
from policybook.model.book import Book
from policybook.model.facts import RAW_NULL, Raw, Tag
from policybook.source import Source
from policybook.store.reload import make_edition

NOON = datetime(2026, 3, 15, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai

HEAD = "policy: book\ntitle: {en: A book, zh: 一本}\ncurrency: CNY\n"


def book_of(body: str, head: str = HEAD) -> Book:
    """Check a book; a finding fails the test with its text."""
    source = Source("book.yaml", head + body)
    book, report = check_source(source)
    assert book is not None, report.render({source.name: source})
    return book


def raw(value: Any) -> Raw:
    """State a fact as one writes it in a book."""
    if value is None:
        return RAW_NULL
    if isinstance(value, (list, tuple)):
        return Raw(Tag.LIST, tuple(raw(v) for v in value))
    if isinstance(value, dict):
        return Raw(Tag.RECORD, {k: raw(v) for k, v in value.items()})
    if isinstance(value, bool):
        return Raw(Tag.LITERAL, "true" if value else "false")
    return Raw(Tag.LITERAL, str(value))


def desk_of(*books: Book, now: datetime = NOON) -> Desk:
    """A desk with a clock that stands still and ids that count."""
    store = Store()
    for book in books:
        store.publish(make_edition(book, now))
    ids = itertools.count(1)
    return Desk(store, now=lambda: now, new_id=lambda: f"id-{next(ids)}")


def ask(
    desk: Desk,
    decision: str,
    facts: Mapping[str, Any],
    *,
    as_of: date | datetime | None = None,
    trace: TraceLevel = TraceLevel.FULL,
    version: str = "",
) -> Answer:
    """Ask a decision of the book `book`, or a full name."""
    name = decision if "." in decision else f"book.{decision}"
    return desk.decide(Request(decision=name, facts={k: raw(v) for k, v in facts.items()}, as_of=as_of, trace=trace, version=version))


def write(path: Path, body: str, name: str) -> Path:
    """Write a book file."""
    file = path / f"{name}.yaml"
    file.write_text(HEAD.replace("policy: book", f"policy: {name}") + body, encoding="utf-8")
    return file

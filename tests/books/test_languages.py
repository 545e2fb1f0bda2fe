"""What people read in the books of rules/ is there in English and in Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from policybook.cli.books import read_books
from policybook.model.book import Book
from policybook.model.kinds import Field, Kind, Text

RULES = Path(__file__).resolve().parent.parent.parent / "rules"
BOOKS = read_books([RULES]).books
HAN = re.compile(r"[\u4e00-\u9fff]")
# A symbol is the same in every language: CNY, kVA.
SYMBOL = re.compile(r"[a-z]?[A-Z]+[a-z]?\Z")


def fields_in(kind: Kind) -> Iterator[Field]:
    for field in (*kind.fields, *(kind.element.fields if kind.element else ())):
        yield field
        yield from fields_in(field.kind)


def units(book: Book) -> Iterator[tuple[str, Text]]:
    declared = [*book.inputs, *(o for d in book.decisions for o in d.outputs)]
    named = [*book.parameters, *book.values, *(v for d in book.decisions for v in d.values), *declared]
    named += [f for d in declared for f in fields_in(d.kind)]
    yield from ((n.name, n.unit) for n in named if n.unit)


@pytest.mark.parametrize("name", BOOKS)
def test_every_unit_is_in_both_languages(name: str) -> None:
    found = dict(units(BOOKS[name]))
    wrong = {
        where: unit
        for where, unit in found.items()
        if HAN.search(unit.en) or not (HAN.search(unit.zh) or (unit.en == unit.zh and SYMBOL.match(unit.en)))
    }
    assert not wrong, "write {en: .., zh: ..}, or a symbol"


def test_there_are_units() -> None:
    assert sum(1 for b in BOOKS.values() for _ in units(b)) > 200

"""What people read in the books of rules/ is there in English and in Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from policybook.check.book import read_beside
from policybook.cli.books import read_books
from policybook.model.book import Book
from policybook.model.clauses import Clause
from policybook.model.kinds import Field, Kind, Text

RULES = Path(__file__).resolve().parent.parent.parent / "rules"
BOOKS = read_books([RULES]).books
INDEX = read_beside(RULES)[0].clauses
CLAUSES = INDEX.clauses if INDEX else ()
CITED = re.compile(r"\b[SMR]?\d+(?:\.[0-9A-Za-z]+)+", re.ASCII)
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


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda c: c.id)
def test_what_is_said_of_a_clause_is_in_both_languages(clause: Clause) -> None:
    for text in (clause.unclear, clause.needs_no_row):
        assert bool(text.en) == bool(text.zh)
        if text:
            assert HAN.search(text.zh)
            own = re.sub(r'"[^"]*"', "", text.en)
            assert len(re.findall(r"[A-Za-z]", own)) > len(HAN.findall(own))


@pytest.mark.parametrize("clause", [c for c in CLAUSES if c.unclear], ids=lambda c: c.id)
def test_both_notes_quote_and_cite_the_same(clause: Clause) -> None:
    """What the English note quotes of the Chinese text, and each clause that it names, stands in the Chinese note too."""
    note = clause.unclear
    for words in re.findall(r'"([\u4e00-\u9fff]+)"', note.en):
        assert words in note.zh
    assert set(CITED.findall(note.en)) == set(CITED.findall(note.zh))


def test_there_are_units_and_notes() -> None:
    assert sum(1 for b in BOOKS.values() for _ in units(b)) > 200
    assert sum(1 for c in CLAUSES if c.unclear) > 280

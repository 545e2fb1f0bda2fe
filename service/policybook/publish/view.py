"""What the document says, before anybody decides how it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from policybook.model.clauses import Clause
from policybook.model.kinds import NO_TEXT, Text

Lang: TypeAlias = str
"""`en`, `zh` or `both`."""

LANGS = ("en", "zh", "both")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of words.

    Args:
        style: `figure`, `name`, `code`, or empty for plain words
        target: the anchor that it leads to; empty for none
    """

    text: str
    style: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A test or an expression in words, in both languages."""

    en: tuple[Piece, ...] = ()
    zh: tuple[Piece, ...] = ()

    def get(self, language: str) -> tuple[Piece, ...]:
        return self.zh if language == "zh" else self.en

    def __bool__(self) -> bool:
        return bool(self.en or self.zh)


@dataclass(frozen=True, slots=True)
class Link:
    """A name that leads to its place; without a target it is shown alone."""

    title: Text
    target: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """A clause's number; `quote` is its text, empty when there is no index that holds it."""

    id: str
    target: str
    quote: Text


@dataclass(frozen=True, slots=True)
class DatedFigure:
    value: Text
    dates: Text
    in_force: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureView:
    """A parameter; `value` is that of the day, empty when none is in force; `unit` is what stands behind it, with the space between."""

    anchor: str
    name: str
    title: Text
    value: Text
    unit: Text
    dated: tuple[DatedFigure, ...]
    citations: tuple[Citation, ...]
    by_company: bool
    same_as: Text
    reading: Text
    note: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldView:
    """An input, or a field of the records in it.

    Args:
        choices: of an enum: names and titles
        limits: bounds, default, whether it may be absent: a phrase each
    """

    anchor: str
    name: str
    title: Text
    kind: Text
    unit: Text
    choices: tuple[Link, ...]
    limits: tuple[Text, ...]
    fields: tuple[FieldView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueView:
    anchor: str
    name: str
    title: Text
    unit: Text
    meaning: Phrase
    formal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnView:
    name: str
    title: Text
    target: str
    unit: Text = NO_TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class CellView:
    """One cell of a table; `formal` is as written in the book."""

    words: Phrase
    formal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowView:
    """A row, with an entry for every column; an empty test is any value, an empty output gives nothing.

    Args:
        number: from 1, in the order of the book
    """

    anchor: str
    number: int
    name: str
    is_default: bool
    tests: tuple[CellView, ...]
    outputs: tuple[CellView, ...]
    says: Text
    citations: tuple[Citation, ...]
    by_company: bool
    reading: Text
    note: Text
    dates: Text


@dataclass(frozen=True, slots=True)
class Sleeper:
    """A row that is not in force on the day."""

    name: str
    dates: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseView:
    """What always holds of a decision's answers."""

    id: str
    says: Text
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    """A decision table.

    Args:
        ranking: where the order of the answers decides: the answers, the first one first
        over: what a table over a list goes over
        facts, figures: the inputs and parameters that its own table uses
        promises: what always holds of its answers, proved of every request
        recorded: no answer is given out without a durable record
    """

    anchor: str
    name: str
    title: Text
    question: Text
    policy: Text
    ranking: tuple[Text, ...]
    over: Phrase
    uses: tuple[Link, ...]
    used_by: tuple[Link, ...]
    facts: tuple[Link, ...]
    figures: tuple[FigureView, ...]
    values: tuple[ValueView, ...]
    tests: tuple[ColumnView, ...]
    outputs: tuple[ColumnView, ...]
    rows: tuple[RowView, ...]
    sleepers: tuple[Sleeper, ...]
    promises: tuple[PromiseView, ...]
    recorded: bool

    @property
    def width(self) -> int:
        """Columns of the table, the number of the row not counted."""
        return len(self.tests) + len(self.outputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookView:
    """A book as of a day; `dates` is when it is in force, `in_force` whether it is on that day."""

    anchor: str
    name: str
    title: Text
    documents: tuple[int, ...]
    version: str
    day: str
    currency: str
    time_zone: str
    dates: Text
    in_force: bool
    figures: tuple[FigureView, ...]
    inputs: tuple[FieldView, ...]
    values: tuple[ValueView, ...]
    decisions: tuple[DecisionView, ...]

    @property
    def row_count(self) -> int:
        return sum(len(d.rows) for d in self.decisions)

    @property
    def company_figures(self) -> tuple[FigureView, ...]:
        return tuple(f for f in self.figures if f.by_company)

    @property
    def company_rows(self) -> tuple[RowView, ...]:
        return tuple(r for d in self.decisions for r in d.rows if r.by_company)


@dataclass(frozen=True, slots=True)
class ClauseView:
    clause: Clause
    anchor: str
    places: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class DocumentView:
    """Some clauses of one written document, in its order."""

    number: int
    clauses: tuple[ClauseView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The whole document.

    Args:
        days: the days that its books are shown for; mostly one
        has_clauses: whether there was an index of clauses to quote from
        cited, exempt, open: clauses that rows implement, that need none and say why, and that are neither
    """

    days: tuple[str, ...]
    books: tuple[BookView, ...]
    has_clauses: bool
    cited: tuple[DocumentView, ...]
    exempt: tuple[DocumentView, ...]
    open: tuple[DocumentView, ...]

    @property
    def by_company(self) -> tuple[BookView, ...]:
        """The books with figures or rows that the company set."""
        return tuple(b for b in self.books if b.company_figures or b.company_rows)


NOTHING = Phrase()

__all__ = [
    "LANGS",
    "NOTHING",
    "NO_TEXT",
    "BookView",
    "CellView",
    "Citation",
    "ClauseView",
    "ColumnView",
    "DatedFigure",
    "DecisionView",
    "DocumentView",
    "FieldView",
    "FigureView",
    "Lang",
    "Link",
    "Phrase",
    "Piece",
    "Publication",
    "RowView",
    "Sleeper",
    "ValueView",
]

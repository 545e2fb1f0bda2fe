"""How much of the books the cases visit: rows that answered, and thresholds seen from both sides."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policybook.model.answer import Answer, TableTrace, Verdict
from policybook.model.book import Book, Cell, Decision, Row
from policybook.model.evaluate import evaluate
from policybook.model.faults import FormulaError
from policybook.model.formula import Between, Compares, Const, Formula, NoneOf, OneOf, Ref, Role, Test
from policybook.values import Value


class Side(enum.Enum):
    """Where a value lay, seen from a threshold."""

    BELOW = "below"
    ON = "on"
    ABOVE = "above"


@dataclass(frozen=True, slots=True)
class RowId:
    policy: str
    decision: str
    row: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """One end of a comparison in a row; `on_is_below` when the threshold itself is decided as what lies below it."""

    row: RowId
    key: str
    text: str
    number: int
    on_is_below: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionCoverage:
    """What was visited of one decision; rows in the order written, thresholds likewise."""

    policy: str
    decision: str
    hit: tuple[Row, ...]
    missed: tuple[Row, ...]
    thresholds: tuple[tuple[Threshold, frozenset[Side]], ...]

    @property
    def both_sides(self) -> int:
        return sum(is_crossed(t, sides) for t, sides in self.thresholds)

    @property
    def on_the_point(self) -> int:
        return sum(Side.ON in sides for _, sides in self.thresholds)

    @property
    def one_sided(self) -> tuple[tuple[Threshold, frozenset[Side]], ...]:
        return tuple((t, sides) for t, sides in self.thresholds if not is_crossed(t, sides))


def is_crossed(threshold: Threshold, sides: frozenset[Side]) -> bool:
    """Tell whether values on both sides were seen; the threshold itself belongs to one of them."""
    low = {Side.BELOW, Side.ON} if threshold.on_is_below else {Side.BELOW}
    high = {Side.ABOVE} if threshold.on_is_below else {Side.ABOVE, Side.ON}
    return bool(sides & low) and bool(sides & high)


class Coverage:
    """Collects what answers with a full trace visited."""

    def __init__(self, books: Iterable[Book]) -> None:
        self._books = {b.name: b for b in books}
        self._hits: dict[RowId, int] = {}
        self._sides: dict[Threshold, set[Side]] = {}

    def visit(self, answer: Answer) -> None:
        """Count one answer; it needs TraceLevel.FULL."""
        book = self._books[answer.policy]
        known: dict[str, Value] = {}
        for table in answer.tables:
            self._visit_table(book, table, known)

    def hits(self, row: RowId) -> int:
        """Return how often a row was selected."""
        return self._hits.get(row, 0)

    def decisions(self) -> Iterator[DecisionCoverage]:
        """Yield the coverage of every decision, in the order of the books."""
        for book in self._books.values():
            for decision in sorted(book.decisions, key=lambda d: (d.span.line, d.span.column)):
                yield self.decision(book, decision)

    def decision(self, book: Book, decision: Decision) -> DecisionCoverage:
        """Return the coverage of one decision."""
        ids = {r.id: RowId(book.name, decision.name, r.id) for r in decision.all_rows}
        thresholds = [
            t
            for row in decision.all_rows
            for cell in row.cells
            for t, point in thresholds_of(ids[row.id], cell)
            if not _is_at_the_edge(t, cell.subject, point, book)
        ]
        return DecisionCoverage(
            policy=book.name,
            decision=decision.name,
            hit=tuple(r for r in decision.all_rows if self.hits(ids[r.id])),
            missed=tuple(r for r in decision.all_rows if not self.hits(ids[r.id])),
            thresholds=tuple((t, frozenset(self._sides.get(t, ()))) for t in thresholds),
        )

    def _visit_table(self, book: Book, table: TableTrace, known: dict[str, Value]) -> None:
        env = dict(known)
        env |= {p.parameter.name: p.value for p in table.parameters}
        env |= {i.name: i.value for i in table.inputs}
        for verdict in table.rows:
            row = RowId(book.name, table.decision.name, verdict.row.id)
            if verdict.verdict is Verdict.SELECTED:
                self._hits[row] = self._hits.get(row, 0) + 1
            actual_by_key = {c.key: c.actual for c in verdict.cells}
            for cell in verdict.row.cells:
                for threshold, formula in thresholds_of(row, cell):
                    side = _side(actual_by_key.get(cell.key), formula, env, book)
                    if side is not None:
                        self._sides.setdefault(threshold, set()).add(side)
        known |= {f"{table.decision.name}.{name}": value for name, value in table.outputs.items()}


def thresholds_of(row: RowId, cell: Cell) -> Iterator[tuple[Threshold, Formula]]:
    """Yield the thresholds of a cell with the formula of each."""
    for number, (formula, on_is_below) in enumerate(_ends(cell.test)):
        yield Threshold(row, cell.key, cell.text, number, on_is_below), formula


def _is_at_the_edge(threshold: Threshold, subject: Formula, point: Formula, book: Book) -> bool:
    """Tell whether the bounds of an input leave only one side of a threshold: no facts can reach the other."""
    if not (isinstance(subject, Ref) and subject.role is Role.INPUT and isinstance(point, Const)):
        return False
    field = book.input_by_name[subject.name]
    value: Any = point.value
    low: Any = field.minimum
    high: Any = field.maximum
    nothing_below = low is not None and (low > value if threshold.on_is_below else low >= value)
    nothing_above = high is not None and (high <= value if threshold.on_is_below else high < value)
    return bool(nothing_below or nothing_above)


def _ends(test: Test) -> Iterator[tuple[Formula, bool]]:
    match test:
        case Compares(op, value):
            yield value, op in ("<=", ">")
        case Between(low, high, low_included, high_included):
            yield low, not low_included
            yield high, high_included
        case OneOf(tests) | NoneOf(tests):
            for inner in tests:
                yield from _ends(inner)
        case _:
            return


def _side(actual: Value, formula: Formula, env: Mapping[str, Value], book: Book) -> Side | None:
    try:
        point = evaluate(formula, env, book.zone)
        if actual is None or point is None:
            return None
        if actual == point:
            return Side.ON
        return Side.BELOW if actual < point else Side.ABOVE
    except (FormulaError, TypeError):
        return None

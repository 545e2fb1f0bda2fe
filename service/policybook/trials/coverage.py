"""How much of the books the cases visit: rows that answered, thresholds seen from both sides and close by, pairs of conditions."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from policybook.cells.grid import Grid
from policybook.cells.plain import Plain
from policybook.model.answer import Answer, TableTrace, Verdict
from policybook.model.book import Book, Cell, Decision, Row
from policybook.model.evaluate import evaluate
from policybook.model.faults import FormulaError
from policybook.model.formula import Between, Compares, Const, Formula, NoneOf, OneOf, Ref, Role, Test
from policybook.trials.pairs import PairCounter, PairCoverage, Spaces
from policybook.trials.points import Point
from policybook.trials.reach import Reach
from policybook.trials.steps import distance, is_whole, least_step
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
    """One end of a comparison in a row; `on_is_below` when the threshold itself is decided as what lies below it.

    Args:
        end: which end of an interval it is, `lower` or `upper`; empty where there is one
    """

    row: RowId
    key: str
    text: str
    number: int
    on_is_below: bool
    end: str = ""

    def __str__(self) -> str:
        return f"{self.row.row}: {self.key} {self.text}{f', {self.end} end' if self.end else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """A threshold with the points at it that facts can reach, as far as an input's bounds tell, and those that were seen."""

    threshold: Threshold
    points: frozenset[Point]
    seen: frozenset[Point]

    @property
    def missed(self) -> tuple[Point, ...]:
        return tuple(p for p in Point if p in self.points and p not in self.seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionCoverage:
    """What was visited of one decision; rows in the order written, thresholds and boundaries likewise.

    Args:
        pairs: None when they were not asked for
    """

    policy: str
    decision: str
    hit: tuple[Row, ...]
    missed: tuple[Row, ...]
    thresholds: tuple[tuple[Threshold, frozenset[Side]], ...]
    boundaries: tuple[Boundary, ...]
    pairs: PairCoverage | None = None

    @property
    def name(self) -> str:
        return f"{self.policy}.{self.decision}"

    def points(self, *which: Point) -> tuple[int, int]:
        """Count points at thresholds: (seen, reachable)."""
        seen = sum(len(b.seen & b.points & set(which)) for b in self.boundaries)
        return seen, sum(len(b.points & set(which)) for b in self.boundaries)

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
        self._points: dict[Threshold, set[Point]] = {}
        self._steps: dict[tuple[str, str, int], Fraction | None] = {}
        self._plain: dict[tuple[str, str, int], Plain] = {}
        self._pairs = {(b.name, d.name): PairCounter(d) for b in self._books.values() for d in b.decisions}
        self._eras: dict[str, set[int]] = {}

    def visit(self, answer: Answer) -> None:
        """Count one answer; it needs TraceLevel.FULL."""
        book = self._books[answer.policy]
        era = book.era(answer.as_of)
        self._eras.setdefault(book.name, set()).add(era)
        known: dict[str, Value] = {}
        for table in answer.tables:
            self._visit_table(book, table, known, era)
            self._pairs[book.name, table.decision.name].visit(table, era)

    def afresh(self) -> Coverage:
        """Return one of the same books that has seen nothing yet."""
        made = Coverage(())
        made._books, made._steps, made._plain = self._books, self._steps, self._plain
        made._pairs = {name: counter.afresh() for name, counter in self._pairs.items()}
        return made

    def points_seen(self, threshold: Threshold) -> frozenset[Point]:
        """Return the points at a threshold that were seen."""
        return frozenset(self._points.get(threshold, ()))

    def hits(self, row: RowId) -> int:
        """Return how often a row was selected."""
        return self._hits.get(row, 0)

    def in_order(self) -> Iterator[tuple[Book, Decision]]:
        """Yield every decision with its book, in the order written."""
        for book in self._books.values():
            for decision in sorted(book.decisions, key=lambda d: (d.span.line, d.span.column)):
                yield book, decision

    def decisions(self) -> Iterator[DecisionCoverage]:
        """Yield the coverage of every decision, in the order written, without pairs."""
        for book, decision in self.in_order():
            yield self.decision(book, decision)

    def decision(self, book: Book, decision: Decision, spaces: Spaces | None = None) -> DecisionCoverage:
        """Return the coverage of one decision.

        Args:
            spaces: a grid -> what can occur in it; without, pairs are not counted and only bounds of inputs rule points out
        """
        ids = {r.id: RowId(book.name, decision.name, r.id) for r in decision.all_rows}
        plain = self._plain_of(book, decision, max(self._eras.get(book.name, (len(book.change_dates),))))
        thresholds = [
            (t, cell.subject, point)
            for row in decision.all_rows
            for cell in row.cells
            for t, point in thresholds_of(ids[row.id], cell)
            if not _is_at_the_edge(t, cell.subject, point, book)
        ]
        known = [(grid, spaces(grid)) for grid in self._grids(book, decision)] if spaces else []
        reach = Reach(known)
        boundaries = []
        for t, subject, point in thresholds:
            seen = frozenset(self._points.get(t, ()))
            missed = _reachable(subject, plain.of(point), book) - seen
            boundaries.append(Boundary(threshold=t, points=seen | (reach.of(subject, point, missed) if known else missed), seen=seen))
        return DecisionCoverage(
            policy=book.name,
            decision=decision.name,
            hit=tuple(r for r in decision.all_rows if self.hits(ids[r.id])),
            missed=tuple(r for r in decision.all_rows if not self.hits(ids[r.id])),
            thresholds=tuple((t, frozenset(self._sides.get(t, ()))) for t, _, _ in thresholds),
            boundaries=tuple(boundaries),
            pairs=self._pairs[book.name, decision.name].coverage(known) if known else None,
        )

    def _grids(self, book: Book, decision: Decision) -> list[Grid]:
        """Return the table on the days that cases ask about: of it, else of the book, else on the last."""
        last = (len(book.change_dates),)
        eras = self._pairs[book.name, decision.name].eras or tuple(sorted(self._eras.get(book.name, ()))) or last
        return [Grid.of(book, decision, era) for era in eras]

    def _visit_table(self, book: Book, table: TableTrace, known: dict[str, Value], era: int) -> None:
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
                    actual = actual_by_key.get(cell.key)
                    point = _value(formula, env, book)
                    side = _side(actual, point)
                    if side is not None:
                        self._sides.setdefault(threshold, set()).add(side)
                        near = self._near(actual, point, cell, table.decision, book, era)
                        if near is not None:
                            self._points.setdefault(threshold, set()).add(near)
        known |= {f"{table.decision.name}.{name}": value for name, value in table.outputs.items()}

    def _near(self, actual: Value, point: Value, cell: Cell, decision: Decision, book: Book, era: int) -> Point | None:
        far = distance(actual, point)
        if far == 0:
            return Point.ON
        key = (book.name, f"{decision.name}.{cell.key}", era)
        if key not in self._steps:
            self._steps[key] = least_step(cell.subject, self._plain_of(book, decision, era), book.currency)
        step = self._steps[key]
        if far is None or step is None or abs(far) > step:
            return None
        return Point.JUST_ABOVE if far > 0 else Point.JUST_BELOW

    def _plain_of(self, book: Book, decision: Decision, era: int) -> Plain:
        key = (book.name, decision.name, era)
        if key not in self._plain:
            self._plain[key] = Plain(book, book.era_day(era)).within(decision)
        return self._plain[key]


def thresholds_of(row: RowId, cell: Cell) -> Iterator[tuple[Threshold, Formula]]:
    """Yield the thresholds of a cell with the formula of each."""
    for number, (formula, on_is_below, end) in enumerate(_ends(cell.test)):
        yield Threshold(row, cell.key, cell.text, number, on_is_below, end), formula


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


def _reachable(subject: Formula, point: Formula, book: Book) -> frozenset[Point]:
    """Return the points at a threshold that facts can reach, as far as the threshold and the bounds of an input tell."""
    points = set(Point)
    if not (isinstance(point, Const) and point.value is not None):
        return frozenset(points)
    value: Any = point.value
    if is_whole(subject.kind) and isinstance(value, Fraction) and value.denominator != 1:
        points.discard(Point.ON)
    if isinstance(subject, Ref) and subject.role is Role.INPUT:
        field = book.input_by_name[subject.name]
        low: Any = field.minimum
        high: Any = field.maximum
        if low is not None and low >= value:
            points -= {Point.JUST_BELOW, Point.ON} if low > value else {Point.JUST_BELOW}
        if high is not None and high <= value:
            points -= {Point.JUST_ABOVE, Point.ON} if high < value else {Point.JUST_ABOVE}
    return frozenset(points)


def _ends(test: Test) -> Iterator[tuple[Formula, bool, str]]:
    match test:
        case Compares(op, value):
            yield value, op in ("<=", ">"), ""
        case Between(low, high, low_included, high_included):
            yield low, not low_included, "lower"
            yield high, high_included, "upper"
        case OneOf(tests) | NoneOf(tests):
            for inner in tests:
                yield from _ends(inner)
        case _:
            return


def _value(formula: Formula, env: Mapping[str, Value], book: Book) -> Value:
    try:
        value: Value = evaluate(formula, env, book.zone)
        return value
    except (FormulaError, TypeError):
        return None


def _side(actual: Any, point: Any) -> Side | None:
    if actual is None or point is None:
        return None
    try:
        if actual == point:
            return Side.ON
        return Side.BELOW if actual < point else Side.ABOVE
    except TypeError:
        return None

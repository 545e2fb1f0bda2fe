"""A checked book. Made by `check` alone; everything in it is known to be consistent."""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from policybook.model.calendar import Calendar, Place
from policybook.model.formula import Formula, Role, Test
from policybook.model.kinds import Base, Field, Kind, Text, list_of
from policybook.source import Source, Span
from policybook.values import Value


class HitPolicy(enum.Enum):
    """DMN 1.5, 8.2.8."""

    UNIQUE = "unique"
    ANY = "any"
    FIRST = "first"
    PRIORITY = "priority"
    COLLECT = "collect"
    RULE_ORDER = "rule_order"
    OUTPUT_ORDER = "output_order"

    @property
    def multi(self) -> bool:
        return self in _MULTI


_MULTI = (HitPolicy.COLLECT, HitPolicy.RULE_ORDER, HitPolicy.OUTPUT_ORDER)


class Aggregation(enum.Enum):
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    COUNT = "count"

    def applies_to(self, output: Field) -> bool:
        """Tell whether an output of a collect table becomes one value."""
        match self:
            case Aggregation.COUNT:
                return True
            case Aggregation.SUM:
                return output.kind.numeric or output.kind.base is Base.DURATION
            case Aggregation.MIN | Aggregation.MAX:
                return output.kind.ordered


@dataclass(frozen=True, slots=True)
class Effective:
    """Dates in force, both included; None is open."""

    start: date | None = None
    end: date | None = None

    def covers(self, day: date) -> bool:
        return (self.start is None or self.start <= day) and (self.end is None or day <= self.end)


ALWAYS = Effective()


def changes(spans: Iterable[Effective]) -> tuple[date, ...]:
    """Return the days on which one of some spans begins, or has ended the day before, ascending."""
    days: set[date] = set()
    for e in spans:
        if e.start:
            days.add(e.start)
        if e.end and e.end < date.max:
            days.add(date.fromordinal(e.end.toordinal() + 1))
    return tuple(sorted(days))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedValue:
    effective: Effective
    value: Value
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """The figure of another book that one must equal on every day."""

    policy: str
    parameter: str
    span: Span

    def __str__(self) -> str:
        return f"{self.policy}.{self.parameter}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A named figure; `values` do not overlap."""

    name: str
    kind: Kind
    title: Text
    unit: Text
    clauses: tuple[str, ...]
    set_by_company: bool
    same_as: Twin | None
    reading: Text
    note: Text
    values: tuple[DatedValue, ...]
    span: Span

    def on(self, day: date) -> DatedValue | None:
        """Return the value in force on a day."""
        return next((v for v in self.values if v.effective.covers(day)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedValue:
    """A named formula of the book, or of one decision (then it may use the item)."""

    name: str
    formula: Formula
    title: Text
    unit: Text
    text: str
    span: Span

    @property
    def kind(self) -> Kind:
        return self.formula.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One test of a row: `subject` is what the key names."""

    key: str
    subject: Formula
    test: Test
    text: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputEntry:
    name: str
    formula: Formula
    text: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    id: str
    clauses: tuple[str, ...]
    cells: tuple[Cell, ...]
    outputs: tuple[OutputEntry, ...]
    says: Text
    reading: Text
    note: Text
    set_by_company: bool
    effective: Effective
    span: Span
    is_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForEach:
    """`for_each: {item: list}`."""

    item: str
    source: Formula
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """What a decision reads, directly and through values and required decisions.

    `inputs` in the order of the book; `decisions` in the order in which they must be decided.
    """

    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    values: tuple[str, ...]
    decisions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A finding of the analysis that is meant.

    Args:
        finding: its name (`Code.slug`)
        rows: it applies where the finding names all of these
        cells: of a gap: it applies to the requests that pass all of these
    """

    finding: str
    rows: tuple[str, ...]
    cells: tuple[Cell, ...]
    reason: Text
    span: Span


class Direction(enum.Enum):
    RISES = "rises"
    FALLS = "falls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Monotone:
    """An output that never rises, or never falls, as one input grows and everything else stays.

    Args:
        order: of a choice, or a list of a choice: its values, lowest first, those of one rank together; None is no answer. Values
            that are not named are left out of the comparison
        along: of an input that is a choice: its values likewise
    """

    output: Field
    never: Direction
    order: tuple[tuple[str | None, ...], ...]
    grows: Field
    along: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """A test that an output always passes: every item of a multi-hit table, and what they are aggregated to."""

    output: Field
    test: Test
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """Rows, and values of parameters, of which so many are in force on each day of the book."""

    names: tuple[str, ...]
    exactly: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """What always holds of a decision's answers.

    Args:
        where: it speaks only of requests that pass all of these
        uses: what it takes to judge it: of the decision, of `where` and of the claim
    """

    id: str
    clauses: tuple[str, ...]
    claim: Monotone | Within | InForce
    where: tuple[Cell, ...]
    says: Text
    note: Text
    uses: Uses
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision table.

    Args:
        uses_directly: leaves out what only its required decisions use
        must_log: whoever answers callers does so only once the answer is recorded durably
    """

    name: str
    title: Text
    question: Text
    hit_policy: HitPolicy
    aggregation: Aggregation | None
    outputs: tuple[Field, ...]
    rows: tuple[Row, ...]
    default: Row | None
    for_each: ForEach | None
    values: tuple[DerivedValue, ...]
    uses: Uses
    uses_directly: Uses
    span: Span
    accepts: tuple[Acceptance, ...] = ()
    invariants: tuple[Invariant, ...] = ()
    must_log: bool = False

    def output(self, name: str) -> Field | None:
        return next((o for o in self.outputs if o.name == name), None)

    @property
    def all_rows(self) -> tuple[Row, ...]:
        return (*self.rows, self.default) if self.default else self.rows

    def compared_kind(self, output: Field) -> Kind:
        """Return the kind in which two answers are compared: an aggregate, all items as a list, else one value (an element)."""
        if self.aggregation is not None and self.aggregation.applies_to(output):
            return output.kind
        return list_of(output.kind) if self.hit_policy.multi else output.kind

    @property
    def is_list(self) -> bool:
        """Whether other decisions see its outputs as lists."""
        return (self.for_each is not None and self.aggregation is None) or (self.hit_policy.multi and self.aggregation is None)


@dataclass(frozen=True, kw_only=True, repr=False)
class Book:
    """A policy.

    Args:
        values, decisions: in an order in which each can be computed from those before it
        version: hex SHA-256 of the text, and of the calendar's when the book counts working days
    """

    name: str
    title: Text
    documents: tuple[int, ...]
    currency: str
    time_zone: str
    effective: Effective
    parameters: tuple[Parameter, ...]
    inputs: tuple[Field, ...]
    values: tuple[DerivedValue, ...]
    decisions: tuple[Decision, ...]
    source: Source
    version: str
    calendar: Calendar | None = None

    def __repr__(self) -> str:
        # The whole is thousands of lines; its text is in `source`.
        return f"<Book {self.name} {self.version[:8]}>"

    @cached_property
    def zone(self) -> Place:
        """Where and by which calendar the book counts time."""
        return Place.of(self.time_zone, self.calendar)

    @cached_property
    def input_by_name(self) -> dict[str, Field]:
        return {i.name: i for i in self.inputs}

    @cached_property
    def parameter_by_name(self) -> dict[str, Parameter]:
        return {p.name: p for p in self.parameters}

    @cached_property
    def value_by_name(self) -> dict[str, DerivedValue]:
        return {v.name: v for v in self.values}

    @cached_property
    def decision_by_name(self) -> dict[str, Decision]:
        return {d.name: d for d in self.decisions}

    @cached_property
    def change_dates(self) -> tuple[date, ...]:
        """The days on which a figure or row comes into force or falls out of it, ascending."""
        spans = [self.effective, *(v.effective for p in self.parameters for v in p.values)]
        spans += [r.effective for d in self.decisions for r in d.all_rows]
        return changes(spans)

    def era(self, day: date) -> int:
        """Number the stretch between two change dates that a day falls into, from 0."""
        return bisect_right(self.change_dates, day)

    def era_day(self, era: int) -> date:
        """Return a day within an era."""
        if era == 0:
            return (
                date.fromordinal(self.change_dates[0].toordinal() - 1)
                if self.change_dates and self.change_dates[0] > date.min
                else date.min
            )
        return self.change_dates[era - 1]


BUILT_INS = ("as_of", "now")

__all__ = [
    "ALWAYS",
    "BUILT_INS",
    "Aggregation",
    "Book",
    "Cell",
    "DatedValue",
    "Decision",
    "DerivedValue",
    "Effective",
    "ForEach",
    "HitPolicy",
    "OutputEntry",
    "Parameter",
    "Role",
    "Row",
    "Uses",
]

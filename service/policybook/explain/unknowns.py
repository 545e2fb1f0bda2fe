"""One request with some of its inputs set free, in terms of the solver: what they may become, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction

import z3

from policybook.analyse.reading import Reading
from policybook.analyse.symbols import Cond, Expr, Items, Rec, Scalar, Solver, Term
from policybook.cells.least import least_step
from policybook.cells.linear import DAY, number
from policybook.explain.steps import Steps, common_step
from policybook.explain.told import same_value
from policybook.model.book import Book
from policybook.model.kinds import Base, Field, Kind
from policybook.values import Value


@dataclass(frozen=True, slots=True)
class Measure:
    """How far a value of an order is from where it was: `|value - origin| / scale`, a whole multiple of `unit`."""

    origin: Fraction
    scale: Fraction
    unit: Fraction

    def of(self, value: Value) -> Fraction:
        """Measure a value; nothing is nowhere."""
        return Fraction(0) if value is None else abs(Fraction(number(value)) - self.origin) / self.scale


@dataclass(frozen=True, slots=True)
class Free:
    """An input that may change.

    Args:
        changed: it has
        edits: elements in or out of a list, choices changed; as a number
        distance: of what has an order, in parts of what it is now; None for others
        measures: of the value, or of each field of a new element of a list, by name
    """

    changed: Cond
    edits: Expr
    distance: Expr | None
    measures: Mapping[str, Measure]


class Unknowns:
    """Fills the inputs of a reading: the kept with what they are, the free with all that they may become.

    A list may lose any of its elements and gain one; of a choice, any that it lacks.
    """

    def __init__(self, book: Book, era: int, facts: Mapping[str, Value], free: Iterable[str], as_of: date, now: datetime) -> None:
        self.solver = Solver()
        self.book = book
        self.facts = facts
        self.as_of = as_of
        self.now = now
        self.reading = Reading(book, era, self.solver, unrolled=True, as_of=as_of)
        self.reading.inputs["now"] = Scalar(self.solver.real(number(now)), False)
        self.free: dict[str, Free] = {}
        wanted = frozenset(free)
        for name, value in facts.items():
            declared = book.input_by_name[name]
            if name in wanted:
                self.reading.inputs[name], self.free[name] = self._unknown(declared, value)
            else:
                self.reading.inputs[name] = self.solver.constant(value, declared.kind)

    @property
    def edits(self) -> Expr:
        """All edits together."""
        return sum((f.edits for f in self.free.values()), start=self.solver.real(0))

    @property
    def distance(self) -> Expr:
        """All distances together: a bound on it from above is a bound on how far a request is away."""
        return sum((f.distance for f in self.free.values() if f.distance is not None), start=self.solver.real(0))

    @property
    def unit(self) -> Fraction:
        """What every distance is a whole multiple of."""
        units = [m.unit for f in self.free.values() for m in f.measures.values()]
        out = units[0] if units else Fraction(1)
        for unit in units[1:]:
            out = common_step(out, unit)
        return out

    def away(self, facts: Mapping[str, Value]) -> tuple[int, Fraction]:
        """Return the edits and the distance of a request."""
        edits, distance = 0, Fraction(0)
        for name, free in self.free.items():
            before, after = self.facts[name], facts[name]
            declared = self.book.input_by_name[name]
            if declared.kind.base is Base.LIST:
                added, removed = list_changes(before, after)
                edits += len(added) + len(removed)
                for element in added:
                    parts = element.items() if isinstance(element, Mapping) else [("", element)]
                    distance += sum((free.measures[n].of(v) for n, v in parts if n in free.measures), Fraction(0))
            elif not declared.kind.ordered:
                edits += not same_value(before, after)
            else:
                edits += (before is None) != (after is None)
                distance += free.measures[""].of(after)
        return edits, distance

    def _unknown(self, declared: Field, actual: Value) -> tuple[Term, Free]:
        s = self.solver
        if declared.kind.base is Base.LIST:
            return self._list(declared, actual if isinstance(actual, tuple) else ())
        name = f"in.{declared.name}"
        term = self.reading.unknown(declared, name)
        changed = s.no(s.equal(term, s.constant(actual, declared.kind)))
        steps = Steps.of(declared, actual, self.book.currency)
        if steps is None or not isinstance(term, Scalar):
            return term, Free(changed, s.one(changed), None, {})
        measure = self._measure(declared.kind, steps.size, actual, ())
        distance = self._distance(term, measure, name, steps.size)
        # To state nothing where there was something, or the other way round, is an edit and no distance.
        return term, Free(changed, s.one(s.no(s.same(term.null, actual is None))), distance, {"": measure})

    def _distance(self, term: Scalar, measure: Measure, name: str, size: Fraction) -> Expr:
        """Return a number that is at least the distance, and may be the distance; the value goes in steps."""
        s = self.solver
        n = s.whole(f"{name} in steps")
        apart = z3.Real(f"{name} apart", s.ctx)
        self.reading.axioms += [
            s.any(term.null, term.value == n * s.real(size)),
            apart >= term.value - s.real(measure.origin),
            apart >= s.real(measure.origin) - term.value,
        ]
        return s.choose(term.null, s.real(0), apart / s.real(measure.scale))

    def _measure(self, kind: Kind, size: Fraction, actual: Value, others: tuple[Value, ...]) -> Measure:
        """Measure from what a value is; where there is none from nothing, or from today.

        Args:
            others: values beside which a new one is measured
        """
        moments = {Base.DATE: (number(self.as_of), 30), Base.DATETIME: (number(self.now), 30 * DAY)}
        known = moments.get(kind.base)
        origin = Fraction(number(actual)) if actual is not None else Fraction(known[0]) if known else Fraction(0)
        if known:
            scale = Fraction(known[1])
        else:
            numbers = [abs(Fraction(number(v))) for v in (actual, *others) if v is not None]
            scale = max(numbers, default=Fraction(0)) or Fraction({Base.DURATION: DAY, Base.TIME: DAY // 24}.get(kind.base, 1))
        return Measure(origin, scale, common_step(size, origin) / scale)

    def _list(self, declared: Field, actual: tuple[Value, ...]) -> tuple[Term, Free]:
        s = self.solver
        kind = declared.kind.element or declared.kind
        name = f"in.{declared.name}"
        kept = [z3.Bool(f"{name}[{i}] stays", s.ctx) for i in range(len(actual))]
        items: list[tuple[Cond, Term]] = [(k, s.constant(v, kind)) for k, v in zip(kept, actual, strict=True)]
        added: list[Cond] = []
        distance: Expr | None = None
        measures: dict[str, Measure] = {}
        if kind.base is Base.ENUM:
            for word in kind.value_names:
                if word not in actual:
                    added.append(z3.Bool(f"{name} gains {word}", s.ctx))
                    items.append((added[-1], s.constant(word, kind)))
        else:
            gains = z3.Bool(f"{name} gains one", s.ctx)
            one = self.reading.unknown(Field(name="element", kind=kind), f"{name}[new]", nullable=False)
            parts = self._measured(one, kind, actual, f"{name}[new]", measures)
            if parts:
                distance = s.choose(gains, sum(parts[1:], parts[0]), s.real(0))
            added.append(gains)
            items.append((gains, one))
        edits = sum([s.one(s.no(k)) for k in kept] + [s.one(a) for a in added], start=s.real(0))
        changed = s.any(*(s.no(k) for k in kept), *added)
        return Items(tuple(items), None, False), Free(changed, edits, distance, measures)

    def _measured(self, term: Term, kind: Kind, actual: tuple[Value, ...], name: str, measures: dict[str, Measure]) -> list[Expr]:
        """Measure what has an order in a new element: a small amount of this time is nearer than a large one of another."""
        if isinstance(term, Rec):
            out: list[Expr] = []
            for f in kind.fields:
                known = tuple(v.get(f.name) for v in actual if isinstance(v, Mapping))
                inner: dict[str, Measure] = {}
                out += self._measured(term.fields[f.name], f.kind, known, f"{name}.{f.name}", inner)
                if "" in inner:
                    measures[f.name] = inner[""]
            return out
        size = least_step(kind, self.book.currency)
        if not isinstance(term, Scalar) or size is None or term.value is None:
            return []
        measures[""] = self._measure(kind, size, None, actual)
        return [self._distance(term, measures[""], name, size)]


def list_changes(before: Value, after: Value) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """Return the elements that a list has gained, and those that it has lost."""
    was, now = list(before) if isinstance(before, tuple) else [], list(after) if isinstance(after, tuple) else []
    return _without(now, was), _without(was, now)


def _without(items: list[Value], others: list[Value]) -> tuple[Value, ...]:
    left = list(others)
    out = []
    for item in items:
        if item in left:
            left.remove(item)
        else:
            out.append(item)
    return tuple(out)


def in_steps(reading: Reading, term: Term, kind: Kind, name: str, currency: str) -> None:
    """Let everything in a term that has an order go in least steps, so that it can be written down."""
    s = reading.solver
    if isinstance(term, Items):
        for i, (_, element) in enumerate(term.items):
            in_steps(reading, element, kind.element or kind, f"{name}[{i}]", currency)
    elif isinstance(term, Rec):
        for f in kind.fields:
            in_steps(reading, term.fields[f.name], f.kind, f"{name}.{f.name}", currency)
    else:
        size = least_step(kind, currency)
        if size is not None and term.value is not None:
            reading.axioms.append(s.any(term.null, term.value == s.whole(f"{name} in steps") * s.real(size)))

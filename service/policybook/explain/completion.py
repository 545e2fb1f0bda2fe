"""Facts that are not complete: which of the inputs that are not stated can still change the answer.

An input is needed when two requests that agree with what is stated, and differ in it alone, are answered otherwise. A few such
pairs are tried first, at the thresholds of the tables; for the rest the solver reads the book twice, with that one input under two
names and all others shared: it finds a pair, or proves that there is none.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

from policybook.analyse.inquiry import Asking, Impossible, Inquiry
from policybook.analyse.reading import Reading
from policybook.analyse.symbols import Cond, Scalar, Solver
from policybook.cells.axes import OrderedAxis
from policybook.cells.linear import number
from policybook.explain.steps import Steps
from policybook.explain.told import Aspect, End, Teller, Told, same_value
from policybook.explain.unknowns import in_steps
from policybook.model.book import Decision
from policybook.model.formula import Formula, Ref, Role, refs, test_formulas
from policybook.model.kinds import Base, Field, Kind
from policybook.values import Value

# Requests that are tried before the solver is asked, and values of one input in each.
_BACKGROUNDS = 6
_VALUES = 12

Deadline: TypeAlias = Callable[[], bool]


class Relevance(enum.Enum):
    """Whether an input can still change the answer."""

    NEEDED = "needed"
    IRRELEVANT = "irrelevant"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Two requests that differ in one input.

    Args:
        others: the other inputs that are not stated, as they are in both
    """

    value: Value
    told: Told
    other_value: Value
    other_told: Told
    others: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unstated:
    """An input that is not stated.

    Args:
        first_decision: the first of the chain that looks at it
    """

    declared: Field
    relevance: Relevance
    first_decision: str
    example: Example | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a request still needs.

    Args:
        settled: the answer, when no input that is not stated can change it
        unstated: those to ask for first, in a good order; then the undecided; then the irrelevant
    """

    settled: Told | None
    unstated: tuple[Unstated, ...]
    limited_by: str = ""


class Completer:
    """Finds out what a request still needs.

    Args:
        stated: the facts that are known, typed
        aspect: the outputs that matter
    """

    def __init__(self, teller: Teller, stated: Mapping[str, Value], aspect: Aspect, is_over: Deadline) -> None:
        self.teller = teller
        self.book = teller.book
        self.decision = teller.decision
        self.stated = {n: stated[n] for n in self.decision.uses.inputs if n in stated}
        self.unknown = tuple(n for n in self.decision.uses.inputs if n not in stated)
        self.is_over = is_over
        self.aspect = aspect

    def complete(self) -> Completion:
        """Say of each input that is not stated whether it can still change the answer."""
        order = self._order()
        found: list[Unstated] = []
        tried = self._tried()
        limited = ""
        for name, first in order:
            declared = self.book.input_by_name[name]
            example = tried.get(name)
            if example is not None:
                found.append(Unstated(declared=declared, relevance=Relevance.NEEDED, first_decision=first, example=example))
            elif self.is_over():
                limited = "time"
                found.append(Unstated(declared=declared, relevance=Relevance.UNDECIDED, first_decision=first))
            else:
                relevance, example = self._asked(name)
                found.append(Unstated(declared=declared, relevance=relevance, first_decision=first, example=example))
        by_relevance = (Relevance.NEEDED, Relevance.UNDECIDED, Relevance.IRRELEVANT)
        ordered = tuple(u for r in by_relevance for u in found if u.relevance is r)
        settled = None
        if all(u.relevance is Relevance.IRRELEVANT for u in ordered):
            settled = next((t for facts in self._backgrounds() if (t := self.teller.tell(facts)).end is not End.REFUSED), None)
        return Completion(settled=settled, unstated=ordered, limited_by=limited)

    # A good order

    def _order(self) -> list[tuple[str, str]]:
        """Put first what the first table of the chain looks at, by its first rows."""
        out: dict[str, str] = {}
        for name in (*self.decision.uses.decisions, self.decision.name):
            decision = self.book.decision_by_name[name]
            for used in (*self._as_tested(decision), *decision.uses_directly.inputs):
                if used in self.unknown:
                    out.setdefault(used, name)
        for used in self.unknown:
            out.setdefault(used, self.decision.name)
        return list(out.items())

    def _as_tested(self, decision: Decision) -> Iterator[str]:
        formulas: list[Formula] = [decision.for_each.source] if decision.for_each is not None else []
        for row in decision.rows:
            for cell in row.cells:
                formulas += [cell.subject, *test_formulas(cell.test)]
        values = {v.name: v.formula for v in (*self.book.values, *decision.values)}
        seen: set[str] = set()
        pending = list(reversed(formulas))
        while pending:
            for ref in refs(pending.pop()):
                if ref.role is Role.INPUT:
                    yield ref.name
                elif ref.role is Role.VALUE and ref.name in values and ref.name not in seen:
                    seen.add(ref.name)
                    pending.append(values[ref.name])

    # Pairs that are tried

    def _tried(self) -> dict[str, Example]:
        """Try values at the thresholds, one input at a time, before some backgrounds."""
        out: dict[str, Example] = {}
        values = {name: list(self._values(self.book.input_by_name[name])) for name in self.unknown}
        for background in self._backgrounds():
            if self.is_over():
                break
            here = self.teller.tell(background)
            if here.end is End.REFUSED:
                continue
            for name in self.unknown:
                if name in out:
                    continue
                for value in values[name]:
                    if same_value(value, background[name]):
                        continue
                    there = self.teller.tell({**background, name: value})
                    if there.end is not End.REFUSED and not self.aspect.same(here, there):
                        others = {n: background[n] for n in self.unknown if n != name}
                        out[name] = Example(value=background[name], told=here, other_value=value, other_told=there, others=others)
                        break
        return out

    def _backgrounds(self) -> Iterator[dict[str, Value]]:
        """Yield complete requests: as left out, then each choice and flag in turn."""
        for turn in range(_BACKGROUNDS):
            facts = dict(self.stated)
            for name in self.unknown:
                declared = self.book.input_by_name[name]
                if turn == 0 and declared.has_default:
                    facts[name] = declared.default
                elif turn == 0 and declared.optional:
                    facts[name] = None
                else:
                    options = list(self._values(declared))
                    facts[name] = options[turn % len(options)] if options else None
            yield {n: facts[n] for n in self.decision.uses.inputs}

    def _values(self, declared: Field) -> Iterator[Value]:
        """Yield values of an input that a table is likely to tell apart."""
        made: list[Value] = []
        for value in self._some(declared.kind, declared):
            if value not in made or isinstance(value, bool):
                made.append(value)
            if len(made) >= _VALUES:
                break
        yield from made
        if declared.optional:
            yield None

    def _some(self, kind: Kind, declared: Field) -> Iterator[Value]:
        match kind.base:
            case Base.BOOLEAN:
                yield from (True, False)
            case Base.ENUM:
                yield from kind.value_names
            case Base.LIST:
                yield from self._lists(kind, declared)
            case Base.TEXT:
                yield from ("text", "")
            case _:
                yield from self._ordered(declared)

    def _lists(self, kind: Kind, declared: Field) -> Iterator[Value]:
        yield ()
        inner = kind.element
        if inner is None:
            return
        if inner.base is Base.ENUM:
            yield inner.value_names
            yield from ((v,) for v in inner.value_names)
        elif inner.base is not Base.RECORD:
            yield from ((v,) for v in self._some(inner, Field(name=declared.name, kind=inner)))

    def _ordered(self, declared: Field) -> Iterator[Value]:
        steps = Steps.of(declared, None, self.book.currency)
        if steps is None:
            return
        numbers: list[Fraction] = []
        if declared.kind.base is Base.DATE:
            numbers += [Fraction(self.teller.as_of.toordinal() + d) for d in (0, -1, -40, 40)]
        elif declared.kind.base is Base.DATETIME:
            now = Fraction(number(self.teller.now))
            numbers += [now, now - 86_400_000_000]
        for name in (*self.decision.uses.decisions, self.decision.name):
            grid = self.teller.decider.program.grid(name, self.teller.era)
            for axis in grid.axes:
                variable = axis.variable if isinstance(axis, OrderedAxis) else None
                if (
                    isinstance(axis, OrderedAxis)
                    and variable is not None
                    and variable.formula == Ref(declared.name, Role.INPUT, declared.kind)
                ):
                    for cut in axis.cuts[:4]:
                        numbers += [cut, cut + steps.size, cut - steps.size]
        numbers += [Fraction(0), Fraction(1), Fraction(100_000), Fraction(1000)] if declared.kind.numeric else []
        for base, usual in ((Base.DURATION, 86_400_000_000), (Base.TIME, 43_200_000_000), (Base.PERIOD, 1)):
            if declared.kind.base is base:
                numbers += [Fraction(usual), Fraction(0)]
        for each in numbers:
            at = steps.below(each)
            if steps.low <= at <= steps.high:
                yield steps.value(at)

    # The solver

    def _asked(self, name: str) -> tuple[Relevance, Example | None]:
        """Ask for a pair that can be sent: amounts in cents, lists of a few elements; then whether there is none of any kind."""
        found = _Pair(self, name, unrolled=True).find()
        if isinstance(found, Example):
            return Relevance.NEEDED, found
        if not self.is_over() and _Pair(self, name, unrolled=False).find() is Relevance.IRRELEVANT:
            return Relevance.IRRELEVANT, None
        return Relevance.UNDECIDED, None


class _Pair(Inquiry):
    """Two readings that share every input that is not stated but one."""

    def __init__(self, completer: Completer, name: str, *, unrolled: bool) -> None:
        self._completer = completer
        self._name = name
        teller = completer.teller
        solver = Solver()
        both = [
            Reading(teller.book, teller.era, solver, unrolled=unrolled, as_of=teller.as_of, renamed=renamed)
            for renamed in ({}, {name: f"{name}'"})
        ]
        for reading in both:
            reading.inputs["now"] = Scalar(solver.real(number(teller.now)), False)
            for known, value in completer.stated.items():
                reading.inputs[known] = solver.constant(value, teller.book.input_by_name[known].kind)
        self._other = both[1]
        self._other_value: Value = None
        self._unrolled = unrolled
        super().__init__(solver, both, completer.decision.uses.inputs)
        self._other.input(name)
        if unrolled:
            for reading in both:
                for unknown in completer.unknown if reading is self.lead else (name,):
                    declared = teller.book.input_by_name[unknown]
                    in_steps(reading, reading.input(unknown), declared.kind, f"{both.index(reading)} {unknown}", teller.book.currency)

    def find(self) -> Example | Relevance:  # type: ignore[override] # a question of its own
        """Return an example, or IRRELEVANT where there is none, or UNDECIDED."""
        completer = self._completer
        decision = completer.decision
        found: list[Example] = []

        def accept(asking: Asking) -> bool:
            if not self._unrolled:
                return False
            teller = completer.teller
            here = teller.tell(asking.facts)
            there = teller.tell({**asking.facts, self._name: self._other_value})
            if here.end is End.REFUSED or there.end is End.REFUSED or completer.aspect.same(here, there):
                return False
            others = {n: asking.facts[n] for n in completer.unknown if n != self._name}
            value = asking.facts[self._name]
            found.append(Example(value=value, told=here, other_value=self._other_value, other_told=there, others=others))
            return True

        asked = super().find(self._differ(decision), accept, nice=False)
        if found:
            return found[-1]
        return Relevance.IRRELEVANT if isinstance(asked, Impossible) else Relevance.UNDECIDED

    def _differ(self, decision: Decision) -> Cond:
        s = self.solver
        one, other = (r.table(decision.name) for r in self.readings)
        parts: list[Cond] = [
            s.no(s.equal(one.published[o.name], other.published[o.name]))
            for o in decision.outputs
            if o.name in self._completer.aspect.outputs
        ]
        if not decision.is_list and decision.for_each is None and not decision.hit_policy.multi:
            parts.append(s.no(s.same(one.asked[0].decided, other.asked[0].decided)))
        return s.any(*parts)

    def _asking(self, model: Any) -> Asking | None:
        asking = super()._asking(model)
        try:
            kind = self._completer.book.input_by_name[self._name].kind
            self._other_value = self._other.value(model, self._other.inputs[self._name], kind)
        except ValueError:
            return None
        return asking

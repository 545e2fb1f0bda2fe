"""Questions to the solver: is there a request for which something holds?

The answer is a request that was tried, a proof that there is none, or that it could not be decided.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import z3

from policybook.analyse.boxes import Budget
from policybook.analyse.months import NEAR_DAYS
from policybook.analyse.reading import Reading, era_bounds
from policybook.analyse.symbols import Cond, Items, Scalar, Solver, Term
from policybook.cells.linear import number, value_of
from policybook.model.book import Book
from policybook.model.kinds import Base, Field, Kind
from policybook.values import Value, is_terminating

# Deterministic effort of one question, in the solver's own steps (a second or so), and of one that looks for a nicer request.
EFFORT = 3_000_000
_EFFORT_NICE = 100_000
# The solver does not count all of its steps: the clock is the last resort.
PATIENCE_MS = 8_000
# Solutions that rest on a function's unknown values and are corrected by the real one; solutions that are tried and refused.
_CORRECTIONS = 40
_TRIES = 4
# Days near this one make requests that a person can picture.
PLAIN_DAY = dt.date(2026, 1, 15)
# Days that are tried before any day is allowed: early and late in a year, and in later years.
DAYS = (PLAIN_DAY, dt.date(2027, 10, 20), dt.date(2031, 12, 31))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A request that was found.

    Args:
        facts: of every input that the decision uses
        as_of: the day; `now` the instant on it (UTC)
        exact: `now` matters, so that the instant must be stated and the day does not do
    """

    facts: Mapping[str, Value]
    as_of: dt.date
    now: dt.datetime
    exact: bool


@dataclass(frozen=True, slots=True)
class Impossible:
    """No request does it: proved."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """It is not known whether a request does it."""

    why: str


Found: TypeAlias = Asking | Impossible | Undecided
IMPOSSIBLE = Impossible()
Accept: TypeAlias = Callable[[Asking], bool]


class Inquiry:
    """A solver with what is known of one reading, or of several that share their inputs.

    Args:
        needed: inputs that a request must state
        budget: of everything that is asked; None: each question is limited by itself alone
    """

    def __init__(self, solver: Solver, readings: Sequence[Reading], needed: Sequence[str], budget: Budget | None = None) -> None:
        self.solver = solver
        self.budget = budget
        self.readings = tuple(readings)
        self.needed = tuple(needed)
        for name in needed:
            self.lead.input(name)
        self.lead.moment("as_of")
        self._z3 = z3.SimpleSolver(ctx=solver.ctx)
        self._known: list[int] = [0] * len(self.readings)
        self._learnt: list[Cond] = []

    @property
    def lead(self) -> Reading:
        return self.readings[0]

    @property
    def book(self) -> Book:
        return self.lead.book

    @property
    def is_dated(self) -> bool:
        """Whether the day or the instant of the decision comes in."""
        return any(r.is_dated for r in self.readings)

    @property
    def is_loose(self) -> bool:
        return any(r.loose for r in self.readings)

    def _refresh(self) -> None:
        """Tell the solver what the readings have come to know since."""
        for cond in self._learnt:
            self._z3.add(self.solver.expr(cond))
        self._learnt = []
        for i, reading in enumerate(self.readings):
            counted = reading.counted()
            self._z3.add(*(self.solver.expr(c) for c in (*reading.axioms[self._known[i] :], *counted) if c is not True))
            self._known[i] = len(reading.axioms)

    def possible(self, condition: Cond) -> bool | None:
        """Tell whether a condition can hold, without making a request of it; None when that is not known.

        True stands for `perhaps` where functions without an exact form come in.
        """
        if isinstance(condition, bool) and not condition:
            return False
        return self._ask(condition, None, nice=False)[0]

    def rules_out(self, condition: Cond) -> bool:
        """Tell whether it is proved that a condition cannot hold; unlike `possible` it does not first look where it likely can."""
        if isinstance(condition, bool) and not condition:
            return True
        self._refresh()
        return self._search(condition, None, nice=False)[0] is False

    def find(self, condition: Cond, accept: Accept, *, nice: bool = True) -> Found:
        """Find a request for which a condition holds.

        Args:
            accept: tries the request on the real thing
            nice: look for one that a person can picture, too
        """
        if isinstance(condition, bool) and not condition:
            return IMPOSSIBLE
        verdict, asking = self._ask(condition, accept, nice=nice)
        if asking is not None:
            return asking
        if verdict is False:
            return IMPOSSIBLE
        return Undecided("the solver gave up" if verdict is None else "no request could be made of the solution")

    def _ask(self, condition: Cond, accept: Accept | None, *, nice: bool) -> tuple[bool | None, Asking | None]:
        self._refresh()
        if any(r.calendar.is_used for r in self.readings):
            # Most of what can happen can happen in these years, whose months are known.
            found = self._search(self.solver.all(condition, *self._near()), accept, nice=nice, patience=PATIENCE_MS // 4)
            if found[0]:
                return found
            self._refresh()
        return self._search(condition, accept, nice=nice)

    def _near(self) -> list[Cond]:
        """Limit every day that a request states to years whose months are known."""
        out: list[Cond] = []
        for reading in self.readings:
            for name, term in reading.inputs.items():
                declared = self.book.input_by_name.get(name)
                kind = declared.kind if declared else Kind(Base.DATE if name == "as_of" else Base.DATETIME)
                out.extend(self._near_of(term, kind))
        return out

    def _near_of(self, term: Term, kind: Kind) -> list[Cond]:
        s = self.solver
        if isinstance(term, Items):
            return [s.implies(here, w) for here, t in term.items for w in self._near_of(t, kind.element or kind)]
        if not isinstance(term, Scalar):
            return [w for f in kind.fields for w in self._near_of(term.fields[f.name], f.kind)]
        if kind.base not in (Base.DATE, Base.DATETIME) or term.value is None:
            return []
        days = NEAR_DAYS if kind.base is Base.DATE else tuple(dt.datetime.combine(d, dt.time(), tzinfo=dt.UTC) for d in NEAR_DAYS)
        low, high = (s.real(number(d)) for d in days)
        return [s.any(term.null, s.all(term.value >= low, term.value <= high))]

    def _search(
        self, condition: Cond, accept: Accept | None, *, nice: bool, patience: int = PATIENCE_MS
    ) -> tuple[bool | None, Asking | None]:
        z = self._z3
        z.push()
        try:
            z.add(self.solver.expr(condition))
            refused = 0
            corrected = 0
            while self.budget is None or self.budget.spend():
                z.set("rlimit", EFFORT)
                z.set("timeout", patience)
                state = z.check()
                if state == z3.unsat:
                    # A request that was refused is not proved away.
                    return (False if not refused and not self._is_approximate() else None), None
                if state != z3.sat:
                    return None, None
                model = z.model()
                lemmas = [c for r in self.readings for c in r.corrections(model)]
                if lemmas:
                    corrected += 1
                    if corrected > _CORRECTIONS:
                        return None, None
                    self._learnt.extend(lemmas)
                    z.add(*(self.solver.expr(c) for c in lemmas))
                    continue
                if accept is None:
                    return True, None
                asking = self._try(model, accept, nice=nice)
                if asking is not None:
                    return True, asking
                refused += 1
                if refused >= _TRIES:
                    return None, None
                z.add(self._otherwise(model))
            return None, None
        finally:
            z.pop()

    def _is_approximate(self) -> bool:
        return any(r.approximate for r in self.readings)

    def _otherwise(self, model: Any) -> Cond:
        """Ask for other values of the numbers and days."""
        parts = []
        for name, term in self.lead.inputs.items():
            del name
            if isinstance(term, Scalar) and term.value is not None and not isinstance(term.value, bool):
                parts.append(term.value != model.eval(term.value, model_completion=True))
        return z3.Or(*parts) if parts else self.solver.false

    # Requests

    def _try(self, model: Any, accept: Accept, *, nice: bool) -> Asking | None:
        if nice:
            nicer = self._nicer()
            if nicer is not None:
                asking = self._asking(nicer)
                if asking is not None and accept(asking):
                    return asking
        asking = self._asking(model)
        return asking if asking is not None and accept(asking) else None

    def _nicer(self) -> Any | None:
        """Look for a solution that a person can picture: nothing stated that need not be, round figures, days of this time."""
        z = self._z3
        z.push()
        try:
            best = None
            wishes = [w for w in self._wishes() if w is not True]
            pending = [wishes]
            while pending:
                some = pending.pop()
                z.push()
                z.add(*(self.solver.expr(w) for w in some))
                z.set("rlimit", _EFFORT_NICE)
                fine = z.check() == z3.sat
                model = z.model() if fine else None
                z.pop()
                if fine:
                    best = model
                    z.add(*(self.solver.expr(w) for w in some))
                elif len(some) > 1:
                    half = len(some) // 2
                    pending.append(some[half:])
                    pending.append(some[:half])
            if best is not None and any(r.corrections(best) for r in self.readings):
                return None
            return best
        finally:
            z.pop()

    def _wishes(self) -> list[Cond]:
        s = self.solver
        out: list[Cond] = []
        plain = plain_day(self.lead)
        as_of = self.lead.inputs["as_of"]
        if isinstance(as_of, Scalar):
            out.append(as_of.value == s.real(plain.toordinal()))
        instant = self.lead.inputs.get("now")
        if isinstance(instant, Scalar):
            out.append(instant.value == s.whole("now in minutes") * s.real(60_000_000))
        for name in self.needed:
            declared = self.book.input_by_name[name]
            term = self.lead.inputs[name]
            if declared.has_default:
                out.append(s.equal(term, s.constant(declared.default, declared.kind)))
            if term.null is not False:
                out.append(term.null)
            out.extend(self._round_figures(term, declared.kind, name, plain))
        return out

    def _round_figures(self, term: Term, kind: Kind, name: str, plain: dt.date) -> list[Cond]:
        s = self.solver
        if isinstance(term, Items):
            inner = kind.element or kind
            out: list[Cond] = [s.no(here) for here, _ in reversed(term.items)]
            for i, (here, t) in enumerate(term.items):
                out.extend(s.implies(here, w) for w in self._round_figures(t, inner, f"{name}[{i}]", plain))
            return out
        if not isinstance(term, Scalar):
            return [w for f in kind.fields for w in self._round_figures(term.fields[f.name], f.kind, f"{name}.{f.name}", plain)]
        v = term.value
        match kind.base:
            case Base.MONEY | Base.NUMBER | Base.PERCENT | Base.FRACTION:
                steps = (Fraction(1, 100), 1, 100) if kind.base is Base.MONEY else (Fraction(1, 1000), Fraction(1, 100), 1)
                return [v == s.whole(f"{name} in {k}") * s.real(k) for k in steps]
            case Base.DATE:
                return [v >= s.real(plain.toordinal() - 700), v <= s.real(plain.toordinal() + 700)]
            case Base.DATETIME:
                middle = number(dt.datetime.combine(plain, dt.time(4), tzinfo=dt.UTC))
                minute = 60_000_000
                near = [v >= s.real(middle - 700 * 1440 * minute), v <= s.real(middle + 700 * 1440 * minute)]
                return [*near, v == s.whole(f"{name} in minutes") * s.real(minute)]
            case Base.TIME | Base.DURATION:
                return [v == s.whole(f"{name} in minutes") * s.real(60_000_000)]
            case _:
                return []

    def _asking(self, model: Any) -> Asking | None:
        lead = self.lead
        try:
            facts = {n: lead.value(model, lead.inputs[n], lead.book.input_by_name[n].kind) for n in self.needed}
        except ValueError:
            return None
        if not all(can_be_sent(v, lead.book.input_by_name[n]) for n, v in facts.items()):
            return None
        as_of = lead.inputs["as_of"]
        day = dt.date.fromordinal(int(self.solver.value_of(model, as_of.value))) if isinstance(as_of, Scalar) else PLAIN_DAY
        instant = lead.inputs.get("now")
        close = dt.datetime.combine(day, dt.time(23, 59, 59), tzinfo=lead.book.zone).astimezone(dt.UTC)
        if not isinstance(instant, Scalar):
            return Asking(facts=facts, as_of=day, now=close, exact=False)
        made = value_of(Fraction(self.solver.value_of(model, instant.value)), Base.DATETIME)
        return None if made is None else Asking(facts=facts, as_of=day, now=made, exact=made != close)


def plain_day(reading: Reading) -> dt.date:
    """Return a day of a reading's era that a person can picture."""
    first, last = reading.era_bounds()
    return min(max(PLAIN_DAY, first), last)


def days_to_try(book: Book, era: int) -> tuple[dt.date, ...]:
    """Return days of an era that are tried before any day is allowed."""
    first, last = era_bounds(book, era)
    return tuple(dict.fromkeys(min(max(day, first), last) for day in DAYS))


def can_be_sent(value: Value, declared: Field) -> bool:
    """Tell whether a request can state a value: money is decimal text."""
    if isinstance(value, tuple):
        inner = Field(name=declared.name, kind=declared.kind.element or declared.kind)
        return all(can_be_sent(v, inner) for v in value)
    if isinstance(value, Mapping):
        return all(can_be_sent(value[f.name], f) for f in declared.kind.fields)
    return not isinstance(value, Fraction) or declared.kind.base is not Base.MONEY or is_terminating(value)


def as_stated(asking: Asking, book: Book) -> dict[str, Value]:
    """Return the facts that a request must state: without those that are left to their default or absent."""
    out = {}
    for name, value in asking.facts.items():
        declared = book.input_by_name[name]
        if declared.has_default and value == declared.default and isinstance(value, bool) == isinstance(declared.default, bool):
            continue
        if value is None and declared.optional and not declared.has_default:
            continue
        out[name] = value
    return out

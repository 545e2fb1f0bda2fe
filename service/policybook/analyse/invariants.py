"""What a book says always holds: proved for every request on every day, or refuted by a request that breaks it.

A proof is read off terms in which nothing is known of a request; lists may be of any length. A refutation is one request, or two,
that the real decider decided. What is neither is said to be undecided.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TypeAlias

from policybook.analyse.boxes import Budget
from policybook.analyse.broken import Breach, finding_of, undecided_finding
from policybook.analyse.compare import Comparison
from policybook.analyse.growth import Grown, Pair
from policybook.analyse.inquiry import Asking, Inquiry, Undecided, days_to_try
from policybook.analyse.reading import TOP, Asked, Reading, Scope
from policybook.analyse.settle import reads_item, settle
from policybook.analyse.space import Judge
from policybook.analyse.symbols import Cond, Solver, Term
from policybook.diagnostics import Finding
from policybook.model.book import Book, Decision, InForce, Invariant, Monotone, Within
from policybook.model.evaluate import passes
from policybook.model.faults import FormulaError
from policybook.model.formula import Formula, IsNull, NoneOf, OneOf, Test, test_formulas

# Processor time that one invariant may cost, in seconds, besides the question it is just at.
SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Proved:
    """It holds for every request."""


@dataclass(frozen=True, slots=True)
class Open:
    """It is not known whether it holds."""

    why: str


Verdict: TypeAlias = Proved | Breach | Open
PROVED = Proved()


def invariant_findings(book: Book, judge: Judge | None = None, seconds: float | None = SECONDS) -> tuple[Finding, ...]:
    """Return a finding for each invariant of a book that is refuted, or that could be neither proved nor refuted.

    What was proved or refuted of a version is remembered while the process lives.

    Args:
        judge: of the book, where there is one already
        seconds: processor time for each invariant; None: no limit
    """
    key = (book.source.name, book.version)
    known = _SETTLED.get(key)
    if known is not None:
        return known
    out: list[Finding] = []
    settled = True
    the_judge = judge
    for decision in book.decisions:
        proofs: Proofs | None = None
        for invariant in decision.invariants:
            the_judge = the_judge or Judge(book)
            proofs = proofs or Proofs(the_judge, decision, seconds)
            verdict = proofs.verdict(invariant)
            if isinstance(verdict, Breach):
                out.append(finding_of(book, decision, invariant, verdict))
            elif isinstance(verdict, Open):
                settled = False
                out.append(undecided_finding(decision, invariant, verdict.why))
    found = tuple(out)
    if settled:
        _SETTLED.put(key, found)
    return found


class _Remembered:
    """What is known of the versions that were looked at last; any number of threads may share it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], tuple[Finding, ...]] = OrderedDict()

    def get(self, key: tuple[str, str]) -> tuple[Finding, ...] | None:
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            return found

    def put(self, key: tuple[str, str], findings: tuple[Finding, ...]) -> None:
        with self._lock:
            self._known[key] = findings
            if len(self._known) > self._most:
                self._known.popitem(last=False)


# A version is its text: what holds of it holds for good, whoever asks.
_SETTLED = _Remembered(512)


@dataclass(eq=False)
class Proofs:
    """Judges the invariants of one decision.

    Args:
        judge: of the book; a refutation was tried on it
        seconds: processor time for each invariant; None: no limit
        readings: those made so far, for the invariants that may share them
    """

    judge: Judge
    decision: Decision
    seconds: float | None = SECONDS
    readings: dict[object, Reading] = field(default_factory=dict, repr=False)

    @property
    def book(self) -> Book:
        return self.judge.book

    def verdict(self, invariant: Invariant) -> Verdict:
        """Prove or refute one."""
        claim = invariant.claim
        if isinstance(claim, InForce):
            return self._in_force(claim)
        budget = Budget(seconds=self.seconds)
        seen: set[object] = set()
        why = ""
        for era in self._eras(invariant):
            state = self._state(invariant, era)
            if state in seen:
                continue
            case = _Case(self, invariant, era, budget)
            verdict = case.verdict()
            if isinstance(verdict, Breach):
                return verdict
            if isinstance(verdict, Open):
                why = verdict.why
            elif not case.is_dated:
                # On other days with the same tables the same proof holds.
                seen.add(state)
        return Open(why) if why else PROVED

    def _eras(self, invariant: Invariant) -> Iterator[int]:
        """Yield the stretches of days on which requests are decided at all."""
        for era in range(len(self.book.change_dates) + 1):
            day = self.book.era_day(era)
            parameters = (self.book.parameter_by_name[n] for n in invariant.uses.parameters)
            if self.book.effective.covers(day) and all(p.on(day) is not None for p in parameters):
                yield era

    def _state(self, invariant: Invariant, era: int) -> object:
        day = self.book.era_day(era)
        figures = tuple(self.book.parameter_by_name[n].on(day) for n in invariant.uses.parameters)
        tables = (self.book.decision_by_name[n] for n in invariant.uses.decisions)
        rows = tuple(tuple(r.id for r in t.rows if r.effective.covers(day)) for t in tables)
        return (tuple(f.span if f else None for f in figures), rows)

    def _in_force(self, claim: InForce) -> Verdict:
        book = self.book
        for era in range(len(book.change_dates) + 1):
            day = book.era_day(era)
            if not book.effective.covers(day):
                continue
            rows = {r.id for r in self.judge.program.grid(self.decision.name, era).rows}
            in_force = [n for n in claim.names if n in rows or ((p := book.parameter_by_name.get(n)) is not None and p.on(day) is not None)]
            if len(in_force) != claim.exactly:
                return Breach(day=day, in_force=tuple(in_force))
        return PROVED


class _Case:
    """One invariant on the days of one era."""

    def __init__(self, proofs: Proofs, invariant: Invariant, era: int, budget: Budget) -> None:
        self.judge = proofs.judge
        self.book = proofs.book
        self.decision = proofs.decision
        self.invariant = invariant
        self.era = era
        self.budget = budget
        self.shared = proofs.readings
        self.is_dated = False
        self.found: Breach | None = None

    @cached_property
    def needed(self) -> tuple[str, ...]:
        return self.invariant.uses.inputs

    def verdict(self) -> Verdict:
        general = self._inquiry(unrolled=False)
        condition = self.broken(general)
        self.is_dated = general.is_dated
        if general.rules_out(condition):
            return PROVED
        why = "the solver gave up"
        for inquiry in self._searches(general):
            if not self.budget.spend():
                return Open("it would take longer than is allowed")
            condition = self.broken(inquiry)
            found = inquiry.find(condition, self._accept)
            if isinstance(found, Asking) and self.found is not None:
                return self.found
            if isinstance(found, Undecided):
                why = found.why
            elif inquiry.lead.as_of is None and not inquiry.is_loose:
                return PROVED
            elif inquiry.lead.as_of is None:
                why = "only longer lists could break it"
        return Open(why)

    def _searches(self, general: Inquiry) -> Iterator[Inquiry]:
        """Yield where a request is looked for: plain days first, then any day, with lists of a few elements."""
        if general.is_dated:
            for day in days_to_try(self.book, self.era):
                yield self._inquiry(unrolled=True, as_of=day)
        yield self._inquiry(unrolled=True)

    def _inquiry(self, *, unrolled: bool, as_of: date | None = None) -> Inquiry:
        key = (self.era, unrolled, as_of, self._reads)
        reading = self.shared.get(key)
        if reading is None:
            # In a context of its own: what others left in one that is shared had the solver give up on products.
            reading = self.shared[key] = Reading(self.book, self.era, Solver(), unrolled=unrolled, as_of=as_of)
        claim = self.invariant.claim
        if isinstance(claim, Monotone):
            return Pair(reading, claim, self.needed, self.budget)
        return Inquiry(reading.solver, (reading,), self.needed, self.budget)

    @cached_property
    def _reads(self) -> object:
        """What may share a reading: what one invariant asks of a request must not be taken for granted by another.

        A table that is read rules out requests that it refuses, and a formula those for which it has no result.
        """
        where, claim = self.invariant.where, self.invariant.claim
        tested = claim.test if isinstance(claim, Within) else None
        return (self.invariant.uses, tuple((cell.subject, cell.test) for cell in where), tested)

    # As terms

    def broken(self, inquiry: Inquiry) -> Cond:
        """Return that a request, or two, break the invariant."""
        claim = self.invariant.claim
        if isinstance(claim, Within):
            return self._outside(inquiry.lead, claim)
        if isinstance(claim, Monotone) and isinstance(inquiry, Pair):
            return inquiry.solver.all(inquiry.growth, self._moves(inquiry, claim))
        raise AssertionError("no request is asked for what is in force")

    def _where(self, reading: Reading, scope: Scope) -> Cond:
        cells = self.invariant.where
        return reading.solver.all(*(reading.passes(cell.test, reading.term(cell.subject, scope), scope) for cell in cells))

    def _moves(self, pair: Pair, claim: Monotone) -> Cond:
        decision, name = self.decision, claim.output.name
        comparison = Comparison(decision.compared_kind(claim.output), claim.order)
        first, second = (r.table(decision.name) for r in pair.readings)
        s = pair.solver

        def moves(scopes: tuple[Scope, Scope], before: Term, after: Term) -> Cond:
            speaks = [self._where(r, scope) for r, scope in zip(pair.readings, scopes, strict=True)]
            return s.all(*speaks, comparison.moves(pair.lead, claim.never, before, after))

        if decision.hit_policy.multi:
            scopes = (TOP, TOP) if decision.for_each else (first.asked[0].scope, second.asked[0].scope)
            return moves(scopes, first.published[name], second.published[name])
        times = [(s.all(here, there), a, b) for here, there, a, b in zip(first.here, second.here, first.asked, second.asked, strict=True)]
        if first.rest is not None and second.rest is not None:
            times.append((True, first.rest, second.rest))
        return s.any(
            *(
                s.all(
                    here,
                    self._decided(a, comparison),
                    self._decided(b, comparison),
                    moves((a.scope, b.scope), a.outputs[name], b.outputs[name]),
                )
                for here, a, b in times
            )
        )

    @staticmethod
    def _decided(asked: Asked, comparison: Comparison) -> Cond:
        return True if comparison.speaks_of_nothing else asked.decided

    def _outside(self, reading: Reading, claim: Within) -> Cond:
        decision, s = self.decision, reading.solver
        name, multi = claim.output.name, decision.hit_policy.multi
        table = reading.table(decision.name)
        times = [*zip(table.here, table.asked, strict=True), *([(True, table.rest)] if table.rest is not None else [])]
        parts: list[Cond] = []
        for here, asked in times:
            speaks = s.all(here, self._where(reading, asked.scope))
            answers = [(asked.decided, asked.outputs)]
            if multi:
                answers = [*zip(asked.selected, asked.row_outputs, strict=True), (asked.by_default, asked.default_outputs)]
            parts += [s.all(speaks, given, self._fails(reading, claim, out[name], asked.scope)) for given, out in answers if name in out]
        if self._has_aggregate(claim):
            scope = TOP if decision.for_each else table.asked[0].scope
            parts.append(s.all(self._where(reading, scope), self._fails(reading, claim, table.published[name], scope)))
        return s.any(*parts)

    def _has_aggregate(self, claim: Within) -> bool:
        """Tell whether the items come to one value that the invariant speaks of too."""
        how = self.decision.aggregation
        if how is None or not how.applies_to(claim.output):
            return False
        return self.decision.for_each is None or not reads_item(self.decision, self._formulas(claim))

    def _formulas(self, claim: Within) -> Iterator[Formula]:
        yield from test_formulas(claim.test)
        for cell in self.invariant.where:
            yield cell.subject
            yield from test_formulas(cell.test)

    @staticmethod
    def _fails(reading: Reading, claim: Within, term: Term, scope: Scope) -> Cond:
        s = reading.solver
        there = True if _names_null(claim.test) else s.no(term.null)
        return s.all(there, s.no(reading.passes(claim.test, term, scope)))

    # By the real decider

    def _accept(self, asking: Asking) -> bool:
        """Try a request, or the two, that are said to break the invariant."""
        claim = self.invariant.claim
        self.found = None
        if isinstance(claim, Monotone) and isinstance(asking, Grown):
            self.found = self._tried_pair(asking, claim)
        elif isinstance(claim, Within):
            self.found = self._tried(asking, claim)
        return self.found is not None

    def _tried_pair(self, asking: Grown, claim: Monotone) -> Breach | None:
        before = settle(self.judge, self.decision, self.invariant, asking.facts, asking.as_of, asking.now)
        after = settle(self.judge, self.decision, self.invariant, asking.other.facts, asking.as_of, asking.now)
        if before is None or after is None:
            return None
        comparison = Comparison(self.decision.compared_kind(claim.output), claim.order)
        name = claim.output.name
        if self.decision.for_each is None or self.decision.hit_policy.multi:
            answers = [(before.whole(name), after.whole(name))]
        else:
            others = {a.item: a for a in after.each(name)}
            answers = [(a, others[a.item]) for a in before.each(name) if a.item in others]
        for a, b in answers:
            decided = comparison.speaks_of_nothing or (a.decided and b.decided)
            speaks = before.speaks(self.invariant.where, a.env) and after.speaks(self.invariant.where, b.env)
            if decided and speaks and comparison.moved(claim.never, a.value, b.value):
                return Breach(asking=asking, before=a, after=b)
        return None

    def _tried(self, asking: Asking, claim: Within) -> Breach | None:
        settled = settle(self.judge, self.decision, self.invariant, asking.facts, asking.as_of, asking.now)
        if settled is None:
            return None
        name = claim.output.name
        answers = list(settled.each(name))
        if self._has_aggregate(claim):
            answers.append(settled.whole(name))
        for a in answers:
            if a.value is None and not _names_null(claim.test):
                continue
            try:
                outside = settled.speaks(self.invariant.where, a.env) and not passes(claim.test, a.value, a.env, self.book.zone)
            except FormulaError:
                continue
            if outside:
                return Breach(asking=asking, before=a)
        return None


def _names_null(test: Test) -> bool:
    match test:
        case IsNull():
            return True
        case OneOf(tests) | NoneOf(tests):
            return any(_names_null(t) for t in tests)
        case _:
            return False

"""Why not: the fewest changes of inputs that give another outcome, each as small as it can be.

The solver is asked for a request with a wanted outcome that differs from the real one in one input, then two, then three. What it
finds at one size is set aside with all that contain it; when there is no more, that is a proof, and every set found at the next
size is as small as it can be. For each set the changes are then made as small as they can be. The real decider has the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import z3

from policybook.analyse.inquiry import Asking, Impossible, Inquiry
from policybook.analyse.reading import Reading
from policybook.analyse.symbols import Cond
from policybook.cells.linear import number
from policybook.explain.told import Aspect, End, Teller, Told, output_kind, same_value
from policybook.explain.unknowns import Unknowns, list_changes
from policybook.model.kinds import Base, Field
from policybook.values import Value

MAX_CHANGED = 3
DEFAULT_ALTERNATIVES = 5
MAX_ALTERNATIVES = 20

Deadline: TypeAlias = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Goal:
    """Which outcomes are wanted.

    Args:
        wanted: output name -> value, as other decisions would see it; empty: any outcome that differs from `actual` in `aspect`
        named: the outputs of the aspect, where somebody named them
    """

    aspect: Aspect
    actual: Told
    wanted: Mapping[str, Value]
    named: tuple[str, ...] = ()

    def reached(self, told: Told) -> bool:
        """Tell whether an outcome is wanted."""
        if told.end is not End.DECIDED:
            return False
        if self.wanted:
            return all(same_value(told.outputs.get(name), value) for name, value in self.wanted.items())
        return not self.aspect.same(self.actual, told)

    def reached_in(self, reading: Reading, teller: Teller) -> Cond:
        """Tell it in terms of the solver."""
        s = reading.solver
        decision = teller.decision
        table = reading.table(decision.name)
        single = decision.for_each is None and not decision.hit_policy.multi
        parts: list[Cond] = [table.asked[0].decided] if single else []
        if self.wanted:
            fields = {o.name: o for o in decision.outputs}
            for name, value in self.wanted.items():
                known = s.constant(value, output_kind(decision, fields[name]))
                parts.append(s.equal(table.published[name], known))
        elif self.actual.end is not End.REFUSED:
            parts.append(s.no(self.aspect.same_in(reading, decision, self.actual)))
        return s.all(*parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One input, changed.

    Args:
        difference: how much more, in the units of cells.linear; None for what has no order
        added, removed: elements of a list
    """

    declared: Field
    before: Value
    after: Value
    difference: Fraction | None = None
    added: tuple[Value, ...] = ()
    removed: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One way to another outcome.

    Args:
        edits, distance: how far it is from what it was (see `unknowns.Unknowns.away`)
        fewest: proved that no smaller set of inputs does it
        least: proved that no smaller change of these inputs does it
    """

    changes: tuple[Change, ...]
    facts: Mapping[str, Value]
    told: Told
    edits: int
    distance: Fraction
    fewest: bool
    least: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """The ways to another outcome.

    Args:
        named: the outputs that are wanted or compared, if some were named
        changeable: the inputs that could be changed
        proved: up to this many inputs every set was found or ruled out
        searched: sets of more were not looked at
        limited_by: `time`, `alternatives`, or empty
    """

    alternatives: tuple[Alternative, ...]
    named: tuple[str, ...]
    changeable: tuple[str, ...]
    proved: int
    searched: int
    limited_by: str


class Search:
    """Looks for the ways to another outcome of one request.

    Args:
        facts: complete
        kept: inputs that stay as they are
        is_over: the time is used up
    """

    def __init__(self, teller: Teller, facts: Mapping[str, Value], kept: Sequence[str], is_over: Deadline) -> None:
        self.teller = teller
        self.book = teller.book
        used = teller.decision.uses.inputs
        self.facts = {n: facts[n] for n in used}
        self.changeable = tuple(n for n in used if n not in kept)
        self.is_over = is_over

    def find(self, goal: Goal, most: int) -> WhyNot:
        """Find at most so many ways, those that change the fewest inputs first."""
        made = self._unknowns(self.changeable)
        solver = made.solver
        target = goal.reached_in(made.reading, self.teller)
        inquiry = Inquiry(solver, (made.reading,), tuple(self.facts))
        changed = {name: solver.expr(f.changed) for name, f in made.free.items()}
        found: list[Alternative] = []
        sets: list[frozenset[str]] = []
        proved, all_proved, limited = 0, True, ""
        largest = min(MAX_CHANGED, len(self.changeable))
        for size in range(1, largest + 1):
            few = z3.AtMost(*changed.values(), size)
            ended = False
            while not ended:
                if len(found) >= most or self.is_over():
                    limited = "time" if len(found) < most else "alternatives"
                    break
                fresh = [solver.any(*(solver.no(changed[n]) for n in one)) for one in sets]
                asked = inquiry.find(solver.all(target, few, *fresh), lambda a: self._reaches(goal, a), nice=False)
                if isinstance(asked, Asking):
                    differing = frozenset(n for n in self.changeable if not same_value(asked.facts[n], self.facts[n]))
                    sets.append(differing)
                    found.append(self._least(goal, differing, asked, fewest=all_proved and len(differing) == size))
                else:
                    ended = True
                    all_proved &= isinstance(asked, Impossible)
                    proved = size if all_proved else proved
            if limited:
                break
        return WhyNot(
            alternatives=tuple(sorted(found, key=_rank)),
            named=tuple(goal.wanted) or goal.named,
            changeable=self.changeable,
            proved=proved,
            searched=largest,
            limited_by=limited,
        )

    def _unknowns(self, free: Sequence[str]) -> Unknowns:
        return Unknowns(self.book, self.teller.era, self.facts, free, self.teller.as_of, self.teller.now)

    def _reaches(self, goal: Goal, asking: Asking) -> bool:
        return goal.reached(self.teller.tell(asking.facts))

    # The least change of a set

    def _least(self, goal: Goal, names: frozenset[str], asking: Asking, *, fewest: bool) -> Alternative:
        free = tuple(n for n in self.changeable if n in names)
        made = self._unknowns(free)
        facts, least = self._nearest(goal, made, asking.facts)
        changes = tuple(change_of(self.book.input_by_name[n], self.facts[n], facts[n]) for n in free)
        edits, distance = made.away(facts)
        return Alternative(
            changes=changes, facts=facts, told=self.teller.tell(facts), edits=edits, distance=distance, fewest=fewest, least=least
        )

    def _nearest(self, goal: Goal, made: Unknowns, found: Mapping[str, Value]) -> tuple[Mapping[str, Value], bool]:
        """Return the nearest request with a wanted outcome, and whether it is proved to be the nearest.

        First as few edits as can be, then the least distance: by halving, each step a request that was tried or a proof.
        """
        s = made.solver
        inquiry = Inquiry(s, (made.reading,), tuple(self.facts))
        target = goal.reached_in(made.reading, self.teller)
        best = found

        def nearer(condition: Cond) -> Mapping[str, Value] | bool:
            """Return a request, False when there is none, or True when that is not known."""
            if self.is_over():
                return True
            asked = inquiry.find(s.all(target, condition), lambda a: self._reaches(goal, a), nice=False)
            return asked.facts if isinstance(asked, Asking) else not isinstance(asked, Impossible)

        low = 0
        while low < (high := made.away(best)[0]):
            middle = (low + high) // 2
            got = nearer(made.edits <= s.real(middle))
            if got is True:
                return best, False
            if isinstance(got, Mapping):
                best = got
            else:
                low = middle + 1
        few = made.edits <= s.real(low)
        unit = made.unit
        low = 0
        while low < (high := int(made.away(best)[1] / unit)):
            middle = (low + high) // 2
            got = nearer(s.all(few, made.distance <= s.real(middle * unit)))
            if got is True:
                return best, False
            if isinstance(got, Mapping):
                best = got
            else:
                low = middle + 1
        return best, True


def change_of(declared: Field, before: Value, after: Value) -> Change:
    """Say what became of an input."""
    if declared.kind.base is Base.LIST:
        added, removed = list_changes(before, after)
        return Change(declared=declared, before=before, after=after, added=added, removed=removed)
    difference = None
    if declared.kind.ordered and before is not None and after is not None:
        difference = Fraction(number(after)) - Fraction(number(before))
    return Change(declared=declared, before=before, after=after, difference=difference)


def _rank(a: Alternative) -> tuple[object, ...]:
    """Put few changes first, then those of few elements and choices, then small ones."""
    return (len(a.changes), a.edits, a.distance, tuple(c.declared.name for c in a.changes))

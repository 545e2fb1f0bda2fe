"""Two requests that differ in one input, which has grown: read together, and found together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from policybook.analyse.boxes import Budget
from policybook.analyse.compare import growth
from policybook.analyse.inquiry import Asking, Inquiry, can_be_sent, plain_day
from policybook.analyse.reading import Reading
from policybook.analyse.symbols import Cond, Items, Term
from policybook.model.book import Monotone
from policybook.model.kinds import Base, Field
from policybook.values import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown(Asking):
    """A request, and what one input of it has grown to in the other."""

    name: str
    value: Value

    @property
    def other(self) -> Asking:
        """The request after the input has grown."""
        return Asking(facts={**self.facts, self.name: self.value}, as_of=self.as_of, now=self.now, exact=self.exact)


class Pair(Inquiry):
    """Two readings of a book that share every input but one.

    Args:
        before: of the request before the input grows
        claim: which input grows, and along what
    """

    def __init__(self, before: Reading, claim: Monotone, needed: tuple[str, ...], budget: Budget) -> None:
        self.grows = claim.grows
        book, era, solver, unrolled, as_of = before.book, before.era, before.solver, before.unrolled, before.as_of
        name = claim.grows.name
        self.before = before.input(name)
        if claim.grows.kind.base is Base.LIST:
            self.after, self.growth, more = _longer(before, claim.grows, self.before)
            after = Reading(book, era, solver, unrolled=unrolled, as_of=as_of, given={name: self.after})
        else:
            after = Reading(book, era, solver, unrolled=unrolled, as_of=as_of, renamed={name: f"{name}'"})
            more = self.after = after.input(name)
            self.growth = growth(before, claim.grows, claim.along, self.before, self.after)
        # What only the other request states.
        self._more = more
        super().__init__(solver, (before, after), needed, budget)

    @property
    def other(self) -> Reading:
        return self.readings[1]

    def _asking(self, model: Any) -> Asking | None:
        asking = super()._asking(model)
        if asking is None:
            return None
        try:
            value = self.lead.value(model, self.after, self.grows.kind)
        except ValueError:
            return None
        if not can_be_sent(value, self.grows):
            return None
        return Grown(facts=asking.facts, as_of=asking.as_of, now=asking.now, exact=asking.exact, name=self.grows.name, value=value)

    def _wishes(self) -> list[Cond]:
        kind = self.grows.kind
        inner = kind.element if kind.base is Base.LIST and kind.element is not None else kind
        return [*super()._wishes(), *self._round_figures(self._more, inner, f"{self.grows.name}'", plain_day(self.lead))]


def _longer(reading: Reading, declared: Field, before: Term) -> tuple[Term, Cond, Term]:
    """Return a list with one more element, what holds of the two, and the element."""
    s = reading.solver
    if not isinstance(before, Items):
        raise TypeError(f"{declared.name} is no list")
    kind = declared.kind.element or declared.kind
    more = reading.unknown(Field(name="element", kind=kind), f"in.{declared.name} more", nullable=False)
    there = s.no(before.null)
    if kind.base is Base.ENUM and before.rest is None:
        # Every word has its place already.
        items = tuple((s.any(here, s.equal(t, more)), t) for here, t in before.items)
        return Items(items, None, before.null), s.all(there, s.no(reading.holds(before, more))), more
    if before.rest is None:
        return Items((*before.items, (True, more)), None, before.null), there, more
    # Nothing that has an exact form here minds where in a list of unknown length an element stands.
    return Items(((True, more), *before.items), before.rest, before.null), there, more

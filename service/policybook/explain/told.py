"""What came of a request, as far as one compares it with another; in values, and in terms of the solver."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from policybook.analyse.reading import Asked, Reading
from policybook.analyse.symbols import Cond
from policybook.decide.chain import Decider, Verdict
from policybook.errors import ConflictError, FactsError
from policybook.model.answer import Outcome, TraceLevel
from policybook.model.book import Decision
from policybook.model.kinds import Base, Field, Kind, list_of
from policybook.values import Value

_CHOICES = frozenset({Base.ENUM, Base.BOOLEAN, Base.TEXT})


class End(enum.Enum):
    """How a request ends."""

    DECIDED = "decided"
    NO_MATCH = "no match"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of one request.

    Args:
        rows: the selected, by id, in the order of the hit policy
        places: of each the element of the list that it is for, else 0
        outputs: by name, as other decisions would see them: lists where the table gives items
        refusal: why the request is refused, if it is
    """

    end: End
    rows: tuple[str, ...] = ()
    places: tuple[int, ...] = ()
    outputs: Mapping[str, Value] = field(default_factory=dict)
    refusal: str = ""


class Teller:
    """Decides requests to one decision as of one moment, by the real thing.

    Args:
        now: the instant, UTC
    """

    def __init__(self, decider: Decider, decision: Decision, as_of: date, now: datetime) -> None:
        self.decider = decider
        self.book = decider.book
        self.decision = decision
        self.as_of = as_of
        self.now = now
        self.era = self.book.era(as_of)
        # Only the trace tells how many elements a list has that no row answers for.
        self._level = TraceLevel.MATCHED if decision.for_each is not None else TraceLevel.NONE
        self.asked = 0

    def verdict(self, facts: Mapping[str, Value], level: TraceLevel) -> Verdict:
        """Decide, as the desk would.

        Raises:
            ConflictError, FactsError: as the decider
        """
        self.asked += 1
        return self.decider.decide(self.decision, facts, self.as_of, self.now, level)

    def tell(self, facts: Mapping[str, Value]) -> Told:
        """Decide a request; a refusal is an end like another."""
        try:
            return self.told(self.verdict(facts, self._level))
        except (ConflictError, FactsError) as e:
            return Told(end=End.REFUSED, refusal=str(e))

    def told(self, verdict: Verdict) -> Told:
        """Sum up a verdict."""
        decision = self.decision
        count = sum(t.decision.name == decision.name for t in verdict.tables)
        seen: dict[str, Value] = {"#items": (None,) * count}
        self.decider.publish(decision, verdict, seen)
        places = tuple(i.item_number for i in verdict.items) if verdict.items else (0,) * len(verdict.selected)
        return Told(
            end=End.DECIDED if verdict.outcome is Outcome.DECIDED else End.NO_MATCH,
            rows=tuple(r.id for r in verdict.selected),
            places=places,
            outputs={o.name: seen.get(f"{decision.name}.{o.name}") for o in decision.outputs},
        )


def output_kind(decision: Decision, output: Field) -> Kind:
    """Return the kind of an output as other decisions see it: a list where the table gives items."""
    if decision.aggregation is not None and decision.aggregation.applies_to(output):
        return output.kind
    return list_of(output.kind) if decision.hit_policy.multi or decision.for_each is not None else output.kind


def is_choice(kind: Kind) -> bool:
    """Tell whether values of a kind are chosen and not worked out: choices, flags, texts, and lists of them."""
    return kind.base in _CHOICES or (kind.base is Base.LIST and kind.element is not None and kind.element.base in _CHOICES)


def headline(decision: Decision) -> Field | None:
    """Return the output that says what the outcome is: the first that is a choice or flag; None: the row says it."""
    return next((o for o in decision.outputs if o.kind.base in (Base.ENUM, Base.BOOLEAN)), None)


def choice_outputs(decision: Decision) -> tuple[str, ...]:
    """Return the outputs that are chosen and not worked out."""
    return tuple(o.name for o in decision.outputs if is_choice(o.kind))


@dataclass(frozen=True, slots=True)
class Aspect:
    """By what two outcomes are compared.

    Args:
        outputs: these must be the same
        rows: the rows too
    """

    outputs: tuple[str, ...]
    rows: bool

    def same(self, a: Told, b: Told) -> bool:
        """Tell whether two outcomes are one."""
        if a.end is not b.end or a.end is End.REFUSED:
            # What a refusal says may differ from value to value, such as the year that a calendar lacks.
            return a.end is b.end
        if self.rows and (a.rows, a.places) != (b.rows, b.places):
            return False
        return all(same_value(a.outputs.get(n), b.outputs.get(n)) for n in self.outputs)

    def same_in(self, reading: Reading, decision: Decision, told: Told) -> Cond:
        """Tell, in terms of the solver, that the outcome of a request that is not refused is this one."""
        s = reading.solver
        table = reading.table(decision.name)
        parts: list[Cond] = []
        if not decision.is_list and decision.for_each is None and not decision.hit_policy.multi:
            decided = table.asked[0].decided
            parts.append(decided if told.end is End.DECIDED else s.no(decided))
        for output in decision.outputs:
            if output.name in self.outputs:
                kind = output_kind(decision, output)
                parts.append(s.equal(table.published[output.name], s.constant(told.outputs.get(output.name), kind)))
        if self.rows:
            for number, (here, asked) in enumerate(zip(table.here, table.asked, strict=True), 1):
                place = number if decision.for_each is not None else 0
                chosen = {r for r, p in zip(told.rows, told.places, strict=True) if p == place}
                parts.append(s.implies(here, _selected(reading, asked, decision, chosen)))
        return s.all(*parts)


def _selected(reading: Reading, asked: Asked, decision: Decision, chosen: set[str]) -> Cond:
    s = reading.solver
    default = decision.default
    parts = [picked if row.id in chosen else s.no(picked) for row, picked in zip(asked.rows, asked.selected, strict=True)]
    if default is not None:
        parts.append(asked.by_default if default.id in chosen else s.no(asked.by_default))
    return s.all(*parts)


def same_value(a: Value, b: Value) -> bool:
    """Tell whether two values are one; true is not 1."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def whole_answer(decision: Decision) -> Aspect:
    """Compare everything that a caller gets, but for the rows."""
    return Aspect(tuple(o.name for o in decision.outputs), rows=False)


def outcome_of(decision: Decision) -> Aspect:
    """Compare what a person calls the outcome: the headline, else the row; in a list that has none, everything."""
    head = headline(decision)
    if head is not None:
        return Aspect((head.name,), rows=False)
    single = decision.for_each is None and not decision.hit_policy.multi
    return Aspect((), rows=True) if single else whole_answer(decision)


def piece_of(decision: Decision) -> Aspect:
    """Compare the rows and what they choose: what they work out may change from value to value."""
    return Aspect(choice_outputs(decision), rows=True)

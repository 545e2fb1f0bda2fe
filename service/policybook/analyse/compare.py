"""Whether an answer rises or falls from one request to another: told of unknown values as terms, and of known ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policybook.analyse.reading import Reading
from policybook.analyse.symbols import Cond, Items, Scalar, Solver, Term
from policybook.model.book import Direction
from policybook.model.kinds import Base, Field, Kind
from policybook.values import Value

Ranks = Sequence[Sequence[str | None]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares two answers of a kind.

    A list rises when it holds what it did not hold before; with an order of its values it stands where the highest of them stands.
    A value that an order does not name, and no value at all unless the order names it, is left out.

    Args:
        kind: of what is compared
        order: of a choice, or of a list of one: lowest rank first; () where the kind has its own order
    """

    kind: Kind
    order: tuple[tuple[str | None, ...], ...]

    @property
    def speaks_of_nothing(self) -> bool:
        """Whether no answer at all is one of the ranks."""
        return any(v is None for rank in self.order for v in rank)

    # Unknown values

    def moves(self, reading: Reading, how: Direction, before: Term, after: Term) -> Cond:
        """Return that one term goes up, or down, to another."""
        low, high = (before, after) if how is Direction.RISES else (after, before)
        return self._above(reading, low, high)

    def _above(self, reading: Reading, low: Term, high: Term) -> Cond:
        """Return that `high` stands above `low`."""
        s = reading.solver
        if self.kind.base is Base.LIST:
            return s.all(s.no(low.null), s.no(high.null), self._list_above(reading, low, high))
        if self.order:
            ranks = range(len(self.order))
            return s.any(*(s.all(self._in_rank(s, low, i), self._in_rank(s, high, j)) for j in ranks for i in range(j)))
        if not isinstance(low, Scalar) or not isinstance(high, Scalar) or low.value is None or high.value is None:
            return False
        there = s.all(s.no(low.null), s.no(high.null))
        if self.kind.base is Base.BOOLEAN:
            return s.all(there, s.no(low.value), high.value)
        return s.all(there, low.value < high.value)

    def _in_rank(self, s: Solver, term: Term, rank: int) -> Cond:
        words = [v for v in self.order[rank] if v is not None]
        held: Cond = False
        if isinstance(term, Scalar) and term.value is not None:
            held = s.all(s.no(term.null), s.among(term.value, words))
        return s.any(held, term.null) if None in self.order[rank] else held

    def _list_above(self, reading: Reading, low: Term, high: Term) -> Cond:
        s = reading.solver
        if not isinstance(low, Items) or not isinstance(high, Items):
            return False
        element = self.kind.element or self.kind

        def holds(items: Items, words: Sequence[str | None]) -> Cond:
            return s.any(*(reading.holds(items, s.constant(w, element)) for w in words if w is not None))

        if not self.order:
            return s.any(*(s.all(holds(high, [w]), s.no(holds(low, [w]))) for w in element.value_names))
        reached = [[w for rank in self.order[i:] for w in rank] for i in range(len(self.order))]
        return s.any(*(s.all(holds(high, words), s.no(holds(low, words))) for words in reached))

    # Known values

    def moved(self, how: Direction, before: Value, after: Value) -> bool:
        """Tell whether one value goes up, or down, to another."""
        low, high = (before, after) if how is Direction.RISES else (after, before)
        if self.kind.base is Base.LIST:
            return isinstance(low, tuple) and isinstance(high, tuple) and self._tuple_above(low, high)
        if self.order:
            a, b = self._rank_of(low), self._rank_of(high)
            return a is not None and b is not None and a < b
        return low is not None and high is not None and low < high  # type: ignore[operator] # of one ordered kind

    def _tuple_above(self, low: tuple[Value, ...], high: tuple[Value, ...]) -> bool:
        if not self.order:
            return any(v is not None and v not in low for v in high)
        return self._highest(low) < self._highest(high)

    def _highest(self, values: tuple[Value, ...]) -> int:
        return max((r for r in (self._rank_of(v) for v in values if v is not None) if r is not None), default=-1)

    def _rank_of(self, value: Value) -> int | None:
        return next((i for i, rank in enumerate(self.order) if value in rank), None)


def growth(reading: Reading, declared: Field, along: Sequence[Sequence[str]], before: Term, after: Term) -> Cond:
    """Return that an input that is no list grows from one term to another."""
    ranks = tuple(tuple(rank) for rank in along)
    return Comparison(declared.kind, ranks).moves(reading, Direction.RISES, before, after)

"""Where a mutant answers otherwise than the table: the boxes of joint cells, and in what."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Final

from policybook.analyse.boxes import Piece
from policybook.analyse.reading import constant_ranks
from policybook.decide.outputs import finished
from policybook.model.book import Decision, HitPolicy, Row
from policybook.model.formula import Const
from policybook.trials.joint import Lineup
from policybook.values import Value


class Differs(enum.Enum):
    """What is different in a box."""

    NOTHING = "nothing"
    ROWS = "rows"
    """Other rows are selected, or the request is refused: whatever the request."""
    OUTPUTS = "outputs"
    """The same row says something else, which for some requests may come to the same."""
    PERHAPS = "perhaps"
    """It hangs on computed outputs which row is selected."""


_NO, _OPEN, _YES = 0, 1, 2
State = Mapping[int, int]


class _Unknown(enum.Enum):
    UNKNOWN = 0


_UNKNOWN: Final = _Unknown.UNKNOWN


class Contest:
    """The table against one mutant.

    Args:
        base, mutant: rows in joint numbers
    """

    def __init__(self, decision: Decision, base: Lineup, mutant: Lineup, currency: str) -> None:
        self.decision = decision
        self.base = base
        self.mutant = mutant
        self.currency = currency
        by_id = {r.id: (i, at) for at, (r, i) in enumerate(zip(mutant.rows, mutant.order, strict=True))}
        # Each row of the table with what it became: the numbers of its tests, whether it says something else.
        self.pairs: list[tuple[int, int | None, bool]] = []
        for row, number in zip(base.rows, base.order, strict=True):
            found = by_id.get(row.id)
            self.pairs.append((number, found[0] if found else None, found is not None and found[1] in mutant.changed))
        self.changed = [(a, b, says) for a, b, says in self.pairs if a != b or says]
        self.is_exchange = [r.id for r in base.rows] != [r.id for r in mutant.rows] and len(base.rows) == len(mutant.rows)
        self.exchanged = [i for i, j in zip(base.order, mutant.order, strict=False) if i != j] if self.is_exchange else []
        self.default_differs = mutant.default_changed or (base.default is not None and mutant.default is None)

    @property
    def is_nothing(self) -> bool:
        """Whether the two are the same rows."""
        return not (self.changed or self.is_exchange or self.default_differs)

    def settle(self, live: Sequence[tuple[Piece, bool]]) -> Differs | None:
        """Say what differs in a box; None where it must be split."""
        state: dict[int, int] = {}
        for p, covered in live:
            state[p.row] = max(state.get(p.row, _NO), _YES if covered else _OPEN)
        if self._is_alike(state):
            return Differs.NOTHING
        match self.decision.hit_policy:
            case HitPolicy.FIRST:
                return self._first(state)
            case HitPolicy.COLLECT | HitPolicy.RULE_ORDER | HitPolicy.OUTPUT_ORDER:
                return self._all(state)
            case HitPolicy.UNIQUE:
                return self._one(state)
            case HitPolicy.ANY | HitPolicy.PRIORITY:
                return self._computed(state)

    def _is_alike(self, state: State) -> bool:
        """Tell that what was changed cannot matter."""
        for a, b, says in self.changed:
            mine, other = state.get(a, _NO), _NO if b is None else state.get(b, _NO)
            if mine != other or mine == _OPEN or (says and mine != _NO):
                return False
        if self.is_exchange and sum(state.get(i, _NO) != _NO for i in self.exchanged) > 1:
            return False
        return not self.default_differs or any(state.get(i) == _YES for i in self.base.order)

    def _first(self, state: State) -> Differs | None:
        mine, other = _winner(self.base, state), _winner(self.mutant, state)
        if mine is _UNKNOWN or other is _UNKNOWN:
            return None
        return self._compared(mine, other)

    def _compared(self, mine: int | None, other: int | None) -> Differs:
        a, b = self.base.row(mine), self.mutant.row(other)
        if (a and a.id) != (b and b.id):
            return Differs.ROWS
        says = self.mutant.default_changed if other is None else other in self.mutant.changed
        return Differs.OUTPUTS if says and a is not None else Differs.NOTHING

    def _all(self, state: State) -> Differs | None:
        says = False
        for a, b, changed in self.changed:
            mine, other = state.get(a, _NO), _NO if b is None else state.get(b, _NO)
            if _OPEN in (mine, other):
                return None
            if mine != other:
                return Differs.ROWS
            says |= changed and mine == _YES
        if says:
            return Differs.OUTPUTS
        return self._by_default(state)

    def _by_default(self, state: State) -> Differs | None:
        rows = [*self.base.order, *self.mutant.order]
        if any(state.get(i) == _YES for i in rows):
            return Differs.NOTHING
        if any(state.get(i) == _OPEN for i in rows):
            return None
        return self._compared(None, None)

    def _one(self, state: State) -> Differs | None:
        made = self._all(state)
        if made is None or made is Differs.NOTHING:
            return made
        touched = {i for a, b, _ in self.changed for i in (a, b)}
        others = [state.get(i, _NO) for i in self.base.order if i not in touched]
        matching, open_ = others.count(_YES), others.count(_OPEN)
        changed = [(state.get(a, _NO), _NO if b is None else state.get(b, _NO)) for a, b, _ in self.changed]
        fewer = matching + min(sum(m == _YES for m, _ in changed), sum(o == _YES for _, o in changed))
        if any(_OPEN in pair for pair in changed):
            return None
        # Where two rows match in both, both refuse the request.
        if fewer > 1:
            return Differs.NOTHING
        return None if fewer + open_ > 1 else made

    def _computed(self, state: State) -> Differs | None:
        if any(state.get(i) == _OPEN for i in (*self.base.order, *self.mutant.order)):
            return None
        mine, other = self._chosen(self.base, state), self._chosen(self.mutant, state)
        if mine is _UNKNOWN or other is _UNKNOWN:
            return Differs.PERHAPS
        if isinstance(mine, str) or isinstance(other, str):
            return Differs.NOTHING if mine == other else Differs.ROWS
        return self._compared(mine, other)

    def _chosen(self, lineup: Lineup, state: State) -> int | str | _Unknown | None:
        """Return the place of the row that `any` or `priority` selects, or the word for a conflict."""
        matched = [at for at, i in enumerate(lineup.order) if state.get(i) == _YES]
        if len(matched) < 2:
            return matched[0] if matched else None
        rows = tuple(lineup.rows[at] for at in matched)
        if self.decision.hit_policy is HitPolicy.PRIORITY:
            ranks = constant_ranks(self.decision, rows)
            return _UNKNOWN if ranks is None else matched[ranks.index(min(ranks))]
        stated = [self._stated(r) for r in rows]
        if any(s is None for s in stated):
            return _UNKNOWN
        return matched[0] if all(s == stated[0] for s in stated) else "conflict"

    def _stated(self, row: Row) -> dict[str, Value] | None:
        """Return the outputs of a row that says the same to every request."""
        fields = {o.name: o for o in self.decision.outputs}
        out: dict[str, Value] = {}
        for entry in row.outputs:
            if not isinstance(entry.formula, Const):
                return None
            out[entry.name] = finished(entry.formula.value, fields[entry.name], self.currency)
        return out


def _winner(lineup: Lineup, state: State) -> int | _Unknown | None:
    for at, number in enumerate(lineup.order):
        found = state.get(number, _NO)
        if found == _YES:
            return at
        if found == _OPEN:
            return _UNKNOWN
    return None

"""What a table comes to in a box of cells: the rows that are selected there as one answer that can be compared with another's.

Answers are numbered, so that equal ones are one number: known outputs by their value, computed ones by their formula.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from policybook.analyse.boxes import Piece
from policybook.analyse.difference_joint import Written, WrittenTable
from policybook.analyse.reading import constant_ranks
from policybook.cells.plain import may_fault
from policybook.decide.outputs import aggregate, finished
from policybook.model.book import Aggregation, HitPolicy
from policybook.model.formula import Const, Formula
from policybook.model.kinds import NUMERIC, Field
from policybook.values import Value

# In the order written: a piece of a row, and whether it covers the box.
Live: TypeAlias = Sequence[tuple[Piece, bool]]


@dataclass(frozen=True, slots=True)
class Known:
    """An output that is the same for every request."""

    value: Value
    is_truth: bool


@dataclass(frozen=True, slots=True)
class Computed:
    """An output that is computed; with the same formula and the same rounding it is the same."""

    formula: Formula
    decimals: int | None
    rounding: str


Entry: TypeAlias = Known | Computed
# Of one row: by output, in the order of the older version.
Row: TypeAlias = tuple[tuple[str, Entry], ...]
# A row that meets a box: its place, whether it covers the box, and if not what it covers.
Meets: TypeAlias = tuple[int, bool, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Answers:
    """Rows that answer, in order; of a table that gives one answer exactly one."""

    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Reduced:
    """Outputs of all rows made one value, where they are known."""

    values: tuple[tuple[str, Known], ...]


@dataclass(frozen=True, slots=True)
class Mixed:
    """Which row answers hangs on computed outputs (`any`, `priority`), or what the rows come to (a sum).

    Args:
        how: of the hit policy
        rows: that match, in an order that decides nothing more
    """

    how: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Among:
    """Rows that answer among others, which answer in both versions."""

    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class NoMatch:
    """No row answers."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The request is refused since rows conflict."""


Outcome: TypeAlias = Answers | Among | Reduced | Mixed | NoMatch | Conflict
NO_MATCH, CONFLICT = NoMatch(), Conflict()


class Register:
    """Numbers outcomes: equal ones get one number."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self.outcomes: list[Outcome] = []

    def number(self, outcome: Outcome) -> int:
        found = self._numbers.get(_hashable(outcome))
        if found is None:
            found = self._numbers[_hashable(outcome)] = len(self.outcomes)
            self.outcomes.append(outcome)
        return found


def _hashable(outcome: Outcome) -> Hashable:
    match outcome:
        case Answers(rows):
            return ("answers", tuple(tuple((n, _key(e)) for n, e in row) for row in rows))
        case Among(rows):
            return ("among", tuple(tuple((n, _key(e)) for n, e in row) for row in rows))
        case Mixed(how, rows):
            return (how, tuple(tuple((n, _key(e)) for n, e in row) for row in rows))
        case Reduced(values):
            return ("reduced", tuple((n, _key(e)) for n, e in values))
        case _:
            return outcome


def _key(entry: Entry) -> Hashable:
    return ("known", entry.is_truth, frozen(entry.value)) if isinstance(entry, Known) else entry


def frozen(value: Value) -> Hashable:
    """Return a value as a key: records are mappings and have no hash."""
    if isinstance(value, tuple):
        return tuple(frozen(v) for v in value)
    if isinstance(value, dict):
        return tuple(sorted((k, frozen(v)) for k, v in value.items()))
    return (isinstance(value, bool), value)


class Selection:
    """One version of a table: which answer its rows give.

    Args:
        rows: in the order written; `places` are their numbers in the joint order
        shared: the outputs that both versions have
    """

    def __init__(
        self, table: WrittenTable, rows: Sequence[Written], places: Sequence[int], shared: Sequence[str], currency: str, register: Register
    ) -> None:
        decision, default = table.decision, table.default
        self.decision = decision
        self.policy = decision.hit_policy
        self.register = register
        self.currency = currency
        self.shared = tuple(shared)
        fields = {o.name: o for o in decision.outputs}
        self._fields = fields
        self.answers = {place: self._entries(w, fields, self.shared) for place, w in zip(places, rows, strict=True)}
        self.default = self._entries(default, fields, self.shared) if default else None
        self._whole = {place: self._entries(w, fields, tuple(fields)) for place, w in zip(places, rows, strict=True)}
        self.outcome = {place: self._one(a) for place, a in self.answers.items()}
        self.fallback = self._fallback()
        self._ranks: dict[int, tuple[int, ...]] | None = None
        if self.policy in (HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER):
            ranks = constant_ranks(decision, tuple(w.row for w in rows))
            self._ranks = dict(zip(places, ranks, strict=True)) if ranks is not None else None
        # Under these all rows that match are computed: one that has no result refuses the request though another answers.
        every = self.policy in (HitPolicy.ANY, HitPolicy.PRIORITY)
        self._fragile = frozenset(
            place for place, w in zip(places, rows, strict=True) if every and any(may_fault(o.formula) for o in w.outputs)
        )

    def _entries(self, written: Written, fields: dict[str, Field], names: Sequence[str]) -> Row:
        by_name = {o.name: o.formula for o in written.outputs}
        return tuple((n, self._entry(by_name[n], fields[n])) for n in names if n in by_name)

    def _entry(self, f: Formula, field: Field) -> Entry:
        if isinstance(f, Const):
            value = finished(f.value, field, self.currency)
            return Known(value, isinstance(value, bool))
        numeric = field.kind.base in NUMERIC
        return Computed(f, field.decimals if numeric else None, field.rounding if numeric else "")

    def _one(self, answer: Row) -> int:
        """Number a row that answers alone; in a table with several answers a row is not yet one."""
        if self.policy.multi or self.decision.aggregation is not None:
            return self._several((answer,))
        return self.register.number(Answers((answer,)))

    def _fallback(self) -> int:
        if self.policy.multi or self.decision.aggregation is not None:
            return self._several((self.default,) if self.default is not None else ())
        return self._one(self.default) if self.default is not None else self.register.number(NO_MATCH)

    def _several(self, rows: tuple[Row, ...]) -> int:
        how = self.decision.aggregation
        if how is None:
            return self.register.number(Answers(rows))
        reduced = []
        for name in self.shared:
            field = self._fields[name]
            entries = [e for row in rows for n, e in row if n == name]
            if how is Aggregation.COUNT:
                reduced.append((name, Known(aggregate(how, field, entries), False)))
            elif not how.applies_to(field) or not all(isinstance(e, Known) for e in entries):
                return self.register.number(Mixed(how.value, rows))
            else:
                reduced.append((name, Known(aggregate(how, field, [e.value for e in entries if isinstance(e, Known)]), False)))
        return self.register.number(Reduced(tuple(reduced)))

    # What the rows that meet a box come to

    def mine(self, live: Live) -> list[Meets]:
        """Return the rows of this version that meet a box: (place, whether it covers it, what it covers)."""
        out: list[Meets] = []
        for p, covers in live:
            if p.row not in self.outcome:
                continue
            if out and out[-1][0] == p.row:
                _, before, sets = out[-1]
                out[-1] = (p.row, before or covers, () if before or covers else (*sets, p.sets))
            else:
                out.append((p.row, covers, () if covers else (p.sets,)))
        return out

    def verdict(self, mine: Sequence[Meets]) -> int | None:
        """Return the one answer in a box; None while there may be several."""
        match self.policy:
            case HitPolicy.FIRST:
                return self._first(mine)
            case HitPolicy.UNIQUE:
                return self._unique(mine)
            case HitPolicy.ANY:
                return self._any(mine)
            case HitPolicy.PRIORITY:
                return self._priority(mine)
            case _:
                return self._all(mine)

    def _first(self, mine: Sequence[Meets]) -> int | None:
        out: int | None = None
        for place, covers, _ in mine:
            one = self.outcome[place]
            if out is not None and out != one:
                return None
            out = one
            if covers:
                return out
        return self.fallback if out is None or out == self.fallback else None

    def _unique(self, mine: Sequence[Meets]) -> int | None:
        if sum(covers for _, covers, _ in mine) > 1:
            return self.register.number(CONFLICT)
        if not mine:
            return self.fallback
        if len(mine) > 1:
            return None
        place, covers, _ = mine[0]
        one = self.outcome[place]
        return one if covers or one == self.fallback else None

    def _any(self, mine: Sequence[Meets]) -> int | None:
        sure = [place for place, covers, _ in mine if covers]
        open_ = [place for place, covers, _ in mine if not covers]
        whole = [self._whole[p] for p in sure]
        if any(_disagree(a, whole[0]) for a in whole[1:]):
            return self.register.number(CONFLICT)
        if open_ and self._fragile.intersection(p for p, _, _ in mine):
            return None
        outcomes = {self.outcome[p] for p, _, _ in mine} | (set() if sure else {self.fallback})
        agreed = len(set(map(row_key, (self._whole[p] for p, _, _ in mine)))) < 2
        if len(outcomes) == 1 and agreed and not (len(mine) > 1 and self._fragile.intersection(sure)):
            return outcomes.pop()
        if open_:
            return None
        if agreed and not self._fragile.intersection(sure):
            return self.outcome[sure[0]]
        return self.register.number(Mixed("any", tuple({row_key(w): w for w in whole}.values())))

    def _priority(self, mine: Sequence[Meets]) -> int | None:
        is_open = any(not covers for _, covers, _ in mine)
        fragile = len(mine) > 1 and bool(self._fragile.intersection(p for p, _, _ in mine))
        if self._ranks is None or fragile:
            if is_open:
                return None
            if not mine:
                return self.fallback
            rows = tuple(self.answers[p] for p, _, _ in mine)
            return (
                self.outcome[mine[0][0]] if len(set(map(row_key, rows))) == 1 else self.register.number(Mixed(f"priority {self.tie}", rows))
            )
        ranks = self._ranks
        return self._first(sorted(mine, key=lambda m: ranks[m[0]]))

    def _all(self, mine: Sequence[Meets]) -> int | None:
        if any(not covers for _, covers, _ in mine):
            return None
        if not mine:
            return self.fallback
        places = [p for p, _, _ in mine]
        if self.policy is HitPolicy.OUTPUT_ORDER:
            if self._ranks is None:
                rows = tuple(self.answers[p] for p in places)
                return self._several(rows) if len(rows) == 1 else self.register.number(Mixed(f"output order {self.tie}", rows))
            ranks = self._ranks
            places.sort(key=lambda p: ranks[p])
        return self._several(tuple(self.answers[p] for p in places))

    @property
    def is_list(self) -> bool:
        """Whether each row that matches is in the answer, and nothing else ever is."""
        return self.policy.multi and self.decision.aggregation is None and self.default is None

    def among(self, mine: Sequence[Meets]) -> tuple[Row, ...] | None:
        """Return what some rows add to a list in a box; None while that is open."""
        return None if any(not covers for _, covers, _ in mine) else tuple(self.answers[p] for p, _, _ in mine)

    def sign(self, mine: Sequence[Meets]) -> Hashable:
        """Return what decides in a box: two versions with the same sign (and the same fallback) answer alike all over it."""
        if self.policy is HitPolicy.PRIORITY and self._ranks is not None and not self._fragile:
            ranks = self._ranks
            mine = sorted(mine, key=lambda m: ranks[m[0]])
        if self.policy is HitPolicy.FIRST or (self.policy is HitPolicy.PRIORITY and self._ranks is not None and not self._fragile):
            out: list[Hashable] = []
            for place, covers, sets in mine:
                out.append((self.outcome[place], sets))
                if covers:
                    return ("first", tuple(out))
            return ("first", tuple(out), self.fallback)
        parts = [(self.outcome[place], sets) for place, _, sets in mine]
        always = any(covers for _, covers, _ in mine)
        unordered = self.policy in (HitPolicy.UNIQUE, HitPolicy.ANY)
        made: Hashable = frozenset(Counter(parts).items()) if unordered else tuple(parts)
        return (self.policy, self.decision.aggregation, made, None if always else self.fallback, self.tie)

    @property
    def tie(self) -> Hashable:
        """What orders rows besides their place: the words of the outputs, best first."""
        if self.policy not in (HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER):
            return None
        return tuple(o.kind.value_names for o in self.decision.outputs)


def row_key(row: Row) -> Hashable:
    """Return a row as a key."""
    return tuple((n, _key(e)) for n, e in row)


def _disagree(a: Row, b: Row) -> bool:
    """Tell that two rows surely give different outputs."""
    return any(isinstance(x, Known) and isinstance(y, Known) and _key(x) != _key(y) for (_, x), (_, y) in zip(a, b, strict=True))

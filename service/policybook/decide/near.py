"""How close requests come to the thresholds of a table: counts of those just under and just over each.

Whoever splits an order to stay under a limit leaves more requests just under it than just over. What is looked at are the numbers
that a table's tests compare, and what they are compared with, be it a figure or another quantity of the request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np

from policybook.cells.axes import Atom, Encoder, OrderedAxis, reader
from policybook.cells.frame import Frame
from policybook.cells.least import least_step
from policybook.cells.many import encoder_of
from policybook.cells.vectors import ROOM, Codes, Mask, Numbers, common
from policybook.cells.words import formula_text
from policybook.decide.chain import Decider
from policybook.model.book import Decision
from policybook.model.faults import FormulaError
from policybook.model.formula import (
    Anything,
    Between,
    Compare,
    Compares,
    Const,
    Formula,
    Logic,
    NoneOf,
    Not,
    OneOf,
    Ref,
    Role,
    Test,
    refs,
)
from policybook.model.kinds import NO_TEXT, NUMERIC
from policybook.values import Value, decimal_text

Env = Mapping[str, Value]

# LIMIT: a quantity with more thresholds is a tariff, in which every request is near one; it is not looked at.
MAX_THRESHOLDS = 100
# LIMIT: pairs of counts that are kept; what edits bring beyond them is counted together, by quantity.
MAX_TALLIES = 2_000
OTHER = "other"
# Tables whose preparation is kept.
MAX_KEPT = 1_000

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


class Tally:
    """How many requests lay just under and just over one threshold."""

    __slots__ = ("over", "under")

    def __init__(self) -> None:
        self.under = 0
        self.over = 0


@dataclass(slots=True, eq=False)
class Seen:
    """On what requests were decided together.

    Args:
        frame: those that were decided by columns, where `stays` says so
        envs: those that were decided one by one
    """

    frame: Frame | None = None
    stays: Mask = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    envs: list[Env] = field(default_factory=list)


class Near:
    """Counts for one process. Any number of threads may add to it and read it.

    Args:
        percent: a request is near when it is at most so many percent of the threshold away from it
    """

    def __init__(self, percent: int) -> None:
        self._percent = percent
        self._lock = threading.Lock()
        self._tallies: dict[tuple[str, str, str], Tally] = {}
        self._by_decision: dict[int, _Whole] = {}

    def count(self, decider: Decider, decision: Decision, as_of: date, env: Env) -> None:
        """Count a request.

        Args:
            env: what it was decided on
        """
        with self._lock:
            for table in self._tables(decider, decision, as_of):
                table.count(env)

    def count_all(self, decider: Decider, decision: Decision, as_of: date, seen: Seen) -> None:
        """Count requests that were decided together."""
        with self._lock:
            tables = self._tables(decider, decision, as_of)
            for table in tables:
                for env in seen.envs:
                    table.count(env)
            if seen.frame is not None:
                # What is computed here says nothing of the answers.
                left = seen.frame.left.copy()
                for table in tables:
                    table.count_columns(seen.frame, seen.stays)
                seen.frame.left[:] = left

    def counts(self) -> Iterator[tuple[str, str, str, int, int]]:
        """Return decision, quantity, threshold, and how many were under and over it."""
        for (decision, quantity, threshold), tally in list(self._tallies.items()):
            yield decision, quantity, threshold, tally.under, tally.over

    def _tables(self, decider: Decider, decision: Decision, as_of: date) -> Sequence[_Table]:
        whole = self._by_decision.get(id(decision))
        if whole is None:
            if len(self._by_decision) >= MAX_KEPT:
                self._by_decision.clear()
            whole = self._by_decision[id(decision)] = _Whole(decider, decision)
        if whole.day != as_of:
            whole.day, whole.tables = as_of, self._made(whole, decider.book.era(as_of))
        return whole.tables

    def _made(self, whole: _Whole, era: int) -> Sequence[_Table]:
        found = whole.by_era.get(era)
        if found is None:
            decider, decision = whole.decider, whole.decision
            tables = [
                _Table(decider, table, era, is_asked=table is decision, percent=self._percent, tally=self._tally)
                for table in (*(decider.book.decision_by_name[n] for n in decision.uses.decisions), decision)
            ]
            found = whole.by_era[era] = tuple(t for t in tables if t.looks)
        return found

    def _tally(self, decision: str, quantity: str, threshold: str) -> Tally:
        key = (decision, quantity, threshold)
        if key not in self._tallies and len(self._tallies) >= MAX_TALLIES:
            key = (decision, quantity, OTHER)
        return self._tallies.setdefault(key, Tally())


class _Whole:
    """One decision of one version, with the tables that it asks; holds the decision, so that its id stays its own."""

    __slots__ = ("by_era", "day", "decider", "decision", "tables")

    def __init__(self, decider: Decider, decision: Decision) -> None:
        self.decider = decider
        self.decision = decision
        self.by_era: dict[int, Sequence[_Table]] = {}
        self.day: date | None = None
        self.tables: Sequence[_Table] = ()


@dataclass(slots=True)
class _Pair:
    """A quantity and what it is compared with; on the threshold it counts as under it where rows say `<=` or `>`."""

    subject: Formula
    threshold: Formula
    text: str
    is_under: bool


class _Table:
    """The thresholds of one table in one era."""

    def __init__(
        self, decider: Decider, decision: Decision, era: int, *, is_asked: bool, percent: int, tally: Callable[[str, str, str], Tally]
    ) -> None:
        grid = decider.program.grid(decision.name, era)
        self._plain = grid.plain
        self._zone = decider.book.zone
        self._each = decision.for_each
        # Of a table that is asked for another one the environment may hold values of the other's under the same names.
        own = frozenset() if is_asked and self._each is None else frozenset(v.name for v in decision.values)
        self._own = own
        self._items = reader(self._plain.of(self._each.source), self._zone, as_number=False) if self._each is not None else _no_items
        by_quantity: dict[str, dict[str, _Pair]] = {}
        for row in grid.rows:
            for cell in row.cells:
                for quantity, pair in self._pairs(cell.key, cell.subject, cell.test):
                    known = by_quantity.setdefault(quantity, {}).setdefault(pair.text, pair)
                    known.is_under |= pair.is_under
        name = f"{decider.book.name}.{decision.name}"
        self.looks: list[_Fixed | _Moving] = []
        for quantity, pairs in by_quantity.items():
            if len(pairs) > MAX_THRESHOLDS:
                continue
            subject = next(iter(pairs.values())).subject
            step = least_step(subject.kind, decider.book.currency) or Fraction(0)
            fixed: list[tuple[Fraction, bool, Tally]] = []
            for pair in pairs.values():
                if not isinstance(pair.threshold, Const):
                    read = (self._reader(pair.subject), self._reader(pair.threshold))
                    counted = tally(name, quantity, pair.text)
                    self.looks.append(_Moving(pair, read, step, percent, counted))
                    continue
                value: Any = pair.threshold.value
                # Closer than that there is nothing but the threshold itself.
                if value and abs(value) * percent >= 100 * step:
                    fixed.append((Fraction(value), pair.is_under, tally(name, quantity, pair.text)))
            if fixed:
                self.looks.append(_Fixed(subject, self._reader(subject), fixed, percent))

    # What is compared

    def _pairs(self, key: str, subject: Formula, test: Test) -> Iterator[tuple[str, _Pair]]:
        """Find what a test compares: by the name of the quantity."""
        match test:
            case Compares(op, threshold):
                yield from self._pair(key, op, subject, threshold)
            case Between(low, high, low_included, high_included):
                yield from self._pair(key, ">=" if low_included else ">", subject, low)
                yield from self._pair(key, "<=" if high_included else "<", subject, high)
            case OneOf(tests) | NoneOf(tests):
                for one in tests:
                    yield from self._pairs(key, subject, one)
            case Anything():
                return
            case _:
                yield from self._compared(self._written_out(subject))

    def _compared(self, f: Formula) -> Iterator[tuple[str, _Pair]]:
        """Find what a condition compares."""
        match f:
            case Compare(op, left, right) if op in _FLIPPED:
                if isinstance(self._plain.of(left), Const):
                    op, left, right = _FLIPPED[op], right, left
                yield from self._pair(formula_text(left), op, left, right)
            case Logic(_, left, right):
                yield from self._compared(left)
                yield from self._compared(right)
            case Not(operand):
                yield from self._compared(operand)
            case _:
                return

    def _written_out(self, f: Formula) -> Formula:
        """Return the formula of a derived value."""
        if isinstance(f, Ref) and f.role is Role.VALUE:
            book, decision = self._plain.book, self._plain.decision
            own = decision.values if decision is not None else ()
            return next((v.formula for v in (*own, *book.values) if v.name == f.name), f)
        return f

    def _pair(self, quantity: str, op: str, subject: Formula, threshold: Formula) -> Iterator[tuple[str, _Pair]]:
        made = self._plain.of(threshold)
        if subject.kind.base not in NUMERIC or made.kind.base not in NUMERIC or isinstance(self._plain.of(subject), Const):
            return
        if isinstance(made, Const):
            if made.value is None:
                return
            text = decimal_text(Fraction(made.value))  # type: ignore[arg-type]  # of a numeric kind
        else:
            text = formula_text(threshold)
        yield quantity, _Pair(self._named(subject), self._named(threshold), text, op in ("<=", ">"))

    def _named(self, f: Formula) -> Formula:
        """Return a formula that reads what the environment holds: a name stays one where it means what it meant to the table."""
        made = self._plain.of(f)
        if isinstance(made, Const) or not isinstance(f, Ref):
            return made
        return made if f.name in self._own else f

    def _reader(self, f: Formula) -> Callable[[Env], Any]:
        return reader(f, self._zone, as_number=True)

    # Counting

    def count(self, env: Env) -> None:
        """Count one request, or each item of its list."""
        if self._each is None:
            for look in self.looks:
                look.count(env)
            return
        try:
            items = self._items(env)
        except FormulaError:
            return
        inner = dict(env)
        for item in items or ():
            inner[self._each.item] = item
            for look in self.looks:
                look.count(inner)

    def count_columns(self, frame: Frame, stays: Mask) -> None:
        """Count many requests."""
        if self._each is None:
            for look in self.looks:
                look.count_columns(frame, stays)
            return
        names = dict.fromkeys(r.name for f in (*(f for look in self.looks for f in look.formulas), self._each.source) for r in refs(f))
        names.pop(self._each.item, None)
        for row in np.flatnonzero(stays).tolist():
            self.count(frame.row(row, names))


class _Fixed:
    """A quantity, and thresholds that are the same for all requests: each stretch between the ends of their surroundings tells which are near."""

    def __init__(
        self, subject: Formula, read: Callable[[Env], Any], thresholds: Sequence[tuple[Fraction, bool, Tally]], percent: int
    ) -> None:
        self.formulas = (subject,)
        self._read = read
        zones = [_zone(value, is_under, percent) for value, is_under, _ in thresholds]
        cuts = tuple(sorted({edge for zone in zones for edge in zone.edges}))
        atom = Atom(index=0, formula=subject, name="", title=NO_TEXT, unit=NO_TEXT, field=None, read=read)
        axis = OrderedAxis(index=0, key="", title=NO_TEXT, kind=subject.kind, form=((atom, Fraction(1)),), cuts=cuts)
        self._encode: Encoder = axis.compiled(lambda _: 0)
        self._columns = encoder_of(axis)
        self._under: list[tuple[Tally, ...]] = []
        self._over: list[tuple[Tally, ...]] = []
        for code in range(axis.size):
            low, high = axis.bounds(code) if code != axis.null_code else (None, None)
            inside = None if low is None or high is None else (low + high) / 2
            for side, of_code in (("under", self._under), ("over", self._over)):
                near = [t for (_, _, t), zone in zip(thresholds, zones, strict=True) if inside is not None and zone.side(inside) == side]
                of_code.append(tuple(near))

    def count(self, env: Env) -> None:
        try:
            code = self._encode((self._read(env),))
        except FormulaError:
            return
        for tally in self._under[code]:
            tally.under += 1
        for tally in self._over[code]:
            tally.over += 1

    def count_columns(self, frame: Frame, stays: Mask) -> None:
        codes = self._columns.codes([frame.settled(self.formulas[0])], frame)
        counts = np.bincount(codes[stays & ~frame.left], minlength=len(self._under)).tolist()
        for code, count in enumerate(counts):
            if count:
                for tally in self._under[code]:
                    tally.under += count
                for tally in self._over[code]:
                    tally.over += count


@dataclass(frozen=True, slots=True)
class _Zone:
    """What surrounds a threshold: as far below it as above, and of the two far ends the one on whose side the threshold is not."""

    value: Fraction
    low: Fraction
    high: Fraction
    is_under: bool

    @property
    def edges(self) -> tuple[Fraction, Fraction, Fraction]:
        return self.low, self.value, self.high

    def side(self, n: Fraction) -> str:
        """Tell on which side a number lies; empty: it is not near."""
        if self.is_under:
            return "under" if self.low < n <= self.value else "over" if self.value < n <= self.high else ""
        return "under" if self.low <= n < self.value else "over" if self.value <= n < self.high else ""


def _zone(value: Fraction, is_under: bool, percent: int) -> _Zone:
    reach = abs(value) * percent / 100
    return _Zone(value, value - reach, value + reach, is_under)


class _Moving:
    """A quantity, and a threshold that each request has of its own."""

    def __init__(
        self,
        pair: _Pair,
        read: tuple[Callable[[Env], Any], Callable[[Env], Any]],
        step: Fraction,
        percent: int,
        tally: Tally,
    ) -> None:
        self.formulas = (pair.subject, pair.threshold)
        self._read = read
        self._is_under = pair.is_under
        self._percent = percent
        self._tally = tally
        # A threshold that is less has nothing near it but itself.
        self._least = 100 * step / percent

    def count(self, env: Env) -> None:
        read, read_threshold = self._read
        try:
            value, threshold = read(env), read_threshold(env)
        except FormulaError:
            return
        if value is None or threshold is None:
            return
        n, d = value.as_integer_ratio()
        m, e = threshold.as_integer_ratio()
        if abs(m) * self._least.denominator < self._least.numerator * e:
            return
        above = 100 * (n * e - m * d)
        reach = abs(m) * d * self._percent
        # Half open, as `_Zone.side`.
        if self._is_under:
            if -reach < above <= 0:
                self._tally.under += 1
            elif 0 < above <= reach:
                self._tally.over += 1
        elif -reach <= above < 0:
            self._tally.under += 1
        elif 0 <= above < reach:
            self._tally.over += 1

    def count_columns(self, frame: Frame, stays: Mask) -> None:
        pair = self._numbers(frame)
        if pair is None:
            for row in np.flatnonzero(stays).tolist():
                self.count(frame.row(row, dict.fromkeys(r.name for f in self.formulas for r in refs(f))))
            return
        value, threshold = pair
        is_enough = np.abs(threshold.n) >= ceil(self._least * threshold.scale)
        rows: Codes = np.flatnonzero(stays & is_enough & ~frame.left & ~_absent(value) & ~_absent(threshold))
        reach = np.abs(threshold.n[rows]) * self._percent
        above = (value.n[rows] - threshold.n[rows]) * 100
        if self._is_under:
            under, over = (above > -reach) & (above <= 0), (above > 0) & (above <= reach)
        else:
            under, over = (above >= -reach) & (above < 0), (above >= 0) & (above < reach)
        self._tally.under += int(np.count_nonzero(under))
        self._tally.over += int(np.count_nonzero(over))

    def _numbers(self, frame: Frame) -> tuple[Numbers, Numbers] | None:
        """Return both as whole numbers over one scale; None where they, or what is computed of them, have no room."""
        made = [frame.numbers(f) for f in self.formulas]
        if made[0] is None or made[1] is None:
            return None
        pair = common(made[0], made[1])
        if pair is None or any(max(abs(v.low), abs(v.high)) * 200 >= ROOM for v in pair):
            return None
        return pair


def _no_items(_env: Env) -> Any:
    return ()


def _absent(vector: Numbers) -> Mask:
    return np.zeros(len(vector), dtype=np.bool_) if vector.missing is None else vector.missing

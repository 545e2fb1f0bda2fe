"""Many requests of one decision at once, by columns: each different cell is asked once, each table's constant answers are made once.

INVARIANT: what is said of a row is what `Decider.decide` says of it alone. Rows of which that is not plain (a formula without a
result, rows that conflict, a number out of its window) are left: whoever asks decides them one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any

import numpy as np

from policybook.cells.frame import Frame
from policybook.cells.grid import Cell, Grid
from policybook.cells.linear import EPOCH, MICROSECOND
from policybook.cells.many import ManyCells
from policybook.cells.plain import may_fault
from policybook.cells.vectors import Coded, Codes, Mask, Numbers, Vector, constant, listed
from policybook.decide.chain import Decider, Settled
from policybook.decide.hit_policy import choose
from policybook.decide.outputs import Outputs, aggregate
from policybook.decide.rounding import finished_all, scattered
from policybook.errors import ConflictError
from policybook.model.answer import Item, Outcome
from policybook.model.book import Decision, HitPolicy, Row
from policybook.model.faults import FormulaError
from policybook.model.formula import refs
from policybook.model.kinds import Base, Field
from policybook.values import Value

_RANKED = (HitPolicy.ANY, HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER)
NO_ANSWER = Settled(Outcome.NO_MATCH, {}, (), ())
# Tables whose preparation is kept.
MAX_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Moments:
    """As of when each of many requests is decided: the day, and the instant in UTC."""

    days: Vector
    instants: Vector

    @classmethod
    def of(cls, days: Sequence[date], instants: Sequence[datetime]) -> Moments:
        """Make moments, one for each row."""
        return cls(
            _numbered([d.toordinal() for d in days], Base.DATE), _numbered([(i - EPOCH) // MICROSECOND for i in instants], Base.DATETIME)
        )

    def take(self, rows: Codes) -> Moments:
        """Return those of some rows."""
        return Moments(self.days.take(rows), self.instants.take(rows))

    def at(self, row: int) -> tuple[date, datetime]:
        """Return those of one row."""
        day, instant = self.days.at(row), self.instants.at(row)
        assert isinstance(day, date)
        assert isinstance(instant, datetime)
        return day, instant


def _numbered(numbers: Sequence[int], base: Base) -> Vector:
    n = np.array(numbers, dtype=np.int64)
    return Numbers(n, 1, base, None, int(n.min()), int(n.max())) if len(n) else listed([])


@dataclass(frozen=True, slots=True)
class Many:
    """What a table answers to many requests.

    Args:
        group: for each request which of `settled` is its answer; nothing is said of requests that are left
        computed: outputs that are not constant, by name, for the requests in `fresh`
        fresh: where the outputs are those of `computed`; the rest of the answer is in `settled`
    """

    size: int
    group: Codes
    settled: Sequence[Settled]
    computed: Mapping[str, Vector]
    fresh: Mask | None
    left: Mask

    def at(self, row: int) -> Settled:
        """Return one answer."""
        settled = self.settled[int(self.group[row])]
        if self.fresh is None or not self.fresh[row]:
            return settled
        outputs = {name: vector.at(row) for name, vector in self.computed.items()}
        return Settled(settled.outcome, outputs, settled.items, settled.selected)

    def all(self) -> list[Settled]:
        """Return every answer; nothing is said by those to requests that are left."""
        answers = [self.settled[code] for code in self.group.tolist()]
        if self.fresh is not None:
            for row in np.flatnonzero(self.fresh).tolist():
                answers[row] = self.at(row)
        return answers

    def among(self, rows: Codes, size: int) -> Many:
        """Return the same as answers to some rows of more; the others are left."""
        group, left = np.zeros(size, dtype=np.intp), np.ones(size, dtype=np.bool_)
        group[rows], left[rows] = self.group, self.left
        fresh = None
        if self.fresh is not None:
            fresh = np.zeros(size, dtype=np.bool_)
            fresh[rows] = self.fresh
        computed = {name: scattered(size, [(rows, vector)]) for name, vector in self.computed.items()}
        return Many(size, group, self.settled, computed, fresh, left)

    def with_answers(self, answers: Mapping[int, Settled]) -> Many:
        """Return the same with answers to requests that were left."""
        group, left, settled = self.group.copy(), self.left.copy(), list(self.settled)
        fresh = None if self.fresh is None else self.fresh.copy()
        # What is still left has no answer.
        group[left] = len(settled)
        settled.append(NO_ANSWER)
        for row, answer in answers.items():
            group[row] = len(settled)
            settled.append(answer)
            left[row] = False
        if fresh is not None:
            fresh[self.left] = False
        return Many(self.size, group, settled, self.computed, fresh, left)

    def output(self, name: str) -> Vector:
        """Return one output of a table that gives single values; null where there is no answer."""
        constants = Coded(self.group, [s.outputs.get(name) for s in self.settled])
        if self.fresh is None:
            return constants
        fresh = np.flatnonzero(self.fresh)
        others = np.flatnonzero(~self.fresh)
        return scattered(self.size, [(others, constants.take(others)), (fresh, self.computed[name].take(fresh))])


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One table that was asked for many requests, with what its trace is made of.

    Args:
        numbers: for each row of the frame which of `cells` it falls into
        parents: of a table over a list, the request that each row of the frame is an item of; None: rows are requests
    """

    decision: Decision
    grid: Grid
    era: int
    frame: Frame
    numbers: Codes
    cells: Sequence[Cell]
    made: Many
    parents: Codes | None


class ColumnDecider:
    """Decides many requests by one book. Holds nothing of them: any number of threads may share it."""

    def __init__(self, decider: Decider) -> None:
        self.decider = decider
        self.book = decider.book
        self._cells: dict[int, ManyCells] = {}
        self._faulty: dict[tuple[str, int], frozenset[str]] = {}

    def decide(
        self,
        decision: Decision,
        facts: Mapping[str, Vector],
        as_of: date,
        now: datetime,
        size: int,
        *,
        moments: Moments | None = None,
        asked: list[Asked] | None = None,
        frames: list[Frame] | None = None,
    ) -> Many:
        """Decide.

        Args:
            facts: coerced, complete for this decision
            moments: the day and the instant of each row, where they differ; all of the era of `as_of`
            asked: gets the tables, required decisions first; rows of which a trace could not be made of it are left
            frames: gets what was decided on
        Raises:
            NotInForceError: the book, or a figure that is needed, is not in force on that day
            EngineError, LimitError: the engine refused; who asks decides all rows one by one
        """
        era = self.book.era(as_of)
        self.decider.check_in_force(decision, as_of, era)
        vectors: dict[str, Vector] = {name: constant(value, size) for name, value in self.decider.figures(era).items()}
        vectors.update(facts)
        vectors["as_of"] = constant(as_of, size) if moments is None else moments.days
        vectors["now"] = constant(now, size) if moments is None else moments.instants
        frame = Frame(size, self.book.zone, vectors)
        for name in decision.uses.decisions:
            required = self.book.decision_by_name[name]
            self._publish(required, self._table(required, frame, era, asked), frame)
        if frames is not None:
            frames.append(frame)
        return self._table(decision, frame, era, asked)

    # One table

    def _table(self, decision: Decision, frame: Frame, era: int, asked: list[Asked] | None) -> Many:
        grid = self.decider.program.grid(decision.name, era)
        faulty = self._may_fault(decision, grid, era)
        for name in decision.uses_directly.values:
            if not frame.knows(name):
                frame.derive(name, self.book.value_by_name[name].formula)
                if name in faulty:
                    frame.get(name)
        if decision.for_each is None:
            made = self._once(decision, grid, frame, era, asked, None)
            if not decision.hit_policy.multi:
                return made
            settled = [self._aggregated(decision, s) for s in made.settled]
            return Many(made.size, made.group, settled, {}, None, frame.left)
        return self._each(decision, grid, frame, era, asked)

    def _may_fault(self, decision: Decision, grid: Grid, era: int) -> frozenset[str]:
        """Return the values of a table that may have no result: these are computed whether or not somebody looks at them."""
        key = (decision.name, era)
        found = self._faulty.get(key)
        if found is None:
            shared = (self.book.value_by_name[n] for n in decision.uses_directly.values)
            found = self._faulty[key] = frozenset(v.name for v in (*shared, *decision.values) if may_fault(grid.plain.of(v.formula)))
        return found

    def _once(self, decision: Decision, grid: Grid, frame: Frame, era: int, asked: list[Asked] | None, parents: Codes | None) -> Many:
        """Ask a table for one set of facts a row."""
        faulty = self._may_fault(decision, grid, era)
        for value in decision.values:
            frame.derive(value.name, value.formula)
        for value in decision.values:
            if value.name in faulty:
                frame.get(value.name)
        made = self._cells.get(id(grid))
        if made is None or made.grid is not grid:
            if len(self._cells) >= MAX_KEPT:
                self._cells.clear()
            made = self._cells[id(grid)] = ManyCells(grid)
        numbers, cells = made.cells(frame)
        groups = _Groups(self.decider, decision, grid, era, cells)
        group = groups.of_cell[numbers] if cells else numbers
        frame.left |= groups.unplain[group] if cells else True
        alone = groups.alone[group] & ~frame.left if cells else frame.left & False
        if asked is not None:
            # Which rows gave the answer is not told by the group; such requests are decided alone.
            frame.left |= alone
        elif alone.any():
            group = group.copy()
            self._one_by_one(groups, np.flatnonzero(alone), group, numbers, cells, frame)
        computed, fresh = self._computed(groups, group, frame)
        many = Many(frame.size, group, groups.settled or (NO_ANSWER,), computed, fresh, frame.left)
        if asked is not None:
            asked.append(Asked(decision, grid, era, frame, numbers, cells, many, parents))
        return many

    def _one_by_one(self, groups: _Groups, rows: Codes, group: Codes, numbers: Codes, cells: list[Cell], frame: Frame) -> None:
        """Decide rows whose answer hangs on formulas in a way that columns do not tell."""
        decision = groups.decision
        names = dict.fromkeys(r.name for row in decision.all_rows for o in row.outputs for r in refs(o.formula))
        for row in rows.tolist():
            try:
                settled = groups.answer(groups.matched(cells[numbers[row]]), frame.row(row, names))
            except (FormulaError, ConflictError):
                frame.left[row] = True
                continue
            group[row] = len(groups.settled)
            groups.settled.append(settled)

    def _computed(self, groups: _Groups, group: Codes, frame: Frame) -> tuple[dict[str, Vector], Mask | None]:
        """Compute the outputs of rows with formulas, by columns."""
        if not groups.with_formulas:
            return {}, None
        rows = {row.id: row for row in groups.with_formulas.values()}
        places_of_row = {id_: place for place, id_ in enumerate(rows)}
        row_of = np.full(len(groups.settled), -1, dtype=np.intp)
        for place, row in groups.with_formulas.items():
            row_of[place] = places_of_row[row.id]
        numbers = np.where(frame.left, -1, row_of[group])
        fresh = numbers >= 0
        order = np.argsort(numbers, kind="stable")
        ends = np.searchsorted(numbers[order], np.arange(len(rows) + 1))
        parts: dict[str, list[tuple[Codes, Vector]]] = {o.name: [] for o in groups.decision.outputs}
        for row, (start, end) in zip(rows.values(), pairwise(ends.tolist()), strict=True):
            places = order[start:end]
            if not len(places):
                continue
            inner = frame.inside(places)
            stated = {e.name: e for e in row.outputs}
            for output in groups.decision.outputs:
                if output.name in stated:
                    vector = finished_all(inner.settled(stated[output.name].formula), output, self.book.currency)
                    parts[output.name].append((places, vector))
            frame.left[places[inner.left]] = True
        return {name: scattered(frame.size, made) for name, made in parts.items()}, fresh

    # Tables over a list

    def _each(self, decision: Decision, grid: Grid, frame: Frame, era: int, asked: list[Asked] | None) -> Many:
        """Ask a table once an item."""
        assert decision.for_each is not None
        source = frame.settled(decision.for_each.source).coded()
        lists: list[Any] = [v or () for v in source.values]
        lengths = np.array([len(v) for v in lists], dtype=np.intp)[source.codes]
        lengths[frame.left] = 0
        ends = np.cumsum(lengths)
        parents = np.repeat(np.arange(frame.size, dtype=np.intp), lengths)
        items: list[Value] = [item for row in np.flatnonzero(lengths).tolist() for item in lists[source.codes[row]]]
        inner = frame.inside(parents)
        inner.put(decision.for_each.item, listed(items))
        made = self._once(decision, grid, inner, era, asked, parents)
        if inner.left.any():
            frame.left[parents[inner.left]] = True
        known: dict[tuple[int, ...], int] = {}
        settled: list[Settled] = []
        group = np.zeros(frame.size, dtype=np.intp)
        codes = made.group.tolist()
        bounds = pairwise([0, *ends.tolist()])
        plain = made.fresh is None
        for row, (start, end) in enumerate(bounds):
            key = tuple(codes[start:end])
            place = known.get(key) if plain or start == end else None
            if place is None:
                answers = [made.at(i) for i in range(start, end)] if not plain else [made.settled[c] for c in key]
                place = len(settled)
                settled.append(self._joined(decision, answers))
                if plain:
                    known[key] = place
            group[row] = place
        return Many(frame.size, group, settled or [self._joined(decision, [])], {}, None, frame.left)

    def _joined(self, decision: Decision, answers: Sequence[Settled]) -> Settled:
        items: list[Item] = []
        selected: list[Row] = []
        for number, answer in enumerate(answers, 1):
            if decision.hit_policy.multi:
                items += [Item(row=i.row, item_number=number, outputs=i.outputs) for i in answer.items]
            else:
                items += [Item(row=r, item_number=number, outputs=answer.outputs) for r in answer.selected]
            selected += answer.selected
        return self._aggregated(decision, Settled(Outcome.DECIDED, {}, tuple(items), tuple(selected), len(answers)))

    def _aggregated(self, decision: Decision, settled: Settled) -> Settled:
        how = decision.aggregation
        outputs = settled.outputs
        if how is not None:
            outputs = {o.name: aggregate(how, o, [i.outputs[o.name] for i in settled.items]) for o in decision.outputs if how.applies_to(o)}
        return Settled(Outcome.DECIDED, outputs, settled.items, settled.selected, settled.count)

    def _publish(self, decision: Decision, made: Many, frame: Frame) -> None:
        """Let later decisions see the outputs, as `Decider.publish` does."""
        for output in decision.outputs:
            frame.put(f"{decision.name}.{output.name}", published(decision, made, output))


def published(decision: Decision, made: Many, output: Field) -> Vector:
    """Return one output as other decisions see it: single values, aggregates, or lists."""
    how = decision.aggregation
    if (how is not None and how.applies_to(output)) or not (decision.hit_policy.multi or decision.for_each is not None):
        return made.output(output.name)
    by_item = not decision.hit_policy.multi
    return Coded(made.group, [_listed(s, output.name, by_item=by_item) for s in made.settled])


def _listed(settled: Settled, output: str, *, by_item: bool) -> tuple[Value, ...]:
    """List one output of what was selected.

    Args:
        by_item: one for each item of the list, null for those without an answer
    """
    if not by_item:
        return tuple([i.outputs[output] for i in settled.items])
    column: list[Value] = [None] * settled.count
    for item in settled.items:
        column[item.item_number - 1] = item.outputs[output]
    return tuple(column)


class _Groups:
    """The different answers of one table to the cells of one call.

    Attributes:
        settled: the answers; those of `with_formulas` lack their outputs
        of_cell: for each cell its answer
        unplain, alone: for each answer whether its requests are left, or decided one by one
        with_formulas: the one row that gives an answer, for answers that are computed by columns
    """

    def __init__(self, decider: Decider, decision: Decision, grid: Grid, era: int, cells: Sequence[Cell]) -> None:
        self.decider = decider
        self.decision = decision
        self.grid = grid
        self.era = era
        self.settled: list[Settled] = []
        self.with_formulas: dict[int, Row] = {}
        self._row_outputs = decider.outputs[decision.name]
        self._name = f"{decider.book.name}.{decision.name}"
        unplain: list[bool] = []
        alone: list[bool] = []
        known: dict[tuple[int, ...], int] = {}
        places = []
        for cell in cells:
            matched = self.matched(cell)
            place = known.get(matched)
            if place is None:
                place = known[matched] = len(self.settled)
                answer, refused, singly = self._answer(matched, place)
                self.settled.append(answer)
                unplain.append(refused)
                alone.append(singly)
            places.append(place)
        self.of_cell: Codes = np.array(places, dtype=np.intp)
        self.unplain: Mask = np.array(unplain, dtype=np.bool_)
        self.alone: Mask = np.array(alone, dtype=np.bool_)

    def matched(self, cell: Cell) -> tuple[int, ...]:
        return self.decider.program.match(self.decision.name, self.era, cell)

    def _answer(self, matched: tuple[int, ...], place: int) -> tuple[Settled, bool, bool]:
        known = self.decider.settled(self.decision.name, self.grid, self.era)
        found = known.get(matched)
        if found is not None:
            return found, False, False
        decision, rows = self.decision, self.grid.rows
        constant_rows = self._row_outputs.constant
        if all(rows[i].id in constant_rows for i in matched):
            default = decision.default
            if not matched and default is not None and default.id not in constant_rows:
                if decision.hit_policy.multi:
                    return NO_ANSWER, False, True
                self.with_formulas[place] = default
                return Settled(Outcome.DECIDED, {}, (), (self.decider.worded(default, self.era),)), False, False
            try:
                return self.decider.remember(known, matched, self.answer(matched, {})), False, False
            except ConflictError:
                return NO_ANSWER, True, False
        if decision.hit_policy.multi or (len(matched) > 1 and decision.hit_policy in _RANKED):
            return NO_ANSWER, False, True
        try:
            chosen = choose(self._name, decision, matched, rows, _no_outputs)
        except ConflictError:
            return NO_ANSWER, True, False
        row = rows[chosen[0]]
        selected = (self.decider.worded(row, self.era),)
        if row.id in constant_rows:
            return Settled(Outcome.DECIDED, constant_rows[row.id], (), selected), False, False
        self.with_formulas[place] = row
        return Settled(Outcome.DECIDED, {}, (), selected), False, False

    def answer(self, matched: tuple[int, ...], env: Mapping[str, Value]) -> Settled:
        """Answer, from outputs that are constant or computed in an environment; as `Decider.once` without a trace.

        Raises:
            ConflictError: rows conflict under the hit policy
            FormulaError: from an output
        """
        return self.decider.answer(self.decision, self.grid, matched, env, self.era)


def _no_outputs(_row: int) -> Outputs:
    raise AssertionError("this hit policy does not look at outputs")

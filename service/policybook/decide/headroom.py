"""Headroom: how far a quantity may move, alone, before a table answers otherwise; read off the cell, without the solver.

One quantity moves at a time: an input where the axis has one, else the output of another decision, the day, or a part that
is computed. All else stays: the other facts, what required decisions gave, the figures of the day. On its way it crosses cuts,
and with each the table falls into another cell. The first cell in which it answers otherwise ends the headroom of that way.

What depends on the cell alone is remembered by cell; for a request there is then only the distance to work out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple, TypeAlias

from policybook.cells.axes import Atom, OrderedAxis
from policybook.cells.conditions import holds
from policybook.cells.grid import Cell, Grid
from policybook.cells.least import WHOLE, least_step
from policybook.cells.linear import DAY, linear, number, value_of
from policybook.decide.hit_policy import choose
from policybook.decide.outputs import Outputs, RowOutputs, aggregate
from policybook.decide.trace import TracePlan
from policybook.engine.program import Program
from policybook.errors import ConflictError
from policybook.model.answer import Beyond, Headroom, NamedValue, Outcome, Side
from policybook.model.book import Book, Decision, HitPolicy, Row
from policybook.model.compiled import Reader
from policybook.model.faults import FormulaError
from policybook.model.formula import Call, Choose, Const, Formula, Get, Ref, Role, refs
from policybook.model.kinds import DURATION, NO_TEXT, NUMERIC, PERIOD, Base, Field, Kind, Text
from policybook.values import Value

# Cuts that one quantity crosses before the search is given up, and cells that are remembered of one table.
MAX_CUTS = 64
MAX_CELLS = 4_096

_UP, _DOWN = 1, -1
_RANKED = (HitPolicy.ANY, HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER)

Derived: TypeAlias = tuple[str, Formula, Reader]


@dataclass(frozen=True, slots=True, eq=False)
class _Selection:
    """What a table answers in a cell.

    Args:
        rows: the selected, by index; (-1,) stands for the default
        outputs: of each, where all are constant; else None
    """

    rows: tuple[int, ...]
    refused: str
    outputs: tuple[Outputs, ...] | None

    def differs(self, other: _Selection) -> bool:
        if self.rows == other.rows and bool(self.refused) == bool(other.refused):
            return False
        if self.refused or other.refused or self.outputs is None or other.outputs is None:
            return True
        return self.outputs != other.outputs


class _Crossing(NamedTuple):
    """Where a mover passes into a cell in which the table answers otherwise, in the mover's own units."""

    axis: int
    threshold: Fraction | int
    included: bool
    cell: Cell
    selection: _Selection


class _Ahead(NamedTuple):
    """A crossing that the cell alone tells: on which cut of the one axis.

    Args:
        mover: by index
        threshold: as a value of the mover, where it is the whole axis
        turn: what changes there
    """

    mover: int
    direction: int
    cut: Fraction | int
    included: bool
    threshold: Value
    selection: _Selection
    turn: _Turn


@dataclass(frozen=True, slots=True, eq=False)
class _Mover:
    """What moves, and all ordered axes that move with it: (index, axis, coefficient).

    Args:
        cuts: of each of the axes; whole numbers as int, which is many times as fast
        is_pure: nothing else that the table looks at moves with it
        is_simple: the cell alone tells where the answer changes
        is_axis: its axis is nothing but itself
        derived: values that move with it, in the order in which they are computed
    """

    atom: Atom
    lines: tuple[tuple[int, OrderedAxis, Fraction], ...]
    cuts: tuple[tuple[Fraction | int, ...], ...]
    is_pure: bool
    is_simple: bool
    is_axis: bool
    is_whole: bool
    low: Fraction | None
    high: Fraction | None
    step: Fraction
    derived: tuple[tuple[str, Reader], ...]

    def allows(self, n: Fraction | int) -> bool:
        return (self.low is None or n >= self.low) and (self.high is None or n <= self.high)


class _Shown(NamedTuple):
    """The quantity that a test names, as a sum of what the table reads.

    Args:
        slope: how fast it moves with the mover
        is_mover: it is the mover itself, which the environment holds under `source`
    """

    name: str
    kind: Kind
    title: Text
    unit: Text
    terms: tuple[tuple[Atom, Fraction | int], ...]
    constant: Fraction | int
    slope: Fraction | int
    is_mover: bool
    difference: Kind


class _Turn(NamedTuple):
    """What changes between two cells.

    Args:
        beyond: where it is the same for every request
        rows: those beyond, by id with their sentences of the day
        depends: what those rows compute depends on what moves
    """

    row: Row
    key: str
    test: str
    shown: _Shown
    beyond: Beyond | None
    rows: tuple[Row, ...]
    depends: bool


class Headrooms:
    """The headroom of one decision of a book. Holds nothing of a request: any number of threads may share it."""

    def __init__(self, book: Book, decision: Decision, program: Program, outputs: RowOutputs, plan: TracePlan) -> None:
        self._book = book
        self._decision = decision
        self._program = program
        self._outputs = outputs
        self._names = {name: (kind, title, unit) for name, kind, title, unit in plan.shown}
        self._by_era: dict[int, _Plan] = {}

    def of(
        self,
        grid: Grid,
        cell: Cell,
        env: Mapping[str, Value],
        era: int,
        derived: Callable[[], tuple[Derived, ...]],
        worded: Callable[[Row], Row],
    ) -> tuple[Headroom, ...]:
        """Return every quantity that could change the answer by moving alone.

        Args:
            env: what the table was asked with
            derived: the values that the table may use, in the order in which they are computed
            worded: a row -> the row with its sentence worded for the day
        """
        plan = self._by_era.get(era)
        if plan is None or plan.grid is not grid:
            plan = self._by_era[era] = _Plan(
                book=self._book,
                decision=self._decision,
                program=self._program,
                outputs=self._outputs,
                grid=grid,
                era=era,
                derived=derived(),
                names=self._names,
                worded=worded,
            )
        return plan.headroom(cell, env) if plan.movers else ()


class _Plan:
    """The headroom of one table in one era."""

    def __init__(
        self,
        *,
        book: Book,
        decision: Decision,
        program: Program,
        outputs: RowOutputs,
        grid: Grid,
        era: int,
        derived: tuple[Derived, ...],
        names: Mapping[str, tuple[Kind, Text, Text]],
        worded: Callable[[Row], Row],
    ) -> None:
        self.book = book
        self.decision = decision
        self.program = program
        self.outputs = outputs
        self.grid = grid
        self.era = era
        self.derived = derived
        self.names = names
        self.worded = worded
        self._derived_names = frozenset(name for name, _, _ in derived)
        self._by_formula = {a.formula: a for axis in grid.axes if isinstance(axis, OrderedAxis) for a, _ in axis.form}
        self._is_ranked = decision.hit_policy in _RANKED and bool(outputs.computed)
        self.movers = tuple(self._movers())
        self._selections: dict[Cell, _Selection] = {}
        self._ahead: dict[Cell, tuple[_Ahead, ...]] = {}
        self._turns: dict[tuple[Cell, Cell, int], _Turn] = {}
        self._templates: dict[str, tuple[Outputs, tuple[tuple[str, Reader, Field], ...]]] = {}
        self._searched = tuple(i for i, m in enumerate(self.movers) if not m.is_simple)

    # What moves

    def _movers(self) -> Iterator[_Mover]:
        axes = [(i, a) for i, a in enumerate(self.grid.axes) if isinstance(a, OrderedAxis) and a.cuts]
        chosen: dict[int, Atom] = {}
        for _, axis in axes:
            atoms = [a for a, k in axis.form if k]
            if not atoms:
                continue
            tested = self._tested(axis)

            def how_well(a: Atom, tested: frozenset[Formula] = tested) -> tuple[object, ...]:
                # One that moves nothing else, an input before what is computed, one that the test names, one on few axes.
                return (not self._is_pure(a), _rank(a), a.formula not in tested, sum(a in other.atoms for _, other in axes))

            atom = min(atoms, key=how_well)
            chosen[atom.index] = atom
        for atom in chosen.values():
            lines = tuple((i, axis, k) for i, axis in axes for a, k in axis.form if a is atom and k)
            is_pure = self._is_pure(atom)
            is_whole = _is_whole(atom)
            alone = len(lines) == 1 and is_pure and not self._is_ranked
            low, high = _bounds(atom, self.book)
            yield _Mover(
                atom=atom,
                lines=lines,
                cuts=tuple(tuple(_whole(cut) for cut in axis.cuts) for _, axis, _ in lines),
                is_pure=is_pure,
                is_simple=alone and (not is_whole or _is_integral(lines[0][1], lines[0][2])),
                is_axis=len(lines) == 1 and lines[0][1].variable is atom,
                is_whole=is_whole,
                low=low,
                high=high,
                step=least_step(atom.kind, self.book.currency) or Fraction(1),
                derived=tuple(self._moved_with(atom)),
            )

    def _tested(self, axis: OrderedAxis) -> frozenset[Formula]:
        """Return what the tests that gave an axis its name are about."""
        subjects = (c.subject for row in self.grid.rows for c in row.cells if c.key == axis.key)
        subject = next(subjects, None)
        return frozenset(linear(self.grid.plain.of(subject)).terms) if subject is not None else frozenset()

    def _is_pure(self, atom: Atom) -> bool:
        if not atom.is_variable:
            return True
        name, part = _place(atom.formula)
        for other in self.grid.atoms:
            if other is atom or other.formula == atom.formula:
                continue
            f = other.formula
            if isinstance(f, Get) and part and isinstance(f.source, Ref) and f.source.name == name:
                # Another field of the same record.
                continue
            if any(r.name == name or r.role is Role.VALUE for r in refs(f)):
                return False
        return True

    def _moved_with(self, atom: Atom) -> Iterator[tuple[str, Reader]]:
        moved = {_place(atom.formula)[0] if atom.is_variable else atom.name}
        for name, formula, read in self.derived:
            if name not in moved and any(r.name in moved for r in refs(formula)):
                moved.add(name)
                yield name, read

    # Selections

    def selection(self, cell: Cell, env: Callable[[], Mapping[str, Value]] | None = None) -> _Selection:
        """Return what the table answers in a cell; `env` is needed where rows are ranked by what they compute."""
        if not self._is_ranked:
            found = self._selections.get(cell)
            if found is None:
                if len(self._selections) >= 4 * MAX_CELLS:
                    self._selections.clear()
                found = self._selections[cell] = self._select(cell, {})
            return found
        return self._select(cell, env() if env else {})

    def _select(self, cell: Cell, env: Mapping[str, Value]) -> _Selection:
        matched = self.program.foretold(self.decision.name, self.era, cell)
        rows = self.grid.rows
        made: dict[int, Outputs] = {}

        def outputs_of(i: int) -> Outputs:
            if i not in made:
                made[i] = self.outputs.of(rows[i], env)
            return made[i]

        try:
            chosen = choose(f"{self.book.name}.{self.decision.name}", self.decision, matched, rows, outputs_of)
        except (ConflictError, FormulaError) as e:
            return _Selection(matched, str(e), None)
        if not chosen and self.decision.default is not None:
            chosen = (-1,)
        constant = self.outputs.constant
        ids = [self._row(i).id for i in chosen]
        return _Selection(chosen, "", tuple(constant[i] for i in ids) if all(i in constant for i in ids) else None)

    def _row(self, index: int) -> Row:
        if index >= 0:
            return self.grid.rows[index]
        assert self.decision.default is not None
        return self.decision.default

    # One request

    def headroom(self, cell: Cell, env: Mapping[str, Value]) -> tuple[Headroom, ...]:
        """Return the headroom of a request that falls into a cell."""
        grid = self.grid
        read_from = grid.plain.complete(env) if grid.stays_named else env
        values: dict[int, Any] = {}

        def value(atom: Atom) -> Any:
            """Read what an atom holds; whole numbers as int, which is many times as fast."""
            index = atom.index
            if index in values:
                return values[index]
            n = atom.read(read_from)
            if n is not None and n.denominator == 1:
                n = n.numerator
            values[index] = n
            return n

        out = []
        foreseen = self._ahead.get(cell)
        for ahead in self._foreseen(cell) if foreseen is None else foreseen:
            mover = self.movers[ahead.mover]
            now = value(mover.atom)
            if now is None:
                continue
            cut, direction = ahead.cut, ahead.direction
            if mover.is_axis:
                if ahead.turn.shown.is_mover:
                    out.append(self._told_plainly(mover, now, ahead, env))
                    continue
                threshold: Fraction | int = cut
            else:
                _, axis, factor = mover.lines[0]
                threshold = now + _over(cut - _total(axis, value), factor)
                if not mover.allows(threshold + direction * mover.step if ahead.included else threshold):
                    continue
            out.append(self._told(mover, now, threshold, ahead, env, value))
        if self._searched:
            here = self.selection(cell, lambda: env)
            for at in self._searched:
                mover = self.movers[at]
                now = value(mover.atom)
                if now is None:
                    continue
                for direction in (_UP, _DOWN):
                    found = self._search(mover, direction, here, cell, env, value)
                    if found is not None:
                        turn = self._turn_of(mover, direction, here, cell, found)
                        known = _Ahead(at, direction, 0, found.included, None, found.selection, turn)
                        out.append(self._told(mover, now, found.threshold, known, env, value))
        return tuple(out)

    def _foreseen(self, cell: Cell) -> tuple[_Ahead, ...]:
        """Return what the cell alone tells of the movers that are on one axis."""
        out = []
        for at, mover in enumerate(self.movers):
            if mover.is_simple:
                i, axis, _ = mover.lines[0]
                if cell[i] != axis.null_code:
                    for direction in (_UP, _DOWN):
                        ahead = self._look(cell, at, direction)
                        if ahead is not None:
                            out.append(ahead)
        if len(self._ahead) >= MAX_CELLS:
            self._ahead.clear()
        made = self._ahead[cell] = tuple(out)
        return made

    def _look(self, cell: Cell, at: int, direction: int) -> _Ahead | None:
        """Go from code to code until the answer is another."""
        mover = self.movers[at]
        i, axis, factor = mover.lines[0]
        way = direction if factor > 0 else -direction
        here = self.selection(cell)
        code, last = cell[i], axis.null_code - 1
        for _ in range(2 * MAX_CUTS):
            code += way
            if not 0 <= code <= last:
                return None
            if mover.is_whole and not _holds_a_whole_number(axis, code):
                continue
            beyond = (*cell[:i], code, *cell[i + 1 :])
            selection = self.selection(beyond)
            if not here.differs(selection):
                continue
            included = code % 2 == 0
            if included:
                low, high = axis.bounds(code)
                cut = low if way == _UP else high
                assert cut is not None
                if mover.is_whole and cut.denominator != 1:
                    cut = Fraction(floor(cut) if way == _UP else ceil(cut))
            else:
                cut = axis.cuts[code // 2]
            if mover.is_axis and not mover.allows(cut + direction * mover.step if included else cut):
                return None
            turn = self._turn_of(mover, direction, here, cell, _Crossing(i, cut, included, beyond, selection))
            plain = cut.numerator if cut.denominator == 1 else cut
            return _Ahead(at, direction, plain, included, _value(cut, turn.shown.kind.base), selection, turn)
        return None

    def _search(
        self, mover: _Mover, direction: int, here: _Selection, cell: Cell, env: Mapping[str, Value], value: Callable[[Atom], Any]
    ) -> _Crossing | None:
        """Follow a mover over the cuts of all its axes."""
        start = value(mover.atom)
        ways = [
            _Way(i, axis, cuts, _whole(k * direction), _total(axis, value), cell[i])
            for (i, axis, k), cuts in zip(mover.lines, mover.cuts, strict=True)
            if cell[i] != axis.null_code
        ]
        codes = list(cell)
        whole, step = mover.is_whole, mover.step
        for _ in range(MAX_CUTS):
            first: tuple[Fraction | int, int] | None = None
            axis = -1
            for w in ways:
                coming = w.coming
                if coming is not None and whole:
                    coming = (_arrival(coming), 0)
                if coming is not None and (first is None or coming < first):
                    first, axis = coming, w.index
                w.due = coming
            if first is None:
                return None
            distance, is_after = first
            for w in ways:
                # All that happens at once; between two whole numbers nothing stops.
                if w.due == first:
                    codes[w.index] = w.enter(distance if whole else None)
            at = start + distance if direction == _UP else start - distance
            beyond_it = at + direction * step if is_after else at
            if not mover.allows(beyond_it):
                return None
            if not mover.is_pure:
                try:
                    codes = list(self.grid.cell(self._moved(env, mover, beyond_it)))
                except FormulaError:
                    return None
            beyond = tuple(codes)
            if beyond == cell:
                continue
            selection = self.selection(beyond, lambda n=beyond_it: self._moved(env, mover, n))  # type: ignore[misc]
            if here.differs(selection):
                if not whole:
                    return _Crossing(axis, at, bool(is_after), beyond, selection)
                # The last whole number of this side, or the cut itself where it is the first of the other.
                on_cut = next(w for w in ways if w.index == axis).is_on_cut
                return _Crossing(axis, at if on_cut else at - direction, not on_cut, beyond, selection)
        return None

    # What is told

    def _told_plainly(self, mover: _Mover, now: Any, ahead: _Ahead, env: Mapping[str, Value]) -> Headroom:
        """Tell the headroom of a mover that is the whole axis, and the very thing that the test names."""
        turn = ahead.turn
        shown = turn.shown
        distance = (ahead.cut - now) if ahead.direction == _UP else (now - ahead.cut)
        base = shown.kind.base
        beyond = turn.beyond
        if beyond is None:
            beyond = self._beyond_of(mover, ahead, ahead.cut, env)
        new = tuple.__new__
        return new(
            Headroom,
            (
                new(NamedValue, (shown.name, shown.kind, shown.title, shown.unit, _value(now, base))),
                mover.atom.name,
                Side.BELOW if ahead.direction == _UP else Side.ABOVE,
                ahead.threshold,
                ahead.included,
                _value(distance if base is not Base.DATE else distance * DAY, shown.difference.base),
                shown.difference,
                beyond,
                self._kept(turn, beyond),
            ),
        )

    def _told(
        self, mover: _Mover, now: Any, threshold: Fraction | int, ahead: _Ahead, env: Mapping[str, Value], value: Callable[[Atom], Any]
    ) -> Headroom:
        turn, direction = ahead.turn, ahead.direction
        shown = turn.shown
        actual = shown.constant
        for atom, k in shown.terms:
            n = value(atom)
            actual = actual + n if k == 1 else actual - n if k == -1 else actual + k * n
        moved = threshold - now
        slope = shown.slope
        change = moved if slope == 1 else -moved if slope == -1 else slope * moved
        base = shown.kind.base
        distance = abs(change)
        beyond = turn.beyond
        if beyond is None:
            beyond = self._beyond_of(mover, ahead, threshold, env)
        new = tuple.__new__
        return new(
            Headroom,
            (
                new(NamedValue, (shown.name, shown.kind, shown.title, shown.unit, _value(actual, base))),
                mover.atom.name,
                Side.BELOW if slope * direction > 0 else Side.ABOVE,
                _value(actual + change, base),
                ahead.included,
                _value(distance if base is not Base.DATE else distance * DAY, shown.difference.base),
                shown.difference,
                beyond,
                self._kept(turn, beyond),
            ),
        )

    def _kept(self, turn: _Turn, beyond: Beyond) -> _Turn | None:
        """Return what stands for all that does not change from request to request: the turn, where it is remembered."""
        return None if self._is_ranked or (turn.beyond is None and beyond.refused) else turn

    def _beyond_of(self, mover: _Mover, ahead: _Ahead, threshold: Fraction | int, env: Mapping[str, Value]) -> Beyond:
        """Say what the table answers beyond, where the rows there compute their outputs."""
        turn = ahead.turn
        asked = env
        try:
            if turn.depends:
                asked = self._moved(env, mover, threshold + ahead.direction * mover.step if ahead.included else threshold)
            made = [self._made(row, asked) for row in turn.rows]
        except FormulaError as e:
            return self._beyond(turn, ahead.selection, [], str(e))
        return self._beyond(turn, ahead.selection, made, "")

    def _made(self, row: Row, env: Mapping[str, Value]) -> Outputs:
        """Return the outputs of a row; those that are constant are computed once."""
        known = self._templates.get(row.id)
        if known is None:
            constant = self.outputs.constant.get(row.id)
            fixed = dict(constant) if constant is not None else dict.fromkeys(o.name for o in row.outputs)
            rest = []
            for entry, part in zip(self.outputs.computed.get(row.id, ()), row.outputs, strict=False):
                if isinstance(part.formula, Const):
                    fixed.update(self.outputs.compute((entry,), {}))
                else:
                    rest.append(entry)
            known = self._templates[row.id] = (fixed, tuple(rest))
        made = dict(known[0])
        made.update(self.outputs.compute(known[1], env))
        return made

    def _turn_of(self, mover: _Mover, direction: int, here: _Selection, cell: Cell, crossing: _Crossing) -> _Turn:
        if self._is_ranked:
            return self._turn(mover, here, cell, crossing)
        key = (cell, crossing.cell, 2 * mover.atom.index + (direction == _UP))
        turn = self._turns.get(key)
        if turn is None:
            if len(self._turns) >= 4 * MAX_CELLS:
                self._turns.clear()
            turn = self._turns[key] = self._turn(mover, here, cell, crossing)
        return turn

    def _turn(self, mover: _Mover, here: _Selection, cell: Cell, crossing: _Crossing) -> _Turn:
        there = crossing.selection
        rows = (*(i for i in here.rows if i not in there.rows), *(i for i in there.rows if i not in here.rows), *here.rows, *there.rows)
        found = next(
            (
                (self.grid.rows[i], test)
                for i in rows
                if i >= 0
                for j, test in enumerate(self.grid.rows[i].cells)
                if holds(self.grid.conditions[i][j], cell) != holds(self.grid.conditions[i][j], crossing.cell)
            ),
            None,
        )
        if found is None:
            # Only where rows come and go by what they compute: the axis itself is named.
            row, key, test = self._row((*there.rows, *here.rows)[0]), self.grid.axes[crossing.axis].key, ""
            shown = self._shown(mover, mover.atom.name, mover.atom.formula)
        else:
            row, key, test = found[0], found[1].key, found[1].text
            shown = self._shown(mover, key, found[1].subject)
        beyond = tuple(self.worded(self._row(i)) for i in there.rows)
        computed = [e.formula for r in beyond for e in r.outputs if not isinstance(e.formula, Const)]
        moved = {_place(mover.atom.formula)[0] or mover.atom.name, *(name for name, _ in mover.derived)}
        depends = any(r.name in moved for f in computed for r in refs(f))
        turn = _Turn(self.worded(row), key, test, shown, None, beyond, depends)
        if there.outputs is None and not there.refused:
            return turn
        return turn._replace(beyond=self._beyond(turn, there, list(there.outputs or ()), there.refused))

    def _shown(self, mover: _Mover, key: str, subject: Formula) -> _Shown:
        plain = self.grid.plain
        kind, title, unit = self.names.get(key) or self._named(key, subject)
        form = linear(plain.of(subject))
        atoms = [self._by_formula.get(f) for f in form.terms]
        slope = form.terms.get(mover.atom.formula, Fraction(0))
        if slope and all(a is not None for a in atoms):
            terms = tuple((a, _whole(k)) for a, k in zip(atoms, form.terms.values(), strict=True) if a is not None and k)
            is_mover = len(terms) == 1 and slope == 1 and form.constant == 0 and kind.base is mover.atom.kind.base
            return _Shown(key, kind, title, unit, terms, _whole(form.constant), _whole(slope), is_mover, _difference(kind))
        atom = mover.atom
        known = self.names.get(atom.name)
        kind, title, unit = known or (atom.kind, atom.title, atom.unit)
        return _Shown(atom.name, kind, title, unit, ((atom, 1),), 0, 1, is_mover=True, difference=_difference(kind))

    def _named(self, key: str, subject: Formula) -> tuple[Kind, Text, Text]:
        atom = next((a for a in self.grid.atoms if a.name == key), None)
        return (subject.kind, atom.title, atom.unit) if atom else (subject.kind, NO_TEXT, NO_TEXT)

    def _beyond(self, turn: _Turn, there: _Selection, made: list[Outputs], refused: str) -> Beyond:
        decision = self.decision
        outputs: Mapping[str, Value] = {}
        how = decision.aggregation
        if how is not None and decision.for_each is None and not refused:
            outputs = {o.name: aggregate(how, o, [m[o.name] for m in made]) for o in decision.outputs if how.applies_to(o)}
        elif not decision.hit_policy.multi and made:
            outputs = made[0]
        decided = bool(there.rows) or decision.hit_policy.multi
        return Beyond(
            row=turn.row,
            key=turn.key,
            test=turn.test,
            outcome=Outcome.DECIDED if decided else Outcome.NO_MATCH,
            refused=refused,
            rows=turn.rows,
            outputs=outputs,
        )

    def _moved(self, env: Mapping[str, Value], mover: _Mover, n: Fraction | int) -> Mapping[str, Value]:
        """Return what the table would be asked with, had one quantity moved."""
        atom = mover.atom
        value = _value(n, atom.kind.base)
        out = dict(env)
        f = atom.formula
        if isinstance(f, Ref):
            out[f.name] = value
        elif isinstance(f, Get) and isinstance(f.source, Ref):
            record: Any = env.get(f.source.name)
            out[f.source.name] = {**record, f.field: value}
        elif atom.name in self._derived_names:
            out[atom.name] = value
        for name, _ in mover.derived:
            out.pop(name, None)
        for name, read in mover.derived:
            if name in env:
                out[name] = read(out)
        return out


class _Way:
    """One axis on the way of a mover: where its sum stands and which cut comes next.

    Attributes:
        coming: after how much the code changes next, and whether only just after that
        due: the same in the mover's steps
    """

    __slots__ = ("axis", "code", "coming", "cuts", "due", "index", "is_on_cut", "speed", "total")

    def __init__(
        self, index: int, axis: OrderedAxis, cuts: tuple[Fraction | int, ...], speed: Fraction | int, total: Fraction | int, code: int
    ) -> None:
        self.index = index
        self.axis = axis
        self.cuts = cuts
        self.speed = speed
        self.total = total
        self.code = code
        self.is_on_cut = False
        self.due: tuple[Fraction | int, int] | None = None
        self.coming = self._next()

    def _next(self) -> tuple[Fraction | int, int] | None:
        at, on = divmod(self.code, 2)
        if on:
            return self._until(self.cuts[at]), 1
        if self.speed > 0:
            return (self._until(self.cuts[at]), 0) if at < len(self.cuts) else None
        return (self._until(self.cuts[at - 1]), 0) if at else None

    def _until(self, cut: Fraction | int) -> Fraction | int:
        far, speed = cut - self.total, self.speed
        return far if speed == 1 else -far if speed == -1 else Fraction(far) / speed

    def enter(self, arrival: Fraction | int | None) -> int:
        """Go on to the next code; for a mover in whole steps to the code that it then has."""
        if arrival is None:
            self.code += 1 if self.speed > 0 else -1
        else:
            self.code = self.axis.code_of(self.total + self.speed * arrival)
        self.is_on_cut = bool(self.code % 2)
        self.coming = self._next()
        return self.code


def _arrival(step: tuple[Fraction | int, int]) -> int:
    distance, is_after = step
    if isinstance(distance, int):
        return distance + 1 if is_after else distance
    return floor(distance) + 1 if is_after else ceil(distance)


def _rank(atom: Atom) -> int:
    match atom.formula:
        case Ref(_, Role.BUILT_IN, _):
            return 0
        case Ref(_, Role.INPUT | Role.ITEM, _) | Get():
            return 1
        case Ref():
            return 2
        case _:
            return 3


def _place(f: Formula) -> tuple[str, str]:
    match f:
        case Ref(name, _, _):
            return name, ""
        case Get(Ref(name, _, _), part, _):
            return name, part
        case _:
            return "", ""


def _bounds(atom: Atom, book: Book) -> tuple[Fraction | None, Fraction | None]:
    f = atom.formula
    declared: Field | None = atom.field
    if not atom.is_variable:
        return _least(f, book), None
    if declared is None or (isinstance(f, Ref) and f.role is Role.OUTPUT):
        return None, None
    low = None if declared.minimum is None else Fraction(number(declared.minimum))
    high = None if declared.maximum is None else Fraction(number(declared.maximum))
    return low, high


def _least(f: Formula, book: Book) -> Fraction | None:
    """Return the least number that a formula can come to, as far as its form tells."""
    match f:
        case Const(value, kind) if kind.ordered and value is not None:
            return Fraction(number(value))
        case Ref(name, Role.INPUT, kind) if kind.ordered:
            minimum = book.input_by_name[name].minimum
            return None if minimum is None else Fraction(number(minimum))
        case Choose(_, then, otherwise, _):
            both = (_least(then, book), _least(otherwise, book))
            return None if both[0] is None or both[1] is None else min(both[0], both[1])
        case Call("count" | "abs", _, _):
            return Fraction(0)
        case _:
            return None


def _is_whole(atom: Atom) -> bool:
    return atom.kind.base in WHOLE or (isinstance(atom.formula, Call) and atom.formula.function == "count")


def _is_integral(axis: OrderedAxis, factor: Fraction) -> bool:
    """Tell that the sum of an axis is always a whole number, and moves by 1 with its mover."""
    return abs(factor) == 1 and all(_is_whole(a) and k.denominator == 1 for a, k in axis.form)


def _whole(n: Fraction) -> Fraction | int:
    return n.numerator if n.denominator == 1 else n


def _over(n: Fraction | int, factor: Fraction) -> Fraction | int:
    return n if factor == 1 else -n if factor == -1 else n / factor


def _total(axis: OrderedAxis, value: Callable[[Atom], Any]) -> Fraction | int:
    total: Fraction | int = 0
    for atom, k in axis.form:
        if k:
            n = value(atom)
            total = total + n if k == 1 else total - n if k == -1 else total + k * n
    return total


def _holds_a_whole_number(axis: OrderedAxis, code: int) -> bool:
    low, high = axis.bounds(code)
    if code % 2:
        assert low is not None
        return low.denominator == 1
    return low is None or high is None or floor(low) + 1 < high


def _value(n: Fraction | int, base: Base) -> Any:
    """Return the value of a number; for kinds that lack it, the one before."""
    if base in NUMERIC:
        return n if isinstance(n, Fraction) else Fraction(n)
    made = value_of(n, base)
    return made if made is not None else value_of(floor(n), base)


def _difference(kind: Kind) -> Kind:
    match kind.base:
        case Base.DATE | Base.DATETIME | Base.TIME | Base.DURATION:
            return DURATION
        case Base.PERIOD:
            return PERIOD
        case _:
            return kind

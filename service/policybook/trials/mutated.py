"""Cases decided by a book and by its mutants: one pass that notes the cell of every table, then only what a mutant changes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property

from policybook.analyse.inquiry import Asking
from policybook.cells.coerce import coerce
from policybook.cells.grid import Cell, Grid
from policybook.decide.chain import Decider
from policybook.decide.chain import Verdict as Decided
from policybook.decide.outputs import RowOutputs
from policybook.desk import moments
from policybook.engine.program import Program
from policybook.errors import PolicybookError
from policybook.model.answer import Answer, RowVerdict, TableTrace, TraceLevel, Verdict
from policybook.model.book import Book
from policybook.trials.case import Case
from policybook.trials.joint import Joint
from policybook.trials.mutants import Fault, Mutant, figures_read, mutants
from policybook.trials.read import raw_facts
from policybook.trials.run import run_case
from policybook.values import Value


@dataclass(frozen=True, slots=True)
class Visit:
    """One table asked once.

    Args:
        rows: ids of those that matched; `places` theirs in the table
    """

    decision: str
    era: int
    cell: Cell
    rows: tuple[str, ...]
    places: tuple[int, ...]


class _Cells(Program):
    """Matches by the codes of the joint grids alone, and notes what it was asked.

    The engine is compared with the codes whenever a book is loaded; a mutant is not worth compiling for it.
    """

    def __init__(self, bench: Bench, mutant: Mutant | None = None) -> None:
        super().__init__(bench.book)
        self._bench = bench
        self._mutant = mutant
        self._views: dict[tuple[str, int], Grid] = {}
        self.visits: list[Visit] = []

    def grid(self, decision: str, era: int) -> Grid:
        """Return the joint grid of a table."""
        key = (decision, self._bench.like(era))
        found = self._views.get(key)
        if found is None:
            found = self._views[key] = self._bench.view(*key, self._mutant)
        return found

    def match(self, decision: str, era: int, cell: Cell) -> tuple[int, ...]:
        """Return the rows that match, by the codes."""
        grid = self.grid(decision, era)
        rows = grid.rows_passed(cell)
        self.visits.append(Visit(decision, self._bench.like(era), cell, tuple(grid.rows[i].id for i in rows), rows))
        return rows


class _MutatedDecider(Decider):
    """A decider that differs from another in what a mutant changes."""

    def __init__(self, base: Decider, book: Book, program: Program, mutant: Mutant) -> None:
        vars(self).update(vars(base))
        self.book = book
        self.program = program
        self._figures = {}
        self._settled = {}
        self._worded = {}
        table = mutant.table
        if table is not None and mutant.fault is Fault.SWAPPED:
            row = next(r for r in table.all_rows if r.id == mutant.row)
            alone = RowOutputs(book, replace(table, rows=(row,), default=None))
            own = copy.copy(base.outputs[table.name])
            own.constant = {n: v for n, v in own.constant.items() if n != row.id} | alone.constant
            own.computed = {n: v for n, v in own.computed.items() if n != row.id} | alone.computed
            self.outputs = {**base.outputs, table.name: own}


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer comes to, to be compared: its rows and outputs, or why it was refused."""

    refused: str
    rows: tuple[str, ...] = ()
    outputs: tuple[tuple[str, Value], ...] = ()
    items: tuple[tuple[int, str, tuple[tuple[str, Value], ...]], ...] = ()


class Bench:
    """One book with its cases, and every mutant of it within reach.

    Args:
        cases: of this book
        clock: what counts as now for cases without a day
    """

    def __init__(self, book: Book, cases: Sequence[Case], clock: datetime) -> None:
        self.book = book
        self.cases = tuple(cases)
        self.clock = clock
        self._mutants: dict[str, tuple[Mutant, ...]] = {}
        self._joints: dict[tuple[str, int], Joint] = {}
        self._coerced: dict[int, tuple[Mapping[str, Value], date, datetime]] = {}
        self.decider = Decider(book, _Cells(self))

    # Mutants and joint tables

    def mutants(self, decision: str) -> tuple[Mutant, ...]:
        """Return the mutants that count for a decision."""
        found = self._mutants.get(decision)
        if found is None:
            found = self._mutants[decision] = mutants(self.book, self.book.decision_by_name[decision])
        return found

    @cached_property
    def figures(self) -> tuple[Mutant, ...]:
        """The mutants of figures, of all decisions."""
        return tuple(m for d in self.book.decisions for m in self.mutants(d.name) if m.figure is not None)

    @cached_property
    def _alike(self) -> dict[int, int]:
        kinds: dict[object, int] = {}
        return {era: kinds.setdefault(self._sign(era), era) for era in range(len(self.book.change_dates), -1, -1)}

    def _sign(self, era: int) -> object:
        day = self.book.era_day(era)
        figures = tuple((d.value, d.span) if (d := p.on(day)) else None for p in self.book.parameters)
        rows = tuple((d.name, i) for d in self.book.decisions for i, r in enumerate(d.rows) if not r.effective.covers(day))
        return figures, rows, self.book.effective.covers(day)

    def like(self, era: int) -> int:
        """Return the last era that does not differ from one in figures or rows."""
        return self._alike[era]

    @property
    def eras(self) -> tuple[int, ...]:
        """The eras in which the book is in force and that differ, the last first."""
        return tuple(e for e in dict.fromkeys(self._alike.values()) if self.book.effective.covers(self.book.era_day(e)))

    def joint(self, decision: str, era: int) -> Joint:
        """Return a table with all its mutants in an era."""
        found = self._joints.get((decision, era))
        if found is None:
            table = self.book.decision_by_name[decision]
            found = self._joints[decision, era] = Joint(self.book, table, era, self.mutants(decision), self._readers[decision])
        return found

    @cached_property
    def _readers(self) -> dict[str, list[Mutant]]:
        """The changed figures that each table may read, in its tests or else."""
        used = {d.name: {*d.uses_directly.parameters, *figures_read(self.book, d)} for d in self.book.decisions}
        return {name: [m for m in self.figures if m.figure is not None and m.figure.name in read] for name, read in used.items()}

    def tables(self, mutant: Mutant) -> tuple[str, ...]:
        """Return the decisions that a mutant may change, in an order in which each comes after those it requires."""
        if mutant.table is not None:
            return (mutant.decision,)
        return tuple(d.name for d in self.book.decisions if mutant in self._readers[d.name])

    def view(self, decision: str, era: int, mutant: Mutant | None) -> Grid:
        """Return the grid of a table, or of a mutant of it, in joint cells where that is possible."""
        joint = self.joint(decision, era)
        lineup = joint.lineup(mutant) if mutant is not None else None
        if mutant is None or lineup is None:
            return joint.base_view
        if joint.is_apart(mutant):
            return self._alone(decision, era, mutant)
        table = mutant.table if mutant.table is not None and mutant.table.name == decision else joint.decision
        return joint.view(table, lineup, lambda: self._alone(decision, era, mutant))

    def _alone(self, decision: str, era: int, mutant: Mutant) -> Grid:
        book = mutant.book(self.book)
        return Grid.of(book, book.decision_by_name[decision], era)

    # Deciding

    def decide(self, mutant: Mutant | None, decision: str, asking: Asking) -> tuple[Told, list[Visit]]:
        """Decide a request by the book or a mutant; return also every table that was asked."""
        decider = self._of(mutant)
        program = decider.program
        try:
            made = decider.decide(decider.book.decision_by_name[decision], asking.facts, asking.as_of, asking.now, TraceLevel.NONE)
        except PolicybookError as e:
            return Told(refused=type(e).__name__), program.visits if isinstance(program, _Cells) else []
        return told(made), program.visits if isinstance(program, _Cells) else []

    def _of(self, mutant: Mutant | None) -> Decider:
        if mutant is None:
            program = _Cells(self)
            base = copy.copy(self.decider)
            base.program = program
            return base
        book = mutant.book(self.book)
        return _MutatedDecider(self.decider, book, _Cells(self, mutant), mutant)

    def fails(self, number: int, mutant: Mutant | None) -> tuple[bool, list[Visit]]:
        """Run a case by the book or a mutant: tell whether it fails, and every table that was asked."""
        decider = self._of(mutant)
        program = decider.program
        assert isinstance(program, _Cells)
        result = run_case(self.cases[number], lambda case: self._answer(number, case, decider, program), decider.book)
        return not result.passed, program.visits

    def _answer(self, number: int, case: Case, decider: Decider, program: _Cells) -> Answer:
        decision = decider.book.decision_by_name[case.decision]
        known = self._coerced.get(number)
        if known is None:
            as_of, now = moments(case.as_of, self.clock, self.book)
            known = self._coerced[number] = (coerce(raw_facts(case.given), self.book, decision), as_of, now)
        facts, as_of, now = known
        made = decider.decide(decision, facts, as_of, now, TraceLevel.NONE)
        return Answer(
            decision_id="",
            request_id="",
            policy=self.book.name,
            decision=decision,
            version=self.book.version,
            currency=self.book.currency,
            as_of=as_of,
            decided_at=now,
            outcome=made.outcome,
            outputs=made.outputs,
            output_fields=decision.outputs,
            items=tuple(made.items),
            selected=tuple(made.selected),
            # Only what `not_rows` asks of a trace: which rows matched.
            tables=tuple(_matched(v, decider.book) for v in program.visits) if case.not_rows else (),
            elapsed_ns=0,
        )


def told(made: Decided) -> Told:
    """Return what an answer comes to."""
    return Told(
        refused="",
        rows=tuple(r.id for r in made.selected),
        outputs=tuple(made.outputs.items()),
        items=tuple((i.item_number, i.row.id, tuple(i.outputs.items())) for i in made.items),
    )


def _matched(visit: Visit, book: Book) -> TableTrace:
    decision = book.decision_by_name[visit.decision]
    rows = {r.id: r for r in decision.all_rows}
    matched = [rows[i] for i in visit.rows] or ([decision.default] if decision.default else [])
    verdicts = tuple(RowVerdict(row=r, verdict=Verdict.OUTRANKED) for r in matched)
    return TableTrace(decision=decision, item_number=0, inputs=(), parameters=(), rows=verdicts, outputs={})

"""From facts to the answer of a decision: required decisions first, each table asked once (or once an item)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from policybook.cells.coercer import Coercer
from policybook.cells.grid import Grid
from policybook.decide.headroom import Derived, Headrooms
from policybook.decide.hit_policy import choose
from policybook.decide.outputs import Outputs, RowOutputs, aggregate
from policybook.decide.trace import TracePlan
from policybook.diagnostics import Code, Finding, Report, Severity
from policybook.engine.program import Program
from policybook.errors import FactsError, NotInForceError
from policybook.model.answer import Item, Outcome, TableTrace, TraceLevel
from policybook.model.book import Book, Decision, Row
from policybook.model.compiled import compiled
from policybook.model.faults import FormulaError
from policybook.model.wording import worded
from policybook.source import NOWHERE
from policybook.values import Value

# Answers of one table that are kept whole, by the rows that match.
MAX_SETTLED = 8_192


@dataclass(slots=True)
class Verdict:
    """What one decision came to.

    Args:
        settled: the remembered answer that it is, if it is one
        env: what it was decided on: facts, figures, derived values, outputs of required decisions
    """

    outcome: Outcome
    outputs: Mapping[str, Value]
    items: list[Item]
    selected: list[Row]
    tables: list[TableTrace]
    settled: Settled | None = None
    env: Mapping[str, Value] | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What a table answers, without a trace.

    Args:
        count: of a table over a list, how many items it had
        is_kept: it hangs on nothing but the rows that match, and is remembered: the same answer is the same object
    """

    outcome: Outcome
    outputs: Mapping[str, Value]
    items: tuple[Item, ...]
    selected: tuple[Row, ...]
    count: int = 0
    is_kept: bool = False


class Decider:
    """Decides by one book. Holds nothing of a request: any number of threads may share it."""

    def __init__(self, book: Book, program: Program) -> None:
        self.book = book
        self.program = program
        self.outputs = {d.name: RowOutputs(book, d) for d in book.decisions}
        self.plans = {d.name: TracePlan.of(book, d) for d in book.decisions}
        zone = book.zone
        self._values = {v.name: compiled(v.formula, zone) for v in book.values}
        self._own = {d.name: tuple([(v.name, compiled(v.formula, zone)) for v in d.values]) for d in book.decisions}
        self._sources = {d.name: compiled(d.for_each.source, zone) for d in book.decisions if d.for_each is not None}
        self.headrooms = {d.name: Headrooms(book, d, program, self.outputs[d.name], self.plans[d.name]) for d in book.decisions}
        self.coercer = Coercer(book)
        self._needs = {d.name: frozenset(d.uses.parameters) for d in book.decisions}
        self._figures: dict[int, dict[str, Value]] = {}
        # By decision and era: the grid whose rows are meant, and what is settled by the rows that match.
        self._settled: dict[tuple[str, int], tuple[Grid, dict[tuple[int, ...], Settled]]] = {}
        self._worded: dict[tuple[int, str], Row] = {}

    def figures(self, era: int) -> dict[str, Value]:
        """Return the parameters in force in an era: name -> value."""
        found = self._figures.get(era)
        if found is None:
            day = self.book.era_day(era)
            in_force = ((p.name, p.on(day)) for p in self.book.parameters)
            found = self._figures[era] = {name: dated.value for name, dated in in_force if dated is not None}
        return found

    def worded(self, row: Row, era: int) -> Row:
        """Return a row with the figures of an era in its sentence."""
        key = (era, row.id)
        found = self._worded.get(key)
        if found is None:
            found = self._worded[key] = worded(row, self.book, self.figures(era))
        return found

    def decide(self, decision: Decision, facts: Mapping[str, Value], as_of: date, now: datetime, level: TraceLevel) -> Verdict:
        """Decide.

        Args:
            facts: coerced, complete for this decision
            as_of: the day whose figures and rows apply
            now: the instant, UTC
        Raises:
            NotInForceError: the book, or a figure that is needed, is not in force on that day
            ConflictError: rows conflict under the hit policy
            FactsError: a formula has no result for these facts
            EngineError: the engine refused
        """
        book = self.book
        era = book.era(as_of)
        self.check_in_force(decision, as_of, era)
        env: dict[str, Value] = {**self.figures(era), **facts, "as_of": as_of, "now": now}
        tables: list[TableTrace] = []
        try:
            for name in decision.uses.decisions:
                required = book.decision_by_name[name]
                verdict = self.table(required, env, era, level)
                tables.extend(verdict.tables)
                self.publish(required, verdict, env)
            result = self.table(decision, env, era, level)
        except FormulaError as e:
            finding = Finding(
                code=Code.FACT_ARITHMETIC,
                severity=Severity.ERROR,
                message=f"with these facts a formula of `{book.name}.{decision.name}` has no result: {e}",
                span=NOWHERE,
                path="facts",
            )
            raise FactsError(Report((finding,))) from None
        result.tables[:0] = tables
        result.env = env
        return result

    def check_in_force(self, decision: Decision, as_of: date, era: int) -> None:
        book = self.book
        if not book.effective.covers(as_of):
            span = f"from {book.effective.start or 'always'} to {book.effective.end or 'further notice'}"
            raise NotInForceError(book.name, as_of.isoformat(), f"policy `{book.name}` is not in force on {as_of}; it is {span}")
        in_force = self.figures(era)
        if self._needs[decision.name] <= in_force.keys():
            return
        for name in decision.uses.parameters:
            if name not in in_force:
                raise NotInForceError(f"{book.name}.{name}", as_of.isoformat(), f"`{book.name}` gives no value of `{name}` for {as_of}")

    def publish(self, decision: Decision, verdict: Verdict, env: dict[str, Value]) -> None:
        """Let later decisions see the outputs: single values, aggregates, or lists."""
        how = decision.aggregation
        for output in decision.outputs:
            name = f"{decision.name}.{output.name}"
            if how is not None and how.applies_to(output):
                env[name] = verdict.outputs[output.name]
            elif decision.for_each is not None and not decision.hit_policy.multi:
                env[name] = self.by_item(verdict, output.name, len(env[_COUNT]))  # type: ignore[arg-type]
            elif decision.hit_policy.multi or decision.for_each is not None:
                env[name] = tuple(i.outputs[output.name] for i in verdict.items)
            else:
                env[name] = verdict.outputs.get(output.name)
        env.pop(_COUNT, None)

    @staticmethod
    def by_item(verdict: Verdict, output: str, count: int) -> tuple[Value, ...]:
        column: list[Value] = [None] * count
        for item in verdict.items:
            column[item.item_number - 1] = item.outputs[output]
        return tuple(column)

    def table(self, decision: Decision, env: dict[str, Value], era: int, level: TraceLevel) -> Verdict:
        """Ask one table; leaves the book's values that it uses in `env`."""
        for name in decision.uses_directly.values:
            if name not in env:
                env[name] = self._values[name](env)
        multi = decision.hit_policy.multi
        grid = self.program.grid(decision.name, era)
        if decision.for_each is None:
            verdict = self.once(decision, grid, env, era, level, 0)
        else:
            source = self._sources[decision.name](env) or ()
            verdict = Verdict(Outcome.DECIDED, {}, [], [], [])
            inner = dict(env)
            for number, item in enumerate(source, 1):
                inner[decision.for_each.item] = item
                one = self.once(decision, grid, inner, era, level, number)
                verdict.items.extend(one.items)
                verdict.selected.extend(one.selected)
                verdict.tables.extend(one.tables)
            env[_COUNT] = tuple(source)
        if decision.aggregation is not None:
            how = decision.aggregation
            verdict.settled = None
            verdict.outputs = {
                o.name: aggregate(how, o, [i.outputs[o.name] for i in verdict.items]) for o in decision.outputs if how.applies_to(o)
            }
        if multi and verdict.outcome is not Outcome.DECIDED:
            verdict.outcome, verdict.settled = Outcome.DECIDED, None
        return verdict

    def once(self, decision: Decision, grid: Grid, env: dict[str, Value], era: int, level: TraceLevel, number: int) -> Verdict:
        """Ask a table for one set of facts, or for one item."""
        for name, value_of in self._own[decision.name]:
            env[name] = value_of(env)
        cell = grid.cell(env)
        matched = self.program.match(decision.name, era, cell)
        if level is TraceLevel.NONE and number == 0:
            settled = self._settle(decision, grid, matched, env, era)
            kept = settled if settled.is_kept else None
            return Verdict(settled.outcome, settled.outputs, list(settled.items), list(settled.selected), [], kept)
        chosen, selected, results = self._chosen(decision, grid, matched, env, era)
        single = not decision.hit_policy.multi
        outputs: Mapping[str, Any] = results[0] if single and results and number == 0 else {}
        items = (
            [] if single and number == 0 else [Item(row=r, item_number=number, outputs=o) for r, o in zip(selected, results, strict=True)]
        )
        tables: list[TableTrace] = []
        if level is not TraceLevel.NONE:
            plan = self.plans[decision.name]
            tables.append(
                TableTrace(
                    decision=decision,
                    item_number=number,
                    inputs=plan.inputs(env),
                    parameters=plan.parameters(self.book, era),
                    rows=plan.rows(grid, cell, matched, chosen, env, shown=lambda r: self.worded(r, era), full=level is TraceLevel.FULL),
                    outputs=results[0] if single and results else {},
                    headroom=self.headrooms[decision.name].of(
                        grid, cell, env, era, lambda: self.derived(decision), lambda r: self.worded(r, era)
                    ),
                )
            )
        return Verdict(Outcome.DECIDED if selected else Outcome.NO_MATCH, outputs, items, selected, tables)

    def _chosen(
        self, decision: Decision, grid: Grid, matched: tuple[int, ...], env: Mapping[str, Value], era: int
    ) -> tuple[tuple[int, ...], list[Row], list[Outputs]]:
        """Return the rows that give the answer: by index, with their sentences, and with their outputs."""
        rows = grid.rows
        row_outputs = self.outputs[decision.name]
        made: dict[int, Outputs] = {}

        def outputs_of(index: int) -> Outputs:
            if index not in made:
                made[index] = row_outputs.of(rows[index], env)
            return made[index]

        chosen = choose(f"{self.book.name}.{decision.name}", decision, matched, rows, outputs_of)
        default = decision.default
        if chosen:
            return chosen, [self.worded(rows[i], era) for i in chosen], [outputs_of(i) for i in chosen]
        return chosen, *(([self.worded(default, era)], [row_outputs.of(default, env)]) if default is not None else ([], []))

    # What is settled by the rows that match

    def settled(self, name: str, grid: Grid, era: int) -> dict[tuple[int, ...], Settled]:
        """Return the answers of a table that hang on nothing but the rows that match; `remember` adds to them."""
        found = self._settled.get((name, era))
        if found is None or found[0] is not grid:
            found = self._settled[name, era] = (grid, {})
        return found[1]

    def answer(self, decision: Decision, grid: Grid, matched: tuple[int, ...], env: Mapping[str, Value], era: int) -> Settled:
        """Answer for one set of facts, without a trace.

        Args:
            env: what the outputs of the rows read
        Raises:
            ConflictError: rows conflict under the hit policy
            FormulaError: from an output
        """
        _, selected, results = self._chosen(decision, grid, matched, env, era)
        outcome = Outcome.DECIDED if selected else Outcome.NO_MATCH
        if decision.hit_policy.multi:
            items = tuple([Item(row=r, item_number=0, outputs=o) for r, o in zip(selected, results, strict=True)])
            return Settled(outcome, {}, items, tuple(selected))
        return Settled(outcome, results[0] if results else {}, (), tuple(selected))

    def remember(self, known: dict[tuple[int, ...], Settled], matched: tuple[int, ...], answer: Settled) -> Settled:
        """Keep an answer that hangs on nothing but the rows that match, and return it."""
        if len(known) >= MAX_SETTLED:
            known.clear()
        kept = known[matched] = replace(answer, is_kept=True)
        return kept

    def _settle(self, decision: Decision, grid: Grid, matched: tuple[int, ...], env: Mapping[str, Value], era: int) -> Settled:
        known = self.settled(decision.name, grid, era)
        found = known.get(matched)
        if found is not None:
            return found
        found = self.answer(decision, grid, matched, env, era)
        if self.outputs[decision.name].constant.keys() >= {grid.rows[i].id for i in matched} | {r.id for r in found.selected}:
            return self.remember(known, matched, found)
        return found

    def derived(self, decision: Decision) -> tuple[Derived, ...]:
        """Return the values that a table may use, with how each is computed, in the order in which they are."""
        book = self.book
        shared = [(v, self._values[v.name]) for v in book.values if v.name in decision.uses_directly.values]
        own = zip(decision.values, (read for _, read in self._own[decision.name]), strict=True)
        return tuple((v.name, v.formula, read) for v, read in (*shared, *own))


# Not a name that a book can hold: how many items the last table over a list had.
_COUNT = "#items"

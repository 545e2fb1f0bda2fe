"""Why: what a table looked at and what became of each row, read off the very run that answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from policybook.cells.grid import Grid
from policybook.errors import EngineError
from policybook.model import formula as m
from policybook.model.answer import CellVerdict, NamedValue, RowVerdict, UsedParameter, Verdict
from policybook.model.book import Book, Decision, HitPolicy, Row
from policybook.model.calendar import Place
from policybook.model.evaluate import evaluate
from policybook.model.formula import Ref, Role
from policybook.model.kinds import NO_TEXT, Kind, Text
from policybook.values import Value


@dataclass(frozen=True)
class TracePlan:
    """What to show of one table, prepared once: (name, kind, title, unit) of each value it looks at.

    Args:
        names: all that the table, its headroom and its outputs may read
    """

    shown: tuple[tuple[str, Kind, Text, Text], ...]
    names: tuple[str, ...]
    decision: Decision
    zone: Place
    _parameters: dict[int, tuple[UsedParameter, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, book: Book, decision: Decision) -> TracePlan:
        """Prepare the plan of a decision."""
        shown: dict[str, tuple[Kind, Text, Text]] = {}
        for name in decision.uses_directly.inputs:
            declared = book.input_by_name[name]
            shown[name] = (declared.kind, declared.title, declared.unit)
        for name in decision.uses_directly.values:
            value = book.value_by_name[name]
            shown[name] = (value.kind, value.title, value.unit)
        all_refs = _refs(book, decision)
        for ref in all_refs:
            if ref.role is Role.OUTPUT:
                required, _, output_name = ref.name.partition(".")
                output = book.decision_by_name[required].output(output_name)
                shown[ref.name] = (ref.kind, output.title if output else NO_TEXT, output.unit if output else NO_TEXT)
            elif ref.role in (Role.ITEM, Role.BUILT_IN):
                shown[ref.name] = (ref.kind, NO_TEXT, NO_TEXT)
        for local in decision.values:
            shown[local.name] = (local.kind, local.title, local.unit)
        names = dict.fromkeys((*shown, *(r.name for r in all_refs)))
        return cls(tuple((n, *rest) for n, rest in shown.items()), tuple(names), decision, book.zone)

    def inputs(self, env: Mapping[str, Value]) -> tuple[NamedValue, ...]:
        """Return what the table looked at."""
        # A third of the time of NamedValue(...); a trace has dozens.
        new = tuple.__new__
        return tuple([new(NamedValue, (n, kind, title, unit, env.get(n))) for n, kind, title, unit in self.shown])

    def parameters(self, book: Book, era: int) -> tuple[UsedParameter, ...]:
        """Return the figures that the table uses, as they stand in an era."""
        found = self._parameters.get(era)
        if found is None:
            day = book.era_day(era)
            used = []
            for name in self.decision.uses_directly.parameters:
                parameter = book.parameter_by_name[name]
                dated = parameter.on(day)
                if dated is not None:
                    used.append(UsedParameter(parameter=parameter, value=dated.value, since=dated.effective.start))
            found = self._parameters[era] = tuple(used)
        return found

    def rows(
        self,
        grid: Grid,
        cell: tuple[int, ...],
        matched: tuple[int, ...],
        chosen: tuple[int, ...],
        env: Mapping[str, Value],
        *,
        shown: Callable[[Row], Row],
        full: bool,
    ) -> tuple[RowVerdict, ...]:
        """Say what became of each row.

        Args:
            shown: a row -> the row with its sentence worded for the day
            full: every row in force with its cells; else only those that matched
        Raises:
            EngineError: the cells of a row say otherwise than the engine did
        """
        selected, hit = frozenset(chosen), frozenset(matched)
        default = self.decision.default
        out: list[RowVerdict] = []
        if not full:
            for i in matched:
                verdict = Verdict.SELECTED if i in selected else Verdict.OUTRANKED
                out += [RowVerdict(row=shown(grid.rows[i]), verdict=verdict)]
            if not matched and default is not None:
                out.append(RowVerdict(row=shown(default), verdict=Verdict.SELECTED))
            return tuple(out)
        decided_at = chosen[0] if chosen and self.decision.hit_policy is HitPolicy.FIRST else None
        for i, row in enumerate(grid.rows):
            if grid.row_passed(i, cell) != (i in hit):
                raise EngineError(f"the engine and the cells of row `{row.id}` of `{self.decision.name}` disagree on {cell}")
            if i in selected:
                verdict = Verdict.SELECTED
            elif i in hit:
                verdict = Verdict.OUTRANKED
            elif decided_at is not None and i > decided_at:
                verdict = Verdict.NOT_REACHED
            else:
                verdict = Verdict.NOT_MATCHED
            cells = tuple(
                CellVerdict(
                    key=c.key,
                    test=c.text,
                    kind=c.subject.kind,
                    actual=evaluate(c.subject, env, self.zone),
                    passed=grid.cell_passed(i, j, cell),
                    span=c.span,
                )
                for j, c in enumerate(row.cells)
            )
            out.append(RowVerdict(row=shown(row), verdict=verdict, cells=cells))
        if default is not None:
            out.append(RowVerdict(row=shown(default), verdict=Verdict.NOT_REACHED if matched else Verdict.SELECTED))
        return tuple(out)


def _refs(book: Book, decision: Decision) -> list[Ref]:
    formulas: list[m.Formula] = [v.formula for v in decision.values]
    formulas += [book.value_by_name[v].formula for v in decision.uses_directly.values]
    for row in decision.all_rows:
        for cell in row.cells:
            formulas.append(cell.subject)
            formulas.extend(m.test_formulas(cell.test))
        formulas.extend(o.formula for o in row.outputs)
    return [r for f in formulas for r in m.refs(f)]

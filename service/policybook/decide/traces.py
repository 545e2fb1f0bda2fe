"""The traces of many requests: what a table looked at is traced once for each different combination of it.

INVARIANT: the trace of a row is the one that `Decider.decide` makes of it alone, at TraceLevel.MATCHED.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from policybook.cells.grid import Cell
from policybook.cells.vectors import Codes, Mask, combined
from policybook.decide.chain import Decider, Settled
from policybook.decide.columns import Asked
from policybook.errors import PolicybookError
from policybook.model.answer import NamedValue, RowVerdict, TableTrace
from policybook.model.faults import FormulaError
from policybook.values import Value


def traces(decider: Decider, asked: Sequence[Asked], left: Codes, size: int) -> tuple[list[tuple[TableTrace, ...]], set[int]]:
    """Return the trace of each request, and the requests whose trace cannot be told here.

    Args:
        left: requests of which nothing is to be told
        size: how many requests there are
    """
    out: list[list[TableTrace]] = [[] for _ in range(size)]
    untold: set[int] = set()
    for one in asked:
        parents = range(size) if one.parents is None else one.parents.tolist()
        skipped = np.zeros(size, dtype=np.bool_)
        skipped[left] = True
        skipped = skipped if one.parents is None else skipped[one.parents]
        for parent, table in zip(parents, _Table(decider, one).traced(skipped), strict=True):
            if table is None:
                untold.add(parent)
            else:
                out[parent].append(table)
    return [tuple(tables) for tables in out], untold.difference(left.tolist())


class _Table:
    """The traces of one table."""

    def __init__(self, decider: Decider, asked: Asked) -> None:
        self.decider = decider
        self.asked = asked
        decision = asked.decision
        self.plan = decider.plans[decision.name]
        self.headrooms = decider.headrooms[decision.name]
        self.parameters = self.plan.parameters(decider.book, asked.era)
        self.index_of = {row.id: i for i, row in enumerate(asked.grid.rows)}
        self._rows: dict[tuple[int, int], tuple[RowVerdict, ...]] = {}
        self._named: dict[tuple[str, int], NamedValue] = {}

    def traced(self, skipped: Mask) -> list[TableTrace | None]:
        """Return the trace of each row of the frame; None where there is none, or it is not told here."""
        asked = self.asked
        frame, names = asked.frame, self.plan.names
        columns = [frame.coded(name) for name in names]
        numbers_in_list = _numbers_in_list(asked.parents, frame.size)
        most = int(numbers_in_list.max(initial=0)) + 1
        # What other rows that are left look at, nobody asks.
        skip = skipped | frame.left
        parts = [(c.codes, len(c.values)) for c in columns]
        numbers, _ = combined([*parts, (numbers_in_list, most)], frame.size)
        made: dict[int, TableTrace | None] = {}
        out: list[TableTrace | None] = []
        codes = [c.codes for c in columns]
        for row, (number, no) in enumerate(zip(numbers.tolist(), skip.tolist(), strict=True)):
            if no:
                out.append(None)
                continue
            if number not in made:
                at = [int(c[row]) for c in codes]
                env = {name: column.values[code] for name, column, code in zip(names, columns, at, strict=True)}
                known = dict(zip(names, at, strict=True))
                made[number] = self._one(row, int(numbers_in_list[row]), env, known)
            out.append(made[number])
        return out

    def _one(self, row: int, number: int, env: dict[str, Value], codes: Mapping[str, int]) -> TableTrace | None:
        asked, decider = self.asked, self.decider
        decision, grid, era = asked.decision, asked.grid, asked.era
        place = int(asked.numbers[row])
        cell = asked.cells[place]
        settled = asked.made.at(row)
        try:
            headroom = self.headrooms.of(grid, cell, env, era, lambda: decider.derived(decision), lambda r: decider.worded(r, era))
        except (FormulaError, PolicybookError):
            # What that means is found out where the request is decided alone.
            return None
        return TableTrace(
            decision=decision,
            item_number=number,
            inputs=self._inputs(env, codes),
            parameters=self.parameters,
            rows=self._verdicts(place, int(asked.made.group[row]), cell, settled),
            outputs={} if decision.hit_policy.multi else settled.outputs,
            headroom=headroom,
        )

    def _inputs(self, env: Mapping[str, Value], codes: Mapping[str, int]) -> tuple[NamedValue, ...]:
        """Return what the table looked at; the same value is the same object."""
        out = []
        for name, kind, title, unit in self.plan.shown:
            key = (name, codes[name])
            found = self._named.get(key)
            if found is None:
                found = self._named[key] = NamedValue(name, kind, title, unit, env[name])
            out.append(found)
        return tuple(out)

    def _verdicts(self, place: int, group: int, cell: Cell, settled: Settled) -> tuple[RowVerdict, ...]:
        """Return what became of the rows that matched; in one cell, with one answer, it is the same object."""
        found = self._rows.get((place, group))
        if found is None:
            asked, decider = self.asked, self.decider
            matched = decider.program.match(asked.decision.name, asked.era, cell)
            # Those that gave the answer; the default is none of the rows.
            chosen = tuple([self.index_of[r.id] for r in settled.selected if r.id in self.index_of])
            found = self._rows[place, group] = self.plan.rows(
                asked.grid, cell, matched, chosen, {}, shown=lambda r: decider.worded(r, asked.era), full=False
            )
        return found


def _numbers_in_list(parents: Codes | None, size: int) -> Codes:
    """Return for each row which item of its list it is, from 1; 0 where rows are requests."""
    if parents is None or not size:
        return np.zeros(size, dtype=np.intp)
    starts = np.flatnonzero(np.concatenate(([True], parents[1:] != parents[:-1])))
    lengths = np.diff(np.concatenate((starts, [size])))
    return np.arange(size, dtype=np.intp) - np.repeat(starts, lengths) + 1

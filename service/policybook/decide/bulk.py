"""Columns in, columns out: the facts of many requests read, decided by columns, and one by one where columns do not tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from policybook.cells.coerce import MAX_FACTS, coerce
from policybook.cells.frame import Frame
from policybook.cells.stated import Column, ColumnReader, stated_at
from policybook.cells.vectors import Coded, Mask, Vector
from policybook.decide.chain import Decider, Settled, Verdict
from policybook.decide.columns import NO_ANSWER, Asked, ColumnDecider, Many, Moments, published
from policybook.decide.near import Seen
from policybook.decide.traces import traces
from policybook.errors import PolicybookError
from policybook.model.answer import TableTrace, TraceLevel
from policybook.model.book import Decision
from policybook.model.facts import RAW_NULL, Raw, RawFacts
from policybook.values import Value


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColumnAnswers:
    """What a decision answers to each row of columns.

    Args:
        errors: by row, why it has no answer
    """

    policy: str
    decision: Decision
    version: str
    currency: str
    as_of: date
    decided_at: datetime
    many: Many
    errors: Mapping[int, PolicybookError]

    def __len__(self) -> int:
        return self.many.size

    def answer(self, row: int) -> Settled:
        """Return the whole answer to one row.

        Raises:
            PolicybookError: it has none, and why
        """
        if row in self.errors:
            raise self.errors[row]
        return self.many.at(row)

    def output(self, name: str) -> Vector:
        """Return a column of one output: single values or aggregates, else lists; null where there is no answer.

        Raises:
            KeyError: the decision has no such output
        """
        field = self.decision.output(name)
        if field is None:
            raise KeyError(name)
        return published(self.decision, self.many, field)

    @property
    def outputs(self) -> dict[str, Vector]:
        """All outputs, as `output` gives them."""
        return {o.name: self.output(o.name) for o in self.decision.outputs}

    @property
    def row_ids(self) -> Coded:
        """For each row the ids of the table's rows that gave the answer, in the order of the hit policy."""
        return Coded(self.many.group, [tuple([r.id for r in s.selected]) for s in self.many.settled])


class Bulk:
    """Decides many requests of one book. Holds nothing of them: any number of threads may share it."""

    def __init__(self, decider: Decider) -> None:
        self.decider = decider
        self.book = decider.book
        self._columns = ColumnDecider(decider)
        self._reader = ColumnReader(decider.coercer)

    def by_columns(
        self,
        decision: Decision,
        columns: Mapping[str, Column],
        as_of: date,
        now: datetime,
        size: int,
        moments: Moments | None = None,
    ) -> tuple[Many, dict[int, PolicybookError]]:
        """Decide rows of columns; returns the answers, and by row why there is none.

        Args:
            moments: the day and the instant of each row, where they differ; all of the era of `as_of`
        Raises:
            RequestError: a column is no column
            FactsError: a column has no name of an input
        """
        inputs = self.book.input_by_name
        if any(name not in inputs for name in columns):
            coerce(dict.fromkeys(columns, RAW_NULL), self.book, decision)

        def facts_of(row: int) -> dict[str, Raw]:
            stated = {name: stated_at(column, row, inputs[name]) for name, column in columns.items()}
            return {name: raw for name, raw in stated.items() if raw is not None}

        facts: dict[str, Vector] = {}
        bad = np.zeros(size, dtype=np.bool_)
        for field in self.book.inputs:
            column = columns.get(field.name)
            if column is not None:
                facts[field.name], faults = self._reader.read(column, field, size, needed=field.name in decision.uses.inputs)
            elif field.name in decision.uses.inputs:
                facts[field.name], faults = self._reader.absent(field, size)
            else:
                continue
            if faults is not None:
                bad |= faults
        return self._decided(decision, facts, bad, as_of, now, facts_of, moments=moments)

    def by_facts(
        self,
        decision: Decision,
        requests: Sequence[RawFacts],
        as_of: date,
        now: datetime,
        tables: list[tuple[TableTrace, ...]] | None = None,
        seen: Seen | None = None,
    ) -> tuple[Many, dict[int, PolicybookError]]:
        """Decide requests; returns the answers, and by request why there is none.

        Args:
            tables: gets the trace of each request, as at TraceLevel.MATCHED
            seen: gets on what they were decided
        """
        size = len(requests)
        used = frozenset(decision.uses.inputs)
        named = set().union(*requests)
        bad = np.zeros(size, dtype=np.bool_)
        if not named <= self.book.input_by_name.keys() or max(map(len, requests), default=0) > MAX_FACTS:
            known = self.book.input_by_name
            bad |= np.fromiter((len(f) > MAX_FACTS or any(n not in known for n in f) for f in requests), np.bool_, size)
        facts: dict[str, Vector] = {}
        for field in self.book.inputs:
            name = field.name
            if name in named:
                facts[name], faults = self._reader.raws([f.get(name) for f in requests], field, needed=name in used)
            elif name in used:
                facts[name], faults = self._reader.absent(field, size)
            else:
                continue
            if faults is not None:
                bad |= faults
        return self._decided(decision, facts, bad, as_of, now, requests.__getitem__, tables=tables, seen=seen)

    def _decided(
        self,
        decision: Decision,
        facts: dict[str, Vector],
        bad: Mask,
        as_of: date,
        now: datetime,
        facts_of: Callable[[int], RawFacts],
        *,
        moments: Moments | None = None,
        tables: list[tuple[TableTrace, ...]] | None = None,
        seen: Seen | None = None,
    ) -> tuple[Many, dict[int, PolicybookError]]:
        size = len(bad)
        many = Many(size, np.zeros(size, dtype=np.intp), (NO_ANSWER,), {}, None, np.ones(size, dtype=np.bool_))
        plain = np.flatnonzero(~bad)
        traced: list[tuple[TableTrace, ...]] = [()] * (0 if tables is None else size)
        if len(plain):
            kept = facts if len(plain) == size else {name: vector.take(plain) for name, vector in facts.items()}
            asked: list[Asked] | None = None if tables is None else []
            frames: list[Frame] | None = None if seen is None else []
            try:
                of_kept = moments if moments is None or len(plain) == size else moments.take(plain)
                made = self._columns.decide(decision, kept, as_of, now, len(plain), moments=of_kept, asked=asked, frames=frames)
            except PolicybookError:
                # Not in force, or the engine refused a cell: what that means for each row is found out there.
                pass
            else:
                if asked is not None:
                    told, untold = traces(self.decider, asked, np.flatnonzero(made.left), len(plain))
                    made.left[list(untold)] = True
                    for row, own in zip(plain.tolist(), told, strict=True):
                        traced[row] = own
                if seen is not None and frames:
                    seen.frame, seen.stays = frames[0], ~made.left
                many = made if len(plain) == size else made.among(plain, size)
        answers: dict[int, Settled] = {}
        errors: dict[int, PolicybookError] = {}
        for row in np.flatnonzero(many.left).tolist():
            try:
                day, instant = (as_of, now) if moments is None else moments.at(row)
                level = TraceLevel.NONE if tables is None else TraceLevel.MATCHED
                verdict = self._alone(decision, facts_of(row), day, instant, level)
            except PolicybookError as e:
                errors[row] = e
            else:
                answers[row] = _settled(verdict)
                if tables is not None:
                    traced[row] = tuple(verdict.tables)
                if seen is not None and verdict.env is not None:
                    seen.envs.append(verdict.env)
        if tables is not None:
            tables += traced
        return many.with_answers(answers) if many.left.any() else many, errors

    def _alone(self, decision: Decision, raw: RawFacts, as_of: date, now: datetime, level: TraceLevel) -> Verdict:
        facts: dict[str, Value] = self.decider.coercer.facts(raw, decision)
        return self.decider.decide(decision, facts, as_of, now, level)


def _settled(verdict: Verdict) -> Settled:
    # As many as the items reach: what a list has beyond them nobody asks of an answer.
    count = max((i.item_number for i in verdict.items), default=0)
    return Settled(verdict.outcome, verdict.outputs, tuple(verdict.items), tuple(verdict.selected), count)

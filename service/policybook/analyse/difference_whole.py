"""One decision in two versions, the decisions it requires included, as a question to the solver.

Where a required decision differs, what follows from that is found here: which rows answered before and which answer now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from policybook.analyse.boxes import Budget
from policybook.analyse.difference_joint import Joint
from policybook.analyse.difference_table import Both, Questions
from policybook.analyse.inquiry import IMPOSSIBLE, Asking, Found, Inquiry, Undecided
from policybook.analyse.reading import Asked, Reading, Table
from policybook.analyse.symbols import Cond, Solver
from policybook.decide.chain import Verdict
from policybook.errors import ConflictError, PolicybookError
from policybook.model.answer import RowVerdict, TraceLevel
from policybook.model.answer import Verdict as Became
from policybook.model.book import Decision

# The rows that answer, by id; `CONFLICT` where rows conflict.
Chosen: TypeAlias = tuple[str, ...]
CONFLICT: Chosen = ("conflict",)
# More pairs than these are not asked for one by one.
_MANY = 200
Condition: TypeAlias = Callable[[Reading], Cond]


@dataclass(frozen=True, slots=True)
class Change:
    """A request that differs, and the rows that answer in it: (before, after) for each time the table is asked and differs."""

    asking: Asking
    rows: tuple[tuple[Chosen, Chosen], ...]


class Whole:
    """Asks the solver about a decision that a joint book holds twice.

    Args:
        joint: doubles the decision itself
        before, after: the two, of the joint book
        given: of the requests that are looked at
    """

    def __init__(self, joint: Joint, before: Decision, after: Decision, questions: Questions, given: Condition | None) -> None:
        self.joint = joint
        self.before, self.after = before, after
        self.questions = questions
        self.given = given
        self._tables: dict[int, tuple[Table, Table]] = {}

    @property
    def is_paired(self) -> bool:
        """Whether both are asked for the same elements, so that rows can be set against each other."""
        a, b = self.before, self.after
        if (a.for_each is None) != (b.for_each is None):
            return False
        if a.for_each is None or b.for_each is None:
            return True
        return a.for_each.source == b.for_each.source and not a.hit_policy.multi

    def stages(self) -> Iterator[Inquiry]:
        q = self.questions
        first = q.on(q.days[0])
        self.tables(first)
        yield first
        if first.is_dated:
            yield from (q.on(day) for day in q.days[1:])
            yield q.on(None)
        if first.is_loose:
            yield q.proved

    def tables(self, inquiry: Inquiry) -> tuple[Table, Table]:
        found = self._tables.get(id(inquiry))
        if found is None:
            lead = inquiry.lead
            found = self._tables[id(inquiry)] = (lead.asked_without_axiom(self.before), lead.asked_without_axiom(self.after))
        return found

    def find(self, both: Both) -> Found:
        """Find a request that the versions decide differently."""
        undecided: Undecided | None = None
        for inquiry in self.stages():
            found = inquiry.find(self._differ(inquiry), both.differ)
            if isinstance(found, Asking):
                return found
            if isinstance(found, Undecided):
                undecided = found if inquiry is not self.questions.proved else undecided
            elif _is_final(inquiry):
                return IMPOSSIBLE
        return undecided or Undecided("only longer lists could do it")

    def changes(self, both: Both, budget: Budget) -> Iterator[Change | Undecided]:
        """Yield requests until every pair of rows that can come about has been seen; last, why more may be left."""
        seen: dict[tuple[Chosen, Chosen], None] = {}
        undecided: Undecided | None = None
        for inquiry in self.stages():
            all_impossible = True
            for k in range(len(self._views(inquiry))):
                while True:
                    if not budget.spend() or len(seen) >= _MANY:
                        yield Undecided("the time or the number of boxes allowed was used up")
                        return
                    found = inquiry.find(self._differ_at(inquiry, k, seen), both.differ)
                    if not isinstance(found, Asking):
                        break
                    rows = tuple(pair for pair in self._rows(both, found) if pair not in seen)
                    if not rows:
                        found = Undecided("no request could be made of the solution")
                        break
                    seen.update(dict.fromkeys(rows))
                    yield Change(found, rows)
                if isinstance(found, Undecided):
                    all_impossible = False
                    undecided = found if inquiry is not self.questions.proved else undecided
            if all_impossible and _is_final(inquiry):
                return
        yield undecided or Undecided("only longer lists could do it")

    # Conditions

    def _given(self, inquiry: Inquiry) -> Cond:
        return True if self.given is None else self.given(inquiry.lead)

    def _differ(self, inquiry: Inquiry) -> Cond:
        """Tell that the answers differ, whatever the shape."""
        s = inquiry.solver
        a, b = self.tables(inquiry)
        shared = [n for n in a.published if n in b.published]
        outputs = s.any(*(s.no(s.equal(a.published[n], b.published[n])) for n in shared))
        if self.before.for_each is None and not self.before.hit_policy.multi and not self.after.hit_policy.multi:
            outputs = s.any(outputs, s.no(s.same(a.asked[0].decided, b.asked[0].decided)))
        return s.all(self._given(inquiry), _either_conflict(s, a.conflict, b.conflict, outputs))

    def _views(self, inquiry: Inquiry) -> list[tuple[Cond, Asked, Asked]]:
        a, b = self.tables(inquiry)
        out = list(zip(a.here, a.asked, b.asked, strict=True))
        return [*out, (True, a.rest, b.rest)] if a.rest is not None and b.rest is not None else out

    def _differ_at(self, inquiry: Inquiry, k: int, seen: dict[tuple[Chosen, Chosen], None]) -> Cond:
        s = inquiry.solver
        here, a, b = self._views(inquiry)[k]
        if self.before.for_each is None:
            differ = self._differ(inquiry)
        else:
            shared = [n for n in a.outputs if n in b.outputs]
            outputs = s.any(*(s.no(s.equal(a.outputs[n], b.outputs[n])) for n in shared), s.no(s.same(a.decided, b.decided)))
            differ = s.all(self._given(inquiry), _either_conflict(s, a.conflict, b.conflict, outputs))
        fresh = [s.no(s.all(self._chose(s, a, x, self.before), self._chose(s, b, y, self.after))) for x, y in seen]
        return s.all(here, differ, *fresh)

    @staticmethod
    def _chose(s: Solver, asked: Asked, chosen: Chosen, decision: Decision) -> Cond:
        """Tell that some rows, and no others, answer."""
        if chosen == CONFLICT:
            return asked.conflict
        default = decision.default.id if decision.default else None
        parts = [s.no(asked.conflict)]
        for row, selected in zip(asked.rows, asked.selected, strict=True):
            if row.id in chosen:
                parts.append(selected)
            elif decision.hit_policy.multi or not chosen:
                parts.append(s.no(selected))
        if default is not None and default in chosen:
            parts.append(asked.by_default)
        return s.all(*parts)

    def _rows(self, both: Both, asking: Asking) -> Iterator[tuple[Chosen, Chosen]]:
        """Yield the rows that answer, each time that the table is asked and the answers differ."""
        before, after = both.verdicts(asking, TraceLevel.MATCHED)
        if isinstance(before, PolicybookError) or isinstance(after, PolicybookError):
            pair = _refused(before, both.before), _refused(after, both.after)
            if self.before.for_each is None and pair[0] is not None and pair[1] is not None:
                yield pair[0], pair[1]
            return
        mine = {t.item_number: t for t in before.tables if t.decision.name == both.before.name}
        theirs = {t.item_number: t for t in after.tables if t.decision.name == both.after.name}
        for number, t in mine.items():
            other = theirs.get(number)
            if other is None:
                continue
            pair = _chosen(t.rows), _chosen(other.rows)
            same = all(t.outputs.get(n) == other.outputs.get(n) for n in both.shared) and bool(pair[0]) == bool(pair[1])
            if self.before.for_each is None or not same:
                yield pair


def _either_conflict(s: Solver, a: Cond, b: Cond, differ: Cond) -> Cond:
    return s.any(s.no(s.same(a, b)), s.all(s.no(a), s.no(b), differ))


def _refused(verdict: Verdict | PolicybookError, decision: Decision) -> Chosen | None:
    """Return the rows that answer, or that they conflict; None when the request is refused for another reason."""
    if isinstance(verdict, ConflictError):
        return CONFLICT if verdict.decision.rpartition(".")[2] == decision.name else None
    if isinstance(verdict, PolicybookError):
        return None
    return tuple(r.id for r in verdict.selected)


def _chosen(rows: Sequence[RowVerdict]) -> Chosen:
    return tuple(r.row.id for r in rows if r.verdict is Became.SELECTED)


def _is_final(inquiry: Inquiry) -> bool:
    return not inquiry.is_loose and (inquiry.lead.as_of is None or not inquiry.is_dated)

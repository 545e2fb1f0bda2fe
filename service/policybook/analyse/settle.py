"""A request decided by the real decider, with everything else that an invariant reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from policybook.analyse.space import Judge
from policybook.decide.chain import Verdict
from policybook.errors import PolicybookError
from policybook.model.answer import Outcome, TraceLevel
from policybook.model.book import Cell, Decision, Invariant
from policybook.model.evaluate import evaluate, passes
from policybook.model.faults import FormulaError
from policybook.model.formula import Formula, Role, refs
from policybook.values import Value

Env = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer that an invariant may speak of.

    Args:
        env: what stood beside it, the item of a list included
        value: None also where no row matched
        rows: that gave it
        item: number of the list's element, from 1; 0: the table is no table over a list, or all of it is meant
    """

    env: Env
    value: Value
    rows: tuple[str, ...]
    item: int
    decided: bool = True


@dataclass(frozen=True, slots=True)
class Settled:
    """A decided request."""

    judge: Judge
    decision: Decision
    verdict: Verdict
    env: Env

    def whole(self, output: str) -> Answered:
        """Return what is compared as one: the answer, the aggregate, or all items as a list."""
        decision, verdict = self.decision, self.verdict
        rows = tuple(r.id for r in verdict.selected)
        if decision.aggregation is not None and output in verdict.outputs:
            return Answered(self.env, verdict.outputs[output], rows, 0)
        if decision.hit_policy.multi:
            return Answered(self.env, tuple(i.outputs[output] for i in verdict.items), rows, 0)
        return Answered(self.env, verdict.outputs.get(output), rows, 0, decided=verdict.outcome is Outcome.DECIDED)

    def each(self, output: str) -> Iterator[Answered]:
        """Yield the answers one by one: of each element of a list, of each row that answered."""
        if self.decision.for_each is None and not self.decision.hit_policy.multi:
            answered = self.whole(output)
            if answered.decided:
                yield answered
            return
        envs: dict[int, Env] = {}
        for item in self.verdict.items:
            env = envs.setdefault(item.item_number, self._beside(item.item_number))
            yield Answered(env, item.outputs[output], (item.row.id,), item.item_number)

    def _beside(self, number: int) -> Env:
        each = self.decision.for_each
        if each is None:
            return self.env
        zone = self.judge.book.zone
        source = evaluate(each.source, self.env, zone)
        env = {**self.env, each.item: source[number - 1]}
        for value in self.decision.values:
            env[value.name] = evaluate(value.formula, env, zone)
        return env

    def speaks(self, where: tuple[Cell, ...], env: Env) -> bool:
        """Tell whether all tests pass."""
        zone = self.judge.book.zone
        return all(passes(cell.test, evaluate(cell.subject, env, zone), env, zone) for cell in where)


def settle(
    judge: Judge, decision: Decision, invariant: Invariant, facts: Mapping[str, Value], as_of: date, now: datetime
) -> Settled | None:
    """Decide what an invariant reads; None when the request is refused."""
    book, decider = judge.book, judge.decider
    era = book.era(as_of)
    env: dict[str, Value] = {**decider.figures(era), **facts, "as_of": as_of, "now": now}
    own: Verdict | None = None
    try:
        decider.check_in_force(decision, as_of, era)
        for name in invariant.uses.decisions:
            required = book.decision_by_name[name]
            verdict = decider.table(required, env, era, TraceLevel.MATCHED)
            own = verdict if name == decision.name else own
            decider.publish(required, verdict, env)
        for value in book.values:
            if value.name in invariant.uses.values and value.name not in env:
                env[value.name] = evaluate(value.formula, env, book.zone)
        if decision.for_each is None:
            # Another table may have a value of the same name.
            for value in decision.values:
                env[value.name] = evaluate(value.formula, env, book.zone)
    except (PolicybookError, FormulaError):
        return None
    return None if own is None else Settled(judge, decision, own, env)


def reads_item(decision: Decision, formulas: Iterator[Formula]) -> bool:
    """Tell whether formulas read the item of a decision's list, directly or by its values."""
    own = {v.name: v.formula for v in decision.values}
    pending = list(formulas)
    while pending:
        for ref in refs(pending.pop()):
            if ref.role is Role.ITEM:
                return True
            if ref.role is Role.VALUE and ref.name in own:
                pending.append(own[ref.name])
    return False

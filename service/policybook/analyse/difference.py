"""What a change of a book does: which requests two versions decide otherwise, exactly."""

from __future__ import annotations

from collections.abc import Callable

from policybook.analyse.boxes import Budget
from policybook.analyse.difference_joint import Joint, Period, joined
from policybook.analyse.difference_table import Both, Questions, Tables
from policybook.analyse.inquiry import IMPOSSIBLE, Asking, Found, Undecided
from policybook.analyse.space import Judge
from policybook.errors import NotInForceError
from policybook.model.book import Book, Decision


class Comparer:
    """Compares changed copies of one book's tables with the tables themselves; keeps what the comparisons share.

    Args:
        judge: of the book
    """

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.book = judge.book
        self._joints = tuple(joined(self.book, self.book, p, frozenset()) for p in periods(self.book, self.book))
        self._questions: dict[tuple[str, int], Questions] = {}

    def compare(self, changed: Decision, judge: Callable[[], Judge], budget: Budget | None = None) -> Found:
        """Tell whether a changed table decides every request as the table of its name does.

        Args:
            changed: rows and default may be others, with the same inputs, values and outputs
            judge: makes the judge of the changed book; called when there is a request to try

        Returns:
            a request that both decide, differently; `Impossible`: they decide all alike; `Undecided`: why that is not known
        """
        mine = self.book.decision_by_name[changed.name]
        budget = budget or Budget()
        undecided: Undecided | None = None
        both: Both | None = None
        for i, joint in enumerate(self._joints):
            if not is_in_force(self.judge, mine, joint.period):
                continue
            tables = Tables(joint, mine, changed, self._ask(mine, i, joint), self.judge)
            if tables.is_same_text:
                continue
            if tables.why_not:
                undecided = Undecided(tables.why_not)
                continue
            split = tables.split(budget)
            if not split.is_whole:
                undecided = Undecided("the time or the number of boxes allowed was used up")
            for pair, boxes in tables.differing(split).items():
                both = both or Both(self.judge, judge(), mine, changed)
                found = tables.first(pair, boxes, both, budget)
                if isinstance(found, Asking):
                    return found
                if isinstance(found, Undecided):
                    undecided = found
        return undecided or IMPOSSIBLE

    def _ask(self, decision: Decision, i: int, joint: Joint) -> Questions:
        found = self._questions.get((decision.name, i))
        if found is None:
            found = self._questions[decision.name, i] = Questions(joint, decision.uses.inputs)
        return found


def periods(old: Book, new: Book) -> tuple[Period, ...]:
    """Return the stretches of days in which neither version changes, ascending."""
    from datetime import timedelta  # noqa: PLC0415

    changes = sorted({*old.change_dates, *new.change_dates})
    starts = [None, *changes]
    ends = [*(day - timedelta(days=1) for day in changes), None]
    return tuple(Period(a, b) for a, b in zip(starts, ends, strict=True))


def is_in_force(judge: Judge, decision: Decision, period: Period) -> bool:
    """Tell whether a decision can be made on the days of a stretch."""
    try:
        judge.decider.check_in_force(decision, period.day, judge.book.era(period.day))
    except NotInForceError:
        return False
    return True

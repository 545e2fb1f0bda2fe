"""What a change of a book does: which requests two versions decide otherwise, exactly.

Decision by decision, required ones first, for each stretch of days in which neither version changes. What a table's own rows
and formulas do is told apart from what follows for it from a required decision that differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

from policybook.analyse.boxes import Box, Budget, without
from policybook.analyse.difference_faults import risks, same_surroundings
from policybook.analyse.difference_interface import Note, incomparable_inputs, notes, renames
from policybook.analyse.difference_joint import MARK, Joint, Period, joined
from policybook.analyse.difference_outcomes import Outcome
from policybook.analyse.difference_table import Answered, Both, Part, Questions, Tables, Where
from policybook.analyse.difference_whole import Change, Chosen, Whole
from policybook.analyse.inquiry import IMPOSSIBLE, Asking, Found, Impossible, Undecided
from policybook.analyse.reading import Reading, Scope
from policybook.analyse.space import Judge
from policybook.analyse.symbols import Cond
from policybook.cells.axes import Axis
from policybook.cells.words import formula_text
from policybook.errors import NotInForceError
from policybook.model.book import Book, Decision, HitPolicy
from policybook.model.formula import Formula
from policybook.model.kinds import Text

_USED_UP = Text("the time or the number of boxes allowed was used up", "已用尽允许的时间或区域数")


# Notes of these decide nothing wherever they stand.
_TEXTS = frozenset({"text", "output-text"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Requests that the newer version decides otherwise, all from the same answer to the same other answer.

    Args:
        tables: the two versions as one grid
        boxes: of its cells; none: the region has no description but its request
        unsure: of the boxes those of which it is not known whether any such request falls into them
        before, after: as the rows state it; None where the whole answer was compared
        asking: a request in it, confirmed; None: it is not known whether there is one
        answers: what the versions answer to it
        because: required decisions that differ, of which this is a consequence; none: the table itself was changed
    """

    tables: Tables
    boxes: tuple[Box, ...]
    unsure: frozenset[int]
    before: Outcome | None
    after: Outcome | None
    asking: Asking | None
    answers: tuple[Answered, Answered] | None
    because: tuple[str, ...]
    why: str = ""

    @property
    def axes(self) -> tuple[Axis, ...]:
        return self.tables.grid.axes

    @property
    def domain(self) -> Box:
        return self.tables.space.domain

    @property
    def book(self) -> Book:
        """The joint book: the axes name its inputs and decisions."""
        return self.tables.joint.book


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDifference:
    """What became of one decision on some days.

    Args:
        regions: confirmed by a request each
        perhaps: of which it is not known whether a request falls into them
        undecided: what else is not known
        is_partial: the budget was used up: there may be more
    """

    before: Decision
    after: Decision
    periods: tuple[Period, ...]
    regions: tuple[Region, ...]
    perhaps: tuple[Region, ...]
    undecided: tuple[Text, ...]
    is_partial: bool

    @property
    def name(self) -> str:
        return self.after.name

    @property
    def is_none(self) -> bool:
        """Whether it is proved that every request is decided alike."""
        return not (self.regions or self.perhaps or self.undecided or self.is_partial)


@dataclass(frozen=True, kw_only=True)
class BookDifference:
    """What became of a book.

    Args:
        tables: the decisions that differ, or of which that is not known, in the order in which they are decided
        notes: what requests and answers may hold, and what was changed without effect
        skipped: decisions of both that were not compared, since others were asked for
    """

    old: Book
    new: Book
    tables: tuple[TableDifference, ...]
    notes: tuple[Note, ...]
    skipped: tuple[str, ...] = ()

    @cached_property
    def interface(self) -> tuple[Note, ...]:
        """The notes that say what requests or answers may hold otherwise."""
        return tuple(n for n in self.notes if n.decides)

    @cached_property
    def without_effect(self) -> tuple[Note, ...]:
        """The notes of what no answer shows: of decisions that are proved to decide alike, and of names and texts."""
        open_ = {t.name for t in self.tables} | set(self.skipped)
        return tuple(n for n in self.notes if not n.decides and not n.figure and (n.decision not in open_ or n.slug in _TEXTS))

    @cached_property
    def edited(self) -> tuple[Note, ...]:
        """The notes of what was edited in tables that decide otherwise, or of which that is not known."""
        gone = {*self.interface, *self.without_effect}
        return tuple(n for n in self.notes if n not in gone and not n.figure)

    @property
    def differs(self) -> bool:
        """Whether some request is decided otherwise, taken or refused otherwise."""
        return bool(self.interface) or any(t.regions for t in self.tables)

    @property
    def is_partial(self) -> bool:
        return any(t.is_partial for t in self.tables)

    @property
    def is_equivalent(self) -> bool:
        """Whether it is proved that every request to every decision compared is decided alike."""
        return not self.interface and all(t.is_none for t in self.tables)


class Comparison:
    """Two versions of a book, and what was found out about them so far.

    Args:
        budget: for each table
    """

    def __init__(self, old: Book, new: Book, *, budget: Callable[[], Budget] = Budget) -> None:
        self.old, self.new = old, new
        self.judges = Judge(old), Judge(new)
        self.renamed = renames(old, new)
        self.budget = budget
        self.periods = periods(old, new)
        self._plain = {p: joined(old, new, p, renamed=self.renamed) for p in self.periods}
        self._joints: dict[tuple[Period, frozenset[str]], Joint] = {}
        self._signs: dict[tuple[str, Period], int] = {}
        self._numbers: dict[object, int] = {}
        self._found: dict[tuple[str, Period], TableDifference] = {}

    def old_name(self, name: str) -> str:
        """Return what the older version calls a decision of the newer."""
        return self.renamed.decisions.get(name, name)

    def pairs(self) -> Iterator[tuple[Decision, Decision]]:
        """Yield the decisions of both, in the order in which the newer decides them."""
        for after in self.new.decisions:
            before = self.old.decision_by_name.get(self.old_name(after.name))
            if before is not None:
                yield before, after

    def whole(self, names: Sequence[str] = ()) -> BookDifference:
        """Compare the books, or only some decisions (and those that they require)."""
        tables: list[TableDifference] = []
        skipped: list[str] = []
        for before, after in self.pairs():
            if names and after.name not in names:
                skipped.append(after.name)
                continue
            tables.extend(self.table(before, after))
        return BookDifference(
            old=self.old, new=self.new, tables=tuple(tables), notes=notes(self.old, self.new, self.renamed), skipped=tuple(skipped)
        )

    def table(self, before: Decision, after: Decision) -> tuple[TableDifference, ...]:
        """Compare one decision on all days; days on which the same is found are joined."""
        out: list[TableDifference] = []
        for period in self.periods:
            found = self.on(before, after, period)
            if found.is_none:
                continue
            if out and out[-1].periods[-1].end == _day_before(period) and _same(out[-1], found):
                out[-1] = replace(out[-1], periods=(*out[-1].periods, period))
            else:
                out.append(replace(found, periods=(period,)))
        return tuple(out)

    def on(self, before: Decision, after: Decision, period: Period) -> TableDifference:
        """Compare one decision on the days of one stretch."""
        key = (before.name, period)
        found = self._found.get(key)
        if found is None:
            sign = self._sign(before, after, period)
            known = next((d for (name, p), d in self._found.items() if name == before.name and self._signs[name, p] == sign), None)
            found = self._found[key] = known or self._compare(before, after, period)
            self._signs[key] = sign
        return found

    # Which days are alike

    def _sign(self, before: Decision, after: Decision, period: Period) -> int:
        """Number what decides a decision on some days, required decisions included, in both versions."""
        joint = self._plain[period]
        parts: list[object] = [joint.old.table(before).sign, joint.alike.table(after).sign]
        parts += [is_in_force(j, d, period) for j, d in zip(self.judges, (before, after), strict=True)]
        for name in before.uses.decisions:
            parts.append(joint.old.table(self.old.decision_by_name[name]).sign)
        for name in after.uses.decisions:
            parts.append(joint.alike.table(self.new.decision_by_name[name]).sign)
        return self._numbers.setdefault(tuple(parts), len(self._numbers))

    def _differing(self, before: Decision, after: Decision, period: Period) -> frozenset[str]:
        """Return the required decisions that are not known to decide alike, as the older names them."""
        out = set()
        for name in after.uses.decisions:
            mine = self.old.decision_by_name.get(self.old_name(name))
            if mine is not None and not self.on(mine, self.new.decision_by_name[name], period).is_none:
                out.add(mine.name)
        del before
        return frozenset(out)

    # One decision

    def _compare(self, before: Decision, after: Decision, period: Period) -> TableDifference:
        budget = self.budget()
        nothing = TableDifference(before=before, after=after, periods=(period,), regions=(), perhaps=(), undecided=(), is_partial=False)
        in_force = [is_in_force(j, d, period) for j, d in zip(self.judges, (before, after), strict=True)]
        if not all(in_force):
            if any(in_force):
                why = Text("only the older version decides then", "此期间只有旧版本作出决策")
                if in_force[1]:
                    why = Text("only the newer version decides then", "此期间只有新版本作出决策")
                return replace(nothing, undecided=(why,))
            return nothing
        differing = self._differing(before, after, period)
        plain = self._plain[period]
        if not differing and plain.old.table(before).sign == plain.alike.table(after).sign and self._same_inputs(before, after):
            return nothing
        why_not = self._why_not(before, after)
        if why_not:
            return replace(nothing, undecided=(why_not,))
        made = _OneTable(self, before, after, period, differing, budget)
        regions = list(made.regions())
        return replace(
            nothing,
            regions=tuple(r for r in regions if r.asking is not None),
            perhaps=tuple(r for r in regions if r.asking is None),
            undecided=tuple(made.undecided),
            is_partial=made.is_partial,
        )

    def joint(self, period: Period, differing: frozenset[str]) -> Joint:
        found = self._joints.get((period, differing))
        if found is None:
            found = self._joints[period, differing] = joined(self.old, self.new, period, differing, self.renamed)
        return found

    def _why_not(self, before: Decision, after: Decision) -> Text | None:
        used = {*before.uses.inputs, *(self.renamed.inputs.get(n, n) for n in after.uses.inputs)}
        for name in incomparable_inputs(self.old, self.new, self.renamed):
            if name in used:
                return Text(
                    f"the input `{name}` has another type: requests to the two versions cannot be compared",
                    f"输入项 `{name}` 的类型已变，两个版本的请求无法比较",
                )
        return same_surroundings(self.old, self.new, before, after)

    def _same_inputs(self, before: Decision, after: Decision) -> bool:
        # What an input may be is the interface's affair; what the two may both be is decided by the same rows.
        del before, after
        return True


class _OneTable:
    """One decision on the days of one stretch, while it is compared."""

    def __init__(
        self, whole: Comparison, before: Decision, after: Decision, period: Period, differing: frozenset[str], budget: Budget
    ) -> None:
        self.before, self.after = before, after
        self.budget = budget
        self.old_name = whole.old_name
        self.whole = whole
        # The decision itself stands in it twice where whole answers may have to be compared.
        self.joint = whole.joint(period, differing | {before.name} if differing or _requires_else(whole, before, after) else frozenset())
        self.differing = differing
        needed = (*before.uses.inputs, *(self.joint.inputs[n] for n in after.uses.inputs))
        self.judge = whole.judges[0]
        required = dict.fromkeys((*before.uses.decisions, *(self.joint.names[n] for n in after.uses.decisions)))
        self.questions = Questions(self.joint, needed, tuple(required))
        self.both = Both(*whole.judges, before, after, whole.renamed.inputs)
        self.undecided: list[Text] = []
        self.is_partial = False

    def regions(self) -> Iterator[Region]:
        tables = self._beside
        touched = self._touched()
        if tables.why_not:
            yield from self._as_a_whole(tables, "" if tables.is_other_form else tables.why_not)
            return
        if not tables.is_same_text or self._unpaired():
            alike = _on_outputs(touched, alike=True) if touched else None
            yield from self._of_parts(tables, tables.starts(), alike, ())
        yield from self._of_risks(tables)
        if touched:
            yield from self._consequences(touched)
        for mine, theirs in self._required():
            yield from self._conflicts(tables, mine, theirs)

    @cached_property
    def _beside(self) -> Tables:
        """The two tables, outputs of required decisions taken for the same in both."""
        return self._tables(alike=True)

    def _tables(self, *, alike: bool) -> Tables:
        return Tables(self.joint, self.before, self.after, self.questions, self.judge, alike=alike)

    def _of_parts(self, tables: Tables, starts: Sequence[Box], also: Where | None, because: tuple[str, ...]) -> Iterator[Region]:
        split = tables.split(self.budget, starts)
        if not split.is_whole:
            self._used_up()
        for pair, boxes in tables.differing(split).items():
            part = tables.part(pair, boxes, self.both, self.budget, also)
            if part is not None:
                yield _region(tables, part, because)
        if self.budget.spent > self.budget.steps or not self.budget.spend(0):
            self._used_up()

    def _used_up(self) -> None:
        self.is_partial = True
        if _USED_UP not in self.undecided:
            self.undecided.append(_USED_UP)

    # What follows from required decisions

    def _touched(self) -> dict[str, str]:
        """Return the outputs of differing decisions that the table reads in both versions: joint name in the older -> in the newer."""
        used = self.joint.old.table(self.before).outputs_read | self._beside.after.outputs_read
        return {a: b for a, b in self.joint.doubled.items() if a in used and a.partition(".")[0] in self.differing}

    def _unpaired(self) -> bool:
        """Whether the newer version reads an output that the older does not have."""
        return any(MARK in name for name in self._beside.after.outputs_read)

    def _consequences(self, touched: Mapping[str, str]) -> Iterator[Region]:
        because = tuple(dict.fromkeys(name.partition(".")[0] for name in touched))
        doubled = self.joint.book.decision_by_name
        given = _differ_on(touched)
        whole = Whole(self.joint, doubled[self.before.name], doubled[self.before.name + MARK], self.questions, given)
        tables = self._tables(alike=False)
        if not whole.is_paired or tables.why_not:
            yield from self._as_a_whole(tables, tables.why_not, given=given, because=because)
            return
        pairs: list[tuple[Chosen, Chosen]] = []
        for change in whole.changes(self.both, self.budget):
            if isinstance(change, Change):
                pairs.extend(change.rows)
            elif change.why == _USED_UP.en:
                self._used_up()
            else:
                self.undecided.append(_not_known(because))
        if pairs:
            yield from self._of_parts(tables, _starts(tables, pairs), lambda reading, _: given(reading), because)

    def _required(self) -> Iterator[tuple[str | None, str | None]]:
        """Yield the decisions that one version requires and the other does not, or that differ, by their joint names."""
        of_new = {self.old_name(n): self.joint.names[n] for n in self.after.uses.decisions}
        for name in dict.fromkeys((*self.before.uses.decisions, *of_new)):
            mine = name if name in self.before.uses.decisions else None
            theirs = of_new.get(name)
            if mine is None or theirs is None or name in self.differing:
                yield mine, theirs

    def _conflicts(self, tables: Tables, mine: str | None, theirs: str | None) -> Iterator[Region]:
        """Look for requests that one version refuses since the rows of a required decision conflict in it alone."""
        book = self.joint.book.decision_by_name
        two = tuple(book[n] if n is not None else None for n in (mine, theirs))
        if all(d is None or d.hit_policy not in (HitPolicy.UNIQUE, HitPolicy.ANY) for d in two):
            return
        name = (mine or theirs or "").removesuffix(MARK)
        own = book[self.before.name], book.get(self.before.name + MARK)
        known: dict[int, Cond] = {}

        def one_conflicts(reading: Reading, _: Scope) -> Cond:
            found = known.get(id(reading))
            if found is None:
                s = reading.solver
                a, b = (reading.with_conflicts(d).conflict if d is not None else False for d in two)
                # Where the other version refuses too, since its own rows conflict, nothing is decided otherwise.
                x, y = (reading.asked_without_axiom(d).conflict if d is not None else False for d in own)
                found = known[id(reading)] = s.any(s.all(a, s.no(b), s.no(y)), s.all(b, s.no(a), s.no(x)))
            return found

        space = tables.fresh_space(Questions(self.joint, self.questions.needed, ()))
        found = space.request(None, one_conflicts, self.both.differ)
        if isinstance(found, Asking):
            yield self._unbounded(tables, found, f"where rows of `{name}` conflict in one version", (name,))
        elif isinstance(found, Undecided):
            self.undecided.append(_not_known((name,)))

    def _unbounded(self, tables: Tables, asking: Asking, why: str, because: tuple[str, ...]) -> Region:
        return Region(
            tables=tables,
            boxes=(),
            unsure=frozenset(),
            before=None,
            after=None,
            asking=asking,
            answers=self.both.answers(asking),
            because=because,
            why=why,
        )

    def _as_a_whole(
        self, tables: Tables, why: str, *, given: Callable[[Reading], Cond] | None = None, because: tuple[str, ...] = ()
    ) -> Iterator[Region]:
        """Compare whole answers where tables cannot be laid side by side."""
        if tables.is_other_form:
            # The form of the answer is the interface's affair.
            return
        joint = self.joint
        if self.before.name + MARK not in joint.book.decision_by_name:
            joint = joined(joint.old.book, joint.new.book, joint.period, frozenset((*self.differing, self.before.name)), joint.renamed)
        book = joint.book.decision_by_name
        questions = Questions(joint, self.questions.needed, self.questions.required)
        whole = Whole(joint, book[self.before.name], book[self.before.name + MARK], questions, given)
        found = whole.find(self.both)
        if isinstance(found, Impossible):
            return
        if isinstance(found, Undecided):
            self.undecided.append(Text(f"{why}: {found.why}", f"{why}：{found.why}"))
            return
        yield self._unbounded(tables, found, why, because)

    # What has no result

    def _of_risks(self, tables: Tables) -> Iterator[Region]:
        """Look for requests that one version refuses since a formula has no result, and the other decides."""
        mine = risks(tables.before).union(
            *(risks(self.joint.old.table(self.whole.old.decision_by_name[n]), outputs=True) for n in self.before.uses.decisions)
        )
        theirs = risks(tables.after).union(
            *(risks(self.joint.alike.table(self.whole.new.decision_by_name[n]), outputs=True) for n in self.after.uses.decisions)
        )
        for risk in sorted(mine ^ theirs, key=str):
            found = self._where_zero(tables, risk.divisor) if risk.divisor is not None else Undecided("")
            if isinstance(found, Asking) and risk.divisor is not None:
                yield self._unbounded(tables, found, f"where `{formula_text(risk.divisor)}` is 0", ())
            elif isinstance(found, Undecided):
                self.undecided.append(
                    Text(
                        f"only one version computes `{risk}`: whether it has no result for a request that the other decides is not known",
                        f"只有一个版本计算 `{risk}`，无法确定它对另一版本能决策的请求是否无结果",
                    )
                )

    def _where_zero(self, tables: Tables, divisor: Formula) -> Found:
        """Look for a request for which a divisor is 0 and the versions do not answer alike."""
        space = tables.fresh_space(Questions(self.joint, self.questions.needed, ()))

        def zero(reading: Reading, scope: Scope) -> Cond:
            s = reading.solver
            term = reading.scalar(divisor, scope)
            return False if term.value is None else s.all(s.no(term.null), term.value == s.real(0))

        return space.request(None, zero, self.both.differ)


def _requires_else(whole: Comparison, before: Decision, after: Decision) -> bool:
    """Tell whether one version requires a decision that the other does not."""
    return set(before.uses.decisions) != {whole.old_name(n) for n in after.uses.decisions}


def _region(tables: Tables, part: Part, because: tuple[str, ...]) -> Region:
    return Region(
        tables=tables,
        boxes=part.boxes,
        unsure=part.unsure,
        before=part.before,
        after=part.after,
        asking=part.found if isinstance(part.found, Asking) else None,
        answers=part.answers,
        because=because,
        why=part.found.why if isinstance(part.found, Undecided) else "",
    )


def _starts(tables: Tables, pairs: Sequence[tuple[Chosen, Chosen]]) -> list[Box]:
    """Return disjoint boxes that hold every request in which some rows answered before and some answer now."""
    out: list[Box] = []
    for before, after in pairs:
        boxes = tables.boxes_of(before, after)
        for box in boxes:
            rest = [box]
            for other in out:
                rest = [r for b in rest for r in without(b, other)]
            out.extend(rest)
    return out


def _on_outputs(touched: Mapping[str, str], *, alike: bool) -> Where:
    differ = _differ_on(touched)
    return lambda reading, _: reading.solver.no(differ(reading)) if alike else differ(reading)


def _differ_on(touched: Mapping[str, str]) -> Callable[[Reading], Cond]:
    """Return the condition that some output of a required decision is not what it was."""

    def differ(reading: Reading) -> Cond:
        s = reading.solver
        parts = []
        for mine, theirs in touched.items():
            a, _, output = mine.partition(".")
            b = theirs.partition(".")[0]
            parts.append(s.no(s.equal(reading.table(a).published[output], reading.table(b).published[output])))
        return s.any(*parts)

    return differ


def _not_known(because: tuple[str, ...]) -> Text:
    names = ", ".join(f"`{n}`" for n in because)
    return Text(f"whether more follows from what changed in {names} is not known", f"{names} 的变化是否还有其他后果，无法确定")


def _same(a: TableDifference, b: TableDifference) -> bool:
    return a.regions == b.regions and a.perhaps == b.perhaps and a.undecided == b.undecided and a.is_partial == b.is_partial


def _day_before(period: Period) -> object:
    return period.start - timedelta(days=1) if period.start else None


def difference(old: Book, new: Book, decisions: Sequence[str] = (), *, budget: Callable[[], Budget] = Budget) -> BookDifference:
    """Compare two versions of a book.

    Args:
        decisions: of the newer; none: all
        budget: makes the budget of one table on some days
    """
    return Comparison(old, new, budget=budget).whole(decisions)


class Comparer:
    """Compares changed copies of one book's tables with the tables themselves; keeps what the comparisons share.

    Args:
        judge: of the book
    """

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.book = judge.book
        self._joints = tuple(joined(self.book, self.book, p) for p in periods(self.book, self.book))
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
                undecided = Undecided(_USED_UP.en)
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
            found = self._questions[decision.name, i] = Questions(joint, decision.uses.inputs, decision.uses.decisions)
        return found


def periods(old: Book, new: Book) -> tuple[Period, ...]:
    """Return the stretches of days in which neither version changes, ascending."""
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

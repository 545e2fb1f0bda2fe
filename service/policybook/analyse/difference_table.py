"""One table in two versions, on days on which neither changes: in which boxes of cells it answers otherwise.

Only where rows are not the same can answers differ. The boxes of those rows are split until in each both versions have one
answer; a box in which the two are not the same is kept if a request can fall into it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from difflib import SequenceMatcher
from functools import cached_property
from typing import TypeAlias

from policybook.analyse.boxes import Box, Budget, Partition, Piece, merged, partition, pieces, without
from policybook.analyse.difference_joint import Joint, Written, WrittenTable, derived, row_in, sign_of
from policybook.analyse.difference_outcomes import (
    Among,
    Answers,
    Conflict,
    Entry,
    Known,
    Live,
    Mixed,
    NoMatch,
    Outcome,
    Reduced,
    Register,
    Row,
    Selection,
    row_key,
)
from policybook.analyse.inquiry import IMPOSSIBLE, Accept, Asking, Found, Impossible, Inquiry, Undecided, days_to_try
from policybook.analyse.reading import Reading, Scope
from policybook.analyse.space import Judge, Space
from policybook.analyse.symbols import Cond, Items, Scalar, Solver, Term
from policybook.cells import codes as c
from policybook.cells.axes import Axis, OrderedAxis
from policybook.cells.codes import Ranges
from policybook.cells.grid import Grid
from policybook.decide.chain import Verdict
from policybook.errors import PolicybookError
from policybook.model.answer import Outcome as Came
from policybook.model.answer import TraceLevel
from policybook.model.book import Aggregation, Decision, HitPolicy, Uses
from policybook.model.formula import refs
from policybook.model.kinds import Field
from policybook.values import Value

# More boxes to start from than these are no saving: the whole space is split instead.
_STARTS = 256
# Boxes of one pair of answers that are said as simply as can be, and values of a choice that are looked at one by one.
_SIMPLE = 24
_FEW_VALUES = 12
_SAME = -1
_OPEN = (-2, -2)
# Where the two versions come to different answers: the number of the older's and of the newer's.
Pair: TypeAlias = tuple[int, int]


# ---------------------------------------------------------------- a request, asked of both


@dataclass(frozen=True, slots=True)
class Answered:
    """What one version answers, as far as both can answer it.

    Args:
        refused: why, "" when it is decided
        outputs: of a table that gives one answer; None when no row matches
        items: (number of the element, outputs) of a table that gives several
    """

    refused: str
    outputs: Mapping[str, Value] | None
    items: tuple[tuple[int, Mapping[str, Value]], ...]


class Both:
    """Asks both versions for one decision.

    Args:
        renamed: inputs: name in the newer -> name in the older
    """

    def __init__(self, old: Judge, new: Judge, before: Decision, after: Decision, renamed: Mapping[str, str] | None = None) -> None:
        self.old, self.new = old, new
        self.before, self.after = before, after
        names = renamed or {}
        self._of_new = {n: names.get(n, n) for n in new.book.input_by_name}
        self.shared = shared_outputs(before, after)

    def verdicts(self, asking: Asking, level: TraceLevel = TraceLevel.NONE) -> tuple[Verdict | PolicybookError, Verdict | PolicybookError]:
        """Ask both."""
        of_old = {n: asking.facts[n] for n in self.old.book.input_by_name if n in asking.facts}
        of_new = {n: asking.facts[joint] for n, joint in self._of_new.items() if joint in asking.facts}
        before = self.old.decide(self.before, replace(asking, facts=of_old), level)
        after = self.new.decide(self.after, replace(asking, facts=of_new), level)
        return before, after

    def answers(self, asking: Asking) -> tuple[Answered, Answered]:
        """Return what both answer."""
        before, after = self.verdicts(asking)
        return self._answered(before, self.before), self._answered(after, self.after)

    def differ(self, asking: Asking) -> bool:
        """Tell whether they answer differently."""
        before, after = self.answers(asking)
        return before != after

    def _answered(self, verdict: Verdict | PolicybookError, decision: Decision) -> Answered:
        if isinstance(verdict, PolicybookError):
            return Answered(type(verdict).__name__, None, ())
        how = decision.aggregation
        if how is None and not decision.hit_policy.multi and decision.for_each is None:
            return Answered("", None if verdict.outcome is Came.NO_MATCH else self._kept(verdict.outputs), ())
        whole = how is not None and all(how.applies_to(o) for o in decision.outputs if o.name in self.shared)
        items = () if whole else tuple((i.item_number, self._kept(i.outputs)) for i in verdict.items)
        return Answered("", self._kept(verdict.outputs), items)

    def _kept(self, outputs: Mapping[str, Value]) -> dict[str, Value]:
        return {n: outputs[n] for n in self.shared if n in outputs}


def shared_outputs(before: Decision, after: Decision) -> tuple[str, ...]:
    """Return the outputs that both versions of a decision have."""
    return tuple(o.name for o in before.outputs if after.output(o.name) is not None)


# ---------------------------------------------------------------- what can occur


class Questions:
    """The inquiries about one decision of a joint book: made when they are first needed, and shared by all that ask.

    Args:
        needed: inputs that a request must state
        required: decisions that are asked first: requests for which their rows conflict are left out
    """

    def __init__(self, joint: Joint, needed: Sequence[str], required: Sequence[str]) -> None:
        self.joint = joint
        self.required = tuple(n for n in required if joint.book.decision_by_name[n].hit_policy in (HitPolicy.UNIQUE, HitPolicy.ANY))
        self.needed = tuple(n for n in joint.book.input_by_name if n in needed)
        self._by_day: dict[date | None, Inquiry] = {}
        self._proved: Inquiry | None = None
        self._values: dict[object, int] = {}

    @cached_property
    def days(self) -> tuple[date, ...]:
        return days_to_try(self.joint.book, self.joint.era)

    def on(self, day: date | None) -> Inquiry:
        """On one day or (None) any, lists being a few elements."""
        found = self._by_day.get(day)
        if found is None:
            found = self._by_day[day] = self._inquiry(unrolled=True, as_of=day)
        return found

    @property
    def proved(self) -> Inquiry:
        """On any day, nothing being known of lists."""
        if self._proved is None:
            self._proved = self._inquiry(unrolled=False, as_of=None)
        return self._proved

    def _inquiry(self, *, unrolled: bool, as_of: date | None) -> Inquiry:
        solver = Solver()
        reading = Reading(self.joint.book, self.joint.era, solver, unrolled=unrolled, as_of=as_of)
        inquiry = Inquiry(solver, (reading,), self.needed)
        for name in self.required:
            # A request that is refused before the table is asked says nothing of the table.
            reading.table(name)
        return inquiry

    def name(self, decision: str, values: object) -> str:
        """Return a name for a joint table: readings keep what they know of a table by its name."""
        return f"{decision}#{self._values.setdefault(values, len(self._values))}"


# A further condition on a request, for one time that the table is asked.
Where: TypeAlias = Callable[[Reading, Scope], Cond]


class JointSpace(Space):
    """The cells of a joint table."""

    def __init__(self, grid: Grid, judge: Judge, questions: Questions) -> None:
        super().__init__(grid, judge)
        self._questions = questions

    def _stages(self) -> Iterator[Inquiry]:
        q = self._questions
        first = q.on(q.days[0])
        yield first
        if first.is_dated:
            yield from (q.on(day) for day in q.days[1:])
            yield q.on(None)
        if first.is_loose:
            yield q.proved

    @property
    def proved(self) -> Inquiry:
        return self._questions.proved

    def is_possible(self, box: Box, where: Where | None) -> bool | None:
        """Tell whether a request can fall into a box and meet a condition."""
        if where is None:
            return self.occurs(box)
        for inquiry in self._stages():
            verdict = self._first(
                inquiry,
                lambda i, view: i.possible(i.solver.all(where(i.lead, view.scope), self.condition(i, view, box))),
            )
            if inquiry is self.proved and verdict:
                return None
            if verdict or (verdict is False and self._is_final(inquiry)):
                return verdict
        return None

    def request(self, box: Box | None, where: Where | None, accept: Accept) -> Found:
        """Find a request that falls into a box (None: anywhere), meets a condition and is accepted."""
        undecided = Undecided("only longer lists could do it")
        for inquiry in self._stages():
            all_impossible = True
            for view in self.views(inquiry):
                more: Cond = where(inquiry.lead, view.scope) if where is not None else True
                here = view.here if box is None else self.condition(inquiry, view, box)
                found = inquiry.find(inquiry.solver.all(more, here), accept)
                if isinstance(found, Asking):
                    return found
                if isinstance(found, Undecided):
                    all_impossible = False
                    if inquiry is not self.proved:
                        undecided = found
            if all_impossible and self._is_final(inquiry):
                return IMPOSSIBLE
        return undecided


# ---------------------------------------------------------------- the two tables as one


@dataclass(frozen=True, slots=True)
class Part:
    """Boxes in which one version gives one answer and the other another.

    Args:
        boxes: those that can occur, or of which that is not known
        unsure: of the boxes those of which it is not known whether a request that differs falls into them
        found: a request that both versions decided, differently; what else came of the search
    """

    before: Outcome
    after: Outcome
    boxes: tuple[Box, ...]
    unsure: frozenset[int]
    found: Found
    answers: tuple[Answered, Answered] | None


@dataclass(frozen=True, slots=True)
class _Made:
    """An answer as terms: when it is a conflict, else its rows, by output."""

    conflict: Cond
    rows: tuple[Mapping[str, Term], ...]


class Tables:
    """One decision in two versions, as one grid.

    Args:
        before, after: the two versions of the decision
        alike: outputs of required decisions that differ are taken for the same in both; else they are two
    """

    def __init__(self, joint: Joint, before: Decision, after: Decision, questions: Questions, judge: Judge, *, alike: bool = True) -> None:
        self.joint = joint
        self.before = joint.old.table(before)
        version = joint.alike if alike else joint.new
        self._is_doubled = not alike
        self.after = version.table(after, before.for_each.item if before.for_each else "")
        self.shared = shared_outputs(before, after)
        self.register = Register()
        self.questions = questions
        self._judge = judge
        self._align()

    @cached_property
    def why_not(self) -> str:
        """Why the two cannot be laid side by side; "" when they can."""
        a, b = self.before, self.after
        if (a.source is None) != (b.source is None) or a.source != b.source:
            return "it is asked for the elements of another list"
        if a.decision.hit_policy.multi != b.decision.hit_policy.multi or a.decision.aggregation is not b.decision.aggregation:
            return "its answer has another form"
        if not self.shared:
            return "it has no output in common"
        if self.grid.findings:
            return self.grid.findings[0].message
        return ""

    @property
    def is_other_form(self) -> bool:
        """Whether the two give answers of different form, or none that both give."""
        a, b = self.before.decision, self.after.decision
        form = a.hit_policy.multi == b.hit_policy.multi and a.aggregation is b.aggregation and (a.for_each is None) == (b.for_each is None)
        return not form or not self.shared

    # Rows

    def _align(self) -> None:
        """Put the rows of both into one order: those that are the same once."""
        before, after = self.before.rows, self.after.rows
        alike = _fields_alike(self.before.decision, self.after.decision, self.shared) and (
            self.joint.old.book.currency == self.joint.new.book.currency
        )
        first = 0
        if alike:
            while first < min(len(before), len(after)) and before[first] is after[first]:
                first += 1
        last = 0
        if alike:
            while last < min(len(before), len(after)) - first and before[-1 - last] is after[-1 - last]:
                last += 1
        rows: list[Written] = list(before[:first])
        # Row id -> place in the joint order.
        self._place_before = {w.row.id: i for i, w in enumerate(rows)}
        self._place_after = dict(self._place_before)
        of_old, of_new = list(range(first)), list(range(first))
        mine, theirs = before[first : len(before) - last], after[first : len(after) - last]
        for a, b in _pairs(mine, theirs, alike=alike, ordered=_is_ordered(self.before.decision) or _is_ordered(self.after.decision)):
            if a is not None:
                of_old.append(len(rows))
                self._place_before[mine[a].row.id] = len(rows)
            if b is not None:
                of_new.append(len(rows))
                self._place_after[theirs[b].row.id] = len(rows)
            rows.append(mine[a] if a is not None else theirs[b])  # type: ignore[index] # one of them is there
        for w in before[len(before) - last :]:
            of_old.append(len(rows))
            of_new.append(len(rows))
            self._place_before[w.row.id] = self._place_after[w.row.id] = len(rows)
            rows.append(w)
        self.rows = tuple(rows)
        # Pairs may be out of order where order means nothing: each version's own order is that of its rows.
        ours, others = [rows[i] for i in of_old], [rows[i] for i in of_new]
        self.old = Selection(self.before, ours, of_old, self.shared, self.joint.old.book.currency, self.register)
        self.new = Selection(self.after, others, of_new, self.shared, self.joint.new.book.currency, self.register)
        self.changed = frozenset(of_old) ^ frozenset(of_new)

    @cached_property
    def decision(self) -> Decision:
        """The joint table."""
        before, after = self.before.decision, self.after.decision
        large = {**dict(self.before.large), **{_marked(self.after, n): f for n, f in self.after.large}}
        values = derived(large.items())
        required = tuple(dict.fromkeys((*before.uses.decisions, *(self.joint.names[n] for n in after.uses.decisions))))
        uses = Uses(inputs=self.questions.needed, parameters=(), values=(), decisions=required)
        for_each = replace(before.for_each, source=self.before.source) if before.for_each and self.before.source else None
        return replace(
            before,
            name=self.questions.name(before.name, values),
            rows=tuple(row_in(w, str(i)) for i, w in enumerate(self.rows)),
            default=None,
            for_each=for_each,
            values=values,
            uses=uses,
            uses_directly=uses,
        )

    @cached_property
    def grid(self) -> Grid:
        return Grid.of(self.joint.book, self.decision, self.joint.era, self.joint.plain)

    @cached_property
    def space(self) -> JointSpace:
        return JointSpace(self.grid, self._judge, self.questions)

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        return pieces(self.grid.terms, len(self.grid.axes))

    def boxes_of(self, before: Sequence[str], after: Sequence[str]) -> list[Box]:
        """Return boxes that hold every request that some rows, by id, answered before and some answer now."""
        out = [] if self.space.is_empty else [self.space.whole]
        for chosen, places in ((before, self._place_before), (after, self._place_after)):
            for row in chosen:
                if row in places:
                    mine = [p for p in self.pieces if p.row == places[row]]
                    out = [b for box in out for p in mine if (b := p.within(box)) is not None]
        return out

    def fresh_space(self, questions: Questions) -> JointSpace:
        """Return a space of which nothing was asked yet: no part of a test is taken to have a result."""
        return JointSpace(self.grid, self._judge, questions)

    # Boxes

    @property
    def is_default_changed(self) -> bool:
        """Whether the versions differ where no row matches."""
        return self.old.fallback != self.new.fallback

    @property
    def is_same_text(self) -> bool:
        """Whether nothing that could make a difference was changed."""
        same = self.before.decision.hit_policy is self.after.decision.hit_policy
        return same and not self.changed and not self.is_default_changed and self.old.tie == self.new.tie

    def starts(self) -> list[Box]:
        """Return disjoint boxes outside which the versions are the same."""
        whole = self.space.whole
        if self.space.is_empty:
            return []
        if self.is_default_changed or self.before.decision.hit_policy is not self.after.decision.hit_policy or self.old.tie != self.new.tie:
            return [whole]
        out: list[Box] = []
        for p in self.pieces:
            if p.row not in self.changed:
                continue
            mine = p.within(whole)
            rest = [mine] if mine is not None else []
            for other in out:
                rest = [r for box in rest for r in without(box, other)]
            out.extend(rest)
            if len(out) > _STARTS:
                return [whole]
        return out

    def settle(self, live: Live) -> Pair | None:
        """Return the answers of both versions in a box; the same pair for all that is alike."""
        old, new = self.old, self.new
        mine, theirs = old.mine(live), new.mine(live)
        a, b = old.verdict(mine), new.verdict(theirs)
        if a is not None and b is not None:
            return (a, b) if a != b else (_SAME, _SAME)
        return (_SAME, _SAME) if old.sign(mine) == new.sign(theirs) else None

    def split(self, budget: Budget, starts: Sequence[Box] | None = None) -> Partition[Pair]:
        """Split the space into boxes in which each version has one answer."""
        boxes: Sequence[Box] = self.starts() if starts is None else starts
        if not (self.old.is_list and self.new.is_list and self.before.decision.hit_policy is self.after.decision.hit_policy):
            return partition(boxes, self.pieces, self.settle, budget)
        # Rows that are the same in both are in both lists: what the others add decides, without splitting by all that may be there.
        first = partition(boxes, [p for p in self.pieces if p.row in self.changed], self._settle_added, budget)
        open_ = [leaf.box for leaf in first.leaves if leaf.verdict == _OPEN]
        second = partition(open_, self.pieces, self.settle, budget)
        return Partition([*(leaf for leaf in first.leaves if leaf.verdict != _OPEN), *second.leaves], [*first.left, *second.left])

    def _settle_added(self, live: Live) -> Pair | None:
        """Return what the rows that are not the same add to the lists of both versions in a box."""
        mine, theirs = self.old.among(self.old.mine(live)), self.new.among(self.new.mine(live))
        if mine is None or theirs is None:
            return None
        if not mine and not theirs:
            return (_SAME, _SAME)
        known = all(isinstance(e, Known) for row in (*mine, *theirs) for _, e in row)
        if len(mine) != len(theirs) or (known and Counter(map(row_key, mine)) != Counter(map(row_key, theirs))):
            return self.register.number(Among(mine)), self.register.number(Among(theirs))
        # Whether places in the list or computed values differ takes the other rows to tell.
        return _OPEN

    def differing(self, split: Partition[Pair]) -> dict[Pair, list[Box]]:
        """Return the boxes in which the answers differ, if anything can fall into them, by the two answers."""
        by_pair: dict[Pair, list[Box]] = {}
        for leaf in split.leaves:
            if leaf.verdict[0] != _SAME:
                by_pair.setdefault(leaf.verdict, []).append(leaf.box)
        return {pair: merged(boxes) for pair, boxes in by_pair.items()}

    # Answers

    def where(self, pair: Pair) -> Where | None:
        """Return the condition under which two answers differ; None: they always do, or it cannot be said."""
        a, b = (self.register.outcomes[i] for i in pair)
        if not (self._is_said(a) and self._is_said(b)) or self._surely_differ(a, b):
            return None

        def differ(reading: Reading, scope: Scope) -> Cond:
            s = reading.solver
            mine, theirs = self._made(reading, scope, a, self.before), self._made(reading, scope, b, self.after)
            refused = s.no(s.same(mine.conflict, theirs.conflict))
            if len(mine.rows) != len(theirs.rows):
                return s.any(refused, s.all(s.no(mine.conflict), s.no(theirs.conflict)))
            outputs = s.any(
                *(s.no(s.equal(x[n], y[n])) for x, y in zip(mine.rows, theirs.rows, strict=True) for n in self.shared if n in x and n in y)
            )
            return s.any(refused, s.all(s.no(mine.conflict), s.no(theirs.conflict), outputs))

        return differ

    def _is_said(self, outcome: Outcome) -> bool:
        """Tell whether what an answer comes to can be said to the solver."""
        if not isinstance(outcome, Mixed):
            return True
        how = self.before.decision.aggregation
        return outcome.how == "any" or (how is not None and all(how.applies_to(self._field(self.before, n)) for n in self.shared))

    @staticmethod
    def _surely_differ(a: Outcome, b: Outcome) -> bool:
        if isinstance(a, Answers) and isinstance(b, Answers):
            return len(a.rows) != len(b.rows) or any(_rows_surely_differ(x, y) for x, y in zip(a.rows, b.rows, strict=True))
        return not isinstance(a, Mixed) and not isinstance(b, Mixed)

    def _made(self, reading: Reading, scope: Scope, outcome: Outcome, table: WrittenTable) -> _Made:
        """Say an answer to the solver."""
        s = reading.solver
        match outcome:
            case Answers(rows) | Among(rows):
                return _Made(False, tuple(self._row(reading, scope, r, table) for r in rows))
            case Conflict():
                return _Made(True, ())
            case NoMatch():
                return _Made(False, ())
            case Reduced(values):
                return _Made(False, (self._row(reading, scope, values, table),))
            case Mixed("any", rows):
                made = tuple(self._row(reading, scope, r, table) for r in rows)
                conflict = s.any(*(s.no(s.equal(r[n], made[0][n])) for r in made[1:] for n in r))
                return _Made(conflict, made[:1])
            case Mixed(_, rows):
                made = tuple(self._row(reading, scope, r, table) for r in rows)
                return _Made(False, ({n: self._aggregate(reading, [r[n] for r in made], self._field(table, n)) for n in self.shared},))

    def _row(self, reading: Reading, scope: Scope, row: Row, table: WrittenTable) -> dict[str, Term]:
        return {n: self._term(reading, scope, entry, self._field(table, n)) for n, entry in row}

    def _aggregate(self, reading: Reading, terms: Sequence[Term], field: Field) -> Term:
        items = Items(tuple((True, t) for t in terms), None, False)
        match self.before.decision.aggregation:
            case Aggregation.SUM:
                return Scalar(reading.total(items, field.kind), False)
            case Aggregation.MIN | Aggregation.MAX as how:
                return reading.extreme(items, how is Aggregation.MIN, field.kind)
            case _:
                return Scalar(reading.count(items), False)

    def _field(self, table: WrittenTable, name: str) -> Field:
        field = table.decision.output(name)
        if field is None:
            raise AssertionError(f"`{name}` is an output of both")
        return field

    def _term(self, reading: Reading, scope: Scope, entry: Entry, field: Field) -> Term:
        if isinstance(entry, Known):
            return reading.solver.constant(entry.value, field.kind)
        return reading.output(entry.formula, field, scope)

    # All of it

    def parts(self, both: Both, budget: Budget, split: Partition[Pair]) -> Iterator[Part]:
        """Yield what differs, with a request for each: what cannot occur is left out."""
        for pair, boxes in self.differing(split).items():
            part = self.part(pair, boxes, both, budget)
            if part is not None:
                yield part

    def first(self, pair: Pair, boxes: Sequence[Box], both: Both, budget: Budget) -> Found:
        """Find a request in one of some boxes that the versions decide differently."""
        where = self.where(pair)
        undecided: Undecided | None = None
        for box in boxes:
            if not budget.spend():
                return Undecided("the time or the number of boxes allowed was used up")
            found = self.space.request(box, where, both.differ)
            if isinstance(found, Asking):
                return found
            if isinstance(found, Undecided):
                undecided = found
        return undecided or IMPOSSIBLE

    def part(self, pair: Pair, boxes: Sequence[Box], both: Both, budget: Budget, also: Where | None = None) -> Part | None:
        """Tell which boxes can occur, and find a request in one of them."""
        before, after = (self.register.outcomes[i] for i in pair)
        where = _both_hold(self.where(pair), also)
        kept: list[Box] = []
        unsure: set[int] = set()
        found: Found = Undecided("no request was looked for")
        answers: tuple[Answered, Answered] | None = None

        def accept(asking: Asking) -> bool:
            nonlocal answers
            answers = both.answers(asking)
            return answers[0] != answers[1]

        for box in boxes:
            if not budget.spend():
                unsure.update((len(kept),))
                kept.append(box)
                continue
            if not isinstance(found, Asking):
                here = self.space.request(box, where, accept)
                if isinstance(here, Impossible):
                    continue
                found = here
                verdict: bool | None = True if isinstance(here, Asking) else None
            else:
                verdict = self.space.is_possible(box, where)
            if verdict is False:
                continue
            if verdict is None:
                unsure.add(len(kept))
            kept.append(box)
        if not kept:
            return None
        kept, unsure = self._said_simply(kept, unsure, also, budget)
        return Part(before, after, tuple(kept), frozenset(unsure), found, answers if isinstance(found, Asking) else None)

    def _said_simply(self, boxes: list[Box], unsure: set[int], given: Where | None, budget: Budget) -> tuple[list[Box], set[int]]:
        """Say boxes by what tells their requests from others: the boxes may grow and shrink by cells that cannot occur."""
        sure = [b for i, b in enumerate(boxes) if i not in unsure]
        rest = [b for i, b in enumerate(boxes) if i in unsure]
        made = merged([self._simple(b, given) if i < _SIMPLE and budget.spend() else b for i, b in enumerate(sure)])
        # A box that was widened may hold a later one.
        made = [
            b
            for i, b in enumerate(made)
            if not any(_is_within(b, other) for j, other in enumerate(made) if j != i and (j < i or b != other))
        ]
        return [*made, *rest], set(range(len(made), len(made) + len(rest)))

    def _simple(self, box: Box, given: Where | None) -> Box:
        domain = self.space.domain
        out = list(box)
        for i, axis in enumerate(self.grid.axes):
            parts = _parts(axis, out[i])
            if len(parts) > 1:
                kept = [p for p in parts if self.space.is_possible((*out[:i], (p,), *out[i + 1 :]), given) is not False]
                out[i] = c.normal(kept) or out[i]
        doubled = {*self.joint.doubled, *self.joint.doubled.values()} if self._is_doubled else set()
        for i, axis in enumerate(self.grid.axes):
            if any(r.name in doubled for a in axis.atoms for r in refs(a.formula)):
                # What became of a required decision is the point of a consequence, even given it follows from the rest.
                continue
            rest = c.intersection(domain[i], c.complement(out[i], axis.size))
            if rest and self.space.is_possible((*out[:i], rest, *out[i + 1 :]), given) is False:
                out[i] = domain[i]
        return tuple(out)


def _parts(axis: Axis, ranges: Ranges) -> list[tuple[int, int]]:
    """Return the stretches of codes that are said apart: intervals, values, null."""
    if not isinstance(axis, OrderedAxis):
        return [(code, code) for code in c.each(ranges)] if c.count(ranges) <= _FEW_VALUES else list(ranges)
    null = ((axis.null_code, axis.null_code),)
    return [*c.intersection(ranges, ((0, axis.null_code - 1),)), *c.intersection(ranges, null)]


def _is_within(box: Box, other: Box) -> bool:
    return all(c.is_subset(mine, theirs) for mine, theirs in zip(box, other, strict=True))


def _both_hold(a: Where | None, b: Where | None) -> Where | None:
    if a is None or b is None:
        return a or b
    return lambda reading, scope: reading.solver.all(a(reading, scope), b(reading, scope))


def _marked(table: WrittenTable, name: str) -> str:
    from policybook.model.formula import Ref, Role  # noqa: PLC0415

    made = table.names.of(Ref(name, Role.VALUE, table.plain.large[name].kind))
    return made.name if isinstance(made, Ref) else name


def _rows_surely_differ(a: Row, b: Row) -> bool:
    return any(
        isinstance(x, Known) and isinstance(y, Known) and row_key(((n, x),)) != row_key(((n, y),))
        for (n, x), (_, y) in zip(a, b, strict=True)
    )


def _fields_alike(before: Decision, after: Decision, shared: Sequence[str]) -> bool:
    """Tell whether both versions bring computed outputs to the same form."""

    def form(decision: Decision) -> list[object]:
        return [(o.kind.base, o.decimals, o.rounding) for o in decision.outputs if o.name in shared]

    return form(before) == form(after)


def _is_ordered(decision: Decision) -> bool:
    """Tell whether the order of rows means something."""
    if decision.aggregation is not None:
        return not all(decision.aggregation.applies_to(o) for o in decision.outputs)
    return decision.hit_policy not in (HitPolicy.UNIQUE, HitPolicy.ANY)


def _pairs(before: Sequence[Written], after: Sequence[Written], *, alike: bool, ordered: bool) -> Iterator[tuple[int | None, int | None]]:
    """Yield rows of either side, those that are the same as one pair, in an order that keeps that of each side where it counts."""
    if not alike:
        yield from ((i, None) for i in range(len(before)))
        yield from ((None, i) for i in range(len(after)))
        return
    signs_before, signs_after = [sign_of(w) for w in before], [sign_of(w) for w in after]
    if not ordered:
        waiting: dict[object, list[int]] = {}
        for i, sign in reversed(list(enumerate(signs_after))):
            waiting.setdefault(sign, []).append(i)
        for i, sign in enumerate(signs_before):
            yield (i, waiting[sign].pop() if waiting.get(sign) else None)
        yield from ((None, i) for left in waiting.values() for i in left)
        return
    matcher = SequenceMatcher(None, signs_before, signs_after, autojunk=False)
    for _, a, a_end, b, b_end in matcher.get_opcodes():
        if _ == "equal":
            yield from zip(range(a, a_end), range(b, b_end), strict=True)
        else:
            yield from ((i, None) for i in range(a, a_end))
            yield from ((None, i) for i in range(b, b_end))

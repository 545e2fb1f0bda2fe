"""Mutation score: how many small faults the test tables notice.

A mutant is killed when some case fails on it. One that lives on is either proved to answer every request as the table does, or
there is a request that tells the two apart: the case that is missing.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from policybook.analyse.boxes import Box, Budget, merged, partition, volume
from policybook.analyse.inquiry import Asking, Found, Impossible, Undecided
from policybook.analyse.reading import Asked, Reading
from policybook.analyse.space import Judge, Space
from policybook.analyse.symbols import Cond
from policybook.errors import PolicybookError
from policybook.model.answer import TraceLevel
from policybook.model.book import Book, HitPolicy
from policybook.model.formula import Const
from policybook.model.kinds import Text
from policybook.source import Span
from policybook.trials.case import Case
from policybook.trials.contest import Contest, Differs
from policybook.trials.joint import Fallen, Joint, Lineup
from policybook.trials.mutants import Fault, Mutant
from policybook.trials.mutated import Bench, Told, Visit, told
from policybook.trials.requests import REVIEW, name_of, stated_case
from policybook.trials.written import WrittenCase

# Work on one mutant that lives on: boxes split, and boxes for which a request is sought.
MAX_STEPS = 20_000
MAX_BOXES = 40
# Boxes that the solver leaves open, each for seconds, before a mutant is taken as undecided.
MAX_OPEN = 2


class Fate(enum.Enum):
    """What became of a mutant; the value is the word in reports."""

    KILLED = "killed"
    SURVIVED = "survived"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """A request that a mutant answers otherwise.

    Args:
        case: it with what the book answers: such a case kills the mutant
    """

    asking: Asking
    case: WrittenCase

    @property
    def decision(self) -> str:
        return self.case.decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One mutant and what became of it.

    Args:
        number: among the mutants of its decision
        row, part, what, span: as of the mutant
        killed_by: id of the first case that fails on it
        witness: of one that survived
        why: an undecided one is so
    """

    policy: str
    decision: str
    number: int
    fault: Fault
    row: str
    part: str
    what: Text
    span: Span
    fate: Fate
    killed_by: str = ""
    witness: Witness | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionScore:
    """The mutants of one decision, in the order of the table.

    Args:
        duplicates: mutants that mean the same as an earlier one, and are not counted
        failing: cases that fail on the book itself and so can kill nothing
    """

    policy: str
    decision: str
    mutants: tuple[Judged, ...]
    duplicates: int = 0
    failing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.policy}.{self.decision}"

    def of(self, *fates: Fate) -> tuple[Judged, ...]:
        """Return the mutants with one of some fates."""
        return tuple(m for m in self.mutants if m.fate in fates)

    @property
    def killed(self) -> int:
        return len(self.of(Fate.KILLED))

    @property
    def counted(self) -> int:
        """Those that could be killed, as far as is known."""
        return len(self.of(Fate.KILLED, Fate.SURVIVED, Fate.UNDECIDED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A mutation run.

    Args:
        left: decisions that the time did not suffice for
    """

    decisions: tuple[DecisionScore, ...]
    left: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        return not self.left and not any(d.of(Fate.NOT_TRIED) for d in self.decisions)

    @property
    def share(self) -> float | None:
        """The score in percent; None where there is nothing to kill."""
        return share(self.decisions)

    def of(self, *fates: Fate) -> tuple[Judged, ...]:
        """Return the mutants with one of some fates."""
        return tuple(m for d in self.decisions for m in d.of(*fates))


def share(decisions: Iterable[DecisionScore]) -> float | None:
    """Return killed in percent of those that are not equivalent; a share is only shown and compared, never decided by."""
    some = tuple(decisions)
    counted = sum(d.counted for d in some)
    return 100 * sum(d.killed for d in some) / counted if counted else None


class Deadline:
    """A moment after which no new mutant is begun."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        return self._end is not None and time.monotonic() >= self._end


class Jury:
    """Judges the mutants of one book."""

    def __init__(self, book: Book, cases: Sequence[Case], clock: datetime, deadline: Deadline | None = None) -> None:
        self.book = book
        self.bench = Bench(book, cases, clock)
        self.deadline = deadline or Deadline(None)
        self.judge = Judge(book)
        self.failing: list[str] = []
        # (decision, era) -> cell -> cases that come to it, in their order
        self._visits: dict[tuple[str, int], dict[tuple[bool, tuple[int, ...]], tuple[Visit, list[int]]]] = {}
        self._spaces: dict[tuple[str, int], Space] = {}
        self._run()

    def _run(self) -> None:
        for number, case in enumerate(self.bench.cases):
            failed, visits = self.bench.fails(number, None)
            if failed:
                self.failing.append(case.id)
                continue
            for visit in visits:
                cells = self._visits.setdefault((visit.decision, visit.era), {})
                _, numbers = cells.setdefault((isinstance(visit.cell, Fallen), tuple(visit.cell)), (visit, []))
                if not numbers or numbers[-1] != number:
                    numbers.append(number)

    def score(self, decision: str) -> DecisionScore:
        """Judge the mutants that count for a decision."""
        judged: list[Judged] = []
        seen: set[object] = set()
        duplicates = 0
        witnesses: list[Witness] = []
        for mutant in self.bench.mutants(decision):
            if self.deadline.is_over:
                judged.append(_judged(mutant, Fate.NOT_TRIED))
                continue
            sign = self._sign(mutant)
            if sign is not None and sign in seen:
                duplicates += 1
                continue
            seen.add(sign)
            judged.append(self._judge(mutant, witnesses))
        # A solver's memory is given back; the next decision asks of other cells.
        self._spaces.clear()
        return DecisionScore(
            policy=self.book.name, decision=decision, mutants=tuple(judged), duplicates=duplicates, failing=tuple(self.failing)
        )

    def kills(self, witness: Witness, judged: Judged) -> bool:
        """Tell whether a request is answered otherwise by a mutant."""
        return self._tells_apart(self.bench.mutants(judged.decision)[judged.number], witness)

    def _judge(self, mutant: Mutant, witnesses: list[Witness]) -> Judged:
        for number in self._touched(mutant):
            if self.bench.fails(number, mutant)[0]:
                return _judged(mutant, Fate.KILLED, killed_by=self.bench.cases[number].id)
        for known in witnesses:
            if self._tells_apart(mutant, known):
                return _judged(mutant, Fate.SURVIVED, witness=known)
        found = self._witness(mutant)
        if isinstance(found, Witness):
            witnesses.append(found)
            return _judged(mutant, Fate.SURVIVED, witness=found)
        if isinstance(found, Undecided):
            return _judged(mutant, Fate.UNDECIDED, why=found.why)
        return _judged(mutant, Fate.EQUIVALENT)

    # Which cases a mutant can matter to

    def _touched(self, mutant: Mutant) -> list[int]:
        """Return the cases in which a changed table selects otherwise, or a row that says something else."""
        numbers: set[int] = set()
        for decision in self.bench.tables(mutant):
            for era in self.bench.eras:
                joint = self.bench.joint(decision, era)
                lineup = joint.lineup(mutant)
                if lineup is None:
                    continue
                for visit, cases in self._visits.get((decision, era), {}).values():
                    if joint.is_apart(mutant) or self._selects_otherwise(joint, lineup, visit):
                        numbers.update(cases)
        return sorted(numbers)

    def _selects_otherwise(self, joint: Joint, lineup: Lineup, visit: Visit) -> bool:
        if isinstance(visit.cell, Fallen):
            return True
        mine, other = visit.places, joint.passed(lineup.order, visit.cell)
        if joint.decision.hit_policy is HitPolicy.FIRST:
            mine, other = mine[:1], other[:1]
        if [joint.base.rows[i].id for i in mine] != [lineup.rows[i].id for i in other]:
            return True
        if not other:
            return lineup.default_changed or (joint.base.default is not None and lineup.default is None)
        return any(i in lineup.changed for i in other)

    def _tells_apart(self, mutant: Mutant, witness: Witness) -> bool:
        mine, visits = self.bench.decide(None, witness.decision, witness.asking)
        tables = self.bench.tables(mutant)
        for visit in visits:
            if visit.decision not in tables:
                continue
            joint = self.bench.joint(visit.decision, visit.era)
            lineup = joint.lineup(mutant)
            if lineup is not None and (joint.is_apart(mutant) or self._selects_otherwise(joint, lineup, visit)):
                return self.bench.decide(mutant, witness.decision, witness.asking)[0] != mine
        return False

    # Proof or request

    def space(self, decision: str, era: int) -> Space:
        """Return what can occur in the joint cells of a table."""
        found = self._spaces.get((decision, era))
        if found is None:
            joint = self.bench.joint(decision, era)
            found = self._spaces[decision, era] = Space(joint.base_view, self.judge)
        return found

    def _sign(self, mutant: Mutant) -> object:
        """Return what two mutants that mean the same have in common; None where that is not known."""
        parts: list[object] = []
        for decision in self.bench.tables(mutant):
            for era in self.bench.eras:
                joint = self.bench.joint(decision, era)
                lineup = joint.lineup(mutant)
                if lineup is None:
                    continue
                if joint.is_apart(mutant) or not joint.is_bounded(lineup):
                    return None
                domain = self.space(decision, era).whole
                parts.append((decision, era, joint.sign(lineup, domain)))
        return tuple(parts)

    def _witness(self, mutant: Mutant) -> Witness | Impossible | Undecided:
        """Find a request that tells a mutant from the book, or prove that there is none."""
        undecided: Undecided | None = None
        for decision in self.bench.tables(mutant):
            for era in self.bench.eras:
                joint = self.bench.joint(decision, era)
                lineup = joint.lineup(mutant)
                if lineup is None:
                    continue
                found = self._difference(mutant, joint, lineup)
                if isinstance(found, Asking):
                    return self._stated(mutant, decision, found)
                if isinstance(found, Undecided):
                    undecided = undecided or found
        return undecided or Impossible()

    def _stated(self, mutant: Mutant, name: str, asking: Asking) -> Witness:
        decision = self.book.decision_by_name[name]
        made = self.judge.decide(decision, asking, TraceLevel.NONE)
        rows = [] if isinstance(made, PolicybookError) else [r.id for r in made.selected]
        case_id = _killer_name(rows[0] if rows else "no-row", mutant)
        return Witness(asking=asking, case=stated_case(self.book, decision, asking, made, case_id=case_id, note="", review=REVIEW.en))

    def _difference(self, mutant: Mutant, joint: Joint, lineup: Lineup) -> Found:
        if joint.is_apart(mutant) or not joint.is_bounded(lineup):
            return Undecided("its tests are not told by the cells of the table")
        space = self.space(joint.decision.name, joint.era)
        contest = Contest(joint.decision, joint.base, lineup, self.book.currency)
        if space.is_empty or contest.is_nothing:
            return Impossible()
        found = partition([space.whole], joint.pieces_of(joint.base, lineup), contest.settle, Budget(steps=MAX_STEPS))
        undecided = None if found.is_whole else Undecided("the table has too many cells")
        asked, left_open = 0, 0
        for kind in (Differs.ROWS, Differs.OUTPUTS, Differs.PERHAPS):
            boxes = merged([leaf.box for leaf in found.leaves if leaf.verdict is kind])
            for box in sorted(boxes, key=volume, reverse=True):
                asked += 1
                if asked > MAX_BOXES or left_open >= MAX_OPEN or self.deadline.is_over:
                    return undecided or Undecided("more places to look at than there was time for")
                made = self._request(mutant, joint, lineup, space, box, kind)
                if isinstance(made, Asking):
                    return made
                if isinstance(made, Undecided):
                    left_open += 1
                    undecided = undecided or made
        if undecided is None and joint.faults(lineup):
            return Undecided("it no longer refuses what the table refuses, or the other way round")
        return undecided or Impossible()

    def _request(self, mutant: Mutant, joint: Joint, lineup: Lineup, space: Space, box: Box, kind: Differs) -> Found:
        decision = joint.decision

        def accept(asking: Asking) -> bool:
            made = self.judge.decide(decision, asking, TraceLevel.NONE)
            mine = Told(refused=type(made).__name__) if isinstance(made, PolicybookError) else told(made)
            return mine != self.bench.decide(mutant, decision.name, asking)[0]

        def says_otherwise(reading: Reading, asked: Asked) -> Cond:
            return _outputs_differ(joint, lineup, reading, asked)

        return space.find(box, accept, says_otherwise if kind is Differs.OUTPUTS and _is_computed(joint, lineup) else None)


def _killer_name(selected: str, mutant: Mutant) -> str:
    """Name a request by the row that answers it, and by what the fault would make of it."""
    if mutant.row not in (selected, ""):
        return name_of(selected, f"not {mutant.row}")
    return name_of(selected, f"before {mutant.part}" if mutant.fault is Fault.EXCHANGED else mutant.part)


def _is_computed(joint: Joint, lineup: Lineup) -> bool:
    """Tell whether a changed output may come to the same for some request."""
    own = {r.id: r for r in joint.base.rows}
    changed = [(own[lineup.rows[i].id], lineup.rows[i]) for i in lineup.changed]
    if lineup.default_changed and joint.base.default and lineup.default:
        changed.append((joint.base.default, lineup.default))
    return any(
        not (isinstance(a.formula, Const) and isinstance(b.formula, Const))
        for mine, other in changed
        for a, b in zip(mine.outputs, other.outputs, strict=True)
        if a.formula != b.formula
    )


def _outputs_differ(joint: Joint, lineup: Lineup, reading: Reading, asked: Asked) -> Cond:
    """Return that a selected row with changed outputs says something else."""
    s = reading.solver
    fields = {o.name: o for o in joint.decision.outputs}
    places = {r.id: i for i, r in enumerate(asked.rows)}
    parts: list[Cond] = []
    changed = [(lineup.rows[i], places[lineup.rows[i].id]) for i in sorted(lineup.changed)]
    for row, at in changed:
        for entry in row.outputs:
            term = reading.finished(reading.term(entry.formula, asked.scope), entry.formula, fields[entry.name])
            parts.append(s.all(asked.matches[at], s.no(s.equal(term, asked.row_outputs[at][entry.name]))))
    if lineup.default_changed and lineup.default is not None:
        for entry in lineup.default.outputs:
            term = reading.finished(reading.term(entry.formula, asked.scope), entry.formula, fields[entry.name])
            parts.append(s.all(asked.by_default, s.no(s.equal(term, asked.default_outputs[entry.name]))))
    return s.any(*parts)


def _judged(mutant: Mutant, fate: Fate, *, killed_by: str = "", witness: Witness | None = None, why: str = "") -> Judged:
    return Judged(
        policy=mutant.policy,
        decision=mutant.decision,
        number=mutant.number,
        fault=mutant.fault,
        row=mutant.row,
        part=mutant.part,
        what=mutant.what,
        span=mutant.span,
        fate=fate,
        killed_by=killed_by,
        witness=witness,
        why=why,
    )

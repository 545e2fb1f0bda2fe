"""Findings of `policybook check` about a book's tables: gaps, conflicts, rows that never answer, and what else looks unmeant.

Each is exact: a request that was tried shows it, or a proof holds for every request. What could not be decided is a finding of
its own, and so is what the budget did not reach.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property

from policybook.analyse.boxes import Box, Budget, Piece, intersection, merged, overlaps, partition, piece, pieces
from policybook.analyse.inquiry import Asking, Impossible
from policybook.analyse.limits import DEFAULT, Limits
from policybook.analyse.reading import constant_ranks
from policybook.analyse.shown import region_words, request_text, shown_axes, tests_of
from policybook.analyse.space import Judge, Space
from policybook.cells import codes as c
from policybook.cells.axes import Axis, OrderedAxis
from policybook.cells.grid import Grid
from policybook.diagnostics import Code, Finding, Severity
from policybook.errors import PolicybookError
from policybook.model.answer import Outcome
from policybook.model.book import Book, Decision, HitPolicy
from policybook.model.formula import Const
from policybook.model.kinds import Base
from policybook.source import Span

# Gaps and conflicts told of one table; the rest is counted.
MOST_TOLD = 12
_COVERED, _OPEN = "covered", "open"


def table_findings(book: Book, judge: Judge | None = None, limits: Limits = DEFAULT) -> tuple[Finding, ...]:
    """Return what the analysis of a book's tables finds, accepted findings among them (`Finding.accepted`)."""
    the_judge = judge or Judge(book)
    began = time.thread_time()
    out: dict[tuple[object, ...], Finding] = {}
    for decision in book.decisions:
        for finding in _decision_findings(the_judge, decision, limits, began):
            # The same in several eras is told once, with the first request that shows it.
            out.setdefault((finding.code, finding.message, finding.span), finding)
    return tuple(out.values())


def _decision_findings(judge: Judge, decision: Decision, limits: Limits, began: float) -> Iterator[Finding]:
    """Yield the findings of one decision over all eras in which it can be decided and differs."""
    book = judge.book
    sound: dict[object, bool] = {}
    needless = dict.fromkeys(range(len(decision.accepts)))
    found: list[tuple[Finding, str]] = []
    eras: list[tuple[str, frozenset[str]]] = []
    for era in range(len(book.change_dates) + 1):
        sign = _sign(judge, decision, era)
        if sign is not None and sign not in sound:
            # Eras that do not differ for a table share its grid, but not what required decisions and dates make of it.
            grid = replace(judge.program.grid(decision.name, era), era=era)
            if any(a.cells for a in decision.accepts):
                grid = Grid.of(book, decision, era, also=[a.cells for a in decision.accepts])
            left = None if limits.all_seconds is None else limits.all_seconds - (time.thread_time() - began)
            seconds = min((s for s in (limits.seconds, left) if s is not None), default=None)
            table = _Table(grid, judge, replace(limits, seconds=seconds))
            days = _days(book, era)
            of_table = list(table.findings())
            found += [(f, days) for f in of_table]
            eras.append((days, frozenset(r.id for r in grid.rows)))
            sound[sign] = not any(f.code in (Code.CONFLICT, Code.UNDECIDED, Code.PARTIAL) for f in of_table)
            for used in table.used:
                needless.pop(used, None)
        if sign is not None and sound[sign]:
            judge.without_conflict.add((decision.name, era))
    yield from _over_time(found, eras)
    for index in needless:
        accepted = decision.accepts[index]
        yield Finding(
            code=Code.UNNEEDED_ACCEPTANCE,
            severity=Severity.WARNING,
            message=f"`{decision.name}` accepts the finding `{accepted.finding}`, which is not found (any more)",
            span=accepted.span,
            help="take it out of `accepts`",
            decision=decision.name,
        )


def _sign(judge: Judge, decision: Decision, era: int) -> object | None:
    """Name what makes a decision differ from era to era; None when it is not decided in the era at all."""
    book = judge.book
    day = book.era_day(era)
    if not book.effective.covers(day):
        return None
    figures = []
    for name in decision.uses.parameters:
        dated = book.parameter_by_name[name].on(day)
        if dated is None:
            return None
        figures.append(dated.value)
    grids = tuple(id(judge.program.grid(n, era)) for n in (*decision.uses.decisions, decision.name))
    rows = tuple(r.effective.covers(day) for n in decision.uses.decisions for r in book.decision_by_name[n].rows)
    return (grids, rows, tuple(map(repr, figures)))


def _days(book: Book, era: int) -> str:
    """Say the days of an era: `from 2025-01-01 to 2025-12-31`; empty when the book never changes."""
    changes = book.change_dates
    parts = [f"from {changes[era - 1]}"] if era else []
    if era < len(changes):
        parts.append(f"until {date.fromordinal(changes[era].toordinal() - 1)}")
    return " ".join(parts)


# A row that does nothing at one time may do much at another.
_OF_ROWS = (Code.NEVER_FIRES, Code.SHADOWED, Code.DUPLICATE_ROW)


def _over_time(found: Sequence[tuple[Finding, str]], eras: Sequence[tuple[str, frozenset[str]]]) -> Iterator[Finding]:
    """Yield the findings of several eras: what is so at all times as it is, what is so at some times with those."""
    for finding, days in found:
        if finding.code not in _OF_ROWS or not finding.rows:
            yield finding
            continue
        row = finding.rows[0]
        living = sum(row in ids for _, ids in eras)
        same = sum(f.code in _OF_ROWS and f.rows[:1] == (row,) for f, _ in found)
        if same == living:
            yield finding
        else:
            yield replace(finding, severity=Severity.NOTE, message=f"{finding.message} ({days})")


class _Table:
    """The findings of one table in one era."""

    def __init__(self, grid: Grid, judge: Judge, limits: Limits) -> None:
        self.grid = grid
        self.book = grid.book
        self.decision: Decision = grid.decision
        self.judge = judge
        self.limits = limits
        self.space = Space(grid, judge)
        self.budget = Budget(steps=limits.steps, seconds=limits.seconds)
        self.used: set[int] = set()
        self.name = f"{grid.book.name}.{grid.decision.name}"
        self.is_partial = False
        self._answers: dict[int, bool | None] = {}

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """The axes by the names that a person tests."""
        return shown_axes(self.grid)

    @cached_property
    def made(self) -> tuple[Piece, ...]:
        return pieces(self.grid.terms, len(self.grid.axes))

    @cached_property
    def pieces_by_row(self) -> dict[int, list[Piece]]:
        out: dict[int, list[Piece]] = {i: [] for i in range(len(self.grid.rows))}
        for p in self.made:
            out[p.row].append(p)
        return out

    def findings(self) -> Iterator[Finding]:
        if self.grid.findings:
            return
        for finding in self._all():
            yield self.with_acceptance(finding)
        if self.is_partial:
            yield self.finding(
                Code.PARTIAL,
                Severity.WARNING,
                f"`{self.decision.name}` was analysed in part only: its cells are too many for the time allowed",
                help_text="allow more (`policybook check --seconds`), or split the table",
            )

    def _all(self) -> Iterator[Finding]:
        dead: set[int] = set()
        for finding, row in self.rows_that_never_match():
            dead.add(row)
            yield finding
        yield from self.duplicates(dead)
        yield from self.shadowed(dead)
        yield from self.gaps()
        yield from self.conflicts(dead)
        if self.limits.notes:
            yield from self.overlaps(dead)
            yield from self.mergeable(dead)
            yield from self.unused_values()

    # Making findings

    def finding(
        self,
        code: Code,
        severity: Severity,
        message: str,
        *,
        rows: Sequence[int] = (),
        span: Span | None = None,
        help_text: str = "",
        region: str = "",
        witness: Asking | None = None,
        proposal: str = "",
    ) -> Finding:
        named = [self.grid.rows[i] for i in rows]
        shown = request_text(witness, self.book) if witness else ""
        return Finding(
            code=code,
            severity=severity,
            message=message,
            span=span or (named[0].span if named else self.decision.span),
            help=help_text,
            decision=self.decision.name,
            rows=tuple(r.id for r in named),
            region=region,
            witness=shown,
            proposal=proposal,
            related=tuple(r.span for r in named[1:]),
        )

    def with_acceptance(self, finding: Finding) -> Finding:
        for index, accepted in enumerate(self.decision.accepts):
            if accepted.finding != finding.code.slug or finding.severity is Severity.ERROR or accepted.cells:
                continue
            if set(accepted.rows) <= set(finding.rows):
                self.used.add(index)
                return replace(finding, accepted=accepted.reason.en or accepted.reason.zh)
        return finding

    def words(self, box: Box) -> str:
        return region_words(self.axes, box, self.space.domain, self.book)

    def undecided(self, what: str, why: str = "", rows: Sequence[int] = ()) -> Finding:
        reason = f" ({why})" if why else ""
        return self.finding(
            Code.UNDECIDED, Severity.NOTE, f"`{self.decision.name}`: it could not be decided whether {what}{reason}", rows=rows
        )

    def spend(self) -> bool:
        fine = self.budget.spend()
        self.is_partial |= not fine
        return fine

    # Rows

    def open_boxes(self, starts: Sequence[Box], others: Sequence[Piece]) -> list[Box]:
        """Return what of some boxes no other piece covers."""

        def settle(live: Sequence[tuple[Piece, bool]]) -> str | None:
            if not live:
                return _OPEN
            return _COVERED if any(covered for _, covered in live) else None

        found = partition(starts, others, settle, self.budget)
        self.is_partial |= not found.is_whole
        return merged([leaf.box for leaf in found.leaves if leaf.verdict == _OPEN])

    def boxes_of(self, row: int) -> list[Box]:
        """Return the cells of a row within what the inputs allow."""
        return [b for b in (p.within(self.space.whole) for p in self.pieces_by_row[row]) if b is not None]

    def some_occurs(self, boxes: Sequence[Box]) -> bool | None:
        """Tell whether a request falls into any of some boxes."""
        unknown = False
        for box in boxes:
            if not self.spend():
                return None
            verdict = self.space.occurs(box)
            if verdict:
                return True
            unknown |= verdict is None
        return None if unknown else False

    def rows_that_never_match(self) -> Iterator[tuple[Finding, int]]:
        for i, row in enumerate(self.grid.rows):
            if not self.grid.terms[i]:
                yield self._never(i, f"row `{row.id}` can never match: its tests contradict each other"), i
                continue
            boxes = self.boxes_of(i)
            if not boxes:
                yield self._never(i, f"row `{row.id}` can never match: {self._outside(i)}"), i
                continue
            if self.is_partial:
                # What is plain is still told of the other rows.
                continue
            if self.decision.hit_policy is HitPolicy.FIRST and self.answers(i):
                # It answers some request, hence matches one.
                continue
            verdict = self.some_occurs(boxes)
            if verdict is False:
                yield self._never(i, f"row `{row.id}` can never match: no request passes all of its tests at once"), i
            elif verdict is None and not self.is_partial:
                yield self.undecided(f"row `{row.id}` can ever match", rows=(i,)), -1

    def _never(self, row: int, message: str) -> Finding:
        return self.finding(Code.NEVER_FIRES, Severity.WARNING, message, rows=(row,), help_text="mend its tests, or take the row out")

    def _outside(self, row: int) -> str:
        """Say which test asks for what an input cannot be."""
        for p in self.pieces_by_row[row]:
            for axis, own, allowed in zip(self.axes, p.sets, self.space.domain, strict=True):
                if own is not None and not c.intersection(own, allowed):
                    asked = axis.words(own, "en", self.book.currency)
                    can = axis.words(c.closed_up(allowed, allowed), "en", self.book.currency) if allowed else "nothing"
                    return f"it asks for {asked}, and there is only {can}"
        return "its tests lie outside the bounds of the inputs"

    def duplicates(self, dead: set[int]) -> Iterator[Finding]:
        first: dict[object, int] = {}
        for i, row in enumerate(self.grid.rows):
            if i in dead:
                continue
            # What an input cannot be does not make two rows differ.
            key = (frozenset(self.boxes_of(i)), tuple((o.name, o.formula) for o in row.outputs))
            earlier = first.setdefault(key, i)
            if earlier != i:
                dead.add(i)
                yield self.finding(
                    Code.DUPLICATE_ROW,
                    Severity.WARNING,
                    f"row `{row.id}` says the same as row `{self.grid.rows[earlier].id}`: the same requests, the same outputs",
                    rows=(i, earlier),
                    help_text="keep one of the two"
                    if not self.decision.hit_policy.multi
                    else "keep one of the two; both together answer twice",
                )

    def shadowed(self, dead: set[int]) -> Iterator[Finding]:
        """Find rows that match and never answer, since rows before them always do."""
        if self.decision.hit_policy is HitPolicy.FIRST:
            for i in range(1, len(self.grid.rows)):
                if self.is_partial:
                    # Nothing more can be told of any row.
                    return
                if i not in dead:
                    yield from self._shadowed(i, [p for p in self.made if p.row < i], self.answers(i))
        elif self.decision.hit_policy is HitPolicy.PRIORITY:
            yield from self._outranked(dead)
        default = self.decision.default
        if default is not None and self.space.whole is not None:
            left = self.open_boxes([self.space.whole], self.made)
            if self.is_partial:
                return
            verdict = self.some_occurs(left)
            if verdict is False:
                yield self.finding(
                    Code.SHADOWED,
                    Severity.NOTE,
                    f"the default `{default.id}` never answers: the rows cover every request",
                    span=default.span,
                    help_text="it may stay as a net below later edits",
                )

    def answers(self, row: int) -> bool | None:
        """Tell whether a row of a `first` table answers any request."""
        if row not in self._answers:
            left = self.open_boxes(self.boxes_of(row), [p for p in self.made if p.row < row])
            self._answers[row] = None if self.is_partial else self.some_occurs(left)
        return self._answers[row]

    def _shadowed(self, row: int, earlier: Sequence[Piece], verdict: bool | None) -> Iterator[Finding]:
        """Tell of a row that others always come before, given whether it answers any request."""
        if self.is_partial:
            return
        boxes = self.boxes_of(row)
        if verdict is None:
            yield self.undecided(f"row `{self.grid.rows[row].id}` ever answers before those above it", rows=(row,))
        if verdict is not False:
            return
        by = self._few(boxes, earlier)
        names = ", ".join(f"`{self.grid.rows[i].id}`" for i in by)
        who = f"row {names} always answers first" if len(by) == 1 else f"rows {names} together always answer first"
        yield self.finding(
            Code.SHADOWED,
            Severity.WARNING,
            f"row `{self.grid.rows[row].id}` never answers: {who}",
            rows=(row, *by),
            help_text="move it up, narrow the rows above it, or take it out",
        )

    def _few(self, boxes: Sequence[Box], others: Sequence[Piece]) -> list[int]:
        """Return few of the rows that together leave nothing of some boxes."""
        kept = sorted({p.row for p in others if any(p.within(b) for b in boxes)})
        for row in kept[:40]:
            fewer = [i for i in kept if i != row]
            left = self.open_boxes(boxes, [p for p in others if p.row in fewer])
            if not self.is_partial and self.some_occurs(left) is False:
                kept = fewer
        return kept

    def _outranked(self, dead: set[int]) -> Iterator[Finding]:
        ranks = constant_ranks(self.decision, self.grid.rows)
        if ranks is None:
            return
        for i in range(len(self.grid.rows)):
            if i not in dead:
                better = [p for p in self.made if (ranks[p.row], p.row) < (ranks[i], i)]
                left = self.open_boxes(self.boxes_of(i), better)
                yield from self._shadowed(i, better, None if self.is_partial else self.some_occurs(left))

    # Gaps

    def gaps(self) -> Iterator[Finding]:
        if self.decision.hit_policy.multi or self.decision.default is not None or self.space.is_empty:
            return
        accepted = self._accepted_pieces()
        found = self.open_boxes([self.space.whole], [*self.made, *(p for _, p in accepted)])
        told = 0
        more = 0
        for box in found:
            if not self.spend():
                break
            if self.space.occurs(box) is False:
                continue
            if told == MOST_TOLD:
                more += 1
                continue
            finding = self._gap(box)
            if finding is not None:
                told += 1
                yield finding
        if more:
            yield self.finding(
                Code.GAP,
                Severity.WARNING,
                f"`{self.decision.name}` decides nothing in {more:,} further regions",
                help_text="see the first ones",
            )
        yield from self._accepted_gaps(accepted)

    def _accepted_pieces(self) -> list[tuple[int, Piece]]:
        """Return the accepted gaps that are limited by tests, as pieces."""
        return [
            (index, piece(-1 - index, term, len(self.grid.axes)))
            for index, terms in enumerate(self.grid.also)
            if self.decision.accepts[index].cells
            for term in terms
        ]

    def _accepted_gaps(self, accepted: Sequence[tuple[int, Piece]]) -> Iterator[Finding]:
        """Tell of the gaps that are accepted, so that none is silent."""
        for index in dict.fromkeys(i for i, _ in accepted):
            boxes = [b for i, p in accepted if i == index and (b := p.within(self.space.whole)) is not None]
            left = [b for b in self.open_boxes(boxes, self.made) if self.spend() and self.space.occurs(b) is not False]
            if left:
                self.used.add(index)
                reason = self.decision.accepts[index].reason
                finding = self._gap(left[0])
                if finding is not None:
                    yield replace(finding, accepted=reason.en or reason.zh)

    def _gap(self, box: Box) -> Finding | None:
        region = self.words(box)
        found = self.space.find(box, self._leaves_open)
        if isinstance(found, Impossible):
            return None
        if not isinstance(found, Asking):
            return self.undecided(f"a request can come without an answer: {region}", found.why)
        point = self._point_left_out(box)
        proposal = self._proposal(box)
        if point is not None:
            axis, below, above = point
            return self.finding(
                Code.BOUNDARY_LEFT_OUT,
                Severity.WARNING,
                f"`{self.decision.name}` decides nothing when {region}: row `{self.grid.rows[below].id}` ends before it and row "
                f"`{self.grid.rows[above].id}` begins after it",
                rows=(below, above),
                region=region,
                witness=found,
                help_text=f"let one of the two include it (`<=` for `<`, `[` for `(`), in `{axis.key}`",
                proposal=proposal,
            )
        return self.finding(
            Code.GAP,
            Severity.WARNING,
            f"`{self.decision.name}` decides nothing when {region}",
            region=region,
            witness=found,
            help_text="add a row for it, or a `default`",
            proposal=proposal,
        )

    def _leaves_open(self, asking: Asking) -> bool:
        verdict = self.judge.decide(self.decision, asking)
        if isinstance(verdict, PolicybookError):
            return False
        if self.decision.for_each is None:
            return verdict.outcome is Outcome.NO_MATCH
        return any(not t.rows for t in verdict.tables if t.decision.name == self.decision.name)

    def _point_left_out(self, box: Box) -> tuple[OrderedAxis, int, int] | None:
        """Tell whether a gap is one point between two rows that end there."""
        for index, axis in enumerate(self.grid.axes):
            codes = list(c.each(box[index])) if isinstance(axis, OrderedAxis) else []
            if not isinstance(axis, OrderedAxis) or len(codes) != 1 or codes[0] % 2 == 0:
                continue
            sides = []
            for beside in (codes[0] - 1, codes[0] + 1):
                moved = (*box[:index], ((beside, beside),), *box[index + 1 :])
                sides.append(next((p.row for p in self.made if p.within(moved) is not None), None))
            if sides[0] is not None and sides[1] is not None and sides[0] != sides[1]:
                return axis, sides[0], sides[1]
        return None

    def _proposal(self, box: Box) -> str:
        """Write the row that is missing; what it answers is for a person to say, and the first choice stands there."""
        tests = tests_of(self.axes, box, self.space.domain, self.space.may_be_null)
        if tests is None:
            return ""
        when = ", ".join(f"{key}: {test}" for key, test in tests.items())
        then = ", ".join(f"{o.name}: {self._any_output(o.name)}" for o in self.decision.outputs if o.required)
        return f"- {{id: {self.decision.name.replace('_', '-')}-to-name, set_by: company, when: {{{when}}}, then: {{{then}}}}}"

    def _any_output(self, name: str) -> str:
        """Return an output as some row writes it."""
        for row in self.decision.all_rows:
            entry = next((o for o in row.outputs if o.name == name and o.text), None)
            if entry is not None:
                text = entry.text
                return text if text.replace("_", "").isalnum() else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return "null"

    # Conflicts and overlaps

    def pairs(self, dead: set[int]) -> Iterator[tuple[int, int, Box]]:
        """Yield rows that have cells in common, with one box of them."""
        seen: set[tuple[int, int]] = set()
        for a, b in overlaps(self.made, [axis.size for axis in self.grid.axes]):
            first, second = self.made[a].row, self.made[b].row
            if first == second or (first, second) in seen or {first, second} & dead:
                continue
            box = self.made[a].within(self.space.whole)
            box = self.made[b].within(box) if box is not None else None
            if box is None:
                continue
            if not self.spend():
                return
            if self.space.occurs(box) is not False:
                seen.add((first, second))
                yield first, second, box

    def agree(self, a: int, b: int) -> bool:
        """Tell whether two rows say the same, as written."""
        return {o.name: o.formula for o in self.grid.rows[a].outputs} == {o.name: o.formula for o in self.grid.rows[b].outputs}

    def conflicts(self, dead: set[int]) -> Iterator[Finding]:
        policy = self.decision.hit_policy
        if policy not in (HitPolicy.UNIQUE, HitPolicy.ANY):
            return
        told = 0
        more = 0
        for first, second, box in self.pairs(dead):
            if policy is HitPolicy.ANY and self.agree(first, second):
                continue
            if told == MOST_TOLD:
                more += 1
                continue
            finding = self._conflict(first, second, box)
            if finding is not None:
                told += 1
                yield finding
        if more:
            yield self.finding(
                Code.CONFLICT,
                Severity.ERROR,
                f"`{self.decision.name}`: {more:,} further pairs of rows overlap",
                help_text="see the first ones",
            )

    def _conflict(self, first: int, second: int, box: Box) -> Finding | None:
        a, b = self.grid.rows[first], self.grid.rows[second]
        region = self.words(box)
        policy = self.decision.hit_policy.value

        def both_match(asking: Asking) -> bool:
            matched = self.judge.matched(self.decision, asking) or ()
            together = any(a.id in rows and b.id in rows for rows in matched)
            return together and isinstance(self.judge.decide(self.decision, asking), PolicybookError)

        found = self.space.find(box, both_match)
        if isinstance(found, Impossible):
            return None
        if not isinstance(found, Asking):
            if policy == HitPolicy.ANY.value:
                # They may agree wherever both match.
                return self.undecided(f"rows `{a.id}` and `{b.id}` can both match and disagree: {region}", found.why, (first, second))
            return self.undecided(f"rows `{a.id}` and `{b.id}` can both match: {region}", found.why, (first, second))
        shared = self._point_shared(box)
        edge = f"; both include {shared}" if shared else ""
        what = "both match" if policy == HitPolicy.UNIQUE.value else "both match and disagree"
        return self.finding(
            Code.CONFLICT,
            Severity.ERROR,
            f"rows `{a.id}` and `{b.id}` {what} when {region}{edge}; hit policy {policy} then refuses the request",
            rows=(first, second),
            region=region,
            witness=found,
            help_text="let one end where the other begins" if shared else "narrow one of them, or take another hit policy",
        )

    def _point_shared(self, box: Box) -> str:
        """Name the axis on which two rows share no more than the point at which one ends and the other begins."""
        for axis, ranges, allowed in zip(self.axes, box, self.space.domain, strict=True):
            codes = list(c.each(ranges)) if ranges != allowed and isinstance(axis, OrderedAxis) else []
            if len(codes) == 1 and codes[0] % 2 == 1:
                return axis.words(ranges, "en", self.book.currency)
        return ""

    def overlaps(self, dead: set[int]) -> Iterator[Finding]:
        """Note rows that both match where the hit policy says which one answers."""
        policy = self.decision.hit_policy
        if policy in (HitPolicy.UNIQUE, HitPolicy.ANY) or policy.multi:
            return
        for told, (first, second, box) in enumerate(self.pairs(dead)):
            if told >= 10 * MOST_TOLD:
                self.is_partial = True
                return
            a, b = self.grid.rows[first], self.grid.rows[second]
            region = self.words(box)
            shared = self._point_shared(box) if self._meets_only_there(first, second, box) else ""
            same = "say the same" if self.agree(first, second) else "say different things"
            yield self.finding(
                Code.BOUNDARY_SHARED if shared else Code.OVERLAP,
                Severity.NOTE,
                f"rows `{a.id}` and `{b.id}` both match when {region}, and {same}"
                + (f"; both include {shared}, and the hit policy {policy.value} settles it" if shared else ""),
                rows=(first, second),
                region=region,
            )

    def _meets_only_there(self, first: int, second: int, box: Box) -> bool:
        """Tell whether two rows have only this box in common, and it is thin."""
        common = [
            b
            for p in self.pieces_by_row[first]
            for q in self.pieces_by_row[second]
            if (a := p.within(self.space.whole)) is not None and (b := q.within(a)) is not None
        ]
        return all(intersection(x, box) == x for x in common)

    def mergeable(self, dead: set[int]) -> Iterator[Finding]:
        """Note rows that say the same and differ in one test only."""
        by_outputs: dict[object, list[int]] = {}
        for i, row in enumerate(self.grid.rows):
            if i not in dead and len(self.grid.terms[i]) == 1:
                key = (tuple((o.name, o.formula) for o in row.outputs), row.clauses, row.says)
                by_outputs.setdefault(key, []).append(i)
        for same in by_outputs.values():
            for n, i in enumerate(same):
                for j in same[n + 1 :]:
                    p, q = self.pieces_by_row[i][0], self.pieces_by_row[j][0]
                    differ = [a for a in range(len(self.grid.axes)) if p.sets[a] != q.sets[a]]
                    if len(differ) == 1 and self._is_safe_to_merge(i, j):
                        yield self.finding(
                            Code.MERGEABLE_ROWS,
                            Severity.NOTE,
                            f"rows `{self.grid.rows[i].id}` and `{self.grid.rows[j].id}` say the same and differ only in "
                            f"`{self.grid.axes[differ[0]].key}`: one row could say both",
                            rows=(i, j),
                        )

    def _is_safe_to_merge(self, first: int, second: int) -> bool:
        """Tell whether the order of rows does not matter between two rows."""
        return self.decision.hit_policy is not HitPolicy.FIRST or second == first + 1

    def unused_values(self) -> Iterator[Finding]:
        """Note choices of an output that no row gives."""
        for output in self.decision.outputs:
            if output.kind.base is not Base.ENUM:
                continue
            given: set[object] = set()
            for row in self.decision.all_rows:
                entry = next((o for o in row.outputs if o.name == output.name), None)
                if entry is None or not isinstance(entry.formula, Const):
                    break
                given.add(entry.formula.value)
            else:
                missing = [v for v in output.kind.value_names if v not in given]
                # A type that several decisions share need not be used up by each.
                if missing and not output.kind.name:
                    names = ", ".join(f"`{v}`" for v in missing)
                    yield self.finding(
                        Code.UNUSED_VALUE,
                        Severity.NOTE,
                        f"no row of `{self.decision.name}` answers {names} for `{output.name}`",
                        span=output.span,
                    )

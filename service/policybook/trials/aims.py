"""What a missing case is to show: a row, a point at a threshold, a pair of conditions; and where the requests for it lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

from policybook.analyse.boxes import Box, Budget, Piece, merged, partition, piece, volume, without
from policybook.analyse.space import Judge, Space
from policybook.cells.grid import Grid
from policybook.cells.plain import Plain
from policybook.model.answer import Answer
from policybook.model.book import ALWAYS, Book, Cell, Decision, HitPolicy, Row
from policybook.model.formula import Anything, Between, Compares, Equals, Formula, NoneOf, Test
from policybook.model.kinds import Text
from policybook.trials.coverage import Coverage, RowId, Threshold, thresholds_of
from policybook.trials.pairs import Pair
from policybook.trials.points import Point
from policybook.trials.requests import name_of
from policybook.trials.shifts import moved
from policybook.trials.steps import least_step

MAX_STEPS = 20_000

_POINTS = {
    Point.JUST_BELOW: Text("just below", "略低于界限"),
    Point.ON: Text("exactly on", "恰在界限"),
    Point.JUST_ABOVE: Text("just above", "略高于界限"),
}
_ENDS = {"": Text(), "lower": Text(" (lower end)", "（下限）"), "upper": Text(" (upper end)", "（上限）")}


@dataclass(frozen=True, slots=True)
class RowAim:
    """Some case selects a row."""

    row: RowId

    @property
    def name(self) -> str:
        return name_of(self.row.row)

    @property
    def what(self) -> Text:
        return Text(f"row `{self.row.row}`", f"规则 `{self.row.row}`")

    def is_served(self, answer: Answer, seen: Coverage) -> bool:
        """Tell whether an answer shows it; `seen` is what that answer visited."""
        del answer
        return seen.hits(self.row) > 0


@dataclass(frozen=True, slots=True)
class PointAim:
    """Some case stands on a threshold, or just beside it."""

    threshold: Threshold
    point: Point

    @property
    def row(self) -> RowId:
        return self.threshold.row

    @property
    def name(self) -> str:
        t = self.threshold
        return name_of(t.row.row, f"{t.key} {t.end} {'at the threshold' if self.point is Point.ON else self.point.value}")

    @property
    def what(self) -> Text:
        t, point, end = self.threshold, _POINTS[self.point], _ENDS.get(self.threshold.end, Text())
        return Text(
            f"row `{t.row.row}`: `{t.key}` {point.en} `{t.text}`{end.en}", f"规则 `{t.row.row}`：`{t.key}` {point.zh} `{t.text}`{end.zh}"
        )

    def is_served(self, answer: Answer, seen: Coverage) -> bool:
        """Tell whether an answer shows it; `seen` is what that answer visited."""
        del answer
        return self.point in seen.points_seen(self.threshold)


@dataclass(frozen=True, slots=True)
class PairAim:
    """Two columns come out in a certain way together."""

    policy: str
    decision: str
    pair: Pair

    @property
    def row(self) -> RowId:
        return RowId(self.policy, self.decision, "")

    @property
    def name(self) -> str:
        p = self.pair
        return name_of(
            *(f"{key} {' '.join(tests) or 'otherwise'}" for key, tests in ((p.first, p.first_passes), (p.second, p.second_passes)))
        )

    @property
    def what(self) -> Text:
        return Text(f"pair: {self.pair}", f"条件组合：{self.pair}")

    def is_served(self, answer: Answer, seen: Coverage) -> bool:
        """Tell whether an answer shows it; `seen` is what that answer visited."""
        del seen
        wanted = {self.pair.first: set(self.pair.first_passes), self.pair.second: set(self.pair.second_passes)}
        for table in answer.tables:
            if table.decision.name != self.decision:
                continue
            texts = _texts(table.decision)
            passed: dict[str, set[str]] = {key: set() for key in wanted}
            for verdict in table.rows:
                for cell, judged in zip(verdict.row.cells, verdict.cells, strict=False):
                    if judged.passed and cell.key in wanted and not isinstance(cell.test, Anything):
                        passed[cell.key].add(texts[cell.key][cell.test])
            if passed == wanted:
                return True
        return False


Aim: TypeAlias = RowAim | PointAim | PairAim


def _texts(decision: Decision) -> dict[str, dict[Test, str]]:
    """Return for each column its distinct tests with their texts, as trials.pairs names them."""
    found: dict[str, dict[Test, str]] = {}
    for row in decision.rows:
        for cell in row.cells:
            if not isinstance(cell.test, Anything):
                found.setdefault(cell.key, {}).setdefault(cell.test, cell.text)
    return found


class Board:
    """One table in one era with its aims on one grid.

    The rows come first; each aim adds rows of its own whose tests are what it asks for.
    """

    def __init__(self, book: Book, decision: Decision, era: int, judge: Judge, aims: Iterable[Aim]) -> None:
        day = book.era_day(era)
        shared = Plain(book, day)
        self.book = book
        self.decision = decision
        self._plain = shared.within(decision)
        self.rows = tuple(r for r in decision.rows if r.effective.covers(day))
        self._rows: list[Row] = list(self.rows)
        self._asked: dict[Aim, tuple[int, ...]] = {}
        for aim in aims:
            added = self._added(aim)
            if added is not None:
                self._asked[aim] = added
        joint = replace(decision, rows=tuple(replace(r, effective=ALWAYS) for r in self._rows))
        self.grid = Grid.of(book, joint, era, shared)
        self.space = Space(replace(self.grid, decision=decision), judge)

    def _added(self, aim: Aim) -> tuple[int, ...] | None:
        """Add the rows of an aim; return their numbers. None where the aim means nothing in this era."""
        match aim:
            case RowAim(row):
                at = next((i for i, r in enumerate(self.rows) if r.id == row.row), None)
                if at is not None:
                    return (at,)
                return () if self.decision.default is not None and self.decision.default.id == row.row else None
            case PointAim(threshold, point):
                at = next((i for i, r in enumerate(self.rows) if r.id == threshold.row.row), None)
                return None if at is None else self._point(at, threshold, point)
            case PairAim(_, _, pair):
                return (self._add(tuple(self._column(pair.first, pair.first_passes) + self._column(pair.second, pair.second_passes))),)

    def _add(self, cells: tuple[Cell, ...]) -> int:
        self._rows.append(replace(self.decision.rows[0], cells=cells))
        return len(self._rows) - 1

    def _point(self, at: int, threshold: Threshold, point: Point) -> tuple[int, ...] | None:
        row = self.rows[at]
        own = RowId(threshold.row.policy, threshold.row.decision, row.id)
        for i, cell in enumerate(row.cells):
            for found, formula in thresholds_of(own, cell):
                if found == threshold:
                    test = self._beside(cell, formula, point)
                    if test is None:
                        return None
                    others = self._add((*row.cells[:i], *row.cells[i + 1 :]))
                    return at, others, self._add((replace(cell, test=test),))
        return None

    def _beside(self, cell: Cell, threshold: Formula, point: Point) -> Test | None:
        if point is Point.ON:
            return Equals(threshold)
        step = least_step(cell.subject, self._plain, self.book.currency)
        if step is None:
            return None
        if point is Point.JUST_BELOW:
            low = moved(threshold, -step, cell.subject.kind)
            return Compares("<", threshold) if low is None else Between(low, threshold, True, False)
        high = moved(threshold, step, cell.subject.kind)
        return Compares(">", threshold) if high is None else Between(threshold, high, False, True)

    def _column(self, key: str, passes: Sequence[str]) -> list[Cell]:
        """Return the tests of a column, those that are to fail turned round."""
        cells: dict[Test, Cell] = {}
        for row in self.decision.rows:
            for cell in row.cells:
                if cell.key == key and not isinstance(cell.test, Anything):
                    cells.setdefault(cell.test, cell)
        return [c if c.text in passes else replace(c, test=NoneOf((c.test,))) for c in cells.values()]

    # Where the requests lie

    @cached_property
    def _pieces(self) -> dict[int, list[Piece]]:
        axes = len(self.grid.axes)
        return {row: [piece(row, term, axes) for term in made] for row, made in enumerate(self.grid.terms)}

    def regions(self, aim: Aim) -> Iterator[list[Box]]:
        """Yield where requests that show an aim lie: first where they show it best, last all of them; nothing when unknown."""
        asked = self._asked.get(aim)
        if asked is None or self.space.is_empty:
            return
        every = range(len(self.rows))
        whole = [self.space.whole]
        match aim:
            case RowAim() if not asked:
                yield self._free(whole, every)
            case RowAim():
                (at,) = asked
                mine = self._within(at, whole)
                if self.decision.hit_policy is HitPolicy.FIRST:
                    yield self._free(mine, range(at))
                else:
                    yield self._free(mine, [i for i in every if i != at])
                    yield mine
            case PointAim():
                at, others, point = asked
                reached = self._within(point, whole)
                deciding = self._within(others, reached)
                if self.decision.hit_policy is HitPolicy.FIRST:
                    yield self._free(deciding, range(at))
                yield deciding
                yield reached
            case PairAim():
                (at,) = asked
                yield self._within(at, whole)

    def _within(self, row: int, boxes: Iterable[Box]) -> list[Box]:
        found = [b for box in boxes for p in self._pieces[row] if (b := p.within(box)) is not None]
        return _sorted(merged(_apart(found)))

    def _free(self, boxes: Iterable[Box], rows: Iterable[int]) -> list[Box]:
        """Return the part of boxes that none of some rows matches."""
        made = [p for row in rows for p in self._pieces[row]]
        taken = partition(boxes, made, _is_taken, Budget(steps=MAX_STEPS))
        return _sorted(merged([leaf.box for leaf in taken.leaves if not leaf.verdict] + taken.left))


def _apart(boxes: Sequence[Box]) -> list[Box]:
    """Return disjoint boxes that cover the same cells."""
    out: list[Box] = []
    for box in boxes:
        parts = [box]
        for known in out:
            parts = [rest for part in parts for rest in without(part, known)]
        out += parts
    return out


def _is_taken(live: Sequence[tuple[Piece, bool]]) -> bool | None:
    if any(covered for _, covered in live):
        return True
    return None if live else False


def _sorted(boxes: Iterable[Box]) -> list[Box]:
    return sorted(boxes, key=lambda b: (-volume(b), b))

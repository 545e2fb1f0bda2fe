"""Program: a book compiled for the engine; grids and rulesets are made when they are first needed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from policybook.cells.grid import MAX_TERMS, Cell, Grid
from policybook.cells.plain import Plain
from policybook.diagnostics import Finding, Report, nearest
from policybook.engine.compile import MAX_UNINDEXED, Alternative, Group, Index, alternatives, chunks
from policybook.errors import EngineError, LimitError, UnknownNameError
from policybook.model.book import Book, Decision
from policybook.model.formula import Role, refs, test_formulas

# A rule with seven conditions takes about 60 KB: this bounds a book's rules to about 120 MB, on the average far less.
MAX_LIVE_RULES = 2_000
# Remembered cells of a book, in two generations.
MAX_REMEMBERED = 65_536
# Tables kept: one for each decision and each stretch of time in which its figures or rows differ.
MAX_TABLES = 1_000


class _Table:
    """One decision on the days of one or several eras that do not differ for it."""

    __slots__ = ("alternatives", "everything", "grid", "index", "memo", "name", "number", "older", "sizes")

    def __init__(self, number: int, name: str, grid: Grid) -> None:
        self.number = number
        self.name = name
        self.grid = grid
        self.sizes = tuple(a.size for a in grid.axes)
        self.alternatives: tuple[Alternative, ...] = alternatives(grid)
        large = len(self.alternatives) > MAX_UNINDEXED
        self.index = Index(grid, self.alternatives) if large else None
        self.everything = chunks(self.alternatives, range(len(self.alternatives))) if not large else []
        self.memo: dict[Cell, tuple[int, ...]] = {}
        self.older: dict[Cell, tuple[int, ...]] = {}

    def groups(self, cell: Cell) -> Sequence[tuple[int, ...]]:
        return self.everything if self.index is None else chunks(self.alternatives, self.index.candidates(cell))


@dataclass(frozen=True, slots=True)
class Stats:
    """What a program holds, and how often the engine was asked."""

    tables: int
    rulesets: int
    rules: int
    remembered: int
    asked: int
    built: int


class Program:
    """A book ready to match cells. Safe for concurrent callers: one of them at a time is with the engine."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._lock = threading.RLock()
        self._tables: dict[tuple[str, int], _Table] = {}
        self._same: dict[tuple[object, ...], _Table] = {}
        self._plain: dict[int, Plain] = {}
        self._live: OrderedDict[tuple[int, tuple[int, ...]], Group] = OrderedDict()
        self._rules = 0
        self._remembered = 0
        self._asked = 0
        self._built = 0
        self._made = 0
        self._reads: dict[str, frozenset[str]] = {}

    @classmethod
    def of(cls, book: Book) -> Program:
        """Compile a book; nothing is built before it is needed."""
        return cls(book)

    def grid(self, decision: str, era: int) -> Grid:
        """Return the grid of a decision in an era.

        Raises:
            LimitError: a row has too many alternatives (check() says where)
        """
        return (self._tables.get((decision, era)) or self._table(decision, era)).grid

    def match(self, decision: str, era: int, cell: Cell) -> tuple[int, ...]:
        """Return the indices of the grid's rows that match a cell, in the order written; from the engine, or remembered.

        Raises:
            EngineError: the engine failed; the next call starts afresh
            LimitError: beyond what the engine takes
        """
        table = self._tables.get((decision, era)) or self._table(decision, era)
        rows = table.memo.get(cell)
        return rows if rows is not None else self._ask(table, cell)

    def foretold(self, decision: str, era: int, cell: Cell) -> tuple[int, ...]:
        """Return what `match` returns, by the codes alone: for cells that nobody has asked yet, without the engine."""
        table = self._tables.get((decision, era)) or self._table(decision, era)
        rows = table.memo.get(cell)
        if rows is None:
            rows = table.older.get(cell)
        if rows is not None:
            return rows
        if table.index is None:
            return table.grid.rows_passed(cell)
        with self._lock:
            near = table.index.candidates(cell)
        return tuple(dict.fromkeys(table.alternatives[i].row for i in near if table.alternatives[i].allows(cell)))

    def check(self) -> Report:
        """Return why tables cannot be compiled, over all eras."""
        findings: list[Finding] = []
        for decision in self.book.decisions:
            for era in range(len(self.book.change_dates) + 1):
                findings.extend(self._get(decision.name, era).grid.findings)
        return Report.of(findings)

    def stats(self) -> Stats:
        """Return what is held now."""
        with self._lock:
            return Stats(
                tables=len(self._same),
                rulesets=len(self._live),
                rules=self._rules,
                remembered=sum(len(t.memo) + len(t.older) for t in self._same.values()),
                asked=self._asked,
                built=self._built,
            )

    def close(self) -> None:
        """Give back the engine's memory now; the program may be used again."""
        with self._lock:
            for group in self._live.values():
                group.ruleset.close()
            self._live.clear()
            self._rules = 0

    # Tables

    def _table(self, decision: str, era: int) -> _Table:
        table = self._get(decision, era)
        if table.grid.findings:
            raise LimitError(f"alternatives of a row ({table.grid.findings[0].message})", MAX_TERMS, MAX_TERMS + 1)
        return table

    def _get(self, name: str, era: int) -> _Table:
        with self._lock:
            table = self._tables.get((name, era))
            if table is not None:
                return table
            decision = self.book.decision_by_name.get(name)
            if decision is None:
                raise UnknownNameError("decision", name, nearest(name, self.book.decision_by_name))
            plain = self._plain.get(era)
            if plain is None:
                plain = self._plain[era] = Plain(self.book, self.book.era_day(era))
            sign = self._sign(decision, plain)
            table = self._same.get(sign)
            if table is None:
                self._made += 1
                table = self._same[sign] = _Table(self._made, f"{self.book.name}.{name}.{era}", Grid.of(self.book, decision, era, plain))
                if len(self._same) > MAX_TABLES:
                    self._forget(next(iter(self._same)))
            if not table.grid.findings:
                self._tables[name, era] = table
            return table

    def _forget(self, sign: tuple[object, ...]) -> None:
        table = self._same.pop(sign)
        for key in [k for k, t in self._tables.items() if t is table]:
            del self._tables[key]
        for group in [k for k in self._live if k[0] == table.number]:
            self._drop(group)

    def _sign(self, decision: Decision, plain: Plain) -> tuple[object, ...]:
        """Name what makes a decision's grid differ from era to era: rows in force and figures."""
        day = plain.day
        rows = tuple(i for i, r in enumerate(decision.rows) if not r.effective.covers(day))
        figures = []
        for name in sorted(self._figures(decision)):
            parameter = self.book.parameter_by_name.get(name)
            dated = parameter.on(day) if parameter else None
            figures.append(dated.value if dated else None)
        return (decision.name, rows, tuple(figures))

    def _figures(self, decision: Decision) -> frozenset[str]:
        """Return the parameters that a decision's tests read, directly and through values."""
        known = self._reads.get(decision.name)
        if known is None:
            formula_by_name = {v.name: v.formula for v in (*self.book.values, *decision.values)}
            found: set[str] = set()
            seen: set[str] = set()
            pending = [f for r in decision.rows for cell in r.cells for f in (cell.subject, *test_formulas(cell.test))]
            while pending:
                for ref in refs(pending.pop()):
                    if ref.role is Role.PARAMETER:
                        found.add(ref.name)
                    elif ref.role is Role.VALUE and ref.name not in seen and ref.name in formula_by_name:
                        seen.add(ref.name)
                        pending.append(formula_by_name[ref.name])
            known = self._reads[decision.name] = frozenset(found)
        return known

    # Matching

    def _ask(self, table: _Table, cell: Cell) -> tuple[int, ...]:
        with self._lock:
            rows = table.memo.get(cell)
            if rows is None:
                rows = table.older.get(cell)
                if rows is None:
                    self._checked(table, cell)
                    rows = self._match(table, cell)
                self._remember(table, cell, rows)
            return rows

    def _checked(self, table: _Table, cell: Cell) -> None:
        if len(cell) != len(table.sizes) or not all(0 <= code < size for code, size in zip(cell, table.sizes, strict=True)):
            raise EngineError(f"{cell} is no cell of `{table.name}`")

    def _match(self, table: _Table, cell: Cell) -> tuple[int, ...]:
        self._asked += 1
        found: dict[int, None] = {}
        for ids in table.groups(cell):
            group = self._group(table, ids)
            try:
                matched = group.match(cell)
            except EngineError:
                # Its state may hold a half-matched fact: the next call builds it anew.
                self._drop((table.number, ids))
                raise
            found.update(dict.fromkeys(matched))
        rows = tuple(found)
        if any(a > b for a, b in pairwise(rows)):
            raise EngineError(f"the engine gives the rows of `{table.name}` out of order")
        return rows

    def _remember(self, table: _Table, cell: Cell, rows: tuple[int, ...]) -> None:
        table.memo[cell] = rows
        self._remembered += 1
        if self._remembered > MAX_REMEMBERED // 2:
            for t in self._same.values():
                t.older, t.memo = t.memo, {}
            self._remembered = 0

    def _group(self, table: _Table, ids: tuple[int, ...]) -> Group:
        key = (table.number, ids)
        group = self._live.get(key)
        if group is not None:
            self._live.move_to_end(key)
            return group
        group = Group(table.name, table.grid, [table.alternatives[i] for i in ids])
        self._built += 1
        self._live[key] = group
        self._rules += group.ruleset.size
        while self._rules > MAX_LIVE_RULES and len(self._live) > 1:
            self._drop(next(iter(self._live)))
        return group

    def _drop(self, key: tuple[int, tuple[int, ...]]) -> None:
        group = self._live.pop(key)
        self._rules -= group.ruleset.size
        group.ruleset.close()

"""The rows that the engine matches are those that a brute-force reading of the table gives.

Random tables of every type and every unary test, on facts that stand on, beside and between their boundaries. A table's
constants and the facts come from one small pool for each type, so that they meet often; the self-check adds the boundaries
of the linear forms. `EXAMPLES` tables in all (2,000); POLICYBOOK_EXAMPLES in the environment says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policybook.cells.words import formula_text
from policybook.engine.program import Program
from policybook.engine.reference import Reading, matching_rows
from policybook.engine.selfcheck import self_check
from policybook.model import formula as m
from policybook.model import kinds as k
from policybook.model.book import (
    ALWAYS,
    Book,
    Cell,
    DatedValue,
    Decision,
    DerivedValue,
    Effective,
    ForEach,
    HitPolicy,
    Parameter,
    Row,
    Uses,
)
from policybook.model.faults import FormulaError
from policybook.model.formula import Const, Formula, Get, Ref, Role, Test
from policybook.model.kinds import Base, EnumValue, Field, Kind
from policybook.source import NOWHERE, Source
from policybook.values import Period, Value

EXAMPLES = int(os.environ.get("POLICYBOOK_EXAMPLES", "2000"))
TURN = date(2026, 7, 1)
# A table of five rows takes about 200 choices.
MIN_CHOICES, MAX_CHOICES = 100, 900

GRADE = Kind(Base.ENUM, values=tuple(EnumValue(v) for v in ("a", "b", "c")), name="grade")
OTHER_GRADE = Kind(Base.ENUM, values=tuple(EnumValue(v) for v in ("c", "d", "a")), name="other_grade")
GRADES, NUMBERS, DATES, TEXTS = k.list_of(GRADE), k.list_of(k.INTEGER), k.list_of(k.DATE), k.list_of(k.TEXT)
RECORD = Kind(Base.RECORD, fields=(Field(name="amount", kind=k.MONEY), Field(name="on", kind=k.DATE), Field(name="grade", kind=GRADE)))
RECORDS = k.list_of(RECORD)

F = Fraction
POOLS: dict[Kind, tuple[Value, ...]] = {
    k.NUMBER: (F(0), F(1), F(-1), F(1, 3), F(2), F(1, 2), F(3), F(-7, 3)),
    k.INTEGER: (F(0), F(1), F(2), F(3), F(-1), F(5)),
    k.MONEY: (F(0), F(1), F(1, 100), F(-1, 100), F(2), F(100), F(201, 100), F(300)),
    k.PERCENT: (F(0), F(3, 10), F(1, 3), F(1), F(1, 100)),
    k.BOOLEAN: (True, False),
    GRADE: ("a", "b", "c"),
    OTHER_GRADE: ("c", "d", "a"),
    k.TEXT: ("", "a", "1", "999", "北京", 'x"y\\'),
    k.DATE: (
        date(2026, 2, 28),
        date(2026, 3, 1),
        date(2026, 2, 27),
        date(2024, 2, 29),
        date(2026, 3, 31),
        date(9999, 12, 30),
        date(1, 1, 2),
    ),
    k.DATETIME: (
        datetime(2026, 2, 28, 16, tzinfo=UTC),
        datetime(2026, 2, 28, 15, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 2, 28, tzinfo=UTC),
        datetime(9998, 12, 31, tzinfo=UTC),
    ),
    k.TIME: (time(12), time(12, 0, 0, 1), time(0), time(23, 59, 59, 999999)),
    k.DURATION: (
        timedelta(0),
        timedelta(days=1),
        timedelta(hours=36),
        timedelta(days=-1),
        timedelta(microseconds=1),
        timedelta(days=999999990),
    ),
    k.PERIOD: (Period(0), Period(1), Period(12), Period(-1)),
    GRADES: ((), ("a",), ("a", "b"), ("b", "c", "b"), (None, "a")),
    NUMBERS: ((), (F(1),), (F(1), F(3)), (F(0), F(5), F(2))),
    DATES: ((), (date(2026, 3, 1),), (date(2026, 2, 28), date(2026, 3, 31))),
    TEXTS: ((), ("a",), ("999", "北京")),
    RECORDS: ((), ({"amount": F(1), "on": date(2026, 3, 1), "grade": "a"},), ({"amount": F(2), "on": None, "grade": "c"},) * 2),
    RECORD: (
        {"amount": F(1), "on": date(2026, 3, 1), "grade": "a"},
        {"amount": F(100), "on": date(2026, 2, 28), "grade": "b"},
        {"amount": None, "on": None, "grade": None},
    ),
}
SCALARS = (k.NUMBER, k.INTEGER, k.MONEY, k.PERCENT, k.BOOLEAN, GRADE, OTHER_GRADE, k.TEXT, k.DATE, k.DATETIME, k.TIME, k.DURATION, k.PERIOD)
LISTS = (GRADES, NUMBERS, DATES, TEXTS)

INPUTS = {
    f"{name}{i}": kind
    for i in (1, 2)
    for name, kind in zip(("n", "i", "m", "p", "b", "g", "og", "t", "d", "dt", "tm", "du", "pe"), SCALARS, strict=True)
}
INPUTS |= {"gs": GRADES, "ns": NUMBERS, "ds": DATES, "ts": TEXTS, "rs": RECORDS}
OUTPUTS = {"other.grade": GRADE, "other.amount": k.MONEY, "other.many": NUMBERS}
FIGURES: dict[str, Kind] = {
    "p_m": k.MONEY,
    "p_i": k.INTEGER,
    "p_d": k.DATE,
    "p_g": GRADE,
    "p_gs": GRADES,
    "p_du": k.DURATION,
    "p_f": k.NUMBER,
}
_NO_USES = Uses(inputs=(), parameters=(), values=(), decisions=())


class Maker:
    """Makes formulas and tests; `pick(n)` is read off choices drawn by hypothesis, so that a failing table shrinks."""

    def __init__(self, pick: Callable[[int], int], kinds: Sequence[Kind]) -> None:
        self.pick = pick
        self.kinds = kinds
        self.values: dict[str, Formula] = {}

    def one(self, options: Sequence[Any]) -> Any:
        return options[self.pick(len(options))]

    def const(self, kind: Kind) -> Const:
        pool = POOLS[kind]
        # Nearer the front is likelier: constants and facts meet.
        return Const(pool[min(self.pick(len(pool)), self.pick(len(pool)))], kind)

    def ref(self, kind: Kind) -> Formula:
        found: list[Formula] = [Ref(n, Role.INPUT, x) for n, x in INPUTS.items() if x == kind]
        found += [Ref(n, Role.OUTPUT, x) for n, x in OUTPUTS.items() if x == kind]
        found += [Ref(n, Role.PARAMETER, x) for n, x in FIGURES.items() if x == kind]
        found += [Ref(n, Role.VALUE, f.kind) for n, f in self.values.items() if f.kind == kind]
        item = Ref("item", Role.ITEM, RECORD)
        found += [Get(item, f.name, f.kind) for f in RECORD.fields if f.kind == kind]
        if kind == k.DATE:
            found.append(Ref("as_of", Role.BUILT_IN, k.DATE))
        if kind == k.DATETIME:
            found.append(Ref("now", Role.BUILT_IN, k.DATETIME))
        return self.one(found) if found else self.const(kind)

    def formula(self, kind: Kind, depth: int) -> Formula:
        choice = self.pick(6)
        if depth == 0 or choice < 2:
            return self.ref(kind)
        if choice == 2:
            return self.const(kind)
        made = self.composed(kind, depth - 1)
        return made if made is not None else self.ref(kind)

    def composed(self, kind: Kind, depth: int) -> Formula | None:
        base = kind.base
        if self.pick(12) == 0:
            return m.Choose(self.truth(depth), self.formula(kind, depth), self.formula(kind, depth), kind)
        if self.pick(12) == 0:
            return m.Call("coalesce", (self.formula(kind, depth), self.formula(kind, depth)), kind)
        if kind.ordered and self.pick(12) == 0:
            return m.Call(self.one(("min", "max")), (self.formula(kind, depth), self.formula(kind, depth)), kind)
        if base is Base.BOOLEAN:
            return self.truth(depth)
        if kind.numeric:
            return self.number(kind, depth)
        if base in (Base.DATE, Base.DATETIME):
            length = self.one((k.DURATION, k.DURATION, k.PERIOD))
            if base is Base.DATE and self.pick(5) == 0:
                return m.Call(self.one(("month_start", "month_end")), (self.formula(kind, depth),), kind)
            return m.Arith(self.one("+-"), self.formula(kind, depth), self.formula(length, depth), kind)
        if base is Base.DURATION:
            return self.duration(depth)
        if base is Base.PERIOD:
            if self.pick(2):
                return m.Arith(self.one("+-"), self.formula(kind, depth), self.formula(kind, depth), kind)
            return m.Arith("*", self.formula(kind, depth), self.const(self.one((k.INTEGER, k.NUMBER))), kind)
        if base is Base.LIST and kind.element is not None:
            return m.ListOf((self.formula(kind.element, 0), self.const(kind.element)), kind.element)
        return None

    def number(self, kind: Kind, depth: int) -> Formula:
        way = self.pick(9)
        plain = self.one((k.NUMBER, k.INTEGER, k.PERCENT))
        if way <= 3:
            return m.Arith(self.one("+-"), self.formula(kind, depth), self.formula(kind, depth), kind)
        if way == 4:
            return m.Arith("*", self.const(plain), self.formula(kind, depth), kind)
        if way == 5 and kind.base is not Base.INTEGER:
            return m.Arith("*", self.formula(kind, depth), self.formula(plain, depth), kind)
        if way == 6 and kind.base is not Base.INTEGER:
            return m.Arith("/", self.formula(kind, depth), self.one((self.const, self.ref))(plain), kind)
        if way == 7 and kind.base is Base.INTEGER:
            pair = (self.formula(k.DATE, depth), self.formula(k.DATE, depth))
            return m.Call(self.one(("days_between", "months_between")), pair, k.INTEGER)
        if kind.base is Base.INTEGER:
            if self.pick(2):
                return m.Call("count", (self.formula(self.one(LISTS), 0),), k.INTEGER)
            return m.Call(self.one(("floor", "ceiling")), (self.formula(k.NUMBER, depth),), k.INTEGER)
        if kind.base is Base.NUMBER and self.pick(3) == 0:
            return m.Arith("/", self.formula(k.DURATION, depth), self.const(k.DURATION), k.NUMBER)
        return m.Call("abs", (self.formula(kind, depth),), kind)

    def duration(self, depth: int) -> Formula:
        match self.pick(6):
            case 0:
                return m.Arith("-", self.formula(k.DATE, depth), self.formula(k.DATE, depth), k.DURATION)
            case 1:
                return m.Arith("-", self.formula(k.DATETIME, depth), self.formula(k.DATETIME, depth), k.DURATION)
            case 2:
                return m.Call(self.one(("days", "hours")), (self.formula(self.one((k.INTEGER, k.NUMBER)), depth),), k.DURATION)
            case 3:
                return m.Arith("*", self.formula(k.DURATION, depth), self.formula(self.one((k.INTEGER, k.NUMBER)), 0), k.DURATION)
            case 4:
                return m.Arith("/", self.formula(k.DURATION, depth), self.const(k.NUMBER), k.DURATION)
            case _:
                return m.Arith(self.one("+-"), self.formula(k.DURATION, depth), self.formula(k.DURATION, depth), k.DURATION)

    def truth(self, depth: int) -> Formula:
        kind = self.one(self.kinds)
        match self.pick(8):
            case 0:
                return m.Logic(self.one(("and", "or")), self.formula(k.BOOLEAN, depth), self.formula(k.BOOLEAN, depth))
            case 1:
                return m.Not(self.formula(k.BOOLEAN, depth))
            case 2:
                among = self.one(LISTS)
                return m.Member(self.formula(among.element, 0), self.formula(among, depth))
            case 3:
                return m.Call("is_null", (self.formula(kind, depth),), k.BOOLEAN)
            case 4:
                among = self.one(LISTS)
                return m.Call("contains", (self.formula(among, 0), self.formula(among.element, 0)), k.BOOLEAN)
            case _:
                op = self.one(("<", "<=", ">", ">=", "=", "!=")) if kind.ordered else self.one(("=", "!="))
                other = Const(None, k.NULL) if self.pick(12) == 0 else self.formula(kind, depth)
                return m.Compare(op, self.formula(kind, depth), other)

    def test(self, subject: Kind, depth: int) -> Test:
        way = self.pick(12)
        if way == 0:
            return m.IsNull()
        if way == 1 and depth:
            return m.NoneOf(tuple(self.test(subject, depth - 1) for _ in range(1 + self.pick(3))))
        if way == 2 and depth:
            return m.OneOf(tuple(self.test(subject, depth - 1) for _ in range(1 + self.pick(3))))
        if way == 3 and subject.base is not Base.LIST:
            return m.ElementOf(
                self.formula(k.list_of(subject), 1) if k.list_of(subject) in POOLS else Const(POOLS[subject][:2], k.list_of(subject))
            )
        if way == 4 and self.pick(4) == 0:
            return m.Anything()
        if subject.base is Base.LIST and subject.element is not None and way < 10:
            return m.Contains(
                bool(self.pick(2)),
                tuple(
                    self.formula(subject.element, 0) if self.pick(4) == 0 else self.const(subject.element) for _ in range(1 + self.pick(2))
                ),
            )
        if subject.ordered and way < 9:
            if way < 6:
                return m.Between(self.operand(subject), self.operand(subject), bool(self.pick(2)), bool(self.pick(2)))
            return m.Compares(self.one(("<", "<=", ">", ">=")), self.operand(subject))
        return m.Equals(self.operand(subject))

    def operand(self, kind: Kind) -> Formula:
        return self.const(kind) if self.pick(3) else self.formula(kind, 2)


def make_book(pick: Callable[[int], int], kinds: Sequence[Kind]) -> Book:
    maker = Maker(pick, kinds)
    values = []
    for i in range(pick(3)):
        formula = maker.formula(maker.one(kinds), 2)
        maker.values[f"v{i}"] = formula
        values.append(DerivedValue(name=f"v{i}", formula=formula, title=k.NO_TEXT, unit=k.NO_TEXT, text="", span=NOWHERE))
    rows = []
    for i in range(1 + pick(10)):
        cells = []
        for j in range(pick(5)):
            subject = maker.ref(maker.one(kinds)) if pick(3) else maker.formula(maker.one(kinds), 2)
            cells.append(Cell(key=f"c{i}.{j}", subject=subject, test=maker.test(subject.kind, 2), text="", span=NOWHERE))
        effective = (ALWAYS, ALWAYS, ALWAYS, Effective(TURN, None), Effective(None, TURN - timedelta(days=1)))[pick(5)]
        rows.append(row(f"r{i}", cells, effective))
    parameters = []
    for name, kind in FIGURES.items():
        pool = POOLS[kind]
        dated = [(Effective(None, TURN - timedelta(days=1)), pool[pick(2)]), (Effective(TURN, None), pool[pick(len(pool))])]
        parameters.append(
            Parameter(
                name=name,
                kind=kind,
                title=k.NO_TEXT,
                unit=k.NO_TEXT,
                clauses=(),
                set_by_company=True,
                same_as=None,
                reading=k.NO_TEXT,
                note=k.NO_TEXT,
                values=tuple(DatedValue(effective=e, value=v, span=NOWHERE) for e, v in dated),
                span=NOWHERE,
            )
        )
    return book(rows, values=tuple(values), parameters=tuple(parameters))


def row(name: str, cells: Sequence[Cell], effective: Effective = ALWAYS) -> Row:
    return Row(
        id=name,
        clauses=(),
        cells=tuple(cells),
        outputs=(),
        says=k.NO_TEXT,
        reading=k.NO_TEXT,
        note=k.NO_TEXT,
        set_by_company=True,
        effective=effective,
        span=NOWHERE,
    )


def book(rows: Sequence[Row], values: tuple[DerivedValue, ...] = (), parameters: tuple[Parameter, ...] = ()) -> Book:
    decision = Decision(
        name="table",
        title=k.NO_TEXT,
        question=k.NO_TEXT,
        hit_policy=HitPolicy.COLLECT,
        aggregation=None,
        outputs=(),
        rows=tuple(rows),
        default=None,
        for_each=ForEach(item="item", source=Ref("rs", Role.INPUT, RECORDS), text="rs"),
        values=(),
        uses=_NO_USES,
        uses_directly=_NO_USES,
        span=NOWHERE,
    )
    return Book(
        name="random",
        title=k.NO_TEXT,
        documents=(),
        currency="CNY",
        time_zone="Asia/Shanghai",
        effective=ALWAYS,
        parameters=parameters,
        inputs=tuple(Field(name=n, kind=kind, optional=True) for n, kind in INPUTS.items()),
        values=values,
        decisions=(decision,),
        source=Source("random", ""),
        version="0" * 64,
    )


def facts(random: Random, day: date) -> dict[str, Value]:
    """Facts from the pools, each on its own: null one time in eight, sometimes a little beside."""
    out: dict[str, Value] = {"as_of": day, "now": datetime(day.year, day.month, day.day, 4, tzinfo=UTC)}
    for name, kind in (*INPUTS.items(), *OUTPUTS.items(), ("item", RECORD)):
        out[name] = None if random.random() < 0.12 else beside(random, random.choice(POOLS[kind]), kind)
    return out


def beside(random: Random, value: Value, kind: Kind) -> Value:
    if random.random() < 0.6:
        return value
    step = random.choice((-1, 1))
    try:
        match kind.base:
            case Base.NUMBER | Base.PERCENT:
                return value + F(step, 7)  # type: ignore[operator]
            case Base.MONEY:
                return value + F(step, 100)  # type: ignore[operator]
            case Base.INTEGER:
                return value + step  # type: ignore[operator]
            case Base.DATE:
                return value + timedelta(days=step)  # type: ignore[operator]
            case Base.DATETIME | Base.DURATION:
                return value + timedelta(microseconds=step)  # type: ignore[operator]
    except OverflowError:
        pass
    return value


def compare(made: Book, seed: int, points: int = 16) -> None:
    """Compare the two readings of a table in both eras, on random facts and on its boundaries."""
    random = Random(seed)  # noqa: S311 - points to compare, not secrets
    program = Program.of(made)
    decision = made.decisions[0]
    if not program.check().ok:
        program.close()
        return
    for _ in range(points):
        day = random.choice((TURN, TURN - timedelta(days=1)))
        stated = facts(random, day)
        era = made.era(day)
        try:
            wanted: tuple[int, ...] | None = matching_rows(made, decision, day, stated)
        except FormulaError:
            wanted = None
        grid = program.grid("table", era)
        try:
            cell = grid.cell(stated)
        except FormulaError:
            assert wanted is None, f"a fault where the reference has none: {stated}"
            continue
        assert wanted is not None, f"no fault where the reference has one: {stated}"
        # A service has computed the derived values before; then they are taken and not computed again.
        with suppress(FormulaError):
            reading = Reading(made, decision, day, stated)
            assert grid.cell({**stated, **{v.name: reading[v.name] for v in made.values}}) == cell
        assert program.match("table", era, cell) == wanted, stated
        assert grid.rows_passed(cell) == wanted
        for i, r in enumerate(grid.rows):
            assert all(grid.cell_passed(i, j, cell) for j in range(len(r.cells))) == (i in wanted)
    checked = self_check(made, program)
    assert checked.report.ok, "\n".join(f.message for f in checked.report)
    program.close()


class Table:
    """A random book that shows itself in a few lines when a test fails."""

    def __init__(self, made: Book) -> None:
        self.book = made

    def __repr__(self) -> str:
        lines = [f"{p.name} = {p.values[0].value} / {p.values[1].value}" for p in self.book.parameters]
        lines += [f"{v.name} = {formula_text(v.formula)}" for v in self.book.values]
        for r in self.book.decisions[0].rows:
            lines.append(f"{r.id} {r.effective if r.effective != ALWAYS else ''}")
            lines += [f"    {formula_text(c.subject)} : {test_text(c.test)}" for c in r.cells]
        return "\n".join(("", *lines, ""))


def test_text(test: Test) -> str:
    inner = [formula_text(f) for f in m.test_formulas(test)]
    match test:
        case m.OneOf(tests) | m.NoneOf(tests):
            return f"{type(test).__name__}({', '.join(map(test_text, tests))})"
        case m.Compares(op, _):
            return f"{op} {inner[0]}"
        case m.Between(_, _, low, high):
            return f"{'[' if low else '('}{inner[0]}..{inner[1]}{']' if high else ')'}"
        case m.Contains(every, _):
            return f"contains {'all' if every else 'any'} {inner}"
        case _:
            return f"{type(test).__name__} {inner}"


test_text.__test__ = False


def table_from(choices: bytes, kinds: Sequence[Kind]) -> Table:
    """Read a table off a string of choices; when they run out the first option is taken."""
    rest = iter(choices)
    return Table(make_book(lambda n: next(rest, 0) % n, kinds))


THEMES: dict[str, tuple[tuple[Kind, ...], int]] = {
    "numbers": ((k.NUMBER, k.INTEGER, k.MONEY, k.PERCENT), 5),
    "money across inputs": ((k.MONEY,), 3),
    "time": ((k.DATE, k.DATETIME, k.TIME, k.DURATION, k.PERIOD), 4),
    "choices and lists": ((GRADE, OTHER_GRADE, k.TEXT, k.BOOLEAN, *LISTS), 4),
    "everything": ((*SCALARS, *LISTS), 4),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("theme", THEMES)
def test_the_engine_matches_what_the_reference_matches(theme):
    kinds, parts = THEMES[theme]

    @settings(max_examples=max(1, EXAMPLES * parts // 20))
    @given(st.binary(min_size=MIN_CHOICES, max_size=MAX_CHOICES), st.integers(0, 2**32))
    def holds(choices, seed):
        table = table_from(choices, kinds)
        try:
            compare(table.book, seed)
        except Exception as e:
            e.add_note(repr(table))
            raise

    holds()

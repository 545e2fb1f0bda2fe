"""Mutants: a book with one small fault put in, as a person would make it, said in the words of the book.

Only tables and the figures that their tests read are changed; names, titles and sentences decide nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from policybook.cells.least import least_step as step_of
from policybook.cells.linear import number, value_of
from policybook.cells.plain import Plain
from policybook.cells.words import formula_text, value_text
from policybook.model.book import Book, Cell, Decision, HitPolicy, OutputEntry, Parameter, Row
from policybook.model.formula import (
    Anything,
    Between,
    Compares,
    Contains,
    ElementOf,
    Equals,
    Formula,
    IsNull,
    NoneOf,
    OneOf,
    Ref,
    Role,
    Test,
    refs,
    test_formulas,
)
from policybook.model.kinds import Text
from policybook.source import Span
from policybook.trials.shifts import moved
from policybook.trials.steps import least_step
from policybook.trials.swaps import swapped


class Fault(enum.Enum):
    """What was done to the book; the value is its name in reports."""

    SHIFTED = "threshold shifted"
    TURNED = "comparison turned"
    REMOVED = "test removed"
    LEFT_OUT = "value left out"
    DROPPED = "row dropped"
    SWAPPED = "output swapped"
    EXCHANGED = "rows exchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One changed decision, or one changed figure.

    Args:
        decision: whose score it counts for: the changed one, or the first that reads the figure in a test
        number: counted from 0 among the mutants of that decision
        row: what is changed; empty when it is a figure
        part: the key of the changed test, the changed output, the other row, or the figure; empty when the row is dropped
        table: the decision as changed
        figure: the parameter as changed
    """

    policy: str
    decision: str
    number: int
    fault: Fault
    row: str
    part: str
    what: Text
    span: Span
    table: Decision | None = None
    figure: Parameter | None = None

    def book(self, book: Book) -> Book:
        """Return the book with the fault in it."""
        if self.table is not None:
            table = self.table
            return replace(book, decisions=tuple(table if d.name == table.name else d for d in book.decisions))
        figure = self.figure
        return replace(book, parameters=tuple(figure if figure and p.name == figure.name else p for p in book.parameters))


def mutants(book: Book, decision: Decision) -> tuple[Mutant, ...]:
    """Return every mutant of a decision, in the order of the table; those of the figures whose first reader it is come last."""
    made = [*_Maker(book, decision).all(), *_figures(book, decision)]
    return tuple(replace(m, number=i) for i, m in enumerate(made))


# ---------------------------------------------------------------- tables


class _Maker:
    def __init__(self, book: Book, decision: Decision) -> None:
        self.book = book
        self.decision = decision
        # Steps are those of the last day: figures change, kinds do not.
        self.plain = Plain(book, book.era_day(len(book.change_dates))).within(decision)

    def all(self) -> Iterator[Mutant]:
        rows = self.decision.rows
        for at, row in enumerate(rows):
            for i, cell in enumerate(row.cells):
                yield from self.tests(at, row, i, cell)
            yield self.made(Fault.DROPPED, row, row.span, _dropped(row), rows=(*rows[:at], *rows[at + 1 :]))
            yield from self.outputs(at, row)
            if self.decision.hit_policy is HitPolicy.FIRST and at + 1 < len(rows):
                other = rows[at + 1]
                what = Text(f"rows `{row.id}` and `{other.id}` exchanged", f"规则 `{row.id}` 与 `{other.id}` 互换次序")
                yield self.made(Fault.EXCHANGED, row, row.span, what, part=other.id, rows=(*rows[:at], other, row, *rows[at + 2 :]))
        default = self.decision.default
        if default is not None:
            yield replace(self.made(Fault.DROPPED, default, default.span, _dropped(default)), table=replace(self.decision, default=None))
            yield from self.outputs(None, default)

    def made(self, fault: Fault, row: Row, span: Span, what: Text, *, part: str = "", rows: tuple[Row, ...] | None = None) -> Mutant:
        table = self.decision if rows is None else replace(self.decision, rows=rows)
        name = self.decision.name
        return Mutant(policy=self.book.name, decision=name, number=0, fault=fault, row=row.id, part=part, what=what, span=span, table=table)

    def with_row(self, at: int | None, row: Row) -> Decision:
        if at is None:
            return replace(self.decision, default=row)
        rows = self.decision.rows
        return replace(self.decision, rows=(*rows[:at], row, *rows[at + 1 :]))

    def tests(self, at: int, row: Row, i: int, cell: Cell) -> Iterator[Mutant]:
        if isinstance(cell.test, Anything):
            return

        def changed(fault: Fault, test: Test | None, what: Text) -> Mutant:
            new = () if test is None else (replace(cell, test=test, text=text_of_test(test)),)
            table = self.with_row(at, replace(row, cells=(*row.cells[:i], *new, *row.cells[i + 1 :])))
            return replace(self.made(fault, row, cell.span, what, part=cell.key), table=table)

        place = f"row `{row.id}`, `{cell.key}`", f"规则 `{row.id}` 的 `{cell.key}`"
        for test in self.shifted(cell.test, cell):
            now = text_of_test(test)
            yield changed(Fault.SHIFTED, test, _said(place, f"`{cell.text}` shifted to `{now}`", f"`{cell.text}` 移为 `{now}`"))
        for test in (*_turned(cell.test), *_negated(cell.test)):
            now = text_of_test(test)
            yield changed(Fault.TURNED, test, _said(place, f"`{cell.text}` turned to `{now}`", f"`{cell.text}` 改为 `{now}`"))
        for test in _shortened(cell.test):
            now = text_of_test(test)
            yield changed(Fault.LEFT_OUT, test, _said(place, f"`{cell.text}` cut to `{now}`", f"`{cell.text}` 缩为 `{now}`"))
        yield changed(Fault.REMOVED, None, _said(place, f"the test `{cell.text}` removed", f"去掉条件 `{cell.text}`"))

    def shifted(self, test: Test, cell: Cell) -> Iterator[Test]:
        """Yield a test with one of its thresholds a least step up or down; a bare figure is shifted where it is declared."""
        match test:
            case Compares(op, value):
                yield from (Compares(op, f) for f in self.beside(value, cell))
            case Between(low, high, low_included, high_included):
                yield from (Between(f, high, low_included, high_included) for f in self.beside(low, cell))
                yield from (Between(low, f, low_included, high_included) for f in self.beside(high, cell))
            case Equals(value) if cell.subject.kind.ordered:
                yield from (Equals(f) for f in self.beside(value, cell))
            case OneOf(tests) | NoneOf(tests):
                for i, inner in enumerate(tests):
                    for made in self.shifted(inner, cell):
                        yield type(test)((*tests[:i], made, *tests[i + 1 :]))
            case _:
                return

    def beside(self, threshold: Formula, cell: Cell) -> Iterator[Formula]:
        if isinstance(threshold, Ref) and threshold.role is Role.PARAMETER:
            return
        step = least_step(cell.subject, self.plain, self.book.currency)
        if step is not None:
            yield from (f for f in (moved(threshold, s, cell.subject.kind) for s in (step, -step)) if f is not None)

    def outputs(self, at: int | None, row: Row) -> Iterator[Mutant]:
        for i, entry in enumerate(row.outputs):
            field = self.decision.output(entry.name)
            new = swapped(self.decision, row, entry, field, self.book.currency) if field else None
            if new is None:
                continue
            was, now = _output_text(entry, entry.formula), _output_text(entry, new)
            what = _said(
                (f"row `{row.id}`, `{entry.name}`", f"规则 `{row.id}` 的 `{entry.name}`"),
                f"`{was}` swapped for `{now}`",
                f"`{was}` 换成 `{now}`",
            )
            changed = replace(row, outputs=(*row.outputs[:i], replace(entry, formula=new, text=now), *row.outputs[i + 1 :]))
            yield replace(self.made(Fault.SWAPPED, row, entry.span, what, part=entry.name), table=self.with_row(at, changed))


def _said(place: tuple[str, str], en: str, zh: str) -> Text:
    return Text(f"{place[0]}: {en}", f"{place[1]}：{zh}")


def _dropped(row: Row) -> Text:
    return Text(f"row `{row.id}` dropped", f"删去规则 `{row.id}`")


def _output_text(entry: OutputEntry, formula: Formula) -> str:
    return entry.text if formula is entry.formula and entry.text else formula_text(formula)


_OTHER = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}


def _turned(test: Test) -> Iterator[Test]:
    """Yield a test with one comparison taking its end in, or leaving it out."""
    match test:
        case Compares(op, value):
            yield Compares(_OTHER[op], value)
        case Between(low, high, low_included, high_included):
            yield Between(low, high, not low_included, high_included)
            yield Between(low, high, low_included, not high_included)
        case Contains(every, values) if len(values) > 1:
            yield Contains(not every, values)
        case OneOf(tests) | NoneOf(tests):
            for i, inner in enumerate(tests):
                for made in _turned(inner):
                    yield type(test)((*tests[:i], made, *tests[i + 1 :]))
        case _:
            return


def _negated(test: Test) -> Iterator[Test]:
    match test:
        case Equals() | IsNull() | Contains() | ElementOf():
            yield NoneOf((test,))
        case OneOf(tests):
            yield NoneOf(tests)
        case NoneOf(tests):
            yield tests[0] if len(tests) == 1 else OneOf(tests)
        case _:
            return


def _shortened(test: Test) -> Iterator[Test]:
    """Yield a test that lists several values without one of them."""
    match test:
        case OneOf(tests) | NoneOf(tests) if len(tests) > 1:
            for i in range(len(tests)):
                left = (*tests[:i], *tests[i + 1 :])
                yield left[0] if isinstance(test, OneOf) and len(left) == 1 else type(test)(left)
        case Contains(every, values) if len(values) > 1:
            yield from (Contains(every, (*values[:i], *values[i + 1 :])) for i in range(len(values)))
        case _:
            return


def text_of_test(test: Test) -> str:
    """Write a test as it stands in a row."""
    match test:
        case Anything():
            return "-"
        case IsNull():
            return "null"
        case Equals(value):
            return formula_text(value)
        case Compares(op, value):
            return f"{op} {formula_text(value)}"
        case Between(low, high, low_included, high_included):
            return f"{'[' if low_included else '('}{formula_text(low)}..{formula_text(high)}{']' if high_included else ')'}"
        case OneOf(tests):
            return ", ".join(map(text_of_test, tests))
        case NoneOf(tests):
            return f"not({', '.join(map(text_of_test, tests))})"
        case Contains(every, values) if len(values) == 1:
            return f"contains {formula_text(values[0])}"
        case Contains(every, values):
            return f"contains {'all' if every else 'any'} ({', '.join(map(formula_text, values))})"
        case ElementOf(among):
            return f"in {formula_text(among)}"


# ---------------------------------------------------------------- figures


def _figures(book: Book, decision: Decision) -> Iterator[Mutant]:
    mine = figures_read(book, decision)
    for parameter in book.parameters:
        if parameter.name not in mine:
            continue
        first = next(d for d in _written(book) if parameter.name in figures_read(book, d))
        if first.name != decision.name or not parameter.kind.ordered:
            continue
        step = step_of(parameter.kind, book.currency)
        for i, dated in enumerate(parameter.values):
            for sign in (1, -1):
                value = value_of(number_of(dated.value) + sign * step, parameter.kind.base) if step and dated.value is not None else None
                if value is None:
                    continue
                values = (*parameter.values[:i], replace(dated, value=value), *parameter.values[i + 1 :])
                was, now = (value_text(v, parameter.kind) for v in (dated.value, value))
                since = dated.effective.start if len(parameter.values) > 1 else None
                place = (
                    f"parameter `{parameter.name}`{f' from {since}' if since else ''}",
                    f"参数 `{parameter.name}`{f'（{since} 起）' if since else ''}",
                )
                yield Mutant(
                    policy=book.name,
                    decision=decision.name,
                    number=0,
                    fault=Fault.SHIFTED,
                    row="",
                    part=parameter.name,
                    what=_said(place, f"`{was}` shifted to `{now}`", f"`{was}` 移为 `{now}`"),
                    span=dated.span,
                    figure=replace(parameter, values=values),
                )


def number_of(value: Any) -> Fraction:
    """Return a value's number in the units of cells.linear."""
    return Fraction(number(value))


def _written(book: Book) -> Sequence[Decision]:
    return sorted(book.decisions, key=lambda d: (d.span.line, d.span.column))


def figures_read(book: Book, decision: Decision) -> frozenset[str]:
    """Return the parameters that the tests of a table read, directly and through values."""
    formulas = {v.name: v.formula for v in (*book.values, *decision.values)}
    found: set[str] = set()
    seen: set[str] = set()
    pending = [f for r in decision.rows for cell in r.cells for f in (cell.subject, *test_formulas(cell.test))]
    while pending:
        for ref in refs(pending.pop()):
            if ref.role is Role.PARAMETER:
                found.add(ref.name)
            elif ref.role is Role.VALUE and ref.name in formulas and ref.name not in seen:
                seen.add(ref.name)
                pending.append(formulas[ref.name])
    return frozenset(found)


__all__ = ["Fault", "Mutant", "figures_read", "mutants", "text_of_test"]

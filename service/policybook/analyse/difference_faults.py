"""What may have no result in one version and is not computed in the other; surroundings that make two versions incomparable.

READING: days and durations outside the years that analysis reasons about, and the years of the calendar, are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policybook.analyse.difference_joint import WrittenTable
from policybook.cells.words import formula_text
from policybook.model.book import Book, Decision
from policybook.model.formula import Arith, Call, Const, Formula, Ref, Role, children, test_formulas
from policybook.model.kinds import Base, Text
from policybook.values import minor_units

_CALENDAR = frozenset({"is_working_day", "add_working_days", "next_working_day", "working_days_between"})


@dataclass(frozen=True, slots=True)
class Risk:
    """A part of a test or of a value that has no result for some facts."""

    formula: Formula

    def __str__(self) -> str:
        return formula_text(self.formula)

    @property
    def divisor(self) -> Formula | None:
        """What must not be 0, where that is all that can go wrong."""
        match self.formula:
            case Arith("/", _, right, _):
                return right
            case Call("modulo", (_, right), _):
                return right
            case _:
                return None


def risks(table: WrittenTable, *, outputs: bool = False) -> frozenset[Risk]:
    """Return the risky parts of what a table computes for every request.

    Args:
        outputs: also of what it computes where a row answers
    """
    return frozenset(Risk(f) for whole in _computed(table, outputs=outputs) for f in _risky(whole))


def _computed(table: WrittenTable, *, outputs: bool) -> Iterator[Formula]:
    for row in table.rows:
        for _, subject, test in row.cells:
            yield subject
            yield from test_formulas(test)
    if outputs:
        yield from (o.formula for row in (*table.rows, *((table.default,) if table.default else ())) for o in row.outputs)
    named = {v.name: v.formula for v in table.plain.book.values}
    yield from (table.of(named[name]) for name in table.decision.uses_directly.values if name in named)
    yield from (table.of(v.formula) for v in table.decision.values)
    yield from (f for _, f in table.large)
    if table.source is not None:
        yield table.source


def _risky(f: Formula) -> Iterator[Formula]:
    match f:
        case Arith("/", _, right, _) | Call("modulo", (_, right), _) if not _is_safe_divisor(right):
            yield f
        case Call("date", (_, _, _), _) | Call("add_working_days" | "is_working_day" | "next_working_day" | "working_days_between", _, _):
            yield f
        case Call("round", (_, decimals), _) if not isinstance(decimals, Const):
            yield f
    for child in children(f):
        yield from _risky(child)


def _is_safe_divisor(f: Formula) -> bool:
    return isinstance(f, Const) and bool(f.value)


# ---------------------------------------------------------------- surroundings


def same_surroundings(old: Book, new: Book, before: Decision, after: Decision) -> Text | None:
    """Tell why two versions of a decision cannot be compared though their tables can; None when they can."""
    if old.calendar != new.calendar and any(_calls(b, d, _CALENDAR) for b, d in ((old, before), (new, after))):
        return Text("the versions count working days by different calendars", "两个版本按不同的工作日历计算")
    if old.time_zone != new.time_zone and any(_tells_time(b, d) for b, d in ((old, before), (new, after))):
        return Text("the versions tell the time in different zones", "两个版本的时区不同")
    if old.currency != new.currency and _cents(old) != _cents(new):
        return Text("the versions round amounts to the units of different currencies", "两个版本按不同货币的最小单位取整")
    return None


def _cents(book: Book) -> int:
    return minor_units(book.currency) if book.currency else 2


def _formulas(book: Book, decision: Decision) -> Iterator[Formula]:
    """Yield the formulas of a decision and of what it uses."""
    values = {v.name: v.formula for v in book.values}
    for name in (*decision.uses.decisions, decision.name):
        d = book.decision_by_name[name]
        for row in d.all_rows:
            for cell in row.cells:
                yield cell.subject
                yield from test_formulas(cell.test)
            yield from (o.formula for o in row.outputs)
        yield from (v.formula for v in d.values)
        if d.for_each is not None:
            yield d.for_each.source
    yield from (values[name] for name in decision.uses.values if name in values)


def _parts(f: Formula) -> Iterator[Formula]:
    yield f
    for child in children(f):
        yield from _parts(child)


def _calls(book: Book, decision: Decision, names: frozenset[str]) -> bool:
    return any(isinstance(p, Call) and p.function in names for f in _formulas(book, decision) for p in _parts(f))


def _tells_time(book: Book, decision: Decision) -> bool:
    return any(
        p.kind.base in (Base.DATETIME, Base.TIME) or (isinstance(p, Ref) and p.role is Role.BUILT_IN)
        for f in _formulas(book, decision)
        for p in _parts(f)
    )

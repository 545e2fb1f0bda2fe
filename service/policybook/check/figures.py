"""The figures of rows and parameters held against the text of the clauses that they cite."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, time, timedelta
from fractions import Fraction

from policybook.model import formula as m
from policybook.model.book import Book, Row
from policybook.model.clauses import ClauseIndex
from policybook.values import Period, Value

_DIGITS = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_SECTIONS = {"万": 10_000, "亿": 100_000_000}
_CHINESE = "".join((*_DIGITS, *_UNITS, *_SECTIONS))
_NUMERAL = re.compile(f"[{_CHINESE}]+")
_RATIO = re.compile(f"([{_CHINESE}]+)分之([{_CHINESE}]+)")
_ARABIC = re.compile(r"(\d+(?:\.\d+)?)\s*(%|万|千|百|亿)?")
_SLASHED = re.compile(r"(\d+)/(\d+)")
_AFTERNOON = re.compile(r"(?:下午|晚上)\s*(\d{1,2})\s*[点時时:]")
# Lengths of time that are words, in days or months.
_STRETCHES = {
    "每日": 1,
    "每天": 1,
    "当日": 1,
    "当天": 1,
    "次日": 1,
    "半年": 6,
    "每年": 12,
    "年度": 12,
    "一年": 12,
    "季度": 3,
    "每月": 1,
    "当月": 1,
    "次月": 1,
    "下月": 1,
}
# A table's own arithmetic: nothing, one, its opposite.
_STRUCTURAL = frozenset({Fraction(-1), Fraction(0), Fraction(1)})


def chinese_number(text: str) -> Fraction | None:
    """Read a Chinese numeral: `三十` is 30, `一千五百` 1500; digits in a row (`二〇二六`) are read as digits."""
    if len(text) > 1 and all(c in _DIGITS for c in text):
        return Fraction(int("".join(str(_DIGITS[c]) for c in text)))
    total = section = 0
    digit: int | None = None
    for c in text:
        if c in _DIGITS:
            digit = _DIGITS[c]
        elif c in _UNITS:
            section += (1 if digit is None else digit) * _UNITS[c]
            digit = None
        else:
            total += (section + (digit or 0)) * _SECTIONS[c]
            section, digit = 0, None
            if total == 0:
                return None
    return Fraction(total + section + (digit or 0))


def figures_in(text: str) -> frozenset[Fraction]:
    """Return every figure that a Chinese text states, in each way in which it may be meant.

    A percentage counts as the ratio and as the bare number, an afternoon hour on both clocks, a stretch such as `半年` in months.
    """
    found: set[Fraction] = set()
    for number, unit in _ARABIC.findall(text):
        value = Fraction(number)
        found.add(value)
        if unit == "%":
            found.add(value / 100)
        elif unit:
            found.add(value * (_UNITS.get(unit) or _SECTIONS[unit]))
    found.update(Fraction(int(a), int(b)) for a, b in _SLASHED.findall(text) if int(b))
    found.update(Fraction(int(h) + 12) for h in _AFTERNOON.findall(text) if int(h) < 12)
    for below, above in _RATIO.findall(text):
        a, b = chinese_number(above), chinese_number(below)
        if a is not None and b:
            found.add(a / b)
    # The clauses' own numbers (`三、`, `第十条`) are figures too: a text says more than is meant, never less.
    found.update(v for v in map(chinese_number, _NUMERAL.findall(text)) if v is not None)
    found.update(Fraction(months) for word, months in _STRETCHES.items() if word in text)
    return frozenset(found)


def meanings(value: Value) -> tuple[Fraction, ...]:
    """Return the ways in which a value may be stated; none for what is not a figure."""
    match value:
        case bool() | None | str():
            return ()
        case Fraction():
            return (value, value * 100)
        case timedelta():
            return tuple(Fraction(value / timedelta(**{unit: 1})).limit_denominator(1000) for unit in ("weeks", "days", "hours", "minutes"))
        case Period(months):
            return (Fraction(months), Fraction(months, 12))
        case time():
            return (Fraction(value.hour), Fraction(value.hour) % 12)
        case date():
            return (Fraction(value.day),)
        case _:
            return ()


def _constants(f: m.Formula) -> Iterator[Value]:
    if isinstance(f, m.Const):
        yield from f.value if isinstance(f.value, tuple) else (f.value,)
    for child in m.children(f):
        yield from _constants(child)


def row_figures(row: Row) -> Iterator[Value]:
    """Yield the figures written in a row's tests and outputs."""
    for cell in row.cells:
        for f in m.test_formulas(cell.test):
            yield from _constants(f)
    for output in row.outputs:
        yield from _constants(output.formula)


def _missing(values: Iterable[Value], clauses: Iterable[str], index: ClauseIndex) -> tuple[Value, ...]:
    stated: set[Fraction] = set()
    for clause in clauses:
        known = index.by_id.get(clause)
        if known is not None:
            stated |= figures_in(known.text.zh)
    out = []
    for value in values:
        ways = meanings(value)
        if ways and not (isinstance(value, Fraction) and value in _STRUCTURAL) and not any(w in stated for w in ways):
            out.append(value)
    return tuple(dict.fromkeys(out))


def unquoted_parameters(book: Book, index: ClauseIndex) -> Iterator[tuple[str, Value]]:
    """Yield parameters, not the company's, whose value no clause that they cite states: (name, value)."""
    for parameter in book.parameters:
        if not parameter.set_by_company:
            for value in _missing((v.value for v in parameter.values), parameter.clauses, index):
                yield parameter.name, value


def unquoted_rows(book: Book, index: ClauseIndex) -> Iterator[tuple[Row, Value]]:
    """Yield rows, not the company's, with figures that no clause that they cite states."""
    for decision in book.decisions:
        for row in decision.all_rows:
            if not row.set_by_company:
                for value in _missing(row_figures(row), row.clauses, index):
                    yield row, value

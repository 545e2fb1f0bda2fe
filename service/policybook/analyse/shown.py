"""What analysis found, in the words of the table: regions, requests, and tests as one writes them in a row."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TypeAlias

from policybook.analyse.boxes import Box
from policybook.analyse.inquiry import Asking, as_stated
from policybook.cells import codes as c
from policybook.cells.axes import Atom, Axis, DiscreteAxis, OrderedAxis, PresenceAxis, TruthAxis
from policybook.cells.codes import Ranges
from policybook.cells.grid import Grid
from policybook.cells.linear import linear, value_of
from policybook.cells.words import formula_text, value_text
from policybook.model.book import Book, DerivedValue
from policybook.model.formula import Const, Formula, Member, Ref, Role
from policybook.model.kinds import NUMBER, Base, Kind
from policybook.values import Value, decimal_text


def region_words(axes: tuple[Axis, ...], box: Box, domain: Box, book: Book, language: str = "en") -> str:
    """Say a box by the axes that it narrows: `Customer grade: C; Amount from 10000 up to but not including 20000`."""
    narrowed = [
        axis.words(c.closed_up(ranges, everything), language, book.currency)
        for axis, ranges, everything in zip(axes, box, domain, strict=True)
        if ranges != everything and not c.is_subset(everything, ranges)
    ]
    if not narrowed:
        return "任何请求" if language == "zh" else "any request"
    return ("；" if language == "zh" else "; ").join(narrowed)


def shown_axes(grid: Grid) -> tuple[Axis, ...]:
    """Return the axes of a table by the names that its tests use: `exposure - limit` for `outstanding + shipment - limit`.

    The codes stay the same.
    """
    values = {v.name: v for v in (*grid.book.values, *grid.decision.values)}
    return tuple(_by_name(a, values[a.key], grid) if isinstance(a, OrderedAxis) and a.key in values else a for a in grid.axes)


def _by_name(axis: OrderedAxis, value: DerivedValue, grid: Grid) -> OrderedAxis:
    named = linear(grid.plain.of(value.formula))
    mine = {atom.formula: k for atom, k in axis.form}
    if not named.terms or not all(f in mine for f in named.terms):
        return axis
    ratios = {mine[f] / k for f, k in named.terms.items() if k}
    if len(ratios) != 1 or any(not k for k in named.terms.values()):
        return axis
    factor = ratios.pop()
    if factor <= 0:
        return axis
    atom = Atom(
        index=-1,
        formula=Ref(value.name, Role.VALUE, value.kind),
        name=value.name,
        title=value.title,
        unit=value.unit,
        field=None,
        read=lambda env: env.get(value.name),
    )
    rest = tuple((a, k / factor) for a, k in axis.form if a.formula not in named.terms)
    cuts = tuple(cut / factor + named.constant for cut in axis.cuts)
    return replace(axis, form=((atom, Fraction(1)), *rest), cuts=cuts, kind=value.kind if not rest else axis.kind)


def plain_json(value: Value, kind: Kind, book: Book) -> object:
    """Return a value as `policybook decide --facts` reads it: numbers and amounts as text, so that they stay exact."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, tuple):
        inner = kind.element or kind
        return [plain_json(v, inner, book) for v in value]
    if isinstance(value, Mapping):
        return {f.name: plain_json(value[f.name], f.kind, book) for f in kind.fields}
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 and abs(value) < 2**53 else decimal_text(value)
    return value if isinstance(value, str) else value_text(value, kind)


def facts_json(asking: Asking, book: Book) -> dict[str, object]:
    """Return the facts of a request that was found, without those that need not be stated."""
    return {name: plain_json(value, book.input_by_name[name].kind, book) for name, value in as_stated(asking, book).items()}


def as_of_text(asking: Asking) -> str:
    """Return the as-of argument of a request: a day, or the instant where it matters."""
    return asking.now.isoformat() if asking.exact else asking.as_of.isoformat()


def request_text(asking: Asking, book: Book) -> str:
    """Return a request on one line: its facts as JSON and its day."""
    return f"{json.dumps(facts_json(asking, book), ensure_ascii=False)} as of {as_of_text(asking)}"


# ---------------------------------------------------------------- tests, as one writes them


def tests_of(axes: tuple[Axis, ...], box: Box, domain: Box, may_be_null: Callable[[Formula], bool]) -> dict[str, str] | None:
    """Return key -> test of a row that matches a box, as they stand in YAML, with quotes where it needs them.

    Args:
        may_be_null: tells of a part of a sum
    Returns:
        None when one row cannot say it: two sums of one name are limited, and not one from below and one from above
    """
    written: dict[str, str] = {}
    spans: dict[str, _Span] = {}
    for axis, ranges, everything in zip(axes, box, domain, strict=True):
        if c.is_subset(everything, ranges):
            continue
        shown = c.closed_up(ranges, everything)
        if isinstance(axis, OrderedAxis):
            with_null = c.contains(ranges, axis.null_code)
            key, some = _spans(axis, shown)
            nullable = [a.name for a in axis.atoms if may_be_null(a.formula)]
            if axis.variable is None and with_null and nullable != [key]:
                if not some:
                    return None
                # A sum is null when any part is: only `not(...)` lets it pass.
                others = c.complement(c.union(shown, ((axis.null_code, axis.null_code),)), axis.size)
                test = f"not({', '.join(_interval(s) for s in _spans(axis, others)[1])})"
            elif axis.variable is None and any(s[0] is None and s[1] is None for s in some):
                return None
            elif len(some) == 1 and not with_null:
                joined = _joined(spans[key], some[0]) if key in spans else some[0]
                if joined is None or (key in written and key not in spans):
                    return None
                spans[key] = joined
                written[key] = _quoted(_interval(joined))
                continue
            else:
                test = ", ".join(["null"] * with_null + [_interval(s) for s in some]) or "null"
        else:
            key, test = _test(axis, shown)
        if key in written:
            return None
        written[key] = _quoted(test)
    return written


def _quoted(test: str) -> str:
    plain = test.replace("_", "").isalnum() and not test[0].isdigit()
    return test if plain or test in ("null", "true", "false") else json.dumps(test, ensure_ascii=False)


def _test(axis: DiscreteAxis | TruthAxis | PresenceAxis, ranges: Ranges) -> tuple[str, str]:
    match axis:
        case DiscreteAxis():
            return axis.atom.name, _discrete_test(axis, ranges)
        case TruthAxis():
            return _truth_test(axis, ranges)
        case PresenceAxis():
            return axis.atom.name, "null" if c.contains(ranges, axis.null_code) else "not(null)"


def _truth_test(axis: TruthAxis, ranges: Ranges) -> tuple[str, str]:
    words = ["false", "true", "null"]
    match axis.atom.formula:
        case Member(Const(value, kind), among):
            inner = f"contains {value_text(value, kind)}"
            return formula_text(among), inner if c.contains(ranges, 1) else f"not({inner})"
    return axis.atom.name, ", ".join(words[code] for code in c.each(ranges))


def _discrete_test(axis: DiscreteAxis, ranges: Ranges) -> str:
    other = len(axis.values) if axis.has_other else -1
    codes = list(c.each(ranges))

    def say(code: int) -> str:
        return "null" if code == axis.null_code else value_text(axis.values[code], axis.kind)

    if other in codes:
        left_out = [code for code in range(axis.size) if code not in codes]
        return f"not({', '.join(say(code) for code in left_out)})" if left_out else "-"
    return ", ".join(say(code) for code in codes)


# The ends of an interval as written, and whether each is included.
_Span: TypeAlias = tuple["str | None", "str | None", bool, bool]


def _spans(axis: OrderedAxis, ranges: Ranges) -> tuple[str, list[_Span]]:
    key, others, factor = _sides(axis)
    out: list[_Span] = []
    for first, last in c.intersection(ranges, ((0, axis.null_code - 1),)):
        low, high = axis.bounds(first)[0], axis.bounds(last)[1]
        low_in, high_in = first % 2 == 1, last % 2 == 1
        if factor < 0:
            low, high, low_in, high_in = high, low, high_in, low_in
        out.append((_side(low, others, factor, axis), _side(high, others, factor, axis), low_in, high_in))
    return key, out


def _joined(a: _Span, b: _Span) -> _Span | None:
    """Return what lies in both of two intervals, where one has only a lower and the other only an upper end."""
    if a[0] is None and b[1] is None:
        a, b = b, a
    return (a[0], b[1], a[2], b[3]) if a[1] is None and b[0] is None else None


def _sides(axis: OrderedAxis) -> tuple[str, str, Fraction]:
    """Return the key that a person would test, what else is added on the other side, and the key's factor on the axis."""
    variable = axis.variable
    if variable is not None:
        return variable.name, "", Fraction(1)
    named = next((a for a, k in axis.form if a.name == axis.key and abs(k) == 1), None)
    lead, factor = next(((a, k) for a, k in axis.form if named is None or a is named), axis.form[0])
    rest = [(a, -k / factor) for a, k in axis.form if a is not lead and k != 0]
    text = ""
    for atom, k in rest:
        sign = " + " if k > 0 else " - "
        amount = atom.name if abs(k) == 1 else f"{value_text(abs(k), NUMBER)} * {atom.name}"
        text += (sign if text else ("" if k > 0 else "-")) + amount
    return lead.name, text, factor


def _side(n: Fraction | None, others: str, factor: Fraction, axis: OrderedAxis) -> str | None:
    if n is None:
        return None
    n = n / factor
    if not others:
        value = value_of(n, axis.kind.base)
        return decimal_text(n) if value is None else value_text(value, axis.kind)
    if n == 0:
        return others
    bases = {a.kind.base for a, k in axis.form if abs(k) == 1}
    amount = f"days({decimal_text(abs(n))})" if Base.DATE in bases else decimal_text(abs(n))
    return f"{others} {'+' if n > 0 else '-'} {amount}"


def _interval(span: _Span) -> str:
    low, high, low_in, high_in = span
    if low is None and high is None:
        return "not(null)"
    if low == high and low is not None:
        return low
    if low is None:
        return f"{'<=' if high_in else '<'} {high}"
    if high is None:
        return f"{'>=' if low_in else '>'} {low}"
    return f"{'[' if low_in else '('}{low}..{high}{']' if high_in else ')'}"

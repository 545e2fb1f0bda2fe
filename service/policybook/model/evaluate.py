"""What a formula and a test mean: the tree walked node by node, exactly. This is the reference semantics.

Null: arithmetic and functions on null give null; a comparison with null is false; `a = null` asks whether a is null.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from policybook.model.calendar import Place
from policybook.model.faults import FormulaError
from policybook.model.formula import (
    Anything,
    Arith,
    Between,
    Call,
    Choose,
    Compare,
    Compares,
    Const,
    Contains,
    ElementOf,
    Equals,
    Formula,
    Get,
    IsNull,
    ListOf,
    Logic,
    Member,
    NoneOf,
    Not,
    OneOf,
    Ref,
    Test,
)
from policybook.model.functions import FUNCTIONS
from policybook.model.sizes import sized
from policybook.values import Period, Value, add_months

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


def evaluate(f: Formula, env: Mapping[str, Value], zone: Place) -> Any:
    """Compute a formula.

    Args:
        env: name -> value; a name that is missing counts as null
        zone: the book's time zone, for the day of an instant
    Raises:
        FormulaError: division by zero, or a date that does not exist
    """
    match f:
        case Const(value, _):
            return value
        case Ref(name, _, _):
            return env.get(name)
        case Get(source, name, _):
            record = evaluate(source, env, zone)
            if isinstance(record, tuple):
                return tuple(r.get(name) if r is not None else None for r in record)
            return record.get(name) if record is not None else None
        case Arith(op, left, right, _):
            a, b = evaluate(left, env, zone), evaluate(right, env, zone)
            return None if a is None or b is None else calculate(op, a, b)
        case Compare(op, left, right):
            a, b = evaluate(left, env, zone), evaluate(right, env, zone)
            if a is None or b is None:
                return (a is b) if op == "=" else (a is not b) if op == "!=" else False
            return COMPARE[op](a, b)
        case Logic("and", left, right):
            return evaluate(left, env, zone) is True and evaluate(right, env, zone) is True
        case Logic(_, left, right):
            return evaluate(left, env, zone) is True or evaluate(right, env, zone) is True
        case Not(operand):
            return evaluate(operand, env, zone) is not True
        case Choose(condition, then, otherwise, _):
            return evaluate(then if evaluate(condition, env, zone) is True else otherwise, env, zone)
        case Call(name, arguments, _):
            function = FUNCTIONS[name]
            values = [evaluate(a, env, zone) for a in arguments]
            if not function.takes_null and any(v is None for v in values):
                return None
            try:
                return function.compute(values, zone)
            except OverflowError:
                raise FormulaError(f"`{name}`: the result is out of range") from None
        case ListOf(items, _):
            return tuple(evaluate(i, env, zone) for i in items)
        case Member(item, among):
            sought, items = evaluate(item, env, zone), evaluate(among, env, zone)
            return items is not None and sought in items


def calculate(op: str, a: Any, b: Any) -> Any:
    """Apply an operator to two values that are not null.

    Raises:
        FormulaError: division by zero, or a result out of range
    """
    try:
        if isinstance(b, Period) or isinstance(a, Period):
            return _with_period(op, a, b)
        if op == "+":
            return a + _fit(a, b) if isinstance(a, date) else (b + _fit(b, a) if isinstance(b, date) else sized(a + b))
        if op == "-":
            return a - _fit(a, b) if isinstance(a, date) and isinstance(b, timedelta) else sized(a - b)
        if op == "*":
            return _scale(a, b) if isinstance(a, timedelta) else _scale(b, a) if isinstance(b, timedelta) else sized(a * b)
        if b == 0 or b == timedelta(0):
            raise FormulaError("division by zero")
        if isinstance(a, timedelta) and isinstance(b, timedelta):
            return Fraction(_micros(a), _micros(b))
        return _scale(a, 1 / b) if isinstance(a, timedelta) else sized(a / b)
    except OverflowError:
        raise FormulaError("the result is out of range") from None


def _fit(day: date, length: timedelta) -> timedelta:
    # A date plus 36 hours has no meaning of its own: whole days count.
    return length if isinstance(day, datetime) else timedelta(days=length.days)


def _micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


def _scale(length: timedelta, factor: Fraction) -> timedelta:
    return timedelta(microseconds=int(_micros(length) * factor))


def _with_period(op: str, a: Any, b: Any) -> Any:
    if isinstance(a, Period) and isinstance(b, Period):
        return Period(a.months + b.months if op == "+" else a.months - b.months)
    if op == "*":
        period, factor = (a, b) if isinstance(a, Period) else (b, a)
        return Period(int(period.months * factor))
    if isinstance(a, Period):
        a, b = b, a
    months = b.months if op == "+" else -b.months
    if isinstance(a, datetime):
        return datetime.combine(add_months(a.date(), months), a.timetz())
    return add_months(a, months)


def passes(test: Test, value: Any, env: Mapping[str, Value], zone: Place) -> bool:
    """Tell whether a value passes a unary test.

    Raises:
        FormulaError: from a formula in the test
    """
    match test:
        case Anything():
            return True
        case IsNull():
            return value is None
        case Equals(formula):
            other = evaluate(formula, env, zone)
            return value is not None and other is not None and value == other
        case Compares(op, formula):
            other = evaluate(formula, env, zone)
            return value is not None and other is not None and COMPARE[op](value, other)
        case Between(low, high, low_included, high_included):
            a, b = evaluate(low, env, zone), evaluate(high, env, zone)
            above = value is not None and a is not None and (a <= value if low_included else a < value)
            return bool(above and b is not None and (value <= b if high_included else value < b))
        case OneOf(tests):
            return any(passes(t, value, env, zone) for t in tests)
        case NoneOf(tests):
            return not any(passes(t, value, env, zone) for t in tests)
        case Contains(every, formulas):
            wanted = [evaluate(f, env, zone) for f in formulas]
            return value is not None and (all if every else any)(w in value for w in wanted)
        case ElementOf(among):
            items = evaluate(among, env, zone)
            return value is not None and items is not None and value in items

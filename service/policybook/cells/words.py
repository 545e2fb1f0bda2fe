"""Formulas and values as a person writes them in a book."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from policybook.model.formula import Arith, Call, Choose, Compare, Const, Formula, Get, ListOf, Logic, Member, Not, Ref
from policybook.model.kinds import NUMBER, Base, Kind
from policybook.values import decimal_text, duration_text, money_text

_BINDS = {"or": 1, "and": 2, "compare": 3, "+": 4, "-": 4, "*": 5, "/": 5}


def value_text(value: Any, kind: Kind, currency: str = "") -> str:
    """Write a value as in a book; money with the currency's decimals and, where given, its code."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if kind.base is Base.ENUM else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(value_text(v, kind.element or NUMBER) for v in value) + "]"
    if isinstance(value, Fraction | int):
        return _number_text(Fraction(value), kind, currency)
    return str(value)


def _number_text(value: Fraction, kind: Kind, currency: str) -> str:
    if kind.base is Base.MONEY and currency:
        return f"{money_text(value, currency)} {currency}"
    if kind.base is Base.PERCENT:
        return f"{decimal_text(value * 100)}%"
    return decimal_text(value)


def formula_text(f: Formula, binds: int = 0) -> str:
    """Write a formula in the language of books."""
    match f:
        case Const(value, kind):
            return value_text(value, kind)
        case Ref(name, _, _):
            return name
        case Get(source, field, _):
            return f"{formula_text(source, 9)}.{field}"
        case Arith("*", operand, Const(Fraction(numerator=-1, denominator=1), _), _):
            return f"-{formula_text(operand, 9)}"
        case Arith(op, left, right, _):
            own = _BINDS[op]
            return _bracketed(f"{formula_text(left, own)} {op} {formula_text(right, own + 1)}", own, binds)
        case Compare(op, left, right):
            return _bracketed(f"{formula_text(left, 4)} {op} {formula_text(right, 4)}", 3, binds)
        case Logic(op, left, right):
            own = _BINDS[op]
            return _bracketed(f"{formula_text(left, own)} {op} {formula_text(right, own + 1)}", own, binds)
        case Not(operand):
            return f"not({formula_text(operand)})"
        case Choose(condition, then, otherwise, _):
            text = f"if {formula_text(condition)} then {formula_text(then)} else {formula_text(otherwise)}"
            return _bracketed(text, 0, binds)
        case Call(name, arguments, _):
            return f"{name}({', '.join(formula_text(a) for a in arguments)})"
        case ListOf(items, _):
            return f"[{', '.join(formula_text(i) for i in items)}]"
        case Member(item, among):
            return _bracketed(f"{formula_text(item, 4)} in {formula_text(among, 4)}", 3, binds)


def _bracketed(text: str, own: int, outer: int) -> str:
    return f"({text})" if own < outer else text

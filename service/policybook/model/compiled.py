"""Formulas made into functions: what `evaluate` says, several times as fast, for what is computed at every request.

INVARIANT: `compiled(f, zone)(env)` gives what `evaluate(f, env, zone)` gives, faults included; a property test compares them, and
the self-check compares every table's tests with a reading by `evaluate`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from policybook.model.calendar import Place
from policybook.model.evaluate import COMPARE, calculate
from policybook.model.faults import FormulaError
from policybook.model.formula import Arith, Call, Choose, Compare, Const, Formula, Get, ListOf, Logic, Member, Not, Ref
from policybook.model.functions import FUNCTIONS
from policybook.model.sizes import MAX_BITS
from policybook.values import Value

Env: TypeAlias = Mapping[str, Value]
Reader: TypeAlias = Callable[[Env], Any]


def compiled(f: Formula, zone: Place) -> Reader:
    """Return a function that computes a formula; it raises what `evaluate` raises."""
    match f:
        case Const(value, _):
            return lambda _: value
        case Ref(name, _, _):
            return lambda env: env.get(name)
        case Get(source, name, _):
            return _get(compiled(source, zone), name)
        case Arith(op, left, right, _):
            make = _arith_of_numbers if left.kind.numeric and right.kind.numeric else _arith
            return make(op, compiled(left, zone), compiled(right, zone))
        case Compare(op, left, right):
            return _compare(op, compiled(left, zone), compiled(right, zone))
        case Logic(op, left, right):
            return _logic(op, compiled(left, zone), compiled(right, zone))
        case Not(operand):
            negated = compiled(operand, zone)
            return lambda env: negated(env) is not True
        case Choose(condition, then, otherwise, _):
            test, yes, no = compiled(condition, zone), compiled(then, zone), compiled(otherwise, zone)
            return lambda env: yes(env) if test(env) is True else no(env)
        case Call(name, arguments, _):
            return _call(name, tuple(compiled(a, zone) for a in arguments), zone)
        case ListOf(items, _):
            parts = tuple(compiled(i, zone) for i in items)
            return lambda env: tuple([part(env) for part in parts])
        case Member(item, among):
            return _member(compiled(item, zone), compiled(among, zone))


def _get(source: Reader, name: str) -> Reader:
    def get(env: Env) -> Any:
        record = source(env)
        if isinstance(record, tuple):
            return tuple([None if r is None else r.get(name) for r in record])
        return None if record is None else record.get(name)

    return get


def _arith(op: str, left: Reader, right: Reader) -> Reader:
    def arith(env: Env) -> Any:
        a, b = left(env), right(env)
        return None if a is None or b is None else calculate(op, a, b)

    return arith


_NUMERIC: Mapping[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


def _arith_of_numbers(op: str, left: Reader, right: Reader) -> Reader:
    apply = _NUMERIC[op]

    def arith(env: Env) -> Any:
        a, b = left(env), right(env)
        if a is None or b is None:
            return None
        try:
            found = apply(a, b)
        except ZeroDivisionError:
            raise FormulaError("division by zero") from None
        # As `sized`, without the call.
        if found.numerator.bit_length() > MAX_BITS or found.denominator.bit_length() > MAX_BITS:
            raise FormulaError("the result has too many digits")
        return found

    return arith


def _compare(op: str, left: Reader, right: Reader) -> Reader:
    holds, of_nulls, of_one_null = COMPARE[op], op == "=", op == "!="

    def compare(env: Env) -> Any:
        a, b = left(env), right(env)
        if a is None or b is None:
            return of_nulls if a is b else of_one_null
        return holds(a, b)

    return compare


def _logic(op: str, left: Reader, right: Reader) -> Reader:
    if op == "and":
        return lambda env: left(env) is True and right(env) is True
    return lambda env: left(env) is True or right(env) is True


def _call(name: str, arguments: tuple[Reader, ...], zone: Place) -> Reader:
    function = FUNCTIONS[name]
    compute, takes_null = function.compute, function.takes_null

    def call(env: Env) -> Any:
        values = [argument(env) for argument in arguments]
        if not takes_null:
            for value in values:
                if value is None:
                    return None
        try:
            return compute(values, zone)
        except OverflowError:
            raise FormulaError(f"`{name}`: the result is out of range") from None

    return call


def _member(item: Reader, among: Reader) -> Reader:
    def member(env: Env) -> Any:
        sought, items = item(env), among(env)
        return items is not None and sought in items

    return member

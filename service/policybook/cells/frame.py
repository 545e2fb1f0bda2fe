"""Formulas over many requests at once: by whole columns where numbers allow it, else once for each different combination of values.

INVARIANT: `Frame.compute(f)` gives in every row what `compiled(f, zone)` gives for that row, and marks the rows in which it raises
FormulaError; a property test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from policybook.cells.linear import dimension, number
from policybook.cells.vectors import ROOM, Coded, Codes, Mask, Numbers, Vector, by_combination, common, constant
from policybook.model.calendar import Place
from policybook.model.compiled import compiled
from policybook.model.faults import FormulaError
from policybook.model.formula import Arith, Call, Choose, Compare, Const, Formula, Logic, Not, Ref, refs
from policybook.model.kinds import Base
from policybook.values import Value

# What a formula gives, and the rows in which it has no result; None: there are none.
Computed: TypeAlias = tuple[Vector, Mask | None]
_Made: TypeAlias = "tuple[Numbers, Mask | None] | None"
_FAULT: Any = object()
_TRUTHS: tuple[Value, ...] = (False, True)


class Frame:
    """Requests side by side: name -> vector.

    Args:
        vectors: inputs, figures, outputs of required decisions, the item, `as_of` and `now`; a name that is missing counts as null

    Attributes:
        left: the rows that are given up here and left to be decided one by one
    """

    def __init__(self, size: int, zone: Place, vectors: dict[str, Vector]) -> None:
        self.size = size
        self.zone = zone
        self.left: Mask = np.zeros(size, dtype=np.bool_)
        self._vectors = vectors
        self._coded: dict[str, Coded] = {}
        self._counted: dict[str, Numbers | None] = {}
        self._derived: dict[str, Formula] = {}
        self._outer: tuple[Frame, Codes] | None = None

    def inside(self, rows: Codes) -> Frame:
        """Return a frame of some of the rows, any number of times each; what it computes does not come back."""
        inner = Frame(len(rows), self.zone, {})
        inner._outer = (self, rows)
        return inner

    def put(self, name: str, vector: Vector) -> None:
        """Set the values of a name."""
        self._vectors[name] = vector
        self._coded.pop(name, None)
        self._counted.pop(name, None)

    def derive(self, name: str, formula: Formula) -> None:
        """Say how a name is computed, when it is asked for."""
        self._derived[name] = formula
        self._vectors.pop(name, None)
        self._coded.pop(name, None)
        self._counted.pop(name, None)

    def knows(self, name: str) -> bool:
        """Tell whether a name is stated or derived."""
        if name in self._vectors or name in self._derived:
            return True
        return self._outer is not None and self._outer[0].knows(name)

    def get(self, name: str) -> Vector:
        """Return the values of a name; rows in which a derived value has no result are left."""
        found = self._vectors.get(name)
        if found is None:
            formula = self._derived.get(name)
            if formula is not None:
                found = self.settled(formula)
            elif self._outer is not None:
                outer, rows = self._outer
                found = outer.get(name).take(rows)
                if outer.left.any():
                    self.left |= outer.left[rows]
            else:
                found = constant(None, self.size)
            self._vectors[name] = found
        return found

    def coded(self, name: str) -> Coded:
        """Return the values of a name by their codes."""
        found = self._coded.get(name)
        if found is None:
            found = self._coded[name] = self.get(name).coded()
        return found

    def named_numbers(self, name: str, base: Base) -> Numbers | None:
        """Return the values of a name of an ordered kind as whole numbers; None where they have no room."""
        vector = self.get(name)
        if isinstance(vector, Numbers):
            return vector
        if name not in self._counted:
            self._counted[name] = vector.numbers(base)
        return self._counted[name]

    def settled(self, formula: Formula) -> Vector:
        """Compute a formula; rows in which it has no result are left."""
        vector, bad = self.compute(formula)
        if bad is not None:
            self.left |= bad
        return vector

    def row(self, row: int, names: Mapping[str, object]) -> dict[str, Value]:
        """Return one row's values of some names."""
        return {name: self.get(name).at(row) for name in names}

    # Formulas

    def compute(self, f: Formula) -> Computed:
        """Compute a formula in every row."""
        match f:
            case Const(value, _):
                return constant(value, self.size), None
            case Ref(name, _, _):
                return self.get(name), None
            case Choose(condition, then, otherwise, _):
                made = self._numbers(f) if f.kind.ordered else None
                return (self._full(made[0]), made[1]) if made is not None else self._chosen(condition, then, otherwise)
            case Compare() | Logic() | Not() | Call("is_null", _, _):
                truth, bad = self._truth(f)
                return Coded(truth.astype(np.intp), _TRUTHS), bad
            case _ if f.kind.ordered:
                made = self._numbers(f)
                if made is not None:
                    return self._full(made[0]), made[1]
        return self._by_combination(f)

    def numbers(self, f: Formula) -> Numbers | None:
        """Compute a formula of an ordered kind as whole numbers; None where they have no room. Rows without a result are left."""
        if isinstance(f, Ref):
            return self.named_numbers(f.name, f.kind.base)
        vector = self.settled(f)
        return vector if isinstance(vector, Numbers) else vector.numbers(f.kind.base)

    def _by_combination(self, f: Formula) -> Computed:
        names = list(dict.fromkeys(r.name for r in refs(f)))
        run = compiled(f, self.zone)

        def one(values: Any) -> Any:
            try:
                return run(dict(zip(names, values, strict=True)))
            except FormulaError:
                return _FAULT

        codes, values = by_combination([self.coded(n) for n in names], one, self.size)
        faults = [v is _FAULT for v in values]
        if not any(faults):
            return Coded(codes, values), None
        return Coded(codes, [None if v is _FAULT else v for v in values]), np.array(faults, dtype=np.bool_)[codes]

    def _full(self, made: Numbers) -> Numbers:
        """Give a constant its rows."""
        if len(made) == self.size:
            return made
        missing = None if made.missing is None else np.broadcast_to(made.missing, self.size)
        return Numbers(np.broadcast_to(made.n, self.size), made.scale, made.base, missing, made.low, made.high)

    # Truths

    def _truth(self, f: Formula) -> tuple[Mask, Mask | None]:
        """Tell in which rows a formula is true."""
        match f:
            case Compare(op, left, right) if dimension(left) and dimension(left) == dimension(right):
                a, b = self._numbers(left), self._numbers(right)
                compared = None if a is None or b is None else _compared(op, a[0], b[0], self.size)
                if a is not None and b is not None and compared is not None:
                    return compared, _either(a[1], b[1])
            case Logic("and", left, right):
                one, bad = self._truth(left)
                other, worse = self._truth(right)
                # What does not need to be looked at has no fault.
                return one & other, _either(bad, None if worse is None else worse & one)
            case Logic(_, left, right):
                one, bad = self._truth(left)
                other, worse = self._truth(right)
                return one | other, _either(bad, None if worse is None else worse & ~one)
            case Not(operand):
                one, bad = self._truth(operand)
                return ~one, bad
            case Call("is_null", (operand,), _):
                vector, bad = self.compute(operand)
                return _missing(vector), bad
            case _:
                pass
        vector, bad = self._by_combination(f) if isinstance(f, Compare) else self.compute(f)
        by_code = vector.coded()
        return np.array([v is True for v in by_code.values], dtype=np.bool_)[by_code.codes], bad

    def _chosen(self, condition: Formula, then: Formula, otherwise: Formula) -> Computed:
        test, bad = self._truth(condition)
        yes, yes_bad = self.compute(then)
        no, no_bad = self.compute(otherwise)
        a, b = yes.coded(), no.coded()
        codes = np.where(test, a.codes, b.codes + len(a.values))
        return Coded(codes, [*a.values, *b.values]), _either(bad, _where(test, yes_bad, no_bad))

    # Numbers

    def _numbers(self, f: Formula) -> _Made:
        """Compute by whole numbers; None where that is not possible. A constant has one row."""
        match f:
            case Const(value, kind):
                return _number_of(value, kind.base)
            case Ref(name, _, kind):
                named = self.named_numbers(name, kind.base)
                return None if named is None else (named, None)
            case Arith(op, left, right, _) if left.kind.numeric and right.kind.numeric:
                return self._arithmetic(op, left, right, f.kind.base)
            case Choose(condition, then, otherwise, kind):
                return self._number_chosen(condition, then, otherwise, kind.base)
            case Call("min" | "max" | "coalesce", arguments, kind) if len(arguments) > 1 and all(a.kind.ordered for a in arguments):
                return self._extreme(f.function, arguments, kind.base)
            case _ if f.kind.ordered:
                vector, bad = self._by_combination(f)
                made = vector.numbers(f.kind.base) if isinstance(vector, Coded) else vector
                return None if made is None else (made, bad)
            case _:
                return None

    def _arithmetic(self, op: str, left: Formula, right: Formula, base: Base) -> _Made:
        a, b = self._numbers(left), self._numbers(right)
        if a is None or b is None:
            return None
        if op == "/":
            made = _divided(a[0], b[0], base)
        elif op == "*":
            made = _product(a[0], b[0], base)
        else:
            made = _sum(a[0], b[0], 1 if op == "+" else -1, base)
        return None if made is None else (made, _either(a[1], b[1]))

    def _number_chosen(self, condition: Formula, then: Formula, otherwise: Formula, base: Base) -> _Made:
        a, b = self._numbers(then), self._numbers(otherwise)
        pair = None if a is None or b is None else common(a[0], b[0])
        if a is None or b is None or pair is None:
            return None
        test, bad = self._truth(condition)
        x, y = pair
        n = np.where(test, x.n, y.n)
        missing = _where(test, x.missing, y.missing)
        return Numbers(n, x.scale, base, missing, min(x.low, y.low), max(x.high, y.high)), _either(bad, _where(test, a[1], b[1]))

    def _extreme(self, function: str, arguments: tuple[Formula, ...], base: Base) -> _Made:
        made = self._numbers(arguments[0])
        if made is None:
            return None
        so_far, bad = made
        for argument in arguments[1:]:
            further = self._numbers(argument)
            pair = None if further is None else common(so_far, further[0])
            if further is None or pair is None:
                return None
            so_far = _of_two(function, *pair, base)
            bad = _either(bad, further[1])
        return so_far, bad


def _either(a: Mask | None, b: Mask | None) -> Mask | None:
    if a is None or b is None:
        return b if a is None else a
    return a | b


def _where(test: Mask, a: Mask | None, b: Mask | None) -> Mask | None:
    if a is None and b is None:
        return None
    return np.where(test, False if a is None else a, False if b is None else b)


def _missing(vector: Vector) -> Mask:
    if isinstance(vector, Coded):
        return np.array([v is None for v in vector.values], dtype=np.bool_)[vector.codes]
    return np.zeros(len(vector), dtype=np.bool_) if vector.missing is None else vector.missing


def _number_of(value: Value, base: Base) -> _Made:
    if value is None:
        return Numbers(np.zeros(1, dtype=np.int64), 1, base, np.ones(1, dtype=np.bool_), 0, 0), None
    n, scale = Fraction(number(value)).as_integer_ratio()
    if not (-ROOM < n < ROOM and scale < ROOM):
        return None
    return Numbers(np.array([n], dtype=np.int64), scale, base, None, n, n), None


def _sum(a: Numbers, b: Numbers, sign: int, base: Base) -> Numbers | None:
    pair = common(a, b)
    if pair is None:
        return None
    x, y = pair
    low, high = (x.low + y.low, x.high + y.high) if sign > 0 else (x.low - y.high, x.high - y.low)
    if not (low > -ROOM and high < ROOM):
        return None
    return Numbers(x.n + y.n if sign > 0 else x.n - y.n, x.scale, base, _either(x.missing, y.missing), low, high)


def _product(a: Numbers, b: Numbers, base: Base) -> Numbers | None:
    corners = [p * q for p in (a.low, a.high) for q in (b.low, b.high)]
    low, high, scale = min(corners), max(corners), a.scale * b.scale
    if not (low > -ROOM and high < ROOM and scale < ROOM):
        return None
    return Numbers(a.n * b.n, scale, base, _either(a.missing, b.missing), low, high)


def _divided(a: Numbers, b: Numbers, base: Base) -> Numbers | None:
    """Divide by a constant that is not null or zero; what else there is goes value by value."""
    if b.low != b.high or b.low == 0 or b.missing is not None:
        return None
    sign = 1 if b.low > 0 else -1
    inverse = Numbers(np.array([sign * b.scale], dtype=np.int64), abs(b.low), base, None, sign * b.scale, sign * b.scale)
    return _product(a, inverse, base)


def _of_two(function: str, a: Numbers, b: Numbers, base: Base) -> Numbers:
    if function == "coalesce":
        n = a.n if a.missing is None else np.where(a.missing, b.n, a.n)
        missing = None if a.missing is None or b.missing is None else a.missing & b.missing
    else:
        # Of single values a null makes the result null.
        n, missing = (np.minimum if function == "min" else np.maximum)(a.n, b.n), _either(a.missing, b.missing)
    return Numbers(n, a.scale, base, missing, min(a.low, b.low), max(a.high, b.high))


def _compared(op: str, a: Numbers, b: Numbers, size: int) -> Mask | None:
    pair = common(a, b)
    if pair is None:
        return None
    x, y = pair
    made: Any
    match op:
        case "<":
            made = x.n < y.n
        case "<=":
            made = x.n <= y.n
        case ">":
            made = x.n > y.n
        case ">=":
            made = x.n >= y.n
        case "=":
            made = x.n == y.n
        case _:
            made = x.n != y.n
    missing = _either(x.missing, y.missing)
    if missing is not None:
        both = False if x.missing is None or y.missing is None else x.missing & y.missing
        of_nulls = both if op == "=" else missing & ~np.asarray(both) if op == "!=" else False
        made = np.where(missing, of_nulls, made)
    return np.broadcast_to(made, size)

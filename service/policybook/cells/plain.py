"""Plain formulas: derived values written out, figures of the day and constant parts computed.

What is left names only inputs, outputs of other decisions, the item of a list, `as_of` and `now`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from policybook.model.book import Book, Decision, DerivedValue
from policybook.model.calendar import Place
from policybook.model.evaluate import evaluate
from policybook.model.faults import FormulaError
from policybook.model.formula import Arith, Call, Choose, Compare, Const, Formula, Get, ListOf, Logic, Member, Not, Ref, Role, children
from policybook.model.kinds import Base
from policybook.values import Value

# LIMIT: values that use values twice grow exponentially when written out; beyond this a value stays a name.
MAX_NODES = 200


class Plain:
    """Makes formulas plain for one book on one day, or for one decision of it."""

    def __init__(self, book: Book, day: date) -> None:
        self.book = book
        self.day = day
        self.zone: Place = book.zone
        self.decision: Decision | None = None
        self._values: dict[str, Formula] = {}
        self._derived: dict[str, DerivedValue] = {}
        self._large: dict[str, Formula] = {}
        # In the book's order each value finds those it uses already made: no deep recursion.
        self._take(book.values)

    def within(self, decision: Decision) -> Plain:
        """Return one that also knows the decision's own values."""
        inner = Plain.__new__(Plain)
        inner.book, inner.day, inner.zone, inner.decision = self.book, self.day, self.zone, decision
        inner._values = dict(self._values)  # noqa: SLF001 - of this class
        inner._derived = dict(self._derived)  # noqa: SLF001 - of this class
        inner._large = dict(self._large)  # noqa: SLF001 - of this class
        inner._take(decision.values)  # noqa: SLF001 - of this class
        return inner

    def _take(self, values: tuple[DerivedValue, ...]) -> None:
        for v in values:
            made = self.of(v.formula)
            self._derived[v.name] = v
            (self._values if _fits(made, MAX_NODES) else self._large)[v.name] = made

    def named(self) -> dict[Formula, DerivedValue]:
        """Return the derived values by their plain formulas."""
        return {f: self._derived[name] for name, f in self._values.items() if not isinstance(f, Const | Ref)}

    @property
    def large(self) -> dict[str, Formula]:
        """The values that stay names, by name, otherwise plain."""
        return self._large

    def of(self, f: Formula) -> Formula:
        """Make one formula plain."""
        match f:
            case Const():
                return f
            case Ref(name, Role.PARAMETER, kind):
                return Const(self._figure(name), kind)
            case Ref(name, Role.VALUE, _):
                return self._values.get(name, f)
            case Ref():
                return f
            case Choose(condition, then, otherwise, kind):
                test = self.of(condition)
                if isinstance(test, Const):
                    return self.of(then if test.value is True else otherwise)
                return Choose(test, self.of(then), self.of(otherwise), kind)
            case _:
                return self._computed(rebuilt(f, tuple(self.of(c) for c in children(f))))

    def _figure(self, name: str) -> Value:
        parameter = self.book.parameter_by_name.get(name)
        dated = parameter.on(self.day) if parameter else None
        return dated.value if dated else None

    def _computed(self, f: Formula) -> Formula:
        if any(not isinstance(c, Const) for c in children(f)):
            return f
        try:
            return Const(evaluate(f, {}, self.zone), f.kind)
        except FormulaError:
            # Left as it is: the fault belongs to the request that needs the value.
            return f

    def complete(self, env: Mapping[str, Value]) -> Mapping[str, Value]:
        """Return an environment that also computes the derived values that stayed names."""
        return _Completed(env, self._large, self.zone) if self._large else env


class _Completed(Mapping[str, Value]):
    def __init__(self, env: Mapping[str, Value], large: dict[str, Formula], zone: Place) -> None:
        self._env = env
        self._large = large
        self._zone = zone
        self._made: dict[str, Value] = {}

    def __getitem__(self, name: str) -> Value:
        if name in self._env:
            return self._env[name]
        if name not in self._made:
            value: Value = evaluate(self._large[name], self, self._zone)
            self._made[name] = value
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._env)

    def __len__(self) -> int:
        return len(self._env)


def _fits(f: Formula, limit: int) -> bool:
    pending, count = [f], 0
    while pending:
        count += 1
        if count > limit:
            return False
        pending.extend(children(pending.pop()))
    return True


def rebuilt(f: Formula, parts: tuple[Formula, ...]) -> Formula:
    """Return a formula with other parts; itself where they are the same."""
    if all(a is b for a, b in zip(parts, children(f), strict=True)):
        return f
    match f:
        case Get(_, field, kind):
            return Get(parts[0], field, kind)
        case Arith(op, _, _, kind):
            return Arith(op, parts[0], parts[1], kind)
        case Compare(op, _, _):
            return Compare(op, parts[0], parts[1])
        case Logic(op, _, _):
            return Logic(op, parts[0], parts[1])
        case Not():
            return Not(parts[0])
        case Call(function, _, kind):
            return Call(function, parts, kind)
        case ListOf(_, element):
            return ListOf(parts, element)
        case Member():
            return Member(parts[0], parts[1])
        case _:
            return f


# Functions that give a result for every argument of their kinds.
_SAFE = frozenset(
    {
        *("min", "max", "count", "floor", "ceiling", "coalesce", "is_null", "contains", "concat", "difference", "first", "last"),
        *("index_of", "distinct", "next_in_turn"),
    }
)
_SAFE_ON_DATES = frozenset(("date", "year", "month", "day", "weekday", "month_start", "month_end", "days_between", "months_between"))
_SAFE_ON_NUMBERS = frozenset(("abs", "sum"))


def may_fault(f: Formula) -> bool:
    """Tell whether computing a plain formula can raise FormulaError; True when in doubt."""
    match f:
        case Const() | Ref():
            # A value that stayed a name may hold anything.
            return isinstance(f, Ref) and f.role is Role.VALUE
        case Arith("/", left, right, _):
            return not (isinstance(right, Const) and _is_number(right.value) and right.value != 0 and left.kind.numeric) or may_fault(left)
        case Arith(_, left, right, _):
            return not (left.kind.numeric and right.kind.numeric) or may_fault(left) or may_fault(right)
        case Call(function, arguments, _):
            safe = function in _SAFE or (function in _SAFE_ON_DATES and all(a.kind.base is Base.DATE for a in arguments))
            safe = safe or (function in _SAFE_ON_NUMBERS and all((a.kind.element or a.kind).numeric for a in arguments))
            return not safe or any(may_fault(a) for a in arguments)
        case _:
            return any(may_fault(c) for c in children(f))


def _is_number(value: Any) -> bool:
    return hasattr(value, "numerator") and not isinstance(value, bool)

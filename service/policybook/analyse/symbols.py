"""Values that are not known yet, as terms of the SMT solver Z3, and what the language's operators make of them.

Every value has a part that says whether it is null. Numbers, money and everything ordered are exact reals in the units of
`cells.linear`; texts and choices are whole numbers that stand for words; a list is its elements, each with the condition
under which it is there, and possibly more that are not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import z3

from policybook.cells.linear import number
from policybook.model.kinds import Base, Kind
from policybook.values import Value

# Z3's own types say nothing to mypy: a term is whatever it made, a condition may also be a plain bool.
Expr: TypeAlias = Any
Cond: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value of a kind that is not a list or record; `value` means nothing where it is null."""

    value: Expr
    null: Cond


@dataclass(frozen=True, slots=True)
class Rec:
    fields: Mapping[str, Term]
    null: Cond


@dataclass(frozen=True, slots=True)
class Rest:
    """Elements of a list about which only some things are known.

    Args:
        name: where they come from, for names of variables
        typical: any one of them: what holds for it holds for each
        condition: what is known of the typical one
        parts: it is that of these whose condition holds, and none where none does; without parts it is a list by itself
    """

    name: str
    typical: Term
    condition: Cond
    parts: tuple[tuple[Cond, Rest], ...] = ()

    @property
    def alternatives(self) -> tuple[tuple[Cond, Rest], ...]:
        """Return its parts, itself where it has none."""
        return self.parts or ((True, self),)


@dataclass(frozen=True, slots=True)
class Items:
    """A list: elements with the condition under which each is there, in order, then the rest."""

    items: tuple[tuple[Cond, Term], ...]
    rest: Rest | None
    null: Cond


Term: TypeAlias = Scalar | Rec | Items
NULL = Scalar(None, True)


class Solver:
    """Terms of one Z3 context, with the helpers that keep them small; one thread at a time.

    Args:
        context: a new one unless it is given; a new one costs as much as several questions, so those who ask much share theirs
    """

    def __init__(self, context: Any = None) -> None:
        self.ctx = context or z3.Context()
        self._words: dict[str, Expr] = {}
        self._text_of: list[str] = []
        self._known_words: set[int] = set()
        self._numbers: dict[Fraction | int, Expr] = {}
        self._names = 0
        self._kept: dict[int, Expr] = {}
        self._rising: dict[object, list[tuple[Expr, Expr]]] = {}
        self.true = z3.BoolVal(True, self.ctx)
        self.false = z3.BoolVal(False, self.ctx)

    # Conditions

    def all(self, *parts: Cond) -> Cond:
        kept = [p for p in parts if p is not True]
        if any(p is False for p in kept):
            return False
        if not kept:
            return True
        return kept[0] if len(kept) == 1 else self._joined(z3.Z3_mk_and, kept)

    def any(self, *parts: Cond) -> Cond:
        kept = [p for p in parts if p is not False]
        if any(p is True for p in kept):
            return True
        if not kept:
            return False
        return kept[0] if len(kept) == 1 else self._joined(z3.Z3_mk_or, kept)

    def _joined(self, join: Any, parts: list[Expr]) -> Expr:
        # z3.And and z3.Or look at every argument several times, which is half of the time of a large table.
        array = (z3.Ast * len(parts))(*[p.ast for p in parts])
        return z3.BoolRef(join(self.ctx.ref(), len(parts), array), self.ctx)

    def no(self, part: Cond) -> Cond:
        return (not part) if isinstance(part, bool) else z3.BoolRef(z3.Z3_mk_not(self.ctx.ref(), part.ast), self.ctx)

    def implies(self, a: Cond, b: Cond) -> Cond:
        return self.any(self.no(a), b)

    def same(self, a: Cond, b: Cond) -> Cond:
        if isinstance(a, bool):
            return b if a else self.no(b)
        if isinstance(b, bool):
            return a if b else self.no(a)
        return a == b

    def expr(self, part: Cond) -> Expr:
        """Return a condition as a term of Z3."""
        return (self.true if part else self.false) if isinstance(part, bool) else part

    def choose(self, condition: Cond, a: Expr, b: Expr) -> Expr:
        if isinstance(condition, bool):
            return a if condition else b
        if a is b or a is None or b is None:
            return b if a is None else a
        if isinstance(a, bool) or isinstance(b, bool):
            return self.any(self.all(condition, a), self.all(self.no(condition), b))
        return z3.If(condition, a, b)

    # Names

    def key(self, expr: Expr) -> str:
        """Return a name of a term: the same for the same term, and no other term has it (printed terms are cut short)."""
        if isinstance(expr, bool) or z3.is_int_value(expr) or z3.is_rational_value(expr):
            return str(expr)
        # Z3 numbers its terms, and uses the number of one that is gone again.
        self._kept.setdefault(expr.get_id(), expr)
        return f"#{expr.get_id()}"

    def name_of(self, term: Term) -> str:
        """Return a name of a value, as `key` does."""
        if term.null is True:
            return "null"
        null = "" if term.null is False else f" or null {self.key(term.null)}"
        match term:
            case Scalar(value, _):
                return ("null" if value is None else self.key(value)) + null
            case Rec(fields, _):
                return f"{{{', '.join(f'{k} {self.name_of(v)}' for k, v in fields.items())}}}{null}"
            case Items(items, rest, _):
                held = ", ".join(f"{self.key(here)} {self.name_of(t)}" for here, t in items)
                return f"[{held}, {rest.name if rest else ''}]{null}"

    # Values

    def rising(self, function: object, x: Expr, y: Expr) -> list[Cond]:
        """Note a value of a function that never falls; return what that says beside those noted before.

        It follows from what the function is, but is hard to see where whole numbers come in.
        """
        others = self._rising.setdefault(function, [])
        for a, b in others:
            if x.eq(a):
                return [] if y.eq(b) else [y == b]
        out = [c for a, b in others for c in (self.implies(x <= a, y <= b), self.implies(a <= x, b <= y))]
        others.append((x, y))
        return out

    def fresh(self, name: str) -> str:
        self._names += 1
        return f"{name}!{self._names}"

    def real(self, n: Fraction | int) -> Expr:
        found = self._numbers.get(n)
        if found is None:
            f = Fraction(n)
            found = self._numbers[n] = z3.RealVal(f"{f.numerator}/{f.denominator}", self.ctx)
        return found

    def whole(self, name: str) -> Expr:
        """Return a variable for a whole number, as a real."""
        return z3.ToReal(z3.Int(name, self.ctx))

    def word(self, text: str) -> Expr:
        found = self._words.get(text)
        if found is None:
            found = self._words[text] = z3.IntVal(len(self._words), self.ctx)
            self._text_of.append(text)
            self._known_words.add(id(found))
        return found

    def word_of(self, code: int) -> str | None:
        """Return the word a number stands for; None when it is no word of the book."""
        return self._text_of[code] if 0 <= code < len(self._text_of) else None

    def variable(self, name: str, kind: Kind) -> Expr:
        """Return a variable of a scalar kind, without bounds."""
        match kind.base:
            case Base.BOOLEAN:
                return z3.Bool(name, self.ctx)
            case Base.ENUM | Base.TEXT:
                return z3.Int(name, self.ctx)
            case Base.INTEGER | Base.DATE | Base.DATETIME | Base.TIME | Base.DURATION | Base.PERIOD:
                return self.whole(name)
            case _:
                return z3.Real(name, self.ctx)

    def among(self, value: Expr, words: Iterable[str]) -> Cond:
        """Tell that a choice is one of some words."""
        return self.any(*(self.same_value(value, self.word(w)) for w in words))

    def constant(self, value: Value, kind: Kind) -> Term:
        """Return a known value."""
        if value is None:
            return NULL
        if isinstance(value, bool):
            return Scalar(value, False)
        if isinstance(value, str):
            return Scalar(self.word(value), False)
        if isinstance(value, tuple):
            inner = kind.element or kind
            return Items(tuple((True, self.constant(v, inner)) for v in value), None, False)
        if isinstance(value, Mapping):
            kinds = {f.name: f.kind for f in kind.fields}
            return Rec({k: self.constant(v, kinds[k]) for k, v in value.items()}, False)
        return Scalar(self.real(number(value)), False)

    # Terms

    def pick(self, condition: Cond, a: Term, b: Term) -> Term:
        """Return one of two terms of a kind."""
        if isinstance(condition, bool):
            return a if condition else b
        if a is NULL and b is NULL:
            return NULL
        null = self.choose(condition, a.null, b.null)
        if isinstance(a, Items) or isinstance(b, Items):
            left = a.items if isinstance(a, Items) else ()
            right = b.items if isinstance(b, Items) else ()
            rest = self._pick_rest(condition, a.rest if isinstance(a, Items) else None, b.rest if isinstance(b, Items) else None)
            no = self.no(condition)
            items = (*((self.all(condition, p), t) for p, t in left), *((self.all(no, p), t) for p, t in right))
            return Items(items, rest, null)
        if isinstance(a, Rec) or isinstance(b, Rec):
            if not isinstance(a, Rec) or not isinstance(b, Rec):
                known = a if isinstance(a, Rec) else b
                return Rec(known.fields if isinstance(known, Rec) else {}, null)
            return Rec({k: self.pick(condition, a.fields[k], b.fields[k]) for k in a.fields}, null)
        return Scalar(self.choose(condition, a.value, b.value), null)

    def _pick_rest(self, condition: Cond, a: Rest | None, b: Rest | None) -> Rest | None:
        if a is None and b is None:
            return None
        if a is not None and b is not None and a.name == b.name:
            return a
        parts: list[tuple[Cond, Rest]] = []
        for when, rest in ((condition, a), (self.no(condition), b)):
            if rest is not None:
                parts += [(self.all(when, here), part) for here, part in rest.alternatives]
        typical = a.typical if a is not None else b.typical if b is not None else NULL
        if a is not None and b is not None:
            typical = self.pick(z3.Bool(self.fresh("which list"), self.ctx), a.typical, b.typical)
        name = " or ".join(f"{part.name} if {self.key(here)}" for here, part in parts)
        return Rest(name, typical, True, tuple(parts))

    def equal(self, a: Term, b: Term) -> Cond:
        """Tell that two terms are the same; null is the same as null."""
        both_null = self.all(a.null, b.null)
        neither = self.all(self.no(a.null), self.no(b.null))
        if neither is False:
            return both_null
        return self.any(both_null, self.all(neither, self._same_value(a, b)))

    def _same_value(self, a: Term, b: Term) -> Cond:
        if isinstance(a, Scalar) and isinstance(b, Scalar):
            return self.same_value(a.value, b.value)
        if isinstance(a, Rec) and isinstance(b, Rec):
            return self.all(*(self.equal(a.fields[k], b.fields[k]) for k in a.fields))
        if isinstance(a, Items) and isinstance(b, Items):
            return self._same_items(a, b)
        return False

    def same_value(self, a: Expr, b: Expr) -> Cond:
        if a is None or b is None:
            return False
        if isinstance(a, bool) or isinstance(b, bool):
            return self.same(a, b)
        if a is b:
            return True
        # Two words of the book are the same word or are not: nothing to ask.
        return False if id(a) in self._known_words and id(b) in self._known_words else a == b

    def _same_items(self, a: Items, b: Items) -> Cond:
        """Tell that two lists hold the same elements in the same order."""
        if a.rest is not None or b.rest is not None:
            return True if a == b else z3.Bool(self.fresh("same list"), self.ctx)
        left, right = self.placed(a), self.placed(b)
        parts = [self.count(a) == self.count(b)]
        for place_a, (here_a, x) in zip(left, a.items, strict=True):
            for place_b, (here_b, y) in zip(right, b.items, strict=True):
                both = self.all(here_a, here_b)
                if both is not False:
                    parts.append(self.implies(self.all(both, place_a == place_b), self.equal(x, y)))
        return self.all(*parts)

    def placed(self, items: Items) -> list[Expr]:
        """Return for each element the number of elements before it."""
        out = []
        total = self.real(0)
        for here, _ in items.items:
            out.append(total)
            total = total + self.one(here)
        return out

    def one(self, condition: Cond) -> Expr:
        return self.choose(condition, self.real(1), self.real(0))

    def count(self, items: Items) -> Expr:
        """Count the elements that are there, without the rest."""
        return sum((self.one(here) for here, _ in items.items), start=self.real(0))

    def holds(self, items: Items, sought: Term) -> Cond:
        """Tell that a list has an element; of the rest nothing is known but a condition of its own for each sought value."""
        known = self.any(*(self.all(here, self.equal(t, sought)) for here, t in items.items))
        if items.rest is None:
            return known
        name = self.name_of(sought)
        rests = (self.all(here, z3.Bool(f"{rest.name} holds {name}", self.ctx)) for here, rest in items.rest.alternatives)
        return self.any(known, *rests)

    # From a model

    def value_of(self, model: Any, expr: Expr) -> Any:
        """Return what a model says of a term: bool, int or Fraction; what it leaves open gets a value."""
        if isinstance(expr, bool):
            return expr
        found = model.eval(expr, model_completion=True)
        if z3.is_true(found):
            return True
        if z3.is_false(found):
            return False
        if z3.is_int_value(found):
            return found.as_long()
        if z3.is_rational_value(found):
            return Fraction(found.numerator_as_long(), found.denominator_as_long())
        if z3.is_algebraic_value(found):
            near = found.approx(20)
            return Fraction(near.numerator_as_long(), near.denominator_as_long())
        return None


def nothing(kind: Kind) -> Term:
    """Return null of a kind."""
    return Items((), None, True) if kind.base is Base.LIST else NULL

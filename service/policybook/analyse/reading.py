"""A book read with values that are not known yet: every decision as terms over its inputs, exactly as it would be computed.

The meaning of formulas and tests is that of `model.evaluate`, of hit policies and outputs that of `decide`. Where a function has
no exact form here (months, working days), it is a function of which some things are known and the rest is asked of the
real one, point by point, when a solution rests on it (`Reading.corrections`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import z3

from policybook.analyse.functions import EXACT, Applied, known_of, real_result
from policybook.analyse.months import Months
from policybook.analyse.symbols import NULL, Cond, Expr, Items, Rec, Rest, Scalar, Solver, Term, nothing
from policybook.cells.linear import DAY, EPOCH, SAFE_DATES, number, value_of
from policybook.cells.words import formula_text
from policybook.decide.hit_policy import rank
from policybook.decide.outputs import finished
from policybook.model.book import Aggregation, Book, Decision, HitPolicy, Row
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
    Role,
    Test,
    refs,
    test_formulas,
)
from policybook.model.functions import FUNCTIONS
from policybook.model.kinds import NUMERIC, Base, Field, Kind
from policybook.values import Value, minor_units

# Elements of a list that a request is tried with; more than these are reasoned about as `Rest` only.
RECORDS = 2
ELEMENTS = 4
# READING: requests with days outside these are not reasoned about; no policy speaks of them.
_ANY_DAY = SAFE_DATES
_LONGEST = 900_000_000 * DAY


@dataclass(frozen=True)
class Scope:
    """Names that a table over a list adds: its item, and values that use it."""

    decision: Decision | None = None
    items: Mapping[str, Term] = field(default_factory=dict)
    number: int = 0


TOP = Scope()


@dataclass(frozen=True, slots=True)
class Asked:
    """One table asked once.

    Args:
        matches, selected: by row in force, without the default
        by_default: the default answers
        decided: some row answers
        outputs: of a single-hit table, by name; null where no row matches
        row_outputs: of each row, by name
    """

    scope: Scope
    rows: tuple[Row, ...]
    matches: tuple[Cond, ...]
    selected: tuple[Cond, ...]
    by_default: Cond
    decided: Cond
    conflict: Cond
    outputs: Mapping[str, Term]
    row_outputs: tuple[Mapping[str, Term], ...]
    default_outputs: Mapping[str, Term]


@dataclass(frozen=True, slots=True)
class Table:
    """A decision: asked once, or once for each element of its list.

    Args:
        here: for each time whether there is such an element
        published: what other decisions see, by output
        rest: of a list that is not wholly known: the typical element's table
    """

    decision: Decision
    asked: tuple[Asked, ...]
    here: tuple[Cond, ...]
    published: Mapping[str, Term]
    conflict: Cond
    rest: Asked | None = None


@dataclass(frozen=True, slots=True)
class Occasions:
    """The times a table is asked.

    Args:
        known: whether there is such a time, and its names
        rest, typical: the elements that are not known, and the names for any one of them
    """

    known: tuple[tuple[Cond, Scope], ...]
    rest: Rest | None
    typical: Scope | None


class Reading:
    """One book on the days of one era.

    Args:
        solver: shared by the readings that are compared: an input of one name is then the same value in both
        unrolled: lists are a few elements, each known to be there or not (a solution is a request); else nothing is known of
            their number (that there is no solution is then proved for lists of any length)
        renamed: inputs that are another variable in this reading -> its name
        given: inputs that are this term; a list's must end in the same `Rest` as in the other readings
        as_of: the one day that is reasoned about; None: any day of the era
    """

    def __init__(
        self,
        book: Book,
        era: int,
        solver: Solver,
        *,
        unrolled: bool,
        renamed: Mapping[str, str] | None = None,
        given: Mapping[str, Term] | None = None,
        as_of: dt.date | None = None,
    ) -> None:
        self.book = book
        self.era = era
        self.day = book.era_day(era)
        self.solver: Solver = solver
        self.unrolled = unrolled
        self.renamed = renamed or {}
        self.given = given or {}
        # What reads one of these differs from what other readings make of it, under whatever name.
        self._apart = frozenset((*self.renamed, *self.given))
        self.as_of = as_of
        # Whether the day or the instant comes in at all.
        self.is_dated = False
        self.axioms: list[Cond] = []
        self.inputs: dict[str, Term] = {}
        # Lists were cut to a few elements: that there is no solution is no proof.
        self.loose = False
        # Something is not exactly what it would be: a solution must be tried, and none found is no proof.
        self.approximate = False
        self._guarded = 0
        self._terms: dict[tuple[Formula, int], Term] = {}
        self._scopes = 0
        self._occasions: dict[str, Occasions] = {}
        self._tables: dict[str, Table] = {}
        self.applied: dict[str, Applied] = {}
        self._rests: dict[str, dict[str, Expr]] = {}
        self._counts: dict[str, Expr] = {}
        self.offset = _constant_offset(book)
        self.calendar: Months = Months(solver, self.axioms)

    # Inputs

    def input(self, name: str) -> Term:
        """Return an input, within its bounds."""
        found = self.inputs.get(name)
        if found is None:
            made = self.given.get(name)
            if made is None:
                made = self.unknown(self.book.input_by_name[name], f"in.{self.renamed.get(name, name)}")
            found = self.inputs[name] = made
        return found

    def unknown(self, declared: Field, name: str, *, nullable: bool | None = None) -> Term:
        """Return a value that a field may hold."""
        s = self.solver
        may_be_null = declared.optional if nullable is None else nullable
        null: Cond = z3.Bool(f"{name} is null", s.ctx) if may_be_null else False
        kind = declared.kind
        if kind.base is Base.LIST:
            return self._unknown_list(kind, name, null)
        if kind.base is Base.RECORD:
            return Rec({f.name: self.unknown(f, f"{name}.{f.name}") for f in kind.fields}, null)
        value = s.variable(name, kind)
        bound = self.bounds(value, kind)
        if declared.minimum is not None:
            bound.append(value >= s.real(number(declared.minimum)))
        if declared.maximum is not None:
            bound.append(value <= s.real(number(declared.maximum)))
        self.axioms.extend(s.any(null, b) for b in bound)
        return Scalar(value, null)

    def bounds(self, value: Expr, kind: Kind) -> list[Cond]:
        """Return what holds for every value of a kind."""
        s = self.solver
        match kind.base:
            case Base.ENUM:
                return [s.among(value, kind.value_names)] if kind.values else []
            case Base.DATE:
                return [value >= s.real(_ANY_DAY[0].toordinal()), value <= s.real(_ANY_DAY[1].toordinal())]
            case Base.DATETIME:
                low, high = ((d.toordinal() - EPOCH.toordinal()) * DAY for d in _ANY_DAY)
                return [value >= s.real(low), value <= s.real(high)]
            case Base.TIME:
                return [value >= s.real(0), value < s.real(DAY)]
            case Base.DURATION:
                return [value >= s.real(-_LONGEST), value <= s.real(_LONGEST)]
            case Base.PERIOD:
                return [value >= s.real(-120_000), value <= s.real(120_000)]
            case _:
                return []

    def _unknown_list(self, kind: Kind, name: str, null: Cond) -> Term:
        s = self.solver
        inner = kind.element or kind
        element = Field(name="element", kind=inner)
        if not self.unrolled:
            typical = self.unknown(element, f"{name}[]", nullable=False)
            return Items((), Rest(name, typical, True), null)
        self.loose = True
        if inner.base is Base.ENUM:
            # Each word once, in the order of the choice: enough for whatever asks what a list holds.
            held = tuple((z3.Bool(f"{name} has {v}", s.ctx), s.constant(v, inner)) for v in inner.value_names)
            return Items(held, None, null)
        count = RECORDS if inner.base is Base.RECORD else ELEMENTS
        here = [z3.Bool(f"{name}[{i}] is there", s.ctx) for i in range(count)]
        self.axioms.extend(s.implies(later, earlier) for earlier, later in pairwise(here))
        return Items(tuple((h, self.unknown(element, f"{name}[{i}]", nullable=False)) for i, h in enumerate(here)), None, null)

    # Names

    def name(self, ref: Ref, scope: Scope) -> Term:
        match ref.role:
            case Role.INPUT:
                return self.input(ref.name)
            case Role.PARAMETER:
                parameter = self.book.parameter_by_name[ref.name]
                dated = parameter.on(self.day)
                return self.solver.constant(dated.value, parameter.kind) if dated else NULL
            case Role.VALUE:
                return self._derived(ref.name, scope)
            case Role.OUTPUT:
                decision, _, output = ref.name.partition(".")
                return self.table(decision).published[output]
            case Role.ITEM:
                return scope.items[ref.name]
            case Role.BUILT_IN:
                self.is_dated = True
                return self.moment(ref.name)

    def _derived(self, name: str, scope: Scope) -> Term:
        # Computed whenever it is used, whatever stands around the name; for the elements of a list only where there are any.
        guarded, self._guarded = self._guarded, int(bool(scope.items))
        try:
            own = next((v for v in scope.decision.values if v.name == name), None) if scope.decision else None
            if own is not None:
                return self.term(own.formula, scope)
            self._guarded = 0
            return self.term(self.book.value_by_name[name].formula, TOP)
        finally:
            self._guarded = guarded

    def moment(self, name: str) -> Term:
        """Return `as_of` or `now`: a day of the era, and an instant on it."""
        found = self.inputs.get(name)
        if found is not None:
            return found
        s = self.solver
        if name == "as_of" and self.as_of is not None:
            found = Scalar(s.real(self.as_of.toordinal()), False)
        elif name == "as_of":
            day = s.whole("as_of")
            first, last = self.era_bounds()
            self.axioms += [day >= s.real(first.toordinal()), day <= s.real(last.toordinal())]
            found = Scalar(day, False)
        else:
            instant = s.whole("now")
            day = self.moment("as_of").value  # type: ignore[union-attr] # a Scalar, made above
            local = instant + s.real((self.offset or 0) * 1_000_000)
            start = (day - s.real(EPOCH.toordinal())) * s.real(DAY)
            slack = 0 if self.offset is not None else DAY
            self.axioms += [local >= start - s.real(slack), local < start + s.real(DAY + slack)]
            found = Scalar(instant, False)
        self.inputs[name] = found
        return found

    def era_bounds(self) -> tuple[dt.date, dt.date]:
        """Return the first and last day of the era."""
        return era_bounds(self.book, self.era)

    # Formulas

    def term(self, f: Formula, scope: Scope = TOP) -> Term:
        """Return what a formula comes to; the mirror of model.evaluate.evaluate."""
        key = (f, scope.number)
        found = self._terms.get(key)
        if found is None:
            found = self._terms[key] = self._term(f, scope)
        return found

    def _term(self, f: Formula, scope: Scope) -> Term:
        s = self.solver
        match f:
            case Const(value, kind):
                return s.constant(value, kind)
            case Ref():
                return self.name(f, scope)
            case Get(source, name, _):
                return self._field(self.term(source, scope), name)
            case Arith(op, left, right, _):
                return self._arith(f, op, self.scalar(left, scope), self.scalar(right, scope), scope)
            case Compare(op, left, right):
                return Scalar(self.comparison(op, left, right, scope), False)
            case Logic(op, left, right):
                a = self.truth(left, scope)
                with self._guard():
                    b = self.truth(right, scope)
                return Scalar(s.all(a, b) if op == "and" else s.any(a, b), False)
            case Not(operand):
                return Scalar(s.no(self.truth(operand, scope)), False)
            case Choose(condition, then, otherwise, _):
                asked = self.truth(condition, scope)
                with self._guard():
                    return s.pick(asked, self.term(then, scope), self.term(otherwise, scope))
            case Call():
                return self._call(f, scope)
            case ListOf(items, _):
                return Items(tuple((True, self.term(i, scope)) for i in items), None, False)
            case Member(item, among):
                return Scalar(self._member(self.term(item, scope), self.term(among, scope)), False)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Mark what is computed for some requests only: its faults refuse only those."""
        self._guarded += 1
        try:
            yield
        finally:
            self._guarded -= 1

    def scalar(self, f: Formula, scope: Scope) -> Scalar:
        found = self.term(f, scope)
        return found if isinstance(found, Scalar) else Scalar(None, found.null)

    def truth(self, f: Formula, scope: Scope) -> Cond:
        """Tell that a formula is true (and not null)."""
        t = self.scalar(f, scope)
        return False if t.value is None else self.solver.all(self.solver.no(t.null), t.value)

    def _field(self, source: Term, name: str) -> Term:
        s = self.solver
        if isinstance(source, Rec):
            inner = source.fields[name]
            if source.null is False:
                return inner
            return s.pick(source.null, NULL if isinstance(inner, Scalar) else _emptied(inner), inner)
        if isinstance(source, Items):
            rest = source.rest and self._rest_field(source.rest, name)
            return Items(tuple((here, self._field(t, name)) for here, t in source.items), rest, source.null)
        return NULL

    def _rest_field(self, rest: Rest, name: str) -> Rest:
        parts = tuple((here, self._rest_field(part, name)) for here, part in rest.parts)
        made = Rest(f"{rest.name}.{name}", self._field(rest.typical, name), rest.condition, parts)
        if not parts:
            self._alias(made.name, rest.name)
        return made

    def _member(self, item: Term, among: Term) -> Cond:
        if not isinstance(among, Items):
            return False
        return self.solver.all(self.solver.no(among.null), self.holds(among, item))

    def holds(self, items: Items, sought: Term) -> Cond:
        found = self.solver.holds(items, sought)
        if items.rest is not None:
            name = self.solver.name_of(sought)
            for _, rest in items.rest.alternatives:
                self._rests.setdefault(rest.name, {})[name] = self.solver.holds(Items((), rest, False), sought)
        return found

    def comparison(self, op: str, left: Formula, right: Formula, scope: Scope) -> Cond:
        s = self.solver
        a, b = self.term(left, scope), self.term(right, scope)
        if op in ("=", "!="):
            same = s.equal(a, b)
            return same if op == "=" else s.no(same)
        return self.ordered(op, a, b)

    def ordered(self, op: str, a: Term, b: Term) -> Cond:
        """Compare; false where either is null."""
        s = self.solver
        if not isinstance(a, Scalar) or not isinstance(b, Scalar) or a.value is None or b.value is None:
            return False
        compared = {"<": a.value < b.value, "<=": a.value <= b.value, ">": a.value > b.value, ">=": a.value >= b.value}[op]
        return s.all(s.no(a.null), s.no(b.null), compared)

    def _arith(self, f: Arith, op: str, a: Scalar, b: Scalar, scope: Scope) -> Term:
        s = self.solver
        null = s.any(a.null, b.null)
        if null is True or a.value is None or b.value is None:
            return NULL
        left, right = f.left.kind.base, f.right.kind.base
        if Base.PERIOD in (left, right) and not (left is right is Base.PERIOD):
            return self._period(f, op, a, b, null)
        if op in ("+", "-"):
            x, y = a.value, b.value
            if left is Base.DATE and right is Base.DURATION:
                y = _floor_div(self, y, DAY)
            elif right is Base.DATE and left is Base.DURATION:
                x = _floor_div(self, x, DAY)
            out = x + y if op == "+" else x - y
            if left is right is Base.DATE and op == "-":
                out = out * s.real(DAY)
            return Scalar(out, null)
        if op == "*":
            out = a.value * b.value
        else:
            if not self._guarded:
                # Computed for every request: one that divides by zero is refused.
                self.axioms.append(s.any(null, b.value != s.real(0)))
            out = a.value / b.value
        if Base.DURATION in (left, right) and f.kind.base is Base.DURATION:
            out = self.truncated(out)
        return Scalar(out, null)

    def truncated(self, value: Expr) -> Expr:
        s = self.solver
        return s.choose(value >= s.real(0), z3.ToReal(z3.ToInt(value)), -z3.ToReal(z3.ToInt(-value)))

    def _period(self, f: Arith, op: str, a: Scalar, b: Scalar, null: Cond) -> Term:
        s = self.solver
        if op == "*":
            return Scalar(self.truncated(a.value * b.value), null)
        swapped = f.left.kind.base is Base.PERIOD
        (moved, length) = (b, a) if swapped else (a, b)
        months = z3.ToInt(length.value if op == "+" else -length.value)
        kind = f.right.kind if swapped else f.left.kind
        if kind.base is Base.DATE:
            later = self.calendar.later(moved.value, months)
            self.axioms += s.rising((f, months.get_id()), moved.value, later)
            return Scalar(later, null)
        # The day of an instant is here the day in UTC, as values keep it.
        epoch = s.real(EPOCH.toordinal())
        day = z3.ToReal(z3.ToInt(moved.value / s.real(DAY)))
        rest = moved.value - day * s.real(DAY)
        return Scalar((self.calendar.later(day + epoch, months) - epoch) * s.real(DAY) + rest, null)

    # Functions

    def _call(self, f: Call, scope: Scope) -> Term:
        s = self.solver
        arguments = [self.term(a, scope) for a in f.arguments]
        name = f.function
        if name == "coalesce":
            out = arguments[-1]
            for a in reversed(arguments[:-1]):
                out = s.pick(a.null, out, a)
            return out
        if name == "is_null":
            return Scalar(arguments[0].null, False)
        exact = EXACT.get(name)
        if exact is not None:
            made = exact(self, f, arguments)
            if made is not None:
                return made
        return self._opaque(f, arguments, scope)

    def _opaque(self, f: Call, arguments: list[Term], scope: Scope) -> Term:
        """Return the result of a function that has no exact form here."""
        s = self.solver
        takes_null = FUNCTIONS[f.function].takes_null
        null: Cond = False if takes_null else s.any(*(a.null for a in arguments))
        if null is True:
            return NULL
        if f.kind.base in (Base.LIST, Base.RECORD):
            self.approximate |= self.unrolled
            return self._unknown_list(f.kind, self._name_of(f, scope), null) if f.kind.base is Base.LIST else NULL
        values: list[Expr] = []
        for a in arguments:
            if not isinstance(a, Scalar) or a.value is None:
                # A list goes in: which result it gives is not known here.
                self.approximate |= self.unrolled
                name = self._name_of(f, scope)
                result = s.variable(name, f.kind)
                self.axioms.extend(self.bounds(result, f.kind))
                unknown: Cond = z3.Bool(f"{name} is null", s.ctx)
                return Scalar(result, s.any(null, unknown))
            values.append(s.expr(a.value) if isinstance(a.value, bool) else a.value)
        result = self._apply(f.function, tuple(values), tuple(a.kind for a in f.arguments), f.kind)
        for axiom in known_of(self, f.function, values, result):
            self.axioms.append(s.any(null, axiom))
        return Scalar(result, null)

    def _name_of(self, f: Formula, scope: Scope) -> str:
        """Name a result of which nothing is known; the same result in another reading has the same name, another has not."""
        name = f"{formula_text(f)}@{scope.number}"
        if not self._apart:
            return name
        # Scopes are numbered by each reading for itself.
        return name if scope is TOP and not self._differs([f], None) else self.solver.fresh(name)

    def _differs(self, formulas: Iterable[Formula], decision: Decision | None) -> bool:
        """Tell whether formulas read an input that is another one in other readings; the item of a list is none."""
        pending = list(formulas)
        own = {v.name: v.formula for v in decision.values} if decision else {}
        while pending:
            for ref in refs(pending.pop()):
                match ref.role:
                    case Role.INPUT if ref.name in self._apart:
                        return True
                    case Role.OUTPUT if self._apart & set(self.book.decision_by_name[ref.name.partition(".")[0]].uses.inputs):
                        return True
                    case Role.VALUE:
                        pending.append(own[ref.name] if ref.name in own else self.book.value_by_name[ref.name].formula)
                    case _:
                        pass
        return False

    def _elements_differ(self, decision: Decision) -> bool:
        """Tell whether a table answers otherwise than in other readings for the elements of its list that are not known."""
        if not self._apart or decision.for_each is None:
            return False
        source = decision.for_each.source
        formulas: list[Formula] = [v.formula for v in decision.values]
        for row in decision.all_rows:
            for cell in row.cells:
                formulas += [cell.subject, *test_formulas(cell.test)]
            formulas += [o.formula for o in row.outputs]
        grown = isinstance(source, Ref) and source.role is Role.INPUT and source.name in self.given
        return self._differs(formulas if grown else [*formulas, source], decision)

    def _apply(self, name: str, arguments: tuple[Expr, ...], kinds: tuple[Kind, ...], kind: Kind) -> Expr:
        s = self.solver
        whole = kind.base not in (Base.BOOLEAN, Base.NUMBER, Base.MONEY, Base.PERCENT, Base.FRACTION)
        sort = z3.BoolSort(s.ctx) if kind.base is Base.BOOLEAN else z3.IntSort(s.ctx) if whole else z3.RealSort(s.ctx)
        signature = "".join("t" if k.base is Base.DATETIME else "d" for k in kinds)
        function = z3.Function(f"{name}/{signature}", *(a.sort() for a in arguments), sort)
        result = function(*arguments)
        if whole and kind.base not in (Base.ENUM, Base.TEXT):
            result = z3.ToReal(result)
        self.applied.setdefault(s.key(result), Applied(name, arguments, kinds, result, kind))
        return result

    def corrections(self, model: Any) -> list[Cond]:
        """Return what the real functions say at the points of a solution where it assumed something else."""
        s = self.solver
        out: list[Cond] = self.calendar.corrections(model)
        for applied in list(self.applied.values()):
            found = [s.value_of(model, a) for a in applied.arguments]
            if any(v is None for v in found):
                continue
            real, where = real_result(applied, found, self)
            if real is None:
                continue
            if s.value_of(model, applied.result) != real:
                want = applied.result == (s.expr(real) if isinstance(real, bool) else s.real(real))
                out.append(s.implies(where, want))
        return out

    # Tests

    def passes(self, test: Test, subject: Term, scope: Scope) -> Cond:
        """Tell that a value passes a unary test; the mirror of model.evaluate.passes."""
        s = self.solver
        match test:
            case Anything():
                return True
            case IsNull():
                return subject.null
            case Equals(formula):
                other = self.term(formula, scope)
                return s.all(s.no(subject.null), s.no(other.null), s.equal(subject, other))
            case Compares(op, formula):
                return self.ordered(op, subject, self.term(formula, scope))
            case Between(low, high, low_included, high_included):
                above = self.ordered(">=" if low_included else ">", subject, self.term(low, scope))
                return s.all(above, self.ordered("<=" if high_included else "<", subject, self.term(high, scope)))
            case OneOf(tests):
                return s.any(*(self.passes(t, subject, scope) for t in tests))
            case NoneOf(tests):
                return s.no(s.any(*(self.passes(t, subject, scope) for t in tests)))
            case Contains(every, formulas):
                held = [self._member(self.term(f, scope), subject) for f in formulas]
                return s.all(s.no(subject.null), s.all(*held) if every else s.any(*held))
            case ElementOf(among):
                return s.all(s.no(subject.null), self._member(subject, self.term(among, scope)))

    def row_matches(self, row: Row, scope: Scope) -> Cond:
        return self.solver.all(*(self.passes(cell.test, self.term(cell.subject, scope), scope) for cell in row.cells))

    # Decisions

    def table(self, name: str) -> Table:
        """Return a decision of the book."""
        found = self._tables.get(name)
        if found is None:
            found = self._tables[name] = self._table(self.book.decision_by_name[name])
            if found.conflict is not False:
                self.axioms.append(self.solver.no(found.conflict))
        return found

    def asked_without_axiom(self, decision: Decision) -> Table:
        """Return a decision though its rows may conflict: nothing is taken for granted of it."""
        return self._tables.get(decision.name) or self._table(decision)

    def with_conflicts(self, decision: Decision) -> Table:
        """Return a decision, from now on for those that require it too, without ruling out that its rows conflict."""
        found = self._tables[decision.name] = self.asked_without_axiom(decision)
        return found

    def occasions(self, decision: Decision) -> Occasions:
        """Return the times a decision is asked: once, or for each element of its list."""
        found = self._occasions.get(decision.name)
        if found is None:
            found = self._occasions[decision.name] = self._occasions_of(decision)
        return found

    def _occasions_of(self, decision: Decision) -> Occasions:
        s = self.solver
        if decision.for_each is None:
            return Occasions(((True, self._scope(decision, {})),), None, None)
        item = decision.for_each.item
        source = self.term(decision.for_each.source)
        items = source if isinstance(source, Items) else Items((), None, True)
        there = s.no(items.null)
        times = tuple((s.all(there, here), self._scope(decision, {item: t})) for here, t in items.items)
        rest = items.rest
        return Occasions(times, rest, self._scope(decision, {item: rest.typical}) if rest is not None else None)

    def _table(self, decision: Decision) -> Table:
        s = self.solver
        times = self.occasions(decision)
        asked = tuple(self.ask(decision, scope) for _, scope in times.known)
        here = tuple(h for h, _ in times.known)
        typical = self.ask(decision, times.typical) if times.typical is not None else None
        conflict = s.any(*(s.all(h, a.conflict) for h, a in zip(here, asked, strict=True)))
        published = self._published(decision, asked, here, (times.rest, typical) if times.rest and typical else None)
        return Table(decision, asked, here, published, conflict, typical)

    def _scope(self, decision: Decision, items: Mapping[str, Term]) -> Scope:
        self._scopes += 1
        return Scope(decision, items, self._scopes)

    def ask(self, decision: Decision, scope: Scope) -> Asked:
        """Ask a table once."""
        guarded, self._guarded = self._guarded, int(bool(scope.items))
        try:
            return self._ask(decision, scope)
        finally:
            self._guarded = guarded

    def _ask(self, decision: Decision, scope: Scope) -> Asked:
        s = self.solver
        rows = tuple(r for r in decision.rows if r.effective.covers(self.day))
        matches = [self.row_matches(r, scope) for r in rows]
        row_outputs = tuple(self._outputs(decision, r, scope) for r in rows)
        default = decision.default
        default_outputs = self._outputs(decision, default, scope) if default else {}
        any_match = s.any(*matches)
        by_default: Cond = s.no(any_match) if default else False
        selected, conflict = self._choose(decision, rows, matches, row_outputs)
        outputs: dict[str, Term] = {}
        if not decision.hit_policy.multi:
            for output in decision.outputs:
                out = default_outputs[output.name] if default else nothing(output.kind)
                for chosen, made in zip(reversed(selected), reversed(row_outputs), strict=True):
                    out = s.pick(chosen, made[output.name], out)
                outputs[output.name] = out
        decided: Cond = True if default or decision.hit_policy.multi else any_match
        return Asked(scope, rows, tuple(matches), tuple(selected), by_default, decided, conflict, outputs, row_outputs, default_outputs)

    def _choose(
        self, decision: Decision, rows: tuple[Row, ...], matches: list[Cond], outputs: tuple[Mapping[str, Term], ...]
    ) -> tuple[list[Cond], Cond]:
        s = self.solver
        if decision.hit_policy.multi:
            return matches, False
        order = list(range(len(rows)))
        conflict: Cond = False
        match decision.hit_policy:
            case HitPolicy.UNIQUE:
                open_ = [s.expr(m) for m in matches if m is not False]
                conflict = s.no(z3.AtMost(*open_, 1)) if len(open_) > 1 else False
            case HitPolicy.ANY:
                for i, a in enumerate(outputs):
                    for j in range(i):
                        differ = s.any(*(s.no(s.equal(a[k], outputs[j][k])) for k in a))
                        conflict = s.any(conflict, s.all(matches[i], matches[j], differ))
            case HitPolicy.PRIORITY:
                ranks = constant_ranks(decision, rows)
                if ranks is None:
                    self.approximate = True
                else:
                    order.sort(key=lambda i: ranks[i])
        selected: list[Cond] = [False] * len(rows)
        before: Cond = False
        for i in order:
            selected[i] = s.all(matches[i], s.no(before))
            before = s.any(before, matches[i])
        return selected, conflict

    def _outputs(self, decision: Decision, row: Row, scope: Scope) -> dict[str, Term]:
        fields = {o.name: o for o in decision.outputs}
        return {o.name: self.output(o.formula, fields[o.name], scope) for o in row.outputs}

    def output(self, f: Formula, declared: Field, scope: Scope) -> Term:
        """Return what a row gives for an output: computed only for the requests that the row answers."""
        with self._guard():
            return self.finished(self.term(f, scope), f, declared)

    def finished(self, term: Term, f: Formula, declared: Field) -> Term:
        """Bring a computed value to the form that its output declares; the mirror of decide.outputs.finished."""
        if declared.kind.base not in NUMERIC or not isinstance(term, Scalar) or term.value is None:
            return term
        if isinstance(f, Const):
            return self.solver.constant(finished(f.value, declared, self.book.currency), declared.kind)
        decimals = declared.decimals
        if decimals is None:
            if declared.kind.base is not Base.MONEY:
                # READING: to 34 significant digits the rounding of a number is taken for none.
                return term
            decimals = minor_units(self.book.currency)
        return Scalar(self.rounded(f, term.value, decimals, declared.rounding), term.null)

    def rounded(self, f: Formula, value: Expr, decimals: int, rounding: str) -> Expr:
        """Round what a formula comes to as `values.rounded` does."""
        s = self.solver
        scale = s.real(10**decimals)
        y = value * scale
        half = s.real(Fraction(1, 2))

        def floor(x: Expr) -> Expr:
            return z3.ToReal(z3.ToInt(x))

        match rounding:
            case "half_up":
                made = s.choose(y >= s.real(0), floor(y + half), -floor(-y + half))
            case "half_even":
                low = floor(y)
                odd = z3.ToInt(y) % 2 == 1
                up = s.any(y - low > half, s.all(y - low == half, odd))
                made = low + s.one(up)
            case "up":
                made = s.choose(y >= s.real(0), -floor(-y), floor(y))
            case _:
                made = s.choose(y >= s.real(0), floor(y), -floor(-y))
        result = z3.simplify(made / scale)
        self.axioms += s.rising((f, decimals, rounding), value, result)
        return result

    def _published(
        self, decision: Decision, asked: tuple[Asked, ...], here: tuple[Cond, ...], rest: tuple[Rest, Asked] | None
    ) -> dict[str, Term]:
        """Return what other decisions see of the outputs; the mirror of Decider.publish."""
        out: dict[str, Term] = {}
        for output in decision.outputs:
            how = decision.aggregation
            if how is None and decision.for_each is None and not decision.hit_policy.multi:
                out[output.name] = asked[0].outputs[output.name]
                continue
            if decision.hit_policy.multi:
                items = self._collected(decision, output, asked, here)
            else:
                items = [(h, a.outputs[output.name]) for h, a in zip(here, asked, strict=True)]
            tail = None
            if rest is not None:
                source, typical = rest
                what = typical.outputs.get(output.name) or self._some(decision, output, typical)
                name = f"{self.book.name}.{decision.name}.{output.name}"
                apart = self._elements_differ(decision) or bool(source.parts)
                tail = Rest(self.solver.fresh(name) if apart else name, what, source.condition)
                if not decision.hit_policy.multi and not source.parts:
                    self._alias(tail.name, source.name)
            made = Items(tuple(items), tail, False)
            out[output.name] = self._aggregated(how, output, made) if how is not None and how.applies_to(output) else made
        return out

    def _collected(self, decision: Decision, output: Field, asked: tuple[Asked, ...], here: tuple[Cond, ...]) -> list[tuple[Cond, Term]]:
        s = self.solver
        items: list[tuple[Cond, Term]] = []
        for h, a in zip(here, asked, strict=True):
            order = list(range(len(a.rows)))
            if decision.hit_policy is HitPolicy.OUTPUT_ORDER:
                ranks = constant_ranks(decision, a.rows)
                if ranks is None:
                    self.approximate = True
                else:
                    order.sort(key=lambda i: ranks[i])
            items += [(s.all(h, a.selected[i]), a.row_outputs[i][output.name]) for i in order]
            if a.default_outputs:
                items.append((s.all(h, a.by_default), a.default_outputs[output.name]))
        return [(p, t) for p, t in items if p is not False]

    def _some(self, decision: Decision, output: Field, typical: Asked) -> Term:
        """Return an output of any row of a typical element."""
        s = self.solver
        which = z3.Int(s.fresh(f"row of {decision.name}"), s.ctx)
        out: Term = nothing(output.kind)
        for i, made in enumerate(typical.row_outputs):
            out = s.pick(s.all(which == i, typical.selected[i]), made[output.name], out)
        return out

    def _aggregated(self, how: Aggregation, output: Field, items: Items) -> Term:
        match how:
            case Aggregation.COUNT:
                return Scalar(self.count(items), False)
            case Aggregation.SUM:
                return Scalar(self.total(items, output.kind), False)
            case Aggregation.MIN | Aggregation.MAX:
                return self.extreme(items, how is Aggregation.MIN, output.kind)

    # Lists

    def _alias(self, name: str, source: str) -> None:
        """Note that two lists have the same length."""
        if source:
            self._counts.setdefault(name, self._count_of(source))

    def _count_of(self, name: str) -> Expr:
        found = self._counts.get(name)
        if found is None:
            found = self._counts[name] = self.solver.whole(f"{name} count")
            self.axioms.append(found >= self.solver.real(0))
        return found

    def count(self, items: Items) -> Expr:
        """Count the elements of a list."""
        known = self.solver.count(items)
        for here, rest in items.rest.alternatives if items.rest else ():
            known = known + self.solver.choose(here, self._count_of(rest.name), self.solver.real(0))
        return known

    def total(self, items: Items, kind: Kind) -> Expr:
        """Add up a list; nulls are skipped."""
        s = self.solver
        total = s.real(0)
        for here, t in items.items:
            if isinstance(t, Scalar) and t.value is not None:
                total = total + s.choose(s.all(here, s.no(t.null)), t.value, s.real(0))
        for here, rest in items.rest.alternatives if items.rest else ():
            more = z3.Real(f"{rest.name} sum", s.ctx)
            self.axioms.append(s.implies(self._count_of(rest.name) == s.real(0), more == s.real(0)))
            typical = rest.typical
            if isinstance(typical, Scalar) and typical.value is not None:
                for sign, bound in ((typical.value < s.real(0), more >= s.real(0)), (typical.value > s.real(0), more <= s.real(0))):
                    if self.never(s.all(s.no(typical.null), sign)):
                        self.axioms.append(bound)
            total = total + s.choose(here, more, s.real(0))
        return total

    def never(self, condition: Cond) -> bool:
        """Tell that a condition cannot hold, whatever the inputs."""
        if isinstance(condition, bool):
            return not condition
        solver = z3.SolverFor("QF_AUFLIRA", ctx=self.solver.ctx)
        solver.set("rlimit", 200_000)
        solver.add(*(self.solver.expr(a) for a in self.axioms), condition)
        return bool(solver.check() == z3.unsat)

    def extreme(self, items: Items, least: bool, kind: Kind) -> Term:
        """Return the least or greatest element; nulls are skipped; of nothing null."""
        s = self.solver
        known = items.items
        for here, rest in items.rest.alternatives if items.rest else ():
            name = f"{rest.name} {'min' if least else 'max'}"
            value = s.variable(name, kind)
            self.axioms.extend(self.bounds(value, kind))
            known = (*known, (here, Scalar(value, z3.Bool(f"{name} is null", s.ctx))))
        best: Scalar = NULL
        for here, t in known:
            if not isinstance(t, Scalar) or t.value is None:
                continue
            counts = s.all(here, s.no(t.null))
            if best.value is None:
                best = Scalar(t.value, s.no(counts))
                continue
            better = t.value < best.value if least else t.value > best.value
            take = s.all(counts, s.any(best.null, better))
            best = Scalar(s.choose(take, t.value, best.value), s.all(best.null, s.no(counts)))
        return best

    def counted(self) -> list[Cond]:
        """Return what the elements that a list is asked for say of their number."""
        s = self.solver
        out = []
        for name, held in self._rests.items():
            count = self._count_of(name)
            distinct = [v for k, v in held.items() if k.isdigit()]
            out.append(count >= sum((s.one(v) for v in distinct), start=s.real(0)))
            out.extend(s.implies(v, count >= s.real(1)) for v in held.values())
        return out

    # Back to values

    def value(self, model: Any, term: Term, kind: Kind) -> Value:
        """Return the value of a term in a solution.

        Raises:
            ValueError: there is no such value, such as a text that is no word of the book
        """
        s = self.solver
        if s.value_of(model, s.expr(term.null)) is True:
            return None
        if isinstance(term, Items):
            inner = kind.element or kind
            return tuple(self.value(model, t, inner) for here, t in term.items if s.value_of(model, s.expr(here)) is True)
        if isinstance(term, Rec):
            return {f.name: self.value(model, term.fields[f.name], f.kind) for f in kind.fields}
        found = s.value_of(model, s.expr(term.value) if isinstance(term.value, bool) else term.value)
        if kind.base is Base.BOOLEAN:
            return bool(found)
        if kind.base in (Base.ENUM, Base.TEXT):
            word = s.word_of(int(found))
            if word is None and kind.base is Base.TEXT:
                return f"other {abs(int(found))}"
            if word is None:
                raise ValueError(f"{found} stands for no word")
            return word
        made: Value = value_of(Fraction(found), kind.base)
        if made is None:
            raise ValueError(f"{found} is no {kind.base.value}")
        return made


def era_bounds(book: Book, era: int) -> tuple[dt.date, dt.date]:
    """Return the first and last day of an era that is reasoned about."""
    changes = book.change_dates
    first = changes[era - 1] if era else _ANY_DAY[0]
    last = dt.date.fromordinal(changes[era].toordinal() - 1) if era < len(changes) else _ANY_DAY[1]
    return max(first, _ANY_DAY[0]), min(last, _ANY_DAY[1])


def constant_ranks(decision: Decision, rows: tuple[Row, ...]) -> list[tuple[int, ...]] | None:
    """Return the rank of each row's outputs under `priority` and `output_order`; None where it depends on the request."""
    # Choices alone give the order.
    ranked = {o.name for o in decision.outputs if o.kind.base is Base.ENUM}
    out = []
    for row in rows:
        if not all(isinstance(o.formula, Const) for o in row.outputs if o.name in ranked):
            return None
        out.append(rank(decision, {o.name: o.formula.value for o in row.outputs if isinstance(o.formula, Const)}))
    return out


def _emptied(term: Term) -> Term:
    if isinstance(term, Items):
        return Items(term.items, term.rest, True)
    return Rec(term.fields, True) if isinstance(term, Rec) else NULL


def _constant_offset(book: Book) -> int | None:
    """Return the book's offset from UTC in seconds where it does not change from 1992 on."""
    offsets = {dt.datetime(y, m, 1, tzinfo=book.zone).utcoffset() for y in range(1992, 2038) for m in (1, 7)}
    only = offsets.pop() if len(offsets) == 1 else None
    return None if only is None else int(only.total_seconds())


def _floor_div(reading: Reading, value: Expr, unit: int) -> Expr:
    return z3.ToReal(z3.ToInt(value / reading.solver.real(unit)))

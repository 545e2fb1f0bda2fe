"""What can occur: whether a box of a table's cells holds a request, and which one.

Most boxes are told apart by what each input may be; where axes hang together (two sums of the same amounts, outputs of other
decisions, functions of one date), the solver decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cached_property

import z3

from policybook.analyse.boxes import Box, whole
from policybook.analyse.inquiry import IMPOSSIBLE, Asking, Found, Inquiry, Undecided, days_to_try
from policybook.analyse.reading import TOP, Asked, Reading, Scope
from policybook.analyse.symbols import Cond, Scalar, Solver
from policybook.cells import codes as c
from policybook.cells.axes import Axis, DiscreteAxis, OrderedAxis, PresenceAxis, TruthAxis
from policybook.cells.codes import Ranges
from policybook.cells.grid import Grid
from policybook.cells.linear import number
from policybook.decide.chain import Decider, Verdict
from policybook.engine.program import Program
from policybook.errors import ConflictError, PolicybookError
from policybook.model.answer import TraceLevel
from policybook.model.book import Book, Decision, HitPolicy
from policybook.model.formula import (
    Arith,
    Call,
    Choose,
    Compare,
    Const,
    Formula,
    Get,
    ListOf,
    Logic,
    Member,
    Not,
    Ref,
    Role,
    children,
    refs,
    test_formulas,
)
from policybook.model.functions import NEEDS_CALENDAR
from policybook.model.kinds import Base

# Functions that give null only for null.
_NULL_FROM_NULL = frozenset(
    (
        *("abs", "floor", "ceiling", "round", "modulo", "days", "hours", "days_between", "months_between", "count", "sum", "contains"),
        *("concat", "difference", "distinct", "date", "time", "datetime", "year", "month", "day", "weekday", "end_of_day"),
        *(f"{stretch}_{end}" for stretch in ("month", "quarter", "half_year", "year") for end in ("start", "end")),
        *("is_working_day", "add_working_days", "next_working_day", "working_days_between"),
    )
)


class Judge:
    """Decides requests by the real thing: what analysis says is tried on it."""

    def __init__(self, book: Book, program: Program | None = None) -> None:
        self.book = book
        self.program = program or Program.of(book)
        self.decider = Decider(book, self.program)
        # (decision, era) of the `unique` and `any` tables whose rows are proved not to conflict.
        self.without_conflict: set[tuple[str, int]] = set()

    @cached_property
    def _context(self) -> z3.Context:
        return z3.Context()

    def solver(self) -> Solver:
        """Return a solver of its own, in the context that all questions about the book share."""
        return Solver(self._context)

    def decide(self, decision: Decision, asking: Asking, level: TraceLevel = TraceLevel.MATCHED) -> Verdict | PolicybookError:
        """Decide; a refusal is returned, not raised."""
        try:
            return self.decider.decide(decision, asking.facts, asking.as_of, asking.now, level)
        except PolicybookError as e:
            return e

    def matched(self, decision: Decision, asking: Asking) -> tuple[tuple[str, ...], ...] | None:
        """Return the ids of the rows that match, for each time the table itself is asked.

        Returns:
            None when the request is refused otherwise than by a conflict
        """
        verdict = self.decide(decision, asking)
        if isinstance(verdict, ConflictError):
            return (verdict.rows,)
        if isinstance(verdict, PolicybookError):
            return None
        default = decision.default.id if decision.default else None
        return tuple(tuple(r.row.id for r in t.rows if r.row.id != default) for t in verdict.tables if t.decision.name == decision.name)


@dataclass(frozen=True, slots=True)
class _View:
    """One time that a table is asked: for a table over a list one of its elements."""

    here: Cond
    scope: Scope


class Space:
    """The cells of one table in one era, and which of them can occur.

    Args:
        grid: of the table
        judge: of the book; what it says of a request is the truth
    """

    def __init__(self, grid: Grid, judge: Judge) -> None:
        self.grid = grid
        self.judge = judge
        self.book = grid.book
        self.decision = grid.decision
        self._by_day: dict[date, Inquiry] = {}
        self._known: dict[Box, bool | None] = {}
        self.domain: Box = tuple(self._allowed(a) for a in grid.axes)

    @property
    def is_empty(self) -> bool:
        return not all(self.domain)

    @cached_property
    def whole(self) -> Box:
        """The box of all cells, as far as the inputs' own bounds allow."""
        return self.domain if self.grid.axes else whole(())

    @cached_property
    def days(self) -> tuple[date, ...]:
        return days_to_try(self.book, self.grid.era)

    def on(self, day: date) -> Inquiry:
        """On one day, lists being a few elements: what it finds is a request, and most of what there is it finds quickly."""
        found = self._by_day.get(day)
        if found is None:
            found = self._by_day[day] = self._inquiry(unrolled=True, as_of=day)
        return found

    @cached_property
    def tried(self) -> Inquiry:
        """On any day, lists being a few elements: what it finds is a request."""
        return self._inquiry(unrolled=True)

    @cached_property
    def proved(self) -> Inquiry:
        """On any day, nothing being known of lists: what it rules out is ruled out."""
        return self._inquiry(unrolled=False)

    def _inquiry(self, *, unrolled: bool, as_of: date | None = None) -> Inquiry:
        solver = self.judge.solver()
        reading = Reading(self.book, self.grid.era, solver, unrolled=unrolled, as_of=as_of)
        return Inquiry(solver, (reading,), self.decision.uses.inputs)

    # What each axis allows by itself

    def _allowed(self, axis: Axis) -> Ranges:
        top = axis.size - 1
        null = axis.null_code
        allowed: Ranges = ((0, top),)
        nullable = any(self.may_be_null(a.formula) for a in axis.atoms)
        if null is not None and not nullable:
            allowed = c.intersection(allowed, c.complement(((null, null),), axis.size))
        if isinstance(axis, PresenceAxis) and not nullable:
            return ((0, 0),)
        if isinstance(axis, OrderedAxis):
            low, high = self._bounds(axis)
            codes = ((axis.code_of(low) if low is not None else 0), (axis.code_of(high) if high is not None else axis.null_code - 1))
            known: Ranges = (codes,) if codes[0] <= codes[1] else ()
            null_part: Ranges = ((axis.null_code, axis.null_code),) if nullable else ()
            whole_only = axis.variable is not None and axis.kind.base in (Base.INTEGER, Base.DATE)
            out = c.union(c.intersection(known, ((0, axis.null_code - 1),)), null_part)
            return _without_gaps_between_whole_numbers(axis, out) if whole_only else out
        if isinstance(axis, DiscreteAxis):
            given = self._outputs_of(axis)
            if given is not None:
                codes_given = [i for i, v in enumerate(axis.values) if v in given]
                allowed = c.intersection(allowed, c.of([*codes_given, *([axis.null_code] if nullable else [])]))
        return allowed

    def may_be_null(self, f: Formula) -> bool:
        """Tell whether a plain formula can be null, as far as its parts say."""
        match f:
            case Ref(name, Role.INPUT, _):
                return self.book.input_by_name[name].optional
            case Ref(_, Role.BUILT_IN, _):
                return False
            case Get(Ref(_, Role.ITEM, _) as item, name, _):
                declared = item.kind.field_named(name)
                return declared is None or declared.optional
            case Ref(_, Role.ITEM, _):
                # A request's lists hold no null; what a decision gives may.
                each = self.decision.for_each
                return not (each is not None and isinstance(each.source, Ref) and each.source.role is Role.INPUT)
            case Const(value, _):
                return value is None
            case Member() | Compare() | Logic() | Not() | ListOf():
                return False
            case Arith(_, left, right, _):
                return self.may_be_null(left) or self.may_be_null(right)
            case Choose(_, then, otherwise, _):
                return self.may_be_null(then) or self.may_be_null(otherwise)
            case Call("coalesce", arguments, _):
                return all(self.may_be_null(a) for a in arguments)
            case Call(name, arguments, _) if name in _NULL_FROM_NULL:
                return any(self.may_be_null(a) for a in arguments)
            case Ref(name, Role.OUTPUT, _):
                return self._output_may_be_null(name)
            case _:
                return True

    def _output_may_be_null(self, name: str) -> bool:
        required, _, output = name.partition(".")
        decision = self.book.decision_by_name[required]
        if decision.is_list:
            return False
        if decision.aggregation is not None or decision.default is None:
            return True
        entries = [o for row in decision.all_rows for o in row.outputs if o.name == output]
        return any(self.may_be_null(o.formula) for o in entries)

    def _outputs_of(self, axis: DiscreteAxis) -> frozenset[str] | None:
        """Return the words that another decision can answer, where all of its rows say one."""
        f = axis.atom.formula
        if not isinstance(f, Ref) or f.role is not Role.OUTPUT:
            return None
        name, _, output = f.name.partition(".")
        words = set()
        for row in self.book.decision_by_name[name].all_rows:
            entry = next((o for o in row.outputs if o.name == output), None)
            if entry is None or not isinstance(entry.formula, Const):
                return None
            if isinstance(entry.formula.value, str):
                words.add(entry.formula.value)
        return frozenset(words)

    def _bounds(self, axis: OrderedAxis) -> tuple[Fraction | None, Fraction | None]:
        """Return the least and greatest number on an axis, by the bounds of its inputs."""
        low: Fraction | None = Fraction(0)
        high: Fraction | None = Fraction(0)
        for atom, factor in axis.form:
            if factor == 0:
                continue
            declared = atom.field if isinstance(atom.formula, Ref) and atom.formula.role is Role.INPUT else None
            item = atom.field if isinstance(atom.formula, Get) and isinstance(atom.formula.source, Ref) else None
            limits = declared or item
            minimum = None if limits is None or limits.minimum is None else Fraction(number(limits.minimum))
            maximum = None if limits is None or limits.maximum is None else Fraction(number(limits.maximum))
            if item is not None and isinstance(atom.formula, Get) and atom.formula.source.kind.base is Base.LIST:
                minimum = maximum = None
            if factor < 0:
                minimum, maximum = maximum, minimum
            low = None if low is None or minimum is None else low + factor * minimum
            high = None if high is None or maximum is None else high + factor * maximum
        return low, high

    # Which boxes are plain: each input on one axis only

    @cached_property
    def _loners(self) -> frozenset[int]:
        """The axes that hang together with no other: any of their codes can go with anything on the others."""
        return frozenset(part[0] for part in self._parts if len(part) == 1 and self._is_free(self.grid.axes[part[0]]))

    def _is_free(self, axis: Axis) -> bool:
        """Tell that each code of an axis within the domain surely occurs."""
        if isinstance(axis, TruthAxis) and _is_membership(axis.atom.formula):
            return True
        return all(_is_stated(a.formula) for a in axis.atoms) and (axis.variable is not None or len(axis.atoms) == 1)

    @cached_property
    def _parts(self) -> tuple[tuple[int, ...], ...]:
        """The axes in groups: those of different groups rest on different inputs."""
        names = [self._roots(a) for a in self.grid.axes]
        groups: list[tuple[set[str], list[int]]] = []
        for i, own in enumerate(names):
            joined, members = set(own), [i]
            apart = []
            for roots, others in groups:
                if roots & joined:
                    joined |= roots
                    members = others + members
                else:
                    apart.append((roots, others))
            groups = [*apart, (joined, members)]
        return tuple(tuple(sorted(members)) for _, members in groups)

    def _roots(self, axis: Axis) -> frozenset[str]:
        """Return the inputs that an axis rests on, through required decisions and values too."""
        out: set[str] = set()
        for atom in axis.atoms:
            out |= self._roots_of(atom.formula)
        return frozenset(out)

    def _roots_of(self, f: Formula) -> set[str]:
        each = self.decision.for_each
        if each is not None and isinstance(f, Get) and isinstance(f.source, Ref) and f.source.role is Role.ITEM and self._has_own_items:
            return {f"{f.source.name}.{f.field}"}
        out: set[str] = set()
        for ref in refs(f):
            match ref.role:
                case Role.OUTPUT:
                    required = self.book.decision_by_name[ref.name.partition(".")[0]]
                    out |= {*required.uses.inputs, "as_of"}
                case Role.VALUE:
                    out |= self._roots_of(self.book.value_by_name[ref.name].formula) if ref.name in self.book.value_by_name else {""}
                case Role.ITEM:
                    out |= {ref.name, *(self._roots_of(each.source) if each is not None else ())}
                case Role.BUILT_IN:
                    out.add("as_of")
                case _:
                    out.add(ref.name)
        return out

    @cached_property
    def _has_own_items(self) -> bool:
        """Whether the elements of the table's list are a request's own, and no test looks at the list as a whole."""
        each = self.decision.for_each
        if each is None or not isinstance(each.source, Ref) or each.source.role is not Role.INPUT:
            return False
        formulas = [a.formula for a in self.grid.atoms]
        whole_item = any(isinstance(f, Ref) and f.role is Role.ITEM for f in formulas)
        inner = [r for f in formulas if not (isinstance(f, Get) and isinstance(f.source, Ref)) for r in refs(f)]
        return not whole_item and all(r.name not in (each.item, each.source.name) for r in inner)

    @cached_property
    def is_never_refused(self) -> bool:
        """Whether no request with sound facts is refused before or by this table: then groups of axes do not bear on each other."""
        book = self.book
        tables = [book.decision_by_name[n] for n in self.decision.uses.decisions]
        conflicting = (HitPolicy.UNIQUE, HitPolicy.ANY)
        if any(d.hit_policy in conflicting and (d.name, self.grid.era) not in self.judge.without_conflict for d in tables):
            return False
        plain = self.grid.plain
        values = [book.value_by_name[v].formula for v in self.decision.uses.values]
        cells = [f for d in (*tables, self.decision) for r in d.rows for x in r.cells for f in (x.subject, *test_formulas(x.test))]
        own = [v.formula for d in (*tables, self.decision) for v in d.values]
        outputs = [o.formula for d in tables for r in d.all_rows for o in r.outputs]
        return not any(_may_be_refused(plain.of(f)) for f in (*values, *cells, *own, *outputs))

    def is_plain(self, box: Box) -> bool:
        """Tell that a box can surely occur: it limits only axes that hang together with nothing."""
        if not self.is_never_refused or self.decision.for_each is not None:
            return False
        return all(i in self._loners or mine == self.domain[i] for i, mine in enumerate(box))

    # Asking

    def occurs(self, box: Box) -> bool | None:
        """Tell whether some request falls into a box; None when that is not known."""
        if not all(box):
            return False
        if self.is_plain(box):
            return True

        if not self.is_never_refused:
            return self._ask(box)
        # Groups of axes rest on different inputs: the box occurs when each group's part of it does.
        unknown = False
        for part in self._parts:
            if all(box[i] == self.domain[i] for i in part) or (part[0] in self._loners and self.decision.for_each is None):
                continue
            verdict = self._ask(tuple(mine if i in part else self.domain[i] for i, mine in enumerate(box)))
            if verdict is False:
                return False
            unknown |= verdict is None
        if self.decision.for_each is not None and not unknown:
            unknown = not self._ask(self.domain)
        return None if unknown else True

    def _ask(self, box: Box) -> bool | None:
        known = self._known.get(box)
        if known is None and box not in self._known:
            known = self._known[box] = self._asked(box)
        return known

    def _asked(self, box: Box) -> bool | None:
        def ask(inquiry: Inquiry, view: _View) -> bool | None:
            return inquiry.possible(self.condition(inquiry, view, box))

        verdict: bool | None = None
        for inquiry in self._stages():
            verdict = self._first(inquiry, ask)
            if inquiry is self.proved and verdict:
                return None
            if verdict or (verdict is False and self._is_final(inquiry)):
                return verdict
        return None

    def _stages(self) -> Iterator[Inquiry]:
        first = self.on(self.days[0])
        yield first
        if first.is_dated:
            yield from (self.on(day) for day in self.days[1:])
            yield self.tried
        if first.is_loose:
            yield self.proved

    def _is_final(self, inquiry: Inquiry) -> bool:
        """Tell whether a proof that something is not so holds for every request."""
        if inquiry.lead.as_of is not None and inquiry.is_dated:
            return False
        return not inquiry.is_loose

    def _first(self, inquiry: Inquiry, ask: Callable[[Inquiry, _View], bool | None]) -> bool | None:
        unknown = False
        for view in self.views(inquiry):
            verdict = ask(inquiry, view)
            if verdict:
                return True
            unknown |= verdict is None
        return None if unknown else False

    def find(self, box: Box, accept: Callable[[Asking], bool], also: Callable[[Reading, Asked], Cond] | None = None) -> Found:
        """Find a request that falls into a box and is accepted.

        Args:
            also: a further condition on what the table does
        """
        if not all(box):
            return IMPOSSIBLE
        undecided = Undecided("only longer lists could do it")
        for inquiry in self._stages():
            all_impossible = True
            for view in self.views(inquiry):
                found = inquiry.find(self.condition(inquiry, view, box, also), accept)
                if isinstance(found, Asking):
                    return found
                if isinstance(found, Undecided) and inquiry is not self.proved:
                    undecided = found
                all_impossible &= not isinstance(found, Undecided)
            if all_impossible and self._is_final(inquiry):
                return IMPOSSIBLE
        return undecided

    def views(self, inquiry: Inquiry) -> list[_View]:
        """Return the times the table is asked."""
        times = inquiry.lead.occasions(self.decision)
        out = [_View(here, scope) for here, scope in times.known]
        return [*out, _View(True, times.typical)] if times.typical is not None else out

    def condition(self, inquiry: Inquiry, view: _View, box: Box, also: Callable[[Reading, Asked], Cond] | None = None) -> Cond:
        """Return that a request falls into a box."""
        solver = inquiry.solver
        reading = inquiry.lead
        parts: list[Cond] = [view.here]
        for i, (axis, ranges) in enumerate(zip(self.grid.axes, box, strict=True)):
            if ranges != self.domain[i]:
                parts.append(axis_condition(reading, axis, ranges, view.scope))
        if also is not None:
            table = reading.asked_without_axiom(self.decision)
            asked = next(a for a in (*table.asked, table.rest) if a is not None and a.scope is view.scope)
            parts.append(also(reading, asked))
        return solver.all(*parts)


def axis_condition(reading: Reading, axis: Axis, ranges: Ranges, scope: Scope = TOP) -> Cond:
    """Return that a request has one of some codes on an axis."""
    s = reading.solver
    if c.count(ranges) == axis.size:
        return True
    if isinstance(axis, OrderedAxis):
        return _ordered_condition(reading, axis, ranges, scope)
    term = reading.term(axis.atom.formula, scope)
    if isinstance(axis, PresenceAxis):
        return s.any(*(term.null if code == axis.null_code else s.no(term.null) for code in c.each(ranges)))
    value = term.value if isinstance(term, Scalar) else None
    parts: list[Cond] = []
    for code in c.each(ranges):
        if code == axis.null_code:
            parts.append(term.null)
        elif value is None:
            continue
        elif isinstance(axis, TruthAxis):
            parts.append(s.all(s.no(term.null), value if code else s.no(value)))
        elif code < len(axis.values):
            parts.append(s.all(s.no(term.null), s.same_value(value, s.word(axis.values[code]))))
        else:
            parts.append(s.all(s.no(term.null), s.no(s.among(value, axis.values))))
    return s.any(*parts)


def _ordered_condition(reading: Reading, axis: OrderedAxis, ranges: Ranges, scope: Scope) -> Cond:
    s = reading.solver
    null: Cond = False
    total = s.real(0)
    for atom, factor in axis.form:
        term = reading.term(atom.formula, scope)
        null = s.any(null, term.null)
        if not isinstance(term, Scalar) or term.value is None:
            null = True
            continue
        total = total + (term.value if factor == 1 else s.real(factor) * term.value)
    parts: list[Cond] = []
    if c.contains(ranges, axis.null_code):
        parts.append(null)
    if null is not True:
        for first, last in c.intersection(ranges, ((0, axis.null_code - 1),)):
            low, high = axis.bounds(first)[0], axis.bounds(last)[1]
            within: list[Cond] = [s.no(null)]
            if low is not None:
                within.append(total >= s.real(low) if first % 2 else total > s.real(low))
            if high is not None:
                within.append(total <= s.real(high) if last % 2 else total < s.real(high))
            parts.append(s.all(*within))
    return s.any(*parts)


def _may_be_refused(f: Formula) -> bool:
    """Tell whether computing a plain formula can refuse a request whose days and lengths are of this age."""
    match f:
        case Arith("/", _, right, _) if not (isinstance(right, Const) and right.value):
            return True
        case Call(name, arguments, _) if name in NEEDS_CALENDAR or name == "modulo" or (name == "date" and len(arguments) > 1):
            return True
        case Ref(_, Role.VALUE, _):
            # A value that stayed a name: it may hold anything.
            return True
        case _:
            return any(_may_be_refused(part) for part in children(f))


def _is_stated(f: Formula) -> bool:
    """Tell whether a request states a value directly."""
    if isinstance(f, Get):
        return isinstance(f.source, Ref) and f.source.role is Role.ITEM
    return isinstance(f, Ref) and f.role is Role.INPUT


def _is_membership(f: object) -> bool:
    return isinstance(f, Member) and isinstance(f.item, Const) and isinstance(f.among, Ref) and f.among.role is Role.INPUT


def _without_gaps_between_whole_numbers(axis: OrderedAxis, ranges: Ranges) -> Ranges:
    """Leave out the open intervals that hold no whole number, such as the one between 3 and 4, and cuts that are none."""
    empty = []
    for code in range(axis.null_code):
        low, high = axis.bounds(code)
        if low is None or high is None:
            continue
        if (code % 2 and low.denominator != 1) or (not code % 2 and (-(-high // 1)) - low // 1 <= 1):
            empty.append(code)
    return c.intersection(ranges, c.complement(c.of(empty), axis.size)) if empty else ranges

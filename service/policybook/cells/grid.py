"""Grid: the axes of one decision table in one era, its rows as sets of cells, and the cell of a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

from policybook.cells import codes as c
from policybook.cells.axes import Atom, Axis, DiscreteAxis, Encoder, Env, OrderedAxis, PresenceAxis, TruthAxis, reader, recalling
from policybook.cells.codes import Ranges
from policybook.cells.conditions import (
    Asks,
    Coded,
    Condition,
    Term,
    TooManyTermsError,
    both,
    coded,
    either,
    holds,
    negated,
    terms,
)
from policybook.cells.linear import (
    DAY,
    EPOCH,
    MAX_REACH,
    SAFE_DATES,
    SAFE_DAYS,
    Form,
    dimension,
    linear,
    number,
)
from policybook.cells.plain import Plain, may_fault
from policybook.cells.words import formula_text
from policybook.diagnostics import Code, Finding, Severity
from policybook.model.book import Book, Decision, DerivedValue, Row
from policybook.model.book import Cell as BookCell
from policybook.model.evaluate import COMPARE, evaluate
from policybook.model.formula import (
    Anything,
    Between,
    Call,
    Compare,
    Compares,
    Const,
    Contains,
    ElementOf,
    Equals,
    Formula,
    Get,
    IsNull,
    Logic,
    Member,
    NoneOf,
    Not,
    OneOf,
    Ref,
    Role,
    Test,
    refs,
)
from policybook.model.kinds import BOOLEAN, NO_TEXT, Base, Field, Kind, Text

Cell: TypeAlias = tuple[int, ...]

MAX_TERMS = 64
# LIMIT: the engine takes 255 properties in one message; some are its own.
MAX_AXES_PER_TERM = 200

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}


@dataclass(frozen=True, slots=True)
class Guard:
    """A formula that is computed for its fault alone, always or when an atom leaves its window.

    Args:
        name: of the derived value that it is, if any: one that the environment holds had no fault
    """

    formula: Formula
    windows: tuple[tuple[int, int, int], ...]
    always: bool
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """One table in one era.

    Args:
        rows: those in force, in the order written, without the default
        terms: for each row its alternatives; none: the row can never match
        conditions: for each row and each of its cells the codes with which it passes
        findings: why the table cannot be compiled; empty when it can
        also: the alternatives of further tests that were asked for, which are no rows
    """

    book: Book
    decision: Decision
    era: int
    rows: tuple[Row, ...]
    axes: tuple[Axis, ...]
    atoms: tuple[Atom, ...]
    terms: tuple[tuple[Term, ...], ...]
    conditions: tuple[tuple[Coded, ...], ...]
    findings: tuple[Finding, ...]
    also: tuple[tuple[Term, ...], ...]
    plain: Plain = field(repr=False)
    guards: tuple[Guard, ...] = field(repr=False)
    stays_named: bool = field(repr=False)
    _encoders: tuple[Encoder, ...] = field(repr=False, compare=False)

    @classmethod
    def of(cls, book: Book, decision: Decision, era: int, plain: Plain | None = None, also: Sequence[Sequence[BookCell]] = ()) -> Grid:
        """Partition a table.

        Args:
            plain: of the book on a day of the era, to share it among decisions
            also: further tests whose constants cut the axes too, each a conjunction
        """
        return _Builder(decision, era, (plain or Plain(book, book.era_day(era))).within(decision)).grid(also)

    def cell(self, env: Env) -> Cell:
        """Return the cell that a request falls into.

        Args:
            env: inputs, outputs of required decisions, the item, `as_of` and `now`, as far as the tests use them; a derived value
                that is there too is taken as it is, and must be of the same facts
        Raises:
            FormulaError: a formula of some test has no result
        """
        if self.stays_named:
            env = self.plain.complete(env)
        values = [a.read(env) for a in self.atoms]
        for guard in self.guards:
            self._watch(guard, values, env)
        return tuple([e(values) for e in self._encoders])

    def _watch(self, guard: Guard, values: list[Any], env: Env) -> None:
        if guard.name and guard.name in env:
            return
        if guard.always or any(values[i] is not None and not low <= values[i] <= high for i, low, high in guard.windows):
            evaluate(guard.formula, env, self.plain.zone)

    def cell_passed(self, row: int, cell: int, codes: Cell) -> bool:
        """Tell whether the test in one cell of a row (both counted from 0) passes, by the codes that were matched."""
        return holds(self.conditions[row][cell], codes)

    def row_passed(self, row: int, codes: Cell) -> bool:
        """Tell whether a row matches, by the codes."""
        return any(all(c.contains(ranges, codes[axis]) for axis, ranges in term) for term in self.terms[row])

    def rows_passed(self, codes: Cell) -> tuple[int, ...]:
        """Return every row that matches, by the codes: what the engine must answer."""
        return tuple(i for i in range(len(self.rows)) if self.row_passed(i, codes))


class _Ordered:
    """An ordered axis while its cuts are collected."""

    def __init__(self, form: tuple[tuple[Formula, Fraction], ...], key: str, kind: Kind) -> None:
        self.form = form
        self.key = key
        self.kind = kind
        self.cuts: set[Fraction] = set()
        self.place: dict[Fraction, int] = {}


class _Discrete:
    def __init__(self, formula: Formula, key: str) -> None:
        self.formula = formula
        self.key = key
        self.values: dict[str, int] = {v: i for i, v in enumerate(formula.kind.value_names)}
        self.open = formula.kind.base is not Base.ENUM


class _Truth:
    def __init__(self, formula: Formula, key: str, nullable: bool) -> None:
        self.formula = formula
        self.key = key
        self.nullable = nullable


class _Presence:
    def __init__(self, formula: Formula, key: str) -> None:
        self.formula = formula
        self.key = key


_Draft: TypeAlias = _Ordered | _Discrete | _Truth | _Presence


class _Builder:
    """Builds one grid: first the questions of all tests, then the codes that answer them."""

    def __init__(self, decision: Decision, era: int, plain: Plain) -> None:
        self.decision = decision
        self.era = era
        self.plain = plain
        self.book = plain.book
        self.zone = plain.zone
        self.rows = tuple(r for r in decision.rows if r.effective.covers(plain.day))
        self.drafts: list[_Draft] = []
        self.by_key: dict[tuple[object, ...], int] = {}
        self.atom_place: dict[tuple[Formula, bool], int] = {}
        self.atom_list: list[tuple[Formula, bool]] = []
        self.guards: dict[Formula, Guard] = {}
        self.shaky: dict[Formula, Form] = {}
        self.key = ""
        self.subjects: dict[str, tuple[Formula, Formula]] = {}
        # By identity: the formula is kept beside, so that the id stays its own.
        self.known_axes: dict[int, tuple[Formula, int, Fraction, Fraction]] = {}
        self.codes_of: dict[Asks, Ranges] = {}
        self.same_ranges: dict[Ranges, Ranges] = {}
        self.named: dict[Formula, DerivedValue] = plain.named()

    def grid(self, also: Sequence[Sequence[BookCell]]) -> Grid:
        asked = [tuple(self.cell_condition(cell.key, cell.subject, cell.test) for cell in row.cells) for row in self.rows]
        further = [[self.cell_condition(cell.key, cell.subject, cell.test) for cell in cells] for cells in also]
        # After the questions, so that the atoms stand in the order in which the tests name them.
        self.guard_ranges()
        for draft in self.drafts:
            if isinstance(draft, _Ordered):
                draft.place = {cut: i for i, cut in enumerate(sorted(draft.cuts))}
        conditions = []
        row_terms = []
        findings = []
        for row, questions in zip(self.rows, asked, strict=True):
            made = tuple(coded(q, self.codes, self.size) for q in questions)
            conditions.append(made)
            try:
                alternatives = terms(made, MAX_TERMS)
                widest = max((len(t) for t in alternatives), default=0)
                if widest > MAX_AXES_PER_TERM:
                    findings.append(self.too_wide(row, widest))
                row_terms.append(alternatives)
            except TooManyTermsError as e:
                findings.append(self.too_many(row, e.count))
                row_terms.append(())
        atoms = tuple(self.atom(i, f, as_number) for i, (f, as_number) in enumerate(self.atom_list))
        axes = tuple(self.axis(i, d, atoms) for i, d in enumerate(self.drafts))
        return Grid(
            book=self.book,
            decision=self.decision,
            era=self.era,
            rows=self.rows,
            axes=axes,
            atoms=atoms,
            terms=tuple(row_terms),
            conditions=tuple(conditions),
            findings=tuple(findings),
            also=tuple(terms([coded(q, self.codes, self.size) for q in questions], MAX_TERMS) for questions in further),
            plain=self.plain,
            guards=tuple(self.guards.values()),
            stays_named=any(r.role is Role.VALUE for f, _ in self.atom_list for r in refs(f))
            or any(r.role is Role.VALUE for f in self.guards for r in refs(f)),
            _encoders=tuple(a.compiled(lambda atom: atom.index) for a in axes),
        )

    def too_many(self, row: Row, count: int) -> Finding:
        return Finding(
            code=Code.TOO_MANY_ALTERNATIVES,
            severity=Severity.ERROR,
            message=f"row `{row.id}` has more than {MAX_TERMS} alternatives ({count:,} when its tests are multiplied out)",
            span=row.span,
            help="split the row, or give the part with many alternatives a value of its own",
        )

    def too_wide(self, row: Row, count: int) -> Finding:
        return Finding(
            code=Code.TOO_MANY_ALTERNATIVES,
            severity=Severity.ERROR,
            message=f"row `{row.id}` tests {count:,} different things; at most {MAX_AXES_PER_TERM} are allowed",
            span=row.span,
            help="decide a part of it in a decision of its own",
        )

    # Axes

    def place(self, f: Formula, *, as_number: bool) -> int:
        key = (f, as_number)
        found = self.atom_place.get(key)
        if found is None:
            found = self.atom_place[key] = len(self.atom_list)
            self.atom_list.append(key)
        return found

    def draft(self, key: tuple[object, ...], make: Callable[[], _Draft]) -> int:
        found = self.by_key.get(key)
        if found is None:
            found = self.by_key[key] = len(self.drafts)
            self.drafts.append(make())
        return found

    def ordered(self, form: Form) -> tuple[int, Fraction]:
        """Return the axis of a form without its constant, and the factor: form = factor * axis + constant."""
        placed = sorted(((self.place(f, as_number=True), f, k) for f, k in form.terms.items()), key=lambda t: t[0])
        lead = next((k for _, _, k in placed if k != 0), Fraction(1))
        normal = tuple((i, k / lead) for i, _, k in placed)
        axis = self.draft(("ordered", normal), lambda: _Ordered(tuple((f, k / lead) for _, f, k in placed), self.key, _kind_of(placed)))
        return axis, lead

    def discrete(self, f: Formula) -> int:
        self.place(f, as_number=False)
        return self.draft(("discrete", f), lambda: _Discrete(f, self.key))

    def truth(self, f: Formula) -> int:
        self.place(f, as_number=False)
        return self.draft(("truth", f), lambda: _Truth(f, self.key, not isinstance(f, Compare | Logic | Not | Member)))

    def presence(self, f: Formula) -> int:
        self.place(f, as_number=False)
        return self.draft(("presence", f), lambda: _Presence(f, self.key))

    def form(self, f: Formula) -> Form:
        made = linear(f)
        if made.shaky:
            self.shaky.setdefault(f, made)
        return made

    def guard_ranges(self) -> None:
        """See to it that a date or duration out of range is a fault, though the linear form has none."""
        for f, form in self.shaky.items():
            if f in self.guards:
                continue
            windows = []
            for atom in form.terms:
                window = _window(atom.kind.base)
                if window:
                    windows.append((self.place(atom, as_number=True), *window))
            self.guards[f] = self.guard(f, tuple(windows), always=form.reach > MAX_REACH)

    def guard(self, f: Formula, windows: tuple[tuple[int, int, int], ...], *, always: bool) -> Guard:
        derived = self.named.get(f)
        return Guard(f, windows, always, derived.name if derived else "")

    def keep_fault(self, *formulas: Formula) -> None:
        """Compute formulas for their faults, where no axis does."""
        for f in formulas:
            if may_fault(f):
                self.guards[f] = self.guard(f, (), always=True)

    # Questions

    def cell_condition(self, key: str, subject: Formula, test: Test) -> Condition:
        if isinstance(test, Anything):
            return True
        self.key = key
        known = self.subjects.get(key)
        if known is not None and (known[0] is subject or known[0] == subject):
            made = known[1]
        else:
            made = self.plain.of(subject)
            self.subjects[key] = (subject, made)
        return self.passes(made, test)

    def passes(self, s: Formula, test: Test) -> Condition:
        """Turn a test of a plain subject into questions; the mirror of model.evaluate.passes."""
        match test:
            case Anything():
                self.keep_fault(s)
                return True
            case IsNull():
                return self.is_null(s)
            case Equals(formula):
                return self.equals(s, self.plain.of(formula))
            case Compares(op, formula):
                return self.compares(op, s, self.plain.of(formula))
            case Between(low, high, low_included, high_included):
                above = self.compares(">=" if low_included else ">", s, self.plain.of(low))
                below = self.compares("<=" if high_included else "<", s, self.plain.of(high))
                return both(above, below)
            case OneOf(tests):
                return either(*(self.passes(s, t) for t in tests))
            case NoneOf(tests):
                return negated(either(*(self.passes(s, t) for t in tests)))
            case Contains(every, formulas):
                held = [self.member(self.plain.of(f), s) for f in formulas]
                if every and not held:
                    return negated(self.is_null(s))
                return both(*held) if every else either(*held)
            case ElementOf(among):
                return both(negated(self.is_null(s)), self.member(s, self.plain.of(among)))

    def is_null(self, f: Formula) -> Condition:
        match f:
            case Const(value, _):
                return value is None
            case Compare() | Logic() | Not() | Member() | Call("is_null", _, _):
                self.keep_fault(f)
                return False
        if f.kind.base is Base.BOOLEAN:
            if isinstance(f, Call) and f.function == "contains" and _is_value(f.arguments[1]):
                return self.is_null(f.arguments[0])
            return Asks(self.truth(f), "null")
        if f.kind.ordered:
            form = self.form(f)
            return False if form.is_constant else Asks(self.ordered(form)[0], "null")
        if f.kind.base in (Base.ENUM, Base.TEXT):
            return Asks(self.discrete(f), "null")
        return Asks(self.presence(f), "null")

    def is_true(self, f: Formula) -> Condition:
        match f:
            case Const(value, _):
                return value is True
            case Compare(op, left, right):
                return self.comparison(op, left, right, f)
            case Logic(op, left, right) if not may_fault(right):
                return (both if op == "and" else either)(self.is_true(left), self.is_true(right))
            case Not(operand):
                return negated(self.is_true(operand))
            case Member(item, among):
                return self.member(item, among)
            case Call("is_null", (operand,), _):
                return self.is_null(operand)
            case Call("contains", (among, item), _) if _is_value(item):
                return self.member(item, among)
            case _:
                return Asks(self.truth(f), "is", True)

    def is_false(self, f: Formula) -> Condition:
        return both(negated(self.is_true(f)), negated(self.is_null(f)))

    def comparison(self, op: str, left: Formula, right: Formula, whole: Formula) -> Condition:
        """Turn a comparison in a formula into questions; null equals null here."""
        if op == "!=":
            return negated(self.comparison("=", left, right, Compare("=", left, right)))
        if isinstance(left, Const) and left.value is None:
            return self.is_null(right) if op == "=" else self.refused(right)
        if isinstance(right, Const) and right.value is None:
            return self.is_null(left) if op == "=" else self.refused(left)
        if dimension(left) and dimension(left) == dimension(right):
            same = self.by_number(op, left, right)
            return same if op != "=" or _is_value(left) or _is_value(right) else either(same, both(self.is_null(left), self.is_null(right)))
        if op != "=":
            return Asks(self.truth(whole), "is", True)
        if left.kind.base is Base.BOOLEAN and right.kind.base is Base.BOOLEAN:
            return either(
                both(self.is_true(left), self.is_true(right)),
                both(self.is_false(left), self.is_false(right)),
                both(self.is_null(left), self.is_null(right)),
            )
        return self.one_value(left, right) if _is_value(left) or _is_value(right) else Asks(self.truth(whole), "is", True)

    def refused(self, *formulas: Formula) -> Condition:
        self.keep_fault(*formulas)
        return False

    def equals(self, s: Formula, f: Formula) -> Condition:
        """Tell that both are the same and not null."""
        if (isinstance(s, Const) and s.value is None) or (isinstance(f, Const) and f.value is None):
            return self.refused(s, f)
        if dimension(s) and dimension(s) == dimension(f):
            return self.by_number("=", s, f)
        if s.kind.base is Base.BOOLEAN and f.kind.base is Base.BOOLEAN:
            return either(both(self.is_true(s), self.is_true(f)), both(self.is_false(s), self.is_false(f)))
        if _is_value(s) or _is_value(f):
            return self.one_value(s, f)
        return Asks(self.truth(Logic("and", Compare("=", s, f), Not(Call("is_null", (s,), BOOLEAN)))), "is", True)

    def one_value(self, s: Formula, f: Formula) -> Condition:
        """Tell that two formulas, at least one of them a value that is not null, are the same."""
        if isinstance(s, Const):
            s, f = f, s
        if not isinstance(f, Const):
            raise AssertionError("one side is a value")
        if isinstance(s, Const):
            return s.value == f.value
        if s.kind.base in (Base.ENUM, Base.TEXT) and isinstance(f.value, str):
            axis = self.discrete(s)
            draft = self.drafts[axis]
            if isinstance(draft, _Discrete) and f.value not in draft.values:
                if not draft.open:
                    return False
                draft.values[f.value] = len(draft.values)
            return Asks(axis, "is", f.value)
        return Asks(self.truth(Compare("=", s, f)), "is", True)

    def compares(self, op: str, s: Formula, f: Formula) -> Condition:
        if (isinstance(s, Const) and s.value is None) or (isinstance(f, Const) and f.value is None):
            return self.refused(s, f)
        if dimension(s) and dimension(s) == dimension(f):
            return self.by_number(op, s, f)
        return Asks(self.truth(Compare(op, s, f)), "is", True)

    def by_number(self, op: str, s: Formula, f: Formula) -> Condition:
        """Compare two formulas of one dimension; false when either is null."""
        if isinstance(f, Const) and not isinstance(s, Const) and f.value is not None:
            return self.by_constant(op, s, number(f.value))
        form = self.form(s).plus(self.form(f), -1)
        if form.is_constant:
            return bool(COMPARE[op](form.constant, 0))
        axis, factor = self.ordered(form)
        cut = -form.constant / factor
        draft = self.drafts[axis]
        if isinstance(draft, _Ordered):
            draft.cuts.add(cut)
        return Asks(axis, op if factor > 0 else _FLIPPED[op], cut)

    def by_constant(self, op: str, s: Formula, constant: Fraction | int) -> Condition:
        """Compare with a constant: the common case, made quick by what is known of the subject."""
        known = self.known_axes.get(id(s))
        if known is None:
            form = self.form(s)
            if form.is_constant:
                return bool(COMPARE[op](form.constant, constant))
            known = self.known_axes[id(s)] = (s, *self.ordered(form), form.constant)
        _, axis, factor, own = known
        cut = constant if isinstance(constant, Fraction) else Fraction(constant)
        if own or factor != 1:
            cut = (cut - own) / factor
        draft = self.drafts[axis]
        if isinstance(draft, _Ordered):
            draft.cuts.add(cut)
        return Asks(axis, op if factor > 0 else _FLIPPED[op], cut)

    def member(self, item: Formula, among: Formula) -> Condition:
        """Tell that a list holds an item; null is an item like another, a null list holds nothing."""
        if isinstance(among, Const):
            if among.value is None:
                return self.refused(item)
            items: Any = among.value
            kind = among.kind.element or item.kind
            parts = [self.is_null(item) if v is None else self.equals(item, Const(v, kind)) for v in items]
            if not parts:
                self.keep_fault(item)
            return either(*parts)
        if isinstance(item, Const) and among.kind.element is not None:
            item = Const(item.value, among.kind.element)
        return Asks(self.truth(Member(item, among)), "is", True)

    # Codes

    def size(self, axis: int) -> int:
        match self.drafts[axis]:
            case _Ordered() as d:
                return 2 * len(d.cuts) + 2
            case _Discrete() as d:
                return len(d.values) + d.open + 1
            case _Truth() as d:
                return 2 + d.nullable
            case _Presence():
                return 2

    def codes(self, question: Asks) -> Ranges:
        found = self.codes_of.get(question)
        if found is None:
            found = self.answer(question)
            found = self.codes_of[question] = self.same_ranges.setdefault(found, found)
        return found

    def answer(self, question: Asks) -> Ranges:
        axis, op, operand = question.axis, question.op, question.operand
        last = self.size(axis) - 1
        draft = self.drafts[axis]
        if op == "null":
            return c.EMPTY if isinstance(draft, _Truth) and not draft.nullable else ((last, last),)
        if isinstance(draft, _Truth):
            return ((1, 1),)
        if isinstance(draft, _Discrete):
            code = draft.values[operand]  # type: ignore[index]
            return ((code, code),)
        if not isinstance(draft, _Ordered) or not isinstance(operand, Fraction):
            raise AssertionError(f"no such question: {question}")
        on = 2 * draft.place[operand] + 1
        top = last - 1
        low, high = {"<": (0, on - 1), "<=": (0, on), "=": (on, on), ">=": (on, top), ">": (on + 1, top)}[op]
        return ((low, high),)

    # Axes, finished

    def atom(self, index: int, f: Formula, as_number: bool) -> Atom:
        title, unit, declared = self.declared(f)
        derived = self.named.get(f)
        name = derived.name if derived and not isinstance(f, Ref | Get) else formula_text(f)
        if derived and not title:
            title, unit = derived.title, derived.unit
        read = reader(f, self.zone, as_number=as_number)
        if derived and not isinstance(f, Ref | Get):
            read = recalling(derived.name, read, as_number=as_number and not f.kind.numeric)
        return Atom(index=index, formula=f, name=name, title=title, unit=unit, field=declared, read=read)

    def declared(self, f: Formula) -> tuple[Text, Text, Field | None]:
        declared: Field | None = None
        match f:
            case Ref(name, Role.INPUT, _):
                declared = self.book.input_by_name.get(name)
            case Ref(name, Role.OUTPUT, _):
                decision, _, output = name.partition(".")
                owner = self.book.decision_by_name.get(decision)
                declared = owner.output(output) if owner else None
            case Get(source, name, _):
                kind = source.kind.element if source.kind.base is Base.LIST and source.kind.element else source.kind
                declared = kind.field_named(name)
        return (declared.title, declared.unit, declared) if declared else (NO_TEXT, NO_TEXT, None)

    def axis(self, index: int, draft: _Draft, atoms: tuple[Atom, ...]) -> Axis:
        title = self.axis_title(draft.key)
        match draft:
            case _Ordered():
                form = tuple((atoms[self.atom_place[f, True]], k) for f, k in draft.form)
                return OrderedAxis(index=index, key=draft.key, title=title, kind=draft.kind, form=form, cuts=tuple(draft.place))
            case _Discrete():
                atom = atoms[self.atom_place[draft.formula, False]]
                return DiscreteAxis(index=index, key=draft.key, title=title, atom=atom, values=tuple(draft.values), has_other=draft.open)
            case _Truth():
                atom = atoms[self.atom_place[draft.formula, False]]
                return TruthAxis(index=index, key=draft.key, title=title, atom=atom, nullable=draft.nullable)
            case _Presence():
                return PresenceAxis(index=index, key=draft.key, title=title, atom=atoms[self.atom_place[draft.formula, False]])

    def axis_title(self, key: str) -> Text:
        for v in (*self.decision.values, *self.book.values):
            if v.name == key:
                return v.title
        known = self.subjects.get(key)
        return self.declared(known[0])[0] if known else NO_TEXT


def _is_value(f: Formula) -> bool:
    return isinstance(f, Const) and f.value is not None


def _kind_of(placed: list[tuple[int, Formula, Fraction]]) -> Kind:
    lead = next((f for _, f, k in placed if k != 0), placed[0][1])
    return lead.kind


def _window(base: Base) -> tuple[int, int] | None:
    first, last = SAFE_DATES
    match base:
        case Base.DATE:
            return first.toordinal(), last.toordinal()
        case Base.DATETIME:
            low, high = first.toordinal() - EPOCH.toordinal(), last.toordinal() - EPOCH.toordinal()
            return low * DAY, high * DAY
        case Base.DURATION:
            return -SAFE_DAYS * DAY, SAFE_DAYS * DAY
        case Base.PERIOD | Base.TIME:
            return None
        case _:
            return -SAFE_DAYS, SAFE_DAYS

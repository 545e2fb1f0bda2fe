"""Two versions of a book in one language: formulas of both over the same names, so that one grid and one reading hold both.

An input of one name is one variable. An output of a decision that the two versions decide otherwise is two: the older under
its name, the newer under the name with a mark. What is left of figures and values is their meaning on one day.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

from policybook.cells.plain import Plain, may_fault, rebuilt
from policybook.model.book import ALWAYS, Book, Cell, Decision, DerivedValue, Effective, OutputEntry, Row
from policybook.model.formula import (
    Anything,
    Arith,
    Between,
    Call,
    Choose,
    Compares,
    Const,
    Contains,
    ElementOf,
    Equals,
    Formula,
    Get,
    IsNull,
    ListOf,
    NoneOf,
    OneOf,
    Ref,
    Role,
    Test,
    children,
    refs,
    test_formulas,
)
from policybook.model.kinds import NO_TEXT, Base, EnumValue, Field, Kind, list_of
from policybook.source import NOWHERE

# What marks the newer of two: a book cannot hold it in a name.
MARK = "′"


@dataclass(frozen=True, slots=True)
class Written:
    """A row in joint names.

    Args:
        cells: (key, subject, test); those that let everything pass are left out unless they are computed for a fault
    """

    row: Row
    cells: tuple[tuple[str, Formula, Test], ...]
    outputs: tuple[OutputEntry, ...]


class Names:
    """How one version's names are written: (role, name) -> the joint name and kind."""

    def __init__(self, by_name: Mapping[tuple[Role, str], Ref]) -> None:
        self._by_name = dict(by_name)
        self._bare: dict[Kind, Kind] = {}

    def with_item(self, item: str, ref: Ref) -> Names:
        """Return these names and that of a list's element."""
        return Names({**self._by_name, (Role.ITEM, item): ref})

    def of(self, f: Formula) -> Formula:
        """Write a formula in joint names; titles of kinds, which mean nothing to an answer, are left out on the way."""
        match f:
            case Ref(name, role, kind):
                return self._by_name.get((role, name)) or Ref(name, role, kind)
            case Const(value, kind):
                return Const(value, self.bare(kind))
            case Get(source, field, kind):
                return _field_of(self.of(source), field, kind)
        made = rebuilt(f, tuple(self.of(c) for c in children(f)))
        match made:
            case Arith(op, left, right, kind):
                return Arith(op, left, right, self.bare(kind))
            case Choose(condition, then, otherwise, kind):
                return Choose(condition, then, otherwise, self.bare(kind))
            case Call(function, arguments, kind):
                return Call(function, arguments, self.bare(kind))
            case ListOf(items, element):
                return ListOf(items, element and self.bare(element))
            case _:
                return made

    def bare(self, kind: Kind) -> Kind:
        found = self._bare.get(kind)
        if found is None:
            found = self._bare[kind] = bare(kind)
        return found


def bare(kind: Kind) -> Kind:
    """Return a kind without its titles."""
    if kind.base is Base.ENUM:
        return Kind(Base.ENUM, values=tuple(EnumValue(v) for v in kind.value_names))
    if kind.base is Base.LIST:
        return Kind(Base.LIST, element=kind.element and bare(kind.element))
    if kind.base is Base.RECORD:
        return Kind(Base.RECORD, fields=tuple(Field(name=f.name, kind=bare(f.kind)) for f in kind.fields))
    return kind


def common(a: Kind, b: Kind) -> Kind | None:
    """Return the kind of what both allow, with the titles of the newer; None where nothing is both."""
    if a.base is not b.base:
        return None
    match a.base:
        case Base.ENUM:
            mine = set(a.value_names)
            values = tuple(v for v in b.values if v.value in mine)
            return replace(b, values=values) if values else None
        case Base.LIST:
            element = common(a.element, b.element) if a.element and b.element else None
            return replace(b, element=element) if element else None
        case Base.RECORD:
            fields = []
            for f in b.fields:
                other = a.field_named(f.name)
                both = common(other.kind, f.kind) if other else None
                if other is None or both is None:
                    return None
                fields.append(common_field(other, f, both))
            return replace(b, fields=tuple(fields)) if len(fields) == len(a.fields) else None
        case _:
            return b


def common_field(a: Field, b: Field, kind: Kind) -> Field:
    """Return a field that holds what both may hold; left out it may be where both versions then take the same for it."""
    low = max((x for x in (a.minimum, b.minimum) if x is not None), default=None)  # type: ignore[type-var] # of one kind
    high = min((x for x in (a.maximum, b.maximum) if x is not None), default=None)  # type: ignore[type-var] # of one kind
    same = a.has_default and b.has_default and a.default == b.default
    return replace(b, kind=kind, minimum=low, maximum=high, optional=a.optional and b.optional, has_default=same)


def _field_of(source: Formula, field: str, kind: Kind) -> Get:
    owner = source.kind.element if source.kind.base is Base.LIST and source.kind.element else source.kind
    declared = owner.field_named(field)
    if declared is None:
        return Get(source, field, kind)
    own = declared.kind
    return Get(source, field, Kind(Base.LIST, element=own) if source.kind.base is Base.LIST else own)


def test_in(test: Test, of: Callable[[Formula], Formula]) -> Test:
    """Write the formulas of a test otherwise."""
    match test:
        case Anything() | IsNull():
            return test
        case Equals(value):
            return Equals(of(value))
        case Compares(op, value):
            return Compares(op, of(value))
        case Between(low, high, low_included, high_included):
            return Between(of(low), of(high), low_included, high_included)
        case OneOf(tests):
            return OneOf(tuple(test_in(t, of) for t in tests))
        case NoneOf(tests):
            return NoneOf(tuple(test_in(t, of) for t in tests))
        case Contains(every, values):
            return Contains(every, tuple(of(v) for v in values))
        case ElementOf(among):
            return ElementOf(of(among))


class Version:
    """One version of a book on one day: its decisions in joint names."""

    def __init__(self, book: Book, day: date, names: Names) -> None:
        self.book = book
        self.day = day
        self.names = names
        self.plain = Plain(book, day)
        # By the identity of a decision's own values, which are kept beside so that the id stays theirs.
        self._known: dict[int, tuple[object, dict[int, Written]]] = {}

    def table(self, decision: Decision, item: str = "") -> WrittenTable:
        """Return a decision of this version, written.

        Args:
            decision: of the book, or a changed copy of one; rows that both have are written once
            item: the joint name of a list's element; "": its own
        """
        _, known = self._known.setdefault(id(decision.values), (decision.values, {}))
        plain = self.plain.within(decision)
        names, source = self.names, None
        if decision.for_each is not None:
            source = names.of(plain.of(decision.for_each.source))
            element = Ref(item or decision.for_each.item, Role.ITEM, source.kind.element or source.kind)
            names = names.with_item(decision.for_each.item, element)
        return WrittenTable(decision, plain, names, source, known)


class WrittenTable:
    """One decision of one version, written row by row.

    Args:
        source: the list whose elements are decided
        known: rows that were written before, by identity
    """

    def __init__(self, decision: Decision, plain: Plain, names: Names, source: Formula | None, known: dict[int, Written]) -> None:
        self.decision = decision
        self.plain = plain
        self.names = names
        self.source = source
        self._known = known
        self._subjects: dict[int, tuple[Formula, Formula]] = {}

    def of(self, f: Formula) -> Formula:
        return self.names.of(self.plain.of(f))

    @cached_property
    def rows(self) -> tuple[Written, ...]:
        """The rows in force, in the order written."""
        return tuple(self.written(r) for r in self.decision.rows if r.effective.covers(self.plain.day))

    @cached_property
    def default(self) -> Written | None:
        return self.written(self.decision.default) if self.decision.default else None

    @cached_property
    def large(self) -> tuple[tuple[str, Formula], ...]:
        """The values that stay names and are needed, with their formulas."""
        needed = dict.fromkeys((*self.decision.uses_directly.values, *(v.name for v in self.decision.values)))
        return tuple((n, self.names.of(f)) for n, f in self.plain.large.items() if n in needed)

    @cached_property
    def sign(self) -> Hashable:
        """What decides in this table, apart from required decisions: tables with the same sign are the same."""
        d = self.decision
        rows = tuple(sign_of(w) for w in self.rows)
        outputs = tuple((o.name, bare(o.kind), o.decimals, o.rounding) for o in d.outputs)
        default = sign_of(self.default) if self.default else None
        return (d.hit_policy, d.aggregation, self.source, outputs, rows, default, self.large)

    @cached_property
    def outputs_read(self) -> frozenset[str]:
        """The outputs of other decisions that this table reads directly, by their joint names."""
        formulas = [f for w in (*self.rows, *((self.default,) if self.default else ())) for f in _formulas_of(w)]
        formulas += [f for _, f in self.large]
        if self.source is not None:
            formulas.append(self.source)
        return frozenset(r.name for f in formulas for r in refs(f) if r.role is Role.OUTPUT)

    def written(self, row: Row) -> Written:
        found = self._known.get(id(row))
        if found is None or found.row is not row:
            cells = tuple((c.key, self.subject(c.subject), test_in(c.test, self.of)) for c in row.cells)
            outputs = tuple(replace(o, formula=self.of(o.formula)) for o in row.outputs)
            found = self._known[id(row)] = Written(row, cells, outputs)
        return found

    def subject(self, f: Formula) -> Formula:
        """Write a subject; the rows of a table share the few that it has, so that they stay one object."""
        found = self._subjects.get(id(f))
        if found is None or found[0] is not f:
            made = self.of(f)
            made = next((m for _, m in self._subjects.values() if m == made), made)
            found = self._subjects[id(f)] = (f, made)
        return found[1]

    def decided(self, name: str) -> Decision:
        """Return the decision in joint names, as another decision of the joint book."""
        decision = self.decision
        for_each = decision.for_each
        if for_each is not None and self.source is not None:
            for_each = replace(for_each, source=self.source)
        return replace(
            decision,
            name=name,
            rows=tuple(row_in(w) for w in self.rows),
            default=row_in(self.default) if self.default else None,
            for_each=for_each,
            values=derived(self.large),
            uses_directly=replace(decision.uses_directly, values=(), parameters=()),
        )


def sign_of(written: Written) -> Hashable:
    """Return what makes a row do what it does, whatever it is called and wherever it stands."""
    cells = frozenset((subject, test) for _, subject, test in written.cells if not (isinstance(test, Anything) and not may_fault(subject)))
    return cells, tuple((o.name, _constant(o.formula) if isinstance(o.formula, Const) else o.formula) for o in written.outputs)


def _constant(f: Const) -> Hashable:
    return (isinstance(f.value, bool), str(f.value) if isinstance(f.value, dict) else f.value)


def _formulas_of(written: Written) -> Iterator[Formula]:
    for _, subject, test in written.cells:
        yield subject
        yield from test_formulas(test)
    yield from (o.formula for o in written.outputs)


def row_in(written: Written, row_id: str = "") -> Row:
    """Return a written row as a row of a joint decision, always in force."""
    row = written.row
    cells = tuple(
        Cell(key=key, subject=subject, test=test, text=c.text, span=c.span)
        for (key, subject, test), c in zip(written.cells, row.cells, strict=True)
    )
    return replace(row, id=row_id or row.id, cells=cells, outputs=written.outputs, effective=ALWAYS)


def derived(named: Iterable[tuple[str, Formula]]) -> tuple[DerivedValue, ...]:
    """Return formulas as values of a decision."""
    return tuple(DerivedValue(name=n, formula=f, title=NO_TEXT, unit=NO_TEXT, text="", span=NOWHERE) for n, f in named)


# ---------------------------------------------------------------- the joint book


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of days, both ends included; None is open."""

    start: date | None
    end: date | None

    @property
    def day(self) -> date:
        """Return a day of it."""
        if self.start is not None:
            return self.start
        return self.end if self.end is not None else date(2026, 1, 1)

    @property
    def era(self) -> int:
        """Return the number of this stretch in a book that is in force on it alone."""
        return 0 if self.start is None else 1


@dataclass(frozen=True, slots=True)
class Renamed:
    """What has another name in the newer version: name in the newer -> name in the older."""

    inputs: Mapping[str, str]
    decisions: Mapping[str, str]

    @classmethod
    def nothing(cls) -> Renamed:
        return cls({}, {})


@dataclass(frozen=True)
class Joint:
    """Two versions in one book, on days on which neither changes.

    Args:
        book: decisions of the older, and of the newer those that differ or are only there
        new: the newer, its outputs of differing decisions being names of their own
        alike: the newer, these outputs taken for those of the older
        doubled: outputs of differing decisions: name in the older -> joint name in the newer
        names: decisions of the newer -> joint name
        inputs: inputs of the newer -> joint name
    """

    book: Book
    period: Period
    old: Version
    new: Version
    alike: Version
    doubled: Mapping[str, str]
    names: Mapping[str, str]
    inputs: Mapping[str, str]
    renamed: Renamed

    @cached_property
    def plain(self) -> Plain:
        return Plain(self.book, self.period.day)

    @property
    def era(self) -> int:
        return self.period.era


def joint_inputs(old: Book, new: Book, renamed: Mapping[str, str]) -> tuple[Field, ...]:
    """Return the inputs of both, each holding what both may hold; those that cannot be the same value are left out.

    Args:
        renamed: name in the newer -> name in the older
    """
    out: dict[str, Field] = {f.name: f for f in old.inputs}
    for f in new.inputs:
        name = renamed.get(f.name, f.name)
        mine = old.input_by_name.get(name)
        if mine is None:
            out[name] = f
            continue
        kind = common(mine.kind, f.kind)
        if kind is None:
            del out[name]
        else:
            out[name] = common_field(mine, replace(f, name=name), kind)
    return tuple(out.values())


def joined(old: Book, new: Book, period: Period, differing: frozenset[str] = frozenset(), renamed: Renamed | None = None) -> Joint:
    """Put two versions into one book.

    Args:
        differing: decisions of both, as the older names them, that are not known to decide alike
    """
    renamed = renamed or Renamed.nothing()
    day = period.day
    shared = {f.name: f for f in joint_inputs(old, new, renamed.inputs)}
    of_old = {(Role.INPUT, f.name): Ref(f.name, Role.INPUT, shared[f.name].kind) for f in old.inputs if f.name in shared}
    of_new: dict[tuple[Role, str], Ref] = {}
    of_alike: dict[tuple[Role, str], Ref] = {}
    stated: dict[str, str] = {}
    for f in new.inputs:
        name = renamed.inputs.get(f.name, f.name)
        stated[f.name] = name
        if name in shared:
            of_new[Role.INPUT, f.name] = Ref(name, Role.INPUT, shared[name].kind)
    doubled: dict[str, str] = {}
    names: dict[str, str] = {}
    for d in new.decisions:
        name = renamed.decisions.get(d.name, d.name)
        owner = old.decision_by_name.get(name)
        twice = owner is not None and (name in differing or any(owner.output(o.name) is None for o in d.outputs))
        names[d.name] = f"{name}{MARK}" if twice else name
        for o in d.outputs:
            same = owner.output(o.name) if owner else None
            as_old = Ref(f"{name}.{o.name}", Role.OUTPUT, _seen_kind(owner, same)) if owner and same else None
            if as_old is not None and name not in differing:
                of_new[Role.OUTPUT, f"{d.name}.{o.name}"] = as_old
                continue
            as_new = of_new[Role.OUTPUT, f"{d.name}.{o.name}"] = Ref(f"{names[d.name]}.{o.name}", Role.OUTPUT, _seen_kind(d, o))
            if as_old is not None and bare(as_old.kind) == bare(as_new.kind):
                of_alike[Role.OUTPUT, f"{d.name}.{o.name}"] = as_old
                doubled[as_old.name] = as_new.name
    before = Version(old, day, Names(of_old))
    for name, formula in Version(new, day, Names(of_new)).plain.large.items():
        if before.plain.large.get(name) != formula:
            of_new[Role.VALUE, name] = Ref(name + MARK, Role.VALUE, formula.kind)
    for d in new.decisions:
        # Values of a table alone that stay names: two tables may use one name for different things.
        for v in d.values:
            of_new.setdefault((Role.VALUE, v.name), Ref(v.name + MARK, Role.VALUE, v.kind))
    after = Version(new, day, Names(of_new))
    decisions = [_in_force(d, day) for d in old.decisions]
    for d in new.decisions:
        name = names[d.name]
        if name not in old.decision_by_name:
            decided = after.table(d).decided(name)
            decisions.append(replace(decided, uses=replace(decided.uses, decisions=tuple(names[n] for n in decided.uses.decisions))))
    figures = tuple(replace(p, values=tuple(replace(v, effective=ALWAYS) for v in (p.on(day),) if v is not None)) for p in old.parameters)
    book = replace(
        old,
        effective=Effective(period.start, period.end),
        parameters=figures,
        inputs=tuple(shared.values()),
        decisions=tuple(decisions),
    )
    return Joint(book, period, before, after, Version(new, day, Names({**of_new, **of_alike})), doubled, names, stated, renamed)


def _seen_kind(decision: Decision, output: Field) -> Kind:
    """Return the kind of an output as other decisions see it."""
    how = decision.aggregation
    if how is not None and how.applies_to(output):
        return output.kind
    return list_of(output.kind) if decision.hit_policy.multi or decision.for_each else output.kind


def _in_force(decision: Decision, day: date) -> Decision:
    return replace(decision, rows=tuple(replace(r, effective=ALWAYS) for r in decision.rows if r.effective.covers(day)))

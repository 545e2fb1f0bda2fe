"""Two versions of a book in one language: formulas of both over the same names, so that one grid and one reading hold both.

An input of one name is one variable. An output of a decision that the two versions decide otherwise is two: the older under
its name, the newer under the name with a mark. What is left of figures and values is their meaning on one day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

from policybook.cells.plain import Plain, rebuilt
from policybook.model.book import ALWAYS, Book, Cell, Decision, DerivedValue, Effective, OutputEntry, Row, Uses
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
)
from policybook.model.kinds import NO_TEXT, Base, EnumValue, Field, Kind, Text

# What marks the newer of two: a book cannot hold it in a name.
MARK = "′"
_BEFORE = Text(" (before)", "（原）")
_AFTER = Text(" (after)", "（新）")


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
    """Return a field that holds what both may hold; whether it may be left out and what it is then is the newer's."""
    low = max((x for x in (a.minimum, b.minimum) if x is not None), default=None)  # type: ignore[type-var] # of one kind
    high = min((x for x in (a.maximum, b.maximum) if x is not None), default=None)  # type: ignore[type-var] # of one kind
    return replace(b, kind=kind, minimum=low, maximum=high, optional=a.optional and b.optional)


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


test_in.__test__ = False  # type: ignore[attr-defined]


class Version:
    """One version of a book on one day, as far as one asks it: rows and formulas written plain, in joint names."""

    def __init__(self, book: Book, day: date, names: Names) -> None:
        self.book = book
        self.day = day
        self.names = names
        self.plain = Plain(book, day)
        self._rows: dict[int, Written] = {}

    def table(self, decision: Decision, item: Ref | None = None) -> WrittenTable:
        """Return a decision of this version, written."""
        names = self.names
        if decision.for_each is not None and item is not None:
            names = names.with_item(decision.for_each.item, item)
        return WrittenTable(decision, self.plain.within(decision), names, self._rows)


class WrittenTable:
    """One decision of one version, written row by row.

    Args:
        known: rows that were written before, by identity; the rows of a changed copy are mostly those of its original
    """

    def __init__(self, decision: Decision, plain: Plain, names: Names, known: dict[int, Written]) -> None:
        self.decision = decision
        self.plain = plain
        self.names = names
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
    def source(self) -> Formula | None:
        """The list whose elements are decided."""
        return self.of(self.decision.for_each.source) if self.decision.for_each else None

    @cached_property
    def large(self) -> tuple[tuple[str, Formula], ...]:
        """The values that stay names and are needed, with their formulas."""
        needed = dict.fromkeys((*self.decision.uses_directly.values, *(v.name for v in self.decision.values)))
        return tuple((n, self.names.of(f)) for n, f in self.plain.large.items() if n in needed)

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

    def decided(self, name: str, mark: Text) -> Decision:
        """Return the decision in joint names, as another decision of the joint book."""
        decision = self.decision
        rows = tuple(_row_in(w, w.row.id) for w in self.rows)
        default = _row_in(self.default, self.default.row.id) if self.default else None
        source = self.source
        for_each = decision.for_each
        if for_each is not None and source is not None:
            item = self.names.of(Ref(for_each.item, Role.ITEM, source.kind.element or source.kind))
            for_each = replace(for_each, source=source, item=item.name if isinstance(item, Ref) else for_each.item)
        return replace(
            decision,
            name=name,
            rows=rows,
            default=default,
            for_each=for_each,
            values=derived(self.large),
            outputs=tuple(replace(o, title=marked(o.title or Text(o.name, o.name), mark)) for o in decision.outputs),
            uses_directly=replace(decision.uses_directly, values=(), parameters=()),
        )


def marked(title: Text, mark: Text) -> Text:
    """Add a mark to a title, in each language that it has."""
    return Text(title.en and title.en + mark.en, title.zh and title.zh + mark.zh)


def derived(named: Iterable[tuple[str, Formula]]) -> tuple[DerivedValue, ...]:
    from policybook.source import NOWHERE  # noqa: PLC0415

    return tuple(DerivedValue(name=n, formula=f, title=NO_TEXT, unit=NO_TEXT, text="", span=NOWHERE) for n, f in named)


def _row_in(written: Written, row_id: str) -> Row:
    row = written.row
    cells = tuple(
        Cell(key=key, subject=subject, test=test, text=c.text, span=c.span)
        for (key, subject, test), c in zip(written.cells, row.cells, strict=True)
    )
    return replace(row, id=row_id, cells=cells, outputs=written.outputs, effective=ALWAYS)

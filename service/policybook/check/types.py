"""Declared types: inputs, outputs, record fields, named types."""

from __future__ import annotations

from policybook.check.formulas import Binder
from policybook.check.scope import Findings
from policybook.diagnostics import Code, did_you_mean
from policybook.load.draft import DraftField, DraftText, Words
from policybook.model import kinds as k
from policybook.model.kinds import Base, EnumValue, Field, Kind, Text
from policybook.values import Value

_SIMPLE = {b.value: Kind(b) for b in Base if b not in (Base.NULL, Base.ENUM, Base.LIST, Base.RECORD)}
_WORDS = tuple(b.value for b in Base if b is not Base.NULL)
_ONLY_FOR = {
    "values": (Base.ENUM,),
    "of": (Base.LIST,),
    "fields": (Base.RECORD,),
    "max_length": (Base.TEXT,),
    "max_items": (Base.LIST,),
    "decimals": tuple(k.NUMERIC),
}


def text_of(draft: DraftText | None) -> Text:
    """Turn a draft text into a Text."""
    return Text(draft.en, draft.zh) if draft else k.NO_TEXT


class Types:
    """Makes kinds and fields; named types are resolved when first used."""

    def __init__(self, named: tuple[DraftField, ...], findings: Findings, binder: Binder, currency: str) -> None:
        self.findings = findings
        self.binder = binder
        self.currency = currency
        self.named = {f.name: f for f in named}
        self.made: dict[str, Kind | None] = {}
        self.under_way: list[str] = []
        for draft in named:
            if draft.name in _WORDS:
                findings.error(Code.BAD_NAME, f"the type `{draft.name}` has the name of a built-in type", draft.name_span)
            self.named_kind(draft.name, draft)

    def named_kind(self, name: str, at: DraftField) -> Kind | None:
        if name in self.made:
            return self.made[name]
        if name in self.under_way:
            cycle = " -> ".join((*self.under_way[self.under_way.index(name) :], name))
            self.findings.error(Code.CYCLE, f"types refer to each other: {cycle}", at.span)
            return None
        self.under_way.append(name)
        kind = self.kind(self.named[name])
        self.under_way.pop()
        if kind is not None:
            kind = Kind(kind.base, kind.values, kind.element, kind.fields, name)
        self.made[name] = kind
        return kind

    def kind(self, draft: DraftField) -> Kind | None:
        """Return the kind of a declaration; None when a fault was noted."""
        if draft.type is None:
            return None
        word = draft.type.text
        if word in self.named and word not in _WORDS:
            return self.named_kind(word, draft)
        if word not in _WORDS:
            help_text = did_you_mean(word, (*_WORDS, *self.named))
            self.findings.error(Code.UNKNOWN_NAME, f"there is no type `{word[:60]}`", draft.type.span, help_text)
            return None
        base = Base(word)
        self.only_where_it_fits(draft, base)
        match base:
            case Base.ENUM:
                return self.enum(draft)
            case Base.LIST:
                if draft.of is None:
                    self.findings.error(
                        Code.MISSING_KEY, "a list must say what it holds", draft.type.span, "add `of: text`, or another type"
                    )
                    return None
                element = self.kind(draft.of)
                if element is not None and element.base is Base.LIST:
                    self.findings.error(Code.WRONG_TYPE, "a list cannot hold lists", draft.of.span, "use a list of records")
                    return None
                return k.list_of(element) if element else None
            case Base.RECORD:
                if not draft.fields:
                    self.findings.error(Code.MISSING_KEY, "a record needs `fields`", draft.type.span)
                fields = [self.field(f) for f in draft.fields]
                return Kind(Base.RECORD, fields=tuple(f for f in fields if f))
            case Base.MONEY:
                if not self.currency:
                    self.findings.error(
                        Code.MISSING_CURRENCY,
                        "money is used, but the book states no currency",
                        draft.type.span,
                        "add `currency: CNY` at the top",
                    )
                return k.MONEY
            case _:
                return _SIMPLE[word]

    def only_where_it_fits(self, draft: DraftField, base: Base) -> None:
        given = {
            "values": draft.values is not None,
            "of": draft.of is not None,
            "fields": bool(draft.fields),
            "max_length": draft.max_length is not None,
            "max_items": draft.max_items is not None,
            "decimals": draft.decimals is not None,
        }
        for key, bases in _ONLY_FOR.items():
            if given[key] and base not in bases:
                names = ", ".join(sorted(b.value for b in bases))
                self.findings.error(
                    Code.WRONG_SHAPE, f"`{key}` does not belong to the type {base.value}", draft.span, f"it belongs to: {names}"
                )

    def enum(self, draft: DraftField) -> Kind | None:
        at = draft.type.span if draft.type else draft.span
        if draft.values is None:
            self.findings.error(Code.MISSING_KEY, "an enum must list its values", at, "add `values: [first, last]`")
            return None
        seen: dict[str, EnumValue] = {}
        for word, title in draft.values:
            if word.text in seen:
                self.findings.error(Code.DUPLICATE_NAME, f"the value `{word.text}` stands twice", word.span)
            seen[word.text] = EnumValue(word.text, text_of(title))
        if not seen:
            self.findings.error(Code.WRONG_SHAPE, "an enum needs at least one value", at)
            return None
        return Kind(Base.ENUM, values=tuple(seen.values()))

    def field(self, draft: DraftField) -> Field | None:
        """Make a field with its bounds and default."""
        kind = self.kind(draft)
        if kind is None:
            return None
        minimum = self.literal(draft.minimum, kind, f"`{draft.name}.min`", ordered=True)
        maximum = self.literal(draft.maximum, kind, f"`{draft.name}.max`", ordered=True)
        if minimum is not None and maximum is not None and minimum > maximum:  # type: ignore[operator]
            self.findings.error(Code.OUT_OF_BOUNDS, f"`{draft.name}`: min is greater than max", draft.span)
        default = self.literal(draft.default, kind, f"`{draft.name}.default`")
        made = Field(
            name=draft.name,
            kind=kind,
            title=text_of(draft.title),
            unit=text_of(draft.unit),
            minimum=minimum,
            maximum=maximum,
            optional=draft.optional,
            has_default=draft.default is not None,
            default=default,
            max_length=draft.max_length if draft.max_length is not None else 1000,
            max_items=draft.max_items if draft.max_items is not None else 1000,
            decimals=draft.decimals,
            rounding=draft.rounding,
            span=draft.name_span,
        )
        if draft.default is not None and default is not None and not within(made, default):
            self.findings.error(Code.OUT_OF_BOUNDS, f"`{draft.name}`: the default is out of bounds", draft.default.span)
        return made

    def literal(self, words: Words | None, kind: Kind, what: str, *, ordered: bool = False) -> Value:
        if words is None:
            return None
        if ordered and not kind.ordered:
            self.findings.error(Code.WRONG_SHAPE, f"{what} does not belong to the type {kind}", words.span)
            return None
        constant = self.binder.constant(words, kind, what)
        return constant.value if constant else None


def within(field: Field, value: Value) -> bool:
    """Tell whether a value keeps a field's bounds."""
    if value is None:
        return True
    if field.minimum is not None and value < field.minimum:  # type: ignore[operator]
        return False
    return not (field.maximum is not None and value > field.maximum)  # type: ignore[operator]

"""Kinds of value: what a book may declare an input, an output or a figure to be."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from policybook.source import NOWHERE, Span
from policybook.values import Value

Language: TypeAlias = str


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence or title in English and Chinese; one may be empty."""

    en: str = ""
    zh: str = ""

    def get(self, language: Language) -> str:
        """Return the text in a language, else the other one."""
        return (self.zh or self.en) if language == "zh" else (self.en or self.zh)

    def __bool__(self) -> bool:
        return bool(self.en or self.zh)


NO_TEXT = Text()


class Base(enum.Enum):
    """The sixteen base types; the value is the word in YAML."""

    # Members are compared by identity; Enum's own hash runs Python code on every look-up.
    __hash__ = object.__hash__

    NUMBER = "number"
    INTEGER = "integer"
    PERCENT = "percent"
    FRACTION = "fraction"
    MONEY = "money"
    BOOLEAN = "boolean"
    ENUM = "enum"
    TEXT = "text"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    DURATION = "duration"
    PERIOD = "period"
    LIST = "list"
    RECORD = "record"
    NULL = "null"


PLAIN_NUMBERS = frozenset({Base.NUMBER, Base.INTEGER, Base.PERCENT, Base.FRACTION})
NUMERIC = PLAIN_NUMBERS | {Base.MONEY}
ORDERED = NUMERIC | {Base.DATE, Base.DATETIME, Base.TIME, Base.DURATION, Base.PERIOD}
RATIOS = frozenset({Base.PERCENT, Base.FRACTION})


@dataclass(frozen=True, slots=True)
class EnumValue:
    value: str
    title: Text = NO_TEXT


@dataclass(frozen=True, slots=True)
class Kind:
    """A type.

    Args:
        values: the allowed values of an enum, in order of decreasing priority
        element: what a list holds; None for the empty list literal
        fields: of a record
    """

    base: Base
    values: tuple[EnumValue, ...] = ()
    element: Kind | None = None
    fields: tuple[Field, ...] = ()
    name: str = field(default="", compare=False)

    @property
    def value_names(self) -> tuple[str, ...]:
        return tuple(v.value for v in self.values)

    @property
    def numeric(self) -> bool:
        return self.base in NUMERIC

    @property
    def ordered(self) -> bool:
        return self.base in ORDERED

    def field_named(self, name: str) -> Field | None:
        return next((f for f in self.fields if f.name == name), None)

    def __str__(self) -> str:
        if self.base is Base.LIST:
            return f"list of {self.element}" if self.element else "empty list"
        if self.base is Base.ENUM:
            return self.name or "enum"
        return str(self.base.value)


NUMBER = Kind(Base.NUMBER)
INTEGER = Kind(Base.INTEGER)
PERCENT = Kind(Base.PERCENT)
FRACTION = Kind(Base.FRACTION)
MONEY = Kind(Base.MONEY)
BOOLEAN = Kind(Base.BOOLEAN)
TEXT = Kind(Base.TEXT)
DATE = Kind(Base.DATE)
DATETIME = Kind(Base.DATETIME)
TIME = Kind(Base.TIME)
DURATION = Kind(Base.DURATION)
PERIOD = Kind(Base.PERIOD)
NULL = Kind(Base.NULL)
EMPTY_LIST = Kind(Base.LIST)


def list_of(element: Kind | None) -> Kind:
    """Return the kind of a list of `element`."""
    return Kind(Base.LIST, element=element)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A named, typed place for a value: an input, an output, or a field of a record.

    `minimum` and `maximum` are included. `default` is meaningful when `has_default`.
    """

    name: str
    kind: Kind
    title: Text = NO_TEXT
    unit: Text = NO_TEXT
    minimum: Value = field(default=None, compare=False)
    maximum: Value = field(default=None, compare=False)
    optional: bool = False
    has_default: bool = False
    default: Value = field(default=None, compare=False)
    max_length: int = 1000
    max_items: int = 1000
    decimals: int | None = None
    rounding: str = "half_up"
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def required(self) -> bool:
        return not (self.optional or self.has_default)


Env: TypeAlias = Mapping[str, Value]


def merge(a: Kind, b: Kind) -> Kind | None:
    """Return the kind that holds values of both, or None."""
    if a == b:
        return a
    if a.base is Base.NULL:
        return b
    if b.base is Base.NULL:
        return a
    if a.base in PLAIN_NUMBERS and b.base in PLAIN_NUMBERS:
        return NUMBER
    if a.base is Base.LIST and b.base is Base.LIST:
        if a.element is None or b.element is None:
            return b if a.element is None else a
        element = merge(a.element, b.element)
        return list_of(element) if element else None
    if a.base is Base.ENUM and b.base is Base.ENUM:
        names = dict.fromkeys((*a.values, *b.values))
        return Kind(Base.ENUM, values=tuple(names))
    return None


def comparable(a: Kind, b: Kind) -> bool:
    """Tell whether values of the two kinds may be compared."""
    if a.base is Base.ENUM and b.base is Base.ENUM:
        return bool(set(a.value_names) & set(b.value_names))
    if {a.base, b.base} == {Base.ENUM, Base.TEXT}:
        return True
    return merge(a, b) is not None


def fits(value_kind: Kind, target: Kind) -> bool:
    """Tell whether a value of one kind may be given where another is declared."""
    if value_kind.base is Base.NULL:
        return True
    if target.base is Base.LIST and value_kind.base is Base.LIST:
        return value_kind.element is None or (target.element is not None and fits(value_kind.element, target.element))
    if target.base is Base.ENUM and value_kind.base is Base.ENUM:
        return set(value_kind.value_names) <= set(target.value_names)
    if target.base is Base.TEXT:
        return value_kind.base in (Base.TEXT, Base.ENUM)
    if target.base is Base.NUMBER:
        return value_kind.base in PLAIN_NUMBERS
    if target.base in RATIOS:
        return value_kind.base in PLAIN_NUMBERS
    if target.base is Base.RECORD:
        return value_kind == target
    return value_kind.base is target.base

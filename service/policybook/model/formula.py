"""Checked expressions and tests: every name is known, every node has its kind, literals are values."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from policybook.model.kinds import BOOLEAN, Kind, list_of
from policybook.values import Value


class Role(enum.Enum):
    """What a name stands for."""

    INPUT = "input"
    PARAMETER = "parameter"
    VALUE = "value"
    OUTPUT = "output"
    ITEM = "item"
    BUILT_IN = "built-in"


@dataclass(frozen=True, slots=True)
class Const:
    value: Value
    kind: Kind


@dataclass(frozen=True, slots=True)
class Ref:
    """A name; `name` is the key in the environment: `credit_limit`, `eligibility.eligible`, `payment`."""

    name: str
    role: Role
    kind: Kind


@dataclass(frozen=True, slots=True)
class Get:
    """A field of a record, or of each record of a list."""

    source: Formula
    field: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Arith:
    op: str
    left: Formula
    right: Formula
    kind: Kind


@dataclass(frozen=True, slots=True)
class Compare:
    """`<`, `<=`, `>`, `>=`, `=`, `!=`."""

    op: str
    left: Formula
    right: Formula

    @property
    def kind(self) -> Kind:
        return BOOLEAN


@dataclass(frozen=True, slots=True)
class Logic:
    """`and` / `or`."""

    op: str
    left: Formula
    right: Formula

    @property
    def kind(self) -> Kind:
        return BOOLEAN


@dataclass(frozen=True, slots=True)
class Not:
    operand: Formula

    @property
    def kind(self) -> Kind:
        return BOOLEAN


@dataclass(frozen=True, slots=True)
class Choose:
    condition: Formula
    then: Formula
    otherwise: Formula
    kind: Kind


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Formula, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class ListOf:
    items: tuple[Formula, ...]
    element: Kind | None

    @property
    def kind(self) -> Kind:
        return list_of(self.element)


@dataclass(frozen=True, slots=True)
class Member:
    item: Formula
    among: Formula

    @property
    def kind(self) -> Kind:
        return BOOLEAN


Formula: TypeAlias = Const | Ref | Get | Arith | Compare | Logic | Not | Choose | Call | ListOf | Member


@dataclass(frozen=True, slots=True)
class Anything:
    """The test `-`."""


@dataclass(frozen=True, slots=True)
class IsNull:
    """The test `null`."""


@dataclass(frozen=True, slots=True)
class Equals:
    value: Formula


@dataclass(frozen=True, slots=True)
class Compares:
    op: str
    value: Formula


@dataclass(frozen=True, slots=True)
class Between:
    low: Formula
    high: Formula
    low_included: bool
    high_included: bool


@dataclass(frozen=True, slots=True)
class OneOf:
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Contains:
    """The list holds every one (or at least one) of the values."""

    every: bool
    values: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class ElementOf:
    among: Formula


Test: TypeAlias = Anything | IsNull | Equals | Compares | Between | OneOf | NoneOf | Contains | ElementOf


def children(f: Formula) -> tuple[Formula, ...]:
    """Return the direct parts of a formula."""
    match f:
        case Const() | Ref():
            return ()
        case Get(source, _, _):
            return (source,)
        case Arith(_, left, right, _) | Compare(_, left, right) | Logic(_, left, right):
            return (left, right)
        case Not(operand):
            return (operand,)
        case Choose(condition, then, otherwise, _):
            return (condition, then, otherwise)
        case Call(_, arguments, _):
            return arguments
        case ListOf(items, _):
            return items
        case Member(item, among):
            return (item, among)


def refs(f: Formula) -> Iterator[Ref]:
    """Yield every name in a formula."""
    if isinstance(f, Ref):
        yield f
    for child in children(f):
        yield from refs(child)


def depth(f: Formula, below: Mapping[str, int]) -> int:
    """Count the parts of a formula that stand one inside the other, through the values and decisions that it names.

    Args:
        below: how deep those are
    """
    if isinstance(f, Ref):
        return 1 + below.get(stands_for(f), 0)
    return 1 + max((depth(child, below) for child in children(f)), default=0)


def degree(f: Formula, below: Mapping[str, int]) -> int:
    """Count the inputs that are multiplied with one another, or divided by: 2 for `amount * share`.

    Args:
        below: of values and decisions
    """
    match f:
        case Const():
            return 0
        case Ref():
            return below.get(stands_for(f), 1)
        case Arith("*" | "/", left, right, _):
            return degree(left, below) + degree(right, below)
        case _:
            return max((degree(child, below) for child in children(f)), default=0)


def stands_for(ref: Ref) -> str:
    """Return the name of the value or decision behind a name: `grade` for the output `grade.letter`."""
    return ref.name.partition(".")[0] if ref.role is Role.OUTPUT else ref.name


def test_formulas(t: Test) -> Iterator[Formula]:
    """Yield the formulas in a test."""
    match t:
        case Anything() | IsNull():
            return
        case Equals(value) | Compares(_, value):
            yield value
        case Between(low, high, _, _):
            yield low
            yield high
        case OneOf(tests) | NoneOf(tests):
            for inner in tests:
                yield from test_formulas(inner)
        case Contains(_, values):
            yield from values
        case ElementOf(among):
            yield among

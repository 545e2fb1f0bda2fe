"""The trees that the parser makes: names are not yet known, types not yet checked.

Offsets count characters of the parsed text; they take no part in equality.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import date, time, timedelta
from fractions import Fraction
from typing import TypeAlias

from policybook.values import Period


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Number(Node):
    value: Fraction
    percent: bool = False


@dataclass(frozen=True, slots=True)
class String(Node):
    value: str


@dataclass(frozen=True, slots=True)
class Boolean(Node):
    value: bool


@dataclass(frozen=True, slots=True)
class Null(Node):
    pass


@dataclass(frozen=True, slots=True)
class Temporal(Node):
    """A date, time of day, duration or period; a date and time stays text until the zone is known."""

    value: date | time | timedelta | Period | str


@dataclass(frozen=True, slots=True)
class Name(Node):
    parts: tuple[str, ...]

    @property
    def dotted(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Negation(Node):
    operand: Expr


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Logic(Node):
    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Not(Node):
    operand: Expr


@dataclass(frozen=True, slots=True)
class If(Node):
    condition: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Call(Node):
    function: str
    arguments: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Member(Node):
    item: Expr
    among: Expr


Expr: TypeAlias = (
    Number | String | Boolean | Null | Temporal | Name | Negation | Arithmetic | Comparison | Logic | Not | If | Call | ListOf | Member
)


@dataclass(frozen=True, slots=True)
class AnyTest(Node):
    """The test `-`."""


@dataclass(frozen=True, slots=True)
class NullTest(Node):
    """The test `null`."""


@dataclass(frozen=True, slots=True)
class EqualTest(Node):
    value: Expr


@dataclass(frozen=True, slots=True)
class CompareTest(Node):
    op: str
    value: Expr


@dataclass(frozen=True, slots=True)
class IntervalTest(Node):
    low: Expr
    high: Expr
    low_included: bool
    high_included: bool


@dataclass(frozen=True, slots=True)
class OneOfTest(Node):
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class NoneOfTest(Node):
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class ContainsTest(Node):
    """`contains x`, `contains any (..)`, `contains all (..)`."""

    every: bool
    values: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class InTest(Node):
    among: Expr


Test: TypeAlias = AnyTest | NullTest | EqualTest | CompareTest | IntervalTest | OneOfTest | NoneOfTest | ContainsTest | InTest


def depth(node: Node) -> int:
    """Count the nodes that stand one inside the other; of a tree of any depth."""
    deepest = 0
    waiting = [(node, 1)]
    while waiting:
        one, level = waiting.pop()
        deepest = max(deepest, level)
        for f in fields(one):
            value = getattr(one, f.name)
            waiting += [(v, level + 1) for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, Node)]
    return deepest

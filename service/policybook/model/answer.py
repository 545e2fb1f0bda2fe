"""What a decision answers, and why: the record that every face of the service shows."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from policybook.model.book import Decision, Parameter, Row
from policybook.model.kinds import Field, Kind, Text
from policybook.source import Span
from policybook.values import Value


class TraceLevel(enum.Enum):
    NONE = "none"
    MATCHED = "matched"
    FULL = "full"


class Verdict(enum.Enum):
    """What became of one row."""

    SELECTED = "selected"
    OUTRANKED = "outranked"
    NOT_MATCHED = "not matched"
    NOT_REACHED = "not reached"


class Outcome(enum.Enum):
    DECIDED = "decided"
    NO_MATCH = "no match"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedValue:
    """A value with what it is; `kind` says how to write it."""

    name: str
    kind: Kind
    title: Text
    unit: Text
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedParameter:
    parameter: Parameter
    value: Value
    since: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellVerdict:
    key: str
    test: str
    kind: Kind
    actual: Value
    passed: bool
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class RowVerdict:
    """`cells` only at TraceLevel.FULL."""

    row: Row
    verdict: Verdict
    cells: tuple[CellVerdict, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What one selected row gave; `item_number` counts from 1 in a table over a list, else 0."""

    row: Row
    item_number: int
    outputs: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTrace:
    """One table asked once.

    Args:
        inputs: the inputs and values that its tests look at, as understood
        rows: at MATCHED those that matched, at FULL all in force, in the order written
    """

    decision: Decision
    item_number: int
    inputs: tuple[NamedValue, ...]
    parameters: tuple[UsedParameter, ...]
    rows: tuple[RowVerdict, ...]
    outputs: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one request.

    Args:
        outputs: by name, for a single-hit policy or an aggregation; else empty
        output_fields: kinds of the outputs and of the items' outputs
        items: what each selected row gave, in the order of the hit policy (multi-hit policies and tables over a list)
        tables: required decisions first; empty at TraceLevel.NONE
        elapsed_ns: time spent deciding
    """

    decision_id: str
    request_id: str
    policy: str
    decision: Decision
    version: str
    currency: str
    as_of: date
    decided_at: datetime
    outcome: Outcome
    outputs: Mapping[str, Value]
    output_fields: tuple[Field, ...]
    items: tuple[Item, ...]
    selected: tuple[Row, ...]
    tables: tuple[TableTrace, ...]
    elapsed_ns: int

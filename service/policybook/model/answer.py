"""What a decision answers, and why: the record that every face of the service shows."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

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


class NamedValue(NamedTuple):
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


class Side(enum.Enum):
    """Where a quantity stands: the answer changes when one below its threshold rises, or one above it falls."""

    BELOW = "below"
    ABOVE = "above"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What a table answers beyond a threshold.

    Args:
        row, key, test: the test that turns there; its row gives the answer on one of the two sides
        outcome: DECIDED also for a table that gives items, whether or not there are any
        refused: why there is no answer: rows conflict, or a formula has no result; else empty
        rows: those selected, in the order of the hit policy
        outputs: of a single-hit table, else the aggregate, if any
    """

    row: Row
    key: str
    test: str
    outcome: Outcome
    refused: str
    rows: tuple[Row, ...]
    outputs: Mapping[str, Value]


class Headroom(NamedTuple):
    """How far one quantity may move, alone, before the table answers otherwise.

    Args:
        quantity: what the test that turns looks at, as it is now
        moved: the input, the output of another decision or the computed part that moves it; everything else stays
        threshold: where the quantity is when the answer is about to change, or has just changed
        included: the answer at the threshold itself is still the present one
        distance: from the quantity to the threshold, never negative; `distance_kind` says how to write it
        kept: the same object wherever all but the values of quantity, threshold and distance is the same; None: it is nowhere else
    """

    quantity: NamedValue
    moved: str
    side: Side
    threshold: Value
    included: bool
    distance: Value
    distance_kind: Kind
    beyond: Beyond
    kept: object | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTrace:
    """One table asked once.

    Args:
        inputs: the inputs and values that its tests look at, as understood
        rows: at MATCHED those that matched, at FULL all in force, in the order written
        headroom: every quantity that could change the answer by moving alone, up or down
    """

    decision: Decision
    item_number: int
    inputs: tuple[NamedValue, ...]
    parameters: tuple[UsedParameter, ...]
    rows: tuple[RowVerdict, ...]
    outputs: Mapping[str, Value]
    headroom: tuple[Headroom, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one request.

    Args:
        outputs: by name, for a single-hit policy or an aggregation; else empty
        output_fields: kinds of the outputs and of the items' outputs
        items: what each selected row gave, in the order of the hit policy (multi-hit policies and tables over a list)
        tables: required decisions first; empty at TraceLevel.NONE
        elapsed_ns: time spent deciding
        kept: the same object for all answers of one version with the same outcome, outputs, items and rows; None: they are this answer's own
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
    kept: object | None = field(default=None, repr=False, compare=False)

"""What is served: policies, decisions and their tables; and what a check of a policy's text found."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from policybook_client.values import Value

__all__ = [
    "Aggregation",
    "CheckReport",
    "DecisionDefinition",
    "EnumValue",
    "FieldDefinition",
    "Finding",
    "Health",
    "HitPolicy",
    "InvariantDefinition",
    "ParameterDefinition",
    "Policy",
    "RowDefinition",
    "Severity",
    "ValueKind",
]


class Health(enum.Enum):
    """What the service says of itself (grpc.health.v1)."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2


class HitPolicy(enum.Enum):
    """How rows that match become the answer (DMN)."""

    UNKNOWN = 0
    UNIQUE = 1
    ANY = 2
    FIRST = 3
    PRIORITY = 4
    COLLECT = 5
    RULE_ORDER = 6
    OUTPUT_ORDER = 7


class Aggregation(enum.Enum):
    """How a collect table adds up its rows."""

    NONE = 0
    SUM = 1
    MIN = 2
    MAX = 3
    COUNT = 4


class ValueKind(enum.Enum):
    """The type of a value in the book language."""

    UNKNOWN = 0
    NUMBER = 1
    INTEGER = 2
    PERCENT = 3
    FRACTION = 4
    MONEY = 5
    BOOLEAN = 6
    ENUM = 7
    TEXT = 8
    DATE = 9
    DATETIME = 10
    TIME = 11
    DURATION = 12
    PERIOD = 13
    LIST = 14
    RECORD = 15


class Severity(enum.Enum):
    """How bad a finding is; only errors keep a policy from being served."""

    UNKNOWN = 0
    ERROR = 1
    WARNING = 2
    NOTE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One book of rules.

    Attributes:
        version: content hash of the version in service
        previous_versions: older ones that can still be pinned, newest first
        currency: ISO 4217; empty when the policy has no money
        time_zone: IANA name; decides what day it is
        decisions: `credit.shipment`, ...
        loaded_at: when this version went into service, in UTC
    """

    name: str
    title: str
    version: str
    previous_versions: tuple[str, ...]
    currency: str
    time_zone: str
    decisions: tuple[str, ...]
    loaded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumValue:
    """One allowed value of an enum."""

    value: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDefinition:
    """An input, an output, or a field of a record.

    Attributes:
        required: it must be given: neither optional nor with a default
        min: smallest value allowed; None: no bound
        max: largest value allowed; None: no bound
        has_default: tells a default of null from none
        enum_values: the allowed values of an enum
        element: for a list, what it holds
        fields: for a record
        currency: for money
    """

    name: str
    title: str
    kind: ValueKind
    unit: str
    required: bool
    min: Value
    max: Value
    has_default: bool
    default: Value
    enum_values: tuple[EnumValue, ...]
    element: FieldDefinition | None
    fields: tuple[FieldDefinition, ...]
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterDefinition:
    """A named figure of the policy, as it stands on the day asked.

    Attributes:
        effective_from: since when this value holds; None: always
        set_by_company: the written policy leaves the figure to the company
    """

    name: str
    title: str
    value: Value
    unit: str
    effective_from: date | None
    clauses: tuple[str, ...]
    set_by_company: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDefinition:
    """A row of the table.

    Attributes:
        tests: name of an input or value, and the test as written, in order
        outputs: output name to the expression, as written
        says: the row in words
        reading: how an unclear clause was read, if it was
        position: where it stands: `credit.yaml:42:9`
    """

    row_id: str
    tests: tuple[tuple[str, str], ...]
    outputs: Mapping[str, str]
    clauses: tuple[str, ...]
    says: str
    reading: str
    is_default: bool
    position: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvariantDefinition:
    """What always holds of a decision's answers."""

    id: str
    says: str
    clauses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionDefinition:
    """A decision as a caller must know it; enough to build a form from.

    Attributes:
        name: `credit.shipment`
        inputs: the facts to send: those of the table and of every decision it requires
        required_decisions: decided first, from the same facts
        for_each: the list whose elements the table is asked for, if any
        rows: empty in `list_decisions`
        must_log: an answer is given out only when its record is durable
        invariants: what always holds of its answers, proved of every request
    """

    name: str
    policy_version: str
    title: str
    question: str
    hit_policy: HitPolicy
    aggregation: Aggregation
    inputs: tuple[FieldDefinition, ...]
    outputs: tuple[FieldDefinition, ...]
    parameters: tuple[ParameterDefinition, ...]
    required_decisions: tuple[str, ...]
    for_each: str
    rows: tuple[RowDefinition, ...]
    must_log: bool = False
    invariants: tuple[InvariantDefinition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that was found in the text of a policy.

    Attributes:
        code: stable number: `PB104`
        name: stable name: `unknown-key`
        help: one line that can be followed, or empty
        line: from 1; 0 when it concerns the whole text
        column: from 1, in characters
        end_column: exclusive
    """

    code: str
    name: str
    severity: Severity
    message: str
    help: str
    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.line else f"{self.file}: " if self.file else ""
        advice = f"\n  help: {self.help}" if self.help else ""
        return f"{place}{self.severity.name.lower()}[{self.code} {self.name}]: {self.message}{advice}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a check of a policy's text found.

    Attributes:
        ok: the policy could be served
        findings: in the order of the text
        version: the content hash it would have, when ok
    """

    ok: bool
    findings: tuple[Finding, ...]
    version: str

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return "\n".join(map(str, self.findings)) or "no findings"

"""What is asked, and the answer with the reasoning behind it."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from policybook_client.values import Fact, Record, Value, text_of

__all__ = [
    "CellTrace",
    "Decision",
    "DecisionRequest",
    "Headroom",
    "HeadroomOutcome",
    "HeadroomSide",
    "MatchedRule",
    "NamedValue",
    "OutputItem",
    "ParameterTrace",
    "RowTrace",
    "RowVerdict",
    "TableTrace",
    "Trace",
    "TraceLevel",
]

T = TypeVar("T")


class TraceLevel(enum.Enum):
    """How much of the reasoning an answer carries."""

    NONE = 1
    """No trace; the matched rules are still named."""
    MATCHED = 2
    """Each table that was asked, its inputs, and the rows that matched."""
    FULL = 3
    """Also every other row with its verdict, and each cell with its test and the value it met."""


class RowVerdict(enum.Enum):
    """What became of one row."""

    UNKNOWN = 0
    """A verdict that this version of the client does not know."""
    SELECTED = 1
    """Matched, and gave the answer or a part of it."""
    OUTRANKED = 2
    """Matched, but the hit policy preferred another row."""
    NOT_MATCHED = 3
    """At least one of its tests failed."""
    NOT_REACHED = 4
    """Came after the row that decided, and would not have matched either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRequest:
    """One request of a batch or of a stream; the fields are the arguments of `decide`."""

    decision: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    as_of: date | datetime | None = None
    policy_version: str = ""
    challenger_version: str = ""
    trace: TraceLevel | None = None
    language: str | None = None
    request_id: str = ""


class _Outputs:
    """Outputs by name: `x["outcome"]`, `x.value("outcome", str)`, and `x.outcome` where nothing checks types."""

    __slots__ = ()

    if TYPE_CHECKING:
        # Not __getattr__: a type checker shall go on finding misspelt attributes.
        @property
        def outputs(self) -> Record:
            """The answer, by output name."""

    else:

        def __getattr__(self, name: str) -> Value:
            # Names with an underscore first are asked by copy and pickle while there are no outputs yet.
            if not name.startswith("_") and name in self.outputs:
                return self.outputs[name]
            raise AttributeError(f"{type(self).__name__} has neither an attribute nor an output `{name}`")

    def __getitem__(self, name: str) -> Value:
        try:
            return self.outputs[name]
        except KeyError:
            raise KeyError(f"no output `{name}`; {self._what_there_is()}") from None

    def __contains__(self, name: object) -> bool:
        return name in self.outputs

    def __iter__(self) -> Iterator[str]:
        return iter(self.outputs)

    def value(self, name: str, kind: type[T]) -> T:
        """Give an output as the type it must have, for code that is checked for types.

        Args:
            name: of the output
            kind: `str`, `Decimal`, `Money`, `bool`, `date`, ...
        Raises:
            KeyError: there is no such output
            TypeError: the output is of another type; null is of none
        """
        found = self[name]
        # A datetime is a date and, in Python, a bool an int; here they are different types.
        unlike = (isinstance(found, datetime) and kind is date) or (isinstance(found, bool) and kind is int)
        if isinstance(found, kind) and not unlike:
            return found
        raise TypeError(f"output `{name}` is {text_of(found)}, a {type(found).__name__} and not a {kind.__name__}")

    def _what_there_is(self) -> str:
        return f"there are: {', '.join(self.outputs)}" if self.outputs else "there are none"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputItem(_Outputs):
    """What one selected row gave; indexes like a Decision.

    Attributes:
        row_id: of the row
        item_number: for a table over a list, which element, from 1; else None
        outputs: what it gave, by output name
    """

    row_id: str
    outputs: Record
    item_number: int | None = None

    def __str__(self) -> str:
        at = f" (item {self.item_number})" if self.item_number else ""
        return f"{self.row_id}{at}: {named_values(self.outputs)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedRule:
    """A row that gave the answer.

    Attributes:
        row_id: unique in its book
        clauses: the written clauses that it implements: `12.2.1`
        says: the row in words, in the language asked for
        reading: how an unclear clause was read, if it was
    """

    row_id: str
    clauses: tuple[str, ...] = ()
    says: str = ""
    reading: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedValue:
    """A value that a table looked at, and what it is."""

    name: str
    title: str
    value: Value
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterTrace:
    """One named figure of a policy.

    Attributes:
        effective_from: since when this value holds; None: always
        clauses: the written clauses that give it
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
class CellTrace:
    """One test of one row.

    Attributes:
        name: the input or value tested
        test: as written: `< over_limit_cap * credit_limit`
        actual: the value it met
        passed: whether it held
    """

    name: str
    test: str
    actual: Value
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTrace:
    """One row of a table in one evaluation.

    Attributes:
        says: the row in words, in the language asked for
        cells: its tests; only at `TraceLevel.FULL`
        position: where it stands: `credit.yaml:42:9`
        is_default: it answers when no other row matches
    """

    row_id: str
    verdict: RowVerdict
    clauses: tuple[str, ...]
    says: str
    cells: tuple[CellTrace, ...]
    position: str
    is_default: bool


class HeadroomSide(enum.Enum):
    """On which side of its threshold a quantity is."""

    UNKNOWN = 0
    """A side that this version of the client does not know."""
    BELOW = 1
    """The answer changes when the quantity rises."""
    ABOVE = 2
    """The answer changes when the quantity falls."""


class HeadroomOutcome(enum.Enum):
    """Whether the policy has an answer beyond a threshold."""

    UNKNOWN = 0
    """An outcome that this version of the client does not know."""
    DECIDED = 1
    """A row answers there."""
    NO_MATCH = 2
    """No row matches there and the table has no default."""
    REFUSED = 3
    """The request would be refused: rows conflict, or a formula has no result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """How far one quantity may move, alone, before its table answers otherwise.

    Other facts, what required decisions gave, and the figures of the day stay as they are.

    Attributes:
        quantity: what the test looks at, as it is now
        moved: what moves it: an input, the output of another decision, a field of the item, or a part that is computed
        threshold: where the quantity is when the answer changes
        threshold_included: the answer at the threshold itself is still the present one
        distance: from the quantity to the threshold, never negative; between two dates a timedelta
        row_id: of the row whose test turns there
        test_name: what that test looks at
        test: as written
        beyond_row_ids: the rows that answer beyond the threshold
        beyond_outputs: what the table would answer there; for multi-hit tables the aggregate, if any
    """

    quantity: NamedValue
    moved: str
    side: HeadroomSide
    threshold: Value
    threshold_included: bool
    distance: Value
    row_id: str
    test_name: str
    test: str
    beyond_outcome: HeadroomOutcome
    beyond_row_ids: tuple[str, ...]
    beyond_outputs: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTrace:
    """One table as it was asked once.

    Attributes:
        decision: `credit.shipment`
        hit_policy: `first`, `unique`, `collect sum`, ...
        item_number: for a table over a list, which element, from 1; else None
        inputs: the inputs and derived values it looked at, as understood
        parameters: the figures it used
        outputs: what it answered; for multi-hit tables the aggregate, if any
        headroom: every quantity that could change its answer by moving alone
    """

    decision: str
    title: str
    hit_policy: str
    item_number: int | None
    inputs: tuple[NamedValue, ...]
    parameters: tuple[ParameterTrace, ...]
    rows: tuple[RowTrace, ...]
    outputs: Record
    headroom: tuple[Headroom, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The reasoning behind an answer.

    Attributes:
        tables: required decisions first, the one asked last
        elapsed: time spent deciding, without the network
    """

    tables: tuple[TableTrace, ...]
    elapsed: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(_Outputs):
    """The answer to one request.

    `decision["outcome"]` is an output, `decision.value("outcome", str)` the same for typed code. An output whose name
    is no field of this class is an attribute as well (`decision.outcome`).

    Attributes:
        decision: what was asked: `credit.shipment`
        decided: False when no row matched and the table has no default; then there are no outputs
        outputs: the answer, by output name, sorted; for multi-hit policies the aggregate, if any
        items: for multi-hit policies, what each selected row gave, in order
        matched_rules: the selected rows, in the order of the hit policy
        trace: None at `TraceLevel.NONE`
        id: unique; to be stored with whatever is done because of it
        request_id: the caller's own, as it was sent
        policy_version: content hash of the policy that decided
        as_of: the day as of which it was decided, in the policy's time zone
        decided_at: when, in UTC
    """

    decision: str
    decided: bool
    outputs: Record
    as_of: date
    items: tuple[OutputItem, ...] = ()
    matched_rules: tuple[MatchedRule, ...] = ()
    trace: Trace | None = None
    id: str = ""
    request_id: str = ""
    policy_version: str = ""
    decided_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    @property
    def policy(self) -> str:
        """The book that decided: `credit` for `credit.shipment`."""
        return self.decision.partition(".")[0]

    @property
    def rule_ids(self) -> tuple[str, ...]:
        """The ids of the rows that gave the answer, in the order of the hit policy."""
        return tuple(rule.row_id for rule in self.matched_rules)

    def __str__(self) -> str:
        if not self.decided:
            return f"{self.decision}: no row matched"
        answer = named_values(self.outputs) or f"{len(self.items)} item{'s' if len(self.items) != 1 else ''}"
        return f"{self.decision}: {answer} ({', '.join(self.rule_ids) or 'no rule'})"

    def explain(self, language: str = "en") -> str:
        """Write the answer and its reasoning as plain text of several lines.

        Args:
            language: of the captions, `en` or `zh`; titles and sentences are in the language of the request
        """
        from policybook_client._explain import explain  # noqa: PLC0415 - it needs this module

        return explain(self, language)

    def _what_there_is(self) -> str:
        if not self.decided:
            return f"no row of `{self.decision}` matched"
        if not self.outputs:
            return "the answer is in `items`" if self.items else "there are none"
        return f"there are: {', '.join(self.outputs)}"


def named_values(outputs: Mapping[str, Value]) -> str:
    """Write outputs on one line: `approver=nobody, outcome=ship`."""
    return ", ".join(f"{name}={text_of(value)}" for name, value in outputs.items())

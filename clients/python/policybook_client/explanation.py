"""Why a decision came as it did, what would change it, and what a request that is not complete still needs."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from policybook_client.decision import Decision
from policybook_client.values import Record, Value

__all__ = [
    "Alternative",
    "Completion",
    "ExplainedOutcome",
    "Explanation",
    "InputChange",
    "OutcomeKind",
    "Reason",
    "Relevance",
    "TurningTest",
    "UnstatedExample",
    "UnstatedInput",
    "Variation",
    "VariationPiece",
    "WhyNot",
]


class OutcomeKind(enum.Enum):
    """How a request ends."""

    UNKNOWN = 0
    """An end that this version of the client does not know."""
    DECIDED = 1
    NO_MATCH = 2
    """No row matched and the table has no default."""
    REFUSED = 3
    """Rows conflict, or a formula has no result."""


class Relevance(enum.Enum):
    """Whether an input can still change the answer."""

    UNKNOWN = 0
    """A verdict that this version of the client does not know."""
    NEEDED = 1
    """It can: there is a pair of requests that differ in it alone and in their answers."""
    IRRELEVANT = 2
    """It cannot, whatever the others are: proved."""
    UNDECIDED = 3
    """Neither was found out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One row that gave the answer of one table, required decisions first.

    Attributes:
        item_number: for a table over a list, which element, from 1; else None
        row_id: empty where no row matched
        outputs: what the row gave
        sentence: all of it in one sentence
    """

    decision: str
    title: str
    item_number: int | None
    row_id: str
    clauses: tuple[str, ...]
    says: str
    reading: str
    outputs: Record
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedOutcome:
    """What came of a request.

    Attributes:
        row_ids: the selected rows, in the order of the hit policy
        outputs: by name; for a table of several items each is the tuple of what the items gave
        refusal: why the request would be refused, if it would
    """

    kind: OutcomeKind
    row_ids: tuple[str, ...]
    outputs: Record
    refusal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputChange:
    """One input, changed.

    Attributes:
        difference: for what has an order, how much more; negative for less; between two dates a timedelta. Else None
        added, removed: elements of a list
    """

    input: str
    title: str
    before: Value
    after: Value
    difference: Value
    added: tuple[Value, ...]
    removed: tuple[Value, ...]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One way to another outcome, confirmed by deciding it.

    Attributes:
        changes: all of them are needed
        fewest_proved: no smaller set of inputs gives a wanted outcome
        least_proved: no smaller change of these inputs does
    """

    changes: tuple[InputChange, ...]
    outcome: ExplainedOutcome
    fewest_proved: bool
    least_proved: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """The fewest changes of inputs that give another outcome.

    Attributes:
        alternatives: those with the fewest changed inputs first
        proved_inputs: every set of up to this many inputs that does it was found, or ruled out by proof
        searched_inputs: sets of more were not looked at
        limited_by: `time` or `alternatives` when the search ended early; else empty
        changeable_inputs: the inputs that could be changed
    """

    alternatives: tuple[Alternative, ...]
    proved_inputs: int
    searched_inputs: int
    limited_by: str
    changeable_inputs: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurningTest:
    """A test that passes on one side of a threshold and fails on the other."""

    decision: str
    row_id: str
    name: str
    test: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VariationPiece:
    """Values of an input with one outcome.

    Attributes:
        first, last: of an ordered input, both included; None: no end on that side
        values: of a choice or flag; of a list the whole list
        added, removed: of a list, the element that comes in or goes out
        is_actual: the request as it is falls here
        varying_outputs: outputs that change inside the piece; the outcome has them as at `first`, or as at `last` where
            that is None
        turning_tests: the tests that turn where the piece begins
    """

    first: Value
    last: Value
    values: tuple[Value, ...]
    added: Value
    removed: Value
    is_actual: bool
    outcome: ExplainedOutcome
    varying_outputs: tuple[str, ...]
    turning_tests: tuple[TurningTest, ...]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """The outcomes along one input, all others as they are.

    Attributes:
        step: of an ordered input: its values go in steps of this; else None
        proved: each piece has one outcome throughout
        limited_by: why that is not proved, or what is left out
    """

    input: str
    title: str
    actual: Value
    step: Value
    pieces: tuple[VariationPiece, ...]
    proved: bool
    limited_by: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnstatedExample:
    """Two requests that differ in one input.

    Attributes:
        other_facts: the other inputs that are not stated, as they are in both
    """

    value: Value
    outcome: ExplainedOutcome
    other_value: Value
    other_outcome: ExplainedOutcome
    other_facts: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class UnstatedInput:
    """An input that is not stated.

    Attributes:
        required: it must be stated for the decision to be made
        has_default: it is taken for `default` when it is left out; an optional one for None
        first_decision: the first decision that looks at it
        example: for a needed one
    """

    input: str
    title: str
    relevance: Relevance
    required: bool
    has_default: bool
    default: Value
    first_decision: str
    example: UnstatedExample | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a request that is not complete still needs.

    Attributes:
        settled_outcome: the answer, when no input that is not stated can change it; else None
        unstated: each input that is not stated; those to ask for first, in a good order
    """

    settled_outcome: ExplainedOutcome | None
    unstated: tuple[UnstatedInput, ...]
    limited_by: str
    sentence: str

    @property
    def settled(self) -> bool:
        """Whether the answer is known already."""
        return self.settled_outcome is not None

    @property
    def needed(self) -> tuple[str, ...]:
        """The inputs to ask for, in a good order: those that can change the answer, or may for all that is known."""
        return tuple(u.input for u in self.unstated if u.relevance in (Relevance.NEEDED, Relevance.UNDECIDED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a decision came as it did, and what would change it.

    Attributes:
        answer: None when required facts are missing, and when the request is refused
        refusal: why `decide` would refuse it, if it would
        why_not: None when it was not asked for, and when required facts are missing
        completion: set when required facts are missing, instead of all the others
    """

    decision: str
    policy_version: str
    as_of: date
    request_id: str
    answer: Decision | None
    refusal: str
    reasons: tuple[Reason, ...]
    why_not: WhyNot | None
    variations: Mapping[str, Variation]
    completion: Completion | None

    def __str__(self) -> str:
        parts = [r.sentence for r in self.reasons]
        if self.refusal:
            parts.append(self.refusal)
        if self.why_not:
            parts += [*(a.sentence for a in self.why_not.alternatives), self.why_not.sentence]
        parts += [f"{v.title or v.input}: {p.sentence}" for v in self.variations.values() for p in v.pieces]
        if self.completion:
            parts.append(self.completion.sentence)
        return "\n".join(parts)

"""What the service's decision log says: records, decisions made again, and how the log does."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from policybook_client.decision import Decision, OutputItem, TraceLevel
from policybook_client.values import Value

__all__ = [
    "AnswerDifference",
    "ChallengerStatus",
    "DecisionRecord",
    "LogStatus",
    "Purpose",
    "RecordFilter",
    "Reevaluation",
]


class Purpose(enum.Enum):
    """What a recorded answer was asked for."""

    UNKNOWN = 0
    DECISION = 1
    EXPLANATION = 2
    CHALLENGE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """What the service decided, as it was recorded then.

    Attributes:
        sequence_number: the record's place in the chain of the log, from 1
        caller: who asked, as far as the service knows
        facts: as they were stated
        masked_facts: facts that are kept out of the log: name to a token, the same for the same value, or to nothing
        policy_version: the content hash of the policy that decided
        stated_policy_version: the version that the request pinned; empty: none
        as_of: the day as of which it was decided
        as_of_time: the instant as of which it was decided
        stated_as_of: the day or instant that the request stated; empty: none
        decided: whether the policy had an answer
        row_ids: the selected rows, in the order of the hit policy
        record_hash: SHA-256 of the record
        previous_hash: SHA-256 of the record before
        challenged_id: of a challenge: the decision that it was compared with
        challenge_refusal: of a challenge: why the challenger refused the request; empty: it decided
    """

    sequence_number: int
    id: str
    decided_at: datetime
    caller: str
    request_id: str
    purpose: Purpose
    decision: str
    facts: Mapping[str, Value]
    masked_facts: Mapping[str, str]
    policy_version: str
    stated_policy_version: str
    as_of: date
    as_of_time: datetime
    stated_as_of: str
    trace: TraceLevel
    decided: bool
    outputs: Mapping[str, Value]
    items: tuple[OutputItem, ...]
    row_ids: tuple[str, ...]
    elapsed: timedelta
    record_hash: bytes = field(repr=False)
    previous_hash: bytes = field(repr=False)
    challenged_id: str = ""
    challenge_refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Which records; what is left out does not narrow.

    Attributes:
        decision: `credit.shipment`, or `credit` for all of a policy
        since: from this instant on; aware
        until: before this instant; aware
        decided: whether the policy had an answer
        request_id: the caller's own id of the request
        caller: who asked
        policy_version: the content hash, or its beginning
        purpose: decisions alone, explanations alone, or challenges alone
    """

    decision: str = ""
    since: datetime | None = None
    until: datetime | None = None
    decided: bool | None = None
    request_id: str = ""
    caller: str = ""
    policy_version: str = ""
    purpose: Purpose | None = None


@dataclass(frozen=True, slots=True)
class AnswerDifference:
    """A part of an answer that came otherwise than it was recorded; both as canonical JSON of the log."""

    name: str
    recorded: str
    reevaluated: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reevaluation:
    """A recorded decision, made again by the version, facts and moment that it was made by.

    Attributes:
        answer: with id and times of the recorded decision; true if it is the same
    """

    record: DecisionRecord
    answer: Decision
    differences: tuple[AnswerDifference, ...]

    @property
    def same(self) -> bool:
        """Whether the answer is the one that was recorded."""
        return not self.differences

    def __bool__(self) -> bool:
        return self.same


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengerStatus:
    """How the decisions of one policy compare with those of a version that decides beside, since the service started.

    Attributes:
        version: of the challenger
        compared: decided by both
        different: of those: another outcome, other outputs or items, or refused
        refused: of those: refused by the challenger
        skipped: not compared or not recorded, because too much was waiting
    """

    policy: str
    version: str
    compared: int
    different: int
    refused: int
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStatus:
    """How the log does.

    Attributes:
        head_sequence_number: the last record's place in the chain
        head_hash: its hash; kept elsewhere, the two anchor everything up to it
        waiting: decisions that are still to be written
        recorded: since the service started
        not_recorded: since the service started: answers that were given out without a record
        refused: since the service started: answers that were not given out since they could not be recorded
        failure: why nothing can be written just now; empty: all is well
        refuses_when_full: whether answers are refused while nothing can be written
        challengers: how versions that decide beside those in service compare
    """

    head_sequence_number: int
    head_hash: bytes
    waiting: int
    recorded: int
    not_recorded: int
    refused: int
    failure: str
    refuses_when_full: bool
    challengers: tuple[ChallengerStatus, ...] = ()

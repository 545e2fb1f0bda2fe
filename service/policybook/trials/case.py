"""One case of a test table, as written."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from policybook.model.facts import Raw
from policybook.model.kinds import Field
from policybook.source import Span
from policybook.values import Value


class Status(enum.Enum):
    """What a case expects to happen; the value is the word in the table."""

    DECIDED = "decided"
    NO_MATCH = "no_match"
    ERROR = "error"


class ErrorKind(enum.Enum):
    """Why a request may be refused; the value is the word in the table."""

    FACTS = "FACTS"
    NOT_IN_FORCE = "NOT_IN_FORCE"
    CONFLICT = "CONFLICT"


@dataclass(frozen=True, slots=True)
class Stated:
    """A value and where it is written; `text` as the person wrote it."""

    raw: Raw
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Expected:
    """The value that an output must have, read by the output's kind."""

    field: Field
    value: Value
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request and what it must be answered with.

    Args:
        decision: without the policy's name
        given: defaults of the file included
        expect_items: one mapping an item, in order; None when items are not compared
        rows: ids of the selected rows, in order; None when they are not compared
        status: None when the case does not say
        review: what a person has still to confirm, empty when no note says it; None when nothing is open
        places: path as in findings about facts (`facts.payments[2].amount`) -> where it is written
    """

    id: str
    policy: str
    decision: str
    as_of: date | datetime | None
    given: Mapping[str, Stated]
    expect: Mapping[str, Expected]
    expect_items: tuple[Mapping[str, Expected], ...] | None
    rows: tuple[str, ...] | None
    not_rows: tuple[str, ...]
    status: Status | None
    error: ErrorKind | None
    span: Span
    review: str | None = None
    note: str = ""
    places: Mapping[str, Span] = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str:
        return f"{self.policy}.{self.decision}"

    def place(self, path: str) -> Span:
        """Return where a path is written, or the nearest part of it that is."""
        while path:
            if path in self.places:
                return self.places[path]
            cut = max(path.rfind("."), path.rfind("["))
            path = path[:cut] if cut > 0 else ""
        return self.span


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """A test table."""

    file: str
    policy: str
    cases: tuple[Case, ...]

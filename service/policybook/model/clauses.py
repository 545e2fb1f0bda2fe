"""The written policies, clause by clause: what rows and figures cite."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from policybook.model.calendar import Calendar
from policybook.model.kinds import NO_TEXT, Text
from policybook.source import NOWHERE, Source, Span

KINDS = ("decision", "deadline", "duty", "form", "benchmark", "principle", "definition")


@dataclass(frozen=True, slots=True)
class Repair:
    """A damaged passage of the source and what it was read as."""

    damaged: str
    restored: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One clause.

    Args:
        text: Chinese (zh) as written, and an English rendering (en)
        lines: of the source text, from 1
        unclear: what is ambiguous, and how it is read; empty when nothing is
        needs_no_row: why no table implements it; empty when rows do
    """

    id: str
    document: int
    kind: str
    text: Text
    lines: tuple[int, ...]
    repairs: tuple[Repair, ...] = ()
    unclear: Text = NO_TEXT
    needs_no_row: Text = NO_TEXT
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def digest(self) -> str:
        """Hash of the Chinese text, by which a change under a row is noticed."""
        return hashlib.sha256(self.text.zh.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class ClauseIndex:
    """All clauses in the order of the documents.

    Args:
        reviewed: clause id -> digest of the text that the rows citing it were last read against
    """

    clauses: tuple[Clause, ...]
    reviewed: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def by_id(self) -> dict[str, Clause]:
        return {c.id: c for c in self.clauses}


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies beside a book in its folder and is checked with it; `texts` are the files it was read from."""

    calendar: Calendar | None = None
    clauses: ClauseIndex | None = None
    texts: tuple[Source, ...] = ()


NOTHING_BESIDE = Beside()

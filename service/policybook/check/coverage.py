"""Where each written clause lives: in rows and figures, or in none with a reason."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from policybook.model.book import Book
from policybook.model.clauses import Clause, ClauseIndex


class ClauseState(enum.Enum):
    IMPLEMENTED = "implemented"
    NOT_EXECUTABLE = "not executable"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class CoveredClause:
    """A clause and where it lives.

    Args:
        places: `credit.within-limit` for a row, `credit.over_limit_cap` for a parameter, in the order of the books
    """

    clause: Clause
    places: tuple[str, ...]

    @property
    def state(self) -> ClauseState:
        if self.places:
            return ClauseState.IMPLEMENTED
        return ClauseState.NOT_EXECUTABLE if self.clause.needs_no_row else ClauseState.OPEN


def cover(index: ClauseIndex, books: Iterable[Book]) -> tuple[CoveredClause, ...]:
    """Say of every clause where it lives, in the order of the index."""
    places: dict[str, dict[str, None]] = {}
    for book in books:
        for parameter in book.parameters:
            for clause in parameter.clauses:
                places.setdefault(clause, {})[f"{book.name}.{parameter.name}"] = None
        for decision in book.decisions:
            for row in decision.all_rows:
                for clause in row.clauses:
                    places.setdefault(clause, {})[f"{book.name}.{row.id}"] = None
    return tuple(CoveredClause(c, tuple(places.get(c.id, {}))) for c in index.clauses)

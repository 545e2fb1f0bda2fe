"""How much the analysis of one table may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much work one table may cost.

    Args:
        steps: boxes looked at
        seconds: processor time; None: no limit
        all_seconds: processor time for all tables of a book together; None: no limit
        notes: also look for what is only worth knowing (overlaps that the hit policy resolves, rows that could be one)
    """

    steps: int = 200_000
    seconds: float | None = 20.0
    all_seconds: float | None = None
    notes: bool = False


DEFAULT = Limits()

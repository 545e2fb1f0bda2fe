"""Which of the rows that matched give the answer, and in which order (DMN 1.5, 8.2.8)."""

from __future__ import annotations

from collections.abc import Callable

from policybook.decide.outputs import Outputs
from policybook.errors import ConflictError
from policybook.model.book import Decision, HitPolicy, Row
from policybook.model.kinds import Base


def choose(
    name: str, decision: Decision, matched: tuple[int, ...], rows: tuple[Row, ...], outputs_of: Callable[[int], Outputs]
) -> tuple[int, ...]:
    """Return the selected rows in the order of the hit policy.

    Args:
        name: `policy.decision`, for messages
        matched: indices into `rows`, in the order written
    Raises:
        ConflictError: two rows of a unique table, or rows of an `any` table that disagree
    """
    if len(matched) < 2:
        return matched
    match decision.hit_policy:
        case HitPolicy.FIRST:
            return matched[:1]
        case HitPolicy.UNIQUE:
            raise ConflictError(name, tuple(rows[i].id for i in matched), "unique")
        case HitPolicy.ANY:
            first = outputs_of(matched[0])
            if any(outputs_of(i) != first for i in matched[1:]):
                raise ConflictError(name, tuple(rows[i].id for i in matched), "any")
            return matched[:1]
        case HitPolicy.PRIORITY:
            return (min(matched, key=lambda i: rank(decision, outputs_of(i))),)
        case HitPolicy.OUTPUT_ORDER:
            return tuple(sorted(matched, key=lambda i: rank(decision, outputs_of(i))))
        case HitPolicy.COLLECT | HitPolicy.RULE_ORDER:
            return matched


def rank(decision: Decision, outputs: Outputs) -> tuple[int, ...]:
    """Rank outputs by the order of the enum values of each enum output in turn; null comes last."""
    out = []
    for output in decision.outputs:
        if output.kind.base is Base.ENUM:
            names = output.kind.value_names
            value = outputs[output.name]
            out.append(names.index(value) if isinstance(value, str) and value in names else len(names))
    return tuple(out)

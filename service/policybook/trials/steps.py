"""The least step of a compared value: how near to a threshold counts as just beside it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from policybook.cells.least import WHOLE
from policybook.cells.least import least_step as step_of_kind
from policybook.cells.linear import linear, number
from policybook.cells.plain import Plain
from policybook.model.formula import Formula
from policybook.model.kinds import Kind
from policybook.values import Value


def least_step(subject: Formula, plain: Plain, currency: str) -> Fraction | None:
    """Return the least step of what a column compares, in the units of cells.linear; None where it has no order.

    It is the least change that one step (see cells.least) of one of the facts in it makes: a length between two dates moves by days.
    """
    made = plain.of(subject)
    own = step_of_kind(subject.kind, currency)
    if own is None:
        return None
    parts = [abs(k) * s for atom, k in linear(made).terms.items() if k and (s := step_of_kind(atom.kind, currency)) is not None]
    least = min(parts, default=own)
    return max(least, own) if subject.kind.base in WHOLE else least


def distance(actual: Value, point: Value) -> Fraction | None:
    """Return how far a value lies above a point, in the units of cells.linear; None where one of them has no number."""
    try:
        a: Any = number(actual)
        b: Any = number(point)
        return Fraction(a) - Fraction(b)
    except (TypeError, ValueError):
        return None


def is_whole(kind: Kind) -> bool:
    """Tell whether values of a kind are whole numbers: a point between two of them cannot be hit."""
    return kind.base in WHOLE

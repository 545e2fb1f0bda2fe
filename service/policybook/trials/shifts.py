"""A formula moved by a step: a threshold a little higher, an answer a little more."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

from policybook.cells.linear import MICROSECOND, number, value_of
from policybook.model.formula import Arith, Const, Formula
from policybook.model.kinds import DURATION, NUMERIC, PERIOD, Base, Kind
from policybook.values import Period


def moved(formula: Formula, step: Fraction, declared: Kind) -> Formula | None:
    """Return a formula with a step added.

    Args:
        step: in the units of cells.linear
        declared: what the value stands for: `5` may be an amount
    Returns:
        None where there is no such value, as before the first minute of a day
    """
    kind = formula.kind
    if isinstance(formula, Const):
        if formula.value is None:
            return None
        n = number(formula.value) + step
        value = value_of(n, kind.base)
        if value is None and kind.base in NUMERIC:
            kind, value = declared, value_of(n, declared.base)
        return None if value is None else Const(value, kind)
    size = abs(step)
    match kind.base:
        case base if base in NUMERIC:
            by = Const(size, kind)
        case Base.DATE:
            by = Const(timedelta(days=int(size)), DURATION)
        case Base.DATETIME | Base.DURATION:
            by = Const(int(size) * MICROSECOND, DURATION)
        case Base.PERIOD:
            by = Const(Period(int(size)), PERIOD)
        case _:
            return None
    return Arith("+" if step > 0 else "-", formula, by, kind)

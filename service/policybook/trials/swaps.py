"""Another answer in the place of a row's own: what a swapped output becomes."""

from __future__ import annotations

from fractions import Fraction

from policybook.cells.least import least_step as step_of
from policybook.model.book import Decision, OutputEntry, Row
from policybook.model.formula import Const, Formula, Not
from policybook.model.kinds import NUMERIC, Base, Field
from policybook.trials.shifts import moved


def swapped(decision: Decision, row: Row, entry: OutputEntry, field: Field, currency: str) -> Formula | None:
    """Return another value for an output of a row; None where there is none worth trying.

    It is the next step of a number or day, the other of yes and no, else what the next row says that says something else, else
    the next value of the enum.
    """
    base = field.kind.base
    is_null = isinstance(entry.formula, Const) and entry.formula.value is None
    if not is_null:
        if base is Base.BOOLEAN:
            return _other_truth(entry.formula)
        step = _visible_step(field, currency)
        if step is not None and (made := moved(entry.formula, step, field.kind)) is not None:
            return made
    return _of_another_row(decision, row, entry) or _another_value(entry.formula, field)


def _visible_step(field: Field, currency: str) -> Fraction | None:
    """Return the least step that rounding does not take away."""
    step = step_of(field.kind, currency)
    if step is None or field.kind.base not in NUMERIC or field.decimals is None:
        return step
    return max(step, Fraction(1, 10**field.decimals))


def _other_truth(formula: Formula) -> Formula:
    return Const(formula.value is not True, formula.kind) if isinstance(formula, Const) else Not(formula)


def _of_another_row(decision: Decision, row: Row, entry: OutputEntry) -> Formula | None:
    """Return what the next row that says something else says; constants first, as they differ for every request."""
    rows = decision.all_rows
    at = next(i for i, r in enumerate(rows) if r.id == row.id)
    others = [o.formula for r in (*rows[at + 1 :], *rows[:at]) for o in r.outputs if o.name == entry.name and o.formula != entry.formula]
    stated = [f for f in others if not (isinstance(f, Const) and f.value is None)]
    known = [f for f in stated if isinstance(f, Const)]
    return next(iter((*known, *stated, *others)), None)


def _another_value(formula: Formula, field: Field) -> Formula | None:
    kind = field.kind
    if kind.base is Base.ENUM:
        names = kind.value_names
        own = formula.value if isinstance(formula, Const) else None
        after = names.index(own) + 1 if own in names else 0
        other = next((n for n in (*names[after:], *names) if n != own), None)
        return None if other is None else Const(other, kind)
    if kind.base is Base.LIST and isinstance(formula, Const) and isinstance(formula.value, tuple) and formula.value:
        return Const(formula.value[:-1], kind)
    if isinstance(formula, Const) and formula.value is None:
        return None
    return Const(None, kind)

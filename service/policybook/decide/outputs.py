"""What a row answers: its formulas computed exactly, then rounded where the output says so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction
from typing import Any

from policybook.model.book import Aggregation, Book, Decision, Row
from policybook.model.evaluate import evaluate
from policybook.model.formula import Const
from policybook.model.kinds import NUMERIC, Base, Field
from policybook.values import Value, minor_units, rounded, to_significant

Outputs = dict[str, Value]


class RowOutputs:
    """Computes the outputs of the rows of one decision; constant rows once."""

    def __init__(self, book: Book, decision: Decision) -> None:
        self.book = book
        self.fields = {o.name: o for o in decision.outputs}
        self.constant: dict[str, Outputs] = {}
        for row in decision.all_rows:
            if all(isinstance(o.formula, Const) for o in row.outputs):
                self.constant[row.id] = self.compute(row, {})

    def of(self, row: Row, env: Mapping[str, Value]) -> Outputs:
        """Return the outputs of a row.

        Raises:
            FormulaError: from a formula
        """
        found = self.constant.get(row.id)
        return found if found is not None else self.compute(row, env)

    def compute(self, row: Row, env: Mapping[str, Value]) -> Outputs:
        return {o.name: finished(evaluate(o.formula, env, self.book.zone), self.fields[o.name], self.book.currency) for o in row.outputs}


def finished(value: Any, field: Field, currency: str) -> Value:
    """Bring a computed value to the form that its output declares."""
    plain: Value = value
    if plain is None or field.kind.base not in NUMERIC:
        return plain
    if field.decimals is not None:
        return rounded(value, field.decimals, field.rounding)
    if field.kind.base is Base.MONEY:
        return rounded(value, minor_units(currency), field.rounding)
    return to_significant(value) if field.kind.base is Base.NUMBER else plain


def aggregate(how: Aggregation, output: Field, values: list[Any]) -> Value:
    """Aggregate one output over the selected rows; the sum of nothing is zero, its minimum null."""
    if how is Aggregation.COUNT:
        return Fraction(len(values))
    present = [v for v in values if v is not None]
    if how is Aggregation.SUM:
        if present:
            total: Value = sum(present[1:], present[0])
            return total
        return timedelta(0) if output.kind.base is Base.DURATION else Fraction(0)
    if not present:
        return None
    extreme: Value = min(present) if how is Aggregation.MIN else max(present)
    return extreme

"""What a row answers: its formulas computed exactly, then rounded where the output says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from fractions import Fraction
from typing import Any

from policybook.model.book import Aggregation, Book, Decision, Row
from policybook.model.compiled import Env, Reader, compiled
from policybook.model.formula import Const
from policybook.model.kinds import NUMERIC, Base, Field
from policybook.model.sizes import added
from policybook.values import Value, minor_units, rounded, to_significant

Outputs = dict[str, Value]


class RowOutputs:
    """Computes the outputs of the rows of one decision; constant rows once."""

    def __init__(self, book: Book, decision: Decision) -> None:
        self.currency = book.currency
        self.constant: dict[str, Outputs] = {}
        self.computed: dict[str, tuple[tuple[str, Reader, Field], ...]] = {}
        fields = {o.name: o for o in decision.outputs}
        for row in decision.all_rows:
            entries = tuple([(o.name, compiled(o.formula, book.zone), fields[o.name]) for o in row.outputs])
            if all(isinstance(o.formula, Const) for o in row.outputs):
                self.constant[row.id] = self.compute(entries, {})
            else:
                self.computed[row.id] = entries

    def of(self, row: Row, env: Mapping[str, Value]) -> Outputs:
        """Return the outputs of a row.

        Raises:
            FormulaError: from a formula
        """
        found = self.constant.get(row.id)
        return found if found is not None else self.compute(self.computed[row.id], env)

    def compute(self, entries: Iterable[tuple[str, Reader, Field]], env: Env) -> Outputs:
        return {name: finished(value_of(env), field, self.currency) for name, value_of, field in entries}


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
    """Aggregate one output over the selected rows; the sum of nothing is zero, its minimum null.

    Raises:
        FormulaError: a sum too large
    """
    if how is Aggregation.COUNT:
        return Fraction(len(values))
    present = [v for v in values if v is not None]
    if how is Aggregation.SUM:
        if present:
            total: Value = added(present)
            return total
        return timedelta(0) if output.kind.base is Base.DURATION else Fraction(0)
    if not present:
        return None
    extreme: Value = min(present) if how is Aggregation.MIN else max(present)
    return extreme

"""The table read row by row: slow, obvious, and the judge of the engine. Nothing here knows of axes or cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from policybook.model.book import Book, Decision, Row
from policybook.model.evaluate import evaluate, passes
from policybook.model.formula import Anything, Const, test_formulas
from policybook.values import Value


class Reading(Mapping[str, Value]):
    """Facts, with the figures of a day and the derived values computed as they are asked for."""

    def __init__(self, book: Book, decision: Decision, day: date, facts: Mapping[str, Value]) -> None:
        self._book = book
        self._day = day
        self._facts = facts
        self._formula_by_name = {v.name: v.formula for v in (*book.values, *decision.values)}
        self._made: dict[str, Value] = {}

    def __getitem__(self, name: str) -> Value:
        if name in self._facts:
            return self._facts[name]
        if name not in self._made:
            self._made[name] = self._compute(name)
        return self._made[name]

    def _compute(self, name: str) -> Value:
        parameter = self._book.parameter_by_name.get(name)
        if parameter is not None:
            dated = parameter.on(self._day)
            return dated.value if dated else None
        value: Value = evaluate(self._formula_by_name[name], self, self._book.zone)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)


def rows_in_force(decision: Decision, day: date) -> tuple[Row, ...]:
    """Return the rows of a decision on a day, in the order written, without the default."""
    return tuple(r for r in decision.rows if r.effective.covers(day))


def matching_rows(book: Book, decision: Decision, day: date, facts: Mapping[str, Value]) -> tuple[int, ...]:
    """Return the rows in force whose tests all pass, counted from 0.

    Every test of every row is computed, whether or not another one has already failed: a fault anywhere in the table's
    tests refuses the request, and does not hang on the order of rows.

    Raises:
        FormulaError: a formula has no result
    """
    env = Reading(book, decision, day, facts)
    return tuple(i for i, row in enumerate(rows_in_force(decision, day)) if row_matches(row, env, book))


def row_matches(row: Row, env: Mapping[str, Value], book: Book) -> bool:
    """Tell whether all tests of a row pass.

    Raises:
        FormulaError: a formula has no result
    """
    passed = True
    for cell in row.cells:
        if isinstance(cell.test, Anything):
            continue
        subject = evaluate(cell.subject, env, book.zone)
        for formula in test_formulas(cell.test):
            if not isinstance(formula, Const):  # a constant has no fault
                evaluate(formula, env, book.zone)
        passed = passes(cell.test, subject, env, book.zone) and passed
    return passed

"""The self-check finds what it is there to find, and says what it did."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from books_in_text import NOON, book_of
from policybook.cells.grid import Grid
from policybook.diagnostics import Code
from policybook.engine.compile import Group
from policybook.engine.program import Program
from policybook.engine.selfcheck import self_check
from policybook.errors import EngineError
from policybook.store.reload import make_edition

ROWS = (
    'a: "< 10", g: x',
    'a: "[5..20]", s: "contains q"',
    'total: "> 1/3 * b"',
    "d: '[as_of - P30D..as_of)', g: not(x)",
    'f: "null"',
    "t: 'not(\"999\")'",
)


def book(rows=ROWS):
    lines = "".join(f"      - {{id: r{i}, clause: 1, when: {{{w}}}, then: {{n: {i}}}}}\n" for i, w in enumerate(rows))
    return book_of(
        "inputs: {a: {type: integer, min: 0}, b: {type: money}, c: {type: money}, g: {type: enum, values: [x, y]}, t: {type: text},\n"
        "  s: {type: list, of: {type: enum, values: [q, r]}}, d: {type: date}, f: {type: boolean, optional: true}}\n"
        "values: {total: b + c}\ndecisions:\n  table:\n    hit_policy: collect\n    outputs: {n: {type: integer}}\n"
        f"    rules:\n{lines}"
    )


def test_a_table_in_order():
    made = book()
    checked = self_check(made, Program.of(made))
    assert checked.report.ok, str(checked)
    assert checked.skipped == 0
    assert checked.sampled == ()
    assert checked.compared == checked.cells + checked.facts
    assert checked.cells > 20
    assert checked.facts > 25
    assert str(checked) == f"{checked.cells} cells and {checked.facts} requests compared, 0 differences, 0 boundaries without facts"


def test_an_engine_that_loses_a_row_is_found_out(monkeypatch):
    whole = Group.match
    monkeypatch.setattr(Group, "match", lambda self, cell: tuple(r for r in whole(self, cell) if r != 2))
    made = book()
    report = self_check(made, Program.of(made)).report
    assert {f.code for f in report} == {Code.ENGINE_DISAGREES}
    assert any(f.span == made.decisions[0].rows[2].span for f in report)
    with pytest.raises(EngineError, match="policy `book`"):
        make_edition(made, NOON)


def test_cells_that_misread_a_boundary_are_found_out_by_the_reference(monkeypatch):
    """Engine and codes agree with each other here: only the tests as written tell."""
    honest = Grid.of

    def tilted(book, decision, era, plain=None):
        grid = honest(book, decision, era, plain)
        axis, ranges = grid.terms[0][0][0]
        terms = ((((axis, ((0, ranges[0][1] + 1),)), *grid.terms[0][0][1:]),), *grid.terms[1:])
        return replace(grid, terms=terms)

    monkeypatch.setattr(Grid, "of", tilted)
    made = book()
    messages = [f.message for f in self_check(made, Program.of(made)).report]
    assert any(m.startswith("row `r0` matches by the engine and does not by its tests; ") and "a = 10" in m for m in messages)


def test_a_fault_is_compared_too():
    made = book(('a: "> total / b"', 'a: "0"'))
    assert self_check(made, Program.of(made)).report.ok


def test_what_breaks_the_check_is_a_finding(monkeypatch):
    def broken(self, env):
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr(Grid, "cell", broken)
    made = book()
    assert [f.message for f in self_check(made, Program.of(made)).report] == ["`table` cannot be checked: ZeroDivisionError: on purpose"]


def test_a_large_table_is_sampled_and_that_is_said():
    made = book([f'a: "[{i}..{i + 9}]", b: "<= {i}"' for i in range(600)])
    checked = self_check(made, Program.of(made))
    assert checked.report.ok
    assert checked.sampled == ("table",)
    assert str(checked).endswith("; sampled: table")


def test_every_era_is_checked():
    made = book_of(
        "parameters:\n  cap: {set_by: company, values: [{from: 2025-01-01, value: 3}, {from: 2026-01-01, value: 4}]}\n"
        "inputs: {a: {type: number}}\ndecisions:\n  table:\n    hit_policy: collect\n    outputs: {n: {type: integer}}\n"
        "    rules: [{id: r, clause: 1, when: {a: '<= cap'}, then: {n: 1}}]\n"
    )
    program = Program.of(made)
    checked = self_check(made, program)
    assert checked.report.ok
    assert program.stats().tables == 3
    assert program.grid("table", 2).cell({"a": Fraction(4)}) == (1,)

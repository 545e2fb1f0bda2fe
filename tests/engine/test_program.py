"""Program: rows from the engine for tables of every size, shared by many callers, within bounds of memory."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from books_in_text import book_of
from policybook.engine import program as program_module
from policybook.engine.compile import MAX_UNINDEXED, Index
from policybook.engine.program import Program
from policybook.engine.reference import matching_rows
from policybook.engine.rete import MAX_RULES, Ruleset
from policybook.errors import EngineError, LimitError, UnknownNameError

INPUTS = "a: {type: integer}, b: {type: money, optional: true}, g: {type: enum, values: [x, y, z]}, l: {type: list, of: text}"


def book(whens, head="", inputs=INPUTS):
    rows = "".join(f"      - {{id: r{i}, clause: 1, when: {{{w}}}, then: {{n: {i}}}}}\n" for i, w in enumerate(whens))
    outputs = "    hit_policy: collect\n    outputs: {n: {type: integer}}\n"
    return book_of(f"{head}inputs: {{{inputs}}}\ndecisions:\n  table:\n{outputs}    rules:\n{rows}")


def whens(count, seed=1):
    """Rows that overlap, on axes of every kind; some match everything, some have alternatives or holes."""
    dice = Random(seed)  # noqa: S311 - a table, not a secret
    out = []
    for i in range(count):
        low = dice.randrange(0, 10 * count)
        made = [f'a: "[{low}..{low + dice.randrange(30)}]"' if dice.random() < 0.97 else 'a: "-"']
        if dice.random() < 0.6:
            made.append(
                f'b: "{dice.choice(["<", ">=", "not(<= "])} {dice.randrange(50)}"'.replace('(<= "', "(<= ").replace("not(<=", "not(<=")
            )
            made[-1] = made[-1] if "not" not in made[-1] else f'b: "not([{i % 40}..{i % 40 + 5}])"'
        if dice.random() < 0.4:
            made.append(f"g: {dice.choice(['x', '[x, z]', 'not(y)'])}")
        if dice.random() < 0.2:
            made.append('l: "contains any (p, q)"'.replace("p, q", '\\"p\\", \\"q\\"'))
        out.append(", ".join(made))
    return out


def facts(count, seed):
    dice = Random(seed)  # noqa: S311 - facts, not secrets
    return {
        "a": Fraction(dice.randrange(-1, 10 * count + 5)),
        "b": None if dice.random() < 0.1 else Fraction(dice.randrange(200), 4),
        "g": dice.choice("xyz"),
        "l": dice.choice([(), ("p",), ("q", "r"), ("r",)]),
    }


def kib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def forget(made):
    for table in made._same.values():
        table.memo.clear()
        table.older.clear()


@pytest.mark.parametrize("count", [1, MAX_RULES, MAX_RULES + 1, MAX_UNINDEXED + 1, 200, 1_000])
def test_rows_from_the_engine_are_those_of_the_reference(count):
    made = book(whens(count))
    program = Program.of(made)
    grid = program.grid("table", 0)
    for seed in range(60 if count > 200 else 150):
        stated = facts(count, seed)
        wanted = matching_rows(made, made.decisions[0], date(2026, 1, 1), stated)
        assert program.match("table", 0, grid.cell(stated)) == wanted, stated


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_table_of_10_000_rows():
    made = book(whens(10_000))
    program = Program.of(made)
    assert program.check().ok
    grid = program.grid("table", 0)
    for seed in range(200):
        cell = grid.cell(facts(10_000, seed))
        assert program.match("table", 0, cell) == grid.rows_passed(cell)
    stats = program.stats()
    assert stats.rules <= program_module.MAX_LIVE_RULES
    assert stats.asked == 200


def test_two_hundred_rows_that_all_match_are_all_told_in_order():
    program = Program.of(book([f'a: ">= {-i}"' for i in range(200)]))
    cell = program.grid("table", 0).cell({"a": Fraction(5)})
    assert program.match("table", 0, cell) == tuple(range(200))


def test_rows_without_tests_always_match():
    program = Program.of(book(["", 'a: "> 3"', 'a: "-"']))
    grid = program.grid("table", 0)
    assert program.match("table", 0, grid.cell({"a": Fraction(1)})) == (0, 2)
    assert program.match("table", 0, grid.cell({"a": Fraction(4)})) == (0, 1, 2)


def test_a_table_of_nothing_but_such_rows_has_one_cell():
    program = Program.of(book(["", ""]))
    assert program.match("table", 0, ()) == (0, 1)


def test_a_row_with_alternatives_is_told_once():
    program = Program.of(book(['l: "contains any (\\"p\\", \\"q\\")"', 'a: "1"']))
    assert program.match("table", 0, program.grid("table", 0).cell({"a": Fraction(1), "l": ("p", "q")})) == (0, 1)


def test_the_engine_is_asked_once_for_a_cell():
    program = Program.of(book(whens(30)))
    cell = program.grid("table", 0).cell(facts(30, 1))
    assert len({program.match("table", 0, cell) for _ in range(5)}) == 1
    assert program.stats().asked == 1


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(program_module, "MAX_REMEMBERED", 100)
    program = Program.of(book(['a: "[0..1000]"', *(f'a: "{i}"' for i in range(80))]))
    grid = program.grid("table", 0)
    for i in range(80):
        assert program.match("table", 0, grid.cell({"a": Fraction(i)})) == (0, i + 1)
    assert program.stats().remembered <= 100


def test_rulesets_alive_are_bounded_and_come_back(monkeypatch):
    monkeypatch.setattr(program_module, "MAX_LIVE_RULES", 60)
    count = 400
    program = Program.of(book([f'a: "[{i}..{i + 3}]"' for i in range(count)]))
    grid = program.grid("table", 0)
    for _ in range(2):
        for i in range(0, count, 7):
            cell = grid.cell({"a": Fraction(i)})
            assert program.match("table", 0, cell) == grid.rows_passed(cell)
            assert program.stats().rules <= 60
        forget(program)


def test_the_index_is_bounded(monkeypatch):
    monkeypatch.setattr(Index, "MAX_ENTRIES", 3_000)
    count = 1_000
    program = Program.of(book([f'a: "[{i}..{i + 3}]"' for i in range(count)]))
    grid = program.grid("table", 0)
    (table,) = program._same.values()
    for i in range(0, count, 3):
        cell = grid.cell({"a": Fraction(i)})
        assert program.match("table", 0, cell) == grid.rows_passed(cell)
        assert table.index._entries <= 3_000 + count + 8


def test_rows_that_test_hundreds_of_things_are_split_by_the_width_of_a_fact():
    inputs = ", ".join(f"n{i}: {{type: integer}}" for i in range(400))
    program = Program.of(book([", ".join(f'n{i * 20 + j}: "> {j}"' for j in range(20)) for i in range(20)], inputs=inputs))
    assert program.check().ok
    grid = program.grid("table", 0)
    cell = grid.cell({f"n{i}": Fraction(20 if i < 200 else 0) for i in range(400)})
    assert program.match("table", 0, cell) == tuple(range(10))
    assert program.stats().rulesets == 2


def test_closing_gives_rulesets_back_and_leaves_the_program_usable():
    program = Program.of(book(whens(20)))
    cell = program.grid("table", 0).cell(facts(20, 3))
    before = program.match("table", 0, cell)
    program.close()
    assert program.stats().rulesets == 0
    forget(program)
    assert program.match("table", 0, cell) == before


def test_a_program_that_is_dropped_gives_the_engine_memory_back():
    def use():
        program = Program.of(made)
        grid = program.grid("table", 0)
        for seed in range(20):
            program.match("table", 0, grid.cell(facts(90, seed)))

    made = book(whens(90))
    for _ in range(3):
        use()
    gc.collect()
    before = kib()
    for _ in range(15):
        use()
    gc.collect()
    assert kib() - before < 6_000, "90 rules take about 4 MB each time"


def test_eight_threads_never_see_each_others_facts():
    """Nothing is remembered, so that every question goes to the engine, and rulesets are built while others ask."""
    count = 120
    made = book(whens(count))
    program = Program.of(made)
    grid = program.grid("table", 0)
    cells = [grid.cell(facts(count, seed)) for seed in range(150)]
    wanted = [grid.rows_passed(c) for c in cells]

    def hammer(seed):
        order = Random(seed).sample(range(len(cells)), len(cells))  # noqa: S311 - an order
        wrong = 0
        for i in order * 4:
            wrong += program.match("table", 0, cells[i]) != wanted[i]
            forget(program)
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(hammer, range(8))) == 0


@pytest.mark.slow
def test_memory_is_flat_over_200_000_questions_to_the_engine():
    program = Program.of(book(whens(20)))
    grid = program.grid("table", 0)
    (table,) = program._same.values()
    (group,) = [program._group(table, ids) for ids in table.everything]
    cells = [grid.cell(facts(20, seed)) for seed in range(500)]
    before = 0
    for turn in range(401):
        if turn == 1:
            gc.collect()
            before = kib()
        for cell in cells:
            group.match(cell)
    gc.collect()
    assert kib() - before < 1_000


def test_eras_that_do_not_differ_for_a_decision_share_its_table():
    head = "parameters:\n  cap: {set_by: company, values: [{from: 2025-01-01, value: 3}, {from: 2026-01-01, value: 3}, {from: 2027-01-01, value: 5}]}\n"
    program = Program.of(book(['a: "<= cap"'], head=head))
    assert len(program.book.change_dates) == 3
    assert program.check().ok
    assert program.grid("table", 1) is program.grid("table", 2)
    assert program.stats().tables == 3
    for era, wanted in ((0, ()), (1, ()), (2, ()), (3, (0,))):
        assert program.match("table", era, program.grid("table", era).cell({"a": Fraction(4)})) == wanted


def test_rows_come_and_go_with_their_dates():
    made = book_of(
        f"inputs: {{{INPUTS}}}\ndecisions:\n  table:\n    hit_policy: collect\n    outputs: {{n: {{type: integer}}}}\n    rules:\n"
        "      - {id: old, clause: 1, effective: {to: 2025-12-31}, when: {a: '> 1'}, then: {n: 1}}\n"
        "      - {id: new, clause: 1, effective: {from: 2026-01-01}, when: {a: '> 2'}, then: {n: 2}}\n"
        "      - {id: always, clause: 1, when: {a: '> 3'}, then: {n: 3}}\n"
    )
    program = Program.of(made)
    for day, ids in ((date(2025, 12, 31), ["old", "always"]), (date(2026, 1, 1), ["new", "always"])):
        grid = program.grid("table", made.era(day))
        rows = program.match("table", made.era(day), grid.cell({"a": Fraction(9)}))
        assert [grid.rows[i].id for i in rows] == ids


def test_tables_kept_are_bounded(monkeypatch):
    monkeypatch.setattr(program_module, "MAX_TABLES", 2)
    values = ", ".join(f"{{from: {2000 + i}-01-01, value: {i}}}" for i in range(10))
    program = Program.of(book(['a: "<= cap"'], head=f"parameters:\n  cap: {{set_by: company, values: [{values}]}}\n"))
    for _ in range(2):
        for era in range(1, 11):
            grid = program.grid("table", era)
            assert program.match("table", era, grid.cell({"a": Fraction(era - 1)})) == (0,)
            assert program.match("table", era, grid.cell({"a": Fraction(era)})) == ()
    assert program.stats().tables == 2
    assert program.stats().rulesets <= 2


def test_a_row_with_too_many_alternatives_is_reported_and_never_matched():
    letters = ", ".join(f'\\"{c}\\"' for c in "abcdefghi")
    inputs = "l: {type: list, of: text}, m: {type: list, of: text}"
    program = Program.of(book([f'l: "contains any ({letters})", m: "contains any ({letters})"'], inputs=inputs))
    report = program.check()
    assert [f.code.slug for f in report.errors] == ["too-many-alternatives"]
    with pytest.raises(LimitError, match="alternatives"):
        program.grid("table", 0)


def test_an_unknown_decision_is_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean `table`"):
        Program.of(book(["a: 1"])).grid("tabel", 0)


@pytest.mark.parametrize("cell", [(), (0, 0), (99,), (-1,)])
def test_what_is_no_cell_of_the_table_is_refused(cell):
    program = Program.of(book(["a: 1"]))
    with pytest.raises(EngineError, match="is no cell of"):
        program.match("table", 0, cell)


def test_after_a_failure_the_ruleset_is_built_anew(monkeypatch):
    program = Program.of(book(["a: 1", 'a: "> 0"']))
    cell = program.grid("table", 0).cell({"a": Fraction(1)})
    assert program.match("table", 0, cell) == (0, 1)
    forget(program)
    built = program.stats().built
    with monkeypatch.context() as patch:
        patch.setattr(Ruleset, "match", fails)
        with pytest.raises(EngineError, match="on purpose"):
            program.match("table", 0, cell)
    assert program.stats().rulesets == 0
    assert program.match("table", 0, cell) == (0, 1)
    assert program.stats().built == built + 1


def fails(self, values):
    raise EngineError("failed on purpose")

"""Mutants in the words of the book, and what becomes of each: killed, alive with a request, proved equivalent."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest

from books_in_text import book_of
from policybook.analyse.inquiry import as_stated
from policybook.model.book import Book
from policybook.source import Source
from policybook.trials.case import Case
from policybook.trials.crew import Job, run
from policybook.trials.mutants import Fault, mutants
from policybook.trials.mutation import Deadline, DecisionScore, Fate, Jury, Mutation
from policybook.trials.read import read_cases

NOON = datetime(2026, 3, 15, 4, tzinfo=UTC)

BOOK = """
parameters:
  limit: {type: money, title: {en: Limit, zh: 限额}, clause: 1.1, value: 1000}
inputs:
  amount: {type: money}
  grade: {type: enum, values: [a, b, c]}
decisions:
  ship:
    hit_policy: first
    outputs: {outcome: {type: enum, values: [yes_, no_, ask]}, fee: {type: money}}
    rules:
      - {id: small, clause: 1.1, when: {amount: '<= limit'}, then: {outcome: yes_, fee: 0}}
      - {id: good, clause: 1.1, when: {amount: '(100..5000]', grade: 'a, b'}, then: {outcome: ask, fee: 0.01 * amount}}
    default: {id: otherwise, clause: 1.1, then: {outcome: no_, fee: 0}}
"""


def cases_of(book: Book, text: str) -> tuple[Case, ...]:
    source = Source("book.yaml", text)
    file, report = read_cases(source, {"book": book})
    assert file is not None, report.render({source.name: source})
    assert report.ok, report.render({source.name: source})
    return file.cases


def score(book: Book, text: str = "", decision: str = "ship") -> DecisionScore:
    return Jury(book, cases_of(book, text) if text else (), NOON).score(decision)


def said(made: DecisionScore, *fates: Fate) -> list[str]:
    return [m.what.en for m in made.of(*fates)]


CASES = """
policy: book
as_of: 2026-03-15
cases:
  - {id: at-limit, decision: ship, given: {amount: 1000, grade: c}, expect: {outcome: yes_, fee: 0}, rows: [small]}
  - {id: above, decision: ship, given: {amount: 1000.01, grade: a}, expect: {outcome: ask, fee: 10}, rows: [good]}
  - {id: above-b, decision: ship, given: {amount: 5000, grade: b}, expect: {outcome: ask}, rows: [good]}
  - {id: too-much, decision: ship, given: {amount: 5000.01, grade: a}, expect: {outcome: no_, fee: 0}}
  - {id: bad, decision: ship, given: {amount: 2000, grade: c}, expect: {outcome: no_}}
"""


def test_mutants_in_the_words_of_the_book() -> None:
    book = book_of(BOOK)
    made = mutants(book, book.decision_by_name["ship"])
    assert [m.what.en for m in made] == [
        "row `small`, `amount`: `<= limit` turned to `< limit`",
        "row `small`, `amount`: the test `<= limit` removed",
        "row `small` dropped",
        "row `small`, `outcome`: `yes_` swapped for `ask`",
        "row `small`, `fee`: `0` swapped for `0.01`",
        "rows `small` and `good` exchanged",
        "row `good`, `amount`: `(100..5000]` shifted to `(100.01..5000]`",
        "row `good`, `amount`: `(100..5000]` shifted to `(99.99..5000]`",
        "row `good`, `amount`: `(100..5000]` shifted to `(100..5000.01]`",
        "row `good`, `amount`: `(100..5000]` shifted to `(100..4999.99]`",
        "row `good`, `amount`: `(100..5000]` turned to `[100..5000]`",
        "row `good`, `amount`: `(100..5000]` turned to `(100..5000)`",
        "row `good`, `amount`: the test `(100..5000]` removed",
        "row `good`, `grade`: `a, b` turned to `not(a, b)`",
        "row `good`, `grade`: `a, b` cut to `b`",
        "row `good`, `grade`: `a, b` cut to `a`",
        "row `good`, `grade`: the test `a, b` removed",
        "row `good` dropped",
        "row `good`, `outcome`: `ask` swapped for `no_`",
        "row `good`, `fee`: `0.01 * amount` swapped for `0.01 * amount + 0.01`",
        "row `otherwise` dropped",
        "row `otherwise`, `outcome`: `no_` swapped for `yes_`",
        "row `otherwise`, `fee`: `0` swapped for `0.01`",
        "parameter `limit`: `1000` shifted to `1000.01`",
        "parameter `limit`: `1000` shifted to `999.99`",
    ]
    assert [m.number for m in made] == list(range(len(made)))
    assert made[0].what.zh == "规则 `small` 的 `amount`：`<= limit` 改为 `< limit`"
    assert made[-1].what.zh == "参数 `limit`：`1000` 移为 `999.99`"
    assert (made[0].fault, made[0].row, made[0].span.line) == (Fault.TURNED, "small", 15)
    assert (made[-1].row, made[-1].span.line) == ("", 6)


def test_the_fault_is_in_the_book_and_nothing_else() -> None:
    book = book_of(BOOK)
    turned, *_, shifted = mutants(book, book.decision_by_name["ship"])
    faulty = turned.book(book)
    assert faulty.decision_by_name["ship"].rows[1:] == book.decision_by_name["ship"].rows[1:]
    assert faulty.decision_by_name["ship"].rows[0].cells[0].text == "< limit"
    assert faulty.parameters == book.parameters
    assert shifted.book(book).decisions == book.decisions
    assert [str(v.value) for v in shifted.book(book).parameters[0].values] == ["99999/100"]


@pytest.mark.parametrize(
    ("declared", "test", "wanted"),
    [
        ("{type: integer}", "> 3", ["> 4", "> 2", ">= 3"]),
        ("{type: number}", "< 3", ["< 3.001", "< 2.999", "<= 3"]),
        ("{type: percent}", ">= 30%", [">= 30.1%", ">= 29.9%", "> 30%"]),
        ("{type: date}", "<= 2026-03-31", ["<= 2026-04-01", "<= 2026-03-30", "< 2026-03-31"]),
        ("{type: date}", "<= as_of + days(3)", ["<= as_of + P3D + P1D", "<= as_of + P3D - P1D", "< as_of + P3D"]),
        ("{type: datetime}", "> now", ["> now + PT1M", "> now - PT1M", ">= now"]),
        ("{type: duration}", "< PT8H", ["< PT8H1M", "< PT7H59M", "<= PT8H"]),
        ("{type: time}", ">= 00:00", [">= 00:01:00", "> 00:00:00"]),
        ("{type: period}", "< P1Y", ["< P1Y1M", "< P11M", "<= P1Y"]),
        ("{type: money}", "0", ["0.01", "-0.01", "not(0)"]),
        ("{type: boolean}", "true", ["not(true)"]),
        ("{type: money, optional: true}", "null", ["not(null)"]),
        ("{type: money, optional: true}", "not(null)", ["null"]),
        ("{type: money, optional: true}", "null, > 5", ["null, > 5.01", "null, > 4.99", "null, >= 5", "not(null, > 5)", "> 5", "null"]),
        ("{type: list, of: {type: enum, values: [p, q]}}", "contains p", ["not(contains p)"]),
        (
            "{type: list, of: {type: enum, values: [p, q]}}",
            "contains all (p, q)",
            ["contains any (p, q)", "not(contains all (p, q))", "contains q", "contains p"],
        ),
        ("{type: enum, values: [p, q, r]}", "not(p, q)", ["p, q", "not(q)", "not(p)"]),
        ("{type: enum, values: [p, q, r]}", "-", []),
    ],
)
def test_every_kind_of_test_is_changed(declared: str, test: str, wanted: list[str]) -> None:
    text = f"""
inputs:
  x: {declared}
decisions:
  d:
    hit_policy: first
    outputs: {{o: {{type: integer}}}}
    rules:
      - {{id: r, clause: 1.1, when: {{x: '{test}'}}, then: {{o: 1}}}}
    default: {{id: otherwise, clause: 1.1, then: {{o: 0}}}}
"""
    book = book_of(text)
    made = mutants(book, book.decision_by_name["d"])
    changed = [m.table.rows[0].cells[0].text for m in made if m.table and m.row == "r" and m.table.rows and m.table.rows[0].cells]
    assert [c for m, c in zip(made, changed, strict=False) if m.fault in (Fault.SHIFTED, Fault.TURNED, Fault.LEFT_OUT)] == wanted


@pytest.mark.parametrize(
    ("declared", "values", "wanted"),
    [
        ("{type: enum, values: [p, q, r]}", ("p", "p"), ["q", "q"]),
        ("{type: enum, values: [p, q, r]}", ("p", "r"), ["r", "p"]),
        ("{type: boolean}", ("true", "x > 1"), ["false", "not(x > 1)"]),
        ("{type: integer}", ("x", "7"), ["x + 1", "8"]),
        ("{type: number, decimals: 1}", ("x / 3", "7"), ["x / 3 + 0.1", "7.1"]),
        ("{type: money}", ("2 * 1", "3 * y"), ["2.01", "3 * y + 0.01"]),
        ("{type: date}", ("as_of", "2026-01-31"), ["as_of + P1D", "2026-02-01"]),
        ("{type: text}", ("'\"a\"'", "'\"b\"'"), ['"b"', '"a"']),
        ("{type: integer, optional: true}", ("null", "7"), ["7", "8"]),
        ("{type: integer, optional: true}", ("null", "null"), []),
        ("{type: list, of: {type: enum, values: [p, q]}}", ("[p, q]", "[p, q]"), ["[p]", "[p]"]),
    ],
)
def test_every_kind_of_output_is_swapped(declared: str, values: tuple[str, str], wanted: list[str]) -> None:
    text = f"""
inputs:
  x: {{type: integer}}
  y: {{type: money}}
decisions:
  d:
    hit_policy: unique
    outputs: {{o: {declared}}}
    rules:
      - {{id: r, clause: 1.1, when: {{x: '< 5'}}, then: {{o: {values[0]}}}}}
      - {{id: s, clause: 1.1, when: {{x: '>= 5'}}, then: {{o: {values[1]}}}}}
"""
    book = book_of(text)
    swapped = [m for m in mutants(book, book.decision_by_name["d"]) if m.fault is Fault.SWAPPED]
    assert [next(r for r in m.table.rows if r.id == m.row).outputs[0].text for m in swapped if m.table] == wanted


def test_killed_survived_equivalent() -> None:
    book = book_of(BOOK)
    made = score(book, CASES)
    fates: Mapping[str, Any] = {m.what.en: m for m in made.mutants}
    turned = fates["row `small`, `amount`: `<= limit` turned to `< limit`"]
    assert (turned.fate, turned.killed_by) == (Fate.KILLED, "at-limit")
    assert fates["row `good`, `grade`: `a, b` cut to `a`"].killed_by == "above-b"

    # Up to 1,000 the first row answers: the lower end of the second decides nothing.
    assert said(made, Fate.EQUIVALENT) == [
        "row `good`, `amount`: `(100..5000]` shifted to `(100.01..5000]`",
        "row `good`, `amount`: `(100..5000]` shifted to `(99.99..5000]`",
        "row `good`, `amount`: `(100..5000]` turned to `[100..5000]`",
    ]
    # Nobody asked for a small amount of a good customer.
    assert said(made, Fate.SURVIVED) == ["rows `small` and `good` exchanged"]
    witness = fates["rows `small` and `good` exchanged"].witness
    assert witness.decision == "ship"
    stated = as_stated(witness.asking, book)
    assert 100 < stated["amount"] <= 1000  # type: ignore[operator]
    assert stated["grade"] in ("a", "b")
    assert said(made, Fate.UNDECIDED, Fate.NOT_TRIED) == []
    assert made.killed == 21
    assert made.counted == 22
    assert Mutation(decisions=(made,)).share == pytest.approx(100 * 21 / 22)


def test_the_request_that_is_told_kills_the_mutant() -> None:
    book = book_of(BOOK)
    witness = next(m.witness for m in score(book, CASES).mutants if m.witness)
    amount = as_stated(witness.asking, book)["amount"]
    more = f"  - {{id: more, decision: ship, given: {{amount: {amount}, grade: a}}, expect: {{outcome: yes_}}, rows: [small]}}\n"
    assert said(score(book, CASES + more), Fate.SURVIVED) == []


def test_only_what_a_case_asserts_counts() -> None:
    book = book_of(BOOK)
    loose = "policy: book\nas_of: 2026-03-15\ncases:\n  - {id: c, decision: ship, given: {amount: 1, grade: c}, rows: [small]}\n"
    killed = said(score(book, loose), Fate.KILLED)
    assert killed == ["row `small` dropped"]
    tight = loose.replace("rows: [small]", "expect: {fee: 0}, not_rows: [good]")
    assert said(score(book, tight), Fate.KILLED) == ["row `small`, `fee`: `0` swapped for `0.01`"]
    not_rows = loose.replace("amount: 1, grade: c", "amount: 2000, grade: c").replace("rows: [small]", "not_rows: [good]")
    assert "row `good`, `grade`: the test `a, b` removed" in said(score(book, not_rows), Fate.KILLED)


def test_without_cases_everything_lives_on() -> None:
    made = score(book_of(BOOK))
    assert made.killed == 0
    assert len(made.of(Fate.EQUIVALENT)) == 3
    assert len(made.of(Fate.SURVIVED)) == 22
    assert all(m.witness for m in made.of(Fate.SURVIVED))


def test_a_case_that_fails_on_the_book_kills_nothing() -> None:
    wrong = CASES.replace("{outcome: yes_, fee: 0}", "{outcome: no_}")
    made = score(book_of(BOOK), wrong)
    assert made.failing == ("at-limit",)
    assert "row `small` dropped" in said(made, Fate.SURVIVED)


def test_mutants_that_mean_the_same_count_once() -> None:
    book = book_of(BOOK.replace("'<= limit'", "'<= limit', grade: '-'").replace("'a, b'", "a").replace("[a, b, c]", "[a, c]"))
    made = score(book, decision="ship")
    # `not(a)` is `c`, which says the same as no other; the limit is the threshold of one test alone.
    assert made.duplicates == 0
    doubled = book_of(
        BOOK.replace("0.01 * amount", "0")
        .replace("'<= limit'", "'<= 1000'")
        .replace("  limit:", "  limit_:")
        .replace("amount: {type: money}", "amount: {type: integer}")
    )
    assert score(doubled).duplicates > 0
    assert len(score(doubled).mutants) + score(doubled).duplicates == len(mutants(doubled, doubled.decision_by_name["ship"]))


TWO = """
parameters:
  limit: {type: integer, title: {en: Limit, zh: 限额}, clause: 1.1, value: 3}
inputs:
  x: {type: integer}
values:
  is_over: x > limit
decisions:
  first_:
    hit_policy: first
    outputs: {big: {type: boolean}}
    rules:
      - {id: over, clause: 1.1, when: {is_over: true}, then: {big: true}}
    default: {id: under, clause: 1.1, then: {big: false}}
  second:
    hit_policy: first
    outputs: {o: {type: integer}}
    rules:
      - {id: big, clause: 1.1, when: {first_.big: true}, then: {o: 1}}
      - {id: three, clause: 1.1, when: {x: limit}, then: {o: 3}}
    default: {id: small, clause: 1.1, then: {o: 0}}
"""


def test_a_figure_is_changed_wherever_it_is_read_and_cases_of_other_decisions_count() -> None:
    book = book_of(TWO)
    assert [m.what.en for m in mutants(book, book.decision_by_name["second"]) if m.figure] == []
    text = "policy: book\nas_of: 2026-03-15\ncases:\n  - {id: four, decision: second, given: {x: 4}, expect: {o: 1}}\n"
    made = score(book, text, "first_")
    fates = {m.what.en: (m.fate, m.killed_by) for m in made.mutants}
    assert fates["parameter `limit`: `3` shifted to `4`"] == (Fate.KILLED, "four")
    assert fates["row `over` dropped"] == (Fate.KILLED, "four")
    assert fates["parameter `limit`: `3` shifted to `2`"] == (Fate.SURVIVED, "")


def test_a_figure_that_hides_behind_a_division_is_decided_by_a_book_of_its_own() -> None:
    text = TWO.replace("is_over: x > limit", "is_over: x / (limit - 2) > 3")
    book = book_of(text)
    cases = "policy: book\nas_of: 2026-03-15\ncases:\n  - {id: four, decision: first_, given: {x: 4}, expect: {big: true}}\n"
    fates = {m.what.en: (m.fate, m.killed_by, m.why) for m in score(book, cases, "first_").mutants}
    # Dividing by nothing refuses the request.
    assert fates["parameter `limit`: `3` shifted to `2`"] == (Fate.KILLED, "four", "")
    # No cell tells them apart; a request that was found for another mutant does.
    alone = {m.what.en: (m.fate, m.witness) for m in score(book, "", "first_").mutants}
    fate, witness = alone["parameter `limit`: `3` shifted to `2`"]
    assert fate is Fate.SURVIVED
    assert witness in [w for what, (_, w) in alone.items() if "parameter" not in what]


DATED = """
parameters:
  limit:
    title: {en: Limit, zh: 限额}
    clause: 1.1
    type: integer
    values:
      - {to: 2025-12-31, value: 3}
      - {from: 2026-01-01, value: 5}
inputs:
  x: {type: integer}
decisions:
  d:
    hit_policy: first
    outputs: {o: {type: integer}}
    rules:
      - {id: old, clause: 1.1, effective: {to: 2025-12-31}, when: {x: '< limit'}, then: {o: 1}}
      - {id: new, clause: 1.1, effective: {from: 2026-01-01}, when: {x: '< limit'}, then: {o: 2}}
    default: {id: otherwise, clause: 1.1, then: {o: 0}}
"""


def test_each_stretch_of_time_has_its_own_mutants() -> None:
    book = book_of(DATED)
    cases = """
policy: book
cases:
  - {id: new-below, decision: d, as_of: 2026-03-01, given: {x: 4}, expect: {o: 2}, rows: [new]}
  - {id: new-on, decision: d, as_of: 2026-03-01, given: {x: 5}, expect: {o: 0}, rows: [otherwise]}
"""
    made = score(book, cases, "d")
    alive = {m.what.en: m.witness for m in made.of(Fate.SURVIVED)}
    assert [w for w in alive if "limit" in w] == [
        "row `old`, `x`: `< limit` turned to `<= limit`",
        "row `old`, `x`: the test `< limit` removed",
        "parameter `limit`: `3` shifted to `4`",
        "parameter `limit`: `3` shifted to `2`",
    ]
    assert {w.asking.as_of <= date(2025, 12, 31) for what, w in alive.items() if w and ("old" in what or "`3`" in what)} == {True}
    # No day has both rows.
    assert said(made, Fate.EQUIVALENT) == ["rows `old` and `new` exchanged"]


ITEMS = """
inputs:
  lines: {type: list, of: {type: record, fields: {n: {type: integer}}}}
decisions:
  each:
    for_each: {line: lines}
    hit_policy: first
    outputs: {o: {type: integer}}
    rules:
      - {id: high, clause: 1.1, when: {line.n: '>= 5'}, then: {o: 1}}
    default: {id: low, clause: 1.1, then: {o: line.n}}
  sum:
    for_each: {line: lines}
    hit_policy: collect sum
    outputs: {total: {type: integer}}
    rules:
      - {id: some, clause: 1.1, when: {line.n: '> 2'}, then: {total: 1}}
"""


def test_tables_over_lists_and_sums() -> None:
    book = book_of(ITEMS)
    cases = """
policy: book
as_of: 2026-03-15
cases:
  - {id: each, decision: each, given: {lines: [{n: 5}, {n: 4}]}, expect_items: [{o: 1}, {o: 4}], rows: [high, low]}
  - {id: sum, decision: sum, given: {lines: [{n: 3}, {n: 2}]}, expect: {total: 1}}
"""
    assert said(score(book, cases, "each"), *(f for f in Fate if f is not Fate.KILLED)) == []
    assert said(score(book, cases, "sum"), *(f for f in Fate if f is not Fate.KILLED)) == []
    assert len(score(book, "", "each").of(Fate.SURVIVED)) == len(score(book, "", "each").mutants)


def test_conflicts_count() -> None:
    text = """
inputs:
  x: {type: integer, min: 0, max: 9}
decisions:
  d:
    hit_policy: unique
    outputs: {o: {type: integer}}
    rules:
      - {id: low, clause: 1.1, when: {x: '< 5'}, then: {o: 1}}
      - {id: high, clause: 1.1, when: {x: '>= 5'}, then: {o: 2}}
"""
    cases = "policy: book\nas_of: 2026-03-15\ncases:\n  - {id: five, decision: d, given: {x: 5}, expect: {o: 2}}\n"
    fates = {m.what.en: (m.fate, m.killed_by) for m in score(book_of(text), cases, "d").mutants}
    # Two rows match, and the request is refused.
    assert fates["row `low`, `x`: `< 5` shifted to `< 6`"] == (Fate.KILLED, "five")
    # `<= 5` is `< 6`, and counts once.
    assert "row `low`, `x`: `< 5` turned to `<= 5`" not in fates
    assert fates["row `high`, `x`: `>= 5` shifted to `>= 4`"][0] is Fate.SURVIVED


# ---------------------------------------------------------------- over processes


def job(book: Book, text: str, **more: Any) -> Job:
    names = [("book", d.name) for d in book.decisions]
    return Job(books={"book": book}, cases={"book": cases_of(book, text)}, decisions=names, clock=NOON, **more)


def test_the_result_does_not_depend_on_the_number_of_processes() -> None:
    book = book_of(TWO)
    text = "policy: book\nas_of: 2026-03-15\ncases:\n  - {id: four, decision: second, given: {x: 4}, expect: {o: 1}}\n"
    alone = run(job(book, text), 1)
    told: list[str] = []
    assert run(job(book, text), 2, lambda s: told.append(s.name)) == alone
    assert sorted(told) == ["book.first_", "book.second"]
    assert alone.is_whole
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("jobs", [1, 2])
def test_when_the_time_is_over_the_rest_is_said_to_be_missing(jobs: int) -> None:
    made = run(job(book_of(TWO), "policy: book\ncases: []\n", seconds=0.0), jobs)
    assert not made.is_whole
    assert sorted([*made.left, *{f"{m.policy}.{m.decision}" for m in made.of(Fate.NOT_TRIED)}]) == ["book.first_", "book.second"]
    assert made.share is None


def test_mutants_not_tried_are_no_part_of_the_score() -> None:
    book = book_of(BOOK)
    made = Jury(book, cases_of(book, CASES), NOON, Deadline(0.0)).score("ship")
    assert {m.fate for m in made.mutants} == {Fate.NOT_TRIED}
    assert made.counted == 0

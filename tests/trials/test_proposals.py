"""Cases proposed for what is missing: they read back, pass, show what they say, and are few."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from books_in_text import book_of, desk_of
from policybook.check.book import check_source
from policybook.model.book import Book
from policybook.source import Source
from policybook.trials.case import Case
from policybook.trials.coverage import Coverage
from policybook.trials.mutation import Fate, Jury
from policybook.trials.proposals import Proposals, Proposer, Wanted, killing
from policybook.trials.read import read_cases
from policybook.trials.run import asker, run_case
from policybook.trials.session import spaces
from policybook.trials.write import Form, write_cases

NOON = datetime(2026, 3, 15, 4, tzinfo=UTC)

BOOK = """
parameters:
  limit: {type: money, title: {en: Limit, zh: 限额}, clause: 1.1, value: 1000}
inputs:
  amount: {type: money, min: 0}
  grade: {type: enum, values: [a, b, c]}
  signed: {type: boolean, default: false}
decisions:
  ship:
    hit_policy: first
    outputs: {outcome: {type: enum, values: [yes_, no_, ask]}}
    rules:
      - {id: small, clause: 1.1, when: {amount: '<= limit'}, then: {outcome: yes_}}
      - {id: good, clause: 1.1, when: {amount: '(100..5000]', grade: 'a, b'}, then: {outcome: ask}}
      - {id: dead, clause: 1.1, when: {amount: '< 500'}, then: {outcome: ask}}
    default: {id: otherwise, clause: 1.1, then: {outcome: no_}}
"""


def cases_of(book: Book, text: str) -> tuple[Case, ...]:
    file, report = read_cases(Source("book.yaml", text), {book.name: book})
    assert file is not None
    assert report.ok, report.render({})
    return file.cases


def proposed(book: Book, text: str = "", wanted: Wanted | None = None, language: str = "en") -> Proposals:
    cases = cases_of(book, text) if text else ()
    return Proposer(book, cases, asker(desk_of(book)), language).propose(book.decisions, wanted or Wanted())


def written(book: Book, made: Proposals) -> tuple[Case, ...]:
    """Return the cases as read from what was written, each of which must pass."""
    cases = cases_of(book, write_cases(made.cases, book, "", Form.YAML).decode())
    ask = asker(desk_of(book))
    for case in cases:
        assert run_case(case, ask, book).lines() == run_case(case, ask, book).reasons(), case.id
    return cases


def missing(book: Book, cases: Sequence[Case]) -> list[str]:
    """Return the rows and points that cases leave out."""
    ask, coverage = asker(desk_of(book)), Coverage((book,))
    for case in cases:
        answer = run_case(case, ask, book).answer
        if answer is not None:
            coverage.visit(answer)
    rows = [f"`{d.decision}`: row `{r.id}`" for d in coverage.decisions() for r in d.missed]
    return rows + [f"{b.threshold} {p.value}" for d in coverage.decisions() for b in d.boundaries for p in b.missed]


def test_the_cases_of_a_small_book() -> None:
    book = book_of(BOOK)
    made = proposed(book)
    assert write_cases(made.cases, book, "ship", Form.YAML).decode().startswith(WANTED)
    assert len(made.cases) == 12
    assert made.impossible == ("`ship`: row `dead`",)
    assert made.undecided == ()
    assert missing(book, written(book, made)) == ["`ship`: row `dead`"]


WANTED = """\
policy: book
decision: ship
as_of: 2026-01-15
given: {grade: a}
cases:
  - id: small--amount-just-below
    given: {amount: 999.99}
    expect: {outcome: yes_}
    rows: [small]
    review: "the expected side is what the book answers today; confirm it and take this mark away"
    note: "row `small`: `amount` just below `<= limit`; row `small`"
  - id: small--amount-at-the-threshold
    given: {amount: 1000}
    expect: {outcome: yes_}
    rows: [small]
    review: "the expected side is what the book answers today; confirm it and take this mark away"
    note: "row `small`: `amount` exactly on `<= limit`"
  - id: small--amount-just-above
    given: {amount: 1000.01}
    expect: {outcome: ask}
    rows: [good]
    review: "the expected side is what the book answers today; confirm it and take this mark away"
    note: "row `small`: `amount` just above `<= limit`; row `good`"
"""


def test_only_what_no_case_shows() -> None:
    book = book_of(BOOK)
    have = "policy: book\nas_of: 2026-03-15\ncases:\n" + "".join(
        f"  - {{id: {name}, decision: ship, given: {{amount: {amount}, grade: {grade}}}, rows: [{row}]}}\n"
        for name, amount, grade, row in (
            ("small--amount-just-below", "999.99", "a", "small"),
            ("on", "1000", "a", "small"),
            ("above", "1000.01", "a", "good"),
            ("low", "99.99", "c", "small"),
        )
    )
    made = proposed(book, have)
    assert [c.id for c in made.cases] == [
        "good--amount-lower-at-the-threshold",
        "good--amount-lower-just-above",
        "good--amount-upper-just-below",
        "good--amount-upper-at-the-threshold",
        "good--amount-upper-just-above",
        "dead--amount-just-below",
        "dead--amount-at-the-threshold",
        "dead--amount-just-above",
    ]
    assert missing(book, (*cases_of(book, have), *written(book, made))) == ["`ship`: row `dead`"]
    again = proposed(book, have, Wanted(everything=True))
    # An id that there is already is not taken twice.
    assert again.cases[0].id == "small--amount-just-below-2"
    nothing = proposed(
        book,
        write_cases(made.cases, book, "", Form.YAML).decode()
        + have.partition("cases:\n")[2].replace("decision: ship", "as_of: 2026-03-15, decision: ship"),
    )
    assert (nothing.cases, nothing.shown) == ((), 0)
    assert nothing.impossible == ("`ship`: row `dead`",)


def test_rows_alone_points_alone_pairs() -> None:
    book = book_of(BOOK)
    rows = proposed(book, wanted=Wanted(points=False))
    assert [c.id for c in rows.cases] == ["small", "good", "otherwise"]
    assert [c.rows for c in rows.cases] == [("small",), ("good",), ("otherwise",)]
    assert rows.cases[1].note == "row `good`"
    points = proposed(book, wanted=Wanted(rows=False))
    assert all("--amount-" in c.id for c in points.cases)
    assert points.impossible == ()

    pairs = proposed(book, wanted=Wanted(rows=False, points=False, pairs=True))
    cases = written(book, pairs)
    coverage, ask = Coverage((book,)), asker(desk_of(book))
    for case in cases:
        answer = run_case(case, ask, book).answer
        assert answer is not None
        coverage.visit(answer)
    found = coverage.decision(book, book.decision_by_name["ship"], spaces()).pairs
    assert found is not None
    assert found.missed == ()
    assert pairs.cases[0].note.startswith("pair: amount ")


def test_in_chinese() -> None:
    made = proposed(book_of(BOOK), wanted=Wanted(points=False), language="zh")
    assert made.cases[0].note == "规则 `small`"
    assert made.cases[0].review == "预期结果取自现行规则簿，请确认后删去此标记"


def test_the_same_book_gives_the_same_cases() -> None:
    assert proposed(book_of(BOOK)) == proposed(book_of(BOOK))


OTHERS = """
inputs:
  day: {type: date}
  lines: {type: list, of: {type: record, fields: {n: {type: integer}}}, default: []}
decisions:
  each:
    for_each: {line: lines}
    hit_policy: first
    outputs: {o: {type: integer}}
    rules:
      - {id: high, clause: 1.1, when: {line.n: '>= 5'}, then: {o: 1}}
    default: {id: low, clause: 1.1, then: {o: line.n}}
  due:
    hit_policy: unique
    outputs: {late: {type: boolean}}
    rules:
      - {id: in-time, clause: 1.1, when: {day: '<= as_of + days(3)'}, then: {late: false}}
      - {id: late, clause: 1.1, effective: {from: 2027-01-01}, when: {day: '> as_of + days(3)'}, then: {late: true}}
  all_:
    hit_policy: rule_order
    outputs: {o: {type: integer}}
    rules:
      - {id: one, clause: 1.1, when: {due.late: true}, then: {o: 1}}
      - {id: two, clause: 1.1, then: {o: 2}}
"""


def test_lists_dates_and_rows_of_another_time() -> None:
    book = book_of(OTHERS)
    made = proposed(book)
    cases = written(book, made)
    assert (missing(book, cases), made.undecided, made.impossible) == ([], (), ())
    # The row of another time is asked in its time; the decision that needs it shows it by the way.
    assert {c.as_of for c in made.cases} == {date(2027, 1, 1)}
    assert "row `late`" not in [c.note for c in made.cases]
    each = [c for c in made.cases if c.decision == "each"]
    assert all(c.expect_items is not None and len(c.expect_items) == len(c.rows or ()) for c in each)
    assert [(c.id, c.given) for c in made.cases if c.decision == "all_"] == [("one", {"day": date(2027, 1, 5)})]


def test_cases_that_kill_what_lives_on() -> None:
    book = book_of(BOOK)
    have = (
        "policy: book\nas_of: 2026-03-15\ncases:\n  - {id: small, decision: ship, given: {amount: 1, grade: c}, expect: {outcome: yes_}}\n"
    )
    jury = Jury(book, cases_of(book, have), NOON)
    score = jury.score("ship")
    alive = score.of(Fate.SURVIVED)
    made = killing(jury, [score], {"small": "ship"})
    assert made.shown == len(alive)
    assert len(made.cases) < len(alive) / 2
    assert made.cases[0].note.startswith("notices row `small`, `amount`: ")
    assert all(c.review for c in made.cases)
    more = cases_of(book, write_cases(made.cases, book, "ship", Form.YAML).decode())
    after = Jury(book, (*cases_of(book, have), *more), NOON)
    assert after.failing == []
    assert after.score("ship").of(Fate.SURVIVED) == ()


# ---------------------------------------------------------------- any book

TABLE = """\
policy: t
title: {en: T, zh: T}
currency: CNY
inputs:
  n: {type: integer, min: 0, max: 9}
  m: {type: money}
  e: {type: money}
  g: {type: enum, values: [a, b, c]}
  d: {type: date, optional: true}
decisions:
  main:
    hit_policy: %s
    outputs: {o: {type: enum, values: [u, v, w]}}
    rules:
"""
_TESTS = {
    "n": ("<= 3", "> 3", "[2..5)", "0", "not(2)", ">= 9", "< 0"),
    "m": ("< 100", ">= 0.01", "(0..500]", "< e", "-5, 5"),
    "g": ("a", "a, b", "not(c)"),
    "d": ("null", "<= as_of", "> as_of + days(2)", "not(null)"),
}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_proposed_cases_read_back_pass_and_leave_nothing_out(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - tables, not secrets
    text = TABLE % random.choice(("first", "rule_order", "collect"))
    for i in range(random.randint(1, 4)):
        keys = random.sample(list(_TESTS), random.randint(0, 3))
        when = ", ".join(f"{k}: '{random.choice(_TESTS[k])}'" for k in keys)
        text += f"      - {{id: r{i}, clause: 1, when: {{{when}}}, then: {{o: {random.choice('uvw')}}}}}\n"
    book, report = check_source(Source("t.yaml", text))
    assert book is not None, report.render({}) + text
    made = proposed(book)
    assert made.undecided == (), text
    left = missing(book, written(book, made))
    assert len(left) == len(made.impossible), f"{text}{left}{made.impossible}"


@pytest.mark.slow
@pytest.mark.parametrize("form", list(Form))
def test_every_form_holds_them(form: Form) -> None:
    book = book_of(OTHERS)
    # Writing reads back what it wrote.
    assert write_cases(proposed(book).cases, book, "", form)

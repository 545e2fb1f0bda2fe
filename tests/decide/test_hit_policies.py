"""Each DMN hit policy on one table: which rows answer, in which order."""

from fractions import Fraction

import pytest

from books_in_text import ask, book_of, desk_of
from policybook.errors import ConflictError
from policybook.model.answer import Outcome, Verdict

ROWS = """
      - {id: small, clause: 1.1, when: {n: "< 10"}, then: {grade: C, fine: 10}}
      - {id: medium, clause: 1.1, when: {n: "[5..20]"}, then: {grade: A, fine: 30}}
      - {id: large, clause: 1.1, when: {n: "> 15"}, then: {grade: B, fine: 20}}
"""


def table(policy: str, rows: str = ROWS, default: str = "") -> str:
    return (
        "inputs: {n: {type: integer}}\n"
        f"decisions:\n  d:\n    hit_policy: {policy}\n"
        "    outputs: {grade: {type: enum, values: [A, B, C]}, fine: {type: money}}\n"
        f"    rules:{rows}{default}"
    )


@pytest.mark.parametrize(
    ("policy", "n", "rows"),
    [
        ("unique", 1, ["small"]),
        ("unique", 12, ["medium"]),
        ("first", 7, ["small"]),
        ("first", 17, ["medium"]),
        ("priority", 7, ["medium"]),
        ("priority", 17, ["medium"]),
        ("priority", 30, ["large"]),
        ("collect", 7, ["small", "medium"]),
        ("rule_order", 17, ["medium", "large"]),
        ("output_order", 7, ["medium", "small"]),
        ("output_order", 17, ["medium", "large"]),
    ],
)
def test_selected_rows(policy, n, rows):
    answer = ask(desk_of(book_of(table(policy))), "d", {"n": n})
    assert [r.id for r in answer.selected] == rows
    assert answer.outcome is Outcome.DECIDED


@pytest.mark.parametrize(("how", "n", "fine"), [("sum", 7, 40), ("sum", 17, 50), ("min", 17, 20), ("max", 7, 30), ("sum", 100, 20)])
def test_aggregations(how, n, fine):
    answer = ask(desk_of(book_of(table(f"collect {how}"))), "d", {"n": n})
    assert answer.outputs == {"fine": Fraction(fine)}
    assert [i.outputs["grade"] for i in answer.items] == [r.outputs[0].formula.value for r in answer.selected]


def test_the_aggregate_of_nothing():
    rows = "\n      - {id: never, clause: 1.1, when: {n: 5}, then: {fine: 10, grade: A}}\n"
    for how, expected in (("sum", Fraction(0)), ("min", None), ("max", None)):
        answer = ask(desk_of(book_of(table(f"collect {how}", rows))), "d", {"n": 1})
        assert (answer.outcome, answer.outputs, answer.items) == (Outcome.DECIDED, {"fine": expected}, ())


def test_count():
    body = (
        "inputs: {n: {type: integer}}\ndecisions:\n  d:\n    hit_policy: collect count\n    outputs: {hits: {type: integer}}\n    rules:\n"
    )
    body += "      - {id: a, clause: 1, when: {n: < 5}, then: {hits: 1}}\n      - {id: b, clause: 1, when: {n: < 9}, then: {hits: 1}}\n"
    desk = desk_of(book_of(body))
    assert [ask(desk, "d", {"n": n}).outputs["hits"] for n in (1, 6, 10)] == [2, 1, 0]


def test_unique_refuses_two_rows():
    with pytest.raises(ConflictError) as caught:
        ask(desk_of(book_of(table("unique"))), "d", {"n": 7})
    assert caught.value.rows == ("small", "medium")
    assert str(caught.value) == "`book.d` has hit policy unique, but more than one row matched: small, medium"


def test_any_accepts_rows_that_agree_and_refuses_those_that_do_not():
    agree = ROWS.replace("grade: A, fine: 30", "grade: C, fine: 10")
    assert [r.id for r in ask(desk_of(book_of(table("any", agree))), "d", {"n": 7}).selected] == ["small"]
    with pytest.raises(ConflictError):
        ask(desk_of(book_of(table("any"))), "d", {"n": 7})


def test_no_row_and_no_default_is_an_answer():
    rows = "\n      - {id: never, clause: 1.1, when: {n: 5}, then: {fine: 10, grade: A}}\n"
    answer = ask(desk_of(book_of(table("first", rows))), "d", {"n": 1})
    assert (answer.outcome, answer.outputs, answer.selected) == (Outcome.NO_MATCH, {}, ())


def test_the_default_answers_when_no_row_does():
    rows = "\n      - {id: never, clause: 1.1, when: {n: 5}, then: {fine: 10, grade: A}}\n"
    default = "    default: {id: otherwise, clause: 1.2, then: {fine: 0, grade: C}}\n"
    for policy in ("first", "unique", "collect"):
        answer = ask(desk_of(book_of(table(policy, rows, default))), "d", {"n": 1})
        assert [r.id for r in answer.selected] == ["otherwise"]


def test_verdicts_of_a_first_table():
    answer = ask(desk_of(book_of(table("first"))), "d", {"n": 7})
    assert [(v.row.id, v.verdict) for v in answer.tables[0].rows] == [
        ("small", Verdict.SELECTED),
        ("medium", Verdict.OUTRANKED),
        ("large", Verdict.NOT_REACHED),
    ]
    answer = ask(desk_of(book_of(table("first"))), "d", {"n": 12})
    assert [v.verdict for v in answer.tables[0].rows] == [Verdict.NOT_MATCHED, Verdict.SELECTED, Verdict.NOT_REACHED]

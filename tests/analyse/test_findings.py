"""What `policybook check` says of tables: each finding once, whole, on a book that a person can read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from books_in_text import book_of
from policybook.analyse.findings import table_findings
from policybook.analyse.limits import Limits
from policybook.diagnostics import Code, Finding, Severity

HEAD = """\
policy: shop
title: {en: Shop, zh: 店}
currency: CNY
parameters:
  small: {type: money, value: 100, clause: 5.1}
inputs:
  amount: {type: money, min: 0, title: {en: Amount, zh: 金额}}
  limit: {type: money, min: 0, default: 1000, title: {en: Limit, zh: 额度}}
  grade: {type: enum, values: [A, B, C], title: {en: Customer grade, zh: 等级}}
  days: {type: integer, min: 0, max: 10, default: 0}
  signed: {type: list, of: {type: enum, values: [m, d]}, default: []}
  due: {type: date, optional: true}
values:
  room: limit - amount
decisions:
  pre:
    hit_policy: first
    outputs: {ok: {type: boolean}}
    rules: [{id: pre-ok, clause: 1, when: {grade: "A, B"}, then: {ok: true}}]
    default: {id: pre-not, clause: 1, then: {ok: false}}
"""


def found(table: str, *, notes: bool = False, seconds: float | None = None, steps: int = 200_000) -> list[Finding]:
    book = book_of(table, HEAD)
    return [f for f in table_findings(book, limits=Limits(notes=notes, seconds=seconds, steps=steps)) if f.decision != "pre"]


def rows(policy: str, *lines: str, more: str = "") -> str:
    made = "".join(f"      - {{id: r{i}, clause: 5.1, {line}}}\n" for i, line in enumerate(lines, 1))
    return f"  t:\n    hit_policy: {policy}\n    outputs: {{o: {{type: enum, values: [x, y, z]}}}}\n    rules:\n{made}{more}"


def one(table: str, *, notes: bool = False) -> Finding:
    (finding,) = found(table, notes=notes)
    return finding


def test_a_gap_is_told_in_words_with_a_request_and_the_row_to_add() -> None:
    gap = one(rows("first", 'when: {grade: "A, B"}, then: {o: x}', "when: {grade: C, amount: < small}, then: {o: y}"))
    assert (gap.code, gap.severity) == (Code.GAP, Severity.WARNING)
    assert gap.message == "`t` decides nothing when Customer grade: C; Amount from 100.00 CNY"
    assert gap.witness == '{"amount": 100, "grade": "C"} as of 2026-01-15'
    assert gap.proposal == '- {id: t-to-name, set_by: company, when: {grade: C, amount: ">= 100"}, then: {o: x}}'


def test_a_gap_between_two_sums() -> None:
    gap = one(rows("unique", 'when: {amount: "<= 1/3 * limit"}, then: {o: x}', 'when: {amount: "> limit"}, then: {o: y}'))
    assert gap.message == "`t` decides nothing when Amount above 1/3 × Limit; Amount at most Limit"
    assert '{amount: "(1/3 * limit..limit]"}' in gap.proposal


def test_a_gap_by_the_name_of_a_value() -> None:
    gap = one(rows("first", 'when: {room: "> 0"}, then: {o: x}'))
    assert gap.message == "`t` decides nothing when room at most 0.00 CNY"
    assert 'when: {room: "<= 0"}' in gap.proposal


def test_a_point_that_two_rows_leave_out() -> None:
    gap = one(rows("first", "when: {amount: < small}, then: {o: x}", 'when: {amount: "> small"}, then: {o: y}'))
    assert gap.code is Code.BOUNDARY_LEFT_OUT
    assert gap.message == ("`t` decides nothing when Amount exactly 100.00 CNY: row `r1` ends before it and row `r2` begins after it")
    assert gap.rows == ("r1", "r2")


def test_whole_numbers_have_nothing_between_them() -> None:
    assert found(rows("unique", "when: {days: <= 4}, then: {o: x}", 'when: {days: ">= 5"}, then: {o: y}')) == []


def test_what_cannot_be_is_no_gap() -> None:
    # Bounds of the inputs, a null that cannot come, relations between sums.
    assert found(rows("unique", 'when: {amount: ">= 0", limit: "< amount"}, then: {o: x}', 'when: {room: ">= 0"}, then: {o: y}')) == []


def test_a_gap_that_another_decision_rules_out_is_none() -> None:
    assert found(rows("unique", "when: {pre.ok: true}, then: {o: x}", "when: {pre.ok: false, grade: C}, then: {o: y}")) == []


def test_a_null_is_left_open() -> None:
    gap = one(rows("first", 'when: {due: ">= as_of"}, then: {o: x}', "when: {due: < as_of}, then: {o: y}"))
    assert gap.message == "`t` decides nothing when due or as_of not stated"
    assert "when: {due: null}" in gap.proposal
    assert '"due"' not in gap.witness


def test_rows_of_a_unique_table_that_clash() -> None:
    clash, gap = found(rows("unique", "when: {amount: <= small}, then: {o: x}", 'when: {amount: "[100..200]"}, then: {o: x}'))[::-1]
    assert (clash.code, clash.severity, clash.rows) == (Code.CONFLICT, Severity.ERROR, ("r1", "r2"))
    assert clash.message == (
        "rows `r1` and `r2` both match when Amount exactly 100.00 CNY; both include Amount exactly 100.00 CNY; "
        "hit policy unique then refuses the request"
    )
    assert clash.witness == '{"amount": 100, "grade": "A"} as of 2026-01-15' or '"amount": 100' in clash.witness
    assert gap.code is Code.GAP


def test_rows_of_an_any_table_may_overlap_where_they_agree() -> None:
    table = rows(
        "any",
        "when: {amount: <= small}, then: {o: x}",
        "when: {grade: A}, then: {o: x}",
        more="    default: {id: d, clause: 1, then: {o: z}}\n",
    )
    assert found(table) == []
    clash = one(table.replace("{grade: A}, then: {o: x}", "{grade: A}, then: {o: y}"))
    assert clash.message.startswith("rows `r1` and `r2` both match and disagree when Amount at most 100.00 CNY; Customer grade: A")


def test_rows_that_never_match() -> None:
    table = rows(
        "first",
        'when: {days: "> 10"}, then: {o: x}',
        'when: {amount: "> limit", room: "> 0"}, then: {o: y}',
        'when: {amount: "> small, < small", grade: "not(A, B, C)"}, then: {o: y}',
        "when: {pre.ok: true, grade: C}, then: {o: y}",
        "then: {o: z}",
    )
    assert [f.message for f in found(table)] == [
        "row `r1` can never match: it asks for days above 10, and there is only days at most 10",
        "row `r2` can never match: its tests contradict each other",
        "row `r3` can never match: it asks for Customer grade: not stated, and there is only Customer grade: A or B or C",
        "row `r4` can never match: no request passes all of its tests at once",
    ]


def test_a_row_behind_one_other_and_behind_several() -> None:
    behind_one = rows("first", "when: {days: <= 5}, then: {o: x}", "when: {days: 3, grade: A}, then: {o: y}", "then: {o: z}")
    assert one(behind_one).message == "row `r2` never answers: row `r1` always answers first"
    behind_two = rows(
        "first",
        "when: {days: <= 5}, then: {o: x}",
        'when: {days: "> 5", grade: "A, B"}, then: {o: y}',
        "when: {grade: A}, then: {o: z}",
        "then: {o: z}",
    )
    shadowed = one(behind_two)
    assert shadowed.message == "row `r3` never answers: rows `r1`, `r2` together always answer first"
    assert (shadowed.code, shadowed.rows) == (Code.SHADOWED, ("r3", "r1", "r2"))


def test_a_row_behind_others_only_by_what_another_decision_says() -> None:
    table = rows("first", "when: {pre.ok: true}, then: {o: x}", 'when: {grade: "A, B", amount: "> small"}, then: {o: y}', "then: {o: z}")
    assert one(table).message == "row `r2` never answers: row `r1` always answers first"


def test_a_priority_row_that_is_always_outranked() -> None:
    table = rows("priority", "when: {days: <= 5}, then: {o: y}", "when: {days: < 9}, then: {o: x}", "then: {o: z}")
    assert [f.rows for f in found(table) if f.code is Code.SHADOWED] == [("r1", "r2")]


def test_a_default_that_never_answers_is_a_note() -> None:
    table = rows("first", 'when: {amount: ">= 0"}, then: {o: x}', more="    default: {id: d, clause: 1, then: {o: z}}\n")
    note = one(table)
    assert (note.severity, note.message) == (Severity.NOTE, "the default `d` never answers: the rows cover every request")


def test_rows_that_say_the_same() -> None:
    twin = one(rows("rule_order", 'when: {grade: "A, B"}, then: {o: x}', 'when: {grade: "not(C)"}, then: {o: x}'))
    assert twin.message == "row `r2` says the same as row `r1`: the same requests, the same outputs"


def test_notes_come_only_when_asked_for() -> None:
    table = rows("first", "when: {days: <= 5}, then: {o: x}", 'when: {days: ">= 5"}, then: {o: y}')
    assert found(table) == []
    noted = found(table, notes=True)
    assert [(f.code, f.severity) for f in noted] == [(Code.BOUNDARY_SHARED, Severity.NOTE), (Code.UNUSED_VALUE, Severity.NOTE)]
    assert noted[0].message == (
        "rows `r1` and `r2` both match when days exactly 5, and say different things; both include days exactly 5, and the hit policy first settles it"
    )


def test_one_row_could_say_both() -> None:
    table = rows("unique", "when: {days: <= 5, grade: A}, then: {o: x}", "when: {days: <= 5, grade: B}, then: {o: x}")
    assert [f.rows for f in found(table, notes=True) if f.code is Code.MERGEABLE_ROWS] == [("r1", "r2")]


def test_an_accepted_gap_is_told_as_accepted_and_the_rest_of_it_is_not() -> None:
    table = rows(
        "first",
        'when: {grade: "A, B"}, then: {o: x}',
        more="    accepts:\n      - {finding: gap, when: {amount: < small}, reason: {en: Too small., zh: 太小}}\n",
    )
    accepted = {f.message: f.accepted for f in found(table)}
    assert accepted == {
        "`t` decides nothing when Customer grade: C; Amount from 100.00 CNY": "",
        "`t` decides nothing when Customer grade: C; Amount below 100.00 CNY": "Too small.",
    }


def test_a_finding_is_accepted_for_the_rows_that_are_named() -> None:
    table = rows(
        "first",
        "when: {days: <= 5}, then: {o: x}",
        "when: {days: 3}, then: {o: y}",
        "when: {days: 4}, then: {o: y}",
        "then: {o: z}",
        more="    accepts: [{finding: shadowed, rows: [r2], reason: {en: Kept., zh: 留}}]\n",
    )
    assert [(f.rows[0], f.accepted) for f in found(table)] == [("r2", "Kept."), ("r3", "")]


def test_an_acceptance_that_nothing_needs() -> None:
    table = rows("first", "then: {o: x}", more="    accepts: [{finding: gap, reason: {en: Kept., zh: 留}}]\n")
    assert one(table).message == "`t` accepts the finding `gap`, which is not found (any more)"


def test_rows_in_force_at_different_times_do_not_clash() -> None:
    dated = rows(
        "unique",
        "effective: {to: 2025-12-31}, then: {o: x}",
        "effective: {from: 2026-01-01}, then: {o: y}",
    )
    assert found(dated) == []
    gap = one(dated.replace("from: 2026-01-01", "from: 2026-02-01"))
    assert gap.witness.endswith("as of 2026-01-15")


def test_a_table_over_a_list() -> None:
    gap = one(
        "  t:\n    for_each: {who: signed}\n    hit_policy: first\n    outputs: {o: {type: enum, values: [x, y, z]}}\n"
        "    rules: [{id: r1, clause: 5.1, when: {who: m}, then: {o: x}}]\n"
    )
    assert gap.message == "`t` decides nothing when who: d"
    assert '"signed": ["d"]' in gap.witness


def test_what_the_budget_does_not_reach_is_said() -> None:
    lines = [f'when: {{days: "{i}..{i + 1}", amount: "[{i}..{i + 2})", limit: "[{i}..{i + 5})"}}, then: {{o: x}}' for i in range(9)]
    lines = [line.replace('"0..1"', '"[0..1]"') for line in lines]
    table = rows(
        "first",
        *[
            line.replace('days: "', 'days: "[').replace('", amount', ']", amount').replace('"[[', '"[').replace(']]"', ']"')
            for line in lines
        ],
    )
    codes = [f.code for f in found(table, steps=5)]
    assert Code.PARTIAL in codes


@pytest.mark.parametrize(
    ("accepts", "message"),
    [
        ("{finding: gaps, reason: {en: a, zh: b}}", "`gaps` is not a finding that can be accepted"),
        ("{finding: conflict, reason: {en: a, zh: b}}", "`conflict` is not a finding that can be accepted"),
        ("{finding: gap, rows: [r9], reason: {en: a, zh: b}}", "`t` has no row `r9`"),
        ("{finding: overlap, when: {days: 3}, reason: {en: a, zh: b}}", "`when` limits an accepted gap; `overlap` is about rows"),
        ("{finding: gap}", "an acceptance of decision `t` lacks the key `reason`"),
    ],
)
def test_a_wrong_acceptance_is_a_finding(accepts: str, message: str) -> None:
    from policybook.check.book import check_source
    from policybook.source import Source

    text = HEAD + rows("first", "then: {o: x}", more=f"    accepts: [{accepts}]\n")
    _, report = check_source(Source("shop.yaml", text))
    assert message in [replace(f).message for f in report]


DATED = """\
policy: shop
title: {en: Shop, zh: 店}
effective: {from: 2020-01-01}
parameters:
  cap:
    clause: 1
    values: [{from: 2025-01-01, value: 3}, {from: 2026-01-01, value: 20}]
inputs:
  days: {type: integer, min: 0, max: 10}
decisions:
"""


def dated(table: str) -> list[Finding]:
    return list(table_findings(book_of(table, DATED)))


def test_days_on_which_a_figure_is_not_in_force_are_no_days_of_the_table() -> None:
    # Before 2025 the cap has no value and every request is refused: no row is dead for that.
    assert dated(rows("first", "when: {days: <= cap}, then: {o: x}", "then: {o: y}")[:].replace("5.1", "1"))[0].severity is Severity.NOTE


def test_a_row_that_does_nothing_at_one_time_only_is_a_note_with_the_days() -> None:
    (note,) = dated(rows("first", "when: {days: <= cap}, then: {o: x}", "then: {o: y}"))
    assert (note.severity, note.message) == (Severity.NOTE, "row `r2` never answers: row `r1` always answers first (from 2026-01-01)")


def test_a_gap_of_one_time_has_an_example_of_that_time() -> None:
    (gap,) = dated(rows("first", "when: {days: <= cap}, then: {o: x}"))
    assert gap.witness == '{"days": 4} as of 2025-12-31'

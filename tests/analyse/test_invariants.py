"""Invariants of a book: proved, refuted by requests that were decided, or said to be undecided."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from books_in_text import book_of
from policybook.analyse.broken import Breach
from policybook.analyse.invariants import Open, Proofs, Proved, invariant_findings
from policybook.analyse.space import Judge
from policybook.diagnostics import Report
from policybook.model.book import Book, Direction, Monotone, Within
from policybook.model.formula import Anything, NoneOf
from policybook.store.reload import read_books

ROOT = Path(__file__).resolve().parents[2]

SHIPMENT = """\
parameters:
  cap: {type: money, value: 100, clause: 1}
inputs:
  amount: {type: money, min: 0}
  grade:  {type: enum, values: [A, B, C], default: C}
  signed: {type: list, of: {type: enum, values: [clerk, head]}, default: []}
decisions:
  shipment:
    hit_policy: first
    outputs:
      outcome:  {type: enum, values: [ship, refuse]}
      approver: {type: enum, values: [nobody, clerk, head]}
      fee:      {type: money, optional: true}
    rules:
      - {id: small, clause: 1, when: {amount: <= cap}, then: {outcome: ship, approver: nobody, fee: amount / 10}}
      - {id: signed, clause: 1, when: {amount: <= 5 * cap, signed: contains head}, then: {outcome: ship, approver: head, fee: 20}}
      - {id: of-grade, clause: 1, when: {amount: <= 7 * cap, grade: A}, then: {outcome: ship, approver: clerk, fee: 5}}
    default: {id: refused, clause: 1, then: {outcome: refuse, approver: nobody}}
    invariants:
"""


def verdicts(book: Book) -> dict[str, Proved | Breach | Open]:
    judge = Judge(book)
    return {i.id: Proofs(judge, d).verdict(i) for d in book.decisions for i in d.invariants}


def messages(book: Book) -> list[str]:
    return [f.message for f in invariant_findings(book)]


def shipment(*invariants: str) -> Book:
    return book_of(SHIPMENT + "".join(f"      - {{{i}}}\n" for i in invariants))


# ---------------------------------------------------------------- proved


@pytest.mark.parametrize(
    "holds",
    [
        "id: i, output: outcome, never: rises, as: amount, order: [refuse, ship]",
        "id: i, output: outcome, never: falls, as: signed, order: [refuse, ship]",
        "id: i, output: outcome, never: falls, as: grade, along: [C, B, A], order: [refuse, ship]",
        "id: i, output: approver, never: falls, as: amount, order: [nobody, clerk, head], where: {shipment.outcome: ship, grade: not(A)}",
        "id: i, output: fee, within: '[0..20]'",
        "id: i, output: fee, within: <= amount, where: {amount: '>= 20'}",
        "id: i, output: fee, never: falls, as: amount, where: {grade: not(A)}",
        "id: i, in_force: [small, signed, cap], exactly: 3",
    ],
)
def test_proved(holds: str) -> None:
    assert messages(shipment(holds)) == []


# ---------------------------------------------------------------- refuted


def test_a_refutation_names_both_requests_and_where_to_look() -> None:
    book = shipment("id: dearer-never-lower, output: approver, never: falls, as: amount, order: [nobody, clerk, head]")
    (finding,) = invariant_findings(book)
    shown = Report.of([finding]).render({book.source.name: book.source})
    assert shown.splitlines() == [
        (
            "book.yaml:23:14: error[PB320 invariant-refuted]: the invariant `dearer-never-lower` does not hold: as `amount` grows from"
            " 200.00 CNY to 600.00 CNY, `approver` falls from head (row `signed`) to nobody (row `refused`);"
            ' everything else is {"signed": ["head"]} as of 2026-01-15'
        ),
        "   23 |       - {id: dearer-never-lower, output: approver, never: falls, as: amount, order: [nobody, clerk, head]}",
        "      |              ^^^^^^^^^^^^^^^^^^",
        '      = example: {"amount": 200, "signed": ["head"]} as of 2026-01-15',
        "      = help: look at row `signed` (line 19) and `refused` (line 21); mend the table, or the invariant where the policy means it so",
    ]
    assert finding.rows == ("signed", "refused")
    assert finding.decision == "shipment"


def test_an_output_outside_a_test_is_shown_with_its_request() -> None:
    assert messages(shipment("id: i, output: fee, within: '[6..20]', where: {amount: '>= 60'}")) == [
        "the invariant `i` does not hold: `fee` is 5.00 CNY (row `of-grade`), which `[6..20]` does not allow"
    ]


def test_null_is_left_out_unless_it_is_named() -> None:
    assert messages(shipment("id: i, output: fee, within: not(null)")) == [
        "the invariant `i` does not hold: `fee` is no answer (row `refused`), which `not(null)` does not allow"
    ]


def test_another_element_of_a_list() -> None:
    (message,) = messages(shipment("id: i, output: fee, never: rises, as: signed"))
    assert "as `signed` grows from [] to [head], `fee` rises from 5.00 CNY (row `of-grade`) to 20.00 CNY (row `signed`);" in message


def test_days_on_which_not_one_version_is_in_force() -> None:
    body = """\
inputs: {n: {type: integer}}
decisions:
  rate:
    hit_policy: first
    outputs: {x: {type: integer}}
    rules:
      - {id: rate-2025, clause: 1, effective: {from: 2025-01-01, to: 2025-12-30}, when: {n: "> 0"}, then: {x: 1}}
      - {id: rate-2026, clause: 1, effective: {from: 2026-01-01}, when: {n: "> 0"}, then: {x: 2}}
    invariants:
      - {id: one-version-a-day, in_force: [rate-2025, rate-2026], exactly: 1}
"""
    head = "policy: book\ntitle: t\neffective: {from: 2025-01-01}\n"
    assert messages(book_of(body, head)) == [
        (
            "the invariant `one-version-a-day` does not hold: of `rate-2025`, `rate-2026` there must be 1 in force on each day; on 2025-12-31"
            " there is none"
        )
    ]
    assert messages(book_of(body.replace("12-30", "12-31"), head)) == []
    assert messages(book_of(body.replace("12-30", "12-31"), "policy: book\ntitle: t\n")) == [
        (
            "the invariant `one-version-a-day` does not hold: of `rate-2025`, `rate-2026` there must be 1 in force on each day; on 2024-12-31"
            " there is none"
        )
    ]
    overlap = body.replace("2025-12-30", "2026-01-05")
    assert messages(book_of(overlap, head)) == [
        (
            "the invariant `one-version-a-day` does not hold: of `rate-2025`, `rate-2026` there must be 1 in force on each day; on 2026-01-01"
            " there are 2, `rate-2025`, `rate-2026`"
        )
    ]


def test_every_stretch_of_days_is_looked_at() -> None:
    body = """\
parameters:
  low:  {type: money, clause: 1, values: [{from: 2025-01-01, value: 10}, {from: 2027-01-01, value: 30}]}
  high: {type: money, value: 20, clause: 1}
inputs: {amount: {type: money, min: 0}}
decisions:
  d:
    hit_policy: first
    outputs: {fee: {type: money}}
    rules:
      - {id: small, clause: 1, when: {amount: <= 5}, then: {fee: low}}
    default: {id: large, clause: 1, then: {fee: high}}
    invariants:
      - {id: dearer-never-cheaper, output: fee, never: falls, as: amount}
"""
    assert messages(book_of(body)) == [
        (
            "the invariant `dearer-never-cheaper` does not hold: as `amount` grows from 0.00 CNY to 100.00 CNY, `fee` falls from 30.00 CNY"
            " (row `small`) to 20.00 CNY (row `large`); everything else is {} as of 2027-01-01"
        )
    ]


def test_no_answer_can_be_a_rank() -> None:
    body = """\
inputs: {amount: {type: money, min: 0}}
decisions:
  d:
    hit_policy: first
    outputs: {who: {type: enum, values: [clerk, head]}}
    rules:
      - {id: small, clause: 1, when: {amount: <= 5}, then: {who: clerk}}
    invariants:
      - {id: left-out, output: who, never: falls, as: amount, order: [clerk, head]}
      - {id: named, output: who, never: falls, as: amount, order: [null, clerk, head]}
"""
    (message,) = messages(book_of(body))
    assert message.startswith("the invariant `named` does not hold: as `amount` grows from 0.00 CNY to 100.00 CNY, `who` falls from clerk")
    assert "to no answer; everything else is {}" in message


# ---------------------------------------------------------------- lists

PAYMENTS = """\
inputs:
  limit:    {type: money, min: 0}
  payments: {type: list, of: {type: record, fields: {amount: {type: money, min: 0}, kind: {type: enum, values: [cash, cheque]}}}}
values:
  least: min(payments.amount)
  many: count(payments)
decisions:
  counted:
    for_each: {payment: payments}
    hit_policy: first
    outputs: {counts: {type: money}}
    rules:
      - {id: small, clause: 1, when: {payment.amount: < limit}, then: {counts: payment.amount}}
    default: {id: large, clause: 1, then: {counts: 0}}
    invariants:
      - {id: no-more-than-paid, output: counts, within: "[0..round(payment.amount, 2)]"}
      - {id: higher-limit-counts-no-less, output: counts, never: falls, as: limit}
      - {id: higher-limit-counts-no-more, output: counts, never: rises, as: limit}
  charges:
    for_each: {payment: payments}
    hit_policy: collect sum
    outputs: {charge: {type: money}}
    rules:
      - {id: cheque, clause: 1, when: {payment.kind: cheque}, then: {charge: 3}}
      - {id: small-payment, clause: 1, when: {payment.amount: < limit}, then: {charge: 1}}
    invariants:
      - {id: another-payment-never-cheaper, output: charge, never: falls, as: payments}
      - {id: higher-limit-never-cheaper, output: charge, never: falls, as: limit}
      - {id: charge-is-not-negative, output: charge, within: ">= 0"}
      - {id: at-most-three, output: charge, within: "[0..3]"}
  total:
    hit_policy: first
    outputs: {sum: {type: money}, least: {type: money, optional: true}, many: {type: integer}}
    rules: [{id: all, clause: 1, then: {sum: sum(counted.counts), least: least, many: many}}]
    invariants:
      - {id: sum-grows-with-payments, output: sum, never: falls, as: payments}
      - {id: sum-never-grows-with-limit, output: sum, never: rises, as: limit}
      - {id: least-never-falls, output: least, never: falls, as: payments}
      - {id: least-never-rises, output: least, never: rises, as: payments}
      - {id: many-never-falls, output: many, never: falls, as: payments}
      - {id: many-is-bounded, output: many, within: "< 3"}
"""


def test_lists_of_any_length() -> None:
    found = verdicts(book_of(PAYMENTS))
    assert {name: type(v).__name__ for name, v in found.items()} == {
        "no-more-than-paid": "Proved",
        "higher-limit-counts-no-less": "Proved",
        "higher-limit-counts-no-more": "Breach",
        "another-payment-never-cheaper": "Proved",
        # True; but of two sums over lists of any length nothing is known.
        "higher-limit-never-cheaper": "Open",
        "charge-is-not-negative": "Proved",
        "at-most-three": "Breach",
        "sum-grows-with-payments": "Proved",
        "sum-never-grows-with-limit": "Breach",
        "least-never-falls": "Breach",
        "least-never-rises": "Proved",
        "many-never-falls": "Proved",
        # It takes three payments to break it, and requests are made with two.
        "many-is-bounded": "Open",
    }


def test_the_element_is_named() -> None:
    book = book_of(PAYMENTS)
    found = {f.message.split("`")[1]: f.message for f in invariant_findings(book)}
    assert "`counts` of element 1 rises from 0.00 CNY (row `large`) to " in found["higher-limit-counts-no-more"]


# ---------------------------------------------------------------- undecided

MANY = """\
inputs: {payments: {type: list, of: {type: record, fields: {amount: {type: money}}}}}
decisions:
  d:
    hit_policy: first
    outputs: {many: {type: integer}}
    rules: [{id: all, clause: 1, then: {many: count(payments)}}]
    invariants:
      - {id: never-many, output: many, within: "< 3"}
"""


def test_what_is_neither_is_said_to_be_undecided() -> None:
    book = book_of(MANY)
    (finding,) = invariant_findings(book)
    shown = Report.of([finding]).render({book.source.name: book.source})
    assert shown.splitlines() == [
        (
            "book.yaml:11:14: warning[PB321 invariant-undecided]: it could not be decided whether the invariant `never-many` always holds:"
            " only longer lists could break it"
        ),
        '   11 |       - {id: never-many, output: many, within: "< 3"}',
        "      |              ^^^^^^^^^^",
        "      = help: say it of fewer requests (`where`), or keep it as cases of a test table",
    ]


def test_no_time_is_no_verdict() -> None:
    book = shipment("id: i, output: fee, within: '[6..20]', where: {amount: '>= 60'}")
    (decision,) = book.decisions
    assert isinstance(Proofs(Judge(book), decision, seconds=0.0).verdict(decision.invariants[0]), Open)


# ---------------------------------------------------------------- the project's own books

BOOKS = {b.name: b for b in read_books([ROOT / "rules"]).books}


@pytest.mark.parametrize("name", sorted(n for n, b in BOOKS.items() if any(d.invariants for d in b.decisions)))
def test_our_own_books_keep_what_they_declare(name: str) -> None:
    assert messages(BOOKS[name]) == []


def test_our_own_books_declare_much() -> None:
    assert sum(len(d.invariants) for b in BOOKS.values() for d in b.decisions) >= 90


@pytest.mark.parametrize("name", sorted(n for n, b in BOOKS.items() if any(d.invariants for d in b.decisions)))
def test_none_of_them_is_empty(name: str) -> None:
    """The contrary of each is refuted: there are requests of which it speaks."""
    book = BOOKS[name]
    judge = Judge(book)
    for decision in book.decisions:
        for invariant in decision.invariants:
            claim = invariant.claim
            if isinstance(claim, Monotone):
                contrary = Direction.RISES if claim.never is Direction.FALLS else Direction.FALLS
                turned = replace(invariant, claim=replace(claim, never=contrary))
            elif isinstance(claim, Within):
                turned = replace(invariant, claim=replace(claim, test=NoneOf((Anything(),))))
            else:
                continue
            assert isinstance(Proofs(judge, decision).verdict(turned), Breach), invariant.id

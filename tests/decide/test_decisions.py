"""Chains, lists, dates, exactness: what a decision is beyond its hit policy."""

from datetime import UTC, date, datetime
from fractions import Fraction

import pytest

from books_in_text import ask, book_of, desk_of
from policybook import Request
from policybook.errors import FactsError, NotInForceError, RequestError, UnknownNameError, VersionMismatchError
from policybook.model.answer import TraceLevel, Verdict
from policybook.model.facts import Raw, RawMoney, Tag

CHAIN = """
parameters:
  share: {value: 1/3, clause: 1.1}
inputs:
  limit: {type: money, min: 0}
  amount: {type: money, min: 0}
  papers: {type: list, of: {type: enum, values: [identity, contract]}, default: []}
values:
  cap: share * limit
decisions:
  shipment:
    hit_policy: first
    outputs: {outcome: {type: enum, values: [ship, refuse]}, room: {type: money}}
    rules:
      - {id: not-eligible, clause: 1.1, when: {eligibility.eligible: "false"}, then: {outcome: refuse, room: 0}}
      - {id: below, clause: 1.1, when: {amount: < cap}, then: {outcome: ship, room: cap - amount}}
    default: {id: not-below, clause: 1.1, then: {outcome: refuse, room: 0}}
  missing:
    hit_policy: collect
    outputs: {paper: {type: enum, values: [identity, contract]}}
    rules:
      - {id: no-identity, clause: 1.1, when: {papers: not(contains identity)}, then: {paper: identity}}
      - {id: no-contract, clause: 1.1, when: {papers: not(contains contract)}, then: {paper: contract}}
  eligibility:
    hit_policy: first
    values: {lacking: count(missing.paper)}
    outputs: {eligible: {type: boolean}, lacks: {type: list, of: {type: enum, values: [identity, contract]}}}
    rules:
      - {id: complete, clause: 1.1, when: {lacking: 0}, then: {eligible: true, lacks: missing.paper}}
    default: {id: incomplete, clause: 1.1, then: {eligible: false, lacks: missing.paper}}
"""
PAPERS = ["identity", "contract"]


def test_required_decisions_come_first_whatever_the_order_written():
    answer = ask(desk_of(book_of(CHAIN)), "shipment", {"limit": 300, "amount": 99, "papers": PAPERS})
    assert [t.decision.name for t in answer.tables] == ["missing", "eligibility", "shipment"]
    assert answer.outputs["outcome"] == "ship"


def test_a_list_of_what_is_missing_passes_through():
    answer = ask(desk_of(book_of(CHAIN)), "eligibility", {"papers": ["contract"]})
    assert answer.outputs == {"eligible": False, "lacks": ("identity",)}


@pytest.mark.parametrize(
    ("limit", "amount", "outcome"),
    [
        ("10000", "3333.33", "ship"),
        ("10000", "3333.34", "refuse"),
        ("9999", "3333", "refuse"),
        ("9999", "3332.99", "ship"),
        ("0", "0", "refuse"),
    ],
)
def test_exactly_a_third_is_not_below_a_third(limit, amount, outcome):
    assert ask(desk_of(book_of(CHAIN)), "shipment", {"limit": limit, "amount": amount, "papers": PAPERS}).outputs["outcome"] == outcome


def test_money_is_rounded_to_its_currency_half_up():
    answer = ask(desk_of(book_of(CHAIN)), "shipment", {"limit": 100, "amount": "0.005", "papers": PAPERS})
    assert answer.outputs["room"] == Fraction("33.33")


def test_the_trace_holds_what_was_looked_at_and_the_figures():
    table = ask(desk_of(book_of(CHAIN)), "shipment", {"limit": 300, "amount": 99, "papers": PAPERS}).tables[-1]
    assert {n.name: n.value for n in table.inputs} == {"limit": 300, "amount": 99, "cap": 100, "eligibility.eligible": True}
    assert [(p.parameter.name, p.value) for p in table.parameters] == [("share", Fraction(1, 3))]
    below = next(v for v in table.rows if v.row.id == "below")
    assert [(c.key, c.test, c.actual, c.passed) for c in below.cells] == [("amount", "< cap", 99, True)]


def test_the_trace_level_decides_how_much():
    desk = desk_of(book_of(CHAIN))
    facts = {"limit": 300, "amount": 99, "papers": PAPERS}
    assert ask(desk, "shipment", facts, trace=TraceLevel.NONE).tables == ()
    matched = ask(desk, "shipment", facts, trace=TraceLevel.MATCHED).tables[-1]
    assert [(v.row.id, v.verdict, v.cells) for v in matched.rows] == [("below", Verdict.SELECTED, ())]


FOR_EACH = """
inputs:
  day: {type: date}
  payments: {type: list, of: {type: record, fields: {amount: {type: money, min: 0}, paid_on: {type: date}, note: {type: text, optional: true}}}}
decisions:
  counted:
    for_each: {payment: payments}
    hit_policy: first
    outputs: {counts: {type: money}}
    rules:
      - {id: inside, clause: 1, when: {payment.paid_on: "[day - P30D..day)"}, then: {counts: payment.amount}}
    default: {id: outside, clause: 1, then: {counts: 0}}
  limit:
    hit_policy: first
    values: {total: sum(counted.counts)}
    outputs: {limit: {type: money}, largest: {type: money, optional: true}, how_many: {type: integer}}
    rules:
      - {id: sum, clause: 1, when: {}, then: {limit: total, largest: max(counted.counts), how_many: count(payments.amount)}}
  flagged:
    for_each: {payment: payments}
    hit_policy: collect sum
    outputs: {weight: {type: integer}, why: {type: text}}
    rules:
      - {id: big, clause: 1, when: {payment.amount: ">= 100"}, then: {weight: 2, why: '"big"'}}
      - {id: noted, clause: 1, when: {payment.note: not(null)}, then: {weight: 1, why: payment.note}}
"""


def payment(amount, day, **more):
    return {"amount": amount, "paid_on": day, **more}


def test_a_table_over_a_list_is_asked_once_for_each_element():
    facts = {
        "day": "2026-03-31",
        "payments": [payment(100, "2026-03-01"), payment(50, "2026-02-28"), payment(7, "2026-03-30"), payment(9, "2026-03-31")],
    }
    answer = ask(desk_of(book_of(FOR_EACH)), "counted", facts)
    assert [(i.item_number, i.row.id, i.outputs["counts"]) for i in answer.items] == [
        (1, "inside", 100),
        (2, "outside", 0),
        (3, "inside", 7),
        (4, "outside", 0),
    ]
    assert [t.item_number for t in answer.tables] == [1, 2, 3, 4]
    assert ask(desk_of(book_of(FOR_EACH)), "limit", facts).outputs == {"limit": 107, "largest": 100, "how_many": 4}


def test_a_table_over_an_empty_list():
    answer = ask(desk_of(book_of(FOR_EACH)), "limit", {"day": "2026-03-31", "payments": []})
    assert answer.outputs == {"limit": 0, "largest": None, "how_many": 0}


def test_several_rows_of_several_elements_add_up():
    facts = {"payments": [payment(100, "2026-03-01", note="late"), payment(5, "2026-03-01"), payment(6, "2026-03-01", note="x")]}
    answer = ask(desk_of(book_of(FOR_EACH)), "flagged", facts)
    assert answer.outputs == {"weight": 4}
    assert [(i.item_number, i.outputs["why"]) for i in answer.items] == [(1, "big"), (1, "late"), (3, "x")]


DATED = """
effective: {from: 2025-01-01, to: 2027-12-31}
parameters:
  days:
    clause: 1.1
    values: [{from: 2025-06-01, value: 30}, {from: 2026-01-01, value: 45}]
inputs: {age: {type: integer}}
decisions:
  d:
    hit_policy: first
    outputs: {outcome: {type: enum, values: [late, ok, new_rule]}}
    rules:
      - {id: new, clause: 1, effective: {from: 2027-01-01}, when: {age: 0}, then: {outcome: new_rule}}
      - {id: late, clause: 1, when: {age: "> days"}, then: {outcome: late}}
      - {id: ok, clause: 1, when: {age: "<= days"}, then: {outcome: ok}}
"""


@pytest.mark.parametrize(
    ("as_of", "age", "outcome"),
    [
        (date(2025, 6, 1), 31, "late"),
        (date(2025, 12, 31), 31, "late"),
        (date(2026, 1, 1), 31, "ok"),
        (date(2026, 12, 31), 0, "ok"),
        (date(2027, 1, 1), 0, "new_rule"),
        (date(2027, 12, 31), 46, "late"),
        # 2025-12-31 16:30 UTC is the new year in Shanghai.
        (datetime(2025, 12, 31, 16, 30, tzinfo=UTC), 31, "ok"),
        (datetime(2025, 12, 31, 15, 30, tzinfo=UTC), 31, "late"),
    ],
)
def test_figures_and_rows_apply_as_of_a_day_in_the_books_zone(as_of, age, outcome):
    assert ask(desk_of(book_of(DATED)), "d", {"age": age}, as_of=as_of).outputs["outcome"] == outcome


@pytest.mark.parametrize(
    ("as_of", "message"),
    [
        (date(2024, 12, 31), "policy `book` is not in force on 2024-12-31; it is from 2025-01-01 to 2027-12-31"),
        (date(2028, 1, 1), "policy `book` is not in force on 2028-01-01; it is from 2025-01-01 to 2027-12-31"),
        (date(2025, 5, 31), "`book` gives no value of `days` for 2025-05-31"),
    ],
)
def test_out_of_force_is_said(as_of, message):
    with pytest.raises(NotInForceError) as caught:
        ask(desk_of(book_of(DATED)), "d", {"age": 1}, as_of=as_of)
    assert str(caught.value) == message


def test_now_is_the_close_of_a_day_given_alone():
    body = """
inputs: {due: {type: datetime}}
decisions:
  d:
    hit_policy: first
    outputs: {late: {type: boolean}}
    rules: [{id: late, clause: 1, when: {now: "> due"}, then: {late: true}}]
    default: {id: in-time, clause: 1, then: {late: false}}
"""
    desk = desk_of(book_of(body))
    due = {"due": "2026-03-15T16:00:00+08:00"}
    assert ask(desk, "d", due, as_of=date(2026, 3, 15)).outputs["late"] is True
    assert ask(desk, "d", due, as_of=date(2026, 3, 14)).outputs["late"] is False
    assert ask(desk, "d", due).outputs["late"] is False  # the clock of these tests stands at noon
    assert ask(desk, "d", due, as_of=datetime(2026, 3, 15, 8, 0, 1, tzinfo=UTC)).outputs["late"] is True


def test_every_fault_of_the_facts_is_told_at_once():
    with pytest.raises(FactsError) as caught:
        ask(desk_of(book_of(CHAIN)), "shipment", {"limit": "-1", "papers": ["identity", "passport", 5], "amout": 3})
    assert [(f.path, f.message) for f in caught.value.report] == [
        ("facts.limit", "`limit` is -1.00 CNY"),
        ("facts.amount", "`amount` is missing"),
        ("facts.papers[1]", "`papers` is `passport`"),
        ("facts.papers[2]", "`papers` is `5`"),
        ("facts.amout", "`amout` is not an input of `book`"),
    ]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (Raw(Tag.MONEY, RawMoney("100", "USD")), "`amount` is in `USD`"),
        (Raw(Tag.MONEY, RawMoney("NaN", "CNY")), "`amount`: `NaN` is not a decimal number such as `1200.50`"),
        (Raw(Tag.MONEY, RawMoney("Infinity", "")), "`amount`: `Infinity` is not a decimal number such as `1200.50`"),
        (Raw(Tag.MONEY, RawMoney("1" * 400, "")), "`amount`: a number may have at most 38 digits, this has 400 characters"),
        (Raw(Tag.MONEY, RawMoney("1e400", "")), "`amount`: an exponent may be at most 38"),
        (Raw(Tag.MONEY, RawMoney("１２", "")), "`amount`: `１２` is not a decimal number such as `1200.50`"),
        (Raw(Tag.MONEY, RawMoney("", "")), "`amount`: `` is not a decimal number such as `1200.50`"),
        (Raw(Tag.DECIMAL, "100"), "`amount` is given as a decimal"),
        (Raw(Tag.TEXT, "100"), "`amount` is given as text"),
        (Raw(Tag.FLAG, True), "`amount` is given as a flag (true or false)"),
        (Raw(Tag.NULL, None), "`amount` is null"),
    ],
)
def test_an_amount_that_is_none(raw, message):
    with pytest.raises(FactsError) as caught:
        desk_of(book_of(CHAIN)).decide(Request(decision="book.shipment", facts={"amount": raw, "limit": Raw(Tag.MONEY, RawMoney("5", ""))}))
    assert [(f.path, f.message) for f in caught.value.report] == [("facts.amount", message)]


def test_division_by_a_fact_that_is_zero_refuses_the_request():
    body = "inputs: {a: {type: number}, b: {type: number}}\ndecisions:\n  d:\n    hit_policy: first\n    outputs: {x: {type: number}}\n    rules:\n      - {id: r, clause: 1, when: {a: < 1 / b}, then: {x: a}}\n"
    desk = desk_of(book_of(body))
    assert ask(desk, "d", {"a": "0.3", "b": 3}).outputs == {"x": Fraction("0.3")}
    with pytest.raises(FactsError, match="division by zero"):
        ask(desk, "d", {"a": 1, "b": 0})


def test_names_that_are_not_there():
    desk = desk_of(book_of(CHAIN))
    with pytest.raises(UnknownNameError) as caught:
        ask(desk, "book.shipmnt", {})
    assert caught.value.near == ("book.shipment",)
    with pytest.raises(UnknownNameError) as caught:
        ask(desk, "bok.shipment", {})
    assert (caught.value.kind, caught.value.near) == ("policy", ("book",))
    for name in ("shipment.", "..", "Book.shipment", "book.shipment.outcome", "", "信用.发货"):
        with pytest.raises(RequestError):
            desk.decide(Request(decision=name))


def test_pinned_versions():
    old, new = book_of(DATED), book_of(DATED.replace("value: 45", "value: 60"))
    desk = desk_of(old)
    other = book_of(CHAIN, "policy: other\ntitle: x\ncurrency: CNY\n")
    for book in (new, other):
        desk.store.publish(desk_of(book).store.edition(book.name))
    assert ask(desk, "d", {"age": 50}).outputs["outcome"] == "ok"
    assert ask(desk, "d", {"age": 50}, version=old.version).outputs["outcome"] == "late"
    assert ask(desk, "d", {"age": 50}, version=old.version[:8]).version == old.version
    assert desk.store.previous("book") == (old.version,)
    with pytest.raises(VersionMismatchError):
        ask(desk, "d", {"age": 50}, version=other.version)
    for unknown in ("0" * 64, old.version[:7]):
        with pytest.raises(UnknownNameError):
            ask(desk, "d", {"age": 50}, version=unknown)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_days_at_the_ends_of_the_calendar_refuse_the_request_and_nothing_worse(day):
    body = """
inputs: {on: {type: date}}
decisions:
  d:
    hit_policy: first
    values: {close: "end_of_day(on)", start: "datetime(on, 00:00)", later: on + P1M}
    outputs: {x: {type: datetime}}
    rules: [{id: r, clause: 1, when: {later: "> on"}, then: {x: close}}]
    default: {id: e, clause: 1, then: {x: start}}
"""
    desk = desk_of(book_of(body))
    with pytest.raises(FactsError, match="out of range"):
        ask(desk, "d", {"on": day})

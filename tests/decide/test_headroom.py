"""Headroom: how far a quantity may move, alone, before a table answers otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from books_in_text import ask, book_of, desk_of
from policybook import TraceLevel
from policybook.decide.chain import Decider
from policybook.engine.program import Program
from policybook.errors import ConflictError
from policybook.model.answer import Headroom, Outcome, Side
from policybook.model.book import Book
from policybook.values import Value

TODAY = date(2026, 3, 15)
NOON = datetime(2026, 3, 15, 4, tzinfo=UTC)


def headroom(body: str, facts: Mapping[str, Any], decision: str = "d") -> tuple[Headroom, ...]:
    return next(
        t.headroom for t in reversed(ask(desk_of(book_of(body)), decision, facts, as_of=TODAY).tables) if t.decision.name == decision
    )


def told(h: Headroom) -> tuple[object, ...]:
    return (
        h.quantity.name, h.quantity.value, h.side.value, h.threshold, h.included, h.distance, h.moved,
        tuple(r.id for r in h.beyond.rows), h.beyond.test,
    )  # fmt: skip


CAP = """
parameters: {cap: {value: 1/3, set_by: company, unit: of the limit}}
inputs:
  limit: {type: money, min: 0}
  amount: {type: money, min: 0, title: {en: Amount, zh: 金额}}
decisions:
  d:
    hit_policy: first
    outputs: {outcome: {type: enum, values: [ship, refuse]}, fee: {type: money}}
    rules:
      - {id: free, set_by: company, when: {amount: 0}, then: {outcome: ship, fee: 0}}
      - {id: below, set_by: company, when: {amount: "< cap * limit"}, then: {outcome: ship, fee: amount * 1%}}
    default: {id: over, set_by: company, then: {outcome: refuse, fee: 0}}
"""


def test_distance_side_and_what_comes_beyond() -> None:
    up, down = headroom(CAP, {"limit": 9000, "amount": 2500})
    assert told(up) == ("amount", 2500, "below", 3000, False, 500, "amount", ("over",), "< cap * limit")
    assert dict(up.beyond.outputs) == {"outcome": "refuse", "fee": 0}
    assert told(down) == ("amount", 2500, "above", 0, False, 2500, "amount", ("free",), "0")
    assert up.quantity.title.zh == "金额"


def test_a_ratio_stays_exact() -> None:
    (up, _) = headroom(CAP, {"limit": 10000, "amount": 2500})
    assert up.threshold == Fraction(10000, 3)
    assert up.distance == Fraction(2500, 3)


def test_outputs_beyond_are_worked_out_there() -> None:
    (down,) = headroom(CAP, {"limit": 10000, "amount": 4000})
    assert told(down)[:8] == ("amount", 4000, "above", Fraction(10000, 3), True, Fraction(2000, 3), "amount", ("below",))
    # A cent below the cap, where the amount is one.
    assert down.beyond.outputs["fee"] == Fraction(3333, 100)


def test_nothing_at_trace_none() -> None:
    answer = ask(desk_of(book_of(CAP)), "d", {"limit": 9000, "amount": 2500}, trace=TraceLevel.NONE)
    assert answer.tables == ()


@pytest.mark.parametrize(("test", "at", "wanted"), [
    ("<= 5", 3, [("below", 5, True, 2)]),
    ("< 5", 3, [("below", 5, False, 2)]),
    ("<= 5", 5, [("below", 5, True, 0)]),
    ("< 5", 5, [("above", 5, True, 0)]),
    ("< 4.5", 3, [("below", 4, True, 1)]),
    ("[2..4]", 3, [("below", 4, True, 1), ("above", 2, True, 1)]),
    ("(2..4)", 3, [("below", 4, False, 1), ("above", 2, False, 1)]),
    ("> 12", 3, []),
    (">= 0", 3, []),
])  # fmt: skip
def test_whole_numbers(test: str, at: int, wanted: list[tuple[object, ...]]) -> None:
    body = f"""
inputs: {{n: {{type: integer, min: 0, max: 10}}}}
decisions:
  d:
    hit_policy: first
    outputs: {{x: {{type: enum, values: [a, b]}}}}
    rules: [{{id: r, set_by: company, when: {{n: "{test}"}}, then: {{x: a}}}}]
    default: {{id: e, set_by: company, then: {{x: b}}}}
"""
    assert [(h.side.value, h.threshold, h.included, h.distance) for h in headroom(body, {"n": at})] == wanted


def test_days_left() -> None:
    body = """
inputs: {due: {type: date}}
decisions:
  d:
    hit_policy: first
    outputs: {late: {type: boolean}}
    rules: [{id: late, set_by: company, when: {as_of: "> due"}, then: {late: true}}]
    default: {id: on-time, set_by: company, then: {late: false}}
"""
    (up,) = headroom(body, {"due": "2026-03-17"})
    assert told(up) == ("as_of", TODAY, "below", date(2026, 3, 17), True, timedelta(days=2), "as_of", ("late",), "> due")


def test_a_sum_is_named_by_its_own_name_and_moved_by_the_input_on_the_fewest_axes() -> None:
    body = """
inputs: {owed: {type: money, min: 0}, more: {type: money, min: 0}, limit: {type: money}}
values: {exposure: {is: owed + more, title: {en: Exposure, zh: 余额}}}
decisions:
  d:
    hit_policy: first
    outputs: {x: {type: enum, values: [a, b, c]}}
    rules:
      - {id: much, set_by: company, when: {owed: "> 100"}, then: {x: a}}
      - {id: fits, set_by: company, when: {exposure: "<= limit"}, then: {x: b}}
    default: {id: over, set_by: company, then: {x: c}}
"""
    by_mover = {h.moved: h for h in headroom(body, {"owed": 50, "more": 70, "limit": 150})}
    assert told(by_mover["more"])[:6] == ("exposure", 120, "below", 150, True, 30)
    # `owed` is on both axes: it would go over the limit first.
    assert told(by_mover["owed"])[:8] == ("exposure", 120, "below", 150, True, 30, "owed", ("over",))


def test_rows_with_the_same_outputs_are_one_answer() -> None:
    body = """
inputs: {n: {type: integer}}
decisions:
  d:
    hit_policy: first
    outputs: {x: {type: enum, values: [a, b]}}
    rules:
      - {id: r1, set_by: company, when: {n: "< 5"}, then: {x: a}}
      - {id: r2, set_by: company, when: {n: "< 9"}, then: {x: a}}
    default: {id: e, set_by: company, then: {x: b}}
"""
    (up,) = headroom(body, {"n": 3})
    assert told(up)[2:8] == ("below", 9, False, 6, "n", ("e",))


def test_a_conflict_beyond_is_said() -> None:
    body = """
inputs: {n: {type: integer}}
decisions:
  d:
    hit_policy: unique
    outputs: {x: {type: enum, values: [a, b]}}
    rules:
      - {id: r1, set_by: company, when: {n: "< 5"}, then: {x: a}}
      - {id: r2, set_by: company, when: {n: ">= 3"}, then: {x: b}}
"""
    up, *_ = headroom(body, {"n": 1})
    assert (up.threshold, up.included) == (3, False)
    assert "r1, r2" in up.beyond.refused


def test_collected_and_itemised_tables() -> None:
    body = """
inputs: {days: {type: list, of: integer}, n: {type: integer}}
decisions:
  d:
    for_each: {day: days}
    hit_policy: first
    outputs: {fine: {type: number}}
    rules: [{id: late, set_by: company, when: {day: "> 3"}, then: {fine: day * 10}}]
    default: {id: fine, set_by: company, then: {fine: 0}}
  c:
    hit_policy: collect sum
    outputs: {fee: {type: number}}
    rules:
      - {id: base, set_by: company, when: {n: "> 0"}, then: {fee: 5}}
      - {id: more, set_by: company, when: {n: "> 10"}, then: {fee: n}}
"""
    (up,) = headroom(body, {"days": [2]})
    assert told(up)[:8] == ("day", 2, "below", 3, True, 1, "day", ("late",))
    assert dict(up.beyond.outputs) == {"fine": 40}
    up, down = headroom(body, {"n": 4}, "c")
    assert (up.threshold, dict(up.beyond.outputs)) == (10, {"fee": 16})
    assert (down.threshold, dict(down.beyond.outputs), down.beyond.outcome) == (0, {"fee": 0}, Outcome.DECIDED)


# ------------------------------------------------------------ against every value

LOW, HIGH = 0, 12


def random_table(seed: int) -> Book:
    r = Random(seed)  # noqa: S311 - tables, not secrets
    policy = r.choice(("first", "first", "unique", "any", "priority", "rule_order", "collect sum", "output_order"))
    rows = []
    for i in range(r.randint(1, 5)):
        tests = {}
        for key in r.sample(("a", "b", "s", "t", "f"), r.randint(1, 3)):
            tests[key] = {
                "a": lambda: f"'{r.choice(('<', '<=', '>', '>=', ''))} {r.randint(0, 12)}'",
                "b": lambda: f"'[{(n := r.randint(0, 9))}..{n + r.randint(1, 5)}{r.choice('])')}'",
                "s": lambda: f"'{r.choice(('<', '>='))} {r.randint(0, 24)}'",
                "t": lambda: f"'{r.choice(('<', '>'))} {r.choice(('b', '2 * b', 'b + 3', '0.5 * b'))}'",
                "f": lambda: r.choice(("true", "false")),
            }[key]()
        tests["a"] = tests.pop("t") if "t" in tests and "a" not in tests else tests.get("a", tests.pop("t", "'>= 0'"))
        tests.pop("t", None)
        when = ", ".join(f"{k}: {v}" for k, v in tests.items())
        given_out = r.choice(("1", "2", "3", "a", "a + b"))
        rows.append(f"      - {{id: r{i}, set_by: company, when: {{{when}}}, then: {{x: {r.choice('abc')}, y: {given_out}}}}}\n")
    default = "    default: {id: e, set_by: company, then: {x: c, y: 0}}\n" if r.random() < 0.6 else ""
    return book_of(f"""
inputs:
  a: {{type: integer, min: {LOW}, max: {HIGH}}}
  b: {{type: integer, min: {LOW}, max: {HIGH}}}
  f: {{type: boolean}}
values: {{s: a + b}}
decisions:
  d:
    hit_policy: {policy}
    outputs: {{x: {{type: enum, values: [a, b, c]}}, y: {{type: number}}}}
    rules:
{"".join(rows)}{default}""")


@settings(max_examples=150)
@given(seed=st.integers(0, 10_000), data=st.data())
def test_headroom_is_where_every_value_says_that_the_answer_changes(seed: int, data: st.DataObject) -> None:
    book = random_table(seed)
    decider = Decider(book, Program.of(book))
    decision = book.decision_by_name["d"]
    facts: dict[str, Value] = {n: Fraction(data.draw(st.integers(LOW, HIGH), label=n)) for n in ("a", "b")}
    facts["f"] = data.draw(st.booleans(), label="f")

    def answer(facts: Mapping[str, Value]) -> tuple[tuple[str, ...], list[object]] | None:
        try:
            verdict = decider.decide(decision, facts, TODAY, NOON, TraceLevel.NONE)
        except ConflictError:
            return None
        given_out = [dict(i.outputs) for i in verdict.items] or [dict(verdict.outputs)]
        return tuple(r.id for r in verdict.selected), list(given_out)

    here = answer(facts)
    if here is None:
        return
    found = decider.decide(decision, facts, TODAY, NOON, TraceLevel.MATCHED).tables[-1].headroom
    movers = [m.atom.name for m in decider.headrooms["d"]._by_era[0].movers]
    constant = decider.outputs["d"].constant
    for name in movers:
        for step in (1, -1):
            told = next((h for h in found if h.moved == name and (h.side is Side.BELOW) == (step == 1)), None)
            value = int(facts[name])  # type: ignore[arg-type]
            beyond = None
            while LOW <= value + step <= HIGH:
                value += step
                there = answer({**facts, name: Fraction(value)})
                same_rows = there is not None and there[0] == here[0]
                equal = there is not None and there[1] == here[1] and all(r in constant for r in (*there[0], *here[0]))
                if not same_rows and not equal:
                    beyond = (value, there)
                    break
            if beyond is None:
                assert told is None, (name, step, told)
                continue
            assert told is not None, (name, step, beyond)
            at, there = beyond
            assert (there is None) == bool(told.beyond.refused)
            if there is not None:
                assert tuple(r.id for r in told.beyond.rows) == there[0]
                if not decision.hit_policy.multi:
                    assert [dict(told.beyond.outputs)] == (there[1] if there[0] else [{}])
            if told.quantity.name == name:
                assert told.threshold == at - (step if told.included else 0)
                assert told.distance == abs(told.threshold - facts[name])  # type: ignore[operator]
                assert told.side is (Side.BELOW if step == 1 else Side.ABOVE)

"""How many requests come close to a threshold: the same one by one and together, and what a plain reading of the rule says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from books_in_text import book_of, desk_of, raw
from policybook import Desk, Request, TraceLevel
from policybook.audit.entry import Purpose
from policybook.decide import near
from policybook.server.meter import Meter
from policybook.values import decimal_text

TODAY = date(2026, 3, 15)
# Names that two tables use for different things, conditions in values, a tariff too fine to look at.
BOOK = book_of(
    """
parameters:
  cap: {values: [{from: 2025-01-01, value: 100}, {from: 2026-01-01, value: 200}], type: money, set_by: company, unit: CNY an order}
  share: {value: 1/3, set_by: company, unit: of the limit}
inputs:
  amount: {type: money}
  extra: {type: money, default: 0}
  limit: {type: money, optional: true}
  count: {type: integer, default: 0}
  items: {type: list, default: [], of: {type: record, fields: {price: {type: money}}}}
values:
  total: amount + extra
  is_large: total > 2 * limit and not(extra >= 80)
decisions:
  size:
    hit_policy: first
    outputs: {size: {type: money}}
    values: {scaled: amount * 2}
    rules:
      - {id: small, set_by: company, when: {scaled: "< 300"}, then: {size: 90}}
    default: {id: other, set_by: company, then: {size: amount}}
  order:
    hit_policy: first
    outputs: {outcome: {type: enum, values: [ship, refuse, ask]}}
    values: {scaled: amount * 3}
    rules:
      - {id: within, set_by: company, when: {amount: "<= cap", total: "< share * limit"}, then: {outcome: ship}}
      - {id: sized, set_by: company, when: {total: "<= size.size", count: "not(>= 40)"}, then: {outcome: ship}}
      - {id: few, set_by: company, when: {count: "(2..60]"}, then: {outcome: refuse}}
      - {id: large, set_by: company, when: {is_large: true, scaled: "> 0"}, then: {outcome: refuse}}
      - {id: scaled, set_by: company, when: {scaled: ">= 450", extra: "-"}, then: {outcome: ask}}
    default: {id: rest, set_by: company, then: {outcome: ask}}
  lines:
    for_each: {line: items}
    hit_policy: collect sum
    outputs: {fee: {type: money}}
    values: {doubled: line.price * 2}
    rules:
      - {id: cheap, set_by: company, when: {line.price: "<= 50"}, then: {fee: 1}}
      - {id: dear, set_by: company, when: {doubled: "> limit"}, then: {fee: 2}}
  tariff:
    hit_policy: first
    outputs: {fee: {type: money}}
    rules:
"""
    + "".join(f'      - {{id: t{i}, set_by: company, when: {{amount: "< {i}"}}, then: {{fee: {i}}}}}\n' for i in range(1, 102))
    + "    default: {id: most, set_by: company, then: {fee: 0}}\n"
)
DESK = desk_of(BOOK)
PERCENT = 10
Counts = dict[tuple[str, str, str, str], int]


def side(value: Fraction, threshold: Fraction, *, on_is_under: bool, step: Fraction) -> str:
    """The rule in words: within so many percent of the threshold, which itself is on the side that the rows give it."""
    reach = abs(threshold) * PERCENT / 100
    if reach < step or abs(value - threshold) > reach:
        return ""
    if value == threshold:
        return "under" if on_is_under else "over"
    # Of the far ends that one counts which is as far from the threshold as the threshold's own side has values.
    if abs(value - threshold) == reach and (value < threshold) == on_is_under:
        return ""
    return "under" if value < threshold else "over"


def wanted(facts: Mapping[str, Any], decision: str) -> Counts:
    amount, extra, limit, count = (None if facts[n] is None else Fraction(str(facts[n])) for n in ("amount", "extra", "limit", "count"))
    assert amount is not None
    assert extra is not None
    assert count is not None
    cent, one = Fraction(1, 100), Fraction(1)
    total = amount + extra
    size = Fraction(90) if 2 * amount < 300 else amount
    # Table, quantity, threshold, both as they are now, whether the threshold itself is under, step.
    looked: list[tuple[str, str, str, Fraction, Fraction, bool, Fraction]] = []
    if decision == "order":
        looked = [
            ("size", "scaled", "300", 2 * amount, Fraction(300), False, cent),
            ("order", "amount", "200", amount, Fraction(200), True, cent),
            ("order", "total", "size.size", total, size, True, cent),
            ("order", "count", "40", count, Fraction(40), False, one),
            ("order", "count", "2", count, Fraction(2), True, one),
            ("order", "count", "60", count, Fraction(60), True, one),
            ("order", "extra", "80", extra, Fraction(80), False, cent),
            ("order", "scaled", "450", 3 * amount, Fraction(450), False, cent),
        ]
        if limit is not None:
            looked += [
                ("order", "total", "share * limit", total, limit / 3, False, cent),
                ("order", "total", "2 * limit", total, 2 * limit, True, cent),
            ]
    elif decision == "lines":
        for line in facts["items"]:
            price = Fraction(str(line["price"]))
            looked.append(("lines", "line.price", "50", price, Fraction(50), True, cent))
            if limit is not None:
                looked.append(("lines", "doubled", "limit", 2 * price, limit, True, cent))
    found: Counter[tuple[str, str, str, str]] = Counter()
    for table, quantity, threshold, value, at, on_is_under, step in looked:
        which = side(value, at, on_is_under=on_is_under, step=step)
        if which:
            found[f"book.{table}", quantity, threshold, which] += 1
    return found


def counted(meter: Meter) -> Counts:
    return {
        (*s.labels,): int(s.value)  # type: ignore[misc]  # four labels
        for s in meter.samples()
        if s.family == "policybook_near_threshold_total" and s.value
    }


def watched(percent: int = PERCENT) -> tuple[Desk, Meter]:
    meter = Meter(percent)
    DESK.counter = meter
    return DESK, meter


def request(decision: str, facts: Mapping[str, Any], trace: TraceLevel) -> Request:
    return Request(decision=f"book.{decision}", facts={n: raw(v) for n, v in facts.items()}, as_of=TODAY, trace=trace)


def money(*places: str) -> st.SearchStrategy[Any]:
    """On, just beside, a tenth from, and far from what matters; also what does not fit 64 bits."""
    near_by = [Fraction(p) * k for p in places for k in (1, Fraction(9, 10), Fraction(11, 10), Fraction(95, 100), Fraction(103, 100), 2)]
    odd = ["0", "-200", "-195.5", "0.01", "199.99", "200.01", "100000000000000000000000000.01"]
    return st.sampled_from([decimal_text(n) for n in near_by] + odd)


FACTS = st.fixed_dictionaries(
    {
        "amount": money("200", "150", "90"),
        "extra": money("80", "1"),
        "limit": st.one_of(st.none(), money("600", "100", "0.05")),
        "count": st.sampled_from([0, 1, 2, 3, 36, 37, 39, 40, 41, 43, 44, 54, 55, 60, 61, 66, 67]),
        "items": st.lists(st.fixed_dictionaries({"price": money("50", "100")}), max_size=3),
    }
)


@given(st.lists(FACTS, min_size=12, max_size=30), st.sampled_from(["order", "lines", "tariff"]))
def test_counts_are_what_the_rule_says(all_facts: Sequence[Mapping[str, Any]], decision: str) -> None:
    expected: Counter[tuple[str, str, str, str]] = Counter()
    for facts in all_facts:
        expected.update(wanted(facts, decision))
    for trace in (TraceLevel.NONE, TraceLevel.MATCHED):
        desk, alone = watched()
        for facts in all_facts:
            desk.decide(request(decision, facts, trace))
        assert counted(alone) == expected
        requests = [request(decision, facts, trace) for facts in all_facts]
        desk, together = watched()
        desk.decide_many(requests)
        assert counted(together) == expected
        desk, by_sheet = watched()
        assert desk.sheet(requests[0], [r.facts for r in requests]) is not None
        assert counted(by_sheet) == expected


@pytest.mark.parametrize(
    ("facts", "quantity", "threshold", "which"),
    [
        # A figure: `amount <= 200`.
        ({"amount": 180}, "amount", "200", None),
        ({"amount": "180.01"}, "amount", "200", "under"),
        ({"amount": 200}, "amount", "200", "under"),
        ({"amount": "200.01"}, "amount", "200", "over"),
        ({"amount": 220}, "amount", "200", "over"),
        ({"amount": "220.01"}, "amount", "200", None),
        # `count >= 40`.
        ({"amount": 1, "count": 36}, "count", "40", "under"),
        ({"amount": 1, "count": 40}, "count", "40", "over"),
        ({"amount": 1, "count": 44}, "count", "40", None),
        # Closer to 2 than a tenth of it there is nothing but 2.
        ({"amount": 1, "count": 2}, "count", "2", None),
        # Another quantity: `total > 2 * limit`.
        ({"amount": 180, "limit": 100}, "total", "2 * limit", None),
        ({"amount": "180.01", "limit": 100}, "total", "2 * limit", "under"),
        ({"amount": 200, "limit": 100}, "total", "2 * limit", "under"),
        ({"amount": 220, "limit": 100}, "total", "2 * limit", "over"),
        ({"amount": "220.01", "limit": 100}, "total", "2 * limit", None),
        ({"amount": "0.02", "limit": "0.01"}, "total", "2 * limit", None),
        ({"amount": "0.10", "limit": "0.05"}, "total", "2 * limit", "under"),
        # `total < share * limit`.
        ({"amount": 180, "limit": 600}, "total", "share * limit", "under"),
        ({"amount": 200, "limit": 600}, "total", "share * limit", "over"),
        ({"amount": 220, "limit": 600}, "total", "share * limit", None),
        ({"amount": 0, "limit": 0}, "total", "share * limit", None),
        # No limit, no threshold.
        ({"amount": 200, "limit": None}, "total", "share * limit", None),
    ],
)
def test_the_ends(facts: Mapping[str, Any], quantity: str, threshold: str, which: str | None) -> None:
    expected = {which: 12} if which else {}
    asked = request("order", facts, TraceLevel.NONE)
    for together in (False, True):
        desk, meter = watched()
        if together:
            desk.sheet(asked, [asked.facts] * 12)
        else:
            for _ in range(12):
                desk.decide(asked)
        assert {key[3]: n for key, n in counted(meter).items() if key[1:3] == (quantity, threshold)} == expected


def test_only_decisions_are_looked_at() -> None:
    desk, meter = watched()
    facts = {"amount": 199, "limit": None}
    desk.try_out(request("order", facts, TraceLevel.NONE))
    explained = Request(decision="book.order", facts={n: raw(v) for n, v in facts.items()}, as_of=TODAY, purpose=Purpose.EXPLANATION)
    desk.decide(explained)
    assert counted(meter) == {}
    desk.decide(request("order", facts, TraceLevel.FULL))
    assert counted(meter)["book.order", "amount", "200", "under"] == 1


def test_another_day_has_other_thresholds() -> None:
    desk, meter = watched()
    for day in (date(2025, 6, 1), TODAY, date(2025, 6, 2)):
        desk.decide(Request(decision="book.order", facts={"amount": raw(99)}, as_of=day, trace=TraceLevel.NONE))
    assert counted(meter)["book.order", "amount", "100", "under"] == 2
    assert ("book.order", "amount", "200", "under") not in counted(meter)


def test_nothing_is_looked_at_at_0_percent() -> None:
    desk, meter = watched(0)
    desk.decide(request("order", {"amount": 200}, TraceLevel.NONE))
    assert counted(meter) == {}
    assert {s.family for s in meter.samples()} == {"policybook_decisions_total", "policybook_rules_total"}


def test_what_edits_bring_beyond_the_most_is_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "MAX_TALLIES", 3)
    desk, meter = watched()
    desk.decide(request("order", {"amount": 199, "count": 40}, TraceLevel.NONE))
    found = counted(meter)
    assert len({key[:3] for key in found if key[2] != near.OTHER}) <= 3
    assert found["book.order", "count", near.OTHER, "over"] == 1

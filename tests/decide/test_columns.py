"""Columns answer what each request is answered alone: on small books with every way in which a table can answer, and on our own books."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from books_in_text import NOON, book_of, raw
from policybook.decide.bulk import Bulk
from policybook.decide.chain import Decider, Settled
from policybook.desk import moments
from policybook.engine.program import Program
from policybook.errors import PolicybookError
from policybook.model.answer import TraceLevel
from policybook.model.book import Book, Decision
from policybook.model.facts import Raw, RawFacts
from policybook.store.reload import read_books
from policybook.trials.read import case_files, raw_facts, read_table


def told(answer: Settled) -> object:
    return (answer.outcome, dict(answer.outputs), [(i.row, i.item_number, dict(i.outputs)) for i in answer.items], list(answer.selected))


def alone(decider: Decider, decision: Decision, facts: RawFacts, as_of: date, now: datetime) -> object:
    try:
        typed = decider.coercer.facts(facts, decision)
        made = decider.decide(decision, typed, as_of, now, TraceLevel.NONE)
    except PolicybookError as e:
        return (type(e), str(e), getattr(e, "report", None))
    return told(Settled(made.outcome, made.outputs, tuple(made.items), tuple(made.selected)))


def compare(book: Book, decision: Decision, requests: Sequence[RawFacts], as_of: date, now: datetime) -> int:
    """Compare; return how many rows columns decided by themselves."""
    decider = Decider(book, Program.of(book))
    bulk = Bulk(decider)
    one_by_one: list[int] = []
    plain = bulk._alone

    def counted(*arguments: Any) -> Settled:
        one_by_one.append(1)
        return plain(*arguments)

    bulk._alone = counted  # type: ignore[method-assign]
    many, errors = bulk.by_facts(decision, requests, as_of, now)
    by_itself = len(requests) - len(one_by_one)
    names = list(dict.fromkeys(n for r in requests for n in r if n in book.input_by_name))
    columns: dict[str, list[object]] = {n: [r.get(n) for r in requests] for n in names}
    again, other_errors = bulk.by_columns(decision, columns, as_of, now, len(requests))
    for i, facts in enumerate(requests):
        wanted = alone(decider, decision, facts, as_of, now)
        for made, refused in ((many, errors), (again, other_errors)):
            if made is again and any(n not in columns for n in facts):
                continue
            got = (type(refused[i]), str(refused[i]), getattr(refused[i], "report", None)) if i in refused else told(made.at(i))
            assert got == wanted, (decision.name, facts)
    return by_itself


BOOK = book_of("""
parameters:
  share: {value: 1/3, set_by: company}
  cap: {values: [{from: 2026-01-01, value: 100}], type: money, set_by: company}
inputs:
  kind: {type: enum, values: [a, b, c]}
  amount: {type: money, min: 0, max: 1000}
  other: {type: money, default: 5}
  count: {type: integer, optional: true}
  ratio: {type: number, optional: true}
  day: {type: date, optional: true}
  sure: {type: boolean, optional: true}
  words: {type: list, of: {type: enum, values: [x, y, z]}, optional: true}
  records: {type: list, of: {type: record, fields: {amount: {type: money}, day: {type: date, optional: true}}}, optional: true}
values:
  total: amount + other
  part: amount / ratio
decisions:
  constant:
    hit_policy: first
    outputs: {n: {type: integer}, k: {type: enum, values: [p, q], optional: true}}
    rules:
      - {id: constant-low, set_by: company, when: {kind: a, amount: "< share * cap"}, then: {n: 1, k: p}}
      - {id: constant-at-cap, set_by: company, when: {amount: cap}, then: {n: 2, k: q}}
      - {id: constant-sure, set_by: company, when: {sure: "true", total: "> 50"}, then: {n: 3, k: null}}
  computed:
    hit_policy: first
    outputs: {m: {type: money}, r: {type: percent, decimals: 3, rounding: half_even}, n: {type: number}}
    rules:
      - {id: computed-shares, set_by: company, when: {kind: a}, then: {m: total * share, r: ratio / 7, n: ratio / 3}}
      - {id: computed-divided, set_by: company, when: {kind: b, count: not(null)}, then: {m: "max(amount, other)", r: amount / (other * (count - 1)), n: 5}}
      - {id: computed-days, set_by: company, when: {day: ">= 2026-02-01"}, then: {m: 1.005, r: 1/3, n: "if sure then ratio else count"}}
    default: {id: computed-otherwise, set_by: company, then: {m: amount, r: 1, n: count}}
  divided:
    hit_policy: first
    outputs: {n: {type: integer}}
    rules:
      - {id: divided-large, set_by: company, when: {part: "> 10"}, then: {n: 1}}
      - {id: divided-words, set_by: company, when: {words: contains(x)}, then: {n: 2}}
  single:
    hit_policy: unique
    outputs: {n: {type: integer}}
    rules:
      - {id: single-first-kind, set_by: company, when: {kind: a}, then: {n: 1}}
      - {id: single-large, set_by: company, when: {amount: "> 500"}, then: {n: 2}}
    accepts: []
  same:
    hit_policy: any
    outputs: {m: {type: money}}
    rules:
      - {id: same-first-kind, set_by: company, when: {kind: a}, then: {m: amount}}
      - {id: same-large, set_by: company, when: {amount: "> 500"}, then: {m: "if sure then amount else other"}}
  best:
    hit_policy: priority
    outputs: {k: {type: enum, values: [p, q, r]}}
    rules:
      - {id: best-first-kind, set_by: company, when: {kind: a}, then: {k: q}}
      - {id: best-large, set_by: company, when: {amount: "> 500"}, then: {k: p}}
      - {id: best-counted, set_by: company, when: {count: ">= 0"}, then: {k: "if sure then p else r"}}
  listed:
    hit_policy: collect
    outputs: {m: {type: money}}
    rules:
      - {id: listed-first-kind, set_by: company, when: {kind: a}, then: {m: amount}}
      - {id: listed-large, set_by: company, when: {amount: "> 500"}, then: {m: 3}}
    default: {id: listed-nothing, set_by: company, then: {m: other}}
  summed:
    hit_policy: collect sum
    outputs: {m: {type: money}}
    rules:
      - {id: summed-first-kind, set_by: company, when: {kind: a}, then: {m: 7}}
      - {id: summed-large, set_by: company, when: {amount: "> 500"}, then: {m: amount * share}}
      - {id: summed-early, set_by: company, when: {day: "< 2026-02-01"}, then: {m: 3}}
  each:
    for_each: {record: records}
    hit_policy: first
    values: {late: "record.day >= as_of"}
    outputs: {m: {type: money}}
    rules:
      - {id: each-late, set_by: company, when: {late: "true"}, then: {m: record.amount * share}}
      - {id: each-small, set_by: company, when: {record.amount: "< 10"}, then: {m: 1}}
  every:
    for_each: {word: words}
    hit_policy: collect count
    outputs: {n: {type: integer}}
    rules:
      - {id: every-is-x, set_by: company, when: {word: x}, then: {n: 1}}
      - {id: every-not-z, set_by: company, when: {word: not(z)}, then: {n: 2}}
  follows:
    hit_policy: first
    outputs: {n: {type: money}, k: {type: enum, values: [p, q], optional: true}}
    rules:
      - {id: follows-of-sum, set_by: company, when: {summed.m: "> 9"}, then: {n: summed.m / 3, k: constant.k}}
      - {id: follows-of-items, set_by: company, when: {each.m: not(null), every.n: ">= 2"}, then: {n: sum(each.m), k: p}}
      - {id: follows-of-computed, set_by: company, when: {computed.m: "> 20"}, then: {n: computed.m, k: q}}
    default: {id: follows-otherwise, set_by: company, then: {n: sum(listed.m), k: constant.k}}
""")

CHOICES: dict[str, Sequence[object]] = {
    "kind": ("a", "b", "c", "d", None),
    "amount": ("0", "33.33", "33.34", "100", "500.01", "1000", "1001", "-1", "12 EUR", "0.005", None),
    "other": ("5", "0", "99.999", "null"),
    "count": ("0", "1", "2", "2.5", "null", "100000000000000000000"),
    "ratio": ("0", "1/3", "-2", "0.0000000000000000000000001", "null"),
    "day": ("2026-01-31", "2026-02-01", "9999-12-31", "null", "never"),
    "sure": (True, False, "null"),
    "words": ((), ("x",), ("x", "y", "z"), ("z", "z"), "null", ("w",)),
    "records": (
        (),
        ({"amount": "9"},),
        ({"amount": "30", "day": "2026-03-15"}, {"amount": "30"}, {"amount": "1"}),
        ({"day": "x"},),
        "null",
    ),
    "nobody": ("1",),
}


def requests_of(random: Random, count: int, *, faulty: bool) -> list[dict[str, Raw]]:
    made = []
    for _ in range(count):
        stated: dict[str, Raw] = {}
        for name, choices in CHOICES.items():
            if random.random() < (0.97 if name in ("kind", "amount") else 0.6) and (
                name != "nobody" or (faulty and random.random() < 0.05)
            ):
                value = random.choice(choices if faulty and random.random() < 0.3 else choices[:3])
                if value is not None:
                    stated[name] = raw(value)
        made.append(stated)
    return made


@pytest.mark.parametrize("decision", [d.name for d in BOOK.decisions])
@pytest.mark.parametrize("faulty", [False, True])
def test_columns_answer_as_each_request_alone(decision: str, faulty: bool) -> None:
    for seed, (day, count) in enumerate(itertools.product((date(2026, 3, 15), date(2025, 6, 1)), (1, 7, 120))):
        random = Random(seed)  # noqa: S311 - requests to compare, not secrets
        asked = requests_of(random, count, faulty=faulty)
        by_themselves = compare(BOOK, BOOK.decision_by_name[decision], asked, *moments(day, NOON, BOOK))
        if not faulty and day.year == 2026 and decision not in ("divided", "same", "single", "computed", "follows"):
            assert by_themselves > 0.9 * count


def own_cases(root: Path) -> Mapping[tuple[str, str], list[tuple[RawFacts, object]]]:
    books = {b.name: b for b in read_books([root / "rules"]).books}
    found: dict[tuple[str, str], list[tuple[RawFacts, object]]] = defaultdict(list)
    for path in case_files([root / "rules" / "tests"]):
        table = read_table(path, books)
        assert table.cases is not None
        for case in table.cases.cases:
            found[case.policy, case.decision].append((raw_facts(case.given), case.as_of))
    return found


@pytest.mark.slow
def test_our_own_books(root: Path) -> None:
    books = {b.name: b for b in read_books([root / "rules"]).books}
    decided = asked = 0
    for (policy, name), cases in own_cases(root).items():
        book = books[policy]
        decision = book.decision_by_name[name]
        random = Random(1)  # noqa: S311 - requests to compare, not secrets
        facts = [f for f, _ in cases]
        # Mixed from two cases each: further cells, and facts that do not fit together.
        facts += [{**random.choice(facts), **dict(random.sample(sorted(f.items()), len(f) // 2))} for f in facts]
        days = list(dict.fromkeys(day for _, day in cases))
        for day in random.sample(days, min(2, len(days))):
            asked += len(facts)
            decided += compare(book, decision, facts, *moments(day, NOON, book))  # type: ignore[arg-type]
    assert decided > 0.7 * asked, (decided, asked)

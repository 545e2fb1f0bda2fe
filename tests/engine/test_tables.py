"""Tables of every size, many callers, and a memory that stays flat: the engine behind real decisions."""

import gc
import random
import resource
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import pytest

from books_in_text import NOON, book_of, raw
from policybook import Desk, Request, Store, TraceLevel
from policybook.engine.reference import matching_rows
from policybook.store.reload import make_edition


def table(rows: int, seed: int = 1, hit_policy: str = "rule_order") -> str:
    """Bands of amounts that overlap their neighbours, crossed with a grade and a limit between inputs."""
    dice = random.Random(seed)  # noqa: S311 - a table, not a secret
    lines = []
    for i in range(rows):
        when = [f'a: "[{i * 10}..{i * 10 + dice.randrange(5, 40)}]"']
        if dice.random() < 0.7:
            when.append(f'b: "{dice.choice(["<", ">="])} {dice.randrange(100)}"')
        if dice.random() < 0.5:
            when.append(f"g: {dice.choice(['A', 'B', '[A, C]', 'not(B)'])}")
        if dice.random() < 0.2:
            when.append('b: "< 1/3 * c"' if len(when) == 1 else 'c: "<= b + 10"')
        lines.append(f"      - {{id: r{i}, clause: 1, when: {{{', '.join(when)}}}, then: {{x: {i}}}}}\n")
    head = "inputs: {a: {type: integer}, b: {type: money}, c: {type: money}, g: {type: enum, values: [A, B, C]}}\ndecisions:\n  d:\n"
    return f"{head}    hit_policy: {hit_policy}\n    outputs: {{x: {{type: integer}}}}\n    rules:\n{''.join(lines)}"


def desk_and_book(rows: int) -> tuple[Desk, object]:
    book = book_of(table(rows))
    store = Store()
    store.publish(make_edition(book, NOON))
    return Desk(store, now=lambda: NOON, new_id=lambda: "id"), book


def requests(rows: int, count: int, trace: TraceLevel = TraceLevel.NONE) -> list[Request]:
    dice = random.Random(count)  # noqa: S311 - facts, not secrets
    out = []
    for _ in range(count):
        edge = dice.randrange(rows) * 10 + dice.choice([-1, 0, 1, 5, 9])
        facts = {"a": edge, "b": dice.randrange(110), "c": dice.randrange(130), "g": dice.choice("ABC")}
        out.append(Request(decision="book.d", facts={k: raw(v) for k, v in facts.items()}, trace=trace))
    return out


@pytest.mark.parametrize("rows", [1, 2, 24, 25, 200, 1_000, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(300)])])
def test_a_table_of_any_size_is_decided_as_the_reference_reads_it(rows):
    desk, book = desk_and_book(rows)
    decision = book.decisions[0]
    for request in requests(rows, 60 if rows >= 1_000 else 200):
        facts = {name: stated.value for name, stated in request.facts.items()}
        got = [row.id for row in desk.decide(request).selected]
        env = {**{n: Fraction(facts[n]) for n in "abc"}, "g": facts["g"]}
        wanted = [decision.rows[i].id for i in matching_rows(book, decision, NOON.date(), env)]
        assert got == wanted, env


def test_eight_threads_get_the_answers_of_one():
    desk, _ = desk_and_book(300)
    asked = requests(300, 400, TraceLevel.MATCHED)
    alone = [desk.decide(r).selected for r in asked]
    fresh, _ = desk_and_book(300)
    with ThreadPoolExecutor(8) as pool:
        # Each of eight callers asks everything, in an order of its own, of an engine that is built while they ask.
        orders = [random.Random(i).sample(range(len(asked)), len(asked)) for i in range(8)]  # noqa: S311 - an order
        results = list(pool.map(lambda order: [(i, fresh.decide(asked[i]).selected) for i in order], orders))
    for result in results:
        for i, selected in result:
            assert [r.id for r in selected] == [r.id for r in alone[i]]


@pytest.mark.slow
def test_memory_stays_flat_over_200_000_decisions():
    desk, _ = desk_and_book(40)
    asked = requests(40, 2_000)
    for request in asked * 10:
        desk.decide(request)
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for request in asked * 90:
        desk.decide(request)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 20_000, f"{grown_kb} KB more"

"""What durable-rules 2.0.28 does, pinned: an upgrade that behaves otherwise shows here first.

Each fact is followed by why it cannot harm a decision. Two were seen and are not run, since they end or hang the process:
more than about 1,000 session ids in one ruleset (we use one), and about 2,000 range rules in one ruleset (we allow 24).
"""

import itertools
import json

import durable_rules_engine as engine
import pytest

from books_in_text import ask, book_of, desk_of
from policybook.engine import rete
from policybook.errors import EngineError, LimitError

NAMES = (f"facts-{i}" for i in itertools.count())
OK, NOT_HANDLED, OBSERVED = 0, 1, 2


def ruleset(**conditions) -> int:
    rules = {name: {"all": [{"m": c}], "pri": i} for i, (name, c) in enumerate(conditions.items())}
    return engine.create_ruleset(next(NAMES), json.dumps(rules))


def post(handle: int, properties: str, *, mid: str = "1", event: bool = False) -> tuple[int, list[str]]:
    """Assert a message and run what it fires: (result code, rules in order)."""
    message = f'{{"id":"{mid}","sid":"1",{properties}}}'
    code, state = (engine.assert_event if event else engine.assert_fact)(handle, message)
    fired = []
    if code == OK:
        started = engine.start_action_for_state(handle, state)
        action = started[1] if started else None
        while action is not None:
            fired.append(next(iter(json.loads(action))))
            action = engine.complete_and_start_action(handle, state)
    return code, fired


@pytest.mark.parametrize(
    ("value", "fires"), [('"999"', True), ('"2"', True), ('"abc"', True), ("1001", True), ("999", False), ("true", False)]
)
def test_text_against_a_number_is_compared_as_text(value, fires):
    assert post(ruleset(over={"$gt": {"amount": 1000}}), f'"amount":{value}')[1] == (["over"] if fires else [])


@pytest.mark.parametrize("value", ["1", "1.0", "true"])
def test_numbers_and_flags_are_equal_to_one_another(value):
    """Text `"1"` sometimes is, too: it is compared over memory that has no terminator, so it cannot even be pinned."""
    assert post(ruleset(one={"x": 1}), f'"x":{value}')[1] == ["one"]


@pytest.mark.parametrize("text", ["999", "2", "abc", "1001", "true", '\\"', "{}", "\x00"])
def test_so_the_engine_never_sees_a_text(text):
    """A table asks `> "1000"` of nothing: texts and numbers are told apart before, and become small whole numbers."""
    body = "inputs: {t: {type: text}, n: {type: number}}\ndecisions:\n  d:\n    hit_policy: collect\n    outputs: {x: {type: integer}}\n    rules:\n"
    body += '      - {id: same, clause: 1, when: {t: \'"1001"\'}, then: {x: 1}}\n      - {id: over, clause: 1, when: {n: "> 1000"}, then: {x: 2}}\n'
    rows = [r.id for r in ask(desk_of(book_of(body)), "d", {"t": text, "n": 999}).selected]
    assert rows == (["same"] if text == "1001" else [])


def test_an_event_is_consumed_by_the_first_of_two_rules_and_a_fact_by_none():
    assert post(ruleset(a={"k": 1}, b={"k": 1}), '"k":1', event=True)[1] == ["a"]
    assert post(ruleset(a={"k": 1}, b={"k": 1}), '"k":1')[1] == ["a", "b"]


def test_so_we_assert_facts_and_every_row_that_matches_is_told():
    rows = "".join(f"      - {{id: r{i}, clause: 1, when: {{n: '> {i % 3}'}}, then: {{x: {i}}}}}\n" for i in range(50))
    body = f"inputs: {{n: {{type: integer}}}}\ndecisions:\n  d:\n    hit_policy: rule_order\n    outputs: {{x: {{type: integer}}}}\n    rules:\n{rows}"
    desk = desk_of(book_of(body))
    for n in (0, 1, 2, 3):
        assert [r.id for r in ask(desk, "d", {"n": n}).selected] == [f"r{i}" for i in range(50) if n > i % 3]


def colliding_ids() -> tuple[str, str]:
    seen: dict[int, str] = {}
    for i in itertools.count():
        mid = f"order-{i}"
        other = seen.setdefault(rete.fnv(mid), mid)
        if other != mid:
            return other, mid
    raise AssertionError


def test_two_ids_with_one_hash_are_one_message():
    first, second = colliding_ids()
    handle = ruleset(any={"k": 1})
    assert post(handle, '"k":1', mid=first) == (OK, ["any"])
    assert post(handle, '"k":1', mid=second) == (OBSERVED, []), "a fact that was never there is refused as already observed"


def test_so_there_is_one_id_and_each_fact_is_taken_back():
    rules = rete.Ruleset("once", 1, [((0, 1, 1),)], [1])
    for _ in range(100_000):
        assert rules.match([1]) == (0,)
        assert rules.match([0]) == ()


def test_a_fact_that_is_not_taken_back_is_refused_the_next_time():
    handle = ruleset(any={"k": 1})
    assert [post(handle, '"k":1')[0] for _ in range(2)] == [OK, OBSERVED]


@pytest.mark.parametrize("number", ["1e+16", "1e16", "1e-07", "Infinity"])
def test_numbers_that_its_json_refuses(number):
    with pytest.raises(Exception, match="error code"):
        post(ruleset(any={"$gt": {"x": 0}}), f'"x":{number}')


def test_nan_matches_nothing_and_no_error_is_told():
    assert post(ruleset(any={"$gt": {"x": 0}}), '"x":NaN') == (NOT_HANDLED, [])


@pytest.mark.parametrize("amount", ["1e16", "1e-7", "99999999999999999999999999999999999999", "-0", "0.00000001"])
def test_so_amounts_never_reach_it(amount):
    body = 'inputs: {n: {type: number}}\ndecisions:\n  d:\n    hit_policy: first\n    outputs: {big: {type: boolean}}\n    rules: [{id: big, clause: 1, when: {n: "> 9007199254740993"}, then: {big: true}}]\n    default: {id: small, clause: 1, then: {big: false}}\n'
    assert ask(desk_of(book_of(body)), "d", {"n": amount}).outputs["big"] is (float(amount) > 9007199254740993)


def test_more_than_64_nodes_at_once_fail():
    handle = ruleset(**{f"r{i}": {"$lte": {"a": 1000 + i}} for i in range(65)})
    with pytest.raises(Exception, match="error code: 303"):
        post(handle, '"a":1')


def test_so_a_ruleset_has_at_most_24_rules_and_says_so_before_the_engine_is_asked():
    rule = ((0, 0, 5),)
    assert rete.Ruleset("full", 1, [rule] * rete.MAX_RULES, [1]).match([1]) == tuple(range(rete.MAX_RULES))
    with pytest.raises(LimitError, match="rules in one ruleset: 25 is more than the 24 allowed"):
        rete.Ruleset("over", 1, [rule] * (rete.MAX_RULES + 1), [1])


def test_24_rules_of_deep_and_shared_paths_stay_below_the_stack():
    """The stack holds nodes of which none lies above another; each ends at least one rule."""
    width = 100
    rules = [tuple((p, 0, 3) for p in range(i % 4, width)) for i in range(rete.MAX_RULES)]
    assert rete.Ruleset("deep", width, rules, [1] * width).match([2] * width) == tuple(range(rete.MAX_RULES))


def test_a_fact_has_at_most_250_properties_of_ours():
    width = rete.MAX_PROPERTIES
    assert rete.Ruleset("wide", width, [((width - 1, 7, 7),)], [7] * width).match([7] * width) == (0,)
    with pytest.raises(LimitError, match="properties of one fact"):
        rete.Ruleset("wider", width + 1, [((0, 7, 7),)], [7] * (width + 1))


@pytest.mark.parametrize("bound", [(1, 0, 0), (0, -1, 0), (0, 0, 2**31)])
def test_what_is_no_small_whole_number_is_refused_before_the_engine_is_asked(bound):
    with pytest.raises(EngineError, match="a rule asks for property"):
        rete.Ruleset("bad", 1, [(bound,)], [0])


def test_no_thread_is_started():
    import threading

    before = threading.active_count()
    rete.Ruleset("calm", 1, [((0, 1, 1),)], [1]).match([1])
    assert threading.active_count() == before

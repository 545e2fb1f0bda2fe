"""The limits of durable-rules 2.0.28 and what lies beyond them, pinned: another version shows here first.

What hangs or ends a process runs in one of its own. Not run: deleting a state in which no action ever ran frees an
uninitialised pointer (state.c, deleteStateNode), so rete.py runs one first; Host's timer threads, since no Host is made.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import durable_rules_engine as engine
import pytest

from policybook.engine import rete

OK, NOT_HANDLED = 0, 1
_numbers = count()


def ruleset(**conditions: Any) -> int:
    definition = {name: {"all": [{"m": c}], "pri": i} for i, (name, c) in enumerate(conditions.items())}
    handle: int = engine.create_ruleset(f"facts{next(_numbers)}", json.dumps(definition))
    return handle


def fired(handle: int, message: dict[str, Any] | str) -> tuple[int, list[str]]:
    """Assert a fact; return the engine's answer and the rules that fired, in order."""
    text = message if isinstance(message, str) else json.dumps(message)
    code, state = engine.assert_fact(handle, text)
    names: list[str] = []
    if code == OK:
        started = engine.start_action_for_state(handle, state)
        result = started[1] if started else None
        while result is not None:
            names.extend(json.loads(result))
            result = engine.complete_and_start_action(handle, state)
    return code, names


def fact(number: int = 1, **properties: Any) -> dict[str, Any]:
    return {"id": str(number), "sid": "1", **properties}


def alone(code: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout_s, check=False)


def memory_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def test_it_is_the_version_that_was_read():
    assert version("durable_rules") == "2.0.28"


def test_false_is_at_most_1000():
    assert fired(ruleset(r={"$lte": {"amount": 1000}}), fact(amount=False)) == (OK, ["r"])


def test_whole_numbers_end_at_64_bits_without_a_word():
    largest = ruleset(r={"x": 2**63 - 1})
    assert fired(largest, f'{{"id":"1","sid":"1","x":{2**70}}}') == (OK, ["r"]), "taken for the largest it can hold"


def test_rules_fire_in_the_order_of_pri():
    conditions = {f"r{i}": {"$gte": {"x": i % 3}} for i in range(20)}
    assert fired(ruleset(**conditions), fact(x=5)) == (OK, list(conditions))


def test_properties_are_hashed_to_32_bits_so_that_two_names_are_one():
    assert rete.fnv("40189") == rete.fnv("797186")
    assert fired(ruleset(r={"$gte": {"40189": 5}}), fact(**{"797186": 7})) == (OK, ["r"])


def test_a_fact_that_matches_nothing_is_not_kept():
    handle = ruleset(r={"$gte": {"x": 10}})
    for _ in range(3):
        assert fired(handle, fact(x=1)) == (NOT_HANDLED, [])
    assert fired(handle, fact(x=10)) == (OK, ["r"])


def test_64_alpha_nodes_at_once_are_matched_and_65_are_an_error():
    assert len(fired(ruleset(**{f"r{i}": {"$lte": {"x": 1000 + i}} for i in range(64)}), fact(x=5))[1]) == 64
    with pytest.raises(engine.error, match="303"):
        fired(ruleset(**{f"r{i}": {"$lte": {"x": 1000 + i}} for i in range(65)}), fact(x=5))


def test_more_than_255_properties_are_an_error():
    with pytest.raises(engine.error, match="302"):
        fired(ruleset(r={"$gte": {"p0": 0}}), fact(**{f"p{i}": 1 for i in range(254)}))


def test_1024_sessions_live_in_a_ruleset_and_no_more():
    code = """
import durable_rules_engine as e
h = e.create_ruleset("sids", '{"r":{"all":[{"m":{"$gte":{"x":0}}}],"pri":0}}')
for i in range(1024):
    e.assert_fact(h, '{"id":"1","sid":"%d","x":1}' % i)
print("1024", flush=True)
e.assert_fact(h, '{"id":"1","sid":"1024","x":1}')
print("1025", flush=True)
"""
    ended = alone(code, 60)
    assert ended.stdout.split() == ["1024"]
    assert ended.returncode != 0


@pytest.mark.slow
def test_more_than_512_children_of_one_node_hang_for_ever():
    code = """
import json, durable_rules_engine as e
definition = lambda n: json.dumps({f"r{i}": {"all": [{"m": {"$lte": {"x": i}}}], "pri": 0} for i in range(n)})
e.create_ruleset("fits", definition(512))
print("fits", flush=True)
e.create_ruleset("hangs", definition(513))
"""
    with pytest.raises(subprocess.TimeoutExpired) as ended:
        alone(code, 6)
    assert b"fits" in (ended.value.stdout or b"")


def test_deleting_a_ruleset_leaves_its_states_unless_they_go_first():
    # In a process of its own: what other tests gave back would be taken up again and hide the growth.
    code = """
import json, durable_rules_engine as e
definition = json.dumps({f"r{i}": {"all": [{"m": {"$gte": {"x": i}}}], "pri": 0} for i in range(8)})

def grown(states_first):
    before = int(open("/proc/self/statm").read().split()[1])
    for _ in range(200):
        handle = e.create_ruleset("deleted", definition)
        _, state = e.assert_fact(handle, '{"id":"1","sid":"1","x":3}')
        started = e.start_action_for_state(handle, state)
        while started:
            started = e.complete_and_start_action(handle, state)
        if states_first:
            e.delete_state(handle, "1")
        e.delete_ruleset(handle)
    return int(open("/proc/self/statm").read().split()[1]) - before

grown(True)
print(grown(True), grown(False))
"""
    kept, lost = map(int, alone(code, 60).stdout.split())
    assert lost > 1_000 > 2 * kept, "pages: the states of deleted rulesets stay"


def test_an_exception_in_the_caller_between_two_steps_leaves_the_state_locked():
    handle = ruleset(r={"$gte": {"x": 0}})
    _, state = engine.assert_fact(handle, json.dumps(fact(x=1)))
    assert engine.start_action_for_state(handle, state) is not None
    assert engine.start_action_for_state(handle, state) is None, "leased for 30 seconds: such a ruleset is thrown away"

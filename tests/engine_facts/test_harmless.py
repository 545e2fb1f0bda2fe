"""Why what test_durable_rules.py and test_limits.py pin cannot hurt: what goes into the engine, and what never does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random

import pytest

from policybook.engine import rete
from policybook.engine.rete import MAX_PROPERTIES, MAX_RULES, Ruleset, fnv
from policybook.errors import EngineError, LimitError


class Recorder:
    """Stands before the engine and notes what goes in."""

    def __init__(self, engine):
        self.engine = engine
        self.messages = []

    def __getattr__(self, name):
        inner = getattr(self.engine, name)

        def call(*args):
            if name in ("assert_fact", "assert_event", "retract_fact"):
                self.messages.append((name, args[1]))
            return inner(*args)

        return call


@pytest.fixture
def recorded(monkeypatch):
    recorder = Recorder(rete._engine)
    monkeypatch.setattr(rete, "_engine", recorder)
    return recorder


def all_of_one_property(count, sample=5):
    return Ruleset("harmless", 1, [((0, None, 200_000 + i),) for i in range(count)], [sample])


def test_only_small_whole_numbers_go_in_under_one_id_and_one_session(recorded):
    ruleset = Ruleset("harmless", 3, [((0, 1, 2), (2, 5, 5)), ((1, None, 7),)], [1, 0, 5])
    random = Random(1)  # noqa: S311 - codes, not secrets  # noqa: S311 - facts to try, not secrets
    for _ in range(200):
        ruleset.match([random.randrange(20) for _ in range(3)])
    assert {name for name, _ in recorded.messages} == {"assert_fact", "retract_fact"}, "never an event, which one rule would consume"
    for _, text in recorded.messages:
        message = json.loads(text)
        assert (message.pop("id"), message.pop("sid"), message.pop("k")) == ("1", "1", 1)
        assert set(message) == {"p0", "p1", "p2"}
        assert all(type(v) is int for v in message.values()), "no text, no decimal, no exponent, no NaN"


def test_no_two_properties_of_a_fact_share_a_hash():
    names = ["id", "sid", "k", "$s", *(f"p{i}" for i in range(MAX_PROPERTIES))]
    assert len({fnv(n) for n in names}) == len(names)


def test_nodes_on_the_stack_are_never_more_than_the_rules():
    """Walk the tree of conditions as events.c does and look at the stack: the proof in rete.py, tried on random rules."""
    random = Random(2)  # noqa: S311 - rules, not secrets  # noqa: S311 - rules to try, not secrets
    for _ in range(300):
        rules = [
            tuple((p, random.choice("<>="), random.randrange(4)) for p in sorted(random.sample(range(5), random.randrange(1, 5))))
            for _ in range(random.randrange(1, MAX_RULES + 1))
        ]
        tree = {}
        for rule in rules:
            at = tree
            for condition in rule:
                at = at.setdefault(condition, {})
        fact = [random.randrange(4) for _ in range(5)]
        stack, most = [tree], 0
        while stack:
            at = stack.pop()
            for (p, op, v), below in at.items():
                if (op == "<" and fact[p] <= v) or (op == ">" and fact[p] >= v) or (op == "=" and fact[p] == v):
                    stack.append(below)
            most = max(most, len(stack))
        assert most <= len(rules)


@pytest.mark.parametrize(
    ("width", "rules"),
    [
        (1, [((0, 1, 2),)] * (MAX_RULES + 1)),
        (1, []),
        (MAX_PROPERTIES + 1, [((0, 1, 2),)]),
    ],
)
def test_a_ruleset_beyond_a_limit_is_refused_before_the_engine_is_asked(recorded, width, rules, monkeypatch):
    monkeypatch.setattr(recorded, "engine", None)
    with pytest.raises(LimitError):
        Ruleset("harmless", width, rules, [1] * width)


def test_a_ruleset_that_does_not_match_its_sample_is_refused():
    with pytest.raises(EngineError, match="first rule"):
        Ruleset("harmless", 1, [((0, 5, 6),), ((0, 0, 9),)], [1])


def test_an_unexpected_answer_is_an_error_and_never_no_match(monkeypatch):
    ruleset = all_of_one_property(2)
    real = rete._engine

    class Refusing:
        def __getattr__(self, name):
            return (lambda *_: (2, 0)) if name == "assert_fact" else getattr(real, name)

    monkeypatch.setattr(rete, "_engine", Refusing())
    with pytest.raises(EngineError, match="answered 2"):
        ruleset.match([1])


def test_one_module_knows_the_engine(root):
    importers = [
        path.name
        for path in (root / "service" / "policybook").rglob("*.py")
        if re.search(r"^\s*(import|from) durable", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert importers == ["rete.py"]


def test_rulesets_give_their_memory_back():
    def kib():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4

    def cycle():
        for _ in range(60):
            Ruleset("harmless", 5, [tuple((p, i, i + 3) for p in range(5)) for i in range(MAX_RULES)], [0] * 5).close()

    cycle()
    before = kib()
    for _ in range(4):
        cycle()
    assert kib() - before < 3_000

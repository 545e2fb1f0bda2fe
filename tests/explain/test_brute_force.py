"""Explanations against what trying every request finds, on random small books."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from explain.small_books import RANGES, every_request, teller_of
from policybook.cells.linear import number
from policybook.explain.completion import Completer, Relevance
from policybook.explain.told import End, Teller, Told, outcome_of, piece_of, same_value, whole_answer
from policybook.explain.unknowns import Unknowns
from policybook.explain.what_if import Line
from policybook.explain.why_not import Goal, Search
from policybook.values import Value

EXAMPLES = int(os.environ.get("POLICYBOOK_EXPLAIN_EXAMPLES", "25"))
SEEDS = st.integers(0, 400)


def never() -> bool:
    return False


def changed(a: Mapping[str, Value], b: Mapping[str, Value]) -> frozenset[str]:
    return frozenset(n for n in a if not same_value(a[n], b[n]))


def drawn(data: st.DataObject, teller: Teller) -> dict[str, Value]:
    return {n: data.draw(st.sampled_from(RANGES[n]), label=n) for n in teller.decision.uses.inputs}


def reachable(facts: Mapping[str, Value]) -> list[dict[str, Value]]:
    """Every request that the search may think of: a list loses elements or gains choices at its end."""
    return [dict(zip(facts, v, strict=True)) for v in itertools.product(*(_values(n, x) for n, x in facts.items()))]


def _values(name: str, actual: Value) -> Sequence[Value]:
    if name != "l":
        return RANGES[name]
    assert isinstance(actual, tuple)
    kept = [c for k in range(len(actual) + 1) for c in itertools.combinations(actual, k)]
    others = [w for w in ("red", "green") if w not in actual]
    added = [c for k in range(len(others) + 1) for c in itertools.combinations(others, k)]
    return [(*a, *b) for a in kept for b in added]


@settings(max_examples=EXAMPLES)
@given(seed=SEEDS, data=st.data())
def test_alternatives_are_all_the_smallest_and_each_the_nearest(seed: int, data: st.DataObject) -> None:
    teller = teller_of(seed)
    facts = drawn(data, teller)
    actual = teller.tell(facts)
    if actual.end is End.REFUSED:
        return
    wanted: dict[str, Value] = {}
    if data.draw(st.booleans(), label="a wanted outcome"):
        result = data.draw(st.sampled_from(("yes", "no", "maybe")), label="wanted")
        wanted = {"result": (result,) if teller.decision.hit_policy.multi else result}
    goal = Goal(outcome_of(teller.decision), actual, wanted)
    found = Search(teller, facts, (), never).find(goal, 50)
    hits = [f for f in reachable(facts) if changed(facts, f) and goal.reached(teller.tell(f))]
    sets = {changed(facts, f) for f in hits}
    smallest = {s for s in sets if not any(t < s for t in sets) and len(s) <= 3}
    if wanted and goal.reached(actual):
        return
    assert found.proved == found.searched == min(3, len(facts))
    assert {frozenset(c.declared.name for c in a.changes) for a in found.alternatives} == smallest
    for alternative in found.alternatives:
        names = frozenset(c.declared.name for c in alternative.changes)
        assert alternative.fewest
        assert alternative.least
        assert goal.reached(teller.tell(alternative.facts))
        measure = Unknowns(teller.book, teller.era, facts, names, teller.as_of, teller.now)
        nearest = min(measure.away(f) for f in hits if changed(facts, f) == names)
        assert measure.away(alternative.facts) == nearest


@settings(max_examples=EXAMPLES)
@given(seed=SEEDS, data=st.data())
def test_pieces_are_those_of_every_value(seed: int, data: st.DataObject) -> None:
    teller = teller_of(seed)
    facts = drawn(data, teller)
    name = data.draw(st.sampled_from(sorted(facts)), label="varied")
    aspect = piece_of(teller.decision)
    found = Line(teller, facts, name, never).vary()
    assert found.proved
    truth = {value: teller.tell({**facts, name: value}) for value in _values(name, facts[name])}
    for value, told in truth.items():
        own = [p for p in found.pieces if _holds(name, p.first, p.last, p.values, value)]
        if name != "l" or value in [v for p in found.pieces for v in p.values]:
            assert len(own) == 1, (value, found.pieces)
            assert aspect.same(own[0].told, told)
            assert own[0].is_actual or not same_value(value, facts[name])
    ordered = [p for p in found.pieces if p.first is not None or p.last is not None]
    for a, b in itertools.pairwise(ordered):
        assert not aspect.same(a.told, b.told)
        assert b.turning or a.told.end is End.REFUSED or b.told.end is End.REFUSED
    for piece in found.pieces:
        inside = [t for v, t in truth.items() if _holds(name, piece.first, piece.last, piece.values, v)]
        varying = {n for n in piece.told.outputs if any(not same_value(t.outputs[n], inside[0].outputs[n]) for t in inside)}
        assert varying == set(piece.varying)


def _holds(name: str, first: Value, last: Value, values: Sequence[Value], value: Value) -> bool:
    if values:
        return any(same_value(value, v) for v in values)
    if value is None or name in ("f", "g", "l"):
        return False
    n = Fraction(number(value))
    return (first is None or Fraction(number(first)) <= n) and (last is None or n <= Fraction(number(last)))


@settings(max_examples=EXAMPLES)
@given(seed=SEEDS, data=st.data())
def test_an_input_is_needed_where_two_requests_differ_in_it_alone(seed: int, data: st.DataObject) -> None:
    teller = teller_of(seed)
    names = teller.decision.uses.inputs
    stated = {n for n in names if data.draw(st.booleans(), label=f"{n} is stated")}
    known = {n: v for n, v in drawn(data, teller).items() if n in stated}
    aspect = whole_answer(teller.decision)
    found = Completer(teller, known, aspect, never).complete()
    told = {tuple(f.items()): teller.tell(f) for f in every_request(teller, known)}
    relevance = {u.declared.name: u.relevance for u in found.unstated}
    assert set(relevance) == set(names) - stated
    for name, verdict in relevance.items():
        by_rest: dict[tuple[object, ...], list[Told]] = {}
        for facts, end in told.items():
            by_rest.setdefault(tuple(x for x in facts if x[0] != name), []).append(end)
        needed = any(not aspect.same(ends[0], e) for ends in by_rest.values() for e in ends)
        assert verdict is (Relevance.NEEDED if needed else Relevance.IRRELEVANT), name
    if found.settled is not None:
        assert all(aspect.same(found.settled, end) for end in told.values())
    for unstated in found.unstated:
        example = unstated.example
        assert (example is not None) == (unstated.relevance is Relevance.NEEDED)
        if example is not None:
            rest = {**known, **example.others}
            name = unstated.declared.name
            assert teller.tell({**rest, name: example.value}) == example.told
            assert teller.tell({**rest, name: example.other_value}) == example.other_told
            assert not aspect.same(example.told, example.other_told)


def test_the_books_of_these_tests_have_several_outcomes() -> None:
    counts = [len({(t.end, t.rows) for t in map(teller_of(seed).tell, every_request(teller_of(seed)))}) for seed in range(40)]
    assert sum(count > 1 for count in counts) > 35

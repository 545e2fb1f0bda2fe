"""What is reported of two versions is all that differs, and nothing else.

Random pairs of small books (a table, and one that requires it) over inputs that have few values each: every request there is is
put to both versions. What differs must lie in a region, what lies in a region must differ, and where nothing differs the versions
must be proved equivalent. `POLICYBOOK_PAIRS` pairs (60).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from books_in_text import book_of
from policybook.analyse.difference import BookDifference, Region, difference
from policybook.analyse.difference_joint import MARK
from policybook.analyse.difference_outcomes import Answers, Computed
from policybook.analyse.difference_table import Both
from policybook.analyse.inquiry import Asking
from policybook.analyse.space import Judge
from policybook.cells import codes as c
from policybook.decide.chain import Verdict
from policybook.model.answer import TraceLevel
from policybook.model.book import Book

PAIRS = int(os.environ.get("POLICYBOOK_PAIRS", "60"))
DAY = date(2026, 1, 15)
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
# Every cut is at a multiple of a half: between two of them, and on each.
QUARTERS = tuple(Fraction(i, 4) for i in range(13))
INPUTS = """
inputs:
  g: {type: enum, values: [a, b, c]}
  n: {type: integer, min: 0, max: 3}
  y: {type: boolean, optional: true}
  m: {type: number, min: 0, max: 3}
"""
DOMAIN: dict[str, tuple[Any, ...]] = {
    "g": ("a", "b", "c"),
    "n": tuple(map(Fraction, range(4))),
    "y": (True, False, None),
    "m": QUARTERS,
}
FACTS = [dict(zip(DOMAIN, values, strict=True)) for values in itertools.product(*DOMAIN.values())]

TESTS = {
    "g": ("a", "b", "c", "a, b", "not(a)", "not(b)"),
    "n": ("0", "1", "> 1", ">= 1", "< 2", "[1..2]", "(0..3)", "2, 3", "not(1)"),
    "y": ("true", "false", "null", "not(true)"),
    "m": ("0", "> 1", ">= 1", "< 2", "<= 2", "[1..2]", "(1..2)", "> n", "<= n - 1"),
}
OUT = ("p", "q", "r")


@st.composite
def rows(draw: st.DrawFn, tests: dict[str, tuple[str, ...]], outputs: dict[str, tuple[str, ...]], prefix: str) -> str:
    lines = []
    for i in range(draw(st.integers(1, 4))):
        keys = draw(st.lists(st.sampled_from(sorted(tests)), max_size=3, unique=True))
        when = ", ".join(f'{k}: "{draw(st.sampled_from(tests[k]))}"' for k in keys)
        then = ", ".join(f'{k}: "{draw(st.sampled_from(v))}"' for k, v in outputs.items())
        lines.append(f"      - {{id: {prefix}{i}, set_by: company, when: {{{when}}}, then: {{{then}}}}}")
    return "\n".join(lines)


@st.composite
def table(
    draw: st.DrawFn, name: str, tests: dict[str, tuple[str, ...]], outputs: dict[str, tuple[str, str, tuple[str, ...]]], policy: str
) -> str:
    given_ = {k: v[2] for k, v in outputs.items()}
    declared = "\n".join(
        f"      {k}: {{type: {v[1]}}}" if v[1] != "enum" else f"      {k}: {{type: enum, values: [p, q, r]}}" for k, v in outputs.items()
    )
    body = draw(rows(tests, given_, name[0]))
    default = ""
    if draw(st.booleans()):
        then = ", ".join(f'{k}: "{draw(st.sampled_from(v))}"' for k, v in given_.items())
        default = f"\n    default: {{id: {name[0]}-else, set_by: company, then: {{{then}}}}}"
    return f"  {name}:\n    hit_policy: {policy}\n    outputs:\n{declared}\n    rules:\n{body}{default}\n"


POLICIES = (
    "first",
    "first",
    "unique",
    "any",
    "priority",
    "collect",
    "rule_order",
    "output_order",
    "collect sum",
    "collect count",
    "collect max",
)
BASE_OUT = {"k": ("k", "enum", OUT), "v": ("v", "number", ("0", "1", "2", "m", "n", "m + 1", "2 * m"))}
FINAL_TESTS = {**TESTS, "base.k": ("p", "q", "not(p)", "null"), "base.v": ("> 1", "<= 1", "null", "> n")}
FINAL_OUT = {"w": ("w", "enum", OUT), "x": ("x", "number", ("0", "1", "base.v", "m"))}


@st.composite
def pair(draw: st.DrawFn) -> tuple[str, str]:
    """Two versions: each table of the newer is that of the older, or another."""
    policy = draw(st.sampled_from(POLICIES))
    outputs: dict[str, Any] = {"k": BASE_OUT["k"], "v": BASE_OUT["v"]}
    final_tests, final_out = FINAL_TESTS, FINAL_OUT
    if policy in ("collect sum", "collect max"):
        outputs = {"v": BASE_OUT["v"]}
        final_tests = {k: v for k, v in FINAL_TESTS.items() if k != "base.k"}
    elif policy == "collect count":
        outputs = {"c": ("c", "integer", ("1",))}
        final_tests = {**TESTS, "base.c": ("0", "> 1", "[1..2]")}
        final_out = {"w": FINAL_OUT["w"], "x": ("x", "number", ("0", "1", "base.c", "m"))}
    elif policy in ("collect", "rule_order", "output_order"):
        final_tests = {**TESTS, "base.k": ("contains p", "not(contains q)", "contains r")}
        final_out = {"w": FINAL_OUT["w"], "x": ("x", "number", ("0", "1", "m"))}
    final_policy = draw(st.sampled_from(("first", "first", "priority", "unique")))
    base = [draw(table("base", TESTS, outputs, policy))]
    base.append(draw(st.one_of(st.just(base[0]), table("base", TESTS, outputs, policy))))
    final = [draw(table("final", final_tests, final_out, final_policy))]
    final.append(draw(st.one_of(st.just(final[0]), table("final", final_tests, final_out, final_policy))))
    first, second = (f"{INPUTS}\ndecisions:\n{b}{f}" for b, f in zip(base, final, strict=True))
    return first, second


def asking(facts: dict[str, Any]) -> Asking:
    return Asking(facts=facts, as_of=DAY, now=NOW, exact=False)


def cell_env(old: Judge, new: Judge, facts: dict[str, Any], required_names: tuple[str, ...]) -> dict[str, Any] | None:
    """Return what the axes of a joint table read: inputs, and outputs of required decisions in both versions."""
    env: dict[str, Any] = {**facts, "as_of": DAY, "now": NOW}
    for judge, mark in ((old, ""), (new, MARK)):
        for name in required_names:
            required = judge.book.decision_by_name[name]
            verdict = judge.decide(required, asking(facts), TraceLevel.NONE)
            if not isinstance(verdict, Verdict):
                return None
            published: dict[str, Any] = {}
            judge.decider.publish(required, verdict, published)
            env.update({k.replace(".", f"{mark}.", 1): v for k, v in published.items()})
            # Where the decision did not change the joint table reads it without a mark.
            env.update({k: v for k, v in published.items() if k not in env})
    return env


def holds(region: Region, env: dict[str, Any]) -> bool:
    cell = region.tables.grid.cell(env)
    return any(all(c.contains(ranges, code) for ranges, code in zip(box, cell, strict=True)) for box in region.boxes)


def is_computed(region: Region) -> bool:
    parts = [o for o in (region.before, region.after) if isinstance(o, Answers)]
    return any(isinstance(e, Computed) for o in parts for row in o.rows for _, e in row) or not all(
        isinstance(o, Answers) or type(o).__name__ in ("NoMatch", "Conflict", "Reduced", "Among") for o in (region.before, region.after)
    )


def differing(old: Book, new: Book, name: str) -> Iterator[tuple[dict[str, Any], bool, dict[str, Any] | None]]:
    a, b = Judge(old), Judge(new)
    both = Both(a, b, old.decision_by_name[name], new.decision_by_name[name])
    required = ("base",) if name == "final" else ()
    for facts in FACTS:
        yield facts, both.differ(asking(facts)), cell_env(a, b, facts, required)


def compare(old: Book, new: Book, found: BookDifference) -> None:
    for name in ("base", "final"):
        here = [t for t in found.tables if t.name == name]
        regions = [r for t in here for r in t.regions]
        any_differs = False
        for facts, differs, env in differing(old, new, name):
            any_differs |= differs
            inside = [r for r in regions if r.boxes and env is not None and holds(r, env)]
            if differs and env is not None:
                assert inside, f"{name}: {facts} is decided otherwise and in no region"
            for r in inside:
                # A consequence needs an output that differs; one in a table's own rows that there is none.
                read = {n.replace(MARK, "") for n in r.tables.before.outputs_read | r.tables.after.outputs_read}
                changed = any(env[k] != env[k.replace(".", f"{MARK}.", 1)] for k in read if k in env)  # type: ignore[index] # has a cell
                if not is_computed(r) and changed == bool(r.because):
                    assert differs, f"{name}: {facts} is decided alike and in a region"
        assert bool(regions) == any_differs, f"{name}: {regions and regions[0].asking}"
        assert not [t for t in here if t.perhaps or t.undecided or t.is_partial], [(t.undecided, t.perhaps) for t in here]
        for r in regions:
            assert r.asking is not None


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=PAIRS)
@given(pair())
def test_what_is_reported_is_all_that_differs(texts):
    old, new = (book_of(text) for text in texts)
    found = difference(old, new)
    try:
        compare(old, new, found)
    except BaseException as e:
        e.add_note("\n-----\n".join(texts))
        raise

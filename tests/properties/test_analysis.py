"""What analysis says of a table is what looking at every request says.

Random small books over few whole numbers, choices, flags and a list, with sums of inputs, a required decision and dates in force; all of
their requests are decided row by row (`engine.reference`), and gaps, conflicts and rows that never answer compared.
`EXAMPLES` books in all (600); POLICYBOOK_EXAMPLES in the environment says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policybook.analyse.findings import table_findings
from policybook.analyse.limits import Limits
from policybook.analyse.space import Judge
from policybook.check.book import check_source
from policybook.diagnostics import Code, Finding
from policybook.engine.reference import Reading, matching_rows
from policybook.model.book import Book, Decision, HitPolicy
from policybook.model.evaluate import evaluate
from policybook.source import Source
from policybook.values import Value

EXAMPLES = int(os.environ.get("POLICYBOOK_EXAMPLES", "600"))
DAY = date(2026, 1, 15)

HEAD = """\
policy: t
title: {en: T, zh: T}
inputs:
  n: {type: integer, min: 0, max: 4}
  m: {type: integer, min: 0, max: 3, optional: true}
  g: {type: enum, values: [a, b, c]}
  f: {type: boolean}
  s: {type: list, of: {type: enum, values: [p, q]}, default: []}
values:
  both: n + m
  twice: 2 * n - m
decisions:
  pre:
    hit_policy: first
    outputs: {c: {type: enum, values: [x, y, z]}, k: {type: integer}}
    rules:
      - {id: pre-1, clause: 1, when: {%s}, then: {c: x, k: n}}
      - {id: pre-2, clause: 1, when: {%s}, then: {c: y, k: 1}}
    default: {id: pre-3, clause: 1, then: {c: x, k: 0}}
  main:
    hit_policy: %s
    outputs: {o: {type: enum, values: [u, v, w]}}
    rules:
"""

_TESTS = {
    "n": ("0", "1", "<= 1", "< 3", "> 2", "[1..3]", "(0..3)", "not(2)", "1, 4", "> m", "<= m", "5", ">= 7"),
    "m": ("null", "not(null)", "< 2", ">= 2", "0, 3", "< n", "= n", "[n..3]"),
    "g": ("a", "a, b", "not(a)", "c"),
    "f": ("true", "false"),
    "s": ("contains p", "not(contains q)", "contains all (p, q)"),
    "both": ("<= 3", "> 3", "[2..5)", "null", "< 0"),
    "twice": ("< 2", ">= 2", "> 5"),
    "pre.c": ("x", "y", "z", "x, y"),
    "pre.k": ("0", "< 2", ">= 2", "< n", "4"),
}
_POLICIES = ("first", "first", "unique", "any", "rule_order", "priority")


def made(random: Random) -> str:
    """Return the text of a book."""

    def when(names: list[str], most: int) -> str:
        chosen = random.sample(names, random.randint(0, most))
        return ", ".join(f'{n}: "{random.choice(_TESTS[n]).removeprefix("= ")}"' for n in chosen)

    inputs = ["n", "m", "g", "f", "s", "both", "twice"]
    policy = random.choice(_POLICIES)
    text = HEAD % (when(inputs[:4], 2), when(inputs[:4], 2), policy)
    for i in range(random.randint(1, 5)):
        text += f"      - {{id: r{i}, clause: 1, when: {{{when([*inputs, 'pre.c', 'pre.k'], 3)}}}, then: {{o: {random.choice('uvw')}}}}}\n"
    if random.random() < 0.3:
        text += "    default: {id: otherwise, clause: 1, then: {o: u}}\n"
    return text


def requests() -> Iterator[dict[str, Value]]:
    for n, m, g, f, s in product(range(5), (None, 0, 1, 2, 3), "abc", (False, True), ((), ("p",), ("q",), ("p", "q"))):
        yield {"n": Fraction(n), "m": None if m is None else Fraction(m), "g": g, "f": f, "s": s}


REQUESTS = tuple(requests())


def with_pre(book: Book, facts: dict[str, Value]) -> dict[str, Value]:
    pre = book.decision_by_name["pre"]
    matched = matching_rows(book, pre, DAY, facts)
    row = pre.rows[matched[0]] if matched else pre.default
    assert row is not None
    env = Reading(book, pre, DAY, facts)
    return {**facts, **{f"pre.{o.name}": evaluate(o.formula, env, book.zone) for o in row.outputs}}


def outcomes(book: Book, decision: Decision) -> list[tuple[int, ...]]:
    """Return the rows that match, for every request."""
    if "pre" not in decision.uses.decisions:
        return [matching_rows(book, decision, DAY, facts) for facts in REQUESTS]
    return [matching_rows(book, decision, DAY, with_pre(book, facts)) for facts in REQUESTS]


def told(findings: tuple[Finding, ...], *codes: Code) -> set[tuple[str, ...]]:
    return {f.rows for f in findings if f.decision == "main" and f.code in codes}


# In parts, so that several processes share them.
PARTS = 5


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@settings(max_examples=EXAMPLES // PARTS, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_findings_are_what_every_request_says(part: int, seed: int) -> None:
    text = made(Random(f"{part} {seed}"))  # noqa: S311 - tables, not secrets
    book, report = check_source(Source("t.yaml", text))
    assert book is not None, report.render({}) + text
    decision = book.decision_by_name["main"]
    findings = table_findings(book, Judge(book), Limits(notes=True, seconds=None))
    assert not told(findings, Code.UNDECIDED, Code.PARTIAL), text
    matched = outcomes(book, decision)
    ids = [r.id for r in decision.rows]
    ever = {i for rows in matched for i in rows}

    never = {(ids[i],) for i in range(len(ids)) if i not in ever}
    assert told(findings, Code.NEVER_FIRES) == never, text

    twins = {rows[0] for rows in told(findings, Code.DUPLICATE_ROW)}
    for first, second in told(findings, Code.DUPLICATE_ROW):
        assert all((ids.index(first) in rows) == (ids.index(second) in rows) for rows in matched), text

    if decision.hit_policy is HitPolicy.FIRST:
        answering = {rows[0] for rows in matched if rows}
        silent = {ids[i] for i in ever - answering} - twins
        assert {rows[0] for rows in told(findings, Code.SHADOWED) if rows} == silent, text
    if decision.default is not None:
        never_open = all(matched)
        assert any(f.code is Code.SHADOWED and not f.rows and f.decision == "main" for f in findings) == never_open, text

    gap = not decision.hit_policy.multi and decision.default is None and not all(matched)
    assert bool({f.message for f in findings if f.decision == "main" and f.code in (Code.GAP, Code.BOUNDARY_LEFT_OUT)}) == gap, text

    if decision.hit_policy in (HitPolicy.UNIQUE, HitPolicy.ANY):
        out = [next(o.formula for o in r.outputs) for r in decision.rows]
        pairs = {
            (ids[a], ids[b])
            for rows in matched
            for a in rows
            for b in rows
            if a < b and not {ids[a], ids[b]} & twins and (decision.hit_policy is HitPolicy.UNIQUE or out[a] != out[b])
        }
        assert told(findings, Code.CONFLICT) == pairs, text
    if gap:
        _proposed_rows_close_the_gaps(text, findings)


def _proposed_rows_close_the_gaps(text: str, findings: tuple[Finding, ...]) -> None:
    gaps = [f for f in findings if f.decision == "main" and f.code in (Code.GAP, Code.BOUNDARY_LEFT_OUT)]
    if not all(f.proposal for f in gaps):
        return
    for number, gap in enumerate(gaps):
        text += "      " + gap.proposal.replace("main-to-name", f"new-{number}") + "\n"
    book, report = check_source(Source("t.yaml", text))
    assert book is not None, report.render({}) + text
    decision = book.decision_by_name["main"]
    matched = outcomes(book, decision)
    assert all(matched), text
    if decision.hit_policy is HitPolicy.UNIQUE:
        # No row of its own making clashes with another.
        old = len(decision.rows) - len(gaps)
        assert not any(len(rows) > 1 and rows[-1] >= old for rows in matched), text

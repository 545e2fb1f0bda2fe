"""A mutant is killed, lives on, or is equivalent exactly as asking every request says.

Small books over few whole numbers, choices and flags; every mutant is decided for each of their requests by a book of its own,
row by row (`engine.reference`), and compared. `EXAMPLES` books in all; POLICYBOOK_EXAMPLES in the environment says otherwise.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from fractions import Fraction
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policybook.check.book import check_source
from policybook.decide.hit_policy import choose
from policybook.decide.outputs import RowOutputs
from policybook.diagnostics import Report
from policybook.engine.reference import Reading, matching_rows, rows_in_force
from policybook.errors import ConflictError
from policybook.load.yaml import Scalar
from policybook.model.book import Book, HitPolicy
from policybook.source import NOWHERE, Source
from policybook.trials.case import Case, ErrorKind, Expected, Stated, Status
from policybook.trials.draft import raw_of
from policybook.trials.mutation import Fate, Jury
from policybook.values import Value

EXAMPLES = int(os.environ.get("POLICYBOOK_EXAMPLES", "40"))
DAY = date(2026, 1, 15)
NOON = datetime(2026, 1, 15, 4, tzinfo=UTC)

HEAD = """\
policy: t
title: {en: T, zh: T}
parameters:
  p: {type: integer, title: {en: P, zh: P}, clause: "1", value: %d}
inputs:
  n: {type: integer, min: 0, max: 3}
  m: {type: integer, min: 0, max: 1, optional: true}
  g: {type: enum, values: [a, b]}
  f: {type: boolean}
values:
  both: n + m
  over: n > p
decisions:
  pre:
    hit_policy: first
    outputs: {c: {type: enum, values: [x, y, z]}, k: {type: integer}}
    rules:
      - {id: pre-1, clause: 1, when: {%s}, then: {c: x, k: n}}
      - {id: pre-2, clause: 1, when: {%s}, then: {c: y, k: p}}
    default: {id: pre-3, clause: 1, then: {c: x, k: 0}}
  main:
    hit_policy: %s
    outputs: {o: {type: enum, values: [u, v, w]}, q: {type: integer, optional: true}}
    rules:
"""
_TESTS = {
    "n": ("0", "<= 1", "< 3", "> 2", "[1..3]", "(0..3)", "not(2)", "1, 3", "> m", "<= m", "< p", ">= p"),
    "m": ("null", "not(null)", "< 1", ">= 1", "0, 1", "< n", "[n..3]"),
    "g": ("a", "a, b", "not(a)", "b"),
    "f": ("true", "false"),
    "both": ("<= 3", "> 3", "[2..5)", "null"),
    "over": ("true", "false"),
    "pre.c": ("x", "y", "z", "x, y"),
    "pre.k": ("0", "< 2", ">= 2", "< n"),
}
_OUTPUTS = ("1", "2", "n", "null", "n + p", "pre.k", "m")
_POLICIES = ("first", "first", "unique", "any", "rule_order", "priority", "collect")


def made(random: Random) -> str:
    """Return the text of a book."""

    def when(names: list[str], most: int) -> str:
        chosen = random.sample(names, random.randint(0, most))
        return ", ".join(f'{n}: "{random.choice(_TESTS[n])}"' for n in chosen)

    inputs = ["n", "m", "g", "f", "both", "over"]
    text = HEAD % (random.randint(0, 3), when(inputs[:4], 2), when(inputs[:4], 2), random.choice(_POLICIES))
    for i in range(random.randint(1, 4)):
        outputs = f"o: {random.choice('uvw')}, q: {random.choice(_OUTPUTS)}"
        text += f"      - {{id: r{i}, clause: 1, when: {{{when([*inputs, 'pre.c', 'pre.k'], 3)}}}, then: {{{outputs}}}}}\n"
    if random.random() < 0.4:
        text += "    default: {id: otherwise, clause: 1, then: {o: u, q: 1}}\n"
    return text


REQUESTS = tuple(
    {"n": Fraction(n), "m": None if m is None else Fraction(m), "g": g, "f": f}
    for n, m, g, f in product(range(4), (None, 0, 1), "ab", (False, True))
)
Told = tuple[object, ...]


class Version:
    """A book, and what its rows say."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.outputs = {d.name: RowOutputs(book, d) for d in book.decisions}

    def answers(self, name: str) -> list[Told]:
        return [answer(self, name, facts) for facts in REQUESTS]


def asked(version: Version, name: str, facts: dict[str, Value]) -> tuple[Told, dict[str, Value]]:
    """Decide one table row by row: which rows answer with what, and what other decisions see."""
    book = version.book
    decision = book.decision_by_name[name]
    rows = rows_in_force(decision, DAY)
    env = Reading(book, decision, DAY, facts)
    outputs = version.outputs[name]
    try:
        chosen = choose(name, decision, matching_rows(book, decision, DAY, facts), rows, lambda i: outputs.of(rows[i], env))
    except ConflictError:
        return ("conflict",), {}
    selected = [rows[i] for i in chosen] or ([decision.default] if decision.default else [])
    said = tuple((r.id, tuple(outputs.of(r, env).items())) for r in selected)
    return said, {f"{name}.{o}": v for o, v in (outputs.of(selected[0], env) if selected else {}).items()}


def answer(version: Version, name: str, facts: dict[str, Value]) -> Told:
    if name == "pre" or "pre" not in version.book.decision_by_name[name].uses.decisions:
        return asked(version, name, facts)[0]
    told, published = asked(version, "pre", facts)
    if told == ("conflict",):
        return told
    if not published:
        published = {"pre.c": None, "pre.k": None}
    return asked(version, name, {**facts, **published})[0]


def case(book: Book, name: str, number: int) -> Case:
    """State a request as a case that expects the rows and outputs of the book's answer."""
    facts = REQUESTS[number]
    told = answer(Version(book), name, facts)
    decision = book.decision_by_name[name]
    fields = {o.name: o for o in decision.outputs}
    words = {n: ("true" if v is True else "false" if v is False else "null" if v is None else str(v)) for n, v in facts.items()}
    given = {n: Stated(raw_of(Scalar(w, NOWHERE, NOWHERE, True)), w, NOWHERE) for n, w in words.items()}
    refused = told == ("conflict",)
    items = () if refused else tuple({n: Expected(fields[n], v, NOWHERE) for n, v in said} for _, said in told)  # type: ignore[misc]
    multi = decision.hit_policy.multi
    return Case(
        id=f"c{number}-{name}",
        policy="t",
        decision=name,
        as_of=DAY,
        given=given,
        expect=items[0] if items and not multi else {},
        expect_items=items if multi and not refused else None,
        rows=None if refused else tuple(row for row, _ in told),  # type: ignore[misc]
        not_rows=(),
        status=Status.ERROR if refused else None if multi or items else Status.NO_MATCH,
        error=ErrorKind.CONFLICT if refused else None,
        span=NOWHERE,
    )


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_fates_are_what_every_request_says(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - tables, not secrets
    text = made(random)
    book, report = check_source(Source("t.yaml", text))
    assert book is not None, Report.render(report, {}) + text
    numbers = {d.name: sorted(random.sample(range(len(REQUESTS)), random.choice((0, 3, 12)))) for d in book.decisions}
    cases = [case(book, name, i) for name, some in numbers.items() for i in some]
    base = Version(book)
    wanted = {name: base.answers(name) for name in numbers}
    jury = Jury(book, cases, NOON)
    assert jury.failing == [], text
    for decision in book.decisions:
        score = jury.score(decision.name)
        mutants = jury.bench.mutants(decision.name)
        assert len(score.mutants) + score.duplicates == len(mutants)
        for judged in score.mutants:
            mutant = mutants[judged.number]
            tables = jury.bench.tables(mutant)
            other = Version(mutant.book(book))
            told = {n: {i for i, (a, b) in enumerate(zip(wanted[n], other.answers(n), strict=True)) if a != b} for n in numbers}
            noticed = any(told[name] & set(some) for name, some in numbers.items())
            where = f"{text}\n{judged.what.en}: {judged.fate.value} {judged.why}"
            assert (judged.fate is Fate.KILLED) == noticed, where
            if judged.fate is Fate.SURVIVED:
                assert judged.witness is not None
                name = judged.witness.decision
                full = {"m": None, "n": Fraction(0), "g": "a", "f": False, **judged.witness.asking.facts}
                assert answer(base, name, full) != answer(other, name, full), where
            elif judged.fate is Fate.EQUIVALENT:
                # Upstream changes show in the changed table itself.
                assert not any(told[name] for name in tables), where
            elif judged.fate is Fate.UNDECIDED:
                # Which row answers hangs on what is computed: several solutions are tried, and then it is left open.
                assert decision.hit_policy in (HitPolicy.ANY, HitPolicy.PRIORITY), where

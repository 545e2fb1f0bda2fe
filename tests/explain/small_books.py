"""Random small books, and every request to them: what the tests of explanations compare with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from fractions import Fraction
from functools import cache
from random import Random

from books_in_text import book_of
from policybook.decide.chain import Decider
from policybook.engine.program import Program
from policybook.explain.told import Teller
from policybook.model.book import Book
from policybook.values import Value

NOON = datetime(2026, 3, 15, 4, tzinfo=UTC)
TODAY = date(2026, 3, 15)
WORDS = ("red", "green", "blue")
RANGES: dict[str, tuple[Value, ...]] = {
    "n": tuple(Fraction(i) for i in range(6)),
    "m": tuple(Fraction(i) for i in range(5)),
    "p": tuple(Fraction(i, 100) for i in range(6)),
    "f": (True, False),
    "g": ("a", "b", "c"),
    "o": (*(Fraction(i) for i in range(3)), None),
    "l": tuple(c for k in range(3) for c in itertools.combinations(WORDS[:2], k)),
}
INPUTS = """
inputs:
  n: {type: integer, min: 0, max: 5}
  m: {type: integer, min: 0, max: 4}
  p: {type: money, min: 0, max: 0.05}
  f: {type: boolean}
  g: {type: enum, values: [a, b, c]}
  o: {type: integer, min: 0, max: 2, optional: true}
  l: {type: list, of: colour, default: []}
"""
HEAD = """types:
  colour: {type: enum, values: [red, green]}
"""


def random_book(seed: int) -> Book:
    """A decision that may need another, over a few inputs of small ranges."""
    r = Random(seed)  # noqa: S311 - tables, not secrets
    names = sorted(r.sample(sorted(RANGES), r.randint(2, 4)))
    first = _table(r, "first_one", names, level=False)
    second = _table(r, "asked", names, level=r.random() < 0.7)
    total = "values:\n  total: {is: 2 * n + m}\n" if {"n", "m"} <= set(names) else ""
    used = [line for line in INPUTS.splitlines() if not line.startswith("  ") or line.split(":")[0].strip() in names]
    return book_of(f"{HEAD}{chr(10).join(used)}\n{total}decisions:\n{first}{second}")


def _table(r: Random, name: str, names: list[str], *, level: bool) -> str:
    policy = r.choice(("first", "first", "first", "rule_order", "collect"))
    kinds = "[low, middle, high]" if name == "first_one" else "[yes, no, maybe]"
    words = ("low", "middle", "high") if name == "first_one" else ("'yes'", "'no'", "maybe")
    if name == "first_one":
        policy = "first"
    rows = []
    for i in range(r.randint(2, 5)):
        tests = {}
        for key in r.sample(names, r.randint(1, min(3, len(names)))):
            tests[key] = _test(r, key, names)
        if level and r.random() < 0.6:
            tests["first_one.result"] = r.choice(("low", "middle", "high", "[low, high]"))
        if {"n", "m"} <= set(names) and r.random() < 0.3:
            tests["total"] = r.choice(("'> 4'", "'<= 7'", "'[3..8)'"))
        when = ", ".join(f"{k}: {v}" for k, v in tests.items())
        rows.append(
            f"      - {{id: {name.replace('_', '-')}-{i}, set_by: company, when: {{{when}}}, then: {{result: {r.choice(words)}}}}}\n"
        )
    otherwise = r.random() < 0.7 or name == "first_one"
    default = (
        f"    default: {{id: {name.replace('_', '-')}-else, set_by: company, then: {{result: {words[0]}}}}}\n"
        if otherwise and policy == "first"
        else ""
    )
    return (
        f"  {name}:\n    hit_policy: {policy}\n    outputs:\n      result: {{type: enum, values: {kinds.replace('yes', chr(39) + 'yes' + chr(39)).replace('no,', chr(39) + 'no' + chr(39) + ',')}}}\n"
        f"    rules:\n{''.join(rows)}{default}"
    )


def _test(r: Random, key: str, names: list[str]) -> str:
    match key:
        case "n" | "m" | "o":
            if key == "n" and "m" in names and r.random() < 0.3:
                return r.choice(("'> m'", "'<= m + 1'", "'< 2 * m'"))
            if key == "o" and r.random() < 0.4:
                return r.choice(("null", "not(null)"))
            return f"'{r.choice(('<', '<=', '>', '>='))} {r.randint(0, 4)}'"
        case "p":
            return f"'{r.choice(('<', '<=', '>', '>='))} {r.randint(1, 4) / 100}'"
        case "f":
            return r.choice(("true", "false"))
        case "g":
            return r.choice(("a", "b", "[a, c]", "not(b)"))
        case _:
            return r.choice(("contains red", "contains green", "not(contains red)", "'contains all (red, green)'"))


@cache
def _decider(seed: int) -> Decider:
    book = random_book(seed)
    return Decider(book, Program.of(book))


def teller_of(seed: int) -> Teller:
    decider = _decider(seed)
    return Teller(decider, decider.book.decision_by_name["asked"], TODAY, NOON)


def every_request(teller: Teller, known: Mapping[str, Value] | None = None) -> Iterator[dict[str, Value]]:
    """Yield every request that agrees with what is known."""
    names = teller.decision.uses.inputs
    ranges = [(known[n],) if known and n in known else RANGES[n] for n in names]
    for values in itertools.product(*ranges):
        yield dict(zip(names, values, strict=True))

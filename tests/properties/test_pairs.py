"""The pairs of conditions that are counted as possible are those that some request has: all of them, and no other."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from books_in_text import ask, book_of, desk_of
from policybook.trials.coverage import Coverage
from policybook.trials.session import spaces

HEAD = """
inputs:
  a: {type: integer, min: 0, max: 3}
  b: {type: integer, min: 0, max: 3, optional: true}
  c: {type: boolean}
  d: {type: enum, values: [x, y, z]}
values:
  sum: a + b
decisions:
  t:
    hit_policy: first
    outputs: {out: {type: integer}}
    default: {id: otherwise, clause: 1.1, then: {out: 0}}
    rules:
"""
REQUESTS = [
    {"a": a, "c": c, "d": d} | ({} if b is None else {"b": b})
    for a, b, c, d in product(range(4), (None, 0, 1, 2, 3), (True, False), ("x", "y", "z"))
]
number = st.integers(0, 3)
numeric = st.one_of(
    st.builds("{} {}".format, st.sampled_from(["<", "<=", ">", ">="]), number),
    st.builds(lambda a, b: f"[{min(a, b)}..{max(a, b)}]", number, number),
    number.map(str),
    st.sampled_from(["not(2)", "> a", "<= a", "null", "not(null)"]),
)
tests = {
    "a": numeric.filter(lambda t: t not in ("> a", "<= a")),
    "b": numeric,
    "sum": numeric,
    "c": st.sampled_from(["true", "false"]),
    "d": st.sampled_from(["x", "y", '"x", "z"', "not(z)"]),
}
rows = st.lists(st.fixed_dictionaries({}, optional=tests).filter(bool), min_size=1, max_size=4)


@given(table=rows)
@settings(max_examples=25)
def test_possible_pairs_are_those_of_all_requests(table: list[dict[str, str]]) -> None:
    lines = [
        f"      - {{id: r{i}, clause: 1.1, when: {{{', '.join(f'{k}: {_quoted(v)}' for k, v in row.items())}}}, then: {{out: {i}}}}}\n"
        for i, row in enumerate(table)
    ]
    book = book_of(HEAD + "".join(lines))
    desk, coverage = desk_of(book), Coverage([book])
    for facts in REQUESTS:
        coverage.visit(ask(desk, "t", facts))
    all_of_it = coverage.decision(book, book.decision_by_name["t"], spaces()).pairs
    nothing = Coverage([book]).decision(book, book.decision_by_name["t"], spaces()).pairs
    assert all_of_it
    assert nothing
    assert all_of_it.missed == ()
    assert (nothing.possible, nothing.undecided) == (all_of_it.seen, 0)


def _quoted(test: str) -> str:
    return "'" + test + "'"

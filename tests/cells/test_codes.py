"""Sets of codes behave as sets."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from policybook.cells import codes as c

SIZE = 12
sets = st.frozensets(st.integers(0, SIZE - 1))


@given(sets, sets)
def test_they_are_sets(a, b):
    x, y = c.of(a), c.of(b)
    assert set(c.each(x)) == a
    assert c.union(x, y) == c.of(a | b)
    assert c.intersection(x, y) == c.of(a & b)
    assert c.complement(x, SIZE) == c.of(set(range(SIZE)) - a)
    assert c.is_subset(x, y) == (a <= b)
    assert c.count(x) == len(a)
    assert [c.contains(x, i) for i in range(SIZE)] == [i in a for i in range(SIZE)]


@given(sets)
def test_ranges_are_sorted_and_apart(a):
    ranges = c.of(a)
    assert all(low <= high for low, high in ranges)
    assert all(first[1] + 1 < second[0] for first, second in pairwise(ranges))


def test_an_inverted_range_holds_nothing():
    assert c.normal([(3, 2), (5, 6), (7, 7)]) == ((5, 7),)

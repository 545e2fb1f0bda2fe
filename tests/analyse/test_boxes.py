"""Boxes: every operation against the sets of cells that they stand for."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from policybook.analyse.boxes import Box, Budget, Piece, intersection, merged, overlaps, partition, volume, whole, without
from policybook.cells import codes as c

SIZES = (4, 3, 5)
EVERYTHING = set(product(*map(range, SIZES)))


def code_sets(size: int) -> st.SearchStrategy[c.Ranges]:
    return st.sets(st.integers(0, size - 1), min_size=1).map(c.of)


BOXES = st.tuples(*map(code_sets, SIZES))
PIECES = st.lists(st.tuples(*(st.none() | code_sets(s) for s in SIZES)), max_size=7).map(
    lambda made: tuple(Piece(row, sets) for row, sets in enumerate(made))
)


def cells(box: Box) -> set[tuple[int, ...]]:
    return set(product(*map(c.each, box)))


def cells_of(p: Piece) -> set[tuple[int, ...]]:
    return cells(tuple(((0, size - 1),) if s is None else s for s, size in zip(p.sets, SIZES, strict=True)))


@given(BOXES, BOXES)
def test_intersection_and_difference(a: Box, b: Box) -> None:
    both = intersection(a, b)
    assert (cells(both) if both else set()) == cells(a) & cells(b)
    left = list(without(a, b))
    assert sum(map(volume, left)) == len(set().union(*map(cells, left))) == len(cells(a) - cells(b))


@given(st.lists(BOXES, max_size=6))
def test_merged_boxes_hold_the_same_cells(boxes: list[Box]) -> None:
    joined = merged(boxes)
    assert set().union(*map(cells, joined)) == set().union(*map(cells, boxes))
    assert len(joined) <= len(boxes)


@given(PIECES)
def test_a_partition_is_the_space_with_one_answer_in_each_box(made: tuple[Piece, ...]) -> None:
    def settle(live: object) -> tuple[int, ...] | None:
        rows = [(p.row, covered) for p, covered in live]  # type: ignore[attr-defined]
        return tuple(r for r, _ in rows) if all(covered for _, covered in rows) else None

    found = partition([whole(SIZES)], made, settle, Budget())
    assert found.is_whole
    seen: set[tuple[int, ...]] = set()
    for leaf in found.leaves:
        assert not seen & cells(leaf.box)
        seen |= cells(leaf.box)
        for cell in cells(leaf.box):
            assert tuple(p.row for p in made if cell in cells_of(p)) == leaf.verdict
    assert seen == EVERYTHING


@given(PIECES)
def test_overlaps_are_the_pairs_with_cells_in_common(made: tuple[Piece, ...]) -> None:
    pairs = {(i, j) for i, p in enumerate(made) for j, q in enumerate(made) if i < j and cells_of(p) & cells_of(q)}
    assert set(overlaps(made, SIZES)) == pairs


@given(PIECES, st.integers(0, 6))
def test_what_a_budget_does_not_reach_is_left(made: tuple[Piece, ...], steps: int) -> None:
    found = partition([whole(SIZES)], made, lambda live: 1 if all(covered for _, covered in live) else None, Budget(steps=steps))
    assert set().union(*(cells(x.box) for x in found.leaves), *map(cells, found.left)) == EVERYTHING


def test_to_look_through_many_pieces_is_work_too() -> None:
    made = [Piece(i, (((i, i),),)) for i in range(1_000)]
    whole = (((0, 999),),)
    found = partition([whole], made, lambda live: "" if not live else None, Budget(steps=10))
    assert (found.leaves, found.left) == ([], [whole])

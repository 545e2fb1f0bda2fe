"""Which points at a threshold some request can reach, as far as the cells of a table and their analysis tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from policybook.cells.axes import OrderedAxis
from policybook.cells.grid import Grid
from policybook.cells.linear import Form, linear
from policybook.model.formula import Formula
from policybook.trials.pairs import MAX_OPEN, Space
from policybook.trials.points import Point


class Reach:
    """Asks whether points can be reached in any of the eras that count."""

    def __init__(self, known: Sequence[tuple[Grid, Space]]) -> None:
        self._known = known
        self._open = 0

    def of(self, subject: Formula, bound: Formula, points: Iterable[Point]) -> frozenset[Point]:
        """Keep the points that can be reached, or of which it is not known.

        Args:
            subject: what the column compares; `bound` with what
        """
        return frozenset(p for p in points if any(self._occurs(grid, space, subject, bound, p) for grid, space in self._known))

    def _occurs(self, grid: Grid, space: Space, subject: Formula, bound: Formula, point: Point) -> bool:
        found = _code(grid, subject, bound, point)
        if found is None:
            return True
        axis, code = found
        box = tuple(((code, code),) if i == axis else allowed for i, allowed in enumerate(space.domain))
        if not any(low <= code <= high for low, high in space.domain[axis]):
            return False
        if self._open >= MAX_OPEN:
            return True
        verdict = space.occurs(box)
        self._open += verdict is None
        return verdict is not False


def _code(grid: Grid, subject: Formula, bound: Formula, point: Point) -> tuple[int, int] | None:
    """Return the axis of a comparison and the code of a point on it; None where the table has no such axis in this era."""
    form = linear(grid.plain.of(subject)).plus(linear(grid.plain.of(bound)), -1)
    for axis, factor in _axes(grid, form):
        cut = -form.constant / factor
        if cut in axis.cuts:
            beside = {Point.ON: 0, Point.JUST_BELOW: -1, Point.JUST_ABOVE: 1}[point]
            return axis.index, 2 * axis.cuts.index(cut) + 1 + (beside if factor > 0 else -beside)
    return None


def _axes(grid: Grid, form: Form) -> Iterator[tuple[OrderedAxis, Fraction]]:
    """Yield the axis whose form is this one divided by a factor, with the factor."""
    for axis in grid.axes:
        if not isinstance(axis, OrderedAxis) or {a.formula for a in axis.atoms} != set(form.terms):
            continue
        factors = {form.terms[a.formula] / k for a, k in axis.form if k}
        if len(factors) == 1 and (factor := factors.pop()):
            yield axis, factor

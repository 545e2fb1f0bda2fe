"""Put a layout in order: keys, blank lines, and comments where they can stand."""

from __future__ import annotations

import re
from itertools import groupby

from policybook.fmt.layout import Entry, Group, Leaf, Value
from policybook.fmt.order import PARTS, Shape, shape_of

# Lines at the top of a file that speak to a program, and to it as a whole: they stay at the top wherever the key below them goes.
_FOR_PROGRAMS = re.compile(r"#\s*(yaml-language-server:|-\*-|vim?:|SPDX-|!)")


def tidy(root: Entry, form: str) -> None:
    """Order the keys of a layout, and set the blank lines between its entries.

    Args:
        form: of the whole text, as `keys.Key.form`
    """
    _tidy(root.value, form, top=True)


def _tidy(value: Value, form: str, *, top: bool = False) -> None:
    if isinstance(value, Leaf):
        return
    shape = shape_of(form)
    if shape.keys is not None and not value.sequence:
        _order(value, list(shape.keys), top=top)
    for i, entry in enumerate(value.entries):
        inner = shape.each if value.sequence or shape.keys is None else shape.keys.get(entry.name, "")
        _tidy(entry.value, inner)
        if value.sequence:
            _lift(entry)
        if value.flow:
            entry.before = [line for line in entry.before if line]
        else:
            entry.before = _blanks(entry, first=i == 0, top=top, apart=_stands_apart(shape, entry, inner, top=top))
    value.tail = _collapsed(value.tail)


def _order(group: Group, names: list[str], *, top: bool) -> None:
    """Put the entries in the order of the names, unknown ones last; what stands above the first as a head stays above the first."""
    old = group.entries
    if not old:
        return
    rank = {name: i for i, name in enumerate(names)}
    new = sorted(old, key=lambda e: rank.get(e.name, len(names)))
    if new[0] is not old[0]:
        lines = old[0].before
        end = max((i + 1 for i, line in enumerate(lines) if not line), default=0)
        if top:
            end = max(end, next((i for i, line in enumerate(lines) if not _FOR_PROGRAMS.match(line)), len(lines)))
        head, old[0].before = lines[:end], lines[end:]
        moved = new[0].before
        new[0].before = [*head, *(moved if head else _without_first_blanks(moved))]
    group.entries = new


def _lift(item: Entry) -> None:
    """Move comments between the dash and the first key of an item above the dash, where the item can begin on the dash's line."""
    inner = item.value
    if isinstance(inner, Group) and not inner.flow and not inner.head:
        item.before += filter(None, inner.entries[0].before)
        inner.entries[0].before = []


def _stands_apart(shape: Shape, entry: Entry, form: str, *, top: bool) -> bool:
    block = isinstance(entry.value, Group) and not entry.value.flow
    return block and (shape.apart or (top and form in PARTS))


def _blanks(entry: Entry, *, first: bool, top: bool, apart: bool) -> list[str]:
    """Return the lines above an entry with at most one blank line in a row, and one on top where the entry stands apart."""
    lines = _collapsed(entry.before, last=True)
    if first and (top or not any(lines)):
        return _without_first_blanks(lines)
    return ["", *lines] if apart and not first and lines[:1] != [""] else lines


def _collapsed(lines: list[str], *, last: bool = False) -> list[str]:
    """Leave one blank line of several, and at the end only where `last` says so."""
    out = [line for line, run in groupby(lines) for line in ([line] if not line else run)]
    return out if last or not out or out[-1] else out[:-1]


def _without_first_blanks(lines: list[str]) -> list[str]:
    return lines[next((i for i, line in enumerate(lines) if line), len(lines)) :]

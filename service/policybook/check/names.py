"""Which names a text mentions, before anything is bound: for the order of evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass

from policybook.feel import nodes as n
from policybook.feel.parse import FeelError, parse_expression, parse_test
from policybook.load.draft import Words

# Every name has one.
_LETTER = re.compile(r"[^\W\d_]")


def names_in(words: Words, *, test: bool = False) -> set[tuple[str, ...]]:
    """Return the dotted names in a text; none when it cannot be parsed (that is noted elsewhere)."""
    if not _LETTER.search(words.text):
        return set()
    try:
        tree = parse_test(words.text) if test else parse_expression(words.text)
    except FeelError:
        return set()
    return {node.parts for node in walk(tree) if isinstance(node, n.Name)}


def walk(node: n.Node) -> Iterator[n.Node]:
    """Yield a node and all below it."""
    yield node
    for f in fields(node):
        value = getattr(node, f.name)
        for child in value if isinstance(value, tuple) else (value,):
            if is_dataclass(child) and isinstance(child, n.Node):
                yield from walk(child)


def in_order(needs: Mapping[str, Iterable[str]]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Order names so that each comes after those it needs.

    Returns:
        the order (names on a cycle left out where they close it), and the cycles found
    """
    done: dict[str, None] = {}
    cycles: list[tuple[str, ...]] = []
    for start in needs:
        if start in done:
            continue
        # An explicit stack: a long chain of values must not exhaust Python's.
        path: list[str] = [start]
        pending = [iter(sorted(needs[start]))]
        while path:
            following = next((x for x in pending[-1] if x in needs and x not in done), None)
            if following is None:
                done[path.pop()] = None
                pending.pop()
            elif following in path:
                cycles.append((*path[path.index(following) :], following))
            else:
                path.append(following)
                pending.append(iter(sorted(needs[following])))
    return tuple(done), tuple(cycles)

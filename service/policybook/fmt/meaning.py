"""What a text says, without where it stands: equal before and after formatting, or nothing is written."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from policybook.fmt.order import Kind, shape_of
from policybook.load.calendar import load_calendar
from policybook.load.clauses import load_clauses
from policybook.load.draft import Words
from policybook.load.read import Reader
from policybook.load.yaml import Mapping as YamlMapping
from policybook.load.yaml import Node, Scalar, Sequence
from policybook.source import Source, Span

Meaning: TypeAlias = Any  # tuples and texts, however deep: to be compared and for nothing else

_LOADERS: Mapping[Kind, Callable[[Node, Source], object]] = {
    Kind.BOOK: lambda tree, source: Reader(source, []).book(tree),
    Kind.CLAUSES: lambda _, source: load_clauses(source)[0],
    Kind.CALENDAR: lambda _, source: load_calendar(source)[0],
}
# A digest is of the text, a source is the text; a word is `exact` where a place inside it can be shown.
_PLACES = frozenset({"digest", "source", "exact", "content"})


def meaning_of(tree: Node, source: Source, kind: Kind) -> Meaning:
    """Return the tree, with the keys that may be moved sorted, and what the loader makes of it."""
    loader = _LOADERS.get(kind)
    return _node(tree, kind.name), _part(loader(tree, source)) if loader else None


def _node(node: Node, form: str) -> Meaning:
    shape = shape_of(form)
    match node:
        case Scalar(text, _, _, plain):
            return text, plain
        case Sequence(items, _, flow):
            return flow, tuple(_node(i, shape.each) for i in items)
        case YamlMapping(entries):
            inner = shape.keys
            pairs = [(_node(k, ""), _node(v, shape.each if inner is None else inner.get(k.text, ""))) for k, v in entries]
            return "mapping", tuple(pairs) if inner is None else tuple(sorted(pairs, key=lambda pair: pair[0]))


def _part(part: object) -> Meaning:
    """Return a draft, or a part of one, without its places."""
    if isinstance(part, Words):
        # An interval in brackets is kept by the loader as it stands in the file, blanks and all; its words are compared by `_node`.
        return re.sub(r"[\s,]+", "", part.text) if "[" in part.text else part.text
    if dataclasses.is_dataclass(part):
        names = [f.name for f in dataclasses.fields(part) if f.name not in _PLACES]
        values = [getattr(part, name) for name in names]
        return type(part).__name__, tuple((n, _part(v)) for n, v in zip(names, values, strict=True) if not isinstance(v, Span))
    if isinstance(part, Mapping):
        return tuple((k, _part(v)) for k, v in part.items())
    if isinstance(part, tuple):
        return tuple(map(_part, part))
    return part

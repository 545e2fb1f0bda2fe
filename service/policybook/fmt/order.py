"""In which order the keys of each part stand: that of the tables by which the loader reads them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from policybook.load import keys
from policybook.load.calendar import CALENDAR, HOLIDAY, YEAR
from policybook.load.clauses import CLAUSE, INDEX, REPAIR
from policybook.load.yaml import Mapping as YamlMapping
from policybook.load.yaml import Node


class Kind(enum.Enum):
    """What a file beside or below the books is, told by its keys."""

    BOOK = enum.auto()
    TABLE = enum.auto()
    CLAUSES = enum.auto()
    CALENDAR = enum.auto()


@dataclass(frozen=True, slots=True)
class Shape:
    """What may be put in order in a part, and what is in it.

    Attributes:
        keys: fixed keys in their order, with the form of each; None where the author's order says something (names, rows, tests)
        each: the form of everything else in it: of the items of a list, of what stands under a name
        apart: a blank line stands between its entries
    """

    keys: Mapping[str, str] | None = None
    each: str = ""
    apart: bool = False


def _record(table: Mapping[str, keys.Key]) -> Shape:
    return Shape({name: key.form for name, key in table.items()})


# The form of a key (`keys.Key.form`) -> what it holds.
SHAPES: Mapping[str, Shape] = {
    Kind.BOOK.name: _record(keys.BOOK),
    Kind.TABLE.name: _record(keys.TEST_TABLE),
    Kind.CLAUSES.name: _record(INDEX),
    Kind.CALENDAR.name: _record(CALENDAR),
    keys.TEXT: _record(keys.LANGUAGES),
    "source": _record(keys.SOURCE),
    "effective": _record(keys.EFFECTIVE),
    "fields": Shape(each="type"),
    "type": _record(keys.TYPE),
    "enum values": Shape(each=keys.TEXT),
    "parameters": Shape(each="parameter"),
    "parameter": _record(keys.PARAMETER),
    "dated values": Shape(each="dated"),
    "dated": _record(keys.DATED),
    "values": Shape(each="value"),
    "value": _record(keys.VALUE),
    "decisions": Shape(each="decision", apart=True),
    "decision": _record(keys.DECISION),
    "rows": Shape(each="row"),
    "row": _record(keys.ROW),
    "default row": _record(keys.DEFAULT_ROW),
    "invariants": Shape(each="invariant"),
    "invariant": _record(keys.INVARIANT),
    "acceptances": Shape(each="acceptance"),
    "acceptance": _record(keys.ACCEPTANCE),
    "cases": Shape(each="case"),
    "case": _record(keys.CASE),
    "clauses": Shape(each="clause"),
    "clause": _record(CLAUSE),
    "repairs": Shape(each="repair"),
    "repair": _record(REPAIR),
    "years": Shape(each="year"),
    "year": _record(YEAR),
    "holidays": Shape(each="holiday"),
    "holiday": _record(HOLIDAY),
}

# What is left as it is: words, and mappings whose order is the author's.
FREE = frozenset({keys.WORD, keys.WORDS, keys.EXPRESSION, keys.FLAG, keys.COUNT, "pair", "tests", "expressions", "facts", "items", "ranks"})

# The large parts at the top of a file; a blank line stands above each that is a block.
PARTS = frozenset({"fields", "parameters", "values", "decisions", "cases", "clauses", "years"})

ANY = Shape()


def shape_of(form: str) -> Shape:
    return SHAPES.get(form, ANY)


def kind_of(tree: Node) -> Kind | None:
    """Tell what a file is; None for one that is nothing of ours."""
    if not isinstance(tree, YamlMapping):
        return None
    for key, kind in (("cases", Kind.TABLE), ("clauses", Kind.CLAUSES), ("calendar", Kind.CALENDAR), ("policy", Kind.BOOK)):
        if tree.get(key) is not None:
            return kind
    return None

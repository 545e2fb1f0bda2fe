"""The draft of a book: the right keys in the right places, every word still text."""

from __future__ import annotations

from dataclasses import dataclass, field

from policybook.load.yaml import Mapping, Node, Scalar, Sequence
from policybook.source import NOWHERE, Source, Span


@dataclass(frozen=True, slots=True)
class DraftText:
    en: str
    zh: str
    span: Span


@dataclass(frozen=True, slots=True)
class Words:
    """A text to be parsed as a test, expression or literal, with the place of its first character."""

    text: str
    span: Span
    exact: bool = True

    def at(self, start: int, end: int) -> Span:
        """Return the place of characters [start, end), if the text stands unchanged in the file."""
        return self.span.within(start, end) if self.exact else self.span


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftEffective:
    start: Scalar | None
    end: Scalar | None
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftField:
    """An input, an output, a record's field, a named type, or what a list holds."""

    name: str
    name_span: Span
    span: Span
    type: Scalar | None
    title: DraftText | None = None
    unit: DraftText | None = None
    values: tuple[tuple[Scalar, DraftText | None], ...] | None = None
    of: DraftField | None = None
    fields: tuple[DraftField, ...] = ()
    minimum: Words | None = None
    maximum: Words | None = None
    default: Words | None = None
    optional: bool = False
    max_length: int | None = None
    max_items: int | None = None
    decimals: int | None = None
    rounding: str = "half_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftDated:
    value: Words
    effective: DraftEffective | None
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftParameter:
    name: str
    name_span: Span
    type: DraftField | None
    title: DraftText | None
    unit: DraftText | None
    clauses: tuple[Scalar, ...]
    set_by_company: bool
    same_as: Scalar | None
    reading: DraftText | None
    note: DraftText | None
    values: tuple[DraftDated, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftValue:
    name: str
    name_span: Span
    formula: Words
    title: DraftText | None
    unit: DraftText | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftEntry:
    key: Scalar
    words: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRow:
    id: Scalar
    clauses: tuple[Scalar, ...]
    when: tuple[DraftEntry, ...]
    then: tuple[DraftEntry, ...]
    then_span: Span
    says: DraftText | None
    reading: DraftText | None
    note: DraftText | None
    set_by_company: bool
    effective: DraftEffective | None
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftAcceptance:
    finding: Scalar
    rows: tuple[Scalar, ...]
    when: tuple[DraftEntry, ...]
    reason: DraftText
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftInvariant:
    """What its keys say; which of them belong together is not looked at here."""

    id: Scalar
    clauses: tuple[Scalar, ...]
    says: DraftText | None
    note: DraftText | None
    output: Scalar | None
    within: Words | None
    never: Scalar | None
    order: tuple[tuple[Scalar, ...], ...]
    grows: Scalar | None
    along: tuple[tuple[Scalar, ...], ...]
    where: tuple[DraftEntry, ...]
    in_force: tuple[Scalar, ...]
    exactly: int | None
    keys: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftDecision:
    name: str
    name_span: Span
    title: DraftText | None
    question: DraftText | None
    hit_policy: Scalar | None
    outputs: tuple[DraftField, ...]
    rows: tuple[DraftRow, ...]
    default: DraftRow | None
    for_each: DraftEntry | None
    values: tuple[DraftValue, ...]
    accepts: tuple[DraftAcceptance, ...] = ()
    must_log: bool = False
    invariants: tuple[DraftInvariant, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    source: Source
    policy: Scalar
    title: DraftText | None
    documents: tuple[Scalar, ...]
    currency: Scalar | None
    time_zone: Scalar | None
    effective: DraftEffective | None
    types: tuple[DraftField, ...] = ()
    parameters: tuple[DraftParameter, ...] = ()
    inputs: tuple[DraftField, ...] = ()
    values: tuple[DraftValue, ...] = ()
    decisions: tuple[DraftDecision, ...] = ()
    span: Span = field(default=NOWHERE)


def words_of(node: Node, source: Source, *, alternatives: bool) -> Words | None:
    """Return the text of a cell or expression.

    Args:
        alternatives: a YAML list means alternatives (a test), else a list value
    Returns:
        None for a mapping, which is not a text
    """
    match node:
        case Scalar(text, _, content, _):
            exact = content.line == content.end_line and source.slice(content) == text
            return Words(text, content, exact)
        case Sequence(items, span, flow):
            if flow and len(items) == 1 and isinstance(items[0], Scalar) and ".." in items[0].text:
                return Words(source.slice(span), span)
            parts = [words_of(i, source, alternatives=False) for i in items]
            if any(p is None for p in parts):
                return None
            inner = ", ".join(p.text for p in parts if p)
            return Words(inner if alternatives and items else f"[{inner}]", span, exact=False)
        case Mapping(entries, span):
            del entries, span
            return None

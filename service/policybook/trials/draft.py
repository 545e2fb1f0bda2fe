"""A case before names are looked up: what every form of test table is read into."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Map
from dataclasses import dataclass, field

from policybook.diagnostics import Code, Finding, Severity
from policybook.load.yaml import Mapping, Node, Scalar, Sequence
from policybook.model.facts import RAW_NULL, Raw, RawFacts, Tag
from policybook.source import Span
from policybook.trials.case import Stated

Entries = list[tuple[Scalar, Node]]


@dataclass
class Draft:
    """A case as written; `span` is where it begins."""

    span: Span
    id: Scalar | None = None
    decision: Scalar | None = None
    as_of: Scalar | None = None
    given: Entries = field(default_factory=list)
    expect: Entries = field(default_factory=list)
    items: list[Entries] | None = None
    rows: list[Scalar] | None = None
    not_rows: list[Scalar] = field(default_factory=list)
    status: Scalar | None = None
    error: Scalar | None = None
    review: Scalar | None = None
    note: Scalar | None = None


@dataclass
class DraftFile:
    """The cases of a file, with what it says for all of them."""

    policy: Scalar | None
    decision: Scalar | None = None
    as_of: Scalar | None = None
    given: Entries = field(default_factory=list)
    cases: list[Draft] = field(default_factory=list)


@dataclass
class Faults:
    """What is wrong with a file, as it is found."""

    found: list[Finding] = field(default_factory=list)

    def add(self, span: Span, message: str, help_text: str = "", severity: Severity = Severity.ERROR) -> None:
        self.found.append(Finding(code=Code.TEST_TABLE, severity=severity, message=message, span=span, help=help_text))


def raw_of(node: Node) -> Raw:
    """Return a written value as a raw fact, to be read by the declared type."""
    match node:
        case Scalar(text, _, _, plain):
            return RAW_NULL if plain and text in ("null", "~", "") else Raw(Tag.LITERAL, text)
        case Sequence(items):
            return Raw(Tag.LIST, tuple(raw_of(i) for i in items))
        case Mapping(entries):
            return Raw(Tag.RECORD, {key.text: raw_of(value) for key, value in entries})


def raw_facts(given: Map[str, Stated]) -> RawFacts:
    """Return the facts of a case as a request carries them."""
    return {name: stated.raw for name, stated in given.items()}


def written(node: Node) -> str:
    """Return a value on one line, as one writes it in a book."""
    match node:
        case Scalar(text):
            return text
        case Sequence(items):
            return f"[{', '.join(written(i) for i in items)}]"
        case Mapping(entries):
            return f"{{{', '.join(f'{key.text}: {written(value)}' for key, value in entries)}}}"


def shape(node: Node) -> str:
    """Say what was found in the place of something else."""
    match node:
        case Scalar(text):
            return f"`{text[:60]}`" if text else "nothing"
        case Sequence():
            return "a list"
        case Mapping():
            return "a group of keys"


def head(span: Span) -> Span:
    """Narrow a span of several lines to where it begins."""
    if span.line == span.end_line:
        return span
    return Span(file=span.file, line=span.line, column=span.column, end_line=span.line, end_column=span.column + 1)


def listed(names: Iterable[str]) -> str:
    """Write names one after the other, each in backticks."""
    return ", ".join(f"`{n}`" for n in names)

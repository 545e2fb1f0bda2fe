"""Text to canonical text."""

from __future__ import annotations

from collections import Counter

from policybook.diagnostics import Report
from policybook.fmt.layout import Layout, UnformattableError, read_layout
from policybook.fmt.meaning import Meaning, meaning_of
from policybook.fmt.order import Kind, kind_of
from policybook.fmt.tidy import tidy
from policybook.fmt.write import write
from policybook.load.read import load
from policybook.load.yaml import parse_yaml
from policybook.source import Source


class UnfaithfulError(Exception):
    """The formatter would have changed what the text says: its own fault, never the text's."""


def format_text(source: Source) -> tuple[str | None, Report]:
    """Lay out a book, a test table, a calendar or clauses.

    Returns:
        the text in canonical form, None when there are findings: it is no sound YAML, nothing of ours, or holds what is not laid out

    Raises:
        UnfaithfulError: the new text says something else, lacks a comment, or would be formatted otherwise the next time
    """
    source = Source(source.name, source.text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))
    tree, findings = parse_yaml(source)
    if tree is None or findings:
        return None, Report.of(findings)
    kind = kind_of(tree)
    if kind is None:
        return None, load(source)[1]
    try:
        layout = read_layout(source)
    except UnformattableError as e:
        return None, Report.of([e.finding])
    text = _canonical(layout, kind)
    if text != source.text:
        _hold(meaning_of(tree, source, kind), layout.comments, Source(source.name, text), kind)
    return text, Report(())


def _canonical(layout: Layout, kind: Kind) -> str:
    tidy(layout.root, kind.name)
    return write(layout)


def _hold(meaning: Meaning, comments: tuple[str, ...], new: Source, kind: Kind) -> None:
    """Hold the new text against what the old one says."""
    tree, findings = parse_yaml(new)
    if tree is None or findings or meaning_of(tree, new, kind) != meaning:
        raise UnfaithfulError("the formatted text would say something else")
    layout = read_layout(new)
    if Counter(layout.comments) != Counter(comments):
        raise UnfaithfulError("the formatted text would lack a comment")
    if _canonical(layout, kind) != new.text:
        raise UnfaithfulError("the formatted text would be formatted otherwise the next time")

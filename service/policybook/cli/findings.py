"""Findings on the terminal: the text form of `Report.render`, in colour."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from policybook.diagnostics import MAX_FINDINGS, Finding, Report
from policybook.source import Source


def print_findings(console: Console, report: Report, sources: Mapping[str, Source]) -> None:
    """Print every finding with its excerpt.

    Args:
        sources: file name -> text, for the excerpts
    """
    for finding in report.findings[:MAX_FINDINGS]:
        console.print(_finding(finding, sources), soft_wrap=True)
    if len(report) > MAX_FINDINGS:
        console.print(f"... and {len(report) - MAX_FINDINGS} more", style="dim")


def _finding(f: Finding, sources: Mapping[str, Source]) -> Text:
    text = Text()
    place = str(f.span) if f.span.line else f.path
    if place:
        text.append(f"{place}: ", "name")
    text.append(f"{f.severity.value}[{f.code.number} {f.code.slug}]: ", f.severity.value)
    text.append(f.message)
    source = sources.get(f.span.file)
    if source and (shown := source.excerpt(f.span)):
        line, _, carets = shown.partition("\n")
        gutter, _, rest = line.partition("|")
        text.append(f"\n{gutter}|", "gutter").append(rest)
        gutter, _, rest = carets.partition("|")
        text.append(f"\n{gutter}|", "gutter").append(rest, f.severity.value)
    for label, more in (("example", f.witness), ("row to add", f.proposal)):
        if more:
            text.append(f"\n      = {label}: ", "gutter").append(more)
    if f.accepted:
        text.append("\n      = accepted: ", "gutter").append(f.accepted)
    elif f.help:
        text.append("\n      = help: ", "gutter").append(f.help, "help")
    return text


def counted(number: int, word: str) -> str:
    """Write `1 error`, `2 errors`, `no errors`."""
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"

"""`policybook check`: are the books in order?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from policybook.analyse.limits import Limits
from policybook.cli.books import ReadBooks, read_books
from policybook.cli.console import out
from policybook.cli.exits import FAULT, FINDINGS, SUCCESS
from policybook.cli.findings import counted, print_findings
from policybook.cli.sarif import as_sarif
from policybook.diagnostics import Code, Report, Severity


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
    help="How findings are written; sarif is what code hosts show at the line.",
)
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--notes", is_flag=True, help="Also tell what is only worth knowing, and what the books accept.")
@click.option("--no-analysis", is_flag=True, help="Do not look for gaps, conflicts and rows that never answer.")
@click.option(
    "--seconds", type=click.FloatRange(min=0.1), default=20.0, show_default=True, help="Processor time for the analysis of one table."
)
@click.pass_context
def command(
    ctx: click.Context, *, paths: tuple[Path, ...], form: str, strict: bool, notes: bool, no_analysis: bool, seconds: float
) -> None:
    """Check policy books and report every finding with its place.

    PATHS are books or folders of books; without any, rules/ is checked. The exit code is 1 when a book has errors.
    """
    limits = None if no_analysis else Limits(seconds=seconds, notes=notes)
    read = read_books(paths or default_books(), compiled=True, analysed=limits)
    counts = (Severity.ERROR, Severity.WARNING) if strict else (Severity.ERROR,)
    bad = [f for f in read.report if f.severity in counts and not f.accepted]
    if form == "json":
        click.echo(json.dumps(_as_json(read), ensure_ascii=False, indent=2))
    elif form == "sarif":
        click.echo(json.dumps(as_sarif(read.report), ensure_ascii=False, indent=2))
    else:
        _print(read, notes=notes)
    if any(f.code is Code.ENGINE_DISAGREES for f in bad):
        ctx.exit(FAULT)
    ctx.exit(FINDINGS if bad else SUCCESS)


def default_books() -> tuple[Path, ...]:
    """Return rules/, or tell the user to name a path.

    Raises:
        click.UsageError: there is no such folder here
    """
    rules = Path("rules")
    if not rules.is_dir():
        raise click.UsageError("there is no folder `rules` here; name the books or their folder")
    return (rules,)


def _as_json(read: ReadBooks) -> dict[str, object]:
    books = [
        {
            "file": str(f.path),
            "ok": f.book is not None,
            "policy": f.book.name if f.book else None,
            "version": f.book.version if f.book else None,
            "decisions": len(f.book.decisions) if f.book else None,
            "rows": sum(len(d.all_rows) for d in f.book.decisions) if f.book else None,
        }
        for f in read.files
    ]
    return {"ok": read.report.ok, "books": books, "findings": [f.as_json() for f in read.report]}


def _print(read: ReadBooks, *, notes: bool) -> None:
    console = out()
    shown = Report(tuple(f for f in read.report if notes or (f.severity is not Severity.NOTE and not f.accepted)))
    print_findings(console, shown, read.sources)
    if len(shown):
        console.print()
    for f in read.files:
        if f.book:
            rows = sum(len(d.all_rows) for d in f.book.decisions)
            console.print("ok  ", style="yes", end="")
            console.print(f"{f.path}: {counted(len(f.book.decisions), 'decision')}, {counted(rows, 'row')}", soft_wrap=True)
        else:
            console.print("bad ", style="no", end="")
            why = counted(len(f.report.errors), "error") if not f.report.ok else "not judged, as what lies beside it has errors"
            console.print(f"{f.path}: {why}", soft_wrap=True)
    if not read.files:
        console.print("there is no book (*.yaml) here", style="weak")
    errors = len(read.report.errors)
    warnings = sum(f.severity is Severity.WARNING and not f.accepted for f in read.report)
    more = [f"{counted(n, word)}" for n, word in ((sum(f.severity is Severity.NOTE for f in read.report), "note"),) if n]
    accepted = sum(bool(f.accepted) for f in read.report)
    more += [f"{accepted} accepted"] if accepted else []
    hint = " (--notes shows them)" if more and not notes else ""
    console.print(
        f"{counted(len(read.files), 'book')}: {', '.join([counted(errors, 'error'), counted(warnings, 'warning'), *more])}{hint}",
        style="no" if errors else "yes",
    )

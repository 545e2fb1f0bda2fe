"""`policybook check`: are the books in order?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from policybook.cli.books import ReadBooks, read_books
from policybook.cli.console import out
from policybook.cli.exits import FAULT, FINDINGS, SUCCESS
from policybook.cli.findings import counted, print_findings
from policybook.diagnostics import Code, Severity


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How findings are written.")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.pass_context
def command(ctx: click.Context, *, paths: tuple[Path, ...], form: str, strict: bool) -> None:
    """Check policy books and report every finding with its place.

    PATHS are books or folders of books; without any, rules/ is checked. The exit code is 1 when a book has errors.
    """
    read = read_books(paths or default_books(), compiled=True)
    bad = [f for f in read.report if f.severity is Severity.ERROR or (strict and f.severity is Severity.WARNING)]
    if form == "json":
        click.echo(json.dumps(_as_json(read), ensure_ascii=False, indent=2))
    else:
        _print(read)
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


def _print(read: ReadBooks) -> None:
    console = out()
    print_findings(console, read.report, read.sources)
    if len(read.report):
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
    warnings = sum(f.severity is Severity.WARNING for f in read.report)
    console.print(
        f"{counted(len(read.files), 'book')}: {counted(errors, 'error')}, {counted(warnings, 'warning')}", style="no" if errors else "yes"
    )

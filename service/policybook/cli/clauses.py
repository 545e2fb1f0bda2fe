"""`policybook clauses`: is every written clause accounted for?"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import click
from rich.table import Table

from policybook.check.book import read_beside
from policybook.check.coverage import ClauseState, CoveredClause, cover
from policybook.cli.books import read_books
from policybook.cli.check import default_books
from policybook.cli.console import out, show
from policybook.cli.exits import FINDINGS, SUCCESS, RefusedError
from policybook.cli.findings import print_findings
from policybook.diagnostics import Report
from policybook.load.clauses import LOCK_FILE, lock_text
from policybook.model.clauses import ClauseIndex
from policybook.model.kinds import Text

_STYLES = {ClauseState.IMPLEMENTED: "yes", ClauseState.NOT_EXECUTABLE: "dim", ClauseState.OPEN: "no"}


@click.command()
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--document", type=int, help="Show the clauses of one document, with where each lives.")
@click.option("--open", "only_open", is_flag=True, help="Show the clauses that are neither implemented nor given a reason.")
@click.option("--accept", is_flag=True, help=f"Take the present texts as read: write {LOCK_FILE}.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How the coverage is written."
)
@click.pass_context
def command(ctx: click.Context, *, folder: Path | None, document: int | None, only_open: bool, accept: bool, form: str) -> None:
    """Show for each written document which clauses rows implement, which need none and why, and which are open.

    FOLDER holds the books and clauses.yaml; without it, rules/. The exit code is 1 when a clause is open or a book has errors.
    """
    where = folder or default_books()[0]
    beside, report, sources = read_beside(where)
    if beside.clauses is None:
        if len(report):
            print_findings(out(), report, {s.name: s for s in sources})
        raise RefusedError(f"there is no sound clauses.yaml in {where}")
    if accept:
        (where / LOCK_FILE).write_text(lock_text(beside.clauses), encoding="utf-8")
        click.echo(f"{where / LOCK_FILE}: {len(beside.clauses.clauses)} clauses taken as read")
    read = read_books([where])
    if not read.report.ok:
        print_findings(out(), Report(read.report.errors), read.sources)
        ctx.exit(FINDINGS)
    covered = cover(beside.clauses, read.books.values())
    if form == "json":
        click.echo(json.dumps([_as_json(c) for c in covered], ensure_ascii=False, indent=2))
    elif document is not None or only_open:
        _print_clauses([c for c in covered if document in (None, c.clause.document) and (not only_open or c.state is ClauseState.OPEN)])
    else:
        _print_documents(beside.clauses, covered)
    ctx.exit(FINDINGS if any(c.state is ClauseState.OPEN for c in covered) else SUCCESS)


def _as_json(covered: CoveredClause) -> dict[str, object]:
    c = covered.clause
    return {
        "id": c.id,
        "document": c.document,
        "kind": c.kind,
        "state": covered.state.value,
        "places": list(covered.places),
        "unclear": _text_json(c.unclear),
        "needs_no_row": _text_json(c.needs_no_row),
        "zh": c.text.zh,
        "en": c.text.en,
    }


def _text_json(text: Text) -> dict[str, str] | None:
    return {"en": text.en, "zh": text.zh} if text else None


def _print_documents(index: ClauseIndex, covered: tuple[CoveredClause, ...]) -> None:
    console = out()
    counts = Counter((c.clause.document, c.state) for c in covered)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("document", "clauses", *(s.value for s in ClauseState)):
        table.add_column(heading, justify="right")
    documents = dict.fromkeys(c.document for c in index.clauses)
    for d in documents:
        numbers = [counts[d, s] for s in ClauseState]
        table.add_row(str(d), str(sum(numbers)), *map(str, numbers))
    totals = [sum(counts[d, s] for d in documents) for s in ClauseState]
    table.add_row("all", str(sum(totals)), *map(str, totals), style="bold")
    show(console, table)
    console.print(
        "every clause is accounted for" if not totals[2] else f"{totals[2]} open: `policybook clauses --open` lists them",
        style="no" if totals[2] else "yes",
    )


def _print_clauses(covered: list[CoveredClause]) -> None:
    console = out()
    for c in covered:
        console.print(f"{c.clause.id}  ", style="clause", end="")
        console.print(f"{c.state.value}  ", style=_STYLES[c.state], end="")
        console.print(c.clause.kind, style="dim")
        console.print(f"    {c.clause.text.zh}", soft_wrap=True)
        console.print(f"    {c.clause.text.en}", soft_wrap=True)
        for word, text in (("不明：", c.clause.unclear.zh), ("unclear: ", c.clause.unclear.en)):
            if text:
                console.print(f"    {word}{text}", style="weak", soft_wrap=True)
        if c.places:
            console.print(f"    {', '.join(c.places)}", style="help", soft_wrap=True)
        elif c.clause.needs_no_row:
            console.print(f"    {c.clause.needs_no_row.zh} {c.clause.needs_no_row.en}", style="dim", soft_wrap=True)

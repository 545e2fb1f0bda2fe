"""`policybook book`: all books as one document to read and to print."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from policybook.cli.books import now, read_books
from policybook.cli.check import default_books
from policybook.cli.console import err
from policybook.cli.exits import RefusedError
from policybook.cli.findings import print_findings
from policybook.diagnostics import Report
from policybook.load.clauses import CLAUSE_FILE
from policybook.model.clauses import Beside, ClauseIndex
from policybook.publish import LANGS, as_html, as_markdown, gather
from policybook.values import parse_date


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--format", "form", type=click.Choice(["html", "md"]), default="html", show_default=True, help="HTML, or Markdown.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file instead of standard output.")
@click.option("--lang", type=click.Choice(LANGS), default="en", show_default=True, help="Language of all but the clauses.")
@click.option("--as-of", metavar="DAY", help="Show the rows and figures in force on a day.  [default: today]")
def command(*, paths: tuple[Path, ...], form: str, output: Path | None, lang: str, as_of: str | None) -> None:
    """Write all books as one document that a manager can read and print.

    PATHS are books or folders of books; without any, rules/ is written. The HTML is a single file that needs no network. Clauses
    are quoted in Chinese and English; today is a day in each book's time zone.
    """
    where = paths or default_books()
    try:
        day = parse_date(as_of) if as_of else None
    except ValueError as e:
        raise RefusedError(f"--as-of: {e}") from None
    read = read_books(where)
    if not read.report.ok:
        print_findings(err(), Report(read.report.errors), read.sources)
        raise RefusedError("a book with errors decides nothing, and is not written")
    if not read.books:
        raise RefusedError(f"there is no book in {', '.join(map(str, where))}")
    moment = now()
    publication = gather(
        read.books.values(),
        _clauses(read.loaded.beside.values()),
        {b.name: day or moment.astimezone(b.zone).date() for b in read.books.values()},
        whole=all(p.is_dir() for p in where),
    )
    text = as_html(publication, lang) if form == "html" else as_markdown(publication, lang)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


def _clauses(beside: Iterable[Beside]) -> ClauseIndex | None:
    """Return the clauses beside the books.

    Raises:
        RefusedError: several folders have some; a number would then not say which clause is meant
    """
    found = [one.clauses for one in beside if one.clauses is not None]
    if len(found) > 1:
        raise RefusedError(f"the books lie in several folders that each have their own {CLAUSE_FILE}; write one folder at a time")
    return found[0] if found else None

"""`policybook show`: a book or a decision drawn as tables."""

from __future__ import annotations

from pathlib import Path

import click

from policybook.cli.books import book_named
from policybook.cli.check import default_books
from policybook.cli.completion import complete_name
from policybook.cli.console import out
from policybook.cli.console import show as show_block
from policybook.cli.drawing import Drawing
from policybook.cli.exits import RefusedError
from policybook.cli.words import LANGS
from policybook.diagnostics import did_you_mean
from policybook.values import parse_date


@click.command()
@click.argument("name", shell_complete=complete_name)
@click.option(
    "--books", "books_path", multiple=True, type=click.Path(exists=True, path_type=Path), help="Books or their folder  [default: rules/]"
)
@click.option("--lang", type=click.Choice(LANGS), default="en", show_default=True, help="Language of titles and sentences.")
@click.option("--as-of", metavar="DAY", help="Only the rows and figures in force on a day.")
@click.option(
    "--layout",
    type=click.Choice(["auto", "table", "list"]),
    default="auto",
    show_default=True,
    help="Rows as a table, or one below the other.",
)
def command(*, name: str, books_path: tuple[Path, ...], lang: str, as_of: str | None, layout: str) -> None:
    """Draw a decision, or a whole book, as tables.

    NAME is a decision (`credit.shipment`), a policy (`credit`), or the file of a book.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        book, decision_name = book_named(path.stem, (path,)), ""
    else:
        policy, _, decision_name = name.partition(".")
        book = book_named(policy, books_path or default_books())
    try:
        day = parse_date(as_of) if as_of else None
    except ValueError as e:
        raise RefusedError(f"--as-of: {e}") from None
    console = out()
    drawing = Drawing(book, lang, day, layout, console)
    if not decision_name:
        show_block(console, drawing.whole_book())
        return
    decision = book.decision_by_name.get(decision_name)
    if decision is None:
        raise RefusedError(f"no decision `{name}`; {did_you_mean(name, [f'{book.name}.{n}' for n in book.decision_by_name])}")
    show_block(console, drawing.one_decision(decision))

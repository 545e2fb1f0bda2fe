"""`policybook schema`: the JSON Schema of the book format."""

from __future__ import annotations

import json

import click

from policybook.load.schema import book_schema


@click.command()
def command() -> None:
    """Print the JSON Schema of the book format, for editors.

    \b
    An editor with a YAML language server completes and checks a book that begins with
      # yaml-language-server: $schema=book.schema.json
    """
    click.echo(json.dumps(book_schema(), ensure_ascii=False, indent=2))

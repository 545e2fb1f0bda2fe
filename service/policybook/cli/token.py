"""`policybook token`: tokens of callers."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import click

from policybook.cli.exits import FaultError, RefusedError
from policybook.server.access.callers import CallersError, add_entry, new_entry


@click.group()
def command() -> None:
    """Make tokens that callers prove themselves with."""


@command.command()
@click.option("--name", required=True, metavar="CALLER", help="Who it is for; the decision log records this name.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    metavar="ROLE[:BOOK]",
    help="decide, read, audit, admin or proxy; `decide:credit` for one book alone; may be given several times.",
)
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="The last day on which it is taken  [default: none]")
@click.option(
    "--callers",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file of callers to put the entry into  [default: show it]",
)
def new(*, name: str, roles: tuple[str, ...], expires: datetime | None, file: Path | None) -> None:
    """Make a token: print it, once, and its entry for the file of callers, which holds a hash of it alone.

    The token goes to standard output, all else to standard error:

    \b
    policybook token new --name erp --role decide --callers callers.yaml > erp.token

    A service that runs by that file takes the token a second later or so.
    """
    try:
        token, entry = new_entry(name, roles, expires.date() if expires else None)
    except ValueError as e:
        raise click.UsageError(str(e)) from None
    if file is None:
        click.echo(f"# For the file of callers:\ncallers:\n{entry}", err=True, nl=False)
    else:
        try:
            add_entry(file, entry)
        except CallersError as e:
            raise RefusedError(str(e)) from None
        except OSError as e:
            raise FaultError(f"{file}: {(e.strerror or os.fspath(file)).lower()}") from None
        click.echo(f"`{name}` stands in {file} now; the token is shown this once:", err=True)
    click.echo(token)

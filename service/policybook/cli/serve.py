"""`policybook serve`: the gRPC service."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from policybook.cli.books import read_books
from policybook.cli.check import default_books
from policybook.cli.console import err
from policybook.cli.exits import FINDINGS, say
from policybook.cli.findings import print_findings
from policybook.diagnostics import Report
from policybook.server.app import DEFAULT_HOST, DEFAULT_PORT, Settings
from policybook.server.app import serve as run_server

_LEVELS = ("debug", "info", "warning", "error")


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--host", default=DEFAULT_HOST, show_default=True, envvar="POLICYBOOK_HOST", help="Address to listen on; `0.0.0.0` for all.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    envvar="POLICYBOOK_PORT",
    help="Port to listen on; 0 takes any free one.",
)
@click.option(
    "--reload-s", type=click.FloatRange(0), default=1.0, show_default=True, help="How often to look for edited books; 0 for never."
)
@click.option("--log-level", type=click.Choice(_LEVELS), default="info", show_default=True, help="How much to log, on standard error.")
@click.pass_context
def command(ctx: click.Context, *, paths: tuple[Path, ...], host: str, port: int, reload_s: float, log_level: str) -> None:
    """Serve policy books over gRPC until Ctrl-C.

    PATHS are folders of books, or books; without any, rules/ is served. An edited book is taken up without a restart; one
    with errors is refused, and the version before it goes on. One line on standard output says when calls are taken.
    """
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    books = paths or default_books()
    # The server refuses bad books too, but without the lines they stand on.
    read = read_books(books)
    if not read.report.ok:
        print_findings(err(), Report(read.report.errors), read.sources)
        say("error", "books with errors are not served")
        ctx.exit(FINDINGS)
    ctx.exit(run_server(Settings(books=books, loaded=read.loaded, host=host, port=port, reload_s=reload_s)))

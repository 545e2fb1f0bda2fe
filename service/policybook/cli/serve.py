"""`policybook serve`: the gRPC service."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from policybook.audit.log import WhenFull
from policybook.audit.sqlite import LogSettings
from policybook.cli.books import read_books
from policybook.cli.check import default_books
from policybook.cli.console import err
from policybook.cli.exits import FINDINGS, say
from policybook.cli.findings import print_findings
from policybook.diagnostics import Report
from policybook.server.app import DEFAULT_HOST, DEFAULT_PORT, Settings
from policybook.server.app import serve as run_server
from policybook.server.servicer import CALLER_KEY

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
@click.option(
    "--log",
    "log_path",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="POLICYBOOK_LOG",
    help="Record every decision in this file.",
)
@click.option(
    "--log-full",
    type=click.Choice([w.value for w in WhenFull]),
    default=WhenFull.REFUSE.value,
    show_default=True,
    help="When it cannot be written to: give no answer, or answer and count.",
)
@click.option(
    "--log-queue",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="How many decisions may wait to be written.",
)
@click.option("--log-keep-days", type=click.IntRange(0), default=0, show_default=True, help="Delete older records; 0 for never.")
@click.option("--mask", multiple=True, metavar="INPUT", help="Keep the values of this input out of the log: `tax_id`, `credit.tax_id`.")
@click.option(
    "--mask-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with a secret: equal masked values get equal tokens.",
)
@click.option("--caller-key", default=CALLER_KEY, show_default=True, help="The metadata of a call that names the caller.")
@click.option("--log-level", type=click.Choice(_LEVELS), default="info", show_default=True, help="How much to log, on standard error.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    host: str,
    port: int,
    reload_s: float,
    log_path: Path | None,
    log_full: str,
    log_queue: int,
    log_keep_days: int,
    mask: tuple[str, ...],
    mask_key: Path | None,
    caller_key: str,
    log_level: str,
) -> None:
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
    kept = None
    if log_path is not None:
        kept = LogSettings.of(log_path, when_full=log_full, queue=log_queue, masked=mask, mask_key=mask_key, keep_days=log_keep_days)
    elif mask or mask_key:
        raise click.UsageError("--mask and --mask-key are for a decision log; name its file with --log")
    ctx.exit(
        run_server(Settings(books=books, loaded=read.loaded, host=host, port=port, reload_s=reload_s, log=kept, caller_key=caller_key))
    )

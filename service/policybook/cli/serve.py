"""`policybook serve`: the gRPC service."""

from __future__ import annotations

from typing import Any

import click

from policybook.cli.books import read_books
from policybook.cli.check import default_books
from policybook.cli.console import err
from policybook.cli.exits import FINDINGS, FaultError, say
from policybook.cli.findings import print_findings
from policybook.cli.settings import configured, settings_options
from policybook.diagnostics import Report
from policybook.server.access.errors import AccessFileError
from policybook.server.access.keeper import Keeper
from policybook.server.app import certificates_of, utc_now
from policybook.server.logs import log_as
from policybook.server.process import say_ended
from policybook.server.serve import serve as run_server
from policybook.server.settings import Settings, SettingsError


@click.command()
@settings_options
@click.pass_context
def command(ctx: click.Context, /, **_: Any) -> None:
    """Serve policy books over gRPC until Ctrl-C.

    PATHS are folders of books, or books; without any, rules/ is served. An edited book is taken up without a restart; one
    with errors is refused, and the version before it goes on. One line on standard output says when calls are taken.

    Every option can stand in the file that --config names (`log_keep_days: 3650`) and in the environment
    (POLICYBOOK_LOG_KEEP_DAYS); `policybook config` shows what holds.
    """
    settings = configured(ctx).settings
    if not settings.log and (settings.mask or settings.mask_key):
        raise click.UsageError("--mask and --mask-key are for a decision log; name its file with --log")
    log_as(settings)
    settings = settings.model_copy(update={"books": settings.books or default_books()})
    _check_access(settings)
    # The server refuses bad books too, but without the lines they stand on.
    read = read_books(settings.books)
    if not read.report.ok:
        report = Report(read.report.errors)
        if settings.log_format == "json":
            say_ended(f"books with errors are not served\n{report.render(read.sources)}", settings)
        else:
            print_findings(err(), report, read.sources)
            say("error", "books with errors are not served")
        ctx.exit(FINDINGS)
    settings.decision_log()
    ctx.exit(run_server(settings, read.loaded))


def _check_access(settings: Settings) -> None:
    """Say at once what the server would say when the books are proved."""
    try:
        Keeper(settings.means())
        certificates_of(settings, utc_now)
    except SettingsError as e:
        raise click.UsageError("\n".join(e.lines)) from None
    except AccessFileError as e:
        raise FaultError(str(e)) from None

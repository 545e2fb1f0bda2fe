"""The command `policybook`: dispatch, exit codes, and what a person sees when something goes wrong."""

from __future__ import annotations

import secrets
import sys
import traceback
from importlib import import_module
from typing import Any

import click

from policybook.cli.console import err
from policybook.cli.exits import EPILOG, FAULT, FINDINGS, say
from policybook.diagnostics import did_you_mean
from policybook.errors import BookError, EngineError, FactsError, LogError, PolicybookError

# name -> module: a command's imports are paid for only when it runs (grpc alone costs a third of a second).
COMMANDS = (
    "check",
    "diff",
    "fmt",
    "show",
    "decide",
    "explain",
    "test",
    "cases",
    "clauses",
    "book",
    "serve",
    "config",
    "token",
    "health",
    "audit",
    "replay",
    "schema",
    "completion",
    "version",
)


class _Commands(click.Group):
    """The commands, one module each; turns exceptions into messages and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"policybook.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        if EPILOG not in (command.epilog or ""):
            command.epilog = "\n\n".join(filter(None, (command.epilog, EPILOG)))
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            if args and args[0] not in COMMANDS and not args[0].startswith("-"):
                raise click.UsageError(f"no command `{args[0]}`; {did_you_mean(args[0], COMMANDS)}", ctx) from None
            raise

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, click.ClickException, BrokenPipeError):
            raise
        except PolicybookError as e:
            ctx.exit(_refused(e, debug=bool(ctx.params.get("debug"))))
        except OSError as e:
            place = f": {e.filename}" if e.filename else ""
            say("error", f"{(e.strerror or str(e)).lower()}{place}")
            ctx.exit(FAULT)
        except Exception as e:  # noqa: BLE001 - the last line of defence
            ctx.exit(_incident(e, debug=bool(ctx.params.get("debug"))))


@click.group(
    cls=_Commands,
    name="policybook",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG + "\n\b\nShell completion: policybook completion --help",
)
@click.option("--debug", is_flag=True, envvar="POLICYBOOK_DEBUG", help="Show the traceback of an unexpected fault.")
@click.version_option(package_name="policybook", message="%(prog)s %(version)s", help="Show the version and exit.")
def cli(*, debug: bool) -> None:
    """Turn written policies into decisions: check, show, test, ask and serve policy books."""


def _refused(error: PolicybookError, *, debug: bool) -> int:
    if isinstance(error, BookError | FactsError):
        from policybook.cli.findings import print_findings  # noqa: PLC0415 - needed for findings only

        print_findings(err(), error.report, {})
        return FINDINGS
    say("error", str(error))
    if isinstance(error, LogError):
        return FAULT
    if isinstance(error, EngineError):
        if debug:
            traceback.print_exception(error)
        return FAULT
    return FINDINGS


def _incident(error: Exception, *, debug: bool) -> int:
    number = secrets.token_hex(4)
    say("error", f"policybook failed, and not through your input (incident {number}): {type(error).__name__}: {str(error)[:300]}")
    if debug:
        traceback.print_exception(error)
    else:
        say("help", "run `policybook --debug ...` again to see where, and report it with that text")
    return FAULT


def main() -> None:
    """Run the command line; the entry point."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show Chinese shows `?`; it must not end the program.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    cli(prog_name="policybook")

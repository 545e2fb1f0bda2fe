"""Exit codes, the same for every command."""

from __future__ import annotations

from typing import IO, Any

import click

SUCCESS = 0
FINDINGS = 1
USAGE = 2
FAULT = 3

# The mark keeps click from running the lines together.
EPILOG = """\b
Exit codes:
  0  success
  1  findings, refused input, or failed tests
  2  wrong usage of the command
  3  a fault of policybook or of its environment
"""


class RefusedError(click.ClickException):
    """What was given cannot be taken: exit code 1."""

    exit_code = FINDINGS

    def show(self, file: IO[Any] | None = None) -> None:
        say("error", self.format_message())


class FaultError(RefusedError):
    """The environment, or policybook itself, is at fault: exit code 3."""

    exit_code = FAULT


def say(style: str, message: str) -> None:
    """Print a line on standard error: `error: ...`, `help: ...`."""
    from policybook.cli.console import err  # noqa: PLC0415 - rich is slow to import, and seldom needed here

    console = err()
    console.print(f"{style}: ", style=style, end="")
    console.print(message, soft_wrap=True)

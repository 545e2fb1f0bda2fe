"""The terminal: colour where a person looks, plain text in a pipe."""

from __future__ import annotations

import os
import sys
from typing import IO

from rich.console import Console, RenderableType
from rich.theme import Theme

PIPE_WIDTH = 100

_THEME = Theme(
    {
        "name": "bold",
        "title": "bold cyan",
        "dim": "dim",
        "yes": "green",
        "no": "red",
        "weak": "yellow",
        "error": "bold red",
        "warning": "bold yellow",
        "note": "bold blue",
        "help": "cyan",
        "clause": "magenta",
        "value": "bold",
        "gutter": "blue",
    }
)


def out(file: IO[str] | None = None) -> Console:
    """Return a console on standard output, or on a file."""
    return _console(file or sys.stdout)


def err() -> Console:
    """Return a console on standard error."""
    return _console(sys.stderr)


def _console(file: IO[str]) -> Console:
    # In a pipe nobody knows the width; rich would take 80 and wrap where a reader's editor would not.
    width = None if file.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(file=file, theme=_THEME, highlight=False, markup=False, emoji=False, width=width)


def show(console: Console, content: RenderableType) -> None:
    """Print a block; in a pipe without the blanks that fill its lines on a terminal."""
    if console.is_terminal:
        console.print(content)
        return
    with console.capture() as captured:
        console.print(content)
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))

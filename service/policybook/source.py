"""Where a piece of a policy text stands: file, line, column, and the excerpt that shows it."""

from __future__ import annotations

import gc
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

TAB_WIDTH = 4


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Span:
    """A stretch of a source text.

    Lines and columns count from 1, columns in characters; the end is exclusive.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    @property
    def where(self) -> str:
        """Name the place within its file, as in a sentence: `line 3`."""
        return f"line {self.line}"

    @property
    def sort_key(self) -> tuple[str, int, int, int]:
        """Order places as a reader meets them: file, part of the file, line, column."""
        return (self.file, 0, self.line, self.column)

    def within(self, start: int, end: int) -> Span:
        """Narrow a one-line span to the characters [start, end) of its text."""
        if self.line != self.end_line:
            return self
        last = max(self.column, min(self.column + end, self.end_column))
        first = min(self.column + start, last)
        return Span(file=self.file, line=self.line, column=first, end_line=self.line, end_column=last)


_BREAK = re.compile("\r\n|\r|\n")
NOWHERE = Span(file="", line=0, column=0, end_line=0, end_column=0)


@dataclass(frozen=True)
class Source:
    """A named text."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def lines(self) -> tuple[str, ...]:
        # As YAML and CSV count them: an old text may end its lines with a carriage return alone.
        return tuple(_BREAK.split(self.text) if "\r" in self.text else self.text.split("\n"))

    def slice(self, span: Span) -> str:
        """Return the text that a span covers."""
        if span.line == span.end_line:
            return self.lines[span.line - 1][span.column - 1 : span.end_column - 1]
        first = self.lines[span.line - 1][span.column - 1 :]
        middle = self.lines[span.line : span.end_line - 1]
        last = self.lines[span.end_line - 1][: span.end_column - 1] if span.end_line <= len(self.lines) else ""
        return "\n".join((first, *middle, last))

    def excerpt(self, span: Span) -> str:
        """Return the line of a span with carets under it; wide characters get two columns."""
        if not 0 < span.line <= len(self.lines):
            return ""
        line = self.lines[span.line - 1].rstrip("\r")
        end = span.end_column - 1 if span.end_line == span.line else len(line)
        before, marked = line[: span.column - 1], line[span.column - 1 : end]
        # A minified or hostile line must not flood the terminal.
        if len(line) > 240:
            start = max(0, span.column - 61)
            line, before = line[start : start + 180], line[start : span.column - 1]
            marked = marked[: max(1, 180 - len(before))]
        gutter = f"{span.line:>5} | "
        carets = "^" * max(1, _width(marked))
        return f"{gutter}{_plain(line)}\n{' ' * (len(gutter) - 2)}| {' ' * _width(before)}{carets}"


# From this many characters on the parts of a book are so many that looking for cycles among them takes half the time of reading it.
LARGE = 256 * 1024


@contextmanager
def unhurried(text: str) -> Iterator[None]:
    """Let no cycles be collected while a large text is read: what is made of it has none, and stays."""
    if len(text) < LARGE or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _plain(text: str) -> str:
    return text.expandtabs(TAB_WIDTH)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in _plain(text))

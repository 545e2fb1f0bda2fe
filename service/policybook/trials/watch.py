"""Wait for files to change: a look now and then, as the service looks for new books."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

# Path -> (time of the last change in ns, size in bytes).
Look: TypeAlias = dict[Path, tuple[int, int]]


def look(paths: Iterable[Path]) -> Look:
    """Return the state of files; what is not there, or no longer, is left out."""
    found: Look = {}
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            continue
        found[path] = (stat.st_mtime_ns, stat.st_size)
    return found


def wait_for_change(paths: Callable[[], Iterable[Path]], before: Look, wait: Callable[[], object]) -> tuple[Path, ...]:
    """Return what changed, came or went since a look, once it has been still from one look to the next.

    A file that is being written is so not taken for a bad one.

    Args:
        paths: what is watched, asked anew each time: files come and go
        wait: between two looks; it may raise to end the waiting
    """
    last = before
    while True:
        wait()
        seen = look(paths())
        if seen != before and seen == last:
            return tuple(sorted(p for p in {*seen, *before} if seen.get(p) != before.get(p)))
        last = seen

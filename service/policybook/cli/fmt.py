"""`policybook fmt`: books in the one canonical layout."""

from __future__ import annotations

import contextlib
import difflib
import errno
import gc
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from policybook.check.book import as_text, read_text
from policybook.cli.check import default_books
from policybook.cli.console import err, out
from policybook.cli.exits import FAULT, FINDINGS, SUCCESS, say
from policybook.cli.findings import counted, print_findings
from policybook.diagnostics import Report
from policybook.fmt.format import UnfaithfulError, format_text
from policybook.source import Source

_STDIN = "-"
_STDIN_NAME = "<stdin>"
_SUFFIXES = (".yaml", ".yml")
_COLOURS = {"+": "yes", "-": "no", "@": "help"}


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of one file; `new` is None when it was left alone."""

    old: bytes
    new: bytes | None
    exit_code: int = SUCCESS

    @property
    def changed(self) -> bool:
        return self.new is not None and self.new != self.old


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, allow_dash=True, path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; name the files that would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@click.pass_context
def command(ctx: click.Context, *, paths: tuple[Path, ...], check: bool, diff: bool) -> None:
    """Format books, test tables, clauses and calendars.

    PATHS are files, or folders of books; without any, rules/ and its tests are formatted in place. `-` reads standard input and
    writes standard output. Comments are kept and no meaning is changed: each text is read again before it is written. The exit code
    is 1 when a file is no sound YAML (it is left alone) or, with --check, when one would change.
    """
    if Path(_STDIN) in paths:
        if len(paths) > 1:
            raise click.UsageError("`-` stands alone: standard input cannot be formatted together with files")
        ctx.exit(_standard_input(check=check, diff=diff))
    counts = {"changed": 0, "unchanged": 0, "left alone": 0}
    code = SUCCESS
    for path in _files(paths or default_books()):
        done = _format(*_read(path))
        code = max(code, done.exit_code)
        if done.new is None:
            counts["left alone"] += 1
        elif not done.changed:
            counts["unchanged"] += 1
        elif check or diff:
            counts["changed"] += 1
            _show(str(path), done, check=check, diff=diff)
        elif _replace(path, done):
            counts["changed"] += 1
            out().print(f"formatted {path}", soft_wrap=True)
        else:
            counts["left alone"] += 1
            code = max(code, FINDINGS)
    if not diff:
        _summary(counts, check=check)
    ctx.exit(max(code, FINDINGS if check and counts["changed"] else SUCCESS))


def _files(paths: tuple[Path, ...]) -> Iterator[Path]:
    """Return the files to format: a folder stands for the YAML files in it, and in and below its folder `tests`."""
    seen: set[Path] = set()
    for path in paths:
        inside = [*path.iterdir(), *(path / "tests").rglob("*")] if path.is_dir() else []
        chosen = [p for p in inside if p.suffix in _SUFFIXES and not p.name.startswith((".", "_")) and p.is_file()]
        if not path.is_dir() and path.suffix not in _SUFFIXES:
            raise click.UsageError(
                f"`{path}` is no YAML file ({', '.join(_SUFFIXES)}); nothing else is formatted, not even test tables in CSV"
            )
        for file in sorted(chosen) if path.is_dir() else [path]:
            if file not in seen:
                seen.add(file)
                yield file


def _read(path: Path) -> tuple[bytes, Source, Report]:
    source, report = read_text(path)
    if not report.ok:
        return b"", source, report
    old = path.read_bytes()
    return old, *as_text(str(path), old)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector from walking the trees of a text again and again: it finds nothing, and takes more than half the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _format(old: bytes, source: Source, report: Report) -> _Done:
    text = None
    if report.ok:
        try:
            with _no_collection():
                text, report = format_text(source)
        except UnfaithfulError as e:
            say("error", f"{source.name}: {e}; the fault is policybook's, and the text is left as it is")
            say("help", "report it together with the file")
            return _Done(old, None, FAULT)
    if text is None:
        print_findings(err(), report, {source.name: source})
        return _Done(old, None, FINDINGS)
    return _Done(old, text.encode("utf-8"))


def _standard_input(*, check: bool, diff: bool) -> int:
    old = sys.stdin.buffer.read()
    done = _format(old, *as_text(_STDIN_NAME, old))
    if done.new is None:
        return done.exit_code
    if not check and not diff:
        sys.stdout.buffer.write(done.new)
    elif done.changed:
        _show(_STDIN_NAME, done, check=check, diff=diff)
    return FINDINGS if check and done.changed else SUCCESS


def _show(name: str, done: _Done, *, check: bool, diff: bool) -> None:
    assert done.new is not None
    if check:
        (err() if diff else out()).print(f"would format {name}", soft_wrap=True)
    if not diff:
        return
    old = done.old.decode("utf-8")
    # In a diff they would make every line differ from one that looks the same.
    for sign, what in (("\ufeff", "the byte order mark goes"), ("\r", "line ends become LF")):
        if sign in old:
            say("note", f"{name}: {what}")
    console = out()
    old = old.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    for line in _diff(name, old, done.new.decode("utf-8")):
        style = "name" if line.startswith(("--- ", "+++ ")) else _COLOURS.get(line[:1], "")
        console.print(line, style=style, soft_wrap=True)


def _diff(name: str, old: str, new: str) -> Iterator[str]:
    """Yield the lines of a unified diff, as `patch` takes it."""
    for line in difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), name, name):
        yield line.removesuffix("\n")
        if not line.endswith("\n"):
            yield "\\ No newline at end of file"


def _replace(path: Path, done: _Done) -> bool:
    """Put the new text in the place of the old in one step: whoever reads the file meanwhile sees the one or the other, whole.

    Returns:
        False when the file has changed since it was read, and was left alone
    """
    assert done.new is not None
    target = path.resolve()  # a link goes on pointing at the file
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    state = target.stat()
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(done.new)
            file.flush()
            with contextlib.suppress(PermissionError):  # one who may not give files away keeps his own
                os.fchown(file.fileno(), state.st_uid, state.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(state.st_mode))
            os.fsync(file.fileno())
        if target.read_bytes() != done.old:
            say("error", f"{path}: changed by somebody else while it was formatted; left as it is, try again")
            return False
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)
    return True


def _summary(counts: dict[str, int], *, check: bool) -> None:
    if not sum(counts.values()):
        out().print("there is nothing to format (*.yaml) here", style="weak")
        return
    parts = [f"{counted(counts['changed'], 'file')} {'would be formatted' if check else 'formatted'}"] if counts["changed"] else []
    if counts["unchanged"]:
        parts.append(f"{counts['unchanged']} unchanged" if parts else f"{counted(counts['unchanged'], 'file')} unchanged")
    if counts["left alone"]:
        parts.append(f"{counts['left alone']} left alone")
    out().print(", ".join(parts), style="no" if counts["left alone"] or (check and counts["changed"]) else "yes", soft_wrap=True)

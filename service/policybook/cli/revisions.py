"""Books as they stand in files, folders or revisions of git; a revision is read without touching the work tree."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from policybook.check.book import as_text, check_source
from policybook.cli.books import read_books
from policybook.cli.exits import RefusedError
from policybook.diagnostics import Report
from policybook.load.calendar import CALENDAR_FILE, load_calendar
from policybook.load.clauses import CLAUSE_FILE, LOCK_FILE, load_clauses
from policybook.model.book import Book
from policybook.model.calendar import Calendar
from policybook.model.clauses import Beside, ClauseIndex
from policybook.source import Source

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Books:
    """What was found: books by policy, and the findings of those that have errors."""

    books: dict[str, Book]
    report: Report
    sources: dict[str, Source]


def read_side(named: str, paths: Sequence[str]) -> Books:
    """Read what one argument names: a file, a folder, `REVISION:PATH`, or a revision (then `paths` in it).

    Raises:
        RefusedError: there is no such thing, or git cannot tell
    """
    if Path(named).exists():
        return _from_files([Path(named)])
    revision, colon, path = named.partition(":")
    if colon and path:
        return _from_git(_commit(revision, named), revision, [path])
    return _from_git(_commit(named, named), named, paths or ["rules"])


def read_work_tree(named: str, paths: Sequence[str]) -> Books:
    """Read from the work tree what an argument names in a revision."""
    _, colon, path = named.partition(":")
    wanted = [path] if colon and path and not Path(named).exists() else [*paths] or ["rules"]
    missing = [p for p in wanted if not Path(p).exists()]
    if missing:
        raise RefusedError(f"there is no `{missing[0]}` here to compare with")
    return _from_files([Path(p) for p in wanted])


def _from_files(paths: Sequence[Path]) -> Books:
    read = read_books(paths)
    return Books(read.books, read.report, read.sources)


# ---------------------------------------------------------------- git


def _git(*arguments: str) -> tuple[int, bytes, str]:
    """Run git here; return its exit code, output and first line of complaint."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)  # noqa: S603, S607 - git of the user's own path
    except FileNotFoundError:
        raise RefusedError("git is not installed: name two files or folders instead of revisions") from None
    complaint = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return done.returncode, done.stdout, complaint[0] if complaint else ""


def _commit(revision: str, named: str) -> str:
    """Return the commit that a revision names."""
    code, _, complaint = _git("rev-parse", "--git-dir")
    if code:
        raise RefusedError(f"there is no file or folder `{named}`, and here is no git repository to look for a revision in ({complaint})")
    code, out, _ = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if code:
        raise RefusedError(f"`{revision}` is no file or folder here, and no revision of git")
    return out.decode("ascii").strip()


def _from_git(commit: str, revision: str, paths: Sequence[str]) -> Books:
    books: dict[str, Book] = {}
    report = Report(())
    sources: dict[str, Source] = {}
    for path in paths:
        files = list(_files(commit, path))
        if not files:
            raise RefusedError(f"there is no book `{path}` in revision `{revision}`")
        beside: dict[PurePosixPath, Beside] = {}
        for file in files:
            folder = PurePosixPath(file).parent
            if folder not in beside:
                beside[folder], found, texts = _beside(lambda name, at=folder: _blob(commit, str(at / name)), f"{revision}:{folder}")  # type: ignore[misc]
                report += found
                sources.update({t.name: t for t in texts})
            data = _blob(commit, file)
            source, found = as_text(f"{revision}:{file}", data if data is not None else b"")
            sources[source.name] = source
            if found.ok:
                book, found = check_source(source, beside[folder])
                if book is not None:
                    books.setdefault(book.name, book)
            report += found
    return Books(books, report, sources)


def _files(commit: str, path: str) -> Iterator[str]:
    """Yield the books that a path of a commit names: a file, or those in a folder."""
    plain = path.rstrip("/") or "."
    code, out, complaint = _git("cat-file", "-t", f"{commit}:./{plain}")
    if code:
        return
    if out.strip() == b"blob":
        yield plain
        return
    code, out, complaint = _git("ls-tree", "-z", "--name-only", f"{commit}:./{plain}")
    if code:
        raise RefusedError(f"git cannot list `{path}`: {complaint}")
    for name in sorted(out.decode("utf-8", "surrogateescape").split("\0")):
        is_book = name.endswith(_SUFFIXES) and not name.startswith((".", "_")) and name not in (CALENDAR_FILE, CLAUSE_FILE, LOCK_FILE)
        if is_book:
            yield name if plain == "." else f"{plain}/{name}"


def _blob(commit: str, path: str) -> bytes | None:
    """Return a file of a commit; None when there is none."""
    code, out, _ = _git("cat-file", "blob", f"{commit}:./{path}")
    return None if code else out


def _beside(read: Callable[[str], bytes | None], place: str) -> tuple[Beside, Report, list[Source]]:
    """Read what lies beside the books of a folder."""
    report = Report(())
    sources: list[Source] = []
    calendar: Calendar | None = None
    clauses: ClauseIndex | None = None
    data = read(CALENDAR_FILE)
    if data is not None:
        source, found = as_text(f"{place}/{CALENDAR_FILE}", data)
        sources.append(source)
        if found.ok:
            calendar, found = load_calendar(source)
        report += found
    data = read(CLAUSE_FILE)
    if data is not None:
        source, found = as_text(f"{place}/{CLAUSE_FILE}", data)
        sources.append(source)
        if found.ok:
            lock = read(LOCK_FILE)
            clauses, found = load_clauses(source, as_text("", lock)[0].text if lock is not None else "")
        report += found
    return Beside(calendar, clauses), report, sources

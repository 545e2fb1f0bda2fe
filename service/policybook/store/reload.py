"""From files to editions: at the start all or nothing, later the new book or the old one, never half."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from policybook.check.book import read_beside, read_book, read_text
from policybook.decide.chain import Decider
from policybook.diagnostics import Code, Finding, Report, Severity
from policybook.engine.program import Program
from policybook.engine.selfcheck import self_check
from policybook.errors import BookError, EngineError
from policybook.load.calendar import CALENDAR_FILE, load_calendar
from policybook.load.clauses import CLAUSE_FILE, LOCK_FILE
from policybook.model.book import Book
from policybook.model.calendar import Calendar
from policybook.model.clauses import NOTHING_BESIDE, Beside
from policybook.source import Source, Span, unhurried
from policybook.store.versions import Edition, NotPublishedError, Store

log = logging.getLogger("policybook.reload")

Clock = Callable[[], datetime]


def make_edition(book: Book, now: datetime, *, proved: bool = True, texts: tuple[Source, ...] = ()) -> Edition:
    """Compile a book, compare engine and reference on its boundaries, and prove its invariants.

    Args:
        proved: refuse a book whose invariants do not hold; one that could not be decided is logged and served
        texts: those that lay beside the book

    Raises:
        BookError: a table cannot be compiled, or an invariant is refuted
        EngineError: engine and reference differ
    """
    edition = compiled(book, now, texts)
    checked = self_check(book, edition.program)
    if not checked.report.ok:
        raise EngineError(f"policy `{book.name}`: {checked.report.errors[0].message}")
    if proved:
        _hold_invariants(book, edition.program)
    return edition


def compiled(book: Book, now: datetime, texts: tuple[Source, ...] = ()) -> Edition:
    """Compile a book that was compared and proved before.

    Raises:
        BookError: a table cannot be compiled
    """
    with unhurried(book.source.text):
        program = Program.of(book)
        report = program.check()
    if not report.ok:
        raise BookError(report, book.name)
    return Edition(book=book, program=program, decider=Decider(book, program), loaded_at=now, texts=texts)


def _hold_invariants(book: Book, program: Program) -> None:
    """Raise BookError when an invariant of a book is refuted; log what could not be decided."""
    if not any(d.invariants for d in book.decisions):
        return
    from policybook.analyse.invariants import invariant_findings  # noqa: PLC0415 - the solver is loaded where there is something to prove
    from policybook.analyse.space import Judge  # noqa: PLC0415

    report = Report.of(invariant_findings(book, Judge(book, program)))
    if not report.ok:
        raise BookError(report, book.name)
    for finding in report:
        log.warning("policy `%s`: %s", book.name, finding.message)


def book_files(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return the book files that paths name: a directory stands for the `.yaml` files in it that hold a `policy`."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found.update(dict.fromkeys(p for p in sorted(path.iterdir()) if is_book(p)))
        else:
            found[path] = None
    return tuple(found)


def is_book(path: Path) -> bool:
    """Tell whether a file in the books' folder is a book: `.yaml`, not hidden."""
    return path.suffix in (".yaml", ".yml") and not path.name.startswith((".", "_")) and path.is_file() and path.name not in _OTHER_FILES


# Data that lives beside the books.
_OTHER_FILES = (CALENDAR_FILE, CLAUSE_FILE, LOCK_FILE)


@dataclass(frozen=True, slots=True)
class ReadFile:
    """One file as read: its own findings, and the book when neither it nor what lies beside it has errors."""

    path: Path
    book: Book | None
    report: Report


@dataclass(frozen=True, slots=True)
class Loaded:
    """The outcome of reading several files.

    Args:
        report: all findings, those of what lies beside the books included
        sources: by name, for excerpts
        beside: what lies beside the books, by their folder
    """

    files: tuple[ReadFile, ...]
    report: Report
    sources: dict[str, Source]
    beside: dict[Path, Beside]

    @property
    def books(self) -> tuple[Book, ...]:
        """The sound books; of two of one name the first."""
        first: dict[str, Book] = {}
        for file in self.files:
            if file.book is not None:
                first.setdefault(file.book.name, file.book)
        return tuple(first.values())


def read_books(paths: Sequence[Path]) -> Loaded:
    """Read and check books, and once a folder what lies beside them; all findings of all of them."""
    files: list[ReadFile] = []
    findings: list[Finding] = []
    sources: dict[str, Source] = {}
    beside: dict[Path, Beside] = {}
    sound: dict[Path, bool] = {}
    first: dict[str, Source] = {}
    named = book_files(paths)
    for folder in dict.fromkeys(path.parent for path in named):
        beside[folder], report, texts = read_beside(folder)
        sound[folder] = report.ok
        sources.update({text.name: text for text in texts})
        findings.extend(report)
    for path in named:
        book, report, source = read_book(path, beside[path.parent])
        sources[source.name] = source
        findings.extend(report)
        # A book is not judged by half of what it must be judged by.
        files.append(ReadFile(path, book if sound[path.parent] else None, report))
        if book is not None and (other := first.setdefault(book.name, source)) is not source:
            span = Span(file=source.name, line=1, column=1, end_line=1, end_column=2)
            message = f"the policy `{book.name}` stands in another file too: {other.name}"
            help_text = "keep one of the two"
            findings.append(Finding(code=Code.DUPLICATE_NAME, severity=Severity.ERROR, message=message, span=span, help=help_text))
    return Loaded(tuple(files), Report.of(findings), sources, beside)


def open_books(paths: Sequence[Path], *, now: Clock, store: Store | None = None) -> Store:
    """Load books into a store, a new one unless it is given.

    Raises:
        BookError: any book is bad, or there is none; nothing is served then
        EngineError: engine and reference differ
    """
    return store_of(read_books(paths), paths, now=now, store=store)


def store_of(loaded: Loaded, paths: Sequence[Path], *, now: Clock, store: Store | None = None) -> Store:
    """Put books that were read from paths into a store, a new one unless it is given; raises as `open_books` does."""
    report = loaded.report
    if not loaded.books and report.ok:
        where = ", ".join(map(str, paths))
        span = Span(file=where, line=0, column=0, end_line=0, end_column=0)
        report = Report.of(
            [Finding(code=Code.EMPTY, severity=Severity.ERROR, message=f"there is no book in {where}", span=span, path=where)]
        )
    if not report.ok:
        raise BookError(report, "rules")
    store = store or Store()
    store.beside = next(iter(loaded.beside.values()), NOTHING_BESIDE)
    folders = {f.book.name: f.path.parent for f in reversed(loaded.files) if f.book is not None}
    for book in loaded.books:
        store.publish(make_edition(book, now(), texts=loaded.beside.get(folders[book.name], NOTHING_BESIDE).texts))
    return store


@dataclass(frozen=True, slots=True)
class ReloadEvent:
    """What became of one changed file: `kind` is published, refused or withdrawn."""

    kind: str
    path: Path
    policy: str
    version: str
    report: Report


class Reloader:
    """Watches a folder and publishes what changes, in a thread of its own.

    A file is read when its content hash changes and has been the same on two looks in a row, so that a half-written file is
    not taken for a bad one.
    """

    def __init__(self, store: Store, directory: Path, *, now: Clock, interval_s: float = 1.0) -> None:
        self.store = store
        self.directory = directory
        self.now = now
        self.interval_s = interval_s
        self._done: dict[Path, str] = {}
        self._pending: dict[Path, str] = {}
        self._policy_of: dict[Path, str] = {}
        self.counts: Counter[str] = Counter()
        self._refused_since: dict[Path, float] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        calendar = _calendar(directory)
        served = {name: store.edition(name).book for name in store.policies()}
        for path in book_files([directory]):
            book = served.get(path.stem)
            if book is None or (book.calendar is not None and book.calendar != calendar):
                continue
            digest = _digest(path)
            if read_text(path)[0].text == book.source.text:
                self._done[path] = digest
                self._policy_of[path] = book.name

    @property
    def stale_s(self) -> float:
        """For how many seconds an edited book has been refused while the one before goes on; 0: none is."""
        since = list(self._refused_since.values())
        return time.monotonic() - min(since) if since else 0.0

    def start(self) -> None:
        """Start watching."""
        self._thread = threading.Thread(target=self._run, name="policybook-reload", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; returns when the thread has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop.wait(self.interval_s):
            try:
                self.scan()
            except Exception:
                # A watcher that dies is a service that silently stops following its books.
                log.exception("looking for changed books failed; trying again")

    def scan(self) -> tuple[ReloadEvent, ...]:
        """Look once; publish what changed and is stable."""
        events = self._scan()
        for event in events:
            self.counts[event.kind] += 1
            if event.kind == "refused":
                self._refused_since.setdefault(event.path, time.monotonic())
            else:
                self._refused_since.pop(event.path, None)
        # A refused book that is gone again was never in service.
        for path in [p for p in self._refused_since if not p.exists()]:
            del self._refused_since[path]
        return events

    def _scan(self) -> tuple[ReloadEvent, ...]:
        events: list[ReloadEvent] = []
        around: tuple[Beside, Report, tuple[Source, ...]] | None = None
        present = set(book_files([self.directory]))
        for path in sorted(present):
            digest = _digest(path)
            if not digest or digest == self._done.get(path):
                self._pending.pop(path, None)
            elif self._pending.get(path) != digest:
                self._pending[path] = digest
            else:
                if around is None:
                    around = read_beside(self.directory)
                    self.store.beside = around[0]
                del self._pending[path]
                self._done[path] = digest
                events.append(self._take(path, *around))
        for path in sorted(set(self._policy_of) - present):
            policy = self._policy_of.pop(path)
            self._done.pop(path, None)
            if policy not in self._policy_of.values():
                try:
                    self.store.withdraw(policy)
                except NotPublishedError as e:
                    self._policy_of[path] = policy
                    log.error("policy `%s` not withdrawn yet: %s", policy, e)  # noqa: TRY400 - it says it all
                    continue
                log.warning("policy `%s` withdrawn: %s is gone", policy, path.name)
                events.append(ReloadEvent("withdrawn", path, policy, "", Report(())))
        return tuple(events)

    def _take(self, path: Path, beside: Beside, found: Report, texts: tuple[Source, ...]) -> ReloadEvent:
        """Take up one book; `found` are the findings in what lies beside it."""
        book, report, source = read_book(path, beside)
        edition = None
        if not found.ok:
            book, report = None, report + found
        if book is not None:
            try:
                edition = make_edition(book, self.now(), texts=beside.texts)
            except BookError as e:
                report = report + e.report
            except EngineError as e:
                span = Span(file=source.name, line=1, column=1, end_line=1, end_column=2)
                report = report + Report.of([Finding(code=Code.ENGINE_DISAGREES, severity=Severity.ERROR, message=str(e), span=span)])
        if edition is None:
            log.error(
                "book refused, the old version goes on serving: %s\n%s", path.name, report.render({s.name: s for s in (source, *texts)})
            )
            return ReloadEvent("refused", path, self._policy_of.get(path, ""), "", report)
        other = next((p for p, name in self._policy_of.items() if name == edition.name and p != path and p.exists()), None)
        if other is not None:
            log.error("book refused: policy `%s` stands in %s too", edition.name, other.name)
            return ReloadEvent("refused", path, edition.name, "", report)
        try:
            self.store.publish(edition)
        except NotPublishedError as e:
            # It is looked at again: the book is sound.
            del self._done[path]
            log.error("book not taken up, the old version goes on serving: %s: %s", path.name, e)  # noqa: TRY400 - it says it all
            return ReloadEvent("refused", path, edition.name, edition.version, report)
        self._policy_of[path] = edition.name
        log.info("policy `%s` version %s in service from %s", edition.name, edition.version[:12], path.name)
        return ReloadEvent("published", path, edition.name, edition.version, report)


def _calendar(folder: Path) -> Calendar | None:
    """Return the calendar beside the books; None where there is none, or a bad one."""
    path = folder / CALENDAR_FILE
    return load_calendar(read_text(path)[0])[0] if path.is_file() else None


def _digest(path: Path) -> str:
    """Hash a book together with what lies beside it: a change of any may change decisions or what is found."""
    try:
        files = [path, *(f for f in (path.parent / name for name in _OTHER_FILES) if f.is_file())]
        return hashlib.sha256(b"\0".join(f.read_bytes() for f in files)).hexdigest()
    except OSError:
        return ""

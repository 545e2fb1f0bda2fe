"""Test tables in a team's own pytest: each case is a test.

Loaded by every pytest that has policybook beside it, so it imports nothing of policybook before there is a table.
Tables are YAML, CSV and .xlsx files in the folder `tests` of a folder of books. Which folders these are say the settings
`policybook_rules` and `policybook_tests`; without them a table is known by its name: `tests/credit.shipment.csv` is one when
the book `credit.yaml` stands beside `tests`. `-p no:policybook` switches all of it off.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from policybook.trials.case import Case
    from policybook.trials.run import Result
    from policybook.trials.shelf import Shelf

_SUFFIXES = frozenset({".yaml", ".yml", ".csv", ".xlsx"})
_BOOK = re.compile(rb"^policy:[ \t]*[\w\"']", re.MULTILINE)
_DECISIONS = re.compile(rb"^decisions:", re.MULTILINE)
_REVIEW = "policybook_review"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the settings."""
    parser.addini(
        "policybook_rules", "folders (or files) of policy books; their folders `tests` hold the test tables", type="paths", default=[]
    )
    parser.addini(
        "policybook_tests", "folders (or files) of test tables, where they are not in `tests` beside the books", type="paths", default=[]
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark that every case has: `-m 'not policybook'`."""
    config.addinivalue_line("markers", "policybook: a case of a policybook test table")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> TableFile | None:
    """Take a file that is a test table."""
    if file_path.suffix.lower() not in _SUFFIXES or file_path.name.startswith((".", "~$")):
        return None
    books = _books_of(file_path, parent.config)
    return TableFile.from_parent(parent, path=file_path, books=books) if books else None


def _books_of(path: Path, config: pytest.Config) -> tuple[Path, ...]:
    """Return where the books of a test table are; nothing for what is none."""
    rules, tests = (tuple(map(Path, config.getini(f"policybook_{name}"))) for name in ("rules", "tests"))
    beside = next((p.parent for p in path.parents if p.name == "tests"), None)
    if tests:
        return (rules or ((beside,) if beside else ())) if _is_within(path, tests) else ()
    if rules:
        return rules if _is_within(path, (_folder(r) / "tests" for r in rules)) else ()
    return (beside,) if beside is not None and _has_book(beside, path.name.partition(".")[0]) else ()


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _is_within(path: Path, folders: Iterable[Path]) -> bool:
    return any(path == f or f in path.parents for f in folders)


def _has_book(folder: Path, name: str) -> bool:
    """Tell whether a folder holds a book of a name, and not any YAML of that name."""
    for suffix in (".yaml", ".yml"):
        try:
            text = (folder / f"{name}{suffix}").read_bytes()
        except OSError:
            continue
        if _BOOK.search(text) and _DECISIONS.search(text):
            return True
    return False


_SHELF = pytest.StashKey["Shelf"]()


def _shelf(config: pytest.Config) -> Shelf:
    """Return the books of this session; here policybook itself is imported, now that there is a table."""
    if _SHELF not in config.stash:
        from policybook.trials.shelf import Shelf  # noqa: PLC0415 - see above

        config.stash[_SHELF] = Shelf(now=lambda: datetime.now(UTC), new_id=lambda: uuid.uuid4().hex)
    return config.stash[_SHELF]


def _shown(path: Path) -> Path:
    """Return a path as a person at the prompt would write it."""
    try:
        return Path(os.path.relpath(path))
    except ValueError:
        # Another drive.
        return path


class TableFile(pytest.File):
    """A test table; its items are its cases, and one for all that is wrong with it."""

    def __init__(self, *, books: tuple[Path, ...], **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]
        self.where = tuple(map(_shown, books))

    def collect(self) -> Iterable[pytest.Item]:
        """Read the table."""
        cases, faults = _shelf(self.config).table(_shown(self.path), self.where)
        if faults:
            yield Findings.from_parent(self, name="findings", text=faults)
        for case in cases:
            yield CaseItem.from_parent(self, name=_name(case), case=case)


def _name(case: Case) -> str:
    words = " ".join(case.id.split()).replace("::", ":")
    return f"{case.decision}/{words}"


class _ToldError(Exception):
    """A failure that is told in words; where in the code it happened says nothing to a tester."""


class _Item(pytest.Item):
    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str | object:  # type: ignore[override]
        """Show the words alone."""
        # A book that cannot be compiled says so in words too; its class is known by name, as nothing is imported for it.
        told = any(c.__name__ in ("_ToldError", "PolicybookError") for c in type(excinfo.value).__mro__)
        return str(excinfo.value) if told else super().repr_failure(excinfo)


class Findings(_Item):
    """All that is wrong with a table, or with its book."""

    def __init__(self, *, text: str, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]
        self.text = text
        self.add_marker("policybook")

    def runtest(self) -> None:
        raise _ToldError(self.text)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"findings of {self.path.name}"


class CaseItem(_Item):
    """One case."""

    def __init__(self, *, case: Case, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]
        self.case = case
        self.add_marker("policybook")

    def runtest(self) -> None:
        if self.case.review is not None:
            self.user_properties.append((_REVIEW, self.case.review))
        table = self.parent
        assert isinstance(table, TableFile)
        result = _shelf(self.config).run(self.case, table.where)
        if not result.passed:
            raise _ToldError(_told(result))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, self.case.span.line - 1, f"{self.case.name} {self.case.id}"


def _told(result: Result) -> str:
    case = result.case
    return "\n    ".join((f"✗ {case.name} {case.id}  {case.span}", *result.lines()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases a person has still to confirm."""
    reports = [r for which in ("passed", "failed") for r in terminalreporter.stats.get(which, ())]
    open_cases = [r for r in reports if any(name == _REVIEW for name, _ in getattr(r, "user_properties", ()))]
    if open_cases:
        terminalreporter.write_line(f"policybook: {len(open_cases)} of the cases still to be reviewed", yellow=True)

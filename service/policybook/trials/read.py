"""Read test tables: YAML, CSV and workbooks to cases, all faults of a file at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from policybook.diagnostics import Code, Finding, Report, Severity, did_you_mean
from policybook.load.yaml import MAX_BYTES, Scalar
from policybook.model.book import Book, Decision
from policybook.source import NOWHERE, Source, Span
from policybook.trials.case import CaseFile
from policybook.trials.columns import column_drafts
from policybook.trials.csv_table import csv_lines
from policybook.trials.draft import DraftFile, Faults, raw_facts, raw_of
from policybook.trials.resolve import MAX_CASES, resolve
from policybook.trials.yaml_table import yaml_drafts

__all__ = ["MAX_CASES", "SUFFIXES", "TableFile", "case_files", "is_table", "raw_facts", "raw_of", "read_cases", "read_table", "read_text"]

SUFFIXES = (".yaml", ".yml", ".csv", ".xlsx")
_NOT_READ = (".xls", ".xlsm", ".xlsb", ".ods", ".numbers")


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file as read.

    Args:
        cases: None when it could not be read at all, or its book has errors
        source: for excerpts; None for a workbook, which has no lines of text
    """

    cases: CaseFile | None
    report: Report
    source: Source | None


def read_table(path: Path, books: Mapping[str, Book], *, known_bad: Collection[str] = ()) -> TableFile:
    """Read a test table of any form; what keeps it from being read is a finding.

    Args:
        books: by policy name; what the cases may ask
        known_bad: policies whose books have errors; their tables are passed over, as the errors say enough
    """
    if path.suffix.lower() == ".xlsx":
        data, report = _read_bytes(path)
        if data is None:
            return TableFile(None, report, None)
        cases, report = read_workbook(data, str(path), books, known_bad=known_bad)
        return TableFile(cases, report, None)
    source, report = read_text(path)
    if source is None:
        return TableFile(None, report, None)
    cases, report = read_cases(source, books, known_bad=known_bad)
    return TableFile(cases, report, source)


def read_text(path: Path) -> tuple[Source | None, Report]:
    """Read the text of a test table; what keeps it from being read is a finding."""
    if path.suffix.lower() in _NOT_READ:
        return None, _unread(path, f"`{path.suffix}` is no form of test table", "save it as .xlsx (Excel workbook) or as CSV UTF-8")
    data, report = _read_bytes(path)
    if data is None:
        return None, report
    try:
        return Source(str(path), decoded(data)), report
    except UnicodeDecodeError as e:
        message = f"the file is not UTF-8 text: byte {e.start + 1} is 0x{e.object[e.start]:02X}"
        return None, _unread(path, message, "save it as UTF-8 (Excel: CSV UTF-8)")


def decoded(data: bytes) -> str:
    """Return the text of a file: UTF-8, with or without the mark, lines ended as anywhere."""
    return data.decode("utf-8-sig").replace("\r\n", "\n")


def read_cases(source: Source, books: Mapping[str, Book], *, known_bad: Collection[str] = ()) -> tuple[CaseFile | None, Report]:
    """Read a test table in text.

    Args:
        source: its name ends in `.csv`, `.yaml` or `.yml`
        books, known_bad: as in read_table
    Returns:
        the cases without faults, and every fault; no file when it could not be read at all
    """
    faults = Faults()
    if source.name.lower().endswith(".csv"):
        named = _Named.of(source.name, _start(source), books, known_bad, faults)
        drafts = DraftFile(named.policy, named.default) if named else None
        if named and drafts and (lines := csv_lines(source, faults)):
            drafts.cases = column_drafts(lines, named.book, named.decision, faults)
    else:
        drafts = yaml_drafts(source, faults)
    return _cases(source.name, drafts, books, known_bad, faults)


def read_workbook(data: bytes, name: str, books: Mapping[str, Book], *, known_bad: Collection[str] = ()) -> tuple[CaseFile | None, Report]:
    """Read a test table in a workbook; arguments and result as in read_cases."""
    # openpyxl is paid for by those who have workbooks.
    from policybook.trials.xlsx_table import file_span, sheets  # noqa: PLC0415

    faults = Faults()
    named = _Named.of(name, file_span(name), books, known_bad, faults)
    if named is None:
        return None, Report.of(faults.found)
    drafts = DraftFile(named.policy, named.default)
    for sheet in sheets(data, name, named.book, named.decision, faults):
        made = column_drafts(sheet.lines, named.book, sheet.decision, faults)
        if sheet.decision is not None:
            own = Scalar(sheet.decision.name, sheet.span, sheet.span, True)
            for draft in made:
                draft.decision = draft.decision or own
        drafts.cases += made
    return _cases(name, drafts, books, known_bad, faults)


def case_files(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return the test tables among paths; a folder stands for the tables in it, or in its folder `tests`."""
    found: dict[Path, None] = {}
    for path in paths:
        folder = path / "tests" if (path / "tests").is_dir() else path
        inside = sorted(p for p in folder.rglob("*") if is_table(p) and p.is_file()) if path.is_dir() else [path]
        found.update(dict.fromkeys(inside))
    return tuple(found)


def is_table(path: PurePath) -> bool:
    """Tell by its name whether a file in a folder of tables is one; `~$credit.xlsx` is Excel's mark that a workbook is open."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith((".", "~$"))


@dataclass(frozen=True, slots=True)
class _Named:
    """What the name of a file in columns says: `<book>.csv`, `<book>.<decision>.csv`."""

    policy: Scalar
    book: Book
    decision: Decision | None

    @property
    def default(self) -> Scalar | None:
        return Scalar(self.decision.name, self.policy.span, self.policy.span, True) if self.decision else None

    @classmethod
    def of(cls, file: str, span: Span, books: Mapping[str, Book], known_bad: Collection[str], faults: Faults) -> _Named | None:
        path = PurePath(file)
        policy, _, decision_name = path.stem.partition(".")
        if policy in known_bad:
            return None
        if policy not in books:
            message = f"the file name begins with `{policy}`, which is no policy"
            faults.add(span, message, did_you_mean(policy, books, "policy") + f"; name the file `<book>.<decision>{path.suffix}`")
            return None
        book = books[policy]
        decision = book.decision_by_name.get(decision_name)
        if decision_name and decision is None:
            faults.add(
                span,
                f"the file name says `{decision_name}`, which is no decision of `{policy}`",
                did_you_mean(decision_name, book.decision_by_name),
            )
            return None
        return cls(Scalar(policy, span, span, True), book, decision)


def _cases(
    file: str, drafts: DraftFile | None, books: Mapping[str, Book], known_bad: Collection[str], faults: Faults
) -> tuple[CaseFile | None, Report]:
    found = resolve(drafts, books, known_bad, faults) if drafts else None
    return (CaseFile(file=file, policy=found[0], cases=found[1]) if found else None), Report.of(faults.found)


def _read_bytes(path: Path) -> tuple[bytes | None, Report]:
    try:
        if path.stat().st_size > MAX_BYTES:
            return None, _unread(path, f"the file has more than the {MAX_BYTES // 1048576} MiB allowed", "split it")
        return path.read_bytes(), Report(())
    except OSError as e:
        return None, _unread(path, f"the file cannot be read: {e.strerror or e}", "")


def _unread(path: Path, message: str, help_text: str) -> Report:
    name = str(path)
    at = Span(file=name, line=0, column=0, end_line=0, end_column=0)
    return Report((Finding(code=Code.TEST_TABLE, severity=Severity.ERROR, message=message, span=at, help=help_text, path=name),))


def _start(source: Source) -> Span:
    return Span(file=source.name, line=1, column=1, end_line=1, end_column=2) if source.text else NOWHERE

"""Sheets of a workbook (.xlsx) as lines, each cell with its place."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from openpyxl import load_workbook
from openpyxl.utils.cell import coordinate_to_tuple, get_column_letter, range_boundaries

from policybook.diagnostics import Severity, did_you_mean
from policybook.load.yaml import Scalar
from policybook.model.book import Book, Decision
from policybook.source import Span
from policybook.trials.columns import MAX_COLUMNS, Line
from policybook.trials.draft import Faults
from policybook.trials.resolve import MAX_CASES
from policybook.trials.xlsx_cell import UnreadableError, cell_text

if TYPE_CHECKING:
    from openpyxl.workbook.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

MAX_UNPACKED = 64 * 1024 * 1024
MAX_PARTS = 2_000
MAX_SHEETS = 500
# LIMIT: what Excel itself holds in a sheet, and in the name of one.
MAX_ROWS = 1_048_576
MAX_SHEET_NAME = 31
# Empty cells up to the last one of a row count: what is stepped over costs time too.
MAX_CELLS = 4_000_000

_FORMULA_HEADING = re.compile(r"=\s*([A-Za-z_][A-Za-z0-9_]*)\Z")
_NO_WORKBOOK = "the file is no Excel workbook (.xlsx)"
_SAVE_AS = "save it in Excel as `Excel Workbook (*.xlsx)`"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CellSpan(Span):
    """A place in a workbook: `line` and `column` are those of the cell, `part` names it (`cell D7`, `row 7`)."""

    sheet: str
    number: int
    part: str

    def __str__(self) -> str:
        return f"{self.file}: {self.where}" if self.where else self.file

    @property
    def where(self) -> str:
        """Name the place within its file: `sheet shipment, cell D7`."""
        return ", ".join(p for p in (f"sheet {self.sheet}" if self.sheet else "", self.part) if p)

    @property
    def sort_key(self) -> tuple[str, int, int, int]:
        return (self.file, self.number, self.line, self.column)

    def within(self, start: int, end: int) -> Span:
        """Return the cell: a part of one has no place of its own."""
        return self


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet with a table: the first line holds the headings, and all are as long."""

    name: str
    decision: Decision | None
    lines: list[Line]
    span: CellSpan


class _RefusedError(Exception):
    def __init__(self, message: str, help_text: str = _SAVE_AS) -> None:
        super().__init__(message)
        self.help = help_text


def file_span(file: str) -> CellSpan:
    """Return the place that is a whole workbook."""
    return _span(file, "", 0, 1, 1, "")


def sheets(data: bytes, file: str, book: Book, decision: Decision | None, faults: Faults) -> list[Sheet]:
    """Return the sheets that hold cases: those that are seen, not empty, and not set aside by a name that begins with `#`.

    Args:
        decision: what the file is named after; else each sheet is named after its own, or its lines name theirs
    """
    try:
        parts = _unpacked(data)
        with warnings.catch_warnings():
            # What openpyxl leaves out when it writes a workbook does not concern a reader.
            warnings.simplefilter("ignore")
            book_file = load_workbook(io.BytesIO(_packed(parts)), read_only=True, data_only=True, keep_links=False)
            try:
                found = list(_Workbook(book_file, parts, file, book, decision, faults).sheets())
            finally:
                book_file.close()
    except _RefusedError as e:
        faults.add(file_span(file), str(e), e.help)
        return []
    except Exception as e:  # noqa: BLE001 - openpyxl raises whatever a broken part makes it stumble on
        faults.add(file_span(file), f"the workbook is damaged: {type(e).__name__}: {str(e)[:200]}", f"open it in Excel and {_SAVE_AS}")
        return []
    if not found and not any(f.severity is Severity.ERROR for f in faults.found):
        faults.add(file_span(file), "the file holds no cases", "the first line of a sheet names the columns: `id`, inputs, `=output`")
    return found


def _unpacked(data: bytes) -> dict[str, bytes]:
    """Unpack the XML of a workbook piece by piece and counted; what its directory says about sizes is not believed."""
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise _RefusedError("the workbook is protected by a password, or of the old form .xls", f"{_SAVE_AS}, without a password")
    parts: dict[str, bytes] = {}
    total = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [e for e in archive.infolist() if not e.is_dir()]
            if len(entries) > MAX_PARTS:
                raise _RefusedError(f"the workbook has {len(entries):,} parts; at most {MAX_PARTS:,} are allowed")
            for entry in entries:
                if entry.filename in parts:
                    raise _RefusedError(f"the workbook has two parts named `{entry.filename[:60]}`")
                if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise _RefusedError("the workbook is encrypted, or packed in a way that Excel does not use")
                # Pictures and macros are of no interest; they stay packed.
                text = io.BytesIO()
                if entry.filename.endswith((".xml", ".rels")):
                    with archive.open(entry) as stream:
                        while piece := stream.read(65_536):
                            total += len(piece)
                            if total > MAX_UNPACKED:
                                message = f"the workbook unpacks to more than {MAX_UNPACKED // 1048576} MiB"
                                raise _RefusedError(message, "split it; delete sheets and formats that are not needed")
                            text.write(piece)
                parts[entry.filename] = _checked(text.getvalue())
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as e:
        raise _RefusedError(_NO_WORKBOOK if not parts else f"the workbook is damaged: {e}") from None
    if "xl/workbook.xml" not in parts and "[Content_Types].xml" not in parts:
        raise _RefusedError(_NO_WORKBOOK)
    return parts


def _checked(text: bytes) -> bytes:
    # An entity that names another ten times over is a bomb that no size of a file tells of. Excel declares none.
    if b"<!" in text and re.search(rb"<!\s*(?:DOCTYPE|ENTITY)", text.replace(b"\0", b"")):
        raise _RefusedError("the workbook declares XML entities, which Excel never does")
    return text


def _packed(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return out.getvalue()


@dataclass(slots=True)
class _Marks:
    """What openpyxl does not tell a reader of values: formulas (and whether one has a stored value), and merged cells."""

    formulas: dict[tuple[int, int], tuple[str, bool]] = field(default_factory=dict)
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)

    @classmethod
    def of(cls, part: bytes) -> _Marks:
        """Read the XML of a sheet.

        Raises:
            _RefusedError: its cells do not stand in order; openpyxl would pass over some of them in silence
        """
        marks = cls()
        row, column = 0, 0
        for event, element in ET.iterparse(io.BytesIO(part), ("start", "end")):  # noqa: S314 - entities were refused
            tag = element.tag.rpartition("}")[2]
            if event == "start" and tag == "row":
                row, before, column = int(element.get("r") or row + 1), row, 0
                if row <= before:
                    raise _RefusedError("the workbook is damaged: rows of a sheet do not stand in order")
            elif event == "start" and tag == "c":
                coordinate = element.get("r")
                at, before = coordinate_to_tuple(coordinate) if coordinate else (row, column + 1), column
                column = at[1]
                if at[0] != row or column <= before:
                    raise _RefusedError("the workbook is damaged: cells of a sheet do not stand in order")
            elif event == "end" and tag == "c":
                marks.formula(row, column, element)
            elif event == "end" and tag == "row":
                element.clear()
            elif event == "end" and tag == "mergeCell":
                left, top, right, bottom = range_boundaries(element.get("ref") or "")
                marks.merged.append((left or 1, top or 1, right or MAX_COLUMNS, bottom or MAX_ROWS))
        return marks

    def formula(self, row: int, column: int, cell: ET.Element) -> None:
        inner = {child.tag.rpartition("}")[2]: child for child in cell}
        if "f" in inner:
            # A formula whose result is the empty text has a value too, and says so.
            has_value = "v" in inner and (bool(inner["v"].text) or cell.get("t") == "str")
            self.formulas[row, column] = (f"={inner['f'].text or ''}", has_value)


class _Workbook:
    def __init__(
        self, workbook: Workbook, parts: dict[str, bytes], file: str, book: Book, decision: Decision | None, faults: Faults
    ) -> None:
        self.workbook = workbook
        self.parts = parts
        self.file = file
        self.book = book
        self.decision = decision
        self.faults = faults

    def sheets(self) -> Iterator[Sheet]:
        sheets = self.workbook.worksheets
        if len(sheets) > MAX_SHEETS:
            raise _RefusedError(f"the workbook has {len(sheets):,} sheets; at most {MAX_SHEETS} are allowed", "split it")
        for number, sheet in enumerate(sheets, 1):
            if sheet.title.startswith("#"):
                continue
            span = _span(self.file, sheet.title, number, 1, 1, "")
            if sheet.sheet_state != "visible":
                self.faults.add(span, "the sheet is hidden, and not read", "show it, or begin its name with `#`", Severity.NOTE)
                continue
            lines = _Lines(sheet, self.marks(sheet), span, self.faults).read()
            if not lines:
                continue
            decision = self.decision or self.named(sheet.title)
            if decision is None and not any(c.text == "decision" for c in lines[0].cells):
                known = self.book.decision_by_name
                message = f"the sheet `{sheet.title}` is named after no decision of `{self.book.name}`, and has no column `decision`"
                self.faults.add(span, message, f"{did_you_mean(sheet.title, known)}; a name that begins with `#` sets a sheet aside")
                continue
            yield Sheet(sheet.title, decision, lines, span)

    def named(self, title: str) -> Decision | None:
        """Return the decision that a sheet is named after; a long name is cut off where Excel ends it."""
        known = self.book.decision_by_name
        cut = [d for name, d in known.items() if len(title) == MAX_SHEET_NAME and name.startswith(title)]
        return known.get(title.strip()) or (cut[0] if len(cut) == 1 else None)

    def marks(self, sheet: Worksheet) -> _Marks:
        path: Any = getattr(sheet, "_worksheet_path", "")
        return _Marks.of(self.parts.get(str(path).lstrip("/"), b""))


class _Lines:
    """Reads the lines of one sheet."""

    def __init__(self, sheet: Worksheet, marks: _Marks, span: CellSpan, faults: Faults) -> None:
        self.sheet = sheet
        self.marks = marks
        self.span = span
        self.faults = faults
        self.columns: list[int] = []

    def read(self) -> list[Line]:
        lines: list[Line] = []
        rows: list[int] = []
        seen = 0
        # What a sheet says about its own size is not believed either.
        self.sheet.reset_dimensions()  # type: ignore[attr-defined]
        for row, cells in enumerate(self.sheet.iter_rows(), 1):
            seen += len(cells)
            if row > MAX_ROWS or seen > MAX_CELLS:
                self.faults.add(self.at_row(row), "the sheet is too large", "delete the empty rows and columns after the table")
                return lines
            line = self.line(row, cells, is_heading=not lines)
            if line is None:
                continue
            if len(lines) > MAX_CASES:
                self.faults.add(line.span, f"a test table may hold at most {MAX_CASES:,} cases", "split the sheet")
                return lines
            lines.append(line)
            rows.append(row)
        self.merged(rows)
        return lines

    def line(self, row: int, cells: tuple[Any, ...], *, is_heading: bool) -> Line | None:
        """Return a line; None for an empty one and for a `#` remark."""
        stated = [i for i, cell in enumerate(cells, 1) if cell.value is not None or (row, i) in self.marks.formulas]
        if not stated or str(cells[stated[0] - 1].value).lstrip().startswith("#"):
            return None
        before = len(self.faults.found)
        texts = {column: self.text(row, column, cells[column - 1], is_heading=is_heading) for column in stated}
        if len(self.faults.found) > before and not is_heading:
            # A case with a hole in it would be another case.
            return None
        texts = {column: text for column, text in texts.items() if text}
        if not texts:
            return None
        if is_heading:
            self.columns = list(texts)
        for column in texts:
            if column not in self.columns:
                where = self.at(row, column)
                self.faults.add(
                    where, f"`{texts[column][:60]}` stands under no heading", "name the column in the first line, or clear the cell"
                )
        span = self.at_row(row)
        empty = Scalar("", span, span, True)
        line = []
        for column in self.columns:
            text = texts.get(column)
            at = self.at(row, column) if text else span
            line.append(Scalar(text, at, at, True) if text else empty)
        return Line(tuple(line), span)

    def text(self, row: int, column: int, cell: Any, *, is_heading: bool) -> str:
        formula, has_value = self.marks.formulas.get((row, column), ("", True))
        if is_heading and (meant := _FORMULA_HEADING.match(formula)):
            # `=outcome`, typed into a cell that is not formatted as text, is a formula to Excel.
            return f"={meant.group(1)}"
        try:
            if not has_value:
                raise UnreadableError(f"the formula `{formula[:60]}` has no stored value", "open the workbook in Excel and save it")
            if cell.data_type == "e":
                raise UnreadableError(f"the cell holds the error {cell.value}", "mend the formula, or write the value")
            return cell_text(cell.value, cell.number_format or "").strip()
        except UnreadableError as e:
            self.faults.add(self.at(row, column), str(e), e.help)
            # Something stands there; what it is has been said.
            return ""

    def merged(self, rows: list[int]) -> None:
        """Refuse merged cells in the table: only the first of them would hold the value that all show."""
        for left, top, right, bottom in self.marks.merged:
            if any(top <= row <= bottom for row in rows) and any(left <= column <= right for column in self.columns):
                name = f"{get_column_letter(left)}{top}:{get_column_letter(right)}{bottom}"
                self.faults.add(
                    self.at(top, left), f"the cells {name} are merged, and only the first holds the value", "unmerge them and fill in each"
                )

    def at(self, row: int, column: int) -> CellSpan:
        return _span(self.span.file, self.span.sheet, self.span.number, row, column, f"cell {get_column_letter(column)}{row}")

    def at_row(self, row: int) -> CellSpan:
        return _span(self.span.file, self.span.sheet, self.span.number, row, 1, f"row {row}")


def _span(file: str, sheet: str, number: int, line: int, column: int, part: str) -> CellSpan:
    return CellSpan(file=file, line=line, column=column, end_line=line, end_column=column + 1, sheet=sheet, number=number, part=part)

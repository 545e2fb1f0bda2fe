"""A test table as a workbook that is pleasant to fill in: everything is text, as typed, so that it is read as typed."""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import IllegalCharacterError
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.properties import PageSetupProperties

from policybook.model.book import Book, Decision
from policybook.model.kinds import Base, Text
from policybook.trials.case import ErrorKind, Status
from policybook.trials.xlsx_table import MAX_SHEET_NAME

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

    from policybook.trials.write import Column

_TEXT = "@"
_HEADING = 3
# LIMIT: of Excel: characters in a cell, and in a list of choices.
MAX_CELL = 32_767
_MAX_CHOICES = 255
_WIDTHS = (9, 44)
# Rows below the cases that have the choices and the text format too, for cases to come.
_SPARE = 500

_TITLES = {
    "id": Text("Case", "用例"),
    "decision": Text("Decision", "决策"),
    "as_of": Text("As of", "决策日"),
    "items": Text("Expected items", "预期各项"),
    "rows": Text("Expected rows, in order", "预期命中规则（按顺序）"),
    "not_rows": Text("Rows that must not match", "不得命中的规则"),
    "status": Text("Expected status", "预期状态"),
    "error": Text("Expected refusal", "预期拒绝原因"),
    "review": Text("To be reviewed", "待复核"),
    "note": Text("Note", "备注"),
}
_INK = {"given": "E8F0FA", "expect": "E9F5EA", "review": "FFF4D6"}


def workbook(columns: Sequence[Column], lines: Sequence[Sequence[str]], book: Book, decision: Decision | None) -> bytes:
    """Write a workbook with one sheet.

    Raises:
        ValueError: a text that no cell of Excel can hold
    """
    made = Workbook()
    sheet = made.worksheets[0]
    sheet.title = decision.name[:MAX_SHEET_NAME] if decision else "cases"
    title = decision.title if decision else book.title
    name = f"{book.name}.{decision.name}" if decision else book.name
    _put(sheet, 1, 1, f"# {name}: {' / '.join(filter(None, (title.zh, title.en)))}").font = Font(bold=True, size=13)
    for number, column in enumerate(columns, 1):
        _heading(sheet, number, column, [line[number - 1] for line in lines])
    for row, line in enumerate(lines, _HEADING + 1):
        for number, (column, text) in enumerate(zip(columns, line, strict=True), 1):
            cell = _put(sheet, row, number, text)
            is_number = column.declared is not None and column.declared.kind.numeric
            cell.alignment = Alignment(
                horizontal="right" if is_number else "left", vertical="top", wrap_text=column.role in ("review", "note")
            )
            if column.role == "review" and text:
                cell.fill = PatternFill("solid", fgColor=_INK["review"])
    sheet.row_dimensions[1].height = 22
    sheet.row_dimensions[_HEADING - 1].height = 28
    last = get_column_letter(len(columns))
    sheet.freeze_panes = f"B{_HEADING + 1}"
    sheet.auto_filter.ref = f"A{_HEADING}:{last}{_HEADING + max(1, len(lines))}"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.print_title_rows = f"{_HEADING - 1}:{_HEADING}"
    out = io.BytesIO()
    made.save(out)
    return _finished(out.getvalue(), f"A1:{last}{_HEADING + len(lines) + _SPARE}")


def _put(sheet: Worksheet, row: int, column: int, text: str) -> Any:
    cell = sheet.cell(row=row, column=column)
    if len(text) > MAX_CELL:
        raise ValueError(f"a cell of a workbook holds at most {MAX_CELL:,} characters, `{text[:40]}...` has {len(text):,}; write YAML")
    if text:
        try:
            cell.value = text
        except IllegalCharacterError:
            raise ValueError(f"a workbook cannot hold the control characters in {text[:60]!r}; write YAML") from None
        # `=outcome` is a heading and no formula.
        cell.data_type = "s"
    cell.number_format = _TEXT
    return cell


def _heading(sheet: Worksheet, number: int, column: Column, texts: Sequence[str]) -> None:
    title = column.declared.title if column.declared else _TITLES[column.role]
    remark = "\n".join(filter(None, (title.zh, title.en)))
    words = _put(sheet, _HEADING - 1, number, f"# {remark}" if number == 1 else remark)
    words.font = Font(size=9, color="606060")
    words.alignment = Alignment(wrap_text=True, vertical="bottom")
    head = _put(sheet, _HEADING, number, column.heading)
    head.font = Font(bold=True)
    head.fill = PatternFill("solid", fgColor=_INK.get(column.role, "EEEEEE"))
    head.border = Border(bottom=Side(style="medium", color="404040"))
    widest = max(map(_width, (column.heading, *remark.split("\n"), *(t[:200] for t in texts))))
    letter = get_column_letter(number)
    sheet.column_dimensions[letter].width = min(max(widest + 3, _WIDTHS[0]), _WIDTHS[1])
    # What is typed below stays as it is typed: 1/3 becomes no date.
    sheet.column_dimensions[letter].number_format = _TEXT
    choices = ",".join(_choices(column))
    if choices and len(choices) <= _MAX_CHOICES - 2:
        listed = DataValidation(type="list", formula1=f'"{choices}"', allow_blank=True, showErrorMessage=False)
        listed.add(f"{letter}{_HEADING + 1}:{letter}{_HEADING + len(texts) + _SPARE}")
        sheet.add_data_validation(listed)


def _choices(column: Column) -> Sequence[str]:
    if column.role == "status":
        return [s.value for s in Status]
    if column.role == "error":
        return [e.value for e in ErrorKind]
    kind = column.declared.kind if column.declared else None
    if kind is None:
        return ()
    return ("true", "false") if kind.base is Base.BOOLEAN else kind.value_names


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


_MODIFIED = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*")


def _finished(data: bytes, numbers: str) -> bytes:
    """Take out the hour, so that the same cases are the same bytes, and tell Excel that numbers are text here on purpose."""
    ignored = f'<ignoredErrors><ignoredError sqref="{numbers}" numberStoredAsText="1"/></ignoredErrors></worksheet>'
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            text = _MODIFIED.sub(rb"\g<1>2000-01-01T00:00:00Z", old.read(entry))
            if entry.filename.startswith("xl/worksheets/"):
                text = text.replace(b"</worksheet>", ignored.encode())
            new.writestr(zipfile.ZipInfo(entry.filename), text, zipfile.ZIP_DEFLATED)
    return out.getvalue()

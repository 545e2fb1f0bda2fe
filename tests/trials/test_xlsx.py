"""Workbooks: what a cell says, where a fault is, and what a broken or hostile file comes to."""

# ruff: noqa: DTZ001 - a cell of a workbook knows no time zone

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from policybook.check.book import read_book
from policybook.diagnostics import Report
from policybook.model.book import Book
from policybook.trials import xlsx_table
from policybook.trials.case import CaseFile
from policybook.trials.read import case_files, read_table, read_workbook
from policybook.trials.xlsx_cell import UnreadableError, cell_text

BOOK = Path(__file__).parent.parent / "cli" / "books" / "library.yaml"
HEAD = ["id", "reader", "days_out", "=fee", "rows"]


@pytest.fixture(scope="module")
def books() -> dict[str, Book]:
    book, report, _ = read_book(BOOK)
    assert book, report.findings
    return {"library": book}


def workbook(*rows: list[Any], sheet: str = "late_fee", change: Callable[[Workbook], None] | None = None) -> bytes:
    made = Workbook()
    made.active.title = sheet
    for row in rows:
        made.active.append(row)
    for cell in (c for row in made.active.iter_rows() for c in row):
        # A heading such as `=fee` is text here; a formula is set by `change`.
        if isinstance(cell.value, str):
            cell.data_type = "s"
    if change:
        change(made)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def read(data: bytes, books: dict[str, Book], name: str = "library.xlsx") -> tuple[CaseFile, Report]:
    file, report = read_workbook(data, name, books)
    assert file is not None
    return file, report


def faults(data: bytes, books: dict[str, Book], name: str = "library.xlsx") -> list[str]:
    _, report = read_workbook(data, name, books)
    return [f"{f.span}: {f.message}" for f in report]


@pytest.mark.parametrize(
    ("value", "number_format", "wanted"),
    [
        (None, "General", ""),
        (True, "General", "true"),
        (0.1, "General", "0.1"),
        (1.1000000000000001, "General", "1.1"),
        (3000.01, "#,##0.00", "3000.01"),
        (3000, '"¥"#,##0.00;[Red]-#,##0.00', "3000"),
        (-0.5, "0.0", "-0.5"),
        (0.1 + 0.2, "General", "0.3"),
        (2999.99 * 3, "General", "8999.97"),
        (123456789012345, "General", "123456789012345"),
        (1.23456789012345e18, "General", "1234567890123450000"),
        (1e-7, "General", "0.0000001"),
        (1e40, "0.00E+00", "1E+40"),
        (0, "General", "0"),
        (0.3, "0%", "30%"),
        (0.125, "0.0%", "12.5%"),
        (1 / 3, "# ?/?", "1/3"),
        (2.5, "# ??/??", "5/2"),
        (0.375, "# ?/8", "3/8"),
        (datetime(2026, 3, 31), "yyyy-mm-dd", "2026-03-31"),
        (datetime(2026, 3, 31), 'yyyy"年"m"月"d"日"', "2026-03-31"),
        (datetime(2026, 3, 31), "[$-zh-CN]yyyy/m/d", "2026-03-31"),
        (datetime(2026, 3, 31), "yyyy-mm-dd hh:mm", "2026-03-31T00:00"),
        (datetime(2026, 3, 31, 16, 0, 30), "yyyy-mm-dd hh:mm:ss", "2026-03-31T16:00:30"),
        (date(2026, 3, 31), "General", "2026-03-31"),
        (time(16), "h:mm", "16:00"),
        (timedelta(hours=26), "[h]:mm", "P1DT2H"),
        ("text", "@", "text"),
    ],
)
def test_a_cell_says_what_a_person_sees(value: object, number_format: str, wanted: str) -> None:
    assert cell_text(value, number_format) == wanted


@pytest.mark.parametrize(
    ("value", "number_format", "wanted"),
    [
        (1 / 3, "General", "the number 0.3333333333333333 has more than the 15 digits that Excel keeps exactly"),
        (1234567890123456, "General", "the number 1234567890123456 has more than the 15 digits that Excel keeps exactly"),
        (1000000000000001.0, "General", "the number 1000000000000001.0 has more than the 15 digits that Excel keeps exactly"),
        (3000.004, "#,##0.00", "the cell shows 3000.00 but holds 3000.004"),
        (0.125, "0%", "the cell shows 12% but holds 12.5%"),
        (3000000, "#,##0,", "the cell shows its number in thousands"),
        (0.3333, "# ?/?", "the cell shows about 1/3 but holds 0.3333"),
        (float("inf"), "General", "the cell holds no finite number"),
        (datetime(2026, 3, 31, 16), "yyyy-mm-dd", "the cell shows a day but holds the time 16:00:00 too"),
        (datetime(2026, 3, 31, 16), "h:mm", "the cell shows a time of day but holds the day 2026-03-31 too"),
        (datetime(2026, 3, 31, 16, 0, 1), "yyyy-mm-dd h:mm", "the cell shows no seconds but holds 16:00:01"),
        (time(16), "yyyy-mm-dd", "the cell shows a day but holds none"),
        (timedelta(seconds=61), "[h]:mm", "the cell shows no seconds but holds PT1M1S"),
    ],
)
def test_a_cell_that_says_nothing_exact_is_refused(value: object, number_format: str, wanted: str) -> None:
    with pytest.raises(UnreadableError) as e:
        cell_text(value, number_format)
    assert str(e.value) == wanted
    assert e.value.help


def test_a_sheet_is_read_as_a_csv_file_is(books: dict[str, Book]) -> None:
    def change(made: Workbook) -> None:
        sheet = made.active
        sheet["F4"].number_format = "yyyy-mm-dd"
        sheet["A9"].number_format = "0.00"  # an empty cell below the table

    data = workbook(
        ["# Late fees", "of adults"],
        [],
        [*HEAD, "as_of", "not_rows", "review", "note", "status", "error"],
        ["one", "adult", 20, 3, "late", datetime(2026, 5, 4), "in-time;no-fee-for-staff", True, "why"],
        ["", "  "],
        ["two", "adult", "1", 0, "in-time", "2026-05-04", None, "expected side to be confirmed"],
        ["# three", "adult"],
        [4, None, None, None, None, None, None, False, None, "error", "FACTS"],
        change=change,
    )
    file, report = read(data, books)
    assert report.ok, report.render({})
    one, two, four = file.cases
    assert {n: s.text for n, s in one.given.items()} == {"reader": "adult", "days_out": "20"}
    assert (one.name, one.as_of, one.expect["fee"].value, one.rows) == ("library.late_fee", date(2026, 5, 4), Fraction(3), ("late",))
    assert (one.not_rows, one.review, one.note) == (("in-time", "no-fee-for-staff"), "", "why")
    assert (two.id, two.given["days_out"].text, two.review) == ("two", "1", "expected side to be confirmed")
    assert (four.id, four.review, four.error and four.error.value) == ("4", None, "FACTS")
    assert str(one.given["days_out"].span) == "library.xlsx: sheet late_fee, cell C4"


def test_each_sheet_is_a_decision_or_its_lines_name_theirs(books: dict[str, Book]) -> None:
    def change(made: Workbook) -> None:
        made.create_sheet("Sheet2")
        bill = made.create_sheet("bill")
        bill.append(["id", "reader", "days_out", "damages", "items"])
        bill.append(["b", "adult", 20, "[{kind: stain, pages: 2}]", "[{amount: 3}, {}]"])
        mixed = made.create_sheet("mixed")
        mixed.append(["id", "decision", "rows"])
        mixed.append(["c", "may_borrow", "-"])
        made.create_sheet("# remarks").append(["whatever"])
        made.create_sheet("old").sheet_state = "hidden"
        made.create_sheet("latefee").append(["id"])

    file, report = read(workbook(HEAD, ["a", "adult", 20, 3, "late"], change=change), books)
    assert [(c.id, c.decision) for c in file.cases] == [("a", "late_fee"), ("b", "bill"), ("c", "may_borrow")]
    assert [len(i) for i in file.cases[1].expect_items or ()] == [1, 0]
    assert [f"{f.severity.value} {f.span}: {f.message}" for f in report] == [
        "note library.xlsx: sheet old: the sheet is hidden, and not read",
        ("error library.xlsx: sheet latefee: the sheet `latefee` is named after no decision of `library`, and has no column `decision`"),
    ]


def test_a_file_may_be_named_after_its_decision(books: dict[str, Book]) -> None:
    file, report = read(workbook(HEAD, ["a", "adult", 20, 3, "late"], sheet="Sheet1"), books, "library.late_fee.xlsx")
    assert report.ok
    assert [c.name for c in file.cases] == ["library.late_fee"]
    assert faults(workbook(HEAD), books, "library.late.xlsx") == [
        "library.late.xlsx: the file name says `late`, which is no decision of `library`"
    ]
    assert faults(workbook(HEAD), books, "libary.xlsx") == ["libary.xlsx: the file name begins with `libary`, which is no policy"]
    assert faults(workbook([]), books) == ["library.xlsx: the file holds no cases"]


def test_faults_name_sheet_and_cell(books: dict[str, Book]) -> None:
    def change(made: Workbook) -> None:
        sheet = made.active
        sheet["C3"] = "=1+1"
        sheet["D4"] = "#N/A"
        sheet["D4"].data_type = "e"
        sheet["C5"].number_format = "0.00"
        sheet.merge_cells("E6:E7")

    data = workbook(
        HEAD,
        ["a", "adult", 1 / 3, 3, "late"],
        ["b", "adult", None, 3, "late"],
        ["c", "adult", 20, None, "late"],
        ["d", "adult", 3.004, 3, "late"],
        ["e", "adult", 20, 3, "late"],
        ["f", "adlut", 20, 3, None, "stray"],
        ["a", "adult", 20, "three", "lat"],
        ["e", "adult", 20, 3, "late"],
        change=change,
    )
    file, report = read(data, books)
    assert [f"{f.span.where}: {f.message}" for f in report] == [
        "sheet late_fee, cell C2: the number 0.3333333333333333 has more than the 15 digits that Excel keeps exactly",
        "sheet late_fee, cell C3: the formula `=1+1` has no stored value",
        "sheet late_fee, cell D4: the cell holds the error #N/A",
        "sheet late_fee, cell C5: the cell shows 3.00 but holds 3.004",
        "sheet late_fee, cell E6: the cells E6:E7 are merged, and only the first holds the value",
        "sheet late_fee, cell F7: `stray` stands under no heading",
        "sheet late_fee, cell D8: expected `fee`: `three` is not a decimal number such as `1200.50`",
        "sheet late_fee, cell E8: there is no row `lat` in `late_fee`",
        "sheet late_fee, cell A9: the case id `e` stands twice; first on sheet late_fee, cell A6",
    ]
    # A case with a hole in it would be another case.
    assert not {"b", "c", "d"} & {c.id for c in file.cases}


def with_part(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """Change a part of a workbook as no program would."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            text = old.read(entry)
            new.writestr(entry.filename, change(text) if entry.filename == name else text)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


def test_a_stored_result_of_a_formula_is_its_value(books: dict[str, Book]) -> None:
    data = workbook(HEAD, ["a", "adult", 20, 3, "late"], ["b", "adult", 21, None, "late"])

    def change(text: bytes) -> bytes:
        text = text.replace(b'<c r="C2" t="n"><v>20</v></c>', b'<c r="C2"><f>C3-1</f><v>20</v></c>')
        return text.replace(b'<c r="E3"', b'<c r="D3" t="str"><f>IF(1,"","")</f><v></v></c><c r="E3"')

    changed = with_part(data, SHEET, change)
    assert changed != data
    file, report = read(changed, books)
    assert report.ok, report.render({})
    assert [(c.given["days_out"].text, sorted(c.expect)) for c in file.cases] == [("20", ["fee"]), ("21", [])]


def test_a_heading_that_excel_took_for_a_formula_is_read_as_meant(books: dict[str, Book]) -> None:
    def change(text: bytes) -> bytes:
        start = text.index(b'<c r="D1"')
        end = text.index(b"</c>", start) + 4
        return text[:start] + b'<c r="D1" t="e"><f>fee</f><v>#NAME?</v></c>' + text[end:]

    file, report = read(with_part(workbook(HEAD, ["a", "adult", 20, 3, "late"]), SHEET, change), books)
    assert report.ok, report.render({})
    assert file.cases[0].expect["fee"].value == Fraction(3)


GOOD = workbook(HEAD, ["a", "adult", 20, 3, "late"])


def lying_bomb() -> bytes:
    """A part whose directory entry says 100 bytes and whose stream goes on for 100 MiB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * (100 << 20))
    data = bytearray(out.getvalue())
    directory = data.rindex(b"PK\x01\x02")
    for at in (22, directory + 24):
        data[at : at + 4] = struct.pack("<I", 100)
    return bytes(data)


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * (xlsx_table.MAX_UNPACKED + 1))
    return out.getvalue()


ENTITY = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]>'


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"", "the file is no Excel workbook (.xlsx)"),
        (b"id,rows\n", "the file is no Excel workbook (.xlsx)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "the workbook is protected by a password, or of the old form .xls"),
        (GOOD[: len(GOOD) // 2], "the file is no Excel workbook (.xlsx)"),
        (bomb(), "the workbook unpacks to more than 64 MiB"),
        (lying_bomb(), "the file is no Excel workbook (.xlsx)"),
        (with_part(GOOD, SHEET, lambda _: b"<not xml"), "the workbook is damaged: "),
        (with_part(GOOD, SHEET, lambda t: t.replace(b"<worksheet", ENTITY + b"<worksheet")), "the workbook declares XML entities"),
        (with_part(GOOD, "xl/workbook.xml", lambda _: b"<a/>"), "the file holds no cases"),
        (with_part(GOOD, SHEET, lambda t: re.sub(rb'r="([A-E]?)2"', rb'r="\g<1>2000000"', t)), "the sheet is too large"),
        (with_part(GOOD, SHEET, lambda t: t.replace(b'r="C2"', b'r="XFE2"')), "the workbook is damaged: "),
        (with_part(GOOD, SHEET, lambda t: re.sub(rb'r="([A-E]?)1"', rb'r="\g<1>3"', t)), "the workbook is damaged: rows"),
        (with_part(GOOD, SHEET, lambda t: t.replace(b't="n"><v>20<', b't="s"><v>20<')), "the workbook is damaged: "),
    ],
)
def test_a_broken_or_hostile_file_is_one_finding(data: bytes, wanted: str, books: dict[str, Book]) -> None:
    _, report = read_workbook(data, "library.xlsx", books)
    assert not report.ok
    assert any(f.message.startswith(wanted) for f in report), report.render({})


@pytest.mark.parametrize("seed", range(60))
def test_a_workbook_with_damaged_bytes_is_read_or_refused(seed: int, books: dict[str, Book]) -> None:
    import random

    dice = random.Random(seed)  # noqa: S311 - the same damage every time
    parts = ("xl/workbook.xml", SHEET, "xl/styles.xml", "xl/sharedStrings.xml", "[Content_Types].xml", "xl/_rels/workbook.xml.rels")

    def damage(text: bytes) -> bytes:
        changed = bytearray(text)
        for _ in range(dice.randint(1, 5)):
            changed[dice.randrange(len(changed))] = dice.randrange(32, 127)
        return bytes(changed)

    read_workbook(with_part(GOOD, dice.choice(parts), damage), "library.xlsx", books)


def test_a_table_that_is_too_wide_or_too_long_is_refused(books: dict[str, Book], monkeypatch: pytest.MonkeyPatch) -> None:
    wide = faults(workbook(["id", *(f"c{i}" for i in range(1000))]), books)
    assert "library.xlsx: sheet late_fee, row 1: a test table may have at most 1,000 columns, this has 1,001" in wide
    monkeypatch.setattr(xlsx_table, "MAX_CASES", 2)
    data = workbook(HEAD, *(["a", "adult", 20, 3, "late"] for _ in range(4)))
    assert "library.xlsx: sheet late_fee, row 4: a test table may hold at most 2 cases" in faults(data, books)
    monkeypatch.setattr(xlsx_table, "MAX_CELLS", 10)
    assert "library.xlsx: sheet late_fee, row 3: the sheet is too large" in faults(data, books)


def test_a_long_name_of_a_decision_is_cut_as_excel_cuts_it() -> None:
    from books_in_text import book_of

    name = "a_decision_with_a_name_of_forty_characters"
    book = book_of(
        f"inputs:\n  n: {{type: integer, min: 0}}\ndecisions:\n  {name}:\n    hit_policy: first\n    outputs:\n      out: {{type: integer}}\n"
        "    rules:\n      - {id: only, clause: 1.1, when: {n: '>= 0'}, then: {out: 1}, says: {en: One., zh: 一。}}\n"
    )
    data = workbook(["id", "n", "=out"], ["a", 1, 1], sheet=name[:31])
    file, report = read_workbook(data, "book.xlsx", {"book": book})
    assert report.ok, report.render({})
    assert file
    assert [c.decision for c in file.cases] == [name]


def test_files_are_told_by_their_names(tmp_path: Path, books: dict[str, Book]) -> None:
    for name in ("library.xlsx", "library.XLSX", "~$library.xlsx", ".hidden.csv", "notes.txt", "old.xls"):
        (tmp_path / name).write_bytes(GOOD)
    assert [p.name for p in case_files([tmp_path])] == ["library.XLSX", "library.xlsx"]
    read_one = read_table(tmp_path / "library.xlsx", books)
    assert read_one.cases
    assert read_one.source is None
    assert [f.message for f in read_table(tmp_path / "old.xls", books).report] == ["`.xls` is no form of test table"]
    assert read_table(tmp_path / "library.xlsx", {}, known_bad={"library"}).report.ok
    assert "cannot be read" in read_table(tmp_path / "missing.xlsx", books).report.findings[0].message

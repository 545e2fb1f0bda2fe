from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from policybook.check.book import read_book
from policybook.diagnostics import Code, Report
from policybook.model.book import Book
from policybook.model.facts import RAW_NULL, Raw, Tag
from policybook.source import Source
from policybook.trials.case import Case, ErrorKind, Status
from policybook.trials.read import case_files, read_cases, read_text

BOOK = Path(__file__).parent.parent / "cli" / "books" / "library.yaml"


@pytest.fixture(scope="module")
def books() -> dict[str, Book]:
    book, report, _ = read_book(BOOK)
    assert book, report.findings
    return {"library": book}


def cases(text: str, books: dict[str, Book], name: str = "library.yaml") -> tuple[Case, ...]:
    source = Source(name, text)
    file, report = read_cases(source, books)
    assert report.ok, report.render({name: source})
    assert file is not None
    return file.cases


def faults(text: str, books: dict[str, Book], name: str = "library.yaml") -> list[str]:
    _, report = read_cases(Source(name, text), books)
    return [f"{f.span.line}:{f.span.column} {f.message}" for f in report]


YAML = """\
policy: library
as_of: 2026-05-04
given: {reader: adult, days_out: 1, damages: []}
cases:
  - id: one
    decision: late_fee
    given: {days_out: 20, price: null}
    expect: {fee: 3, tone: letter}
    rows: [late]
  - id: two
    decision: bill
    as_of: 2026-05-04T16:00:00+08:00
    given: {damages: [{kind: tear, pages: 2}]}
    expect_items: [{amount: 0.5}, {}]
  - {id: three, decision: late_fee, given: {shoe: 7}, expect_error: FACTS}
"""


def test_a_case_has_the_defaults_of_its_file_below_its_own(books: dict[str, Book]) -> None:
    one, two, three = cases(YAML, books)
    assert {n: s.raw for n, s in one.given.items()} == {
        "reader": Raw(Tag.LITERAL, "adult"),
        "days_out": Raw(Tag.LITERAL, "20"),
        "price": RAW_NULL,
    }
    assert one.as_of == date(2026, 5, 4)
    assert two.as_of == datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
    assert (one.expect["fee"].value, one.expect["tone"].value, one.rows) == (Fraction(3), "letter", ("late",))
    assert [{n: e.value for n, e in i.items()} for i in two.expect_items or ()] == [{"amount": Fraction(1, 2)}, {}]
    assert (three.status, three.error) == (Status.ERROR, ErrorKind.FACTS)
    assert "shoe" in three.given


def test_a_default_that_the_decision_does_not_use_is_not_sent(books: dict[str, Book]) -> None:
    one, two, _ = cases(YAML, books)
    assert "damages" not in one.given
    assert two.given["damages"].raw == Raw(Tag.LIST, (Raw(Tag.RECORD, {"kind": Raw(Tag.LITERAL, "tear"), "pages": Raw(Tag.LITERAL, "2")}),))


def test_each_part_of_a_value_has_its_place(books: dict[str, Book]) -> None:
    _, two, _ = cases(YAML, books)
    assert str(two.place("facts.damages[0].pages")) == "library.yaml:13:43"
    assert str(two.place("facts.damages[0].unheard_of")) == "library.yaml:13:23"
    assert str(two.place("facts.days_out")) == "library.yaml:3:34"
    assert str(two.place("facts.unheard_of")) == "library.yaml:10:9"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ["1:1 the file holds no cases"]),
        ("- a\n- b\n", ["1:1 a test table is written as keys and values, this is a list"]),
        ("policy: libary\ncases: []\n", ["1:9 there is no policy `libary`"]),
        ("cases: []\n", ["1:1 the key `policy` is missing"]),
        ("policy: library\n", ["1:1 the key `cases` is missing"]),
        ("policy: library\ncases: {a: 1}\n", ["2:8 `cases` is a list, this is a group of keys"]),
        ("policy: library\ndecision: bil\ncases: [{id: a, rows: []}]\n", ["2:11 there is no decision `bil` in `library`"]),
        (
            "policy: library\ngiven: {shoe: 7}\ncases: [{id: [a], decision: bill, rows: []}]\n",
            ["2:9 `shoe` is no input of `library`", "3:9 a case has no `id`", "3:14 `id` is one word or value, this is a list"],
        ),
        (
            "policy: library\ncases: [{id: a, decision: bill, expect_items: [3], rows: []}]\n",
            ["2:48 an item is written as names and values, this is `3`"],
        ),
        (
            "policy: library\ncases: [{id: a, decision: bill, expect_status: decided, expect_error: FACTS}]\n",
            ["2:71 an error is expected, but the status is `decided`"],
        ),
        (
            "policy: library\ncases: [{id: a, decision: bill, expect_error: OVERLOAD}]\n",
            ["2:47 `OVERLOAD` is no kind of error"],
        ),
    ],
)
def test_every_fault_has_its_place(text: str, wanted: list[str], books: dict[str, Book]) -> None:
    assert faults(text, books) == wanted


def test_what_yaml_refuses_is_refused_here_too(books: dict[str, Book]) -> None:
    text = "policy: library\ncases:\n  - &a {id: x, decision: bill, rows: []}\n  - *a\n"
    _, report = read_cases(Source("library.yaml", text), books)
    assert [f.code for f in report] == [Code.YAML_FEATURE]
    _, report = read_cases(Source("library.yaml", "policy: library\npolicy: library\ncases: []\n"), books)
    assert [f.code for f in report] == [Code.DUPLICATE_KEY]


def test_faulty_cases_do_not_keep_the_others_from_running(books: dict[str, Book]) -> None:
    text = "policy: library\ncases:\n  - {id: bad, decision: bill, rows: [nope]}\n  - {id: good, decision: bill, rows: []}\n"
    file, report = read_cases(Source("library.yaml", text), books)
    assert file is not None
    assert [c.id for c in file.cases] == ["good"]
    assert not report.ok


def test_tables_of_a_book_with_errors_are_passed_over() -> None:
    assert read_cases(Source("library.yaml", "policy: library\ncases: []\n"), {}, known_bad={"library"}) == (None, Report(()))
    file, report = read_cases(Source("library.csv", "id\n"), {}, known_bad={"library"})
    assert file is None
    assert report.ok


CSV = """\
\ufeffid,decision,reader,days_out,damages,as_of,=fee,=amount,rows,not_rows,status,error,note
# a remark, with commas

one,late_fee,adult,20,,2026-05-04,3,,late,in-time,,,why
"two, or more",damage,,,"[{kind: stain, pages: 2}, {kind: lost}]",,,,stained;lost-or-torn-apart,,,,
three,bill,child,1,[],,,0,-,,decided,,
four,late_fee,,,,,,,,,,FACTS,
"""


def test_csv_cells_are_read_by_their_columns(books: dict[str, Book]) -> None:
    one, two, three, four = cases(CSV, books, "library.csv")
    assert {n: s.text for n, s in one.given.items()} == {"reader": "adult", "days_out": "20"}
    assert (one.as_of, one.expect["fee"].value, one.rows, one.not_rows) == (date(2026, 5, 4), Fraction(3), ("late",), ("in-time",))
    assert (two.id, two.rows) == ("two, or more", ("stained", "lost-or-torn-apart"))
    assert len(two.given["damages"].raw.value) == 2
    assert three.rows == ()
    assert three.given["damages"].raw == Raw(Tag.LIST, ())
    assert (four.status, four.error) == (Status.ERROR, ErrorKind.FACTS)


def test_csv_places_count_characters_of_the_line(books: dict[str, Book]) -> None:
    _, two, *_ = cases(CSV, books, "library.csv")
    assert (two.span.line, two.span.column, two.span.end_column) == (5, 2, 14)
    one, *_ = cases(CSV, books, "library.csv")
    assert (one.given["days_out"].span.line, one.given["days_out"].span.column) == (4, 20)


def test_csv_names_the_decision_in_the_file_name(books: dict[str, Book]) -> None:
    (one,) = cases("id,reader,days_out,=tone\na,adult,1,kind\n", books, "rules/tests/library.late_fee.csv")
    assert one.name == "library.late_fee"
    assert faults("id\na\n", books, "library.late.csv") == ["1:1 the file name says `late`, which is no decision of `library`"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ["1:1 the file holds no cases"]),
        ("reader\nadult\n", ["1:1 there is no column `id`", "2:1 a case has no `id`", "2:1 the case expects nothing"]),
        ("id;reader\na;adult\n", ["1:1 the columns stand with `;` between them"]),
        ("id\treader\na\tadult\n", ["1:1 the columns stand with tabs between them"]),
        ("id，reader\na，adult\n", ["1:1 the columns stand with `，` between them"]),
        ("id,id,rows\na,b,late\n", ["1:4 the column `id` stands twice"]),
        ('id,rows\n"a,late\n', ["2:1 not CSV: unexpected end of data"]),
        ("id,fee\na,1\n", ["1:4 `fee` is no column: neither an input of `library.late_fee`"]),
        ("id,damages,status\na,[{kind,decided\n", ["2:3 the value is not YAML"]),
    ],
)
def test_faults_of_csv(text: str, wanted: list[str], books: dict[str, Book]) -> None:
    found = faults(text, books, "library.late_fee.csv")
    assert len([f for f, w in zip(found, wanted, strict=False) if f.startswith(w)]) == len(wanted), found


def test_a_value_of_several_lines_keeps_the_others_in_place(books: dict[str, Book]) -> None:
    text = 'id,reader,days_out,note,rows\n"a",adult,1,"two\nlines",in-time\nb,adult,1,,nowhere\n'
    assert faults(text, books, "library.late_fee.csv") == ["4:12 there is no row `nowhere` in `late_fee`"]


def test_files_that_cannot_be_read_are_findings(tmp_path: Path) -> None:
    latin = tmp_path / "library.csv"
    latin.write_bytes("id\nschön\n".encode("latin-1"))
    source, report = read_text(latin)
    assert source is None
    assert "not UTF-8 text: byte 7 is 0xF6" in report.findings[0].message
    source, report = read_text(tmp_path / "missing.yaml")
    assert source is None
    assert "cannot be read" in report.findings[0].message


def test_a_folder_stands_for_its_tables(tmp_path: Path) -> None:
    tests = tmp_path / "rules" / "tests"
    (tests / "more").mkdir(parents=True)
    for name in ("a.yaml", "b.csv", "c.txt", "more/d.yml"):
        (tests / name).write_text("")
    (tmp_path / "rules" / "book.yaml").write_text("")
    wanted = (tests / "a.yaml", tests / "b.csv", tests / "more" / "d.yml")
    assert case_files([tests]) == wanted
    assert case_files([tmp_path / "rules"]) == wanted
    assert case_files([tests / "a.yaml", tests]) == wanted

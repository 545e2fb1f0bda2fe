"""Targets that read what people write: books, cells and expressions, test tables, and two versions of a book."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import PurePath
from random import Random

import yaml

from fuzz import nodes, stock, words
from fuzz.engine import Target
from policybook.analyse.boxes import Budget
from policybook.analyse.difference import difference
from policybook.analyse.findings import table_findings
from policybook.analyse.invariants import invariant_findings
from policybook.analyse.limits import Limits
from policybook.check.book import as_text, check_source
from policybook.diagnostics import MAX_MESSAGE, Finding, Report
from policybook.errors import BookError
from policybook.feel.parse import FeelError, parse_expression, parse_test
from policybook.fmt.format import format_text
from policybook.load.calendar import load_calendar
from policybook.load.clauses import load_clauses
from policybook.model.book import Book
from policybook.source import Source
from policybook.store.reload import make_edition
from policybook.trials.read import decoded, read_cases, read_workbook


def told(report: Report, sources: dict[str, Source]) -> tuple[object, ...]:
    """Hold the findings against what every finding must be; return which they are."""
    for finding in report:
        assert finding.message, "a finding without words"
        assert len(finding.message) <= MAX_MESSAGE, "a message without bound"
        assert len(finding.help) <= MAX_MESSAGE, "a help without bound"
        _placed(finding, sources)
        json.dumps(finding.as_json()).encode()
    shown = report.render(sources)
    assert len(shown) < 500 * 1_000, "findings without bound"
    return tuple(sorted({f.code.number for f in report}))


def _placed(finding: Finding, sources: dict[str, Source]) -> None:
    span = finding.span
    source = sources.get(span.file)
    if source is None or not span.line:
        return
    assert 1 <= span.line <= span.end_line, "a place that ends before it begins"
    assert span.line <= len(source.lines) + 1, "a place below the text"
    assert 1 <= span.column <= len(source.lines[min(span.line, len(source.lines)) - 1]) + 2, "a place beside the text"


class BookTarget(Target):
    """A text from a file, from bytes to book: findings or a book that compiles, and nothing else."""

    name = "book"
    budget_s = 20.0

    def seeds(self) -> Sequence[bytes]:
        return stock.texts()

    def mutate(self, data: bytes, rnd: Random, others: Sequence[bytes]) -> bytes:
        return nodes.text_mutated(data, rnd, others)

    def run(self, data: bytes) -> object:
        source, report = as_text("book.yaml", data)
        sources = {source.name: source}
        if not report.ok:
            return told(report, sources)
        book, report = check_source(source, stock.beside())
        assert (book is None) == (not report.ok), "a book with errors, or none without"
        outcome = told(report, sources)
        if book is None:
            if data.startswith(b"cal"):
                return outcome, told(load_calendar(source)[1], sources)
            return (outcome, told(load_clauses(source)[1], sources)) if data.startswith(b"cla") else outcome
        if len(data) < 20_000:
            try:
                make_edition(book, stock.NOW, proved=False)
            except BookError as e:
                return outcome, "not compiled", told(e.report, sources)
        return outcome, "served"


class LayoutTarget(Target):
    """`policybook fmt`: the new text says the same, and is left alone the next time."""

    name = "layout"
    budget_s = 20.0

    def seeds(self) -> Sequence[bytes]:
        return stock.texts()

    def mutate(self, data: bytes, rnd: Random, others: Sequence[bytes]) -> bytes:
        return nodes.text_mutated(data, rnd, others)

    def run(self, data: bytes) -> object:
        source, report = as_text("book.yaml", data)
        if not report.ok:
            return "no text"
        new, report = format_text(source)
        if new is None:
            assert not report.ok, "not laid out, and nothing said"
            return told(report, {source.name: source})
        text = source.text.removeprefix("\ufeff").replace("\r", "\n")
        # By a parser that the formatter does not use.
        assert yaml.load(new, Loader=yaml.CBaseLoader) == yaml.load(text, Loader=yaml.CBaseLoader), "it says something else"  # noqa: S506
        assert format_text(Source(source.name, new)) == (new, report), "it is laid out otherwise the next time"
        before, after = (check_source(Source("book.yaml", t), stock.beside())[1] for t in (text, new))
        assert sorted(f.code.number for f in before) == sorted(f.code.number for f in after), "it has other findings"
        return "laid out", new == source.text


_CELLS = """\
policy: cells
title: x
currency: CNY
inputs:
  number: {type: number, optional: true}
  integer: {type: integer}
  percent: {type: percent}
  fraction: {type: fraction}
  money: {type: money}
  boolean: {type: boolean}
  enum: {type: enum, values: [red, green, blue]}
  text: {type: text}
  date: {type: date}
  datetime: {type: datetime}
  time: {type: time}
  duration: {type: duration}
  period: {type: period}
  list: {type: list, of: {type: enum, values: [red, green, blue]}}
  records: {type: list, of: {type: record, fields: {amount: {type: money}, day: {type: date}}}}
parameters:
  limit: {type: number, value: 12, set_by: company, title: x}
"""
_SUBJECTS = (
    "number", "integer", "percent", "fraction", "money", "boolean", "enum", "text", "date", "datetime", "time", "duration", "period", "list",
)  # fmt: skip


class GrammarTarget(Target):
    """Cells and expressions: read or refused with a place; what a table takes is decided alike by engine and reference.

    An input is text; its first character says where in a book it is put.
    """

    name = "grammar"
    budget_s = 5.0

    def seeds(self) -> Sequence[bytes]:
        return [
            b"%c%s" % (65 + i % 30, text.encode()) for i, text in enumerate((*stock.cells(), *words.FEEL, *words.NUMBERS, *words.TIMES))
        ]

    def mutate(self, data: bytes, rnd: Random, others: Sequence[bytes]) -> bytes:
        chosen = rnd.random()
        if chosen < 0.15:
            return bytes((65 + rnd.randrange(30),)) + data[1:]
        if chosen < 0.5:
            text = data.decode("utf-8", "ignore")
            at = rnd.randint(1, max(1, len(text)))
            names = (*_SUBJECTS, "limit", "records", "red", "amount", "item")
            part = rnd.choice((rnd.choice(words.FEEL), rnd.choice(names), rnd.choice(words.NUMBERS), rnd.choice(words.TIMES)))
            return (text[:at] + rnd.choice(("", " ")) + part + text[at + rnd.choice((0, 0, 1, 4)) :]).encode()
        if chosen < 0.6:
            wrap = rnd.choice((("(", ")"), ("not(", ")"), ("[", "]"), ("- ", ""), ("if true then ", " else 1"), ("max(1, ", ")")))
            times = rnd.choice((1, 2, 39, 41, 400))
            return data[:1] + wrap[0].encode() * times + data[1:] + wrap[1].encode() * times
        tokens = [t.encode() for t in words.FEEL]
        return words.bytes_mutated(data, rnd, others, tokens)

    def run(self, data: bytes) -> object:
        text = data[1:].decode("utf-8", "ignore")
        kinds: list[str] = []
        for parse in (parse_test, parse_expression):
            try:
                kinds.append(type(parse(text)).__name__)
            except FeelError as e:
                assert e.message, "refused without words"
                assert len(e.message) < len(text) + 200, "a message without bound"
                assert 0 <= e.start <= e.end <= max(1, len(text)), "a place outside the text"
                kinds.append("refused")
        if "\n" in text or not text.strip():
            return kinds[0], kinds[1]
        book, codes = self._checked(text, data[0] if data else 0)
        if book is None:
            return kinds[0], kinds[1], codes
        try:
            make_edition(book, stock.NOW, proved=False)
        except BookError as e:
            return kinds[0], kinds[1], codes, told(e.report, {})
        return kinds[0], kinds[1], codes, "served"

    @staticmethod
    def _checked(text: str, where: int) -> tuple[Book | None, object]:
        quoted = "'" + text.replace("'", "''") + "'"
        place = where % 30
        subject = _SUBJECTS[place % len(_SUBJECTS)]
        value, then, when = "number", "null", f"{{{subject}: '-'}}"
        if place < len(_SUBJECTS):
            when = f"{{{subject}: {quoted}}}"
        elif place < 22:
            then = quoted
        else:
            value = quoted
        body = (
            f"{_CELLS}values: {{derived: {value}}}\ndecisions:\n  d:\n    title: x\n    question: x\n    hit_policy: first\n"
            f"    outputs: {{o: {{type: {('number', 'text', 'boolean', 'date')[place // 2 % 4]}, optional: true}}}}\n"
            f"    rules:\n      - {{id: r, clause: 1, when: {when}, then: {{o: {then}}}}}\n"
            "      - {id: s, clause: 1, when: {derived: '-'}, then: {o: null}}\n"
        )
        source = Source("cells.yaml", body)
        book, report = check_source(source)
        return book, told(report, {source.name: source})


class AnalysisTarget(Target):
    """Two versions of a book: their difference and the findings of both, within their own limits.

    An input is one text, a line of `=====`, and the other.
    """

    name = "analysis"
    budget_s = 60.0
    _between = b"\n=====\n"

    def seeds(self) -> Sequence[bytes]:
        small = [p.read_bytes() for p in (*stock.SMALL_BOOKS, stock.ROOT / "rules/vip.yaml", stock.ROOT / "rules/key_accounts.yaml")]
        return [one + self._between + one for one in small]

    def mutate(self, data: bytes, rnd: Random, others: Sequence[bytes]) -> bytes:
        one, _, two = data.partition(self._between)
        for _ in range(6):
            # A text that is no book is of no use here.
            new = nodes.text_mutated(two, rnd, ())
            if self._could_be(new):
                two = new
                break
        return (two if rnd.random() < 0.2 else one) + self._between + two

    @staticmethod
    def _could_be(data: bytes) -> bool:
        return stock.checked(data) is not None

    def run(self, data: bytes) -> object:
        one, _, two = data.partition(self._between)
        before, after = stock.checked(one), stock.checked(two)
        if before is None or after is None:
            return "no book"
        limits = Limits(steps=2_000, seconds=2.0, all_seconds=4.0, notes=True)
        try:
            make_edition(after, stock.NOW, proved=False)
        except BookError:
            return "not compiled"
        found = (*table_findings(after, limits=limits), *invariant_findings(after, seconds=2.0))
        codes = told(Report.of(found), {after.source.name: after.source})
        if before.name != after.name:
            return codes
        differing = difference(before, after, budget=lambda: Budget(steps=2_000, seconds=2.0))
        if one == two:
            assert not any(t.regions for t in differing.tables), "a book differs from itself"
        return codes, tuple(sorted((t.name, len(t.regions)) for t in differing.tables))


class TablesTarget(Target):
    """Test tables of every form: cases or findings.

    An input is a file name, a NUL, and the file.
    """

    name = "tables"
    budget_s = 30.0

    def seeds(self) -> Sequence[bytes]:
        books = {stock.book(p).name for p in (*stock.SMALL_BOOKS, *stock.REAL_BOOKS)}
        return [
            name.encode() + b"\0" + data
            for suffix in (".yaml", ".csv", ".xlsx")
            for name, data in (*stock.tables(suffix), *(_workbooks() if suffix == ".xlsx" else ()))
            if name.partition(".")[0] in books
        ]

    def mutate(self, data: bytes, rnd: Random, others: Sequence[bytes]) -> bytes:
        name, _, body = data.partition(b"\0")
        if rnd.random() < 0.03:
            name = rnd.choice((b"vip.csv", b"vip.nothing.csv", b"credit.yaml", b"credit.xlsx", b".csv", b"\xff.csv", b"vip.csv.yaml"))
        if name.endswith(b".xlsx"):
            body = workbook_mutated(body, rnd)
        elif name.endswith(b".csv"):
            tokens = [b",", b'"', b'""', b"\n", b"\r\n", b"#", b"=", b"=outcome", b"id", b"?", b"decision", b"as_of", b",,,,,,,,"]
            body = words.bytes_mutated(body, rnd, [o.partition(b"\0")[2] for o in others[:20]], tokens)
        else:
            body = nodes.text_mutated(body, rnd, [o.partition(b"\0")[2] for o in others[:20]])
        return name + b"\0" + body

    def run(self, data: bytes) -> object:
        name, _, body = data.partition(b"\0")
        file = name.decode("utf-8", "replace")
        books = {stock.book(p).name: stock.book(p) for p in (*stock.SMALL_BOOKS, *stock.REAL_BOOKS)}
        if PurePath(file).suffix == ".xlsx":
            cases, report = read_workbook(body, file, books)
            return told(report, {}), cases is None or len(cases.cases) > 0
        try:
            source = Source(file, decoded(body))
        except UnicodeDecodeError:
            return "no text"
        cases, report = read_cases(source, books)
        return PurePath(file).suffix, told(report, {file: source}), cases is None or len(cases.cases) > 0


def _workbooks() -> Sequence[tuple[str, bytes]]:
    """Return two workbooks, as a person would have made them of tables in CSV."""
    from openpyxl import Workbook

    made = []
    for name, data in stock.tables(".csv"):
        if not name.startswith(("vip.", "credit.")):
            continue
        book = Workbook()
        sheet = book.active
        assert sheet is not None
        for line in data.decode().splitlines()[:8]:
            sheet.append([int(c) if c.isdigit() else c for c in line.split(",")])
        out = io.BytesIO()
        book.save(out)
        made.append((name.replace(".csv", ".xlsx"), out.getvalue()))
    return made


_XML = (
    b'<c r="A1"/>', b'<c r="XFD1048576"><v>1</v></c>', b'<c r="A0"/>', b'<c r="1A"/>', b'<c t="s"><v>999999</v></c>', b'<c t="s"><v>-1</v></c>',
    b'<c t="d"><v>9999-99-99</v></c>', b'<c t="n"><v>1e999</v></c>', b'<c t="n"><v>nan</v></c>', b'<c t="e"><v>#REF!</v></c>', b"<f>A1+</f>",
    b'<row r="0">', b'<row r="99999999999">', b'<row r="-1">', b'<row r="x">', b'<mergeCell ref="A1:XFD1048576"/>', b'<mergeCell ref=""/>',
    b'<!DOCTYPE a [<!ENTITY a "b">]>', b"<dimension ref='A1:ZZZ9999999'/>", b"<v>2958466</v>", b"<v>-1</v>", b"<v></v>", b"&#0;", b"&a;", b"]]>",
    b's="99999"', b'numFmtId="14"', b'formatCode="[h]:mm"', b'formatCode="# ?/?"', b'formatCode="&quot;"', b'date1904="1"', b'state="hidden"',
    b"</row>", b"</sheetData>", b"<is><t>x</t></is>", b'xml:space="preserve"', b"9" * 400,
)  # fmt: skip


def workbook_mutated(data: bytes, rnd: Random) -> bytes:
    """Return a workbook with a part changed, packed anew as a hostile or careless program would."""
    if rnd.random() < 0.3:
        return words.bytes_mutated(data, rnd, (), (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\xff\xff\xff\xff"))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {e.filename: archive.read(e) for e in archive.infolist() if e.file_size < 4_000_000}
    except Exception:  # noqa: BLE001 - zipfile raises whatever a broken directory makes it stumble on
        return words.bytes_mutated(data, rnd)
    if not parts:
        return words.bytes_mutated(data, rnd)
    name = rnd.choice([n for n in parts if "sheet" in n or "styles" in n or "workbook" in n] or list(parts))
    match rnd.randrange(10):
        case 0:
            del parts[rnd.choice(list(parts))]
        case 1:
            parts[rnd.choice(("xl/worksheets/sheet2.xml", "../x.xml", "x" * 300 + ".xml", "xl/media/a.png"))] = parts[name]
        case 2:  # a bomb: a small file that unpacks to much
            parts[name] += b" " * rnd.choice((1_000_000, 3_000_000))
        case _:
            parts[name] = words.bytes_mutated(parts[name], rnd, list(parts.values()), _XML)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rnd.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED))) as archive:
        for part, body in parts.items():
            archive.writestr(part, body)
    made = out.getvalue()
    if rnd.random() < 0.1:
        # What the directory says of sizes and ways of packing need not be so.
        at = made.rfind(b"PK\x01\x02")
        where = at + rnd.choice((8, 10, 16, 20, 24, 42))
        made = made[:where] + rnd.choice((b"\xff\xff", b"\0\0", b"\1\0", b"\x0c\0")) + made[where + 2 :]
    return made

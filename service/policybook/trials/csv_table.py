"""Lines and cells of a CSV file, each with its place."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass

from policybook.diagnostics import Code, Finding, Severity
from policybook.load.yaml import Scalar
from policybook.source import Source, Span


@dataclass(frozen=True, slots=True)
class CsvColumn:
    """What a column holds: `role` is a key of a case; `name` an input or output."""

    role: str
    name: str
    span: Span
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    cells: tuple[str, ...]
    spans: tuple[Span, ...]
    span: Span


def read_csv(
    source: Source, column: Callable[[str, Span], CsvColumn | Finding]
) -> tuple[tuple[CsvColumn, ...], list[tuple[Span, list[Scalar]]], list[Finding]]:
    """Read the heading and the lines below it.

    Args:
        column: says what a heading means, or what is wrong with it
    Returns:
        the columns; (place, cells) of every line that is not empty and not a `#` remark; all faults
    """
    findings: list[Finding] = []
    lines = _lines(source, findings)
    if not lines:
        if not findings:
            findings.append(
                _fault(_whole_line(source, 1), "the file holds no cases", "the first line names the columns: `id`, inputs, `=output`")
            )
        return (), [], findings
    columns: list[CsvColumn] = []
    for text, span in zip(lines[0].cells, lines[0].spans, strict=True):
        found = column(text.strip().removeprefix("\ufeff"), span)
        if isinstance(found, Finding):
            findings.append(found)
            # The cells below stay under their own headings.
            columns.append(CsvColumn("note", text, span))
        elif found.role != "note" and any(c.role == found.role and c.name == found.name for c in columns):
            findings.append(_fault(span, f"the column `{text.strip()}` stands twice", "keep one of them"))
            columns.append(CsvColumn("note", text, span))
        else:
            columns.append(found)
    if not any(c.role == "id" for c in columns):
        findings.append(_fault(lines[0].span, "there is no column `id`", "give each case an id of its own in a column `id`"))
    body: list[tuple[Span, list[Scalar]]] = []
    for line in lines[1:]:
        if len(line.cells) != len(columns):
            message = f"this line has {len(line.cells)} values, the first line names {len(columns)} columns"
            findings.append(_fault(line.span, message, 'a value with a comma in it needs double quotes: "[a, b]"'))
            continue
        body.append((line.span, [_scalar(text, span) for text, span in zip(line.cells, line.spans, strict=True)]))
    return tuple(columns), body, findings


def _scalar(text: str, span: Span) -> Scalar:
    word = text.strip()
    start = len(text) - len(text.lstrip())
    inner = span.within(start, start + len(word))
    return Scalar(word, inner, inner, True)


def _lines(source: Source, findings: list[Finding]) -> list[_Line]:
    reader = csv.reader(io.StringIO(source.text.removeprefix("\ufeff"), newline=""), strict=True)
    lines: list[_Line] = []
    last = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return lines
        except csv.Error as e:
            findings.append(
                _fault(_whole_line(source, last + 1), f"not CSV: {e}", "a value with quotes in it doubles them and stands in quotes itself")
            )
            return lines
        first, last = last + 1, reader.line_num
        text = source.lines[first - 1] if first <= len(source.lines) else ""
        if not any(c.strip() for c in cells) or text.lstrip("\ufeff").startswith("#"):
            continue
        whole = _whole_line(source, first)
        spans = _places(text, source.name, first) if first == last else []
        lines.append(_Line(tuple(cells), tuple(spans) if len(spans) == len(cells) else (whole,) * len(cells), whole))


def _places(line: str, file: str, number: int) -> list[Span]:
    """Return where each value of a line stands, without its quotes."""
    spans: list[Span] = []
    bom = len(line) - len(line.removeprefix("\ufeff"))
    start, quoted = bom, False
    text = line.rstrip("\r")
    for i in range(bom, len(text) + 1):
        c = text[i] if i < len(text) else ","
        if c == '"':
            quoted = not quoted
        elif c == "," and (not quoted or i == len(text)):
            a, b = (start + 1, i - 1) if text[start : start + 1] == '"' and i - start > 1 else (start, i)
            spans.append(Span(file=file, line=number, column=a + 1, end_line=number, end_column=b + 1))
            start = i + 1
    return spans


def _whole_line(source: Source, line: int) -> Span:
    length = len(source.lines[line - 1].rstrip("\r")) if 0 < line <= len(source.lines) else 0
    return Span(file=source.name, line=line, column=1, end_line=line, end_column=length + 1)


def _fault(span: Span, message: str, help_text: str) -> Finding:
    return Finding(code=Code.TEST_TABLE, severity=Severity.ERROR, message=message, span=span, help=help_text)

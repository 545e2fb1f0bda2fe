"""Lines and cells of a CSV file, each with its place."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from policybook.load.yaml import Scalar
from policybook.source import Source, Span
from policybook.trials.columns import Line
from policybook.trials.draft import Faults


@dataclass(frozen=True, slots=True)
class _Values:
    texts: tuple[str, ...]
    spans: tuple[Span, ...]
    span: Span


def csv_lines(source: Source, faults: Faults) -> list[Line]:
    """Return the lines that are not empty and not a `#` remark, all as long as the first, which holds the headings."""
    lines = _lines(source, faults)
    if not lines:
        if not faults.found:
            faults.add(_whole_line(source, 1), "the file holds no cases", "the first line names the columns: `id`, inputs, `=output`")
        return []
    width = len(lines[0].texts)
    out: list[Line] = []
    for line in lines:
        if len(line.texts) != width:
            message = f"this line has {len(line.texts)} values, the first line names {width} columns"
            faults.add(line.span, message, 'a value with a comma in it needs double quotes: "[a, b]"')
            continue
        out.append(Line(tuple(_scalar(text, span) for text, span in zip(line.texts, line.spans, strict=True)), line.span))
    return out


def _scalar(text: str, span: Span) -> Scalar:
    word = text.strip()
    start = len(text) - len(text.lstrip())
    inner = span.within(start, start + len(word))
    return Scalar(word, inner, inner, True)


def _lines(source: Source, faults: Faults) -> list[_Values]:
    reader = csv.reader(io.StringIO(source.text.removeprefix("\ufeff"), newline=""), strict=True)
    lines: list[_Values] = []
    last = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return lines
        except csv.Error as e:
            faults.add(_whole_line(source, last + 1), f"not CSV: {e}", "a value with quotes in it doubles them and stands in quotes itself")
            return lines
        first, last = last + 1, reader.line_num
        text = source.lines[first - 1] if first <= len(source.lines) else ""
        if not any(c.strip() for c in cells) or text.lstrip("\ufeff").startswith("#"):
            continue
        whole = _whole_line(source, first)
        spans = _places(text, source.name, first) if first == last else []
        lines.append(_Values(tuple(cells), tuple(spans) if len(spans) == len(cells) else (whole,) * len(cells), whole))


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

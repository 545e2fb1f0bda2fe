"""Test tables in columns, whether CSV or a sheet of a workbook: headings and lines to drafts, one way for both."""

from __future__ import annotations

from collections.abc import Sequence as Seq
from dataclasses import dataclass

from policybook.diagnostics import did_you_mean
from policybook.load.yaml import Mapping, Node, Scalar, Sequence, parse_yaml
from policybook.model.book import Book, Decision
from policybook.model.kinds import Base
from policybook.source import Source, Span
from policybook.trials.draft import Draft, Faults, listed, shape
from policybook.trials.yaml_table import entries

MAX_COLUMNS = 1_000

# Heading -> part of a case. An input of the same name is written `given.<name>`.
ROLES = {
    "id": "id",
    "decision": "decision",
    "as_of": "as_of",
    "items": "items",
    "expect_items": "items",
    "rows": "rows",
    "not_rows": "not_rows",
    "status": "status",
    "expect_status": "status",
    "error": "error",
    "expect_error": "error",
    "review": "review",
    "note": "note",
}
_SHOWN = ("id", "decision", "as_of", "items", "rows", "not_rows", "status", "error", "review", "note")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: a cell for each heading."""

    cells: tuple[Scalar, ...]
    span: Span


# What spreadsheets of some countries and keyboards put in the place of the comma.
_OTHER_COMMAS = (";", "\t", "，", "；")


@dataclass(frozen=True, slots=True)
class _Column:
    """What a column holds: `role` is a key of a case; `name` an input or output. The role `nothing` is passed over."""

    role: str
    name: str
    span: Span


def column_drafts(lines: Seq[Line], book: Book, decision: Decision | None, faults: Faults) -> list[Draft]:
    """Read the heading and the lines below it.

    Args:
        lines: the first holds the headings; all of one length
        decision: what the file or sheet is named after
    """
    # Lines that name their decisions may ask any of the book.
    first = lines[0].cells
    other = next((c for c in _OTHER_COMMAS if c in first[0].text), "") if len(first) == 1 else ""
    if other:
        shown = "tabs" if other == "\t" else f"`{other}`"
        faults.add(lines[0].span, f"the columns stand with {shown} between them", "save it as CSV with commas (Excel: CSV UTF-8)")
        return []
    is_mixed = any(c.text == "decision" for c in first)
    heading = _Heading(book, None if is_mixed else decision, faults)
    columns = heading.columns(lines[0])
    if len(columns) > MAX_COLUMNS:
        faults.add(lines[0].span, f"a test table may have at most {MAX_COLUMNS:,} columns, this has {len(columns):,}", "split the table")
        return []
    named = next((i for i, c in enumerate(columns) if c.role == "decision"), None)
    drafts = []
    for line in lines[1:]:
        word = line.cells[named].text if named is not None else ""
        reader = _LineReader(book, book.decision_by_name.get(word, decision), faults)
        before = len(faults.found)
        draft = reader.draft(columns, line)
        if len(faults.found) == before:
            drafts.append(draft)
    return drafts


class _Heading:
    """Tells a column's part from its heading."""

    def __init__(self, book: Book, decision: Decision | None, faults: Faults) -> None:
        self.book = book
        self.faults = faults
        self.whose = f"`{book.name}.{decision.name}`" if decision else f"`{book.name}`"
        self.outputs = {o.name for d in ([decision] if decision else book.decisions) for o in d.outputs}
        self.inputs = list(decision.uses.inputs if decision else book.input_by_name)

    def columns(self, line: Line) -> list[_Column]:
        columns: list[_Column] = []
        for cell in line.cells:
            found = self.column(cell.text.removeprefix("\ufeff"), cell.span)
            if found.role not in ("note", "nothing") and any(c.role == found.role and c.name == found.name for c in columns):
                self.faults.add(cell.span, f"the column `{cell.text}` stands twice", "keep one of them")
                found = _Column("nothing", cell.text, cell.span)
            columns.append(found)
        if not any(c.role == "id" for c in columns):
            self.faults.add(line.span, "there is no column `id`", "give each case an id of its own in a column `id`")
        return columns

    def column(self, text: str, span: Span) -> _Column:
        inputs = self.book.input_by_name
        if text.startswith("="):
            name = text[1:].strip()
            if name in self.outputs:
                return _Column("expect", name, span)
            self.faults.add(span, f"`{name}` is no output of {self.whose}", did_you_mean(name, self.outputs))
        elif text.startswith("given.") and text[6:] in inputs:
            # For an input whose name is one of the reserved headings.
            return _Column("given", text[6:], span)
        elif text in ROLES:
            return _Column(ROLES[text], ROLES[text], span)
        elif text in inputs:
            return _Column("given", text, span)
        else:
            message = f"`{text}` is no column: neither an input of {self.whose} nor one of {listed(_SHOWN)}"
            help_text = "an output is written `=outcome`" if text in self.outputs else did_you_mean(text, [*self.inputs, *ROLES])
            self.faults.add(span, message, help_text)
        # The cells below stay under their own headings.
        return _Column("nothing", text, span)


class _LineReader:
    def __init__(self, book: Book, decision: Decision | None, faults: Faults) -> None:
        self.book = book
        self.decision = decision
        self.faults = faults

    def draft(self, columns: Seq[_Column], line: Line) -> Draft:
        draft = Draft(span=line.span)
        for column, cell in zip(columns, line.cells, strict=True):
            if cell.text:
                self.take(draft, column, cell)
        return draft

    def take(self, draft: Draft, column: _Column, cell: Scalar) -> None:
        key = Scalar(column.name, column.span, column.span, True)
        match column.role:
            case "id" | "decision" | "as_of" | "status" | "error" | "review" | "note":
                setattr(draft, column.role, cell)
            case "rows":
                draft.rows = [] if cell.text == "-" else _split(cell)
            case "not_rows":
                draft.not_rows = _split(cell)
            case "items":
                draft.items = [entries(i, "an item", self.faults) for i in self.items(cell)]
            case "given":
                declared = self.book.input_by_name[column.name]
                draft.given.append((key, self.value(cell, is_list=declared.kind.base is Base.LIST)))
            case "expect":
                draft.expect.append((key, self.value(cell, is_list=self.gives_list(column.name))))

    def gives_list(self, output: str) -> bool:
        """Tell whether an output is a list; of the first decision that has it where the line names none."""
        decisions = [self.decision] if self.decision else self.book.decisions
        found = next((o for d in decisions if (o := d.output(output)) is not None), None)
        return found is not None and found.kind.base is Base.LIST

    def value(self, cell: Scalar, *, is_list: bool) -> Node:
        if cell.text[0] in "[{":
            # A record or a list of records is written as in YAML, between its brackets.
            return self.flow(cell) or cell
        if is_list and cell.text != "null":
            return Sequence(tuple(_split(cell)), cell.span, True)
        return cell

    def flow(self, cell: Scalar) -> Node | None:
        tree, findings = parse_yaml(Source(cell.span.file, cell.text))
        if tree is not None and not findings:
            return _moved(tree, cell.span)
        self.faults.add(cell.span, f"the value is {findings[0].message}", "close the brackets, or separate the parts of a list by `;`")
        return None

    def items(self, cell: Scalar) -> tuple[Node, ...]:
        node = self.flow(cell)
        if isinstance(node, Sequence):
            return node.items
        if node is not None:
            self.faults.add(cell.span, f"`items` is a list, this is {shape(node)}", "write `[{name: value}, ..]`; `[]` for none")
        return ()


def _split(cell: Scalar) -> list[Scalar]:
    parts: list[Scalar] = []
    offset = 0
    for piece in cell.text.split(";"):
        text = piece.strip()
        start = offset + len(piece) - len(piece.lstrip())
        span = cell.content.within(start, start + len(text))
        if text:
            parts.append(Scalar(text, span, span, True))
        offset += len(piece) + 1
    return parts


def _moved(node: Node, to: Span) -> Node:
    """Give every part of a value from within a cell the cell's place."""
    match node:
        case Scalar(text, _, _, plain):
            return Scalar(text, to, to, plain)
        case Sequence(items, _, flow):
            return Sequence(tuple(_moved(i, to) for i in items), to, flow)
        case Mapping(inner):
            return Mapping(tuple((Scalar(k.text, to, to, k.plain), _moved(v, to)) for k, v in inner), to)

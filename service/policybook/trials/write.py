"""Write test tables: YAML, CSV or a workbook, such that reading gives the same cases back."""

from __future__ import annotations

import csv
import enum
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from policybook.model.book import Book, Decision
from policybook.model.kinds import Field
from policybook.source import Source
from policybook.trials.columns import ROLES
from policybook.trials.read import decoded, read_cases, read_workbook
from policybook.trials.resolve import MAX_CASES
from policybook.trials.written import Part, WrittenCase, cell, flow, moment_text, part
from policybook.values import Value

LINE = 120


class Form(enum.Enum):
    """The form of a test table; the value is the ending of its file's name."""

    YAML = "yaml"
    CSV = "csv"
    XLSX = "xlsx"


def write_cases(cases: Sequence[WrittenCase], book: Book, decision: str, form: Form) -> bytes:
    """Write cases as the content of a test table.

    What is returned was read back and gave these cases.

    Args:
        decision: asked by all cases, or most; the file is `<book>.<decision>.<form>`. Empty: one of several, `<book>.<form>`
    Raises:
        ValueError: a case that this form, or any, cannot hold; the message says which and why
    """
    table = _Table(tuple(cases), book, book.decision_by_name[decision] if decision else None)
    if len(table.cases) > MAX_CASES:
        raise ValueError(f"a test table may hold at most {MAX_CASES:,} cases, these are {len(table.cases):,}")
    data = _WRITERS[form](table)
    _read_back(table, data, form)
    return data


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading, the part of a case that it holds, and what is declared of it (inputs and outputs)."""

    heading: str
    role: str
    name: str = ""
    declared: Field | None = None


@dataclass(frozen=True, slots=True)
class _Table:
    cases: tuple[WrittenCase, ...]
    book: Book
    decision: Decision | None

    def of(self, case: WrittenCase) -> Decision:
        try:
            return self.book.decision_by_name[case.decision]
        except KeyError:
            raise ValueError(f"case `{case.id}`: there is no decision `{case.decision}` in `{self.book.name}`") from None

    def given(self, case: WrittenCase) -> dict[str, Part]:
        return {n: self.text(v, self.book.input_by_name.get(n), case, "input", n) for n, v in case.given.items()}

    def outputs(self, case: WrittenCase, values: Mapping[str, Value]) -> dict[str, Part]:
        decision = self.of(case)
        return {n: self.text(v, decision.output(n), case, "output", n) for n, v in values.items()}

    def text(self, value: Value, declared: Field | None, case: WrittenCase, what: str, name: str) -> Part:
        if declared is None:
            raise ValueError(f"case `{case.id}`: `{name}` is no {what} of `{self.book.name}.{case.decision}`")
        return part(value, declared.kind, self.book)

    def items(self, case: WrittenCase) -> tuple[Part, ...]:
        return tuple(self.outputs(case, i) for i in case.expect_items or ())

    def common(self) -> dict[str, Part]:
        """Return the facts that all cases of one decision share: they stand once, at the top of a YAML file."""
        if self.decision is None or len(self.cases) < 2 or any(c.decision != self.decision.name for c in self.cases):
            return {}
        first, *others = (self.given(c) for c in self.cases)
        used = self.decision.uses.inputs
        return {n: v for n, v in first.items() if n in used and all(n in o and o[n] == v for o in others)}

    # In columns

    def columns(self) -> tuple[Column, ...]:
        """Return the columns that some case needs: the id first, then inputs and outputs in the order of the book."""
        cases, book = self.cases, self.book
        given = {n for c in cases for n in c.given}
        outputs: dict[str, Field] = {}
        for decision in dict.fromkeys(self.of(c) for c in cases):
            stated = {n for c in cases if c.decision == decision.name for n in c.expect}
            outputs |= {o.name: o for o in decision.outputs if o.name in stated and o.name not in outputs}
        own = self.decision.name if self.decision else None
        found = [Column("id", "id")]
        found += [Column("decision", "decision")] if any(c.decision != own for c in cases) else []
        found += [Column("as_of", "as_of")] if any(c.as_of is not None for c in cases) else []
        found += [Column(f"given.{i.name}" if i.name in ROLES else i.name, "given", i.name, i) for i in book.inputs if i.name in given]
        found += [Column(f"={o.name}", "expect", o.name, o) for o in outputs.values()]
        used = {
            "items": any(c.expect_items is not None for c in cases),
            "rows": any(c.rows is not None for c in cases),
            "not_rows": any(c.not_rows for c in cases),
            "status": any(c.status is not None for c in cases),
            "error": any(c.error is not None for c in cases),
            "review": any(c.review is not None for c in cases),
            "note": any(c.note for c in cases),
        }
        return tuple(found + [Column(role, role) for role, is_used in used.items() if is_used])

    def lines(self) -> list[list[str]]:
        """Return the lines below the heading."""
        columns = self.columns()
        return [[self.content(case, column) for column in columns] for case in self.cases]

    def content(self, case: WrittenCase, column: Column) -> str:
        match column.role:
            case "given":
                given = self.given(case)
                return cell(given[column.name]) if column.name in given else ""
            case "expect":
                expect = self.outputs(case, case.expect)
                return cell(expect[column.name]) if column.name in expect else ""
            case "as_of":
                return moment_text(case.as_of, self.book) if case.as_of is not None else ""
            case "items":
                return flow(self.items(case)) if case.expect_items is not None else ""
            case "rows":
                return "" if case.rows is None else ";".join(case.rows) or "-"
            case "not_rows":
                return ";".join(case.not_rows)
            case "status":
                return case.status.value if case.status else ""
            case "error":
                return case.error.value if case.error else ""
            case "review":
                return "" if case.review is None else case.review or "true"
            case _:
                return str(getattr(case, column.role))


def _workbook(table: _Table) -> bytes:
    # openpyxl is paid for by those who have workbooks.
    from policybook.trials.write_xlsx import workbook  # noqa: PLC0415

    return workbook(table.columns(), table.lines(), table.book, table.decision)


def _csv(table: _Table) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([c.heading for c in table.columns()])
    writer.writerows(table.lines())
    text = out.getvalue()
    # Excel reads a file without the mark as what the country had before Unicode.
    return text.encode("utf-8" if text.isascii() else "utf-8-sig")


def _yaml(table: _Table) -> bytes:
    return "".join(f"{line}\n" for line in _yaml_lines(table)).encode()


def _yaml_lines(table: _Table) -> Iterator[str]:
    cases = table.cases
    shared = cases[0].as_of if cases and all(_is_same_moment(c.as_of, cases[0].as_of) for c in cases) else None
    yield f"policy: {table.book.name}"
    if table.decision:
        yield f"decision: {table.decision.name}"
    if shared is not None:
        yield f"as_of: {moment_text(shared, table.book)}"
    if not cases:
        yield "cases: []"
        return
    common = table.common()
    yield from _group("given", common, "")
    yield "cases:"
    for case in cases:
        yield from _case_lines(table, case, common, dated=shared is None)


def case_lines(case: WrittenCase, book: Book) -> tuple[str, ...]:
    """Return a case as it stands below `cases:` of a test table of the whole book, ready to paste."""
    return tuple(_case_lines(_Table((case,), book, None), case, {}, dated=True))


def _case_lines(table: _Table, case: WrittenCase, common: Mapping[str, Part], *, dated: bool) -> Iterator[str]:
    yield f"  - id: {flow(case.id)}"
    if table.decision is None or case.decision != table.decision.name:
        yield f"    decision: {case.decision}"
    if case.as_of is not None and dated:
        yield f"    as_of: {moment_text(case.as_of, table.book)}"
    yield from _group("given", {n: v for n, v in table.given(case).items() if n not in common}, "    ")
    yield from _group("expect", table.outputs(case, case.expect), "    ")
    if case.expect_items is not None:
        yield from _listed("expect_items", table.items(case))
    if case.rows is not None:
        yield f"    rows: {flow(case.rows)}"
    if case.not_rows:
        yield f"    not_rows: {flow(case.not_rows)}"
    if case.status is not None and case.error is None:
        yield f"    expect_status: {case.status.value}"
    if case.error is not None:
        yield f"    expect_error: {case.error.value}"
    if case.review is not None:
        yield f"    review: {flow(case.review or 'true')}"
    if case.note:
        yield f"    note: {flow(case.note)}"


def _is_same_moment(a: object, b: object) -> bool:
    return type(a) is type(b) and a == b


def _group(name: str, values: Mapping[str, Part], indent: str) -> Iterator[str]:
    """Write names and values on one line where they fit, else one below the other."""
    if not values:
        return
    line = f"{indent}{name}: {flow(values)}"
    if len(line) <= LINE:
        yield line
        return
    yield f"{indent}{name}:"
    for key, value in values.items():
        yield f"{indent}  {key}: {flow(value)}"


def _listed(name: str, values: Iterable[Part]) -> Iterator[str]:
    items = tuple(values)
    line = f"    {name}: {flow(items)}"
    if len(line) <= LINE or not items:
        yield line
        return
    yield f"    {name}:"
    for item in items:
        yield f"      - {flow(item)}"


_WRITERS: dict[Form, Callable[[_Table], bytes]] = {Form.YAML: _yaml, Form.CSV: _csv, Form.XLSX: _workbook}


def _read_back(table: _Table, data: bytes, form: Form) -> None:
    book = table.book
    name = ".".join(filter(None, (book.name, table.decision.name if table.decision else "", form.value)))
    if not table.cases and form is not Form.YAML:
        # A heading alone; there is nothing to compare.
        return
    if form is Form.XLSX:
        file, report = read_workbook(data, name, {book.name: book})
    else:
        file, report = read_cases(Source(name, decoded(data)), {book.name: book})
    if not report.ok:
        raise ValueError(f"these cases cannot be written as {form.value}: {report.errors[0].span}: {report.errors[0].message}")
    read = [WrittenCase.of(c, book) for c in (file.cases if file else ())]
    for wanted, got in zip(table.cases, read, strict=True):
        if wanted != got:
            part_name = next(n for n in WrittenCase.__slots__ if getattr(wanted, n) != getattr(got, n))
            raise ValueError(f"case `{wanted.id}` cannot be written as {form.value}: its `{part_name}` would be read otherwise")

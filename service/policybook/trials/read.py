"""Read test tables: YAML and CSV to cases, all faults of a file at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path, PurePath

from policybook.cells.coerce import coerce_value
from policybook.diagnostics import Code, Finding, Report, Severity, did_you_mean
from policybook.errors import FactsError
from policybook.load.yaml import MAX_BYTES, Node, Scalar, Sequence, parse_yaml
from policybook.load.yaml import Mapping as YamlMapping
from policybook.model.book import Book, Decision
from policybook.model.facts import RAW_NULL, Raw, RawFacts, Tag
from policybook.source import NOWHERE, Source, Span
from policybook.trials.case import Case, CaseFile, ErrorKind, Expected, Stated, Status
from policybook.trials.csv_table import CsvColumn, read_csv
from policybook.values import parse_date, parse_datetime

MAX_CASES = 20_000
SUFFIXES = (".yaml", ".yml", ".csv")

_FILE_KEYS = ("policy", "decision", "as_of", "given", "cases", "note")
_CASE_KEYS = ("id", "decision", "as_of", "given", "expect", "expect_items", "rows", "not_rows", "expect_status", "expect_error", "note")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)


def read_text(path: Path) -> tuple[Source | None, Report]:
    """Read the text of a test table; what keeps it from being read is a finding."""
    name = str(path)
    at = Span(file=name, line=0, column=0, end_line=0, end_column=0)

    def fault(message: str, help_text: str) -> tuple[None, Report]:
        return None, Report.of(
            [Finding(code=Code.TEST_TABLE, severity=Severity.ERROR, message=message, span=at, help=help_text, path=name)]
        )

    try:
        if path.stat().st_size > MAX_BYTES:
            return fault(f"the file has more than the {MAX_BYTES // 1048576} MiB allowed", "split it")
        return Source(name, path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")), Report(())
    except UnicodeDecodeError as e:
        return fault(f"the file is not UTF-8 text: byte {e.start + 1} is 0x{e.object[e.start]:02X}", "save it as UTF-8 (Excel: CSV UTF-8)")
    except OSError as e:
        return fault(f"the file cannot be read: {e.strerror or e}", "")


def read_cases(source: Source, books: Mapping[str, Book], *, known_bad: Collection[str] = ()) -> tuple[CaseFile | None, Report]:
    """Read a test table.

    Args:
        source: its name ends in `.csv`, `.yaml` or `.yml`
        books: by policy name; what the cases may ask
        known_bad: policies whose books have errors; their tables are passed over, as the errors say enough
    Returns:
        the cases without faults, and every fault; no file when it could not be read at all
    """
    reader = _Reader(source, books, known_bad)
    result = reader.csv() if source.name.lower().endswith(".csv") else reader.yaml()
    return result, Report.of(reader.findings)


def case_files(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return the test tables among paths; a folder stands for the tables in it, or in its folder `tests`."""
    found: dict[Path, None] = {}
    for path in paths:
        folder = path / "tests" if (path / "tests").is_dir() else path
        inside = sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES and p.is_file()) if path.is_dir() else [path]
        found.update(dict.fromkeys(inside))
    return tuple(found)


def raw_of(node: Node) -> Raw:
    """Return a written value as a raw fact, to be read by the declared type."""
    match node:
        case Scalar(text, _, _, plain):
            return RAW_NULL if plain and text in ("null", "~", "") else Raw(Tag.LITERAL, text)
        case Sequence(items):
            return Raw(Tag.LIST, tuple(raw_of(i) for i in items))
        case YamlMapping(entries):
            return Raw(Tag.RECORD, {key.text: raw_of(value) for key, value in entries})


def raw_facts(given: Mapping[str, Stated]) -> RawFacts:
    """Return the facts of a case as a request carries them."""
    return {name: stated.raw for name, stated in given.items()}


@dataclass
class _Draft:
    """A case before names are looked up."""

    span: Span
    id: Scalar | None = None
    decision: Scalar | None = None
    as_of: Scalar | None = None
    given: list[tuple[Scalar, Node]] = field(default_factory=list)
    expect: list[tuple[Scalar, Node]] = field(default_factory=list)
    items: list[list[tuple[Scalar, Node]]] | None = None
    rows: list[Scalar] | None = None
    not_rows: list[Scalar] = field(default_factory=list)
    status: Scalar | None = None
    error: Scalar | None = None


class _Reader:
    def __init__(self, source: Source, books: Mapping[str, Book], known_bad: Collection[str]) -> None:
        self.source = source
        self.known_bad = known_bad
        self.books = books
        self.findings: list[Finding] = []
        self.defaults: list[tuple[Scalar, Node]] = []

    # -- the two forms -------------------------------------------------------------------------------------------

    def yaml(self) -> CaseFile | None:
        tree, findings = parse_yaml(self.source)
        for found in findings:
            if found.code is Code.EMPTY:
                self.fault(found.span, "the file holds no cases", "begin with `policy: <name>` and `cases:`")
            else:
                self.findings.append(found)
        if tree is None:
            return None
        top = self.mapping(tree, "a test table", _FILE_KEYS)
        if top is None:
            return None
        policy, default_decision, default_as_of = (self.scalar(top.get(k), k) for k in ("policy", "decision", "as_of"))
        given = top.get("given")
        self.defaults = list(self.entries(given, "given")) if given else []
        cases = top.get("cases")
        if policy is None and top.get("policy") is None:
            self.fault(_head(top.span), "the key `policy` is missing", "name the book: `policy: credit`")
        if cases is None:
            self.fault(_head(top.span), "the key `cases` is missing", "list the cases under `cases:`, each with `id`, `given` and `expect`")
        drafts: list[_Draft] = []
        for node in self.sequence(cases, "cases") if cases else ():
            drafts += self.yaml_case(node)
        return self.finish(policy, default_decision, default_as_of, drafts)

    def yaml_case(self, node: Node) -> Iterable[_Draft]:
        case = self.mapping(node, "a case", _CASE_KEYS)
        if case is None:
            return
        draft = _Draft(span=_head(case.span))
        for key, value in case.entries:
            match key.text:
                case "id":
                    draft.id = self.scalar(value, "id")
                case "decision":
                    draft.decision = self.scalar(value, "decision")
                case "as_of":
                    draft.as_of = self.scalar(value, "as_of")
                case "given":
                    draft.given = list(self.entries(value, "given"))
                case "expect":
                    draft.expect = list(self.entries(value, "expect"))
                case "expect_items":
                    draft.items = [list(self.entries(i, "an item")) for i in self.sequence(value, "expect_items")]
                case "rows":
                    draft.rows = self.words(value, "rows")
                case "not_rows":
                    draft.not_rows = self.words(value, "not_rows")
                case "expect_status":
                    draft.status = self.scalar(value, "expect_status")
                case "expect_error":
                    draft.error = self.scalar(value, "expect_error")
        yield draft

    def csv(self) -> CaseFile | None:
        stem = PurePath(self.source.name).name[: -len(".csv")]
        name, _, decision_name = stem.partition(".")
        policy = _word(name, _start(self.source))
        if name in self.known_bad:
            return None
        if name not in self.books:
            message = f"the file name begins with `{name}`, which is no policy"
            self.fault(policy.span, message, did_you_mean(name, self.books, "policy") + "; name the file `<book>.<decision>.csv`")
            return None
        book = self.books[name]
        default = _word(decision_name, policy.span) if decision_name else None
        decision = book.decision_by_name.get(decision_name)
        if decision_name and decision is None:
            self.fault(
                policy.span,
                f"the file name says `{decision_name}`, which is no decision of `{name}`",
                did_you_mean(decision_name, book.decision_by_name),
            )
            return None
        header, lines, findings = read_csv(self.source, _columns(book, decision))
        self.findings += findings
        drafts: list[_Draft] = []
        for span, cells in lines:
            draft = _Draft(span=span)
            for column, cell in zip(header, cells, strict=False):
                self.csv_cell(draft, column, cell, book)
            drafts.append(draft)
        return self.finish(policy, default, None, drafts)

    def csv_cell(self, draft: _Draft, column: CsvColumn, cell: Scalar, book: Book) -> None:
        if not cell.text:
            return
        key = Scalar(column.name, column.span, column.span, True)
        match column.role:
            case "id":
                draft.id = cell
            case "decision":
                draft.decision = cell
            case "as_of":
                draft.as_of = cell
            case "status":
                draft.status = cell
            case "error":
                draft.error = cell
            case "rows":
                draft.rows = [] if cell.text == "-" else _split(cell)
            case "not_rows":
                draft.not_rows = _split(cell)
            case "given":
                kind = book.input_by_name[column.name].kind.base.value if column.name in book.input_by_name else ""
                draft.given.append((key, self.csv_value(cell, kind == "list")))
            case "expect":
                draft.expect.append((key, self.csv_value(cell, column.is_list)))

    def csv_value(self, cell: Scalar, is_list: bool) -> Node:
        if cell.text[0] in "[{":
            # A record or a list of records is written as in YAML, between its brackets.
            tree, findings = parse_yaml(Source(self.source.name, cell.text))
            if tree is not None:
                return _moved(tree, cell.span)
            self.fault(cell.span, f"the value is {findings[0].message}", "close the brackets, or separate the parts of a list by `;`")
            return cell
        if is_list:
            return Sequence(tuple(_split(cell)), cell.span, True)
        return cell

    # -- names ---------------------------------------------------------------------------------------------------

    def finish(self, policy: Scalar | None, decision: Scalar | None, as_of: Scalar | None, drafts: list[_Draft]) -> CaseFile | None:
        if policy is None:
            return None
        if policy.text in self.known_bad:
            return None
        book = self.books.get(policy.text)
        if book is None:
            self.fault(policy.span, f"there is no policy `{policy.text}`", did_you_mean(policy.text, self.books, "policy"))
            return None
        if len(drafts) > MAX_CASES:
            self.fault(
                drafts[MAX_CASES].span, f"a test table may hold at most {MAX_CASES:,} cases, this has {len(drafts):,}", "split the file"
            )
            return None
        for key, _ in self.defaults:
            if key.text not in book.input_by_name:
                self.fault(key.span, f"`{key.text}` is no input of `{book.name}`", did_you_mean(key.text, book.input_by_name))
        if decision is not None and drafts and decision.text not in book.decision_by_name:
            self.fault(
                decision.span,
                f"there is no decision `{decision.text}` in `{book.name}`",
                did_you_mean(decision.text, book.decision_by_name),
            )
            decision = None
            drafts = [d for d in drafts if d.decision]
        cases: list[Case] = []
        seen: dict[str, Span] = {}
        for draft in drafts:
            before = len(self.findings)
            case = self.case(draft, book, decision, as_of)
            if draft.id is not None and draft.id.text:
                first = seen.setdefault(draft.id.text, draft.id.span)
                if first is not draft.id.span:
                    self.fault(
                        draft.id.span,
                        f"the case id `{draft.id.text}` stands twice; first on line {first.line}",
                        "give each case an id of its own",
                    )
            if case is not None and len(self.findings) == before:
                cases.append(case)
        return CaseFile(file=self.source.name, policy=book.name, cases=tuple(cases))

    def case(self, draft: _Draft, book: Book, default_decision: Scalar | None, default_as_of: Scalar | None) -> Case | None:
        if draft.id is None or not draft.id.text:
            self.fault(draft.span, "a case has no `id`", "give it a short name that says what it shows: `id: exactly-one-third`")
        name = draft.decision or default_decision
        if name is None:
            self.fault(draft.span, "a case names no `decision`", f"allowed: {_listed(book.decision_by_name)}")
            return None
        decision = book.decision_by_name.get(name.text)
        if decision is None:
            self.fault(name.span, f"there is no decision `{name.text}` in `{book.name}`", did_you_mean(name.text, book.decision_by_name))
            return None
        status, error = self.outcome(draft)
        as_of = self.moment(draft.as_of or default_as_of, book)
        given, places = self.given(draft, decision, book, any_name=error is ErrorKind.FACTS)
        expect = self.expected(draft.expect, decision, book)
        items = None if draft.items is None else tuple(self.expected(i, decision, book) for i in draft.items)
        self.contradictions(draft, decision, status)
        own = [r.id for r in decision.all_rows]
        chain = [*own, *(r.id for n in decision.uses.decisions for r in book.decision_by_name[n].all_rows)]
        return Case(
            id=draft.id.text if draft.id else "",
            policy=book.name,
            decision=decision.name,
            as_of=as_of,
            given=given,
            expect=expect,
            expect_items=items,
            rows=None if draft.rows is None else self.row_ids(draft.rows, own, f"`{decision.name}`"),
            not_rows=self.row_ids(draft.not_rows, chain, f"`{decision.name}` or the decisions it requires"),
            status=status,
            error=error,
            span=draft.id.span if draft.id else draft.span,
            places=places,
        )

    def outcome(self, draft: _Draft) -> tuple[Status | None, ErrorKind | None]:
        status = error = None
        if draft.status is not None:
            status = next((s for s in Status if s.value == draft.status.text), None)
            if status is None:
                self.fault(
                    draft.status.span, f"`{draft.status.text}` is no status", did_you_mean(draft.status.text, [s.value for s in Status])
                )
        if draft.error is not None:
            error = next((e for e in ErrorKind if e.value == draft.error.text.upper()), None)
            if error is None:
                self.fault(
                    draft.error.span,
                    f"`{draft.error.text}` is no kind of error",
                    did_you_mean(draft.error.text.upper(), [e.value for e in ErrorKind]),
                )
            elif status not in (None, Status.ERROR):
                self.fault(
                    draft.error.span,
                    f"an error is expected, but the status is `{draft.status.text if draft.status else ''}`",
                    "write `expect_status: error`",
                )
            else:
                status = Status.ERROR
        return status, error

    def moment(self, at: Scalar | None, book: Book) -> date | datetime | None:
        if at is None:
            return None
        try:
            return parse_date(at.text) if _DAY.match(at.text) else parse_datetime(at.text, book.zone)
        except ValueError as e:
            self.fault(at.span, str(e), "write a day, `2026-03-01`, or an instant, `2026-03-01T16:00:00+08:00`")
            return None

    def given(self, draft: _Draft, decision: Decision, book: Book, *, any_name: bool) -> tuple[dict[str, Stated], dict[str, Span]]:
        given: dict[str, Stated] = {}
        places: dict[str, Span] = {}
        # A default of the file counts only for the decisions that use it.
        entries = [(k, v) for k, v in self.defaults if k.text in decision.uses.inputs] + draft.given
        for key, node in entries:
            if not any_name and key.text not in book.input_by_name:
                self.fault(
                    key.span,
                    f"`{key.text}` is no input of `{book.name}`",
                    did_you_mean(key.text, decision.uses.inputs or book.input_by_name),
                )
                continue
            given[key.text] = self.stated(node)
            for path in [p for p in places if p == f"facts.{key.text}" or p.startswith((f"facts.{key.text}.", f"facts.{key.text}["))]:
                del places[path]
            _mark(places, f"facts.{key.text}", node)
        return given, places

    def expected(self, entries: list[tuple[Scalar, Node]], decision: Decision, book: Book) -> dict[str, Expected]:
        expected: dict[str, Expected] = {}
        for key, node in entries:
            output = decision.output(key.text)
            if output is None:
                self.fault(
                    key.span, f"`{key.text}` is no output of `{decision.name}`", did_you_mean(key.text, [o.name for o in decision.outputs])
                )
                continue
            # Null is what an output has when nothing gave it; any output may be expected so.
            lenient = replace(output, optional=True, minimum=None, maximum=None)
            places: dict[str, Span] = {}
            _mark(places, "expect", node)
            try:
                value = coerce_value(raw_of(node), lenient, book, "expect")
            except FactsError as e:
                for f in e.report:
                    self.fault(places.get(f.path, node.span), f"expected {f.message}", f.help)
            else:
                expected[key.text] = Expected(output, value, node.span)
        return expected

    def contradictions(self, draft: _Draft, decision: Decision, status: Status | None) -> None:
        says_nothing = not (
            draft.expect or draft.items is not None or draft.rows is not None or draft.not_rows or draft.status or draft.error
        )
        if says_nothing:
            self.fault(
                draft.id.span if draft.id else draft.span,
                "the case expects nothing",
                "add `expect:`, `expect_items:`, `rows:` or `expect_status:`",
            )
        if status in (Status.NO_MATCH, Status.ERROR) and draft.expect:
            self.fault(draft.expect[0][0].span, f"outputs are expected, but the status is `{status.value}`", "leave out one of the two")
        if status is Status.NO_MATCH and decision.hit_policy.multi:
            at = draft.status.span if draft.status else draft.span
            message = f"`{decision.name}` has hit policy {decision.hit_policy.value}, where no matching row is an answer without items"
            self.fault(at, message, "write `expect_items: []`")
        if draft.items is not None and not (decision.hit_policy.multi or decision.for_each):
            policy = decision.hit_policy.value
            self.fault(
                draft.id.span if draft.id else draft.span,
                f"`expect_items` needs several items, but `{decision.name}` has hit policy {policy}",
                "use `expect`",
            )

    def row_ids(self, words: list[Scalar], known: list[str], where: str) -> tuple[str, ...]:
        for word in words:
            if word.text not in known:
                self.fault(word.span, f"there is no row `{word.text}` in {where}", did_you_mean(word.text, known))
        return tuple(w.text for w in words)

    def stated(self, node: Node) -> Stated:
        text = node.text if isinstance(node, Scalar) else " ".join(self.source.slice(node.span).split())
        return Stated(raw_of(node), text, node.span)

    # -- shapes --------------------------------------------------------------------------------------------------

    def fault(self, span: Span, message: str, help_text: str = "") -> None:
        self.findings.append(Finding(code=Code.TEST_TABLE, severity=Severity.ERROR, message=message, span=span, help=help_text))

    def mapping(self, node: Node, what: str, keys: tuple[str, ...]) -> YamlMapping | None:
        if not isinstance(node, YamlMapping):
            self.fault(_head(node.span), f"{what} is written as keys and values, this is {_shape(node)}", f"allowed keys: {_listed(keys)}")
            return None
        for key, _ in node.entries:
            if key.text not in keys:
                self.fault(key.span, f"unknown key `{key.text}` in {what}", did_you_mean(key.text, keys))
        return node

    def entries(self, node: Node, what: str) -> Iterable[tuple[Scalar, Node]]:
        if isinstance(node, YamlMapping):
            return node.entries
        if not (isinstance(node, Scalar) and node.plain and node.text in ("", "null")):
            self.fault(
                node.span,
                f"{what} is written as names and values, this is {_shape(node)}",
                f"write `{what.rsplit(maxsplit=1)[-1]}: {{name: value}}`",
            )
        return ()

    def sequence(self, node: Node, what: str) -> Iterable[Node]:
        if isinstance(node, Sequence):
            return node.items
        self.fault(
            _head(node.span), f"`{what}` is a list, this is {_shape(node)}", f"write `{what}: [..]`, or one line each beginning with `- `"
        )
        return ()

    def words(self, node: Node, what: str) -> list[Scalar]:
        return [word for item in self.sequence(node, what) if (word := self.scalar(item, what)) is not None]

    def scalar(self, node: Node | None, what: str) -> Scalar | None:
        if node is None or isinstance(node, Scalar):
            return node
        self.fault(_head(node.span), f"`{what}` is one word or value, this is {_shape(node)}")
        return None


def _columns(book: Book, decision: Decision | None) -> Callable[[str, Span], CsvColumn | Finding]:
    """Return what tells a column's part from its heading."""
    decisions = [decision] if decision else list(book.decisions)
    outputs = {o.name: o for d in decisions for o in d.outputs}
    inputs = list(decision.uses.inputs if decision else book.input_by_name)
    roles = {
        "id": "id",
        "decision": "decision",
        "as_of": "as_of",
        "rows": "rows",
        "not_rows": "not_rows",
        "status": "status",
        "expect_status": "status",
        "error": "error",
        "expect_error": "error",
        "note": "note",
    }

    def column(text: str, span: Span) -> CsvColumn | Finding:
        if text.startswith("="):
            name = text[1:].strip()
            if name in outputs:
                return CsvColumn("expect", name, span, outputs[name].kind.base.value == "list")
            message, help_text = f"`{name}` is no output of {_whose(book, decision)}", did_you_mean(name, outputs)
        elif text.startswith("given.") and text[6:] in book.input_by_name:
            # For an input whose name is one of the reserved headings.
            return CsvColumn("given", text[6:], span)
        elif text in roles:
            return CsvColumn(roles[text], text, span)
        elif text in book.input_by_name:
            return CsvColumn("given", text, span)
        else:
            message = f"`{text}` is no column: neither an input of {_whose(book, decision)} nor one of {_listed(['id', 'decision', 'as_of', 'rows', 'not_rows', 'status', 'error', 'note'])}"
            help_text = "an output is written `=outcome`" if text in outputs else did_you_mean(text, [*inputs, *roles])
        return Finding(code=Code.TEST_TABLE, severity=Severity.ERROR, message=message, span=span, help=help_text)

    return column


def _whose(book: Book, decision: Decision | None) -> str:
    return f"`{book.name}.{decision.name}`" if decision else f"`{book.name}`"


def _mark(places: dict[str, Span], path: str, node: Node) -> None:
    places[path] = node.span
    if isinstance(node, Sequence):
        for i, item in enumerate(node.items):
            _mark(places, f"{path}[{i}]", item)
    elif isinstance(node, YamlMapping):
        for key, value in node.entries:
            _mark(places, f"{path}.{key.text}", value)


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
    """Give every part of a value from within a CSV cell the cell's place."""
    match node:
        case Scalar(text, _, _, plain):
            return Scalar(text, to, to, plain)
        case Sequence(items, _, flow):
            return Sequence(tuple(_moved(i, to) for i in items), to, flow)
        case YamlMapping(entries):
            return YamlMapping(tuple((Scalar(k.text, to, to, k.plain), _moved(v, to)) for k, v in entries), to)


def _word(text: str, span: Span) -> Scalar:
    return Scalar(text, span, span, True)


def _shape(node: Node) -> str:
    match node:
        case Scalar(text):
            return f"`{text[:60]}`" if text else "nothing"
        case Sequence():
            return "a list"
        case YamlMapping():
            return "a group of keys"


def _head(span: Span) -> Span:
    """Narrow a span of several lines to where it begins."""
    if span.line == span.end_line:
        return span
    return Span(file=span.file, line=span.line, column=span.column, end_line=span.line, end_column=span.column + 1)


def _start(source: Source) -> Span:
    return Span(file=source.name, line=1, column=1, end_line=1, end_column=2) if source.text else NOWHERE


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{n}`" for n in names)

"""YAML text to a tree of located nodes.

Read from parser events, never through a loader: scalars stay text with their place (no `NO` that is false, no `010` that is
8), equal keys are refused, and anchors, aliases and tags are refused before they can multiply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from policybook.diagnostics import Code, Finding, Severity, wide_help
from policybook.source import Source, Span

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 24
# A table of 100,000 rows has 1.7 million; each takes about 250 bytes while a book is read.
MAX_NODES = 2_000_000

_SHARED = 24

# libyaml begins a new line at each of these, and nobody who reads the text sees one.
_ODD_BREAK = re.compile("[\x85\u2028\u2029]")

# libyaml itself: PyYAML's parser in Python refuses some plain texts that YAML allows (`{en: May it?, zh: ..}`).
LOADER = yaml.CSafeLoader


@dataclass(frozen=True, slots=True)
class Scalar:
    """A word or sentence; `plain` when it stands without quotes; `content` covers the text inside the quotes."""

    text: str
    span: Span
    content: Span
    plain: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    span: Span
    flow: bool


@dataclass(frozen=True, slots=True)
class Mapping:
    entries: tuple[tuple[Scalar, Node], ...]
    span: Span

    def get(self, key: str) -> Node | None:
        return next((v for k, v in self.entries if k.text == key), None)


Node: TypeAlias = Scalar | Sequence | Mapping


class _RefusedError(Exception):
    def __init__(self, finding: Finding) -> None:
        self.finding = finding


def parse_yaml(source: Source) -> tuple[Node | None, tuple[Finding, ...]]:
    """Read one document.

    Returns:
        the tree and findings; no tree when the text is not YAML, empty, or uses what is refused
    """
    size = len(source.text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        message = f"the text has {size / 1048576:.1f} MiB; a book may have at most {MAX_BYTES // 1048576} MiB"
        return None, (_finding(Code.TOO_LARGE, message, _start(source), "split the book by domain"),)
    odd = _ODD_BREAK.search(source.text)
    if odd:
        return None, (_odd_break(source, odd.start()),)
    builder = _Builder(source)
    try:
        tree = builder.read(yaml.parse(source.text, Loader=LOADER))
    except _RefusedError as e:
        return None, (*builder.findings, e.finding)
    except yaml.MarkedYAMLError as e:
        return None, (*builder.findings, _syntax(source, e))
    except yaml.YAMLError as e:
        return None, (*builder.findings, _unreadable(source, e))
    except UnicodeEncodeError as e:
        return None, (_finding(Code.NOT_TEXT, f"the text holds a lone surrogate at character {e.start + 1}", _start(source)),)
    if tree is None:
        return None, (_finding(Code.EMPTY, "the file holds no book", _start(source), "begin with `policy: <name>`"),)
    return tree, tuple(builder.findings)


class _Builder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.findings: list[Finding] = []
        self.words: dict[str, str] = {}
        self.count = 0

    def read(self, events: Iterator[Any]) -> Node | None:
        tree: Node | None = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _RefusedError(_finding(Code.YAML_FEATURE, "a file holds one book", self.span(event), "remove the `---`"))
            elif isinstance(event, yaml.NodeEvent):
                tree = self.node(event, events, 0)
        if isinstance(tree, Scalar) and not tree.text and tree.plain:
            return None
        return tree

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        self.count += 1
        if self.count > MAX_NODES:
            raise _RefusedError(_finding(Code.TOO_LARGE, f"the text has more than {MAX_NODES:,} parts", self.span(event)))
        if depth > MAX_DEPTH:
            raise _RefusedError(_finding(Code.TOO_LARGE, f"the text is nested more than {MAX_DEPTH} deep", self.span(event)))
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            message = f"`{sign}{event.anchor}`: anchors and aliases are not used in books"
            raise _RefusedError(
                _finding(
                    Code.YAML_FEATURE, message, self.span(event), "write the text out, or name it under `types`, `parameters` or `values`"
                )
            )
        if event.tag and not (isinstance(event, yaml.ScalarEvent) and event.tag == "!"):
            raise _RefusedError(
                _finding(
                    Code.YAML_FEATURE, f"`{event.tag}`: tags are not used in books", self.span(event), "quote a text that begins with `!`"
                )
            )
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            for inner in events:
                if isinstance(inner, yaml.SequenceEndEvent):
                    return Sequence(tuple(items), self.span(event, inner), bool(event.flow_style))
                items.append(self.node(inner, events, depth + 1))
        return self.mapping(event, events, depth)

    def mapping(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        entries: dict[str, tuple[Scalar, Node]] = {}
        for inner in events:
            if isinstance(inner, yaml.MappingEndEvent):
                return Mapping(tuple(entries.values()), self.span(event, inner))
            key = self.node(inner, events, depth + 1)
            value = self.node(next(events), events, depth + 1)
            if not isinstance(key, Scalar):
                self.findings.append(_finding(Code.WRONG_SHAPE, "a key must be a word", key.span))
            elif key.text in entries:
                first = entries[key.text][0].span
                message = f"the key `{key.text}` stands twice; first on line {first.line}"
                self.findings.append(_finding(Code.DUPLICATE_KEY, message, key.span, "keep one of them"))
            else:
                entries[key.text] = (key, value)
        raise AssertionError("the parser closes every mapping")

    def scalar(self, event: Any) -> Scalar:
        span = self.span(event)
        plain = not event.style
        content = span
        if event.style in ("'", '"') and span.line == span.end_line:
            content = Span(
                file=span.file,
                line=span.line,
                column=span.column + 1,
                end_line=span.line,
                end_column=max(span.column + 1, span.end_column - 1),
            )
        text = event.value
        # Keys and names come again on every row: one text stands for all.
        return Scalar(self.words.setdefault(text, text) if len(text) < _SHARED else text, span, content, plain)

    def span(self, event: Any, last: Any = None) -> Span:
        a, b = event.start_mark, (last or event).end_mark
        # One number where it is one line: a large book has a million of them.
        line = a.line + 1
        end_line = line if b.line == a.line else b.line + 1
        return Span(file=self.source.name, line=line, column=a.column + 1, end_line=end_line, end_column=b.column + 1)


def _finding(code: Code, message: str, span: Span, help_text: str = "") -> Finding:
    return Finding(code=code, severity=Severity.ERROR, message=message, span=span, help=help_text)


def _start(source: Source) -> Span:
    return Span(file=source.name, line=1, column=1, end_line=1, end_column=1 if source.text.startswith("\n") or not source.text else 2)


def _syntax(source: Source, error: yaml.MarkedYAMLError) -> Finding:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return _finding(Code.YAML_SYNTAX, str(error.problem or error), _start(source))
    text = source.lines[mark.line] if mark.line < len(source.lines) else ""
    problem = (error.problem or "this is not YAML").replace("found character that", "a character that")
    line, column, help_text = (
        _slip(source, mark.line, mark.column)
        or _open_quote(source, error, mark.line)
        or (mark.line, mark.column, _indented(source, mark.line, mark.column, problem) or _syntax_help(text, mark.column))
    )
    span = Span(file=source.name, line=line + 1, column=column + 1, end_line=line + 1, end_column=column + 2)
    return _finding(Code.YAML_SYNTAX, f"not YAML: {problem}", span, help_text)


_NAME = r"[A-Za-z_][\w.-]*"
_SLIPS = (
    # A colon, comma, brace or quote of a Chinese keyboard where YAML wants its own; the last group is the character.
    re.compile(rf"^ *(?:- )?(?:{_NAME})?([\u3000\u00a0])"),
    re.compile(r"^ *([－–—])\s"),
    re.compile(rf"(?:^|[{{,，｛]) *(?:- )?{_NAME} ?(：)"),
    re.compile(rf"{_NAME}: *([｛［“‘])"),
    re.compile(rf"[\w\"'}}\]%](，) *{_NAME}:(?: |$)", re.ASCII),
    re.compile(r"([｝］]) *(?:#.*)?$"),
)
_NO_BLANK = re.compile(rf"^ *(?:(?:- )?{_NAME}(?=(:)[^\s:/])|(?=(-){_NAME}:))")
# LIMIT: characters of a line that are looked at; the patterns take time by the square of it.
_LOOKED_AT = 500
_MERGE_MARK = re.compile(r"(?:<<<<<<< |=======$|>>>>>>> )")


def _slip(source: Source, line: int, column: int) -> tuple[int, int, str] | None:
    """Find the character that was meant otherwise: on the line where YAML gave up, or a little above. Lines and columns from 0."""
    for at in range(line, max(-1, line - 3), -1):
        text = source.lines[at][:_LOOKED_AT] if at < len(source.lines) else ""
        if _MERGE_MARK.match(text):
            return (
                at,
                0,
                "git could not merge two versions: keep what is right of both, and remove the lines `<<<<<<<`, `=======`, `>>>>>>>`",
            )
        indent = text[: len(text) - len(text.lstrip(" \t"))]
        if "\t" in indent or (text[column : column + 1] == "\t" and at == line):
            return at, text.index("\t"), "indent with spaces; a tab is not allowed"
        found = min((m for m in (s.search(text) for s in _SLIPS) if m), key=lambda m: m.start(1), default=None)
        # Above, where YAML had no objection to it, such a quote belongs to a sentence.
        if found and (at == line or found.group(1) not in "“‘"):
            return at, found.start(1), wide_help(found.group(1))
        missing = _NO_BLANK.match(text)
        if missing:
            sign = missing.lastindex or 0
            return at, missing.start(sign), f"write a blank after `{missing.group(sign)}`"
    return None


def _open_quote(source: Source, error: yaml.MarkedYAMLError, line: int) -> tuple[int, int, str] | None:
    """Find the quote whose end was forgotten, so that the next one on a later line closed it."""
    start: Any = None
    if "quoted scalar" in (error.context or ""):
        start = error.context_mark
    else:
        try:
            for event in yaml.parse(source.text, Loader=LOADER):
                quoted: Any = event if isinstance(event, yaml.ScalarEvent) and event.style in ("'", '"') else None
                if quoted and quoted.start_mark.line < quoted.end_mark.line == line:
                    start = quoted.start_mark
        except yaml.YAMLError:
            pass
    if start is None or start.line == line:
        return None
    until = f"on line {line + 1} only" if line < len(source.lines) - 1 else "nowhere"
    return start.line, start.column, f"this quote is closed {until}; close it where the text ends"


def _indented(source: Source, line: int, column: int, problem: str) -> str:
    """Say how far a line is indented whose block YAML did not find."""
    text = source.lines[line] if line < len(source.lines) else ""
    here = len(text) - len(text.lstrip(" "))
    if here != column and "mapping values" not in problem:
        return ""
    before = next((t for t in reversed(source.lines[:line]) if t.strip() and not t.lstrip().startswith("#")), "")
    there = len(before) - len(before.lstrip(" "))
    if here == there or not before:
        return ""
    return f"this line is indented by {here}, the one before by {there}; keys that belong together begin in the same column"


def _syntax_help(line: str, column: int) -> str:
    here = line[column : column + 1]
    if here and here in "@`%>|!&*":
        return f'a test or text that begins with `{here}` needs quotes: "{line[column:].strip()[:40].rstrip("},")}"'
    stripped = line.strip()
    if "[" in stripped and ")" in stripped:
        return 'a half-open interval needs quotes: "[5..10)"'
    if stripped.count('"') >= 4 or (': "' in stripped and '",' in stripped):
        return 'a list of texts needs single quotes around it: \'"A", "B"\', or a YAML list: [A, B]'
    if ": >" in stripped:
        return 'a test that begins with `>` needs quotes: ">= 5"'
    return "check the indentation, the brackets and the quotes on this line and the one before"


def _unreadable(source: Source, error: yaml.YAMLError) -> Finding:
    position = getattr(error, "position", None)
    character = getattr(error, "character", None)
    span = _at(source, position) if isinstance(position, int) else _start(source)
    code = f" (U+{ord(character) if isinstance(character, str) else character:04X})" if character else ""
    return _finding(Code.NOT_TEXT, f"a control character{code} stands in the text", span, "remove it; YAML holds printable text only")


def _odd_break(source: Source, position: int) -> Finding:
    code = f"U+{ord(source.text[position]):04X}"
    message = f"a line break that cannot be seen ({code}) stands in the text"
    return _finding(
        Code.NOT_TEXT, message, _at(source, position), "remove it, or end the line there; it comes along when text is copied from documents"
    )


def _at(source: Source, position: int) -> Span:
    """Return the place of one character."""
    before = Source(source.name, source.text[:position]).lines
    line, column = len(before), len(before[-1]) + 1
    return Span(file=source.name, line=line, column=column, end_line=line, end_column=column + 1)

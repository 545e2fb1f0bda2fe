"""A YAML text as its author laid it out: entries with their comments, blank lines, styles and the very words.

The parser's events say where every key and value begins and ends. What lies between two of them can only be blanks, line ends,
punctuation and comments; so whatever follows a `#` there is a comment, and none can be overlooked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

import yaml

from policybook.diagnostics import Code, Finding, Severity
from policybook.load.yaml import LOADER
from policybook.source import Source, Span

_LONGEST_KEY = 1000  # LIMIT: YAML itself allows 1024 characters before the colon
_HEADER = re.compile(r"(?P<signs>.*?)[ \t]*(?P<comment>#.*)?\Z")
_DIGIT = re.compile(r"[1-9]")


# The parts are filled while the text is read: a comment is known to close a block only when the next key has been seen.


@dataclass(slots=True)
class Leaf:
    """A scalar as it is written.

    `lines` come without their indentation; those of a block scalar (`header` is then such as `>-`) without the common one alone.
    """

    lines: list[str]
    header: str = ""
    head: str = ""

    @property
    def empty(self) -> bool:
        return not self.header and self.lines == [""]

    @property
    def keeps(self) -> bool:
        """Tell whether the blank lines that follow belong to the text (`|+`)."""
        return "+" in self.header


@dataclass(slots=True)
class Group:
    """A mapping or a list.

    Attributes:
        column: of its first key or dash, in the text that was read; -1 in flow style
        braces: False for a pair that stands alone in a list, `[a: b]`
        opened: flow style, and a line ends behind the opening bracket
        broken: flow style over several lines
        head: the comment on the line where it opens
        tail: comments, and "" for blank lines, between its last entry and its end
    """

    sequence: bool
    flow: bool
    column: int = -1
    braces: bool = True
    opened: bool = False
    broken: bool = False
    head: str = ""
    entries: list[Entry] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Entry:
    """A key with its value, or an item of a list.

    Attributes:
        key: as it is written, with its quotes; "" for an item
        name: the key as it is read
        before: the comments above, and "" for blank lines
        after: the comment at the end of its last line
        gap: blanks between the colon and a value on the same line
        colon: False for a word alone in braces, `{a, b}`
    """

    value: Value
    key: str = ""
    name: str = ""
    before: list[str] = field(default_factory=list)
    after: str = ""
    gap: int = 1
    colon: bool = True


Value: TypeAlias = Leaf | Group


@dataclass(frozen=True, slots=True)
class Layout:
    """A whole text: its one value, the comments below it, and all comments that were seen."""

    root: Entry
    tail: tuple[str, ...]
    comments: tuple[str, ...]


class UnformattableError(Exception):
    """The text is sound and holds something that the formatter does not lay out."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding.message)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of what lies between two values: `side` and `own` are comments, behind something and on a line of their own."""

    kind: str
    text: str = ""
    column: int = 0


def read_layout(source: Source) -> Layout:
    """Read a text in which `parse_yaml` finds no fault; its lines end with LF.

    Raises:
        UnformattableError: it uses what the formatter does not lay out
    """
    return _Builder(source).read()


class _Builder:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.at = 0  # everything before has been read
        self.comments: list[str] = []
        self.events: Iterator[Any] = iter(yaml.parse(self.text, Loader=LOADER))

    def read(self) -> Layout:
        event = next(self.events)
        while not isinstance(event, yaml.NodeEvent):
            event = next(self.events)
        if re.search(r"^%", self.text[: _start(event)], re.MULTILINE):
            self.refuse(event, "a directive (`%`) stands above the text, which is not formatted", "take it out")
        pieces = self.between(event)
        root = Entry(Leaf([""]))
        root.value = self.node(root, event, "", _lines(pieces))
        tail = self.share(root, self.between_here_and(len(self.text)), -1)
        return Layout(root, tuple(tail), tuple(self.comments))

    def refuse(self, event: Any, message: str, help_text: str) -> NoReturn:
        a, b = event.start_mark, event.end_mark
        span = Span(file=self.source.name, line=a.line + 1, column=a.column + 1, end_line=b.line + 1, end_column=b.column + 1)
        raise UnformattableError(_finding(Code.YAML_FEATURE, message, span, help_text))

    # What lies between

    def between(self, event: Any) -> list[_Piece]:
        return self.between_here_and(_start(event))

    def between_here_and(self, end: int) -> list[_Piece]:
        pieces: list[_Piece] = []
        text, at = self.text, self.at
        clean = at == 0 or text[at - 1] == "\n"  # nothing but blanks on this line so far
        while at < end:
            c = text[at]
            if c == "\n":
                if clean:
                    pieces.append(_Piece("blank"))
                clean = True
            elif c == "#":
                stop = text.find("\n", at)
                stop = len(text) if stop < 0 else stop
                comment = text[at:stop].rstrip()
                self.comments.append(comment)
                pieces.append(_Piece("own" if clean else "side", comment, at - text.rfind("\n", 0, at) - 1))
                clean, at = False, stop
                continue
            elif c not in " \t\ufeff":
                pieces.append(_Piece("mark", c))
                clean = False
            at += 1
        self.at = max(self.at, end)
        return pieces

    @staticmethod
    def share(last: Entry, pieces: list[_Piece], floor: int) -> list[str]:
        """Give the comments behind an entry to whom they belong: at its side, to the blocks that ended with it, or to what follows.

        Args:
            last: the entry
            floor: the column of what follows; a comment farther to the right, and not left of a block, is that block's

        Returns:
            the lines above what follows
        """
        blocks: list[Group] = []
        while isinstance(last.value, Group) and not last.value.flow:
            blocks.append(last.value)
            last = last.value.entries[-1]
        if pieces and pieces[0].kind == "side":
            _put_behind(last, pieces[0].text)
            pieces = pieces[1:]
        before: list[str] = []
        blank = False
        for piece in pieces:
            if piece.kind == "blank":
                blank = True
            elif piece.kind != "mark":
                while blocks and not (piece.kind == "own" and floor < blocks[-1].column <= piece.column):
                    blocks.pop()
                lines = blocks[-1].tail if blocks else before
                lines += ["", piece.text] if blank else [piece.text]
                blank = False
        return [*before, ""] if blank else before

    # Values

    def node(self, entry: Entry, event: Any, head: str, lead: list[str]) -> Value:
        """Read a value.

        Args:
            head: the comment behind its key or dash
            lead: the lines between them and the value
        """
        if isinstance(event, yaml.ScalarEvent):
            leaf = self.block_scalar(event) if event.style in ("|", ">") else self.scalar(event)
            entry.before += filter(None, lead)
            if head and not leaf.header:
                entry.after = head
            elif head:
                entry.before.append(head)
            return leaf
        sequence = isinstance(event, yaml.SequenceStartEvent)
        if event.flow_style:
            entry.before += filter(None, (head, *lead))
            return self.flow(event, sequence=sequence)
        group = Group(sequence=sequence, flow=False, column=_column(event), head=head)
        fill = self.block_list if sequence else self.block_mapping
        fill(group, lead)
        return group

    def block_mapping(self, group: Group, lead: list[str]) -> None:
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                return
            pieces = self.between(event)
            before = self.share(group.entries[-1], pieces, group.column) if group.entries else lead + _lines(pieces)
            self.pair(group, event, before)

    def block_list(self, group: Group, lead: list[str]) -> None:
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                return
            pieces = self.between(event)
            dash = next(i for i, p in enumerate(pieces) if p.kind == "mark")
            before = self.share(group.entries[-1], pieces[:dash], group.column) if group.entries else lead + _lines(pieces[:dash])
            entry = Entry(Leaf([""]), before=before)
            group.entries.append(entry)
            entry.value = self.node(entry, event, *_head_and_lead(pieces[dash + 1 :]))

    def pair(self, group: Group, event: Any, before: list[str]) -> None:
        """Read a key and its value."""
        start, end = _start(event), _end(event)
        key = self.text[start:end]
        if not key or "\n" in key or len(key) > _LONGEST_KEY:
            what = "an empty key" if not key else "a key over several lines" if "\n" in key else "a very long key"
            self.refuse(event, f"{what} is not formatted", "write a key on one line")
        self.at = end
        entry = Entry(Leaf([""]), key=key, name=event.value, before=before)
        group.entries.append(entry)
        event = next(self.events)
        between = self.text[end : _start(event)]
        if _is_nothing(event) and ":" not in re.sub("#.*", "", between):
            entry.colon = False  # the parser puts the missing value where it noticed, perhaps behind comments of the next key
            return
        if "\n" not in between and ":" in between:
            entry.gap = len(between) - between.index(":") - 1
        entry.value = self.node(entry, event, *_head_and_lead(self.between(event)))

    def flow(self, event: Any, *, sequence: bool) -> Group:
        start, opened = _start(event), _end(event)
        group = Group(sequence=sequence, flow=True, braces=opened > start)
        self.at = max(self.at, opened)
        for inner in self.events:
            if isinstance(inner, yaml.SequenceEndEvent | yaml.MappingEndEvent):
                if group.braces:
                    group.tail = self.share_flow(group, self.between(inner))
                    self.at = _end(inner)
                    group.broken = "\n" in self.text[start : self.at]
                break
            if not group.entries and group.braces:
                group.opened = "\n" in self.text[opened : _start(inner)]
            before = self.share_flow(group, self.between(inner))
            if sequence:
                entry = Entry(Leaf([""]), before=before)
                group.entries.append(entry)
                entry.value = self.node(entry, inner, "", [])
            else:
                self.pair(group, inner, before)
        return group

    @staticmethod
    def share_flow(group: Group, pieces: list[_Piece]) -> list[str]:
        """Give comments between brackets to the item that they stand behind; return those on lines of their own."""
        before: list[str] = []
        for piece in pieces:
            if piece.kind == "side" and not before and not group.entries and not group.head:
                group.head = piece.text
            elif piece.kind == "side" and not before and group.entries:
                _put_behind(group.entries[-1], piece.text)
            elif piece.kind in ("side", "own"):
                before.append(piece.text)
        return before

    def scalar(self, event: Any) -> Leaf:
        start, end = _start(event), _end(event)
        self.at = max(self.at, end)
        first, *more = self.text[start:end].split("\n")
        if not more:
            return Leaf([first])
        trim = _trim_double if event.style == '"' else str.rstrip
        lines = [trim(first), *(trim(line.lstrip(" \t")) for line in more[:-1]), more[-1].lstrip(" \t")]
        return Leaf(lines)

    def block_scalar(self, event: Any) -> Leaf:
        start, end = _start(event), _end(event)
        first, *lines = self.text[start:end].split("\n")
        found = _HEADER.match(first)
        assert found
        header, comment = found.group("signs"), (found.group("comment") or "").rstrip()
        if comment:
            self.comments.append(comment)
        base = self.base(event, lines)
        if lines and not lines[-1].strip(" ") and (end < len(self.text) or len(lines[-1]) <= base):
            lines.pop()  # the line end is the scalar's, what follows on the next line is not
        kept = len(lines)
        while kept and "+" not in header and not lines[kept - 1].strip(" ") and len(lines[kept - 1]) <= base:
            kept -= 1  # blank lines behind it separate, as they do elsewhere
        self.at = start + len("\n".join((first, *lines[:kept])))
        header = _DIGIT.sub("2", header)
        if event.value and not event.value.endswith("\n") and "-" not in header:
            header = header.replace("+", "") + "-"  # the file ends without a line end, and will end with one
        return Leaf([line[base:] for line in lines[:kept]], header, comment)

    def base(self, event: Any, lines: list[str]) -> int:
        """Return the indentation that all lines of a block scalar share."""
        written = next((line for line in lines if line.strip()), None)
        read = next((line for line in event.value.split("\n") if line.strip()), None)
        if written is None or read is None:
            if event.value.strip("\n"):
                self.refuse(event, "a text of blanks alone is not formatted", 'write it between quotes: "  "')
            return max(map(len, lines), default=0)
        return _indent(written) - _indent(read)


# The marks of an event of the C parser are always there; the stubs say otherwise.
def _start(event: Any) -> int:
    return int(event.start_mark.index)


def _end(event: Any) -> int:
    return int(event.end_mark.index)


def _column(event: Any) -> int:
    return int(event.start_mark.column)


def _is_nothing(event: Any) -> bool:
    return isinstance(event, yaml.ScalarEvent) and _start(event) == _end(event)


def _lines(pieces: list[_Piece]) -> list[str]:
    return [p.text for p in pieces if p.kind != "mark"]


def _head_and_lead(pieces: list[_Piece]) -> tuple[str, list[str]]:
    """Part the comment behind a key or dash from the lines that follow."""
    pieces = [p for p in pieces if p.kind != "mark"]
    if pieces and pieces[0].kind == "side":
        return pieces[0].text, _lines(pieces[1:])
    return "", _lines(pieces)


def _put_behind(entry: Entry, comment: str) -> None:
    if entry.after:
        entry.before.append(entry.after)
    entry.after = comment


def _trim_double(line: str) -> str:
    """Trim a line within double quotes, but for a blank that a backslash holds."""
    trimmed = line.rstrip(" \t")
    slashes = len(trimmed) - len(trimmed.rstrip("\\"))
    return line[: len(trimmed) + 1] if slashes % 2 and len(trimmed) < len(line) else trimmed


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _finding(code: Code, message: str, span: Span, help_text: str) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, message=message, span=span, help=help_text)

"""Write a layout in the canonical form."""

from __future__ import annotations

from itertools import pairwise

from policybook.fmt.layout import Entry, Group, Layout, Leaf

STEP = 2
# A flow collection that was broken over lines is joined where it fits; one that stands on one line is never broken.
WIDTH = 140


def write(layout: Layout) -> str:
    """Return the text; it ends with one line end."""
    writer = _Writer()
    root = layout.root
    writer.comments(root.before, 0)
    if isinstance(root.value, Group) and not root.value.flow:
        writer.block(root.value, 0)
    else:
        _settle(root, 0)
        writer.entry(root, "", 0)
    writer.comments(list(layout.tail), 0)
    while writer.lines and not writer.lines[-1] and not writer.open:
        writer.lines.pop()
    return "\n".join(writer.lines) + "\n"


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.open = False  # a text that keeps the blank lines behind it stands last: one more would change it

    def line(self, text: str) -> None:
        self.lines.append(text)
        self.open = False

    def comments(self, lines: list[str], indent: int) -> None:
        for line in lines:
            if line:
                self.line(" " * indent + line)
            elif self.lines and self.lines[-1] and not self.open:
                self.lines.append("")

    def block(self, group: Group, indent: int, first: str | None = None) -> None:
        """Write the entries of a mapping or list.

        Args:
            first: what stands on the line of the first entry before it, such as the dash of an item that is a mapping
        """
        for entry in group.entries:
            _settle(entry, indent + (STEP if group.sequence else len(entry.key) + 2))
        pads = _pads(group)
        blanks = " " * indent
        dash = "- " if group.sequence else ""
        for i, entry in enumerate(group.entries):
            start = blanks
            if i == 0 and first is not None:
                start = first
            else:
                self.comments(entry.before, indent)
            self.entry(entry, start + dash, indent, pads[i])
        self.comments(group.tail, indent)

    def entry(self, entry: Entry, start: str, indent: int, pad: int = 1) -> None:
        """Write an entry of a block.

        Args:
            start: what stands before it on its line
            indent: of the block; what the entry holds stands further in
        """
        value = entry.value
        after = f"  {entry.after}" if entry.after else ""
        lead = f"{start}{entry.key}:" if entry.key else start.rstrip() if isinstance(value, Leaf) and value.empty else start
        if isinstance(value, Leaf):
            self.leaf(value, lead + " " * pad if entry.key else lead, indent + STEP, after)
        elif value.flow:
            lead = lead + " " * pad if entry.key else lead
            self.flow(value, lead, indent + STEP if lead else 0, after)
        elif entry.key or value.head:
            self.line(lead.rstrip() + (f"{' ' if not entry.key else '  '}{value.head}" if value.head else ""))
            self.block(value, indent + STEP)
        else:
            self.block(value, indent + STEP, first=start)

    def leaf(self, leaf: Leaf, lead: str, indent: int, after: str) -> None:
        blanks = " " * indent
        if leaf.header:
            self.line(lead + leaf.header + (f"  {leaf.head}" if leaf.head else ""))
            self.lines += [blanks + line if line else "" for line in leaf.lines]
            self.open = leaf.keeps
            return
        first, *more = leaf.lines
        lines = [lead + first if first else lead.rstrip(), *(blanks + line if line else "" for line in more)]
        lines[-1] += after
        self.lines += lines
        self.open = False

    def flow(self, group: Group, lead: str, indent: int, after: str) -> None:
        """Write a flow collection, on one line or an item a line; `indent` is that of its closing bracket."""
        if not _needs_lines(group):
            self.line(lead + _one_line(group) + after)
            return
        inner = indent + STEP
        opening, closing = ("[", "]") if group.sequence else ("{", "}")
        self.line(lead + opening + (f"  {group.head}" if group.head else ""))
        for i, entry in enumerate(group.entries):
            self.comments(entry.before, inner)
            _settle(entry, inner + len(_key(entry)))
            end = "," if i + 1 < len(group.entries) else ""
            self.flow_entry(entry, " " * inner, inner, end)
        self.comments(group.tail, inner)
        self.line(" " * indent + closing + after)

    def flow_entry(self, entry: Entry, start: str, indent: int, end: str) -> None:
        value = entry.value
        after = end + (f"  {entry.after}" if entry.after else "")
        lead = start + _key(entry)
        if isinstance(value, Leaf):
            self.leaf(value, lead, indent + STEP, after)
        elif value.braces:
            self.flow(value, lead, indent, after)
        else:
            (pair,) = value.entries
            self.comments(pair.before, indent)
            pair_end = end + "".join(f"  {text}" for text in (pair.after or entry.after,) if text)
            self.flow_entry(Entry(pair.value, key=pair.key, colon=pair.colon), start, indent, pair_end)


def _settle(entry: Entry, column: int) -> None:
    """Decide whether a flow collection over several lines is joined; it begins at `column`, before values are put in columns."""
    value = entry.value
    if isinstance(value, Group) and value.broken and not _needs_lines(value):
        value.opened = column + len(_one_line(value)) > WIDTH
    if isinstance(value, Group) and not value.opened:
        value.broken = False


def _key(entry: Entry) -> str:
    return "" if not entry.key else f"{entry.key}: " if entry.colon else entry.key


def _one_line(group: Group) -> str:
    parts = []
    for entry in group.entries:
        value = entry.value
        parts.append(_key(entry) + (value.lines[0] if isinstance(value, Leaf) else _one_line(value)))
    text = ", ".join(parts)
    if not group.braces:
        return text
    return f"[{text}]" if group.sequence else f"{{{text}}}"


def _needs_lines(group: Group) -> bool:
    return (
        group.opened
        or bool(group.head or group.tail)
        or any(
            e.before or e.after or (len(e.value.lines) > 1 if isinstance(e.value, Leaf) else _needs_lines(e.value)) for e in group.entries
        )
    )


def _pads(group: Group) -> list[int]:
    """Return the blanks behind each colon: values stay in a column where the author began one.

    Entries on one line each, without a line between them, are taken together: when one of them has more than one blank, all of them
    get what the longest key needs.
    """
    pads = [1] * len(group.entries)
    if group.sequence:
        return pads
    lone = [_is_line(e) for e in group.entries]
    breaks = [0, *(i for i, (a, b) in enumerate(pairwise(lone), 1) if not (a and b) or group.entries[i].before), len(lone)]
    for start, stop in pairwise(breaks):
        run = group.entries[start:stop]
        if len(run) > 1 and any(e.gap > 1 for e in run):
            longest = max(len(e.key) for e in run)
            pads[start:stop] = [longest - len(e.key) + 1 for e in run]
    return pads


def _is_line(entry: Entry) -> bool:
    value = entry.value
    if isinstance(value, Leaf):
        return not value.header and len(value.lines) == 1 and not value.empty
    return value.flow and not _needs_lines(value)

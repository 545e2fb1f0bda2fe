"""YAML texts as people and programs leave them: any indentation, comments anywhere, every style of scalar, keys in any order.

What a text says is not known here; whoever compares reads it with a parser of his own. The comments that were put in are known.
"""

from __future__ import annotations

from random import Random
from typing import TypeAlias

from policybook.load import keys
from policybook.load.yaml import Mapping, Node, Scalar

Tree: TypeAlias = "str | list[Tree] | dict[str, Tree]"

PLAIN = (
    "a",
    "30%",
    "1/3",
    "2026-01-01",
    "12.2.1",
    "x#y",
    "a:b",
    "-1",
    "null",
    "中文",
    "a - b",
    "it's",
    'say "so"',
    "two  blanks",
    "~",
    "010",
    "NO",
)
TEXTS = (
    *PLAIN,
    "",
    " ",
    "# no comment",
    "a # b",
    "a: b",
    "[5..10)",
    "\\",
    "\\ ",
    "tab\there",
    "- item",
    "{x}",
    "a, b",
    "'",
    '"',
    "*x",
    "&x",
    "!x",
    "%x",
    "@x",
    "`x`",
    "---",
)
COMMENTS = ("# why", "#", "#no blank", "# - a: b", "# 'quoted", "#  two  blanks", "# 注释", "# # #", "# {[", "#!x", "# ---------- part")


def random_tree(rnd: Random) -> dict[str, Tree]:
    """Return the tree of a book or test table: the right keys in many places, anything below them."""
    tables = (keys.BOOK, keys.TEST_TABLE)
    table = rnd.choice(tables)
    tree: dict[str, Tree] = {"policy": "p"} | ({"cases": [_part(rnd, keys.CASE, 3)]} if table is keys.TEST_TABLE else {})
    for name in rnd.sample(sorted(table), rnd.randint(0, len(table))):
        tree.setdefault(name, _of_form(rnd, table[name].form, 4))
    for _ in range(rnd.choice((0, 0, 1))):
        tree["unknown"] = _any(rnd, 2)
    items = list(tree.items())
    rnd.shuffle(items)
    return dict(items)


def _part(rnd: Random, table: dict[str, keys.Key], depth: int) -> Tree:
    names = rnd.sample(sorted(table), rnd.randint(1, min(5, len(table))))
    return {name: _of_form(rnd, table[name].form, depth - 1) for name in names}


def _of_form(rnd: Random, form: str, depth: int) -> Tree:
    inner = {
        "fields": keys.TYPE, "parameters": keys.PARAMETER, "values": keys.VALUE, "decisions": keys.DECISION,
    }  # fmt: skip
    if depth <= 0 or rnd.random() < 0.1:
        return _any(rnd, depth)
    if form in inner:
        return {rnd.choice(("a", "bb", "a_long_name")) + str(i): _part(rnd, inner[form], depth) for i in range(rnd.randint(0, 3))}
    if form in ("rows", "cases"):
        return [_part(rnd, keys.ROW if form == "rows" else keys.CASE, depth) for _ in range(rnd.randint(0, 3))]
    if form == keys.TEXT:
        return rnd.choice(({"zh": rnd.choice(TEXTS), "en": rnd.choice(TEXTS)}, rnd.choice(TEXTS)))
    return _any(rnd, min(depth, 2))


def _any(rnd: Random, depth: int) -> Tree:
    kind = rnd.random() if depth > 0 else 0
    if kind < 0.5:
        return rnd.choice(TEXTS)
    if kind < 0.75:
        return [_any(rnd, depth - 1) for _ in range(rnd.randint(0, 3))]
    return {
        rnd.choice(("en", "zh", "k", "quoted key", "12", "长名")) + rnd.choice(("", "", "x")): _any(rnd, depth - 1)
        for _ in range(rnd.randint(0, 3))
    }


def tree_of(node: Node) -> Tree:
    """Return the tree of a text that was read, such as a real book."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Mapping):
        return {k.text: tree_of(v) for k, v in node.entries}
    return [tree_of(i) for i in node.items]


def shuffled(rnd: Random, tree: Tree) -> Tree:
    """Return a tree with its mappings in another order."""
    if isinstance(tree, dict):
        items = [(k, shuffled(rnd, v)) for k, v in tree.items()]
        if rnd.random() < 0.7:
            rnd.shuffle(items)
        return dict(items)
    return [shuffled(rnd, t) for t in tree] if isinstance(tree, list) else tree


class Mangler:
    """Writes a tree in a layout of its own choice; `comments` are those it put in."""

    def __init__(self, rnd: Random, *, noise: float = 0.15) -> None:
        self.rnd = rnd
        self.noise = noise
        self.comments: list[str] = []
        self.in_text = False  # the last line is a block scalar's: a comment far to the right would be more of it

    def text(self, tree: Tree) -> str:
        lines = self.between(0)
        if lines and self.maybe(0.3):
            lines.append("")
        if self.maybe(0.1):
            lines.append("---" + self.side())
        if isinstance(tree, dict) and not self.maybe(0.05):
            lines += self.block(tree, 0)
        else:
            lines += self.flow(tree, 0).split("\n")
        lines += self.between(0)
        if self.maybe(0.05) and not self.in_text:
            lines.append("..." + self.side())
        end = self.rnd.choice(("\n", "\n", "", "\n\n\n", "\n  \n"))
        text = "\n".join(lines) + end
        if self.maybe(0.1):
            text = text.replace("\n", self.rnd.choice(("\r\n", "\r")))
        return ("\ufeff" if self.maybe(0.05) else "") + text

    def maybe(self, chance: float | None = None) -> bool:
        return self.rnd.random() < (self.noise if chance is None else chance)

    def comment(self) -> str:
        text = self.rnd.choice(COMMENTS) + self.rnd.choice(("", str(len(self.comments))))
        self.comments.append(text)
        return text + self.rnd.choice(("", "", "  ", "\t"))

    def side(self) -> str:
        return self.rnd.choice((" ", "   ")) + self.comment() if self.maybe() else self.rnd.choice(("", "", " ", "  "))

    def between(self, column: int) -> list[str]:
        """Return blank lines and comments on lines of their own."""
        lines = []
        while self.maybe(self.noise * 2):
            if self.maybe(0.5):
                lines.append(self.rnd.choice(("", "", " " if not self.in_text else "")))
            else:
                lines.append(
                    " " * self.rnd.choice((0, column, column, self.rnd.randint(0, column if self.in_text else column + 7))) + self.comment()
                )
        return lines

    def block(self, tree: Tree, column: int) -> list[str]:
        lines: list[str] = []
        entries = tree.items() if isinstance(tree, dict) else ((None, t) for t in tree)
        for key, value in entries:
            lines += self.between(column)
            self.in_text = False
            lead = " " * column + (f"{self.key(key)}{self.rnd.choice(('', '', ' '))}:" if key is not None else "-")
            if isinstance(value, str):
                lines += self.scalar(lead, value, column)
            elif not value or self.maybe(0.35):
                flow = self.flow(value, column + 1)
                # A key of its own line must not be taken for the key of what follows.
                lines += (lead + " " * self.rnd.randint(1, 3) + flow + self.side()).split("\n")
            else:
                lines += self.nested(lead, key, value, column)
        return lines

    def nested(self, lead: str, key: str | None, value: Tree, column: int) -> list[str]:
        least = 0 if isinstance(value, list) and key is not None else 1
        inner = column + self.rnd.randint(least, 4)
        if key is None and self.maybe(0.7):
            # on the line of the dash
            inner = max(inner, column + 2)
            first, *more = self.first_inline(value, inner)
            return [lead + " " * (inner - column - 1) + first[inner:], *more]
        head = lead + self.side()
        return [head, *self.between(inner), *self.block(value, inner)]

    def first_inline(self, value: Tree, column: int) -> list[str]:
        noise, self.noise = self.noise, 0
        lines = self.block(value, column)
        self.noise = noise
        return lines

    def key(self, key: str) -> str:
        return self.rnd.choice((key, key, key, f"'{key}'", f'"{key}"'))

    def scalar(self, lead: str, text: str, column: int) -> list[str]:
        blanks = self.rnd.choice((" ", " ", " ", "   ", " " if self.noise == 0 else "\n" + " " * (column + self.rnd.randint(1, 5))))
        style = self.rnd.choice(("plain", "plain", "single", "double", "long", "literal", "folded"))
        inner = column + self.rnd.randint(1, 4)
        if style in ("literal", "folded"):
            return self.block_scalar(lead, text, column, inner, style)
        if style == "plain" and text in PLAIN:
            written = text
        elif style == "plain" and not text:
            return [lead + self.side()]
        elif style == "long":
            break_ = self.rnd.choice(("\n", "\n\n", " \n", "\t\n")) + " " * inner
            written = break_.join(self.rnd.choice((("a", "b c", "d"), ("'x", "y'"), ('"x', "#y \\", 'z"'), ('"x\\ ', 'y"'), ('"', ' q"'))))
        elif style == "single":
            written = "'" + text.replace("'", "''") + "'"
        else:
            written = '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'
        return (lead + blanks + written + self.side()).split("\n")

    def block_scalar(self, lead: str, text: str, column: int, inner: int, style: str) -> list[str]:
        content = [
            self.rnd.choice((text, text, "  more", "", "# no comment", "   ", "\ttab", "end  ")) for _ in range(self.rnd.randint(0, 4))
        ]
        content += ["x"] * (bool(content) and not any(line.strip() for line in content))  # a text of blanks alone is refused
        if next((line for line in content if line), "x").startswith("\t"):
            content.insert(0, "x")  # YAML refuses a tab where it looks for the indentation
        first = next((line for line in content if line), "x")
        # Without content, a line of blanks behind it would be the content.
        digit = str(inner - column) if content and (first.startswith(" ") or self.maybe(0.1)) else ""
        chomp = self.rnd.choice(("", "-", "+"))
        header = ("|" if style == "literal" else ">") + self.rnd.choice((digit + chomp, chomp + digit))
        self.in_text = True
        return [lead + " " + header + self.side().replace("\t", "  "), *(" " * inner + line if line else "" for line in content)]

    def flow(self, tree: Tree, least: int) -> str:
        """Write in flow style; every line begins at column `least` or further right."""
        if isinstance(tree, str):
            if tree in PLAIN and not set(tree) & set(",[]{}\"'") and self.maybe(0.6):
                return tree
            return "'" + tree.replace("'", "''") + "'"
        parts = []
        if isinstance(tree, dict):
            for key, value in tree.items():
                if value == "" and self.maybe(0.5):
                    parts.append(key)
                else:
                    gap = self.gap(least)
                    colon = self.rnd.choice((f"{key}:{gap or ' '}", f"{key} :{gap or ' '}", f'"{key}":{gap}'))
                    parts.append(colon + self.flow(value, least))
        else:
            for item in tree:
                pair = isinstance(item, dict) and len(item) == 1 and self.maybe(0.3)
                key = next(iter(item)) if pair else ""
                parts.append(f"{key}: {self.flow(item[key], least)}" if isinstance(item, dict) and pair else self.flow(item, least))
        open_, close = ("{", "}") if isinstance(tree, dict) else ("[", "]")
        text = "".join(f"{self.gap(least)},{self.gap(least)}{part}" if i else part for i, part in enumerate(parts))
        end = self.rnd.choice(("", "", ",")) if parts else ""
        return f"{open_}{self.gap(least)}{text}{end}{self.gap(least)}{close}"

    def gap(self, least: int) -> str:
        if self.maybe(0.5) or not self.noise:
            return self.rnd.choice(("", " ", "  "))
        comment = " " + self.comment() if self.maybe() else ""
        more = f"\n{' ' * self.rnd.randint(0, least + 5)}{self.comment()}" if self.maybe(0.05) else ""
        return f"{comment}{more}\n{' ' * (least + self.rnd.randint(0, 5))}"

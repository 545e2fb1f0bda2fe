"""Mutations of YAML by its nodes: the text of a node is exchanged, doubled, moved or left out, and all the rest stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

from fuzz import words
from policybook.load import keys
from policybook.load.yaml import Mapping, Node, Scalar, parse_yaml
from policybook.source import Source, Span
from yaml_mangled import Mangler, shuffled, tree_of

_KEYS = tuple(
    sorted({name for table in vars(keys).values() if isinstance(table, dict) for name, key in table.items() if isinstance(key, keys.Key)})
)
# What is read as a whole to find its nodes; longer texts are mutated by bytes.
MAX_TEXT = 128 * 1024


def text_mutated(data: bytes, rnd: Random, others: Sequence[bytes]) -> bytes:
    """Return a YAML text with a few of its nodes changed, or a few of its bytes."""
    way = rnd.random()
    if way < 0.25 or len(data) > MAX_TEXT:
        return words.bytes_mutated(data, rnd, others)
    for _ in range(rnd.choice((1, 1, 2, 3))):
        data = _node_mutated(data, rnd, others)
    return data


def _node_mutated(data: bytes, rnd: Random, others: Sequence[bytes]) -> bytes:
    text = data.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")
    source = Source("x.yaml", text)
    tree, _ = parse_yaml(source)
    if tree is None or "\r" in text:
        return words.bytes_mutated(data, rnd, others)
    if rnd.random() < 0.05:
        return Mangler(rnd, noise=0.1).text(shuffled(rnd, tree_of(tree))).encode()
    lines = source.lines
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)

    def place(span: Span) -> tuple[int, int]:
        return starts[span.line - 1] + span.column - 1, starts[min(span.end_line, len(starts) - 1) - 1] + span.end_column - 1

    nodes = list(_walk(tree))
    scalars = [n for n in nodes if isinstance(n, Scalar)]
    changes: tuple[Callable[[], str], ...] = (
        lambda: _put(text, place(rnd.choice(scalars or nodes).span), _written(words.word(rnd), rnd)),
        lambda: _put(text, place(rnd.choice(scalars or nodes).span), _cut(text, place(rnd.choice(scalars or nodes).span))),
        lambda: _put(text, place(rnd.choice(nodes).span), _cut(text, place(rnd.choice(nodes).span))),
        lambda: _expression(text, place(rnd.choice(scalars or nodes).span), rnd, scalars),
        lambda: _put(text, place(rnd.choice(scalars or nodes).span), rnd.choice(_KEYS)),
        lambda: _entry(text, place, rnd, nodes),
        lambda: _put(
            text, place(rnd.choice(nodes).span), rnd.choice(("{}", "[]", "~", "''", "[[]]", "[a, a]", "{a: 1}", "{en: x, zh: y}"))
        ),
        lambda: _wrapped(text, place(rnd.choice(nodes).span), rnd),
    )
    return rnd.choice(changes)().encode("utf-8", "surrogatepass")


def _walk(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node, Mapping):
        for key, value in node.entries:
            yield key
            yield from _walk(value)
    elif not isinstance(node, Scalar):
        for item in node.items:
            yield from _walk(item)


def _cut(text: str, place: tuple[int, int]) -> str:
    return text[place[0] : place[1]]


def _put(text: str, place: tuple[int, int], new: str) -> str:
    return text[: place[0]] + new + text[place[1] :]


def _written(word: str, rnd: Random) -> str:
    return rnd.choice((word, "'" + word.replace("'", "''") + "'", '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'))


def _expression(text: str, place: tuple[int, int], rnd: Random, scalars: Sequence[Scalar]) -> str:
    """Make a cell or an expression of what stands in the text and what the language knows."""
    names = [rnd.choice(scalars).text[:60] for _ in range(3)] if scalars else ["x"]
    parts = [rnd.choice((rnd.choice(words.FEEL), rnd.choice(names), rnd.choice(words.NUMBERS))) for _ in range(rnd.randint(1, 6))]
    return _put(text, place, _written("".join(parts), rnd))


def _entry(text: str, place: Callable[[Span], tuple[int, int]], rnd: Random, nodes: Sequence[Node]) -> str:
    """Take an entry of a mapping or an item of a list out, or write it twice."""
    choices = [n for n in nodes if not isinstance(n, Scalar) and (n.entries if isinstance(n, Mapping) else n.items)]
    if not choices:
        return text
    node = rnd.choice(choices)
    if isinstance(node, Mapping):
        key, value = rnd.choice(node.entries)
        start, end = place(key.span)[0], place(value.span)[1]
    else:
        start, end = place(rnd.choice(node.items).span)
    if rnd.random() < 0.5:
        return text[:start] + text[end:].lstrip(", ")
    between = ", " if "\n" not in text[start:end] else "\n" + " " * (start - (text.rfind("\n", 0, start) + 1))
    return text[:end] + (between + text[start:end]) * rnd.choice((1, 1, 3, 100)) + text[end:]


def _wrapped(text: str, place: tuple[int, int], rnd: Random) -> str:
    depth = rnd.choice((1, 1, 2, 23, 30, 200))
    open_, close = rnd.choice((("[", "]"), ("{a: ", "}"), ("[a, ", "]")))
    inner = _cut(text, place)
    return _put(text, place, open_ * depth + (inner if "\n" not in inner else "x") + close * depth)

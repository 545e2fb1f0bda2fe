"""`policybook fmt` on texts as people and programs leave them: meaning and comments kept, and nothing left to do the next time.

Meaning is read here by PyYAML's own loader, which the formatter does not use.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from policybook.fmt.format import format_text
from policybook.fmt.layout import read_layout
from policybook.load.yaml import parse_yaml
from policybook.source import Source
from yaml_mangled import Mangler, Tree, random_tree, shuffled, tree_of

ROOT = Path(__file__).resolve().parent.parent.parent


def read(text: str) -> object:
    return yaml.load(text, Loader=yaml.CBaseLoader)  # noqa: S506 - texts and nothing else


def sides(text: str) -> Counter[str]:
    return Counter(read_layout(Source("x", text)).comments)


def hold(text: str, comments: list[str]) -> str:
    """Format a text and hold the result against it."""
    tree, findings = parse_yaml(Source("x.yaml", text.removeprefix("\ufeff").replace("\r\n", "\n")))
    assert tree is not None
    assert not findings
    new, report = format_text(Source("x.yaml", text))
    assert new is not None, report.render({})
    assert read(new) == read(text.removeprefix("\ufeff"))
    assert sides(new) == Counter(comments)
    assert format_text(Source("x.yaml", new)) == (new, report)
    assert new.endswith("\n")
    assert "\r" not in new
    return new


@settings(max_examples=300)
@given(st.randoms(use_true_random=False))
def test_generated_texts(rnd: Random) -> None:
    tree = random_tree(rnd)
    mangler = Mangler(rnd, noise=rnd.choice((0.0, 0.1, 0.25)))
    text = mangler.text(tree)
    hold(text, mangler.comments)


BOOKS = sorted([*ROOT.glob("rules/*.yaml"), *ROOT.glob("rules/tests/*.yaml"), ROOT / "tests/cli/books/library.yaml"], key=lambda p: p.name)


def part_of(rnd: Random, tree: Tree) -> Tree:
    """Return a tree with long mappings and lists cut to a few of their parts."""
    if isinstance(tree, dict):
        names = [n for n in tree if n in {"policy", "cases", "clauses", "calendar"}]
        more = [n for n in tree if n not in names]
        chosen = {*names, *rnd.sample(more, min(len(more), 6))}
        return {n: part_of(rnd, v) for n, v in tree.items() if n in chosen}
    if isinstance(tree, list):
        return [part_of(rnd, t) for t in rnd.sample(tree, min(len(tree), 3))]
    return tree


@pytest.mark.parametrize("path", BOOKS, ids=lambda p: f"{p.parent.name}-{p.stem}")
@settings(max_examples=3)
@given(rnd=st.randoms(use_true_random=True))
def test_real_books_in_disarray(path: Path, rnd: Random) -> None:
    node, _ = parse_yaml(Source(path.name, path.read_text(encoding="utf-8")))
    assert node is not None
    mangler = Mangler(rnd)
    hold(mangler.text(shuffled(rnd, part_of(rnd, tree_of(node)))), mangler.comments)


@pytest.mark.parametrize("path", BOOKS, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_real_books_as_they_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    hold(text, list(sides(text).elements()))


def with_comments(tree: Tree, column: int, keys: list[str]) -> list[str]:
    """Write a tree in blocks, each key between comments that name its place in `keys`."""
    blanks = " " * column
    lines: list[str] = []
    if isinstance(tree, list):
        for item in tree:
            first, *more = with_comments(item, column + 2, keys) if item and not isinstance(item, str) else ["v"]
            # What stands above a dash is the item's, and not its first key's.
            while first.lstrip().startswith("# above"):
                first, *more = more
            lines += [f"{blanks}- {first.lstrip()}", *more]
        return lines
    assert isinstance(tree, dict)
    for key, value in tree.items():
        number = len(keys)
        keys.append(key)
        lines.append(f"{blanks}# above {number}")
        if value and not isinstance(value, str):
            lines += [f"{blanks}'{key}': # behind {number}", *with_comments(value, column + 2, keys)]
        else:
            lines.append(f"{blanks}'{key}': v # behind {number}")
    return lines


@settings(max_examples=150)
@given(st.randoms(use_true_random=False))
def test_a_comment_stays_at_its_key(rnd: Random) -> None:
    keys: list[str] = []
    old = with_comments(shuffled(rnd, random_tree(rnd)), 0, keys)
    lines = hold("\n".join(old), [line[line.index("#") :] for line in old if "#" in line]).splitlines()
    for number, key in enumerate(keys):
        behind = next(line for line in lines if line.endswith(f"# behind {number}"))
        assert behind.lstrip(" -").startswith(f"'{key}':")
    for above, line in enumerate(lines):
        if line.lstrip().startswith("# above"):
            below = next(line for line in lines[above + 1 :] if not line.lstrip().startswith("# above"))
            assert below.endswith(line.lstrip().replace("above", "behind"))

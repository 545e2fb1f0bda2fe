"""`policybook book` as a person calls it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from policybook.cli.main import cli

BOOK = """\
policy: {name}
title: {{en: Book {name}, zh: 一本}}
effective: {{from: 2025-01-01}}
inputs: {{age: {{type: integer, title: {{en: Age, zh: 年龄}}}}}}
decisions:
  open:
    hit_policy: first
    outputs: {{open: {{type: boolean}}}}
    rules: [{{id: {name}-row, clause: 1.1, when: {{age: ">= 18"}}, then: {{open: true}}}}]
"""
CLAUSES = '{id: "%s", document: 1, kind: duty, text: "开门。", en: "Open the door.", lines: [1]}'


def run(*args: str | Path) -> Result:
    result = CliRunner().invoke(cli, ["book", *map(str, args)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rules = tmp_path / "rules"
    rules.mkdir()
    for name in ("alpha", "beta"):
        (rules / f"{name}.yaml").write_text(BOOK.format(name=name), encoding="utf-8")
    (rules / "clauses.yaml").write_text(f"clauses: [{CLAUSES % '1.1'}, {CLAUSES % '1.2'}]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return rules


def test_the_folder_rules_is_written_when_none_is_named(folder: Path) -> None:
    result = run()
    assert result.exit_code == 0, result.output
    assert result.output.startswith("<!DOCTYPE html>")
    assert "Book alpha" in result.output
    assert "Book beta" in result.output
    assert "Clauses still open" in result.output


def test_one_book_as_markdown_to_a_file(folder: Path, tmp_path: Path) -> None:
    result = run(folder / "alpha.yaml", "--format", "md", "--lang", "zh", "--output", tmp_path / "book.md")
    assert (result.exit_code, result.output) == (0, "")
    text = (tmp_path / "book.md").read_text(encoding="utf-8")
    assert text.startswith("# 制度手册\n")
    assert "> 开门。\\\n> Open the door.\n" in text
    assert "beta" not in text
    assert "尚未处理" not in text


def test_the_day_is_the_one_named(folder: Path) -> None:
    assert "not in force on this day" in run("--as-of", "2024-12-31", "--format", "md").output
    assert "not in force on this day" not in run("--as-of", "2025-01-01", "--format", "md").output


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    assert "error: --as-of: `soon` is not a date" in run("--as-of", "soon").output
    other = tmp_path / "other"
    other.mkdir()
    assert "there is no book in" in run(other).output
    (other / "gamma.yaml").write_text(BOOK.format(name="gamma"), encoding="utf-8")
    (other / "clauses.yaml").write_text(f"clauses: [{CLAUSES % '1.1'}]\n", encoding="utf-8")
    assert "write one folder at a time" in run(folder, other).output
    (other / "gamma.yaml").write_text("policy: gamma\n", encoding="utf-8")
    result = run(other)
    assert "a book with errors decides nothing, and is not written" in result.output
    assert result.exit_code == 1


def test_without_clauses_numbers_stand_alone(folder: Path) -> None:
    (folder / "clauses.yaml").unlink()
    text = run("--format", "md").output
    assert "Clause 1.1 `alpha-row`" in text
    assert "No index of clauses lies beside these books" in text

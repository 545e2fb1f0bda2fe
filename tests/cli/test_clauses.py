"""`policybook clauses` on a book of one row: what it shows of each clause, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from policybook.cli.main import cli

BOOK = """\
policy: tea
title: {en: Tea room, zh: 茶室}
source: {document: 7}
decisions:
  bill:
    hit_policy: first
    outputs: {free: {type: boolean}}
    rules:
      - {id: free-tea, clause: "7.1", then: {free: true}}
"""
CLAUSES = """\
clauses:
  - id: "7.1"
    document: 7
    kind: decision
    text: "茶水免费。"
    en: "Tea is free."
    lines: [1]
    unclear:
      en: "All day or not?"
      zh: "是否全天？"
  - {id: "7.2", document: 7, kind: principle, text: "和气。", en: "Be kind.", lines: [2], needs_no_row: {en: An exhortation., zh: 倡导。}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tea.yaml").write_text(BOOK, encoding="utf-8")
    (tmp_path / "clauses.yaml").write_text(CLAUSES, encoding="utf-8")
    return tmp_path


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["clauses", *args], env={"COLUMNS": "100"})
    return result.exit_code, result.output


def test_a_note_is_shown_in_both_languages(folder: Path) -> None:
    assert run(str(folder), "--document", "7") == (
        0,
        """\
7.1  implemented  decision
    茶水免费。
    Tea is free.
    不明：是否全天？
    unclear: All day or not?
    tea.free-tea
7.2  not executable  principle
    和气。
    Be kind.
    倡导。 An exhortation.
""",
    )


def test_json_has_the_note_and_null_for_none(folder: Path) -> None:
    code, text = run(str(folder), "--format", "json")
    first, second = json.loads(text)
    assert code == 0
    assert (first["unclear"], first["needs_no_row"]) == ({"en": "All day or not?", "zh": "是否全天？"}, None)
    assert (second["unclear"], second["needs_no_row"]) == (None, {"en": "An exhortation.", "zh": "倡导。"})


def test_books_beside_bad_clauses_are_not_judged(folder: Path) -> None:
    (folder / "clauses.yaml").write_text(CLAUSES.replace('id: "7.2"', 'id: "7.1"'), encoding="utf-8")
    result = CliRunner().invoke(cli, ["check", str(folder)], env={"COLUMNS": "100"})
    assert result.exit_code == 1
    assert result.output.count("the clause `7.1` stands twice") == 1
    assert "   11 |   - {id:" in result.output
    assert f"bad {folder / 'tea.yaml'}: not judged, as what lies beside it has errors" in result.output


def test_a_bad_note_is_told(folder: Path) -> None:
    text = CLAUSES.replace('      zh: "是否全天？"\n', '      fr: "Toute la journée ?"\n')
    (folder / "clauses.yaml").write_text(text, encoding="utf-8")
    code, output = run(str(folder))
    assert code == 1
    assert "clauses.yaml:10:7: error[PB104 unknown-key]: unclear has no key `fr`" in output

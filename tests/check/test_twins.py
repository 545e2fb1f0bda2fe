"""Figures that two books hold and that must be the same there (`same_as`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from policybook.check.book import check_source
from policybook.cli.books import read_books
from policybook.diagnostics import Code, Finding
from policybook.source import Source


def text(policy: str, figure: str, currency: str = "CNY") -> str:
    return f"""policy: {policy}
title: {{en: A book, zh: 一本}}
currency: {currency}
parameters:
  cap: {{{figure}, set_by: company}}
inputs:
  n: {{type: integer, title: {{en: N, zh: 数}}}}
decisions:
  d:
    hit_policy: first
    title: {{en: D, zh: 丁}}
    question: {{en: What?, zh: 何？}}
    outputs: {{x: {{type: integer}}}}
    rules:
      - {{id: {policy}-r, set_by: company, when: {{n: < 5}}, then: {{x: 1}}}}
    default: {{id: {policy}-rest, set_by: company, then: {{x: 2}}}}
"""


def told(folder: Path, mine: str, theirs: str, *, currency: str = "CNY", alone: bool = False) -> list[str]:
    """What is found of two books that each hold a figure, the one naming the other's."""
    (folder / "mine.yaml").write_text(text("mine", f"{mine}, same_as: theirs.cap"), encoding="utf-8")
    (folder / "theirs.yaml").write_text(text("theirs", theirs, currency), encoding="utf-8")
    found = differing(folder / "mine.yaml" if alone else folder)
    assert all(f.span.file.endswith("mine.yaml") and f.span.line == 5 for f in found)
    return [f.message for f in found]


def differing(path: Path) -> list[Finding]:
    read = read_books([path], compiled=True)
    assert read.report.ok, read.report
    return [f for f in read.report if f.code is Code.FIGURES_DIFFER]


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("value: 1/3", "value: 1/3"),
        ("value: 30%", "value: 0.3"),
        ("value: P3D", "value: PT72H"),
        ("type: money, value: 500", "type: money, value: 500.00"),
        (
            "values: [{from: 2026-01-01, value: 3}, {from: 2027-01-01, value: 4}]",
            "values: [{from: 2027-01-01, value: 4}, {from: 2026-01-01, value: 3}]",
        ),
        # Written in two parts, it is the same on every day.
        ("values: [{from: 2026-01-01, value: 3}, {from: 2027-01-01, value: 3}]", "values: [{from: 2026-01-01, value: 3}]"),
    ],
)
def test_what_is_the_same_on_every_day(tmp_path: Path, mine: str, theirs: str) -> None:
    assert told(tmp_path, mine, theirs) == []


@pytest.mark.parametrize(
    ("mine", "theirs", "message"),
    [
        ("value: 1/3", "value: 1/4", "`cap` is 1/3; `theirs.cap`, which it must equal, is 1/4"),
        ("value: true", "value: 1", "`cap` is true; `theirs.cap`, which it must equal, is 1"),
        ("type: money, value: 500", "value: 500", "`cap` is 500 CNY; `theirs.cap`, which it must equal, is 500"),
        (
            "values: [{from: 2026-01-01, value: 3}]",
            "values: [{from: 2026-01-01, value: 3}, {from: 2027-01-01, value: 4}]",
            "`cap` is 3 on 2027-01-01; `theirs.cap`, which it must equal, is 4",
        ),
        (
            "value: 3",
            "values: [{from: 2026-01-01, to: 2026-12-31, value: 3}]",
            "`cap` is 3; `theirs.cap`, which it must equal, is not in force",
        ),
        (
            "values: [{from: 2026-01-01, value: 3}]",
            "values: [{from: 2026-01-01, to: 2026-12-31, value: 3}]",
            "`cap` is 3 on 2027-01-01; `theirs.cap`, which it must equal, is not in force",
        ),
    ],
)
def test_the_first_day_on_which_they_differ(tmp_path: Path, mine: str, theirs: str, message: str) -> None:
    assert told(tmp_path, mine, theirs) == [message]
    # The other book is looked at where it was not asked for, too.
    assert told(tmp_path, mine, theirs, alone=True) == [message]


def test_amounts_in_two_currencies_are_not_the_same(tmp_path: Path) -> None:
    found = told(tmp_path, "type: money, value: 5", "type: money, value: 5", currency="USD")
    assert found == ["`cap` is 5 CNY; `theirs.cap`, which it must equal, is 5 USD"]


def test_a_figure_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text("mine", "value: 3, same_as: theirs.cup"), encoding="utf-8")
    (alone,) = differing(tmp_path)
    assert alone.message == "`cap` must equal `theirs.cup`, and there is no sound book `theirs` here"
    (tmp_path / "theirs.yaml").write_text(text("theirs", "value: 3"), encoding="utf-8")
    (found,) = differing(tmp_path)
    assert found.message == "`cap` must equal `theirs.cup`, and that book has no figure `cup`"
    assert found.help == "did you mean `cap`?"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("cap", "parameter `cap`.same_as is `cap`"),
        ("theirs.", "parameter `cap`.same_as is `theirs.`"),
        ("theirs.cap.of", "parameter `cap`.same_as is `theirs.cap.of`"),
        ("mine.other", "parameter `cap` is to equal a figure of its own book"),
    ],
)
def test_what_names_no_figure_of_another_book(word: str, message: str) -> None:
    book, report = check_source(Source("mine.yaml", text("mine", f"value: 3, same_as: {word}")))
    assert book is None
    assert [f.message for f in report] == [message]

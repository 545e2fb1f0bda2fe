"""`must_log`: read, checked, published in the schema."""

from __future__ import annotations

import pytest

from books_in_text import HEAD, book_of
from policybook.check.book import check_source
from policybook.load.schema import book_schema
from policybook.source import Source

BODY = """
inputs: {{amount: {{type: number}}}}
decisions:
  order:
    must_log: {flag}
    hit_policy: first
    outputs: {{ok: {{type: boolean}}}}
    rules: [{{id: all, set_by: company, then: {{ok: true}}}}]
"""


@pytest.mark.parametrize(("flag", "wanted"), [("true", True), ("false", False)])
def test_a_decision_says_that_it_must_be_recorded(flag: str, wanted: bool) -> None:
    assert book_of(BODY.format(flag=flag)).decisions[0].must_log is wanted


def test_by_itself_it_need_not() -> None:
    assert book_of(BODY.format(flag="true").replace("    must_log: true\n", "")).decisions[0].must_log is False


def test_another_word_is_a_finding() -> None:
    _, report = check_source(Source("book.yaml", HEAD + BODY.format(flag="maybe")))
    assert [(f.message, f.help) for f in report.errors] == [("decision `order`.must_log is `maybe`", "allowed: `true`, `false`")]


def test_the_schema_has_it() -> None:
    assert book_schema()["$defs"]["decision"]["properties"]["must_log"]["type"] == "boolean"

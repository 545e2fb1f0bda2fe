"""Plain numbers are read without the grammar, and say what it says."""

from __future__ import annotations

import pytest

from policybook.feel import parse


@pytest.mark.parametrize(
    "text", ["0", "7", "007", "100", "30%", "0%", "123456789012345", "1234567890123456", "1.5", "1e3", "1 %", " 5", "5 ", "٣"]
)
def test_as_the_grammar_reads_them(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> object:
        try:
            made = parse._parse(text, "expression")
        except parse.FeelError as e:
            return (str(e), e.start, e.end)
        return (made, made.start, made.end)

    quick = read()
    monkeypatch.setattr(parse, "_PLAIN_NUMBER", parse.re.compile("never"))
    assert quick == read()

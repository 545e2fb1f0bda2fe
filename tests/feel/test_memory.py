"""What was read is remembered, and no more of it than there is room for: callers of a service choose the texts."""

from __future__ import annotations

import pytest

from policybook.feel import parse


def test_the_same_text_is_read_once() -> None:
    assert parse.parse_test("<= 5") is parse.parse_test("<= 5")
    assert parse.parse_expression("a + 5") is parse.parse_expression("a + 5")


def test_long_texts_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse, "MAX_REMEMBERED", 10_000)
    memory = parse._Memory("expression")
    for i in range(100):
        memory("[" + ", ".join([f"a{i}"] + ["1"] * 300) + "]")
        assert sum(map(len, memory._trees)) <= 10_000

"""Text that would exhaust, crash or mislead a careless reader."""

import time
from pathlib import Path

import pytest

from policybook.check.book import check_source, read_book
from policybook.diagnostics import MAX_MESSAGE, Code
from policybook.source import Source


def codes(text: str) -> list[Code]:
    book, report = check_source(Source("book.yaml", text))
    assert book is None
    return [f.code for f in report.errors]


def test_billion_laughs_is_refused_at_the_first_anchor():
    lines = ['a: &a ["lol","lol"]'] + [f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)},*{chr(97 + i)},*{chr(97 + i)}]" for i in range(9)]
    assert codes("\n".join(lines)) == [Code.YAML_FEATURE]


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 50_000, "- " * 50_000 + "x"])
def test_deep_nesting_is_refused(text):
    assert codes(text)[0] in (Code.TOO_LARGE, Code.YAML_SYNTAX)


def test_a_text_of_50_megabytes_is_refused_before_it_is_parsed():
    assert codes("policy: book\n" + "# x\n" * 13_000_000) == [Code.TOO_LARGE]


def test_a_file_of_50_megabytes_is_refused_before_it_is_read(tmp_path: Path):
    path = tmp_path / "book.yaml"
    with path.open("wb") as f:
        f.truncate(50 * 1024 * 1024)
    book, report, _ = read_book(path)
    assert book is None
    assert [f.code for f in report] == [Code.TOO_LARGE]
    assert "50.0 MiB" in report.findings[0].message


def test_a_file_that_is_not_utf8_is_refused_with_the_byte(tmp_path: Path):
    path = tmp_path / "book.yaml"
    path.write_bytes("policy: book\ntitle: 客户".encode("gb18030"))
    _, report, _ = read_book(path)
    assert [f.code for f in report] == [Code.NOT_TEXT]
    assert report.findings[0].help == "save it as UTF-8"


def test_a_control_character_is_placed():
    _, report = check_source(Source("book.yaml", "policy: book\ntitle: a\x01b\n"))
    assert [f.code for f in report] == [Code.NOT_TEXT]


@pytest.mark.parametrize("text", ["\x00", "﻿", "%YAML 9.9\n---\na", "? [a]\n: b", "a: b: c", "'", '"', "!!binary x", "a: !t b", "\ud800"])
def test_odd_texts_give_findings_not_exceptions(text):
    assert codes(text)


def test_a_book_of_windows_lines_and_a_byte_order_mark_is_read(tmp_path: Path):
    path = tmp_path / "book.yaml"
    text = "policy: book\ntitle: x\ninputs: {n: {type: integer}}\ndecisions:\n  d:\n    hit_policy: first\n    outputs: {o: {type: integer}}\n    rules: [{id: r, clause: 1, when: {n: 1}, then: {o: 1}}]\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    book, report, _ = read_book(path)
    assert book is not None, report.render({})


@pytest.mark.parametrize(
    "test",
    [
        "(" * 3000,
        "not(" * 30 + "1" + ")" * 30,
        "-" * 2000 + "1",
        "1" + "+1" * 1900,
        "if true then " * 300 + "1",
        "9" * 400,
        "1e999999999",
        "1" * 3999,
        '"' + "x" * 5000 + '"',
        "P" + "9" * 400 + "D",
    ],
)
def test_monstrous_tests_are_findings_and_quick(test):
    text = (
        "policy: book\ntitle: x\ninputs: {n: {type: integer}}\ndecisions:\n  d:\n    hit_policy: first\n"
        f"    outputs: {{o: {{type: integer}}}}\n    rules: [{{id: r, clause: 1, when: {{n: '{test}'}}, then: {{o: 1}}}}]\n"
    )
    started = time.process_time()
    _, report = check_source(Source("book.yaml", text))
    # Not a measurement: a bound that only a runaway passes.
    assert time.process_time() - started < 20
    for finding in report:
        assert len(finding.message) < 400


def test_findings_of_a_hopeless_file_are_shown_in_bounded_length():
    rows = "".join(f"      - {{id: r{i}, clause: 1, when: {{x{i}: 1}}, then: {{o: 1}}}}\n" for i in range(5000))
    text = "policy: book\ntitle: x\ndecisions:\n  d:\n    hit_policy: first\n    outputs: {o: {type: integer}}\n    rules:\n" + rows
    _, report = check_source(Source("book.yaml", text))
    assert len(report.errors) == 5000
    shown = report.render({"book.yaml": Source("book.yaml", text)})
    assert shown.endswith("... and 4800 more")


@pytest.mark.parametrize("sign", ["\x85", "\u2028", "\u2029"])
def test_a_line_break_that_nobody_sees_is_placed(sign):
    # libyaml begins a new line there, and no editor and no excerpt does: places behind it would be wrong.
    _, report = check_source(Source("book.yaml", f"policy: book\ntitle: 'a{sign}b'\n"))
    (finding,) = report
    assert (finding.code, finding.span.line, finding.span.column) == (Code.NOT_TEXT, 2, 10)
    assert finding.message == f"a line break that cannot be seen (U+{ord(sign):04X}) stands in the text"


def test_lines_that_end_with_a_carriage_return_alone_are_counted():
    source = Source("book.yaml", "policy: book\rtitle: x\rnonsense: 1\r")
    _, report = check_source(source)
    finding = next(f for f in report if "nonsense" in f.message)
    assert finding.span.line == 3
    assert "nonsense" in report.render({source.name: source})


def in_a_value(text: str) -> list[tuple[Code, str]]:
    body = f"policy: book\ntitle: x\ninputs: {{n: {{type: number}}}}\nvalues: {{v: '{text}'}}\ndecisions:\n  d:\n    hit_policy: first\n"
    body += "    outputs: {o: {type: integer}}\n    rules: [{id: r, clause: 1, when: {v: 1}, then: {o: 1}}]\n"
    return [(f.code, f.message) for f in check_source(Source("book.yaml", body))[1].errors]


def test_a_dotted_name_of_a_thousand_parts_is_unknown():
    ((code, message),) = in_a_value("n" + ".n" * 1_500)
    assert code is Code.UNKNOWN_NAME
    assert len(message) == MAX_MESSAGE


@pytest.mark.parametrize("operation", ["+n", "*1", "/2", "-1", "/1/1"])
def test_a_long_expression_is_refused_before_it_is_walked(operation):
    ((code, message),) = in_a_value("n" + operation * 120)
    assert code is Code.BAD_EXPRESSION
    assert "more than 90 steps" in message or "too long" in message


def chained(count: int, step: str) -> list[str]:
    values = "".join(f"  v{i}: {step.format(f'v{i - 1}')}\n" for i in range(1, count))
    body = f"policy: book\ntitle: x\ninputs: {{n: {{type: number}}}}\nvalues:\n  v0: n\n{values}decisions:\n  d:\n    hit_policy: first\n"
    body += f"    outputs: {{o: {{type: integer}}}}\n    rules: [{{id: r, clause: 1, when: {{v{count - 1}: '> 1'}}, then: {{o: 1}}}}]\n"
    return [f.message for f in check_source(Source("book.yaml", body))[1].errors]


def test_values_that_stand_on_values_end_somewhere():
    assert chained(66, "{} + 1") == []
    assert chained(900, "{} + 1")[0] == "value `v67` stands on values and decisions that stand on others, 203 deep; at most 200 are allowed"
    # Each stands on less than all: said of the first of them, not of what stands on it.
    assert len(chained(100, "{} + 1")) == 1


def test_products_of_products_end_somewhere():
    assert chained(4, "{0} * {0}") == []
    assert chained(12, "{0} * {0}")[0] == "value `v4` multiplies inputs with one another 16 times over; at most 10 are allowed"

"""What a clerk mistypes: the message stands at the character, and says what to write."""

import pytest

from policybook.check.book import check_source
from policybook.load.read import load
from policybook.source import Source

BOOK = """\
policy: gifts
title: {en: Gifts, zh: 礼品（含酒）}
currency: CNY
parameters:
  petty:
    title: {en: Petty gift, zh: 小额“礼品”}
    type: money
    value: 200
    clause: 5.1
inputs:
  price: {type: money, min: 0}
  kind: {type: enum, values: {tea: {en: Tea, zh: 茶叶}, wine: {en: Wine, zh: 酒}}}
  paid: {type: boolean}
decisions:
  approval:
    title: {en: "Who approves?", zh: 谁审批}
    hit_policy: first
    outputs: {approver: {type: enum, values: [nobody, head]}}
    rules:
      - id: petty
        clause: 5.1
        when: {price: "<= petty", kind: tea}
        then: {approver: nobody}
      - id: rest
        clause: [5.2, 5.3]
        when: {paid: true}
        then: {approver: head}
    default: {id: none-comes, clause: 5.3, then: {approver: nobody}}
"""


def found(old, new):
    assert BOOK.count(old) == 1
    source = Source("gifts.yaml", BOOK.replace(old, new))
    return [(f"{f.span.line}:{f.span.column}", f.help) for f in check_source(source)[1].errors]


def test_the_book_itself_has_no_fault():
    assert check_source(Source("gifts.yaml", BOOK))[1].ok


@pytest.mark.parametrize(
    ("old", "new", "place", "help_text"),
    [
        ("    value: 200", "    value：200", "8:10", "write the half-width `:`, not `：`"),
        ("    value: 200", "    value:200", "8:10", "write a blank after `:`"),
        ("    value: 200", "　　value: 200", "8:1", "write the half-width blank; this one is another character"),
        ("    value: 200", "\u00a0   value: 200", "8:1", "write the half-width blank; this one is another character"),
        ("    value: 200", "\tvalue: 200", "8:1", "indent with spaces; a tab is not allowed"),
        (
            "    value: 200",
            "   value: 200",
            "8:4",
            "this line is indented by 3, the one before by 4; keys that belong together begin in the same column",
        ),
        (
            "        when: {paid: true}",
            "      when: {paid: true}",
            "26:7",
            "this line is indented by 6, the one before by 8; keys that belong together begin in the same column",
        ),
        ("      - id: rest", "      -id: rest", "24:7", "write a blank after `-`"),
        ("      - id: rest", "      － id: rest", "24:7", "write the half-width `-`, not `－`"),
        ("when: {paid: true}", "when: ｛paid: true｝", "26:15", "write the half-width `{`, not `｛`"),
        ("when: {paid: true}", "when: {paid： true}", "26:16", "write the half-width `:`, not `：`"),
        ("{en: Petty gift, zh", "{en: Petty gift，zh", "6:27", "write the half-width `,`, not `，`"),
        ("zh: 小额“礼品”}", "zh: 小额“礼品”｝", "6:39", "write the half-width `}`, not `｝`"),
        ("[5.2, 5.3]", "[5.2，5.3]", "25:18", "write the half-width `,`, not `，`"),
        ('"<= petty"', '"<= petty', "22:23", "this quote is closed nowhere; close it where the text ends"),
        ('{en: "Who approves?",', '{en: "Who approves?,', "16:17", "this quote is closed on line 22 only; close it where the text ends"),
        ('"<= petty"', "“<= petty”", "22:23", 'write the half-width `"`, not `“`'),
        (
            '"<= petty"',
            '<= petty"',
            "22:31",
            "a quote is missing: a text stands between two, and so does a whole test that YAML would misread",
        ),
        ("kind: tea}", "kind: 茶叶}", "22:41", "did you mean `tea`?"),
        ("kind: tea}", "kind: 烟}", "22:41", "allowed: `tea`, `wine`"),
        ("paid: true}", "paid: yes}", "26:22", "write `true` or `false`"),
        ("    clause: 5.1\ninputs:", "  clause: 5.1\ninputs:", "9:3", "indent it as the other keys of the parameter above"),
        ("    value: 200", "    value: 200\n    values: [{from: 2026-01-01, value: 5}]", "9:13", "keep `values` where the figure is dated"),
        ("    value: 200", "    value: plenty", "8:12", "a plain value stands here, such as `500` or `30%`"),
        ("id: rest", "id: The Rest", "24:13", "such as `the-rest`"),
        ("id: rest", "id: petty", "24:13", "give one of them another id"),
        (
            "    value: 200",
            "<<<<<<< HEAD\n    value: 200\n=======\n    value: 300\n>>>>>>> mine",
            "8:1",
            "git could not merge two versions: keep what is right of both, and remove the lines `<<<<<<<`, `=======`, `>>>>>>>`",
        ),
    ],
)
def test_a_slip_is_shown_where_it_is(old, new, place, help_text):
    assert (place, help_text) in found(old, new)


def test_a_day_that_does_not_exist_is_the_only_fault():
    assert [h for _, h in found("value: 200", "values: [{from: 2026-02-30, value: 1}, {from: 2026/3/1, value: 2}]")] == [
        "write a date as `2026-03-25`",
        "write a date as `2026-03-25`",
    ]


def test_a_value_that_ends_too_late():
    _, report = check_source(
        Source(
            "gifts.yaml",
            BOOK.replace(
                "value: 200", "values:\n      - {from: 2026-01-01, to: 2026-06-30, value: 1}\n      - {from: 2026-06-30, value: 2}"
            ),
        )
    )
    assert [(f.message, f.help) for f in report.errors] == [
        (
            "two values of parameter `petty` hold on 2026-06-30",
            "leave `to` out: a value holds until the next begins",
        )
    ]


def test_wide_characters_within_sentences_are_no_slips():
    text = BOOK.replace("when: {paid: true}", "when: {paid: true")
    (finding,) = load(Source("gifts.yaml", text))[1].errors
    assert (finding.span.line, finding.help) == (27, "check the indentation, the brackets and the quotes on this line and the one before")


def test_a_line_without_end_is_looked_at_in_part_only():
    (finding,) = load(Source("gifts.yaml", "policy: be: 100}" + "x" * 1_000_000))[1].errors
    assert finding.span.line == 1

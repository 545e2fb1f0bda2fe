"""What the canonical form is: one text in, the wanted text out, and again the same."""

from __future__ import annotations

import textwrap

import pytest

from policybook.diagnostics import Code
from policybook.fmt import format as fmt
from policybook.fmt.format import UnfaithfulError, format_text
from policybook.fmt.order import FREE, SHAPES
from policybook.source import Source


def form(text: str) -> str:
    new, report = format_text(Source("book.yaml", text))
    assert new is not None, report.render({})
    assert format_text(Source("book.yaml", new))[0] == new
    return new


def block(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


CASES = {
    "keys take their places, names keep theirs": (
        """
        decisions:
          b:
            rules:
              - {then: {z: 1, a: 2}, when: {y: 1, b: 2}, id: r}
            outputs: {z: {title: Z, type: integer}, a: {type: integer}}
            hit_policy: first
          a: {rules: [], outputs: {}, hit_policy: first}
        inputs:
          y: {title: {zh: 乙, en: Y}, optional: true, type: integer}
          b: {type: enum, values: {two: {zh: 二, en: Two}, one: }}
        unknown: 1
        title: T
        policy: p
        """,
        """
        policy: p
        title: T

        inputs:
          y: {type: integer, optional: true, title: {en: Y, zh: 乙}}
          b: {type: enum, values: {two: {en: Two, zh: 二}, one: }}

        decisions:
          b:
            hit_policy: first
            outputs: {z: {type: integer, title: Z}, a: {type: integer}}
            rules:
              - {id: r, when: {y: 1, b: 2}, then: {z: 1, a: 2}}
          a: {hit_policy: first, outputs: {}, rules: []}
        unknown: 1
        """,
    ),
    "test tables": (
        """
        cases:
        - given: {b: 1, a: 2}
          rows: [y, x]
          id: c
        as_of: 2026-01-01
        policy: p
        """,
        """
        policy: p
        as_of: 2026-01-01

        cases:
          - id: c
            given: {b: 1, a: 2}
            rows: [y, x]
        """,
    ),
    "calendars": (
        """
        years:
            2026:
                working_days: []
                holidays:
                -   {to: 2026-01-03, from: 2026-01-01}
        weekend: [saturday]
        calendar: c
        """,
        """
        calendar: c
        weekend: [saturday]

        years:
          2026:
            holidays:
              - {from: 2026-01-01, to: 2026-01-03}
            working_days: []
        """,
    ),
    "clauses": (
        """
        clauses:
        -   {en: E, id: "1", text: T, repaired: [{restored: b, damaged: a}]}
        """,
        """
        clauses:
          - {id: "1", text: T, en: E, repaired: [{damaged: a, restored: b}]}
        """,
    ),
    "a comment goes where its key goes": (
        """
        # about the file

        # about the title
        title: T   # the title's
        # about the policy
        policy: p # the policy's
        """,
        """
        # about the file

        # about the policy
        policy: p  # the policy's
        # about the title
        title: T  # the title's
        """,
    ),
    "a line for a program stays at the top": (
        """
        # yaml-language-server: $schema=book.schema.json
        # about the title
        title: T
        policy: p
        """,
        """
        # yaml-language-server: $schema=book.schema.json
        policy: p
        # about the title
        title: T
        """,
    ),
    "a comment ends the block that it stands in": (
        """
        policy: p
        inputs:   # heads the inputs
            # about a
            a: integer
            b:
                type: integer
                # ends b
            # ends the inputs
        # about the decisions
              # and so is this, being below it
        decisions:
            d:
                rules:
                -   id: r
                    # ends the row
                # ends the rules
                # so does this
            # ends the decisions
        # ends the file
        """,
        """
        policy: p

        inputs:  # heads the inputs
          # about a
          a: integer
          b:
            type: integer
            # ends b
          # ends the inputs

        # about the decisions
        # and so is this, being below it
        decisions:
          d:
            rules:
              - id: r
                # ends the row
              # ends the rules
              # so does this
          # ends the decisions
        # ends the file
        """,
    ),
    "a comment between dash and key is above the dash": (
        """
        policy: p
        x:
        - # heads the item
          a: 1
        -
          # about the item
          a: 1
        - then: 1
          # never ordered
          id: r
        decisions:
          d:
            rules:
            - then: 1
              # about the id
              id: r
        """,
        """
        policy: p

        decisions:
          d:
            rules:
              # about the id
              - id: r
                then: 1
        x:
          - # heads the item
            a: 1
          # about the item
          - a: 1
          - then: 1
            # never ordered
            id: r
        """,
    ),
    "comments between brackets": (
        """
        policy: p
        x: [ # of the list
          a, # of a
          # above b
          b
          # at the end
        ] # of x
        y: {k: 1, l: [2, # of two
            3]}
        """,
        """
        policy: p
        x: [  # of the list
            a,  # of a
            # above b
            b
            # at the end
          ]  # of x
        y: {
            k: 1,
            l: [
              2,  # of two
              3
            ]
          }
        """,
    ),
    "comments between a key and its value": (
        """
        policy: p
        a: # one
          value
        b:
          # two
          value  # three
        c: # four
          >-  # five
          text
        d: # six
          [a]
        e:
        """,
        """
        policy: p
        a: value  # one
        # two
        b: value  # three
        # four
        c: >-  # five
          text
        # six
        d: [a]
        e:
        """,
    ),
    "brackets over several lines": (
        """
        policy: p
        joined: [a,
          b, {c: d,
          e: f}]
        kept: [
          a, b, ]
        empty: [
        ]
        """,
        """
        policy: p
        joined: [a, b, {c: d, e: f}]
        kept: [
            a,
            b
          ]
        empty: []
        """,
    ),
    "one blank, where the author did not begin a column": (
        """
        policy: p
        x:
          a:   {k:1,  l :  [ a,b ] }
        y:
          a: 1
          long:    2
          longest: {}
          # a comment ends the run
          b:  3

          c: 4
          text: |
            x
          d:  5
          e: 6
        """.replace("k:1", '"k":1'),
        """
        policy: p
        x:
          a: {"k": 1, l: [a, b]}
        y:
          a:       1
          long:    2
          longest: {}
          # a comment ends the run
          b: 3

          c: 4
          text: |
            x
          d: 5
          e: 6
        """,
    ),
    "scalars stay as they are written": (
        r"""
        policy: 'p'
        a: "x\u4e2d"
        b: '0.50'
        c: 010
        d: "> 5"
        e: NO
        f: it's # a comment
        g: http://x#y
        h: ~
        i: !  x
        """,
        r"""
        policy: 'p'
        a: "x\u4e2d"
        b: '0.50'
        c: 010
        d: "> 5"
        e: NO
        f: it's  # a comment
        g: http://x#y
        h: ~
        i: !  x
        """,
    ),
    "sentences over several lines": (
        """
        policy: p
        a:
              first
                second

              third
        b: "first \\
            second
            \\ third\\@
            fourth"
        c: 'first
          second'
        """,
        """
        policy: p
        a: first
          second

          third
        b: "first \\
          second
          \\ third\\@
          fourth"
        c: 'first
          second'
        """,
    ),
    "blocks of text": (
        """
        policy: p
        a: |4
              more
            less

        b: >+

            x
              y


        c: |-
              # no comment

            # a comment
        d:
        -   |
             x
        e: |
        """,
        """
        policy: p
        a: |2
            more
          less

        b: >+

          x
            y


        c: |-
          # no comment

        # a comment
        d:
          - |
            x
        e: |
        """,
    ),
    "blank lines": (
        """


        # head



        policy: p
        inputs:

          a: integer



          b: integer

        decisions:

          # ---- part

          d1:

            hit_policy: first
            outputs:
              a: integer
          d2:
            hit_policy: first
          # about d3
          d3:
            hit_policy: first


        """,
        """
        # head

        policy: p

        inputs:
          a: integer

          b: integer

        decisions:

          # ---- part

          d1:
            hit_policy: first
            outputs:
              a: integer

          d2:
            hit_policy: first

          # about d3
          d3:
            hit_policy: first
        """,
    ),
    "signs that are not needed": (
        """
        # head
        ---
        ? policy
        : p
        ? x  # of x
        : - - a
            - b
          -
            - [k: v, {k: v}]
        ...
        # end
        """,
        """
        # head
        policy: p
        x:  # of x
          - - a
            - b
          - - [k: v, {k: v}]
        # end
        """,
    ),
    "a book as JSON": (
        """
        {"title": "T",
         "policy": "p", "inputs": {}}
        """,
        """
        {"policy": "p", "title": "T", "inputs": {}}
        """,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_canonical_form(name: str) -> None:
    # `@` stands for a blank at a line's end, which an editor would take away.
    text, wanted = (block(part).replace("@\n", " \n") for part in CASES[name])
    assert form(text) == wanted
    assert form(wanted) == wanted


def test_every_form_of_a_key_is_known_to_the_formatter() -> None:
    known = SHAPES.keys() | FREE
    for shape in SHAPES.values():
        assert {shape.each, *(shape.keys or {}).values()} <= known | {""}


def test_line_ends_byte_order_mark_and_the_last_line() -> None:
    wanted = "policy: p\ntitle: T\n"
    for text in ("policy: p\r\ntitle: T\r\n", "policy: p\rtitle: T", "\ufeffpolicy: p\ntitle: T", "policy: p   \ntitle: T\t\n\n\n"):
        assert form(text) == wanted


def test_a_text_without_a_last_line_end_gets_none_into_its_meaning() -> None:
    assert form("policy: p\nnote: |\n  x") == "policy: p\nnote: |-\n  x\n"


def test_a_line_that_stands_alone_is_never_broken() -> None:
    line = "policy: p\nx: [" + ", ".join(f"word{i}" for i in range(60)) + "]\n"
    assert form(line) == line
    broken = form(line.replace("word30, ", "word30,\n  "))
    assert len(broken.splitlines()) == 1 + 62
    assert form(line.replace("[", "[\n ")) == broken


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("policy: [", Code.YAML_SYNTAX, "not YAML: did not find expected node content"),
        ("policy: &a p", Code.YAML_FEATURE, "`&a`: anchors and aliases are not used in books"),
        ("policy: p\npolicy: q", Code.DUPLICATE_KEY, "the key `policy` stands twice; first on line 1"),
        ("policy: p\nx:\n\t- a", Code.YAML_SYNTAX, "not YAML: a character that cannot start any token"),
        ("", Code.EMPTY, "the file holds no book"),
        ("# nothing", Code.EMPTY, "the file holds no book"),
        ("- a", Code.WRONG_SHAPE, "a book must be keys with values, this is a list"),
        ("services: {web: {image: x}}", Code.UNKNOWN_KEY, "a book has no key `services`"),
        ("%YAML 1.1\n---\npolicy: p", Code.YAML_FEATURE, "a directive (`%`) stands above the text, which is not formatted"),
        ("policy: p\nx: 'a\u2028b'", Code.NOT_TEXT, "a line break that cannot be seen (U+2028) stands in the text"),
        ("policy: p\n? |\n  x\n: y", Code.YAML_FEATURE, "a key over several lines is not formatted"),
        ("policy: p\n?\n: y", Code.YAML_FEATURE, "an empty key is not formatted"),
        ("policy: p\n? " + "x" * 1500 + "\n: y", Code.YAML_FEATURE, "a very long key is not formatted"),
        ("policy: p\nx: |2\n     \n", Code.YAML_FEATURE, "a text of blanks alone is not formatted"),
        ("policy: p\nx: " + "[" * 50 + "]" * 50, Code.TOO_LARGE, "the text is nested more than 24 deep"),
        ("policy: p\nx: \x00", Code.NOT_TEXT, "a control character stands in the text"),
        ("policy: p\nx: \ud800", Code.NOT_TEXT, "the text holds a lone surrogate at character 14"),
    ],
)
def test_what_is_left_alone(text: str, code: Code, message: str) -> None:
    new, report = format_text(Source("book.yaml", text))
    assert new is None
    assert (report.findings[0].code, report.findings[0].message) == (code, message)


def test_a_book_with_errors_of_its_own_is_formatted() -> None:
    assert form("inputs: {a: nothing}\npolicy: p\n") == "policy: p\ninputs: {a: nothing}\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("a: 1", "a: 2"), "would say something else"),
        (lambda text: text.replace("a: 1", 'a: "1"'), "would say something else"),
        (lambda text: text.replace("{a: 1, b: 2}", "{b: 2, a: 1}"), "would say something else"),
        (lambda text: text.replace("x: [1, 2]", "x: [2, 1]"), "would say something else"),
        (lambda text: text.replace("policy", "&a policy"), "would say something else"),
        (lambda text: text.replace("# why", "# wh"), "would lack a comment"),
        (lambda text: text.replace("  # why", ""), "would lack a comment"),
        (lambda text: text + "\n", "would be formatted otherwise the next time"),
    ],
)
def test_a_formatter_that_errs_is_not_believed(change: object, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(change)
    real, calls = fmt.write, []

    def wrong(layout: object) -> str:
        calls.append(layout)
        text = real(layout)  # type: ignore[arg-type]  # handed on
        return str(change(text)) if len(calls) == 1 else text

    monkeypatch.setattr(fmt, "write", wrong)
    with pytest.raises(UnfaithfulError, match=message):
        format_text(Source("book.yaml", "policy:  p  # why\n\ndecisions: {d: {rules: [{id: r, then: {a: 1, b: 2}}]}}\n\nx: [1, 2]\n"))


def test_a_large_text_is_formatted() -> None:
    rows = "".join(f"      - {{then: {{a: {i}}},   id: r{i}}} # {i}\n" for i in range(4000))
    new = form("policy: p\ndecisions:\n  d:\n    rules:\n" + rows)
    assert new.count("  # ") == 4000
    assert "- {id: r3999, then: {a: 3999}}  # 3999\n" in new
    assert form("policy: p\n" + "# c\n" * 50_000 + "\n" * 50_000).count("# c\n") == 50_000

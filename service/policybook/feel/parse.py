"""Text to tree, by the grammar in grammar.lark."""

from __future__ import annotations

import re
from importlib import resources
from itertools import pairwise
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedEOF, UnexpectedToken, v_args
from lark.exceptions import VisitError

from policybook.diagnostics import wide_help
from policybook.feel import nodes as n
from policybook.values import parse_date, parse_duration, parse_number, parse_period, parse_time

MAX_LENGTH = 4000
# LIMIT: the tree is walked recursively; deeper text is not something a person wrote.
MAX_DEPTH = 40
# `a + b + c` is as deep as it is long.
MAX_STEPS = 90
# Characters of texts whose trees are kept, of tests and of expressions each.
MAX_REMEMBERED = 1024 * 1024


class FeelError(ValueError):
    """The text is not in the language; offsets count characters of the text."""

    def __init__(self, message: str, start: int, end: int, help_text: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end
        self.help = help_text


def _unescape(text: str) -> str:
    out: list[str] = []
    chars = iter(text)
    for c in chars:
        if c != "\\":
            out.append(c)
            continue
        escaped = next(chars, "")
        out.append({"n": "\n", "t": "\t"}.get(escaped, escaped))
    return "".join(out)


@v_args(meta=True)
class _Builder(Transformer[Token, Any]):
    """Turns parse nodes into our trees."""

    def _at(self, meta: Any) -> dict[str, int]:
        if meta.empty:
            return {}
        return {"start": meta.start_pos, "end": meta.end_pos}

    def any_test(self, meta: Any, _: list[Any]) -> n.Test:
        return n.AnyTest(**self._at(meta))

    def single(self, meta: Any, c: list[Any]) -> n.Test:
        return c[0]  # type: ignore[no-any-return]

    def one_of(self, meta: Any, c: list[Any]) -> n.Test:
        _no_grouped_number(c)
        return n.OneOfTest(tuple(c), **self._at(meta))

    def equal_test(self, meta: Any, c: list[Any]) -> n.Test:
        if isinstance(c[0], n.Null):
            return n.NullTest(**self._at(meta))
        return n.EqualTest(c[0], **self._at(meta))

    def compare_test(self, meta: Any, c: list[Any]) -> n.Test:
        return n.CompareTest(str(c[0]), c[1], **self._at(meta))

    def interval_test(self, meta: Any, c: list[Any]) -> n.Test:
        _, low, high, close = c
        return n.IntervalTest(low, high, False, close == "]", **self._at(meta))

    def interval_from_test(self, meta: Any, c: list[Any]) -> n.Test:
        low, high, close = c
        return n.IntervalTest(low, high, True, close == "]", **self._at(meta))

    def none_of(self, meta: Any, c: list[Any]) -> n.Test:
        _no_grouped_number(c[1:-1])
        return n.NoneOfTest(tuple(c[1:-1]), **self._at(meta))

    def contains_one(self, meta: Any, c: list[Any]) -> n.Test:
        return n.ContainsTest(True, (c[0],), **self._at(meta))

    def contains_any(self, meta: Any, c: list[Any]) -> n.Test:
        return n.ContainsTest(False, tuple(c[1:-1]), **self._at(meta))

    def contains_all(self, meta: Any, c: list[Any]) -> n.Test:
        return n.ContainsTest(True, tuple(c[1:-1]), **self._at(meta))

    def in_test(self, meta: Any, c: list[Any]) -> n.Test:
        return n.InTest(c[0], **self._at(meta))

    def if_(self, meta: Any, c: list[Any]) -> n.Expr:
        return n.If(c[0], c[1], c[2], **self._at(meta))

    def or_(self, meta: Any, c: list[Any]) -> n.Expr:
        return n.Logic("or", c[0], c[1], **self._at(meta))

    def and_(self, meta: Any, c: list[Any]) -> n.Expr:
        return n.Logic("and", c[0], c[1], **self._at(meta))

    def not_(self, meta: Any, c: list[Any]) -> n.Expr:
        return n.Not(c[1], **self._at(meta))

    def compare(self, meta: Any, c: list[Any]) -> n.Expr:
        return n.Comparison(str(c[1]), c[0], c[2], **self._at(meta))

    def member(self, meta: Any, c: list[Any]) -> n.Expr:
        return n.Member(c[0], c[1], **self._at(meta))

    def arithmetic(self, meta: Any, c: list[Any]) -> n.Expr:
        return n.Arithmetic(str(c[1]), c[0], c[2], **self._at(meta))

    def negation(self, meta: Any, c: list[Any]) -> n.Expr:
        return n.Negation(c[1], **self._at(meta))

    def percent(self, meta: Any, c: list[Any]) -> n.Expr:
        return n.Number(parse_number(c[0][:-1].strip()) / 100, True, **self._at(meta))

    def number(self, meta: Any, c: list[Any]) -> n.Expr:
        return n.Number(parse_number(c[0]), False, **self._at(meta))

    def string(self, meta: Any, c: list[Any]) -> n.Expr:
        return n.String(_unescape(c[0][1:-1]), **self._at(meta))

    def datetime(self, meta: Any, c: list[Any]) -> n.Expr:
        return n.Temporal(str(c[0]), **self._at(meta))

    def date(self, meta: Any, c: list[Any]) -> n.Expr:
        return n.Temporal(parse_date(c[0]), **self._at(meta))

    def time(self, meta: Any, c: list[Any]) -> n.Expr:
        return n.Temporal(parse_time(c[0]), **self._at(meta))

    def duration(self, meta: Any, c: list[Any]) -> n.Expr:
        text = str(c[0])
        before_time = text.partition("T")[0]
        if "Y" in before_time or "M" in before_time:
            return n.Temporal(parse_period(text), **self._at(meta))
        return n.Temporal(parse_duration(text), **self._at(meta))

    def true(self, meta: Any, _: list[Any]) -> n.Expr:
        return n.Boolean(True, **self._at(meta))

    def false(self, meta: Any, _: list[Any]) -> n.Expr:
        return n.Boolean(False, **self._at(meta))

    def null(self, meta: Any, _: list[Any]) -> n.Expr:
        return n.Null(**self._at(meta))

    def name(self, meta: Any, c: list[Any]) -> n.Expr:
        return n.Name(tuple(map(str, c)), **self._at(meta))

    def call(self, meta: Any, c: list[Any]) -> n.Expr:
        arguments = tuple(a for a in c[2:-1] if a is not None)
        return n.Call(str(c[0]), arguments, **self._at(meta))

    def list_of(self, meta: Any, c: list[Any]) -> n.Expr:
        return n.ListOf(tuple(a for a in c[:-1] if a is not None), **self._at(meta))

    def group(self, meta: Any, c: list[Any]) -> n.Expr:
        return c[1]  # type: ignore[no-any-return]


_PARSER = Lark(
    (resources.files(__package__) / "grammar.lark").read_text(encoding="utf-8"),
    parser="lalr",
    start=["tests", "expression"],
    propagate_positions=True,
    maybe_placeholders=True,
)
_BUILDER = _Builder()


_PLAIN_NUMBER = re.compile(r"(\d{1,15})(%?)\Z", re.ASCII)


def _no_grouped_number(tests: list[Any]) -> None:
    """Refuse `< 1,000`: two numbers to the grammar, one to whoever wrote it."""
    for before, after in pairwise(tests):
        numbers = (
            isinstance(after, n.EqualTest) and isinstance(after.value, n.Number) and isinstance(getattr(before, "value", None), n.Number)
        )
        if numbers and (after.start - before.end, after.end - after.start) == (1, 3):
            help_text = "write `1000` for one number, a blank after the comma for two"
            raise FeelError("a comma without a blank between digits", before.end, after.end, help_text)


def _check_depth(text: str) -> None:
    depth = worst = 0
    for i, c in enumerate(text):
        if c in "([":
            depth += 1
            if depth > MAX_DEPTH:
                raise FeelError(f"brackets are nested more than {MAX_DEPTH} deep", i, i + 1)
            worst = max(worst, depth)
        elif c in ")]":
            depth -= 1
    # `- - - x` and `if` chains nest without brackets.
    if text.count("-") > 20 * MAX_DEPTH or text.count("if ") > MAX_DEPTH or text.count("+") + text.count("*") > 10 * MAX_DEPTH:
        raise FeelError("the expression is too long", 0, len(text), "name its parts under `values`")


def _parse(text: str, start: str) -> Any:
    plain = _PLAIN_NUMBER.match(text) if start == "expression" else None
    if plain:
        # What most cells of `then` hold; the grammar says the same at twenty times the cost.
        whole = parse_number(plain.group(1))
        return n.Number(whole / 100 if plain.group(2) else whole, bool(plain.group(2)), start=0, end=len(text))
    if len(text) > MAX_LENGTH:
        raise FeelError(f"an expression may have at most {MAX_LENGTH:,} characters", 0, 1)
    _check_depth(text)
    try:
        tree: n.Node = _BUILDER.transform(_PARSER.parse(text, start=start))
    except UnexpectedCharacters as e:
        at: int = e.pos_in_stream  # type: ignore[assignment] # lark sets it, but declares None
        raise FeelError(f"`{text[at]}` does not belong here", at, at + 1, _hint(text, at)) from None
    except UnexpectedEOF:
        raise FeelError("the text ends too early", max(0, len(text) - 1), len(text)) from None
    except UnexpectedToken as e:
        token = e.token
        if token.type == "$END":
            raise FeelError("the text ends too early", max(0, len(text) - 1), len(text), _expected(e)) from None
        at = token.start_pos or 0
        raise FeelError(f"`{token}` does not belong here", at, at + len(token), _hint(text, at) or _expected(e)) from None
    except VisitError as e:
        if isinstance(e.orig_exc, FeelError):
            raise e.orig_exc from None
        raise FeelError(str(e.orig_exc), 0, len(text), wide_help(text)) from None
    except RecursionError:
        raise _too_deep(text) from None
    if len(text) > MAX_STEPS and n.depth(tree) > MAX_STEPS:
        raise _too_deep(text)
    return tree


def _too_deep(text: str) -> FeelError:
    return FeelError(f"the expression has more than {MAX_STEPS} steps one inside the other", 0, len(text), "name its parts under `values`")


# What people write instead of the language, where the parser stopped, and what to write.
_HINTS = tuple(
    (re.compile(pattern), help_text)
    for pattern, help_text in (
        (r"=([<>])", r"write `\1=`"),
        (r"==|\A=", "for equality write the value alone"),
        ("'", 'text stands in double quotes: "..."'),
        (r"(?<=<)>|≠", "write `not(..)`"),
        ("≤", "write `<=`"),
        ("≥", "write `>=`"),
        ("×", "write `*`"),
        ("÷", "write `/`"),
        (r"&&|\|\||!", "write `and`, `or`, `not(..)`"),
        (r"(?:(?<=\d)|(?<=\d )) ?(?:\.\.|[-–—~～])", "write an interval in brackets: `[1..5]`"),
        (r"(?<=\d),\d{3}(?!\d)", "write a number without separators: `1000`, not `1,000`"),
        (r"[$¥￥]", "write an amount without its currency sign; the book states the currency"),
        (r"(?:\d+|(?<=\d)) ?年", "write a date as `2026-03-25`"),
        (r"(?:[\d.]+|(?<=\d)|(?<=\d )) ?([A-Z]{3}\b|[^\W\da-zA-Z_]+)", r"write the number alone, without `\1`"),
        ("#", "write a blank before the `#` of a remark"),
        ("of ", "write `*`: `1/4 * credit_limit`"),
    )
)


def _hint(text: str, at: int) -> str:
    if text.startswith(("and ", "or "), at) and not text.lstrip().startswith("if "):
        return (
            "a test has no `and`, `or`: write an interval such as `(3..5)`, alternatives with a comma, or name the condition under `values`"
        )
    if text.startswith('"', at) and text.count('"') % 2:
        return "a quote is missing: a text stands between two, and so does a whole test that YAML would misread"
    found = next(((m, help_text) for pattern, help_text in _HINTS if (m := pattern.match(text, at))), None)
    return found[0].expand(found[1]) if found else wide_help(text[at : at + 1])


_WORDS = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": 'a "text"',
    "DATE": "a date",
    "CLOSE": "`)`",
    "OPEN": "`(`",
    "SQUARE": "`]`",
    "COMMA": "`,`",
    "COMPARE": "a comparison",
    "$END": "the end",
    "__ANON_0": "`..`",
    "ELSE": "`else`",
    "THEN": "`then`",
    "MINUS": "`-`",
}


def _expected(e: UnexpectedToken) -> str:
    names = sorted({_WORDS[t] for t in (e.expected or ()) if t in _WORDS})
    return f"expected here: {', '.join(names)}" if names else ""


class _Memory:
    """Remembers what was read: most cells of a book come again and again.

    INVARIANT: a tree takes up to 100 bytes a character, and callers of a service choose the texts; so it is characters that are counted.
    """

    def __init__(self, start: str) -> None:
        self._start = start
        self._trees: dict[str, Any] = {}
        self._characters = 0

    def __call__(self, text: str) -> Any:
        found = self._trees.get(text)
        if found is None:
            found = _parse(text, self._start)
            self._characters += len(text)
            if self._characters > MAX_REMEMBERED:
                self._trees = {}
                self._characters = len(text)
            self._trees[text] = found
        return found


_tests = _Memory("tests")
_expressions = _Memory("expression")


def parse_test(text: str) -> n.Test:
    """Read a unary test.

    Raises:
        FeelError: not in the language
    """
    found: n.Test = _tests(text)
    return found


def parse_expression(text: str) -> n.Expr:
    """Read an expression.

    Raises:
        FeelError: not in the language
    """
    found: n.Expr = _expressions(text)
    return found

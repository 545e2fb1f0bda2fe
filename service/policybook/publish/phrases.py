"""Tests and expressions in words. Names stand by their titles, figures by their value of the day."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from fractions import Fraction
from typing import assert_never

from policybook.model import formula as m
from policybook.model.book import Book, Decision, Parameter
from policybook.model.formula import Formula, Role, Test
from policybook.model.kinds import PLAIN_NUMBERS, Base, Kind, Text
from policybook.model.wording import figure_text
from policybook.publish.view import Link, Phrase, Piece
from policybook.values import Value

Pieces = tuple[Piece, ...]

_THOUSANDS = re.compile(r"(?<![\d.])\d{4,}(?![\d/])")
# Below it a number may be a year; it is read without a separator as well.
_GROUPED_FROM = 10_000
_YES, _NO = Text("yes", "是"), Text("no", "否")
_NOTHING = Text("nothing", "无")

_OPERATORS = {"*": "×", "-": "−", "/": "÷", "<=": "≤", ">=": "≥", "!=": "≠"}
_RANK = {"or": 1, "and": 2, "=": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "+": 4, "-": 4, "*": 5, "/": 5}
_ATOM = 9

# `{}` is all arguments, `{0}` the first.
FUNCTIONS: Mapping[str, Text] = {
    "min": Text("the least of ({})", "（{}）中的最小者"),
    "max": Text("the greatest of ({})", "（{}）中的最大者"),
    "sum": Text("the sum of ({0})", "（{0}）之和"),
    "count": Text("the count of ({0})", "（{0}）的个数"),
    "abs": Text("the amount of ({0}) without its sign", "（{0}）的绝对值"),
    "floor": Text("({0}) rounded down to a whole number", "（{0}）向下取整"),
    "ceiling": Text("({0}) rounded up to a whole number", "（{0}）向上取整"),
    "round": Text("({0}) rounded to {1} decimals", "（{0}）四舍五入至 {1} 位小数"),
    "date": Text("the day of ({0})", "（{0}）之日"),
    "datetime": Text("{0} at {1}", "{0} {1}"),
    "time": Text("the time of day of ({0})", "（{0}）的时刻"),
    "year": Text("the year of {0}", "{0}的年份"),
    "month": Text("the month of {0}", "{0}的月份"),
    "day": Text("the day of the month of {0}", "{0}的日"),
    "weekday": Text("the day of the week of {0} (1 is Monday)", "{0}为星期几（1 为星期一）"),
    "month_start": Text("the first day of the month of {0}", "{0}当月首日"),
    "month_end": Text("the last day of the month of {0}", "{0}当月末日"),
    "quarter_start": Text("the first day of the quarter of {0}", "{0}当季首日"),
    "quarter_end": Text("the last day of the quarter of {0}", "{0}当季末日"),
    "half_year_start": Text("the first day of the half-year of {0}", "{0}当半年首日"),
    "half_year_end": Text("the last day of the half-year of {0}", "{0}当半年末日"),
    "year_start": Text("the first day of the year of {0}", "{0}当年首日"),
    "year_end": Text("the last day of the year of {0}", "{0}当年末日"),
    "end_of_day": Text("the end of {0}", "{0}日终"),
    "is_working_day": Text("{0} is a working day", "{0}为工作日"),
    "add_working_days": Text("{1} working days after {0}", "{0}后第 {1} 个工作日"),
    "next_working_day": Text("{0}, or else the next working day", "{0}（非工作日则为其后首个工作日）"),
    "working_days_between": Text("the working days after {0} up to {1}", "{0}之后至{1}的工作日数"),
    "modulo": Text("the remainder of ({0}) divided by {1}", "（{0}）除以 {1} 的余数"),
    "months_between": Text("the full months from {0} to {1}", "{0}至{1}的足月数"),
    "days_between": Text("the days from {0} to {1}", "{0}至{1}的天数"),
    "days": Text("{0} days", "{0} 天"),
    "hours": Text("{0} hours", "{0} 小时"),
    "coalesce": Text("the first that is given of ({})", "（{}）中首个已给出者"),
    "is_null": Text("{0} is not given", "{0}未给出"),
    "contains": Text("{0} hold {1}", "{0}含{1}"),
    "concat": Text("{0} together with {1}", "{0}及{1}"),
    "difference": Text("{0} without {1}", "{0}中除去{1}"),
    "first": Text("the first of {0}", "{0}中的第一个"),
    "last": Text("the last of {0}", "{0}中的最后一个"),
    "index_of": Text("the place of {1} in {0}", "{1}在{0}中的位次"),
    "distinct": Text("{0}, each once", "{0}（不重复）"),
    "next_in_turn": Text("whoever of {2} follows {1} in the order of {0}", "{2}中按{0}之序在{1}之后者"),
}
_COALESCE_TWO = Text("{0}, or {1} where that is not given", "{0}（未给出则为{1}）")
_DATE_OF_PARTS = Text("the date of year {0}, month {1}, day {2}", "{0} 年 {1} 月 {2} 日")
_BUILT_INS = {"as_of": Text("the day of the decision", "决策日"), "now": Text("the moment of the decision", "决策时刻")}
_LENGTHS = ("days", "hours")
_HOLE = re.compile(r"\{(\d?)\}")


def grouped(text: str) -> str:
    """Separate thousands: `1,000,000 CNY`."""
    return _THOUSANDS.sub(lambda found: f"{int(found.group()):,}", text)


@dataclass(frozen=True)
class Wording:
    """Words for one book on one day."""

    book: Book
    day: date

    # -- values --------------------------------------------------------------------------------------------------

    def value(self, value: Value, kind: Kind) -> Text:
        """Write a value as one says it: `500 CNY`, `yes`, an enum value by its title."""
        return Text(self._value(value, kind, "en"), self._value(value, kind, "zh"))

    def _value(self, value: Value, kind: Kind, language: str) -> str:
        match value:
            case None:
                return _NOTHING.get(language)
            case bool():
                return (_YES if value else _NO).get(language)
            case Fraction() if kind.base is Base.MONEY or (abs(value) >= _GROUPED_FROM and kind.base is not Base.FRACTION):
                return grouped(figure_text(value, kind, self.book.currency, language))
            case datetime():
                local = value.astimezone(self.book.zone)
                return local.strftime("%Y-%m-%d %H:%M:%S" if local.second else "%Y-%m-%d %H:%M")
            case time():
                return value.isoformat(timespec="minutes" if not (value.second or value.microsecond) else "auto")
            case tuple():
                if not value:
                    return _NOTHING.get(language)
                # A semicolon: titles have commas of their own.
                return ("、" if language == "zh" else "; ").join(self._value(v, kind.element or kind, language) for v in value)
            case str() if kind.base is Base.TEXT:
                return f"“{value}”"
            case Mapping():
                return _comma(language).join(self._field(name, inner, kind, language) for name, inner in value.items())
            case _:
                return figure_text(value, kind, self.book.currency, language)

    def _field(self, name: str, value: Value, kind: Kind, language: str) -> str:
        field = kind.field_named(name)
        title = (field.title.get(language) if field else "") or name
        return f"{title}{'：' if language == 'zh' else ': '}{self._value(value, field.kind if field else kind, language)}"

    # -- names ---------------------------------------------------------------------------------------------------

    def link(self, ref: m.Ref, decision: Decision | None = None) -> Link:
        """Say what a name stands for and where it is explained."""
        book, name = self.book, ref.name
        match ref.role:
            case Role.PARAMETER:
                return Link(book.parameter_by_name[name].title or named(name), f"figure.{book.name}.{name}", name)
            case Role.INPUT:
                return Link(book.input_by_name[name].title or named(name), f"fact.{book.name}.{name}", name)
            case Role.VALUE:
                own = next((v for v in decision.values if v.name == name), None) if decision else None
                if own is not None and decision is not None:
                    return Link(own.title or named(name), f"value.{book.name}.{decision.name}.{name}", name)
                return Link(book.value_by_name[name].title or named(name), f"value.{book.name}.{name}", name)
            case Role.OUTPUT:
                of, _, output = name.partition(".")
                return Link(self._output_title(book.decision_by_name[of], output), f"decision.{book.name}.{of}", name)
            case Role.ITEM:
                return Link(self._item_title(ref, decision), "", name)
            case Role.BUILT_IN:
                return Link(_BUILT_INS[name], "", name)
            case _:
                assert_never(ref.role)

    def _output_title(self, decision: Decision, output: str) -> Text:
        """Name an output of another decision, and that decision where others have one of the same name."""
        title = _title(decision, output)
        same = [d for d in self.book.decisions if any(_title(d, o.name) == title for o in d.outputs)]
        if len(same) == 1:
            return title
        of = decision.title or named(decision.name)
        return Text(f"{title.get('en')} (“{of.get('en')}”)", f"{title.get('zh')}（“{of.get('zh')}”）")

    def _item_title(self, ref: m.Ref, decision: Decision | None) -> Text:
        if decision is None or decision.for_each is None or not isinstance(decision.for_each.source, m.Ref):
            return named(ref.name)
        of = self.link(decision.for_each.source, decision).title
        return Text(f"each of: {of.get('en')}", f"逐项：{of.get('zh')}")

    # -- expressions ---------------------------------------------------------------------------------------------

    def phrase(self, formula: Formula, decision: Decision | None = None, kind: Kind | None = None) -> Phrase:
        """Write an expression in words.

        Args:
            decision: whose table it stands in
            kind: of the place that it is written in, for the titles of enum values
        """
        return Phrase(_Writer(self, decision, "en").formula(formula, kind), _Writer(self, decision, "zh").formula(formula, kind))

    def test(self, test: Test, decision: Decision, kind: Kind) -> Phrase:
        """Write a test in words; one that anything passes is empty."""
        return Phrase(_Writer(self, decision, "en").test(test, kind), _Writer(self, decision, "zh").test(test, kind))

    def figure_of_the_day(self, parameter: Parameter) -> Text:
        """Write a parameter's value, empty when none is in force."""
        dated = parameter.on(self.day)
        return self.value(dated.value, parameter.kind) if dated else Text()


def _title(decision: Decision, output: str) -> Text:
    field = decision.output(output)
    return (field.title if field else Text()) or named(output)


def named(name: str) -> Text:
    """Return a name for people where nobody gave a title."""
    words = name.replace("_", " ")
    return Text(words, words)


def _comma(language: str) -> str:
    return "、" if language == "zh" else ", "


def _plain(text: str) -> Pieces:
    return (Piece(text),)


@dataclass(frozen=True)
class _Writer:
    """Writes in one language."""

    wording: Wording
    decision: Decision | None
    language: str

    def say(self, en: str, zh: str) -> Pieces:
        return _plain(zh if self.language == "zh" else en)

    def joined(self, parts: Iterable[Pieces], between: Pieces) -> Pieces:
        out: Pieces = ()
        for part in parts:
            out += (*between, *part) if out else part
        return out

    # -- expressions

    def formula(self, f: Formula, kind: Kind | None = None, rank: int = 0) -> Pieces:
        """Write an expression, in parentheses when it binds less than `rank`."""
        mine, pieces = self._formula(f, kind)
        return (*self.say("(", "（"), *pieces, *self.say(")", "）")) if mine < rank else pieces

    def _formula(self, f: Formula, kind: Kind | None) -> tuple[int, Pieces]:
        match f:
            case m.Const(value, own):
                return _ATOM, self.constant(value, own, kind)
            case m.Ref():
                return _ATOM, self.name(f)
            case m.Get(source, _, _):
                return _ATOM, self.field(f, source)
            case m.Arith(op, left, right, _):
                return _RANK[op], self.operation(op, left, right)
            case m.Compare(op, left, right):
                return _RANK[op], self.operation(op, left, right, left.kind, right.kind)
            case m.Logic(op, left, right):
                word = self.say(f" {op} ", " 且 " if op == "and" else " 或 ")
                return _RANK[op], (*self.formula(left, rank=_RANK[op]), *word, *self.formula(right, rank=_RANK[op]))
            case m.Not(operand):
                return _RANK["and"], (*self.say("not ", "非"), *self.formula(operand, rank=_ATOM))
            case m.Choose(condition, then, otherwise, _):
                return 0, (
                    *self.say("if ", "若 "),
                    *self.formula(condition),
                    *self.say(" then ", " 则为 "),
                    *self.formula(then, kind),
                    *self.say(", otherwise ", "，否则 "),
                    *self.formula(otherwise, kind),
                )
            case m.Call(function, arguments, _):
                return (_ATOM if function in _LENGTHS else _RANK["*"]), self.call(function, arguments)
            case m.ListOf(items, _):
                element = kind.element if kind else None
                return _ATOM, self.joined((self.formula(i, element) for i in items), self.say("; ", "、")) or self.nothing()
            case m.Member(item, among):
                return _RANK["="], (*self.formula(item, rank=_ATOM), *self.say(" is one of ", " 属于 "), *self.formula(among, rank=_ATOM))
            case _:
                assert_never(f)

    def nothing(self) -> Pieces:
        return _plain(_NOTHING.get(self.language))

    def constant(self, value: Value, own: Kind, kind: Kind | None) -> Pieces:
        if kind is not None and own.base in (Base.ENUM, Base.TEXT, Base.LIST, Base.NULL) and kind.base is not Base.TEXT:
            own = kind.element if kind.base is Base.LIST and kind.element and not isinstance(value, tuple) else kind
        elif kind is not None and own.base in PLAIN_NUMBERS and kind.numeric:
            own = kind
        return _plain(self.wording.value(value, own).get(self.language))

    def name(self, ref: m.Ref) -> Pieces:
        if ref.role is Role.PARAMETER:
            return self.figure(ref)
        link = self.wording.link(ref, self.decision)
        return (Piece(link.title.get(self.language), "name", link.target),)

    def figure(self, ref: m.Ref, unit: str = "") -> Pieces:
        """Write a parameter: its value of the day, and what it is."""
        link = self.wording.link(ref)
        title = Piece(link.title.get(self.language), "name", link.target)
        value = self.wording.figure_of_the_day(self.wording.book.parameter_by_name[ref.name])
        if not value or ref.kind.base is Base.LIST:
            return (title,)
        opening, closing = ("（", "）") if self.language == "zh" else (" (", ")")
        return (Piece(value.get(self.language) + unit, "figure", link.target), Piece(opening), title, Piece(closing))

    def field(self, f: m.Get, source: Formula) -> Pieces:
        kind = source.kind.element if source.kind.base is Base.LIST and source.kind.element else source.kind
        field = kind.field_named(f.field)
        title = Piece(((field.title if field else Text()) or named(f.field)).get(self.language), "name")
        if isinstance(source, m.Ref) and source.role is Role.ITEM:
            return (title,)
        of = self.formula(source, rank=_ATOM)
        return (*of, Piece("的"), title) if self.language == "zh" else (title, Piece(" of "), *of)

    def operation(self, op: str, left: Formula, right: Formula, left_kind: Kind | None = None, right_kind: Kind | None = None) -> Pieces:
        rank = _RANK[op]
        # What follows a minus or a division keeps its parentheses at the same rank.
        stricter = rank + 1 if op in "-/" else rank
        sign = _plain(f" {_OPERATORS.get(op, op)} ")
        return (*self.formula(left, right_kind, rank), *sign, *self.formula(right, left_kind, stricter))

    def call(self, function: str, arguments: Sequence[Formula]) -> Pieces:
        template = FUNCTIONS[function]
        if function == "coalesce" and len(arguments) == 2:
            template = _COALESCE_TWO
        elif function == "date" and len(arguments) == 3:
            template = _DATE_OF_PARTS
        sentence, at = template.get(self.language), 0
        if len(arguments) == 1 and _is_simple(arguments[0]):
            sentence = sentence.replace("({0})", "{0}").replace("（{0}）", "{0}")
        if function in _LENGTHS and isinstance(arguments[0], m.Ref) and arguments[0].role is Role.PARAMETER:
            return self.figure(arguments[0], sentence.removeprefix("{0}"))
        written = [self.formula(a) for a in arguments]
        out: list[Piece] = []
        for hole in _HOLE.finditer(sentence):
            out.append(Piece(sentence[at : hole.start()]))
            out += written[int(hole.group(1))] if hole.group(1) else self.joined(written, self.say("; ", "；"))
            at = hole.end()
        out.append(Piece(sentence[at:]))
        return tuple(p for p in out if p.text)

    # -- tests

    def test(self, test: Test, kind: Kind) -> Pieces:
        match test:
            case m.Anything():
                return ()
            case m.IsNull():
                return self.say("not given", "未给出")
            case m.Equals(value):
                return self.formula(value, kind)
            case m.Compares(op, value):
                return (Piece(f"{_OPERATORS.get(op, op)} "), *self.formula(value, kind))
            case m.Between(low, high, low_included, high_included):
                return (
                    Piece("≥ " if low_included else "> "),
                    *self.formula(low, kind),
                    *self.say(" and ", " 且 "),
                    Piece("≤ " if high_included else "< "),
                    *self.formula(high, kind),
                )
            case m.OneOf(tests):
                return self.joined((self.part(t, kind) for t in tests), self.say(" or ", " 或 "))
            case m.NoneOf(tests):
                return self.none_of(tests, kind)
            case m.Contains(every, values):
                word = self.say("holds ", "含 ")
                if len(values) > 1:
                    word = self.say("holds all of: ", "全含：") if every else self.say("holds any of: ", "含其一：")
                element = kind.element
                return (*word, *self.joined((self.formula(v, element) for v in values), self.say("; ", "、")))
            case m.ElementOf(among):
                return (*self.say("one of: ", "属于："), *self.formula(among))
            case _:
                assert_never(test)

    def part(self, test: Test, kind: Kind) -> Pieces:
        """Write a test among others; an interval, which has an "and" of its own, in parentheses."""
        words = self.test(test, kind)
        return (*self.say("(", "（"), *words, *self.say(")", "）")) if isinstance(test, m.Between) else words

    def none_of(self, tests: Sequence[Test], kind: Kind) -> Pieces:
        """Write `not(..)`; null passes it unless it is named."""
        rest = [t for t in tests if not isinstance(t, m.IsNull)]
        given = self.say("given", "已给出") if len(rest) < len(tests) else ()
        if not rest:
            return given
        words = self.say("not ", "非 ") if len(rest) == 1 else self.say("none of: ", "均非：")
        between = self.say(", and ", "，且") if given else ()
        return (*given, *between, *words, *self.joined((self.part(t, kind) for t in rest), self.say("; ", "、")))


def _is_simple(f: Formula) -> bool:
    return isinstance(f, m.Const | m.Ref | m.Get)

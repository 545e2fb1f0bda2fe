"""Sentences with figures in them: `{over_limit_cap}` in `says` stands for the parameter's value of the day."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, time, timedelta
from fractions import Fraction

from policybook.model.book import Book, Row
from policybook.model.kinds import Base, Kind, Text
from policybook.values import Period, Value, decimal_text

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_YUAN = "元"
_AMOUNT = re.compile(rf"\S ([A-Z]{{3}})\Z|({_YUAN})\Z")
# Chinese writes these behind a figure without a space.
_ATTACHED = "（/"


def placeholders(text: Text) -> Iterator[str]:
    """Yield the names in braces, of both languages."""
    for sentence in (text.en, text.zh):
        yield from (m.group(1) for m in PLACEHOLDER.finditer(sentence))


def worded(row: Row, book: Book, figures: Mapping[str, Value]) -> Row:
    """Return the row with the figures of the day in its sentence.

    Args:
        figures: parameter name -> value in force; a name that is missing stays in its braces
    """
    if "{" not in row.says.en and "{" not in row.says.zh:
        return row

    def filled(sentence: str, language: str) -> str:
        def figure(found: re.Match[str]) -> str:
            name = found.group(1)
            parameter = book.parameter_by_name.get(name)
            return figure_text(figures[name], parameter.kind, book.currency, language) if parameter and name in figures else found.group(0)

        return PLACEHOLDER.sub(figure, sentence)

    return replace(row, says=Text(filled(row.says.en, "en"), filled(row.says.zh, "zh")))


def worded_on(row: Row, book: Book, day: date) -> Row:
    """As `worded`, with the figures in force on a day."""
    in_force = ((p.name, p.on(day)) for p in book.parameters)
    return worded(row, book, {name: dated.value for name, dated in in_force if dated is not None})


def figure_text(value: Value, kind: Kind, currency: str, language: str) -> str:
    """Write a figure as it stands in a sentence: `500 CNY`, `500元`, `30%`, `24 hours`."""
    match value:
        case Fraction() if kind.base is Base.MONEY:
            amount = decimal_text(value)
            return f"{amount}{_YUAN}" if (language, currency) == ("zh", "CNY") else f"{amount} {currency}"
        case Fraction() if kind.base is Base.PERCENT:
            percent = decimal_text(value * 100)
            return decimal_text(value) if "/" in percent else f"{percent}%"
        case Fraction() if kind.base is Base.FRACTION:
            return str(value)
        case Fraction():
            return decimal_text(value)
        case timedelta():
            return _length(value, language)
        case Period(months):
            years, rest = divmod(months, 12)
            return _parts([(years, "year", "年"), (rest, "month", "个月")], language)
        case tuple():
            element = kind.element or kind
            return ("、" if language == "zh" else ", ").join(figure_text(v, element, currency, language) for v in value)
        case str() if kind.base is Base.ENUM:
            title = next((v.title.get(language) for v in kind.values if v.value == value), "")
            return title or value
        case bool():
            return "true" if value else "false"
        case _:
            return value.isoformat() if isinstance(value, date | time) else str(value)


def unit_after(value: str, unit: str) -> str:
    """Return what a unit adds behind a written value, the space between them included.

    `5` gets ` days`. An amount has its currency already: `5.00 CNY` gets of `CNY a year` only ` a year`, of `元/年` only `/年`.
    """
    rest = unit
    if found := _AMOUNT.search(value):
        currency = found.group(1)
        names = ("CNY", _YUAN) if currency in ("CNY", None) else (currency,)
        rest = next((unit.removeprefix(n) for n in names if re.match(rf"{n}(?![A-Za-z0-9])", unit)), unit).strip()
    if not rest:
        return ""
    attached = rest[0] in _ATTACHED or not (value[-1:].isascii() or rest[0].isascii())
    return rest if attached else f" {rest}"


def _length(length: timedelta, language: str) -> str:
    hours, rest = divmod(length.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    days = length.days
    if days == 1:  # "1 day" would be taken for a day of the calendar
        days, hours = 0, hours + 24
    return _parts([(days, "day", "天"), (hours, "hour", "小时"), (minutes, "minute", "分钟"), (seconds, "second", "秒")], language)


def _parts(parts: list[tuple[int, str, str]], language: str) -> str:
    present = [p for p in parts if p[0]] or parts[-1:]
    if language == "zh":
        return "".join(f"{count}{zh}" for count, _, zh in present)
    return " ".join(f"{count} {en}{'s' if count != 1 else ''}" for count, en, _ in present)

"""A request's raw facts to typed facts, every fault at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from policybook.diagnostics import Code, Finding, Report, Severity, did_you_mean
from policybook.errors import FactsError, LimitError
from policybook.model.book import Book, Decision
from policybook.model.facts import Raw, RawFacts, Tag
from policybook.model.kinds import Base, Field, Kind
from policybook.model.wording import unit_after
from policybook.source import NOWHERE
from policybook.values import (
    Value,
    decimal_text,
    duration_text,
    money_text,
    parse_date,
    parse_datetime,
    parse_duration,
    parse_number,
    parse_period,
    parse_ratio,
    parse_time,
)

MAX_FACTS = 1000
# LIMIT: instants beyond these years leave no room for a time zone or a deadline.
YEARS = range(2, 9999)


def coerce(raw: RawFacts, book: Book, decision: Decision, *, complete: bool = True) -> dict[str, Value]:
    """Turn raw facts into values of the declared kinds.

    Args:
        complete: a required fact that is missing is a fault, and what else is missing is filled in; else only what is stated comes back

    Facts that the book declares but the decision does not use are checked and returned too: a caller may send one set of
    facts to several decisions.

    Returns:
        input name -> value, with defaults filled in and null for what is optional and absent; in the book's order
    Raises:
        FactsError: one finding a fault, in the order of the book's inputs, unknown names last
        LimitError: more facts than a request may state
    """
    if len(raw) > MAX_FACTS:
        raise LimitError("facts in a request", MAX_FACTS, len(raw))
    coercion = _Coercion(book)
    facts: dict[str, Value] = {}
    used = frozenset(decision.uses.inputs)
    for field in book.inputs:
        stated = raw.get(field.name)
        if stated is None:
            if field.name not in used or not complete:
                continue
            if field.required:
                coercion.fault(
                    Code.MISSING_FACT, f"facts.{field.name}", f"`{field.name}`{_named(field)} is missing", f"it is {_describe(field.kind)}"
                )
            facts[field.name] = field.default if field.has_default else None
        else:
            facts[field.name] = coercion.field(stated, field, f"facts.{field.name}")
    if len(raw) > len(facts) or any(name not in book.input_by_name for name in raw):
        for name in raw:
            if name not in book.input_by_name:
                shown = name[:100]
                coercion.fault(
                    Code.UNKNOWN_FACT,
                    f"facts.{shown}",
                    f"`{shown}` is not an input of `{book.name}`",
                    did_you_mean(name, book.input_by_name),
                )
    if coercion.findings:
        raise FactsError(Report(tuple(coercion.findings)))
    return facts


def coerce_value(raw: Raw, field: Field, book: Book, path: str) -> Value:
    """Turn one raw value into a field's kind; for expected outputs of test tables.

    Raises:
        FactsError: it does not fit
    """
    coercion = _Coercion(book)
    value = coercion.field(raw, field, path)
    if coercion.findings:
        raise FactsError(Report(tuple(coercion.findings)))
    return value


def _named(field: Field) -> str:
    return f" ({field.title.get('en')})" if field.title else ""


def _describe(kind: Kind) -> str:
    match kind.base:
        case Base.ENUM:
            return f"one of {', '.join(f'`{v}`' for v in kind.value_names[:20])}"
        case Base.MONEY:
            return "an amount of money"
        case Base.LIST:
            return f"a list; each element is {_describe(kind.element)}" if kind.element else "a list"
        case Base.RECORD:
            return f"a record with {', '.join(f'`{f.name}`' for f in kind.fields)}"
        case Base.TEXT:
            return "text"
        case Base.BOOLEAN:
            return "true or false"
        case Base.INTEGER:
            return "a whole number"
        case Base.PERCENT | Base.FRACTION:
            return "a ratio such as `0.3` or `1/3`"
        case _:
            return f"a {kind.base.value}"


class _Coercion:
    """Coerces the values of one request."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.findings: list[Finding] = []

    def fault(self, code: Code, path: str, message: str, help_text: str = "") -> None:
        self.findings.append(Finding(code=code, severity=Severity.ERROR, message=message, span=NOWHERE, help=help_text, path=path))

    def field(self, raw: Raw, field: Field, path: str) -> Value:
        if raw.tag is Tag.NULL or (raw.tag is Tag.LITERAL and raw.value == "null"):
            if field.optional:
                return None
            self.fault(Code.FACT_TYPE, path, f"`{field.name}` is null", f"it must be {_describe(field.kind)}")
            return None
        before = len(self.findings)
        value = self.value(raw, field.kind, field, path)
        if value is None or len(self.findings) > before:
            return None
        self.bounds(value, field, path)
        return value

    def bounds(self, value: Any, field: Field, path: str) -> None:
        low, high = field.minimum, field.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            limits = [f"at least {self.show(low, field.kind)}"] if low is not None else []
            limits += [f"at most {self.show(high, field.kind)}"] if high is not None else []
            unit, shown, allowed = field.unit.get("en"), self.show(value, field.kind), " and ".join(limits)
            self.fault(
                Code.FACT_BOUNDS,
                path,
                f"`{field.name}` is {shown}{unit_after(shown, unit)}",
                f"allowed: {allowed}{unit_after(allowed, unit)}",
            )

    def show(self, value: Value, kind: Kind) -> str:
        return value_text(value, kind, self.book.currency)

    def value(self, raw: Raw, kind: Kind, field: Field, path: str) -> Value:
        """Coerce one value that is not null; None after a fault."""
        base = kind.base
        tag = raw.tag
        try:
            if base is Base.LIST:
                return self.list_value(raw, kind, field, path)
            if base is Base.RECORD:
                return self.record(raw, kind, field, path)
            if base is Base.MONEY:
                return self.money(raw, field, path)
            if tag is _TAGS[base] or tag is Tag.LITERAL:
                return self.simple(raw, kind, field, path)
        except (ValueError, OverflowError) as e:
            self.fault(Code.FACT_TYPE, path, f"`{field.name}`: {e}", f"it must be {_describe(kind)}")
            return None
        self.wrong(raw, kind, field, path)
        return None

    def wrong(self, raw: Raw, kind: Kind, field: Field, path: str) -> None:
        got = {Tag.LIST: "a list", Tag.RECORD: "a record", Tag.MONEY: "money", Tag.FLAG: "a flag (true or false)", Tag.NULL: "null"}.get(
            raw.tag, f"a {raw.tag.value}" if raw.tag is not Tag.TEXT else "text"
        )
        self.fault(
            Code.FACT_TYPE, path, f"`{field.name}` is given as {got}", f"it must be {_describe(kind)}, sent as `{_wire_name(kind.base)}`"
        )

    def simple(self, raw: Raw, kind: Kind, field: Field, path: str) -> Value:
        text = raw.value
        base = kind.base
        if base is Base.BOOLEAN:
            if isinstance(text, bool):
                return text
            if text not in ("true", "false"):
                raise ValueError(f"`{_short(text)}` is neither `true` nor `false`")
            return bool(text == "true")
        if base is Base.DATETIME and isinstance(text, datetime):
            return self.moment(text)
        if base in (Base.ENUM, Base.TEXT) and raw.tag is Tag.LITERAL and len(text) > 1 and text[0] == text[-1] == '"':
            text = text[1:-1]
        if base is Base.ENUM:
            if text not in kind.value_names:
                self.fault(Code.FACT_TYPE, path, f"`{field.name}` is `{_short(text)}`", did_you_mean(text, kind.value_names))
                return None
            return str(text)
        if base is Base.TEXT:
            return self.text(text, field, path)
        if base is Base.DATETIME:
            return self.moment(parse_datetime(text, self.book.zone))
        value = _PARSERS[base](text)
        if base is Base.INTEGER and isinstance(value, Fraction) and value.denominator != 1:
            raise ValueError(f"`{_short(text)}` is not a whole number")
        return value

    @staticmethod
    def moment(value: datetime) -> datetime:
        if value.year not in YEARS:
            raise ValueError("the year must be from 2 to 9998")
        return value.astimezone(UTC)

    def text(self, text: str, field: Field, path: str) -> Value:
        if len(text) > field.max_length:
            self.fault(Code.FACT_SIZE, path, f"`{field.name}` has {len(text):,} characters", f"allowed: at most {field.max_length:,}")
            return None
        return text

    def money(self, raw: Raw, field: Field, path: str) -> Value:
        if raw.tag is Tag.MONEY:
            amount, currency = raw.value
            if currency and currency != self.book.currency:
                self.fault(
                    Code.FACT_CURRENCY,
                    path,
                    f"`{field.name}` is in `{_short(currency)}`",
                    f"amounts of `{self.book.name}` are in `{self.book.currency}`",
                )
                return None
            return parse_number(amount)
        if raw.tag is Tag.LITERAL:
            text = raw.value.strip()
            number, _, currency = text.partition(" ")
            if currency and currency != self.book.currency:
                self.fault(
                    Code.FACT_CURRENCY,
                    path,
                    f"`{field.name}` is in `{_short(currency)}`",
                    f"amounts of `{self.book.name}` are in `{self.book.currency}`",
                )
                return None
            return parse_ratio(number) if "/" not in number else parse_number(number)
        self.wrong(raw, field.kind, field, path)
        return None

    def list_value(self, raw: Raw, kind: Kind, field: Field, path: str) -> Value:
        if raw.tag is not Tag.LIST:
            self.wrong(raw, kind, field, path)
            return None
        items = raw.value
        if len(items) > field.max_items:
            self.fault(Code.FACT_SIZE, path, f"`{field.name}` has {len(items):,} elements", f"allowed: at most {field.max_items:,}")
            return None
        element = Field(name=field.name, kind=kind.element or kind, max_length=field.max_length)
        out = []
        for i, item in enumerate(items):
            place = f"{path}[{i}]"
            if item.tag is Tag.NULL:
                self.fault(Code.FACT_TYPE, place, f"element {i + 1} of `{field.name}` is null", f"it must be {_describe(element.kind)}")
                continue
            out.append(self.value(item, element.kind, element, place))
            if len(self.findings) > 100:
                break
        return tuple(out)

    def record(self, raw: Raw, kind: Kind, field: Field, path: str) -> Value:
        if raw.tag is not Tag.RECORD:
            self.wrong(raw, kind, field, path)
            return None
        stated: Mapping[str, Raw] = raw.value
        out: dict[str, Value] = {}
        for inner in kind.fields:
            place = f"{path}.{inner.name}"
            given = stated.get(inner.name)
            if given is not None:
                out[inner.name] = self.field(given, inner, place)
            elif inner.required:
                self.fault(Code.MISSING_FACT, place, f"`{inner.name}`{_named(inner)} is missing", f"it is {_describe(inner.kind)}")
            else:
                out[inner.name] = inner.default if inner.has_default else None
        known = [f.name for f in kind.fields]
        for name in stated:
            if name not in known:
                self.fault(
                    Code.UNKNOWN_FACT, f"{path}.{name[:100]}", f"`{name[:100]}` is not a field of `{field.name}`", did_you_mean(name, known)
                )
        return out


_TAGS = {
    Base.NUMBER: Tag.DECIMAL,
    Base.INTEGER: Tag.DECIMAL,
    Base.PERCENT: Tag.DECIMAL,
    Base.FRACTION: Tag.DECIMAL,
    Base.BOOLEAN: Tag.FLAG,
    Base.ENUM: Tag.TEXT,
    Base.TEXT: Tag.TEXT,
    Base.DATE: Tag.DATE,
    Base.DATETIME: Tag.TIMESTAMP,
    Base.TIME: Tag.TIME_OF_DAY,
    Base.DURATION: Tag.DURATION,
    Base.PERIOD: Tag.DURATION,
}

_PARSERS: dict[Base, Callable[[str], Value]] = {
    Base.NUMBER: parse_ratio,
    Base.INTEGER: parse_number,
    Base.PERCENT: parse_ratio,
    Base.FRACTION: parse_ratio,
    Base.DATE: parse_date,
    Base.TIME: parse_time,
    Base.DURATION: parse_duration,
    Base.PERIOD: parse_period,
}


def _wire_name(base: Base) -> str:
    if base is Base.MONEY:
        return "money"
    if base is Base.LIST:
        return "list"
    if base is Base.RECORD:
        return "record"
    return _TAGS[base].value.replace(" ", "_")


def _short(text: object) -> str:
    shown = str(text)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def value_text(value: Value, kind: Kind, currency: str) -> str:
    """Write a value as a person reads it: `1200.50 CNY`, `30%`, `2026-03-25`."""
    if value is None:
        return "null"
    match kind.base:
        case Base.MONEY if isinstance(value, Fraction):
            return f"{money_text(value, currency)} {currency}"
        case Base.PERCENT if isinstance(value, Fraction):
            return f"{decimal_text(value * 100)}%" if "/" not in decimal_text(value * 100) else decimal_text(value)
        case Base.FRACTION:
            return str(value)
        case Base.BOOLEAN:
            return "true" if value else "false"
        case Base.DURATION:
            return duration_text(value)  # type: ignore[arg-type]
        case Base.LIST if isinstance(value, tuple):
            inner = kind.element or kind
            return f"[{', '.join(value_text(v, inner, currency) for v in value)}]"
        case Base.RECORD if isinstance(value, Mapping):
            return f"{{{', '.join(f'{f.name}: {value_text(value.get(f.name), f.kind, currency)}' for f in kind.fields)}}}"
        case _:
            if isinstance(value, Fraction):
                return decimal_text(value)
            return value.isoformat() if hasattr(value, "isoformat") else str(value)

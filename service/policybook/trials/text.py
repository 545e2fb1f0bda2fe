"""Values as a person would write them in a book."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from policybook.model.kinds import Base, Kind
from policybook.values import Value, decimal_text, duration_text, is_terminating, minor_units, money_text, rounded

MAX_SHOWN = 20


def value_text(value: Value, kind: Kind, *, currency: str = "", zone: ZoneInfo | None = None, grouped: bool = False) -> str:
    """Write a value by its declared kind; an amount with the currency behind it, an instant as it is in the zone.

    `grouped` is for people only: digits of an amount in groups of three, empty fields of a record left out.
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Fraction():
            return _number(value, kind.base, currency, grouped=grouped)
        case datetime():
            local = value.astimezone(zone) if zone else value
            return local.isoformat(timespec="minutes" if not (local.second or local.microsecond) else "auto")
        case time():
            return value.isoformat(timespec="minutes" if not (value.second or value.microsecond) else "auto")
        case date():
            return value.isoformat()
        case timedelta():
            return duration_text(value)
        case tuple():
            element = kind.element or kind
            shown = [value_text(v, element, currency=currency, zone=zone, grouped=grouped) for v in value[:MAX_SHOWN]]
            more = [f"... and {len(value) - MAX_SHOWN} more"] if len(value) > MAX_SHOWN else []
            return f"[{', '.join(shown + more)}]"
        case dict():
            return _record(value, kind, currency, zone, grouped=grouped)
        case _:
            return str(value)


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


def figures_in(test: str, known: Mapping[str, str]) -> str:
    """Say what the names in a test stand for: ` (9000.00 CNY)`; for several ` (a = 1, b = 2)`; empty for none.

    Args:
        test: as written: `<= limit.credit_limit`
        known: name -> value as text
    """
    names = [n for n in dict.fromkeys(_NAME.findall(test)) if n in known]
    if len(names) == 1:
        return f" ({known[names[0]]})"
    return f" ({', '.join(f'{n} = {known[n]}' for n in names)})" if names else ""


def _record(value: dict[str, Any], kind: Kind, currency: str, zone: ZoneInfo | None, *, grouped: bool) -> str:
    parts = []
    for name, inner in value.items():
        if grouped and inner is None:
            continue
        found = kind.field_named(name)
        parts.append(f"{name}: {value_text(inner, found.kind if found else kind, currency=currency, zone=zone, grouped=grouped)}")
    return f"{{{', '.join(parts)}}}"


def _number(value: Fraction, base: Base, currency: str, *, grouped: bool) -> str:
    if base is Base.PERCENT and is_terminating(value):
        return f"{decimal_text(value * 100)}%"
    if base is not Base.MONEY:
        return decimal_text(value)
    if is_terminating(value):
        text = money_text(value, currency)
        return f"{grouped_digits(text) if grouped else text} {currency}".rstrip()
    near = f" (about {grouped_digits(money_text(rounded(value, minor_units(currency)), currency))})" if grouped else ""
    return f"{decimal_text(value)} {currency}".rstrip() + near


def grouped_digits(text: str) -> str:
    """Set the digits before the point in groups of three."""
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    whole, point, decimals = digits.partition(".")
    return f"{sign}{int(whole):,}{point}{decimals}" if whole.isdigit() else text

"""Values as a person would write them in a book."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from policybook.model.kinds import Base, Kind
from policybook.values import Value, decimal_text, duration_text, is_terminating, money_text

MAX_SHOWN = 20


def value_text(value: Value, kind: Kind, *, currency: str = "", zone: ZoneInfo | None = None) -> str:
    """Write a value by its declared kind; an amount with the currency behind it, an instant as it is in the zone."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Fraction():
            return _number(value, kind.base, currency)
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
            shown = [value_text(v, element, currency=currency, zone=zone) for v in value[:MAX_SHOWN]]
            more = [f"... and {len(value) - MAX_SHOWN} more"] if len(value) > MAX_SHOWN else []
            return f"[{', '.join(shown + more)}]"
        case dict():
            return _record(value, kind, currency, zone)
        case _:
            return str(value)


def _record(value: dict[str, Any], kind: Kind, currency: str, zone: ZoneInfo | None) -> str:
    parts = []
    for name, inner in value.items():
        found = kind.field_named(name)
        parts.append(f"{name}: {value_text(inner, found.kind if found else kind, currency=currency, zone=zone)}")
    return f"{{{', '.join(parts)}}}"


def _number(value: Fraction, base: Base, currency: str) -> str:
    if base is Base.MONEY:
        if not is_terminating(value):
            return f"{decimal_text(value)} {currency}".rstrip()
        text = money_text(value, currency)
        return f"{text} {currency}".rstrip()
    if base is Base.PERCENT and is_terminating(value):
        return f"{decimal_text(value * 100)}%"
    return decimal_text(value)

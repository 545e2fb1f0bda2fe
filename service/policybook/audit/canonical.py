"""Facts and outputs as canonical JSON: one text for one content, exact, and readable without this program.

A value is written by what it was stated as: `{"decimal":"1.50"}`, `{"money":{"amount":"9000","currency":"CNY"}}`, `{"text":"first"}`,
`true`, `null`, `[..]`, `{"record":{..}}`; the names are those of `policybook.v1.Value`. Keys are sorted, nothing stands between
the signs, numbers are text. `{"masked":true}` stands for a value that was kept out of the log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any

from policybook.model.answer import Item
from policybook.model.facts import RAW_NULL, Raw, RawFacts, RawMoney, Tag
from policybook.model.kinds import Base, Field, Kind
from policybook.values import Period, Value, decimal_text, duration_text, money_text

_quoted: Callable[[str], str] = json.encoder.encode_basestring
MASKED = "masked"


def instant_text(moment: datetime) -> str:
    """Write an instant in UTC with microseconds: `2026-03-31T08:00:00.000000Z`."""
    text = (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat(timespec="microseconds")
    return f"{text[:26]}Z"


def instant_of(text: str) -> datetime:
    """Read what `instant_text` wrote."""
    return datetime.fromisoformat(text)


def facts_json(facts: RawFacts, masked: Mapping[str, str] | None = None) -> str:
    """Write facts as stated.

    Args:
        masked: name -> what stands in its place, as JSON
    """
    if not masked:
        return "{" + ",".join([f"{_quoted(name)}:{raw_json(facts[name])}" for name in sorted(facts)]) + "}"
    return "{" + ",".join([f"{_quoted(name)}:{masked.get(name) or raw_json(facts[name])}" for name in sorted(facts)]) + "}"


def raw_json(raw: Raw) -> str:
    """Write one value as stated."""
    tag, value = raw
    simple = _SIMPLE.get(tag)
    if simple is not None:
        return f"{simple}{_quoted(value)}}}"
    if tag is Tag.MONEY:
        return f'{{"money":{{"amount":{_quoted(value.amount)},"currency":{_quoted(value.currency)}}}}}'
    if tag is Tag.FLAG:
        return "true" if value else "false"
    if tag is Tag.NULL:
        return "null"
    if tag is Tag.LIST:
        return f"[{','.join(map(raw_json, value))}]"
    if tag is Tag.RECORD:
        return f'{{"record":{facts_json(value)}}}'
    return f'{{"timestamp":"{instant_text(value)}"}}'


_NAMES = {
    Tag.DECIMAL: "decimal",
    Tag.TEXT: "text",
    Tag.DATE: "date",
    Tag.DURATION: "duration",
    Tag.TIME_OF_DAY: "time_of_day",
    Tag.LITERAL: "literal",
}
_SIMPLE = {tag: f'{{"{name}":' for tag, name in _NAMES.items()}
_TAGS = {name: tag for tag, name in _NAMES.items()}


def facts_of(text: str) -> tuple[dict[str, Raw], dict[str, str]]:
    """Read facts back.

    Returns:
        what was stated, and name -> token for what was masked (an empty token: the value left no trace)
    """
    facts: dict[str, Raw] = {}
    masked: dict[str, str] = {}
    for name, value in json.loads(text).items():
        if isinstance(value, dict) and MASKED in value:
            masked[name] = value[MASKED] if isinstance(value[MASKED], str) else ""
        else:
            facts[name] = raw_of(value)
    return facts, masked


def raw_of(value: Any) -> Raw:
    """Read one value back from its JSON.

    Raises:
        ValueError: it is none that was ever written
    """
    match value:
        case None:
            return RAW_NULL
        case bool():
            return Raw(Tag.FLAG, value)
        case list():
            return Raw(Tag.LIST, tuple(map(raw_of, value)))
        case {"money": {"amount": str(amount), "currency": str(currency)}}:
            return Raw(Tag.MONEY, RawMoney(amount, currency))
        case {"record": dict(fields)}:
            return Raw(Tag.RECORD, {name: raw_of(v) for name, v in fields.items()})
        case {"timestamp": str(text)}:
            return Raw(Tag.TIMESTAMP, instant_of(text))
        case dict() if len(value) == 1:
            ((name, text),) = value.items()
            if name in _TAGS and isinstance(text, str):
                return Raw(_TAGS[name], text)
    raise ValueError(f"`{str(value)[:60]}` is no value of a decision log")


def outputs_json(outputs: Mapping[str, Value], fields: Iterable[Field], currency: str) -> str:
    """Write outputs by their declared kinds."""
    if not outputs:
        return "{}"
    kinds = {f.name: f.kind for f in fields}
    return "{" + ",".join([f"{_quoted(n)}:{value_json(outputs[n], kinds[n], currency)}" for n in sorted(outputs)]) + "}"


def items_json(items: Iterable[Item], fields: tuple[Field, ...], currency: str) -> str:
    """Write what each selected row gave, in order."""
    written = [
        f'{{"item_number":{i.item_number},"outputs":{outputs_json(i.outputs, fields, currency)},"row_id":{_quoted(i.row.id)}}}'
        for i in items
    ]
    return f"[{','.join(written)}]"


def value_json(value: Value, kind: Kind, currency: str) -> str:
    """Write one value of the model."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f'{{"text":{_quoted(value)}}}'
        case Fraction():
            if kind.base is Base.MONEY:
                return f'{{"money":{{"amount":"{money_text(value, currency)}","currency":"{currency}"}}}}'
            return f'{{"decimal":"{decimal_text(value)}"}}'
        case datetime():
            return f'{{"timestamp":"{instant_text(value)}"}}'
        case date():
            return f'{{"date":"{value.isoformat()}"}}'
        case time():
            return f'{{"time_of_day":"{value.isoformat()}"}}'
        case timedelta():
            return f'{{"duration":"{duration_text(value)}"}}'
        case Period():
            return f'{{"duration":"{value}"}}'
        case tuple():
            element = kind.element or kind
            return f"[{','.join([value_json(v, element, currency) for v in value])}]"
        case _:
            inner = {f.name: f.kind for f in kind.fields}
            fields = ",".join([f"{_quoted(n)}:{value_json(value[n], inner[n], currency)}" for n in sorted(value)])
            return f'{{"record":{{{fields}}}}}'


def clean(text: str) -> str:
    """Return a text that UTF-8 can hold; half a surrogate pair, which a caller in process may pass, is written as its escape."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text

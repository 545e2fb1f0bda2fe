"""Facts and outputs as canonical JSON: one text for one content, exact, and readable without this program.

A value is written by what it was stated as: `{"decimal":"1.50"}`, `{"money":{"amount":"9000","currency":"CNY"}}`, `{"text":"first"}`,
`true`, `null`, `[..]`, `{"record":{..}}`; the names are those of `policybook.v1.Value`. Keys are sorted, nothing stands between
the signs, numbers are text. `{"masked":true}` stands for a value that was kept out of the log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from policybook.model.answer import Item
from policybook.model.facts import RAW_NULL, Raw, RawFacts, RawMoney, Tag
from policybook.model.kinds import Base, Field, Kind
from policybook.values import Value, decimal_text, duration_text, money_text

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
    return _RAW[raw.tag](raw.value)


def _money_json(value: RawMoney) -> str:
    return f'{{"money":{{"amount":{_quoted(value.amount)},"currency":{_quoted(value.currency)}}}}}'


_NAMES = {
    Tag.DECIMAL: "decimal",
    Tag.TEXT: "text",
    Tag.DATE: "date",
    Tag.DURATION: "duration",
    Tag.TIME_OF_DAY: "time_of_day",
    Tag.LITERAL: "literal",
}


def _simple(name: str) -> Callable[[Any], str]:
    before = f'{{"{name}":'
    return lambda value: f"{before}{_quoted(value)}}}"


# By the tag: a request states a dozen values, and every decision is written.
_RAW: dict[Tag, Callable[[Any], str]] = {
    **{tag: _simple(name) for tag, name in _NAMES.items()},
    Tag.NULL: lambda _: "null",
    Tag.FLAG: lambda value: "true" if value else "false",
    Tag.MONEY: _money_json,
    Tag.TIMESTAMP: lambda value: f'{{"timestamp":"{instant_text(value)}"}}',
    Tag.LIST: lambda value: f"[{','.join(map(raw_json, value))}]",
    Tag.RECORD: lambda value: f'{{"record":{facts_json(value)}}}',
}


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
    try:
        if isinstance(value, dict):
            ((name, inner),) = value.items()
            return _READ[name](inner)
        if isinstance(value, list):
            return Raw(Tag.LIST, tuple(map(raw_of, value)))
        if value is None:
            return RAW_NULL
        if isinstance(value, bool):
            return Raw(Tag.FLAG, value)
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    raise ValueError(f"`{str(value)[:60]}` is no value of a decision log")


def _text_raw(tag: Tag) -> Callable[[Any], Raw]:
    def read(inner: Any) -> Raw:
        if not isinstance(inner, str):
            raise TypeError
        return Raw(tag, inner)

    return read


def _money_raw(inner: Any) -> Raw:
    amount, currency = inner["amount"], inner["currency"]
    if not (isinstance(amount, str) and isinstance(currency, str) and len(inner) == 2):
        raise TypeError
    return Raw(Tag.MONEY, RawMoney(amount, currency))


# By the name that a value stands under: logs of millions are read.
_READ: dict[str, Callable[[Any], Raw]] = {
    **{name: _text_raw(tag) for tag, name in _NAMES.items()},
    "money": _money_raw,
    "record": lambda inner: Raw(Tag.RECORD, {name: raw_of(v) for name, v in inner.items()}),
    "timestamp": lambda inner: Raw(Tag.TIMESTAMP, instant_of(inner)),
}


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
    return "null" if value is None else _VALUES[kind.base](value, kind, currency)


def _number(value: Any, _kind: Kind, _currency: str) -> str:
    return f'{{"decimal":"{decimal_text(value)}"}}'


def _text(value: Any, _kind: Kind, _currency: str) -> str:
    return f'{{"text":{_quoted(value)}}}'


def _list(value: Any, kind: Kind, currency: str) -> str:
    element = kind.element or kind
    return f"[{','.join([value_json(v, element, currency) for v in value])}]"


def _record(value: Any, kind: Kind, currency: str) -> str:
    inner = {f.name: f.kind for f in kind.fields}
    return f'{{"record":{{{",".join([f"{_quoted(n)}:{value_json(value[n], inner[n], currency)}" for n in sorted(value)])}}}}}'


_VALUES: dict[Base, Callable[[Any, Kind, str], str]] = {
    Base.NUMBER: _number,
    Base.INTEGER: _number,
    Base.PERCENT: _number,
    Base.FRACTION: _number,
    Base.MONEY: lambda v, _, currency: f'{{"money":{{"amount":"{money_text(v, currency)}","currency":"{currency}"}}}}',
    Base.BOOLEAN: lambda v, _k, _c: "true" if v else "false",
    Base.ENUM: _text,
    Base.TEXT: _text,
    Base.DATE: lambda v, _k, _c: f'{{"date":"{v.isoformat()}"}}',
    Base.DATETIME: lambda v, _k, _c: f'{{"timestamp":"{instant_text(v)}"}}',
    Base.TIME: lambda v, _k, _c: f'{{"time_of_day":"{v.isoformat()}"}}',
    Base.DURATION: lambda v, _k, _c: f'{{"duration":"{duration_text(v)}"}}',
    Base.PERIOD: lambda v, _k, _c: f'{{"duration":"{v}"}}',
    Base.LIST: _list,
    Base.RECORD: _record,
    Base.NULL: lambda _v, _k, _c: "null",
}


def clean(text: str) -> str:
    """Return a text that every database can hold: half a surrogate pair, which a caller in process may pass, and NUL are written as escapes."""
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text

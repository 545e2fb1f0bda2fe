"""Where a JSON text is not the message that it should be, in words for whoever wrote it.

The library that reads JSON says so in its own words and without the whole path; this looks again, after a fault only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from policybook.diagnostics import did_you_mean
from policybook.v1.values_pb2 import Value

MAX_DEPTH = 100

_VALUE = Value.DESCRIPTOR.full_name
_INSTANT = "google.protobuf.Timestamp"
_NUMBERS = frozenset({FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64})


def fault_in(content: Any, message: Descriptor) -> tuple[str, str] | None:
    """Find the first part of read JSON that a message has no place for.

    Returns:
        its path (`facts.amount.money.amount`) and what is wanted there; None: nothing was found
    """
    return next(_message(content, message, "", 0), None)


def _message(content: Any, message: Descriptor, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > MAX_DEPTH:
        return
    if message.full_name == _INSTANT:
        if not isinstance(content, str) or "T" not in content:
            yield path, f"{_shown(content)} is not an instant such as `2026-03-31T08:00:00Z`"
    elif message.full_name.startswith("google.protobuf."):
        return
    elif not isinstance(content, Mapping):
        wanted = "an object that says of which kind it is" if message.full_name == _VALUE else "an object"
        yield path, f"{_shown(content)} is not {wanted}{_examples(content) if message.full_name == _VALUE else ''}"
    else:
        known: dict[str, FieldDescriptor] = {name: f for f in message.fields for name in (f.name, f.json_name)}
        for name, part in content.items():
            place = f"{path}.{name}" if path else name
            field = known.get(name)
            if field is None:
                yield place, f"there is no field named `{name[:60]}` here; {did_you_mean(name, [f.json_name for f in message.fields])}"
            elif part is not None:
                yield from _field(part, field, place, depth)


def _field(content: Any, field: FieldDescriptor, path: str, depth: int) -> Iterator[tuple[str, str]]:
    parts: Iterable[tuple[str, Any]] = ((path, content),)
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        if not isinstance(content, Mapping):
            yield path, f"{_shown(content)} is not an object of names with their values"
            return
        field = kind.fields_by_name["value"]
        parts = ((f"{path}.{name}", part) for name, part in content.items())
    elif field.is_repeated:
        if not isinstance(content, list):
            yield path, f"{_shown(content)} is not a list"
            return
        parts = ((f"{path}[{at}]", part) for at, part in enumerate(content))
    for place, part in parts:
        if field.message_type is not None:
            yield from _message(part, field.message_type, place, depth + 1)
        elif wrong := _wrong(part, field):
            yield place, wrong


def _wrong(content: Any, field: FieldDescriptor) -> str:
    """Say what is wrong with a plain value; nothing: it may be right."""
    if field.enum_type is not None:
        names = [v.name for v in field.enum_type.values]
        return (
            ""
            if content in names or isinstance(content, int)
            else f"{_shown(content)} is not one of the values; {did_you_mean(str(content), names)}"
        )
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and not isinstance(content, str):
        number = isinstance(content, int | float) and not isinstance(content, bool)
        more = f"numbers are written as text, since JSON's own are not exact: {_quoted(content)}" if number else "text is wanted"
        return f"{_shown(content)} is not text; {more}"
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL and not isinstance(content, bool):
        return f"{_shown(content)} is neither `true` nor `false`"
    if field.cpp_type in _NUMBERS and not isinstance(content, int | str):
        return f"{_shown(content)} is not a whole number"
    return ""


def _examples(content: Any) -> str:
    if isinstance(content, bool):
        return f': {{"flag": {_shown(content).strip("`")}}}'
    if isinstance(content, int | float):
        return f': {{"money": {{"amount": {_quoted(content)}}}}}, {{"decimal": {_quoted(content)}}}'
    if isinstance(content, str):
        return f': {{"text": {_quoted(content)}}}, {{"date": "2026-03-31"}}'
    return ': {"list": {"values": [..]}}' if isinstance(content, list) else ""


def _quoted(content: Any) -> str:
    return f'"{str(content)[:40]}"'


def _shown(content: Any) -> str:
    if isinstance(content, Mapping):
        return "an object"
    if isinstance(content, list):
        return "a list"
    words = {True: "true", False: "false", None: "null"}
    return f"`{words[content] if content is None or isinstance(content, bool) else str(content)[:40]}`"

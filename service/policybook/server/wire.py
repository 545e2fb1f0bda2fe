"""The protobuf encoding, as far as answers need it.

An answer is mostly text that never changes for a row: titles, sentences, clauses. Through message objects each of them is
set, walked and copied anew for every request, which costs about as much as deciding. Serialized protobuf may be put together
from serialized parts, so the parts are encoded once and joined. Numbers of fields come from the descriptors, and a
test compares what is joined here with the same answer made of message objects.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

_VARINT, _LENGTH = 0, 2
_WIRE_TYPES = {
    FieldDescriptor.TYPE_STRING: _LENGTH,
    FieldDescriptor.TYPE_MESSAGE: _LENGTH,
    FieldDescriptor.TYPE_BOOL: _VARINT,
    FieldDescriptor.TYPE_ENUM: _VARINT,
    FieldDescriptor.TYPE_INT32: _VARINT,
    FieldDescriptor.TYPE_INT64: _VARINT,
}
_ONE_BYTE = tuple(bytes((n,)) for n in range(128))


def varint(number: int) -> bytes:
    """Encode a number that is not negative."""
    if number < 128:
        return _ONE_BYTE[number]
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def tag(message: type[Any], field: str) -> bytes:
    """Return the bytes that stand before a field's value."""
    descriptor: Descriptor = message.DESCRIPTOR
    found = descriptor.fields_by_name[field]
    return varint(found.number << 3 | _WIRE_TYPES[found.type])


def part(before: bytes, body: bytes) -> bytes:
    """Encode a field that is a message or bytes; `before` is its tag."""
    size = len(body)
    return before + (_ONE_BYTE[size] if size < 128 else varint(size)) + body


def text(before: bytes, value: str) -> bytes:
    """Encode a text field; nothing when it is empty."""
    return part(before, value.encode()) if value else b""


def number(before: bytes, value: int) -> bytes:
    """Encode a bool, an enum or a number that is not negative; nothing when it is 0."""
    return before + varint(value) if value else b""


def entry(before: bytes, key: str, value: bytes) -> bytes:
    """Encode one entry of a map from text to messages."""
    return part(before, part(b"\x0a", key.encode()) + part(b"\x12", value))

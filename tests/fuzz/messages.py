"""Mutations of protobuf messages by their descriptors: whatever field a message has is set, cleared, doubled, nested or filled in."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from fuzz import words
from policybook.v1.values_pb2 import Value

_INTEGERS = (0, 1, -1, 2, 3, 99, 127, 128, 1000, 10_001, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 253402300799, 253402300800, -62135596800)
_RANGES = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_ENUM: (-(2**31), 2**31 - 1),
}


# Bytes that one change may add: what is longer than an input may be is cut off anyway.
MAX_COPIED = 256 * 1024


class Mutator:
    """Mutates messages of one type.

    Args:
        kind: the type
        names: field name -> texts that mean something there; "" for those that may stand anywhere
    """

    def __init__(self, kind: type[Message], names: Mapping[str, Sequence[str]]) -> None:
        self.kind = kind
        self.names = names

    def mutate(self, data: bytes, rnd: Random, others: Sequence[bytes] = ()) -> bytes:
        """Return the bytes of another message; at times they are none."""
        try:
            message = self.kind.FromString(data)
        except DecodeError:
            return words.bytes_mutated(data, rnd, others) if rnd.random() < 0.5 else self.kind().SerializeToString()
        for _ in range(rnd.choice((1, 1, 2, 3, 6))):
            # Deeper than protobuf itself reads, it is not even copied.
            with contextlib.suppress(DecodeError):
                self._change(message, rnd, others)
        made = message.SerializeToString()
        return words.bytes_mutated(made, rnd, others) if rnd.random() < 0.08 else made

    def _change(self, message: Any, rnd: Random, others: Sequence[bytes]) -> None:
        # Somewhere inside, more often than at the top.
        while rnd.random() < 0.7:
            inner = [m for f in message.DESCRIPTOR.fields if f.message_type for m in self._inside(message, f)]
            if not inner:
                break
            message = rnd.choice(inner)
        fields = message.DESCRIPTOR.fields
        if not fields:
            return
        if rnd.random() < 0.05 and others and message.DESCRIPTOR is self.kind.DESCRIPTOR:
            # Two messages one after the other are one message (protobuf); of another type they are often none.
            message.MergeFromString(rnd.choice(others))
            return
        field = rnd.choice(fields)
        if rnd.random() < 0.15:
            message.ClearField(field.name)
        elif field.message_type and field.message_type.GetOptions().map_entry:
            self._map(getattr(message, field.name), field.message_type.fields_by_name["value"], rnd)
        elif field.is_repeated:
            self._repeat(getattr(message, field.name), field, rnd)
        elif field.message_type:
            if field.message_type is Value.DESCRIPTOR:
                getattr(message, field.name).CopyFrom(self.value(rnd))
            else:
                getattr(message, field.name).SetInParent()
        else:
            setattr(message, field.name, self._plain(field, rnd, getattr(message, field.name)))

    @staticmethod
    def _inside(message: Any, field: FieldDescriptor) -> Sequence[Any]:
        held = getattr(message, field.name)
        if field.message_type.GetOptions().map_entry:
            return list(held.values())[:50] if field.message_type.fields_by_name["value"].message_type else []
        if field.is_repeated:
            return list(held[:50])
        return [held] if message.HasField(field.name) else []

    def _map(self, held: Any, of: FieldDescriptor, rnd: Random) -> None:
        keys = list(held)
        if keys and rnd.random() < 0.3:
            del held[rnd.choice(keys)]
        elif keys and rnd.random() < 0.15 and of.message_type:
            size = held[keys[0]].ByteSize() + len(keys[0]) + 20
            for i in range(min(rnd.choice((1, 10, 1_100)), MAX_COPIED // size)):
                held[f"{keys[0]}{i}"].CopyFrom(held[keys[0]])
        elif of.message_type:
            held[self.name("facts", rnd)].CopyFrom(self.value(rnd))

    def _repeat(self, held: Any, field: FieldDescriptor, rnd: Random) -> None:
        if len(held) and rnd.random() < 0.3:
            del held[rnd.randrange(len(held))]
            return
        size = max((m.ByteSize() for m in held), default=0) if field.message_type else 100
        for _ in range(min(rnd.choice((1, 1, 2, 5, 50)), MAX_COPIED // max(1, size))):
            if not field.message_type:
                held.append(self._plain(field, rnd, ""))
            elif field.message_type is Value.DESCRIPTOR:
                held.append(self.value(rnd))
            elif len(held):
                held.add().CopyFrom(held[rnd.randrange(len(held))])
            else:
                held.add()

    def _plain(self, field: FieldDescriptor, rnd: Random, now: Any) -> Any:
        kind = field.type
        if kind == FieldDescriptor.TYPE_STRING:
            if isinstance(now, str) and now and rnd.random() < 0.3:
                return _proper(words.bytes_mutated(now.encode(), rnd).decode("utf-8", "replace"))
            return self.name(field.name, rnd)
        if kind == FieldDescriptor.TYPE_BOOL:
            return rnd.random() < 0.5
        if kind == FieldDescriptor.TYPE_BYTES:
            return words.word(rnd).encode()
        low, high = _RANGES.get(kind, (0, 2**31 - 1))
        numbers = [v.number for v in field.enum_type.values] if field.enum_type else []
        if numbers and rnd.random() < 0.7:
            return rnd.choice(numbers)
        return max(low, min(high, rnd.choice(_INTEGERS) if rnd.random() < 0.8 else rnd.randint(-(2**40), 2**40)))

    def name(self, field: str, rnd: Random) -> str:
        """Return a text for a field: one that means something there, more often than not."""
        chosen = rnd.random()
        known = self.names.get(field) or self.names[""]
        if chosen < 0.6 and known:
            return rnd.choice(known)
        return rnd.choice(self.names[""]) if chosen < 0.75 else _proper(words.word(rnd))

    def value(self, rnd: Random, depth: int = 0) -> Value:
        """Return a value of any kind: lists and records inside one another to any depth that protobuf reads."""
        made = Value()
        kinds = [f.name for f in Value.DESCRIPTOR.fields]
        kind = rnd.choice(kinds)
        if depth > 3 and kind in ("list", "record"):
            kind = "decimal"
        match kind:
            case "null":
                made.null = 0  # type: ignore[assignment]
            case "flag":
                made.flag = rnd.random() < 0.5
            case "money":
                made.money.amount = rnd.choice(words.NUMBERS)
                made.money.currency = rnd.choice(("", "CNY", "USD", "cny", "XXXX"))
            case "timestamp":
                made.timestamp.seconds = rnd.choice(_INTEGERS)
                made.timestamp.nanos = max(-(2**31), min(2**31 - 1, rnd.choice((0, 0, 1, 999_999_999, *_INTEGERS))))
            case "list":
                inner = self.value(rnd, depth + 1)
                made.list.SetInParent()
                for _ in range(rnd.choice((0, 1, 2, 3, 30))):
                    made.list.values.append(inner if rnd.random() < 0.5 else self.value(rnd, depth + 1))
                for _ in range(rnd.choice((0, 0, 0, 0, 8, 9, 40))):
                    outer = Value()
                    outer.list.values.append(made)
                    made = outer
            case "record":
                made.record.SetInParent()
                for _ in range(rnd.choice((0, 1, 2, 3))):
                    made.record.fields[self.name("facts", rnd)].CopyFrom(self.value(rnd, depth + 1))
            case _:
                pools = {"decimal": words.NUMBERS, "date": words.TIMES, "duration": words.TIMES, "time_of_day": words.TIMES}
                text = rnd.choice(pools[kind]) if kind in pools and rnd.random() < 0.8 else self.name("value", rnd)
                setattr(made, kind, text)
        return made


def _proper(text: str) -> str:
    """Return a text that UTF-8 can hold."""
    return re.sub(r"[\ud800-\udfff]", "?", text)

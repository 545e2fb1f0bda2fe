"""Facts as they arrive, before a book has said what they mean."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, NamedTuple

from policybook.values import Value


class Tag(enum.Enum):
    """How a raw value was stated; the value's Python type is in brackets."""

    # Members are compared by identity; Enum's own hash runs Python code on every look-up.
    __hash__ = object.__hash__

    NULL = "null"  # [None]
    DECIMAL = "decimal"  # [str] decimal text, or `n/d`
    TEXT = "text"  # [str]
    FLAG = "flag"  # [bool]
    MONEY = "money"  # [RawMoney]
    DATE = "date"  # [str] ISO 8601
    TIMESTAMP = "timestamp"  # [datetime] aware
    DURATION = "duration"  # [str] ISO 8601
    TIME_OF_DAY = "time of day"  # [str] ISO 8601
    LIST = "list"  # [tuple[Raw, ...]]
    RECORD = "record"  # [Mapping[str, Raw]]
    LITERAL = "literal"  # [str] as one writes it in a book; read by the declared type


class RawMoney(NamedTuple):
    amount: str
    currency: str


class Raw(NamedTuple):
    tag: Tag
    value: Any


RAW_NULL = Raw(Tag.NULL, None)

RawFacts = Mapping[str, Raw]
Facts = Mapping[str, Value]

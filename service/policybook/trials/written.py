"""Cases to be written, and the text of their values, which is read back as those very values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import TypeAlias

from policybook.cells.coerce import coerce_value
from policybook.errors import FactsError
from policybook.model.book import Book
from policybook.model.kinds import Base, Field, Kind
from policybook.trials.case import Case, ErrorKind, Status
from policybook.values import Value, decimal_text, duration_text, is_terminating

_MARKS = frozenset({"true", "false", "null"})


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenCase:
    """A case to be written.

    Args:
        id: one line, not beginning with `#`
        decision: without the policy's name
        as_of: a day, an aware instant, or None for the day on which the case is run
        given: by input, null where null is sent; inputs that are left out are not sent
        expect: by output; outputs that are left out are not compared
        expect_items: of a table that gives several rows; None when items are not compared
        rows: ids of the selected rows, in order; None when they are not compared
        review: what a person has still to confirm, empty to say only that something is; None when nothing is open
    Raises:
        ValueError: an id or a note that no test table can hold
    """

    id: str
    decision: str
    as_of: date | datetime | None = None
    given: Mapping[str, Value] = field(default_factory=dict)
    expect: Mapping[str, Value] = field(default_factory=dict)
    expect_items: tuple[Mapping[str, Value], ...] | None = None
    rows: tuple[str, ...] | None = None
    not_rows: tuple[str, ...] = ()
    status: Status | None = None
    error: ErrorKind | None = None
    review: str | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not self.id or self.id != self.id.strip() or not self.id.isprintable() or self.id.startswith("#"):
            raise ValueError(f"`{self.id}` is no id of a case: it is one line, not empty, and does not begin with `#`")
        for name, text in (("review", self.review or ""), ("note", self.note)):
            if text != text.strip() or (name == "review" and text.lower() in _MARKS):
                raise ValueError(f"`{text}` is no text for `{name}` of `{self.id}`: a sentence, without blanks around it")
        if isinstance(self.as_of, datetime) and self.as_of.tzinfo is None:
            raise ValueError(f"`as_of` of `{self.id}` needs a time zone")
        if self.error is not None and self.status is None:
            # What is read says so too.
            object.__setattr__(self, "status", Status.ERROR)

    @classmethod
    def of(cls, case: Case, book: Book) -> WrittenCase:
        """Return a case that was read, to be written again.

        Raises:
            ValueError: a given value is none of its input's kind, as in a case that expects to be refused
        """
        try:
            given = {n: coerce_value(s.raw, _open(book.input_by_name[n]), book, f"facts.{n}") for n, s in case.given.items()}
        except (FactsError, KeyError) as e:
            raise ValueError(f"the facts of `{case.id}` do not fit `{book.name}`: {e}") from None
        return cls(
            id=case.id,
            decision=case.decision,
            as_of=case.as_of,
            given=given,
            expect={n: e.value for n, e in case.expect.items()},
            expect_items=None if case.expect_items is None else tuple({n: e.value for n, e in i.items()} for i in case.expect_items),
            rows=case.rows,
            not_rows=case.not_rows,
            status=case.status,
            error=case.error,
            review=case.review,
            note=case.note,
        )


def _open(declared: Field) -> Field:
    return replace(declared, optional=True, minimum=None, maximum=None)


Part: TypeAlias = "str | tuple[Part, ...] | Mapping[str, Part] | None"
"""A value as text: a word by its kind, null, a list, or a record."""


def part(value: Value, kind: Kind, book: Book) -> Part:
    """Write a value by its kind."""
    match value:
        case None:
            return None
        case tuple():
            element = kind.element or kind
            return tuple(part(v, element, book) for v in value)
        case Mapping():
            return _record(value, kind, book)
        case bool():
            return "true" if value else "false"
        case Fraction():
            return f"{decimal_text(value * 100)}%" if kind.base is Base.PERCENT and is_terminating(value) else decimal_text(value)
        case datetime() | date():
            return moment_text(value, book)
        case time():
            return value.isoformat(timespec="auto" if value.second or value.microsecond else "minutes")
        case timedelta():
            return duration_text(value)
        case str():
            return _word(value)
        case _:
            return str(value)


def moment_text(at: date | datetime, book: Book) -> str:
    """Write a day, or an instant in the book's time zone with its offset."""
    if not isinstance(at, datetime):
        return at.isoformat()
    local = at.astimezone(book.zone)
    offset = local.utcoffset() or timedelta()
    # Before clocks kept whole minutes from each other an offset has seconds, which no book can write.
    if offset % timedelta(minutes=1) or local.year != at.year:
        local = at.astimezone(UTC)
    return local.isoformat(timespec="auto" if local.second or local.microsecond else "minutes")


def _record(value: Mapping[str, Value], kind: Kind, book: Book) -> Part:
    out: dict[str, Part] = {}
    for name, inner in value.items():
        declared = kind.field_named(name)
        # What is left out is null where it is optional; with a default it would be that.
        if inner is None and declared is not None and declared.optional and not declared.has_default:
            continue
        out[name] = part(inner, declared.kind if declared else kind, book)
    return out


def _word(text: str) -> str:
    # In quotes a text is itself, whatever it looks like.
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    if quoted or text in ("", "null", "~") or text != text.strip() or text[0] in "[{":
        return f'"{text}"'
    return text


_SAFE = re.compile(r"[-+]?\w(?:[\w./%+~-]|:(?=\d)|(?<! ) (?=[\w./%+-]))*", re.UNICODE)


def flow(value: Part) -> str:
    """Write a value on one line, as YAML has it between brackets."""
    match value:
        case None:
            return "null"
        case str():
            return _scalar(value)
        case tuple():
            return f"[{', '.join(flow(v) for v in value)}]"
        case _:
            return f"{{{', '.join(f'{_scalar(n)}: {flow(v)}' for n, v in value.items())}}}"


def _scalar(text: str) -> str:
    if _SAFE.fullmatch(text) and text.isprintable() and text not in ("null", "~") and len(text) < 400:
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(c: str) -> str:
    if c in '"\\':
        return f"\\{c}"
    if c.isprintable():
        return c
    code = ord(c)
    return {"\n": "\\n", "\t": "\\t"}.get(c) or (f"\\x{code:02X}" if code < 256 else f"\\u{code:04X}" if code < 65536 else f"\\U{code:08X}")


def cell(value: Part) -> str:
    """Write a value as the content of a cell."""
    match value:
        case None:
            return "null"
        case str():
            return value
        case tuple() if value and all(isinstance(v, str) and _SAFE.fullmatch(v) and v != "null" for v in value):
            # One element alone would be a word where the column is not known to hold lists.
            return ";".join(map(str, value))
        case _:
            return flow(value)

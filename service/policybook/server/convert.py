"""Values and requests, from the wire to the model; values, from the model to the wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from policybook.audit.entry import Purpose
from policybook.desk import Desk, Request, Taken
from policybook.diagnostics import Code, Finding, Report, Severity
from policybook.errors import FactsError, PolicybookError, RequestError
from policybook.explain.explainer import Question
from policybook.explain.why_not import DEFAULT_ALTERNATIVES
from policybook.model.answer import TraceLevel
from policybook.model.facts import RAW_NULL, Raw, RawFacts, RawMoney, Tag
from policybook.model.kinds import Base, Kind
from policybook.server import wire
from policybook.server.limits import Limits, TooManyItemsError
from policybook.source import NOWHERE, Span
from policybook.v1 import decision_service_pb2 as decision_pb
from policybook.v1 import trace_pb2 as trace_pb
from policybook.v1 import values_pb2 as values_pb
from policybook.values import decimal_text, duration_text, money_text, parse_date

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = range(2, 9999)

# ---------------------------------------------------------------- in


def language_of(text: str) -> str:
    """Return `en` or `zh` for a BCP 47 tag.

    Raises:
        RequestError: another language
    """
    found = _LANGUAGES.get(text) or _LANGUAGES.get(text[:20].lower().partition("-")[0])
    if found is None:
        raise RequestError("language", f"there are no texts in language `{text[:40]}`; allowed: `en`, `zh`")
    return found


_LANGUAGES = {"": "en", "en": "en", "zh": "zh"}


def day_of(field: str, text: str) -> date:
    """Read a date that is a field of a request.

    Raises:
        RequestError: it is none, or too far away
    """
    try:
        day = parse_date(text)
    except ValueError as e:
        raise RequestError(field, str(e)) from None
    if day.year not in _YEARS:
        raise RequestError(field, "the year must be from 2 to 9998")
    return day


def moment_of(stamp: Timestamp) -> datetime:
    """Turn a timestamp into an instant; digits beyond microseconds are dropped.

    Raises:
        ValueError: outside the years 1 to 9999, or nanoseconds that are none
    """
    nanos = stamp.nanos
    if not 0 <= nanos < 1_000_000_000:
        raise ValueError("the nanoseconds of a timestamp must be from 0 to 999,999,999")
    try:
        return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=nanos // 1000)
    except OverflowError:
        raise ValueError("a timestamp must lie in the years 1 to 9999") from None


_LEVELS: dict[int, TraceLevel] = {
    trace_pb.TRACE_LEVEL_UNSPECIFIED: TraceLevel.MATCHED,
    trace_pb.TRACE_LEVEL_NONE: TraceLevel.NONE,
    trace_pb.TRACE_LEVEL_MATCHED: TraceLevel.MATCHED,
    trace_pb.TRACE_LEVEL_FULL: TraceLevel.FULL,
}


def level_of(number: int) -> TraceLevel:
    """Return a trace level.

    Raises:
        RequestError: there is none of this number
    """
    level = _LEVELS.get(number)
    if level is None:
        raise RequestError("trace_level", f"there is no trace level {number}")
    return level


def read_request(message: decision_pb.DecideRequest, limits: Limits, caller: str = "") -> tuple[Request, Mapping[str, Finding]]:
    """Return what a message asks, and by path what the wire alone shows to be wrong with its facts.

    Raises:
        RequestError: another field is wrong
        TooManyItemsError: lists and records of more values than a request may hold
    """
    level = level_of(message.trace_level)
    reader = FactReader(limits)
    facts = reader.read(message.facts)
    return _request(message, limits, caller, level, facts, message.request_id), reader.faults


def read_head(message: decision_pb.DecideRequest, limits: Limits, caller: str = "") -> Request:
    """Return what a message asks, without its facts and its id.

    Raises:
        RequestError: a field is wrong
    """
    return _request(message, limits, caller, level_of(message.trace_level), {}, "")


def _request(
    message: decision_pb.DecideRequest, limits: Limits, caller: str, level: TraceLevel, facts: RawFacts, request_id: str
) -> Request:
    version, challenger = message.policy_version, message.challenger_version
    request = Request(
        decision=message.decision,
        facts=facts,
        request_id=request_id,
        as_of=_as_of(message),
        version=version,
        trace=level,
        caller=caller,
        challenger=challenger,
    )
    if len(version) > limits.name_characters or len(challenger) > limits.name_characters:
        wrong = "policy_version" if len(version) > limits.name_characters else "challenger_version"
        raise RequestError(wrong, "a version is a content hash, or at least its first 8 characters")
    return request


def take(desk: Desk, message: decision_pb.DecideRequest, limits: Limits, caller: str = "") -> Taken:
    """Ask the desk what a message asks.

    Raises:
        PolicybookError: as the desk does; what the wire adds to the faults of facts comes in the same FactsError
    """
    request, faults = read_request(message, limits, caller)
    if faults:
        raise faulty(desk, request, faults)
    return desk.take(request)


def faulty(desk: Desk, request: Request, faults: Mapping[str, Finding]) -> PolicybookError:
    """Return the error of a request whose facts the wire alone shows to be wrong: with what the desk finds besides."""
    found = list(faults.values())
    try:
        desk.try_out(request)
    except FactsError as e:
        found += [f for f in e.report.findings if f.path not in faults]
    except PolicybookError as e:
        return e
    return FactsError(Report(tuple(found)))


def question(message: decision_pb.ExplainRequest, limits: Limits, caller: str = "") -> Question:
    """Read what a message asks to be explained.

    Raises:
        PolicybookError: a field that is wrong; FactsError for what the wire alone shows to be wrong with facts
    """
    level = level_of(message.trace_level)
    if len(message.policy_version) > limits.name_characters:
        raise RequestError("policy_version", "a version is a content hash, or at least its first 8 characters")
    if message.max_alternatives < -1:
        raise RequestError("max_alternatives", f"it must be -1 (none) or more, not {message.max_alternatives}")
    reader = FactReader(limits)
    facts = reader.read(message.facts)
    wanted = reader.read(message.wanted_outputs, "wanted_outputs")
    if reader.faults:
        raise FactsError(Report(tuple(reader.faults.values())))
    return Question(
        request=Request(
            decision=message.decision,
            facts=facts,
            request_id=message.request_id,
            as_of=_as_of(message),
            version=message.policy_version,
            trace=level,
            caller=caller,
            purpose=Purpose.EXPLANATION,
        ),
        wanted=wanted,
        kept=tuple(message.kept_inputs),
        varied=tuple(message.varied_inputs),
        compared=tuple(message.compared_outputs),
        most=0 if message.max_alternatives == -1 else message.max_alternatives or DEFAULT_ALTERNATIVES,
        effort_s=limits.explain_s,
    )


def _as_of(message: decision_pb.DecideRequest | decision_pb.ExplainRequest) -> date | datetime | None:
    stated = message.WhichOneof("as_of")
    if stated is None:
        return None
    if stated == "as_of_date":
        return day_of("as_of_date", message.as_of_date)
    try:
        moment = moment_of(message.as_of_time)
    except ValueError as e:
        raise RequestError("as_of_time", str(e)) from None
    if moment.year not in _YEARS:
        raise RequestError("as_of_time", "the year must be from 2 to 9998")
    return moment


_MONEY_TAG, _TEXT_TAG = Tag.MONEY, Tag.TEXT


class FactReader:
    """Reads the facts of one request, or of one after another.

    Attributes:
        faults: by path, what the wire alone shows to be wrong. A null stands in for such a value, so that the desk can look
            for further faults in the other facts.
    """

    __slots__ = ("_limits", "_taken", "faults")

    def __init__(self, limits: Limits) -> None:
        self.faults: dict[str, Finding] = {}
        self._taken = 0
        self._limits = limits

    def read(self, facts: Mapping[str, values_pb.Value], where: str = "facts") -> dict[str, Raw]:
        """Read all facts.

        Args:
            where: the field of the request that they stand in
        Raises:
            TooManyItemsError: lists and records of more values than a request may hold
        """
        out: dict[str, Raw] = {}
        # Those that come most go without a call; Raw(...) would take four times as long, and a request has dozens.
        new = tuple.__new__
        for name in facts:
            value = facts[name]
            kind = value.WhichOneof("kind")
            if kind == "money":
                money = value.money
                out[name] = new(Raw, (_MONEY_TAG, new(RawMoney, (money.amount, money.currency))))
            elif kind == "text":
                out[name] = new(Raw, (_TEXT_TAG, value.text))
            else:
                reader = _SIMPLE.get(kind)
                out[name] = reader(value) if reader is not None else self._other(value, kind, f"{where}.{name[:100]}", 1)
        return out

    def plain(self, facts: Mapping[str, values_pb.Value]) -> RawFacts | None:
        """Read the facts of a further request; None where the wire alone shows something to be wrong with them."""
        self._taken = 0
        try:
            out = self.read(facts)
        except TooManyItemsError:
            return None
        if self.faults:
            self.faults = {}
            return None
        return out

    def _value(self, value: values_pb.Value, path: str, depth: int) -> Raw:
        kind = value.WhichOneof("kind")
        reader = _SIMPLE.get(kind)
        return reader(value) if reader is not None else self._other(value, kind, path, depth)

    def _other(self, value: values_pb.Value, kind: str | None, path: str, depth: int) -> Raw:
        if kind is None:
            return self._fault(
                Code.FACT_TYPE, path, "a value with nothing in it", "set one of its kinds; `null` says that there is nothing"
            )
        if kind == "timestamp":
            try:
                return Raw(Tag.TIMESTAMP, moment_of(value.timestamp))
            except ValueError as e:
                return self._fault(Code.FACT_TYPE, path, str(e), "send seconds since 1970 and nanoseconds")
        if depth > self._limits.depth:
            return self._fault(
                Code.FACT_SIZE, path, "lists and records are too deep inside one another", f"allowed: {self._limits.depth} levels"
            )
        if kind == "list":
            elements = value.list.values
            self._take(len(elements))
            return Raw(Tag.LIST, tuple([self._value(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(elements)]))
        fields = value.record.fields
        self._take(len(fields))
        return Raw(Tag.RECORD, {n: self._value(v, f"{path}.{n[:100]}", depth + 1) for n, v in fields.items()})

    def _take(self, count: int) -> None:
        self._taken += count
        if self._taken > self._limits.values:
            raise TooManyItemsError("values in the lists of a request", self._limits.values, self._taken)

    def _fault(self, code: Code, path: str, message: str, help_text: str) -> Raw:
        self.faults[path] = Finding(code=code, severity=Severity.ERROR, message=message, span=NOWHERE, help=help_text, path=path)
        return RAW_NULL


def _reader(tag: Tag, name: str) -> Callable[[values_pb.Value], Raw]:
    get = attrgetter(name)
    # A quarter of the time of Raw(tag, ...); a request has dozens.
    new = tuple.__new__
    return lambda value: new(Raw, (tag, get(value)))


def _money(value: values_pb.Value) -> Raw:
    money = value.money
    new = tuple.__new__
    return new(Raw, (Tag.MONEY, new(RawMoney, (money.amount, money.currency))))


_SIMPLE: dict[str | None, Callable[[values_pb.Value], Raw]] = {
    "null": lambda _: RAW_NULL,
    "decimal": _reader(Tag.DECIMAL, "decimal"),
    "text": _reader(Tag.TEXT, "text"),
    "flag": _reader(Tag.FLAG, "flag"),
    "money": _money,
    "date": _reader(Tag.DATE, "date"),
    "duration": _reader(Tag.DURATION, "duration"),
    "time_of_day": _reader(Tag.TIME_OF_DAY, "time_of_day"),
}

# ---------------------------------------------------------------- out

NULL = wire.tag(values_pb.Value, "null") + b"\0"
_DECIMAL = wire.tag(values_pb.Value, "decimal")
_TEXT = wire.tag(values_pb.Value, "text")
_FLAG = wire.tag(values_pb.Value, "flag")
_MONEY = wire.tag(values_pb.Value, "money")
_DATE = wire.tag(values_pb.Value, "date")
_TIMESTAMP = wire.tag(values_pb.Value, "timestamp")
_DURATION = wire.tag(values_pb.Value, "duration")
_TIME = wire.tag(values_pb.Value, "time_of_day")
_LIST = wire.tag(values_pb.Value, "list")
_RECORD = wire.tag(values_pb.Value, "record")
_AMOUNT = wire.tag(values_pb.Money, "amount")
_CURRENCY = wire.tag(values_pb.Money, "currency")
_VALUES = wire.tag(values_pb.ValueList, "values")
_FIELDS = wire.tag(values_pb.Record, "fields")
_TRUE, _FALSE = _FLAG + b"\1", _FLAG + b"\0"
_EMPTY_LIST = _LIST + b"\0"

Encoder = Callable[[Any, Kind, str], bytes]


def encode(value: Any, kind: Kind, currency: str) -> bytes:
    """Write a value of the model as a serialized `Value`.

    Args:
        kind: says how; a Fraction may be a number or an amount
        currency: of the book, for amounts
    """
    return NULL if value is None else ENCODERS[kind.base](value, kind, currency)


def message_of(value: Any, kind: Kind, currency: str) -> values_pb.Value:
    """As `encode`, as a message."""
    return values_pb.Value.FromString(encode(value, kind, currency))


def _words(before: bytes, words: str) -> bytes:
    # Unlike other fields, a member of a oneof is there even when it is empty.
    return wire.part(before, words.encode())


def position_of(span: Span) -> str:
    """Write a place without the server's folders: `credit.yaml:42:9`."""
    return f"{span.file.rpartition('/')[2]}:{span.line}:{span.column}" if span.line else ""


@lru_cache(maxsize=4096)
def _name(words: str) -> bytes:
    return _words(_TEXT, words)


@lru_cache(maxsize=64)
def _currency(code: str) -> bytes:
    return wire.text(_CURRENCY, code)


def _amount(value: Any, _kind: Kind, currency: str) -> bytes:
    return wire.part(_MONEY, wire.part(_AMOUNT, money_text(value, currency).encode()) + _currency(currency))


def stamp_bytes(moment: datetime) -> bytes:
    """Write an instant as a serialized Timestamp."""
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86400 + since.seconds, nanos=since.microseconds * 1000).SerializeToString()


def stamp_of(moment: datetime) -> Timestamp:
    """As `stamp_bytes`, as a message."""
    return Timestamp.FromString(stamp_bytes(moment))


def _list(value: Any, kind: Kind, currency: str) -> bytes:
    element = kind.element
    if element is None or not value:
        return _EMPTY_LIST
    encoder = ENCODERS[element.base]
    return wire.part(_LIST, b"".join([wire.part(_VALUES, NULL if v is None else encoder(v, element, currency)) for v in value]))


def _record(value: Any, kind: Kind, currency: str) -> bytes:
    return wire.part(_RECORD, b"".join([wire.entry(_FIELDS, f.name, encode(value.get(f.name), f.kind, currency)) for f in kind.fields]))


def _number(value: Any, _kind: Kind, _currency: str) -> bytes:
    return _words(_DECIMAL, decimal_text(value))


ENCODERS: dict[Base, Encoder] = {
    Base.NUMBER: _number,
    Base.INTEGER: _number,
    Base.PERCENT: _number,
    Base.FRACTION: _number,
    Base.MONEY: _amount,
    Base.BOOLEAN: lambda v, _k, _c: _TRUE if v else _FALSE,
    Base.ENUM: lambda v, _k, _c: _name(v),
    Base.TEXT: lambda v, _k, _c: _words(_TEXT, v),
    Base.DATE: lambda v, _k, _c: _words(_DATE, v.isoformat()),
    Base.DATETIME: lambda v, _k, _c: wire.part(_TIMESTAMP, stamp_bytes(v)),
    Base.TIME: lambda v, _k, _c: _words(_TIME, v.isoformat()),
    Base.DURATION: lambda v, _k, _c: _words(_DURATION, duration_text(v)),
    Base.PERIOD: lambda v, _k, _c: _words(_DURATION, str(v)),
    Base.LIST: _list,
    Base.RECORD: _record,
    Base.NULL: lambda _v, _k, _c: NULL,
}

"""Exceptions to statuses: the one table, and the size that a status may have."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details_pb
from google.rpc import status_pb2
from grpc import StatusCode

from policybook.diagnostics import Finding
from policybook.errors import (
    BookError,
    ConflictError,
    EngineError,
    FactsError,
    LimitError,
    LogError,
    MaskedError,
    NoLogError,
    NotInForceError,
    PolicybookError,
    RequestError,
    RequestIdTakenError,
    UnknownNameError,
    VersionMismatchError,
)
from policybook.server.access.errors import ForbiddenError, KeysError, RateError, UnauthenticatedError
from policybook.server.limits import (
    AnswerTooLargeError,
    OverloadedError,
    RequestTooLargeError,
    ShuttingDownError,
    StartingError,
    TimeLimitError,
    TooManyItemsError,
)

log = logging.getLogger("policybook.server")

DOMAIN = "policybook.dev"
DETAILS_KEY = "grpc-status-details-bin"

# LIMIT: gRPC takes 8 KiB of metadata; a status travels in it twice, as base64 (4/3) and as percent-encoded text (up to 3 for 1).
MAX_STATUS_BYTES = 4_400
MAX_MESSAGE_BYTES = 400
MAX_ENTRIES = 50
MAX_ENTRY_BYTES = 300
MAX_VALUE_BYTES = 300


@dataclass(frozen=True, slots=True)
class Details:
    """What a status says beside its ErrorInfo.

    Args:
        metadata: of the ErrorInfo
        holder: a BadRequest, PreconditionFailure, QuotaFailure, ResourceInfo; None for none
        entries: the violations to put into the holder, as many as there is room for
        retry_s: when to come again; 0 for no advice
    """

    metadata: dict[str, str] = field(default_factory=dict)
    holder: Message | None = None
    entries: Iterable[Message] = ()
    retry_s: float = 0.0


class Line(NamedTuple):
    """One line of the table."""

    code: StatusCode
    reason: str | Callable[[Any], str]
    details: Callable[[Any], Details]


def clip(text: str, size_bytes: int) -> str:
    """Shorten a text to a count of bytes in UTF-8."""
    if len(text) * 4 <= size_bytes:
        return text
    encoded = text.encode("utf-8", "replace")
    return text if len(encoded) <= size_bytes else encoded[: size_bytes - 3].decode("utf-8", "ignore") + "..."


def _violation(path: str, description: str, reason: str) -> details_pb.BadRequest.FieldViolation:
    return details_pb.BadRequest.FieldViolation(field=clip(path, 200), description=clip(description, MAX_ENTRY_BYTES), reason=reason)


def _described(finding: Finding) -> str:
    return f"{finding.message}; {finding.help}" if finding.help else finding.message


def _facts(error: FactsError) -> Details:
    entries = (_violation(f.path, _described(f), f.code.slug.upper().replace("-", "_")) for f in error.report.findings)
    return Details({"faults": str(len(error.report.findings))}, details_pb.BadRequest(), entries)


def _request(error: RequestError) -> Details:
    return Details({}, details_pb.BadRequest(), [_violation(error.field, str(error), "INVALID_REQUEST")])


def _unknown(error: UnknownNameError) -> Details:
    metadata = {"nearest": ",".join(error.near)} if error.near else {}
    holder = details_pb.ResourceInfo(
        resource_type=error.kind, resource_name=clip(error.name, 200), description=clip(str(error), MAX_ENTRY_BYTES)
    )
    return Details(metadata, holder)


def _precondition(kind: str, subject: str, description: str) -> details_pb.PreconditionFailure.Violation:
    return details_pb.PreconditionFailure.Violation(type=kind, subject=clip(subject, 200), description=clip(description, MAX_ENTRY_BYTES))


def _not_in_force(error: NotInForceError) -> Details:
    entry = _precondition("NOT_IN_FORCE", f"policies/{error.subject}", str(error))
    return Details({"as_of": error.as_of}, details_pb.PreconditionFailure(), [entry])


def _conflict(error: ConflictError) -> Details:
    entry = _precondition("CONFLICTING_ROWS", f"decisions/{error.decision}", str(error))
    return Details({"rows": ",".join(error.rows)}, details_pb.PreconditionFailure(), [entry])


def _version(error: VersionMismatchError) -> Details:
    entry = _precondition("VERSION_MISMATCH", f"policies/{error.policy}", str(error))
    return Details({"pinned": error.pinned, "current": error.current}, details_pb.PreconditionFailure(), [entry])


def _book(error: BookError) -> Details:
    entries = (_precondition(f.code.number, str(f.span), _described(f)) for f in error.report.errors)
    return Details({"faults": str(len(error.report.errors))}, details_pb.PreconditionFailure(), entries)


def _limit(error: LimitError) -> Details:
    entry = details_pb.QuotaFailure.Violation(subject=error.limit, description=clip(str(error), MAX_ENTRY_BYTES))
    metadata = {"limit": str(error.allowed), "got": str(error.got)}
    return Details(metadata, details_pb.QuotaFailure(), [entry], error.retry_s if isinstance(error, OverloadedError | RateError) else 0.0)


def _masked(error: MaskedError) -> Details:
    entries = [_precondition("MASKED_FACT", f"facts.{name}", str(error)) for name in error.names]
    return Details({"decision_id": error.decision_id}, details_pb.PreconditionFailure(), entries)


def _no_log(error: NoLogError) -> Details:
    return Details({}, details_pb.PreconditionFailure(), [_precondition("NO_LOG", "decision log", str(error))])


def _taken(error: RequestIdTakenError) -> Details:
    holder = details_pb.ResourceInfo(
        resource_type="request_id", resource_name=clip(error.request_id, 200), description=clip(str(error), MAX_ENTRY_BYTES)
    )
    return Details({"decision_id": error.decision_id, "decide_time": error.decided_at}, holder)


def _unauthenticated(_error: UnauthenticatedError) -> Details:
    return Details()


def _forbidden(error: ForbiddenError) -> Details:
    metadata = {"roles": ",".join(error.roles)}
    return Details(metadata | ({"policy": error.policy} if error.policy else {}))


def _too_long(error: TimeLimitError) -> Details:
    return Details({"limit": f"{error.allowed_s:g}s"})


def _later(error: StartingError | ShuttingDownError | LogError | KeysError) -> Details:
    return Details(retry_s=error.retry_s)


def _own_fault(_error: Exception) -> Details:
    """Give the fault a number; what happened goes to the log and never to the caller."""
    return Details({"incident": secrets.token_hex(6)})


TABLE: dict[type[PolicybookError], Line] = {
    PolicybookError: Line(StatusCode.INTERNAL, "INTERNAL", _own_fault),
    EngineError: Line(StatusCode.INTERNAL, "ENGINE_DISAGREES", _own_fault),
    FactsError: Line(StatusCode.INVALID_ARGUMENT, "INVALID_FACTS", _facts),
    RequestError: Line(StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", _request),
    UnknownNameError: Line(StatusCode.NOT_FOUND, lambda e: f"{e.kind.upper()}_NOT_FOUND", _unknown),
    NotInForceError: Line(StatusCode.FAILED_PRECONDITION, "NOT_IN_FORCE", _not_in_force),
    ConflictError: Line(StatusCode.FAILED_PRECONDITION, "CONFLICTING_ROWS", _conflict),
    VersionMismatchError: Line(StatusCode.FAILED_PRECONDITION, "VERSION_MISMATCH", _version),
    BookError: Line(StatusCode.FAILED_PRECONDITION, "INVALID_BOOK", _book),
    LimitError: Line(StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_ITEMS", _limit),
    TooManyItemsError: Line(StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_ITEMS", _limit),
    RequestTooLargeError: Line(StatusCode.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE", _limit),
    AnswerTooLargeError: Line(StatusCode.RESOURCE_EXHAUSTED, "ANSWER_TOO_LARGE", _limit),
    OverloadedError: Line(StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", _limit),
    RateError: Line(StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", _limit),
    TimeLimitError: Line(StatusCode.DEADLINE_EXCEEDED, "TIME_LIMIT", _too_long),
    UnauthenticatedError: Line(
        StatusCode.UNAUTHENTICATED, lambda e: "CREDENTIALS_REFUSED" if e.presented else "CREDENTIALS_MISSING", _unauthenticated
    ),
    ForbiddenError: Line(StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED", _forbidden),
    KeysError: Line(StatusCode.UNAVAILABLE, "KEYS_UNAVAILABLE", _later),
    LogError: Line(StatusCode.UNAVAILABLE, "LOG_UNAVAILABLE", _later),
    NoLogError: Line(StatusCode.FAILED_PRECONDITION, "NO_LOG", _no_log),
    MaskedError: Line(StatusCode.FAILED_PRECONDITION, "MASKED_FACTS", _masked),
    RequestIdTakenError: Line(StatusCode.ALREADY_EXISTS, "REQUEST_ID_TAKEN", _taken),
    StartingError: Line(StatusCode.UNAVAILABLE, "STARTING", _later),
    ShuttingDownError: Line(StatusCode.UNAVAILABLE, "SHUTTING_DOWN", _later),
}

_BUG = TABLE[PolicybookError]

# What a client sees in `trailing_metadata()`.
Trailer: TypeAlias = tuple[tuple[str, bytes]]


def status_of(error: Exception, decision: str = "") -> status_pb2.Status:
    """Make the status of a refused request; at most `MAX_STATUS_BYTES` long, whatever the request held.

    Args:
        decision: the name that was asked for, if any; goes to the metadata
    """
    line = TABLE.get(type(error), _BUG) if isinstance(error, PolicybookError) else _BUG
    found = line.details(error)
    reason = line.reason if isinstance(line.reason, str) else line.reason(error)
    metadata = {name: clip(value, MAX_VALUE_BYTES) for name, value in found.metadata.items()}
    if decision:
        metadata["decision"] = clip(decision, MAX_VALUE_BYTES)
    if line.code is StatusCode.INTERNAL:
        told = {"incident": metadata["incident"], "decision": metadata.get("decision", "")}
        log.error("incident %(incident)s %(decision)s", told, extra=told, exc_info=error)
        message = f"a fault of the service, not of the request; its log has the rest under incident {metadata['incident']}"
    else:
        message = clip(str(error), MAX_MESSAGE_BYTES)
    status = status_pb2.Status(code=line.code.value[0], message=message)
    holder = found.holder
    if holder is not None:
        room = MAX_STATUS_BYTES - status.ByteSize() - sum(len(k) + 3 * len(v) + 8 for k, v in metadata.items()) - 200
        omitted = _fill(holder, found.entries, room)
        if omitted:
            metadata["omitted"] = str(omitted)
    for detail in _all(details_pb.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata), holder, found.retry_s):
        status.details.add().Pack(detail)
    return status


def _all(info: Message, holder: Message | None, retry_s: float) -> Iterator[Message]:
    yield info
    if holder is not None:
        yield holder
    if retry_s:
        delay = Duration()
        delay.FromMilliseconds(round(retry_s * 1000))
        yield details_pb.RetryInfo(retry_delay=delay)


def _fill(holder: Message, entries: Iterable[Message], room_bytes: int) -> int:
    """Put in as many violations as there is room for; return how many were left out."""
    name = "field_violations" if isinstance(holder, details_pb.BadRequest) else "violations"
    repeated: Any = getattr(holder, name, None)
    omitted = 0
    for entry in entries:
        size = entry.ByteSize() + 4
        if omitted or len(repeated) >= MAX_ENTRIES or size > room_bytes:
            omitted += 1
        else:
            room_bytes -= size
            repeated.append(entry)
    return omitted


def reason_of(status: status_pb2.Status) -> str:
    """Return the reason that a status gives in its ErrorInfo; empty where it gives none."""
    info = details_pb.ErrorInfo()
    return next((info.reason for detail in status.details if detail.Unpack(info)), "")


def reason_in(trailers: Iterable[tuple[str, str | bytes]] | None) -> str:
    """Return the reason in the trailers of a call; empty where there is none."""
    packed = dict(trailers or ()).get(DETAILS_KEY)
    return reason_of(status_pb2.Status.FromString(packed)) if isinstance(packed, bytes) else ""


_CODES: dict[int, StatusCode] = {code.value[0]: code for code in StatusCode}


def abortion(status: status_pb2.Status) -> tuple[StatusCode, str, Trailer]:
    """Return the arguments of `ServicerContext.abort` that carry a status with its details."""
    return _CODES[status.code], status.message, ((DETAILS_KEY, status.SerializeToString()),)

"""gRPC statuses and their details to exceptions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from policybook_client import _wire
from policybook_client.errors import (
    ConflictError,
    DeadlineExceededError,
    FailedPreconditionError,
    FieldViolation,
    InternalError,
    InvalidFactsError,
    InvalidRequestError,
    NotFoundError,
    NotInForceError,
    PermissionDeniedError,
    PolicybookError,
    PreconditionViolation,
    QuotaViolation,
    RequestIdTakenError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    VersionMismatchError,
)

DOMAIN: Final = "policybook.dev"
UNREADABLE_ANSWER: Final = "UNREADABLE_ANSWER"

_LONG_S: Final = 10**9
_TRAILER: Final = "grpc-status-details-bin"
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
_DETAILS: Final[dict[str, Any]] = {
    "google.rpc.ErrorInfo": _wire.ErrorInfo,
    "google.rpc.BadRequest": _wire.BadRequest,
    "google.rpc.ResourceInfo": _wire.ResourceInfo,
    "google.rpc.PreconditionFailure": _wire.PreconditionFailure,
    "google.rpc.QuotaFailure": _wire.QuotaFailure,
    "google.rpc.RetryInfo": _wire.RetryInfo,
}
_PRECONDITIONS: Final[dict[str, type[FailedPreconditionError]]] = {
    "NOT_IN_FORCE": NotInForceError,
    "BOOK_NOT_IN_FORCE": NotInForceError,
    "CONFLICTING_ROWS": ConflictError,
    "VERSION_MISMATCH": VersionMismatchError,
}


def error_of_call(failure: grpc.RpcError) -> PolicybookError:
    """Turn a failed call into the exception to raise from it."""
    call: Any = failure
    details: Iterable[Any] = ()
    for key, value in call.trailing_metadata() or ():
        if key == _TRAILER:
            try:
                details = _wire.Status.FromString(value).details
            except DecodeError:
                # A proxy's trailer that is no Status must not hide the code and the message.
                continue
    return _error(call.code() or grpc.StatusCode.UNKNOWN, call.details() or "", details)


def error_of_item(item: Any) -> PolicybookError:
    """Turn the `ItemError` of a batch or a stream into an exception."""
    code = _CODES.get(item.code, grpc.StatusCode.UNKNOWN)
    return _error(code, item.message, item.details)


def unreadable(why: str) -> InternalError:
    """Make the exception for an answer that breaks the interface."""
    return InternalError(f"the service's answer cannot be read: {why}", reason=UNREADABLE_ANSWER)


def _error(code: grpc.StatusCode, message: str, details: Iterable[Any]) -> PolicybookError:
    found = _Details(details)
    # Only the service's own reasons have a meaning here; a proxy may send others under the same names.
    reason = found.info.reason if found.info.domain == DOMAIN else ""
    metadata = dict(found.info.metadata)
    common: dict[str, Any] = {"code": code, "reason": found.info.reason, "metadata": metadata}
    message = message or found.info.reason or code.name
    match code:
        case grpc.StatusCode.INVALID_ARGUMENT:
            kind = InvalidFactsError if reason == "INVALID_FACTS" else InvalidRequestError
            return kind(message, field_violations=found.field_violations(), **common)
        case grpc.StatusCode.NOT_FOUND:
            return NotFoundError(
                message,
                resource_type=found.resource.resource_type,
                resource_name=found.resource.resource_name,
                nearest=tuple(name for part in metadata.get("nearest", "").split(",") if (name := part.strip())),
                **common,
            )
        case grpc.StatusCode.ALREADY_EXISTS:
            return RequestIdTakenError(message, decision_id=metadata.get("decision_id", ""), **common)
        case grpc.StatusCode.FAILED_PRECONDITION:
            return _PRECONDITIONS.get(reason, FailedPreconditionError)(
                message, violations=found.preconditions(), **common
            )
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return ResourceExhaustedError(message, violations=found.quotas(), retry_after=found.retry_after(), **common)
        case grpc.StatusCode.UNAVAILABLE:
            return UnavailableError(message, retry_after=found.retry_after(), **common)
        case grpc.StatusCode.UNAUTHENTICATED:
            return UnauthenticatedError(message, **common)
        case grpc.StatusCode.PERMISSION_DENIED:
            roles = tuple(filter(None, metadata.get("roles", "").split(",")))
            return PermissionDeniedError(message, roles=roles, policy=metadata.get("policy", ""), **common)
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceededError(message, **common)
        case grpc.StatusCode.INTERNAL | grpc.StatusCode.UNKNOWN | grpc.StatusCode.DATA_LOSS:
            return InternalError(message, incident_id=metadata.get("incident", ""), **common)
        case _:
            return PolicybookError(message, **common)


class _Details:
    """The details of one status, by type; those that are absent, unknown or broken read as empty."""

    def __init__(self, details: Iterable[Any]) -> None:
        self._by_name: dict[str, Any] = {}
        for detail in details:
            name = detail.type_url.rpartition("/")[2]
            if name in _DETAILS:
                try:
                    self._by_name.setdefault(name, _DETAILS[name].FromString(detail.value))
                except DecodeError:
                    continue

    def _get(self, name: str) -> Any:
        full = f"google.rpc.{name}"
        return self._by_name.get(full) or _DETAILS[full]()

    @property
    def info(self) -> Any:
        return self._get("ErrorInfo")

    @property
    def resource(self) -> Any:
        return self._get("ResourceInfo")

    def field_violations(self) -> tuple[FieldViolation, ...]:
        found = self._get("BadRequest").field_violations
        return tuple(FieldViolation(v.field, v.description, v.reason) for v in found)

    def preconditions(self) -> tuple[PreconditionViolation, ...]:
        found = self._get("PreconditionFailure").violations
        return tuple(PreconditionViolation(v.type, v.subject, v.description) for v in found)

    def quotas(self) -> tuple[QuotaViolation, ...]:
        return tuple(QuotaViolation(v.subject, v.description) for v in self._get("QuotaFailure").violations)

    def retry_after(self) -> timedelta | None:
        info = self._get("RetryInfo")
        if not info.HasField("retry_delay"):
            return None
        # A timedelta holds fewer seconds than a Duration.
        seconds = min(info.retry_delay.seconds, _LONG_S)
        return max(timedelta(seconds=max(seconds, 0), microseconds=info.retry_delay.nanos // 1000), timedelta(0))

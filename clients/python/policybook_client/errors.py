"""The exceptions, all of them: one tree with `PolicybookError` at the root.

A refusal by the policy is an answer (`Decision`), never one of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import grpc

__all__ = [
    "ConflictError",
    "DeadlineExceededError",
    "FailedPreconditionError",
    "FieldViolation",
    "InternalError",
    "InvalidFactsError",
    "InvalidRequestError",
    "NotFoundError",
    "NotInForceError",
    "PolicybookError",
    "PreconditionViolation",
    "QuotaViolation",
    "RequestIdTakenError",
    "ResourceExhaustedError",
    "UnavailableError",
    "VersionMismatchError",
]


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One thing that is wrong with a request.

    Attributes:
        field: where it stands in the request: `facts.shipment_amount`
        description: what is wrong and what is allowed, in words for a person
        reason: stable name of the fault, such as `MISSING_FACT`
    """

    field: str
    description: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.description}" if self.field else self.description


@dataclass(frozen=True, slots=True)
class PreconditionViolation:
    """One reason why a sound request cannot be decided.

    Attributes:
        type: kind of reason: `CONFLICTING_ROWS`
        subject: what it is about: `policies/credit`
        description: in words for a person
    """

    type: str
    subject: str
    description: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.description}" if self.subject else self.description


@dataclass(frozen=True, slots=True)
class QuotaViolation:
    """One limit that was passed.

    Attributes:
        subject: what is limited: `requests`
        description: in words for a person
    """

    subject: str
    description: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.description}" if self.subject else self.description


class PolicybookError(Exception):
    """A request was not decided.

    `__cause__` is the `grpc.RpcError`, except for one item of a batch or of a stream.

    Attributes:
        code: gRPC status
        reason: stable name of what happened, such as `INVALID_FACTS`; empty when it was not the service that answered
        message: one line in words for a person
        metadata: further facts about it, by name, from the service
    """

    default_code = grpc.StatusCode.UNKNOWN

    code: grpc.StatusCode
    reason: str
    message: str
    metadata: Mapping[str, str]

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode | None = None,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.reason = reason
        self.metadata = MappingProxyType(dict(metadata or {}))

    def __str__(self) -> str:
        more = self.metadata.get("omitted")
        return "\n  ".join((self.message, *self._lines(), *((f"... and {more} more",) if more else ())))

    def _lines(self) -> tuple[str, ...]:
        """Give what the message does not say, line by line, for `str`."""
        return ()

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions rebuild themselves from positional arguments only; ours are named, and proxies do not pickle.
        state = {name: dict(v) if isinstance(v, MappingProxyType) else v for name, v in self.__dict__.items()}
        return _rebuild, (type(self), state)


def _rebuild(kind: type[PolicybookError], state: dict[str, Any]) -> PolicybookError:
    error = kind.__new__(kind, state["message"])
    error.__dict__.update(state)
    error.metadata = MappingProxyType(state["metadata"])
    return error


class InvalidRequestError(PolicybookError):
    """A field of the request is wrong (INVALID_ARGUMENT).

    Attributes:
        field_violations: every fault that the service found, all at once
    """

    default_code = grpc.StatusCode.INVALID_ARGUMENT

    field_violations: tuple[FieldViolation, ...]

    def __init__(self, message: str, *, field_violations: tuple[FieldViolation, ...] = (), **rest: Any) -> None:
        super().__init__(message, **rest)
        self.field_violations = field_violations

    def __str__(self) -> str:
        text = super().__str__()
        first = str(self.field_violations[0]) if self.field_violations else ""
        # The service's message is the beginning of the list; the list says it all, and where.
        if self.message.partition("; ")[0] in first:
            return text.removeprefix(self.message).removeprefix("\n  ")
        return text

    def _lines(self) -> tuple[str, ...]:
        return tuple(map(str, self.field_violations))


class UnauthenticatedError(PolicybookError):
    """The service does not know who calls: no token, or one that it does not take (UNAUTHENTICATED)."""

    default_code = grpc.StatusCode.UNAUTHENTICATED


class PermissionDeniedError(PolicybookError):
    """The caller has not the role that this needs (PERMISSION_DENIED).

    Attributes:
        roles: any one of them would do
        policy: the policy that it is needed for; empty: the call as such
    """

    default_code = grpc.StatusCode.PERMISSION_DENIED

    roles: tuple[str, ...]
    policy: str

    def __init__(self, message: str, *, roles: tuple[str, ...] = (), policy: str = "", **rest: Any) -> None:
        super().__init__(message, **rest)
        self.roles = roles
        self.policy = policy


class InvalidFactsError(InvalidRequestError):
    """Facts are missing, unknown, of the wrong type or out of bounds."""


class NotFoundError(PolicybookError):
    """There is no such policy, decision or version (NOT_FOUND).

    Attributes:
        resource_type: `decision`, `policy` or `version`, as the service calls it
        resource_name: the name that was asked for
        nearest: names that exist and are most like it, best first
    """

    default_code = grpc.StatusCode.NOT_FOUND

    resource_type: str
    resource_name: str
    nearest: tuple[str, ...]

    def __init__(
        self,
        message: str,
        *,
        resource_type: str = "",
        resource_name: str = "",
        nearest: tuple[str, ...] = (),
        **rest: Any,
    ) -> None:
        super().__init__(message, **rest)
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.nearest = nearest


class RequestIdTakenError(PolicybookError):
    """The request id was used before, for another request (ALREADY_EXISTS).

    Attributes:
        decision_id: of the decision that it stands for
    """

    default_code = grpc.StatusCode.ALREADY_EXISTS

    decision_id: str

    def __init__(self, message: str, *, decision_id: str = "", **rest: Any) -> None:
        super().__init__(message, **rest)
        self.decision_id = decision_id


class FailedPreconditionError(PolicybookError):
    """The request is sound, but cannot be decided as things stand (FAILED_PRECONDITION).

    Attributes:
        violations: why not
    """

    default_code = grpc.StatusCode.FAILED_PRECONDITION

    violations: tuple[PreconditionViolation, ...]

    def __init__(self, message: str, *, violations: tuple[PreconditionViolation, ...] = (), **rest: Any) -> None:
        super().__init__(message, **rest)
        self.violations = violations

    def _lines(self) -> tuple[str, ...]:
        return tuple(str(v) for v in self.violations if v.description != self.message)


class NotInForceError(FailedPreconditionError):
    """The policy, or a figure that the decision needs, is not in force on that date."""


class ConflictError(FailedPreconditionError):
    """Several rows of a table matched that allows one only, or rows that must agree do not."""


class VersionMismatchError(FailedPreconditionError):
    """The pinned version is not of the policy that was asked."""


class ResourceExhaustedError(PolicybookError):
    """Too large, too many, or the service has more to do than it can (RESOURCE_EXHAUSTED).

    Attributes:
        violations: which limits
        retry_after: when to ask again; None if asking again does not help
    """

    default_code = grpc.StatusCode.RESOURCE_EXHAUSTED

    violations: tuple[QuotaViolation, ...]
    retry_after: timedelta | None

    def __init__(
        self,
        message: str,
        *,
        violations: tuple[QuotaViolation, ...] = (),
        retry_after: timedelta | None = None,
        **rest: Any,
    ) -> None:
        super().__init__(message, **rest)
        self.violations = violations
        self.retry_after = retry_after

    def _lines(self) -> tuple[str, ...]:
        return tuple(str(v) for v in self.violations if v.description != self.message)


class UnavailableError(PolicybookError):
    """The service cannot be reached, is starting or is going down (UNAVAILABLE).

    Attributes:
        retry_after: when to ask again, if the service said so
    """

    default_code = grpc.StatusCode.UNAVAILABLE

    retry_after: timedelta | None

    def __init__(self, message: str, *, retry_after: timedelta | None = None, **rest: Any) -> None:
        super().__init__(message, **rest)
        self.retry_after = retry_after


class DeadlineExceededError(PolicybookError):
    """No answer within the time allowed (DEADLINE_EXCEEDED)."""

    default_code = grpc.StatusCode.DEADLINE_EXCEEDED


class InternalError(PolicybookError):
    """A fault of the service, or an answer that cannot be read (INTERNAL).

    Attributes:
        incident_id: quote it to whoever runs the service; their log has the rest. Empty if none was given
    """

    default_code = grpc.StatusCode.INTERNAL

    incident_id: str

    def __init__(self, message: str, *, incident_id: str = "", **rest: Any) -> None:
        super().__init__(message, **rest)
        self.incident_id = incident_id

    def _lines(self) -> tuple[str, ...]:
        shown = self.incident_id and self.incident_id not in self.message
        return (f"incident {self.incident_id}",) if shown else ()

"""What both clients share: methods, channel options, requests, and when to try again."""

from __future__ import annotations

import random
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final, TypedDict

import grpc

from policybook_client import _wire
from policybook_client._convert import facts_to_wire, timestamp_of
from policybook_client._version import __version__
from policybook_client.decision import DecisionRequest, TraceLevel
from policybook_client.errors import DeadlineExceededError, PolicybookError, ResourceExhaustedError, UnavailableError

Metadata = Sequence[tuple[str, str | bytes]]
Token = str | Callable[[], str]

DEFAULT_TIMEOUT: Final = timedelta(seconds=5)
# LIMIT: gRPC takes 4 MiB unless told otherwise; 10,000 decisions with their traces are some 20 MB.
DEFAULT_MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
# LIMIT: a gRPC server as it comes cuts off clients that ping more often than every five minutes.
DEFAULT_KEEPALIVE: Final = timedelta(minutes=5)
PAGE_SIZE: Final = 100
# The service looks for five seconds at most, and may have others to answer first.
EXPLAIN_TIMEOUT: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When a call that failed is made again.

    Calls are made again when the service is unavailable, or overloaded and says when to ask again; never when it has
    answered, and never past the call's timeout, which covers all attempts together. A decision changes nothing, so
    asking twice is harmless; with a request id it is one decision, and one record, however often it is asked. Streams
    are not made again.

    Attributes:
        max_attempts: the first one included
        initial_backoff: wait before the second attempt; shortened at random by up to half
        max_backoff: longest wait of our own; a longer one that the service asks for is kept
        multiplier: of the wait, from one attempt to the next
    """

    max_attempts: int = 5
    initial_backoff: timedelta = timedelta(milliseconds=100)
    max_backoff: timedelta = timedelta(seconds=2)
    multiplier: float = 3.0

    def __post_init__(self) -> None:
        if self.max_attempts < 1 or self.multiplier < 1 or self.initial_backoff < timedelta(0):
            raise ValueError("a retry policy has at least 1 attempt, a multiplier of at least 1 and no negative wait")


DEFAULT_RETRY: Final = RetryPolicy()


class ClientOptions(TypedDict, total=False):
    """The keyword arguments of both clients; see `PolicybookClient`."""

    credentials: grpc.ChannelCredentials | None
    token: Token | None
    insecure: bool
    timeout: timedelta
    retry: RetryPolicy | None
    keepalive: timedelta | None
    max_message_bytes: int
    metadata: Metadata
    language: str
    trace: TraceLevel
    channel_options: Sequence[tuple[str, Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """One method of the interface; request and response are message classes."""

    path: str
    request: Any
    response: Any


_DECISION = "/policybook.v1.DecisionService/"
_POLICY = "/policybook.v1.PolicyService/"
DECIDE: Final = Method(_DECISION + "Decide", _wire.DecideRequest, _wire.DecideResponse)
BATCH_DECIDE: Final = Method(_DECISION + "BatchDecide", _wire.BatchDecideRequest, _wire.BatchDecideResponse)
STREAM_DECIDE: Final = Method(_DECISION + "StreamDecide", _wire.StreamDecideRequest, _wire.StreamDecideResponse)
EXPLAIN: Final = Method(_DECISION + "Explain", _wire.ExplainRequest, _wire.ExplainResponse)
LIST_POLICIES: Final = Method(_POLICY + "ListPolicies", _wire.ListPoliciesRequest, _wire.ListPoliciesResponse)
LIST_DECISIONS: Final = Method(
    _POLICY + "ListDecisionDefinitions", _wire.ListDecisionDefinitionsRequest, _wire.ListDecisionDefinitionsResponse
)
GET_DECISION: Final = Method(
    _POLICY + "GetDecisionDefinition", _wire.GetDecisionDefinitionRequest, _wire.GetDecisionDefinitionResponse
)
CHECK: Final = Method(_POLICY + "Check", _wire.CheckRequest, _wire.CheckResponse)
_AUDIT = "/policybook.v1.AuditService/"
GET_RECORD: Final = Method(
    _AUDIT + "GetDecisionRecord", _wire.GetDecisionRecordRequest, _wire.GetDecisionRecordResponse
)
LIST_RECORDS: Final = Method(
    _AUDIT + "ListDecisionRecords", _wire.ListDecisionRecordsRequest, _wire.ListDecisionRecordsResponse
)
REEVALUATE: Final = Method(
    _AUDIT + "ReevaluateDecision", _wire.ReevaluateDecisionRequest, _wire.ReevaluateDecisionResponse
)
LOG_STATUS: Final = Method(_AUDIT + "GetLogStatus", _wire.GetLogStatusRequest, _wire.GetLogStatusResponse)
HEALTH: Final = Method("/grpc.health.v1.Health/Check", _wire.HealthCheckRequest, _wire.HealthCheckResponse)
UNARY: Final = (
    DECIDE,
    BATCH_DECIDE,
    EXPLAIN,
    LIST_POLICIES,
    LIST_DECISIONS,
    GET_DECISION,
    CHECK,
    GET_RECORD,
    LIST_RECORDS,
    REEVALUATE,
    LOG_STATUS,
    HEALTH,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a client was set to, checked."""

    target: str
    credentials: grpc.ChannelCredentials | None
    token: Token | None = field(repr=False)
    timeout: timedelta
    retry: RetryPolicy | None
    metadata: Metadata = field(repr=False)
    language: str
    trace: TraceLevel
    channel_options: tuple[tuple[str, Any], ...]

    def call_metadata(self) -> Metadata:
        """Return what goes with a call; a token that changes is asked for.

        Raises:
            TypeError, ValueError: what was given for a token is none
        """
        if self.token is None:
            return self.metadata
        return (*self.metadata, _authorization(self.token() if callable(self.token) else self.token))

    @classmethod
    def of(
        cls,
        target: str,
        *,
        credentials: grpc.ChannelCredentials | None,
        token: Token | None,
        insecure: bool,
        timeout: timedelta,
        retry: RetryPolicy | None,
        keepalive: timedelta | None,
        max_message_bytes: int,
        metadata: Metadata,
        language: str,
        trace: TraceLevel,
        channel_options: Sequence[tuple[str, Any]],
    ) -> Settings:
        """Check the arguments of a client.

        Raises:
            ValueError: two of them contradict each other, or facts would go over a network unprotected
        """
        loopback = is_loopback(target)
        if credentials is not None and insecure:
            raise ValueError("`credentials` and `insecure=True` contradict each other")
        if credentials is None and not insecure and not loopback:
            raise ValueError(
                f"`{target}` is not on this machine: pass `credentials=grpc.ssl_channel_credentials()`, "
                "or `insecure=True` to send facts unprotected"
            )
        if token is not None and credentials is None and not loopback:
            raise ValueError("a token goes to another machine over TLS alone: pass `credentials=` as well")
        if isinstance(token, str):
            _authorization(token)
        seconds_of(timeout)
        options: list[tuple[str, Any]] = [
            ("grpc.primary_user_agent", f"policybook-client/{__version__}"),
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", max_message_bytes),
            # gRPC waits a second before it connects again, longer than our first retries.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 5_000),
        ]
        if keepalive is not None:
            options.append(("grpc.keepalive_time_ms", int(seconds_of(keepalive) * 1000)))
        if loopback:
            # A proxy named in the environment cannot reach this machine's own loopback.
            options.append(("grpc.enable_http_proxy", 0))
        return cls(
            target=target,
            credentials=credentials,
            token=token,
            timeout=timeout,
            retry=retry,
            metadata=tuple(metadata),
            language=language,
            trace=trace,
            # The caller's come last, and the last one of a name counts.
            channel_options=(*options, *channel_options),
        )


def _authorization(token: object) -> tuple[str, str]:
    # What is wrong with it is said without it.
    if not isinstance(token, str):
        raise TypeError(f"a token is a str, or a function that returns one, not {type(token).__name__}")
    if not re.fullmatch(r"[!-~]+", token):
        raise ValueError("this token is empty, or has characters that no header takes, such as the end of a line")
    return ("authorization", f"Bearer {token}")


def is_loopback(target: str) -> bool:
    """Tell whether a gRPC target can only be on this machine."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    addresses = re.sub(r"^(?:dns|ipv4|ipv6|passthrough):(?://[^/]*/)?", "", target).split(",")
    return all(map(_is_loopback_host, map(_host_of, addresses)))


def _host_of(address: str) -> str:
    if address.startswith("["):
        return address[1:].partition("]")[0]
    # More than one colon without brackets is an IPv6 address that has no port.
    return address.partition(":")[0] if address.count(":") == 1 else address


def _is_loopback_host(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def seconds_of(timeout: timedelta) -> float:
    """Give a time allowed in seconds.

    Raises:
        TypeError: it is no timedelta
        ValueError: it is not positive
    """
    if not isinstance(timeout, timedelta):
        raise TypeError(f"a time is a timedelta, not {type(timeout).__name__}: write `timedelta(seconds={timeout!r})`")
    if timeout <= timedelta(0):
        raise ValueError(f"a time allowed must be positive, not {timeout}")
    return timeout.total_seconds()


class Attempts:
    """The attempts of one call, under one deadline."""

    def __init__(self, policy: RetryPolicy | None, timeout: timedelta, target: str) -> None:
        self._policy = policy
        self.timeout_s = seconds_of(timeout)
        self._end = time.monotonic() + self.timeout_s
        self._target = target
        self._made = 0
        self._backoff = policy.initial_backoff if policy else timedelta(0)

    def is_over(self) -> bool:
        """Tell whether the time allowed is used up."""
        return time.monotonic() >= self._end

    def left_s(self) -> float:
        """Give what is left of the time allowed; never negative, which gRPC would take for no deadline."""
        return max(self._end - time.monotonic(), 0.001)

    def wait_s(self, error: PolicybookError) -> float | None:
        """Say how long to wait before the next attempt; None if there shall be none."""
        self._made += 1
        policy = self._policy
        if policy is None or self._made >= policy.max_attempts:
            return None
        asked = None
        match error:
            case UnavailableError():
                asked = error.retry_after
            case ResourceExhaustedError(retry_after=timedelta()):
                # Without RetryInfo the request itself is too large, and stays so.
                asked = error.retry_after
            case _:
                return None
        own_s = self._backoff.total_seconds() * random.uniform(0.5, 1.0)
        self._backoff = min(self._backoff * policy.multiplier, policy.max_backoff)
        wait = max(own_s, asked.total_seconds() if asked else 0.0)
        # Better the true reason now than a deadline that is sure to pass.
        return wait if wait < self._end - time.monotonic() else None

    def last_words(self, error: PolicybookError) -> PolicybookError:
        """Complete the error that is raised after the last attempt."""
        if type(error) is DeadlineExceededError and not error.reason:
            return no_answer(self._target, self.timeout_s)
        if self._made > 1:
            error.add_note(f"attempts: {self._made}")
        return error


def no_answer(target: str, timeout_s: float) -> DeadlineExceededError:
    """Make the error for a time that ran out on our side."""
    return DeadlineExceededError(f"no answer from {target} within {timeout_s:g} s")


class StreamClock:
    """Says when an answer of a stream is overdue.

    The time runs while the caller waits for an answer and a request is unanswered; not while the caller or the source
    of requests is busy. Used from two threads, hence only with operations that are atomic.
    """

    def __init__(self, timeout: timedelta) -> None:
        self.timeout_s = seconds_of(timeout)
        self.has_expired = False
        self._sent: deque[float] = deque()
        self._waiting_since: float | None = None

    def sent(self) -> None:
        """Note that a request goes out."""
        self._sent.append(time.monotonic())

    def waiting(self) -> None:
        """Note that the caller begins to wait for an answer."""
        self._waiting_since = time.monotonic()

    def answered(self) -> None:
        """Note that an answer has come."""
        self._waiting_since = None
        if self._sent:
            self._sent.popleft()

    def left_s(self) -> float:
        """Say in how many seconds an answer may be overdue at the earliest; 0 or less: it is."""
        waiting_since = self._waiting_since
        try:
            oldest = self._sent[0]
        except IndexError:
            return self.timeout_s
        if waiting_since is None:
            return self.timeout_s
        return max(oldest, waiting_since) + self.timeout_s - time.monotonic()


def decide_request(asked: DecisionRequest, settings: Settings, path: str = "") -> Any:
    """Build a DecideRequest.

    Args:
        asked: the request
        settings: of the client, for what the request leaves open
        path: put before the names of fields in messages: `requests[3].`
    Raises:
        TypeError: a fact or argument is of a type that cannot be sent
        ValueError: a fact or argument has a value that cannot be sent
    """
    request = _wire.DecideRequest(
        decision=asked.decision,
        facts=facts_to_wire(asked.facts, f"{path}facts"),
        request_id=asked.request_id,
        policy_version=asked.policy_version,
        trace_level=(asked.trace or settings.trace).value,
        language=settings.language if asked.language is None else asked.language,
        challenger_version=asked.challenger_version,
    )
    _set_as_of(request, asked.as_of, path)
    return request


def _set_as_of(request: Any, as_of: date | datetime | None, path: str = "") -> None:
    match as_of:
        case None:
            pass
        case datetime():
            request.as_of_time.CopyFrom(timestamp_of(as_of, f"{path}as_of"))
        case date():
            request.as_of_date = as_of.isoformat()
        case _:
            raise TypeError(f"{path}as_of: a date or an aware datetime, not {type(as_of).__name__}")


def explain_request(
    asked: DecisionRequest,
    settings: Settings,
    *,
    want: object,
    keep: Iterable[str],
    vary: Iterable[str],
    compare: Iterable[str],
    max_alternatives: int,
) -> Any:
    """Build an ExplainRequest; raises as `decide_request`.

    Raises:
        ValueError: a negative number of alternatives
    """
    if max_alternatives < 0:
        raise ValueError(f"max_alternatives: 0 for none, or more, not {max_alternatives}")
    names = {"keep": keep, "vary": vary, "compare": compare}
    for argument, given in names.items():
        if isinstance(given, str):
            raise TypeError(f"{argument}: a list of names, not a str: write `[{given!r:.60}]`")
    request = _wire.ExplainRequest(
        decision=asked.decision,
        facts=facts_to_wire(asked.facts, "facts"),
        request_id=asked.request_id,
        policy_version=asked.policy_version,
        trace_level=(asked.trace or settings.trace).value,
        language=settings.language if asked.language is None else asked.language,
        wanted_outputs=facts_to_wire(want, "want"),
        kept_inputs=keep,
        varied_inputs=vary,
        compared_outputs=compare,
        # On the wire 0 is what nobody set.
        max_alternatives=max_alternatives or -1,
    )
    _set_as_of(request, asked.as_of)
    return request


def batch_request(asked: Iterable[DecisionRequest], settings: Settings) -> Any:
    """Build a BatchDecideRequest; raises as `decide_request`, naming the item."""
    requests = [decide_request(one, settings, f"requests[{i}].") for i, one in enumerate(asked)]
    return _wire.BatchDecideRequest(requests=requests)


def stream_request(asked: DecisionRequest, settings: Settings, number: int) -> Any:
    """Build a StreamDecideRequest; raises as `decide_request`, naming the item."""
    return _wire.StreamDecideRequest(request=decide_request(asked, settings, f"requests[{number}]."))


def get_decision_request(name: str, as_of: date | None, policy_version: str, language: str) -> Any:
    """Build a GetDecisionDefinitionRequest.

    Raises:
        TypeError: as_of is a datetime or no date at all
    """
    if as_of is not None and (isinstance(as_of, datetime) or not isinstance(as_of, date)):
        raise TypeError(f"as_of: a table is described as of a date, not {type(as_of).__name__}")
    return _wire.GetDecisionDefinitionRequest(
        name=name,
        as_of_date=as_of.isoformat() if as_of else "",
        policy_version=policy_version,
        language=language,
    )


def check_request(source: str, file_name: str) -> Any:
    """Build a CheckRequest.

    Raises:
        TypeError: the source is no text
        ValueError: the source cannot be written as UTF-8
    """
    if not isinstance(source, str):
        raise TypeError(f"check takes the YAML text as str, not {type(source).__name__}")
    try:
        source.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the YAML text cannot be written as UTF-8: {error.reason} at {error.start}") from None
    return _wire.CheckRequest(source=source, file_name=file_name)

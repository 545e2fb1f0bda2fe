"""The synchronous client."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import grpc

from policybook_client import _read, _records, _rpc
from policybook_client._rpc import ClientOptions, Metadata, RetryPolicy, Token
from policybook_client._status import error_of_call, unreadable
from policybook_client.catalog import CheckReport, DecisionDefinition, Health, Policy
from policybook_client.decision import Decision, DecisionRequest, TraceLevel
from policybook_client.errors import DeadlineExceededError, PolicybookError, UnavailableError
from policybook_client.explanation import Explanation
from policybook_client.records import DecisionRecord, LogStatus, RecordFilter, Reevaluation
from policybook_client.values import Fact

__all__ = ["PolicybookClient"]

T = TypeVar("T")

_READY_TIMEOUT = timedelta(seconds=10)
_READY_POLL_S = 0.1


class PolicybookClient:
    """Asks a policybook service.

    One client holds one connection and may be used by many threads; it connects at the first call. Close it, or use it
    in a `with` statement.

    Every call has a deadline and is made again where that is harmless (see `RetryPolicy`). Calls raise
    `PolicybookError` when they were not answered, and TypeError or ValueError, before anything is sent, for arguments
    that cannot be sent.
    """

    def __init__(
        self,
        target: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        token: Token | None = None,
        insecure: bool = False,
        timeout: timedelta = _rpc.DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = _rpc.DEFAULT_RETRY,
        keepalive: timedelta | None = _rpc.DEFAULT_KEEPALIVE,
        max_message_bytes: int = _rpc.DEFAULT_MAX_MESSAGE_BYTES,
        metadata: Metadata = (),
        language: str = "en",
        trace: TraceLevel = TraceLevel.MATCHED,
        channel_options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            target: `localhost:50151`, `unix:/run/policybook.sock`, or any other gRPC target
            credentials: of TLS: `grpc.ssl_channel_credentials()`. Not needed for a target on this machine
            token: says who calls; a function is asked before every call and attempt, from the thread or loop of the
                call, so it should keep what it has and renew it in time
            insecure: send facts unprotected to another machine, inside a network that is protected by itself
            timeout: of each call, all its attempts together, unless the call says otherwise
            retry: when a call is made again; None: never
            keepalive: how often an idle connection is probed during a call; None: never
            max_message_bytes: largest message sent or received
            metadata: sent with each call, for proxies and logs: `[("x-tenant", "north")]`
            language: of titles and sentences, `en` or `zh`, unless the call says otherwise
            trace: how much of the reasoning comes back, unless the call says otherwise
            channel_options: further options of the gRPC channel; they win over those above
        Raises:
            ValueError: the target is on another machine and neither `credentials` nor `insecure` is given, or a token
                would go there without TLS
        """
        self._settings = _rpc.Settings.of(
            target,
            credentials=credentials,
            token=token,
            insecure=insecure,
            timeout=timeout,
            retry=retry,
            keepalive=keepalive,
            max_message_bytes=max_message_bytes,
            metadata=metadata,
            language=language,
            trace=trace,
            channel_options=channel_options,
        )
        options = self._settings.channel_options
        self._channel: grpc.Channel = (
            grpc.insecure_channel(target, options)
            if credentials is None
            else grpc.secure_channel(target, credentials, options)
        )
        self._unary: dict[_rpc.Method, Any] = {
            method: self._channel.unary_unary(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
            for method in _rpc.UNARY
        }
        self._stream: Any = self._channel.stream_stream(
            _rpc.STREAM_DECIDE.path,
            request_serializer=_rpc.STREAM_DECIDE.request.SerializeToString,
            response_deserializer=_rpc.STREAM_DECIDE.response.FromString,
        )

    @classmethod
    def connect(
        cls, target: str, *, ready_timeout: timedelta = _READY_TIMEOUT, **options: Unpack[ClientOptions]
    ) -> Self:
        """Set up a client and wait until the service is ready.

        Args:
            target: as for the constructor
            ready_timeout: how long to wait
            options: as for the constructor
        Raises:
            UnavailableError: the service was not ready in time
        """
        client = cls(target, **options)
        try:
            client.wait_until_ready(ready_timeout)
        except BaseException:
            client.close()
            raise
        return client

    def close(self) -> None:
        """Close the connection; calls under way fail."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings.target!r})"

    def decide(
        self,
        decision: str,
        facts: Mapping[str, Fact],
        *,
        as_of: date | datetime | None = None,
        policy_version: str = "",
        trace: TraceLevel | None = None,
        language: str | None = None,
        request_id: str = "",
        challenger_version: str = "",
        timeout: timedelta | None = None,
    ) -> Decision:
        """Ask one decision.

        Args:
            decision: policy and decision: `credit.shipment`
            facts: what is known, by input name; see `policybook_client.values` for the types
            as_of: apply the policy as it stands on this day (in its time zone) or at this aware datetime; None: now
            policy_version: decide only by this version (content hash or its first 8 characters at least); empty: newest
            trace: how much of the reasoning comes back; None: as the client was set
            language: `en` or `zh`; None: as the client was set
            request_id: your own id of the request; comes back in the answer. Where the service keeps a decision log,
                the same request under the same id is one decision
            challenger_version: a version that is to decide beside; it is compared and recorded, not answered
            timeout: for all attempts together; None: as the client was set
        Raises:
            InvalidFactsError: facts are missing, unknown, of the wrong type or out of bounds; says which, all at once
            NotFoundError: there is no such decision or version
            NotInForceError: the policy is not in force on that day
            ConflictError: rows of the table contradict each other
            VersionMismatchError: the pinned version is not of this policy
            RequestIdTakenError: the request id stands for another request
            UnavailableError: the service was not reached, or cannot record what it must
            DeadlineExceededError: no answer in time
            PolicybookError: anything else the service answered
        """
        asked = DecisionRequest(
            decision=decision,
            facts=facts,
            as_of=as_of,
            policy_version=policy_version,
            trace=trace,
            language=language,
            request_id=request_id,
            challenger_version=challenger_version,
        )
        request = _rpc.decide_request(asked, self._settings)
        return self._call(_rpc.DECIDE, request, timeout, _read.decision_of)

    def explain(
        self,
        decision: str,
        facts: Mapping[str, Fact],
        *,
        want: Mapping[str, Fact] | None = None,
        keep: Iterable[str] = (),
        vary: Iterable[str] = (),
        compare: Iterable[str] = (),
        max_alternatives: int = 5,
        as_of: date | datetime | None = None,
        policy_version: str = "",
        trace: TraceLevel | None = None,
        language: str | None = None,
        request_id: str = "",
        timeout: timedelta | None = None,
    ) -> Explanation:
        """Explain one decision: why it came so, what would change it, what comes along an input, or what is missing.

        Args:
            decision: policy and decision: `credit.shipment`
            facts: what is known; required ones may be missing, then `completion` says which of them can still matter
            want: the outcome that is wanted, by output; None: any other
            keep: inputs that nobody can change
            vary: inputs along which the outcomes are wanted, at most 5
            compare: the outputs that matter; empty: the first choice or flag, and for what is missing all outputs
            max_alternatives: ways to another outcome; 0: none is looked for
            as_of: as in `decide`; so are the others
            policy_version: explain only by this version
            trace: of the answer
            language: of titles and sentences
            request_id: your own
            timeout: for all attempts together; None: 30 seconds, since the service may look for several
        Raises:
            InvalidFactsError: facts are unknown, of the wrong type or out of bounds
            InvalidRequestError: a name is none of the decision
            PolicybookError: as `decide`
        """
        asked = DecisionRequest(
            decision=decision,
            facts=facts,
            as_of=as_of,
            policy_version=policy_version,
            trace=trace,
            language=language,
            request_id=request_id,
        )
        request = _rpc.explain_request(
            asked,
            self._settings,
            want=want or {},
            keep=keep,
            vary=vary,
            compare=compare,
            max_alternatives=max_alternatives,
        )
        return self._call(_rpc.EXPLAIN, request, timeout or _rpc.EXPLAIN_TIMEOUT, _read.explanation_of)

    def decide_batch(
        self, requests: Iterable[DecisionRequest], *, timeout: timedelta | None = None
    ) -> list[Decision | PolicybookError]:
        """Ask many decisions in one call; one that fails spoils no other.

        Args:
            requests: at most 10,000, unless the service is set otherwise; `decide_stream` has no such limit
            timeout: for the whole batch; None: as the client was set
        Returns:
            one result for each request, in order: an answer, or the error (not raised) why there is none
        Raises:
            PolicybookError: the batch as a whole was not answered
        """
        request = _rpc.batch_request(requests, self._settings)
        count = len(request.requests)
        return self._call(_rpc.BATCH_DECIDE, request, timeout, lambda answer: _read.results_of(answer, count))

    def decide_stream(
        self, requests: Iterable[DecisionRequest], *, timeout: timedelta | None = None
    ) -> Generator[Decision | PolicybookError, None, None]:
        """Ask decisions as they come; answers come back while later requests are still being made.

        The stream begins with the first `next`; leaving the loop ends it. It is not made again when it breaks. The
        requests are taken from the iterable in a thread of their own.

        Args:
            requests: any number; an exception from it is raised here after the answers to what came before
            timeout: for each answer, from when it is waited for; None: as the client was set. The stream as a whole
                may take as long as it likes
        Yields:
            one result for each request, in order: an answer, or the error (not raised) why there is none
        Raises:
            DeadlineExceededError: an answer took too long
            PolicybookError: the stream broke
        """
        clock = _rpc.StreamClock(self._timeout(timeout))
        source = _Source(requests, lambda one, number: _rpc.stream_request(one, self._settings, number), clock)
        call: Any = self._stream(source, metadata=self._settings.call_metadata())
        done = threading.Event()
        watch = threading.Thread(target=_watch, args=(clock, call, done), name="policybook-stream-watch", daemon=True)
        watch.start()
        answered = 0
        try:
            while True:
                clock.waiting()
                try:
                    response = next(call)
                except StopIteration:
                    break
                except grpc.RpcError as failure:
                    if clock.has_expired:
                        raise _rpc.no_answer(self._settings.target, clock.timeout_s) from failure
                    raise error_of_call(failure) from failure
                clock.answered()
                answered += 1
                yield _read.result_of(response.result)
            if source.failure is not None:
                raise source.failure
            if answered != source.taken:
                raise unreadable(f"{answered} answers to {source.taken} requests")
            if not source.is_exhausted:
                raise unreadable("it ended before the requests did")
        finally:
            done.set()
            call.cancel()

    def list_policies(self, *, language: str | None = None, timeout: timedelta | None = None) -> tuple[Policy, ...]:
        """List the policies in service.

        Args:
            language: of titles; None: as the client was set
            timeout: for each page of 100; None: as the client was set
        """
        request = _rpc.LIST_POLICIES.request(page_size=_rpc.PAGE_SIZE, language=self._language(language))
        return self._pages(_rpc.LIST_POLICIES, request, timeout, _read.policies_of)

    def list_decisions(
        self, policy: str = "", *, language: str | None = None, timeout: timedelta | None = None
    ) -> tuple[DecisionDefinition, ...]:
        """List the decisions of one policy or of all, without the rows of their tables.

        Args:
            policy: its name; empty: all
            language: of titles; None: as the client was set
            timeout: for each page of 100; None: as the client was set
        Raises:
            NotFoundError: there is no such policy
        """
        request = _rpc.LIST_DECISIONS.request(
            policy=policy, page_size=_rpc.PAGE_SIZE, language=self._language(language)
        )
        return self._pages(_rpc.LIST_DECISIONS, request, timeout, _read.definitions_of)

    def get_decision(
        self,
        name: str,
        *,
        as_of: date | None = None,
        policy_version: str = "",
        language: str | None = None,
        timeout: timedelta | None = None,
    ) -> DecisionDefinition:
        """Describe one decision: typed inputs and outputs, figures, and the table itself.

        Args:
            name: `credit.shipment`
            as_of: the rows and figures in force on this day; None: today
            policy_version: of this version; empty: the newest
            language: of titles and sentences; None: as the client was set
            timeout: None: as the client was set
        Raises:
            NotFoundError: there is no such decision or version
        """
        request = _rpc.get_decision_request(name, as_of, policy_version, self._language(language))
        return self._call(
            _rpc.GET_DECISION, request, timeout, lambda answer: _read.definition_of(answer.decision_definition)
        )

    def check(self, yaml_text: str, *, file_name: str = "", timeout: timedelta | None = None) -> CheckReport:
        """Check the YAML text of a policy; nothing is stored.

        Args:
            yaml_text: one book
            file_name: shown in the places of findings; empty: `policy.yaml`
            timeout: None: as the client was set
        Returns:
            every finding; true if the policy could be served
        """
        return self._call(_rpc.CHECK, _rpc.check_request(yaml_text, file_name), timeout, _read.report_of)

    def get_record(self, decision_id: str, *, timeout: timedelta | None = None) -> DecisionRecord:
        """Return what the service's decision log says of one decision.

        Args:
            decision_id: `Decision.id`
            timeout: None: as the client was set
        Raises:
            NotFoundError: it is not in the log
            FailedPreconditionError: the service keeps no log
        """
        request = _rpc.GET_RECORD.request(decision_id=decision_id)
        return self._call(_rpc.GET_RECORD, request, timeout, _records.record_of_response)

    def list_records(
        self, wanted: RecordFilter | None = None, *, newest_first: bool = False, timeout: timedelta | None = None
    ) -> Generator[DecisionRecord, None, None]:
        """List records of the decision log in the order of their times, page by page as they are taken.

        Args:
            wanted: which; None: all
            newest_first: begin with the latest
            timeout: for each page; None: as the client was set
        Raises:
            FailedPreconditionError: the service keeps no log
        """
        request = _records.list_request(wanted or RecordFilter(), newest_first=newest_first, page_size=_rpc.PAGE_SIZE)
        while True:
            page, request.page_token = self._call(_rpc.LIST_RECORDS, request, timeout, _records.records_of)
            yield from page
            if not request.page_token:
                return

    def reevaluate(
        self,
        decision_id: str,
        *,
        masked_facts: Mapping[str, Fact] | None = None,
        trace: TraceLevel | None = None,
        language: str | None = None,
        timeout: timedelta | None = None,
    ) -> Reevaluation:
        """Make a recorded decision again, by the very version, facts and moment that it was made by.

        Args:
            decision_id: `Decision.id`
            masked_facts: the values of the facts that are kept out of the log, all of them
            trace: how much of the reasoning comes back, whatever was asked for then; None: as the client was set
            language: of titles and sentences; None: as the client was set
            timeout: None: 30 seconds, since an old version must be made ready first
        Returns:
            true if it comes as it was recorded
        Raises:
            NotFoundError: it is not in the log
            FailedPreconditionError: the service keeps no log, or facts are masked and not given
        """
        request = _records.reevaluate_request(
            decision_id,
            trace=trace or self._settings.trace,
            language=self._language(language),
            masked_facts=masked_facts or {},
        )
        return self._call(_rpc.REEVALUATE, request, timeout or _rpc.EXPLAIN_TIMEOUT, _records.reevaluation_of)

    def log_status(self, *, timeout: timedelta | None = None) -> LogStatus:
        """Ask how the decision log does.

        Raises:
            FailedPreconditionError: the service keeps no log
        """
        return self._call(_rpc.LOG_STATUS, _rpc.LOG_STATUS.request(), timeout, _records.status_of)

    def health(self, *, timeout: timedelta | None = None) -> Health:
        """Ask the service how it is, once.

        Raises:
            UnavailableError: it cannot be reached
        """
        allowed = _rpc.Attempts(None, self._timeout(timeout), self._settings.target)
        return self._attempt(_rpc.HEALTH, _rpc.HEALTH.request(), allowed, _read.health_of)

    def wait_until_ready(self, timeout: timedelta = _READY_TIMEOUT) -> None:
        """Wait until the service is reached and says that it is serving.

        Raises:
            UnavailableError: it did not in that time
        """
        allowed = _rpc.Attempts(None, timeout, self._settings.target)
        state = "not reached"
        while not allowed.is_over():
            try:
                health = self._attempt(
                    _rpc.HEALTH, _rpc.HEALTH.request(), allowed, _read.health_of, wait_for_ready=True
                )
            except (UnavailableError, DeadlineExceededError) as error:
                state = error.message if isinstance(error, UnavailableError) else state
            else:
                if health is Health.SERVING:
                    return
                state = health.name
            time.sleep(min(_READY_POLL_S, allowed.left_s()))
        raise UnavailableError(f"{self._settings.target} was not ready within {allowed.timeout_s:g} s: {state}")

    def _language(self, language: str | None) -> str:
        return self._settings.language if language is None else language

    def _timeout(self, timeout: timedelta | None) -> timedelta:
        return self._settings.timeout if timeout is None else timeout

    def _pages(
        self,
        method: _rpc.Method,
        request: Any,
        timeout: timedelta | None,
        read: Callable[[Any], tuple[list[T], str]],
    ) -> tuple[T, ...]:
        found: list[T] = []
        seen = {""}
        while True:
            page, token = self._call(method, request, timeout, read)
            found += page
            if not token:
                return tuple(found)
            if token in seen:
                raise unreadable("a page token came twice")
            seen.add(token)
            request.page_token = token

    def _call(self, method: _rpc.Method, request: Any, timeout: timedelta | None, read: Callable[[Any], T]) -> T:
        attempts = _rpc.Attempts(self._settings.retry, self._timeout(timeout), self._settings.target)
        while True:
            try:
                return self._attempt(method, request, attempts, read)
            except PolicybookError as error:
                wait_s = attempts.wait_s(error)
                if wait_s is None:
                    raise attempts.last_words(error) from error.__cause__
            time.sleep(wait_s)

    def _attempt(
        self,
        method: _rpc.Method,
        request: Any,
        attempts: _rpc.Attempts,
        read: Callable[[Any], T],
        *,
        wait_for_ready: bool | None = None,
    ) -> T:
        try:
            answer = self._unary[method](
                request,
                timeout=attempts.left_s(),
                metadata=self._settings.call_metadata(),
                wait_for_ready=wait_for_ready,
            )
        except grpc.RpcError as failure:
            raise error_of_call(failure) from failure
        try:
            return read(answer)
        except ValueError as error:
            raise unreadable(str(error)) from error


class _Source:
    """Takes the requests of a stream and keeps what goes wrong, which gRPC would only log."""

    def __init__(
        self, requests: Iterable[DecisionRequest], build: Callable[[DecisionRequest, int], Any], clock: _rpc.StreamClock
    ) -> None:
        self._requests = iter(requests)
        self._build = build
        self._clock = clock
        self.taken = 0
        self.is_exhausted = False
        self.failure: Exception | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            request = self._build(next(self._requests), self.taken)
        except StopIteration:
            self.is_exhausted = True
            raise
        except Exception as error:  # noqa: BLE001 - it is raised in the thread that asked
            self.failure = error
            raise StopIteration from None
        self.taken += 1
        self._clock.sent()
        return request


def _watch(clock: _rpc.StreamClock, call: Any, done: threading.Event) -> None:
    while (left_s := clock.left_s()) > 0:
        if done.wait(left_s):
            return
    clock.has_expired = True
    call.cancel()

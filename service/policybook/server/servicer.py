"""The two services, one method a call. Requests come in and responses go out as bytes.

grpcio would turn a message that cannot be parsed into a bare status; parsing is therefore done here, inside the try that gives
every refusal its details. Whatever is short runs on the event loop, where it costs no switch of threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from google.protobuf.message import DecodeError, Message

from policybook.analyse.findings import table_findings
from policybook.analyse.invariants import invariant_findings
from policybook.analyse.limits import Limits as Analysis
from policybook.audit.entry import Record
from policybook.check.book import check_source
from policybook.check.twins import twin_findings
from policybook.desk import Desk, not_in_time
from policybook.diagnostics import Code, Finding, Report, Severity, nearest
from policybook.errors import BookError, EngineError, LogError, PolicybookError, RequestError, UnknownNameError
from policybook.explain.explainer import Explainer, Question
from policybook.model.book import Book, Decision
from policybook.server import convert, definitions, explanations, wire
from policybook.server.access.errors import ForbiddenError
from policybook.server.access.gate import Gate
from policybook.server.access.roles import Caller, Role
from policybook.server.answers import Printer
from policybook.server.inbox import Inbox
from policybook.server.limits import (
    AnswerTooLargeError,
    Limits,
    OverloadedError,
    RequestTooLargeError,
    ShuttingDownError,
    StartingError,
    TooManyItemsError,
)
from policybook.server.records import Records
from policybook.server.routes import AUDITS, DECISIONS, POLICIES, Context, Stream, Unary, refuse
from policybook.server.together import RESPONSE, Late, Made, Parts, Together, Turns, refused
from policybook.source import Source, Span
from policybook.store.reload import make_edition
from policybook.v1 import audit_service_pb2 as audit_pb
from policybook.v1 import decision_service_pb2 as decision_pb
from policybook.v1 import policy_service_pb2 as policy_pb
from policybook.v1 import trace_pb2 as trace_pb

log = logging.getLogger("policybook.server")

Clock: TypeAlias = Callable[[], datetime]
M = TypeVar("M", bound=Message)
T = TypeVar("T")

_RESULTS = wire.tag(decision_pb.BatchDecideResponse, "results")
_RESULT = wire.tag(decision_pb.StreamDecideResponse, "result")

MAX_FINDINGS = 1000


class Services:
    """Both services, and what they share: the desk once the books are loaded, the limits, whether the end has come.

    Args:
        now: the clock, for Check and for definitions as of today
        gate: counts what callers ask beyond the first decision of a call
    """

    def __init__(self, limits: Limits, now: Clock, gate: Gate) -> None:
        self.limits = limits
        self._gate = gate
        self.desk: Desk | None = None
        self.stopping = False
        self._now = now
        self._printer = Printer()
        self._records = Records(limits, self._printer)
        self._turns = Turns(lambda desk, messages, caller: self._many(desk, messages, caller, _RESULT), limits.turn_s)
        self._checking = 0
        self._explaining = 0
        # One thread each: under CPython's lock a second would only take its turns from the loop. Several pools, so that a long check
        # does not hold up decisions.
        self._checkers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="policybook-check")
        self._explainers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="policybook-explain")
        self._tracers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="policybook-trace")
        self._auditors = ThreadPoolExecutor(max_workers=1, thread_name_prefix="policybook-audit")
        self._idle: set[asyncio.Task[Any]] = set()

    def stop(self) -> None:
        """Let calls in progress end, and end the streams that wait for their caller."""
        self.stopping = True
        for task in self._idle:
            task.cancel()

    def close(self) -> None:
        """Give up what is left, after the last call."""
        for pool in (self._checkers, self._explainers, self._tracers, self._auditors):
            pool.shutdown(wait=False, cancel_futures=True)

    # ------------------------------------------------------------ DecisionService

    async def decide(self, data: bytes, context: Context, caller: Caller) -> bytes:
        """Decide one request."""
        message = None
        try:
            desk = self._desk()
            message = self._parse(decision_pb.DecideRequest, data)
            if message.trace_level == trace_pb.TRACE_LEVEL_FULL:
                made = await self._in_thread(self._response, desk, message, caller)
            else:
                made = self._response(desk, message, caller)
            return made if isinstance(made, bytes) else await self._recorded(desk, made)
        except Exception as e:  # noqa: BLE001 - every fault becomes a status with details
            return await refuse(context, e, message.decision if message else "")

    async def batch_decide(self, data: bytes, context: Context, caller: Caller) -> bytes:
        """Decide many requests; others get their turn in between."""
        limits = self.limits
        try:
            desk = self._desk()
            message = self._parse(decision_pb.BatchDecideRequest, data, limits.batch_bytes)
            if len(message.requests) > limits.batch_items:
                raise TooManyItemsError("requests in a batch", limits.batch_items, len(message.requests))
            self._gate.charge(caller, len(message.requests) - 1)
            results: list[bytes] = []
            late: list[tuple[int, Late]] = []
            size = 0
            parts = Parts(message.requests, limits.turn_s)
            turn = time.perf_counter()
            for part in parts:
                began = time.perf_counter()
                for made in await self._results(desk, part, caller, _RESULTS):
                    if isinstance(made, Late):
                        # All of them are written together; to wait for each would take a turn of the disk each.
                        late.append((len(results), made))
                    result = made if isinstance(made, bytes) else b""
                    size += len(result)
                    if size > limits.answer_bytes:
                        raise AnswerTooLargeError("bytes of the answer to a batch", limits.answer_bytes, size)
                    results.append(result)
                now = time.perf_counter()
                parts.took(len(part), now - began)
                if late and desk.log.is_behind:
                    # Else a few large batches would fill its queue, and it would refuse.
                    await _come_to_rest(late[-1][1].kept, limits.log_wait_s)
                if now - turn > limits.turn_s / 2:
                    # Also where an expired deadline or a cancelled call ends the work.
                    await asyncio.sleep(0)
                    turn = time.perf_counter()
            for place, one in late:
                results[place] = await self._late_result(desk, one, _RESULTS)
                size += len(results[place])
                if size > limits.answer_bytes:
                    raise AnswerTooLargeError("bytes of the answer to a batch", limits.answer_bytes, size)
            return b"".join(results)
        except Exception as e:  # noqa: BLE001 - every fault becomes a status with details
            return await refuse(context, e)

    async def stream_decide(self, _requests: Any, context: Context, caller: Caller) -> None:
        """Decide requests as they come, in order; those that have come meanwhile go together."""
        task = asyncio.current_task()
        assert task is not None
        inbox: Inbox | None = None
        left = self.limits.stream_items
        try:
            desk = self._desk()
            inbox = Inbox(context.read, self.limits.unary_bytes)
            # What was read before the end is answered.
            while not self.stopping or not inbox.is_empty:
                self._idle.add(task)
                try:
                    came = await inbox.take()
                finally:
                    self._idle.discard(task)
                if not came:
                    return
                # What was within the limit is answered first.
                within = came[:left]
                left -= len(within)
                if not await self._answer_stream(desk, within, caller, context):
                    return
                if len(within) < len(came):
                    most = self.limits.stream_items
                    raise TooManyItemsError("requests in a stream", most, most + 1)
                if self.stopping:
                    inbox.close()
        except asyncio.CancelledError:
            if not self._woken(context):
                raise
            # It was `stop` that woke this stream from waiting; the status can still be sent.
            task.uncancel()
        except Exception as e:  # noqa: BLE001 - every fault becomes a status with details
            await refuse(context, e)
        finally:
            if inbox is not None:
                inbox.close()
        await refuse(context, ShuttingDownError(self.limits.retry_s))

    async def _answer_stream(self, desk: Desk, came: Sequence[bytes], caller: Caller, context: Context) -> bool:
        """Answer messages of a stream; tells whether the caller is still there."""
        if pause_s := self._gate.charge(caller, len(came)):
            # Whoever asks faster than he may gets his answers at the pace that he may; what he sends meanwhile waits at his end.
            await asyncio.sleep(pause_s)
        for part in self._stream_parts(came):
            made: Sequence[Made] = [part] if isinstance(part, bytes) else await self._turn(desk, part, caller)
            for one in made:
                result = one if isinstance(one, bytes) else await self._late_result(desk, one, _RESULT)
                try:
                    await context.write(result)
                except Exception:  # noqa: BLE001 - grpcio names none of those that say so
                    # The caller is gone, and nobody waits for a status.
                    log.debug("a stream's caller is gone before its answer")
                    return False
        return True

    def _woken(self, context: Context) -> bool:
        return self.stopping and not context.cancelled()

    def _stream_parts(self, came: Sequence[bytes]) -> Iterator[Sequence[decision_pb.DecideRequest] | bytes]:
        """Read messages of a stream, in order: what is decided in one go, or the result of one that cannot be read."""
        messages: list[decision_pb.DecideRequest] = []
        for data in came:
            try:
                messages.append(self._parse(decision_pb.StreamDecideRequest, data).request)
            except PolicybookError as e:
                yield from Parts(messages, self.limits.turn_s)
                yield refused(_RESULT, e, "", self._desk().counter)
                messages = []
        yield from Parts(messages, self.limits.turn_s)

    async def _turn(self, desk: Desk, messages: Sequence[decision_pb.DecideRequest], caller: Caller) -> Sequence[Made]:
        """Answer messages of a stream, together with those that others sent meanwhile."""
        if messages[0].trace_level == trace_pb.TRACE_LEVEL_FULL or caller.books(Role.DECIDE) is not None:
            return await self._results(desk, messages, caller, _RESULT)
        return await self._turns.results(desk, messages, self._name(caller))

    async def _results(self, desk: Desk, messages: Sequence[decision_pb.DecideRequest], caller: Caller, before: bytes) -> list[Made]:
        """Answer requests that came together, as DecideResults whose tag is `before`."""
        barred: dict[int, Made] = {}
        if caller.books(Role.DECIDE) is not None:
            for place, message in enumerate(messages):
                try:
                    _may_decide(caller, message.decision)
                except ForbiddenError as e:
                    barred[place] = refused(before, e, message.decision, desk.counter)
            messages = [m for place, m in enumerate(messages) if place not in barred]
        if len(messages) == 1 and messages[0].trace_level == trace_pb.TRACE_LEVEL_FULL:
            made = await self._in_thread(self._many, desk, messages, self._name(caller), before)
        else:
            made = self._many(desk, messages, self._name(caller), before) if messages else []
        if not barred:
            return made
        others = iter(made)
        return [barred[place] if place in barred else next(others) for place in range(len(barred) + len(made))]

    def _many(self, desk: Desk, messages: Sequence[decision_pb.DecideRequest], caller: str, before: bytes) -> list[Made]:
        if len(messages) > 1:
            return Together(desk, self._printer, self.limits, caller, before).results(messages)
        try:
            made = self._made(desk, messages[0], caller)
            return [wire.part(before, wire.part(RESPONSE, made)) if isinstance(made, bytes) else made]
        except Exception as e:  # noqa: BLE001 - every fault becomes the item's error
            return [refused(before, e, messages[0].decision, desk.counter)]

    async def _late_result(self, desk: Desk, late: Late, before: bytes) -> bytes:
        try:
            return wire.part(before, wire.part(RESPONSE, await self._recorded(desk, late)))
        except Exception as e:  # noqa: BLE001 - every fault becomes the item's error
            return refused(before, e, late.taken.request.decision, desk.counter)

    def _response(self, desk: Desk, request: decision_pb.DecideRequest, caller: Caller) -> bytes | Late:
        _may_decide(caller, request.decision)
        return self._made(desk, request, self._name(caller))

    def _made(self, desk: Desk, request: decision_pb.DecideRequest, caller: str) -> bytes | Late:
        language = convert.language_of(request.language)
        taken = convert.take(desk, request, self.limits, caller)
        return self._printer.response(taken.answer, language) if taken.kept is None else Late(taken, taken.kept, language)

    async def _recorded(self, desk: Desk, late: Late) -> bytes:
        """Wait until an answer is recorded, and encode it, or the earlier one that its request id stands for."""
        kept = late.kept
        if not kept.done():
            try:
                await asyncio.wait_for(asyncio.wrap_future(kept), self.limits.log_wait_s)
            except TimeoutError:
                raise not_in_time(self.limits.log_wait_s) from None
        earlier = kept.result()
        if earlier is None:
            return self._printer.response(late.taken.answer, late.language)
        # The version that decided may have to be made again.
        answer = await self._in_thread(desk.settle, late.taken, earlier)
        return self._printer.response(answer, late.language)

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Work beside the loop: a full trace of ten thousand rows takes a quarter of a second."""
        # With what this call knows of itself, as `asyncio.to_thread` would.
        own = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._tracers, functools.partial(own.run, work, *arguments))

    def _name(self, caller: Caller) -> str:
        """Return the caller as the log is to record it; where there is none all callers are alike, and what they ask can go together."""
        return caller.name if self.desk is not None and self.desk.log.is_on else ""

    async def explain(self, data: bytes, context: Context, caller: Caller) -> bytes:
        """Explain a decision, in a thread: it may take seconds."""
        limits = self.limits
        message = None
        try:
            desk = self._desk()
            message = self._parse(decision_pb.ExplainRequest, data)
            language = convert.language_of(message.language)
            _may_decide(caller, message.decision)
            asked = convert.question(message, limits, self._name(caller))
            if self._explaining >= limits.concurrent_explanations:
                raise OverloadedError("explanations in progress", limits.concurrent_explanations, self._explaining + 1, limits.retry_s)
            self._explaining += 1
            try:
                own = contextvars.copy_context()
                work = functools.partial(own.run, self._explanation, desk, asked, message.trace_level, language)
                return await asyncio.get_running_loop().run_in_executor(self._explainers, work)
            finally:
                self._explaining -= 1
        except Exception as e:  # noqa: BLE001 - every fault becomes a status with details
            return await refuse(context, e, message.decision if message else "")

    def _clock_until_the_end(self) -> float:
        """Read a clock by which all time is used up once the server goes down: a search then ends with what it has."""
        return float("inf") if self.stopping else time.monotonic()

    def _explanation(self, desk: Desk, asked: Question, level: Any, language: str) -> bytes:
        explanation = Explainer(desk, clock=self._clock_until_the_end).explain(asked)
        answer = explanation.answer
        if answer is not None and level == trace_pb.TRACE_LEVEL_NONE:
            answer = dataclasses.replace(answer, tables=())
        answered = self._printer.response(answer, language) if answer is not None else b""
        return explanations.response(explanation, answered, language).SerializeToString()

    # ------------------------------------------------------------ PolicyService

    async def list_policies(self, data: bytes, context: Context, caller: Caller) -> bytes:
        """List the policies in service."""
        try:
            store = self._desk().store
            message = self._parse(policy_pb.ListPoliciesRequest, data)
            language = convert.language_of(message.language)
            mine = [name for name in store.policies() if caller.may(Role.READ, name)]
            names, token = definitions.page(mine, str, message.page_size, message.page_token, self.limits.page_items)
            policies = [definitions.policy(store.edition(n), store.previous(n), language) for n in names]
            return policy_pb.ListPoliciesResponse(policies=policies, next_page_token=token, digest=store.digest).SerializeToString()
        except Exception as e:  # noqa: BLE001 - every fault becomes a status with details
            return await refuse(context, e)

    async def list_decision_definitions(self, data: bytes, context: Context, caller: Caller) -> bytes:
        """List decisions, without their rows."""
        try:
            store = self._desk().store
            message = self._parse(policy_pb.ListDecisionDefinitionsRequest, data)
            language = convert.language_of(message.language)
            if message.policy:
                caller.need(Role.READ, message.policy)
            mine = [name for name in store.policies() if caller.may(Role.READ, name)]
            books = [store.edition(name).book for name in ([message.policy] if message.policy else mine)]
            all_decisions = sorted(((b, d) for b in books for d in b.decisions), key=_full_name)
            shown, token = definitions.page(all_decisions, _full_name, message.page_size, message.page_token, self.limits.page_items)
            listed = [definitions.definition(b, d, self._today(b), language, with_rows=False) for b, d in shown]
            return policy_pb.ListDecisionDefinitionsResponse(decision_definitions=listed, next_page_token=token).SerializeToString()
        except Exception as e:  # noqa: BLE001 - every fault becomes a status with details
            return await refuse(context, e)

    async def get_decision_definition(self, data: bytes, context: Context, caller: Caller) -> bytes:
        """Describe one decision with its table."""
        message = None
        try:
            store = self._desk().store
            message = self._parse(policy_pb.GetDecisionDefinitionRequest, data)
            language = convert.language_of(message.language)
            policy, dot, name = message.name.partition(".")
            if not (dot and policy and name) or len(message.name) > self.limits.name_characters:
                raise RequestError("name", f"`{message.name[:100]}` is not the name of a decision; a name is `policy.decision`")
            caller.need(Role.READ, policy)
            book = store.edition(policy, message.policy_version).book
            decision = book.decision_by_name.get(name)
            if decision is None:
                raise UnknownNameError("decision", message.name, nearest(message.name, [f"{policy}.{n}" for n in book.decision_by_name]))
            day = convert.day_of("as_of_date", message.as_of_date) if message.as_of_date else self._today(book)
            found = definitions.definition(book, decision, day, language, with_rows=True)
            return policy_pb.GetDecisionDefinitionResponse(decision_definition=found).SerializeToString()
        except Exception as e:  # noqa: BLE001 - every fault becomes a status with details
            return await refuse(context, e, message.name if message else "")

    async def check(self, data: bytes, context: Context, caller: Caller) -> bytes:
        """Check the text of a policy, in a thread: it may take seconds."""
        limits = self.limits
        try:
            self._desk()
            message = self._parse(policy_pb.CheckRequest, data)
            if len(message.source) > limits.book_characters:
                raise RequestTooLargeError("characters of a book to check", limits.book_characters, len(message.source))
            if len(message.file_name) > limits.name_characters:
                raise RequestError("file_name", f"a file name may have at most {limits.name_characters} characters")
            if self._checking >= limits.concurrent_checks:
                raise OverloadedError("checks in progress", limits.concurrent_checks, self._checking + 1, limits.retry_s)
            self._checking += 1
            try:
                source = Source(message.file_name or "policy.yaml", message.source.removeprefix("\ufeff").replace("\r\n", "\n"))
                book, report = await asyncio.get_running_loop().run_in_executor(self._checkers, self._check, source, message.include_notes)
            finally:
                self._checking -= 1
            version = book.version if book is not None and report.ok else ""
            found = definitions.findings(report, MAX_FINDINGS)
            return policy_pb.CheckResponse(ok=report.ok, findings=found, version=version).SerializeToString()
        except Exception as e:  # noqa: BLE001 - every fault becomes a status with details
            return await refuse(context, e)

    def _check(self, source: Source, notes: bool) -> tuple[Book | None, Report]:
        store = self._desk().store
        book, report = check_source(source, store.beside)
        if book is None:
            return None, report
        report += Report.of(twin_findings(book, lambda policy: e.book if (e := store.newest(policy)) else None))
        try:
            make_edition(book, self._now())
        except BookError as e:
            return None, report + e.report
        except EngineError as e:
            span = Span(file=source.name, line=1, column=1, end_line=1, end_column=2)
            return None, report + Report.of([Finding(code=Code.ENGINE_DISAGREES, severity=Severity.ERROR, message=str(e), span=span)])
        seconds = self.limits.analysis_s
        found = table_findings(book, limits=Analysis(seconds=seconds, all_seconds=seconds, notes=notes))
        found = (*found, *invariant_findings(book))
        kept = (f for f in found if notes or f.severity is not Severity.NOTE or f.code is Code.UNDECIDED)
        return book, report + Report.of(kept)

    # ------------------------------------------------------------ AuditService

    def _audit(self, kind: type[M], work: Callable[[Desk, M, Caller], Message]) -> Unary:
        """Make a call that reads the log, in a thread, and sees what was answered before."""

        async def call(data: bytes, context: Context, caller: Caller) -> bytes:
            try:
                desk = self._desk()
                message = self._parse(kind, data)
                # What cannot be written can still be missing; what is there can be read.
                with contextlib.suppress(LogError, TimeoutError):
                    await asyncio.wait_for(asyncio.wrap_future(desk.log.flush()), self.limits.log_wait_s)
                made = await asyncio.get_running_loop().run_in_executor(self._auditors, work, desk, message, caller)
                return made.SerializeToString()
            except Exception as e:  # noqa: BLE001 - every fault becomes a status with details
                return await refuse(context, e)

        return call

    # ------------------------------------------------------------ shared

    def _desk(self) -> Desk:
        if self.desk is None:
            raise StartingError(self.limits.retry_s)
        return self.desk

    def _parse(self, kind: type[M], data: bytes, most_bytes: int = 0) -> M:
        most_bytes = most_bytes or self.limits.unary_bytes
        if len(data) > most_bytes:
            raise RequestTooLargeError("bytes of a request", most_bytes, len(data))
        try:
            return kind.FromString(data)
        except DecodeError:
            # protobuf does not say which.
            why = "its bytes are malformed, a text in it is not UTF-8, or it is nested more than 100 deep"
            raise RequestError("", f"this is no {kind.DESCRIPTOR.name}: {why}") from None

    def _today(self, book: Book) -> Any:
        return self._now().astimezone(book.zone).date()

    def unary(self) -> dict[str, Unary]:
        """Return the methods of one request and one answer, by their full names."""
        return {
            f"/{DECISIONS}/Decide": self.decide,
            f"/{DECISIONS}/BatchDecide": self.batch_decide,
            f"/{DECISIONS}/Explain": self.explain,
            f"/{POLICIES}/ListPolicies": self.list_policies,
            f"/{POLICIES}/ListDecisionDefinitions": self.list_decision_definitions,
            f"/{POLICIES}/GetDecisionDefinition": self.get_decision_definition,
            f"/{POLICIES}/Check": self.check,
            f"/{AUDITS}/GetDecisionRecord": self._audit(audit_pb.GetDecisionRecordRequest, self._records.get),
            f"/{AUDITS}/ListDecisionRecords": self._audit(audit_pb.ListDecisionRecordsRequest, self._records.list),
            f"/{AUDITS}/ReevaluateDecision": self._audit(audit_pb.ReevaluateDecisionRequest, self._records.reevaluate),
            f"/{AUDITS}/GetLogStatus": self._audit(audit_pb.GetLogStatusRequest, self._records.status),
        }

    def streams(self) -> dict[str, Stream]:
        """Return the methods of many requests and many answers, by their full names."""
        return {f"/{DECISIONS}/StreamDecide": self.stream_decide}


async def _come_to_rest(kept: Future[Record | None], most_s: float) -> None:
    """Wait until something is recorded, or not; what came of it is asked later."""
    if not kept.done():
        waited = asyncio.wrap_future(kept)
        await asyncio.wait((waited,), timeout=most_s)
        if waited.done() and not waited.cancelled():
            # Looked at, so that asyncio does not complain of it.
            waited.exception()


def _may_decide(caller: Caller, decision: str) -> None:
    if caller.books(Role.DECIDE) is not None:
        caller.need(Role.DECIDE, decision.partition(".")[0])


def _full_name(pair: tuple[Book, Decision]) -> str:
    return f"{pair[0].name}.{pair[1].name}"

"""Targets that read what programs send, in this process: facts, pages of the decision log, and every call of the services."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2

from contract.calls import taken_apart
from fuzz import nodes, stock, words
from fuzz.engine import Target
from fuzz.messages import Mutator
from policybook.audit.log import Filter
from policybook.audit.masking import Masks
from policybook.audit.open import open_log
from policybook.audit.settings import LogSettings
from policybook.audit.writer import WrittenLog
from policybook.cells.coerce import coerce
from policybook.cells.coercer import Coercer
from policybook.desk import Request
from policybook.errors import FactsError, PolicybookError
from policybook.model.facts import RawFacts
from policybook.server import convert
from policybook.server.access.gate import Gate
from policybook.server.access.roles import EVERYTHING, Caller
from policybook.server.answers import Printer
from policybook.server.limits import Limits
from policybook.server.records import Records
from policybook.server.routes import AUDITS, DECISIONS, POLICIES
from policybook.server.servicer import Services
from policybook.server.status import TABLE
from policybook.v1 import audit_service_pb2 as audit_pb
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import policy_service_pb2 as policy_pb
from policybook.v1 import values_pb2 as values_pb

# What docs/erp-developers.md promises; a fault of the service itself is never an answer to what somebody sent.
DOCUMENTED = frozenset(line.code for line in TABLE.values()) - {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}

KINDS: dict[str, type[Message]] = {
    f"/{DECISIONS}/Decide": pb.DecideRequest,
    f"/{DECISIONS}/BatchDecide": pb.BatchDecideRequest,
    f"/{DECISIONS}/Explain": pb.ExplainRequest,
    f"/{DECISIONS}/StreamDecide": pb.StreamDecideRequest,
    f"/{POLICIES}/ListPolicies": policy_pb.ListPoliciesRequest,
    f"/{POLICIES}/ListDecisionDefinitions": policy_pb.ListDecisionDefinitionsRequest,
    f"/{POLICIES}/GetDecisionDefinition": policy_pb.GetDecisionDefinitionRequest,
    f"/{POLICIES}/Check": policy_pb.CheckRequest,
    f"/{AUDITS}/GetDecisionRecord": audit_pb.GetDecisionRecordRequest,
    f"/{AUDITS}/ListDecisionRecords": audit_pb.ListDecisionRecordsRequest,
    f"/{AUDITS}/ReevaluateDecision": audit_pb.ReevaluateDecisionRequest,
    f"/{AUDITS}/GetLogStatus": audit_pb.GetLogStatusRequest,
}
ANSWERS: dict[str, type[Message]] = {
    f"/{DECISIONS}/Decide": pb.DecideResponse,
    f"/{DECISIONS}/BatchDecide": pb.BatchDecideResponse,
    f"/{DECISIONS}/Explain": pb.ExplainResponse,
    f"/{DECISIONS}/StreamDecide": pb.StreamDecideResponse,
    f"/{POLICIES}/ListPolicies": policy_pb.ListPoliciesResponse,
    f"/{POLICIES}/ListDecisionDefinitions": policy_pb.ListDecisionDefinitionsResponse,
    f"/{POLICIES}/GetDecisionDefinition": policy_pb.GetDecisionDefinitionResponse,
    f"/{POLICIES}/Check": policy_pb.CheckResponse,
    f"/{AUDITS}/GetDecisionRecord": audit_pb.GetDecisionRecordResponse,
    f"/{AUDITS}/ListDecisionRecords": audit_pb.ListDecisionRecordsResponse,
    f"/{AUDITS}/ReevaluateDecision": audit_pb.ReevaluateDecisionResponse,
    f"/{AUDITS}/GetLogStatus": audit_pb.GetLogStatusResponse,
}
METHODS = tuple(KINDS)

CALLER = Caller("fuzz", "", EVERYTHING)


def refusal(status: status_pb2.Status | pb.ItemError) -> tuple[object, ...]:
    """Hold a status against the documented ones; return what it is."""
    found = taken_apart(status)
    assert found.code in DOCUMENTED, f"{found.code.name} {found.reason}"
    assert found.message, "a status without words"
    assert len(status.SerializeToString()) < 8 * 1024, "a status that does not fit into metadata"
    return found.code.name, found.reason, tuple(sorted(set(found.reasons.values())))


def outcome_of(method: str, data: bytes) -> object:
    """Read an answer; return what it is, roughly."""
    answer: Any = ANSWERS[method].FromString(data)
    results = list(answer.results) if isinstance(answer, pb.BatchDecideResponse) else []
    results += [answer.result] if isinstance(answer, pb.StreamDecideResponse) else []
    parts = {refusal(r.error) if r.WhichOneof("result") == "error" else ("decided",) for r in results}
    if isinstance(answer, pb.DecideResponse):
        return method, answer.decision, answer.outcome, tuple(m.row_id for m in answer.matched_rules)
    if isinstance(answer, policy_pb.CheckResponse):
        return method, answer.ok, tuple(sorted({f.code for f in answer.findings}))
    return method, tuple(sorted(map(str, parts))), tuple(sorted(f.name for f, _ in answer.ListFields()))


class Messages:
    """Sound messages of every method, and mutations of them."""

    def __init__(self, record_ids: Sequence[str] = ()) -> None:
        names = {**stock.names(), "decision_id": (*record_ids, "00000000-0000-7000-8000-000000000000")}
        self.mutators = {method: Mutator(kind, names) for method, kind in KINDS.items()}
        self._ids = record_ids

    def seeds(self) -> list[tuple[str, bytes]]:
        """Return pairs of method and message."""
        requests = stock.requests()
        found: list[tuple[str, Message]] = [(f"/{DECISIONS}/Decide", r) for r in requests]
        found += [(f"/{DECISIONS}/StreamDecide", pb.StreamDecideRequest(request=r)) for r in requests[:4]]
        found += [(f"/{DECISIONS}/BatchDecide", pb.BatchDecideRequest(requests=requests[i : i + 6])) for i in (0, 6, 12)]
        quiet = [pb.DecideRequest() for _ in range(20)]
        for i, q in enumerate(quiet):
            q.CopyFrom(requests[i % len(requests)])
            q.trace_level = 1  # type: ignore[assignment]
        found.append((f"/{DECISIONS}/BatchDecide", pb.BatchDecideRequest(requests=quiet)))
        for r in requests[:12]:
            asked = pb.ExplainRequest(decision=r.decision, facts=r.facts, as_of_date="2026-03-31", max_alternatives=2)
            found.append((f"/{DECISIONS}/Explain", asked))
        for path in stock.SMALL_BOOKS:
            found.append((f"/{POLICIES}/Check", policy_pb.CheckRequest(source=path.read_text(encoding="utf-8"))))
        found += [
            (f"/{POLICIES}/ListPolicies", policy_pb.ListPoliciesRequest(page_size=1)),
            (f"/{POLICIES}/ListDecisionDefinitions", policy_pb.ListDecisionDefinitionsRequest(page_size=1, language="zh")),
            (f"/{POLICIES}/GetDecisionDefinition", policy_pb.GetDecisionDefinitionRequest(name="shop.order")),
            (f"/{AUDITS}/ListDecisionRecords", audit_pb.ListDecisionRecordsRequest(page_size=3)),
            (f"/{AUDITS}/GetLogStatus", audit_pb.GetLogStatusRequest()),
        ]
        for one in [*self._ids[:3], "none"]:
            found.append((f"/{AUDITS}/GetDecisionRecord", audit_pb.GetDecisionRecordRequest(decision_id=one)))
            found.append((f"/{AUDITS}/ReevaluateDecision", audit_pb.ReevaluateDecisionRequest(decision_id=one)))
        return [(method, message.SerializeToString(deterministic=True)) for method, message in found]

    def mutate(self, method: str, data: bytes, rnd: Random, others: Sequence[bytes]) -> bytes:
        """Return another message of the method; at times no message."""
        if method.endswith("/Check") and rnd.random() < 0.7:
            try:
                asked = policy_pb.CheckRequest.FromString(data)
            except DecodeError:
                asked = policy_pb.CheckRequest()
            text = nodes.text_mutated(asked.source.encode(), rnd, ())
            asked.source = text.decode("utf-8", "replace")
            return asked.SerializeToString()
        return self.mutators[method].mutate(data, rnd, others)


class FactsTarget(Target):
    """Values of every kind: the quick reading and the careful one agree, and what was read is written and read again as it was.

    An input is a DecideRequest.
    """

    name = "facts"
    budget_s = 3.0

    def __init__(self) -> None:
        self._mutator = Mutator(pb.DecideRequest, stock.names())
        self._desk = stock.desk()
        self._books = {stock.book(p).name: stock.book(p) for p in stock.SERVED}
        self._coercers = {name: Coercer(book) for name, book in self._books.items()}

    def seeds(self) -> Sequence[bytes]:
        return [r.SerializeToString(deterministic=True) for r in stock.requests()]

    def mutate(self, data: bytes, rnd: Random, others: Sequence[bytes]) -> bytes:
        return self._mutator.mutate(data, rnd, others)

    def run(self, data: bytes) -> object:
        try:
            message = pb.DecideRequest.FromString(data)
        except DecodeError:
            return "no message"
        policy, _, name = message.decision.partition(".")
        book = self._books.get(policy) or self._books["kinds"]
        decision = book.decision_by_name.get(name) or book.decisions[0]
        try:
            reader = convert.FactReader(Limits())
            raw = reader.read(message.facts)
        except PolicybookError as e:
            return type(e).__name__
        quick, careful = (
            self._either(lambda: self._coercers[book.name].facts(raw, decision)),
            self._either(lambda: coerce(raw, book, decision)),
        )
        assert quick == careful, "the quick reading says something else"
        if not isinstance(careful, dict):
            self._decided(message.decision, raw)
            return careful
        again = {n: convert.message_of(v, book.input_by_name[n].kind, book.currency) for n, v in careful.items()}
        for n, written in again.items():
            # As it goes over the wire.
            again[n] = values_pb.Value.FromString(written.SerializeToString())
        read = convert.FactReader(Limits()).read({n: v for n, v in again.items() if v.WhichOneof("kind") != "null"})
        assert {n: v for n, v in coerce(read, book, decision, complete=False).items() if v is not None} == {
            n: v for n, v in careful.items() if v is not None and n in read
        }, "written and read again it is something else"
        return self._decided(f"{book.name}.{decision.name}", raw)

    @staticmethod
    def _either(work: Any) -> object:
        try:
            return work()
        except FactsError as e:
            for finding in e.report:
                assert len(finding.message) < 500, "a message without bound"
            return tuple(sorted((f.code.number, f.path, f.message) for f in e.report))
        except PolicybookError as e:
            return type(e).__name__

    def _decided(self, decision: str, raw: RawFacts) -> object:
        try:
            answer = self._desk.decide(Request(decision=decision, facts=raw))
        except FactsError as e:
            return tuple(sorted({f.code.number for f in e.report}))
        except PolicybookError as e:
            return type(e).__name__
        return answer.outcome.value


class LogTarget(Target):
    """Pages of the decision log: tokens of every sort, and filters. An input is a ListDecisionRecordsRequest."""

    name = "log"
    budget_s = 5.0

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="policybook-fuzz-")
        self._desk, self._log, self.ids = filled_log(Path(self._folder.name))
        self._records = Records(Limits(page_items=7), Printer())
        self._mutator = Mutator(audit_pb.ListDecisionRecordsRequest, {**stock.names(), "page_token": ("",)})

    def seeds(self) -> Sequence[bytes]:
        make = audit_pb.ListDecisionRecordsRequest
        asked = [
            make(),
            make(page_size=3, newest_first=True),
            make(page_size=2, decision="kinds.echo", caller="fuzz", request_id="again-1"),
            make(page_size=1, outcome=1, purpose=1, policy_version=stock.book(stock.SERVED[0]).version[:8]),  # type: ignore[arg-type]
        ]
        asked[1].start_time.GetCurrentTime()
        asked[2].end_time.seconds = 2**31
        return [a.SerializeToString() for a in asked]

    def mutate(self, data: bytes, rnd: Random, others: Sequence[bytes]) -> bytes:
        if rnd.random() < 0.5:
            return self._mutator.mutate(data, rnd, others)
        try:
            asked = audit_pb.ListDecisionRecordsRequest.FromString(data)
            token = asked.page_token or self._token(asked)
        except (DecodeError, PolicybookError):
            return self._mutator.mutate(data, rnd, others)
        asked.page_token = self._other(token, rnd)[:400]
        return asked.SerializeToString()

    def _token(self, asked: audit_pb.ListDecisionRecordsRequest) -> str:
        one = audit_pb.ListDecisionRecordsRequest()
        one.CopyFrom(asked)
        one.page_size = 1
        return self._records.list(self._desk, one, CALLER).next_page_token

    @staticmethod
    def _other(token: str, rnd: Random) -> str:
        """Return a token that was never given out: what is inside is changed, or the token itself."""
        try:
            inside = json.loads(base64.urlsafe_b64decode(token))
        except ValueError:
            inside = None
        if not isinstance(inside, list) or not inside or rnd.random() < 0.2:
            return words.bytes_mutated(token.encode(), rnd).decode("utf-8", "ignore")
        odd: tuple[Any, ...] = (
            0, -1, 2**31, 2**63, 10**30, float("inf"), float("nan"), 1.5, None, True, [], {}, "", "x", [[[]]], "9999-12-31T00:00:00Z", "\ud800",
            "\0", words.word(rnd)[:40],
        )  # fmt: skip
        match rnd.randrange(4):
            case 0:
                inside[rnd.randrange(len(inside))] = rnd.choice(odd)
            case 1:
                inside.append(rnd.choice(odd))
            case 2:
                inside.pop()
            case _:
                inside[min(1, len(inside) - 1)] = rnd.choice(odd)
        return base64.urlsafe_b64encode(json.dumps(inside).encode()).decode()

    def run(self, data: bytes) -> object:
        try:
            asked = audit_pb.ListDecisionRecordsRequest.FromString(data)
        except DecodeError:
            return "no message"
        seen: set[int] = set()
        for _ in range(40):
            try:
                page = self._records.list(self._desk, asked, CALLER)
            except PolicybookError as e:
                return type(e).__name__, getattr(e, "field", "")
            for record in page.decision_records:
                assert record.sequence_number not in seen, "a record on two pages"
                assert not asked.decision or record.decision.startswith(asked.decision), "a record of another decision"
                assert not asked.request_id or record.request_id == asked.request_id, "a record of another request"
                assert not asked.caller or record.caller == asked.caller, "a record of another caller"
                seen.add(record.sequence_number)
            if not page.next_page_token:
                return "whole", len(seen)
            asked.page_token = page.next_page_token
        raise AssertionError("pages without end")

    def close(self) -> None:
        self._log.close()
        self._folder.cleanup()


def filled_log(folder: Path) -> tuple[Any, WrittenLog, tuple[str, ...]]:
    """Return a desk with a log that holds some decisions, and their ids."""
    log = open_log(
        LogSettings(target=str(folder / "log.db"), masks=Masks(frozenset({"kinds.text"}), b"0123456789abcdef")), now=lambda: stock.NOW
    )
    desk = stock.desk(log)
    count = iter(range(1_000_000))
    desk._new_id = lambda: f"00000000-0000-7000-8000-{next(count):012d}"
    for i, message in enumerate(stock.requests()):
        request, _ = convert.read_request(message, Limits(), "fuzz" if i % 2 else "other")
        try:
            desk.decide(request)
        except PolicybookError:
            continue
    log.flush().result(30)
    return desk, log, tuple(r.decision_id for r in log.reader().find(Filter(), 100))


class _RefusedError(Exception):
    def __init__(self, code: grpc.StatusCode, trailers: tuple[tuple[str, bytes], ...]) -> None:
        super().__init__(code.name)
        self.code = code
        self.trailers = trailers


class _Context:
    """What a call sees of gRPC; the target `wire` has the real one."""

    def __init__(self, messages: Sequence[bytes]) -> None:
        self._coming = list(messages)
        self.written: list[bytes] = []

    async def abort(self, code: grpc.StatusCode, _message: str, trailers: tuple[tuple[str, bytes], ...]) -> None:
        raise _RefusedError(code, trailers)

    async def read(self) -> Any:
        return self._coming.pop(0) if self._coming else grpc.aio.EOF

    async def write(self, data: bytes) -> None:
        self.written.append(data)

    def cancelled(self) -> bool:
        return False


class _Incidents(logging.Handler):
    """Keeps what the service logs of its own faults."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.last: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.last = record.exc_info[1]


class CallsTarget(Target):
    """Every call, from bytes to bytes, without the network between. An input is a byte that names the method, then the message."""

    name = "calls"
    budget_s = 20.0

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="policybook-fuzz-")
        desk, self._log, ids = filled_log(Path(self._folder.name))
        limits = Limits(analysis_s=2.0, explain_s=1.0)
        self._services = Services(limits, lambda: stock.NOW, Gate(is_open=True))
        self._services.desk = desk
        self._messages = Messages(ids)
        self._loop = asyncio.new_event_loop()
        self._incidents = _Incidents()
        logging.getLogger("policybook.server").addHandler(self._incidents)
        self._unary, self._streams = self._services.unary(), self._services.streams()

    def seeds(self) -> Sequence[bytes]:
        return [bytes((METHODS.index(method),)) + data for method, data in self._messages.seeds()]

    def mutate(self, data: bytes, rnd: Random, others: Sequence[bytes]) -> bytes:
        if rnd.random() < 0.02 or not data:
            return bytes((rnd.randrange(len(METHODS)),)) + data[1:]
        number = data[0] % len(METHODS)
        alike = [o[1:] for o in others[:200] if o and o[0] % len(METHODS) == number]
        return data[:1] + self._messages.mutate(METHODS[number], data[1:], rnd, alike)

    def run(self, data: bytes) -> object:
        method = METHODS[(data[0] if data else 0) % len(METHODS)]
        message = data[1:]
        context = _Context([message])
        self._incidents.last = None
        try:
            if method in self._streams:
                self._loop.run_until_complete(self._streams[method](None, context, CALLER))
                answers = context.written
            else:
                answers = [self._loop.run_until_complete(self._unary[method](message, context, CALLER))]
        except _RefusedError as e:
            outcome: object = (method, self._refused(e))
        else:
            outcome = tuple(outcome_of(method, a) for a in answers)
        finally:
            if self._incidents.last is not None:
                raise self._incidents.last
        return outcome

    @staticmethod
    def _refused(error: _RefusedError) -> object:
        return refusal(status_pb2.Status.FromString(dict(error.trailers)["grpc-status-details-bin"]))

    def close(self) -> None:
        logging.getLogger("policybook.server").removeHandler(self._incidents)
        self._services.close()
        self._log.close()
        self._loop.close()
        self._folder.cleanup()

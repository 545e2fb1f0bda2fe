"""The calls of AuditService: records of the decision log, model to messages. Each runs in a thread: the log is on a disk."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from policybook.audit.canonical import instant_text, raw_of
from policybook.audit.entry import Purpose, Record
from policybook.audit.log import Filter, Place, WhenFull
from policybook.desk import Desk
from policybook.diagnostics import Report
from policybook.errors import FactsError, RequestError, UnknownNameError
from policybook.model.answer import Outcome, TraceLevel
from policybook.model.facts import Raw, Tag
from policybook.server import convert
from policybook.server.access.roles import Caller, Role
from policybook.server.answers import Printer
from policybook.server.limits import Limits
from policybook.v1 import audit_service_pb2 as pb
from policybook.v1 import decision_service_pb2 as decision_pb
from policybook.v1 import trace_pb2 as trace_pb
from policybook.v1 import values_pb2 as values_pb

_OUTCOMES: dict[str, decision_pb.Outcome] = {
    Outcome.DECIDED.value: decision_pb.OUTCOME_DECIDED,
    Outcome.NO_MATCH.value: decision_pb.OUTCOME_NO_MATCH,
}
_PURPOSES = {
    Purpose.DECISION.value: pb.PURPOSE_DECISION,
    Purpose.EXPLANATION.value: pb.PURPOSE_EXPLANATION,
    Purpose.CHALLENGE.value: pb.PURPOSE_CHALLENGE,
}
_LEVELS = {
    TraceLevel.NONE.value: trace_pb.TRACE_LEVEL_NONE,
    TraceLevel.MATCHED.value: trace_pb.TRACE_LEVEL_MATCHED,
    TraceLevel.FULL.value: trace_pb.TRACE_LEVEL_FULL,
}
_OUTCOME_WORDS: dict[int, str] = {number: word for word, number in _OUTCOMES.items()}
_OUTCOME_WORDS[decision_pb.OUTCOME_UNSPECIFIED] = ""
_PURPOSE_WORDS: dict[int, str] = {number: word for word, number in _PURPOSES.items()}
_PURPOSE_WORDS[pb.PURPOSE_UNSPECIFIED] = ""
DEFAULT_PAGE = 100


class Records:
    """Answers the calls of AuditService, by the log of a desk."""

    def __init__(self, limits: Limits, printer: Printer) -> None:
        self._limits = limits
        self._printer = printer

    def get(self, desk: Desk, request: pb.GetDecisionRecordRequest, caller: Caller) -> pb.GetDecisionRecordResponse:
        """Return one record."""
        return pb.GetDecisionRecordResponse(decision_record=message_of(self._record(desk, request.decision_id, caller)))

    def _record(self, desk: Desk, decision_id: str, caller: Caller) -> Record:
        record = desk.log.reader().get(self._id(decision_id))
        # Of a book that the caller may not see, not even whether there is one.
        if record is None or not caller.may(Role.AUDIT, record.policy):
            raise UnknownNameError("record", decision_id, ())
        return record

    def list(self, desk: Desk, request: pb.ListDecisionRecordsRequest, caller: Caller) -> pb.ListDecisionRecordsResponse:
        """Return a page of records."""
        limits = self._limits
        if request.page_size < 0:
            raise RequestError("page_size", f"a page has at least one record, not {request.page_size}")
        size = min(request.page_size or DEFAULT_PAGE, limits.page_items)
        wanted = self._filter(request, caller)
        digest = hashlib.sha256(repr((wanted, request.newest_first)).encode("utf-8", "backslashreplace")).hexdigest()[:16]
        after = self._place(request.page_token, digest)
        found = desk.log.reader().find(wanted, size + 1, after, newest_first=request.newest_first)
        token = ""
        if len(found) > size:
            found = found[:size]
            token = base64.urlsafe_b64encode(json.dumps([found[-1].time, found[-1].seq, digest]).encode()).decode()
        return pb.ListDecisionRecordsResponse(decision_records=map(message_of, found), next_page_token=token)

    def reevaluate(self, desk: Desk, request: pb.ReevaluateDecisionRequest, caller: Caller) -> pb.ReevaluateDecisionResponse:
        """Decide a recorded decision again."""
        language = convert.language_of(request.language)
        level = convert.level_of(request.trace_level)
        reader = convert.FactReader(self._limits)
        facts = reader.read(request.masked_facts, "masked_facts")
        if reader.faults:
            raise FactsError(Report(tuple(reader.faults.values())))
        found = desk.reevaluate(self._record(desk, request.decision_id, caller).decision_id, trace=level, facts=facts)
        response = pb.ReevaluateDecisionResponse(
            decision_record=message_of(found.record),
            same=not found.differences,
            differences=[pb.AnswerDifference(name=n, recorded=a, reevaluated=b) for n, (a, b) in found.differences.items()],
        )
        response.answer.MergeFromString(self._printer.response(found.answer, language))
        return response

    def status(self, desk: Desk, request: pb.GetLogStatusRequest, caller: Caller) -> pb.GetLogStatusResponse:
        """Say how the log does."""
        status = desk.log.status()
        return pb.GetLogStatusResponse(
            head_sequence_number=status.head.seq if status.head else 0,
            head_hash=bytes.fromhex(status.head.hash) if status.head else b"",
            waiting_count=status.waiting,
            recorded_count=status.recorded,
            not_recorded_count=status.not_recorded,
            refused_count=status.refused,
            failure=status.failing,
            refuses_when_full=status.when_full is WhenFull.REFUSE,
            challengers=[
                pb.ChallengerStatus(
                    policy=c.policy,
                    version=c.version,
                    compared_count=c.compared,
                    different_count=c.different,
                    refused_count=c.refused,
                    skipped_count=c.skipped,
                )
                for c in desk.beside.counts()
                if caller.may(Role.AUDIT, c.policy) or caller.may(Role.ADMIN, c.policy)
            ]
            if desk.beside
            else (),
        )

    def _id(self, decision_id: str) -> str:
        if not decision_id or len(decision_id) > self._limits.name_characters:
            raise RequestError("decision_id", "state the id of a decision, as its answer gave it")
        return decision_id

    def _filter(self, request: pb.ListDecisionRecordsRequest, caller: Caller) -> Filter:
        books = caller.books(Role.AUDIT)
        if request.decision and books is not None:
            caller.need(Role.AUDIT, request.decision.partition(".")[0])
        for name in ("decision", "request_id", "caller", "policy_version", "page_token"):
            if len(getattr(request, name)) > self._limits.name_characters:
                raise RequestError(name, f"it has more than {self._limits.name_characters} characters")
        if request.outcome not in _OUTCOME_WORDS:
            raise RequestError("outcome", f"there is no outcome {request.outcome}")
        if request.purpose not in _PURPOSE_WORDS:
            raise RequestError("purpose", f"there is no purpose {request.purpose}")
        return Filter(
            decision=request.decision,
            since=_instant("start_time", request.start_time) if request.HasField("start_time") else "",
            until=_instant("end_time", request.end_time) if request.HasField("end_time") else "",
            outcome=_OUTCOME_WORDS[request.outcome],
            request_id=request.request_id,
            caller=request.caller,
            version=request.policy_version,
            purpose=_PURPOSE_WORDS[request.purpose],
            policies=None if books is None else tuple(sorted(books)),
        )

    @staticmethod
    def _place(token: str, digest: str) -> Place | None:
        if not token:
            return None
        refused = RequestError("page_token", "this token was not given out here; take it from the response before")
        try:
            time, seq, of = json.loads(base64.urlsafe_b64decode(token))
        except (ValueError, TypeError):
            raise refused from None
        # Whoever writes a token of his own may put anything into it.
        if not isinstance(time, str) or not time.isascii() or type(seq) is not int or not 0 < seq < 2**63:
            raise refused
        if of != digest:
            raise RequestError("page_token", "this token belongs to a request with another filter; only page_size may change")
        return Place(time=time, seq=seq)


def _instant(field: str, stamp: Timestamp) -> str:
    try:
        return instant_text(convert.moment_of(stamp))
    except ValueError as e:
        raise RequestError(field, str(e)) from None


def message_of(record: Record) -> pb.DecisionRecord:
    """Write a record as a message."""
    facts, masked = record.stated
    told = record.told
    return pb.DecisionRecord(
        challenged_decision_id=told.get("challenges", ""),
        challenge_refusal=told.get("differs", {}).get("refused", ""),
        sequence_number=record.seq,
        decision_id=record.decision_id,
        decide_time=convert.stamp_of(record.decided_at),
        caller=record.caller,
        request_id=record.request_id,
        purpose=_PURPOSES[record.purpose],
        decision=record.decision,
        facts={name: value_of(raw) for name, raw in facts.items()},
        masked_facts=masked,
        policy_version=record.version,
        stated_policy_version=record.version_stated,
        as_of_date=record.as_of,
        as_of_time=convert.stamp_of(record.as_of_instant),
        stated_as_of=record.as_of_stated,
        trace_level=_LEVELS[record.trace],
        outcome=_OUTCOMES.get(record.outcome, decision_pb.OUTCOME_UNSPECIFIED),
        outputs=_outputs(json.loads(record.outputs)),
        items=[
            decision_pb.OutputItem(row_id=i["row_id"], item_number=i["item_number"], outputs=_outputs(i["outputs"]))
            for i in json.loads(record.items)
        ],
        row_ids=record.row_ids,
        elapsed=_duration(record.elapsed_ns),
        record_hash=record.hash,
        previous_hash=record.previous,
    )


def _outputs(found: dict[str, Any]) -> dict[str, values_pb.Value]:
    return {name: value_of(raw_of(value)) for name, value in found.items()}


def _duration(elapsed_ns: int) -> Duration:
    made = Duration()
    made.FromTimedelta(timedelta(microseconds=elapsed_ns // 1000))
    made.nanos += elapsed_ns % 1000
    return made


def value_of(raw: Raw) -> values_pb.Value:
    """Write a value as it was stated."""
    tag, value = raw
    match tag:
        case Tag.NULL:
            return values_pb.Value.FromString(convert.NULL)
        case Tag.MONEY:
            return values_pb.Value(money=values_pb.Money(amount=value.amount, currency=value.currency))
        case Tag.LIST:
            return values_pb.Value(list=values_pb.ValueList(values=map(value_of, value)))
        case Tag.RECORD:
            return values_pb.Value(record=values_pb.Record(fields={n: value_of(v) for n, v in value.items()}))
        case Tag.TIMESTAMP:
            return values_pb.Value(timestamp=convert.stamp_of(value))
        case _:
            # As one writes it in a book: only callers in process state values so.
            return values_pb.Value(**{_FIELDS.get(tag, "text"): value})


_FIELDS = {
    Tag.DECIMAL: "decimal",
    Tag.FLAG: "flag",
    Tag.DATE: "date",
    Tag.DURATION: "duration",
    Tag.TIME_OF_DAY: "time_of_day",
}

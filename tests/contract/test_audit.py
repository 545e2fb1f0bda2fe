"""The decision log of a real service: what AuditService tells, what callers are promised, and which faults it outlives."""

from __future__ import annotations

import base64
import json
import resource
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from audit.keeping import proof_of
from contract.calls import BOOKS, Calls, Process, in_thread, money, number, order, refusal_of, refused, values, word
from policybook.audit.sqlite import SqliteReader
from policybook.server.settings import Settings
from policybook.v1 import audit_service_pb2 as audit_pb
from policybook.v1 import audit_service_pb2_grpc, trace_pb2
from policybook.v1 import decision_service_pb2 as pb

STRICT = """policy: strict
title: {en: Strict, zh: 严格}
currency: CNY
inputs:
  amount: {type: money}
  customer: {type: text, default: '"nobody"'}
decisions:
  order:
    must_log: true
    hit_policy: first
    outputs: {outcome: {type: enum, values: [ship, refuse]}}
    rules: [{id: all, set_by: company, when: {amount: "<= 100"}, then: {outcome: ship}}]
    default: {id: else, set_by: company, then: {outcome: refuse}}
"""


@pytest.fixture
def books(books: Path) -> Path:
    """The small books, and one whose decision must be recorded."""
    (books / "strict.yaml").write_text(STRICT, encoding="utf-8")
    return books


def strict(amount: str = "50", **rest: Any) -> pb.DecideRequest:
    return pb.DecideRequest(decision="strict.order", facts={"amount": money(amount), **rest.pop("facts", {})}, **rest)


class Audits(Calls):
    """Calls that also ask the log."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.audits = audit_service_pb2_grpc.AuditServiceStub(self.channel)

    def get(self, decision_id: str) -> audit_pb.DecisionRecord:
        return self.audits.GetDecisionRecord(audit_pb.GetDecisionRecordRequest(decision_id=decision_id), timeout=30).decision_record

    def all(self, **wanted: Any) -> list[audit_pb.DecisionRecord]:
        found: list[audit_pb.DecisionRecord] = []
        token = ""
        while True:
            page = self.audits.ListDecisionRecords(audit_pb.ListDecisionRecordsRequest(page_token=token, **wanted), timeout=30)
            found += page.decision_records
            token = page.next_page_token
            if not token:
                return found

    def status(self) -> audit_pb.GetLogStatusResponse:
        return self.audits.GetLogStatus(audit_pb.GetLogStatusRequest(), timeout=30)


@pytest.fixture
def start(books: Path, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start servers with a log; at the end all are gone."""
    started: list[Process] = []

    def make(*arguments: str | Path, log: str = "decisions.db") -> Process:
        name = f"log-{len(started)}"
        process = Process(books, "--port", "0", "--reload-s", "0", "--log", tmp_path / log, *arguments, log=tmp_path / name)
        started.append(process)
        return process.started()

    yield make
    for process in started:
        process.kill()


# What stands in a token in place of the time (0) or the number (1) of a record.
FORGED = ((1, 10**30), (1, float("inf")), (1, -1), (1, "7"), (1, True), (1, None), (0, "\ud800"), (0, 7), (0, None))


def forged(token: str, place: int, value: object) -> str:
    inside = json.loads(base64.urlsafe_b64decode(token))
    inside[place] = value
    return base64.urlsafe_b64encode(json.dumps(inside).encode()).decode()


def recorded(path: Path) -> list[str]:
    """The ids of all decisions in a log, by number."""
    reader = SqliteReader(path)
    try:
        return [r.decision_id for r in reader.chain() if r.decision_id]
    finally:
        reader.close()


# ---------------------------------------------------------------- what is told


def test_a_record_says_what_was_asked_and_answered(start: Callable[..., Process]) -> None:
    process = start()
    with Audits(process.port) as calls:
        request = order("60", facts={"late_days": values(number("1"), number("2"))}, request_id="so-1", as_of_date="2026-02-03")
        answer = calls.decide(request)
        got = calls.get(answer.decision_id)
        assert got.decision_id == answer.decision_id
        assert got.decide_time == answer.decide_time
        assert dict(got.facts) == dict(request.facts)
        assert (got.decision, got.request_id, got.caller) == ("shop.order", "so-1", "127.0.0.1")
        assert (got.policy_version, got.stated_policy_version) == (answer.policy_version, "")
        assert (got.as_of_date, got.stated_as_of) == ("2026-02-03", "2026-02-03")
        assert (got.outcome, got.trace_level, got.purpose) == (
            pb.OUTCOME_DECIDED,
            trace_pb2.TRACE_LEVEL_MATCHED,
            audit_pb.PURPOSE_DECISION,
        )
        assert dict(got.outputs) == dict(answer.outputs)
        assert list(got.row_ids) == [r.row_id for r in answer.matched_rules] == ["within-cap"]
        assert len(got.record_hash) == len(got.previous_hash) == 32
        assert got.elapsed == answer.trace.elapsed
        named = calls.decisions.Decide(order("60"), metadata=[("x-policybook-caller", "erp")], timeout=30)
        assert calls.get(named.decision_id).caller == "erp"
        status = calls.status()
        assert (status.recorded_count, status.waiting_count, status.not_recorded_count, status.refused_count) == (2, 0, 0, 0)
        assert (status.failure, status.refuses_when_full) == ("", True)
        assert (status.head_sequence_number, status.head_hash) == (
            calls.get(named.decision_id).sequence_number,
            calls.get(named.decision_id).record_hash,
        )


def test_every_kind_of_value_comes_back_as_it_was_sent(start: Callable[..., Process]) -> None:
    process = start()
    with Audits(process.port) as calls:
        definition = {
            f.name: f for f in calls.policies.GetDecisionDefinition(_definition("kinds.echo"), timeout=30).decision_definition.inputs
        }
        answer = calls.decide(pb.DecideRequest(decision="kinds.echo"))
        got = calls.get(answer.decision_id)
        assert dict(got.outputs) == dict(answer.outputs)
        assert len(got.outputs) == len(definition)
        # What was answered is stated as facts: the same values on the other side.
        again = calls.decide(pb.DecideRequest(decision="kinds.echo", facts={n: v for n, v in answer.outputs.items() if n in definition}))
        assert dict(calls.get(again.decision_id).facts) == {n: v for n, v in answer.outputs.items() if n in definition}
        same = calls.audits.ReevaluateDecision(audit_pb.ReevaluateDecisionRequest(decision_id=again.decision_id), timeout=30)
        assert same.same


def _definition(name: str) -> Any:
    from policybook.v1 import policy_service_pb2

    return policy_service_pb2.GetDecisionDefinitionRequest(name=name)


def test_lists_filters_and_pages(start: Callable[..., Process]) -> None:
    process = start()
    with Audits(process.port) as calls:
        asked = [calls.decide((order, strict)[n % 2](str(n), request_id=f"so-{n}")) for n in range(12)]
        calls.decisions.Explain(pb.ExplainRequest(decision="shop.order", facts=order("5").facts, request_id="why"), timeout=30)
        ids = [a.decision_id for a in asked]
        everything = calls.all(page_size=5)
        assert [r.decision_id for r in everything][:12] == ids
        assert [r.purpose for r in everything][12:] == [audit_pb.PURPOSE_EXPLANATION]
        decisions = audit_pb.PURPOSE_DECISION
        assert [r.decision_id for r in calls.all(purpose=decisions, newest_first=True, page_size=7)] == ids[::-1]
        assert [r.decision_id for r in calls.all(decision="strict")] == ids[1::2]
        assert [r.decision_id for r in calls.all(decision="shop.order", purpose=decisions)] == ids[::2]
        assert [r.decision_id for r in calls.all(request_id="so-3")] == [ids[3]]
        assert calls.all(caller="nobody") == []
        assert calls.all(outcome=pb.OUTCOME_NO_MATCH) == []
        between = {"start_time": everything[4].decide_time, "end_time": everything[9].decide_time}
        assert [r.decision_id for r in calls.all(**between)] == ids[4:9]
        assert [r.decision_id for r in calls.all(policy_version=asked[1].policy_version[:8])] == ids[1::2]
        first = calls.audits.ListDecisionRecords(audit_pb.ListDecisionRecordsRequest(page_size=2), timeout=30)
        for wrong, field, why in (
            ({"page_token": "x"}, "page_token", "was not given out here"),
            ({"page_token": first.next_page_token, "decision": "shop"}, "page_token", "belongs to a request with another filter"),
            *(({"page_token": forged(first.next_page_token, *part)}, "page_token", "was not given out here") for part in FORGED),
            ({"page_size": -1}, "page_size", "a page has at least one record"),
            ({"outcome": 9}, "outcome", "there is no outcome 9"),
            ({"purpose": 9}, "purpose", "there is no purpose 9"),
            ({"caller": "x" * 201}, "caller", "more than 200 characters"),
            ({"start_time": Timestamp(seconds=10**12)}, "start_time", "must lie in the years 1 to 9999"),
        ):
            got = refused(calls.audits.ListDecisionRecords, audit_pb.ListDecisionRecordsRequest(**wrong))
            assert (got.code, got.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
            assert why in got.fields[field]


def test_decided_again_with_its_trace(start: Callable[..., Process], books: Path) -> None:
    process = start()
    with Audits(process.port) as calls:
        answer = calls.decide(order("60", trace_level=trace_pb2.TRACE_LEVEL_NONE))
        assert not answer.HasField("trace")
    assert process.end() == 0
    text = (books / "shop.yaml").read_text(encoding="utf-8")
    (books / "shop.yaml").write_text(text.replace("value: 1/3", "value: 1/4"), encoding="utf-8")
    later = start()
    with Audits(later.port) as calls:
        assert calls.decide(order("60")).policy_version != answer.policy_version
        request = audit_pb.ReevaluateDecisionRequest(decision_id=answer.decision_id, trace_level=trace_pb2.TRACE_LEVEL_FULL, language="zh")
        got = calls.audits.ReevaluateDecision(request, timeout=60)
        assert got.same
        assert not got.differences
        assert (got.answer.decision_id, got.answer.policy_version) == (answer.decision_id, answer.policy_version)
        assert (got.answer.decide_time, got.answer.as_of_date) == (answer.decide_time, answer.as_of_date)
        assert dict(got.answer.outputs) == dict(answer.outputs)
        assert got.answer.matched_rules[0].says == "200元上限以内。"
        assert len(got.answer.trace.tables[0].rows) == 4
        assert got.decision_record == calls.get(answer.decision_id)
        # The version is no longer in service: it can be asked only of the log.
        assert refused(calls.decisions.Decide, order("60", policy_version=answer.policy_version)).reason == "VERSION_NOT_FOUND"
        unknown = refused(calls.audits.ReevaluateDecision, audit_pb.ReevaluateDecisionRequest(decision_id="none"))
        assert (unknown.code, unknown.reason, unknown.the("ResourceInfo").resource_type) == (
            grpc.StatusCode.NOT_FOUND,
            "RECORD_NOT_FOUND",
            "record",
        )
        assert refused(calls.audits.GetDecisionRecord, audit_pb.GetDecisionRecordRequest()).reason == "INVALID_REQUEST"


def test_masked_facts(start: Callable[..., Process], tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("0123456789abcdef0123456789abcdef\n")
    process = start("--mask", "strict.customer", "--mask-key", key)
    with Audits(process.port) as calls:
        facts = {"customer": word("Wang Xiaoming")}
        one, two = (calls.decide(strict(facts=facts)) for _ in range(2))
        got = calls.get(one.decision_id)
        assert set(got.facts) == {"amount"}
        assert len(got.masked_facts["customer"]) == 32
        assert got.masked_facts == calls.get(two.decision_id).masked_facts
        again = refused(calls.audits.ReevaluateDecision, audit_pb.ReevaluateDecisionRequest(decision_id=one.decision_id))
        assert (again.code, again.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "MASKED_FACTS")
        assert again.the("PreconditionFailure").violations[0].subject == "facts.customer"
        stated = audit_pb.ReevaluateDecisionRequest(decision_id=one.decision_id, masked_facts=facts)
        assert calls.audits.ReevaluateDecision(stated, timeout=30).same
        stated.masked_facts["customer"].text = "Li"
        assert refused(calls.audits.ReevaluateDecision, stated).fields == {
            "masked_facts": "these are not the values that the decision was made on"
        }
    assert process.end() == 0
    assert b"Xiaoming" not in (tmp_path / "decisions.db").read_bytes()


def test_without_a_log(calls: Calls, books: Path, tmp_path: Path) -> None:
    stub = audit_service_pb2_grpc.AuditServiceStub(calls.channel)
    for call, request in (
        (stub.GetDecisionRecord, audit_pb.GetDecisionRecordRequest(decision_id="x")),
        (stub.ListDecisionRecords, audit_pb.ListDecisionRecordsRequest()),
        (stub.ReevaluateDecision, audit_pb.ReevaluateDecisionRequest(decision_id="x")),
        (stub.GetLogStatus, audit_pb.GetLogStatusRequest()),
    ):
        got = refused(call, request)
        assert (got.code, got.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_LOG")
    # A request id without a log is what it was: the caller's own.
    one, two = (calls.decide(order("50", request_id="so-1")) for _ in range(2))
    assert one.decision_id != two.decision_id
    # What must be recorded is not answered.
    process = Process(books, "--port", "0", log=tmp_path / "log").started()
    try:
        with Calls(process.port) as bare:
            got = refused(bare.decisions.Decide, strict())
            assert (got.code, got.reason) == (grpc.StatusCode.UNAVAILABLE, "LOG_UNAVAILABLE")
            assert "keeps no decision log; start it with `--log PATH`" in got.message
            assert bare.decide(order()).outcome == pb.OUTCOME_DECIDED
    finally:
        assert process.end() == 0


# ---------------------------------------------------------------- exactly once


def test_a_request_id_is_answered_once(start: Callable[..., Process]) -> None:
    process = start()
    with Audits(process.port) as calls:
        first = calls.decide(order("60", request_id="so-1"))
        again = calls.decide(order("60", request_id="so-1"))
        # To the last bit, times and all.
        assert again == first
        shown = calls.decide(order("60", request_id="so-1", language="zh", trace_level=trace_pb2.TRACE_LEVEL_FULL))
        assert shown.decision_id == first.decision_id
        assert len(shown.trace.tables[0].rows) > len(first.trace.tables[0].rows)
        got = refused(calls.decisions.Decide, order("61", request_id="so-1"))
        assert (got.code, got.reason, got.kinds) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_TAKEN", ("ErrorInfo", "ResourceInfo"))
        assert got.metadata["decision_id"] == first.decision_id
        assert (got.the("ResourceInfo").resource_type, got.the("ResourceInfo").resource_name) == ("request_id", "so-1")
        other = calls.decisions.Decide(order("61", request_id="so-1"), metadata=[("x-policybook-caller", "crm")], timeout=30)
        assert other.decision_id != first.decision_id
        requests = [
            order("70", request_id="so-2"),
            order("70", request_id="so-2"),
            order("71", request_id="so-2"),
            order("60", request_id="so-1"),
        ]
        one, two, three, four = calls.decisions.BatchDecide(pb.BatchDecideRequest(requests=requests), timeout=30).results
        assert one.response == two.response
        assert three.error.code == grpc.StatusCode.ALREADY_EXISTS.value[0]
        assert four.response == first
        streamed = list(calls.decisions.StreamDecide(iter([pb.StreamDecideRequest(request=r) for r in requests]), timeout=30))
        assert [s.result for s in streamed] == [one, two, three, four]
        assert len(calls.all()) == 3


def test_the_same_request_at_the_same_time(start: Callable[..., Process]) -> None:
    process = start()
    with Audits(process.port) as calls, ThreadPoolExecutor(8) as pool:
        for n in range(5):
            got = list(pool.map(lambda _, n=n: calls.decide(order("60", request_id=f"so-{n}")), range(16)))
            assert all(g == got[0] for g in got)
        assert len(calls.all()) == 5


def test_a_request_id_outlives_the_service(start: Callable[..., Process], books: Path) -> None:
    process = start()
    with Audits(process.port) as calls:
        first = calls.decide(order("60", request_id="so-1"))
    process.popen.kill()
    process.popen.wait(10)
    text = (books / "shop.yaml").read_text(encoding="utf-8")
    (books / "shop.yaml").write_text(text.replace("value: 1/3", "value: 1/4"), encoding="utf-8")
    later = start()
    with Audits(later.port) as calls:
        assert calls.decide(order("60", request_id="so-1")) == first
        assert calls.decide(order("60", request_id="so-2")).policy_version != first.policy_version


# ---------------------------------------------------------------- faults


class Load:
    """Callers that ask as fast as they can, and note when they were given what."""

    def __init__(self, port: int) -> None:
        self.given: list[tuple[float, str, str]] = []
        self.faults: list[Any] = []
        self._stop = threading.Event()
        self._port = port
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(4)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _note(self, kind: str, answer: pb.DecideResponse) -> None:
        self.given.append((time.monotonic(), kind, answer.decision_id))

    def _ask(self, worker: int) -> None:
        with Calls(self._port) as calls:
            turn = 0
            while not self._stop.is_set():
                turn += 1
                try:
                    if worker == 0:
                        self._note("must", calls.decide(strict(str(turn)), timeout=20))
                    elif worker == 1:
                        self._note("once", calls.decide(order(str(turn), request_id=f"so-{turn}"), timeout=20))
                    elif worker == 2:
                        batch = calls.decisions.BatchDecide(pb.BatchDecideRequest(requests=[order("60")] * 50), timeout=20)
                        for result in batch.results:
                            assert result.HasField("response"), result.error
                            self._note("later", result.response)
                    else:
                        requests = (pb.StreamDecideRequest(request=(order, strict)[n % 2]("60")) for n in range(50))
                        for n, streamed in enumerate(calls.decisions.StreamDecide(requests, timeout=20)):
                            assert streamed.result.HasField("response"), streamed.result.error
                            self._note(("later", "must")[n % 2], streamed.result.response)
                except grpc.RpcError as e:
                    self.faults.append(e.code())
                    if self._stop.wait(0.05):
                        return


def test_as_many_records_as_answers(start: Callable[..., Process], tmp_path: Path) -> None:
    process = start()
    load = Load(process.port)
    time.sleep(4)
    load.end()
    with Audits(process.port) as calls:
        assert calls.status().not_recorded_count == 0
    assert process.end() == 0
    assert not load.faults
    given = [decision_id for _, _, decision_id in load.given]
    assert len(given) > 500
    kept = recorded(tmp_path / "decisions.db")
    assert len(kept) == len(given)
    assert sorted(kept) == sorted(given)
    proof = proof_of(tmp_path / "decisions.db")
    assert (proof.ok, proof.decisions, proof.unclean, proof.gaps) == (True, len(given), 0, 0)


def test_killed_under_load(start: Callable[..., Process], tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    process = start()
    load = Load(process.port)
    time.sleep(2)
    process.popen.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    process.popen.wait(10)
    load.end()
    # Callers see that they may come again, and nothing else.
    assert set(load.faults) <= {grpc.StatusCode.UNAVAILABLE}
    kept = set(recorded(path))
    missing = [(at, kind) for at, kind, decision_id in load.given if decision_id not in kept]
    assert not [m for m in missing if m[1] != "later"], "what a caller waits for is on the disk"
    # The window is 50 ms and a batch; this machine may be busy with other tests.
    assert not [at for at, _ in missing if at < killed - 1.0]
    assert len(load.given) > 200
    assert proof_of(path).ok
    again = start()
    with Audits(again.port) as calls:
        calls.decide(strict())
        assert len(calls.all(page_size=1000)) == len(kept) + 1
    assert again.end() == 0
    proof = proof_of(path)
    assert (proof.ok, proof.unclean, proof.decisions) == (True, 1, len(kept) + 1)


def fill_disk(process: Process, path: Path) -> None:
    """Let no file of the server grow any more, as a full disk does."""
    size = max(p.stat().st_size for p in path.parent.glob(f"{path.name}*"))
    resource.prlimit(process.popen.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def free_disk(process: Process) -> None:
    resource.prlimit(process.popen.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def wait_for(what: Callable[[], Any], seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return found


def test_a_full_disk_refuses_and_recovers(start: Callable[..., Process], tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    process = start()
    given: list[str] = []
    with Audits(process.port) as calls:
        given.append(calls.decide(order()).decision_id)
        calls.status()
        fill_disk(process, path)

        def refusal() -> Any:
            try:
                given.append(calls.decide(order("60")).decision_id)
            except grpc.RpcError as e:
                return refusal_of(e)
            return None

        got = wait_for(refusal)
        assert (got.code, got.reason, got.kinds) == (grpc.StatusCode.UNAVAILABLE, "LOG_UNAVAILABLE", ("ErrorInfo", "RetryInfo"))
        assert "no answer is given out without" in got.message
        assert refused(calls.decisions.Decide, strict()).reason == "LOG_UNAVAILABLE"
        (item,) = calls.decisions.BatchDecide(pb.BatchDecideRequest(requests=[strict()]), timeout=30).results
        assert item.error.code == grpc.StatusCode.UNAVAILABLE.value[0]
        status = calls.status()
        assert status.failure
        assert status.refused_count >= 3
        # What was given out before is waited with, and what is in the log can be read.
        assert calls.get(given[0]).decision_id == given[0]
        free_disk(process)
        wait_for(lambda: not calls.status().failure)
        given.append(calls.decide(strict()).decision_id)
        assert calls.status().not_recorded_count == 0
    assert "decisions cannot be recorded" in process.errors()
    assert process.end() == 0
    assert "decisions are recorded again" in process.errors()
    assert sorted(recorded(path)) == sorted(given)
    assert proof_of(path).ok


def test_a_full_disk_is_counted(start: Callable[..., Process], tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    process = start("--log-full", "count", "--log-queue", "50")
    with Audits(process.port) as calls:
        given = [calls.decide(order()).decision_id]
        calls.status()
        fill_disk(process, path)
        wait_for(lambda: given.append(calls.decide(order("60")).decision_id) or calls.status().not_recorded_count)
        # What must be recorded is refused all the same.
        assert refused(calls.decisions.Decide, strict()).reason == "LOG_UNAVAILABLE"
        given += [calls.decide(order("60", request_id=f"so-{n}")).decision_id for n in range(20)]
        free_disk(process)
        wait_for(lambda: not calls.status().failure and not calls.status().waiting_count)
        missed = calls.status().not_recorded_count
        assert missed >= 20
    assert process.end() == 0
    proof = proof_of(path)
    assert proof.ok
    # Every answer is in the log, or counted there.
    assert set(recorded(path)) < set(given)
    assert (proof.decisions + proof.gaps, proof.gaps) == (len(given), missed)


def test_two_services_on_one_log(start: Callable[..., Process], tmp_path: Path) -> None:
    processes = [start(), start()]
    loads = [Load(p.port) for p in processes]
    with Audits(processes[0].port) as one, Audits(processes[1].port) as two, ThreadPoolExecutor(8) as pool:
        for n in range(20):
            request = order("60", request_id=f"shared-{n}")
            got = list(pool.map(lambda calls, request=request: calls.decide(request), [one, two] * 4))
            assert all(g == got[0] for g in got)
        for load in loads:
            load.end()
        assert not [f for load in loads for f in load.faults]
        # Each reads what the other wrote.
        assert two.get(loads[1].given[-1][2]).decision == one.get(loads[1].given[-1][2]).decision
    for process in processes:
        assert process.end() == 0
    # The two loads use the same request ids: what the one had asked, the other was told.
    distinct = {decision_id for load in loads for _, _, decision_id in load.given}
    kept = recorded(tmp_path / "decisions.db")
    assert len(kept) == len(distinct) + 20
    assert distinct < set(kept)
    proof = proof_of(tmp_path / "decisions.db")
    assert (proof.ok, proof.unclean) == (True, 0)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:20_000]), "the file is damaged"),
        (lambda path: path.write_bytes(b"x" * 20_000), "it is no decision log, and no SQLite file at all"),
        (lambda path: _execute(path, "PRAGMA user_version = 7"), "it has format 7, of a newer policybook; this one knows format 1"),
        (
            lambda path: _execute(path, "UPDATE record SET time = '' WHERE seq = (SELECT max(seq) FROM record)"),
            "was changed; look at it with",
        ),
    ],
    ids=["truncated", "other file", "newer", "edited"],
)
def test_a_service_does_not_start_on_a_log_that_is_none(
    start: Callable[..., Process], books: Path, tmp_path: Path, damage: Callable[[Path], Any], why: str
) -> None:
    process = start()
    with Calls(process.port) as calls:
        calls.decide(strict())
    assert process.end() == 0
    path = tmp_path / "decisions.db"
    damage(path)
    second = Process(books, "--port", "0", "--log", path, log=tmp_path / "log")
    assert second.popen.wait(60) == 3
    second.kill()
    assert second.errors().startswith(f"policybook: the decision log {path}: ")
    assert why in second.errors()
    assert "Traceback" not in second.errors()


def _execute(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--log", "no/such/folder/log"), "there is no folder"),
        (("--log", "decisions.db", "--mask", "custmer"), "no book has an input `custmer` to be masked; did you mean `customer`?"),
        (("--log", "decisions.db", "--mask-key", "none"), "the mask key none: no such file or directory"),
    ],
)
def test_a_log_that_cannot_be_kept(
    books: Path, tmp_path: Path, arguments: tuple[str, ...], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    process = Process(books, "--port", "0", *arguments, log=tmp_path / "log")
    assert process.popen.wait(60) == 3
    process.kill()
    assert why in process.errors()


def test_a_clock_that_is_set_back(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    at = [datetime(2026, 3, 31, 8, tzinfo=UTC)]
    settings = Settings(insecure=True, books=(BOOKS,), port=0, reload_s=0.0, log=str(path))
    with in_thread(settings, now=lambda: at[0]) as inside, Audits(inside.port) as calls:
        before = [calls.decide(order(str(n), request_id=f"so-{n}")).decision_id for n in range(3)]
        at[0] -= timedelta(hours=5)
        after = [calls.decide(order(str(n), request_id=f"so-{n}")).decision_id for n in range(3, 6)]
        assert [r.decision_id for r in calls.all(page_size=2)] == after + before
        assert [r.sequence_number for r in calls.all()] == [
            r.sequence_number for r in sorted(calls.all(), key=lambda r: (r.decide_time.seconds, r.sequence_number))
        ]
        assert calls.decide(order("0", request_id="so-0")).decision_id == before[0]
    proof = proof_of(path)
    assert (proof.ok, proof.set_back, proof.decisions) == (True, 1, 6)
    assert recorded(path) == before + after

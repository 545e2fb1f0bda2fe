"""Running it: start, health, reflection, overload, changed books, the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import RFC_4122, UUID

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from access import Authority, Callers
from contract.calls import BOOKS, DECIDE, Calls, Process, in_thread, money, number, order, refusal_of, refused, word
from fuzz import http2
from policybook.audit.log import NoLog
from policybook.errors import EngineError, PolicybookError
from policybook.server.address import PortInUseError
from policybook.server.app import Server
from policybook.server.limits import Limits
from policybook.server.routes import AUDITS, DECISIONS, POLICIES
from policybook.server.settings import Settings
from policybook.v1 import audit_service_pb2 as audit_pb
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import policy_service_pb2 as policy_pb
from policybook.v1 import trace_pb2

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
# Each is decided alone: a batch of these takes its time.
FULL = trace_pb2.TRACE_LEVEL_FULL


def settings(**rest: Any) -> Settings:
    return Settings(**{"insecure": True, "books": (BOOKS,), "port": 0, "reload_s": 0.0, **rest})


def health(calls: Calls, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(calls.channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=30).status


def wait_for(what: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


# ---------------------------------------------------------------- standard services


def test_health(calls: Calls) -> None:
    for service in ("", DECISIONS, POLICIES, AUDITS):
        assert health(calls, service) == SERVING
    with pytest.raises(grpc.RpcError) as failed:
        health(calls, "policybook.v1.Other")
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND


def test_reflection_is_enough_for_a_call(calls: Calls) -> None:
    database = ProtoReflectionDescriptorDatabase(calls.channel)
    assert {DECISIONS, POLICIES, AUDITS, "grpc.health.v1.Health"} <= set(database.get_services())
    pool = descriptor_pool.DescriptorPool(database)
    methods = pool.FindServiceByName(DECISIONS).methods_by_name
    assert set(methods) == {"Decide", "BatchDecide", "StreamDecide", "Explain"}
    assert methods["StreamDecide"].client_streaming
    assert pool.FindMessageTypeByName("policybook.v1.Value").oneofs_by_name["kind"].fields


def test_every_method_of_the_interface_is_served() -> None:
    served = set(Server(settings())._routes.methods)
    services = [s for f in (pb, policy_pb, audit_pb) for s in f.DESCRIPTOR.services_by_name.values()]
    assert served == {f"/{s.full_name}/{m.name}" for s in services for m in s.methods}


# ---------------------------------------------------------------- start


def test_the_first_line_says_where_and_what(server: Process) -> None:
    assert server.line == f"policybook: listening on 127.0.0.1:{server.port}, policies: kinds, shop\n"


def test_before_the_books_are_loaded(calls: Calls) -> None:
    with in_thread(settings(), load=False) as starting, Calls(starting.port) as early:
        assert health(early) == health(early, DECISIONS) == NOT_SERVING
        for call, request in (
            (early.decisions.Decide, order()),
            (early.decisions.BatchDecide, pb.BatchDecideRequest()),
            (early.policies.ListPolicies, policy_pb.ListPoliciesRequest()),
            (early.policies.Check, policy_pb.CheckRequest()),
            (early.decisions.StreamDecide, iter([pb.StreamDecideRequest(request=order())])),
        ):
            got = refused(call, request)
            assert (got.code, got.reason, got.kinds) == (grpc.StatusCode.UNAVAILABLE, "STARTING", ("ErrorInfo", "RetryInfo"))
            assert got.the("RetryInfo").retry_delay.ToMilliseconds() == 1000
        starting.run(starting.load())
        assert health(early) == health(early, DECISIONS) == SERVING
        assert early.decide(order()).outcome == pb.OUTCOME_DECIDED


def test_started_twice(server: Process, tmp_path: Path) -> None:
    second = Process(BOOKS, "--port", str(server.port), log=tmp_path / "log")
    assert second.popen.wait(30) == 3
    second.kill()
    assert second.errors() == f"policybook: cannot listen on 127.0.0.1:{server.port}: address already in use\n"


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("192.0.2.1", "192.0.2.1:0: cannot assign requested address"),
        ("no.such.host.invalid", "no.such.host.invalid:0: "),
    ],
)
def test_an_address_that_cannot_be(host: str, why: str, tmp_path: Path) -> None:
    callers = Callers(tmp_path / "callers.yaml")
    callers.add("erp", "decide")
    certificate, key = Authority().serve(tmp_path)

    async def start() -> None:
        made = Server(settings(insecure=False, host=host, callers=callers.path, tls_certificate=certificate, tls_key=key))
        with pytest.raises(PortInUseError) as failed:
            await made.start()
        assert str(failed.value).startswith(f"cannot listen on {why}")

    asyncio.run(start())


def test_a_bad_book_at_the_start(books: Path, tmp_path: Path) -> None:
    (books / "shop.yaml").write_text("policy: shop\ndecisons: {}\n", encoding="utf-8")
    process = Process(books, "--port", "0", log=tmp_path / "log")
    assert process.popen.wait(30) == 1
    process.kill()
    assert "unknown-key" in process.errors()
    assert "shop.yaml:2:1" in process.errors()
    assert "Traceback" not in process.errors()


# ---------------------------------------------------------------- too much


def test_overload() -> None:
    with in_thread(settings(limits=Limits(concurrent_requests=2))) as small, Calls(small.port) as calls:
        hold = threading.Event()

        def requests() -> Any:
            yield pb.StreamDecideRequest(request=order())
            hold.wait(30)

        streams = [calls.decisions.StreamDecide(requests(), timeout=30) for _ in range(2)]
        for stream in streams:
            next(stream)
        for call, request in ((calls.decisions.Decide, order()), (calls.decisions.StreamDecide, iter(()))):
            got = refused(call, request)
            assert (got.code, got.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
            assert got.kinds == ("ErrorInfo", "QuotaFailure", "RetryInfo")
        assert health(calls) == SERVING
        hold.set()
        for stream in streams:
            assert list(stream) == []
        wait_for(lambda: small._routes.active == 0)
        assert calls.decide(order()).outcome == pb.OUTCOME_DECIDED


def test_no_call_is_counted_for_ever(calls: Calls) -> None:
    with in_thread(settings()) as inside, Calls(inside.port) as own:
        raw = own.raw()
        pending = [raw.future(order().SerializeToString(), timeout=0.001 * (i % 4)) for i in range(300)]
        for call in pending:
            call.cancel()
        refused(own.decisions.Decide, pb.DecideRequest())
        wait_for(lambda: inside._routes.active == 0)


def test_checks_in_progress_are_bounded() -> None:
    with in_thread(settings(limits=Limits(concurrent_checks=1))) as small, Calls(small.port) as calls:
        go_on = threading.Event()
        check = small.services._check
        small.services._check = lambda source, *more: (go_on.wait(30), check(source, *more))[1]
        pending = calls.policies.Check.future(policy_pb.CheckRequest(source="a: 1"), timeout=30)
        wait_for(lambda: small.services._checking == 1)
        assert refused(calls.policies.Check, policy_pb.CheckRequest(source="b: 1")).reason == "OVERLOADED"
        go_on.set()
        assert pending.result().findings
        assert not calls.policies.Check(policy_pb.CheckRequest(source="b: 1"), timeout=30).ok


def test_an_answer_that_is_too_large() -> None:
    with in_thread(settings(limits=Limits(answer_bytes=10_000))) as small, Calls(small.port) as calls:
        got = refused(calls.decisions.BatchDecide, pb.BatchDecideRequest(requests=[order()] * 1_000))
        assert (got.code, got.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "ANSWER_TOO_LARGE")


def test_a_full_trace_of_a_large_table_does_not_hold_up_others(tmp_path: Path) -> None:
    rows = "\n".join(
        f"      - {{id: r{i}, clause: 1.1, when: {{a: '[{i}..{i + 1})', b: '> {i % 7}'}}, then: {{c: {i}}}}}" for i in range(3_000)
    )
    head = "policy: big\ntitle: {en: B, zh: B}\ninputs: {a: {type: number}, b: {type: number}}\ndecisions:\n  d:\n    title: {en: D, zh: D}\n    hit_policy: first\n"
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "big.yaml").write_text(f"{head}    outputs: {{c: {{type: number}}}}\n    rules:\n{rows}\n", encoding="utf-8")
    request = pb.DecideRequest(decision="big.d", facts={"a": number("2999"), "b": number("9")})
    full = pb.DecideRequest()
    full.CopyFrom(request)
    full.trace_level = trace_pb2.TRACE_LEVEL_FULL
    process = Process(folder, "--port", "0", log=tmp_path / "log").started()
    try:
        with Calls(process.port) as calls:
            assert len(calls.decide(full).trace.tables[0].rows) == 3_000
            pending = [
                calls.decisions.Decide.future(full, timeout=60),
                calls.decisions.BatchDecide.future(pb.BatchDecideRequest(requests=[full] * 8), timeout=60),
            ]
            answered = 0
            while not all(p.done() for p in pending):
                calls.decide(request)
                answered += 1
            assert [r.WhichOneof("result") for r in pending[1].result().results] == ["response"] * 8
            # On the loop itself, nine times a tenth of a second would let two or three through.
            assert answered > 9, answered
    finally:
        assert process.end() == 0


# ---------------------------------------------------------------- our own faults


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (EngineError("rows disagree at /srv/secret"), "ENGINE_DISAGREES"),
        (ZeroDivisionError("secret"), "INTERNAL"),
        (PolicybookError("secret"), "INTERNAL"),
    ],
)
def test_a_fault_of_our_own_has_a_number_and_no_traceback(fault: Exception, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        log = NoLog()
        counter = None

        def take(self, _request: Any) -> Any:
            raise fault

        @property
        def store(self) -> Any:
            raise fault

    with in_thread(settings()) as inside, Calls(inside.port) as calls, caplog.at_level(logging.ERROR, "policybook.server"):
        inside.services.desk = Broken()  # type: ignore[assignment]
        refusals = [refused(calls.decisions.Decide, order()), refused(calls.policies.ListPolicies, policy_pb.ListPoliciesRequest())]
        (item,) = calls.decisions.BatchDecide(pb.BatchDecideRequest(requests=[order()]), timeout=30).results
        assert item.error.code == grpc.StatusCode.INTERNAL.value[0]
        for got in refusals:
            assert (got.code, got.reason, got.kinds) == (grpc.StatusCode.INTERNAL, reason, ("ErrorInfo",))
            assert "secret" not in got.message
            incident = got.metadata["incident"]
            (logged,) = [r for r in caplog.records if incident in r.getMessage()]
            assert logged.exc_info
            assert logged.exc_info[1] is fault
            assert incident in got.message


# ---------------------------------------------------------------- books that change


def test_an_edited_book_takes_over_without_a_dropped_request(books: Path, tmp_path: Path) -> None:
    process = Process(books, "--port", "0", "--reload-s", "0.1", log=tmp_path / "log").started()
    text = (books / "shop.yaml").read_text(encoding="utf-8")
    stop, faults, seen = threading.Event(), [], set()

    def load(worker: int) -> None:
        with Calls(process.port) as calls:
            while not stop.is_set():
                try:
                    if worker % 2:
                        got = calls.decide(order("60"))
                        seen.add((got.policy_version, got.outputs["fee"].money.amount))
                    else:
                        batch = calls.decisions.BatchDecide(pb.BatchDecideRequest(requests=[order("60")] * 20), timeout=30)
                        seen.update((r.response.policy_version, r.response.outputs["fee"].money.amount) for r in batch.results)
                except grpc.RpcError as e:
                    faults.append(refusal_of(e))

    workers = [threading.Thread(target=load, args=(n,)) for n in range(4)]
    try:
        with Calls(process.port) as calls:
            for w in workers:
                w.start()
            versions = [calls.decide(order("60")).policy_version]
            for divisor in range(4, 8):
                (books / "shop.yaml").write_text(text.replace("value: 1/3", f"value: 1/{divisor}"), encoding="utf-8")
                wait_for(lambda: calls.decide(order("60")).policy_version != versions[-1])
                versions.append(calls.decide(order("60")).policy_version)
            stop.set()
            for w in workers:
                w.join(30)
            assert not faults
            # No answer is half of one version and half of another.
            fees = ["20.00", "15.00", "12.00", "10.00", "8.57"]
            assert seen <= set(zip(versions, fees, strict=True))
            assert len(seen) > 1
            # Old versions answer as they did, whole hash or prefix; the list of policies names them.
            for version, fee in zip(versions, fees, strict=True):
                for pin in (version, version[:8]):
                    got = calls.decide(order("60", policy_version=pin))
                    assert (got.policy_version, got.outputs["fee"]) == (version, money(fee, "CNY"))
            shop = calls.policies.ListPolicies(policy_pb.ListPoliciesRequest(), timeout=30).policies[1]
            assert (shop.version, list(shop.previous_versions)) == (versions[-1], versions[-2::-1])
            old = policy_pb.GetDecisionDefinitionRequest(name="shop.order", policy_version=versions[0])
            shares = calls.policies.GetDecisionDefinition(old, timeout=30).decision_definition.parameters
            assert {p.name: p.value for p in shares}["share"] == number("1/3")
    finally:
        stop.set()
        assert process.end() == 0


def test_a_broken_book_is_refused_and_the_old_one_goes_on(books: Path, tmp_path: Path) -> None:
    process = Process(books, "--port", "0", "--reload-s", "0.05", log=tmp_path / "log").started()
    try:
        with Calls(process.port) as calls:
            before = calls.decide(order()).policy_version
            text = (books / "shop.yaml").read_text(encoding="utf-8")
            (books / "shop.yaml").write_text(text.replace("<= cap}", "<= capp}"), encoding="utf-8")
            wait_for(lambda: "book refused" in process.errors())
            assert "capp" in process.errors()
            assert calls.decide(order()).policy_version == before
            assert health(calls) == SERVING
            (books / "shop.yaml").write_text(text + "# mended\n", encoding="utf-8")
            wait_for(lambda: calls.decide(order()).policy_version != before)
    finally:
        assert process.end() == 0


def test_a_book_whose_invariant_is_refuted_does_not_take_over(books: Path, tmp_path: Path) -> None:
    process = Process(books, "--port", "0", "--reload-s", "0.05", log=tmp_path / "log").started()
    try:
        with Calls(process.port) as calls:
            before = calls.decide(order()).policy_version
            text = (books / "shop.yaml").read_text(encoding="utf-8")
            refusal = "    default: {id: ask,"
            promise = (
                "    invariants: [{id: dearer-never-shipped, output: outcome, never: rises, as: amount, order: [[ask, refuse], ship]}]\n"
            )
            (books / "shop.yaml").write_text(
                text.replace("when: {signed: true, customer: known}", 'when: {amount: ">= 5000"}').replace(refusal, promise + refusal),
                encoding="utf-8",
            )
            wait_for(lambda: "book refused" in process.errors())
            assert (
                "error[PB320 invariant-refuted]: the invariant `dearer-never-shipped` does not hold: as `amount` grows" in process.errors()
            )
            assert "`outcome` rises from ask (row `ask`) to ship (row `signed`)" in process.errors()
            assert calls.decide(order()).policy_version == before
            found = calls.policies.Check(policy_pb.CheckRequest(source=(books / "shop.yaml").read_text(encoding="utf-8")), timeout=30)
            assert not found.ok
            assert "PB320" in [f.code for f in found.findings]
            (books / "shop.yaml").write_text(text.replace(refusal, promise + refusal), encoding="utf-8")
            wait_for(lambda: calls.decide(order()).policy_version != before)
    finally:
        assert process.end() == 0


def test_a_new_book_and_one_that_goes(books: Path, tmp_path: Path) -> None:
    process = Process(books, "--port", "0", "--reload-s", "0.05", log=tmp_path / "log").started()
    try:
        with Calls(process.port) as calls:
            pinned = calls.decide(order()).policy_version
            text = (books / "shop.yaml").read_text(encoding="utf-8")
            (books / "store.yaml").write_text(text.replace("policy: shop", "policy: store"), encoding="utf-8")
            names = lambda: [p.name for p in calls.policies.ListPolicies(policy_pb.ListPoliciesRequest(), timeout=30).policies]  # noqa: E731
            wait_for(lambda: names() == ["kinds", "shop", "store"])
            (books / "shop.yaml").unlink()
            wait_for(lambda: names() == ["kinds", "store"])
            got = refused(calls.decisions.Decide, order())
            assert (got.reason, got.code) == ("POLICY_NOT_FOUND", grpc.StatusCode.NOT_FOUND)
            assert calls.decide(order(policy_version=pinned)).outputs["outcome"] == word("ship")
    finally:
        assert process.end() == 0


# ---------------------------------------------------------------- the end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_calls_in_progress_end(number: int, tmp_path: Path) -> None:
    process = Process(BOOKS, "--port", "0", log=tmp_path / "log").started()
    with Calls(process.port) as calls:
        watch = health_pb2_grpc.HealthStub(calls.channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
        assert next(watch).status == SERVING
        hold = threading.Event()

        def requests() -> Any:
            yield pb.StreamDecideRequest(request=order())
            hold.wait(30)

        idle = calls.decisions.StreamDecide(requests(), timeout=60)
        next(idle)
        batch = calls.decisions.BatchDecide.future(pb.BatchDecideRequest(requests=[order(trace_level=FULL)] * 10_000), timeout=60)
        time.sleep(0.15)
        assert not batch.done()
        started = time.monotonic()
        process.popen.send_signal(number)
        # Health says so at once, the batch ends whole, the stream that only waits is told to come again.
        assert next(watch).status == NOT_SERVING
        assert len(batch.result().results) == 10_000
        with pytest.raises(grpc.RpcError) as ended:
            next(idle)
        got = refusal_of(ended.value)
        assert (got.code, got.reason, got.kinds) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", ("ErrorInfo", "RetryInfo"))
        hold.set()
        assert process.popen.wait(20) == 0
        # No longer than the work took, though a watch was open all the time.
        assert time.monotonic() - started < 9
        with pytest.raises(grpc.RpcError) as refused_now:
            calls.decisions.Decide(order(), timeout=5)
        assert refused_now.value.code() is grpc.StatusCode.UNAVAILABLE
    process.kill()
    assert "Traceback" not in process.errors()
    assert "Task exception" not in process.errors()


def test_work_that_does_not_end_is_cut_off() -> None:
    with in_thread(settings(limits=Limits(drain_s=0.3))) as inside, Calls(inside.port) as calls:
        # Slow from the first item on: a quick machine would end the batch before it is cut off.
        inside.services._response = lambda *_: time.sleep(0.01) or b""
        batch = calls.decisions.BatchDecide.future(pb.BatchDecideRequest(requests=[order(trace_level=FULL)] * 10_000), timeout=60)
        wait_for(lambda: inside._routes.active == 1)
        started = time.monotonic()
        inside.run(inside.stop())
        assert time.monotonic() - started < 5
        with pytest.raises(grpc.RpcError):
            batch.result()


def test_a_call_is_logged_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "policybook.access"), in_thread(settings()) as inside, Calls(inside.port) as calls:
        calls.decide(order())
        refused(calls.decisions.Decide, pb.DecideRequest())
    lines = [r.getMessage() for r in caplog.records if r.name == "policybook.access"]
    assert len(lines) == 2
    assert all(line.startswith("method=/policybook.v1.DecisionService/Decide code=") for line in lines)
    assert "INVALID_ARGUMENT" in lines[1]


def test_ids_sort_by_time() -> None:
    from policybook.server.app import new_id

    ids = []
    for _ in range(20):
        ids.append(new_id())
        time.sleep(0.002)
    assert ids == sorted(ids)
    assert len(set(ids)) == 20


def test_ids_of_many_are_as_those_of_one() -> None:
    from policybook.server.app import new_id, new_ids

    before, ids = new_id(), new_ids(500)
    time.sleep(0.002)
    assert before[:13] <= min(ids)[:13]
    assert max(ids) < new_id()
    assert len(set(ids)) == 500
    for made in (before, *ids):
        assert (str(UUID(made)), UUID(made).version, UUID(made).variant) == (made, 7, RFC_4122)


def test_the_clock_is_an_argument() -> None:
    fixed = datetime(2025, 3, 1, tzinfo=UTC)
    with in_thread(settings(), now=lambda: fixed, new_id=lambda: "the-id") as inside, Calls(inside.port) as calls:
        got = calls.decide(order("150"))
        assert (got.decision_id, got.as_of_date, got.outputs["outcome"]) == ("the-id", "2025-03-01", word("ask"))
        assert got.decide_time.ToDatetime(UTC) == fixed


def test_callers_that_are_gone_before_their_answer_leave_no_tracebacks(books: Path, tmp_path: Path) -> None:
    process = Process(books, "--port", "0", log=tmp_path / "log").started()
    head = http2.Frame(http2.HEADERS, http2.END_HEADERS, 1, headers=http2.request_headers(DECIDE))
    data = http2.Frame(http2.DATA, http2.END_STREAM, 1, http2.prefixed(order().SerializeToString()))
    # Its window takes nothing in: the answer still waits to be sent when the connection ends.
    no_window = http2.Frame(http2.SETTINGS, payload=(4).to_bytes(2, "big") + bytes(4))
    for _ in range(3):
        answer = http2.exchange(process.port, [http2.PREFACE, *http2.encoded((no_window, head, data))], opened={1}, wait_s=0.2)
        assert not answer.ended
    with Calls(process.port) as calls:
        assert calls.decide(order()).outputs["outcome"] == word("ship")
    assert process.end() == 0
    assert "Traceback" not in process.errors()


def not_utf8(path: bytes) -> list[bytes]:
    # As bytes: hpack writes texts as UTF-8.
    headers = [(n.encode(), path if n == ":path" else v.encode()) for n, v in http2.request_headers(DECIDE)]
    block = http2.Encoder().encode(headers, huffman=False)
    head = http2.Frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 1, block)
    return [http2.PREFACE, *http2.encoded((http2.Frame(http2.SETTINGS), head))]


def test_a_method_whose_name_is_not_utf8_ends_nothing_for_good(books: Path, tmp_path: Path) -> None:
    # grpcio 1.84 and later end their server at it.
    process = Process(books, "--port", "0", log=tmp_path / "log").started()
    for _ in range(3):
        http2.exchange(process.port, not_utf8(b"/a\xaeb"), opened={1})
        wait_for(lambda: decides(process.port))
    assert process.end() == 0


def test_metadata_in_no_utf8_is_not_written_to_the_log(books: Path, tmp_path: Path) -> None:
    process = Process(books, "--port", "0", log=tmp_path / "log").started()
    block = http2.Encoder().encode([*http2.request_headers(DECIDE), (b"x-odd", b"\xff" * 50)], huffman=False)
    head = http2.Frame(http2.HEADERS, http2.END_HEADERS, 1, block)
    data = http2.Frame(http2.DATA, http2.END_STREAM, 1, http2.prefixed(order().SerializeToString()))
    answer = http2.exchange(process.port, [http2.PREFACE, *http2.encoded((http2.Frame(http2.SETTINGS), head, data))], opened={1})
    assert answer.headers[1]["grpc-status"] == b"0"
    assert process.end() == 0
    assert "Invalid encoding" not in process.errors()


def decides(port: int) -> bool:
    # Calls that meet the server as it ends are lost with it.
    with Calls(port) as calls, contextlib.suppress(grpc.RpcError):
        return calls.decide(order()).outputs["outcome"] == word("ship")
    return False


@pytest.mark.parametrize(
    "method",
    ["grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch", "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"],
)
def test_what_is_no_message_is_said_to_be_none_by_health_and_reflection(server: Process, calls: Calls, method: str) -> None:
    bytes_only: Any = {"request_serializer": None, "response_deserializer": None}
    if "Check" in method:
        got = refused(calls.channel.unary_unary(f"/{method}", **bytes_only), b"\xff")
    elif "Watch" in method:
        got = refused(calls.channel.unary_stream(f"/{method}", **bytes_only), b"\xff")
    else:
        got = refused(calls.channel.stream_stream(f"/{method}", **bytes_only), iter([b"\xff"]))
    assert (got.code, got.reason, list(got.fields)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", [""])
    assert "Traceback" not in server.errors()

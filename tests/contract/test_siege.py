"""A service under fire: rotated certificates, floods, callers that say nothing, or half of something, or do not listen."""

from __future__ import annotations

import contextlib
import json
import re
import resource
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc

from access import HERE, Authority, Callers, bearer, channel, write
from contract.calls import BOOKS, DECIDE, Calls, Process, order, refusal_of, refused
from fuzz import http2
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import decision_service_pb2_grpc as decision_grpc
from policybook.v1 import trace_pb2

Code = grpc.StatusCode
STREAM = "/policybook.v1.DecisionService/StreamDecide"
BATCH = "/policybook.v1.DecisionService/BatchDecide"


def wait_for(what: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def memory_mb(process: Process) -> float:
    status = Path(f"/proc/{process.popen.pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


@contextlib.contextmanager
def besieged(folder: Path, callers: Callers, *arguments: str | Path, **limits: float) -> Iterator[Process]:
    """A service with callers and other limits."""
    config = write(folder / "service.yaml", json.dumps({"limits": limits}))
    process = Process(
        BOOKS,
        *("--port", "0", "--reload-s", "0", "--config", config, "--callers", callers.path, *arguments),
        log=folder / "log",
        insecure=False,
    ).started()
    try:
        yield process
        assert process.popen.poll() is None, process.errors()
    finally:
        assert process.end() == 0
        assert "Traceback" not in process.errors()


@pytest.fixture
def callers(tmp_path: Path) -> Callers:
    made = Callers(tmp_path / "callers.yaml")
    made.add("erp", "decide")
    return made


@dataclass
class Plain:
    """A service with the usual limits, and callers with theirs."""

    process: Process
    calls: Calls
    tokens: Mapping[str, str]

    def as_(self, name: str) -> dict[str, Any]:
        """The arguments that make a call one of a caller."""
        return {"metadata": bearer(self.tokens[name]), "timeout": 60}

    def serves(self) -> bool:
        """Whether a caller that does nothing wrong is answered."""
        return self.calls.decisions.Decide(order(), **self.as_("erp")).outcome == pb.OUTCOME_DECIDED


RATE = 50


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plain]:
    folder = tmp_path_factory.mktemp("plain")
    callers = Callers(folder / "callers.yaml")
    for name, more in {
        "erp": "",
        "noisy": f"rate: {RATE}\nrequests: 4",
        "batches": "rate: 100",
        "streams": "rate: 100",
        "deaf": "requests: 4",
        "deaf to batches": "requests: 8",
    }.items():
        callers.add(name, "decide", more=more)
    with besieged(folder, callers) as process, Calls(process.port) as calls:
        yield Plain(process, calls, callers.tokens)


# ---------------------------------------------------------------- TLS


def serial(port: int, ca: bytes) -> int:
    """The number of the certificate that a new connection gets."""
    context = ssl.create_default_context(cadata=ca.decode())
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw, context.wrap_socket(raw, server_hostname="localhost") as tls:
        found = tls.getpeercert(binary_form=True)
        assert found
        return x509.load_der_x509_certificate(found).serial_number


def test_certificates_are_rotated_under_load(tmp_path: Path, callers: Callers) -> None:
    authority = Authority()
    certificate, key = authority.serve(tmp_path)
    token = bearer(callers.tokens["erp"])
    with besieged(tmp_path, callers, "--tls-certificate", certificate, "--tls-key", key) as process:
        stop, answered, faults = threading.Event(), Counter[str](), list[grpc.RpcError]()

        def load(kind: str) -> None:
            kept = channel(process.port, ca=authority.pem)
            while not stop.is_set():
                own = kept if kind == "kept" else channel(process.port, ca=authority.pem)
                try:
                    decision_grpc.DecisionServiceStub(own).Decide(order(), timeout=30, metadata=token)
                    answered[kind] += 1
                except grpc.RpcError as e:
                    faults.append(e)
                if own is not kept:
                    own.close()
            kept.close()

        threads = [threading.Thread(target=load, args=(kind,)) for kind in ("kept", "new")]
        for t in threads:
            t.start()
        try:
            seen = [serial(process.port, authority.pem)]
            for _ in range(3):
                # One file after the other: in between the two do not fit, and what is there stays.
                made = authority.issue("policybook", names=HERE)
                write(certificate, made[0])
                assert serial(process.port, authority.pem) == seen[-1]
                write(key, made[1])
                seen.append(serial(process.port, authority.pem))
            assert len(set(seen)) == 4
            assert process.errors().count("this is not the key of the certificate") == 3
            for broken, why in ((b"nonsense", "no certificate in PEM"), (authority.issue("policybook", days=-1)[0], "is not the key")):
                write(certificate, broken)
                assert serial(process.port, authority.pem) == seen[-1]
                assert why in process.errors()
            for days, why in ((-1.0, ": expired on "), (3.0, " expires on ")):
                made = authority.issue("policybook", days=days, names=HERE)
                write(certificate, made[0])
                write(key, made[1])
                assert (serial(process.port, authority.pem) == seen[-1]) == (days < 0)
                assert why in process.errors()
            before = dict(answered)
            wait_for(lambda: all(answered[kind] > before.get(kind, 0) + 3 for kind in ("kept", "new")))
        finally:
            stop.set()
            for t in threads:
                t.join(30)
        assert not faults


def test_mutual_tls(tmp_path: Path, callers: Callers) -> None:
    authority, clients, others = Authority(), Authority("clients"), Authority("others")
    certificate, key = authority.serve(tmp_path)
    trusted = write(tmp_path / "clients.crt", clients.pem)
    callers.put({"name": "billing", "certificate": "billing.example.com", "roles": ["decide:shop"]})
    callers.put({"name": "mesh", "certificate": "spiffe://example.com/crm", "roles": ["decide"]})
    names = (x509.UniformResourceIdentifier("spiffe://example.com/crm"),)
    with besieged(
        tmp_path, callers, "--tls-certificate", certificate, "--tls-key", key, "--tls-client-ca", trusted, "--log-level", "debug"
    ) as process:

        def ask(pair: tuple[bytes, bytes] | None, *, decision: str = "shop.order", token: str = "", ca: bytes = authority.pem) -> str:
            with contextlib.closing(channel(process.port, ca=ca, pair=pair)) as made:
                try:
                    request = order() if decision == "shop.order" else pb.DecideRequest(decision=decision)
                    metadata = bearer(token) if token else ()
                    decision_grpc.DecisionServiceStub(made).Decide(request, timeout=30, metadata=metadata)
                except grpc.RpcError as e:
                    # What fails before there is a call has no details.
                    return refusal_of(e).reason if e.trailing_metadata() else e.code().name
            return "yes"

        billing = clients.issue("billing.example.com")
        assert ask(billing) == "yes"
        assert ask(billing, decision="kinds.echo") == "ROLE_REQUIRED"
        assert ask(clients.issue("anything", names=names), decision="kinds.echo") == "yes"
        assert "caller=billing" in process.errors()
        assert "caller=mesh" in process.errors()
        # A token counts more than the certificate of whoever carries it; one that is wrong is not made up for.
        assert ask(billing, decision="kinds.echo", token=callers.tokens["erp"]) == "yes"
        assert ask(billing, token=callers.tokens["erp"][:-1]) == "CREDENTIALS_REFUSED"
        assert ask(clients.issue("nobody.example.com")) == "CREDENTIALS_REFUSED"
        for pair in (None, others.issue("billing.example.com"), clients.issue("billing.example.com", days=-1)):
            assert ask(pair, token=callers.tokens["erp"]) == "UNAVAILABLE"
        assert ask(billing, ca=b"") == "UNAVAILABLE"
        # Another authority takes over: who had a certificate of the old one is out.
        write(trusted, others.pem)
        assert ask(billing) == "UNAVAILABLE"
        assert ask(others.issue("billing.example.com")) == "yes"


def test_connections_are_made_anew_after_their_time(tmp_path: Path, callers: Callers) -> None:
    authority, clients = Authority(), Authority("clients")
    certificate, key = authority.serve(tmp_path)
    trusted = write(tmp_path / "clients.crt", clients.pem)
    callers.put({"name": "billing", "certificate": "billing.example.com", "roles": ["decide"]})
    tls: tuple[str | Path, ...] = ("--tls-certificate", certificate, "--tls-key", key, "--tls-client-ca", trusted)
    with (
        besieged(tmp_path, callers, *tls, connection_s=1) as process,
        contextlib.closing(channel(process.port, ca=authority.pem, pair=clients.issue("billing.example.com"))) as kept,
    ):
        stub = decision_grpc.DecisionServiceStub(kept)
        # Longer than a connection lasts: none of its ends costs a call.
        end = time.monotonic() + 4
        while time.monotonic() < end:
            assert stub.Decide(order(), timeout=30).outcome == pb.OUTCOME_DECIDED
        # Whoever had a certificate of the old authority is out, without having gone by itself.
        write(trusted, Authority("others").pem)

        def is_out() -> bool:
            try:
                stub.Decide(order(), timeout=30)
            except grpc.RpcError as e:
                return e.code() is Code.UNAVAILABLE
            return False

        wait_for(is_out)


def test_json_over_https(tmp_path: Path, callers: Callers) -> None:
    authority = Authority()
    certificate, key = authority.serve(tmp_path)
    with besieged(tmp_path, callers, "--tls-certificate", certificate, "--tls-key", key, "--http-port", "0") as process:
        found = re.search(r"JSON over HTTP on https://127.0.0.1:(\d+)", process.errors())
        assert found
        port = int(found.group(1))
        body = json.dumps({"decision": "shop.order", "facts": {"amount": {"money": {"amount": "50"}}, "customer": {"text": "new"}}})

        def ask(headers: Mapping[str, str]) -> int:
            request = urllib.request.Request(
                f"https://localhost:{port}{DECIDE}", body.encode(), {"content-type": "application/json", **headers}
            )
            context = ssl.create_default_context(cadata=authority.pem.decode())
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
            try:
                with opener.open(request, timeout=30) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as e:
                with e:
                    return e.code

        token = {"authorization": f"Bearer {callers.tokens['erp']}"}
        assert ask(token) == 200
        assert ask({}) == 401
        first = serial(port, authority.pem)
        made = authority.issue("policybook", names=HERE)
        write(certificate, made[0])
        write(key, made[1])
        wait_for(lambda: serial(port, authority.pem) != first)
        assert ask(token) == 200


# ---------------------------------------------------------------- too much


def test_a_flood_is_refused_and_others_are_served(plain: Plain) -> None:
    # More at once than gRPC's core lets wait by default: it would cut them off at random, without a word.
    calls_each, floods = 400, 8
    began = time.monotonic()

    def flood(_: int) -> Counter[str]:
        found = Counter[str]()
        with Calls(plain.process.port) as calls:
            pending = [calls.decisions.Decide.future(order(), **plain.as_("noisy")) for _ in range(calls_each)]
            for call in pending:
                error = call.exception()
                if error is None:
                    found["yes"] += 1
                    continue
                got = refusal_of(error)
                assert got.code is Code.RESOURCE_EXHAUSTED
                assert got.the("RetryInfo").retry_delay.ToMilliseconds() > 0
                found[got.reason] += 1
        return found

    with ThreadPoolExecutor(floods) as pool:
        running = [pool.submit(flood, n) for n in range(floods)]
        served = 0
        while not all(r.done() for r in running):
            assert plain.serves()
            served += 1
    total = sum((r.result() for r in running), Counter[str]())
    spent = time.monotonic() - began
    assert sum(total.values()) == calls_each * floods
    # However long it took: one second's worth at first, then what comes in a second.
    assert 0 < total["yes"] <= RATE + RATE * spent + 1
    assert total["RATE_LIMITED"] > 0
    assert served > 0


def test_a_batch_counts_as_many_as_it_holds_and_a_stream_is_slowed(plain: Plain) -> None:
    decisions = plain.calls.decisions
    assert len(decisions.BatchDecide(pb.BatchDecideRequest(requests=[order()] * 5_000), **plain.as_("batches")).results) == 5_000
    got = refused(decisions.Decide, order(), **plain.as_("batches"))
    assert (got.reason, got.kinds, got.metadata["limit"]) == ("RATE_LIMITED", ("ErrorInfo", "QuotaFailure", "RetryInfo"), "100")
    assert 20 < got.the("RetryInfo").retry_delay.ToSeconds() <= 50
    began = time.monotonic()
    requests = (pb.StreamDecideRequest(request=order()) for _ in range(220))
    answers = list(decisions.StreamDecide(requests, **plain.as_("streams")))
    assert [a.result.WhichOneof("result") for a in answers] == ["response"] * 220
    # The first hundred at once; what was refused to nobody took its time.
    assert time.monotonic() - began > 0.7


def test_one_caller_cannot_have_all_places(tmp_path: Path, callers: Callers) -> None:
    callers.add("greedy", "decide")
    with besieged(tmp_path, callers, caller_requests=3, concurrent_watches=2, stream_items=5) as process, Calls(process.port) as calls:
        hold = threading.Event()

        def requests(count: int) -> Iterator[pb.StreamDecideRequest]:
            yield from (pb.StreamDecideRequest(request=order()) for _ in range(count))
            hold.wait(30)

        how = {"metadata": bearer(callers.tokens["greedy"]), "timeout": 60}
        streams = [calls.decisions.StreamDecide(requests(1), **how) for _ in range(3)]
        for stream in streams:
            next(stream)
        for _ in range(20):
            got = refused(calls.decisions.Decide, order(), **how)
            assert (got.reason, got.metadata) == ("OVERLOADED", {"limit": "3", "got": "4"})
            assert calls.decisions.Decide(order(), timeout=30, metadata=bearer(callers.tokens["erp"])).outcome == pb.OUTCOME_DECIDED
        # Of watches, for which nobody has to say who he is, there are few; probes are not among them.
        health = health_pb2_grpc.HealthStub(calls.channel)
        watches = [health.Watch(health_pb2.HealthCheckRequest(), timeout=60) for _ in range(2)]
        for watch in watches:
            next(watch)
        assert refused(health.Watch, health_pb2.HealthCheckRequest()).reason == "OVERLOADED"
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=30).status == health_pb2.HealthCheckResponse.SERVING
        hold.set()
        for stream in streams:
            assert list(stream) == []
        # A stream has an end, too: what was within the limit is answered.
        long = calls.decisions.StreamDecide(requests(9), **how)
        for _ in range(5):
            assert next(long).result.WhichOneof("result") == "response"
        with pytest.raises(grpc.RpcError) as ended:
            next(long)
        assert (refusal_of(ended.value).reason, refusal_of(ended.value).metadata["limit"]) == ("TOO_MANY_ITEMS", "5")
        for watch in watches:
            watch.cancel()


# ---------------------------------------------------------------- those who do not speak


def test_ten_thousand_that_say_nothing(tmp_path: Path, callers: Callers) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    before_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # As many as the machine allows, of which this process and that one need some for themselves.
    count = min(10_000, most - 500)
    idle: list[socket.socket] = []
    with besieged(tmp_path, callers, connections=count + 100) as process, Calls(process.port) as calls:
        how = {"metadata": bearer(callers.tokens["erp"]), "timeout": 60}
        try:
            calls.decisions.Decide(order(), **how)
            before = memory_mb(process)
            hello = http2.PREFACE + b"\0\0\0\x04\0\0\0\0\0"
            for n in range(count):
                made = socket.create_connection(("127.0.0.1", process.port), timeout=60)
                idle.append(made)
                made.sendall(hello)
                if n % 500 == 0:
                    assert calls.decisions.Decide(order(), **how).outcome == pb.OUTCOME_DECIDED
            # All are there: each was greeted.
            assert all(made.recv(9)[3] == http2.SETTINGS for made in idle[:: count // 200])
            with Calls(process.port) as later:
                assert later.decisions.Decide(order(), **how).outcome == pb.OUTCOME_DECIDED
            assert (memory_mb(process) - before) / count < 0.1
        finally:
            for made in idle:
                made.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (before_limit, most))


def test_connections_beyond_the_limit_are_closed_and_those_within_served(tmp_path: Path, callers: Callers) -> None:
    with besieged(tmp_path, callers, connections=10) as process, Calls(process.port) as calls, contextlib.ExitStack() as held:
        how = {"metadata": bearer(callers.tokens["erp"]), "timeout": 60}
        calls.decisions.Decide(order(), **how)
        for _ in range(40):
            held.enter_context(socket.create_connection(("127.0.0.1", process.port), timeout=10)).sendall(http2.PREFACE)
        late = held.enter_context(socket.create_connection(("127.0.0.1", process.port), timeout=10))
        assert closed_by_peer(late, b"")
        assert calls.decisions.Decide(order(), **how).outcome == pb.OUTCOME_DECIDED


def closed_by_peer(s: socket.socket, data: bytes) -> bool:
    """Send, then read until the other end closes."""
    s.settimeout(20)
    try:
        s.sendall(data)
        while s.recv(65_536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def head(path: str, token: str = "") -> http2.Frame:
    more = (("authorization", f"Bearer {token}"),) if token else ()
    return http2.Frame(http2.HEADERS, http2.END_HEADERS, 1, headers=http2.request_headers(path, more))


SETTINGS = http2.Frame(http2.SETTINGS)


def test_half_of_something_is_not_waited_for_for_ever(tmp_path: Path, callers: Callers) -> None:
    token = callers.tokens["erp"]
    limits = {"handshake_s": 1, "keepalive_s": 1, "keepalive_wait_s": 0.5, "deadline_s": 1, "caller_requests": 40}
    message = http2.prefixed(order().SerializeToString())
    half_message = http2.Frame(http2.DATA, 0, 1, message[: len(message) // 2])
    half_frame = http2.Frame(http2.DATA, http2.END_STREAM, 1, message[: len(message) // 2], length=len(message))
    with besieged(tmp_path, callers, **limits) as process, Calls(process.port) as calls:
        silent = [
            b"",
            http2.PREFACE[:10],
            http2.PREFACE,
            b"".join([http2.PREFACE, *http2.encoded([SETTINGS, half_frame])]),
            b"".join([http2.PREFACE, *http2.encoded([SETTINGS, head(DECIDE, token), half_frame])]),
            b"".join([http2.PREFACE, *http2.encoded([SETTINGS, head(DECIDE, token)])])[:-5],
        ]
        with ThreadPoolExecutor(len(silent)) as pool:

            def cut_off(data: bytes) -> bool:
                with socket.create_connection(("127.0.0.1", process.port), timeout=20) as s:
                    return closed_by_peer(s, data)

            assert list(pool.map(cut_off, silent)) == [True] * len(silent)
        # Whole frames, but half a message: the call is ended, whatever the connection says.
        for count in (1, 60):
            opened = range(1, 2 * count, 2)
            frames = [SETTINGS]
            for stream in opened:
                frames += [replace(head(DECIDE, token), stream=stream), replace(half_message, stream=stream)]
            answer = http2.exchange(process.port, [http2.PREFACE, *http2.encoded(frames)], opened=set(opened), wait_s=10)
            codes = Counter(answer.headers[stream]["grpc-status"] for stream in opened)
            # 4: in its time; 8: more than one caller may have in progress.
            assert codes == ({b"4": 1} if count == 1 else {b"4": 40, b"8": 20})
        # Nobody waits for the message of somebody whom nobody knows: that is said at once, to the headers alone.
        for path in (DECIDE, STREAM):
            answer = http2.exchange(process.port, [http2.PREFACE, *http2.encoded([SETTINGS, head(path)])], opened={1}, wait_s=10)
            assert answer.headers[1]["grpc-status"] == b"16"
        assert calls.decisions.Decide(order(), timeout=30, metadata=bearer(token)).outcome == pb.OUTCOME_DECIDED


def test_half_a_handshake(tmp_path: Path, callers: Callers) -> None:
    certificate, key = Authority().serve(tmp_path)
    with besieged(tmp_path, callers, "--tls-certificate", certificate, "--tls-key", key, handshake_s=1) as process:
        begun = [socket.create_connection(("127.0.0.1", process.port), timeout=20) for _ in range(2)]
        begun[1].sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        for s in begun:
            with s:
                assert closed_by_peer(s, b"")


# ---------------------------------------------------------------- those who do not listen


def test_readers_that_stop(plain: Plain) -> None:
    count = 4
    with contextlib.ExitStack() as held:
        full = order(trace_level=trace_pb2.TRACE_LEVEL_FULL)
        assert plain.calls.decisions.Decide(full, **plain.as_("erp")).trace.tables
        before, total, sent = memory_mb(plain.process), 1_000_000, Counter[int]()

        def requests(n: int) -> Iterator[pb.StreamDecideRequest]:
            asked = pb.StreamDecideRequest(request=full)
            for _ in range(total):
                sent[n] += 1
                yield asked

        deaf = []
        for n in range(count):
            own = held.enter_context(Calls(plain.process.port))
            deaf.append(own.decisions.StreamDecide(requests(n), **plain.as_("deaf")))
            next(deaf[-1])
        # They are told to wait, by flow control: what they may still send comes to an end.
        seen: list[int] = []
        while len(seen) < 6 or seen[-1] != seen[-5]:
            assert plain.serves()
            seen.append(sum(sent.values()))
            time.sleep(0.1)
        assert max(sent.values()) < total / 20
        assert memory_mb(plain.process) - before < 16 * count
        # They have their places, and no more than those.
        own = held.enter_context(Calls(plain.process.port))
        assert refused(own.decisions.Decide, order(), **plain.as_("deaf")).reason == "OVERLOADED"
        assert all(plain.serves() for _ in range(50))
        # Nothing of it is lost for one that goes on reading.
        for _ in range(2_000):
            assert next(deaf[0]).result.WhichOneof("result") == "response"
        for stream in deaf:
            stream.cancel()

        def has_places() -> bool:
            try:
                own.decisions.Decide(order(), **plain.as_("deaf"))
            except grpc.RpcError:
                return False
            return True

        wait_for(has_places)


def test_answers_that_nobody_takes(plain: Plain) -> None:
    """Large answers to calls of one request: what waits is bounded by the places of the caller."""
    places = 8
    batch = pb.BatchDecideRequest(requests=[order(trace_level=trace_pb2.TRACE_LEVEL_MATCHED)] * 2_000).SerializeToString()
    size_mb = len(plain.calls.channel.unary_unary(BATCH, None, None)(batch, **plain.as_("erp"))) / 2**20
    before = memory_mb(plain.process)
    frames = [SETTINGS]
    for stream in range(1, 60, 2):
        frames.append(replace(head(BATCH, plain.tokens["deaf to batches"]), stream=stream))
        pieces = [http2.prefixed(batch)[i : i + 16_384] for i in range(0, len(batch) + 5, 16_384)]
        frames += [http2.Frame(http2.DATA, http2.END_STREAM if p is pieces[-1] else 0, stream, p) for p in pieces]
    with socket.create_connection(("127.0.0.1", plain.process.port), timeout=20) as s:
        # It opens no window: of each answer 64 KiB at most come through.
        sender = threading.Thread(target=_send, args=(s, b"".join([http2.PREFACE, *http2.encoded(frames)])), daemon=True)
        sender.start()
        assert all(plain.serves() for _ in range(300))
        assert memory_mb(plain.process) - before < places * 4 * size_mb + 64
    sender.join(10)
    assert plain.serves()


def _send(s: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        s.sendall(data)

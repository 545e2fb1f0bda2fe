"""JSON over HTTP: the same answers, errors and limits as over gRPC, asked by programs that know neither gRPC nor us."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import grpc
import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2 as details_pb

from audit.keeping import proof_of
from contract.calls import BOOKS, Calls, Process, order, refusal_of
from contract.test_audit import STRICT, recorded
from contract.test_operation import wait_for
from policybook.v1 import decision_service_pb2 as pb

DECIDE = "/policybook.v1.DecisionService/Decide"
BATCH = "/policybook.v1.DecisionService/BatchDecide"


def http_port(process: Process) -> int:
    found = re.search(r"JSON over HTTP on http://127\.0\.0\.1:(\d+)", process.errors())
    assert found, process.errors()
    return int(found.group(1))


class Reply:
    """A status, headers, and the JSON or text of a response."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.data = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    def detail(self, name: str) -> Any:
        """A detail of an error, as its message says, compared with what is written of it for people."""
        (found,) = [d for d in self.json["details"] if d["type"] == f"google.rpc.{name}"]
        message = getattr(details_pb, name).FromString(base64.b64decode(found["value"] + "=="))
        assert found["debug"] == json_format.MessageToDict(message)
        return message


class Web:
    """Requests to a service, over one connection that is kept."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def ask(self, path: str, body: Any, headers: dict[str, str] | None = None, method: str = "POST") -> Reply:
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        self.connection.request(method, path, data, {"content-type": "application/json", **(headers or {})})
        return Reply(self.connection.getresponse())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("http")
    arguments = ("--port", "0", "--http-port", "0", "--http-origins", "https://erp.example", "--reload-s", "0", "--log", folder / "d.db")
    process = Process(BOOKS, *arguments, log=folder / "log").started()
    yield process
    assert process.end() == 0
    assert "Traceback" not in process.errors()


@pytest.fixture
def web(served: Process) -> Iterator[Web]:
    with Web(http_port(served)) as made:
        yield made


def asked(message: Any) -> Any:
    return json_format.MessageToDict(message)


def same(answer: Any, other: Any) -> None:
    """Compare two answers but for what no two answers have in common."""
    for one in (answer, other):
        for name in ("decisionId", "decideTime"):
            assert one.pop(name)
        one.get("trace", {}).pop("elapsed", None)
    assert answer == other


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("request_", [order("60"), order("900", trace_level=3, language="zh"), order("60", as_of_date="2025-02-03")])
def test_the_answer_is_that_of_grpc(served: Process, web: Web, request_: Any) -> None:
    reply = web.ask(DECIDE, asked(request_))
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    with Calls(served.port) as calls:
        same(reply.json, asked(calls.decide(request_)))


def test_every_method_but_streams_is_there(served: Process, web: Web) -> None:
    document = web.ask("/openapi.json", "", method="GET").json
    for path in document["paths"]:
        assert web.ask(path, {}).status in (200, 400, 404), path
    stream = web.ask("/policybook.v1.DecisionService/StreamDecide", {})
    assert (stream.status, stream.json["code"]) == (501, "unimplemented")
    assert len(document["paths"]) == 11


def test_curl_as_it_stands(served: Process) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed here")
    body = json.dumps(asked(order("60")))
    done = subprocess.run(
        [curl, "-sS", "-d", body, f"http://127.0.0.1:{http_port(served)}{DECIDE}"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["outputs"]["fee"] == {"money": {"amount": "20.00", "currency": "CNY"}}


def test_protobuf_too(web: Web) -> None:
    reply = web.ask(DECIDE, order("60").SerializeToString(), {"content-type": "application/proto"})
    assert (reply.status, reply.headers["content-type"]) == (200, "application/proto")
    assert pb.DecideResponse.FromString(reply.data).outputs["fee"].money.amount == "20.00"
    assert web.ask(DECIDE, b"\xff\xff", {"content-type": "application/proto"}).detail("ErrorInfo").reason == "INVALID_REQUEST"


def test_a_batch_and_what_is_recorded(served: Process, web: Web) -> None:
    requests = [asked(order(str(n), request_id=f"http-{n}")) for n in range(50)]
    reply = web.ask(BATCH, {"requests": requests}, {"x-policybook-caller": "erp"})
    ids = [r["response"]["decisionId"] for r in reply.json["results"]]
    found = web.ask("/policybook.v1.AuditService/ListDecisionRecords", {"caller": "erp", "pageSize": 100}).json["decisionRecords"]
    assert {r["decisionId"] for r in found} == set(ids)
    again = web.ask(DECIDE, requests[7], {"x-policybook-caller": "erp"}).json
    assert again["decisionId"] == ids[7]


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ("{", "", "the JSON cannot be read"),
        ("[]", "", "the JSON cannot be read"),
        ("nonsense", "", "the JSON cannot be read"),
        (b"\xff", "", "the request is not UTF-8"),
        ({"decison": "shop.order"}, "decison", "there is no field named `decison` here; did you mean `decision`?"),
        ({"decision": 5}, "decision", "numbers are written as text"),
        ({"decision": "shop.order", "facts": []}, "facts", "a list is not an object of names with their values"),
        (
            {"decision": "shop.order", "facts": {"amount": 1000}},
            "facts.amount",
            '`1000` is not an object that says of which kind it is: {"money": {"amount": "1000"}}, {"decimal": "1000"}',
        ),
        ({"decision": "shop.order", "facts": {"paid": True}}, "facts.paid", ': {"flag": true}'),
        (
            {"decision": "shop.order", "facts": {"amount": {"amount": "5"}}},
            "facts.amount.amount",
            "there is no field named `amount` here; allowed: `date`, `decimal`, `duration`,",
        ),
        (
            {"decision": "shop.order", "facts": {"amount": {"decimal": 2999.99}}},
            "facts.amount.decimal",
            '`2999.99` is not text; numbers are written as text, since JSON\'s own are not exact: "2999.99"',
        ),
        ({"decision": "shop.order", "facts": {"paid": {"flag": "yes"}}}, "facts.paid.flag", "`yes` is neither `true` nor `false`"),
        (
            {"decision": "shop.order", "facts": {"lines": {"list": {"values": [{"text": "a"}, {"text": 5}]}}}},
            "facts.lines.list.values[1].text",
            "numbers are written as text",
        ),
        ({"decision": "shop.order", "traceLevel": "MUCH"}, "traceLevel", "`MUCH` is not one of the values; allowed: `TRACE_LEVEL_FULL`,"),
        (
            {"decision": "shop.order", "as_of_time": "2026-03-01"},
            "as_of_time",
            "`2026-03-01` is not an instant such as `2026-03-31T08:00:00Z`",
        ),
        ({"decision": "shop.order", "asOfDate": "2026-01-01", "asOfTime": "2026-01-01T00:00:00Z"}, "", "the JSON cannot be read"),
        ({"decision": "nothing"}, "decision", "is not the name of a decision"),
        ("{" * 500, "", "the JSON cannot be read"),
        ("[" * 100_000, "", "the JSON cannot be read"),
    ],
)
def test_what_is_wrong_is_told(web: Web, body: Any, field: str, says: str) -> None:
    reply = web.ask(DECIDE, body)
    assert (reply.status, reply.json["code"]) == (400, "invalid_argument")
    violation = reply.detail("BadRequest").field_violations[0]
    assert violation.field == field
    assert says in violation.description
    assert len(reply.data) < 5_000


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (order("60", facts={"amount": order().facts["customer"]}), 400),
        (pb.DecideRequest(decision="shop.none"), 404),
        (order("60", policy_version="0123456789"), 404),
        (order("60", as_of_date="1999-01-01"), 400),
        (pb.DecideRequest(decision="shop.label", facts={"amount": order("25").facts["amount"]}), 400),
    ],
)
def test_errors_are_those_of_grpc(served: Process, web: Web, request_: Any, status: int) -> None:
    reply = web.ask(DECIDE, asked(request_))
    with Calls(served.port) as calls, pytest.raises(grpc.RpcError) as failed:
        calls.decide(request_)
    wanted = refusal_of(failed.value)
    assert reply.json["code"].upper() == wanted.code.name
    assert reply.json["message"] == wanted.message
    assert [d["type"] for d in reply.json["details"]] == [d.DESCRIPTOR.full_name for d in wanted.details]
    assert [reply.detail(d.DESCRIPTOR.name) for d in wanted.details] == list(wanted.details)
    # As Connect maps them.
    assert reply.status == status


def test_what_http_itself_refuses(web: Web) -> None:
    missing = web.ask("/nothing", {})
    assert (missing.status, missing.data) == (
        404,
        b"no such method; POST /PACKAGE.SERVICE/METHOD with a JSON body; openapi.json says what there is.",
    )
    refused = web.ask(DECIDE, {}, method="PUT")
    assert (refused.status, refused.headers["allow"]) == (405, "POST")
    assert refused.data == b"POST the request to this method, as a JSON object in the body"
    other = web.ask(DECIDE, "<a/>", {"content-type": "application/xml"})
    assert (other.status, other.headers["accept-post"]) == (415, "application/json, application/proto")
    assert other.data == b"the body is JSON: say `content-type: application/json`"


def test_too_large_is_refused_before_it_is_read(web: Web) -> None:
    body = json.dumps({"decision": "x" * 5_000_000})
    with contextlib.suppress(ConnectionError):
        # It does not wait for the end, which may break the caller's pipe.
        reply = web.ask(DECIDE, body)
        assert (reply.status, reply.json["code"]) == (429, "resource_exhausted")
        assert reply.detail("ErrorInfo").reason == "REQUEST_TOO_LARGE"
    packed = gzip.compress(b'{"decision": "' + b"x" * 20_000_000 + b'"}')
    assert len(packed) < 100_000
    with Web(web.port) as other:
        bomb = other.ask(DECIDE, packed, {"content-encoding": "gzip"})
        assert (bomb.status, bomb.json["code"]) == (429, "resource_exhausted")
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as connection:
        head = f"POST {DECIDE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {60 * 1024 * 1024}\r\n\r\n"
        connection.sendall(head.encode())
        got = b""
        try:
            for _ in range(60):
                connection.sendall(b" " * 1024 * 1024)
            got = connection.recv(4096)
        except ConnectionError:
            # It did not wait for the end.
            pass
        assert not got or b"429" in got.split(b"\r\n")[0]


def test_pages_of_a_known_origin(web: Web) -> None:
    ask = {"origin": "https://erp.example", "access-control-request-method": "POST"}
    allowed = web.ask(DECIDE, "", ask, method="OPTIONS")
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (204, "https://erp.example")
    assert "access-control-allow-origin" not in web.ask(DECIDE, "", {**ask, "origin": "https://other.example"}, method="OPTIONS").headers
    assert (
        web.ask(DECIDE, asked(order()), {"origin": "https://erp.example"}).headers["access-control-allow-origin"] == "https://erp.example"
    )


def test_a_deadline_of_the_caller(web: Web) -> None:
    reply = web.ask(BATCH, {"requests": [asked(order(trace_level=3))] * 5_000}, {"connect-timeout-ms": "1"})
    assert (reply.status, reply.json["code"]) == (504, "deadline_exceeded")


# ---------------------------------------------------------------- callers that are slow, and the end


def test_callers_that_send_half_a_request_hold_nobody_up(served: Process, web: Web) -> None:
    halves = []
    for text in ("POST ", f"POST {DECIDE} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\ncontent-type: application/json\r\n\r\n{{") * 30:
        half = socket.create_connection(("127.0.0.1", web.port), timeout=20)
        half.sendall(text.encode())
        halves.append(half)
    assert web.ask(DECIDE, asked(order())).status == 200
    # A call is counted once its request is there.
    with Calls(served.port) as calls:
        assert calls.decide(order()).outcome == pb.OUTCOME_DECIDED
    for half in halves:
        half.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_end_under_load_loses_no_answer(books: Path, tmp_path: Path, workers: str) -> None:
    (books / "strict.yaml").write_text(STRICT, encoding="utf-8")
    arguments = ("--workers", workers, "--port", "0", "--http-port", "0", "--reload-s", "0", "--log", tmp_path / "d.db")
    process = Process(books, *arguments, log=tmp_path / "log").started()
    port = http_port(process)
    answers: list[str] = []
    faults: list[str] = []

    def ask() -> None:
        with Web(port) as web:
            ask_on(web)

    def ask_on(web: Web) -> None:
        while True:
            try:
                reply = web.ask(DECIDE, asked(order("60")))
            except (OSError, http.client.HTTPException):
                return
            if reply.status == 200:
                answers.append(reply.json["decisionId"])
            elif reply.status == 503:
                assert reply.headers["retry-after"] == "1"
                time.sleep(0.3)
            else:
                faults.append(reply.data.decode())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.8)
    if workers == "2":
        # Both listen on the port.
        from contract.test_workers import workers_of

        os.kill(workers_of(process)[0], signal.SIGKILL)

        def answered() -> bool:
            with Web(port) as other, contextlib.suppress(OSError, http.client.HTTPException):
                # Connections that waited for the one that died are gone with it.
                return other.ask(DECIDE, asked(order("60"))).status == 200
            return False

        wait_for(answered)
        wait_for(lambda: len(workers_of(process)) == 2)
    assert process.end() == 0
    for thread in threads:
        thread.join(30)
    assert not faults, faults[:2]
    assert len(answers) > 20
    kept = set(recorded(tmp_path / "d.db"))
    if workers == "1":
        assert set(answers) <= kept
    assert proof_of(tmp_path / "d.db").ok


def test_a_port_that_is_taken(tmp_path: Path, served: Process) -> None:
    for workers in ("1", "2"):
        second = Process(BOOKS, "--workers", workers, "--port", "0", "--http-port", str(http_port(served)), log=tmp_path / "second")
        assert second.popen.wait(30) == 3
        second.kill()
        assert f"cannot listen on 127.0.0.1:{http_port(served)}: address already in use" in second.errors()

"""What operators see: metrics, health of stale books, the log as JSON."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from contract.calls import BOOKS, ROOT, Calls, Process, in_thread, number, order, refused
from contract.test_http import Web, http_port
from contract.test_operation import NOT_SERVING, SERVING, health, wait_for
from contract.test_workers import workers_of
from policybook.server.meter import FAMILIES
from policybook.server.servicer import AUDITS, DECISIONS, POLICIES
from policybook.server.settings import Settings
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import policy_service_pb2 as policy_pb

REASONS = ("INVALID_FACTS", "VERSION_NOT_FOUND", "DECISION_NOT_FOUND")
Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def metrics_port(process: Process) -> int:
    wait_for(lambda: "metrics on http://" in process.errors())
    found = re.search(r"metrics on http://127\.0\.0\.1:(\d+)/metrics", process.errors())
    assert found
    return int(found.group(1))


def scraped(process: Process) -> Values:
    """Everything that Prometheus would see: name and labels, but for the worker -> value, summed over workers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port(process)}/metrics", timeout=20) as response:
        text = response.read().decode()
    found: Values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted((n, v) for n, v in sample.labels.items() if n != "worker")))
            found[key] = found.get(key, 0) + sample.value
    return found


def of(values: Values, name: str, **labels: str) -> float:
    return sum(v for (n, own), v in values.items() if n == name and labels.items() <= dict(own).items())


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_is_counted(books: Path, tmp_path: Path, workers: str) -> None:
    arguments = ("--workers", workers, "--port", "0", "--metrics-port", "0", "--reload-s", "0.05", "--log", tmp_path / "d.db")
    process = Process(books, *arguments, log=tmp_path / "log").started()
    try:
        with ExitStack() as stack:
            for _ in range(12):
                calls = stack.enter_context(Calls(process.port))
                # 196 and 199 of 200 are just under, 150 is not, 204 is just over.
                for amount in ("196", "199", "150", "204"):
                    calls.decide(order(amount))
                refused(calls.decisions.Decide, order("50", facts={"amount": number("x")}))
                # What is refused among others is no status of a call.
                many = [order("60", trace_level=1)] * 20 + [order("60", customer="nobody"), order("60", policy_version="12345678")]
                calls.decisions.BatchDecide(pb.BatchDecideRequest(requests=many), timeout=30)
                some = [order("60")] * 3 + [pb.DecideRequest(decision="shop.nothing")]
                list(calls.decisions.StreamDecide(iter([pb.StreamDecideRequest(request=r) for r in some]), timeout=30))
            values = scraped(process)
            assert of(values, "policybook_decisions_total", decision="shop.order", outcome="decided") == 12 * (4 + 20 + 3)
            assert of(values, "policybook_rules_total", decision="shop.order", row="within-cap") == 12 * (3 + 20 + 3)
            assert of(values, "policybook_rules_total", decision="shop.order", row="ask") == 12
            assert of(values, "policybook_requests_total", method="DecisionService/Decide", code="OK") == 48
            assert of(values, "policybook_requests_total", method="DecisionService/Decide", code="INVALID_ARGUMENT") == 12
            assert of(values, "policybook_requests_total", method="DecisionService/BatchDecide", code="OK") == 12
            assert of(values, "policybook_request_duration_seconds_count", method="DecisionService/Decide") == 60
            assert of(values, "policybook_request_duration_seconds_bucket", method="DecisionService/Decide", le="+Inf") == 60
            refusals = {reason: of(values, "policybook_refusals_total", reason=reason) for reason in REASONS}
            assert refusals == {"INVALID_FACTS": 24, "VERSION_NOT_FOUND": 12, "DECISION_NOT_FOUND": 12}
            near = {
                side: of(values, "policybook_near_threshold_total", quantity="amount", threshold="200", side=side)
                for side in ("under", "over")
            }
            assert near == {"under": 24, "over": 12}
            wait_for(lambda: of(scraped(process), "policybook_log_recorded_total") == 12 * 27)
            assert of(values, "policybook_book_info", policy="shop") == int(workers)
            with Calls(process.port) as calls:
                listed = calls.policies.ListPolicies(policy_pb.ListPoliciesRequest(page_size=1), timeout=30)
            assert of(values, "policybook_books_info", digest=listed.digest) == int(workers)
            assert of(values, "policybook_build_info") == 1
            # Nothing that is scraped is undocumented.
            documented = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
            names = {n.removesuffix("_created") for n, _ in values}
            known = {
                f
                for family, told in FAMILIES.items()
                for f in ((family,) if told.kind != "histogram" else (f"{family}_bucket", f"{family}_count", f"{family}_sum"))
            }
            assert names <= known, names - known
            assert all(f"`{family}`" in documented for family in FAMILIES)
            # No fact in a label.
            assert not [v for _, labels in values for n, v in labels if n not in ("version", "python", "le") and "196" in v]
            text = (books / "shop.yaml").read_text(encoding="utf-8")
            (books / "shop.yaml").write_text(text + "# edited\n", encoding="utf-8")
            wait_for(lambda: of(scraped(process), "policybook_reloads_total", result="published") == 1)
            assert of(scraped(process), "policybook_books_info", digest=listed.digest) == 0
        if workers == "2":
            os.kill(workers_of(process)[0], signal.SIGKILL)
            wait_for(lambda: of(scraped(process), "policybook_worker_restarts_total") == 1)
            wait_for(lambda: of(scraped(process), "policybook_workers") == 2)
    finally:
        assert process.end() == 0
    assert "Traceback" not in process.errors()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_stale_books_are_not_healthy(books: Path, tmp_path: Path, workers: str) -> None:
    arguments = ("--workers", workers, "--port", "0", "--reload-s", "0.05", "--stale-after-s", "0.5", "--metrics-port", "0")
    process = Process(books, *arguments, log=tmp_path / "log").started()
    text = (books / "shop.yaml").read_text(encoding="utf-8")
    try:
        with ExitStack() as stack:
            channels = [stack.enter_context(Calls(process.port)) for _ in range(8)]
            assert {health(c) for c in channels} == {SERVING}
            (books / "shop.yaml").write_text(text.replace("<= cap}", "<= capp}"), encoding="utf-8")
            wait_for(lambda: {health(c) for c in channels} == {health(c, DECISIONS) for c in channels} == {NOT_SERVING})
            # What can be answered is answered, and what only reads is healthy.
            assert {c.decide(order()).outcome for c in channels} == {pb.OUTCOME_DECIDED}
            assert {health(c, service) for c in channels for service in (POLICIES, AUDITS)} == {SERVING}
            assert of(scraped(process), "policybook_books_stale_seconds") > 0.4
            if workers == "2":
                old = workers_of(process)
                os.kill(old[0], signal.SIGKILL)
                wait_for(lambda: len(now := workers_of(process)) == 2 and old[0] not in now)
                with ExitStack() as more:
                    later = [more.enter_context(Calls(process.port)) for _ in range(8)]
                    assert {health(c) for c in later} == {NOT_SERVING}
            (books / "shop.yaml").write_text(text + "# mended\n", encoding="utf-8")
            with ExitStack() as more:
                later = [more.enter_context(Calls(process.port)) for _ in range(8)]
                wait_for(lambda: {health(c) for c in later} == {SERVING})
            assert of(scraped(process), "policybook_books_stale_seconds") == 0
    finally:
        assert process.end() == 0


def page(process: Process, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port(process)}{path}", timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def test_what_is_turned_away_at_the_door_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICYBOOK_LIMITS__CONCURRENT_REQUESTS", "1")
    process = Process(BOOKS, "--port", "0", "--http-port", "0", "--metrics-port", "0", log=tmp_path / "log").started()
    try:
        with Calls(process.port) as calls, Web(http_port(process)) as web:
            # A stream that stays open is all that there is room for.
            over = threading.Event()
            waiting = calls.decisions.StreamDecide(iter(over.wait, True))
            wait_for(lambda: of(scraped(process), "policybook_requests_active") == 1)
            assert refused(calls.decisions.Decide, order()).reason == "OVERLOADED"
            assert web.ask("/policybook.v1.DecisionService/Decide", {"decision": "shop.order"}).status == 429
            waiting.cancel()
            over.set()
            wait_for(lambda: of(scraped(process), "policybook_requests_active") == 0)
            assert web.ask("/policybook.v1.DecisionService/Decide", {"decision": "shop.order"}).status == 400
        values = scraped(process)
        for code, reason, count in (("RESOURCE_EXHAUSTED", "OVERLOADED", 2), ("INVALID_ARGUMENT", "INVALID_FACTS", 1)):
            assert of(values, "policybook_requests_total", method="DecisionService/Decide", code=code) == count
            assert of(values, "policybook_refusals_total", reason=reason) == count
        # Whether it was cancelled or had come to its end is told by what grpcio says first.
        assert of(values, "policybook_requests_total", method="DecisionService/StreamDecide") == 1
    finally:
        assert process.end() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_probes_without_grpc(books: Path, tmp_path: Path, workers: str) -> None:
    arguments = ("--workers", workers, "--port", "0", "--reload-s", "0.05", "--stale-after-s", "0.1", "--metrics-port", "0")
    process = Process(books, *arguments, log=tmp_path / "log").started()
    try:
        assert page(process, "/ready") == (200, "ready\n")
        assert page(process, "/live") == (200, "alive\n")
        assert page(process, "/") == (404, "here are /metrics, /ready and /live\n")
        (books / "shop.yaml").write_text("policy: shop\n", encoding="utf-8")
        wait_for(lambda: page(process, "/ready")[0] == 503)
        assert page(process, "/live")[0] == 200
    finally:
        assert process.end() == 0


def test_a_second_metrics_port_is_refused(tmp_path: Path) -> None:
    first = Process(BOOKS, "--port", "0", "--metrics-port", "0", log=tmp_path / "first").started()
    for workers in ("1", "2"):
        second = Process(BOOKS, "--workers", workers, "--port", "0", "--metrics-port", str(metrics_port(first)), log=tmp_path / "second")
        assert second.popen.wait(30) == 3
        second.kill()
        assert "for metrics: address already in use" in second.errors()
    assert first.end() == 0


def test_the_log_as_json(books: Path, tmp_path: Path) -> None:
    process = Process(
        books, "--port", "0", "--reload-s", "0.05", "--log-format", "json", "--log", tmp_path / "d.db", log=tmp_path / "log"
    ).started()
    text = (books / "shop.yaml").read_text(encoding="utf-8")
    (books / "shop.yaml").write_text(text.replace("<= cap}", "<= capp}"), encoding="utf-8")
    wait_for(lambda: "book refused" in process.errors())
    assert process.end() == 0
    lines: list[dict[str, Any]] = [json.loads(line) for line in process.errors().splitlines()]
    assert {"message", "level", "logger", "timestamp", "process"} <= set(lines[0])
    assert {line["process"] for line in lines} == {process.popen.pid}
    (refusal,) = [line for line in lines if "book refused" in line["message"]]
    assert (refusal["level"], refusal["logger"]) == ("error", "policybook.reload")
    assert "capp" in refusal["message"]
    # Anchors are found in it, as in the plain log.
    command = [sys.executable, "-m", "policybook", "audit", "verify", "--log", str(tmp_path / "d.db"), "--anchors", str(process.log)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "anchors compared" in done.stdout or "anchor compared" in done.stdout


def test_the_access_log_for_programs(tmp_path: Path) -> None:
    arguments = ("--workers", "2", "--port", "0", "--http-port", "0", "--log-format", "json", "--log-level", "debug")
    process = Process(BOOKS, *arguments, log=tmp_path / "log").started()
    with Calls(process.port) as calls, Web(http_port_in(process)) as web:
        calls.decide(order("73"))
        refused(calls.decisions.Decide, order("73", customer="nobody"))
        assert web.ask("/policybook.v1.DecisionService/Decide", {"decision": "shop.order"}).status == 400
    assert process.end() == 0
    lines = [json.loads(line) for line in process.errors().splitlines()]
    told = [line for line in lines if line["logger"] == "policybook.access"]
    assert [(line["method"], line["code"]) for line in told] == [
        ("/policybook.v1.DecisionService/Decide", code) for code in ("OK", "INVALID_ARGUMENT", "INVALID_ARGUMENT")
    ]
    assert all(line["worker"] in (1, 2) and line["us"] > 0 and line["peer"] for line in told)
    # No fact.
    assert "73" not in json.dumps(
        [{k: v for k, v in line.items() if k not in ("us", "timestamp", "message", "peer", "process")} for line in told]
    )
    assert "nobody" not in process.errors()


def http_port_in(process: Process) -> int:
    (said,) = [m for line in process.errors().splitlines() if "JSON over HTTP on" in (m := json.loads(line)["message"])]
    return int(said.rpartition(":")[2])


@pytest.mark.parametrize("workers", ["1", "2"])
def test_why_there_is_no_service_is_told_programs_too(tmp_path: Path, workers: str) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("policy: bad\ntitle: 1\n", encoding="utf-8")
    first = Process(BOOKS, "--port", "0", log=tmp_path / "first").started()
    for arguments, code, words in (((bad,), 1, "error["), ((BOOKS, "--port", str(first.port)), 3, "already in use")):
        process = Process(*arguments, "--workers", workers, "--log-format", "json", log=tmp_path / "log")
        assert process.popen.wait(30) == code
        process.kill()
        lines = [json.loads(line) for line in process.errors().splitlines()]
        assert any(line["level"] == "critical" and words in line["message"] for line in lines), lines
    assert first.end() == 0


def test_books_that_were_stale_before_a_worker_began_are_stale_in_it() -> None:
    settings = Settings(insecure=True, books=(BOOKS,), port=0, stale_after_s=3600, reload_s=0)
    with in_thread(settings, load=False) as server, Calls(server.port) as calls:
        server.run(server.set_fresh(is_fresh=False))
        assert health(calls, POLICIES) == NOT_SERVING
        server.run(server.load())
        assert {service: health(calls, service) for service in ("", DECISIONS, POLICIES)} == {
            "": NOT_SERVING,
            DECISIONS: NOT_SERVING,
            POLICIES: SERVING,
        }
        assert not server.is_ready
        server.run(server.set_fresh(is_fresh=True))
        assert health(calls) == SERVING
        assert server.is_ready


def test_workers_are_not_healthy_before_they_have_books(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = Process(ROOT / "rules", "--workers", "2", "--port", str(port), log=tmp_path / "log")
    seen: list[int] = []
    try:
        while SERVING not in seen:
            # A new channel each time: one that was refused waits longer and longer.
            with Calls(port) as calls, contextlib.suppress(grpc.RpcError):
                seen.append(health(calls))
            assert process.popen.poll() is None
        # While books are read, checked and proved, and while the workers make theirs.
        assert set(seen[:-1]) == {NOT_SERVING}
        process.started()
    finally:
        assert process.end() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        process = Process(BOOKS, "--workers", workers, "--port", "0", log=tmp_path / "log")
        assert systemd.recv(100) == b"READY=1"
        # What it says it does: calls are taken.
        with Calls(process.started().port) as calls:
            assert calls.decide(order()).outcome == pb.OUTCOME_DECIDED
        process.popen.terminate()
        assert systemd.recv(100) == b"STOPPING=1"
        assert process.popen.wait(20) == 0
        process.kill()
        systemd.setblocking(False)
        with pytest.raises(BlockingIOError):
            systemd.recv(100)

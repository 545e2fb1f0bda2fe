"""What operators see: metrics, health of stale books, the log as JSON."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from contract.calls import BOOKS, Calls, Process, number, order, refused
from contract.test_operation import NOT_SERVING, SERVING, health, wait_for
from contract.test_workers import workers_of
from policybook.server.meter import FAMILIES
from policybook.server.servicer import AUDITS, DECISIONS, POLICIES
from policybook.v1 import decision_service_pb2 as pb

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
                calls.decisions.BatchDecide(pb.BatchDecideRequest(requests=[order("60", trace_level=1)] * 20), timeout=30)
                list(calls.decisions.StreamDecide(iter([pb.StreamDecideRequest(request=order("60"))] * 3), timeout=30))
            values = scraped(process)
            assert of(values, "policybook_decisions_total", decision="shop.order", outcome="decided") == 12 * (4 + 20 + 3)
            assert of(values, "policybook_rules_total", decision="shop.order", row="within-cap") == 12 * (3 + 20 + 3)
            assert of(values, "policybook_rules_total", decision="shop.order", row="ask") == 12
            assert of(values, "policybook_requests_total", method="DecisionService/Decide", code="OK") == 48
            assert of(values, "policybook_requests_total", method="DecisionService/Decide", code="INVALID_ARGUMENT") == 12
            assert of(values, "policybook_requests_total", method="DecisionService/BatchDecide", code="OK") == 12
            assert of(values, "policybook_request_duration_seconds_count", method="DecisionService/Decide") == 60
            assert of(values, "policybook_request_duration_seconds_bucket", method="DecisionService/Decide", le="+Inf") == 60
            near = {
                side: of(values, "policybook_near_threshold_total", quantity="amount", threshold="200", side=side)
                for side in ("under", "over")
            }
            assert near == {"under": 24, "over": 12}
            wait_for(lambda: of(scraped(process), "policybook_log_recorded_total") == 12 * 27)
            assert of(values, "policybook_book_info", policy="shop") == int(workers)
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
    (refusal,) = [line for line in lines if "book refused" in line["message"]]
    assert (refusal["level"], refusal["logger"]) == ("error", "policybook.reload")
    assert "capp" in refusal["message"]
    # Anchors are found in it, as in the plain log.
    command = [sys.executable, "-m", "policybook", "audit", "verify", "--log", str(tmp_path / "d.db"), "--anchors", str(process.log)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "anchors compared" in done.stdout or "anchor compared" in done.stdout

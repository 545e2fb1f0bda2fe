"""Full load for a while: what was answered is what is recorded, whatever else goes on.

`make soak` runs these for a minute each; the tests of every day, for some seconds.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from audit.keeping import proof_of
from contract.calls import Calls, Process, order, refusal_of
from contract.test_audit import STRICT, recorded, strict
from contract.test_operation import wait_for
from contract.test_workers import workers_of
from policybook.v1 import decision_service_pb2 as pb


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float:
    """How long the load lasts."""
    return float(request.config.getoption("--soak"))


class Callers:
    """Callers at full speed, by single calls, batches and streams; every answer's id, and what was answered as an error."""

    def __init__(self, port: int, ways: str = "usb") -> None:
        self.ids: list[str] = []
        self.versions: list[list[str]] = []
        self.retried = 0
        self.faults: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(port, n, way)) for n, way in enumerate(ways)]
        self.versions = [[] for _ in self._threads]
        for thread in self._threads:
            thread.start()

    def _ask(self, port: int, caller: int, way: str) -> None:
        ask = {"u": self._single, "b": self._batch, "s": self._stream}[way]
        with ExitStack() as stack:
            number = 0
            while not self._stop.is_set():
                # Another connection now and then, and so perhaps another worker.
                calls = stack.enter_context(Calls(port))
                for _ in range(40):
                    if self._stop.is_set():
                        break
                    number += 1
                    try:
                        for answer in ask(calls, caller, number):
                            self.ids.append(answer.decision_id)
                            seen = self.versions[caller]
                            if not seen or seen[-1] != answer.policy_version:
                                seen.append(answer.policy_version)
                    except grpc.RpcError as e:
                        self.retried += 1
                        if e.code() is not grpc.StatusCode.UNAVAILABLE:
                            self.faults.append(f"{way}: {e.code()} {e.details()}")
                        time.sleep(0.2)
                calls.close()

    @staticmethod
    def _single(calls: Calls, caller: int, number: int) -> Iterator[pb.DecideResponse]:
        yield calls.decide(order(str(number % 300), request_id=f"{caller}-{number}" if number % 5 == 0 else ""), timeout=30)

    def _batch(self, calls: Calls, _caller: int, number: int) -> Iterator[pb.DecideResponse]:
        requests = [order(str((number + n) % 300), trace_level=1 + n % 2) for n in range(60)]
        for result in calls.decisions.BatchDecide(pb.BatchDecideRequest(requests=requests), timeout=30).results:
            if result.WhichOneof("result") == "response":
                yield result.response
            else:
                self.faults.append(f"item: {result.error}")

    def _stream(self, calls: Calls, _caller: int, number: int) -> Iterator[pb.DecideResponse]:
        requests = (pb.StreamDecideRequest(request=order(str((number + n) % 300))) for n in range(40))
        for answer in calls.decisions.StreamDecide(requests, timeout=30):
            if answer.result.WhichOneof("result") == "response":
                yield answer.result.response
            else:
                self.faults.append(f"item: {answer.result.error}")

    def stop(self) -> list[str]:
        """End; return the ids of all answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        assert not self.faults, self.faults[:5]
        return self.ids


def test_as_many_records_as_answers(books: Path, tmp_path: Path, seconds: float) -> None:
    log = tmp_path / "decisions.db"
    process = Process(books, "--workers", "2", "--port", "0", "--reload-s", "0", "--log", log, log=tmp_path / "log").started()
    callers = Callers(process.port, "uubss")
    time.sleep(seconds)
    answers = callers.stop()
    assert process.end() == 0
    assert callers.retried == 0
    proof = proof_of(log)
    assert (proof.ok, proof.gaps, proof.unclean) == (True, 0, 0)
    kept = recorded(log)
    assert len(answers) == len(kept) == proof.decisions
    assert set(answers) == set(kept)
    assert len(answers) > 100 * seconds


def test_a_book_edited_twenty_times_a_second(books: Path, tmp_path: Path, seconds: float) -> None:
    """Every answer is whole, by one of the versions that were written; sound edits get in, broken ones never."""
    log = tmp_path / "decisions.db"
    text = (books / "shop.yaml").read_text(encoding="utf-8")
    process = Process(books, "--workers", "2", "--port", "0", "--reload-s", "0.02", "--log", log, log=tmp_path / "log").started()
    callers = Callers(process.port, "ubs")
    rng = random.Random(5)  # noqa: S311 - edits, not secrets
    end = time.monotonic() + seconds
    edits = 0
    while time.monotonic() < end:
        divisor = 3 + edits % 40
        new = text.replace("value: 1/3", f"value: 1/{divisor}")
        if rng.random() < 0.2:
            # Half a file, or one that is wrong.
            new = new[: rng.randrange(len(new))] if rng.random() < 0.5 else new.replace("<= cap}", "<= capp}")
        if rng.random() < 0.5:
            (books / "shop.yaml").write_text(new, encoding="utf-8")
        else:
            beside = books / ".shop.new"
            beside.write_text(new, encoding="utf-8")
            beside.replace(books / "shop.yaml")
        edits += 1
        # Now and then it rests for long enough to be taken up.
        time.sleep(0.05 if edits % 10 else 0.3)
    (books / "shop.yaml").write_text(text.replace("value: 1/3", "value: 1/77"), encoding="utf-8")
    with Calls(process.port) as calls:
        wait_for(lambda: calls.decide(order("77")).outputs["fee"].money.amount == "1.00")
    answers = callers.stop()
    assert process.end() == 0
    assert callers.retried == 0
    assert proof_of(log).ok
    assert set(answers) <= set(recorded(log))
    assert any(len(seen) > 1 for seen in callers.versions)
    assert "Traceback" not in process.errors()
    assert "policy `shop` withdrawn" not in process.errors()


def test_workers_killed_again_and_again(books: Path, tmp_path: Path, seconds: float) -> None:
    log = tmp_path / "decisions.db"
    (books / "strict.yaml").write_text(STRICT, encoding="utf-8")
    process = Process(books, "--workers", "2", "--port", "0", "--reload-s", "0", "--log", log, log=tmp_path / "log").started()
    answers: list[str] = []
    faults: list[str] = []
    stop = threading.Event()

    def ask(caller: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with Calls(process.port) as calls:
                for _ in range(200):
                    try:
                        answers.append(calls.decide(strict(str(number % 200), request_id=f"{caller}-{number}"), timeout=20).decision_id)
                        break
                    except grpc.RpcError as e:
                        if e.code() is not grpc.StatusCode.UNAVAILABLE:
                            faults.append(f"{e.code()} {e.details()}")
                        time.sleep(0.05)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    killed = 0
    while time.monotonic() < end:
        time.sleep(0.7)
        for worker in workers_of(process)[: 1 + killed % 2]:
            os.kill(worker, signal.SIGKILL)
            killed += 1
    wait_for(lambda: len(workers_of(process)) == 2)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert process.end() == 0
    assert not faults, faults[:5]
    kept = recorded(log)
    assert len(set(kept)) == len(kept)
    assert len(set(answers)) == len(answers) > 10
    assert set(answers) <= set(kept)
    assert proof_of(log).ok


def fill(path: Path) -> None:
    """Write until there is no room left."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def test_a_full_disk(books: Path, tmp_path: Path) -> None:
    """A file system of its own, really full: nothing is given out without a record, and it goes on by itself when there is room again."""
    (books / "strict.yaml").write_text(STRICT, encoding="utf-8")
    volume = tmp_path / "volume"
    volume.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("a file system can be mounted by root alone")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(volume)], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a file system be mounted")
    try:
        log = volume / "decisions.db"
        process = Process(books, "--workers", "2", "--port", "0", "--reload-s", "0", "--log", log, log=tmp_path / "log").started()
        with Calls(process.port) as calls:
            answers = [calls.decide(strict("1")).decision_id for _ in range(20)]
            ballast = volume / "ballast"
            fill(ballast)
            refused = None
            for n in range(3_000):
                try:
                    answers.append(calls.decide(strict(str(n % 200))).decision_id)
                except grpc.RpcError as e:
                    refused = refusal_of(e)
                    break
            assert refused is not None
            assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "LOG_UNAVAILABLE")
            assert "the disk is full" in refused.message
            ballast.unlink()

            def again() -> bool:
                try:
                    answers.append(calls.decide(strict("1")).decision_id)
                except grpc.RpcError:
                    return False
                return True

            wait_for(again)
        assert process.end() == 0
        assert set(answers) <= set(recorded(log))
        assert proof_of(log).ok
        assert "decisions are recorded again" in process.errors()
    finally:
        subprocess.run(["umount", str(volume)], check=True)

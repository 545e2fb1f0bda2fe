"""Several processes on one port: shared work, changed books, deaths, the end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from audit.keeping import proof_of
from contract.calls import BOOKS, Calls, Process, order, refusal_of
from contract.test_audit import STRICT, Audits, recorded, strict
from contract.test_operation import wait_for
from policybook.check.book import read_book
from policybook.model.clauses import NOTHING_BESIDE
from policybook.server.line import Abort, Checked, Commit, Done, Line, Prepare, Start, Stop
from policybook.server.settings import Settings
from policybook.server.supervisor import Supervisor
from policybook.v1 import audit_service_pb2 as audit_pb
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import policy_service_pb2 as policy_pb

Starter = Callable[..., Process]


@pytest.fixture
def start(books: Path, tmp_path: Path) -> Iterator[Starter]:
    """Start services of two workers with a log; at the end all processes are gone."""
    (books / "strict.yaml").write_text(STRICT, encoding="utf-8")
    started: list[Process] = []

    def make(*arguments: str | Path) -> Process:
        fixed = ("--workers", "2", "--port", "0", "--log", tmp_path / "decisions.db")
        process = Process(books, *fixed, *arguments, log=tmp_path / f"log-{len(started)}")
        started.append(process)
        return process.started()

    yield make
    for process in started:
        left = workers_of(process)
        process.kill()
        wait_for(lambda left=left: not any(map(is_alive, left)))


def workers_of(process: Process | int) -> list[int]:
    """The worker processes of a service."""
    parent = process if isinstance(process, int) else process.popen.pid
    try:
        text = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
    except FileNotFoundError:
        return []
    return [int(pid) for pid in text.split() if b"policybook.server.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def kill_one(process: Process) -> None:
    """Kill a worker, and wait until all connections are answered again."""
    old = workers_of(process)
    os.kill(old[0], signal.SIGKILL)
    wait_for(lambda: len(now := workers_of(process)) == 2 and old[0] not in now)

    def answered() -> bool:
        """Whether workers answer, the new one too: what waited for the old one is gone with it."""
        with ExitStack() as stack:
            for calls in [stack.enter_context(Calls(process.port)) for _ in range(20)]:
                try:
                    calls.policies.ListPolicies(policy_pb.ListPoliciesRequest(), timeout=10)
                except grpc.RpcError:
                    return False
        return True

    wait_for(answered)


def sockets(pid: int) -> int:
    """How many sockets a process has open."""
    links = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    return sum(link.startswith("socket:") for link in links)


class Load:
    """Callers that ask without a pause, each over connections of its own; what they were answered, by caller.

    A caller asks again when it is told that it may; anything else is a fault.
    """

    def __init__(self, port: int, request: Callable[[int, int], pb.DecideRequest], callers: int = 4) -> None:
        self.answers: list[list[pb.DecideResponse]] = [[] for _ in range(callers)]
        self.retried = 0
        self.faults: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(port, n, request)) for n in range(callers)]
        for thread in self._threads:
            thread.start()

    def _ask(self, port: int, caller: int, request: Callable[[int, int], pb.DecideRequest]) -> None:
        number = 0
        with ExitStack() as stack:
            calls = stack.enter_context(Calls(port))
            while not self._stop.is_set():
                try:
                    self.answers[caller].append(calls.decide(request(caller, number), timeout=20))
                    number += 1
                    if number % 50 == 0:
                        # Another connection, and so perhaps another worker.
                        calls = stack.enter_context(Calls(port))
                except grpc.RpcError as e:
                    if e.code() is not grpc.StatusCode.UNAVAILABLE:
                        self.faults.append(f"{e.code()}: {e.details()}")
                    self.retried += 1
                    # What RetryInfo says is a second; sooner than that it may meet a connection that is being closed.
                    time.sleep(0.3)

    def stop(self) -> list[pb.DecideResponse]:
        """End, and return all that was answered."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        assert not self.faults, self.faults[:5]
        return [answer for own in self.answers for answer in own]


def ids(answers: list[pb.DecideResponse]) -> list[str]:
    return [a.decision_id for a in answers]


# ---------------------------------------------------------------- shared work


def test_workers_share_the_connections(start: Starter) -> None:
    process = start()
    workers = workers_of(process)
    assert len(workers) == 2
    before = [sockets(w) for w in workers]
    with ExitStack() as stack:
        channels = [stack.enter_context(Calls(process.port)) for _ in range(40)]
        assert {c.decide(order()).outcome for c in channels} == {pb.OUTCOME_DECIDED}
        more = [sockets(w) - b for w, b in zip(workers, before, strict=True)]
    assert sum(more) == 40
    assert min(more) > 2, more
    assert process.end() == 0
    assert "Traceback" not in process.errors()


def test_a_second_service_does_not_get_half_of_the_calls(start: Starter, tmp_path: Path) -> None:
    first = start()
    for workers in ("1", "2"):
        second = Process(BOOKS, "--workers", workers, "--port", str(first.port), log=tmp_path / "second")
        assert second.popen.wait(30) == 3
        second.kill()
        assert second.errors() == f"policybook: cannot listen on 127.0.0.1:{first.port}: address already in use\n"


def test_a_log_that_cannot_be_opened_ends_the_start(books: Path, tmp_path: Path) -> None:
    process = Process(books, "--workers", "2", "--port", "0", "--log", tmp_path / "nowhere" / "d.db", log=tmp_path / "log")
    assert process.popen.wait(30) == 3
    process.kill()
    assert f"there is no folder {tmp_path / 'nowhere'}" in process.errors()


# ---------------------------------------------------------------- deaths


def test_a_worker_killed_under_load_loses_nothing_that_must_be_logged(start: Starter, tmp_path: Path) -> None:
    process = start()
    load = Load(process.port, lambda c, n: strict(str(n % 200), request_id=f"{c}-{n}" if n % 2 else ""))
    for _ in range(2):
        victim = workers_of(process)[0]
        time.sleep(0.5)
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda victim=victim: len(now := workers_of(process)) == 2 and victim not in now)
    time.sleep(0.5)
    answers = load.stop()
    assert process.end() == 0
    assert process.errors().count("was killed by SIGKILL; another one starts") == 2
    proof = proof_of(tmp_path / "decisions.db")
    assert proof.ok
    kept = recorded(tmp_path / "decisions.db")
    assert len(set(kept)) == len(kept)
    assert set(ids(answers)) <= set(kept)
    # A caller that asked again with its request id got the decision that was recorded before: none was decided twice.
    asked = [a.request_id for a in answers if a.request_id]
    assert len(set(asked)) == len(asked)


def test_a_worker_killed_under_load_loses_no_more_than_is_said(start: Starter, tmp_path: Path) -> None:
    process = start()
    load = Load(process.port, lambda _c, n: order(str(n % 200)))
    time.sleep(0.7)
    os.kill(workers_of(process)[1], signal.SIGKILL)
    time.sleep(0.7)
    answers = load.stop()
    assert process.end() == 0
    assert proof_of(tmp_path / "decisions.db").ok
    lost = set(ids(answers)) - set(recorded(tmp_path / "decisions.db"))
    # What was given out within 50 ms, and one batch: at most a thousand (docs/operations.md).
    assert len(lost) <= 1_000


def test_a_killed_supervisor_takes_its_workers_with_it(start: Starter, books: Path, tmp_path: Path) -> None:
    process = start()
    workers = workers_of(process)
    with Calls(process.port) as calls:
        given = calls.decide(strict())
    process.popen.kill()
    process.popen.wait(10)
    wait_for(lambda: not any(map(is_alive, workers)))
    assert "the supervisor is gone; ending" in process.errors()
    again = start("--port", str(process.port))
    assert given.decision_id in recorded(tmp_path / "decisions.db")
    assert again.end() == 0


def test_a_worker_that_is_told_to_end_is_replaced(start: Starter) -> None:
    process = start()
    old = workers_of(process)
    load = Load(process.port, lambda _c, n: order(str(n % 200)))
    for worker in old:
        os.kill(worker, signal.SIGTERM)
        wait_for(lambda worker=worker: not is_alive(worker))
    wait_for(lambda: len(workers_of(process)) == 2)
    assert load.stop()
    assert not set(old) & set(workers_of(process))
    assert process.end() == 0


# ---------------------------------------------------------------- changed books


def test_an_edit_reaches_all_workers(start: Starter, books: Path) -> None:
    process = start("--reload-s", "0.05")
    text = (books / "shop.yaml").read_text(encoding="utf-8")
    load = Load(process.port, lambda _c, _n: order("60"))
    with ExitStack() as stack:
        # So many that both workers have some.
        channels = [stack.enter_context(Calls(process.port)) for _ in range(20)]
        versions = {c.decide(order()).policy_version for c in channels}
        assert len(versions) == 1
        for divisor in (4, 5):
            (books / "shop.yaml").write_text(text.replace("value: 1/3", f"value: 1/{divisor}"), encoding="utf-8")
            wait_for(lambda: versions.isdisjoint(c.decide(order()).policy_version for c in channels))  # noqa: B023 - called here
            new = {c.decide(order()).policy_version for c in channels}
            assert len(new) == 1
            versions |= new
        # Older versions can be pinned on all of them, also on one that starts now.
        kill_one(process)
        assert "another one starts" in process.errors()
    load.stop()
    with ExitStack() as stack:
        for calls in [stack.enter_context(Calls(process.port)) for _ in range(20)]:
            for version in versions:
                assert calls.decide(order(policy_version=version), timeout=30).policy_version == version
    # No caller ever saw an older version again.
    for own in load.answers:
        seen = [a.policy_version for i, a in enumerate(own) if not i or own[i - 1].policy_version != a.policy_version]
        assert len(seen) == len(set(seen))
    assert process.end() == 0


def test_a_book_that_goes_is_gone_everywhere(start: Starter, books: Path) -> None:
    process = start("--reload-s", "0.05")
    with ExitStack() as stack:
        channels = [stack.enter_context(Calls(process.port)) for _ in range(20)]
        pinned = {c.decide(order()).policy_version for c in channels}.pop()
        (books / "shop.yaml").unlink()

        def reasons() -> set[str]:
            found = set()
            for calls in channels:
                try:
                    calls.decide(order())
                except grpc.RpcError as e:
                    found.add(refusal_of(e).reason)
            return found

        wait_for(lambda: reasons() == {"POLICY_NOT_FOUND"})
        kill_one(process)
    with ExitStack() as stack:
        for calls in [stack.enter_context(Calls(process.port)) for _ in range(20)]:
            assert calls.decide(order(policy_version=pinned)).policy_version == pinned
            with pytest.raises(grpc.RpcError) as failed:
                calls.decide(order())
            assert refusal_of(failed.value).reason == "POLICY_NOT_FOUND"
    assert process.end() == 0


def test_a_worker_that_hangs_or_dies_during_an_edit_holds_nobody_up(books: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = (books / "shop.yaml").read_text(encoding="utf-8")
    settings = Settings(insecure=True, books=(books,), port=0, workers=2, reload_s=0.05, log=str(tmp_path / "decisions.db"))
    asked: list[str] = []

    def edit() -> None:
        """Stop a worker, edit, see the edit in service; then the same with one that is killed while it is waited for."""
        try:
            wait_for(lambda: "listening" in (asked.append(capfd.readouterr().out) or "".join(asked)))
            port = int("".join(asked).partition("127.0.0.1:")[2].partition(",")[0])
            for divisor in (4, 5):
                stopped = workers_of(os.getpid())[0]
                os.kill(stopped, signal.SIGSTOP)
                (books / "shop.yaml").write_text(text.replace("value: 1/3", f"value: 1/{divisor}"), encoding="utf-8")
                if divisor == 5:
                    time.sleep(0.4)
                    os.kill(stopped, signal.SIGKILL)
                wait_for(lambda stopped=stopped: not is_alive(stopped))
                wait_for(lambda stopped=stopped: len(now := workers_of(os.getpid())) == 2 and stopped not in now)
                with ExitStack() as stack:
                    channels = [stack.enter_context(Calls(port)) for _ in range(10)]
                    fee = {4: "15.00", 5: "12.00"}[divisor]
                    wait_for(lambda: {c.decide(order("60")).outputs["fee"].money.amount for c in channels} == {fee})  # noqa: B023 - called here
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=edit)
    thread.start()
    assert asyncio.run(Supervisor(settings, patience_s=0.8).run()) == 0
    thread.join(30)
    assert proof_of(tmp_path / "decisions.db").ok


def test_what_one_worker_cannot_make_none_puts_into_service(books: Path, tmp_path: Path) -> None:
    """A worker as the supervisor has it: prepare, commit; a change that is bad here is told, and dropped everywhere."""
    book, report, _ = read_book(books / "shop.yaml", NOTHING_BESIDE)
    assert book is not None, report
    edited = tmp_path / "shop.yaml"
    edited.write_text((books / "shop.yaml").read_text(encoding="utf-8").replace("value: 1/3", "value: 1/4"), encoding="utf-8")
    other, _, _ = read_book(edited, NOTHING_BESIDE)
    assert other is not None
    at = _now()

    async def talk() -> None:
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            ours, theirs = socket.socketpair()
            with theirs:
                command = (sys.executable, "-P", "-m", "policybook.server.worker", str(theirs.fileno()))
                process = await asyncio.create_subprocess_exec(*command, pass_fds=(theirs.fileno(),))
            line = await Line.over(ours)
            await line.send(Start(Settings(insecure=True, books=(books,), workers=2), port))

            async def ask(message: Any) -> Done:
                await line.send(message)
                done = await line.receive()
                assert isinstance(done, Done)
                return done

            def version() -> str:
                with Calls(port) as calls:
                    return calls.decide(order()).policy_version

            assert await ask(Prepare(1, (Checked(book, at, ()),), (), NOTHING_BESIDE)) == Done(1)
            assert await ask(Commit(1)) == Done(1)
            assert await asyncio.to_thread(version) == book.version
            bad = await ask(Prepare(2, (Checked(other, at, ()), Checked(None, at, ())), (), NOTHING_BESIDE))  # type: ignore[arg-type]
            assert bad.error.startswith("AttributeError: ")
            await line.send(Abort(2))
            assert await ask(Prepare(3, (Checked(other, at, ()),), (), NOTHING_BESIDE)) == Done(3)
            await line.send(Abort(3))
            assert await asyncio.to_thread(version) == book.version
            await line.send(Stop())
            assert await process.wait() == 0
            line.close()

    asyncio.run(talk())


def _now() -> Any:
    from policybook.server.app import utc_now

    return utc_now()


def test_challengers_decide_beside_on_all_workers(start: Starter, books: Path, tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    text = (books / "shop.yaml").read_text(encoding="utf-8")
    (beside / "shop.yaml").write_text(text.replace("value: 1/3", "value: 1/4"), encoding="utf-8")
    process = start("--challengers", beside, "--reload-s", "0.05")
    with ExitStack() as stack:
        channels = [stack.enter_context(Audits(process.port)) for _ in range(20)]
        answers = [c.decide(order("60")) for c in channels]
        batch = channels[0].decisions.BatchDecide(pb.BatchDecideRequest(requests=[order("60")] * 30), timeout=30)
        # Only the version in service answers, and only it is listed.
        assert {a.outputs["fee"].money.amount for a in answers} == {"20.00"}
        assert {r.response.outputs["fee"].money.amount for r in batch.results} == {"20.00"}

        def challenges() -> list[audit_pb.DecisionRecord]:
            return channels[0].all(purpose=audit_pb.PURPOSE_CHALLENGE, decision="shop.order")

        wait_for(lambda: len(challenges()) == 50)
        assert {c.outputs["fee"].money.amount for c in challenges()} == {"15.00"}
        given_out = {*ids(answers), *(r.response.decision_id for r in batch.results)}
        assert {c.challenged_decision_id for c in challenges()} == given_out
        again = channels[1].audits.ReevaluateDecision(
            audit_pb.ReevaluateDecisionRequest(decision_id=challenges()[0].decision_id), timeout=30
        )
        assert again.same
        assert again.answer.outputs["fee"].money.amount == "15.00"
        # Its counts are those of the worker that answers.
        counts = {(c.compared_count, c.different_count, c.refused_count) for s in channels for c in s.status().challengers}
        assert sum(compared for compared, _, _ in counts) == 50
        # An edited challenger challenges on, and can be named; a version that is nowhere cannot.
        (beside / "shop.yaml").write_text(text.replace("value: 1/3", "value: 1/5"), encoding="utf-8")

        def latest() -> str:
            calls = channels[0]
            answer = calls.decide(order("60"))
            wait_for(lambda: any(c.challenged_decision_id == answer.decision_id for c in challenges()))
            return next(c for c in challenges() if c.challenged_decision_id == answer.decision_id).outputs["fee"].money.amount

        wait_for(lambda: latest() == "12.00")
        with pytest.raises(grpc.RpcError) as failed:
            channels[0].decide(order("60", challenger_version="0123456789abcdef"))
        assert refusal_of(failed.value).code is grpc.StatusCode.NOT_FOUND
    assert process.end() == 0
    assert proof_of(tmp_path / "decisions.db").ok
    assert "challenger of `shop`" in process.errors()


# ---------------------------------------------------------------- the end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_under_load_loses_no_answer(start: Starter, tmp_path: Path, number: int) -> None:
    process = start()
    load = Load(process.port, lambda _c, n: order(str(n % 200)))
    time.sleep(0.7)
    assert process.end(number) == 0
    answers = load.stop()
    assert len(answers) > 50
    # What was answered is recorded; what was recorded but not answered was on its way when the connection went.
    assert set(ids(answers)) <= set(recorded(tmp_path / "decisions.db"))
    assert proof_of(tmp_path / "decisions.db").unclean == 0
    assert "Traceback" not in process.errors()

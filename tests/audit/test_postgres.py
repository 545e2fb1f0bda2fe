"""The log in PostgreSQL: record for record what a file holds, one chain for several servers, and the faults that it outlives."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.keeping import NOON, Clock, Keeping, book
from books_in_text import raw
from contract.calls import BOOKS, Calls, Process, order
from contract.test_audit import STRICT, strict
from contract.test_operation import wait_for
from policybook import Desk, Request, Store
from policybook.audit.chain import Proof
from policybook.audit.entry import COLUMNS, Kind
from policybook.audit.log import Filter, WhenFull
from policybook.audit.masking import Masks
from policybook.audit.open import open_backend, open_log, open_reader
from policybook.audit.proof import prove_log
from policybook.audit.retention import pruning
from policybook.audit.settings import LogSettings
from policybook.audit.target import without_password
from policybook.audit.writer import WrittenLog
from policybook.cli.main import cli
from policybook.errors import LogError, PolicybookError, RequestIdTakenError
from policybook.store.reload import make_edition
from policybook.v1 import decision_service_pb2 as pb
from postgres_server import Postgres

pytest.importorskip("psycopg")


@pytest.fixture
def books(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    shutil.copytree(BOOKS, folder)
    return folder


def keeper(target: str, **more: Any) -> Keeping:
    """A desk that records in a log."""
    clock = more.pop("clock", None) or Clock()
    log = open_log(LogSettings(target=target, **more), now=clock)
    store = Store()
    store.publish(make_edition(book(), NOON))
    ids = itertools.count(1)
    return Keeping(target, log, Desk(store, now=clock, new_id=lambda: f"d-{next(ids)}", log=log), clock)


def named(kept: Keeping, prefix: str) -> None:
    """Have decision ids of its own."""
    ids = itertools.count(1)
    kept.desk._new_id = lambda: f"{prefix}-{next(ids)}"  # type: ignore[method-assign]


def proof_of(target: str) -> Proof:
    with closing(open_reader(target)) as reader:
        return prove_log(reader)


def contents(target: str) -> list[tuple[object, ...]]:
    """All records, without what two runs never have in common."""
    own = ("run", "process", "host", "hash")
    with closing(open_reader(target)) as reader:
        return [
            (
                *(getattr(r, c) for c in COLUMNS if c not in ("more", "previous", "elapsed_ns")),
                {n: v for n, v in r.told.items() if n not in own},
            )
            for r in reader.chain()
        ]


ASKED = st.lists(
    st.tuples(
        st.sampled_from(["order", "pieces", "strict"]),
        st.integers(0, 300),
        st.sampled_from(["", "", "so-1", "so-2", "\0 \N{SNOWMAN} %s ? '"]),
        st.sampled_from(["erp", "Büro 3"]),
        st.sampled_from(["x", "客户", '{"masked"}', "a\0b"]),
    ),
    max_size=20,
)


@settings(max_examples=8)
@given(ASKED, st.integers(0, 25))
def test_it_holds_record_for_record_what_a_file_holds(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory, asked: list[Any], age: int
) -> None:
    """Records, answers to repeated requests, lists, texts and what is left after deleting are the same in both."""
    postgres.ask("DROP SCHEMA IF EXISTS policybook CASCADE")
    targets = (str(tmp_path_factory.mktemp("log") / "d.db"), postgres.url("postgres"))
    told: list[list[object]] = []
    for target in targets:
        clock = Clock(step=timedelta())
        kept = keeper(target, masks=Masks(frozenset(["customer"]), b"k" * 32), clock=clock)
        answers: list[object] = []
        for decision, amount, request_id, caller, customer in asked:
            clock.at += timedelta(seconds=1)
            request = Request(
                decision=f"book.{decision}",
                facts={"amount": raw(amount), "customer": raw(customer)},
                request_id=request_id,
                caller=caller,
            )
            try:
                answer = kept.desk.decide(request)
                answers.append((answer.decision_id, answer.request_id, answer.outcome, answer.outputs))
            except PolicybookError as e:
                answers.append(str(e))
        kept.log.close()
        with closing(open_reader(target)) as reader:
            for wanted in (Filter(), Filter(decision="book"), Filter(decision="book.order", caller="erp"), Filter(request_id="so-1")):
                answers += [[r.decision_id for r in reader.find(wanted, 5, newest_first=newest)] for newest in (False, True)]
                answers.append(reader.count(wanted))
            answers += [reader.book(book().version), reader.last_of(Kind.BOOK.value) is None]
            answers.append([row for page in reader.columns(("decision_id", "facts"), Filter(), 3) for row in page])
        answers.append(contents(target))
        with closing(open_backend(target)) as backend:
            answers.append(list(pruning(backend, (NOON + timedelta(seconds=age)).isoformat(), NOON)))
        answers.append(contents(target))
        assert proof_of(target).ok
        told.append(answers)
    assert told[0] == told[1]


def test_several_servers_append_to_one_chain(url: str) -> None:
    """Each request id stands for one decision, whoever is asked, and the chain is a line."""
    keepers = [keeper(url) for _ in range(3)]
    for n, one in enumerate(keepers):
        named(one, f"d-{n}")
    answers: list[tuple[str, str]] = []

    def ask(one: Keeping) -> None:
        for number in range(60):
            answer = one.ask(number, request_id=f"so-{number}" if number % 2 else "")
            answers.append((answer.request_id, answer.decision_id))

    threads = [threading.Thread(target=ask, args=(one,)) for one in keepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for one in keepers:
        one.log.close()
    assert len(answers) == 180
    by_request: dict[str, set[str]] = {}
    for request_id, decision_id in answers:
        if request_id:
            by_request.setdefault(request_id, set()).add(decision_id)
    assert {len(ids) for ids in by_request.values()} == {1}
    proof = proof_of(url)
    assert (proof.ok, proof.decisions) == (True, 90 + 30)
    with closing(open_reader(url)) as reader:
        assert [r.seq for r in reader.chain()] == list(range(1, proof.records + 1))


def test_a_changed_record_is_found(url: str, postgres: Postgres) -> None:
    kept = keeper(url)
    for n in range(5):
        kept.ask(n)
    kept.log.close()
    name = url.rpartition("/")[2]
    postgres.ask("UPDATE policybook.record SET outputs = '{}' WHERE seq = 4", name)
    misfit = proof_of(url).misfit
    assert misfit is not None
    assert misfit.seq == 4
    postgres.ask("UPDATE policybook.record SET outputs = '{}' WHERE seq = (SELECT max(seq) FROM policybook.record)", name)
    with pytest.raises(LogError, match="its last record, 8, was changed; look at it with `policybook audit verify --log postgresql://"):
        keeper(url)
    # It can be looked at all the same.
    postgres.ask("DELETE FROM policybook.record WHERE seq < 8", name)
    misfit = proof_of(url).misfit
    assert misfit is not None
    assert misfit.message.startswith("record 8 was changed")


def test_a_role_with_the_least_rights(url: str, postgres: Postgres) -> None:
    """What docs/operations.md grants is enough to write, and not enough to change."""
    name = url.rpartition("/")[2]
    keeper(url).log.close()
    postgres.ask("DROP ROLE IF EXISTS service; CREATE ROLE service LOGIN", name)
    postgres.ask("GRANT USAGE ON SCHEMA policybook TO service; GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA policybook TO service", name)
    own = postgres.url(name, "service")
    kept = keeper(own)
    kept.ask(1, request_id="so-1")
    with pytest.raises(RequestIdTakenError):
        kept.ask(2, request_id="so-1")
    kept.log.close()
    assert proof_of(own).decisions == 1
    with closing(open_backend(own)) as backend, pytest.raises(LogError, match="its role may not do that"):
        list(pruning(backend, "2100-01-01", NOON))
    postgres.ask("REVOKE INSERT ON ALL TABLES IN SCHEMA policybook FROM service", name)
    with pytest.raises(LogError, match="its role may not do that"):
        keeper(own)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("postgresql://owner:hunter2@127.0.0.1:1/db", "the database cannot be reached"),
        ("postgresql://owner:hunter2@127.0.0.1:{port}/none", 'database "none" does not exist'),
        ("postgresql://owner:hunter2@127.0.0.1:{port}/db?wrong=1", "this is no URL of a database"),
        ("postgresql://owner:hunter2@127.0.0.1:notaport/db", "this is no URL of a database; one is `postgresql://user@host:5432/name`"),
        ("postgresql://owner:hunter2/@127.0.0.1:1/db", "signs such as / ? # @ : % are written as %2F"),
        ("postgresql://owner:hun@ter2@127.0.0.1:1/db", "this is no URL of a database"),
        ("postgresql://owner:hunter2%@127.0.0.1:1/db", "this is no URL of a database"),
        ("postgresql://owner:hunter2@[::1/db", "this is no URL of a database"),
        (
            "postgresql://127.0.0.1:1/db?user=owner&password=hunter2",
            "postgresql://127.0.0.1:1/db?user=owner: the database cannot be reached",
        ),
        ("mysql://owner:hunter2@127.0.0.1/db", "a log is a file, or a database"),
    ],
)
def test_what_cannot_be_opened_is_told_without_the_password(postgres: Postgres, target: str, says: str) -> None:
    for opened in (open_reader, open_backend):
        with pytest.raises(LogError) as failed:
            opened(target.format(port=postgres.port))
        assert says in str(failed.value)
        # Nor in a traceback.
        shown = "".join(traceback.format_exception(failed.value, limit=0)) + without_password(target) + repr(LogSettings(target=target))
        assert "hun" not in shown
        assert "ter2" not in shown


def test_other_places_of_a_log_are_shown_as_they_are() -> None:
    for text in ("decisions.db", "/var/log/a@b:c.db", "postgresql://u@h1:1,[::1]:2/db?sslmode=require", "postgresql:///db"):
        assert without_password(text) == text
    assert without_password("postgresql://u:%2F@h/db?sslmode=require&sslpassword=x") == "postgresql://u@h/db?sslmode=require"


def test_the_commands(url: str, tmp_path: Path) -> None:
    kept = keeper(url)
    answers = [kept.ask(n, request_id=f"so-{n}") for n in range(3)]
    kept.log.close()

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(cli, [*arguments], env={"POLICYBOOK_LOG": url})
        assert done.exit_code == 0, done.output
        return done.output

    assert "holds  6 records, 3 decisions by 1 version" in run("audit", "verify")
    assert run("audit", "list").count("book.order") == 3
    assert "as kept with the log: the same" in run("audit", "show", answers[1].decision_id)
    assert run("audit", "export", "--format", "csv").count("\n") == 4
    edited = tmp_path / "book.yaml"
    edited.write_text(book(1).source.text, encoding="utf-8")
    assert "3 requests decided again" in run("replay", "--against", str(edited))
    assert "records deleted" in run("audit", "prune", "--before", "2100-01-01", "--yes")


def test_whatever_the_database_has_as_its_default(url: str, postgres: Postgres) -> None:
    """A transaction sees what was appended while it waited for its turn, and may write."""
    name = url.rpartition("/")[2]
    for setting in ("default_transaction_isolation = 'serializable'", "default_transaction_read_only = on", "timezone = 'Asia/Shanghai'"):
        postgres.ask(f'ALTER DATABASE "{name}" SET {setting}')
    one, two = keeper(url), keeper(url)
    named(two, "two")
    threads = [threading.Thread(target=lambda k=k: [k.ask(decision="strict") for _ in range(30)]) for k in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not one.log.status().failing
    assert (one.log.status().refused, two.log.status().refused) == (0, 0)
    one.log.close()
    two.log.close()
    assert (proof_of(url).ok, proof_of(url).decisions) == (True, 60)


def test_one_record_that_the_database_does_not_take_keeps_no_other_out(url: str) -> None:
    """An index of PostgreSQL holds 2,704 bytes, and a caller in process is named as one likes."""
    kept = keeper(url, window_s=3600)
    kept.ask(1)
    with pytest.raises(LogError, match="decisions cannot be recorded: the database does not take it: index row"):
        kept.ask(2, request_id="so-1", caller=secrets.token_hex(5_000))
    kept.ask(3, "strict")
    assert not kept.log.status().failing
    kept.log.close()
    with closing(open_reader(url)) as reader:
        assert [r.decision_id for r in reader.chain() if r.decision_id] == ["d-1", "d-3"]


# ---------------------------------------------------------------- faults


def test_a_database_restarted_while_nothing_was_to_be_written(postgres: Postgres, url: str) -> None:
    """The first decision afterwards is recorded as if nothing had been; so is what is read."""
    kept = keeper(url)
    first = kept.ask(1, "strict").decision_id
    assert kept.log.reader().get(first) is not None
    for mode in ("immediate", "fast"):
        postgres.stop(mode)
        postgres.start()
        kept.ask(2, "strict")
        assert kept.log.reader().get(first) is not None
    assert kept.log.status().refused == 0
    kept.log.close()
    assert proof_of(url).ok


def test_a_database_that_hangs(postgres: Postgres, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes stand still, so that it keeps none of its own limits: callers are told in time, and what was given out is kept."""
    monkeypatch.setattr("policybook.audit.postgres._PATIENCE_S", 0.5)
    monkeypatch.setattr("policybook.audit.postgres._GRACE_S", 0.2)
    monkeypatch.setattr("policybook.audit.postgres._CONNECT_S", 2)
    kept = keeper(url)
    kept.ask(1, "strict")
    reader = kept.log.reader()
    processes = [int(str(row[0])) for row in postgres.ask("SELECT pid FROM pg_stat_activity WHERE application_name = 'policybook'")]
    processes.append(int((postgres.folder / "data" / "postmaster.pid").read_text().split()[0]))
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        given_out = kept.ask(2).decision_id
        with pytest.raises(LogError, match=r"the database did not answer within 0\.5 s"):
            kept.ask(3, "strict")
        with pytest.raises(LogError, match="cannot be recorded"):
            kept.ask(4)
        with pytest.raises(LogError, match=r"the database did not answer within 0\.5 s"):
            reader.get(given_out)
    finally:
        for pid in reversed(processes):
            os.kill(pid, signal.SIGCONT)
    wait_for(lambda: not kept.log.status().failing)
    kept.ask(5, "strict")
    assert reader.get(given_out) is not None
    kept.log.close()
    assert proof_of(url).ok


def pause(kept: WrittenLog) -> None:
    wait_for(lambda: kept.status().failing != "")


def test_a_database_that_is_gone_for_long(postgres: Postgres, url: str) -> None:
    refusing, counting = keeper(url), keeper(url, when_full=WhenFull.COUNT, queue=5)
    named(counting, "c")
    refusing.ask(1)
    counting.ask(1)
    wait_for(lambda: refusing.log.status().waiting == counting.log.status().waiting == 0)
    postgres.stop()
    try:
        with pytest.raises(LogError):
            refusing.ask(2, request_id="so-2")
        given_out = 0
        for n in range(50):
            counting.ask(n)
            given_out += 1
        pause(counting.log)
        with pytest.raises(LogError):
            counting.ask(3, "strict")
        with pytest.raises(LogError):
            refusing.ask(4)
        assert "cannot be reached" in refusing.log.status().failing or "closed" in refusing.log.status().failing
    finally:
        postgres.start()
    wait_for(lambda: not refusing.log.status().failing and not counting.log.status().failing)
    refusing.ask(5)
    counting.ask(6)
    wait_for(lambda: counting.log.status().waiting == 0)
    status = counting.log.status()
    refusing.log.close()
    counting.log.close()
    proof = proof_of(url)
    assert proof.ok
    assert proof.gaps == status.not_recorded
    with closing(open_reader(url)) as reader:
        ids = [r.decision_id for r in reader.chain() if r.decision_id]
    # Nothing twice; what was given out is recorded or counted.
    assert len(ids) == len(set(ids))
    assert len([i for i in ids if i.startswith("c-")]) + status.not_recorded == 1 + given_out + 1


def test_a_commit_whose_answer_got_lost_is_not_written_twice(url: str, postgres: Postgres) -> None:
    kept = keeper(url)
    kept.ask(1)
    wait_for(lambda: kept.log.status().waiting == 0)
    backend: Any = kept.log._backend
    whole = backend.transaction
    broken = []

    def transaction() -> Any:
        """Commit, and then lose the connection before the answer."""
        from contextlib import contextmanager

        @contextmanager
        def lost() -> Iterator[Any]:
            with whole() as at_once:
                yield at_once
            if not broken:
                broken.append(1)
                raise LogError("the connection was lost")

        return lost()

    backend.transaction = transaction
    kept.ask(2)
    wait_for(lambda: bool(broken) and not kept.log.status().failing and kept.log.status().waiting == 0)
    kept.ask(3)
    kept.log.close()
    with closing(open_reader(url)) as reader:
        assert [r.decision_id for r in reader.chain() if r.decision_id] == ["d-1", "d-2", "d-3"]
    assert proof_of(url).ok


def test_a_database_restarted_under_load(postgres: Postgres, url: str, books: Path, tmp_path: Path) -> None:
    """Two services of two workers on one database; callers see only errors that may be retried, and no answer is without its record."""
    (books / "strict.yaml").write_text(STRICT, encoding="utf-8")
    services = [
        Process(books, "--workers", "2", "--port", "0", "--reload-s", "0", "--log", url, log=tmp_path / f"log-{n}").started()
        for n in range(2)
    ]
    stop = threading.Event()
    answers: list[str] = []
    faults: list[str] = []
    refused: list[str] = []

    def ask(port: int, caller: int) -> None:
        number = 0
        with Calls(port) as calls:
            while not stop.is_set():
                number += 1
                request = strict(str(number % 200), request_id=f"{caller}-{number}") if number % 2 else order(str(number % 200))
                for _ in range(100):
                    try:
                        answers.append(calls.decide(request, timeout=20).decision_id)
                        break
                    except grpc.RpcError as e:
                        if e.code() is grpc.StatusCode.UNAVAILABLE:
                            refused.append(request.request_id)
                        else:
                            faults.append(f"{e.code()} {e.details()}")
                        time.sleep(0.1)

    threads = [threading.Thread(target=ask, args=(services[n % 2].port, n)) for n in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    for mode in ("immediate", "fast"):
        postgres.stop(mode)
        time.sleep(0.5)
        postgres.start()
        time.sleep(1.5)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert [s.end() for s in services] == [0, 0]
    assert not faults, faults[:3]
    with closing(open_reader(url)) as reader:
        ids = [r.decision_id for r in reader.chain() if r.decision_id]
    assert len(set(ids)) == len(ids)
    assert set(answers) <= set(ids)
    # A record without an answer is that of a commit whose answer got lost; it has its refusal.
    assert len(set(ids) - set(answers)) <= len(refused)
    assert refused
    assert proof_of(url).ok
    errors = "".join(s.errors() for s in services)
    assert "decisions are recorded again" in errors
    assert "Traceback" not in errors


def test_a_service_killed_while_it_writes_leaves_the_lock(postgres: Postgres, url: str, books: Path, tmp_path: Path) -> None:
    process = Process(books, "--port", "0", "--reload-s", "0", "--log", url, log=tmp_path / "log").started()
    with Calls(process.port) as calls:
        batch = calls.decisions.BatchDecide.future(pb.BatchDecideRequest(requests=[order()] * 5_000), timeout=30)
        time.sleep(0.1)
        os.kill(process.popen.pid, signal.SIGKILL)
        with pytest.raises(grpc.RpcError):
            batch.result()
    process.kill()
    kept = keeper(url)
    kept.ask(1, request_id="so-1")
    kept.log.close()
    assert proof_of(url).ok

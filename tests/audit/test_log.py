"""The log in one process, in a file and in a database: what is kept, who waits, what happens when it cannot be written."""

from __future__ import annotations

import json
import resource
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.keeping import NOON, Clock, book, keeping, meddle, proof_of
from books_in_text import raw
from policybook import Desk, Request, Store, TraceLevel
from policybook.audit.canonical import instant_text
from policybook.audit.chain import Fault
from policybook.audit.entry import Kind, Purpose
from policybook.audit.log import Filter, NoLog, Place, WhenFull
from policybook.audit.masking import Masks
from policybook.audit.open import open_backend
from policybook.audit.retention import pruning
from policybook.audit.settings import LogSettings
from policybook.errors import FactsError, LogError, MaskedError, NoLogError, RequestError, RequestIdTakenError, UnknownNameError
from policybook.source import Source
from policybook.store.reload import make_edition


def wait_for(what: Callable[[], Any], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file of this process can grow beyond what the log has now, as if the disk were full."""
    size = max(p.stat().st_size for p in path.parent.glob(f"{path.name}*"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# ---------------------------------------------------------------- what is kept


def test_a_decision_as_kept(target: str) -> None:
    with keeping(target) as kept:
        answer = kept.ask(
            "33.5",
            request_id="so-1",
            caller="erp",
            as_of=date(2026, 1, 31),
            facts={"customer": "规矩", "day": "2026-01-02", "at": "2026-01-02T10:00:00+08:00", "parts": [1, 2]},
        )
        (record,) = kept.decisions()
        assert record.decision_id == answer.decision_id
        assert record.time == instant_text(answer.decided_at)
        assert record.time.endswith(".000000Z")
        assert (record.caller, record.request_id, record.purpose, record.decision) == ("erp", "so-1", "decision", "book.order")
        assert record.facts == (
            '{"amount":{"literal":"33.5"},"at":{"literal":"2026-01-02T10:00:00+08:00"},"customer":{"literal":"规矩"},'
            '"day":{"literal":"2026-01-02"},"parts":[{"literal":"1"},{"literal":"2"}]}'
        )
        assert record.outputs == '{"outcome":{"text":"ship"},"rest":{"money":{"amount":"66.50","currency":"CNY"}}}'
        assert (record.rows, record.items, record.outcome) == ('["within"]', "[]", "decided")
        assert (record.version, record.version_stated) == (book().version, "")
        assert (record.as_of, record.as_of_stated, record.now) == ("2026-01-31", "2026-01-31", "2026-01-31T15:59:59.000000Z")
        assert (record.trace, record.elapsed_ns) == ("matched", answer.elapsed_ns)
        assert record.fingerprint.startswith("sha256:")
        kinds = [r.kind for r in kept.records()]
        assert kinds == ["open", "book", "decision"]


def test_lists_no_match_and_explanations(target: str) -> None:
    with keeping(target) as kept:
        kept.ask(0, "pieces", facts={"parts": [3, 4]})
        kept.ask(9000)
        kept.ask(1, purpose=Purpose.EXPLANATION, request_id="so-1")
        kept.ask(1, purpose=Purpose.EXPLANATION, request_id="so-1")
        pieces, none, explained, again = kept.decisions()
        assert json.loads(pieces.items) == [
            {"item_number": 1, "outputs": {"twice": {"decimal": "6"}}, "row_id": "piece"},
            {"item_number": 2, "outputs": {"twice": {"decimal": "8"}}, "row_id": "piece"},
        ]
        assert (none.outcome, none.outputs, none.rows) == ("no match", "{}", "[]")
        # Asking why is asked as often as one likes: its request id stands for nothing.
        assert (explained.purpose, explained.request_id, again.request_id) == ("explanation", "so-1", "so-1")
        assert explained.decision_id != again.decision_id
        for record in kept.decisions():
            assert not kept.desk.reevaluate(record.decision_id).differences


def test_what_is_refused_is_no_decision(target: str) -> None:
    with keeping(target) as kept:
        with pytest.raises(FactsError):
            kept.ask("much", request_id="so-1")
        with pytest.raises(UnknownNameError):
            kept.ask(1, "nothing")
        assert kept.decisions() == []


def test_texts_that_utf8_cannot_hold(target: str) -> None:
    with keeping(target) as kept:
        kept.ask(1, facts={"customer": "half \udc80 of a pair"}, caller="caller \udc80", request_id="id \udc80 \0")
        (record,) = kept.decisions()
        assert record.stated[0]["customer"].value == "half \udc80 of a pair"
        assert kept.proof().ok


def test_a_book_is_kept_before_its_first_decision_and_each_version_once(target: str) -> None:
    with keeping(target, book(100)) as kept:
        kept.ask()
        kept.ask()
        texts = (Source("rules/clauses.yaml", "clauses: later"),)
        kept.desk.store.publish(make_edition(book(200), NOON))
        kept.ask()
        kept.desk.store.publish(make_edition(book(100), NOON, texts=texts))
        kept.ask()
        kinds = [r.kind for r in kept.records()]
        assert kinds == ["open", "book", "decision", "decision", "book", "decision", "book", "decision"]
        assert [b.source for b in kept.log.reader().books()] == [book(c).source.text for c in (100, 200, 100)]
        assert [b.clauses for b in kept.log.reader().books()] == ["", "", "clauses: later"]
    with keeping(kept.target, book(100)) as again:
        again.ask()
        assert [r.kind for r in again.records()][8:] == ["close", "open", "decision"]


def test_the_texts_beside_the_books_are_kept(target: str, root: Path) -> None:
    from policybook import open_books

    with keeping(target) as kept:
        store = open_books([root / "rules" / "visits.yaml"], now=kept.clock)
        desk = Desk(store, now=kept.clock, new_id=lambda: "visit", log=kept.log)
        decision = store.edition("visits").book.decisions[0]
        with pytest.raises(FactsError):
            desk.decide(Request(decision=f"visits.{decision.name}", facts={"nobody_asks": raw(1)}))
        assert {s.name.rpartition("/")[2] for s in store.edition("visits").texts} == {"calendar.yaml", "clauses.yaml", "clauses.lock"}


# ---------------------------------------------------------------- exactly once


def test_one_request_is_decided_once(target: str) -> None:
    with keeping(target) as kept:
        first = kept.ask(50, request_id="so-1", trace=TraceLevel.NONE)
        kept.clock.at += timedelta(days=400)
        kept.desk.store.publish(make_edition(book(10), NOON))
        again = kept.ask(50, request_id="so-1", trace=TraceLevel.FULL)
        # The same decision, though the newest book would refuse; only the trace is what is asked for now.
        assert (again.decision_id, again.version, again.decided_at, again.as_of) == (
            first.decision_id,
            first.version,
            first.decided_at,
            first.as_of,
        )
        assert (again.outputs, again.outcome, again.elapsed_ns) == (first.outputs, first.outcome, first.elapsed_ns)
        assert (len(first.tables), len(again.tables)) == (0, 1)
        # Another caller has ids of his own; without an id each time is a decision.
        assert kept.ask(50, request_id="so-1", caller="crm").decision_id != first.decision_id
        assert kept.ask(50).decision_id != kept.ask(50).decision_id
        assert len(kept.decisions()) == 4


@pytest.mark.parametrize(
    "other",
    [
        {"amount": 51},
        {"decision": "strict"},
        {"facts": {"customer": "somebody"}},
        {"as_of": date(2026, 3, 31)},
        {"version": book().version},
    ],
    ids=["fact", "decision", "another fact", "day", "version"],
)
def test_other_content_is_refused(target: str, other: dict[str, Any]) -> None:
    with keeping(target) as kept:
        first = kept.ask(50, request_id="so-1")
        with pytest.raises(RequestIdTakenError) as failed:
            kept.ask(**{"amount": 50, "request_id": "so-1", **other})
        wanted = f"the request id `so-1` was used for decision {first.decision_id}: it asked something else; a new request takes a new id"
        assert str(failed.value) == wanted
        assert len(kept.decisions()) == 1


def test_a_retry_that_could_no_longer_be_decided(target: str) -> None:
    with keeping(target) as kept:
        first = kept.ask(50, request_id="so-1")
        kept.desk.store.withdraw("book")
        assert kept.ask(50, request_id="so-1").decision_id == first.decision_id
        with pytest.raises(UnknownNameError):
            kept.ask(50, request_id="so-2")
        with pytest.raises(RequestIdTakenError):
            kept.ask(51, request_id="so-1")


def test_duplicates_at_the_same_time(target: str) -> None:
    with keeping(target) as kept, ThreadPoolExecutor(16) as pool:
        for number in range(10):
            gate = threading.Barrier(16)

            def one(turn: int, number: int = number, gate: threading.Barrier = gate) -> str:
                gate.wait()
                try:
                    return kept.ask(number if turn % 4 else number + 1, request_id=f"so-{number}").decision_id
                except RequestIdTakenError as e:
                    return f"taken by {e.decision_id}"

            got = set(pool.map(one, range(16)))
            assert len(got) == 2
            assert {g.removeprefix("taken by ") for g in got} == {g for g in got if not g.startswith("taken")}
        assert len(kept.decisions()) == 10


def test_two_logs_write_to_one_place(target: str) -> None:
    """Two processes, as far as the database is concerned: one chain, and each request id once in both."""
    with keeping(target) as one, keeping(target) as two, ThreadPoolExecutor(8) as pool:
        asks = [(one, two)[n % 2] for n in range(80)]
        got = list(pool.map(lambda pair: pair[1].ask(pair[0] // 4, request_id=f"so-{pair[0] // 4}").decision_id, enumerate(asks)))
        for start in range(0, 80, 4):
            assert len(set(got[start : start + 4])) == 1
        list(pool.map(lambda kept: kept.ask(), asks))
        one.log.flush().result(10)
        assert len(two.decisions()) == 20 + 80
        assert two.proof().ok
    assert proof_of(one.target).unclean == 0


# ---------------------------------------------------------------- decided again


def test_decided_again_years_later_by_the_kept_text(target: str) -> None:
    with keeping(target, book(100)) as kept:
        answer = kept.ask(50, as_of=datetime(2026, 3, 31, 8, 30, tzinfo=UTC))
    with keeping(kept.target, book(10), clock=Clock(NOON.replace(year=2033))) as later:
        assert later.desk.store.previous("book") == ()
        found = later.desk.reevaluate(answer.decision_id, trace=TraceLevel.FULL)
        assert not found.differences
        assert (found.answer.version, found.answer.decided_at, found.answer.as_of) == (answer.version, answer.decided_at, answer.as_of)
        assert found.answer.outputs == answer.outputs
        assert found.answer.tables[0].rows[0].row.id == "within"
        with pytest.raises(UnknownNameError, match="no record `nothing`"):
            later.desk.reevaluate("nothing")


def test_a_record_that_does_not_follow_from_its_book_is_told(target: str) -> None:
    """Somebody who may write the whole chain anew cannot make another decision of the same facts and book."""
    with keeping(target) as kept:
        answer = kept.ask(50)
        kept.log.flush().result(10)
        meddle(target, "UPDATE record SET outputs = replace(outputs, 'ship', 'refuse') WHERE decision_id <> ''")
        found = kept.desk.reevaluate(answer.decision_id)
        assert found.differences == {
            "outputs": (
                '{"outcome":{"text":"refuse"},"rest":{"money":{"amount":"50.00","currency":"CNY"}}}',
                '{"outcome":{"text":"ship"},"rest":{"money":{"amount":"50.00","currency":"CNY"}}}',
            )
        }


# ---------------------------------------------------------------- masks

KEY = b"a secret of thirty-two bytes ...."


def test_a_masked_value_leaves_no_trace(tmp_path: Path) -> None:
    with keeping(tmp_path, masks=Masks(frozenset({"customer"}))) as kept:
        one = kept.ask(1, facts={"customer": "Wang Xiaoming"}, request_id="so-1")
        assert kept.ask(1, facts={"customer": "Wang Xiaoming"}, request_id="so-1").decision_id == one.decision_id
        with pytest.raises(RequestIdTakenError, match="asked something else"):
            kept.ask(1, facts={"customer": "Wang Xiaohong"}, request_id="so-1")
        (record,) = kept.decisions()
        assert record.facts == '{"amount":{"literal":"1"},"customer":{"masked":true}}'
    for file in tmp_path.iterdir():
        assert b"Xiaoming" not in file.read_bytes()
    # Without a key nobody can tell later whether a retry is one.
    with (
        keeping(kept.path, masks=Masks(frozenset({"book.customer"}))) as later,
        pytest.raises(RequestIdTakenError, match="recorded under another key"),
    ):
        later.ask(1, facts={"customer": "Wang Xiaoming"}, request_id="so-1")


def test_a_key_keeps_equal_values_equal(target: str) -> None:
    masks = Masks(frozenset({"customer"}), KEY)
    with keeping(target, masks=masks) as kept:
        for name in ("Wang", "Wang", "Li"):
            kept.ask(1, facts={"customer": name})
        kept.ask(1)
        tokens = [r.stated[1].get("customer") for r in kept.decisions()]
        assert tokens[0] == tokens[1] != tokens[2]
        assert tokens[3] is None
        assert all(len(t) == 32 for t in tokens[:3] if t)
        first = kept.ask(1, facts={"customer": "Wang"}, request_id="so-1")
    with keeping(kept.target, masks=masks) as later:
        assert later.ask(1, facts={"customer": "Wang"}, request_id="so-1").decision_id == first.decision_id
        with pytest.raises(RequestIdTakenError, match="asked something else"):
            later.ask(1, facts={"customer": "Li"}, request_id="so-1")


def test_masked_facts_are_stated_to_decide_again(target: str) -> None:
    with keeping(target, masks=Masks(frozenset({"customer"}), KEY)) as kept:
        answer = kept.ask(1, facts={"customer": "Wang"})
        kept.log.flush().result(10)
        with pytest.raises(MaskedError, match="rests on facts that were kept out of the log: customer; state them"):
            kept.desk.reevaluate(answer.decision_id)
        assert not kept.desk.reevaluate(answer.decision_id, facts={"customer": raw("Wang")}).differences
        with pytest.raises(RequestError, match="these are not the values that the decision was made on"):
            kept.desk.reevaluate(answer.decision_id, facts={"customer": raw("Li")})
        with pytest.raises(RequestError, match="`amount` is no fact that was kept out of the log"):
            kept.desk.reevaluate(answer.decision_id, facts={"customer": raw("Wang"), "amount": raw(2)})


def test_a_key_that_is_none(tmp_path: Path) -> None:
    short = tmp_path / "key"
    short.write_bytes(b"short\n")
    common: dict[str, Any] = {"when_full": "refuse", "queue": 1, "masked": (), "keep_days": 0}
    with pytest.raises(LogError, match="has 5 bytes; at least 16 are needed"):
        LogSettings.of(tmp_path / "log", mask_key=short, **common)
    with pytest.raises(LogError, match="no such file"):
        LogSettings.of(tmp_path / "log", mask_key=tmp_path / "none", **common)


# ---------------------------------------------------------------- when it cannot be written


def test_what_must_be_recorded_is_there_when_it_is_answered(target: str) -> None:
    with keeping(target, window_s=3600) as kept:
        kept.ask()
        kept.ask(decision="strict")
        # With it what came before, though nobody waited for that.
        assert meddle(target, "SELECT count(*) FROM record WHERE kind = 'decision'") == [(2,)]


def test_a_full_disk_refuses(tmp_path: Path) -> None:
    with keeping(tmp_path) as kept:
        kept.ask()
        kept.log.flush().result(10)
        with full_disk(kept.path):
            kept.ask()
            with pytest.raises(LogError, match="decisions cannot be recorded: .*; no answer is given out without"):
                kept.ask(decision="strict", facts={"customer": "x" * 900, "parts": [123456789] * 900})
            status = kept.log.status()
            assert status.failing
            assert status.refused >= 1
            with pytest.raises(LogError):
                kept.ask()
            # What is there can be read.
            assert kept.log.reader().find(Filter(), 1)
        wait_for(lambda: not kept.log.status().failing)
        kept.ask(decision="strict")
        assert kept.log.status().not_recorded == 0
        gaps = [r.told for r in kept.records() if r.kind == Kind.GAP.value]
        assert sum(g["count"] for g in gaps) == 0
        assert sum(g["refused"] for g in gaps) == kept.log.status().refused
        assert gaps[0]["why"]
        assert kept.proof().ok


def test_a_full_disk_is_counted(tmp_path: Path) -> None:
    given = 0
    with keeping(tmp_path, when_full=WhenFull.COUNT, queue=20) as kept:
        kept.ask()
        kept.log.flush().result(10)
        with full_disk(kept.path):
            end = time.monotonic() + 20
            while not kept.log.status().not_recorded and time.monotonic() < end:
                kept.ask(request_id=f"so-{given}")
                given += 1
            # What must be recorded is refused all the same.
            with pytest.raises(LogError):
                kept.ask(decision="strict")
            for _ in range(30):
                kept.ask()
            given += 30
            status = kept.log.status()
            assert status.not_recorded >= 30
            assert status.waiting == 20
        wait_for(lambda: not kept.log.status().failing and not kept.log.status().waiting)
        decided = len(kept.decisions())
        proof = kept.proof()
        assert proof.ok
        # Not one is unaccounted for.
        assert decided + proof.gaps == given + 1
        assert proof.gaps == kept.log.status().not_recorded


def test_a_full_queue(tmp_path: Path) -> None:
    for policy in WhenFull:
        with keeping(tmp_path / f"{policy.value}.db", queue=5, window_s=3600, when_full=policy) as kept:
            for _ in range(5):
                kept.ask()
            if policy is WhenFull.REFUSE:
                with pytest.raises(LogError, match="5 are waiting to be written"):
                    kept.ask()
            else:
                kept.ask()
            status = kept.log.status()
            assert (status.not_recorded, status.refused) == ((0, 1) if policy is WhenFull.REFUSE else (1, 0))
            assert len(kept.decisions()) == 5
            assert kept.proof().gaps == status.not_recorded
        assert proof_of(kept.path).ok


def test_many_at_once_wait_for_the_log_and_do_not_fill_it(target: str) -> None:
    with keeping(target, queue=2_500) as kept:
        requests = [Request(decision="book.order", facts={"amount": raw(n % 50)}, trace=TraceLevel.NONE) for n in range(12_000)]
        answers = kept.desk.decide_many(requests)
        refused = [a for a in answers if isinstance(a, Exception)]
        assert not refused, refused[0]
        assert kept.log.status().waiting <= 2_000
        assert len(kept.decisions()) == 12_000
        assert kept.proof().ok


def test_what_is_lost_at_the_end_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policybook.audit.writer._CLOSE_S", 0.3)
    with keeping(tmp_path, when_full=WhenFull.COUNT) as kept:
        kept.log.flush().result(10)
        with full_disk(kept.path):
            wait_for(lambda: kept.ask() and kept.log.status().failing)
            lost = kept.ask().decision_id
            kept.log.close()
    assert lost in caplog.text
    assert "are lost to the log" in caplog.text


def test_one_entry_that_cannot_be_written_keeps_no_other_out(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with keeping(target, window_s=3600) as kept:
        whole = type(kept.log)._row

        def bad(log: Any, entry: Any) -> Any:
            if entry.caller == "bad":
                raise ZeroDivisionError
            return whole(log, entry)

        monkeypatch.setattr(type(kept.log), "_row", bad)
        kept.ask(caller="good")
        kept.ask(caller="bad")
        with pytest.raises(LogError, match="a fault of policybook: ZeroDivisionError"):
            kept.ask(caller="bad", request_id="so-1")
        kept.ask(caller="good", decision="strict")
        assert [r.caller for r in kept.decisions()] == ["good", "good"]
        assert kept.log.status().not_recorded == 1
        assert kept.proof().gaps == 1


def test_without_a_log() -> None:
    store = Store()
    store.publish(make_edition(book(), NOON))
    common: dict[str, Any] = {"now": lambda: NOON, "new_id": lambda: "id"}
    request = Request(decision="book.strict", facts={"amount": raw(1)}, request_id="so-1")
    # A trial in process asks what it likes; whoever answers callers does not.
    assert Desk(store, **common).decide(request).decision_id == "id"
    with pytest.raises(LogError, match="a decision of `book.strict` must be recorded, and this service keeps no decision log"):
        Desk(store, log=NoLog(strict=True), **common).decide(request)
    with pytest.raises(NoLogError):
        Desk(store, **common).reevaluate("id")


# ---------------------------------------------------------------- finding


def test_filters_and_pages(target: str) -> None:
    with keeping(target) as kept:
        for n in range(30):
            kept.ask(n * 300, "strict" if n % 3 == 0 else "order", caller=("erp", "crm")[n % 2], request_id=f"so-{n}")
        kept.log.flush().result(10)
        reader = kept.log.reader()

        def ids(**wanted: Any) -> list[str]:
            return [r.request_id for r in reader.find(Filter(**wanted), 100)]

        everything = [f"so-{n}" for n in range(30)]
        assert ids() == everything
        assert ids(decision="book") == everything
        assert ids(decision="book.strict") == [f"so-{n}" for n in range(0, 30, 3)]
        assert ids(decision="boo") == ids(decision="book.str") == []
        assert ids(caller="crm", decision="book.strict") == [f"so-{n}" for n in range(3, 30, 6)]
        assert ids(request_id="so-7") == ["so-7"]
        assert ids(outcome="no match") == [f"so-{n}" for n in range(17, 30) if n % 3]
        assert ids(version=book().version[:10]) == everything
        assert ids(version="0000") == []
        times = [r.time for r in reader.find(Filter(), 100)]
        assert ids(since=times[10], until=times[20]) == [f"so-{n}" for n in range(10, 20)]
        for newest_first in (False, True):
            pages: list[str] = []
            place = None
            while found := reader.find(Filter(), 7, place, newest_first=newest_first):
                pages += [r.request_id for r in found]
                place = Place(time=found[-1].time, seq=found[-1].seq)
            assert pages == (everything[::-1] if newest_first else everything)


def test_pages_among_records_of_one_instant(target: str) -> None:
    with keeping(target, clock=Clock(step=timedelta(0))) as kept:
        for n in range(9):
            kept.ask(n)
        kept.log.flush().result(10)
        seen: list[int] = []
        place = None
        while found := kept.log.reader().find(Filter(), 2, place):
            seen += [r.seq for r in found]
            place = Place(time=found[-1].time, seq=found[-1].seq)
        assert len(seen) == len(set(seen)) == 9


# ---------------------------------------------------------------- retention


def prune(target: str, before: str, pieces: int | None = None) -> int:
    backend = open_backend(target)
    deleted = 0
    for number, gone in enumerate(pruning(backend, before, NOON)):
        deleted += gone
        if pieces is not None and number + 1 == pieces:
            break
    backend.close()
    return deleted


def test_what_is_old_is_deleted_and_the_rest_still_proved(target: str) -> None:
    with keeping(target) as kept:
        for n in range(50):
            kept.ask(n)
        middle = kept.decisions()[25]
        anchor_before = kept.proof().head
    assert anchor_before is not None
    assert prune(kept.target, middle.time) == middle.seq - 1
    proof = proof_of(kept.target)
    assert proof.ok
    assert (proof.first, proof.deleted, proof.decisions) == (middle.seq, middle.seq - 1, 25)
    assert proof_of(kept.target, anchor_before).ok
    # The version is still there to decide by, though the record that told of it is gone.
    with keeping(kept.target, book(10)) as later:
        assert not later.desk.reevaluate(middle.decision_id).differences
        later.ask(1)
        assert later.proof().ok
    # Again, and all but the last.
    assert prune(kept.target, "2100-01-01") > 0
    assert proof_of(kept.target).ok
    assert prune(kept.target, "2100-01-01") > 0
    meddle(target, "DELETE FROM record WHERE kind = 'retention'")
    misfit = proof_of(kept.target).misfit
    assert misfit is None or misfit.fault is Fault.MISSING


def test_what_a_prune_that_was_killed_leaves(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policybook.audit.retention._PIECE", 7)
    with keeping(target) as kept:
        for n in range(50):
            kept.ask(n)
        middle = kept.decisions()[40]
    prune(kept.target, middle.time, pieces=3)
    proof = proof_of(kept.target)
    assert proof.ok
    assert proof.first == middle.seq
    assert prune(kept.target, middle.time) > 0
    assert proof_of(kept.target).first == middle.seq


def test_segments(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policybook.audit.retention.SEGMENT", 8)
    with keeping(target) as kept:
        for n in range(50):
            kept.ask(n)
        middle = kept.decisions()[40]
    prune(kept.target, middle.time)
    proof = proof_of(kept.target)
    assert (proof.ok, proof.first) == (True, middle.seq)


def test_a_service_deletes_by_itself(target: str) -> None:
    clock = Clock()
    with keeping(target, clock=clock) as kept:
        for n in range(20):
            kept.ask(n)
    clock.at += timedelta(days=40)
    with keeping(kept.target, clock=clock, keep_days=30) as later:
        later.ask(1)
        wait_for(lambda: later.ask(1) and len(later.decisions()) < 20)
        wait_for(lambda: later.proof().first not in (None, 1))
        assert later.proof().ok
        assert all(r.time > instant_text(clock.at - timedelta(days=30)) for r in later.decisions())


def test_what_is_young_is_not_deleted_for_a_clock_that_was_set_back(target: str) -> None:
    clock = Clock()
    with keeping(target, clock=clock) as kept:
        kept.ask(1)
        clock.at -= timedelta(days=100)
        kept.ask(2)
    assert prune(kept.target, instant_text(NOON - timedelta(days=50))) == 0
    assert proof_of(kept.target).decisions == 2

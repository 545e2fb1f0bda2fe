"""The chain: what is changed, taken out, put in, moved or cut off is named."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from audit.keeping import Clock, book, keeping, meddle, proof_of
from policybook.audit.backend import append
from policybook.audit.chain import GENESIS, Anchor, Fault, anchor_of, hash_of
from policybook.audit.entry import COLUMNS
from policybook.audit.log import Filter
from policybook.audit.open import open_backend
from policybook.errors import LogError


def filled(target: Path | str) -> str:
    """Make a closed log with twenty decisions and what is around them."""
    with keeping(target) as kept:
        for amount in range(20):
            kept.ask(amount * 10, request_id=f"order-{amount}")
    return kept.target


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A filled log in a file."""
    return Path(filled(tmp_path))


@pytest.fixture
def kept_in(target: str) -> str:
    """A filled log, wherever logs can be."""
    return filled(target)


def rehash(kept_in: str, seq: int) -> None:
    """Give a record that was changed the hash that it would have."""
    row = list(meddle(kept_in, f"SELECT {', '.join(COLUMNS)} FROM record WHERE seq = {seq}")[0])  # noqa: S608
    with closing(open_backend(kept_in)) as backend, backend.transaction() as at_once:
        at_once.change("UPDATE record SET hash = ? WHERE seq = ?", hash_of(row), seq)


def test_a_sound_log(kept_in: str) -> None:
    proof = proof_of(kept_in)
    assert proof.ok
    # Opening, the book, the decisions, the end.
    assert (proof.first, proof.records, proof.decisions, proof.unclean, proof.gaps) == (1, 23, 20, 0, 0)
    assert proof.versions == set(proof.books) == {book().version}


def test_a_stranger_can_check_it_with_a_dozen_lines(path: Path) -> None:
    """What docs/auditors.md says of the form, done without this program."""
    connection = sqlite3.connect(path)
    cursor = connection.execute("SELECT * FROM record ORDER BY seq")
    names = [c[0] for c in cursor.description]
    assert names[-1] == "hash"
    previous = hashlib.sha256(b"policybook-log-1").digest()
    for row in cursor:
        values = [v.hex() if isinstance(v, bytes) else v for v in row[:-1]]
        line = json.dumps(["policybook-log-1", *values], ensure_ascii=False, separators=(",", ":"))
        assert row[-2] == previous
        previous = row[-1]
        assert hashlib.sha256(line.encode()).digest() == previous
    connection.close()


COLUMN_EDITS = {
    "outputs": """UPDATE record SET outputs = replace(outputs, 'ship', 'sHip') WHERE seq = 10""",
    "facts": """UPDATE record SET facts = replace(facts, '70', '71') WHERE seq = 10""",
    "time": "UPDATE record SET time = replace(time, '2026', '2025') WHERE seq = 10",
    "caller": "UPDATE record SET caller = 'crm' WHERE seq = 10",
    "version": "UPDATE record SET version = upper(version) WHERE seq = 10",
    "elapsed_ns": "UPDATE record SET elapsed_ns = elapsed_ns + 1 WHERE seq = 10",
    "hash": "UPDATE record SET hash = previous WHERE seq = 10",
    "previous": "UPDATE record SET previous = hash WHERE seq = 10",
}


@pytest.mark.parametrize("column", COLUMN_EDITS)
def test_a_changed_record_is_named(kept_in: str, column: str) -> None:
    meddle(kept_in, COLUMN_EDITS[column])
    misfit = proof_of(kept_in).misfit
    assert misfit is not None
    assert (misfit.fault, misfit.seq) == (Fault.CHANGED, 10)
    assert misfit.message == "record 10 was changed: its content does not have the hash that it carries"


def test_every_column_counts(path: Path) -> None:
    """No column could be changed and the record keep its hash."""
    connection = sqlite3.connect(path)
    row = list(connection.execute(f"SELECT {', '.join(COLUMNS)} FROM record WHERE seq = 10").fetchone())  # noqa: S608
    connection.close()
    whole = hash_of(row)
    for i, value in enumerate(row):
        other: Any = value + 1 if isinstance(value, int) else value + (b"x" if isinstance(value, bytes) else "x")
        assert hash_of([*row[:i], other, *row[i + 1 :]]) != whole, COLUMNS[i]
    # Nor can text move from one column into the next.
    assert hash_of(["1", "23", *row[2:]]) != hash_of(["12", "3", *row[2:]])


def test_a_changed_record_with_a_new_hash_breaks_the_next_link(kept_in: str) -> None:
    meddle(kept_in, "UPDATE record SET outputs = '{}' WHERE seq = 10")
    rehash(kept_in, 10)
    misfit = proof_of(kept_in).misfit
    assert misfit is not None
    assert (misfit.fault, misfit.seq) == (Fault.MOVED, 11)


def test_missing_records(kept_in: str) -> None:
    meddle(kept_in, "DELETE FROM record WHERE seq = 10")
    misfit = proof_of(kept_in).misfit
    assert misfit is not None
    assert (misfit.fault, misfit.seq, misfit.message) == (Fault.MISSING, 10, "record 10 is missing: after record 9 comes record 11")
    meddle(kept_in, "DELETE FROM record WHERE seq BETWEEN 8 AND 12")
    misfit = proof_of(kept_in).misfit
    assert misfit is not None
    assert misfit.message == "records 8 to 12 are missing: after record 7 comes record 13"


def test_a_beginning_that_is_cut_off(kept_in: str) -> None:
    meddle(kept_in, "DELETE FROM record WHERE seq < 5")
    misfit = proof_of(kept_in).misfit
    assert misfit is not None
    assert (misfit.fault, misfit.seq) == (Fault.MISSING, 1)


def test_two_records_that_change_places(kept_in: str) -> None:
    swap = (
        "UPDATE record SET seq = 1000 WHERE seq = 10",
        "UPDATE record SET seq = 10 WHERE seq = 11",
        "UPDATE record SET seq = 11 WHERE seq = 1000",
    )
    meddle(kept_in, *swap)
    misfit = proof_of(kept_in).misfit
    assert misfit is not None
    assert (misfit.fault, misfit.seq) == (Fault.CHANGED, 10)
    # With new hashes, so that each is sound by itself.
    rehash(kept_in, 10)
    rehash(kept_in, 11)
    misfit = proof_of(kept_in).misfit
    assert misfit is not None
    assert (misfit.fault, misfit.seq) == (Fault.MOVED, 10)


def test_a_cut_end_and_a_log_written_anew_need_an_anchor(kept_in: str) -> None:
    whole = proof_of(kept_in)
    anchor = whole.head
    assert anchor is not None
    assert anchor_of(f"2026-03-31 decision log: anchor {anchor}") == anchor
    meddle(kept_in, "DELETE FROM record WHERE seq > 15")
    assert proof_of(kept_in).ok
    misfit = proof_of(kept_in, anchor).misfit
    assert misfit is not None
    assert (misfit.fault, misfit.seq) == (Fault.TRUNCATED, 16)
    assert misfit.message == "the log ends at record 15; the anchor names record 23: its end was cut off"
    # Somebody who may write the file writes all of it anew: sound in itself.
    with closing(open_backend(kept_in)) as backend, backend.transaction() as at_once:
        rows = [list(r) for r in at_once.rows(f"SELECT {', '.join(COLUMNS)}, hash FROM record ORDER BY seq")]  # noqa: S608
        at_once.change("DELETE FROM record")
        rows[9][COLUMNS.index("outputs")] = "{}"
        append(at_once, rows)
    assert proof_of(kept_in).ok
    fifteen = Anchor(15, rows[14][-1].hex())
    assert proof_of(kept_in, fifteen).ok
    misfit = proof_of(kept_in, Anchor(12, anchor.hash)).misfit
    assert misfit is not None
    assert (misfit.fault, misfit.seq) == (Fault.REWRITTEN, 12)


def test_an_anchor_that_is_none() -> None:
    with pytest.raises(ValueError, match="`12:xyz` is no anchor"):
        anchor_of("12:xyz")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE text SET text = replace(text, 'value: 100', 'value: 900')", "is not the one that decided: it was changed"),
        ("DELETE FROM text", "is missing"),
        ("DELETE FROM book", "is missing, by which decisions were taken"),
    ],
)
def test_texts_of_books_are_proved_too(kept_in: str, statement: str, message: str) -> None:
    meddle(kept_in, statement)
    misfit = proof_of(kept_in).misfit
    assert misfit is not None
    assert misfit.fault is Fault.BOOK
    assert message in misfit.message


def test_one_byte_anywhere_in_the_file(path: Path) -> None:
    """Whichever byte of a record is changed, something is said; between records there is room that means nothing."""
    # So that no remains of earlier pages are met first.
    meddle(path, "VACUUM")
    data = path.read_bytes()
    start = data.index(b"decision", data.index(b'"amount":{"literal":"70"}') - 250)
    end = data.index(b'["within"]', start) + 10 + 64
    silent = []
    for offset, place in enumerate(range(start, end, 5)):
        changed = bytearray(data)
        changed[place] ^= 1
        other = path.parent / f"changed-{offset}.db"
        other.write_bytes(changed)
        try:
            proof = proof_of(other)
        except LogError:
            continue
        if proof.ok:
            silent.append(place)
        other.unlink()
    assert not silent


def told_of(path: Path) -> str:
    """What is said of a log that does not hold."""
    try:
        proof = proof_of(path)
    except LogError as e:
        return str(e)
    assert proof.misfit is not None
    return proof.misfit.message


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (cut, "the file is damaged"),
        (lambda _: b"no log at all, but long enough to be one" * 100, "it is no decision log, and no SQLite file at all"),
        (lambda data: data[:96] + b"\0" * 4000 + data[4096:], "the file is damaged"),
    ],
    ids=["truncated", "another file", "zeroes"],
)
def test_a_damaged_file(path: Path, damage: Callable[[bytes], bytes], why: str) -> None:
    path.write_bytes(damage(path.read_bytes()))
    assert why in told_of(path)
    # A service does not begin to write to it.
    with pytest.raises(LogError, match=why), keeping(path):
        pass


def test_another_version_another_file_and_none(path: Path, tmp_path: Path) -> None:
    meddle(path, "PRAGMA user_version = 2")
    for opened in (lambda: proof_of(path), lambda: keeping(path).__enter__()):
        with pytest.raises(LogError, match="it has format 2, of a newer policybook; this one knows format 1"):
            opened()
    other = tmp_path / "other.db"
    meddle(other, "CREATE TABLE mine (x)")
    for opened in (lambda: proof_of(other), lambda: keeping(other).__enter__()):
        with pytest.raises(LogError, match="it is an SQLite file, but no decision log"):
            opened()
    with pytest.raises(LogError, match="there is no decision log"):
        proof_of(tmp_path / "none.db")
    with pytest.raises(LogError, match="there is no folder"):
        keeping(tmp_path / "no" / "log.db").__enter__()


def test_a_service_does_not_write_after_a_changed_last_record(kept_in: str) -> None:
    meddle(kept_in, "UPDATE record SET more = '{}' WHERE seq = 23")
    with pytest.raises(LogError, match="its last record, 23, was changed; look at it with `policybook audit verify"):
        keeping(kept_in).__enter__()


def test_a_copy_in_a_folder_that_cannot_be_written_to(path: Path) -> None:
    folder = path.parent / "archive"
    folder.mkdir()
    copy = folder / "log.db"
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o400)
    folder.chmod(0o500)
    try:
        assert proof_of(copy).ok
    finally:
        folder.chmod(0o700)


def test_the_first_link(path: Path) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT previous FROM record WHERE seq = 1").fetchone()[0] == GENESIS
    connection.close()


def test_a_clock_that_is_set_back(target: str) -> None:
    clock = Clock()
    with keeping(target, clock=clock) as kept:
        for amount in range(5):
            kept.ask(amount)
        clock.at = clock.at.replace(hour=1)
        for amount in range(5, 10):
            kept.ask(amount)
        proof = kept.proof()
        assert proof.ok
        assert proof.set_back == 1
        # In the order of writing nothing is lost or moved; listed by time they stand where their times are.
        assert [json.loads(r.facts)["amount"]["literal"] for r in kept.decisions()] == [str(n) for n in range(10)]
        listed = [json.loads(r.facts)["amount"]["literal"] for r in kept.log.reader().find(Filter(), 100)]
        assert listed == [str(n) for n in (5, 6, 7, 8, 9, 0, 1, 2, 3, 4)]

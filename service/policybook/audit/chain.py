"""The chain: each record carries the hash of the one before, so that none can be changed, taken out or put in unseen.

The hash of a record is SHA-256 over one line of JSON in UTF-8: `["policybook-log-1",seq,kind,...,previous]`, its columns in the order of
`entry.COLUMNS`, `previous` in hex, nothing between the signs, no escapes but those that JSON demands. A dozen lines in any language check
it. The first record's `previous` is `GENESIS`.
"""

from __future__ import annotations

import enum
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from policybook.audit.entry import COLUMNS, Kind, Record
from policybook.errors import LogError

FORM = "policybook-log-1"
GENESIS = hashlib.sha256(FORM.encode()).digest()
# LIMIT: hashlib lets go of the interpreter's lock for 2,048 bytes and more; a thread that writes would get it back a thread switch later
# each time.
_PIECE = 2_000

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def hash_of(columns: list[Any]) -> bytes:
    """Hash a record.

    Args:
        columns: its values in the order of COLUMNS; `previous` as bytes
    """
    data = _encode([FORM, *columns[:-1], columns[-1].hex()]).encode()
    if len(data) <= _PIECE:
        return hashlib.sha256(data).digest()
    made = hashlib.sha256()
    for start in range(0, len(data), _PIECE):
        made.update(data[start : start + _PIECE])
    return made.digest()


def hash_of_record(record: Record) -> bytes:
    """Hash a record that was read."""
    return hash_of([getattr(record, name) for name in COLUMNS])


@dataclass(frozen=True, slots=True)
class Anchor:
    """A record's place and hash, kept outside the log: what the log held then, it must hold for ever."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


_ANCHOR = re.compile(r"(\d{1,18}):([0-9a-f]{64})\b")


def anchor_of(text: str) -> Anchor:
    """Read an anchor as `policybook audit verify` prints it.

    Raises:
        ValueError: it is none
    """
    found = _ANCHOR.search(text)
    if not found:
        raise ValueError(f"`{text[:80]}` is no anchor; one is a record's number and its hash, `1200:9f86d081...`")
    return Anchor(int(found.group(1)), found.group(2))


class Fault(enum.Enum):
    """How a record does not fit."""

    CHANGED = "changed"
    MISSING = "missing"
    MOVED = "moved"
    TRUNCATED = "truncated"
    REWRITTEN = "rewritten"
    BOOK = "book"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Misfit:
    """The first record that does not fit."""

    fault: Fault
    seq: int
    message: str


@dataclass(slots=True)
class Proof:
    """What a look at the whole chain showed.

    Args:
        misfit: None: it holds
        first, head: of the records there are; None: there are none
        deleted: how many records retention took, by its own account
        gaps: decisions that were given out and not recorded, by the log's own account
        unclean: processes that ended without a word: their last moments before the end may be missing
        set_back: decisions with an earlier time than the one before: the clock was set back, or several processes write
        versions: of the books that decided
    """

    misfit: Misfit | None = None
    first: int | None = None
    head: Anchor | None = None
    records: int = 0
    decisions: int = 0
    deleted: int = 0
    gaps: int = 0
    unclean: int = 0
    set_back: int = 0
    last_time: str = ""
    versions: set[str] = field(default_factory=set)
    # version -> digests that a `book` or `retention` record states, one set a time the texts beside it changed
    books: dict[str, list[Mapping[str, str]]] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)

    @property
    def ok(self) -> bool:
        return self.misfit is None


def prove(records: Iterable[Record], anchors: Iterable[Anchor] = (), start: Record | None = None) -> Proof:
    """Walk along the chain and stop at the first record that does not fit.

    Args:
        records: all there are, by number
        anchors: what is known from outside
        start: the last `retention` record; what it says was deleted is skipped where it is still there
    """
    proof = Proof()
    wanted = {a.seq: a.hash for a in anchors}
    before = Anchor(0, GENESIS.hex())
    if start is not None:
        before = Anchor(int(start.told["last"]), str(start.told["hash"]))
        proof.deleted = before.seq
    for record in _readable(records, proof):
        if start is not None and record.seq <= before.seq and proof.first is None:
            continue
        misfit = _fits(record, before)
        hashed = record.hash.hex()
        if misfit is None and wanted.get(record.seq, hashed) != hashed:
            message = f"record {record.seq} is sound, but is not the one that the anchor names: the log was written anew"
            misfit = Misfit(Fault.REWRITTEN, record.seq, message)
        if misfit is not None:
            proof.misfit = misfit
            break
        before = Anchor(record.seq, hashed)
        _note(record, proof)
    proof.unclean += len(proof.running)
    if proof.misfit is None:
        proof.misfit = _cut(proof, wanted, start)
    return proof


def _readable(records: Iterable[Record], proof: Proof) -> Iterator[Record]:
    """Pass records on; where the file cannot be read any further, say so."""
    walk = iter(records)
    while True:
        try:
            record = next(walk, None)
        except LogError as e:
            last = proof.head.seq if proof.head else 0
            proof.misfit = Misfit(Fault.UNREADABLE, last + 1, f"nothing can be read after record {last}: {e}")
            return
        if record is None:
            return
        yield record


def _fits(record: Record, before: Anchor) -> Misfit | None:
    seq, wanted = record.seq, before.seq + 1
    if hash_of_record(record) != record.hash:
        return Misfit(Fault.CHANGED, seq, f"record {seq} was changed: its content does not have the hash that it carries")
    if seq != wanted:
        missing = f"record {wanted} is" if seq == wanted + 1 else f"records {wanted} to {seq - 1} are"
        return Misfit(Fault.MISSING, wanted, f"{missing} missing: after record {before.seq} comes record {seq}")
    if record.previous.hex() != before.hash:
        return Misfit(Fault.MOVED, seq, f"record {seq} does not follow record {before.seq}: one was taken out, put in or moved here")
    return None


def _note(record: Record, proof: Proof) -> None:
    proof.first = record.seq if proof.first is None else proof.first
    proof.head = Anchor(record.seq, record.hash.hex())
    proof.records += 1
    proof.set_back += record.kind == Kind.DECISION.value and record.time < proof.last_time
    if record.kind == Kind.DECISION.value:
        proof.last_time = record.time
        proof.decisions += 1
        proof.versions.add(record.version)
        return
    told = record.told
    match record.kind:
        case Kind.GAP.value:
            proof.gaps += int(told["count"])
        case Kind.OPEN.value:
            proof.running.add(told["run"])
        case Kind.CLOSE.value:
            proof.running.discard(told["run"])
        case Kind.BOOK.value:
            proof.books.setdefault(record.version, []).append(told)
        case Kind.RETENTION.value:
            for version, digests in told["books"]:
                proof.books.setdefault(version, []).append(digests)


def _cut(proof: Proof, wanted: Mapping[int, str], start: Record | None) -> Misfit | None:
    """Tell whether the end is missing, as far as anchors and the retention record let one."""
    last = proof.head.seq if proof.head else proof.deleted
    if start is not None and start.seq > last:
        return Misfit(Fault.TRUNCATED, last + 1, f"the log ends at record {last}, before its own retention record {start.seq}")
    beyond = [seq for seq in wanted if seq > last]
    if beyond:
        return Misfit(
            Fault.TRUNCATED, last + 1, f"the log ends at record {last}; the anchor names record {max(beyond)}: its end was cut off"
        )
    return None

"""The whole proof of a log: the file, the chain, and the texts of the books that decided."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from policybook.audit.chain import Anchor, Fault, Misfit, Proof, prove
from policybook.audit.entry import Kind
from policybook.audit.log import Reader
from policybook.errors import LogError


class WholeReader(Reader, Protocol):
    """A reader that whoever took it closes, and that also looks at the file or database itself."""

    where: str

    def integrity(self) -> str:
        """Return what is wrong with it; nothing when all is well."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def prove_log(reader: WholeReader, anchors: Iterable[Anchor] = ()) -> Proof:
    """Prove that a log is as it was written, as far as that can be told.

    Args:
        anchors: places and hashes that were noted outside
    """
    try:
        start = reader.last_of(Kind.RETENTION.value)
    except LogError as e:
        return Proof(misfit=Misfit(Fault.UNREADABLE, 1, str(e)))
    proof = prove(reader.chain(), anchors, start)
    if proof.misfit is None:
        proof.misfit = _texts(reader, proof)
    if proof.misfit is None and (damage := reader.integrity()):
        head = proof.head.seq if proof.head else 0
        proof.misfit = Misfit(Fault.UNREADABLE, head, f"all records are sound, but the file is damaged: {damage}")
    return proof


def _texts(reader: Reader, proof: Proof) -> Misfit | None:
    """Compare the texts of the books that decided with their versions, and with what the chain says of them."""
    for version in sorted(proof.versions):
        try:
            kept = reader.book(version)
        except LogError as e:
            return Misfit(Fault.BOOK, 0, str(e))
        if kept is None:
            return Misfit(Fault.BOOK, 0, f"the text of the book with version {version} is missing, by which decisions were taken")
        vouched = proof.books.get(version)
        if not kept.is_sound or (vouched and not any(_agree(kept.digests, v) for v in vouched)):
            return Misfit(
                Fault.BOOK, 0, f"the text of `{kept.policy}` kept for version {version} is not the one that decided: it was changed"
            )
    return None


def _agree(digests: dict[str, str], vouched: object) -> bool:
    return isinstance(vouched, dict) and all(vouched.get(role) == digest for role, digest in digests.items())

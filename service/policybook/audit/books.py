"""The exact texts by which decisions were taken, kept with the log."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields

from policybook.model.book import Book
from policybook.source import Source


def digest_of(text: str) -> str:
    """Return the hex SHA-256 of a text; of none, nothing."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBook:
    """A book and what lay beside it. A text that was not there is empty.

    Args:
        file: its name, without the folder
    """

    policy: str
    version: str
    file: str
    source: str
    calendar: str = ""
    clauses: str = ""
    clauses_lock: str = ""

    @classmethod
    def of(cls, book: Book, beside: tuple[Source, ...]) -> KeptBook:
        """Take the texts of a book in service."""
        texts = {s.name.replace("\\", "/").rpartition("/")[2].replace(".yaml", "").replace(".", "_"): s.text for s in beside}
        name = book.source.name.replace("\\", "/").rpartition("/")[2]
        return cls(
            policy=book.name,
            version=book.version,
            file=name,
            source=book.source.text,
            calendar=texts.get("calendar", ""),
            clauses=texts.get("clauses", ""),
            clauses_lock=texts.get("clauses_lock", ""),
        )

    @property
    def texts(self) -> dict[str, str]:
        """Role -> text."""
        return {role: getattr(self, role) for role in ROLES}

    @property
    def digests(self) -> dict[str, str]:
        """Role -> hex SHA-256 of the text; empty: there was none."""
        return {role: digest_of(text) for role, text in self.texts.items()}

    @property
    def is_sound(self) -> bool:
        """Whether the version is that of these texts; the calendar counts where the book counts working days."""
        text = self.source.encode()
        alone = hashlib.sha256(text).hexdigest()
        return self.version in (alone, hashlib.sha256(text + b"\0" + digest_of(self.calendar).encode()).hexdigest())


ROLES = tuple(f.name for f in fields(KeptBook) if f.name not in ("policy", "version", "file"))

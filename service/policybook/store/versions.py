"""The editions in service. An edition, once published, stays addressable for pinning while the process lives."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from policybook.decide.bulk import Bulk
from policybook.decide.chain import Decider
from policybook.diagnostics import nearest
from policybook.engine.program import Program
from policybook.errors import UnknownNameError, VersionMismatchError
from policybook.model.book import Book
from policybook.model.clauses import NOTHING_BESIDE
from policybook.source import Source

MIN_PREFIX = 8


class NotPublishedError(Exception):
    """An edition could not be brought to all who serve it; none of them has it."""


@dataclass(frozen=True, slots=True)
class Edition:
    """One version of a policy, ready to decide; `texts` are those that lay beside its book, `bulk` decides many requests at once."""

    book: Book
    program: Program
    decider: Decider
    loaded_at: datetime
    texts: tuple[Source, ...] = ()
    bulk: Bulk = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bulk", Bulk(self.decider))

    @property
    def name(self) -> str:
        return self.book.name

    @property
    def version(self) -> str:
        return self.book.version


@dataclass(frozen=True, slots=True)
class _Shelf:
    """What is in service at one moment; replaced whole, never changed."""

    newest: MappingProxyType[str, Edition]
    by_version: MappingProxyType[tuple[str, str], Edition]


class Store:
    """Publishes editions. Readers take one snapshot and never see half a change.

    `beside` is what lies beside the books: the calendar and clauses by which a text from outside is checked.

    Args:
        keep: how many editions of a policy stay addressable, the newest included
    """

    def __init__(self, keep: int = 20) -> None:
        self._keep = keep
        self.beside = NOTHING_BESIDE
        self._lock = threading.Lock()
        self._shelf = _Shelf(MappingProxyType({}), MappingProxyType({}))

    def publish(self, edition: Edition) -> None:
        """Make an edition the newest of its policy; the one in service already is left alone."""
        with self._lock:
            shelf = self._shelf
            current = shelf.newest.get(edition.name)
            if current is not None and current.version == edition.version:
                return
            key = (edition.name, edition.version)
            # A version that comes back is the newest again: it moves to the end.
            kept = {k: e for k, e in shelf.by_version.items() if k != key}
            kept[key] = edition
            own = [k for k in kept if k[0] == edition.name]
            for old in own[: max(0, len(own) - self._keep)]:
                del kept[old]
            self._shelf = _Shelf(MappingProxyType({**shelf.newest, edition.name: edition}), MappingProxyType(kept))

    def withdraw(self, policy: str) -> None:
        """Take a policy out of service; its versions stay addressable by pin."""
        with self._lock:
            shelf = self._shelf
            newest = {k: e for k, e in shelf.newest.items() if k != policy}
            self._shelf = _Shelf(MappingProxyType(newest), shelf.by_version)

    def editions(self) -> tuple[Edition, ...]:
        """Return all that can be pinned, in the order in which they were published."""
        return tuple(self._shelf.by_version.values())

    def policies(self) -> tuple[str, ...]:
        """Return the names of the policies in service, sorted."""
        return tuple(sorted(self._shelf.newest))

    @property
    def digest(self) -> str:
        """Return the content hash of all that is in service: two stores that decide the same have the same."""
        newest = self._shelf.newest
        return hashlib.sha256("\n".join(f"{name} {newest[name].version}" for name in sorted(newest)).encode()).hexdigest()

    def newest(self, policy: str) -> Edition | None:
        """Return the newest edition of a policy; None where there is no such policy."""
        return self._shelf.newest.get(policy)

    def edition(self, policy: str, version: str = "") -> Edition:
        """Return the newest edition of a policy, or the one of a version.

        Args:
            version: the content hash, or at least its first 8 characters
        Raises:
            UnknownNameError: no such policy, or a version that no policy ever had here
            VersionMismatchError: the version is another policy's
        """
        shelf = self._shelf
        current = shelf.newest.get(policy)
        if not version:
            if current is None:
                raise UnknownNameError("policy", policy, nearest(policy, shelf.newest))
            return current
        found = [e for (name, v), e in shelf.by_version.items() if name == policy and _is_prefix(version, v)]
        if found:
            return found[-1]
        if current is None and not any(name == policy for name, _ in shelf.by_version):
            raise UnknownNameError("policy", policy, nearest(policy, shelf.newest))
        if any(_is_prefix(version, v) for _, v in shelf.by_version):
            raise VersionMismatchError(policy, version, current.version if current else "")
        raise UnknownNameError("version", version, (current.version,) if current else ())

    def previous(self, policy: str) -> tuple[str, ...]:
        """Return the versions that can still be pinned, newest first, without the one in service."""
        shelf = self._shelf
        current = shelf.newest.get(policy)
        own = [v for name, v in shelf.by_version if name == policy and (current is None or v != current.version)]
        return tuple(reversed(own))

    @property
    def all_decisions(self) -> tuple[str, ...]:
        return tuple(sorted(f"{e.name}.{d.name}" for e in self._shelf.newest.values() for d in e.book.decisions))


def _is_prefix(prefix: str, version: str) -> bool:
    return len(prefix) >= MIN_PREFIX and version.startswith(prefix)

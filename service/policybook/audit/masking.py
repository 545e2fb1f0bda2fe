"""What must not stand in the log, and how one request is known again all the same."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from policybook.audit.canonical import MASKED, facts_json, instant_text, raw_json
from policybook.audit.entry import Record
from policybook.model.facts import RawFacts

MIN_KEY_BYTES = 16


def as_of_text(stated: date | datetime | None) -> str:
    """Write the day or instant that a caller stated; nothing for none."""
    if stated is None:
        return ""
    return instant_text(stated) if isinstance(stated, datetime) else stated.isoformat()


@dataclass(frozen=True)
class Masks:
    """The inputs whose values do not reach the log.

    Args:
        names: `customer_id` in every book, or `credit.customer_id` in one
        key: secret; with it equal values of an input get equal tokens, and a retry is known after a restart. None: a value leaves no
            trace at all
        own: a secret of this process, for the fingerprints of requests with masked values when there is no key
    """

    names: frozenset[str] = frozenset()
    key: bytes | None = field(default=None, repr=False)
    own: bytes = field(default=b"", repr=False)

    @cached_property
    def key_id(self) -> str:
        """Which key made a fingerprint; tells nothing of the key."""
        return hashlib.sha256(b"policybook-mask-key\0" + (self.key or self.own)).hexdigest()[:8]

    def of(self, policy: str, facts: RawFacts) -> dict[str, str]:
        """Return name -> what stands in its place, for the facts that are masked."""
        if not self.names:
            return {}
        return {
            name: f'{{"{MASKED}":{self._token(name, facts)}}}' for name in facts if name in self.names or f"{policy}.{name}" in self.names
        }

    def _token(self, name: str, facts: RawFacts) -> str:
        if self.key is None:
            return "true"
        made = hmac.new(self.key, f"{name}\0{raw_json(facts[name])}".encode("utf-8", "backslashreplace"), "sha256").hexdigest()
        return f'"{made[:32]}"'

    def fingerprint(self, decision: str, facts: str, as_of: str, version: str, *, secret: bool) -> str:
        """Hash what was asked.

        Args:
            facts: canonical JSON, unmasked
            as_of, version: as stated
            secret: some of the facts are masked: a plain hash would let one try values out
        """
        content = f"1\0{decision}\0{as_of}\0{version}\0{facts}".encode("utf-8", "backslashreplace")
        if not secret:
            return f"sha256:{hashlib.sha256(content).hexdigest()}"
        return f"hmac:{self.key_id}:{hmac.new(self.key or self.own, content, 'sha256').hexdigest()}"

    def is_same(self, fingerprint: str, decision: str, facts: RawFacts, as_of: date | datetime | None, version: str) -> bool:
        """Tell whether a request asks what a fingerprint was made of; masks may have changed since."""
        secret = fingerprint.startswith("hmac:")
        return hmac.compare_digest(fingerprint, self.fingerprint(decision, facts_json(facts), as_of_text(as_of), version, secret=secret))

    def may_be(self, record: Record, facts: str) -> bool:
        """Tell whether these may be the facts of a record with masked ones; without the key nobody can tell that they are not.

        Args:
            facts: canonical JSON, whole
        """
        if self.cannot_compare(record.fingerprint):
            return True
        made = self.fingerprint(record.decision, facts, record.as_of_stated, record.version_stated, secret=True)
        return hmac.compare_digest(record.fingerprint, made)

    def cannot_compare(self, fingerprint: str) -> bool:
        """Tell whether a fingerprint was made with another key."""
        return fingerprint.startswith("hmac:") and fingerprint.split(":")[1] != self.key_id


def unknown_names(names: Iterable[str], inputs: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the masks that name no input.

    Args:
        inputs: policy -> its inputs
    """
    known = {n for own in inputs.values() for n in own} | {f"{p}.{n}" for p, own in inputs.items() for n in own}
    return tuple(n for n in names if n not in known)

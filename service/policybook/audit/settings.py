"""How a decision log is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from policybook.audit.log import WhenFull
from policybook.audit.masking import MIN_KEY_BYTES, Masks
from policybook.errors import LogError


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """How a log is kept.

    Args:
        target: the file, or the URL of a PostgreSQL database
        when_full: what becomes of decisions when the disk or the queue is full
        queue: how many decisions may wait to be written
        window_s: how long a decision that nobody waits for may wait
        keep_days: older records are deleted; 0: none ever is
    """

    # A URL may have a password.
    target: str = field(repr=False)
    when_full: WhenFull = WhenFull.REFUSE
    queue: int = 10_000
    window_s: float = 0.05
    masks: Masks = field(default_factory=Masks)
    keep_days: int = 0

    @classmethod
    def of(cls, target: str, *, when_full: str, queue: int, masked: Iterable[str], mask_key: Path | None, keep_days: int) -> LogSettings:
        """Take what stands on a command line.

        Args:
            mask_key: a file with a secret of at least 16 bytes
        Raises:
            LogError: the key cannot be read or is too short
        """
        key = read_key(mask_key) if mask_key is not None else None
        return cls(target=target, when_full=WhenFull(when_full), queue=queue, masks=Masks(frozenset(masked), key), keep_days=keep_days)


def read_key(path: Path) -> bytes:
    """Read the secret for masks.

    Raises:
        LogError: it cannot be read, or is too short
    """
    try:
        key = path.read_bytes().strip()
    except OSError as e:
        raise LogError(f"the mask key {path}: {(e.strerror or str(e)).lower()}") from None
    if len(key) < MIN_KEY_BYTES:
        raise LogError(f"the mask key {path} has {len(key)} bytes; at least {MIN_KEY_BYTES} are needed, such as `openssl rand -hex 32`")
    return key

"""Keeps the gate by its files: read at the start, looked at every second, never replaced by what cannot be used."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from policybook.server.access.callers import Callers, CallersError, read_callers
from policybook.server.access.gate import Gate
from policybook.server.access.jwt_tokens import Keys, Tokens

log = logging.getLogger("policybook.server")

LOOK_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """How callers prove who they are, and what limits those that the file does not.

    Args:
        is_open: they do not
        callers: the file of callers
        jwt_keys: path or URL of the issuer's keys; empty: no JWTs are taken
    """

    is_open: bool = False
    callers: Path | None = None
    jwt_keys: str = ""
    jwt_issuer: str = ""
    jwt_audience: tuple[str, ...] = ()
    jwt_roles: str = "roles"
    caller_key: str = "x-policybook-caller"
    rate: float = 0.0
    requests: int = 0
    retry_s: float = 1.0


class Keeper:
    """Makes the gate, and brings it up to date while it is watched.

    Raises:
        AccessFileError: a file cannot be used
    """

    def __init__(self, means: Means) -> None:
        self._means = means
        self._looks = self._look()
        callers = self._callers()
        self._keys: Keys | None = None
        tokens = None
        if means.jwt_keys:
            self._keys = Keys(means.jwt_keys)
            self._keys.load()
            tokens = Tokens(self._keys, means.jwt_issuer, means.jwt_audience, means.jwt_roles)
        self.gate = Gate(
            is_open=means.is_open,
            callers=callers,
            tokens=tokens,
            caller_key=means.caller_key,
            rate=means.rate,
            requests=means.requests,
            retry_s=means.retry_s,
        )
        self._watching: asyncio.Task[None] | None = None

    def watch(self) -> None:
        """Look for changes from now on, on the running loop."""
        if self._means.callers or self._keys:
            self._watching = asyncio.create_task(self._watch())

    def stop(self) -> None:
        """Look no more."""
        if self._watching is not None:
            self._watching.cancel()

    async def _watch(self) -> None:
        while True:
            try:
                if self._keys is not None:
                    await self._keys.refresh_if_due()
                await self._read_again()
            except Exception:
                # It must not end: a caller that is taken out of the file would stay in.
                log.exception("the files of callers and keys could not be looked at")
            await asyncio.sleep(LOOK_S)

    async def _read_again(self) -> None:
        looks = self._look()
        if looks == self._looks:
            return
        self._looks = looks
        try:
            callers = await asyncio.to_thread(self._callers)
        except CallersError as e:
            log.error("the callers known so far stay, since the new file cannot be used: %s", e)  # noqa: TRY400 - it says it all
            return
        self.gate.take(callers)
        log.info("callers read again from %s: %d", self._means.callers, callers.count)

    def _callers(self) -> Callers:
        path = self._means.callers
        return read_callers(path, rate=self._means.rate, requests=self._means.requests) if path else Callers()

    def _look(self) -> object:
        try:
            stat = self._means.callers.stat() if self._means.callers else None
        except OSError:
            return "gone"
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino) if stat else None

"""The gate: decides who calls and whether the call is let in, before anything of it is read.

It knows no gRPC and no HTTP: a door describes the call as a `Visit`, asks `enter`, serves the `Caller` it gets, and calls `leave`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from policybook.server.access.callers import ANYBODY, Callers, Known, digest_of
from policybook.server.access.errors import ForbiddenError, UnauthenticatedError
from policybook.server.access.rates import Accounts
from policybook.server.access.roles import ANY_ROLE, EVERYBODY, EVERYTHING, METHODS, Caller, Role

log = logging.getLogger("policybook.access")

MAX_NAME = 200
NOBODY = Caller("", "", {})


@dataclass(frozen=True, slots=True)
class Visit:
    """A call, as a door sees it before it reads the request.

    Args:
        method: `/policybook.v1.DecisionService/Decide`, whatever the door calls it itself
        metadata: names in lower case -> value; of a name that comes twice the first. HTTP headers are such
        peer: the address at the other end, without its port
        certificate: names in the client's certificate that TLS has proved: subject alternative names, then the common name
    """

    method: str
    metadata: Mapping[str, str]
    peer: str
    certificate: Sequence[str] = ()


class Gate:
    """Lets calls in, or not. Belongs to one event loop.

    Args:
        is_open: nobody has to prove anything; only for loopback
        callers: those of the file
        caller_key: the metadata by which a proxy says for whom it speaks
        wall: seconds since 1970, for what expires
    """

    def __init__(
        self,
        *,
        is_open: bool = False,
        callers: Callers | None = None,
        caller_key: str = "x-policybook-caller",
        retry_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._is_open = is_open
        self._callers = callers or Callers()
        self._caller_key = caller_key.lower()
        self._wall = wall
        self._accounts = Accounts(clock, retry_s)

    @property
    def wants_certificates(self) -> bool:
        """Whether a visit should tell the names in the client's certificate."""
        return bool(self._callers.by_certificate)

    async def enter(self, visit: Visit) -> Caller:
        """Let a call in, and count it as in progress until `leave`.

        Raises:
            UnauthenticatedError: nobody knows who calls
            ForbiddenError: the caller has no role for the method
            RateError: the caller asks too often
            OverloadedError: the caller has too many calls in progress
        """
        needed = METHODS.get(visit.method)
        if needed is None:
            raise ForbiddenError(visit.peer, ("none",))
        if self._is_open:
            return Caller(visit.metadata.get(self._caller_key, "")[:MAX_NAME] or visit.peer, "", EVERYTHING)
        if needed is EVERYBODY:
            return NOBODY
        caller = await self._proved(visit)
        if not any(role in caller.grants for role in needed):
            roles = () if needed is ANY_ROLE else tuple(sorted(role.value for role in needed))
            raise ForbiddenError(caller.identity, roles or ("any",))
        caller = self._spoken_for(caller, visit)
        self._accounts.enter(caller)
        return caller

    def leave(self, caller: Caller) -> None:
        """Note the end of a call that was let in."""
        if caller.identity:
            self._accounts.leave(caller)

    def charge(self, caller: Caller, count: int) -> float:
        """Count decisions that one call asks beyond its first; returns for how many seconds its next should wait."""
        return self._accounts.charge(caller, count) if caller.identity and count > 0 else 0.0

    def take(self, callers: Callers) -> None:
        """Go by another file of callers from now on."""
        self._callers = callers

    async def _proved(self, visit: Visit) -> Caller:
        presented = visit.metadata.get("authorization")
        if presented is not None:
            scheme, _, token = presented.partition(" ")
            known = self._callers.by_token.get(digest_of(token.strip())) if scheme.lower() == "bearer" else None
            return self._unless_expired(known, visit)
        for name in visit.certificate:
            if (known := self._callers.by_certificate.get(name)) is not None:
                return self._unless_expired(known, visit)
        if visit.certificate and (known := self._callers.by_certificate.get(ANYBODY)) is not None:
            caller = self._unless_expired(known, visit)
            return replace(caller, name=visit.certificate[0][:MAX_NAME], identity=visit.certificate[0][:MAX_NAME])
        raise self._unknown(visit, presented=bool(visit.certificate))

    def _unless_expired(self, known: Known | None, visit: Visit) -> Caller:
        if known is None or self._wall() >= known.until:
            raise self._unknown(visit, presented=True)
        return known.caller

    def _unknown(self, visit: Visit, *, presented: bool) -> UnauthenticatedError:
        return UnauthenticatedError("send `authorization: Bearer TOKEN`", presented=presented)

    def _spoken_for(self, caller: Caller, visit: Visit) -> Caller:
        name = visit.metadata.get(self._caller_key, "")[:MAX_NAME]
        if not name or name == caller.name:
            return caller
        if Role.PROXY not in caller.grants:
            raise ForbiddenError(caller.identity, (Role.PROXY.value,), what=f"to speak for another caller (`{self._caller_key}`)")
        return replace(caller, name=name)

"""The gate: decides who calls and whether the call is let in, before anything of it is read.

It knows no gRPC and no HTTP: a door describes the call as a `Visit`, asks `enter`, serves the `Caller` it gets, and calls `leave`.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from policybook.server.access.callers import ANYBODY, Callers, Known, digest_of
from policybook.server.access.errors import ForbiddenError, UnauthenticatedError
from policybook.server.access.jwt_tokens import TokenError, Tokens
from policybook.server.access.rates import Accounts
from policybook.server.access.roles import EVERYBODY, EVERYTHING, METHODS, Caller, Role, known_grants, merged

log = logging.getLogger("policybook.server")

CALLER_KEY = "x-policybook-caller"
MAX_NAME = 200
REFUSALS_S = 10.0
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
        tokens: what proves JWTs; None: there are none
        caller_key: the metadata by which a proxy says for whom it speaks
        rate, requests: of callers that no file limits
        retry_s: when a caller with too many calls in progress may come again
        wall: seconds since 1970, for what expires
    """

    def __init__(
        self,
        *,
        is_open: bool = False,
        callers: Callers | None = None,
        tokens: Tokens | None = None,
        caller_key: str = CALLER_KEY,
        rate: float = 0.0,
        requests: int = 0,
        retry_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._is_open = is_open
        self._callers = callers or Callers()
        self._tokens = tokens
        self._caller_key = caller_key.lower()
        self._rate = rate
        self._requests = requests
        self._wall = wall
        self._accounts = Accounts(clock, retry_s)
        self._refusals = _Refusals(clock)

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
            KeysError: the keys that its token is proved by cannot be had now
        """
        needed = METHODS.get(visit.method)
        if needed is None:
            raise ForbiddenError(visit.peer, ())
        if self._is_open:
            return Caller(visit.metadata.get(self._caller_key, "")[:MAX_NAME] or visit.peer, "", EVERYTHING)
        if needed is EVERYBODY:
            return NOBODY
        try:
            caller = await self._proved(visit)
        except _Unproved as e:
            self._refusals.note(e.why, visit.peer)
            raise UnauthenticatedError(self._how(), presented=e.presented) from None
        if not any(role in caller.grants for role in needed):
            raise ForbiddenError(caller.identity, tuple(sorted(needed)))
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
        """Say who calls: a token counts more than a certificate, which may be a proxy's.

        Raises:
            _Unproved: nobody knows
        """
        presented = visit.metadata.get("authorization")
        if presented is not None:
            scheme, _, token = presented.partition(" ")
            if scheme.lower() != "bearer":
                raise _Unproved("an authorization of another kind than Bearer")
            return await self._proved_by(token.strip())
        for name in visit.certificate:
            if (known := self._callers.by_certificate.get(name)) is not None:
                return self._unless_expired(known)
        if visit.certificate and (known := self._callers.by_certificate.get(ANYBODY)) is not None:
            name = _printable(visit.certificate[0])
            return replace(self._unless_expired(known), name=name, identity=name)
        if visit.certificate:
            raise _Unproved("a certificate of nobody in the file of callers")
        raise _Unproved("no credentials", presented=False)

    async def _proved_by(self, token: str) -> Caller:
        known = self._callers.by_token.get(digest_of(token))
        if known is not None:
            return self._unless_expired(known)
        if self._tokens is None or token.count(".") != 2:
            raise _Unproved("a token that is not known")
        try:
            proof = await self._tokens.proved(token)
        except TokenError as e:
            raise _Unproved(f"a JWT, {e}") from None
        named = self._callers.by_subject.get(proof.subject)
        if named is not None:
            caller = self._unless_expired(named)
            return replace(caller, grants=merged(caller.grants, known_grants(proof.roles)))
        return Caller(proof.subject, proof.subject, known_grants(proof.roles), self._rate, self._requests)

    def _unless_expired(self, known: Known) -> Caller:
        if self._wall() >= known.until:
            raise _Unproved(f"`{known.caller.name}` has expired in the file of callers")
        return known.caller

    def _how(self) -> str:
        ways = []
        if self._callers.by_token or self._tokens is not None:
            ways.append("send `authorization: Bearer TOKEN`")
        if self._callers.by_certificate:
            ways.append("connect with a client certificate that is known here")
        return " or ".join(ways) or "nobody can at the moment: the file of callers is empty"

    def _spoken_for(self, caller: Caller, visit: Visit) -> Caller:
        name = _printable(visit.metadata.get(self._caller_key, ""))
        if not name or name == caller.name:
            return caller
        if Role.PROXY not in caller.grants:
            raise ForbiddenError(caller.identity, (Role.PROXY.value,), what=f"to speak for another caller (`{self._caller_key}`)")
        return replace(caller, name=name)


class _Unproved(Exception):  # noqa: N818 - never leaves this module
    """Nobody knows who calls; `why` is for the log alone."""

    def __init__(self, why: str, *, presented: bool = True) -> None:
        self.why = why
        self.presented = presented


class _Refusals:
    """Writes refused credentials to the log: why, how many, from where; a flood of them is one line in ten seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._next = float("-inf")

    def note(self, why: str, peer: str) -> None:
        """Count one; nothing of what was presented is written."""
        self._counts[why] += 1
        if self._clock() >= self._next:
            self._next = self._clock() + REFUSALS_S
            counted = ", ".join(f"{w} ({n})" for w, n in self._counts.most_common(5))
            self._counts.clear()
            log.warning("calls refused, nobody knows of whom: %s; the last came from %s", counted, peer)


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name[:MAX_NAME])

"""JSON Web Tokens: keys of the issuer, from a file or fetched, and what a token proves.

Only asymmetric signatures: with a shared secret whoever can check a token could make one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import time
import urllib.error
import urllib.request
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt

from policybook.server.access.callers import digest_of
from policybook.server.access.errors import AccessFileError, KeysError

log = logging.getLogger("policybook.server")

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
# How far the issuer's clock may be from ours.
LEEWAY_S = 30.0
# Keys are fetched again this often, and for a key that nobody knows at most this often; without success they are trusted so long.
REFRESH_S = 300.0
UNKNOWN_S = 30.0
RETRY_S = 2.0
STALE_S = 86_400.0
FETCH_S = 10.0
MAX_BYTES = 1024 * 1024
# LIMIT: tokens whose proof is remembered; each is proved again when it falls out.
MAX_PROVED = 10_000


# What JSON of strangers can bring about besides.
_ODD = (ValueError, TypeError, KeyError, OverflowError, RecursionError)


class KeysFileError(AccessFileError):
    """A set of keys that cannot be had or used; says why."""


class TokenError(Exception):
    """Why a token proves nothing: for the service's own log, never for the caller."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a token has proved.

    Args:
        subject: who it was issued to
        roles: what its claim says, in words that may not be ours
        until: seconds since 1970
    """

    subject: str
    roles: tuple[str, ...]
    until: float


class Keys:
    """The public keys of the issuer, by their ids.

    Args:
        source: the path of a file, or a URL
        wall: seconds since 1970
    """

    def __init__(self, source: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._is_url = is_url(source)
        self._clock = clock
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._had_at: float | None = None
        self._tried_at = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None
        self._looks: object = None
        self.generation = 0

    def load(self) -> None:
        """Read the keys of a file; those behind a URL come with the first `refresh`.

        Raises:
            KeysFileError: it cannot be used
        """
        if not self._is_url:
            self._take(_from_file(Path(self._source)))
            self._looks = _looks(Path(self._source))

    async def key(self, kid: str | None) -> jwt.PyJWK:
        """Return a key. One that is not there is asked for again, if that was not done just now.

        Raises:
            TokenError: there is none of this id
            KeysError: there are none at all
        """
        found = self._find(kid)
        if found is None and self._is_url and self._clock() - self._tried_at > UNKNOWN_S:
            await self.refresh()
            found = self._find(kid)
        if self._had_at is None or (self._is_url and self._clock() - self._had_at > STALE_S):
            raise KeysError(RETRY_S)
        if found is None:
            raise TokenError("signed with a key that the issuer does not name")
        return found

    async def refresh_if_due(self) -> None:
        """Bring the keys up to date, where it is time to."""
        if self._is_url:
            if self._clock() - self._tried_at > (REFRESH_S if self._had_at is not None else RETRY_S):
                await self.refresh()
        elif (looks := _looks(Path(self._source))) != self._looks:
            self._looks = looks
            try:
                self._take(await asyncio.to_thread(_from_file, Path(self._source)))
                log.info("keys for tokens read again from %s", self._source)
            except KeysFileError as e:
                log.error("the keys for tokens stay, since the new ones cannot be used: %s", e)  # noqa: TRY400 - it says it all

    async def refresh(self) -> None:
        """Fetch the keys; all that ask meanwhile wait for the same."""
        if self._refreshing is None or self._refreshing.done():
            self._tried_at = self._clock()
            self._refreshing = asyncio.create_task(self._fetch())
        await asyncio.shield(self._refreshing)

    async def _fetch(self) -> None:
        try:
            self._take(await asyncio.to_thread(_from_url, self._source))
        except KeysFileError as e:
            kept = "those there are stay" if self._had_at is not None else "tokens cannot be proved without"
            log.error("the keys for tokens cannot be fetched, and %s: %s", kept, e)  # noqa: TRY400 - it says it all

    def _find(self, kid: str | None) -> jwt.PyJWK | None:
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid)

    def _take(self, keys: Mapping[str, jwt.PyJWK]) -> None:
        self._had_at = self._clock()
        if {k: v.key for k, v in keys.items()} != {k: v.key for k, v in self._keys.items()}:
            self.generation += 1
        self._keys = keys


class Tokens:
    """Tells what a token proves, and remembers it until the token or the keys change.

    Args:
        issuer, audience: what the claims `iss` and `aud` must be; of several audiences one is enough
        roles_claim: `roles`, or a path such as `realm_access.roles`; a list, or words with spaces between
    """

    def __init__(
        self, keys: Keys, issuer: str, audience: Sequence[str], roles_claim: str, *, wall: Callable[[], float] = time.time
    ) -> None:
        self.keys = keys
        self._issuer = issuer
        self._audience = list(audience)
        self._roles_claim = roles_claim
        self._wall = wall
        self._proved: OrderedDict[bytes, tuple[int, Proof]] = OrderedDict()

    async def proved(self, token: str) -> Proof:
        """Prove a token.

        Raises:
            TokenError: it proves nothing
            KeysError: it cannot be told now
        """
        digest = digest_of(token)
        known = self._proved.get(digest)
        if known is not None and known[0] == self.keys.generation:
            if self._wall() >= known[1].until + LEEWAY_S:
                raise TokenError("expired")
            return known[1]
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, *_ODD):
            raise TokenError("no JWT") from None
        if header.get("alg") not in ALGORITHMS:
            raise TokenError("an algorithm that is not taken")
        kid = header.get("kid")
        key = await self.keys.key(kid if isinstance(kid, str) else None)
        proof = self._read(token, key)
        self._proved[digest] = (self.keys.generation, proof)
        if len(self._proved) > MAX_PROVED:
            self._proved.popitem(last=False)
        return proof

    def _read(self, token: str, key: jwt.PyJWK) -> Proof:
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"], "verify_signature": True},
            )
        except jwt.ExpiredSignatureError:
            raise TokenError("expired") from None
        except jwt.InvalidAudienceError:
            raise TokenError("for another audience") from None
        except jwt.InvalidIssuerError:
            raise TokenError("of another issuer") from None
        except jwt.InvalidSignatureError:
            raise TokenError("a forged signature") from None
        except (jwt.PyJWTError, *_ODD) as e:
            raise TokenError(f"not sound ({type(e).__name__})") from None
        subject = "".join(c if c.isprintable() else "?" for c in claims["sub"])[:200]
        if not subject:
            raise TokenError("without a subject")
        return Proof(subject, _roles(claims, self._roles_claim), float(claims["exp"]))


def _roles(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, str):
        return tuple(found.split())
    return tuple(word for word in found if isinstance(word, str)) if isinstance(found, list) else ()


def is_url(source: str) -> bool:
    """Tell whether keys are fetched."""
    return source.startswith(("https://", "http://"))


def is_safe_url(source: str) -> bool:
    """Tell whether nobody on the way can put other keys in the place of those fetched: TLS, or this very machine."""
    parts = urlsplit(source)
    if parts.scheme == "https":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"


def _from_file(path: Path) -> Mapping[str, jwt.PyJWK]:
    try:
        return _keys(path.read_bytes(), str(path))
    except OSError as e:
        raise KeysFileError(f"{path}: {(e.strerror or str(e)).lower()}") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Another address could be one without TLS."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _from_url(source: str) -> Mapping[str, jwt.PyJWK]:
    parts = urlsplit(source)
    where = f"{parts.scheme}://{parts.hostname}{parts.path}"
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if parts.scheme == "http":
        # Of this machine: a proxy could not reach it.
        handlers.append(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(source, headers={"accept": "application/json"})  # noqa: S310 - https, or this machine
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=FETCH_S) as answer:
            data = answer.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as e:
        raise KeysFileError(f"{where}: status {e.code}") from None
    except (OSError, ValueError) as e:
        reason = getattr(e, "reason", e)
        raise KeysFileError(f"{where}: {getattr(reason, 'strerror', None) or type(reason).__name__}") from None
    if len(data) > MAX_BYTES:
        raise KeysFileError(f"{where}: more than {MAX_BYTES} bytes")
    return _keys(data, where)


def _keys(data: bytes, where: str) -> Mapping[str, jwt.PyJWK]:
    try:
        entries = json.loads(data)["keys"]
        assert isinstance(entries, list)
    except (*_ODD, AssertionError):
        raise KeysFileError(f'{where}: no set of keys; one is {{"keys": [...]}}') from None
    found: dict[str, jwt.PyJWK] = {}
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(entry)
        except (jwt.PyJWTError, *_ODD):
            # Of a kind that this library does not know; others may be there.
            continue
        if key.algorithm_name in ALGORITHMS:
            found[str(entry.get("kid", f"#{number}"))] = key
    if not found:
        raise KeysFileError(f"{where}: no public key that signatures can be checked with ({', '.join(ALGORITHMS)})")
    return found


def _looks(path: Path) -> object:
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)

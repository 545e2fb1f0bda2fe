"""The server's certificate: read from files, checked, read again when they change. What is wrong never takes the place of what works."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from policybook.server.access.errors import AccessFileError

log = logging.getLogger("policybook.server")

SOON = timedelta(days=14)
REMIND = timedelta(days=1)


class CertificateError(AccessFileError):
    """A certificate or key that cannot be used; says which file and why."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What TLS needs, as PEM.

    Args:
        client_ca: whose certificates callers must have; None: they need none
        until: when the first certificate of the chain expires
    """

    key: bytes
    chain: bytes
    client_ca: bytes | None
    until: datetime


class Certificates:
    """The files, and what was last read from them that works. Asked by threads of gRPC.

    Raises:
        CertificateError: what the files hold now cannot be used
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None, *, now: Callable[[], datetime]) -> None:
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self._now = now
        self._lock = threading.Lock()
        self._seen = self._looks()
        self.pair = self._read()
        self._reminded = datetime.min.replace(tzinfo=UTC)
        self._remind()

    def context(self) -> ssl.SSLContext:
        """Return what a server of Python's own TLS goes by; `renew` keeps it up to date."""
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        if self._client_ca is not None:
            made.verify_mode = ssl.CERT_REQUIRED
        self._load(made)
        return made

    def renew(self, context: ssl.SSLContext) -> None:
        """Have new connections get the certificate that the files hold now, if it can be used."""
        if self.changed() is not None:
            try:
                self._load(context)
            except (OSError, ssl.SSLError) as e:
                log.error("the certificate in service stays: %s", e)  # noqa: TRY400 - it says it all

    def _load(self, context: ssl.SSLContext) -> None:
        context.load_cert_chain(self._certificate, self._key)
        if self.pair.client_ca is not None:
            # LIMIT: an authority that is taken out of the file stays trusted until the next start; over gRPC it does not.
            context.load_verify_locations(cadata=self.pair.client_ca.decode("ascii", "ignore"))

    def changed(self) -> Pair | None:
        """Return what the files hold, if it is another than was last returned and can be used; None: go on with what there is."""
        with self._lock:
            self._remind()
            looks = self._looks()
            if looks == self._seen:
                return None
            self._seen = looks
            try:
                found = self._read()
            except CertificateError as e:
                log.error("the certificate in service stays, since a new one cannot be used: %s", e)  # noqa: TRY400 - it says it all
                return None
            if found == self.pair:
                return None
            self.pair = found
            self._reminded = datetime.min.replace(tzinfo=UTC)
            log.info("new connections get the certificate of %s, valid until %s", self._certificate, _day(found.until))
            self._remind()
            return found

    def _remind(self) -> None:
        now = self._now()
        if self.pair.until - now < SOON and now - self._reminded > REMIND:
            self._reminded = now
            verb = "expired" if self.pair.until <= now else "expires"
            log.warning("the certificate of %s %s on %s", self._certificate, verb, _day(self.pair.until))

    def _looks(self) -> tuple[object, ...]:
        found: list[object] = []
        for path in (self._certificate, self._key, self._client_ca):
            try:
                stat = path.stat() if path else None
            except OSError:
                stat = None
            found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino) if stat else None)
        return tuple(found)

    def _read(self) -> Pair:
        chain, key = _bytes(self._certificate), _bytes(self._key)
        certificates = _certificates(self._certificate, chain)
        try:
            private = load_pem_private_key(key, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # What cryptography says of it may hold part of the key.
            raise CertificateError(f"{self._key}: no private key in PEM without a password") from None
        leaf = certificates[0]
        if _public(leaf.public_key()) != _public(private.public_key()):
            raise CertificateError(f"{self._key}: this is not the key of the certificate in {self._certificate}")
        client_ca = None
        if self._client_ca is not None:
            client_ca = _bytes(self._client_ca)
            _certificates(self._client_ca, client_ca)
        until = leaf.not_valid_after_utc
        if until <= self._now():
            raise CertificateError(f"{self._certificate}: expired on {_day(until)}")
        return Pair(key, chain, client_ca, until)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise CertificateError(f"{path}: {(e.strerror or str(e)).lower()}") from None


def _certificates(path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise CertificateError(f"{path}: no certificate in PEM") from None


def _public(key: object) -> bytes:
    made: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]  # each kind of key has it
    return made


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")

"""What proves who calls, made for tests: authorities, certificates, files of callers, JWTs."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from policybook.server.access.callers import new_entry

ISSUER = "https://login.example.com"
AUDIENCE = "policybook"
HERE = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def pem(key: Any) -> bytes:
    made: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made


class Authority:
    """A certificate authority."""

    def __init__(self, name: str = "an authority") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name(name)
        self.certificate = self._signed(self.name, self.key, timedelta(days=365), x509.BasicConstraints(ca=True, path_length=None), ())

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(self, common_name: str, *, days: float = 90, names: Sequence[x509.GeneralName] = ()) -> tuple[bytes, bytes]:
        """Return a certificate and its key, as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._signed(_name(common_name), key, timedelta(days=days), x509.BasicConstraints(ca=False, path_length=None), names)
        return made.public_bytes(Encoding.PEM), pem(key)

    def serve(self, folder: Path, *, days: float = 90) -> tuple[Path, Path]:
        """Write a certificate for this machine, and its key; return their paths."""
        certificate, key = self.issue("policybook", days=days, names=HERE)
        return write(folder / "tls.crt", certificate), write(folder / "tls.key", key)

    def _signed(
        self, name: x509.Name, key: Any, lasting: timedelta, constraints: x509.BasicConstraints, names: Sequence[x509.GeneralName]
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, now + lasting) - timedelta(days=2))
            .not_valid_after(now + lasting)
            .add_extension(constraints, critical=True)
        )
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return made.sign(self.key, hashes.SHA256())


def write(path: Path, data: bytes | str) -> Path:
    """Put a file in the place of another, whole."""
    beside = path.with_name(f".{path.name}")
    beside.write_bytes(data.encode() if isinstance(data, str) else data)
    beside.replace(path)
    return path


class Callers:
    """A file of callers, with a token for each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tokens: dict[str, str] = {}
        self._entries: list[str] = []

    def add(self, name: str, *roles: str, more: str = "") -> str:
        """Add a caller with a token; return the token.

        Args:
            more: lines of the entry
        """
        token, entry = new_entry(name, roles, None)
        self.tokens[name] = token
        self._entries.append(entry + "".join(f"    {line}\n" for line in more.splitlines()))
        self.save()
        return token

    def put(self, entry: Mapping[str, Any]) -> None:
        """Add an entry as it is."""
        self._entries.append(f"  - {json.dumps(dict(entry))}\n")
        self.save()

    def remove(self, name: str) -> None:
        """Take a caller out of the file."""
        self._entries = [e for e in self._entries if f"name: {name}\n" not in e]
        self.save()

    def save(self) -> None:
        write(self.path, "callers:\n" + "".join(self._entries) if self._entries else "callers: []\n")


class Issuer:
    """Issues JWTs."""

    def __init__(self, kid: str = "k1", *, algorithm: str = "ES256") -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.key: Any = (
            rsa.generate_private_key(65_537, 2048) if algorithm.startswith(("RS", "PS")) else ec.generate_private_key(ec.SECP256R1())
        )

    @property
    def jwk(self) -> dict[str, Any]:
        public = self.key.public_key()
        kind = jwt.algorithms.RSAAlgorithm if isinstance(self.key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
        return {**json.loads(kind.to_jwk(public)), "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def token(self, subject: str = "u1", roles: Any = ("decide",), *, headers: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Make a token; claims that are None are left out."""
        whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": time.time() + 600, "roles": roles, **claims}
        sound = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(sound, self.key, algorithm=self.algorithm, headers={"kid": self.kid, **(headers or {})})


def keys_text(*issuers: Issuer) -> str:
    """Write the set of keys of issuers."""
    return json.dumps({"keys": [i.jwk for i in issuers]})


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata that presents a token."""
    return (("authorization", f"Bearer {token}"),)


def channel(port: int, *, ca: bytes = b"", pair: tuple[bytes, bytes] | None = None) -> grpc.Channel:
    """Connect, over TLS where there is an authority to trust."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    if not ca:
        return grpc.insecure_channel(f"127.0.0.1:{port}", options=options)
    certificate, key = pair or (None, None)
    return grpc.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(ca, key, certificate), options=options)

"""How commands that ask a service prove who asks: options, and what they come to."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from policybook.cli.exits import FaultError

if TYPE_CHECKING:
    from policybook.server.asking import Tls

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Access:
    """What was given; files are read when they are needed."""

    token_file: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def tls(self, target: str) -> Tls | None:
        """Return how to connect over TLS, which another machine is always asked over; None: in the clear.

        Raises:
            FaultError: a file cannot be read
            click.UsageError: a certificate without its key, or a key without its certificate
        """
        from policybook.server.asking import Tls, is_near  # noqa: PLC0415 - gRPC is slow to import

        if bool(self.certificate) != bool(self.key):
            raise click.UsageError("--cert and --key go together")
        if not (self.ca or self.certificate) and is_near(target):
            return None
        return Tls(*(_read(path) if path else None for path in (self.ca, self.certificate, self.key)))

    def options(self, target: str) -> dict[str, Any]:
        """Return these as arguments of the Python client; raises as `tls` does."""
        from policybook.server.asking import credentials_of  # noqa: PLC0415 - see above

        token = None
        if self.token_file:
            token = _read(self.token_file).decode("utf-8", "replace").strip()
            if not re.fullmatch(r"[!-~]+", token):
                raise FaultError(f"{self.token_file}: holds no token; one is a line of letters, digits and signs, without a space")
        return {"credentials": credentials_of(self.tls(target)), "token": token}


NOBODY = Access()


def access_options(function: F) -> F:
    """Add all options; the command gets them as `access`."""
    return _options(function, "token_file", "ca", "cert", "key")


def tls_options(function: F) -> F:
    """Add the options of TLS, for what is answered to everybody; the command gets them as `access`."""
    return _options(function, "ca", "cert", "key")


_HELP = {
    "token_file": "With --server: a file that holds a token of ours alone.",
    "ca": "With --server: whom to trust, PEM; another machine is asked over TLS in any case  [default: as the system]",
    "cert": "With --server: our certificate, PEM, where the service asks for one.",
    "key": "With --server: the key of --cert, PEM.",
}


def _options(function: F, *names: str) -> F:
    path = click.Path(exists=True, dir_okay=False, path_type=Path)

    @functools.wraps(function)
    def command(*args: Any, **given: Any) -> Any:
        token_file, ca, certificate, key = (given.pop(name, None) for name in _HELP)
        return function(*args, access=Access(token_file, ca, certificate, key), **given)

    made: Any = command
    for name in reversed(names):
        made = click.option(f"--{name.replace('_', '-')}", name, type=path, metavar="FILE", help=_HELP[name])(made)
    return made  # type: ignore[no-any-return]  # it is what was given, with options


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise FaultError(f"{path}: {(e.strerror or str(e)).lower()}") from None

"""The file of callers: who they are, how they prove it, what they may do.

    callers:
      - name: erp
        token: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
        roles: [decide]
        expires: 2027-06-30
      - name: billing
        certificate: billing.example.com
        roles: [decide:credit, read:credit]
        rate: 500

The secrets themselves stand nowhere: a token is 256 random bits, so its plain SHA-256 tells nothing of it.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from policybook.server.access.errors import AccessFileError
from policybook.server.access.roles import Caller, grants_of

PREFIX = "pb_"
ANYBODY = "*"


class CallersError(AccessFileError):
    """The file of callers cannot be used; each line says where and why."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        self.lines = lines
        super().__init__("; ".join(lines))


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200, pattern=r"^[!-~]([ -~]*[!-~])?$")
    token: str = Field("", pattern=r"^(sha256:[0-9a-f]{64})?$")
    certificate: str = Field("", max_length=400)
    subject: str = Field("", max_length=400)
    roles: tuple[str, ...] = Field(min_length=1)
    expires: date | None = None
    rate: float = Field(0.0, ge=0)
    requests: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _sound(self) -> _Entry:
        if sum(map(bool, (self.token, self.certificate, self.subject))) != 1:
            raise ValueError("state one of `token`, `certificate` and `subject`: how it proves who it is")
        grants_of(self.roles)
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    # Written and left empty, it is of nobody.
    callers: tuple[_Entry, ...] | None


@dataclass(frozen=True, slots=True)
class Known:
    """One caller of the file.

    Args:
        until: from this moment on it is not let in; seconds since 1970
    """

    caller: Caller
    until: float


@dataclass(frozen=True, slots=True)
class Callers:
    """All callers of the file, by what they prove themselves with.

    Args:
        by_token: SHA-256 of the token -> caller
        by_certificate: a name in the client's certificate, or `*` -> caller
        by_subject: the `sub` of a JWT -> caller
    """

    by_token: Mapping[bytes, Known] = field(default_factory=dict)
    by_certificate: Mapping[str, Known] = field(default_factory=dict)
    by_subject: Mapping[str, Known] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.by_token) + len(self.by_certificate) + len(self.by_subject)


def read_callers(path: Path, *, rate: float = 0.0, requests: int = 0) -> Callers:
    """Read the file.

    Args:
        rate, requests: of those callers that state none
    Raises:
        CallersError: it cannot be read, or holds what cannot be; no secret is repeated
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise CallersError((f"{path}: {(e.strerror or str(e)).lower()}",)) from None
    except UnicodeDecodeError:
        raise CallersError((f"{path}: not UTF-8 text",)) from None
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise CallersError((f"{path}{place}: {getattr(e, 'problem', None) or 'not YAML'}",)) from None
    try:
        entries = _File.model_validate(found if found is not None else {}).callers or ()
    except ValidationError as e:
        raise CallersError(tuple(f"{path}: {_words(error, found)}" for error in e.errors(include_input=False, include_url=False))) from None
    return _sorted(path, entries, rate, requests)


def _sorted(path: Path, entries: tuple[_Entry, ...], rate: float, requests: int) -> Callers:
    by: dict[str, dict[Any, Known]] = {"token": {}, "certificate": {}, "subject": {}}
    twice = []
    for entry in entries:
        caller = Caller(entry.name, entry.name, grants_of(entry.roles), entry.rate or rate, entry.requests or requests)
        # The day itself is the last on which it holds, wherever one is.
        last = datetime.combine(entry.expires + timedelta(days=1), time(), UTC).timestamp() if entry.expires else float("inf")
        way, value = next((w, v) for w, v in (("token", entry.token), ("certificate", entry.certificate), ("subject", entry.subject)) if v)
        key: bytes | str = bytes.fromhex(value.removeprefix("sha256:")) if way == "token" else value
        if key in by[way]:
            twice.append(f"{path}: `{entry.name}` and `{by[way][key].caller.name}` have the same {way}")
        by[way][key] = Known(caller, last)
    if twice:
        raise CallersError(tuple(twice))
    return Callers(by["token"], by["certificate"], by["subject"])


def _words(error: Any, found: Any) -> str:
    """Say what is wrong with an entry, by its name where it has one; values are not repeated: one may be a secret."""
    place = list(error["loc"])
    if place[:1] == ["callers"] and len(place) > 1:
        try:
            name = str(found["callers"][place[1]]["name"])[:100]
        except (KeyError, TypeError, IndexError):
            name = ""
        entry = f"caller {place[1] + 1}" + (f" (`{name}`)" if name else "")
        rest = ".".join(map(str, place[2:]))
        place = [f"{entry}: {rest}" if rest else entry]
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "string_pattern_mismatch" and str(place[-1]).endswith("token"):
        message = "a token stands here as `sha256:` and 64 hexadecimal digits, as `policybook token new` writes it"
    elif error["type"] == "extra_forbidden":
        message = f"there is no such key; an entry has {', '.join(_Entry.model_fields)}"
    where = ".".join(map(str, place))
    return f"{where}: {message[:1].lower()}{message[1:]}" if where else f"{message[:1].lower()}{message[1:]}; write `callers:` and a list"


def digest_of(token: str) -> bytes:
    """Return what stands for a token in the file, and in memory."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def new_entry(name: str, roles: tuple[str, ...], expires: date | None) -> tuple[str, str]:
    """Make a token; return it, and its entry for the file, which does not hold it.

    Raises:
        ValueError: a name or role that cannot be
    """
    token = PREFIX + secrets.token_urlsafe(32)
    entry: dict[str, Any] = {"name": name, "token": f"sha256:{digest_of(token).hex()}", "roles": list(roles)}
    if expires is not None:
        entry["expires"] = expires
    try:
        _Entry.model_validate(entry)
    except ValidationError as e:
        error: Any = e.errors(include_input=False, include_url=False)[0]
        raise ValueError(": ".join((*map(str, error["loc"]), error["msg"].removeprefix("Value error, ")))) from None
    text = yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, default_flow_style=None, width=200)
    return token, "".join(f"  {line}\n" for line in text.splitlines())


def add_entry(path: Path, entry: str) -> None:
    """Put an entry at the end of the file, or begin one that its owner alone can read; a service sees it whole or not at all.

    Raises:
        CallersError: what is there is no file of callers, or would not be one with the entry
        OSError: it cannot be written
    """
    before = "callers:\n"
    if path.exists():
        read_callers(path)
        before = re.sub(r"(?m)^callers:[ \t]*\[[ \t]*\]", "callers:", path.read_text(encoding="utf-8"))
    if before and not before.endswith("\n"):
        before += "\n"
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False) as made:
        beside = Path(made.name)
        try:
            made.write(before + entry)
            made.flush()
            os.fsync(made.fileno())
            beside.chmod(mode)
            read_callers(beside)
            beside.replace(path)
        except CallersError as e:
            beside.unlink()
            raise CallersError(tuple(line.replace(str(beside), str(path)) for line in e.lines)) from None
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

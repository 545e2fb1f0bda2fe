"""How to serve: every setting once, with its kind, its bounds and its sentence of help.

A setting has one name everywhere: `log_keep_days` in a file, `--log-keep-days` on the command line, `POLICYBOOK_LOG_KEEP_DAYS` in the
environment. A flag wins over the environment, that over the file, that over what stands here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, SettingsConfigDict

from policybook.audit.log import WhenFull
from policybook.audit.settings import LogSettings
from policybook.diagnostics import did_you_mean
from policybook.server.access.gate import CALLER_KEY
from policybook.server.access.jwt_tokens import is_safe_url, is_url
from policybook.server.access.keeper import Means
from policybook.server.address import is_loopback
from policybook.server.limits import Limits

PREFIX = "POLICYBOOK_"
FILE_VARIABLE = f"{PREFIX}CONFIG"

# In the environment a list is written with commas.
Paths = Annotated[tuple[Path, ...], NoDecode]
Words = Annotated[tuple[str, ...], NoDecode]


NEEDED = (
    "Name callers in a file (--callers FILE; `policybook token new` makes an entry), or take JWTs (--jwt-keys, --jwt-issuer, --jwt-audience): "
    "docs/security.md."
)
UNLESS = "For a trial on this machine: --insecure"


class SettingsError(Exception):
    """Settings that cannot be; each line says which, where it was set, and what is allowed."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        self.lines = lines
        super().__init__("; ".join(lines))


class Settings(BaseModel):
    """How to serve."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    books: Paths = Field((), description="Folders of books, or single books; none: rules/.")
    challengers: Paths = Field((), description="Books, or folders of books, that decide beside those of their names; never answered.")
    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` for all.")
    port: int = Field(50_151, ge=0, le=65_535, description="Port to listen on; 0 takes any free one.")
    http_port: int | None = Field(None, ge=0, le=65_535, description="Port for JSON over HTTP; none unless it is set, 0 takes any.")
    http_origins: Words = Field((), description="Web pages that browsers may let call over HTTP: `https://erp.example`, or `*`.")
    workers: int = Field(0, ge=0, le=256, description="Processes that share the port; 0: one for each core.")
    reload_s: float = Field(1.0, ge=0, description="How often to look for edited books; 0 for never.")
    tls_certificate: Path | None = Field(None, description="Certificate of the service with its chain, PEM; read again when it changes.")
    tls_key: Path | None = Field(None, description="Its private key, PEM, without a password.")
    tls_client_ca: Path | None = Field(None, description="Callers need a certificate of one of these authorities (mutual TLS), PEM.")
    callers: Path | None = Field(None, description="File of callers: how each proves who it is, its roles; read again when it changes.")
    jwt_keys: str = Field("", description="Public keys (JWKS) of who issues tokens: https://..., or a file.")
    jwt_issuer: str = Field("", description="What the claim `iss` of a token must be.")
    jwt_audience: Words = Field((), description="What the claim `aud` of a token must be; one of them is enough.")
    jwt_roles: str = Field("roles", description="Claim with the roles: `roles`, `scope`, `realm_access.roles`.")
    rate: float = Field(0.0, ge=0, description="Calls and decisions a second of one caller, in each process; 0: as many as it likes.")
    insecure: bool = Field(False, description="Serve anybody on this machine, without TLS or with it; not on other addresses.")
    log: str = Field("", description="Record every decision in this file, or in a PostgreSQL database: postgresql://user@host/name.")
    log_full: WhenFull = Field(WhenFull.REFUSE, description="When it cannot be written to: give no answer, or answer and count.")
    log_queue: int = Field(10_000, ge=1, description="How many decisions may wait to be written, in each process.")
    log_keep_days: int = Field(0, ge=0, description="Delete older records; 0 for never.")
    mask: Words = Field((), description="Keep the values of this input out of the log: `tax_id`, `credit.tax_id`.")
    mask_key: Path | None = Field(None, description="A file with a secret: equal masked values get equal tokens.")
    caller_key: str = Field(CALLER_KEY, description="The metadata of a call that names the caller.")
    log_format: Literal["text", "json"] = Field("text", description="How the service's own log is written: for people, or for programs.")
    metrics_port: int | None = Field(
        None, ge=0, le=65_535, description="Port for Prometheus (/metrics); none unless it is set, 0 takes any."
    )
    metrics_host: str = Field("127.0.0.1", description="Address to listen on for Prometheus.")
    otlp_endpoint: str = Field("", description="Send traces to this OpenTelemetry collector: `http://collector:4317`.")
    near_percent: int = Field(5, ge=0, le=100, description="How close to a threshold a request counts as near, in percent; 0: none is.")
    stale_after_s: float = Field(0.0, ge=0, description="Not healthy once an edited book has been refused for so long; 0 for never.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much to log, on standard error.")
    limits: Limits = Field(Limits(), description="What one caller may ask at once.")

    def decision_log(self) -> LogSettings | None:
        """Return how decisions are recorded; None: they are not.

        Raises:
            LogError: the key for masks cannot be read or is too short
        """
        if not self.log:
            return None
        return LogSettings.of(
            self.log,
            when_full=self.log_full.value,
            queue=self.log_queue,
            masked=self.mask,
            mask_key=self.mask_key,
            keep_days=self.log_keep_days,
        )

    def means(self) -> Means:
        """Return how callers prove who they are.

        Raises:
            SettingsError: they cannot, or their secrets would go over a network unprotected
        """
        wrong = [*self._tls_faults(), *self._jwt_faults()]
        can_prove = bool(self.callers or self.jwt_keys)
        is_near = is_loopback(self.host)
        if self.insecure and (can_prove or self.tls_client_ca):
            wrong.append("--insecure serves anybody, and --callers, --jwt-keys and --tls-client-ca do not: choose")
        elif self.insecure and not is_near:
            wrong.append(f"--insecure serves anybody, which is for this machine alone; `{self.host}` can be reached from others. {NEEDED}")
        elif not self.insecure and not can_prove:
            wrong.append(f"nobody can prove who calls, so nobody is served. {NEEDED}" + (f" {UNLESS}" if is_near else ""))
        elif not is_near and not self.tls_certificate:
            wrong.append(
                f"`{self.host}` can be reached from other machines, and tokens and facts would go there unprotected: "
                "give --tls-certificate and --tls-key, or listen on 127.0.0.1 behind a proxy that ends TLS"
            )
        if wrong:
            raise SettingsError(tuple(wrong))
        return Means(
            is_open=self.insecure,
            callers=self.callers,
            jwt_keys=self.jwt_keys,
            jwt_issuer=self.jwt_issuer,
            jwt_audience=self.jwt_audience,
            jwt_roles=self.jwt_roles,
            caller_key=self.caller_key,
            rate=self.rate,
            requests=self.limits.caller_requests,
            retry_s=self.limits.retry_s,
        )

    def _tls_faults(self) -> Iterator[str]:
        if bool(self.tls_certificate) != bool(self.tls_key):
            yield "--tls-certificate and --tls-key go together: the one proves the other"
        if self.tls_client_ca and not self.tls_certificate:
            yield "--tls-client-ca asks callers for certificates, which takes TLS: give --tls-certificate and --tls-key"

    def _jwt_faults(self) -> Iterator[str]:
        if not self.jwt_keys:
            if self.jwt_issuer or self.jwt_audience:
                yield "--jwt-issuer and --jwt-audience say which JWTs are taken; --jwt-keys says whose keys prove them"
            return
        if not self.jwt_issuer or not self.jwt_audience:
            yield "--jwt-keys needs --jwt-issuer and --jwt-audience: a token that was issued for another service must not do here"
        if is_url(self.jwt_keys) and not is_safe_url(self.jwt_keys):
            yield "--jwt-keys: keys are fetched over https://; over http:// somebody on the way could put others in their place"

    @property
    def processes(self) -> int:
        """How many processes serve: as many as asked for, or one for each core that this process may use."""
        return self.workers or len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Configured:
    """Settings, and where each was set.

    Args:
        origins: name -> `--port`, `POLICYBOOK_PORT`, a file's name; a name that is missing has its default
        unknown: sentences about variables of ours that are no setting
    """

    settings: Settings
    origins: Mapping[str, str]
    unknown: tuple[str, ...]


class _Environment(BaseSettings, Settings):
    """What finds the settings in the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)


def configure(flags: Mapping[str, Any], *, file: Path | None = None) -> Configured:
    """Take settings together from flags, the environment and a file.

    Args:
        flags: those that were given, by name
        file: None: the one that POLICYBOOK_CONFIG names, if it does
    Raises:
        SettingsError: a name is unknown, a value is out of bounds, the file cannot be read
    """
    named = os.environ.get(FILE_VARIABLE)
    file = file or (Path(named) if named else None)
    layers: list[tuple[str, dict[str, Any]]] = []
    if file is not None:
        layers.append((str(file), _file(file)))
    try:
        found = EnvSettingsSource(_Environment)()
    except ValueError as e:
        raise SettingsError((f"the environment: {e}",)) from None
    layers += [("", found), ("", dict(flags))]
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for number, (where, layer) in enumerate(reversed(layers)):
        for name, value in layer.items():
            if name == "limits" and isinstance(value, dict) and name in values:
                values[name] = {**value, **values[name]}
                origins[name] += f", {where}"
            elif name not in values:
                values[name] = value
                origins[name] = where or (flag_of(name) if number == 0 else PREFIX + name.upper())
    try:
        settings = Settings.model_validate({name: _split(name, value) for name, value in values.items()})
    except ValidationError as e:
        raise SettingsError(tuple(_words(error, origins) for error in e.errors())) from None
    return Configured(settings, origins, _unknown())


def flag_of(name: str) -> str:
    """Return the flag of a setting: `--log-keep-days`."""
    return "PATHS" if name == "books" else "--" + name.replace("_", "-")


def _file(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise SettingsError((f"{path}: {(e.strerror or str(e)).lower()}",)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise SettingsError((f"{path}: {' '.join(str(e).split())}",)) from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise SettingsError((f"{path}: settings are written as `name: value`, a line each",))
    return {str(name): value for name, value in found.items()}


def _split(name: str, value: Any) -> Any:
    """Take apart what stands in one text: `a,b`."""
    field = Settings.model_fields.get(name)
    if isinstance(value, str) and field is not None and get_origin(field.annotation) is tuple:
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _words(error: Any, origins: Mapping[str, str]) -> str:
    place = [str(part) for part in error["loc"]]
    name = ".".join(place)
    origin = origins.get(place[0], "")
    if error["type"] == "extra_forbidden":
        known = Limits.model_fields if place[0] == "limits" else Settings.model_fields
        return f"{origin}: no setting `{name}`; {did_you_mean(place[-1], list(known))}"
    message = error["msg"][:1].lower() + error["msg"][1:]
    # A secret may have gone to the wrong place; only short plain values are repeated.
    given = error["input"]
    shown = f"`{given}`: " if isinstance(given, str | int | float) and re.fullmatch(r"[\w.+-]{1,40}", str(given)) else ""
    help_text = ""
    if str(given).startswith("tcp://"):
        help_text = "; Kubernetes sets this for a Service of that name: set enableServiceLinks: false"
    return f"{name} ({origin}): {shown}{message}{help_text}"


def _unknown() -> tuple[str, ...]:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | OTHER_VARIABLES
    return tuple(
        f"{name} is no setting; {did_you_mean(name, sorted(known))}"
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name not in known and not name.startswith(f"{PREFIX}LIMITS__")
    )


# Variables of the command line that are no settings of the service.
OTHER_VARIABLES = frozenset({FILE_VARIABLE, f"{PREFIX}DEBUG"})

"""What names a log: a file, or the URL of a database; and how it is shown without its secrets."""

from __future__ import annotations

import re

from policybook.errors import LogError

_SCHEME = re.compile(r"postgres(ql)?://")
_OTHER_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
_PLAIN = r"(?:[^\s:/?#@\[\]%]|%[0-9A-Fa-f]{2})*"
_HOST = rf"(?:{_PLAIN}|\[[0-9A-Fa-f:.]+\])(?::\d{{1,5}})?"
# Stricter than the driver, which makes a host or a port of what stands after an unescaped sign in a password, and says so in its errors.
_URL = re.compile(rf"(postgres(?:ql)?://)(?:({_PLAIN})(?::{_PLAIN})?(@))?({_HOST}(?:,{_HOST})*)(/{_PLAIN})?(?:\?([^\s#]*))?")
_SECRET = re.compile(r"[^=]*(?:password|secret|key)[^=]*=", re.IGNORECASE)
FORM = "postgresql://user@host:5432/name"


def is_url(target: str) -> bool:
    """Whether a log is in a database.

    Raises:
        LogError: it is the URL of something else, or one that cannot be read
    """
    if _SCHEME.match(target):
        if _URL.fullmatch(target):
            return True
        raise LogError(
            f"the decision log {without_password(target)}: this is no URL of a database; one is `{FORM}`. A password had better come from "
            "PGPASSWORD or ~/.pgpass; in a URL, signs such as / ? # @ : % are written as %2F %3F %23 %40 %3A %25"
        )
    if _OTHER_SCHEME.match(target):
        raise LogError(f"the decision log {without_password(target)}: a log is a file, or a database `{FORM}`")
    return False


def without_password(text: str) -> str:
    """Return a text; a URL without what is secret in it, and nothing but its beginning where that cannot be told."""
    found = _URL.fullmatch(text)
    if found:
        scheme, user, at, hosts, name, query = (part or "" for part in found.groups())
        parameters = [one for one in query.split("&") if one and not _SECRET.match(one)]
        return f"{scheme}{user}{at}{hosts}{name}{'?' * bool(parameters)}{'&'.join(parameters)}"
    other = _OTHER_SCHEME.match(text)
    return f"{other.group()}..." if other else text

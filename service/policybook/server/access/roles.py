"""Roles, what each may call, and for which books."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from policybook.diagnostics import did_you_mean
from policybook.server.access.errors import ForbiddenError

_BOOK = re.compile(r"[a-z][a-z0-9_]*\Z")


class Role(StrEnum):
    """What a caller is let in for. None includes another."""

    DECIDE = "decide"
    READ = "read"
    AUDIT = "audit"
    ADMIN = "admin"
    PROXY = "proxy"


# role -> the books that it holds for; None: all.
Grants: TypeAlias = "Mapping[Role, frozenset[str] | None]"

# Whoever is known may call it, whatever the role.
ANY_ROLE: Final = frozenset(Role)
# Also those may call it who are not known.
EVERYBODY: Final[frozenset[Role]] = frozenset()

_DECISIONS = "/policybook.v1.DecisionService/"
_POLICIES = "/policybook.v1.PolicyService/"
_AUDITS = "/policybook.v1.AuditService/"

# method -> roles, any one of which is enough. A method that does not stand here is refused to all.
METHODS: Final[Mapping[str, frozenset[Role]]] = MappingProxyType(
    {
        f"{_DECISIONS}Decide": frozenset({Role.DECIDE}),
        f"{_DECISIONS}BatchDecide": frozenset({Role.DECIDE}),
        f"{_DECISIONS}StreamDecide": frozenset({Role.DECIDE}),
        f"{_DECISIONS}Explain": frozenset({Role.DECIDE}),
        f"{_POLICIES}ListPolicies": frozenset({Role.READ}),
        f"{_POLICIES}ListDecisionDefinitions": frozenset({Role.READ}),
        f"{_POLICIES}GetDecisionDefinition": frozenset({Role.READ}),
        f"{_POLICIES}Check": frozenset({Role.READ}),
        f"{_AUDITS}GetDecisionRecord": frozenset({Role.AUDIT}),
        f"{_AUDITS}ListDecisionRecords": frozenset({Role.AUDIT}),
        f"{_AUDITS}ReevaluateDecision": frozenset({Role.AUDIT}),
        f"{_AUDITS}GetLogStatus": frozenset({Role.AUDIT, Role.ADMIN}),
        # Load balancers and Kubernetes ask without a token; the answer says SERVING and nothing else.
        "/grpc.health.v1.Health/Check": EVERYBODY,
        "/grpc.health.v1.Health/List": EVERYBODY,
        "/grpc.health.v1.Health/Watch": EVERYBODY,
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": ANY_ROLE,
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """Who calls, once that is known.

    Args:
        name: as the decision log records it
        identity: as it was proved; another than the name where a proxy speaks for somebody. Empty: nobody proves anything here
        grants: what it may do
        rate: decisions and calls a second; 0: as many as it likes
        requests: calls in progress at once; 0: as many as the service takes
    """

    name: str
    identity: str
    grants: Grants
    rate: float = 0.0
    requests: int = 0

    def may(self, role: Role, policy: str) -> bool:
        """Tell whether the caller has a role for a book."""
        books = self.grants.get(role, frozenset())
        return books is None or policy in books

    def books(self, role: Role) -> frozenset[str] | None:
        """Return the books that a caller has a role for; None: all."""
        return self.grants.get(role, frozenset())

    def need(self, role: Role, policy: str) -> None:
        """Do nothing if the caller has a role for a book.

        Raises:
            ForbiddenError: it has not
        """
        if not self.may(role, policy):
            raise ForbiddenError(self.identity, (role.value,), policy)


EVERYTHING: Final[Grants] = MappingProxyType(dict.fromkeys(Role))


def grants_of(words: Iterable[str]) -> Grants:
    """Read roles: `decide` for all books, `decide:credit` for one.

    Raises:
        ValueError: one is no role, or not for a book
    """
    found: dict[Role, frozenset[str] | None] = {}
    for word in words:
        name, colon, book = word.partition(":")
        try:
            role = Role(name)
        except ValueError:
            raise ValueError(f"no role `{name[:40]}`; {did_you_mean(name, [r.value for r in Role])}") from None
        if colon and (role in (Role.ADMIN, Role.PROXY) or not (book == "*" or _BOOK.match(book))):
            why = "holds for the service, not for a book" if role in (Role.ADMIN, Role.PROXY) else "is followed by the name of a book"
            raise ValueError(f"`{word[:80]}`: `{role.value}` {why}")
        if not colon or book == "*":
            found[role] = None
        elif (books := found.get(role, frozenset())) is not None:
            found[role] = books | {book}
    return MappingProxyType(found)


def known_grants(words: Iterable[str]) -> Grants:
    """Read roles among words that may be of others: an issuer of tokens has roles for more programs than this one."""
    sound = []
    for word in words:
        try:
            grants_of((word,))
        except ValueError:
            continue
        sound.append(word)
    return grants_of(sound)


def merged(one: Grants, other: Grants) -> Grants:
    """Return what either grants."""
    found = dict(one)
    for role, books in other.items():
        have = found.get(role, frozenset())
        found[role] = None if books is None or have is None else have | books
    return MappingProxyType(found)

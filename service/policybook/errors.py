"""The exceptions that leave a call. What a person wrote wrongly is a Report inside them."""

from __future__ import annotations

from policybook.diagnostics import Report


class PolicybookError(Exception):
    """Base of all."""


class BookError(PolicybookError):
    """A book does not load or check; the report says where."""

    def __init__(self, report: Report, name: str = "") -> None:
        self.report = report
        self.name = name
        count = len(report.errors)
        first = report.errors[0] if count else None
        place = f": {first.span}: {first.message}" if first else ""
        super().__init__(f"{name or 'book'} has {count} error{'s' if count != 1 else ''}{place}")


class FactsError(PolicybookError):
    """Facts are missing, unknown, ill-typed or out of bounds; one finding a fault."""

    def __init__(self, report: Report) -> None:
        self.report = report
        found = report.findings
        # One fault is told whole; of several the place of each help is beside its message, in the details.
        super().__init__(
            f"{found[0].message}; {found[0].help}".rstrip("; ") if len(found) == 1 else "; ".join(f.message for f in found[:5])
        )


class RequestError(PolicybookError):
    """A field of the request other than the facts is wrong."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


class UnknownNameError(PolicybookError):
    """No such policy, decision or version."""

    def __init__(self, kind: str, name: str, near: tuple[str, ...]) -> None:
        self.kind = kind
        self.name = name
        self.near = near
        hint = f"; did you mean `{near[0]}`?" if near else ""
        if near and kind == "version":
            # Nobody mistypes one hash for another.
            hint = f"; in service is `{near[0]}`, of which the first 8 characters are enough"
        super().__init__(f"no {kind} `{name[:200]}`{hint}")


class NotInForceError(PolicybookError):
    """The policy, or a figure that the decision needs, is not in force on the date."""

    def __init__(self, subject: str, as_of: str, message: str) -> None:
        self.subject = subject
        self.as_of = as_of
        super().__init__(message)


class ConflictError(PolicybookError):
    """Several rows of a `unique` table matched, or those of an `any` table disagree."""

    def __init__(self, decision: str, rows: tuple[str, ...], hit_policy: str) -> None:
        self.decision = decision
        self.rows = rows
        why = "more than one row matched" if hit_policy == "unique" else "rows that matched disagree"
        super().__init__(f"`{decision}` has hit policy {hit_policy}, but {why}: {', '.join(rows)}")


class VersionMismatchError(PolicybookError):
    """The pinned version is known but is not of the policy asked."""

    def __init__(self, policy: str, pinned: str, current: str) -> None:
        self.policy = policy
        self.pinned = pinned
        self.current = current
        super().__init__(f"policy `{policy}` has no version `{pinned[:80]}` in service; the newest is `{current}`")


class LimitError(PolicybookError):
    """Too large, too deep, too many."""

    def __init__(self, limit: str, allowed: int, got: int) -> None:
        self.limit = limit
        self.allowed = allowed
        self.got = got
        super().__init__(f"{limit}: {got:,} is more than the {allowed:,} allowed")


class EngineError(PolicybookError):
    """The rule engine refused, or disagrees with the reference."""


class LogError(PolicybookError):
    """The decision log cannot be read, or a decision could not be recorded and is therefore not given out."""

    def __init__(self, message: str, retry_s: float = 1.0) -> None:
        self.retry_s = retry_s
        super().__init__(message)


class NoLogError(PolicybookError):
    """Records are asked of a service that keeps none."""

    def __init__(self) -> None:
        super().__init__("this service keeps no decision log; `policybook serve --log PATH` keeps one")


class RequestIdTakenError(PolicybookError):
    """The caller has used this request id before, for another request."""

    def __init__(self, request_id: str, decision_id: str, decided_at: str, why: str) -> None:
        self.request_id = request_id
        self.decision_id = decision_id
        self.decided_at = decided_at
        super().__init__(f"the request id `{request_id}` was used for decision {decision_id}: {why}")


class MaskedError(PolicybookError):
    """A decision cannot be made again from its record alone: facts that it rests on were kept out of the log."""

    def __init__(self, decision_id: str, names: tuple[str, ...]) -> None:
        self.decision_id = decision_id
        self.names = names
        super().__init__(f"decision {decision_id} rests on facts that were kept out of the log: {', '.join(names)}; state them")

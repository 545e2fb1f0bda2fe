"""Why a call is not let in. None of them says whether a secret was nearly right: that is for the service's own log."""

from __future__ import annotations

from policybook.errors import LimitError, PolicybookError


class AccessFileError(Exception):
    """A file of callers, keys or certificates cannot be used; says which and why, without what it holds."""


class UnauthenticatedError(PolicybookError):
    """It is not known who calls.

    Args:
        how: the ways to say so that this service takes, as sentences for the caller
        presented: whether something was presented at all
    """

    def __init__(self, how: str, *, presented: bool) -> None:
        self.presented = presented
        super().__init__(f"{'these credentials are not accepted' if presented else 'this call names no caller'}; {how}")


class ForbiddenError(PolicybookError):
    """The caller is known, and has not the role.

    Args:
        roles: any one of them would do
        policy: the book that it was about; empty: the call as such
    """

    def __init__(self, caller: str, roles: tuple[str, ...], policy: str = "", what: str = "") -> None:
        self.roles = roles
        self.policy = policy
        what = what or (f"policy `{policy[:100]}`" if policy else "this call")
        needed = "the role " + " or ".join(f"`{r}`" for r in roles) if roles else "a role that there is not"
        super().__init__(f"{what} needs {needed}, which `{caller[:100]}` has not; whoever runs the service can grant it")


class RateError(LimitError):
    """A caller asked more often than it may."""

    def __init__(self, allowed: int, retry_s: float) -> None:
        self.retry_s = retry_s
        super().__init__("decisions and calls a second of one caller", allowed, allowed + 1)


class KeysError(PolicybookError):
    """The keys that tokens are proved by cannot be had now."""

    def __init__(self, retry_s: float) -> None:
        self.retry_s = retry_s
        super().__init__("the keys that tokens are proved by cannot be had at the moment")

"""How much a caller may ask at once and in a second: a bucket of tokens each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from policybook.server.access.errors import RateError
from policybook.server.access.roles import Caller
from policybook.server.limits import OverloadedError

# LIMIT: identities that are remembered; those that have nothing in progress are forgotten first, and begin with a full bucket again.
MOST = 10_000


class _Account:
    """What one caller has used.

    INVARIANT: `left` never stands above `rate`, one second's worth; it may stand below 0 after a large batch, and the next call waits
    until that is made good.
    """

    __slots__ = ("active", "at", "left")

    def __init__(self, rate: float, at: float) -> None:
        self.active = 0
        self.left = max(rate, 1.0)
        self.at = at


class Accounts:
    """The accounts of all callers, by what each has proved to be.

    Args:
        clock: seconds, rising
        retry_s: when a caller with too many calls in progress may come again
    """

    def __init__(self, clock: Callable[[], float], retry_s: float) -> None:
        self._clock = clock
        self._retry_s = retry_s
        self._accounts: OrderedDict[str, _Account] = OrderedDict()

    def enter(self, caller: Caller) -> None:
        """Count a call that begins.

        Raises:
            RateError: it comes too early
            OverloadedError: the caller has too many in progress
        """
        account = self._account(caller)
        if caller.rate and account.left <= 0:
            raise RateError(round(max(caller.rate, 1)), self._wait_s(caller, account))
        if caller.requests and account.active >= caller.requests:
            raise OverloadedError("requests in progress of one caller", caller.requests, account.active + 1, self._retry_s)
        account.left -= 1
        account.active += 1

    def leave(self, caller: Caller) -> None:
        """Count the end of a call that was let in."""
        account = self._accounts.get(caller.identity)
        if account is not None and account.active:
            account.active -= 1

    def charge(self, caller: Caller, count: int) -> float:
        """Count decisions beyond the first of a call; returns how many seconds the next should wait for."""
        if not caller.rate:
            return 0.0
        account = self._account(caller)
        account.left -= count
        return self._wait_s(caller, account)

    @staticmethod
    def _wait_s(caller: Caller, account: _Account) -> float:
        # One more than what is owed, so that who waits so long is let in.
        return max(0.0, (min(1.0, caller.rate) - account.left) / caller.rate) if account.left <= 0 else 0.0

    def _account(self, caller: Caller) -> _Account:
        now = self._clock()
        account = self._accounts.get(caller.identity)
        if account is None:
            account = self._accounts[caller.identity] = _Account(caller.rate, now)
            if len(self._accounts) > MOST:
                self._forget()
        else:
            self._accounts.move_to_end(caller.identity)
            if caller.rate:
                account.left = min(max(caller.rate, 1.0), account.left + (now - account.at) * caller.rate)
            account.at = now
        return account

    def _forget(self) -> None:
        for identity, account in self._accounts.items():
            if not account.active and account.left > 0:
                del self._accounts[identity]
                return

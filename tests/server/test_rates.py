"""How much a caller may ask in a second, whenever it asks and however much at once."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policybook.server.access import rates
from policybook.server.access.errors import RateError
from policybook.server.access.rates import Accounts
from policybook.server.access.roles import Caller, Role
from policybook.server.limits import OverloadedError

GRANTS: Mapping[Role, None] = {Role.DECIDE: None}


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def caller(name: str = "erp", rate: float = 0.0, requests: int = 0) -> Caller:
    return Caller(name, name, GRANTS, rate, requests)


steps = st.lists(st.tuples(st.floats(0, 3), st.integers(1, 500)), max_size=60)


@given(steps, st.sampled_from([0.2, 1.0, 7.5, 100.0]))
def test_never_more_than_the_rate_and_one_second_more(asked: list[tuple[float, int]], rate: float) -> None:
    clock = Clock()
    accounts = Accounts(clock, 1.0)
    who = caller(rate=rate)
    began, taken, last = clock.now, 0, 0
    for pause, size in asked:
        clock.now += pause
        try:
            accounts.enter(who)
        except RateError as e:
            # Who comes when it was told to is let in.
            clock.now += e.retry_s + 1e-6
            accounts.enter(who)
        accounts.charge(who, size - 1)
        accounts.leave(who)
        # What one call asks at once may go beyond, and is made good before the next.
        assert taken + last <= rate * (clock.now - began) + max(rate, 1.0) + last + 1e-6
        taken, last = taken + last, size


@given(st.lists(st.booleans(), max_size=60))
def test_places_are_given_back(steps: list[bool]) -> None:
    accounts, who, active = Accounts(Clock(), 1.0), caller(requests=3), 0
    for enters in steps:
        if not enters:
            accounts.leave(who)
            active = max(0, active - 1)
        elif active < 3:
            accounts.enter(who)
            active += 1
        else:
            with pytest.raises(OverloadedError):
                accounts.enter(who)


def test_of_very_many_the_idle_ones_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST", 5)
    accounts, busy, owing = Accounts(Clock(), 1.0), caller("busy", requests=1), caller("owing", rate=1)
    accounts.enter(busy)
    accounts.enter(owing)
    accounts.charge(owing, 50)
    accounts.leave(owing)
    for n in range(50):
        one = caller(str(n))
        accounts.enter(one)
        accounts.leave(one)
    assert len(accounts._accounts) == 5
    with pytest.raises(OverloadedError):
        accounts.enter(busy)
    with pytest.raises(RateError):
        accounts.enter(owing)

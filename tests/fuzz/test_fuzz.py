"""Every target for a moment, on mutations of its seeds; every fault that was ever found, again; and that a fault would be seen.

`make fuzz` does the same for as long as one likes: docs/fuzzing.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fuzz import __main__ as command
from fuzz.engine import MAX_INPUT, Session, Target, TooSlowError, minimized, plain
from fuzz.requests import refusal
from fuzz.targets import TARGETS

FOUND = Path(__file__).resolve().parent / "found"
# Inputs for each target; about two seconds each.
INPUTS = {"book": 250, "grammar": 400, "facts": 600, "tables": 200, "log": 300, "layout": 120, "analysis": 12, "calls": 350, "wire": 200}


@pytest.fixture(scope="module", params=TARGETS)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    made = TARGETS[request.param]()
    yield made
    made.close()


def held(session: Session) -> None:
    for fault in session.faults.values():
        pytest.fail(f"{fault.signature}\nmake fuzz ARGS='--replay {session.folder}/fault-...'\n{fault.told}", pytrace=False)


def test_mutated_inputs(target: Target, tmp_path_factory: pytest.TempPathFactory) -> None:
    # A folder that bears the target's name, as `--replay` wants it.
    folder = tmp_path_factory.mktemp("faults") / target.name
    folder.mkdir()
    seeds = target.seeds()
    session = Session(target, folder)

    @settings(max_examples=INPUTS[target.name], phases=(Phase.generate,), suppress_health_check=list(HealthCheck), database=None)
    @given(st.integers(0, len(seeds) - 1), st.integers(0, 2**32), st.integers(1, 3))
    def tried(place: int, number: int, times: int) -> None:
        rnd = Random(number)
        data = seeds[place]
        for _ in range(times):
            data = target.mutate(data, rnd, seeds)[:MAX_INPUT]
        session.try_one(data)
        held(session)

    tried()
    session.hold()
    held(session)
    assert len(session.outcomes) > 2, "whatever was tried, the same came of it"


def test_seeds_hold(target: Target) -> None:
    session = Session(target)
    seeds = target.seeds()
    for seed in seeds[:: max(1, len(seeds) // 30)]:
        session.try_one(seed)
    held(session)


def test_what_was_found_before(target: Target) -> None:
    session = Session(target)
    for path in sorted((FOUND / target.name).glob("*")):
        session.try_one(path.read_bytes())
    session.hold()
    held(session)


# ---------------------------------------------------------------- the harness itself


class Planted(Target):
    """Fails on what holds `bad`, and never ends on what holds `slow`."""

    name = "planted"
    budget_s = 0.05

    def seeds(self) -> Sequence[bytes]:
        return [b"a long text with nothing in it", b"ba"]

    def mutate(self, data: bytes, rnd: Random, others: Sequence[bytes]) -> bytes:
        return data + bytes((rnd.choice(b"abd"),))

    def run(self, data: bytes) -> object:
        while b"slow" in data:
            pass
        if b"bad" in data:
            raise ValueError("planted")
        return len(data) % 7


def test_a_fault_is_found_written_and_made_short(tmp_path: Path) -> None:
    session = Session(Planted(), tmp_path)
    plain(session, Random(1), lambda n: n < 3_000)
    (fault,) = session.faults.values()
    assert fault.signature.startswith("ValueError in test_fuzz.py:run:")
    assert fault.count > 1, "found again and again, it is one fault"
    (path,) = (p for p in tmp_path.glob("fault-*") if not p.suffix)
    assert path.read_bytes() == fault.data
    assert "planted" in path.with_suffix(".txt").read_text(encoding="utf-8")
    assert minimized(Planted(), b"much before bad and after", fault.signature) == b"bad"


def test_an_input_that_never_ends_is_a_fault() -> None:
    session = Session(Planted())
    session.try_one(b"slow")
    (fault,) = session.faults.values()
    assert fault.signature == TooSlowError.__name__


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN])
def test_a_fault_of_the_service_is_no_answer(code: grpc.StatusCode) -> None:
    status = status_pb2.Status(code=code.value[0], message="x")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=code.name, domain="policybook.dev"))
    with pytest.raises(AssertionError, match=code.name):
        refusal(status)


def test_the_command_replays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--replay", str(next((FOUND / "grammar").iterdir()))]) == 0
    assert ": holds" in capsys.readouterr().out
    assert command.main(["--replay", str(tmp_path)]) == 2
    assert tuple(TARGETS) == tuple(n for n in command.NAMES if n in TARGETS)
    assert set(TARGETS) == set(command.NAMES)

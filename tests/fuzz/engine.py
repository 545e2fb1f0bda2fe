"""Runs a target on one input after another: within a time budget each, with every failure written down so that it can be replayed.

A target takes bytes and either comes back with what came of them (any value that can be compared; a new one makes the input worth
mutating further) or raises: whatever it raises is a fault. Two ways to choose inputs: `plain` mutates what gave something new, and needs
nothing; `guided` leaves the choice to atheris (libFuzzer), which sees the branches that each input takes.
"""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import json
import os
import re
import signal
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType

MIB = 1024 * 1024
MAX_INPUT = 256 * 1024
# Inputs that `plain` keeps to mutate further; the oldest go first.
MAX_KEPT = 2_000


# A process that atheris guides holds on to the solver's memory, which the same inputs without instrumentation do not (208 MiB after the
# corpus that led to 4 GiB); it is begun anew from here on, with this exit code. Memory is judged by `plain` and by `wire`.
MOST_HELD = 3 * 1024 * MIB
RENEW = 75


class Target(ABC):
    """What is tried.

    Attributes:
        name: of the target; also of its folders
        budget_s: processor time that one input may cost, measured without instrumentation
        guided: whether atheris may choose: it sees this process alone
    """

    name: str
    budget_s: float = 10.0
    guided: bool = True

    @abstractmethod
    def seeds(self) -> Sequence[bytes]:
        """Return inputs to begin with: from the real books, their tests and the examples."""

    @abstractmethod
    def mutate(self, data: bytes, rnd: Random, others: Sequence[bytes]) -> bytes:
        """Return another input, much like this one."""

    @abstractmethod
    def run(self, data: bytes) -> object:
        """Try an input; raise when a property does not hold."""

    def check(self) -> None:  # noqa: B027 - most targets have nothing more to check
        """Hold what must hold after many inputs; called now and then and at the end."""

    def close(self) -> None:  # noqa: B027 - nor to end
        """End what was begun."""


class TooSlowError(BaseException):
    """An input took more than its budget. No Exception: what is tried must not catch it."""


@contextlib.contextmanager
def budget(seconds: float) -> Iterator[None]:
    """Interrupt what takes more processor time than this.

    Code in C that never looks for signals is not interrupted; it is reported when it comes back, and ends the process when it takes
    twenty times as long by the clock on the wall.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TooSlowError(f"more than {seconds:g} s of processor time")

    began = time.process_time()
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    faulthandler.dump_traceback_later(max(60.0, seconds * 20), exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGPROF, before)
    if time.process_time() - began > 2 * seconds:
        raise TooSlowError(f"more than {seconds:g} s of processor time, and not to be interrupted")


def rss(pid: int | str = "self") -> int:
    """Return the bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def signature(error: BaseException) -> str:
    """Name a fault by what was raised and where in this project: the same fault twice is one fault."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/policybook" in f.filename]
    frames = frames or traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    # A budget runs out anywhere; where it did, names nothing.
    slow = isinstance(error, TooSlowError)
    place = "" if last is None or slow else f" in {Path(last.filename).name}:{last.name}:{last.lineno}"
    words = re.sub(r"`[^`]*`|\d+", "..", str(error))[:80] if isinstance(error, AssertionError) else ""
    return f"{type(error).__name__}{place}{' ' + words if words else ''}"


@dataclass
class Found:
    """A fault, with the first input that showed it."""

    signature: str
    data: bytes
    told: str
    count: int = 1


@dataclass
class Session:
    """One run of a target; counts, and keeps each fault once.

    Args:
        folder: where failing inputs are written; None: nowhere
        slower: how many times slower everything is (instrumentation, coverage)
        stats: a file that says how far the run is, for who waits for it
    """

    target: Target
    folder: Path | None = None
    slower: float = 1.0
    stats: Path | None = None
    inputs: int = 0
    faults: dict[str, Found] = field(default_factory=dict)
    outcomes: set[object] = field(default_factory=set)
    slowest_s: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def try_one(self, data: bytes) -> bool:
        """Try an input; tell whether something new came of it."""
        self.inputs += 1
        if self.inputs % 100 == 0:
            self.tell()
        if self.folder is not None:
            # Whatever ends the process, the input that did it is still there.
            (self.folder / "current").write_bytes(data)
        began = time.process_time()
        try:
            with budget(self.target.budget_s * self.slower):
                outcome = self.target.run(data)
        except (Exception, TooSlowError) as e:  # noqa: BLE001 - whatever comes out is the find
            self.fault(e, data)
            return False
        finally:
            self.slowest_s = max(self.slowest_s, time.process_time() - began)
        new = outcome not in self.outcomes
        self.outcomes.add(outcome)
        return new

    def hold(self) -> None:
        """Check what must hold after many inputs."""
        try:
            self.target.check()
        except Exception as e:  # noqa: BLE001 - as above
            self.fault(e, b"")

    def fault(self, error: BaseException, data: bytes) -> None:
        """Write a fault down."""
        name = signature(error)
        known = self.faults.get(name)
        if known is not None:
            known.count += 1
            if len(data) >= len(known.data):
                return
            known.data = data
        told = "".join(traceback.format_exception(error))
        self.faults.setdefault(name, Found(name, data, told)).told = told
        if self.folder is None:
            return
        # By its signature: a shorter input for the same fault takes the place of the longer one.
        path = self.folder / f"fault-{hashlib.sha256(name.encode()).hexdigest()[:10]}"
        path.write_bytes(data)
        path.with_suffix(".txt").write_text(f"{name}\n\n{told}", encoding="utf-8")
        self.tell()
        if known is None:
            say(f"  fault: {name}\n         {path}")

    def tell(self) -> None:
        """Write how far the run is."""
        if self.stats is not None:
            self.stats.write_text(json.dumps({"inputs": self.inputs, "faults": sorted(self.faults)}), encoding="utf-8")

    def summary(self) -> str:
        """Say in a line what was done."""
        seconds = time.monotonic() - self.began
        return (
            f"{self.target.name}: {self.inputs:,} inputs in {seconds:.0f} s, {len(self.outcomes):,} different outcomes, "
            f"slowest {self.slowest_s:.2f} s, memory {rss() / MIB:.0f} MiB, faults: {len(self.faults)}"
        )


def say(line: str) -> None:
    """Write a line for a person."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def plain(session: Session, rnd: Random, more: Callable[[int], bool], kept: Sequence[bytes] = ()) -> None:
    """Mutate seeds, and what gave something new, while `more(inputs)` says so."""
    seeds = [*session.target.seeds(), *kept]
    pool = list(seeds)
    for seed in seeds:
        if not more(session.inputs):
            return
        session.try_one(seed)
    while more(session.inputs):
        # What is new is worth more than what came with the project.
        base = rnd.choice(pool[len(seeds) :]) if len(pool) > len(seeds) and rnd.random() < 0.5 else rnd.choice(seeds)
        data = session.target.mutate(base, rnd, pool)[:MAX_INPUT]
        if session.try_one(data):
            pool.append(data)
            if len(pool) > len(seeds) + MAX_KEPT:
                del pool[len(seeds)]
        if session.inputs % 500 == 0:
            session.hold()
    session.hold()


def guided(session: Session, corpus: Path, seconds: float, seed: int) -> None:
    """Let atheris choose the inputs; comes back never: libFuzzer ends the process."""
    import atheris

    target = session.target
    for data in target.seeds():
        (corpus / f"seed-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
    pool = [p.read_bytes() for p in sorted(corpus.iterdir())][:MAX_KEPT]
    rnd = Random(seed)

    def one(data: bytes) -> None:
        if session.try_one(data) and len(pool) < MAX_KEPT:
            pool.append(data)
        if session.inputs % 2_000 == 0:
            session.hold()
        if session.inputs % 5 == 0 and rss() > MOST_HELD:
            session.tell()
            os._exit(RENEW)

    def mutate(data: bytes, most: int, number: int) -> bytes:
        own = Random(number)
        return atheris.Mutate(data, most)[:most] if own.random() < 0.15 else target.mutate(data or rnd.choice(pool), own, pool)[:most]

    arguments = [
        sys.argv[0],
        str(corpus),
        f"-max_total_time={max(1, int(seconds))}",
        f"-max_len={MAX_INPUT}",
        f"-seed={seed}",
        "-timeout=1200",
        "-rss_limit_mb=6144",
        "-len_control=0",
        "-print_final_stats=1",
        f"-artifact_prefix={session.folder}/ended-",
    ]
    atheris.Setup(arguments, one, custom_mutator=mutate)
    atheris.Fuzz()


def minimized(target: Target, data: bytes, name: str, slower: float = 1.0, tries: int = 2_000) -> bytes:
    """Return a shorter input with the same fault: pieces are left out while it stays."""

    def fails(shorter: bytes) -> bool:
        session = Session(target, slower=slower)
        session.try_one(shorter)
        return name in session.faults

    size = max(1, len(data) // 2)
    while size and tries > 0:
        at = 0
        while at < len(data) and tries > 0:
            shorter = data[:at] + data[at + size :]
            tries -= 1
            if fails(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data

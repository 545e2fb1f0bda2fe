"""Mutation over several processes: one decision at a time, each process keeping the books that it has prepared."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from policybook.errors import EngineError
from policybook.model.book import Book
from policybook.trials.case import Case
from policybook.trials.mutation import Deadline, DecisionScore, Jury, Mutation

# A worker that is within one question to the solver may need this long to notice that the time is over.
GRACE_S = 6.0

Name = tuple[str, str]
"""(policy, decision)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be judged.

    Args:
        cases: of each policy, in the order of the tables
        decisions: whose mutants are wanted, in the order of the report
        clock: what counts as now for cases without a day
        seconds: of time in all; None: as long as it takes
    """

    books: Mapping[str, Book]
    cases: Mapping[str, Sequence[Case]]
    decisions: Sequence[Name]
    clock: datetime
    seconds: float | None = None


def run(job: Job, jobs: int, told: Callable[[DecisionScore], None] = lambda _: None) -> Mutation:
    """Judge the mutants of some decisions.

    The result does not depend on the number of processes.

    Args:
        jobs: processes; 1: this one alone
        told: called with each decision as it is done
    Raises:
        EngineError: a process failed
    """
    if jobs == 1 or len(job.decisions) == 1:
        return _alone(job, told)
    done: dict[Name, DecisionScore] = {}
    for score in _Crew(job, min(jobs, len(job.decisions))).scores():
        done[score.policy, score.decision] = score
        told(score)
    return _mutation(job, done)


def _alone(job: Job, told: Callable[[DecisionScore], None]) -> Mutation:
    bench = _Benches(job, Deadline(job.seconds))
    done: dict[Name, DecisionScore] = {}
    for name in job.decisions:
        if bench.deadline.is_over:
            break
        done[name] = bench.score(name)
        told(done[name])
    return _mutation(job, done)


def _mutation(job: Job, done: Mapping[Name, DecisionScore]) -> Mutation:
    return Mutation(
        decisions=tuple(done[n] for n in job.decisions if n in done),
        left=tuple(f"{policy}.{decision}" for policy, decision in job.decisions if (policy, decision) not in done),
    )


class _Benches:
    """The juries of the books at hand, each prepared once."""

    def __init__(self, job: Job, deadline: Deadline) -> None:
        self.job = job
        self.deadline = deadline
        self._juries: dict[str, Jury] = {}

    def score(self, name: Name) -> DecisionScore:
        policy, decision = name
        jury = self._juries.get(policy)
        if jury is None:
            # Books come one after the other: the one before is done with.
            self._juries.clear()
            jury = Jury(self.job.books[policy], self.job.cases.get(policy, ()), self.job.clock, self.deadline)
            self._juries[policy] = jury
        return jury.score(decision)


def _work(pipe: Connection) -> None:
    """Judge decisions until told to end: the whole life of a process."""
    job, seconds = pipe.recv()
    benches = _Benches(job, Deadline(seconds))
    while True:
        name = pipe.recv()
        if name is None:
            return
        try:
            pipe.send(benches.score(name))
        except Exception as e:  # noqa: BLE001 - told to the process that waits for it
            pipe.send(f"{'.'.join(name)}: {type(e).__name__}: {e}")
            return


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    name: Name | None


@dataclass
class _Crew:
    job: Job
    size: int
    workers: list[_Worker] = field(default_factory=list)

    def scores(self) -> Iterator[DecisionScore]:
        """Yield each decision as it is done; those that the time does not suffice for are left out."""
        end = None if self.job.seconds is None else time.monotonic() + self.job.seconds
        queue = list(self.job.decisions)
        try:
            for _ in range(self.size):
                self._hire(end)
            for worker in self.workers:
                self._give(worker, queue)
            while busy := [w for w in self.workers if w.name is not None]:
                patience = None if end is None else end + GRACE_S - time.monotonic()
                ready = wait([w.pipe for w in busy], patience) if patience is None or patience > 0 else []
                if not ready:
                    return
                for worker in [w for w in busy if w.pipe in ready]:
                    yield self._received(worker)
                    if end is None or time.monotonic() < end:
                        self._give(worker, queue)
        finally:
            self._dismiss()

    def _hire(self, end: float | None) -> None:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(there,), daemon=True)
        process.start()
        there.close()
        here.send((self.job, None if end is None else end - time.monotonic()))
        self.workers.append(_Worker(process, here, None))

    def _give(self, worker: _Worker, queue: list[Name]) -> None:
        """Give a worker its next decision: of the book that it has prepared, else of one that nobody is at."""
        own = worker.name
        worker.name = None
        if not queue:
            return
        others = [w.name[0] for w in self.workers if w.name is not None]
        mine = (n for n in queue if own is not None and n[0] == own[0])
        fresh = (n for n in queue if n[0] not in others)
        name = next(mine, None) or next(fresh, queue[0])
        queue.remove(name)
        worker.name = name
        worker.pipe.send(name)

    def _received(self, worker: _Worker) -> DecisionScore:
        try:
            made = worker.pipe.recv()
        except (EOFError, OSError):
            made = f"the process at `{'.'.join(worker.name or ())}` ended"
        if not isinstance(made, DecisionScore):
            raise EngineError(f"the mutation run failed: {made}")
        return made

    def _dismiss(self) -> None:
        for worker in self.workers:
            # Whatever it is at: nobody waits for it.
            worker.process.terminate()
            worker.pipe.close()
        for worker in self.workers:
            worker.process.join()

"""Several processes that serve on one port: started, fed with books, restarted, ended.

The supervisor reads, checks and proves every book once and hands it to its workers; it decides nothing itself. So an edit, however
long its proofs take, costs the decisions in progress no time.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import pickle
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from policybook.errors import BookError, EngineError, LogError
from policybook.server.address import PortInUseError, Reserved, reserve
from policybook.server.app import METRICS_S, STALE_LOOK_S, Clock, metrics_server, reload_samples, say_http, stale_s, utc_now, watch
from policybook.server.line import Abort, Checked, Commit, Count, Counted, Done, Fresh, Line, Message, Prepare, Start, Stop
from policybook.server.meter import Sample
from policybook.server.metrics import MetricsServer, build_sample
from policybook.server.process import FAULT, SUCCESS, at_rest, say_ended, say_ending, say_listening, say_why, told_to_end
from policybook.server.settings import Settings
from policybook.store.reload import Loaded, Reloader, open_books, read_books, store_of
from policybook.store.versions import Edition, NotPublishedError, Store

log = logging.getLogger("policybook.server")

# A table of 100,000 rows takes a worker half a minute.
PATIENCE_S = 180.0
START_S = 60.0
# A worker that dies is replaced at once; one that dies again and again, ever later.
BACK_OFF_S = (0.05, 5.0)
STEADY_S = 60.0
# What a worker may take to end beyond the time for its calls: it writes its decision log to the end.
END_S = 15.0


class WorkerEndedError(Exception):
    """A worker ended before the service had begun."""


class _Worker:
    """A worker, seen from here."""

    def __init__(self, process: asyncio.subprocess.Process, line: Line, patience_s: float) -> None:
        self.process = process
        self._patience_s = patience_s
        self._has_answered = False
        self.started_at = time.monotonic()
        self._line = line
        self._waiting: dict[int, asyncio.Future[Done | Counted | None]] = {}
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while isinstance(message := await self._line.receive(), Done | Counted):
            if (waiting := self._waiting.pop(message.number, None)) is not None and not waiting.done():
                waiting.set_result(message)
        for left in self._waiting.values():
            if not left.done():
                left.set_result(None)
        self._waiting.clear()

    async def ask(self, number: int, message: bytes) -> Done | None:
        """Send what is answered with a `Done`; None: the worker is gone, or was too slow and is killed."""
        waiting: asyncio.Future[Done | Counted | None] = asyncio.get_running_loop().create_future()
        if self._listening.done():
            return None
        self._waiting[number] = waiting
        try:
            # Until its first answer a worker has also to start.
            async with asyncio.timeout(self._patience_s + (0 if self._has_answered else START_S)):
                await self._line.send_bytes(message)
                answer = await waiting
            self._has_answered = True
            return answer if isinstance(answer, Done) else None
        except TimeoutError:
            log.error("worker %d does not answer; it is killed", self.process.pid)  # noqa: TRY400 - it says it all
            self.kill()
        except OSError:
            pass
        return None

    async def counted(self, number: int) -> tuple[Sample, ...]:
        """Ask for what it counts; nothing where it does not say so soon."""
        waiting: asyncio.Future[Done | Counted | None] = asyncio.get_running_loop().create_future()
        if self._listening.done() or not self._has_answered:
            return ()
        self._waiting[number] = waiting
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(METRICS_S / 2):
                await self._line.send(Count(number))
                answer = await waiting
            return answer.samples if isinstance(answer, Counted) else ()
        self._waiting.pop(number, None)
        return ()

    async def tell(self, message: Message) -> None:
        """Send what is not answered."""
        with contextlib.suppress(OSError):
            await self._line.send(message)

    def kill(self) -> None:
        """End it without a word."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    def close(self) -> None:
        """Forget it, after its end."""
        self._listening.cancel()
        self._line.close()


class _SharedStore(Store):
    """The editions in service: every change goes to all workers first. Changed by the threads that watch the books."""

    def __init__(self, *, challenge: bool = False) -> None:
        super().__init__()
        self.challenge = challenge
        self.supervisor: Supervisor | None = None

    def publish(self, edition: Edition) -> None:
        """Make an edition the newest of its policy, everywhere.

        Raises:
            NotPublishedError: a worker cannot make it; none has it
        """
        if self.supervisor is not None:
            self.supervisor.spread(self, (edition,), ())
        else:
            super().publish(edition)

    def withdraw(self, policy: str) -> None:
        """Take a policy out of service, everywhere; raises as `publish` does."""
        if self.supervisor is not None:
            self.supervisor.spread(self, (), (policy,))
        else:
            super().withdraw(policy)

    def take(self, editions: Sequence[Edition], withdrawn: Sequence[str]) -> None:
        """Keep what all workers have, for those that start later."""
        for edition in editions:
            super().publish(edition)
        for policy in withdrawn:
            super().withdraw(policy)


class Supervisor:
    """Runs the workers of one service.

    Args:
        loaded: what was read from the books just now; None: they are read
        patience_s: how long a worker may take to make the editions of a change
    """

    def __init__(self, settings: Settings, loaded: Loaded | None = None, *, now: Clock = utc_now, patience_s: float = PATIENCE_S) -> None:
        self.settings = settings
        self._patience_s = patience_s
        self._loaded = loaded
        self._now = now
        self._store = _SharedStore()
        self._challengers = _SharedStore(challenge=True)
        self._reloaders: list[Reloader] = []
        self._workers: dict[int, _Worker] = {}
        self._numbers = itertools.count(1)
        # Held while the books change, and while a new worker gets those that there are.
        self._changing = asyncio.Lock()
        self._is_serving = False
        self._is_fresh = True
        self._restarts = 0
        self._http: Reserved | None = None
        self._metrics: MetricsServer | None = None
        self._staleness: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> int:
        """Serve until SIGTERM or SIGINT; return the exit code, as `serve` does."""
        self._loop = asyncio.get_running_loop()
        settings = self.settings
        keepers: list[asyncio.Task[None]] = []
        with contextlib.ExitStack() as held, told_to_end() as ended:
            try:
                reserved = held.enter_context(contextlib.closing(reserve(settings.host, settings.port)))
                if settings.http_port is not None:
                    self._http = held.enter_context(contextlib.closing(reserve(settings.host, settings.http_port)))
                keepers = [asyncio.create_task(self._keep(number, reserved)) for number in range(settings.processes)]
                await self._until(ended, self._begin(reserved), keepers)
                if not ended.is_set():
                    await self._until(ended, asyncio.Event().wait(), keepers)
                if self._is_serving:
                    # Also where the end is told right after the beginning: who was told of the one is told of the other.
                    say_ending()
            except (BookError, EngineError, LogError, PortInUseError) as e:
                return say_why(e, settings)
            except WorkerEndedError as e:
                say_ended(str(e), settings)
                return FAULT
            finally:
                await self._end(keepers)
        return SUCCESS

    @staticmethod
    async def _until(ended: asyncio.Event, work: Any, keepers: Sequence[asyncio.Task[None]]) -> None:
        """Work until it is done, or the end is told, or a keeper gives up; raises what they raise."""
        tasks = [asyncio.create_task(ended.wait()), asyncio.ensure_future(work)]
        done, _ = await asyncio.wait((*tasks, *keepers), return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for task in done:
            task.result()

    async def _begin(self, reserved: Reserved) -> None:
        """Load the books, hand them out, say that calls are taken."""
        settings, store = self.settings, self._store
        loaded = self._loaded
        if loaded is None:
            loaded = await asyncio.to_thread(read_books, settings.books)
        self._loaded = None
        await asyncio.to_thread(store_of, loaded, settings.books, now=self._now, store=store)
        if settings.challengers:
            await asyncio.to_thread(open_books, settings.challengers, now=self._now, store=self._challengers)
        async with self._changing:
            await self._hand_out_all(tuple(self._workers.values()))
            self._is_serving = True
        at_rest()
        if settings.metrics_port is not None:
            self._metrics = metrics_server(settings, self._samples, lambda: self._is_fresh and not self._ending.is_set())
        if self._http is not None:
            say_http(settings, self._http.port)
        say_listening(settings, reserved.port, store.policies())
        for own, paths in ((store, settings.books), (self._challengers, settings.challengers)):
            own.supervisor = self
            self._reloaders += await asyncio.to_thread(watch, own, paths, settings.reload_s, self._now)

        if settings.stale_after_s and self._reloaders:
            self._staleness = asyncio.create_task(self._watch_staleness())

    async def _samples(self) -> list[tuple[str, Sample]]:
        """Return what all workers count, and what is counted here."""
        workers = dict(self._workers)
        counted = await asyncio.gather(*(w.counted(next(self._numbers)) for w in workers.values()))
        found = [(str(n + 1), sample) for n, samples in zip(workers, counted, strict=True) for sample in samples]
        own = [
            *reload_samples(self._reloaders),
            build_sample(),
            Sample("policybook_workers", (), len(workers)),
            Sample("policybook_worker_restarts_total", (), self._restarts),
        ]
        return [*found, *(("", sample) for sample in own)]

    async def _watch_staleness(self) -> None:
        while True:
            await asyncio.sleep(STALE_LOOK_S)
            is_fresh = stale_s(self._reloaders) <= self.settings.stale_after_s
            if is_fresh is not self._is_fresh:
                self._is_fresh = is_fresh
                await asyncio.gather(*(w.tell(Fresh(is_fresh)) for w in self._workers.values()))

    # ------------------------------------------------------------ workers

    async def _keep(self, number: int, reserved: Reserved) -> None:
        """Keep one worker running.

        Raises:
            WorkerEndedError: it ended before the service had begun
        """
        pause = BACK_OFF_S[0]
        while not self._ending.is_set():
            worker = await self._start(number, reserved)
            code = await worker.process.wait()
            self._workers.pop(number, None)
            worker.close()
            if self._ending.is_set():
                return
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            if not self._is_serving:
                raise WorkerEndedError(f"worker {number + 1} {how} before the service had begun")
            self._restarts += 1
            pause = BACK_OFF_S[0] if time.monotonic() - worker.started_at > STEADY_S else min(pause * 2, BACK_OFF_S[1])
            log.log(
                logging.ERROR if code else logging.WARNING,
                "worker %d (process %d) %s; another one starts",
                number + 1,
                worker.process.pid,
                how,
            )
            await asyncio.sleep(pause)

    async def _start(self, number: int, reserved: Reserved) -> _Worker:
        """Start a worker; once there is a service, with its books."""
        async with self._changing:
            ours, theirs = socket.socketpair()
            with theirs:
                # -P: a folder in the working directory must not stand in for the package.
                command = (sys.executable, "-P", "-m", "policybook.server.worker", str(theirs.fileno()))
                process = await asyncio.create_subprocess_exec(*command, pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL)
            worker = self._workers[number] = _Worker(process, await Line.over(ours), self._patience_s)
            await worker.tell(Start(self.settings, reserved.port, self._http.port if self._http is not None else None, number + 1))
            if self._is_serving:
                try:
                    await self._hand_out_all((worker,))
                    if not self._is_fresh:
                        await worker.tell(Fresh(is_fresh=False))
                except (NotPublishedError, LogError) as e:
                    log.error("worker %d cannot serve: %s", number + 1, e)  # noqa: TRY400 - it says it all
                    worker.kill()
            return worker

    # ------------------------------------------------------------ books

    def spread(self, store: _SharedStore, editions: Sequence[Edition], withdrawn: Sequence[str]) -> None:
        """Bring a change to all workers, from another thread; returns when it is in service.

        Raises:
            NotPublishedError: a worker cannot; none has it
        """
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._spread(store, editions, withdrawn), self._loop).result()

    async def _spread(self, store: _SharedStore, editions: Sequence[Edition], withdrawn: Sequence[str]) -> None:
        async with self._changing:
            if self._ending.is_set():
                raise NotPublishedError("the service is ending")
            await self._hand_out(store, editions, withdrawn, tuple(self._workers.values()))
            store.take(editions, withdrawn)

    async def _hand_out_all(self, workers: Sequence[_Worker]) -> None:
        """Give workers all that there is; those in service last, since a worker takes calls from then on."""
        for store in (self._challengers, self._store):
            editions = store.editions()
            gone = {e.name for e in editions} - set(store.policies())
            if editions:
                await self._hand_out(store, editions, sorted(gone), workers)

    async def _hand_out(
        self, store: _SharedStore, editions: Sequence[Edition], withdrawn: Sequence[str], workers: Sequence[_Worker]
    ) -> None:
        """Have workers make editions, and when all have, put them into service. One that is gone gets them when it is back.

        Raises:
            NotPublishedError: one cannot make them
            LogError: one that begins with them cannot open the decision log
        """
        number = next(self._numbers)
        books = tuple(Checked(e.book, e.loaded_at, e.texts) for e in editions)
        change = Prepare(number, books, tuple(withdrawn), store.beside, store.challenge)
        data = await asyncio.to_thread(pickle.dumps, change, pickle.HIGHEST_PROTOCOL)
        made = await asyncio.gather(*(w.ask(number, data) for w in workers))
        errors = [done.error for done in made if done is not None and done.error]
        if errors:
            await asyncio.gather(*(w.tell(Abort(number)) for w in workers))
            raise NotPublishedError(errors[0])
        ready = [w for w, done in zip(workers, made, strict=True) if done is not None]
        commit = pickle.dumps(Commit(number), pickle.HIGHEST_PROTOCOL)
        for done in await asyncio.gather(*(w.ask(number, commit) for w in ready)):
            if done is not None and done.error:
                raise LogError(done.error)

    # ------------------------------------------------------------ the end

    async def _end(self, keepers: Sequence[asyncio.Task[None]]) -> None:
        """Let all workers end their calls, then end; those that take too long are killed."""
        self._ending.set()
        if self._staleness is not None:
            self._staleness.cancel()
        for reloader in self._reloaders:
            await asyncio.to_thread(reloader.stop)
        for worker in self._workers.values():
            await worker.tell(Stop())
        _, late = await asyncio.wait(keepers, timeout=self.settings.limits.drain_s + END_S) if keepers else ((), ())
        for worker in self._workers.values():
            worker.kill()
        if late:
            log.error("%d workers took too long to end and were killed", len(late))
        await asyncio.gather(*keepers, return_exceptions=True)
        if self._metrics is not None:
            await asyncio.to_thread(self._metrics.close)

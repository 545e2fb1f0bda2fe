"""One of several processes that serve: it gets its books from the supervisor and shares the port with the others."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys

from policybook.errors import LogError
from policybook.server.access.errors import AccessFileError
from policybook.server.address import PortInUseError
from policybook.server.app import Server, utc_now
from policybook.server.line import Abort, Commit, Count, Counted, Done, Fresh, Line, Message, Prepare, Start
from policybook.server.logs import log_as
from policybook.server.process import FAULT, SUCCESS, at_rest, say_why, told_to_end
from policybook.store.reload import compiled
from policybook.store.versions import Edition, Store

log = logging.getLogger("policybook.server")


class Worker:
    """A server whose books come over a line.

    A change of the books has two parts: all workers make the editions, then all put them into service. Between the two nothing
    can fail that a book could cause.
    """

    def __init__(self, line: Line, server: Server) -> None:
        self._line = line
        self._server = server
        self._stores = {False: Store(), True: Store()}
        self._prepared: dict[int, tuple[Prepare, list[Edition]]] = {}
        self._is_open = False

    async def run(self) -> int:
        """Serve until the supervisor says so, or is gone, or this process is told to end."""
        try:
            await self._server.start()
        except PortInUseError as e:
            return say_why(e, self._server.settings)
        try:
            with told_to_end(signal.SIGTERM) as ended:
                following = asyncio.create_task(self._follow())
                waiting = asyncio.create_task(ended.wait())
                await asyncio.wait((following, waiting), return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if following.done():
                    # What it cannot go on from ends this process; the supervisor starts another.
                    following.result()
                following.cancel()
        finally:
            await self._server.stop()
        return SUCCESS

    async def _follow(self) -> None:
        while True:
            match await self._line.receive():
                case Prepare() as change:
                    await self._answer(change.number, await self._prepare(change))
                case Commit(number):
                    await self._answer(number, await self._commit(number))
                case Abort(number):
                    self._prepared.pop(number, None)
                case Count(number):
                    await self._line.send(Counted(number, tuple(self._server.samples())))
                case Fresh(is_fresh):
                    await self._server.set_fresh(is_fresh=is_fresh)
                case None:
                    log.error("the supervisor is gone; ending")
                    return
                case _:
                    return

    async def _answer(self, number: int, error: str) -> None:
        message: Message = Done(number, error)
        await self._line.send(message)

    async def _prepare(self, change: Prepare) -> str:
        try:
            editions = await asyncio.to_thread(lambda: [compiled(c.book, c.loaded_at, c.texts) for c in change.books])
        except Exception as e:
            log.exception("an edition could not be made")
            return f"{type(e).__name__}: {e}"
        self._prepared[change.number] = (change, editions)
        return ""

    async def _commit(self, number: int) -> str:
        change, editions = self._prepared.pop(number)
        store = self._stores[change.challenge]
        for edition in editions:
            store.publish(edition)
        for policy in change.withdrawn:
            store.withdraw(policy)
        store.beside = change.beside
        if not self._is_open and not change.challenge:
            try:
                await self._server.open(self._stores[False], self._stores[True])
            except LogError as e:
                return str(e)
            self._is_open = True
            at_rest()
        return ""


async def work(end: socket.socket) -> int:
    """Be a worker, at this end of the line; return the exit code."""
    line = await Line.over(end)
    start = await line.receive()
    if not isinstance(start, Start):
        return FAULT
    log_as(start.settings, start.number)
    settings = start.settings.model_copy(update={"port": start.port, "http_port": start.http_port})
    try:
        server = Server(settings, shares_port=True, now=utc_now)
    except AccessFileError as e:
        return say_why(e, settings)
    return await Worker(line, server).run()


def main() -> int:
    """Run a worker; the only argument is the number of its open socket."""
    # Ctrl-C goes to all processes of a terminal; what becomes of it is the supervisor's affair.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setswitchinterval(0.001)
    return asyncio.run(work(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    sys.exit(main())

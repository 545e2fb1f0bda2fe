"""The messages of a stream that have come and are not answered yet: read ahead while others are answered, up to a window."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

# Messages that are read ahead of the answers: as many can be decided together.
WINDOW = 32


class Inbox:
    """Reads a stream ahead. What has come is there at once, and nothing waits for more to come.

    INVARIANT: no more than `most` messages, and no more than about `most_bytes` bytes, wait here; the caller's further ones wait in the
    transport, which tells him so.

    Args:
        read: gives the next message, or grpc.aio.EOF
    """

    def __init__(self, read: Callable[[], Awaitable[Any]], most_bytes: int, most: int = WINDOW) -> None:
        self._read = read
        self._most = most
        self._most_bytes = most_bytes
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._error: BaseException | None = None
        self._came: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._task = asyncio.create_task(self._read_ahead())

    @property
    def is_empty(self) -> bool:
        """Nothing has come that was not taken."""
        return not self._waiting

    async def take(self) -> list[bytes]:
        """Return all that has come, or what comes next; nothing at the end of the stream.

        Raises:
            BaseException: what reading raised, after all that came before
        """
        while not self._waiting:
            if self._task.done():
                if self._error is not None:
                    raise self._error
                return []
            self._came = asyncio.get_running_loop().create_future()
            try:
                await self._came
            finally:
                self._came = None
        taken = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        return taken

    def close(self) -> None:
        """Read no more."""
        self._task.cancel()

    async def _read_ahead(self) -> None:
        try:
            while (data := await self._read()) is not grpc.aio.EOF:
                self._waiting.append(data)
                self._bytes += len(data)
                self._wake()
                while len(self._waiting) >= self._most or self._bytes >= self._most_bytes:
                    self._room = asyncio.get_running_loop().create_future()
                    await self._room
        except BaseException as e:  # noqa: BLE001 - whoever takes is told
            self._error = e
        finally:
            # Called once more when this task is done: that is what it is then told of.
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        if self._came is not None and not self._came.done():
            self._came.set_result(None)

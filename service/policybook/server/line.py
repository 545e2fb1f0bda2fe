"""What the supervisor and its workers say to each other, over a socket that they alone have."""

from __future__ import annotations

import asyncio
import pickle
import socket
import struct
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from policybook.model.book import Book
from policybook.model.clauses import Beside
from policybook.server.meter import Sample
from policybook.server.settings import Settings
from policybook.source import Source

_LENGTH = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Start:
    """To a new worker: how to serve, the ports that all share, and which of the workers it is, from 1."""

    settings: Settings
    port: int
    http_port: int | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    """A book that the supervisor has read, checked, compiled, compared with the reference and proved; the worker compiles it."""

    book: Book
    loaded_at: datetime
    texts: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Prepare:
    """To a worker: make these editions, and keep them until `Commit` or `Abort`.

    Args:
        books: in the order in which they were published
        withdrawn: policies that are no longer in service
        beside: what lies beside the books now
        challenge: whether they decide beside those in service, and are never answered
    """

    number: int
    books: tuple[Checked, ...]
    withdrawn: tuple[str, ...]
    beside: Beside
    challenge: bool = False


@dataclass(frozen=True, slots=True)
class Commit:
    """To a worker: what was prepared is in service now."""

    number: int


@dataclass(frozen=True, slots=True)
class Abort:
    """To a worker: what was prepared is dropped."""

    number: int


@dataclass(frozen=True, slots=True)
class Stop:
    """To a worker: let the calls in progress end, then end."""


@dataclass(frozen=True, slots=True)
class Count:
    """To a worker: say what you count."""

    number: int


@dataclass(frozen=True, slots=True)
class Fresh:
    """To a worker: the books are fresh, or have been stale for too long; health says so."""

    is_fresh: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """From a worker: what it counts."""

    number: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """From a worker: it was prepared, or is in service; with `error`, why it is not."""

    number: int
    error: str = ""


Message: TypeAlias = "Start | Prepare | Commit | Abort | Count | Fresh | Stop | Done | Counted"


class Line:
    """One end of the socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Line:
        """Speak over a connected socket."""
        return cls(*await asyncio.open_connection(sock=end))

    async def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            OSError: the other end is gone
        """
        await self.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))

    async def send_bytes(self, data: bytes) -> None:
        """Send a message that was made into bytes before; raises as `send` does."""
        self._writer.write(_LENGTH.pack(len(data)))
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self) -> Message | None:
        """Wait for a message; None: the other end is gone."""
        try:
            (size,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            data = await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError):
            return None
        message: Message = pickle.loads(data)  # noqa: S301 - from our own parent or child, over a socket that nobody else has
        return message

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

"""Frames of HTTP/2 as a careless or hostile program writes them, and the reading of what comes back.

Client libraries refuse to send most of what is tried here; so frames are put together by hand (RFC 9113), headers by hpack.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hpack import Decoder, Encoder, HPACKError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 1, 1, 4, 8, 32
MAX_READ = 4 * 1024 * 1024


@dataclass(frozen=True)
class Frame:
    """One frame.

    Args:
        headers: of a HEADERS frame; encoded when it is sent, as the encoding depends on what was sent before
        length: what the frame says of its length, when that is not so
    """

    kind: int
    flags: int = 0
    stream: int = 0
    payload: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None


@dataclass
class Answer:
    """What came back.

    Attributes:
        ended: by stream, the headers and trailers of a stream that the server ended
        is_closed: the server closed the connection, or said that it goes away
    """

    headers: dict[int, dict[str, bytes]] = field(default_factory=dict)
    data: dict[int, bytes] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    is_closed: bool = False


def prefixed(message: bytes, *, flag: int = 0, length: int | None = None) -> bytes:
    """Return a message with the five bytes that gRPC puts before it."""
    return struct.pack(">BI", flag, len(message) if length is None else length & 0xFFFFFFFF) + message


def request_headers(path: str, more: Sequence[tuple[str, str]] = ()) -> tuple[tuple[str, str], ...]:
    """Return the headers of a call."""
    return (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "127.0.0.1"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *more,
    )


def encoded(frames: Iterable[Frame]) -> Iterable[bytes]:
    """Yield the bytes of frames."""
    encoder = Encoder()
    for f in frames:
        payload = f.payload
        if f.headers:
            payload = encoder.encode(f.headers, huffman=False) + payload
        length = len(payload) if f.length is None else f.length
        yield struct.pack(">I", length & 0xFFFFFF)[1:] + struct.pack(">BBI", f.kind & 255, f.flags & 255, f.stream & 0xFFFFFFFF) + payload


def exchange(port: int, pieces: Sequence[bytes], *, opened: set[int], wait_s: float = 0.15, abrupt: bool = False) -> Answer:
    """Send bytes on a connection of their own; read until the streams have ended, the server closes, or nothing more comes.

    Args:
        opened: streams whose end is waited for
        wait_s: silence after which no more is awaited
        abrupt: end the connection with a reset
    """
    answer = Answer()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if abrupt:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A server that has enough closes while we write.
        with contextlib.suppress(OSError):
            for piece in pieces:
                s.sendall(piece)
        with contextlib.suppress(OSError):
            _read(s, answer, opened, wait_s)
    return answer


def _read(s: socket.socket, answer: Answer, opened: set[int], wait_s: float) -> None:
    decoder = Decoder(max_header_list_size=256 * 1024)
    held = b""
    blocks: dict[int, bytes] = {}
    total = 0
    end = time.monotonic() + 20
    while not answer.is_closed and not (opened and opened <= answer.ended) and total < MAX_READ and time.monotonic() < end:
        s.settimeout(wait_s)
        try:
            piece = s.recv(65_536)
        except TimeoutError:
            return
        if not piece:
            answer.is_closed = True
            return
        total += len(piece)
        held += piece
        while len(held) >= 9:
            length = int.from_bytes(held[:3], "big")
            if len(held) < 9 + length:
                break
            kind, flags = held[3], held[4]
            stream = int.from_bytes(held[5:9], "big") & 0x7FFFFFFF
            payload, held = held[9 : 9 + length], held[9 + length :]
            _take(answer, decoder, blocks, Frame(kind, flags, stream, payload))
            if kind == SETTINGS and not flags & ACK:
                s.sendall(b"\0\0\0\x04\x01\0\0\0\0")


def _take(answer: Answer, decoder: Decoder, blocks: dict[int, bytes], frame: Frame) -> None:
    kind, flags, stream, payload = frame.kind, frame.flags, frame.stream, frame.payload
    if kind in (HEADERS, CONTINUATION):
        blocks[stream] = blocks.get(stream, b"") + payload
        if flags & END_HEADERS:
            with contextlib.suppress(HPACKError):
                for name, value in decoder.decode(blocks.pop(stream), raw=True):
                    answer.headers.setdefault(stream, {})[name.decode("latin-1")] = value
    elif kind == DATA:
        answer.data[stream] = answer.data.get(stream, b"") + payload
    elif kind == GOAWAY:
        answer.is_closed = True
    if (kind in (HEADERS, DATA) and flags & END_STREAM) or kind == RST_STREAM:
        answer.ended.add(stream)

"""The port for HTTP under fire: callers that say nothing, or half of something, or do not take their answers."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from access import Callers
from contract.calls import Process, order
from contract.test_http import BATCH, DECIDE, Web, asked, http_port
from contract.test_siege import besieged, closed_by_peer, memory_mb, wait_for

LOCAL = "127.0.0.1"


@pytest.fixture
def callers(tmp_path: Path) -> Callers:
    made = Callers(tmp_path / "callers.yaml")
    made.add("erp", "decide")
    made.add("deaf", "decide", more="requests: 2")
    return made


def bearer(callers: Callers, name: str = "erp") -> dict[str, str]:
    return {"authorization": f"Bearer {callers.tokens[name]}"}


def request(callers: Callers, name: str, path: str, body: bytes) -> bytes:
    """The bytes of a request."""
    fields = {"host": "x", "content-type": "application/json", "content-length": str(len(body)), **bearer(callers, name)}
    return b"\r\n".join([f"POST {path} HTTP/1.1".encode(), *(f"{n}: {v}".encode() for n, v in fields.items()), b"", body])


def is_idle(process: Process) -> bool:
    """Whether it has nothing to do for a while."""

    def ticks() -> int:
        fields = Path(f"/proc/{process.popen.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(0.3)
    return ticks() - before <= 1


def test_half_of_something_is_not_waited_for_for_ever(tmp_path: Path, callers: Callers) -> None:
    whole = request(callers, "erp", DECIDE, json.dumps(asked(order())).encode())
    silent = {
        "nonsense": b"nonsense\r\n\r\n",
        "nothing": b"",
        "half a line": b"POST /poli",
        "half a head": whole[:70],
        "half a body": whole[:-10],
        "half of a second one": whole + whole[:70],
        "a head without end": b"POST / HTTP/1.1\r\n" + b"x-more: yes\r\n" * 10_000,
    }
    with besieged(tmp_path, callers, "--http-port", "0", handshake_s=1, deadline_s=1) as process:
        port = http_port(process)

        def answer(data: bytes) -> tuple[bool, bytes]:
            """Whether it is cut off in time, and what comes before that."""
            with socket.create_connection((LOCAL, port), timeout=10) as s:
                got = b""
                try:
                    s.sendall(data)
                    while part := s.recv(65_536):
                        got += part
                except TimeoutError:
                    return False, got
                except OSError:
                    pass
                return True, got

        with ThreadPoolExecutor(len(silent)) as pool:
            told = dict(zip(silent, pool.map(answer, silent.values()), strict=True))
        assert {name for name, (cut_off, _) in told.items() if not cut_off} == {"half a body"}
        assert told["nonsense"][1].startswith(b"HTTP/1.1 400 ")
        assert told["half a body"][1].startswith(b"HTTP/1.1 504 ")
        assert b"deadline_exceeded" in told["half a body"][1]
        assert told["half of a second one"][1].count(b"HTTP/1.1 200 ") == 1
        assert told["a head without end"][1].startswith((b"HTTP/1.1 431 ", b""))
        assert [told[name][1] for name in ("nothing", "half a line", "half a head")] == [b""] * 3
        with Web(port) as web:
            assert web.ask(DECIDE, asked(order()), bearer(callers)).status == 200
        assert "uvicorn" not in process.errors()


def test_a_silence_between_requests_is_not_half_a_request(tmp_path: Path, callers: Callers) -> None:
    with besieged(tmp_path, callers, "--http-port", "0", handshake_s=0.5) as process, Web(http_port(process)) as web:
        for _ in range(2):
            assert web.ask(DECIDE, asked(order()), bearer(callers)).status == 200
            kept = web.connection.sock
            time.sleep(1.5)
        assert web.ask(DECIDE, asked(order()), bearer(callers)).status == 200
        assert web.connection.sock is kept


def test_connections_beyond_the_limit_are_closed_and_those_within_served(tmp_path: Path, callers: Callers) -> None:
    with besieged(tmp_path, callers, "--http-port", "0", connections=10) as process, ExitStack() as held:
        port = http_port(process)
        with Web(port) as web:
            assert web.ask(DECIDE, asked(order()), bearer(callers)).status == 200
            for _ in range(9):
                held.enter_context(socket.create_connection((LOCAL, port), timeout=10)).sendall(b"POST ")
            assert closed_by_peer(held.enter_context(socket.create_connection((LOCAL, port), timeout=10)), b"")
            assert web.ask(DECIDE, asked(order()), bearer(callers)).status == 200


def test_answers_that_nobody_takes(tmp_path: Path, callers: Callers) -> None:
    batch = json.dumps({"requests": [asked(order(trace_level=3))] * 2_000}).encode()
    with besieged(tmp_path, callers, "--http-port", "0", deadline_s=8) as process, ExitStack() as held:
        port = http_port(process)
        web = held.enter_context(Web(port))
        size_mb = len(web.ask(BATCH, batch, bearer(callers)).data) / 2**20
        assert size_mb > 4
        before = memory_mb(process)
        for _ in range(20):
            s = held.enter_context(socket.socket())
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect((LOCAL, port))
            s.sendall(request(callers, "deaf", BATCH, batch))

        def status() -> int:
            return web.ask(DECIDE, asked(order()), bearer(callers, "deaf")).status

        # What is not taken keeps its place, and nobody has more places than his own.
        wait_for(lambda: status() == 429)
        wait_for(lambda: is_idle(process))
        assert status() == 429
        assert memory_mb(process) - before < 2 * 4 * size_mb + 64
        assert web.ask(DECIDE, asked(order()), bearer(callers)).status == 200
        # Until the time is up that a call may take.
        wait_for(lambda: status() == 200)

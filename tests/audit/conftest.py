"""Where logs are kept: what holds of one must hold of the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from postgres_server import Postgres

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture
def url(postgres: Postgres) -> str:
    """A database of the test's own."""
    return postgres.database(f"log-{next(_numbers)}")


@pytest.fixture(params=["file", "database"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A log of the test's own, that is not there yet: a file, then a database."""
    found: str = request.getfixturevalue("url") if request.param == "database" else str(tmp_path / "decisions.db")
    return found

"""What all tests share: hypothesis profiles and golden files."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# `default` looks for new faults on every run; `ci` is the same run every time, so that a red build is the change's own.
# No deadline for one example: a slow machine is no fault.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="rewrite wanted files instead of comparing with them (make golden)")
    parser.addoption(
        "--soak", type=float, default=4.0, help="how many seconds the tests of tests/contract/test_soak.py load a service (make soak: 60)"
    )


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the checkout."""
    return ROOT


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compare a text with a wanted file; `--golden` writes the file."""
    rewrite = bool(request.config.getoption("--golden"))

    def compare(path: Path, got: str) -> None:
        if rewrite:
            path.write_text(got, encoding="utf-8")
            return
        wanted = path.read_text(encoding="utf-8") if path.exists() else ""
        if wanted != got:
            diff = difflib.unified_diff(wanted.splitlines(), got.splitlines(), f"wanted: {path.name}", "got", lineterm="")
            pytest.fail("\n".join(("`make golden` rewrites it, if the new one is right:", *diff)), pytrace=False)

    return compare

"""The TypeScript client: generated, linted and tested against a real service, where Node.js is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "clients" / "node"


@pytest.mark.timeout(400)
def test_the_typescript_client(tmp_path: Path) -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node.js is not installed here")
    major = int(subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout[1:].partition(".")[0])
    if major < 20:
        pytest.skip(f"Node.js {major} is too old")
    # In a folder of its own: the tree stays clean, and its tests find the books where they are.
    place = tmp_path / "repository" / "clients" / "node"
    shutil.copytree(CLIENT, place, ignore=shutil.ignore_patterns("node_modules", "dist", "build", "generated"))
    for name in ("proto", "tests"):
        (tmp_path / "repository" / name).symlink_to(ROOT / name)
    environment = {**os.environ, "POLICYBOOK_PYTHON": sys.executable, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}

    def run(*command: str) -> str:
        done = subprocess.run([npm, *command], capture_output=True, text=True, check=False, cwd=place, env=environment, timeout=300)
        assert done.returncode == 0, f"npm {' '.join(command)}\n{done.stdout[-5_000:]}\n{done.stderr[-3_000:]}"
        return done.stdout

    if subprocess.run([npm, "ci", "--silent"], capture_output=True, check=False, cwd=place, env=environment, timeout=300).returncode:
        pytest.skip("the packages of the client cannot be installed here")
    run("run", "generate")
    run("run", "lint")
    run("run", "build")
    assert (place / "dist" / "index.d.ts").is_file()
    told = run("test")
    found = re.search(r"^ℹ pass (\d+)$", told, re.MULTILINE)
    assert found
    assert int(found.group(1)) >= 67
    assert "Warning" not in told


def test_the_lock_names_no_registry() -> None:
    assert "resolved" not in (CLIENT / "package-lock.json").read_text(encoding="utf-8")

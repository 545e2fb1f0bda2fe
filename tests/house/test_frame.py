"""The frame keeps what it promises: contracts, targets, pins, a clean tree, complete distributions."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import policybook
import policybook_client

PUBLIC = {
    *("Answer", "Book", "Column", "ColumnAnswers", "Desk", "Dictionary", "Outcome", "PolicybookError", "Request", "Scaled", "Store"),
    *("TraceLevel", "open_books"),
}


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=100)


def test_import_contracts_hold(root: Path) -> None:
    done = run(Path(sys.executable).with_name("lint-imports"), "--no-cache", cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr


def test_public_names_of_the_package() -> None:
    # A name that leaves this list breaks a caller: say so in CHANGELOG.md.
    assert set(policybook.__all__) == PUBLIC
    assert all(hasattr(policybook, name) for name in PUBLIC)


def test_public_names_of_the_client_exist() -> None:
    assert sorted(policybook_client.__all__) == list(policybook_client.__all__)
    assert all(hasattr(policybook_client, name) for name in policybook_client.__all__)


def test_versions_agree(root: Path) -> None:
    stated = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    assert policybook.__version__ == stated


def test_every_make_target_is_in_help_and_has_one_line(root: Path) -> None:
    makefile = (root / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE))
    shown = dict(re.findall(r"^  make (\S+)\s+(.+)$", run("make", cwd=root).stdout, re.MULTILINE))
    assert set(shown) == targets
    assert {"demo", "test", "serve", "lint", "proto", "bench", "golden", "lock", "clean", "cov", "check"} <= targets


def test_ci_runs_the_targets_that_a_person_runs(root: Path) -> None:
    script = (root / ".ci" / "run").read_text()
    assert script.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in script
    assert {"setup", "lint", "check", "test"} <= set(re.findall(r"(?:^step|make) ([a-z]+)", script, re.MULTILINE))


def normal(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def requirements(root: Path) -> list[str]:
    found: list[str] = []
    for name in ("pyproject.toml", "clients/python/pyproject.toml"):
        project = tomllib.loads((root / name).read_text())
        extras = project["project"].get("optional-dependencies", {})
        found += [*project["build-system"]["requires"], *project["project"]["dependencies"], *(r for e in extras.values() for r in e)]
    return found


def test_every_dependency_is_pinned_and_has_its_reason(root: Path) -> None:
    lines = [line for line in (root / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(names)
    pinned = set(names)
    reasons = (root / "docs" / "decisions" / "0003-dependencies.md").read_text().lower()
    for requirement in requirements(root):
        name = normal(requirement)
        assert name in pinned, f"{name}: run `make lock`"
        assert name in reasons, f"{name} has no reason in docs/decisions/0003-dependencies.md"


def tracked(root: Path) -> list[Path]:
    """Return the files that are, or would be, committed."""
    done = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=root)
    if done.returncode:
        pytest.skip("not a git checkout")
    files = [root / name for name in done.stdout.split("\0") if name]
    return [f for f in files if f.is_file()]


# Each is written so that it does not find itself.
FORBIDDEN = {
    "a host of a package registry": r"\b(?:pypi|npmjs|pythonhosted|crates|rubygems|anaconda|mirrors?)\.[a-z]*\.?(?:org|io|com|cn)\b",
    "a path of one machine": r"(?<![\w.])/(?:root|work|home/[a-z]+|Users/[A-Za-z]+|opt/[a-z]+)/",
    "a secret": r"-----BEGIN [A-Z ]*PRIVATE [K]EY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}",
}


def test_no_registry_host_no_machine_path_no_secret_in_the_tree(root: Path) -> None:
    found = []
    for path in tracked(root):
        text = path.read_bytes().decode("utf-8", "replace")
        for what, pattern in FORBIDDEN.items():
            found += [f"{path.relative_to(root)}: {what}: {m.group()}" for m in re.finditer(pattern, text)]
    assert not found, "\n".join(found)


def test_no_large_or_stray_files(root: Path) -> None:
    assert [str(p) for p in tracked(root) if p.stat().st_size > 2_000_000] == []
    assert [str(p) for p in tracked(root) if p.suffix in {".pyc", ".orig", ".rej", ".tmp", ".log"}] == []


@pytest.mark.parametrize(
    ("folder", "package", "wanted"),
    [
        (".", "policybook", {"__init__.py", "__main__.py", "py.typed", "feel/grammar.lark", "v1/decision_service_pb2.py"}),
        ("clients/python", "policybook_client", {"__init__.py", "py.typed", "_wire/policybook.binpb"}),
    ],
)
def test_a_wheel_holds_the_package_and_nothing_else(root: Path, tmp_path: Path, folder: str, package: str, wanted: set[str]) -> None:
    done = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=root / folder)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"{package}/{name}" for name in wanted} <= set(names)
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {package}

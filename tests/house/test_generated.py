"""What is generated is current: nobody edits it, nobody forgets it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest


def tool(root: Path, name: str) -> ModuleType:
    """Import a script of tools/."""
    spec = importlib.util.spec_from_file_location(f"tools_{name}", root / "tools" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def test_stubs_are_those_of_proto(root: Path, tmp_path: Path) -> None:
    tool(root, "protos").generate(tmp_path)
    kept = root / "service" / "policybook" / "v1"
    made = {p.name: p for p in (tmp_path / "policybook" / "v1").glob("*_pb2*")}
    assert set(made) == {p.name for p in kept.glob("*_pb2*")}
    stale = [name for name, path in made.items() if path.read_text() != (kept / name).read_text()]
    assert not stale, f"run `make proto`: {stale}"


def test_descriptors_of_the_client_are_those_of_proto(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, root / "clients" / "python" / "build_wire.py", "--check"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_findings_page_is_that_of_the_codes(root: Path) -> None:
    page = (root / "docs" / "findings.md").read_text(encoding="utf-8")
    if page != tool(root, "findings").page():
        pytest.fail("docs/findings.md is not current: run `make golden`", pytrace=False)

"""The OpenAPI document: current, valid, and true: schemathesis asks whatever it allows, and compares what comes with what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from contract.calls import BOOKS, Process
from contract.test_http import http_port

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "service" / "policybook" / "server" / "openapi.json"


def test_it_is_current(tmp_path: Path) -> None:
    code = "import sys; sys.path.insert(0, 'tools'); import openapi; sys.stdout.write(openapi.text())"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert made.stdout == KEPT.read_text(encoding="utf-8"), "`make proto` makes it anew"


def test_it_is_valid() -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    import json

    validator.validate(json.loads(KEPT.read_text(encoding="utf-8")))


def test_the_service_does_what_it_says(tmp_path: Path) -> None:
    pytest.importorskip("schemathesis")
    process = Process(
        BOOKS, "--port", "0", "--http-port", "0", "--reload-s", "0", "--log", tmp_path / "d.db", log=tmp_path / "log"
    ).started()
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"
    try:
        done = subprocess.run(
            [
                *(str(Path(sys.executable).with_name("schemathesis")), "run", f"http://127.0.0.1:{http_port(process)}/openapi.json"),
                *("--checks", checks, "--max-examples", "15", "--seed", "1", "--phases", "examples,fuzzing", "--no-color"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            timeout=110,
        )
    finally:
        assert process.end() == 0
    assert done.returncode == 0, done.stdout[-6_000:]
    assert "Traceback" not in process.errors()

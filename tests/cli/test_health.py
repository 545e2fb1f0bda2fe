"""`policybook health` against a real service."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from contract.calls import BOOKS, Process
from policybook.cli.main import cli


def test_health(tmp_path: Path) -> None:
    process = Process(BOOKS, "--port", "0", log=tmp_path / "log").started()
    address = f"127.0.0.1:{process.port}"
    ready = CliRunner().invoke(cli, ["health", "--server", address])
    assert (ready.exit_code, ready.output) == (0, f"{address}: SERVING\n")
    other = CliRunner().invoke(cli, ["health", "--server", address, "--service", "no.Such"])
    assert (other.exit_code, other.output.split()[1]) == (1, "NOT_FOUND")
    assert process.end() == 0
    gone = CliRunner().invoke(cli, ["health", "--server", address, "--timeout", "1"])
    assert (gone.exit_code, gone.output.split()[1]) == (1, "UNAVAILABLE")

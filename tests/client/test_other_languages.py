"""The example in Java: generated, compiled and run against a real service, where its tools are installed."""

from __future__ import annotations

import glob
import shutil
import subprocess
from pathlib import Path

import google.rpc
import pytest

from contract.calls import BOOKS, Process

ROOT = Path(__file__).resolve().parents[2]
PROTOS = [f"policybook/v1/{name}.proto" for name in ("values", "trace", "explanation", "decision_service")]
JARS = ("grpc-*", "protobuf*", "guava", "failureaccess", "jsr305", "perfmark*", "netty*", "opencensus*", "gson", "geronimo-annotation*")


@pytest.mark.timeout(300)
def test_java(tmp_path: Path) -> None:
    tools = [shutil.which(name) for name in ("protoc", "grpc_java_plugin", "javac", "java")]
    jars = [jar for name in JARS for jar in glob.glob(f"/usr/share/java/{name}.jar")]  # noqa: PTH207 - many patterns
    if not all(tools) or not any("grpc-netty" in j for j in jars) or not any("/netty" in j for j in jars):
        pytest.skip("no Java with gRPC is installed here (Debian: docs/other-languages.md)")
    protoc, plugin, javac, java = tools
    common = Path(next(iter(google.rpc.__path__))).parents[1]
    generated, classes = tmp_path / "generated", tmp_path / "classes"
    generated.mkdir()
    command = [protoc, f"-I{ROOT / 'proto'}", f"-I{common}", f"--java_out={generated}", f"--grpc-java_out={generated}"]
    command += [f"--plugin=protoc-gen-grpc-java={plugin}", *PROTOS, "google/rpc/status.proto", "google/rpc/error_details.proto"]
    subprocess.run([str(c) for c in command], check=True, capture_output=True)
    sources = [str(p) for p in generated.rglob("*.java")] + [str(ROOT / "examples" / "java" / "Decide.java")]
    path = ":".join(jars)
    done = subprocess.run([str(javac), "-nowarn", "-d", str(classes), "-cp", path, *sources], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    process = Process(BOOKS, "--port", "0", log=tmp_path / "log").started()
    try:
        for customer, wanted in (
            ("new", "ship, fee 20.00\nwithin-cap [2.1] Within the cap of 200 CNY.\n"),
            (
                "nobody",
                (
                    "INVALID_ARGUMENT: `customer` is `nobody`\nreason INVALID_FACTS\n"
                    "facts.customer: `customer` is `nobody`; allowed: `barred`, `known`, `new`\n"
                ),
            ),
        ):
            run = [str(java), "-cp", f"{classes}:{path}", "Decide", f"127.0.0.1:{process.port}", "60", customer]
            asked = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
            assert asked.stdout == wanted, asked.stderr
    finally:
        assert process.end() == 0

"""The client's wire descriptors are current, complete and at peace with the originals."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2

import policybook_client
from policybook_client import _wire

CLIENT = Path(__file__).resolve().parents[2] / "clients" / "python"


def test_the_descriptors_are_current() -> None:
    pytest.importorskip("grpc_tools")
    spec = importlib.util.spec_from_file_location("build_wire", CLIENT / "build_wire.py")
    assert spec
    assert spec.loader
    build_wire = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build_wire)
    assert build_wire.build() == build_wire.WIRE.read_bytes(), "run `python clients/python/build_wire.py`"
    assert build_wire.main(["--check"]) == 0


STUBS = "from policybook.v1 import decision_service_pb2 as d, policy_service_pb2 as p, trace_pb2, values_pb2"
CLIENTS = "from policybook_client import _wire as w"
USE = """
sent = w.DecideRequest(decision='a.b', facts={'x': w.Value(text='y')}).SerializeToString()
assert d.DecideRequest.FromString(sent).facts['x'].text == 'y'
assert d.DecideRequest.DESCRIPTOR.file.name == w.DecideRequest.DESCRIPTOR.file.name
"""


@pytest.mark.parametrize("order", [(STUBS, CLIENTS), (CLIENTS, STUBS)], ids=["stubs first", "client first"])
@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_client_and_stubs_share_a_process(order: tuple[str, str], implementation: str) -> None:
    code = "\n".join((*order, USE))
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(p for p in sys.path if p), "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation},
    )
    assert done.returncode == 0, done.stderr


def test_another_version_in_the_process_is_named() -> None:
    code = """
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
other = FileDescriptorProto(name='policybook/v1/values.proto', package='policybook.v1', syntax='proto3')
other.message_type.add(name='Value')
descriptor_pool.Default().AddSerializedFile(other.SerializeToString())
import policybook_client
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, env={"PYTHONPATH": str(CLIENT)})
    assert done.returncode == 1
    assert "ImportError: another version of `policybook/v1/values.proto` is already loaded in this process" in done.stderr


def test_the_client_needs_grpcio_and_protobuf_alone() -> None:
    required = [requirement for requirement in importlib.metadata.requires("policybook-client") or () if "extra ==" not in requirement]
    assert sorted(re.split(r"[<>=!~ ]", name)[0] for name in required) == ["grpcio", "protobuf"]
    imported = set()
    for path in (CLIENT / "policybook_client").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
    foreign = {
        name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith("policybook_client")
    }
    assert foreign == {"grpc", "grpc.aio", "google.protobuf", "google.protobuf.descriptor_pb2", "google.protobuf.message"}


ORIGINALS: list[tuple[Any, Any]] = [
    (_wire.Status.DESCRIPTOR, status_pb2.Status.DESCRIPTOR),
    (_wire.Status.DESCRIPTOR, _wire.ItemError.DESCRIPTOR),
    *(
        (getattr(_wire, name).DESCRIPTOR, getattr(error_details_pb2, name).DESCRIPTOR)
        for name in ("ErrorInfo", "BadRequest", "ResourceInfo", "PreconditionFailure", "QuotaFailure", "RetryInfo")
    ),
    (_wire.BadRequest.FieldViolation.DESCRIPTOR, error_details_pb2.BadRequest.FieldViolation.DESCRIPTOR),
    (_wire.PreconditionFailure.Violation.DESCRIPTOR, error_details_pb2.PreconditionFailure.Violation.DESCRIPTOR),
    (_wire.QuotaFailure.Violation.DESCRIPTOR, error_details_pb2.QuotaFailure.Violation.DESCRIPTOR),
    (_wire.HealthCheckRequest.DESCRIPTOR, health_pb2.HealthCheckRequest.DESCRIPTOR),
]


@pytest.mark.parametrize(("copy", "original"), ORIGINALS, ids=lambda d: str(d.full_name))
def test_copies_have_the_originals_numbers_and_types(copy: Descriptor, original: Descriptor) -> None:
    for field in copy.fields:
        theirs = original.fields_by_name[field.name]
        assert (field.number, field.type, field.is_repeated) == (theirs.number, theirs.type, theirs.is_repeated)


def test_the_package_is_typed_and_holds_its_descriptors() -> None:
    package = Path(policybook_client.__file__).parent
    assert (package / "py.typed").exists()
    assert (package / "_wire" / "policybook.binpb").exists()

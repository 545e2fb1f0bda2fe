"""Write `policybook_client/_wire/policybook.binpb` from the .proto files; needs grpcio-tools.

python clients/python/build_wire.py            write it
python clients/python/build_wire.py --check    exit 1 if it is not current
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import grpc_tools
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet
from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
WIRE = HERE / "policybook_client" / "_wire" / "policybook.binpb"
ROOTS = (HERE.parent.parent / "proto", HERE / "proto")


def build() -> bytes:
    """Compile the service's and the client's .proto files to one serialized FileDescriptorSet.

    Raises:
        RuntimeError: protoc refused; it has said why on stderr
    """
    files = sorted(str(p.relative_to(root)) for root in ROOTS for p in root.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "all.binpb"
        includes = [f"-I{root}" for root in (*ROOTS, Path(grpc_tools.__file__).parent / "_proto")]
        if protoc.main(["protoc", *includes, "--include_imports", f"--descriptor_set_out={out}", *files]):
            raise RuntimeError("protoc failed")
        compiled = FileDescriptorSet.FromString(out.read_bytes())
    kept = FileDescriptorSet()
    for file in compiled.file:
        # The protobuf runtime brings google/protobuf/* itself, in the version that fits it.
        if file.name.startswith("google/"):
            continue
        for message in file.message_type:
            _drop_json_names(message)
        kept.file.append(file)
    return kept.SerializeToString(deterministic=True)


def _drop_json_names(message: DescriptorProto) -> None:
    # protoc's --python_out leaves them out; with them the pool would take a file for another one of the same name
    # and the service's stubs could not share the process.
    for field in message.field:
        field.ClearField("json_name")
    for nested in message.nested_type:
        _drop_json_names(nested)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the result is the exit code."""
    parser = argparse.ArgumentParser(description="Build the client's wire descriptors from the .proto files.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the file is not current")
    wanted = build()
    if parser.parse_args(argv).check:
        if WIRE.exists() and WIRE.read_bytes() == wanted:
            return 0
        print(f"{WIRE} is not current: run `python clients/python/build_wire.py`", file=sys.stderr)
        return 1
    WIRE.write_bytes(wanted)
    print(f"{WIRE}: {len(wanted):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())

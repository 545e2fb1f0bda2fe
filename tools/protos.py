"""Make everything that is generated from proto/: the service's stubs and the client's descriptors.

    make proto

The file names under proto/ are the import names of the stubs, so that they are right as they come, with no repair.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
INCLUDED = Path(grpc_tools.__file__).parent / "_proto"


def files() -> list[str]:
    """Return the .proto files, relative to proto/."""
    return sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))


def generate(target: Path) -> None:
    """Write the stubs below `target`.

    Raises:
        RuntimeError: protoc refused; it has said why on stderr
    """
    outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", f"-I{PROTO}", f"-I{INCLUDED}", *outputs, *files()]):
        raise RuntimeError("protoc failed")


def main() -> None:
    """Generate in place."""
    target = ROOT / "service"
    generate(target)
    print(f"service/policybook/v1: {len(files())} files")
    subprocess.run([sys.executable, ROOT / "clients" / "python" / "build_wire.py"], check=True)
    subprocess.run([sys.executable, ROOT / "tools" / "openapi.py"], check=True)


if __name__ == "__main__":
    main()

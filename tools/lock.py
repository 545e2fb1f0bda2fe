"""Write constraints.txt: every package that the project needs, directly or not, in one exact version.

    make lock

Asks pip what it would install into an empty environment for the service with its dev extra, for the client, and for
building both. pip itself is among them, so that everybody installs with the same one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "constraints.txt"
PROJECTS = ("pyproject.toml", "clients/python/pyproject.toml")
# What builds the engine and makes editable installs; pip takes these from constraints.txt as well (--build-constraint).
BUILDERS = ("pip", "setuptools", "editables")

HEAD = """\
# Every dependency in one exact version. Written by `make lock`; do not edit.
# Why each direct one is here: docs/decisions/0003-dependencies.md.
"""


def wanted() -> list[str]:
    """Return the requirements of both projects, as their pyproject.toml state them."""
    found: list[str] = []
    for name in PROJECTS:
        project = tomllib.loads((ROOT / name).read_text())
        extras = project["project"].get("optional-dependencies", {})
        found += [*project["build-system"]["requires"], *project["project"]["dependencies"], *(r for e in extras.values() for r in e)]
    return [*BUILDERS, *found]


def resolve() -> dict[str, str]:
    """Return package -> version as pip resolves them today."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-", *wanted()]
    report = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return {normal(item["metadata"]["name"]): item["metadata"]["version"] for item in report["install"]}


def normal(name: str) -> str:
    """Return a package name in the one form that registries compare (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Write the file and say what changed."""
    before = set(TARGET.read_text().splitlines()) if TARGET.exists() else set()
    lines = [f"{name}=={version}" for name, version in sorted(resolve().items())]
    TARGET.write_text(HEAD + "\n".join(lines) + "\n")
    for line in sorted((before ^ set(lines)) - set(HEAD.splitlines())):
        print("-" if line in before else "+", line)
    print(f"{TARGET.name}: {len(lines)} packages")


if __name__ == "__main__":
    main()

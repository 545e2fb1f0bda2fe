"""`policybook version`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import click

_PARTS = ("policybook", "policybook-client", "durable-rules", "grpcio", "protobuf", "lark")


@click.command()
def command() -> None:
    """Show the versions of policybook and of what it stands on."""
    for name in _PARTS:
        click.echo(f"{name:<18} {_version(name)}")
    click.echo(f"{'python':<18} {platform.python_version()} on {platform.system()} {platform.machine()}")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"

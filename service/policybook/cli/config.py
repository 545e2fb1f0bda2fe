"""`policybook config`: the settings of the service, and where each was set."""

from __future__ import annotations

import json
from typing import Any

import click
import yaml

from policybook.audit.target import without_password
from policybook.cli.settings import configured, settings_options
from policybook.server.settings import Configured, Settings


@click.command()
@settings_options
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to write it.")
@click.pass_context
def command(ctx: click.Context, /, *, form: str, **_: Any) -> None:
    """Show the settings that `policybook serve` would have, and where each was set.

    Takes what `serve` takes. The text is YAML: kept in a file, it can be changed and named with --config. Passwords are left out.
    """
    found = configured(ctx)
    click.echo(json.dumps(_values(found), indent=2, ensure_ascii=False) if form == "json" else _text(found), nl=form == "json")


def _values(found: Configured) -> dict[str, Any]:
    values: dict[str, Any] = found.settings.model_dump(mode="json")
    return {name: without_password(v) if isinstance(v, str) else v for name, v in values.items()}


def _text(found: Configured) -> str:
    lines = []
    for name, value in _values(found).items():
        origin = found.origins.get(name, "default")
        lines += [
            f"# {Settings.model_fields[name].description}  [{origin}]",
            yaml.safe_dump({name: value}, allow_unicode=True, sort_keys=False),
        ]
    return "\n".join(lines)

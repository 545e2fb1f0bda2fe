"""`policybook completion`: the script that makes a shell complete commands, options and decisions."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_WHERE = {
    "bash": 'eval "$(policybook completion bash)"            # in ~/.bashrc',
    "zsh": 'eval "$(policybook completion zsh)"             # in ~/.zshrc',
    "fish": "policybook completion fish | source            # in ~/.config/fish/config.fish",
}


@click.command(epilog="\b\nSwitch it on with the line of your shell:\n" + "\n".join(f"  {line}" for line in _WHERE.values()))
@click.argument("shell", type=click.Choice(list(_WHERE)))
@click.pass_context
def command(ctx: click.Context, *, shell: str) -> None:
    """Print the completion script for a shell."""
    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(ctx.find_root().command, {}, "policybook", "_POLICYBOOK_COMPLETE").source())

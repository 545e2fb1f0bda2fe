"""`policybook completion`: the script that makes a shell complete commands, options and decisions."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

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


def complete_name(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - click's signature
    """Complete `credit` or `credit.shipment` from the books."""
    from policybook.cli.books import read_books  # noqa: PLC0415 - only while a shell waits for it

    books = read_books(_books_of(ctx)).books.values()
    names = [(b.name, b.title.get("en")) for b in books]
    names += [(f"{b.name}.{d.name}", d.title.get("en")) for b in books for d in b.decisions]
    return [CompletionItem(name, help=title) for name, title in names if name.startswith(incomplete)]


def complete_fact(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - click's signature
    """Complete `credit_limit=`, and the values of an enum or a flag behind it."""
    from policybook.cli.books import read_books  # noqa: PLC0415 - only while a shell waits for it

    policy, _, name = str(ctx.params.get("decision") or "").partition(".")
    book = read_books(_books_of(ctx)).books.get(policy)
    decision = book.decision_by_name.get(name) if book else None
    if book is None or decision is None:
        return []
    fields = [book.input_by_name[n] for n in decision.uses.inputs]
    known, sign, _ = incomplete.partition("=")
    if sign:
        values = [f.kind.value_names or (("true", "false") if f.kind.base.value == "boolean" else ()) for f in fields if f.name == known]
        return [CompletionItem(f"{known}={v}") for vs in values for v in vs if f"{known}={v}".startswith(incomplete)]
    return [CompletionItem(f"{f.name}=", help=f.title.get("en")) for f in fields if f.name.startswith(incomplete)]


def _books_of(ctx: click.Context) -> tuple[Path, ...]:
    paths: tuple[Path, ...] = ctx.params.get("books_path") or (Path("rules"),)
    return tuple(p for p in paths if Path(p).exists())

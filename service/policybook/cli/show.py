"""`policybook serve`."""
import click
@click.command()
def command() -> None:
    """Serve."""

"""`policybook health`: is a service ready?"""

from __future__ import annotations

import click

from policybook.cli.access import Access, tls_options
from policybook.cli.exits import FINDINGS, SUCCESS


@click.command()
@click.option("--server", "address", default="localhost:50151", show_default=True, metavar="HOST:PORT", help="The service.")
@tls_options
@click.option("--service", default="", metavar="NAME", help="One of its services: `policybook.v1.DecisionService`  [default: the whole]")
@click.option("--timeout", type=click.FloatRange(0.1), default=3.0, show_default=True, help="Seconds to wait.")
@click.pass_context
def command(ctx: click.Context, *, address: str, access: Access, service: str, timeout: float) -> None:
    """Ask a service whether it is ready, as probes do (grpc.health.v1).

    The exit code is 0 when it is, and 1 when it is not, or cannot be reached: for HEALTHCHECK of a container and for scripts.
    """
    from policybook.server.asking import health_of  # noqa: PLC0415 - gRPC is slow to import

    status = health_of(address, service, timeout, access.tls(address))
    click.echo(f"{address}: {status}")
    ctx.exit(SUCCESS if status == "SERVING" else FINDINGS)

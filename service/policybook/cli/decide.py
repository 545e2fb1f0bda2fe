"""`policybook decide`: ask a decision, in process or of a server."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from policybook.cli.access import Access, access_options
from policybook.cli.books import book_named, open_desk
from policybook.cli.check import default_books
from policybook.cli.completion import complete_fact, complete_name
from policybook.cli.console import err, out, show
from policybook.cli.exits import FINDINGS, RefusedError
from policybook.cli.facts import facts_from_arguments, facts_from_json, moment, object_from_json
from policybook.cli.findings import print_findings
from policybook.cli.render import decision_panel, trace_group
from policybook.cli.view import DecisionView, view_of
from policybook.cli.words import LANGS
from policybook.desk import Desk, Request
from policybook.diagnostics import did_you_mean
from policybook.errors import FactsError
from policybook.model.answer import TraceLevel
from policybook.model.facts import RawFacts


@click.command()
@click.argument("decision", required=False, shell_complete=complete_name)
@click.argument("facts", nargs=-1, metavar="[NAME=VALUE]...", shell_complete=complete_fact)
@click.option("--facts", "facts_file", metavar="FILE", help="Facts from a JSON object in a file; `-` reads standard input.")
@click.option("--request", "request_file", metavar="FILE", help="A whole request from a JSON file, such as those in examples/.")
@click.option(
    "--books", "books_path", multiple=True, type=click.Path(exists=True, path_type=Path), help="Books or their folder  [default: rules/]"
)
@click.option("--server", metavar="HOST:PORT", help="Ask a running service instead of reading books.")
@access_options
@click.option("--as-of", metavar="DAY", help="Apply the policy as of a day or instant  [default: now]")
@click.option("--version", "version", default="", metavar="HASH", help="Decide only by this version of the policy.")
@click.option(
    "--trace", type=click.Choice(["none", "matched", "full"]), default="matched", show_default=True, help="How much of the reasoning."
)
@click.option("--lang", type=click.Choice(LANGS), default="en", show_default=True, help="Language of titles and sentences.")
@click.option("--json", "as_json", is_flag=True, help="Write the answer as JSON.")
def command(
    *,
    decision: str | None,
    facts: tuple[str, ...],
    facts_file: str | None,
    request_file: str | None,
    books_path: tuple[Path, ...],
    server: str | None,
    access: Access,
    as_of: str | None,
    version: str,
    trace: str,
    lang: str,
    as_json: bool,
) -> None:
    """Ask one decision and show why it came so.

    \b
    policybook decide reception.companions guests=5
    policybook decide credit.shipment --facts examples/facts/order.json --trace full --lang both
    policybook decide --request examples/credit-first-over-limit.json --server localhost:50151

    A value is written as in a book: `30%`, `1/3`, `2026-03-25`, `[a, b]`, `[{amount: 5, paid_on: 2026-01-01}]`, `null`.
    A refusal by the policy is an answer: the exit code is 0.
    """
    request: Mapping[str, Any] = {}
    if request_file:
        request = object_from_json(read_file(request_file), request_file)
        if decision and "=" in decision:
            facts, decision = (decision, *facts), None
    name = decision or str(request.get("decision", ""))
    if not name or "=" in name:
        raise click.UsageError("name the decision first: `policybook decide credit.shipment credit_limit=10000 ...`")
    given = facts_from_json(_object(request.get("facts", {}), request_file or ""))
    if facts_file:
        given |= facts_from_json(object_from_json(read_file(facts_file), facts_file))
    given |= facts_from_arguments(facts)
    day = as_of or str(request.get("as_of", ""))
    asked = _Asked(name, given, day, version, trace, str(request.get("request_id", "")))
    view = asked.remotely(server, lang, access) if server else asked.here(books_path or default_books())
    if as_json:
        click.echo(json.dumps(view.as_json(), ensure_ascii=False, indent=2))
        return
    console = out()
    show(console, decision_panel(view, lang))
    if view.tables:
        console.print()
        show(console, trace_group(view, lang))


class _Asked:
    """One request as given on the command line."""

    def __init__(self, decision: str, facts: RawFacts, as_of: str, version: str, trace: str, request_id: str) -> None:
        self.decision = decision
        self.facts = facts
        self.as_of = as_of
        self.version = version
        self.trace = trace
        self.request_id = request_id

    def remotely(self, server: str, lang: str, access: Access) -> DecisionView:
        from policybook.cli.remote import Service  # noqa: PLC0415 - needs the client package, and grpc

        service = Service(server, lang, access)
        try:
            policy = self.decision.partition(".")[0]
            as_of = moment(self.as_of, service.zone(policy)) if self.as_of else None
            return service.decide(
                self.decision, self.facts, as_of=as_of, version=self.version, trace=self.trace, request_id=self.request_id
            )
        finally:
            service.close()

    def here(self, paths: tuple[Path, ...]) -> DecisionView:
        policy, _, name = self.decision.partition(".")
        book = book_named(policy, paths)
        if name not in book.decision_by_name:
            raise RefusedError(
                f"no decision `{self.decision}`; {did_you_mean(self.decision, [f'{policy}.{n}' for n in book.decision_by_name])}"
            )
        desk = open_desk([book])
        as_of = moment(self.as_of, book.zone) if self.as_of else None
        request = Request(
            decision=self.decision,
            facts=self.facts,
            request_id=self.request_id,
            as_of=as_of,
            version=self.version,
            trace=TraceLevel(self.trace),
        )
        return view_of(_ask(desk, request), book.zone)


def _ask(desk: Desk, request: Request) -> Any:
    try:
        return desk.decide(request)
    except FactsError as e:
        print_findings(err(), e.report, {})
        raise click.exceptions.Exit(FINDINGS) from None


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RefusedError(f'{name}: `facts` is an object, `{{"credit_limit": 10000}}`')
    return value


def read_file(name: str) -> str:
    """Return the text of a file, or of standard input for `-`."""
    if name == "-":
        return sys.stdin.read()
    try:
        return Path(name).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise RefusedError(f"{name}: not UTF-8 text") from None
    except OSError as e:
        raise click.UsageError(f"{name}: {(e.strerror or str(e)).lower()}") from None

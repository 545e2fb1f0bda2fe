"""`policybook explain`: why a decision came so, what would change it, and what is still missing; in process or of a server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from policybook.cli.access import Access, access_options
from policybook.cli.books import book_named, open_desk
from policybook.cli.check import default_books
from policybook.cli.completion import complete_fact, complete_name
from policybook.cli.console import err, out, show
from policybook.cli.decide import read_file
from policybook.cli.exits import FINDINGS, RefusedError
from policybook.cli.explain_render import explanation_group
from policybook.cli.explain_view import ExplainView, view_of
from policybook.cli.facts import facts_from_arguments, facts_from_json, moment, object_from_json
from policybook.cli.findings import print_findings
from policybook.cli.words import LANGS
from policybook.desk import Request
from policybook.diagnostics import did_you_mean
from policybook.errors import FactsError
from policybook.model.answer import TraceLevel
from policybook.model.facts import Raw


@click.command()
@click.argument("decision", required=False, shell_complete=complete_name)
@click.argument("facts", nargs=-1, metavar="[NAME=VALUE]...", shell_complete=complete_fact)
@click.option("--facts", "facts_file", metavar="FILE", help="Facts from a JSON object in a file; `-` reads standard input.")
@click.option(
    "--want", multiple=True, metavar="OUTPUT=VALUE", help="The outcome that is wanted; may be given several times  [default: any other]"
)
@click.option("--keep", multiple=True, metavar="INPUT", help="An input that nobody can change; may be given several times.")
@click.option("--vary", multiple=True, metavar="INPUT", help="Show the outcomes along an input; up to 5 times.")
@click.option(
    "--compare",
    multiple=True,
    metavar="OUTPUT",
    help="An output that matters to you; may be given several times  [default: the first choice or flag]",
)
@click.option("--alternatives", type=click.IntRange(0, 20), default=5, show_default=True, help="Ways to another outcome, at most.")
@click.option(
    "--books", "books_path", multiple=True, type=click.Path(exists=True, path_type=Path), help="Books or their folder  [default: rules/]"
)
@click.option("--server", metavar="HOST:PORT", help="Ask a running service instead of reading books.")
@access_options
@click.option("--as-of", metavar="DAY", help="Apply the policy as of a day or instant  [default: now]")
@click.option("--version", "version", default="", metavar="HASH", help="Explain only by this version of the policy.")
@click.option(
    "--effort", type=click.FloatRange(0.1, 600), default=10.0, show_default=True, metavar="SECONDS", help="Look for this long, at most."
)
@click.option("--lang", type=click.Choice(LANGS), default="en", show_default=True, help="Language of titles and sentences.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to write it.")
def command(
    *,
    decision: str | None,
    facts: tuple[str, ...],
    facts_file: str | None,
    books_path: tuple[Path, ...],
    server: str | None,
    access: Access,
    lang: str,
    form: str,
    **options: Any,
) -> None:
    """Explain a decision: why it came so, the fewest changes that would change it, and how near it was.

    \b
    policybook explain credit.shipment --facts examples/facts/order.json
    policybook explain credit.shipment --facts examples/facts/order.json --want outcome=ship --keep outstanding
    policybook explain credit.shipment --facts examples/facts/order.json --vary shipment_amount
    policybook explain credit.shipment customer_file_complete=false --compare outcome

    Where required facts are missing it says which of them can still change the answer, in a good order to ask.
    Every change shown was tried on the real decision; what was not proved says so.
    """
    if not decision or "=" in decision:
        raise click.UsageError("name the decision first: `policybook explain credit.shipment --facts order.json`")
    given = facts_from_json(object_from_json(read_file(facts_file), facts_file)) if facts_file else {}
    given |= facts_from_arguments(facts)
    asked = Asked(
        decision=decision,
        facts=given,
        want=facts_from_arguments(options["want"]),
        keep=options["keep"],
        vary=options["vary"],
        compare=options["compare"],
        most=options["alternatives"],
        as_of=options["as_of"] or "",
        version=options["version"],
        effort_s=options["effort"],
    )
    view = asked.remotely(server, lang, access) if server else asked.here(books_path or default_books())
    if form == "json":
        click.echo(json.dumps(view.json, ensure_ascii=False, indent=2))
        return
    show(out(), explanation_group(view, lang))


class Asked:
    """One question as given on the command line."""

    def __init__(
        self,
        *,
        decision: str,
        facts: dict[str, Raw],
        want: dict[str, Raw],
        keep: Iterable[str],
        vary: Iterable[str],
        compare: Iterable[str],
        most: int,
        as_of: str,
        version: str,
        effort_s: float,
    ) -> None:
        self.decision = decision
        self.facts = facts
        self.want = want
        self.keep = tuple(keep)
        self.vary = tuple(vary)
        self.compare = tuple(compare)
        self.most = most
        self.as_of = as_of
        self.version = version
        self.effort_s = effort_s

    def remotely(self, server: str, lang: str, access: Access) -> ExplainView:
        """Ask a service."""
        from policybook.cli.explain_remote import explained  # noqa: PLC0415 - needs the client package, and grpc
        from policybook.cli.remote import Service  # noqa: PLC0415 - needs the client package, and grpc

        service = Service(server, lang, access)
        try:
            as_of = moment(self.as_of, service.zone(self.decision.partition(".")[0])) if self.as_of else None
            return explained(service, self, as_of)
        finally:
            service.close()

    def here(self, paths: tuple[Path, ...]) -> ExplainView:
        """Ask books that are read now."""
        from policybook.explain.explainer import Explainer, Question  # noqa: PLC0415 - needs the solver, which takes long to load

        policy, _, name = self.decision.partition(".")
        book = book_named(policy, paths)
        if name not in book.decision_by_name:
            near = did_you_mean(self.decision, [f"{policy}.{n}" for n in book.decision_by_name])
            raise RefusedError(f"no decision `{self.decision}`; {near}")
        question = Question(
            request=Request(
                decision=self.decision,
                facts=self.facts,
                as_of=moment(self.as_of, book.zone) if self.as_of else None,
                version=self.version,
                trace=TraceLevel.MATCHED,
            ),
            wanted=self.want,
            kept=self.keep,
            varied=self.vary,
            compared=self.compare,
            most=self.most,
            effort_s=self.effort_s,
        )
        try:
            return view_of(Explainer(open_desk([book])).explain(question))
        except FactsError as e:
            print_findings(err(), e.report, {})
            raise click.exceptions.Exit(FINDINGS) from None

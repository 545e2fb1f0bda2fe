"""`policybook audit`: prove, list, show, export and prune the decision log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from datetime import time as clock_time
from pathlib import Path
from typing import Any, TypeVar

import click

from policybook.audit.canonical import instant_text
from policybook.audit.chain import Anchor, Proof, anchor_of
from policybook.audit.entry import REFUSED, Purpose, Record
from policybook.audit.log import Filter, Place
from policybook.audit.masking import Masks
from policybook.audit.open import open_backend, open_reader
from policybook.audit.proof import WholeReader, prove_log
from policybook.audit.retention import pruning
from policybook.audit.settings import read_key
from policybook.audit.target import without_password
from policybook.cli.audit_export import FORMS, write_csv, write_json_lines, write_parquet
from policybook.cli.audit_show import record_json, show_record
from policybook.cli.books import now
from policybook.cli.console import out
from policybook.cli.exits import FINDINGS, SUCCESS, RefusedError, say
from policybook.cli.facts import facts_from_arguments
from policybook.cli.findings import counted
from policybook.cli.words import LANGS
from policybook.errors import UnknownNameError
from policybook.model.answer import Outcome
from policybook.values import parse_date, parse_datetime

F = TypeVar("F", bound=Callable[..., Any])
PAGE = 1_000
_PURPOSE_WORDS = {Purpose.DECISION.value: "", Purpose.EXPLANATION.value: " (explained)", Purpose.CHALLENGE.value: " (challenge)"}

_log = click.option(
    "--log",
    "target",
    required=True,
    envvar="POLICYBOOK_LOG",
    help="The decision log: its file, or the URL of its database.",
)


@click.group()
def command() -> None:
    """Look into a decision log: prove it, list, show and export its records.

    A log may be read while a service writes to it. Times are UTC.
    """


def filters(*, without: Sequence[str] = ()) -> Callable[[F], F]:
    """Add the options that narrow a list, but for some."""

    def add(function: F) -> F:
        for name, option in reversed(_OPTIONS.items()):
            if name not in without:
                function = option(function)
        return function

    return add


def _instant(_ctx: click.Context, _option: click.Parameter, text: str | None) -> str:
    """Read a day, from its first moment, or an instant; without an offset it is UTC."""
    if not text:
        return ""
    try:
        if "T" in text:
            return instant_text(parse_datetime(text, UTC))  # type: ignore[arg-type]  # any time zone will do
        return instant_text(datetime.combine(parse_date(text), clock_time.min, tzinfo=UTC))
    except ValueError as e:
        raise click.BadParameter(f"{e}; write a day, `2026-03-01`, or an instant, `2026-03-01T16:00:00+08:00`") from None


_OPTIONS = {
    "decision": click.option("--decision", default="", metavar="NAME", help="`credit.shipment`, or `credit` for all of a policy."),
    "since": click.option("--since", metavar="TIME", callback=_instant, help="From this day or instant on."),
    "until": click.option("--until", metavar="TIME", callback=_instant, help="Before this day or instant."),
    "outcome": click.option(
        "--outcome",
        type=click.Choice([*(o.value for o in Outcome), REFUSED]),
        help="Decided, no row matched, or refused by a challenger.",
    ),
    "request_id": click.option("--request-id", default="", metavar="ID", help="The caller's own id of the request."),
    "caller": click.option("--caller", default="", metavar="NAME", help="Who asked."),
    "version": click.option("--version", default="", metavar="HASH", help="The version of the policy, or its beginning."),
    "purpose": click.option(
        "--purpose", type=click.Choice([p.value for p in Purpose]), help="Decisions, explanations or challenges alone."
    ),
}


def wanted_of(options: dict[str, Any]) -> Filter:
    return Filter(
        decision=options["decision"],
        since=options["since"],
        until=options["until"],
        outcome=options["outcome"] or "",
        request_id=options["request_id"],
        caller=options["caller"],
        version=options["version"],
        purpose=options["purpose"] or "",
    )


def _records(reader: WholeReader, wanted: Filter, limit: int, *, newest_first: bool) -> Iterator[Record]:
    """Yield the records of a filter, page by page; a limit of 0 is none."""
    place = None
    left = limit or -1
    while left:
        size = PAGE if left < 0 else min(PAGE, left)
        page = reader.find(wanted, size, place, newest_first=newest_first)
        yield from page
        if len(page) < size:
            return
        left -= len(page) if left > 0 else 0
        place = Place(time=page[-1].time, seq=page[-1].seq)


# ---------------------------------------------------------------- verify


@command.command()
@_log
@click.option("--anchor", multiple=True, metavar="N:HASH", help="A record's number and hash that were noted before; as often as you like.")
@click.option(
    "--anchors",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with anchors, such as the service's own log: every line that says `anchor` counts.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to write it.")
@click.pass_context
def verify(ctx: click.Context, *, target: str, anchor: tuple[str, ...], anchors: Path | None, form: str) -> None:
    """Prove that no record was changed, taken out, put in or moved.

    Walks along the whole chain, compares the texts of the books with the versions that decided, and looks at the file itself. The
    first record that does not fit is named, and the exit code is 1. A log whose end was cut off, or that was written anew as a
    whole, is sound in itself: only an anchor that was kept elsewhere shows that.
    """
    try:
        known = [anchor_of(a) for a in anchor]
    except ValueError as e:
        raise click.UsageError(f"--anchor: {e}") from None
    if anchors is not None:
        known += _anchors_in(anchors)
    with closing(open_reader(target)) as reader:
        proof = prove_log(reader, known)
    if form == "json":
        click.echo(json.dumps(_proof_json(proof), indent=2))
    else:
        _print_proof(proof, len(known))
    ctx.exit(SUCCESS if proof.ok else FINDINGS)


def _anchors_in(path: Path) -> list[Anchor]:
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        _, word, rest = line.rpartition("anchor ")
        if word or ":" in line:
            try:
                found.append(anchor_of(rest))
            except ValueError:
                continue
    if not found:
        raise RefusedError(f"there is no anchor in {path}; one is a record's number and its hash, `1200:9f86d081...`")
    return found


def _proof_json(proof: Proof) -> dict[str, object]:
    misfit = proof.misfit
    return {
        "ok": proof.ok,
        "misfit": misfit and {"fault": misfit.fault.value, "record": misfit.seq, "message": misfit.message},
        "records": proof.records,
        "decisions": proof.decisions,
        "first": proof.first,
        "anchor": str(proof.head) if proof.head else None,
        "deleted_by_age": proof.deleted,
        "not_recorded": proof.gaps,
        "ended_without_a_word": proof.unclean,
        "clock_set_back": proof.set_back,
        "versions": sorted(proof.versions),
    }


def _print_proof(proof: Proof, anchors: int) -> None:
    console = out()
    if proof.misfit is not None:
        console.print("does not hold  ", style="no", end="")
        console.print(proof.misfit.message, soft_wrap=True)
        if proof.head is not None:
            console.print(f"sound up to record {proof.head.seq}: {counted(proof.decisions, 'decision')}", style="dim")
        return
    console.print("holds  ", style="yes", end="")
    compared = f", {counted(anchors, 'anchor')} compared" if anchors else ""
    console.print(
        f"{counted(proof.records, 'record')}, {counted(proof.decisions, 'decision')} by {counted(len(proof.versions), 'version')}{compared}",
        soft_wrap=True,
    )
    notes = (
        (proof.deleted, f"records 1 to {proof.deleted} were deleted by age"),
        (proof.gaps, f"{counted(proof.gaps, 'decision')} given out without a record, as the log itself says"),
        (
            proof.unclean,
            f"{counted(proof.unclean, 'start')} without an end: a service still runs, or was killed and may have lost its last moments",
        ),
        (proof.set_back, f"{counted(proof.set_back, 'decision')} with an earlier time than the one before"),
    )
    for count, words in notes:
        if count:
            console.print(f"note   {words}", style="weak", soft_wrap=True)
    if proof.head is not None:
        console.print(f"anchor {proof.head}", soft_wrap=True)


# ---------------------------------------------------------------- list, show, export


@command.command("list")
@_log
@filters()
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, at most.")
@click.option("--oldest-first", is_flag=True, help="Begin with the oldest.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to write it.")
def list_records(*, target: str, limit: int, oldest_first: bool, form: str, **options: Any) -> None:
    """List recorded decisions, the newest first."""
    with closing(open_reader(target)) as reader:
        found = list(_records(reader, wanted_of(options), limit, newest_first=not oldest_first))
    if form == "json":
        click.echo(json.dumps([record_json(r) for r in found], ensure_ascii=False, indent=2))
        return
    if not found:
        click.echo("no decision")
        return
    lines = [
        (
            f"{r.time[:19]}Z",
            r.decision + _PURPOSE_WORDS[r.purpose],
            ", ".join(r.row_ids) if r.outcome == Outcome.DECIDED.value else r.outcome,
            " ".join(filter(None, (r.caller, r.request_id))),
            r.decision_id,
        )
        for r in found
    ]
    # One line each, however long: they are searched and cut by other programs.
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


@command.command("show")
@_log
@click.argument("decision_id")
@click.argument("masked", nargs=-1, metavar="[NAME=VALUE]...")
@click.option(
    "--trace",
    type=click.Choice(["none", "matched", "full"]),
    default="none",
    show_default=True,
    help="How much of the reasoning, decided again.",
)
@click.option("--lang", type=click.Choice(LANGS), default="en", show_default=True, help="Language of titles and sentences.")
@click.option(
    "--mask-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The secret that masked values were recorded with: proves that NAME=VALUE are those.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to write it.")
@click.pass_context
def show_one(
    ctx: click.Context, *, target: str, decision_id: str, masked: tuple[str, ...], trace: str, lang: str, mask_key: Path | None, form: str
) -> None:
    """Show one recorded decision, and decide it again by the version that decided it.

    That version is taken from the texts kept with the log: the books of today play no part. The exit code is 1 when it
    comes otherwise today. A masked fact that the decision rests on is stated as NAME=VALUE, as it was stated then.
    """
    key = read_key(mask_key) if mask_key else None
    with closing(open_reader(target)) as reader:
        record = reader.get(decision_id)
        if record is None:
            # Whoever has the caller's own id is led on.
            of_request = reader.find(Filter(request_id=decision_id), 1, None, newest_first=True)
            raise UnknownNameError("record", decision_id, tuple(r.decision_id for r in of_request))
        same = show_record(
            record, reader, Masks(key=key), masked=facts_from_arguments(masked), trace=trace, lang=lang, as_json=form == "json"
        )
    ctx.exit(SUCCESS if same else FINDINGS)


@command.command()
@_log
@filters()
@click.option("--limit", type=click.IntRange(0), default=0, help="How many, at most; 0 for all.  [default: 0]")
@click.option("--format", "form", type=click.Choice(FORMS), default="jsonl", show_default=True, help="CSV, JSON Lines or Parquet.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A file  [default: standard output]")
def export(*, target: str, limit: int, form: str, output: Path | None, **options: Any) -> None:
    """Write recorded decisions for other programs, the oldest first.

    Values stay exact: numbers are text. With one --decision each fact and output has a column of its own in CSV and Parquet;
    otherwise they are JSON.
    """
    if form == "parquet" and output is None:
        raise click.UsageError("Parquet is not for a terminal; name a file with --output")
    wanted = wanted_of(options)
    with closing(open_reader(target)) as reader:
        records = _records(reader, wanted, limit, newest_first=False)
        one = "." in wanted.decision
        match form:
            case "csv":
                count = write_csv(records, output, flat=one)
            case "jsonl":
                count = write_json_lines(records, output)
            case _:
                assert output is not None
                count = write_parquet(records, output, flat=one)
    if output is not None:
        say("note", f"{output}: {counted(count, 'decision')}")


# ---------------------------------------------------------------- prune


@command.command()
@_log
@click.option("--before", required=True, metavar="TIME", callback=_instant, help="Delete what is older than this day or instant.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(*, target: str, before: str, yes: bool) -> None:
    """Delete old records; the rest can still be proved.

    A record in the chain says what was deleted, up to where, and with which hash it ended. The texts of the books stay. A service that
    writes to the log is not disturbed; it deletes by itself with `serve --log-keep-days`.
    """
    if not yes:
        click.confirm(f"Delete all records of {without_password(target)} before {before}?", abort=True)
    with closing(open_backend(target)) as backend:
        gone = sum(pruning(backend, before, now()))
        click.echo(f"{backend.where}: {counted(gone, 'record')} deleted")

"""One record of the decision log as a person reads it: what was stated, what was answered, by which rows and clauses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from policybook.audit.entry import REFUSED, Purpose, Record
from policybook.audit.log import ReadLog
from policybook.audit.masking import Masks
from policybook.audit.proof import WholeReader
from policybook.cli.books import now
from policybook.cli.console import out, show
from policybook.cli.render import decision_panel, trace_group
from policybook.cli.view import view_of
from policybook.cli.words import Lang
from policybook.desk import Desk, Reevaluation
from policybook.errors import MaskedError
from policybook.load.clauses import CLAUSE_FILE, load_clauses
from policybook.model.answer import TraceLevel
from policybook.model.facts import Raw, Tag
from policybook.model.kinds import Text as Words
from policybook.source import Source
from policybook.store.versions import Store


def record_json(record: Record) -> dict[str, Any]:
    """Return a record as JSON; the names are those of the log's columns, values as they are written there."""
    told: dict[str, Any] = {
        name: getattr(record, name)
        for name in (
            "seq",
            "decision_id",
            "time",
            "caller",
            "purpose",
            "decision",
            "request_id",
            "version",
            "version_stated",
            "as_of",
            "as_of_stated",
            "now",
            "trace",
            "outcome",
            "elapsed_ns",
        )
    }
    told |= {name: json.loads(getattr(record, name)) for name in ("facts", "outputs", "items", "rows")}
    if record.told:
        told["challenge"] = record.told
    return told | {"previous": record.previous.hex(), "hash": record.hash.hex()}


def show_record(
    record: Record, reader: WholeReader, masks: Masks, *, masked: Mapping[str, Raw], trace: str, lang: Lang, as_json: bool
) -> bool:
    """Show a record and what it comes to today; tell whether that is the same (or cannot be told, for masked facts)."""
    desk = Desk(Store(), now=now, new_id=lambda: "", log=ReadLog(reader, masks))
    hidden: tuple[str, ...] = ()
    again: Reevaluation | None = None
    try:
        # A challenger that refused would refuse again; there is nothing to show of it.
        again = None if record.outcome == REFUSED else desk.reevaluate(record.decision_id, trace=TraceLevel(trace), facts=masked)
    except MaskedError as e:
        hidden = e.names
    if as_json:
        told = record_json(record)
        told["again"] = again and {
            "same": not again.differences,
            "differences": {n: {"recorded": json.loads(a), "now": json.loads(b)} for n, (a, b) in again.differences.items()},
        }
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return again is None or not again.differences
    console = out()
    show(console, _head(record))
    if again is None:
        _print_as_kept(console, record, hidden)
        return True
    answer = again.answer
    view = view_of(answer, again.zone)
    console.print()
    show(console, decision_panel(view, lang))
    _print_clauses(console, record, reader, tuple(dict.fromkeys(c for r in answer.selected for c in r.clauses)), lang)
    if view.tables:
        console.print()
        show(console, trace_group(view, lang))
    console.print()
    if again.differences:
        console.print("decided again: otherwise", style="no")
        for name, (was, comes) in again.differences.items():
            console.print(f"  {name} was  {was}\n  {name} is   {comes}", soft_wrap=True)
    else:
        console.print(f"decided again by version {record.version[:8]}, as kept with the log: the same", style="yes")
    return not again.differences


_PURPOSE_WORDS = {Purpose.DECISION.value: "decided", Purpose.EXPLANATION.value: "explained", Purpose.CHALLENGE.value: "challenged"}


def _head(record: Record) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    asked = _PURPOSE_WORDS[record.purpose]
    told = record.told
    lines = [
        ("record", f"{record.seq}  {record.hash.hex()}"),
        ("decision id", record.decision_id),
        (asked, record.time),
        ("as of", f"{record.as_of}  {'as stated' if record.as_of_stated else 'its own time'}"),
        ("beside", f"decision {told['challenges']}, by version {told['served_version']}" if told else ""),
        ("caller", record.caller),
        ("request id", record.request_id),
        ("version", record.version + ("  pinned by the caller" if record.version_stated else "")),
    ]
    for name, text in lines:
        if text:
            table.add_row(name, text)
    facts, hidden = record.stated
    for number, (name, shown) in enumerate(
        sorted([*((n, raw_text(v)) for n, v in facts.items()), *((n, f"masked {t}") for n, t in hidden.items())])
    ):
        table.add_row("stated" if number == 0 else "", Text(f"{name} = ") + Text(shown, "value"))
    return table


def raw_text(raw: Raw) -> str:
    """Write a stated value as one reads it."""
    value = raw.value
    match raw.tag:
        case Tag.NULL:
            return "null"
        case Tag.FLAG:
            return "true" if value else "false"
        case Tag.MONEY:
            return f"{value.amount} {value.currency}".strip()
        case Tag.TIMESTAMP:
            return str(value.isoformat())
        case Tag.LIST:
            return f"[{', '.join(map(_inner_text, value))}]"
        case Tag.RECORD:
            return f"{{{', '.join(f'{n}: {_inner_text(v)}' for n, v in value.items())}}}"
        case _:
            return str(value)


# What YAML reads as the text that it is.
_PLAIN = re.compile(r"(?!null$)\w([\w .+/-]*[\w%])?")


def _inner_text(raw: Raw) -> str:
    """Write a value within another, so that it can be read back: a text with signs of its own stands in quotes."""
    if raw.tag not in (Tag.TEXT, Tag.LITERAL) or _PLAIN.fullmatch(raw.value):
        return raw_text(raw)
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in raw.value) + '"'


def _print_as_kept(console: Console, record: Record, hidden: tuple[str, ...]) -> None:
    console.print()
    console.print(f"outcome  {record.outcome}; rows {', '.join(record.row_ids)}")
    console.print(f"outputs  {record.outputs}", soft_wrap=True)
    if record.items != "[]":
        console.print(f"items    {record.items}", soft_wrap=True)
    stated = " ".join(f"{name}=VALUE" for name in hidden)
    console.print(f"not decided again: it rests on masked facts; state them: {stated}", style="weak", soft_wrap=True)


def _print_clauses(console: Console, record: Record, reader: WholeReader, ids: tuple[str, ...], lang: Lang) -> None:
    """Print the written clauses behind the rows, as they were when the version was kept."""
    kept = reader.book(record.version)
    index = load_clauses(Source(CLAUSE_FILE, kept.clauses), kept.clauses_lock)[0] if kept and kept.clauses else None
    if index is None:
        return
    cited = [index.by_id[c] for c in ids if c in index.by_id]
    for number, clause in enumerate(cited):
        if number == 0:
            console.print()
        console.print(Text(f"clause {clause.id}", "clause"))
        for text in _in(clause.text, lang):
            show(console, Padding(Text(text), (0, 0, 0, 2)))


def _in(words: Words, lang: Lang) -> tuple[str, ...]:
    return (words.en, words.zh) if lang == "both" else (words.get(lang),)

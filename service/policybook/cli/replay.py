"""`policybook replay`: what edited books would have decided otherwise in the past."""

from __future__ import annotations

import csv
import gc
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import date
from fractions import Fraction
from itertools import chain, zip_longest
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeAlias

import click
from click.core import ParameterSource
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from policybook.audit.canonical import facts_json, raw_of
from policybook.audit.entry import Purpose
from policybook.audit.open import open_reader
from policybook.cli.audit import filters, wanted_of
from policybook.cli.audit_show import raw_text
from policybook.cli.books import now
from policybook.cli.console import err, out, show
from policybook.cli.exits import FINDINGS, SUCCESS, RefusedError, say
from policybook.cli.facts import value_of
from policybook.cli.findings import counted, print_findings
from policybook.cli.revisions import Books, read_side
from policybook.diagnostics import Report, did_you_mean
from policybook.model.answer import Outcome
from policybook.replay.compare import Change, Move, Replay, Side, Tally, is_word, label
from policybook.replay.past import Chunk, File, Mapped, Page, UnreadableError, from_log
from policybook.store.reload import make_edition
from policybook.values import decimal_text, money_text, parse_date


def default_jobs() -> int:
    """Return how many processes there are cores for."""
    return len(os.sched_getaffinity(0))


HEAD = ("decision", "id", "as_of", "from", "to", "before", "after", "facts")


@click.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--log", "log_path", envvar="POLICYBOOK_LOG", help="A decision log: its file, or the URL of its database.")
@click.option("--against", required=True, metavar="BOOKS", help="The edited books: a file, a folder, a revision of git.")
@click.option("--before", metavar="BOOKS", help="Compare with what these books decide, not with what was answered.")
@filters(without=("purpose",))
@click.option("--as-of", "as_of", metavar="DAY", help="Let the edited books decide all as of this day, not each as of its own.")
@click.option("--amount", "weigh", metavar="INPUT", default="", help="Weigh each change by this input: the sum of `order_amount`.")
@click.option(
    "--map", "mapped", multiple=True, metavar="COLUMN=INPUT", help="A column of FILE that is not called as its input, or as `outputs.NAME`."
)
@click.option("--day-column", default="", metavar="COLUMN", help="The column of FILE with the day as of which to decide  [default: today]")
@click.option("--id-column", default="", metavar="COLUMN", help="The column of FILE that names a row  [default: its line]")
@click.option("--examples", type=click.IntRange(0), default=2, show_default=True, help="Requests shown of each change.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write every changed request into this CSV file.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to write the report.")
@click.option("--jobs", "-j", type=click.IntRange(1, 64), default=default_jobs, help="Processes  [default: one for each core]")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything comes to something else.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    file: Path | None,
    log_path: str | None,
    against: str,
    before: str | None,
    as_of: str | None,
    weigh: str,
    mapped: tuple[str, ...],
    day_column: str,
    id_column: str,
    examples: int,
    output: Path | None,
    form: str,
    exit_code: bool,
    **options: Any,
) -> None:
    """Decide the past again with edited books, and tell what would have been otherwise.

    The past is a decision log (--log); or FILE, a CSV or Parquet table of one --decision, a column for each input and, for what
    was answered, each output (outputs.NAME), as `policybook audit export` writes it. A file that does not hold what was answered
    is compared with what the books of --before decide. Each request is decided as of its own day and instant.

    \b
      policybook replay --log decisions.db --against rules
      policybook replay --log decisions.db --against rules --decision credit.shipment --amount shipment_amount
      policybook replay orders.csv --decision credit.shipment --before HEAD --against rules
    """
    if file is not None and ctx.get_parameter_source("log_path") is ParameterSource.ENVIRONMENT:
        log_path = None
    if (file is None) == (log_path is None):
        raise click.UsageError("name either a decision log (--log) or a FILE")
    _refuse_options(ctx, of_file=file is not None)
    if file is not None and "." not in options["decision"]:
        raise click.UsageError("a FILE needs --decision with the name of one decision")
    names = _mapping(mapped)
    after = _sides(against)
    earlier = _sides(before) if before is not None else {}
    for sides, where in ((after, against), (earlier, before)):
        if file is not None and where is not None and options["decision"] not in sides:
            raise RefusedError(
                f"the books of {where} have no decision `{options['decision']}`; {did_you_mean(options['decision'], sorted(sides))}"
            )
    if weigh and not any(weigh in s.book.input_by_name for s in after.values()):
        known = sorted({n for s in after.values() for n in s.book.input_by_name})
        raise RefusedError(f"no book has an input `{weigh}`; {did_you_mean(weigh, known)}")
    try:
        day = parse_date(as_of) if as_of else None
    except ValueError as e:
        raise click.BadParameter(str(e), param_hint="--as-of") from None
    replay = Replay(
        after,
        earlier,
        weigh=weigh,
        as_of=day,
        examples=examples,
    )
    try:
        with ExitStack() as stack:
            write = stack.enter_context(_writer(output)) if output else None
            parts, total = _past(stack, file, log_path, (after, earlier), Mapped(names, day_column, id_column), options)
            # Millions of values come and go, and none of them in a cycle: the collector would look through them again and again.
            gc.disable()
            stack.callback(gc.enable)
            for tally, changes in _replayed(stack, replay, parts, total, options["jobs"], keep=write is not None):
                replay.add(tally)
                for change in changes:
                    if write is not None:
                        write(tally.decision, change)
    except UnreadableError as e:
        raise RefusedError(str(e)) from None
    tallies = [replay.tallies[name] for name in sorted(replay.tallies)]
    if form == "json":
        click.echo(json.dumps([_json(t, after) for t in tallies], ensure_ascii=False, indent=2))
    else:
        _print(tallies, after, weigh, as_of=day)
    if output is not None:
        say("note", f"{output}: {counted(sum(t.changed for t in tallies), 'changed request')}")
    ctx.exit(FINDINGS if exit_code and any(t.changed for t in tallies) else SUCCESS)


# What narrows a log, and what tells how to read a file.
_OF_LOG = ("since", "until", "outcome", "request_id", "caller", "version")
_OF_FILE = ("mapped", "day_column", "id_column")


def _refuse_options(ctx: click.Context, *, of_file: bool) -> None:
    """Refuse what would play no part."""
    strange = [
        parameter.opts[0]
        for parameter in ctx.command.params
        if parameter.name in (_OF_LOG if of_file else _OF_FILE) and ctx.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT
    ]
    if strange:
        names = f"{', '.join(strange)} {'plays' if len(strange) == 1 else 'play'} no part"
        raise click.UsageError(
            f"{names} with a FILE: every row is decided; leave rows out of the file instead"
            if of_file
            else f"{names} with a decision log: it knows the inputs, days and ids; leave {'it' if len(strange) == 1 else 'them'} out"
        )


def _mapping(mapped: Sequence[str]) -> dict[str, str]:
    found = {}
    for one in mapped:
        column, sign, name = one.rpartition("=")
        if not sign or not column or not name:
            raise click.BadParameter(f"`{one}` is no COLUMN=INPUT", param_hint="--map")
        found[column] = name
    return found


def _sides(named: str) -> dict[str, Side]:
    """Read and compile books; what decides, by decision."""
    read: Books = read_side(named, ())
    if not read.report.ok:
        print_findings(err(), Report(read.report.errors), read.sources)
        raise RefusedError(f"{counted(len(read.report.errors), 'error')}: a book with errors decides nothing")
    if not read.books:
        raise RefusedError(f"there is no book (*.yaml) in {named}")
    sides = {}
    for book in read.books.values():
        edition = make_edition(book, now(), proved=False)
        sides.update({f"{book.name}.{d.name}": Side(book, d, edition.bulk) for d in book.decisions})
    return sides


def _past(
    stack: ExitStack,
    file: Path | None,
    log_path: str | None,
    sides: Sequence[Mapping[str, Side]],
    mapped: Mapped,
    options: dict[str, Any],
) -> tuple[Iterator[Page | Chunk], int | None]:
    """Open the past; return its parts, and how many requests there are, if that is known."""
    if log_path is None:
        assert file is not None
        name = options["decision"]
        books = [side[name].book for side in sides if name in side]
        return File(file, name, sides[0][name].decision, books, mapped, now(), value_of).chunks(), None
    reader = open_reader(log_path)
    stack.callback(reader.close)
    wanted = wanted_of({**options, "purpose": Purpose.DECISION.value})
    return from_log(reader, wanted), reader.count(wanted)


_Replayed: TypeAlias = "list[tuple[Tally, list[Change]]]"
# What a process of its own replays by.
_mine: list[Callable[[Page | Chunk], _Replayed]] = []


def _in_process(part: Page | Chunk) -> _Replayed:
    return _mine[0](part)


def _replayed(
    stack: ExitStack, replay: Replay, parts: Iterator[Page | Chunk], total: int | None, jobs: int, *, keep: bool
) -> Iterator[tuple[Tally, list[Change]]]:
    """Replay part by part, in order, in several processes, and show on a terminal how far it is.

    Args:
        keep: every changed request is wanted, not the examples alone
    """

    def work(part: Page | Chunk) -> _Replayed:
        found = replay.replayed(part)
        return found if keep else [(tally, []) for tally, _ in found]

    console = err()
    progress = stack.enter_context(
        Progress(
            TextColumn("replayed"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True,
            disable=not console.is_terminal,
        )
    )  # fmt: skip
    task = progress.add_task("", total=total)
    done: Iterator[tuple[int, _Replayed]]
    first = next(parts, None)
    second = next(parts, None) if jobs > 1 else None
    rest = chain([p for p in (first, second) if p is not None], parts)
    # A single part is sooner done here.
    done = _by_processes(stack, work, rest, jobs) if second is not None else ((len(p), work(p)) for p in rest)
    for size, found in done:
        yield from found
        progress.advance(task, size)


def _by_processes(
    stack: ExitStack, work: Callable[[Page | Chunk], _Replayed], parts: Iterator[Page | Chunk], jobs: int
) -> Iterator[tuple[int, _Replayed]]:
    """Work in processes that have the compiled books from this one; a few parts are under way, so memory stays bounded."""
    pool = stack.enter_context(ProcessPoolExecutor(jobs, mp_context=get_context("fork"), initializer=_mine.append, initargs=(work,)))
    waiting: deque[tuple[int, Future[_Replayed]]] = deque()
    for part in parts:
        waiting.append((len(part), pool.submit(_in_process, part)))
        if len(waiting) > jobs:
            size, done = waiting.popleft()
            yield size, done.result()
    for size, done in waiting:
        yield size, done.result()


@contextmanager
def _writer(output: Path) -> Iterator[Any]:
    """Open the file of changed requests; yields what writes one."""
    # Other people's facts: for their owner alone.
    output.touch(mode=0o600)
    with output.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEAD)

        def write(decision: str, change: Change) -> None:
            sides = [json.dumps(a, ensure_ascii=False, separators=(",", ":")) for a in (change.before, change.after)]
            labels = (label(change.before), label(change.after))
            writer.writerow((decision, change.id, change.as_of.isoformat(), *labels, *sides, facts_json(change.facts)))

        yield write


# ---------------------------------------------------------------- the report


def _print(tallies: Sequence[Tally], after: Mapping[str, Side], weigh: str, *, as_of: date | None) -> None:
    console = out()
    if not tallies:
        click.echo("no decision to replay")
    for number, tally in enumerate(tallies):
        if number:
            console.print()
        _print_head(console, tally, weigh, as_of)
        moves = sorted(tally.moves.values(), key=lambda m: (-m.count, m.before, m.after))
        if moves:
            show(console, _moves(moves, tally, weigh))
        for name, amount in tally.amounts.items():
            sums = " -> ".join(_amount(n, amount.unit) for n in (amount.before, amount.after))
            console.print(f"  {name} of the changed: {sums}  ({_amount(amount.after - amount.before, amount.unit, signed=True)})")
        for move in moves:
            _print_examples(console, move)
        _print_notes(console, tally, after.get(tally.decision), as_of)


def _print_head(console: Console, tally: Tally, weigh: str, as_of: date | None) -> None:
    line = Text(tally.decision, "name")
    if not tally.total:
        line.append("  no request decided again")
        console.print(line, soft_wrap=True)
        return
    line.append(f"  {counted(tally.total, 'request')} decided again")
    if tally.first is not None and tally.last is not None:
        days = f"{tally.first}" if tally.first == tally.last else f"{tally.first} to {tally.last}"
        line.append(f", of {days}" if as_of is None else f", of {days}, as of {as_of}")
    line.append(": ")
    refused = sum(tally.refused.values())
    if tally.changed:
        line.append(f"{tally.changed:,} {'comes' if tally.changed == 1 else 'come'} to something else", "no")
        line.append(f" ({_percent(tally.changed, tally.total)})")
        if tally.weight_total is not None:
            changed = sum((m.weight or Fraction(0) for m in tally.moves.values()), Fraction(0))
            line.append(f", {weigh} {_amount(changed, tally.unit)} of {_amount(tally.weight_total, tally.unit)}")
        if refused:
            line.append(f", {_refused(refused)}")
    elif refused == tally.total:
        line.append("all refused, before as after", "weak")
    elif refused:
        line.append(_refused(refused), "weak")
        line.append(", all others alike")
    else:
        line.append("all alike", "yes")
    console.print(line, soft_wrap=True)


def _refused(count: int) -> str:
    return f"{count:,} {'is' if count == 1 else 'are'} refused, before as after"


def _percent(part: int, whole: int) -> str:
    """Write a share; one that is not nothing never as nothing, and one that is not all never as all."""
    tenths = round(Fraction(part * 1_000, whole))
    if not tenths and part:
        return "less than 0.1 %"
    if tenths == 1_000 and part < whole:
        return "more than 99.9 %"
    return f"{decimal_text(Fraction(tenths, 10))} %"


def _amount(number: Fraction, unit: str, *, signed: bool = False) -> str:
    is_currency = len(unit) == 3 and unit.isupper()
    text = money_text(number, unit) if is_currency else decimal_text(number)
    whole, point, decimals = text.lstrip("-").partition(".")
    grouped = f"{int(whole):,}" if whole.isdigit() else whole
    sign = "-" if text.startswith("-") else "+" if signed and number else ""
    return f"{sign}{grouped}{point}{decimals}{f' {unit}' if unit else ''}"


def _moves(moves: Sequence[Move], tally: Tally, weigh: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), header_style="dim")
    table.add_column("from", overflow="fold")
    table.add_column("to", overflow="fold")
    table.add_column("requests", justify="right", no_wrap=True)
    if tally.weight_total is not None:
        table.add_column(weigh, justify="right", no_wrap=True)
    for move in moves:
        to = move.after if move.after != move.before else "the same, otherwise in figures or rows"
        cells = [move.before, to, f"{move.count:,}"]
        if tally.weight_total is not None:
            cells.append(_amount(move.weight or Fraction(0), tally.unit))
        table.add_row(*(Text(c) for c in cells))
    return table


def _print_examples(console: Console, move: Move) -> None:
    for number, change in enumerate(move.examples):
        if not number:
            console.print(f"  for example, {move.before} -> {move.after}:", style="dim", soft_wrap=True)
        console.print(Text(f"    {change.id}  as of {change.as_of}"), soft_wrap=True)
        facts = ", ".join(f"{n} = {raw_text(v)}" for n, v in sorted(change.facts.items()))
        told = _otherwise(change, words=move.before == move.after)
        for text in (Text(facts, "dim"), *(Text(line) for line in told)):
            show(console, Padding(text, (0, 0, 0, 6)))


def _otherwise(change: Change, *, words: bool) -> list[str]:
    """Say which outputs and items differ, and how.

    Args:
        words: also those that say what kind of answer it is
    """
    before, after = change.before, change.after
    if not before["outcome"] == after["outcome"] == Outcome.DECIDED.value:
        return []
    differing = _differing(before["outputs"], after["outputs"])
    lines = [", ".join(text for name, text in differing.items() if words or not _is_word(name, before, after))]
    pairs = list(zip_longest(before["items"], after["items"]))
    items = [(number, *pair) for number, pair in enumerate(pairs, 1) if pair[0] != pair[1]]
    if items:
        number, was, comes = items[0]
        lines.append(f"{len(items):,} of {counted(len(pairs), 'item')} otherwise; the first, {number}: {_item(was, comes)}")
    return [line for line in lines if line]


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    names = dict.fromkeys([*before, *after])
    return {
        n: f"{n} {' -> '.join(raw_text(raw_of(a[n])) if n in a else 'none' for a in (before, after))}"
        for n in names
        if before.get(n, names) != after.get(n, names)
    }


def _is_word(name: str, *answers: Mapping[str, Any]) -> bool:
    return all(is_word(a["outputs"].get(name)) for a in answers)


def _item(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """Say how an item differs: which row gave it, and its outputs."""
    if before is None or after is None:
        one = before or after or {}
        outputs = ", ".join(f"{n} {raw_text(raw_of(v))}" for n, v in one["outputs"].items())
        return f"{'only after' if before is None else 'only before'}: row {one['row_id']}{': ' if outputs else ''}{outputs}"
    told = list(_differing(before["outputs"], after["outputs"]).values())
    told += [f"{word} {before[n]} -> {after[n]}" for n, word in (("item_number", "element"), ("row_id", "row")) if before[n] != after[n]]
    return ", ".join(told)


def _print_notes(console: Console, tally: Tally, side: Side | None, as_of: date | None) -> None:
    if tally.other_rows:
        console.print(f"  note   {counted(tally.other_rows, 'request')} come to the same by other rows", style="weak")
    for why, count in tally.refused.most_common():
        console.print(f"  note   {counted(count, 'request')} {why}, before as after", style="weak", soft_wrap=True)
    for why, count in tally.left_out.most_common():
        console.print(f"  note   {counted(count, 'request')} left out: {why}", style="weak", soft_wrap=True)
    if tally.not_compared:
        names = ", ".join(f"outputs.{n}" for n in sorted(tally.not_compared))
        console.print(f"  note   not compared, for the file has no such column: {names}", style="weak", soft_wrap=True)
    later = _later(tally, side) if as_of is None else []
    for days, count in later[-MAX_LATER:]:
        many = (
            f"{'all' if count > 1 else 'the'} {counted(count, 'request')}"
            if count == tally.total
            else f"{count:,} of {counted(tally.total, 'request')}"
        )
        text = f"{many} {'is' if tally.total == 1 else 'are'} of days before {_listed(days)}, on which the edited book changes"
        console.print(f"  note   {text}: --as-of {days[0]} decides all as of then", style="weak", soft_wrap=True)
    if len(later) > MAX_LATER:
        earlier = [day for days, _ in later[:-MAX_LATER] for day in days]
        text = f"some requests are also of days before {_listed(earlier)}, on which it changes too"
        console.print(f"  note   {text}", style="weak", soft_wrap=True)


MAX_LATER = 3


def _listed(days: Sequence[date]) -> str:
    *most, last = map(str, days[:4])
    more = f" and {counted(len(days) - 4, 'later day')}" if len(days) > 4 else ""
    return f"{', '.join(most)}{', ' if more else ' and '}{last}{more}" if most else last


def _later(tally: Tally, side: Side | None) -> list[tuple[list[date], int]]:
    """Return the days on which the edited book changes, and how many requests are of days before; days with equally many together."""
    found: dict[int, list[date]] = {}
    for day in side.book.change_dates if side is not None else ():
        if count := tally.before(day):
            found.setdefault(count, []).append(day)
    return [(days, count) for count, days in found.items()]


def _json(tally: Tally, after: Mapping[str, Side]) -> dict[str, Any]:
    def change(one: Change) -> dict[str, Any]:
        return {
            "id": one.id,
            "as_of": one.as_of.isoformat(),
            "facts": json.loads(facts_json(one.facts)),
            "before": one.before,
            "after": one.after,
        }

    return {
        "decision": tally.decision,
        "requests": tally.total,
        "changed": tally.changed,
        "same_by_other_rows": tally.other_rows,
        "first_day": tally.first and tally.first.isoformat(),
        "last_day": tally.last and tally.last.isoformat(),
        "weight": None if tally.weight_total is None else {"unit": tally.unit, "total": decimal_text(tally.weight_total)},
        "changes": [
            {
                "from": m.before,
                "to": m.after,
                "requests": m.count,
                "weight": None if m.weight is None else decimal_text(m.weight),
                "examples": [change(c) for c in m.examples],
            }
            for m in sorted(tally.moves.values(), key=lambda m: (-m.count, m.before, m.after))
        ],
        "amounts": {
            n: {
                "unit": a.unit,
                "before": decimal_text(a.before),
                "after": decimal_text(a.after),
                "difference": decimal_text(a.after - a.before),
            }
            for n, a in tally.amounts.items()
        },
        "refused_by_both": dict(tally.refused),
        "left_out": dict(tally.left_out),
        "not_compared": sorted(tally.not_compared),
        "changes_later_on": [
            {"day": day.isoformat(), "requests_before": count} for days, count in _later(tally, after.get(tally.decision)) for day in days
        ],
    }

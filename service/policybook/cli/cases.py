"""`policybook cases`: the cases that are missing, written out to be confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policybook.cli.books import now, open_desk, read_books
from policybook.cli.console import err
from policybook.cli.exits import FINDINGS, SUCCESS, RefusedError, say
from policybook.cli.findings import counted, print_findings
from policybook.diagnostics import Report, did_you_mean
from policybook.model.book import Book, Decision
from policybook.trials.case import Case
from policybook.trials.read import case_files
from policybook.trials.run import asker
from policybook.trials.session import read_tables
from policybook.trials.write import Form, write_cases

if TYPE_CHECKING:
    from policybook.trials.proposals import Proposals

MAX_SAID = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Whose cases are wanted: one decision, or all of a book."""

    book: Book
    decision: Decision | None

    @property
    def decisions(self) -> Sequence[Decision]:
        if self.decision is not None:
            return (self.decision,)
        return sorted(self.book.decisions, key=lambda d: (d.span.line, d.span.column))


@click.command()
@click.argument("name", metavar="BOOK|DECISION")
@click.option(
    "--books",
    "books_path",
    type=click.Path(exists=True, path_type=Path),
    help="The book, or the folder of books  [default: rules/]",
)
@click.option(
    "--tests",
    "tests",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Test tables that there are, or their folder  [default: tests/ beside the books]",
)
@click.option("--rows", is_flag=True, help="A case for each row.")
@click.option("--boundaries", is_flag=True, help="Cases on each threshold, just below and just above.")
@click.option("--pairs", is_flag=True, help="A case for each way two columns can come out together.")
@click.option("--kill", is_flag=True, help="Cases for the small faults that no case notices (see `policybook test --mutation`).")
@click.option("--missing/--all", "only_missing", default=True, show_default=True, help="Only what no case shows yet, or everything.")
@click.option(
    "--format",
    "form",
    type=click.Choice([f.value for f in Form]),
    help="Form of the table  [default: that of the file's name, else yaml]",
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a new file.  [default: stdout]"
)
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language of notes and review marks.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    name: str,
    books_path: Path | None,
    tests: tuple[Path, ...],
    rows: bool,
    boundaries: bool,
    pairs: bool,
    kill: bool,
    only_missing: bool,
    form: str | None,
    output: Path | None,
    lang: str,
) -> None:
    """Write the test cases that are missing.

    BOOK|DECISION is `credit` or `credit.shipment`. Each case is a request that shows what no case shows yet, with what the book
    answers today as its expected side and a mark `review`: a person confirms the answer and takes the mark away. Without --rows,
    --boundaries, --pairs or --kill, cases for rows and boundaries are written. What is proved to be impossible is left out.
    """
    if kill and not only_missing:
        raise click.UsageError("--kill writes only what is missing; leave out --all")
    written_as = _form(form, output)
    where = books_path or Path("rules")
    if not where.exists():
        raise click.UsageError("there is no folder `rules` here; name the books with --books")
    asked = _asked(name, where)
    cases, report = _cases(asked.book, tests, where)
    if not report.ok:
        say("error", "the test tables have errors; mend them first, so that nothing is taken for missing that is there")
        ctx.exit(FINDINGS)
    # The solver is slow to import: paid for only here.
    from policybook.trials.proposals import Proposer, Wanted, killing  # noqa: PLC0415

    found: list[Proposals] = []
    taken = {c.id: c.decision for c in cases}
    if kill:
        from policybook.trials.mutation import Jury  # noqa: PLC0415

        jury = Jury(asked.book, cases, now())
        found.append(killing(jury, [jury.score(d.name) for d in asked.decisions], taken, lang))
        taken |= {c.id: c.decision for c in found[0].cases}
    if rows or boundaries or pairs or not kill:
        proposer = Proposer(asked.book, cases, asker(open_desk((asked.book,))), lang)
        proposer.taken |= taken
        all_or_some = rows or boundaries or pairs
        wanted = Wanted(rows=rows or not all_or_some, points=boundaries or not all_or_some, pairs=pairs, everything=not only_missing)
        found.append(proposer.propose(asked.decisions, wanted))
    _write(asked, found, written_as, output)
    ctx.exit(SUCCESS)


def _form(form: str | None, output: Path | None) -> Form:
    ending = output.suffix.lower().removeprefix(".") if output else ""
    by_name = next((f for f in Form if f.value == ending or (ending == "yml" and f is Form.YAML)), None)
    wanted = Form(form) if form else by_name
    if output is not None and by_name is None:
        raise click.UsageError(f"`{output}` does not say what it is; end it in .yaml, .csv or .xlsx")
    if wanted is not None and by_name is not None and wanted is not by_name:
        raise click.UsageError(f"`{output}` is no name of a {wanted.value} file")
    if wanted is Form.XLSX and output is None:
        raise click.UsageError("a workbook needs a file: -o cases.xlsx")
    if output is not None and output.exists():
        raise RefusedError(f"`{output}` is there already, and may hold cases; name a new file")
    return wanted or Form.YAML


def _asked(name: str, books_path: Path) -> _Asked:
    policy, _, decision_name = name.partition(".")
    read = read_books((books_path,))
    book = read.books.get(policy)
    if book is None:
        files = [f.path.stem for f in read.files]
        if policy in files:
            print_findings(err(), Report(read.report.errors), read.sources)
            raise RefusedError(f"the book `{policy}` has errors and decides nothing")
        raise RefusedError(f"no policy `{policy[:80]}` in {books_path}; {did_you_mean(policy, read.books)}")
    decision = book.decision_by_name.get(decision_name) if decision_name else None
    if decision_name and decision is None:
        raise RefusedError(f"no decision `{decision_name[:80]}` in `{policy}`; {did_you_mean(decision_name, book.decision_by_name)}")
    return _Asked(book=book, decision=decision)


def _cases(book: Book, tests: Sequence[Path], books_path: Path) -> tuple[list[Case], Report]:
    """Read the cases there are for a book; what is wrong with its tables is shown."""
    folder = books_path if books_path.is_dir() else books_path.parent
    paths: Sequence[Path] = tests or ([folder / "tests"] if (folder / "tests").is_dir() else [])
    mine = [p for p in case_files(paths) if tests or p.name.split(".")[0] == book.name]
    known: Mapping[str, Book] = {book.name: book}
    # Tables of other books are none of ours.
    tables = read_tables(mine, known)
    if not tables.report.ok:
        print_findings(err(), tables.report, tables.sources)
    return [c for of_file in tables.cases.values() for c in of_file if c.policy == book.name], tables.report


def _write(asked: _Asked, found: Sequence[Proposals], form: Form, output: Path | None) -> None:
    cases = [c for f in found for c in f.cases]
    for f in found:
        if f.impossible:
            err().print(f"{len(f.impossible)} left out: proved impossible", style="dim", soft_wrap=True)
        for what in f.undecided[:MAX_SAID]:
            err().print(f"not found: {what}", style="weak", soft_wrap=True)
        if len(f.undecided) > MAX_SAID:
            err().print(f"... and {len(f.undecided) - MAX_SAID} more not found", style="weak")
    if not cases:
        err().print("nothing is missing" if not any(f.undecided for f in found) else "no case was found", style="yes")
        return
    decisions = {c.decision for c in cases}
    of = asked.decision.name if asked.decision else ""
    data = write_cases(cases, asked.book, of if decisions == {of} else "", form)
    shown = sum(f.shown for f in found)
    err().print(f"{counted(len(cases), 'case')} for {counted(shown, 'thing')} that no case shows; confirm each and take its mark away")
    if output is None:
        click.echo(data.decode(), nl=False)
    else:
        output.write_bytes(data)

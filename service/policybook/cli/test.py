"""`policybook test`: do the books answer as the test tables say?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from policybook.cli.books import now, open_desk, read_books
from policybook.cli.console import err, out, show
from policybook.cli.exits import FAULT, FINDINGS, SUCCESS, say
from policybook.cli.findings import counted, print_findings
from policybook.diagnostics import Report, did_you_mean
from policybook.errors import PolicybookError
from policybook.model.book import Book
from policybook.trials.case import Case
from policybook.trials.coverage import Coverage, DecisionCoverage, is_crossed
from policybook.trials.junit import junit_xml
from policybook.trials.points import Point
from policybook.trials.read import case_files
from policybook.trials.run import Result, asker, run_case
from policybook.trials.session import Session, Tables, read_tables, spaces
from policybook.trials.watch import look, wait_for_change

if TYPE_CHECKING:
    from policybook.trials.mutation import DecisionScore, Mutation

# What is listed of one decision on the terminal; all of it stands in the reports.
MAX_POINTS = 5
MAX_PAIRS = 3
_WATCH_S = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    paths: tuple[Path, ...]
    books: tuple[Path, ...]
    words: tuple[str, ...]
    decisions: tuple[str, ...]
    coverage: bool
    fail_under: int | None
    junit: Path | None
    html: Path | None
    json: Path | None
    lang: str
    verbose: bool
    mutation: bool
    fail_under_mutation: int | None
    jobs: int
    seconds: float | None

    def wants(self, case: Case) -> bool:
        return (not self.words or any(w in case.id for w in self.words)) and self.counts(case.policy, case.decision)

    def counts(self, policy: str, decision: str) -> bool:
        return not self.decisions or decision in self.decisions or f"{policy}.{decision}" in self.decisions


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--books", "books_path", multiple=True, type=click.Path(exists=True, path_type=Path), help="Books or their folder  [default: rules/]"
)
@click.option("-k", "--filter", "words", multiple=True, metavar="TEXT", help="Only cases whose id contains TEXT; repeatable.")
@click.option(
    "--decision", "decisions", multiple=True, metavar="NAME", help="Only cases of this decision (`shipment` or `credit.shipment`)."
)
@click.option("--coverage", "show_coverage", is_flag=True, help="Show which rows, thresholds and pairs of conditions the cases visit.")
@click.option("--fail-under", type=click.IntRange(0, 100), metavar="PERCENT", help="Fail when the cases visit fewer of the rows.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the results as JUnit XML.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write results and coverage as one HTML page."
)
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write them as JSON.")
@click.option("--mutation", is_flag=True, help="Put small faults into the tables and tell which ones no case notices.")
@click.option(
    "--fail-under-mutation", type=click.IntRange(0, 100), metavar="PERCENT", help="Fail when the cases notice fewer of the faults."
)
@click.option("--jobs", type=click.IntRange(1, 64), metavar="N", default=2, show_default=True, help="Processes that --mutation uses.")
@click.option(
    "--seconds", type=click.FloatRange(0), metavar="N", help="Time for --mutation; then what was found is shown, marked as partial."
)
@click.option("--watch", is_flag=True, help="Run again whenever a book or a table changes, until Ctrl-C.")
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language of the reasons and the HTML page.")
@click.option("-v", "--verbose", is_flag=True, help="Show every case, not the failed ones alone.")
@click.pass_context
def command(  # noqa: PLR0913 - a command has its options
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    books_path: tuple[Path, ...],
    words: tuple[str, ...],
    decisions: tuple[str, ...],
    show_coverage: bool,
    fail_under: int | None,
    junit: Path | None,
    html: Path | None,
    json_file: Path | None,
    mutation: bool,
    fail_under_mutation: int | None,
    jobs: int,
    seconds: float | None,
    watch: bool,
    lang: str,
    verbose: bool,
) -> None:
    """Run test tables and show every difference.

    PATHS are test tables (YAML, CSV, Excel) or folders of them; without any, rules/tests/ is run. The exit code is 1 when a case
    fails, a table or a book has errors, or the coverage or the mutation score is too low.
    """
    options = _Options(
        paths=paths or (_default("rules/tests", "test tables"),),
        books=books_path or (_books_beside(paths),),
        words=words,
        decisions=decisions,
        coverage=show_coverage,
        fail_under=fail_under,
        junit=junit,
        html=html,
        json=json_file,
        lang=lang,
        verbose=verbose,
        mutation=mutation or fail_under_mutation is not None,
        fail_under_mutation=fail_under_mutation,
        jobs=jobs,
        seconds=seconds,
    )
    ctx.exit(_watch(options) if watch else _once(options))


def _once(options: _Options) -> int:
    """Run everything once; return the exit code."""
    read = read_books(options.books)
    tables = read_tables(case_files(options.paths), read.books, {f.path.stem for f in read.files if f.book is None})
    if read.report.ok:
        _know_decisions(options.decisions, read.books)
    findings = read.report + tables.report if not (read.report + tables.report).ok else tables.report
    print_findings(err(), findings, {**read.sources, **tables.sources})
    session, is_our_fault = _run(options, tables, read.books, findings)
    _report(options, session)
    if not session.everything and tables.report.ok and read.report.ok:
        nothing = "nothing matches the filters" if any(tables.cases.values()) else "the tables are empty"
        err().print(f"no case was run: {nothing}", style="weak")
    share = _row_share(session.coverage)
    too_low = options.fail_under is not None and share < options.fail_under
    if too_low:
        err().print(f"the cases visit {share:.1f}% of the rows, fewer than the {options.fail_under}% asked for", style="error")
    too_low |= _is_below(options, session)
    if is_our_fault:
        return FAULT
    bad = not session.everything or session.failed or not tables.report.ok or not read.report.ok or too_low
    return FINDINGS if bad else SUCCESS


def _know_decisions(names: tuple[str, ...], books: Mapping[str, Book]) -> None:
    """Refuse a decision that no book has."""
    known = {n for b in books.values() for d in b.decisions for n in (d.name, f"{b.name}.{d.name}")}
    for name in names:
        if name not in known:
            raise click.BadParameter(f"there is no decision `{name}`; {did_you_mean(name, known)}", param_hint="--decision")


def _is_below(options: _Options, session: Session) -> bool:
    """Say when the mutation score is too low, or not known in whole."""
    made, wanted = session.mutation, options.fail_under_mutation
    if made is None or wanted is None:
        return False
    if made.share is not None and made.share < wanted:
        err().print(f"the mutation score is {made.share:.1f}%, lower than the {wanted}% asked for", style="error")
        return True
    if not made.is_whole:
        err().print("the mutation score is not known: the time was over before all were judged", style="error")
    return not made.is_whole


def _run(options: _Options, tables: Tables, known: dict[str, Book], findings: Report) -> tuple[Session, bool]:
    chosen = {file: [c for c in of_file if options.wants(c)] for file, of_file in tables.cases.items()}
    needed = {c.policy for of_file in chosen.values() for c in of_file}
    # What was left out on purpose is not counted as not visited.
    everything_asked = any(p.is_dir() for p in options.paths)
    books = {name: book for name, book in known.items() if name in needed or everything_asked}
    ask, coverage = asker(open_desk(b for n, b in books.items() if n in needed)), Coverage(books.values())
    results: dict[str, list[Result]] = {}
    console = out()
    for file, of_file in chosen.items():
        if not of_file and (options.words or options.decisions):
            continue
        results[file] = []
        for case in of_file:
            result = run_case(case, ask, books[case.policy])
            results[file].append(result)
            if result.answer is not None:
                coverage.visit(result.answer)
            if options.verbose or not result.passed:
                _print_case(console, result, options.lang)
    known_spaces = spaces() if options.coverage or options.html or options.json else None
    session = Session(
        books=books,
        results=results,
        coverage=tuple(
            coverage.decision(book, decision, known_spaces)
            for book, decision in coverage.in_order()
            if options.counts(book.name, decision.name)
        ),
        findings=findings,
        at=now(),
    )
    if options.mutation:
        session = replace(session, mutation=_mutate(options, session))
    return session, any(r.is_our_fault for r in session.everything)


def _mutate(options: _Options, session: Session) -> Mutation:
    """Judge the mutants of the decisions that count by the cases that were run."""
    # The solver is slow to import: paid for only here.
    from policybook.trials.crew import Job, run  # noqa: PLC0415

    cases: dict[str, list[Case]] = {}
    for result in session.everything:
        cases.setdefault(result.case.policy, []).append(result.case)
    job = Job(
        books=session.books,
        cases=cases,
        decisions=[(c.policy, c.decision) for c in session.coverage],
        clock=session.at,
        seconds=options.seconds,
    )
    console = err()
    if not console.is_terminal:
        return run(job, options.jobs)
    done = 0
    with console.status("mutants") as status:

        def told(score: DecisionScore) -> None:
            nonlocal done
            done += 1
            status.update(f"mutants: {done} of {counted(len(job.decisions), 'decision')}, {score.name}")

        return run(job, options.jobs, told)


def _report(options: _Options, session: Session) -> None:
    console = out()
    if options.coverage:
        _print_coverage(console, session.coverage)
    score = None
    if session.mutation is not None:
        from policybook.cli.mutation_view import print_mutation, summary  # noqa: PLC0415 - with the solver behind it

        print_mutation(console, session.mutation, session.books, options.lang, verbose=options.verbose)
        score = summary(session.mutation)
    _print_summary(console, session)
    if score is not None:
        console.print(score, soft_wrap=True)
    if options.junit is not None:
        options.junit.write_text(junit_xml(session.results, now=session.at), encoding="utf-8")
    if options.html is not None:
        from policybook.trials.html_report import html_report  # noqa: PLC0415 - jinja2 is for those who want the page

        options.html.write_text(html_report(session, options.lang), encoding="utf-8")
    if options.json is not None:
        from policybook.trials.json_report import json_report  # noqa: PLC0415

        options.json.write_text(json_report(session, options.lang), encoding="utf-8")


# -- again and again ---------------------------------------------------------------------------------------------------


def _watch(options: _Options) -> int:
    """Run whenever something changes, until Ctrl-C."""
    console = out()
    changed: tuple[Path, ...] = ()
    try:
        while True:
            before = look(_watched(options))
            if console.is_terminal:
                console.clear()
            console.print(f"{now().astimezone():%H:%M:%S}", style="title", end="")
            console.print(f"  {', '.join(p.name for p in changed[:3])}{' ...' if len(changed) > 3 else ''}", style="dim")
            try:
                _once(options)
            except (PolicybookError, click.ClickException, OSError) as e:
                # A book that cannot be compiled, a folder that is being moved: the next change may mend it.
                say("error", e.format_message() if isinstance(e, click.ClickException) else str(e))
            console.print(f"\nwatching {counted(len(before), 'file')}; Ctrl-C ends", style="dim")
            changed = wait_for_change(lambda: _watched(options), before, lambda: time.sleep(_WATCH_S))
    except KeyboardInterrupt:
        console.print()
        return SUCCESS


def _watched(options: _Options) -> Iterator[Path]:
    """Yield the test tables, the books, and what lies beside the books."""
    yield from case_files(p for p in options.paths if p.exists())
    for folder in dict.fromkeys(p if p.is_dir() else p.parent for p in options.books):
        if folder.is_dir():
            yield from sorted(p for p in folder.iterdir() if p.suffix in (".yaml", ".yml", ".lock") and p.is_file())


def _default(path: str, what: str) -> Path:
    if not Path(path).exists():
        raise click.UsageError(f"there is no folder `{path}` here; name the {what} or their folder")
    return Path(path)


def _books_beside(paths: Sequence[Path]) -> Path:
    """Return the folder of the books: beside or above the folder `tests` that was named, else rules/."""
    for path in paths:
        folder = path if path.is_dir() else path.parent
        if (folder / "tests").is_dir():
            return folder
        if folder.name == "tests" and any(folder.parent.glob("*.y*ml")):
            return folder.parent
    return _default("rules", "books with --books")


# -- on the terminal ---------------------------------------------------------------------------------------------------


def _print_case(console: Console, result: Result, language: str) -> None:
    case = result.case
    expected, got = ("应为 ", "，实为 ") if language == "zh" else ("expected ", ", got ")
    text = Text()
    text.append("✓ " if result.passed else "✗ ", "yes" if result.passed else "no")
    text.append(f"{case.name} ", "dim").append(case.id, "name")
    if case.review is not None:
        text.append(f"  to be reviewed{f': {case.review}' if case.review else ''}", "weak")
    if not result.passed:
        text.append(f"  {case.span}", "dim")
        for difference in result.differences:
            text.append(f"\n    {difference.what}: ", "name").append(expected).append(difference.expected, "yes")
            text.append(got).append(difference.got, "no")
        for reason in result.reasons(language):
            text.append(f"\n    {reason}", "dim")
    console.print(text, soft_wrap=True)


def _print_coverage(console: Console, shares: Sequence[DecisionCoverage]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("decision", no_wrap=True)
    for name in ("rows", "thresholds", "on the point", "just beside", "pairs"):
        table.add_column(name, justify="right")
    for c in shares:
        rows = (len(c.hit), len(c.hit) + len(c.missed))
        pairs = (c.pairs.seen, c.pairs.possible) if c.pairs else (0, 0)
        table.add_row(
            Text(c.name),
            _share(rows, "no"),
            _share((c.both_sides, len(c.thresholds))),
            _share(c.points(Point.ON)),
            _share(c.points(Point.JUST_BELOW, Point.JUST_ABOVE)),
            _share(pairs),
        )
    console.print()
    show(console, table)
    for c in shares:
        if lines := _not_visited(c):
            console.print(Text(f"\nnot visited of {c.name}", "name"))
            for line in lines:
                console.print(Text("  ") + line, soft_wrap=True)
    console.print()


def _share(counts: tuple[int, int], poor: str = "weak") -> Text:
    seen, of = counts
    return Text(f"{seen}/{of}" if of else "-", "yes" if seen == of else poor)


def _not_visited(c: DecisionCoverage) -> list[Text]:
    lines = [Text(f"row {r.id}", "no") for r in c.missed]
    for threshold, sides in c.one_sided:
        seen = ", ".join(s.value for s in sorted(sides, key=lambda s: s.name)) or "nothing"
        lines.append(Text(f"{threshold} (saw {seen})", "weak"))
    crossed = [b for (t, sides), b in zip(c.thresholds, c.boundaries, strict=True) if is_crossed(t, sides) and b.missed]
    lines += [Text(f"{b.threshold} (not {', '.join(p.value for p in b.missed)})", "weak") for b in crossed[:MAX_POINTS]]
    if len(crossed) > MAX_POINTS:
        lines.append(Text(f"... and {len(crossed) - MAX_POINTS} more thresholds", "dim"))
    if c.pairs is not None:
        lines += [Text(f"pair: {pair}", "dim") for pair in c.pairs.missed[:MAX_PAIRS]]
        more = c.pairs.possible - c.pairs.seen - min(len(c.pairs.missed), MAX_PAIRS)
        if more > 0:
            lines.append(Text(f"... and {more} more pairs", "dim"))
        if c.pairs.undecided:
            lines.append(Text(f"{c.pairs.undecided} of these pairs may be impossible", "dim"))
    return lines


def _row_share(shares: Sequence[DecisionCoverage]) -> float:
    total = sum(len(c.hit) + len(c.missed) for c in shares)
    return 100 * sum(len(c.hit) for c in shares) / total if total else 100.0


_SUMMARY = {
    "rows": "rows visited",
    "both_sides": "thresholds seen from both sides",
    "on_the_point": "on the point",
    "just_beside": "just beside",
    "pairs": "pairs of conditions",
}


def _print_summary(console: Console, session: Session) -> None:
    everything, failed, to_review = session.everything, len(session.failed), len(session.to_review)
    if not everything:
        return
    if failed:
        console.print()
    text = Text()
    text.append(f"{len(everything) - failed} passed", "yes")
    text.append(", ").append(f"{failed} failed", "no" if failed else "")
    text.append(f" in {counted(len(session.results), 'table')}")
    if to_review:
        text.append(", ").append(f"{to_review} still to be reviewed", "weak")
    shown = [f"{_SUMMARY[name]} {seen}/{of}" for name, seen, of in session.totals() if name in ("rows", "both_sides") or _is_full(session)]
    text.append(f"; {', '.join(shown)}")
    console.print(text, soft_wrap=True)


def _is_full(session: Session) -> bool:
    return any(c.pairs is not None for c in session.coverage)

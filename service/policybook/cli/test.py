"""`policybook test`: do the books answer as the test tables say?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from policybook.cli.books import ReadBooks, now, open_desk, read_books
from policybook.cli.console import err, out, show
from policybook.cli.exits import FAULT, FINDINGS, SUCCESS
from policybook.cli.findings import counted, print_findings
from policybook.diagnostics import Report
from policybook.source import Source
from policybook.trials.case import Case
from policybook.trials.coverage import Coverage, DecisionCoverage
from policybook.trials.junit import junit_xml
from policybook.trials.read import case_files, read_cases, read_text
from policybook.trials.run import Result, asker, run_case


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--books", "books_path", multiple=True, type=click.Path(exists=True, path_type=Path), help="Books or their folder  [default: rules/]"
)
@click.option("-k", "--filter", "words", multiple=True, metavar="TEXT", help="Only cases whose id contains TEXT; repeatable.")
@click.option(
    "--decision", "decisions", multiple=True, metavar="NAME", help="Only cases of this decision (`shipment` or `credit.shipment`)."
)
@click.option("--coverage", "show_coverage", is_flag=True, help="Show which rows and thresholds the cases visit.")
@click.option("--fail-under", type=click.IntRange(0, 100), metavar="PERCENT", help="Fail when the cases visit fewer of the rows.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the results as JUnit XML.")
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language of the rows' sentences.")
@click.option("-v", "--verbose", is_flag=True, help="Show every case, not the failed ones alone.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    books_path: tuple[Path, ...],
    words: tuple[str, ...],
    decisions: tuple[str, ...],
    show_coverage: bool,
    fail_under: int | None,
    junit: Path | None,
    lang: str,
    verbose: bool,
) -> None:
    """Run test tables and show every difference.

    PATHS are test tables (YAML, CSV) or folders of them; without any, rules/tests/ is run. The exit code is 1 when a case
    fails, a table or a book has errors, or the coverage is too low.
    """
    tables = case_files(paths or (_default("rules/tests", "test tables"),))
    read = read_books(books_path or (_books_beside(paths),))
    console = out()
    findings, sources, cases = _read_tables(tables, read)
    if not (read.report + findings).ok:
        print_findings(err(), read.report + findings, {**read.sources, **sources})
    chosen = {file: [c for c in of_file if _wanted(c, words, decisions)] for file, of_file in cases.items()}
    needed = {c.policy for of_file in chosen.values() for c in of_file}
    # What was left out on purpose is not counted as not visited.
    everything_asked = not paths or any(p.is_dir() for p in paths)
    books = {name: book for name, book in read.books.items() if name in needed or everything_asked}
    desk = open_desk(b for name, b in books.items() if name in needed)
    ask, coverage = asker(desk), Coverage(books.values())
    results: dict[str, list[Result]] = {}
    for file, of_file in chosen.items():
        results[file] = []
        for case in of_file:
            result = run_case(case, ask, books[case.policy])
            results[file].append(result)
            if result.answer is not None:
                coverage.visit(result.answer)
            if verbose or not result.passed:
                _print_case(console, result, lang)
    shares = [c for c in coverage.decisions() if not decisions or c.decision in decisions or f"{c.policy}.{c.decision}" in decisions]
    if show_coverage:
        _print_coverage(console, shares)
    share = _row_share(shares)
    _print_summary(console, results, shares)
    if junit is not None:
        junit.write_text(junit_xml(results, now=now()), encoding="utf-8")
    everything = [r for rs in results.values() for r in rs]
    if not everything and findings.ok and read.report.ok:
        err().print(
            "no case was run: nothing matches the filters" if any(cases.values()) else "no case was run: the tables are empty", style="weak"
        )
    too_low = fail_under is not None and share < fail_under
    if too_low:
        err().print(f"the cases visit {share:.1f}% of the rows, fewer than the {fail_under}% asked for", style="error")
    if any(r.is_our_fault for r in everything):
        ctx.exit(FAULT)
    bad = not everything or any(not r.passed for r in everything) or not findings.ok or not read.report.ok or too_low
    ctx.exit(FINDINGS if bad else SUCCESS)


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


def _read_tables(tables: Sequence[Path], read: ReadBooks) -> tuple[Report, dict[str, Source], dict[str, tuple[Case, ...]]]:
    report = Report(())
    sources: dict[str, Source] = {}
    cases: dict[str, tuple[Case, ...]] = {}
    bad = {f.path.stem for f in read.files if f.book is None}
    for path in tables:
        source, found = read_text(path)
        report += found
        if source is None:
            continue
        sources[source.name] = source
        file, found = read_cases(source, read.books, known_bad=bad)
        report += found
        if file is not None:
            cases[source.name] = file.cases
    return report, sources, cases


def _wanted(case: Case, words: tuple[str, ...], decisions: tuple[str, ...]) -> bool:
    return (not words or any(w in case.id for w in words)) and (not decisions or case.decision in decisions or case.name in decisions)


def _print_case(console: Console, result: Result, language: str) -> None:
    case = result.case
    text = Text()
    text.append("✓ " if result.passed else "✗ ", "yes" if result.passed else "no")
    text.append(f"{case.name} ", "dim").append(case.id, "name")
    if not result.passed:
        text.append(f"  {case.span}", "dim")
        for difference in result.differences:
            text.append(f"\n    {difference.what}: ", "name").append("expected ").append(difference.expected, "yes")
            text.append(", got ").append(difference.got, "no")
        for reason in result.reasons(language):
            text.append(f"\n    {reason}", "dim")
    console.print(text, soft_wrap=True)


def _print_coverage(console: Console, shares: Sequence[DecisionCoverage]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("decision", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("thresholds", justify="right", no_wrap=True)
    table.add_column("on the point", justify="right", no_wrap=True)
    table.add_column("not visited")
    for c in shares:
        rows, all_rows, all_ends = len(c.hit), len(c.hit) + len(c.missed), len(c.thresholds)
        missed = Text(", ".join(r.id for r in c.missed), "no")
        for threshold, sides in c.one_sided:
            seen = ", ".join(s.value for s in sorted(sides, key=lambda s: s.name)) or "nothing"
            missed.append(f"{chr(10) if missed else ''}{threshold.row.row}: {threshold.key} {threshold.text} (saw {seen})", "weak")
        table.add_row(
            Text(f"{c.policy}.{c.decision}"),
            Text(f"{rows}/{all_rows}", "yes" if rows == all_rows else "no"),
            Text(f"{c.both_sides}/{all_ends}" if all_ends else "-", "yes" if c.both_sides == all_ends else "weak"),
            Text(f"{c.on_the_point}/{all_ends}" if all_ends else "-", "yes" if c.on_the_point == all_ends else "weak"),
            missed,
        )
    console.print()
    show(console, table)
    console.print()


def _row_share(shares: Sequence[DecisionCoverage]) -> float:
    total = sum(len(c.hit) + len(c.missed) for c in shares)
    return 100 * sum(len(c.hit) for c in shares) / total if total else 100.0


def _print_summary(console: Console, results: Mapping[str, Sequence[Result]], shares: Sequence[DecisionCoverage]) -> None:
    everything = [r for rs in results.values() for r in rs]
    failed = sum(not r.passed for r in everything)
    if not everything:
        return
    if failed:
        console.print()
    rows, hit = sum(len(c.hit) + len(c.missed) for c in shares), sum(len(c.hit) for c in shares)
    ends, both = sum(len(c.thresholds) for c in shares), sum(c.both_sides for c in shares)
    text = Text()
    text.append(f"{len(everything) - failed} passed", "yes")
    text.append(", ").append(f"{failed} failed", "no" if failed else "")
    text.append(f" in {counted(len(results), 'table')}; rows visited {hit}/{rows}", "")
    text.append(f", thresholds seen from both sides {both}/{ends}")
    console.print(text, soft_wrap=True)

"""The mutation score on the terminal: a table, then what lives on, with the cases that would kill it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from policybook.cli.console import show
from policybook.cli.findings import counted
from policybook.model.book import Book
from policybook.trials.mutation import DecisionScore, Fate, Judged, Mutation, share
from policybook.trials.mutation_report import alive, pasteable

# Requests shown of one decision, and mutants named before each; all of them stand in the reports.
MAX_REQUESTS = 2
MAX_MUTANTS = 3


def print_mutation(console: Console, mutation: Mutation, books: Mapping[str, Book], language: str, *, verbose: bool) -> None:
    """Print a mutation run.

    Args:
        verbose: everything that lives on, not the first of each decision alone
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("decision", no_wrap=True)
    for name in ("killed", "score", "alive", "undecided", "equivalent"):
        table.add_column(name, justify="right")
    for d in mutation.decisions:
        survived, undecided = len(d.of(Fate.SURVIVED)), len(d.of(Fate.UNDECIDED))
        table.add_row(
            Text(d.name),
            f"{d.killed}/{d.counted}",
            Text(percent([d]), "yes" if d.killed == d.counted else "weak"),
            Text(str(survived or "-"), "no" if survived else ""),
            Text(str(undecided or "-"), "weak" if undecided else ""),
            str(len(d.of(Fate.EQUIVALENT)) or "-"),
        )
    console.print()
    show(console, table)
    for d in mutation.decisions:
        _print_alive(console, d, books[d.policy], language, verbose=verbose)
    console.print()


def _print_alive(console: Console, score: DecisionScore, book: Book, language: str, *, verbose: bool) -> None:
    found = alive(score)
    undecided = score.of(Fate.UNDECIDED)
    if not found and not undecided:
        return
    console.print(Text(f"\nalive in {score.name}", "name"))
    shown = found if verbose else found[:MAX_REQUESTS]
    for witness, mutants in shown:
        _print_mutants(console, mutants if verbose else mutants[:MAX_MUTANTS], language)
        if not verbose and len(mutants) > MAX_MUTANTS:
            console.print(Text(f"  ... and {counted(len(mutants) - MAX_MUTANTS, 'more mutant')}", "dim"))
        console.print(Text("  this case kills " + ("it:" if len(mutants) == 1 else "them:"), "dim"))
        console.print(Text("\n".join(f"  {line}" for line in pasteable(witness, book, language).split("\n")), "help"), soft_wrap=True)
    rest = sum(len(mutants) for _, mutants in found[len(shown) :])
    if rest:
        console.print(Text(f"  ... and {counted(rest, 'more mutant')}; `policybook cases {score.name} --kill` writes the cases", "dim"))
    for mutant in undecided if verbose else undecided[:MAX_MUTANTS]:
        console.print(Text(f"  undecided: {mutant.what.get(language)} ({mutant.why})", "weak"), soft_wrap=True)


def _print_mutants(console: Console, mutants: Sequence[Judged], language: str) -> None:
    for mutant in mutants:
        console.print(Text(f"  {mutant.what.get(language)}", "no").append(f"  {mutant.span}", "dim"), soft_wrap=True)


def percent(decisions: Sequence[DecisionScore]) -> str:
    """Write a score with no more certainty than it has: 100% only for all."""
    part = share(decisions)
    if part is None:
        return "-"
    killed, of = sum(d.killed for d in decisions), sum(d.counted for d in decisions)
    tenths = 1000 * killed // of
    return f"{tenths // 10}.{tenths % 10}%"


def summary(mutation: Mutation) -> Text:
    """Return the score on one line."""
    counts = {fate: len(mutation.of(fate)) for fate in Fate}
    of = sum(d.counted for d in mutation.decisions)
    text = Text(f"mutation score {percent(mutation.decisions)}", "yes" if counts[Fate.KILLED] == of else "weak")
    text.append(f" ({counts[Fate.KILLED]}/{of} killed", "")
    for fate, word in ((Fate.SURVIVED, "alive"), (Fate.UNDECIDED, "undecided"), (Fate.EQUIVALENT, "equivalent and left out")):
        if counts[fate]:
            text.append(f", {counts[fate]} {word}")
    text.append(")")
    if not mutation.is_whole:
        text.append("; partial: the time was over before all were judged", "weak")
    return text

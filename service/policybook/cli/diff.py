"""`policybook diff`: which requests two versions decide otherwise."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from policybook.cli.console import err, out, show
from policybook.cli.exits import FINDINGS, SUCCESS, RefusedError
from policybook.cli.findings import counted, print_findings
from policybook.cli.render import grid, indented
from policybook.cli.revisions import Books, read_side, read_work_tree
from policybook.diagnostics import Report, did_you_mean
from policybook.model.kinds import Text as Words

if TYPE_CHECKING:
    from policybook.analyse.boxes import Budget
    from policybook.analyse.difference import BookDifference, Region, TableDifference
    from policybook.analyse.difference_interface import Note
    from policybook.analyse.difference_words import Line

_WORDS = {
    "equivalent": Words("equivalent: every request is decided alike", "等价：所有请求的决策都相同"),
    "alike": Words("the decisions compared decide every request alike", "所比较的决策对所有请求结果相同"),
    "figures": Words("figures", "参数"),
    "interface": Words("requests and answers", "请求与答复"),
    "edited": Words("edited", "改动"),
    "no_effect": Words("without effect on any answer", "不影响任何结果"),
    "and_n_changes": Words(
        "and {} without effect on any answer (--verbose lists them)", "另有 {} 项改动不影响任何结果（--verbose 可列出）"
    ),
    "example": Words("for example", "例如"),
    "as_of": Words("as of", "适用日"),
    "either": Words("and one of", "且符合下列之一"),
    "more": Words("... and {} more such regions", "……另有 {} 处"),
    "more_boxes": Words("... and {} more", "……另有 {} 种"),
    "because": Words("follows from {}", "由 {} 的变化引起"),
    "in_example": Words("in the example:", "例中："),
    "perhaps": Words("perhaps; no request was found, nor a proof that there is none: {}", "可能有差异：既未找到请求，也未能证明没有（{}）"),
    "unsure": Words("{} of these are not known to occur", "其中 {} 种是否会出现尚不确定"),
    "undecided": Words("not decided: {}", "未能判定：{}"),
    "partial": Words(
        "partial: the time or the number of regions allowed was used up; there may be more",
        "结果不完整：已用尽允许的时间或区域数，可能还有差异",
    ),
    "added": Words("the policy `{}` was added", "新增制度 `{}`"),
    "removed": Words("the policy `{}` was removed", "制度 `{}` 已删除"),
    "any": Words("any request", "任何请求"),
}


@click.command()
@click.argument("old")
@click.argument("new", required=False)
@click.argument("paths", nargs=-1)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How the difference is written."
)
@click.option("--decision", "names", multiple=True, metavar="NAME", help="Only this decision (`credit.shipment`); may be given again.")
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language of titles and sentences.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 unless the versions are proved to decide alike.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Regions shown of a decision; the rest are counted."
)
@click.option(
    "--seconds", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="Processor time; then what was found is shown."
)
@click.option("--verbose", "-v", is_flag=True, help="Also list what was changed without effect.")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    old: str,
    new: str | None,
    paths: tuple[str, ...],
    form: str,
    names: tuple[str, ...],
    lang: str,
    exit_code: bool,
    limit: int,
    seconds: float,
    verbose: bool,
) -> None:
    """Tell which requests two versions decide otherwise: exactly, and with a request for each.

    OLD and NEW are books, folders of books, `REVISION:PATH`, or revisions of git, of which PATHS (rules/ without any) are compared.
    Without NEW, OLD is compared with the files as they stand. Nothing is written.

    \b
      policybook diff old/credit.yaml rules/credit.yaml
      policybook diff HEAD
      policybook diff HEAD~1 HEAD -- rules
      policybook diff v1.0:rules/credit.yaml rules/credit.yaml
    """
    before = _sound(read_side(old, paths))
    after = _sound(read_side(new, paths) if new is not None else read_work_tree(old, paths))
    found, gone, come = _compared(before, after, names, seconds)
    if form == "json":
        click.echo(json.dumps(_json(found, gone, come, lang, limit), ensure_ascii=False, indent=2))
    else:
        console = out()
        for name in gone:
            console.print(_word("removed", lang).format(name), style="no")
        for name in come:
            console.print(_word("added", lang).format(name), style="yes")
        same = [d for d in found if d.is_equivalent and not d.notes and not d.skipped]
        for one in found:
            if one not in same or len(same) == 1:
                show(console, Group(*_Shown(one, lang, limit, verbose=verbose).book(), *([Text()] if one is not found[-1] else [])))
        if len(same) > 1:
            console.print(", ".join(d.new.name for d in same), style="name", end="\n")
            console.print(_word("equivalent", lang), style="yes")
    alike = not gone and not come and all(d.is_equivalent for d in found)
    ctx.exit(FINDINGS if exit_code and not alike else SUCCESS)


def _sound(read: Books) -> Books:
    """Return what was read.

    Raises:
        RefusedError: a book has errors, or there is none
    """
    if not read.report.ok:
        print_findings(err(), Report(read.report.errors), read.sources)
        raise RefusedError(f"{counted(len(read.report.errors), 'error')}: a book with errors cannot be compared")
    if not read.books:
        raise RefusedError("there is no book (*.yaml) there")
    return read


def _compared(before: Books, after: Books, names: Sequence[str], seconds: float) -> tuple[list[BookDifference], list[str], list[str]]:
    """Compare the books of both sides; return what was found, and the policies that only one side has."""
    from policybook.analyse.difference import difference  # noqa: PLC0415 - the solver is slow to import

    pairs = [(before.books[n], after.books[n]) for n in after.books if n in before.books]
    gone, come = [n for n in before.books if n not in after.books], [n for n in after.books if n not in before.books]
    if len(before.books) == len(after.books) == 1 and gone:
        # Two files were named: they are two versions whatever they call themselves.
        pairs, gone, come = [(before.books[gone[0]], after.books[come[0]])], [], []
    wanted: dict[str, list[str]] = {}
    known = [f"{b.name}.{d.name}" for _, b in pairs for d in b.decisions]
    for name in names:
        full = [k for k in known if name in (k, k.partition(".")[2])]
        if not full:
            raise RefusedError(f"no decision `{name[:80]}`; {did_you_mean(name, known)}")
        for k in full:
            wanted.setdefault(k.partition(".")[0], []).append(k.partition(".")[2])
    budget = _budgets(seconds)
    found = [difference(a, b, wanted.get(b.name, ()), budget=budget) for a, b in pairs if not names or b.name in wanted]
    return found, [] if names else gone, [] if names else come


def _budgets(seconds: float) -> Callable[[], Budget]:
    """Return what makes the budget of each table: what is left of the time for all."""
    from policybook.analyse.boxes import Budget  # noqa: PLC0415 - with the solver

    end = time.thread_time() + seconds
    return lambda: Budget(seconds=max(0.0, end - time.thread_time()))


def _json(found: Sequence[BookDifference], gone: Sequence[str], come: Sequence[str], lang: str, limit: int) -> dict[str, object]:
    from policybook.analyse.difference_words import as_json  # noqa: PLC0415 - with the solver

    return {
        "equivalent": not gone and not come and all(d.is_equivalent for d in found),
        "policies_removed": list(gone),
        "policies_added": list(come),
        "books": [as_json(d, lang, limit) for d in found],
    }


def _word(name: str, lang: str) -> str:
    return _WORDS[name].get(lang)


class _Shown:
    """One book's difference, drawn."""

    def __init__(self, found: BookDifference, lang: str, limit: int, *, verbose: bool) -> None:
        self.found = found
        self.lang = lang
        self.limit = limit
        self.verbose = verbose

    def word(self, name: str) -> str:
        return _word(name, self.lang)

    def book(self) -> list[RenderableType]:
        found = self.found
        name = found.new.name
        parts: list[RenderableType] = [
            Text.assemble(
                (name, "name"),
                "  ",
                (found.new.title.get(self.lang), "title"),
                (f"  {found.old.version[:8]} → {found.new.version[:8]}", "dim"),
            )
        ]
        for caption, notes, style in (
            ("figures", [n for n in found.notes if n.figure], ""),
            ("interface", found.interface, "weak"),
            ("edited", found.edited if self.verbose else (), ""),
            ("no_effect", found.without_effect if self.verbose else (), "dim"),
        ):
            if notes:
                parts.append(self.notes(caption, notes, style))
        for table in found.tables:
            parts += [Text(), *self.table(table)]
        parts += [Text(), self.verdict()] if found.tables else [self.verdict()]
        return parts

    def notes(self, caption: str, notes: Sequence[Note], style: str) -> RenderableType:
        table = grid(True, False)
        table.add_row(Text(self.word(caption), "dim"), Text("\n".join(n.text.get(self.lang) for n in notes), style))
        return indented(table, 2)

    def verdict(self) -> RenderableType:
        found = self.found
        if found.is_equivalent:
            text = Text(self.word("alike" if found.skipped else "equivalent"), "yes")
        else:
            changed = [t for t in found.tables if t.regions]
            regions = sum(len(t.regions) for t in changed)
            names = list(dict.fromkeys(t.name for t in changed))
            of = len(found.new.decisions) - len(found.skipped)
            if self.lang == "zh":
                text = Text(f"{of} 个决策中有 {len(names)} 个结果改变，共 {regions} 处", "no" if names else "weak")
            else:
                text = Text(
                    f"{len(names) or 'none'} of {counted(of, 'decision')} found to decide otherwise, in {counted(regions, 'region')}",
                    "no" if names else "weak",
                )
            open_ = [t for t in found.tables if not t.is_none and (t.perhaps or t.undecided)]
            if open_:
                count = len({t.name for t in open_})
                text.append(f"；{count} 个未能完全判定" if self.lang == "zh" else f"; {count} not decided in full", "weak")
        if found.is_partial:
            text.append(f"\n{self.word('partial')}", "weak")
        if found.without_effect and not self.verbose:
            count = len(found.without_effect)
            shown = str(count) if self.lang == "zh" else counted(count, "change")
            text.append(f"\n{self.word('and_n_changes').format(shown)}", "dim")
        return text

    # -- one decision --------------------------------------------------------------------------------------------

    def table(self, table: TableDifference) -> list[RenderableType]:
        from policybook.analyse.difference_words import period_text  # noqa: PLC0415 - with the solver

        head = Text.assemble((f"{self.found.new.name}.{table.name}", "name"), "  ", (table.after.title.get(self.lang), "title"))
        days = period_text(table.periods, self.lang)
        if days:
            head.append(f"  {days}", "weak")
        parts: list[RenderableType] = [head]
        regions = [*table.regions, *table.perhaps]
        for number, region in enumerate(regions[: self.limit], 1):
            numbered = grid(True, False)
            numbered.add_row(Text(f"{number:>2}", "dim"), Group(*self.region(region)))
            parts += [*([Text()] if number > 1 else []), indented(numbered, 1)]
        if len(regions) > self.limit:
            parts.append(indented(Text(self.word("more").format(len(regions) - self.limit), "dim"), 5))
        parts += [indented(Text(self.word("undecided").format(u.get(self.lang)), "weak"), 2) for u in table.undecided]
        return parts

    def region(self, region: Region) -> list[RenderableType]:
        from policybook.analyse.difference_words import said  # noqa: PLC0415 - with the solver

        words = said(region, self.found.new, self.lang, self.limit)
        parts: list[RenderableType] = []
        if region.because:
            names = ", ".join(f"{self.found.new.name}.{n}" for n in region.because)
            parts.append(Text(self.word("because").format(names), "dim"))
        parts += [Text(w) for w in words.common or ((self.word("any"),) if not words.either else ())]
        if words.either:
            parts.append(Text(self.word("either"), "dim"))
            choices = grid(True, False)
            for either in words.either:
                choices.add_row(Text("·", "dim"), Text("\n".join(either)))
            parts.append(indented(choices, 1))
            if words.left_out:
                parts.append(indented(Text(self.word("more_boxes").format(words.left_out), "dim"), 1))
        if region.asking is None:
            parts.append(Text(self.word("perhaps").format(region.why), "weak"))
        elif region.unsure:
            parts.append(Text(self.word("unsure").format(len(region.unsure)), "weak"))
        if words.in_example:
            parts.append(Text(self.word("in_example"), "dim"))
        if words.lines:
            parts.append(indented(self.lines(words.lines), 2))
        if region.asking is not None:
            parts.append(self.example(region))
        return parts

    def lines(self, lines: Sequence[Line]) -> Table:
        table = grid(True, False, True, False, False)
        for line in lines:
            before, after = (
                Text.assemble((value, style), (f"\n{title}" if title else "", "dim"))
                for value, title, style in ((line.before, line.before_title, "no"), (line.after, line.after_title, "yes"))
            )
            name = Text.assemble((line.output, "name"), (f"\n{line.title}" if self.lang == "zh" and line.title else "", "dim"))
            table.add_row(name, before, Text("→", "dim"), after, Text(line.by, "value"))
        return table

    def example(self, region: Region) -> RenderableType:
        from policybook.analyse.difference_words import facts_of  # noqa: PLC0415 - with the solver
        from policybook.analyse.shown import as_of_text  # noqa: PLC0415 - with the solver

        if region.asking is None:
            raise AssertionError("a region with an example")
        facts = facts_of(region.asking, region.book, region.tables.joint.inputs)
        table = grid(True, False)
        shown = Text(json.dumps(facts, ensure_ascii=False), "help")
        shown.append(f"\n{self.word('as_of')} {as_of_text(region.asking)}", "dim")
        table.add_row(Text(self.word("example"), "dim"), shown)
        return table


__all__ = ["command"]

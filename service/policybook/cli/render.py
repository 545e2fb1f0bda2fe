"""A decision drawn for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from policybook.cli.view import DecisionView, ShownCell, ShownFigure, ShownHeadroom, ShownItem, ShownRow, ShownTable, ShownValue
from policybook.cli.words import HIT_POLICIES, Lang, broken, caption, joined, labelled, lines
from policybook.model.kinds import Text as Words
from policybook.model.wording import unit_after
from policybook.trials.text import figures_in

_SIGNS = {"selected": ("✓", "yes"), "outranked": ("○", "weak"), "not matched": ("✗", "no"), "not reached": ("·", "dim")}


def decision_panel(view: DecisionView, lang: Lang) -> RenderableType:
    """Draw the answer and the rows behind it."""
    parts: list[RenderableType] = [Text(line, "title") for line in lines(view.title, lang)]
    parts.append(Text())
    if view.outputs:
        parts.append(_values(view.outputs, lang, strong=True))
    if view.items:
        parts += [_gap(view.outputs), _items(view.items, lang)]
    if not view.decided:
        parts.append(Text(caption("no_match", lang), "weak"))
    elif view.gives_items and not view.items:
        parts.append(Text(caption("no_items", lang), "dim"))
    if view.rules:
        parts += [Text(), Text(caption("because", lang), "bold")]
        parts += [indented(_rule(rule, lang), 2) for rule in _without_repetition(view.rules)]
    policy = view.decision.partition(".")[0]
    facts = [f"{caption('as_of', lang)} {view.as_of}", f"{policy}@{view.version[:8]}"]
    if view.elapsed_ns:
        facts.append(_milliseconds(view.elapsed_ns))
    return Panel(
        Group(*(p for p in parts if p is not _NOTHING)),
        title=Text(view.decision, "name"),
        subtitle=Text(" · ".join(facts), "dim"),
        title_align="left",
        subtitle_align="left",
        border_style="yes" if view.decided else "weak",
        box=box.ROUNDED,
        padding=(0, 2),
    )


def trace_group(view: DecisionView, lang: Lang, *, brief: bool = False) -> RenderableType:
    """Draw how the answer came about, required decisions first.

    Args:
        view: an answer
        lang: of captions and sentences
        brief: of required decisions only what they gave and by which row; of the items of a list only the rows that matched
    """
    if not view.tables:
        return Text()
    parts: list[RenderableType] = [Text(caption("how", lang), "bold")]
    for number, table in enumerate(view.tables, 1):
        before = view.tables[number - 2] if table.number > 1 else None
        if brief and table.decision != view.decision:
            parts += [*([] if before else [Text()]), indented(_brief(table, number, before, lang), 2)]
            continue
        matched = tuple(r for r in table.rows if r.verdict in ("selected", "outranked"))
        shown = replace(table, rows=matched) if brief and table.number else table
        # What the table that was asked gave stands in the answer itself.
        shows_outputs = table.decision != view.decision or table.number > 0
        parts += [Text(), indented(_table(shown, number, before, lang, shows_outputs=shows_outputs), 2)]
    return Group(*parts)


def indented(content: RenderableType, columns: int) -> Padding:
    """Shift a block to the right."""
    return Padding(content, (0, 0, 0, columns), expand=False)


_NOTHING = Text()
_MOST_NOT_REACHED = 2
_ITEM_WIDTH = 20
_NARROW_ITEM_WIDTH = 12
_FEW_COLUMNS = 3
# A test that begins so is no list of values, though it holds a comma.
_NO_LIST = ("<", ">", "[", "(", "not", "contains", "in ")


def _gap(before: Sequence[ShownValue]) -> Text:
    return Text() if before else _NOTHING


def _milliseconds(ns: int) -> str:
    return f"{ns / 1_000_000:.2f} ms"


def grid(*no_wrap: bool) -> Table:
    """Return a table without lines; one argument a column."""
    # With pad_edge off rich measures a last column that is empty as two too few.
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=True)
    for fixed in no_wrap:
        # Chinese has no spaces to break at: fold, or rich would cut it off.
        table.add_column(no_wrap=fixed, overflow="fold")
    return table


def _values(values: Sequence[ShownValue], lang: Lang, *, strong: bool) -> Table:
    table = grid(True, False, False)
    for v in values:
        value = with_unit(v.text, v.unit, lang, "value" if strong else "")
        meaning = v.label if strong and v.label else v.title
        table.add_row(Text(v.name, "name" if strong else ""), value, Text(joined(meaning, lang), "dim"))
    return table


def with_unit(value: str, unit: Words, lang: Lang, style: str = "") -> Text:
    """Write a value and its unit; in both languages `5 days / 天`."""
    text = Text(value, style)
    first, *others = lines(unit, lang) or ("",)
    text.append(unit_after(value, first), "dim")
    return text.append("".join(f" / {other}" for other in others if unit_after(value, other)), "dim")


def _items(items: Sequence[ShownItem], lang: Lang) -> Table:
    names = list(dict.fromkeys(v.name for i in items for v in i.outputs))
    numbered = any(i.number for i in items)
    width = _ITEM_WIDTH if len(names) <= _FEW_COLUMNS else _NARROW_ITEM_WIDTH
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("#", justify="right", style="dim")
    for name in names:
        lines_ = [broken(name, width), *(broken(v.text, width) for i in items for v in i.outputs if v.name == name)]
        table.add_column(lines_[0], overflow="fold", min_width=max(len(part) for line in lines_ for part in line.split()))
    table.add_column(caption("row", lang), no_wrap=True)
    for count, item in enumerate(items, 1):
        by_name = {v.name: v for v in item.outputs}
        cells = [_with_label(by_name.get(n), width, lang) for n in names]
        table.add_row(str(item.number if numbered else count), *cells, Text(broken(item.row_id, width), "dim"))
    return table


def _with_label(value: ShownValue | None, width: int, lang: Lang) -> Text:
    if value is None or value.json is None:
        return Text("-", "dim")
    text = Text(broken(value.text, width) if value.label else value.text, "value")
    if value.label:
        text.append(f"\n{joined(value.label, lang)}", "dim")
    return text


def _without_repetition(rules: Sequence[ShownRow]) -> Iterator[ShownRow]:
    """Yield each row once, though a table over a list selects it once an item."""
    seen: set[str] = set()
    for rule in rules:
        if rule.id not in seen:
            seen.add(rule.id)
            yield rule


def _rule(rule: ShownRow, lang: Lang) -> Group:
    head = Text(rule.id, "yes")
    if rule.clauses:
        head.append(f"  {_clauses(rule, lang)}", "clause")
    parts = [head, *(Text(line) for line in lines(rule.says, lang))]
    parts += [Text(line, "dim") for line in labelled("reading", rule.reading, lang)]
    return Group(*parts)


def _clauses(rule: ShownRow | ShownFigure, lang: Lang) -> str:
    return f"{caption('clause', lang)} {', '.join(rule.clauses)}"


def _table(table: ShownTable, number: int, before: ShownTable | None, lang: Lang, *, shows_outputs: bool) -> Group:
    """Draw one table; of the next item of the same list only what is not as it was `before`."""
    name = Text(table.decision, "name").append(f" #{table.number}" if table.number else "")
    titles = [Text(line, "title") for line in lines(table.title, lang)]
    head = grid(True, False)
    head.add_row(name, titles[0] if titles and before is None else Text())
    parts: list[RenderableType] = [head]
    if before is None:
        parts += [*titles[1:], *(Text(line, "dim") for line in hit_policy(table.hit_policy, lang))]
    inputs = [v for v in table.inputs if (before is None or v not in before.inputs) and not _is_noise(v, table)]
    if inputs:
        parts += [Text(caption("looked_at", lang), "help"), indented(_values(inputs, lang, strong=False), 2)]
    if table.figures and before is None:
        parts += [Text(caption("figures", lang), "help"), indented(_figures(table.figures, lang), 2)]
    parts += [Text(caption("rows", lang), "help"), indented(_rows(table, lang), 2)]
    if table.outputs and shows_outputs:
        parts.append(_gave(table, lang))
    if table.headroom:
        parts += [Text(caption("headroom", lang), "help"), indented(headroom_table(table.headroom, lang), 2)]
    numbered = grid(True, False)
    numbered.add_row(Text(str(number), "dim"), Group(*parts))
    return Group(numbered)


def headroom_table(headroom: Sequence[ShownHeadroom], lang: Lang) -> Table:
    """Draw how far each quantity may move, and what comes then."""
    table = grid(True, False, False)
    for h in headroom:
        rising = h.side == "below"
        past = ("after_that" if h.is_moment else "above_that") if rising else ("before_that" if h.is_moment else "below_that")
        if h.threshold.text == h.quantity.text:
            where, when = caption("room_at", lang).format(h.threshold.text), caption(past, lang)
        else:
            side = ("before" if rising else "after") if h.is_moment else h.side
            where = caption(f"room_{side}", lang).format(h.far.get(lang), h.threshold.text)
            when = caption(past if h.included else "from_there", lang)
        then = Text(when if lang == "zh" else f"{when} ", "dim")
        if h.outcome == "decided":
            then.append(", ".join(h.rows) or caption("would_nothing", lang), "yes")
            if h.outputs:
                then.append(f" ({h.outputs[0].name} = {h.outputs[0].text})", "value")
        else:
            then.append(caption("would_refuse" if h.outcome == "refused" else "would_no_match", lang), "weak")
        table.add_row(Text(h.quantity.name), Text(where), then)
    return table


def _is_noise(value: ShownValue, table: ShownTable) -> bool:
    """Tell whether a value says nothing new: the day, which the answer shows, or the whole list beside one of its items."""
    whole_list = table.number > 0 and isinstance(value.json, list) and any(isinstance(v, dict) for v in value.json)
    return value.name == "as_of" or whole_list


def _brief(table: ShownTable, number: int, before: ShownTable | None, lang: Lang) -> Table:
    name = Text(table.decision, "name").append(f" #{table.number}" if table.number else "")
    if before is None:
        name.append(f"  {joined(table.title, lang)}", "title")
    rows = grid(True, False)
    selected = [r for r in table.rows if r.verdict == "selected"]
    for row in selected:
        rows.add_row(Text.assemble(("✓ ", "yes"), (row.id, "yes")), Text("\n".join(lines(row.says, lang))))
    parts: list[RenderableType] = [name, rows if selected else Text(caption("no_row", lang), "dim")]
    if table.outputs:
        parts.append(_gave(table, lang))
    numbered = grid(True, False)
    numbered.add_row(Text(f"{number}", "dim"), Group(*parts))
    return numbered


def _gave(table: ShownTable, lang: Lang) -> Text:
    gave = Text(f"{caption('gave', lang)} ", "help")
    return gave.append(", ".join(f"{v.name} = {v.text}" for v in table.outputs), "value")


def hit_policy(text: str, lang: Lang) -> tuple[str, ...]:
    """Say in words what a hit policy means, a line each language."""
    return lines(HIT_POLICIES.get(text, Words(text)), lang)


def _figures(figures: Sequence[ShownFigure], lang: Lang) -> Table:
    table = grid(True, False, False)
    for f in figures:
        value = with_unit(f.value.text, f.value.unit, lang)
        source = [_clauses(f, lang)] if f.clauses else []
        if f.set_by_company:
            source.append(caption("set_by_company", lang))
        if f.since:
            source.append(f"{caption('since', lang)} {f.since}")
        table.add_row(Text(f.value.name), value, Text(", ".join(source), "dim"))
    return table


def _rows(shown: ShownTable, lang: Lang) -> RenderableType:
    if not shown.rows:
        return Text(caption("no_row", lang), "dim")
    table = grid(True, True, False)
    known = {v.name: v.text for v in (*shown.inputs, *(f.value for f in shown.figures))}
    for verdict, group in groupby(shown.rows, key=lambda r: (r.verdict, r.is_default)):
        rows = list(group)
        if verdict == ("not reached", False) and len(rows) > _MOST_NOT_REACHED:
            count = Text(caption("n_rows", lang).format(len(rows)), "dim")
            table.add_row(Text("·", "dim"), count, Text(caption("not_reached", lang), "dim"))
            continue
        for row in rows:
            sign, style = _SIGNS.get(row.verdict, ("?", "dim"))
            named = Text(row.id, style if row.verdict in ("selected", "not reached") else "")
            table.add_row(Text(sign, style), named, _story(row, known, lang))
    return table


def _story(row: ShownRow, known: Mapping[str, str], lang: Lang) -> Text:
    """Say what became of a row: its sentence when it was chosen, the tests that failed when not."""
    text = Text()
    match row.verdict:
        case "selected":
            for line in lines(row.says, lang) or ((caption("default", lang),) if row.is_default else ()):
                text.append(f"{line}\n")
            for cell in row.cells:
                text.append("✓ ", "yes").append_text(_cell(cell, known, lang, "value")).append("\n")
        case "outranked":
            text.append(f"{caption('outranked', lang)}\n", "weak")
        case "not matched":
            for cell in row.cells:
                if not cell.passed:
                    text.append_text(_cell(cell, known, lang, "no")).append("\n")
        case _:
            text.append(f"{caption('default' if row.is_default else 'not_reached', lang)}\n", "dim")
    text.rstrip()
    return text


def _cell(cell: ShownCell, known: Mapping[str, str], lang: Lang, style: str) -> Text:
    """Say what a test met: `exposure is 5.00 CNY, not <= cap (3.00 CNY)`."""
    text = Text(f"{cell.name} {caption('is', lang)} ").append(cell.actual, style)
    if cell.passed and cell.test == cell.actual:
        return text
    if "," in cell.test and not cell.test.startswith(_NO_LIST):
        word = caption("in_list" if cell.passed else "not_in_list", lang)
    else:
        # `not not(null)` is hard to read.
        word = caption("meets" if cell.passed else "fails" if cell.test.startswith("not") else "is_not", lang)
    return text.append(f"{word} ", "dim").append(cell.test).append(figures_in(cell.test, known), "dim")


__all__ = ["decision_panel", "grid", "headroom_table", "hit_policy", "indented", "trace_group", "with_unit"]

"""An explanation drawn for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from policybook.cli.explain_view import ExplainView, ShownUnstated, ShownVariation
from policybook.cli.render import decision_panel, grid, headroom_table, indented
from policybook.cli.words import Lang, caption, joined, lines
from policybook.model.kinds import Text as Words

_SIGNS = {"needed": ("?", "weak"), "undecided": ("~", "dim"), "irrelevant": ("·", "dim")}


def explanation_group(view: ExplainView, lang: Lang) -> RenderableType:
    """Draw an explanation: the answer, why, how near, what would change it; or what is missing."""
    parts: list[RenderableType] = []
    if view.answer is not None:
        parts.append(decision_panel(view.answer, lang))
    else:
        parts.append(Text.assemble((view.decision, "name"), "  ", (joined(view.title, lang), "title")))
    if view.refusal:
        parts += _section("refused", [Text(view.refusal, "weak")], lang)
    if view.reasons:
        parts += _section("why", [_numbered(view.reasons, lang)], lang)
    if view.answer is not None:
        near = [h for t in view.answer.tables for h in t.headroom if t.decision == view.decision] or [
            h for t in view.answer.tables for h in t.headroom
        ]
        if near:
            parts += _section("headroom_of", [headroom_table(near, lang)], lang)
    if view.ways is not None:
        ways = grid(True, False)
        for way in view.ways:
            ways.add_row(Text("→" if way.is_proved else "~", "yes" if way.is_proved else "weak"), Text("\n".join(lines(way.text, lang))))
        content: list[RenderableType] = [ways] if view.ways else []
        parts += _section("why_not", [*content, *(Text(line, "dim") for line in lines(view.ways_note, lang))], lang)
    for variation in view.variations:
        parts += _variation(variation, lang)
    if view.unstated is not None:
        parts += _section("missing", [*(Text(line) for line in lines(view.unstated_note, lang)), _unstated(view.unstated, lang)], lang)
    if view.answer is None:
        policy = view.decision.partition(".")[0]
        parts += [Text(), Text(f"{caption('as_of', lang)} {view.as_of} · {policy}@{view.version[:8]}", "dim")]
    return Group(*parts)


def _section(name: str, content: list[RenderableType], lang: Lang) -> list[RenderableType]:
    return [Text(), Text(caption(name, lang), "bold"), *(indented(c, 2) for c in content)]


def _numbered(sentences: tuple[Words, ...], lang: Lang) -> RenderableType:
    table = grid(True, False)
    for number, sentence in enumerate(sentences, 1):
        table.add_row(Text(str(number), "dim"), Text("\n".join(lines(sentence, lang))))
    return table


def _variation(variation: ShownVariation, lang: Lang) -> list[RenderableType]:
    table = grid(True, False, False)
    for piece in variation.pieces:
        mark = Text("▶", "yes") if piece.is_actual else Text(" ")
        table.add_row(mark, Text("\n".join(lines(piece.text, lang)), "yes" if piece.is_actual else ""), Text("\n".join(piece.tests), "dim"))
    head = Text.assemble((caption("what_if", lang), "bold"), " ", (variation.name, "name"), "  ", (joined(variation.title, lang), "title"))
    note = [Text(line, "dim") for line in lines(variation.note, lang)]
    return [Text(), head, indented(table, 2), *(indented(n, 2) for n in note)]


def _unstated(unstated: tuple[ShownUnstated, ...], lang: Lang) -> RenderableType:
    table = grid(True, True, False, False, False)
    for u in unstated:
        sign, style = _SIGNS.get(u.relevance, ("?", "dim"))
        left_out = Text(f"{caption('default_is', lang)} {u.default}" if u.default else "", "dim")
        table.add_row(
            Text(sign, style), Text(u.name, "name" if u.relevance != "irrelevant" else "dim"), Text(joined(u.title, lang)),
            Text(caption(u.relevance, lang), style), left_out,
        )  # fmt: skip
    return table

"""What two versions decide differently, in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from policybook.analyse.boxes import Box
from policybook.analyse.difference import BookDifference, Region, TableDifference
from policybook.analyse.difference_interface import Note
from policybook.analyse.difference_joint import MARK, Period
from policybook.analyse.difference_outcomes import Among, Answers, Computed, Conflict, Entry, Known, NoMatch, Outcome, Reduced, Row, row_key
from policybook.analyse.difference_table import Answered
from policybook.analyse.inquiry import Asking
from policybook.analyse.shown import as_of_text, facts_json, plain_json, shown_axes
from policybook.cells import codes as c
from policybook.cells.axes import Axis
from policybook.cells.linear import linear
from policybook.cells.words import formula_text, value_text
from policybook.model.book import Book, Decision
from policybook.model.formula import Const, refs
from policybook.model.kinds import NUMBER, Field, Text
from policybook.values import Value

_REFUSED = {
    "ConflictError": Text("refused: rows conflict", "拒绝：规则冲突"),
    "FactsError": Text("refused: a formula has no result", "拒绝：公式无结果"),
    "NotInForceError": Text("refused: not in force", "拒绝：未生效"),
}
_NO_ROW = Text("no row matches", "没有规则适用")


@dataclass(frozen=True, slots=True)
class Line:
    """One output that is not what it was: its name (`""`: the answer as a whole) and what it was and is, each with a title."""

    output: str
    title: str
    before: str
    before_title: str
    after: str
    after_title: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A region in one language.

    Args:
        common: what holds for all of its requests
        either: besides, one of these: each a list of what holds; empty: nothing besides
        left_out: how many more there are
        lines: what becomes of the answer
        in_example: the lines are of the example: other requests of the region may have other values
    """

    common: tuple[str, ...]
    either: tuple[tuple[str, ...], ...]
    left_out: int
    lines: tuple[Line, ...]
    in_example: bool


def period_text(periods: Sequence[Period], language: str = "en") -> str:
    """Say some consecutive stretches of days: `from 2027-01-01 on`; "" for all days."""
    start, end = periods[0].start, periods[-1].end
    zh = language == "zh"
    if start and end:
        return f"{start}至{end}" if zh else f"from {start} to {end}"
    if start:
        return f"{start}起" if zh else f"from {start} on"
    if end:
        return f"至{end}止" if zh else f"until {end}"
    return ""


def said(region: Region, book: Book, language: str, limit: int) -> Said:
    """Say a region.

    Args:
        book: the newer version
        limit: alternatives that are said
    """
    boxes = region.boxes[:limit]
    axes = shown_axes(region.tables.grid) if region.boxes else ()
    narrowed = [_narrowed(region, axes, box, language) for box in boxes]
    shared = [i for i in narrowed[0] if all(n.get(i) == narrowed[0][i] for n in narrowed)] if narrowed else []
    order = _order(axes)
    common = tuple(narrowed[0][i] for i in order if i in shared) if narrowed else ()
    if region.why and not region.boxes:
        common = (region.why,)
    either = tuple(tuple(n[i] for i in order if i in n and i not in shared) for n in narrowed)
    if len(either) == 1 or not all(either):
        either = ()
    lines = tuple(_lines(region, book, language))
    of_rows = isinstance(region.before, Answers | Among | NoMatch | Conflict | Reduced) and isinstance(
        region.after, Answers | NoMatch | Conflict | Reduced
    )
    return Said(common, either, len(region.boxes) - len(boxes) if either else 0, lines, not of_rows)


def _narrowed(region: Region, axes: tuple[Axis, ...], box: Box, language: str) -> dict[int, str]:
    return {
        i: _side(region, axis, axis.words(c.closed_up(ranges, everything), language, region.book.currency).replace(MARK, ""), language)
        for i, (axis, ranges, everything) in enumerate(zip(axes, box, region.domain, strict=True))
        if ranges != everything and not c.is_subset(everything, ranges)
    }


def _side(region: Region, axis: Axis, words: str, language: str) -> str:
    """Say of which version an output of a required decision is, where the two are not the same."""
    doubled = region.tables.joint.doubled
    read = {r.name for a in region.tables.grid.axes[axis.index].atoms for r in refs(a.formula)}
    if region.because and read & set(doubled.values()):
        return f"现{words}" if language == "zh" else f"now {words}"
    if region.because and read & set(doubled):
        return f"原{words}" if language == "zh" else f"before {words}"
    return words


def _order(axes: tuple[Axis, ...]) -> list[int]:
    """Put axes of one quantity next to one another."""
    first: dict[str, int] = {}
    for i, axis in enumerate(axes):
        first.setdefault(axis.atoms[0].name, i)
    return sorted(range(len(axes)), key=lambda i: (first[axes[i].atoms[0].name], i))


# ---------------------------------------------------------------- answers


def _lines(region: Region, book: Book, language: str) -> Iterator[Line]:
    before, after = region.tables.before.decision, region.tables.after.decision
    if isinstance(region.before, Answers | Reduced) and isinstance(region.after, Answers | Reduced):
        mine, theirs = _rows(region.before), _rows(region.after)
        if len(mine) == len(theirs) == 1:
            yield from _outputs(mine[0], theirs[0], before, after, book, language)
            return
        for name in region.tables.shared:
            field = _field(after, name)
            a, b = (_column(rows, name, field, book) for rows in (mine, theirs))
            if a != b:
                yield Line(name, field.title.get(language), a, "", b, "")
        return
    if isinstance(region.before, Among) and isinstance(region.after, Among):
        for name in region.tables.shared:
            field = _field(after, name)
            x, y = ([_entry(e, field, book) for row in o.rows for n, e in row if n == name] for o in (region.before, region.after))
            if x != y:
                yield Line(name, field.title.get(language), f"[{', '.join(('..', *x))}]", "", f"[{', '.join(('..', *y))}]", "")
        return
    said_rows = (Answers, Reduced, NoMatch, Conflict)
    if isinstance(region.before, said_rows) and isinstance(region.after, said_rows):
        a, b = (_whole(o, d, book, language) for o, d in ((region.before, before), (region.after, after)))
        yield Line("", "", a, "", b, "")
        return
    if region.answers is not None:
        yield from _answered(region.answers, after, region.tables.shared, book, language)


def _rows(outcome: Answers | Reduced) -> tuple[Row, ...]:
    return outcome.rows if isinstance(outcome, Answers) else (outcome.values,)


def _outputs(mine: Row, theirs: Row, before: Decision, after: Decision, book: Book, language: str) -> Iterator[Line]:
    for (name, x), (_, y) in zip(mine, theirs, strict=True):
        if row_key(((name, x),)) == row_key(((name, y),)):
            continue
        one, other = _field(before, name), _field(after, name)
        yield Line(
            name,
            other.title.get(language),
            _entry(x, one, book),
            _title(x, one, language),
            _entry(y, other, book),
            _title(y, other, language),
            _by(x, y, other, book),
        )


def _field(decision: Decision, name: str) -> Field:
    found = decision.output(name)
    if found is None:
        raise AssertionError(f"`{name}` is an output of both versions")
    return found


def _entry(entry: Entry, field: Field, book: Book) -> str:
    if isinstance(entry, Known):
        return value_text(entry.value, field.kind, book.currency)
    return formula_text(entry.formula).replace(MARK, "")


def _title(entry: Entry, field: Field, language: str) -> str:
    return _value_title(entry.value, field, language) if isinstance(entry, Known) else ""


def _value_title(value: Value, field: Field, language: str) -> str:
    titles = {v.value: v.title.get(language) for v in (field.kind.element or field.kind).values}
    values = value if isinstance(value, tuple) else (value,)
    return ", ".join(t for v in values if isinstance(v, str) and (t := titles.get(v, "")))


def _by(x: Entry, y: Entry, field: Field, book: Book) -> str:
    """Say by how much a computed output differs, where that is one amount."""
    if not field.kind.numeric:
        return ""
    forms = [
        linear(Const(e.value, field.kind) if isinstance(e, Known) else e.formula)
        for e in (x, y)
        if not isinstance(e, Known) or e.value is not None
    ]
    if len(forms) < 2 or not (isinstance(x, Computed) or isinstance(y, Computed)):
        return ""
    change = forms[1].plus(forms[0], -1)
    terms = {f: k for f, k in change.terms.items() if k}
    if not terms:
        return _signed(change.constant, field, book)
    if len(terms) == 1 and not change.constant:
        ((f, k),) = terms.items()
        sign = "+" if k > 0 else "-"
        amount = formula_text(f, 9).replace(MARK, "")
        return f"{sign}{amount}" if abs(k) == 1 else f"{sign}{value_text(abs(k), NUMBER)} × {amount}"
    return ""


def _signed(n: Fraction, field: Field, book: Book) -> str:
    return f"{'+' if n > 0 else '-'}{value_text(abs(n), field.kind, book.currency)}"


def _column(rows: Sequence[Row], name: str, field: Field, book: Book) -> str:
    return f"[{', '.join(_entry(e, field, book) for row in rows for n, e in row if n == name)}]"


def _whole(outcome: Outcome, decision: Decision, book: Book, language: str) -> str:
    match outcome:
        case NoMatch():
            return _NO_ROW.get(language)
        case Conflict():
            return _REFUSED["ConflictError"].get(language)
        case Answers(rows):
            made = ["; ".join(f"{n} {_entry(e, _field(decision, n), book)}" for n, e in row) for row in rows]
            return made[0] if len(made) == 1 and not decision.hit_policy.multi else f"[{', '.join(made)}]"
        case Reduced(values):
            return "; ".join(f"{n} {_entry(e, _field(decision, n), book)}" for n, e in values)
        case _:
            return ""


def _answered(answers: tuple[Answered, Answered], decision: Decision, shared: Sequence[str], book: Book, language: str) -> Iterator[Line]:
    """Say what became of the answer to one request."""
    before, after = answers
    for a in answers:
        if a.refused or (a.outputs is None and not a.items):
            x, y = (_one_answer(side, decision, book, language) for side in (before, after))
            yield Line("", "", x, "", y, "")
            return
    for name in shared:
        field = _field(decision, name)
        x, y = (_given(side, name, field, book) for side in (before, after))
        if x != y:
            titles = [_value_title((side.outputs or {}).get(name), field, language) for side in (before, after)]
            yield Line(name, field.title.get(language), x, titles[0], y, titles[1])


def _one_answer(side: Answered, decision: Decision, book: Book, language: str) -> str:
    if side.refused:
        return _REFUSED.get(side.refused, Text(f"refused: {side.refused}", f"拒绝：{side.refused}")).get(language)
    if side.outputs is None and not side.items:
        return _NO_ROW.get(language)
    return "; ".join(f"{o.name} {_given(side, o.name, o, book)}" for o in decision.outputs if o.name in (side.outputs or {}) or side.items)


def _given(side: Answered, name: str, field: Field, book: Book) -> str:
    if side.outputs is not None and name in side.outputs:
        return value_text(side.outputs[name], field.kind, book.currency)
    return f"[{', '.join(value_text(o.get(name), field.kind, book.currency) for _, o in side.items)}]"


# ---------------------------------------------------------------- requests


def facts_of(asking: Asking, joint: Book, renamed: Mapping[str, str]) -> dict[str, object]:
    """Return the facts of a request, as the newer version names them; those that it does not know keep the older's name.

    Args:
        renamed: name in the newer -> joint name
    """
    back = {b: a for a, b in renamed.items()}
    return {back.get(name, name): value for name, value in facts_json(asking, joint).items()}


# ---------------------------------------------------------------- JSON


def as_json(found: BookDifference, language: str, limit: int) -> dict[str, object]:
    """Return a difference for programs; the texts are in one language."""
    return {
        "policy": found.new.name,
        "old_version": found.old.version,
        "new_version": found.new.version,
        "equivalent": found.is_equivalent,
        "differs": found.differs,
        "partial": found.is_partial,
        "interface": [_note_json(n, language) for n in found.interface],
        "figures": [_note_json(n, language) for n in found.notes if n.figure],
        "decisions": [_table_json(t, found, language, limit) for t in found.tables],
        "without_effect": [_note_json(n, language) for n in found.without_effect],
        "not_compared": list(found.skipped),
    }


def _note_json(note: Note, language: str) -> dict[str, object]:
    return {"change": note.slug, "subject": note.subject, "decision": note.decision or None, "text": note.text.get(language)}


def _table_json(t: TableDifference, found: BookDifference, language: str, limit: int) -> dict[str, object]:
    start, end = t.periods[0].start, t.periods[-1].end
    return {
        "decision": t.name,
        "was_called": t.before.name if t.before.name != t.name else None,
        "from": start.isoformat() if start else None,
        "to": end.isoformat() if end else None,
        "partial": t.is_partial,
        "regions": [_region_json(r, found, language, limit) for r in t.regions],
        "undecided_regions": [_region_json(r, found, language, limit) for r in t.perhaps],
        "undecided": [u.get(language) for u in t.undecided],
    }


def _region_json(r: Region, found: BookDifference, language: str, limit: int) -> dict[str, object]:
    words = said(r, found.new, language, limit)
    out: dict[str, object] = {
        "where": list(words.common),
        "and_either": [list(e) for e in words.either],
        "boxes": len(r.boxes),
        "boxes_undecided": len(r.unsure),
        "because": list(r.because),
        "changes": [
            {"output": line.output or None, "title": line.title, "before": line.before, "after": line.after, "by": line.by or None}
            for line in words.lines
        ],
        "changes_of_the_example_only": words.in_example,
    }
    if r.asking is not None:
        out["example"] = {"facts": facts_of(r.asking, r.book, r.tables.joint.inputs), "as_of": as_of_text(r.asking)}
    if r.answers is not None:
        before, after = r.tables.before.decision, r.tables.after.decision
        out["example_before"] = _answer_json(r.answers[0], before, found.old)
        out["example_after"] = _answer_json(r.answers[1], after, found.new)
    else:
        out["why_undecided"] = r.why
    return out


def _answer_json(side: Answered, decision: Decision, book: Book) -> dict[str, object]:
    if side.refused:
        return {"refused": side.refused}
    kinds = {o.name: o.kind for o in decision.outputs}

    def said_values(outputs: Mapping[str, Value]) -> dict[str, object]:
        return {n: plain_json(v, kinds[n], book) for n, v in outputs.items()}

    if side.items:
        return {"items": [{"item": number or None, "outputs": said_values(o)} for number, o in side.items]}
    return {"outputs": said_values(side.outputs) if side.outputs is not None else None}

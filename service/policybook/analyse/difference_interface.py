"""What requests and answers may hold in two versions of a book, and what was changed that no answer shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from policybook.analyse.difference_joint import Renamed, bare, common
from policybook.cells.words import value_text
from policybook.model.book import Book, Decision, Effective, Parameter, Row
from policybook.model.kinds import Base, Field, Kind, Text
from policybook.values import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that the two versions say differently.

    Args:
        slug: what kind of change, for programs: `input-added`
        subject: the name that it is about
        decision: of the table that it is in; "" when it is of the book
        decides: some request is taken, refused or answered in another form for it
        figure: a figure that has another value; what follows from it the tables tell
    """

    slug: str
    subject: str
    text: Text
    decision: str = ""
    decides: bool = False
    figure: bool = False


def notes(old: Book, new: Book, renamed: Renamed) -> tuple[Note, ...]:
    """Return what two versions of a book say differently, apart from what their tables decide."""
    return (
        *_heads(old, new),
        *_inputs(old, new, renamed),
        *_decisions(old, new, renamed),
        *_parameters(old, new),
        *_values(old, new),
        *(note for a, b in _pairs(old, new, renamed) for note in _table(a, b)),
    )


# ---------------------------------------------------------------- names


def renames(old: Book, new: Book) -> Renamed:
    """Tell which inputs and decisions have only another name."""
    inputs = _matched(
        [f for f in old.inputs if f.name not in new.input_by_name],
        [f for f in new.inputs if f.name not in old.input_by_name],
        lambda a, b: bare(a.kind) == bare(b.kind) and _manner(a) == _manner(b),
    )
    decisions = _matched(
        [d for d in old.decisions if d.name not in new.decision_by_name],
        [d for d in new.decisions if d.name not in old.decision_by_name],
        lambda a, b: _form(a) == _form(b) and len(a.rows) == len(b.rows),
    )
    return Renamed(inputs, decisions)


def _matched(gone, come, alike) -> dict[str, str]:  # type: ignore[no-untyped-def] # noqa: ANN001
    """Return (newer name -> older name) of those that fit one another and nothing else."""
    out: dict[str, str] = {}
    for b in come:
        fitting = [a for a in gone if alike(a, b)]
        titled = [a for a in fitting if a.title and a.title == b.title]
        if len(titled) == 1:
            out[b.name] = titled[0].name
        elif len(fitting) == 1 and sum(alike(fitting[0], x) for x in come) == 1:
            out[b.name] = fitting[0].name
    return out if len(set(out.values())) == len(out) else {}


def _manner(f: Field) -> tuple[object, ...]:
    return (f.minimum, f.maximum, f.optional, f.has_default, f.default, f.max_length, f.max_items)


def _form(d: Decision) -> tuple[object, ...]:
    outputs = tuple((o.name, bare(o.kind)) for o in d.outputs)
    return (d.hit_policy, d.aggregation, d.for_each is None, outputs)


def _pairs(old: Book, new: Book, renamed: Renamed) -> Iterator[tuple[Decision, Decision]]:
    for after in new.decisions:
        before = old.decision_by_name.get(renamed.decisions.get(after.name, after.name))
        if before is not None:
            yield before, after


# ---------------------------------------------------------------- heads


def _heads(old: Book, new: Book) -> Iterator[Note]:
    if old.currency != new.currency:
        text = Text(
            f"amounts are in {new.currency or 'no currency'}, before in {old.currency or 'none'}",
            f"货币由 {old.currency} 改为 {new.currency}",
        )
        yield Note(slug="currency", subject=new.name, text=text, decides=True)
    if old.time_zone != new.time_zone:
        text = Text(f"the time zone is {new.time_zone}, before {old.time_zone}", f"时区由 {old.time_zone} 改为 {new.time_zone}")
        yield Note(slug="time-zone", subject=new.name, text=text)
    if old.calendar != new.calendar:
        yield Note(slug="calendar", subject=new.name, text=Text("the calendar is another", "工作日历已变"))
    if old.effective != new.effective:
        a, b = (_dates(e) for e in (old.effective, new.effective))
        text = Text(f"the book is in force {b.en}, before {a.en}", f"制度生效期由{a.zh}改为{b.zh}")
        yield Note(slug="effective", subject=new.name, text=text, decides=True)
    if (old.title, old.documents) != (new.title, new.documents):
        yield Note(slug="text", subject=new.name, text=Text("title or documents of the book", "制度的标题或文件"))


def _dates(e: Effective) -> Text:
    if e.start and e.end:
        return Text(f"from {e.start} to {e.end}", f"{e.start}至{e.end}")
    if e.start:
        return Text(f"from {e.start} on", f"{e.start}起")
    return Text(f"until {e.end}", f"至{e.end}止") if e.end else Text("always", "始终")


# ---------------------------------------------------------------- inputs


def incomparable_inputs(old: Book, new: Book, renamed: Renamed) -> tuple[str, ...]:
    """Return the inputs of both versions that no value fits in both, by the older's name."""
    out = []
    for f in new.inputs:
        mine = old.input_by_name.get(renamed.inputs.get(f.name, f.name))
        if mine is not None and common(mine.kind, f.kind) is None:
            out.append(mine.name)
    return tuple(out)


def _inputs(old: Book, new: Book, renamed: Renamed) -> Iterator[Note]:
    back = {b: a for a, b in renamed.inputs.items()}
    for f in old.inputs:
        if f.name not in new.input_by_name and f.name not in back:
            text = Text(
                f"the input `{f.name}` was removed: requests that state it are refused now",
                f"输入项 `{f.name}` 已删除：提供它的请求现被拒绝",
            )
            yield Note(slug="input-removed", subject=f.name, text=text, decides=True)
    for f in new.inputs:
        before = old.input_by_name.get(renamed.inputs.get(f.name, f.name))
        if before is None:
            yield _added(f, new)
            continue
        if before.name != f.name:
            text = Text(f"the input `{before.name}` is now called `{f.name}`", f"输入项 `{before.name}` 更名为 `{f.name}`")
            yield Note(slug="input-renamed", subject=f.name, text=text, decides=True)
        for slug, what in _field(before, f, f"`{f.name}`", old.currency):
            yield Note(slug=f"input-{slug}", subject=f.name, text=what, decides=slug != "text")


def _added(f: Field, book: Book) -> Note:
    users = [d.name for d in book.decisions if f.name in d.uses.inputs]
    if f.required and users:
        names = ", ".join(f"`{n}`" for n in users)
        text = Text(
            f"the input `{f.name}` was added and must be stated: requests to {names} without it are refused now",
            f"新增必填输入项 `{f.name}`：对 {names} 的请求未提供它时现被拒绝",
        )
    else:
        default = f" (default {value_text(f.default, f.kind)})" if f.has_default else ""
        text = Text(
            f"the input `{f.name}` was added{default}: requests that state it were refused before",
            f"新增输入项 `{f.name}`：提供它的请求此前被拒绝",
        )
    return Note(slug="input-added", subject=f.name, text=text, decides=True)


def _field(a: Field, b: Field, name: str, currency: str) -> Iterator[tuple[str, Text]]:
    """Yield what two declarations of one input allow differently."""
    yield from _kind(a.kind, b.kind, name, currency)
    for slug, least, x, y in (("minimum", True, a.minimum, b.minimum), ("maximum", False, a.maximum, b.maximum)):
        if x != y:
            yield slug, _bound(name, least=least, before=x, after=y, kind=b.kind, currency=currency)
    if a.required != b.required or a.optional != b.optional:
        yield (
            "required",
            Text(
                f"{name} {_manner_text(b).en} now, and {_manner_text(a).en} before",
                f"{name} 现{_manner_text(b).zh}，原{_manner_text(a).zh}",
            ),
        )
    if a.has_default and b.has_default and a.default != b.default:
        x, y = value_text(a.default, a.kind), value_text(b.default, b.kind)
        yield "default", Text(f"{name} left out is taken for {y} now, for {x} before", f"{name} 未提供时现按 {y}，原按 {x}")
    elif a.has_default != b.has_default and a.required == b.required:
        x, y = (value_text(f.default, f.kind) if f.has_default else "null" for f in (a, b))
        yield "default", Text(f"{name} left out is taken for {y} now, for {x} before", f"{name} 未提供时现按 {y}，原按 {x}")
    if (a.max_length, a.max_items) != (b.max_length, b.max_items):
        yield "length", Text(f"{name} may be of another length", f"{name} 的长度上限已变")
    if (a.title, a.unit) != (b.title, b.unit):
        yield "text", Text(f"title or unit of {name}", f"{name} 的标题或单位")


def _manner_text(f: Field) -> Text:
    if f.required:
        return Text("must be stated", "必填")
    if f.has_default:
        shown = value_text(f.default, f.kind)
        return Text(f"may be left out (then {shown})", f"可不填（按 {shown}）")
    return Text("may be left out", "可不填")


def _bound(name: str, *, least: bool, before: Value, after: Value, kind: Kind, currency: str) -> Text:
    word, zh = ("at least", "不低于") if least else ("at most", "不高于")

    def say(v: Value) -> tuple[str, str]:
        if v is None:
            return "anything", "不限"
        shown = value_text(v, kind, currency)
        return f"{word} {shown}", f"{zh} {shown}"

    (x, x_zh), (y, y_zh) = say(before), say(after)
    return Text(
        f"{name} may be {y} now, {x} before: the requests between are taken by one version only",
        f"{name} 现{y_zh}，原{x_zh}：其间的请求只有一个版本接受",
    )


def _kind(a: Kind, b: Kind, name: str, currency: str) -> Iterator[tuple[str, Text]]:
    if a.base is not b.base:
        yield "type", Text(f"{name} is of type {b} now, of type {a} before", f"{name} 的类型由 {a} 改为 {b}")
        return
    match a.base:
        case Base.ENUM:
            for v in a.value_names:
                if v not in b.value_names:
                    yield (
                        "value-removed",
                        Text(f"{name} may no longer be `{v}`: requests with it are refused now", f"{name} 不再接受 `{v}`"),
                    )
            for v in b.value_names:
                if v not in a.value_names:
                    yield "value-added", Text(f"{name} may now be `{v}`: requests with it were refused before", f"{name} 现接受 `{v}`")
            if set(a.value_names) == set(b.value_names) and a.values != b.values:
                yield "text", Text(f"titles or order of the values of {name}", f"{name} 取值的标题或次序")
        case Base.LIST if a.element and b.element:
            yield from _kind(a.element, b.element, f"an element of {name}", currency)
        case Base.RECORD:
            for f in a.fields:
                if b.field_named(f.name) is None:
                    yield "field-removed", Text(f"{name} no longer has a field `{f.name}`", f"{name} 不再有字段 `{f.name}`")
            for f in b.fields:
                before = a.field_named(f.name)
                if before is None:
                    yield "field-added", Text(f"{name} has a field `{f.name}` now", f"{name} 新增字段 `{f.name}`")
                else:
                    yield from _field(before, f, f"`{f.name}` of {name}", currency)


# ---------------------------------------------------------------- decisions


def _decisions(old: Book, new: Book, renamed: Renamed) -> Iterator[Note]:
    back = {b: a for a, b in renamed.decisions.items()}
    for d in old.decisions:
        if d.name not in new.decision_by_name and d.name not in back:
            text = Text(
                f"the decision `{d.name}` was removed: requests to it are refused now", f"决策 `{d.name}` 已删除：对它的请求现被拒绝"
            )
            yield Note(slug="decision-removed", subject=d.name, text=text, decision=d.name, decides=True)
    for d in new.decisions:
        before = renamed.decisions.get(d.name, d.name)
        if before not in old.decision_by_name:
            text = Text(f"the decision `{d.name}` was added", f"新增决策 `{d.name}`")
            yield Note(slug="decision-added", subject=d.name, text=text, decision=d.name, decides=True)
        elif before != d.name:
            text = Text(f"the decision `{before}` is now called `{d.name}`", f"决策 `{before}` 更名为 `{d.name}`")
            yield Note(slug="decision-renamed", subject=d.name, text=text, decision=d.name, decides=True)


def _table(a: Decision, b: Decision) -> Iterator[Note]:
    name = b.name

    def note(slug: str, text: Text, *, decides: bool = False) -> Note:
        return Note(slug=slug, subject=name, text=text, decision=name, decides=decides)

    yield from _outputs(a, b)
    shape_a, shape_b = ((d.hit_policy.multi, d.aggregation, d.for_each is None) for d in (a, b))
    if shape_a != shape_b:
        yield note(
            "shape",
            Text(f"`{name}` answers in another form (one answer, several, or one for each element)", f"`{name}` 的答复形式已变"),
            decides=True,
        )
    elif a.hit_policy is not b.hit_policy:
        text = Text(
            f"the hit policy of `{name}` is {b.hit_policy.value}, before {a.hit_policy.value}",
            f"`{name}` 的命中策略由 {a.hit_policy.value} 改为 {b.hit_policy.value}",
        )
        yield note("hit-policy", text)
    if (a.title, a.question) != (b.title, b.question):
        yield note("text", Text(f"title or question of `{name}`", f"`{name}` 的标题或问题"))
    yield from (note("rows", text) for text in _rows(a.all_rows, b.all_rows, name))


def _outputs(a: Decision, b: Decision) -> Iterator[Note]:
    def note(slug: str, subject: str, text: Text, *, decides: bool = True) -> Note:
        return Note(slug=f"output-{slug}", subject=subject, text=text, decision=b.name, decides=decides)

    gone = [o for o in a.outputs if b.output(o.name) is None]
    come = [o for o in b.outputs if a.output(o.name) is None]
    renamed = {p.name: o.name for o in gone for p in come if bare(o.kind) == bare(p.kind) and _column(a, o.name) == _column(b, p.name)}
    for o in gone:
        if o.name not in renamed.values():
            text = Text(f"`{b.name}` no longer answers `{o.name}`", f"`{b.name}` 不再答复 `{o.name}`")
            yield note("removed", o.name, text)
    for o in come:
        before = renamed.get(o.name)
        if before is None:
            yield note("added", o.name, Text(f"`{b.name}` answers `{o.name}` besides", f"`{b.name}` 新增答复 `{o.name}`"))
        else:
            text = Text(f"the output `{before}` of `{b.name}` is now called `{o.name}`", f"`{b.name}` 的输出 `{before}` 更名为 `{o.name}`")
            yield note("renamed", o.name, text)
    for o in b.outputs:
        mine = a.output(o.name)
        if mine is None:
            continue
        label = f"`{o.name}` of `{b.name}`"
        if mine.kind.base is not o.kind.base:
            yield note(
                "type",
                o.name,
                Text(f"{label} is of type {o.kind} now, of type {mine.kind} before", f"{label} 的类型由 {mine.kind} 改为 {o.kind}"),
            )
        elif set(mine.kind.value_names) != set(o.kind.value_names):
            added = [v for v in o.kind.value_names if v not in mine.kind.value_names]
            removed = [v for v in mine.kind.value_names if v not in o.kind.value_names]
            more = "; ".join(filter(None, (f"new: {', '.join(added)}" if added else "", f"gone: {', '.join(removed)}" if removed else "")))
            yield note("values", o.name, Text(f"what {label} may be: {more}", f"{label} 的取值：{more}"), decides=False)
        if (mine.decimals, mine.rounding) != (o.decimals, o.rounding):
            yield note("rounding", o.name, Text(f"{label} is rounded otherwise", f"{label} 的取整方式已变"), decides=False)
        if (mine.title, mine.unit) != (o.title, o.unit):
            yield note("text", o.name, Text(f"title or unit of {label}", f"{label} 的标题或单位"), decides=False)


def _column(d: Decision, name: str) -> list[str]:
    return [o.text for r in d.all_rows for o in r.outputs if o.name == name]


def _rows(before: Sequence[Row], after: Sequence[Row], table: str) -> Iterator[Text]:
    """Yield what was done to rows, apart from what that decides."""
    mine, theirs = {r.id: r for r in before}, {r.id: r for r in after}
    by_content: dict[object, list[str]] = {}
    for r in before:
        if r.id not in theirs:
            by_content.setdefault(_content(r), []).append(r.id)
    renamed: dict[str, str] = {}
    for r in after:
        if r.id not in mine and by_content.get(_content(r)):
            renamed[r.id] = by_content[_content(r)].pop(0)
    old_names = set(renamed.values())
    added = [r.id for r in after if r.id not in mine and r.id not in renamed]
    removed = [r.id for r in before if r.id not in theirs and r.id not in old_names]
    both = [r.id for r in after if r.id in mine]
    kept = [r.id for r in before if r.id in theirs]
    edited = [i for i in both if _content(mine[i]) != _content(theirs[i])]
    texts = [i for i in both if _texts(mine[i]) != _texts(theirs[i])]
    dated = [i for i in both if mine[i].effective != theirs[i].effective]
    for ids, en, zh in (
        ([f"{a} → {b}" for b, a in renamed.items()], "rows renamed", "更名的规则"),
        (added, "rows added", "新增的规则"),
        (removed, "rows removed", "删除的规则"),
        (edited, "rows rewritten", "改写的规则"),
        (dated, "rows with other dates", "生效期改动的规则"),
        (texts, "rows with other sentences, clauses or readings", "文字、条款或解读改动的规则"),
    ):
        if ids:
            yield Text(f"`{table}`: {en}: {', '.join(ids)}", f"`{table}`：{zh}：{'、'.join(ids)}")
    if both != kept:
        yield Text(f"`{table}`: rows in another order", f"`{table}`：规则次序改动")


def _content(r: Row) -> object:
    return tuple((c.key, " ".join(c.text.split())) for c in r.cells), tuple((o.name, " ".join(o.text.split())) for o in r.outputs)


def _texts(r: Row) -> object:
    return r.says, r.reading, r.note, r.clauses, r.set_by_company


# ---------------------------------------------------------------- figures and values


def _parameters(old: Book, new: Book) -> Iterator[Note]:
    for p in old.parameters:
        if p.name not in new.parameter_by_name:
            yield Note(slug="parameter-removed", subject=p.name, text=Text(f"the figure `{p.name}` was removed", f"参数 `{p.name}` 已删除"))
    for p in new.parameters:
        before = old.parameter_by_name.get(p.name)
        if before is None:
            yield Note(slug="parameter-added", subject=p.name, text=Text(f"the figure `{p.name}` was added", f"新增参数 `{p.name}`"))
            continue
        a, b = (_figures(x, book.currency) for x, book in ((before, old), (p, new)))
        if a != b:
            yield Note(
                slug="parameter-value",
                subject=p.name,
                text=Text(f"`{p.name}`: {a.en} → {b.en}", f"`{p.name}`：{a.zh} → {b.zh}"),
                figure=True,
            )
        if _about(before) != _about(p):
            yield Note(slug="text", subject=p.name, text=Text(f"title, clause or reading of `{p.name}`", f"`{p.name}` 的标题、条款或解读"))


def _figures(p: Parameter, currency: str) -> Text:
    def say(language: str) -> str:
        parts = []
        for v in p.values:
            dates = _dates(v.effective).get(language) if v.effective != Effective() else ""
            shown = value_text(v.value, p.kind, currency)
            parts.append(f"{shown} {dates}" if dates else shown)
        return ", ".join(parts)

    return Text(say("en"), say("zh"))


def _about(p: Parameter) -> object:
    return p.title, p.unit, p.clauses, p.set_by_company, str(p.same_as or ""), p.reading, p.note


def _values(old: Book, new: Book) -> Iterator[Note]:
    for v in old.values:
        if v.name not in new.value_by_name:
            yield Note(slug="value-removed", subject=v.name, text=Text(f"the value `{v.name}` was removed", f"推算值 `{v.name}` 已删除"))
    for v in new.values:
        before = old.value_by_name.get(v.name)
        if before is None:
            yield Note(slug="value-added", subject=v.name, text=Text(f"the value `{v.name}` was added", f"新增推算值 `{v.name}`"))
        elif " ".join(before.text.split()) != " ".join(v.text.split()):
            yield Note(
                slug="value-rewritten", subject=v.name, text=Text(f"the value `{v.name}` was rewritten", f"推算值 `{v.name}` 已改写")
            )
        elif (before.title, before.unit) != (v.title, v.unit):
            yield Note(slug="text", subject=v.name, text=Text(f"title or unit of `{v.name}`", f"`{v.name}` 的标题或单位"))

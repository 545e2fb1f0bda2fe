"""Books and clauses -> what the document says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from policybook.check.coverage import ClauseState, CoveredClause, cover
from policybook.model import formula as m
from policybook.model.book import Book, Decision, DerivedValue, Effective, Parameter, Row
from policybook.model.clauses import ClauseIndex
from policybook.model.formula import Formula, Role
from policybook.model.kinds import NO_TEXT, Base, Field, Kind, Text
from policybook.model.wording import unit_after, worded_on
from policybook.publish.labels import RANKED, policy_text
from policybook.publish.phrases import Wording, named
from policybook.publish.view import (
    NOTHING,
    BookView,
    CellView,
    Citation,
    ClauseView,
    ColumnView,
    DatedFigure,
    DecisionView,
    DocumentView,
    FieldView,
    FigureView,
    Link,
    PromiseView,
    Publication,
    RowView,
    Sleeper,
    ValueView,
)

_VERSION_SHOWN = 8

_KINDS: Mapping[Base, Text] = {
    Base.NUMBER: Text("a number", "数值"),
    Base.INTEGER: Text("a whole number", "整数"),
    Base.PERCENT: Text("a percentage", "百分比"),
    Base.FRACTION: Text("a fraction", "分数"),
    Base.MONEY: Text("an amount of money", "金额"),
    Base.BOOLEAN: Text("yes or no", "是或否"),
    Base.ENUM: Text("one of", "其中之一"),
    Base.TEXT: Text("text", "文本"),
    Base.DATE: Text("a date", "日期"),
    Base.DATETIME: Text("a date and time", "日期时间"),
    Base.TIME: Text("a time of day", "时刻"),
    Base.DURATION: Text("a length of time", "时长"),
    Base.PERIOD: Text("months or years", "月数或年数"),
    Base.RECORD: Text("an entry of", "记录"),
    Base.NULL: Text("nothing", "无"),
}
_LISTS: Mapping[Base, Text] = {
    Base.ENUM: Text("any of", "其中若干"),
    Base.RECORD: Text("a list; each entry holds", "列表，每项含"),
}


def gather(books: Iterable[Book], clauses: ClauseIndex | None, days: Mapping[str, date], *, whole: bool = True) -> Publication:
    """Say everything about books that the document shows.

    Args:
        clauses: what the books cite; None: they are shown by number alone
        days: book name -> the day whose rows and figures are shown
        whole: the books are all there are: list the clauses of all documents that need no row, and those still open;
            otherwise only those of the documents that these books implement
    """
    in_order = tuple(books)
    index = clauses or ClauseIndex(())
    covered = cover(index, in_order)
    documents = {d for b in in_order for d in b.documents}
    told = [c for c in covered if whole or c.clause.document in documents]
    targets = {f"{b.name}.{r.id}": f"row.{b.name}.{r.id}" for b in in_order for d in b.decisions for r in d.all_rows}
    shown = tuple(_Gatherer.of(b, days[b.name], index).book_view() for b in in_order)
    # A row that is not in force on the day has no place to lead to.
    there = {r.anchor for b in shown for d in b.decisions for r in d.rows}

    def state(wanted: ClauseState, among: Sequence[CoveredClause]) -> tuple[DocumentView, ...]:
        by_document: dict[int, list[ClauseView]] = {}
        for c in among:
            if c.state is wanted:
                by_document.setdefault(c.clause.document, []).append(_clause(c, targets, there))
        return tuple(DocumentView(number, tuple(part)) for number, part in by_document.items())

    return Publication(
        days=tuple(sorted({b.day for b in shown})),
        books=shown,
        has_clauses=clauses is not None,
        cited=state(ClauseState.IMPLEMENTED, covered),
        exempt=state(ClauseState.NOT_EXECUTABLE, told),
        open=state(ClauseState.OPEN, told) if whole else (),
    )


def _clause(covered: CoveredClause, targets: Mapping[str, str], there: set[str]) -> ClauseView:
    links = []
    for place in covered.places:
        target = targets.get(place, f"figure.{place}")
        links.append(Link(NO_TEXT, target if target in there or target.startswith("figure.") else "", place))
    return ClauseView(covered.clause, f"clause.{covered.clause.id}", tuple(links))


def dates_text(effective: Effective) -> Text:
    """Write dates in force; empty when there is no limit."""
    start, end = effective.start, effective.end
    if start and end:
        return Text(f"from {start} to {end}", f"{start} 至 {end}")
    if start:
        return Text(f"from {start}", f"{start} 起")
    return Text(f"until {end}", f"至 {end}") if end else NO_TEXT


@dataclass(frozen=True)
class _Gatherer:
    """Gathers one book."""

    book: Book
    day: date
    index: ClauseIndex
    words: Wording
    figures: Mapping[str, FigureView]

    @classmethod
    def of(cls, book: Book, day: date, index: ClauseIndex) -> _Gatherer:
        words = Wording(book, day)
        citing = _Citing(index)
        return cls(book, day, index, words, {p.name: _figure(p, words, citing) for p in book.parameters})

    def book_view(self) -> BookView:
        book = self.book
        in_file = sorted(book.decisions, key=lambda d: (d.span.line, d.span.column))
        return BookView(
            anchor=f"book.{book.name}",
            name=book.name,
            title=book.title or named(book.name),
            documents=book.documents,
            version=book.version[:_VERSION_SHOWN],
            day=self.day.isoformat(),
            currency=book.currency,
            time_zone=book.time_zone,
            dates=dates_text(book.effective),
            in_force=book.effective.covers(self.day),
            figures=tuple(self.figures.values()),
            inputs=tuple(self.field(f, f"fact.{book.name}.{f.name}") for f in book.inputs),
            values=tuple(self.value(v, f"value.{book.name}.{v.name}") for v in sorted(book.values, key=lambda v: v.span.line)),
            decisions=tuple(self.decision(d) for d in in_file),
        )

    # -- names

    def field(self, f: Field, anchor: str) -> FieldView:
        kind, is_list = (f.kind.element, True) if f.kind.base is Base.LIST and f.kind.element else (f.kind, False)
        what = _KINDS[kind.base] if not is_list else _LISTS.get(kind.base) or _list_of(_KINDS[kind.base])
        return FieldView(
            anchor=anchor,
            name=f.name,
            title=f.title or named(f.name),
            kind=what,
            unit=f.unit,
            choices=tuple(Link(v.title or named(v.value), "", v.value) for v in kind.values),
            limits=tuple(self.limits(f)),
            fields=tuple(self.field(inner, "") for inner in kind.fields),
        )

    def limits(self, f: Field) -> Iterable[Text]:
        if f.minimum is not None:
            least = self.words.value(f.minimum, f.kind)
            yield Text(f"at least {least.en}", f"不小于 {least.zh}")
        if f.maximum is not None:
            most = self.words.value(f.maximum, f.kind)
            yield Text(f"at most {most.en}", f"不大于 {most.zh}")
        if f.has_default:
            default = self.words.value(f.default, f.kind)
            yield Text(f"{default.en} when absent", f"未给出时为{default.zh}")
        elif f.optional:
            yield Text("may be absent", "可不给出")

    def value(self, v: DerivedValue, anchor: str, decision: Decision | None = None) -> ValueView:
        meaning = self.words.phrase(v.formula, decision)
        return ValueView(
            anchor=anchor, name=v.name, title=v.title or named(v.name), unit=v.unit, meaning=meaning, formal=" ".join(v.text.split())
        )

    # -- decisions

    def decision(self, decision: Decision) -> DecisionView:
        book, uses = self.book, decision.uses_directly
        in_force = [r for r in decision.all_rows if r.effective.covers(self.day)]
        subjects = {c.key: c.subject for r in in_force for c in r.cells if not isinstance(c.test, m.Anything)}
        users = [d for d in book.decisions if decision.name in d.uses_directly.decisions]
        return DecisionView(
            anchor=f"decision.{book.name}.{decision.name}",
            name=decision.name,
            title=decision.title or named(decision.name),
            question=decision.question,
            policy=policy_text(decision),
            ranking=_ranking(decision),
            over=self.words.phrase(decision.for_each.source, decision) if decision.for_each else NOTHING,
            uses=tuple(self.decision_link(book.decision_by_name[n]) for n in uses.decisions),
            used_by=tuple(self.decision_link(d) for d in users),
            facts=tuple(Link(book.input_by_name[n].title or named(n), f"fact.{book.name}.{n}", n) for n in uses.inputs),
            figures=tuple(self.figures[n] for n in uses.parameters),
            values=tuple(self.value(v, f"value.{book.name}.{decision.name}.{v.name}", decision) for v in decision.values),
            tests=tuple(self.column(key, subject, decision) for key, subject in subjects.items()),
            outputs=tuple(ColumnView(name=o.name, title=o.title or named(o.name), target="", unit=o.unit) for o in decision.outputs),
            rows=tuple(self.row(n, r, decision, subjects) for n, r in enumerate(in_force, 1)),
            sleepers=tuple(Sleeper(r.id, dates_text(r.effective)) for r in decision.all_rows if not r.effective.covers(self.day)),
            promises=tuple(
                PromiseView(id=i.id, says=i.says or named(i.id), citations=_Citing(self.index).citations(i.clauses))
                for i in decision.invariants
            ),
            recorded=decision.must_log,
        )

    def decision_link(self, decision: Decision) -> Link:
        return Link(decision.title or named(decision.name), f"decision.{self.book.name}.{decision.name}", decision.name)

    def column(self, key: str, subject: Formula, decision: Decision) -> ColumnView:
        if isinstance(subject, m.Ref):
            link = self.words.link(subject, decision)
            return ColumnView(name=key, title=link.title, target=link.target, unit=self.unit(subject))
        words = self.words.phrase(subject, decision)
        return ColumnView(name=key, title=Text("".join(p.text for p in words.en), "".join(p.text for p in words.zh)), target="")

    def unit(self, ref: m.Ref) -> Text:
        if ref.role is Role.INPUT:
            return self.book.input_by_name[ref.name].unit
        return self.book.value_by_name[ref.name].unit if ref.role is Role.VALUE and ref.name in self.book.value_by_name else NO_TEXT

    def row(self, number: int, row: Row, decision: Decision, subjects: Mapping[str, Formula]) -> RowView:
        said = worded_on(row, self.book, self.day)
        cells = {c.key: c for c in row.cells}
        entries = {o.name: o for o in row.outputs}
        return RowView(
            anchor=f"row.{self.book.name}.{row.id}",
            number=number,
            name=row.id,
            is_default=row.is_default,
            tests=tuple(
                CellView(words=self.words.test(cells[key].test, decision, subject.kind), formal=cells[key].text)
                if key in cells
                else _EMPTY_CELL
                for key, subject in subjects.items()
            ),
            outputs=tuple(
                self.output(entries[o.name].formula, entries[o.name].text, o.kind, decision) if o.name in entries else _EMPTY_CELL
                for o in decision.outputs
            ),
            says=said.says,
            citations=_Citing(self.index).citations(row.clauses),
            by_company=row.set_by_company,
            reading=row.reading,
            note=row.note,
            dates=dates_text(row.effective),
        )

    def output(self, formula: Formula, text: str, kind: Kind, decision: Decision) -> CellView:
        if isinstance(formula, m.Const) and formula.value in (None, ()):
            return _EMPTY_CELL
        return CellView(words=self.words.phrase(formula, decision, kind), formal=text)


_EMPTY_CELL = CellView(words=NOTHING, formal="")


def _list_of(what: Text) -> Text:
    return Text(f"a list; each is {what.en}", f"列表，每项为{what.zh}")


def _ranking(decision: Decision) -> tuple[Text, ...]:
    if decision.hit_policy not in RANKED:
        return ()
    ranked = next((o.kind for o in decision.outputs if o.kind.base is Base.ENUM), None)
    return tuple(v.title or named(v.value) for v in ranked.values) if ranked else ()


def _figure(p: Parameter, words: Wording, citing: _Citing) -> FigureView:
    current = p.on(words.day)
    has_dates = len(p.values) > 1 or any(v.effective != Effective() for v in p.values)
    dated = tuple(DatedFigure(words.value(v.value, p.kind), dates_text(v.effective), v is current) for v in p.values) if has_dates else ()
    value = words.figure_of_the_day(p)
    return FigureView(
        anchor=f"figure.{words.book.name}.{p.name}",
        name=p.name,
        title=p.title or named(p.name),
        value=value,
        unit=Text(unit_after(value.en, p.unit.get("en")), unit_after(value.zh, p.unit.get("zh"))),
        dated=dated,
        citations=citing.citations(p.clauses),
        by_company=p.set_by_company,
        same_as=Text(str(p.same_as)) if p.same_as else NO_TEXT,
        reading=p.reading,
        note=p.note,
    )


@dataclass(frozen=True)
class _Citing:
    index: ClauseIndex

    def citations(self, ids: Iterable[str]) -> tuple[Citation, ...]:
        return tuple(self.citation(i) for i in ids)

    def citation(self, clause_id: str) -> Citation:
        clause = self.index.by_id.get(clause_id)
        return Citation(clause_id, f"clause.{clause_id}", clause.text) if clause else Citation(clause_id, "", NO_TEXT)

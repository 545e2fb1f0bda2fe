"""Books and decision tables drawn for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from rich import box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from policybook.cli.render import grid, hit_policy, indented
from policybook.cli.view import hit_policy_text
from policybook.cli.words import Lang, caption, colon, comma, joined, lines
from policybook.model.book import Book, Decision, DerivedValue, Effective, Parameter, Row
from policybook.model.kinds import Base, Field, Kind
from policybook.model.kinds import Text as Words
from policybook.trials.text import value_text
from policybook.values import Value

# Below this a sentence beside a table is a column of single words.
_LEAST_SENTENCE = 28


class Drawing:
    """Draws parts of one book in one language.

    Args:
        day: only what is in force then; None: everything, with its dates
        layout: `table`, `list`, or `auto`: a table where it fits
    """

    def __init__(self, book: Book, lang: Lang, day: date | None, layout: str, console: Console) -> None:
        self.book = book
        self.lang = lang
        self.day = day
        self.layout = layout
        self.console = console

    def whole_book(self) -> RenderableType:
        """Draw the head of the book, its names, and every table in the order of the file."""
        book = self.book
        parts: list[RenderableType] = [self.head(book.name, book.title)]
        facts = [f"{book.name}@{book.version[:8]}"]
        if book.documents:
            facts.append(f"{self.word('document')} {comma(self.lang).join(map(str, book.documents))}")
        facts += [x for x in (book.currency, book.time_zone) if x]
        if book.effective != Effective():
            facts.append(f"{self.word('in_force')} {self.dates(book.effective)}")
        parts.append(Text(" · ".join(facts), "dim"))
        parts += self.names(book.parameters, book.inputs, book.values)
        for decision in sorted(book.decisions, key=lambda d: (d.span.line, d.span.column)):
            parts += [Text(), Rule(style="dim"), *self.decision(decision)]
        return Group(*parts)

    def one_decision(self, decision: Decision) -> RenderableType:
        """Draw a decision and the names that its own table uses."""
        uses = decision.uses_directly
        book = self.book
        return Group(
            *self.decision(decision),
            *self.names(
                [book.parameter_by_name[n] for n in uses.parameters],
                [book.input_by_name[n] for n in uses.inputs],
                [*(book.value_by_name[n] for n in uses.values), *decision.values],
            ),
            *self.outputs(decision),
        )

    # -- names ---------------------------------------------------------------------------------------------------

    def names(self, parameters: Sequence[Parameter], inputs: Sequence[Field], values: Sequence[DerivedValue]) -> Iterator[RenderableType]:
        if inputs:
            yield from self.section("inputs", self.fields(inputs))
        if values:
            table = grid(True, False, False)
            for v in values:
                table.add_row(Text(v.name, "name"), Text(" ".join(v.text.split())), Text(joined(v.title, self.lang), "dim"))
            yield from self.section("values", table)
        if parameters:
            yield from self.section("parameters", self.figures(parameters))

    def outputs(self, decision: Decision) -> Iterator[RenderableType]:
        yield from self.section("outputs", self.fields(decision.outputs))

    def section(self, name: str, content: RenderableType) -> Iterator[RenderableType]:
        yield Text()
        yield Text(self.word(name), "bold")
        yield indented(content, 2)

    def fields(self, fields: Iterable[Field]) -> Table:
        table = grid(True, False, False)
        for f in fields:
            table.add_row(Text(f.name, "name"), Text(self.field(f)), Text(joined(f.title, self.lang), "dim"))
        return table

    def field(self, f: Field) -> str:
        parts = [self.kind(f.kind)]
        if f.minimum is not None:
            parts.append(f">= {self.value(f.minimum, f.kind)}")
        if f.maximum is not None:
            parts.append(f"<= {self.value(f.maximum, f.kind)}")
        if f.unit:
            parts.append(f.unit)
        if f.has_default:
            parts.append(f"{self.word('default_is')} {self.value(f.default, f.kind)}")
        elif f.optional:
            parts.append(self.word("optional"))
        return ", ".join(parts)

    def kind(self, kind: Kind) -> str:
        if kind.base is Base.ENUM:
            return " | ".join(kind.value_names)
        if kind.base is Base.LIST and kind.element is not None:
            return f"[{self.kind(kind.element)}, ..]"
        if kind.base is Base.RECORD:
            return f"{{{', '.join(f'{f.name}: {self.kind(f.kind)}' for f in kind.fields)}}}"
        return kind.base.value

    def figures(self, parameters: Iterable[Parameter]) -> Table:
        table = grid(True, False, False, False)
        for p in parameters:
            values = [v for v in p.values if self.day is None or v.effective.covers(self.day)]
            text = Text()
            for v in values:
                text.append("\n" if text else "").append(self.value(v.value, p.kind), "value")
                if p.unit and p.unit != self.book.currency:
                    text.append(f" {p.unit}", "dim")
                if v.effective != Effective():
                    text.append(f" ({self.dates(v.effective)})", "dim")
            source = [f"{self.word('clause')} {comma(self.lang).join(p.clauses)}"] if p.clauses else []
            source += [self.word("set_by_company")] if p.set_by_company else []
            table.add_row(Text(p.name, "name"), text or Text(self.word("not_in_force"), "weak"), Text(joined(p.title, self.lang), "dim"), Text(comma(self.lang).join(source), "clause"))
        return table

    # -- tables --------------------------------------------------------------------------------------------------

    def decision(self, decision: Decision) -> list[RenderableType]:
        parts: list[RenderableType] = [self.head(f"{self.book.name}.{decision.name}", decision.title)]
        parts += [Text(line) for line in lines(decision.question, self.lang)]
        parts += [Text(line, "dim") for line in hit_policy(hit_policy_text(decision), self.lang)]
        if decision.for_each is not None:
            parts.append(Text(f"{self.word('for_each')} {decision.for_each.item}: {decision.for_each.text}", "dim"))
        if decision.uses_directly.decisions:
            parts.append(Text(f"{self.word('requires')} {comma(self.lang).join(decision.uses_directly.decisions)}", "dim"))
        rows = [r for r in decision.all_rows if self.day is None or r.effective.covers(self.day)]
        return [*parts, Text(), self.rows(decision, rows)]

    def rows(self, decision: Decision, rows: Sequence[Row]) -> RenderableType:
        if self.layout != "list":
            width = self.console.width
            table = self.table(decision, rows, with_words=False)
            needed = Measurement.get(self.console, self.console.options.update(max_width=10_000), table).maximum
            if needed + _LEAST_SENTENCE + 3 <= width and any(r.says for r in rows):
                return self.table(decision, rows, with_words=True)
            if needed <= width or self.layout == "table":
                return table
        return self.list(rows)

    def table(self, decision: Decision, rows: Sequence[Row], *, with_words: bool) -> Table:
        keys = list(dict.fromkeys(c.key for r in rows for c in r.cells))
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_lines=False)
        table.add_column(self.word("row"), overflow="fold", no_wrap=not with_words)
        for key in keys:
            table.add_column(Text(key, "help"), overflow="fold")
        for output in decision.outputs:
            table.add_column(Text(f"= {output.name}", "yes"), overflow="fold")
        table.add_column(self.word("clause"), overflow="fold")
        if with_words:
            table.add_column("", overflow="fold", min_width=_LEAST_SENTENCE)
        for row in rows:
            cells = {c.key: c.text for c in row.cells}
            tests = [Text(cells.get(k, "-"), "" if k in cells else "dim") for k in keys]
            given = {o.name: o.text for o in row.outputs}
            outputs = [Text(given.get(o.name, "") or "-", "value" if given.get(o.name) else "dim") for o in decision.outputs]
            name = Text(row.id, "dim" if row.is_default else "name")
            if row.is_default:
                name.append(f"\n({self.word('else')})", "dim")
            if row.effective != Effective():
                name.append(f"\n{self.dates(row.effective)}", "weak")
            source = Text("\n".join(row.clauses), "clause")
            if row.set_by_company:
                source.append(f"{chr(10) if row.clauses else ''}{self.word('set_by_company')}", "dim")
            words = [Text("\n".join(lines(row.says, self.lang)), "dim")] if with_words else []
            table.add_row(name, *tests, *outputs, source, *words)
        return table

    def list(self, rows: Sequence[Row]) -> RenderableType:
        parts: list[RenderableType] = []
        for number, row in enumerate(rows, 1):
            parts += [self.row(number, row), Text()]
        return Group(*parts[:-1])

    def row(self, number: int, row: Row) -> RenderableType:
        head = Text(row.id, "name")
        if row.clauses:
            head.append(f"  {self.word('clause')} {comma(self.lang).join(row.clauses)}", "clause")
        if row.set_by_company:
            head.append(f"  {self.word('set_by_company')}", "dim")
        if row.effective != Effective():
            head.append(f"  {self.dates(row.effective)}", "weak")
        body = grid(True, False)
        tests = Text("\n").join(Text.assemble((c.key, "help"), "  ", c.text) for c in row.cells)
        body.add_row(Text(self.word("else" if row.is_default else "when"), "dim"), Text(self.word("always")) if not row.cells and not row.is_default else tests)
        outputs = Text("\n").join(Text.assemble((o.name, "yes"), " = ", (o.text, "value")) for o in row.outputs if o.text)
        body.add_row(Text(self.word("then"), "dim"), outputs)
        parts: list[RenderableType] = [head, *(Text(line) for line in lines(row.says, self.lang)), body]
        parts += [Text(f"{self.word('reading')}{colon(self.lang)}{line}", "dim") for line in lines(row.reading, self.lang)]
        parts += [Text(f"{self.word('note')}{colon(self.lang)}{line}", "dim") for line in lines(row.note, self.lang)]
        numbered = grid(True, False)
        numbered.add_row(Text(f"{number:>2}", "dim"), Group(*parts))
        return numbered

    # -- words ---------------------------------------------------------------------------------------------------

    def head(self, name: str, title: Words) -> RenderableType:
        head = grid(True, False)
        head.add_row(Text(name, "name"), Text("\n".join(lines(title, self.lang)), "title"))
        return head

    def word(self, name: str) -> str:
        return caption(name, self.lang)

    def value(self, value: Value, kind: Kind) -> str:
        return value_text(value, kind, currency=self.book.currency, zone=self.book.zone, grouped=True)

    def dates(self, effective: Effective) -> str:
        return f"{effective.start or '..'} – {effective.end or '..'}"

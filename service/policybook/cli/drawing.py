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

from policybook.cli.render import grid, hit_policy, indented, with_unit
from policybook.cli.view import hit_policy_text
from policybook.cli.words import Lang, broken, caption, joined, labelled, lines
from policybook.model.book import Book, Decision, DerivedValue, Effective, Parameter, Row
from policybook.model.kinds import Base, Field, Kind
from policybook.model.kinds import Text as Words
from policybook.model.wording import worded_on
from policybook.trials.text import value_text
from policybook.values import Value

_ROW_WIDTH = 18
_WORD_WIDTH = 14
_HEADING_WIDTH = 10


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
            facts.append(f"{self.word('document')} {', '.join(map(str, book.documents))}")
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
            *self.further_inputs(decision),
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

    def further_inputs(self, decision: Decision) -> Iterator[RenderableType]:
        """Name the facts that only required decisions use: a request needs them too."""
        names = [n for n in decision.uses.inputs if n not in decision.uses_directly.inputs]
        if names:
            yield from self.section("further_inputs", Text(", ".join(names)))

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
            parts.append(" / ".join(lines(f.unit, self.lang)))
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
        return str(kind.base.value)

    def figures(self, parameters: Iterable[Parameter]) -> Table:
        table = grid(True, False, False, False)
        for p in parameters:
            values = [v for v in p.values if self.day is None or v.effective.covers(self.day)]
            text = Text()
            for v in values:
                text.append("\n" if text else "").append_text(with_unit(self.value(v.value, p.kind), p.unit, self.lang, "value"))
                if v.effective != Effective():
                    text.append(f" ({self.dates(v.effective)})", "dim")
            source = [f"{self.word('clause')} {', '.join(p.clauses)}"] if p.clauses else []
            source += [self.word("set_by_company")] if p.set_by_company else []
            source += [f"= {p.same_as}"] if p.same_as else []
            table.add_row(
                Text(p.name, "name"),
                text or Text(self.word("not_in_force"), "weak"),
                Text(joined(p.title, self.lang), "dim"),
                Text(", ".join(source), "clause"),
            )
        return table

    # -- tables --------------------------------------------------------------------------------------------------

    def decision(self, decision: Decision) -> list[RenderableType]:
        parts: list[RenderableType] = [self.head(f"{self.book.name}.{decision.name}", decision.title)]
        parts += [Text(line) for line in lines(decision.question, self.lang)]
        parts += [Text(line, "dim") for line in hit_policy(hit_policy_text(decision), self.lang)]
        if decision.for_each is not None:
            parts.append(Text(f"{self.word('for_each')} {decision.for_each.item}: {decision.for_each.text}", "dim"))
        if decision.uses_directly.decisions:
            parts.append(Text(f"{self.word('requires')} {', '.join(decision.uses_directly.decisions)}", "dim"))
        day = self.day
        rows = (
            list(decision.all_rows) if day is None else [worded_on(r, self.book, day) for r in decision.all_rows if r.effective.covers(day)]
        )
        return [*parts, Text(), self.rows(decision, rows)]

    def rows(self, decision: Decision, rows: Sequence[Row]) -> RenderableType:
        if self.layout == "list":
            return self.list(rows)
        table = self.table(decision, rows)
        needed = Measurement.get(self.console, self.console.options.update(max_width=10_000), table).minimum
        if needed > self.console.width and self.layout != "table":
            return self.list(rows)
        words = self.words_of(rows)
        return Group(table, Text(), words) if words.row_count else table

    def table(self, decision: Decision, rows: Sequence[Row]) -> Table:
        keys = list(dict.fromkeys(c.key for r in rows for c in r.cells))
        tests = [[next((self.folded(c.text) for c in r.cells if c.key == k), "-") for r in rows] for k in keys]
        outputs = [
            [next((self.folded(o.text) for o in r.outputs if o.name == f.name and o.text), "-") for r in rows] for f in decision.outputs
        ]
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", show_edge=False)
        table.add_column(self.word("row"), no_wrap=True)
        for heading, style, column in (
            *((k, "help", c) for k, c in zip(keys, tests, strict=True)),
            *((f"={f.name}", "yes", c) for f, c in zip(decision.outputs, outputs, strict=True)),
        ):
            # Without a least width rich would fold words before it breaks lines.
            widest = max((len(word) for text in column for word in text.split()), default=1)
            header = broken(heading, max(widest, _HEADING_WIDTH))
            table.add_column(Text(header, style), overflow="fold", min_width=max(widest, *map(len, header.split("\n"))))
        table.add_column(self.word("clause"), no_wrap=True)
        for i, row in enumerate(rows):
            name = Text(broken(row.id, _ROW_WIDTH), "dim" if row.is_default else "name")
            if row.is_default:
                name.append(f"\n({self.word('else')})", "dim")
            if row.effective != Effective():
                name.append(f"\n{self.dates(row.effective)}", "weak")
            source = Text("\n".join(row.clauses), "clause")
            if row.set_by_company:
                source.append(f"{chr(10) if row.clauses else ''}{self.word('company')}", "dim")
            cells = [Text(c[i], "dim" if c[i] == "-" else "") for c in tests]
            given = [Text(c[i], "dim" if c[i] == "-" else "value") for c in outputs]
            table.add_row(name, *cells, *given, source)
        return table

    def words_of(self, rows: Sequence[Row]) -> Table:
        """Draw what the rows say below a table, where there is room for it."""
        table = grid(True, False)
        for row in rows:
            words = self.sentences(row)
            if words:
                table.add_row(Text(row.id, "name"), Group(*words))
        return table

    def sentences(self, row: Row) -> list[Text]:
        words = [Text(line) for line in lines(row.says, self.lang)]
        words += [Text(line, "dim") for line in labelled("reading", row.reading, self.lang)]
        return words + [Text(line, "dim") for line in labelled("note", row.note, self.lang)]

    def folded(self, text: str) -> str:
        """Break long words where the table was asked for though it does not fit."""
        return " ".join(broken(word, _WORD_WIDTH) for word in text.split(" ")) if self.layout == "table" else text

    def list(self, rows: Sequence[Row]) -> RenderableType:
        parts: list[RenderableType] = []
        for number, row in enumerate(rows, 1):
            parts += [self.row(number, row), Text()]
        return Group(*parts[:-1])

    def row(self, number: int, row: Row) -> RenderableType:
        head = Text(row.id, "name")
        if row.clauses:
            head.append(f"  {self.word('clause')} {', '.join(row.clauses)}", "clause")
        if row.set_by_company:
            head.append(f"  {self.word('set_by_company')}", "dim")
        if row.effective != Effective():
            head.append(f"  {self.dates(row.effective)}", "weak")
        body = grid(True, False)
        tests = Text("\n").join(Text.assemble((c.key, "help"), "  ", c.text) for c in row.cells)
        body.add_row(
            Text(self.word("else" if row.is_default else "when"), "dim"),
            Text(self.word("always")) if not row.cells and not row.is_default else tests,
        )
        outputs = Text("\n").join(Text.assemble((o.name, "yes"), " = ", (o.text, "value")) for o in row.outputs if o.text)
        body.add_row(Text(self.word("then"), "dim"), outputs)
        parts: list[RenderableType] = [head, *(Text(line) for line in lines(row.says, self.lang)), body]
        parts += [Text(line, "dim") for line in labelled("reading", row.reading, self.lang)]
        parts += [Text(line, "dim") for line in labelled("note", row.note, self.lang)]
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
        start, end = effective.start, effective.end
        if start and end:
            return f"{start} – {end}"
        return caption("from", self.lang).format(start) if start else caption("until", self.lang).format(end)

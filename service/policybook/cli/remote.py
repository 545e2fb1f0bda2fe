"""Decisions asked of a running service through its Python client."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal as Exact
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from policybook.cli.access import NOBODY, Access
from policybook.cli.exits import FaultError, RefusedError
from policybook.cli.view import DecisionView, ShownCell, ShownFigure, ShownHeadroom, ShownItem, ShownRow, ShownTable, ShownValue, far_text
from policybook.cli.words import Lang
from policybook.model.facts import Raw, RawFacts, Tag
from policybook.model.kinds import NO_TEXT, Text
from policybook.trials.text import grouped_digits
from policybook.values import (
    Period,
    decimal_text,
    duration_text,
    minor_units,
    money_text,
    parse_date,
    parse_datetime,
    parse_duration,
    parse_period,
    parse_ratio,
    parse_time,
    rounded,
)

if TYPE_CHECKING:
    import policybook_client as pc

_HOW = "install it: `pip install policybook-client`, or `pip install ./clients/python` in a checkout"


def client_package() -> Any:
    """Return the client package, which is no dependency of the service.

    Raises:
        FaultError: it is not installed
    """
    try:
        import policybook_client  # noqa: PLC0415 - optional
    except ImportError:
        raise FaultError(f"`--server` needs the Python client, which is not installed; {_HOW}") from None
    return policybook_client


class Service:
    """A running service, asked in the languages to be shown."""

    def __init__(self, target: str, lang: Lang, access: Access = NOBODY) -> None:
        self.pc = client_package()
        self.langs = ("en", "zh") if lang == "both" else (lang,)
        host = target.rpartition(":")[0].strip("[]")
        if not re.search(r":\d{1,5}\Z", target) and not target.startswith(("unix:", "dns:")):
            raise RefusedError(f"--server: `{target}` is no address such as `localhost:50151`")
        try:
            self.client: pc.PolicybookClient = self.pc.PolicybookClient(target, **access.options(target))
        except ValueError as e:
            raise RefusedError(f"--server: {host}: {e}") from None
        self._definitions: dict[tuple[str, str], pc.DecisionDefinition] = {}
        self._zones: dict[str, ZoneInfo] = {}

    def close(self) -> None:
        """Close the connection."""
        self.client.close()

    def definition(self, decision: str, language: str) -> pc.DecisionDefinition:
        """Return what a decision asks and answers."""
        key = (decision, language)
        if key not in self._definitions:
            self._definitions[key] = self.client.get_decision(decision, language=language)
        return self._definitions[key]

    def zone(self, policy: str) -> ZoneInfo:
        """Return the time zone of a policy."""
        if not self._zones:
            self._zones = {p.name: ZoneInfo(p.time_zone) for p in self.client.list_policies()}
        return self._zones.get(policy, ZoneInfo("UTC"))

    def decide(
        self, decision: str, facts: RawFacts, *, as_of: date | datetime | None, version: str, trace: str, request_id: str
    ) -> DecisionView:
        """Ask once in each language and show the answers as one.

        Raises:
            RefusedError: the request was refused
            FaultError: the service was not reached, or failed
        """
        try:
            definitions = {lang: self.definition(decision, lang) for lang in self.langs}
            typed = self.facts(facts, next(iter(definitions.values())))
            answers = {
                lang: self.client.decide(
                    decision,
                    typed,
                    as_of=as_of,
                    policy_version=version,
                    trace=self.pc.TraceLevel[trace.upper()],
                    language=lang,
                    request_id=request_id,
                )
                for lang in self.langs
            }
            return Merger(answers, definitions, self.zone(decision.partition(".")[0]), self.output_names, self.pc.Period).view()
        except self.pc.PolicybookError as e:
            ours = isinstance(e, self.pc.UnavailableError | self.pc.DeadlineExceededError | self.pc.InternalError)
            raise (FaultError if ours else RefusedError)(str(e)) from None
        except (TypeError, ValueError) as e:
            raise RefusedError(str(e)) from None

    def output_names(self, decision: str) -> tuple[str, ...]:
        """Return the outputs of a decision as the book orders them; the wire sorts them by name."""
        return tuple(f.name for f in self.definition(decision, self.langs[0]).outputs)

    def facts(self, facts: RawFacts, definition: pc.DecisionDefinition) -> dict[str, pc.Fact]:
        """Give facts the types that the decision declares; what does not fit goes as it is, for the service to refuse."""
        fields = {f.name: f for f in definition.inputs}
        zone = self.zone(definition.name.partition(".")[0])
        return {name: self.fact(raw, fields.get(name), zone) for name, raw in facts.items()}

    def fact(self, raw: Raw, field: pc.FieldDefinition | None, zone: ZoneInfo) -> Any:
        match raw.tag:
            case Tag.LIST:
                return [self.fact(r, field.element if field else None, zone) for r in raw.value]
            case Tag.RECORD:
                inner = {f.name: f for f in field.fields} if field else {}
                return {name: self.fact(r, inner.get(name), zone) for name, r in raw.value.items()}
            case Tag.LITERAL:
                return self.literal(raw.value, field, zone)
            case _:
                return raw.value

    def literal(self, text: str, field: pc.FieldDefinition | None, zone: ZoneInfo) -> Any:
        kind = field.kind.name if field else ""
        try:
            match kind:
                case "NUMBER" | "INTEGER" | "PERCENT" | "FRACTION":
                    return parse_ratio(text)
                case "MONEY":
                    amount, _, currency = text.partition(" ")
                    return self.pc.Money(amount, currency)
                case "BOOLEAN":
                    return {"true": True, "false": False}.get(text, text)
                case "DATE":
                    return parse_date(text)
                case "DATETIME":
                    return parse_datetime(text, zone)
                case "TIME":
                    return parse_time(text)
                case "DURATION":
                    return parse_duration(text)
                case "PERIOD":
                    return self.pc.Period(parse_period(text).months)
        except ValueError:
            return text
        return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


class Writer:
    """Writes what a service answered, once in each language."""

    def __init__(self, languages: Iterable[str], zone: ZoneInfo) -> None:
        self.languages = tuple(languages)
        self.zone = zone

    def text(self, texts: Sequence[str]) -> Text:
        """Make one text of one in each language."""
        by_lang = dict(zip(self.languages, texts, strict=True))
        return Text(by_lang.get("en", ""), by_lang.get("zh", ""))

    def written(self, value: Any, kind: str = "") -> str:
        """Write a value as one reads it."""
        match value:
            case None:
                return "null"
            case bool():
                return "true" if value else "false"
            case Exact() if kind == "PERCENT":
                return f"{decimal_text(Fraction(value) * 100)}%"
            case Exact() | Fraction():
                return decimal_text(Fraction(value))
            case datetime():
                return value.astimezone(self.zone).isoformat(timespec="minutes")
            case date():
                return value.isoformat()
            case time():
                return value.isoformat(timespec="minutes" if not value.second else "auto")
            case timedelta():
                return duration_text(value)
            case tuple():
                return f"[{', '.join(self.written(v) for v in value)}]"
            case Mapping():
                return f"{{{', '.join(f'{name}: {self.written(v)}' for name, v in value.items() if v is not None)}}}"
        if hasattr(value, "currency"):
            amount, currency = Fraction(value.amount), value.currency
            if isinstance(value.amount, Fraction):
                near = money_text(rounded(amount, minor_units(currency)), currency)
                return f"{decimal_text(amount)} {currency} (about {grouped_digits(near)})"
            return f"{grouped_digits(money_text(amount, currency))} {currency}"
        return str(value)

    def json(self, value: Any) -> object:
        """Return a value for JSON: numbers as text, which keeps them exact."""
        match value:
            case None | bool() | str():
                return value
            case Exact() | Fraction():
                return decimal_text(Fraction(value))
            case tuple():
                return [self.json(v) for v in value]
            case Mapping():
                return {name: self.json(v) for name, v in value.items()}
        if hasattr(value, "currency"):
            amount = Fraction(value.amount)
            text = decimal_text(amount) if isinstance(value.amount, Fraction) else money_text(amount, value.currency)
            return {"amount": text, "currency": value.currency}
        return self.written(value)


class Merger(Writer):
    """Turns one answer in each language into one view."""

    def __init__(
        self,
        answers: Mapping[str, pc.Decision],
        definitions: Mapping[str, pc.DecisionDefinition],
        zone: ZoneInfo,
        output_names: Callable[[str], tuple[str, ...]],
        period: type[pc.Period],
    ) -> None:
        super().__init__(answers, zone)
        self.output_names = output_names
        self.period = period
        self.answers = answers
        self.definitions = definitions
        self.first = next(iter(answers.values()))
        self.outputs = {
            f.name: {lang: f2 for lang, d in definitions.items() for f2 in d.outputs if f2.name == f.name} for f in self.definition.outputs
        }

    @property
    def definition(self) -> pc.DecisionDefinition:
        return next(iter(self.definitions.values()))

    def view(self) -> DecisionView:
        a, d = self.first, self.definition
        tables = list(zip(*(x.trace.tables if x.trace else () for x in self.answers.values()), strict=True))
        multi = d.hit_policy.name in ("COLLECT", "RULE_ORDER", "OUTPUT_ORDER")
        elapsed = a.trace.elapsed if a.trace else timedelta()
        return DecisionView(
            decision=a.decision,
            title=self.text([x.title for x in self.definitions.values()]),
            question=self.text([x.question for x in self.definitions.values()]),
            decided=a.decided,
            gives_items=multi or bool(d.for_each),
            outputs=self.outputs_of(a.outputs),
            items=tuple(ShownItem(row_id=i.row_id, number=i.item_number or 0, outputs=self.outputs_of(i.outputs)) for i in a.items),
            rules=tuple(self.rule(rs) for rs in zip(*(x.matched_rules for x in self.answers.values()), strict=True)),
            tables=tuple(self.table(ts) for ts in tables),
            decision_id=a.id,
            request_id=a.request_id,
            version=a.policy_version,
            as_of=a.as_of.isoformat(),
            decided_at=a.decided_at.isoformat(timespec="milliseconds"),
            elapsed_ns=elapsed // timedelta(microseconds=1) * 1000,
        )

    def outputs_of(self, outputs: Mapping[str, Any]) -> tuple[ShownValue, ...]:
        return tuple(self.output(name, outputs[name]) for name in self.output_names(self.first.decision) if name in outputs)

    def output(self, name: str, value: Any) -> ShownValue:
        fields = self.outputs.get(name, {})
        field = next(iter(fields.values()), None)
        everywhere = tuple(fields.values()) if len(fields) == len(self.answers) else ()
        return ShownValue(
            name=name,
            text=self.written(value, field.kind.name if field else ""),
            json=self.json(value),
            title=self.text([f.title for f in everywhere]) if everywhere else NO_TEXT,
            label=self.label(value, fields),
            unit=self.text([f.unit for f in everywhere]) if everywhere else NO_TEXT,
        )

    def label(self, value: Any, fields: Mapping[str, pc.FieldDefinition]) -> Text:
        if len(fields) != len(self.answers):
            return NO_TEXT
        if isinstance(value, tuple):
            elements = {lang: f.element for lang, f in fields.items() if f.element}
            titles = [self.label(v, elements) for v in value]
            return Text("; ".join(t.en for t in titles), "；".join(t.zh for t in titles)) if titles and all(titles) else NO_TEXT
        return self.text([next((v.title for v in f.enum_values if v.value == value), "") for f in fields.values()])

    def rule(self, rules: Sequence[pc.MatchedRule]) -> ShownRow:
        return ShownRow(
            id=rules[0].row_id,
            clauses=rules[0].clauses,
            says=self.text([r.says for r in rules]),
            reading=self.text([r.reading for r in rules]),
        )

    def table(self, tables: Sequence[pc.TableTrace]) -> ShownTable:
        t = tables[0]
        return ShownTable(
            decision=t.decision,
            title=self.text([x.title for x in tables]),
            hit_policy=t.hit_policy,
            number=t.item_number or 0,
            inputs=tuple(self.named(vs) for vs in zip(*(x.inputs for x in tables), strict=True)),
            figures=tuple(self.figure(ps) for ps in zip(*(x.parameters for x in tables), strict=True)),
            rows=tuple(self.row(rs) for rs in zip(*(x.rows for x in tables), strict=True)),
            outputs=tuple(self.plain(name, t.outputs[name]) for name in self.output_names(t.decision) if name in t.outputs),
            headroom=tuple(self.headroom(hs, t.decision) for hs in zip(*(x.headroom for x in tables), strict=True)),
        )

    def headroom(self, headroom: Sequence[pc.Headroom], decision: str) -> ShownHeadroom:
        h = headroom[0]
        q = h.quantity
        return ShownHeadroom(
            quantity=self.named([x.quantity for x in headroom]),
            moved=h.moved,
            side=h.side.name.lower(),
            threshold=self.plain(q.name, h.threshold),
            included=h.threshold_included,
            distance=self.plain(q.name, h.distance),
            far=far_text(
                Period(h.distance.months) if isinstance(h.distance, self.period) else h.distance,
                self.written(h.distance),
                in_days=isinstance(h.quantity.value, date) and not isinstance(h.quantity.value, datetime),
            ),
            is_moment=isinstance(h.quantity.value, date | time),
            outcome=h.beyond_outcome.name.lower().replace("_", " "),
            rows=h.beyond_row_ids,
            outputs=tuple(self.plain(name, h.beyond_outputs[name]) for name in self.output_names(decision) if name in h.beyond_outputs),
            row=h.row_id,
            name=h.test_name,
            test=h.test,
        )

    def plain(self, name: str, value: Any, title: Text = NO_TEXT, unit: Text = NO_TEXT) -> ShownValue:
        return ShownValue(name=name, text=self.written(value), json=self.json(value), title=title, unit=unit)

    def named(self, values: Sequence[pc.NamedValue]) -> ShownValue:
        v = values[0]
        return self.plain(v.name, v.value, self.text([x.title for x in values]), self.text([x.unit for x in values]))

    def figure(self, figures: Sequence[pc.ParameterTrace]) -> ShownFigure:
        f = figures[0]
        return ShownFigure(
            value=self.plain(f.name, f.value, self.text([x.title for x in figures]), self.text([x.unit for x in figures])),
            since=f.effective_from.isoformat() if f.effective_from else "",
            clauses=f.clauses,
            set_by_company=f.set_by_company,
        )

    def row(self, rows: Sequence[pc.RowTrace]) -> ShownRow:
        r = rows[0]
        return ShownRow(
            id=r.row_id,
            clauses=r.clauses,
            says=self.text([x.says for x in rows]),
            verdict=r.verdict.name.lower().replace("_", " "),
            cells=tuple(
                ShownCell(name=c.name, test=c.test, actual=self.written(c.actual), passed=c.passed, json=self.json(c.actual))
                for c in r.cells
            ),
            position=r.position,
            is_default=r.is_default,
        )

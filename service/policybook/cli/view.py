"""A decision as it is shown: texts only, whoever decided it, in process or over the network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from policybook.model.answer import Answer, CellVerdict, Headroom, Item, NamedValue, Outcome, RowVerdict, TableTrace
from policybook.model.book import Decision, Row
from policybook.model.kinds import DURATION, NO_TEXT, Base, Field, Kind, Text
from policybook.model.wording import figure_text
from policybook.trials.text import value_text
from policybook.values import Period, Value, decimal_text, duration_text, is_terminating, money_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownValue:
    """A named value.

    Args:
        text: the value as one reads it: `30,000.00 CNY`
        label: what an enum value means
        json: the value for `--json`: exact, never a JSON number
    """

    name: str
    text: str
    json: object
    title: Text = NO_TEXT
    label: Text = NO_TEXT
    unit: Text = NO_TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFigure:
    value: ShownValue
    since: str
    clauses: tuple[str, ...]
    set_by_company: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCell:
    name: str
    test: str
    actual: str
    passed: bool
    json: object


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """A row; `verdict` is `selected`, `outranked`, `not matched`, `not reached`, or empty outside a trace."""

    id: str
    clauses: tuple[str, ...]
    says: Text
    reading: Text = NO_TEXT
    verdict: str = ""
    cells: tuple[ShownCell, ...] = ()
    position: str = ""
    is_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownItem:
    """What one selected row gave; `number` counts from 1 in a table over a list, else 0."""

    row_id: str
    number: int
    outputs: tuple[ShownValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownHeadroom:
    """How far a quantity may move before its table answers otherwise.

    Args:
        side: `below` or `above`
        far: the distance in words
        is_moment: the quantity is a day, an instant or a time of day
        outcome: `decided`, `no match` or `refused`
        rows, outputs: what comes beyond
        row, name, test: the test that turns
    """

    quantity: ShownValue
    moved: str
    side: str
    threshold: ShownValue
    included: bool
    distance: ShownValue
    far: Text
    is_moment: bool
    outcome: str
    rows: tuple[str, ...]
    outputs: tuple[ShownValue, ...]
    row: str
    name: str
    test: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTable:
    decision: str
    title: Text
    hit_policy: str
    number: int
    inputs: tuple[ShownValue, ...]
    figures: tuple[ShownFigure, ...]
    rows: tuple[ShownRow, ...]
    outputs: tuple[ShownValue, ...]
    headroom: tuple[ShownHeadroom, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionView:
    """One answer."""

    decision: str
    title: Text
    question: Text
    decided: bool
    gives_items: bool
    outputs: tuple[ShownValue, ...]
    items: tuple[ShownItem, ...]
    rules: tuple[ShownRow, ...]
    tables: tuple[ShownTable, ...]
    decision_id: str
    request_id: str
    version: str
    as_of: str
    decided_at: str
    elapsed_ns: int

    def as_json(self) -> dict[str, object]:
        """Return the answer for `--json`; the names are those of the published interface."""
        out: dict[str, object] = {
            "decision": self.decision,
            "outcome": "decided" if self.decided else "no_match",
            "outputs": {v.name: v.json for v in self.outputs},
            "items": [{"row_id": i.row_id, "item_number": i.number, "outputs": {v.name: v.json for v in i.outputs}} for i in self.items],
            "matched_rules": [_rule_json(r) for r in self.rules],
            "as_of_date": self.as_of,
            "policy_version": self.version,
            "decision_id": self.decision_id,
            "request_id": self.request_id,
            "decide_time": self.decided_at,
        }
        if self.tables:
            out["trace"] = {"tables": [_table_json(t) for t in self.tables], "elapsed_ns": self.elapsed_ns}
        return out


def hit_policy_text(decision: Decision) -> str:
    """Write a hit policy as a book does: `first`, `collect sum`."""
    how = decision.aggregation
    return f"{decision.hit_policy.value} {how.value}" if how else decision.hit_policy.value


def view_of(answer: Answer, zone: ZoneInfo) -> DecisionView:
    """Show an answer that was decided in process."""
    shower = _Shower(answer.currency, zone)
    decision = answer.decision
    fields = {o.name: o for o in answer.output_fields}
    return DecisionView(
        decision=f"{answer.policy}.{decision.name}",
        title=decision.title,
        question=decision.question,
        decided=answer.outcome is Outcome.DECIDED,
        gives_items=decision.hit_policy.multi or decision.for_each is not None,
        outputs=tuple(shower.output(fields[name], value) for name, value in answer.outputs.items()),
        items=tuple(shower.item(i, fields) for i in answer.items),
        rules=tuple(_rule(r) for r in answer.selected),
        tables=tuple(shower.table(t, answer.policy) for t in answer.tables),
        decision_id=answer.decision_id,
        request_id=answer.request_id,
        version=answer.version,
        as_of=answer.as_of.isoformat(),
        decided_at=answer.decided_at.isoformat(timespec="milliseconds"),
        elapsed_ns=answer.elapsed_ns,
    )


def _rule(row: Row) -> ShownRow:
    return ShownRow(
        id=row.id,
        clauses=row.clauses,
        says=row.says,
        reading=row.reading,
        position=str(row.span) if row.span.line else "",
        is_default=row.is_default,
    )


class _Shower:
    """Writes values of one book."""

    def __init__(self, currency: str, zone: ZoneInfo) -> None:
        self.currency = currency
        self.zone = zone

    def value(self, name: str, kind: Kind, value: Value, title: Text = NO_TEXT, unit: Text = NO_TEXT) -> ShownValue:
        return ShownValue(
            name=name,
            text=self.text(value, kind),
            json=as_json(value, kind, self.currency, self.zone),
            title=title,
            label=label_of(value, kind),
            unit=unit,
        )

    def text(self, value: Value, kind: Kind) -> str:
        return value_text(value, kind, currency=self.currency, zone=self.zone, grouped=True)

    def output(self, field: Field, value: Value) -> ShownValue:
        return self.value(field.name, field.kind, value, field.title, field.unit)

    def item(self, item: Item, fields: dict[str, Field]) -> ShownItem:
        outputs = tuple(self.output(fields[name], value) for name, value in item.outputs.items())
        return ShownItem(row_id=item.row.id, number=item.item_number, outputs=outputs)

    def named(self, named: NamedValue) -> ShownValue:
        return self.value(named.name, named.kind, named.value, named.title, named.unit)

    def table(self, table: TableTrace, policy: str) -> ShownTable:
        fields = {o.name: o for o in table.decision.outputs}
        return ShownTable(
            decision=f"{policy}.{table.decision.name}",
            title=table.decision.title,
            hit_policy=hit_policy_text(table.decision),
            number=table.item_number,
            inputs=tuple(self.named(i) for i in table.inputs),
            figures=tuple(
                ShownFigure(
                    value=self.value(p.parameter.name, p.parameter.kind, p.value, p.parameter.title, p.parameter.unit),
                    since=p.since.isoformat() if p.since else "",
                    clauses=p.parameter.clauses,
                    set_by_company=p.parameter.set_by_company,
                )
                for p in table.parameters
            ),
            rows=tuple(self.row(r) for r in table.rows),
            outputs=tuple(self.output(fields[name], value) for name, value in table.outputs.items()),
            headroom=tuple(self.headroom(h, fields) for h in table.headroom),
        )

    def headroom(self, headroom: Headroom, fields: dict[str, Field]) -> ShownHeadroom:
        q, beyond = headroom.quantity, headroom.beyond
        return ShownHeadroom(
            quantity=self.named(q),
            moved=headroom.moved,
            side=headroom.side.value,
            threshold=self.value(q.name, q.kind, headroom.threshold),
            included=headroom.included,
            distance=self.value(q.name, headroom.distance_kind, headroom.distance),
            far=far_text(headroom.distance, self.text(headroom.distance, headroom.distance_kind), in_days=q.kind.base is Base.DATE),
            is_moment=q.kind.base in (Base.DATE, Base.DATETIME, Base.TIME),
            outcome="refused" if beyond.refused else beyond.outcome.value,
            rows=tuple(r.id for r in beyond.rows),
            outputs=tuple(self.output(fields[name], value) for name, value in beyond.outputs.items()),
            row=beyond.row.id,
            name=beyond.key,
            test=beyond.test,
        )

    def row(self, verdict: RowVerdict) -> ShownRow:
        row = verdict.row
        return ShownRow(
            id=row.id,
            clauses=row.clauses,
            says=row.says,
            reading=row.reading,
            verdict=verdict.verdict.value,
            cells=tuple(self.cell(c) for c in verdict.cells),
            position=str(row.span),
            is_default=row.is_default,
        )

    def cell(self, cell: CellVerdict) -> ShownCell:
        return ShownCell(
            name=cell.key,
            test=cell.test,
            actual=self.text(cell.actual, cell.kind),
            passed=cell.passed,
            json=as_json(cell.actual, cell.kind, self.currency, self.zone),
        )


def far_text(value: object, text: str, *, in_days: bool) -> Text:
    """Write a distance in words: a length of time as `2 days`, all else as it is."""
    if in_days and isinstance(value, timedelta):
        return Text(f"{value.days} day{'' if value.days == 1 else 's'}", f"{value.days} 天")
    if isinstance(value, timedelta | Period):
        return Text(*(figure_text(value, DURATION, "", language) for language in ("en", "zh")))
    return Text(text, text)


def label_of(value: Value, kind: Kind) -> Text:
    """Return what an enum value, or each of a list of them, means."""
    if kind.base is Base.ENUM and isinstance(value, str):
        return next((v.title for v in kind.values if v.value == value), NO_TEXT)
    if kind.base is Base.LIST and kind.element is not None and kind.element.base is Base.ENUM and isinstance(value, tuple):
        titles = [label_of(v, kind.element) for v in value]
        if titles and all(titles):
            return Text("; ".join(t.get("en") for t in titles), "；".join(t.get("zh") for t in titles))
    return NO_TEXT


def as_json(value: Value, kind: Kind, currency: str, zone: ZoneInfo) -> object:
    """Return a value for JSON: numbers as text, which keeps them exact."""
    match value:
        case None | bool() | str():
            return value
        case Fraction() if kind.base is Base.MONEY:
            return {"amount": money_text(value, currency) if is_terminating(value) else decimal_text(value), "currency": currency}
        case Fraction():
            return decimal_text(value)
        case datetime():
            return value.astimezone(zone).isoformat()
        case date() | time():
            return value.isoformat()
        case timedelta():
            return duration_text(value)
        case tuple():
            return [as_json(v, kind.element or kind, currency, zone) for v in value]
        case dict():
            return {name: as_json(v, _inner(kind, name), currency, zone) for name, v in value.items()}
        case _:
            return str(value)


def _inner(kind: Kind, name: str) -> Kind:
    found = kind.field_named(name)
    return found.kind if found else kind


def _rule_json(row: ShownRow) -> dict[str, object]:
    return {"row_id": row.id, "clauses": list(row.clauses), "says": _text_json(row.says), "reading": _text_json(row.reading)}


def _text_json(text: Text) -> dict[str, str]:
    return {lang: value for lang, value in (("en", text.en), ("zh", text.zh)) if value}


def _table_json(t: ShownTable) -> dict[str, Any]:
    return {
        "decision": t.decision,
        "hit_policy": t.hit_policy,
        "item_number": t.number,
        "inputs": {v.name: v.json for v in t.inputs},
        "parameters": {
            f.value.name: {
                "value": f.value.json,
                "effective_from": f.since or None,
                "clauses": list(f.clauses),
                "set_by_company": f.set_by_company,
            }
            for f in t.figures
        },
        "rows": [
            {
                "row_id": r.id,
                "verdict": r.verdict.replace(" ", "_"),
                "clauses": list(r.clauses),
                "says": _text_json(r.says),
                "is_default": r.is_default,
                "position": r.position,
                "cells": [{"name": c.name, "test": c.test, "actual": c.json, "passed": c.passed} for c in r.cells],
            }
            for r in t.rows
        ],
        "outputs": {v.name: v.json for v in t.outputs},
        "headroom": [
            {
                "quantity": h.quantity.name,
                "actual": h.quantity.json,
                "moved_name": h.moved,
                "side": h.side,
                "threshold": h.threshold.json,
                "threshold_included": h.included,
                "distance": h.distance.json,
                "row_id": h.row,
                "test_name": h.name,
                "test": h.test,
                "beyond_outcome": h.outcome.replace(" ", "_"),
                "beyond_row_ids": list(h.rows),
                "beyond_outputs": {v.name: v.json for v in h.outputs},
            }
            for h in t.headroom
        ],
    }

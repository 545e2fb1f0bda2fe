"""Policies and decisions as a caller must know them, and findings; model to messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import TypeVar

from policybook.diagnostics import Finding, Severity
from policybook.errors import RequestError
from policybook.model.book import Aggregation, Book, Decision, HitPolicy, Parameter, Row
from policybook.model.kinds import Base, Field, Kind
from policybook.model.wording import worded_on
from policybook.server.convert import message_of, position_of, stamp_of
from policybook.store.versions import Edition
from policybook.v1 import policy_service_pb2 as pb

_HIT_POLICIES = {
    HitPolicy.UNIQUE: pb.HIT_POLICY_UNIQUE,
    HitPolicy.ANY: pb.HIT_POLICY_ANY,
    HitPolicy.FIRST: pb.HIT_POLICY_FIRST,
    HitPolicy.PRIORITY: pb.HIT_POLICY_PRIORITY,
    HitPolicy.COLLECT: pb.HIT_POLICY_COLLECT,
    HitPolicy.RULE_ORDER: pb.HIT_POLICY_RULE_ORDER,
    HitPolicy.OUTPUT_ORDER: pb.HIT_POLICY_OUTPUT_ORDER,
}
_AGGREGATIONS = {
    None: pb.AGGREGATION_UNSPECIFIED,
    Aggregation.SUM: pb.AGGREGATION_SUM,
    Aggregation.MIN: pb.AGGREGATION_MIN,
    Aggregation.MAX: pb.AGGREGATION_MAX,
    Aggregation.COUNT: pb.AGGREGATION_COUNT,
}
_KINDS = {
    Base.NUMBER: pb.VALUE_KIND_NUMBER,
    Base.INTEGER: pb.VALUE_KIND_INTEGER,
    Base.PERCENT: pb.VALUE_KIND_PERCENT,
    Base.FRACTION: pb.VALUE_KIND_FRACTION,
    Base.MONEY: pb.VALUE_KIND_MONEY,
    Base.BOOLEAN: pb.VALUE_KIND_BOOLEAN,
    Base.ENUM: pb.VALUE_KIND_ENUM,
    Base.TEXT: pb.VALUE_KIND_TEXT,
    Base.DATE: pb.VALUE_KIND_DATE,
    Base.DATETIME: pb.VALUE_KIND_DATETIME,
    Base.TIME: pb.VALUE_KIND_TIME,
    Base.DURATION: pb.VALUE_KIND_DURATION,
    Base.PERIOD: pb.VALUE_KIND_PERIOD,
    Base.LIST: pb.VALUE_KIND_LIST,
    Base.RECORD: pb.VALUE_KIND_RECORD,
    Base.NULL: pb.VALUE_KIND_UNSPECIFIED,
}
_SEVERITIES = {Severity.ERROR: pb.SEVERITY_ERROR, Severity.WARNING: pb.SEVERITY_WARNING, Severity.NOTE: pb.SEVERITY_NOTE}


def policy(edition: Edition, previous: tuple[str, ...], language: str) -> pb.Policy:
    """Describe a policy in service."""
    book = edition.book
    return pb.Policy(
        name=book.name,
        title=book.title.get(language),
        version=book.version,
        previous_versions=previous,
        currency=book.currency,
        time_zone=book.time_zone,
        decisions=[f"{book.name}.{d.name}" for d in book.decisions],
        load_time=stamp_of(edition.loaded_at),
    )


def definition(book: Book, decision: Decision, day: date, language: str, *, with_rows: bool) -> pb.DecisionDefinition:
    """Describe a decision.

    Args:
        day: the figures and rows in force then
    """
    writer = _Writer(book.currency, language)
    return pb.DecisionDefinition(
        name=f"{book.name}.{decision.name}",
        policy_version=book.version,
        title=decision.title.get(language),
        question=decision.question.get(language),
        hit_policy=_HIT_POLICIES[decision.hit_policy],
        aggregation=_AGGREGATIONS[decision.aggregation],
        inputs=[writer.field(book.input_by_name[name]) for name in decision.uses.inputs],
        outputs=[writer.field(o, is_output=True) for o in decision.outputs],
        parameters=[writer.parameter(book.parameter_by_name[name], day) for name in decision.uses.parameters],
        required_decisions=[f"{book.name}.{name}" for name in decision.uses.decisions],
        for_each=decision.for_each.text if decision.for_each else "",
        must_log=decision.must_log,
        invariants=[pb.InvariantDefinition(invariant_id=i.id, says=i.says.get(language), clauses=i.clauses) for i in decision.invariants],
        rows=[writer.row(worded_on(r, book, day)) for r in decision.all_rows if r.effective.covers(day)] if with_rows else (),
    )


class _Writer:
    def __init__(self, currency: str, language: str) -> None:
        self.currency = currency
        self.language = language

    def field(self, field: Field, *, is_output: bool = False) -> pb.FieldDefinition:
        out = self.kind(field.kind)
        out.name = field.name
        out.title = field.title.get(self.language)
        out.unit = field.unit.get(self.language)
        out.required = field.required and not is_output
        for name, value in (("min", field.minimum), ("max", field.maximum)):
            if value is not None:
                getattr(out, name).CopyFrom(message_of(value, field.kind, self.currency))
        if field.has_default:
            out.default_value.CopyFrom(message_of(field.default, field.kind, self.currency))
        return out

    def kind(self, kind: Kind) -> pb.FieldDefinition:
        out = pb.FieldDefinition(kind=_KINDS[kind.base])
        if kind.base is Base.MONEY:
            out.currency = self.currency
        out.enum_values.extend([pb.EnumValue(value=v.value, title=v.title.get(self.language)) for v in kind.values])
        if kind.element is not None:
            out.element.CopyFrom(self.kind(kind.element))
        out.fields.extend([self.field(f) for f in kind.fields])
        return out

    def parameter(self, parameter: Parameter, day: date) -> pb.ParameterDefinition:
        dated = parameter.on(day)
        out = pb.ParameterDefinition(
            name=parameter.name,
            title=parameter.title.get(self.language),
            unit=parameter.unit.get(self.language),
            clauses=parameter.clauses,
            set_by_company=parameter.set_by_company,
        )
        if dated is not None:
            out.value.CopyFrom(message_of(dated.value, parameter.kind, self.currency))
            out.effective_from = dated.effective.start.isoformat() if dated.effective.start else ""
        return out

    def row(self, row: Row) -> pb.RowDefinition:
        return pb.RowDefinition(
            row_id=row.id,
            tests=[pb.TestDefinition(name=c.key, test=c.text) for c in row.cells],
            outputs={o.name: o.text for o in row.outputs},
            clauses=row.clauses,
            says=row.says.get(self.language),
            reading=row.reading.get(self.language),
            is_default=row.is_default,
            position=position_of(row.span),
        )


def findings(found: Iterable[Finding], most: int) -> Iterator[pb.Finding]:
    """Write findings, at most so many."""
    for _, f in zip(range(most), found, strict=False):
        yield pb.Finding(
            code=f.code.number,
            name=f.code.slug,
            severity=_SEVERITIES[f.severity],
            message=f.message,
            help=f.help,
            file=f.span.file,
            line=f.span.line,
            column=f.span.column,
            end_line=f.span.end_line,
            end_column=f.span.end_column,
            decision=f.decision,
            row_ids=f.rows,
            region=f.region,
            example=f.witness,
            proposed_row=f.proposal,
            accepted_reason=f.accepted,
        )


T = TypeVar("T")


def page(items: Sequence[T], name: Callable[[T], str], size: int, token: str, most: int) -> tuple[Sequence[T], str]:
    """Cut one page out of items that are sorted by name.

    A token is the last name of the page before, so that a policy that comes or goes between two pages shifts nothing.

    Returns:
        the page, and the token of the next one; empty for none
    Raises:
        RequestError: a negative size, or a token that none of our pages gave
    """
    if size < 0:
        raise RequestError("page_size", f"a page cannot have {size} entries")
    if token and not _is_token(token):
        raise RequestError("page_token", "this token is not from a previous page")
    size = min(size or DEFAULT_PAGE, most)
    rest = [i for i in items if name(i) > token[1:]]
    shown = rest[:size]
    return shown, f"~{name(shown[-1])}" if len(rest) > size else ""


DEFAULT_PAGE = 100


def _is_token(token: str) -> bool:
    return token.startswith("~") and len(token) < 200 and all(c.isalnum() or c in "_." for c in token[1:])

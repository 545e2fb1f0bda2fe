"""What is joined from encoded parts is what message objects would have said."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from contract.calls import BOOKS, ROOT
from policybook import Answer, Desk, PolicybookError, Request, TraceLevel
from policybook.model import kinds as k
from policybook.model.answer import Headroom, Outcome, Side, Verdict
from policybook.model.book import Decision
from policybook.model.kinds import Base, Field, Kind
from policybook.server import convert, wire
from policybook.server.answers import MAX_PRINTS, Printer
from policybook.server.limits import Limits
from policybook.store.reload import open_books, read_books
from policybook.trials.read import case_files, raw_facts, read_cases, read_text
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import trace_pb2 as trace_pb
from policybook.v1.values_pb2 import Money, Record, Value, ValueList
from policybook.values import Period, decimal_text, duration_text, money_text

NOW = datetime(2026, 3, 15, 4, 0, 0, 123456, tzinfo=UTC)

# ---------------------------------------------------------------- the same answer, the slow and obvious way


def value_of(value: Any, kind: Kind, currency: str) -> Value:
    if value is None:
        return Value(null=0)  # type: ignore[arg-type]
    match kind.base:
        case Base.NUMBER | Base.INTEGER | Base.PERCENT | Base.FRACTION:
            return Value(decimal=decimal_text(value))
        case Base.MONEY:
            return Value(money=Money(amount=money_text(value, currency), currency=currency))
        case Base.BOOLEAN:
            return Value(flag=value)
        case Base.ENUM | Base.TEXT:
            return Value(text=value)
        case Base.DATE:
            return Value(date=value.isoformat())
        case Base.DATETIME:
            stamp = Timestamp()
            stamp.FromDatetime(value)
            return Value(timestamp=stamp)
        case Base.TIME:
            return Value(time_of_day=value.isoformat())
        case Base.DURATION:
            return Value(duration=duration_text(value))
        case Base.PERIOD:
            return Value(duration=str(value))
        case Base.LIST:
            return Value(list=ValueList(values=[value_of(v, kind.element or k.NULL, currency) for v in value]))
        case Base.RECORD:
            return Value(record=Record(fields={f.name: value_of(value.get(f.name), f.kind, currency) for f in kind.fields}))
        case _:
            raise AssertionError(kind)


def outputs_of(outputs: Mapping[str, Any], decision: Decision, currency: str) -> dict[str, Value]:
    fields = {o.name: o for o in decision.outputs}
    return {n: value_of(v, fields[n].kind, currency) for n, v in outputs.items()}


_VERDICTS = {
    Verdict.SELECTED: trace_pb.ROW_VERDICT_SELECTED,
    Verdict.OUTRANKED: trace_pb.ROW_VERDICT_OUTRANKED,
    Verdict.NOT_MATCHED: trace_pb.ROW_VERDICT_NOT_MATCHED,
    Verdict.NOT_REACHED: trace_pb.ROW_VERDICT_NOT_REACHED,
}


def message_of(answer: Answer, language: str) -> pb.DecideResponse:
    currency = answer.currency
    stamp = Timestamp()
    stamp.FromDatetime(answer.decided_at)
    response = pb.DecideResponse(
        decision_id=answer.decision_id,
        request_id=answer.request_id,
        decision=f"{answer.policy}.{answer.decision.name}",
        policy_version=answer.version,
        as_of_date=answer.as_of.isoformat(),
        decide_time=stamp,
        outcome=pb.OUTCOME_DECIDED if answer.outcome is Outcome.DECIDED else pb.OUTCOME_NO_MATCH,
        outputs=outputs_of(answer.outputs, answer.decision, currency),
        items=[
            pb.OutputItem(row_id=i.row.id, item_number=i.item_number, outputs=outputs_of(i.outputs, answer.decision, currency))
            for i in answer.items
        ],
        matched_rules=[
            pb.MatchedRule(row_id=r.id, clauses=r.clauses, says=r.says.get(language), reading=r.reading.get(language))
            for r in answer.selected
        ],
    )
    if not answer.tables:
        return response
    response.trace.elapsed.FromNanoseconds(answer.elapsed_ns)
    for t in answer.tables:
        how = t.decision.aggregation
        response.trace.tables.append(
            trace_pb.TableTrace(
                decision=f"{answer.policy}.{t.decision.name}",
                title=t.decision.title.get(language),
                hit_policy=t.decision.hit_policy.value + (f" {how.value}" if how else ""),
                item_number=t.item_number,
                inputs=[
                    trace_pb.NamedValue(
                        name=v.name, title=v.title.get(language), unit=v.unit.get(language), value=value_of(v.value, v.kind, currency)
                    )
                    for v in t.inputs
                ],
                parameters=[
                    trace_pb.ParameterTrace(
                        name=p.parameter.name,
                        title=p.parameter.title.get(language),
                        value=value_of(p.value, p.parameter.kind, currency),
                        unit=p.parameter.unit.get(language),
                        effective_from=p.since.isoformat() if p.since else "",
                        clauses=p.parameter.clauses,
                        set_by_company=p.parameter.set_by_company,
                    )
                    for p in t.parameters
                ],
                rows=[
                    trace_pb.RowTrace(
                        row_id=r.row.id,
                        verdict=_VERDICTS[r.verdict],
                        clauses=r.row.clauses,
                        says=r.row.says.get(language),
                        cells=[
                            trace_pb.CellTrace(name=c.key, test=c.test, actual=value_of(c.actual, c.kind, currency), passed=c.passed)
                            for c in r.cells
                        ],
                        position=f"{r.row.span.file.rpartition('/')[2]}:{r.row.span.line}:{r.row.span.column}",
                        is_default=r.row.is_default,
                    )
                    for r in t.rows
                ],
                outputs=outputs_of(t.outputs, t.decision, currency),
                headroom=[headroom_of(h, t.decision, language, currency) for h in t.headroom],
            )
        )
    return response


def headroom_of(h: Headroom, decision: Decision, language: str, currency: str) -> trace_pb.Headroom:
    refused = trace_pb.HEADROOM_OUTCOME_REFUSED
    decided = trace_pb.HEADROOM_OUTCOME_DECIDED if h.beyond.outcome is Outcome.DECIDED else trace_pb.HEADROOM_OUTCOME_NO_MATCH
    q = h.quantity
    return trace_pb.Headroom(
        quantity=trace_pb.NamedValue(
            name=q.name, title=q.title.get(language), unit=q.unit.get(language), value=value_of(q.value, q.kind, currency)
        ),
        moved_name=h.moved,
        side=trace_pb.HEADROOM_SIDE_BELOW if h.side is Side.BELOW else trace_pb.HEADROOM_SIDE_ABOVE,
        threshold=value_of(h.threshold, q.kind, currency),
        threshold_included=h.included,
        distance=value_of(h.distance, h.distance_kind, currency),
        row_id=h.beyond.row.id,
        test_name=h.beyond.key,
        test=h.beyond.test,
        beyond_outcome=refused if h.beyond.refused else decided,
        beyond_row_ids=[r.id for r in h.beyond.rows],
        beyond_outputs=outputs_of(h.beyond.outputs, decision, currency),
    )


def test_answers_to_all_cases_of_all_books() -> None:
    """Every case of rules/tests, at every level of trace, in both languages."""
    books = read_books([ROOT / "rules"]).books
    desk = Desk(open_books([ROOT / "rules"], now=lambda: NOW), now=lambda: NOW, new_id=map("id-{}".format, itertools.count()).__next__)
    by_name = {b.name: b for b in books}
    printer = Printer()
    compared = 0
    for path in case_files([ROOT / "rules" / "tests"]):
        source, _ = read_text(path)
        assert source
        file, report = read_cases(source, by_name)
        assert file, report.render({source.name: source})
        for case, level in itertools.product(file.cases, TraceLevel):
            request = Request(
                decision=f"{case.policy}.{case.decision}", facts=raw_facts(case.given), as_of=case.as_of, trace=level, request_id=case.id
            )
            try:
                answer = desk.decide(request)
            except PolicybookError:
                continue
            for language in ("en", "zh"):
                joined = printer.response(answer, language)
                assert pb.DecideResponse.FromString(joined) == message_of(answer, language), (case.id, level)
                compared += 1
    assert compared > 500


def test_answers_of_the_small_books() -> None:
    desk = Desk(open_books([BOOKS], now=lambda: NOW), now=lambda: NOW, new_id=lambda: "")
    printer = Printer()
    facts = {
        "shop.order": pb.DecideRequest(
            decision="shop.order", facts={"amount": Value(money=Money(amount="1")), "customer": Value(text="new")}
        ),
        "shop.fine": pb.DecideRequest(
            decision="shop.fine", facts={"late_days": Value(list=ValueList(values=[Value(decimal="5"), Value(decimal="1")]))}
        ),
        "kinds.echo": pb.DecideRequest(decision="kinds.echo"),
    }
    for request in facts.values():
        for level in (0, 1, 2, 3):
            request.trace_level = level  # type: ignore[assignment]
            answer = convert.take(desk, request, Limits()).answer
            for language in ("en", "zh", "en"):
                assert pb.DecideResponse.FromString(printer.response(answer, language)) == message_of(answer, language)


def test_the_constant_parts_do_not_pile_up() -> None:
    desk = Desk(open_books([BOOKS], now=lambda: NOW), now=lambda: NOW, new_id=lambda: "")
    printer = Printer()
    answer = desk.decide(Request(decision="kinds.echo"))
    for i in range(MAX_PRINTS + 10):
        printer.response(answer, f"language-{i}")
    assert len(printer._prints) <= MAX_PRINTS


# ---------------------------------------------------------------- single values

RECORD = Kind(Base.RECORD, fields=(Field(name="a", kind=k.MONEY), Field(name="b", kind=k.TEXT, optional=True)))
FRACTIONS = st.fractions(max_denominator=10**9).filter(lambda f: abs(f) < 10**30)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
PAIRS = st.one_of(
    st.tuples(FRACTIONS, st.sampled_from([k.NUMBER, k.INTEGER, k.PERCENT, k.FRACTION, k.MONEY])),
    st.tuples(st.booleans(), st.just(k.BOOLEAN)),
    st.tuples(TEXTS, st.sampled_from([k.TEXT, Kind(Base.ENUM)])),
    st.tuples(st.dates(), st.just(k.DATE)),
    st.tuples(st.datetimes(timezones=st.just(UTC)), st.just(k.DATETIME)),
    st.tuples(st.times(), st.just(k.TIME)),
    st.tuples(st.timedeltas(), st.just(k.DURATION)),
    st.tuples(st.integers(-99999, 99999).map(Period), st.just(k.PERIOD)),
    st.tuples(st.lists(st.one_of(st.none(), FRACTIONS)).map(tuple), st.just(k.list_of(k.MONEY))),
    st.tuples(st.lists(st.fixed_dictionaries({"a": FRACTIONS, "b": st.one_of(st.none(), TEXTS)})).map(tuple), st.just(k.list_of(RECORD))),
    st.tuples(st.just(()), st.just(k.EMPTY_LIST)),
    st.tuples(st.none(), st.sampled_from([k.TEXT, k.NULL, k.MONEY])),
)


@given(PAIRS, st.sampled_from(["CNY", "JPY", "KWD", ""]))
def test_values(pair: tuple[Any, Kind], currency: str) -> None:
    value, kind = pair
    assert convert.message_of(value, kind, currency) == value_of(value, kind, currency)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (Fraction(12001, 10), k.MONEY, "1200.10"),
        (Fraction(1, 3), k.FRACTION, "1/3"),
        (time(16, 0), k.TIME, "16:00:00"),
        (timedelta(days=1, seconds=5), k.DURATION, "P1DT5S"),
        (Period(14), k.PERIOD, "P1Y2M"),
        (date(2024, 2, 29), k.DATE, "2024-02-29"),
    ],
)
def test_texts_of_values(value: Any, kind: Kind, text: str) -> None:
    got = convert.message_of(value, kind, "CNY")
    name = got.WhichOneof("kind")
    assert name
    found = getattr(got, name)
    assert (found.amount if name == "money" else found) == text


@given(st.datetimes(timezones=st.just(UTC)))
def test_instants_there_and_back(moment: datetime) -> None:
    assert convert.moment_of(convert.stamp_of(moment)) == moment


@given(st.integers(0, 2**70))
def test_varints(number: int) -> None:
    value, shift = 0, 0
    encoded = wire.varint(number)
    for byte in encoded:
        value |= (byte & 127) << shift
        shift += 7
    assert value == number
    assert all(b > 127 for b in encoded[:-1])
    assert encoded[-1] < 128

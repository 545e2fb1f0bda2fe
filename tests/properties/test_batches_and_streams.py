"""A batch and a stream give each request exactly what Decide gives it, trace and all; ids and times of deciding apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.calls import Calls, in_thread
from policybook.model.facts import Raw, RawFacts, Tag
from policybook.server.settings import Settings
from policybook.store.reload import read_books
from policybook.trials.read import case_files, raw_facts, read_cases, read_text
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import trace_pb2
from policybook.v1 import values_pb2 as v

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 4, 20, 8, 30, tzinfo=UTC)
LEVELS = (trace_pb2.TRACE_LEVEL_MATCHED, trace_pb2.TRACE_LEVEL_MATCHED, trace_pb2.TRACE_LEVEL_NONE, trace_pb2.TRACE_LEVEL_FULL)


def value_of(raw: Raw) -> v.Value:
    """Write a raw fact on the wire."""
    match raw.tag:
        case Tag.NULL:
            return v.Value(null=0)  # type: ignore[arg-type]
        case Tag.MONEY:
            return v.Value(money=v.Money(amount=raw.value.amount, currency=raw.value.currency))
        case Tag.TIMESTAMP:
            stamp = Timestamp()
            stamp.FromDatetime(raw.value)
            return v.Value(timestamp=stamp)
        case Tag.LIST:
            return v.Value(list=v.ValueList(values=[value_of(one) for one in raw.value]))
        case Tag.RECORD:
            return v.Value(record=v.Record(fields={name: value_of(one) for name, one in raw.value.items()}))
        case Tag.DATE:
            return v.Value(date=raw.value)
        case Tag.DURATION:
            return v.Value(duration=raw.value)
        case Tag.TIME_OF_DAY:
            return v.Value(time_of_day=raw.value)
        case Tag.FLAG:
            return v.Value(flag=raw.value)
        case Tag.DECIMAL:
            return v.Value(decimal=raw.value)
        case _:
            return v.Value(text=raw.value)


def cases() -> dict[str, list[tuple[str, RawFacts]]]:
    """Return the requests of our own test tables: decision -> (day, facts)."""
    by_name = {b.name: b for b in read_books([ROOT / "rules"]).books}
    found: dict[str, list[tuple[str, RawFacts]]] = {}
    for path in case_files([ROOT / "rules" / "tests"]):
        source, _ = read_text(path)
        assert source
        file, report = read_cases(source, by_name)
        assert file, report.render({source.name: source})
        for case in file.cases:
            day = case.as_of.date() if isinstance(case.as_of, datetime) else case.as_of
            found.setdefault(f"{case.policy}.{case.decision}", []).append((day.isoformat() if day else "", raw_facts(case.given)))
    return found


CASES = cases()


@st.composite
def asked(draw: st.DrawFn) -> list[pb.DecideRequest]:
    """Requests of a few decisions: cases, and cases with single facts of others."""
    requests = []
    for decision in draw(st.lists(st.sampled_from(sorted(CASES)), min_size=1, max_size=3)):
        own = CASES[decision]
        day = draw(st.sampled_from(own))[0]
        levels = draw(st.sampled_from([LEVELS[:1], LEVELS[:1], LEVELS[2:3], LEVELS]))
        language = draw(st.sampled_from(["en", "zh"]))
        for _ in range(draw(st.integers(1, 60))):
            facts: Mapping[str, Raw] = draw(st.sampled_from(own))[1]
            other = draw(st.sampled_from(own))[1]
            taken = draw(st.lists(st.sampled_from(sorted(other)), max_size=2)) if other else []
            requests.append(
                pb.DecideRequest(
                    decision=decision,
                    facts={name: value_of(raw) for name, raw in {**facts, **{n: other[n] for n in taken}}.items()},
                    request_id=draw(st.sampled_from(["", "one", "another request"])),
                    trace_level=draw(st.sampled_from(levels)),
                    language=language,
                    **({"as_of_date": day} if day else {}),
                )
            )
    return draw(st.permutations(requests)) if draw(st.booleans()) else requests


@pytest.fixture(scope="module")
def calls() -> Iterator[Calls]:
    with (
        in_thread(Settings(insecure=True, books=(ROOT / "rules",), port=0, reload_s=0), now=lambda: NOW) as inside,
        Calls(inside.port) as made,
    ):
        yield made


def alone(calls: Calls, request: pb.DecideRequest) -> pb.DecideResult:
    try:
        return pb.DecideResult(response=calls.decisions.Decide(request, timeout=30))
    except grpc.RpcError as e:
        return pb.DecideResult(error=pb.ItemError(code=e.code().value[0], message=e.details()))


def plain(result: pb.DecideResult) -> pb.DecideResult:
    if result.HasField("error"):
        del result.error.details[:]
        return result
    assert result.response.decision_id
    result.response.decision_id = ""
    result.response.trace.elapsed.Clear()
    return result


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(asked())
def test_each_is_answered_as_it_is_alone(calls: Calls, requests: list[pb.DecideRequest]) -> None:
    wanted = [plain(alone(calls, request)) for request in requests]
    batch = calls.decisions.BatchDecide(pb.BatchDecideRequest(requests=requests), timeout=60).results
    assert [plain(r) for r in batch] == wanted
    streamed = calls.decisions.StreamDecide(iter([pb.StreamDecideRequest(request=r) for r in requests]), timeout=60)
    assert [plain(s.result) for s in streamed] == wanted

"""The client against the real service, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import policybook_client as client
from policybook_client import (
    AsyncPolicybookClient,
    Decision,
    DecisionRequest,
    Health,
    Money,
    MoneyRatio,
    Period,
    PolicybookClient,
    TraceLevel,
)

ROOT = Path(__file__).resolve().parents[2]

SAMPLER = """
policy: sampler
title: {en: Every type and every ending, zh: 样本}
currency: CNY
time_zone: Asia/Shanghai
inputs:
  a_number: {type: number, optional: true}
  an_integer: {type: integer, optional: true}
  a_percent: {type: percent, optional: true}
  a_fraction: {type: fraction, optional: true}
  an_amount: {type: money, optional: true}
  a_flag: {type: boolean, optional: true}
  an_enum: {type: enum, values: [first, last], optional: true}
  a_text: {type: text, optional: true}
  a_date: {type: date, optional: true}
  an_instant: {type: datetime, optional: true}
  a_time: {type: time, optional: true}
  a_duration: {type: duration, optional: true}
  a_period: {type: period, optional: true}
  a_list: {type: list, of: {type: text}, default: []}
  records: {type: list, of: {type: record, fields: {amount: {type: money}, paid_on: {type: date, optional: true}}}, default: []}
  level: {type: integer, min: 0, max: 9}
values:
  third: an_amount / 3
decisions:
  echo:
    title: {en: What came, zh: 回声}
    hit_policy: first
    outputs:
      a_number: {type: number, optional: true}
      an_integer: {type: integer, optional: true}
      a_percent: {type: percent, optional: true}
      a_fraction: {type: fraction, optional: true}
      an_amount: {type: money, optional: true}
      a_flag: {type: boolean, optional: true}
      an_enum: {type: enum, values: [first, last], optional: true}
      a_text: {type: text, optional: true}
      a_date: {type: date, optional: true}
      an_instant: {type: datetime, optional: true}
      a_time: {type: time, optional: true}
      a_duration: {type: duration, optional: true}
      a_period: {type: period, optional: true}
      a_list: {type: list, of: {type: text}}
      is_small: {type: boolean}
    rules:
      - id: echo
        set_by: company
        when: {third: "-"}
        then:
          a_number: a_number
          an_integer: an_integer
          a_percent: a_percent
          a_fraction: a_fraction
          an_amount: an_amount
          a_flag: a_flag
          an_enum: an_enum
          a_text: a_text
          a_date: a_date
          an_instant: an_instant
          a_time: a_time
          a_duration: a_duration
          a_period: a_period
          a_list: a_list
          is_small: third < 1000000
        says: {en: What came goes back., zh: 原样返回。}
  conflict:
    title: {en: Two rows for one answer, zh: 冲突}
    hit_policy: unique
    outputs: {size: {type: enum, values: [small, large]}}
    rules:
      - {id: small, set_by: company, when: {level: <= 5}, then: {size: small}}
      - {id: large, set_by: company, when: {level: ">= 5"}, then: {size: large}}
  hole:
    title: {en: No row for some, zh: 空缺}
    hit_policy: first
    outputs: {size: {type: enum, values: [small, large]}}
    rules:
      - {id: hole-small, set_by: company, when: {level: < 5}, then: {size: small}}
  total:
    title: {en: All that match, zh: 合计}
    for_each: {record: records}
    hit_policy: collect sum
    outputs: {amount: {type: money}}
    rules:
      - {id: counted, set_by: company, when: {record.amount: "> 0"}, then: {amount: record.amount}}
"""
EXPIRED = """
policy: expired
title: {en: Of another time, zh: 过期}
effective: {from: 2020-01-01, to: 2020-12-31}
inputs: {level: {type: integer}}
decisions:
  then_only:
    title: {en: Then only, zh: 仅当时}
    hit_policy: first
    outputs: {size: {type: enum, values: [small, large]}}
    rules: [{id: any-row, set_by: company, when: {level: ">= 0"}, then: {size: small}}]
"""


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service with the books in rules/, the two above, and nothing of this process."""
    books = tmp_path_factory.mktemp("books")
    (books / "sampler.yaml").write_text(SAMPLER, encoding="utf-8")
    (books / "expired.yaml").write_text(EXPIRED, encoding="utf-8")
    log = books / "server.log"
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "policybook",
                "serve",
                str(ROOT / "rules"),
                str(books),
                "--port",
                "0",
                "--reload-s",
                "0",
                "--workers",
                "1",
                "--insecure",
            ],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        ) as process,
    ):
        assert process.stdout
        line = process.stdout.readline()
        found = re.search(r"listening on (\S+),", line)
        assert found, line + log.read_text(encoding="utf-8")
        yield found[1]
        process.terminate()


@pytest.fixture
def asker(service: str) -> Iterator[PolicybookClient]:
    with PolicybookClient(service) as made:
        yield made


EVERYTHING: dict[str, client.Fact] = {
    "a_number": Decimal("-0.125"),
    "an_integer": 12,
    "a_percent": Decimal("0.3"),
    "a_fraction": Fraction(1, 3),
    "an_amount": Money("10000.00", "CNY"),
    "a_flag": True,
    "an_enum": "last",
    "a_text": "区域经理 \N{GRINNING FACE}",
    "a_date": date(2024, 2, 29),
    "an_instant": datetime(2026, 3, 1, 8, 30, 0, 250, tzinfo=UTC),
    "a_time": time(16, 0, 30),
    "a_duration": timedelta(days=3, hours=1),
    "a_period": Period(18),
    "a_list": ("a", "b", "a"),
}


def test_every_type_comes_back_as_it_went(asker: PolicybookClient) -> None:
    decision = asker.decide("sampler.echo", EVERYTHING, trace=TraceLevel.FULL, request_id="r-1")
    assert decision.outputs == EVERYTHING | {"is_small": True}
    for name, value in EVERYTHING.items():
        expected = Decimal if type(value) is int else type(value)
        assert type(decision[name]) is expected
    assert decision.value("a_number", Decimal) == Decimal("-0.125")
    assert decision.rule_ids == ("echo",)
    assert decision.request_id == "r-1"
    assert decision.id
    assert abs(decision.decided_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert decision.trace is not None
    [table] = decision.trace.tables
    assert {v.name: v.value for v in table.inputs}["third"] == MoneyRatio(Fraction(10_000, 3), "CNY")
    assert table.rows[0].verdict is client.RowVerdict.SELECTED
    assert table.rows[0].position.startswith("sampler.yaml:")


def test_null_and_absent_come_back_as_none(asker: PolicybookClient) -> None:
    decision = asker.decide("sampler.echo", {"a_text": None, "an_amount": Money(3)})
    assert decision["a_text"] is None
    assert decision["a_date"] is None
    assert decision["an_amount"] == Money(3, "CNY")
    assert decision["a_list"] == ()


def test_an_aggregate_comes_with_its_items(asker: PolicybookClient) -> None:
    records: list[dict[str, client.Fact]] = [
        {"amount": Money("100.00")},
        {"amount": Money(0), "paid_on": date(2026, 1, 1)},
        {"amount": Money("0.50")},
    ]
    decision = asker.decide("sampler.total", {"records": records})
    assert decision["amount"] == Money("100.50", "CNY")
    assert [(item.item_number, item["amount"]) for item in decision.items] == [(1, Money(100, "CNY")), (3, Money("0.5", "CNY"))]
    assert decision.trace is not None
    assert [table.item_number for table in decision.trace.tables] == [1, 2, 3]


def test_no_match_is_an_answer(asker: PolicybookClient) -> None:
    assert asker.decide("sampler.hole", {"level": 4}).decided
    decision = asker.decide("sampler.hole", {"level": 5})
    assert not decision.decided
    assert decision.outputs == {}


@pytest.mark.parametrize(
    ("level", "matched"),
    [(TraceLevel.NONE, None), (TraceLevel.MATCHED, ["small"]), (TraceLevel.FULL, ["small", "large"])],
)
def test_a_trace_has_the_level_asked(asker: PolicybookClient, level: TraceLevel, matched: list[str] | None) -> None:
    trace = asker.decide("sampler.conflict", {"level": 4}, trace=level).trace
    assert (None if trace is None else [row.row_id for row in trace.tables[0].rows]) == matched


def test_every_fault_of_the_facts_comes_at_once(asker: PolicybookClient) -> None:
    records: list[client.Fact] = [{"amount": Money(1)}, {"amount": "1"}]
    facts: dict[str, client.Fact] = {
        "level": 10,
        "colour": "red",
        "an_amount": Money(5, "USD"),
        "a_flag": "yes",
        "records": records,
    }
    with pytest.raises(client.InvalidFactsError) as raised:
        asker.decide("sampler.conflict", facts)
    error = raised.value
    assert error.reason == "INVALID_FACTS"
    assert error.code.name == "INVALID_ARGUMENT"
    fields = [violation.field for violation in error.field_violations]
    assert set(fields) >= {"facts.level", "facts.colour"}
    assert len(fields) == len(set(fields))
    assert all(violation.description for violation in error.field_violations)
    assert "facts.level: " in str(error)
    with pytest.raises(client.InvalidFactsError) as raised:
        asker.decide("sampler.echo", facts)
    assert {violation.field for violation in raised.value.field_violations} >= {"facts.colour", "facts.an_amount", "facts.a_flag"}


@pytest.mark.parametrize(
    ("decision", "version", "reason", "nearest"),
    [
        ("sampler.conflit", "", "DECISION_NOT_FOUND", ("sampler.conflict",)),
        ("smpler.conflict", "", None, None),
        ("nothing", "", None, None),
        ("", "", None, None),
        ("sampler.conflict", "00000000", "VERSION_NOT_FOUND", None),
    ],
)
def test_what_is_not_there_is_not_found(
    asker: PolicybookClient, decision: str, version: str, reason: str | None, nearest: tuple[str, ...] | None
) -> None:
    with pytest.raises((client.NotFoundError, client.InvalidRequestError)) as raised:
        asker.decide(decision, {"level": 1}, policy_version=version)
    if reason is not None:
        assert isinstance(raised.value, client.NotFoundError)
        assert raised.value.reason == reason
        assert nearest is None or raised.value.nearest == nearest
        assert raised.value.resource_name in {decision, version}


def test_rows_that_conflict_are_named(asker: PolicybookClient) -> None:
    with pytest.raises(client.ConflictError) as raised:
        asker.decide("sampler.conflict", {"level": 5})
    assert raised.value.reason == "CONFLICTING_ROWS"
    assert "small" in str(raised.value)
    assert "large" in str(raised.value)
    assert raised.value.violations[0].type == "CONFLICTING_ROWS"


def test_a_policy_decides_in_its_time_only(asker: PolicybookClient) -> None:
    decision = asker.decide("expired.then_only", {"level": 1}, as_of=date(2020, 12, 31))
    assert decision.as_of == date(2020, 12, 31)
    # Still 31 December in UTC, no longer in Shanghai.
    late = datetime(2020, 12, 31, 16, 0, tzinfo=UTC)
    assert asker.decide("expired.then_only", {"level": 1}, as_of=late - timedelta(microseconds=1)).as_of == date(2020, 12, 31)
    for as_of in (late, date(2021, 1, 1), None):
        with pytest.raises(client.NotInForceError) as raised:
            asker.decide("expired.then_only", {"level": 1}, as_of=as_of)
        assert raised.value.violations


def test_a_version_can_be_pinned(asker: PolicybookClient) -> None:
    versions = {policy.name: policy.version for policy in asker.list_policies()}
    assert asker.decide("sampler.hole", {"level": 1}, policy_version=versions["sampler"][:8]).policy_version == versions["sampler"]
    with pytest.raises(client.VersionMismatchError):
        asker.decide("sampler.hole", {"level": 1}, policy_version=versions["expired"])


def test_a_language_that_is_not_there_is_a_faulty_request(asker: PolicybookClient) -> None:
    assert asker.decide("sampler.echo", {}, language="zh").matched_rules[0].says == "原样返回。"
    with pytest.raises(client.InvalidRequestError) as raised:
        asker.decide("sampler.echo", {}, language="fr")
    assert [violation.field for violation in raised.value.field_violations] == ["language"]


MIXED = [
    DecisionRequest(decision="sampler.hole", facts={"level": 1}, request_id="good"),
    DecisionRequest(decision="sampler.hole", facts={"level": "1"}, request_id="bad facts"),
    DecisionRequest(decision="sampler.hloe", request_id="bad name"),
    DecisionRequest(decision="sampler.conflict", facts={"level": 5}, request_id="conflict"),
    DecisionRequest(decision="sampler.hole", facts={"level": 9}, request_id="no match"),
]
KINDS = [Decision, client.InvalidFactsError, client.NotFoundError, client.ConflictError, Decision]


def test_one_bad_item_of_a_batch_spoils_no_other(asker: PolicybookClient) -> None:
    results = asker.decide_batch(MIXED)
    assert [type(result) for result in results] == KINDS
    assert isinstance(results[1], client.InvalidFactsError)
    assert [violation.field for violation in results[1].field_violations] == ["facts.level"]
    assert isinstance(results[2], client.NotFoundError)
    assert results[2].nearest == ("sampler.hole",)
    assert asker.decide_batch([]) == []


def test_one_bad_item_of_a_stream_spoils_no_other(asker: PolicybookClient) -> None:
    assert [type(result) for result in asker.decide_stream(MIXED * 50)] == KINDS * 50


def test_asyncio_asks_the_same(service: str) -> None:
    async def main() -> None:
        async with await AsyncPolicybookClient.connect(service) as asker:
            assert (await asker.decide("sampler.hole", {"level": 1}))["size"] == "small"
            assert [type(result) for result in await asker.decide_batch(MIXED)] == KINDS
            assert [type(result) async for result in asker.decide_stream(MIXED * 20)] == KINDS * 20
            answers = await asyncio.gather(*(asker.decide("sampler.hole", {"level": n % 10}) for n in range(100)))
            assert [answer.decided for answer in answers] == [n % 10 < 5 for n in range(100)]
            with pytest.raises(client.ConflictError):
                await asker.decide("sampler.conflict", {"level": 5})

    asyncio.run(main())


def test_a_batch_has_a_limit_and_a_stream_has_none(asker: PolicybookClient) -> None:
    requests = [DecisionRequest(decision="sampler.hole", facts={"level": 1}, trace=TraceLevel.NONE)] * 10_001
    with pytest.raises(client.ResourceExhaustedError) as raised:
        asker.decide_batch(requests, timeout=timedelta(seconds=60))
    assert raised.value.reason == "TOO_MANY_ITEMS"
    assert raised.value.retry_after is None
    assert raised.value.violations
    assert len(asker.decide_batch(requests[1:], timeout=timedelta(seconds=60))) == 10_000
    assert sum(isinstance(result, Decision) for result in asker.decide_stream(requests)) == 10_001


def test_what_is_served_can_be_read(asker: PolicybookClient) -> None:
    assert asker.health() is Health.SERVING
    asker.wait_until_ready()
    policies = {policy.name: policy for policy in asker.list_policies(language="zh")}
    assert {"credit", "sampler", "expired"} <= policies.keys()
    sampler = policies["sampler"]
    assert (sampler.title, sampler.currency, sampler.time_zone) == ("样本", "CNY", "Asia/Shanghai")
    assert {name.rpartition(".")[2] for name in sampler.decisions} == {"echo", "conflict", "hole", "total"}
    listed = {decision.name: decision for decision in asker.list_decisions("sampler")}
    assert set(listed) == {"sampler.echo", "sampler.conflict", "sampler.hole", "sampler.total"}
    assert len(asker.list_decisions()) > len(listed)
    conflict = asker.get_decision("sampler.conflict")
    assert conflict.hit_policy is client.HitPolicy.UNIQUE
    [level] = conflict.inputs
    assert (level.name, level.kind, level.min, level.max, level.required) == ("level", client.ValueKind.INTEGER, 0, 9, True)
    assert [(row.row_id, row.tests) for row in conflict.rows] == [("small", (("level", "<= 5"),)), ("large", (("level", ">= 5"),))]
    total = asker.get_decision("sampler.total")
    assert (total.aggregation, total.for_each) == (client.Aggregation.SUM, "records")
    [records] = total.inputs
    assert records.element is not None
    assert [(f.name, f.kind, f.required) for f in records.element.fields] == [
        ("amount", client.ValueKind.MONEY, True),
        ("paid_on", client.ValueKind.DATE, False),
    ]
    with pytest.raises(client.NotFoundError):
        asker.get_decision("sampler.nothing")
    with pytest.raises(client.NotFoundError):
        asker.list_decisions("smpler")


def test_a_text_is_checked_and_not_stored(asker: PolicybookClient) -> None:
    good = asker.check(EXPIRED.replace("expired", "fresh"), file_name="fresh.yaml")
    assert good
    assert good.version
    assert "fresh" not in {policy.name for policy in asker.list_policies()}
    bad = asker.check(EXPIRED.replace("hit_policy: first", "hit_polici: first"), file_name="expired.yaml")
    assert not bad
    finding = next(f for f in bad.findings if f.name == "unknown-key")
    assert (finding.file, finding.line, finding.severity) == ("expired.yaml", 9, client.Severity.ERROR)
    assert "hit_polici" in str(bad)


def test_the_examples_of_the_readme_run(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "clients" / "python" / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 8
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks):
        exec(compile(block.replace("localhost:50151", service), f"README.md block {number}", "exec"), names)  # noqa: S102 - our own
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "ship_over_limit"
    assert "('credit.shipment',)" in said
    assert "order-500 ship" in " ".join(said)


def test_a_client_that_knows_nothing_asks_by_reflection(service: str, tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-I", str(ROOT / "examples" / "reflection_client.py"), service, *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    code, listing = run()
    assert code == 0
    assert "policybook.v1.DecisionService\n  Decide\n    decision: string\n    facts: map<string, policybook.v1.Value>\n" in listing
    request = {"decision": "sampler.hole", "facts": {"level": {"decimal": "4"}}, "request_id": "r"}
    code, answer = run(json.dumps(request))
    assert code == 0
    assert json.loads(answer)["outputs"] == {"size": {"text": "small"}}
    (tmp_path / "request.json").write_text(json.dumps(request), encoding="utf-8")
    assert run(str(tmp_path / "request.json"))[0] == 0
    code, refusal = run('{"decision": "sampler.hole", "facts": {"level": {"text": "4"}}}')
    assert code == 1
    details = {detail["@type"].rpartition(".")[2]: detail for detail in json.loads(refusal)["details"]}
    assert details["ErrorInfo"]["reason"] == "INVALID_FACTS"
    assert details["BadRequest"]["field_violations"][0]["field"] == "facts.level"
    assert run("--method", "policybook.v1.PolicyService/ListPolicies", "{}")[0] == 0
    for wrong in (["{"], ['{"decison": "x"}'], ["no-such-file.json"], ["--method", "a.B/C", "{}"]):
        assert run(*wrong)[0] == 2
    service = "127.0.0.1:1"
    assert run()[0] == 3

"""The decision log through the client, synchronous and asyncio, against a real service that keeps one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import grpc
import pytest

from contract.calls import BOOKS, Process
from policybook_client import (
    AsyncPolicybookClient,
    FailedPreconditionError,
    Money,
    NotFoundError,
    PolicybookClient,
    Purpose,
    RecordFilter,
    RequestIdTakenError,
    TraceLevel,
)

FACTS = {"amount": Money("60"), "customer": "new", "late_days": [1, 2]}


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("logged")
    shutil.copytree(BOOKS, folder / "books")
    process = Process(folder / "books", "--port", "0", "--log", folder / "log.db", "--mask", "customer", log=folder / "err").started()
    yield f"localhost:{process.port}"
    assert process.end() == 0, process.errors()


def test_a_record_and_the_decision_again(logged: str) -> None:
    with PolicybookClient(logged, metadata=[("x-policybook-caller", "erp")]) as client:
        decision = client.decide("shop.order", FACTS, as_of=date(2026, 2, 3), request_id="so-1")
        assert client.decide("shop.order", FACTS, as_of=date(2026, 2, 3), request_id="so-1") == decision
        with pytest.raises(RequestIdTakenError) as failed:
            client.decide("shop.order", {**FACTS, "amount": Money("61")}, as_of=date(2026, 2, 3), request_id="so-1")
        assert (failed.value.code, failed.value.decision_id) == (grpc.StatusCode.ALREADY_EXISTS, decision.id)
        record = client.get_record(decision.id)
        assert (record.id, record.caller, record.request_id, record.decision) == (decision.id, "erp", "so-1", "shop.order")
        assert record.facts == {"amount": Money("60"), "late_days": (Decimal(1), Decimal(2))}
        assert record.masked_facts == {"customer": ""}
        assert (record.outputs, record.row_ids) == (decision.outputs, ("within-cap",))
        assert (record.as_of, record.stated_as_of, record.decided_at) == (decision.as_of, "2026-02-03", decision.decided_at)
        assert (record.trace, record.purpose, record.decided) == (TraceLevel.MATCHED, Purpose.DECISION, True)
        with pytest.raises(FailedPreconditionError, match="kept out of the log: customer; state them"):
            client.reevaluate(decision.id)
        again = client.reevaluate(decision.id, masked_facts={"customer": "new"}, trace=TraceLevel.FULL)
        assert again
        assert again.answer.outputs == decision.outputs
        assert again.answer.trace
        assert again.record == record
        with pytest.raises(NotFoundError) as missing:
            client.get_record("nothing")
        assert (missing.value.resource_type, missing.value.resource_name) == ("record", "nothing")
        status = client.log_status()
        assert status.head_sequence_number >= record.sequence_number
        assert (status.not_recorded, status.failure) == (0, "")


def test_lists(logged: str) -> None:
    with PolicybookClient(logged, metadata=[("x-policybook-caller", "lists")]) as client:
        made = [client.decide("shop.order", {**FACTS, "amount": Money(str(n))}) for n in range(130)]
        client.explain("shop.order", FACTS)
        mine = RecordFilter(caller="lists", purpose=Purpose.DECISION)
        assert [r.id for r in client.list_records(mine)] == [d.id for d in made]
        assert [r.id for r in client.list_records(mine, newest_first=True)] == [d.id for d in reversed(made)]
        later = RecordFilter(caller="lists", since=made[100].decided_at, until=made[110].decided_at + timedelta(microseconds=1))
        assert [r.id for r in client.list_records(later)] == [d.id for d in made[100:111]]
        assert [r.purpose for r in client.list_records(RecordFilter(caller="lists", purpose=Purpose.EXPLANATION))] == [Purpose.EXPLANATION]
        assert list(client.list_records(RecordFilter(decided=False))) == []
        assert next(client.list_records(RecordFilter(decision="shop", policy_version=made[0].policy_version[:8]))).decision == "shop.order"
        with pytest.raises(ValueError, match="since"):
            next(client.list_records(RecordFilter(since=made[0].decided_at.replace(tzinfo=None))))


def test_asyncio(logged: str) -> None:
    async def run() -> None:
        async with AsyncPolicybookClient(logged, metadata=[("x-policybook-caller", "aio")]) as client:
            made = [await client.decide("shop.order", {**FACTS, "amount": Money(str(n))}) for n in range(3)]
            assert [r.id async for r in client.list_records(RecordFilter(caller="aio"))] == [d.id for d in made]
            assert (await client.get_record(made[1].id)).outputs == made[1].outputs
            assert await client.reevaluate(made[1].id, masked_facts={"customer": "new"})
            assert (await client.log_status()).recorded >= 3

    asyncio.run(run())


def test_a_service_without_a_log(tmp_path: Path) -> None:
    process = Process(BOOKS, "--port", "0", log=tmp_path / "err").started()
    try:
        with PolicybookClient(f"localhost:{process.port}") as client, pytest.raises(FailedPreconditionError, match="keeps no decision log"):
            client.log_status()
    finally:
        assert process.end() == 0

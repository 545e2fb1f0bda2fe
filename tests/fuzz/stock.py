"""What the real books, their test tables and the examples give to begin with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from fuzz import words
from policybook.audit.log import Log
from policybook.check.book import check_source, read_beside, read_book
from policybook.desk import Desk
from policybook.load.clauses import CLAUSE_FILE
from policybook.model.book import Book
from policybook.model.clauses import Beside
from policybook.source import Source
from policybook.store.reload import make_edition
from policybook.store.versions import Store
from policybook.trials.case import Case
from policybook.trials.draft import raw_facts
from policybook.trials.read import read_table
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1.values_pb2 import Money, Record, Value, ValueList

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 3, 31, 4, 0, tzinfo=UTC)
SMALL_BOOKS = (ROOT / "tests/contract/books/kinds.yaml", ROOT / "tests/contract/books/shop.yaml", ROOT / "tests/cli/books/library.yaml")
# The real ones that check in well under a tenth of a second.
REAL_BOOKS = tuple(ROOT / f"rules/{name}.yaml" for name in ("vip", "key_accounts", "credit", "property", "satisfaction", "service_desk"))
# What a running server is given: kinds of value, money and lists, a book with a calendar.
SERVED = (*SMALL_BOOKS[:2], ROOT / "rules/credit.yaml", ROOT / "rules/vip.yaml")


@cache
def beside() -> Beside:
    """Return the calendar of the real books, and no clauses: small books cite some that there are not."""
    return replace(read_beside(ROOT / "rules")[0], clauses=None)


@cache
def book(path: Path) -> Book:
    """Return a book that is sound."""
    found, report, _ = read_book(path, beside() if path.parent.name == "rules" else None)
    assert found is not None, report.render({})
    return found


def desk(log: Log | None = None) -> Desk:
    """Return a desk over the small books."""
    store = Store()
    for path in SERVED:
        store.publish(make_edition(book(path), NOW))
    return Desk(store, now=lambda: NOW, new_id=lambda: "00000000-0000-7000-8000-000000000000", log=log)


@cache
def texts() -> tuple[bytes, ...]:
    """Return the texts of books: good ones, and those of the tests that are bad in one way each."""
    paths = [*sorted(ROOT.glob("tests/cases/*/book.yaml")), *SMALL_BOOKS, *REAL_BOOKS, ROOT / "rules/calendar.yaml"]
    clauses = (ROOT / "rules" / CLAUSE_FILE).read_bytes()
    return (*(p.read_bytes() for p in paths), clauses[: clauses.index(b"\n", 6_000)], ROOT.joinpath("rules/tests/vip.yaml").read_bytes())


@cache
def tables(suffix: str) -> tuple[tuple[str, bytes], ...]:
    """Return the test tables of the real books by file name: up to 32 KiB each."""
    found = [(p.name, p.read_bytes()) for p in sorted(ROOT.glob(f"rules/tests/*{suffix}"))]
    return tuple((name, data) for name, data in found if len(data) <= 32 * 1024)


@cache
def cells() -> tuple[str, ...]:
    """Return what stands in cells and expressions of the real books."""
    found: dict[str, None] = {}
    for path in (*SMALL_BOOKS, *REAL_BOOKS, ROOT / "rules/reception.yaml"):
        b = book(path)
        for decision in b.decisions:
            for row in decision.rows:
                found.update(dict.fromkeys(c.text for c in row.cells))
                found.update(dict.fromkeys(o.text for o in row.outputs))
        found.update(dict.fromkeys(v.text for v in b.values))
    return tuple(t for t in found if len(t) < 400)


@cache
def requests() -> tuple[pb.DecideRequest, ...]:
    """Return the requests of test tables and examples that the served books decide."""
    found = [pb.DecideRequest(decision="kinds.echo"), _every_kind()]
    books = {book(p).name: book(p) for p in SERVED}
    for path in (*sorted(ROOT.glob("rules/tests/credit*")), *sorted(ROOT.glob("rules/tests/vip*"))):
        file = read_table(path, books).cases
        assert file is not None
        found += [_request(file.policy, case) for case in file.cases[:12]]
    for path in sorted(ROOT.glob("examples/*-credit-*.json")):
        stated = json.loads(path.read_text(encoding="utf-8"))
        found.append(pb.DecideRequest(decision=stated["decision"], as_of_date=stated["as_of"], trace_level=3))
    return tuple(found)


def _request(policy: str, case: Case) -> pb.DecideRequest:
    b = next(book(p) for p in SERVED if book(p).name == policy)
    request = pb.DecideRequest(decision=f"{policy}.{case.decision}", language="zh")
    for name, raw in raw_facts(case.given).items():
        if name in b.input_by_name:
            request.facts[name].CopyFrom(_value(raw.value))
    return request


def _value(stated: object) -> Value:
    """Guess a kind for what a test table says; a wrong guess is a seed too."""
    if isinstance(stated, tuple):
        return Value(list=ValueList(values=[_value(v.value) for v in stated]))
    if isinstance(stated, Mapping):
        return Value(record=Record(fields={n: _value(v.value) for n, v in stated.items()}))
    text = str(stated)
    if text in {"true", "false"}:
        return Value(flag=text == "true")
    if text.count("-") == 2:
        return Value(date=text)
    if text.replace(".", "").lstrip("-").isdigit():
        return Value(money=Money(amount=text)) if "." in text else Value(decimal=text)
    return Value(text=text)


def _every_kind() -> pb.DecideRequest:
    request = pb.DecideRequest(decision="kinds.echo", as_of_date="2026-03-31", trace_level=3, language="en")
    facts = request.facts
    facts["number"].decimal = "-12.50"
    facts["integer"].decimal = "7"
    facts["percent"].decimal = "30%"
    facts["fraction"].decimal = "1/7"
    facts["money"].money.amount = "99.99"
    facts["boolean"].flag = True
    facts["enum"].text = "blue"
    facts["text"].text = "客户"
    facts["date"].date = "2026-02-28"
    facts["datetime"].timestamp.seconds = 1_774_900_000
    facts["time"].time_of_day = "16:00"
    facts["duration"].duration = "PT24H"
    facts["period"].duration = "P1Y6M"
    facts["colours"].list.values.extend([Value(text="red"), Value(text="green")])
    record = facts["payments"].list.values.add().record.fields
    record["amount"].money.amount = "5"
    record["paid_on"].date = "2026-01-02"
    return request


@cache
def names() -> Mapping[str, Sequence[str]]:
    """Return field of a message -> texts that mean something there."""
    books = [book(p) for p in SERVED]
    decisions = [f"{b.name}.{d.name}" for b in books for d in b.decisions]
    inputs = sorted({i.name for b in books for i in b.inputs})
    outputs = sorted({o.name for b in books for d in b.decisions for o in d.outputs})
    choices = sorted({v for b in books for i in b.inputs for v in i.kind.value_names} | {"red", "green"})
    versions = [b.version for b in books] + [b.version[:8] for b in books] + ["0" * 64]
    return {
        "": (*decisions, *inputs, *outputs, *choices, *versions),
        "decision": decisions,
        "name": decisions,
        "policy": [b.name for b in books],
        "facts": (*inputs, "amount", "paid_on", "note"),
        "wanted_outputs": outputs,
        "kept_inputs": inputs,
        "varied_inputs": inputs,
        "compared_outputs": outputs,
        "policy_version": versions,
        "as_of_date": (*words.TIMES[:12], "2026-03-31", "2025-12-31", "2027-01-01"),
        "language": ("en", "zh", "en-GB", "zh-Hant-TW", "fr", "ZH"),
        "request_id": ("", "again-1", "again-2", "x" * 201),
        "value": choices,
        "caller": ("127.0.0.1", "fuzz", ""),
    }


def checked(data: bytes) -> Book | None:
    """Check a text as a service does; None when it is no sound book."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")
    return check_source(Source("book.yaml", text), beside())[0]

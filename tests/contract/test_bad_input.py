"""What bad input gets: a clear error, nothing lost, and the service goes on."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from contract.calls import (
    BOOKS,
    DECIDE,
    NULL,
    Calls,
    day,
    flag,
    in_thread,
    instant,
    money,
    nested,
    number,
    order,
    record,
    refused,
    values,
    word,
)
from policybook.server.settings import Settings
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import policy_service_pb2 as policy_pb
from policybook.v1.values_pb2 import Value

LONG = "x" * 1_000_000
INVALID = grpc.StatusCode.INVALID_ARGUMENT
TOO_MUCH = grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.fixture(autouse=True)
def goes_on(calls: Calls) -> Iterator[None]:
    """Whatever a test sent: the next call is answered."""
    yield
    assert calls.decide(order()).outputs["outcome"] == word("ship")


def echo(calls: Calls, **facts: Value) -> Any:
    return refused(calls.decisions.Decide, pb.DecideRequest(decision="kinds.echo", facts=facts))


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name", ["", "shop", "shop.", ".order", "shop.order.x", "Shop.Order", "shop order", "shop.order\n", "x" * 1_000_000, "客户.发货"]
)
def test_a_malformed_name(calls: Calls, name: str) -> None:
    got = refused(calls.decisions.Decide, pb.DecideRequest(decision=name))
    assert (got.code, got.reason, list(got.fields)) == (INVALID, "INVALID_REQUEST", ["decision"])
    assert got.kinds == ("ErrorInfo", "BadRequest")


def test_an_unknown_decision(calls: Calls) -> None:
    got = refused(calls.decisions.Decide, pb.DecideRequest(decision="shop.ordr"))
    assert (got.code, got.reason) == (grpc.StatusCode.NOT_FOUND, "DECISION_NOT_FOUND")
    assert got.message == "no decision `shop.ordr`; did you mean `shop.order`?"
    assert got.metadata["nearest"].split(",")[0] == "shop.order"
    assert got.metadata["decision"] == "shop.ordr"
    resource = got.the("ResourceInfo")
    assert (resource.resource_type, resource.resource_name) == ("decision", "shop.ordr")


def test_an_unknown_policy(calls: Calls) -> None:
    for call, request in (
        (calls.decisions.Decide, pb.DecideRequest(decision="shp.order")),
        (calls.policies.GetDecisionDefinition, policy_pb.GetDecisionDefinitionRequest(name="shp.order")),
        (calls.policies.ListDecisionDefinitions, policy_pb.ListDecisionDefinitionsRequest(policy="shp")),
    ):
        got = refused(call, request)
        assert (got.code, got.reason, got.metadata["nearest"]) == (grpc.StatusCode.NOT_FOUND, "POLICY_NOT_FOUND", "shop")
        assert got.the("ResourceInfo").resource_type == "policy"


@pytest.mark.parametrize("version", ["0" * 64, "0" * 8, "abc", "not a version"])
def test_an_unknown_version(calls: Calls, version: str) -> None:
    got = refused(calls.decisions.Decide, order(policy_version=version))
    assert (got.code, got.reason) == (grpc.StatusCode.NOT_FOUND, "VERSION_NOT_FOUND")
    assert got.metadata["nearest"] == calls.decide(order()).policy_version
    assert got.the("ResourceInfo").resource_type == "version"


def test_a_version_of_another_policy(calls: Calls) -> None:
    other = calls.decide(pb.DecideRequest(decision="kinds.echo")).policy_version
    got = refused(calls.decisions.Decide, order(policy_version=other))
    assert (got.code, got.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "VERSION_MISMATCH")
    assert got.metadata["pinned"] == other
    assert got.metadata["current"] == calls.decide(order()).policy_version
    (violation,) = got.the("PreconditionFailure").violations
    assert (violation.type, violation.subject) == ("VERSION_MISMATCH", "policies/shop")


# ---------------------------------------------------------------- facts


def test_all_faults_at_once(calls: Calls) -> None:
    got = echo(
        calls,
        number=number("NaN"),
        integer=number("11"),
        money=money("5", "USD"),
        boolean=word("yes"),
        enum=word("gren"),
        text=word("x" * 21),
        date=day("2026-02-30"),
        datetime=instant(10**15),
        time=Value(time_of_day="25:00"),
        duration=Value(duration="P1M"),
        period=Value(duration="PT1H"),
        colours=values(word("red"), word("pink"), number("1")),
        payments=values(record(amount=money("1"), paid_on=day("2026-01-01"), extra=NULL), record(amount=money("-1"))),
        stranger=flag(True),
        percent=Value(),
    )
    assert (got.code, got.reason) == (INVALID, "INVALID_FACTS")
    assert got.reasons == {
        "facts.percent": "FACT_TYPE",
        "facts.datetime": "FACT_TYPE",
        "facts.number": "FACT_TYPE",
        "facts.integer": "FACT_BOUNDS",
        "facts.money": "FACT_CURRENCY",
        "facts.boolean": "FACT_TYPE",
        "facts.enum": "FACT_TYPE",
        "facts.text": "FACT_SIZE",
        "facts.date": "FACT_TYPE",
        "facts.time": "FACT_TYPE",
        "facts.duration": "FACT_TYPE",
        "facts.period": "FACT_TYPE",
        "facts.colours[1]": "FACT_TYPE",
        "facts.colours[2]": "FACT_TYPE",
        "facts.payments[0].extra": "UNKNOWN_FACT",
        "facts.payments[1].amount": "FACT_BOUNDS",
        "facts.payments[1].paid_on": "MISSING_FACT",
        "facts.stranger": "UNKNOWN_FACT",
    }
    assert got.metadata["faults"] == str(len(got.reasons))
    assert "did you mean `green`?" in got.fields["facts.enum"]
    assert got.kinds == ("ErrorInfo", "BadRequest")


def test_missing_facts(calls: Calls) -> None:
    got = refused(calls.decisions.Decide, pb.DecideRequest(decision="shop.order"))
    assert got.reasons == {"facts.amount": "MISSING_FACT", "facts.customer": "MISSING_FACT"}
    assert got.fields["facts.customer"] == "`customer` (Customer) is missing; it is one of `new`, `known`, `barred`"


BAD_NUMBERS = [
    "",
    " ",
    "NaN",
    "nan",
    "Infinity",
    "-Infinity",
    "inf",
    "1e999999999",
    "1E+39",
    "9" * 400,
    "0." + "1" * 400,
    "1/0",
    "0x10",
    "1_000",
    "1,5",
    "١",
    "--1",
]


@pytest.mark.parametrize("text", BAD_NUMBERS)
def test_numbers_that_are_none(calls: Calls, text: str) -> None:
    got = echo(calls, number=number(text), money=money(text))
    assert got.reasons == {"facts.number": "FACT_TYPE", "facts.money": "FACT_TYPE"}
    assert all(len(d) < 300 for d in got.fields.values())


@pytest.mark.parametrize(
    "facts",
    [
        {"text": word(LONG), "enum": word(LONG), "number": number(LONG)},
        {"date": day(LONG), "money": money(LONG, LONG)},
        {"duration": Value(duration=LONG), "time": Value(time_of_day=LONG), "integer": number("9" * 1_000_000)},
    ],
)
def test_a_megabyte_of_text(calls: Calls, facts: dict[str, Value]) -> None:
    got = echo(calls, **facts)
    assert got.reasons == {f"facts.{name}": "FACT_SIZE" if name == "text" else got.reasons[f"facts.{name}"] for name in facts}
    assert got.size < 2_500


def test_a_value_with_nothing_in_it(calls: Calls) -> None:
    got = echo(calls, text=Value(), colours=values(word("red"), Value()), stranger=word("x"))
    assert got.reasons == {"facts.text": "FACT_TYPE", "facts.colours[1]": "FACT_TYPE", "facts.stranger": "UNKNOWN_FACT"}
    assert "`null` says" in got.fields["facts.text"]


def test_null_where_a_value_must_be(calls: Calls) -> None:
    got = refused(calls.decisions.Decide, order(facts={"amount": NULL}))
    assert got.fields == {"facts.amount": "`amount` is null; it must be an amount of money"}


@pytest.mark.parametrize("depth", [9, 30])
def test_deep_nesting(calls: Calls, depth: int) -> None:
    got = echo(calls, number=nested(depth))
    assert (got.code, got.reason) == (INVALID, "INVALID_FACTS")
    assert got.reasons == {"facts.number" + "[0]" * 8: "FACT_SIZE", "facts.number": "FACT_TYPE"}


def test_nesting_beyond_what_protobuf_reads(calls: Calls) -> None:
    # A list in a value in a list ...: written by hand, since protobuf would not write it either.
    body = b""
    for _ in range(5_000):
        for tag in (b"\x0a", b"\x52"):
            body = tag + _sized(body)
    entry = b"\x0a\x06number\x12" + _sized(body)
    request = pb.DecideRequest(decision="kinds.echo").SerializeToString() + b"\x12" + _sized(entry)
    got = refused(calls.raw(), request)
    assert (got.code, got.reason, list(got.fields)) == (INVALID, "INVALID_REQUEST", [""])
    assert "nested" in got.message


def _sized(body: bytes) -> bytes:
    size, length = len(body), b""
    while size > 127:
        length += bytes((size & 127 | 128,))
        size >>= 7
    return length + bytes((size,)) + body


def test_lists_that_are_too_long(calls: Calls) -> None:
    got = echo(calls, colours=values(*[word("red")] * 1_001))
    assert got.reasons == {"facts.colours": "FACT_SIZE"}
    got = echo(calls, colours=values(*[values(*[NULL] * 100)] * 200))
    assert (got.code, got.reason, got.metadata["limit"]) == (TOO_MUCH, "TOO_MANY_ITEMS", "20000")


def test_a_thousand_wrong_facts_get_a_proper_status(calls: Calls) -> None:
    got = echo(calls, **{f"客户的事实{i:04}": word("x") for i in range(1_000)})
    assert (got.code, got.reason) == (INVALID, "INVALID_FACTS")
    assert got.size < 4_500
    assert got.metadata["faults"] == "1000"
    assert len(got.fields) + int(got.metadata["omitted"]) == 1_000
    assert len(got.fields) > 10


def test_ten_thousand_wrong_facts_get_a_proper_status(calls: Calls) -> None:
    got = echo(calls, **{f"fact_{i}": Value() for i in range(10_000)})
    assert got.code in (INVALID, TOO_MUCH)
    assert got.kinds[0] == "ErrorInfo"
    assert got.size < 4_500


def test_a_fact_with_a_name_of_a_megabyte(calls: Calls) -> None:
    for value in (word("x"), Value(), values(Value())):
        got = echo(calls, **{"n" * 1_000_000: value})
        assert got.reason == "INVALID_FACTS"
        assert got.size < 2_000


def test_arithmetic_without_a_result(calls: Calls) -> None:
    facts = {"amount": money("1"), "hours": number("0")}
    got = refused(calls.decisions.Decide, pb.DecideRequest(decision="shop.rate", facts=facts))
    assert (got.code, got.reasons) == (INVALID, {"facts": "FACT_ARITHMETIC"})


# ---------------------------------------------------------------- other fields


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("as_of_date", "2026-02-30"),
        ("as_of_date", "yesterday"),
        ("as_of_date", "0001-01-01"),
        ("as_of_date", "9999-12-31"),
        ("as_of_time", Timestamp(seconds=10**13)),
        ("as_of_time", Timestamp(seconds=-62135596800)),
        ("as_of_time", Timestamp(seconds=0, nanos=-1)),
        ("trace_level", 99),
        ("language", "fr"),
        ("language", "x" * 1_000_000),
        ("request_id", "x" * 201),
        ("policy_version", "0" * 1_000),
    ],
)
def test_a_wrong_field(calls: Calls, field: str, value: Any) -> None:
    got = refused(calls.decisions.Decide, order(**{field: value}))
    assert (got.code, got.reason, list(got.fields)) == (INVALID, "INVALID_REQUEST", [field])
    assert got.reasons == {field: "INVALID_REQUEST"}
    assert got.size < 1_500


@pytest.mark.parametrize(
    ("field", "value"), [("page_size", -1), ("page_token", "nonsense"), ("page_token", "~" + "x" * 500), ("language", "de")]
)
def test_a_wrong_field_of_a_list(calls: Calls, field: str, value: Any) -> None:
    for call, kind in (
        (calls.policies.ListPolicies, policy_pb.ListPoliciesRequest),
        (calls.policies.ListDecisionDefinitions, policy_pb.ListDecisionDefinitionsRequest),
    ):
        assert list(refused(call, kind(**{field: value})).fields) == [field]


# ---------------------------------------------------------------- preconditions


def test_not_in_force(calls: Calls) -> None:
    got = refused(calls.decisions.Decide, order(as_of_date="2019-12-31"))
    assert (got.code, got.reason, got.metadata["as_of"]) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_IN_FORCE", "2019-12-31")
    (violation,) = got.the("PreconditionFailure").violations
    assert (violation.type, violation.subject) == ("NOT_IN_FORCE", "policies/shop")
    got = refused(calls.decisions.Decide, order(as_of_date="2024-12-31"))
    assert (got.reason, got.the("PreconditionFailure").violations[0].subject) == ("NOT_IN_FORCE", "policies/shop.cap")


@pytest.mark.parametrize(("decision", "rows"), [("greeting", "large,known"), ("label", "red,blue")])
def test_conflicting_rows(calls: Calls, decision: str, rows: str) -> None:
    facts = {"amount": money("500"), "customer": word("known")}
    got = refused(calls.decisions.Decide, pb.DecideRequest(decision=f"shop.{decision}", facts=facts))
    assert (got.code, got.reason, got.metadata["rows"]) == (grpc.StatusCode.FAILED_PRECONDITION, "CONFLICTING_ROWS", rows)
    (violation,) = got.the("PreconditionFailure").violations
    assert (violation.type, violation.subject) == ("CONFLICTING_ROWS", f"decisions/shop.{decision}")


# ---------------------------------------------------------------- bytes


@pytest.mark.parametrize(
    "junk",
    [
        b"\x0a\x04\xff\xfe\xfd\xfc",  # the name is not UTF-8
        b"\x0a\xff",  # longer than what follows
        b"\xff" * 100,
        b"\x0b" * 10,
        order().SerializeToString()[:-3],
    ],
    # A map has no order, so the last one is not the same text in every process.
    ids=["text-not-utf-8", "longer-than-the-rest", "ones", "groups", "cut-off"],
)
def test_bytes_that_are_no_message(calls: Calls, junk: bytes) -> None:
    decisions, policies = DECIDE.removesuffix("Decide"), "/policybook.v1.PolicyService/"
    for method in (DECIDE, f"{decisions}BatchDecide", f"{policies}GetDecisionDefinition", f"{policies}Check"):
        got = refused(calls.raw(method), junk)
        assert (got.code, got.reason) == (INVALID, "INVALID_REQUEST")
        assert got.kinds == ("ErrorInfo", "BadRequest")


def test_invalid_utf8_in_a_fact(calls: Calls) -> None:
    good = order(facts={"text": word("AAAA")}).SerializeToString()
    got = refused(calls.raw(), good.replace(b"AAAA", b"\xc3\x28\xa0\xa1"))
    assert (got.code, got.reason) == (INVALID, "INVALID_REQUEST")
    assert "UTF-8" in got.message


def test_unknown_fields_are_left_alone(calls: Calls) -> None:
    newer = order().SerializeToString() + b"\xc2\x3e\x03new"
    assert pb.DecideResponse.FromString(calls.raw()(newer, timeout=30)).outputs["outcome"] == word("ship")


def test_a_request_that_is_too_large(calls: Calls) -> None:
    got = refused(calls.decisions.Decide, order(facts={"text": word("x" * (4 * 1024 * 1024))}))
    assert (got.code, got.reason, got.metadata["limit"]) == (TOO_MUCH, "REQUEST_TOO_LARGE", str(4 * 1024 * 1024))
    assert got.kinds == ("ErrorInfo", "QuotaFailure")
    batch = pb.BatchDecideRequest(requests=[order(facts={"text": word("x" * 1024 * 1024)})] * 33)
    assert refused(calls.decisions.BatchDecide, batch).reason == "REQUEST_TOO_LARGE"
    # Beyond what the transport takes in, grpcio refuses by itself.
    with pytest.raises(grpc.RpcError) as failed:
        calls.raw()(b"x" * (49 * 1024 * 1024), timeout=30)
    assert failed.value.code() is TOO_MUCH


def test_an_unknown_method(calls: Calls) -> None:
    for method in ("/policybook.v1.DecisionService/Guess", "/other.Service/Decide"):
        with pytest.raises(grpc.RpcError) as failed:
            calls.raw(method)(b"", timeout=30)
        assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@pytest.mark.parametrize(
    "frames",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),  # the start of TLS
        b"\x00" * 1000,
        PREFACE,
        PREFACE + SETTINGS + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + b"x" * 100,  # a frame of 16 MiB
        PREFACE + SETTINGS + b"\x00\x00\x05\x01\x04\x00\x00\x00\x01\xff\xff\xff\xff\xff",  # headers that are no HPACK
        PREFACE + SETTINGS + b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00",  # a window update of 0
        PREFACE + SETTINGS + b"\x00\x00\x08\x06\x00\x00\x00\x00\x00pingping" * 200,  # a flood of pings
    ],
)
def test_malformed_frames(server: Any, frames: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.settimeout(0.5)
        try:
            connection.sendall(frames)
            while connection.recv(65536):
                pass
        except (TimeoutError, ConnectionError):
            pass


HEADERS = b"\x83\x86" + b"".join(
    b"\x00" + bytes((len(name),)) + name + bytes((len(value),)) + value
    for name, value in ((b":path", DECIDE.encode()), (b":authority", b"x"), (b"te", b"trailers"), (b"content-type", b"application/grpc"))
)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"\x00\x00\x00\x00\x63short", b"3"),  # promises more than it brings
        (b"\x07\x00\x00\x00\x01x", b"3"),  # a flag that does not exist
        (b"\x01\x00\x00\x00\x04gzip", b"13"),  # compressed, but nobody said how
        (b"\x00\xff\xff\xff\xff", b"8"),  # a message of 4 GiB
    ],
)
def test_a_broken_message_in_sound_frames(body: bytes, status: bytes) -> None:
    frames = [len(HEADERS).to_bytes(3, "big") + b"\x01\x04\x00\x00\x00\x01" + HEADERS]
    frames.append(len(body).to_bytes(3, "big") + b"\x00\x01\x00\x00\x00\x01" + body)
    with in_thread(Settings(insecure=True, books=(BOOKS,), port=0, reload_s=0)) as inside, Calls(inside.port) as calls:
        got = b""
        with socket.create_connection(("127.0.0.1", inside.port), timeout=5) as connection:
            sent = b"grpc-status" + bytes((len(status),)) + status
            connection.settimeout(20)
            with contextlib.suppress(TimeoutError, ConnectionError):
                connection.sendall(PREFACE + SETTINGS + b"".join(frames))
                while sent not in got and (more := connection.recv(65536)):
                    got += more
        assert sent in got
        assert calls.decide(order()).outcome == pb.OUTCOME_DECIDED
        # Nothing of the broken call is left.
        end = time.monotonic() + 10
        while inside._routes.active and time.monotonic() < end:
            time.sleep(0.02)
        assert inside._routes.active == 0

"""Statuses become exceptions, from calls and from items alike."""

from __future__ import annotations

import inspect
import pickle
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2 as rpc

import policybook_client as client
from policybook_client import (
    FieldViolation,
    PolicybookClient,
    PolicybookError,
    PreconditionViolation,
    QuotaViolation,
    errors,
)

Code = grpc.StatusCode


def info(reason: str, domain: str = "policybook.dev", **metadata: str) -> rpc.ErrorInfo:
    return rpc.ErrorInfo(reason=reason, domain=domain, metadata=metadata)


BAD_REQUEST = rpc.BadRequest(
    field_violations=[
        {"field": "facts.shipment_amount", "description": "must be a money amount, not text"},
        {"field": "facts.colour", "description": "is not a fact of `credit.shipment`", "reason": "UNKNOWN_FACT"},
    ]
)
FAILURE = rpc.PreconditionFailure(
    violations=[{"type": "CONFLICTING_ROWS", "subject": "credit.shipment", "description": "rows `a` and `b` both match"}]
)
QUOTA = rpc.QuotaFailure(violations=[{"subject": "requests", "description": "10,001 is more than the 10,000 allowed"}])
RETRY = rpc.RetryInfo(retry_delay=duration_pb2.Duration(seconds=1, nanos=500_000_000))
RESOURCE = rpc.ResourceInfo(resource_type="decision", resource_name="credit.shipmnet")

CASES: list[tuple[str, grpc.StatusCode, tuple[Any, ...], type[PolicybookError], dict[str, Any]]] = [
    (
        "facts",
        Code.INVALID_ARGUMENT,
        (info("INVALID_FACTS"), BAD_REQUEST),
        client.InvalidFactsError,
        {
            "field_violations": (
                FieldViolation("facts.shipment_amount", "must be a money amount, not text"),
                FieldViolation("facts.colour", "is not a fact of `credit.shipment`", "UNKNOWN_FACT"),
            ),
            "reason": "INVALID_FACTS",
        },
    ),
    ("request", Code.INVALID_ARGUMENT, (info("INVALID_REQUEST"),), client.InvalidRequestError, {"field_violations": ()}),
    (
        "not found",
        Code.NOT_FOUND,
        (info("DECISION_NOT_FOUND", nearest="credit.shipment, credit.limit"), RESOURCE),
        client.NotFoundError,
        {"nearest": ("credit.shipment", "credit.limit"), "resource_type": "decision", "resource_name": "credit.shipmnet"},
    ),
    ("no near name", Code.NOT_FOUND, (info("VERSION_NOT_FOUND"),), client.NotFoundError, {"nearest": ()}),
    ("not in force", Code.FAILED_PRECONDITION, (info("NOT_IN_FORCE"),), client.NotInForceError, {"violations": ()}),
    ("book not in force", Code.FAILED_PRECONDITION, (info("BOOK_NOT_IN_FORCE"),), client.NotInForceError, {}),
    (
        "conflict",
        Code.FAILED_PRECONDITION,
        (info("CONFLICTING_ROWS"), FAILURE),
        client.ConflictError,
        {"violations": (PreconditionViolation("CONFLICTING_ROWS", "credit.shipment", "rows `a` and `b` both match"),)},
    ),
    ("version", Code.FAILED_PRECONDITION, (info("VERSION_MISMATCH"),), client.VersionMismatchError, {}),
    ("other precondition", Code.FAILED_PRECONDITION, (info("NEW_REASON"),), client.FailedPreconditionError, {"reason": "NEW_REASON"}),
    (
        "too many",
        Code.RESOURCE_EXHAUSTED,
        (info("TOO_MANY_ITEMS"), QUOTA),
        client.ResourceExhaustedError,
        {"violations": (QuotaViolation("requests", "10,001 is more than the 10,000 allowed"),), "retry_after": None},
    ),
    (
        "overloaded",
        Code.RESOURCE_EXHAUSTED,
        (info("OVERLOADED"), RETRY),
        client.ResourceExhaustedError,
        {"retry_after": timedelta(seconds=1.5)},
    ),
    ("starting", Code.UNAVAILABLE, (info("STARTING"), RETRY), client.UnavailableError, {"retry_after": timedelta(seconds=1.5)}),
    ("unavailable", Code.UNAVAILABLE, (), client.UnavailableError, {"retry_after": None, "reason": ""}),
    ("deadline", Code.DEADLINE_EXCEEDED, (info("TIME"),), client.DeadlineExceededError, {}),
    ("internal", Code.INTERNAL, (info("INTERNAL", incident="i-7"),), client.InternalError, {"incident_id": "i-7"}),
    ("crash without details", Code.UNKNOWN, (), client.InternalError, {"incident_id": "", "code": Code.UNKNOWN}),
    ("nobody", Code.UNAUTHENTICATED, (info("CREDENTIALS_REFUSED"),), client.UnauthenticatedError, {"reason": "CREDENTIALS_REFUSED"}),
    (
        "no role",
        Code.PERMISSION_DENIED,
        (info("ROLE_REQUIRED", roles="admin,audit", policy="credit"),),
        client.PermissionDeniedError,
        {"roles": ("admin", "audit"), "policy": "credit"},
    ),
    ("a proxy's refusal", Code.PERMISSION_DENIED, (info("NO_TOKEN", "proxy.example"),), client.PermissionDeniedError, {"roles": ()}),
    ("anything else", Code.ABORTED, (info("RACE", "proxy.example"),), PolicybookError, {"reason": "RACE"}),
    ("another's reason", Code.INVALID_ARGUMENT, (info("INVALID_FACTS", "proxy.example"),), client.InvalidRequestError, {}),
]


@pytest.mark.parametrize(("code", "details", "kind", "attributes"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
@pytest.mark.parametrize("of", ["call", "batch"])
def test_a_status_becomes_its_exception(
    fake: Any,
    kit: Any,
    *,
    of: str,
    code: grpc.StatusCode,
    details: tuple[Any, ...],
    kind: type[PolicybookError],
    attributes: dict[str, Any],
) -> None:
    fake.answers["Decide"] = lambda _, context: kit.refuse(context, code, "it is so", *details)
    fake.answers["BatchDecide"] = lambda _, __: kit.pb.BatchDecideResponse(results=[kit.item_error(code, "it is so", *details)])
    with PolicybookClient(fake.target, retry=None) as asker:
        if of == "call":
            with pytest.raises(PolicybookError) as raised:
                asker.decide("credit.shipment", {})
            error = raised.value
            assert isinstance(error.__cause__, grpc.RpcError)
        else:
            [result] = asker.decide_batch([client.DecisionRequest(decision="credit.shipment")])
            assert isinstance(result, PolicybookError)
            error = result
    assert type(error) is kind
    assert error.message == "it is so"
    assert error.code is attributes.pop("code", code)
    assert {name: getattr(error, name) for name in attributes} == attributes
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(again) is kind
    assert (again.args, vars(again).keys(), str(again), again.metadata) == (error.args, vars(error).keys(), str(error), error.metadata)


def test_an_error_shows_every_fault(fake: Any, kit: Any) -> None:
    details = (info("INVALID_FACTS"), BAD_REQUEST)
    fake.answers["Decide"] = lambda _, context: kit.refuse(context, Code.INVALID_ARGUMENT, "2 facts cannot be used", *details)
    with PolicybookClient(fake.target) as asker, pytest.raises(client.InvalidFactsError) as raised:
        asker.decide("credit.shipment", {})
    assert str(raised.value) == (
        "2 facts cannot be used\n"
        "  facts.shipment_amount: must be a money amount, not text\n"
        "  facts.colour: is not a fact of `credit.shipment`"
    )


def test_a_fault_is_not_said_twice() -> None:
    violations = (FieldViolation("facts.a", "`x` is no amount; write `5`"), FieldViolation("facts.b", "missing"))
    facts = client.InvalidFactsError("`x` is no amount; missing", field_violations=violations, metadata={"omitted": "7"})
    assert str(facts) == "facts.a: `x` is no amount; write `5`\n  facts.b: missing\n  ... and 7 more"
    error = client.ConflictError("rows disagree", violations=(PreconditionViolation("CONFLICTING_ROWS", "x", "rows disagree"),))
    assert str(error) == "rows disagree"
    assert error.code is Code.FAILED_PRECONDITION


@pytest.mark.parametrize("trailer", [b"\xff\xff\xff", b""], ids=["no Status", "empty"])
def test_a_broken_trailer_hides_neither_code_nor_message(fake: Any, kit: Any, trailer: bytes) -> None:
    def broken(_: Any, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata((("grpc-status-details-bin", trailer),))
        context.abort(Code.NOT_FOUND, "no decision `x`")

    fake.answers["Decide"] = broken
    with PolicybookClient(fake.target) as asker, pytest.raises(client.NotFoundError, match="no decision `x`"):
        asker.decide("x", {})


def test_a_broken_or_unknown_detail_leaves_the_others(kit: Any) -> None:
    from policybook_client import _wire
    from policybook_client._status import error_of_item

    item = kit.item_error(Code.NOT_FOUND, "no", RESOURCE).error
    item.details.insert(0, any_pb2.Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff"))
    item.details.insert(0, any_pb2.Any(type_url="example.com/of.Another", value=b"\xff"))
    item.details.append(any_pb2.Any(type_url="other.host/google.rpc.ErrorInfo", value=info("DECISION_NOT_FOUND").SerializeToString()))
    error = error_of_item(_wire.ItemError.FromString(item.SerializeToString()))
    assert isinstance(error, client.NotFoundError)
    assert error.resource_name == "credit.shipmnet"
    assert error.reason == "DECISION_NOT_FOUND"


@pytest.mark.parametrize("seconds", [315_576_000_000, 9_000_000_000_000_000_000, -5])
def test_a_senseless_delay_is_still_a_delay(kit: Any, seconds: int) -> None:
    from policybook_client import _wire
    from policybook_client._status import error_of_item

    detail = rpc.RetryInfo(retry_delay=duration_pb2.Duration(seconds=seconds))
    item = kit.item_error(Code.UNAVAILABLE, "", detail).error
    error = error_of_item(_wire.ItemError.FromString(item.SerializeToString()))
    assert isinstance(error, client.UnavailableError)
    assert error.retry_after is not None
    assert timedelta(0) <= error.retry_after <= timedelta(seconds=10**9)
    assert error.message == "UNAVAILABLE"


@pytest.mark.parametrize("number", [0, 99])
def test_an_item_with_a_senseless_code_is_an_error(kit: Any, number: int) -> None:
    from policybook_client import _wire
    from policybook_client._status import error_of_item

    error = error_of_item(_wire.ItemError(code=number, message="odd"))
    assert isinstance(error, PolicybookError)
    assert error.code is not None


def test_there_is_one_tree_of_errors() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
    assert len(kinds) == 15
    assert all(issubclass(kind, PolicybookError) for kind in kinds)
    assert {kind.__name__ for kind in kinds} <= set(client.__all__)

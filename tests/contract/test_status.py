"""The table of statuses is whole, and a status always fits into the metadata of a response."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator

import pytest
from grpc import StatusCode

from contract.calls import taken_apart
from policybook import errors
from policybook.diagnostics import Code, Finding, Report, Severity
from policybook.errors import PolicybookError
from policybook.server import limits, status
from policybook.server.access import errors as access
from policybook.server.status import TABLE, abortion, clip, status_of
from policybook.source import NOWHERE

CONTRACT = {
    StatusCode.INVALID_ARGUMENT: ("INVALID_FACTS", "INVALID_REQUEST"),
    StatusCode.NOT_FOUND: ("DECISION_NOT_FOUND", "POLICY_NOT_FOUND", "VERSION_NOT_FOUND", "RECORD_NOT_FOUND"),
    StatusCode.ALREADY_EXISTS: ("REQUEST_ID_TAKEN",),
    StatusCode.FAILED_PRECONDITION: ("NOT_IN_FORCE", "CONFLICTING_ROWS", "VERSION_MISMATCH", "INVALID_BOOK", "NO_LOG", "MASKED_FACTS"),
    StatusCode.RESOURCE_EXHAUSTED: ("TOO_MANY_ITEMS", "REQUEST_TOO_LARGE", "ANSWER_TOO_LARGE", "OVERLOADED", "RATE_LIMITED"),
    StatusCode.UNAVAILABLE: ("STARTING", "SHUTTING_DOWN", "LOG_UNAVAILABLE", "KEYS_UNAVAILABLE"),
    StatusCode.UNAUTHENTICATED: ("CREDENTIALS_MISSING", "CREDENTIALS_REFUSED"),
    StatusCode.PERMISSION_DENIED: ("ROLE_REQUIRED",),
    StatusCode.DEADLINE_EXCEEDED: ("TIME_LIMIT",),
    StatusCode.INTERNAL: ("INTERNAL", "ENGINE_DISAGREES"),
}
DETAIL = {
    StatusCode.INVALID_ARGUMENT: "BadRequest",
    StatusCode.NOT_FOUND: "ResourceInfo",
    StatusCode.ALREADY_EXISTS: "ResourceInfo",
    StatusCode.FAILED_PRECONDITION: "PreconditionFailure",
    StatusCode.RESOURCE_EXHAUSTED: "QuotaFailure",
    StatusCode.UNAVAILABLE: "RetryInfo",
}


def subclasses(kind: type[PolicybookError]) -> Iterator[type[PolicybookError]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from subclasses(inner)


def finding(number: int, text: str = "wrong") -> Finding:
    return Finding(code=Code.MISSING_FACT, severity=Severity.ERROR, message=text, span=NOWHERE, path=f"facts.f{number}", help="mend it")


def examples(long: str = "") -> list[PolicybookError]:
    report = Report(tuple(finding(i, f"wrong {long}") for i in range(300 if long else 2)))
    return [
        PolicybookError(f"x{long}"),
        errors.EngineError(f"x{long}"),
        errors.FactsError(report),
        errors.RequestError(f"field{long}", f"bad{long}"),
        *(errors.UnknownNameError(kind, f"name{long}", (f"near{long}",) * 3) for kind in ("decision", "policy", "version", "record")),
        errors.NotInForceError(f"p{long}", "2026-01-01", f"not yet{long}"),
        errors.ConflictError(f"p.d{long}", tuple(f"row{long}" for _ in range(100)), "unique"),
        errors.VersionMismatchError(f"p{long}", f"pin{long}", f"now{long}"),
        errors.BookError(report, f"p{long}"),
        errors.LimitError(f"things{long}", 1, 2),
        errors.LogError(f"no room{long}", 1.0),
        errors.NoLogError(),
        errors.MaskedError(f"id{long}", tuple(f"fact{long}" for _ in range(100))),
        errors.RequestIdTakenError(f"mine{long}", f"id{long}", "2026-03-31T08:00:00.000000Z", f"other{long}"),
        limits.TooManyItemsError("things", 1, 2),
        limits.RequestTooLargeError("bytes", 1, 2),
        limits.AnswerTooLargeError("bytes", 1, 2),
        limits.OverloadedError("calls", 1, 2, 1.5),
        limits.TimeLimitError(60.0),
        access.RateError(10, 1.5),
        access.UnauthenticatedError("send a token", presented=False),
        access.UnauthenticatedError("send a token", presented=True),
        access.ForbiddenError(f"erp{long}", ("audit",), f"credit{long}"),
        access.KeysError(1.0),
        limits.StartingError(1.0),
        limits.ShuttingDownError(1.0),
    ]


def ours(kind: type[PolicybookError]) -> bool:
    return kind.__module__.startswith("policybook.")


def test_every_exception_has_a_line() -> None:
    assert {k for k in subclasses(PolicybookError) if ours(k)} == set(TABLE)
    assert {type(e) for e in examples()} == set(TABLE)


def test_reasons_and_details_are_those_of_the_contract() -> None:
    seen: dict[StatusCode, set[str]] = {}
    for error in examples():
        got = taken_apart(status_of(error, "p.d"))
        seen.setdefault(got.code, set()).add(got.reason)
        assert got.kinds[0] == "ErrorInfo"
        assert DETAIL.get(got.code, "ErrorInfo") in got.kinds
        assert ("RetryInfo" in got.kinds) == (got.code is StatusCode.UNAVAILABLE or got.reason in ("OVERLOADED", "RATE_LIMITED"))
        assert ("incident" in got.metadata) == (got.code is StatusCode.INTERNAL)
        assert got.metadata["decision"] == "p.d"
        assert not got.message.removesuffix("...").endswith(".")
    assert seen == {code: set(reasons) for code, reasons in CONTRACT.items()}


def test_what_is_no_error_of_ours_is_a_fault_of_ours() -> None:
    got = taken_apart(status_of(KeyError("secret")))
    assert (got.code, got.reason) == (StatusCode.INTERNAL, "INTERNAL")
    assert "secret" not in got.message


def test_a_stranger_among_our_own_errors_is_a_fault_too() -> None:
    class StrangeError(PolicybookError):
        """Made in a test."""

    assert taken_apart(status_of(StrangeError("x"))).reason == "INTERNAL"


@pytest.mark.parametrize("filler", ["x", "规", "\N{PILE OF POO}", "\0", "%"])
def test_a_status_fits_into_the_metadata(filler: str) -> None:
    for error in examples(filler * 5_000):
        made = status_of(error, f"p.{filler * 5_000}")
        _, message, ((_, packed),) = abortion(made)
        assert len(packed) <= status.MAX_STATUS_BYTES, type(error)
        # As it travels: the details as base64, the message percent-encoded, both with room for the rest of 8 KiB.
        assert len(packed) * 4 / 3 + len(message.encode()) * 3 < 7_800


def test_what_is_left_out_is_counted() -> None:
    got = taken_apart(status_of(errors.FactsError(Report(tuple(finding(i) for i in range(10_000))))))
    assert got.metadata["faults"] == "10000"
    assert len(got.fields) + int(got.metadata["omitted"]) == 10_000
    assert len(got.fields) == status.MAX_ENTRIES
    assert list(got.fields) == [f"facts.f{i}" for i in range(50)]


def test_texts_are_cut_between_characters() -> None:
    assert clip("abc", 3) == "abc"
    assert clip("abcd" * 10, 10) == "abcdabc..."
    assert clip("规" * 10, 10) == "规规..."
    assert clip("规" * 3, 9) == "规" * 3


def test_reasons_stand_in_the_table_alone() -> None:
    """No module of the server picks a status by itself."""
    from policybook.server import servicer

    tree = ast.parse(inspect.getsource(servicer))
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr == "StatusCode"]

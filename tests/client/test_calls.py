"""Deadlines, retries, metadata, pages: what both clients do around an answer."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import grpc
import pytest
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2 as rpc

import policybook_client as client
from policybook_client import AsyncPolicybookClient, DecisionRequest, Health, PolicybookClient, RetryPolicy, TraceLevel
from policybook_client._rpc import is_loopback

Code = grpc.StatusCode
SOON = timedelta(milliseconds=300)
QUICK = RetryPolicy(initial_backoff=timedelta(milliseconds=5))


def after(failures: int, failing: Callable[[Any], Any], kit: Any) -> Callable[[Any, Any], Any]:
    """Fail some times, then answer."""
    left = [failures]

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        if left[0]:
            left[0] -= 1
            return failing(context)
        return kit.decided(request, outcome="ship")

    return answer


def test_a_request_carries_every_argument(fake: Any, kit: Any, either: Any) -> None:
    with either(fake.target, metadata=[("x-tenant", "north")]) as asker:
        asker.decide(
            "credit.shipment",
            {"stage": "first"},
            as_of=date(2026, 3, 1),
            policy_version="3f2a9c01",
            trace=TraceLevel.FULL,
            language="zh",
            request_id="order-7",
        )
        asker.decide("credit.shipment", {}, as_of=datetime(2026, 3, 1, 8, tzinfo=ZoneInfo("Asia/Shanghai")))
        asker.decide("credit.shipment", {})
    full, instant, bare = fake.requests
    assert full == kit.pb.DecideRequest(
        decision="credit.shipment",
        facts={"stage": kit.values_pb.Value(text="first")},
        as_of_date="2026-03-01",
        policy_version="3f2a9c01",
        trace_level=3,
        language="zh",
        request_id="order-7",
    )
    assert instant.as_of_time.ToDatetime(UTC) == datetime(2026, 3, 1, tzinfo=UTC)
    assert bare == kit.pb.DecideRequest(decision="credit.shipment", trace_level=2, language="en")
    assert fake.metadata[0]["x-tenant"] == "north"
    assert str(fake.metadata[0]["user-agent"]).startswith(f"policybook-client/{client.__version__} ")


def test_a_client_has_its_own_defaults(fake: Any, either: Any) -> None:
    with either(fake.target, trace=TraceLevel.NONE, language="zh") as asker:
        asker.decide("credit.shipment", {})
    assert (fake.requests[0].trace_level, fake.requests[0].language) == (1, "zh")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"facts": {"share": 0.5}}, TypeError, r"facts.share: float 0.5 is not exact: write Decimal\('0.5'\)"),
        ({"as_of": "2026-03-01"}, TypeError, "as_of: a date or an aware datetime, not str"),
        ({"as_of": datetime(2026, 3, 1)}, ValueError, "as_of: datetime 2026-03-01T00:00:00 has no time zone"),  # noqa: DTZ001
        ({"timeout": 5}, TypeError, r"a time is a timedelta, not int: write `timedelta\(seconds=5\)`"),
        ({"timeout": timedelta(0)}, ValueError, "a time allowed must be positive, not 0:00:00"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_sending(
    fake: Any, either: Any, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with either(fake.target) as asker, pytest.raises(error, match=message):
        asker.decide("credit.shipment", **({"facts": {}} | arguments))
    assert fake.requests == []


def test_a_batch_names_the_item_that_cannot_be_sent(fake: Any, either: Any) -> None:
    requests = [DecisionRequest(decision="a.b"), DecisionRequest(decision="a.b", facts={"x": [0.5]})]  # type: ignore[list-item]
    with either(fake.target) as asker, pytest.raises(TypeError, match=r"requests\[1\].facts.x\[0\]: float"):
        asker.decide_batch(requests)
    assert fake.requests == []


def test_one_bad_item_spoils_no_other(fake: Any, kit: Any, either: Any) -> None:
    def answer(batch: Any, _: Any) -> Any:
        good = [kit.pb.DecideResult(response=kit.decided(request, outcome="ship")) for request in batch.requests]
        unread = kit.decided(batch.requests[0], outcome="ship")
        unread.outcome = 0
        good[1:1] = [kit.item_error(Code.NOT_FOUND, "no decision `x`"), kit.pb.DecideResult(), kit.pb.DecideResult(response=unread)]
        return kit.pb.BatchDecideResponse(results=good[: len(batch.requests)])

    fake.answers["BatchDecide"] = answer
    with either(fake.target) as asker:
        results = asker.decide_batch(DecisionRequest(decision="a.b", request_id=str(n)) for n in range(5))
    assert [type(result).__name__ for result in results] == ["Decision", "NotFoundError", "InternalError", "InternalError", "Decision"]
    assert str(results[2]) == "the service's answer cannot be read: a result holds neither an answer nor an error"
    assert results[4].request_id == "1"


def test_a_batch_that_comes_back_short_is_an_error(fake: Any, kit: Any, either: Any) -> None:
    fake.answers["BatchDecide"] = lambda _, __: kit.pb.BatchDecideResponse()
    with either(fake.target) as asker, pytest.raises(client.InternalError, match="0 results to 1 requests"):
        asker.decide_batch([DecisionRequest(decision="a.b")])


# ---------------------------------------------------------------- deadlines


def test_no_answer_in_time_is_said_so(fake: Any, kit: Any, either: Any) -> None:
    released = threading.Event()
    fake.answers["Decide"] = lambda request, _: released.wait(10) and kit.decided(request)
    with either(fake.target, timeout=SOON) as asker:
        begun = time.monotonic()
        with pytest.raises(client.DeadlineExceededError) as raised:
            asker.decide("credit.shipment", {})
        took = time.monotonic() - begun
    released.set()
    assert 0.25 < took < 2
    assert str(raised.value) == f"no answer from {fake.target} within 0.3 s"
    assert raised.value.code is Code.DEADLINE_EXCEEDED
    assert isinstance(raised.value.__cause__, grpc.RpcError)
    assert len(fake.requests) == 1


def test_the_service_knows_the_deadline(fake: Any, kit: Any, either: Any) -> None:
    left: list[float] = []

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        left.append(context.time_remaining())
        return kit.decided(request)

    fake.answers["Decide"] = answer
    with either(fake.target) as asker:
        asker.decide("credit.shipment", {})
        asker.decide("credit.shipment", {}, timeout=timedelta(seconds=60))
    assert 3 < left[0] <= 5.1
    assert 50 < left[1] <= 60.1


# ---------------------------------------------------------------- retries


def test_an_unavailable_service_is_asked_again(fake: Any, kit: Any, either: Any) -> None:
    fake.answers["Decide"] = after(4, lambda context: kit.refuse(context, Code.UNAVAILABLE, "going down"), kit)
    with either(fake.target, retry=QUICK) as asker:
        assert asker.decide("credit.shipment", {})["outcome"] == "ship"
    assert len(fake.requests) == 5


def test_in_the_end_the_error_is_raised(fake: Any, kit: Any, either: Any) -> None:
    fake.answers["Decide"] = after(9, lambda context: kit.refuse(context, Code.UNAVAILABLE, "going down"), kit)
    with either(fake.target, retry=QUICK) as asker, pytest.raises(client.UnavailableError, match="going down") as raised:
        asker.decide("credit.shipment", {})
    assert raised.value.__notes__ == ["attempts: 5"]
    assert len(fake.requests) == 5


def test_an_overloaded_service_is_given_the_time_it_asks_for(fake: Any, kit: Any, either: Any) -> None:
    overloaded = (
        rpc.ErrorInfo(reason="OVERLOADED", domain="policybook.dev"),
        rpc.RetryInfo(retry_delay=duration_pb2.Duration(nanos=400_000_000)),
    )
    fake.answers["Decide"] = after(1, lambda context: kit.refuse(context, Code.RESOURCE_EXHAUSTED, "busy", *overloaded), kit)
    with either(fake.target, retry=QUICK) as asker:
        begun = time.monotonic()
        asker.decide("credit.shipment", {})
    assert 0.4 <= time.monotonic() - begun < 2
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    "code",
    [Code.RESOURCE_EXHAUSTED, Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.INTERNAL, Code.UNKNOWN, Code.ABORTED],
)
def test_nothing_else_is_asked_again(fake: Any, kit: Any, either: Any, code: grpc.StatusCode) -> None:
    fake.answers["Decide"] = after(1, lambda context: kit.refuse(context, code, "no"), kit)
    with either(fake.target, retry=QUICK) as asker, pytest.raises(client.PolicybookError):
        asker.decide("credit.shipment", {})
    assert len(fake.requests) == 1


def test_retries_can_be_turned_off(fake: Any, kit: Any, either: Any) -> None:
    fake.answers["Decide"] = after(1, lambda context: kit.refuse(context, Code.UNAVAILABLE, "no"), kit)
    with either(fake.target, retry=None) as asker, pytest.raises(client.UnavailableError):
        asker.decide("credit.shipment", {})
    assert len(fake.requests) == 1


def test_no_time_is_slept_that_the_deadline_does_not_hold(fake: Any, kit: Any, either: Any) -> None:
    later = rpc.RetryInfo(retry_delay=duration_pb2.Duration(seconds=60))
    fake.answers["Decide"] = after(1, lambda context: kit.refuse(context, Code.UNAVAILABLE, "starting", later), kit)
    with either(fake.target) as asker:
        begun = time.monotonic()
        with pytest.raises(client.UnavailableError) as raised:
            asker.decide("credit.shipment", {})
    assert time.monotonic() - begun < 1
    assert raised.value.retry_after == timedelta(minutes=1)


def test_the_deadline_holds_for_all_attempts_together(fake: Any, kit: Any, either: Any) -> None:
    def slow(context: grpc.ServicerContext) -> None:
        time.sleep(0.15)
        kit.refuse(context, Code.UNAVAILABLE, "no")

    fake.answers["Decide"] = after(99, slow, kit)
    policy = RetryPolicy(max_attempts=99, initial_backoff=timedelta(milliseconds=1), max_backoff=timedelta(milliseconds=1))
    with either(fake.target, retry=policy, timeout=timedelta(milliseconds=500)) as asker:
        begun = time.monotonic()
        with pytest.raises((client.UnavailableError, client.DeadlineExceededError)):
            asker.decide("credit.shipment", {})
    assert time.monotonic() - begun < 1.5
    assert 2 <= len(fake.requests) <= 4


def test_a_restart_of_the_service_is_not_seen(fake: Any, either: Any) -> None:
    with either(fake.target) as asker:
        asker.decide("credit.shipment", {})
        port = int(fake.target.rpartition(":")[2])
        fake.stop()
        again = threading.Timer(0.6, fake.start, args=(port,))
        again.start()
        assert asker.decide("credit.shipment", {})["outcome"] == "ship"
        again.join()


@pytest.mark.parametrize("options", [{"max_attempts": 0}, {"multiplier": 0.5}, {"initial_backoff": timedelta(-1)}])
def test_a_senseless_retry_policy_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a retry policy has"):
        RetryPolicy(**options)


# ---------------------------------------------------------------- readiness


def test_health_is_asked_once(fake: Any, kit: Any, either: Any) -> None:
    with either(fake.target) as asker:
        assert asker.health() is Health.SERVING
        fake.set_health(kit.NOT_SERVING)
        assert asker.health() is Health.NOT_SERVING


def test_a_client_waits_until_the_service_is_ready(fake: Any, kit: Any, either: Any) -> None:
    fake.set_health(kit.NOT_SERVING)
    port = int(fake.target.rpartition(":")[2])
    fake.stop()
    with either(fake.target) as asker:
        start = threading.Timer(0.2, fake.start, args=(port,))
        serve = threading.Timer(0.5, fake.set_health, args=(kit.SERVING,))
        start.start()
        serve.start()
        asker.wait_until_ready(timedelta(seconds=8))
        assert asker.health() is Health.SERVING
        start.join()
        serve.join()


def test_a_service_that_is_not_ready_in_time_is_unavailable(fake: Any, kit: Any, either: Any) -> None:
    fake.set_health(kit.NOT_SERVING)
    with either(fake.target) as asker, pytest.raises(client.UnavailableError) as raised:
        asker.wait_until_ready(SOON)
    assert str(raised.value) == f"{fake.target} was not ready within 0.3 s: NOT_SERVING"


def test_a_service_that_is_not_there_is_unavailable(fake: Any, either: Any) -> None:
    fake.stop()
    with either(fake.target, retry=QUICK) as asker:
        with pytest.raises(client.UnavailableError, match=r"onnect"):
            asker.decide("credit.shipment", {})
        with pytest.raises(client.UnavailableError, match=r"not ready within 0\.3 s: not reached"):
            asker.wait_until_ready(SOON)


def test_connect_gives_a_client_that_is_ready(fake: Any, kit: Any) -> None:
    with PolicybookClient.connect(fake.target, language="zh") as asker:
        asker.decide("a.b", {})
    assert fake.requests[-1].language == "zh"
    fake.set_health(kit.NOT_SERVING)
    with pytest.raises(client.UnavailableError):
        PolicybookClient.connect(fake.target, ready_timeout=SOON)


def test_connect_of_asyncio_gives_a_client_that_is_ready(fake: Any, kit: Any) -> None:
    async def main() -> None:
        async with await AsyncPolicybookClient.connect(fake.target) as asker:
            await asker.decide("a.b", {})
        fake.set_health(kit.NOT_SERVING)
        with pytest.raises(client.UnavailableError):
            await AsyncPolicybookClient.connect(fake.target, ready_timeout=SOON)

    asyncio.run(main())


# ---------------------------------------------------------------- what is served


def test_all_pages_are_read(fake: Any, kit: Any, either: Any) -> None:
    pages = {"": (["credit", "grading"], "2"), "2": (["reception"], "3"), "3": ([], "")}

    def answer(request: Any, _: Any) -> Any:
        names, token = pages[request.page_token]
        policies = [kit.policy_pb.Policy(name=name) for name in names]
        return kit.policy_pb.ListPoliciesResponse(policies=policies, next_page_token=token)

    fake.answers["ListPolicies"] = answer
    with either(fake.target) as asker:
        assert [policy.name for policy in asker.list_policies()] == ["credit", "grading", "reception"]


def test_pages_without_end_are_an_error(fake: Any, kit: Any, either: Any) -> None:
    fake.answers["ListDecisionDefinitions"] = lambda _, __: kit.policy_pb.ListDecisionDefinitionsResponse(next_page_token="x")  # noqa: S106 - no password
    with either(fake.target) as asker, pytest.raises(client.InternalError, match="a page token came twice"):
        asker.list_decisions("credit")
    assert len(fake.requests) == 2


def test_a_definition_is_typed(fake: Any, kit: Any, either: Any) -> None:
    pb, value = kit.policy_pb, kit.values_pb.Value
    fake.answers["GetDecisionDefinition"] = lambda request, _: pb.GetDecisionDefinitionResponse(
        decision_definition=pb.DecisionDefinition(
            name=request.name,
            policy_version="ab" * 32,
            title="May it go out?",
            hit_policy=pb.HIT_POLICY_COLLECT,
            aggregation=pb.AGGREGATION_SUM,
            inputs=[
                pb.FieldDefinition(
                    name="payments",
                    kind=pb.VALUE_KIND_LIST,
                    default_value=value(list={}),
                    element=pb.FieldDefinition(
                        kind=pb.VALUE_KIND_RECORD,
                        fields=[pb.FieldDefinition(name="amount", kind=pb.VALUE_KIND_MONEY, currency="CNY", min=value(decimal="0"))],
                    ),
                ),
                pb.FieldDefinition(
                    name="stage", kind=pb.VALUE_KIND_ENUM, required=True, enum_values=[pb.EnumValue(value="first", title="首次")]
                ),
                pb.FieldDefinition(name="later", kind=99),
            ],
            parameters=[pb.ParameterDefinition(name="cap", value=value(decimal="1/3"), effective_from="2025-01-01")],
            rows=[
                pb.RowDefinition(
                    row_id="r",
                    tests=[pb.TestDefinition(name="stage", test="first")],
                    outputs={"b": "2", "a": "1"},
                    clauses=["12.2.1"],
                )
            ],
            required_decisions=["credit.limit"],
        )
    )
    with either(fake.target) as asker:
        found = asker.get_decision("credit.shipment", as_of=date(2026, 3, 1), policy_version="abababab", language="zh")
        with pytest.raises(TypeError, match="as_of: a table is described as of a date, not datetime"):
            asker.get_decision("credit.shipment", as_of=datetime(2026, 3, 1, tzinfo=UTC))
    request = fake.requests[0]
    assert (request.as_of_date, request.policy_version, request.language) == ("2026-03-01", "abababab", "zh")
    assert (found.hit_policy, found.aggregation) == (client.HitPolicy.COLLECT, client.Aggregation.SUM)
    payments, stage, later = found.inputs
    assert payments.has_default
    assert payments.default == ()
    assert payments.element is not None
    assert payments.element.fields[0].min == 0
    assert payments.element.fields[0].max is None
    assert (stage.required, stage.enum_values[0].title, stage.has_default) == (True, "首次", False)
    assert later.kind is client.ValueKind.UNKNOWN
    assert found.parameters[0].effective_from == date(2025, 1, 1)
    assert found.rows[0].tests == (("stage", "first"),)
    assert list(found.rows[0].outputs) == ["a", "b"]


def test_a_report_of_a_check_reads_well(fake: Any, kit: Any, either: Any) -> None:
    pb = kit.policy_pb
    findings = [
        pb.Finding(
            code="PB104", name="unknown-key", severity=1, message="unknown key `ruels`", help="did you mean `rules`?", file="x.yaml", line=3,
            column=5,
        ),
        pb.Finding(code="PB111", name="empty", severity=2, message="nothing here", file="x.yaml"),
    ]  # fmt: skip
    fake.answers["Check"] = lambda request, _: pb.CheckResponse(ok=not request.source, findings=findings)
    with either(fake.target) as asker:
        report = asker.check("policy: x\n", file_name="x.yaml")
        assert asker.check("")
        with pytest.raises(TypeError, match="check takes the YAML text as str, not bytes"):
            asker.check(b"policy: x")
        with pytest.raises(ValueError, match="the YAML text cannot be written as UTF-8: surrogates not allowed at 1"):
            asker.check("x\ud800")
    assert not report
    assert str(report) == (
        "x.yaml:3:5: error[PB104 unknown-key]: unknown key `ruels`\n  help: did you mean `rules`?\n"
        "x.yaml: warning[PB111 empty]: nothing here"
    )


# ---------------------------------------------------------------- connections


@pytest.mark.parametrize(
    ("target", "loopback"),
    [
        ("localhost:50151", True),
        ("localhost", True),
        ("policy.localhost:1", True),
        ("127.0.0.1:1", True),
        ("127.8.8.8:1", True),
        ("[::1]:1", True),
        ("::1", True),
        ("dns:///localhost:1", True),
        ("dns://8.8.8.8/localhost:1", True),
        ("ipv4:127.0.0.1:1,127.0.0.2:1", True),
        ("ipv6:[::1]:1", True),
        ("unix:/run/policybook.sock", True),
        ("unix-abstract:policybook", True),
        ("policy.example.com:443", False),
        ("localhost.example.com:443", False),
        ("ipv4:127.0.0.1:1,10.0.0.1:1", False),
        ("10.0.0.1:1", False),
        ("[2001:db8::1]:1", False),
        ("0.0.0.0:1", False),
        ("xds:///localhost", False),
        ("", False),
    ],
)
def test_only_this_machine_is_called_in_the_clear(target: str, loopback: bool) -> None:
    assert is_loopback(target) is loopback
    if loopback:
        PolicybookClient(target).close()
        AsyncPolicybookClient(target)
    else:
        for kind in (PolicybookClient, AsyncPolicybookClient):
            with pytest.raises(ValueError, match="is not on this machine: pass `credentials="):
                kind(target)


def test_another_machine_is_called_with_tls_or_on_request() -> None:
    PolicybookClient("policy.example.com:443", credentials=grpc.ssl_channel_credentials()).close()
    PolicybookClient("policy.example.com:443", insecure=True).close()
    with pytest.raises(ValueError, match="contradict"):
        PolicybookClient("policy.example.com:443", insecure=True, credentials=grpc.ssl_channel_credentials())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
def test_tls_protects_a_connection(fake: Any, either: Any, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, *names, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    fake.stop()
    fake.start(credentials=grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())]))
    target = f"localhost:{fake.target.rpartition(':')[2]}"
    with either(target, credentials=grpc.ssl_channel_credentials(certificate.read_bytes())) as asker:
        assert asker.decide("a.b", {}).decided
    for options in ({}, {"credentials": grpc.ssl_channel_credentials()}):
        with either(target, retry=None, **options) as asker, pytest.raises(client.UnavailableError):
            asker.decide("a.b", {})


def test_a_message_may_be_larger_than_grpc_takes_by_itself(fake: Any, kit: Any, either: Any) -> None:
    fake.answers["Decide"] = lambda request, _: kit.decided(request, outcome="x" * 5_000_000)
    with either(fake.target) as asker:
        assert len(asker.decide("a.b", {})["outcome"]) == 5_000_000
    with either(fake.target, max_message_bytes=1_000_000) as asker, pytest.raises(client.ResourceExhaustedError):
        asker.decide("a.b", {})


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(fake: Any, either: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with either(fake.target) as asker:
        assert asker.decide("a.b", {}).decided


def test_one_client_serves_many_threads(fake: Any) -> None:
    with PolicybookClient(fake.target) as asker, ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda n: asker.decide("a.b", {}, request_id=str(n)), range(200))
        assert [answer.request_id for answer in answers] == [str(n) for n in range(200)]


def test_one_client_serves_many_tasks(fake: Any) -> None:
    async def main() -> list[str]:
        async with AsyncPolicybookClient(fake.target) as asker:
            answers = await asyncio.gather(*(asker.decide("a.b", {}, request_id=str(n)) for n in range(200)))
        return [answer.request_id for answer in answers]

    assert asyncio.run(main()) == [str(n) for n in range(200)]


def test_a_closed_client_says_so(fake: Any, either: Any) -> None:
    asker = either(fake.target)
    with asker:
        pass
    if either is PolicybookClient:
        with pytest.raises(ValueError, match="closed"):
            asker.decide("a.b", {})
    else:
        with pytest.raises(ValueError, match="the client is closed"):
            asyncio.run(asker.client.decide("a.b", {}))

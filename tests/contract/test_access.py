"""Who may do what, at a real service: credentials, roles, books, and that nothing says more than it should."""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from access import AUDIENCE, ISSUER, Callers, Issuer, bearer, keys_text, write
from contract.calls import BOOKS, DECIDE, Calls, Process, Refusal, order, refusal_of, refused
from policybook.server.access.roles import METHODS, Role
from policybook.v1 import audit_service_pb2 as audit_pb
from policybook.v1 import audit_service_pb2_grpc as audit_grpc
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import policy_service_pb2 as policy_pb

Code = grpc.StatusCode
ROLES = [r.value for r in Role]
# Every address of this machine.
ALL = "::"
FACT = "Seventeen-Whiskers"


@dataclass
class Guarded:
    """A service that knows its callers."""

    process: Process
    callers: Callers
    issuer: Issuer
    calls: Calls

    @property
    def audit(self) -> Any:
        return audit_grpc.AuditServiceStub(self.calls.channel)

    def as_(self, name: str) -> dict[str, Any]:
        """The arguments that make a call one of a caller of the file."""
        return {"metadata": bearer(self.callers.tokens[name]), "timeout": 30}

    def raw(self, method: str) -> Callable[..., Any]:
        """A call of bytes: whether it is let in is known before anybody looks at them."""
        kind = "stream_stream" if method.endswith(("StreamDecide", "ServerReflectionInfo")) else "unary_unary"
        kind = "unary_stream" if method.endswith("Watch") else kind
        made = getattr(self.calls.channel, kind)(method, request_serializer=None, response_deserializer=None)
        return (
            made if kind == "unary_unary" else lambda data, **how: next(made(data if kind == "unary_stream" else iter([data]), **how), None)
        )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    callers, issuer = Callers(folder / "callers.yaml"), Issuer()
    for role in ROLES:
        callers.add(role, role)
    callers.add("shop-only", "decide:shop", "read:shop", "audit:shop")
    callers.add("both", "decide", "audit", "proxy")
    callers.add("left", "decide", more="expires: 2020-12-31")
    callers.put({"name": "till 7", "subject": "till-7", "roles": ["audit:shop"]})
    process = Process(
        BOOKS,
        *("--port", "0", "--reload-s", "0", "--log", folder / "decisions.db", "--log-level", "debug", "--mask", "kinds.text"),
        *("--callers", callers.path, "--jwt-keys", write(folder / "keys.json", keys_text(issuer))),
        *("--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE),
        log=folder / "log",
        insecure=False,
    ).started()
    with Calls(process.port) as calls:
        yield Guarded(process, callers, issuer, calls)
    assert process.end() == 0
    assert "Traceback" not in process.errors()


def outcome(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """What came of a call: `yes` once it was let in, whatever it was answered; else the reason."""
    try:
        call(*args, **kwargs)
    except grpc.RpcError as e:
        if e.code() in (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED):
            return refusal_of(e).reason
        if e.code() not in (Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.UNIMPLEMENTED):
            raise AssertionError(f"neither answered nor refused: {e}") from None
    return "yes"


# ---------------------------------------------------------------- roles


def table() -> list[dict[str, str]]:
    text = (Path(__file__).parent / "access.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def test_the_table_has_every_method_that_is_served_and_every_role(guarded: Guarded) -> None:
    token = guarded.callers.tokens["admin"]
    with_token = grpc.intercept_channel(guarded.calls.channel, _Presents(token))
    database = ProtoReflectionDescriptorDatabase(with_token)
    pool = descriptor_pool.DescriptorPool(database)
    served = {f"/{s}/{m}" for s in database.get_services() for m in pool.FindServiceByName(s).methods_by_name}
    rows = table()
    assert {row["method"] for row in rows} == served == set(METHODS)
    assert list(rows[0]) == ["method", "nobody", *ROLES]


class _Presents(grpc.StreamStreamClientInterceptor):
    def __init__(self, token: str) -> None:
        self._token = token

    def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return continuation(details._replace(metadata=bearer(self._token)), requests)


@pytest.mark.parametrize("row", table(), ids=[r["method"].rpartition("/")[2] for r in table()])
def test_each_role_at_each_method(guarded: Guarded, row: dict[str, str]) -> None:
    call = guarded.raw(row["method"])
    assert outcome(call, b"", timeout=30) == row["nobody"]
    for role in ROLES:
        assert outcome(call, b"", **guarded.as_(role)) == row[role], role


def test_a_refusal_names_the_role_that_is_needed(guarded: Guarded) -> None:
    got = refused(guarded.audit.GetLogStatus, audit_pb.GetLogStatusRequest(), **guarded.as_("decide"))
    assert (got.code, got.reason, got.metadata) == (Code.PERMISSION_DENIED, "ROLE_REQUIRED", {"roles": "admin,audit"})
    assert got.message == "this call needs the role `admin` or `audit`, which `decide` has not; whoever runs the service can grant it"


# ---------------------------------------------------------------- books


def test_decisions_of_other_books_are_refused_one_by_one(guarded: Guarded) -> None:
    mine, other = order(), pb.DecideRequest(decision="kinds.echo")
    decisions, how = guarded.calls.decisions, guarded.as_("shop-only")
    needed = {"roles": "decide", "policy": "kinds", "decision": "kinds.echo"}
    assert decisions.Decide(mine, **how).outcome == pb.OUTCOME_DECIDED
    got = refused(decisions.Decide, other, **how)
    assert (got.code, got.metadata) == (Code.PERMISSION_DENIED, needed)
    assert refused(decisions.Explain, pb.ExplainRequest(decision="kinds.echo"), **how).metadata == needed
    batch = decisions.BatchDecide(pb.BatchDecideRequest(requests=[other, mine, mine, other, mine]), **how).results
    stream = [r.result for r in decisions.StreamDecide((pb.StreamDecideRequest(request=r) for r in (other, mine, other, mine)), **how)]
    for results, places in ((batch, (0, 3)), (stream, (0, 2))):
        assert [r.error.code for r in results] == [Code.PERMISSION_DENIED.value[0] if n in places else 0 for n in range(len(results))]
    # Whether there is such a book is not for everybody either.
    assert refused(decisions.Decide, pb.DecideRequest(decision="nosuch.thing"), **how).code is Code.PERMISSION_DENIED


def test_lists_show_what_the_caller_may_see(guarded: Guarded) -> None:
    policies, how = guarded.calls.policies, guarded.as_("shop-only")
    assert [p.name for p in policies.ListPolicies(policy_pb.ListPoliciesRequest(), **how).policies] == ["shop"]
    listed = policies.ListDecisionDefinitions(policy_pb.ListDecisionDefinitionsRequest(), **how).decision_definitions
    assert {d.name.partition(".")[0] for d in listed} == {"shop"}
    assert (
        refused(policies.ListDecisionDefinitions, policy_pb.ListDecisionDefinitionsRequest(policy="kinds"), **how).reason == "ROLE_REQUIRED"
    )
    assert (
        refused(policies.GetDecisionDefinition, policy_pb.GetDecisionDefinitionRequest(name="kinds.echo"), **how).reason == "ROLE_REQUIRED"
    )
    assert len(policies.ListPolicies(policy_pb.ListPoliciesRequest(), **guarded.as_("read")).policies) == 2


def test_records_of_other_books_are_not_there(guarded: Guarded) -> None:
    decisions, audit = guarded.calls.decisions, guarded.audit
    mine = decisions.Decide(order(), **guarded.as_("both")).decision_id
    other = decisions.Decide(pb.DecideRequest(decision="kinds.echo"), **guarded.as_("both")).decision_id
    how, all_of_them = guarded.as_("shop-only"), audit_pb.ListDecisionRecordsRequest(page_size=1000)
    seen = audit.ListDecisionRecords(all_of_them, **how).decision_records
    assert {r.decision for r in seen} == {"shop.order"}
    assert mine in {r.decision_id for r in seen}
    assert {mine, other} <= {r.decision_id for r in audit.ListDecisionRecords(all_of_them, **guarded.as_("audit")).decision_records}
    assert audit.GetDecisionRecord(audit_pb.GetDecisionRecordRequest(decision_id=mine), **how).decision_record.decision == "shop.order"
    missing = refused(audit.GetDecisionRecord, audit_pb.GetDecisionRecordRequest(decision_id=other[:-1] + "0"), **how)
    for call, request in (
        (audit.GetDecisionRecord, audit_pb.GetDecisionRecordRequest(decision_id=other)),
        (audit.ReevaluateDecision, audit_pb.ReevaluateDecisionRequest(decision_id=other)),
    ):
        got = refused(call, request, **how)
        assert (got.code, got.reason, got.kinds) == (Code.NOT_FOUND, missing.reason, missing.kinds)
    assert refused(audit.ListDecisionRecords, audit_pb.ListDecisionRecordsRequest(decision="kinds.echo"), **how).reason == "ROLE_REQUIRED"


# ---------------------------------------------------------------- who it was


def test_the_log_names_the_caller_that_was_proved(guarded: Guarded) -> None:
    def caller(name: str, *more: tuple[str, str]) -> str:
        metadata = (*bearer(guarded.callers.tokens.get(name) or guarded.issuer.token(name)), *more)
        made = guarded.calls.decisions.Decide(order(), metadata=metadata, timeout=30)
        asked = audit_pb.GetDecisionRecordRequest(decision_id=made.decision_id)
        return str(guarded.audit.GetDecisionRecord(asked, **guarded.as_("audit")).decision_record.caller)

    says = ("x-policybook-caller", "erp")
    assert caller("decide") == "decide"
    assert caller("both") == "both"
    assert caller("both", says) == "erp"
    assert caller("jane") == "jane"
    got = refused(guarded.calls.decisions.Decide, order(), metadata=(*bearer(guarded.callers.tokens["decide"]), says))
    assert (got.code, got.metadata["roles"]) == (Code.PERMISSION_DENIED, "proxy")
    assert caller("decide", ("x-policybook-caller", "decide")) == "decide"


def test_a_request_id_is_the_proved_callers_own(guarded: Guarded) -> None:
    same = order("70", request_id="mine-1")
    decide = guarded.calls.decisions.Decide
    first = decide(same, **guarded.as_("decide")).decision_id
    assert decide(same, **guarded.as_("decide")).decision_id == first
    assert decide(same, **guarded.as_("both")).decision_id != first


# ---------------------------------------------------------------- tokens


def deep(depth: int) -> str:
    body = base64.urlsafe_b64encode(b"[" * depth).decode().rstrip("=")
    return f"{body}.{body}.{body}"


def unsigned(issuer: Issuer) -> str:
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    return jwt.encode(claims, None, algorithm="none", headers={"kid": issuer.kid})


def with_the_public_key_as_a_secret(issuer: Issuer) -> str:
    """What a check that believes a token's own word for its algorithm takes."""
    head = {"alg": "HS256", "typ": "JWT", "kid": issuer.kid}
    parts = [
        base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=")
        for p in (head, {"iss": ISSUER, "aud": AUDIENCE, "sub": "u", "exp": 9e9, "roles": ["decide"]})
    ]
    sealed = hmac.new(json.dumps(issuer.jwk).encode(), b".".join(parts), hashlib.sha256).digest()
    return b".".join((*parts, base64.urlsafe_b64encode(sealed).rstrip(b"="))).decode()


def changed(token: str, **claims: Any) -> str:
    """The same token with other claims under the old signature."""
    head, body, seal = token.split(".")
    whole = json.loads(base64.urlsafe_b64decode(body + "==")) | claims
    return f"{head}.{base64.urlsafe_b64encode(json.dumps(whole).encode()).decode().rstrip('=')}.{seal}"


BAD: dict[str, Callable[[Issuer], str]] = {
    "expired": lambda i: i.token(exp=time.time() - 3600),
    "not valid yet": lambda i: i.token(nbf=time.time() + 3600),
    "for another audience": lambda i: i.token(aud="another"),
    "for no audience": lambda i: i.token(aud=None),
    "of another issuer": lambda i: i.token(iss="https://evil.example.com"),
    "of no issuer": lambda i: i.token(iss=None),
    "for ever": lambda i: i.token(exp=None),
    "of nobody": lambda i: i.token(sub=None),
    "of an empty subject": lambda i: i.token(sub=""),
    "signed by another": lambda i: Issuer(i.kid).token(),
    "signed by another, whose key it brings": lambda i: (o := Issuer(i.kid)).token(headers={"jwk": o.jwk}),
    "signed by another, and says where the key is": lambda i: Issuer(i.kid).token(headers={"jku": "http://127.0.0.1:9/keys"}),
    "with a key that nobody knows": lambda i: i.token(headers={"kid": "k9"}),
    "unsigned": unsigned,
    "with the public key as a secret": with_the_public_key_as_a_secret,
    "with claims changed": lambda i: changed(i.token(), roles=["decide", "audit"]),
    "with a critical extension": lambda i: i.token(headers={"crit": ["b64"], "b64": False}),
    "with an expiry beyond all numbers": lambda i: changed(i.token(), exp=1e308),
    "too deep": lambda _: deep(1_200),
    "cut off": lambda i: i.token()[:-20],
    "no token at all": lambda _: "pb_" + "A" * 43,
    "of zeros": lambda _: "..",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_token_that_proves_nothing(guarded: Guarded, kind: str) -> None:
    token = BAD[kind](guarded.issuer)
    got = refused(guarded.calls.decisions.Decide, order(), metadata=bearer(token))
    nonsense = refused(guarded.calls.decisions.Decide, order(), metadata=bearer("x"))
    # Word for word what is said to any nonsense: nothing tells whether it was nearly right.
    assert (got.code, got.reason, got.message, got.metadata) == (Code.UNAUTHENTICATED, "CREDENTIALS_REFUSED", nonsense.message, {})
    assert got.message == "these credentials are not accepted; send `authorization: Bearer TOKEN`"


@pytest.mark.parametrize("presented", ["Basic dTpw", "Bearer", "Bearer ", "x" * 4_000])
def test_an_authorization_that_is_none(guarded: Guarded, presented: str) -> None:
    got = refused(guarded.calls.decisions.Decide, order(), metadata=[("authorization", presented)])
    assert (got.code, got.reason) == (Code.UNAUTHENTICATED, "CREDENTIALS_REFUSED")


def test_a_caller_of_the_file_whose_day_has_passed(guarded: Guarded) -> None:
    assert refused(guarded.calls.decisions.Decide, order(), **guarded.as_("left")).reason == "CREDENTIALS_REFUSED"


def test_roles_of_a_token(guarded: Guarded) -> None:
    decide, lists = guarded.calls.decisions.Decide, guarded.calls.policies.ListPolicies

    def may(roles: Any, subject: str = "u1", **claims: Any) -> tuple[str, str, str]:
        how: dict[str, Any] = {"metadata": bearer(guarded.issuer.token(subject, roles, **claims)), "timeout": 30}
        other = outcome(decide, pb.DecideRequest(decision="kinds.echo"), **how)
        return outcome(decide, order(), **how), other, outcome(lists, policy_pb.ListPoliciesRequest(), **how)

    yes, no = "yes", "ROLE_REQUIRED"
    assert may(["decide"]) == (yes, yes, no)
    assert may("openid decide read") == (yes, yes, yes)
    assert may(["decide:shop", "admin of something else", 7]) == (yes, no, no)
    assert may([]) == may(None) == may({"decide": True}) == (no, no, no)
    assert may(["read"], aud=["another", AUDIENCE]) == (no, no, yes)
    # What the file grants a subject comes on top.
    token = guarded.issuer.token("till-7", ["read"])
    assert guarded.audit.ListDecisionRecords(audit_pb.ListDecisionRecordsRequest(page_size=1), metadata=bearer(token), timeout=30)


def test_clocks_may_differ_by_half_a_minute(guarded: Guarded) -> None:
    for claims in ({"exp": time.time() - 15}, {"nbf": time.time() + 15}):
        assert outcome(guarded.calls.decisions.Decide, order(), metadata=bearer(guarded.issuer.token(**claims)), timeout=30) == "yes"


# ---------------------------------------------------------------- changes of the files


def wait_for(what: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_the_files_are_read_again(tmp_path: Path) -> None:
    callers, issuers = Callers(tmp_path / "callers.yaml"), [Issuer("k1"), Issuer("k2", algorithm="RS256")]
    callers.add("stays", "decide")
    callers.add("goes", "decide")
    keys = write(tmp_path / "keys.json", keys_text(issuers[0]))
    process = Process(
        BOOKS,
        *("--port", "0", "--reload-s", "0", "--workers", "2", "--callers", callers.path, "--jwt-keys", keys),
        *("--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE),
        log=tmp_path / "log",
        insecure=False,
    ).started()

    def ask(token: str) -> str:
        # A connection each: it may come to either worker.
        with Calls(process.port) as calls:
            return outcome(calls.decisions.Decide, order(), metadata=bearer(token), timeout=30)

    def everywhere(token: str, wanted: str) -> bool:
        return all(ask(token) == wanted for _ in range(8))

    try:
        assert everywhere(callers.tokens["goes"], "yes")
        assert everywhere(issuers[1].token(), "CREDENTIALS_REFUSED")
        callers.remove("goes")
        write(keys, keys_text(*issuers))
        wait_for(lambda: everywhere(callers.tokens["goes"], "CREDENTIALS_REFUSED") and everywhere(issuers[1].token(), "yes"))
        write(callers.path, json.dumps({"callers": [{"name": "x", "token": callers.tokens["stays"], "roles": ["decide"]}]}))
        write(keys, "[]")
        wait_for(lambda: process.errors().count("cannot be used") == 4)
        assert everywhere(callers.tokens["stays"], "yes")
        assert everywhere(issuers[1].token(), "yes")
        assert "caller 1 (`x`): token: a token stands here as `sha256:` and 64 hexadecimal digits" in process.errors()
        assert callers.tokens["stays"] not in process.errors()
    finally:
        assert process.end() == 0


class _Keys(http.server.BaseHTTPRequestHandler):
    """Gives out keys, or fails, and counts."""

    text = ""
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(200 if self.text else 503)
        self.end_headers()
        self.wfile.write(self.text.encode())

    def log_message(self, *_: object) -> None:
        pass


def test_keys_are_fetched_and_a_flood_of_unknown_ones_is_not(tmp_path: Path) -> None:
    first, second = Issuer("k1"), Issuer("k2")
    kind = type("Keys", (_Keys,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    process = Process(
        BOOKS,
        *("--port", "0", "--reload-s", "0", "--jwt-keys", f"http://127.0.0.1:{server.server_port}/keys?key=hush"),
        *("--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE),
        log=tmp_path / "log",
        insecure=False,
    ).started()
    try:
        with Calls(process.port) as calls:
            decide = calls.decisions.Decide
            got = refused(decide, order(), metadata=bearer(first.token()))
            assert (got.code, got.reason, got.kinds) == (Code.UNAVAILABLE, "KEYS_UNAVAILABLE", ("ErrorInfo", "RetryInfo"))
            kind.text = keys_text(first)

            def is_let_in() -> bool:
                try:
                    return outcome(decide, order(), metadata=bearer(first.token()), timeout=30) == "yes"
                except AssertionError:
                    return False

            wait_for(is_let_in)
            asked = kind.asked
            strange = [decide.future(order(), metadata=bearer(second.token(headers={"kid": f"no{n}"})), timeout=30) for n in range(300)]
            assert {call.exception().code() for call in strange} == {Code.UNAUTHENTICATED}
            assert kind.asked - asked <= 1
            assert is_let_in()
            assert "hush" not in process.errors()
    finally:
        assert process.end() == 0
        server.shutdown()
        server.server_close()


# ---------------------------------------------------------------- the start


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "nobody can prove who calls, so nobody is served. Name callers in a file (--callers FILE;"),
        ((), "For a trial on this machine: --insecure"),
        (("--host", ALL, "--insecure"), "--insecure serves anybody, which is for this machine alone; `::` can be reached"),
        (("--host", ALL, "--callers", "callers"), "tokens and facts would go there unprotected: give --tls-certificate"),
        (("--insecure", "--callers", "callers"), "--insecure serves anybody, and --callers, --jwt-keys and --tls-client-ca do not: choose"),
        (("--callers", "callers", "--tls-key", "key"), "--tls-certificate and --tls-key go together"),
        (("--callers", "callers", "--tls-client-ca", "key"), "--tls-client-ca asks callers for certificates, which takes TLS"),
        (("--jwt-keys", "http://login.example.com/keys", "--jwt-issuer", "i", "--jwt-audience", "a"), "keys are fetched over https://"),
        (("--jwt-keys", "keys", "--jwt-issuer", "i"), "a token that was issued for another service must not do here"),
        (("--callers", "callers", "--jwt-audience", "a"), "--jwt-keys says whose keys prove them"),
        (("--callers", "secret"), "caller 1 (`erp`): token: a token stands here as `sha256:`"),
        (("--callers", "roles"), "caller 1 (`erp`): no role `decider`; did you mean `decide`?"),
        (("--callers", "twice"), "`crm` and `erp` have the same token"),
        (("--callers", "gone"), "gone: no such file or directory"),
        (
            ("--callers", "callers", "--jwt-keys", "symmetric", "--jwt-issuer", "i", "--jwt-audience", "a"),
            "no public key that signatures can be checked with",
        ),
        (("--callers", "callers", "--tls-certificate", "secret", "--tls-key", "key"), "secret: no certificate in PEM"),
    ],
)
def test_what_does_not_start(arguments: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from policybook.cli.main import cli

    monkeypatch.chdir(tmp_path)
    entry = {"name": "erp", "token": "sha256:" + "0" * 64, "roles": ["decide"]}
    for name, entries in {
        "callers": [entry],
        "secret": [entry | {"token": "pb_hunter2"}],
        "roles": [entry | {"roles": ["decider"]}],
        "twice": [entry, entry | {"name": "crm"}],
    }.items():
        (tmp_path / name).write_text(json.dumps({"callers": entries}), encoding="utf-8")
    (tmp_path / "key").write_text("hunter2", encoding="utf-8")
    (tmp_path / "symmetric").write_text('{"keys": [{"kty": "oct", "k": "aHVudGVyMg", "alg": "HS256"}]}', encoding="utf-8")
    done = CliRunner().invoke(cli, ["serve", str(BOOKS), "--port", "0", *arguments])
    assert done.exit_code in (2, 3)
    assert says in " ".join(done.output.split())
    assert "hunter2" not in done.output


def test_what_is_served_to_anybody_is_said_loudly(server: Process) -> None:
    assert (
        f"CRITICAL policybook.server[{server.popen.pid}]: INSECURE: anybody on this machine may call 127.0.0.1:{server.port}"
        in server.errors()
    )


# ---------------------------------------------------------------- nothing says more than it should


def test_no_secret_and_no_masked_input_in_any_message_or_log(guarded: Guarded) -> None:
    """Comes last: the log is that of all the failures above."""
    said: list[Refusal] = []
    masked = {"text": pb.DecideRequest(decision="kinds.echo").facts["text"].__class__(text=FACT)}
    how = guarded.as_("both")
    for request in (
        pb.DecideRequest(decision="kinds.nosuch", facts=masked),
        pb.DecideRequest(decision="kinds.echo", facts=masked, policy_version="0" * 64),
        pb.DecideRequest(decision="kinds.echo", facts=masked, as_of_date="yesterday"),
        pb.DecideRequest(decision="shop.order", facts=masked),
        order(facts=masked),
    ):
        said.append(refused(guarded.calls.decisions.Decide, request, **how))
        said.append(refused(guarded.calls.decisions.Decide, request, **guarded.as_("read")))
    said.append(refused(guarded.calls.raw(DECIDE), b"\xff" + FACT.encode(), **how))
    tokens = [*guarded.callers.tokens.values(), *(make(guarded.issuer) for make in BAD.values()), guarded.issuer.token()]
    said += [refused(guarded.calls.decisions.Decide, order(), metadata=[("authorization", f"Basic {t}")]) for t in tokens[:5]]
    whole = guarded.process.errors() + "".join(f"{r.message}{r.metadata}{r.details}" for r in said)
    assert "calls refused, nobody knows of whom: " in whole
    for secret in (FACT, *(t for t in tokens if len(t) > 10), *(t.split(".")[-1] for t in tokens if len(t.split(".")[-1]) > 20)):
        assert secret not in whole
    assert "Traceback" not in whole

"""Tokens made by the command line, and a service asked with them over TLS: by the command line, and by the Python client."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import yaml

import policybook_client as pc
from access import Authority, write
from contract.calls import Process

HERE = Path(__file__).resolve().parent
FEE = ("decide", "library.late_fee", "reader=adult", "days_out=1")


def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "policybook", *map(str, args)]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, encoding="utf-8", check=False, timeout=60)


def made(file: Path, name: str, *more: str) -> Path:
    done = run("token", "new", "--name", name, "--callers", file, *more)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() not in done.stderr + file.read_text(encoding="utf-8")
    return write(file.with_name(f"{name}.token"), done.stdout)


def test_a_token_is_shown_once_and_its_hash_kept(tmp_path: Path) -> None:
    file = tmp_path / "callers.yaml"
    made(file, "erp", "--role", "decide:library", "--role", "read", "--expires", "2031-05-01")
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text(file.read_text(encoding="utf-8").replace("callers:", "# Who may what.\ncallers:").rstrip("\n"), encoding="utf-8")
    file.chmod(0o640)
    made(file, "crm", "--role", "decide")
    assert file.stat().st_mode & 0o777 == 0o640
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# Who may what.\n")
    first, second = yaml.safe_load(text)["callers"]
    assert (first["name"], first["roles"], str(first["expires"])) == ("erp", ["decide:library", "read"], "2031-05-01")
    assert first["token"] != second["token"]
    empty = write(tmp_path / "empty.yaml", "callers: []\n")
    made(empty, "first", "--role", "audit")
    assert [c["name"] for c in yaml.safe_load(empty.read_text(encoding="utf-8"))["callers"]] == ["first"]
    shown = run("token", "new", "--name", "x", "--role", "audit")
    assert shown.stdout.startswith("pb_")
    assert "token: sha256:" in shown.stderr
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--name", "x", "--role", "decider"), 2, "no role `decider`; did you mean `decide`?"),
        (("--name", "x", "--role", "admin:library"), 2, "`admin` holds for the service, not for a book"),
        (("--name", "", "--role", "decide"), 2, "name: "),
        (("--name", "x", "--role", "decide", "--callers", "other.yaml"), 1, "other.yaml: callers: field required"),
        (("--name", "x", "--role", "decide", "--callers", "none/callers.yaml"), 3, "none/callers.yaml: no such file or directory"),
    ],
)
def test_what_makes_no_token(arguments: tuple[str, ...], code: int, says: str, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("port: 1\n", encoding="utf-8")
    command = [sys.executable, "-m", "policybook", "token", "new", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert (tmp_path / "other.yaml").read_text(encoding="utf-8") == "port: 1\n"


class Place:
    """A service over TLS, and what is needed to ask it."""

    def __init__(self, folder: Path, process: Process, authority: Authority) -> None:
        self.folder = folder
        self.address = f"localhost:{process.port}"
        self.ca = write(folder / "ca.crt", authority.pem)
        self.credentials = grpc.ssl_channel_credentials(authority.pem)

    def token(self, name: str) -> str:
        return (self.folder / f"{name}.token").read_text(encoding="utf-8").strip()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, authority = tmp_path_factory.mktemp("guarded"), Authority()
    certificate, key = authority.serve(folder)
    file = folder / "callers.yaml"
    made(file, "clerk", "--role", "decide", "--role", "read")
    made(file, "erp", "--role", "decide")
    process = Process(
        HERE / "books",
        *("--port", "0", "--reload-s", "0", "--callers", file, "--tls-certificate", certificate, "--tls-key", key),
        log=folder / "log",
        insecure=False,
    ).started()
    yield Place(folder, process, authority)
    assert process.end() == 0
    for name in ("clerk", "erp"):
        assert (folder / f"{name}.token").read_text(encoding="utf-8").strip() not in process.errors()


def test_the_command_line_asks_over_tls(place: Place) -> None:
    server = ("--server", place.address, "--ca", place.ca)
    token = ("--token-file", place.folder / "clerk.token")
    done = run(*FEE, *server, *token)
    assert done.returncode == 0, done.stderr
    explained = run("explain", *FEE[1:], *server, *token)
    assert explained.returncode == 0, explained.stderr
    assert run("health", *server).stdout == f"{place.address}: SERVING\n"
    assert run("health", "--server", place.address).returncode == 1
    for more, says in (
        ((), "error: this call names no caller; send `authorization: Bearer TOKEN`"),
        (("--token-file", place.ca), "ca.crt: holds no token; one is a line of letters"),
        (("--token-file", place.folder / "erp.token"), "error: this call needs the role `read`, which `erp` has not"),
        ((*token, "--cert", place.ca), "Error: --cert and --key go together"),
    ):
        refused = run(*FEE, *server, *more)
        assert refused.returncode in (1, 2, 3)
        assert says in refused.stderr


def test_the_client_says_who_calls(place: Place) -> None:
    facts: dict[str, pc.Fact] = {"reader": "adult", "days_out": 1}

    def client(token: pc.Token | None) -> pc.PolicybookClient:
        return pc.PolicybookClient(place.address, credentials=place.credentials, token=token)

    with client(place.token("erp")) as erp:
        assert erp.decide("library.late_fee", facts)["fee"]
        assert len(list(erp.decide_stream([pc.DecisionRequest(decision="library.late_fee", facts=facts)] * 3))) == 3
        with pytest.raises(pc.PermissionDeniedError) as forbidden:
            erp.list_policies()
        assert (forbidden.value.roles, forbidden.value.reason) == (("read",), "ROLE_REQUIRED")
        assert place.token("erp") not in repr(erp) + repr(vars(erp))
    asked: list[str] = []

    def present() -> str:
        asked.append(place.token(("erp", "clerk")[len(asked) % 2]))
        return asked[-1]

    with client(present) as both:
        assert both.decide("library.late_fee", facts)["fee"]
        assert both.list_policies()
        assert len(asked) == 2
    for token, kind in ((None, pc.UnauthenticatedError), ("pb_nonsense", pc.UnauthenticatedError), (lambda: "a\nb", ValueError)):
        with client(token) as nobody, pytest.raises(kind):
            nobody.decide("library.late_fee", facts)
    with pytest.raises(ValueError, match="over TLS alone"):
        pc.PolicybookClient("policy.example.com:443", insecure=True, token="x")  # noqa: S106 - no token of anybody

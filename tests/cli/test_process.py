"""The command line as a process: exit codes, colour, pipes, a server of its own, the demo."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ANSI = re.compile(r"\x1b\[")

OVERDUE = ("decide", "library.late_fee", "reader=child", "days_out=17", "--as-of", "2026-05-04", "--trace", "full", "--lang", "both")
BILL = (
    "decide",
    "library.bill",
    "reader=adult",
    "days_out=20",
    "damages=[{kind: stain, pages: 3}, {kind: lost}]",
    "price=1e1",
    "--as-of",
    "2026-05-04",
)
NOTHING = ("decide", "library.may_borrow", "reader=adult", "days_out=34", "--as-of", "2026-05-04", "--trace", "none")


def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM"}}
    return subprocess.run(
        [sys.executable, "-m", "policybook", *args],
        cwd=HERE,
        env={**inherited, **env},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )


def test_exit_codes() -> None:
    assert run("check", "books").returncode == 0
    assert run("check", "faulty").returncode == 1
    assert run("check", "--nonsense").returncode == 2
    assert run("test", "books", "--junit", "/proc/nowhere.xml").returncode == 3


def test_findings_go_to_the_output_and_messages_to_the_error_stream() -> None:
    done = run("check", "faulty")
    assert "error[PB209 hit-policy]" in done.stdout
    assert done.stderr == ""
    done = run("show", "libary", "--books", "books")
    assert done.stdout == ""
    assert done.stderr == "error: no policy `libary` in books; did you mean `library`?\n"


def test_a_pipe_gets_no_colour_and_no_blanks_at_line_ends() -> None:
    for args in (("show", "library"), OVERDUE):
        text = run(*args, "--books", "books").stdout
        assert not ANSI.search(text)
        assert not re.search(r" +$", text, re.MULTILINE)
    assert not ANSI.search(run("test", "failing").stdout)


def test_colour_where_it_is_wanted() -> None:
    assert ANSI.search(run("check", "faulty", FORCE_COLOR="1", TERM="xterm-256color").stdout)
    assert not ANSI.search(
        run("check", "faulty", FORCE_COLOR="1", NO_COLOR="1", TERM="dumb").stdout.replace("\x1b[1m", "").replace("\x1b[0m", "")
    )


def test_a_terminal_without_chinese_still_gets_an_answer() -> None:
    done = run(*OVERDUE, "--books", "books", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    assert "child-late" in done.stdout


def test_a_reader_that_goes_away_is_no_fault() -> None:
    command = f"{sys.executable} -m policybook show library --books books | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=HERE, capture_output=True, text=True, encoding="utf-8", check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("library  Lending library\n", "")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    command = [
        sys.executable,
        "-m",
        "policybook",
        "serve",
        "books",
        "--port",
        "0",
        "--log-level",
        "warning",
        "--workers",
        "1",
        "--insecure",
    ]
    with subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            found = re.search(r"listening on (\S+:\d+), policies: library$", line.strip())
            assert found, line
            yield found.group(1)
        finally:
            process.terminate()
            assert process.wait(30) == 0


@pytest.mark.parametrize("args", [OVERDUE, BILL, NOTHING], ids=["overdue", "bill", "nothing"])
def test_a_server_answers_as_the_books_do(args: tuple[str, ...], address: str) -> None:
    def told(done: subprocess.CompletedProcess[str]) -> str:
        assert done.returncode == 0, done.stderr
        return re.sub(r"( · \d+\.\d\d ms)? ─*╯", "", done.stdout)

    assert told(run(*args, "--server", address)) == told(run(*args, "--books", "books"))


def test_json_from_a_server_is_the_same(address: str) -> None:
    own, remote = (
        json.loads(run(*BILL, "--json", "--trace", "full", "--lang", "both", *more).stdout)
        for more in (("--books", "books"), ("--server", address))
    )
    for answer in (own, remote):
        for name in ("decision_id", "decide_time"):
            assert answer.pop(name)
        answer["trace"].pop("elapsed_ns")
        for table in answer["trace"]["tables"]:
            for row in table["rows"]:
                row["position"] = row["position"].rpartition("/")[2]
    assert own == remote


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("decide", "library.late_fee", "reader=adlut", "days_out=x"), 1, "`adlut`"),
        (("decide", "library.late_fees", "reader=adult"), 1, "did you mean `library.late_fee`?"),
        (("decide", "library.late_fee", "reader=adult", "days_out=1", "--version", "00000000"), 1, "00000000"),
    ],
)
def test_what_a_server_refuses(args: tuple[str, ...], code: int, message: str, address: str) -> None:
    done = run(*args, "--server", address)
    assert message in done.stderr
    assert done.returncode == code
    assert done.stderr.startswith("error: ")


@pytest.mark.timeout(100)
def test_a_server_that_is_not_there() -> None:
    done = run("decide", "library.bill", "reader=adult", "days_out=1", "--server", "127.0.0.1:1")
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")


def test_books_with_errors_are_not_served() -> None:
    done = run("serve", "faulty", "--port", "0", "--insecure")
    assert done.returncode == 1
    assert "faulty/library.yaml:9:17: error[PB209 hit-policy]" in done.stderr
    assert done.stderr.endswith("error: books with errors are not served\n")


@pytest.mark.timeout(100)
def test_the_demo_runs_to_its_end() -> None:
    done = subprocess.run(
        [sys.executable, "examples/demo.py"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False, timeout=90
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    count = len(list((ROOT / "examples").glob("*.json")))
    assert done.stdout.endswith(f"{count} decisions over gRPC, 0 not as expected; the service has stopped\n")
    assert not ANSI.search(done.stdout)
    assert "May this shipment go out?" in done.stdout
    assert "是否可以开票发货" in done.stdout


def test_the_demo_tells_an_answer_that_is_not_as_expected(tmp_path: Path) -> None:
    examples = tmp_path / "examples"
    examples.mkdir()
    (examples / "demo.py").write_text((ROOT / "examples" / "demo.py").read_text(encoding="utf-8"), encoding="utf-8")
    request = {
        "decision": "library.late_fee",
        "facts": {"reader": "adult", "days_out": 15},
        "as_of": "2026-05-04",
        "expect": {"outputs": {"fee": "1.00 CNY"}, "rows": ["late"]},
    }
    (examples / "late.json").write_text(json.dumps(request), encoding="utf-8")
    command = [sys.executable, str(examples / "demo.py"), "--rules", str(HERE / "books"), "--lang", "en"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, timeout=60)
    assert done.returncode == 1, done.stderr
    assert "✗ fee: expected 1.00 CNY, got 0.50 CNY" in done.stdout


def test_watching_runs_again_after_a_change_and_survives_a_broken_book(tmp_path: Path) -> None:
    shutil.copytree(HERE / "books", tmp_path / "books")
    book = tmp_path / "books" / "library.yaml"
    text = book.read_text()
    command = [sys.executable, "-u", "-m", "policybook", "test", "books", "--watch"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8")
    assert process.stdout

    def until(wanted: str) -> str:
        seen: list[str] = []
        for line in process.stdout or ():
            seen.append(line)
            if wanted in line:
                return "".join(seen)
        pytest.fail(f"it ended:\n{''.join(seen)}")

    try:
        assert "15 passed, 0 failed" in until("watching 3 files; Ctrl-C ends")
        book.write_text(
            text.replace(
                "daily_fee: {title: {en: Fee of a late day, zh: 逾期日费}, type: money, value: 0.50", "daily_fee: {type: money, value: 0.40"
            )
        )
        seen = until("watching")
        assert "library.yaml" in seen.splitlines()[0]
        assert "fee: expected" in seen
        book.write_text("policy: library\n")
        assert "error[PB" in until("watching")
        book.write_text(text)
        assert "15 passed, 0 failed" in until("watching")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert "Traceback" not in process.stdout.read()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_reports_are_written(tmp_path: Path) -> None:
    html, data = tmp_path / "report.html", tmp_path / "report.json"
    done = run("test", "failing", "--lang", "zh", "--html", str(html), "--json", str(data))
    assert done.returncode == 1
    assert '<html lang="zh-Hans">' in html.read_text(encoding="utf-8")
    report = json.loads(data.read_text(encoding="utf-8"))
    assert (report["summary"]["cases"], report["summary"]["failed"]) == (7, 6)
    assert "应为" in done.stdout

"""`policybook fmt`: files in place, `--check`, `--diff`, standard input, and what is left alone."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from policybook.cli import fmt
from policybook.cli.main import cli
from policybook.fmt.format import UnfaithfulError

HERE = Path(__file__).parent
ROUGH = "title: T # t\npolicy: tea\n"
NEAT = "policy: tea\ntitle: T  # t\n"


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*args: str, stdin: str | bytes | None = None) -> Result:
    result = CliRunner().invoke(cli, ["fmt", *args], input=stdin, env={"COLUMNS": "100"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_folder_stands_for_its_books_and_tests(here: Path) -> None:
    shutil.copytree(HERE / "books", here / "rules")
    (here / "rules" / "calendar.yaml").write_text("years: {}\ncalendar: c\nweekend: []\n")
    (here / "rules" / "tests" / "deep").mkdir()
    (here / "rules" / "tests" / "deep" / "more.yml").write_text("cases: []\npolicy: library\n")
    for name in ("_draft.yaml", ".hidden.yaml", "clauses.lock", "tests/x.csv"):
        (here / "rules" / name).write_text("- : [")
    result = run()
    assert result.stdout.splitlines() == [
        "formatted rules/calendar.yaml",
        "formatted rules/library.yaml",
        "formatted rules/tests/deep/more.yml",
        "formatted rules/tests/library.yaml",
        "4 files formatted",
    ]
    assert result.exit_code == 0
    assert run("rules", "rules/library.yaml").stdout == "4 files unchanged\n"
    assert run("rules", "--check").exit_code == 0
    (here / "rules" / "tests" / "x.csv").unlink()
    (here / "rules" / "tests" / "deep" / "more.yml").unlink()
    assert CliRunner().invoke(cli, ["test"]).output == CliRunner().invoke(cli, ["test", str(HERE / "books")]).output


def test_check_writes_nothing_and_names_the_files(here: Path) -> None:
    for name, text in (("a.yaml", ROUGH), ("b.yaml", NEAT), ("c.yaml", ROUGH)):
        (here / name).write_text(text)
    result = run("--check", "a.yaml", "b.yaml", "c.yaml")
    assert result.output == "would format a.yaml\nwould format c.yaml\n2 files would be formatted, 1 unchanged\n"
    assert result.exit_code == 1
    assert (here / "a.yaml").read_text() == ROUGH


def test_a_diff_is_a_patch(here: Path) -> None:
    text = "title: T\ninputs:\n    a:   integer\n\n\n\ntypes: {b: {type: text}}\npolicy: tea"
    (here / "tea.yaml").write_text(text)
    result = run("--diff", "tea.yaml")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert (here / "tea.yaml").read_text() == text
    patched = subprocess.run(["git", "apply", "-p0"], input=result.stdout, text=True, capture_output=True, check=False, cwd=here)
    assert patched.returncode == 0, patched.stdout + patched.stderr
    assert (here / "tea.yaml").read_text() == "policy: tea\ntitle: T\n\ntypes: {b: {type: text}}\n\ninputs:\n  a: integer\n"
    assert run("--diff", "tea.yaml").output == ""


def test_a_diff_that_is_checked(here: Path) -> None:
    (here / "tea.yaml").write_bytes(b"\xef\xbb\xbf" + ROUGH.replace("\n", "\r\n").encode())
    result = run("--check", "--diff", "tea.yaml")
    assert result.exit_code == 1
    assert result.stdout == "--- tea.yaml\n+++ tea.yaml\n@@ -1,2 +1,2 @@\n-title: T # t\n policy: tea\n+title: T  # t\n"
    assert result.stderr == "would format tea.yaml\nnote: tea.yaml: the byte order mark goes\nnote: tea.yaml: line ends become LF\n"


def test_a_diff_has_colours_on_a_terminal(here: Path) -> None:
    (here / "tea.yaml").write_text(ROUGH)
    done = subprocess.run(
        [sys.executable, "-m", "policybook", "fmt", "--diff", "tea.yaml"],
        env={**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\x1b[31m-title: T # t" in done.stdout
    assert "\x1b[32m+title: T  # t" in done.stdout


def test_standard_input() -> None:
    result = run("-", stdin=ROUGH)
    assert (result.stdout, result.stderr, result.exit_code) == (NEAT, "", 0)
    assert run("-", stdin="\ufeff# 注释\r\npolicy: 茶\r\n").stdout_bytes.decode() == "# 注释\npolicy: 茶\n"
    result = run("-", "--check", stdin=ROUGH)
    assert (result.stdout, result.exit_code) == ("would format <stdin>\n", 1)
    assert run("-", "--check", stdin=NEAT).exit_code == 0
    assert "+title: T  # t\n" in run("-", "--diff", stdin=ROUGH).stdout
    result = run("-", stdin="policy: [")
    assert (result.stdout, result.exit_code) == ("", 1)
    assert "<stdin>:2:1: error[PB101 yaml-syntax]: not YAML" in result.stderr
    assert run("-", stdin=b"\xff").exit_code == 1


def test_what_is_no_sound_book_is_reported_and_left_alone(here: Path) -> None:
    bad = {"bad.yaml": b"policy: [\n", "compose.yaml": b"services:   {}\n", "latin.yaml": b"policy: caf\xe9\n", "empty.yaml": b""}
    for name, data in bad.items():
        (here / name).write_bytes(data)
    (here / "good.yaml").write_text(ROUGH)
    result = run(*bad, "good.yaml")
    assert result.exit_code == 1
    assert result.stdout == "formatted good.yaml\n1 file formatted, 4 left alone\n"
    for message in (
        "bad.yaml:2:1: error[PB101 yaml-syntax]: not YAML",
        "compose.yaml:1:1: error[PB104 unknown-key]: a book has no key `services`",
        "latin.yaml: error[PB112 not-text]: the file is not UTF-8 text",
        "empty.yaml:1:1: error[PB111 empty]: the file holds no book",
    ):
        assert message in result.stderr
    assert all((here / name).read_bytes() == data for name, data in bad.items())
    assert run("--check", *bad).exit_code == 1


def test_a_file_is_too_large(here: Path) -> None:
    with (here / "huge.yaml").open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    result = run("huge.yaml")
    assert result.exit_code == 1
    assert "the file has 50.0 MiB; a book may have at most 16 MiB" in result.stderr


def test_usage(here: Path) -> None:
    (here / "tea.csv").write_text("id\n")
    (here / "empty").mkdir()
    assert "nothing else is formatted, not even test tables in CSV" in run("tea.csv").output
    assert "`-` stands alone" in run("-", "empty").output
    assert "there is no folder `rules` here" in run().output
    assert run("tea.csv").exit_code == run("-", "empty").exit_code == run().exit_code == 2
    assert run("empty").output == "there is nothing to format (*.yaml) here\n"


# -- in place ----------------------------------------------------------------------------------------------------


def test_permissions_and_links_stay_and_nothing_is_left_behind(here: Path) -> None:
    (here / "real").mkdir()
    real = here / "real" / "tea.yaml"
    real.write_text(ROUGH)
    real.chmod(0o640)
    (here / "link.yaml").symlink_to(real)
    assert run("link.yaml").exit_code == 0
    assert (here / "link.yaml").is_symlink()
    assert real.read_text() == NEAT
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert [p.name for p in real.parent.iterdir()] == ["tea.yaml"]


def test_a_file_in_order_is_not_touched(here: Path) -> None:
    file = here / "tea.yaml"
    file.write_text(NEAT)
    before = file.stat()
    assert run("tea.yaml").output == "1 file unchanged\n"
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_a_file_that_may_not_be_written(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "tea.yaml").write_text(ROUGH)
    monkeypatch.setattr(fmt.os, "access", lambda _, mode: mode != os.W_OK)
    result = run("tea.yaml")
    assert (result.stderr, result.exit_code) == ("error: permission denied: tea.yaml\n", 3)
    assert [(p.name, p.read_text()) for p in here.iterdir()] == [("tea.yaml", ROUGH)]


def test_a_write_that_fails_leaves_the_file_whole(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "tea.yaml").write_text(ROUGH)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fmt.os, "fsync", full)
    result = run("tea.yaml")
    assert (result.stderr, result.exit_code) == ("error: no space left on device\n", 3)
    assert [(p.name, p.read_text()) for p in here.iterdir()] == [("tea.yaml", ROUGH)]


def test_a_file_that_somebody_else_writes_meanwhile_is_his(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = here / "tea.yaml"
    file.write_text(ROUGH)
    monkeypatch.setattr(fmt.os, "fsync", lambda _: file.write_text("policy: other"))
    result = run("tea.yaml")
    assert "tea.yaml: changed by somebody else while it was formatted" in result.stderr
    assert (file.read_text(), result.exit_code) == ("policy: other", 1)
    assert [p.name for p in here.iterdir()] == ["tea.yaml"]


def test_a_fault_of_the_formatter_is_said_and_the_others_go_on(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.yaml", "b.yaml"):
        (here / name).write_text(ROUGH)
    real = fmt.format_text

    def wrong(source: fmt.Source) -> object:
        if source.name == "a.yaml":
            raise UnfaithfulError("the formatted text would lack a comment")
        return real(source)

    monkeypatch.setattr(fmt, "format_text", wrong)
    result = run("a.yaml", "b.yaml")
    assert result.exit_code == 3
    assert "error: a.yaml: the formatted text would lack a comment; the fault is policybook's" in result.stderr
    assert ((here / "a.yaml").read_text(), (here / "b.yaml").read_text()) == (ROUGH, NEAT)

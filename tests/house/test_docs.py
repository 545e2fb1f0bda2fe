"""What the documentation shows is what happens.

The convention, in README.md, CONTRIBUTING.md, docs/ and the client's README:

- a block marked `python` is executed; the blocks of one page share their names, in order. Lines that only show what was printed are
  comments (`# -> 3000`); what such a line says must be what the print just above it prints.
- a block marked `console`: every line that begins with `$ ` is run by bash (a `\\` at the end continues it); the lines below it are what it
  prints, up to blanks at line ends. A line `...` stands for any lines, `...` within a line for any text. `[exit 1]` as the last line is the exit code.
- `no-run` after the language: shown only. `$ make x` is not run; its target must exist.
- pages see the real service: `localhost:50151` is put in the place of a server that this test starts, on a free port, with the books of rules/.
  Commands run in a copy of the tree, so a page may edit a table.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from click import Group

from policybook.cli.main import COMMANDS, cli

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTED = "localhost:50151"
PAGES = sorted(
    str(p.relative_to(ROOT))
    for p in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/decisions/*.md"), ROOT / "clients/python/README.md")
    if p.exists()
)


@dataclass(frozen=True)
class Block:
    line: int
    language: str
    words: tuple[str, ...]
    text: str


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    found, lines, open_at, info = [], (ROOT / page).read_text(encoding="utf-8").splitlines(), 0, ""
    for number, line in enumerate(lines, 1):
        if not line.startswith("```"):
            continue
        if open_at:
            language, *words = info.split() or [""]
            found.append(Block(open_at, language, tuple(words), "\n".join(lines[open_at : number - 1]) + "\n"))
            open_at = 0
        else:
            open_at, info = number, line[3:]
    return found


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the real service, with its own copy of the books."""
    rules = tmp_path_factory.mktemp("served") / "rules"
    shutil.copytree(ROOT / "rules", rules)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    log = rules.parent / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("policybook"), "serve", rules, "--port", str(port)], stdout=out, stderr=out, cwd=rules.parent
        )
    try:
        deadline = time.monotonic() + 60
        with grpc.insecure_channel(f"localhost:{port}") as channel:
            ready = grpc.channel_ready_future(channel)
            while True:
                with contextlib.suppress(grpc.FutureTimeoutError):
                    ready.result(timeout=0.5)
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"the server did not start:\n{log.read_text()}")
        yield f"localhost:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what a reader of the pages has: books, examples, proto."""
    for name in ("rules", "examples", "proto"):
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.timeout(180)
def test_page(page: str, tree: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    runnable = [b for b in blocks(page) if b.language in {"python", "console"} and "no-run" not in b.words]
    if not runnable:
        return
    address = request.getfixturevalue("service")
    monkeypatch.chdir(tree)
    names: dict[str, object] = {"__name__": "page"}
    for block in runnable:
        where = f"{page}:{block.line}"
        if block.language == "python":
            run_python(block, where, address, names)
        else:
            run_console(block, where, address, tree)


def run_python(block: Block, where: str, address: str, names: dict[str, object]) -> None:
    printed = io.StringIO()
    code = compile("\n" * block.line + block.text.replace(DOCUMENTED, address), where, "exec")
    with contextlib.redirect_stdout(printed):
        exec(code, names)  # noqa: S102 - the page's own example
    wanted = re.findall(r"# -> (.*)", block.text)
    got = printed.getvalue().replace(address, DOCUMENTED)
    if wanted:
        compare(wanted, got.splitlines(), where)


def run_console(block: Block, where: str, address: str, tree: Path) -> None:
    for command, wanted in commands(block.text):
        if command.startswith("make "):
            target = command.split()[1]
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"{where}: no target `{target}`"
            continue
        code = 0
        if wanted and (found := re.fullmatch(r"\[exit (\d+)\]", wanted[-1])):
            code, wanted = int(found.group(1)), wanted[:-1]
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "120", "LANG": "C.UTF-8", "NO_COLOR": "1"}
        done = subprocess.run(
            ["bash", "-c", command.replace(DOCUMENTED, address)],
            cwd=tree,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        got = done.stdout.replace(address, DOCUMENTED)
        assert done.returncode == code, f"{where}: `{command}` ended with {done.returncode}:\n{got}"
        if wanted:
            compare(wanted, got.splitlines(), f"{where}: {command}")


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    command, wanted = "", []
    continued = False
    for line in text.splitlines():
        if continued:
            command += "\n" + line
        elif line.startswith("$ "):
            if command:
                yield command, wanted
            command, wanted = line[2:], []
        else:
            wanted.append(line)
            continue
        continued = line.endswith("\\")
    if command:
        yield command, wanted


def compare(wanted: list[str], got: list[str], where: str) -> None:
    lines = "\n".join(line.rstrip() for line in got).strip("\n")
    parts = [re.escape(line.rstrip()).replace(re.escape("..."), "[^\n]*") if line.strip() != "..." else None for line in wanted]
    while parts and parts[-1] == "":
        parts.pop()
    pattern = "".join("(?:[^\n]*\n)*" if part is None else part + "\n" for part in parts)
    if not re.fullmatch(pattern, lines + "\n"):
        pytest.fail("\n".join((f"{where}", "--- the page says", *wanted, "--- but it prints", lines)), pytrace=False)


def test_the_convention_itself() -> None:
    compare(["a", "...", "d ... f"], ["a", "b", "c", "d e f"], "here")
    compare(["a", "..."], ["a"], "here")
    with pytest.raises(pytest.fail.Exception):
        compare(["a", "c"], ["a", "b", "c"], "here")
    assert list(commands("$ a \\\n  b\nout\n$ c\n")) == [("a \\\n  b", ["out"]), ("c", [])]


def all_text() -> str:
    return "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    assert re.search(rf"policybook {name}\b", all_text()), f"no page shows `policybook {name}`"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name: str) -> None:
    assert isinstance(cli, Group)
    command = cli.commands.get(name) or cli.get_command(None, name)  # type: ignore[arg-type]  # the group needs no context for this
    assert command is not None
    assert command.help
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert getattr(parameter, "help", None), f"policybook {name} {parameter.opts[0]}"


def test_links_lead_somewhere() -> None:
    dead = []
    for page in PAGES:
        text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, anchor = target.partition("#")
            if "://" in target:
                continue
            file = ((ROOT / page).parent / path) if path else ROOT / page
            if not file.exists():
                dead.append(f"{page}: {target}")
            elif anchor and file.suffix == ".md" and anchor not in anchors(file):
                dead.append(f"{page}: {target}")
    assert not dead, "\n".join(dead)


def anchors(file: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in heads}


def test_every_page_is_reached_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in sorted((ROOT / "docs").glob("*.md")):
        assert page.name == "index.md" or f"({page.name})" in index, page.name


def test_the_book_of_the_language_page_is_without_findings() -> None:
    from policybook.check.book import check_source
    from policybook.source import Source

    book = next(b for b in blocks("docs/language.md") if b.language == "yaml" and b.text.startswith("policy:"))
    source = Source("language.md", book.text)
    report = check_source(source)[1]
    assert report.ok, report.render({source.name: source})

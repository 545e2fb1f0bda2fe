"""What the documentation shows is what happens.

The convention, in README.md, CONTRIBUTING.md, docs/ and the client's README:

- a block marked `python` is executed; the blocks of one page share their names, in order. Lines that only show what was printed are
  comments (`# -> 3000`); what such a line says must be what the print just above it prints.
- a block marked `console`: every line that begins with `$ ` is run by bash (a `\\` at the end or an open `'` continues it); the lines below it are what it
  prints, up to blanks at line ends, hashes, ids and milliseconds. A line `...` stands for any lines, ` ...` (after a blank) for the rest of a line.
  `[exit 1]` as the last line is the exit code. `make golden` puts the real output in the place of one that differs and has no `...`.
- a block within `<!--` and `-->` makes what the page needs: it is run and not shown.
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
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click import Group
from click.testing import CliRunner

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
    command = [Path(sys.executable).with_name("policybook"), "serve", rules, "--port", "0", "--workers", "1", "--insecure"]
    log = rules.parent / "log"
    with log.open("wb") as err:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True, cwd=rules.parent)
    assert process.stdout
    try:
        # It prints one line when it takes calls; nothing and the end of the stream when it cannot.
        found = re.match(r"policybook: listening on [^ ]+:(\d+),", process.stdout.readline())
        if not found:
            pytest.fail(f"the server did not start:\n{log.read_text()}")
        yield f"localhost:{found.group(1)}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


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
        if block.language == "python":
            run_python(block, f"{page}:{block.line}", address, names)
        else:
            run_console(block, page, address, tree, rewrite=bool(request.config.getoption("--golden")))


def run_python(block: Block, where: str, address: str, names: dict[str, object]) -> None:
    printed = io.StringIO()
    code = compile("\n" * block.line + block.text.replace(DOCUMENTED, address), where, "exec")
    with contextlib.redirect_stdout(printed):
        exec(code, names)  # noqa: S102 - the page's own example
    wanted = re.findall(r"# -> (.*)", block.text)
    got = printed.getvalue().replace(address, DOCUMENTED)
    if wanted:
        compare(wanted, got, where)


def run_console(block: Block, page: str, address: str, tree: Path, *, rewrite: bool) -> None:
    for command, wanted in commands(block.text):
        where = f"{page}:{block.line}: {command}"
        if command.startswith("make "):
            target = command.split()[1]
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"{where}: no such target"
            continue
        found = re.fullmatch(r"\[exit (\d+)\]", wanted[-1]) if wanted else None
        code = int(found.group(1)) if found else 0
        shown = wanted[:-1] if found else wanted
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "COLUMNS": "110",
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
        }
        ended, printed = run_command(command.replace(DOCUMENTED, address), tree, environment)
        got = printed.replace(address, DOCUMENTED)
        if ended != code:
            pytest.fail(f"{where}: ended with {ended}:\n{got}", pytrace=False)
        if rewrite and shown and not any(ELISION.search(line) for line in shown) and not agrees(shown, got):
            replace_output(page, command, shown, got)
        elif shown:
            compare(shown, got, where)


def run_command(command: str, tree: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run a command; return its exit code and all that it printed."""
    help_of = re.fullmatch(r"policybook ([a-z -]+) --help", command)
    if help_of:
        # There are many of these; a process for each takes most of the time of its page. The runner would write 80 columns wide.
        result = CliRunner().invoke(cli, [*help_of.group(1).split(), "--help"], env=environment, prog_name="policybook", terminal_width=98)
        return result.exit_code, result.output
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout


def replace_output(page: str, command: str, shown: list[str], got: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    new = "\n".join(line.rstrip() for line in got.strip("\n").splitlines())
    old = "\n".join(shown).rstrip("\n")
    (ROOT / page).write_text(text.replace(f"$ {command}\n{old}\n", f"$ {command}\n{new}\n", 1), encoding="utf-8")


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
        continued = line.endswith("\\") or command.count("'") % 2 == 1
    if command:
        yield command, wanted


# What differs from run to run, and in width with it.
MASKS = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"(?<=@)[0-9a-f]{8}\b|\b[0-9a-f]{64}\b"), "HASH"),
    (re.compile(r"\d+\.\d+ ms"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "INSTANT"),
    (re.compile(r" ─+╯"), " ─╯"),
)


ELISION = re.compile(r"(?:^| )\.\.\.$")


def plain(line: str) -> str:
    for pattern, name in MASKS:
        line = pattern.sub(name, line)
    return line.rstrip()


def agrees(wanted: list[str], got: str) -> bool:
    lines = "\n".join(plain(line) for line in got.splitlines()).strip("\n")
    parts = [None if line.strip() == "..." else pattern_of(plain(line)) for line in wanted]
    while parts and parts[-1] == "":
        parts.pop()
    pattern = "".join("(?:[^\n]*\n)*" if part is None else part + "\n" for part in parts)
    return re.fullmatch(pattern, lines + "\n") is not None


def pattern_of(line: str) -> str:
    return re.escape(line[:-4]) + "[^\n]*" if ELISION.search(line) else re.escape(line)


def compare(wanted: list[str], got: str, where: str) -> None:
    if not agrees(wanted, got):
        pytest.fail("\n".join((where, "--- the page says", *wanted, "--- but it prints", got)), pytrace=False)


def test_the_convention_itself() -> None:
    assert agrees(["a", "...", "d ..."], "a\nb\nc\nd e f\n")
    assert agrees(["a", "..."], "a\n")
    assert agrees(["credit@01234567 in 1.5 ms"], "credit@89abcdef in 22.75 ms  \n")
    assert not agrees(["a", "c"], "a\nb\nc\n")
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
            if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
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

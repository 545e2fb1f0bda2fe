"""`policybook cases` and `policybook test --mutation` on the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from policybook.cli.main import cli

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(HERE / "books", tmp_path / "rules")
    return tmp_path


def run(*args: str) -> Result:
    result = CliRunner().invoke(cli, args, env={"COLUMNS": "100"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_missing_cases_of_a_decision(here: Path) -> None:
    (here / "rules" / "tests" / "library.late_fee.csv").unlink()
    (here / "rules" / "tests" / "library.yaml").unlink()
    result = run("cases", "library.late_fee")
    assert result.exit_code == 0
    assert result.stdout.startswith("policy: library\ndecision: late_fee\n")
    assert " cases for " in result.stderr
    assert " that no case shows; confirm each and take its mark away" in result.stderr
    (here / "rules" / "tests" / "library.yaml").write_text(result.stdout)
    assert run("cases", "library.late_fee").stderr.splitlines()[-1] == "nothing is missing"
    tested = run("test", "--json", "out.json", "--decision", "late_fee")
    assert tested.exit_code == 0, tested.output
    told = json.loads(Path("out.json").read_text())
    (seen,) = told["coverage"]
    assert seen["rows"]["missed"] == []
    assert [t for t in seen["thresholds"] if t["missed"]] == []
    assert told["summary"]["to_review"] == told["summary"]["cases"]


@pytest.mark.parametrize("name", ["library.more.yaml", "library.late_fee.csv", "cases.xlsx"])
def test_into_a_file_of_any_form(here: Path, name: str) -> None:
    result = run("cases", "library.late_fee", "--all", "-o", name)
    assert (result.exit_code, result.stdout) == (0, "")
    assert (here / name).stat().st_size > 200
    again = run("cases", "library.late_fee", "--all", "-o", name)
    assert again.exit_code == 1
    assert again.stderr == f"error: `{name}` is there already, and may hold cases; name a new file\n"
    if name != "cases.xlsx":
        assert run("test", name, "--books", "rules").exit_code == 0


def test_the_faults_that_no_case_notices() -> None:
    before = run("test", "--mutation", "--jobs", "1", "--json", "out.json")
    assert before.exit_code == 0
    assert "alive in library." in before.stdout
    told = json.loads(Path("out.json").read_text())["mutation"]
    assert told["whole"] is True
    assert told["survived"] == sum(m["fate"] == "survived" for d in told["decisions"] for m in d["mutants"])
    assert before.stdout.splitlines()[-1].startswith("mutation score ")
    assert run("cases", "library", "--kill", "-o", "rules/tests/library.kill.yaml").exit_code == 0
    after = run("test", "--fail-under-mutation", "95", "--jobs", "2", "--html", "out.html", "--lang", "zh")
    assert after.exit_code == 0, after.output
    assert "alive in library." not in after.stdout
    assert '<section id="mutation">' in Path("out.html").read_text()
    assert "变异得分" in Path("out.html").read_text()


def test_the_score_can_be_asked_for() -> None:
    Path("rules/tests/library.late_fee.csv").unlink()
    case = "{id: a, decision: late_fee, as_of: 2026-05-04, given: {reader: adult, days_out: 14}, rows: [in-time]}"
    Path("rules/tests/library.yaml").write_text(f"policy: library\ncases:\n  - {case}\n")
    result = run("test", "--fail-under-mutation", "90", "--jobs", "1", "--decision", "late_fee")
    assert result.exit_code == 1
    assert "lower than the 90% asked for" in result.stderr
    late = run("test", "--fail-under-mutation", "0", "--seconds", "0", "--decision", "late_fee")
    assert late.exit_code == 1
    assert "the mutation score is not known: the time was over before all were judged" in late.stderr
    assert late.stdout.splitlines()[-1] == "mutation score - (0/0 killed); partial: the time was over before all were judged"
    partial = run("test", "--mutation", "--seconds", "0", "--decision", "late_fee", "--html", "out.html")
    assert partial.exit_code == 0
    assert "partial: the time was over" in Path("out.html").read_text()


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("cases",), 2, "Missing argument 'BOOK|DECISION'"),
        (("cases", "libary"), 1, "error: no policy `libary` in rules; did you mean `library`?"),
        (("cases", "library.fee"), 1, "error: no decision `fee` in `library`; "),
        (("cases", "library", "--kill", "--all"), 2, "--kill writes only what is missing; leave out --all"),
        (("cases", "library", "-o", "x.txt"), 2, "`x.txt` does not say what it is; end it in .yaml, .csv or .xlsx"),
        (("cases", "library", "-o", "x.csv", "--format", "yaml"), 2, "`x.csv` is no name of a yaml file"),
        (("cases", "library", "--format", "xlsx"), 2, "a workbook needs a file: -o cases.xlsx"),
    ],
)
def test_what_is_refused(args: tuple[str, ...], code: int, message: str) -> None:
    result = run(*args)
    assert result.exit_code == code
    assert message in result.stderr


def test_tables_with_errors_are_mended_first() -> None:
    Path("rules/tests/library.bad.yaml").write_text("policy: library\ncases:\n  - {id: x, decision: late_fees}\n")
    result = run("cases", "library")
    assert result.exit_code == 1
    assert "there is no decision `late_fees`" in result.stderr
    assert "the test tables have errors; mend them first" in result.stderr


def test_a_book_with_errors_is_named() -> None:
    book = Path("rules/library.yaml")
    book.write_text(book.read_text().replace("policy: library", "policy: library\nnonsense: 1"))
    result = run("cases", "library")
    assert result.exit_code == 1
    assert "the book `library` has errors and decides nothing" in result.stderr

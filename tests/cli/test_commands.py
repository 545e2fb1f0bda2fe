"""What a person sees: every command on the tiny library, compared with wanted/ as a whole."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from policybook.cli.main import COMMANDS, cli

HERE = Path(__file__).parent
Golden = Callable[[Path, str], None]


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def run(*args: str, columns: int = 100, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(cli, list(args), input=stdin, env={"COLUMNS": str(columns)})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def told(result: Result) -> str:
    """What was printed, with what differs from run to run left out."""
    text = re.sub(r"\d+\.\d\d ms ─*", "N ms ", result.output)
    return f"{text}[exit {result.exit_code}]\n"


OVERDUE = ("library.late_fee", "reader=child", "days_out=17", "--books", "books", "--as-of", "2026-05-04")
BILL = (
    "library.bill",
    "reader=adult",
    "days_out=20",
    "damages=[{kind: stain, pages: 3}, {kind: lost}]",
    "--books",
    "books",
    "--as-of",
    "2026-05-04",
)

SEEN = {
    "check-ok": ("check", "books"),
    "check-faulty": ("check", "faulty"),
    "check-strict": ("check", "faulty/warned.yaml", "--strict"),
    "check-faulty-json": ("check", "faulty", "--format", "json"),
    "show-book": ("show", "library", "--books", "books"),
    "show-book-list": ("show", "books/library.yaml", "--layout", "list", "--lang", "zh"),
    "show-decision-both": ("show", "library.late_fee", "--books", "books", "--lang", "both"),
    "show-as-of": ("show", "library.may_borrow", "--books", "books", "--as-of", "2027-06-01"),
    "decide": ("decide", *OVERDUE),
    "decide-full": ("decide", *OVERDUE, "--trace", "full"),
    "decide-full-zh": ("decide", *OVERDUE, "--trace", "full", "--lang", "zh"),
    "decide-both": ("decide", *BILL, "--lang", "both"),
    "decide-items": (
        "decide",
        "library.damage",
        "damages=[{kind: tear, pages: 3}, {kind: tear, pages: 30}, {kind: lost}]",
        "price=45",
        "--books",
        "books",
        "--as-of",
        "2026-05-04",
    ),
    "decide-no-match": (
        "decide",
        "library.may_borrow",
        "reader=adult",
        "days_out=34",
        "--books",
        "books",
        "--as-of",
        "2026-05-04",
        "--trace",
        "none",
    ),
    "decide-no-items": (
        "decide",
        "library.bill",
        "reader=adult",
        "days_out=3",
        "--books",
        "books",
        "--as-of",
        "2026-05-04",
        "--trace",
        "none",
    ),
    "decide-faults": ("decide", "library.late_fee", "reader=adlut", "days_out=-3", "prise=3", "price=5 USD", "--books", "books"),
    "explain": ("explain", *OVERDUE, "--want", "fee=0", "--vary", "days_out", "--vary", "reader"),
    "explain-zh": ("explain", *OVERDUE, "--lang", "zh", "--vary", "days_out"),
    "explain-both": ("explain", *BILL, "--lang", "both", "--compare", "item", "--vary", "damages", "--keep", "reader"),
    "explain-missing": ("explain", "library.bill", "reader=adult", "--books", "books", "--as-of", "2026-05-04"),
    "explain-settled": ("explain", "library.late_fee", "days_out=3", "--books", "books", "--as-of", "2026-05-04", "--lang", "zh"),
    "explain-faults": ("explain", "library.late_fee", "reader=adlut", "prise=3", "--books", "books"),
    "diff": ("diff", "books", "edited"),
    "diff-zh": ("diff", "books/library.yaml", "edited/library.yaml", "--lang", "zh", "--decision", "late_fee", "--limit", "1"),
    "diff-json": ("diff", "books", "edited", "--format", "json", "--decision", "library.late_fee"),
    "diff-same": ("diff", "books", "renamed", "--exit-code", "--verbose"),
    "test": ("test", "books"),
    "test-coverage": ("test", "books", "--coverage", "--verbose"),
    "test-failing": ("test", "failing"),
    "test-failing-zh": ("test", "failing", "-k", "wrong-fee", "--lang", "zh"),
    "test-broken": ("test", "broken"),
}


@pytest.mark.parametrize("name", SEEN)
def test_what_is_seen(name: str, golden: Golden) -> None:
    golden(HERE / "wanted" / f"{name}.txt", told(run(*SEEN[name])))


@pytest.mark.parametrize("name", ["show-book", "show-decision-both", "decide-full", "decide-both", "test-coverage"])
def test_what_is_seen_on_a_narrow_terminal(name: str, golden: Golden) -> None:
    result = run(*SEEN[name], columns=80)
    golden(HERE / "wanted" / f"{name}-80.txt", told(result))


@pytest.mark.parametrize("name", [n for n in SEEN if n.startswith(("show", "decide"))])
def test_no_line_is_wider_than_the_terminal(name: str) -> None:
    from rich.cells import cell_len

    if "faults" in name:
        pytest.skip("findings are never wrapped: an editor jumps to them")
    for columns in (80, 120):
        lines = run(*SEEN[name], columns=columns).output.splitlines()
        assert max(map(cell_len, lines)) <= columns


def test_every_command_has_help_with_the_exit_codes() -> None:
    for name in COMMANDS:
        result = run(name, "--help")
        assert result.exit_code == 0
        assert "Exit codes:" in result.output, name
    assert "Exit codes:" in run("--help").output


def test_the_help_is_as_wanted(golden: Golden) -> None:
    text = "".join(f"$ policybook {name}\n{run(*name.split()).output}\n" for name in ("--help", *(f"{c} --help" for c in COMMANDS)))
    golden(HERE / "wanted" / "help.txt", text)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("chekc",), 2, "no command `chekc`; did you mean `check`?"),
        (("check", "nowhere"), 2, "'nowhere' does not exist"),
        (("show", "libary", "--books", "books"), 1, "error: no policy `libary` in books; did you mean `library`?"),
        (("show", "library.late", "--books", "books"), 1, "error: no decision `library.late`; did you mean `library.late_fee`?"),
        (("show", "library", "--books", "books", "--as-of", "2026-02-30"), 1, "error: --as-of: there is no day `2026-02-30`"),
        (("show", "library", "--books", "faulty"), 1, "error: the book `faulty/library.yaml` has errors and decides nothing"),
        (("decide",), 2, "name the decision first"),
        (("decide", "reader=adult"), 2, "name the decision first"),
        (("decide", "library.late_fee", "reader", "--books", "books"), 2, "`reader` is not `name=value`"),
        (("decide", "library.late_fee", "a=1", "a=2", "--books", "books"), 2, "`a` is given twice"),
        (("decide", "library.bill", "damages=[{kind: stain", "--books", "books"), 1, "error: `damages`: not YAML"),
        (("decide", "library.bill", "--facts", "nowhere.json", "--books", "books"), 2, "nowhere.json: no such file or directory"),
        (("decide", "library.bill", "reader=adult", "days_out=1", "--version", "00000000", "--books", "books"), 1, "error: "),
        (
            ("decide", "library.bill", "reader=adult", "days_out=1", "--as-of", "yesterday", "--books", "books"),
            1,
            "error: --as-of: `yesterday` is not a date",
        ),
        (
            ("decide", "library.late_fee", "reader=adult", "days_out=1", "--as-of", "2024-12-31", "--books", "books"),
            1,
            "gives no value of `free_days` for 2024-12-31",
        ),
        (("decide", "library.bill", "--server", "nowhere", "--books", "books"), 1, "`nowhere` is no address such as `localhost:50151`"),
        (("test", "books", "--decision", "late_fe"), 2, "there is no decision `late_fe`; did you mean `late_fee`?"),
        (("test", "books", "-k", "no such case"), 1, "no case was run: nothing matches the filters"),
        (
            ("test", "books/tests/library.late_fee.csv", "--fail-under", "60"),
            1,
            "the cases visit 27.3% of the rows, fewer than the 60% asked for",
        ),
        (
            ("diff", "books", "edited", "--decision", "library.late"),
            1,
            "error: no decision `library.late`; did you mean `library.late_fee`?",
        ),
        (("diff", "books", "faulty"), 1, "a book with errors cannot be compared"),
        (("diff", "books", "nowhere"), 1, "error: `nowhere` is no file or folder here, and no revision of git"),
        (("completion", "tcsh"), 2, "'tcsh' is not one of"),
    ],
)
def test_wrong_input_is_told_from_wrong_usage(args: tuple[str, ...], code: int, message: str) -> None:
    result = run(*args)
    assert message in result.output
    assert (result.exit_code, "Traceback" in result.output) == (code, False)


def test_commands_without_paths_want_the_folder_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("check", "serve"):
        assert "there is no folder `rules` here" in run(command).output
    assert "there is no folder `rules/tests` here" in run("test").output
    shutil.copytree(HERE / "books", tmp_path / "rules")
    assert run("check").exit_code == 0
    assert run("test").exit_code == 0
    assert run("decide", "library.late_fee", "reader=adult", "days_out=1").exit_code == 0


def test_test_takes_the_folder_of_the_books_too() -> None:
    assert run("test", "books").output == run("test", "books/tests").output


def test_junit_is_written(tmp_path: Path) -> None:
    file = tmp_path / "results.xml"
    assert run("test", "failing", "--junit", str(file)).exit_code == 1
    root = ET.parse(file).getroot()  # noqa: S314 - our own
    assert {k: root.attrib[k] for k in ("tests", "failures", "errors")} == {"tests": "7", "failures": "5", "errors": "1"}


def test_a_filter_leaves_the_other_decisions_uncounted() -> None:
    output = run("test", "books", "--decision", "library.late_fee", "--coverage").output
    assert "8 passed, 0 failed in 2 tables; rows visited 4/4" in output
    assert "library.bill" not in output


# -- facts -------------------------------------------------------------------------------------------------------


def decide_json(*args: str, stdin: str | None = None) -> dict[str, object]:
    result = run("decide", *args, "--books", "books", "--as-of", "2026-05-04", "--json", stdin=stdin)
    assert result.exit_code == 0, result.output
    answer = json.loads(result.output)
    assert isinstance(answer, dict)
    return answer


def test_json_holds_exact_values_as_text() -> None:
    answer = decide_json("library.late_fee", "reader=child", "days_out=17", "--trace", "full")
    assert answer["outcome"] == "decided"
    assert answer["outputs"] == {"fee": {"amount": "0.75", "currency": "CNY"}, "tone": "kind"}
    trace = answer["trace"]
    assert isinstance(trace, dict)
    (table,) = trace["tables"]
    assert [(r["row_id"], r["verdict"]) for r in table["rows"]] == [
        ("in-time", "not_matched"),
        ("no-fee-for-staff", "not_matched"),
        ("child-late", "selected"),
        ("late", "not_reached"),
    ]
    assert table["rows"][0]["cells"] == [{"name": "days_out", "test": "<= free_days", "actual": "17", "passed": False}]
    assert table["parameters"]["free_days"] == {"value": "14", "effective_from": "2025-01-01", "clauses": ["7.1"], "set_by_company": False}


def test_an_explanation_is_data_too() -> None:
    result = run("explain", *OVERDUE, "--vary", "days_out", "--format", "json")
    assert result.exit_code == 0
    found = json.loads(result.output)
    assert found["answer"]["outputs"]["tone"] == "kind"
    assert [r["row_id"] for r in found["reasons"]] == ["child-late"]
    assert all(a["fewest_proved"] and a["least_proved"] for a in found["why_not"]["alternatives"])
    pieces = found["variations"]["days_out"]["pieces"]
    assert [p["outcome"]["row_ids"] for p in pieces] == [["in-time"], ["child-late"]]
    assert found["completion"] is None


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("explain", *OVERDUE, "--vary", "day"), "`day` is not an input of `library.late_fee`"),
        (("explain", *OVERDUE, "--keep", "fee"), "`fee` is not an input of `library.late_fee`"),
        (("explain", *OVERDUE, "--want", "cost=3"), "`cost` is not an output of `library.late_fee`"),
        (("explain", *OVERDUE, "--want", "tone=rude"), "`tone` is `rude`"),
        (("explain", "library.late_fees", "--books", "books"), "no decision `library.late_fees`; did you mean `library.late_fee`?"),
    ],
)
def test_explain_refuses_names_that_are_none(args: tuple[str, ...], message: str) -> None:
    result = run(*args)
    assert result.exit_code == 1
    assert message in result.output


def test_facts_come_from_arguments_files_and_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_text('{"reader": "child", "days_out": 17, "price": 30.10}')
    wanted = {"fee": {"amount": "0.75", "currency": "CNY"}, "tone": "kind"}
    assert decide_json("library.late_fee", "--facts", str(file))["outputs"] == wanted
    assert decide_json("library.late_fee", "--facts", "-", stdin=file.read_text())["outputs"] == wanted
    # An argument wins over the file: one fact is varied, the rest stays.
    assert decide_json("library.late_fee", "--facts", str(file), "reader=staff")["outputs"] != wanted


def test_a_request_file_holds_decision_facts_and_day(tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text(
        '{"decision": "library.late_fee", "as_of": "2027-01-01", "request_id": "r-1", "facts": {"reader": "adult", "days_out": 22}}'
    )
    result = run("decide", "--request", str(file), "--books", "books", "--json")
    answer = json.loads(result.output)
    assert (answer["as_of_date"], answer["request_id"], answer["outputs"]["fee"]["amount"]) == ("2027-01-01", "r-1", "0.50")
    varied = json.loads(run("decide", "--request", str(file), "days_out=24", "--books", "books", "--json").output)
    assert varied["outputs"]["fee"]["amount"] == "1.50"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "facts are a JSON object"),
        ("{", "facts.json:1:2: not JSON"),
        ('{"a": NaN}', "`NaN` is no exact number"),
        ('{"a": 1, "a": 2}', "the key `a` stands twice"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested"),
        ('{"a": ' + "[" * 50 + "]" * 50 + "}", "nested more than 24 deep"),
        ('{"reader": "adult", "days_out": 1e400}', "`days_out`"),
        ('{"reader": "null", "days_out": 1}', "`reader` is `null`"),
        ('{"reader": {"x": 1}, "days_out": true}', "`days_out` is given as a flag"),
    ],
)
def test_bad_facts_are_refused(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_text(text)
    result = run("decide", "library.late_fee", "--facts", str(file), "--books", "books")
    assert (result.exit_code, "Traceback" in result.output) == (1, False)
    assert message in result.output


# -- the rest ----------------------------------------------------------------------------------------------------


def test_an_unexpected_exception_is_an_incident(monkeypatch: pytest.MonkeyPatch) -> None:
    from policybook.cli import check

    def broken(*_: object, **__: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(check, "read_books", broken)
    result = run("check", "books")
    assert result.exit_code == 3
    assert re.search(r"error: policybook failed, and not through your input \(incident [0-9a-f]{8}\): KeyError: 'surprise'", result.output)
    assert "Traceback" not in result.output
    assert "Traceback" in run("--debug", "check", "books").output


def test_what_the_environment_refuses_is_no_fault_of_the_input(tmp_path: Path) -> None:
    result = run("test", "books", "--junit", str(tmp_path / "no" / "folder.xml"))
    assert result.exit_code == 3
    assert "error: no such file or directory: " in result.output


def test_completion_knows_every_shell() -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_POLICYBOOK_COMPLETE" in run("completion", shell).output


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("policybook che", ["check"]),
        ("policybook show library.la", ["library.late_fee"]),
        ("policybook decide --books books library.b", ["library.bill"]),
        ("policybook decide --books books library.late_fee days", ["days_out="]),
        ("policybook decide --books books library.late_fee reader=c", ["reader=child"]),
        ("policybook decide --books books library.nothing days", []),
    ],
)
def test_names_are_completed(words: str, wanted: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(HERE / "books", tmp_path / "rules")
    shutil.copytree(HERE / "books", tmp_path / "books")
    monkeypatch.chdir(tmp_path)
    env = {"_POLICYBOOK_COMPLETE": "fish_complete", "COMP_WORDS": words, "COMP_CWORD": words.rsplit(maxsplit=1)[-1]}
    result = CliRunner().invoke(cli, [], env=env, prog_name="policybook")
    assert [line.split(",", 1)[1].split("\t")[0] for line in result.output.splitlines() if "," in line] == wanted


def test_check_looks_for_what_the_engine_cannot_take(monkeypatch: pytest.MonkeyPatch) -> None:
    from policybook.diagnostics import Code, Finding, Report, Severity
    from policybook.engine.program import Program
    from policybook.source import Span

    at = Span(file="books/library.yaml", line=50, column=9, end_line=50, end_column=11)
    fault = Finding(code=Code.ENGINE_DISAGREES, severity=Severity.ERROR, message="the engine says otherwise", span=at)
    monkeypatch.setattr(Program, "check", lambda _: Report((fault,)))
    result = run("check", "books")
    assert "error[PB301 engine-disagrees]: the engine says otherwise" in result.output
    assert result.exit_code == 3


def test_schema_is_json() -> None:
    assert "properties" in json.loads(run("schema").output)


def test_version_names_the_engine() -> None:
    assert re.search(r"durable-rules +2\.", run("version").output)

"""Test tables in somebody's own pytest."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

# Kept imported: each run inside this process would import them anew.
import policybook.trials.shelf  # noqa: F401
from policybook.check.book import read_book
from policybook.trials.write import Form, write_cases
from policybook.trials.written import WrittenCase

pytest_plugins = ["pytester"]

BOOKS = Path(__file__).parent.parent / "cli"
HEAD = "policy: library\ndecision: late_fee\nas_of: 2026-05-04\ngiven: {reader: adult, days_out: 16}\ncases:\n"
GOOD = "  - {id: one day late, rows: [late]}\n"
BAD = "  - {id: wrong, expect: {fee: 2}, rows: [in-time]}\n"


@pytest.fixture
def rules(pytester: pytest.Pytester) -> Path:
    """A folder of books with a table of one passing case."""
    folder = pytester.path / "policies"
    (folder / "tests").mkdir(parents=True)
    shutil.copy(BOOKS / "books" / "library.yaml", folder)
    (folder / "tests" / "library.yaml").write_text(HEAD + GOOD)
    return folder


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", *args)


def test_each_case_is_a_test_with_a_name_that_can_be_read(pytester: pytest.Pytester, rules: Path) -> None:
    book, _, _ = read_book(rules / "library.yaml")
    assert book
    (rules / "tests" / "library.bill.csv").write_text("id,reader,days_out,as_of,=amount\nadult-pays,adult,20,2026-05-04,3\n")
    case = WrittenCase(id="child-pays-half", decision="late_fee", rows=("in-time",), given={"reader": "child", "days_out": 3})
    (rules / "tests" / "library.late_fee.xlsx").write_bytes(write_cases([case], book, "late_fee", Form.XLSX))
    result = run(pytester, "-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines_random(
        [
            "policies/tests/library.yaml::late_fee/one day late PASSED*",
            "policies/tests/library.bill.csv::bill/adult-pays PASSED*",
            "policies/tests/library.late_fee.xlsx::late_fee/child-pays-half PASSED*",
        ]
    )
    run(pytester, "-k", "adult").assert_outcomes(passed=1, deselected=2)
    run(pytester, "-m", "not policybook").assert_outcomes(deselected=3)
    run(pytester, "policies/tests/library.bill.csv::bill/adult-pays").assert_outcomes(passed=1)


def test_a_failure_is_told_as_policybook_test_tells_it(pytester: pytest.Pytester, rules: Path) -> None:
    (rules / "tests" / "library.yaml").write_text(HEAD + GOOD + BAD)
    result = run(pytester)
    result.assert_outcomes(passed=1, failed=1)
    told = "\n".join(result.outlines)
    assert (
        "✗ library.late_fee wrong  policies/tests/library.yaml:7:10\n"
        "    fee: expected 2.00 CNY, got 1.00 CNY\n"
        "    rows: expected in-time, got late\n"
        "    selected row: late (clause 7.2): Each late day costs the fee.\n"
        "    `in-time` was not selected: days_out is 16, not <= free_days (14)\n"
    ) in told
    assert "Traceback" not in told
    assert "_ToldError" not in told


def test_faults_of_a_table_fail_and_the_other_cases_run(pytester: pytest.Pytester, rules: Path) -> None:
    (rules / "tests" / "library.yaml").write_text(HEAD + GOOD + "  - {id: faulty, rows: [lat]}\n")
    result = run(pytester)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["policies/tests/library.yaml:7:25: error?PB501 test-table?: there is no row `lat` in `late_fee`"])


def test_a_book_with_errors_fails_its_tables(pytester: pytest.Pytester, rules: Path) -> None:
    book = rules / "library.yaml"
    book.write_text(book.read_text().replace("hit_policy: first", "hit_policy: frist"))
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["policies/library.yaml:*error?PB*frist*"])


def test_other_files_are_left_alone(pytester: pytest.Pytester) -> None:
    tests = pytester.path / "tests"
    tests.mkdir()
    (tests / "data.yaml").write_text("a: 1\n")
    (tests / "other.csv").write_text("a\n")
    (pytester.path / "data.yaml").write_text("policy: data\n")
    (tests / "~$library.xlsx").write_text("")
    result = run(pytester)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_settings_say_where_books_and_tables_are(pytester: pytest.Pytester, rules: Path) -> None:
    elsewhere = pytester.path / "cases" / "of the library"
    elsewhere.mkdir(parents=True)
    (elsewhere / "any_name.yaml").write_text(HEAD + GOOD + BAD)
    pytester.makeini("[pytest]\npolicybook_rules = policies\n")
    run(pytester).assert_outcomes(passed=1)
    pytester.makeini("[pytest]\npolicybook_rules = policies\npolicybook_tests = cases\n")
    run(pytester).assert_outcomes(passed=1, failed=1)
    pytester.makeini("[pytest]\npolicybook_tests = policies/tests\n")
    run(pytester).assert_outcomes(passed=1)
    assert run(pytester, "-p", "no:policybook").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_cases_to_be_reviewed_are_counted(pytester: pytest.Pytester, rules: Path) -> None:
    (rules / "tests" / "library.yaml").write_text(HEAD + GOOD + "  - {id: open, rows: [late], review: confirm the row}\n")
    result = run(pytester, "--junitxml", "out.xml")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["policybook: 1 of the cases still to be reviewed"])
    root = ET.parse(pytester.path / "out.xml").getroot()  # noqa: S314 - our own
    names = {c.attrib["name"]: c.attrib["classname"] for c in root.iter("testcase")}
    assert names == dict.fromkeys(("late_fee/one day late", "late_fee/open"), "policies.tests.library.yaml")
    assert [p.attrib["value"] for p in root.iter("property")] == ["confirm the row"]


def test_several_processes_share_the_cases(pytester: pytest.Pytester, rules: Path) -> None:
    lines = "".join(f"  - {{id: case {i}, rows: [late]}}\n" for i in range(20))
    (rules / "tests" / "library.yaml").write_text(HEAD + lines + BAD)
    result = pytester.runpytest_subprocess("-n", "2", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=20, failed=1)
    result.stdout.fnmatch_lines(["✗ library.late_fee wrong*", "*rows: expected in-time, got late"])


def test_a_run_without_tables_imports_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import sys\ndef test_it():\n"
        "    found = {m for m in sys.modules if m.startswith('policybook')}\n"
        "    assert found == {'policybook', 'policybook.pytest_plugin'}\n"
        "    assert 'lark' not in sys.modules and 'yaml' not in sys.modules\n"
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest").assert_outcomes(passed=1)

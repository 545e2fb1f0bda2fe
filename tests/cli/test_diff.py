"""`policybook diff` on files and on revisions of git."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from policybook.cli.main import cli

HERE = Path(__file__).parent
BOOK = (HERE / "books" / "library.yaml").read_text(encoding="utf-8")
DEARER = BOOK.replace("value: 0.50, unit", "value: 0.60, unit")


def run(*args: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(cli, list(args), input=stdin, env={"COLUMNS": "100"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two commits of rules/library.yaml; the second is dearer."""
    if shutil.which("git") is None:
        pytest.skip("there is no git here")
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    (tmp_path / "rules").mkdir()
    git("init", "--quiet")
    for text, message in ((BOOK, "first"), (DEARER, "second")):
        (tmp_path / "rules" / "library.yaml").write_text(text, encoding="utf-8")
        git("add", "rules")
        git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", message)
    return tmp_path


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True)


def test_two_revisions(tree: Path) -> None:
    both = run("diff", "HEAD~1", "HEAD", "--", "rules")
    assert both.exit_code == 0
    assert "`daily_fee`: 0.50 CNY → 0.60 CNY" in both.output
    assert both.output == run("diff", "HEAD~1", "HEAD").output
    assert both.output == run("diff", "HEAD~1:rules/library.yaml", "rules/library.yaml").output
    assert both.output == run("diff", "HEAD~1:rules", "HEAD:rules/library.yaml").output
    assert [p.name for p in tree.iterdir() if p.name != ".git"] == ["rules"]


def test_a_revision_and_the_files_as_they_stand(tree: Path) -> None:
    assert "equivalent: every request is decided alike" in run("diff", "HEAD").output
    (tree / "rules" / "library.yaml").write_text(BOOK, encoding="utf-8")
    assert "`daily_fee`: 0.60 CNY → 0.50 CNY" in run("diff", "HEAD").output
    assert run("diff", "HEAD", "--exit-code").exit_code == 1
    assert run("diff", "HEAD~1", "--exit-code").exit_code == 0


def test_a_policy_that_came_or_went(tree: Path) -> None:
    (tree / "rules" / "library.yaml").rename(tree / "rules" / "shelf.yaml")
    (tree / "rules" / "shelf.yaml").write_text(BOOK.replace("policy: library", "policy: shelf"), encoding="utf-8")
    shutil.copy(HERE / "books" / "library.yaml", tree / "rules" / "library.yaml")
    assert "the policy `shelf` was added" in run("diff", "HEAD").output
    assert json.loads(run("diff", "rules", "HEAD", "--format", "json").output)["policies_removed"] == ["shelf"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("HEAD~9", "HEAD"), "`HEAD~9` is no file or folder here, and no revision of git"),
        (("HEAD:rules/credit.yaml",), "there is no book `rules/credit.yaml` in revision `HEAD`"),
        (("HEAD", "HEAD", "--", "books"), "there is no book `books` in revision `HEAD`"),
        (("nosuch:rules/library.yaml", "HEAD"), "`nosuch` is no file or folder here, and no revision of git"),
    ],
)
@pytest.mark.usefixtures("tree")
def test_what_is_not_there(args: tuple[str, ...], message: str) -> None:
    result = run("diff", *args)
    assert f"error: {message}" in result.output
    assert result.exit_code == 1


def test_without_a_repository_or_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    if shutil.which("git"):
        assert "and here is no git repository to look for a revision in" in run("diff", "HEAD").output
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is not installed: name two files or folders instead of revisions" in run("diff", "HEAD").output


def test_every_example_is_decided_as_it_says(tmp_path: Path) -> None:
    found = json.loads(run("diff", str(HERE / "books"), str(HERE / "edited"), "--format", "json").output)
    regions = [(d["decision"], r) for d in found["books"][0]["decisions"] for r in d["regions"]]
    assert len(regions) > 5
    for name, region in regions:
        example = region["example"]
        facts = tmp_path / "facts.json"
        facts.write_text(json.dumps(example["facts"]), encoding="utf-8")
        for folder in ("books", "edited"):
            asked = run(
                "decide", f"library.{name}", "--facts", str(facts), "--as-of", example["as_of"], "--books", str(HERE / folder), "--json"
            )
            assert asked.exit_code == 0, asked.output
        assert region["example_before"] != region["example_after"]
        assert region["changes"]


def test_what_time_did_not_allow_is_said() -> None:
    result = run("diff", str(HERE / "books"), str(HERE / "edited"), "--seconds", "0.1", "--exit-code")
    assert result.exit_code == 1
    found = json.loads(run("diff", str(HERE / "books"), str(HERE / "edited"), "--seconds", "0.1", "--format", "json").output)
    assert not found["equivalent"]

"""Settings: one name everywhere, what wins over what, and what is said of those that cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from policybook.cli.main import cli
from policybook.server.settings import PREFIX, Settings, SettingsError, configure, flag_of


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [n for n in os.environ if n.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["config", *arguments])


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "service.yaml"
    file.write_text("port: 1\nworkers: 1\nmask: [tax_id]\nlimits: {batch_items: 5, depth: 3}\n", encoding="utf-8")
    monkeypatch.setenv("POLICYBOOK_PORT", "2")
    monkeypatch.setenv("POLICYBOOK_WORKERS", "2")
    monkeypatch.setenv("POLICYBOOK_LIMITS__BATCH_ITEMS", "6")
    monkeypatch.setenv("POLICYBOOK_BOOKS", "rules, more")
    found = configure({"port": 3}, file=file)
    settings = found.settings
    assert (settings.port, settings.workers, settings.mask) == (3, 2, ("tax_id",))
    assert settings.books == (Path("rules"), Path("more"))
    assert (settings.limits.batch_items, settings.limits.depth, settings.limits.unary_bytes) == (6, 3, 4 * 1024 * 1024)
    assert found.origins == {
        "port": "--port",
        "workers": "POLICYBOOK_WORKERS",
        "books": "POLICYBOOK_BOOKS",
        "limits": f"POLICYBOOK_LIMITS, {file}",
        "mask": str(file),
    }


def test_the_output_is_a_file_of_the_same_settings(tmp_path: Path) -> None:
    shown = run("--port", "7", "--mask", "a", "--mask", "b", "--log", "d.db", "--log-full", "count")
    assert shown.exit_code == 0
    file = tmp_path / "service.yaml"
    file.write_text(shown.output, encoding="utf-8")
    again = configure({}, file=file).settings
    assert again == Settings(port=7, mask=("a", "b"), log="d.db", log_full="count")  # type: ignore[arg-type]
    assert json.loads(run("--config", str(file), "--format", "json").output)["mask"] == ["a", "b"]
    assert set(yaml.safe_load(shown.output)) == set(Settings.model_fields)


def test_the_file_can_be_named_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "service.yaml"
    file.write_text("port: 9\n", encoding="utf-8")
    monkeypatch.setenv("POLICYBOOK_CONFIG", str(file))
    assert f"[{file}]\nport: 9\n" in run().output


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prot: 1\n", "{file}: no setting `prot`; did you mean `port`?"),
        ("limits: {batch_item: 1}\n", "{file}: no setting `limits.batch_item`; did you mean `batch_items`?"),
        ("port: 70000\n", "port ({file}): `70000`: input should be less than or equal to 65535"),
        ("log_full: never\n", "log_full ({file}): `never`: input should be 'refuse' or 'count'"),
        ("limits: {depth: 0}\n", "limits.depth ({file}): `0`: input should be greater than or equal to 1"),
        ("- port\n", "{file}: settings are written as `name: value`, a line each"),
        ("port: [\n", "{file}: while parsing a flow node"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "service.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as failed:
        configure({}, file=file)
    assert failed.value.lines[0].startswith(says.format(file=file))
    refused = run("--config", str(file))
    assert refused.exit_code == 2


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICYBOOK_PORT", "tcp://10.0.0.1:50151")
    with pytest.raises(SettingsError) as failed:
        configure({})
    assert "Kubernetes sets this" in failed.value.lines[0]
    monkeypatch.setenv("POLICYBOOK_PORT", "1")
    monkeypatch.setenv("POLICYBOOK_WORKER", "1")
    monkeypatch.setenv("POLICYBOOK_DEBUG", "1")
    assert configure({}).unknown == ("POLICYBOOK_WORKER is no setting; did you mean `POLICYBOOK_WORKERS`?",)


def test_a_value_that_may_be_a_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICYBOOK_PORT", "s3cret/with+signs")
    with pytest.raises(SettingsError) as failed:
        configure({})
    assert "s3cret" not in str(failed.value)
    assert "hunter2" not in run("--log", "postgresql://user:hunter2@host/db").output


def test_every_setting_has_a_sentence_and_a_flag_or_is_a_section() -> None:
    shown = CliRunner().invoke(cli, ["serve", "--help"], terminal_width=200).output
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        assert name in ("books", "limits") or flag_of(name) in shown, name

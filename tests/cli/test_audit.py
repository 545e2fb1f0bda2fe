"""`policybook audit`: each of its commands on a log that a desk has written."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from audit.keeping import NOON, Clock, book, keeping, proof_of
from policybook.audit.entry import Purpose
from policybook.audit.masking import Masks
from policybook.cli.main import cli
from policybook.store.reload import make_edition

KEY = b"a secret of thirty-two bytes ...."


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log with decisions of two versions, a masked fact, a list and an explanation."""
    with keeping(tmp_path, masks=Masks(frozenset({"customer"}), KEY)) as kept:
        kept.ask(50, request_id="so-1", as_of=date(2026, 3, 1))
        kept.ask("150.25", caller="crm")
        kept.desk.store.publish(make_edition(book(200), NOON))
        kept.ask(150, facts={"customer": "Wang"})
        kept.ask(9000)
        kept.ask(0, "pieces", facts={"parts": [1, 2]}, purpose=Purpose.EXPLANATION)
    return kept.path


def run(path: Path, command: str, *arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["audit", command, "--log", str(path), *map(str, arguments)], terminal_width=120)


def ids(path: Path) -> list[str]:
    return [r["decision_id"] for r in json.loads(run(path, "list", "--oldest-first", "--format", "json").output)]


def execute(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()


# ---------------------------------------------------------------- verify


def test_verify(path: Path, tmp_path: Path) -> None:
    result = run(path, "verify")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == "holds  9 records, 5 decisions by 2 versions"
    assert lines[1].startswith("anchor 9:")
    told = json.loads(run(path, "verify", "--format", "json").output)
    assert (told["ok"], told["misfit"], told["records"], told["anchor"]) == (True, None, 9, lines[1].removeprefix("anchor "))
    noted = tmp_path / "service.log"
    noted.write_text(f"2026-03-31 12:00:00 INFO policybook.audit: decision log closed; {lines[1]}\nnothing here\n", encoding="utf-8")
    assert "1 anchor compared" in run(path, "verify", "--anchors", noted).output
    execute(path, "DELETE FROM record WHERE seq = 9")
    assert run(path, "verify").exit_code == 0
    cut = run(path, "verify", "--anchors", noted)
    assert cut.exit_code == 1
    assert cut.output.startswith("does not hold  the log ends at record 8; the anchor names record 9: its end was cut off\n")
    execute(path, "UPDATE record SET outputs = '{}' WHERE seq = 4")
    changed = run(path, "verify", "--anchor", told["anchor"])
    assert changed.exit_code == 1
    assert changed.output.splitlines() == [
        "does not hold  record 4 was changed: its content does not have the hash that it carries",
        "sound up to record 3: 1 decision",
    ]
    assert json.loads(run(path, "verify", "--format", "json").output)["misfit"]["record"] == 4


def test_verify_refuses(path: Path, tmp_path: Path) -> None:
    assert run(path, "verify", "--anchor", "9:abc").exit_code == 2
    empty = tmp_path / "empty"
    empty.write_text("nothing\n", encoding="utf-8")
    assert run(path, "verify", "--anchors", empty).exit_code == 1
    other = tmp_path / "other"
    other.write_bytes(b"x" * 5000)
    refused = run(other, "verify")
    assert refused.exit_code == 3
    assert "it is no decision log, and no SQLite file at all" in refused.output
    missing = run(tmp_path / "none", "verify")
    assert missing.exit_code == 3
    assert f"there is no decision log {tmp_path / 'none'}" in missing.output
    other = run("mysql://u:secret@h/db", "verify")
    assert other.exit_code == 3
    assert "a log is a file, or a database `postgresql://user@host:5432/name`" in other.output
    assert "secret" not in other.output


def test_verify_tells_what_the_log_says_of_itself(tmp_path: Path) -> None:
    clock = Clock()
    with keeping(tmp_path, clock=clock) as kept:
        kept.ask()
        clock.at = clock.at.replace(hour=1)
        kept.ask()
        kept.log.flush().result(10)
        output = run(kept.path, "verify").output
        assert "1 start without an end: a service still runs, or was killed" in output
        assert "1 decision with an earlier time than the one before" in output


# ---------------------------------------------------------------- list and show


def test_list(path: Path) -> None:
    lines = run(path, "list").output.splitlines()
    assert len(lines) == 5
    assert "book.pieces (explained)" in lines[0]
    assert "no match" in lines[1]
    assert lines[4].split()[1:5] == ["book.order", "within", "erp", "so-1"]
    assert run(path, "list", "--caller", "crm", "--format", "json").output.count("decision_id") == 1
    assert len(run(path, "list", "--limit", "2").output.splitlines()) == 2
    assert len(run(path, "list", "--decision", "book.order", "--purpose", "decision").output.splitlines()) == 4
    assert run(path, "list", "--since", "2026-04-01").output == "no decision\n"
    assert len(run(path, "list", "--since", "2026-03-31", "--until", "2026-04-01T00:00:00+08:00").output.splitlines()) == 5
    wrong = run(path, "list", "--since", "tomorrow")
    assert wrong.exit_code == 2
    assert "write a day, `2026-03-01`, or an instant" in wrong.output


def test_show_decides_again_by_the_version_of_then(path: Path) -> None:
    result = run(path, "show", ids(path)[0], "--trace", "full")
    assert result.exit_code == 0, result.output
    assert "stated       amount = 50" in result.output
    assert "as of        2026-03-01  as stated" in result.output
    assert f"decided again by version {book(100).version[:8]}, as kept with the log: the same" in result.output
    assert "amount is 50.00 CNY, <= cap (100.00 CNY)" in result.output
    assert run(path, "show", "nothing").exit_code == 1
    assert "no record `nothing`" in run(path, "show", "nothing").output
    assert "no record `so-1`; did you mean `" in run(path, "show", "so-1").output


def test_show_tells_when_it_comes_otherwise(path: Path) -> None:
    first = ids(path)[0]
    execute(path, "UPDATE record SET outputs = replace(outputs, 'ship', 'refuse') WHERE seq = 3")
    result = run(path, "show", first)
    assert result.exit_code == 1
    assert "decided again: otherwise" in result.output
    told = json.loads(run(path, "show", first, "--format", "json").output)
    assert told["again"]["same"] is False
    assert told["again"]["differences"]["outputs"]["now"]["outcome"] == {"text": "ship"}


def test_show_masked_facts(path: Path, tmp_path: Path) -> None:
    masked = ids(path)[2]
    result = run(path, "show", masked)
    assert result.exit_code == 0
    assert "not decided again: it rests on masked facts; state them: customer=VALUE" in result.output
    assert "customer = masked " in result.output
    assert "the same" in run(path, "show", masked, "customer=Wang").output
    key = tmp_path / "key"
    key.write_bytes(KEY)
    assert "the same" in run(path, "show", masked, "customer=Wang", "--mask-key", key).output
    other = run(path, "show", masked, "customer=Li", "--mask-key", key)
    assert other.exit_code == 1
    assert "these are not the values that the decision was made on" in other.output


# ---------------------------------------------------------------- export


def test_export_json_lines(path: Path, tmp_path: Path) -> None:
    records = [json.loads(line) for line in run(path, "export").output.splitlines()]
    assert [r["decision"] for r in records] == ["book.order"] * 4 + ["book.pieces"]
    assert records[1]["facts"] == {"amount": {"literal": "150.25"}}
    assert records[0]["outputs"]["rest"] == {"money": {"amount": "50.00", "currency": "CNY"}}
    assert records[1]["previous"] == records[0]["hash"]
    target = tmp_path / "out.jsonl"
    result = run(path, "export", "--output", target, "--limit", "3")
    assert f"{target}: 3 decisions" in result.output
    assert [json.loads(line)["seq"] for line in target.read_text(encoding="utf-8").splitlines()] == [r["seq"] for r in records[:3]]
    assert target.stat().st_mode & 0o777 == 0o600


def test_export_csv(path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run(path, "export", "--format", "csv").output)))
    assert json.loads(rows[0]["facts"]) == {"amount": {"literal": "50"}}
    flat = list(csv.DictReader(io.StringIO(run(path, "export", "--format", "csv", "--decision", "book.order").output)))
    assert [r["facts.amount"] for r in flat] == ["50", "150.25", "150", "9000"]
    assert [r["outputs.outcome"] for r in flat] == ["ship", "refuse", "ship", ""]
    assert flat[0]["outputs.rest"] == "50.00 CNY"
    assert flat[2]["facts.customer"].startswith("masked ")
    assert [r["rows"] for r in flat] == ["within", "open", "within", ""]


def test_columns_that_come_late(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policybook.cli.audit_export._CHUNK", 2)
    flat = list(csv.DictReader(io.StringIO(run(path, "export", "--format", "csv", "--decision", "book.order").output)))
    assert "facts.customer" not in flat[0]
    assert json.loads(flat[2]["more"])["facts.customer"].startswith("masked ")
    assert flat[0]["more"] == ""


def test_export_parquet(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out.parquet"
    assert run(path, "export", "--format", "parquet").exit_code == 2
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pyarrow", None)
        missing = run(path, "export", "--format", "parquet", "--output", target)
        assert missing.exit_code == 3
        assert "Parquet needs pyarrow, which is not installed: `pip install 'policybook[parquet]'`" in missing.output
    parquet = pytest.importorskip("pyarrow.parquet")
    assert run(path, "export", "--format", "parquet", "--output", target, "--decision", "book.order").exit_code == 0
    table: Any = parquet.read_table(target).to_pydict()
    assert table["facts.amount"] == ["50", "150.25", "150", "9000"]
    assert table["seq"] == sorted(table["seq"])


# ---------------------------------------------------------------- prune


def test_prune(path: Path) -> None:
    third = json.loads(run(path, "list", "--oldest-first", "--format", "json").output)[2]
    declined = CliRunner().invoke(cli, ["audit", "prune", "--log", str(path), "--before", third["time"]], input="n\n")
    assert declined.exit_code == 1
    assert len(ids(path)) == 5
    done = run(path, "prune", "--before", third["time"], "--yes")
    assert done.exit_code == 0, done.output
    assert "records deleted" in done.output
    assert len(ids(path)) == 3
    assert proof_of(path).ok
    output = run(path, "verify").output
    assert "were deleted by age" in output
    assert "the same" in run(path, "show", ids(path)[0], "customer=Wang").output

"""Start the real service, ask it everything in examples/, show each decision and its trace, stop the service.

    python examples/demo.py                     all requests, English and Chinese
    python examples/demo.py --lang zh 05 13     some of them (by a part of the file's name), in Chinese
    python examples/demo.py --trace matched     less of the reasoning; `none` for none

The service is `policybook serve` on a free port of this machine; the requests go to it through the Python client, over gRPC.
Exit code: 0, or 1 when an answer differs from the `expect` of its file, 3 when the service did not start.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.rule import Rule
from rich.text import Text

from policybook.cli.console import out, show
from policybook.cli.exits import FAULT, FINDINGS, SUCCESS, FaultError
from policybook.cli.facts import facts_from_json, moment, object_from_json
from policybook.cli.findings import counted
from policybook.cli.remote import Service
from policybook.cli.render import decision_panel, trace_group
from policybook.cli.view import DecisionView
from policybook.cli.words import LANGS, lines
from policybook.model.kinds import Text as Words

HERE = Path(__file__).resolve().parent
START_S = 120.0
STOP_S = 20.0


@contextmanager
def server(rules: Path) -> Iterator[str]:
    """Run the service; give its address.

    Raises:
        FaultError: it did not come up
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        command = [sys.executable, "-m", "policybook", "serve", str(rules), "--port", "0", "--reload-s", "0", "--insecure"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8")
        try:
            yield _address(process, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _address(process: subprocess.Popen[str], log: Any) -> str:
    # A server that neither starts nor ends must not hold up the demo for ever.
    guard = threading.Timer(START_S, process.kill)
    guard.start()
    try:
        for line in process.stdout or ():
            if found := re.search(r"listening on (\S+:\d+)", line):
                return found.group(1)
    finally:
        guard.cancel()
    process.wait(STOP_S)
    log.seek(0)
    raise FaultError(f"the service did not start (exit code {process.returncode}):\n{log.read()[-4000:]}")


def as_text(value: object) -> object:
    """Write a value of the answer as the `expect` of a file has it: an amount as `300.00 CNY`."""
    if isinstance(value, dict) and value.keys() == {"amount", "currency"}:
        return f"{value['amount']} {value['currency']}"
    if isinstance(value, list):
        return [as_text(v) for v in value]
    return value


def differences(view: DecisionView, expect: dict[str, Any]) -> list[str]:
    """Compare an answer with what its file expects; what the file does not name is not compared."""
    answer: Any = view.as_json()
    found = []
    for name, wanted in expect.get("outputs", {}).items():
        got = as_text(answer["outputs"].get(name))
        if got != wanted:
            found.append(f"{name}: expected {wanted}, got {got}")
    rows = [r.id for r in view.rules]
    if "rows" in expect and rows != expect["rows"]:
        found.append(f"rows: expected {expect['rows']}, got {rows}")
    if "items" in expect:
        items = [{name: as_text(v) for name, v in item["outputs"].items()} for item in answer["items"]]
        short = [{name: item.get(name) for name in wanted} for item, wanted in zip(items, expect["items"], strict=False)]
        if short != expect["items"] or len(items) != len(expect["items"]):
            found.append(f"items: expected {expect['items']}, got {items}")
    return found


def run(files: list[Path], lang: str, trace: str, rules: Path) -> int:
    """Ask everything and show it; return the exit code."""
    console = out()
    wrong = 0
    with server(rules) as address:
        console.print(Text.assemble(("policybook", "name"), f" serves {rules.name}/ on ", (address, "name"), "\n"))
        service = Service(address, lang)
        try:
            for file in files:
                request = object_from_json(file.read_text(encoding="utf-8"), file.name)
                show(console, Rule(Text(file.stem, "dim"), style="dim"))
                title = request.get("title", {})
                for line in lines(Words(title.get("en", ""), title.get("zh", "")), lang):
                    console.print(Text(line, "bold"))
                console.print()
                decision = str(request["decision"])
                day = moment(request["as_of"], service.zone(decision.partition(".")[0])) if "as_of" in request else None
                view = service.decide(decision, facts_from_json(request["facts"]), as_of=day, version="", trace=trace, request_id=file.stem)
                show(console, decision_panel(view, lang))
                if view.tables:
                    console.print()
                    show(console, trace_group(view, lang, brief=True))
                console.print()
                unlike = differences(view, request.get("expect", {}))
                wrong += bool(unlike)
                for line in unlike:
                    console.print(Text(f"✗ {line}\n", "no"))
        finally:
            service.close()
    summary = f"{counted(len(files), 'decision')} over gRPC, {wrong} not as expected; the service has stopped"
    console.print(Text(summary, "no" if wrong else "yes"))
    return FINDINGS if wrong else SUCCESS


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description="Ask a real policybook service everything in examples/.")
    parser.add_argument("only", nargs="*", help="parts of file names; none: all")
    parser.add_argument("--lang", choices=LANGS, default="both")
    parser.add_argument("--trace", choices=["none", "matched", "full"], default="full")
    parser.add_argument("--rules", type=Path, default=HERE.parent / "rules")
    args = parser.parse_args()
    files = [f for f in sorted(HERE.glob("*.json")) if not args.only or any(part in f.name for part in args.only)]
    try:
        return run(files, args.lang, args.trace, args.rules)
    except click.ClickException as e:
        e.show()
        return e.exit_code
    except BrokenPipeError:
        # `make demo | head`: whoever reads has read enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SUCCESS
    except (json.JSONDecodeError, KeyError, OSError) as e:
        print(f"error: {e}", file=sys.stderr)
        return FAULT


if __name__ == "__main__":
    sys.exit(main())

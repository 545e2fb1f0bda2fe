"""What is deployed is what there is: settings, ports, metrics and commands of `deploy/`, and what their linters say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from policybook.cli.main import COMMANDS
from policybook.server.meter import FAMILIES
from policybook.server.settings import PREFIX, Settings, flag_of

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = sorted(p for p in (DEPLOY / "kubernetes").glob("*.yaml") if p.name != "kustomization.yaml")
FLAGS = {flag_of(name) for name in Settings.model_fields} | {"--config"}


def flags(text: str) -> set[str]:
    return set(re.findall(r"--[a-z][a-z-]+", text))


def documents() -> Iterator[dict[str, Any]]:
    for path in KUBERNETES:
        yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


def deployment() -> dict[str, Any]:
    return next(d for d in documents() if d["kind"] == "Deployment")


def container() -> dict[str, Any]:
    found: dict[str, Any] = deployment()["spec"]["template"]["spec"]["containers"][0]
    return found


def test_the_image_runs_what_there_is() -> None:
    text = (DEPLOY / "docker" / "Dockerfile").read_text(encoding="utf-8")
    (command,) = re.findall(r"^CMD \[(.*)\]$", text, re.MULTILINE)
    assert command.startswith('"serve"')
    assert flags(command) <= FLAGS
    (check,) = re.findall(r"^HEALTHCHECK .* CMD \[(.*)\]$", text, re.MULTILINE)
    assert check.split('"')[3] in COMMANDS
    assert "USER 10001" in text
    for copied in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE):
        for source in copied.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in (ROOT / ".dockerignore").read_text(encoding="utf-8").split()


def test_the_dockerfile_pleases_hadolint() -> None:
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([str(program), str(DEPLOY / "docker" / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unit() -> None:
    text = (DEPLOY / "systemd" / "policybook.service").read_text(encoding="utf-8")
    (command,) = re.findall(r"^ExecStart=\S+ (.*)$", text, re.MULTILINE)
    assert command.split()[0] in COMMANDS
    assert flags(command) <= FLAGS
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed here")
    done = subprocess.run([program, "verify", str(DEPLOY / "systemd" / "policybook.service")], capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if "policybook.service" in line and "is not executable" not in line]
    assert not complaints


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda p: p.name)
def test_the_manifests_are_what_kubernetes_takes(path: Path) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_the_manifests_say_what_there_is() -> None:
    named = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    assert sorted(named) == [p.name for p in KUBERNETES]
    made = container()
    assert made["args"][0] in COMMANDS
    assert flags(" ".join(made["args"])) <= FLAGS
    assert {e["name"] for e in made["env"]} <= {PREFIX + name.upper() for name in Settings.model_fields}
    assert deployment()["spec"]["template"]["spec"]["enableServiceLinks"] is False
    ports = {p["name"]: p["containerPort"] for p in made["ports"]}
    assert ports["grpc"] == Settings().port
    assert str(ports["metrics"]) in made["args"]
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = made[probe]["httpGet"]
        assert asked["port"] == "metrics"
        assert f"`{asked['path']}`" in operations
    grace = deployment()["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace > Settings().limits.drain_s
    service = next(d for d in documents() if d["kind"] == "Service")
    assert {p["port"] for p in service["spec"]["ports"]} == set(ports.values())
    labels = deployment()["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


def test_alerts_ask_for_metrics_that_there_are() -> None:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 5
    for rule in rules:
        check_query(rule["expr"])
        assert rule["annotations"]["summary"]


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    panels = json.loads((DEPLOY / "grafana" / "policybook.json").read_text(encoding="utf-8"))["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(queries) >= len(panels) > 8
    for query in queries:
        check_query(query)
    # No two panels in one place.
    places = [
        (p["gridPos"]["x"] + x, p["gridPos"]["y"] + y) for p in panels for x in range(p["gridPos"]["w"]) for y in range(p["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))


def test_the_monitor_finds_the_service() -> None:
    monitor = yaml.safe_load((DEPLOY / "prometheus" / "servicemonitor.yaml").read_text(encoding="utf-8"))["spec"]
    service = next(d for d in documents() if d["kind"] == "Service")
    kustomization = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text(encoding="utf-8"))
    assert (
        monitor["selector"]["matchLabels"].items()
        <= {k: v for labels in kustomization["labels"] for k, v in labels["pairs"].items()}.items()
    )
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] in {p["name"] for p in service["spec"]["ports"]}


def check_query(query: str) -> None:
    """A query names metrics and labels that there are; of a histogram its parts."""
    parts = {f"{name}_{part}" for name, family in FAMILIES.items() if family.kind == "histogram" for part in ("bucket", "count", "sum")}
    asked = set(re.findall(r"policybook_[a-z_]+", query))
    assert asked, query
    assert asked <= set(FAMILIES) - {name for name, family in FAMILIES.items() if family.kind == "histogram"} | parts, query
    known = {"job", "instance", "worker", "le"}
    for metric in asked:
        known |= set(FAMILIES[metric].labels if metric in FAMILIES else FAMILIES[metric.rpartition("_")[0]].labels)
    for labels in re.findall(r"\{([^}]*)\}", query):
        assert {name.split("=")[0].strip(" ~!") for name in labels.split(",")} <= known, query
    for labels in re.findall(r"\b(?:by|without|on) \(([^)]*)\)", query):
        assert {name.strip() for name in labels.split(",")} <= known, query

"""Findings as SARIF 2.1.0, which code hosts show at the line.

Source: OASIS, Static Analysis Results Interchange Format Version 2.1.0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import PurePath

from policybook.diagnostics import Finding, Severity
from policybook.source import Span

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"


def as_sarif(findings: Iterable[Finding]) -> dict[str, object]:
    """Return a SARIF log of one run; accepted findings are suppressed results with the book's reason."""
    found = list(findings)
    codes = {f.code.number: f.code for f in found}
    places = {number: i for i, number in enumerate(sorted(codes))}
    rules = [{"id": n, "name": codes[n].slug, "shortDescription": {"text": codes[n].slug.replace("-", " ")}} for n in places]
    driver = {"name": "policybook", "version": version("policybook"), "rules": rules}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": [_result(f, places) for f in found]}],
    }


def _result(f: Finding, places: dict[str, int]) -> dict[str, object]:
    text = f.message if not f.help else f"{f.message}\n{f.help}"
    out: dict[str, object] = {
        "ruleId": f.code.number,
        "ruleIndex": places[f.code.number],
        "level": _LEVELS[f.severity],
        "message": {"text": text},
        "locations": [_location(f.span, f.path)],
        # The same finding in an edited file: what it says counts, not its line.
        "partialFingerprints": {"message/v1": hashlib.sha256(f"{f.code.number} {f.message}".encode()).hexdigest()[:32]},
    }
    if f.related:
        out["relatedLocations"] = [_location(span, "") for span in f.related]
    if f.accepted:
        out["suppressions"] = [{"kind": "inSource", "justification": f.accepted}]
    more = {"decision": f.decision, "rows": list(f.rows), "region": f.region, "witness": f.witness, "proposal": f.proposal}
    kept = {k: v for k, v in more.items() if v}
    if kept:
        out["properties"] = kept
    return out


def _location(span: Span, path: str) -> dict[str, object]:
    uri = PurePath(span.file or path).as_posix()
    physical: dict[str, object] = {"artifactLocation": {"uri": uri}}
    if span.line:
        physical["region"] = {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        }
    return {"physicalLocation": physical}

"""The results as JUnit XML, for CI systems."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from datetime import datetime

from policybook.trials.run import Result

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(results: Mapping[str, Sequence[Result]], *, now: datetime) -> str:
    """Write results as JUnit XML.

    Args:
        results: file -> its results
        now: when they were run
    """
    everything = [r for rs in results.values() for r in rs]
    root = ET.Element("testsuites", {"name": "policybook", **_counts(everything)})
    for file, of_file in results.items():
        suite = ET.SubElement(root, "testsuite", {"name": file, **_counts(of_file), "timestamp": now.isoformat(timespec="seconds")})
        for result in of_file:
            _case(suite, result)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, result: Result) -> None:
    case = result.case
    attributes = {
        "classname": case.name,
        "name": _clean(case.id),
        "time": _seconds(result.elapsed_ns),
        "file": case.span.file,
        "line": str(case.span.line),
    }
    element = ET.SubElement(suite, "testcase", attributes)
    if result.passed:
        return
    # JUnit calls `failure` what was decided otherwise, and `error` what could not be decided.
    kind = "failure" if result.refusal is None else "error"
    first = str(result.differences[0])
    problem = ET.SubElement(element, kind, {"message": _clean(first), "type": result.differences[0].what})
    problem.text = _clean("\n".join((f"{case.span}", *result.lines())))


def _counts(results: Sequence[Result]) -> dict[str, str]:
    failed = [r for r in results if not r.passed]
    errors = sum(r.refusal is not None for r in failed)
    return {
        "tests": str(len(results)),
        "failures": str(len(failed) - errors),
        "errors": str(errors),
        "skipped": "0",
        "time": _seconds(sum(r.elapsed_ns for r in results)),
    }


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds // 1_000_000_000}.{nanoseconds % 1_000_000_000 // 1000:06d}"


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)

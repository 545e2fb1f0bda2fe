"""The results as JSON, for other programs."""

from __future__ import annotations

import json
from collections.abc import Iterator

from policybook.model.answer import Answer
from policybook.trials.case import Case
from policybook.trials.coverage import DecisionCoverage, is_crossed
from policybook.trials.points import Point
from policybook.trials.run import Result
from policybook.trials.session import Session


def json_report(session: Session, language: str = "en") -> str:
    """Write a run as JSON; what each key holds stands in docs/testers.md."""
    return json.dumps(_report(session, language), ensure_ascii=False, indent=2) + "\n"


def _report(session: Session, language: str) -> dict[str, object]:
    return {
        "at": session.at.isoformat(timespec="seconds"),
        "summary": {
            "tables": len(session.results),
            "cases": len(session.everything),
            "passed": len(session.everything) - len(session.failed),
            "failed": len(session.failed),
            "to_review": len(session.to_review),
            "coverage": {name: {"seen": seen, "of": of} for name, seen, of in session.totals()},
        },
        "books": [{"policy": b.name, "version": b.version, "file": b.source.name} for b in session.books.values()],
        "findings": [{**f.as_json(), "place": str(f.span)} for f in session.findings],
        "tables": [{"file": file, "cases": [_case(r, language) for r in results]} for file, results in session.results.items()],
        "coverage": [_coverage(c) for c in session.coverage],
        **_mutation(session, language),
    }


def _mutation(session: Session, language: str) -> dict[str, object]:
    if session.mutation is None:
        return {}
    # The solver is slow to import, and there only where it was wanted.
    from policybook.trials.mutation_report import mutation_json  # noqa: PLC0415

    return {"mutation": mutation_json(session.mutation, session.books, language)}


def _case(result: Result, language: str) -> dict[str, object]:
    case: Case = result.case
    answer: Answer | None = result.answer
    return {
        "id": case.id,
        "decision": case.name,
        "place": str(case.span),
        "as_of": case.as_of.isoformat() if case.as_of else None,
        "passed": result.passed,
        "review": case.review,
        "note": case.note,
        "given": {name: stated.text for name, stated in case.given.items()},
        "selected": [r.id for r in answer.selected] if answer else [],
        "differences": [{"what": d.what, "expected": d.expected, "got": d.got, "place": str(d.span)} for d in result.differences],
        "reasons": [] if result.passed else list(result.reasons(language)),
        "elapsed_ns": result.elapsed_ns,
    }


def _coverage(c: DecisionCoverage) -> dict[str, object]:
    return {
        "decision": c.name,
        "rows": {"visited": [r.id for r in c.hit], "missed": [r.id for r in c.missed]},
        "thresholds": list(_thresholds(c)),
        "pairs": None
        if c.pairs is None
        else {
            "seen": c.pairs.seen,
            "possible": c.pairs.possible,
            "undecided": c.pairs.undecided,
            "columns_left_out": c.pairs.left_out,
            "missed": [{"columns": [p.first, p.second], "passing": [list(p.first_passes), list(p.second_passes)]} for p in c.pairs.missed],
        },
    }


def _thresholds(c: DecisionCoverage) -> Iterator[dict[str, object]]:
    for (threshold, sides), boundary in zip(c.thresholds, c.boundaries, strict=True):
        yield {
            "row": threshold.row.row,
            "key": threshold.key,
            "test": threshold.text,
            "end": threshold.end or None,
            "sides": sorted(s.value for s in sides),
            "both_sides": is_crossed(threshold, sides),
            "seen": [p.value for p in Point if p in boundary.seen],
            "missed": [p.value for p in boundary.missed],
        }

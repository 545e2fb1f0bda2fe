"""A mutation run in words and as data, for the reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from policybook.model.book import Book
from policybook.trials.mutation import DecisionScore, Fate, Judged, Mutation, Witness, share
from policybook.trials.requests import REVIEW
from policybook.trials.write import case_lines


def alive(score: DecisionScore) -> tuple[tuple[Witness, tuple[Judged, ...]], ...]:
    """Return the mutants that live on, by the request that kills them."""
    found: dict[int, tuple[Witness, list[Judged]]] = {}
    for mutant in score.of(Fate.SURVIVED):
        if mutant.witness is not None:
            found.setdefault(id(mutant.witness), (mutant.witness, []))[1].append(mutant)
    return tuple((witness, tuple(mutants)) for witness, mutants in found.values())


def pasteable(witness: Witness, book: Book, language: str = "en") -> str:
    """Return a request as a case, ready to paste below `cases:`."""
    return "\n".join(case_lines(replace(witness.case, review=REVIEW.get(language)), book))


def mutation_json(mutation: Mutation, books: Mapping[str, Book], language: str = "en") -> dict[str, object]:
    """Return a run as JSON; what each key holds stands in docs/testers.md."""
    return {
        "killed": len(mutation.of(Fate.KILLED)),
        "of": sum(d.counted for d in mutation.decisions),
        "survived": len(mutation.of(Fate.SURVIVED)),
        "undecided": len(mutation.of(Fate.UNDECIDED)),
        "equivalent": len(mutation.of(Fate.EQUIVALENT)),
        "duplicates": sum(d.duplicates for d in mutation.decisions),
        "whole": mutation.is_whole,
        "not_tried": [*mutation.left, *(d.name for d in mutation.decisions if d.of(Fate.NOT_TRIED))],
        "decisions": [_decision(d, books[d.policy], language) for d in mutation.decisions],
    }


def _decision(score: DecisionScore, book: Book, language: str) -> dict[str, object]:
    return {
        "decision": score.name,
        "killed": score.killed,
        "of": score.counted,
        "score": None if (part := share([score])) is None else round(part, 1),
        "duplicates": score.duplicates,
        "mutants": [_mutant(m, book, language) for m in score.mutants],
    }


def _mutant(mutant: Judged, book: Book, language: str) -> dict[str, object]:
    return {
        "number": mutant.number,
        "fault": mutant.fault.value,
        "row": mutant.row or None,
        "what": mutant.what.get(language),
        "place": str(mutant.span),
        "fate": mutant.fate.value,
        "killed_by": mutant.killed_by or None,
        "case": pasteable(mutant.witness, book, language) if mutant.witness else None,
        "why": mutant.why or None,
    }

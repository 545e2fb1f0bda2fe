"""Requests that analysis found, as cases: decided by the book itself, with a name and a note."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from policybook.analyse.inquiry import Asking, as_stated
from policybook.decide.chain import Verdict
from policybook.errors import ConflictError, FactsError, NotInForceError, PolicybookError
from policybook.model.answer import Answer, Outcome
from policybook.model.book import Book, Decision
from policybook.model.kinds import Text
from policybook.trials.case import ErrorKind, Status
from policybook.trials.written import WrittenCase

REVIEW = Text(
    "the expected side is what the book answers today; confirm it and take this mark away",
    "预期结果取自现行规则簿，请确认后删去此标记",
)
_UNFIT = re.compile(r"[^0-9a-z]+")


def answer_of(book: Book, decision: Decision, asking: Asking, verdict: Verdict) -> Answer:
    """Return the whole answer to a request that was found."""
    return Answer(
        decision_id="",
        request_id="",
        policy=book.name,
        decision=decision,
        version=book.version,
        currency=book.currency,
        as_of=asking.as_of,
        decided_at=asking.now,
        outcome=verdict.outcome,
        outputs=verdict.outputs,
        output_fields=decision.outputs,
        items=tuple(verdict.items),
        selected=tuple(verdict.selected),
        tables=tuple(verdict.tables),
        elapsed_ns=0,
    )


def stated_case(
    book: Book, decision: Decision, asking: Asking, made: Verdict | PolicybookError, *, case_id: str, note: str, review: str | None
) -> WrittenCase:
    """Return a request as a case that expects all that the book answers: rows, outputs, items, or the refusal."""
    given = as_stated(asking, book)
    common = WrittenCase(
        id=case_id,
        decision=decision.name,
        as_of=asking.now if asking.exact else asking.as_of,
        given={i.name: given[i.name] for i in book.inputs if i.name in given},
        review=review,
        note=note,
    )
    if isinstance(made, PolicybookError):
        return replace(common, status=Status.ERROR, error=_kind(made))
    several = decision.hit_policy.multi or decision.for_each is not None
    is_answered = made.outcome is Outcome.DECIDED
    return replace(
        common,
        expect=dict(made.outputs) if is_answered else {},
        expect_items=tuple(dict(i.outputs) for i in made.items) if several else None,
        rows=tuple(r.id for r in made.selected),
        status=None if is_answered else Status.NO_MATCH,
    )


def _kind(error: PolicybookError) -> ErrorKind | None:
    match error:
        case FactsError():
            return ErrorKind.FACTS
        case NotInForceError():
            return ErrorKind.NOT_IN_FORCE
        case ConflictError():
            return ErrorKind.CONFLICT
        case _:
            return None


def name_of(*parts: str) -> str:
    """Return words joined to an id: `within-limit`, `exposure just above` -> `within-limit--exposure-just-above`."""
    return "--".join(_UNFIT.sub("-", p.lower()).strip("-") for p in parts if p)


def unused(wanted: str, decision: str, taken: Mapping[str, str]) -> str:
    """Return an id that no case has: with the decision before it where one of another has it, else with a number behind it.

    Args:
        taken: id -> decision of the case that has it
    """
    if wanted not in taken:
        return wanted
    if taken[wanted] != decision:
        wanted = f"{name_of(decision)}--{wanted}"
    number, made = 2, wanted
    while made in taken:
        made, number = f"{wanted}-{number}", number + 1
    return made

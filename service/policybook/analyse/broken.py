"""An invariant that is broken, in words: both requests, what they were answered, and where to look."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from policybook.analyse.growth import Grown
from policybook.analyse.inquiry import Asking
from policybook.analyse.settle import Answered
from policybook.analyse.shown import as_of_text, facts_json, plain_json, request_text
from policybook.cells.words import value_text
from policybook.diagnostics import Code, Finding, Severity
from policybook.model.book import Book, Decision, InForce, Invariant, Monotone, Within
from policybook.model.kinds import Base, Kind
from policybook.source import Span
from policybook.values import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """What breaks an invariant.

    Args:
        asking: the request; of two the one before the input grew
        before, after: what was answered; `after` only where two are compared
        day, in_force: a day, and what is in force on it
    """

    asking: Asking | None = None
    before: Answered | None = None
    after: Answered | None = None
    day: date | None = None
    in_force: tuple[str, ...] = ()


def finding_of(book: Book, decision: Decision, invariant: Invariant, breach: Breach) -> Finding:
    """Return the finding that shows a breach."""
    claim = invariant.claim
    what = ""
    rows = tuple(dict.fromkeys(r for a in (breach.before, breach.after) if a is not None for r in a.rows))
    match claim:
        case Monotone():
            what = _moved(book, decision, claim, breach)
        case Within():
            what = _outside(book, claim, breach)
        case InForce():
            what = _count(claim, breach)
            rows = tuple(r.id for r in decision.rows if r.id in claim.names)
    spans = {r.id: r.span for r in decision.all_rows}
    return Finding(
        code=Code.INVARIANT_REFUTED,
        severity=Severity.ERROR,
        message=f"the invariant `{invariant.id}` does not hold: {what}",
        span=invariant.span,
        help=_help(claim, [(r, spans[r]) for r in rows if r in spans]),
        decision=decision.name,
        rows=rows,
        witness=request_text(breach.asking, book) if breach.asking else str(breach.day),
        related=tuple(spans[r] for r in rows if r in spans),
    )


def undecided_finding(decision: Decision, invariant: Invariant, why: str) -> Finding:
    """Return the finding that an invariant was neither proved nor refuted."""
    return Finding(
        code=Code.INVARIANT_UNDECIDED,
        severity=Severity.WARNING,
        message=f"it could not be decided whether the invariant `{invariant.id}` always holds: {why}",
        span=invariant.span,
        help="say it of fewer requests (`where`), or keep it as cases of a test table",
        decision=decision.name,
    )


def _moved(book: Book, decision: Decision, claim: Monotone, breach: Breach) -> str:
    asking, before, after = breach.asking, breach.before, breach.after
    if not isinstance(asking, Grown) or before is None or after is None:
        return "two requests break it"
    kind = decision.compared_kind(claim.output)
    grows = _from_to(asking.facts[asking.name], asking.value, claim.grows.kind, book)
    moves = f"from {_answer(before, kind, book)} to {_answer(after, kind, book)}"
    rest = facts_json(asking, book)
    rest.pop(asking.name, None)
    shown = json.dumps(rest, ensure_ascii=False)
    of_item = f" of element {before.item}" if before.item else ""
    return (
        f"as `{claim.grows.name}` grows {grows}, `{claim.output.name}`{of_item} {claim.never.value} {moves};"
        f" everything else is {shown} as of {as_of_text(asking)}"
    )


def _from_to(before: Value, after: Value, kind: Kind, book: Book) -> str:
    return f"from {_value(before, kind, book)} to {_value(after, kind, book)}"


def _value(value: Value, kind: Kind, book: Book) -> str:
    """Write a value as in a book; records as in a request."""
    if kind.base is Base.LIST and kind.element is not None and kind.element.base is Base.RECORD:
        return json.dumps(plain_json(value, kind, book), ensure_ascii=False)
    return value_text(value, kind, book.currency)


def _answer(answered: Answered, kind: Kind, book: Book) -> str:
    shown = _value(answered.value, kind, book) if answered.value is not None else "no answer"
    return shown + _by(answered.rows)


def _by(rows: Sequence[str]) -> str:
    """Say which rows gave an answer."""
    if not rows:
        return ""
    named = ", ".join(f"`{r}`" for r in dict.fromkeys(rows))
    return f" ({'row' if len(set(rows)) == 1 else 'rows'} {named})"


def _outside(book: Book, claim: Within, breach: Breach) -> str:
    answered = breach.before
    if answered is None:
        return "a request breaks it"
    of_item = f" of element {answered.item}" if answered.item else ""
    value = _answer(answered, claim.output.kind, book)
    return f"`{claim.output.name}`{of_item} is {value}, which `{claim.text}` does not allow"


def _count(claim: InForce, breach: Breach) -> str:
    named = ", ".join(f"`{n}`" for n in claim.names)
    there = ", ".join(f"`{n}`" for n in breach.in_force)
    return f"of {named} there must be {claim.exactly} in force on each day; on {breach.day} there {_are(len(breach.in_force), there)}"


def _are(count: int, there: str) -> str:
    if count == 0:
        return "is none"
    return f"is 1, {there}" if count == 1 else f"are {count}, {there}"


def _help(claim: Monotone | Within | InForce, rows: Sequence[tuple[str, Span]]) -> str:
    shown = " and ".join(f"`{name}` (line {span.line})" for name, span in rows[:3])
    if isinstance(claim, InForce):
        return f"look at the dates of {shown}" if shown else "look at their dates"
    if not shown:
        return "look at the table for what is missing; or mend the invariant, where the policy means it so"
    return f"look at row {shown}; mend the table, or the invariant where the policy means it so"

"""One explanation: the answer and why, what would change it, what comes along an input, or what is still missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from policybook.audit.entry import Purpose
from policybook.cells.coerce import coerce, coerce_value
from policybook.desk import Desk, Request, decision_named, moments
from policybook.diagnostics import Finding, Report, did_you_mean
from policybook.errors import ConflictError, FactsError, RequestError
from policybook.explain.completion import Completer, Completion
from policybook.explain.told import Aspect, End, Teller, Told, outcome_of, output_kind, whole_answer
from policybook.explain.what_if import Line, Variation
from policybook.explain.why_not import DEFAULT_ALTERNATIVES, MAX_ALTERNATIVES, Goal, Search, WhyNot
from policybook.model.answer import Answer, TraceLevel, Verdict
from policybook.model.book import Book, Decision, Row
from policybook.model.facts import RawFacts
from policybook.model.formula import Const
from policybook.values import Value

MAX_VARIED = 5
MAX_NAMES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be explained.

    Args:
        request: as one would decide it; required facts may be missing
        wanted: the outcome that is wanted, by output; empty: any other
        kept: inputs that nobody can change
        varied: inputs along which the outcomes are wanted
        compared: the outputs by which answers are compared; empty: the first choice or flag when looking for another outcome, all of
            them when looking for what is missing
        most: ways to another outcome; 0: none is looked for
        effort_s: how long to look, at most; what is not finished then says so
    """

    request: Request
    wanted: RawFacts = field(default_factory=dict)
    kept: Sequence[str] = ()
    varied: Sequence[str] = ()
    compared: Sequence[str] = ()
    most: int = DEFAULT_ALTERNATIVES
    effort_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One row that gave the answer of one table, once; `row` is None where none matched."""

    decision: Decision
    item_number: int
    row: Row | None
    outputs: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a decision came as it did, and what would change it.

    Args:
        answer: None when required facts are missing, or when the request is refused
        refusal: why the request is refused, if it is
        completion: only when required facts are missing
    """

    book: Book
    decision: Decision
    as_of: date
    request_id: str
    answer: Answer | None
    refusal: str
    told: Told | None
    reasons: tuple[Reason, ...]
    why_not: WhyNot | None
    variations: tuple[Variation, ...]
    completion: Completion | None


class Explainer:
    """Explains what a desk decides.

    Args:
        clock: seconds that only ever grow, for the limit on time
    """

    def __init__(self, desk: Desk, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._clock = clock

    def explain(self, question: Question) -> Explanation:
        """Explain one decision.

        Raises:
            PolicybookError: as the desk does; facts that are missing are none of its faults
        """
        request = question.request
        edition, decision = decision_named(self._desk.store, request)
        book = edition.book
        self._check(question, book, decision)
        as_of, now = moments(request.as_of, self._desk.now(), book)
        edition.decider.check_in_force(decision, as_of, book.era(as_of))
        stated = coerce(request.facts, book, decision, complete=False)
        wanted = self._wanted(question, book, decision)
        teller = Teller(edition.decider, decision, as_of, now)
        end = self._clock() + question.effort_s

        def is_over() -> bool:
            return self._clock() >= end

        compared = Aspect(tuple(question.compared), rows=False) if question.compared else None
        known = Explanation(
            book=book,
            decision=decision,
            as_of=as_of,
            request_id=request.request_id,
            answer=None,
            refusal="",
            told=None,
            reasons=(),
            why_not=None,
            variations=(),
            completion=None,
        )
        if any(book.input_by_name[n].required and n not in stated for n in decision.uses.inputs):
            completion = Completer(teller, stated, compared or whole_answer(decision), is_over).complete()
            return replace(known, completion=completion)
        facts = coerce(request.facts, book, decision)
        # Without a trace there are no reasons; and all is explained as of the same moment.
        level = TraceLevel.MATCHED if request.trace is TraceLevel.NONE else request.trace
        as_of_stated = now if request.as_of is None else request.as_of
        asked = replace(request, as_of=as_of_stated, trace=level, purpose=Purpose.EXPLANATION)
        try:
            answer = self._desk.decide(asked)
        except (ConflictError, FactsError) as e:
            known = replace(known, refusal=str(e), told=Told(end=End.REFUSED, refusal=str(e)))
        else:
            known = replace(known, answer=answer, told=teller.tell(facts), reasons=reasons_of(answer))
        assert known.told is not None
        variations = tuple(Line(teller, facts, name, is_over).vary() for name in question.varied)
        why_not = None
        if question.most > 0:
            goal = Goal(compared or outcome_of(decision), known.told, wanted, tuple(question.compared))
            why_not = Search(teller, facts, question.kept, is_over).find(goal, min(question.most, MAX_ALTERNATIVES))
        return replace(known, why_not=why_not, variations=variations)

    def _check(self, question: Question, book: Book, decision: Decision) -> None:
        """Refuse names that are none.

        Raises:
            RequestError: with the nearest names
        """
        for where, names, allowed, what in (
            ("kept_inputs", question.kept, decision.uses.inputs, "an input"),
            ("varied_inputs", question.varied, decision.uses.inputs, "an input"),
            ("compared_outputs", question.compared, tuple(o.name for o in decision.outputs), "an output"),
            ("wanted_outputs", tuple(question.wanted), tuple(o.name for o in decision.outputs), "an output"),
        ):
            if len(names) > MAX_NAMES:
                raise RequestError(where, f"at most {MAX_NAMES} names, not {len(names):,}")
            for name in names:
                if name not in allowed:
                    raise RequestError(
                        where, f"`{name[:100]}` is not {what} of `{book.name}.{decision.name}`; {did_you_mean(name, allowed)}"
                    )
        if len(question.varied) > MAX_VARIED:
            raise RequestError("varied_inputs", f"at most {MAX_VARIED} inputs at once, not {len(question.varied)}")

    def _wanted(self, question: Question, book: Book, decision: Decision) -> dict[str, Value]:
        """Read the wanted outputs by their kinds, as other decisions would see them.

        Raises:
            FactsError: one does not fit
        """
        out: dict[str, Value] = {}
        findings: list[Finding] = []
        for name, raw in question.wanted.items():
            output = decision.output(name)
            assert output is not None
            declared = replace(output, kind=output_kind(decision, output), optional=True, minimum=None, maximum=None)
            try:
                out[name] = coerce_value(raw, declared, book, f"wanted_outputs.{name}")
            except FactsError as e:
                findings.extend(e.report.findings)
        if findings:
            raise FactsError(Report(tuple(findings)))
        return out


def reasons_of(answer: Answer) -> tuple[Reason, ...]:
    """Return the chain of rows that gave an answer."""
    out = []
    for table in answer.tables:
        decision = table.decision
        selected = [r.row for r in table.rows if r.verdict is Verdict.SELECTED]
        for row in selected:
            given = table.outputs if not decision.hit_policy.multi else _constants(row)
            out.append(Reason(decision=decision, item_number=table.item_number, row=row, outputs=given))
        if not selected:
            out.append(Reason(decision=decision, item_number=table.item_number, row=None, outputs={}))
    items = {(i.item_number, i.row.id): i.outputs for i in answer.items}
    return tuple(
        replace(r, outputs=items[r.item_number, r.row.id])
        if r.row is not None and r.decision.name == answer.decision.name and (r.item_number, r.row.id) in items
        else r
        for r in out
    )


def _constants(row: Row) -> dict[str, Value]:
    """Return what a row of a required table gives, as far as it is written in the row: its trace holds no more."""
    return {o.name: o.formula.value for o in row.outputs if isinstance(o.formula, Const)}

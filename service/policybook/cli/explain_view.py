"""An explanation as it is shown: texts in the languages asked for, and the data for `--format json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from policybook.cells.linear import value_of
from policybook.cli.view import DecisionView, as_json
from policybook.cli.view import view_of as decision_view_of
from policybook.model.kinds import DURATION, Base, Kind, Text
from policybook.trials.text import value_text
from policybook.values import Value

if TYPE_CHECKING:
    # The solver behind them takes long to load.
    from policybook.explain.completion import Completion, Example
    from policybook.explain.explainer import Explanation
    from policybook.explain.told import Told
    from policybook.explain.what_if import Piece, Variation
    from policybook.explain.why_not import Alternative, Change, WhyNot
    from policybook.explain.words import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownWay:
    """One way to another outcome; proved when no smaller set of inputs, and no smaller change of these, does it."""

    text: Text
    is_proved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPiece:
    """Values with one outcome; `tests` are those that turn where they begin: `row: name test`."""

    text: Text
    is_actual: bool
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownVariation:
    name: str
    title: Text
    pieces: tuple[ShownPiece, ...]
    note: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownUnstated:
    """An input that is not stated.

    Args:
        relevance: `needed`, `irrelevant` or `undecided`
        default: what it is taken for when it is left out; empty: it must be stated
    """

    name: str
    title: Text
    relevance: str
    default: str
    first_decision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainView:
    """One explanation.

    Args:
        answer: with its trace, for the headroom; None when facts are missing or the request is refused
        json: for `--format json`
    """

    decision: str
    title: Text
    as_of: str
    version: str
    answer: DecisionView | None
    refusal: str
    reasons: tuple[Text, ...]
    ways: tuple[ShownWay, ...] | None
    ways_note: Text
    variations: tuple[ShownVariation, ...]
    unstated: tuple[ShownUnstated, ...] | None
    unstated_note: Text
    json: Mapping[str, Any]


def view_of(explanation: Explanation) -> ExplainView:
    """Show an explanation that was found in process."""
    from policybook.explain.words import Words  # noqa: PLC0415 - needs the solver, which takes long to load

    book, decision = explanation.book, explanation.decision
    en, zh = (Words(book, decision, language) for language in ("en", "zh"))

    why_not, completion = explanation.why_not, explanation.completion
    answer = decision_view_of(explanation.answer, book.zone) if explanation.answer else None
    return ExplainView(
        decision=f"{book.name}.{decision.name}",
        title=decision.title,
        as_of=explanation.as_of.isoformat(),
        version=book.version,
        answer=answer,
        refusal=explanation.refusal,
        reasons=tuple(Text(en.reason(r), zh.reason(r)) for r in explanation.reasons),
        ways=None
        if why_not is None
        else tuple(
            ShownWay(text=Text(en.alternative(a, why_not.named), zh.alternative(a, why_not.named)), is_proved=a.fewest and a.least)
            for a in why_not.alternatives
        ),
        ways_note=Text(en.why_not(why_not), zh.why_not(why_not)) if why_not is not None else Text(),
        variations=tuple(_variation(v, en, zh) for v in explanation.variations),
        unstated=None
        if completion is None
        else tuple(
            ShownUnstated(
                name=u.declared.name,
                title=u.declared.title,
                relevance=u.relevance.value,
                default=value_text(u.declared.default, u.declared.kind, currency=book.currency, zone=book.zone, grouped=True)
                if u.declared.has_default or u.declared.optional
                else "",
                first_decision=f"{book.name}.{u.first_decision}",
            )
            for u in completion.unstated
        ),
        unstated_note=Text(en.completion(completion), zh.completion(completion)) if completion is not None else Text(),
        json=_Json(explanation, answer).all(),
    )


def _variation(variation: Variation, en: Words, zh: Words) -> ShownVariation:
    return ShownVariation(
        name=variation.declared.name,
        title=variation.declared.title,
        pieces=tuple(
            ShownPiece(
                text=Text(en.piece(variation, p), zh.piece(variation, p)),
                is_actual=p.is_actual,
                tests=tuple(f"{t.row}: {t.key} {t.test}" for t in p.turning),
            )
            for p in variation.pieces
        ),
        note=Text(en.variation(variation), zh.variation(variation)),
    )


class _Json:
    """The data of an explanation; the names are those of the Python client."""

    def __init__(self, explanation: Explanation, answer: DecisionView | None) -> None:
        self.explanation = explanation
        self.book = explanation.book
        self.decision = explanation.decision
        self.answer = answer

    def value(self, value: Value, kind: Kind) -> object:
        return as_json(value, kind, self.book.currency, self.book.zone)

    def all(self) -> dict[str, Any]:
        e = self.explanation
        return {
            "decision": f"{self.book.name}.{self.decision.name}",
            "policy_version": self.book.version,
            "as_of": e.as_of.isoformat(),
            "answer": self.answer.as_json() if self.answer else None,
            "refusal": e.refusal,
            "reasons": [
                {
                    "decision": f"{self.book.name}.{r.decision.name}",
                    "item_number": r.item_number or None,
                    "row_id": r.row.id if r.row else "",
                    "clauses": list(r.row.clauses) if r.row else [],
                    "outputs": {o.name: self.value(r.outputs[o.name], o.kind) for o in r.decision.outputs if o.name in r.outputs},
                }
                for r in e.reasons
            ],
            "why_not": self.why_not(e.why_not) if e.why_not else None,
            "variations": {v.declared.name: self.variation(v) for v in e.variations},
            "completion": self.completion(e.completion) if e.completion else None,
        }

    def told(self, told: Told) -> dict[str, Any]:
        from policybook.explain.told import End, output_kind  # noqa: PLC0415 - needs the solver, which takes long to load

        outputs = self.decision.outputs if told.end is End.DECIDED else ()
        return {
            "kind": told.end.value.replace(" ", "_"),
            "row_ids": list(told.rows),
            "outputs": {o.name: self.value(told.outputs.get(o.name), output_kind(self.decision, o)) for o in outputs},
            "refusal": told.refusal,
        }

    def why_not(self, why_not: WhyNot) -> dict[str, Any]:
        return {
            "alternatives": [self.alternative(a) for a in why_not.alternatives],
            "proved_inputs": why_not.proved,
            "searched_inputs": why_not.searched,
            "limited_by": why_not.limited_by,
            "changeable_inputs": list(why_not.changeable),
        }

    def alternative(self, alternative: Alternative) -> dict[str, Any]:
        return {
            "changes": [self.change(c) for c in alternative.changes],
            "outcome": self.told(alternative.told),
            "fewest_proved": alternative.fewest,
            "least_proved": alternative.least,
        }

    def change(self, change: Change) -> dict[str, Any]:
        kind = change.declared.kind
        element = kind.element or kind
        difference: object = None
        if change.difference is not None:
            far = DURATION if kind.base in (Base.DATE, Base.DATETIME, Base.TIME) else kind
            n = change.difference * (86_400_000_000 if kind.base is Base.DATE else 1)
            difference = self.value(value_of(n, far.base), far)
        return {
            "input": change.declared.name,
            "before": self.value(change.before, kind),
            "after": self.value(change.after, kind),
            "difference": difference,
            "added": [self.value(v, element) for v in change.added],
            "removed": [self.value(v, element) for v in change.removed],
        }

    def variation(self, variation: Variation) -> dict[str, Any]:
        kind = variation.declared.kind
        step = variation.step
        return {
            "input": variation.declared.name,
            "actual": self.value(variation.actual, kind),
            "step": self.value(step, DURATION if isinstance(step, timedelta) else kind),
            "pieces": [self.piece(p, kind) for p in variation.pieces],
            "proved": variation.proved,
            "limited_by": variation.limited_by,
        }

    def piece(self, piece: Piece, kind: Kind) -> dict[str, Any]:
        element = kind.element or kind
        return {
            "first": self.value(piece.first, kind),
            "last": self.value(piece.last, kind),
            "values": [self.value(v, kind) for v in piece.values],
            "added": self.value(piece.added, element),
            "removed": self.value(piece.removed, element),
            "is_actual": piece.is_actual,
            "outcome": self.told(piece.told),
            "varying_outputs": list(piece.varying),
            "turning_tests": [
                {"decision": f"{self.book.name}.{t.decision}", "row_id": t.row, "name": t.key, "test": t.test} for t in piece.turning
            ],
        }

    def completion(self, completion: Completion) -> dict[str, Any]:
        return {
            "settled_outcome": self.told(completion.settled) if completion.settled else None,
            "unstated": [
                {
                    "input": u.declared.name,
                    "relevance": u.relevance.value,
                    "required": u.declared.required,
                    "has_default": u.declared.has_default or u.declared.optional,
                    "default": self.value(u.declared.default, u.declared.kind) if u.declared.has_default else None,
                    "first_decision": f"{self.book.name}.{u.first_decision}",
                    "example": self.example(u.example, u.declared.kind) if u.example else None,
                }
                for u in completion.unstated
            ],
            "limited_by": completion.limited_by,
        }

    def example(self, example: Example, kind: Kind) -> dict[str, Any]:
        inputs = self.book.input_by_name
        return {
            "value": self.value(example.value, kind),
            "outcome": self.told(example.told),
            "other_value": self.value(example.other_value, kind),
            "other_outcome": self.told(example.other_told),
            "other_facts": {n: self.value(v, inputs[n].kind) for n, v in sorted(example.others.items())},
        }

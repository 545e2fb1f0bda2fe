"""Explanations to messages. They are rare and take long to find: nothing here need be fast."""

from __future__ import annotations

from collections.abc import Mapping

from policybook.cells.linear import value_of
from policybook.explain.completion import Completion, Example, Relevance, Unstated
from policybook.explain.explainer import Explanation, Reason
from policybook.explain.told import End, Told, output_kind
from policybook.explain.what_if import Piece, Variation
from policybook.explain.why_not import Alternative, Change, WhyNot
from policybook.explain.words import Words
from policybook.model.kinds import DURATION, Base, Kind
from policybook.server.convert import message_of
from policybook.v1 import decision_service_pb2 as pb
from policybook.v1 import explanation_pb2 as explanation_pb
from policybook.v1.values_pb2 import Value as WireValue
from policybook.values import Value

_ENDS = {
    End.DECIDED: explanation_pb.EXPLAINED_OUTCOME_KIND_DECIDED,
    End.NO_MATCH: explanation_pb.EXPLAINED_OUTCOME_KIND_NO_MATCH,
    End.REFUSED: explanation_pb.EXPLAINED_OUTCOME_KIND_REFUSED,
}
_RELEVANCE = {
    Relevance.NEEDED: explanation_pb.RELEVANCE_NEEDED,
    Relevance.IRRELEVANT: explanation_pb.RELEVANCE_IRRELEVANT,
    Relevance.UNDECIDED: explanation_pb.RELEVANCE_UNDECIDED,
}


def response(explanation: Explanation, answered: bytes, language: str) -> pb.ExplainResponse:
    """Write an explanation as a message.

    Args:
        answered: the serialized DecideResponse; empty where there is none
    """
    book, decision = explanation.book, explanation.decision
    made = _Maker(explanation, language)
    message = pb.ExplainResponse(
        decision=f"{book.name}.{decision.name}",
        policy_version=book.version,
        as_of_date=explanation.as_of.isoformat(),
        request_id=explanation.request_id,
        refusal=explanation.refusal,
        reasons=[made.reason(r) for r in explanation.reasons],
        variations=[made.variation(v) for v in explanation.variations],
    )
    if answered:
        message.answer.ParseFromString(answered)
    if explanation.why_not is not None:
        message.why_not.CopyFrom(made.why_not(explanation.why_not))
    if explanation.completion is not None:
        message.completion.CopyFrom(made.completion(explanation.completion))
    return message


class _Maker:
    """Makes the parts of one explanation in one language."""

    def __init__(self, explanation: Explanation, language: str) -> None:
        self.book = explanation.book
        self.decision = explanation.decision
        self.currency = explanation.book.currency
        self.language = language
        self.words = Words(explanation.book, explanation.decision, language)

    def value(self, value: Value, kind: Kind) -> WireValue:
        return message_of(value, kind, self.currency)

    def outputs(self, outputs: Mapping[str, Value], kinds: Mapping[str, Kind]) -> dict[str, WireValue]:
        return {name: self.value(value, kinds[name]) for name, value in outputs.items()}

    def reason(self, reason: Reason) -> explanation_pb.Reason:
        decision, row = reason.decision, reason.row
        kinds = {o.name: o.kind for o in decision.outputs}
        return explanation_pb.Reason(
            decision=f"{self.book.name}.{decision.name}",
            title=decision.title.get(self.language),
            item_number=reason.item_number,
            row_id=row.id if row else "",
            clauses=row.clauses if row else (),
            says=row.says.get(self.language) if row else "",
            reading=row.reading.get(self.language) if row else "",
            outputs=self.outputs(reason.outputs, kinds),
            sentence=self.words.reason(reason),
        )

    def told(self, told: Told) -> explanation_pb.ExplainedOutcome:
        kinds = {o.name: output_kind(self.decision, o) for o in self.decision.outputs}
        return explanation_pb.ExplainedOutcome(
            kind=_ENDS[told.end],
            row_ids=told.rows,
            outputs=self.outputs(told.outputs, kinds) if told.end is End.DECIDED else {},
            refusal=told.refusal,
        )

    def why_not(self, why_not: WhyNot) -> explanation_pb.WhyNot:
        return explanation_pb.WhyNot(
            alternatives=[self.alternative(a, why_not.named) for a in why_not.alternatives],
            proved_inputs=why_not.proved,
            searched_inputs=why_not.searched,
            limited_by=why_not.limited_by,
            changeable_inputs=why_not.changeable,
            sentence=self.words.why_not(why_not),
        )

    def alternative(self, alternative: Alternative, named: tuple[str, ...]) -> explanation_pb.Alternative:
        return explanation_pb.Alternative(
            changes=[self.change(c) for c in alternative.changes],
            outcome=self.told(alternative.told),
            fewest_proved=alternative.fewest,
            least_proved=alternative.least,
            sentence=self.words.alternative(alternative, named),
        )

    def change(self, change: Change) -> explanation_pb.InputChange:
        declared = change.declared
        kind = declared.kind
        element = kind.element or kind
        message = explanation_pb.InputChange(
            input=declared.name,
            title=declared.title.get(self.language),
            from_value=self.value(change.before, kind),
            to_value=self.value(change.after, kind),
            added_values=[self.value(v, element) for v in change.added],
            removed_values=[self.value(v, element) for v in change.removed],
            sentence=self.words.change(change),
        )
        if change.difference is not None:
            moment = kind.base in (Base.DATE, Base.DATETIME, Base.TIME)
            n = change.difference * (86_400_000_000 if kind.base is Base.DATE else 1)
            far = DURATION if moment else kind
            message.difference.CopyFrom(self.value(value_of(n, far.base), far))
        return message

    def variation(self, variation: Variation) -> explanation_pb.Variation:
        declared = variation.declared
        kind = declared.kind
        message = explanation_pb.Variation(
            input=declared.name,
            title=declared.title.get(self.language),
            actual=self.value(variation.actual, kind),
            pieces=[self.piece(variation, p) for p in variation.pieces],
            proved=variation.proved,
            limited_by=variation.limited_by,
            sentence=self.words.variation(variation),
        )
        if variation.step is not None:
            message.step.CopyFrom(self.value(variation.step, DURATION if kind.base in (Base.DATE, Base.DATETIME, Base.TIME) else kind))
        return message

    def piece(self, variation: Variation, piece: Piece) -> explanation_pb.VariationPiece:
        kind = variation.declared.kind
        element = kind.element or kind
        message = explanation_pb.VariationPiece(
            values=[self.value(v, kind) for v in piece.values],
            is_actual=piece.is_actual,
            outcome=self.told(piece.told),
            varying_outputs=piece.varying,
            turning_tests=[
                explanation_pb.TurningTest(decision=f"{self.book.name}.{t.decision}", row_id=t.row, name=t.key, test=t.test)
                for t in piece.turning
            ],
            sentence=self.words.piece(variation, piece),
        )
        for place, value, its in (
            (message.first_value, piece.first, kind),
            (message.last_value, piece.last, kind),
            (message.added_value, piece.added, element),
            (message.removed_value, piece.removed, element),
        ):
            if value is not None:
                place.CopyFrom(self.value(value, its))
        return message

    def completion(self, completion: Completion) -> explanation_pb.Completion:
        message = explanation_pb.Completion(
            settled=completion.settled is not None,
            unstated_inputs=[self.unstated(u) for u in completion.unstated],
            limited_by=completion.limited_by,
            sentence=self.words.completion(completion),
        )
        if completion.settled is not None:
            message.settled_outcome.CopyFrom(self.told(completion.settled))
        return message

    def unstated(self, unstated: Unstated) -> explanation_pb.UnstatedInput:
        declared = unstated.declared
        message = explanation_pb.UnstatedInput(
            input=declared.name,
            title=declared.title.get(self.language),
            relevance=_RELEVANCE[unstated.relevance],
            required=declared.required,
            first_decision=f"{self.book.name}.{unstated.first_decision}",
        )
        if declared.has_default:
            message.default_value.CopyFrom(self.value(declared.default, declared.kind))
        elif declared.optional:
            message.default_value.CopyFrom(self.value(None, declared.kind))
        if unstated.example is not None:
            message.example.CopyFrom(self.example(unstated.example, declared.kind))
        return message

    def example(self, example: Example, kind: Kind) -> explanation_pb.UnstatedInputExample:
        inputs = self.book.input_by_name
        return explanation_pb.UnstatedInputExample(
            value=self.value(example.value, kind),
            outcome=self.told(example.told),
            other_value=self.value(example.other_value, kind),
            other_outcome=self.told(example.other_told),
            other_facts={n: self.value(v, inputs[n].kind) for n, v in example.others.items()},
        )

"""Explanations asked of a running service through its Python client."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from policybook.cli.exits import FaultError, RefusedError
from policybook.cli.explain_view import ExplainView, ShownPiece, ShownUnstated, ShownVariation, ShownWay
from policybook.cli.remote import Merger, Service, Writer
from policybook.model.facts import RawFacts
from policybook.model.kinds import Text

if TYPE_CHECKING:
    from policybook.cli.explain import Asked

# What people read; the data beside it says the same.
_FOR_PEOPLE = frozenset({"sentence", "title", "says", "reading", "request_id"})


def explained(service: Service, asked: Asked, as_of: date | datetime | None) -> ExplainView:
    """Ask once in each language and show the explanations as one.

    Raises:
        RefusedError: the request was refused
        FaultError: the service was not reached, or failed
    """
    pc_errors = service.pc
    try:
        definitions = {lang: service.definition(asked.decision, lang) for lang in service.langs}
        first = next(iter(definitions.values()))
        typed = service.facts(asked.facts, first)
        found = {
            lang: service.client.explain(
                asked.decision,
                typed,
                want=_wanted(service, asked.want, first),
                keep=asked.keep,
                vary=asked.vary,
                compare=asked.compare,
                max_alternatives=asked.most,
                as_of=as_of,
                policy_version=asked.version,
                trace=service.pc.TraceLevel.MATCHED,
                language=lang,
            )
            for lang in service.langs
        }
    except pc_errors.PolicybookError as e:
        ours = isinstance(e, pc_errors.UnavailableError | pc_errors.DeadlineExceededError | pc_errors.InternalError)
        raise (FaultError if ours else RefusedError)(str(e)) from None
    except (TypeError, ValueError) as e:
        raise RefusedError(str(e)) from None
    return _Shown(service, found, definitions).view()


def _wanted(service: Service, want: RawFacts, definition: Any) -> dict[str, Any]:
    outputs = {f.name: f for f in definition.outputs}
    zone = service.zone(definition.name.partition(".")[0])
    return {name: service.fact(raw, outputs.get(name), zone) for name, raw in want.items()}


class _Shown:
    """Turns one explanation in each language into one view."""

    def __init__(self, service: Service, found: Mapping[str, Any], definitions: Mapping[str, Any]) -> None:
        self.service = service
        self.found = found
        self.definitions = definitions
        self.first = next(iter(found.values()))
        answers = {lang: e.answer for lang, e in found.items() if e.answer is not None}
        zone = service.zone(self.first.decision.partition(".")[0])
        self.merger = Merger(answers, definitions, zone, service.output_names, service.pc.Period) if answers else None
        self.values = Writer(found, zone)

    def text(self, texts: list[str]) -> Text:
        return self.values.text(texts)

    def view(self) -> ExplainView:
        e = self.first
        every = list(self.found.values())
        answer = self.merger.view() if self.merger else None
        completions = [x.completion for x in every if x.completion is not None]
        whys = [x.why_not for x in every if x.why_not is not None]
        return ExplainView(
            decision=e.decision,
            title=self.text([d.title for d in self.definitions.values()]),
            as_of=e.as_of.isoformat(),
            version=e.policy_version,
            answer=answer,
            refusal=e.refusal,
            reasons=tuple(self.text([r.sentence for r in rs]) for rs in zip(*(x.reasons for x in every), strict=True)),
            ways=tuple(
                ShownWay(text=self.text([w.sentence for w in ws]), is_proved=ws[0].fewest_proved and ws[0].least_proved)
                for ws in zip(*(w.alternatives for w in whys), strict=True)
            )
            if whys
            else None,
            ways_note=self.text([w.sentence for w in whys]) if whys else Text(),
            variations=tuple(self.variation(name) for name in e.variations),
            unstated=tuple(self.unstated(list(us)) for us in zip(*(c.unstated for c in completions), strict=True)) if completions else None,
            unstated_note=self.text([c.sentence for c in completions]) if completions else Text(),
            json={**self.plain(e), "answer": answer.as_json() if answer else None},
        )

    def variation(self, name: str) -> ShownVariation:
        every = [x.variations[name] for x in self.found.values()]
        return ShownVariation(
            name=name,
            title=self.text([v.title for v in every]),
            pieces=tuple(
                ShownPiece(
                    text=self.text([p.sentence for p in ps]),
                    is_actual=ps[0].is_actual,
                    tests=tuple(f"{t.row_id}: {t.name} {t.test}" for t in ps[0].turning_tests),
                )
                for ps in zip(*(v.pieces for v in every), strict=True)
            ),
            note=self.text([v.sentence for v in every]),
        )

    def unstated(self, every: list[Any]) -> ShownUnstated:
        u = every[0]
        return ShownUnstated(
            name=u.input,
            title=self.text([x.title for x in every]),
            relevance=u.relevance.name.lower(),
            default=self.values.written(u.default) if u.has_default else "",
            first_decision=u.first_decision,
        )

    def plain(self, value: Any) -> Any:
        """Return the data of an explanation, without what is there for people alone."""
        match value:
            case enum.Enum():
                return value.name.lower()
            case None | bool() | str() | int():
                return value
        if is_dataclass(value) and type(value).__module__.endswith(".explanation"):
            return {f.name: self.plain(getattr(value, f.name)) for f in fields(value) if f.name not in _FOR_PEOPLE and f.name != "answer"}
        if isinstance(value, Mapping) and any(is_dataclass(v) for v in value.values()):
            return {name: self.plain(v) for name, v in value.items()}
        if isinstance(value, tuple):
            return [self.plain(v) for v in value]
        return self.values.json(value)

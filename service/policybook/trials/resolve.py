"""Drafts to cases: names looked up in the books, expected values read by their kinds."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, datetime

from policybook.cells.coerce import coerce_value
from policybook.diagnostics import did_you_mean
from policybook.errors import FactsError
from policybook.load.yaml import Mapping as YamlMapping
from policybook.load.yaml import Node, Scalar, Sequence
from policybook.model.book import Book, Decision
from policybook.source import Span
from policybook.trials.case import Case, ErrorKind, Expected, Stated, Status
from policybook.trials.draft import Draft, DraftFile, Entries, Faults, listed, raw_of, written
from policybook.values import parse_date, parse_datetime

MAX_CASES = 20_000

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)


def resolve(made: DraftFile, books: Mapping[str, Book], known_bad: Collection[str], faults: Faults) -> tuple[str, tuple[Case, ...]] | None:
    """Return the policy and the cases without faults; None when the file can say nothing about any book."""
    policy = made.policy
    if policy is None or policy.text in known_bad:
        return None
    book = books.get(policy.text)
    if book is None:
        faults.add(policy.span, f"there is no policy `{policy.text}`", did_you_mean(policy.text, books, "policy"))
        return None
    if len(made.cases) > MAX_CASES:
        faults.add(
            made.cases[MAX_CASES].span,
            f"a test table may hold at most {MAX_CASES:,} cases, this has {len(made.cases):,}",
            "split the file",
        )
        return None
    return book.name, _Resolver(book, made, faults).cases()


class _Resolver:
    def __init__(self, book: Book, made: DraftFile, faults: Faults) -> None:
        self.book = book
        self.made = made
        self.faults = faults

    def cases(self) -> tuple[Case, ...]:
        made, book = self.made, self.book
        drafts = made.cases
        for key, _ in made.given:
            if key.text not in book.input_by_name:
                self.faults.add(key.span, f"`{key.text}` is no input of `{book.name}`", did_you_mean(key.text, book.input_by_name))
        default = made.decision
        if default is not None and drafts and default.text not in book.decision_by_name:
            self.no_decision(default)
            default = None
            drafts = [d for d in drafts if d.decision]
        cases: list[Case] = []
        seen: dict[str, Span] = {}
        for draft in drafts:
            before = len(self.faults.found)
            case = self.case(draft, default)
            if draft.id is not None and draft.id.text:
                first = seen.setdefault(draft.id.text, draft.id.span)
                if first is not draft.id.span:
                    self.faults.add(
                        draft.id.span,
                        f"the case id `{draft.id.text}` stands twice; first on {first.where}",
                        "give each case an id of its own",
                    )
            if case is not None and len(self.faults.found) == before:
                cases.append(case)
        return tuple(cases)

    def no_decision(self, name: Scalar) -> None:
        known = self.book.decision_by_name
        self.faults.add(name.span, f"there is no decision `{name.text}` in `{self.book.name}`", did_you_mean(name.text, known))

    def case(self, draft: Draft, default: Scalar | None) -> Case | None:
        book = self.book
        if draft.id is None or not draft.id.text:
            self.faults.add(draft.span, "a case has no `id`", "give it a short name that says what it shows: `id: exactly-one-third`")
        name = draft.decision or default
        if name is None:
            self.faults.add(draft.span, "a case names no `decision`", f"allowed: {listed(tuple(book.decision_by_name))}")
            return None
        decision = book.decision_by_name.get(name.text)
        if decision is None:
            self.no_decision(name)
            return None
        status, error = self.outcome(draft)
        given, places = self.given(draft, decision, any_name=error is ErrorKind.FACTS)
        expect = self.expected(draft.expect, decision)
        items = None if draft.items is None else tuple(self.expected(i, decision) for i in draft.items)
        self.contradictions(draft, decision, status)
        own = [r.id for r in decision.all_rows]
        chain = [*own, *(r.id for n in decision.uses.decisions for r in book.decision_by_name[n].all_rows)]
        return Case(
            id=draft.id.text if draft.id else "",
            policy=book.name,
            decision=decision.name,
            as_of=self.moment(draft.as_of or self.made.as_of),
            given=given,
            expect=expect,
            expect_items=items,
            rows=None if draft.rows is None else self.row_ids(draft.rows, own, f"`{decision.name}`"),
            not_rows=self.row_ids(draft.not_rows, chain, f"`{decision.name}` or the decisions it requires"),
            status=status,
            error=error,
            span=draft.id.span if draft.id else draft.span,
            review=_review(draft.review),
            note=draft.note.text if draft.note else "",
            places=places,
        )

    def outcome(self, draft: Draft) -> tuple[Status | None, ErrorKind | None]:
        status = error = None
        if draft.status is not None:
            status = next((s for s in Status if s.value == draft.status.text), None)
            if status is None:
                self.faults.add(
                    draft.status.span, f"`{draft.status.text}` is no status", did_you_mean(draft.status.text, [s.value for s in Status])
                )
        if draft.error is not None:
            error = next((e for e in ErrorKind if e.value == draft.error.text.upper()), None)
            if error is None:
                self.faults.add(
                    draft.error.span,
                    f"`{draft.error.text}` is no kind of error",
                    did_you_mean(draft.error.text.upper(), [e.value for e in ErrorKind]),
                )
            elif status not in (None, Status.ERROR):
                self.faults.add(
                    draft.error.span,
                    f"an error is expected, but the status is `{draft.status.text if draft.status else ''}`",
                    "write `expect_status: error`",
                )
            else:
                status = Status.ERROR
        return status, error

    def moment(self, at: Scalar | None) -> date | datetime | None:
        if at is None:
            return None
        try:
            return parse_date(at.text) if _DAY.match(at.text) else parse_datetime(at.text, self.book.zone)
        except ValueError as e:
            self.faults.add(at.span, str(e), "write a day, `2026-03-01`, or an instant, `2026-03-01T16:00:00+08:00`")
            return None

    def given(self, draft: Draft, decision: Decision, *, any_name: bool) -> tuple[dict[str, Stated], dict[str, Span]]:
        given: dict[str, Stated] = {}
        places: dict[str, Span] = {}
        inputs = self.book.input_by_name
        # A default of the file counts only for the decisions that use it.
        for key, node in [(k, v) for k, v in self.made.given if k.text in decision.uses.inputs] + draft.given:
            if not any_name and key.text not in inputs:
                self.faults.add(
                    key.span, f"`{key.text}` is no input of `{self.book.name}`", did_you_mean(key.text, decision.uses.inputs or inputs)
                )
                continue
            given[key.text] = Stated(raw_of(node), written(node), node.span)
            for path in [p for p in places if p == f"facts.{key.text}" or p.startswith((f"facts.{key.text}.", f"facts.{key.text}["))]:
                del places[path]
            _mark(places, f"facts.{key.text}", node)
        return given, places

    def expected(self, entries: Entries, decision: Decision) -> dict[str, Expected]:
        expected: dict[str, Expected] = {}
        for key, node in entries:
            output = decision.output(key.text)
            if output is None:
                self.faults.add(
                    key.span, f"`{key.text}` is no output of `{decision.name}`", did_you_mean(key.text, [o.name for o in decision.outputs])
                )
                continue
            # Null is what an output has when nothing gave it; any output may be expected so.
            lenient = replace(output, optional=True, minimum=None, maximum=None)
            places: dict[str, Span] = {}
            _mark(places, "expect", node)
            try:
                value = coerce_value(raw_of(node), lenient, self.book, "expect")
            except FactsError as e:
                for f in e.report:
                    self.faults.add(places.get(f.path, node.span), f"expected {f.message}", f.help)
            else:
                expected[key.text] = Expected(output, value, node.span)
        return expected

    def contradictions(self, draft: Draft, decision: Decision, status: Status | None) -> None:
        at = draft.id.span if draft.id else draft.span
        if not (draft.expect or draft.items is not None or draft.rows is not None or draft.not_rows or draft.status or draft.error):
            self.faults.add(
                at, "the case expects nothing", "say what must come: outputs (`expect:`; in columns `=outcome`), `rows` or a status"
            )
        if status in (Status.NO_MATCH, Status.ERROR) and draft.expect:
            self.faults.add(
                draft.expect[0][0].span, f"outputs are expected, but the status is `{status.value}`", "leave out one of the two"
            )
        if status is Status.NO_MATCH and decision.hit_policy.multi:
            message = f"`{decision.name}` has hit policy {decision.hit_policy.value}, where no matching row is an answer without items"
            self.faults.add(draft.status.span if draft.status else draft.span, message, "write `expect_items: []`")
        if draft.items is not None and not (decision.hit_policy.multi or decision.for_each):
            policy = decision.hit_policy.value
            self.faults.add(at, f"`expect_items` needs several items, but `{decision.name}` has hit policy {policy}", "use `expect`")

    def row_ids(self, words: list[Scalar], known: list[str], where: str) -> tuple[str, ...]:
        for word in words:
            if word.text not in known:
                self.faults.add(word.span, f"there is no row `{word.text}` in {where}", did_you_mean(word.text, known))
        return tuple(w.text for w in words)


def _review(mark: Scalar | None) -> str | None:
    """Read `true`, `false` or what is to be confirmed."""
    if mark is None or mark.text.lower() in ("", "false", "null"):
        return None
    return "" if mark.text.lower() == "true" else mark.text


def _mark(places: dict[str, Span], path: str, node: Node) -> None:
    places[path] = node.span
    if isinstance(node, Sequence):
        for i, item in enumerate(node.items):
            _mark(places, f"{path}[{i}]", item)
    elif isinstance(node, YamlMapping):
        for key, value in node.entries:
            _mark(places, f"{path}.{key.text}", value)

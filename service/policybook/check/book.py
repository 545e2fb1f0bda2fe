"""The passes from draft to book, in order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import zip_longest
from pathlib import Path
from zoneinfo import available_timezones

from policybook.check.figures import unquoted_parameters, unquoted_rows
from policybook.check.formulas import Binder, article, fold
from policybook.check.invariants import Invariants
from policybook.check.names import in_order, names_in
from policybook.check.scope import Findings, Scope
from policybook.check.types import Types, text_of, within
from policybook.diagnostics import Code, Finding, Report, Severity, did_you_mean, wide_help
from policybook.load.calendar import CALENDAR_FILE, load_calendar
from policybook.load.clauses import CLAUSE_FILE, CLAUSE_ID, LOCK_FILE, load_clauses
from policybook.load.draft import (
    Draft,
    DraftAcceptance,
    DraftDecision,
    DraftEffective,
    DraftEntry,
    DraftParameter,
    DraftRow,
    DraftText,
    DraftValue,
)
from policybook.load.read import NAME, load
from policybook.load.yaml import MAX_BYTES, Scalar
from policybook.model import formula as m
from policybook.model import kinds as k
from policybook.model.book import (
    ALWAYS,
    Acceptance,
    Aggregation,
    Book,
    Cell,
    DatedValue,
    Decision,
    DerivedValue,
    Effective,
    ForEach,
    HitPolicy,
    OutputEntry,
    Parameter,
    Row,
    Twin,
    Uses,
)
from policybook.model.calendar import Calendar, Place
from policybook.model.clauses import NOTHING_BESIDE, Beside, ClauseIndex
from policybook.model.formula import Ref, Role
from policybook.model.kinds import Base, Field, Kind
from policybook.model.wording import figure_text, placeholders
from policybook.source import Source, Span, unhurried
from policybook.values import parse_date

_CURRENCY = re.compile(r"[A-Z]{3}\Z")
# Written as a fraction, it is shown as one.
_RATIO = re.compile(r"\s*\d+\s*/\s*\d+\s*", re.ASCII)
DEFAULT_ZONE = "Asia/Shanghai"
# LIMIT: formulas are walked recursively, through the names in them.
MAX_DEPTH = 200
# LIMIT: of what is asked about a product of more, the solver knows no end.
MAX_DEGREE = 10


def read_text(path: Path) -> tuple[Source, Report]:
    """Read a file as text; a finding when it is too large, not UTF-8, or cannot be read."""
    name = str(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            return Source(name, ""), _too_large(name, size)
        data = path.read_bytes()
    except OSError as e:
        return Source(name, ""), _file_fault(name, Code.NOT_TEXT, f"the file cannot be read: {e.strerror or e}", "")
    return as_text(name, data)


def as_text(name: str, data: bytes) -> tuple[Source, Report]:
    """Take the bytes of a file as text; a finding when there are too many or they are not UTF-8."""
    if len(data) > MAX_BYTES:
        return Source(name, ""), _too_large(name, len(data))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        message = f"the file is not UTF-8 text: byte {e.start + 1} is 0x{e.object[e.start]:02X}"
        return Source(name, ""), _file_fault(name, Code.NOT_TEXT, message, "save it as UTF-8")
    return Source(name, text.replace("\r\n", "\n")), Report(())


def read_beside(folder: Path) -> tuple[Beside, Report, tuple[Source, ...]]:
    """Read what lies beside the books of a folder.

    Returns:
        the calendar and the clauses (None for what is not there or is bad), all findings, and their texts
    """
    report = Report(())
    sources: list[Source] = []
    texts: list[Source] = []
    calendar: Calendar | None = None
    clauses: ClauseIndex | None = None
    if (folder / CALENDAR_FILE).is_file():
        source, found = read_text(folder / CALENDAR_FILE)
        sources.append(source)
        if found.ok:
            calendar, found = load_calendar(source)
        report += found
    if (folder / CLAUSE_FILE).is_file():
        source, found = read_text(folder / CLAUSE_FILE)
        sources.append(source)
        if found.ok:
            lock = folder / LOCK_FILE
            locked = read_text(lock)[0] if lock.is_file() else Source(str(lock), "")
            texts.append(locked)
            clauses, found = load_clauses(source, locked.text)
        report += found
    return Beside(calendar, clauses, (*sources, *texts)), report, tuple(sources)


def read_book(path: Path, beside: Beside | None = None) -> tuple[Book | None, Report, Source]:
    """Read and check one file.

    Args:
        beside: what lies in its folder; None: read it

    Returns:
        the book (None when there are errors), all findings, and the text for excerpts
    """
    source, report = read_text(path)
    if not report.ok:
        return None, report, source
    beside_report = Report(())
    if beside is None:
        beside, beside_report, _ = read_beside(path.parent)
    book, report = check_source(source, beside)
    if not beside_report.ok:
        # A book is not judged by half of what it must be judged by.
        book, report = None, report + beside_report
    if book is not None and path.stem != book.name:
        at = next((i for i, line in enumerate(source.lines, 1) if line.startswith("policy:")), 1)
        fault = Finding(
            code=Code.BAD_NAME,
            severity=Severity.ERROR,
            message=f"the policy is named `{book.name}`, the file `{path.name}`",
            span=Span(file=source.name, line=at, column=1, end_line=at, end_column=7),
            help=f"name the file `{book.name}.yaml`, or write `policy: {path.stem}`",
        )
        return None, report + Report.of([fault]), source
    return book, report, source


def _too_large(name: str, size: int) -> Report:
    message = f"the file has {size / 1048576:.1f} MiB; a book may have at most {MAX_BYTES // 1048576} MiB"
    return _file_fault(name, Code.TOO_LARGE, message, "split the book by domain")


def _file_fault(name: str, code: Code, message: str, help_text: str) -> Report:
    span = Span(file=name, line=0, column=0, end_line=0, end_column=0)
    return Report.of([Finding(code=code, severity=Severity.ERROR, message=message, span=span, help=help_text, path=name)])


def check_source(source: Source, beside: Beside = NOTHING_BESIDE) -> tuple[Book | None, Report]:
    """Check the text of one book.

    Args:
        beside: the calendar, which a book that counts working days needs, and the clauses that it cites

    Returns:
        the book (None exactly when there are errors) and all findings, in source order
    """
    with unhurried(source.text):
        return _check_source(source, beside)


def _check_source(source: Source, beside: Beside) -> tuple[Book | None, Report]:
    draft, report = load(source)
    if draft is None:
        return None, report
    checker = _Checker(draft, beside)
    book = checker.book()
    if book is not None and beside.clauses is not None:
        _hold_against_clauses(book, beside.clauses, checker.findings)
    report = report + Report.of(checker.findings.items)
    return (book if report.ok else None), report


def _hold_against_clauses(book: Book, index: ClauseIndex, findings: Findings) -> None:
    """Note figures that no cited clause states."""
    how = "cite the clause that states it, or mark it `set_by: company`"
    for name, value in unquoted_parameters(book, index):
        parameter = book.parameter_by_name[name]
        shown = figure_text(value, parameter.kind, book.currency, "en")
        message = f"the parameter `{name}` is {shown}; no clause that it cites ({', '.join(parameter.clauses)}) states that"
        findings.warn(Code.UNQUOTED_FIGURE, message, parameter.span, how)
    for row, value in unquoted_rows(book, index):
        shown = figure_text(value, k.NUMBER, book.currency, "en")
        message = f"the row `{row.id}` holds {shown}; no clause that it cites ({', '.join(row.clauses)}) states that"
        findings.warn(Code.UNQUOTED_FIGURE, message, row.span, f"{how}; a figure somebody may change is better a parameter")


class _Checker:
    """Checks one draft; each pass notes what it finds and goes on."""

    def __init__(self, draft: Draft, beside: Beside) -> None:
        self.draft = draft
        self.findings = Findings()
        self.currency = self.read_currency()
        self.time_zone = self.read_zone()
        self.calendar = beside.calendar
        self.clause_index = beside.clauses
        self.binder = Binder(self.findings, Place.of(self.time_zone, beside.calendar))
        self.types = Types(draft.types, self.findings, self.binder, self.currency)
        self.parameters: list[Parameter] = []
        self.inputs: list[Field] = []
        self.outputs: dict[str, tuple[Field, ...]] = {}
        self.policies: dict[str, tuple[HitPolicy, Aggregation | None]] = {}
        self.values: dict[str, DerivedValue] = {}
        self.row_ids: dict[str, Span] = {}
        self.made_uses: dict[str, Uses] = {}
        self.scope_of: dict[str, Scope] = {}
        self.depths: dict[str, int] = {}
        self.degrees: dict[str, int] = {}

    def error(self, code: Code, message: str, span: Span, help_text: str = "") -> None:
        self.findings.error(code, message, span, help_text)

    # The head

    def read_currency(self) -> str:
        word = self.draft.currency
        if word is None:
            return ""
        if not _CURRENCY.match(word.text):
            self.error(Code.BAD_VALUE, f"the currency is `{word.text[:20]}`", word.span, "an ISO 4217 code such as `CNY`")
            return "XXX"
        return word.text

    def read_zone(self) -> str:
        word = self.draft.time_zone
        if word is None:
            return DEFAULT_ZONE
        # To list the zones takes as long as to read a small book.
        if word.text != DEFAULT_ZONE and word.text not in available_timezones():
            self.error(
                Code.BAD_VALUE, f"there is no time zone `{word.text[:60]}`", word.span, did_you_mean(word.text, available_timezones())
            )
            return DEFAULT_ZONE
        return word.text

    def read_documents(self) -> tuple[int, ...]:
        numbers = []
        for word in self.draft.documents:
            if word.text.isascii() and word.text.isdigit():
                numbers.append(int(word.text[:6]))
            else:
                self.error(Code.BAD_VALUE, f"a document is a number, this is `{word.text[:40]}`", word.span)
        return tuple(numbers)

    def effective(self, draft: DraftEffective | None) -> Effective:
        if draft is None:
            return ALWAYS
        start, end = self.day(draft.start), self.day(draft.end)
        if start and end and end < start:
            self.error(Code.BAD_DATES, f"it would end ({end}) before it begins ({start})", draft.span)
            return ALWAYS
        return Effective(start, end)

    def day(self, word: Scalar | None) -> date | None:
        if word is None:
            return None
        try:
            return parse_date(word.text)
        except ValueError as e:
            self.error(Code.BAD_DATES, str(e), word.span, "write a date as `2026-03-25`")
            return None

    def clauses(self, words: tuple[Scalar, ...]) -> tuple[str, ...]:
        for word in words:
            if not CLAUSE_ID.match(word.text):
                self.error(
                    Code.BAD_VALUE, f"`{word.text[:40]}` is not a clause number", word.span, wide_help(word.text) or "such as `12.2.1`"
                )
            elif self.clause_index is not None:
                self.known_clause(word, self.clause_index)
        return tuple(w.text for w in words)

    def known_clause(self, word: Scalar, index: ClauseIndex) -> None:
        """Note a citation of what is not there, or of a text that is no longer the one that was read."""
        clause = index.by_id.get(word.text)
        if clause is None:
            self.error(
                Code.UNKNOWN_CLAUSE, f"there is no clause `{word.text}` in {CLAUSE_FILE}", word.span, did_you_mean(word.text, index.by_id)
            )
        elif index.reviewed.get(clause.id, clause.digest) != clause.digest:
            message = f"the text of clause {clause.id} has changed since the rows that cite it were last read against it"
            self.findings.warn(
                Code.CHANGED_CLAUSE, message, word.span, "read it again, mend the row if need be, then `policybook clauses --accept`"
            )

    # Passes

    def book(self) -> Book | None:
        d = self.draft
        documents, effective = self.read_documents(), self.effective(d.effective)
        self.unique_names()
        self.parameters = [p for p in (self.parameter(p) for p in d.parameters) if p]
        self.inputs = [f for f in (self.types.field(f) for f in d.inputs) if f]
        for decision in d.decisions:
            self.outputs[decision.name] = tuple(f for f in (self.types.field(o) for o in decision.outputs) if f)
            self.policies[decision.name] = self.hit_policy(decision)
            if not decision.outputs:
                self.error(Code.MISSING_OUTPUT, f"decision `{decision.name}` has no outputs", decision.name_span)
        scope = self.scope()
        order = self.order()
        decisions: dict[str, Decision] = {}
        for name in order:
            value = next((v for v in d.values if v.name == name), None)
            if value is not None:
                made = self.value(value, scope)
                if made is not None:
                    self.values[name] = made
                    scope = scope.with_names([Ref(name, Role.VALUE, made.kind)])
                continue
            draft_decision = next(x for x in d.decisions if x.name == name)
            made_decision = self.decision(draft_decision, scope)
            if made_decision is not None:
                decisions[name] = made_decision
        decisions = {name: self.with_invariants(made, scope) for name, made in decisions.items()}
        if self.binder.counts_working_days is not None and self.calendar is None:
            message = "working days are counted here, and there is no calendar to count by"
            self.error(Code.MISSING_CALENDAR, message, self.binder.counts_working_days, f"put a `{CALENDAR_FILE}` beside the book")
        if any(f.severity is Severity.ERROR for f in self.findings.items):
            return None
        self.unused(decisions)
        text = d.source.text.encode("utf-8")
        counts = self.binder.counts_working_days is not None and self.calendar is not None
        if counts and self.calendar is not None:
            text += b"\0" + self.calendar.digest.encode()
        return Book(
            name=d.policy.text,
            title=text_of(d.title),
            documents=documents,
            currency=self.currency,
            time_zone=self.time_zone,
            effective=effective,
            parameters=tuple(self.parameters),
            inputs=tuple(self.inputs),
            values=tuple(self.values.values()),
            decisions=tuple(decisions.values()),
            source=d.source,
            version=hashlib.sha256(text).hexdigest(),
            calendar=self.calendar if counts else None,
        )

    def unique_names(self) -> None:
        """Names of parameters, inputs, values and decisions share one space."""
        seen: dict[str, tuple[str, Span]] = {}
        d = self.draft
        named: list[tuple[str, str, Span]] = [("parameter", p.name, p.name_span) for p in d.parameters]
        named += [("input", i.name, i.name_span) for i in d.inputs]
        named += [("value", v.name, v.name_span) for v in d.values]
        named += [("decision", x.name, x.name_span) for x in d.decisions]
        for what, name, span in named:
            if name in seen:
                other, at = seen[name]
                self.error(Code.DUPLICATE_NAME, f"the {what} `{name}` has the name of the {other} on line {at.line}", span)
            seen.setdefault(name, (what, span))

    def parameter(self, draft: DraftParameter) -> Parameter | None:
        what = f"parameter `{draft.name}`"
        clauses = self.clauses(draft.clauses)
        if not clauses and not draft.set_by_company:
            self.error(
                Code.MISSING_CLAUSE,
                f"{what} has neither `clause` nor `set_by: company`",
                draft.name_span,
                "every figure comes from a clause or is marked as the company's",
            )
        kind = self.types.kind(draft.type) if draft.type else self.inferred(draft)
        if kind is None:
            return None
        values: list[DatedValue] = []
        for dated in draft.values:
            constant = self.binder.constant(dated.value, kind, what)
            effective = self.effective(dated.effective)
            undated = effective.start is None and dated.effective is not None and dated.effective.start is not None
            if constant is not None and not undated:
                values.append(DatedValue(effective=effective, value=constant.value, span=dated.span))
        return Parameter(
            name=draft.name,
            kind=kind,
            title=text_of(draft.title),
            unit=text_of(draft.unit),
            clauses=clauses,
            set_by_company=draft.set_by_company,
            same_as=self.twin(draft.same_as, what),
            reading=text_of(draft.reading),
            note=text_of(draft.note),
            values=self.in_turn(values, what),
            span=draft.name_span,
        )

    def twin(self, word: Scalar | None, what: str) -> Twin | None:
        """Read what a figure must equal; whether it does is looked at beside the other books."""
        if word is None:
            return None
        policy, dot, parameter = word.text.partition(".")
        if not dot or not NAME.match(policy) or not NAME.match(parameter):
            self.error(
                Code.BAD_VALUE, f"{what}.same_as is `{word.text[:60]}`", word.span, "name the book and its figure: `credit.over_limit_cap`"
            )
            return None
        if policy == self.draft.policy.text:
            self.error(Code.BAD_VALUE, f"{what} is to equal a figure of its own book", word.span, f"use `{parameter}` itself")
            return None
        return Twin(policy=policy, parameter=parameter, span=word.span)

    def inferred(self, draft: DraftParameter) -> Kind | None:
        """Take the kind of a parameter from its values."""
        kind: Kind | None = None
        for dated in draft.values:
            formula = self.binder.expression(dated.value, Scope({}))
            if formula is None:
                return None
            if isinstance(formula, m.Const) and _RATIO.fullmatch(dated.value.text):
                formula = m.Const(formula.value, k.FRACTION)
            merged = formula.kind if kind is None else k.merge(kind, formula.kind)
            if merged is None or (merged.base is Base.LIST and merged.element is None) or merged.base is Base.NULL:
                self.error(Code.WRONG_TYPE, f"parameter `{draft.name}` does not show its type", dated.value.span, "add `type: ..`")
                return None
            kind = merged
        return kind

    def in_turn(self, values: list[DatedValue], what: str) -> tuple[DatedValue, ...]:
        """Let each dated value hold until the next; note overlaps."""
        ordered = sorted(values, key=lambda v: v.effective.start or date.min)
        out: list[DatedValue] = []
        for value, following in zip_longest(ordered, ordered[1:]):
            effective = value.effective
            if following is not None:
                next_start = following.effective.start
                if next_start is None or next_start == effective.start:
                    message = f"two values of {what} begin on the same day"
                    self.error(Code.BAD_DATES, message, following.span, "date one of them otherwise, or remove it")
                    continue
                if effective.end is None:
                    effective = Effective(effective.start, next_start - timedelta(days=1))
                elif effective.end >= next_start:
                    message = f"two values of {what} hold on {next_start}"
                    self.error(Code.BAD_DATES, message, following.span, "leave `to` out: a value holds until the next begins")
            out.append(DatedValue(effective=effective, value=value.value, span=value.span))
        return tuple(out)

    def hit_policy(self, draft: DraftDecision) -> tuple[HitPolicy, Aggregation | None]:
        word = draft.hit_policy
        if word is None:
            return HitPolicy.UNIQUE, None
        first, _, second = " ".join(word.text.replace("_", " ").split()).partition(" ")
        whole = word.text.replace(" ", "_")
        options = [p.value for p in HitPolicy] + [f"collect {a.value}" for a in Aggregation]
        if whole in {p.value for p in HitPolicy}:
            policy, aggregation = HitPolicy(whole), None
        elif first == "collect" and second in {a.value for a in Aggregation}:
            policy, aggregation = HitPolicy.COLLECT, Aggregation(second)
        else:
            self.error(Code.HIT_POLICY, f"there is no hit policy `{word.text[:40]}`", word.span, did_you_mean(word.text, options))
            return HitPolicy.UNIQUE, None
        outputs = self.outputs[draft.name]
        if policy in (HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER) and not any(o.kind.base is Base.ENUM for o in outputs):
            self.error(Code.HIT_POLICY, f"`{policy.value}` needs an output of type enum, whose values give the order", word.span)
        if aggregation is Aggregation.COUNT and (len(outputs) != 1 or outputs[0].kind.base is not Base.INTEGER):
            self.error(Code.HIT_POLICY, "`collect count` needs exactly one output, an integer", word.span)
        if aggregation in (Aggregation.SUM, Aggregation.MIN, Aggregation.MAX):
            able = [o for o in outputs if aggregation.applies_to(o)]
            if not able:
                self.error(Code.HIT_POLICY, f"`{word.text}` needs an output that can be aggregated, such as money", word.span)
        return policy, aggregation

    def scope(self) -> Scope:
        refs = [Ref(p.name, Role.PARAMETER, p.kind) for p in self.parameters]
        refs += [Ref(i.name, Role.INPUT, i.kind) for i in self.inputs]
        for draft in self.draft.decisions:
            for output in self.outputs[draft.name]:
                refs.append(Ref(f"{draft.name}.{output.name}", Role.OUTPUT, self.seen_kind(draft, output)))
        refs += [Ref("as_of", Role.BUILT_IN, k.DATE), Ref("now", Role.BUILT_IN, k.DATETIME)]
        declared = {p.name for p in self.draft.parameters} | {i.name for i in self.draft.inputs} | {v.name for v in self.draft.values}
        # Values join the scope one by one, each before what needs it: one that is not there when it is named has a fault.
        return Scope({r.name: r for r in refs}, frozenset(declared - {r.name for r in refs}))

    def seen_kind(self, draft: DraftDecision, output: Field) -> Kind:
        """The kind of an output as other decisions see it."""
        policy, aggregation = self.policies[draft.name]
        if aggregation is not None and aggregation.applies_to(output):
            return output.kind
        return k.list_of(output.kind) if policy.multi or draft.for_each else output.kind

    def order(self) -> tuple[str, ...]:
        """Order values and decisions by what they need; note cycles."""
        d = self.draft
        values, decisions = {v.name for v in d.values}, {x.name for x in d.decisions}
        spans = {v.name: v.name_span for v in d.values} | {x.name: x.name_span for x in d.decisions}

        def needed(names: Iterable[tuple[str, ...]]) -> set[str]:
            # A decision is named with an output; its bare name may be an enum's value.
            return {p[0] for p in names if p[0] in values or (len(p) > 1 and p[0] in decisions)}

        needs = {v.name: needed(names_in(v.formula)) for v in d.values}
        for decision in d.decisions:
            names: set[tuple[str, ...]] = set()
            for value in decision.values:
                names |= names_in(value.formula)
            if decision.for_each:
                names |= names_in(decision.for_each.words)
            for row in (*decision.rows, *([decision.default] if decision.default else [])):
                for entry in row.when:
                    names.add(tuple(entry.key.text.split(".")))
                    names |= names_in(entry.words, test=True)
                for entry in row.then:
                    names |= names_in(entry.words)
            needs[decision.name] = needed(names)
        order, cycles = in_order(needs)
        for cycle in cycles:
            self.error(
                Code.CYCLE,
                f"these need each other: {' -> '.join(cycle)}",
                spans[cycle[0]],
                "a decision can use only what is decided before it",
            )
        return order

    def value(self, draft: DraftValue, scope: Scope) -> DerivedValue | None:
        formula = self.binder.expression(draft.formula, scope)
        if formula is None:
            return None
        if formula.kind.base is Base.NULL:
            self.error(Code.WRONG_TYPE, f"value `{draft.name}` is always null", draft.formula.span)
        self.stand(f"value `{draft.name}`", draft.name, (formula,), draft.name_span)
        return DerivedValue(
            name=draft.name,
            formula=formula,
            title=text_of(draft.title),
            unit=text_of(draft.unit),
            text=draft.formula.text,
            span=draft.name_span,
        )

    # One decision

    def decision(self, draft: DraftDecision, scope: Scope) -> Decision | None:
        outputs = self.outputs[draft.name]
        policy, aggregation = self.policies[draft.name]
        for_each = None
        if draft.for_each is not None:
            for_each, scope = self.for_each(draft.for_each, scope)
        local: dict[str, DerivedValue] = {}
        local_order, cycles = in_order({v.name: {p[0] for p in names_in(v.formula)} for v in draft.values})
        for cycle in cycles:
            self.error(Code.CYCLE, f"these need each other: {' -> '.join(cycle)}", draft.name_span)
        for name in local_order:
            found = next(v for v in draft.values if v.name == name)
            if name in scope.names:
                self.error(Code.DUPLICATE_NAME, f"the value `{name}` of `{draft.name}` has a name that is taken", found.name_span)
            made = self.value(found, scope)
            if made is not None:
                local[name] = made
                scope = scope.with_names([Ref(name, Role.VALUE, made.kind)])
        self.scope_of[draft.name] = scope
        rows = [self.row(r, draft, outputs, scope, is_default=False) for r in draft.rows]
        default = self.row(draft.default, draft, outputs, scope, is_default=True) if draft.default else None
        if not rows and default is None:
            self.error(Code.MISSING_KEY, f"decision `{draft.name}` has no rows", draft.name_span)
        decision = Decision(
            name=draft.name,
            title=text_of(draft.title),
            question=text_of(draft.question),
            hit_policy=policy,
            aggregation=aggregation,
            outputs=outputs,
            rows=tuple(rows),
            default=default,
            for_each=for_each,
            values=tuple(local.values()),
            uses=_NO_USES,
            span=draft.name_span,
            uses_directly=_NO_USES,
            accepts=tuple(a for a in (self.acceptance(x, draft, scope) for x in draft.accepts) if a),
            must_log=draft.must_log,
        )
        read = [c.subject for r in decision.all_rows for c in r.cells] + ([for_each.source] if for_each else [])
        read += [f for r in decision.all_rows for c in r.cells for f in m.test_formulas(c.test)]
        read += [o.formula for r in decision.all_rows for o in r.outputs]
        self.stand(f"decision `{draft.name}`", draft.name, read, draft.name_span)
        return self.with_uses(decision)

    def stand(self, what: str, name: str, formulas: Sequence[m.Formula], span: Span) -> None:
        """Note how much a value or decision stands on, through all that it names."""
        depth = self.depths[name] = 1 + max((m.depth(f, self.depths) for f in formulas), default=0)
        degree = self.degrees[name] = max((m.degree(f, self.degrees) for f in formulas), default=0)
        why = ""
        if depth > MAX_DEPTH:
            why = f"stands on values and decisions that stand on others, {depth} deep; at most {MAX_DEPTH} are allowed"
        elif degree > MAX_DEGREE:
            why = f"multiplies inputs with one another {degree} times over; at most {MAX_DEGREE} are allowed"
        if why:
            self.error(Code.TOO_LARGE, f"{what} {why}", span, "let it use what they rest on, or write fewer steps as one")
            # Said once, not again by all that stands on it.
            self.depths[name] = self.degrees[name] = 0

    def acceptance(self, draft: DraftAcceptance, decision: DraftDecision, scope: Scope) -> Acceptance | None:
        name = draft.finding.text
        if name not in _ACCEPTABLE:
            self.error(
                Code.UNKNOWN_NAME,
                f"`{name[:60]}` is not a finding that can be accepted",
                draft.finding.span,
                did_you_mean(name, _ACCEPTABLE),
            )
            return None
        ids = [r.id.text for r in decision.rows] + ([decision.default.id.text] if decision.default else [])
        for row in draft.rows:
            if row.text not in ids:
                self.error(
                    Code.UNKNOWN_NAME, f"`{decision.name}` has no row `{row.text[:60]}`", row.span, did_you_mean(row.text, ids, "row")
                )
        if draft.when and name not in (Code.GAP.slug, Code.BOUNDARY_LEFT_OUT.slug):
            self.error(Code.BAD_VALUE, f"`when` limits an accepted gap; `{name}` is about rows", draft.span, "name its `rows`")
        cells = tuple(c for c in (self.cell(e, scope, f"an acceptance of `{decision.name}`") for e in draft.when) if c)
        rows = tuple(r.text for r in draft.rows)
        return Acceptance(finding=name, rows=rows, cells=cells, reason=text_of(draft.reason), span=draft.span)

    def for_each(self, entry: DraftEntry, scope: Scope) -> tuple[ForEach | None, Scope]:
        name = entry.key.text
        if name in scope.names or any(n.startswith(f"{name}.") for n in scope.names):
            self.error(
                Code.DUPLICATE_NAME,
                f"the item `{name}` has a name that is taken",
                entry.key.span,
                "such as the singular of the list's name",
            )
        source = self.binder.expression(entry.words, scope)
        without_item = Scope(scope.names, scope.broken | {name})
        if source is None:
            return None, without_item
        if source.kind.base is not Base.LIST or source.kind.element is None:
            self.error(Code.WRONG_TYPE, f"`for_each` needs a list, `{entry.words.text}` is {article(source.kind)}", entry.words.span)
            return None, without_item
        item = Ref(name, Role.ITEM, source.kind.element)
        return ForEach(item=name, source=source, text=entry.words.text), scope.with_names([item])

    def row(self, draft: DraftRow, decision: DraftDecision, outputs: tuple[Field, ...], scope: Scope, *, is_default: bool) -> Row:
        row_id = draft.id.text
        if row_id in self.row_ids:
            message = f"the row id `{row_id}` is taken by the row on line {self.row_ids[row_id].line}"
            self.error(Code.DUPLICATE_NAME, message, draft.id.span, "give one of them another id")
        self.row_ids.setdefault(row_id, draft.id.span)
        clauses = self.clauses(draft.clauses)
        if not clauses and not draft.set_by_company:
            self.error(
                Code.MISSING_CLAUSE,
                f"row `{row_id}` has neither `clause` nor `set_by: company`",
                draft.id.span,
                "every row implements a clause or is marked as the company's",
            )
        cells = [c for c in (self.cell(e, scope, f"row `{row_id}`") for e in draft.when) if c]
        if draft.says is not None:
            self.sentence(draft.says, row_id)
        return Row(
            id=row_id,
            clauses=clauses,
            cells=tuple(cells),
            outputs=self.row_outputs(draft, decision, outputs, scope),
            says=text_of(draft.says),
            reading=text_of(draft.reading),
            note=text_of(draft.note),
            set_by_company=draft.set_by_company,
            effective=self.effective(draft.effective),
            span=draft.span,
            is_default=is_default,
        )

    def sentence(self, says: DraftText, row_id: str) -> None:
        """Check that the names in braces are parameters."""
        known = [p.name for p in self.draft.parameters]
        for name in dict.fromkeys(placeholders(text_of(says))):
            if name not in known:
                self.error(
                    Code.UNKNOWN_NAME,
                    f"the sentence of row `{row_id}` holds `{{{name}}}`, which is not a parameter",
                    says.span,
                    did_you_mean(name, known),
                )

    def cell(self, entry: DraftEntry, scope: Scope, who: str) -> Cell | None:
        key = entry.key.text
        subject = scope.resolve(tuple(key.split(".")))
        if subject is None and key.split(".")[0] in scope.broken:
            return None
        if subject is None:
            known = scope.candidates()
            self.error(
                Code.UNKNOWN_NAME,
                f"{who} tests `{key[:60]}`, which is not a name in this book",
                entry.key.span,
                did_you_mean(key, known),
            )
            return None
        test = self.binder.test(entry.words, scope, subject.kind)
        if test is None:
            return None
        return Cell(key=key, subject=subject, test=test, text=" ".join(entry.words.text.split()), span=entry.words.span)

    def row_outputs(self, draft: DraftRow, decision: DraftDecision, outputs: tuple[Field, ...], scope: Scope) -> tuple[OutputEntry, ...]:
        by_name = {o.name: o for o in outputs}
        known = [o.name for o in decision.outputs]
        made: dict[str, OutputEntry] = {}
        for entry in draft.then:
            name = entry.key.text
            if name not in known:
                self.error(Code.UNKNOWN_NAME, f"`{decision.name}` has no output `{name[:60]}`", entry.key.span, did_you_mean(name, known))
                continue
            output = by_name.get(name)
            formula = self.binder.value(entry.words, scope, output.kind, f"output `{name}`") if output else None
            if output is None or formula is None:
                made[name] = OutputEntry(name=name, formula=m.Const(None, k.NULL), text="", span=entry.words.span)
                continue
            folded = fold(formula, self.binder.zone)
            if isinstance(folded, m.Const):
                if folded.value is None and not output.optional:
                    self.error(Code.WRONG_TYPE, f"output `{name}` cannot be null", entry.words.span, "add `optional: true` to the output")
                elif not within(output, folded.value):
                    self.error(Code.OUT_OF_BOUNDS, f"`{entry.words.text}` is out of the bounds of output `{name}`", entry.words.span)
            made[name] = OutputEntry(name=name, formula=folded, text=" ".join(entry.words.text.split()), span=entry.words.span)
        missing = []
        for output in outputs:
            if output.name in made:
                continue
            if output.required:
                missing.append(output.name)
            else:
                value = output.default if output.has_default else None
                made[output.name] = OutputEntry(name=output.name, formula=m.Const(value, output.kind), text="", span=draft.id.span)
        if missing:
            names = ", ".join(f"`{n}`" for n in missing)
            self.error(
                Code.MISSING_OUTPUT,
                f"row `{draft.id.text}` gives no {names}",
                draft.then_span if draft.then else draft.id.span,
                "add it to `then`, or give the output a `default` or `optional: true`",
            )
        return tuple(made[o.name] for o in outputs if o.name in made)

    # What is used

    def with_uses(self, decision: Decision) -> Decision:
        formulas: list[m.Formula] = []
        for row in decision.all_rows:
            for cell in row.cells:
                formulas.append(cell.subject)
                formulas.extend(m.test_formulas(cell.test))
            formulas.extend(o.formula for o in row.outputs)
        formulas.extend(v.formula for v in decision.values)
        if decision.for_each is not None:
            formulas.append(decision.for_each.source)
        direct = self.closure(formulas)
        uses = self.made_uses[decision.name] = self.with_required(direct)
        return replace(decision, uses=uses, uses_directly=direct)

    def with_required(self, direct: Uses) -> Uses:
        """Add what the decisions that are read use themselves."""
        needed: dict[str, None] = {}
        inputs, parameters, values = dict.fromkeys(direct.inputs), dict.fromkeys(direct.parameters), dict.fromkeys(direct.values)
        for name in direct.decisions:
            required = self.made_uses.get(name)
            if required is None:
                continue
            needed.update(dict.fromkeys(required.decisions))
            needed[name] = None
            inputs.update(dict.fromkeys(required.inputs))
            parameters.update(dict.fromkeys(required.parameters))
            values.update(dict.fromkeys(required.values))
        order = {f.name: i for i, f in enumerate(self.inputs)}
        return Uses(
            inputs=tuple(sorted(inputs, key=lambda n: order.get(n, 0))),
            parameters=tuple(parameters),
            values=tuple(values),
            decisions=tuple(needed),
        )

    def with_invariants(self, decision: Decision, scope: Scope) -> Decision:
        """Bind what the book says always holds of a decision; all names of the book are known by now."""
        draft = next(x for x in self.draft.decisions if x.name == decision.name)
        if not draft.invariants:
            return decision
        own = self.scope_of[decision.name]
        around = Scope({**scope.names, **own.names}, scope.broken | own.broken)
        maker = Invariants(self.findings, self.binder, decision, self.inputs, around)
        made = []
        for one in draft.invariants:
            if one.id.text in self.row_ids:
                line = self.row_ids[one.id.text].line
                self.error(
                    Code.DUPLICATE_NAME,
                    f"the id `{one.id.text}` is taken by the row or invariant on line {line}",
                    one.id.span,
                    "give one of them another id",
                )
            self.row_ids.setdefault(one.id.text, one.id.span)
            # What is compared as a whole knows no single item.
            as_whole = one.never is not None and decision.for_each is not None and decision.hit_policy.multi
            inside = scope if as_whole else around
            cells = [c for c in (self.cell(e, inside, f"invariant `{one.id.text}`") for e in one.where) if c]
            invariant = maker.invariant(one, self.clauses(one.clauses), tuple(cells))
            if invariant is not None:
                read = self.closure(maker.formulas(invariant))
                direct = replace(read, decisions=tuple(dict.fromkeys((*read.decisions, decision.name))))
                made.append(replace(invariant, uses=self.with_required(direct)))
        return replace(decision, invariants=tuple(made))

    def closure(self, formulas: Iterable[m.Formula]) -> Uses:
        """Collect what formulas read, through the book's values."""
        inputs: dict[str, None] = {}
        parameters: dict[str, None] = {}
        values: dict[str, None] = {}
        decisions: dict[str, None] = {}
        pending = list(formulas)
        while pending:
            for ref in m.refs(pending.pop()):
                match ref.role:
                    case Role.INPUT:
                        inputs[ref.name] = None
                    case Role.PARAMETER:
                        parameters[ref.name] = None
                    case Role.OUTPUT:
                        decisions[ref.name.split(".")[0]] = None
                    case Role.VALUE if ref.name in self.values and ref.name not in values:
                        values[ref.name] = None
                        pending.append(self.values[ref.name].formula)
                    case _:
                        pass
        order = {f.name: i for i, f in enumerate(self.inputs)}
        return Uses(
            inputs=tuple(sorted(inputs, key=lambda n: order.get(n, 0))),
            parameters=tuple(p.name for p in self.parameters if p.name in parameters),
            values=tuple(v for v in self.values if v in values),
            decisions=tuple(x.name for x in self.draft.decisions if x.name in decisions),
        )

    def unused(self, decisions: dict[str, Decision]) -> None:
        uses = [d.uses for d in decisions.values()]
        for what, names, used in (
            ("parameter", [(p.name, p.span) for p in self.parameters], {n for u in uses for n in u.parameters}),
            ("input", [(i.name, i.span) for i in self.inputs], {n for u in uses for n in u.inputs}),
            ("value", [(v.name, v.span) for v in self.values.values()], {n for u in uses for n in u.values}),
        ):
            for name, span in names:
                if name not in used:
                    self.findings.warn(Code.UNUSED, f"no decision uses the {what} `{name}`", span, "remove it, or use it")


# Findings that a book may accept: those that may be meant.
_ACCEPTABLE = tuple(
    code.slug
    for code in (
        Code.NEVER_FIRES,
        Code.GAP,
        Code.OVERLAP,
        Code.SHADOWED,
        Code.DUPLICATE_ROW,
        Code.MERGEABLE_ROWS,
        Code.BOUNDARY_LEFT_OUT,
        Code.BOUNDARY_SHARED,
        Code.UNUSED_VALUE,
        Code.UNDECIDED,
        Code.PARTIAL,
    )
)
_NO_USES = Uses(inputs=(), parameters=(), values=(), decisions=())

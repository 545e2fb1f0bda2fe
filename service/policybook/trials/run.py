"""Run cases and say how an answer differs from what was expected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter_ns

from policybook.desk import Desk, Request
from policybook.errors import ConflictError, EngineError, FactsError, NotInForceError, PolicybookError
from policybook.model.answer import Answer, Outcome, RowVerdict, TableTrace, TraceLevel, Verdict
from policybook.model.book import Book, Row
from policybook.model.kinds import Field
from policybook.source import Span
from policybook.trials.case import Case, ErrorKind, Expected, Status
from policybook.trials.read import raw_facts
from policybook.trials.text import figures_in, value_text
from policybook.values import Value

Ask = Callable[[Case], Answer]
"""Answers a case with a full trace."""

_ERRORS: dict[ErrorKind, type[PolicybookError]] = {
    ErrorKind.FACTS: FactsError,
    ErrorKind.NOT_IN_FORCE: NotInForceError,
    ErrorKind.CONFLICT: ConflictError,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as expected; `what` names it: `outcome`, `rows`, `item 2: amount`."""

    what: str
    expected: str
    got: str
    span: Span

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, got {self.got}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one case.

    Args:
        answer: None when the request was refused
        refusal: why it was
        elapsed_ns: of the whole request
    """

    case: Case
    answer: Answer | None
    refusal: PolicybookError | None
    differences: tuple[Difference, ...]
    elapsed_ns: int

    @property
    def passed(self) -> bool:
        return not self.differences

    @property
    def is_our_fault(self) -> bool:
        return isinstance(self.refusal, EngineError)

    def lines(self, language: str = "en") -> tuple[str, ...]:
        """Return the differences and why the policy answered so, one thing a line."""
        return (*(str(d) for d in self.differences), *self.reasons(language))

    def reasons(self, language: str = "en") -> tuple[str, ...]:
        """Return what gave the answer: the selected rows in words, or the refusal."""
        if isinstance(self.refusal, FactsError):
            return tuple(f"{self.case.place(f.path)}: {f.message}{f'; {f.help}' if f.help else ''}" for f in self.refusal.report)
        if self.refusal is not None:
            return (str(self.refusal),)
        if self.answer is None:
            return ()
        say = _WORDS["zh" if language == "zh" else "en"]
        selected = tuple(say["selected"].format(_row_text(r, language, say)) for r in dict.fromkeys(self.answer.selected[:10]))
        return (*(selected or (say["none"],)), *self._why_not(self.answer, say))

    def _why_not(self, answer: Answer, say: Mapping[str, str]) -> Iterator[str]:
        """Say of each expected row that was not selected what became of it."""
        wanted = dict.fromkeys(self.case.rows or ())
        for row in [w for w in wanted if w not in [r.id for r in answer.selected]]:
            for table in answer.tables:
                for verdict in table.rows:
                    if verdict.row.id == row and verdict.verdict is not Verdict.SELECTED:
                        yield say["not_selected"].format(row, _verdict_text(verdict, table, answer.currency, say))


def asker(desk: Desk) -> Ask:
    """Return what asks the desk, the one way to an answer."""

    def ask(case: Case) -> Answer:
        return desk.decide(Request(decision=case.name, facts=raw_facts(case.given), as_of=case.as_of, trace=TraceLevel.FULL))

    return ask


def run_cases(cases: Iterable[Case], ask: Ask, books: Mapping[str, Book]) -> Iterator[Result]:
    """Run cases one after the other."""
    for case in cases:
        yield run_case(case, ask, books[case.policy])


def run_case(case: Case, ask: Ask, book: Book) -> Result:
    """Ask for one case and compare."""
    start = perf_counter_ns()
    answer: Answer | None = None
    refusal: PolicybookError | None = None
    try:
        answer = ask(case)
    except PolicybookError as e:
        refusal = e
    elapsed = perf_counter_ns() - start
    differences = _refused(case, refusal) if answer is None else _answered(case, answer, book)
    return Result(case=case, answer=answer, refusal=refusal, differences=tuple(differences), elapsed_ns=elapsed)


def _refused(case: Case, refusal: PolicybookError | None) -> Iterator[Difference]:
    if case.status is Status.ERROR and (case.error is None or isinstance(refusal, _ERRORS[case.error])):
        return
    kind = next((k.value for k, t in _ERRORS.items() if isinstance(refusal, t)), type(refusal).__name__)
    wanted = Status.DECIDED.value if case.status is None else case.status.value
    yield Difference(what="status", expected=f"error {case.error.value}" if case.error else wanted, got=f"error {kind}", span=case.span)


def _answered(case: Case, answer: Answer, book: Book) -> Iterator[Difference]:
    got = Status.DECIDED if answer.outcome is Outcome.DECIDED else Status.NO_MATCH
    wanted = case.status or (Status.DECIDED if case.expect else got)
    if wanted is not got:
        yield Difference(what="status", expected=f"error {case.error.value}" if case.error else wanted.value, got=got.value, span=case.span)
    if got is Status.DECIDED or case.status is None:
        yield from _outputs(case.expect, answer.outputs, book, "")
    if case.expect_items is not None:
        yield from _items(case, case.expect_items, answer, book)
    yield from _rows(case, answer)


def _outputs(expect: Mapping[str, Expected], outputs: Mapping[str, Value], book: Book, prefix: str) -> Iterator[Difference]:
    for name, expected in expect.items():
        got = outputs.get(name)
        if not same(expected.value, got):
            yield Difference(
                what=f"{prefix}{name}",
                expected=_text(expected.value, expected.field, book),
                got=_text(got, expected.field, book) if name in outputs else "nothing",
                span=expected.span,
            )


def same(a: Value, b: Value) -> bool:
    """Tell whether two values are equal; a boolean is never a number."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def _items(case: Case, wanted: tuple[Mapping[str, Expected], ...], answer: Answer, book: Book) -> Iterator[Difference]:
    if len(wanted) != len(answer.items):
        got = f"{len(answer.items)}: {'; '.join(_item_text(i.outputs, answer.output_fields, book) for i in answer.items[:10])}"
        yield Difference(what="number of items", expected=str(len(wanted)), got=got if answer.items else "none", span=case.span)
    for number, (expect, item) in enumerate(zip(wanted, answer.items, strict=False), 1):
        yield from _outputs(expect, item.outputs, book, f"item {number}: ")


def _rows(case: Case, answer: Answer) -> Iterator[Difference]:
    if case.rows is not None:
        got = tuple(r.id for r in answer.selected)
        if got != case.rows:
            yield Difference(what="rows", expected=_list(case.rows), got=_list(got), span=case.span)
    matched = {r.row.id for t in answer.tables for r in t.rows if r.verdict in (Verdict.SELECTED, Verdict.OUTRANKED)}
    matched |= {r.id for r in answer.selected}
    for row in case.not_rows:
        if row in matched:
            yield Difference(what="not_rows", expected=f"`{row}` not to match", got="it matched", span=case.span)


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names) if names else "none"


def _text(value: Value, field: Field, book: Book) -> str:
    return value_text(value, field.kind, currency=book.currency, zone=book.zone)


def _item_text(outputs: Mapping[str, Value], fields: Iterable[Field], book: Book) -> str:
    return ", ".join(f"{f.name}={_text(outputs.get(f.name), f, book)}" for f in fields)


# How a person is told why; the names of rows and the tests stay as they are written.
_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "selected": "selected row: {}",
        "none": "no row matched",
        "not_selected": "`{}` was not selected: {}",
        "outranked": "another row comes first",
        "other": "another row matched",
        "failed": "{} is {}, not {}",
        "and": ", ",
        "clauses": " (clause {})",
        "says": ": {}",
    },
    "zh": {
        "selected": "命中规则：{}",
        "none": "没有规则命中",
        "not_selected": "`{}` 未被选用：{}",
        "outranked": "另有规则在先",
        "other": "已命中另一规则",
        "failed": "{} 为 {}，不满足 {}",
        "and": "；",
        "clauses": "（条款 {}）",
        "says": "：{}",
    },
}


def _verdict_text(verdict: RowVerdict, table: TableTrace, currency: str, say: Mapping[str, str]) -> str:
    failed = [c for c in verdict.cells if not c.passed]
    if not failed:
        return say["outranked"] if verdict.verdict is Verdict.OUTRANKED else say["other"]
    known = {i.name: value_text(i.value, i.kind, currency=currency) for i in table.inputs}
    known |= {p.parameter.name: value_text(p.value, p.parameter.kind, currency=currency) for p in table.parameters}
    return say["and"].join(
        say["failed"].format(c.key, value_text(c.actual, c.kind, currency=currency), f"{c.test}{figures_in(c.test, known)}") for c in failed
    )


def _row_text(row: Row, language: str, say: Mapping[str, str]) -> str:
    clauses = say["clauses"].format(", ".join(row.clauses)) if row.clauses else ""
    says = row.says.get(language)
    return f"{row.id}{clauses}{say['says'].format(says) if says else ''}"

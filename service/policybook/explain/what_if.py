"""What if: the outcomes along one input, all others as they are.

For an ordered input the whole chain is decided at its ends, at what it is now, and at every cut of every table of the chain that the
input reaches. Between two neighbours that come out differently the exact step at which they part is found by halving. Then the
solver is asked for a value anywhere that comes out otherwise than its piece says; there is none, or it makes a new piece.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, TypeAlias

from policybook.analyse.inquiry import Asking, Impossible, Inquiry
from policybook.analyse.reading import Reading, Scope
from policybook.analyse.symbols import Cond
from policybook.cells.axes import OrderedAxis
from policybook.cells.linear import number
from policybook.errors import ConflictError, FactsError
from policybook.explain.steps import Steps
from policybook.explain.told import End, Teller, Told, piece_of, same_value
from policybook.explain.unknowns import Unknowns
from policybook.model.answer import TableTrace, TraceLevel, Verdict
from policybook.model.faults import FormulaError
from policybook.model.formula import Arith, Const, Formula, Role, children, refs
from policybook.model.kinds import Base, Field
from policybook.values import Value

# Pieces of one line, values of a choice, elements tried of a list; rounds of looking for cuts.
MAX_PIECES = 200
MAX_VALUES = 200
_ROUNDS = 6

Deadline: TypeAlias = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turning:
    """A test that passes on one side of a threshold and fails on the other."""

    decision: str
    row: str
    key: str
    test: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Values of an input with one outcome.

    Args:
        first, last: of an ordered input; None: it goes on for ever on that side
        values: of others
        added, removed: of a list, by how it differs from what it is
        is_actual: the request as it is falls here
        varying: outputs that change inside the piece; `told` has them as at `first`, or at `last` where it has no first
        turning: the tests that turn where it begins
    """

    told: Told
    first: Value = None
    last: Value = None
    values: tuple[Value, ...] = ()
    added: Value = None
    removed: Value = None
    is_actual: bool = False
    varying: tuple[str, ...] = ()
    turning: tuple[Turning, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """The outcomes along one input.

    Args:
        step: of an ordered input; None for others
        proved: each piece has one outcome throughout
        limited_by: why that is not proved, or what is left out: `time`, `pieces`, `refusals`, `solver`, `values`, `text`, `lists`
    """

    declared: Field
    actual: Value
    step: Value
    pieces: tuple[Piece, ...]
    proved: bool
    limited_by: str = ""


class Line:
    """Varies one input of one request."""

    def __init__(self, teller: Teller, facts: Mapping[str, Value], name: str, is_over: Deadline) -> None:
        self.teller = teller
        self.book = teller.book
        self.decision = teller.decision
        self.name = name
        self.declared = self.book.input_by_name[name]
        self.facts = {n: facts[n] for n in self.decision.uses.inputs}
        self.actual = self.facts[name]
        self.is_over = is_over
        self.aspect = piece_of(self.decision)
        self._told: dict[int, Told] = {}

    def vary(self) -> Variation:
        """Return the outcomes along the input."""
        steps = Steps.of(self.declared, self.actual, self.book.currency)
        if steps is not None:
            return _Ordered(self, steps).variation()
        return self._one_by_one()

    def tell(self, value: Value) -> Told:
        return self.teller.tell({**self.facts, self.name: value})

    def unknowns(self) -> Unknowns:
        """Return the request with the input set free."""
        return Unknowns(self.book, self.teller.era, self.facts, (self.name,), self.teller.as_of, self.teller.now)

    # Choices, flags, lists

    def _one_by_one(self) -> Variation:
        declared = self.declared
        limited = ""
        pieces: list[Piece] = []
        base = declared.kind.base
        if base is Base.LIST:
            for value, added, removed in self._lists():
                is_actual = added is None and removed is None
                pieces.append(Piece(told=self.tell(value), values=(value,), added=added, removed=removed, is_actual=is_actual))
            inner = declared.kind.element
            limited = "" if inner is not None and inner.base is Base.ENUM else "lists"
            if len(pieces) > MAX_VALUES:
                limited = "values"
            return Variation(
                declared=declared, actual=self.actual, step=None, pieces=tuple(pieces[:MAX_VALUES]), proved=not limited, limited_by=limited
            )
        values: list[Value] = [True, False] if base is Base.BOOLEAN else list(declared.kind.value_names)
        if base not in (Base.BOOLEAN, Base.ENUM):
            limited = "text"
            values = [self.actual] if self.actual is not None else []
        if declared.optional:
            values.append(None)
        for value in values:
            told = self.tell(value)
            is_actual = same_value(value, self.actual)
            same = next((i for i, p in enumerate(pieces) if self.aspect.same(p.told, told)), None)
            if same is None:
                pieces.append(Piece(told=told, values=(value,), is_actual=is_actual))
            else:
                p = pieces[same]
                pieces[same] = replace(
                    p, values=(*p.values, value), is_actual=p.is_actual or is_actual, varying=self.varying(p.varying, p.told, told)
                )
        return Variation(declared=declared, actual=self.actual, step=None, pieces=tuple(pieces), proved=not limited, limited_by=limited)

    def _lists(self) -> Iterator[tuple[Value, Value, Value]]:
        """Yield the list as it is, then with each element out, then with each of the choices it lacks in."""
        actual = self.actual if isinstance(self.actual, tuple) else ()
        yield self.actual, None, None
        for i, element in enumerate(actual):
            yield (*actual[:i], *actual[i + 1 :]), None, element
        inner = self.declared.kind.element
        if inner is not None and inner.base is Base.ENUM:
            for word in inner.value_names:
                if word not in actual:
                    yield (*actual, word), word, None

    def varying(self, known: tuple[str, ...], a: Told, b: Told) -> tuple[str, ...]:
        """Add the outputs in which two ends of a piece differ."""
        more = [n for n, v in a.outputs.items() if not same_value(v, b.outputs.get(n)) and n not in known]
        return (*known, *more)

    def traces(self, value: Value) -> tuple[TableTrace, ...]:
        """Return the tables asked, with every row."""
        try:
            return tuple(self.teller.verdict({**self.facts, self.name: value}, TraceLevel.FULL).tables)
        except (ConflictError, FactsError):
            return ()


class _Ordered:
    """An ordered input, as a line of steps."""

    def __init__(self, line: Line, steps: Steps) -> None:
        self.line = line
        self.steps = steps
        self._told: dict[int, Told] = {}
        self._cells: dict[int, tuple[tuple[Fraction | None, ...], ...]] = {}
        # First steps of the pieces, ascending; every piece goes to just before the next.
        self.starts: list[int] = []
        # The line was not parted to its end; what lies beyond this step is not known.
        self.is_cut = False
        self.known_to = steps.high

    def tell(self, n: int) -> Told:
        found = self._told.get(n)
        if found is None:
            found = self._told[n] = self.line.tell(self.steps.value(n))
        return found

    def differ(self, a: int, b: int) -> bool:
        return not self.line.aspect.same(self.tell(a), self.tell(b))

    def variation(self) -> Variation:
        line, steps = self.line, self.steps
        samples = sorted(self._samples())
        self.starts = [steps.low]
        for a, b in pairwise(samples):
            self._part(a, b)
        proved, limited = self._prove() if not self.is_cut else (False, "time" if line.is_over() else "pieces")
        return Variation(
            declared=line.declared,
            actual=line.actual,
            step=steps.shown,
            pieces=(*self._pieces(), *self._nothing()),
            proved=proved,
            limited_by=limited,
        )

    # Where pieces begin

    def _samples(self) -> set[int]:
        """Return steps that part the line at every cut that the input reaches, as far as it reaches them in a straight line."""
        steps = self.steps
        points = {steps.low, steps.high, *(n for n in (-1, 0, 1) if steps.low <= n <= steps.high)}
        if self.line.actual is not None:
            points.add(min(max(steps.at(self.line.actual), steps.low), steps.high))
        for _ in range(_ROUNDS):
            fresh: set[int] = set()
            known = sorted(points)
            for a, b in pairwise(known):
                if b - a > 1 and not self.line.is_over():
                    fresh |= {n for n in self._roots(a, b) if a < n < b}
                    fresh.add((a + b) // 2)
            fresh -= points
            points |= fresh
            if not fresh or len(points) > 2_000 or self.line.is_over():
                break
        return points

    def _roots(self, a: int, b: int) -> Iterator[int]:
        """Yield the steps at and beside the cuts that lie between two points, taking every axis for a straight line there."""
        at_a, at_b = self._sums(a), self._sums(b)
        if len(at_a) != len(at_b):
            return
        count = 0
        for (cuts, x), (_, y) in zip(at_a, at_b, strict=True):
            if x is None or y is None or x == y:
                continue
            for cut in cuts:
                if min(x, y) <= cut <= max(x, y):
                    n = int(a + (cut - x) * (b - a) / (y - x) // 1)
                    yield from (n - 1, n, n + 1)
                    count += 1
                    if count > MAX_PIECES:
                        return

    def _sums(self, n: int) -> list[tuple[tuple[Fraction, ...], Fraction | None]]:
        """Return for every axis of every table of the chain its cuts and where a request stands on it."""
        teller, line = self.line.teller, self.line
        decider = teller.decider
        book = line.book
        env: dict[str, Value] = {
            **decider.figures(teller.era),
            **line.facts,
            line.name: self.steps.value(n),
            "as_of": teller.as_of,
            "now": teller.now,
        }
        out: list[tuple[tuple[Fraction, ...], Fraction | None]] = []
        try:
            for name in (*line.decision.uses.decisions, line.decision.name):
                decision = book.decision_by_name[name]
                if decision.for_each is None:
                    grid = decider.program.grid(name, teller.era)
                    verdict = decider.table(decision, env, teller.era, TraceLevel.NONE)
                    known: Any = grid.plain.complete(env)
                    out += [(a.cuts, _sum(a, known)) for a in grid.axes if isinstance(a, OrderedAxis)]
                else:
                    verdict = decider.table(decision, env, teller.era, TraceLevel.NONE)
                    out += self._sums_of_items(decision.name, env)
                decider.publish(decision, verdict, env)
        except (ConflictError, FormulaError):
            return []
        return out

    def _sums_of_items(self, name: str, env: Mapping[str, Value]) -> list[tuple[tuple[Fraction, ...], Fraction | None]]:
        teller = self.line.teller
        grid = teller.decider.program.grid(name, teller.era)
        decision = grid.decision
        assert decision.for_each is not None
        items: Any = env.get("#items") or ()
        out: list[tuple[tuple[Fraction, ...], Fraction | None]] = []
        for item in items[:20]:
            known: Any = grid.plain.complete({**env, decision.for_each.item: item})
            out += [(a.cuts, _sum(a, known)) for a in grid.axes if isinstance(a, OrderedAxis)]
        return out

    def _part(self, a: int, b: int) -> None:
        """Note where between two steps that come out differently the first piece ends and the next begins."""
        while self.differ(a, b):
            if len(self.starts) > MAX_PIECES or self.line.is_over():
                self.is_cut = True
                self.known_to = min(self.known_to, a)
                return
            low, high = a, b
            while high - low > 1:
                middle = (low + high) // 2
                if self.differ(a, middle):
                    high = middle
                else:
                    low = middle
            if high not in self.starts:
                insort(self.starts, high)
            a = high

    # Proof

    def _prove(self) -> tuple[bool, str]:
        """Ask the solver for a value that comes out otherwise than its piece says; each makes a new piece."""
        line = self.line
        made = line.unknowns()
        reading, s = made.reading, made.solver
        decision = line.decision
        reading.table(decision.name)
        inquiry = Inquiry(s, (reading,), tuple(line.facts))
        for _ in range(MAX_PIECES):
            if line.is_over():
                return False, "time"
            wrong = []
            for first, last in self._spans():
                told = self.tell(first)
                # The reading leaves out what is refused: whatever it finds among the refused comes out otherwise.
                same = False if told.end is End.REFUSED else line.aspect.same_in(reading, decision, told)
                wrong.append(s.all(self._inside(reading, first, last), s.no(same)))
            found = inquiry.find(s.any(*wrong), lambda _: True, nice=False)
            if isinstance(found, Impossible):
                return (True, "") if self._is_never_refused() else (False, "refusals")
            if not isinstance(found, Asking):
                return False, "solver"
            n = self.steps.below(number(found.facts[line.name]))
            first, last = next(span for span in self._spans() if span[0] <= n <= span[1])
            if not self.differ(first, n):
                # What the solver takes for otherwise is not: it knows the formulas only nearly.
                return False, "solver"
            self._part(first, n)
            self._part(n, last)
            if self.is_cut:
                break
        return False, "time" if line.is_over() else "pieces"

    def _inside(self, reading: Reading, first: int, last: int) -> Cond:
        s = reading.solver
        term: Any = reading.input(self.line.name)
        size = self.steps.size
        return s.all(s.no(term.null), term.value >= s.real(first * size), term.value <= s.real(last * size))

    def _is_never_refused(self) -> bool:
        """Prove that no request of a piece that is decided is refused: no rows conflict, and nothing is divided by zero.

        Asked along the chain, before what comes later takes it for granted.
        """
        line = self.line
        decided = [span for span in self._spans() if self.tell(span[0]).end is not End.REFUSED]
        made = line.unknowns()
        reading, s = made.reading, made.solver
        inquiry = Inquiry(s, (reading,), tuple(line.facts))
        inside = s.any(*(self._inside(reading, first, last) for first, last in decided))
        for name in (*line.decision.uses.decisions, line.decision.name):
            table = line.book.decision_by_name[name]
            formulas = [line.book.value_by_name[v].formula for v in table.uses_directly.values]
            formulas += [v.formula for v in table.values]
            formulas += [o.formula for row in table.all_rows for o in row.outputs]
            for divisor in (d for f in formulas for d in _divisors(f)):
                if table.for_each is not None and any(r.role in (Role.ITEM, Role.VALUE) for r in refs(divisor)):
                    return False
                term = reading.scalar(divisor, Scope(table))
                zero = s.all(s.no(term.null), term.value == s.real(0)) if term.value is not None else False
                if line.is_over() or inquiry.possible(s.all(inside, zero)) is not False:
                    return False
            conflict = reading.asked_without_axiom(table).conflict
            if conflict is not False and (line.is_over() or inquiry.possible(s.all(inside, conflict)) is not False):
                return False
        return True

    def _spans(self) -> list[tuple[int, int]]:
        ends = [*(n - 1 for n in self.starts[1:]), self.steps.high]
        return list(zip(self.starts, ends, strict=True))

    # Pieces

    def _pieces(self) -> Iterator[Piece]:
        steps, line = self.steps, self.line
        actual = None if line.actual is None else steps.at(line.actual)
        spans = self._spans()
        if self.is_cut:
            spans = [s for s in spans if s[1] < self.known_to]
            if actual is not None and not any(first <= actual <= last for first, last in spans):
                spans.append((actual, actual))
        for first, last in spans:
            open_below = first == steps.low and not steps.low_is_end
            open_above = last == steps.high and not steps.high_is_end
            told = self.tell(last if open_below else first)
            varying: tuple[str, ...] = ()
            for n in {first, (first + last) // 2, last}:
                varying = line.varying(varying, self.tell(first), self.tell(n))
            yield Piece(
                told=told,
                first=None if open_below else steps.value(first),
                last=None if open_above else steps.value(last),
                is_actual=actual is not None and first <= actual <= last,
                varying=tuple(n for n in told.outputs if n in varying),
                turning=self._turning(first - 1, first) if first in self.starts[1:] else (),
            )

    def _nothing(self) -> Iterator[Piece]:
        """Yield what comes when the input is not stated."""
        if self.line.declared.optional:
            yield Piece(told=self.line.tell(None), values=(None,), is_actual=self.line.actual is None)

    def _turning(self, before: int, after: int) -> tuple[Turning, ...]:
        """Return the tests that turn between two neighbours: in the first table that answers by other rows, those of these rows."""
        was, now = (self.line.traces(self.steps.value(n)) for n in (before, after))
        for a, b in zip(was, now, strict=False):
            if (a.decision.name, a.item_number) != (b.decision.name, b.item_number):
                return ()
            selected_a = {r.row.id for r in a.rows if r.verdict is Verdict.SELECTED}
            selected_b = {r.row.id for r in b.rows if r.verdict is Verdict.SELECTED}
            moved = selected_a ^ selected_b
            if not moved:
                continue
            out = []
            for x, y in zip(a.rows, b.rows, strict=True):
                if x.row.id in moved:
                    turned = [c for c, d in zip(x.cells, y.cells, strict=True) if c.passed != d.passed]
                    out += [Turning(decision=a.decision.name, row=x.row.id, key=c.key, test=c.test) for c in turned]
            return tuple(out)
        return ()


def _sum(axis: OrderedAxis, env: Mapping[str, Value]) -> Fraction | None:
    total = Fraction(0)
    for atom, k in axis.form:
        n = atom.read(env)
        if n is None:
            return None
        total += k * n
    return total


def _divisors(f: Formula) -> Iterator[Formula]:
    """Yield what a formula divides by, but for constants."""
    if isinstance(f, Arith) and f.op == "/" and not isinstance(f.right, Const):
        yield f.right
    for child in children(f):
        yield from _divisors(child)

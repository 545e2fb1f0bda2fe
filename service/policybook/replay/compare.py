"""What was answered beside what edited books answer, by columns."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from policybook.audit.canonical import items_json, outputs_json
from policybook.cells.stated import stated_at
from policybook.decide.bulk import Bulk
from policybook.decide.chain import Settled
from policybook.decide.columns import Many, Moments
from policybook.desk import close_of
from policybook.errors import FactsError, PolicybookError
from policybook.model.answer import Outcome
from policybook.model.book import Book, Decision
from policybook.model.facts import Raw, Tag
from policybook.replay.past import BROKEN, Chunk, Page, Recorded, amount_of, checked_outputs, damaged

MAX_EXAMPLES = 5
REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Answered:
    """Answers as canonical JSON, one a row; of a row that was refused `outcomes` says why and the others are empty."""

    outcomes: Sequence[str]
    outputs: Sequence[str]
    items: Sequence[str]
    rows: Sequence[str]


@dataclass(slots=True)
class Amount:
    """A sum over requests that come to something else: before and after; `unit` is a currency or empty."""

    before: Fraction = Fraction(0)
    after: Fraction = Fraction(0)
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One request that comes to something else.

    Args:
        facts: as stated, by input
        before, after: the answer as JSON values: outcome, outputs, items, rows; of a file no more of it than the file holds
    """

    id: str
    as_of: date
    facts: Mapping[str, Raw]
    before: Mapping[str, Any]
    after: Mapping[str, Any]


@dataclass(slots=True)
class Move:
    """The requests that come from one outcome to another.

    Args:
        weight: the sum of the input by which changes are weighed; None: no such input
    """

    before: str
    after: str
    count: int = 0
    weight: Fraction | None = None
    examples: list[Change] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """What the replay of one decision comes to.

    Args:
        total: requests that were decided again
        changed: of those, how many come to another outcome, other outputs or items
        other_rows: of the others, how many come to the same by other rows
        refused: why requests are refused as they were before, and how many
        moves: by outcome from and to
        amounts: by output, over the changed requests
        left_out: why requests were not decided again, and how many
        unit: of the weights
        days: as of which they were decided, and how many on each
        not_compared: outputs of which a file does not say what they were
    """

    decision: str
    total: int = 0
    changed: int = 0
    other_rows: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    moves: dict[tuple[str, str], Move] = field(default_factory=dict)
    amounts: dict[str, Amount] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    unit: str = ""
    weight_total: Fraction | None = None
    days: Counter[date] = field(default_factory=Counter)
    not_compared: set[str] = field(default_factory=set)

    @property
    def first(self) -> date | None:
        """The first day as of which one was decided."""
        return min(self.days, default=None)

    @property
    def last(self) -> date | None:
        """The last day as of which one was decided."""
        return max(self.days, default=None)

    def before(self, day: date) -> int:
        """Count the requests that were decided as of an earlier day."""
        return sum(count for one, count in self.days.items() if one < day)

    def add(self, other: Tally, most_examples: int) -> None:
        """Take in what the replay of other requests of the same decision came to."""
        self.total += other.total
        self.changed += other.changed
        self.other_rows += other.other_rows
        self.left_out += other.left_out
        self.refused += other.refused
        self.unit = self.unit or other.unit
        self.days += other.days
        self.not_compared |= other.not_compared
        if other.weight_total is not None:
            self.weight_total = (self.weight_total or Fraction(0)) + other.weight_total
        for pair, theirs in other.moves.items():
            move = self.moves.setdefault(pair, Move(*pair))
            move.count += theirs.count
            if theirs.weight is not None:
                move.weight = (move.weight or Fraction(0)) + theirs.weight
            move.examples += theirs.examples[: max(0, most_examples - len(move.examples))]
        for name, sums in other.amounts.items():
            amount = self.amounts.setdefault(name, Amount())
            amount.unit = amount.unit or sums.unit
            amount.before += sums.before
            amount.after += sums.after


@dataclass(frozen=True, slots=True)
class Side:
    """Books that decide a chunk: one book, its decision, and what decides by columns."""

    book: Book
    decision: Decision
    bulk: Bulk

    def answers(self, chunk: Chunk, days: Sequence[date], instants: Sequence[datetime]) -> Answered:
        """Decide a chunk again."""
        size = len(chunk)
        outcomes, outputs, items, rows = ([""] * size for _ in range(4))
        known = {n: c for n, c in chunk.columns.items() if n in self.book.input_by_name}
        for places, day, instant, moments in self._eras(days, instants):
            columns = known if len(places) == size else {n: _taken(c, places) for n, c in known.items()}
            many, errors = self.bulk.by_columns(self.decision, columns, day, instant, len(places), moments)
            made = self._texts(many)
            spots = places.tolist()
            for column, texts in zip((outcomes, outputs, items, rows), made, strict=True):
                if len(places) == size:
                    column[:] = texts
                else:
                    for spot, text in zip(spots, texts, strict=True):
                        column[spot] = text
            for row, error in errors.items():
                spot = spots[row]
                outcomes[spot], outputs[spot], items[spot], rows[spot] = _refusal(error), "{}", "[]", "[]"
        for spot, error in self._strange(chunk).items():
            outcomes[spot], outputs[spot], items[spot], rows[spot] = _refusal(error), "{}", "[]", "[]"
        return Answered(outcomes, outputs, items, rows)

    def _strange(self, chunk: Chunk) -> dict[int, PolicybookError]:
        """Return why requests are refused that state what is no input of the book."""
        strange = [c for n, c in chunk.columns.items() if n not in self.book.input_by_name and n not in chunk.lenient]
        rows = [i for i in range(len(chunk)) if any(c[i] is not None for c in strange)] if strange else []
        if not rows:
            return {}
        # Whatever the day: facts are read first.
        facts = [
            {n: v for n, v in stated_by(chunk, i, self.book).items() if n in self.book.input_by_name or n not in chunk.lenient}
            for i in rows
        ]
        _, errors = self.bulk.by_facts(self.decision, facts, chunk.days[0], chunk.instants[0])
        return {rows[i]: error for i, error in errors.items()}

    def _eras(self, days: Sequence[date], instants: Sequence[datetime]) -> Iterator[tuple[Any, date, datetime, Moments]]:
        """Part rows by era of the book."""
        era_of = {day: self.book.era(day) for day in set(days)}
        eras = np.array([era_of[day] for day in days], dtype=np.intp)
        moments = Moments.of(days, instants)
        for era in np.unique(eras).tolist():
            places = np.flatnonzero(eras == era)
            first = int(places[0])
            yield places, days[first], instants[first], moments if len(places) == len(days) else moments.take(places)

    def _texts(self, many: Many) -> tuple[list[str], list[str], list[str], list[str]]:
        """Write answers as the log would: once for all that have an answer in common, but for outputs that are computed."""
        written = [self._written(s) for s in many.settled]
        group = many.group.tolist()
        outcomes, outputs, items, rows = ([w[part] for w in written] for part in range(4))
        made = ([column[g] for g in group] for column in (outcomes, outputs, items, rows))
        found = tuple(made)
        if many.fresh is not None:
            fields, currency = self.decision.outputs, self.book.currency
            names = list(many.computed)
            places = np.flatnonzero(many.fresh)
            coded = [many.computed[n].take(places).coded() for n in names]
            known: dict[tuple[int, ...], str] = {}
            codes = zip(*(c.codes.tolist() for c in coded), strict=True) if coded else ((),) * len(places)
            for place, key in zip(places.tolist(), codes, strict=True):
                text = known.get(key)
                if text is None:
                    values = {n: c.values[k] for n, c, k in zip(names, coded, key, strict=True)}
                    text = known[key] = outputs_json(values, fields, currency)
                found[1][place] = text
        return found  # type: ignore[return-value]  # four lists

    def _written(self, settled: Settled) -> tuple[str, str, str, str]:
        fields, currency = self.decision.outputs, self.book.currency
        return (
            settled.outcome.value,
            outputs_json(settled.outputs, fields, currency),
            items_json(settled.items, fields, currency),
            json.dumps([r.id for r in settled.selected], separators=(",", ":")),
        )


def stated_by(chunk: Chunk, row: int, book: Book) -> dict[str, Raw]:
    """Return the facts of one request; what is no input of the book was stated all the same."""
    facts = {}
    for name, column in chunk.columns.items():
        known = book.input_by_name.get(name)
        value = column[row] if known is None else stated_at(column, row, known)
        if value is not None:
            facts[name] = value if isinstance(value, Raw) else Raw(Tag.LITERAL, str(value))
    return facts


def _taken(column: Any, places: Any) -> Any:
    return [column[i] for i in places.tolist()]


def _refusal(error: PolicybookError) -> str:
    """Say in few words why a request is refused; never with a value of its own."""
    if isinstance(error, FactsError):
        names = sorted({f.path.partition("[")[0].removeprefix("facts.") or f.code.slug for f in error.report})
        return f"{REFUSED}: facts {', '.join(names[:3])}"
    return f"{REFUSED}: {type(error).__name__.removesuffix('Error')}"


class Replay:
    """Compares chunk by chunk.

    Args:
        after: the edited books, by decision
        before: the books of before, by decision, for requests without a recorded answer
        weigh: the input by which changes are weighed; empty: none
        as_of: let the edited books decide all as of the close of this day, each in its own time zone, and not as of their own
    Raises:
        RequestError: a day too far away
    """

    def __init__(
        self,
        after: Mapping[str, Side],
        before: Mapping[str, Side] | None = None,
        *,
        weigh: str = "",
        as_of: date | None = None,
        examples: int = MAX_EXAMPLES,
    ) -> None:
        self._after = after
        self._before = before or {}
        self._weigh = weigh
        self._as_of = None if as_of is None else {name: close_of(as_of, side.book) for name, side in after.items()}
        self._examples = examples
        self.tallies: dict[str, Tally] = {}

    def replayed(self, part: Page | Chunk) -> list[tuple[Tally, list[Change]]]:
        """Decide a part of the past again: what it comes to, and the requests that come to something else, for each decision in it."""
        chunks = part.chunks(self._find) if isinstance(part, Page) else (part,)
        return [self._compared(chunk) for chunk in chunks]

    def add(self, tally: Tally) -> None:
        """Count what a part came to."""
        self.tallies.setdefault(tally.decision, Tally(tally.decision)).add(tally, self._examples)

    def _find(self, name: str) -> tuple[Book, Decision] | None:
        side = self._after.get(name)
        return None if side is None else (side.book, side.decision)

    def _compared(self, chunk: Chunk) -> tuple[Tally, list[Change]]:
        tally = Tally(chunk.decision)
        tally.left_out += chunk.left_out
        if not len(chunk):
            return tally, []
        recorded = None if self._before else chunk.recorded
        earlier = self._before.get(chunk.decision)
        if recorded is None and earlier is None:
            tally.left_out["the books of before do not decide it"] += len(chunk)
            return tally, []
        tally.total += len(chunk)
        tally.days += Counter(chunk.days)
        side = self._after[chunk.decision]
        days, instants = chunk.days, chunk.instants
        if self._as_of is not None:
            day, instant = self._as_of[chunk.decision]
            days, instants = [day] * len(chunk), [instant] * len(chunk)
        after = side.answers(chunk, days, instants)
        if recorded is None:
            assert earlier is not None
            before = earlier.answers(chunk, chunk.days, chunk.instants)
        else:
            before, after = _comparable(recorded, after)
            if recorded.names is not None:
                tally.not_compared = {f.name for f in side.decision.outputs} - recorded.names
        same = [
            a == b and c == d and e == f
            for a, b, c, d, e, f in zip(
                before.outputs, after.outputs, before.outcomes, after.outcomes, before.items, after.items, strict=True
            )
        ]
        tally.other_rows += sum(s and a != b for s, a, b in zip(same, before.rows, after.rows, strict=True))
        tally.refused += Counter(o for s, o in zip(same, after.outcomes, strict=True) if s and o.startswith(REFUSED))
        weights = self._weights(chunk, side.book)
        if weights is not None:
            tally.unit = tally.unit or weights[1]
            tally.weight_total = (tally.weight_total or Fraction(0)) + sum(weights[0], Fraction(0))
        changes = []
        for row in (i for i, s in enumerate(same) if not s):
            was = _plain(before, row) if recorded is None else _as_recorded(before, row, chunk.ids[row])
            change = Change(chunk.ids[row], chunk.days[row], stated_by(chunk, row, side.book), was, _plain(after, row))
            changes.append(change)
            self._count(tally, change, None if weights is None else weights[0][row])
        return tally, changes

    def _weights(self, chunk: Chunk, book: Book) -> tuple[list[Fraction], str] | None:
        """Return each request's weight, and its unit."""
        column, known = chunk.columns.get(self._weigh), book.input_by_name.get(self._weigh)
        if not self._weigh or column is None or known is None:
            return None
        texts: dict[str, Fraction] = {}
        found = []
        for row in range(len(chunk)):
            raw = stated_at(column, row, known)
            text = "" if raw is None else raw.value.amount if raw.tag is Tag.MONEY else str(raw.value)
            value = texts.get(text)
            if value is None:
                try:
                    value = Fraction(text or 0)
                except (ValueError, ZeroDivisionError):
                    value = Fraction(0)
                texts[text] = value
            found.append(value)
        return found, book.currency if known.kind.base.value == "money" else known.unit.get("en")

    def _count(self, tally: Tally, change: Change, weight: Fraction | None) -> None:
        tally.changed += 1
        pair = (label(change.before), label(change.after))
        move = tally.moves.get(pair)
        if move is None:
            move = tally.moves[pair] = Move(*pair)
        move.count += 1
        if weight is not None:
            move.weight = (move.weight or Fraction(0)) + weight
        if len(move.examples) < self._examples:
            move.examples.append(change)
        for side, answer in (("before", change.before), ("after", change.after)):
            for name, value in answer["outputs"].items():
                number, unit = amount_of(value)
                if number is not None:
                    amount = tally.amounts.setdefault(name, Amount())
                    amount.unit = amount.unit or unit
                    setattr(amount, side, getattr(amount, side) + number)


def _comparable(recorded: Recorded, after: Answered) -> tuple[Answered, Answered]:
    """Return what was answered and what is answered now, of which only so much is left as was recorded."""
    outputs = after.outputs if recorded.names is None else [*map(_narrowed(recorded.names), after.outputs)]
    items = after.items if recorded.items is not None else ["[]"] * len(outputs)
    rows = after.rows if recorded.rows is not None else ["[]"] * len(outputs)
    before = Answered(
        recorded.outcomes if recorded.outcomes is not None else [*map(_outcome, recorded.outputs, after.outcomes)],
        recorded.outputs,
        recorded.items if recorded.items is not None else items,
        recorded.rows if recorded.rows is not None else rows,
    )
    return before, Answered(after.outcomes, outputs, items, rows)


def _narrowed(names: frozenset[str]) -> Callable[[str], str]:
    """Make what leaves some outputs of an answer; those that are null are as good as none."""

    @lru_cache(maxsize=100_000)
    def narrowed(text: str) -> str:
        kept = {n: v for n, v in json.loads(text).items() if n in names and v is not None}
        return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))

    return narrowed


def _outcome(outputs: str, after: str) -> str:
    """Say what the outcome was, of which a file tells the outputs alone: without any, nothing contradicts the outcome of today."""
    if outputs != "{}":
        return Outcome.DECIDED.value
    return Outcome.NO_MATCH.value if after.startswith(REFUSED) else after


def _plain(answers: Answered, row: int) -> dict[str, Any]:
    return {
        "outcome": answers.outcomes[row],
        "outputs": json.loads(answers.outputs[row]),
        "items": json.loads(answers.items[row]),
        "rows": json.loads(answers.rows[row]),
    }


def _as_recorded(answers: Answered, row: int, name: str) -> dict[str, Any]:
    """Return an answer as the log holds it.

    Raises:
        LogError: it is none that was ever written
    """
    try:
        answer = _plain(answers, row)
        for outputs in (answer["outputs"], *(i["outputs"] for i in answer["items"])):
            checked_outputs(outputs)
        if not all(isinstance(r, str) for r in answer["rows"]):
            raise ValueError("a row is named by no text")
    except BROKEN as e:
        raise damaged(name, "answer", e) from None
    return answer


# A longer text says more than what kind of answer it is.
MAX_LABEL = 40


def label(answer: Mapping[str, Any]) -> str:
    """Name the kind of an answer: its outputs that are words or truths, else its rows; or why there is none."""
    if answer["outcome"] != Outcome.DECIDED.value:
        return str(answer["outcome"])
    words = [f"{name} {_word(value)}" for name, value in answer["outputs"].items() if is_word(value)]
    return ", ".join(words) or ", ".join(dict.fromkeys(answer["rows"])) or "nothing selected"


def is_word(value: Any) -> bool:
    """Whether an output, as JSON, is a truth or a short text."""
    text = value.get("text") if isinstance(value, dict) else value
    return isinstance(text, str | bool) and len(str(text)) <= MAX_LABEL


def _word(value: Any) -> str:
    return str(value["text"]) if isinstance(value, dict) else str(value).lower()

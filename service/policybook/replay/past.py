"""Requests of the past, in chunks of columns: from the decision log, or from a file of another system."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from policybook.audit.canonical import MASKED, instant_of, raw_of
from policybook.audit.log import Filter, Reader
from policybook.desk import moments
from policybook.errors import LogError
from policybook.model.book import Book, Decision
from policybook.model.facts import Raw
from policybook.model.kinds import Base, Field

# So many rows are decided at once: their columns, texts and answers take some hundred megabytes.
CHUNK = 50_000


class UnreadableError(Exception):
    """A file that cannot be replayed; says why, where, and what to do."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was answered then, as the log holds it: canonical JSON."""

    outcomes: Sequence[str]
    outputs: Sequence[str]
    items: Sequence[str]
    rows: Sequence[str]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Requests of one decision.

    Args:
        ids: what names each in a report: a decision id, or `line 7`
        columns: by input; an input without a column is stated by no row
        days, instants: as of when each was decided
        recorded: what was answered; None: that is still to be decided, by the books before
        left_out: why other requests cannot be decided again, and how many
    """

    decision: str
    ids: Sequence[str]
    columns: Mapping[str, Sequence[Any]]
    days: Sequence[date]
    instants: Sequence[datetime]
    recorded: Recorded | None
    left_out: Counter[str]

    def __len__(self) -> int:
        return len(self.ids)


Find = Callable[[str], "tuple[Book, Decision] | None"]

# ---------------------------------------------------------------- the log

_NAMES = ("decision", "decision_id", "facts", "as_of", "now", "outcome", "outputs", "items", "rows")


@dataclass(frozen=True, slots=True)
class Page:
    """Recorded decisions as they were read, not yet looked at."""

    rows: list[tuple[Any, ...]]

    def __len__(self) -> int:
        return len(self.rows)

    def chunks(self, find: Find) -> Iterator[Chunk]:
        """Return them as chunks of one decision each.

        Args:
            find: the edited book and decision of a name; None: there is none any more
        Raises:
            LogError: a record holds what was never written
        """
        groups: dict[str, list[tuple[Any, ...]]] = {}
        for row in self.rows:
            groups.setdefault(row[0], []).append(row)
        for name, rows in groups.items():
            found = find(name)
            if found is None:
                yield _nothing(name, Counter({"the edited books do not decide it": len(rows)}))
            else:
                yield _chunk(name, *found, rows)


def from_log(reader: Reader, wanted: Filter) -> Iterator[Page]:
    """Read recorded decisions."""
    for rows in reader.columns(_NAMES, wanted, CHUNK):
        yield Page(rows)


# What reading a damaged text or value raises.
BROKEN = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)


def damaged(decision_id: str, what: str, why: Exception) -> LogError:
    """Name the record that cannot be read, and what to do."""
    return LogError(
        f"the record of decision `{decision_id}` is damaged: its {what} cannot be read ({str(why)[:120]}); "
        "`policybook audit verify` tells what was changed"
    )


def _nothing(name: str, left_out: Counter[str]) -> Chunk:
    return Chunk(name, (), {}, (), (), Recorded((), (), (), ()), left_out)


def _chunk(name: str, book: Book, decision: Decision, rows: list[tuple[Any, ...]]) -> Chunk:
    left_out: Counter[str] = Counter()
    facts: list[dict[str, Any]] = []
    masked = False
    loads = json.loads
    for row in rows:
        text = row[2]
        try:
            stated = loads(text)
            if type(stated) is not dict:
                raise ValueError("they are no JSON object")
        except BROKEN as e:
            raise damaged(row[1], "facts", e) from None
        facts.append(stated)
        masked = masked or MASKED in text
    if masked:
        rows, facts = _without_masked(decision, rows, facts, left_out)
    names = dict.fromkeys(n for stated in facts for n in stated)
    _, ids, _, as_of, now, outcomes, outputs, items, answered = zip(*rows, strict=True) if rows else ((),) * 9
    columns = {n: _column(n, book.input_by_name.get(n), book.currency, facts, ids) for n in names}
    days = _each(date.fromisoformat, as_of, ids, "day (as_of)")
    instants = _each(_instant, now, ids, "instant (now)")
    return Chunk(name, ids, columns, days, instants, Recorded(outcomes, outputs, items, answered), left_out)


def _instant(text: str) -> datetime:
    moment = instant_of(text)
    if moment.tzinfo is None:
        raise ValueError(f"`{text}` has no time zone")
    return moment


def _each(read: Callable[[str], Any], texts: Sequence[str], ids: Sequence[str], what: str) -> list[Any]:
    """Read texts, many of which are the same."""
    known: dict[str, Any] = {}
    found = []
    for row, text in enumerate(texts):
        value = known.get(text)
        if value is None:
            try:
                value = known[text] = read(text)
            except BROKEN as e:
                raise damaged(ids[row], what, e) from None
        found.append(value)
    return found


def _without_masked(
    decision: Decision, rows: list[tuple[Any, ...]], facts: list[dict[str, Any]], left_out: Counter[str]
) -> tuple[list[tuple[Any, ...]], list[dict[str, Any]]]:
    """Leave out requests that rest on what was kept out of the log; what else was masked is dropped."""
    used = frozenset(decision.uses.inputs)
    kept_rows, kept_facts = [], []
    for row, stated in zip(rows, facts, strict=True):
        hidden = [n for n, v in stated.items() if isinstance(v, dict) and MASKED in v]
        needed = [n for n in hidden if n in used]
        if needed:
            left_out[f"masked in the log: {', '.join(sorted(needed))}"] += 1
            continue
        kept_rows.append(row)
        kept_facts.append({n: v for n, v in stated.items() if n not in hidden} if hidden else stated)
    return kept_rows, kept_facts


# How a value of a kind stands in the log, when it was stated as that kind.
_TAGS = {
    Base.NUMBER: "decimal",
    Base.INTEGER: "decimal",
    Base.PERCENT: "decimal",
    Base.FRACTION: "decimal",
    Base.DATE: "date",
    Base.TIME: "time_of_day",
    Base.DURATION: "duration",
    Base.PERIOD: "duration",
    Base.ENUM: "text",
    Base.TEXT: "text",
}


def _column(name: str, field: Field | None, currency: str, facts: Sequence[Mapping[str, Any]], ids: Sequence[str]) -> Sequence[Any]:
    """Return one input's values: plain texts where all were stated as its kind, which is read at once; else each as it was stated."""
    base = field.kind.base if field is not None else None
    try:
        if base is Base.MONEY:
            own = ("", currency)
            stated = [f[name]["money"] for f in facts]
            if all(m["currency"] in own for m in stated):
                plain = [m["amount"] for m in stated]
                if set(map(type, plain)) <= {str}:
                    return plain
        elif base in _TAGS:
            tag = _TAGS[base]
            plain = [f[name][tag] for f in facts]
            if set(map(type, plain)) <= {str}:
                return plain
        elif base is Base.BOOLEAN:
            truths = [f[name] for f in facts]
            if all(t is True or t is False for t in truths):
                return truths
    except (KeyError, TypeError):
        pass
    found: list[Raw | None] = []
    for row, request in enumerate(facts):
        try:
            found.append(raw_of(request[name]) if name in request else None)
        except BROKEN as e:
            raise damaged(ids[row], f"fact `{name}`", e) from None
    return found


# ---------------------------------------------------------------- files


# The names of all columns, the values of those that are exact, and the names of those that are floats.
_Table: TypeAlias = "tuple[list[str], dict[str, Sequence[Any]], frozenset[str]]"


@dataclass(frozen=True, slots=True)
class Mapped:
    """How the columns of a file are to be read.

    Args:
        names: column -> input, where they are called otherwise
        day: the column that holds the day as of which to decide
        identity: the column that names a row in the report
    """

    names: Mapping[str, str]
    day: str = ""
    identity: str = ""


def from_file(path: Path, name: str, book: Book, mapped: Mapped, now: datetime, read: Callable[[str, str], Raw]) -> Iterator[Chunk]:
    """Read a CSV or Parquet file of one decision; the first line of a CSV names its columns.

    Args:
        now: the instant as of which rows are decided that name no day
        read: reads a list or record as it is written in a book; given the column and the text
    Raises:
        UnreadableError: it is neither, has no column of an input, or a value cannot be read
    """
    tables = _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _csv(path)
    start = 0
    plan: list[tuple[str, str]] | None = None
    for header, table, floats in tables:
        if plan is None:
            plan = _plan(path, header, book, mapped)
            inexact = [c for c in (mapped.day, mapped.identity, *(column for column, _ in plan)) if c in floats]
            if inexact:
                raise UnreadableError(
                    f"{path}: the column `{inexact[0]}` holds floats; numbers are exact here: write it as decimal, whole number or text"
                )
        size = len(next(iter(table.values()), ()))
        ids = [str(v) for v in table[mapped.identity]] if mapped.identity else [f"line {start + i + 2}" for i in range(size)]
        days, instants = _moments(path, table.get(mapped.day), size, now, book)
        columns = {field: _listed(table[column], column, book.input_by_name[field], read) for column, field in plan}
        yield Chunk(name, ids, columns, days, instants, None, Counter())
        start += size


def _listed(values: Sequence[Any], column: str, known: Field, read: Callable[[str, str], Raw]) -> Sequence[Any]:
    """Read the texts of a column of lists or records; others stay as they are."""
    if known.kind.base not in (Base.LIST, Base.RECORD):
        return values
    found: dict[str, Raw] = {}
    made: list[Any] = []
    for value in values:
        if isinstance(value, str):
            raw = found.get(value)
            if raw is None:
                raw = found[value] = read(column, value)
            made.append(raw)
        else:
            made.append(value)
    return made


def _plan(path: Path, header: Sequence[str], book: Book, mapped: Mapped) -> list[tuple[str, str]]:
    """Say which column is which input."""
    for column in (*mapped.names, *filter(None, (mapped.day, mapped.identity))):
        if column not in header:
            raise UnreadableError(f"{path}: there is no column `{column}`; there are {', '.join(header[:40])}")
    plan = []
    for column in header:
        field = mapped.names.get(column) or column.removeprefix("facts.")
        if field in book.input_by_name:
            plan.append((column, field))
        elif column in mapped.names:
            raise UnreadableError(f"`{book.name}` has no input `{field}`, for the column `{column}`")
    if not plan:
        raise UnreadableError(
            f"{path}: no column is called as an input of `{book.name}` ({', '.join(list(book.input_by_name)[:20])}); name them with --map"
        )
    twice = [f for f, n in Counter(f for _, f in plan).items() if n > 1]
    if twice:
        raise UnreadableError(f"{path}: two columns are the input `{twice[0]}`")
    return plan


def _moments(path: Path, column: Sequence[Any] | None, size: int, now: datetime, book: Book) -> tuple[list[date], list[datetime]]:
    own = moments(None, now, book)
    if column is None:
        return [own[0]] * size, [own[1]] * size
    known: dict[Any, tuple[date, datetime]] = {}
    found = []
    for value in column:
        pair = known.get(value)
        if pair is None:
            try:
                stated = value if isinstance(value, date) else _moment(str(value))
                pair = known[value] = moments(stated, now, book)
            except ValueError:
                raise UnreadableError(f"{path}: `{str(value)[:40]}` is no day; write 2026-03-31") from None
        found.append(pair)
    return [day for day, _ in found], [instant for _, instant in found]


def _moment(text: str) -> date | datetime:
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def _csv(path: Path) -> Iterator[_Table]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if len(set(header)) != len(header):
                raise UnreadableError(f"{path}: two columns have one name")
            while rows := list(islice(reader, CHUNK)):
                wrong = next((i for i, row in enumerate(rows) if len(row) != len(header)), None)
                if wrong is not None:
                    line = reader.line_num - len(rows) + wrong + 1
                    raise UnreadableError(f"{path}: line {line} has {len(rows[wrong])} values, the first line names {len(header)} columns")
                # An empty cell states nothing.
                yield (
                    header,
                    {n: [v or None for v in column] for n, column in zip(header, zip(*rows, strict=True), strict=True)},
                    frozenset(),
                )
    except (csv.Error, UnicodeDecodeError) as e:
        raise UnreadableError(f"{path}: {e}") from None


def _parquet(path: Path) -> Iterator[_Table]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise UnreadableError(
            "Parquet needs pyarrow, which is not installed: `pip install 'policybook[parquet]'`; CSV does without"
        ) from None
    try:
        with pq.ParquetFile(path) as file:
            header = list(file.schema_arrow.names)
            floats = frozenset(f.name for f in file.schema_arrow if pa.types.is_floating(f.type))
            for batch in file.iter_batches(CHUNK, columns=[n for n in header if n not in floats]):
                yield header, {n: batch.column(n).to_pylist() for n in batch.schema.names}, floats
    except pa.ArrowException as e:
        raise UnreadableError(f"{path}: {e}") from None

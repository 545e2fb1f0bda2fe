"""Requests of the past, in chunks of columns: from the decision log, or from a file of another system."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from policybook.audit.canonical import MASKED, instant_of, raw_of, value_json
from policybook.audit.entry import Purpose
from policybook.audit.log import Filter, Reader
from policybook.cells.coerce import coerce_value
from policybook.cells.stated import raw_of as stated_as
from policybook.desk import moments
from policybook.diagnostics import did_you_mean
from policybook.errors import FactsError, LogError, RequestError
from policybook.model.book import Book, Decision
from policybook.model.facts import RAW_NULL, Raw, RawMoney, Tag
from policybook.model.kinds import Base, Field

# So many rows are decided at once: their columns, texts and answers take some hundred megabytes.
CHUNK = 50_000


class UnreadableError(Exception):
    """A file that cannot be replayed; says why, where, and what to do."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was answered then, as the log holds it: canonical JSON. A file may hold less of it.

    Args:
        outcomes, items, rows: None: they were not kept
        names: the outputs that were kept, where an empty cell is a null too; None: all
    """

    outcomes: Sequence[str] | None
    outputs: Sequence[str]
    items: Sequence[str] | None
    rows: Sequence[str] | None
    names: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Requests of one decision.

    Args:
        ids: what names each in a report: a decision id, `line 7` of a CSV file or `row 7` of Parquet
        columns: by input; an input without a column is stated by no row
        days, instants: as of when each was decided
        recorded: what was answered; None: that is still to be decided, by the books before
        left_out: why other requests cannot be decided again, and how many
        lenient: columns that play no part for a book without such an input; else a request that states one is refused
    """

    decision: str
    ids: Sequence[str]
    columns: Mapping[str, Sequence[Any]]
    days: Sequence[date]
    instants: Sequence[datetime]
    recorded: Recorded | None
    left_out: Counter[str]
    lenient: frozenset[str] = frozenset()

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


def checked_outputs(outputs: Mapping[str, Any]) -> None:
    """Look at the values of outputs.

    Raises:
        one of BROKEN: one was never written
    """
    for value in outputs.values():
        raw_of(value)
        amount_of(value)


def amount_of(value: Any) -> tuple[Fraction | None, str]:
    """Return a value of a log as a number with its currency; None: it is none."""
    if isinstance(value, dict):
        if "money" in value:
            return Fraction(Decimal(value["money"]["amount"])), str(value["money"]["currency"])
        if "decimal" in value:
            return Fraction(value["decimal"]), ""
    return None, ""


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

# What `policybook audit export` always writes.
_EXPORT = frozenset(("decision_id", "purpose", "decision", "as_of", "now", "outcome", "rows"))
_FACTS, _OUTPUTS = "facts.", "outputs."


@dataclass(frozen=True, slots=True)
class _Table:
    """A part of a file.

    Args:
        header: the names of all columns
        columns: the values of those that are exact
        floats: the names of the others
        ids: what names each row: where it begins
    """

    header: Sequence[str]
    columns: Mapping[str, Sequence[Any]]
    floats: frozenset[str]
    ids: Sequence[str]

    def rows(self, wanted: Sequence[int]) -> _Table:
        """Return some rows."""
        columns = {n: [c[i] for i in wanted] for n, c in self.columns.items()}
        return _Table(self.header, columns, self.floats, [self.ids[i] for i in wanted])


@dataclass(frozen=True, slots=True)
class Mapped:
    """How the columns of a file are to be read.

    Args:
        names: column -> input, or `outputs.NAME`, where they are called otherwise
        day: the column that holds the day as of which to decide
        identity: the column that names a row in the report
    """

    names: Mapping[str, str]
    day: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A CSV or Parquet file of one decision; the first line of a CSV names its columns.

    What `policybook audit export --decision NAME` wrote is known by its columns: each row has its own id, day and instant, and what is
    no decision or rests on masked facts is left out.

    Args:
        decision: of the edited book
        books: the edited one, and the one of before; without that the file itself says what was answered
        now: the instant as of which rows are decided that name no day
        read: reads a list or record as it is written in a book; given the column and the text
    """

    path: Path
    name: str
    decision: Decision
    books: Sequence[Book]
    mapped: Mapped
    now: datetime
    read: Callable[[str, str], Raw]

    def chunks(self) -> Iterator[Chunk]:
        """Read it.

        Raises:
            UnreadableError: it is neither, has no column of an input, or a value cannot be read
        """
        for table in _parquet(self.path) if self.path.suffix.lower() in (".parquet", ".pq") else _csv(self.path):
            yield self._chunk(table)

    def _chunk(self, table: _Table) -> Chunk:
        left_out: Counter[str] = Counter()
        is_export = table.header and set(table.header) >= _EXPORT
        if is_export:
            table = self._exported(table, left_out)
        plan = self._plan(table.header)
        outputs = self._outputs(table.header) if len(self.books) == 1 else {}
        inexact = [c for c in (self.mapped.day, self.mapped.identity, *(column for column, _ in plan), *outputs) if c in table.floats]
        if inexact:
            raise UnreadableError(
                f"{self.path}: the column `{inexact[0]}` holds floats; numbers are exact here: write it as decimal, whole number or text"
            )
        identity = self.mapped.identity or ("decision_id" if is_export else "")
        if is_export and not self.mapped.day:
            days, instants = self._own_moments(table)
        else:
            days, instants = self._moments(table)
        known = {n: field for n, fields in self._inputs().items() for field in fields[:1]}
        columns = {name: self._values(table.columns[column], column, known.get(name)) for column, name in plan}
        return Chunk(
            self.name,
            [str(v) if v is not None else own for v, own in zip(table.columns[identity], table.ids, strict=True)]
            if identity
            else table.ids,
            columns,
            days,
            instants,
            self._recorded(table, outputs, whole=bool(is_export)) if len(self.books) == 1 else None,
            left_out,
            frozenset(name for column, name in plan if not column.startswith(_FACTS)),
        )

    def _inputs(self) -> dict[str, list[Field]]:
        found: dict[str, list[Field]] = {}
        for book in self.books:
            for field in book.inputs:
                found.setdefault(field.name, []).append(field)
        return found

    def _plan(self, header: Sequence[str]) -> list[tuple[str, str]]:
        """Say which column is which input."""
        mapped, book = self.mapped, self.books[0]
        for column in (*mapped.names, *filter(None, (mapped.day, mapped.identity))):
            if column not in header:
                raise UnreadableError(f"{self.path}: there is no column `{column}`; there are {', '.join(header[:40])}")
        known = self._inputs()
        plan = []
        for column in header:
            named = mapped.names.get(column) or column
            name = named.removeprefix(_FACTS)
            # What was stated and is no input is refused, as it would be when it is asked.
            if name in known or named.startswith(_FACTS):
                plan.append((column, name))
            elif column in mapped.names and not named.startswith(_OUTPUTS):
                raise UnreadableError(f"`{book.name}` has no input `{name}`, for the column `{column}`; {did_you_mean(name, [*known])}")
        if not any(name in known for _, name in plan):
            raise UnreadableError(
                f"{self.path}: no column is called as an input of `{book.name}` ({', '.join(list(known)[:20])}); name them with --map"
            )
        twice = [name for name, n in Counter(name for _, name in plan).items() if n > 1]
        if twice:
            raise UnreadableError(f"{self.path}: two columns are the input `{twice[0]}`")
        return plan

    def _values(self, values: Sequence[Any], column: str, known: Field | None) -> Sequence[Any]:
        """Read texts of lists, records and of amounts with a currency; others stay as they are."""
        if known is None:
            return [Raw(Tag.LITERAL, v) if isinstance(v, str) else v for v in values]
        base = known.kind.base
        if base is Base.MONEY:
            currencies = {book.currency for book in self.books}
            return [_amount(v, currencies) if isinstance(v, str) and " " in v else v for v in values]
        if base not in (Base.LIST, Base.RECORD):
            return values
        found: dict[str, Raw] = {}
        made: list[Any] = []
        for value in values:
            if isinstance(value, str):
                raw = found.get(value)
                if raw is None:
                    raw = found[value] = self.read(column, value)
                made.append(raw)
            else:
                made.append(value)
        return made

    # When

    def _moments(self, table: _Table) -> tuple[list[date], list[datetime]]:
        book, size = self.books[0], len(table.ids)
        if not self.mapped.day:
            day, instant = moments(None, self.now, book)
            return [day] * size, [instant] * size
        known: dict[Any, tuple[date, datetime]] = {}
        found = []
        for row, value in enumerate(table.columns[self.mapped.day]):
            pair = known.get(value)
            if pair is None:
                try:
                    stated = value if isinstance(value, date) else _moment(str(value or ""))
                    pair = known[value] = moments(stated, self.now, book)
                except ValueError:
                    raise self._wrong(table, row, f"`{str(value or '')[:40]}` is no day; write 2026-03-31") from None
                except RequestError as e:
                    raise self._wrong(table, row, f"`{str(value)[:40]}`: {e}") from None
            found.append(pair)
        return [day for day, _ in found], [instant for _, instant in found]

    def _own_moments(self, table: _Table) -> tuple[list[date], list[datetime]]:
        days, instants = [], []
        for row, (day, instant) in enumerate(zip(table.columns["as_of"], table.columns["now"], strict=True)):
            try:
                days.append(date.fromisoformat(day))
                instants.append(_instant(instant))
            except BROKEN:
                raise self._wrong(table, row, f"`{day}` and `{instant}` (as_of, now) are no day and instant of a decision log") from None
        return days, instants

    def _wrong(self, table: _Table, row: int, what: str) -> UnreadableError:
        return UnreadableError(f"{self.path}: {table.ids[row]}: {what}")

    # What was answered

    def _outputs(self, header: Sequence[str]) -> dict[str, str]:
        """Say which column is which output."""
        found = {}
        for column in header:
            named = self.mapped.names.get(column) or column
            if named.startswith(_OUTPUTS):
                name = named.removeprefix(_OUTPUTS)
                if column in self.mapped.names and self.decision.output(name) is None:
                    known = [f.name for f in self.decision.outputs]
                    raise UnreadableError(f"`{self.name}` has no output `{name}`, for the column `{column}`; {did_you_mean(name, known)}")
                found[column] = name
        if not found and not (set(header) >= _EXPORT and "items" in header):
            names = ", ".join(f"`{_OUTPUTS}{f.name}`" for f in self.decision.outputs[:8])
            raise UnreadableError(
                f"{self.path}: no column says what was answered ({names}, as `policybook audit export --decision {self.name}` writes them); "
                "name such columns with --map COLUMN=outputs.NAME, or the books that decided with --before"
            )
        return found

    def _recorded(self, table: _Table, outputs: Mapping[str, str], *, whole: bool) -> Recorded:
        """Read what was answered.

        Args:
            whole: the file holds all of it
        """
        made: dict[str, list[str]] = {}
        for column, name in sorted(outputs.items(), key=lambda pair: pair[1]):
            field = self.decision.output(name)
            known: dict[Any, str] = {None: ""}
            written = []
            for value in table.columns[column]:
                text = known.get(value) if isinstance(value, str | None) else None
                if text is None:
                    text = self._output(column, value, field)
                    if isinstance(value, str):
                        known[value] = text
                written.append(f"{json.dumps(name, ensure_ascii=False)}:{text}" if text and (whole or text != "null") else "")
            made[name] = written
        size = len(table.ids)
        texts = ["{" + ",".join(filter(None, row)) + "}" for row in zip(*made.values(), strict=True)] if made else ["{}"] * size
        if not whole:
            return Recorded(None, texts, None, None, frozenset(made))
        columns = table.columns
        rows = [json.dumps((r or "").split(), ensure_ascii=False, separators=(",", ":")) for r in columns["rows"]]
        items = [self._items(table, row, text) for row, text in enumerate(columns.get("items") or [None] * size)]
        return Recorded([o or "" for o in columns["outcome"]], texts, items, rows)

    def _output(self, column: str, value: Any, field: Field | None) -> str:
        """Write one output as the log would; what is no value of its kind any more as the text that it is."""
        if value == "null":
            return "null"
        if field is not None:
            kind = Field(name=field.name, kind=field.kind)
            try:
                raw = self._raw(column, value, kind)
                book = self.books[0]
                return value_json(coerce_value(raw, kind, book, field.name), field.kind, book.currency)
            except (FactsError, RequestError):
                pass
        return f'{{"text":{json.dumps(str(value), ensure_ascii=False)}}}'

    def _raw(self, column: str, value: Any, field: Field) -> Raw:
        if isinstance(value, str):
            if field.kind.base in (Base.LIST, Base.RECORD):
                return self.read(column, value)
            return Raw(Tag.TEXT if field.kind.base in (Base.TEXT, Base.ENUM) else Tag.LITERAL, value)
        return stated_as(value, field) or RAW_NULL

    def _items(self, table: _Table, row: int, text: str | None) -> str:
        if not text:
            return "[]"
        try:
            items = json.loads(text)
            for item in items:
                checked_outputs(item["outputs"])
        except BROKEN as e:
            raise self._wrong(table, row, f"its items cannot be read ({str(e)[:120]})") from None
        return json.dumps(items, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    # An export

    def _exported(self, table: _Table, left_out: Counter[str]) -> _Table:
        """Take in what an export wrote beside, and leave out what cannot be decided again."""
        columns = {n: list(c) for n, c in table.columns.items()}
        for row, text in enumerate(columns.pop("more", ())):
            if text:
                try:
                    for name, value in json.loads(text).items():
                        columns.setdefault(name, [None] * len(table.ids))[row] = value
                except BROKEN as e:
                    raise self._wrong(table, row, f"what stands in `more` cannot be read ({str(e)[:120]})") from None
        kept = []
        facts = [(n, c) for n, c in columns.items() if n.startswith(_FACTS)]
        used = {f"{_FACTS}{n}" for n in self.decision.uses.inputs}
        for row, (purpose, decision) in enumerate(zip(columns["purpose"], columns["decision"], strict=True)):
            hidden = [n for n, c in facts if isinstance(c[row], str) and _MASKED_CELL.fullmatch(c[row])]
            needed = sorted(n.removeprefix(_FACTS) for n in hidden if n in used)
            if purpose != Purpose.DECISION.value:
                left_out[f"recorded as {purpose}"] += 1
            elif decision != self.name:
                left_out[f"of another decision, {decision}"] += 1
            elif needed:
                left_out[f"masked in the log: {', '.join(needed)}"] += 1
            else:
                kept.append(row)
            for name in hidden:
                columns[name][row] = None
        whole = _Table([*columns, *table.floats], dict(columns), table.floats, table.ids)
        return whole if len(kept) == len(table.ids) else whole.rows(kept)


_MASKED_CELL = re.compile(r"masked( [0-9a-f]+)?")


def _amount(text: str, currencies: set[str]) -> Any:
    """Read an amount with its currency, `50 CNY`."""
    amount, _, currency = text.partition(" ")
    return amount if currencies == {currency} else Raw(Tag.MONEY, RawMoney(amount, currency))


def _moment(text: str) -> date | datetime:
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def _csv(path: Path) -> Iterator[_Table]:
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if not header:
                raise UnreadableError(f"{path}: the first line names no columns; it must name the inputs, such as `amount,customer`")
            if len(set(header)) != len(header):
                raise UnreadableError(f"{path}: two columns have one name")
            first = True
            while True:
                rows: list[list[str]] = []
                ids: list[str] = []
                line = reader.line_num + 1
                for row in reader:
                    if len(row) == len(header):
                        rows.append(row)
                        ids.append(f"line {line}")
                    elif row:
                        raise UnreadableError(f"{path}: line {line} has {len(row)} values, the first line names {len(header)} columns")
                    # A row may go over several lines.
                    line = reader.line_num + 1
                    if len(rows) == CHUNK:
                        break
                if not rows and not first:
                    return
                first = False
                # An empty cell states nothing.
                columns = zip(*rows, strict=True) if rows else ((),) * len(header)
                yield _Table(header, {n: [v or None for v in c] for n, c in zip(header, columns, strict=True)}, frozenset(), ids)
    except csv.Error as e:
        raise UnreadableError(f"{path}: line {line}: {e}") from None
    except UnicodeDecodeError as e:
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
            exact = [n for n in header if n not in floats]
            start = 1
            for batch in file.iter_batches(CHUNK, columns=exact):
                ids = [f"row {n}" for n in range(start, start + batch.num_rows)]
                yield _Table(header, {n: batch.column(n).to_pylist() for n in batch.schema.names}, floats, ids)
                start += batch.num_rows
            if start == 1:
                yield _Table(header, dict.fromkeys(exact, ()), floats, ())
    except pa.ArrowException as e:
        raise UnreadableError(f"{path}: {e}") from None

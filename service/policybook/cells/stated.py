"""Columns as callers state them to vectors of a field's kind: once a column, exactly, and never by way of a float.

INVARIANT: a value is read as `coerce` reads `raw_of(value, field)`; rows in which it would find a fault are marked, and whoever asks
lets `coerce` say what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, lcm
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from policybook.cells.coerce import YEARS, coerce_value
from policybook.cells.coercer import Coercer
from policybook.cells.linear import EPOCH, MICROSECOND, number
from policybook.cells.texts import decimals_of
from policybook.cells.vectors import ROOM, Coded, Codes, Ints, Mask, Numbers, Vector, coded_of, constant
from policybook.errors import FactsError, RequestError
from policybook.model.facts import RAW_NULL, Raw, RawMoney, Tag
from policybook.model.kinds import NUMERIC, Base, Field
from policybook.values import Period, Value, decimal_text, duration_text

MAX_DECIMALS = 18
# As many values are read one by one sooner than by columns.
FEW = 16


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """A column of exact decimals: `n` times 10 to the power of minus `decimals`, as a database keeps them.

    Args:
        missing: the rows that state nothing; None: none
    """

    n: npt.NDArray[np.integer[Any]]
    decimals: int
    missing: Mask | None = None

    def __len__(self) -> int:
        return len(self.n)


@dataclass(frozen=True, slots=True, eq=False)
class Dictionary:
    """A column of few different values: `values[codes[row]]`; a code of -1 states nothing."""

    codes: npt.NDArray[np.integer[Any]]
    values: Sequence[object]

    def __len__(self) -> int:
        return len(self.codes)


# A sequence holds str (as on the wire, by the declared type), int, Decimal, Fraction, bool, date, datetime, time, timedelta, Period,
# list, dict, Raw, or None for a row that does not state the fact. An array holds whole numbers, truths, days or instants.
Column: TypeAlias = "Sequence[object] | npt.NDArray[Any] | Scaled | Dictionary"

_TEXT_TAGS = {
    Base.NUMBER: Tag.DECIMAL,
    Base.INTEGER: Tag.DECIMAL,
    Base.PERCENT: Tag.DECIMAL,
    Base.FRACTION: Tag.DECIMAL,
    Base.DATE: Tag.DATE,
    Base.TIME: Tag.TIME_OF_DAY,
    Base.DURATION: Tag.DURATION,
    Base.PERIOD: Tag.DURATION,
    Base.ENUM: Tag.TEXT,
    Base.TEXT: Tag.TEXT,
}


def raw_of(value: object, field: Field, *, element: bool = False) -> Raw | None:
    """Return what a Python value in a column states; None for nothing.

    Args:
        element: the value stands in a list or record, where None is null
    Raises:
        RequestError: a float, or a value of a type that states nothing
    """
    base = field.kind.base
    match value:
        case None:
            return RAW_NULL if element else None
        case Raw():
            return value
        case bool() | np.bool_():
            return Raw(Tag.FLAG, bool(value))
        case str():
            if base is Base.MONEY:
                return Raw(Tag.MONEY, RawMoney(value, ""))
            # A truth or an instant is read as one writes it in a book.
            return Raw(_TEXT_TAGS.get(base, Tag.LITERAL), str(value))
        case int() | Decimal() | Fraction() | np.integer():
            text = decimal_text(value) if isinstance(value, Fraction) else str(value)
            return Raw(Tag.MONEY, RawMoney(text, "")) if base is Base.MONEY else Raw(Tag.DECIMAL, text)
        case datetime():
            return Raw(Tag.TIMESTAMP, value)
        case date():
            return Raw(Tag.DATE, value.isoformat())
        case time():
            return Raw(Tag.TIME_OF_DAY, value.isoformat())
        case timedelta():
            return Raw(Tag.DURATION, duration_text(value))
        case Period():
            return Raw(Tag.DURATION, str(value))
        case list() | tuple():
            inner = Field(name=field.name, kind=field.kind.element or field.kind)
            return Raw(Tag.LIST, tuple(raw_of(v, inner, element=True) for v in value))
        case Mapping():
            known = {f.name: f for f in field.kind.fields}
            return Raw(Tag.RECORD, {str(n): raw_of(v, known.get(str(n), field), element=True) for n, v in value.items()})
        case _:
            raise _refused(field.name, type(value).__name__)


def _refused(name: str, what: str) -> RequestError:
    help_text = "numbers are exact: give whole numbers, Decimal, decimal text, or Scaled" if "float" in what else "see `Column`"
    return RequestError(f"columns.{name}", f"the column `{name}` holds {what}; {help_text}")


def _unneeded(field: Field) -> Field:
    """Return a field that a row may go without; a null that is stated stays the fault that it is."""
    return replace(field, has_default=True, default=None)


class ColumnReader:
    """Reads columns of one book's inputs."""

    def __init__(self, coercer: Coercer) -> None:
        self.book = coercer.book
        self._readers = coercer.readers

    def read(self, column: Column, field: Field, size: int, *, needed: bool = True) -> tuple[Vector, Mask | None]:
        """Return the values of a column, and the rows that have a fault; None: none.

        Args:
            needed: the decision uses the field; else a row may go without
        Raises:
            RequestError: the column is of the wrong length, or holds floats or what is no value
        """
        if len(column) != size:
            raise RequestError(f"columns.{field.name}", f"the column `{field.name}` has {len(column):,} rows, others have {size:,}")
        if not needed and field.required:
            field = _unneeded(field)
        made: tuple[Vector, Mask | None] | None = None
        match column:
            case Scaled():
                if field.kind.base in NUMERIC and 0 <= column.decimals <= MAX_DECIMALS:
                    made = self._numbers(column.n, 10**column.decimals, field, column.missing, None)
                return made or self._raws([_at(column, i, field) for i in range(size)], field)
            case Dictionary():
                return self._dictionary(column, field)
            case np.ndarray():
                return self._array(column, field)
            case _:
                return self._sequence(column, field)

    def absent(self, field: Field, size: int) -> tuple[Vector, Mask | None]:
        """Return the values of a field that no row states."""
        bad = np.ones(size, dtype=np.bool_) if field.required else None
        return constant(field.default if field.has_default else None, size), bad

    def raws(self, raws: Sequence[Raw | None], field: Field, *, needed: bool = True) -> tuple[Vector, Mask | None]:
        """Read raw values; None states nothing. As `read` otherwise."""
        return self._raws(raws, field if needed or not field.required else _unneeded(field))

    # Ways to state a column

    def _array(self, column: npt.NDArray[Any], field: Field) -> tuple[Vector, Mask | None]:
        kind, base = column.dtype.kind, field.kind.base
        if kind in "fc":
            raise _refused(field.name, f"{column.dtype} (floats)")
        if column.ndim != 1 or kind not in "iubMUO":
            raise _refused(field.name, f"{column.ndim}-dimensional {column.dtype}" if column.ndim != 1 else str(column.dtype))
        made: tuple[Vector, Mask | None] | None = None
        if kind in "iu" and base in NUMERIC:
            made = self._numbers(column, 1, field, None, None)
        elif kind == "b" and base is Base.BOOLEAN:
            made = Coded(column.astype(np.intp), (False, True)), None
        elif kind == "M":
            made = self._instants(column, field)
        return made or self._sequence(column.tolist(), field)

    def _instants(self, column: npt.NDArray[Any], field: Field) -> tuple[Vector, Mask | None] | None:
        unit = np.datetime_data(column.dtype)[0]
        if unit not in ("D", "s", "ms", "us"):
            raise _refused(field.name, f"{column.dtype}; give datetime64[D] for days, and s, ms or us for instants")
        missing = np.isnat(column)
        if field.kind.base is Base.DATE and unit == "D":
            days = np.where(missing, 0, column.astype(np.int64)) + date(1970, 1, 1).toordinal()
            outside = (days < 1) | (days > date.max.toordinal())
            return self._numbers(days, 1, field, missing, outside)
        if field.kind.base is Base.DATETIME and unit != "D":
            found = np.where(missing, np.datetime64(0, "us"), column).astype("datetime64[us]")
            years = found.astype("datetime64[Y]").astype(np.int64) + 1970
            return self._numbers(found.astype(np.int64), 1, field, missing, (years < YEARS.start) | (years >= YEARS.stop))
        what = "days" if unit == "D" else "instants"
        raise _refused(field.name, f"{what}, and is a {field.kind.base.value}")

    def _dictionary(self, column: Dictionary, field: Field) -> tuple[Vector, Mask | None]:
        values = [raw_of(v, field) for v in column.values]
        if len(column.codes) and not -1 <= int(column.codes.min()) <= int(column.codes.max()) < len(values):
            raise RequestError(f"columns.{field.name}", f"a code of the column `{field.name}` is not from -1 to {len(values) - 1}")
        # A code of -1 is the last.
        codes = column.codes.astype(np.intp)
        return self._different(np.where(codes < 0, len(values), codes), [*values, None], field)

    def _sequence(self, column: Sequence[object], field: Field) -> tuple[Vector, Mask | None]:
        types = set(map(type, column))
        gaps = type(None) in types
        types.discard(type(None))
        made: tuple[Vector, Mask | None] | None = None
        base = field.kind.base
        if len(types) == 1 and len(column) > FEW:
            missing = np.fromiter((v is None for v in column), np.bool_, len(column)) if gaps else None
            made = self._plain(column, next(iter(types)), field, missing)
            if made is None and types == {str} and base not in NUMERIC:
                codes, different = coded_of(column)
                return self._different(codes, [raw_of(v, field) for v in different], field)
        return made or self._raws([raw_of(v, field) for v in column], field)

    def _plain(self, column: Sequence[Any], kind: type, field: Field, missing: Mask | None) -> tuple[Vector, Mask | None] | None:
        """Read a column of one Python type as whole numbers; None where there is another way."""
        base = field.kind.base
        if kind is str and base in NUMERIC:
            return self._decimals(column if missing is None else ["" if v is None else v for v in column], field, missing)
        filled = column if missing is None else None
        if kind is int and base in NUMERIC:
            filled = filled if filled is not None else [0 if v is None else v for v in column]
            try:
                return self._numbers(np.array(filled, dtype=np.int64), 1, field, missing, None)
            except OverflowError:
                return None
        if kind is date and base is Base.DATE:
            ordinals = (1 if v is None else v.toordinal() for v in column)
            return self._numbers(np.fromiter(ordinals, np.int64, len(column)), 1, field, missing, None)
        if kind is bool and base is Base.BOOLEAN and missing is None:
            return Coded(np.array(column, dtype=np.intp), (False, True)), None
        return None

    def _decimals(self, texts: Sequence[str], field: Field, missing: Mask | None) -> tuple[Vector, Mask | None] | None:
        """Read plain decimal text as whole numbers; None where there is another way."""
        found = decimals_of(texts)
        if found is None:
            return None
        n, scale, strange = found
        odd = strange if missing is None else strange & ~missing
        if 4 * np.count_nonzero(odd) > len(texts):
            # Ratios, exponents: read one by one.
            return None
        return self._numbers(n, scale, field, missing, odd)

    def _amounts(self, raws: Sequence[Raw | None], field: Field) -> tuple[Vector, Mask | None] | None:
        """Read raw numbers, or raw amounts in the book's currency, as whole numbers; None where there is another way."""
        money = field.kind.base is Base.MONEY
        wanted, currency = Tag.MONEY if money else Tag.DECIMAL, self.book.currency
        texts: list[str] = []
        gaps = False
        for raw in raws:
            if raw is None:
                texts.append("")
                gaps = True
                continue
            tag, value = raw
            if tag is not wanted:
                return None
            if money:
                value, stated = value
                if stated and stated != currency:
                    return None
            texts.append(value)
        return self._decimals(texts, field, np.fromiter((r is None for r in raws), np.bool_, len(raws)) if gaps else None)

    def _raws(self, raws: Sequence[Raw | None], field: Field) -> tuple[Vector, Mask | None]:
        if len(raws) > FEW and field.kind.base in NUMERIC:
            made = self._amounts(raws, field)
            if made is not None:
                return made
        try:
            codes, different = coded_of(raws)
        except TypeError:
            # Records are not told apart.
            codes, different = np.arange(len(raws), dtype=np.intp), list(raws)
        return self._different(codes, different, field)

    def _different(self, codes: Codes, different: Sequence[Raw | None], field: Field) -> tuple[Vector, Mask | None]:
        read = self._readers[field.name]
        values: list[Value] = []
        faults: list[bool] = []
        for raw in different:
            value: Value = None
            fault = False
            if raw is None:
                fault, value = field.required, field.default if field.has_default else None
            else:
                try:
                    value = read(raw)
                except (ValueError, OverflowError):
                    try:
                        value = coerce_value(raw, field, self.book, "")
                    except FactsError:
                        fault = True
            values.append(value)
            faults.append(fault)
        return Coded(codes, values), np.array(faults, dtype=np.bool_)[codes] if any(faults) else None

    # Whole numbers

    def _numbers(
        self, n: npt.NDArray[Any], scale: int, field: Field, missing: Mask | None, bad: Mask | None
    ) -> tuple[Vector, Mask | None] | None:
        """Make whole numbers values of a field; None where they have no room."""
        base = field.kind.base
        if n.dtype == np.uint64 and len(n) and int(n.max()) >= ROOM:
            return None
        n = n.astype(np.int64, copy=False)
        if missing is not None and not missing.any():
            missing = None
        if missing is not None:
            n = np.where(missing, 0, n)
            if field.required:
                bad = missing if bad is None else bad | missing
            elif field.has_default and field.default is not None:
                default: Any = number(field.default)
                over = lcm(scale, default.denominator)
                if over // scale * max(1, abs(int(n.min())), abs(int(n.max()))) >= ROOM or abs(default * over) >= ROOM:
                    return None
                n, scale = np.where(missing, int(default * over), n * (over // scale)), over
                filled: Mask | None = missing
                missing = None
                return self._within(n, scale, field, missing, bad, filled)
        if base is Base.INTEGER and scale != 1:
            broken = n % scale != 0
            bad = broken if bad is None else bad | broken
            n, scale = n // scale, 1
        return self._within(n, scale, field, missing, bad, missing)

    def _within(
        self, n: Ints, scale: int, field: Field, missing: Mask | None, bad: Mask | None, unstated: Mask | None
    ) -> tuple[Vector, Mask | None] | None:
        """Mark what is out of the field's bounds; what is not stated has none."""
        low, high = field.minimum, field.maximum
        outside: Mask | None = None
        if low is not None:
            outside = n < max(-ROOM, min(ROOM, ceil(Fraction(number(low)) * scale)))
        if high is not None:
            above = n > max(-ROOM, min(ROOM, floor(Fraction(number(high)) * scale)))
            outside = above if outside is None else outside | above
        if outside is not None:
            if unstated is not None:
                outside &= ~unstated
            bad = outside if bad is None else bad | outside
        vector = Numbers.of(n, scale, field.kind.base, missing)
        if vector is None:
            return None
        return vector, bad if bad is not None and bad.any() else None


def _at(column: Scaled, row: int, field: Field) -> Raw | None:
    if column.missing is not None and column.missing[row]:
        return None
    return raw_of(Fraction(int(column.n[row]), 10**column.decimals), field)


def stated_at(column: Column, row: int, field: Field) -> Raw | None:
    """Return what a column states in one row; None for nothing."""
    match column:
        case Scaled():
            return _at(column, row, field)
        case Dictionary():
            code = int(column.codes[row])
            return None if code < 0 else raw_of(column.values[code], field)
        case np.ndarray():
            if column.dtype.kind == "M":
                return _moment_at(column, row, field)
            return raw_of(column[row : row + 1].tolist()[0], field)
        case _:
            return raw_of(column[row], field)


def _moment_at(column: npt.NDArray[Any], row: int, field: Field) -> Raw | None:
    if np.isnat(column[row]):
        return None
    if field.kind.base is Base.DATE:
        value = column[row].item()
        # Beyond the years of a date NumPy gives a whole number.
        return raw_of(value, field) if isinstance(value, date) else Raw(Tag.DATE, str(column[row]))
    micros = int(column[row].astype("datetime64[us]").astype(np.int64))
    try:
        return raw_of(EPOCH + micros * MICROSECOND, field)
    except OverflowError:
        return Raw(Tag.LITERAL, str(column[row]))

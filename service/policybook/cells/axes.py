"""Axes: the things a table compares with constants, and the codes that a request has on them."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from math import lcm
from typing import Any, TypeAlias

from policybook.cells import codes as c
from policybook.cells.codes import Ranges
from policybook.cells.linear import DAY, number, value_of
from policybook.cells.words import value_text
from policybook.errors import EngineError
from policybook.model.calendar import Place
from policybook.model.compiled import compiled
from policybook.model.evaluate import evaluate
from policybook.model.formula import Call, Const, Formula, Get, Member, Ref
from policybook.model.kinds import MONEY, NUMBER, Base, Field, Kind, Text
from policybook.values import Period, Value, decimal_text, duration_text

Env: TypeAlias = Mapping[str, Value]
Reader: TypeAlias = Callable[[Env], Any]
# Takes the values of the atoms, by index.
Encoder: TypeAlias = Callable[[Sequence[Any]], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Atom:
    """One thing a table reads from a request: an input, an output, a field of the item, or a part that is computed.

    Args:
        index: place among the atoms of the grid
        field: what the book declares about it; None when it is computed
        read: takes it from an environment; ordered kinds as numbers (see cells.linear), null as None
    """

    index: int
    formula: Formula
    name: str
    title: Text
    unit: Text
    field: Field | None
    read: Reader = dataclasses.field(repr=False, compare=False)

    @property
    def kind(self) -> Kind:
        return self.formula.kind

    @property
    def is_variable(self) -> bool:
        """Whether a request or another decision states it directly."""
        return isinstance(self.formula, Ref | Get)

    def label(self, language: str) -> str:
        return self.title.get(language) or self.name


def reader(f: Formula, zone: Place, *, as_number: bool) -> Reader:
    """Compile the reading of an atom."""
    raw = _raw_reader(f, zone)
    if not as_number or f.kind.numeric:
        return raw

    def numbered(env: Env) -> Any:
        value = raw(env)
        return None if value is None else number(value)

    return numbered


def recalling(name: str, read: Reader, *, as_number: bool) -> Reader:
    """Read a derived value that the environment may hold under its name already; else as `read` does."""

    def recalled(env: Env) -> Any:
        value = env.get(name, _ABSENT)
        if value is _ABSENT:
            return read(env)
        return number(value) if as_number and value is not None else value

    return recalled


_ABSENT: Any = object()


def _raw_reader(f: Formula, zone: Place) -> Reader:
    match f:
        case Ref(name, _, _):
            return lambda env: env.get(name)
        case Get(Ref(name, _, _), part, kind) if kind.base is not Base.LIST:

            def get_field(env: Env) -> Any:
                record: Any = env.get(name)
                if isinstance(record, tuple):
                    return evaluate(f, env, zone)
                return None if record is None else record.get(part)

            return get_field
        case Member(Const(value, _), Ref(name, _, _)):

            def has_member(env: Env) -> bool:
                items: Any = env.get(name)
                return items is not None and value in items

            return has_member
        case Call("coalesce", (Ref(first, _, _), Ref(second, _, _)), _):

            def coalesced(env: Env) -> Any:
                value = env.get(first)
                return env.get(second) if value is None else value

            return coalesced
        case _:
            return compiled(f, zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedAxis:
    """A linear form cut by constants.

    Codes: 2i + 1 is exactly on cut i, 2i the open interval below it, 2n the one above the last; 2n + 1 is null.

    Args:
        key: what the first row that uses the axis names
        form: atoms with their coefficients; the first that is not 0 is 1
    """

    index: int
    key: str
    title: Text
    kind: Kind
    form: tuple[tuple[Atom, Fraction], ...]
    cuts: tuple[Fraction, ...]

    @property
    def size(self) -> int:
        return 2 * len(self.cuts) + 2

    @property
    def null_code(self) -> int:
        return 2 * len(self.cuts) + 1

    @property
    def atoms(self) -> tuple[Atom, ...]:
        return tuple(a for a, _ in self.form)

    @property
    def variable(self) -> Atom | None:
        """The one atom that the axis is, when it is a plain one."""
        return self.form[0][0] if len(self.form) == 1 and self.form[0][1] == 1 else None

    def code_of(self, n: Fraction | int) -> int:
        """Return the code of a number on the axis."""
        at = bisect_left(self.cuts, n)
        return 2 * at + (at < len(self.cuts) and self.cuts[at] == n)

    def bounds(self, code: int) -> tuple[Fraction | None, Fraction | None]:
        """Return the ends of a code's interval: equal when it is a single point, None where open-ended."""
        at, on = divmod(code, 2)
        if on:
            return self.cuts[at], self.cuts[at]
        return (self.cuts[at - 1] if at else None), (self.cuts[at] if at < len(self.cuts) else None)

    def compiled(self, position: Callable[[Atom], int]) -> Encoder:
        """Compile to a function of the atoms' values."""
        places = [(position(a), k) for a, k in self.form]
        if len(places) == 1 and places[0][1] == 1:
            whole = self.form[0][0].kind.base in _WHOLE_NUMBERED
            return _encode_whole(places[0][0], self.cuts) if whole else _encode_one(places[0][0], self.cuts)
        return _encode_form(places, self.cuts)

    def encode(self, env: Env) -> int:
        """Return the code of an environment."""
        total = Fraction(0)
        for atom, factor in self.form:
            value = atom.read(env)
            if value is None:
                return self.null_code
            total += factor * value
        return self.code_of(total)

    def words(self, ranges: Ranges, language: str = "en", currency: str = "") -> str:
        """Say a set of codes: `Credit limit from 10000 up to but not including 20000`."""
        return _ordered_words(self, ranges, language, currency)


# Kinds whose numbers are Python ints.
_WHOLE_NUMBERED = frozenset({Base.DATE, Base.DATETIME, Base.TIME, Base.DURATION, Base.PERIOD})


def _scaled(cuts: Sequence[Fraction]) -> tuple[int, list[int]]:
    scale = lcm(*(k.denominator for k in cuts)) if cuts else 1
    return scale, [int(k * scale) for k in cuts]


def _encode_one(place: int, cuts: Sequence[Fraction]) -> Encoder:
    scale, marks = _scaled(cuts)
    count = len(marks)
    null = 2 * count + 1

    def encode(values: Sequence[Any]) -> int:
        value = values[place]
        if value is None:
            return null
        n, d = value.as_integer_ratio()
        if d == 1:
            n *= scale
        else:
            n, rest = divmod(n * scale, d)
            if rest:
                # Strictly between two whole numbers: never on a mark.
                return 2 * bisect_right(marks, n)
        at = bisect_left(marks, n)
        return 2 * at + 1 if at < count and marks[at] == n else 2 * at

    return encode


def _encode_whole(place: int, cuts: Sequence[Fraction]) -> Encoder:
    # A cut may lie between two whole numbers (half a day): both are brought to its scale.
    scale, marks = _scaled(cuts)
    count = len(marks)
    null = 2 * count + 1

    def encode(values: Sequence[Any]) -> int:
        value = values[place]
        if value is None:
            return null
        n = value * scale
        at = bisect_left(marks, n)
        return 2 * at + 1 if at < count and marks[at] == n else 2 * at

    return encode


def _encode_form(places: Sequence[tuple[int, Fraction]], cuts: Sequence[Fraction]) -> Encoder:
    scale = lcm(*(k.denominator for _, k in places), *(k.denominator for k in cuts))
    terms = tuple((at, int(k * scale)) for at, k in places)
    marks = [int(k * scale) for k in cuts]
    count = len(marks)
    null = 2 * count + 1

    def encode(values: Sequence[Any]) -> int:
        total, d = 0, 1
        for place, factor in terms:
            value = values[place]
            if value is None:
                return null
            n, e = value.as_integer_ratio()
            if e == d:
                total += factor * n
            else:
                total = total * e + factor * n * d
                d *= e
        if d != 1:
            total, rest = divmod(total, d)
            if rest:
                return 2 * bisect_right(marks, total)
        at = bisect_left(marks, total)
        return 2 * at + 1 if at < count and marks[at] == total else 2 * at

    return encode


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscreteAxis:
    """A choice or text: one code for each value, then (unless all values are known) one for any other, then null."""

    index: int
    key: str
    title: Text
    atom: Atom
    values: tuple[str, ...]
    has_other: bool

    @property
    def size(self) -> int:
        return len(self.values) + self.has_other + 1

    @property
    def null_code(self) -> int:
        return self.size - 1

    @property
    def atoms(self) -> tuple[Atom, ...]:
        return (self.atom,)

    @property
    def variable(self) -> Atom | None:
        return self.atom

    @property
    def kind(self) -> Kind:
        return self.atom.kind

    def compiled(self, position: Callable[[Atom], int]) -> Encoder:
        """Compile to a function of the atoms' values."""
        place = position(self.atom)
        code_by_value: dict[Any, int] = {v: i for i, v in enumerate(self.values)}
        code_by_value[None] = self.null_code
        if self.has_other:
            other = len(self.values)
            return lambda values: code_by_value.get(values[place], other)
        name = self.atom.name

        def encode(values: Sequence[Any]) -> int:
            try:
                return code_by_value[values[place]]
            except KeyError:
                raise EngineError(f"`{name}` holds `{str(values[place])[:60]}`, which is not one of its values") from None

        return encode

    def encode(self, env: Env) -> int:
        """Return the code of an environment."""
        return _encode_alone(self, env)

    def words(self, ranges: Ranges, language: str = "en", currency: str = "") -> str:
        """Say a set of codes: `customer grade B or C`."""
        return _discrete_words(self, ranges, language)


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthAxis:
    """A yes or no: codes 0 false, 1 true, and 2 null where it can be null."""

    index: int
    key: str
    title: Text
    atom: Atom
    nullable: bool

    @property
    def size(self) -> int:
        return 2 + self.nullable

    @property
    def null_code(self) -> int | None:
        return 2 if self.nullable else None

    @property
    def atoms(self) -> tuple[Atom, ...]:
        return (self.atom,)

    @property
    def variable(self) -> Atom | None:
        return self.atom

    @property
    def kind(self) -> Kind:
        return self.atom.kind

    def compiled(self, position: Callable[[Atom], int]) -> Encoder:
        """Compile to a function of the atoms' values."""
        place = position(self.atom)

        def encode(values: Sequence[Any]) -> int:
            value = values[place]
            return 1 if value is True else 0 if value is not None else 2

        return encode

    def encode(self, env: Env) -> int:
        """Return the code of an environment."""
        return _encode_alone(self, env)

    def words(self, ranges: Ranges, language: str = "en", currency: str = "") -> str:
        """Say a set of codes: `customer file: yes`."""
        names = {"en": ("no", "yes", "not stated"), "zh": ("否", "是", "未填")}["zh" if language == "zh" else "en"]
        joined = (" or " if language != "zh" else "或").join(names[i] for i in c.each(ranges))
        return f"{self.atom.label(language)}{': ' if language != 'zh' else '：'}{joined}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceAxis:
    """Whether there is a value: codes 0 stated, 1 null."""

    index: int
    key: str
    title: Text
    atom: Atom

    @property
    def size(self) -> int:
        return 2

    @property
    def null_code(self) -> int:
        return 1

    @property
    def atoms(self) -> tuple[Atom, ...]:
        return (self.atom,)

    @property
    def variable(self) -> Atom | None:
        return self.atom

    @property
    def kind(self) -> Kind:
        return self.atom.kind

    def compiled(self, position: Callable[[Atom], int]) -> Encoder:
        """Compile to a function of the atoms' values."""
        place = position(self.atom)
        return lambda values: 1 if values[place] is None else 0

    def encode(self, env: Env) -> int:
        """Return the code of an environment."""
        return _encode_alone(self, env)

    def words(self, ranges: Ranges, language: str = "en", currency: str = "") -> str:
        """Say a set of codes: `invoice date: not stated`."""
        names = {"en": ("stated", "not stated"), "zh": ("已填", "未填")}["zh" if language == "zh" else "en"]
        joined = (" or " if language != "zh" else "或").join(names[i] for i in c.each(ranges))
        return f"{self.atom.label(language)}{': ' if language != 'zh' else '：'}{joined}"


Axis: TypeAlias = OrderedAxis | DiscreteAxis | TruthAxis | PresenceAxis


def _encode_alone(axis: DiscreteAxis | TruthAxis | PresenceAxis, env: Env) -> int:
    atoms = axis.atoms
    places = {a.index: i for i, a in enumerate(atoms)}
    return axis.compiled(lambda a: places[a.index])([a.read(env) for a in atoms])


def _discrete_words(axis: DiscreteAxis, ranges: Ranges, language: str) -> str:
    zh = language == "zh"
    titles = {v.value: v.title.get(language) or v.value for v in axis.kind.values}
    other = len(axis.values) if axis.has_other else -1

    def say(code: int) -> str:
        if code == axis.null_code:
            return "未填" if zh else "not stated"
        if code == other:
            return "其他" if zh else "any other"
        value = axis.values[code]
        return titles.get(value) or value_text(value, axis.kind)

    present = [say(i) for i in c.each(ranges)]
    return f"{axis.atom.label(language)}{'：' if zh else ': '}{('或' if zh else ' or ').join(present)}"


def _ordered_words(axis: OrderedAxis, ranges: Ranges, language: str, currency: str) -> str:
    zh = language == "zh"
    top = 2 * len(axis.cuts)
    left = _sides(axis, language)[0]
    spaced = "" if zh else " "
    pieces = [_interval_words(axis, low, high, language, currency) for low, high in c.intersection(ranges, ((0, top),))]
    has_null = c.contains(ranges, axis.null_code)
    if has_null and (axis.variable is not None or not pieces):
        names = left if axis.variable else ("或" if zh else " or ").join(a.label(language) for a in axis.atoms)
        return names + spaced + ("或" if zh else " or ").join([*pieces, "未填" if zh else "not stated"])
    if not pieces:
        return "无" if zh else "nothing"
    text = left + spaced + ("或" if zh else " or ").join(pieces)
    if has_null:
        names = ("或" if zh else " or ").join(a.label(language) for a in axis.atoms)
        text += f"，或{names}未填" if zh else f", or {names} not stated"
    return text


def _sides(axis: OrderedAxis, language: str) -> tuple[str, str]:
    """Write the atoms with positive coefficients, and those that go to the other side."""

    def say(atom: Atom, k: Fraction) -> str:
        label = atom.label(language)
        return label if k == 1 else f"{value_text(k, NUMBER)} × {label}"

    left = " + ".join(say(a, k) for a, k in axis.form if k > 0)
    right = " + ".join(say(a, -k) for a, k in axis.form if k < 0)
    return left or "0", right


def _constant_text(axis: OrderedAxis, n: Fraction, currency: str) -> str:
    """Write a constant of an axis: a value of its variable, or what is added to the other side."""
    if axis.variable is not None:
        value = value_of(n, axis.kind.base)
        return decimal_text(n) if value is None else value_text(value, axis.kind, currency)
    bases = {a.kind.base for a, k in axis.form if abs(k) == 1}
    unit = 1 if Base.DATE not in bases else DAY
    if n.denominator == 1 and bases & {Base.DATE, Base.DATETIME, Base.DURATION} and abs(n * unit) < DAY * 999_999_999:
        return duration_text(timedelta(microseconds=int(n * unit)))
    if Base.PERIOD in bases and n.denominator == 1:
        return str(Period(int(n)))
    return value_text(n, MONEY if Base.MONEY in bases else NUMBER, currency)


def _interval_words(axis: OrderedAxis, low: int, high: int, language: str, currency: str) -> str:
    zh = language == "zh"
    right = _sides(axis, language)[1]
    first, last = axis.bounds(low)[0], axis.bounds(high)[1]

    def point(n: Fraction) -> str:
        if not right:
            return _constant_text(axis, n, currency)
        return right if n == 0 else f"{right} {'+' if n > 0 else '-'} {_constant_text(axis, abs(n), currency)}"

    low_closed, high_closed = low % 2 == 1, high % 2 == 1
    if axis.variable is not None and axis.kind.base is Base.INTEGER and first is not None and last is not None and first != last:
        # Whole numbers: above 5 and below 7 is 6.
        least, most = first // 1 + (not low_closed or first % 1 != 0), -(-last // 1) - (not high_closed or last % 1 != 0)
        if least == most:
            first, last = Fraction(least), Fraction(most)
    if first is None and last is None:
        return "任意" if zh else "any"
    if first is not None and first == last:
        return f"等于{point(first)}" if zh else f"exactly {point(first)}"
    words = []
    if first is not None:
        words.append((("不低于" if low_closed else "高于") if zh else ("from " if low_closed else "above ")) + point(first))
    if last is not None:
        closed = "不高于" if zh else ("up to " if first is not None else "at most ")
        open_ = "低于" if zh else ("up to but not including " if first is not None else "below ")
        words.append((closed if high_closed else open_) + point(last))
    return ("且" if zh else " ").join(words)

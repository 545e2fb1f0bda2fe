"""Columns of outputs: rounded as their fields say, and put together from the rows that gave them."""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm

import numpy as np

from policybook.cells.vectors import ROOM, Coded, Codes, Numbers, Vector, constant
from policybook.decide.outputs import finished
from policybook.model.kinds import NUMERIC, Base, Field
from policybook.values import Value, minor_units


def finished_all(vector: Vector, field: Field, currency: str) -> Vector:
    """Bring a column of computed values to the form that its output declares, as `finished` does with each."""
    if field.kind.base not in NUMERIC:
        return vector
    if isinstance(vector, Numbers):
        decimals = field.decimals
        if decimals is None and field.kind.base is Base.MONEY:
            decimals = minor_units(currency)
        if decimals is not None:
            made = _rounded(vector, decimals, field.rounding)
            if made is not None:
                return made
        elif field.kind.base is not Base.NUMBER or _terminates(vector.scale):
            return vector
        vector = vector.coded()
    return Coded(vector.codes, [finished(v, field, currency) for v in vector.values])


def _terminates(scale: int) -> bool:
    for p in (2, 5):
        while scale % p == 0:
            scale //= p
    return scale == 1


def _rounded(vector: Numbers, decimals: int, rounding: str) -> Numbers | None:
    """Round to a count of decimals; None where there is no room."""
    unit = 10**decimals
    if unit % vector.scale == 0:
        return vector
    largest = max(abs(vector.low), abs(vector.high)) * unit
    if largest >= ROOM or vector.scale >= ROOM:
        return None
    whole, rest = np.divmod(np.abs(vector.n) * unit, vector.scale)
    twice = 2 * rest - vector.scale
    match rounding:
        case "half_up":
            whole = whole + (twice >= 0)
        case "half_even":
            whole = whole + ((twice > 0) | ((twice == 0) & (whole % 2 == 1)))
        case "up":
            whole = whole + (rest > 0)
        case _:
            pass
    most = largest // vector.scale + 1
    return Numbers(np.where(vector.n < 0, -whole, whole), unit, vector.base, vector.missing, -most, most)


def scattered(size: int, parts: Sequence[tuple[Codes, Vector]]) -> Vector:
    """Put columns of different rows into one; null in rows that none has."""
    parts = [p for p in parts if len(p[0])]
    if not parts:
        return constant(None, size)
    numbers = _one_scale([v for _, v in parts])
    if numbers is not None:
        n = np.zeros(size, dtype=np.int64)
        missing = np.ones(size, dtype=np.bool_)
        for (rows, _), part in zip(parts, numbers, strict=True):
            n[rows] = part.n
            missing[rows] = False if part.missing is None else part.missing
        low, high = min(0, *(v.low for v in numbers)), max(0, *(v.high for v in numbers))
        return Numbers(n, numbers[0].scale, numbers[0].base, missing if missing.any() else None, low, high)
    values: list[Value] = [None]
    codes = np.zeros(size, dtype=np.intp)
    for rows, vector in parts:
        by_code = vector.coded()
        codes[rows] = by_code.codes + len(values)
        values.extend(by_code.values)
    return Coded(codes, values)


def _one_scale(vectors: Sequence[Vector]) -> list[Numbers] | None:
    base = next((v.base for v in vectors if isinstance(v, Numbers)), None)
    if base is None:
        return None
    made = [v if isinstance(v, Numbers) else v.numbers(base) for v in vectors]
    found = [v for v in made if v is not None]
    scale = lcm(*(v.scale for v in found))
    scaled = [v.rescaled(scale) for v in found] if scale < ROOM else []
    kept = [v for v in scaled if v is not None]
    return kept if len(kept) == len(vectors) else None

"""Columns of decimal text to whole numbers, all rows at once: each character column is looked at for all rows together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from policybook.cells.vectors import Ints, Mask

# Digits whose whole numbers, brought to one scale, surely have room in 64 bits.
MAX_DIGITS = 17
# As many texts are read one by one in less time than all together.
FEW = 128
_SIGNS = ("+", "-")
_DOT, _PLUS, _MINUS, _ZERO = (ord(c) for c in ".+-0")


def decimals_of(texts: Sequence[str]) -> tuple[Ints, int, Mask] | None:
    """Read plain decimals: a sign or none, digits, and perhaps a point with digits after it.

    Returns:
        n, scale and the rows that are no such text (`n` is 0 there); None where other ways are better: characters beyond ASCII or
        line ends, or too many digits
    """
    joined = "\n".join(texts)
    if not joined.isascii():
        return None
    if len(texts) <= FEW:
        return _few(texts)
    flat = np.frombuffer((joined + "\n").encode("ascii"), dtype=np.uint8)
    ends = np.flatnonzero(flat == ord("\n"))
    if len(ends) != len(texts):
        return None
    starts = np.concatenate(([0], ends[:-1] + 1)).astype(np.int64)
    lengths = ends - starts
    widest = int(lengths.max()) if len(lengths) else 0
    if widest > MAX_DIGITS + 2:
        return None
    size = len(texts)
    n = np.zeros(size, dtype=np.int64)
    places = np.zeros(size, dtype=np.int64)
    whole = np.zeros(size, dtype=np.int64)
    pointed = np.zeros(size, dtype=np.bool_)
    strange = np.zeros(size, dtype=np.bool_)
    for at in range(widest):
        inside = lengths > at
        character = flat[np.where(inside, starts + at, 0)]
        digit = character - np.uint8(_ZERO)
        is_digit = (digit < 10) & inside
        n = np.where(is_digit, n * 10 + digit, n)
        places += is_digit & pointed
        whole += is_digit & ~pointed
        is_point = (character == _DOT) & inside
        strange |= inside & ~is_digit & ~(is_point & ~pointed)
        if at == 0:
            signed = inside & ((character == _MINUS) | (character == _PLUS))
            strange &= ~signed
        pointed |= is_point
    strange |= (whole == 0) | (pointed & (places == 0)) | (whole + places > MAX_DIGITS)
    most = int(places.max(where=~strange, initial=0))
    # Brought to the scale of the longest, each has as many digits as its whole part and those of the scale.
    if int(whole.max(where=~strange, initial=0)) + most > MAX_DIGITS:
        return None
    powers = np.array([10**k for k in range(most + 1)], dtype=np.int64)
    n = n * powers[np.where(strange, 0, most - places)]
    negative = np.zeros(size, dtype=np.bool_)
    if size:
        negative = (lengths > 0) & (flat[starts] == _MINUS)
    n = np.where(negative, -n, n)
    n[strange] = 0
    return n, 10**most, strange


def _few(texts: Sequence[str]) -> tuple[Ints, int, Mask] | None:
    """As `decimals_of`, of ASCII texts."""
    read: list[tuple[int, int]] = []
    strange: list[bool] = []
    widest = most = 0
    for text in texts:
        digits = text[1:] if text[:1] in _SIGNS else text
        whole, point, decimals = digits.partition(".")
        if len(digits) > MAX_DIGITS + 2:
            return None
        is_plain = whole.isdigit() and (decimals.isdigit() if point else True) and len(whole) + len(decimals) <= MAX_DIGITS
        strange.append(not is_plain)
        if is_plain:
            n = int(whole + decimals)
            read.append((-n if text[0] == "-" else n, len(decimals)))
            widest, most = max(widest, len(whole)), max(most, len(decimals))
        else:
            read.append((0, 0))
    if widest + most > MAX_DIGITS:
        return None
    powers = [10 ** (most - places) for places in range(most + 1)]
    n_all = np.array([n * powers[places] for n, places in read], dtype=np.int64)
    return n_all, 10**most, np.array(strange, dtype=np.bool_)

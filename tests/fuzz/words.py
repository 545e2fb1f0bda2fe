"""Texts that have made programs stumble, and texts that mean something here; and mutations of bytes that know neither."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

NUMBERS = (
    "0", "-0", "1", "-1", "0.1", "1/3", "1/0", "0/1", "30%", "%", "1e38", "1e-38", "1e39", "1e999999999", "-1e-999999999", "1E5", "NaN",
    "Infinity", "-inf", "9" * 38, "9" * 39, "9" * 400, "0." + "0" * 37 + "1", "00000000000000000000000000000000000000000001", "1.", ".5",
    "+5", "--5", "1_000", "1,000", "0x10", "١٢", "²", "½", "𝟙", "1e", "1e+", "2147483648", "-9223372036854775809", "18446744073709551616",
    "0.30000000000000004", "1/" + "9" * 38, "9" * 38 + "/7",
)  # fmt: skip
TIMES = (
    "0000-00-00", "0001-01-01", "0002-01-01", "9998-12-31", "9999-12-31", "10000-01-01", "2026-02-29", "2024-02-29", "2026-02-30",
    "2026-3-1", "1970-01-01", "-001-01-01", "2026-03-31T24:00", "2026-03-31T23:59:60", "0001-01-01T00:00+14:00", "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00Z", "2026-03-31T16:00", "2026-03-31T16:00+99:99", "24:00", "23:59:59.999999", "00:00", "16:00", "9:00",
    "P", "PT", "P0D", "-P0D", "PT0S", "P9999999D", "P9999999W9999999D", "PT999999999H", "PT999999999H999999999M999999999.999999S",
    "-P9999Y99999M", "P9999Y", "P99999M", "P1M", "P1Y6M", "P1Y1D", "P1W", "PT24H", "P" + "9" * 400 + "D", "P1.5D", "PT0.0000001S",
)  # fmt: skip
ODD = (
    "", " ", "\n", "\t", "\r", "\0", "\x7f", "\u0085", "\u2028", "\ufeff", "\ufffe", "\ud7ff", "\U0010ffff", "e\u0301", "\u202e", "ﷺ", "客户", "🧨",
    "a" * 201, "x" * 4001, "x" * 100_000, "null", "true", "false", "~", "-", "*", "&a", "*a", "!t", "%d", "%s%n", "{}", "[]", "{{", "}}", "{x}",
    "${x}", "\\", '"', "'", "`", "#", ": ", "- ", "---", "...", "<<", "?", "|", ">", "|9", "@", "../../etc/passwd", "<script>", "'; DROP TABLE record; --",
    "__class__", "__init__", "{0.__class__}", "()", ")", "(" * 41, "[" * 100, "0" * 5_000, "-" * 900, "if " * 50, "not(" * 41, "((((1))))",
)  # fmt: skip
FEEL = (
    "<", "<=", ">", ">=", "=", "!=", "+", "-", "*", "/", "..", ",", ".", "(", ")", "[", "]", "not(", "contains ", "contains any(", "contains all(",
    "in ", "if ", " then ", " else ", " and ", " or ", "null", "true", "false", "sum(", "min(", "max(", "count(", "round(", "abs(", "days(", "item.",
    "[1..2]", "(1..2)", "[2..1]", "not(1)", "a.b.c", '"', '"a"', '"\\', "12%", "1 %",
)  # fmt: skip
ALL = (*NUMBERS, *TIMES, *ODD, *FEEL)


def word(rnd: Random) -> str:
    """Return a text that may hurt."""
    return rnd.choice(rnd.choice((NUMBERS, TIMES, ODD, FEEL)))


def bytes_mutated(data: bytes, rnd: Random, others: Sequence[bytes] = (), tokens: Sequence[bytes] = ()) -> bytes:
    """Return bytes with one to four changes that know nothing of what the bytes mean."""
    for _ in range(rnd.choice((1, 1, 1, 2, 4))):
        data = _once(data, rnd, others, tokens)
    return data


def _once(data: bytes, rnd: Random, others: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    at = rnd.randint(0, len(data))
    end = min(len(data), at + rnd.choice((1, 1, 2, 4, 16, 64, 1024)))
    match rnd.randrange(9):
        case 0 if data:  # another byte
            at = min(at, len(data) - 1)
            return data[:at] + bytes((rnd.choice((0, 1, 9, 10, 13, 32, 34, 127, 128, 255, rnd.randrange(256))),)) + data[at + 1 :]
        case 1 if data:  # another bit
            at = min(at, len(data) - 1)
            return data[:at] + bytes((data[at] ^ 1 << rnd.randrange(8),)) + data[at + 1 :]
        case 2:  # a piece less
            return data[:at] + data[end:]
        case 3:  # a piece twice, or very often
            times = rnd.choice((1, 1, 2, 8, 1000 if end - at < 50 else 8))
            return data[:end] + data[at:end] * times + data[end:]
        case 4:  # cut off
            return data[:at]
        case 5:  # a token
            token = rnd.choice(tokens) if tokens and rnd.random() < 0.6 else word(rnd).encode()
            return data[:at] + token + data[rnd.choice((at, end)) :]
        case 6 if others:  # a piece of another
            other = rnd.choice(others)
            begin = rnd.randint(0, len(other))
            return data[:at] + other[begin : begin + rnd.choice((1, 8, 64, 512))] + data[rnd.choice((at, end)) :]
        case 7 if len(data) > 1:  # two pieces exchanged
            other_at = rnd.randint(0, len(data) - 1)
            size = rnd.choice((1, 4, 32))
            a, b = sorted((min(at, len(data) - 1), other_at))
            size = min(size, b - a)
            return data[:a] + data[b : b + size] + data[a + size : b] + data[a : a + size] + data[b + size :]
        case _:
            return data[:at] + bytes(rnd.randrange(256) for _ in range(rnd.choice((1, 2, 8)))) + data[at:]

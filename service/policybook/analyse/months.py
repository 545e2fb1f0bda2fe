"""The calendar's months for days that are not known yet.

Months are numbered year * 12 + month - 1. Of the day on which each begins the solver knows that months have 28 to 31 days and how
far they stray from their mean; where a solution rests on one, the real calendar says which day it is.
"""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import Any

import z3

from policybook.analyse.symbols import Cond, Expr, Solver

# The mean month of the Gregorian calendar (146,097 days in 4,800 months), and how far a month begins from where that puts it.
_MEAN = Fraction(146_097, 4_800)
_STRAY = Fraction(3)
_BASE = Fraction(dt.date(2000, 1, 1).toordinal()) - 24_000 * _MEAN
_FIRST, _LAST = 12, 9999 * 12 + 10
# Pairs of months whose order is told at once; the rest is learnt when it matters.
_TOLD = 12


# Months that are known from the start, and the days in them that leave room on both sides: most solutions are found there.
_NEAR = (2022 * 12, 2030 * 12)
NEAR_DAYS = (dt.date(2001, 1, 1), dt.date(2035, 12, 31))
_AROUND = 36


def _real_start(number: int) -> int:
    return dt.date(number // 12, number % 12 + 1, 1).toordinal()


class Months:
    """Months of one reading.

    Args:
        axioms: where what is known of them is told
    """

    def __init__(self, solver: Solver, axioms: list[Cond]) -> None:
        self.solver = solver
        self.axioms = axioms
        self._begins = z3.Function("month begins", z3.IntSort(solver.ctx), z3.IntSort(solver.ctx))
        self._of_day: dict[str, Expr] = {}
        self._starts: dict[str, tuple[Expr, Expr]] = {}

    def start(self, month: Expr) -> Expr:
        """Return the first day of a month."""
        s = self.solver
        known = _known(month)
        if known is not None and _FIRST <= known <= _LAST + 1:
            return s.real(_real_start(int(known)))
        key = s.key(month)
        found = self._starts.get(key)
        if found is None:
            if not self._starts:
                self.axioms += [self._begins(z3.IntVal(n, s.ctx)) == _real_start(n) for n in range(_NEAR[0], _NEAR[1] + 1)]
            begins = self._begins(month)
            near = z3.ToReal(month) * s.real(_MEAN) + s.real(_BASE)
            inside = s.all(month >= _FIRST, month <= _LAST + 1)
            self.axioms.append(s.implies(inside, s.all(begins >= near - s.real(_STRAY), begins <= near + s.real(_STRAY))))
            for other, other_begins in list(self._starts.values())[:_TOLD]:
                for a, b, x, y in ((month, other, begins, other_begins), (other, month, other_begins, begins)):
                    self.axioms.append(s.implies(s.all(inside, a <= b), s.all(y - x >= 28 * (b - a), y - x <= 31 * (b - a))))
            found = self._starts[key] = (month, begins)
        return z3.ToReal(found[1])

    def month(self, day: Expr) -> Expr:
        """Return the number of the month that a day falls into."""
        s = self.solver
        known = _known(day)
        if known is not None and 1 <= known <= dt.date.max.toordinal():
            real = dt.date.fromordinal(int(known))
            return z3.IntVal(real.year * 12 + real.month - 1, s.ctx)
        key = s.key(day)
        found = self._of_day.get(key)
        if found is None:
            # Of one day there is one month, also in another reading.
            found = self._of_day[key] = z3.Int(f"month of {key}", s.ctx)
            low, high = dt.date(1, 1, 1).toordinal(), dt.date(9999, 11, 30).toordinal()
            inside = s.all(day >= s.real(low), day <= s.real(high))
            begins, ends = self.start(found), self.start(found + 1)
            self.axioms.append(s.implies(inside, s.all(found >= _FIRST, found <= _LAST, begins <= day, day < ends)))
        return found

    def later(self, day: Expr, months: Expr) -> Expr:
        """Return a day moved by months; a day that the month lacks becomes its last day (`values.add_months`)."""
        s = self.solver
        month = self.month(day)
        same = self.start(month + months) + (day - self.start(month))
        last = self.start(month + months + 1) - s.real(1)
        return s.choose(same <= last, same, last)

    def between(self, a: Expr, b: Expr) -> Expr:
        """Count the full months from one day to another (`values.months_between`)."""
        s = self.solver

        def forward(x: Expr, y: Expr) -> Expr:
            months = self.month(y) - self.month(x)
            return z3.ToReal(s.choose(self.later(x, months) <= y, months, months - 1))

        return s.choose(a <= b, forward(a, b), -forward(b, a))

    @property
    def is_used(self) -> bool:
        return bool(self._starts)

    def corrections(self, model: Any) -> list[Cond]:
        """Return where the months of a solution really begin, as far as it has that wrong."""
        s = self.solver
        out: list[Cond] = []
        for month, begins in self._starts.values():
            number = s.value_of(model, month)
            if number is None or not _FIRST <= number <= _LAST + 1:
                continue
            real = _real_start(number)
            if s.value_of(model, begins) != real:
                # Its neighbours too: the solver's next guess is near.
                some = range(max(_FIRST, number - _AROUND), min(_LAST + 1, number + _AROUND) + 1)
                out += [self._begins(z3.IntVal(n, s.ctx)) == _real_start(n) for n in some]
        return out


def _known(expr: Expr) -> Fraction | None:
    """Return the number that a term is, when it is one."""
    plain = z3.simplify(expr)
    if z3.is_int_value(plain):
        return Fraction(plain.as_long())
    if z3.is_rational_value(plain):
        return Fraction(plain.numerator_as_long(), plain.denominator_as_long())
    return None

"""Figures that stand in two books and must be the same there (`same_as`), held against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

from policybook.diagnostics import Code, Finding, Severity, did_you_mean
from policybook.model.book import Book, DatedValue, Parameter, Twin, changes
from policybook.model.kinds import Base
from policybook.model.wording import figure_text

# The other book of that name: None where there is none, or none that is sound.
Beside = Callable[[str], Book | None]


def twin_findings(book: Book, other: Beside) -> Iterator[Finding]:
    """Yield a warning for each figure that is not what the figure of another book is, or of which that cannot be told.

    It is no error: of two books one is always taken up first.
    """
    for parameter in book.parameters:
        if (twin := parameter.same_as) is not None:
            told = _told(book, parameter, twin, other(twin.policy))
            if told is not None:
                message, how = told
                yield Finding(code=Code.FIGURES_DIFFER, severity=Severity.WARNING, message=message, span=twin.span, help=how)


def _told(book: Book, mine: Parameter, twin: Twin, there: Book | None) -> tuple[str, str] | None:
    if there is None:
        return f"`{mine.name}` must equal `{twin}`, and there is no sound book `{twin.policy}` here", "mend that book, or the name"
    theirs = there.parameter_by_name.get(twin.parameter)
    if theirs is None:
        hint = did_you_mean(twin.parameter, there.parameter_by_name)
        return f"`{mine.name}` must equal `{twin}`, and that book has no figure `{twin.parameter}`", hint
    for day in (date.min, *changes(v.effective for v in (*mine.values, *theirs.values))):
        ours, other = mine.on(day), theirs.on(day)
        if not _same(ours, other, mine, theirs, book, there):
            when = "" if day == date.min else f" on {day}"
            here, else_where = _shown(ours, mine, book), _shown(other, theirs, there)
            message = f"`{mine.name}` is {here}{when}; `{twin}`, which it must equal, is {else_where}"
            return message, "change both, or take `same_as` out where they are two things"
    return None


def _same(ours: DatedValue | None, other: DatedValue | None, mine: Parameter, theirs: Parameter, book: Book, there: Book) -> bool:
    if ours is None or other is None:
        return ours is other
    money = Base.MONEY in (mine.kind.base, theirs.kind.base)
    if money and (mine.kind.base, book.currency) != (theirs.kind.base, there.currency):
        return False
    # True is 1 in Python.
    return type(ours.value) is type(other.value) and ours.value == other.value


def _shown(dated: DatedValue | None, parameter: Parameter, book: Book) -> str:
    return "not in force" if dated is None else figure_text(dated.value, parameter.kind, book.currency, "en")

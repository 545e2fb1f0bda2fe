"""All targets by name. Imported late: atheris instruments what is imported after it."""

from __future__ import annotations

from collections.abc import Callable

from fuzz.engine import Target
from fuzz.requests import CallsTarget, FactsTarget, LogTarget
from fuzz.texts import AnalysisTarget, BookTarget, GrammarTarget, LayoutTarget, TablesTarget
from fuzz.wire import WireTarget

TARGETS: dict[str, Callable[[], Target]] = {
    t.name: t
    for t in (BookTarget, GrammarTarget, FactsTarget, TablesTarget, LogTarget, LayoutTarget, AnalysisTarget, CallsTarget, WireTarget)
}

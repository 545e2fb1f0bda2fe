"""policybook: written management rules as decision tables, decided with their reasons."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policybook.cells.stated import Column, Dictionary, Scaled
    from policybook.decide.bulk import ColumnAnswers
    from policybook.desk import Desk, Request
    from policybook.errors import PolicybookError
    from policybook.model.answer import Answer, Outcome, TraceLevel
    from policybook.model.book import Book
    from policybook.store.reload import open_books
    from policybook.store.versions import Store

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Book",
    "Column",
    "ColumnAnswers",
    "Desk",
    "Dictionary",
    "Outcome",
    "PolicybookError",
    "Request",
    "Scaled",
    "Store",
    "TraceLevel",
    "open_books",
]

# Imported when first named: whoever wants one module (a pytest that looks for test tables) does not wait for the engine.
_HOMES = {
    "Answer": "model.answer",
    "Book": "model.book",
    "Column": "cells.stated",
    "ColumnAnswers": "decide.bulk",
    "Desk": "desk",
    "Dictionary": "cells.stated",
    "Outcome": "model.answer",
    "PolicybookError": "errors",
    "Request": "desk",
    "Scaled": "cells.stated",
    "Store": "store.versions",
    "TraceLevel": "model.answer",
    "open_books": "store.reload",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""policybook: written management rules as decision tables, decided with their reasons."""

from policybook.desk import Desk, Request
from policybook.errors import PolicybookError
from policybook.model.answer import Answer, Outcome, TraceLevel
from policybook.model.book import Book
from policybook.store.reload import open_books
from policybook.store.versions import Store

__version__ = "0.1.0"

__all__ = ["Answer", "Book", "Desk", "Outcome", "PolicybookError", "Request", "Store", "TraceLevel", "open_books"]

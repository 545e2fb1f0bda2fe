"""What one caller may ask of the service at once. Every limit is checked before the work that it bounds."""

from __future__ import annotations

from dataclasses import dataclass

from policybook.errors import LimitError, PolicybookError

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a server. The numbers here are the documented ones.

    Facts have limits of their own: 1,000 in a request (`policybook.cells.coerce`), and what the book says of the length of a
    text and of a list.

    Args:
        unary_bytes: a request other than a batch, and one message of a stream
        batch_bytes: a batch
        answer_bytes: one response; passed only by batches at TraceLevel.FULL
        batch_items: requests in a batch
        depth: lists and records inside one another in a fact
        values: elements of lists and fields of records in one request, all together
        name_characters: a name, version, language or page token
        book_characters: the text given to Check
        page_items: policies or decisions on a page
        concurrent_requests: calls in progress, streams included; those beyond are refused at once
        concurrent_checks: Check calls in progress or waiting
        analysis_s: processor time for the analysis of a text given to Check; what it does not reach is said
        concurrent_explanations: Explain calls in progress or waiting
        explain_s: how long an explanation may look for what it does not know yet; it says where it had to stop
        log_wait_s: how long an answer may wait to be recorded, where it must be
        turn_s: how long a batch works before others get their turn
        drain_s: how long calls in progress may take to end at shutdown
        retry_s: when a caller that was turned away may come again
    """

    unary_bytes: int = 4 * MIB
    batch_bytes: int = 32 * MIB
    answer_bytes: int = 64 * MIB
    batch_items: int = 10_000
    depth: int = 8
    values: int = 20_000
    name_characters: int = 200
    book_characters: int = MIB
    page_items: int = 1_000
    concurrent_requests: int = 1_000
    concurrent_checks: int = 8
    analysis_s: float = 10.0
    concurrent_explanations: int = 8
    explain_s: float = 5.0
    log_wait_s: float = 5.0
    turn_s: float = 0.003
    drain_s: float = 10.0
    retry_s: float = 1.0

    @property
    def transport_bytes(self) -> int:
        """What gRPC itself takes in.

        LIMIT: a message beyond it is refused by grpcio with a bare status, before any code of ours could add details. So
        this one stands above the others.
        """
        return self.batch_bytes + 16 * MIB

    @property
    def transport_requests(self) -> int:
        """How many calls gRPC itself lets in; as `transport_bytes`."""
        return self.concurrent_requests * 4


class TooManyItemsError(LimitError):
    """More items, values or facts than one request may hold."""


class RequestTooLargeError(LimitError):
    """A request of too many bytes or characters."""


class AnswerTooLargeError(LimitError):
    """The answer would be too large to send; a lower trace level or a smaller batch has a smaller one."""


class OverloadedError(LimitError):
    """More calls in progress than the server takes."""

    def __init__(self, limit: str, allowed: int, got: int, retry_s: float) -> None:
        super().__init__(limit, allowed, got)
        self.retry_s = retry_s


class StartingError(PolicybookError):
    """The books are still being loaded."""

    def __init__(self, retry_s: float) -> None:
        self.retry_s = retry_s
        super().__init__("the service is starting; its books are being loaded")


class ShuttingDownError(PolicybookError):
    """The service is going down; another instance, or the next, will answer."""

    def __init__(self, retry_s: float) -> None:
        self.retry_s = retry_s
        super().__init__("the service is shutting down")

"""What one caller may ask of the service at once. Every limit is checked before the work that it bounds."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from policybook.errors import LimitError, PolicybookError

MIB = 1024 * 1024


class Limits(BaseModel):
    """The limits of a server. The numbers here are the documented ones.

    Facts have limits of their own: 1,000 in a request (`policybook.cells.coerce`), and what the book says of the length of a
    text and of a list.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    unary_bytes: int = Field(4 * MIB, ge=1, description="A request other than a batch, and one message of a stream.")
    batch_bytes: int = Field(32 * MIB, ge=1, description="A batch.")
    answer_bytes: int = Field(64 * MIB, ge=1, description="One response; passed only by batches at TraceLevel.FULL.")
    batch_items: int = Field(10_000, ge=1, description="Requests in a batch.")
    depth: int = Field(8, ge=1, description="Lists and records inside one another in a fact.")
    values: int = Field(20_000, ge=1, description="Elements of lists and fields of records in one request, all together.")
    name_characters: int = Field(200, ge=1, description="A name, version, language or page token.")
    book_characters: int = Field(MIB, ge=1, description="The text given to Check.")
    page_items: int = Field(1_000, ge=1, description="Policies or decisions on a page.")
    concurrent_requests: int = Field(1_000, ge=1, description="Calls in progress, streams included; those beyond are refused at once.")
    caller_requests: int = Field(500, ge=1, description="Calls in progress of one caller, where callers prove who they are.")
    concurrent_watches: int = Field(100, ge=1, description="Watches of health, and reflections, in progress.")
    stream_items: int = Field(1_000_000, ge=1, description="Requests in one stream; a caller with more opens another.")
    deadline_s: float = Field(120.0, gt=0, description="How long a call other than a stream may take, from its first byte.")
    connections: int = Field(16_000, ge=1, description="Connections at once, in each process; those beyond are closed.")
    handshake_s: float = Field(20.0, gt=0, description="How long a new connection may take until calls can be made over it.")
    keepalive_s: float = Field(60.0, ge=1, description="How long a connection may be silent before it is asked whether it still is there.")
    keepalive_wait_s: float = Field(20.0, ge=0.1, description="How long it may take to say so, before it is closed.")
    connection_s: float = Field(0.0, ge=0, description="When to have a caller connect anew, which proves a certificate again; 0 for never.")
    concurrent_checks: int = Field(8, ge=1, description="Check calls in progress or waiting.")
    analysis_s: float = Field(
        10.0, ge=0, description="Processor time for the analysis of a text given to Check; what it does not reach is said."
    )
    concurrent_explanations: int = Field(8, ge=1, description="Explain calls in progress or waiting.")
    explain_s: float = Field(
        5.0, ge=0, description="How long an explanation may look for what it does not know yet; it says where it had to stop."
    )
    log_wait_s: float = Field(5.0, ge=0, description="How long an answer may wait to be recorded, where it must be.")
    turn_s: float = Field(0.003, ge=0, description="How long a batch works before others get their turn.")
    drain_s: float = Field(10.0, ge=0, description="How long calls in progress may take to end at shutdown.")
    retry_s: float = Field(1.0, ge=0, description="When a caller that was turned away may come again.")

    @property
    def waiting_requests(self) -> int:
        """How many calls may wait in gRPC until we look at them; as `transport_bytes`."""
        return self.concurrent_requests * 16

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


class TimeLimitError(PolicybookError):
    """A call took longer than any may."""

    def __init__(self, allowed_s: float) -> None:
        self.allowed_s = allowed_s
        super().__init__(f"the call took longer than the {allowed_s:g} s that one may take")


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

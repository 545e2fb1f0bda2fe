"""What the service writes for its operators, on standard error."""

from __future__ import annotations

import logging
import sys

from policybook.server.settings import Settings


class _Gone(logging.Filter):
    """Keeps out what grpcio says of callers that are gone before their answer: a traceback for each, and no fault of anybody here."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("ExecuteBatchError")


def log_as(settings: Settings) -> None:
    """Set up logging for this process."""
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s[%(process)d]: %(message)s", stream=sys.stderr
    )
    logging.getLogger("grpc._cython.cygrpc").addFilter(_Gone())

"""What the service writes for its operators, on standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

from policybook.server.settings import Settings


class _OfCallers(logging.Filter):
    """Keeps out what grpcio says of callers: a traceback for each that is gone before its answer, or whose method or metadata is not UTF-8.

    They are no fault of anybody here; and what stands in the log, and how much, is not for a caller to choose.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(("ExecuteBatchError", "Invalid encoding on"))


def log_as(settings: Settings, worker: int = 0) -> None:
    """Set up logging for this process.

    Args:
        worker: which of the workers it is; 0: it is none
    """
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_format == "json":
        handler.setFormatter(_json(worker))
    else:
        place = f"%(process)d, worker {worker}" if worker else "%(process)d"
        handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s %(name)s[{place}]: %(message)s"))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    logging.getLogger("grpc._cython.cygrpc").addFilter(_OfCallers())
    # Warnings of libraries, too, are lines of the log.
    logging.captureWarnings(True)


def _json(worker: int) -> logging.Formatter:
    """Write one JSON object a line, faults with their traceback in it."""
    import structlog  # noqa: PLC0415 - for those who ask for it

    def with_worker(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if worker:
            event["worker"] = worker
        # The same message again, by uvicorn, for terminals.
        event.pop("color_message", None)
        return event

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.CallsiteParameterAdder([structlog.processors.CallsiteParameter.PROCESS]),
            with_worker,
            structlog.processors.format_exc_info,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )

"""What the service writes for its operators, on standard error."""

from __future__ import annotations

import logging
import sys

from policybook.server.settings import Settings


def log_as(settings: Settings) -> None:
    """Set up logging for this process."""
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s[%(process)d]: %(message)s", stream=sys.stderr
    )

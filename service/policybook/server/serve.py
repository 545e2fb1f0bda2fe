"""Serving: by this process alone, or by several under a supervisor."""

from __future__ import annotations

import asyncio
import resource
import sys

from policybook.server.process import serve_alone
from policybook.server.settings import Settings
from policybook.server.supervisor import Supervisor
from policybook.store.reload import Loaded


def serve(settings: Settings, loaded: Loaded | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    One line on stdout says that calls are taken: `policybook: listening on 127.0.0.1:50151, policies: credit`.

    Args:
        loaded: what was read from the books just now
    Returns:
        0 ended as told, 1 a book is bad, 3 the port is taken, the decision log or a file of callers, keys or certificates cannot be
        used, or engine and reference differ
    """
    # How long a thread that checks or compiles a book keeps the loop waiting, several times in each call; 5 ms by default.
    sys.setswitchinterval(0.001)
    # As many connections as the machine allows; the customary 1,024 would be had by the first thousand idle callers.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if settings.processes == 1:
        return asyncio.run(serve_alone(settings, loaded))
    return asyncio.run(Supervisor(settings, loaded).run())

"""`python -m policybook.server BOOKS...`: the server without the rest of the command line."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from policybook.audit.sqlite import LogSettings
from policybook.errors import LogError
from policybook.server.app import DEFAULT_HOST, DEFAULT_PORT, FAULT, Settings, serve
from policybook.server.servicer import CALLER_KEY


def main(argv: list[str] | None = None) -> int:
    """Run the server; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m policybook.server", description="Serve policy books over gRPC.")
    parser.add_argument("books", nargs="+", type=Path, help="folders of books, or single files")
    parser.add_argument("--host", default=DEFAULT_HOST)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 for any free one")
    parser.add_argument("--reload-s", type=float, default=1.0, help="how often to look for changed books; 0 for never")
    parser.add_argument("--log", type=Path, help="record every decision in this file")
    parser.add_argument("--log-full", choices=("refuse", "count"), default="refuse", help="when it cannot be written to")
    parser.add_argument("--log-queue", type=int, default=10_000, help="how many decisions may wait to be written")
    parser.add_argument("--log-keep-days", type=int, default=0, help="delete older records; 0 for never")
    parser.add_argument("--mask", action="append", default=[], help="an input whose values stay out of the log")
    parser.add_argument("--mask-key", type=Path, help="a file with a secret, by which equal masked values stay equal")
    parser.add_argument("--caller-key", default=CALLER_KEY, help="the metadata that names the caller")
    parser.add_argument("--debug", action="store_true", help="log every call")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    if args.debug:
        logging.getLogger("policybook").setLevel(logging.DEBUG)
    try:
        kept = args.log and LogSettings.of(
            args.log,
            when_full=args.log_full,
            queue=args.log_queue,
            masked=args.mask,
            mask_key=args.mask_key,
            keep_days=args.log_keep_days,
        )
    except LogError as e:
        sys.stderr.write(f"policybook: {e}\n")
        return FAULT
    settings = Settings(
        books=tuple(args.books), host=args.host, port=args.port, reload_s=args.reload_s, log=kept, caller_key=args.caller_key
    )
    return serve(settings)


if __name__ == "__main__":
    sys.exit(main())

"""`python -m policybook.server BOOKS...`: the server without the rest of the command line."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from policybook.server.app import DEFAULT_HOST, DEFAULT_PORT, Settings, serve


def main(argv: list[str] | None = None) -> int:
    """Run the server; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m policybook.server", description="Serve policy books over gRPC.")
    parser.add_argument("books", nargs="+", type=Path, help="folders of books, or single files")
    parser.add_argument("--host", default=DEFAULT_HOST)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 for any free one")
    parser.add_argument("--reload-s", type=float, default=1.0, help="how often to look for changed books; 0 for never")
    parser.add_argument("--debug", action="store_true", help="log every call")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    if args.debug:
        logging.getLogger("policybook").setLevel(logging.DEBUG)
    return serve(Settings(books=tuple(args.books), host=args.host, port=args.port, reload_s=args.reload_s))


if __name__ == "__main__":
    sys.exit(main())

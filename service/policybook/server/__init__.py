"""The gRPC face: wire messages to requests, answers to wire messages, exceptions to statuses."""

import os

# Before gRPC is imported, or it does not look: its core writes a line for every handshake of a stranger that fails, and a flood of those
# would bury what our own log says.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

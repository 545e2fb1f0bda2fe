"""The gRPC face: wire messages to requests, answers to wire messages, exceptions to statuses."""

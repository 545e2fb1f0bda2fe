"""Asking another process whether it serves."""

from __future__ import annotations

from typing import NamedTuple

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from policybook.server.address import is_loopback


def is_near(target: str) -> bool:
    """Tell whether a gRPC target is on this machine."""
    return target.startswith("unix:") or is_loopback(target.rpartition(":")[0].strip("[]"))


class Tls(NamedTuple):
    """How to connect, as PEM: whom to trust (None: whom the system trusts), and what to prove ourselves with."""

    ca: bytes | None
    certificate: bytes | None
    key: bytes | None


def health_of(address: str, service: str, timeout_s: float, tls: Tls | None = None) -> str:
    """Return a service's health: SERVING, NOT_SERVING, or why it cannot be told."""
    with _channel(address, tls) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(  # type: ignore[attr-defined]  # types-grpcio-health-checking
                health_pb2.HealthCheckRequest(service=service), timeout=timeout_s
            )
        except grpc.RpcError as e:
            return f"{e.code().name} {e.details() or ''}".strip()
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def credentials_of(tls: Tls | None) -> grpc.ChannelCredentials | None:
    """Return what a client connects with; None: in the clear."""
    return None if tls is None else grpc.ssl_channel_credentials(tls.ca, tls.key, tls.certificate)


def _channel(address: str, tls: Tls | None) -> grpc.Channel:
    credentials = credentials_of(tls)
    return grpc.insecure_channel(address) if credentials is None else grpc.secure_channel(address, credentials)

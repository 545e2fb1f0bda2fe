"""Asking another process whether it serves."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def health_of(address: str, service: str, timeout_s: float) -> str:
    """Return a service's health: SERVING, NOT_SERVING, or why it cannot be told."""
    with grpc.insecure_channel(address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(  # type: ignore[attr-defined]  # types-grpcio-health-checking
                health_pb2.HealthCheckRequest(service=service), timeout=timeout_s
            )
        except grpc.RpcError as e:
            return f"{e.code().name} {e.details() or ''}".strip()
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

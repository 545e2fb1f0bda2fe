"""A bare grpc.aio server to measure beside: it answers every request with one and the same message.

    python bench/echo_server.py ANSWER_FILE [BATCH_ANSWER_FILE]

`/bench.Echo/Bytes`, `/bench.Echo/Batch` and `/bench.Echo/Stream` touch no message at all: what they cost is grpcio. `/bench.Echo/Messages` parses a
DecideRequest and serializes a DecideResponse: what a server costs that decides nothing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc

from policybook.v1 import decision_service_pb2 as pb


async def serve(answer: bytes, batch_answer: bytes) -> None:
    """Serve until the process is ended."""
    message = pb.DecideResponse.FromString(answer)

    async def echo_bytes(_request: bytes, _context: Any) -> bytes:
        return answer

    async def echo_batch(_request: bytes, _context: Any) -> bytes:
        return batch_answer

    async def echo_messages(_request: pb.DecideRequest, _context: Any) -> pb.DecideResponse:
        return message

    async def echo_stream(requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        async for _ in requests:
            yield answer

    handlers = {
        "Bytes": grpc.unary_unary_rpc_method_handler(echo_bytes),
        "Batch": grpc.unary_unary_rpc_method_handler(echo_batch),
        "Messages": grpc.unary_unary_rpc_method_handler(
            echo_messages, request_deserializer=pb.DecideRequest.FromString, response_serializer=pb.DecideResponse.SerializeToString
        ),
        "Stream": grpc.stream_stream_rpc_method_handler(echo_stream),
    }
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 64 << 20)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"echo: listening on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(*[Path(name).read_bytes() for name in (sys.argv[1], sys.argv[-1])]))

"""Ask a policybook service with nothing but gRPC server reflection: no .proto file, no generated code, no client library.

    python examples/reflection_client.py localhost:50151
    python examples/reflection_client.py localhost:50151 '{"decision": "grading.file_class", "facts": {}}'
    python examples/reflection_client.py localhost:50151 request.json
    python examples/reflection_client.py localhost:50151 --method policybook.v1.PolicyService/ListPolicies '{}'

Without a request it lists the services, their methods and the fields of their requests. With one (JSON text, the name of a
file, or `-` for the standard input) it calls the method and prints the answer as JSON. Values are written as the messages
are: {"money": {"amount": "12000.00"}}, {"decimal": "3"}, {"text": "first"}, {"flag": true}, {"date": "2026-03-01"}.
Needs grpcio and grpcio-reflection. Exit code: 0 answered, 1 refused (with the reasons as JSON), 2 wrong usage, 3 not reached.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

DECIDE = "policybook.v1.DecisionService/Decide"
# The fields of the interface that are maps.
MAPS = frozenset({"facts", "fields", "metadata", "outputs"})
DETAILS_KEY = "grpc-status-details-bin"
TIMEOUT_S = 10


def main() -> int:
    """Run the command line; the result is the exit code."""
    usage = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    usage.add_argument("target", help="host:port of the service")
    usage.add_argument("request", nargs="?", help="JSON text, a file name, or - for the standard input; without it: list")
    usage.add_argument("--method", default=DECIDE, help="service/method to call (%(default)s)")
    asked = usage.parse_intermixed_args()
    with grpc.insecure_channel(asked.target) as channel:
        try:
            database = ProtoReflectionDescriptorDatabase(channel)
            pool = DescriptorPool(database)
            if asked.request is None:
                for service in sorted(database.get_services()):
                    describe(pool, service)
                return 0
            return call(channel, pool, find(pool, asked.method), read(asked.request))
        except UsageError as error:
            print(f"{usage.prog}: {error}", file=sys.stderr)
            return 2
        except grpc.RpcError as error:
            print(f"{usage.prog}: {asked.target}: {error.code().name}: {error.details()}", file=sys.stderr)
            return 3


class UsageError(Exception):
    """What was asked for cannot be sent."""


def describe(pool: DescriptorPool, service: str) -> None:
    """Print a service as the server describes it."""
    print(service)
    for method in pool.FindServiceByName(service).methods:
        streams = " (stream)" if method.client_streaming or method.server_streaming else ""
        print(f"  {method.name}{streams}")
        for field in method.input_type.fields:
            print(f"    {field.name}: {type_name(field)}")


def type_name(field: FieldDescriptor) -> str:
    """Write the type of a field as a .proto file does."""
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        return f"map<{type_name(message.fields_by_name['key'])}, {type_name(message.fields_by_name['value'])}>"
    named = message or field.enum_type
    name = named.full_name if named is not None else SCALARS.get(field.type, "?")
    return f"repeated {name}" if field.is_repeated else name


SCALARS = {number: name.removeprefix("TYPE_").lower() for name, number in vars(FieldDescriptor).items() if name.startswith("TYPE_")}


def find(pool: DescriptorPool, method: str) -> MethodDescriptor:
    """Find a method by `service/method`.

    Raises:
        UsageError: the server has no such method, or it is a stream
    """
    service, _, name = method.rpartition("/")
    try:
        found = pool.FindServiceByName(service).methods_by_name[name]
    except KeyError:
        raise UsageError(f"the server has no method `{method}`") from None
    if found.client_streaming or found.server_streaming:
        raise UsageError(f"`{method}` is a stream; this example makes single calls only")
    return found


def read(request: str) -> str:
    """Get the JSON text of a request."""
    if request == "-":
        return sys.stdin.read()
    if request.lstrip().startswith("{"):
        return request
    try:
        return Path(request).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read `{request}`: {error.strerror}") from None


def call(channel: grpc.Channel, pool: DescriptorPool, method: MethodDescriptor, text: str) -> int:
    """Send a request and print the answer, or why there is none."""
    request_class = message_factory.GetMessageClass(method.input_type)
    answer_class = message_factory.GetMessageClass(method.output_type)
    try:
        request = json_format.Parse(text, request_class(), descriptor_pool=pool)
    except json_format.ParseError as error:
        raise UsageError(f"the request is no {method.input_type.full_name}: {error}") from None
    ask = channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=request_class.SerializeToString,
        response_deserializer=answer_class.FromString,
    )
    try:
        answer = ask(request, timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            raise
        refusal = {"code": error.code().name, "message": error.details(), "details": details(pool, error)}
        print(json.dumps(refusal, indent=2, ensure_ascii=False))
        return 1
    shown = json_format.MessageToDict(answer, preserving_proto_field_name=True, descriptor_pool=pool)
    print(json.dumps(in_order(shown), indent=2, ensure_ascii=False))
    return 0


def in_order(value: Any) -> Any:
    """Sort the entries of maps by name: protobuf gives them in no order of their own."""
    if isinstance(value, list):
        return [in_order(v) for v in value]
    if not isinstance(value, dict):
        return value
    return {k: dict(sorted(in_order(v).items())) if k in MAPS and isinstance(v, dict) else in_order(v) for k, v in value.items()}


def details(pool: DescriptorPool, error: Any) -> list[Any]:
    """Read the google.rpc details of a status; their types, too, come from the server."""
    packed = dict(error.trailing_metadata() or ()).get(DETAILS_KEY)
    if packed is None:
        return []
    try:
        status: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName("google.rpc.Status")).FromString(packed)
        return [in_order(json_format.MessageToDict(d, preserving_proto_field_name=True, descriptor_pool=pool)) for d in status.details]
    except (KeyError, TypeError):
        return ["(the server does not describe google.rpc.Status)"]


if __name__ == "__main__":
    sys.exit(main())

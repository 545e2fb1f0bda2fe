"""Make the OpenAPI document of JSON over HTTP from proto/: service/policybook/server/openapi.json.

Called by `make proto`. Comments of the .proto files become descriptions; names and kinds are those of proto3's JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2
from grpc_tools import protoc
from protos import INCLUDED, PROTO, ROOT, files

TARGET = ROOT / "service" / "policybook" / "server" / "openapi.json"
F = descriptor_pb2.FieldDescriptorProto
Json = dict[str, Any]

_SCALARS: Mapping[int, Json] = {
    F.TYPE_STRING: {"type": "string"},
    F.TYPE_BOOL: {"type": "boolean"},
    F.TYPE_BYTES: {"type": "string", "contentEncoding": "base64", "pattern": "^[A-Za-z0-9+/_-]*=*$"},
    F.TYPE_INT32: {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1},
    F.TYPE_UINT32: {"type": "integer", "format": "uint32", "minimum": 0, "maximum": 2**32 - 1},
    # JSON's numbers are floats to many readers: 64 bits are text.
    F.TYPE_INT64: {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"},
    F.TYPE_UINT64: {"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$"},
}
_KNOWN: Mapping[str, Json] = {
    ".google.protobuf.Timestamp": {"type": "string", "format": "date-time", "example": "2026-03-31T08:00:00Z"},
    ".google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$", "example": "1.5s"},
    ".google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "required": ["@type"],
        "description": "A detail of an error, named by its `@type`.",
    },
}
_EXAMPLES: Mapping[str, Json] = {
    "Decide": {
        "decision": "penalties.late_return",
        "facts": {"days_late": {"decimal": "3"}},
        "traceLevel": "TRACE_LEVEL_MATCHED",
    }
}
_CODES = (
    "canceled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists", "permission_denied", "resource_exhausted",
    "failed_precondition", "aborted", "out_of_range", "unimplemented", "internal", "unavailable", "data_loss", "unauthenticated",
)  # fmt: skip
# How Connect writes the codes of gRPC as statuses of HTTP, as far as the service gives them.
_STATUSES = {
    400: "The request is wrong: `invalid_argument`, `failed_precondition`, `out_of_range`; the details name each field.",
    401: "Nobody knows who calls: `unauthenticated`.",
    403: "The caller may not: `permission_denied`.",
    404: "There is no such decision, version or record: `not_found`; or no such method.",
    405: "Another method than POST.",
    409: "The request id stands for another request: `already_exists`.",
    413: "The request is too large.",
    415: "Neither JSON nor protobuf.",
    429: "Too much at once: `resource_exhausted`; see `retry-after`.",
    499: "The caller hung up: `canceled`.",
    500: "A fault of the service: `internal`, with the number of the incident.",
    501: "`unimplemented`.",
    503: "Not now: `unavailable`; see `retry-after`.",
    504: "Not in time: `deadline_exceeded`.",
}


class Document:
    """Reads descriptors with their comments and writes the document."""

    def __init__(self, described: descriptor_pb2.FileDescriptorSet) -> None:
        self.schemas: Json = {}
        self.paths: Json = {}
        self.tags: list[Json] = []
        for file in described.file:
            if not file.package.startswith("policybook"):
                continue
            comments = {tuple(s.path): s.leading_comments for s in file.source_code_info.location}
            prefix = f".{file.package}."
            for number, message in enumerate(file.message_type):
                self.message(message, prefix, comments, (4, number))
            for number, enum in enumerate(file.enum_type):
                self.enum(enum, prefix, comments, (5, number))
            for number, service in enumerate(file.service):
                self.service(file.package, service, comments, (6, number))

    def message(self, message: Any, prefix: str, comments: Mapping[tuple[int, ...], str], path: tuple[int, ...]) -> None:
        name = f"{prefix}{message.name}"
        maps = {f"{name}.{n.name}": n for n in message.nested_type if n.options.map_entry}
        properties: Json = {}
        oneofs: dict[int, list[str]] = {}
        for number, field in enumerate(message.field):
            made = self.field(field, maps)
            words = _words(comments.get((*path, 2, number), ""))
            properties[field.json_name] = _described(made, words)
            if field.HasField("oneof_index") and not field.proto3_optional:
                oneofs.setdefault(field.oneof_index, []).append(field.json_name)
        schema: Json = {"type": "object", "properties": properties, "additionalProperties": False}
        words = _words(comments.get(path, ""))
        for index, names in oneofs.items():
            words += f"{' ' if words else ''}At most one of {', '.join(f'`{n}`' for n in names)}."
            # One of them, or none.
            schema.setdefault("allOf", []).append(
                {"oneOf": [*({"required": [n]} for n in names), {"not": {"anyOf": [{"required": [n]} for n in names]}}]}
            )
            del index
        self.schemas[_name(name)] = _described(schema, words)
        for number, nested in enumerate(message.nested_type):
            if not nested.options.map_entry:
                self.message(nested, f"{name}.", comments, (*path, 3, number))
        for number, enum in enumerate(message.enum_type):
            self.enum(enum, f"{name}.", comments, (*path, 4, number))

    def field(self, field: Any, maps: Mapping[str, Any]) -> Json:
        entry = maps.get(field.type_name)
        if entry is not None:
            return {"type": "object", "additionalProperties": self.single(entry.field[1])}
        made = self.single(field)
        return {"type": "array", "items": made} if field.label == F.LABEL_REPEATED else made

    @staticmethod
    def single(field: Any) -> Json:
        if field.type_name == ".google.protobuf.NullValue":
            return {"type": "null"}
        if field.type in (F.TYPE_MESSAGE, F.TYPE_ENUM):
            return dict(_KNOWN.get(field.type_name) or {"$ref": f"#/components/schemas/{_name(field.type_name)}"})
        return dict(_SCALARS[field.type])

    def enum(self, enum: Any, prefix: str, comments: Mapping[tuple[int, ...], str], path: tuple[int, ...]) -> None:
        told = [
            f"`{value.name}`: {words}" for number, value in enumerate(enum.value) if (words := _words(comments.get((*path, 2, number), "")))
        ]
        words = " ".join([_words(comments.get(path, "")), *told]).strip()
        self.schemas[_name(f"{prefix}{enum.name}")] = _described({"type": "string", "enum": [v.name for v in enum.value]}, words)

    def service(self, package: str, service: Any, comments: Mapping[tuple[int, ...], str], path: tuple[int, ...]) -> None:
        self.tags.append(_described({"name": service.name}, _words(comments.get(path, ""))))
        for number, method in enumerate(service.method):
            if method.client_streaming or method.server_streaming:
                continue
            words = _words(comments.get((*path, 2, number), ""))
            asked: Json = {"schema": {"$ref": f"#/components/schemas/{_name(method.input_type)}"}}
            if method.name in _EXAMPLES:
                asked["example"] = _EXAMPLES[method.name]
            answered = {"schema": {"$ref": f"#/components/schemas/{_name(method.output_type)}"}}
            operation = {
                "operationId": f"{service.name}_{method.name}",
                "summary": words.partition(". ")[0].rstrip(".") or method.name,
                "description": words,
                "tags": [service.name],
                "requestBody": {"required": True, "content": {"application/json": asked}},
                "responses": {
                    "200": {"description": "The answer.", "content": {"application/json": answered}},
                    **{
                        str(code): {
                            "$ref": "#/components/responses/Plain" if code in (405, 413, 415) else f"#/components/responses/E{code}"
                        }
                        for code in _STATUSES
                    },
                },
            }
            self.paths[f"/{package}.{service.name}/{method.name}"] = {"post": operation}

    def written(self) -> Json:
        """Return the whole document."""
        self.schemas["connect.Error"] = {
            "type": "object",
            "description": "An error of the Connect protocol.",
            "required": ["code"],
            "properties": {
                "code": {"type": "string", "enum": list(_CODES)},
                "message": {"type": "string"},
                "details": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["type", "value"],
                        "properties": {
                            "type": {"type": "string", "description": "google.rpc.BadRequest, google.rpc.ErrorInfo, ..."},
                            "value": {"type": "string", "description": "The message in base64."},
                            "debug": {"type": "object", "description": "The same in words, for people."},
                        },
                    },
                },
            },
        }
        error = {"application/json": {"schema": {"$ref": "#/components/schemas/connect.Error"}}}
        responses: Json = {"Plain": {"description": "Refused before it was read."}}
        for code, words in _STATUSES.items():
            if code not in (405, 413, 415):
                responses[f"E{code}"] = {"description": words, "content": error}
                if code in (429, 503):
                    responses[f"E{code}"]["headers"] = {"retry-after": {"schema": {"type": "string"}, "description": "Seconds to wait."}}
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "policybook",
                "version": "v1",
                "description": "Company policies as decisions: POST a JSON message to a method. Numbers are text, so that they stay exact.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/"}],
            "tags": self.tags,
            "security": [{}, {"bearer": []}],
            "paths": self.paths,
            "components": {
                "schemas": dict(sorted(self.schemas.items())),
                "responses": responses,
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            },
        }


def _name(full: str) -> str:
    return full.removeprefix(".")


def _words(comment: str) -> str:
    return " ".join(comment.split())


def _described(schema: Json, words: str) -> Json:
    """Add a description; beside a reference it stands too, since OpenAPI 3.1."""
    return {**schema, "description": words} if words else schema


def described() -> descriptor_pb2.FileDescriptorSet:
    """Return the descriptors of proto/ with their comments.

    Raises:
        RuntimeError: protoc refused
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "all.binpb"
        arguments = [
            "protoc",
            f"-I{PROTO}",
            f"-I{INCLUDED}",
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={out}",
            *files(),
        ]
        if protoc.main(arguments):
            raise RuntimeError("protoc failed")
        return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())


def text() -> str:
    """Return the document as it is kept."""
    return json.dumps(Document(described()).written(), ensure_ascii=False, indent=1) + "\n"


def lines() -> Iterator[str]:
    """Yield what was done."""
    made = text()
    TARGET.write_text(made, encoding="utf-8")
    yield f"{TARGET.relative_to(ROOT)}: {len(made):,} bytes"


if __name__ == "__main__":
    for line in lines():
        sys.stdout.write(f"{line}\n")

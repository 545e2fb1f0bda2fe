"""The published interface keeps the habits of buf and the AIPs, so that generated code in any language reads as it should."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import grpc_tools
import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from grpc_tools import protoc

SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")
PASCAL = re.compile(r"[A-Z][A-Za-z0-9]*\Z")


@pytest.fixture(scope="module")
def files(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[FileDescriptorProto]:
    out = tmp_path_factory.mktemp("protos") / "all.binpb"
    names = sorted(str(p.relative_to(root / "proto")) for p in (root / "proto").rglob("*.proto"))
    includes = [f"-I{root / 'proto'}", f"-I{Path(grpc_tools.__file__).parent / '_proto'}"]
    assert protoc.main(["protoc", *includes, "--include_source_info", f"--descriptor_set_out={out}", *names]) == 0
    return list(FileDescriptorSet.FromString(out.read_bytes()).file)


def messages(files: list[FileDescriptorProto]) -> Iterator[DescriptorProto]:
    todo = [m for f in files for m in f.message_type]
    while todo:
        message = todo.pop()
        if not message.options.map_entry:
            yield message
        todo += message.nested_type


def enums(files: list[FileDescriptorProto]) -> Iterator[EnumDescriptorProto]:
    for file in files:
        yield from file.enum_type
    for message in messages(files):
        yield from message.enum_type


def upper(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


def test_package_is_the_folder_and_has_a_version(files: list[FileDescriptorProto]) -> None:
    for file in files:
        assert file.package == str(Path(file.name).parent).replace("/", ".")
        assert re.search(r"\.v\d+\Z", file.package)
        assert SNAKE.match(Path(file.name).stem)
        assert file.syntax == "proto3"


def test_enums_begin_with_unspecified_and_values_carry_the_name(files: list[FileDescriptorProto]) -> None:
    for enum in enums(files):
        assert PASCAL.match(enum.name)
        assert (enum.value[0].name, enum.value[0].number) == (f"{upper(enum.name)}_UNSPECIFIED", 0)
        assert all(v.name.startswith(f"{upper(enum.name)}_") for v in enum.value)
        assert not enum.options.allow_alias


def test_names_of_messages_and_fields(files: list[FileDescriptorProto]) -> None:
    for message in messages(files):
        assert PASCAL.match(message.name)
        for field in message.field:
            assert SNAKE.match(field.name), f"{message.name}.{field.name}"
        assert all(SNAKE.match(o.name) for o in message.oneof_decl)


def test_services_and_their_calls(files: list[FileDescriptorProto]) -> None:
    used: list[str] = []
    for file in files:
        for service in file.service:
            assert PASCAL.match(service.name)
            assert service.name.endswith("Service")
            for method in service.method:
                assert PASCAL.match(method.name)
                assert method.input_type == f".{file.package}.{method.name}Request"
                assert method.output_type == f".{file.package}.{method.name}Response"
                used += [method.input_type, method.output_type]
    assert len(used) == len(set(used))


def test_no_floating_point_and_no_untyped_values(files: list[FileDescriptorProto]) -> None:
    for message in messages(files):
        for field in message.field:
            assert field.type not in (FieldDescriptorProto.TYPE_DOUBLE, FieldDescriptorProto.TYPE_FLOAT), f"{message.name}.{field.name}"
            assert field.type_name not in (".google.protobuf.Struct", ".google.protobuf.Value"), f"{message.name}.{field.name}"


def test_services_calls_and_enums_are_explained(files: list[FileDescriptorProto]) -> None:
    for file in files:
        explained = {tuple(place.path) for place in file.source_code_info.location if place.leading_comments.strip()}
        for s, service in enumerate(file.service):
            assert (6, s) in explained, service.name
            for m, method in enumerate(service.method):
                assert (6, s, 2, m) in explained, f"{service.name}.{method.name}"
        for e, enum in enumerate(file.enum_type):
            assert (5, e) in explained, enum.name
        for m, message in enumerate(file.message_type):
            if not message.name.endswith(("Request", "Response")):
                assert (4, m) in explained, message.name

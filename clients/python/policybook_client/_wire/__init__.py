"""Message classes of the wire, made at run time from `policybook.binpb`: no generated modules.

The one place that knows protobuf descriptors. The file names and contents are those of the service's own stubs, so
both can be loaded into one process, in either order.
"""

from __future__ import annotations

from importlib import resources
from typing import Any, Final

# Loaded for their effect: the pool must know the imported files first.
from google.protobuf import any_pb2 as _any_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

_IMPORTED = (_any_pb2, _duration_pb2, _timestamp_pb2)


def _load() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.Default()
    files = FileDescriptorSet.FromString(resources.files(__package__).joinpath("policybook.binpb").read_bytes())
    for file in files.file:
        try:
            pool.AddSerializedFile(file.SerializeToString(deterministic=True))
        except TypeError as error:
            raise ImportError(
                f"another version of `{file.name}` is already loaded in this process; "
                "install policybook-client and policybook (or your own stubs) of one version"
            ) from error
    return pool


_POOL = _load()


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))


def _v1(name: str) -> Any:
    return _message(f"policybook.v1.{name}")


def _compat(name: str) -> Any:
    return _message(f"policybook.client.v1.{name}")


Timestamp: Final = _timestamp_pb2.Timestamp

Value: Final = _v1("Value")
Money: Final = _v1("Money")
ValueList: Final = _v1("ValueList")
Record: Final = _v1("Record")

DecideRequest: Final = _v1("DecideRequest")
DecideResponse: Final = _v1("DecideResponse")
DecideResult: Final = _v1("DecideResult")
ItemError: Final = _v1("ItemError")
BatchDecideRequest: Final = _v1("BatchDecideRequest")
BatchDecideResponse: Final = _v1("BatchDecideResponse")
ExplainRequest: Final = _v1("ExplainRequest")
ExplainResponse: Final = _v1("ExplainResponse")
StreamDecideRequest: Final = _v1("StreamDecideRequest")
StreamDecideResponse: Final = _v1("StreamDecideResponse")

ListPoliciesRequest: Final = _v1("ListPoliciesRequest")
ListPoliciesResponse: Final = _v1("ListPoliciesResponse")
ListDecisionDefinitionsRequest: Final = _v1("ListDecisionDefinitionsRequest")
ListDecisionDefinitionsResponse: Final = _v1("ListDecisionDefinitionsResponse")
GetDecisionDefinitionRequest: Final = _v1("GetDecisionDefinitionRequest")
GetDecisionDefinitionResponse: Final = _v1("GetDecisionDefinitionResponse")
CheckRequest: Final = _v1("CheckRequest")
CheckResponse: Final = _v1("CheckResponse")

GetDecisionRecordRequest: Final = _v1("GetDecisionRecordRequest")
GetDecisionRecordResponse: Final = _v1("GetDecisionRecordResponse")
ListDecisionRecordsRequest: Final = _v1("ListDecisionRecordsRequest")
ListDecisionRecordsResponse: Final = _v1("ListDecisionRecordsResponse")
ReevaluateDecisionRequest: Final = _v1("ReevaluateDecisionRequest")
ReevaluateDecisionResponse: Final = _v1("ReevaluateDecisionResponse")
GetLogStatusRequest: Final = _v1("GetLogStatusRequest")
GetLogStatusResponse: Final = _v1("GetLogStatusResponse")

Status: Final = _compat("Status")
ErrorInfo: Final = _compat("ErrorInfo")
BadRequest: Final = _compat("BadRequest")
ResourceInfo: Final = _compat("ResourceInfo")
PreconditionFailure: Final = _compat("PreconditionFailure")
QuotaFailure: Final = _compat("QuotaFailure")
RetryInfo: Final = _compat("RetryInfo")
HealthCheckRequest: Final = _compat("HealthCheckRequest")
HealthCheckResponse: Final = _compat("HealthCheckResponse")

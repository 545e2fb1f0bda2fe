import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from policybook.v1 import decision_service_pb2 as _decision_service_pb2
from policybook.v1 import trace_pb2 as _trace_pb2
from policybook.v1 import values_pb2 as _values_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Purpose(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PURPOSE_UNSPECIFIED: _ClassVar[Purpose]
    PURPOSE_DECISION: _ClassVar[Purpose]
    PURPOSE_EXPLANATION: _ClassVar[Purpose]
    PURPOSE_CHALLENGE: _ClassVar[Purpose]
PURPOSE_UNSPECIFIED: Purpose
PURPOSE_DECISION: Purpose
PURPOSE_EXPLANATION: Purpose
PURPOSE_CHALLENGE: Purpose

class GetDecisionRecordRequest(_message.Message):
    __slots__ = ("decision_id",)
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    def __init__(self, decision_id: _Optional[str] = ...) -> None: ...

class GetDecisionRecordResponse(_message.Message):
    __slots__ = ("decision_record",)
    DECISION_RECORD_FIELD_NUMBER: _ClassVar[int]
    decision_record: DecisionRecord
    def __init__(self, decision_record: _Optional[_Union[DecisionRecord, _Mapping]] = ...) -> None: ...

class DecisionRecord(_message.Message):
    __slots__ = ("sequence_number", "decision_id", "decide_time", "caller", "request_id", "purpose", "decision", "facts", "masked_facts", "policy_version", "stated_policy_version", "as_of_date", "as_of_time", "stated_as_of", "trace_level", "outcome", "outputs", "items", "row_ids", "elapsed", "record_hash", "previous_hash", "challenged_decision_id", "challenge_refusal")
    class FactsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _values_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ...) -> None: ...
    class MaskedFactsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class OutputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _values_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ...) -> None: ...
    SEQUENCE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    DECIDE_TIME_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    MASKED_FACTS_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    STATED_POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    AS_OF_DATE_FIELD_NUMBER: _ClassVar[int]
    AS_OF_TIME_FIELD_NUMBER: _ClassVar[int]
    STATED_AS_OF_FIELD_NUMBER: _ClassVar[int]
    TRACE_LEVEL_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    ROW_IDS_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_FIELD_NUMBER: _ClassVar[int]
    RECORD_HASH_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_HASH_FIELD_NUMBER: _ClassVar[int]
    CHALLENGED_DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    CHALLENGE_REFUSAL_FIELD_NUMBER: _ClassVar[int]
    sequence_number: int
    decision_id: str
    decide_time: _timestamp_pb2.Timestamp
    caller: str
    request_id: str
    purpose: Purpose
    decision: str
    facts: _containers.MessageMap[str, _values_pb2.Value]
    masked_facts: _containers.ScalarMap[str, str]
    policy_version: str
    stated_policy_version: str
    as_of_date: str
    as_of_time: _timestamp_pb2.Timestamp
    stated_as_of: str
    trace_level: _trace_pb2.TraceLevel
    outcome: _decision_service_pb2.Outcome
    outputs: _containers.MessageMap[str, _values_pb2.Value]
    items: _containers.RepeatedCompositeFieldContainer[_decision_service_pb2.OutputItem]
    row_ids: _containers.RepeatedScalarFieldContainer[str]
    elapsed: _duration_pb2.Duration
    record_hash: bytes
    previous_hash: bytes
    challenged_decision_id: str
    challenge_refusal: str
    def __init__(self, sequence_number: _Optional[int] = ..., decision_id: _Optional[str] = ..., decide_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., caller: _Optional[str] = ..., request_id: _Optional[str] = ..., purpose: _Optional[_Union[Purpose, str]] = ..., decision: _Optional[str] = ..., facts: _Optional[_Mapping[str, _values_pb2.Value]] = ..., masked_facts: _Optional[_Mapping[str, str]] = ..., policy_version: _Optional[str] = ..., stated_policy_version: _Optional[str] = ..., as_of_date: _Optional[str] = ..., as_of_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stated_as_of: _Optional[str] = ..., trace_level: _Optional[_Union[_trace_pb2.TraceLevel, str]] = ..., outcome: _Optional[_Union[_decision_service_pb2.Outcome, str]] = ..., outputs: _Optional[_Mapping[str, _values_pb2.Value]] = ..., items: _Optional[_Iterable[_Union[_decision_service_pb2.OutputItem, _Mapping]]] = ..., row_ids: _Optional[_Iterable[str]] = ..., elapsed: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., record_hash: _Optional[bytes] = ..., previous_hash: _Optional[bytes] = ..., challenged_decision_id: _Optional[str] = ..., challenge_refusal: _Optional[str] = ...) -> None: ...

class ListDecisionRecordsRequest(_message.Message):
    __slots__ = ("decision", "start_time", "end_time", "outcome", "request_id", "caller", "policy_version", "purpose", "newest_first", "page_size", "page_token")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    decision: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    outcome: _decision_service_pb2.Outcome
    request_id: str
    caller: str
    policy_version: str
    purpose: Purpose
    newest_first: bool
    page_size: int
    page_token: str
    def __init__(self, decision: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., outcome: _Optional[_Union[_decision_service_pb2.Outcome, str]] = ..., request_id: _Optional[str] = ..., caller: _Optional[str] = ..., policy_version: _Optional[str] = ..., purpose: _Optional[_Union[Purpose, str]] = ..., newest_first: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDecisionRecordsResponse(_message.Message):
    __slots__ = ("decision_records", "next_page_token")
    DECISION_RECORDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    decision_records: _containers.RepeatedCompositeFieldContainer[DecisionRecord]
    next_page_token: str
    def __init__(self, decision_records: _Optional[_Iterable[_Union[DecisionRecord, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ReevaluateDecisionRequest(_message.Message):
    __slots__ = ("decision_id", "trace_level", "language", "masked_facts")
    class MaskedFactsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _values_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ...) -> None: ...
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    TRACE_LEVEL_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    MASKED_FACTS_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    trace_level: _trace_pb2.TraceLevel
    language: str
    masked_facts: _containers.MessageMap[str, _values_pb2.Value]
    def __init__(self, decision_id: _Optional[str] = ..., trace_level: _Optional[_Union[_trace_pb2.TraceLevel, str]] = ..., language: _Optional[str] = ..., masked_facts: _Optional[_Mapping[str, _values_pb2.Value]] = ...) -> None: ...

class ReevaluateDecisionResponse(_message.Message):
    __slots__ = ("decision_record", "answer", "same", "differences")
    DECISION_RECORD_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    SAME_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    decision_record: DecisionRecord
    answer: _decision_service_pb2.DecideResponse
    same: bool
    differences: _containers.RepeatedCompositeFieldContainer[AnswerDifference]
    def __init__(self, decision_record: _Optional[_Union[DecisionRecord, _Mapping]] = ..., answer: _Optional[_Union[_decision_service_pb2.DecideResponse, _Mapping]] = ..., same: _Optional[bool] = ..., differences: _Optional[_Iterable[_Union[AnswerDifference, _Mapping]]] = ...) -> None: ...

class AnswerDifference(_message.Message):
    __slots__ = ("name", "recorded", "reevaluated")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    REEVALUATED_FIELD_NUMBER: _ClassVar[int]
    name: str
    recorded: str
    reevaluated: str
    def __init__(self, name: _Optional[str] = ..., recorded: _Optional[str] = ..., reevaluated: _Optional[str] = ...) -> None: ...

class GetLogStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetLogStatusResponse(_message.Message):
    __slots__ = ("head_sequence_number", "head_hash", "waiting_count", "recorded_count", "not_recorded_count", "refused_count", "failure", "refuses_when_full", "challengers")
    HEAD_SEQUENCE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    HEAD_HASH_FIELD_NUMBER: _ClassVar[int]
    WAITING_COUNT_FIELD_NUMBER: _ClassVar[int]
    RECORDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    NOT_RECORDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    REFUSES_WHEN_FULL_FIELD_NUMBER: _ClassVar[int]
    CHALLENGERS_FIELD_NUMBER: _ClassVar[int]
    head_sequence_number: int
    head_hash: bytes
    waiting_count: int
    recorded_count: int
    not_recorded_count: int
    refused_count: int
    failure: str
    refuses_when_full: bool
    challengers: _containers.RepeatedCompositeFieldContainer[ChallengerStatus]
    def __init__(self, head_sequence_number: _Optional[int] = ..., head_hash: _Optional[bytes] = ..., waiting_count: _Optional[int] = ..., recorded_count: _Optional[int] = ..., not_recorded_count: _Optional[int] = ..., refused_count: _Optional[int] = ..., failure: _Optional[str] = ..., refuses_when_full: _Optional[bool] = ..., challengers: _Optional[_Iterable[_Union[ChallengerStatus, _Mapping]]] = ...) -> None: ...

class ChallengerStatus(_message.Message):
    __slots__ = ("policy", "version", "compared_count", "different_count", "refused_count", "skipped_count")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    COMPARED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DIFFERENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    policy: str
    version: str
    compared_count: int
    different_count: int
    refused_count: int
    skipped_count: int
    def __init__(self, policy: _Optional[str] = ..., version: _Optional[str] = ..., compared_count: _Optional[int] = ..., different_count: _Optional[int] = ..., refused_count: _Optional[int] = ..., skipped_count: _Optional[int] = ...) -> None: ...

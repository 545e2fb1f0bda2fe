import datetime

from google.protobuf import any_pb2 as _any_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from policybook.v1 import explanation_pb2 as _explanation_pb2
from policybook.v1 import trace_pb2 as _trace_pb2
from policybook.v1 import values_pb2 as _values_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_DECIDED: _ClassVar[Outcome]
    OUTCOME_NO_MATCH: _ClassVar[Outcome]
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_DECIDED: Outcome
OUTCOME_NO_MATCH: Outcome

class DecideRequest(_message.Message):
    __slots__ = ("decision", "facts", "request_id", "as_of_date", "as_of_time", "policy_version", "trace_level", "language", "challenger_version")
    class FactsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _values_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ...) -> None: ...
    DECISION_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    AS_OF_DATE_FIELD_NUMBER: _ClassVar[int]
    AS_OF_TIME_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    TRACE_LEVEL_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    CHALLENGER_VERSION_FIELD_NUMBER: _ClassVar[int]
    decision: str
    facts: _containers.MessageMap[str, _values_pb2.Value]
    request_id: str
    as_of_date: str
    as_of_time: _timestamp_pb2.Timestamp
    policy_version: str
    trace_level: _trace_pb2.TraceLevel
    language: str
    challenger_version: str
    def __init__(self, decision: _Optional[str] = ..., facts: _Optional[_Mapping[str, _values_pb2.Value]] = ..., request_id: _Optional[str] = ..., as_of_date: _Optional[str] = ..., as_of_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., policy_version: _Optional[str] = ..., trace_level: _Optional[_Union[_trace_pb2.TraceLevel, str]] = ..., language: _Optional[str] = ..., challenger_version: _Optional[str] = ...) -> None: ...

class DecideResponse(_message.Message):
    __slots__ = ("decision_id", "request_id", "decision", "policy_version", "as_of_date", "decide_time", "outcome", "outputs", "items", "matched_rules", "trace")
    class OutputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _values_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ...) -> None: ...
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    AS_OF_DATE_FIELD_NUMBER: _ClassVar[int]
    DECIDE_TIME_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    MATCHED_RULES_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    request_id: str
    decision: str
    policy_version: str
    as_of_date: str
    decide_time: _timestamp_pb2.Timestamp
    outcome: Outcome
    outputs: _containers.MessageMap[str, _values_pb2.Value]
    items: _containers.RepeatedCompositeFieldContainer[OutputItem]
    matched_rules: _containers.RepeatedCompositeFieldContainer[MatchedRule]
    trace: _trace_pb2.Trace
    def __init__(self, decision_id: _Optional[str] = ..., request_id: _Optional[str] = ..., decision: _Optional[str] = ..., policy_version: _Optional[str] = ..., as_of_date: _Optional[str] = ..., decide_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., outputs: _Optional[_Mapping[str, _values_pb2.Value]] = ..., items: _Optional[_Iterable[_Union[OutputItem, _Mapping]]] = ..., matched_rules: _Optional[_Iterable[_Union[MatchedRule, _Mapping]]] = ..., trace: _Optional[_Union[_trace_pb2.Trace, _Mapping]] = ...) -> None: ...

class OutputItem(_message.Message):
    __slots__ = ("row_id", "item_number", "outputs")
    class OutputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _values_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ...) -> None: ...
    ROW_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_NUMBER_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    row_id: str
    item_number: int
    outputs: _containers.MessageMap[str, _values_pb2.Value]
    def __init__(self, row_id: _Optional[str] = ..., item_number: _Optional[int] = ..., outputs: _Optional[_Mapping[str, _values_pb2.Value]] = ...) -> None: ...

class MatchedRule(_message.Message):
    __slots__ = ("row_id", "clauses", "says", "reading")
    ROW_ID_FIELD_NUMBER: _ClassVar[int]
    CLAUSES_FIELD_NUMBER: _ClassVar[int]
    SAYS_FIELD_NUMBER: _ClassVar[int]
    READING_FIELD_NUMBER: _ClassVar[int]
    row_id: str
    clauses: _containers.RepeatedScalarFieldContainer[str]
    says: str
    reading: str
    def __init__(self, row_id: _Optional[str] = ..., clauses: _Optional[_Iterable[str]] = ..., says: _Optional[str] = ..., reading: _Optional[str] = ...) -> None: ...

class BatchDecideRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[DecideRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[DecideRequest, _Mapping]]] = ...) -> None: ...

class BatchDecideResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[DecideResult]
    def __init__(self, results: _Optional[_Iterable[_Union[DecideResult, _Mapping]]] = ...) -> None: ...

class DecideResult(_message.Message):
    __slots__ = ("response", "error")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    response: DecideResponse
    error: ItemError
    def __init__(self, response: _Optional[_Union[DecideResponse, _Mapping]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ...) -> None: ...

class ItemError(_message.Message):
    __slots__ = ("code", "message", "details")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    details: _containers.RepeatedCompositeFieldContainer[_any_pb2.Any]
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., details: _Optional[_Iterable[_Union[_any_pb2.Any, _Mapping]]] = ...) -> None: ...

class StreamDecideRequest(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: DecideRequest
    def __init__(self, request: _Optional[_Union[DecideRequest, _Mapping]] = ...) -> None: ...

class StreamDecideResponse(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: DecideResult
    def __init__(self, result: _Optional[_Union[DecideResult, _Mapping]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("decision", "facts", "request_id", "as_of_date", "as_of_time", "policy_version", "trace_level", "language", "wanted_outputs", "kept_inputs", "varied_inputs", "max_alternatives", "compared_outputs")
    class FactsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _values_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ...) -> None: ...
    class WantedOutputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _values_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ...) -> None: ...
    DECISION_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    AS_OF_DATE_FIELD_NUMBER: _ClassVar[int]
    AS_OF_TIME_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    TRACE_LEVEL_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    WANTED_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    KEPT_INPUTS_FIELD_NUMBER: _ClassVar[int]
    VARIED_INPUTS_FIELD_NUMBER: _ClassVar[int]
    MAX_ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    COMPARED_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    decision: str
    facts: _containers.MessageMap[str, _values_pb2.Value]
    request_id: str
    as_of_date: str
    as_of_time: _timestamp_pb2.Timestamp
    policy_version: str
    trace_level: _trace_pb2.TraceLevel
    language: str
    wanted_outputs: _containers.MessageMap[str, _values_pb2.Value]
    kept_inputs: _containers.RepeatedScalarFieldContainer[str]
    varied_inputs: _containers.RepeatedScalarFieldContainer[str]
    max_alternatives: int
    compared_outputs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, decision: _Optional[str] = ..., facts: _Optional[_Mapping[str, _values_pb2.Value]] = ..., request_id: _Optional[str] = ..., as_of_date: _Optional[str] = ..., as_of_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., policy_version: _Optional[str] = ..., trace_level: _Optional[_Union[_trace_pb2.TraceLevel, str]] = ..., language: _Optional[str] = ..., wanted_outputs: _Optional[_Mapping[str, _values_pb2.Value]] = ..., kept_inputs: _Optional[_Iterable[str]] = ..., varied_inputs: _Optional[_Iterable[str]] = ..., max_alternatives: _Optional[int] = ..., compared_outputs: _Optional[_Iterable[str]] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("answer", "reasons", "why_not", "variations", "completion", "decision", "policy_version", "as_of_date", "request_id", "refusal")
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    WHY_NOT_FIELD_NUMBER: _ClassVar[int]
    VARIATIONS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    AS_OF_DATE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    answer: DecideResponse
    reasons: _containers.RepeatedCompositeFieldContainer[_explanation_pb2.Reason]
    why_not: _explanation_pb2.WhyNot
    variations: _containers.RepeatedCompositeFieldContainer[_explanation_pb2.Variation]
    completion: _explanation_pb2.Completion
    decision: str
    policy_version: str
    as_of_date: str
    request_id: str
    refusal: str
    def __init__(self, answer: _Optional[_Union[DecideResponse, _Mapping]] = ..., reasons: _Optional[_Iterable[_Union[_explanation_pb2.Reason, _Mapping]]] = ..., why_not: _Optional[_Union[_explanation_pb2.WhyNot, _Mapping]] = ..., variations: _Optional[_Iterable[_Union[_explanation_pb2.Variation, _Mapping]]] = ..., completion: _Optional[_Union[_explanation_pb2.Completion, _Mapping]] = ..., decision: _Optional[str] = ..., policy_version: _Optional[str] = ..., as_of_date: _Optional[str] = ..., request_id: _Optional[str] = ..., refusal: _Optional[str] = ...) -> None: ...

import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from policybook.v1 import values_pb2 as _values_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HitPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HIT_POLICY_UNSPECIFIED: _ClassVar[HitPolicy]
    HIT_POLICY_UNIQUE: _ClassVar[HitPolicy]
    HIT_POLICY_ANY: _ClassVar[HitPolicy]
    HIT_POLICY_FIRST: _ClassVar[HitPolicy]
    HIT_POLICY_PRIORITY: _ClassVar[HitPolicy]
    HIT_POLICY_COLLECT: _ClassVar[HitPolicy]
    HIT_POLICY_RULE_ORDER: _ClassVar[HitPolicy]
    HIT_POLICY_OUTPUT_ORDER: _ClassVar[HitPolicy]

class Aggregation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AGGREGATION_UNSPECIFIED: _ClassVar[Aggregation]
    AGGREGATION_SUM: _ClassVar[Aggregation]
    AGGREGATION_MIN: _ClassVar[Aggregation]
    AGGREGATION_MAX: _ClassVar[Aggregation]
    AGGREGATION_COUNT: _ClassVar[Aggregation]

class ValueKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VALUE_KIND_UNSPECIFIED: _ClassVar[ValueKind]
    VALUE_KIND_NUMBER: _ClassVar[ValueKind]
    VALUE_KIND_INTEGER: _ClassVar[ValueKind]
    VALUE_KIND_PERCENT: _ClassVar[ValueKind]
    VALUE_KIND_FRACTION: _ClassVar[ValueKind]
    VALUE_KIND_MONEY: _ClassVar[ValueKind]
    VALUE_KIND_BOOLEAN: _ClassVar[ValueKind]
    VALUE_KIND_ENUM: _ClassVar[ValueKind]
    VALUE_KIND_TEXT: _ClassVar[ValueKind]
    VALUE_KIND_DATE: _ClassVar[ValueKind]
    VALUE_KIND_DATETIME: _ClassVar[ValueKind]
    VALUE_KIND_TIME: _ClassVar[ValueKind]
    VALUE_KIND_DURATION: _ClassVar[ValueKind]
    VALUE_KIND_PERIOD: _ClassVar[ValueKind]
    VALUE_KIND_LIST: _ClassVar[ValueKind]
    VALUE_KIND_RECORD: _ClassVar[ValueKind]

class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEVERITY_UNSPECIFIED: _ClassVar[Severity]
    SEVERITY_ERROR: _ClassVar[Severity]
    SEVERITY_WARNING: _ClassVar[Severity]
    SEVERITY_NOTE: _ClassVar[Severity]
HIT_POLICY_UNSPECIFIED: HitPolicy
HIT_POLICY_UNIQUE: HitPolicy
HIT_POLICY_ANY: HitPolicy
HIT_POLICY_FIRST: HitPolicy
HIT_POLICY_PRIORITY: HitPolicy
HIT_POLICY_COLLECT: HitPolicy
HIT_POLICY_RULE_ORDER: HitPolicy
HIT_POLICY_OUTPUT_ORDER: HitPolicy
AGGREGATION_UNSPECIFIED: Aggregation
AGGREGATION_SUM: Aggregation
AGGREGATION_MIN: Aggregation
AGGREGATION_MAX: Aggregation
AGGREGATION_COUNT: Aggregation
VALUE_KIND_UNSPECIFIED: ValueKind
VALUE_KIND_NUMBER: ValueKind
VALUE_KIND_INTEGER: ValueKind
VALUE_KIND_PERCENT: ValueKind
VALUE_KIND_FRACTION: ValueKind
VALUE_KIND_MONEY: ValueKind
VALUE_KIND_BOOLEAN: ValueKind
VALUE_KIND_ENUM: ValueKind
VALUE_KIND_TEXT: ValueKind
VALUE_KIND_DATE: ValueKind
VALUE_KIND_DATETIME: ValueKind
VALUE_KIND_TIME: ValueKind
VALUE_KIND_DURATION: ValueKind
VALUE_KIND_PERIOD: ValueKind
VALUE_KIND_LIST: ValueKind
VALUE_KIND_RECORD: ValueKind
SEVERITY_UNSPECIFIED: Severity
SEVERITY_ERROR: Severity
SEVERITY_WARNING: Severity
SEVERITY_NOTE: Severity

class ListPoliciesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "language")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    language: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., language: _Optional[str] = ...) -> None: ...

class ListPoliciesResponse(_message.Message):
    __slots__ = ("policies", "next_page_token", "digest")
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    policies: _containers.RepeatedCompositeFieldContainer[Policy]
    next_page_token: str
    digest: str
    def __init__(self, policies: _Optional[_Iterable[_Union[Policy, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...

class Policy(_message.Message):
    __slots__ = ("name", "title", "version", "previous_versions", "currency", "time_zone", "decisions", "load_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    LOAD_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    version: str
    previous_versions: _containers.RepeatedScalarFieldContainer[str]
    currency: str
    time_zone: str
    decisions: _containers.RepeatedScalarFieldContainer[str]
    load_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., version: _Optional[str] = ..., previous_versions: _Optional[_Iterable[str]] = ..., currency: _Optional[str] = ..., time_zone: _Optional[str] = ..., decisions: _Optional[_Iterable[str]] = ..., load_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListDecisionDefinitionsRequest(_message.Message):
    __slots__ = ("policy", "page_size", "page_token", "language")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    policy: str
    page_size: int
    page_token: str
    language: str
    def __init__(self, policy: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., language: _Optional[str] = ...) -> None: ...

class ListDecisionDefinitionsResponse(_message.Message):
    __slots__ = ("decision_definitions", "next_page_token")
    DECISION_DEFINITIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    decision_definitions: _containers.RepeatedCompositeFieldContainer[DecisionDefinition]
    next_page_token: str
    def __init__(self, decision_definitions: _Optional[_Iterable[_Union[DecisionDefinition, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetDecisionDefinitionRequest(_message.Message):
    __slots__ = ("name", "as_of_date", "policy_version", "language")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AS_OF_DATE_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    name: str
    as_of_date: str
    policy_version: str
    language: str
    def __init__(self, name: _Optional[str] = ..., as_of_date: _Optional[str] = ..., policy_version: _Optional[str] = ..., language: _Optional[str] = ...) -> None: ...

class GetDecisionDefinitionResponse(_message.Message):
    __slots__ = ("decision_definition",)
    DECISION_DEFINITION_FIELD_NUMBER: _ClassVar[int]
    decision_definition: DecisionDefinition
    def __init__(self, decision_definition: _Optional[_Union[DecisionDefinition, _Mapping]] = ...) -> None: ...

class DecisionDefinition(_message.Message):
    __slots__ = ("name", "policy_version", "title", "question", "hit_policy", "aggregation", "inputs", "outputs", "parameters", "required_decisions", "for_each", "rows", "must_log", "invariants")
    NAME_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    HIT_POLICY_FIELD_NUMBER: _ClassVar[int]
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_DECISIONS_FIELD_NUMBER: _ClassVar[int]
    FOR_EACH_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    MUST_LOG_FIELD_NUMBER: _ClassVar[int]
    INVARIANTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    policy_version: str
    title: str
    question: str
    hit_policy: HitPolicy
    aggregation: Aggregation
    inputs: _containers.RepeatedCompositeFieldContainer[FieldDefinition]
    outputs: _containers.RepeatedCompositeFieldContainer[FieldDefinition]
    parameters: _containers.RepeatedCompositeFieldContainer[ParameterDefinition]
    required_decisions: _containers.RepeatedScalarFieldContainer[str]
    for_each: str
    rows: _containers.RepeatedCompositeFieldContainer[RowDefinition]
    must_log: bool
    invariants: _containers.RepeatedCompositeFieldContainer[InvariantDefinition]
    def __init__(self, name: _Optional[str] = ..., policy_version: _Optional[str] = ..., title: _Optional[str] = ..., question: _Optional[str] = ..., hit_policy: _Optional[_Union[HitPolicy, str]] = ..., aggregation: _Optional[_Union[Aggregation, str]] = ..., inputs: _Optional[_Iterable[_Union[FieldDefinition, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[FieldDefinition, _Mapping]]] = ..., parameters: _Optional[_Iterable[_Union[ParameterDefinition, _Mapping]]] = ..., required_decisions: _Optional[_Iterable[str]] = ..., for_each: _Optional[str] = ..., rows: _Optional[_Iterable[_Union[RowDefinition, _Mapping]]] = ..., must_log: _Optional[bool] = ..., invariants: _Optional[_Iterable[_Union[InvariantDefinition, _Mapping]]] = ...) -> None: ...

class InvariantDefinition(_message.Message):
    __slots__ = ("invariant_id", "says", "clauses")
    INVARIANT_ID_FIELD_NUMBER: _ClassVar[int]
    SAYS_FIELD_NUMBER: _ClassVar[int]
    CLAUSES_FIELD_NUMBER: _ClassVar[int]
    invariant_id: str
    says: str
    clauses: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, invariant_id: _Optional[str] = ..., says: _Optional[str] = ..., clauses: _Optional[_Iterable[str]] = ...) -> None: ...

class FieldDefinition(_message.Message):
    __slots__ = ("name", "title", "kind", "unit", "required", "min", "max", "default_value", "enum_values", "element", "fields", "currency")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_VALUE_FIELD_NUMBER: _ClassVar[int]
    ENUM_VALUES_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    kind: ValueKind
    unit: str
    required: bool
    min: _values_pb2.Value
    max: _values_pb2.Value
    default_value: _values_pb2.Value
    enum_values: _containers.RepeatedCompositeFieldContainer[EnumValue]
    element: FieldDefinition
    fields: _containers.RepeatedCompositeFieldContainer[FieldDefinition]
    currency: str
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., kind: _Optional[_Union[ValueKind, str]] = ..., unit: _Optional[str] = ..., required: _Optional[bool] = ..., min: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., max: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., default_value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., enum_values: _Optional[_Iterable[_Union[EnumValue, _Mapping]]] = ..., element: _Optional[_Union[FieldDefinition, _Mapping]] = ..., fields: _Optional[_Iterable[_Union[FieldDefinition, _Mapping]]] = ..., currency: _Optional[str] = ...) -> None: ...

class EnumValue(_message.Message):
    __slots__ = ("value", "title")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    value: str
    title: str
    def __init__(self, value: _Optional[str] = ..., title: _Optional[str] = ...) -> None: ...

class ParameterDefinition(_message.Message):
    __slots__ = ("name", "title", "value", "unit", "effective_from", "clauses", "set_by_company")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FROM_FIELD_NUMBER: _ClassVar[int]
    CLAUSES_FIELD_NUMBER: _ClassVar[int]
    SET_BY_COMPANY_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    value: _values_pb2.Value
    unit: str
    effective_from: str
    clauses: _containers.RepeatedScalarFieldContainer[str]
    set_by_company: bool
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., unit: _Optional[str] = ..., effective_from: _Optional[str] = ..., clauses: _Optional[_Iterable[str]] = ..., set_by_company: _Optional[bool] = ...) -> None: ...

class RowDefinition(_message.Message):
    __slots__ = ("row_id", "tests", "outputs", "clauses", "says", "reading", "is_default", "position")
    class OutputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ROW_ID_FIELD_NUMBER: _ClassVar[int]
    TESTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    CLAUSES_FIELD_NUMBER: _ClassVar[int]
    SAYS_FIELD_NUMBER: _ClassVar[int]
    READING_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    row_id: str
    tests: _containers.RepeatedCompositeFieldContainer[TestDefinition]
    outputs: _containers.ScalarMap[str, str]
    clauses: _containers.RepeatedScalarFieldContainer[str]
    says: str
    reading: str
    is_default: bool
    position: str
    def __init__(self, row_id: _Optional[str] = ..., tests: _Optional[_Iterable[_Union[TestDefinition, _Mapping]]] = ..., outputs: _Optional[_Mapping[str, str]] = ..., clauses: _Optional[_Iterable[str]] = ..., says: _Optional[str] = ..., reading: _Optional[str] = ..., is_default: _Optional[bool] = ..., position: _Optional[str] = ...) -> None: ...

class TestDefinition(_message.Message):
    __slots__ = ("name", "test")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    test: str
    def __init__(self, name: _Optional[str] = ..., test: _Optional[str] = ...) -> None: ...

class CheckRequest(_message.Message):
    __slots__ = ("source", "file_name", "include_notes")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_NOTES_FIELD_NUMBER: _ClassVar[int]
    source: str
    file_name: str
    include_notes: bool
    def __init__(self, source: _Optional[str] = ..., file_name: _Optional[str] = ..., include_notes: _Optional[bool] = ...) -> None: ...

class CheckResponse(_message.Message):
    __slots__ = ("ok", "findings", "version")
    OK_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ok: bool
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    version: str
    def __init__(self, ok: _Optional[bool] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., version: _Optional[str] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("code", "name", "severity", "message", "help", "file", "line", "column", "end_line", "end_column", "decision", "row_ids", "region", "example", "proposed_row", "accepted_reason")
    CODE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HELP_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    END_LINE_FIELD_NUMBER: _ClassVar[int]
    END_COLUMN_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    ROW_IDS_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    PROPOSED_ROW_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_REASON_FIELD_NUMBER: _ClassVar[int]
    code: str
    name: str
    severity: Severity
    message: str
    help: str
    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    decision: str
    row_ids: _containers.RepeatedScalarFieldContainer[str]
    region: str
    example: str
    proposed_row: str
    accepted_reason: str
    def __init__(self, code: _Optional[str] = ..., name: _Optional[str] = ..., severity: _Optional[_Union[Severity, str]] = ..., message: _Optional[str] = ..., help: _Optional[str] = ..., file: _Optional[str] = ..., line: _Optional[int] = ..., column: _Optional[int] = ..., end_line: _Optional[int] = ..., end_column: _Optional[int] = ..., decision: _Optional[str] = ..., row_ids: _Optional[_Iterable[str]] = ..., region: _Optional[str] = ..., example: _Optional[str] = ..., proposed_row: _Optional[str] = ..., accepted_reason: _Optional[str] = ...) -> None: ...

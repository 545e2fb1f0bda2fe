import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from policybook.v1 import values_pb2 as _values_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TraceLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRACE_LEVEL_UNSPECIFIED: _ClassVar[TraceLevel]
    TRACE_LEVEL_NONE: _ClassVar[TraceLevel]
    TRACE_LEVEL_MATCHED: _ClassVar[TraceLevel]
    TRACE_LEVEL_FULL: _ClassVar[TraceLevel]

class RowVerdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROW_VERDICT_UNSPECIFIED: _ClassVar[RowVerdict]
    ROW_VERDICT_SELECTED: _ClassVar[RowVerdict]
    ROW_VERDICT_OUTRANKED: _ClassVar[RowVerdict]
    ROW_VERDICT_NOT_MATCHED: _ClassVar[RowVerdict]
    ROW_VERDICT_NOT_REACHED: _ClassVar[RowVerdict]

class HeadroomSide(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HEADROOM_SIDE_UNSPECIFIED: _ClassVar[HeadroomSide]
    HEADROOM_SIDE_BELOW: _ClassVar[HeadroomSide]
    HEADROOM_SIDE_ABOVE: _ClassVar[HeadroomSide]

class HeadroomOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HEADROOM_OUTCOME_UNSPECIFIED: _ClassVar[HeadroomOutcome]
    HEADROOM_OUTCOME_DECIDED: _ClassVar[HeadroomOutcome]
    HEADROOM_OUTCOME_NO_MATCH: _ClassVar[HeadroomOutcome]
    HEADROOM_OUTCOME_REFUSED: _ClassVar[HeadroomOutcome]
TRACE_LEVEL_UNSPECIFIED: TraceLevel
TRACE_LEVEL_NONE: TraceLevel
TRACE_LEVEL_MATCHED: TraceLevel
TRACE_LEVEL_FULL: TraceLevel
ROW_VERDICT_UNSPECIFIED: RowVerdict
ROW_VERDICT_SELECTED: RowVerdict
ROW_VERDICT_OUTRANKED: RowVerdict
ROW_VERDICT_NOT_MATCHED: RowVerdict
ROW_VERDICT_NOT_REACHED: RowVerdict
HEADROOM_SIDE_UNSPECIFIED: HeadroomSide
HEADROOM_SIDE_BELOW: HeadroomSide
HEADROOM_SIDE_ABOVE: HeadroomSide
HEADROOM_OUTCOME_UNSPECIFIED: HeadroomOutcome
HEADROOM_OUTCOME_DECIDED: HeadroomOutcome
HEADROOM_OUTCOME_NO_MATCH: HeadroomOutcome
HEADROOM_OUTCOME_REFUSED: HeadroomOutcome

class Trace(_message.Message):
    __slots__ = ("tables", "elapsed")
    TABLES_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_FIELD_NUMBER: _ClassVar[int]
    tables: _containers.RepeatedCompositeFieldContainer[TableTrace]
    elapsed: _duration_pb2.Duration
    def __init__(self, tables: _Optional[_Iterable[_Union[TableTrace, _Mapping]]] = ..., elapsed: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class TableTrace(_message.Message):
    __slots__ = ("decision", "title", "hit_policy", "item_number", "inputs", "parameters", "rows", "outputs", "headroom")
    class OutputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _values_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ...) -> None: ...
    DECISION_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    HIT_POLICY_FIELD_NUMBER: _ClassVar[int]
    ITEM_NUMBER_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    HEADROOM_FIELD_NUMBER: _ClassVar[int]
    decision: str
    title: str
    hit_policy: str
    item_number: int
    inputs: _containers.RepeatedCompositeFieldContainer[NamedValue]
    parameters: _containers.RepeatedCompositeFieldContainer[ParameterTrace]
    rows: _containers.RepeatedCompositeFieldContainer[RowTrace]
    outputs: _containers.MessageMap[str, _values_pb2.Value]
    headroom: _containers.RepeatedCompositeFieldContainer[Headroom]
    def __init__(self, decision: _Optional[str] = ..., title: _Optional[str] = ..., hit_policy: _Optional[str] = ..., item_number: _Optional[int] = ..., inputs: _Optional[_Iterable[_Union[NamedValue, _Mapping]]] = ..., parameters: _Optional[_Iterable[_Union[ParameterTrace, _Mapping]]] = ..., rows: _Optional[_Iterable[_Union[RowTrace, _Mapping]]] = ..., outputs: _Optional[_Mapping[str, _values_pb2.Value]] = ..., headroom: _Optional[_Iterable[_Union[Headroom, _Mapping]]] = ...) -> None: ...

class Headroom(_message.Message):
    __slots__ = ("quantity", "moved_name", "side", "threshold", "threshold_included", "distance", "row_id", "test_name", "test", "beyond_outcome", "beyond_row_ids", "beyond_outputs")
    class BeyondOutputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _values_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ...) -> None: ...
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    MOVED_NAME_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_INCLUDED_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    ROW_ID_FIELD_NUMBER: _ClassVar[int]
    TEST_NAME_FIELD_NUMBER: _ClassVar[int]
    TEST_FIELD_NUMBER: _ClassVar[int]
    BEYOND_OUTCOME_FIELD_NUMBER: _ClassVar[int]
    BEYOND_ROW_IDS_FIELD_NUMBER: _ClassVar[int]
    BEYOND_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    quantity: NamedValue
    moved_name: str
    side: HeadroomSide
    threshold: _values_pb2.Value
    threshold_included: bool
    distance: _values_pb2.Value
    row_id: str
    test_name: str
    test: str
    beyond_outcome: HeadroomOutcome
    beyond_row_ids: _containers.RepeatedScalarFieldContainer[str]
    beyond_outputs: _containers.MessageMap[str, _values_pb2.Value]
    def __init__(self, quantity: _Optional[_Union[NamedValue, _Mapping]] = ..., moved_name: _Optional[str] = ..., side: _Optional[_Union[HeadroomSide, str]] = ..., threshold: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., threshold_included: _Optional[bool] = ..., distance: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., row_id: _Optional[str] = ..., test_name: _Optional[str] = ..., test: _Optional[str] = ..., beyond_outcome: _Optional[_Union[HeadroomOutcome, str]] = ..., beyond_row_ids: _Optional[_Iterable[str]] = ..., beyond_outputs: _Optional[_Mapping[str, _values_pb2.Value]] = ...) -> None: ...

class NamedValue(_message.Message):
    __slots__ = ("name", "title", "value", "unit")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    value: _values_pb2.Value
    unit: str
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., unit: _Optional[str] = ...) -> None: ...

class ParameterTrace(_message.Message):
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

class RowTrace(_message.Message):
    __slots__ = ("row_id", "verdict", "clauses", "says", "cells", "position", "is_default")
    ROW_ID_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    CLAUSES_FIELD_NUMBER: _ClassVar[int]
    SAYS_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    row_id: str
    verdict: RowVerdict
    clauses: _containers.RepeatedScalarFieldContainer[str]
    says: str
    cells: _containers.RepeatedCompositeFieldContainer[CellTrace]
    position: str
    is_default: bool
    def __init__(self, row_id: _Optional[str] = ..., verdict: _Optional[_Union[RowVerdict, str]] = ..., clauses: _Optional[_Iterable[str]] = ..., says: _Optional[str] = ..., cells: _Optional[_Iterable[_Union[CellTrace, _Mapping]]] = ..., position: _Optional[str] = ..., is_default: _Optional[bool] = ...) -> None: ...

class CellTrace(_message.Message):
    __slots__ = ("name", "test", "actual", "passed")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEST_FIELD_NUMBER: _ClassVar[int]
    ACTUAL_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    name: str
    test: str
    actual: _values_pb2.Value
    passed: bool
    def __init__(self, name: _Optional[str] = ..., test: _Optional[str] = ..., actual: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., passed: _Optional[bool] = ...) -> None: ...

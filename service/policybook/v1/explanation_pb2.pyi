from policybook.v1 import values_pb2 as _values_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExplainedOutcomeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPLAINED_OUTCOME_KIND_UNSPECIFIED: _ClassVar[ExplainedOutcomeKind]
    EXPLAINED_OUTCOME_KIND_DECIDED: _ClassVar[ExplainedOutcomeKind]
    EXPLAINED_OUTCOME_KIND_NO_MATCH: _ClassVar[ExplainedOutcomeKind]
    EXPLAINED_OUTCOME_KIND_REFUSED: _ClassVar[ExplainedOutcomeKind]

class Relevance(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RELEVANCE_UNSPECIFIED: _ClassVar[Relevance]
    RELEVANCE_NEEDED: _ClassVar[Relevance]
    RELEVANCE_IRRELEVANT: _ClassVar[Relevance]
    RELEVANCE_UNDECIDED: _ClassVar[Relevance]
EXPLAINED_OUTCOME_KIND_UNSPECIFIED: ExplainedOutcomeKind
EXPLAINED_OUTCOME_KIND_DECIDED: ExplainedOutcomeKind
EXPLAINED_OUTCOME_KIND_NO_MATCH: ExplainedOutcomeKind
EXPLAINED_OUTCOME_KIND_REFUSED: ExplainedOutcomeKind
RELEVANCE_UNSPECIFIED: Relevance
RELEVANCE_NEEDED: Relevance
RELEVANCE_IRRELEVANT: Relevance
RELEVANCE_UNDECIDED: Relevance

class Reason(_message.Message):
    __slots__ = ("decision", "title", "item_number", "row_id", "clauses", "says", "reading", "outputs", "sentence")
    class OutputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _values_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ...) -> None: ...
    DECISION_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ITEM_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ROW_ID_FIELD_NUMBER: _ClassVar[int]
    CLAUSES_FIELD_NUMBER: _ClassVar[int]
    SAYS_FIELD_NUMBER: _ClassVar[int]
    READING_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    decision: str
    title: str
    item_number: int
    row_id: str
    clauses: _containers.RepeatedScalarFieldContainer[str]
    says: str
    reading: str
    outputs: _containers.MessageMap[str, _values_pb2.Value]
    sentence: str
    def __init__(self, decision: _Optional[str] = ..., title: _Optional[str] = ..., item_number: _Optional[int] = ..., row_id: _Optional[str] = ..., clauses: _Optional[_Iterable[str]] = ..., says: _Optional[str] = ..., reading: _Optional[str] = ..., outputs: _Optional[_Mapping[str, _values_pb2.Value]] = ..., sentence: _Optional[str] = ...) -> None: ...

class ExplainedOutcome(_message.Message):
    __slots__ = ("kind", "row_ids", "outputs", "refusal")
    class OutputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _values_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ...) -> None: ...
    KIND_FIELD_NUMBER: _ClassVar[int]
    ROW_IDS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    kind: ExplainedOutcomeKind
    row_ids: _containers.RepeatedScalarFieldContainer[str]
    outputs: _containers.MessageMap[str, _values_pb2.Value]
    refusal: str
    def __init__(self, kind: _Optional[_Union[ExplainedOutcomeKind, str]] = ..., row_ids: _Optional[_Iterable[str]] = ..., outputs: _Optional[_Mapping[str, _values_pb2.Value]] = ..., refusal: _Optional[str] = ...) -> None: ...

class WhyNot(_message.Message):
    __slots__ = ("alternatives", "proved_inputs", "searched_inputs", "limited_by", "changeable_inputs", "sentence")
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    PROVED_INPUTS_FIELD_NUMBER: _ClassVar[int]
    SEARCHED_INPUTS_FIELD_NUMBER: _ClassVar[int]
    LIMITED_BY_FIELD_NUMBER: _ClassVar[int]
    CHANGEABLE_INPUTS_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    alternatives: _containers.RepeatedCompositeFieldContainer[Alternative]
    proved_inputs: int
    searched_inputs: int
    limited_by: str
    changeable_inputs: _containers.RepeatedScalarFieldContainer[str]
    sentence: str
    def __init__(self, alternatives: _Optional[_Iterable[_Union[Alternative, _Mapping]]] = ..., proved_inputs: _Optional[int] = ..., searched_inputs: _Optional[int] = ..., limited_by: _Optional[str] = ..., changeable_inputs: _Optional[_Iterable[str]] = ..., sentence: _Optional[str] = ...) -> None: ...

class Alternative(_message.Message):
    __slots__ = ("changes", "outcome", "fewest_proved", "least_proved", "sentence")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    FEWEST_PROVED_FIELD_NUMBER: _ClassVar[int]
    LEAST_PROVED_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[InputChange]
    outcome: ExplainedOutcome
    fewest_proved: bool
    least_proved: bool
    sentence: str
    def __init__(self, changes: _Optional[_Iterable[_Union[InputChange, _Mapping]]] = ..., outcome: _Optional[_Union[ExplainedOutcome, _Mapping]] = ..., fewest_proved: _Optional[bool] = ..., least_proved: _Optional[bool] = ..., sentence: _Optional[str] = ...) -> None: ...

class InputChange(_message.Message):
    __slots__ = ("input", "title", "from_value", "to_value", "difference", "added_values", "removed_values", "sentence")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    FROM_VALUE_FIELD_NUMBER: _ClassVar[int]
    TO_VALUE_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    ADDED_VALUES_FIELD_NUMBER: _ClassVar[int]
    REMOVED_VALUES_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    input: str
    title: str
    from_value: _values_pb2.Value
    to_value: _values_pb2.Value
    difference: _values_pb2.Value
    added_values: _containers.RepeatedCompositeFieldContainer[_values_pb2.Value]
    removed_values: _containers.RepeatedCompositeFieldContainer[_values_pb2.Value]
    sentence: str
    def __init__(self, input: _Optional[str] = ..., title: _Optional[str] = ..., from_value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., to_value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., difference: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., added_values: _Optional[_Iterable[_Union[_values_pb2.Value, _Mapping]]] = ..., removed_values: _Optional[_Iterable[_Union[_values_pb2.Value, _Mapping]]] = ..., sentence: _Optional[str] = ...) -> None: ...

class Variation(_message.Message):
    __slots__ = ("input", "title", "actual", "step", "pieces", "proved", "limited_by", "sentence")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ACTUAL_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PIECES_FIELD_NUMBER: _ClassVar[int]
    PROVED_FIELD_NUMBER: _ClassVar[int]
    LIMITED_BY_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    input: str
    title: str
    actual: _values_pb2.Value
    step: _values_pb2.Value
    pieces: _containers.RepeatedCompositeFieldContainer[VariationPiece]
    proved: bool
    limited_by: str
    sentence: str
    def __init__(self, input: _Optional[str] = ..., title: _Optional[str] = ..., actual: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., step: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., pieces: _Optional[_Iterable[_Union[VariationPiece, _Mapping]]] = ..., proved: _Optional[bool] = ..., limited_by: _Optional[str] = ..., sentence: _Optional[str] = ...) -> None: ...

class VariationPiece(_message.Message):
    __slots__ = ("first_value", "last_value", "values", "added_value", "removed_value", "is_actual", "outcome", "varying_outputs", "turning_tests", "sentence")
    FIRST_VALUE_FIELD_NUMBER: _ClassVar[int]
    LAST_VALUE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    ADDED_VALUE_FIELD_NUMBER: _ClassVar[int]
    REMOVED_VALUE_FIELD_NUMBER: _ClassVar[int]
    IS_ACTUAL_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    VARYING_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    TURNING_TESTS_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    first_value: _values_pb2.Value
    last_value: _values_pb2.Value
    values: _containers.RepeatedCompositeFieldContainer[_values_pb2.Value]
    added_value: _values_pb2.Value
    removed_value: _values_pb2.Value
    is_actual: bool
    outcome: ExplainedOutcome
    varying_outputs: _containers.RepeatedScalarFieldContainer[str]
    turning_tests: _containers.RepeatedCompositeFieldContainer[TurningTest]
    sentence: str
    def __init__(self, first_value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., last_value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., values: _Optional[_Iterable[_Union[_values_pb2.Value, _Mapping]]] = ..., added_value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., removed_value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., is_actual: _Optional[bool] = ..., outcome: _Optional[_Union[ExplainedOutcome, _Mapping]] = ..., varying_outputs: _Optional[_Iterable[str]] = ..., turning_tests: _Optional[_Iterable[_Union[TurningTest, _Mapping]]] = ..., sentence: _Optional[str] = ...) -> None: ...

class TurningTest(_message.Message):
    __slots__ = ("decision", "row_id", "name", "test")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    ROW_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEST_FIELD_NUMBER: _ClassVar[int]
    decision: str
    row_id: str
    name: str
    test: str
    def __init__(self, decision: _Optional[str] = ..., row_id: _Optional[str] = ..., name: _Optional[str] = ..., test: _Optional[str] = ...) -> None: ...

class Completion(_message.Message):
    __slots__ = ("settled", "settled_outcome", "unstated_inputs", "limited_by", "sentence")
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    SETTLED_OUTCOME_FIELD_NUMBER: _ClassVar[int]
    UNSTATED_INPUTS_FIELD_NUMBER: _ClassVar[int]
    LIMITED_BY_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    settled: bool
    settled_outcome: ExplainedOutcome
    unstated_inputs: _containers.RepeatedCompositeFieldContainer[UnstatedInput]
    limited_by: str
    sentence: str
    def __init__(self, settled: _Optional[bool] = ..., settled_outcome: _Optional[_Union[ExplainedOutcome, _Mapping]] = ..., unstated_inputs: _Optional[_Iterable[_Union[UnstatedInput, _Mapping]]] = ..., limited_by: _Optional[str] = ..., sentence: _Optional[str] = ...) -> None: ...

class UnstatedInput(_message.Message):
    __slots__ = ("input", "title", "relevance", "required", "default_value", "first_decision", "example")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    RELEVANCE_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_VALUE_FIELD_NUMBER: _ClassVar[int]
    FIRST_DECISION_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    input: str
    title: str
    relevance: Relevance
    required: bool
    default_value: _values_pb2.Value
    first_decision: str
    example: UnstatedInputExample
    def __init__(self, input: _Optional[str] = ..., title: _Optional[str] = ..., relevance: _Optional[_Union[Relevance, str]] = ..., required: _Optional[bool] = ..., default_value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., first_decision: _Optional[str] = ..., example: _Optional[_Union[UnstatedInputExample, _Mapping]] = ...) -> None: ...

class UnstatedInputExample(_message.Message):
    __slots__ = ("value", "outcome", "other_value", "other_outcome", "other_facts")
    class OtherFactsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _values_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ...) -> None: ...
    VALUE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    OTHER_VALUE_FIELD_NUMBER: _ClassVar[int]
    OTHER_OUTCOME_FIELD_NUMBER: _ClassVar[int]
    OTHER_FACTS_FIELD_NUMBER: _ClassVar[int]
    value: _values_pb2.Value
    outcome: ExplainedOutcome
    other_value: _values_pb2.Value
    other_outcome: ExplainedOutcome
    other_facts: _containers.MessageMap[str, _values_pb2.Value]
    def __init__(self, value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., outcome: _Optional[_Union[ExplainedOutcome, _Mapping]] = ..., other_value: _Optional[_Union[_values_pb2.Value, _Mapping]] = ..., other_outcome: _Optional[_Union[ExplainedOutcome, _Mapping]] = ..., other_facts: _Optional[_Mapping[str, _values_pb2.Value]] = ...) -> None: ...

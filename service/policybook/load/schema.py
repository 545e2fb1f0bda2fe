"""The published JSON Schema of the book format, made from the same table of keys that the loader reads by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policybook.load import keys
from policybook.load.keys import Key
from policybook.model.book import Aggregation, HitPolicy
from policybook.model.kinds import Base

Schema = dict[str, Any]

_NAME = "^[a-z][a-z0-9_]*$"
_SCALAR: Schema = {"type": ["string", "number", "boolean"]}
_DATE: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
_EXPRESSION: Schema = {"type": ["string", "number", "boolean", "null", "array"]}
_ROUNDINGS = ["half_up", "half_even", "up", "down"]

_FORMS: dict[str, Schema] = {
    keys.TEXT: {"$ref": "#/$defs/text"},
    keys.WORD: _SCALAR,
    keys.WORDS: {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]},
    keys.EXPRESSION: _EXPRESSION,
    keys.FLAG: {"type": "boolean"},
    keys.COUNT: {"type": "integer", "minimum": 0},
    "type": {"$ref": "#/$defs/type"},
    "fields": {"$ref": "#/$defs/fields"},
    "values": {"$ref": "#/$defs/values"},
    "effective": {"$ref": "#/$defs/effective"},
    "dated values": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/dated"}},
    "parameters": {"type": "object", "propertyNames": {"pattern": _NAME}, "additionalProperties": {"$ref": "#/$defs/parameter"}},
    "decisions": {"type": "object", "propertyNames": {"pattern": _NAME}, "additionalProperties": {"$ref": "#/$defs/decision"}},
    "rows": {"type": ["array", "null"], "items": {"$ref": "#/$defs/row"}},
    "acceptances": {"type": "array", "items": {"$ref": "#/$defs/acceptance"}},
    "default row": {"$ref": "#/$defs/default"},
    "invariants": {"type": "array", "items": {"$ref": "#/$defs/invariant"}},
    "ranks": {"type": "array", "minItems": 1, "items": {"anyOf": [_SCALAR, {"type": "array", "minItems": 1, "items": _SCALAR}]}},
    "pair": {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": {"type": "string"}},
    "tests": {"type": ["object", "null"], "additionalProperties": _EXPRESSION},
    "expressions": {"type": "object", "additionalProperties": _EXPRESSION},
    "enum values": {
        "anyOf": [
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
            {"type": "object", "additionalProperties": {"anyOf": [{"$ref": "#/$defs/text"}, {"type": "null"}]}},
        ]
    },
    "source": {
        "type": "object",
        "properties": {"document": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}},
        "required": ["document"],
        "additionalProperties": False,
    },
}


def _object(table: Mapping[str, Key], what: str, narrower: Mapping[str, Schema] | None = None) -> Schema:
    special = narrower or {}
    properties = {name: {"description": key.meaning, **special.get(name, _FORMS[key.form])} for name, key in table.items()}
    required = [name for name, key in table.items() if key.required]
    out: Schema = {"type": "object", "description": what, "properties": properties, "additionalProperties": False}
    if required:
        out["required"] = required
    return out


def book_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of a book.

    It completes and checks what an editor can know; the full check is `policybook check`.
    """
    types = [b.value for b in Base if b is not Base.NULL]
    policies = [p.value for p in HitPolicy] + [f"collect {a.value}" for a in Aggregation]
    # Free words beside the fixed ones: a type may be one of the book's own.
    type_word: Schema = {"anyOf": [{"enum": types}, {"type": "string", "pattern": _NAME}]}
    company: Schema = {"const": "company"}
    dates: dict[str, Schema] = {"from": _DATE, "to": _DATE}
    row: dict[str, Schema] = {"set_by": company, "id": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "policybook",
        **_object(
            keys.BOOK, "A policy book: named figures, typed inputs, decision tables", {"policy": {"type": "string", "pattern": _NAME}}
        ),
        "$defs": {
            "text": {
                "anyOf": [
                    {"type": "string"},
                    {"type": "object", "properties": {"en": {"type": "string"}, "zh": {"type": "string"}}, "additionalProperties": False},
                ]
            },
            "effective": _object(keys.EFFECTIVE, "Days in force, both included", dates),
            "type": {"anyOf": [type_word, {"$ref": "#/$defs/field"}]},
            "field": _object(keys.TYPE, "A typed value", {"type": type_word, "rounding": {"enum": _ROUNDINGS}}) | {"required": ["type"]},
            "fields": {"type": "object", "propertyNames": {"pattern": _NAME}, "additionalProperties": {"$ref": "#/$defs/type"}},
            "dated": _object(keys.DATED, "A figure from a day on", dates),
            "parameter": {"anyOf": [_SCALAR, _object(keys.PARAMETER, "A named figure", {"type": type_word, "set_by": company})]},
            "values": {
                "type": "object",
                "propertyNames": {"pattern": _NAME},
                "additionalProperties": {"anyOf": [_SCALAR, _object(keys.VALUE, "A derived value")]},
            },
            "row": _object(keys.ROW, "A row: when all its tests pass, it answers", row),
            "acceptance": _object(keys.ACCEPTANCE, "A finding of the analysis that is meant"),
            "default": _object(keys.DEFAULT_ROW, "The row that answers when no other matches", row),
            "invariant": _object(
                keys.INVARIANT, "What always holds of a decision's answers", {"id": row["id"], "never": {"enum": ["rises", "falls"]}}
            ),
            "decision": _object(keys.DECISION, "A decision table", {"hit_policy": {"enum": policies}}),
        },
    }

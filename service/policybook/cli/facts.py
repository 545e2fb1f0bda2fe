"""Facts as a person gives them on the command line: name=value, or a JSON or YAML file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import click

from policybook.cli.exits import RefusedError
from policybook.load.yaml import parse_yaml
from policybook.model.facts import RAW_NULL, Raw, Tag
from policybook.source import Source
from policybook.trials.read import raw_of
from policybook.values import parse_date, parse_datetime

MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 24


def facts_from_arguments(arguments: Iterable[str]) -> dict[str, Raw]:
    """Read `name=value` arguments; a value is written as in a book.

    Raises:
        click.UsageError: an argument without `=`, or a name given twice
    """
    facts: dict[str, Raw] = {}
    for argument in arguments:
        name, sign, text = argument.partition("=")
        if not sign or not name:
            raise click.UsageError(f"`{argument[:80]}` is not `name=value`, such as `credit_limit=10000`")
        if name in facts:
            raise click.UsageError(f"`{name}` is given twice")
        facts[name] = value_of(name, text)
    return facts


def value_of(name: str, text: str) -> Raw:
    """Read a value as it is written in a book.

    Raises:
        RefusedError: a list or record that is malformed
    """
    if text[:1] in ("[", "{"):
        tree, findings = parse_yaml(Source(name, text))
        if tree is None or findings:
            raise RefusedError(
                f"`{name}`: {findings[0].message}; a list is written `[a, b]`, a record `{{amount: 5, paid_on: 2026-01-01}}`"
            )
        return raw_of(tree)
    return RAW_NULL if text == "null" else Raw(Tag.LITERAL, text)


def object_from_json(text: str, name: str) -> Mapping[str, Any]:
    """Read a JSON object; numbers stay text, so that they stay exact.

    Raises:
        RefusedError: not JSON, not an object, or with equal keys
    """
    if len(text) > MAX_FILE_BYTES:
        raise RefusedError(f"{name}: more than the {MAX_FILE_BYTES // 1048576} MiB allowed")

    def refuse(constant: str) -> NoReturn:
        raise RefusedError(f"{name}: `{constant}` is no exact number")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            twice = next(k for i, (k, _) in enumerate(pairs) if k in [p[0] for p in pairs[:i]])
            raise RefusedError(f"{name}: the key `{twice}` stands twice in one object")
        return made

    try:
        value = json.loads(text, parse_float=_Number, parse_int=_Number, parse_constant=refuse, object_pairs_hook=unique)
    except json.JSONDecodeError as e:
        raise RefusedError(f"{name}:{e.lineno}:{e.colno}: not JSON: {e.msg.lower()}") from None
    except RecursionError:
        raise RefusedError(f"{name}: nested too deep") from None
    if not isinstance(value, dict):
        raise RefusedError(f'{name}: facts are a JSON object, `{{"credit_limit": 10000}}`')
    return value


class _Number(str):
    """The digits of a JSON number."""

    __slots__ = ()


def raw_from_json(value: Any, depth: int = 0) -> Raw:
    """Return a JSON value as a raw fact, to be read by the declared type."""
    if depth > MAX_DEPTH:
        raise RefusedError(f"facts are nested more than {MAX_DEPTH} deep")
    match value:
        case None:
            return RAW_NULL
        case bool():
            return Raw(Tag.FLAG, value)
        case _Number():
            return Raw(Tag.LITERAL, str(value))
        case str():
            # `"null"` in JSON is a text of four letters; as a literal it would be nothing.
            return Raw(Tag.TEXT, value) if value == "null" else Raw(Tag.LITERAL, value)
        case list():
            return Raw(Tag.LIST, tuple(raw_from_json(v, depth + 1) for v in value))
        case dict():
            return Raw(Tag.RECORD, {k: raw_from_json(v, depth + 1) for k, v in value.items()})
        case _:
            raise RefusedError(f"`{value}` cannot be a fact")


def facts_from_json(value: Mapping[str, Any]) -> dict[str, Raw]:
    """Return a JSON object as raw facts."""
    return {name: raw_from_json(v) for name, v in value.items()}


def moment(text: str, zone: ZoneInfo) -> date | datetime:
    """Read a day, or an instant (in `zone` when it has no offset).

    Raises:
        RefusedError: neither
    """
    try:
        return parse_datetime(text, zone) if "T" in text else parse_date(text)
    except ValueError as e:
        raise RefusedError(f"--as-of: {e}; write a day, `2026-03-01`, or an instant, `2026-03-01T16:00:00+08:00`") from None

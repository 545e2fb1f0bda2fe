"""The settings of the service as options of a command: each is made of its field, so that none is forgotten or told twice."""

from __future__ import annotations

import enum
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import annotated_types
import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from policybook.cli.exits import say
from policybook.server.settings import PREFIX, Configured, Settings, SettingsError, configure, flag_of

F = TypeVar("F", bound=Callable[..., Any])


def settings_options(function: F) -> F:
    """Add PATHS, an option for each setting, and --config."""
    for name, field in reversed(Settings.model_fields.items()):
        if name != "books" and not _is_section(field):
            function = _option(name, field)(function)
    function = click.option(
        "--config",
        "config_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar=f"{PREFIX}CONFIG",
        help="A YAML file of settings; `policybook config` writes one.",
    )(function)
    return click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))(function)


def configured(ctx: click.Context) -> Configured:
    """Take the settings from flags, the environment and the file; variables that are none of them are told.

    Raises:
        click.UsageError: a setting cannot be
    """
    given = {
        name: ctx.params[name]
        for name in Settings.model_fields
        if name in ctx.params and ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    if ctx.params["paths"]:
        given["books"] = ctx.params["paths"]
    try:
        found = configure(given, file=ctx.params["config_file"])
    except SettingsError as e:
        raise click.UsageError("\n".join(e.lines)) from None
    for sentence in found.unknown:
        say("warning", sentence)
    return found


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _option(name: str, field: FieldInfo) -> Callable[[F], F]:
    kind, multiple = _kind(field)
    default = field.get_default(call_default_factory=True)
    if isinstance(default, enum.Enum):
        default = default.value
    if field.annotation is bool:
        return click.option(flag_of(name), name, is_flag=True, default=default, help=field.description)
    return click.option(
        flag_of(name),
        name,
        type=kind,
        multiple=multiple,
        default=None if default == "" else default,
        show_default=default not in ("", None, ()),
        metavar=(field.json_schema_extra or {}).get("metavar") if isinstance(field.json_schema_extra, dict) else None,
        help=field.description,
    )


def _kind(field: FieldInfo) -> tuple[click.ParamType[Any], bool]:
    annotation: Any = field.annotation
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        return click.Choice(arguments), False
    if get_origin(annotation) is tuple:
        return _plain(arguments[0], field), True
    if type(None) in arguments:
        return _plain(next(a for a in arguments if a is not type(None)), field), False
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return click.Choice([e.value for e in annotation]), False
    return _plain(annotation, field), False


def _plain(kind: type, field: FieldInfo) -> click.ParamType[Any]:
    low = next((m.ge for m in field.metadata if isinstance(m, annotated_types.Ge)), None)
    high = next((m.le for m in field.metadata if isinstance(m, annotated_types.Le)), None)
    if kind is int:
        return click.IntRange(low, high)  # type: ignore[arg-type]  # bounds of numbers are numbers
    if kind is float:
        return click.FloatRange(low, high)  # type: ignore[arg-type]  # see above
    return click.Path(path_type=Path) if kind is Path else click.STRING

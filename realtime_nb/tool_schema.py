"""From a Python function to the JSON schema of its arguments, and to what checks them; by pydantic.

Annotations say what fits, the docstring says what it means. Heavy libraries load with the first function.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, NotRequired

from .errors import SettingsError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

# Words of a schema that no model needs, and those that hold values instead of schemas.
_LEFT_OUT = ("title", "discriminator")
_VALUES = ("default", "enum", "const", "examples", "required")


def read_docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Return what a docstring says of a function, and of its parameters."""
    from docstring_parser import ParseError, parse

    text = inspect.cleandoc(_documented(function).__doc__ or "")
    try:
        parsed = parse(text)
    except ParseError:
        return text, {}
    described = {
        name.strip().lstrip("*"): " ".join((each.description or "").split())
        for each in parsed.params
        for name in each.arg_name.split(",")
    }
    return (parsed.description or "").strip(), described


def arguments_of(
    function: Callable[..., Any], name: str, described: Mapping[str, str]
) -> tuple[inspect.Signature, TypeAdapter[dict[str, Any]]]:
    """Return how to call a function, and what checks a model's arguments for it."""
    from pydantic import ConfigDict, TypeAdapter, with_config
    from pydantic.errors import PydanticUserError
    from typing_extensions import TypedDict

    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise SettingsError(f"{name}() yields its results one by one: return them together, as a list")
    try:
        signature = inspect.signature(function)
        hints = typing.get_type_hints(_documented(function), include_extras=True)
    except (NameError, TypeError, ValueError) as error:
        raise SettingsError(
            f"the signature of {name}() cannot be read ({error}): its types must be defined where it is"
        ) from error
    # What `functools.partial` has fixed by name is not for the model to change.
    fixed = function.keywords if isinstance(function, functools.partial) else {}
    kept = [parameter for parameter in signature.parameters.values() if parameter.name not in fixed]
    fields = {each.name: _field_of(each, name, hints, described.get(each.name, "")) for each in kept}
    # A TypedDict may have any names, where a model's fields could hide its methods.
    arguments: Any = TypedDict(name, fields)  # type: ignore[misc]
    try:
        adapter: Any = TypeAdapter(with_config(ConfigDict(extra="forbid"))(arguments))
        adapter.json_schema()
    except PydanticUserError as error:
        raise SettingsError(
            f"{name}() has a parameter that no JSON can hold: {str(error.message).splitlines()[0]}"
        ) from error
    return signature.replace(parameters=kept), adapter


def _field_of(parameter: inspect.Parameter, name: str, hints: Mapping[str, Any], described: str) -> Any:
    """Return a parameter as a field: its type with all that is known of it."""
    from pydantic import Field
    from pydantic.fields import FieldInfo

    at = parameter.name
    if parameter.kind is parameter.VAR_POSITIONAL:
        raise SettingsError(f"{name}(*{at}) has no names for its arguments: take a list instead, {at}: list[str]")
    if parameter.kind is parameter.VAR_KEYWORD:
        raise SettingsError(f"{name}(**{at}) takes arguments of any name: name them, or take {at}: dict[str, str]")
    if at not in hints:
        way = "pass the method of an object" if at in ("self", "cls") else f"annotate it, e.g. {at}: str"
        raise SettingsError(f"{name}() does not say what {at!r} is: {way}")
    field, default = hints[at], parameter.default
    if described:
        # Below what the annotation says itself.
        base, *more = typing.get_args(field) if typing.get_origin(field) is Annotated else (field,)
        field = Annotated[(base, Field(description=described), *more)]
    if isinstance(default, FieldInfo):
        field = Annotated[field, default]
        return field if default.is_required() else NotRequired[field]
    if default is parameter.empty:
        return field
    if isinstance(default, str | int | float | Enum):
        field = Annotated[field, Field(default)]  # The model gets to know it.
    return NotRequired[field]


def plain_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without titles and, unless it is recursive, without references: not every server reads them."""
    definitions = schema.pop("$defs", {})
    open_references: list[str] = []

    def plain(node: Any, inside: tuple[str, ...] = ()) -> Any:
        if isinstance(node, list):
            return [plain(each, inside) for each in node]
        if not isinstance(node, dict):
            return node
        if reference := node.get("$ref"):
            name = reference.removeprefix("#/$defs/")
            if name in inside:
                open_references.append(name)
                return node
            rest = {key: value for key, value in node.items() if key != "$ref"}
            return plain({**definitions[name], **rest}, (*inside, name))
        return {key: below(key, value, inside) for key, value in node.items() if key not in _LEFT_OUT}

    def below(key: str, value: Any, inside: tuple[str, ...]) -> Any:
        if key == "properties":
            return {name: plain(each, inside) for name, each in value.items()}
        return value if key in _VALUES else plain(value, inside)

    told: dict[str, Any] = plain(schema)
    kept: dict[str, Any] = {}
    while missing := [name for name in open_references if name not in kept]:
        kept[missing[0]] = plain(definitions[missing[0]], (missing[0],))
    return {**told, "$defs": kept} if kept else told


def explained(error: ValidationError) -> str:
    """Return what is wrong with a model's arguments, in a line for the model."""
    problems = [
        f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}"
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return "the arguments do not fit: " + "; ".join(problems)


def _documented(function: Callable[..., Any]) -> Any:
    """Return what holds a callable's annotations and docstring."""
    inner: Any = function.func if isinstance(function, functools.partial) else function
    return inner if inspect.isroutine(inner) or inspect.isclass(inner) else type(inner).__call__

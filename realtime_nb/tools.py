"""Python functions as tools: the JSON schema, the checked call, and the result for the model.

Floor 1.
"""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, NotRequired

from .errors import SettingsError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError


# --- From a Python function to the JSON schema of its arguments, and to what checks them; by pydantic -----------------
# Annotations give the types, the docstring their meaning. Heavy libraries load with the first function.

# Keywords of a schema that no model needs, and those that hold values instead of schemas.
_LEFT_OUT = ("title", "discriminator")
_VALUES = ("default", "enum", "const", "examples", "required")


def read_docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Return what a docstring says about a function and its parameters."""
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
    """Return a function's signature, and the model that checks the arguments of a call."""
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
    # The model must not change what `functools.partial` has fixed by name.
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
    """Return a parameter as a field: its type with everything known about it."""
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
    """Return the object that holds a callable's annotations and docstring."""
    inner: Any = function.func if isinstance(function, functools.partial) else function
    return inner if inspect.isroutine(inner) or inspect.isclass(inner) else type(inner).__call__


# --- A plain Python function as a tool: its JSON schema, a checked call, and the result for the model -----------------
#
# The schema comes from annotations and docstring, by pydantic; nothing here runs a function, waits or does I/O.

#: How long a tool may take, unless you say otherwise.
TIMEOUT_S = 30.0
#: How much of a result the model gets, unless you say otherwise: about 4,000 tokens, read again in every turn.
MAX_CHARS = 16_000
# Chat Completions refuses longer descriptions; the text of an exception gets the same bound.
_LONGEST_TEXT = 1_024
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")

Approver = Callable[[Any], Any]


class Tool:
    """A Python function that a model may call; made by `tool`, and you can still call it yourself.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> def add(a: int, b: int) -> int:
    ...     "Add two numbers."
    ...     return a + b
    >>> adder = rt.tool(add, approve=True)
    >>> adder(2, 3)
    5
    >>> adder.definition["parameters"]["required"]
    ['a', 'b']
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        approve: bool | Approver | None = None,
        timeout_s: float | None = TIMEOUT_S,
        max_chars: int = MAX_CHARS,
    ):
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.name = _name_of(function) if name is None else name
        if not _NAME.fullmatch(self.name):
            raise SettingsError(
                f"a tool cannot be called {self.name!r}: names are 1 to 64 letters, digits, '_' or '-'; give one with "
                "tool(function, name=…)"
            )
        if timeout_s is not None and not timeout_s > 0:
            raise SettingsError(f"timeout_s={timeout_s!r} must be positive, or None for no bound")
        if max_chars < 1:
            raise SettingsError(f"max_chars={max_chars!r} must be positive")
        self.approve = approve
        self.timeout_s = timeout_s
        self.max_chars = max_chars
        told, described = read_docstring(function)
        self.description = _bounded(told) if description is None else description
        self._signature, self._adapter = arguments_of(function, self.name, described)
        self.parameters = plain_schema(self._adapter.json_schema())
        """JSON schema of the arguments, an object."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"

    @property
    def definition(self) -> dict[str, Any]:
        """The function's definition in the shape of the API."""
        told = {"description": self.description} if self.description else {}
        return {"type": "function", "name": self.name, **told, "parameters": self.parameters}

    def bind(self, arguments: str) -> inspect.BoundArguments:
        """Check a model's arguments.

        Parameters
        ----------
        arguments : str
            JSON text of an object; empty text counts as an empty object.

        Returns
        -------
        bound : inspect.BoundArguments
            The arguments for `function`, in the types of its annotations.

        Raises
        ------
        ValueError
            If they do not fit; the message tells the model why.
        """
        from pydantic import ValidationError

        try:
            checked = self._adapter.validate_json(arguments or "{}")
        except ValidationError as error:
            raise ValueError(explained(error)) from None
        bound = self._signature.bind_partial()
        bound.arguments.update(checked)
        bound.apply_defaults()
        return bound


def tool(
    function: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    approve: bool | Approver | None = None,
    timeout_s: float | None = TIMEOUT_S,
    max_chars: int = MAX_CHARS,
) -> Any:
    """Make a tool from a function, with options; `tools=[function]` does the same with the defaults.

    Parameters
    ----------
    function : callable
        Sync or async; methods and `functools.partial` too. Every parameter needs an annotation: types that pydantic
        knows, `Literal`, `Enum`, dataclasses, ``Annotated[int, Field(ge=1)]``. The docstring, numpydoc or Google
        style, describes the function and its parameters to the model.
    name : str, optional
        By default the function's own.
    description : str, optional
        By default the first 1,024 characters of the docstring's text.
    approve : bool or callable, optional
        Whether a person must agree to each call. `True` asks by the panel's buttons; a callable takes the call
        (``name``, ``arguments``, ``call_id``) and returns whether it may run. By default the session decides.
    timeout_s : float or None, default 30
        In seconds; then the model is told that there was no answer. A sync function cannot be stopped: it goes on in
        its thread, and its result is dropped.
    max_chars : int, default 16000
        How much of a result the model gets; a note says where it was cut.

    Returns
    -------
    tool : Tool
        Pass it in a session's `tools`. Without `function`, you get a decorator that makes one.

    Raises
    ------
    SettingsError
        If no schema can describe the function's signature.

    Notes
    -----
    A result goes to the model as JSON, a `str` unchanged. The message of an exception goes to the model too, and the
    voice may say it aloud; its traceback never does. Keep secrets out of messages.

    Examples
    --------
    >>> def order_status(number: int) -> str:
    ...     '''Look up where an order is.
    ...
    ...     Parameters
    ...     ----------
    ...     number : int
    ...         The order's number.
    ...     '''
    ...     return "on its way" if number == 7 else "unknown"
    >>> tool(order_status, timeout_s=5).parameters["properties"]["number"]
    {'description': "The order's number.", 'type': 'integer'}
    """
    made = functools.partial(
        Tool, name=name, description=description, approve=approve, timeout_s=timeout_s, max_chars=max_chars
    )
    if isinstance(function, Tool):
        raise SettingsError(f"{function.name!r} is a tool already: give its options where it is made")
    return made if function is None else made(function)


def read_tools(tools: Sequence[Any]) -> tuple[list[dict[str, Any]], dict[str, Tool]]:
    """Read a caller's tools: functions, `Tool`s, and tools in the API's own shape.

    Returns all of them as the API takes them, and by name those that can be run here.

    Raises `SettingsError` if something is not a tool, or two have the same name.
    """
    definitions: list[dict[str, Any]] = []
    functions: dict[str, Tool] = {}
    for each in tools:
        if isinstance(each, Mapping):
            definitions.append(dict(each))
            continue
        if not callable(each):
            raise SettingsError(f"{each!r} is not a tool: give a function, or a dict in the API's shape")
        made = each if isinstance(each, Tool) else Tool(each)
        functions[made.name] = made
        definitions.append(made.definition)
    names = [each["name"] for each in definitions if "name" in each]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SettingsError(f"two tools are called {twice!r}: give one another name with tool(function, name=…)")
    return definitions, functions


def result_text(result: Any, max_chars: int = MAX_CHARS) -> str:
    """Return a result for the model: JSON, or a `str` unchanged, cut with a note if it is too long."""
    from pydantic_core import to_json

    if isinstance(result, str):
        text = result
    else:
        text = to_json(result, bytes_mode="base64", inf_nan_mode="null", fallback=_fallback).decode()
    if len(text) > max_chars:
        remark = f"[cut: these are the first {max_chars:,} of {len(text):,} characters; ask for less]"
        text = f"{text[:max_chars]}\n{remark}"
    return _sendable(text)


def error_words(error: BaseException) -> str:
    """Return the first 1,024 characters of an exception's text, never its traceback."""
    return _bounded(_sendable(f"{type(error).__name__}: {error}".removesuffix(": ")))


def error_text(words: str) -> str:
    """Return an error for the model: ``{"error": …}``."""
    from pydantic_core import to_json

    return to_json({"error": _bounded(_sendable(words))}).decode()


def _sendable(text: str) -> str:
    # Half of a surrogate pair is a valid Python string, but cannot be sent as text.
    return text.encode("utf-8", "replace").decode()


def _bounded(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


def _fallback(value: Any) -> Any:
    """Return a JSON value for something that JSON does not have, such as an array or a data frame."""
    if hasattr(value, "tolist"):  # numpy, and pandas' series
        return value.tolist()
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return value.to_dict("records")
    return str(value)


def _name_of(function: Callable[..., Any]) -> str:
    inner = function.func if isinstance(function, functools.partial) else function
    return str(getattr(inner, "__name__", type(inner).__name__))

"""Recipes: the parts of a run as JSON without keys, from which they can be made again.

Numbers, texts, lists and mappings are themselves. Everything else is an object whose ``is`` says what it is:
``partial`` and ``call`` (a class with its arguments), ``name`` (a function or class), ``backend``, ``path``, ``clip``
(the SHA-256 of its samples), and ``unknown``. A folder may come from someone else, so only classes of this package are
made again; your own functions are named, but never imported.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import inspect
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..media.clip import AudioClip
from ..recording.tracks import clip_hash
from ..secrecy import HIDDEN, Secrets, as_shown
from ..sessions.backend import Backend
from ..sessions.session import Session

_PACKAGE = __name__.partition(".")[0]


class NotMade(SettingsError):
    """Something cannot be made from its recipe; the message names it."""


def recipe_of(value: Any) -> Any:
    """Return the recipe of a value, without keys, as something that JSON can hold."""
    found = json.dumps(_recipe_of(value), ensure_ascii=False, default=str)
    secrets = Secrets()
    return secrets.hide_named(json.loads(secrets.hide(found.encode("utf-8", "replace"))))


def _recipe_of(value: Any) -> Any:
    if isinstance(value, str):
        return as_shown(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    of = _recipe_of
    if isinstance(value, Path):
        return {"is": "path", "path": str(value.absolute())}
    if isinstance(value, AudioClip):
        return {"is": "clip", "sha256": clip_hash(value)}
    if isinstance(value, Backend):
        address = {} if value.name == "local" else {"base_url": value.base_url}
        return {"is": "backend", "name": value.name, "model": value.model} | address
    if isinstance(value, functools.partial):
        named = {key: _argument(key, each, of) for key, each in value.keywords.items()}
        names = _names_of_arguments(value.func)
        given = [_argument(name, each, of) for name, each in zip(names, value.args, strict=False)]
        return {"is": "partial", "of": of(value.func), "args": given, "kwargs": named}
    if isinstance(value, Mapping):
        told = {str(key): _argument(str(key), each, of) for key, each in value.items()}
        return {"is": "dict", "of": told} if "is" in told else told
    if isinstance(value, list | tuple | set | frozenset):
        return [of(each) for each in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        told = {each.name: _argument(each.name, getattr(value, each.name), of) for each in _arguments(value)}
        return {"is": "call", "of": _name(type(value)), "kwargs": told}
    if hasattr(value, "__qualname__"):
        return {"is": "name", "of": _name(value)}
    return {"is": "unknown", "of": _name(type(value))}


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}:{value.__qualname__}"


def _argument(name: str, value: Any, of: Callable[[Any], Any]) -> Any:
    return as_shown(value, name) if isinstance(value, str) else of(value)


def _names_of_arguments(function: Callable[..., Any]) -> Iterator[str]:
    """Yield the names of a function's arguments in their order, and then empty names."""
    with suppress(TypeError, ValueError):  # Some built-in ones do not tell.
        yield from inspect.signature(function).parameters
    yield from itertools.repeat("")


def _arguments(value: Any) -> list[dataclasses.Field[Any]]:
    """Return the fields of a data class that its maker takes and that differ from the default."""

    def is_default(field: dataclasses.Field[Any]) -> bool:
        found = getattr(value, field.name)
        if field.default_factory is not dataclasses.MISSING:
            return bool(found == field.default_factory())
        return found is field.default or (isinstance(found, str | float | tuple) and found == field.default)

    return [field for field in dataclasses.fields(value) if field.init and not is_default(field)]


def digest_of_recipe(value: Any) -> str:
    """Return a hash of a recipe; for your own function its source counts, if it is known."""
    source = ""
    with suppress(OSError, TypeError):
        source = inspect.getsource(value) if inspect.isroutine(value) or inspect.isclass(value) else ""
    told = json.dumps(recipe_of(value), sort_keys=True, default=str) + source
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def made(recipe: Any, clip: Callable[[str], AudioClip] | None = None) -> Any:
    """Make a value from its recipe; `clip` returns a clip by its hash.

    Raises `NotMade` if a part of it does not belong to this package, or was a secret.
    """
    of = functools.partial(made, clip=clip)
    if recipe == HIDDEN:
        raise NotMade("a secret is not kept in the folder")
    if isinstance(recipe, list):
        return [of(each) for each in recipe]
    if not isinstance(recipe, Mapping):
        return recipe
    told = dict(recipe)
    kind = told.pop("is", None)
    if kind is None:
        return {key: of(each) for key, each in told.items()}
    if kind == "dict":
        return {key: of(each) for key, each in told["of"].items()}
    if kind == "path":
        return Path(told["path"])
    if kind == "clip" and clip is not None:
        return clip(told["sha256"])
    if kind == "backend":
        return Backend.find(told.get("name") if told["name"] in ("openai", "azure", "local") else told["base_url"])
    if kind == "call":
        return _called(_own(told["of"]), {key: of(each) for key, each in told["kwargs"].items()})
    if kind == "partial":
        arguments = [of(each) for each in told["args"]]
        return functools.partial(of(told["of"]), *arguments, **{key: of(x) for key, x in told["kwargs"].items()})
    if kind == "name":
        return _own(told["of"])
    raise NotMade(f"{told.get('of', told)} is not kept in the folder")


def _called(kind: type, named: dict[str, Any]) -> Any:
    """Make an object; a field that its maker takes as ``*args`` is spread."""
    several = inspect.Parameter.VAR_POSITIONAL
    taken = [each.name for each in inspect.signature(kind).parameters.values() if each.kind is several]
    spread = [each for name in taken for each in named.pop(name, ())]
    return kind(*spread, **named)


def _own(name: str) -> type:
    """Return a session or data class of this package by its name."""
    module, _, path = name.partition(":")
    found: Any = None
    if module.partition(".")[0] == _PACKAGE:
        with suppress(ImportError, AttributeError):  # It is refused below.
            found = functools.reduce(getattr, path.split("."), importlib.import_module(module))
    is_own = isinstance(found, type) and found.__module__.partition(".")[0] == _PACKAGE
    if not is_own or not (dataclasses.is_dataclass(found) or issubclass(found, Session)):
        raise NotMade(f"{name} is not a class of {_PACKAGE}")
    return found  # type: ignore[no-any-return]

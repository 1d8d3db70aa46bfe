"""Tools as the Realtime API takes them: functions in its flat shape, with the JSON schema of an object."""

from __future__ import annotations

import re
from typing import Any

from .api_errors import invalid_value, missing_parameter, unknown_parameter

_FUNCTION_FIELDS = {"type", "name", "description", "parameters", "strict"}
_FUNCTION_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def check_tools(tools: list[dict[str, Any]], path: str) -> None:
    """Raise `ApiError` unless `tools` are functions in the flat shape of the Realtime API."""
    for index, tool in enumerate(tools):
        at = f"{path}[{index}]"
        kind = tool.get("type")
        if kind is None:
            raise missing_parameter(f"{at}.type")
        if kind == "mcp":
            raise invalid_value(f"{at}.type", "this server runs no 'mcp' tools; supported values are: 'function'")
        if kind != "function":
            raise invalid_value(f"{at}.type", f"{kind!r} is not one of 'function', 'mcp'")
        if "name" not in tool:
            raise missing_parameter(f"{at}.name")
        if not (isinstance(tool["name"], str) and _FUNCTION_NAME.fullmatch(tool["name"])):
            raise invalid_value(f"{at}.name", "names are 1 to 64 letters, digits, '_' or '-'")
        for name in tool:
            if name not in _FUNCTION_FIELDS:
                raise unknown_parameter(f"{at}.{name}")
        if not isinstance(tool.get("description", ""), str):
            raise invalid_value(f"{at}.description", "expected a string")
        _check_schema(tool.get("parameters", {}), f"{at}.parameters")


def _check_schema(schema: Any, path: str) -> None:
    """Raise `ApiError` unless a tool's parameters are the JSON schema of an object, as far as a brain reads it."""
    if not isinstance(schema, dict):
        raise invalid_value(path, "expected a JSON schema")
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict):
        raise invalid_value(f"{path}.properties", "expected an object")
    if not isinstance(required, list) or not set(map(str, required)) <= set(properties):
        raise invalid_value(f"{path}.required", "expected names of properties")
    for name, inner in properties.items():
        if not isinstance(inner, dict):
            raise invalid_value(f"{path}.properties.{name}", "expected a JSON schema")
        for list_name in ("enum", "examples"):
            if not isinstance(inner.get(list_name, []), list):
                raise invalid_value(f"{path}.properties.{name}.{list_name}", "expected a list")


def check_tool_choice(choice: Any, path: str) -> None:
    """Raise `ApiError` unless `choice` is one that the API has."""
    if isinstance(choice, str):
        if choice not in ("auto", "none", "required"):
            raise invalid_value(path, f"{choice!r} is not one of 'auto', 'none', 'required'")
    elif choice.get("type") != "function":
        raise invalid_value(f"{path}.type", f"{choice.get('type')!r} is not one of 'function'")
    elif "name" not in choice:
        raise missing_parameter(f"{path}.name")

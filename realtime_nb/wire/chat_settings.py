"""What a session by Chat Completions wants of every answer, checked and put in that API's shape.

Source: Chat Completions API reference, the body of "Create chat completion".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import SettingsError

#: What the API can make of an answer's audio; only the first can be streamed.
FORMATS = ("pcm16", "wav", "mp3", "flac", "opus", "aac")


def chat_settings(
    *,
    model: str,
    voice: str,
    output_modalities: Sequence[str] = ("audio",),
    stream: bool = True,
    format: str | None = None,
    tools: Sequence[dict[str, Any]] | None = None,
    tool_choice: str | dict[str, Any] | None = None,
    max_output_tokens: int | None = None,
) -> dict[str, Any]:
    """Return the body of every request, but for its messages; the parameters are those of `ChatSession`.

    Raises
    ------
    SettingsError
        If a setting is none that the API takes.
    """
    if list(output_modalities) not in (["audio"], ["text"]):
        raise SettingsError(f'output_modalities={output_modalities!r} must be ["audio"] or ["text"]')
    if format is not None and format not in FORMATS:
        raise SettingsError(f"format={format!r} is not one of {', '.join(FORMATS)}")
    wanted: dict[str, Any] = {"model": model, "modalities": ["text"]}
    if list(output_modalities) == ["audio"]:
        if stream and format not in (None, "pcm16"):
            raise SettingsError(f'format={format!r} cannot be streamed: take "pcm16", or stream=False')
        audio = {"voice": voice, "format": format or ("pcm16" if stream else "wav")}
        wanted |= {"modalities": ["text", "audio"], "audio": audio}
    if tools:
        wanted["tools"] = [nested_tool(tool) for tool in tools]
        if tool_choice:
            wanted["tool_choice"] = nested_tool_choice(tool_choice)
    if max_output_tokens:
        wanted["max_completion_tokens"] = max_output_tokens
    if stream:
        wanted |= {"stream": True, "stream_options": {"include_usage": True}}
    return wanted


def nested_tool(tool: dict[str, Any]) -> dict[str, Any]:
    """Put a function in the shape that Chat Completions takes.

    Raises
    ------
    SettingsError
        If it is a tool of an MCP server, which that API does not reach.
    """
    if tool.get("type") == "mcp":
        raise SettingsError("Chat Completions reaches no MCP servers: give these tools to a RealtimeSession")
    if tool.get("type") != "function" or "function" in tool:
        return tool
    return {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}


def nested_tool_choice(choice: str | dict[str, Any]) -> str | dict[str, Any]:
    """Put the choice of a function in the shape that Chat Completions takes."""
    if isinstance(choice, dict) and choice.get("type") == "function" and "name" in choice:
        return {"type": "function", "function": {"name": choice["name"]}}
    return choice

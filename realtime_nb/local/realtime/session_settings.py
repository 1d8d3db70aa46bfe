"""The settings and tools of one session, as the server keeps and checks them."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from ...media.language import is_english
from ...protocol.items import ResponseOptions
from ...protocol.settings import VOICES as API_VOICES
from ...protocol.settings import find_problem, setting_at
from ..api_errors import ApiError, invalid_value, missing_parameter, of_problem, unknown_parameter, unsupported_language
from ..endpoints.json_fields import without_nulls

# --- Tools in the Realtime API's shape: flat functions, with the JSON schema of an object -----------------------------

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


# --- The settings of one session: always complete, updated field by field, strictly checked ---------------------------
#
# Source: Realtime API reference, ``session.update`` and the session object of ``session.created``.

LIFETIME_S = 3600
NOTICE = "This is the local voice of realtime_nb: speech recognition and synthesis on this machine. {brain}"
_VAD_DEFAULTS: dict[str, dict[str, Any]] = {
    "server_vad": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    },
    "semantic_vad": {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    },
}
_TRANSCRIPTION_DEFAULTS = {"model": None, "language": None, "prompt": None}
# In transcription sessions these take turns that the client makes.
_MODELS_WITHOUT_TURNS = ("gpt-realtime-whisper", "gpt-live-transcribe")
_TRANSCRIPTION_VAD_FIELDS = ("type", "threshold", "prefix_padding_ms", "silence_duration_ms")
# Null clears these settings, or turns them off; for any other setting, null changes nothing.
_WITH_NULL = frozenset(
    ("turn_detection", "idle_timeout_ms", "transcription", "language", "languages", "keywords", "prompt", "delay")
) | {"noise_reduction", "reasoning", "tracing", "include"}
# Parts that are replaced as a whole, with the API's defaults for missing fields; all other objects are merged.
_REPLACED = ("format", "tool_choice", "truncation", "tracing", "reasoning", "prompt", "voice")


@dataclass(frozen=True)
class ResponseSettings:
    """The settings of one response: the session's, with the changes in ``response.create``."""

    instructions: str
    own_instructions: str | None
    output_modalities: list[str]
    voice: str
    speed: float
    output_format: dict[str, Any]
    tools: list[dict[str, Any]]
    tool_choice: str | dict[str, Any]
    max_output_tokens: int | str
    metadata: dict[str, str] | None


class SessionSettings:
    """All settings of a session.

    `brain`: a sentence about what answers, for the notice that this is not a speech-to-speech model. `english_only`:
    whether the recogniser hears no other language.
    """

    def __init__(
        self,
        *,
        session_id: str,
        model: str,
        expires_at: int,
        brain: str,
        transcription: bool = False,
        voices: Collection[str] = API_VOICES,
        english_only: bool = False,
    ):
        self.voices = voices
        self.english_only = english_only
        self.is_transcription = transcription
        self.default_instructions = notice = NOTICE.format(brain=brain)
        turn_detection = dict(_VAD_DEFAULTS["server_vad"])
        audio: dict[str, Any] = {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": turn_detection,
            }
        }
        head = {"id": session_id, "expires_at": expires_at, "notice": notice, "include": None}
        if transcription:
            audio["input"]["turn_detection"] = {name: turn_detection[name] for name in _TRANSCRIPTION_VAD_FIELDS}
            audio["input"]["turn_detection"]["silence_duration_ms"] = 200
            self.data: dict[str, Any] = {"type": "transcription", "object": "realtime.transcription_session"}
            self.data |= {"audio": audio, **head}
            return
        audio["output"] = {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0}
        self.data = {
            "type": "realtime",
            "object": "realtime.session",
            "model": model,
            "output_modalities": ["audio"],
            "instructions": self.default_instructions,
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": None,
            "truncation": "auto",
            "prompt": None,
            "audio": audio,
            **head,
        }

    @property
    def input(self) -> dict[str, Any]:
        """The settings of the person's audio."""
        return self.data["audio"]["input"]  # type: ignore[no-any-return]

    @property
    def turn_detection(self) -> dict[str, Any] | None:
        """The settings of turn detection; `None` while turns are made by hand."""
        return self.input["turn_detection"]  # type: ignore[no-any-return]

    @property
    def transcription(self) -> dict[str, Any] | None:
        """The settings of input transcription; `None` while it is off."""
        return self.input["transcription"]  # type: ignore[no-any-return]

    def update(self, change: dict[str, Any], *, voice_is_locked: bool = False) -> None:
        """Change the settings that `change` holds; change nothing if one of them is refused.

        Raises `ApiError` in the API's words.
        """
        change = without_nulls(change, values=_WITH_NULL)
        self._check_kind(change)
        if self.is_transcription:
            _check_transcription(change)
        else:
            problem = find_problem(change, voices=self.voices)
            if problem:
                raise of_problem(problem, "session")
            _check_voice(change, self.voices, "session")
            check_tools(change.get("tools") or [], "session.tools")
            check_tool_choice(change.get("tool_choice", "auto"), "session.tool_choice")
            if change.get("model", self.data["model"]) != self.data["model"]:
                raise invalid_value("session.model", "the model of a session cannot be changed")
        data = _merged(self.data, change)
        if self.is_transcription:
            _check_turns(data["audio"]["input"])
        if self.english_only:
            _check_languages(data["audio"]["input"]["transcription"] or {})
        if "instructions" in data and data["instructions"] == "":
            data["instructions"] = self.default_instructions
        if voice_is_locked and _voice(data) != _voice(self.data):
            raise ApiError(
                "Cannot update a conversation's voice if assistant audio is present.",
                code="cannot_update_voice",
                param="session.audio.output.voice",
            )
        self.data = data

    def _check_kind(self, change: dict[str, Any]) -> None:
        if "type" not in change:
            raise missing_parameter("session.type")
        own, other = ("transcription", "realtime") if self.is_transcription else ("realtime", "transcription")
        if change["type"] == other:
            raise ApiError(
                f"Passing a {other} session update event to a {own} session is not allowed.",
                code="invalid_parameter",
                param="session.type",
            )
        if change["type"] != own:
            raise invalid_value("session.type", f"{change['type']!r} is not one of 'realtime', 'transcription'")

    def for_response(self, options: ResponseOptions | None = None) -> ResponseSettings:
        """Return the settings of a response.

        Raises `ApiError` if the API would refuse `options`.
        """
        given = (
            {name: getattr(options, name) for name in options.__struct_fields__ if getattr(options, name) is not UNSET}
            if options
            else {}
        )
        _check_response(given, self.voices)
        shared = {name: value for name, value in given.items() if name in self.data}
        data = _merged(self.data, shared)
        own = given.get("instructions")
        output = data["audio"]["output"]
        return ResponseSettings(
            instructions=own if own is not None else data["instructions"],
            own_instructions=own,
            output_modalities=list(data["output_modalities"]),
            voice=output["voice"]["id"] if isinstance(output["voice"], dict) else output["voice"],
            speed=output["speed"],
            output_format=output["format"],
            tools=data["tools"],
            tool_choice=data["tool_choice"],
            max_output_tokens=data["max_output_tokens"],
            metadata=given.get("metadata"),
        )


def _voice(data: dict[str, Any]) -> Any:
    return data["audio"].get("output", {}).get("voice")


def _merged(data: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return `data` with the values in `change`, key by key."""
    merged = dict(data)
    for name, value in change.items():
        if name == "turn_detection" and value is not None:
            before = data[name] or {}
            base = before if before.get("type") == value["type"] else _VAD_DEFAULTS[value["type"]]
            merged[name] = {**base, **value}
        elif name == "transcription" and value is not None:
            merged[name] = {**_TRANSCRIPTION_DEFAULTS, **(data[name] or {}), **value}
        elif name == "format" and value["type"] == "audio/pcm":
            merged[name] = {"type": "audio/pcm", "rate": 24000}
        elif isinstance(value, dict) and isinstance(data.get(name), dict) and name not in _REPLACED:
            merged[name] = _merged(data[name], value)
        else:
            merged[name] = copy.deepcopy(value)
    return merged


def _check_languages(transcription: dict[str, Any]) -> None:
    for name in ("language", "languages"):
        given = transcription.get(name) or []
        for language in [given] if isinstance(given, str) else given:
            if not is_english(language):
                raise unsupported_language(f"session.audio.input.transcription.{name}", language)


def _check_transcription(change: dict[str, Any]) -> None:
    """Check a transcription session's update: the input half of a realtime session's, and nothing else."""
    for name in change:
        if name not in ("type", "audio", "include"):
            raise unknown_parameter(f"session.{name}")
    for name in change.get("audio") or {}:
        if name != "input":
            raise unknown_parameter(f"session.audio.{name}")
    problem = find_problem({**change, "type": "realtime"})
    if problem:
        raise of_problem(problem, "session")
    turn_detection = ((change.get("audio") or {}).get("input") or {}).get("turn_detection") or {}
    if turn_detection.get("type", "server_vad") != "server_vad":
        raise invalid_value("session.audio.input.turn_detection.type", "must be 'server_vad' or null here")
    for name in turn_detection:
        if name not in _TRANSCRIPTION_VAD_FIELDS:
            raise unknown_parameter(f"session.audio.input.turn_detection.{name}")


def _check_turns(settings: dict[str, Any]) -> None:
    if settings["turn_detection"] and (settings["transcription"] or {}).get("model") in _MODELS_WITHOUT_TURNS:
        raise ApiError(
            "Turn detection is not supported for this transcription model.",
            code="invalid_value",
            param="session.audio.input.turn_detection",
        )


def _check_voice(given: dict[str, Any], voices: Collection[str], under: str) -> None:
    """Check a voice that is given as ``{"id": …}``, the API's shape for customers' own voices."""
    voice = setting_at(given, "audio.output.voice")
    if isinstance(voice, dict):
        path = f"{under}.audio.output.voice.id"
        if "id" not in voice:
            raise missing_parameter(path)
        if not (isinstance(voice["id"], str) and voice["id"] in voices):
            raise invalid_value(path, f"{voice['id']!r} is not one of {', '.join(voices)}")


def _check_response(given: dict[str, Any], voices: Collection[str]) -> None:
    names = ("output_modalities", "instructions", "audio", "tools", "tool_choice", "max_output_tokens")
    problem = find_problem({name: given[name] for name in names if name in given}, voices=voices)
    if problem:
        raise of_problem(problem, "response")
    _check_voice(given, voices, "response")
    if "input" in (given.get("audio") or {}):
        raise unknown_parameter("response.audio.input")
    if given.get("conversation", "auto") not in ("auto", "none"):
        raise invalid_value("response.conversation", f"{given['conversation']!r} is not one of 'auto', 'none'")
    check_tools(given.get("tools") or [], "response.tools")
    check_tool_choice(given.get("tool_choice", "auto"), "response.tool_choice")
    metadata = given.get("metadata") or {}
    if len(metadata) > 16:
        raise invalid_value("response.metadata", f"at most 16 pairs are allowed, but there are {len(metadata)}")
    for key, value in metadata.items():
        if len(key) > 64 or len(value) > 512:
            raise invalid_value("response.metadata", "keys have at most 64 characters and values 512")

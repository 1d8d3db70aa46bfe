"""Session settings, GA dialect, as typed records; and the short names for setting them.

Every absent field is `msgspec.UNSET`; ``None`` is the API's ``null``. Unknown fields are refused, as the API does.
Source: Realtime API reference, ``session.update``.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, TypedDict

import msgspec
from msgspec import UNSET, Struct, UnsetType

from ..errors import SettingsError

VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")


class _Settings(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    pass


class PcmFormat(_Settings, frozen=True, kw_only=True, tag_field="type", tag="audio/pcm"):
    """16-bit little-endian mono PCM; 24 kHz is the only rate."""

    rate: Literal[24000] = 24000


class UlawFormat(_Settings, frozen=True, kw_only=True, tag_field="type", tag="audio/pcmu"):
    """G.711 mu-law, 8 kHz."""

    rate: Literal[8000] | UnsetType = UNSET


class AlawFormat(_Settings, frozen=True, kw_only=True, tag_field="type", tag="audio/pcma"):
    """G.711 A-law, 8 kHz."""

    rate: Literal[8000] | UnsetType = UNSET


AudioFormat = PcmFormat | UlawFormat | AlawFormat


class ServerVad(_Settings, frozen=True, kw_only=True, tag_field="type", tag="server_vad"):
    """End turns after a silence."""

    threshold: float | UnsetType = UNSET
    prefix_padding_ms: int | UnsetType = UNSET
    silence_duration_ms: int | UnsetType = UNSET
    idle_timeout_ms: int | UnsetType | None = UNSET
    create_response: bool | UnsetType = UNSET
    interrupt_response: bool | UnsetType = UNSET


class SemanticVad(_Settings, frozen=True, kw_only=True, tag_field="type", tag="semantic_vad"):
    """End turns when the words sound finished; ``eagerness`` limits the wait."""

    eagerness: Literal["low", "medium", "high", "auto"] | UnsetType = UNSET
    create_response: bool | UnsetType = UNSET
    interrupt_response: bool | UnsetType = UNSET


class Transcription(_Settings, frozen=True, kw_only=True):
    """The model that transcribes the person's speech, and hints for it."""

    model: str | UnsetType = UNSET
    language: str | UnsetType | None = UNSET
    languages: list[str] | UnsetType | None = UNSET
    keywords: list[str] | UnsetType | None = UNSET
    prompt: str | UnsetType | None = UNSET
    delay: str | UnsetType | None = UNSET


class NoiseReduction(_Settings, frozen=True, kw_only=True):
    """Filtering before turn detection and model."""

    type: Literal["near_field", "far_field"]
    strength: float | UnsetType = UNSET


class AudioInput(_Settings, frozen=True, kw_only=True):
    """How the person's audio is processed."""

    format: AudioFormat | UnsetType = UNSET
    transcription: Transcription | UnsetType | None = UNSET
    noise_reduction: NoiseReduction | UnsetType | None = UNSET
    turn_detection: ServerVad | SemanticVad | UnsetType | None = UNSET


class AudioOutput(_Settings, frozen=True, kw_only=True):
    """How the voice sounds."""

    format: AudioFormat | UnsetType = UNSET
    voice: str | dict[str, Any] | UnsetType = UNSET
    speed: float | UnsetType = UNSET


class Audio(_Settings, frozen=True, kw_only=True):
    """Both directions."""

    input: AudioInput | UnsetType = UNSET
    output: AudioOutput | UnsetType = UNSET


class RealtimeSettings(_Settings, frozen=True, kw_only=True):
    """The settings of a speech-to-speech session, as ``session.update`` carries them."""

    type: Literal["realtime"] = "realtime"
    model: str | UnsetType = UNSET
    output_modalities: list[Literal["text", "audio"]] | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    audio: Audio | UnsetType = UNSET
    tools: list[dict[str, Any]] | UnsetType = UNSET
    tool_choice: str | dict[str, Any] | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET
    reasoning: dict[str, Any] | UnsetType | None = UNSET
    max_output_tokens: int | Literal["inf"] | UnsetType = UNSET
    truncation: Literal["auto", "disabled"] | dict[str, Any] | UnsetType = UNSET
    tracing: Literal["auto"] | dict[str, Any] | UnsetType | None = UNSET
    include: list[str] | UnsetType | None = UNSET
    prompt: dict[str, Any] | UnsetType | None = UNSET


class Options(TypedDict, total=False):
    """The short names of a session's settings.

    ``turn_detection`` takes ``"server_vad"``, ``"semantic_vad"``, a dict with the API's fields, or `None` if you end
    turns yourself; ``transcription`` a model's name, a dict, or `None`; ``input_format`` and ``output_format``
    ``"pcm16"``, ``"g711_ulaw"`` or ``"g711_alaw"``; ``output_modalities`` ``["audio"]`` or ``["text"]``; ``tools``
    functions and tools in the API's shape.
    """

    instructions: str
    voice: str
    speed: float
    output_modalities: list[str]
    turn_detection: str | dict[str, Any] | None
    transcription: str | dict[str, Any] | None
    noise_reduction: str | dict[str, Any] | None
    input_format: str
    output_format: str
    tools: Sequence[Callable[..., Any] | dict[str, Any]]
    tool_choice: str | dict[str, Any]
    parallel_tool_calls: bool
    reasoning: dict[str, Any]
    max_output_tokens: int | str
    truncation: str | dict[str, Any]
    tracing: str | dict[str, Any] | None
    include: list[str] | None


_FORMATS = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
# Short name → path in the session object.
_PATHS = {
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "output_format": ("audio", "output", "format"),
    "input_format": ("audio", "input", "format"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "transcription": ("audio", "input", "transcription"),
    "noise_reduction": ("audio", "input", "noise_reduction"),
}
#: Closed ranges that the API documents: path → (least, most).
RANGES: dict[str, tuple[float, float]] = {
    "audio.output.speed": (0.25, 1.5),
    "audio.input.turn_detection.threshold": (0.0, 1.0),
    "audio.input.turn_detection.idle_timeout_ms": (5000, 30000),
    "max_output_tokens": (1, 4096),
}


_NO_SAMPLING = "leave it out, as the Realtime API no longer takes it"
#: Names from other APIs, and from the beta of this one, and what to do here.
_CURES = {
    **dict.fromkeys(("temperature", "top_p", "seed", "frequency_penalty", "presence_penalty"), _NO_SAMPLING),
    **dict.fromkeys(("system", "system_prompt", "system_message", "prompt"), "give instructions=…"),
    **dict.fromkeys(("max_tokens", "max_completion_tokens", "max_response_output_tokens"), "give max_output_tokens=…"),
    **dict.fromkeys(("vad", "turn_taking"), "give turn_detection=…"),
    **dict.fromkeys(("functions", "plugins"), "give tools=…"),
    **dict.fromkeys(("base_url", "url", "endpoint", "provider"), "give backend=…"),
    "language": 'give transcription={"model": …, "language": …}, and name the answer\'s language in the instructions',
    "modalities": 'give output_modalities=["text"] or ["audio"]',
    "input_audio_transcription": "give transcription=…",
    "input_audio_noise_reduction": "give noise_reduction=…",
    "input_audio_format": "give input_format=…",
    "output_audio_format": "give output_format=…",
    "timeout": "give it to each question: ask(…, timeout_s=…)",
    "key": "give api_key=…, or set OPENAI_API_KEY",
}


def unknown_option(name: str, known: Collection[str]) -> SettingsError:
    """Return the error for an option that a session does not have, with the nearest one that it has."""
    close = [f"give {each}=…" for each in difflib.get_close_matches(name, known, 1, cutoff=0.75)]
    cure = _CURES.get(name) or next(iter(close), f"choose among {', '.join(known)}")
    return SettingsError(f"{name!r} is not a session setting: {cure}")


def session_from_options(**options: Any) -> dict[str, Any]:
    """Put settings with short names, see `Options`, in their places in the session object of ``session.update``.

    Raises `SettingsError`, which names both, if a name is unknown or the API does not take a value.
    """
    session: dict[str, Any] = {"type": "realtime"}
    for name, value in options.items():
        if name not in Options.__annotations__:
            raise unknown_option(name, Options.__annotations__)
        if name.endswith("_format"):
            if not (isinstance(value, str) and value in _FORMATS):
                raise SettingsError(f"{name}={value!r} is not one of {', '.join(_FORMATS)}")
            value = _FORMATS[value]
        elif name in ("turn_detection", "noise_reduction") and isinstance(value, str):
            value = {"type": value}
        elif name == "transcription" and isinstance(value, str):
            value = {"model": value}
        *parents, leaf = _PATHS.get(name, (name,))
        at = session
        for parent in parents:
            at = at.setdefault(parent, {})
        at[leaf] = copy.deepcopy(value)
    problem = find_problem(session)
    if problem:
        raise SettingsError(str(problem))
    return session


class SettingsProblem(Struct, frozen=True):
    """A fault in a session object.

    ``code`` is the API's: ``unknown_parameter``, ``invalid_value`` or ``missing_required_parameter``; ``param`` the
    path below ``session``.
    """

    code: str
    param: str
    message: str

    def __str__(self) -> str:
        return f"{self.param}: {self.message}" if self.param else self.message


def find_problem(session: dict[str, Any], *, voices: Collection[str] | None = None) -> SettingsProblem | None:
    """Return what the API would refuse in the session object of ``session.update``, or `None`.

    `voices`: the voices to accept; by default any name, because servers have different voices.
    """
    try:
        msgspec.convert(session, RealtimeSettings)
    except msgspec.ValidationError as error:
        return _explained(str(error))
    for path, (least, most) in RANGES.items():
        value = setting_at(session, path)
        if isinstance(value, int | float) and not least <= value <= most:
            return SettingsProblem("invalid_value", path, f"{value} is not between {least:g} and {most:g}")
    if session.get("output_modalities") not in (None, ["audio"], ["text"]):
        return SettingsProblem("invalid_value", "output_modalities", 'must be ["audio"] or ["text"]')
    voice = setting_at(session, "audio.output.voice")
    if voices is not None and isinstance(voice, str) and voice not in voices:
        return SettingsProblem("invalid_value", "audio.output.voice", f"{voice!r} is not one of {', '.join(voices)}")
    return None


def setting_at(session: Any, path: str) -> Any:
    """Return the value at a path in a session object, such as ``"audio.output.voice"``; `None` if there is none."""
    for key in path.split("."):
        session = session.get(key) if isinstance(session, dict) else None
    return session


def _explained(message: str) -> SettingsProblem:
    """Turn msgspec's message into the API's: "Object contains unknown field `x` - at `$.audio`"."""
    text, _, where = message.partition(" - at ")
    path = where.strip("`").removeprefix("$").lstrip(".")
    for words, code in (("unknown field `", "unknown_parameter"), ("required field `", "missing_required_parameter")):
        if words in text:
            name = text.split(words)[1].rstrip("`")
            return SettingsProblem(code, f"{path}.{name}".lstrip("."), text)
    return SettingsProblem("invalid_value", path, text)

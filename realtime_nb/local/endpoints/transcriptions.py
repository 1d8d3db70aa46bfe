"""``POST /v1/audio/transcriptions``: a recording in, words out, with their times or as a stream.

Source: the API reference, "Create transcription". PocketSphinx has no probabilities: if it listens, ``logprobs`` are
null, and those of ``verbose_json`` are 0.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ...errors import SettingsError
from ...media.language import language_code
from ..api_errors import ApiError, invalid_value, missing_parameter, unsupported_language, unsupported_value
from ..brains.brain import Brain
from ..realtime.hearing import SpeechRecognizer
from ..realtime.responder import deltas, parts_of
from ..realtime.usage import transcription_usage
from ..recognition.heard import HeardWord, Recognition
from .audio_files import DecodedFile
from .http_body import json_response, read_form, stream
from .json_fields import Fields, model_of

FORMATS = ("json", "text", "verbose_json")
GRANULARITIES = ("word", "segment")
INCLUDED = ("logprobs",)
_EDGES = re.compile(r"^[^\w$£€]+|[^\w%]+$")


@dataclass(frozen=True)
class Segment:
    """The words of one utterance; times count from the start of the recording."""

    start_ms: int
    end_ms: int
    heard: Recognition

    @property
    def words(self) -> list[HeardWord]:
        """The words, without punctuation as from whisper-1; empty unless their times were asked for."""
        start = self.start_ms
        return [
            HeardWord(_EDGES.sub("", word.text) or word.text, start + word.start_ms, start + word.end_ms)
            for word in self.heard.words
        ]


@dataclass(frozen=True)
class TranscriptionRequest:
    """A request: what to transcribe, and how."""

    recording: DecodedFile
    model: str
    format: str
    hints: list[str]
    granularities: list[str]
    language: str | None
    """The language spoken, by its ISO 639-1 code; `None` if the recogniser must find out."""
    has_logprobs: bool
    is_stream: bool

    @classmethod
    def read(cls, form: FormData, *, is_multilingual: bool) -> TranscriptionRequest:
        """Return the request in a form; takes up to seconds. Raises `ApiError` where it is wrong.

        `is_multilingual`: whether the recogniser hears more than English.
        """
        fields = Fields({name: value or None for name, value in form.items() if isinstance(value, str)})
        model = model_of(fields)
        form_of_answer = fields.one_of("response_format", FORMATS, "json")
        language = _language(form, is_multilingual)
        _check_temperature(fields.text("temperature", "0"))
        is_stream = fields.one_of("stream", ("true", "false", "True", "False"), "false").lower() == "true"
        if is_stream and form_of_answer not in ("json", "text"):
            raise ApiError(
                f"Unsupported value: 'response_format' does not support '{form_of_answer}' when stream=true. "
                "Supported values are: 'json', 'text'.",
                code="unsupported_value",
                param="response_format",
            )
        return cls(
            model=model,
            format=form_of_answer,
            hints=[*_texts(form, "prompt"), *_texts(form, "keywords")],
            granularities=_granularities(form, form_of_answer),
            language=language,
            has_logprobs=_has_logprobs(form, form_of_answer),
            is_stream=is_stream,
            recording=DecodedFile.read(_file(form), "file"),
        )


def _texts(form: FormData, name: str) -> list[str]:
    """Return the texts of an array, whose items are fields called ``name[]`` or ``name``."""
    given = [*form.getlist(f"{name}[]"), *form.getlist(name)]
    return [value for value in given if value and isinstance(value, str)]


def _file(form: FormData) -> bytes:
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise missing_parameter("file")
    return upload.file.read()


def _language(form: FormData, is_multilingual: bool) -> str | None:
    given = []
    for name in ("language", "languages"):
        for language in _texts(form, name):
            given.append(language_code(language))
            if given[-1] != "en" and not is_multilingual:
                raise unsupported_language(name, language)
    return given[0] if len(given) == 1 else None


def _has_logprobs(form: FormData, form_of_answer: str) -> bool:
    wanted = _texts(form, "include")
    for name in wanted:
        if name not in INCLUDED:
            raise unsupported_value("include", name, INCLUDED)
    if wanted and form_of_answer != "json":
        raise invalid_value("include", "only response_format 'json' has 'logprobs'")
    return bool(wanted)


def _check_temperature(text: str) -> None:
    try:
        temperature = float(text)
    except ValueError as error:
        raise invalid_value("temperature", "expected a number") from error
    if not 0 <= temperature <= 1:
        raise invalid_value("temperature", f"expected a value from 0 to 1, but got {text}")


def _granularities(form: FormData, form_of_answer: str) -> list[str]:
    wanted = _texts(form, "timestamp_granularities")
    for name in wanted:
        if name not in GRANULARITIES:
            raise unsupported_value("timestamp_granularities", name, GRANULARITIES)
    if wanted and form_of_answer != "verbose_json":
        raise invalid_value("timestamp_granularities", "only response_format 'verbose_json' has timestamps")
    return wanted or ["segment"]


class TranscriptionEndpoint:
    """The endpoint."""

    def __init__(self, recognizer: SpeechRecognizer, brain: Brain):
        self._recognizer = recognizer
        self._vocabulary = brain.vocabulary
        # One utterance at a time, among all recordings: the recogniser's other thread is for live sessions.
        self._one = asyncio.Semaphore(1)

    async def post(self, request: Request) -> Response:
        """Answer."""
        async with read_form(request) as form:
            multilingual = self._recognizer.is_multilingual
            wanted = await asyncio.to_thread(TranscriptionRequest.read, form, is_multilingual=multilingual)
        if wanted.is_stream:
            return await stream(self._events(wanted))
        heard = [segment async for segment in self._segments(wanted)]
        segments = [segment for segment in heard if segment.heard.text]
        if wanted.format == "text":
            return PlainTextResponse(f"{_text(segments)}\n")
        told = _verbose(wanted, segments) if wanted.format == "verbose_json" else _json(wanted, segments)
        return json_response({**told, **_parts(heard)})

    async def _segments(self, wanted: TranscriptionRequest) -> AsyncGenerator[Segment, None]:
        """Yield the words of each utterance in order; if there are none, only the recogniser that heard it."""
        expected = await self._recognizer.expect(sentences=[*self._vocabulary, *wanted.hints])
        for utterance in wanted.recording.utterances:
            async with self._one:
                heard = await self._listen(wanted, utterance.pcm, expected)
            yield Segment(utterance.start_ms, utterance.end_ms, heard)

    async def _listen(self, wanted: TranscriptionRequest, pcm: bytes, expected: Any) -> Recognition:
        try:
            return await self._recognizer.listen(
                pcm, expected, language=wanted.language, word_times="word" in wanted.granularities
            )
        except SettingsError as error:
            raise invalid_value("language", str(error)) from error

    async def _events(self, wanted: TranscriptionRequest) -> AsyncGenerator[dict[str, Any], None]:
        segments: list[Segment] = []
        heard: list[Segment] = []
        async for segment in self._segments(wanted):
            heard.append(segment)
            if not segment.heard.text:
                continue
            if wanted.has_logprobs:
                # A delta holds a whole utterance, with the probabilities of all its words.
                text = f" {segment.heard.text}" if segments else segment.heard.text
                yield {"type": "transcript.text.delta", "delta": text, "logprobs": segment.heard.logprobs}
            else:
                for delta in deltas(f" {segment.heard.text}" if segments else segment.heard.text):
                    yield {"type": "transcript.text.delta", "delta": delta}
            segments.append(segment)
        yield {"type": "transcript.text.done", **_json(wanted, segments), **_parts(heard)}


def _parts(heard: Sequence[Segment]) -> dict[str, Any]:
    """Return the field that says which part listened, if any did."""
    told = parts_of(ears=(segment.heard.engine for segment in heard))
    return {"parts": told} if told else {}


def _text(segments: Sequence[Segment]) -> str:
    return " ".join(segment.heard.text for segment in segments)


def _json(wanted: TranscriptionRequest, segments: Sequence[Segment]) -> dict[str, Any]:
    text = _text(segments)
    logprobs: dict[str, Any] = {"logprobs": _logprobs(segments)} if wanted.has_logprobs else {}
    return {"text": text, **logprobs, "usage": transcription_usage(wanted.model, wanted.recording.duration_ms, text)}


def _logprobs(segments: Sequence[Segment]) -> list[dict[str, Any]] | None:
    """Return the log probabilities of all words; `None` if some words have none."""
    each = [segment.heard.logprobs for segment in segments]
    return None if None in each else [token for tokens in each for token in tokens or ()]


def _verbose(wanted: TranscriptionRequest, segments: Sequence[Segment]) -> dict[str, Any]:
    duration_ms = wanted.recording.duration_ms
    answer: dict[str, Any] = {
        "task": "transcribe",
        "language": _spoken(segments),
        "duration": round(duration_ms / 1000, 3),
        "text": _text(segments),
    }
    if "word" in wanted.granularities:
        answer["words"] = [
            {"word": word.text, "start": word.start_ms / 1000, "end": word.end_ms / 1000}
            for segment in segments
            for word in segment.words
        ]
    if "segment" in wanted.granularities:
        answer["segments"] = [_segment(number, segment) for number, segment in enumerate(segments)]
    return {**answer, "usage": transcription_usage("whisper-1", duration_ms, "")}


def _spoken(segments: Sequence[Segment]) -> str:
    """Return the language by whisper-1's name: "english", unless you use your own model."""
    codes = {segment.heard.language for segment in segments}
    return "english" if codes <= {"en"} else ", ".join(sorted(codes))


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    heard = segment.heard
    raw = heard.text.encode()
    return {
        "id": number,
        "seek": segment.start_ms // 10,
        "start": segment.start_ms / 1000,
        "end": segment.end_ms / 1000,
        "text": f" {heard.text}",
        "tokens": [token.id for token in heard.tokens],
        "temperature": 0.0,
        "avg_logprob": heard.mean_logprob or 0.0,
        "compression_ratio": round(len(raw) / len(zlib.compress(raw)), 3),
        "no_speech_prob": heard.no_speech or 0.0,
    }

"""The fold of what a response puts out: items, their parts, words, sound and calls, as they come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .turn_index import TurnIndex
from .turns import Part
from .wire import events as ev


def _output_item_added(index: TurnIndex, event: ev.ResponseOutputItemAdded, elapsed_ms: float) -> None:
    turn = index.described(event.item)
    if turn:
        index.output(index.reply(event.response_id), turn, event.output_index)


def _output_item_done(index: TurnIndex, event: ev.ResponseOutputItemDone, elapsed_ms: float) -> None:
    turn = index.described(event.item)
    if turn:
        turn.done = True
        index.output(index.reply(event.response_id), turn, event.output_index)


def _part_described(
    index: TurnIndex, event: ev.ResponseContentPartAdded | ev.ResponseContentPartDone, elapsed_ms: float
) -> None:
    turn = index.output_turn(event)
    if event.part is None or not event.part.type:
        return
    part = index.part(turn, event.content_index, "audio" if "audio" in event.part.type else "text")
    if isinstance(event, ev.ResponseContentPartDone) and event.part.words:
        part.finish_text(event.part.words)


def _text_delta(
    index: TurnIndex, event: ev.ResponseOutputTextDelta | ev.ResponseOutputAudioTranscriptDelta, elapsed_ms: float
) -> None:
    kind = "text" if isinstance(event, ev.ResponseOutputTextDelta) else "audio"
    index.part(index.output_turn(event), event.content_index, kind).add_text(event.delta)
    index.reply(event.response_id).timing.mark("first_text", elapsed_ms)


def _text_done(index: TurnIndex, event: ev.ResponseOutputTextDone, elapsed_ms: float) -> None:
    index.part(index.output_turn(event), event.content_index, "text").finish_text(event.text)


def _transcript_done(index: TurnIndex, event: ev.ResponseOutputAudioTranscriptDone, elapsed_ms: float) -> None:
    index.part(index.output_turn(event), event.content_index, "audio").finish_text(event.transcript)


def _audio_delta(index: TurnIndex, event: ev.ResponseOutputAudioDelta, elapsed_ms: float) -> None:
    turn = index.turns.get(event.item_id)
    part = turn.parts.get(event.content_index) if turn is not None and turn.response_id is not None else None
    if part is None:
        part = index.part(index.output_turn(event), event.content_index, "audio")
    elif turn is not None and turn.interrupted:
        index.touch(turn)  # How much of its words was heard depends on how long it is.
    if not part.audio_chunks:
        if not event.delta:
            return
        part.kind = "audio"  # Whatever it was announced as.
        part.encoding = index.output_encoding
        index.reply(event.response_id).timing.mark("first_audio", elapsed_ms)
    if not part.is_audible:
        _find_sound(index, event, part, elapsed_ms)
    part.add_audio(event.delta)


def _find_sound(index: TurnIndex, event: ev.ResponseOutputAudioDelta, part: Part, elapsed_ms: float) -> None:
    timing = index.reply(event.response_id).timing
    found_ms = part.find_sound(event.delta)
    if found_ms is not None and timing.first_audio_ms is not None:
        # Played as it comes: at its place behind the first sample, or when it came, if that was later.
        played_ms = timing.origin_ms + timing.first_audio_ms + found_ms
        timing.mark("audible_on_arrival", max(played_ms, elapsed_ms))


def _audio_done(index: TurnIndex, event: ev.ResponseOutputAudioDone, elapsed_ms: float) -> None:
    index.part(index.output_turn(event), event.content_index, "audio").audio_done = True


def _arguments_delta(index: TurnIndex, event: ev.ResponseFunctionCallArgumentsDelta, elapsed_ms: float) -> None:
    turn = index.output_turn(event)
    if not turn.done:
        turn.arguments += event.delta


def _arguments_done(index: TurnIndex, event: ev.ResponseFunctionCallArgumentsDone, elapsed_ms: float) -> None:
    turn = index.output_turn(event)
    if event.arguments is not None:
        turn.arguments = event.arguments
    turn.name = event.name or turn.name
    turn.call_id = event.call_id or turn.call_id
    turn.done = True


OUTPUT_FOLDS: dict[type, Callable[[TurnIndex, Any, float], None]] = {
    ev.ResponseOutputItemAdded: _output_item_added,
    ev.ResponseOutputItemDone: _output_item_done,
    ev.ResponseContentPartAdded: _part_described,
    ev.ResponseContentPartDone: _part_described,
    ev.ResponseOutputTextDelta: _text_delta,
    ev.ResponseOutputTextDone: _text_done,
    ev.ResponseOutputAudioDelta: _audio_delta,
    ev.ResponseOutputAudioDone: _audio_done,
    ev.ResponseOutputAudioTranscriptDelta: _text_delta,
    ev.ResponseOutputAudioTranscriptDone: _transcript_done,
    ev.ResponseFunctionCallArgumentsDelta: _arguments_delta,
    ev.ResponseFunctionCallArgumentsDone: _arguments_done,
}

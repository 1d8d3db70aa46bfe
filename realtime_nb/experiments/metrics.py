"""What is measured of every answer: words, time, tokens, dollars."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ..alignment import character_error_rate, word_error_rate
from ..audio import AudioClip, concatenate
from ..conversation import Conversation
from ..timing import AUDIBLE
from ..turns import Reply
from .datasets import Example
from .graders import Answer, ToolCall

#: What results sum up, in this order, beside grades.
MEASURES = (
    *("wer", "cer", "tool_call_correctness", "tool_call_arg_correctness"),
    *("latency_first_audio_ms", "latency_first_audible_ms", "latency_response_done_ms", "turn_gap_ms"),
    *("cost_usd", "cost_per_minute_usd", "output_s", "input_tokens", "output_tokens"),
)


def answer_of(conversation: Conversation, example: Example) -> Answer:
    """Return what graders get of a conversation in which one thing was asked."""
    replies = conversation.replies
    clips = [clip for reply in replies if (clip := reply.audio) is not None]
    asked = next((turn for turn in conversation if turn.role == "user"), None)
    return Answer(
        example=example,
        text=" ".join(reply.transcript for reply in replies if reply.transcript),
        heard=asked.text if asked is not None else "",
        tool_calls=[
            ToolCall(name=turn.name, arguments=_arguments(turn.arguments))
            for reply in replies
            for turn in reply.function_calls
        ],
        audio=concatenate(clips) if clips else None,
        conversation=conversation,
    )


def measure(answer: Answer, clip: AudioClip) -> dict[str, Any]:
    """Return the columns of an answer to a clip.

    Notes
    -----
    ``wer``, ``cer``: errors in `Answer.heard` over the words, or characters, of the reference.
    ``latency_first_audio_ms``: from the end of the person's turn to the first audio, silent or not;
    ``latency_first_audible_ms``: to its first sample above -60 dB of full scale, as if it were played as it comes;
    ``latency_response_done_ms``: to the end of the last response, calls of tools and what follows them included.
    ``turn_gap_ms``: from the person's last audible sample to the answer's first; the silence at the clip's end counts
    (τ-Voice and Full-Duplex-Bench: response latency). A clip is sent faster than it sounds, so that it is never
    negative here.
    ``cost_usd``: all that was billed, writing down the person's words included; ``cost_per_minute_usd``: over the
    minutes that both sides speak.
    """
    replies = answer.conversation.replies
    reference = answer.example.text
    first_audible_ms = _earliest(replies, "first_audible_ms")
    cost_usd = answer.conversation.costs().total_usd
    output_s = answer.audio.duration_s if answer.audio else 0.0
    usages = [reply.usage for reply in replies if reply.usage is not None]
    origin_ms = replies[0].timing.origin_ms if replies else 0.0
    done = [reply.timing.origin_ms + reply.timing.done_ms for reply in replies if reply.timing.done_ms is not None]
    return {
        "assistant_text": answer.text,
        "heard": answer.heard,
        "wer": word_error_rate(reference, answer.heard) if reference and answer.heard else None,
        "cer": character_error_rate(reference, answer.heard) if reference and answer.heard else None,
        "tool_calls": json.dumps(
            [{"name": call.name, "arguments": dict(call.arguments)} for call in answer.tool_calls], ensure_ascii=False
        ),
        "latency_first_audio_ms": _earliest(replies, "first_audio_ms"),
        "latency_first_audible_ms": first_audible_ms,
        "latency_first_text_ms": _earliest(replies, "first_text_ms"),
        "latency_response_done_ms": max(done) - origin_ms if done else None,
        "turn_gap_ms": None if first_audible_ms is None else first_audible_ms + silence_at_end_ms(clip),
        "cost_usd": cost_usd,
        "cost_per_minute_usd": None if cost_usd is None else cost_usd * 60 / (clip.duration_s + output_s),
        "input_s": clip.duration_s,
        "output_s": output_s,
        "input_tokens": sum(usage.input_tokens for usage in usages) if usages else None,
        "output_tokens": sum(usage.output_tokens for usage in usages) if usages else None,
        "output_audio_tokens": sum(usage.audio_out for usage in usages) if usages else None,
        "output_text_tokens": sum(usage.text_out for usage in usages) if usages else None,
    }


def silence_at_end_ms(clip: AudioClip) -> float:
    """Return how long a clip is below -60 dB of full scale at its end; all of it where it is silent throughout."""
    loud = np.flatnonzero(np.abs(clip.samples) > AUDIBLE)
    return (len(clip.samples) - (int(loud[-1]) + 1 if len(loud) else 0)) * 1000 / clip.sample_rate


def _earliest(replies: list[Reply], name: str) -> float | None:
    """Return when something first happened in any reply, in ms after the person had finished."""
    times = ((reply.timing.origin_ms, getattr(reply.timing, name)) for reply in replies)
    found = [origin_ms + after_ms for origin_ms, after_ms in times if after_ms is not None]
    return min(found) - replies[0].timing.origin_ms if found else None


def _arguments(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}

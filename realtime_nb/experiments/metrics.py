"""What is measured of every answer: words, time, tokens, dollars.

================================= =====================================================================================
``wer``, ``cer``                  ``(S + D + I) / N`` of the words, or characters, that the system wrote down, against
                                  the reference, however they are written (`realtime_nb.alignment.error_rates`); of a
                                  scenario, over all of its turns together. 1 where it wrote down nothing; none where
                                  nobody writes down, or the reference is empty.
``latency_first_audio_ms``        From the end of the person's turn to the first audio, silent or not.
``latency_first_audible_ms``      To its first sample above -60 dB of full scale, as if it were played as it comes
                                  (cookbook: ``latency_first_audio_ms``, which counts silence as well).
``latency_response_done_ms``      To the end of the last response, calls of tools and what follows them included.
``turn_gap_ms``                   From the person's last audible sample to the answer's first; the silence at the clip's
                                  end counts (τ-Voice: response latency; Full-Duplex-Bench: latency of smooth turn
                                  taking). Below 0 where the session answers before the person is done, which only an
                                  open microphone can show: a clip is sent faster than it sounds.
``cost_usd``                      All that the system billed, writing down the person's words included: the cost of one
                                  task. Of judges and simulated users: ``judge_cost_usd``, ``user_cost_usd``.
``cost_at_most_usd``              Where the server told too little: the most that ``cost_usd`` can be. `None` where
                                  nobody can tell; ``cost_remarks`` says why. A budget counts it.
``cost_per_minute_usd``           ``cost_usd`` over the minutes that both sides speak.
``cost_per_task_usd``             In summaries: the sum of ``cost_usd`` over the number of tasks that came out right.
``task_success``                  1 where all that the dataset expects came about: the calls of tools, their arguments,
                                  and the keywords of each turn; 0 otherwise (τ-bench: the task's reward).
``response_rate``                 Of a scenario's turns, backchannels left out, how many got an answer at all (τ-Voice).
``interruption_stop_ms``          From the first audible sample of what the person says into an answer until that falls
                                  silent (Full-Duplex-Bench v1.5: stop latency), on the microphone's clock, to 20 ms;
                                  of a scenario the mean over the interruptions that were yielded to.
``yield_rate``                    Of the turns that were spoken into an answer, how many made it fall silent within 2 s
                                  (τ-Voice: yield rate; the bound is ours).
``false_barge_in_rate``           Of the backchannels spoken into an answer, how many made it fall silent before the
                                  person spoke again (Full-Duplex-Bench v1.5: user backchannel; τ-Voice: selectivity).
``heard_fraction``                Of the audio that was made, how much was heard: ``Σ heard_ms / Σ audio_ms`` over the
                                  answers of which somebody told.
``wasted_usd``                    What the rest cost; see `realtime_nb.Costs`.
``voice_pitch_hz``, …             How answers sound, with `Voice` among the graders; formulas and sources in
                                  `realtime_nb.measure_voice`.
================================= =====================================================================================

Where a button is pressed to interrupt, nobody yields: there are no such figures. Sources: τ-Voice, arXiv 2603.13686;
Full-Duplex-Bench, arXiv 2503.04721, and v1.5, arXiv 2507.23159; OpenAI cookbook, ``examples/evals/realtime_evals``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..alignment import error_rates
from ..audio import AudioClip, concatenate
from ..conversation import Conversation
from ..costs import Costs
from ..timing import silence_at_end_ms
from ..turns import Reply, Turn
from ..voice_measures import COLUMNS
from .datasets import Example
from .graders import Answer, ToolCall, tool_calls_of

#: What results sum up, in this order, beside grades.
MEASURES = (
    *("wer", "cer", "task_success", "tool_call_correctness", "tool_call_arg_correctness", "keywords_found"),
    *("latency_first_audio_ms", "latency_first_audible_ms", "latency_response_done_ms", "turn_gap_ms"),
    *("response_rate", "interruption_stop_ms", "yield_rate", "false_barge_in_rate", "heard_fraction"),
    *("cost_usd", "judge_cost_usd", "user_cost_usd", "cost_per_minute_usd", "wasted_usd"),
    *("output_s", "input_tokens", "output_tokens"),
    *(f"voice_{column}" for column in COLUMNS),
)
#: Numbers in a row that say what was asked, or are parts of measures. Any other is a grader's own measure.
NO_MEASURES = frozenset(
    "repeat input_seed attempts retried_cost_usd cost_at_most_usd latency_first_text_ms input_s "
    "output_audio_tokens output_text_tokens turns interruptions backchannels".split()
)
#: What a cell spends: on the system that is measured, and on those who measure it.
_SPENT = ("cost_usd", "judge_cost_usd", "user_cost_usd")


def answer_of(conversation: Conversation, example: Example) -> Answer:
    """Return what graders get of a conversation."""
    replies = conversation.replies
    clips = [clip for reply in replies if (clip := reply.audio) is not None]
    asked = [turn.text for turn in conversation if turn.role == "user" and turn.text]
    return Answer(
        example=example,
        text=" ".join(reply.transcript for reply in replies if reply.transcript),
        heard=" ".join(asked),
        tool_calls=tool_calls_of(replies),
        audio=concatenate(clips) if clips else None,
        conversation=conversation,
    )


def measure(answer: Answer, clip: AudioClip) -> dict[str, Any]:
    """Return the columns of an answer to a clip; this module's docstring says what they are."""
    replies = answer.conversation.replies
    asked = [turn for turn in answer.conversation if turn.role == "user"]
    return (
        {"assistant_text": answer.text, "heard": answer.heard}
        | word_errors([(answer.example.text, asked, answer.example.language)])
        | {"tool_calls": told_calls(answer.tool_calls)}
        | latencies(replies, silence_at_end_ms(clip))
        | totals(answer.conversation, clip.duration_s, answer.audio.duration_s if answer.audio else 0.0)
    )


def word_errors(said: Sequence[tuple[str, Sequence[Turn], str]]) -> dict[str, float | None]:
    """Return the error rates of what was written down: references, the turns found in them, and their languages."""
    pairs = [
        (reference, " ".join(turn.text for turn in asked if turn.text), language)
        for reference, asked, language in said
        if reference and asked and all(turn.is_written_down for turn in asked)
    ]
    wer, cer = error_rates(pairs) if pairs else (None, None)
    return {"wer": wer, "cer": cer}


def told_calls(calls: Sequence[ToolCall]) -> str:
    """Return calls as a column has them."""
    return json.dumps([{"name": call.name, "arguments": dict(call.arguments)} for call in calls], ensure_ascii=False)


def latencies(replies: Sequence[Reply], silence_ms: float) -> dict[str, float | None]:
    """Return how long the answer to a turn took that ends in so much silence."""
    origin_ms = replies[0].timing.origin_ms if replies else 0.0
    done = [reply.timing.origin_ms + reply.timing.done_ms for reply in replies if reply.timing.done_ms is not None]
    first_audible_ms = _earliest(replies, "first_audible_ms")
    if replies and replies[0].asked is not None and replies[0].asked.frame_rest_ms is not None:
        silence_ms = 0.0  # Turn detection has found the end of speech, and time counts from there.
    return {
        "latency_first_audio_ms": _earliest(replies, "first_audio_ms"),
        "latency_first_audible_ms": first_audible_ms,
        "latency_first_text_ms": _earliest(replies, "first_text_ms"),
        "latency_response_done_ms": max(done) - origin_ms if done else None,
        "turn_gap_ms": None if first_audible_ms is None else first_audible_ms + silence_ms,
    }


def totals(conversation: Conversation, input_s: float, output_s: float) -> dict[str, Any]:
    """Return what a conversation took, and how much of it was heard."""
    costs = conversation.costs()
    cost_usd = costs.total_usd
    usages = [reply.usage for reply in conversation.replies if reply.usage is not None]
    return {
        "cost_usd": cost_usd,
        **told_costs(costs),
        "cost_per_minute_usd": None if cost_usd is None else cost_usd * 60 / (input_s + output_s),
        "wasted_usd": costs.wasted_usd,
        "heard_fraction": heard_fraction(conversation.replies),
        "input_s": input_s,
        "output_s": output_s,
        "input_tokens": sum(usage.input_tokens for usage in usages) if usages else None,
        "output_tokens": sum(usage.output_tokens for usage in usages) if usages else None,
        "output_audio_tokens": sum(usage.audio_out for usage in usages) if usages else None,
        "output_text_tokens": sum(usage.text_out for usage in usages) if usages else None,
    }


def told_costs(costs: Costs) -> dict[str, Any]:
    """Return what is to be known of a cost: ``cost_remarks``, and where it may be more, ``cost_at_most_usd``."""
    told: dict[str, Any] = {"cost_at_most_usd": costs.at_most_usd} if costs.unsure_usd else {}
    return told | ({"cost_remarks": "; ".join(costs.remarks)} if costs.remarks else {})


def heard_fraction(replies: Sequence[Reply]) -> float | None:
    """Return how much of the audio that was made was heard; `None` where nobody told."""
    made_ms = heard_ms = 0.0
    for turn in (turn for reply in replies for turn in reply.turns):
        audio_ms = sum(part.audio_ms for part in list(turn.parts.values()))
        told_ms = turn.truncated_ms if turn.truncated_ms is not None else turn.played_ms
        if audio_ms and told_ms is not None:
            made_ms += audio_ms
            heard_ms += min(audio_ms, told_ms) if turn.interrupted or turn.truncated_ms is not None else audio_ms
    return heard_ms / made_ms if made_ms else None


def spent_usd(row: dict[str, Any]) -> float | None:
    """Return what a row's cell took, judges and simulated users included; `None` if not known."""
    spent = [row[name] for name in _SPENT if name in row]
    return None if None in spent else float(sum(spent))


def budgeted_usd(row: dict[str, Any]) -> float | None:
    """Return what counts of a row's cell for a budget: the most that it may have cost; `None` if not known."""
    return spent_usd(row | {"cost_usd": row["cost_at_most_usd"]} if "cost_at_most_usd" in row else row)


def value_of(row: dict[str, Any], measure: str) -> float | None:
    """Return a measure of a row; ``completed`` is 1 where there is an answer, 0 where it failed.

    What failed has no other, but for what it cost: half an answer would tell of half of what was asked.
    """
    if measure == "completed":
        return float(row["status"] == "completed")
    if row.get("status") == "failed" and measure not in _SPENT:
        return None
    value = row.get(measure)
    return None if value is None else float(value)


def cost_per_task_usd(rows: Sequence[dict[str, Any]]) -> float | None:
    """Return what a task that came out right cost; `None` where none did, or a cost is not known."""
    graded = [row for row in rows if row.get("task_success") is not None]
    right = sum(row["task_success"] for row in graded)
    costs = [row.get("cost_usd") for row in graded]
    known = [cost for cost in costs if cost is not None]
    return sum(known) / right if right and len(known) == len(costs) else None


def _earliest(replies: Sequence[Reply], name: str) -> float | None:
    """Return when something first happened in any reply, in ms after the person had finished."""
    times = ((reply.timing.origin_ms, getattr(reply.timing, name)) for reply in replies)
    found = [origin_ms + after_ms for origin_ms, after_ms in times if after_ms is not None]
    return min(found) - replies[0].timing.origin_ms if found else None

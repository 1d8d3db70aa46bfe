"""What is measured of a scenario: each of its turns, and all of them together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..conversation import Conversation
from ..timing import silence_at_end_ms
from .graders import grade_tool_calls, keywords_missing, tool_calls_of
from .metrics import latencies, told_calls, totals, word_errors
from .scenarios import Scenario
from .talks import Exchange, Talk

#: An answer that sounds on for longer did not yield.
YIELD_WITHIN_MS = 2_000.0
_MEANS = (
    *("latency_first_audio_ms", "latency_first_audible_ms", "latency_first_text_ms", "latency_response_done_ms"),
    *("turn_gap_ms", "interruption_stop_ms"),
)


def measure_talk(talk: Talk, scenario: Scenario, conversation: Conversation) -> dict[str, Any]:
    """Return the columns of a scenario; `realtime_nb.experiments.metrics` says what they are.

    ``turn_measures`` holds those of each turn, as JSON, with where it lies in both tracks.
    """
    measured = [_measure(number, each, talk, scenario) for number, each in enumerate(talk.exchanges, 1)]
    calls = tool_calls_of([reply for each in talk.exchanges for reply in each.replies])
    input_s = sum(each.clip.duration_s for each in talk.said)
    made = (clip for each in talk.exchanges for reply in each.replies if (clip := reply.audio) is not None)
    row: dict[str, Any] = {
        "turns": len(talk.said),
        "user_text": " ".join(each.turn.text for each in talk.exchanges),
        "assistant_text": " ".join(each["assistant_text"] for each in measured if each["assistant_text"]),
        "heard": " ".join(each["heard"] for each in measured if each["heard"]),
    }
    answerable = [each for each in talk.said if not each.turn.backchannel]
    row["response_rate"] = _mean([float(bool(each.replies)) for each in answerable])
    row |= word_errors([(each.turn.text, each.asked, scenario.language) for each in answerable])
    row |= {name: _mean([each.get(name) for each in measured]) for name in _MEANS}
    row |= {
        "tool_calls": told_calls(calls),
        "interruptions": sum("yielded" in each for each in measured),
        "yield_rate": _mean([each.get("yielded") for each in measured]),
        "backchannels": sum("false_barge_in" in each for each in measured),
        "false_barge_in_rate": _mean([each.get("false_barge_in") for each in measured]),
        "turn_measures": json.dumps(measured, ensure_ascii=False),
    }
    if talk.user_cost_usd != 0.0:
        row["user_cost_usd"] = talk.user_cost_usd
    return row | totals(conversation, input_s, sum(clip.duration_s for clip in made))


def grade_talk(talk: Talk, scenario: Scenario) -> dict[str, Any]:
    """Grade what is expected: the call of the scenario in all of it, and what each turn expects in its answer.

    Returns
    -------
    grades : dict
        ``tool_call_correctness`` and ``tool_call_arg_correctness``, as of `grade_tool_calls`; where the scenario itself
        says nothing of calls, the mean over its turns; ``keywords_found``, the share of the turns' keywords that were
        in their answers; ``task_success``, 1 where all of that is 1. What is not expected is absent.
    """
    calls = tool_calls_of([reply for each in talk.exchanges for reply in each.replies])
    graded = [_expected(each) for each in talk.exchanges]
    row = grade_tool_calls(scenario, calls)
    for name in ("tool_call_correctness", "tool_call_arg_correctness"):
        if name not in row and (mean := _mean([each.get(name) for each in graded])) is not None:
            row[name] = mean
    wanted = sum(len(each.turn.keywords) for each in talk.exchanges)
    if wanted:
        found = sum(each["keywords_found"] * len(exchange.turn.keywords) for each, exchange in _with(graded, talk))
        row["keywords_found"] = found / wanted
    every = [each[name] for each in [row, *graded] for name in _SUCCESS if name in each]
    # What the script still expects of turns that were never said did not come about.
    unsaid = any(_expects(turn) for turn in scenario.script[len(talk.exchanges) :])
    return row | ({"task_success": int(all(value == 1 for value in every) and not unsaid)} if every or unsaid else {})


_SUCCESS = ("tool_call_correctness", "tool_call_arg_correctness", "keywords_found")


def _with(graded: Sequence[dict[str, Any]], talk: Talk) -> list[tuple[dict[str, Any], Exchange]]:
    return [pair for pair in zip(graded, talk.exchanges, strict=True) if "keywords_found" in pair[0]]


def _expects(turn: Any) -> bool:
    return turn.tool_call is not None or bool(turn.keywords)


def _measure(number: int, exchange: Exchange, talk: Talk, scenario: Scenario) -> dict[str, Any]:
    turn, replies = exchange.turn, exchange.replies
    silence_ms = silence_at_end_ms(exchange.clip)
    row: dict[str, Any] = {
        "turn": number,
        "user_text": turn.text,
        "heard": " ".join(each.text for each in exchange.asked if each.text),
        "assistant_text": " ".join(reply.transcript for reply in replies if reply.transcript),
        "start_ms": exchange.start_ms,
        "end_ms": exchange.end_ms,
        **word_errors([(turn.text, exchange.asked, scenario.language)] if not turn.backchannel else []),
        **latencies(replies, silence_ms),
        "tool_calls": [{"name": each.name, "arguments": dict(each.arguments)} for each in tool_calls_of(replies)],
        **_expected(exchange),
    }
    if turn.at_ms is not None:
        row |= {"at_ms": turn.at_ms, "backchannel": turn.backchannel} | _cut_in(exchange, talk)
    if exchange.left_out:
        row["left_out"] = exchange.left_out
    if talk.listener is not None:
        row |= _played(exchange, talk)
    return row


def _expected(exchange: Exchange) -> dict[str, Any]:
    turn = exchange.turn
    row = grade_tool_calls(turn, tool_calls_of(exchange.replies))
    if turn.keywords:
        said = " ".join(reply.transcript for reply in exchange.replies)
        row["keywords_found"] = 1 - len(keywords_missing(turn.keywords, said)) / len(turn.keywords)
    return row


def _cut_in(exchange: Exchange, talk: Talk) -> dict[str, Any]:
    """Return what became of an answer that was spoken into; nothing where a button was pressed, or nothing sounded."""
    if exchange.cut is None or exchange.by_hand:
        return {}
    stopped_ms = exchange.cut.stopped_ms
    if exchange.turn.backchannel:
        following = next((each for each in talk.said if each.start_ms > exchange.start_ms), None)
        stopped = stopped_ms is not None and (following is None or stopped_ms < following.speech_start_ms)
        return {"false_barge_in": int(stopped)}
    stop_ms = None if stopped_ms is None else stopped_ms - exchange.speech_start_ms
    yielded = stop_ms is not None and stop_ms <= YIELD_WITHIN_MS
    return {"yielded": int(yielded)} | ({"interruption_stop_ms": stop_ms} if yielded else {})


def _played(exchange: Exchange, talk: Talk) -> dict[str, Any]:
    """Return where the answer lies in its track, and so how long the person waited for it."""
    assert talk.listener is not None
    items = {turn.item_id for reply in exchange.replies for turn in reply.turns}
    played = [each for each in talk.listener.played if each.item_id in items]
    if not played:
        return {}
    row: dict[str, Any] = {"answer_start_ms": played[0].start_ms, "answer_end_ms": played[-1].end_ms}
    audible_ms = next((each.audible_ms for each in played if each.audible_ms is not None), None)
    if audible_ms is not None:
        row["turn_gap_ms"] = audible_ms - exchange.speech_end_ms
    return row


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None

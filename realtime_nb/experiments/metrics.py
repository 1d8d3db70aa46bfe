"""The measures of every answer, and of a scenario's turns."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..conversation.conversation import Conversation
from ..conversation.costs import Costs
from ..conversation.records import Reply, Turn
from ..media.clip import AudioClip, concatenate
from ..protocol.parts import joined_names
from ..sessions.backend import Backend
from ..speech.voice import COLUMNS
from ..speech.words import count_errors
from .clips import SpokenClip
from .example import Example
from .graders import Answer, ToolCall, finite, grade_tool_calls, keywords_missing, tool_calls_of
from .scenario import Scenario, UserTurn
from .talk import Talk, TalkTurn
from .timelines import WINDOWS, AnswerSpan, SpokenSpan, TalkTimeline, Windows, measure_timeline

# --- The measures of every answer: words, time, tokens, dollars -------------------------------------------------------
#
# ``wer``, ``cer``
#     ``(S + D + I) / N`` of the words, or characters, in the system's transcript, against the reference; spelling
#     variants count as equal (`realtime_nb.speech.words.count_errors`). For a scenario, over all its turns together. 1
#     if the transcript is empty; missing if the system transcribes nothing, or the reference is empty. The counts are
#     in ``word_substitutions``, ``word_deletions``, ``word_insertions`` and ``reference_words``; `Results.word_errors`
#     adds them up.
# ``latency_first_audio_ms``
#     From the end of the person's turn to the first audio, silent or not.
# ``latency_first_audible_ms``
#     To its first sample above -60 dB of full scale, as if it were played as it comes (cookbook:
#     ``latency_first_audio_ms``, which counts silence as well).
# ``latency_response_done_ms``
#     To the end of the last response, including tool calls and the responses after them.
# ``turn_gap_ms``
#     From the person's last audible sample to the answer's first; the silence at the clip's end counts (τ-Voice:
#     response latency; Full-Duplex-Bench: latency of smooth turn taking). Below 0 if the session answers before the
#     person is done, which only an open microphone can show: a clip is sent faster than it sounds. Under every
#     condition, the person's samples are those of the clean clip: noise is not speech, and a room's echo neither goes
#     on speaking nor holds a button.
# ``cost_usd``
#     Everything that the system billed, including transcription of the person: the cost of one task. Judges and
#     simulated users are in ``judge_cost_usd`` and ``user_cost_usd``.
# ``cost_at_most_usd``
#     If the server reported too little: the most that ``cost_usd`` can be. `None` if not known; ``cost_remarks`` says
#     why. A budget counts it.
# ``cost_per_minute_usd``
#     ``cost_usd`` over the minutes that both sides speak.
# ``cost_per_task_usd``
#     In summaries: the sum of ``cost_usd`` over the number of tasks that came out right.
# ``task_success``
#     1 if everything that the dataset expects happened: the tool calls, their arguments, and the keywords of each turn;
#     0 otherwise (τ-bench: the task's reward).
# ``response_rate``
#     The share of a scenario's turns, without backchannels, that got an answer at all (τ-Voice).
# ``interruption_stop_ms``
#     From the first audible sample of the person's clean speech during an answer until the answer falls silent
#     (Full-Duplex-Bench v1.5: stop latency), on the microphone's clock, to 20 ms; for a scenario the mean over the
#     interruptions that the answer yielded to.
# ``yield_rate``
#     The share of turns spoken into an answer that made it fall silent within 2 s (τ-Voice: yield rate). An answer that
#     ends by itself within these 2 s counts neither way.
# ``false_barge_in_rate``
#     The share of backchannels spoken into an answer that made it fall silent before the person spoke again
#     (Full-Duplex-Bench v1.5: user backchannel; τ-Voice: selectivity).
# ``agent_interruption_rate``
#     The share of turns during which an answer began before the person had finished (τ-Voice: agent interruption rate,
#     which counts the answers).
# ``take_over_rate``
#     The share of turns during which such an answer took the turn: it lasted 1 s or had more than 3 words. Of turns
#     with a pause, that is Full-Duplex-Bench v1's take-over rate of pause handling.
# ``vocal_tic_selectivity``, ``non_directed_selectivity``
#     The share of such sounds that neither stopped an answer within 1 s nor got one within 2 s (τ-Voice: selectivity).
# ``timeline``
#     When both sides spoke, as JSON: ``user`` (start, end, kind), ``agent`` (start, end, words) and ``length_ms``;
#     `Results.as_defined` reads it.
# ``heard_fraction``
#     The share of the generated audio that was heard: ``Σ heard_ms / Σ audio_ms`` over the answers that report it.
# ``local_ears``, ``local_voice``, ``local_end_of_turn``
#     Not measures, but the parts of the local voice that answered, e.g. "Whisper tiny.en". Under load, and if Whisper
#     is not sure, PocketSphinx listens. The end of turn is missing if a client committed the turn.
# ``wasted_usd``
#     The cost of the rest; see `realtime_nb.Costs`.
# ``voice_pitch_hz``, …
#     How answers sound, with `Voice` among the graders; formulas and sources in `realtime_nb.measure_voice`.
#
# If a button stops the answer, it does not yield, so there are no such figures. The windows of 1 s and 2 s, and the 3
# words, are the defaults of `Windows`. Sources: τ-Voice, arXiv 2603.13686;
# Full-Duplex-Bench, arXiv 2503.04721, and v1.5, arXiv 2507.23159; OpenAI cookbook, ``examples/evals/realtime_evals``.

#: The measures that results sum up, in this order, in addition to grades.
MEASURES = (
    *("wer", "cer", "task_success", "tool_call_correctness", "tool_call_arg_correctness", "keywords_found"),
    *("latency_first_audio_ms", "latency_first_audible_ms", "latency_response_done_ms", "turn_gap_ms"),
    *("response_rate", "interruption_stop_ms", "yield_rate", "false_barge_in_rate"),
    *("vocal_tic_selectivity", "non_directed_selectivity", "agent_interruption_rate", "take_over_rate"),
    "heard_fraction",
    *("cost_usd", "judge_cost_usd", "user_cost_usd", "cost_per_minute_usd", "wasted_usd"),
    *("output_s", "input_tokens", "output_tokens"),
    *(f"voice_{column}" for column in COLUMNS),
)
#: How many words were wrong in each way, and how many there are in the reference.
WORD_COUNTS = ("word_substitutions", "word_deletions", "word_insertions", "reference_words")
#: Numbers in a row that describe the question, or are parts of measures. Any other is a grader's own measure.
NO_MEASURES = frozenset(
    "repeat input_seed attempts retried_cost_usd cost_at_most_usd latency_first_text_ms input_s "
    "output_audio_tokens output_text_tokens turns interruptions backchannels speech_start_ms speech_end_ms".split()
).union(WORD_COUNTS)
#: The costs of a cell: of the system that is measured, of judges, and of simulated users.
_SPENT = ("cost_usd", "judge_cost_usd", "user_cost_usd")


def answer_of(conversation: Conversation, example: Example) -> Answer:
    """Return a conversation's answer for graders."""
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
    """Return the columns of an answer to a clip; the list at the top of this module explains them."""
    replies, said = answer.conversation.replies, SpokenClip.of(clip)
    asked = [turn for turn in answer.conversation if turn.role == "user"]
    return (
        {"assistant_text": answer.text, "heard": answer.heard}
        | word_errors([(answer.example.text, asked, answer.example.language)])
        | {"tool_calls": told_calls(answer.tool_calls)}
        | latencies(replies, said)
        | {"speech_start_ms": said.speech_start_ms, "speech_end_ms": said.speech_end_ms, "input_sha256": said.sha256}
        | totals(answer.conversation, clip.duration_s, answer.audio.duration_s if answer.audio else 0.0)
    )


def grade_expected(answer: Answer) -> dict[str, Any]:
    """Grade the tool calls of an answer by what its example expects, and the task by them; see `grade_tool_calls`."""
    grades = grade_tool_calls(answer.example, answer.tool_calls)
    if grades:
        right = grades["tool_call_correctness"] and grades["tool_call_arg_correctness"]
        grades["task_success"] = int(bool(right))
    return grades


def word_errors(said: Sequence[tuple[str, Sequence[Turn], str]]) -> dict[str, float | None]:
    """Return the errors of transcripts, given references, the turns found for them, and languages."""
    return _errors(
        [
            (reference, " ".join(turn.text for turn in asked if turn.text), language)
            for reference, asked, language in said
            if reference and asked and all(turn.is_written_down for turn in asked)
        ]
    )


def _errors(pairs: Sequence[tuple[str, str, str]]) -> dict[str, float | None]:
    if not pairs:
        return {"wer": None, "cer": None}
    words, characters = count_errors(pairs)
    return {"wer": words.rate, "cer": characters.rate, **dict(zip(WORD_COUNTS, words, strict=True))}


def told_calls(calls: Sequence[ToolCall]) -> str:
    """Return calls as the text of a column, in the cookbook's shape."""
    told = [
        {
            "name": call.name,
            "arguments": dict(call.arguments),
            "raw_arguments": call.raw_arguments,
            "call_id": call.call_id,
        }
        for call in calls
    ]
    return json.dumps(told, ensure_ascii=False)


def latencies(replies: Sequence[Reply], said: SpokenClip, start_ms: float = 0.0) -> dict[str, float | None]:
    """Return how long the answer to a turn took, which began at `start_ms` in all audio sent."""
    origin_ms = replies[0].timing.origin_ms if replies else 0.0
    done = [reply.timing.origin_ms + reply.timing.done_ms for reply in replies if reply.timing.done_ms is not None]
    first_audible_ms, silent_ms = _earliest(replies, "first_audible_ms"), _silent_ms(replies, said, start_ms)
    return {
        "latency_first_audio_ms": _earliest(replies, "first_audio_ms"),
        "latency_first_audible_ms": first_audible_ms,
        "latency_first_text_ms": _earliest(replies, "first_text_ms"),
        "latency_response_done_ms": max(done) - origin_ms if done else None,
        "turn_gap_ms": None if first_audible_ms is None or silent_ms is None else first_audible_ms + silent_ms,
    }


def _silent_ms(replies: Sequence[Reply], said: SpokenClip, start_ms: float) -> float | None:
    """Return how long the person had been silent when an answer's times begin to count."""
    asked = replies[0].asked if replies else None
    if said.speech_end_ms is None or asked is None or asked.frame_rest_ms is None:
        return said.silence_ms
    if None in (asked.audio_start_ms, asked.spoken_at_ms, asked.began_at_ms):
        return None
    # Times count from what turn detection took for the end of speech, which in noise may be another.
    taken_ms = asked.audio_start_ms + asked.spoken_at_ms - asked.began_at_ms + asked.frame_rest_ms  # type: ignore[operator]
    return taken_ms - (start_ms + said.speech_end_ms)


def totals(conversation: Conversation, input_s: float, output_s: float) -> dict[str, Any]:
    """Return a conversation's tokens, cost and length, and how much of it was heard."""
    costs = conversation.costs()
    cost_usd = costs.total_usd
    usages = [reply.usage for reply in conversation.replies if reply.usage is not None]
    return {
        **answering_parts(conversation.replies),
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


def answering_parts(replies: Sequence[Reply]) -> dict[str, str]:
    """Return which parts heard, spoke and found the ends of turns, as far as the server says so."""
    found: dict[str, list[str]] = {}
    for reply in replies:
        stages = {job: reply.stages[stage].part for job, stage in _STAGES.items() if stage in reply.stages}
        for job, name in (reply.parts | stages).items():
            found.setdefault(f"local_{job}", []).append(name)
    told = {column: joined_names(names) for column, names in found.items()}
    return {column: name for column, name in told.items() if name}


#: The steps of a chain that do the jobs of the local voice.
_STAGES = {"ears": "transcription", "voice": "speech"}


def told_costs(costs: Costs) -> dict[str, Any]:
    """Return the columns about a cost: ``cost_remarks``, and ``cost_at_most_usd`` if it may be higher."""
    told: dict[str, Any] = {"cost_at_most_usd": costs.at_most_usd} if costs.unsure_usd else {}
    return told | ({"cost_remarks": "; ".join(costs.remarks)} if costs.remarks else {})


def unknown_cost(why: str) -> dict[str, Any]:
    """Return the columns about a cost that is not known."""
    names = ("cost_usd", "cost_per_minute_usd", "cost_at_most_usd", "wasted_usd")
    return dict.fromkeys(names) | {"cost_remarks": why}


def foreign_cost(conversation: Conversation, backend: Backend) -> dict[str, Any]:
    """Return the columns about the cost at a server that does not bill by the price table; none if it does."""
    why = backend.why_unknown(conversation.costs().charges)
    return unknown_cost(why) if why else {}


def heard_fraction(replies: Sequence[Reply]) -> float | None:
    """Return the share of the generated audio that was heard; `None` if no answer reports it."""
    made_ms = heard_ms = 0.0
    for turn in (turn for reply in replies for turn in reply.turns):
        audio_ms = sum(part.audio_ms for part in list(turn.parts.values()))
        told_ms = turn.truncated_ms if turn.truncated_ms is not None else turn.played_ms
        if audio_ms and told_ms is not None:
            made_ms += audio_ms
            heard_ms += min(audio_ms, told_ms) if turn.interrupted or turn.truncated_ms is not None else audio_ms
    return heard_ms / made_ms if made_ms else None


def spent_usd(row: dict[str, Any]) -> float | None:
    """Return a row's whole cost, judges and simulated users included; `None` if not known."""
    spent = [row[name] for name in _SPENT if name in row]
    return None if None in spent else float(sum(spent))


def budgeted_usd(row: dict[str, Any]) -> float | None:
    """Return the cost of a row that counts for a budget: the most that it may be; `None` if not known."""
    return spent_usd(row | {"cost_usd": row["cost_at_most_usd"]} if "cost_at_most_usd" in row else row)


def value_of(row: dict[str, Any], measure: str) -> float | None:
    """Return a measure of a row; ``completed`` is 1 if there is an answer, 0 if it failed.

    A failed row has no other measures than its costs: half an answer would only measure half of the question. NaN and
    infinity are missing.
    """
    value = finite(_told(row, measure))
    return float(value) if isinstance(value, int | float | np.number) else None


def values_of(rows: Sequence[dict[str, Any]], measure: str) -> npt.NDArray[np.float64]:
    """Return a measure of each row, as `value_of`; NaN where it is missing."""
    told = [_told(row, measure) for row in rows]
    if {*map(type, told)} - {int, float, NoneType}:
        told = [value_of(row, measure) for row in rows]
    values = np.array(told, float)
    values[np.isinf(values)] = np.nan
    return values


def _told(row: dict[str, Any], measure: str) -> Any:
    if measure == "completed":
        return int(row["status"] == "completed")
    return None if row.get("status") == "failed" and measure not in _SPENT else row.get(measure)


def place_of(measure: str) -> int:
    """Return where a measure stands in a summary: grades first, those of the caller's own graders last."""
    if measure.startswith("grade_"):
        return -1
    return MEASURES.index(measure) if measure in MEASURES else len(MEASURES)


def measures_of(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return the measures that rows have, in the order of summaries."""
    # Most rows have the same columns of the same types, which are looked at once.
    kinds = dict.fromkeys((tuple(row), tuple(map(type, row.values()))) for row in rows)
    columns = (column for names, types in kinds for column in zip(names, types, strict=True))
    numbers = dict.fromkeys(name for name, kind in columns if kind in (int, float) and name not in NO_MEASURES)
    return sorted(numbers, key=place_of)


def cost_per_task_usd(rows: Sequence[dict[str, Any]]) -> float | None:
    """Return the cost per successful task; `None` if none succeeded, or a cost is not known."""
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


# --- The measures of a scenario: of each turn, and of all turns together ----------------------------------------------

_MEANS = (
    *("latency_first_audio_ms", "latency_first_audible_ms", "latency_first_text_ms", "latency_response_done_ms"),
    "turn_gap_ms",
)


def measure_talk(
    talk: Talk, scenario: Scenario, conversation: Conversation, windows: Windows = WINDOWS
) -> dict[str, Any]:
    """Return the columns of a scenario; the list at the top of this module explains them.

    ``turn_measures`` holds those of each turn, as JSON, with the turn's place in both tracks.
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
    answerable = [each for each in talk.said if each.turn.wants_answer]
    row["response_rate"] = _mean([float(bool(each.replies)) for each in answerable])
    row |= word_errors([(each.turn.text, each.asked, scenario.language) for each in answerable])
    row |= {name: _mean([each.get(name) for each in measured]) for name in _MEANS}
    row |= {"tool_calls": told_calls(calls)} | turn_taking(measured, _timeline(talk, conversation), windows)
    if talk.user_cost_usd != 0.0:
        row["user_cost_usd"] = talk.user_cost_usd
    return row | totals(conversation, input_s, sum(clip.duration_s for clip in made))


def measure_again(
    row: Mapping[str, Any], script: Sequence[UserTurn], language: str, windows: Windows
) -> dict[str, Any]:
    """Return the columns of a scenario's words and turn-taking, from what its row has of each turn.

    `script`: the turns with the right references, as far as these are known.
    """
    measured = json.loads(row["turn_measures"])
    for turn, given in zip(measured, script, strict=False):
        turn["user_text"] = given.text
    written = [each for each in measured if each.get("wer") is not None and each["user_text"]]
    for turn in written:
        turn |= _errors([(turn["user_text"], turn["heard"], language)])
    timeline = TalkTimeline.from_json(row["timeline"]) if row.get("timeline") else None
    return (
        {"user_text": " ".join(each["user_text"] for each in measured)}
        | _errors([(each["user_text"], each["heard"], language) for each in written])
        | turn_taking(measured, timeline, windows)
    )


def turn_taking(
    measured: Sequence[Mapping[str, Any]], timeline: TalkTimeline | None, windows: Windows
) -> dict[str, Any]:
    """Return the columns about turn-taking, given the measures of each turn, which it completes."""
    turns = [_cut_in(each, measured[place:], windows) for place, each in enumerate(measured)]
    row: dict[str, Any] = {
        "interruptions": sum("yielded" in each for each in turns),
        "interruption_stop_ms": _mean([each.get("interruption_stop_ms") for each in turns]),
        "yield_rate": _mean([each.get("yielded") for each in turns]),
        "backchannels": sum("false_barge_in" in each for each in turns),
        "false_barge_in_rate": _mean([each.get("false_barge_in") for each in turns]),
        "turn_measures": json.dumps(turns, ensure_ascii=False),
    }
    return row | (measure_timeline(timeline, windows) | {"timeline": timeline.to_json()} if timeline else {})


#: Items that follow each other so closely are one stretch of speech.
_TOUCHING_MS = 200.0


def _timeline(talk: Talk, conversation: Conversation) -> TalkTimeline | None:
    """Return when both sides spoke; `None` if the conversation was not held in real time."""
    if talk.listener is None:
        return None
    user = [
        SpokenSpan(each.speech_start_ms, each.speech_end_ms, each.turn.kind)
        for each in talk.said
        if each.speech_start_ms is not None and each.speech_end_ms is not None
    ]
    agent: list[AnswerSpan] = []
    for played in talk.listener.played:
        if played.audible_ms is None or played.end_ms <= played.audible_ms:
            continue
        turn = conversation.turn(played.item_id)
        words = 0 if turn is None else len(turn.heard_text.split())
        if agent and played.audible_ms - agent[-1].end_ms < _TOUCHING_MS:
            end_ms = max(agent[-1].end_ms, played.end_ms)
            agent[-1] = AnswerSpan(agent[-1].start_ms, end_ms, (agent[-1].words or 0) + words)
        else:
            agent.append(AnswerSpan(played.audible_ms, played.end_ms, words))
    return TalkTimeline(user, agent, talk.length_ms)


def grade_talk(talk: Talk, scenario: Scenario) -> dict[str, Any]:
    """Grade the call that a scenario expects anywhere in it, and what each turn expects of its answer.

    Returns ``tool_call_correctness`` and ``tool_call_arg_correctness``, as in `grade_tool_calls`, or their means over
    the turns if the scenario itself does not grade calls; ``keywords_found``, the share of the turns' keywords that
    were in their answers; and ``task_success``, 1 if all of these are 1. Columns without an expectation are absent.
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
    # Expectations of turns that were never said are not met.
    unsaid = any(_expects(turn) for turn in scenario.script[len(talk.exchanges) :])
    return row | ({"task_success": int(all(value == 1 for value in every) and not unsaid)} if every or unsaid else {})


_SUCCESS = ("tool_call_correctness", "tool_call_arg_correctness", "keywords_found")


def _with(graded: Sequence[dict[str, Any]], talk: Talk) -> list[tuple[dict[str, Any], TalkTurn]]:
    return [pair for pair in zip(graded, talk.exchanges, strict=True) if "keywords_found" in pair[0]]


def _expects(turn: Any) -> bool:
    return turn.tool_call is not None or bool(turn.keywords)


def _measure(number: int, exchange: TalkTurn, talk: Talk, scenario: Scenario) -> dict[str, Any]:
    turn, replies = exchange.turn, exchange.replies
    row: dict[str, Any] = {
        "turn": number,
        "user_text": turn.text,
        "heard": " ".join(each.text for each in exchange.asked if each.text),
        "assistant_text": " ".join(reply.transcript for reply in replies if reply.transcript),
        "start_ms": exchange.start_ms,
        "end_ms": exchange.end_ms,
        **word_errors([(turn.text, exchange.asked, scenario.language)] if turn.wants_answer else []),
        "speech_start_ms": exchange.speech_start_ms,
        "speech_end_ms": exchange.speech_end_ms,
        "input_sha256": exchange.clip.sha256,
        **latencies(replies, exchange.clip, exchange.start_ms),
        "tool_calls": [{"name": each.name, "arguments": dict(each.arguments)} for each in tool_calls_of(replies)],
        **_expected(exchange),
    }
    if turn.at_ms is not None:
        row |= {"at_ms": turn.at_ms, "backchannel": turn.backchannel}
        if exchange.cut is not None and not exchange.by_hand:
            row |= {"cut_end_ms": exchange.cut.end_ms, "cut_stopped_ms": exchange.cut.stopped_ms}
    if not turn.wants_answer:
        row["kind"] = turn.kind
    if exchange.left_out:
        row["left_out"] = exchange.left_out
    if talk.listener is not None:
        row |= _played(exchange, talk)
    return row


def _expected(exchange: TalkTurn) -> dict[str, Any]:
    turn = exchange.turn
    row = grade_tool_calls(turn, tool_calls_of(exchange.replies))
    if turn.keywords:
        said = " ".join(reply.transcript for reply in exchange.replies)
        row["keywords_found"] = 1 - len(keywords_missing(turn.keywords, said)) / len(turn.keywords)
    return row


#: What `_cut_in` adds to the measures of a turn.
_CUT_IN = frozenset({"false_barge_in", "ended_by_itself", "yielded", "interruption_stop_ms"})


def _cut_in(turn: Mapping[str, Any], rest: Sequence[Mapping[str, Any]], windows: Windows) -> dict[str, Any]:
    """Return a turn with what its speech did to the answer that it interrupted; `rest` begins with this turn.

    Nothing is added after a button, or without an answer.
    """
    if "cut_end_ms" not in turn:
        return dict(turn)
    row = {name: value for name, value in turn.items() if name not in _CUT_IN}
    stopped_ms, speech_ms = turn["cut_stopped_ms"], turn["speech_start_ms"]
    if turn["backchannel"]:
        said = (each for each in rest if each["start_ms"] > turn["start_ms"] and not _is_left_out(each))
        again_ms = next((each["speech_start_ms"] or each["start_ms"] for each in said), math.inf)
        return row | {"false_barge_in": int(stopped_ms is not None and stopped_ms < again_ms)}
    if speech_ms is None or "kind" in turn:
        return row
    until_ms = speech_ms + 1000 * windows.yield_s
    if stopped_ms is None and turn["cut_end_ms"] <= until_ms:
        return row | {"ended_by_itself": 1}  # It might have yielded, or not.
    if stopped_ms is None or stopped_ms > until_ms:
        return row | {"yielded": 0}
    return row | {"yielded": 1, "interruption_stop_ms": stopped_ms - speech_ms}


def _is_left_out(turn: Mapping[str, Any]) -> bool:
    """Return whether a sound was not said; a turn that wants an answer is said in any case."""
    return "left_out" in turn and "kind" in turn


def _played(exchange: TalkTurn, talk: Talk) -> dict[str, Any]:
    """Return the answer's place in its track, and how long the person waited for it."""
    assert talk.listener is not None
    items = {turn.item_id for reply in exchange.replies for turn in reply.turns}
    played = [each for each in talk.listener.played if each.item_id in items]
    if not played:
        return {}
    row: dict[str, Any] = {"answer_start_ms": played[0].start_ms, "answer_end_ms": played[-1].end_ms}
    audible_ms = next((each.audible_ms for each in played if each.audible_ms is not None), None)
    if audible_ms is not None and exchange.speech_end_ms is not None:
        row["turn_gap_ms"] = audible_ms - exchange.speech_end_ms
    return row


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None

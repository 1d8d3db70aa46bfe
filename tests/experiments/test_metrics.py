"""Measures of an answer."""

import json
from functools import partial

import numpy as np
import pytest

import realtime_nb as rt
from realtime_nb.conversation.timing import silence_at_end_ms
from realtime_nb.experiments import Babble, Dataset, Example, Level, Reverberation, run
from realtime_nb.experiments.metrics import answer_of, cost_per_task_usd, measure, spent_usd
from realtime_nb.media.clip import AudioClip


def test_silence_at_the_end_is_what_comes_after_the_last_audible_sample():
    samples = np.zeros(24_000, np.float32)
    samples[:12_000] = 0.1
    samples[18_000] = 0.0005  # below -60 dB
    assert silence_at_end_ms(AudioClip(samples)) == pytest.approx(500)
    assert silence_at_end_ms(AudioClip(np.zeros(2_400))) == pytest.approx(100)


def test_an_answer_with_a_tool_is_measured_from_the_question_to_the_last_word():
    def order_status(number: int) -> dict:
        """Look up where an order is."""
        return {"status": "on its way"}

    clip = rt.speak("What is the status of order seven?")
    padded = AudioClip(np.concatenate([clip.samples, np.zeros(12_000, np.float32)]))
    with rt.RealtimeSession(backend="local", tools=[order_status], transcription="gpt-realtime-whisper") as session:
        session.ask(padded).result(30)
        answer = answer_of(session.conversation, Example(example_id="a", text="What is the status of order seven?"))
        row = measure(answer, padded)
        first, last = session.conversation.replies
    assert [(call.name, dict(call.arguments)) for call in answer.tool_calls] == [("order_status", {"number": 7})]
    [call] = json.loads(row["tool_calls"])
    assert (call["name"], call["arguments"], call["raw_arguments"]) == ("order_status", {"number": 7}, '{"number": 7}')
    assert call["call_id"] == answer.tool_calls[0].call_id
    between_ms = last.timing.origin_ms - first.timing.origin_ms
    assert row["latency_first_audio_ms"] == pytest.approx(between_ms + last.timing.first_audio_ms)
    assert row["latency_response_done_ms"] == pytest.approx(between_ms + last.timing.done_ms)
    assert row["turn_gap_ms"] - row["latency_first_audible_ms"] == pytest.approx(silence_at_end_ms(padded))
    assert silence_at_end_ms(padded) > 500
    assert row["cost_usd"] == session.conversation.costs().total_usd > 0
    minutes = (padded.duration_s + answer.audio.duration_s) / 60
    assert row["cost_per_minute_usd"] == pytest.approx(row["cost_usd"] / minutes)
    assert row["output_tokens"] == first.usage.output_tokens + last.usage.output_tokens
    assert 0 <= row["cer"] <= row["wer"] < 0.5


def test_an_empty_transcript_is_all_wrong_and_no_transcript_is_no_error():
    noise = AudioClip(0.2 * np.random.default_rng(0).standard_normal(24_000).clip(-1, 1))
    example = Example(example_id="a", text="What can you do?")
    rows = []
    for session in (rt.CascadeSession(backend="local"), rt.ChatSession(backend="local")):
        with session:
            session.ask(noise).result(30)
            rows.append(measure(answer_of(session.conversation, example), noise))
    chain, chat = rows
    assert (chain["heard"], chain["wer"], chain["cer"]) == ("", 1.0, 1.0)
    assert (chat["heard"], chat["wer"], chat["cer"]) == ("", None, None)


CONDITIONS = {"clean": (), "babble": Babble(10), "room": Reverberation(0.5), "quiet": Level(-55)}


@pytest.mark.parametrize("live", [False, True], ids=["at once", "live"])
def test_a_gap_is_as_long_as_if_nothing_had_happened_to_the_clip(live, tmp_path):
    """The answer's own time apart, which is another one each time, and live also that of turn detection."""
    make = partial(rt.RealtimeSession, backend="local")
    wanted = CONDITIONS if not live else {name: CONDITIONS[name] for name in ("clean", "babble")}
    results = run(
        Dataset.from_texts(["What is two plus three?"]),
        {"x": make},
        conditions=wanted,
        live=live,
        out=tmp_path,
        progress=False,
    )
    assert not results.failed
    clean = results.rows[0]
    for row in results.rows:
        assert (row["speech_start_ms"], row["speech_end_ms"]) == (clean["speech_start_ms"], clean["speech_end_ms"])
        before_ms = row["turn_gap_ms"] - row["latency_first_audible_ms"]
        if not live:
            assert before_ms == pytest.approx(clean["turn_gap_ms"] - clean["latency_first_audible_ms"])
            continue
        reply = results.show(row["cell_id"])
        spoken_ms = reply.asked.began_at_ms - reply.asked.audio_start_ms + row["speech_end_ms"]
        answered_ms = reply.timing.origin_ms + row["latency_first_audible_ms"]
        assert row["turn_gap_ms"] == pytest.approx(answered_ms - spoken_ms, abs=21)  # A frame.
        assert row["turn_gap_ms"] > 0


def test_cost_per_task_shares_what_all_tasks_cost_among_those_that_came_out_right():
    rows = [{"cost_usd": 0.02, "task_success": right} for right in (1, 0, 1, 0)]
    assert cost_per_task_usd([*rows, {"cost_usd": 9.0}]) == pytest.approx(0.04)
    assert cost_per_task_usd(rows[1:2]) is None and cost_per_task_usd([]) is None
    assert cost_per_task_usd([*rows, {"cost_usd": None, "task_success": 1}]) is None


def test_the_costs_of_measuring_count():
    assert spent_usd({"cost_usd": 0.5, "judge_cost_usd": 0.25, "user_cost_usd": 0.25, "wer": 9}) == 1.0
    assert spent_usd({"cost_usd": 0.5, "judge_cost_usd": None}) is None and spent_usd({}) == 0.0

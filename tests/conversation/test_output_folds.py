import pytest
import wire_samples as wire

from realtime_nb.conversation.fold import OUTPUT_FOLDS, TurnIndex
from realtime_nb.protocol import events as ev


def fold(index, *events):
    for number, text in enumerate(wire.texts(events)):
        event = ev.decode_server(text)
        if step := OUTPUT_FOLDS.get(type(event)):
            step(index, event, 10.0 * number)
    return index


@pytest.mark.parametrize(("encoding", "ms"), [("audio/pcm", 200), ("audio/pcmu", 1200)])
def test_sound_is_counted_in_the_sessions_format(encoding, ms):
    index = TurnIndex()
    index.output_encoding = encoding
    [turn] = fold(index, *wire.audio_answer(pcm=bytes(9600))).reply("R").turns
    assert (turn.parts[0].encoding, turn.parts[0].audio_ms) == (encoding, ms)
    assert turn.text == "".join(wire.WORDS)


def test_words_and_sound_are_timed_where_they_begin():
    timing = fold(TurnIndex(), *wire.audio_answer()).reply("R").timing
    assert timing.first_text_ms is not None and timing.first_audio_ms is not None
    assert timing.first_text_ms < timing.first_audio_ms


def test_a_straggler_behind_a_calls_end_changes_nothing():
    events = wire.call_answer()
    index = fold(TurnIndex(), *events)
    [call] = index.reply("R").function_calls
    before = call.arguments
    assert before and call.name and call.call_id
    fold(index, *(event for event in events if event["type"].endswith("arguments.delta")))
    assert call.arguments == before

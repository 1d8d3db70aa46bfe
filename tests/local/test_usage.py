import pytest

from realtime_nb.local.realtime.conversation_state import ItemState, MessagePart
from realtime_nb.local.realtime.session_settings import SessionSettings
from realtime_nb.local.realtime.usage import (
    Unit,
    cached,
    transcription_usage,
    unit_of_entry,
    unit_of_settings,
    usage_of,
    within,
)


def test_a_turn_of_three_seconds_and_an_answer_of_seven():
    person = ItemState(
        "item_1", "message", role="user", parts=[MessagePart("input_audio", duration_ms=2800, heard="hi there")]
    )
    units = [Unit(("settings",), text=14), unit_of_entry(person)]
    usage = usage_of(units, [], text="x" * 112, audio_ms=6800)
    assert usage == {
        "total_tokens": 206,
        "input_tokens": 42,
        "output_tokens": 164,
        "input_token_details": {
            "text_tokens": 14,
            "audio_tokens": 28,
            "image_tokens": 0,
            "cached_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 28, "audio_tokens": 136},
    }


def test_settings_items_and_pictures_count():
    settings = SessionSettings(session_id="s", model="m", expires_at=0, brain="x")
    settings.update({"type": "realtime", "instructions": "x" * 40})
    assert unit_of_settings(settings.for_response()).text == 10
    answer = ItemState(
        "a", "message", role="assistant", parts=[MessagePart("output_audio", text="x" * 8, duration_ms=1000)]
    )
    assert (unit_of_entry(answer).text, unit_of_entry(answer).audio) == (2, 10)
    picture = ItemState("p", "message", role="user", parts=[MessagePart("input_image", image_tokens=765)])
    assert unit_of_entry(picture).image == 765
    call = ItemState("c", "function_call", name="f" * 4, arguments="{}  ")
    assert unit_of_entry(call).text == 2


LONG = [Unit(("settings",), text=700), Unit(("a", 0), audio=500), Unit(("b", 0), text=100)]


@pytest.mark.parametrize(
    ("units", "before", "tokens"),
    [
        (LONG, [], (0, 0)),
        (LONG, LONG, (768, 448)),
        (LONG, LONG[:2], (640, 448)),
        (LONG, LONG[:1], (0, 0)),  # 700 are fewer than 1,024
        ([Unit(("settings", 2), text=700), *LONG[1:]], LONG, (0, 0)),  # new instructions, nothing is the same
        ([LONG[0], Unit(("a", 1), audio=500), LONG[2]], LONG, (0, 0)),  # a truncated item
        ([*LONG, Unit(("c", 0), text=999)], LONG, (768, 448)),
    ],
)
def test_what_was_read_before_is_cached_in_steps(units, before, tokens):
    assert cached(units, before) == tokens


def test_the_oldest_items_fall_out_of_a_full_context():
    units = [Unit(("settings",), text=10), *(Unit((number, 0), text=40) for number in range(5))]
    assert [unit.key[0] for unit in within(units, limit=100)] == ["settings", 3, 4]


@pytest.mark.parametrize("model", ["whisper-1", "gpt-realtime-whisper", "gpt-live-transcribe", None])
def test_models_billed_by_time(model):
    assert transcription_usage(model, 1200, "hello") == {"type": "duration", "seconds": 2}


def test_models_billed_by_tokens():
    usage = transcription_usage("gpt-transcribe", 1200, "hello")
    assert (usage["type"], usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (
        "tokens",
        12,
        2,
        14,
    )

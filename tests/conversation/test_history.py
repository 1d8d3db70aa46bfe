import pytest
import wire_samples as wire

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.conversation.history import History, items_of
from realtime_nb.conversation.records import Turn
from realtime_nb.errors import SettingsError
from realtime_nb.media.clip import AudioClip
from realtime_nb.protocol import events as ev

CLIP = AudioClip.from_pcm16(wire.PCM)


def folded(*events):
    conversation = Conversation()
    for number, each in enumerate(events):
        conversation.apply(ev.decode_server(wire.texts([each])[0]), number)
    return conversation


def told(item):
    return item.role, [(part.type, part.text or part.transcript or None) for part in item.content]


def test_messages_and_pairs():
    history = History.of(
        [
            {"role": "system", "content": "Be brief."},
            ("user", ["Look:", {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}, CLIP]),
            {"role": "assistant", "content": [{"type": "output_text", "text": "I see."}]},
        ]
    )
    system, user, assistant = history.items
    assert told(system) == ("system", [("input_text", "Be brief.")])
    assert [part.type for part in user.content] == ["input_text", "input_image", "input_audio"]
    assert user.content[2].audio == wire.PCM
    assert told(assistant) == ("assistant", [("output_text", "I see.")])
    assert all(len(item.id) <= 32 for item in history.items)
    assert History.of(None).items == ()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("Hello", "history=str cannot be read"),
        (7, "history=int cannot be read"),
        (["Hello"], "cannot be read at 'Hello'"),
        ([("robot", "Hello")], "role='robot' is not one of user, assistant, system"),
        ([("user", 7)], "content of type int"),
        ([("assistant", [CLIP])], "assistant content of type AudioClip"),
    ],
)
def test_what_cannot_be_read_is_named(given, says):
    with pytest.raises(SettingsError, match=says):
        History.of(given)


def test_the_person_s_sound_is_told_as_sound_or_in_words():
    conversation = folded(
        wire.session_created(), *wire.spoken_turn("U"), *wire.transcription("U"), *wire.audio_answer("A")
    )
    conversation.turn("U").parts[0].replace_audio(wire.PCM)
    spoken, answer = items_of(conversation.turns, with_sound=True)
    assert (spoken.id, spoken.content[0].type, spoken.content[0].audio) == ("U", "input_audio", wire.PCM)
    assert told(answer) == ("assistant", [("output_text", "It is ten past nine.")])
    written, _ = items_of(conversation.turns, with_sound=False)
    assert told(written) == ("user", [("input_text", "What time is it?")])


def test_the_heard_part_of_an_interrupted_answer_is_told():
    conversation = folded(wire.session_created(), *wire.text_turn(), *wire.audio_answer())
    turn = conversation.turn("A")
    turn.interrupted, turn.played_ms = True, 50
    assert told(items_of([turn], with_sound=False)[0])[1] == [("output_text", turn.heard_text)]
    turn.played_ms = 0
    assert items_of([turn], with_sound=False) == []


def test_a_call_is_told_with_its_output_or_not_at_all():
    call = Turn("F", kind="function_call", name="add", call_id="c", arguments='{"a": 1}')
    output = Turn("O", kind="function_call_output", call_id="c", output="2")
    assert [item.id for item in items_of([call, output], with_sound=False)] == ["F", "O"]
    assert items_of([call], with_sound=False) == items_of([output], with_sound=False) == []
    assert items_of([Turn("M", kind="mcp_call", name="search")], with_sound=False) == []


def test_another_session_s_ids_are_not_taken_over():
    conversation = folded(wire.session_created(), *wire.text_turn("U"))
    [item] = History.of(conversation).items
    assert item.id != "U" and told(item) == ("user", [("input_text", "What time is it?")])

import pytest
import wire_samples as wire

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.errors import LocalProtocolError
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.local_events import TurnEdited
from realtime_nb.sessions.editing import TurnEditing


class Control(TurnEditing):
    """A session whose actions return their arguments."""

    def __init__(self, *events):
        self.conversation = Conversation()
        for each in events:
            self.take(ev.decode_server(wire.texts([each])[0]))

    def take(self, event):
        self.conversation.apply(event, 0.0)

    def warn_of_cache(self, what):
        """There is no cache."""

    async def _delete(self, turns):
        return turns

    async def _edit(self, turn, text):
        return turn

    async def _rerun(self, turn):
        return turn

    async def _aside(self, prompt, about, max_output_tokens):
        return about


ANSWERED = (wire.session_created(), *wire.text_turn("U"), *wire.audio_answer("A"))


def test_a_question_is_found_from_any_part_of_its_answer():
    control = Control(*ANSWERED)
    question, answer = control.conversation.turns
    for what in (question, answer, control.conversation.replies[0]):
        assert control.rerun(what).result(30) is question


def test_an_edited_question_stands_for_the_old_one():
    control = Control(*ANSWERED)
    reply = control.conversation.replies[0]
    control.take(TurnEdited(item_id="V", replaced_id="U"))
    for each in (*wire.text_turn("V", "And now?", "U"), wire.event("conversation.item.deleted", item_id="U")):
        control.take(ev.decode_server(wire.texts([each])[0]))
    assert control.rerun(reply).result(30) is control.conversation.turn("V")
    assert [turn.item_id for turn in control.conversation] == ["V", "A"]


def test_a_call_takes_its_output_along():
    output = {"id": "O", "type": "function_call_output", "call_id": "call_1", "output": "12"}
    control = Control(wire.session_created(), *wire.text_turn("U"), *wire.call_answer(), wire.item_added(output, "F"))
    assert [turn.item_id for turn in control.delete(control.conversation.turn("O")).result(30)] == ["F", "O"]
    with pytest.raises(LocalProtocolError, match="you can edit only what was said"):
        control.edit(control.conversation.turn("F"), "x")


def test_what_is_still_being_spoken_is_left_alone():
    control = Control(wire.session_created(), *wire.text_turn("U"), *wire.audio_answer("A")[:6])
    question, answer = control.conversation.turns
    with pytest.raises(LocalProtocolError, match="is still being spoken"):
        control.delete(answer)
    with pytest.raises(LocalProtocolError, match="an answer is being made"):
        control.rerun(question)
    speaking = wire.event("input_audio_buffer.speech_started", audio_start_ms=0, item_id="V")
    control.take(ev.decode_server(wire.texts([speaking])[0]))
    with pytest.raises(LocalProtocolError, match="is still being spoken"):
        control.edit(control.conversation.turn("V"), "x")


def test_an_answer_to_nothing_is_not_asked_again():
    control = Control(wire.session_created(), *wire.audio_answer("A", previous=None))
    with pytest.raises(LocalProtocolError, match="nothing was asked before"):
        control.rerun(control.conversation.turns[0])
    with pytest.raises(LocalProtocolError, match="does not answer a turn"):
        control.rerun(control.conversation.replies[0])


def test_one_turn_or_several_can_be_looked_at_aside():
    control = Control(*ANSWERED)
    question, answer = control.conversation.turns
    assert control.aside("Title?").result(30) is None
    assert control.aside("Title?", about=question).result(30) == [question]
    assert control.aside("Title?", about=(question, answer)).result(30) == [question, answer]

from __future__ import annotations

from local_session import SteadyVoice, run

from realtime_nb.local.brains.brain import CallTool, Say
from realtime_nb.local.endpoints.chat_answer import CallPiece, ChatAnswer, SoundPiece, WordsPiece
from realtime_nb.local.endpoints.chat_request import ChatRequest
from realtime_nb.local.endpoints.json_fields import Fields

SPOKEN = {"modalities": ["text", "audio"], "audio": {"voice": "echo", "format": "pcm16"}}


class Brain:
    def __init__(self, *actions):
        self.actions = actions
        self.is_closed = False

    async def respond(self, context):
        try:
            for action in self.actions:
                yield action
        finally:
            self.is_closed = True


def answered(brain, **change):
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi."}], **change}
    answer = ChatAnswer(ChatRequest.read(Fields(body), lambda audio_id: None), brain, SteadyVoice())

    async def main():
        return [piece async for piece in answer.pieces()]

    return answer, run(main())


def test_words_of_a_sentence_come_before_its_sound():
    answer, pieces = answered(Brain(Say("One two. Three four five six.")), **SPOKEN)
    kinds = [type(piece) for piece in pieces]
    assert kinds == [WordsPiece, SoundPiece, SoundPiece, SoundPiece, SoundPiece, *[WordsPiece] * 2, *[SoundPiece] * 7]
    assert "".join(piece.text for piece in pieces if isinstance(piece, WordsPiece)) == answer.text
    assert answer.text == "One two. Three four five six."
    assert answer.duration_ms == 6 * 300
    assert answer.finish_reason == "stop"
    assert answer.usage["completion_tokens_details"]["audio_tokens"] == 36


def test_text_alone_has_no_sound():
    answer, pieces = answered(Brain(Say("One."), Say("Two.")))
    assert [piece.text for piece in pieces] == ["One.", " Two."]
    assert (answer.text, answer.duration_ms) == ("One. Two.", 0)


def test_calls():
    brain = Brain(CallTool("a", {"x": 1}), CallTool("b", "{}"))
    answer, pieces = answered(brain)
    assert [(call.index, call.name, call.arguments) for call in pieces] == [(0, "a", '{"x": 1}'), (1, "b", "{}")]
    assert all(isinstance(call, CallPiece) and call.id.startswith("call_") for call in pieces)
    assert answer.finish_reason == "tool_calls"
    assert len(answered(brain, parallel_tool_calls=False)[1]) == 1


def test_an_answer_that_is_too_long_is_cut_and_the_brain_closed():
    brain = Brain(Say("One two three. " * 100))
    answer, pieces = answered(brain, max_completion_tokens=40, **SPOKEN)
    assert answer.finish_reason == "length"
    assert 40 <= answer.usage["completion_tokens"] < 60
    assert brain.is_closed
    assert len(pieces) < 30

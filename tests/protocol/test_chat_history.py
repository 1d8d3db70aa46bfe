"""A conversation as requests of Chat Completions tell it."""

from realtime_nb.protocol.chat import EXPIRY_MARGIN_S, ChatHistory, CompletionReader

QUESTION = {"role": "user", "content": "Hello!"}
BY_ID = {"role": "assistant", "audio": {"id": "audio_1"}}
IN_WORDS = {"role": "assistant", "content": "Good morning."}


def answered(**audio):
    reader = CompletionReader("chat_1", "request_1")
    reader.chunk({"choices": [{"delta": {"audio": audio}}]})
    history = ChatHistory()
    history.add(QUESTION)
    history.add_answer(reader)
    return history


def test_an_answer_is_named_by_its_audio_until_shortly_before_that_expires():
    history = answered(id="audio_1", transcript="Good morning.", expires_at=1_000)
    assert history.messages(0.0) == [QUESTION, BY_ID]
    assert history.messages(1_000 - EXPIRY_MARGIN_S - 0.1) == [QUESTION, BY_ID]
    assert history.messages(1_000 - EXPIRY_MARGIN_S) == [QUESTION, IN_WORDS]


def test_audio_without_an_end_is_named_for_ever():
    assert answered(id="audio_1", transcript="Good morning.").messages(1e12) == [QUESTION, BY_ID]


def test_it_can_be_told_in_words_alone():
    history = answered(id="audio_1", transcript="Good morning.")
    assert history.in_words().messages(0.0) == [QUESTION, IN_WORDS]
    assert history.messages(0.0) == [QUESTION, BY_ID]


def test_calls_go_with_their_answer():
    reader = CompletionReader("chat_1", "request_1")
    reader.call({"id": "c", "function": {"name": "f", "arguments": "{}"}})
    history = ChatHistory()
    history.add_answer(reader)
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert history.messages(0.0) == [{"role": "assistant", "content": None, "tool_calls": [call]}]


def test_an_answer_of_nothing_leaves_no_message():
    history = ChatHistory()
    history.add_answer(CompletionReader("chat_1", "request_1"))
    assert history.messages(0.0) == []


def test_a_message_can_be_taken_back_but_not_its_like():
    history = ChatHistory()
    first, second = {"role": "user", "content": "A picture"}, {"role": "user", "content": "A picture"}
    history.add(first, second)
    history.drop(second)
    assert [message is first for message in history.messages(0.0)] == [True]
    history.drop(second)
    assert len(history.messages(0.0)) == 1

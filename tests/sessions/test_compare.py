"""Real systems, compared on real clips."""

import pytest

import realtime_nb as rt


class Broken:
    model = "broken"

    async def answer(self, messages):
        raise rt.ServerError("no thoughts today", code="empty")
        yield ""


@pytest.fixture(scope="module")
def clip():
    return rt.speak("What is two plus three?")


@pytest.fixture
def systems():
    sessions = {
        "realtime": rt.RealtimeSession(backend="local"),
        "chat": rt.ChatSession(backend="local"),
        "chain": rt.CascadeSession(backend="local"),
        "broken": rt.CascadeSession(backend="local", text_model=Broken()),
    }
    yield sessions
    for session in sessions.values():
        session.close().result(60)


def test_twenty_clips_through_three_systems_and_one_that_always_fails(systems, clip):
    questions = {f"question {number}": (clip, "What is two plus three?") for number in range(20)}
    comparison = rt.compare(systems, questions).result(280)
    assert repr(comparison) == "Comparison(realtime, chat, chain, broken; 80 answers, 20 failed)"
    assert comparison.systems == ["realtime", "chat", "chain", "broken"]
    for cell in comparison.cells:
        if cell.system == "broken":
            assert cell.error == "no thoughts today [empty]" and cell.first_audio_ms is None
        else:
            assert cell.error == "" and cell.audio.duration_s > 1 and cell.cost_usd == 0
            assert 0 < cell.first_audio_ms <= cell.done_ms
    assert sum(comparison.values("realtime", "wer")) / 20 < 0.1
    assert comparison.values("chat", "wer") == []  # its model hears; nobody writes the words down
    assert comparison.words_only == {"chain", "broken"}


def test_a_failure_of_any_kind_is_a_row(clip):
    class Odd:
        model = "odd"

        async def answer(self, messages):
            raise KeyError("choices")
            yield ""

    session = rt.CascadeSession(backend="local", text_model=Odd())
    [cell] = rt.compare([session], [clip]).result(60).cells
    assert "choices" in cell.error and cell.audio is None
    session.close().result(60)


def test_systems_take_turns_and_repeats_are_numbered(systems, clip):
    del systems["realtime"], systems["broken"]
    order = []
    for name, session in systems.items():
        session.listen(lambda event, elapsed_ms, name=name: event.type == "response.created" and order.append(name))
    comparison = rt.compare(systems, [clip, clip], repeats=2).result(60)
    assert order == ["chat", "chain", "chain", "chat", "chat", "chain", "chain", "chat"]
    assert [(cell.clip, cell.repeat) for cell in comparison.cells if cell.system == "chat"] == [
        ("clip 1", 1),
        ("clip 2", 1),
        ("clip 1", 2),
        ("clip 2", 2),
    ]


def test_writing_down_the_question_is_part_of_the_cost(clip):
    """The local server bills transcription by a hosted model's name as that model is billed."""
    session = rt.RealtimeSession(backend="local", transcription="gpt-realtime-whisper")
    [cell] = rt.compare([session], [clip]).result(60).cells
    [asked, _] = session.conversation
    assert cell.cost_usd == asked.cost.total_usd > 0  # the answer itself is free
    assert cell.tokens_in > 0 and cell.tokens_out > 0
    session.close().result(60)


def test_systems_without_a_name_get_that_of_their_kind(clip):
    pair = [rt.ChatSession(backend="local"), rt.ChatSession(backend="local", voice="echo")]
    assert rt.compare(pair, [clip]).result(60).systems == ["chat 1", "chat 2"]
    for session in pair:
        session.close().result(60)


def test_an_impossible_comparison_raises_at_the_call(clip):
    session = rt.ChatSession(backend="local")
    with pytest.raises(rt.SettingsError, match="at least one session"):
        rt.compare([], [clip])
    with pytest.raises(rt.SettingsError, match="repeats=0"):
        rt.compare([session], [clip], repeats=0)
    with pytest.raises(rt.AudioError, match="silent"):
        rt.compare([session], [rt.AudioClip([0.0] * 24_000)])

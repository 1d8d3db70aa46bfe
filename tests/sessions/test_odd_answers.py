"""Odd answers of servers, on a real socket: each ends in the answer or in an error that says what came."""

import base64
import gzip
import json

import numpy as np
import pytest
from plain_http import plain

import realtime_nb as rt
from realtime_nb.experiments.text_models import write
from realtime_nb.loop import submit
from realtime_nb.sessions.api import Api, lines_of
from realtime_nb.sessions.guard import make_judge

CLIP = rt.AudioClip(0.3 * np.sin(np.arange(12_000) * 2 * np.pi * 440 / 24_000), 24_000)
PCM = CLIP.to_pcm16()
SSE = {"Content-Type": "text/event-stream"}
HTML = {"Content-Type": "text/html"}
PAGE = "<!DOCTYPE html><html><body>Welcome to nginx!</body></html>"
WAIT_S = 60
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"audio_tokens": 0}}
CHAT, WRITE, SPEAK = "/v1/chat/completions", "/v1/audio/transcriptions", "/v1/audio/speech"


def b64(data):
    return base64.b64encode(data).decode()


def sse(*pieces, done=True):
    told = [piece if isinstance(piece, str) else json.dumps(piece) for piece in pieces]
    return "".join(f"data: {piece}\n\n" for piece in told) + ("data: [DONE]\n\n" if done else "")


def delta(finish=None, **delta):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def whole(finish="stop", **message):
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": USAGE})


USAGE_CHUNK = {"choices": [], "usage": USAGE}
WORDS = [delta(content="Good "), delta(content="morning.")]
STOP = delta("stop")
#: What comes where a text was asked for, streamed or not: nobody can answer with these.
NO_ANSWERS = {
    "a page": (200, PAGE, HTML),
    "a page that is said to be JSON": (200, PAGE),
    "a page that is said to be a stream": (200, PAGE, SSE),
    "nothing": (200, ""),
    "nothing as a stream": (200, "", SSE),
    "a stream without a piece": (200, sse(), SSE),
    "an error": (200, json.dumps({"error": {"message": "no such model", "code": "model_not_found"}})),
    "an error as text": (200, json.dumps({"error": "no such model"})),
    "an error in the stream": (200, sse({"error": {"message": "overloaded"}}), SSE),
    "an error in a choice": (200, sse({"choices": [{"delta": {}, "error": {"message": "overloaded"}}]}), SSE),
    "no choices": (200, json.dumps({"choices": [], "usage": USAGE})),
    "choices that are null": (200, json.dumps({"choices": None})),
    "choices that are text": (200, sse({"choices": "Good morning"}), SSE),
    "a choice that is null": (200, sse({"choices": [None]}), SSE),
    "null content": (200, whole(content=None)),
    "null content in a stream": (200, sse(delta(content=None), STOP), SSE),
    "white space alone": (200, sse(delta(content=" \n"), STOP, USAGE_CHUNK), SSE),
    "usage alone": (200, sse(USAGE_CHUNK), SSE),
    "a list": (200, "[1, 2]"),
    "a number in a stream": (200, sse("7"), SSE),
    "JSON that is cut": (200, whole(content="Good morning.")[:40]),
    "deep JSON": (200, '{"a":' + "[" * 5_000),
    "bytes that are no gzip": (200, "Good morning.", {"Content-Encoding": "gzip"}),
}
#: What comes to "Good morning.", whichever way it is sent.
ANSWERS = {
    "a stream": (200, sse(*WORDS, STOP, USAGE_CHUNK), SSE),
    "a stream without DONE": (200, sse(*WORDS, STOP, done=False), SSE),
    "a stream without finish_reason": (200, sse(*WORDS), SSE),
    "a stream that is said to be JSON": (200, sse(*WORDS, STOP)),
    "a stream that is said to be text": (200, sse(*WORDS, STOP), {"Content-Type": "text/plain"}),
    "a stream of CR LF": (200, sse(*WORDS, STOP).replace("\n", "\r\n"), SSE),
    "a stream with comments": (200, ": ping\n\nevent: x\n" + sse(*WORDS, STOP), SSE),
    "a stream whose last line does not end": (200, sse(*WORDS, STOP, done=False).rstrip(), SSE),
    "a stream that is compressed": (200, gzip.compress(sse(*WORDS, STOP).encode()), SSE | {"Content-Encoding": "gzip"}),
    "one piece": (200, whole(content="Good morning.")),
    "one piece without a type": (200, whole(content="Good morning."), {"Content-Type": None}),
    "one piece that is said to be a stream": (200, whole(content="Good morning."), SSE),
    "one piece behind a mark": (200, "\ufeff" + whole(content="Good morning.")),
    "one piece within a stream": (200, sse(whole(content="Good morning.")), SSE),
    "pieces, and all of them again": (200, sse(*WORDS, whole(content="Good morning.")), SSE),
    "content in parts": (200, whole(content=[{"type": "text", "text": "Good "}, {"type": "text", "text": "morning."}])),
    "usage that is text": (200, sse(*WORDS, STOP, {"choices": [], "usage": "four"}), SSE),
    "odd fields": (200, sse(delta(content="Good morning.", audio="x", tool_calls=7), STOP), SSE),
    "what is none behind the end": (200, sse(*WORDS, STOP, "{oops"), SSE),
}
#: Answers that break off after "Good ".
BROKEN = {
    "a piece that is no JSON": (200, sse(WORDS[0], '{"choices": [{"del'), SSE),
    "an early end": (200, sse(WORDS[0], done=False), SSE),
    "a line that is cut": (200, sse(WORDS[0], done=False), SSE | {"Content-Length": 5_000}),
    "an error": (200, sse(WORDS[0], {"error": {"message": "overloaded", "code": "server_error"}}), SSE),
    "a page": (200, sse(WORDS[0], PAGE), SSE),
}


def chat(address, **options):
    return rt.ChatSession(backend=address, model="gpt-audio-1.5", **{"output_modalities": ["text"]} | options)


def chain(address, **options):
    models = {"transcriber": "gpt-transcribe", "text_model": "gpt-6-luna", "speaker": "voice"}
    return rt.CascadeSession(backend=address, **models | options)


def each(table):
    return pytest.mark.parametrize("answer", table.values(), ids=table)


def ask(kind, answers, *content, **options):
    """Ask once; return the reply as the record has it, the error that was raised, and the session."""
    with plain({SPEAK: (200, PCM, {"Content-Type": "audio/pcm"})} | answers) as address:
        with kind(address, **options) as session:
            try:
                session.ask(*(content or ("Hello!",))).result(WAIT_S)
                error = None
            except rt.RealtimeError as raised:
                error = raised
            assert session.state == "open"
            [reply] = session.conversation.replies
            return reply, error, session


@each(NO_ANSWERS)
@pytest.mark.parametrize(("kind", "options"), [(chat, {}), (chat, {"stream": False}), (chain, {})])
def test_an_invalid_answer_is_an_error_with_words(kind, options, answer):
    reply, error, _ = ask(kind, {CHAT: answer}, **options)
    assert isinstance(error, rt.ServerError | rt.ConnectionLost) and str(error)
    assert (reply.status, reply.transcript) == ("failed", "") and str(reply.error["message"]) in str(error)


@each(ANSWERS)
@pytest.mark.parametrize(("kind", "options"), [(chat, {}), (chat, {"stream": False}), (chain, {})])
def test_an_answer_is_one_whichever_way_it_comes(kind, options, answer):
    reply, error, session = ask(kind, {CHAT: answer}, **options)
    assert error is None
    assert (reply.status, reply.transcript) == ("completed", "Good morning.")
    if answer is ANSWERS["what is none behind the end"] and kind is chat:
        assert any("after the end of an answer" in str(remark) for remark in session.conversation.remarks)


@each(BROKEN)
@pytest.mark.parametrize("kind", [chat, chain])
def test_the_beginning_of_an_answer_that_breaks_off_is_kept(kind, answer):
    reply, error, session = ask(kind, {CHAT: answer})
    assert isinstance(error, rt.ServerError | rt.ConnectionLost)
    assert (reply.status, reply.transcript) == ("failed", "Good") and reply.error["message"]
    [_, said] = session.conversation
    assert said.status == "incomplete"
    assert "not counted" in session.conversation.costs().remarks[-1]


@pytest.mark.parametrize("kind", [chat, chain])
@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
@pytest.mark.parametrize("words", [WORDS, []])
def test_an_answer_that_was_cut_by_the_server_says_why(kind, finish, reason, words):
    reply, error, _ = ask(kind, {CHAT: (200, sse(*words, delta(finish), USAGE_CHUNK), SSE)})
    assert error is None and (reply.status, reply.reason) == ("incomplete", reason)
    assert reply.transcript == ("Good morning." if words else "")


def test_the_price_of_what_is_no_answer_is_known_where_the_server_tells_it():
    reply, error, session = ask(chat, {CHAT: NO_ANSWERS["usage alone"]})
    assert error and reply.cost.total_usd > 0 and session.conversation.costs().total_usd == reply.cost.total_usd


# --- sound in a completion -------------------------------------------------------------------------------------------


def spoken(data, **more):
    return whole(content=None, audio={"id": "a", "transcript": "Good morning.", "data": data, **more})


URL_SAFE = b64(PCM).replace("+", "-").replace("/", "_").rstrip("=")
IN_LINES = "\n".join(b64(PCM)[start : start + 76] for start in range(0, 32_000, 76))


@pytest.mark.parametrize("data", [b64(PCM), URL_SAFE, IN_LINES])
@pytest.mark.parametrize("as_pieces", [True, False])
def test_base64_of_every_kind_is_sound(data, as_pieces):
    answer = (200, sse(delta(audio={"transcript": "Good morning."}), delta(audio={"data": data}), STOP), SSE)
    reply, error, _ = ask(chat, {CHAT: answer if as_pieces else (200, spoken(data))}, output_modalities=["audio"])
    assert error is None and reply.transcript == "Good morning." and reply.audio.to_pcm16() == PCM


def test_a_file_that_comes_whole_where_a_stream_was_asked_for_is_decoded():
    reply, error, _ = ask(chat, {CHAT: (200, spoken(b64(CLIP.encode("wav"))))}, output_modalities=["audio"])
    assert error is None and reply.audio.duration_s == pytest.approx(CLIP.duration_s)


@pytest.mark.parametrize("as_pieces", [True, False])
def test_sound_in_base64_of_another_kind_is_heard_and_remarked(as_pieces):
    data = base64.urlsafe_b64encode(PCM if as_pieces else CLIP.encode("wav")).decode().rstrip("=")
    assert not {"-", "_"}.isdisjoint(data)
    spoken = {"transcript": "Good morning.", "data": data}
    answer = (200, sse(delta(audio=spoken), STOP), SSE) if as_pieces else (200, whole(audio=spoken))
    reply, error, session = ask(chat, {CHAT: answer}, output_modalities=["audio"])
    assert error is None and reply.audio.duration_s == pytest.approx(CLIP.duration_s, abs=0.001)
    assert any("base64 that is url-safe" in str(remark) for remark in session.conversation.remarks)


def test_usage_that_is_no_finite_number_is_remarked_and_its_cost_is_not_known():
    nan = sse(*WORDS, '{"choices": [], "usage": {"prompt_tokens": NaN, "completion_tokens": Infinity}}', STOP)
    _, error, session = ask(chat, {CHAT: (200, nan, SSE)}, output_modalities=["text"])
    assert error is None
    assert any("not finite" in remark for remark in session.conversation.remarks)
    assert session.conversation.costs().remarks[-1].endswith("the sum is not known")


def test_sound_that_is_no_base64_leaves_the_words_and_a_remark():
    answer = (200, sse(delta(audio={"transcript": "Good morning."}), delta(audio={"data": "not base64!"}), STOP), SSE)
    reply, error, session = ask(chat, {CHAT: answer}, output_modalities=["audio"])
    assert error is None and (reply.transcript, reply.audio) == ("Good morning.", None)
    assert any("not base64" in str(remark) for remark in session.conversation.remarks)
    alone = (200, sse(delta(audio={"data": "not base64!"}), STOP), SSE)
    assert "empty" in str(ask(chat, {CHAT: alone}, output_modalities=["audio"])[1])


def test_calls_are_read_from_a_whole_completion_too():
    calls = [{"id": "c", "type": "function", "function": {"name": "get_time", "arguments": {"zone": "UTC"}}}, None]
    with plain({CHAT: (200, whole("tool_calls", content=None, tool_calls=calls[:1]))}) as address:
        with chat(address) as session:
            [call] = session.ask("What time is it?").result(WAIT_S).function_calls
            assert (call.name, json.loads(call.arguments)) == ("get_time", {"zone": "UTC"})


# --- the other steps of a chain --------------------------------------------------------------------------------------

TEXT_DELTA = {"type": "transcript.text.delta", "delta": "Hello."}
TEXT_DONE = {"type": "transcript.text.done", "text": "Hello."}


@each(
    {
        "a stream": (200, sse(TEXT_DELTA, TEXT_DONE), SSE),
        "a stream without deltas": (200, sse(TEXT_DONE, done=False), SSE),
        "one piece": (200, json.dumps({"text": "Hello."})),
        "all that is known": (
            200,
            json.dumps({"text": "Hello.", "words": [{"word": "Hello", "start": 0, "end": 0.4}]}),
        ),
        "odd words": (200, json.dumps({"text": "Hello.", "words": [None, {"word": 7}, {"word": "x", "start": "y"}]})),
        "words alone": (200, "Hello.\n", {"Content-Type": "text/plain; charset=utf-8"}),
    }
)
@pytest.mark.parametrize("transcriber", ["gpt-transcribe", "local-transcribe"])
def test_a_transcript_is_one_whichever_way_it_comes(transcriber, answer):
    answers = {WRITE: answer, CHAT: ANSWERS["a stream"]}
    reply, error, _ = ask(chain, answers, CLIP, transcriber=transcriber)
    assert error is None and reply.asked.text == "Hello."
    assert reply.stages["transcription"].usage["seconds"] == pytest.approx(CLIP.duration_s)


@each(
    {name: NO_ANSWERS[name] for name in ("a page", "nothing", "nothing as a stream", "an error", "a list")}
    | {
        "a page of plain text": (200, PAGE, {"Content-Type": "text/plain"}),
        "no words of plain text": (200, "", {"Content-Type": "text/plain"}),
        "no text": (200, json.dumps({"task": "transcribe"})),
        "text that is null": (200, json.dumps({"text": None})),
        "an early end": (200, sse(TEXT_DELTA, done=False), SSE),
        "a cut line": (200, sse(TEXT_DELTA, done=False), SSE | {"Content-Length": 999}),
    }
)
@pytest.mark.parametrize("transcriber", ["gpt-transcribe", "local-transcribe"])
def test_an_invalid_transcript_is_an_error(transcriber, answer):
    reply, error, _ = ask(chain, {WRITE: answer, CHAT: ANSWERS["a stream"]}, CLIP, transcriber=transcriber)
    assert isinstance(error, rt.ServerError | rt.ConnectionLost) and reply.status == "failed"


def test_silence_that_is_written_down_as_nothing_is_answered():
    reply, error, _ = ask(chain, {WRITE: (200, json.dumps({"text": ""})), CHAT: ANSWERS["a stream"]}, CLIP)
    assert error is None and reply.asked.text == "" and reply.status == "completed"


SPOKEN = {"type": "speech.audio.delta", "audio": b64(PCM)}
SPOKEN_DONE = {"type": "speech.audio.done", "usage": {"input_tokens": 5, "output_tokens": 10}}


@each(
    {
        "samples": (200, PCM, {"Content-Type": "audio/pcm"}),
        "samples without a type": (200, PCM, {"Content-Type": None}),
        "a file": (200, CLIP.encode("wav"), {"Content-Type": "audio/wav"}),
        "a file that is said to be samples": (200, CLIP.encode("flac"), {"Content-Type": "audio/pcm"}),
        "events": (200, sse(SPOKEN, SPOKEN_DONE), SSE),
    }
)
@pytest.mark.parametrize("speaker", ["voice", "gpt-voice"])
def test_a_sentence_is_sound_whichever_way_it_comes(speaker, answer):
    reply, error, _ = ask(chain, {SPEAK: answer, CHAT: ANSWERS["a stream"]}, speaker=speaker)
    assert error is None and reply.audio.duration_s == pytest.approx(CLIP.duration_s, abs=0.001)


@each(
    {
        "a page": (200, PAGE, HTML),
        "a page that is said to be sound": (200, PAGE, {"Content-Type": "audio/pcm"}),
        "an error": (200, json.dumps({"error": {"message": "no voice"}})),
        "an error that is said to be sound": (200, '{"error": "no voice"}', {"Content-Type": "audio/pcm"}),
        "JSON that is said to be sound": (200, '{"detail": "no voice"}', {"Content-Type": "application/octet-stream"}),
        "nothing": (200, "", {"Content-Type": "audio/pcm"}),
        "no events": (200, sse(), SSE),
        "events that break off": (200, sse(SPOKEN, done=False), SSE),
        "sound that is no base64": (200, sse(SPOKEN | {"audio": "!!"}, SPOKEN_DONE), SSE),
        "a file's first bytes": (200, CLIP.encode("wav")[:20], {"Content-Type": "audio/wav"}),
        "sound that breaks off": (200, PCM, {"Content-Type": "audio/pcm", "Content-Length": 99_999}),
    }
)
@pytest.mark.parametrize("speaker", ["voice", "gpt-voice"])
def test_invalid_sound_is_an_error_and_the_words_are_kept(speaker, answer):
    reply, error, _ = ask(chain, {SPEAK: answer, CHAT: ANSWERS["a stream"]}, speaker=speaker)
    assert isinstance(error, rt.ServerError | rt.ConnectionLost)
    assert (reply.status, reply.transcript) == ("failed", "Good morning.")


# --- judges, simulated users, guards ---------------------------------------------------------------------------------


def written(answer):
    with plain({CHAT: answer}) as address:
        return write([{"role": "user", "content": "?"}], model="gpt-6-luna", backend=address, timeout_s=WAIT_S)


@each(ANSWERS)
def test_a_text_model_is_understood_whichever_way_it_answers(answer):
    assert written(answer).text == "Good morning."


@each({name: answer for name, answer in (NO_ANSWERS | BROKEN).items()})
def test_a_text_model_that_gives_no_answer_is_an_error(answer):
    with pytest.raises((rt.ServerError, rt.ConnectionLost)):
        written(answer)


def test_a_judge_that_gives_no_answer_tells_what_was_billed():
    rt.use_prices({"gpt-6-luna": {"like": "gpt-6-luna"}})  # The table's do not hold at a server of the test's own.
    try:
        with pytest.raises(rt.ServerError) as raised:
            written(NO_ANSWERS["usage alone"])
    finally:
        rt.use_prices(None)
    assert raised.value.cost_usd > 0


NO_VERDICTS = (PAGE, "", "{}", "[]", '{"error": "no"}', '{"results": []}', '{"results": null}', '{"results": [{}]}',
               '{"results": [{"flagged": null}]}')  # fmt: skip


@pytest.mark.parametrize("body", NO_VERDICTS)
def test_an_invalid_verdict_lets_nothing_through(body):
    assert "the guard failed: " in judged(body)


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ({"flagged": False, "categories": {"hate": False}}, ""),
        ({"flagged": True, "categories": {"hate": True, "self-harm": False}}, "hate"),
        ({"flagged": True, "categories": {}}, "flagged"),
        ({"flagged": True}, "flagged"),
    ],
)
def test_a_verdict_is_what_the_endpoint_says(result, why):
    assert judged(json.dumps({"results": [result]})) == why


def judged(body):
    with plain({"/v1/moderations": (200, body)}) as address:
        api = Api(rt.Backend.find(address))
        try:
            return submit(make_judge("moderation", api)("words", "user")).result(WAIT_S)
        finally:
            submit(api.close()).result(WAIT_S)


# --- lines -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_only_cr_and_lf_end_a_line_however_the_network_cuts_them(size):
    text = "a\u2028b\x85c\r\n\r\nd\re\n\x0bé".encode()

    async def read():
        async def pieces():
            for start in range(0, len(text), size):
                yield text[start : start + size]

        return [line async for line in lines_of(pieces())]

    assert submit(read()).result(WAIT_S) == ["a\u2028b\x85c", "", "d", "e", "\x0bé"]

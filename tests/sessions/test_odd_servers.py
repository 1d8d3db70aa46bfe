"""Servers that speak nearly the protocol, live: whatever one event holds, a question is answered or raises."""

import base64
import contextlib
import copy
import itertools
import json
import random
import re

import numpy as np
import pytest
import wire_samples as wire
from recordings import snapshot
from scripted_server import scripted
from wire_samples import event, out

import realtime_nb as rt
from realtime_nb.protocol.formats import encoding_of, rate_of

WAIT_S = 60
TEXT = "".join(wire.WORDS)
MISSING = object()
#: One of each kind of JSON, so that every field gets some of the wrong kind.
WRONG = (7, "odd", ["odd"], {"odd": 1})


@pytest.fixture(autouse=True)
def prices_of_the_servers_here():
    rt.use_prices({"gpt-realtime-2.1": {"like": "gpt-realtime-2.1"}})
    yield
    rt.use_prices(None)


def exchange(number):
    """Return what answers a written question: every event that a server sends while it is asked and answered."""
    u, r, a, f = (f"{letter}{number}" for letter in "URAF")
    call = wire.call_item(f, "{}", "completed")
    calls = {"response_id": r, "item_id": f, "output_index": 1, "call_id": "call_1"}
    item = wire.user_item(u, [{"type": "input_text", "text": "What time is it?"}])
    answer = wire.audio_answer(a, response_id=r, previous=u)
    transcription = "conversation.item.input_audio_transcription"
    return [
        event("input_audio_buffer.speech_started", audio_start_ms=300, item_id=f"S{number}"),
        event("input_audio_buffer.speech_stopped", audio_end_ms=900, item_id=f"S{number}"),
        event("input_audio_buffer.timeout_triggered", audio_start_ms=0, audio_end_ms=900, item_id=f"S{number}"),
        *wire.committed_turn(f"S{number}"),
        *wire.transcription(f"S{number}"),
        event(f"{transcription}.segment", item_id=f"S{number}", id="s", text="Hi", speaker="A", start=0.5, end=1.25),
        event(f"{transcription}.failed", item_id=f"S{number}", error={"type": "t", "message": "", "code": "c"}),
        wire.item_added(item),
        wire.item_done(item),
        *answer[:-3],
        wire.output_added(wire.call_item(f), response_id=r, output_index=1),
        event("response.function_call_arguments.delta", **calls, delta="{}"),
        event("response.function_call_arguments.done", **calls, name="get_time", arguments="{}"),
        wire.output_done(call, response_id=r, output_index=1),
        out("response.output_text.delta", a, response_id=r, content_index=1, delta="Bye."),
        out("response.output_text.done", a, response_id=r, content_index=1, text="Bye."),
        event("mcp_list_tools.completed", item_id="M"),
        event("response.mcp_call.completed", item_id="M", output_index=0),
        event("conversation.item.retrieved", item=item),
        event("conversation.item.truncated", item_id=a, content_index=0, audio_end_ms=20),
        event("conversation.item.deleted", item_id="nobody"),
        event("input_audio_buffer.cleared"),
        answer[-1],
        answer[-3],
        wire.response_done(r, output=[wire.spoken_item(a, TEXT, "completed"), call]),
    ]


def paths_of(tree, path=()):
    """Yield where the fields of an event are, nested ones too."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(key, str) or isinstance(value, dict):
            yield (*path, key)
        if isinstance(value, dict | list):
            yield from paths_of(value, (*path, key))


def changed(each, path, value):
    """Return an event with another value in a field, or without it."""
    each = copy.deepcopy(each)
    *way, last = path
    at = each
    for key in way:
        at = at[key]
    if value is MISSING:
        del at[last]
    else:
        at[last] = value
    return each


def at(tree, path):
    for key in path:
        tree = tree[key]
    return tree


def changes_of(each):
    """Return each of an event's fields missing, null, and of two wrong kinds: where, and what."""
    return [
        (path, value)
        for path in paths_of(each)
        if path != ("event_id",)
        for value in (MISSING, None, *[value for value in WRONG if type(value) is not type(at(each, path))][:2])
    ]


def named(each, path, value):
    return f"{each['type']} {'.'.join(map(str, path))} {'missing' if value is MISSING else json.dumps(value)}"


def connected(url, **options):
    """Return a session that asks in writing, and does not come back by itself."""
    settings = {"turn_detection": None, "transcription": None, "restore": False} | options
    return rt.RealtimeSession(backend=url, api_key="k", **settings)


def answer_with(peer, *response_events):
    """Take a written question, and send these events for its answer."""
    peer.receive("conversation.item.create")
    request = peer.receive("response.create")
    for each in response_events:
        if isinstance(each, dict) and isinstance(each.get("response"), dict):
            each["response"]["metadata"] = request["response"]["metadata"]
    return request


def ask_all(all_answers, *, session=wire.SESSION, **options):
    """Ask a server that answers each question with one of these lists of events; return the session and the replies."""
    all_answers = list(all_answers)

    def script(peer):
        peer.open(session)
        for response_events in all_answers:
            answer_with(peer, *response_events)
            peer.send(*response_events)
        peer.wait_until_gone()

    with scripted(script) as url, connected(url, **options) as asking:
        return asking, [asking.ask("What time is it?").result(WAIT_S) for _ in all_answers]


def check_recorded(session, folder):
    """Whatever was mended live, a recording of it holds the same records and remarks."""
    recording = session.save(folder)
    assert snapshot(recording.conversation) == snapshot(session.conversation)
    assert recording.conversation.remarks == session.conversation.remarks


# --- every field of every event -------------------------------------------------------------------------------------


def test_whatever_a_field_holds_a_question_gets_its_answer(tmp_path):
    """Sessions of some fifty questions each; in every answer one field of one event is not what it should be."""
    cases = [(place, *change) for place, each in enumerate(exchange(0)) for change in changes_of(each)]
    groups = [cases[first::25] for first in range(25)]

    def script(peer):
        group = groups[int(peer.request.path.rpartition("=")[2])]
        peer.open()
        for number, (place, path, value) in enumerate(group, start=1):
            response_events = exchange(number)
            answer_with(peer, *response_events)
            response_events[place] = changed(response_events[place], path, value)
            peer.send(*response_events)
        peer.wait_until_gone()

    wrong = []
    with scripted(script) as url:
        for index, group in enumerate(groups):
            session = connected(url, model=str(index))
            for place, path, value in group:
                reply = session.ask("What time is it?").result(WAIT_S)  # It returns at all, and the session goes on.
                if not (reply.done and reply.transcript in (TEXT, f"{TEXT} Bye.")):
                    wrong.append((named(exchange(0)[place], path, value), reply.transcript))
            session.close().result(WAIT_S)
            check_recorded(session, tmp_path / str(index))
    assert wrong == []


def test_whatever_a_field_of_the_handshake_holds_the_session_opens_or_says_why():
    created, updated = wire.session_created(), wire.session_updated()
    cases = [(0, *change) for change in changes_of(created)] + [(1, *change) for change in changes_of(updated)]

    def script(peer):
        place, path, value = cases[int(peer.request.path.rpartition("=")[2])]
        handshake = [wire.session_created(), wire.session_updated()]
        handshake[place] = changed(handshake[place], path, value)
        peer.send(handshake[0])
        peer.receive("session.update")
        peer.send(handshake[1])
        response_events = exchange(1)
        answer_with(peer, *response_events)
        peer.send(*response_events)
        peer.wait_until_gone()

    with scripted(script) as url:
        for index in range(len(cases)):
            session = connected(url, model=str(index))
            with contextlib.suppress(rt.RealtimeError):
                assert session.ask("What time is it?").result(WAIT_S).transcript == f"{TEXT} Bye."
            session.close().result(WAIT_S)


# --- events that are missing, or come in another order --------------------------------------------------------------


def without_type(events, *kinds):
    return [each for each in events if each["type"] not in kinds]


EVENTS = sorted({each["type"] for each in exchange(0)} - {"response.done"})


def test_an_answer_needs_none_of_the_events_before_its_end():
    all_answers = [without_type(exchange(number), kind) for number, kind in enumerate(EVENTS)]
    all_answers += [
        without_type(exchange(100), "response.created", "response.output_item.added", "response.content_part.added"),
        [each for each in exchange(101) if each["type"] == "response.done"],
        [each for each in exchange(102) if each["type"].endswith((".delta", "response.done"))],
    ]
    _, replies = ask_all(all_answers)
    assert [reply.transcript for reply in replies if reply.transcript not in (TEXT, f"{TEXT} Bye.")] == []
    assert {reply.status for reply in replies} == {"completed"}


def test_an_answer_whose_events_come_in_any_order_is_answered():
    rng = random.Random(7)
    all_answers = []
    for number in range(60):
        *response_events, done = exchange(number)
        rng.shuffle(response_events)
        all_answers.append([*response_events, done])
    _, replies = ask_all(all_answers)
    assert all(reply.done and reply.status == "completed" for reply in replies)
    assert len({reply.response_id for reply in replies}) == 60


def test_what_ends_a_response_and_cannot_be_read_still_ends_it_and_says_why():
    ends = [
        '{"type": "response.done", "response": {"id": "R", "output": [{',
        '{"type":"response.done","response":' + "[" * 50_000,
        {"type": "response.done"},
        {"type": "response.done", "response": "gone"},
        {"response": {"status": "completed"}, "type": "response.done", "usage": float("nan")},
    ]
    _, replies = ask_all([[wire.response_created(f"R{number}"), end] for number, end in enumerate(ends)])
    assert [reply.response_id for reply in replies] == [f"R{number}" for number in range(5)]
    assert [reply.status for reply in replies] == ["failed"] * 4 + ["completed"]
    assert "can be read (not JSON" in replies[0].error["message"]
    assert "nested too deeply" in replies[1].error["message"]
    assert "'response' is missing" in replies[2].error["message"]
    assert "'response' was the text 'gone'" in replies[3].error["message"]


# --- servers and what they send, as they were met -------------------------------------------------------------------


def dialect(change, number=1):
    """Return the events of an answer after `change`, which takes and returns the list of them."""
    return change(wire.audio_answer(f"A{number}", response_id=f"R{number}"))


def each_response(events, **fields):
    return [each | {"response": each["response"] | fields} if "response" in each else each for each in events]


def renamed(events, names):
    return [each | {"type": names.get(each["type"], each["type"])} for each in events]


BETA = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "conversation.item.added": "conversation.item.created",
}


def with_deltas(events, code):
    """Return events with the base64 of their audio written otherwise."""
    return [each | {"delta": code(each["delta"])} if "audio.delta" in each["type"] else each for each in events]


DIALECTS = {
    "Hugging Face: null modalities": lambda each: each_response(each, output_modalities=None),
    "Hugging Face: nothing is null but what is": lambda each: each_response(each, object=None, metadata=None),
    "xAI: details as text": lambda each: each_response(each, status_details="all is well"),
    "Azure Voice Live: beta names": lambda each: renamed(each, BETA),
    "LocalAI: one event id": lambda each: [one | {"event_id": "event_TODO"} for one in each],
    "no response.created": lambda each: without_type(each, "response.created"),
    "no status": lambda each: [
        changed(one, ("response", "status"), MISSING) if one["type"] == "response.done" else one for one in each
    ],
    "null conversation": lambda each: each_response(each, conversation_id=None),
    "url-safe base64": lambda each: with_deltas(each, lambda text: text.replace("+", "-").replace("/", "_")),
    "unpadded base64": lambda each: with_deltas(each, lambda text: text.rstrip("=")),
    "base64 in lines": lambda each: with_deltas(
        each, lambda text: "\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    ),
    "parts without part": lambda each: [
        changed(one, ("part",), MISSING) if one["type"] == "response.content_part.done" else one for one in each
    ],
    "ids as numbers": lambda each: [
        json.loads(json.dumps(one).replace('"R1"', "1").replace('"A1"', "2")) for one in each
    ],
    "no ids": lambda each: [
        {key: value for key, value in one.items() if key not in ("response_id", "item_id")} for one in each
    ],
    "another id at the end": lambda each: [*each[:-2], each_response(each[-2:-1], id="other")[0]],
}


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_is_understood(name, tmp_path):
    session, (reply, again) = ask_all([dialect(DIALECTS[name]), wire.audio_answer("A2", response_id="R2")])
    assert (reply.status, reply.transcript) == ("completed", TEXT)
    assert reply.audio.to_pcm16() == wire.PCM
    assert (again.status, again.transcript) == ("completed", TEXT)
    check_recorded(session, tmp_path / "saved")


def test_null_is_absent_and_no_remark():
    events = each_response(wire.audio_answer(), output_modalities=None, object=None, metadata=None, usage=None)
    session, _ = ask_all([events])
    assert session.conversation.remarks == []


def test_usage_beside_the_response_is_counted():
    events = wire.audio_answer(end={"usage": {}})
    done = next(each for each in events if each["type"] == "response.done")
    done["usage"] = wire.USAGE
    _, (reply,) = ask_all([events], model="gpt-realtime-2.1")
    assert (reply.usage.input_tokens, reply.usage.audio_out) == (41, 136)
    assert reply.cost.total_usd > 0


@pytest.mark.parametrize("error", ["overloaded", {"error": {"message": "overloaded"}}, ["overloaded"], None])
def test_an_error_of_any_shape_is_raised_with_its_words(error):
    def script(peer):
        peer.open()
        answer_with(peer)
        peer.send({"type": "error", "error": error, "message": "overloaded"})
        response_events = wire.audio_answer()
        answer_with(peer, *response_events)
        peer.send(*response_events)
        peer.wait_until_gone()

    with scripted(script) as url, connected(url) as session:
        with pytest.raises(rt.ServerError, match="overloaded"):
            session.ask("What time is it?").result(WAIT_S)
        assert session.ask("What time is it?").result(WAIT_S).transcript == TEXT


def test_halves_of_a_character_in_two_deltas_are_one_and_a_lone_half_is_marked(tmp_path):
    def response_events(number, *deltas):
        head = [
            wire.response_created(f"R{number}"),
            wire.output_added(wire.text_item(f"A{number}"), response_id=f"R{number}"),
        ]
        ids = {"item_id": f"A{number}", "response_id": f"R{number}"}
        texts = [out("response.output_text.delta", delta=each, **ids) for each in deltas]
        return [*head, *texts, wire.response_done(f"R{number}", output=[])]

    session, replies = ask_all(
        [
            response_events(1, "Hi \ud83d", "\ude00!"),
            response_events(2, "Hi \ud83d", "you"),
            response_events(3, "Hi \ud83d"),
        ]
    )
    assert [reply.transcript for reply in replies] == ["Hi \U0001f600!", "Hi \ufffdyou", "Hi \ufffd"]
    assert session.conversation.remarks == ["response.output_text.delta: half a UTF-16 pair in 'delta' became U+FFFD"]
    check_recorded(session, tmp_path / "saved")


def test_sound_that_is_no_base64_is_remarked_and_the_rest_is_kept():
    events = wire.audio_answer()
    bad = next(each for each in events if each["type"] == "response.output_audio.delta")
    bad["delta"] = "no sound!"
    session, (reply,) = ask_all([events])
    assert (reply.transcript, len(reply.audio.to_pcm16())) == (TEXT, len(wire.PCM) * 2 // 3)
    assert session.conversation.remarks == [
        "response.output_audio.delta: 'delta' was the text 'no sound!', and was dropped"
    ]


def test_the_last_of_several_transcriptions_counts():
    completed = "conversation.item.input_audio_transcription.completed"
    first, *_ = [
        [
            *wire.committed_turn("S"),
            *(event(completed, item_id="S", transcript=text) for text in ("What", "What time?")),
        ]
    ]
    session, _ = ask_all([[*first, *wire.audio_answer()]])
    assert session.conversation.turn("S").text == "What time?"


def test_an_event_that_comes_twice_counts_once_and_says_so():
    events = [each for one in wire.audio_answer() for each in (one, one)]
    heard = []

    def script(peer):
        peer.open()
        answer_with(peer, *events)
        peer.send(*events)
        peer.wait_until_gone()

    with scripted(script) as url, connected(url) as session:
        session.listen(lambda event, elapsed_ms: heard.append(getattr(event, "delta", None)))
        reply = session.ask("What time is it?").result(WAIT_S)
    assert (reply.transcript, reply.audio.to_pcm16()) == (TEXT, wire.PCM)
    assert b"".join(each for each in heard if isinstance(each, bytes)) == wire.PCM  # And is played once.
    assert session.conversation.remarks == ["an event came twice, and counts once"]


def with_ids(events, names):
    """Return events with other ids of responses and items."""
    text = json.dumps(events)
    for old, new in names.items():
        text = text.replace(f'"{old}"', f'"{new}"')
    return json.loads(text)


@pytest.mark.parametrize("left_out", [(), ("response.created",), ("response.output_item.added",)])
@pytest.mark.parametrize("names", [{"R1": "R", "R2": "R"}, {"A1": "A", "A2": "A"}])
def test_answers_that_share_an_id_are_told_apart(names, left_out, tmp_path):
    all_answers = [
        with_ids(without_type(wire.audio_answer(f"A{n}", response_id=f"R{n}", words=(text,)), *left_out), names)
        for n, text in ((1, "Ten past nine."), (2, "Half past four."))
    ]
    session, replies = ask_all(all_answers)
    assert [reply.transcript for reply in replies] == ["Ten past nine.", "Half past four."]
    assert [reply.audio.to_pcm16() for reply in replies] == [wire.PCM, wire.PCM]
    check_recorded(session, tmp_path / "saved")


def test_ends_alone_are_answers_whatever_response_they_name():
    def ends(name):
        last = "response.done"
        whole = [wire.audio_answer(f"A{n}", response_id=name, words=(f"Answer {n}.",)) for n in (1, 2)]
        return [[each for each in one if each["type"] == last] for one in whole]

    unnamed = [[changed(each, ("response", "id"), MISSING) for each in one] for one in ends("R")]
    for all_answers in (ends("R"), unnamed):
        _, replies = ask_all(all_answers)
        assert [reply.transcript for reply in replies] == ["Answer 1.", "Answer 2."]


def test_a_response_ends_once(tmp_path):
    first = wire.audio_answer("A1", response_id="R1")
    again = wire.response_done("R1", "failed", status_details={"type": "failed", "error": {"message": "no"}})
    session, replies = ask_all([[*first, again], [*first[-2:-1], *wire.audio_answer("A2", response_id="R2")]])
    assert [(reply.response_id, reply.status, reply.error) for reply in replies] == [
        ("R1", "completed", None),
        ("R2", "completed", None),
    ]
    assert any("response that has ended" in each for each in session.conversation.remarks)
    check_recorded(session, tmp_path / "saved")


def test_sound_in_pieces_of_any_length_is_whole_for_everybody(tmp_path):
    """Half a sample may be left over between two deltas."""
    events = wire.audio_answer(pcm=b"")
    at = next(place for place, each in enumerate(events) if each["type"] == "response.output_audio.done")
    cuts = [0, 1001, 1004, 1781, 1782, 3333, len(wire.PCM)]
    pieces = [wire.PCM[start:end] for start, end in itertools.pairwise(cuts)]
    events[at:at] = [out("response.output_audio.delta", delta=wire.b64(piece)) for piece in (*pieces, b"\x01")]
    heard = []

    def script(peer):
        peer.open()
        answer_with(peer, *events)
        peer.send(*events)
        peer.wait_until_gone()

    with scripted(script) as url, connected(url) as session:
        session.listen(lambda event, elapsed_ms: heard.append(getattr(event, "delta", None)))
        reply = session.ask("What time is it?").result(WAIT_S)
    sound = [each for each in heard if isinstance(each, bytes)]
    assert reply.audio.to_pcm16() == b"".join(sound) == wire.PCM
    assert not any(len(each) % 2 for each in sound)
    assert ["within a sample" in each for each in session.conversation.remarks] == [True]
    check_recorded(session, tmp_path / "saved")
    assert rt.Recording.load(tmp_path / "saved").assistant.to_pcm16().endswith(wire.PCM)


def test_g711_in_pieces_of_any_length_is_whole():
    events = wire.audio_answer(pcm=b"")
    at = next(place for place, each in enumerate(events) if each["type"] == "response.output_audio.done")
    events[at:at] = [out("response.output_audio.delta", delta=wire.b64(b"\x55" * size)) for size in (801, 3, 796)]
    sound = {"format": {"type": "audio/pcmu"}}
    settings = wire.without(wire.SESSION, "audio", "output", **sound)
    session, (reply,) = ask_all([each_response(events, audio={"output": sound})], session=settings)
    assert (reply.audio.sample_rate, len(reply.audio.samples)) == (8_000, 1_600)
    assert session.conversation.remarks == []


def test_what_is_nested_too_deeply_is_cut_and_the_session_can_be_recorded(tmp_path):
    deep = json.loads("[" * 400 + "]" * 400)
    events = each_response(wire.audio_answer(), metadata={"deep": deep})
    later = [wire.session_updated(wire.SESSION | {"deep": deep}), {"type": "later", "deep": deep}]
    session, (reply,) = ask_all([[*later, *events]], recording=tmp_path / "live")
    assert (reply.status, reply.transcript) == ("completed", TEXT)
    assert any("nested more than 100 levels deep" in each for each in session.conversation.remarks)
    assert len(rt.Recording.load(tmp_path / "live")) == len(session.log)
    check_recorded(session, tmp_path / "saved")


def test_an_answer_that_lost_its_request_is_the_answer_where_nothing_refuses_it():
    def script(peer):
        peer.open()
        answer_with(peer, *(response_events := wire.audio_answer("A1", response_id="R1")))
        peer.send(*response_events)
        answer_with(peer)
        peer.send(*wire.audio_answer("A2", response_id="R2"))
        peer.wait_until_gone()

    with scripted(script) as url, connected(url) as session:
        replies = [session.ask("What time is it?").result(WAIT_S) for _ in range(2)]
    assert [reply.response_id for reply in replies] == ["R1", "R2"]


def test_what_is_asked_beside_the_conversation_is_answered_without_metadata_or_conversation():
    def script(peer):
        peer.open()
        for change in (
            {"metadata": None, "conversation_id": None},
            {"metadata": {"request": 5}, "conversation_id": None},
        ):
            peer.receive("response.create")
            peer.send(*each_response(wire.audio_answer(), **change, id=f"R{len(change)}{change['metadata']}"))
        peer.wait_until_gone()

    with scripted(script) as url, connected(url) as session:
        for _ in range(2):
            reply = session.respond(conversation="none").result(WAIT_S)
            assert (reply.transcript, reply.in_conversation) == (TEXT, False)


# --- other rates ----------------------------------------------------------------------------------------------------


def at_rates(**rates):
    """Return settings with other rates for a side's sound."""
    settings = wire.SESSION
    for side, rate in rates.items():
        settings = wire.without(settings, "audio", side, format={"type": "audio/pcm", "rate": rate})
    return settings


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, "16000", 16_000.0])
def test_sound_is_played_and_recorded_at_the_rate_that_the_server_declares(rate, tmp_path):
    session, (reply,) = ask_all([wire.audio_answer()], session=at_rates(output=rate))
    hz = int(rate)
    clip = reply.audio
    assert (clip.sample_rate, clip.to_pcm16()) == (hz, wire.PCM)
    assert session.conversation.received_ms("A") == pytest.approx(len(wire.PCM) / 2 / hz * 1000)
    assert session._protocol.received_ms("A") == pytest.approx(len(wire.PCM) / 2 / hz * 1000)
    check_recorded(session, tmp_path / "saved")
    recording = rt.Recording.load(tmp_path / "saved")
    assert recording.assistant.sample_rate == recording.heard.sample_rate == hz
    assert recording.conversation.replies[0].audio.sample_rate == hz
    assert recording.assistant.to_pcm16().endswith(wire.PCM)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000])
def test_a_clip_is_sent_at_the_rate_that_the_server_declares(rate, tmp_path):
    clip = rt.AudioClip(np.sin(np.arange(24_000) / 20).astype(np.float32) / 2)
    settings = wire.without(at_rates(input=rate), "audio", "input", turn_detection=None)
    got = []

    def script(peer):
        peer.open(settings)
        peer.receive("input_audio_buffer.clear")
        while "audio" in (sent := peer.receive("input_audio_buffer.append", "input_audio_buffer.commit")):
            got.append(base64.b64decode(sent["audio"]))
        request = peer.receive("response.create")
        peer.send(event("input_audio_buffer.cleared"), *wire.committed_turn("S"))
        peer.answer(request, previous="S")
        peer.wait_until_gone()

    with scripted(script) as url, connected(url) as session:
        session.ask(clip).result(WAIT_S)
    assert len(b"".join(got)) == pytest.approx(2 * rate, abs=4)
    said = session.conversation.turn("S").audio
    assert (said.sample_rate, said.duration_s) == (rate, pytest.approx(1.0, abs=0.001))
    assert np.corrcoef(said.resample(24_000).samples[:23_000], clip.samples[:23_000])[0, 1] > 0.99
    check_recorded(session, tmp_path / "saved")
    assert rt.Recording.load(tmp_path / "saved").user.sample_rate == rate


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"type": "audio/opus"}, "'audio/opus', which is none of audio/pcm"),
        ({"type": "audio/pcm", "rate": 0}, "at a rate of '0'"),
        ({"type": "audio/pcm", "rate": -16_000}, "at a rate of '-16000'"),
        ({"type": "audio/pcm", "rate": 10**9}, "at a rate of '1000000000'"),
        ({"type": "audio/pcm", "rate": "fast"}, "at a rate of 'fast'"),
        ({"type": "audio/pcm", "sample_rate": 10}, "at a rate of '10'"),
        ({"type": "audio/pcm", "rate": 16_000, "sample_rate": 8_000}, "at a rate of '16000 or 8000'"),
        (["audio/pcm", {"type": "audio/pcmu"}], "'audio/pcm or audio/pcmu', which is none of"),
        ([{"type": "pcm16", "rate": 8_000}, "pcm16"], "at a rate of '8000 or audio/pcm'"),
        (7, "'7', which is none of"),
    ],
)
@pytest.mark.parametrize("side", ["input", "output"])
def test_sound_that_cannot_be_played_or_sent_is_refused_in_words_at_connect(side, declared, said):
    settings = wire.without(wire.SESSION, "audio", side, format=declared)

    def script(peer):
        peer.open(settings)
        peer.wait_until_gone()

    with scripted(script) as url:
        session = connected(url)
        with pytest.raises(rt.RemoteProtocolError, match=re.escape(said)):
            session.connect().result(WAIT_S)
        assert session.state == "closed"


@pytest.mark.parametrize(
    "sound",
    [
        {"format": {"type": "audio/pcm", "sample_rate": 16_000}},
        {"format": {"type": "pcm16", "sampleRateHertz": "16000"}},
        {"format": "pcm16", "sample_rate": 16_000},
        {"format": {"type": "audio/pcm"}, "sampling-rate": 16_000},
        {"format": [{"type": "audio/pcm", "rate": 16_000}]},
        {"format": ["audio/pcm;rate=16000"]},
    ],
)
def test_a_rate_is_understood_under_any_name_and_in_a_list_of_one(sound):
    _, (reply,) = ask_all([wire.audio_answer()], session=wire.without(wire.SESSION, "audio", "output", **sound))
    assert (reply.audio.sample_rate, reply.audio.to_pcm16()) == (16_000, wire.PCM)


@pytest.mark.parametrize(
    "declared", ["pcm16", {"type": "pcm16"}, {"type": "audio/pcm"}, None, {}, [], [None], ["pcm16"]]
)
def test_other_ways_to_say_the_usual_format_are_understood(declared):
    settings = wire.without(wire.SESSION, "audio", "output", format=declared)
    _, (reply,) = ask_all([wire.audio_answer()], session=settings)
    assert (reply.audio.sample_rate, reply.audio.to_pcm16()) == (24_000, wire.PCM)


@pytest.mark.parametrize(
    ("flat", "rates"),
    [
        ({"output_audio_format": "pcm16_16000hz"}, (24_000, 16_000)),
        ({"output_audio_format": "pcm16-8000hz"}, (24_000, 8_000)),
        ({"input_audio_sampling_rate": 16_000, "output_audio_format": "pcm16_16000hz"}, (16_000, 16_000)),
        ({"input_audio_format": "g711_ulaw", "output_audio_format": "g711_alaw"}, (8_000, 8_000)),
        ({"output_audio_format": None}, (24_000, 24_000)),
        ({"output_audio_sampling_rate": 8_000}, (24_000, 8_000)),
        ({"sample_rate": 16_000, "output_sample_rate": 16_000}, (16_000, 16_000)),
        ({"audio": {"output": {"voice": "marin"}}, "output_audio_format": "pcm16_8000hz"}, (24_000, 8_000)),
    ],
)
def test_rates_in_the_names_of_beta_formats_are_understood(flat, rates):
    """Azure Voice Live names the rate of its sound so."""
    settings = {key: value for key, value in wire.SESSION.items() if key != "audio"}
    settings |= {"input_audio_format": "pcm16", "output_audio_format": "pcm16", "turn_detection": None} | flat
    session, (reply,) = ask_all([wire.audio_answer()], session=settings)
    assert (rate_of(encoding_of(session.conversation.session, "input")), reply.audio.sample_rate) == rates


def test_a_beta_format_that_cannot_be_played_is_refused_in_words():
    settings = {key: value for key, value in wire.SESSION.items() if key != "audio"}
    with pytest.raises(rt.RemoteProtocolError, match="'opus', which is none of"):
        ask_all([[]], session=settings | {"input_audio_format": "pcm16", "output_audio_format": "opus"})


@pytest.mark.parametrize(
    ("settings", "declared", "said"),
    [
        (wire.SESSION, {"format": {"type": "audio/pcm", "rate": 16_000}}, "audio/pcm;rate=16000"),
        (wire.SESSION, {"format": {"type": "audio/pcm", "sample_rate": 16_000}}, "audio/pcm;rate=16000"),
        (wire.SESSION, {"format": {"type": "audio/pcm"}, "sample_rate": 16_000}, "audio/pcm;rate=16000"),
        (wire.SESSION, {"format": ["audio/pcm", "audio/pcmu"]}, "audio/pcm or audio/pcmu"),
        (at_rates(output=16_000), {"format": {"type": "audio/pcm", "rate": 24_000}}, "as 'audio/pcm'"),
    ],
)
def test_another_sound_that_a_response_alone_declares_is_remarked(settings, declared, said):
    session, _ = ask_all([each_response(wire.audio_answer(), audio={"output": declared})], session=settings)
    assert any(said in each for each in session.conversation.remarks)


def test_another_sound_that_a_response_declares_as_the_beta_did_is_remarked():
    session, _ = ask_all([each_response(wire.audio_answer(), audio=None, output_audio_format="pcm16_16000hz")])
    assert any("audio/pcm;rate=16000" in each for each in session.conversation.remarks)


@pytest.mark.parametrize("declared", [{"format": {"type": "audio/pcm"}}, {"format": None}, {"voice": "marin"}, {}])
def test_a_response_that_says_no_rate_has_the_sessions(declared):
    events = each_response(wire.audio_answer(), audio={"output": declared})
    session, (reply,) = ask_all([events], session=at_rates(output=16_000))
    assert (session.conversation.remarks, reply.audio.sample_rate) == ([], 16_000)


# --- calls of functions ---------------------------------------------------------------------------------------------


def get_time(zone: str) -> str:
    """Return the time."""
    return "ten past nine"


def test_whatever_a_call_holds_the_question_is_answered():
    response_events = wire.call_answer()
    cases = [
        (place, *change)
        for place, each in enumerate(response_events)
        for change in changes_of(each)
        if change[1] is not None
    ]

    def script(peer):
        place, path, value = cases[int(peer.request.path.rpartition("=")[2])]
        peer.open()
        asked = 0
        while True:
            request = json.loads(peer.socket.recv())
            if request["type"] != "response.create":
                continue
            asked += 1
            answer = wire.text_answer(f"A{asked}", response_id=f"R{asked}") if asked > 1 else wire.call_answer()
            for each in answer:
                if "response" in each:
                    each["response"]["metadata"] = request["response"]["metadata"]
            if asked == 1:
                answer[place] = changed(answer[place], path, value)
            peer.send(*answer)

    slow = []
    with scripted(script) as url:
        for index, case in enumerate(cases):
            with connected(url, model=str(index), tools=[get_time]) as session:
                try:
                    assert session.ask("What time is it?").result(WAIT_S).done
                except TimeoutError:
                    slow.append(named(response_events[case[0]], *case[1:]))
                assert session.state == "open"
    assert slow == []


def test_a_call_is_made_once_though_its_response_ends_twice():
    made = []

    def get_time(zone: str) -> str:
        """Return the time."""
        made.append(1)
        return "ten past nine"

    def script(peer):
        peer.open()
        answer_with(
            peer, *(response_events := [*wire.call_answer(), wire.response_done(output=[wire.call_item("F", "{}")])])
        )
        peer.send(*response_events)
        peer.receive("conversation.item.create")
        peer.answer(peer.receive("response.create"), item_id="A2", response_id="R2")
        peer.answer(peer.read_text_question(), item_id="A3", response_id="R3")  # And nothing else was asked.
        peer.wait_until_gone()

    with scripted(script) as url, connected(url, tools=[get_time]) as session:
        for wanted in ("R2", "R3"):
            assert session.ask("What time is it?").result(WAIT_S).response_id == wanted
    assert made == [1]

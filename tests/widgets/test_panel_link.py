import time

import pytest
from browser.bare import until
from browser.scripted import ScriptedSession
from local_http import served

from realtime_nb.loop import io_loop, submit
from realtime_nb.media.g711 import encode_ulaw
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.local_events import (
    BudgetStopped,
    ClockAligned,
    Flagged,
    Passed,
    Remarked,
    SessionRenewed,
    SoundBegan,
    StateChanged,
    Waiting,
)
from realtime_nb.sessions.backend import Backend
from realtime_nb.widgets.panel_link import PanelLink
from realtime_nb.widgets.road import FROM_MICROPHONE, Frame

AUDIO = {"kind": "audio", "sample_rate": 24_000, "blocked": False}


class RoadToNowhere:
    kind = "direct"

    def __init__(self):
        self.sent = []

    def send(self, message, *, urgent=False):
        self.sent.append(message)

    def controls(self, kind):
        return [m for m in self.sent if isinstance(m, dict) and m["kind"] == kind]

    @property
    def frames(self):
        return [m for m in self.sent if isinstance(m, Frame)]


class Desk:
    """A line with the test on both ends."""

    def __init__(self, **options):
        self.session = ScriptedSession(**options)
        self.road = RoadToNowhere()
        self.pendings = []
        self.replies = []
        self.states = []
        self.errors = []
        self.line = PanelLink(
            self.session,
            self.road,
            watch=self.pendings.append,
            on_reply=lambda: self.replies.append(len(self.session.conversation.replies)),
            on_state=self.states.append,
            on_error=self.errors.append,
        )

    def page(self, *messages):
        """Let messages of the page arrive, in one go; return when the session has been told."""

        async def take():
            for message in messages:
                if isinstance(message, Frame):
                    self.line.on_frame(message)
                else:
                    self.line.handlers[message["kind"]](message)

        submit(take()).result(30)
        for pending in self.pendings:
            pending.exception(30)

    def do(self, function, *arguments):
        """Call something of the line's on the I/O thread."""

        async def call():
            function(*arguments)

        submit(call()).result(30)
        for pending in self.pendings:
            pending.exception(30)


@pytest.fixture
def desk():
    desk = Desk()
    desk.page(AUDIO, {"kind": "connect"})
    yield desk
    desk.line.hang_up()


def sound(ms):
    return Frame(b"\1\0" * (24 * ms), kind=FROM_MICROPHONE)


def test_connect_is_asked_once(desk):
    desk.page({"kind": "connect"})
    assert desk.session.names() == ["connect"]
    assert desk.states == ["open"]


def test_hands_free_sends_all_sound(desk):
    desk.page(sound(20), sound(20))
    assert len(desk.session.audio) == 2 * 2 * 480


def test_by_hand_only_what_is_held_is_sent_and_nothing_of_it_is_cleared(desk):
    desk.do(desk.line.set_hands_free, False)
    desk.session.calls.clear()
    desk.page(sound(20))
    assert not desk.session.audio
    # All in one go, as the comm brings it: the clearing must still come first.
    desk.page({"kind": "press"}, sound(200), {"kind": "release", "held_ms": 200.0})
    assert desk.session.names() == ["clear", "audio", "commit", "respond"]
    assert len(desk.session.audio) == 2 * 24 * 200


@pytest.mark.parametrize(("held_ms", "sound_ms"), [(60.0, 180), (400.0, 40)])
def test_a_slip_of_the_finger_is_forgotten(desk, held_ms, sound_ms):
    desk.do(desk.line.set_hands_free, False)
    desk.session.calls.clear()
    desk.page({"kind": "press"}, sound(sound_ms), {"kind": "release", "held_ms": held_ms})
    assert {"commit", "respond"}.isdisjoint(desk.session.names())
    assert desk.session.names()[-1] == "clear"
    assert "Hold the button" in desk.road.controls("notice")[0]["text"]


def test_switching_back_to_hands_free_restores_the_detection_of_the_session():
    detection = {"type": "semantic_vad", "eagerness": "low"}
    desk = Desk(turn_detection=detection)
    desk.do(desk.line.set_hands_free, False)
    desk.do(desk.line.set_hands_free, True)
    assert [call[1] for call in desk.session.calls] == [{"turn_detection": None}, {"turn_detection": detection}]


def test_a_session_with_turns_by_hand_starts_so():
    assert not Desk(turn_detection=None).line.hands_free


def test_an_answer_goes_to_the_speaker_with_its_end(desk):
    response = desk.session.begin_answer("item-1", "Hello.", seconds=0.5)
    desk.session.end_answer(response, "item-1", "Hello.")
    assert [frame.last for frame in desk.road.frames] == [False, True]
    assert sum(len(frame.pcm) for frame in desk.road.frames) == 24_000
    assert desk.replies == [1]


def test_what_comes_late_of_a_cancelled_answer_is_not_played(desk):
    desk.session.late.add("resp-1")
    assert desk.session.begin_answer("item-1", "Hello.", seconds=0.5) == "resp-1"
    assert not desk.road.frames


def test_an_answer_cut_off_before_its_sound_was_not_heard(desk):
    response = desk.session.begin_answer("A", "Hello.", 0.1)
    desk.session.late.add(response)
    desk.session.end_answer(response, "A", "Hello.", status="cancelled")
    assert "stopped" not in desk.session.names()  # The page says how much of it it played.
    desk.session.late.add("resp-2")
    response = desk.session.begin_answer("B", "Hello.", 0.1)
    desk.session.end_answer(response, "B", "Hello.", status="cancelled")
    assert ("stopped", "B", 0) in desk.session.calls
    assert desk.session.conversation.turn("B").heard_text == ""


def test_a_page_whose_sound_is_off_stays_silent(desk):
    desk.page({"kind": "silent"})
    desk.session.begin_answer("item-1", "Hello.", seconds=0.5)
    assert not desk.road.frames
    desk.page(AUDIO)
    desk.session.begin_answer("item-2", "Hello.", seconds=0.5)
    assert desk.road.frames


def test_g711_is_decoded_for_the_page(desk):
    desk.session.say(ev.SessionCreated(session={"audio": {"output": {"format": {"type": "audio/pcmu"}}}}))
    at = {"response_id": "resp-1", "item_id": "item-1"}
    desk.session.begin_answer("item-1", "Hello.", seconds=0.0)
    desk.session.say(ev.ResponseOutputAudioDelta(**at, delta=encode_ulaw(b"\0\0" * 8_000)))
    desk.session.end_answer("resp-1", "item-1", "Hello.")
    assert sum(len(frame.pcm) for frame in desk.road.frames) == pytest.approx(48_000, abs=4)


def test_speech_into_the_answer_silences_it_and_the_cut_is_reported(desk):
    desk.session.begin_answer("item-1", "Hello.", seconds=5)
    desk.session.say(ev.InputAudioBufferSpeechStarted(audio_start_ms=0, item_id="item-2"))
    assert desk.road.controls("flush")
    desk.page({"kind": "flushed", "positions": [{"key": 1, "samples": 24_000}], "time_ms": 1.0})
    assert desk.session.calls[-1] == ("stopped", "item-1", 1000)


def test_speech_into_silence_flushes_nothing(desk):
    desk.session.say(ev.InputAudioBufferSpeechStarted(audio_start_ms=0, item_id="item-2"))
    assert not desk.road.controls("flush")


def test_a_session_that_talks_on_is_not_silenced():
    desk = Desk(turn_detection={"type": "server_vad", "interrupt_response": False})
    desk.page(AUDIO)
    desk.session.begin_answer("item-1", "Hello.", seconds=5)
    desk.session.say(ev.InputAudioBufferSpeechStarted(audio_start_ms=0, item_id="item-2"))
    assert not desk.road.controls("flush")


def test_an_interrupt_by_hand_cancels_and_flushes(desk):
    desk.session.begin_answer("item-1", "Hello.", seconds=5)
    desk.page({"kind": "interrupt"})
    assert desk.session.calls[-1] == ("interrupt",)
    assert desk.road.controls("flush")


def test_an_interrupt_from_a_cell_silences_the_page_too(desk):
    desk.session.begin_answer("item-1", "Hello.", seconds=5)
    desk.session.interrupt().result(30)
    assert desk.road.controls("flush")


def test_typed_words_interrupt_and_are_asked(desk):
    desk.session.begin_answer("item-1", "Hello.", seconds=5)
    desk.page({"kind": "say", "text": "No, wait."})
    assert desk.session.calls[-2:] == [("interrupt",), ("ask", "No, wait.")]


def test_typed_words_are_asked_behind_the_account_of_what_they_cut_off(desk):
    desk.session.begin_answer("item-1", "Hello.", seconds=5)
    send = desk.road.send

    def answer(message, *, urgent=False):
        send(message, urgent=urgent)
        if isinstance(message, dict) and message["kind"] == "flush":
            # As a page does, later.
            flushed = {"kind": "flushed", "positions": [{"key": 1, "samples": 2_400}], "time_ms": 0}
            io_loop().call_later(0.05, desk.line.handlers["flushed"], flushed)

    desk.road.send = answer
    desk.page({"kind": "say", "text": "No, wait."})
    assert desk.session.calls[-3:] == [("interrupt",), ("stopped", "item-1", 100), ("ask", "No, wait.")]


def test_the_page_is_told_whose_turn_it_is(desk):
    desk.session.hear("item-1", "Hello?")
    response = desk.session.begin_answer("item-2", "Hello.", seconds=0.1, previous="item-1")
    desk.session.end_answer(response, "item-2", "Hello.")
    phases = [message["phase"] for message in desk.road.controls("session")]
    assert [p for p, before in zip(phases, ["", *phases], strict=False) if p != before] == [
        "idle",
        "hearing",
        "thinking",
        "idle",
    ]


def test_without_automatic_answers_the_status_is_not_thinking():
    desk = Desk(turn_detection={"type": "server_vad", "create_response": False})
    desk.session.hear("item-1", "Hello?")
    assert desk.road.controls("session")[-1]["phase"] == "idle"


def test_the_end_of_a_session_is_told_with_its_reason(desk):
    desk.session.state = "closed"
    desk.session.say(StateChanged(state="closed", message="The session has expired."))
    assert desk.road.controls("session")[-1]["message"] == "The session has expired."
    assert desk.states[-1] == "closed"


def test_a_new_page_gets_all_that_was_said(desk):
    desk.session.hear("item-1", "One.")
    desk.session.hear("item-2", "Two.", previous="item-1")
    desk.road.sent.clear()
    desk.do(desk.line.greet)
    (turns,) = desk.road.controls("turns")
    assert (turns["from_start"], turns["at"], turns["ids"]) == (True, 0, ["item-1", "item-2"])
    assert [row["text"] for row in turns["rows"]] == ["One.", "Two."]


def test_a_renewal_is_told_although_nothing_else_happens(desk):
    desk.do(desk.line.greet)
    desk.session.say(SessionRenewed(reason="restored", carried=0))
    until(lambda: [row["role"] for row in desk.road.controls("turns")[-1]["rows"]] == ["break"])


def test_many_deltas_are_few_updates_and_only_of_what_changed(desk):
    desk.session.hear("item-1", "Tell me.")
    response = desk.session.begin_answer("item-2", "", seconds=0.0, previous="item-1")
    desk.do(desk.line.greet)
    desk.road.sent.clear()
    at = {"response_id": response, "item_id": "item-2"}
    for n in range(200):
        desk.session.say(ev.ResponseOutputAudioTranscriptDelta(**at, delta=f"{n} "))

    until(lambda: "199" in str(desk.road.controls("turns")[-1:]))
    updates = desk.road.controls("turns")
    assert len(updates) <= 20
    assert {row["id"] for update in updates for row in update["rows"]} == {"item-2"}


@pytest.mark.parametrize("flagged", [False, True])
def test_an_answer_sounds_when_the_guard_has_let_through_what_it_answers(desk, flagged):
    desk.page(AUDIO)
    desk.session.held.add("resp-1")
    response = desk.session.begin_answer("item-1", "Hello.", seconds=0.1)
    desk.session.held = {response}
    desk.road.sent.clear()
    desk.session.say(ev.ResponseOutputAudioDelta(response_id=response, item_id="item-1", delta=bytes(4800)))
    desk.session.say(ev.ResponseOutputAudioDone(response_id=response, item_id="item-1"))
    assert desk.road.frames == []
    desk.session.held.clear()
    if flagged:
        desk.session.late.add(response)
        desk.session.say(Flagged(side="user", item_id="item-0", response_id=response, reason="no"))
        assert sum(len(frame.pcm) for frame in desk.road.frames) == 0
    else:
        desk.session.say(Passed(item_id="item-0"))
        assert sum(len(frame.pcm) for frame in desk.road.frames) >= 4800
        assert desk.road.frames[-1].last


@pytest.mark.parametrize("how", ["button", "speech"])
def test_an_answer_that_waits_for_the_guard_is_interrupted_too(desk, how):
    desk.page(AUDIO)
    desk.session.held.add("resp-1")
    response = desk.session.begin_answer("item-1", "Hello.", seconds=0.1)
    desk.session.end_answer(response, "item-1", "Hello.")
    desk.page({"kind": "interrupt"}) if how == "button" else desk.session.hear("item-2", "No.")
    assert ("stopped", "item-1", 0) in desk.session.calls
    desk.session.held.clear()
    desk.session.say(
        Passed(item_id="item-0"), ev.ResponseOutputAudioDelta(response_id=response, item_id="item-1", delta=bytes(960))
    )
    assert desk.road.frames == [] and desk.session.names().count("stopped") == 1


def test_a_flagged_answer_and_a_budget_that_is_spent_silence_the_page(desk):
    desk.page(AUDIO)
    desk.session.begin_answer("item-1", "Hello.", seconds=0.1)
    desk.session.say(Flagged(side="assistant", item_id="item-1", response_id="resp-1", reason="no"))
    assert len(desk.road.controls("flush")) == 1
    desk.session.say(BudgetStopped(bound="max_usd", reason="all is spent"))
    assert len(desk.road.controls("flush")) == 2


def test_the_page_is_told_why_a_session_waits_and_what_it_has_used(desk):
    desk.session.bounds.max_usd = 2.0
    desk.session.bounds._spent_usd = 0.5
    desk.session.say(Waiting(message="Waiting for a free session"))
    assert desk.road.controls("session")[-1]["waiting"] == "Waiting for a free session"
    account = desk.road.controls("account")[-1]
    assert (account["spent"], account["spent_share"]) == ("$0.5000 of $2.00", 0.25)
    desk.session.say(Waiting(message=""))
    assert desk.road.controls("session")[-1]["waiting"] == ""


def test_silence_after_hanging_up(desk):
    desk.line.hang_up()
    desk.road.sent.clear()
    desk.session.begin_answer("item-1", "Hello.", seconds=0.1)
    assert desk.road.sent == []


def test_sound_in_another_rate_is_resampled(desk):
    for _ in range(50):
        desk.page(Frame(bytes(1920), 48_000, kind=FROM_MICROPHONE))
    assert len(desk.session.audio) == pytest.approx(48_000, abs=2_000)


# --- what time it is in the page ---


def aligned(desk, ahead_ms=0.0):
    """Let the page come, and answer with its time until that is known."""
    desk.do(desk.line.greet)
    for _ in range(8):
        asked = desk.road.controls("clock")[-1]
        desk.page(asked | {"time_ms": time.time() * 1000 + ahead_ms})


def test_sound_is_passed_on_with_the_session_time_of_its_capture(desk):
    aligned(desk, ahead_ms=60_000.0)
    captured_at_ms = time.time() * 1000 + 60_000.0 - 30
    desk.page(Frame(b"\1\0" * 480, kind=FROM_MICROPHONE, time_ms=captured_at_ms))
    captured_ms, came_ms = desk.session.captured[-1]
    assert 25 < came_ms - captured_ms < 5_000


def test_sound_of_a_page_whose_time_is_not_known_has_none(desk):
    desk.page(Frame(b"\1\0" * 480, kind=FROM_MICROPHONE, time_ms=time.time() * 1000))
    aligned(desk)
    desk.page(sound(20))
    assert [captured_ms for captured_ms, _ in desk.session.captured] == [None, None]


def test_the_clock_is_noted_with_the_session(desk):
    aligned(desk, ahead_ms=500.0)
    [noted] = [event for event in desk.session.noted if isinstance(event, ClockAligned)]
    assert abs(noted.offset_ms - 500) <= noted.error_ms
    assert desk.session.conversation.clock == noted


def test_the_page_is_asked_with_every_turn_and_left_alone_before_the_session_is_open():
    desk = Desk()
    desk.do(desk.line.greet)
    assert desk.road.controls("clock") == []
    asked = []
    for do in (
        lambda: desk.page({"kind": "connect"}),
        lambda: desk.session.say(ev.InputAudioBufferSpeechStarted(audio_start_ms=0, item_id="item-1")),
        lambda: desk.session.begin_answer("item-2", "Hello.", seconds=0.1),
        lambda: desk.page({"kind": "press"}),
    ):
        do()
        asked.append(len(desk.road.controls("clock")))
    assert asked == [1, 2, 3, 4]
    desk.line.hang_up()


def test_the_page_says_when_an_answer_began_to_sound(desk):
    aligned(desk, ahead_ms=-3_000.0)
    desk.page(AUDIO)
    response = desk.session.begin_answer("item-1", "Hello.", seconds=0.5)
    page_ms = time.time() * 1000 - 3_000
    began = {"kind": "began", "key": 1, "latency_ms": 40.0, "latency_is_estimate": True}
    desk.page(began | {"audible": False, "time_ms": page_ms})
    desk.session.end_answer(response, "item-1", "Hello.")
    desk.page({"kind": "played", "playing": None, "finished": [{"key": 1, "samples": 12_000}], "underruns": 0,
               "audible": 1})  # fmt: skip
    # It comes by way of the page, which may be busy.
    desk.page(began | {"audible": True, "time_ms": page_ms + 20})
    first, sounded = [event for event in desk.session.noted if isinstance(event, SoundBegan)]
    assert (first.item_id, first.audible, sounded.audible) == ("item-1", False, True)
    assert sounded.rendered_ms - first.rendered_ms == pytest.approx(20, abs=5)
    timing = desk.session.conversation.reply(response).timing
    assert timing.is_played and timing.first_audible_ms == pytest.approx(timing.started_ms + 60, abs=5)
    assert timing.latency_is_estimate


def test_sound_that_nobody_knows_or_no_clock_times_is_passed_over(desk):
    began = {"kind": "began", "audible": True, "time_ms": time.time() * 1000, "latency_ms": 0.0}
    began["latency_is_estimate"] = False
    desk.session.begin_answer("item-1", "Hello.", seconds=0.5)
    desk.page(began | {"key": 1})
    aligned(desk)
    desk.page(began | {"key": 99})
    assert not any(isinstance(event, SoundBegan) for event in desk.session.noted)


def test_remarks_go_to_the_page_once_for_each_kind_and_to_every_page_that_comes(desk):
    for text in ("One was odd.", "Another was odd."):
        desk.do(desk.session.note, Remarked(text=text, kind="odd"))
    desk.do(desk.session.note, Remarked(text="It was half a character."))
    both = ["One was odd.", "It was half a character."]
    assert [each["texts"] for each in desk.road.controls("remarks")] == [both[:1], both]
    desk.do(desk.line.greet)
    assert desk.road.controls("remarks")[-1]["texts"] == both


def test_the_page_is_told_which_parts_of_the_local_voice_answer(desk):
    with served() as server:
        desk.session.backend = Backend("local", server.url, server.api_key)
        desk.session.model = "local-script"
        desk.session.say(StateChanged(state="open"))
        until(lambda: desk.road.controls("session")[-1]["parts"])
        told = desk.road.controls("session")[-1]
    assert list(told["parts"]) == ["ears", "voice", "end_of_turn", "brain"]
    assert told["parts"]["brain"].startswith(f"{told['brain']} (")
    assert told["brain"].startswith("a script, no language model")


def test_a_local_voice_that_is_gone_tells_no_parts_and_is_no_error(desk):
    desk.session.backend = Backend("local", "http://127.0.0.1:9/v1", "a key")
    desk.session.say(StateChanged(state="open"))
    desk.pendings[-1].result(60)
    assert desk.road.controls("session")[-1]["parts"] == {} and desk.errors == []

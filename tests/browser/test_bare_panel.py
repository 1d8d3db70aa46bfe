"""The panel in a real browser with a scripted session: what a person sees and does."""

import re

import pytest
from bare import until
from conftest import TRACKS
from local_http import served
from playwright.sync_api import expect

from realtime_nb.errors import ServerError
from realtime_nb.protocol.local_events import Remarked, ToolDone, ToolStarted
from realtime_nb.sessions.backend import Backend
from realtime_nb.widgets.panel import VoicePanel


@pytest.fixture
def page(panel, visit):
    page = visit(TRACKS)
    until(lambda: panel.road == "direct")
    return page


def status(page):
    return page.locator("[data-role=status]")


def connect(page, session):
    page.get_by_role("button", name="Connect", exact=True).click()
    until(lambda: session.audio)
    expect(status(page)).to_have_text("Listening: just speak")


def test_who_speaks_is_always_in_sight(page):
    expect(page.locator(".rtnb-ai")).to_have_text("You are talking to an AI")
    facts = page.locator("[data-role=facts]")
    expect(facts).to_contain_text("scripted")
    expect(facts).to_contain_text("model-1")
    expect(facts).to_contain_text("voice marin")
    expect(facts).to_contain_text("direct socket")
    expect(status(page)).to_have_text("Not connected")


def test_a_newcomer_is_told_who_answers_and_begins_with_a_click(page, session):
    welcome = page.locator(".rtnb-welcome")
    expect(welcome).to_contain_text("model-1 answers, at scripted. Click Connect and speak, type a message,")
    expect(page.locator(".rtnb-log")).not_to_be_in_viewport()
    page.get_by_role("button", name="What can you do?").click()
    until(lambda: ("ask", "What can you do?") in session.calls)
    session.hear("item-1", "What can you do?")
    expect(welcome).to_be_hidden()
    expect(page.locator(".rtnb-turn")).to_have_text(["YouWhat can you do?"])


def test_the_welcome_says_how_to_begin_now(page, panel, session):
    welcome = page.locator(".rtnb-welcome")
    page.get_by_text("Hold to talk").first.click()
    expect(welcome).to_contain_text("Click Connect, then hold the button while you speak, type a message,")
    page.get_by_text("Hands-free").click()
    connect(page, session)
    expect(welcome).to_contain_text("scripted. Speak, type a message,")
    page.get_by_text("Hold to talk").first.click()
    expect(welcome).to_contain_text("scripted. Hold the button while you speak, type a message,")


def test_in_a_narrow_panel_the_words_have_its_whole_width(page, panel, session):
    page.set_viewport_size({"width": 340, "height": 700})
    session.hear("item-1", "What can you do?")
    who, words = page.locator(".rtnb-who"), page.locator(".rtnb-text")
    expect(words).to_have_text("What can you do?")
    assert words.bounding_box()["x"] == who.bounding_box()["x"]
    assert words.bounding_box()["y"] >= who.bounding_box()["y"] + who.bounding_box()["height"]


def test_before_its_parts_are_known_the_local_voice_is_not_called_an_ai(panel, session, visit):
    session.backend = Backend.local()
    expect(visit().locator(".rtnb-ai")).to_have_text("You are talking to a machine")


def test_the_parts_are_named_in_a_panel_that_comes_after_the_first_question(panel, session, visit):
    with served() as server:
        session.backend, session.state = Backend("local", server.url, server.api_key), "open"
        expect(visit().locator(".rtnb-ai")).to_have_text(re.compile("You are talking to a machine: rules"))


def test_the_parts_of_the_local_voice_are_named(page, panel, session):
    with served() as server:
        session.backend = Backend("local", server.url, server.api_key)
        connect(page, session)
        told = "You are talking to a machine: rules, no language model. PocketSphinx listens, and often mishears"
        expect(page.locator(".rtnb-ai")).to_have_text(told)
        page.get_by_text("Details", exact=True).click()
        parts = page.locator("[data-role=parts]")
        expect(parts.locator("dt")).to_have_text(["Listens", "Ends turns", "Answers", "Speaks"])
        expect(parts.locator("dd").nth(2)).to_contain_text("rules, no language model (")


def test_nobody_is_warned_of_whispers_ears(page, panel, session):
    pytest.importorskip("ctranslate2")
    with served(ears="") as server:
        session.backend = Backend("local", server.url, server.api_key)
        connect(page, session)
        expect(page.locator(".rtnb-ai")).to_have_text("You are talking to a machine: rules, no language model")


def test_the_panel_is_quiet_until_details_are_wanted(page, panel, session):
    facts = page.locator("[data-role=facts]")
    expect(facts).to_be_hidden()
    meter = page.get_by_role("meter")
    expect(meter).to_have_count(0)
    connect(page, session)
    expect(page.get_by_role("meter", name="Your microphone's level")).to_be_visible()
    response = session.begin_answer("item-2", "Good morning to you.", seconds=3.0)
    expect(page.get_by_role("meter", name="Level of the AI's voice")).to_be_visible()
    session.end_answer(response, "item-2", "Good morning to you.")
    page.get_by_text("Details", exact=True).click()
    expect(facts).to_have_text("scripted  ·  model-1  ·  voice marin  ·  Audio: direct socket")


def test_a_key_goes_to_the_kernel_and_stays_nowhere_in_the_page(page, panel, session, bare):
    expect(page.get_by_text("Add a key")).to_be_hidden()  # It has one.
    session.backend = Backend.local()
    panel.line.greet()
    page.get_by_text("Add a key").click()
    field = page.get_by_label("OpenAI API key")
    expect(field).to_have_attribute("type", "password")
    field.fill("sk-secret")
    page.get_by_role("button", name="Use this key").click()
    until(lambda: ("move_to", "openai", "sk-secret") in session.calls)
    expect(field).to_have_value("")
    assert "sk-secret" not in page.content() and "sk-secret" not in str(panel.get_state())


def test_connect_opens_the_session_and_the_microphone(page, panel, session):
    connect(page, session)
    assert session.names()[:2] == ["connect", "audio"]
    until(lambda: len(session.audio) > 48_000)
    assert panel.state == "open"
    assert max(session.audio) > 0


def test_an_answer_is_heard_and_written_down(page, panel, session):
    connect(page, session)
    session.hear("item-1", "Good morning!")
    response = session.begin_answer("item-2", "Good morning to you.", seconds=0.8, previous="item-1")
    expect(status(page)).to_have_text("The AI is speaking")
    session.end_answer(response, "item-2", "Good morning to you.")
    expect(page.locator(".rtnb-turn")).to_have_text(["YouGood morning!", "AIGood morning to you."])
    until(lambda: not panel.playback.busy)
    assert panel.playback.audible_samples > 18_000
    assert session.conversation.turn("item-2").played_ms == 800
    expect(status(page)).to_have_text("Listening: just speak")


def test_a_late_transcript_goes_to_its_place(page, panel, session):
    connect(page, session)
    response = session.begin_answer("item-2", "An answer.", seconds=0.1)
    session.end_answer(response, "item-2", "An answer.")
    expect(page.locator(".rtnb-turn")).to_have_text(["AIAn answer."])
    response = session.begin_answer("item-4", "Another.", seconds=0.1, previous="item-3")
    session.end_answer(response, "item-4", "Another.")
    until(lambda: not panel.playback.busy)
    session.hear("item-3", "A question.", previous="item-2")
    expect(page.locator(".rtnb-turn")).to_have_text(["AIAn answer.", "YouA question.", "AIAnother."])


def test_speaking_into_the_answer_stops_it_and_marks_what_was_heard(page, panel, session):
    connect(page, session)
    words = "one two three four five six seven eight nine ten"
    response = session.begin_answer("item-2", words, seconds=20)
    until(lambda: panel.playback.audible_samples > 12_000)
    session.hear("item-3", "Stop!", previous="item-2")
    until(lambda: "stopped" in session.names())
    _, item_id, played_ms = next(call for call in session.calls if call[0] == "stopped")
    assert item_id == "item-2" and 400 < played_ms < 8000
    session.late.add(response)
    session.end_answer(response, "item-2", words, status="cancelled")
    expect(page.locator(".rtnb-turn s").first).to_contain_text("ten")
    assert not panel.playback.busy


def test_speaking_in_silence_stops_nothing(page, panel, session):
    connect(page, session)
    session.hear("item-1", "Hello?")
    expect(page.locator(".rtnb-turn")).to_have_text(["YouHello?"])
    assert "stopped" not in session.names()
    assert "interrupt" not in session.names()


@pytest.mark.parametrize("how", ["button", "key"])
def test_the_person_can_interrupt_by_hand(page, panel, session, how):
    connect(page, session)
    session.begin_answer("item-2", "A long speech.", seconds=20)
    until(lambda: panel.playback.playing)
    if how == "button":
        page.get_by_role("button", name="Interrupt").click()
    else:
        page.locator(".rtnb-log").press("Escape")
    until(lambda: {"stopped", "interrupt"} <= set(session.names()))
    assert not panel.playback.busy


@pytest.mark.parametrize("how", ["button", "key"])
def test_hold_to_talk_sends_only_what_is_held(page, panel, session, how):
    connect(page, session)
    page.get_by_text("Hold to talk").first.click()
    until(lambda: session.turn_detection is None)
    until(lambda: not panel.hands_free)
    expect(status(page)).to_have_text("Hold the button to talk")
    session.calls.clear()
    session.audio.clear()
    hold = page.locator("[data-role=hold]")
    if how == "button":
        hold.hover()
        page.mouse.down()
    else:
        page.locator(".rtnb-log").focus()
        page.keyboard.down(" ")
    until(lambda: len(session.audio) > 24_000)
    expect(status(page)).to_have_text("Listening to you")
    page.mouse.up() if how == "button" else page.keyboard.up(" ")
    until(lambda: "respond" in session.names())
    assert session.names() == ["clear", "audio", "commit", "respond"]


def test_a_slip_of_the_finger_is_no_turn(page, panel, session):
    connect(page, session)
    panel.hands_free = False
    expect(status(page)).to_have_text("Hold the button to talk")
    session.calls.clear()
    page.locator("[data-role=hold]").click()
    expect(page.locator(".rtnb-notice")).to_have_text("Hold the button while you speak, then let go.")
    assert {"commit", "respond"}.isdisjoint(session.names())


def test_muted_is_silence_on_an_unbroken_clock(page, panel, session):
    connect(page, session)
    page.get_by_role("button", name="Mute").click()
    until(lambda: panel.muted)
    session.audio.clear()
    until(lambda: len(session.audio) > 48_000)
    assert not any(session.audio[9600:])
    panel.muted = False
    expect(page.get_by_role("button", name="Mute", exact=True)).to_be_visible()
    session.audio.clear()
    until(lambda: any(session.audio))


def test_a_typed_message_is_asked(page, session):
    connect(page, session)
    page.get_by_label("Type a message").fill("What is a phoneme?")
    page.keyboard.press("Enter")
    until(lambda: ("ask", "What is a phoneme?") in session.calls)


def test_words_are_shown_as_text_whatever_they_are(page, session):
    connect(page, session)
    words = '<img src=x onerror="window.hit=1"><script>window.hit=1</script> & </div>'
    session.hear("item-1", words)
    expect(page.locator(".rtnb-turn")).to_have_text([f"You{words}"])
    assert page.evaluate("window.hit") is None


def test_an_error_of_the_server_is_read_in_the_panel(page, panel, session):
    session.refusal = ServerError("no such key", code="invalid_api_key")
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("check the key")
    assert "check the key" in panel.error
    page.get_by_label("Dismiss this message").click()
    until(lambda: panel.error == "")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_you_can_disconnect_go_on_and_end(page, panel, session):
    connect(page, session)
    session.hear("item-1", "Remember me.")
    expect(page.get_by_role("button", name="End and keep the record")).to_be_hidden()
    page.get_by_role("button", name="Disconnect").click()
    until(lambda: session.state == "closed")
    expect(status(page)).to_have_text("Disconnected")
    page.get_by_role("button", name="Reconnect").click()
    expect(status(page)).to_have_text("Listening: just speak")
    expect(page.locator(".rtnb-turn")).to_have_text(["YouRemember me."])
    page.get_by_role("button", name="Disconnect").click()
    page.get_by_role("button", name="End and keep the record").click()
    expect(status(page)).to_contain_text("Run this cell again")
    expect(page.get_by_role("button", name="Reconnect")).to_be_hidden()
    assert session.names().count("connect") == 2


def test_a_reload_does_not_cut_the_line(page, panel, session, bare):
    connect(page, session)
    session.hear("item-1", "Remember me.")
    response = session.begin_answer("item-2", "I do.", seconds=0.1, previous="item-1")
    session.end_answer(response, "item-2", "I do.")
    bare.started.clear()
    page.reload()
    assert bare.started.wait(30)
    until(lambda: panel.road == "direct")
    expect(page.locator(".rtnb-turn")).to_have_text(["YouRemember me.", "AII do."])
    assert session.state == "open"
    expect(status(page)).to_have_text("Connected, microphone off")
    session.audio.clear()
    page.get_by_role("button", name="Turn on microphone").click()
    until(lambda: session.audio)
    assert session.names().count("connect") == 1


def test_a_second_view_shows_the_same_engine(page, panel, session):
    connect(page, session)
    page.evaluate(f"window.addView('{panel.model_id}')")
    expect(page.locator("[data-role=status]")).to_have_text(["Listening: just speak"] * 2)
    session.hear("item-1", "Twice.")
    expect(page.locator(".rtnb-turn")).to_have_text(["YouTwice."] * 2)


ENDED = "window.tracks.length > 0 && window.tracks.every((track) => track.readyState === 'ended')"


def test_a_cell_that_is_run_again_leaves_one_panel_and_one_microphone(page, panel, session, bare):
    connect(page, session)
    again = VoicePanel(session)
    page.wait_for_function(ENDED)
    bare.started.clear()
    page.reload()
    assert bare.started.wait(30)
    until(lambda: again.road == "direct")
    assert panel.road == ""
    expect(status(page)).to_have_text(["Connected, microphone off"])


def test_a_hidden_panel_releases_the_microphone(page, panel, session):
    connect(page, session)
    page.evaluate(f"window.models.get('{panel.model_id}').hide()")
    page.wait_for_function(ENDED)
    assert session.state == "open"


def test_a_view_that_moves_does_not_cut_the_microphone(page, panel, session):
    connect(page, session)
    page.evaluate(f"window.models.get('{panel.model_id}').hide()")
    page.evaluate(f"window.addView('{panel.model_id}')")
    session.audio.clear()
    until(lambda: len(session.audio) > 2 * 24_000 * 3)


def test_a_reloaded_page_says_that_its_record_no_longer_grows(panel, visit):
    first = visit()
    expect(first.locator(".rtnb-notice")).to_be_hidden()
    panel._pages = 1  # As the first page said.
    first.close()  # A page that only watches says nothing of the record.
    second = visit()
    expect(second.locator(".rtnb-notice")).to_contain_text("session.conversation in a new cell")


def test_what_a_server_says_is_text_on_the_panel(page, session):
    connect(page, session)
    hostile = "<script>window.struck = 1</script><img src=x onerror='window.struck = 1'>"
    session.hear("item-1", hostile)
    response_id = session.begin_answer("item-2", hostile, 0.1, "item-1")
    session.end_answer(response_id, "item-2", hostile)
    expect(page.locator(".rtnb-user")).to_contain_text(hostile)
    expect(page.locator(".rtnb-assistant")).to_contain_text(hostile)
    assert page.locator(".rtnb-log img, .rtnb-log script").count() == 0
    assert page.evaluate("window.struck") is None


def test_a_tool_that_runs_is_reported(page, panel, session):
    connect(page, session)
    session.say(ToolStarted(call_id="call_1", name="order_status"))
    expect(status(page)).to_have_text("Thinking… (running order_status)")
    page.get_by_role("button", name="Interrupt").click()
    until(lambda: "interrupt" in session.names())
    session.say(ToolDone(call_id="call_1", name="order_status", output="{}"))
    expect(status(page)).to_have_text("Listening: just speak")


@pytest.mark.parametrize(("button", "approved"), [("Allow", True), ("Refuse", False)])
def test_the_person_is_asked_for_approval(page, panel, session, button, approved):
    connect(page, session)
    hostile = '{"usd": "<img src=x onerror=alert(1)>"}'
    session.ask_for_approval("call_1", "refund<b>", hostile)
    session.ask_for_approval("call_2", "look", "{}", server_label="docs")
    expect(status(page)).to_have_text("The AI waits for your approval")
    expect(page.locator(".rtnb-ask")).to_have_count(2)
    first, second = page.locator(".rtnb-ask").all()
    expect(first.locator("code")).to_have_text("refund<b>")
    expect(first.locator("dt")).to_have_text("usd")
    expect(first.locator("dd")).to_have_text("<img src=x onerror=alert(1)>")
    assert first.locator("img").count() == first.locator("b").count() == 0
    expect(second.locator("div").first).to_have_text("The AI asks to run look on the server docs")
    first.get_by_role("button", name=button).click()
    until(lambda: ("decide", "call_1", approved) in session.calls)
    expect(page.locator(".rtnb-ask")).to_have_count(1)
    expect(page.locator(".rtnb-ask code")).to_have_text("look")


def test_a_page_that_comes_later_is_asked_too(session, bare, visit):
    panel = VoicePanel(session)
    session.state = "open"
    session.ask_for_approval("call_1", "refund", "{}")
    page = visit(TRACKS)
    until(lambda: panel.road == "direct")
    page.locator(".rtnb-ask").get_by_role("button", name="Allow").press("Enter")
    until(lambda: ("decide", "call_1", True) in session.calls)
    expect(page.locator(".rtnb-asks")).to_be_hidden()


def test_the_way_out_of_an_echo_is_one_click_away(page, panel, session):
    connect(page, session)
    panel._road.send({"kind": "notice", "text": "The AI interrupted itself.", "fix": "half_duplex"}, urgent=True)
    page.get_by_role("button", name="Mute me then").click()
    until(lambda: panel.half_duplex)
    expect(page.get_by_label("Mute me while the AI speaks")).to_be_checked()
    expect(page.locator(".rtnb-notice")).to_be_hidden()


def test_a_notice_can_be_put_away(page, panel, session):
    connect(page, session)
    panel._road.send({"kind": "notice", "text": "Hold the button while you speak."}, urgent=True)
    expect(page.locator(".rtnb-notice")).to_be_visible()
    expect(page.get_by_role("button", name="Mute me then")).to_be_hidden()
    page.get_by_label("Dismiss this notice").click()
    expect(page.locator(".rtnb-notice")).to_be_hidden()


def test_instructions_are_changed_between_turns_and_what_is_being_written_stays(page, panel, session):
    connect(page, session)
    page.get_by_text("Details", exact=True).click()
    page.get_by_text("Instructions and tools").click()
    words = page.get_by_label("Instructions", exact=True)
    expect(words).to_have_value("Be brief.")
    expect(page.locator(".rtnb-guide")).to_contain_text("Tools: order_status, refund")
    expect(page.get_by_role("button", name="Apply")).to_be_disabled()
    words.fill("Speak like a pirate.")
    session.instructions = "Be kind."
    panel.line.greet()
    expect(words).to_have_value("Speak like a pirate.")
    page.get_by_role("button", name="Apply").click()
    until(lambda: ("update", {"instructions": "Speak like a pirate."}) in session.calls)


def test_a_change_redraws_the_row_that_changed_and_no_other(page, panel, session):
    connect(page, session)
    for number in range(40):
        session.hear(f"item-{number}", f"Number {number}.", previous=f"item-{number - 1}" if number else None)
    lines = page.locator(".rtnb-turn")
    expect(lines).to_have_count(40)
    page.evaluate(
        """() => {
            window.touched = new Set();
            const log = document.querySelector(".rtnb-log");
            new MutationObserver((changes) => {
                for (const { target, addedNodes } of changes)
                    for (const each of target === log ? addedNodes : [target])
                        touched.add((each.closest ? each : each.parentElement).closest(".rtnb-turn")?.dataset.id);
            }).observe(log, { subtree: true, childList: true, characterData: true, attributes: true });
        }"""
    )
    session.hear("item-40", "The last.", previous="item-39")
    session.hear("item-x", "Between.", previous="item-7")
    expect(lines).to_have_count(42)
    expect(lines.nth(8)).to_contain_text("Between.")
    expect(lines.last).to_contain_text("The last.")
    # The Tab key's one stop went from the last row to the new last.
    assert set(page.evaluate("[...touched]")) == {"item-39", "item-40", "item-x"}


def test_remarks_can_be_read_on_demand(page, session):
    remarks = page.locator(".rtnb-remarks")
    expect(remarks).to_be_hidden()
    session.note(Remarked(text="response.done: 'response.usage' was a text, and was dropped"))
    expect(remarks.get_by_role("status")).to_have_text("1 remark")
    session.note(Remarked(text="<b>an event came twice, and counts once"))
    expect(remarks.get_by_role("status")).to_have_text("2 remarks")
    expect(remarks.locator("li").first).to_be_hidden()
    remarks.locator("summary").click()
    expect(remarks.locator("li")).to_have_text(
        ["response.done: 'response.usage' was a text, and was dropped", "<b>an event came twice, and counts once"]
    )

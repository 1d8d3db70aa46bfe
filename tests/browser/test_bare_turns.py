"""Turns in the panel's transcript: changed by buttons and keys, and read out once."""

import json

import pytest
import wire_samples as wire
from bare import until
from playwright.sync_api import expect
from scripted import ScriptedSession

import realtime_nb as rt
from realtime_nb.errors import ServerError
from realtime_nb.protocol import events as ev
from realtime_nb.widgets.panel import VoicePanel

#: What a screen reader would speak of the log: text that is put into it where the nearest `aria-live` is not off.
READER = """
window.spoken = [];
const isLive = (node) => node.closest("[aria-live]")?.getAttribute("aria-live") === "polite";
new MutationObserver((changes) => {
  for (const { type, target, addedNodes } of changes) {
    for (const node of type === "childList" ? addedNodes : [target]) {
      const element = node.nodeType === Node.TEXT_NODE ? node.parentElement : node;
      if (node.textContent && element?.closest?.(".rtnb-log") && isLive(element)) window.spoken.push(node.textContent);
    }
  }
}).observe(document, { subtree: true, childList: true, characterData: true });
"""


@pytest.fixture
def scripted(bare, visit):
    """A panel with two turns, the person's first, on a session that notes its calls."""
    session = ScriptedSession()
    panel = VoicePanel(session)
    page = visit(READER)
    until(lambda: panel.road == "direct")
    session.connect().result(30)
    session.hear("item-1", "Good morning!")
    response = session.begin_answer("item-2", "Good evening.", seconds=0.1, previous="item-1")
    session.end_answer(response, "item-2", "Good evening.")
    expect(page.locator(".rtnb-turn")).to_have_text(["YouGood morning!", "AIGood evening."])
    return page, session


@pytest.fixture
def live(bare, visit):
    """A panel on the local voice; the microphone stays closed."""
    with rt.RealtimeSession(backend="local", turn_detection=None) as session:
        panel = VoicePanel(session)
        page = visit()
        until(lambda: panel.road == "direct")
        say(page, "What is two plus three?")
        expect(turns(page)).to_have_text(["YouWhat is two plus three?", "AI2 plus 3 is 5."])
        until(lambda: session.conversation.replies[-1].done)
        yield page, session


def say(page, text):
    page.get_by_label("Type a message").fill(text)
    page.get_by_role("button", name="Send").click()


def turns(page):
    return page.locator(".rtnb-turn")


def press(page, place, choice):
    turns(page).nth(place).locator(f"[data-choice={choice}]").click()


def test_a_question_is_edited_and_asked_again(live):
    page, session = live
    press(page, 0, "edit")
    words = page.get_by_label("What you said")
    expect(words).to_be_focused()
    expect(words).to_have_value("What is two plus three?")
    words.fill("What is two plus five?")
    page.get_by_role("button", name="Save and ask again").click()
    expect(turns(page)).to_have_text(["YouWhat is two plus five?(edited)", "AI2 plus 5 is 7."])
    expect(turns(page).first.locator("small")).to_have_attribute("title", "Before: What is two plus three?")
    assert [turn.text for turn in session.conversation] == ["What is two plus five?", "2 plus 5 is 7."]


def test_an_answer_is_edited_asked_for_again_and_taken_out(live):
    page, session = live
    press(page, 1, "edit")
    page.get_by_label("What was said").fill("Five it is.")
    page.keyboard.press("Control+Enter")
    expect(turns(page).nth(1)).to_have_text("AIFive it is.(edited)")
    expect(turns(page).nth(1).locator("[data-choice=edit]")).to_be_focused()
    press(page, 1, "rerun")
    expect(turns(page).nth(1)).to_have_text("AI2 plus 3 is 5.")
    until(lambda: session.conversation.replies[-1].done)
    press(page, 1, "delete")
    expect(turns(page)).to_have_text(["YouWhat is two plus three?"])
    expect(turns(page).first.locator("[data-choice=edit]")).to_be_focused()
    press(page, 0, "delete")
    expect(turns(page)).to_have_count(0)
    expect(page.locator(".rtnb-log")).to_be_focused()
    assert len(session.conversation) == 0


def test_asking_again_stops_the_answer_that_is_being_made(live):
    page, session = live
    say(page, "Tell me a story.")
    until(lambda: len(session.conversation.replies) == 2 and not session.conversation.replies[-1].done)
    press(page, 2, "edit")
    page.get_by_label("What you said").fill("What is one plus one?")
    page.keyboard.press("Control+Enter")
    expect(turns(page).nth(3)).to_have_text("AI1 plus 1 is 2.")
    expect(page.locator(".rtnb-error")).to_be_hidden()
    assert session.conversation.replies[1].status == "cancelled"


def test_everything_works_by_keyboard(scripted):
    page, session = scripted
    page.locator(".rtnb-log").focus()
    page.keyboard.press("Tab")
    expect(turns(page).nth(1).locator("[data-choice=edit]")).to_be_focused()  # One stop for all turns: the last.
    page.keyboard.press("ArrowUp")
    expect(turns(page).nth(0).locator("[data-choice=edit]")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(turns(page).nth(0).locator("[data-choice=delete]")).to_be_focused()
    page.keyboard.press("End")
    expect(turns(page).nth(1).locator("[data-choice=delete]")).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Type a message")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(turns(page).nth(0).locator("[data-choice=delete]")).to_be_focused()
    page.keyboard.press("Enter")
    until(lambda: ("delete", "item-1") in session.calls)


def test_escape_leaves_the_words_as_they_were_and_stops_no_answer(scripted):
    page, session = scripted
    press(page, 0, "edit")
    words = page.get_by_label("What you said")
    words.fill("x y")
    words.press("Space")
    words.press("Escape")
    expect(words).to_have_count(0)
    expect(turns(page).nth(0).locator("[data-choice=edit]")).to_be_focused()
    assert {"edit", "interrupt", "clear"}.isdisjoint(session.names())


def test_a_refusal_by_the_server_is_shown_and_the_new_words_are_kept(scripted):
    page, session = scripted
    session.refusal = ServerError("item is too long", code="invalid_value")
    press(page, 0, "edit")
    words = page.get_by_label("What you said")
    words.fill("Very long words")
    page.get_by_role("button", name="Save only").click()
    expect(page.locator(".rtnb-error")).to_contain_text("item is too long")
    expect(words).to_have_value("Very long words")
    expect(words).to_be_enabled()
    expect(words).to_be_focused()


def test_only_possible_actions_are_offered(scripted):
    page, session = scripted
    choices = lambda: page.locator(".rtnb-choices:visible").evaluate_all(  # noqa: E731
        "boxes => boxes.map((box) => [...box.children].map((button) => button.dataset.choice))"
    )
    assert choices() == [["edit", "rerun", "delete"]] * 2
    session.begin_answer("item-4", "I am still", seconds=0.1, previous="item-2")
    expect(turns(page)).to_have_count(3)
    assert choices() == [["edit", "rerun", "delete"]] * 2
    session.close().result(30)
    expect(page.locator(".rtnb-choices:visible")).to_have_count(0)


def test_a_screen_reader_announces_each_turn_once_and_no_delta(scripted):
    page, session = scripted
    page.evaluate("window.spoken.length = 0")
    response = session.begin_answer("item-4", "", seconds=0.1, previous="item-2")
    at = {"response_id": response, "item_id": "item-4"}
    for word in ("one ", "two ", "three "):
        session.say(ev.ResponseOutputAudioTranscriptDelta(**at, delta=word))
        expect(turns(page).nth(2)).to_contain_text(word.strip())
    assert page.evaluate("window.spoken") == []
    session.end_answer(response, "item-4", "one two three")
    expect(turns(page).nth(2)).to_have_attribute("aria-busy", "false")
    assert page.evaluate("window.spoken") == ["AIone two three"]


def test_an_aside_is_shown_apart_and_can_be_put_away(live):
    page, _ = live
    page.get_by_text("Ask about this conversation").click()
    page.get_by_label("Ask about this conversation").fill("Give this conversation a title.")
    page.get_by_role("button", name="Ask", exact=True).click()
    box = page.locator("[data-role=aside]")
    expect(box.locator("div > div")).to_have_text("What is two plus three")
    expect(box).to_contain_text("Give this conversation a title.")
    expect(box).to_contain_text("Not part of the conversation; cost $0")
    expect(turns(page)).to_have_count(2)
    page.get_by_label("Dismiss this aside").click()
    expect(box).to_be_hidden()


def test_words_that_are_edited_are_text_whatever_they_are(scripted):
    page, session = scripted
    hostile = "</textarea><img src=x onerror='window.struck = 1'>"
    session.hear("item-3", hostile, previous="item-2")
    expect(turns(page).nth(2)).to_contain_text(hostile)
    press(page, 2, "edit")
    expect(page.get_by_label("What you said")).to_have_value(hostile)
    assert page.evaluate("window.struck") is None


def test_words_that_were_heard_with_little_confidence_are_underlined(scripted):
    page, session = scripted
    session.hear("item-3", "Send it to 🙂 Przybylski.", previous="item-2")
    heard = [(" Send it to 🙂", 0.0), (" Przy", -2.0), ("bylski", 0.0), (".", 0.0)]
    event = ev.ConversationItemInputAudioTranscriptionCompleted(
        item_id="item-3",
        transcript="Send it to 🙂 Przybylski.",
        logprobs=[{"token": token, "logprob": logprob} for token, logprob in heard],
    )
    session.say(event)
    expect(turns(page).nth(2).locator("u")).to_have_text(["Przybylski"])
    expect(turns(page).nth(2)).to_have_text("YouSend it to 🙂 Przybylski.(not sure of the underlined words)")


def test_a_call_is_a_card_with_its_result_folded(scripted):
    page, session = scripted
    call = wire.call_item(arguments='{"order": 12345678901234567890, "to": "<b>"}', status="completed")
    output = {"id": "item-4", "type": "function_call_output", "call_id": "call_1", "output": '{"status": "paid"}'}
    for before, item in (("item-2", call | {"id": "item-3", "name": "refund"}), ("item-3", output)):
        session.say(ev.decode_server(json.dumps(wire.item_added(item, before))))
    page.add_style_tag(content="dt { float: left; width: 20%; font-weight: bold }")  # JupyterLab 4.6 says so.
    card = turns(page).nth(2)
    assert card.locator("dt").first.bounding_box()["height"] < 30
    expect(card.locator("b")).to_have_text("refund")
    given, returned = card.locator(".rtnb-card > dl"), card.locator("details dl")
    expect(given.locator("dt")).to_have_text(["order", "to"])
    expect(given.locator("dd")).to_have_text(["12345678901234567890", "<b>"])
    expect(returned).to_be_hidden()
    card.get_by_text("Result").click()
    expect(returned.locator("dd")).to_have_text("paid")
    expect(turns(page)).to_have_count(3)


def test_the_log_stays_at_its_end_until_you_scroll_up(scripted):
    page, session = scripted
    gap = "(log) => Math.round(log.scrollHeight - log.scrollTop - log.clientHeight)"
    log = page.locator(".rtnb-log")

    def hear(*numbers):
        for number in numbers:
            session.hear(f"item-{number}", f"Number {number}: how are you today?", previous=f"item-{number - 1}")
        expect(turns(page).last).to_contain_text(f"Number {numbers[-1]}")

    hear(*range(3, 30))
    assert log.evaluate(gap) <= 1
    # All rows become higher, and the event of the last scroll comes before the log is told of its size.
    log.evaluate("(log) => { log.style.maxWidth = '200px'; log.dispatchEvent(new Event('scroll')); }")
    page.wait_for_function(f"({gap})(document.querySelector('.rtnb-log')) <= 1")
    log.evaluate("(log) => (log.scrollTop = 0)")
    page.evaluate("() => new Promise(requestAnimationFrame)")
    hear(30)
    assert log.evaluate("(log) => log.scrollTop") == 0
    log.evaluate("(log) => (log.scrollTop = log.scrollHeight)")
    page.evaluate("() => new Promise(requestAnimationFrame)")
    hear(31)
    assert log.evaluate(gap) <= 1


def test_the_buttons_of_a_turn_are_seen_without_hovering(scripted):
    page, _ = scripted
    page.mouse.move(0, 0)
    shown = "(node) => [getComputedStyle(node).opacity, node.getBoundingClientRect().height]"
    for box in page.locator(".rtnb-choices").all():
        opacity, height = box.evaluate(shown)
        assert float(opacity) >= 0.7 and height >= 24

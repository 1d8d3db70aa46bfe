"""What the local voice remembers of answers that the person did not hear to the end, with a page that plays them."""

import pytest
from bare import until
from conftest import TRACKS
from playwright.sync_api import expect

import realtime_nb as rt
from realtime_nb.local.brains.rules import STORY
from realtime_nb.widgets.panel import VoicePanel


@pytest.fixture
def session():
    # Hold-to-talk: the fake microphone's tone must not take turns.
    session = rt.RealtimeSession(backend="local", turn_detection=None)
    yield session
    session.close().result(30)


@pytest.fixture
def panel(session, bare):
    return VoicePanel(session)


@pytest.fixture
def page(panel, visit):
    page = visit(TRACKS)
    until(lambda: panel.road == "direct")
    page.get_by_role("button", name="Connect", exact=True).click()
    until(lambda: panel.line._page_plays)
    return page


def say(page, text):
    page.get_by_label("Type a message").fill(text)
    page.get_by_role("button", name="Send").click()


def answer(session, number):
    """Return an answer as soon as it is there."""
    until(lambda: len(session.conversation.replies) > number and session.conversation.replies[number].done)
    return session.conversation.replies[number]


def play(session, played_ms):
    """Return when so much of the first answer was played."""

    def has_played():
        turns = [turn for reply in session.conversation.replies[:1] for turn in reply.turns]
        return any((turn.played_ms or 0) > played_ms for turn in turns)

    until(has_played)


def test_an_answer_of_which_nobody_heard_a_word_is_forgotten_and_stays_on_the_panel(page, panel, session):
    say(page, "Say good evening.")
    answer(session, 0)
    until(lambda: not panel.playback.busy)
    stop = session.listen(lambda event, _: event.type == "response.output_item.added" and session.interrupt())
    say(page, "Tell me a story.")
    unheard = answer(session, 1)
    stop()
    assert unheard.turns[0].heard_text == ""  # On a busy machine some milliseconds of it are played.
    say(page, "What did you say?")
    assert answer(session, 2).transcript == "I said: Good evening."
    assert unheard.turns[0] in session.conversation and not session.conversation.errors
    rows = page.locator(".rtnb-turn")
    expect(rows).to_have_count(6)
    expect(rows.nth(3)).to_contain_text("Once upon a time")


def test_words_typed_into_an_answer_are_asked_of_a_model_that_knows_where_it_was_cut_off(page, panel, session):
    say(page, "Tell me a story.")
    play(session, 2_000)
    say(page, "What did you say?")
    said = answer(session, 1).transcript.removeprefix("I said: ")
    cut = session.conversation.replies[0].turns[0]
    assert cut.truncated_ms == cut.played_ms and STORY.startswith(cut.heard_text)
    # The server cuts where words begin, the record by time alone.
    assert STORY.startswith(said) and abs(len(said) - len(cut.heard_text)) <= 20 < len(said)
    assert len(cut.text) > len(said) + 20


def test_holding_the_button_silences_the_answer_and_what_is_said_into_it_is_a_turn(page, panel, session):
    say(page, "Tell me a story.")
    play(session, 1_500)
    page.locator("[data-role=hold]").hover()
    page.mouse.down()
    until(lambda: not panel.playback.busy)
    audible = panel.playback.audible_samples
    start_ms = session.elapsed_ms
    until(lambda: session.elapsed_ms > start_ms + 600)
    assert panel.playback.audible_samples <= audible + 2_400  # Nothing sounds while it is held, but the fade.
    page.mouse.up()
    reply = answer(session, 1)
    story, asked = session.conversation.replies[0].turns[0], reply.asked
    truncates = [entry.event for entry in session.log if entry.event.type == "conversation.item.truncate"]
    assert [(each.item_id, each.audio_end_ms) for each in truncates] == [(story.item_id, story.truncated_ms)]
    assert story.truncated_ms == story.played_ms
    # Of the story a little is silence.
    assert audible / 24 <= story.truncated_ms + 60
    assert STORY.startswith(story.heard_text) and 10 < len(story.heard_text) < len(story.text)
    assert asked.role == "user" and asked.audio.duration_s >= 0.5 and not session.conversation.errors

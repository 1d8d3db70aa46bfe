"""The inspector in a real browser, on a session of the local voice and on a scripted flood of events."""

import json

import axe
import pytest
from bare import until
from playwright.sync_api import expect

import realtime_nb as rt
from realtime_nb.loop import submit
from realtime_nb.protocol import events as ev
from realtime_nb.widgets.event_inspector import EventInspector


@pytest.fixture
def session():
    with rt.RealtimeSession(backend="local", model="local-rules") as session:
        yield session


@pytest.fixture
def page(session, bare, visit):
    session.ask("What is two plus three?").result(60)
    inspector = EventInspector(session)
    page = visit()
    until(lambda: inspector.road == "direct")
    return page


def lines(page):
    return page.locator(".rtnb-event")


def scrolled_to_the_beginning(page):
    page.locator(".rtnb-events").evaluate("list => { list.scrollTop = 0; }")


def test_events_of_both_ways_are_listed_and_deltas_are_one_line(page, session):
    page.get_by_label("Search events").fill("session.")
    expect(page.get_by_role("button", name="session.created", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="session.update", exact=True)).to_be_visible()
    page.get_by_label("Search events").fill("audio.delta")
    deltas = session.log.types("received").count("response.output_audio.delta")
    assert deltas > 2
    expect(lines(page)).to_have_count(1)
    expect(lines(page)).to_contain_text(f"response.output_audio.delta × {deltas}")
    assert "\n".join(axe.faults_in_each_theme(page, "#main")) == ""


def test_in_a_narrow_inspector_the_types_have_the_place_of_the_ids(page):
    page.get_by_label("Search events").fill("response.done")
    expect(lines(page)).to_have_count(1)
    kind, item = lines(page).locator("> :nth-child(3)"), lines(page).locator("> :nth-child(4)")
    expect(item).to_be_visible()
    page.set_viewport_size({"width": 340, "height": 700})
    expect(item).to_be_hidden()
    assert kind.evaluate("element => element.scrollWidth <= element.clientWidth")


def test_new_events_come_by_themselves_and_an_id_shows_only_its_own(page, session):
    before = len(session.log)
    expect(page.get_by_role("status")).to_have_text(f"{before} events")
    session.ask("What is one plus one?").result(60)
    # More may come while the page is looked at.
    until(lambda: page.get_by_role("status").text_content() == f"{len(session.log)} events")
    item_id = session.conversation.turns[-1].item_id
    page.get_by_label("Search events").fill("output_item.added")
    page.get_by_title("Show only its events").last.click()
    expect(page.get_by_label("Item", exact=True)).to_have_value(item_id)
    page.get_by_label("Search events").fill("")
    expect(lines(page).first).to_be_visible()
    assert {text for text in lines(page).locator("> :nth-child(4)").all_text_contents()} == {item_id}


def test_an_events_json_is_shown_on_a_click_with_sound_cut_short(page):
    page.get_by_label("Search events").fill("response.output_audio.delta")
    lines(page).first.get_by_role("button").first.click()
    shown = page.get_by_label("The event's JSON")
    expect(shown).to_contain_text('"type": "response.output_audio.delta"')
    expect(shown).to_contain_text("characters)")
    page.get_by_role("button", name="Close").click()
    expect(shown).to_be_hidden()


def test_what_is_listed_is_copied_as_json(page, session):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    item_id = session.conversation.turns[-1].item_id
    page.get_by_label("Item", exact=True).select_option(item_id)
    page.get_by_role("button", name="Copy as JSON").click()
    expect(page.get_by_role("status")).to_contain_text("on the clipboard")
    events = json.loads(page.evaluate("() => navigator.clipboard.readText()"))
    assert len(events) > 5 and all(item_id in json.dumps(event) for event in events)
    assert {event["direction"] for event in events} >= {"received"}
    assert all(len(event.get("delta", "")) < 1_000 for event in events)  # Sound is cut short.


def test_a_panel_shows_the_events_while_its_tab_is_open(session, bare, visit):
    panel = rt.VoicePanel(session)
    page = visit()
    until(lambda: panel.road == "direct")
    assert panel.line._feed._timer is None  # Nobody looks.
    page.locator("summary", has_text="Events").click()
    expect(page.get_by_role("status").last).to_have_text(f"{len(session.log)} events")
    session.ask("What is one plus one?").result(60)
    page.get_by_label("Search events").fill("response.done")
    expect(lines(page)).to_have_count(session.log.types("received").count("response.done"))
    assert "\n".join(axe.faults_in_each_theme(page, "#main")) == ""
    page.locator("summary", has_text="Events").click()
    until(lambda: panel.line._feed._timer is None)


def test_a_filter_shows_only_errors_and_remarks(page, session):
    async def fail():
        session._session_events.note(
            "received", ev.decode_server('{"type": "error", "error": {"message": "<b>No</b>"}}')
        )
        session._session_events.remark("<img src=x>")

    submit(fail()).result(30)
    page.get_by_label("Errors and remarks").check()
    expect(lines(page)).to_have_count(2)
    assert [line.get_attribute("data-tone") for line in lines(page).all()] == ["bad", "warn"]
    lines(page).first.get_by_role("button").first.click()
    expect(page.get_by_label("The event's JSON")).to_contain_text("<b>No</b>")
    assert page.locator(".rtnb-inspector img, .rtnb-json pre b").count() == 0


def test_a_long_session_keeps_few_lines_in_the_page(page, session):
    async def flood():
        for number in range(30_000):
            item = f'{{"type": "input_audio_buffer.committed", "event_id": "e{number}", "item_id": "item_{number}"}}'
            session._session_events.log.add("received", ev.decode_server(item), float(number))

    submit(flood()).result(60)
    expect(page.get_by_role("status")).to_have_text(f"{len(session.log):,} events")
    assert lines(page).count() < 60
    scrolled_to_the_beginning(page)
    expect(lines(page).first).to_contain_text("item_10000")

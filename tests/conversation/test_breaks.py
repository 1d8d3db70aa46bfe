import pytest
import wire_samples as wire
from told_page import Page

from realtime_nb.conversation.conversation import Conversation, breaks_by_place
from realtime_nb.conversation.records import renewal_text, settings_text
from realtime_nb.protocol import events as ev
from realtime_nb.protocol.local_events import SessionRenewed
from realtime_nb.views.conversation import conversation_bundle


@pytest.mark.parametrize(
    ("fields", "lost", "text"),
    [
        ({"reason": "rotated", "carried": 9, "age_ms": 3_480_000}, 0, "session renewed after 58 min, history carried"),
        (
            {"reason": "restored", "carried": 2, "left_out": ["V"], "age_ms": 4_000},
            1,
            "session restored after 4 s, history carried, but for 1 of its 3 items, what was being said then is lost",
        ),
        ({"reason": "reopened", "carried": 0, "age_ms": 9.0}, 0, "session opened again, nothing carried"),
    ],
)
def test_a_renewal_in_words(fields, lost, text):
    assert renewal_text(SessionRenewed(**fields), lost) == text


def test_changed_settings_in_words():
    before = {"instructions": "Be brief.", "tools": [{"type": "function", "name": "add"}]}
    assert settings_text(before, before | {"voice": "echo"}) == ""
    assert settings_text(before, before | {"instructions": "Be kind."}) == "instructions changed"
    assert settings_text(before, before | {"tools": []}) == "tools now: none"
    other = {"instructions": "", "tools": [{"type": "mcp", "server_label": "shop"}]}
    assert settings_text(before, other) == "instructions changed, tools now: shop"


def test_a_break_is_shown_where_it_lies():
    conversation = Conversation()
    for each in (wire.session_created(), *wire.text_turn("U"), *wire.text_answer()):
        conversation.apply(ev.decode_server(wire.texts([each])[0]), 1.0)
    conversation.apply(SessionRenewed(reason="rotated", carried=2, age_ms=3_480_000), 2.0)
    for each in wire.text_turn("V", "And <now>?", "A"):
        conversation.apply(ev.decode_server(wire.texts([each])[0]), 3.0)
    [session_break] = breaks_by_place(conversation)["A"]
    page = Page(conversation)
    assert [row["id"] for row in page.look()] == ["U", "A", "break_2.0", "V"]
    shown = conversation_bundle(conversation)
    line = "— session renewed after 58 min, history carried —"
    assert session_break.text in line and line in shown["text/html"]
    assert shown["text/plain"].splitlines()[3] == line
    deleted = ev.decode_server(wire.texts([wire.event("conversation.item.deleted", item_id="A")])[0])
    conversation.apply(deleted, 4.0)
    assert [row["id"] for row in page.look()] == ["U", "V", "break_2.0"]

import pytest

from realtime_nb.seams import renewal_text, settings_text
from realtime_nb.wire.local import SessionRenewed


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

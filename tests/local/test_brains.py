import pytest

from realtime_nb.errors import SettingsError
from realtime_nb.local.__main__ import find_brain


def test_brains_are_found_by_name(tmp_path):
    script = tmp_path / "script.txt"
    script.write_text("Good morning.\n")
    assert (find_brain().name, find_brain("rules").name) == ("local-voice", "local-rules")
    assert find_brain("script").name == "local-script"
    assert find_brain(f"script:{script}").vocabulary == ["Good morning."]
    assert "tiny" in find_brain("http://127.0.0.1:11434/v1", model="tiny").description


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("oracle", "brain='oracle' is not 'auto', 'rules'"),
        ("script:/no/such/file", "cannot be used"),
        ("https://example.org/v1", "needs the name of a model"),
    ],
)
def test_an_invalid_brain_is_reported(spec, message):
    with pytest.raises(SettingsError, match=message):
        find_brain(spec)

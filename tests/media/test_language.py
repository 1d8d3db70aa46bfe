import pytest

from realtime_nb.errors import SettingsError
from realtime_nb.local.process import speak
from realtime_nb.media.language import is_english, language_code


@pytest.mark.parametrize("name", ["en", "EN", "eng", "en-US", "en_GB", "en-Latn-GB", "English", " english (US)"])
def test_english_is_english_by_all_its_names_and_spoken(name):
    assert is_english(name)
    assert speak("Hi.", voice="echo", language=name).duration_s > 0


@pytest.mark.parametrize(("name", "code"), [("de-DE", "de"), ("PT_br", "pt"), ("enm", "enm"), ("", ""), ("-en", "")])
def test_other_languages_are_known_by_their_codes(name, code):
    assert language_code(name) == code
    with pytest.raises(SettingsError, match="which speaks only English"):
        speak("Hi.", language=name)

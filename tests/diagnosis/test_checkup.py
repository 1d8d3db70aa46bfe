from realtime_nb.diagnosis.checkup import Check, Checkup
from realtime_nb.diagnosis.view import checkup_text, summary
from realtime_nb.views import mimebundle

CHECKUP = Checkup(
    (
        Check("Python", "ok", "3.12"),
        Check("kernel", "warning", "old", "pip install -U ipykernel"),
        Check("microphone", "broken", "<b>mute</b> & deaf", "unmute it"),
    ),
    ("speaker (click the button above)",),
)


def test_only_what_is_broken_is_not_ok():
    assert not CHECKUP.ok and Checkup(CHECKUP.checks[:2]).ok and Checkup().ok


def test_the_text_names_the_worst_first_and_what_to_do():
    assert checkup_text(CHECKUP, width=70).splitlines() == [
        "✗ broken  microphone       <b>mute</b> & deaf",
        "                           → unmute it",
        "! warning kernel           old",
        "                           → pip install -U ipykernel",
        "✓ ok      Python           3.12",
        "not checked: speaker (click the button above)",
        "set-up: 1 broken, 1 warning, 1 ok",
    ]


def test_long_lines_are_wrapped_below_themselves_and_commands_stay_whole():
    check = Check("packages", "broken", "x " * 60, "pip install -U 'anywidget>=0.11,<0.12'")
    lines = checkup_text(Checkup([check]), width=60).splitlines()
    assert all(len(line) <= 67 for line in lines[:-1]) and len(lines) > 3
    assert any(line.strip().endswith("-U 'anywidget>=0.11,<0.12'") for line in lines)


def test_the_table_holds_hostile_words_as_text():
    bundle = mimebundle(CHECKUP)
    assert "&lt;b&gt;mute&lt;/b&gt; &amp; deaf" in bundle["text/html"] and "<b>mute" not in bundle["text/html"]
    assert bundle["text/html"].index("microphone") < bundle["text/html"].index("Python")
    assert "Not checked: speaker" in bundle["text/html"]


def test_a_summary_counts():
    assert summary(CHECKUP) == "1 broken, 1 warning, 1 ok"
    assert summary(Checkup([Check("a", "ok", "")])) == "1 ok"


def test_json_has_all_of_it():
    found = CHECKUP.to_dict()
    assert found["ok"] is False and found["unchecked"] == list(CHECKUP.unchecked)
    assert found["checks"][1] == {
        "name": "kernel",
        "state": "warning",
        "said": "old",
        "fix": "pip install -U ipykernel",
    }

from realtime_nb.diagnosis.checkup import Check, Checkup, checkup_text, summary
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
        "checks: 1 broken, 1 warning, 1 ok",
        "Unmute it. (microphone: <b>mute</b> & deaf)",
    ]


def test_there_is_one_verdict_you_can_talk_or_the_one_thing_to_do_first():
    answers = Check("Realtime socket", "ok", "opened")
    unmuted = Check("microphone", "ok", "loud")
    key = Check("API key", "broken", "refused", "set a valid key")
    assert Checkup().verdict == "Still checking whether the voice answers."
    assert Checkup((answers, unmuted, Check("kernel", "warning", "old"))).verdict == "You can talk now."
    click = Checkup((answers,), ("microphone (click its button above)", "speaker (click its button above)"))
    assert click.verdict == "The voice answers. Still to check: microphone. Click its button above."
    assert Checkup((key, answers)).verdict == "Set a valid key. (API key: refused)"
    both = Checkup((key, *CHECKUP.checks))
    assert both.verdict.startswith("Unmute it.") and both.to_dict()["verdict"] == both.verdict
    markup = mimebundle(both)["text/html"]
    assert (
        markup.index("Unmute it.") < markup.index("✗ broken") < markup.index("<details") < markup.index("API key</td>")
    )


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

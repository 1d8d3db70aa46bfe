import numpy as np
import pytest

from realtime_nb.errors import SettingsError
from realtime_nb.media.clip import AudioClip
from realtime_nb.media.turn_cuts import FoundTurn, SpokenTurn, match
from realtime_nb.speech.turn_detection import DetectedTurns, TurnDetectionComparison
from realtime_nb.views import mimebundle
from realtime_nb.views.speech import _figure


def listened(name, silences, *, pause_ms=700.0, seconds=4.0, at_ms=1000.0):
    """A turn of 600 ms, a pause and 400 ms, cut by silences alone."""
    resumed_ms = at_ms + 600 + pause_ms
    spoken = SpokenTurn(((at_ms, at_ms + 600), (resumed_ms, resumed_ms + 400)))
    cuts = {}
    for setting, silence_ms in silences.items():
        ends = [at_ms + 600] * (silence_ms < pause_ms) + [resumed_ms + 400]
        starts = [at_ms] + [resumed_ms] * (len(ends) - 1)
        found = [
            FoundTurn(start - 300, end + silence_ms, start + 90, end + silence_ms)
            for start, end in zip(starts, ends, strict=True)
        ]
        cuts[setting] = match([spoken], found)
    return DetectedTurns(name, AudioClip(np.full(round(24_000 * seconds), 0.1)), (spoken,), cuts)


SILENCES = {"quick": 300, "usual": 500, "patient": 900}


def comparison(*, baseline="usual", pauses_ms=(700.0,), **options):
    sounds = [listened(f"clip {n}", SILENCES, pause_ms=pause_ms, **options) for n, pause_ms in enumerate(pauses_ms, 1)]
    settings = {name: {"type": "server_vad", "silence_duration_ms": ms} for name, ms in SILENCES.items()}
    return TurnDetectionComparison(sounds, settings, baseline=baseline, reference="labels", engine="silero")


def test_the_frame_has_a_row_for_each_setting_and_turn():
    frame = comparison(pauses_ms=(700.0, 200.0)).frame
    assert frame[["setting", "clip", "turn"]].to_numpy().tolist() == [
        [setting, clip, 1] for setting in SILENCES for clip in ("clip 1", "clip 2")
    ]
    assert frame["outcome"].tolist() == ["split", "whole", "split", "whole", "whole", "whole"]
    assert frame["clipped_ms"].tolist() == [400.0, 0.0, 400.0, 0.0, 0.0, 0.0]
    assert frame["latency_gained_ms"].tolist() == [200.0, 200.0, 0.0, 0.0, -400.0, -400.0]
    assert frame["onset_ms"].tolist() == [90.0] * 6


def test_false_starts_have_rows_but_no_turn():
    found = comparison()
    false_start = FoundTurn(3500.0, 3900.0, 3800.0, 3900.0)
    sound = found.sounds[0]
    cuts = {**sound.cuts, "quick": match(sound.spoken, [*sound.cuts["quick"][0].found, false_start])}
    found.sounds[0] = DetectedTurns(sound.name, sound.clip, sound.spoken, cuts)
    row = found.frame[found.frame["outcome"] == "false start"]
    assert row["turn"].isna().all() and row["setting"].tolist() == ["quick"]
    summary = found.summary().set_index("setting")
    assert summary["false_starts"].tolist() == [1, 0, 0] and summary["turns"].tolist() == [1, 1, 1]
    assert "false starts 1" in mimebundle(found)["text/plain"]


def test_the_summary_tells_what_is_won_and_what_is_clipped():
    summary = comparison(pauses_ms=(700.0, 200.0, 400.0)).summary().set_index("setting")
    quick, patient = summary.loc["quick"], summary.loc["patient"]
    assert (quick["latency_p50_ms"], quick["gained_p50_ms"], patient["gained_p50_ms"]) == (300.0, 200.0, -400.0)
    assert quick["gained_ms"] == 200.0
    # Equal times say nothing about others, and nothing is known of a setting beside itself.
    assert summary["gained_low_ms"].isna().all() and summary["gained_high_ms"].isna().all()
    assert quick["split_share"] == pytest.approx(2 / 3) and patient["split_share"] == 0.0
    assert quick["clipped_share"] == pytest.approx(800 / 3000) and quick["clipped_ms"] == pytest.approx(800 / 3)
    assert summary["lost_share"].tolist() == [0.0, 0.0, 0.0]


def test_a_baseline_that_is_no_setting_is_refused():
    with pytest.raises(SettingsError, match="baseline='none' is not one of quick, usual, patient"):
        comparison(baseline="none")


def test_the_view_names_settings_numbers_and_limits():
    found = comparison()
    found.settings = {"<b>$x_1$": found.settings["quick"]} | dict(list(found.settings.items())[1:])
    for sound in found.sounds:
        sound.cuts["<b>$x_1$"] = sound.cuts["quick"]
    bundle = mimebundle(found)
    assert "turns split 1 of 1" in bundle["text/plain"] and "+200 ms" in bundle["text/plain"]
    assert "OpenAI&#39;s may cut elsewhere" in bundle["text/html"]
    assert "<b>$x" not in bundle["text/html"] and "&lt;b&gt;$x_1$" in bundle["text/html"]
    assert bundle["image/png"]


def test_the_picture_has_wave_turns_and_curve():
    wave, rows, curve = _figure(comparison(), [(300.0, 0.4), (500.0, 0.4), None]).axes
    assert [label.get_text() for label in rows.get_yticklabels()] == ["speech", "quick  1", "usual  2", "patient  3"]
    assert wave.get_xlim() == rows.get_xlim() == (0.0, 5.5)
    assert [text.get_text() for text in curve.texts] == ["1", "2"]
    assert curve.lines[0].get_xydata().tolist() == [[300.0, 40.0], [500.0, 40.0]]


def test_what_was_answered_then_has_a_row_of_its_own():
    found = comparison()
    sound = found.sounds[0]
    found.sounds[0] = DetectedTurns(sound.name, sound.clip, sound.spoken, sound.cuts, ((3200.0, 3900.0),))
    rows = _figure(found, [None] * 3).axes[1]
    assert [label.get_text() for label in rows.get_yticklabels()][:2] == ["answers then", "speech"]
    assert rows.get_ylim() == (3.6, -1.6)


def test_a_long_sound_shows_its_most_clipped_part_or_the_chosen_one():
    found = comparison(pauses_ms=(200.0, 700.0), seconds=300.0, at_ms=200_000.0)
    sound, start_s, stop_s = found.shown
    assert sound.name == "clip 2" and (start_s, stop_s) == (190.0, 220.0)
    sound, start_s, stop_s = found.show("clip 1", start_s=10, stop_s=20).shown
    assert (sound.name, start_s, stop_s) == ("clip 1", 10, 20)
    assert "10 to 20 s of 300" in mimebundle(found.show("clip 1", start_s=10, stop_s=20))["text/plain"]
    with pytest.raises(SettingsError, match="clip='none' is not one of clip 1, clip 2"):
        found.show("none")
    with pytest.raises(SettingsError, match="start_s=400 must be before stop_s=301"):
        found.show(start_s=400)

"""Two runs beside each other."""

import base64
from functools import partial

import pytest
from result_folders import graded_rows, write_results

import realtime_nb as rt
from realtime_nb.errors import SettingsError
from realtime_nb.experiments import Dataset, run

GRID = {"systems": ("quick", "slow"), "conditions": ("clean", "telephone")}


@pytest.fixture
def before(tmp_path):
    return write_results(tmp_path / "before", graded_rows(), **GRID)


def later(path, change, **about):
    return write_results(path, [row | change(row) for row in graded_rows()], **GRID | about)


def test_differences_are_of_the_same_examples_group_by_group(before, tmp_path):
    after = later(tmp_path / "after", lambda row: {"latency_first_audible_ms": row["latency_first_audible_ms"] - 50})
    frame = before.compare(after).frame.set_index(["system", "measure"])
    row = frame.loc[("slow", "latency_first_audible_ms")]
    assert row["difference"] == pytest.approx(-50) == row["other_mean"] - row["mean"] and row["pairs"] == 12
    assert frame.loc[("slow", "grade_polite")]["difference"] == 0
    grouped = before.compare(after, by=("system", "condition")).frame
    assert list(grouped.columns[:3]) == ["system", "condition", "measure"] and set(grouped.pairs) == {12}
    with pytest.raises(SettingsError, match="must name columns"):
        before.compare(after, by="colour")


def test_other_questions_are_left_out_with_a_remark(before, tmp_path):
    examples = {f"e{n:02d}": "0" for n in range(11)} | {"e00": "other words", "e99": "0"}
    after = later(tmp_path / "after", lambda row: {}, seed=7, examples=examples)
    compared = before.compare(after)
    assert set(compared.frame.pairs) == {11}
    assert compared.remarks == [
        "1 example in this run only: left out",
        "1 example in the other only: left out",
        "1 example not the same in both: left out",
        "seed 0 → 7: the noise differs",
    ]
    changed = later(tmp_path / "changed", lambda row: {}, conditions={"clean": "clean", "telephone": "A-law"})
    assert "1 condition not the same in both: left out" in before.compare(changed).remarks


def test_it_shows_a_table_a_picture_around_0_and_what_else_differs(before, tmp_path):
    after = later(tmp_path / "after<b>", lambda row: {"cost_usd": row["cost_usd"] * 0.5})
    compared = before.compare(after)
    bundle = compared._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "after<b>" not in bundle["text/html"] and "after&lt;b&gt;" in bundle["text/html"]
    assert "cost of an answer, US$" in bundle["text/html"] and "−$0.0010" in bundle["text/plain"]
    [*_, cost] = [axes for axes in compared.plot.figure.axes if axes.get_visible()]
    assert cost.get_xlim()[0] < 0 and [0, 0] in [list(line.get_xdata()) for line in cost.lines]
    assert compared.plot.save(tmp_path / "differences.svg").stat().st_size > 5_000
    assert repr(compared) == f"RunComparison('{before.path}' → '{after.path}': 12 pairs)"


def test_runs_with_nothing_in_common_say_so(before, tmp_path):
    other = write_results(tmp_path / "other", graded_rows(systems=("another",)), conditions=("clean", "telephone"))
    bundle = before.compare(other)._repr_mimebundle_()
    assert "there is nothing to compare" in bundle["text/html"] and "image/png" not in bundle


def test_runs_that_heard_with_other_recognisers_say_so(tmp_path):
    def heard_by(name, ears):
        rows = [row | {"local_ears": ears(number)} for number, row in enumerate(graded_rows(systems=("local",)))]
        return write_results(tmp_path / name, rows, conditions=("clean", "telephone"))

    whisper = heard_by("whisper", lambda number: "Whisper tiny.en")
    sphinx = heard_by("sphinx", lambda number: "PocketSphinx")
    mixed = heard_by("mixed", lambda number: "Whisper tiny.en" if number % 4 else "PocketSphinx")
    advice = "the runs differ by them, too; compare rows with the same local_ears"
    assert whisper.compare(sphinx).remarks == [f"local: recognisers Whisper tiny.en → PocketSphinx: {advice}"]
    told = "Whisper tiny.en: 18; PocketSphinx: 6"
    assert whisper.compare(mixed).remarks == [f"local: recognisers Whisper tiny.en → {told}: {advice}"]
    assert mixed.compare(mixed).remarks == [f"local: recognisers {told} → {told}: {advice}"]
    assert whisper.compare(whisper).remarks == []


def test_settings_that_changed_are_named(tmp_path):
    runs = [
        run(
            Dataset.from_texts(["What can you do?"]),
            {"chat": partial(rt.ChatSession, backend="local", voice=voice)},
            out=tmp_path / voice,
            progress=False,
        )
        for voice in ("marin", "cedar")
    ]
    setting, *voices = runs[0].compare(runs[1]).remarks
    assert setting == "chat: audio.output.voice: marin → cedar"
    assert all(each.startswith("chat: voices ") for each in voices)  # If each has its own synthesiser.

"""Pictures of results: what is in them, in which order, and where they go."""

import base64

import numpy as np
import pytest
from result_folders import graded_rows, write_results

from realtime_nb.errors import SettingsError


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    options = {"systems": ("quick", "slow"), "conditions": ("clean", "telephone")}
    return write_results(tmp_path_factory.mktemp("run") / "out", graded_rows(), **options)


def test_latency_has_a_median_with_its_interval_for_each_system_and_condition_in_the_runs_order(found):
    frame = found.plot.latency().frame
    groups = [("quick", "clean"), ("quick", "telephone"), ("slow", "clean"), ("slow", "telephone")]
    assert list(zip(frame.system, frame.condition, strict=True)) == groups
    quick = [row["latency_first_audible_ms"] for row in found.rows if row["system"] == "quick"][:12]
    assert frame["median"][0] == pytest.approx(np.median(quick)) and frame.p95[0] == pytest.approx(
        np.percentile(quick, 95)
    )
    assert (frame.low < frame["median"]).all() and (frame["median"] < frame.high).all()
    assert (frame["median"][2:].to_numpy() - frame["median"][:2].to_numpy()) == pytest.approx(400)
    assert list(frame.examples) == list(frame.answers) == [12] * 4


def test_answers_that_are_far_out_make_the_axis_logarithmic_which_is_said(found, tmp_path):
    [axes] = found.plot.latency().figure.axes
    assert axes.get_xscale() == "linear" and axes.get_xlim()[0] == 0
    rows = graded_rows()
    rows[0]["latency_first_audible_ms"] = 60_000.0
    plot = write_results(tmp_path, rows).plot.latency()
    [axes] = plot.figure.axes
    plot.figure.canvas.draw()
    assert axes.get_xscale() == "log" and plot.caption.endswith("Logarithmic axis.")
    assert {"500", "10,000"} <= {label.get_text() for label in axes.get_xticklabels()}


def test_cost_has_means_and_where_all_is_free_the_tokens(found, tmp_path):
    frame = found.plot.cost().frame
    assert set(frame.measure) == {"cost_usd"} and frame["mean"][0] == pytest.approx(0.002 + 5.5e-5)
    free = write_results(tmp_path, [row | {"cost_usd": 0.0} for row in graded_rows()])
    assert free.plot.cost().measures == ["input_tokens", "output_tokens"]
    unknown = write_results(tmp_path / "unknown", [row | {"cost_usd": None} for row in graded_rows()])
    with pytest.raises(SettingsError, match="no answer's price is known"):
        unknown.plot.cost()


def test_grades_are_all_that_was_graded_with_intervals_that_have_a_width(found):
    plot = found.plot.grades()
    assert plot.measures == ["grade_polite", "wer", "tool_call_correctness"]
    frame = plot.frame.set_index(["measure", "system", "condition"])
    polite = frame.loc[("grade_polite", "quick", "telephone")]
    assert polite["mean"] == pytest.approx(8 / 12) and 0.3 < polite["low"] < 8 / 12 < polite["high"] < 0.95
    right = frame.loc[("tool_call_correctness", "slow", "clean")]
    assert right["mean"] == 1 and right["low"] == pytest.approx(0.7575, abs=1e-4)  # Wilson's, of 12
    assert np.isnan(frame.loc[("wer", "quick", "clean")]["high"])  # All are 0, which says nothing about others.
    assert "Wilson" in plot.caption and "12 examples" in plot.caption and "Wilson" not in found.plot.latency().caption


def test_failures_lower_the_share_answered(tmp_path):
    rows = graded_rows(4, conditions=("clean",))
    rows[0] = {"system": "slow", "example_id": "e00", "status": "failed", "error_message": "gone"}
    found = write_results(tmp_path, rows)
    frame = found.plot.grades().frame.set_index(["measure", "system"])
    assert frame.loc[("completed", "slow")]["mean"] == 0.75 and frame.loc[("completed", "quick")]["mean"] == 1
    assert frame.loc[("grade_polite", "slow")]["examples"] == 3


def test_other_columns_make_rows_and_colours(found):
    plot = found.plot.latency(by="condition")
    assert list(plot.frame.condition) == ["clean", "telephone"] and not plot.figure.legends
    assert [
        text.get_text() for text in found.plot.latency(by=("condition", "system")).figure.legends[0].get_texts()
    ] == [
        "quick",
        "slow",
    ]


def test_a_plot_shows_itself_and_says_in_words_what_it_shows(found):
    bundle = found.plot.latency()._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "<img alt=" in bundle["text/html"] and "Marker: median" in bundle["text/html"]
    assert bundle["text/plain"].startswith("first audible sample, ms after the question: quick · clean ")
    assert repr(found.plot.grades("wer")) == "Plot(wer by system, condition)"


@pytest.mark.parametrize("name", ["latency.pdf", "latency.SVG", "latency.png"])
def test_it_is_saved_by_the_name_s_ending(found, tmp_path, name):
    path = found.plot.latency().save(tmp_path / name, width_mm=89, dpi=60)
    assert path == tmp_path / name and path.stat().st_size > 3_000


@pytest.mark.parametrize(
    ("draw", "match"),
    [
        (lambda plot: plot.latency().save("latency.jpg"), r"'latency.jpg' must end in .pdf, .svg, .png"),
        (lambda plot: plot.latency().save("latency.pdf", width_mm=0), "width_mm=0 is not between"),
        (lambda plot: plot.latency("speed_ms"), "measure='speed_ms' is not one of .*latency_first_audible_ms"),
        (lambda plot: plot.cost(by="colour"), "must name columns"),
        (lambda plot: plot.cost(by=("system", "condition", "repeat")), "one or two columns"),
    ],
)
def test_an_impossible_plot_is_refused(found, draw, match):
    with pytest.raises(SettingsError, match=match):
        draw(found.plot)


def test_a_run_of_failures_alone_says_so_in_place_of_a_picture(tmp_path):
    kept = ("example_id", "system", "condition")
    rows = [{name: row[name] for name in kept} | {"status": "failed", "error_message": "x"} for row in graded_rows()]
    plot = write_results(tmp_path, rows).plot
    for draw in (plot.latency, plot.cost):
        with pytest.raises(SettingsError, match=r"because all .* answers failed: check results\.failed"):
            draw()
    assert plot.grades().measures == ["completed"]


def test_nothing_graded_is_no_picture(tmp_path):
    found = write_results(tmp_path, [{"system": "one", "example_id": "e", "latency_first_audible_ms": 1.0}])
    with pytest.raises(SettingsError, match="nothing was graded"):
        found.plot.grades()

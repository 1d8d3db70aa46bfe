"""Saved answers graded again, without asking anything; and agreement of judges with people."""

import json
from functools import partial

import numpy as np
import pytest
from result_folders import graded_rows, write_results
from scripted_text import scripted_text

import realtime_nb as rt
from realtime_nb.errors import SettingsError
from realtime_nb.experiments import Dataset, Judge, Keywords, Results, UserTurn, Voice, run
from realtime_nb.experiments.agreement import kappa_of
from realtime_nb.experiments.recipes import digest_of_recipe

LOCAL = partial(rt.RealtimeSession, backend="local")
PRICED = "gpt-realtime-2.1-mini"


@pytest.fixture(autouse=True)
def sold_by_the_endpoint():
    """The scripted endpoint bills what OpenAI does."""
    rt.use_prices({PRICED: {"like": PRICED}})
    yield
    rt.use_prices(None)


RIGHT = '{"reason": "It says five.", "score": 1}'


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A question and a conversation of two turns, asked once and not graded."""
    path = tmp_path_factory.mktemp("asked") / "questions.csv"
    path.write_text("example_id,user_text,expected_keywords\nq,What is two plus three?,5\n")
    talk = Dataset.from_scenarios({"t": ["What is two plus three?", UserTurn("What is three plus two?")]})
    dataset = Dataset([*Dataset.from_csv(path), *talk])
    return run(dataset, {"local": LOCAL}, out=path.parent / "out", progress=False)


def refuses():
    raise AssertionError("a system was asked again")


def sums(answer):
    return {"words": len(answer.text.split()), "calls": len(answer.tool_calls), "seconds": answer.audio.duration_s}


def test_saved_answers_get_new_grades_and_measures_without_being_asked(asked):
    with scripted_text(RIGHT) as endpoint:
        judge = Judge("The sum is right.", model=PRICED, backend=endpoint.url, name="sum")
        results = asked.grade([Keywords("5"), sums, Voice(), judge])
        assert len(endpoint.requests) == 2
        again = results.grade(judge)  # A second opinion, which costs as much again.
    frame = again.frame
    assert list(frame.grade_keywords) == list(frame.grade_sum) == [1.0, 1.0]
    assert list(frame.reason_sum) == ["It says five."] * 2
    assert frame.voice_pitch_hz.between(50, 400).all()
    assert np.allclose(frame.sums_seconds, asked.frame.output_s)
    assert np.allclose(again.frame.judge_cost_usd, 2 * results.frame.judge_cost_usd) and results.cost_usd > 0
    assert set(json.loads(frame.graded_by[0])) == {"keywords", "sums", "voice", "sum"}
    assert [row["output_audio_path"] for row in again.rows] == [row["output_audio_path"] for row in asked.rows]
    assert Results.load(asked.path).rows == again.rows


def test_the_folder_knows_what_a_question_expects_and_a_dataset_may_know_better(asked):
    assert list(asked.grade(Keywords()).frame.grade_keywords.dropna()) == [1.0]  # Its field, of the CSV file.
    better = Dataset.from_texts({"q": "What is two plus three?"})
    remarks = asked.grade(Keywords(), dataset=better).frame.grading_remarks
    assert remarks.str.contains("no field expected_keywords").all()


def test_judges_stop_at_their_budget(asked):
    with scripted_text(RIGHT) as endpoint:
        judge = Judge("The sum is right.", model=PRICED, backend=endpoint.url, name="bounded")
        results = asked.grade(judge, concurrency=1, max_usd=1e-6)
        assert len(endpoint.requests) == 1
    assert results.frame.grade_bounded.count() == 1


def test_an_answer_whose_recording_is_gone_keeps_its_row(tmp_path):
    results = write_results(tmp_path / "out", graded_rows(2, systems=("one",), conditions=("clean",)))
    graded = results.grade(Keywords("five"))
    assert graded.failed == [] and list(graded.frame.grade_polite) == list(results.frame.grade_polite)
    assert all("cannot be read" in told for told in graded.frame.grading_remarks)


def test_a_resumed_run_grades_old_answers_by_what_is_new_or_changed(tmp_path):
    dataset = Dataset.from_texts({"q": "What is two plus three?"})
    first = run(dataset, {"one": LOCAL}, graders=[Keywords("5")], out=tmp_path / "out", progress=False)
    [row] = first.rows
    counted = []

    def count(answer):
        counted.append(answer.text)
        return True

    def go_on(*graders):
        return run(dataset, {"one": refuses}, graders=graders, out=tmp_path / "out", resume=True, progress=False).rows

    [same] = go_on(Keywords("5"))
    assert same == row
    [more] = go_on(Keywords("5"), count)
    assert more["grade_count"] == more["grade_keywords"] == 1.0 and counted == [row["assistant_text"]]
    [other] = go_on(Keywords("potato"), count)
    assert other["grade_keywords"] == 0.0 and other["grade_count"] == 1.0 and len(counted) == 1


def test_a_grader_is_another_one_with_other_settings_or_other_code():
    def one(answer):
        return 1

    def other(answer):
        return 2

    other.__qualname__ = one.__qualname__
    graders = [Keywords("5"), Keywords("6"), Judge("a"), Judge("a", model="m"), partial(one, x=1), one, other]
    assert len({digest_of_recipe(each) for each in graders}) == len(graders)
    assert digest_of_recipe(Judge("a")) == digest_of_recipe(Judge("a"))


def test_kappa_is_cohens_and_its_interval_covers():
    # Cohen's example in Fleiss, Statistical Methods for Rates and Proportions: 20 + 15 of 50 agree, kappa 0.4.
    ours = [True] * 25 + [False] * 25
    theirs = [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15
    found = kappa_of(ours, theirs, range(50))
    assert found.agreement == pytest.approx(0.7) and found.kappa == pytest.approx(0.4)
    assert kappa_of([True, True], [True, True], "ab").kappa is None
    random = np.random.default_rng(3)
    truth, covered = 0.6, 0  # Of two who each are right in a share r of cases: kappa is (2r - 1)².
    share = (1 + truth**0.5) / 2
    for _ in range(400):
        is_met = random.random(40) < 0.5
        each = [np.where(random.random(40) < share, is_met, ~is_met) for _ in range(2)]
        found = kappa_of(*each, range(40))
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 400 <= 0.99


def test_judges_are_compared_with_people_and_with_each_other(tmp_path):
    rows = graded_rows(6, systems=("one", "two"), conditions=("clean",))
    for n, row in enumerate(rows):
        row |= {"grade_polite_small": float(n % 2), "grade_right": 1.0}
    results = write_results(tmp_path / "out", rows)
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "example_id,system,polite,notes\n" + "".join(f"e{n:02d},one,{'yes' if n else 'no'},hm\n" for n in range(6))
    )
    frame = results.agreement(labels).set_index("grader")
    assert list(frame.index) == ["polite", "polite_small"] and list(frame["count"]) == [6, 6]
    assert frame.agreement["polite"] == pytest.approx(5 / 6) and frame.people_met["polite"] == pytest.approx(5 / 6)
    between = results.agreement()
    assert list(zip(between.grader, between.other, strict=True)) == [
        *(("polite", "polite_small"), ("polite", "right"), ("polite_small", "right")),
    ]
    with pytest.raises(SettingsError, match="no label names an answer"):
        results.agreement([{"example_id": "elsewhere", "polite": 1}])
    with pytest.raises(SettingsError, match="neither a number nor yes or no"):
        results.agreement([{"example_id": "e00", "polite": "perhaps"}])
    with pytest.raises(SettingsError, match="give them one's name"):
        results.agreement([{"example_id": "e00", "kind": 1}])


def test_measures_are_taken_again_with_better_words_other_windows_and_other_prices(tmp_path):
    talk = Dataset.from_scenarios({"t": ["What is two plus three?", UserTurn("What is three plus two?")]})
    dataset = Dataset([*Dataset.from_texts({"q": "What is two plus three?"}), *talk])
    local = partial(rt.RealtimeSession, backend="local", transcription="gpt-realtime-whisper")
    results = run(dataset, {"one": local}, out=tmp_path / "out", progress=False)
    assert results.grade("metrics").rows == results.rows and Results.load(results.path).remarks == results.remarks
    question, conversation = results.rows
    better = Dataset([*Dataset.from_texts({"q": "What is two plus tree?"}), *talk])
    rt.use_prices({"gpt-realtime-whisper": {"like": "gpt-realtime-whisper", "times": 10}})
    again = results.grade("metrics", dataset=better)
    assert again.rows[0]["user_text"] == "What is two plus tree?"
    assert again.rows[0]["word_substitutions"] == 1 and again.rows[1]["wer"] == conversation["wer"]
    assert again.rows[0]["cost_usd"] == pytest.approx(10 * question["cost_usd"])
    assert again.rows[1]["cost_usd"] == pytest.approx(10 * conversation["cost_usd"])
    for clip in (results.path / "clips").glob("*.wav"):
        clip.unlink()
    gone = results.grade("metrics")
    assert gone.rows[0]["grading_remarks"].startswith("metrics: it cannot be measured again: the clip that was heard")
    assert gone.rows[0]["wer"] == again.rows[0]["wer"]
    with pytest.raises(SettingsError, match="graders='metric' must be a sequence"):
        results.grade("metric")


@pytest.mark.parametrize("options", [{"sound": "opus"}, {"keep": ["events"]}])
def test_times_stay_as_they_were_measured_on_the_sound_itself(tmp_path, options):
    dataset = Dataset.from_texts({"q": "What is two plus three?"})
    results = run(dataset, {"one": LOCAL}, out=tmp_path, progress=False, **options)
    assert results.grade("metrics").rows == results.rows

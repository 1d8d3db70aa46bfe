"""Datasets of texts, folders and recordings."""

import pickle

import numpy as np
import pytest
import soundfile

import realtime_nb as rt
from realtime_nb.errors import AudioError, SettingsError
from realtime_nb.experiments import Dataset, Example, Scenario
from realtime_nb.media.clip import AudioClip


def hum(text):
    return AudioClip(np.full(2_400 * len(text.split()), 0.1))


def test_texts_are_spoken_when_needed_by_the_given_speaker():
    asked = []

    def speaker(text):
        asked.append(text)
        return hum(text)

    dataset = Dataset.from_texts(["What can you do?", "Hello."], speaker=speaker)
    assert asked == []
    assert dataset[0].clip().duration_s == pytest.approx(0.4) and asked == ["What can you do?"]
    assert dataset[0].clip() is dataset[0].clip() and len(asked) == 1
    assert [each.example_id for each in dataset] == ["text_001", "text_002"]


def test_the_local_synthesiser_speaks_by_default():
    low, high = (Dataset.from_texts({"a": "Yes."}).spoken_by(voice)[0].clip() for voice in ("onyx", "shimmer"))
    assert low.duration_s > 0.3 and not np.array_equal(low.samples, high.samples)


def test_a_folder_gives_its_files_with_the_words_beside_them(tmp_path):
    (tmp_path / "loud").mkdir()
    hum("one").save(tmp_path / "loud" / "a.wav")
    hum("one two").save(tmp_path / "b.flac")
    hum("one two three").save(tmp_path / "b.wav")
    (tmp_path / "loud" / "a.txt").write_text("What time\nis it?\n")
    dataset = Dataset.from_folder(tmp_path)
    assert [each.example_id for each in dataset] == ["b.flac", "b.wav", "loud/a"]
    assert dataset[2].text == "What time is it?" and dataset[2].tags == ("loud",)
    assert dataset[1].clip().duration_s == pytest.approx(0.3)
    assert len(Dataset.from_folder(tmp_path, "*.wav")) == 1


@pytest.mark.parametrize("ending", ["WAV", "Flac", "oga", "AIFF", "aifc", "au", "snd", "caf", "w64", "voc", "wave"])
def test_sounds_of_every_ending_are_found_in_any_case(tmp_path, ending):
    encoded = hum("one").encode("wav")
    (tmp_path / f"a.{ending}").write_bytes(encoded)  # What it holds is not asked by its ending.
    [example] = Dataset.from_folder(tmp_path)
    assert example.example_id == "a" and example.clip().duration_s == pytest.approx(0.1)


def test_hidden_files_of_the_system_are_no_clips_and_no_texts(tmp_path):
    for folder in (".", "__MACOSX", ".ipynb_checkpoints", ".git", "@eaDir", "in"):
        (tmp_path / folder).mkdir(exist_ok=True)
        hum("one").save(tmp_path / folder / "a.wav")
        (tmp_path / folder / "._a.wav").write_bytes(b"\0\5\x16\7Mac OS X")
        (tmp_path / folder / "._a.txt").write_bytes(b"\0\5\x16\7Mac OS X")
    hum("one").save(tmp_path / ".hidden.wav")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"\0\0\0\1Bud1")
    dataset = Dataset.from_folder(tmp_path)
    assert [each.example_id for each in dataset] == ["a", "in/a"] and {each.text for each in dataset} == {""}
    hidden = Dataset.from_folder(tmp_path / ".git")  # Who names a folder means it.
    assert [each.example_id for each in hidden] == ["a"]


def test_files_of_all_kinds_that_libsndfile_reads_are_found_by_their_usual_endings(tmp_path):
    usual = {"AIFF": "aif", "AU": "au", "AVR": "avr", "CAF": "caf", "FLAC": "flac", "HTK": "htk", "IRCAM": "sf"}
    usual |= {"MP3": "mp3", "NIST": "sph", "OGG": "ogg", "PAF": "paf", "PVF": "pvf", "RF64": "rf64", "SDS": "sds"}
    usual |= {"SVX": "8svx", "VOC": "voc", "W64": "w64", "WAV": "wav", "WVE": "wve", "XI": "xi"}
    for container, ending in usual.items():
        soundfile.write(tmp_path / f"{container}.{ending}", hum("one").resample(8_000).samples, 8_000, format=container)
    found = Dataset.from_folder(tmp_path)
    assert sorted(each.example_id for each in found) == sorted(usual)
    assert all(each.clip().peak > 0.05 for each in found)


@pytest.mark.parametrize(
    ("sound", "words"),
    [("a.wav", "a.TXT"), ("A.WAV", "a.Txt"), ("caf\u00e9.wav", "cafe\u0301.txt"), ("a.b.flac", "a.b.txt")],
)
def test_words_are_found_however_their_file_is_written(tmp_path, sound, words):
    hum("one").save(tmp_path / sound.lower())
    (tmp_path / sound.lower()).rename(tmp_path / sound)
    (tmp_path / words).write_text("Hello.")
    (tmp_path / "other.txt").write_text("Other.")
    assert Dataset.from_folder(tmp_path)[0].text == "Hello."


def test_words_in_two_files_are_refused(tmp_path):
    hum("one").save(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("Hello.")
    (tmp_path / "a.TXT").write_text("Goodbye.")
    with pytest.raises(SettingsError, match=r"has two texts, 'a\.TXT' and 'a\.txt': remove one"):
        Dataset.from_folder(tmp_path)


def test_questions_of_recordings_can_be_asked_again(tmp_path):
    clip = rt.speak("What can you do?")
    with rt.RealtimeSession(backend="local", recording=tmp_path / "talk") as session:
        session.ask(clip).result(30)
        session.ask("Written, not spoken.").result(30)
    [example] = Dataset.from_recordings([tmp_path / "talk"])
    assert [each.digest for each in Dataset.from_recordings(tmp_path / "talk")] == [example.digest]
    assert example.example_id == "talk_001" and "what can you do" in example.text.lower()
    assert example.clip().duration_s == pytest.approx(clip.duration_s, abs=0.05)


def test_a_damaged_recording_is_told_where_it_becomes_a_dataset(tmp_path):
    with rt.RealtimeSession(backend="local", recording=tmp_path / "talk") as session:
        session.ask(rt.speak("What can you do?")).result(30)
    track = tmp_path / "talk" / "user.flac"
    track.write_bytes(track.read_bytes()[:-2_000])
    with pytest.warns(UserWarning, match=r"the recording 'talk': user\.flac is damaged: .* silence here"):
        Dataset.from_recordings(tmp_path / "talk")


def test_a_dataset_can_be_cut_and_looked_at():
    dataset = Dataset(
        [Example(example_id=str(n), text="x", tags=("odd",) if n % 2 else (), fields={"n": str(n)}) for n in range(10)],
        name="numbers",
    )
    assert len(dataset[2:5]) == 3 and dataset[2:5].name == "numbers"
    assert [each.example_id for each in dataset.filter(lambda each: "odd" in each.tags)] == list("13579")
    drawn = [each.example_id for each in dataset.sample(4, seed=3)]
    assert drawn == sorted(drawn) and drawn == [each.example_id for each in dataset.sample(4, seed=3)]
    assert len(dataset.sample(99)) == 10
    assert list(dataset.frame["n"]) == list("0123456789") and "spoken by marin" in set(dataset.frame["source"])
    assert repr(dataset) == "Dataset('numbers', 10 examples)"


def test_an_example_is_known_again_by_what_it_asks(tmp_path):
    text = Example(example_id="a", text="Hello")
    assert text.digest == pickle.loads(pickle.dumps(text)).digest
    file = hum("one").save(tmp_path / "one.wav")
    others = [
        Example(example_id="a", text="Hallo"),
        Example(example_id="a", text="Hello", speaker="nova"),
        Example(example_id="a", text="Hello", tool_call=""),
        Example(example_id="a", text="Hello", source=hum("one")),
        Example(example_id="a", text="Hello", source=file),
    ]
    assert len({each.digest for each in [text, *others]}) == 6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dataset([]), "holds no examples"),
        (lambda: Dataset([Example(example_id="a"), Example(example_id="a")]), "'a' more than once"),
        (lambda: Dataset.from_texts(["Hi", " "]), "text_002: ' ' is not a text"),
        (lambda: Dataset.from_folder("/nowhere"), "'/nowhere' is not a folder"),
        (lambda: Dataset.from_texts("Hi"), "texts='Hi' is one text: give a list"),
        (lambda: Dataset.from_texts(["Hi"], speaker="bob"), "speaker='bob' is not known: choose one of alloy"),
        (lambda: Dataset.from_texts(["Hi"], speaker=3), "speaker=3 cannot speak"),
        (lambda: Example(example_id="a", source=np.zeros(100)), r"source=ndarray is not sound: .* AudioClip\(samples"),
        (lambda: Dataset.from_scenarios("Hi"), "scenarios='Hi' is one scenario: give a list"),
        (lambda: Dataset.from_scenarios(Scenario(example_id="a", turns=["Hi"])), "is one scenario: give a list"),
    ],
)
def test_an_invalid_dataset_says_so(make, message):
    with pytest.raises(SettingsError, match=message):
        make()


def test_a_speaker_that_says_nothing_says_so():
    with pytest.raises(SettingsError, match="returned int: give back an AudioClip"):
        Example(example_id="a", text="Hi", speaker=len).clip()


def test_a_folder_without_audio_says_so(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(SettingsError, match="holds no audio files"):
        Dataset.from_folder(tmp_path)


def test_a_file_may_be_named_by_text(tmp_path):
    clip = rt.AudioClip(np.full(2_400, 0.25, np.float32), 24_000)
    clip.save(tmp_path / "a.wav")
    assert Example(example_id="a", source=str(tmp_path / "a.wav")).clip().to_pcm16() == clip.to_pcm16()


def test_a_file_that_is_gone_fails_when_it_is_read(tmp_path):
    with pytest.raises(AudioError, match=r"gone\.wav"):
        Example(example_id="a", source=tmp_path / "gone.wav").clip()

"""Text files of other programs: encodings, and where lines end."""

import codecs
import json

import numpy as np
import pytest
import wire_samples as wire

import realtime_nb as rt
from realtime_nb.errors import RecordingError, SettingsError
from realtime_nb.experiments import Dataset
from realtime_nb.local.brains.script_brain import ScriptBrain
from realtime_nb.texts import decode_text, read_text, split_lines

WORDS = "Où est le café – 今日は ok?"
MARKED = {
    "utf-8": lambda text: text.encode(),
    "utf-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "utf-16 little": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "utf-16 big": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
}
#: What no line ends at, though `str.splitlines` says so.
INSIDE = "\u2028 \u2029 \x85 \x0b \x0c \x1c \x1d \x1e"
EVENTS = [wire.session_created(), *wire.audio_answer()]


def clip(path):
    rt.AudioClip(np.full(2_400, 0.25, np.float32)).save(path)


def wrong(text):
    """Return encodings that are not said, and what their files are told to be."""
    return {
        "latin-1": (text.encode("latin-1", "replace"), "is not UTF-8. The file may be in Latin-1, Windows-1252"),
        "cp1252": (text.encode("cp1252", "replace"), "is not UTF-8"),
        "gb18030": (text.encode("gb18030"), "is not UTF-8"),
        "utf-16-le": (text.encode("utf-16-le"), "looks like UTF-16 or UTF-32 without a byte order mark|is not UTF-8"),
        "utf-16-be": (text.encode("utf-16-be"), "looks like UTF-16 or UTF-32 without a byte order mark|is not UTF-8"),
        "utf-32": (codecs.BOM_UTF32_LE + text.encode("utf-32-le"), "is in UTF-32, which is not read"),
        "half of utf-16": (codecs.BOM_UTF16_LE + text.encode("utf-16-le")[:-1], "this is not UTF-16"),
    }


@pytest.mark.parametrize("name", MARKED)
def test_texts_of_all_kinds_are_read_in_each_marked_encoding(tmp_path, name):
    encoded = MARKED[name]
    (tmp_path / "data.csv").write_bytes(encoded(f"example_id,user_text\r\na,{WORDS}\r\n"))
    assert Dataset.from_csv(tmp_path / "data.csv")[0].text == WORDS
    (tmp_path / "clips").mkdir()
    clip(tmp_path / "clips" / "a.wav")
    (tmp_path / "clips" / "a.txt").write_bytes(encoded(WORDS))
    assert Dataset.from_folder(tmp_path / "clips")[0].text == WORDS
    (tmp_path / "script.txt").write_bytes(encoded(f"# x\r{WORDS}\r"))
    assert ScriptBrain.from_file(tmp_path / "script.txt").vocabulary == [WORDS]
    (tmp_path / "log.jsonl").write_bytes(encoded("\r\n".join(map(json.dumps, EVENTS))))
    recording = rt.Recording.load(tmp_path / "log.jsonl")
    assert recording.conversation.turn("A").text == "It is ten past nine." and len(recording) == len(EVENTS)


@pytest.mark.parametrize("name", wrong(WORDS))
@pytest.mark.parametrize("kind", ["csv", "sidecar", "script"])
def test_a_wrong_encoding_is_named_with_its_file_and_the_way_out(tmp_path, name, kind):
    clip(tmp_path / "a.wav")
    path = tmp_path / {"csv": "a.csv", "sidecar": "a.txt", "script": "a.script"}[kind]
    data, message = wrong(f"example_id,user_text\na,{WORDS}\n")[name]
    path.write_bytes(data)
    read = {
        "csv": Dataset.from_csv,
        "sidecar": lambda _: Dataset.from_folder(tmp_path),
        "script": ScriptBrain.from_file,
    }
    with pytest.raises(SettingsError, match=message) as raised:
        read[kind](path)
    assert path.name in str(raised.value) and "save it as UTF-8" in str(raised.value)


@pytest.mark.parametrize("name", ["latin-1", "cp1252", "utf-32", "utf-16-le"])
def test_a_log_in_a_wrong_encoding_is_named(tmp_path, name):
    path = tmp_path / "log.jsonl"
    lines = "\n".join(json.dumps(each, ensure_ascii=False) for each in [*EVENTS, {"type": "x", "text": "où"}])
    path.write_bytes(wrong(lines)[name][0])
    with pytest.raises(RecordingError, match=r"log\.jsonl"):
        rt.Recording.load(path)


def test_the_place_of_a_wrong_byte_is_reported():
    with pytest.raises(SettingsError, match=r"^'a', line 3, character 4: the byte 0xE9 is not UTF-8"):
        decode_text("é\r\nb\rcaf".encode() + b"\xe9\n", "'a'", SettingsError)
    with pytest.raises(SettingsError, match=r"line 2, character 2: a zero byte is not text"):
        decode_text(b"a long line of words\nb\0c", "'a'", SettingsError)


def test_a_file_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(SettingsError, match="is not a file"):
        read_text(tmp_path / "none.txt")
    with pytest.raises(RecordingError, match="is a folder"):
        read_text(tmp_path, RecordingError)


def test_only_carriage_returns_and_line_feeds_end_a_line(tmp_path):
    assert split_lines(f"a{INSIDE}b\r\nc\rd\ne") == [f"a{INSIDE}b", "c", "d", "e"]
    path = tmp_path / "log.jsonl"
    lines = "\r".join(json.dumps(each, ensure_ascii=False) for each in EVENTS).replace("It is ", f"It{INSIDE}is ")
    path.write_text(lines, "utf-8", newline="")
    recording = rt.Recording.load(path)
    assert recording.remarks == [] and INSIDE in recording.conversation.turn("A").text
    (tmp_path / "data.csv").write_text(f"example_id,user_text\ra,Hi{INSIDE}you\r", "utf-8", newline="")
    [example] = Dataset.from_csv(tmp_path / "data.csv")
    assert example.text == f"Hi{INSIDE}you"


def test_a_log_whose_writer_was_killed_gives_what_is_whole(tmp_path):
    path = tmp_path / "log.jsonl"
    lines = "\n".join(map(json.dumps, EVENTS)).encode()
    path.write_bytes(lines + b'\n{"type": "caf\xc3')
    assert rt.Recording.load(path).remarks == ["1 lines of the log are not JSON: left out"]
    path.write_bytes(lines + b"\n" + b"\0" * 4_096)
    assert len(rt.Recording.load(path)) == len(EVENTS)

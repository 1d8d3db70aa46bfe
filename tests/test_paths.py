from pathlib import Path

import pytest

from realtime_nb.files import missing


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "question.wav").write_bytes(b"")
    return tmp_path


def test_a_similar_name_is_suggested():
    assert missing(Path("questoin.wav")) == "'questoin.wav' is not a file: give 'question.wav', if you mean that"


def test_without_a_similar_name_the_folder_is_named(folder):
    said = missing(Path("other.flac"), "is not there")
    assert said.startswith("'other.flac' is not there: check its name") and repr(str(folder.resolve())) in said


def test_where_the_folder_is_missing_the_beginning_of_paths_is_named(folder):
    assert missing(Path("audio/question.wav")).endswith(f"check its folder; relative paths start at {str(folder)!r}")


def test_a_folder_is_no_file(folder):
    assert missing(folder) == f"{str(folder)!r} is a folder, not a file: give the path of a file in it"

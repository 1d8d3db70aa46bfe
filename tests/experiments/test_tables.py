"""Datasets in the columns of the OpenAI cookbook's realtime evals."""

import numpy as np
import pytest

from realtime_nb.errors import SettingsError
from realtime_nb.experiments import Dataset
from realtime_nb.media.clip import AudioClip

# Two rows of the cookbook's own file, crawl_harness/data/customer_service_synthetic.csv, as they are there.
COOKBOOK = """example_id,user_text,gt_tool_call,gt_tool_call_arg
cs_001,"Hi, can you check the status of my order A12345?",get_order_status,"{""order_id"":""A12345""}"
cs_009,"Thanks for the help earlier. That's all I needed.",,
"""


def test_the_cookbooks_columns_load_as_they_are(tmp_path):
    path = tmp_path / "customer_service.csv"
    path.write_text(COOKBOOK)
    order, thanks = Dataset.from_csv(path)
    assert order.example_id == "cs_001" and order.text.startswith("Hi, can you check")
    assert (order.tool_call, order.tool_arguments) == ("get_order_status", {"order_id": "A12345"})
    assert (thanks.tool_call, thanks.tool_arguments) == ("", {})  # none is expected, which is graded
    assert Dataset.from_csv(path).name == "customer_service"


def test_files_speakers_tags_and_your_own_columns(tmp_path):
    (tmp_path / "audio").mkdir()
    AudioClip(np.full(4_800, 0.1)).save(tmp_path / "audio" / "one.wav")
    path = tmp_path / "data.csv"
    path.write_text(
        "\ufeffexample_id,user_text,audio_path,speaker,tags,expected_keywords\n"
        "one,Hello,audio/one.wav,,short; loud,\n"
        'two,"Two\nlines",,nova,,hello\n'
    )
    one, two = Dataset.from_csv(path, speaker="onyx")
    assert one.clip().duration_s == pytest.approx(0.2) and one.tags == ("short", "loud")
    assert one.tool_call is None  # there is no such column: nothing is said about it
    assert (two.speaker, one.speaker) == ("nova", "onyx")
    assert two.fields == {"expected_keywords": "hello"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_cells_are_parted_as_spreadsheets_part_them(tmp_path, delimiter, end):
    rows = [
        *('"example_id",user_text,tags,gt_tool_call', "", ",,,", 'a,"Hi, you;\tand', 'you",x,', "b,Ho,,", "c,,,"),
    ]
    text = end.join(rows).replace(",", delimiter).replace(f'"Hi{delimiter}', '"Hi,')
    path = tmp_path / "data.csv"
    path.write_text(f"\ufeff{text}", "utf-8", newline="")
    with pytest.raises(SettingsError, match="line 7: there is nothing to say"):
        Dataset.from_csv(path)
    path.write_text(f"sep={delimiter}{end}{text.replace(f'c{delimiter}', f'c{delimiter}x')}{end}", newline="")
    a, b, c = Dataset.from_csv(path)
    assert (a.text, a.tags) == (f"Hi, you;\tand{end}you", ("x",)) and (b.text, c.text) == ("Ho", "x")


def test_a_column_without_a_name_is_called_by_its_place(tmp_path):
    (tmp_path / "data.csv").write_text(",example_id,user_text,\n0,a,Hi,\n1,b,Ho,\n")
    assert Dataset.from_csv(tmp_path / "data.csv")[1].fields == {"column_1": "1", "column_4": ""}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: there is no column example_id"),
        ("example_id,words\n", "line 1: there is no column user_text or audio_path among example_id, words"),
        ("example_id,user_text\na,Hi\n,Hello\n", "line 3: example_id is empty"),
        ("example_id,user_text\na,Hi\n\nb,Ho\na,Hello\n", "line 5: example_id='a' is already used in line 2"),
        ("example_id,user_text\na,\n", "line 2: there is nothing to say"),
        ("example_id,user_text\na,Hi,you\n", r"line 2: more values than columns: \['you'\]"),
        ("example_id,user_text,tags\n\na,Hi\n", "line 3: only 2 values for 3 columns: there is none for tags"),
        ("example_id;user_text\na;Hi;you\n", r"line 2: more values than columns: \['you'\]"),
        ("example_id,user_text,note,note\na,Hi,1,2\n", "line 1: there is more than one column 'note'"),
        ('example_id,user_text\r\na,"Hi\r\nthere"\r\nb,\r\n', "line 4: there is nothing to say"),
        ('example_id,user_text\na,"Hi\nthere"\nb,\n', "line 4: there is nothing to say"),
        ("example_id,audio_path\na,none.wav\n", "line 2: audio_path='none.wav' is not a file"),
        ("example_id,user_text,speaker\na,Hi,Bob\n", "line 2: speaker='Bob' is not one of alloy"),
        ("example_id,user_text,gt_tool_call_arg\na,Hi,{x}\n", "line 2: gt_tool_call_arg='{x}' is not JSON"),
        ("example_id,user_text,gt_tool_call_arg\na,Hi,[1]\n", "line 2: .* is not a JSON object"),
        ('example_id,user_text\na,"Hi\n', "line 2: unexpected end of data"),
        ("example_id,user_text\n", "holds no examples"),
    ],
)
def test_an_error_in_a_file_names_the_line(tmp_path, text, message):
    path = tmp_path / "data.csv"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        Dataset.from_csv(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.csv' is not a file: "):
        Dataset.from_csv(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"example_id,user_text\na,caf\xe9\n")
    with pytest.raises(SettingsError, match="UTF-8"):
        Dataset.from_csv(tmp_path / "latin.csv")

"""A conversation as Markdown, subtitles and JSON."""

import itertools
import json
import re

import record_samples as samples

from realtime_nb.conversation.conversation import Conversation
from realtime_nb.protocol.local_events import Heard, Word, WordsTimed


def test_the_frame_has_a_row_for_each_turn_and_its_columns_before_the_first():
    frame = samples.conversation().frame
    assert frame["text"].tolist() == ["What time is it?", "It is ten past nine."]
    assert list(Conversation().frame.columns) == list(frame.columns)


def test_markdown_says_who_said_what_and_when():
    text = samples.conversation(question="Is $5 *enough* for <b>2</b>?").to_markdown()
    assert text.startswith("*AI-generated voice*\n\n**You**")
    assert r"Is \$5 \*enough\* for \<b\>2\</b\>?" in text
    assert re.search(r"\*\*AI voice\*\* \(00:00:0\d\): It is ten past nine\.\n$", text)


LONG = "This is a sentence of eight short words indeed. " * 6


def cues(srt):
    """Return the numbers, times in s and words of subtitles."""
    found = []
    for block in srt.strip().split("\n\n"):
        number, times, *lines = block.split("\n")
        start, stop = (
            sum(60**power * float(part) for power, part in enumerate(reversed(time.replace(",", ".").split(":"))))
            for time in times.split(" --> ")
        )
        found.append((int(number), start, stop, lines))
    return found


def test_subtitles_are_short_lines_one_after_another_within_the_sound():
    conversation = samples.conversation(answer=LONG, pcm=samples.sound(6_000))
    found = cues(conversation.to_srt())
    assert [number for number, *_ in found] == list(range(1, len(found) + 1)) and len(found) >= 4
    assert all(len(lines) <= 2 and all(len(line) <= 42 for line in lines) for *_, lines in found)
    assert all(before[2] <= after[1] + 1e-9 for before, after in itertools.pairwise(found))
    said = " ".join(" ".join(lines).removeprefix("AI voice: ") for *_, lines in found)
    assert said == " ".join(LONG.split()) and abs(found[-1][2] - found[0][1] - 6) < 0.01


def test_subtitles_take_the_times_of_words_where_there_are_any():
    conversation = samples.conversation(answer=LONG, pcm=samples.sound(6_000))
    words = tuple(Word(word, 50.0 * n, 50.0 * n + 40) for n, word in enumerate(LONG.split()))
    conversation.apply(WordsTimed(item_id="A", content_index=0, words=words), 900.0)
    [first, second, *_] = cues(conversation.to_srt())
    shown = " ".join(first[3]).removeprefix("AI voice: ").split()
    assert abs(second[1] - first[1] - 0.05 * len(shown)) < 0.002


def test_unheard_sound_has_no_subtitle():
    conversation = samples.conversation(answer=LONG, pcm=samples.sound(6_000))
    conversation.apply(Heard(item_id="A", played_ms=3_000, stopped=True), 4_000.0)
    found = cues(conversation.to_srt())
    heard = conversation.turns[1].heard_text
    assert 0 < len(heard) < len(LONG) and " ".join(" ".join(lines) for *_, lines in found).endswith(heard[-20:])
    assert abs(found[-1][2] - found[0][1] - 3) < 0.01


def test_web_subtitles_name_the_speaker_and_hold_no_markup():
    text = samples.conversation(answer="a --> b <i>c</i> & d").to_vtt()
    assert text.startswith("WEBVTT\n\nNOTE AI-generated voice\n\n00:00:0")
    assert "<v AI voice>a → b &lt;i&gt;c&lt;/i&gt; &amp; d\n" in text
    hostile = samples.hostile_conversation().to_vtt()
    assert "<script" not in hostile and hostile.count("-->") == len(re.findall(r"^\d\d:\d\d", hostile, re.MULTILINE))


def test_json_has_the_turns_with_their_times():
    told = json.loads(samples.conversation().to_json())
    assert told["model"] == "gpt-realtime-2.1" and told["disclosure"] == "AI-generated voice"
    assert [turn["text"] for turn in told["turns"]] == ["What time is it?", "It is ten past nine."]
    assert told["turns"][1]["start_s"] >= 0 and told["turns"][1]["audio_s"] == 0.6
    assert told["total_usd"] > 0 and json.loads(Conversation().to_json())["turns"] == []

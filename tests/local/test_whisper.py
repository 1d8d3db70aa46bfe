"""Whisper alone: sound in, words out. What the server makes of them is tested elsewhere."""

from __future__ import annotations

import itertools
import math
import shutil
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from local_session import spoken

from realtime_nb.errors import SettingsError
from realtime_nb.local.recognition import whisper
from realtime_nb.local.recognition.heard import HeardToken, Recognition, cut_quietly
from realtime_nb.local.recognition.whisper import (
    WhisperModel,
    check_folder,
    filters_of,
    log_mel,
    plain_numbers,
    words_of,
)
from realtime_nb.local.weights import WHISPER_TINY_EN
from realtime_nb.media.clip import Resampler
from realtime_nb.media.g711 import decode_ulaw, encode_ulaw
from realtime_nb.speech.words import word_error_rate

SENTENCES = [
    "Can you tell me what the weather will be like in Berlin tomorrow?",
    "The captain of the ship is asleep.",
    "My grandmother lives behind the old church.",
    "Tell me a story about a dog and a cat.",
    "What time is it in London?",
]


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("ctranslate2")
    return WhisperModel(WHISPER_TINY_EN.check(), name="tiny.en", licence="MIT")


def at_16k(sentence, voice="echo"):
    return Resampler(24_000, 16_000).process(spoken(sentence, voice), last=True)


def by_telephone(pcm16k):
    narrow = Resampler(16_000, 8_000).process(pcm16k, last=True)
    return Resampler(8_000, 16_000).process(decode_ulaw(encode_ulaw(narrow)), last=True)


def errors(model, clips):
    heard = [model.listen(clip).text for clip in clips]
    return word_error_rate(" ".join(SENTENCES), " ".join(heard))


def test_sentences_that_nobody_expected_are_heard(model):
    assert errors(model, [at_16k(sentence) for sentence in SENTENCES]) <= 0.1  # espeak's voice is hard to understand


def test_the_telephone_takes_little_away(model):
    assert errors(model, [by_telephone(at_16k(sentence)) for sentence in SENTENCES]) <= 0.25


@pytest.mark.parametrize(
    ("text", "goes_round"),
    [
        ("a b c d e f g h i j", False),
        ("a b c d e f g h a b c d e f g h", True),
        ("x a b c d e f g h i a b c d e f g h", True),
        ("a b c d e f g h i a b c d e f g", False),
        ("a b c d e f g", False),
        ("", False),
    ],
)
def test_a_text_that_ends_with_what_it_said_before_may_have_gone_round(text, goes_round):
    tokens = [f"Ġ{word}" for word in text.split()]
    result = SimpleNamespace(sequences=[[*tokens, "<|endoftext|>"]], sequences_ids=[[*range(len(tokens) + 1)]])
    assert whisper._repeats_itself(result) is goes_round


def test_a_long_sentence_is_heard_once_and_to_its_end(model):
    said = (
        "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, "
        "it was the epoch of belief. It was the epoch of incredulity, it was the season of light, it was the season of "
        "darkness, it was the spring of hope, it was the winter of despair."
    )
    heard = model.listen(at_16k(said, "sage")).text.lower()
    # Some processors round 8-bit sums in another way, and write "on times": the words themselves do not count here.
    assert heard.count("it was the") == 10
    assert heard.endswith("the winter of despair.")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a b c d", "a b c d"),
        ("a b c d b c d", "a b c d b c d"),  # People say short things twice.
        ("a b c d e a b c d e", "a b c d e"),
        ("x a b c a b c a b", "x a b c"),
        ("x a b c a b c a b c c d", "x a b c"),  # A loop may end in disorder.
        ("no no no no no no no no no", "no"),
        ("a b c d e a b c d f", "a b c d e a b c d f"),
        ("", ""),
    ],
)
def test_a_loop_at_the_end_is_cut(text, kept):
    numbers = {word: number for number, word in enumerate(sorted(set(text.split())))}
    tokens = [HeardToken(word, word.encode(), numbers[word], 0.0) for word in text.split()]
    assert [token.text for token in whisper._without_loop(tokens)] == kept.split()


def test_several_utterances_are_heard_at_once(model):
    pcms = [*map(at_16k, SENTENCES[:4]), bytes(1_000), bytes(48_000)]
    heard = model.listen_hurried(pcms)
    assert [each.text for each in heard[4:]] == ["", ""]
    assert word_error_rate(" ".join(SENTENCES[:4]), " ".join(each.text for each in heard)) <= 0.3
    assert {each.engine for each in heard} == {"Whisper tiny.en, hurried"}
    assert all(0 < each.confidence <= 1 for each in heard[:4])


@pytest.mark.parametrize("length_s", [0, 0.05, 0.5, 3, 15])
@pytest.mark.parametrize("level", [0, 10, 300, 3000])
def test_silence_and_noise_are_no_words(model, length_s, level):
    noise = np.random.default_rng(1).normal(scale=level, size=int(length_s * 16_000))
    heard = model.listen(noise.clip(-32768, 32767).astype("<i2").tobytes(), word_times=True)
    assert heard == Recognition(engine=model.name)
    assert heard.confidence is None


def test_speech_after_long_silence_is_heard(model):
    sentence = at_16k(SENTENCES[4])
    pcm = bytes(32 * 5_000) + sentence + bytes(32 * 9_000) + sentence
    assert model.listen(pcm).text == f"{SENTENCES[4]} {SENTENCES[4]}"


def test_half_a_sample_does_no_harm(model):
    pcm = at_16k(SENTENCES[0])
    assert model.listen(pcm + b"\0").text == model.listen(pcm).text


def test_words_come_with_their_times_only_when_asked(model):
    speech = at_16k("Turn off the lights in the kitchen.")
    pcm = bytes(32 * 1000) + speech
    assert model.listen(pcm).words == ()
    heard = model.listen(pcm, word_times=True)
    assert " ".join(word.text for word in heard.words) == heard.text
    times = [(word.start_ms, word.end_ms) for word in heard.words]
    assert all(start <= end for start, end in times)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(times))
    assert 1000 <= times[0][0] < 1200
    assert 1000 + len(speech) // 32 - 400 < times[-1][1] <= len(pcm) // 32


def test_each_token_has_a_probability_and_all_of_them_one(model):
    heard = model.listen(at_16k(SENTENCES[0]))
    assert b"".join(token.bytes for token in heard.tokens).decode().strip() == heard.text
    assert all(token.logprob <= 0 for token in heard.tokens)
    mean = sum(token.logprob for token in heard.tokens) / len(heard.tokens)
    assert heard.confidence == pytest.approx(math.exp(mean))
    noise = np.random.default_rng(2).normal(scale=2500, size=16_000 * 3)
    buried = (np.resize(np.frombuffer(at_16k(SENTENCES[0]), "<i2"), 16_000 * 3) + noise).clip(-32768, 32767)
    unsure = model.listen(buried.astype("<i2").tobytes())
    assert unsure.confidence is None or unsure.confidence < heard.confidence


def test_what_it_is_not_sure_of_is_searched_again_and_has_probabilities_all_the_same(model, monkeypatch):
    pcm = by_telephone(at_16k("The seven thieves were seldom ill disposed.", "onyx"))
    monkeypatch.setattr(whisper, "_SEARCHED_BELOW", 0.0)
    first = model.listen(pcm)
    monkeypatch.setattr(whisper, "_SEARCHED_BELOW", 1.0)
    again = model.listen(pcm, word_times=True)
    assert again.tokens and again.text == again.text.strip() and len(again.words) == len(again.text.split())
    assert all(token.logprob <= 0 for token in again.tokens) and 0 < again.confidence <= 1
    assert [token.logprob for token in first.tokens] != [token.logprob for token in again.tokens]


def test_other_threads_run_while_it_listens(model):
    pcm, rounds, done = at_16k(SENTENCES[0]), 0, threading.Event()

    def listen():
        model.listen(pcm)
        done.set()

    thread = threading.Thread(target=listen)
    thread.start()
    while not done.is_set():
        rounds += 1
    thread.join()
    assert rounds > 1000


def test_a_model_of_english_refuses_other_languages(model):
    with pytest.raises(SettingsError, match=r"language='de' .*English only"):
        model.listen(at_16k(SENTENCES[0]), language="de")


def test_its_name_says_what_it_is(model):
    import ctranslate2

    assert str(model.part) == f"Whisper tiny.en (int8, CTranslate2 {ctranslate2.__version__}, MIT)"


# --- many languages ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory):
    """Return a model with the vocabulary of many languages and one layer of random weights: it hears nonsense."""
    specs = pytest.importorskip("ctranslate2.specs")
    folder, width, random = tmp_path_factory.mktemp("random"), 8, np.random.default_rng(0)
    texts = (WHISPER_TINY_EN.check() / "vocabulary.txt").read_text("utf-8").split("\n")[:50256]
    # The real one has 99 languages, by which CTranslate2 knows it.
    languages = [f"<|{code}|>" for code in ("en", "de", "zh", *(f"x{number}" for number in range(96)))]
    marks = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    times = [f"{step / 50:.2f}" for step in range(1501)]
    special = [f"<|{name}|>" for name in ("startoftranscript", *marks, *times)]
    vocabulary = [*texts, "", "<|endoftext|>", special[0], *languages, *special[1:]]

    def fill(layer, *shape):
        layer.weight = random.normal(scale=0.1, size=shape).astype(np.float32)
        layer.bias = np.zeros(shape[0], np.float32)

    def even(norm):
        norm.gamma, norm.beta = np.ones(width, np.float32), np.zeros(width, np.float32)

    spec = specs.WhisperSpec(1, 1, 1, 1)
    (encoding,), (decoding,) = spec.encoder.layer, spec.decoder.layer
    fill(spec.encoder.conv1, width, 80, 3)
    fill(spec.encoder.conv2, width, width, 3)
    for part, places in ((spec.encoder, 1500), (spec.decoder, 448)):
        part.position_encodings.encodings = random.normal(size=(places, width)).astype(np.float32)
        even(part.layer_norm)
    for attention in (encoding.self_attention, decoding.self_attention, decoding.attention):
        even(attention.layer_norm)
        rows = [width, 2 * width, width] if attention is decoding.attention else [3 * width, width]
        for linear, row in zip(attention.linear, rows, strict=True):
            fill(linear, row, width)
    for layer in (encoding.ffn, decoding.ffn):
        even(layer.layer_norm)
        fill(layer.linear_0, 4 * width, width)
        fill(layer.linear_1, width, 4 * width)
    spec.decoder.embeddings.weight = random.normal(size=(len(vocabulary), width)).astype(np.float32)
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    spec.decoder.scale_embeddings = False
    spec.config.lang_ids = [vocabulary.index(language) for language in languages]
    spec.config.alignment_heads, spec.config.suppress_ids, spec.config.suppress_ids_begin = [[0, 0]], [], []
    spec.register_vocabulary(vocabulary)
    spec.validate()
    spec.save(str(folder))
    return WhisperModel(folder, name="random")


@pytest.fixture
def no_noise(monkeypatch):
    monkeypatch.setattr(whisper, "_NO_SPEECH", 2.0)  # Everything is noise to random weights.


@pytest.mark.usefixtures("no_noise")
def test_a_model_of_many_languages_hears_the_one_that_is_told(multilingual):
    assert multilingual.is_multilingual
    pcm = at_16k(SENTENCES[4])[:16_000]
    for language in ("de", "zh"):
        heard = multilingual.listen(pcm, language=language, word_times=True)
        assert heard.language == language and heard.tokens and heard.words
    assert [each.language for each in multilingual.listen_hurried([pcm, pcm], language="de")] == ["de", "de"]


@pytest.mark.usefixtures("no_noise")
def test_a_model_of_many_languages_finds_out_which_it_hears(multilingual):
    pcm = at_16k(SENTENCES[4])[:16_000]
    found = multilingual.listen(pcm)
    assert found == multilingual.listen(pcm, language=found.language)
    assert len(multilingual.listen_hurried([pcm, pcm[:8_000]])) == 2


@pytest.mark.parametrize("language", ["xx", "deutsch", "transcribe", "de-DE"])
def test_a_language_that_it_does_not_know_is_refused(multilingual, language):
    with pytest.raises(SettingsError, match=rf"language='{language}' is not known to Whisper random: give a code like"):
        multilingual.listen(at_16k(SENTENCES[4]), language=language)


# --- the folder -------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(SettingsError, match="nowhere' is not a folder"):
        check_folder(tmp_path / "nowhere")


def test_a_folders_missing_files_are_named(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SettingsError, match=r"there is no model\.bin, no vocabulary\.json or vocabulary\.txt"):
        check_folder(tmp_path)


def test_a_broken_model_is_named(tmp_path):
    pytest.importorskip("ctranslate2")
    for name in ("config.json", "vocabulary.txt"):
        shutil.copy(WHISPER_TINY_EN.check() / name, tmp_path)
    (tmp_path / "model.bin").write_bytes(b"no model")
    with pytest.raises(SettingsError, match=f"the model in '{tmp_path}' cannot be loaded"):
        WhisperModel(tmp_path)


# --- the parts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mels", [80, 128])
def test_the_filters_are_slaneys(mels):
    import librosa

    np.testing.assert_allclose(filters_of(mels), librosa.filters.mel(sr=16_000, n_fft=400, n_mels=mels), atol=1e-7)


@pytest.mark.parametrize("length", [1600, 16_000, 16_037, 100_000])
def test_the_spectrogram_is_that_of_the_whole_window(length):
    import librosa

    samples = np.random.default_rng(0).normal(scale=0.1, size=length).astype(np.float32)
    whole = np.pad(samples, (0, 12 * 16_000 - length))
    power = np.abs(librosa.stft(whole, n_fft=400, hop_length=160, window="hann", pad_mode="reflect")[:, :-1]) ** 2
    expected = np.log10(np.maximum(librosa.filters.mel(sr=16_000, n_fft=400, n_mels=80) @ power, 1e-10))
    expected = (np.maximum(expected, expected.max() - 8) + 4) / 4
    np.testing.assert_allclose(log_mel(samples, 12, 80), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("1,001 90210", "1001 90210"),
        ("It cost 1,234,567 dollars.", "It cost 1234567 dollars."),
        ("5, 4, 3", "5, 4, 3"),
        ("12,34", "12,34"),
        ("in 1961, 100 people", "in 1961, 100 people"),
    ],
)
def test_a_number_is_one_word(text, plain):
    assert plain_numbers(text) == plain


def test_a_comma_stays_where_it_may_be_the_decimal_point():
    assert plain_numbers("Es sind 1,234 Meter.", "de") == "Es sind 1,234 Meter."
    made = words_of(tokens(b" 1", b",", b"234", b" Meter"), [0, 100, 200, 300, 400], language="de")
    assert [word.text for word in made] == ["1,234", "Meter"]


def test_languages_with_many_tokens_a_second_are_not_cut_short():
    said_s, hindi_tokens = 8.3, 139  # The first article of human rights, read by espeak-ng.
    prompt = ["<|startoftranscript|>", "<|hi|>", "<|transcribe|>", "<|notimestamps|>"]
    assert whisper._most_tokens([prompt], said_s) > len(prompt) + hindi_tokens
    assert whisper._most_tokens([["<|startoftranscript|>", "<|notimestamps|>"]], said_s) < 100


def tokens(*pieces):
    return [HeardToken(piece.decode("utf-8", "replace"), piece, 0, -0.1) for piece in pieces]


def test_words_take_their_punctuation_and_their_parts_along():
    made = words_of(tokens(b" cold", b"-", b"hearted", b",", b" is"), [0, 100, 200, 300, 400, 500])
    assert [(word.text, word.start_ms, word.end_ms) for word in made] == [("cold-hearted,", 0, 400), ("is", 400, 500)]


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([" días", ",", " ¿", "có", "mo"], ["días,", "¿cómo"]),
        (["¿", "Dónde", " está", "?"], ["¿Dónde", "está?"]),
        ([" says", ' "', "yes", '"', " and"], ["says", '"yes"', "and"]),
        ([" costs", " $", "100", "."], ["costs", "$100."]),
        ([" dit", " «", " oui", " »", " ?"], ["dit", "« oui » ?"]),
        ([" cinq", " %"], ["cinq %"]),
    ],
)
def test_opening_marks_belong_to_the_next_word(pieces, words):
    made = words_of(tokens(*(piece.encode() for piece in pieces)), [*range(0, 100 * len(pieces) + 1, 100)])
    assert [word.text for word in made] == words
    assert " ".join(words) == "".join(pieces).strip()


def test_letters_that_are_spread_over_tokens_come_together():
    made = words_of(tokens("é".encode()[:1], "é".encode()[1:], b" a"), [0, 10, 20, 30])
    assert [(word.text, word.start_ms, word.end_ms) for word in made] == [("é", 0, 20), ("a", 20, 30)]


def test_languages_without_spaces_have_a_word_a_letter():
    made = words_of(tokens("你".encode(), "好".encode(), "。".encode()), [0, 100, 200, 300], language="zh")
    assert [word.text for word in made] == ["你", "好。"]


def test_long_sound_is_cut_where_it_is_quiet():
    samples = np.full(16_000 * 30, 1000, "<i2")
    samples[16_000 * 18 : 16_000 * 18 + 1600] = 0
    pieces = cut_quietly(samples.tobytes(), 20)
    assert [len(piece) / 32_000 for piece in pieces] == [18.05, 11.95]
    assert b"".join(pieces) == samples.tobytes()

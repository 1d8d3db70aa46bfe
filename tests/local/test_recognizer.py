import asyncio
import threading
import time

import numpy as np
import pytest

from realtime_nb.local.recognition.decoder import RecognitionError
from realtime_nb.local.recognition.heard import Recognition
from realtime_nb.local.recognition.language_model import LanguageModel, LanguageModels, normalize
from realtime_nb.local.recognition.recognizer import CONVERSATION, OPEN, Recognizer
from realtime_nb.local.synthesis.synthesizer import Synthesizer

EXPECTED = [
    "Hello, how are you today?",
    "What is the weather like in Berlin?",
    "Turn off the lights in the kitchen.",
    "Set a timer for fifteen minutes.",
    "I would like a refund for my order.",
    "Could you repeat that please?",
    "Tell me about the history of music.",
    "How do you say thank you in Spanish?",
    "What is seven times eight?",
    "Where is the nearest hospital?",
]
UNEXPECTED = [
    "My grandmother planted tulips behind the old church.",
    "Yesterday the senator resigned after the scandal.",
    "The committee postponed its decision about the railway budget.",
]


def speak(sentences: list[str], voice: str) -> list[bytes]:
    async def main() -> list[bytes]:
        async with Synthesizer() as synthesizer:
            return [await synthesizer.synthesize(sentence, voice, sample_rate=16_000) for sentence in sentences]

    return asyncio.run(main())


@pytest.fixture(scope="module")
def models():
    models = LanguageModels()
    yield models
    models.close()


@pytest.fixture(scope="module")
def recognizer():
    recognizer = Recognizer()
    yield recognizer
    recognizer.close()


@pytest.fixture(scope="module")
def clips():
    return speak(EXPECTED, "echo")


def errors(reference: str, heard: str) -> tuple[int, int]:
    """Return the word edit distance and the length of the reference."""
    a, b = reference.split(), heard.split()
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y)))
    return row[-1], len(a)


def word_error_rate(sentences: list[str], heard: list[str]) -> float:
    counts = [errors(" ".join(normalize(said)), text) for said, text in zip(sentences, heard, strict=True)]
    return sum(wrong for wrong, _ in counts) / sum(length for _, length in counts)


def recognize_all(
    recognizer: Recognizer, clips: list[bytes], model: LanguageModel, **options: bool
) -> list[Recognition]:
    async def main() -> list[Recognition]:
        return [await recognizer.recognize(pcm, model, **options) for pcm in clips]

    return asyncio.run(main())


@pytest.mark.parametrize(("voice", "limit"), [("echo", 0.05), ("verse", 0.1), ("alloy", 0.2), ("sage", 0.2)])
def test_expected_sentences_are_understood(recognizer, models, voice, limit):
    heard = recognize_all(recognizer, speak(EXPECTED, voice), models.base)
    assert word_error_rate(EXPECTED, [each.text for each in heard]) <= limit
    assert {each.engine for each in heard} == {CONVERSATION}


def test_a_script_makes_its_sentences_understood(recognizer, models):
    script = models.build(sentences=UNEXPECTED)
    heard = recognize_all(recognizer, speak(UNEXPECTED, "echo"), script)
    assert word_error_rate(UNEXPECTED, [each.text for each in heard]) <= 0.05


def test_words_have_their_places_in_the_sound(recognizer, models):
    silence = bytes(32 * 500)
    [pcm] = speak(["Turn off the lights."], "echo")
    [heard] = recognize_all(recognizer, [silence + pcm + silence], models.base)
    assert heard.text == "turn off the lights"
    assert all(word.start_ms < word.end_ms for word in heard.words)
    assert all(one.end_ms <= other.start_ms + 10 for one, other in zip(heard.words, heard.words[1:], strict=False))
    assert 400 < heard.words[0].start_ms < 700
    assert heard.words[-1].end_ms < len(silence + pcm) / 32 + 100


@pytest.mark.parametrize("samples", [0, 1, 100, 1599, 1600, 16_000])
def test_silence_and_scraps_are_no_words(recognizer, models, samples):
    [heard] = recognize_all(recognizer, [bytes(2 * samples)], models.base)
    assert heard.text == ""


def test_half_a_sample_and_full_scale_noise_do_no_harm(recognizer, models):
    noise = np.random.default_rng(1).integers(-32768, 32767, 16_000).astype("<i2").tobytes()
    recognize_all(recognizer, [noise, noise[:-1], b"\xff\x7f" * 8000], models.base)


def test_faint_and_noisy_speech_is_still_understood(recognizer, models, clips):
    noise = np.random.default_rng(2)
    faint = [(np.frombuffer(pcm, "<i2") * 0.1).astype("<i2").tobytes() for pcm in clips]
    noisy = [
        (np.frombuffer(pcm, "<i2") + noise.normal(scale=80, size=len(pcm) // 2)).astype("<i2").tobytes()
        for pcm in clips
    ]
    for changed in (faint, noisy):
        heard = recognize_all(recognizer, changed, models.base)
        assert word_error_rate(EXPECTED, [each.text for each in heard]) <= 0.15


def test_open_vocabulary_helps_with_the_unexpected_and_leaves_the_rest(recognizer, models, clips):
    asyncio.run(recognizer.load_open_vocabulary())
    strange = speak(UNEXPECTED, "echo")
    closed = recognize_all(recognizer, strange, models.base)
    opened = recognize_all(recognizer, strange, models.base, open_vocabulary=True)
    assert OPEN in {each.engine for each in opened}
    rates = [word_error_rate(UNEXPECTED, [each.text for each in heard]) for heard in (closed, opened)]
    assert rates[1] < 0.7 * rates[0]
    heard = recognize_all(recognizer, clips, models.base, open_vocabulary=True)
    assert {each.engine for each in heard} == {CONVERSATION}


def test_open_vocabulary_is_left_out_while_its_model_loads(models, clips):
    recognizer = Recognizer()
    try:
        gate = threading.Event()
        recognizer._open_pool.submit(gate.wait, 60)
        [strange] = speak(UNEXPECTED[:1], "echo")
        [heard] = recognize_all(recognizer, [strange], models.base, open_vocabulary=True)
        assert heard.engine == CONVERSATION
    finally:
        gate.set()
        recognizer.close()


def test_a_monologue_is_cut_where_it_is_quiet(recognizer, models, monkeypatch):
    monkeypatch.setattr("realtime_nb.local.recognition.recognizer.LONGEST_PIECE_S", 4.0)
    sentences = EXPECTED[:6]
    pcm = bytes(32 * 400).join(speak(sentences, "echo"))
    [heard] = recognize_all(recognizer, [pcm], models.base)
    assert word_error_rate([" ".join(sentences)], [heard.text]) <= 0.15
    starts = [word.start_ms for word in heard.words]
    assert starts == sorted(starts)
    assert starts[-1] > 8_000


def test_the_loop_runs_on_while_an_utterance_is_decoded(recognizer, models, clips):
    async def main() -> tuple[float, float]:
        await recognizer.warm_up(models.base)
        begun = before = time.perf_counter()
        job = asyncio.create_task(recognizer.recognize(b"".join(clips[:8]), models.base))
        longest = 0.0
        while not job.done():
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now
        return longest, before - begun

    longest_s, whole_s = asyncio.run(main())
    assert longest_s < 0.5 * whole_s


def test_the_queue_is_told_in_seconds_and_empties(recognizer, models, clips):
    async def main() -> tuple[float, float]:
        jobs = [asyncio.create_task(recognizer.recognize(pcm, models.base)) for pcm in clips]
        await asyncio.sleep(0)
        waiting = recognizer.queue_s
        await asyncio.gather(*jobs)
        return waiting, recognizer.queue_s

    waiting_s, left_s = asyncio.run(main())
    assert waiting_s == pytest.approx(sum(map(len, clips)) / 32_000)
    assert left_s == 0


def test_an_utterance_that_waits_can_be_dropped(recognizer, models, clips, monkeypatch):
    decoded = []
    decoder = recognizer._decoder
    monkeypatch.setattr(recognizer, "_decoder", lambda *given, **more: decoded.append(1) or decoder(*given, **more))

    async def main() -> None:
        jobs = [asyncio.create_task(recognizer.recognize(pcm, models.base)) for pcm in clips * 3]
        await asyncio.sleep(0)
        for job in jobs:
            job.cancel()
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        assert (await recognizer.recognize(clips[0], models.base)).text == "hello how are you today"
        dropped = len(jobs) + 1 - len(decoded)
        assert dropped > len(jobs) / 2
        await recognizer.warm_up(models.base)  # needs both threads, so what was being decoded is done

    asyncio.run(main())
    assert recognizer.queue_s == 0


def test_many_sessions_at_once_get_their_own_words(recognizer, models, clips):
    other = models.build(instructions="Talk of castles and dragons.")

    async def main() -> list[Recognition]:
        return await asyncio.gather(
            *[recognizer.recognize(pcm, model) for pcm in clips for model in (models.base, other)]
        )

    heard = [each.text for each in asyncio.run(main())]
    assert word_error_rate([text for text in EXPECTED for _ in range(2)], heard) <= 0.1


def test_decoders_are_hurried_when_much_waits(recognizer, models, clips, monkeypatch):
    asked = []
    decoder = recognizer._decoder
    monkeypatch.setattr(
        recognizer, "_decoder", lambda language, **given: asked.append(given["hurried"]) or decoder(language, **given)
    )

    async def main() -> None:
        await asyncio.gather(*[recognizer.recognize(pcm, models.base) for pcm in clips])

    asyncio.run(main())
    assert asked[0] is False
    assert asked[-1] is True


def test_few_decoders_are_kept(models, clips, monkeypatch):
    monkeypatch.setattr("realtime_nb.local.recognition.recognizer.DECODERS_PER_THREAD", 2)
    monkeypatch.setattr("realtime_nb.local.recognition.recognizer.THREADS", 1)
    recognizer = Recognizer()
    try:
        for topic in ("ships", "shoes", "trains"):
            recognize_all(recognizer, clips[:1], models.build(instructions=f"Talk of {topic}."))
        assert recognizer._pool.submit(lambda: len(recognizer._local.decoders)).result() == 2
    finally:
        recognizer.close()


def test_a_failure_in_a_thread_reaches_the_caller(recognizer, models, clips, tmp_path):
    broken = LanguageModel("broken", tmp_path / "none.lm", tmp_path / "none.dict", frozenset())
    with pytest.raises(RecognitionError):
        recognize_all(recognizer, clips[:1], broken)
    assert recognizer.queue_s == 0

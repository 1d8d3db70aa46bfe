from __future__ import annotations

import asyncio

import pytest
from local_session import silence, spoken

from realtime_nb.local.api_errors import ApiError
from realtime_nb.local.recognition.recognizer import FEW_SESSIONS, SharedRecognizer
from realtime_nb.media.clip import Resampler


@pytest.fixture
def recognizer():
    recognizer = SharedRecognizer(open_vocabulary=False)
    yield recognizer
    recognizer.close()


def test_what_is_expected_is_heard(recognizer):
    async def main():
        expected = await recognizer.expect(sentences=["the captain of the ship is asleep"])
        pcm = Resampler(24_000, 16_000).process(spoken("The captain of the ship is asleep."), last=True)
        assert (await recognizer.listen(pcm, expected)).text == "the captain of the ship is asleep"

    asyncio.run(main())


def test_too_much_to_do_is_refused(recognizer, monkeypatch):
    monkeypatch.setattr(SharedRecognizer, "wait_s", 2.5)

    async def main():
        with pytest.raises(ApiError, match=r"2\.5 s behind") as refused:
            await recognizer.listen(bytes(32_000))
        assert refused.value.code == "rate_limit_exceeded"

    assert recognizer.is_overloaded
    asyncio.run(main())


def test_the_generic_model_listens_only_to_few(recognizer):
    recognizer.open_vocabulary = True
    for _ in range(FEW_SESSIONS):
        recognizer.join()
        assert recognizer.hears_all
    recognizer.join()
    assert not recognizer.hears_all
    recognizer.leave()
    assert recognizer.hears_all


def test_words_come_with_their_times(recognizer):
    async def main():
        pcm = Resampler(24_000, 16_000).process(silence(1000) + spoken("Good morning."), last=True)
        heard = await recognizer.listen(pcm)
        assert heard.text == "good morning"
        assert 900 < heard.words[0].start_ms < 1300

    asyncio.run(main())

from __future__ import annotations

import asyncio

import pytest
from local_session import silence, spoken

from realtime_nb.local.api_errors import ApiError
from realtime_nb.local.recognition.recognizer import FEW_SESSIONS, LocalEars
from realtime_nb.media.clip import Resampler


@pytest.fixture
def ears():
    ears = LocalEars(open_vocabulary=False)
    yield ears
    ears.close()


def test_what_is_expected_is_heard(ears):
    async def main():
        expected = await ears.expect(sentences=["the captain of the ship is asleep"])
        pcm = Resampler(24_000, 16_000).process(spoken("The captain of the ship is asleep."), last=True)
        assert await ears.recognize(pcm, expected) == "the captain of the ship is asleep"

    asyncio.run(main())


def test_too_much_to_do_is_refused(ears, monkeypatch):
    monkeypatch.setattr(LocalEars, "wait_s", 2.5)

    async def main():
        with pytest.raises(ApiError, match=r"2\.5 s behind") as refused:
            await ears.recognize(bytes(32_000))
        assert refused.value.code == "rate_limit_exceeded"

    assert ears.is_overloaded
    asyncio.run(main())


def test_the_generic_model_listens_only_to_few(ears):
    ears.open_vocabulary = True
    for _ in range(FEW_SESSIONS):
        ears.join()
        assert ears.hears_all
    ears.join()
    assert not ears.hears_all
    ears.leave()
    assert ears.hears_all


def test_words_come_with_their_times(ears):
    async def main():
        pcm = Resampler(24_000, 16_000).process(silence(1000) + spoken("Good morning."), last=True)
        heard = await ears.listen(pcm)
        assert heard.text == "good morning"
        assert 900 < heard.words[0].start_ms < 1300

    asyncio.run(main())

import math
import time

import pytest
from browser.bare import until
from hypothesis import given
from hypothesis import strategies as st

from realtime_nb.loop import call_soon, io_loop
from realtime_nb.widgets.base import ClockExchange, PageClock, quickest

delays = st.floats(0.0, 500.0)


class Page:
    """A page whose clock is ahead, at the end of a road; it answers at once, or when the test says."""

    def __init__(self, ahead_ms=0.0, answers=True):
        self.ahead_ms = ahead_ms
        self.answers = answers
        self.asked = []
        self.rounds = 0
        self.clock = PageClock(self, self._aligned)

    def send(self, message, *, urgent=False):
        assert urgent and message["kind"] == "clock"
        self.asked.append(message)
        if self.answers:
            io_loop().call_soon(self.answer, message)

    def answer(self, message):
        self.clock.on_answer(message | {"time_ms": math.floor(time.time() * 1000 + self.ahead_ms)})

    def _aligned(self):
        self.rounds += 1


@pytest.fixture
def page_of():
    def make(**options):
        page = Page(**options)
        call_soon(page.clock.align)
        return page

    return make


@given(
    ahead_ms=st.floats(-1e7, 1e7),
    at_ms=st.floats(0, 1e6),
    ways=st.lists(st.tuples(delays, delays), min_size=1, max_size=8),
)
def test_the_error_is_never_larger_than_stated(ahead_ms, at_ms, ways):
    exchanges = [ClockExchange(at_ms, float(math.floor(at_ms + up + ahead_ms)), at_ms + up + down) for up, down in ways]
    best = quickest(exchanges)
    assert abs(best.offset_ms - ahead_ms) <= best.error_ms + 1e-6
    assert best.error_ms == min(exchange.error_ms for exchange in exchanges)


@pytest.mark.parametrize("ahead_ms", [0.0, 5_000.0, -7_200_000.25])
def test_a_page_that_is_ahead_is_found_out(page_of, ahead_ms):
    page = page_of(ahead_ms=ahead_ms)
    until(lambda: page.rounds)
    aligned = page.clock.aligned
    assert abs(aligned.offset_ms - ahead_ms) <= aligned.error_ms + 0.1
    assert 1.0 <= aligned.error_ms == aligned.round_trip_ms / 2 + 1.0
    assert page.clock.ago_ms(time.time() * 1000 + ahead_ms - 250) == pytest.approx(250, abs=aligned.error_ms + 5)


def test_a_round_is_a_few_exchanges_one_after_the_other(page_of):
    page = page_of()
    until(lambda: page.rounds)
    assert len(page.asked) == 8
    assert len({message["sent_ms"] for message in page.asked}) == 8


def test_a_round_is_told_again_when_asked_for(page_of):
    page = page_of()
    until(lambda: page.rounds)
    page.ahead_ms = 10_000.0
    call_soon(page.clock.align)
    until(lambda: page.rounds == 2)
    assert page.clock.aligned.offset_ms == pytest.approx(10_000, abs=page.clock.aligned.error_ms + 0.1)


def test_before_an_answer_nothing_is_known(page_of):
    page = page_of(answers=False)
    until(lambda: page.asked)
    assert page.clock.aligned is page.clock.ago_ms(time.time() * 1000) is None


def test_an_answer_that_comes_too_late_does_not_count(page_of):
    page = page_of(answers=False)
    until(lambda: page.asked)
    call_soon(page.clock.align)
    call_soon(page.answer, page.asked[0])
    until(lambda: len(page.asked) == 2)
    call_soon(page.clock.align)
    until(lambda: len(page.asked) == 3)
    assert page.rounds == 0


def test_a_page_that_answers_slowly_is_taken_at_its_few_words(page_of):
    page = page_of(answers=False)
    until(lambda: page.asked)
    call_soon(page.answer, page.asked[0])
    call_soon(page.clock.align)
    until(lambda: page.rounds == 1)
    assert page.clock.aligned is not None


def test_with_the_page_its_clock_is_forgotten(page_of):
    page = page_of()
    until(lambda: page.rounds)
    call_soon(page.clock.forget)
    until(lambda: page.clock.aligned is None)
    assert page.clock.ago_ms(0.0) is None

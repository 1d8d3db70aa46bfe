"""The program behind pipes: requests out, frames in, each to whom they belong."""

import asyncio
import os
import signal

import pytest

from realtime_nb.errors import MissingExtra
from realtime_nb.local.synthesis.espeak import EspeakProcess, ProcessEnded, SynthesisError


def run(use):
    async def main():
        process = await EspeakProcess.start()
        try:
            return await asyncio.wait_for(use(process), 60)
        finally:
            await process.close()

    return asyncio.run(main())


def request(text, **options):
    return {"text": text, "voice": "en-us+f5", "rate": 160, "pitch": 35, "volume": 60, **options}


async def frames_of(process, text, **options):
    return [frame async for frame in process.request(request(text, **options))]


def size_of(frames):
    """Return how much sound there is; espeak's noise is never twice the same, and may take a sample more."""
    return sum(len(data) for kind, data in frames if kind == b"S")


def test_frames_of_requests_that_overlap_are_sorted():
    async def both(process):
        return await asyncio.gather(frames_of(process, "One."), frames_of(process, "A longer one, for sure."))

    short, long = run(both)
    alone = run(lambda process: frames_of(process, "One."))
    assert size_of(short) == pytest.approx(size_of(alone), rel=0.01)
    assert size_of(long) > 1.5 * size_of(short) > 1_000


def test_a_request_that_is_left_is_aborted_and_the_next_is_answered():
    async def leave(process):
        frames = process.request(request(" ".join(map(str, range(3_000)))))
        await anext(frames)
        await frames.aclose()
        return await frames_of(process, "Hello.")

    after, fresh = run(leave), run(lambda process: frames_of(process, "Hello."))
    assert size_of(after) == pytest.approx(size_of(fresh), rel=0.01)  # nothing of the numbers is in it


def test_what_the_program_refuses_is_an_error_of_that_request_alone():
    async def refused(process):
        with pytest.raises(SynthesisError):
            await frames_of(process, "Hello.", voice="nobody")
        return await frames_of(process, "Hello.")

    assert run(refused)


def test_waiting_callers_learn_that_the_process_is_gone():
    async def kill(process):
        frames = process.request(request(" ".join(map(str, range(3_000)))))
        await anext(frames)
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(ProcessEnded, match="-9"):
            async for _ in frames:
                pass
        assert not process.alive
        with pytest.raises(ProcessEnded, match="gone"):
            await frames_of(process, "Hello.")

    run(kill)


def test_closing_ends_the_process_whatever_it_does():
    async def close(process):
        frames = process.request(request(" ".join(map(str, range(3_000)))))
        await anext(frames)
        await process.close()
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)

    run(close)


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"speech synthesis is not installed .*pip install 'realtime-nb\[local\]'"):
        asyncio.run(EspeakProcess.start())


def test_a_process_that_does_not_start_is_a_clear_error(monkeypatch, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit(7)")
    monkeypatch.setattr("realtime_nb.local.synthesis.espeak.PROGRAM", broken)
    with pytest.raises(SynthesisError, match="did not start; its process ended with 7"):
        asyncio.run(EspeakProcess.start())

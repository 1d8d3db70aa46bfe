import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from realtime_nb.local.synthesis.espeak import PROGRAM

HEADER = struct.Struct("<cII")


class Conversation:
    def __init__(self, process: subprocess.Popen[bytes]):
        self.process = process

    def send(self, **message: object) -> None:
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, text: str, *, id: int = 1, voice: str = "en-us+f5", rate: int = 160) -> None:
        self.send(id=id, text=text, voice=voice, rate=rate, pitch=35, volume=60)

    def frame(self) -> tuple[bytes, int, bytes]:
        kind, id, length = HEADER.unpack(self.process.stdout.read(HEADER.size))
        return kind, id, self.process.stdout.read(length)

    def until_done(self, id: int = 1) -> list[tuple[bytes, bytes]]:
        frames = []
        while True:
            kind, frame_id, payload = self.frame()
            assert frame_id == id
            frames.append((kind, payload))
            if kind in (b"D", b"E"):
                return frames


@contextmanager
def program(*command: str) -> Iterator[Conversation]:
    command = command or ("-P", str(PROGRAM))
    process = subprocess.Popen([sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield Conversation(process)
    finally:
        process.kill()
        process.communicate(timeout=10)


@pytest.fixture
def espeak():
    with program() as conversation:
        assert conversation.frame() == (b"R", 0, struct.pack("<I", 22_050))
        yield conversation


def sound(frames: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(payload for kind, payload in frames if kind == b"S")


def words(frames: list[tuple[bytes, bytes]]) -> list[tuple[int, int]]:
    return [pair for kind, payload in frames if kind == b"W" for pair in struct.iter_unpack("<II", payload)]


def test_a_request_is_answered_by_words_and_sound(espeak):
    espeak.ask("Hello there, my friend.")
    frames = espeak.until_done()
    assert frames[-1] == (b"D", b"")
    assert len(sound(frames)) > 22_050
    assert [index for index, _ in words(frames)] == [0, 6, 13, 16]
    offsets = [ms for _, ms in words(frames)]
    assert offsets == sorted(offsets)


def test_word_positions_count_characters_beyond_the_basic_plane_as_one(espeak):
    espeak.ask("Fine 😀 friend")
    assert [index for index, _ in words(espeak.until_done())][-1] == 7


@pytest.mark.parametrize("voice", ["en-us+f5", "en-us+m5", "en-us+klatt3", "en-us+edward"])
def test_a_text_sounds_the_same_in_every_process_whatever_was_said_before(espeak, voice):
    text = "How are you today, my friend?"
    espeak.ask(text, voice=voice)
    alone = sound(espeak.until_done())
    with program() as other:
        other.frame()
        other.ask("Half a clause that nobody hears out, and one more.", id=2, voice=voice, rate=449)
        other.send(abort=2)
        other.until_done(2)
        for id in (3, 4):
            other.ask(text, id=id, voice=voice)
            assert sound(other.until_done(id)) == alone


def test_requests_are_answered_in_order_and_by_their_ids(espeak):
    for id in (3, 4, 5):
        espeak.ask("Yes.", id=id)
    for id in (3, 4, 5):
        assert espeak.until_done(id)[-1][0] == b"D"


@pytest.mark.parametrize("text", ["", " ", "\0", "a\0b", "\ud800", "[[h@'loU]]", "<speak>&amp;</speak>", "😀" * 50])
def test_strange_text_ends_well(espeak, text):
    espeak.ask(text)
    assert espeak.until_done()[-1] == (b"D", b"")


def test_an_unknown_voice_fails_and_the_next_request_works(espeak):
    espeak.ask("Hello", voice="xx-klingon")
    assert espeak.until_done()[-1] == (b"E", b"ValueError: espeak-ng has no voice 'xx-klingon'")
    espeak.ask("Hello", id=2)
    assert espeak.until_done(2)[-1][0] == b"D"


def test_an_incomplete_request_fails_and_the_next_one_works(espeak):
    espeak.send(id=1, text="Hello")
    assert espeak.until_done()[-1] == (b"E", b"KeyError: 'voice'")
    espeak.ask("Hello", id=2)
    assert espeak.until_done(2)[-1][0] == b"D"


def test_an_aborted_request_ends_early_and_does_not_touch_the_next(espeak):
    espeak.ask("one two three four five six seven eight nine ten " * 80)
    assert espeak.frame()[1] == 1
    espeak.send(abort=1)
    frames = espeak.until_done()
    assert frames[-1][0] == b"D"
    assert len(sound(frames)) / 44_100 < 120  # of 250 s
    espeak.ask("Hello", id=2)
    assert len(sound(espeak.until_done(2))) > 10_000


def test_a_request_aborted_before_its_turn_makes_no_sound(espeak):
    espeak.ask("one two three four five six seven eight nine ten " * 40)
    espeak.ask("Not wanted.", id=2)
    espeak.send(abort=2)
    espeak.until_done()
    assert espeak.until_done(2) == [(b"D", b"")]


def test_it_ends_when_stdin_does_after_what_was_asked(espeak):
    espeak.ask("Goodbye.")
    espeak.process.stdin.close()
    assert len(sound(espeak.until_done())) > 10_000
    assert espeak.process.wait(timeout=10) == 0
    espeak.process.stdin = None  # it is closed; communicate() must not flush it


def test_it_ends_when_its_output_is_closed(espeak):
    espeak.process.stdout.close()
    espeak.ask("Hello.")
    assert espeak.process.wait(timeout=10) == 0
    espeak.process.stdin.close()
    espeak.process.stdin = espeak.process.stdout = None


def test_it_also_runs_as_a_module():
    with program("-m", "realtime_nb.local.synthesis.espeak_process") as conversation:
        assert conversation.frame()[0] == b"R"


def test_the_file_imports_nothing_of_the_package_and_no_library_but_the_loader():
    code = (
        f"import sys, runpy; runpy.run_path({str(PROGRAM)!r}, run_name='espeak_process'); "
        "heavy = {'numpy', 'realtime_nb', 'asyncio', 'msgspec', 'soxr'} & set(sys.modules); print(heavy or 'light')"
    )
    out = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert out.stdout.strip() == "light"

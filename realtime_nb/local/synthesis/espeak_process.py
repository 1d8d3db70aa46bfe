"""Speech synthesis as a small program of its own: text in, sound out, over a pipe.

espeak-ng is GPL-3.0-or-later. It is loaded here and nowhere else, in a process that shares no memory with the rest of
this package and imports none of it: the two talk in JSON lines and frames. The program starts in about 60 ms.

Requests, one JSON object a line on stdin, answered in order::

    {"id": 7, "text": "Hello.", "voice": "en-us+f5", "rate": 160, "pitch": 35, "volume": 60}
    {"id": 8, "phonemes": ["Hello."], "voice": "en-us"}
    {"abort": 7}                      request 7 ends within 60 ms of sound, once the clause is made (15 ms at most)

Frames on stdout, each a header ``<cII`` (kind, id, payload length) and a payload::

    R  ready, id 0                    payload: the sample rate, uint32
    W  words of the sound that comes  payload: pairs of uint32, (index of the character, offset in ms)
    S  sound                          payload: PCM16, mono
    P  phonemes                       payload: a JSON list of texts, in the International Phonetic Alphabet
    D  done, or aborted               no payload
    E  failed                         payload: why, UTF-8

It ends when stdin does, after answering the requests that it has; or at once when stdout is closed.
"""

import ctypes
import json
import os
import queue
import re
import signal
import struct
import sys
import threading

import espeakng_loader

if sys.platform == "win32":
    from _ctypes import FreeLibrary as _unload
else:
    from _ctypes import dlclose as _unload

HEADER = struct.Struct("<cII")

# Numbers from espeak-ng's speak_lib.h, 1.52.
_SYNCHRONOUS, _DONT_EXIT = 2, 0x8000
_RATE, _VOLUME, _PITCH = 1, 2, 3
_CHARS_UTF8, _END_PAUSE = 1, 0x1000
_IPA = 2
_EVENT_LIST_ENDS, _EVENT_WORD = 0, 1
# Longer than any clause. In fast speech the library drops sound that does not fill its last block: with blocks of 60 ms
# it lost the last 100 ms of "What can you do?" at 449 words a minute.
_BLOCK_MS = 60_000
_PIECE_MS = 60
# The seed of breath and hiss. By default the library takes the time of day.
_SEED = ctypes.c_long(1)


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Program:
    """One espeak-ng, the requests it still has, and the pipe its frames go to."""

    def __init__(self) -> None:
        self._out = sys.stdout.buffer
        self._requests: queue.SimpleQueue[dict[str, object] | None] = queue.SimpleQueue()
        self._aborted: set[int] = set()
        self._current = 0
        self._given = 0
        """Samples of the current request that were passed on."""
        self._failure: OSError | None = None
        self._sample_rate = 0
        self._callback = _Callback(self._on_block)  # the library does not keep a reference
        self._espeak: ctypes.CDLL | None = None

    def run(self) -> None:
        """Answer requests until stdin ends or stdout breaks."""
        self._aborted.add(0)
        # Load the voice before anyone waits for it.
        self._synthesize({"id": 0, "text": "a", "voice": "en-us", "rate": 160, "pitch": 50, "volume": 60})
        self._send(b"R", struct.pack("<I", self._sample_rate))
        threading.Thread(target=self._read, daemon=True).start()
        while (request := self._requests.get()) is not None:
            try:
                self._synthesize(request)
            except (KeyError, TypeError, ValueError) as error:
                self._send(b"E", f"{type(error).__name__}: {error}".encode())
            self._aborted.discard(self._current)

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if "abort" in message:
                if message["abort"] >= self._current:  # an answered request may be forgotten
                    self._aborted.add(message["abort"])
            else:
                self._requests.put(message)
        self._requests.put(None)

    def _synthesize(self, request: dict[str, object]) -> None:
        self._current, self._given = int(str(request["id"])), 0
        espeak = self._load()
        voice = str(request["voice"])
        if espeak.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        if isinstance(texts := request.get("phonemes"), list):
            self._send(b"P", json.dumps([self._phonemes(espeak, str(text)) for text in texts]).encode())
            self._send(b"D")
            return
        for parameter, name in ((_RATE, "rate"), (_PITCH, "pitch"), (_VOLUME, "volume")):
            espeak.espeak_SetParameter(parameter, int(str(request[name])), 0)
        # A null character would end the text; a lone surrogate has no UTF-8.
        text = str(request["text"]).replace("\0", " ").encode("utf-8", "replace") + b"\0"
        if self._current not in self._aborted:
            espeak.espeak_Synth(text, len(text), 0, 0, 0, _CHARS_UTF8 | _END_PAUSE, None, None)
        if self._failure:
            raise self._failure
        if self._current:
            self._send(b"D")

    def _phonemes(self, espeak: ctypes.CDLL, text: str) -> str:
        espeak.espeak_TextToPhonemes.restype = ctypes.c_char_p
        rest = ctypes.c_char_p(text.replace("\0", " ").encode("utf-8", "replace"))
        clauses = []
        while rest:  # The library moves it on by a clause, and sets it to null after the last.
            clauses.append(espeak.espeak_TextToPhonemes(ctypes.byref(rest), _CHARS_UTF8, _IPA).decode())
        # Marks like "(de)" tell of another language.
        return re.sub(r"\([a-z-]+\)", "", " ".join(clauses)).strip()

    def _load(self) -> ctypes.CDLL:
        """Load the library again, which takes 0.3 ms.

        Its random numbers, flutter and filters go on from one text to the next, and only the first can be set. A fresh
        library always makes the same sound from the same text.
        """
        if self._espeak is not None:
            self._espeak.espeak_Terminate()
            _unload(self._espeak._handle)
        self._espeak = espeak = ctypes.CDLL(espeakng_loader.get_library_path())
        data = os.fsencode(espeakng_loader.get_data_path())
        self._sample_rate = espeak.espeak_Initialize(_SYNCHRONOUS, _BLOCK_MS, data, _DONT_EXIT)
        if self._sample_rate <= 0:
            raise OSError(f"espeak-ng found no data in {data!r}")
        espeak.espeak_SetSynthCallback(self._callback)
        espeak.espeak_ng_SetRandSeed(_SEED)
        return espeak

    def _on_block(
        self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: "ctypes._Pointer[_Event]"
    ) -> int:
        """Pass one block on; 1 tells the library to stop. No exception may cross into C."""
        try:
            marks = []
            index = 0
            while events and (event := events[index]).type != _EVENT_LIST_ENDS:
                if event.type == _EVENT_WORD:
                    marks.append((max(0, event.text_position - 1), max(0, event.audio_position_ms)))
                index += 1
            pcm = ctypes.string_at(samples, 2 * count) if count > 0 else b""
            size = 2 * (self._sample_rate * _PIECE_MS // 1000)
            for start in range(0, max(1, len(pcm)), size):
                if self._current in self._aborted:
                    return 1
                piece = pcm[start : start + size]
                self._given += len(piece) // 2
                end_ms = self._given * 1000 / self._sample_rate
                is_last = start + size >= len(pcm)
                due = [mark for mark in marks if mark[1] < end_ms or is_last]
                marks = [mark for mark in marks if mark not in due]
                if due:
                    self._send(b"W", struct.pack(f"<{2 * len(due)}I", *(value for mark in due for value in mark)))
                if piece:
                    self._send(b"S", piece)
        except OSError as error:
            self._failure = error
            return 1
        return 0

    def _send(self, kind: bytes, payload: bytes = b"") -> None:
        self._out.write(HEADER.pack(kind, self._current, len(payload)) + payload)
        self._out.flush()


def main() -> None:
    """Run the program on this process's stdin and stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C at a terminal reaches the whole group; the parent decides
    try:
        Program().run()
    except BrokenPipeError:
        os._exit(0)  # flushing stdout once more at exit would only fail again


if __name__ == "__main__":
    main()

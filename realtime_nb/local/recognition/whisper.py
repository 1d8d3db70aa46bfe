"""Whisper through CTranslate2: PCM16 at 16 kHz in, words with punctuation out. The only import of ctranslate2.

How to use it::

    model = WhisperModel(folder)                        # blocks for a third of a second
    heard = model.listen(pcm16k, word_times=True)       # blocks, without the interpreter lock, up to `LONGEST_S`
    heard.text, heard.confidence, heard.words, heard.tokens
    model.listen_hurried([pcm16k, …])                   # several at once, in less than half the time, less well

A folder holds ``config.json``, ``model.bin`` and ``vocabulary.json`` or ``.txt``, as CTranslate2's converter makes them
and as faster-whisper's models on Hugging Face have them. The log-mel front end is that of OpenAI's reference
implementation (whisper/audio.py), except for the window, which always has 30 s there. Here it has at least 12 s, and 3
s more than the sound: a third of the work. Shorter windows make tiny.en repeat itself (43 % of the words wrong with
length + 1 s alone, 3.8 % with 12 s, 1.9 % with 30 s). Text that still repeats itself is decoded again with 30 s. Of
44 s read aloud, in pieces of 10 to 14 s in 8 kHz mu-law, by telephone and in noise, 8.8 % of the words were wrong with
1 s behind each piece, and 2.2 % with 3 s and a second try for texts that end with what they said before.

Numbers come out as Whisper writes them, mostly in digits: "7 of clubs", "1961". In English the comma in "1,000" is
removed, so that one number is one word; elsewhere it may be the decimal point.
"""

from __future__ import annotations

import functools
import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import MissingExtra, SettingsError
from ...media.mel import mel_edges_hz, mel_filters
from ...protocol.parts import LocalPart
from .heard import SAMPLE_RATE, HeardToken, HeardWord, Recognition

Floats = npt.NDArray[np.float32]

LONGEST_S = 20.0
"""The longest sound for `WhisperModel.listen`; cut longer sound with `heard.cut_quietly`."""
SHORTEST_S = 0.1
_WINDOW_S = 12.0
_HURRIED_WINDOW_S, _HURRIED_SILENCE_S = 6.0, 2.0
"""Less to encode, and more loops, which are cut. Eleven clips by people took 172 ms each, four at once, where `listen`
took 418 ms; of 107 words 9 were wrong instead of 6, 13 instead of 9 by telephone, and in noise at 10 dB as many.
Questions of 2 s take 100 ms instead of 246, for the decoder's weights are read once for all."""
_SILENCE_S = 3.0
_FULL_WINDOW_S = 30.0
#: If it is less sure than this, it decodes again with five beams, as OpenAI's own transcribe does: of 107 words by
#: people, 5 were wrong instead of 8, and 13 instead of 16 in noise at 10 dB. It takes 30 to 100 ms more.
_SEARCHED_BELOW, _BEAMS = 0.8, 5
_NO_SPEECH = 0.6
"""Whisper's own threshold. 105 sounds without speech had 0.85 to 0.99 (tiny.en); speech mostly has less."""
_SURE = 0.6
"""With this confidence it counts as speech anyway, e.g. after long silence. Those 105 sounds had at most 0.42."""
_REPETITIVE = 2.4
"""Whisper's own threshold: text that deflate makes this many times smaller repeats itself."""
_LOOP_TOKENS = 8
"""A text that ends with so many tokens that it had before is decoded again: it may have gone round in a loop."""
_FAST_ENGLISH, _FAST_SPEECH = 8, 40
"""No one speaks more tokens a second than this, so that a loop ends before it fills the window. Other languages have
more: the vocabulary knows few of their words. espeak-ng reads Hindi with 17 a second, and Georgian with 35."""
_FEW_TOKENS = 24
_LONGEST_TEXT = 448
_MS_PER_STEP = 20
_LONGEST_CODE = len("yue")
"""Longer names between the same marks are no languages, such as "transcribe"."""
_FILES = ("config.json", "model.bin")
_VOCABULARIES = ("vocabulary.json", "vocabulary.txt")
_SPECIAL = re.compile(r"<\|.*\|>")
# Languages that do not separate words by spaces: whisper/tokenizer.py, `split_to_word_tokens`.
_UNPARTED = frozenset(("zh", "ja", "th", "lo", "my", "yue"))
# Marks that belong to the word after them, if a space is before: whisper/transcribe.py, and currencies.
_OPENING = frozenset("\"'“‘„«¿¡([{-#$€£")

# --- The front end: sound as Whisper sees it --------------------------------------------------------------------------

_WINDOW, _HOP = 400, 160
_HANN = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)


@functools.cache
def filters_of(mels: int) -> Floats:
    """Return the mel filters for the 201 frequencies of a window, shape ``(mels, 201)``."""
    return mel_filters(mel_edges_hz(0, SAMPLE_RATE / 2, mels), SAMPLE_RATE, _WINDOW)


def log_mel(samples: Floats, window_s: float, mels: int) -> Floats:
    """Return the log-mel spectrogram of sound followed by silence, shape ``(mels, 100 * window_s)``.

    `samples`: full scale 1.0 at 16 kHz, shorter than `window_s`.
    """
    frames = int(window_s * SAMPLE_RATE) // _HOP
    # Beyond this every frame holds zeros.
    heard = min(frames, (len(samples) + _WINDOW) // _HOP + 1)
    padded = np.pad(samples, (0, max(0, heard * _HOP + _WINDOW - len(samples))))
    padded = np.concatenate((padded[_WINDOW // 2 : 0 : -1], padded))
    cut = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP][:heard]
    power = np.square(np.abs(np.fft.rfft(cut * _HANN, axis=1))).astype(np.float32)
    spectrogram = np.full((mels, frames), -10, np.float32)
    spectrogram[:, :heard] = np.log10(np.maximum(filters_of(mels) @ power.T, 1e-10))
    spectrogram = np.maximum(spectrogram, spectrogram.max() - 8)
    return np.asarray((spectrogram + 4) / 4, np.float32)


# --- The model --------------------------------------------------------------------------------------------------------


class WhisperModel:
    """A model, loaded; any thread may use it.

    `folder`: see above. `name`: the model's usual name; by default the folder's. `licence`: that of its weights, if it
    is known. `workers`: how many utterances are decoded at once, each on one core; they share the weights.

    Raises `MissingExtra` if ctranslate2 is not installed; `SettingsError`, which names the folder, if the model cannot
    be loaded.
    """

    def __init__(self, folder: Path, *, name: str = "", licence: str = "", workers: int = 1):
        try:
            import ctranslate2
        except ImportError as error:
            raise MissingExtra("Whisper", "local", str(error)) from error
        check_folder(folder)
        try:
            self._model: Any = ctranslate2.models.Whisper(
                str(folder), device="cpu", compute_type="int8", inter_threads=workers, intra_threads=1
            )
        except (RuntimeError, ValueError) as error:
            raise SettingsError(f"the model in {str(folder)!r} cannot be loaded: {error}") from error
        self._as_features = ctranslate2.StorageView.from_array
        self.name = f"Whisper {name or folder.name}"
        self.part = LocalPart(self.name, f"int8, CTranslate2 {ctranslate2.__version__}", licence)
        """Its name and version, e.g. "Whisper tiny.en (int8, CTranslate2 4.8.5, MIT)"."""
        self.is_multilingual: bool = self._model.is_multilingual
        self._ids = {token: number for number, token in enumerate(_vocabulary(folder))}

    def listen(self, pcm: bytes, *, language: str | None = None, word_times: bool = False) -> Recognition:
        """Recognise an utterance: PCM16 at 16 kHz, at most `LONGEST_S`.

        `language`: the language spoken, e.g. ``"de"``, for models of many languages; by default they find out.
        `word_times`: whether to find the words' places in the sound, which takes 15 to 40 ms more.

        Raises `SettingsError` if the model does not know the language.
        """
        samples = _samples(pcm)
        if len(samples) < SHORTEST_S * SAMPLE_RATE:
            return Recognition(engine=self.name)
        length_s = len(samples) / SAMPLE_RATE
        sound = self._encode([samples], max(_WINDOW_S, length_s + _SILENCE_S))
        (prompt,) = self._prompts(sound, language)
        (result,) = self._generate(sound, [prompt], length_s)
        if _repeats_itself(result):
            sound = self._encode([samples], _FULL_WINDOW_S)
            (result,) = self._generate(sound, [prompt], length_s)
        heard = self._recognition(self._tokens(result), result, prompt, self.name)
        tokens = list(heard.tokens)
        frames = len(samples) // _HOP
        aligned = None
        if tokens and (heard.confidence or 0) < _SEARCHED_BELOW:
            found = _spoken(self._generate(sound, [prompt], length_s, beams=_BEAMS)[0])
            aligned = self._align(sound, prompt, [number for _, number in found], frames)
            # Beams come without logits; alignment has the probabilities.
            logprobs = [math.log(max(each, 1e-9)) for each in aligned.text_token_probs] if aligned else []
            tokens = [_token(*each, logprob) for each, logprob in zip(found, logprobs, strict=True)]
            heard = replace(heard, text=_written(tokens, heard.language), tokens=tuple(tokens))
        if word_times and tokens:
            aligned = aligned or self._align(sound, prompt, [token.id for token in tokens], frames)
            starts_ms = [0] * len(tokens) + [len(samples) * 1000 // SAMPLE_RATE]
            for token, step in reversed(aligned.alignments):
                starts_ms[min(token, len(tokens))] = step * _MS_PER_STEP
            audible = _audible(samples)
            words = tuple(_narrowed(word, audible) for word in words_of(tokens, starts_ms, language=heard.language))
            heard = replace(heard, words=words)
        return heard

    def listen_hurried(self, pcms: Sequence[bytes], *, language: str | None = None) -> list[Recognition]:
        """Recognise several utterances at once, in less than half the time of `listen`, and less well."""
        samples = [_samples(pcm) for pcm in pcms]
        length_s = max(map(len, samples)) / SAMPLE_RATE
        sound = self._encode(samples, max(_HURRIED_WINDOW_S, length_s + _HURRIED_SILENCE_S))
        prompts = self._prompts(sound, language)
        results = self._generate(sound, prompts, length_s)
        engine = f"{self.name}, hurried"
        return [
            self._recognition(_without_loop(self._tokens(result)), result, prompt, engine)
            if len(heard) >= SHORTEST_S * SAMPLE_RATE
            else Recognition(engine=engine)
            for heard, result, prompt in zip(samples, results, prompts, strict=True)
        ]

    def _recognition(self, tokens: list[HeardToken], result: Any, prompt: list[str], engine: str) -> Recognition:
        """Return what tokens say; nothing if they are more likely to be noise."""
        language = _language(prompt)
        heard = Recognition(_written(tokens, language), (), tuple(tokens), result.no_speech_prob, language, engine)
        is_noise = result.no_speech_prob > _NO_SPEECH and (heard.confidence or 0) < _SURE
        return Recognition(engine=engine) if is_noise else heard

    def _encode(self, samples: Sequence[Floats], window_s: float) -> Any:
        spectrograms = np.stack([log_mel(each, window_s, self._model.n_mels) for each in samples])
        return self._model.encode(self._as_features(spectrograms))

    def _prompts(self, sound: Any, language: str | None) -> list[list[str]]:
        """Return what begins the text of each sound."""
        if not self.is_multilingual:
            if language not in (None, "en"):
                raise SettingsError(f"language={language!r} is not spoken by {self.name}, which hears English only")
            return [["<|startoftranscript|>", "<|notimestamps|>"]] * sound.shape[0]
        if language and (len(language) > _LONGEST_CODE or f"<|{language}|>" not in self._ids):
            raise SettingsError(f"language={language!r} is not known to {self.name}: give a code like 'de'")
        spoken = [f"<|{language}|>" if language else each[0][0] for each in self._model.detect_language(sound)]
        return [["<|startoftranscript|>", each, "<|transcribe|>", "<|notimestamps|>"] for each in spoken]

    def _generate(self, sound: Any, prompts: list[list[str]], length_s: float, *, beams: int = 1) -> Any:
        return self._model.generate(
            sound,
            prompts,
            beam_size=beams,
            max_length=_most_tokens(prompts, length_s),
            return_no_speech_prob=True,
            return_logits_vocab=beams == 1,
        )

    def _align(self, sound: Any, prompt: list[str], numbers: list[int], frames: int) -> Any:
        """Return where the tokens of a text lie, and their probabilities; `None` if there are none."""
        ids = [self._ids[each] for each in prompt]
        return self._model.align(sound, ids, [numbers], frames)[0] if numbers else None

    def _tokens(self, result: Any) -> list[HeardToken]:
        """Return the text's tokens."""
        return [
            _token(token, number, _logprob(np.asarray(logits), number))
            for token, number, logits in zip(
                result.sequences[0], result.sequences_ids[0], result.logits[0], strict=False
            )
            if not _SPECIAL.fullmatch(token)
        ]


def check_folder(folder: Path) -> None:
    """Raise `SettingsError`, which names the folder and the fault, unless it holds a model for CTranslate2."""
    shown = repr(str(folder))
    if not folder.is_dir():
        raise SettingsError(f"{shown} is not a folder with a Whisper model")
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        missing.append(" or ".join(_VOCABULARIES))
    if missing:
        raise SettingsError(
            f"{shown} holds no Whisper model in CTranslate2's form, as those for faster-whisper are: there is no "
            f"{', no '.join(missing)}"
        )


def _vocabulary(folder: Path) -> list[str]:
    import json

    path = next(folder / name for name in _VOCABULARIES if (folder / name).is_file())
    try:
        text = path.read_text("utf-8")
        tokens = json.loads(text) if path.suffix == ".json" else text.split("\n")
    except (OSError, ValueError) as error:
        raise SettingsError(f"{str(path)!r} cannot be read: {error}") from error
    return [str(token) for token in tokens]


def _language(prompt: Sequence[str]) -> str:
    return prompt[1].strip("<|>") if len(prompt) > 2 else "en"


def _most_tokens(prompts: Sequence[Sequence[str]], length_s: float) -> int:
    """Return how many tokens texts may have, with their prompts."""
    fastest = _FAST_ENGLISH if {*map(_language, prompts)} == {"en"} else _FAST_SPEECH
    return min(_LONGEST_TEXT, len(prompts[0]) + _FEW_TOKENS + int(fastest * length_s))


def _samples(pcm: bytes) -> Floats:
    return np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float32) / np.float32(32768)


def _without_loop(tokens: list[HeardToken]) -> list[HeardToken]:
    """Return the tokens up to where a loop begins its second round: three rounds, or two at the end of the text."""
    ids = [token.id for token in tokens]
    for end in range(1, len(ids)):
        for period in range(1, end + 1):
            same = next((at - end for at in range(end, len(ids)) if ids[at] != ids[at - period]), len(ids) - end)
            rounds = 1 if end + same == len(ids) else 2
            if same >= max(rounds * period, _LOOP_TOKENS - period):
                return tokens[:end]
    return tokens


def _repeats_itself(result: Any) -> bool:
    tokens = [token for token, _ in _spoken(result)]
    starts = range(len(tokens) - _LOOP_TOKENS)
    if any(tokens[at : at + _LOOP_TOKENS] == tokens[-_LOOP_TOKENS:] for at in starts):
        return True
    raw = b"".join(map(_raw, tokens))
    return len(raw) > _REPETITIVE * len(zlib.compress(raw))


def _audible(samples: Floats) -> npt.NDArray[np.bool_]:
    """Return for each 20 ms whether it is within 26 dB of the loudest."""
    step = SAMPLE_RATE * _MS_PER_STEP // 1000
    levels = np.sqrt(np.square(samples[: len(samples) // step * step].reshape(-1, step)).mean(axis=1))
    return np.asarray(levels > levels.max() / 20)


def _narrowed(word: HeardWord, audible: npt.NDArray[np.bool_]) -> HeardWord:
    """Remove the silence at a word's ends: alignment leaves no gaps, so one of two words gets the pause."""
    first = word.start_ms // _MS_PER_STEP
    heard = np.flatnonzero(audible[first : word.end_ms // _MS_PER_STEP])
    if not len(heard):
        return word
    return HeardWord(word.text, (first + int(heard[0])) * _MS_PER_STEP, (first + int(heard[-1]) + 1) * _MS_PER_STEP)


def _logprob(logits: npt.NDArray[Any], number: int) -> float:
    logits = logits.reshape(-1).astype(np.float32)
    most = logits.max()
    return min(0.0, float(logits[number] - most - np.log(np.exp(logits - most).sum())))


# --- From tokens to text ----------------------------------------------------------------------------------------------


@functools.cache
def _byte_of() -> dict[str, int]:
    """Return the bytes that the letters of a token stand for.

    GPT-2's vocabulary writes each byte as a visible letter: its own in Latin-1, or one from U+0100 on
    (gpt-2/src/encoder.py, `bytes_to_unicode`).
    """
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + at): byte for at, byte in enumerate(hidden)}


def _spoken(result: Any) -> list[tuple[str, int]]:
    """Return the tokens of a result that are text, with their numbers."""
    pairs = zip(result.sequences[0], result.sequences_ids[0], strict=True)
    return [(token, number) for token, number in pairs if not _SPECIAL.fullmatch(token)]


def _token(token: str, number: int, logprob: float) -> HeardToken:
    raw = _raw(token)
    return HeardToken(raw.decode("utf-8", "replace"), raw, number, logprob)


def _raw(token: str) -> bytes:
    return bytes(_byte_of()[letter] for letter in token) if not _SPECIAL.fullmatch(token) else b""


def _written(tokens: Sequence[HeardToken], language: str) -> str:
    return plain_numbers(b"".join(token.bytes for token in tokens).decode("utf-8", "replace").strip(), language)


def plain_numbers(text: str, language: str = "en") -> str:
    """Remove the commas in English numbers: "1,000" becomes "1000". In German that is one, to three places."""
    if language != "en":
        return text
    return re.sub(r"(?<![\d,])\d{1,3}(?:,\d{3})+(?![\d,])", lambda found: found.group().replace(",", ""), text)


def words_of(tokens: Sequence[HeardToken], starts_ms: Sequence[int], *, language: str = "en") -> list[HeardWord]:
    """Return the words that tokens make, with their times.

    `starts_ms`: when each token begins, and when the last one ends. In a language that does not separate words by
    spaces, each letter is a word.
    """
    parted = language not in _UNPARTED
    words: list[HeardWord] = []
    letters, begun = b"", 0
    for at, token in enumerate(tokens):
        begun = begun if letters else at
        letters += token.bytes
        try:
            text = letters.decode()
        except UnicodeDecodeError:
            continue  # The rest of the letter is in the next token.
        letters = b""
        start_ms, end_ms = starts_ms[begun], starts_ms[at + 1]
        opens = text[0].isspace() and text[1:2] in _OPENING
        has_letters = re.search(r"\w", text)
        is_open = words and not re.search(r"\w", words[-1].text)
        if words and (is_open or (not has_letters and not opens) or (parted and not text[0].isspace())):
            words[-1] = HeardWord(words[-1].text + text.rstrip(), words[-1].start_ms, end_ms)
        elif text.strip():
            words.append(HeardWord(text.strip(), start_ms, end_ms))
    return [
        HeardWord(plain_numbers(word.text, language), word.start_ms, max(word.start_ms, word.end_ms)) for word in words
    ]

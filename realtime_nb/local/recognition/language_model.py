"""Small language models of conversation: what a session's recogniser expects to hear.

How to use it::

    models = LanguageModels()                                  # keeps its files in a temporary folder until close()
    model = await models.get(instructions=…, tools=[…], sentences=["the script's own lines"])
    model.words       # what can be recognised
    model.missing     # words of the session that have no pronunciation: they cannot be recognised
    models.base       # the one of the shipped corpus alone; built on first use

A model is made of the shipped corpus, the session's instructions and tools (names, descriptions, enum values) and any
further sentences, such as a lesson's script: the recogniser is far better with what it expects. Equal content gives the
same model. Building takes about 0.1 s in a thread of its own; until then, use `base`.

Pronunciations come from cmudict, as pocketsphinx ships it. A word that is not in it is left out, and the sentence goes
on without it.
"""

from __future__ import annotations

import asyncio
import bisect
import functools
import hashlib
import io
import re
import shutil
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import MissingExtra
from ...media.sentences import split_sentences

__all__ = ["LanguageModel", "LanguageModels", "corpus_sentences", "normalize"]

CORPUS = Path(__file__).with_name("corpus.txt")
KEPT_MODELS = 64
LONGEST_SESSION_TEXT = 8_000
"""Characters of instructions, tools and sentences that are read, each."""

_SCRIPT_WEIGHT = 4
_TOOL_WEIGHT = 2

# Words of this package's tutorials that cmudict does not have, in its notation.
_PRONUNCIATIONS = {
    "spectrogram": "S P EH K T R AH G R AE M",
    "jupyter": "JH UW P IH T ER",
    "jupyterlab": "JH UW P IH T ER L AE B",
    "openai": "OW P AH N EY AY",
    "chatbot": "CH AE T B AA T",
    "emoji": "IH M OW JH IY",
    "wifi": "W AY F AY",
    "dataset": "D EY T AH S EH T",
}
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = ["", "", *"twenty thirty forty fifty sixty seventy eighty ninety".split()]


@dataclass(frozen=True)
class LanguageModel:
    """The files for a decoder."""

    key: str
    """Hash of the content; equal models have equal keys."""
    lm_path: Path
    dictionary_path: Path
    words: frozenset[str] = field(repr=False)
    missing: frozenset[str] = frozenset()


class LanguageModels:
    """Builds language models, and keeps the ones used last."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="realtime_nb-lm-"))
        self._alive: weakref.WeakValueDictionary[str, LanguageModel] = weakref.WeakValueDictionary()
        self._recent: deque[LanguageModel] = deque(maxlen=KEPT_MODELS)
        self._base: LanguageModel | None = None
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="realtime_nb-lm")

    @property
    def base(self) -> LanguageModel:
        """The model of the shipped corpus alone."""
        if self._base is None:
            self._base = self.build()
        return self._base

    async def get(
        self, *, instructions: str = "", tools: Sequence[Mapping[str, Any]] = (), sentences: Sequence[str] = ()
    ) -> LanguageModel:
        """Do as `build` does, in a thread."""
        build = functools.partial(self.build, instructions=instructions, tools=tools, sentences=sentences)
        return await asyncio.get_running_loop().run_in_executor(self._thread, build)

    def build(
        self, *, instructions: str = "", tools: Sequence[Mapping[str, Any]] = (), sentences: Sequence[str] = ()
    ) -> LanguageModel:
        """Return the language model of a session.

        `instructions`: the session's instructions; the first `LONGEST_SESSION_TEXT` characters are read.
        `tools`: the session's tools in the API's form: type, name, description, parameters.

        Returns the same object for the same content, as long as it is in use or among the `KEPT_MODELS` used last.
        """
        lines = [
            *normalize(instructions[:LONGEST_SESSION_TEXT]),
            *(line for line in tool_sentences(tools) for _ in range(_TOOL_WEIGHT)),
            *(line for line in normalize(_head(sentences)) for _ in range(_SCRIPT_WEIGHT)),
        ]
        key = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:20]
        with self._lock:
            model = self._alive.get(key)
            if model is None:
                model = self._alive[key] = self._write(key, lines)
                # A session may hold its model for longer than it is among the recent ones.
                weakref.finalize(model, _remove, model.lm_path, model.dictionary_path)
            self._recent.append(model)
        return model

    def close(self) -> None:
        """Remove the files. Decoders that were made from them go on."""
        self._thread.shutdown(cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, key: str, lines: list[str]) -> LanguageModel:
        dictionary = Dictionary.load()
        known: dict[str, list[str]] = {}
        missing = set()
        for word in {word for line in (*corpus_sentences(), *lines) for word in line.split()}:
            if pronunciations := dictionary.pronunciations(word):
                known[word] = pronunciations
            else:
                missing.add(word)
        # A missing word cuts its sentence in two, so that only real pairs of words are learnt.
        parts = [part for line in (*corpus_sentences(), *lines) for part in _parts(line.split(), known)]
        lm_path, dictionary_path = self._folder / f"{key}.lm", self._folder / f"{key}.dict"
        _write_lm("\n".join(parts), lm_path)
        entries = "".join(entry for word in sorted(known) for entry in known[word])
        dictionary_path.write_text(entries, "utf-8", newline="\n")
        return LanguageModel(key, lm_path, dictionary_path, frozenset(known), frozenset(missing))


class Dictionary:
    """The pronunciations that pocketsphinx ships, searched in place: as Python objects they would take 30 MB.

    `content`: the file: lines sorted by word, a word's variants together ("read R EH D", "read(2) R IY D").
    """

    def __init__(self, content: bytes):
        self._content = content

    @classmethod
    @functools.cache
    def load(cls) -> Dictionary:
        """Read the file once."""
        return cls(model_folder().joinpath("cmudict-en-us.dict").read_bytes())

    def pronunciations(self, word: str) -> list[str]:
        """Return the dictionary's lines for `word`, each with its line end; empty if there are none."""
        if word in _PRONUNCIATIONS:
            return [f"{word} {_PRONUNCIATIONS[word]}\n"]
        wanted = word.encode()
        start = bisect.bisect_left(range(len(self._content)), wanted, key=self._word_at)
        end = bisect.bisect_right(range(len(self._content)), wanted, lo=start, key=self._word_at)
        return self._content[start:end].decode().splitlines(keepends=True)

    def _word_at(self, offset: int) -> bytes:
        start = self._content.rfind(b"\n", 0, offset) + 1
        return self._content[start : self._content.find(b" ", start)].partition(b"(")[0]


def model_folder() -> Path:
    """Return the folder of pocketsphinx' English model."""
    try:
        import pocketsphinx
    except ImportError as error:
        raise MissingExtra("the local voice's speech recognition", "local", str(error)) from error
    return Path(pocketsphinx.get_model_path()) / "en-us"


@functools.cache
def corpus_sentences() -> tuple[str, ...]:
    """Return the shipped corpus, its alternatives written out so that each is said at least once."""
    sentences: list[str] = []
    for line in CORPUS.read_text("utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        # Odd parts are the alternatives. With all combinations, a line of sums would weigh as much as a hundred other
        # lines.
        parts = [part.split("|") for part in re.split(r"[()]", line)]
        longest = max(len(part) for part in parts)
        for turn in range(longest):
            words = "".join(part[(turn + place) % len(part)] for place, part in enumerate(parts))
            sentences.append(" ".join(words.split()))
    return tuple(dict.fromkeys(sentences))


def normalize(text: str) -> list[str]:
    """Return `text` as lines of lower-case words, one for each sentence, with numbers spelled out.

    Examples
    --------
    >>> normalize("It's 21 degrees. Use set_light!")
    ["it's twenty one degrees", 'use set light']
    """
    lines = []
    for sentence in split_sentences(text):
        plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", sentence.replace("’", "'"))
        spaced = re.sub(r"\d+", lambda digits: f" {_number(digits.group())} ", plain)
        words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", spaced.lower())
        if words:
            lines.append(" ".join(words))
    return lines


def tool_sentences(tools: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what people may say to use `tools`: descriptions, names, and enum values in short phrases."""
    lines: list[str] = []
    for tool in tools:
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", str(tool.get("name", ""))).replace("_", " ")
        lines += [name, str(tool.get("description") or "")]
        for schema in _schemas(tool.get("parameters")):
            lines.append(str(schema.get("description") or ""))
            for value in schema.get("enum") or ():
                lines += [str(value), f"the {value}", f"in the {value}", f"{name} {value}", f"{value} please"]
        lines += [str(schema) for schema in _property_names(tool.get("parameters"))]
    return normalize("\n".join(lines)[:LONGEST_SESSION_TEXT])


def _schemas(schema: object) -> Iterator[Mapping[str, Any]]:
    """Yield a JSON schema and all schemas inside it."""
    if isinstance(schema, Mapping):
        if not isinstance(schema.get("enum"), (list, tuple, type(None))):
            return
        yield schema
        inner = schema.get("properties")
        for part in (*(inner.values() if isinstance(inner, Mapping) else ()), schema.get("items")):
            yield from _schemas(part)


def _property_names(schema: object) -> Iterator[str]:
    for part in _schemas(schema):
        if isinstance(part.get("properties"), Mapping):
            yield from part["properties"]


def _number(digits: str) -> str:
    """Spell out a number below a million; longer ones, and those that begin with 0, digit by digit."""
    value = int(digits)
    if len(digits) > 6 or (digits[0] == "0" and len(digits) > 1):
        return " ".join(_ONES[int(digit)] for digit in digits)
    if value < 20:
        return _ONES[value]
    if value < 100:
        return _TENS[value // 10] + (f" {_ONES[value % 10]}" if value % 10 else "")
    unit, name = (100, "hundred") if value < 1000 else (1000, "thousand")
    rest = f" {_number(str(value % unit))}" if value % unit else ""
    return f"{_number(str(value // unit))} {name}{rest}"


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _parts(words: list[str], known: Mapping[str, object]) -> Iterator[str]:
    part: list[str] = []
    for word in (*words, ""):
        if word in known:
            part.append(word)
        elif part:
            yield " ".join(part)
            part = []


def _head(sentences: Iterable[str]) -> str:
    return "\n".join(sentences)[:LONGEST_SESSION_TEXT]


def _write_lm(text: str, path: Path) -> None:
    from pocketsphinx.lm import ArpaBoLM

    model = ArpaBoLM(text=text, add_start=True)
    model.compute()
    with path.open("w", encoding="utf-8", newline="\n") as file, io.StringIO() as buffer:
        model.write(buffer)
        file.write(buffer.getvalue())

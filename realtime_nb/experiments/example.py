"""One row of a dataset: speech, its words, and the expected result; and datasets as CSV."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..local.process import speak
from ..media.clip import AudioClip
from ..protocol.settings import VOICES
from ..texts import read_text, split_lines

# --- Datasets as CSV files, in the columns of the OpenAI cookbook's realtime evals ------------------------------------

_KNOWN = frozenset("example_id user_text audio_path speaker gt_tool_call gt_tool_call_arg tags language".split())


#: Delimiters between cells; spreadsheets use the second in countries where numbers have commas.
_DELIMITERS = (",", ";", "\t")

#: The beginning of a text that a spreadsheet takes for a formula, perhaps after quotes and space; numbers are safe.
#: Source: OWASP, CSV Injection.
_FORMULA = re.compile(r"[\s'\"\ufeff\u200b\0]*[=+\-@\uff1d\uff0b\uff0d\uff20]|'*[\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
#: A cell within a cell, for a spreadsheet that expects another delimiter than the comma.
_INNER_CELL = re.compile(r"(?<=[;\t\r\n])[^;\t\r\n]+")


def _would_run(cell: str) -> bool:
    return bool(_FORMULA.match(cell)) and not _NUMBER.fullmatch(cell)


def _quoted(cell: str) -> str:
    return f"'{cell}" if _would_run(cell) else cell


def _unquoted(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _would_run(cell[1:]) else cell


def defused(value: Any) -> Any:
    """Return a cell for a CSV file; an apostrophe keeps a spreadsheet from running a text as a formula.

    A text after a semicolon, a tab or a line end, where a spreadsheet may begin a new cell, gets one, too.
    """
    return _quoted(_INNER_CELL.sub(lambda found: _quoted(found[0]), value)) if isinstance(value, str) else value


def restored(cell: str) -> str:
    """Undo `defused` for a cell of a CSV file."""
    return _INNER_CELL.sub(lambda found: _unquoted(found[0]), _unquoted(cell))


def read_csv(path: Path, speaker: Speaker) -> Iterator[Example]:
    """Yield the examples of a file; see `Dataset.from_csv`."""
    lines: dict[str, int] = {}
    for line, row in read_table(path, ("example_id",), ("user_text", "audio_path")):
        example = _example(row, path, speaker, line)
        before = lines.setdefault(example.example_id, line)
        if before != line:
            raise _error(path, line, f"example_id={example.example_id!r} is already used in line {before}")
        yield example


def read_table(path: Path, *needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file that are not empty, as dicts, each with its line number; see `restored`.

    Raises `SettingsError` if the file cannot be read, a column is missing or occurs twice, or a row has more or fewer
    cells than columns.
    """
    text = read_text(path)
    delimiter = _delimiter(text, needed)
    rows = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    names: list[str] | None = None
    line = 1
    try:
        for cells in rows:
            first, line = line, rows.line_num + 1
            if not any(cell.strip() for cell in cells) or (names is None and _says_delimiter(cells)):
                continue
            if names is None:
                names = _checked_names(cells, path, first, needed)
            else:
                yield first, _by_name(names, cells, path, first)
    except csv.Error as error:
        raise _error(path, line, str(error)) from None
    if names is None:
        _checked_names([], path, 1, needed)


def _delimiter(text: str, needed: Sequence[Sequence[str]]) -> str:
    """Return the delimiter that splits the heading into the most known column names."""
    known = _KNOWN.union(*needed)
    heading = next((each for each in split_lines(text) if each.strip() and not each.lower().startswith("sep=")), "")
    return max(_DELIMITERS, key=lambda each: len(known.intersection(name.strip(' "') for name in heading.split(each))))


def _says_delimiter(cells: list[str]) -> bool:
    """Return whether this is the line that spreadsheets write before the heading, e.g. ``sep=;``."""
    return cells[0].lower().startswith("sep=") and len(cells[0]) <= len("sep=;")


def _checked_names(cells: list[str], path: Path, line: int, needed: Sequence[Sequence[str]]) -> list[str]:
    named = [cell.strip() for cell in cells]
    for either in needed:
        if not {*either} & {*named}:
            absent, known = " or ".join(either), ", ".join(filter(None, named)) or "none"
            raise _error(path, line, f"there is no column {absent} among {known}: add it, or rename the right one")
    # A table that pandas wrote with its index begins with a column without a name.
    names = [name or f"column_{number}" for number, name in enumerate(named, 1)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _error(path, line, f"there is more than one column {twice!r}: rename or remove one")
    return names


def _by_name(names: list[str], cells: list[str], path: Path, line: int) -> dict[str, str]:
    more = [cell for cell in cells[len(names) :] if cell.strip()]
    if more:
        raise _error(path, line, f"more values than columns: {more}")
    if len(cells) < len(names):
        raise _error(
            path, line, f"only {len(cells)} values for {len(names)} columns: there is none for {names[len(cells)]}"
        )
    return {name: restored(cell.strip()) for name, cell in zip(names, cells, strict=False)}


def _error(path: Path, line: int, problem: str) -> SettingsError:
    return SettingsError(f"{str(path)!r}, line {line}: {problem}")


def _example(values: dict[str, str], path: Path, speaker: Speaker, line: int) -> Example:
    if not values["example_id"]:
        raise _error(path, line, "example_id is empty")
    text, file = values.get("user_text", ""), values.get("audio_path", "")
    source = path.parent / file if file else None
    if source is not None and not source.is_file():
        raise _error(path, line, f"audio_path={file!r} is not a file in {str(path.parent)!r}")
    if not text and source is None:
        raise _error(path, line, "there is nothing to say: user_text is empty, and there is no audio_path")
    named = values.get("speaker", "")
    if named and named not in SPEAKERS:
        raise _error(path, line, f"speaker={named!r} is not one of {', '.join(SPEAKERS)}")
    return Example(
        example_id=values["example_id"],
        text=text,
        source=source,
        speaker=named or speaker,
        tool_call=values.get("gt_tool_call"),
        tool_arguments=_arguments(values.get("gt_tool_call_arg", ""), path, line),
        tags=tuple(tag.strip() for tag in values.get("tags", "").split(";") if tag.strip()),
        language=values.get("language") or "en",
        fields={name: value for name, value in values.items() if name not in _KNOWN},
    )


def _arguments(text: str, path: Path, line: int) -> dict[str, Any]:
    try:
        arguments = json.loads(text or "{}")
    except ValueError as error:
        raise _error(path, line, f"gt_tool_call_arg={text!r} is not JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise _error(path, line, f"gt_tool_call_arg={text!r} is not a JSON object")
    return arguments


# --- One row: the sound, the words in it, and the expected result -----------------------------------------------------

#: Says a text: a voice of the local synthesiser, or a function from words to a clip, e.g. another speech model.
Speaker = str | Callable[[str], AudioClip]

#: Voices of the local synthesiser.
SPEAKERS = (*VOICES, "fable", "onyx", "nova")


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Example:
    """One row of a `Dataset`: a question, and the expected result.

    Examples
    --------
    >>> import realtime_nb as rt
    >>> example = rt.Example(example_id="sum", text="What is two plus three?", tags=("easy",), fields={"sum": "5"})
    >>> rt.Dataset([example]).filter(lambda each: "easy" in each.tags)
    Dataset('dataset', 1 example)
    """

    example_id: str
    text: str = ""
    """The words in the sound, as a reference; empty if not known."""
    source: AudioClip | Path | None = None
    """The sound, or the file that holds it; `None` if `speaker` says `text`."""
    speaker: Speaker = "marin"
    tool_call: str | None = None
    """The tool that should be called; empty for none, `None` if that is not graded."""
    tool_arguments: Mapping[str, Any] = field(default_factory=dict)
    """The arguments that the call should have."""
    tags: tuple[str, ...] = ()
    language: str = "en"
    """Language of the words (ISO 639). In English, error rates count "seven" as "7" and "colour" as "color"."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """The other fields of its row, for graders."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", checked_source(self.source))
        check_speaker(self.speaker)

    @property
    def most_turns(self) -> int:
        """The most turns that the person can have in it."""
        return 1

    def clip(self) -> AudioClip:
        """Return the sound; reads or speaks it on demand."""
        return clip_of(self.text, self.source, self.speaker)

    @property
    def digest(self) -> str:
        """A hash of the question, so that a resumed run recognises the row."""
        return digest_of(self.text, self.source, self.speaker, self.tool_call, self.tool_arguments)


def checked_source(source: Any) -> AudioClip | Path | None:
    """Return a source of sound, with a file's name as a path; raise if it is anything else."""
    if source is None or isinstance(source, AudioClip | Path):
        return source
    if isinstance(source, str):
        return Path(source)
    raise SettingsError(
        f"source={type(source).__name__} is not sound: give a file, or AudioClip(samples, sample_rate) for an array"
    )


def check_speaker(speaker: Any) -> None:
    """Raise if there is no such speaker."""
    if isinstance(speaker, str) and speaker not in SPEAKERS:
        raise SettingsError(f"speaker={speaker!r} is not known: choose one of {', '.join(SPEAKERS)}")
    if not isinstance(speaker, str) and not callable(speaker):
        raise SettingsError(f"speaker={speaker!r} cannot speak: give a voice's name, or a function of words")


def clip_of(text: str, source: AudioClip | Path | None, speaker: Speaker) -> AudioClip:
    """Return the sound: the source, or the spoken words."""
    if isinstance(source, AudioClip):
        return source
    if source is not None:
        return AudioClip.from_file(source)
    return _spoken(text, speaker)


def digest_of(
    text: str,
    source: AudioClip | Path | None,
    speaker: Speaker,
    tool_call: str | None,
    tool_arguments: Mapping[str, Any],
) -> str:
    """Return a hash of a question and its expected result."""
    hashed = hashlib.sha256(repr((text, tool_call, sorted(tool_arguments.items()))).encode())
    if isinstance(source, AudioClip):
        hashed.update(source.to_pcm16())
    elif source is not None:
        hashed.update(source.read_bytes() if source.is_file() else b"missing")
    else:
        hashed.update(speaker_name(speaker).encode())
    return hashed.hexdigest()[:16]


@functools.lru_cache(maxsize=64)
def _spoken(text: str, speaker: Speaker) -> AudioClip:
    if isinstance(speaker, str):
        return speak(text, voice=speaker)
    clip: Any = speaker(text)
    if not isinstance(clip, AudioClip):
        raise SettingsError(f"speaker={speaker_name(speaker)} returned {type(clip).__name__}: give back an AudioClip")
    return clip


def speaker_name(speaker: Speaker) -> str:
    """Return a speaker's name."""
    return speaker if isinstance(speaker, str) else getattr(speaker, "__qualname__", type(speaker).__qualname__)

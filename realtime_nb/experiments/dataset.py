"""Datasets for experiments: rows of speech, its words, and the expected result; also as CSV."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import json
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..local.process import speak
from ..media.clip import AudioClip, is_sound_file
from ..protocol.settings import VOICES
from ..recording.recording import Recording
from ..texts import read_text, split_lines

if TYPE_CHECKING:
    import pandas

    from ..sessions.backend import Backend
    from .scenario import Scenario, UserTurn


# --- Datasets as CSV files, in the columns of the OpenAI cookbook's realtime evals ------------------------------------

_KNOWN = frozenset("example_id user_text audio_path speaker gt_tool_call gt_tool_call_arg tags language".split())


#: What stands between cells; a spreadsheet takes the second where numbers have commas.
_DELIMITERS = (",", ";", "\t")

#: How a text begins that a spreadsheet takes for a formula, perhaps behind quotes and space; a number is none.
#: Source: OWASP, CSV Injection.
_FORMULA = re.compile(r"[\s'\"\ufeff\u200b\0]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


def _would_run(cell: str) -> bool:
    return bool(_FORMULA.match(cell)) and not _NUMBER.fullmatch(cell)


def defused(value: Any) -> Any:
    """Return a cell for a CSV file: a text that a spreadsheet would run gets an apostrophe, which makes it a text."""
    return f"'{value}" if isinstance(value, str) and _would_run(value) else value


def restored(cell: str) -> str:
    """Return what a cell of a CSV file was before `defused`."""
    return cell[1:] if cell.startswith("'") and _would_run(cell[1:]) else cell


def read_csv(path: Path, speaker: Speaker) -> Iterator[Example]:
    """Yield the examples of a file; see `Dataset.from_csv`."""
    lines: dict[str, int] = {}
    for line, row in read_table(path, ("example_id",), ("user_text", "audio_path")):
        example = _example(row, path, speaker, line)
        before = lines.setdefault(example.example_id, line)
        if before != line:
            raise _error(path, line, f"example_id={example.example_id!r} is that of line {before}, too")
        yield example


def read_table(path: Path, *needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file that are not empty, by their columns' names, each with its line; see `restored`.

    Raises `SettingsError` if it cannot be read, a column is missing or there twice, or a row has more or fewer cells
    than columns.
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
    """Return what parts the cells of the heading: what gives the most columns that are needed, or known."""
    known = _KNOWN.union(*needed)
    heading = next((each for each in split_lines(text) if each.strip() and not each.lower().startswith("sep=")), "")
    return max(_DELIMITERS, key=lambda each: len(known.intersection(name.strip(' "') for name in heading.split(each))))


def _says_delimiter(cells: list[str]) -> bool:
    """Return whether this is what spreadsheets write before the heading, e.g. ``sep=;``."""
    return cells[0].lower().startswith("sep=") and len(cells[0]) <= len("sep=;")


def _checked_names(cells: list[str], path: Path, line: int, needed: Sequence[Sequence[str]]) -> list[str]:
    named = [cell.strip() for cell in cells]
    for either in needed:
        if not {*either} & {*named}:
            absent, known = " or ".join(either), ", ".join(filter(None, named)) or "none"
            raise _error(path, line, f"there is no column {absent} among {known}: add it, or rename what is meant")
    # A table that pandas has written with its index begins with a column without a name.
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


# --- What is asked in an experiment: rows of speech, the words in it, and what should come of it ----------------------

#: Says a text: a voice of the local synthesiser, or a function from words to a clip, e.g. another speech model.
Speaker = str | Callable[[str], AudioClip]

#: Voices of the local synthesiser.
SPEAKERS = (*VOICES, "fable", "onyx", "nova")
#: Folders of systems: macOS makes one in archives, Synology for previews, Windows for what is deleted.
_FOLDERS_OF_SYSTEMS = frozenset({"__macosx", "@eadir", "$recycle.bin"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """One row of a `Dataset`: a question, and the expected result."""

    example_id: str
    text: str = ""
    """The words in it, as a reference; empty if not known."""
    source: AudioClip | Path | None = None
    """The sound, or the file that holds it; `None` if `speaker` says `text`."""
    speaker: Speaker = "echo"
    tool_call: str | None = None
    """The tool to expect a call of; empty for no call, `None` if that is not graded."""
    tool_arguments: Mapping[str, Any] = field(default_factory=dict)
    """What the call's arguments should hold."""
    tags: tuple[str, ...] = ()
    language: str = "en"
    """Of the words, as ISO 639 has it: in English, error rates take "seven" for "7" and "colour" for "color"."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """The other fields of its row, for graders."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", checked_source(self.source))
        check_speaker(self.speaker)

    @property
    def most_turns(self) -> int:
        """The most turns of the person in it."""
        return 1

    def clip(self) -> AudioClip:
        """Return the sound; reads or speaks it on demand."""
        return clip_of(self.text, self.source, self.speaker)

    @property
    def digest(self) -> str:
        """A hash of the question, by which a resumed run recognises the row."""
        return digest_of(self.text, self.source, self.speaker, self.tool_call, self.tool_arguments)


def checked_source(source: Any) -> AudioClip | Path | None:
    """Return what sound comes from, a file's name as a path; raise where it is something else."""
    if source is None or isinstance(source, AudioClip | Path):
        return source
    if isinstance(source, str):
        return Path(source)
    raise SettingsError(
        f"source={type(source).__name__} is no sound: give a file, or AudioClip(samples, sample_rate) of an array"
    )


def check_speaker(speaker: Any) -> None:
    """Raise where nobody speaks so."""
    if isinstance(speaker, str) and speaker not in SPEAKERS:
        raise SettingsError(f"speaker={speaker!r} is not known: choose one of {', '.join(SPEAKERS)}")
    if not isinstance(speaker, str) and not callable(speaker):
        raise SettingsError(f"speaker={speaker!r} cannot speak: give a voice's name, or a function of words")


def clip_of(text: str, source: AudioClip | Path | None, speaker: Speaker) -> AudioClip:
    """Return what is said: the sound that there is, or the words, spoken."""
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
    """Return a hash of what is said, and of what should come of it."""
    hashed = hashlib.sha256(repr((text, tool_call, sorted(tool_arguments.items()))).encode())
    if isinstance(source, AudioClip):
        hashed.update(source.to_pcm16())
    elif source is not None:
        hashed.update(source.read_bytes() if source.is_file() else b"missing")
    else:
        hashed.update(_speaker_name(speaker).encode())
    return hashed.hexdigest()[:16]


@functools.lru_cache(maxsize=64)
def _spoken(text: str, speaker: Speaker) -> AudioClip:
    if isinstance(speaker, str):
        return speak(text, voice=speaker)
    clip: Any = speaker(text)
    if not isinstance(clip, AudioClip):
        raise SettingsError(f"speaker={_speaker_name(speaker)} returned {type(clip).__name__}: give back an AudioClip")
    return clip


def _speaker_name(speaker: Speaker) -> str:
    return speaker if isinstance(speaker, str) else getattr(speaker, "__qualname__", type(speaker).__qualname__)


class Dataset(Sequence[Example]):
    """Rows of speech to ask, each with its own id.

    Parameters
    ----------
    examples : iterable of Example
        The rows.
    name : str, default "dataset"
        Its name in results.

    Raises
    ------
    SettingsError
        If there are no rows, or two have the same id.

    Examples
    --------
    >>> Dataset.from_texts(["What can you do?", "What time is it?"], speaker="nova")
    Dataset('texts', 2 examples)
    """

    def __init__(self, examples: Iterable[Example], *, name: str = "dataset"):
        self._examples = tuple(examples)
        self.name = name
        if not self._examples:
            raise SettingsError(f"the dataset {name!r} holds no examples")
        seen: set[str] = set()
        for example in self._examples:
            if example.example_id in seen:
                raise SettingsError(f"the dataset {name!r} holds example_id={example.example_id!r} more than once")
            seen.add(example.example_id)

    @classmethod
    def from_texts(
        cls, texts: Iterable[str] | Mapping[str, str], *, speaker: Speaker = "echo", name: str = "texts"
    ) -> Dataset:
        """Make a dataset from sentences, which are spoken when needed.

        Parameters
        ----------
        texts : iterable of str, or mapping of str to str
            The sentences; a mapping names them.
        speaker : str or callable, default "echo"
            A voice of the local synthesiser, see `realtime_nb.speak`; or a function that takes the words and returns
            an `AudioClip`.
        name : str, default "texts"
            What the dataset is called.

        Examples
        --------
        >>> import realtime_nb as rt
        >>> rt.Dataset.from_texts(["What time is it?", "What can you do?"])
        Dataset('texts', 2 examples)
        """
        if isinstance(texts, str):
            raise SettingsError(f"texts={texts!r} is one text: give a list of them")
        named = texts if isinstance(texts, Mapping) else {f"text_{n:03d}": text for n, text in enumerate(texts, 1)}
        for example_id, text in named.items():
            if not isinstance(text, str) or not text.strip():
                raise SettingsError(f"{example_id}: {text!r} is no text to be spoken")
        return cls((Example(example_id=key, text=text, speaker=speaker) for key, text in named.items()), name=name)

    @classmethod
    def from_csv(cls, path: str | Path, *, speaker: Speaker = "echo") -> Dataset:
        r"""Read a dataset from a CSV file, e.g. one of the OpenAI cookbook's realtime evals.

        Parameters
        ----------
        path : str or Path
            Columns: ``example_id``; ``user_text`` (what is said, or a reference of what is said in the file);
            ``audio_path`` (optional, relative to the CSV file; rows without one are spoken); ``speaker`` (optional, a
            voice of the local synthesiser); ``gt_tool_call`` (optional column; the tool that should be called, empty
            for none); ``gt_tool_call_arg`` (optional, a JSON object: what its arguments should hold); ``tags``
            (optional, with semicolons between them); ``language``
            (optional, ``en`` by default). Other columns go to `Example.fields`.
        speaker : str or callable, default "echo"
            The speaker of rows that name none; as in `from_texts`.

        Raises
        ------
        SettingsError
            If the file cannot be read, or a line of it; the message says which.

        Notes
        -----
        Format: OpenAI cookbook, ``examples/evals/realtime_evals``, crawl and walk harness.

        Examples
        --------
        >>> import pathlib
        >>> import realtime_nb as rt
        >>> path = pathlib.Path("questions.csv")
        >>> _ = path.write_text("example_id,user_text\nclock,What time is it?\n")
        >>> rt.Dataset.from_csv(path)
        Dataset('questions', 1 example)
        """
        path = Path(path)
        return cls(read_csv(path, speaker), name=path.stem)

    @classmethod
    def from_folder(cls, path: str | Path, pattern: str = "**/*") -> Dataset:
        """Make a dataset from a folder's audio files.

        Parameters
        ----------
        path : str or Path
            The folder. A file of the same name ending in ``.txt``, in capitals or not, holds the words. Files in a
            subfolder get its name as a tag.
        pattern : str, default "**/*"
            Which files; only those with the ending of a sound that `AudioClip.from_file` reads, and not hidden ones.

        Raises
        ------
        SettingsError
            If there are none, or the words cannot be read, or are in two files.

        Examples
        --------
        >>> import pathlib
        >>> import realtime_nb as rt
        >>> pathlib.Path("clips").mkdir()
        >>> _ = rt.speak("What time is it?").save("clips/clock.wav")
        >>> rt.Dataset.from_folder("clips")
        Dataset('clips', 1 example)
        """
        path = Path(path)
        if not path.is_dir():
            raise SettingsError(f"{str(path)!r} is not a folder")
        files = sorted(each for each in path.glob(pattern) if is_sound_file(each) and not _is_hidden(each, path))
        if not files:
            raise SettingsError(f"{str(path)!r} holds no audio files that match {pattern!r}")
        texts = _texts_in(path)
        alike = Counter(file.with_suffix("") for file in files)
        return cls(
            (
                Example(
                    # Two files may differ in their endings alone.
                    example_id=(inside if alike[file.with_suffix("")] > 1 else inside.with_suffix("")).as_posix(),
                    text=_words_of(file, texts),
                    source=file,
                    tags=inside.parts[:-1],
                )
                for file in files
                for inside in [file.relative_to(path)]
            ),
            name=path.resolve().name,
        )

    @classmethod
    def from_recordings(
        cls, recordings: Recording | str | Path | Iterable[Recording | str | Path], *, name: str = "recordings"
    ) -> Dataset:
        """Make a dataset from what people said in recordings, turn by turn.

        Parameters
        ----------
        recordings : Recording, str or Path, or iterable of these
            What `Recording.load` takes or returns: one, or several. The reference of a turn is what the transcriber
            wrote down at the time; check it if it matters.
        name : str, default "recordings"
            What the dataset is called.

        Raises
        ------
        RecordingError
            If one cannot be read.
        SettingsError
            If nobody says anything in them.

        Warns
        -----
        UserWarning
            If something of one is missing or damaged: silence stands in for sound.

        Examples
        --------
        What people said to a run's systems, e.g. in scenarios, is in the folder ``recordings`` of the run.

        >>> import realtime_nb as rt
        >>> with rt.RealtimeSession(backend="local") as session:
        ...     _ = session.ask(rt.speak("What time is it?")).result()
        ...     recording = session.save("monday")
        >>> rt.Dataset.from_recordings("monday")[0].text
        'what time is it'
        """
        if isinstance(recordings, Recording | str | Path):
            recordings = [recordings]
        loaded = [each if isinstance(each, Recording) else Recording.load(each) for each in recordings]
        for recording in loaded:
            recording.warn_of_damage()
        return cls((example for recording in loaded for example in _spoken_in(recording)), name=name)

    @classmethod
    def from_scenarios(
        cls,
        scenarios: Mapping[str, Sequence[UserTurn | str]] | Iterable[Scenario | Sequence[UserTurn | str]],
        *,
        speaker: Speaker = "echo",
        name: str = "scenarios",
    ) -> Dataset:
        """Make a dataset from conversations of several turns.

        Parameters
        ----------
        scenarios : iterable or mapping
            Each a `Scenario`, or its script: a sequence of words and `UserTurn`s. A mapping names them.
        speaker : str or callable, default "echo"
            The speaker of sequences; as in `from_texts`. A `Scenario` has its own speaker.
        name : str, default "scenarios"
            What the dataset is called.

        Raises
        ------
        SettingsError
            If one is no scenario.

        Examples
        --------
        >>> Dataset.from_scenarios({"sums": ["What is two plus three?", "And what is my name?"]})
        Dataset('scenarios', 1 example)
        """
        from .scenario import read_scenarios

        return cls(read_scenarios(scenarios, speaker), name=name)

    @classmethod
    def from_simulations(
        cls,
        path: str | Path,
        *,
        model: str | None = None,
        backend: Backend | str | None = None,
        speaker: Speaker | None = None,
    ) -> Dataset:
        """Read simulations of the OpenAI cookbook's realtime evals: scenarios with a `SimulatedUser`.

        Parameters
        ----------
        path : str or Path
            The index (CSV: ``simulation_id``, ``simulation_path``, ``enabled``, ``max_turns_override``), or one
            simulation (JSON).
        model, backend : optional
            The model that plays the person, as for `SimulatedUser`; here a text model, whose words a speaker says.
        speaker : str or callable, optional
            That speaker; by default the simulation's voice.

        Raises
        ------
        SettingsError
            If a file cannot be read, or is no simulation.

        Notes
        -----
        The criteria for the whole conversation are in the field ``rubric``, which a `Judge` takes; what tools should
        return, ``tool_mocks``, is in a field as well: give your systems functions that do so.
        """
        from .scenario import read_simulations

        path = Path(path)
        return cls(read_simulations(path, speaker, {"model": model, "backend": backend}), name=path.stem)

    @property
    def frame(self) -> pandas.DataFrame:
        """A data frame with a row for each example, without sound."""
        import pandas

        return pandas.DataFrame(
            [
                {
                    "example_id": each.example_id,
                    "text": each.text,
                    "source": _source_name(each),
                    "tool_call": each.tool_call,
                    "tool_arguments": dict(each.tool_arguments),
                    "tags": each.tags,
                }
                | dict(each.fields)
                for each in self
            ]
        )

    def where(self, keep: Callable[[Example], bool]) -> Dataset:
        """Return the examples for which a function is true, e.g. ``where(lambda each: "short" in each.tags)``."""
        return Dataset((each for each in self if keep(each)), name=self.name)

    def sample(self, count: int, *, seed: int = 0) -> Dataset:
        """Return a random sample of the examples, in their order; all if there are fewer."""
        chosen = sorted(random.Random(seed).sample(range(len(self)), min(count, len(self))))
        return Dataset((self[index] for index in chosen), name=self.name)

    def spoken_by(self, speaker: Speaker) -> Dataset:
        """Return the dataset with another speaker; rows with their own sound keep it."""
        return Dataset((replace(each, speaker=speaker) for each in self), name=self.name)

    def __getitem__(self, index: Any) -> Any:
        return Dataset(self._examples[index], name=self.name) if isinstance(index, slice) else self._examples[index]

    def __iter__(self) -> Iterator[Example]:
        return iter(self._examples)

    def __len__(self) -> int:
        return len(self._examples)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {len(self)} example{'s' if len(self) > 1 else ''})"


def _source_name(example: Example) -> str:
    if isinstance(example.source, AudioClip):
        return "sound"
    return str(example.source) if example.source else f"spoken by {_speaker_name(example.speaker)}"


def _spoken_in(recording: Recording) -> Iterator[Example]:
    asked = (turn for turn in recording.conversation if turn.role == "user")
    heard = ((turn, clip) for turn in asked if (clip := turn.audio) is not None and clip.peak)
    for number, (turn, clip) in enumerate(heard, 1):
        name = recording.path.stem
        yield Example(example_id=f"{name}_{number:03d}", text=turn.text, source=clip, tags=(name,))


def _is_hidden(file: Path, folder: Path) -> bool:
    """Return whether a file, or a folder on the way to it, is one that people do not see."""
    return any(name.startswith(".") or name.lower() in _FOLDERS_OF_SYSTEMS for name in file.relative_to(folder).parts)


def _texts_in(folder: Path) -> dict[tuple[Path, str], list[Path]]:
    """Return the texts in a folder and those within it, by where they are and what they are called."""
    found: dict[tuple[Path, str], list[Path]] = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() == ".txt" and file.is_file() and not _is_hidden(file, folder):
            found.setdefault((file.parent, _plain_name(file)), []).append(file)
    return found


def _plain_name(file: Path) -> str:
    """Return a file's name without its ending, in one case, and with accents as most systems write them."""
    return unicodedata.normalize("NFC", file.stem).casefold()


def _words_of(file: Path, texts: Mapping[tuple[Path, str], Sequence[Path]]) -> str:
    found = texts.get((file.parent, _plain_name(file)), ())
    found = [each for each in found if each.stem == file.stem] or found
    if len(found) > 1:
        raise SettingsError(f"{str(file)!r} has two texts, {found[0].name!r} and {found[1].name!r}: remove one")
    return " ".join(read_text(found[0]).split()) if found else ""

"""Datasets for experiments: rows of speech, its words, and the expected result; also as CSV."""

from __future__ import annotations

import random
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..media.clip import AudioClip, is_sound_file
from ..recording.recording import Recording
from ..texts import read_text
from .example import Example, Speaker, read_csv, speaker_name
from .scenario import Scenario, UserTurn, read_scenarios, read_simulations

if TYPE_CHECKING:
    import pandas

    from ..sessions.backend import Backend

#: Folders that systems make: macOS in archives, Synology for previews, Windows for deleted files.
_FOLDERS_OF_SYSTEMS = frozenset({"__macosx", "@eadir", "$recycle.bin"})


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
        cls, texts: Iterable[str] | Mapping[str, str], *, speaker: Speaker = "marin", name: str = "texts"
    ) -> Dataset:
        """Make a dataset from sentences, which are spoken when needed.

        Parameters
        ----------
        texts : iterable of str, or mapping of str to str
            The sentences; a mapping names them.
        speaker : str or callable, default "marin"
            A voice of the local synthesiser, see `realtime_nb.speak`; or a function that takes the words and returns
            an `AudioClip`.
        name : str, default "texts"
            The dataset's name.

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
                raise SettingsError(f"{example_id}: {text!r} is not a text to speak")
        return cls((Example(example_id=key, text=text, speaker=speaker) for key, text in named.items()), name=name)

    @classmethod
    def from_csv(cls, path: str | Path, *, speaker: Speaker = "marin") -> Dataset:
        r"""Read a dataset from a CSV file, e.g. one of the OpenAI cookbook's realtime evals.

        Parameters
        ----------
        path : str or Path
            Columns: ``example_id``; ``user_text`` (the words to say, or the reference for the audio file);
            ``audio_path`` (optional, relative to the CSV file; rows without one are spoken); ``speaker`` (optional, a
            voice of the local synthesiser); ``gt_tool_call`` (optional; the tool that should be called, empty for
            none); ``gt_tool_call_arg`` (optional, a JSON object: the arguments that the call should have); ``tags``
            (optional, separated by semicolons); ``language`` (optional, ``en`` by default). Other columns go to
            `Example.fields`.
        speaker : str or callable, default "marin"
            The speaker of rows that name none; as in `from_texts`.

        Raises
        ------
        SettingsError
            If the file, or a line of it, cannot be read; the message says which.

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
            The folder. The words are in a file of the same name that ends in ``.txt``, in upper or lower case. Files in
            a subfolder get its name as a tag.
        pattern : str, default "**/*"
            Which files to take, of those that `AudioClip.from_file` reads and that are not hidden.

        Raises
        ------
        SettingsError
            If there are none, or the words of one cannot be read or are in two files.

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
                    # Two files may differ only in their endings.
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
            One or several, as `Recording.load` takes or returns them. The reference of a turn is the transcript made at
            the time; check it if it matters.
        name : str, default "recordings"
            Its name in results.

        Raises
        ------
        RecordingError
            If one cannot be read.
        SettingsError
            If no one says anything in them.

        Warns
        -----
        UserWarning
            If part of one is missing or damaged; silence then takes the place of sound.

        Examples
        --------
        The recordings of a run, e.g. of its scenarios, are in its folder ``recordings``.

        >>> import realtime_nb as rt
        >>> with rt.RealtimeSession(backend="local") as session:
        ...     _ = session.ask(rt.speak("What time is it?")).result()
        ...     recording = session.save("monday")
        >>> rt.Dataset.from_recordings("monday")[0].text
        'What time is it?'
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
        speaker: Speaker = "marin",
        name: str = "scenarios",
    ) -> Dataset:
        """Make a dataset from conversations of several turns.

        Parameters
        ----------
        scenarios : iterable or mapping
            Each a `Scenario`, or its script: a sequence of words and `UserTurn`s. A mapping names them.
        speaker : str or callable, default "marin"
            The speaker of sequences; as in `from_texts`. A `Scenario` has its own speaker.
        name : str, default "scenarios"
            Its name in results.

        Raises
        ------
        SettingsError
            If one is not a scenario.

        Examples
        --------
        >>> Dataset.from_scenarios({"sums": ["What is two plus three?", "And what is my name?"]})
        Dataset('scenarios', 1 example)
        """
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
            The text model that plays the person, as for `SimulatedUser`; a speaker says its words.
        speaker : str or callable, optional
            The speaker; by default the simulation's voice.

        Raises
        ------
        SettingsError
            If a file cannot be read, or is not a simulation.

        Notes
        -----
        The criteria for the whole conversation are in the field ``rubric``, which a `Judge` reads. The results that
        tools should return are in the field ``tool_mocks``: give your systems functions that return them.
        """
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

    def filter(self, keep: Callable[[Example], bool]) -> Dataset:
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
    return str(example.source) if example.source else f"spoken by {speaker_name(example.speaker)}"


def _spoken_in(recording: Recording) -> Iterator[Example]:
    asked = (turn for turn in recording.conversation if turn.role == "user")
    heard = ((turn, clip) for turn in asked if (clip := turn.audio) is not None and clip.peak)
    for number, (turn, clip) in enumerate(heard, 1):
        name = recording.path.stem
        yield Example(example_id=f"{name}_{number:03d}", text=turn.text, source=clip, tags=(name,))


def _is_hidden(file: Path, folder: Path) -> bool:
    """Return whether a file, or a folder on the way to it, is hidden."""
    return any(name.startswith(".") or name.lower() in _FOLDERS_OF_SYSTEMS for name in file.relative_to(folder).parts)


def _texts_in(folder: Path) -> dict[tuple[Path, str], list[Path]]:
    """Return the texts in a folder and its subfolders, by folder and name."""
    found: dict[tuple[Path, str], list[Path]] = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() == ".txt" and file.is_file() and not _is_hidden(file, folder):
            found.setdefault((file.parent, _plain_name(file)), []).append(file)
    return found


def _plain_name(file: Path) -> str:
    """Return a file's name without its ending, in lower case, with accents composed."""
    return unicodedata.normalize("NFC", file.stem).casefold()


def _words_of(file: Path, texts: Mapping[tuple[Path, str], Sequence[Path]]) -> str:
    found = texts.get((file.parent, _plain_name(file)), ())
    found = [each for each in found if each.stem == file.stem] or found
    if len(found) > 1:
        raise SettingsError(f"{str(file)!r} has two texts, {found[0].name!r} and {found[1].name!r}: remove one")
    return " ".join(read_text(found[0]).split()) if found else ""

"""Conversations of several turns as rows of a dataset, with scripted or simulated users."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, get_args

from ..errors import MissingKey, SettingsError
from ..media.clip import AudioClip
from ..sessions.backend import Backend
from ..texts import read_text
from .example import SPEAKERS, Example, Speaker, check_speaker, checked_source, clip_of, digest_of, read_table
from .text_models import write
from .timelines import TurnKind

# --- Conversations of several turns, as rows of a dataset: the person's turns, their times, and expected results ------


@dataclass(frozen=True, eq=False)
class UserTurn:
    """A turn of the person in a `Scenario`, and the expected result.

    Parameters
    ----------
    text : str
        The words to say, or, with a `source`, the reference for its words.
    source : AudioClip or Path, optional
        The sound, or the file that holds it.
    speaker : str or callable, optional
        The speaker; by default the scenario's.
    at_ms : float, optional
        When to say it: this many ms after the answer to the turn before begins to play, i.e. during that answer. By
        default the turn follows when the answer is over.
    backchannel : bool, default False
        Whether it only shows that the person is listening ("mhm"), so it should not stop the answer; short for
        ``kind="backchannel"``.
    kind : {"turn", "backchannel", "vocal_tic", "non_directed"}, default "turn"
        What the sound is: a turn that wants an answer; or a sound that should neither stop an answer nor get one: a
        backchannel, a cough or "um" (``"vocal_tic"``), or words to someone else (``"non_directed"``). Only sessions
        that hear an open microphone hear the last three.
    tool_call : str, optional
        The tool that should be called in answer; empty if none should be, `None` if that is not graded.
    tool_arguments : mapping, optional
        The arguments that the call should have.
    keywords : sequence of str, optional
        Words or phrases that should be in the answer.

    Raises
    ------
    SettingsError
        If there is nothing to say, there is no such kind, or `at_ms` is negative.

    Examples
    --------
    >>> UserTurn("What is two plus three?", keywords=["five"]).keywords
    ('five',)
    >>> UserTurn("Stop, please.", at_ms=1_000).at_ms
    1000
    """

    text: str = ""
    _: KW_ONLY
    source: AudioClip | Path | None = None
    speaker: Speaker | None = None
    at_ms: float | None = None
    backchannel: bool = False
    kind: TurnKind = "turn"
    tool_call: str | None = None
    tool_arguments: Mapping[str, Any] = field(default_factory=dict)
    keywords: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", checked_source(self.source))
        if self.speaker is not None:
            check_speaker(self.speaker)
        if self.source is None and not self.text.strip():
            raise SettingsError("a UserTurn needs a text to speak, or a source")
        if self.at_ms is not None and not 0 <= self.at_ms < float("inf"):
            raise SettingsError(f"at_ms={self.at_ms} must not be negative: the answer begins to sound at 0")
        if self.kind not in get_args(TurnKind) or (self.backchannel and self.kind not in ("turn", "backchannel")):
            raise SettingsError(f"kind={self.kind!r} of {self.text!r} is not one of {', '.join(get_args(TurnKind))}")
        object.__setattr__(self, "kind", "backchannel" if self.backchannel else self.kind)
        object.__setattr__(self, "backchannel", self.kind == "backchannel")
        if self.backchannel and self.at_ms is None:
            raise SettingsError(f"backchannel=True of {self.text!r} needs at_ms: when to say it during the answer")
        if isinstance(self.keywords, str):
            raise SettingsError(f"keywords={self.keywords!r} must be a sequence of words or phrases")
        object.__setattr__(self, "keywords", tuple(self.keywords))

    def clip(self, speaker: Speaker) -> AudioClip:
        """Return the sound, read or spoken on demand; by `speaker`, unless the turn names one."""
        return clip_of(self.text, self.source, self.speaker or speaker)

    def digest(self, speaker: Speaker) -> str:
        """Return a hash of the words and their time."""
        asked = digest_of(self.text, self.source, self.speaker or speaker, self.tool_call, self.tool_arguments)
        kind = "" if self.kind in ("turn", "backchannel") else self.kind
        return f"{asked}{self.at_ms}{self.backchannel}{self.keywords}{kind}"

    @property
    def wants_answer(self) -> bool:
        """True if it is a turn, and not a sound that the system should ignore."""
        return self.kind == "turn"


class Said(NamedTuple):
    """One utterance of a conversation, as a simulated user knows it."""

    role: str
    """``"user"`` for the simulated user's own words, ``"assistant"`` for those that it heard."""
    text: str


class Next(NamedTuple):
    """A simulated user's next words, with their cost."""

    words: str | UserTurn | None
    """`None` if it has nothing more to say."""
    cost_usd: float | None = 0.0
    """Cost of thinking of them; `None` if that is not known."""


class User(Protocol):
    """A simulated user; any such function will do. One object may speak in many conversations at once."""

    def __call__(self, talk: Sequence[Said]) -> str | UserTurn | Next | None:
        """Return the next words, given the conversation so far; `None` ends it."""
        ...


@dataclass(frozen=True)
class RuleUser:
    r"""A simulated user that follows rules.

    Parameters
    ----------
    rules : sequence of (str, str or None)
        Patterns for `re.search` (case is ignored), and the words to say if one matches the last answer. ``\1`` stands
        for a group of the match, and `None` ends the conversation. The first match counts, among the rules whose words
        have not been said yet.
    opening : str
        The first words.
    otherwise : str, optional
        The words to say if no rule matches; by default that ends the conversation.

    Raises
    ------
    SettingsError
        If a pattern is not a regular expression.

    Examples
    --------
    >>> user = RuleUser([(r"number is (\w+)", r"Cancel order \1."), ("cancelled", None)], opening="Where is my order?")
    >>> user([])
    'Where is my order?'
    >>> user([Said("user", "Where is my order?"), Said("assistant", "Its number is 7.")])
    'Cancel order 7.'
    """

    rules: Sequence[tuple[str, str | None]]
    _: KW_ONLY
    opening: str
    otherwise: str | None = None

    def __post_init__(self) -> None:
        for pattern, _ in self.rules:
            try:
                re.compile(pattern)
            except re.error as error:
                raise SettingsError(f"{pattern!r} is not a regular expression: {error}") from None

    def __call__(self, talk: Sequence[Said]) -> str | None:
        """Return the next words."""
        if not talk:
            return self.opening
        said = {each.text for each in talk if each.role == "user"}
        heard = talk[-1].text if talk[-1].role == "assistant" else ""
        for pattern, words in self.rules:
            found = re.search(pattern, heard, re.IGNORECASE)
            if found is None:
                continue
            if words is None or (words := found.expand(words)) not in said:
                return words
        return self.otherwise


@dataclass(frozen=True, kw_only=True, eq=False)
class Scenario(Example):
    """A conversation of several turns, as a row of a `Dataset`; each time it is held in a session of its own.

    Parameters
    ----------
    example_id : str
        Its name.
    turns : sequence of UserTurn or str
        The person's turns, in order.
    user : User, optional
        The user that goes on after the script: a `RuleUser`, a `SimulatedUser`, or a function.
    max_turns : int, default 8
        The most turns that the person has in a simulated conversation.
    speaker, tool_call, tool_arguments, tags, fields
        As for `Example`; the call may come anywhere in the conversation.

    Raises
    ------
    SettingsError
        If there are neither turns nor a user, or a turn has an ``at_ms`` before any turn that wants an answer.

    Notes
    -----
    If all turns want an answer and none has an ``at_ms``, and without ``run(…, live=True)``, each turn is sent at once,
    and the next one follows when the answer is ready. Otherwise everything takes as long as it sounds: a
    `RealtimeSession` with turn detection hears an open microphone, and its answers take as long as if they were played.
    Other sessions do not hear while they speak: the person presses stop at ``at_ms`` (`Session.interrupt`) and then
    says the turn; sounds that want no answer are left out. Conditions change the speech, not the silence between turns.

    Examples
    --------
    >>> scenario = Scenario(
    ...     example_id="story",
    ...     turns=["Tell me a story.", UserTurn("Stop. What time is it?", at_ms=1_500, keywords=["clock"])],
    ... )
    >>> scenario.text
    'Tell me a story. Stop. What time is it?'
    """

    turns: Sequence[UserTurn | str] = ()
    user: User | None = None
    max_turns: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.turns, str):
            raise SettingsError(f"turns={self.turns!r} is one turn: give a list of them")
        turns = tuple(UserTurn(each) if isinstance(each, str) else each for each in self.turns)
        for each in turns:
            if not isinstance(each, UserTurn):
                raise SettingsError(f"{each!r} is not a turn of {self.example_id!r}: give words, or a UserTurn")
        if not turns and self.user is None:
            raise SettingsError(f"the scenario {self.example_id!r} has neither turns nor a user")
        if self.user is not None and not callable(self.user):
            raise SettingsError(f"user={self.user!r} cannot be called: give a RuleUser, a SimulatedUser or a function")
        wanting = next((place for place, each in enumerate(turns) if each.wants_answer), len(turns))
        if any(each.at_ms is not None for each in turns[: wanting + 1]):
            raise SettingsError(f"the scenario {self.example_id!r} begins with at_ms: there is no answer to speak into")
        if self.max_turns < 1:
            raise SettingsError(f"max_turns={self.max_turns} must be positive")
        object.__setattr__(self, "turns", turns)
        if not self.text:
            object.__setattr__(self, "text", " ".join(each.text for each in turns if each.text))

    @property
    def script(self) -> tuple[UserTurn, ...]:
        """The turns that are known in advance."""
        return tuple(each for each in self.turns if isinstance(each, UserTurn))

    @property
    def is_paced(self) -> bool:
        """True if a turn has an ``at_ms``, or wants no answer, so that the talk must take as long as it sounds."""
        return any(each.at_ms is not None or not each.wants_answer for each in self.script)

    @property
    def most_turns(self) -> int:
        """How often the person speaks in it, at most."""
        return max(len(self.turns), self.max_turns if self.user is not None else 0)

    def clip(self) -> AudioClip:
        """Return the sound of its script, one turn after another."""
        from ..media.clip import concatenate

        clips = [each.clip(self.speaker) for each in self.script]
        if not clips:
            raise SettingsError(f"the words of the scenario {self.example_id!r} are not known in advance")
        return concatenate([each.resample(clips[0].sample_rate) for each in clips])

    @property
    def digest(self) -> str:
        """A hash of the scenario, so that a resumed run recognises the row."""
        told = [super().digest, *(each.digest(self.speaker) for each in self.script), _name_of(self.user)]
        return hashlib.sha256("|".join([*told, str(self.max_turns if self.user else 0)]).encode()).hexdigest()[:16]


def _name_of(user: User | None) -> str:
    """Return text that identifies a user in every process: a function's name, or an object's settings."""
    return str(getattr(user, "__qualname__", None) or repr(user))


def read_scenarios(
    scenarios: Mapping[str, Sequence[UserTurn | str]] | Iterable[Scenario | Sequence[UserTurn | str]], speaker: Speaker
) -> Iterator[Scenario]:
    """Yield scenarios from the arguments of `Dataset.from_scenarios`."""
    if isinstance(scenarios, str | Scenario):
        raise SettingsError(f"scenarios={scenarios!r} is one scenario: give a list of them")
    named = (
        scenarios.items()
        if isinstance(scenarios, Mapping)
        else ((f"scenario_{number:03d}", each) for number, each in enumerate(scenarios, 1))
    )
    for name, each in named:
        if isinstance(each, Scenario):
            yield each
        elif isinstance(each, str) or not isinstance(each, Sequence):
            raise SettingsError(f"{name}: {each!r} is neither a Scenario nor a sequence of turns")
        else:
            yield Scenario(example_id=name, turns=each, speaker=speaker)


# --- Simulations of the OpenAI cookbook's realtime evals, as scenarios ------------------------------------------------
#
# Format: OpenAI cookbook, ``examples/evals/realtime_evals/run_harness``: an index in CSV, and a JSON file for each.


def read_simulations(path: Path, speaker: Speaker | None, options: Mapping[str, Any]) -> Iterator[Scenario]:
    """Yield the scenarios of a file; `options` are the simulated users'. See `Dataset.from_simulations`."""
    if path.suffix.lower() == ".json":
        yield _scenario(path, speaker, options, 0)
        return
    for line, row in read_table(path, ("simulation_path",)):
        file, most = row["simulation_path"], row.get("max_turns_override") or "0"
        if (row.get("enabled") or "true").lower() not in ("true", "1", "yes"):
            continue
        if not file or not most.isdecimal():
            raise SettingsError(
                f"{str(path)!r}, line {line}: simulation_path={file!r} and max_turns_override={most!r} must be the "
                "name of a file and a number of turns, 0 for its own"
            )
        yield _scenario(path.parent / file, speaker, options, int(most))


def _scenario(path: Path, speaker: Speaker | None, options: Mapping[str, Any], max_turns: int) -> Scenario:
    try:
        told = json.loads(read_text(path))
        simulator, turns, call = told["simulator"], told.get("turns") or {}, told.get("expected_tool_call") or {}
        user = SimulatedUser(
            goal=told.get("scenario") or path.stem,
            instructions=simulator["system_prompt"],
            opening=turns.get("fixed_first_user_turn") or "",
            **options,
        )
        voice = simulator.get("voice")
        graders = told.get("graders") or {}
        criteria = [each["criteria"] for each in graders.get("trace_level") or () if each.get("criteria")]
        return Scenario(
            example_id=str(told.get("simulation_id") or path.stem),
            user=user,
            max_turns=max_turns or int(turns.get("max_turns") or Scenario.max_turns),
            speaker=speaker or (voice if voice in SPEAKERS else "marin"),
            tool_call=call.get("name") if call else None,
            tool_arguments=call.get("arguments") or {},
            fields={"rubric": " ".join(criteria), "tool_mocks": json.dumps(told.get("tool_mocks") or [])},
        )
    except SettingsError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise SettingsError(f"{str(path)!r} is not a simulation: {problem}") from None


# --- A text model that plays the person -------------------------------------------------------------------------------

_INSTRUCTIONS = """\
You play a person who talks with a voice assistant, by telephone. You are never the assistant.

Who you are: {persona}
What you want: {goal}

Say what this person would say next, as people speak: one or two short sentences, no lists, no markup, no stage \
directions. Give your details when you are asked for them, and invent none. As soon as you have what you want, or it \
is clear that you will not get it, answer with the single word {stop}."""
_BEGIN = "(The line is open, and nobody has spoken yet. You begin.)"


@dataclass(frozen=True, kw_only=True)
class SimulatedUser:
    """A simulated user: a text model that hears the answers, and says what a person would say.

    Parameters
    ----------
    goal : str
        The person's goal, in words.
    persona : str, default "an ordinary customer"
        The person, and the facts that they know.
    instructions : str, optional
        Instructions for the model that replace `persona`, `goal` and `stop`.
    opening : str, optional
        The first words, so that all conversations begin alike; by default the model chooses them.
    model : str, optional
        By default the text model of the backend's chain.
    backend : Backend or str, optional
        Any server that speaks Chat Completions, as for `Judge`. Without a key it is the local voice, which only repeats
        what it hears: use a `RuleUser` there.
    stop : str, default "END_CALL"
        The word with which it ends the conversation (as in the OpenAI cookbook's run harness).
    timeout_s : float, default 60.0
        How long it may think, in seconds.

    Raises
    ------
    SettingsError
        If `goal` or `stop` is empty.

    Notes
    -----
    It gets the words of the answers, as far as they were heard. Its cost is in ``user_cost_usd``, and counts towards
    ``max_usd``. Two runs hold two different conversations, and so do two systems in one run: compare whether the task
    succeeded, not turn by turn.

    Examples
    --------
    >>> user = SimulatedUser(
    ...     persona="Jordan Lee, order number ORD-1001",
    ...     goal="to learn when the order will arrive",
    ...     opening="Hi, can you check on my order?",
    ... )
    >>> user([])
    Next(words='Hi, can you check on my order?', cost_usd=0.0)
    """

    goal: str
    persona: str = "an ordinary customer"
    instructions: str = ""
    opening: str = ""
    model: str | None = None
    backend: Backend | str | None = None
    stop: str = "END_CALL"
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        if not self.goal.strip() or not self.stop.strip():
            raise SettingsError(f"goal={self.goal!r} and stop={self.stop!r} must not be empty")
        if isinstance(self.backend, str):
            with suppress(MissingKey):  # The worker may have the key.
                Backend.find(self.backend)  # An unknown name fails at once.

    def __call__(self, talk: Sequence[Said]) -> Next:
        """Return the next words."""
        if not talk and self.opening:
            return Next(self.opening)
        told = _INSTRUCTIONS.format(persona=self.persona, goal=self.goal, stop=self.stop)
        # To the model that plays the person, the person is the assistant.
        sides = {"user": "assistant", "assistant": "user"}
        said = [{"role": sides[each.role], "content": each.text} for each in talk]
        if not said or said[-1]["role"] == "assistant":
            said.append({"role": "user", "content": _BEGIN if not said else "(Silence.)"})
        written = write(
            [{"role": "system", "content": self.instructions or told}, *said],
            model=self.model,
            backend=self.backend,
            timeout_s=self.timeout_s,
        )
        words = " ".join(written.text.partition(self.stop)[0].split())
        return Next(words or None, written.cost_usd)

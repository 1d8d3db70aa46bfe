"""Ask several systems the same clips."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..conversation.costs import Costs
from ..conversation.records import Reply, Turn
from ..display import Progress
from ..errors import SettingsError
from ..loop import Pending, submit
from ..media.clip import AudioClip
from ..speech.comparison import Comparison, ComparisonCell
from ..speech.words import word_error_rate
from .backend import Backend
from .own_system import System, as_session
from .request import check_clip
from .session import Session


def compare(
    sessions: Sequence[Session | System] | Mapping[str, Session | System],
    clips: Sequence[AudioClip | tuple[AudioClip, str]] | Mapping[str, AudioClip | tuple[AudioClip, str]],
    *,
    repeats: int = 1,
) -> Pending[Comparison]:
    """Ask every session every clip, in turn, and compare the answers.

    Each session keeps its conversation, so later answers read more, and cost more, than earlier ones, in all systems
    alike. The order of the systems changes from clip to clip.

    Parameters
    ----------
    sessions : sequence or mapping of Session
        The systems; a mapping names them. One of your own is an object with a method ``answer``: see `SystemSession`.
    clips : sequence or mapping of AudioClip
        What to ask, with the words as a reference if known: ``(clip, "what is said in it")``. A mapping names them.
    repeats : int, default 1
        How often to ask each.

    Returns
    -------
    comparison : Pending of Comparison
        A failed cell is a row with its error.

    Raises
    ------
    SettingsError
        If there is nothing to compare, or `repeats` is not positive.
    AudioError
        If a clip cannot be a spoken turn, e.g. because it is silent.

    Examples
    --------
    >>> from realtime_nb import ChatSession, CascadeSession, speak
    >>> systems = [ChatSession(backend="local"), CascadeSession(backend="local")]
    >>> compare(systems, [speak("What can you do?")]).result()
    Comparison(chat, cascade; 2 answers, 0 failed)
    """
    given = dict(sessions) if isinstance(sessions, Mapping) else _named(sessions)
    named = {name: as_session(each) for name, each in given.items()}
    if not isinstance(clips, Mapping):
        clips = {f"clip {number}": clip for number, clip in enumerate(clips, 1)}
    asked = {name: clip if isinstance(clip, tuple) else (clip, "") for name, clip in clips.items()}
    if not named or not asked:
        raise SettingsError("compare() needs at least one session and one clip")
    if repeats < 1:
        raise SettingsError(f"repeats={repeats} must be positive")
    for clip, _ in asked.values():
        check_clip(clip)
    return submit(_compare(named, asked, repeats))


def _named(sessions: Sequence[Session | System]) -> dict[str, Session | System]:
    """Name systems after their kind, and number those of the same kind."""
    kinds = [type(session).__name__.removesuffix("Session").lower() for session in sessions]
    names = [
        kind if kinds.count(kind) == 1 else f"{kind} {kinds[: index + 1].count(kind)}"
        for index, kind in enumerate(kinds)
    ]
    return dict(zip(names, sessions, strict=True))


async def _compare(sessions: dict[str, Session], clips: dict[str, tuple[AudioClip, str]], repeats: int) -> Comparison:
    cells: list[tuple[ComparisonCell, Backend, list[Turn | None], list[Reply]]] = []
    names = list(sessions)
    rounds = list(itertools.product(range(1, repeats + 1), clips.items()))
    with Progress("compare", len(rounds) * len(names), "answers") as progress:
        for turn, (repeat, (clip_name, (clip, reference))) in enumerate(rounds):
            for place in range(len(names)):
                system = names[(turn + place) % len(names)]
                session = sessions[system]
                replies, turns = len(session.conversation.replies), len(session.conversation.arrivals)
                cell, reply = await _ask(session, system, clip_name, repeat, clip, reference)
                new = [turn for turn in session.conversation.arrivals[turns:] if turn.role == "user"]
                asked: list[Turn | None] = [reply.asked] if reply else [*new]
                cells.append((cell, session.backend, asked, session.conversation.replies[replies:]))
                progress.add()
    order = {name: place for place, name in enumerate(names)}
    cells.sort(key=lambda each: order[each[0].system])
    words_only = [name for name, session in sessions.items() if not session.hears_sound]
    # Only now: the words of a question may come after its answer.
    priced = [_with_cost(*each) for each in cells]
    return Comparison(priced, {name: clip for name, (clip, _) in clips.items()}, words_only)


async def _ask(
    session: Session, system: str, clip_name: str, repeat: int, clip: AudioClip, reference: str
) -> tuple[ComparisonCell, Reply | None]:
    try:
        reply = await session.ask(clip)
    except Exception as error:  # One failed cell must not end the others.
        failure = str(error) or type(error).__name__
        return ComparisonCell(system=system, clip=clip_name, repeat=repeat, error=failure), None
    heard = reply.asked.text if reply.asked else ""
    written = reply.asked is not None and reply.asked.is_written_down
    why_no_wer = "not transcribed" if reference else 'no reference: ask (clip, "its words")'
    failure = "" if reply.status == "completed" else f"{reply.status} {reply.reason or reply.error or ''}".strip()
    cell = ComparisonCell(
        system=system,
        clip=clip_name,
        repeat=repeat,
        first_audio_ms=reply.timing.first_audio_ms,
        done_ms=reply.timing.done_ms,
        heard=heard,
        wer=word_error_rate(reference, heard) if reference and written else None,
        no_wer="" if reference and written else why_no_wer,
        reply=reply.transcript,
        audio=reply.audio,
        error=failure,
    )
    return cell, reply


def _with_cost(
    cell: ComparisonCell, backend: Backend, asked: list[Turn | None], replies: list[Reply]
) -> ComparisonCell:
    """Return a cell with everything billed for its question; others may ask the same session meanwhile.

    `asked`: the turn of the question; of a failed one, every turn that may be it. `replies`: all since it was put.
    """
    if len(asked) > 1:
        return replace(cell, cost_remarks="the session was asked something else meanwhile: the cost is not known")
    own = [reply for reply in replies if reply.asked in (asked or [None])]
    costs = Costs(own, [turn for turn in asked if turn])
    why_unknown = backend.why_unknown(costs.charges)
    usages = [reply.usage for reply in own if reply.usage]
    return replace(
        cell,
        cost_usd=None if why_unknown else costs.total_usd,
        cost_remarks=why_unknown or "; ".join(costs.remarks),
        tokens_in=sum(usage.input_tokens for usage in usages) if usages else None,
        tokens_out=sum(usage.output_tokens for usage in usages) if usages else None,
    )

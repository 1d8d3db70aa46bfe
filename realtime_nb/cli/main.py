"""``realtime-nb``: the package from a terminal.

``realtime-nb lab`` opens the tutorials; ``realtime-nb talk FILE…`` sends spoken questions and keeps the answers, and
``realtime-nb talk --live`` opens a page to talk in;
``realtime-nb eval DATA.csv --out DIR`` runs an experiment; ``realtime-nb doctor`` checks the set-up;
``realtime-nb serve`` runs the local voice server for other programs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..display import say
from ..secrecy import bare_address
from . import doctor as cli_doctor
from . import eval as cli_eval
from . import lab as cli_lab

if TYPE_CHECKING:
    from ..conversation.records import Reply
    from ..media.clip import AudioClip
    from ..sessions.realtime import RealtimeSession


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0, 1 if the server failed, 2 if the arguments cannot be used.

    Ctrl-C is 130; ``eval`` then keeps the answers so far.
    """
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        say("realtime-nb: interrupted", file=sys.stderr)
        return 130


def _run(arguments: Sequence[str] | None) -> int:
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if options.command == "serve":
        from ..local.__main__ import main as serve

        serve(rest)
        return 0
    if options.command == "lab":
        return cli_lab.run(options, rest)
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    address = getattr(options, "backend", None) or ""
    if "://" in address and address != bare_address(address):
        cure = "give the key in REALTIME_NB_API_KEY"
        say(f"warning: others can read --backend in the list of processes: {cure}", file=sys.stderr)
    if options.command == "doctor":
        return cli_doctor.run(options)
    if options.command == "eval":
        return cli_eval.run(options)
    if options.live != (not options.files):
        parser.error("talk needs sound files, or --live to use your microphone")
    return _talk(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="realtime-nb", description="Talk with a voice model from a terminal.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    talk = commands.add_parser(
        "talk",
        help="send audio files as spoken turns of one conversation, or talk in a browser, and keep the answers",
        description="Send each audio file as a spoken turn of one conversation. Prints what was heard, the reply, its "
        "length, the latency of its first audio, tokens and cost; writes the reply's audio. The voice is AI-generated.",
    )
    talk.add_argument("files", nargs="*", metavar="FILE", type=Path, help="sound files in any common format")
    talk.add_argument("--live", action="store_true", help="talk by microphone, in a browser tab, until Ctrl-C")
    talk.add_argument(
        "--backend",
        help="openai, azure, local, or the address of a compatible server "
        "(default: openai if OPENAI_API_KEY is set, local otherwise)",
    )
    talk.add_argument("--model", help="default: the backend's")
    talk.add_argument("--voice", help="default: the backend's")
    talk.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for replies and a recording of the session, DIR/recording (default: only the replies, here)",
    )
    talk.add_argument("--json", action="store_true", help="print one JSON object for each file")
    cli_eval.add_command(commands)
    cli_lab.add_command(commands)
    cli_doctor.add_command(commands)
    commands.add_parser("serve", add_help=False, help="run the local voice server (options: realtime-nb serve --help)")
    return parser


def _talk(options: argparse.Namespace) -> int:
    from ..errors import AudioError, MissingExtra, MissingKey, RealtimeError, RecordingError, SettingsError
    from ..sessions.realtime import RealtimeSession

    try:
        # All files are read before the first one is sent, so that nothing is spent on a list that cannot be finished.
        clips = [_question(path) for path in options.files]
        session = RealtimeSession(
            backend=options.backend,
            model=options.model,
            recording=_recording(options.out) if options.out else None,
            **({"voice": options.voice} if options.voice else {}),
        )
        if options.live:
            return _talk_live(session)
        with session:
            finished = [
                _turn(session, path, clip, options, target)
                for path, clip, target in zip(options.files, clips, _targets(options), strict=True)
            ]
        for remark in session.conversation.remarks:
            say(f"remark: {remark}", file=sys.stderr)
    except (AudioError, SettingsError, RecordingError, MissingKey, MissingExtra, OSError) as error:
        return _fail(error, 2)
    except RealtimeError as error:
        return _fail(error, 1)
    return 0 if all(finished) else 1


def _talk_live(session: RealtimeSession) -> int:
    """Let the person talk in a browser tab until they end it there, or here; print what was said."""
    import warnings

    from ..views import mimebundle
    from ..widgets.panel import panel_of

    panel = panel_of(session)
    try:
        with warnings.catch_warnings(action="ignore"):  # Without a browser here, the printed address must do.
            address = session.open_in_browser()
        say(f"Talk at {address}\nCtrl-C ends the conversation.")
        while not panel.ended.wait(1.0):
            pass
    except KeyboardInterrupt:
        pass  # One of the two ways to end it.
    finally:
        panel.close()
        session.close().result()
    if session.conversation.turns:
        say(mimebundle(session.conversation)["text/plain"])
    return 0


def _fail(error: Exception, code: int) -> int:
    say(f"realtime-nb: {error}", file=sys.stderr)
    return code


def _question(path: Path) -> AudioClip:
    """Read a file and check that there is something to hear."""
    from ..errors import AudioError
    from ..media.clip import AudioClip
    from ..sessions.request import check_clip

    clip = AudioClip.from_file(path)
    try:
        check_clip(clip)
    except AudioError as error:
        raise AudioError(f"{str(path)!r}: {error}") from None
    return clip


def _recording(folder: Path) -> Path:
    """Return the folder for the session's recording; an existing recording is kept."""
    target, number = folder / "recording", 2
    while target.exists():
        target, number = folder / f"recording-{number}", number + 1
    return target


def _targets(options: argparse.Namespace) -> list[Path]:
    """Return the path for each reply's audio; files of the same name get numbers."""
    targets: list[Path] = []
    folder = options.out or Path()
    for path in options.files:
        target, number = folder / f"{path.stem}-reply.wav", 2
        while target in targets:
            target, number = folder / f"{path.stem}-reply-{number}.wav", number + 1
        targets.append(target)
    return targets


def _turn(session: RealtimeSession, path: Path, clip: AudioClip, options: argparse.Namespace, target: Path) -> bool:
    """Send one file, then print and save the answer; return whether it is complete."""
    reply = session.ask(clip).result()
    audio = reply.audio
    saved = None
    try:
        saved = audio.save(target) if audio is not None else None
    finally:  # The answer is paid for, even if the disk is full.
        if options.json:
            say(json.dumps(_facts(session, path, clip, reply, saved), ensure_ascii=False))
        else:
            say("\n".join(_lines(session, path, clip, reply, saved)))
    return reply.status == "completed"


def _facts(session: RealtimeSession, path: Path, clip: AudioClip, reply: Reply, saved: Path | None) -> dict[str, Any]:
    audio = reply.audio
    return {
        "file": str(path),
        "file_s": round(clip.duration_s, 3),
        "heard": reply.asked.text if reply.asked else "",
        "reply": reply.transcript,
        "reply_s": round(audio.duration_s, 3) if audio else 0.0,
        "audio": str(saved) if saved else None,
        "first_audio_ms": reply.timing.first_audio_ms,
        "usage": asdict(reply.usage) if reply.usage else None,
        "cost_usd": reply.cost.total_usd if reply.cost else None,
        "transcription_cost_usd": reply.asked.cost.total_usd if reply.asked and reply.asked.cost else None,
        "status": reply.status,
        "error": reply.error,
        "backend": session.backend.name,
        "model": reply.model,
        "voice": session.voice,
        "ai_generated": True,
    }


def _lines(session: RealtimeSession, path: Path, clip: AudioClip, reply: Reply, saved: Path | None) -> list[str]:
    from ..pricing.cost import format_usd
    from ..views import words

    heard = words.said(reply.asked) if reply.asked else ""
    lines = [f"{path} ({clip.duration_s:.1f} s)", f"  heard   {heard}", f"  reply   {reply.transcript}"]
    if saved is not None and reply.audio is not None:
        lines.append(f"  audio   {saved} ({reply.audio.duration_s:.1f} s, AI-generated voice {session.voice})")
    latency = words.milliseconds(reply.timing.first_audio_ms)
    lines.append(f"  took    first audio after {latency}, {words.tokens(reply)} tokens")
    transcription = reply.asked.cost if reply.asked else None
    apart = f" + {format_usd(transcription.total_usd)} for transcription" if transcription else ""
    lines.append(f"  cost    {words.cost(reply)}{apart} ({reply.model} at {session.backend.name})")
    if reply.status != "completed":
        lines.append(f"  status  {words.status(reply)}")
    return lines


if __name__ == "__main__":
    sys.exit(main())

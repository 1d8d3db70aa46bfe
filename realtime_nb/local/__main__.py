"""``python -m realtime_nb.local``: the local voice server."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from ..errors import SettingsError
from ..secrecy import BRAIN_KEY, SERVER_KEY, Secret, bare_address, hide
from .brains.brain import Brain
from .brains.local_brain import LocalBrain
from .brains.openai_brain import OpenAICompatibleBrain
from .brains.rule_brain import RuleBrain
from .brains.script_brain import ScriptBrain
from .faults import FAULTS
from .recognition.ears import EARS_VARIABLE
from .server import serve
from .synthesis.voice_files import VOICE_VARIABLE

#: Variables that say what answers, and which model of a text endpoint.
BRAIN, BRAIN_MODEL = "REALTIME_NB_BRAIN", "REALTIME_NB_BRAIN_MODEL"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="realtime-nb serve",
        description="Run the local voice server. The first line that it prints is JSON with its address and key.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    _add_key(parser, "--api-key", f"key that clients must send (default: from {SERVER_KEY}, or a random one)")
    parser.add_argument(
        "--brain",
        default=os.environ.get(BRAIN) or "auto",
        help="auto (a text model that runs on this machine, else rules), rules, script, script:FILE, or the URL of a "
        f"text endpoint (default: from {BRAIN}, or auto)",
    )
    parser.add_argument(
        "--brain-model",
        default=os.environ.get(BRAIN_MODEL),
        help=f"model of the text endpoint (default: from {BRAIN_MODEL})",
    )
    _add_key(parser, "--brain-key", f"key of the text endpoint (default: from {BRAIN_KEY})")
    parser.add_argument(
        "--ears",
        default=os.environ.get(EARS_VARIABLE, ""),
        help="recogniser: pocketsphinx, or a Whisper model in CTranslate2's or faster-whisper's format, by folder or "
        f"name (default: from {EARS_VARIABLE}, or the best that is installed)",
    )
    parser.add_argument(
        "--voice",
        default=os.environ.get(VOICE_VARIABLE, ""),
        help="voice of marin: the file of a Piper voice, or of Kokoro-82M with #NAME for one of its voices "
        f"(default: from {VOICE_VARIABLE}, or hibari's)",
    )
    parser.add_argument("--max-sessions", type=int, default=100, help="sessions at once (default: %(default)s)")
    parser.add_argument(
        "--open-vocabulary",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="let PocketSphinx's general English model listen too, while there are few sessions (default: yes)",
    )
    parser.add_argument("--with-parent", action="store_true", help="end when stdin closes or the parent ends")
    parser.add_argument(
        "--faults", nargs="*", choices=FAULTS, default=(), help="faults to simulate, for testing clients"
    )
    parser.add_argument("--lifetime-s", type=float, help="how long a session may last (default: an hour)")
    parser.add_argument("--lifetime-turns", type=int, help="number of responses after which a session expires")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Run the server by command-line arguments."""
    parser = _parser()
    options = parser.parse_args(arguments)
    lifetime = {
        name: value for name in ("lifetime_s", "lifetime_turns") if (value := getattr(options, name)) is not None
    }
    if "://" in options.brain and options.brain != bare_address(options.brain):
        _warn("--brain", f"give a key with {BRAIN_KEY} or --brain-key-file")
    try:
        api_key = _key(options.api_key, options.api_key_file, "--api-key", SERVER_KEY)
        brain_key = _key(options.brain_key, options.brain_key_file, "--brain-key", BRAIN_KEY)
        serve(
            host=options.host,
            port=options.port,
            api_key=api_key,
            brain=find_brain(options.brain, model=options.brain_model, api_key=brain_key),
            ears=options.ears,
            voice=options.voice,
            max_sessions=options.max_sessions,
            open_vocabulary=options.open_vocabulary,
            with_parent=options.with_parent,
            faults=options.faults,
            **lifetime,
        )
    except SettingsError as error:
        parser.error(str(error))


def _add_key(parser: argparse.ArgumentParser, name: str, words: str) -> None:
    either = parser.add_mutually_exclusive_group()
    either.add_argument(f"{name}-file", metavar="FILE", help=f"file with the {words}; - is standard input")
    either.add_argument(name, metavar="KEY", help="the key itself; other users of this machine can read it")


def _key(given: str | None, file: str | None, name: str, variable: str) -> Secret | None:
    """Return a key from an option, a file, standard input or the environment."""
    if given is not None:
        _warn(name, f"set {variable}, or use {name}-file FILE, where - is standard input")
    if file is not None:
        try:
            given = sys.stdin.readline() if file == "-" else Path(file).read_text("utf-8-sig")
        except (OSError, UnicodeError) as error:
            raise SettingsError(f"{name}-file={file!r} cannot be read: {error}") from None
        if not given.strip():
            raise SettingsError(f"{name}-file={file!r} does not hold a key")
    return Secret(given if given is not None else os.environ.get(variable, "")).strip() or None


def _warn(name: str, cure: str) -> None:
    print(f"warning: others can read {name} in the list of processes: {cure}", file=sys.stderr)


def find_brain(spec: str = "auto", *, model: str | None = None, api_key: str | None = None) -> Brain:
    """Return the brain that a command line names.

    `spec`: ``"auto"``, a text model that runs on this machine, else rules; ``"rules"``; ``"script"`` or
    ``"script:FILE"`` with a sentence a line; or the base URL of a text endpoint that speaks OpenAI's Chat Completions.

    Raises `SettingsError` if the name is not known, the script cannot be read, or an endpoint is named without a model.
    """
    if spec == "auto":
        return LocalBrain()
    if spec == "rules":
        return RuleBrain()
    kind, _, file = spec.partition(":")
    if kind == "script":
        try:
            return ScriptBrain.from_file(file) if file else ScriptBrain()
        except (OSError, ValueError) as error:
            raise SettingsError(f"the script {file!r} cannot be used: {error}") from error
    if kind in ("http", "https"):
        if not model:
            raise SettingsError(f"the text endpoint {bare_address(spec)} needs the name of a model")
        return OpenAICompatibleBrain(spec, model, api_key)
    shown = hide(bare_address(spec))
    raise SettingsError(
        f"brain={shown!r} is not 'auto', 'rules', 'script', 'script:FILE' or the address of a text endpoint"
    )


if __name__ == "__main__":
    main()

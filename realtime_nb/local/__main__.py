"""``python -m realtime_nb.local``: the local voice server."""

from __future__ import annotations

import argparse

from ..errors import SettingsError
from .app import serve
from .brains import find_brain
from .faults import FAULTS


def main(arguments: list[str] | None = None) -> None:
    """Run the server by command-line arguments."""
    parser = argparse.ArgumentParser(prog="python -m realtime_nb.local", description="The local voice server.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--api-key", help="key that clients must bring (default: a random one)")
    parser.add_argument("--brain", default="rules", help="rules, script, script:FILE, or the URL of a text endpoint")
    parser.add_argument("--brain-model", help="model of the text endpoint")
    parser.add_argument("--brain-key", help="key of the text endpoint")
    parser.add_argument("--max-sessions", type=int, default=100, help="sessions at once (default: %(default)s)")
    parser.add_argument(
        "--open-vocabulary",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="let the generic model of English listen too, while few talk (default: yes)",
    )
    parser.add_argument("--with-parent", action="store_true", help="end when stdin closes or the parent ends")
    parser.add_argument("--faults", nargs="*", choices=FAULTS, default=(), help="what to do to clients under test")
    parser.add_argument("--lifetime-s", type=float, help="how long a session may last (default: an hour)")
    parser.add_argument("--lifetime-turns", type=int, help="after how many responses a session expires")
    options = parser.parse_args(arguments)
    lifetime = {
        name: value for name in ("lifetime_s", "lifetime_turns") if (value := getattr(options, name)) is not None
    }
    try:
        serve(
            host=options.host,
            port=options.port,
            api_key=options.api_key,
            brain=find_brain(options.brain, model=options.brain_model, api_key=options.brain_key),
            max_sessions=options.max_sessions,
            open_vocabulary=options.open_vocabulary,
            with_parent=options.with_parent,
            faults=options.faults,
            **lifetime,
        )
    except SettingsError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()

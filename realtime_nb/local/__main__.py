"""``python -m realtime_nb.local``: the local voice server."""

from __future__ import annotations

import argparse

from .app import serve


def main(arguments: list[str] | None = None) -> None:
    """Run the server by command-line arguments."""
    parser = argparse.ArgumentParser(prog="python -m realtime_nb.local", description="The local voice server.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--api-key", help="key that clients must bring (default: a random one)")
    parser.add_argument("--max-sessions", type=int, default=100, help="sessions at once (default: %(default)s)")
    parser.add_argument("--with-parent", action="store_true", help="end when stdin closes or the parent ends")
    options = parser.parse_args(arguments)
    serve(**vars(options))


if __name__ == "__main__":
    main()
